package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.subethamail.smtp.RejectException;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** doctor says of each part what it saw. */
class DoctorTest extends Deliveries {
  @Nested
  class The_doctor {
    @Test
    void says_of_each_part_what_it_saw() throws IOException {
      config("email/Recipient = a@acme.example, b@acme.example");
      var lines = run(Exit.OK, "doctor").out().lines()
          .map(line -> line.replaceAll("-?\\d+ s from", "N s from")).toList();
      assertEquals(List.of(
          "ok    config: " + folder.resolve("auth.ini"),
          "ok    Zendesk: 127.0.0.1, 40 tickets in 2026-11-10T13, OAuth",
          "ok    Query: none",
          "ok    clock: N s from Zendesk's",
          "ok    mail: localhost:" + mail.port() + ", Security starttls, signed in as spikes "
              + "(offered: PLAIN LOGIN), takes mail for a@acme.example, b@acme.example",
          "ok    history: " + folder.resolve("out/history.csv") + ", 2026-10-31T13 to "
              + "2026-11-10T12, at acme.zendesk.com without Query, 0 unknown of the last 240",
          "ok    tags: 0 of 29 days known",
          "ok    lock: free",
          "ok    outbox: " + folder.resolve("out") + ", 0 notices waiting",
          "skip  webhook and watcher: are tried by --send"), lines);
      assertEquals(0, mail.received.size());
    }

    @Test
    void sends_a_sample_by_all_ways() throws IOException {
      try (var hook = new Hook()) {
        config("webhook/Url = " + hook.url() + "/hook\nmonitor/PingUrl = " + hook.url()
            + "/ping/x");
        run(Exit.OK, "doctor", "--send");
        run(Exit.OK, "doctor", "--send");
        assertEquals(List.of("POST /hook", "POST /ping/x/fail", "GET /ping/x"),
            hook.asked.subList(0, 3));
      }
      var first = mail.received.get(0);
      var second = mail.received.get(1);
      assertTrue(first.subject().startsWith("SAMPLE, no spike: Ticket Spike Alert! 100 tickets "),
          first.subject());
      assertTrue(first.text().contains("80 of the 100 carry checkout_error"), first.text());
      assertTrue(first.text().contains("This is a sample: there is no spike"), first.text());
      assertFalse(first.header("Message-ID").equals(second.header("Message-ID")));
      assertNull(first.header("References"));
      assertEquals(List.of(), files("sent"));
    }

    @Test
    void crosses_what_does_not_work_and_ends_with_the_worst() throws IOException {
      mail.mood = (stage, what) -> {
        if (stage.equals("recipient")) throw new RejectException(550, "no such user");
      };
      desk.trouble = Desk.Trouble.always("search", answer(503, ""));
      var outcome = run(Exit.ZENDESK, "doctor");
      assertTrue(outcome.out().contains("FAIL  Zendesk: [zendesk] 127.0.0.1: answers 503"),
          outcome.out());
      assertTrue(outcome.out().contains("skip  Query: since the check of Zendesk failed"));
      assertTrue(outcome.out().contains("FAIL  mail: [email] localhost:" + mail.port()
          + ": team@acme.example is refused: 550 no such user"), outcome.out());
    }

    @Test
    void tells_a_mail_server_that_wants_a_sign_in_by_its_code() throws IOException {
      try (var smtp = smtp("MAIL FROM", "530 5.7.0 authentication required")) {
        assertTrue(run(Exit.DENIED, "doctor").out().contains("FAIL  mail: [email] localhost:"
            + smtp.port() + ": spikes@acme.example is refused: 530 5.7.0"));
      }
    }

    @Test
    void says_what_fails_even_when_quiet_and_all_as_json() throws IOException {
      desk.trouble = Desk.Trouble.always("search", answer(503, ""));
      var quiet = run("doctor", "-q");
      assertEquals("", quiet.out());
      assertTrue(quiet.err().startsWith("FAIL  Zendesk: "), quiet.err());
      for (var line : run("doctor", "--json").out().lines().toList()) {
        assertTrue(SpikeNotifier.JSON.readTree(line).has("result"), line);
      }
    }

