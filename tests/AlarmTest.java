package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** Nothing that is not needed to tell stands before telling. */
class AlarmTest extends Scenario {
  /** What was asked before the alarm: the mail comes after as many requests and seconds. */
  @Nested
  class A_spike_is_told_first {
    private int seconds() {
      return (int) TimeUnit.MILLISECONDS.toSeconds(
          time.waits.stream().mapToLong(wait -> wait).sum());
    }

    /** Sign-in, the hour, the check in a hurry, what came since: four requests, no waiting. */
    @ParameterizedTest
    @CsvSource({"503, Retry-After, 60", "429, Retry-After, 30", "500, X, 1"})
    void while_the_check_of_the_day_fails(int status, String header, String value)
        throws IOException {
      known(240, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      var asked = new ArrayList<Integer>();
      var waited = new ArrayList<Integer>();
      mail.mood = (stage, what) -> {
        asked.add(desk.requests());
        waited.add(seconds());
      };
      var dayBefore = NOW.plus(-24);
      desk.trouble = Trouble.holding(dayBefore, answer(status, "", header, value));
      run(Exit.OK, "-v");
      assertEquals(1, mail.received.size());
      assertEquals(4, asked.get(0), desk.asked.toString());
      assertEquals(0, waited.get(0));
    }

    @ParameterizedTest
    @ValueSource(ints = {150, 1500})
    void though_its_tickets_cannot_be_read(int count) throws IOException {
      desk(hour -> hour.equals(NOW) ? count : 10);
      known(240, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      var waited = new ArrayList<Integer>();
      mail.mood = (stage, what) -> waited.add(seconds());
      desk.trouble = (exchange, path) -> (path.contains("export")
          || exchange.getRequestURI().toString().contains("page=2"))
          && answer(503, "", "Retry-After", "60").takes(exchange, path);
      run(Exit.OK);
      assertTrue(waited.get(0) <= 120, waited + " s");
      var text = withoutPorts(mail.received.get(0).text());
      assertTrue(text.contains("Ranked from 100 of its tickets ([zendesk] 127.0.0.1: answers 503"),
          text);
    }

    @Test
    void where_the_first_page_fails_the_count_is_asked_at_once() throws IOException {
      known(240, 10);
      desk.trouble = always("search.json", answer(503, "", "Retry-After", "60"));
      run(Exit.OK);
      assertTrue(desk.asked.get(2).contains("search/count"), desk.asked.toString());
      assertEquals(1, mail.received.size());
    }

    /** A lock, a state, a ledger, a history that cannot be read or written. */
    @ParameterizedTest
    @ValueSource(strings = {"history.csv.lock/x", "history.csv.part/x", "history.csv.state.part/x",
        "history.csv.tags.part/x", "outbox", "sent", "refused"})
    void though_something_is_in_the_way_of_a_file(String place) throws IOException {
      known(240, 10);
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      if (place.contains("/")) Files.createDirectory(inTheWay);
      else Files.writeString(inTheWay, "");
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
    }

    @Test
    void though_the_state_is_invalid_and_nothing_is_overwritten() throws IOException {
      known(240, 10);
      Files.writeString(folder.resolve("out/history.csv.state"), "{");
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
      assertEquals("{", Fakes.read(folder.resolve("out/history.csv.state")));
    }

    @Test
    void though_a_line_of_the_history_is_invalid_and_it_is_kept() throws IOException {
      known(240, 10);
      var file = folder.resolve("out/history.csv");
      Files.writeString(file, Fakes.read(file).replaceFirst("\n2026-11-05,10", "\n2026-11-05,ten"));
      var before = Fakes.read(file);
      var outcome = run(Exit.HISTORY);
      assertTrue(outcome.err().startsWith(file + ": line "), outcome.err());
      assertEquals(1, mail.received.size());
      assertEquals(before, Fakes.read(file));
      later(1);
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size(), "no end while that lasts");
    }

    /** What the second edition's Query had told lies in the folder. */
    @Test
    void though_a_notice_of_another_query_lies_there() throws IOException {
      run(Exit.OK);
      config("zendesk/Query = brand:shop\ndefault/SpikeDB = out/shop.csv");
      run(Exit.OK);
      assertEquals(2, mail.received.size());
    }
  }

  @Nested
  class The_past {
    @Test
    void is_filled_but_for_hours_that_zendesk_does_not_give() throws IOException {
      config("misc/NumHours = 4380");
      var bad = new TreeSet<Hour>();
      Hour.range(NOW.plus(-80), NOW.plus(-72)).forEach(bad::add);
      desk.trouble = (exchange, path) -> {
        for (var hour : bad) {
          if (Trouble.holding(hour, answer(500, "")).takes(exchange, path)) return true;
        }
        return false;
      };
      var outcome = run(Exit.OK);
      assertTrue(outcome.out().contains("verdict=spike alert=sent"), outcome.out());
      assertEquals(4381 - 8, history().hours().size());
      assertEquals("", run(Exit.OK).err().replaceAll("filling .*\n", ""), "told by doctor alone");
      assertTrue(run(Exit.OK, "doctor").out().contains("8 unknown of the last 4380: 2026-11-07T05, "
          + "2026-11-07T06"));
    }

