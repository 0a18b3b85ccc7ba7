package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;
import static spikenotifier.Desk.Trouble.where;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** The first fill of a history. */
class FillTest extends Scenario {
  @Nested
  class The_first_fill {
    private long stored() {
      return history().hours().stream().mapToLong(history()::at).sum();
    }

    @Test
    void reads_half_a_year_with_few_requests_in_spite_of_the_limits() throws IOException {
      desk(hour -> hour.number() % 6 == 0 ? 22 : 23); // 100,000 in all
      config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 100");
      desk.trouble = Trouble.limits(100, 400, time);
      run(Exit.OK);
      assertEquals(4381, history().hours().size());
      assertEquals(100_033, stored());
      assertTrue(desk.requests() <= 115, "requests: " + desk.requests());
    }

    /** Halves of a day are derived from its whole; what is stored was counted itself. */
    @Test
    void stores_no_count_that_it_has_not_asked_for() throws IOException {
      config("misc/NumHours = 72");
      for (int i = 1; i <= 24; i++) {
        var late = NOW.plus(-i);
        desk(hour -> hour.equals(late) ? 13 : 10);
        desk.trouble = always("export", answer(422, ""));
        known(240, 10);
        run(Exit.OK);
        assertEquals(13, history().at(late));
        var asked = "created>=%s created<%s".formatted(late.from(), late.to());
        assertTrue(desk.asked.stream().anyMatch(each -> each.contains(asked)), asked);
      }
    }

    /** The oldest day that is kept is not wanted again once it has been written. */
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
    @ValueSource(strings = {"", "Retry-After: 3", "Retry-After: 0", "ratelimit-reset: 5"})
    void is_complete_under_a_sliding_limit(String header) throws IOException {
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
      var outcome = run(Exit.OK, "-v");
      assertTrue(outcome.err().contains("[zendesk] 127.0.0.1 answers 422 invalid (check Query)\n"),
          outcome.err());
      assertEquals(241, history().hours().size());
      assertEquals(2440, stored());
    }

    @Test
    void counts_hour_by_hour_where_that_is_cheaper() throws IOException {
      desk(hour -> 3000);
      run(Exit.OK);
      assertEquals(241, history().hours().size());
      assertTrue(desk.asked.stream().filter(asked -> asked.contains("export")).count() <= 3,
          "the tags of the last hour alone");
    }

    @Test
    void asks_for_smaller_pages_when_big_ones_are_too_slow_for_zendesk() throws IOException {
      desk.trouble = where("page[size]=1000", answer(504, "<html>Gateway Time-out</html>"));
      run(Exit.OK);
      assertEquals(2440, stored());
      assertTrue(desk.asked.stream().anyMatch(asked -> asked.contains("page[size]=100&")));
    }

    /** One old hour that Zendesk cannot give, in a span or alone. */
    @Test
    void leaves_one_hour_unknown_that_zendesk_cannot_give_and_judges_the_last() throws IOException {
      var bad = NOW.plus(-100);
      desk.trouble = Trouble.holding(bad, answer(500, ""));
      var outcome = run(Exit.OK, "-v");
      assertTrue(outcome.out().contains("verdict=spike alert=sent"), outcome.out());
      assertTrue(outcome.err().contains(bad + " stays unknown: Zendesk does not give it"),
          outcome.err());
      assertFalse(history().knows(bad));
      assertEquals(240, history().hours().size());
    }

    /** Else cron's mail would be empty, and the watcher would not hear why. */
    @Test
    void says_why_the_last_hour_was_not_judged() throws IOException {
      config("misc/NumHours = 72");
      desk.trouble = Trouble.holding(NOW.plus(-48), answer(500, ""));
      var outcome = run(Exit.ZENDESK, "-q");
      assertEquals(NOW.name() + ": not judged, since Zendesk did not give some of the hours that "
          + "it is compared with; the next run asks again\n", outcome.err());
    }

    @Test
    void gives_up_the_past_when_zendesk_gives_none_of_it() throws IOException {
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("search/") && counts.incrementAndGet() > 1
          && answer(503, "").takes(exchange, path);
      config("spike/MinSamples = 1");
      var outcome = run(Exit.ZENDESK);
      assertTrue(outcome.err().contains("answers 503 (tried 5 times)"), outcome.err());
      assertTrue(outcome.out().contains("verdict=learning"), outcome.out());
      assertTrue(counts.get() < 30, "requests: " + counts);
    }

    /** Hours of before the first run are no news, even where they could not be read then. */
    @Test
    void that_was_cut_short_mails_no_old_spikes() throws IOException {
      desk(hour -> hour.equals(NOW.plus(-30)) || hour.equals(NOW.plus(-50)) ? 60 : 10);
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("search/") && counts.incrementAndGet() > 1
          && answer(503, "").takes(exchange, path);
      run(Exit.ZENDESK);
      desk.trouble = Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(0, mail.received.size());
    }

    /** What cannot be read of the past never stops the last hour from being judged. */
    @Test
    void judges_the_last_hour_where_the_past_is_forbidden() throws IOException {
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("count")
          && answer(403, "{\"error\":\"Forbidden\"}").takes(exchange, path);
      known(120, 10);
      assertTrue(run(Exit.DENIED).out().contains("verdict=spike alert=sent"));
    }

    @Test
    void goes_on_in_the_next_run_after_45_minutes() throws IOException {
      desk(hour -> 3000);
      config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 1");
      var outcome = run(Exit.ZENDESK);
      assertTrue(outcome.err().contains("reading past hours took 45 minutes; the next run goes on"),
          outcome.err());
      int stored = history().hours().size();
      assertTrue(stored > 30 && stored < 60, "hours: " + stored);
      later(1);
      run();
      assertTrue(history().hours().size() > stored + 20);
    }

    @Test
    void shows_a_bar_with_the_time_left_on_a_terminal_alone() {
      run(Exit.OK);
      assertTrue(said.toString().contains("\r[==="), said.toString());
      said.setLength(0);
      terminal = false;
      run(Exit.OK, "--hour", NOW.plus(-1).name());
      assertFalse(said.toString().contains("\r"));
    }
  }
}
