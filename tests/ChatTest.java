package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** Webhooks in every mood. */
class ChatTest extends Deliveries {
  @Nested
  class A_webhook {
    /** A 2xx is the yes, whatever comes of the body behind it. */
    @ParameterizedTest
    @ValueSource(strings = {"200 OK\r\nContent-Length: 99", "200 OK\r\nContent-Encoding: br",
        "204 No Content\r\nContent-Encoding: gzip", "202 Accepted\r\nContent-Length: 2"})
    void that_accepts_is_asked_once(String head) throws IOException {
      var posts = new AtomicInteger();
      try (var hook = new RawServer(socket -> {
        socket.getInputStream().read(new byte[100_000]);
        posts.incrementAndGet();
        socket.getOutputStream().write(("HTTP/1.1 " + head + "\r\n\r\nok").getBytes(UTF_8));
      })) {
        config("webhook/Url = " + hook.url() + "/x");
        run(Exit.OK);
        run(Exit.OK);
        assertEquals(1, posts.get());
      }
    }

    /** Then the notices that it has not confirmed need wait no longer. */
    @Test
    void that_is_well_again_is_asked_at_once() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(6)) ? 40 : 10);
      try (var hook = new Hook()) {
        hook.statusOf = body -> body.contains("13:00 to 14:00") ? 500 : 200;
        config("webhook/Url = " + hook.url() + "\nspike/AllClear = no");
        var hours = new ArrayList<Integer>();
        for (int i = 0; i < 7; i++) {
          int before = hook.bodies.size();
          run();
          later(1);
          for (var body : hook.bodies.subList(before, hook.bodies.size())) {
            if (body.contains("13:00 to 14:00")) hours.add(i);
          }
        }
        assertEquals(List.of(0, 1, 2, 3, 5, 6), hours);
      }
    }

    /** Its messages of an episode stand together, by a key in the address. */
    @Test
    void of_google_chat_is_asked_with_the_key_of_the_episode() throws IOException {
      try (var hook = new Hook()) {
        config("webhook/Url = " + hook.url() + "/v1/spaces/A/messages?key=K&token=T\n"
            + "webhook/Format = googlechat");
        run(Exit.OK);
        later(1);
        run(Exit.OK);
        var asked = "POST /v1/spaces/A/messages?key=K&token=T&threadKey=spike-2026-11-10T13"
            + "&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
        assertEquals(List.of(asked, asked), hook.asked);
      }
    }

    /** Java's client throws IllegalArgumentException for it, which must not silence the mail. */
    @Test
    void that_answers_nonsense_is_its_own_trouble() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var hook = new RawServer(socket -> {
        socket.getInputStream().read(new byte[100_000]);
        socket.getOutputStream().write(("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999"
            + "\r\n\r\n").getBytes(UTF_8));
      })) {
        config("webhook/Url = " + hook.url() + "\nmonitor/PingUrl = " + hook.url());
        var err = run(Exit.TRY_LATER).err();
        assertTrue(err.contains("[webhook] 127.0.0.1 did not take " + SPIKE + ": an answer that is "
            + "no HTTP"), err);
        assertEquals(1, mail.received.size());
      }
    }

    /** Slack's are 24 letters and digits, one in seventy without a digit. */
    @Test
    void that_echoes_its_address_shows_nothing_of_it() throws IOException {
      try (var hook = new Hook()) {
        hook.status = 404;
        hook.answer = "no hook at AbCdEfGhIjKlMnOpQrStUvWx, nor at services";
        config("webhook/Url = " + hook.url() + "/services/T0/AbCdEfGhIjKlMnOpQrStUvWx");
        var err = run(Exit.TRY_LATER).err();
        assertTrue(err.contains("404 no hook at ***, nor at services"), err);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/hook?token=eyJhbGciOi.eyJzdWIiO.sflKxwRJS", "/api/push/AbCdEfGhIj",
        "/ping/abcdefghijkl"})
    void that_echoes_the_request_shows_no_secret(String path) throws IOException {
      try (var hook = new Hook()) {
        hook.status = 404;
        hook.answer = "no " + path + " here";
        config("webhook/Url = " + hook.url() + path);
        var err = run(Exit.TRY_LATER).err();
        assertTrue(err.contains("answers 404 no *** here"), err);
      }
    }

    @Test
    void that_refuses_in_a_coding_of_its_own_refuses() throws IOException {
      try (var hook = new RawServer(socket -> {
        socket.getInputStream().read(new byte[100_000]);
        socket.getOutputStream().write(("HTTP/1.1 400 x\r\nContent-Encoding: br\r\n"
            + "Content-Length: 3\r\n\r\nabc").getBytes(UTF_8));
      })) {
        config("webhook/Url = " + hook.url());
        var err = run(Exit.TRY_LATER).err();
        assertTrue(err.contains("[webhook] 127.0.0.1 refuses " + SPIKE + ": answers 400"), err);
      }
    }

    @ParameterizedTest
    @CsvSource({"400", "401", "403", "410", "413", "422"})
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
        assertTrue(outcome.err().contains("Unknown name"), outcome.err());
        assertFalse(outcome.err().contains("secret-path"), outcome.err());
        assertEquals(2, outcome.err().split("answers " + status, -1).length, "said once");
        assertEquals(List.of("POST /secret-path/x%41y/"), hook.asked, "whole, slash and all");
        assertEquals(1, mail.received.size());
        assertEquals(List.of(SPIKE), files("sent"));
        later(1);
        hook.status = 200;
        run(Exit.OK);
        assertEquals(2, hook.asked.size(), "what comes then is for it too");
      }
    }

    @ParameterizedTest
    @ValueSource(ints = {302, 404, 408, 409, 425, 429, 500, 503})
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
        assertEquals(2, hook.asked.size(), "the end alone, which tells all");
        assertEquals(List.of(), files("outbox"));
      }
    }

    /** A vault that is down in this hour keeps the mail alone from being sent. */
    @Test
    void is_told_though_the_password_of_the_mail_is_not_to_be_had() throws IOException {
      try (var hook = new Hook()) {
        config("email/Password = -\nemail/PasswordCommand = cat vault 2> /dev/null\nwebhook/Url = "
            + hook.url());
        var trouble = folder.resolve("auth.ini") + ": [email] PasswordCommand: failed, exit code 1 "
            + "(expected a command that prints the secret)";
        var outcome = run(Exit.CONFIG);
        assertEquals(List.of(trouble, SPIKE + " waits in the outbox for [team@acme.example]"),
            outcome.err().lines().toList());
        assertEquals(1, hook.asked.size());
        assertEquals(0, mail.received.size());
        assertTrue(run(Exit.CONFIG, "doctor").out().contains("FAIL  mail: " + trouble));

        Files.writeString(folder.resolve("vault"), MailServer.PASSWORD + "\n");
        later(1);
        run(Exit.OK);
        assertEquals(List.of("2026-11-10T13.spike.json", "2026-11-10T14.clear.json"),
            files("sent"));
        assertEquals(2, hook.asked.size());
        assertEquals(1, mail.received.size());
      }
    }

    /** Before there is a mail to send somebody should know that it could not be. */
    @Test
    void and_a_calm_run_says_that_the_password_is_not_to_be_had() throws IOException {
      desk(hour -> 10);
      config("email/Password = -\nemail/PasswordCommand = false");
      assertEquals(1, run(Exit.CONFIG).err().lines().count());
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
        hook.answer = "{\"message\":\"The webhook \\\"POST s3cr3tpath-91ab77c0\\\" is unknown\"}";
        config("webhook/Url = " + hook.url() + "/webhook/s3cr3tpath-91ab77c0");
        var outcome = run(Exit.TRY_LATER);
        assertFalse(outcome.err().contains("s3cr3tpath"), outcome.err());
        assertFalse(Fakes.read(file("outbox", SPIKE)).contains("s3cr3tpath"));
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
}
