package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.util.Map;
import java.util.StringJoiner;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import spikenotifier.SpikeNotifier.*;

/** What was sent, and that it says no more than is known. */
class ToldTest extends Deliveries {
  @Nested
  class Explain {
    private String told(String hour) {
      var out = run(Exit.OK, "explain", hour).out();
      return out.lines().filter(line -> line.startsWith("Told: ")).findFirst().orElseThrow();
    }

    @Test
    void says_what_was_sent_and_where_nothing_was_why() throws IOException {
      desk(hour -> hour.isBefore(NOW) || hour.isAfter(NOW.plus(1)) ? 10 : 40);
      config("spike/Repeat = growth");
      for (int i = 0; i < 3; i++) {
        run(Exit.OK);
        later(1);
      }
      assertEquals("Told: a spike of 40 tickets, to team@acme.example at 2026-11-10T14:07:00Z.",
          told("2026-11-10T13"));
      assertEquals("Told: nothing: Repeat = growth, and 2026-11-10T13 was told with 40 tickets.",
          told("2026-11-10T14"));
      assertEquals("Told: the all-clear, to team@acme.example at 2026-11-10T16:07:00Z.",
          told("2026-11-10T15"));
      assertEquals("Told: nothing, since it is calm.", told("2026-11-10T12"));
    }
  }

  /** No more than is known. */
  @Nested
  class A_notice {
    private String head(int mails) {
      return mail.received.get(mails).text().replaceFirst("(?s)\\n\\n.*", "");
    }

    @Test
    void of_a_spike_that_shrank_does_not_add_up_nothing() throws IOException {
      run(Exit.OK);
      desk(hour -> 10);
      config("");
      later(1);
      run(Exit.OK);
      assertEquals("""
          Over after 1 hour: the spike at acme from 13:00 to 14:00 UTC, Tue 10 Nov.
          Peak: 40 tickets from 13:00 to 14:00, Tue 10 Nov; usual: 10.
          After it: 10 tickets from 14:00 to 15:00, Tue 10 Nov; usual: 10.
          13:00 was counted again: 10, not 40.""", head(1));
    }

    @Test
    void a_minute_after_the_hour_does_not_say_whether_it_goes_on() throws IOException {
      clock = NOW.to().plusSeconds(60);
      run(Exit.OK);
      assertTrue(head(0).contains("\nSince then: 1 ticket from 14:00 to 14:01; usual"), head(0));
    }

    @Test
    void of_tickets_read_in_part_says_nothing_of_all_who_wrote() throws IOException {
      desk(hour -> hour.equals(NOW) ? 300 : 10);
      config("");
      desk.trouble = (exchange, path) -> {
        var query = exchange.getRequestURI().getRawQuery();
        boolean isFurther = path.contains("export") || query != null && query.contains("page=2");
        return isFurther && answer(500, "").takes(exchange, path);
      };
      run();
      assertFalse(head(0).contains("people wrote"), head(0));
    }

    /** Agents make tags, some of them by machine. */
    @Test
    void makes_no_address_of_a_tag_clickable() throws IOException {
      known(720, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      var ticket = "{\"id\":%d,\"created_at\":\"2026-11-10T13:01:00Z\","
          + "\"tags\":[\"https://evil.test\"]}";
      var tickets = new StringJoiner(",");
      for (int i = 0; i < 40; i++) tickets.add(ticket.formatted(i));
      desk.trouble = first(1, "search.json",
          answer(200, "{\"count\":40,\"next_page\":null,\"results\":[" + tickets + "]}"));
      run();
      var told = mail.received.get(0);
      assertTrue(told.subject().contains("https[:]//evil.test"), told.subject());
      assertFalse(told.text().contains("https://evil"), told.text());
    }

    @Test
    void of_tickets_that_were_not_found_names_no_others() throws IOException {
      desk.trouble = first(1, "search.json",
          answer(200, "{\"count\":40,\"next_page\":null,\"results\":[]}"));
      run();
      assertTrue(head(0).contains("\nIts tickets could not be read: they are invalid or were not "),
          head(0));
    }
  }
}
