package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** A mail, whatever the server answers. */
class MailTest extends Deliveries {
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
        assertEquals(2, smtp.mails.size(), "one for each of the two");
      }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "MAIL FROM | oops | answers what is no SMTP: oops | yes",
        "RCPT TO | 999 x | answers what is no SMTP: 999 x | yes",
        "EHLO | nonsense | answers what is no SMTP: nonsense | no",
        "GREETING | hello | answers what is no SMTP: hello | no",
        "MAIL FROM | CLOSE | the server closed the connection | yes",
        "DATA | 12 | answers what is no SMTP: 12 | yes",
    })
    void waits_when_the_server_makes_no_sense(String command, String reply, String reason,
        String isEach) throws IOException {
      try (var smtp = smtp("QUIT", "oops", command, reply)) {
        var outcome = run(Exit.TRY_LATER);
        var said = "[email] localhost:" + smtp.port() + ": " + reason + "\n";
        if (isEach.equals("yes")) { // since it may be about one receiver
          said = "";
          for (var receiver : List.of("a", "b")) {
            said += "[email] localhost: " + receiver + "@acme.example did not take " + SPIKE + ": "
                + reason + "\n";
          }
        }
        assertEquals(said + SPIKE + " waits in the outbox for [a@acme.example, b@acme.example]\n",
            outcome.err());
        assertEquals(40, history().at(NOW), "the hour is stored");
        smtp.script("QUIT", "221 bye", "MAIL FROM", "250 ok", "RCPT TO", "250 ok", "EHLO", "250 x",
            "GREETING", "220 x", ".", "250 ok", "DATA", "354 go");
        later(1);
        run(Exit.OK);
        assertEquals(List.of(), files("outbox"));
        assertEquals(2, smtp.mails.size(), "the end, which tells all, for each of the two");
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"450 4.2.0 greylisted, come back later", "452 4.2.2 mailbox full"})
    void reaches_later_who_was_deferred_and_the_other_once(String reply) throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", reply)) {
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().startsWith("[email] localhost: b@acme.example did not take "
            + SPIKE + ": " + reply), outcome.err());
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
        run(Exit.TRY_LATER);
        assertEquals(List.of("a", "b", "a", "b"), receivers(smtp), "the end is for both");
        assertEquals(2, smtp.mails.size());
      }
    }

    @Test
    void that_nobody_takes_is_laid_aside_and_blocks_nothing() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var smtp = smtp("RCPT TO", "550 no such user")) {
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().contains("refuses " + SPIKE + ": 550 no"), outcome.err());
        assertEquals(List.of(SPIKE), files("refused"));
        smtp.script("RCPT TO", "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(2, smtp.mails.size());
        assertTrue(smtp.mails.get(0).contains("(Tue 10 Nov, 14:00 UTC)"),
            "a first notice, since nobody got the one before: " + smtp.mails.get(0));
      }
    }

    /** What is said of the text, the sender or a limit of the day may be mended. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        ".; 554 5.2.0 may not send as this sender", ".; 552 5.3.4 too big", "DATA; 554 no",
        "MAIL FROM; 552 5.3.4 too big", "MAIL FROM; 550 5.7.1 not yours",
        "RCPT TO; 550 5.4.5 Daily user sending limit exceeded",
    })
    void waits_and_arrives_once_that_is_mended(String command, String reply) throws IOException {
      try (var smtp = smtp(command, reply)) {
        assertTrue(run(Exit.TRY_LATER).err().contains("did not take " + SPIKE + ": " + reply));
        assertEquals(List.of(SPIKE), files("outbox"));
        smtp.script(command, command.equals("DATA") ? "354 go" : "250 ok");
        run(Exit.OK);
        assertEquals(2, smtp.mails.size());
        assertEquals(List.of(SPIKE), files("sent"));
      }
    }

    /** A filter that closes after the text: the mail may have arrived, so tries are spaced. */
    @Test
    void that_gets_no_yes_after_its_text_is_tried_ten_times_in_a_week() throws IOException {
      config("spike/AllClear = no");
      try (var smtp = smtp(".", "CLOSE")) {
        config("email/Recipient = a@acme.example");
        var hours = new ArrayList<Integer>();
        for (int i = 0; i < 131; i++) {
          int before = receivers(smtp).size();
          run();
          later(1);
          if (receivers(smtp).size() > before) hours.add(i);
        }
        assertEquals(List.of(0, 1, 2, 3, 5, 9, 17, 33, 65, 129), hours);
        assertEquals("no yes in 10 tries, at last: the server closed the connection",
            notice("refused", SPIKE).path("refused").path("a@acme.example").asText());
      }
    }

    /** Each reply has its own limit, however many receivers there are. */
    @Test
    void reaches_five_recipients_of_a_slow_server() throws IOException {
      timeout = Duration.ofMillis(900);
      try (var smtp = smtp("RCPT TO", "DELAY:500:250 ok")) {
        config("email/Recipient = a@acme.example, b@acme.example, c@acme.example, "
            + "d@acme.example, e@acme.example");
        run(Exit.OK);
        assertEquals(List.of("a", "b", "c", "d", "e"), receivers(smtp));
      }
    }

    @Test
    void goes_once_to_a_mailbox_that_is_named_twice() throws IOException {
      try (var smtp = smtp()) {
        config("email/Recipient = a@acme.example, Team <A@Acme.example>\n"
            + "email/Cc = a@ACME.example");
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
      }
    }

    @Test
    void bounds_a_server_that_greets_without_end() throws IOException {
      try (var endless = new RawServer(socket -> {
        var line = "220-hello\r\n".repeat(1000).getBytes(UTF_8);
        while (true) socket.getOutputStream().write(line);
      })) {
        config("email/Port = " + endless.port() + "\nemail/Security = none\nemail/Password = -\n"
            + "kept = yes");
        assertTrue(run(Exit.TRY_LATER).err().contains("an answer without end"));
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
        assertTrue(run(Exit.TRY_LATER).err().startsWith("[email] localhost: a@acme.example did not "
            + "take " + SPIKE + ": 553 5.7.1 not owned by user (check Sender)"));
        assertEquals(List.of(SPIKE), files("outbox"));
        smtp.script("MAIL FROM", "250 ok");
        run(Exit.OK);
        assertEquals(2, smtp.mails.size());
      }
    }

    @Test
    void reaches_the_others_when_the_server_hangs_up_at_one() throws IOException {
      try (var smtp = smtp("RCPT TO:<a@", "421 4.7.0 try later|CLOSE")) {
        var outcome = run(Exit.TRY_LATER);
        assertTrue(outcome.err().contains("a@acme.example did not take " + SPIKE + ": 421 4.7.0"),
            outcome.err());
        assertEquals(1, smtp.mails.size());
        assertTrue(notice("outbox", SPIKE).path("accepted").has("b@acme.example"));
      }
    }

    /** Relays want a sign-in for some receivers only. */
    @Test
    void is_noted_for_who_accepted_although_another_wants_a_sign_in() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "530 5.7.1 authentication required to relay")) {
        run(Exit.DENIED);
        run(Exit.DENIED);
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
            + " refuses the sign-in of spikes: 535 5.7.8 Username and token not accepted (check "
            + "Username, Scope, and that the client may use that mailbox, see README.md)"));
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

    /** What a relay says of us at RCPT, and what may be mended there: in the next run it is. */
    @ParameterizedTest
    @ValueSource(strings = {
        "554 5.7.1 <a@acme.example>: Relay access denied",
        "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org",
        "550 5.7.1 authentication required", "550 5.7.54 SMTP; Unable to relay",
        "550 relaying denied", "550 Blocked by policy",
    })
    void waits_where_the_server_refuses_us_and_not_the_receiver(String reply) throws IOException {
      try (var smtp = smtp("RCPT TO", reply)) {
        run(Exit.TRY_LATER);
        assertEquals(List.of(SPIKE), files("outbox"));
        smtp.script("RCPT TO", "250 ok");
        run(Exit.OK);
        assertEquals(2, smtp.mails.size());
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "550 5.1.1 <antispam@acme.example>: no such user", "550 no such user policy@acme.example",
        "550 5.4.1 Recipient address rejected: Access denied", "550 5.2.1 mailbox disabled",
    })
    void is_refused_where_the_server_has_no_such_receiver(String reply) throws IOException {
      try (var smtp = smtp("RCPT TO", reply)) {
        run(Exit.TRY_LATER);
        assertEquals(List.of(SPIKE), files("refused"));
        assertEquals(0, smtp.mails.size());
      }
    }

    /** A reply 4yz to the text is a no: nothing was taken, however often it is said. */
    @Test
    void is_tried_in_each_run_while_the_server_puts_its_text_off() throws IOException {
      try (var smtp = smtp(".", "451 4.7.1 try again later")) {
        config("spike/AllClear = no\nemail/Recipient = a@acme.example");
        for (int i = 0; i < 20; i++) {
          run(Exit.TRY_LATER);
          later(1);
        }
        smtp.script(".", "250 ok");
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
      }
    }

    /** Two hang in each episode; the third is told at once from the second one on. */
    @Test
    void reaches_who_answers_before_who_was_silent_in_an_episode_before() throws IOException {
      desk(hour -> hour.isBefore(NOW) || hour.since(NOW) % 6 != 0 ? 10 : 60);
      timeout = Duration.ofMillis(500);
      try (var smtp = smtp("RCPT TO:<a@", "HANG", "RCPT TO:<b@", "HANG")) {
        config("spike/AllClear = no\n"
            + "email/Recipient = a@acme.example, b@acme.example, c@acme.example");
        for (int i = 0; i < 6; i++) {
          run();
          later(1);
        }
        assertEquals(1, smtp.mails.size());
        run();
        assertEquals(2, smtp.mails.size());
      }
    }

    @Test
    void says_what_to_check_where_nobody_listens_or_nobody_encrypts() throws IOException {
      try (var smtp = smtp()) {
        config("email/Security = starttls");
        var line = run(Exit.TRY_LATER).err().lines().findFirst().orElseThrow();
        assertTrue(line.startsWith("[email] localhost:" + smtp.port() + ": STARTTLS is required"),
            line);
        assertTrue(line.endsWith(" (check Host, Port and Security; none is for this machine only)"),
            line);
      }
      config("email/Port = 1");
      later(1);
      var line = run(Exit.TRY_LATER).err().lines().findFirst().orElseThrow();
      assertTrue(line.endsWith("localhost:1: no connection (check Host and Port)"), line);
    }

    @Test
    void says_nothing_of_ports_where_there_is_no_such_host() throws IOException {
      config("email/Security = tls\nemail/Host = no-such-host.invalid\nkept = yes");
      var line = run(Exit.TRY_LATER).err().lines().findFirst().orElseThrow();
      assertTrue(line.endsWith(": no such host"), line);
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
          + "authority of your own set SSL_CERT_FILE)"), outcome.err());
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
      assertEquals(1, files("outbox").size(), "the newest of the episode");
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

    /** What a server does at one receiver, at once or by silence, is nobody else's. */
    @ParameterizedTest
    @ValueSource(strings = {"CLOSE", "RESET", "HANG", "oops", "530 5.7.1 authentication required"})
    void reaches_the_others_whatever_comes_of_one(String reply) throws IOException {
      timeout = Duration.ofMillis(500);
      try (var smtp = smtp("RCPT TO:<a@", reply)) {
        run();
        assertEquals(1, smtp.mails.size());
        assertTrue(notice("outbox", SPIKE).path("accepted").has("b@acme.example"));
      }
    }

    @Test
    void waits_where_the_client_of_its_token_is_refused() throws IOException {
      try (var hook = new Hook()) {
        hook.status = 401;
        hook.answer = "{\"error\":\"invalid_client\"}";
        config("email/Password = -\nemail/ClientId = x\nemail/ClientSecret = " + Desk.SECRET
            + "\nemail/TokenUrl = " + hook.url() + "/token");
        assertTrue(run(Exit.DENIED).err().startsWith("[email] TokenUrl 127.0.0.1 answers 401 "
            + "invalid_client (check ClientId, ClientSecret, and that the client may have the "
            + "scope '')\n"));
        assertEquals(List.of(SPIKE), files("outbox"));
      }
    }

    @Test
    void waits_where_there_are_no_tokens() throws IOException {
      try (var hook = new Hook()) {
        hook.status = 404;
        config("email/Password = -\nemail/ClientId = x\nemail/ClientSecret = " + Desk.SECRET
            + "\nemail/TokenUrl = " + hook.url() + "/token");
        assertTrue(run(Exit.TRY_LATER).err().startsWith("[email] TokenUrl 127.0.0.1 answers 404 ok "
            + "(no tokens are at that address)\n"));
      }
    }

    /** Hour after hour a new notice, and two receivers whose texts are cut. */
    @Test
    void reaches_the_third_where_the_texts_of_two_are_cut() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var smtp = smtp("RCPT TO:<a@", "CLOSE", "RCPT TO:<b@", "CLOSE")) {
        config("email/Recipient = a@acme.example, b@acme.example, c@acme.example");
        for (int i = 0; i < 3; i++) {
          run(Exit.TRY_LATER);
          later(1);
        }
        assertEquals(3, smtp.mails.size());
      }
    }

    /** Two that go silent end the mail of a run, which takes long: so each begins with another. */
    @ParameterizedTest
    @ValueSource(strings = {"growth", "every"})
    void reaches_the_third_where_two_go_silent(String repeat) throws IOException {
      timeout = Duration.ofMillis(300);
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var smtp = smtp("RCPT TO:<a@", "HANG", "RCPT TO:<b@", "HANG")) {
        config("email/Recipient = a@acme.example, b@acme.example, c@acme.example\n"
            + "spike/Repeat = " + repeat);
        for (int i = 0; i < 3; i++) {
          run(Exit.TRY_LATER);
          later(1);
        }
        assertFalse(smtp.mails.isEmpty(), smtp.said.toString());
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"421 4.7.0 too many messages in this connection\r\n", ""})
    void goes_on_at_once_where_the_server_takes_one_mail_a_connection(String last)
        throws IOException {
      var got = new CopyOnWriteArrayList<String>();
      try (var server = new RawServer(socket -> oneMail(socket, got, last))) {
        config("email/Port = " + server.port() + "\nemail/Security = none\nemail/Password = -\n"
            + "email/Recipient = a@acme.example, b@acme.example, c@acme.example\nkept = yes");
        run(Exit.OK);
        assertEquals(3, got.size());
      }
    }

    private static void oneMail(Socket socket, List<String> got, String last)
        throws IOException {
      var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
      var out = socket.getOutputStream();
      out.write("220 x\r\n".getBytes(UTF_8));
      boolean isUsed = false;
      for (var line = in.readLine(); line != null; line = in.readLine()) {
        if (line.startsWith("MAIL") && isUsed) {
          out.write(last.getBytes(UTF_8));
          return;
        }
        if (line.equals("DATA")) {
          out.write("354 go\r\n".getBytes(UTF_8));
          while (!in.readLine().equals(".")) continue;
          got.add("mail");
          isUsed = true;
        }
        out.write("250 ok\r\n".getBytes(UTF_8));
      }
    }

    /** Postfix says at RCPT what it has against the sender, who may be mended. */
    @ParameterizedTest
    @ValueSource(strings = {"553 5.7.1 <x@y.z>: Sender address rejected: not owned by user spikes",
        "550 5.1.8 <x@y.z>: Domain not found"})
    void waits_where_the_sender_is_refused_at_the_receiver(String reply) throws IOException {
      try (var smtp = smtp("RCPT TO", reply)) {
        assertTrue(run(Exit.TRY_LATER).err().contains("(check Sender)"));
        smtp.script("RCPT TO", "250 ok");
        run(Exit.OK);
        assertEquals(2, smtp.mails.size());
      }
    }

    /** Its buffers fill, and then a write would wait for ever. */
    @Test
    void ends_where_the_server_reads_no_more() throws IOException {
      try (var server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
          var socket = new BoundedSocket(Duration.ofMillis(300))) {
        socket.connect(server.getLocalSocketAddress());
        var out = socket.getOutputStream();
        assertThrows(SocketTimeoutException.class, () -> out.write(new byte[64 << 20]));
        assertTrue(socket.isClosed());
      }
    }

    @Test
    void shows_no_token_that_the_server_echoes() throws IOException {
      var said = "user=spikes\u0001auth=Bearer made-up-token\u0001\u0001".getBytes(UTF_8);
      var echo = Base64.getEncoder().encodeToString(said);
      try (var smtp = smtp("EHLO", "250-x|250 AUTH XOAUTH2", "AUTH", "535 5.7.8 no: " + echo)) {
        config("email/ClientId = x\nemail/ClientSecret = " + Desk.SECRET + "\nemail/TokenUrl = "
            + desk.url() + "/oauth/tokens");
        var err = run(Exit.DENIED).err();
        assertTrue(err.contains("535 5.7.8 no: ***"), err);
        assertEquals(List.of(), smtp.mails);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"spikes\0spikes\0a pass+wd 987",
        "a pass+wd 987"})
    void shows_no_password_that_the_server_echoes(String said) throws IOException {
      var padded = Base64.getEncoder().encodeToString(said.getBytes(UTF_8));
      try (var smtp = smtp("EHLO", "250-x|250 AUTH PLAIN", "AUTH", "535 5.7.8 no: " + padded + " "
          + padded.replace("=", "") + " a%20pass%2Bwd%20987 a+pass%2Bwd+987")) {
        config("email/Password = a pass+wd 987");
        var err = run(Exit.DENIED).err();
        assertTrue(err.replace("=", "").contains("535 5.7.8 no: *** *** *** *** ("), err);
        assertEquals(List.of(), smtp.mails);
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
}
