package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One receiver's trouble is nobody else's, whatever a mail server does. */
class ServersTest extends Deliveries {
  /**
   * Three receivers, one notice and servers that do one thing at one step, whenever they are
   * asked: who has said Yes, No, Later or Unconfirmed after one, two and five hourly runs, and
   * how many mails were taken. DRIP is a line now and then, but never the last in time.
   */
  @ParameterizedTest(name = "{0} {1}: {2}")
  @CsvSource(delimiter = ';', value = {
      "NOOP; 250 ok; YYY; YYY; YYY; 1",
      "GREETING; 421 busy; ---; ---; ---; 0",
      "GREETING; 554 not you; ---; ---; ---; 0",
      "GREETING; hello; ---; ---; ---; 0",
      "GREETING; CLOSE; ---; ---; ---; 0",
      "GREETING; HANG; ---; ---; ---; 0",
      "GREETING; DRIP 220; ---; ---; ---; 0",
      "EHLO; 501 not that name; YYY; YYY; YYY; 1", // the library says HELO then
      "EHLO; nonsense; YYY; YYY; YYY; 1",
      "EHLO; CLOSE; ---; ---; ---; 0",
      "EHLO; HANG; ---; ---; ---; 0",
      "AUTH; 535 5.7.8 no; ---; ---; ---; 0",
      "AUTH; 454 4.7.0 not now; ---; ---; ---; 0",
      "AUTH; CLOSE; ---; ---; ---; 0",
      "AUTH; HANG; ---; ---; ---; 0",
      "MAIL FROM; 550 5.7.1 not yours; LLL; LLL; LLL; 0",
      "MAIL FROM; 451 4.3.0 later; LLL; LLL; LLL; 0",
      "MAIL FROM; oops; LLL; LLL; LLL; 0",
      "MAIL FROM; CLOSE; LLL; LLL; LLL; 0",
      "MAIL FROM; HANG; LLL; LLL; LLL; 0",
      "RCPT TO:<a@; 550 5.1.1 no such user; NYY; NYY; NYY; 1",
      "RCPT TO:<a@; 550 5.7.1 relaying denied; LYY; LYY; LYY; 1",
      "RCPT TO:<a@; 450 4.2.0 greylisted; LYY; LYY; LYY; 1",
      "RCPT TO:<a@; 251 will forward; YYY; YYY; YYY; 1",
      "RCPT TO:<a@; 421 4.7.0 too much|CLOSE; LYY; LYY; LYY; 2",
      "RCPT TO:<a@; oops; LYY; LYY; LYY; 2",
      "RCPT TO:<a@; CLOSE; LYY; LYY; LYY; 2",
      "RCPT TO:<a@; RESET; LYY; LYY; LYY; 2",
      "RCPT TO:<a@; HANG; LYY; LYY; LYY; 2",
      "RCPT TO:<a@; DRIP 250; LYY; LYY; LYY; 2",
      "RCPT TO:<c@; CLOSE; YYL; YYL; YYL; 2",
      "RCPT TO; 550 5.1.1 no such user; NNN; NNN; NNN; 0",
      "RCPT TO; 450 4.2.0 greylisted; LLL; LLL; LLL; 0",
      "RCPT TO; 554 5.7.1 blocked; LLL; LLL; LLL; 0",
      "RCPT TO; CLOSE; LLL; LLL; LLL; 0",
      "RCPT TO; HANG; LLL; LLL; LLL; 0",
      "DATA; 554 5.6.0 no; LLL; LLL; LLL; 0",
      "DATA; 451 4.3.0 later; LLL; LLL; LLL; 0",
      "DATA; 250 whatever; LLL; LLL; LLL; 0", // not asked for, so not taken for accepted
      "DATA; CLOSE; LLL; LLL; LLL; 0",
      "DATA; HANG; LLL; LLL; LLL; 0",
      ".; 554 5.2.0 not as this sender; LLL; LLL; LLL; 0",
      ".; 451 4.7.1 later; LLL; LLL; LLL; 0",
      ".; oops; UUU; UUU; UUU; 0",
      ".; CLOSE; UUU; UUU; UUU; 0",
      ".; RESET; UUU; UUU; UUU; 0",
      ".; HANG; UUU; UUU; UUU; 0",
      ".; DRIP 251; UUU; UUU; UUU; 0",
      ".; 250 queued|RESET; YYY; YYY; YYY; 1", // the 250 is the end, whatever happens then
      "QUIT; CLOSE; YYY; YYY; YYY; 1",
      "QUIT; RESET; YYY; YYY; YYY; 1",
      "QUIT; HANG; YYY; YYY; YYY; 1",
      "QUIT; oops; YYY; YYY; YYY; 1",
  })
  void by_a_server_that_answers(String command, String reply, String afterOne, String afterTwo,
      String afterFive, int mails) throws IOException {
    timeout = Duration.ofMillis(500);
    var script = reply;
    if (reply.startsWith("DRIP ")) {
      var line = "DELAY:300:" + reply.substring(5);
      script = (line + "-x|").repeat(4) + line + " x";
    }
    try (var smtp = command.equals("AUTH") ? signIn(command, script) : smtp(command, script)) {
      config("spike/AllClear = no");
      receivers(3);
      var answers = new ArrayList<String>();
      for (int i = 0; i < 5; i++) {
        run();
        answers.add(answers(SPIKE, "a", "b", "c"));
        later(1);
      }
      assertEquals(List.of(afterOne, afterTwo, afterFive),
          List.of(answers.get(0), answers.get(1), answers.get(4)));
      assertEquals(mails, smtp.mails.size());
    }
  }
}
