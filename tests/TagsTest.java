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
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** Tags: what the tickets of an hour are about, which tags surge, and the file of all hours. */
class TagsTest extends Unit {
  private Path history() {
    return folder.resolve("history.csv");
  }

  private TagHistory desk() throws IOException {
    var stream = TagsTest.class.getResourceAsStream("/tagdesk.csv");
    var text = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    write("history.csv.tags", text.replaceAll("(?m)^([^,]*,([1-9]\\d*),)", "$1via:web:$2 "));
    return new TagHistory(history());
  }

  @Nested
  class Of_an_hour {
    private static Ticket ticket(long id, int second, String... tags) {
      return new Ticket(id, Instant.parse("2026-11-24T13:00:00Z").plusSeconds(second), "subject",
          7L, List.of(tags), "ticket");
    }

    private static List<String> ranked(String omitted, Ticket... tickets) {
      var hour = new HourTickets(JUDGED, List.of(omitted));
      for (var ticket : tickets) hour.add(ticket);
      var rule = new TagRule(new TagHistory(), ZoneOffset.UTC);
      return hour.ranked(rule).stream().map(tag -> tag.tag() + " " + tag.count()).toList();
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

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{\"tags\":[\"bug\"],\"via\":{\"channel\":\"web\"}} | bug via:web",
        "{\"tags\":[\"\",null,3,\"\u200bbug\"],\"via\":{\"channel\":\"chat\"}} | bug via:chat",
        "{\"tags\":null,\"via\":{\"channel\":null}} | via:unknown",
        "{\"via\":[]} | via:unknown",
    })
    void have_the_channel_among_them(String json, String tags) throws IOException {
      var ticket = SpikeNotifier.JSON.readValue(json, Ticket.class);
      assertEquals(List.of(tags.split(" ")), ticket.tags());
    }

    /** Nearly all tickets of a desk come by mail, say: that is no news, a flood of chats is. */
    @Test
    void show_a_channel_where_it_has_risen_alone() {
      var history = new TagHistory();
      Hour.range(JUDGED.plus(-400), JUDGED).forEach(hour ->
          history.put(hour, 10, Map.of("via:email", 10L)));
      var tickets = new HourTickets(JUDGED, List.of());
      for (int i = 0; i < 12; i++) tickets.add(ticket(i, i, i < 6 ? "via:email" : "via:chat"));
      history.put(JUDGED, 12, tickets.tagCounts());
      var ranked = tickets.ranked(new TagRule(history, ZoneOffset.UTC));
      assertEquals(List.of("via:chat"), ranked.stream().map(TagCount::tag).toList());
    }

    /** As where each of those hours failed, and others did not. */
    @Test
    void that_rose_are_ranked_where_their_hour_of_the_week_is_unknown() {
      var history = new TagHistory();
      Hour.range(JUDGED.plus(-400), JUDGED.plus(-168)).filter(hour ->
          JUDGED.since(hour) % 168 > 1).forEach(hour -> history.put(hour, 10, Map.of()));
      Hour.range(JUDGED.plus(-167), JUDGED).forEach(hour -> history.put(hour, 10, Map.of()));
      var tickets = new HourTickets(JUDGED, List.of());
      for (int i = 0; i < 9; i++) tickets.add(ticket(i, i, "bug"));
      history.put(JUDGED, 9, tickets.tagCounts());
      assertEquals(List.of(new TagCount("bug", 9, null, 100, true)),
          tickets.ranked(new TagRule(history, ZoneOffset.UTC)));
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

    private List<String> surging(TagHistory tags, String hour, String omitted) {
      var rule = new TagRule(tags, ZoneOffset.UTC);
      return rule.surging(Hour.parse(hour), List.of(omitted)).stream().map(TagVerdict::tag)
          .toList();
    }

    /** Which of these are told, once a day and beside no spike, is another question. */
    @Test
    void are_all_found_in_six_weeks_and_no_other() throws IOException {
      var tags = desk();
      var found = new ArrayList<String>();
      var first = Hour.parse("2026-07-27T00");
      Hour.range(first, first.plus(44 * 24)).map(Hour::name).forEach(hour ->
          surging(tags, hour, "").forEach(tag -> found.add(hour + " " + tag)));
      assertEquals(List.of("2026-08-31T10 checkout_502", "2026-08-31T11 checkout_502",
          "2026-09-01T10 feature", "2026-09-01T11 feature", "2026-09-03T08 incident_4",
          "2026-09-03T09 incident_4", "2026-09-07T15 login"), found);
      assertEquals(List.of(), surging(tags, "2026-08-31T10", "checkout_502"), "omitted");
    }

    @Test
    void in_one_hour_are_all_there_the_clearest_first() {
      var tags = new TagHistory();
      Hour.range(JUDGED.plus(-400), JUDGED).forEach(hour -> tags.put(hour, 50, Map.of()));
      tags.put(JUDGED, 50, Map.of("e", 12L, "b", 14L, "a", 12L, "d", 20L, "c", 13L, "x", 4L));
      assertEquals(List.of("d", "b", "c", "a", "e"), surging(tags, JUDGED.name(), ""));
    }

    @Test
    void are_of_the_hours_that_were_counted() {
      var tags = new TagHistory();
      Hour.range(JUDGED.plus(-400), JUDGED.plus(-1)).forEach(hour ->
          tags.put(hour, 50, Map.of()));
      tags.put(JUDGED, 50, Map.of("bug", 20L));
      var rule = new TagRule(tags, ZoneOffset.UTC);
      assertEquals(1, rule.verdict(JUDGED, "bug").hours(), "the one before was not read");
      assertTrue(rule.verdict(JUDGED, "bug").surge());
      tags.put(JUDGED.plus(-1), 50, Map.of());
      assertEquals(2, rule.verdict(JUDGED, "bug").hours());
    }
  }

