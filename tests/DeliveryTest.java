package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.subethamail.smtp.RejectException;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.Fakes.SmtpScript;
import spikenotifier.SpikeNotifier.*;

/** Notices: who gets them, once, whatever servers do; what lies in out/; what doctor says. */
class DeliveryTest extends Scenario {
  static final String SPIKE = "2026-11-10T13.spike.json";

  @BeforeEach
  void nothing_to_fill() throws IOException {
    known(240, 10);
  }

  private SmtpScript smtp(String... replies) throws IOException {
    var smtp = new SmtpScript(replies);
    config("email/Port = " + smtp.port() + "\nemail/Security = none\nemail/Password = -\nkept = yes"
        + "\nemail/Recipient = a@acme.example, b@acme.example");
    return smtp;
  }

  private JsonNode notice(String folderName, String name) throws IOException {
    return SpikeNotifier.JSON.readTree(folder.resolve("out/" + folderName + "/" + name).toFile());
  }

  private static List<String> receivers(SmtpScript smtp) {
    var receivers = new ArrayList<String>();
    for (var line : smtp.said) {
      if (line.startsWith("RCPT TO:")) receivers.add(line.replaceAll(".*<(\\w)@.*", "$1"));
    }
    return receivers;
  }

  /** A server that is asked by HTTP, and answers as it is told. */
  static final class Hook implements AutoCloseable {
    final List<String> asked = new CopyOnWriteArrayList<>();
    final List<String> bodies = new CopyOnWriteArrayList<>();
    volatile int status = 200;
    volatile String answer = "ok";
    volatile long delay;
    private final HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);