    @Test
    void warns_of_a_key_that_is_misspelled() throws IOException {
      config("spike/Treshold = 1");
      var outcome = run(Exit.OK, "doctor");
      assertEquals("", outcome.err());
      assertTrue(outcome.out().startsWith("WARN  config: " + folder.resolve("auth.ini")
          + ": [spike] Treshold: unknown key, ignored (expected "), outcome.out());
    }

    @Test
    void warns_of_what_may_be_a_slip() throws IOException {
      config("default/SpikeDB = ot/history.csv\nzendesk/Credentials = a@acme.example/token:"
          + API_KEY);
      var lines = run(Exit.OK, "doctor").out().lines().toList();
      assertTrue(lines.get(1).startsWith("WARN  Zendesk: "), lines.get(1));
      assertTrue(lines.get(1).endsWith(", OAuth; Credentials are there too, and not used"),
          lines.get(1));
      assertTrue(lines.contains("WARN  history: " + folder.resolve("ot/history.csv") + ", new, in "
          + "a new folder: the first run fills it, at acme.zendesk.com without Query"),
          lines.toString());
    }

    @Test
    void says_each_mistake_on_a_line_of_its_own() throws IOException {
      config("misc/NumTags = 0\nemail/Port = 0");
      var lines = run(Exit.CONFIG, "doctor").out().lines().toList();
      assertEquals(2, lines.size());
      for (var line : lines) assertTrue(line.startsWith("FAIL  config: " + folder), line);
    }

    @Test
    void warns_of_a_query_that_does_nothing() throws IOException {
      config("zendesk/Query = taggs:vip\ndefault/SpikeDB = out/other.csv");
      assertTrue(run(Exit.OK, "doctor").out().contains("WARN  Query: taggs:vip: 1720 of 1720 "
          + "tickets of the last 7 days: it changes nothing (a misspelled word?)"));
    }

    @Test
    void warns_of_what_will_be_trouble_soon() throws IOException {
      config("zendesk/ClientId = -\nzendesk/ClientSecret = -\n"
          + "zendesk/Credentials = a@acme.example/token:" + API_KEY);
      Files.writeString(folder.resolve("out/history.csv.tags"), "hour,tickets,tags\nnonsense\n");
      var answered = clock;
      desk.date = () -> answered;
      clock = clock.plusSeconds(240);
      var out = run(Exit.OK, "doctor").out();
      assertTrue(out.contains("WARN  Zendesk: 127.0.0.1, 40 tickets in 2026-11-10T13, API token, "
          + "which ends on 30 Apr 2027"), out);
      assertTrue(out.contains("WARN  clock: 240 s from Zendesk's: set this machine's clock"), out);
      assertTrue(out.contains("WARN  tags: 0 of 29 days known; "
          + folder.resolve("out/history.csv.tags") + ": line 2: 'nonsense' (expected "), out);
    }

    @Test
    void warns_of_a_watcher_that_will_not_hear_of_a_failing_run() throws IOException {
      try (var hook = new Hook()) {
        config("monitor/PingUrl = " + hook.url() + "/x");
        assertTrue(run(Exit.OK, "doctor", "--send").out().contains("WARN  watcher: 127.0.0.1 took "
            + "a good ping; how it hears of a failing run is not known (set FailUrl)"));
        assertEquals(List.of("GET /x"), hook.asked);
      }
    }

    @Test
    void says_that_a_history_is_new_and_where() throws IOException {
      config("default/SpikeDB = out/other.csv");
      assertTrue(run(Exit.OK, "doctor").out().contains("ok    history: "
          + folder.resolve("out/other.csv") + ", new: the first run fills it, at acme.zendesk.com "
          + "without Query"));
    }
  }
}
