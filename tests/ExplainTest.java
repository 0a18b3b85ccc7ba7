package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** explain: why an hour is a spike or is not. */
class ExplainTest extends Unit {
  @Nested
  class Explain {
    private String explain(String... more) {
      out.getBuffer().setLength(0);
      var words = new ArrayList<>(List.of("explain", "-c", folder + "/auth.ini"));
      words.addAll(List.of(more));
      assertEquals(0, run(words.toArray(String[]::new)), err.toString());
      return out.toString();
    }

    private JsonNode json(String hour) throws IOException {
      return SpikeNotifier.JSON.readTree(explain("--json", hour));
    }

    private void store(NavigableMap<Hour, Long> counts) {
      var history = new History(folder.resolve("out/history.csv"));
      counts.forEach(history::raise);
      history.save();
    }

    /** The worked example's weeks, one of them an outage, one ignored, and a calm hour at last. */
    private void worked() {
      var counts = every(168, numbers(WORKED.replaceFirst("14", "40")));
      counts.put(JUDGED, 21L);
      store(counts);
      write("auth.ini", "[spike]\nRule = weekly\nIgnoredDays = 2026-11-10\n"
          + "TimeZone = Africa/Lagos\n");
    }

    @Test
    void gives_the_answer_first_then_what_it_comes_from() {
      worked();
      assertEquals("""
          Tue 24 Nov 14:00 to 15:00 Africa/Lagos: 21 tickets instead of 11, calm by rule weekly; \
          a spike takes 29.
          """, explain("2026-11-24T13").lines().limit(1).toList().get(0) + "\n");
      for (var line : List.of("count: 21", "needed: 29", "percent: 85.2", "samples: 12",
          "verdict: calm", "  nothing, since it is no spike",
          "basis: the same hour of the same weekday", "  2026-11-17T13: 10", "ignored:",
          "  2026-11-10T13", "  MinExtra: 16.3", "  SpikeThreshold: 18.1",
          "  Deviations, alone: 28.7")) {
        assertTrue(out.toString().contains(line + "\n"), out.toString());
      }
      assertFalse(out.toString().contains("2026-10-13T12"), out.toString());
    }

    @Test
    void gives_the_same_as_json() throws IOException {
      worked();
      var json = json("2026-11-24T13");
      assertEquals("calm", json.path("verdict").asText());
      assertEquals(29, json.path("needed").asLong());
      assertEquals(12, json.path("compared").size());
      assertEquals("[\"2026-11-10T13\"]", json.path("ignored").toString());
      assertEquals("[\"nothing, since it is no spike\"]", json.path("told").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2026-08-25T13 | : 13 tickets, not judged, with 0 samples of the 7 that it takes.",
        "2026-11-24T12 | : its count is unknown.",
        "2026-12-24T13 | : its count is unknown.",
    })
    void says_what_is_missing(String hour, String words) {
      worked();
      assertTrue(explain(hour).lines().findFirst().orElseThrow().endsWith(words), out.toString());
    }

    @Test
    void says_without_a_history_that_the_count_is_unknown() {
      write("auth.ini", "[spike]\nRule = weekly\n");
      assertTrue(explain("2026-11-24T13").startsWith("Tue 24 Nov 13:00 to 14:00 UTC: its count is "
          + "unknown.\n"), out.toString());
    }

    /** Five weeks of 20 an hour, of which the last two hours held so many, or a new tag. */
    private void fiveWeeks(long last, Map<String, Long> tagsOfLast) {
      var counts = new TreeMap<Hour, Long>();
      var tags = new TagHistory(folder.resolve("out/history.csv"));
      Hour.range(JUDGED.plus(-24 * 35), JUDGED.plus(1)).forEach(hour -> {
        long count = hour.isAfter(JUDGED.plus(-2)) ? last : 20;
        counts.put(hour, count);
        tags.put(hour, count, Map.of("vip", Math.min(count, 7L), "via:web", count));
      });
      if (!tagsOfLast.isEmpty()) tags.put(JUDGED, last, tagsOfLast);
      store(counts);
      tags.save();
      write("auth.ini", "[spike]\nRule = weekly\n");
    }