    @Test
    void that_zendesk_gives_nothing_of_ends_with_69_in_each_run() throws IOException {
      desk.trouble = (exchange, path) -> path.contains("search/")
          && !exchange.getRequestURI().getQuery().contains("created>=" + NOW.from())
          && answer(500, "").takes(exchange, path);
      for (int i = 0; i < 2; i++) {
        assertTrue(run(Exit.ZENDESK).out().contains("verdict=learning alert=none"));
      }
    }

    @Test
    void that_vanishes_all_at_once_is_not_believed() throws IOException {
      Fakes.known(folder, NOW.plus(-240), NOW, 20);
      desk(hour -> 40);
      run(Exit.OK);
      later(1);
      desk(hour -> 0);
      var file = folder.resolve("out/history.csv");
      var before = Fakes.read(file);
      var outcome = run(Exit.ZENDESK);
      assertTrue(outcome.err().contains("every count is 0, though the last 24 known hours held 960 "
          + "tickets: not believed, nothing is stored (the client may have lost its sight"),
          outcome.err());
      assertEquals(before, Fakes.read(file));
      assertEquals(1, mail.received.size(), "nobody hears that it is over");
    }

    /** A few tickets may have been deleted. */
    @ParameterizedTest
    @CsvSource({"20, ZENDESK", "19, OK"})
    void that_vanishes_is_not_believed_from_twenty_tickets_on(long tickets, Exit exit)
        throws IOException {
      Fakes.known(folder, NOW.plus(-240), NOW, 0);
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      history.put(NOW.plus(-5), tickets);
      history.save();
      desk(hour -> 0);
      run(exit);
    }

    @Test
    void cannot_hold_a_count_of_sixteen_digits() throws IOException {
      known(240, 10);
      desk.trouble = first(2, "search", answer(200, "{\"count\":1234567890123456,\"results\":[]}"));
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
    }

    @Test
    void that_was_told_too_low_is_told_anew_by_the_next_notice() throws IOException {
      desk(hour -> hour.equals(NOW) ? 45 : 10);
      known(240, 10);
      run(Exit.OK);
      desk(hour -> hour.equals(NOW) ? 500 : hour.equals(NOW.plus(1)) ? 90 : 10);
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size());
      assertTrue(mail.received.get(1).text().contains("13:00 was counted again: 500, not 45."),
          mail.received.get(1).text());
    }

    /** The hour after a changed one is judged together with it. */
    @Test
    void that_changed_has_the_hour_after_it_judged_again() throws IOException {
      config("spike/Rule = weekly\nmisc/NumHours = 2400\nmisc/SpikeThreshold = 0.5");
      desk(hour -> hour.equals(NOW.plus(-1)) ? 20 : hour.equals(NOW) ? 22 : 10);
      known(2400, 10);
      Fakes.known(folder, NOW.plus(-1), NOW, 12);
      assertEquals(1, run(Exit.OK).out().lines().filter(line -> line.contains("T12:00")).count());
      later(1);
      desk(hour -> hour.equals(NOW.plus(-1)) ? 20 : hour.equals(NOW) ? 23 : 10);
      var judged = run(Exit.OK).out();
      assertTrue(judged.contains("hour=2026-11-10T13:00Z") && judged.contains("2026-11-10T14:00Z"),
          judged);
    }

