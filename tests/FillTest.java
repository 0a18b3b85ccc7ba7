package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.where;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** The past: the first fill of a history, the check of the day, and hours that runs missed. */
class FillTest extends Scenario {
  private long stored() {
    return history().hours().stream().mapToLong(history()::at).sum();
  }

  /** Nights hold a tenth of the day, Sundays a third. */
  private static Map<Hour, Long> shaped(int tickets) {
    var hours = new ArrayList<Hour>();
    for (int i = 0; i < 4380; i++) {
      var hour = NOW.plus(-1 - i);
      var local = hour.from().atZone(java.time.ZoneOffset.UTC);
      boolean isDay = local.getHour() >= 8 && local.getHour() < 20;
      int weight = isDay ? 10 : 1;
      if (local.getDayOfWeek().getValue() == 7) weight = Math.max(1, weight / 3);
      hours.addAll(Collections.nCopies(weight, hour));
    }
    var chance = new Random(1);
    var counts = new TreeMap<Hour, Long>();
    for (int i = 0; i < tickets; i++) {
      counts.merge(hours.get(chance.nextInt(hours.size())), 1L, Long::sum);
    }
    return counts;
  }

  /** Without the sign-in and the last hour's page. */
  @ParameterizedTest
  @CsvSource({"20000, 26", "100000, 109"})
  void takes_few_requests(int tickets, int requests) throws IOException {
    var counts = shaped(tickets);
    desk(hour -> counts.getOrDefault(hour, 0L));
    config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 100");
    desk.trouble = Trouble.limits(100, 400, time);
    run(Exit.OK);
    assertEquals(4381, history().hours().size());
    assertEquals(tickets, stored());
    assertTrue(desk.requests() - 2 <= requests, "requests: " + desk.requests());
    assertTrue(Fakes.read(folder.resolve("out/history.csv.tags")).lines().count() > 29 * 24 - 2,
        "the tags come along");
  }

  /** Few when nothing has changed; a late ticket costs little more. */
  @ParameterizedTest
  @CsvSource({"0, 3", "1, 4"})
  void of_a_calm_day_is_one_question(int late, int requests) throws IOException {
    desk(hour -> hour.equals(NOW.plus(-5)) ? 10 + late : 10);
    known(240, 10);
    Fakes.tagged(folder, NOW, 10, Map.of());
    run(Exit.OK);
    assertEquals(requests, desk.requests(), desk.asked.toString());
    assertEquals(10 + late, history().at(NOW.plus(-5)));
  }

  @Test
  void leaves_nothing_to_read_for_a_second_run_in_the_same_hour() throws IOException {
    desk(hour -> 10);
    config("misc/NumHours = 800");
    run(Exit.OK);
    desk.asked.clear();
    run(Exit.OK);
    assertEquals(3, desk.asked.size(), desk.asked.toString());
  }

  /** A stand-in that allows 10 requests in any 20 seconds, while the own ceiling is 100. */
  @ParameterizedTest
  @ValueSource(strings = {"", "Retry-After: 3", "Retry-After: 0", "Retry-After: 60"})
  void waits_a_rate_limit_out(String header) throws IOException {
    desk(hour -> 23);
    config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 100");
    var headers = header.isEmpty() ? new String[0] : header.split(": ");
    desk.trouble = Trouble.slidingLimit(10, Duration.ofSeconds(20), time, headers);
    run(Exit.OK);
    assertEquals(4381 * 23, stored());
  }

  @Test
  void counts_hour_by_hour_where_an_export_is_refused() throws IOException {
    desk.trouble = always("export", answer(422, "{\"error\":\"invalid\"}"));
    var said = run(Exit.OK, "-v");
    assertTrue(said.err().contains("[zendesk] 127.0.0.1 answers 422 invalid (check Query)\n"),
        said.err());
    assertEquals(241, history().hours().size());
    assertEquals(2440, stored());
  }

  @Test
  void counts_hour_by_hour_where_that_is_cheaper() throws IOException {
    desk(hour -> 6000);
    run(Exit.OK);
    assertEquals(241, history().hours().size());
    assertFalse(desk.asked.stream().anyMatch(asked -> asked.contains("export")
        && !asked.contains("created>=" + NOW.from())), desk.asked.toString());
  }

  @Test
  void asks_for_smaller_pages_where_big_ones_are_too_slow_for_zendesk() throws IOException {
    desk(hour -> hour.equals(NOW) ? 1500 : 10);
    desk.trouble = where("page[size]=1000", answer(504, "<html>Gateway Time-out</html>"));
    run(Exit.OK);
    assertEquals(3900, stored());
    assertFalse(mail.received.get(0).text().contains("Of its tickets"), "all were read");
  }

