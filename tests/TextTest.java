package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.URI;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** Texts: cut, cleaned, without secrets. */
class TextTest extends Unit {
  @Nested
  class Words {
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "short | 10 | short",
        "exactly 10 | 10 | exactly 10",
        "exactly 11. | 10 | exactly 1\u2026",
        "ab\ud83d\udd25\ud83d\udd25 | 3 | ab\u2026",
        "ab\ud83d\udd25\ud83d\udd25 | 4 | ab\ud83d\udd25\ud83d\udd25",
    })
    void are_cut_at_whole_characters(String text, int most, String cut) {
      assertEquals(cut, SpikeNotifier.cut(text, most));
    }

    @Test
    void of_other_people_hold_no_control_direction_mark_or_half_character() {
      assertEquals("ab c d e", SpikeNotifier.clean("a\u202eb\r\nc\ud83dd\u0000e"));
      assertEquals("&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;",
          SpikeNotifier.escape("<b> & \"c\" 'd'"));
    }

    /** Zero width space, soft hyphen, Hangul filler, tags, braille blank: nothing to see there. */
    @ParameterizedTest
    @ValueSource(strings = {"\u200b", "\u00ad", "\u3164", "\udb40\udc41", "\u2800", "\u2060",
        "\ufeff", "\uffa0", "\u180e", "\u202e", "\u2066"})
    void of_other_people_hold_nothing_invisible(String sign) {
      assertEquals("ab", SpikeNotifier.clean("a" + sign + "b"));
    }

    /** A joiner holds an emoji together, and letters of Persian apart. */
    @Test
    void of_other_people_keep_the_joiners_of_their_script() {
      var family = "\ud83d\udc69\u200d\ud83d\udc67 \u0645\u06cc\u200c\u062e \u2764\ufe0f";
      assertEquals(family, SpikeNotifier.clean(family));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "hunter2hunter2 | say hunter2hunter2. | say ***.",
        "hunter2hunter2 | aHVudGVyMmh1bnRlcjI= | ***=",
        "k3y/With signs | k3y%2FWith+signs k3y%2FWith%20signs | *** ***",
        "a secret;a secret, more | a secret, more | ***", // else ", more" would be shown
        "spike | verdict=spike | verdict=spike", // shorter ones are words of every line
    }, quoteCharacter = '~')
    void hide_secrets_in_each_form(String all, String text, String shown) {
      var secrets = new Secrets();
      for (var each : all.split(";")) secrets.add(each);
      assertEquals(shown, secrets.redact(text));
    }

    /** Whoever knows such an address may ask it: server and status are all that is told. */
    @ParameterizedTest
    @CsvSource({
        "monitor/PingUrl, http://127.0.0.1:1/api/push/AbCdEfGhIj?status=up",
        "monitor/FailUrl, http://127.0.0.1:1/api/push/AbCdEfGhIj?status=down",
        "webhook/Url, http://127.0.0.1:1/services/T0/B0/AbCdEfGhIj",
    })
    void hold_no_path_of_an_address_that_is_a_secret(String key, String url) {
      var parts = key.split("/");
      var world = world(Map.of());
      Config.read(write("auth.ini", "[" + parts[0] + "]\n" + parts[1] + " = " + url), world);
      var path = url.replaceFirst("http://[^/]*", "");
      assertEquals("*** ***", world.secrets.redact(url + " " + path));
      assertEquals("no sense in ***", world.sanitize("no sense in " + path));
    }

    /** Healthchecks and Better Stack have one for failures; for others there is FailUrl. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "https://hc-ping.com/abc | 75 | https://hc-ping.com/abc/fail",
        "https://hc.example/ping/abc/ | 75 | https://hc.example/ping/abc/fail",
        "https://hc-ping.com/key/spike-notifier?create=1 | 75 | "
            + "https://hc-ping.com/key/spike-notifier/fail?create=1",
        "https://hc-ping.com/key/spike?create=1 | 0 | https://hc-ping.com/key/spike?create=1",
        "https://uptime.betterstack.com/api/v1/heartbeat/K | 69 | "
            + "https://uptime.betterstack.com/api/v1/heartbeat/K/fail",
        "https://watcher.example/abc | 75 | null",
        "https://watcher.example/abc | 0 | https://watcher.example/abc",
        "https://kuma.example/api/push/K?status=up | 75 | null",
        "https://nothc-ping.com/abc | 75 | null",
    })
    void of_a_failing_run_never_go_to_an_address_that_counts_as_good(URI url, int code,
        String address) {
      assertEquals(address, String.valueOf(Heartbeat.address(url, null, code)));
      var failUrl = URI.create("https://watcher.example/failed");
      assertEquals(code == 0 ? url : failUrl, Heartbeat.address(url, failUrl, code));
      assertEquals(code == 0 ? null : failUrl, Heartbeat.address(null, failUrl, code));
    }
  }
}