    @Test
    void is_checked_as_far_as_the_machine_was_off() throws IOException {
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-60), 10);
      desk(hour -> hour.equals(NOW.plus(-70)) ? 12 : 10);
      run(Exit.OK);
      assertEquals(12, history().at(NOW.plus(-70)), "in the day before the machine went off");
    }

    @Test
    void is_no_news_when_it_comes_to_light_behind_what_was_told() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(1)) ? 60 : 10);
      known(240, 10);
      var bad = Trouble.holding(NOW, answer(500, ""));
      desk.trouble = (exchange, path) -> clock.isAfter(NOW.plus(1).to()) && !isHealed
          && bad.takes(exchange, path);
      clock = NOW.plus(1).to().plusSeconds(420);
      run(Exit.OK);
      assertEquals(List.of("2026-11-10T14.spike.json"), files("sent"));
      isHealed = true;
      desk(hour -> hour.equals(NOW) || hour.since(NOW) <= 2 && hour.isAfter(NOW) ? 60 : 10);
      config("spike/Repeat = every");
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "13:00 opens no episode of its own");
      assertTrue(mail.received.get(1).text().startsWith("Hour 3: "), mail.received.get(1).text());
    }

    private boolean isHealed;
  }

  @Nested
  class The_clock {
    /** The earlier of both: an hour that is not over for Zendesk cannot be counted. */
    @ParameterizedTest
    @CsvSource({"60, -60, 2026-11-10T12", "-60, 60, 2026-11-10T12", "60, 90, 2026-11-10T13"})
    void of_both_is_believed_while_they_differ_by_little(int ours, int theirs, String hour)
        throws IOException {
      known(240, 10);
      clock = NOW.to().plusSeconds(ours);
      desk.date = () -> NOW.to().plusSeconds(theirs);
      var outcome = run(Exit.OK);
      assertTrue(outcome.out().startsWith("hour=" + hour), outcome.out());
      assertFalse(outcome.err().contains("clock"), outcome.err());
    }

    @ParameterizedTest
    @CsvSource({"-336, 14 days behind", "-3, 3 hours behind", "216, 9 days ahead of"})
    void of_this_machine_is_put_right_by_zendesks(int hours, String words) throws IOException {
      known(240, 10);
      var right = clock;
      desk.date = () -> right;
      clock = right.plus(Duration.ofHours(hours));
      var outcome = run(Exit.OK);
      assertTrue(outcome.out().startsWith("hour=" + NOW + " count=40 "), outcome.out());
      assertEquals("this machine's clock is " + words + " Zendesk's, which says " + right
          + ": that one is followed (set the clock)\n", outcome.err());
      assertEquals(1, mail.received.size());
      clock = right.plus(Duration.ofHours(1));
      desk.date = () -> clock;
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "and the end");
    }

    /** Nothing is given up or pruned on it. */
    @Test
    void that_is_ahead_for_one_run_loses_nothing() throws IOException {
      config("email/Port = 1\nkept = yes");
      known(240, 10);
      run(Exit.TRY_LATER);
      var right = clock;
      desk.date = () -> right;
      clock = right.plus(Duration.ofDays(400));
      run(Exit.TRY_LATER);
      assertEquals(List.of("2026-11-10T13.spike.json"), files("outbox"));
    }

    @Test
    void of_zendesk_is_not_believed_before_what_was_counted() throws IOException {
      known(240, 10);
      desk.date = () -> Instant.parse("2026-11-01T00:00:00Z");
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("which is before the end of 2026-11-10T12:00Z, a stored "
          + "hour: not believed"), outcome.err());
      assertTrue(outcome.out().startsWith("hour=" + NOW + " "), outcome.out());
    }
  }

  @Nested
  class A_dry_run {
    @Test
    void prints_the_notices_that_a_run_would_send() throws IOException {
      desk(hour -> hour.since(NOW) >= -3 ? 40 + 30 * (4 + hour.since(NOW)) : 10);
      config("spike/Repeat = growth");
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-3), 10);
      var printed = run(Exit.OK, "--dry-run").out();
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      var expected = "Subject: " + mail.received.get(0).subject() + "\n\n"
          + mail.received.get(0).text();
      assertEquals(expected.strip(), printed.replaceAll("(?m)^hour=.*\n", "").strip());
    }
  }

  @Nested
  class A_client_that_sees_nothing {
    private void sees(long inTheLastHour) throws IOException {
      Fakes.known(folder, NOW.plus(-240), NOW, 20);
      Fakes.tagged(folder, NOW, 20, Map.of());
      desk(hour -> hour.equals(NOW) ? inTheLastHour : 0);
    }

    /** The check of the day fails once, or so long that it is made in parts. */
    @ParameterizedTest
    @ValueSource(ints = {1, 6})
    void is_found_out_by_the_patient_pass_too(int failures) throws IOException {
      sees(0);
      desk.trouble = first(failures, "count", answer(503, ""));
      var outcome = run(Exit.ZENDESK);
      assertTrue(outcome.err().contains("every count is 0"), outcome.err());
      assertEquals("", outcome.out());
      assertFalse(history().knows(NOW));
      assertEquals(20, history().at(NOW.plus(-3)));
    }

    @Test
    void ends_with_69_although_the_hour_has_tickets() throws IOException {
      sees(20);
      desk.trouble = first(1, "count", answer(503, ""));
      run(Exit.ZENDESK);
    }

    @Test
    void is_found_out_for_a_chosen_hour() throws IOException {
      sees(0);
      run(Exit.ZENDESK, "--hour", NOW.name());
      assertFalse(history().knows(NOW));
    }

    /** A spike in the last hour is what it is, whatever becomes of the past. */
    @Test
    void but_the_last_hour_is_told_and_nothing_else_believed() throws IOException {
      known(240, 20);
      desk(hour -> hour.equals(NOW) ? 90 : 0);
      var outcome = run(Exit.ZENDESK);
      assertTrue(outcome.err().contains("every count before 2026-11-10T13:00Z is 0, though the "
          + "last 24 known hours held 480 tickets: not believed, nothing of it is stored"),
          outcome.err());
      assertEquals(20, history().at(NOW.plus(-1)));
      assertEquals(1, mail.received.size());
    }
  }

  @Nested
  class A_date_of_zendesk {
    @Test
    void that_cannot_be_is_not_believed() throws IOException {
      known(240, 10);
      desk.date = () -> Instant.parse("9999-12-31T23:30:00Z");
      run(Exit.OK);
      assertEquals(NOW.plus(1), history().end());
    }

    /** One of the two clocks is wrong, so what waits is kept. */
    @Test
    void that_is_far_off_gives_nothing_up() throws IOException {
      known(240, 10);
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      var right = clock;
      desk.date = () -> right.plus(Duration.ofDays(30));
      run();
      assertEquals(1, files("outbox").size());
    }
  }
}