  @Nested
  class In_their_file {
    @Test
    void are_read_back_as_they_were_saved() throws IOException {
      var tags = new TagHistory(history());
      tags.put(JUDGED, 3, Map.of("bug", 2L, "a b,c\"d%e:f", 1L, "\u00fc\u00df", 3L,
          "via:mobile sdk", 1L, "via:web", 2L));
      tags.put(JUDGED.plus(1), 0, Map.of());
      tags.save();
      assertEquals("hour,tickets,tags\n2026-11-24T13,3,via:web:2 via:mobile%20sdk:1 "
          + "\u00fc\u00df:3 bug:2 a%20b%2Cc%22d%25e:f:1\n2026-11-24T14,0,\n",
          Files.readString(folder.resolve("history.csv.tags")));
      var read = new TagHistory(history());
      assertEquals(List.of(), read.troubles);
      assertEquals(tags.at(JUDGED).counts(), read.at(JUDGED).counts());
      assertTrue(read.knows(JUDGED.plus(1)));
      assertFalse(read.knows(JUDGED.plus(2)));
      read.forget(JUDGED);
      read.save();
      assertFalse(new TagHistory(history()).knows(JUDGED), "forgotten in the file");
    }

    /** Else each desk would have a channel that surges once this edition begins. */
    @Test
    void of_an_edition_without_channels_are_unknown_until_they_are_read_again() {
      write("history.csv.tags", "hour,tickets,tags\n2026-11-24T11,2,bug:1\n2026-11-24T12,0,\n"
          + "2026-11-24T13,2,via:web:2\n2026-11-24T14,,\n");
      var tags = new TagHistory(history());
      var known = new ArrayList<Integer>();
      for (int i = -2; i <= 1; i++) if (tags.knows(JUDGED.plus(i))) known.add(i);
      assertEquals(List.of(-1, 0), known);
      assertEquals(List.of(), tags.troubles);
    }

    @Test
    void are_kept_for_29_days_the_channels_and_the_most_frequent_300_of_an_hour()
        throws IOException {
      var tags = new TagHistory(history());
      var many = new HashMap<>(Map.of("via:web", 1L));
      for (int i = 0; i < 400; i++) many.put("some_tag_" + i, i < 299 ? 2L : 1L);
      Hour.range(JUDGED.plus(-40 * 24), JUDGED).forEach(hour -> tags.put(hour, 2, many));
      tags.save();
      var read = new TagHistory(history());
      assertTrue(read.knows(JUDGED.plus(-29 * 24)));
      assertFalse(read.knows(JUDGED.plus(-29 * 24 - 1)));
      var kept = read.at(JUDGED.plus(-1)).counts();
      assertEquals(300, kept.size());
      assertEquals(Set.of(1L, 2L), Set.copyOf(kept.values()));
      assertEquals(1, kept.get("via:web"));
    }

    @Test
    void of_a_busy_desk_take_less_than_600_kb() throws IOException {
      var tags = new TagHistory(history());
      for (int i = 0; i < 29 * 24; i++) {
        var counts = new HashMap<>(Map.of("via:web", 100L));
        for (int tag = 0; tag < 50; tag++) counts.put("some_tag_" + (tag * 7 + i) % 100, 2L);
        tags.put(JUDGED.plus(-i), 100, counts);
      }
      tags.save();
      assertTrue(Files.size(folder.resolve("history.csv.tags")) < 600_000);
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-11-24T13", "2026-11-24T13,x,bug:1", "2026-11-24T13,2,bug",
        "2026-11-24T13,2,bug:3", "yesterday,2,bug:1", "2026-11-24T13,2,:1", "2026-11-24T13,-1,",
        "2026-11-24T13,2,bug:99999999999999999999", "2026-11-24T13,2,bug%ZZ:1", "\u0000"})
    void cost_a_bad_line_only_itself_and_the_file_is_kept(String line) throws IOException {
      var text = "hour,tickets,tags\n2026-11-24T12,2,via:web:2 bug:1\n" + line + "\nx\n";
      var file = write("history.csv.tags", text);
      var tags = new TagHistory(history());
      assertEquals(1, tags.troubles.size(), "one is enough to look");
      assertTrue(tags.troubles.get(0).startsWith(file + ": line 3: '"), tags.troubles.get(0));
      assertEquals(1, tags.at(JUDGED.plus(-1)).count("bug"));
      tags.put(JUDGED, 1, Map.of());
      tags.save();
      assertEquals(text, Files.readString(file));
    }

    @Test
    void are_none_where_there_is_no_file() {
      var tags = new TagHistory(history());
      assertEquals(0, tags.between(JUDGED.plus(-10_000), JUDGED).size());
      assertEquals(List.of(), tags.troubles);
    }
  }
}
