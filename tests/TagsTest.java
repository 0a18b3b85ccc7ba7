package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** Tags: what the tickets are about. */
class TagsTest extends Unit {
  @Nested
  class Tags {
    private static Ticket ticket(long id, int second, String... tags) {
      return new Ticket(id, Instant.parse("2026-11-24T13:00:00Z").plusSeconds(second), "subject",
          7L, List.of(tags), "ticket");
    }

    private static List<String> ranked(String omitted, Ticket... tickets) {
      var spike = new SpikeTickets(List.of(omitted));
      for (var ticket : tickets) spike.add(ticket);
      return spike.ranked().stream().map(tag -> tag.tag() + " " + tag.count()).toList();
    }

    @Test
    void are_left_out_whole_and_without_case_and_count_once_a_ticket() {
      assertEquals(List.of("Billing 1", "vip_gold 1"),
          ranked("vip", ticket(1, 0, "VIP", "Billing", "vip_gold", "billing")));
    }

    @Test
    void as_frequent_rank_as_they_first_appeared_whatever_the_order_of_the_pages() {
      var first = ticket(9, 1, "b", "a");
      var second = ticket(8, 2, "c", "B");
      var third = ticket(7, 2, "a", "c");
      assertEquals(List.of("b 2", "a 2", "c 2"), ranked("x", first, second, third));
      assertEquals(List.of("b 2", "a 2", "c 2"), ranked("x", third, second, first));
    }

    /** So many of so many tickets carry it now, and so many of so many in each of four weeks. */
    @ParameterizedTest
    @CsvSource({
        "29, 100,  7, 20, false, a third then and now: its share has not risen",
        "80, 100,  0, 20, true,  new",
        "30, 100,  2, 20, true,  from a tenth to nearly a third",
        " 3,  10,  0, 20, true,  three of ten where none of eighty are usual",
        " 2,  10,  0, 20, false, two may be chance",
        " 8,  10,  0,  0, true,  nothing is usual then and this is most of it",
        " 2,  10,  0,  0, false, nothing is usual then and this is little",
    })
    void have_risen_when_their_share_is_beyond_chance(int now, int ofNow, int then, int ofThen,
        boolean risen, String why) {
      var spike = new SpikeTickets(List.of());
      for (int i = 0; i < ofNow; i++) spike.add(i < now ? ticket(i, i, "it") : ticket(i, i));
      for (int week = 0; week < 4; week++) {
        var tally = new Tally(List.of());
        for (int i = 0; i < ofThen; i++) tally.add(i < then ? ticket(i, i, "it") : ticket(i, i));
        spike.addWeek(tally);
      }
      assertEquals(risen, spike.ranked().get(0).risen(), why);
      assertEquals(risen, spike.cause() != null, why);
      assertEquals(ofNow - now, spike.untagged().count());
    }

    @Test
    void examples_carry_the_cause_and_are_spread_over_the_hour() {
      var spike = new SpikeTickets(List.of());
      for (int i = 0; i < 100; i++) spike.add(ticket(i, 36 * i, i % 2 == 0 ? "it" : "other"));
      var ids = spike.examples(spike.ranked().get(0), 5).stream().map(Ticket::id).toList();
      assertEquals(List.of(0L, 24L, 48L, 72L, 98L), ids);
    }
  }
}
