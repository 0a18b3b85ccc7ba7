package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
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

    @ParameterizedTest
    @ValueSource(strings = {"monitor/PingUrl = http://kuma:hunter-2@127.0.0.1:1/x",
        "monitor/FailUrl = https://hunter-2@127.0.0.1:1/x",
        "webhook/Url = https://kuma:hunter-2@127.0.0.1:1/x",
        "email/Host = kuma:hunter-2@smtp.example", "email/Host = smtps://kuma:hunter-2@x/y"})
    void is_not_asked_by_an_address_with_a_password_which_is_not_told(String line)
        throws IOException {
      config(line);
      var said = run(Exit.CONFIG).err() + run(Exit.CONFIG, "doctor").out();
      assertFalse(said.contains("hunter-2"), said);
      assertFalse(said.contains("no connection"), said);
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
    void hears_nothing_in_a_dry_run_and_never_fails_a_run() throws IOException {
      assertEquals(List.of(), pinged(Exit.OK, "monitor/PingUrl = HOOK/x", "--dry-run"));
      config("monitor/PingUrl = http://127.0.0.1:1/api/push/AbCdEfGhIj?status=up");
      var lines = run(Exit.OK, "-v").err();
      assertTrue(lines.contains("[monitor] 127.0.0.1:1: no connection\n"), lines);
      assertFalse(lines.contains("AbCdEfGhIj"), lines);
    }

    /** Its own words may name the address that it was asked by. */
    @Test
    void that_refuses_is_told_without_its_address() throws IOException {
      try (var each = new Hook()) {
        each.status = 404;
        each.answer = "no monitor at /api/push/AbCdEfGhIj?status=up";
        config("monitor/PingUrl = " + each.url() + "/api/push/AbCdEfGhIj?status=up");
        assertEquals("[monitor] 127.0.0.1: answers 404 no monitor at ***\n", run(Exit.OK).err());
      }
    }

    @Test
    void is_asked_by_fail_url_where_the_service_has_no_form_of_its_own() throws IOException {
      var urls = "monitor/PingUrl = HOOK/push?status=up\nmonitor/FailUrl = HOOK/push?status=down";
      assertEquals(List.of("GET /push?status=up"), pinged(Exit.OK, urls));
      assertEquals(List.of("GET /push?status=down"),
          pinged(Exit.CONFIG, urls + "\nmisc/NumTags = many"));
    }
  }
}