    @Test
    void tells_a_stop() throws IOException {
      fiveWeeks(0, Map.of());
      assertEquals("{\"verdict\":\"stopped\",\"low\":1.0,\"hours\":1,\"came\":0,\"usual\":20.0}",
          json("2026-11-24T13").path("stop").toString());
      assertTrue(explain("2026-11-24T13").contains("\nstop:\n  verdict: stopped\n  low: 1.0\n"
          + "  hours: 1\n  came: 0\n  usual: 20.0\n"), out.toString());
    }

    @Test
    void tells_a_tag_that_surges() throws IOException {
      fiveWeeks(20, Map.of("checkout_error", 9L, "vip", 7L, "via:web", 20L));
      assertTrue(explain("2026-11-24T13").contains("  tag checkout_error, count 9, together 9, "
          + "hours 2, expected 0.0, "), out.toString());
      var surging = new ArrayList<String>();
      for (var tag : json("2026-11-24T13").path("tags")) {
        if (tag.path("surge").asBoolean()) surging.add(tag.path("tag").asText());
      }
      assertEquals(List.of("checkout_error"), surging);
    }

    /** As programs want it, who compare it with a count of their own. */
    @Test
    void says_what_is_needed_where_the_count_is_unknown() throws IOException {
      fiveWeeks(20, Map.of());
      var json = json("2026-11-24T14");
      assertTrue(json.path("count").isNull());
      assertEquals(44, json.path("needed").asLong());
    }

    /** By what the usual was multiplied to follow the last three days. */
    @ParameterizedTest
    @CsvSource({"60, 3.0", "22, 1.1", "8, 1.0"})
    void says_how_far_the_usual_was_raised(long each, double growth) throws IOException {
      var counts = new TreeMap<Hour, Long>();
      Hour.range(JUDGED.plus(-24 * 35), JUDGED.plus(1)).forEach(hour ->
          counts.put(hour, hour.isAfter(JUDGED.plus(-72)) ? each : 20));
      store(counts);
      write("auth.ini", "[spike]\nRule = weekly\n");
      assertEquals(growth, json("2026-11-24T13").path("growth").asDouble(), 0.05);
    }
  }

  /** With each receiver's answer, or why there is none. */
  @Nested
  class What_was_told extends Deliveries {
    private String told(String hour) {
      var lines = run(Exit.OK, "explain", hour).out().lines().toList();
      return lines.get(lines.indexOf("told:") + 1).strip();
    }

    @Test
    void is_what_was_sent() throws IOException {
      desk(hour -> hour.isBefore(NOW) || hour.isAfter(NOW.plus(1)) ? 10 : 40);
      config("spike/Repeat = growth");
      for (int i = 0; i < 3; i++) {
        run(Exit.OK);
        later(1);
      }
      assertEquals("Ticket Spike Alert! 40 tickets instead of 10 at acme (Tue 10 Nov 13:00 UTC): "
          + "team@acme.example YES at 2026-11-10T14:07:00Z (250 Ok)",
          told("2026-11-10T13").replaceAll("\\(250 .*\\)$", "(250 Ok)"));
      assertEquals("nothing, since its spike was told by 2026-11-10T13 with 40 tickets, and Repeat "
          + "= growth", told("2026-11-10T14"));
      assertTrue(told("2026-11-10T15").startsWith("Ticket Spike Alert! Over: 40 tickets"));
      assertEquals("nothing, since it is no spike", told("2026-11-10T12"));
    }

    @Test
    void says_who_refused_it() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "550 5.1.1 no such user")) {
        run(Exit.TRY_LATER);
        assertTrue(told("2026-11-10T13").endsWith("a@acme.example YES at 2026-11-10T14:07:00Z (250 "
            + "queued), b@acme.example NO at 2026-11-10T14:07:00Z (550 5.1.1 no such user)"));
        assertEquals(1, smtp.mails.size());
      }
    }

    @Test
    void says_that_the_first_run_came_later() throws IOException {
      desk(hour -> hour.equals(NOW.plus(-3)) ? 60 : 10);
      Fakes.known(folder, NOW.plus(-240), NOW, 10);
      Files.delete(folder.resolve("out/history.csv.told"));
      run(Exit.OK);
      assertEquals("nothing, since the first run came later, 2026-11-10T13", told("2026-11-10T10"));
    }
  }
}
