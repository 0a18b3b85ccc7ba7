package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** Tags: what the tickets of an hour are about, which tags surge, and the file of all hours. */
class TagsTest extends Unit {
  private TagHistory desk() throws IOException {
    var stream = TagsTest.class.getResourceAsStream("/tagdesk.csv");
    write("history.csv.tags", new String(stream.readAllBytes(), StandardCharsets.UTF_8));
    return TagHistory.read(folder.resolve("history.csv"));
  }

  @Nested
  class Of_an_hour {
    private static Ticket ticket(long id, int second, String... tags) {
      return new Ticket(id, Instant.parse("2026-11-24T13:00:00Z").plusSeconds(second), "subject",
          7L, List.of(tags), "ticket");
    }

    private static List<String> ranked(String omitted, Ticket... tickets) {
      var hour = new HourTickets(List.of(omitted));
      for (var ticket : tickets) hour.add(ticket);
      var rule = new TagRule(new TagHistory(), ZoneOffset.UTC);
      return hour.ranked(JUDGED, rule).stream().map(tag -> tag.tag() + " " + tag.count()).toList();
    }

    @Test
    void are_left_out_whole_and_without_case_and_count_once_a_ticket() {
      assertEquals(List.of("Billing 1", "vip_gold 1"),
          ranked("vip", ticket(1, 0, "VIP", "Billing", "vip_gold", "billing")));
    }

    @Test
    void rank_as_they_first_appeared_where_equally_frequent_whatever_the_order_of_the_pages() {
      var first = ticket(9, 1, "b", "a");
      var second = ticket(8, 2, "c", "B");
      var third = ticket(7, 2, "a", "c");
      assertEquals(List.of("b 2", "a 2", "c 2"), ranked("x", first, second, third));
      assertEquals(List.of("b 2", "a 2", "c 2"), ranked("x", third, second, first));
    }
  }

  @Nested
  class That_surge {
    /** Cells of a made-up desk, with what an independent implementation says of them. */
    @ParameterizedTest
    @CsvSource({
        "2026-07-27T13,web,16,,,,too little history,,,false",
        "2026-08-02T17,web,9,,,,too little history,,,false",
        "2026-08-03T11,web,9,,,,too little history,,,false",
        "2026-08-07T14,login,5,,,,too little history,,,false",
        "2026-08-10T14,login,8,11,6.400000,1.362556,24 hours,1.348089,29.681105,false",
        "2026-08-31T11,vip,6,12,11.449541,1.751996,hour of week,0.121461,44.793461,false",
        "2026-09-01T10,feature,22,23,0.860759,1.025810,24 hours,7.638177,11.970414,true",
        "2026-09-01T11,feature,14,36,3.666667,1.022932,24 hours,8.078192,19.743419,true",
        "2026-09-02T14,web,9,,,,on most tickets,,,false",
        "2026-09-07T13,login,5,10,14.333333,2.124402,hour of week,-0.855777,55.201500,false",
        "2026-09-07T14,login,31,36,10.081301,2.113813,hour of week,3.885964,46.374005,false",
        "2026-09-07T15,login,25,56,10.956522,2.107994,24 hours,5.748702,48.160779,true",
        "2026-09-07T16,login,27,52,12.480000,2.895026,24 hours,4.323769,60.627997,false",
    })
    void equal_a_second_implementation(String hour, String tag, long count, Long together,
        Double expected, Double dispersion, String basis, Double score, Double needed,
        boolean surge) throws IOException {
      var verdict = new TagRule(desk(), ZoneOffset.UTC).verdict(Hour.parse(hour), tag);
      assertEquals(count, verdict.count());
      assertEquals(together, verdict.together());
      assertEquals(basis, verdict.basis());
      assertEquals(surge, verdict.surge());
      if (expected == null) {
        assertNull(verdict.expected());
        return;
      }
      assertEquals(expected, verdict.expected(), 1e-5);
      assertEquals(dispersion, verdict.dispersion(), 1e-5);
      assertEquals(score, verdict.score(), 1e-5);
      assertEquals(needed, verdict.needed(), 1e-5);
    }

    /** Of both hours: as far over the expected, half as many more, and five at least. */
    @ParameterizedTest
    @CsvSource({"200, 281.3, 300", "0, 6.25, 7", "4, 20.3, 21"})
    void take_as_many_as_all_their_limits_ask_for(double expected, double needed, long tickets) {
      var verdict = new TagVerdict("x", 5, 5L, expected, 1.0, "28 days", 1.0, needed, false);
      assertEquals(tickets, verdict.neededToSurge());
    }

