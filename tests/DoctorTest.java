package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
          "ok    mail: [email] localhost:" + mail.port() + ", Security starttls, signed in as "
              + "spikes",
          "ok    history: " + folder.resolve("out/history.csv") + ", acme.zendesk.com without "
              + "Query, 2026-10-31T13 to 2026-11-10T12, 0 unknown of the last 240",
          "ok    outbox: 0 notices waiting"), lines);
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
      assertEquals(List.of(), files("done"));
    }

    /** A sample that a receiver does not take is a failed check, and the others are tried. */
    @Test
    void crosses_what_does_not_work_and_ends_with_the_worst() throws IOException {
      desk.trouble = Trouble.always("search", answer(503, ""));
      try (var smtp = smtp("RCPT TO:<a@", "550 5.1.1 no such user")) {
        var said = run(Exit.ZENDESK, "doctor", "--send");
        for (var line : List.of("FAIL  Zendesk: [zendesk] 127.0.0.1: answers 503",
            "ok    mail: ", "FAIL  sample to a@acme.example: 550 5.1.1 no such user",
            "ok    sample to b@acme.example: taken: 250 queued")) {
          assertTrue(said.out().contains(line), said.out());
        }
        assertEquals(1, smtp.mails.size());
      }
    }

    @Test
    void tells_a_refused_sign_in_by_its_code() throws IOException {
      config("email/Password = another-password");
      assertTrue(run(Exit.DENIED, "doctor").out().contains("FAIL  mail: [email] localhost:"
          + mail.port() + " refuses the sign-in of spikes: 535"));
    }

    @Test
    void says_that_a_server_offers_no_sign_in() throws IOException {
      try (var smtp = smtp()) {
        config("email/Password = some-password");
        assertTrue(run(Exit.DENIED, "doctor").out().contains("FAIL  mail: [email] localhost:"
            + smtp.port()));
      }
    }

    @Test
    void says_what_fails_even_when_quiet_and_all_as_json() throws IOException {
      desk.trouble = Trouble.always("search", answer(503, ""));
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
    void says_each_mistake_on_a_line_of_its_own() throws IOException {
      config("misc/NumTags = 0\nemail/Port = 0");
      var lines = run(Exit.CONFIG, "doctor").out().lines().toList();
      assertEquals(2, lines.size());
      for (var line : lines) assertTrue(line.startsWith("FAIL  config: " + folder), line);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "taggs:vip | WARN | : 1720 of 1720 tickets of the last 7 days (a misspelled word?)",
        "tags:vip | ok | : 2 of 1720 tickets of the last 7 days",
        "status<solved | WARN | it asks for what changes later: the first fill sees what is left",
        "assignee:none | WARN | it asks for what changes later: the first fill sees what is left",
    })
    void warns_of_a_query_that_does_nothing_or_asks_for_what_changes(String query, String result,
        String words) throws IOException {
      config("zendesk/Query = " + query + "\ndefault/SpikeDB = out/other.csv");
      var line = run(Exit.OK, "doctor").out().lines()
          .filter(each -> each.contains("  Query: ")).findFirst().orElseThrow();
      assertTrue(line.startsWith(result) && line.endsWith(words), line);
    }

    @Test
    void warns_of_what_will_be_trouble_soon() throws IOException {
      config("zendesk/ClientId = -\nzendesk/ClientSecret = -\n"
          + "zendesk/Credentials = a@acme.example/token:" + API_KEY + "\nemail/Port = 1\n"
          + "kept = yes");
      run(Exit.TRY_LATER);
      config("email/Port = " + mail.port());
      var answered = clock;
      desk.date = () -> answered;
      clock = clock.plusSeconds(240);
      var out = run(Exit.OK, "doctor").out();
      assertTrue(out.contains("WARN  Zendesk: 127.0.0.1, 40 tickets in 2026-11-10T13, API token, "
          + "which ends on 30 Apr 2027"), out);
      assertTrue(out.contains("WARN  clock: 240 s from Zendesk's"), out);
      assertTrue(out.contains("WARN  outbox: 1 notice waiting"), out);
    }

    @ParameterizedTest
    @CsvSource({"history.csv.told, history", "history.csv.outbox, outbox"})
    void crosses_a_file_that_cannot_be_used(String name, String check) throws IOException {
      var file = folder.resolve("out").resolve(name);
      Files.deleteIfExists(file);
      if (check.equals("history")) Files.createDirectory(file);
      else Files.writeString(file, "in the way");
      assertTrue(run(Exit.HISTORY, "doctor").out().contains("FAIL  " + check + ": " + file));
    }

    @Test
    void warns_of_a_watcher_that_will_not_hear_of_a_failing_run() throws IOException {
      try (var hook = new Hook()) {
        config("monitor/PingUrl = " + hook.url() + "/x");
        assertTrue(run(Exit.OK, "doctor", "--send").out().contains("WARN  watcher: 127.0.0.1 took "
            + "a good ping, but no bad one (set FailUrl)"));
        assertEquals(List.of("GET /x"), hook.asked);
      }
    }

    @Test
    void says_that_a_history_is_new_and_where() throws IOException {
      config("default/SpikeDB = out/other.csv");
      assertTrue(run(Exit.OK, "doctor").out().contains("ok    history: "
          + folder.resolve("out/other.csv") + ", acme.zendesk.com without Query: the first run "
          + "fills it"));
    }
  }
}
