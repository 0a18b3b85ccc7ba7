package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.subethamail.smtp.RejectException;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** A mail, whatever the server answers. */
class MailTest extends Deliveries {
  private void byToken(String url) throws IOException {
    config("email/Password = -\nemail/ClientId = x\nemail/ClientSecret = " + Desk.SECRET
        + "\nemail/TokenUrl = " + url);
  }

  @Nested
  class Reaches {
    /** A filter's no to one text, which is asked each run, is none to the next alarm. */
    @Test
    void its_receivers_though_an_older_notice_is_refused_each_time() throws IOException {
      Fakes.tagged(folder, NOW, 10, Map.of());
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(2)) ? 40 : 10);
      try (var smtp = smtp()) {
        config("spike/AllClear = no\nemail/Recipient = a@acme.example");
        smtp.refused = "<2026-11-10T13-spike";
        for (int i = 0; i < 3; i++) {
          run();
          later(1);
        }
        assertEquals(1, smtp.mails.size());
        assertEquals(List.of(SPIKE), files("outbox"));
      }
    }

    /** What is said at RCPT of the mailbox is a no; of us, the sender, or a limit it is none. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "NO; 550 5.1.1 <antispam@acme.example>: no such user",
        "NO; 550 no such user policy@acme.example",
        "NO; 550-5.1.1 The email account that you tried|550 5.1.1 to reach does not exist",
        "NO; 550 5.1.10 RESOLVER.ADR.RecipientNotFound",
        "NO; 550 5.2.1 mailbox disabled",
        "NO; 550 User unknown in virtual mailbox table",
        "NO; 553 mailbox unavailable",
        "LATER; 554 5.7.1 <a@acme.example>: Relay access denied",
        "LATER; 554 5.7.1 Client host [192.0.2.7] blocked using zen.spamhaus.org",
        "LATER; 550 5.7.1 authentication required",
        "LATER; 550 5.7.54 SMTP. Unable to relay",
        "LATER; 550 Blocked by policy",
        "LATER; 553 5.7.1 <x@y.z>: Sender address rejected: not owned by user spikes",
        "LATER; 550 5.1.8 <x@y.z>: Domain not found",
        "LATER; 550 5.1.7 <x@y.z>: sender unknown",
        "LATER; 550 5.4.5 Daily user sending limit exceeded",
        "LATER; 530 5.7.1 authentication required to relay",
        "LATER; 450 4.1.1 no such user yet",
        "LATER; 452 4.2.2 mailbox full",
    })
    void nobody_for_ever_unless_the_mailbox_is_at_fault(Outcome outcome, String reply)
        throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", reply)) {
        var said = run(Exit.TRY_LATER);
        assertEquals(1, smtp.mails.size());
        var answer = notice(outcome == Outcome.NO ? "done" : "outbox", SPIKE).path("answers")
            .path("b@acme.example");
        assertEquals(outcome.name(), answer.path("outcome").asText());
        boolean isNo = outcome == Outcome.NO;
        assertTrue(said.err().startsWith("b@acme.example " + (isNo ? "refuses " : "did not take ")
            + SPIKE + ": " + reply.replaceFirst("[|].*", "")), said.err());
      }
    }

    /** A mistyped address silences nobody: until somebody has the notice a no is not final. */
    @ParameterizedTest
    @ValueSource(strings = {"the server", "auth.ini"})
    void the_only_receiver_once_its_address_is_mended_by(String what) throws IOException {
      try (var smtp = smtp("RCPT TO:<a@", "550 5.1.1 no such user")) {
        config("email/Recipient = a@acme.example\nspike/AllClear = no");
        assertTrue(run(Exit.TRY_LATER).err().contains("a@acme.example refuses " + SPIKE));
        if (what.equals("the server")) smtp.script("RCPT TO:<a@", "250 ok");
        else config("email/Recipient = b@acme.example");
        later(1);
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
        assertTrue(smtp.mails.get(0).contains("This notice comes late, on Tue 10 Nov 15:07 UTC."),
            smtp.mails.get(0));
      }
    }

    /** Its no is final for this notice; the next one is for it, too. */
    @Test
    void who_refused_one_notice_with_the_next() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "550 5.1.1 no such user")) {
        run(Exit.TRY_LATER);
        assertEquals(List.of(SPIKE), files("done"));
        smtp.said.clear();
        later(1);
        run(Exit.TRY_LATER);
        assertEquals(List.of("b", "a"), receivers(smtp), "who never heard of it first");
      }
    }

    /** The mail may have arrived, so tries are spaced, and a week ends them. */
    @Test
    void who_never_confirms_eight_times_in_a_week() throws IOException {
      try (var smtp = smtp(".", "CLOSE")) {
        config("email/Recipient = a@acme.example\nspike/AllClear = no");
        var hours = new ArrayList<Integer>();
        for (int i = 0; i <= 170; i++) {
          int before = receivers(smtp).size();
          run();
          later(1);
          if (receivers(smtp).size() > before) hours.add(i);
        }
        assertEquals(List.of(0, 1, 3, 7, 15, 31, 63, 127), hours);
        assertEquals(List.of(SPIKE), files("done"));
      }
    }

    /** Whoever is put off gets the newest notice of the episode, which tells all, and no more. */
    @Test
    void who_was_put_off_with_the_newest_notice_alone() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        run(Exit.TRY_LATER);
        later(1);
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        smtp.said.clear();
        later(1);
        run(Exit.OK);
        assertEquals(List.of("b"), receivers(smtp));
        var last = smtp.mails.get(smtp.mails.size() - 1);
        assertTrue(last.contains("Subject: Ticket Spike Alert! Over: 40 tickets instead of 10"),
            "its own subject, since b got none before: " + last);
      }
    }

    @Test
    void once_a_mailbox_that_is_named_twice_or_spelled_otherwise_later() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        config("email/Recipient = a@acme.example, Team <A@Acme.example>, b@acme.example\n"
            + "email/Cc = a@ACME.example");
        run(Exit.TRY_LATER);
        assertEquals(List.of("a", "b", "b"), receivers(smtp), "b may find room after a");
        config("email/Recipient = A@acme.example, b@acme.example\nemail/Cc = -");
        run(Exit.TRY_LATER);
        assertEquals(List.of("a", "b", "b", "b"), receivers(smtp));
      }
    }

    /** Two hang in each episode; the third is told at once from the second one on. */
    @Test
    void who_answers_before_who_was_silent_in_an_episode_before() throws IOException {
      desk(hour -> hour.isBefore(NOW) || hour.since(NOW) % 6 != 0 ? 10 : 60);
      timeout = Duration.ofMillis(500);
      try (var smtp = smtp("RCPT TO:<a@", "HANG", "RCPT TO:<b@", "HANG")) {
        config("spike/AllClear = no");
        receivers(3);
        for (int i = 0; i < 2; i++) {
          run();
          later(1);
        }
        assertEquals(1, smtp.mails.size(), "three silences end a run, and the next goes on");
        later(4);
        run();
        assertEquals(2, smtp.mails.size());
      }
    }

    /** Hour after hour a new notice, and two receivers that break each transaction. */
    @ParameterizedTest
    @ValueSource(strings = {"CLOSE", "HANG"})
    void the_third_where_two_break_off_in_each_hour(String reply) throws IOException {
      timeout = Duration.ofMillis(500);
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var smtp = smtp("RCPT TO:<a@", reply, "RCPT TO:<b@", reply)) {
        receivers(3);
        for (int i = 0; i < 3; i++) {
          run(Exit.TRY_LATER);
          later(1);
        }
        assertTrue(smtp.mails.size() >= 2, smtp.said.toString());
      }
    }

    /** Each reply has its own limit; a transaction of several has more than that. */
    @Test
    void five_receivers_of_a_slow_server() throws IOException {
      timeout = Duration.ofSeconds(3);
      try (var smtp = smtp("RCPT TO", "DELAY:400:250 ok")) {
        receivers(5);
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
        assertEquals(List.of("a", "b", "c", "d", "e"), receivers(smtp));
      }
    }

    /** Servers limit mails, so ten share one. */
    @ParameterizedTest
    @ValueSource(ints = {421, 450})
    void twelve_where_the_server_takes_five_mails_an_hour(int code) throws IOException {
      var taken = new AtomicInteger();
      mail.mood = (stage, what) -> {
        boolean isTooMany = stage.equals("data") && taken.incrementAndGet() > 5;
        if (isTooMany) throw new RejectException(code, "4.7.0 too many mails");
      };
      desk(hour -> hour.isBefore(NOW) ? 10 : hour.equals(NOW) ? 40 : 70);
      receivers(12);
      for (int i = 0; i < 2; i++) {
        taken.set(0);
        run(Exit.OK);
        later(1);
        assertEquals(12 * (i + 1), mail.received.size());
      }
    }

    /** RFC 5321 lets a server take a hundred, and some take fewer: the others come next. */
    @Test
    void twelve_where_the_server_takes_three_in_a_mail() throws IOException {
      var taken = new AtomicInteger();
      mail.mood = (stage, what) -> {
        if (stage.equals("data")) taken.set(0);
        else if (taken.incrementAndGet() > 3) {
          taken.set(0);
          throw new RejectException(452, "4.5.3 too many recipients");
        }
      };
      receivers(12);
      run();
      var told = new HashSet<String>();
      for (var each : mail.received) told.add(each.recipient());
      assertEquals(12, told.size(), told.toString());
      assertEquals(12, mail.received.size());
    }

    /** As where a relay has two machines. The names are the JVM's own, hence another one. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void the_second_address_of_a_host_whose_first_refuses(boolean isByWords) throws Exception {
      var last = Hour.lastFull(Instant.now());
      desk(hour -> hour.equals(last) ? 40 : 10);
      desk.date = Instant::now;
      Fakes.known(folder, last.plus(-240), last, 10);
      var hosts = folder.resolve("hosts");
      Files.writeString(hosts, "127.0.0.1 localhost\n127.0.0.2 localhost\n");
      try (var second = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.2"));
          var first = new ServerSocket(isByWords ? second.getLocalPort() : 0, 50,
              InetAddress.getByName("127.0.0.1"))) {
        var got = new CountDownLatch(1);
        Desk.inBackground(() -> greet(first));
        Desk.inBackground(() -> take(second, got));
        config("email/Port = " + second.getLocalPort() + "\nemail/Security = none\n"
            + "email/Password = -\nkept = yes");
        var child = Fakes.child(folder, "-Djdk.net.hosts.file=" + hosts);
        assertEquals(0, child.waitFor(), Fakes.read(folder.resolve("child")));
        assertEquals(0, got.getCount());
      }
    }

    private static void greet(ServerSocket server) throws IOException {
      try (var socket = server.accept()) {
        socket.getOutputStream().write("421 busy\r\n".getBytes(UTF_8));
      }
    }

    private static void take(ServerSocket server, CountDownLatch got) throws IOException {
      try (var socket = server.accept()) {
        var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
        var out = socket.getOutputStream();
        out.write("220 x\r\n".getBytes(UTF_8));
        for (var line = in.readLine(); line != null; line = in.readLine()) {
          if (line.equals("DATA")) {
            out.write("354 go\r\n".getBytes(UTF_8));
            while (!in.readLine().equals(".")) continue;
            got.countDown();
          }
          out.write("250 ok\r\n".getBytes(UTF_8));
        }
      }
    }

    /** Kubernetes and {@code pass show} give a secret with the end of its line. */
    @Test
    void by_a_password_of_the_environment_with_an_end_of_line() throws IOException {
      config("email/Password = -");
      env.put("SPIKE_EMAIL_PASSWORD", MailServer.PASSWORD + "\n");
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    @Test
    void by_tls_from_the_start_and_by_oauth() throws IOException {
      mail.close();
      mail = new MailServer(Certificates.context("good"), MailServer.byPassword(), true);
      config("email/Security = tls");
      run(Exit.OK);
      assertEquals(1, mail.received.size());

      mail.close();
      mail = new MailServer(Certificates.context("good"), MailServer.byToken("made-up-token"));
      config("email/Security = starttls");
      byToken(desk.url() + "/oauth/tokens");
      later(1);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    /** Names that relays refuse, such as shop_notifier_1, are none that it says. */
    @Test
    void a_server_that_is_strict_on_ehlo() throws IOException {
      try (var smtp = smtp("EHLO", "501 Syntax: EHLO hostname", "HELO", "501 Syntax: HELO hostname",
          "EHLO [", "250 x", "EHLO spikebox.acme.example", "250 x")) {
        run();
        var name = smtp.said.get(0);
        assertTrue(name.matches("EHLO (\\[(IPv6:[0-9a-f:]+|[0-9.]+)]"
            + "|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+)"), name);
        smtp.said.clear();
        config("email/EhloName = spikebox.acme.example");
        later(1);
        run(Exit.OK);
        assertEquals("EHLO spikebox.acme.example", smtp.said.get(0));
      }
    }
  }

  @Nested
  class Says {
    private String firstLine(Exit exit) {
      return run(exit).err().lines().findFirst().orElseThrow();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "AUTH | CLOSE | 75 | takes no sign-in now: ",
        "AUTH | oops | 75 | takes no sign-in now: ",
        "AUTH | 454 4.7.0 Temporary failure | 75 | takes no sign-in now: 454 4.7.0 Temporary",
        "AUTH | 421 busy | 75 | takes no sign-in now: 421 busy",
        "AUTH | 534 5.7.9 application password required | 77 | refuses the sign-in of spikes: 534",
        "EHLO | 250-x:250 AUTH CRAM-MD5 | 77 | refuses the sign-in of spikes: No authentication me",
    })
    void whether_a_sign_in_is_refused_or_broken(String command, String reply, int code,
        String words) throws IOException {
      try (var smtp = signIn(command, reply.replace(":", "|"))) {
        var said = run();
        assertEquals(code, said.code(), said.err());
        assertTrue(said.err().startsWith("[email] localhost:" + smtp.port() + " " + words),
            said.err());
        assertEquals(code == 77, said.err().contains("Gmail wants an app password"), said.err());
      }
    }

    @Test
    void that_the_password_is_wrong_and_sends_once_it_is_right() throws IOException {
      config("email/Password = another-password");
      assertTrue(firstLine(Exit.DENIED).startsWith("[email] localhost:" + mail.port()
          + " refuses the sign-in of spikes: 535 "));
      config("email/Password = " + MailServer.PASSWORD);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    /** Google answers a bad token in two steps, of which the library tells the first. */
    @Test
    void that_a_token_is_refused() throws IOException {
      try (var smtp = smtp("EHLO", "250-x|250 AUTH XOAUTH2", "AUTH", "334 eyJzdGF0dXMiOiI0MDAifQ==",
          "", "535 5.7.8 Username and token not accepted")) {
        byToken(desk.url() + "/oauth/tokens");
        assertEquals("[email] localhost:" + smtp.port() + " refuses the sign-in of spikes: 334 "
            + "eyJzdGF0dXMiOiI0MDAifQ== (Gmail wants an app password, Microsoft 365 TokenUrl and a "
            + "client that may use the mailbox, see README.md)",
            firstLine(Exit.DENIED));
      }
    }

    @Test
    void that_the_sender_may_be_at_fault() throws IOException {
      try (var smtp = smtp("MAIL FROM", "553 5.7.1 not owned by user")) {
        assertEquals("a@acme.example did not take " + SPIKE + ": 553 5.7.1 not owned by user "
            + "(check Sender)", firstLine(Exit.TRY_LATER));
        smtp.script("MAIL FROM", "250 ok");
        run(Exit.OK);
        assertEquals(1, smtp.mails.size());
      }
    }

    /** One hint for all that keeps a connection from coming about. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "GREETING | 421 busy | none | Got bad greeting from SMTP host",
        "GREETING | HANG | none | no whole answer in time",
        "NOOP | 250 ok | starttls | STARTTLS is required",
        "no such host | x | none | no such host",
        "nobody | x | none | no connection",
    })
    void why_there_is_no_connection(String command, String reply, String security, String words)
        throws IOException {
      timeout = Duration.ofMillis(500);
      try (var smtp = smtp(command, reply)) {
        config("email/Security = " + security);
        if (command.equals("no such host")) {
          config("email/Security = tls\nemail/Host = no-such-host.invalid");
        }
        if (command.equals("nobody")) config("email/Port = 1");
        var line = firstLine(Exit.TRY_LATER);
        assertTrue(line.contains(": " + words), line);
        assertTrue(line.endsWith(" (check Host, Port and Security: 465 wants tls, 587 and 25 "
            + "starttls; SSL_CERT_FILE adds authorities)"), line);
        assertFalse(smtp.said.stream().anyMatch(each -> each.startsWith("MAIL")), "in the clear");
        assertEquals(40, history().at(NOW), "the hour is stored");
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"expired", "other", "untrusted"})
    void that_it_refuses_a_certificate_that_is(String alias) throws IOException {
      mail.close();
      for (boolean isFromTheStart : List.of(false, true)) {
        mail = new MailServer(Certificates.context(alias), MailServer.byPassword(), isFromTheStart);
        config("email/Security = " + (isFromTheStart ? "tls" : "starttls"));
        var line = firstLine(Exit.TRY_LATER);
        assertTrue(line.contains("SSL_CERT_FILE adds authorities"), line);
        assertFalse(line.contains("java"), line);
        assertEquals(0, mail.received.size());
        if (!isFromTheStart) mail.close();
      }
    }

    @Test
    void once_a_run_that_the_token_cannot_be_had() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      byToken("http://127.0.0.1:1/token");
      run(Exit.TRY_LATER);
      later(1);
      var said = run(Exit.TRY_LATER);
      assertEquals(1, said.err().split("no connection", -1).length - 1, said.err());
      assertEquals(List.of("2026-11-10T14.spike.json"), files("outbox"), "the newest alone");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "401 | {\"error\":\"invalid_client\"} | 77 | answers 401 invalid_client (check ClientId, "
            + "ClientSecret, and that the client may have the scope '')",
        "404 | ok | 75 | answers 404 ok (no tokens are at that address)",
    })
    void what_the_server_of_tokens_answers(int status, String answer, int code, String words)
        throws IOException {
      try (var hook = new Hook()) {
        hook.status = status;
        hook.answer = answer;
        byToken(hook.url() + "/token");
        var said = run();
        assertEquals(code, said.code(), said.err());
        assertTrue(said.err().startsWith("[email] TokenUrl 127.0.0.1 " + words + "\n"), said.err());
        assertEquals(List.of(SPIKE), files("outbox"));
      }
    }

    /** What is left behind would read on and fill the memory. */
    @Test
    void no_word_more_to_a_server_that_greets_without_end() throws Exception {
      timeout = Duration.ofMillis(500);
      var isOver = new CountDownLatch(1);
      try (var endless = new RawServer(socket -> {
        var line = "220-hello\r\n".repeat(10).getBytes(UTF_8);
        try {
          while (true) {
            socket.getOutputStream().write(line);
            Thread.sleep(1);
          }
        } finally {
          isOver.countDown();
        }
      })) {
        config("email/Port = " + endless.port() + "\nemail/Security = none\nemail/Password = -\n"
            + "kept = yes");
        run(Exit.TRY_LATER);
        assertTrue(isOver.await(10, TimeUnit.SECONDS), "the connection is closed");
      }
    }

    @Test
    void no_token_that_the_server_echoes() throws IOException {
      var said = "user=spikes\u0001auth=Bearer made-up-token\u0001\u0001".getBytes(UTF_8);
      var echo = Base64.getEncoder().encodeToString(said);
      try (var smtp = smtp("EHLO", "250-x|250 AUTH XOAUTH2", "AUTH", "535 5.7.8 no: " + echo)) {
        byToken(desk.url() + "/oauth/tokens");
        var line = firstLine(Exit.DENIED);
        assertTrue(line.contains("535 5.7.8 no: ***"), line);
        assertEquals(List.of(), smtp.mails);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\0spikes\0a pass+wd 987", "a pass+wd 987"})
    void no_password_that_the_server_echoes(String said) throws IOException {
      var padded = Base64.getEncoder().encodeToString(said.getBytes(UTF_8));
      try (var smtp = signIn("AUTH", "535 5.7.8 no: " + padded + " "
          + padded.replace("=", "") + " a%20pass%2Bwd%20987 a+pass%2Bwd+987")) {
        config("email/Password = a pass+wd 987");
        var line = firstLine(Exit.DENIED);
        assertTrue(line.replace("=", "").contains("535 5.7.8 no: *** *** *** *** ("), line);
        assertEquals(List.of(), smtp.mails);
      }
    }
  }

  @Nested
  class Has {
    /** Clients thread by References and, as Gmail does, by the subject. */
    @Test
    void headers_by_which_clients_thread_and_filter_an_episode() throws IOException {
      long[] counts = {40, 70, 200, 10};
      desk(hour -> hour.isBefore(NOW) || hour.since(NOW) > 3 ? 10 : counts[(int) hour.since(NOW)]);
      config("email/Recipient = a@acme.example\nemail/Cc = b@acme.example\n"
          + "email/Sender = Spikes <spikes@acme.example>");
      mail.mood = (stage, what) -> { // b is put off in the first hour
        boolean isFirst = clock.isBefore(NOW.plus(2).from()) && what.startsWith("b@");
        if (isFirst) throw new RejectException(450, "4.2.0 later");
      };
      for (int i = 0; i < 4; i++) {
        run();
        later(1);
      }
      var first = mail.received.get(0);
      assertEquals("Spikes <spikes@acme.example>", first.header("From"));
      assertEquals("a@acme.example", first.header("To"));
      assertEquals("b@acme.example", first.header("Cc"));
      assertEquals("auto-generated", first.header("Auto-Submitted"));
      assertEquals("All", first.header("X-Auto-Response-Suppress"));
      assertEquals("<spike-notifier.acme.zendesk.com>", first.header("List-Id"));

      var heads = new ArrayList<String>();
      for (var each : mail.received) {
        heads.add((each.recipient() + " " + each.header("Message-ID") + " "
            + each.header("References") + " " + each.header("In-Reply-To") + " " + each.subject())
            .replace("@spike-notifier.acme.zendesk.com", "").replace("@acme.example", "")
            .replace("Ticket Spike Alert! ", "").replaceAll("\\s+", " "));
      }
      var root = "<2026-11-10T13-spike-episode>";
      var forty = "40 tickets instead of 10 at acme (Tue 10 Nov 13:00 UTC)";
      var seventy = "70 tickets instead of 10 at acme (Tue 10 Nov 14:00 UTC)";
      var a13 = " <2026-11-10T13-spike> <2026-11-10T13-spike> Re: ";
      var b14 = " <2026-11-10T14-spike> <2026-11-10T14-spike> Re: ";
      assertEquals(List.of(
          "a <2026-11-10T13-spike> " + root + " null " + forty,
          "b <2026-11-10T14-spike> " + root + " null " + seventy,
          "a <2026-11-10T14-spike> " + root + a13 + forty,
          "a <2026-11-10T15-spike> " + root + a13 + forty,
          "b <2026-11-10T15-spike> " + root + b14 + seventy,
          "a <2026-11-10T16-clear> " + root + a13 + forty,
          "b <2026-11-10T16-clear> " + root + b14 + seventy), heads);
    }

    /** Late is what it is when it is sent, not when it is written. */
    @Test
    void a_word_on_its_being_late_from_the_second_hour_on() throws IOException {
      config("email/Port = 1\nkept = yes\nspike/AllClear = no");
      run(Exit.TRY_LATER);
      var stored = Fakes.read(file("outbox", SPIKE));
      assertFalse(stored.contains("comes late"), stored);
      config("email/Port = " + mail.port());
      later(2);
      run(Exit.OK);
      assertTrue(mail.received.get(0).text().contains("\nThis notice comes late, on Tue 10 Nov "
          + "16:07 UTC.\n"), mail.received.get(0).text());
      assertFalse(Fakes.read(file("done", SPIKE)).contains("comes late"));
    }

    /** Of an end that never was begun for anybody the beginning would be missed. */
    @Test
    void the_whole_episode_in_its_end_after_a_night_without_mail() throws IOException {
      desk(hour -> hour.isBefore(NOW) || hour.since(NOW) > 2 ? 10 : 40);
      config("email/Port = 1\nkept = yes");
      for (int i = 0; i < 12; i++) {
        run(Exit.TRY_LATER);
        later(1);
      }
      config("email/Port = " + mail.port());
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      assertFalse(mail.received.get(0).subject().startsWith("Re: "));
      var text = mail.received.get(0).text();
      assertTrue(text.startsWith("""
          Over after 3 hours: the spike at acme, Tue 10 Nov 13:00 to 16:00 UTC.
          This notice comes late, on Wed 11 Nov 02:07 UTC.
          Peak: 40 tickets, Tue 10 Nov 13:00; usual: 10. In all 90 more than usual.
          """), text);
    }

    /** What waits goes oldest first, so that no end follows the next alarm. */
    @Test
    void its_turn_after_what_is_older() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(3)) ? 40 : 10);
      config("email/Port = 1\nkept = yes");
      for (int i = 0; i < 4; i++) {
        run(Exit.TRY_LATER);
        if (i < 3) later(1);
      }
      config("email/Port = " + mail.port());
      run(Exit.OK);
      assertEquals(List.of("Over after 1 hour", "40 tickets at acme"),
          mail.received.stream().map(each -> each.text().split("[:,]")[0]).toList());
    }

    /** The file of a notice whose mails went out is kept for explain. */
    @Test
    void its_answers_kept() throws IOException {
      run(Exit.OK);
      assertFalse(Files.exists(file("outbox", SPIKE)));
      assertEquals("YES", notice("done", SPIKE).path("answers").path("team@acme.example")
          .path("outcome").asText());
    }
  }
}