  /** An export that loses tickets must not leave zeros. */
  @Test
  void takes_no_hour_for_empty_that_an_export_left_out() throws IOException {
    desk(hour -> 25);
    config("misc/NumHours = 1000");
    desk.trouble = (exchange, path) -> {
      boolean isLater = path.contains("export")
          && exchange.getRequestURI().getQuery().contains("page[after]=2000");
      return isLater && answer(200, "{\"results\":[],\"meta\":{\"has_more\":false},"
          + "\"links\":{\"next\":null}}").takes(exchange, path);
    };
    run(Exit.OK);
    assertEquals(25 * 1001, stored());
  }

  @Test
  void leaves_one_hour_unknown_that_zendesk_cannot_give() throws IOException {
    var bad = NOW.plus(-100);
    desk.trouble = Trouble.holding(bad, answer(500, ""));
    assertTrue(run(Exit.OK).out().contains("verdict=spike alert=sent"));
    assertFalse(history().knows(bad));
    assertEquals(240, history().hours().size());
  }

  /** Else cron's mail would be empty, and the watcher would not hear why. */
  @Test
  void says_why_the_last_hour_was_not_judged() throws IOException {
    config("misc/NumHours = 72");
    desk.trouble = Trouble.holding(NOW.plus(-48), answer(500, ""));
    assertEquals(NOW.name() + ": not judged, since Zendesk did not give some of the hours that it "
        + "is compared with; the next run asks again\n", run(Exit.ZENDESK, "-q").err());
  }

  /** By a third of the past it would be a spike; by the whole it is usual. */
  @Test
  void that_was_cut_short_tells_nothing_until_it_is_whole() throws IOException {
    desk(hour -> NOW.since(hour) > 80 ? 60 : hour.equals(NOW) ? 40 : 10);
    var isCut = new boolean[] {true};
    desk.trouble = (exchange, path) -> isCut[0] && NOW.plus(-80).isAfter(oldest(exchange
        .getRequestURI().getQuery())) && answer(503, "").takes(exchange, path);
    config("misc/NumHours = 720");
    run(Exit.ZENDESK);
    assertEquals(0, mail.received.size());
    isCut[0] = false;
    run(Exit.OK);
    assertEquals(0, mail.received.size());
    assertEquals(List.of(), files("outbox"));
  }

  private static Hour oldest(String query) {
    var found = java.util.regex.Pattern.compile("created>=(\\S{13})").matcher(
        query == null ? "" : query);
    return found.find() ? Hour.parse(found.group(1)) : NOW;
  }

  /** Hours of before the first run are no news, even where they could not be read then. */
  @Test
  void mails_no_old_spikes() throws IOException {
    desk(hour -> hour.equals(NOW.plus(-30)) || hour.equals(NOW.plus(-50)) ? 60 : 10);
    desk.trouble = always("count", answer(503, ""));
    run(Exit.ZENDESK);
    desk.trouble = Trouble.NONE;
    later(1);
    run(Exit.OK);
    assertEquals(0, mail.received.size());
  }

  @Test
  void goes_on_in_the_next_run_after_twenty_minutes() throws IOException {
    desk(hour -> 3000);
    config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 2");
    run(Exit.ZENDESK);
    int known = history().hours().size();
    assertTrue(known > 20 && known < 80, "hours: " + known);
    later(1);
    run(Exit.ZENDESK);
    assertTrue(history().hours().size() > known + 20);
  }

  @Test
  void shows_a_bar_with_the_time_left_on_a_terminal_alone() throws IOException {
    run(Exit.OK);
    assertTrue(said.toString().contains("\r[==="), said.toString());
    said.setLength(0);
    terminal = false;
    config("misc/NumHours = 480");
    run(Exit.OK);
    assertFalse(said.toString().contains("\r"));
  }

  /** Tickets of 3.0 had no channel: their hours are read once more. */
  @Test
  void reads_the_tags_of_an_older_edition_once() throws IOException {
    desk(hour -> 10);
    known(720, 10);
    var tags = new TagHistory(folder.resolve("out/history.csv"));
    Hour.range(NOW.plus(-24 * 29), NOW).forEach(hour -> tags.put(hour, 10, Map.of("billing", 4L)));
    tags.save();
    run(Exit.OK);
    assertTrue(desk.requests() <= 3 + 8, desk.asked.toString());
    assertEquals(0, mail.received.size());
    desk.asked.clear();
    run(Exit.OK);
    assertEquals(3, desk.asked.size(), desk.asked.toString());
  }
}