    @Test
    void are_told_once_in_24_hours_and_not_while_the_total_is_a_spike() throws IOException {
      var tags = desk();
      var known = new TreeMap<Hour, Long>();
      var first = Hour.parse("2026-07-27T00");
      Hour.range(first, first.plus(44 * 24)).filter(tags::knows)
          .forEach(hour -> known.put(hour, tags.at(hour).tickets()));
      var judge = judge(WEEKLY, known);
      var rule = new TagRule(tags, ZoneOffset.UTC);
      var told = new ArrayList<String>();
      var hours = new TreeSet<Hour>();
      for (var hour : known.keySet()) {
        for (var surge : rule.surges(hour, each -> known.containsKey(each)
            && judge.verdict(each) instanceof Spike, hours::contains, List.of())) {
          told.add(hour.name() + " " + surge.tag());
          hours.add(hour);
        }
      }
      assertEquals(List.of("2026-08-31T10 checkout_502", "2026-09-01T10 feature",
          "2026-09-03T08 incident_4", "2026-09-07T15 login"), told);
      assertEquals(List.of(), rule.surges(Hour.parse("2026-08-31T10"), hour -> false,
          hour -> false, List.of("checkout_502")), "an omitted tag is never watched");
      assertEquals(List.of(), rule.surges(Hour.parse("2026-08-31T10"),
          Hour.parse("2026-08-31T07")::equals, hour -> false, List.of()), "three hours after");
    }
  }

  @Nested
  class In_their_file {
    private final Path history = Path.of("history.csv");

    @Test
    void are_read_back_as_they_were_saved() throws IOException {
      var tags = new TagHistory();
      tags.put(JUDGED, 3, Map.of("bug", 2L, "a b,c\"d%e:f", 1L, "\u00fc\u00df", 3L));
      tags.put(JUDGED.plus(1), 0, Map.of());
      tags.save(folder.resolve(history));
      assertEquals("hour,tickets,tags\n2026-11-24T13,3,\u00fc\u00df:3 bug:2 "
          + "a%20b%2Cc%22d%25e:f:1\n2026-11-24T14,0,\n",
          Files.readString(folder.resolve("history.csv.tags")));
      var read = TagHistory.read(folder.resolve(history));
      assertEquals(List.of(), read.badLines);
      assertEquals(1, read.at(JUDGED).count("a b,c\"d%e:f"));
      assertEquals(3, read.at(JUDGED).count("\u00fc\u00df"));
      assertTrue(read.knows(JUDGED.plus(1)));
      assertFalse(read.knows(JUDGED.plus(2)));
      read.forget(JUDGED);
      read.save(folder.resolve(history));
      assertFalse(TagHistory.read(folder.resolve(history)).knows(JUDGED), "forgotten in the file");
    }

    @Test
    void are_kept_for_29_days_the_300_most_frequent_of_an_hour() {
      var tags = new TagHistory();
      var many = new HashMap<String, Long>();
      for (int i = 0; i < 400; i++) many.put("tag" + i, i < 300 ? 2L : 1L);
      Hour.range(JUDGED.plus(-40 * 24), JUDGED).forEach(hour -> tags.put(hour, 2, many));
      tags.save(folder.resolve(history));
      var read = TagHistory.read(folder.resolve(history));
      assertTrue(read.knows(JUDGED.plus(-29 * 24)));
      assertFalse(read.knows(JUDGED.plus(-29 * 24 - 1)));
      assertEquals(300, read.at(JUDGED.plus(-1)).counts().size());
      assertEquals(0, read.at(JUDGED.plus(-1)).count("tag399"));
    }

    @Test
    void of_a_busy_desk_take_less_than_600_kb() throws IOException {
      var tags = new TagHistory();
      for (int i = 0; i < 29 * 24; i++) {
        var counts = new HashMap<String, Long>();
        for (int tag = 0; tag < 50; tag++) counts.put("some_tag_" + (tag * 7 + i) % 100, 2L);
        tags.put(JUDGED.plus(-i), 100, counts);
      }
      tags.save(folder.resolve(history));
      assertTrue(Files.size(folder.resolve("history.csv.tags")) < 600_000);
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-11-24T13", "2026-11-24T13,x,bug:1", "2026-11-24T13,2,bug",
        "2026-11-24T13,2,bug:3", "yesterday,2,bug:1", "2026-11-24T13,2,:1", "2026-11-24T13,-1,",
        "2026-11-24T13,2,bug:99999999999999999999", "2026-11-24T13,2,bug%ZZ:1", "\u0000"})
    void cost_a_bad_line_only_itself_and_the_file_is_kept(String line) throws IOException {
      var text = "hour,tickets,tags\n2026-11-24T12,2,bug:1\n" + line + "\n";
      var file = write("history.csv.tags", text);
      var tags = TagHistory.read(folder.resolve(history));
      assertEquals(1, tags.badLines.size());
      assertTrue(tags.badLines.get(0).startsWith(file + ": line 3: '"), tags.badLines.get(0));
      assertEquals(1, tags.at(Hour.parse("2026-11-24T12")).count("bug"));
      tags.put(JUDGED, 1, Map.of());
      tags.save(folder.resolve(history));
      assertEquals(text, Files.readString(file));
    }

    @Test
    void are_none_where_there_is_no_file() {
      var tags = TagHistory.read(folder.resolve(history));
      assertEquals(0, tags.between(JUDGED.plus(-10_000), JUDGED).size());
      assertEquals(List.of(), tags.badLines);
    }
  }
}
