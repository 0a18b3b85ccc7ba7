package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** explain: why an hour is a spike or is not. */
class ExplainTest extends Unit {
  @Nested
  class Explain {
    /** The worked example's weeks, one of them an outage, one ignored, and a calm hour at last. */
    private void worked() throws IOException {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      every(168, numbers(WORKED.replaceFirst("14", "40"))).forEach(history::put);
      history.put(JUDGED, 21);
      history.save();
      write("auth.ini", "[spike]\nRule = weekly\nIgnoredDays = 2026-11-10\n"
          + "TimeZone = Africa/Lagos\n");
    }

    @Test
    void gives_the_answer_first_then_what_it_comes_from() throws IOException {
      worked();
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertEquals("""
          2026-11-24T13 (Tue 24 Nov 13:00 UTC, Tue 24 Nov 14:00 Africa/Lagos): 21 tickets \
          (+85.2 %), calm by rule weekly.
          Usual: 11.3, deviation 4.4, by 12 samples of the same hour of the same weekday.
          Needed for a spike: 29 tickets.
            alone 4.0 deviations of 4.4 over 11.3              28.7  decides
            60 % over 11.3                                     18.1
            5 more than 11.3                                   16.3
          Told: nothing, since it is calm.
          Samples (12), the same hour of the same weekday, newest first:
            2026-11-17T13  Tue 17 Nov 14:00       10
            2026-11-03T13  Tue 3 Nov 14:00        9
            2026-10-27T13  Tue 27 Oct 14:00       11
          """, String.join("\n", out.toString().lines().limit(11).toList()) + "\n");
      assertTrue(out.toString().contains("  2026-10-13T12") == false, out.toString());
      assertTrue(out.toString().contains("left out, on an ignored day: 2026-11-10T13"));
    }

    @Test
    void gives_the_same_as_json() throws IOException {
      worked();
      assertEquals(0, run("explain", "--json", "-c", folder + "/auth.ini", "2026-11-24T13"));
      var json = SpikeNotifier.JSON.readTree(out.toString());
      assertEquals("calm", json.path("verdict").asText());
      assertEquals(29, json.path("needed").asLong());
      assertEquals("Deviations", json.path("bars").path(0).path("key").asText());
      assertTrue(json.path("bars").path(0).path("decides").asBoolean());
      assertEquals("[\"2026-11-10T13:00:00Z\"]", json.path("ignored").toString());
    }

    /** Five weeks of 20 an hour, of which the last two hours held nothing, or a new tag. */
    private void fiveWeeks(long last, Map<String, Long> tagsOfLast) throws IOException {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      var tags = new TagHistory();
      Hour.range(JUDGED.plus(-24 * 35), JUDGED.plus(1)).forEach(hour -> {
        long count = hour.isAfter(JUDGED.plus(-2)) ? last : 20;
        history.put(hour, count);
        tags.put(hour, count, Map.of("vip", Math.min(count, 7L)));
      });
      if (!tagsOfLast.isEmpty()) tags.put(JUDGED, last, tagsOfLast);
      history.save();
      tags.save(folder.resolve("out/history.csv"));
      write("auth.ini", "[spike]\nRule = weekly\n");
    }

    @Test
    void tells_a_stop() throws IOException {
      fiveWeeks(0, Map.of());
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertTrue(out.toString().contains(
          "\nTickets stopped: 0 in 1 hour, usually 20.\n"), out.toString());
      out.getBuffer().setLength(0);
      assertEquals(0, run("explain", "--json", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertEquals("{\"verdict\":\"stopped\",\"low\":1.0,\"hours\":1,\"came\":0,\"usual\":20.0}",
          SpikeNotifier.JSON.readTree(out.toString()).path("stop").toString());
    }

    /** Of 20 an hour, and then of so many. */
    private void fiveWeeksThenThreeDays(long each) throws IOException {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      Hour.range(JUDGED.plus(-24 * 35), JUDGED.plus(1)).forEach(hour ->
          history.put(hour, hour.isAfter(JUDGED.plus(-72)) ? each : 20));
      history.save();
      write("auth.ini", "[spike]\nRule = weekly\n");
    }

    /** In the mail's words. */
    @Test
    void says_that_the_usual_was_raised_or_lowered() throws IOException {
      fiveWeeksThenThreeDays(60);
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertTrue(out.toString().contains("\nUsual: 60.0, raised from 20 to follow the last three "
          + "days, deviation 15.2, by 5 samples of the same hour of the same weekday.\n"),
          out.toString());
      fiveWeeksThenThreeDays(8);
      out.getBuffer().setLength(0);
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertTrue(out.toString().contains("\nTickets come: 16 in 2 hours, usually 16. The usual was "
          + "lowered from 40 to follow the last three days.\n"), out.toString());
    }

    /** A tenth is not worth a mail's words, but here the samples are shown, which would not fit. */
    @Test
    void says_a_small_raise_too() throws IOException {
      fiveWeeksThenThreeDays(22);
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertTrue(out.toString().contains("\nUsual: 22.0, raised from 20 to follow the last three "
          + "days, "), out.toString());
    }

    @Test
    void says_that_no_run_has_counted_the_hour_or_any() throws IOException {
      fiveWeeks(20, Map.of());
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-12-24T13"));
      assertTrue(out.toString().startsWith("2026-12-24T13 (Thu 24 Dec 13:00 UTC): no run has "
          + "counted it yet.\n"), out.toString());
      Files.delete(folder.resolve("out/history.csv"));
      assertEquals(74, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertTrue(err.toString().endsWith("out/history.csv: holds no hour (the first run fills "
          + "it)\n"), err.toString());
    }

    /** As programs want it, who compare it with a count of their own. */
    @Test
    void says_what_is_needed_where_the_count_is_unknown() throws IOException {
      fiveWeeks(20, Map.of());
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T14"));
      assertTrue(out.toString().contains("\nNeeded for a spike: 44 tickets.\n"), out.toString());
      out.getBuffer().setLength(0);
      assertEquals(0, run("explain", "--json", "-c", folder + "/auth.ini", "2026-11-24T14"));
      var json = SpikeNotifier.JSON.readTree(out.toString());
      assertTrue(json.path("count").isNull());
      assertEquals(44, json.path("needed").asLong());
    }

    @Test
    void tells_a_tag_that_surges() throws IOException {
      fiveWeeks(20, Map.of("checkout_error", 9L, "vip", 7L));
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertTrue(out.toString().contains("\nTag checkout_error surges: 9 in this hour and the one "
          + "before; usual: none; needed to surge: 7.\n"), out.toString());
      assertFalse(out.toString().contains("Tag vip"), out.toString());
      out.getBuffer().setLength(0);
      assertEquals(0, run("explain", "--json", "-c", folder + "/auth.ini", "2026-11-24T13"));
      var tags = SpikeNotifier.JSON.readTree(out.toString()).path("tags");
      assertEquals(2, tags.size());
      assertEquals("{\"tag\":\"checkout_error\",\"count\":9,\"together\":9,\"expected\":0.0,"
          + "\"dispersion\":1.0,\"surge\":true}", tags.path(0).toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2026-08-25T13 | 13 tickets, not judged by rule weekly: 0 samples of the 7 that it takes.",
        "2026-11-24T12 | its count is unknown, so it was not judged by rule weekly.",
    })
    void says_what_is_missing(String hour, String verdict) throws IOException {
      worked();
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", hour));
      assertTrue(out.toString().lines().findFirst().orElseThrow().endsWith(verdict),
          out.toString());
    }
  }
}
