package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.where;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import spikenotifier.SpikeNotifier.*;

/** The watcher hears how each run ended. */
class WatcherTest extends Deliveries {
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
      var url = "monitor/PingUrl = HOOK/ping/key/spike?create=1";
      assertEquals(List.of("GET /ping/key/spike?create=1"), pinged(Exit.OK, url));
      assertEquals(List.of("POST /ping/key/spike/fail?create=1"),
          pinged(Exit.ZENDESK, url + "\nzendesk/BaseUrl = http://127.0.0.1:1\nkept = yes"));
      assertTrue(hook.bodies.get(0).contains("[zendesk] 127.0.0.1:1: no connection"),
          hook.bodies.get(0));
    }

    @Test
    void hears_of_a_config_that_makes_no_sense() throws IOException {
      assertEquals(List.of("POST /ping/x/fail"),
          pinged(Exit.CONFIG, "monitor/PingUrl = HOOK/ping/x\nmisc/NumTags = many"));
      assertTrue(hook.bodies.get(0).contains("[misc] NumTags: 'many'"), hook.bodies.get(0));
    }

    /** Nobody else could say so in the hour: what is wrong keeps the ping from nobody. */
    @Test
    void hears_of_authorities_that_cannot_be_read() throws IOException {
      env.put("SSL_CERT_FILE", "/no/such.pem");
      assertEquals(List.of("POST /ping/x/fail"),
          pinged(Exit.CONFIG, "monitor/PingUrl = HOOK/ping/x"));
      assertTrue(hook.bodies.get(0).contains("SSL_CERT_FILE /no/such.pem"), hook.bodies.get(0));
    }

    @Test
    void hears_of_a_secret_that_is_not_to_be_had() throws IOException {
      assertEquals(List.of("POST /ping/x/fail"),
          pinged(Exit.CONFIG, "monitor/PingUrl = HOOK/ping/x\nzendesk/ClientId = -\n"
              + "zendesk/ClientSecret = -\nzendesk/CredentialsCommand = false"));
      assertEquals(1, hook.bodies.get(0).lines().count(), hook.bodies.get(0));
      assertTrue(hook.bodies.get(0).contains("[zendesk] CredentialsCommand: failed, exit code 1"),
          hook.bodies.get(0));
    }

    @Test
    void is_not_asked_in_a_dry_run_and_never_fails_a_run() throws IOException {
      assertEquals(List.of(), pinged(Exit.OK, "monitor/PingUrl = HOOK/x", "--dry-run"));
      config("monitor/PingUrl = http://127.0.0.1:1/secret-of-watcher");
      var outcome = run(Exit.OK);
      assertEquals("[monitor] PingUrl: 127.0.0.1:1: no connection\n", outcome.err());
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
}