    Hook() throws IOException {
      server.createContext("/", exchange -> {
        asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI());
        bodies.add(new String(exchange.getRequestBody().readAllBytes(), UTF_8));
        try {
          Thread.sleep(delay);
        } catch (InterruptedException e) {
          return; // the test is over
        }
        var bytes = answer.getBytes(UTF_8);
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
      });
      server.start();
    }

    String url() {
      return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }

  @Nested
  class A_mail {
    /** A 250 after DATA is the end, whatever happens then. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "QUIT; RESET", "QUIT; CLOSE", "QUIT; HANG", "QUIT; oops", ".; 250 queued|RESET",
        ".; DELAY:1500:250 queued", "QUIT; 421 too late",
    })
    void that_was_accepted_never_goes_out_again(String command, String reply) throws IOException {
      timeout = Duration.ofSeconds(1);
      try (var smtp = smtp(command, reply)) {
        run(Exit.OK);
        assertEquals(List.of(SPIKE), files("sent"));
        smtp.script("QUIT", "221 bye", ".", "250 ok");
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
      }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "MAIL FROM | oops | answers what is no SMTP: oops",
        "RCPT TO | 999 x | answers what is no SMTP: 999 x",
        "EHLO | nonsense | answers what is no SMTP: nonsense",
        "GREETING | hello | answers what is no SMTP: hello",
        "MAIL FROM | CLOSE | the server closed the connection",
        ". | CLOSE | the server closed the connection",
        "DATA | 12 | answers what is no SMTP: 12",
    })
    void waits_when_the_server_makes_no_sense(String command, String reply, String reason)
        throws IOException {
      try (var smtp = smtp("QUIT", "oops", command, reply)) {
        var outcome = run(Exit.TRY_LATER);
        assertEquals("[email] localhost:" + smtp.port() + ": " + reason + "\n" + SPIKE
            + " waits in the outbox for [a@acme.example, b@acme.example]\n", outcome.err());
        assertEquals(40, history().at(NOW), "the hour is stored");
        smtp.script("QUIT", "221 bye", "MAIL FROM", "250 ok", "RCPT TO", "250 ok", "EHLO", "250 x",
            "GREETING", "220 x", ".", "250 ok", "DATA", "354 go");
        later(1);
        run(Exit.OK);
        assertEquals(List.of(), files("outbox"));
        assertEquals(List.of("a", "b"), receivers(smtp).subList(receivers(smtp).size() - 4,
            receivers(smtp).size() - 2), "the waiting one goes first");
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"450 4.2.0 greylisted, come back later", "452 4.2.2 mailbox full"})
    void reaches_later_who_was_deferred_and_the_other_once(String reply) throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", reply)) {
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().startsWith("[email] localhost: b@acme.example takes " + SPIKE
            + " later: " + reply), outcome.err());
        assertEquals(1, smtp.mails.size());
        assertEquals(List.of("a@acme.example"), names(notice("outbox", SPIKE).path("accepted")));
        smtp.said.clear();
        smtp.script("RCPT TO:<b@", "250 ok");
        later(1);
        config("spike/AllClear = no");
        run(Exit.OK);
        assertEquals(List.of("b"), receivers(smtp));
        assertEquals(List.of("a@acme.example", "b@acme.example"),
            names(notice("sent", SPIKE).path("accepted")));
      }
    }

    private List<String> names(JsonNode object) {
      var names = new ArrayList<String>();
      object.fieldNames().forEachRemaining(names::add);
      return names;
    }

    @Test
    void is_given_up_for_who_is_refused_and_reaches_the_other() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "550 5.1.1 no such user")) {
        var outcome = run(Exit.TRY_LATER);
        assertEquals("[email] localhost: b@acme.example refuses " + SPIKE
            + ": 550 5.1.1 no such user\n", outcome.err());
        assertEquals(List.of(SPIKE), files("sent"));
        assertEquals("{\"b@acme.example\":\"550 5.1.1 no such user\"}",
            notice("sent", SPIKE).path("refused").toString());
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "a"), receivers(smtp), "the all-clear goes to a alone");
      }
    }

    /** One that cannot be taken must not keep back what comes after it. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        ".; 552 5.3.4 too big", "DATA; 554 no", "MAIL FROM; 552 5.3.4 too big",
        "RCPT TO; 550 no such user",
    })
    void that_nobody_takes_is_laid_aside_and_blocks_nothing(String command, String reply)
        throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var smtp = smtp(command, reply)) {
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().contains("refuses " + SPIKE + ": " + reply), outcome.err());
        assertEquals(List.of(SPIKE), files("refused"));
        smtp.script(command, command.equals("DATA") ? "354 go" : "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
        assertTrue(smtp.mails.get(0).contains("Subject: Ticket Spike Alert! acme, Tue 10 Nov 14:"),
            "a first notice, since nobody got the one before: " + smtp.mails.get(0));
      }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "EHLO | 250-x:250 AUTH CRAM-MD5 | 77 | offers no sign-in that is known here",
        "AUTH | CLOSE | 75 | takes no sign-in now: the connection broke",
        "AUTH | oops | 75 | takes no sign-in now: the connection broke",
        "AUTH | 534 5.7.9 application password required | 77 | refuses the sign-in of spikes: 534",
    })
    void tells_a_refused_sign_in_from_a_broken_one(String command, String reply, int code,
        String words) throws IOException {
      try (var smtp = smtp("EHLO", "250-x|250 AUTH PLAIN LOGIN", command,
          reply.replace(":", "|"))) {
        config("email/Password = " + MailServer.PASSWORD);
        var outcome = run();
        assertEquals(code, outcome.code(), outcome.err());
        assertTrue(outcome.err().startsWith("[email] localhost:" + smtp.port() + " " + words),
            outcome.err());
      }
    }

    /** The config is at fault, so nothing is given up. */
    @Test
    void waits_when_the_sender_is_refused() throws IOException {
      try (var smtp = smtp("MAIL FROM", "553 5.7.1 not owned by user")) {
        assertTrue(run(Exit.TRY_LATER).err().startsWith("[email] localhost:" + smtp.port()
            + ": refuses the sender: 553 5.7.1 not owned by user (check Sender)"));
        assertEquals(List.of(SPIKE), files("outbox"));
        smtp.script("MAIL FROM", "250 ok");
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
      }
    }

    @Test
    void reaches_the_others_when_the_server_hangs_up_at_one() throws IOException {
      try (var smtp = smtp("RCPT TO:<a@", "421 4.7.0 try later|CLOSE")) {
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().contains("a@acme.example takes " + SPIKE + " later: 421 4.7.0"),
            outcome.err());
        assertEquals(1, smtp.mails.size());
        assertTrue(notice("outbox", SPIKE).path("accepted").has("b@acme.example"));
      }
    }

    /** Relays want a sign-in for some receivers only. */
    @Test
    void is_noted_for_who_accepted_although_another_wants_a_sign_in() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "530 5.7.1 authentication required to relay")) {
        run(Exit.TRY_LATER);
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
      }
    }

    /** Google answers a bad token in two steps. */
    @Test
    void hears_the_refusal_of_a_token_to_its_end() throws IOException {
      try (var smtp = smtp("EHLO", "250-x|250 AUTH XOAUTH2", "AUTH", "334 eyJzdGF0dXMiOiI0MDAifQ==",
          "", "535 5.7.8 Username and token not accepted")) {
        config("email/ClientId = x\nemail/ClientSecret = " + Desk.SECRET + "\nemail/TokenUrl = "
            + desk.url() + "/oauth/tokens");
        assertTrue(run(Exit.DENIED).err().startsWith("[email] localhost:" + smtp.port()
            + " refuses the sign-in of spikes: 535 5.7.8 Username and token not accepted"));
      }
    }

    @Test
    void that_was_not_asked_for_is_not_taken_for_accepted() throws IOException {
      try (var smtp = smtp("DATA", "250 whatever")) {
        run(Exit.TRY_LATER);
        assertEquals(List.of(), smtp.mails);
        assertEquals(List.of(SPIKE), files("outbox"));
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"454 4.7.0 Temporary authentication failure", "421 busy"})
    void waits_without_advice_about_passwords_when_the_sign_in_fails_for_now(String reply)
        throws IOException {
      try (var smtp = smtp("EHLO", "250-x|250 AUTH PLAIN LOGIN", "AUTH", reply)) {
        config("email/Password = " + MailServer.PASSWORD);
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().startsWith("[email] localhost:" + smtp.port()
            + " takes no sign-in now: " + reply), outcome.err());
        assertFalse(outcome.err().contains("Password"), outcome.err());
      }
    }

    @Test
    void is_refused_where_the_password_is_wrong_and_waits() throws IOException {
      config("email/Password = another-password");
      var outcome = run(Exit.DENIED);
      assertTrue(outcome.err().startsWith("[email] localhost:" + mail.port() + " refuses the "
          + "sign-in of spikes: 535 "), outcome.err());
      config("email/Password = " + MailServer.PASSWORD);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    @Test
    void says_that_a_server_offers_no_sign_in() throws IOException {
      try (var smtp = smtp()) {
        config("email/Password = " + MailServer.PASSWORD);
        assertTrue(run(Exit.DENIED).err().startsWith("[email] localhost:" + smtp.port()
            + " offers no sign-in (check Host, Port and Security"));
        assertTrue(run("doctor").out().contains("FAIL  mail: [email] localhost:" + smtp.port()
            + " offers no sign-in"));
      }
    }

    @Test
    void waits_when_the_server_says_nothing_and_hints_at_security() throws IOException {
      timeout = Duration.ofMillis(300);
      try (var smtp = smtp("GREETING", "HANG")) {
        assertTrue(run(Exit.TRY_LATER).err().startsWith("[email] localhost:" + smtp.port()
            + ": no whole answer within 0 s (a server that says nothing may want Security = tls)"));
      }
    }

    @Test
    void says_which_security_a_port_wants() throws IOException {
      config("email/Security = tls");
      var outcome = run(Exit.TRY_LATER);
      assertTrue(outcome.err().contains(" (Port 587 and 25 want Security = starttls)"),
          outcome.err());
    }

    @Test
    void never_goes_in_the_clear_where_tls_is_demanded() throws IOException {
      try (var smtp = smtp()) {
        config("email/Security = starttls");
        run(Exit.TRY_LATER);
        assertFalse(smtp.said.stream().anyMatch(line -> line.startsWith("MAIL")),
            smtp.said.toString());
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"expired", "other", "untrusted"})
    void refuses_a_certificate_that_is(String alias) throws IOException {
      mail.close();
      mail = new MailServer(Certificates.context(alias), MailServer.byPassword());
      config("");
      var outcome = run(Exit.TRY_LATER);
      assertTrue(outcome.err().contains("(its certificate is not trusted: check Host; for an "
          + "authority of your own give Java -Djavax.net.ssl.trustStore=FILE)"), outcome.err());
      assertEquals(0, mail.received.size());
    }

    @Test
    void goes_by_tls_from_the_start_and_by_oauth() throws IOException {
      mail.close();
      mail = new MailServer(Certificates.context("good"), MailServer.byPassword(), true);
      config("email/Security = tls");
      run(Exit.OK);
      assertEquals(1, mail.received.size());

      mail.close();
      mail = new MailServer(Certificates.context("good"), MailServer.byToken("made-up-token"));
      config("email/Security = starttls\nemail/Password = -\nemail/ClientId = x\n"
          + "email/ClientSecret = " + Desk.SECRET + "\nemail/TokenUrl = " + desk.url()
          + "/oauth/tokens");
      later(1);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    /** The record of servers that are down counts a token server too. */
    @Test
    void is_tried_once_a_run_where_the_token_cannot_be_had() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      config("email/Password = -\nemail/ClientId = x\nemail/ClientSecret = " + Desk.SECRET
          + "\nemail/TokenUrl = http://127.0.0.1:1/token");
      run(Exit.TRY_LATER);
      later(1);
      var outcome = run(Exit.TRY_LATER);
      assertEquals(1, outcome.err().lines().filter(line -> line.contains("no connection")).count(),
          outcome.err());
      assertEquals(2, files("outbox").size());
    }

    @Test
    void greets_with_the_name_of_the_config_or_a_full_one() throws IOException {
      try (var smtp = smtp()) {
        run(Exit.OK);
        assertTrue(smtp.said.get(0).matches("EHLO (\\[[0-9a-f.:]+]|\\S+\\.\\S+)"),
            smtp.said.get(0));
        config("email/EhloName = spikebox.acme.example");
        later(1);
        run(Exit.OK);
        assertTrue(smtp.said.contains("EHLO spikebox.acme.example"), smtp.said.toString());
      }
    }

    @Test
    void has_the_headers_that_clients_thread_and_filter_by() throws IOException {
      config("email/Cc = boss@acme.example\nemail/Sender = Spikes <spikes@acme.example>");
      run(Exit.OK);
      later(1);
      run(Exit.OK);
      assertEquals(4, mail.received.size());
      var first = mail.received.get(0);
      assertEquals("Spikes <spikes@acme.example>", first.header("From"));
      assertEquals("boss@acme.example", first.header("Cc"));
      assertEquals("auto-generated", first.header("Auto-Submitted"));
      assertEquals("All", first.header("X-Auto-Response-Suppress"));
      assertEquals("<spike-notifier.acme.zendesk.com>", first.header("List-Id"));
      assertEquals("<2026-11-10T13-spike@spike-notifier.acme.zendesk.com>",
          first.header("Message-ID"));
      var root = "<2026-11-10T13-episode@spike-notifier.acme.zendesk.com>";
      assertEquals(root, first.header("References"));
      var clear = mail.received.get(2);
      assertEquals(root + "\r\n " + first.header("Message-ID"), clear.header("References"));
      assertEquals(first.header("Message-ID"), clear.header("In-Reply-To"));
      assertEquals("Re: " + first.subject(), clear.subject());
    }
  }

  @Nested
  class The_folder_out {
    /** Without receivers: the config of the moment of sending names them. */
    @Test
    void holds_notices_as_text() throws IOException {
      known(720, 10);
      config("email/Host = localhost\nemail/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      var json = notice("outbox", SPIKE);
      assertEquals("""
          {
            "account" : "acme.zendesk.com",
            "query" : "",
            "hour" : "2026-11-10T13",
            "kind" : "spike",
            "start" : "2026-11-10T13",
            "subject" : "Ticket Spike Alert! acme, Tue 10 Nov 13:00 UTC: 40 tickets instead of 10, \
          checkout_error"
          }""", json.path("topic").toPrettyString());
      var fields = new ArrayList<String>();
      json.fieldNames().forEachRemaining(fields::add);
      assertEquals(List.of("topic", "facts", "words", "accepted", "refused"), fields);
      assertEquals(40, json.path("facts").path("count").asLong());
      assertEquals("checkout_error", json.path("facts").path("cause").asText());
      assertEquals("{}", json.path("accepted").toString());
    }

    @Test
    void sends_what_waits_to_a_recipient_that_was_mended() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 no")) {
        run(Exit.TRY_LATER);
        config("email/Recipient = a@acme.example, c@acme.example");
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "c"), receivers(smtp).subList(0, 3));
        assertEquals(List.of(), files("outbox"));
      }
    }

    @Test
    void gives_up_after_a_week() throws IOException {
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      later(168);
      Fakes.known(folder, NOW.plus(1), NOW.plus(168), 10);
      run(Exit.TRY_LATER);
      assertTrue(files("outbox").contains(SPIKE), "a week old is news");
      later(1);
      var outcome = run(Exit.TRY_LATER);
      assertTrue(outcome.err().contains(SPIKE + " is older than a week and given up, see "
          + folder.resolve("out/refused")), outcome.err());
      assertEquals(List.of(SPIKE), files("refused"));
    }

    @Test
    void skips_and_names_what_is_no_notice() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox"));
      var odd = folder.resolve("out/outbox/2026-11-10T12-spike.eml");
      Files.writeString(odd, "From: x");
      Files.writeString(folder.resolve("out/outbox/2026-11-10T12.spike.json"), "{\"a\":1}");
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains(odd + ": is no notice of this edition (look at it, then "
          + "delete it)"), outcome.err());
      assertEquals(1, mail.received.size());
    }

    /** What people leave there must neither stop a run nor go out again and again. */
    @Test
    void is_proof_against_odd_files() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox/dir.json"));
      Files.write(folder.resolve("out/outbox/u.json"), new byte[] {(byte) 0xff, (byte) 0xfe});
      Files.createDirectories(folder.resolve("out/sent"));
      Files.writeString(folder.resolve("out/sent/2026-11-31T10.spike.json"), "{}");
      run(Exit.OK);
      Files.copy(folder.resolve("out/sent/" + SPIKE), folder.resolve("out/outbox/again.json"));
      var other = Fakes.read(folder.resolve("out/sent/" + SPIKE)).replace("acme.zendesk.com", "x");
      Files.writeString(folder.resolve("out/outbox/2026-11-10T09.spike.json"),
          other.replace("2026-11-10T13", "2026-11-10T09"));
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("again.json: is not sent under this name (rename it to "
          + SPIKE), outcome.err());
      assertTrue(outcome.err().contains("tells of another account or Query"), outcome.err());
      assertEquals(1, mail.received.size());
      Files.delete(folder.resolve("out/outbox/u.json"));
    }

    @Test
    void must_be_able_to_note_what_is_sent_before_anything_goes_out() throws IOException {
      Files.createDirectories(folder.resolve("out"));
      Files.writeString(folder.resolve("out/sent"), "in the way");
      var outcome = run(Exit.HISTORY);
      assertEquals(folder.resolve("out/sent") + ": is a file (expected a folder)\n", outcome.err());
      assertEquals(0, mail.received.size());
    }

    @Test
    void serves_one_account_alone() throws IOException {
      run(Exit.OK);
      config("zendesk/Domain = beta\ndefault/SpikeDB = out/beta.csv");
      var outcome = run(Exit.CONFIG);
      assertTrue(outcome.err().contains(folder.resolve("out") + ": holds a notice of that hour "
          + "counted at acme.zendesk.com without Query (expected a folder of its own"),
          outcome.err());
    }

    @Test
    void forgets_after_half_a_year() throws IOException {
      run(Exit.OK);
      var old = folder.resolve("out/sent/2026-05-01T00.spike.json");
      Files.copy(folder.resolve("out/sent/" + SPIKE), old);
      run(Exit.OK);
      assertEquals(List.of(SPIKE), files("sent"));
    }

    /** kill -9 at many moments of a delivery to two recipients and a webhook. */
    @Test
    void loses_none_and_sends_none_twice_whenever_a_run_is_killed()
        throws IOException, InterruptedException {
      var last = Hour.lastFull(Instant.now());
      desk(hour -> hour.equals(last) ? 40 : 10);
      Fakes.known(folder, last.plus(-240), last, 10);
      try (var hook = new Hook(); var smtp = smtp()) {
        config("webhook/Url = " + hook.url());
        smtp.script("RCPT TO:<b@", "DELAY:300:450 later", ".", "DELAY:300:250 ok");
        hook.delay = 300;
        for (int i = 0; i < 8; i++) {
          var process = Fakes.child(folder);
          if (!process.waitFor(900 + 200L * i, TimeUnit.MILLISECONDS)) {
            process.destroyForcibly().waitFor();
          }
        }
        smtp.script("RCPT TO:<b@", "250 ok", ".", "250 ok");
        hook.delay = 0;
        var process = Fakes.child(folder);
        assertTrue(process.waitFor(1, TimeUnit.MINUTES));
        assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
        var accepted = notice("sent", last.name() + ".spike.json").path("accepted");
        assertEquals(3, accepted.size(), accepted.toString());
        // A kill between a server's yes and the note of it repeats that one, with the same id.
        var ids = new java.util.HashSet<String>();
        for (var each : smtp.mails) {
          ids.add(each.replaceAll("(?s).*Message-ID: (\\S+).*", "$1"));
        }
        assertEquals(1, ids.size(), ids.toString());
        assertTrue(smtp.mails.size() <= 4, smtp.mails.size() + " mails");
      }
    }
  }

  @Nested
  class An_episode {
    /** Runs an hour after the other; the desk holds so many from NOW on. */
    private List<String> told(String counts, String changes) throws IOException {
      long[] held = SpikeNotifierTest.numbers(counts);
      desk(hour -> hour.isBefore(NOW) ? 10
          : hour.since(NOW) < held.length ? held[(int) hour.since(NOW)] : 10);
      config(changes);
      var told = new ArrayList<String>();
      for (int i = 0; i < held.length; i++) {
        int before = mail.received.size();
        run(Exit.OK);
        later(1);
        told.add(mail.received.size() == before ? "-"
            : files("sent").get(files("sent").size() - 1).replaceAll(".*\\.(\\w+)\\.json", "$1"));
      }
      return told;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "every  | yes | 40 40 90 40 10 10 | spike spike spike spike clear -",
        "growth | yes | 40 40 90 40 10 10 | spike - spike - clear -",
        "first  | yes | 40 40 90 40 10 10 | spike - - - clear -",
        "growth | no  | 40 40 10 40 10 40 | spike - - spike - spike",
        "growth | yes | 40 10 40 10 | spike clear spike clear",
    })
    void is_told_as_often_as_the_config_says(String repeat, String clear, String counts,
        String expected) throws IOException {
      assertEquals(List.of(expected.split(" ")),
          told(counts, "spike/Repeat = " + repeat + "\nspike/AllClear = " + clear));
    }

    @Test
    void has_one_subject_and_one_root() throws IOException {
      told("40 90 200 10", "");
      var subjects = new java.util.HashSet<String>();
      var roots = new java.util.HashSet<String>();
      for (var each : mail.received) {
        subjects.add(each.subject().replaceFirst("^Re: ", ""));
        roots.add(each.header("References").split("\\s")[0]);
      }
      assertEquals(1, subjects.size(), subjects.toString());
      assertEquals(1, roots.size(), roots.toString());
    }

    @Test
    void ends_with_no_all_clear_for_who_never_got_the_alarm() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "550 no")) {
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "a"), receivers(smtp));
      }
    }

    /** Nobody may hear that it is over before hearing that it began. */
    @Test
    void is_told_in_order_to_who_was_deferred() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        run(Exit.TRY_LATER);
        later(1);
        run(Exit.TRY_LATER);
        assertEquals(2, files("outbox").size());
        smtp.script("RCPT TO:<b@", "250 ok");
        smtp.said.clear();
        later(1);
        run(Exit.OK);
        assertEquals(List.of("b", "b"), receivers(smtp));
        assertTrue(smtp.mails.get(smtp.mails.size() - 1).contains("Subject: Re: "));
      }
    }

    /** The hour was counted too low at first, so the all-clear was false. */
    @Test
    void goes_on_in_its_thread_after_a_false_all_clear() throws IOException {
      var indexed = new java.util.concurrent.atomic.AtomicBoolean();
      desk(hour -> hour.isBefore(NOW) || hour.isAfter(NOW.plus(1)) ? 10
          : hour.equals(NOW) || indexed.get() ? 40 : 2);
      run(Exit.OK);
      later(1);
      run(Exit.OK);
      indexed.set(true);
      later(1);
      run(Exit.OK);
      var told = mail.received.stream().map(each -> each.header("Message-ID")
          .replaceAll("<2026-11-10T(.*)@.*", "$1")).toList();
      assertEquals(List.of("13-spike", "14-clear", "14-spike", "15-clear"), told);
      var root = mail.received.get(0).header("References");
      assertTrue(mail.received.get(2).header("References").startsWith(root));
    }

    /** Zendesk deleted the tickets: the hour is no spike any more, but people were told of it. */
    @Test
    void ends_although_its_hour_shrank() throws IOException {
      run(Exit.OK);
      desk(hour -> 10);
      later(1);
      run(Exit.OK);
      assertEquals(List.of(SPIKE, "2026-11-10T14.clear.json"), files("sent"));
    }

    /** An hour in between becomes known when the end was told already. */
    @Test
    void ends_once() throws IOException {
      run(Exit.OK);
      var bad = NOW.plus(1);
      desk.trouble = Desk.Trouble.holding(bad, answer(500, ""));
      later(2);
      run(Exit.OK);
      assertEquals(List.of(SPIKE, "2026-11-10T15.clear.json"), files("sent"));
      desk.trouble = Desk.Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(10, history().at(bad));
      assertEquals(List.of(SPIKE, "2026-11-10T15.clear.json"), files("sent"));
    }

    @Test
    void lasted_as_long_as_its_hours_though_nobody_ran_for_days() throws IOException {
      run(Exit.OK);
      mail.received.clear();
      later(80);
      Fakes.known(folder, NOW.plus(1), NOW.plus(79), 10);
      run(Exit.OK);
      assertTrue(mail.received.get(0).text().startsWith("Over at 14:00 UTC after 1 hour."),
          mail.received.get(0).text());
    }

    @Test
    void of_three_weeks_keeps_its_root() throws IOException {
      run(Exit.OK);
      var file = folder.resolve("out/sent/" + SPIKE);
      var old = Fakes.read(file).replace("2026-11-10T13", "2026-10-20T13");
      Files.delete(file);
      Files.writeString(folder.resolve("out/sent/2026-10-20T13.spike.json"), old);
      mail.received.clear();
      run(Exit.OK);
      assertTrue(mail.received.get(0).header("References").startsWith("<2026-10-20T13-episode@"),
          mail.received.get(0).header("References"));
    }
  }

  @Nested
  class A_webhook {
    @ParameterizedTest
    @CsvSource({"400", "403", "404", "409", "410", "302"})
    void that_refuses_is_told_once_and_blocks_nothing(int status) throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var hook = new Hook()) {
        hook.status = status;
        hook.answer = "{\"error\": {\"code\": 400, \"status\": \"INVALID_ARGUMENT\", \"message\": "
            + "\"Unknown name\"}}";
        config("webhook/Url = " + hook.url() + "/secret-path/x%41y/");
        var outcome = run(Exit.TRY_LATER, "-v");
        assertTrue(outcome.err().contains("[webhook] 127.0.0.1 refuses " + SPIKE + ": answers "
            + status), outcome.err());
        if (status != 302) assertTrue(outcome.err().contains("Unknown name"), outcome.err());
        assertFalse(outcome.err().contains("secret-path"), outcome.err());
        assertEquals(2, outcome.err().split("answers " + status, -1).length, "said once");
        assertEquals(List.of("POST /secret-path/x%41y/"), hook.asked, "whole, slash and all");
        assertEquals(1, mail.received.size());
        assertEquals(List.of(SPIKE), files("sent"));
        later(1);
        hook.status = 200;
        run(Exit.OK);
        assertEquals(1, hook.asked.size(), "no follow-up to who refused the beginning");
      }
    }

    @ParameterizedTest
    @ValueSource(ints = {408, 425, 429, 500, 503})
    void that_may_take_it_later_is_asked_once_a_run(int status) throws IOException {
      try (var hook = new Hook()) {
        hook.status = status;
        config("webhook/Url = " + hook.url());
        run(Exit.TRY_LATER);
        assertEquals(1, hook.asked.size());
        assertEquals(1, mail.received.size());
        hook.status = 200;
        later(1);
        run(Exit.OK);
        assertEquals(3, hook.asked.size());
        assertEquals(List.of(), files("outbox"));
      }
    }

    @Test
    void that_hangs_does_not_delay_the_mail() throws IOException {
      timeout = Duration.ofMillis(600);
      try (var hook = new Hook()) {
        hook.delay = 5000;
        config("webhook/Url = " + hook.url());
        run(Exit.TRY_LATER);
        assertEquals(1, mail.received.size());
        assertEquals(1, hook.asked.size());
      }
    }

    /** As n8n does: the path is the secret. */
    @Test
    void that_echoes_its_path_tells_no_secret() throws IOException {
      try (var hook = new Hook()) {
        hook.status = 404;
        hook.answer = "{\"message\":\"The webhook \\\"POST s3cr3tpath-91ab\\\" is unknown\"}";
        config("webhook/Url = " + hook.url() + "/webhook/s3cr3tpath-91ab");
        var outcome = run(Exit.TRY_LATER);
        assertFalse(outcome.err().contains("s3cr3tpath"), outcome.err());
        assertFalse(Fakes.read(folder.resolve("out/sent/" + SPIKE)).contains("s3cr3tpath"));
      }
    }

    @Test
    void redirect_is_not_followed_nor_shown() throws IOException {
      try (var elsewhere = new RawServer(socket -> { }); var hook = new RawServer(socket -> {
        socket.getInputStream().read(new byte[100_000]);
        socket.getOutputStream().write(("HTTP/1.1 302 x\r\nLocation: " + elsewhere.url()
            + "/other-secret\r\nContent-Length: 0\r\n\r\n").getBytes(UTF_8));
      })) {
        config("webhook/Url = " + hook.url() + "/s");
        var outcome = run(Exit.TRY_LATER, "-q");
        assertFalse(outcome.err().contains("other-secret"), outcome.err());
        assertEquals(0, elsewhere.connections.get());
      }
    }

    @Test
    void gets_no_secret_that_zendesk_echoed() throws IOException {
      try (var hook = new Hook()) {
        config("webhook/Url = " + hook.url());
        desk.trouble = first(1, "search.json", answer(200, """
            {"count":40,"next_page":null,"results":[{"id":1,"created_at":"2026-11-10T13:01:00Z",
            "subject":"%s","tags":["%s"]}]}""".formatted(Desk.SECRET, "made-up-token")));
        run(Exit.OK);
        assertFalse(hook.bodies.get(0).contains("made-up"), hook.bodies.get(0));
        assertFalse(mail.received.get(0).text().contains("made-up"), mail.received.get(0).text());
      }
    }
  }

  @Nested
  class A_watcher {
    private Hook hook;

    private List<String> pinged(Exit exit, String changes, String... words) throws IOException {
      try (var each = new Hook()) {
        hook = each;
        config(changes.replace("HOOK", each.url()));
        run(exit, words);
        return each.asked;
      }
    }

    @Test
    void hears_of_each_run_and_of_a_failing_one_why() throws IOException {
      var url = "monitor/PingUrl = HOOK/hc/key/spike?create=1";
      assertEquals(List.of("GET /hc/key/spike?create=1"), pinged(Exit.OK, url));
      assertEquals(List.of("POST /hc/key/spike/fail?create=1"),
          pinged(Exit.ZENDESK, url + "\nzendesk/BaseUrl = http://127.0.0.1:1\nkept = yes"));
      assertTrue(hook.bodies.get(0).contains("[zendesk] 127.0.0.1: no connection"),
          hook.bodies.get(0));
    }

    @Test
    void hears_of_a_config_that_makes_no_sense() throws IOException {
      assertEquals(List.of("POST /x/fail"),
          pinged(Exit.CONFIG, "monitor/PingUrl = HOOK/x\nmisc/NumTags = many"));
      assertTrue(hook.bodies.get(0).contains("[misc] NumTags: 'many'"), hook.bodies.get(0));
    }

    @Test
    void is_not_asked_in_a_dry_run_and_never_fails_a_run() throws IOException {
      assertEquals(List.of(), pinged(Exit.OK, "monitor/PingUrl = HOOK/x", "--dry-run"));
      config("monitor/PingUrl = http://127.0.0.1:1/secret-of-watcher");
      var outcome = run(Exit.OK);
      assertEquals("[monitor] PingUrl: 127.0.0.1: no connection\n", outcome.err());
    }

    /** A word of the program is no secret, even where somebody chose it for a password. */
    @Test
    void and_all_others_are_told_plain_words_where_a_password_is_one() throws IOException {
      mail.close();
      config("email/Password = spike\nemail/Port = 1\nkept = yes");
      var outcome = run(Exit.TRY_LATER);
      assertTrue(outcome.out().contains("verdict=spike alert=queued"), outcome.out());
    }
  }

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
          "WARN  clock: N s from Zendesk's: set this machine's clock",
          "ok    mail: localhost:" + mail.port() + ", starttls, signed in as spikes (offered: "
              + "PLAIN LOGIN), takes mail for a@acme.example, b@acme.example",
          "ok    history: " + folder.resolve("out/history.csv") + ", 2026-10-31T13 to "
              + "2026-11-10T12, at acme.zendesk.com without Query, 0 unknown of the last 240",
          "ok    lock: free",
          "ok    outbox: " + folder.resolve("out") + ", 0 notices waiting",
          "skip  webhook and watcher: are tried by --send"), lines);
      assertEquals(0, mail.received.size());
    }

    @Test
    void sends_a_sample_by_all_ways() throws IOException {
      try (var hook = new Hook()) {
        config("webhook/Url = " + hook.url() + "/hook\nmonitor/PingUrl = " + hook.url() + "/ping");
        run(Exit.OK, "doctor", "--send");
        run(Exit.OK, "doctor", "--send");
        assertEquals(List.of("POST /hook", "POST /ping/fail", "GET /ping"),
            hook.asked.subList(0, 3));
      }
      var first = mail.received.get(0);
      var second = mail.received.get(1);
      assertTrue(first.subject().startsWith("SAMPLE, no spike: Ticket Spike Alert! acme, "),
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
      var outcome = run(Exit.TRY_LATER, "doctor");
      assertTrue(outcome.out().contains("FAIL  Zendesk: [zendesk] 127.0.0.1: answers 503"),
          outcome.out());
      assertTrue(outcome.out().contains("skip  Query: since Zendesk did not answer"));
      assertTrue(outcome.out().contains("skip  clock: since Zendesk told no time"));
      assertTrue(outcome.out().contains("FAIL  mail: [email] localhost:" + mail.port()
          + ": team@acme.example is refused: 550 no such user"), outcome.out());
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
    void warns_of_a_query_that_does_nothing() throws IOException {
      config("zendesk/Query = taggs:vip\ndefault/SpikeDB = out/other.csv");
      assertTrue(run(Exit.OK, "doctor").out().contains("WARN  Query: 1720 of 1720 tickets of the "
          + "last 7 days: it changes nothing (a misspelled word?)"));
    }

    @Test
    void says_that_a_history_is_new_and_where() throws IOException {
      config("default/SpikeDB = out/other.csv");
      assertTrue(run(Exit.OK, "doctor").out().contains("ok    history: "
          + folder.resolve("out/other.csv") + ", new: the first run fills it, at acme.zendesk.com "
          + "without Query"));
    }
  }

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
