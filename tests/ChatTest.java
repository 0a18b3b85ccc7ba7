package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
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

    /** Some have posted it all the same, so tries grow rare; what is unclear is nobody's no. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "500 | 0 1 3 7", "502 | 0 1 3 7", "503 | 0 1 3 7",
        "302 | 0 1 2 3 4 5 6 7", "401 | 0 1 2 3 4 5 6 7", "403 | 0 1 2 3 4 5 6 7",
        "404 | 0 1 2 3 4 5 6 7", "408 | 0 1 2 3 4 5 6 7", "429 | 0 1 2 3 4 5 6 7",
        "400 | 0", "410 | 0", "413 | 0", "422 | 0",
    })
    void is_asked_again_after_so_many_hours_as_its_status_says(int status, String expected)
        throws IOException {
      try (var hook = new Hook()) {
        hook.status = status;
        config("webhook/Url = " + hook.url() + "\nspike/AllClear = no");
        var hours = new StringJoiner(" ");
        for (int i = 0; i < 8; i++) {
          int before = hook.asked.size();
          run();
          later(1);
          if (hook.asked.size() > before) hours.add(Integer.toString(i));
        }
        assertEquals(expected, hours.toString());
        assertEquals(1, mail.received.size());
      }
    }

    /** Nothing of it was taken, so the next run asks, and a proxy's 403 loses no notice. */
    @ParameterizedTest
    @CsvSource({"429, 4", "403, 1"})
    void that_is_well_again_has_the_notice_in_that_run(int status, int badRuns)
        throws IOException {
      try (var hook = new Hook()) {
        hook.status = status;
        config("webhook/Url = " + hook.url() + "\nspike/AllClear = no");
        for (int i = 0; i < badRuns; i++) {
          run(Exit.TRY_LATER);
          later(1);
        }
        hook.status = 200;
        run(Exit.OK);
        assertEquals(badRuns + 1, hook.asked.size());
        assertEquals(List.of(SPIKE), files("done"));
      }
    }

    /** Of all that nobody has yet none is refused for good. */
    @Test
    void alone_that_refuses_is_asked_until_it_takes_the_notice() throws IOException {
      try (var hook = new Hook()) {
        hook.status = 410;
        config("webhook/Url = " + hook.url() + "\nspike/AllClear = no\nemail/Sender = -\n"
            + "email/Recipient = -\nemail/Password = -");
        run(Exit.TRY_LATER);
        hook.status = 200;
        later(1);
        run(Exit.OK);
        assertEquals(2, hook.asked.size());
      }
    }

    @Test
    void that_nobody_serves_is_asked_in_each_run() throws IOException {
      config("webhook/Url = http://127.0.0.1:1/x\nspike/AllClear = no");
      for (int i = 0; i < 3; i++) {
        assertTrue(run(Exit.TRY_LATER).err().startsWith("webhook did not take " + SPIKE
            + ": 127.0.0.1:1: no connection\n"));
        later(1);
      }
      assertEquals("LATER", notice("outbox", SPIKE).path("answers").path("webhook")
          .path("outcome").asText());
      assertEquals(1, mail.received.size());
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
        assertTrue(err.contains("webhook did not take " + SPIKE + ": 127.0.0.1: "), err);
        assertFalse(err.contains("Exception"), err);
        assertEquals(1, mail.received.size());
      }
    }

    /** The path is the secret: whole, or what Slack and n8n have at its end. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "/hook?token=eyJhbGciOi.eyJzdWIiO.sflKxwRJS | no PATH here | no *** here",
        "/api/push/AbCdEfGhIjKlMnOp | no PATH here | no *** here",
        "/ping/abcdefghijkl | no PATH here | no *** here",
        "/services/T0/AbCdEfGhIjKlMnOpQrStUvWx | no hook at AbCdEfGhIjKlMnOpQrStUvWx | hook at ***",
        "/webhook/s3cr3tpath-91ab77c0 | no POST s3cr3tpath-91ab77c0 | no POST ***",
    })
    void that_echoes_its_address_shows_nothing_of_it(String path, String answer, String shown)
        throws IOException {
      try (var hook = new Hook()) {
        hook.status = 404;
        hook.answer = answer.replace("PATH", path);
        config("webhook/Url = " + hook.url() + path);
        var err = run(Exit.TRY_LATER).err();
        assertTrue(err.contains(shown), err);
        var last = path.substring(path.lastIndexOf('/') + 1);
        assertFalse(err.contains(last), err);
        assertFalse(Fakes.read(file("outbox", SPIKE)).contains(last));
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
        assertTrue(err.contains("webhook refuses " + SPIKE + ": 127.0.0.1: answers 400"), err);
      }
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 410, 413, 422})
    void that_refuses_is_told_once_and_blocks_nothing(int status) throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      try (var hook = new Hook()) {
        hook.status = status;
        hook.answer = "{\"error\": {\"code\": 400, \"status\": \"INVALID_ARGUMENT\", \"message\": "
            + "\"Unknown name\"}}";
        config("webhook/Url = " + hook.url() + "/secret-path/x%41y/");
        var said = run(Exit.TRY_LATER, "-v");
        assertTrue(said.err().contains("webhook refuses " + SPIKE + ": 127.0.0.1: answers "
            + status), said.err());
        assertTrue(said.err().contains("Unknown name"), said.err());
        assertFalse(said.err().contains("secret-path"), said.err());
        assertEquals(List.of("POST /secret-path/x%41y/"), hook.asked, "whole, slash and all");
        assertEquals(1, mail.received.size());
        assertEquals(List.of(SPIKE), files("done"));
        later(1);
        hook.status = 200;
        run(Exit.OK);
        assertEquals(2, hook.asked.size(), "what comes then is for it too");
      }
    }

    /** A filter's no to one text, which is asked each run, is none to the next alarm. */
    @Test
    void that_refuses_one_notice_has_the_others() throws IOException {
      Fakes.tagged(folder, NOW, 10, Map.of());
      try (var hook = new Hook()) {
        hook.statusOf = body -> body.contains("15:00") ? 200 : 403;
        config("webhook/Url = " + hook.url() + "\nspike/AllClear = no");
        desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(2)) ? 40 : 10);
        for (int i = 0; i < 3; i++) {
          run(Exit.TRY_LATER);
          later(1);
        }
        assertEquals(4, hook.bodies.size());
        assertEquals(List.of(SPIKE), files("outbox"));
      }
    }

    /** Google Chat's ends in %3D, and a server may show it as it has read it. */
    @ParameterizedTest
    @ValueSource(strings = {"Yb3kQwPzLx0aVn8sT4+GhIjK=", "Yb3kQwPzLx0aVn8sT4%2BGhIjK%3D",
        "Yb3kQwPzLx0aVn8sT4%2bGhIjK%3d"})
    void is_told_without_the_token_of_its_address(String echo) throws IOException {
      try (var hook = new Hook()) {
        hook.status = 403;
        hook.answer = "{\"error\":{\"message\":\"token " + echo + " is not valid\"}}";
        config("webhook/Url = " + hook.url()
            + "/v1/spaces/AAAA/messages?key=x&token=Yb3kQwPzLx0aVn8sT4%2BGhIjK%3D");
        var said = run(Exit.TRY_LATER).err();
        assertTrue(said.matches("(?s).*token \\*\\*\\*=? is not valid.*"), said);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "/", "?status=up", "#x"})
    void is_told_without_the_path_of_its_address(String end) throws IOException {
      try (var hook = new Hook()) {
        hook.status = 404;
        hook.answer = "Cannot POST /hooks/AbCdEf1234";
        config("webhook/Url = " + hook.url() + "/hooks/AbCdEf1234" + end);
        assertFalse(run(Exit.TRY_LATER).err().contains("AbCdEf"));
        assertFalse(Fakes.read(file("outbox", SPIKE)).contains("AbCdEf"));
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

    @Test
    void redirect_is_not_followed_nor_shown() throws IOException {
      try (var elsewhere = new RawServer(socket -> { }); var hook = new RawServer(socket -> {
        socket.getInputStream().read(new byte[100_000]);
        socket.getOutputStream().write(("HTTP/1.1 302 x\r\nLocation: " + elsewhere.url()
            + "/other-secret\r\nContent-Length: 0\r\n\r\n").getBytes(UTF_8));
      })) {
        config("webhook/Url = " + hook.url() + "/s");
        var said = run(Exit.TRY_LATER, "-q");
        assertFalse(said.err().contains("other-secret"), said.err());
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
