package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import spikenotifier.SpikeNotifier.*;

/** explain says what was sent. */
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
}
