package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** What README.md says in numbers. Its commands are run by readme.sh, its keys by ConfigTest. */
class ReadmeTest extends Unit {
  private static String readme() throws IOException {
    return Files.readString(source("README.md")).replaceAll("\\s+", " ");
  }

  private static Object constant(Class<?> type, String name) throws Exception {
    var field = type.getDeclaredField(name);
    field.setAccessible(true);
    return field.get(null);
  }

  private static void says(String words) throws IOException {
    assertTrue(readme().contains(words), words);
  }

  @Nested
  class The_page {
    @Test
    void names_the_limits_that_the_program_has() throws Exception {
      says("kept for " + constant(Outbox.class, "KEPT") + " days");
      says("the last " + TagHistory.DAYS + " days");
      says("a week at the most");
      assertEquals(7 * 24, Told.WEEK);
      says("when it grows by half");
      assertEquals(1.5, constant(DueRule.class, "GROWN"));
      says("A tag is told once in " + Told.TAG_NEWS + " hours");
      says("in the three hours after");
      assertEquals(3, constant(DueRule.class, "TAG_QUIET"));
    }

    /** Thirteen weeks of which the example's usual, 10.7, and deviation, 3.4, come. */
    @ParameterizedTest
    @CsvSource({"11, 25, spike", "11, 24, calm", "18, 18, spike", "17, 18, calm"})
    void has_an_example_of_weekly_that_is_true(long before, long count, String verdict)
        throws IOException {
      says("Example: usual 10.7, deviation 3.4, the hour before 11: 25 tickets are a spike, 24 are "
          + "not; 18 after 18 is one, 18 after 17 is not.");
      var known = every(168, numbers(WORKED));
      var hours = new TreeMap<>(known);
      known.forEach((hour, each) -> hours.put(hour.plus(-1), each));
      hours.put(JUDGED.plus(-1), before);
      assertEquals(verdict, name(verdict(WEEKLY, hours, count)));
      var baseline = judge(WEEKLY, hours).baselines.of(JUDGED);
      assertEquals("10.7 3.4", SpikeNotifier.decimal(baseline.mean()) + " "
          + SpikeNotifier.decimal(baseline.spread().deviation()));
    }

    @ParameterizedTest
    @CsvSource({"64, calm", "65, spike"})
    void has_an_example_of_mean_that_is_true(long count, String verdict) throws IOException {
      says("40, 38 and 42 tickets at 13:00 have the mean 40; with the threshold 0.6, 64 tickets "
          + "are calm and 65 are a spike");
      assertEquals(verdict, name(verdict("", every(24, 40, 38, 42), count)));
    }

    @ParameterizedTest
    @CsvSource({"0, 7", "2, 21"})
    void has_an_example_of_tag_surges_that_is_true(long usual, int needed) throws IOException {
      says("a new tag needs 7 tickets, one with usually 4 needs 21");
      var tags = new TagHistory();
      Hour.range(JUDGED.plus(-24 * 28 - 1), JUDGED).forEach(hour ->
          tags.put(hour, 100, usual == 0 ? Map.of() : Map.of("tag", usual)));
      tags.put(JUDGED, 100, Map.of("tag", 10L));
      var verdict = new TagRule(tags, ZoneOffset.UTC).verdict(JUDGED, "tag");
      assertEquals(2 * usual, verdict.expected(), 0.5);
      assertEquals(needed, Math.ceil(verdict.needed()), 1);
    }

    @Test
    void has_an_example_of_stops_that_is_true() throws IOException {
      says("Example: usually 6 an hour; two hours without a ticket are a stop");
      var known = new TreeMap<Hour, Long>();
      Hour.range(JUDGED.plus(-24 * 35), JUDGED.plus(1)).forEach(hour -> known.put(hour, 6L));
      known.put(JUDGED.plus(-1), 0L);
      known.put(JUDGED, 0L);
      var stops = new Stops(new Baselines(new Rule(offline(WEEKLY)), new Counts(known)));
      assertEquals(new Stop(Flow.STOPPED, 1, 2, 0, 12), stops.at(JUDGED));
      assertEquals(Flow.AGAIN, stops.at(JUDGED.plus(-1)).verdict()); // one hour is none
    }
  }
}
