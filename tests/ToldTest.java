package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
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
          Peak: 40 tickets from 13:00 to 14:00; usual: 10.
          Now: 10 tickets from 14:00 to 15:00; usual: 10.
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
      desk.trouble = (exchange, path) -> (path.contains("export") || path.contains("page=2"))
          && answer(500, "").takes(exchange, path);
      run();
      assertFalse(head(0).contains("people wrote"), head(0));
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
