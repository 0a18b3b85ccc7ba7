package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
        "ab\ud83d\udd25\ud83d\udd25 | 5 | ab\ud83d\udd25\u2026",
        "ab\ud83d\udd25\ud83d\udd25 | 6 | ab\ud83d\udd25\ud83d\udd25",
        "e\u0301e\u0301e\u0301 | 2 | e\u0301\u2026",
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
        "verdict | verdict=calm | verdict=calm | a word of the program is no secret",
        "verdict | your verdict is wrong | your *** is wrong | but an echo of it is",
        "checkout | checkout_error | checkout_error | a tag that only holds it is not",
        "hunter2hunter2 | verdict=hunter2hunter2 | verdict=*** | a real secret is one anywhere",
        "hunter2hunter2 | aHVudGVyMmh1bnRlcjI= | *** | in base64 too",
    })
    void hide_secrets_but_not_words(String secret, String text, String shown, String why) {
      var secrets = new Secrets();
      secrets.add(secret);
      boolean isOwn = text.contains("=calm");
      assertEquals(shown, isOwn ? secrets.redact(text) : secrets.redactEchoes(text), why);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "https://hc-ping.com/abc | 75 | https://hc-ping.com/abc/fail",
        "https://hc.example/ping/abc/ | 75 | https://hc.example/ping/abc/fail",
        "https://hc-ping.com/key/spike-notifier?create=1 | 75 | "
            + "https://hc-ping.com/key/spike-notifier/fail?create=1",
        "https://hc-ping.com/key/spike?create=1 | 0 | https://hc-ping.com/key/spike?create=1",
        "https://uptime.betterstack.com/api/v1/heartbeat/K | 69 | "
            + "https://uptime.betterstack.com/api/v1/heartbeat/K/fail",
        "https://cronitor.link/p/K/job | 75 | https://cronitor.link/p/K/job?state=fail",
        "https://watcher.example/abc | 75 | null",
        "https://watcher.example/abc | 0 | https://watcher.example/abc",
        "https://kuma.example/api/push/K?status=up&msg=OK&ping= | 75 | "
            + "https://kuma.example/api/push/K?status=down&msg=exit+code+75%3A+last&ping=",
        "https://kuma.example/api/push/K?msg=OK&status=up | 69 | "
            + "https://kuma.example/api/push/K?status=down&msg=exit+code+69%3A+last",
        "https://cronitor.link/p/K/job?state=complete | 75 | "
            + "https://cronitor.link/p/K/job?state=fail",
    })
    void of_a_failing_run_never_go_to_an_address_that_counts_as_good(String url, int code,
        String address) {
      assertEquals(address,
          String.valueOf(Heartbeat.address(java.net.URI.create(url), null, code, "first\nlast")));
    }
  }
}
