package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;
import static spikenotifier.Desk.Trouble.where;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** The job against a help desk in trouble: what is asked, stored, judged and said. */
class EdgeTest extends Scenario {
  @Nested
  class The_job {
    @Test
    void fills_the_history_judges_the_last_hour_and_mails() throws IOException {
      var outcome = run(Exit.OK);
      assertEquals("hour=2026-11-10T13:00Z count=40 mean=10.0 limit=16.0 percent=300.0 samples=10 "
          + "verdict=spike alert=sent\n", outcome.out());
      assertEquals("filling 240 unknown hours of the last 240 from Zendesk\n", outcome.err());
      assertEquals(List.of("2026-11-10T13.spike.json"), files("sent"));
      assertEquals(List.of(), files("outbox"));
      assertEquals(1, mail.received.size());
      assertEquals(241, history().hours().size());
    }

    @Test
    void sends_nothing_twice_when_it_is_run_again() {
      run(Exit.OK);
      var again = run(Exit.OK, "--json");
      assertTrue(again.out().contains("\"alert\":\"already-sent\""), again.out());
      assertEquals(1, mail.received.size());
    }

    /** The sign-in, the last hour, and the day before it. */
    @Test
    void asks_three_things_in_a_calm_hour() throws IOException {
      desk(hour -> 10);
      known(240, 10);
      var outcome = run(Exit.OK);
      assertEquals("hour=2026-11-10T13:00Z count=10 mean=10.0 limit=16.0 percent=0.0 samples=10 "
          + "verdict=calm alert=none\n", outcome.out());
      assertEquals(3, desk.requests(), desk.asked.toString());
    }

    /** Nor does it ask a watcher, or leave a lock. */
    @Test
    void touches_nothing_in_a_dry_run() throws IOException {
      config("monitor/PingUrl = " + desk.url() + "/ping");
      var outcome = run(Exit.OK, "--dry-run");
      assertTrue(outcome.out().startsWith("Subject: Ticket Spike Alert! acme, Tue 10 Nov 13:00 "
          + "UTC: 40 tickets instead of 10"), outcome.out());
      assertTrue(outcome.out().endsWith("verdict=spike alert=dry-run\n"), outcome.out());
      assertFalse(Files.exists(folder.resolve("out")));
      assertEquals(0, mail.received.size());
      assertTrue(desk.asked.stream().noneMatch(asked -> asked.contains("/ping")));
    }

    @Test
    void says_nothing_about_a_good_run_when_it_is_to_be_quiet() {
      assertEquals(new Outcome(0, "", ""), run("-q"));
    }

    @Test
    void shows_each_request_when_asked() {
      var outcome = run(Exit.OK, "-v");
      assertTrue(outcome.err().contains("/api/v2/search/count.json?query=type:ticket "
          + "created>=2026-11-10T13:00:00Z created<2026-11-10T14:00:00Z: 200 in "), outcome.err());
      assertTrue(outcome.err().endsWith(" requests to Zendesk\n"), outcome.err());
    }

    @Test
    void gives_json_with_the_tags() throws IOException {
      known(240, 10);
      var json = SpikeNotifier.JSON.readTree(run(Exit.OK, "--json").out());
      assertEquals(40, json.path("count").asLong());
      assertEquals("checkout_error", json.path("tags").path(0).path("tag").asText());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2026-11-10T14 | --hour 2026-11-10T14: is not over yet (expected 2026-11-10T13 or earlier)",
        "2026-10-10T14 | --hour 2026-10-10T14: is older than NumHours (expected 2026-10-31T13 or "
            + "later)",
    })
    void refuses_an_hour_that_it_cannot_judge(String hour, String message) {
      assertEquals(message + "\n", run(Exit.USAGE, "--hour", hour).err());
    }

    @Test
    void judges_what_runs_missed_before_the_hour_that_is_asked_for() throws IOException {
      desk(hour -> hour.since(NOW) >= -3 ? 40 : 10);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-5), 10);
      var judged = run(Exit.OK, "--hour", NOW.plus(-1).name()).out().lines()
          .map(line -> line.replaceAll("hour=(\\S+):00Z.* verdict=(\\w+).*", "$1 $2")).toList();
      assertEquals(List.of("2026-11-10T08 calm", "2026-11-10T09 calm", "2026-11-10T10 spike",
          "2026-11-10T11 spike", "2026-11-10T12 spike"), judged);
      assertEquals(3, mail.received.size());
    }

    @Test
    void begins_with_now_although_the_first_run_is_asked_for_an_old_hour() throws IOException {
      desk(hour -> hour.number() % 10 == 0 ? 40 : 10);
      run(Exit.OK, "--hour", NOW.plus(-100).name());
      later(1);
      assertEquals(2, run(Exit.OK).out().lines().count(), "the hour of the first run and this one");
    }

    @ParameterizedTest
    @CsvSource({"2, 2", "168, 168", "169, 168", "200, 168"})
    void judges_after_a_long_sleep_the_hours_of_the_last_week(int asleep, int judged)
        throws IOException {
      desk(hour -> 10);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(1 - asleep), 10);
      var lines = run(Exit.OK).out().lines().toList();
      assertEquals(judged, lines.size());
      assertTrue(lines.get(judged - 1).startsWith("hour=2026-11-10T13:00Z "));
    }

    @Test
    void tells_after_an_outage_what_it_missed_and_that_it_is_late() throws IOException {
      known(240, 10);
      config("zendesk/BaseUrl = http://127.0.0.1:1");
      assertEquals("[zendesk] 127.0.0.1: no connection (tried 5 times); the next run asks again\n",
          run(Exit.ZENDESK).err());
      later(5);
      config("");
      run(Exit.OK);
      assertEquals(List.of("2026-11-10T13.spike.json", "2026-11-10T14.clear.json"), files("sent"));
      assertTrue(mail.received.get(0).text().contains("This notice comes late, at Tue 10 Nov 19:07 "
          + "UTC: "), mail.received.get(0).text());
    }

    /** Zendesk's index has been hours behind: the hours held nothing when they were counted. */
    @Test
    void tells_a_spike_that_the_index_showed_five_hours_later() throws IOException {
      known(240, 10);
      var indexed = new AtomicLong(NOW.number() - 1);
      desk(hour -> hour.number() > indexed.get() ? 0 : hour.equals(NOW) ? 40 : 10);
      for (int i = 0; i < 5; i++) {
        assertTrue(run(Exit.OK).out().contains("verdict=calm"));
        later(1);
      }
      assertEquals(0, mail.received.size());
      indexed.set(Long.MAX_VALUE);
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("2026-11-10T13:00Z: counted again, 40 tickets instead of "
          + "0"), outcome.err());
      assertEquals(40, history().at(NOW));
      assertEquals(List.of("2026-11-10T13.spike.json", "2026-11-10T14.clear.json"), files("sent"));
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "told once");
    }

    @Test
    void corrects_an_hour_that_was_counted_too_high() throws IOException {
      known(240, 10);
      desk(hour -> hour.equals(NOW.plus(-7)) ? 8 : 10);
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("counted again, 8 tickets instead of 10"), outcome.err());
      assertEquals(8, history().at(NOW.plus(-7)));
      assertEquals(1, outcome.out().lines().count(), "an hour that shrank is not judged again");
    }

    @Test
    void judges_no_hour_that_is_not_over_by_zendesks_clock() throws IOException {
      var real = Instant.now();
      var last = Hour.lastFull(real);
      desk(hour -> hour.isBefore(last.plus(1)) ? 10 : 0);
      Fakes.known(folder, last.plus(-240), last, 10);
      clock = real.plus(Duration.ofHours(1)); // ahead
      var outcome = run(Exit.OK);
      assertTrue(outcome.out().startsWith("hour=" + last + " count=10 "), outcome.out());
      assertTrue(outcome.err().startsWith("this machine's clock is ahead of Zendesk's, which says "
          + real.toString().substring(0, 11)), outcome.err());
      assertFalse(history().knows(last.plus(1)));
    }

    @Test
    void ends_when_query_changed_and_says_what_to_do() throws IOException {
      run(Exit.OK);
      var before = Fakes.read(folder.resolve("out/history.csv"));
      config("zendesk/Query = tags:vip");
      var history = folder.resolve("out/history.csv");
      assertEquals(history + ": was counted at acme.zendesk.com without Query, but auth.ini now "
          + "counts at acme.zendesk.com with Query tags:vip (set [default] SpikeDB to a new file; "
          + "or, to keep these counts as they are, delete " + history + ".state)\n",
          run(Exit.CONFIG).err());
      assertEquals(before, Fakes.read(history));
      config("default/SpikeDB = out/vip.csv");
      run(Exit.OK, "--hour", NOW.plus(-1).name());
      assertEquals(1, history2("vip.csv").at(NOW.plus(-2)) + 1);
    }

    private Counts history2(String name) {
      return History.read(folder.resolve("out/" + name));
    }

    /** Quotes, the section "mods", a list over two lines, an API token. */
    @Test
    void may_have_the_config_and_the_history_of_the_python_script() throws IOException {
      Files.writeString(folder.resolve("auth.ini"), """
          [default]
          SpikeDB = "history.csv"

          [zendesk]
          Credentials = "agent@acme.example/token:%s"
          Domain = "acme"
          BaseUrl = %s

          [email]
          Sender = "spikes@acme.example"
          Password = %s
          Recipient = "team@acme.example"
          Host = localhost
          Port = %d
          Username = spikes

          [mods]
          NumHours = 240
          OmittedTags = ["vip",
              "checkout_error"]
          """.formatted(API_KEY, desk.url(), MailServer.PASSWORD, mail.port()));
      Files.writeString(folder.resolve("history.csv"), ",23,22,21,20,19,18,17,16,15,14,13,12,11,"
          + "10,9,8,7,6,5,4,3,2,1,0\n2026-11-09" + ",10.0".repeat(24) + "\n");
      run(Exit.OK);
      assertFalse(mail.received.get(0).text().contains("checkout_error"));
      assertTrue(Fakes.read(folder.resolve("history.csv")).startsWith("date,00,01,"));
    }

    @Test
    void has_no_false_alarms_at_a_desk_of_two_weeks() throws IOException {
      for (var rule : List.of("mean", "weekly")) {
        desk(hour -> NOW.since(hour) > 14 * 24 ? 0 : 10 + hour.number() % 4);
        config("misc/NumHours = 4380\nspike/Rule = " + rule
            + "\ndefault/SpikeDB = out/" + rule + ".csv");
        assertTrue(run(Exit.OK).out().contains("verdict=calm"), rule);
      }
    }

    @Test
    void ends_with_70_and_a_trace_on_any_error() {
      var out = new java.io.StringWriter();
      var err = new java.io.StringWriter();
      var broken = new Ticker() {
        @Override
        public long nanos() {
          throw new OutOfMemoryError("made up");
        }
      };
      var world = new World(Clock.fixed(clock, ZoneOffset.UTC), broken, timeout, env, out, err,
          true);
      assertEquals(70, SpikeNotifier.execute(world, "-c", folder + "/auth.ini"));
      assertTrue(err.toString().startsWith("java.lang.OutOfMemoryError: made up"));
    }
  }

  @Nested
  class The_first_fill {
    private long stored() {
      return history().hours().stream().mapToLong(history()::at).sum();
    }

    @Test
    void reads_half_a_year_with_few_requests_in_spite_of_the_limits() throws IOException {
      desk(hour -> hour.number() % 6 == 0 ? 22 : 23); // 100,000 in all
      config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 100");
      desk.trouble = Trouble.limits(100, 400, time);
      run(Exit.OK);
      assertEquals(4381, history().hours().size());
      assertEquals(100_033, stored());
      assertTrue(desk.requests() <= 110, "requests: " + desk.requests());
    }

    /** A stand-in that allows 10 requests in any 20 seconds, while the own ceiling is 100. */
    @ParameterizedTest
    @ValueSource(strings = {"", "Retry-After: 3", "Retry-After: 0", "ratelimit-reset: 5"})
    void is_complete_under_a_sliding_limit(String header) throws IOException {
      desk(hour -> 23);
      config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 100");
      var headers = header.isEmpty() ? new String[0] : header.split(": ");
      desk.trouble = Trouble.slidingLimit(10, Duration.ofSeconds(20), time, headers);
      run(Exit.OK);
      assertEquals(4381 * 23, stored());
    }

    /** An export that loses its last page must not leave zeros. */
    @Test
    void takes_no_hour_for_empty_that_an_export_left_out() throws IOException {
      desk(hour -> 25);
      config("misc/NumHours = 4380");
      desk.trouble = (exchange, path) -> {
        boolean isLater = path.contains("export")
            && exchange.getRequestURI().getQuery().contains("page[after]=2000");
        return isLater && answer(200, "{\"results\":[],\"meta\":{\"has_more\":false},"
            + "\"links\":{\"next\":null}}").takes(exchange, path);
      };
      run(Exit.OK);
      assertEquals(Set.of(25L),
          history().hours().stream().map(history()::at).collect(Collectors.toSet()));
      assertEquals(4381, history().hours().size());
    }

    @Test
    void counts_hour_by_hour_where_an_export_is_refused() throws IOException {
      desk.trouble = always("export", answer(422, "{\"error\":\"invalid\"}"));
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("[zendesk] 127.0.0.1 answers 422 invalid (check Query): "
          + "export failed, other ways are tried"), outcome.err());
      assertEquals(241, history().hours().size());
      assertEquals(2440, stored());
    }

    @Test
    void counts_hour_by_hour_where_that_is_cheaper() throws IOException {
      desk(hour -> 3000);
      run(Exit.OK);
      assertEquals(241, history().hours().size());
      assertTrue(desk.asked.stream().noneMatch(asked -> asked.contains("export")));
    }

    @Test
    void asks_for_smaller_pages_when_big_ones_are_too_slow_for_zendesk() throws IOException {
      desk.trouble = where("page[size]=1000", answer(504, "<html>Gateway Time-out</html>"));
      run(Exit.OK);
      assertEquals(2440, stored());
      assertTrue(desk.asked.stream().anyMatch(asked -> asked.contains("page[size]=100&")));
    }

    /** One old hour that Zendesk cannot give, in a span or alone. */
    @Test
    void leaves_one_hour_unknown_that_zendesk_cannot_give_and_judges_the_last() throws IOException {
      var bad = NOW.plus(-100);
      desk.trouble = Trouble.holding(bad, answer(500, ""));
      var outcome = run(Exit.OK);
      assertTrue(outcome.out().contains("verdict=spike alert=sent"), outcome.out());
      assertTrue(outcome.err().contains(bad + " stays unknown: [zendesk] 127.0.0.1: answers 500 "
          + "(tried 5 times)"), outcome.err());
      assertFalse(history().knows(bad));
      assertEquals(240, history().hours().size());
    }

    @Test
    void gives_up_the_past_when_zendesk_gives_none_of_it() throws IOException {
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("search/") && counts.incrementAndGet() > 1
          && answer(503, "").takes(exchange, path);
      config("spike/MinSamples = 1");
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("Zendesk gives no counts of past hours; the next run goes "
          + "on"), outcome.err());
      assertTrue(outcome.out().contains("verdict=learning"), outcome.out());
      assertTrue(counts.get() < 90, "requests: " + counts);
    }

    /** Hours of before the first run are no news, even where they could not be read then. */
    @Test
    void that_was_cut_short_mails_no_old_spikes() throws IOException {
      desk(hour -> hour.equals(NOW.plus(-30)) || hour.equals(NOW.plus(-50)) ? 60 : 10);
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("search/") && counts.incrementAndGet() > 1
          && answer(503, "").takes(exchange, path);
      run(Exit.OK);
      desk.trouble = Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(0, mail.received.size());
    }

    /** What cannot be read of the past never stops the last hour from being judged. */
    @Test
    void judges_the_last_hour_where_the_past_is_forbidden() throws IOException {
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("count") && counts.incrementAndGet() > 1
          && answer(403, "{\"error\":\"Forbidden\"}").takes(exchange, path);
      known(120, 10);
      assertTrue(run(Exit.OK).out().contains("verdict=spike alert=sent"));
    }

    @Test
    void goes_on_in_the_next_run_after_45_minutes() throws IOException {
      desk(hour -> 3000);
      config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 1");
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("reading past hours took 45 minutes; the next run goes on"),
          outcome.err());
      int stored = history().hours().size();
      assertTrue(stored > 30 && stored < 60, "hours: " + stored);
      later(1);
      run(Exit.OK);
      assertTrue(history().hours().size() > stored + 20);
    }

    @Test
    void shows_a_bar_with_the_time_left_on_a_terminal_alone() {
      run(Exit.OK);
      assertTrue(said.toString().contains("\r[==="), said.toString());
      said.setLength(0);
      terminal = false;
      run(Exit.OK, "--hour", NOW.plus(-1).name());
      assertFalse(said.toString().contains("\r"));
    }

    /** In a JVM of its own, whose heap would not hold them. */
    @Test
    void fits_into_64_megabytes_by_the_hundred_thousand()
        throws IOException, InterruptedException {
      desk(hour -> 100);
      config("misc/NumHours = 3000");
      var process = Fakes.child(folder, "-Xmx64m");
      assertTrue(process.waitFor(3, TimeUnit.MINUTES));
      assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
      assertTrue(stored() >= 300_000);
    }
  }

  @Nested
  class Zendesk_in_trouble {
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "429 | Number of allowed API requests per minute exceeded | Retry-After: 7 | 7000",
        "429 | {\"error\":\"APIRateLimitExceeded\",\"description\":\"x\"} | Retry-After: 3 | 3000",
        "429 | slow down | Retry-After: 0 | 1000",
        "429 | slow down | ratelimit-reset: 24 | 24000",
        "429 | slow down | Retry-After: Tue, 10 Nov 2099 00:00:00 GMT | -1",
        "503 | | Retry-After: 5 | 5000",
        "503 | {\"error\":{\"title\":\"Down\",\"message\":\"maintenance\"}} | | 1000",
        "500 | <html>Oops</html> | | 1000",
        "502 | | | 1000", "520 | | | 1000",
        "408 | | | 1000", "425 | | | 1000", "409 | Conflict | | 1000",
        "200 | {\"error\":\"unavailable\",\"description\":\"Sorry, we could not\"} | | 1000",
        "400 | {\"error\":\"unavailable\",\"description\":\"Sorry, we could not\"} | | 1000",
    })
    void waits_and_asks_again(int status, String body, String header, long wait)
        throws IOException {
      known(240, 10);
      var headers = header == null ? new String[0] : header.split(": ", 2);
      desk.trouble = first(1, "count", answer(status, body == null ? "" : body, headers));
      if (wait < 0) { // told to wait for years
        run(Exit.ZENDESK);
        return;
      }
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
      assertTrue(time.waits.stream().anyMatch(each -> each >= wait && each < wait + 600),
          time.waits.toString());
    }

    @Test
    void asks_again_after_an_answer_that_was_cut_off() throws IOException {
      known(240, 10);
      desk.trouble = first(4, "count", Trouble.cutOff());
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
    }

    @Test
    void gives_up_after_five_tries_and_leaves_the_hour_unknown() throws IOException {
      known(240, 10);
      desk.trouble = always("count", answer(503,
          "{\"error\":{\"title\":\"Down\",\"message\":\"for maintenance\"}}"));
      var outcome = run(Exit.ZENDESK);
      assertEquals("[zendesk] 127.0.0.1: answers 503 Down: for maintenance (tried 5 times); the "
          + "next run asks again\n", outcome.err());
      assertFalse(history().knows(NOW));
      assertEquals(6, desk.requests(), desk.asked.toString());
      assertTrue(time.waits.stream().mapToLong(Long::longValue).sum() < 20_000);
    }

    @Test
    void does_not_wait_for_an_hour_because_it_is_told_to() throws IOException {
      known(240, 10);
      desk.trouble = always("count", answer(429, "", "Retry-After", "3600"));
      run(Exit.ZENDESK);
      assertEquals(List.of(), time.waits);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "401 | {\"error\":\"Couldn't authenticate you\"} | 77 | 401 Couldn't authenticate you "
            + "(check ClientId and ClientSecret)",
        "403 | {\"error\":{\"title\":\"Forbidden\",\"message\":\"No access.\"}} | 77 | 403 "
            + "Forbidden: No access. (the client's user must be an admin or an agent with access "
            + "to all tickets)",
        "404 | {\"error\":{\"title\":\"No help desk at acme\",\"message\":\"None.\"}} | 69 | "
            + "(check Domain)",
        "404 | | 69 | 404 (check Domain)",
        "422 | {\"error\":\"RecordInvalid\",\"description\":\"Errors\",\"details\":{\"base\":"
            + "[{\"description\":\"too long\"}]}} | 69 | 422 RecordInvalid: Errors: too long "
            + "(check Query)",
        "400 | {\"errors\":[{\"code\":\"x\",\"title\":\"Invalid\",\"detail\":\"page\"}]} | 69 | "
            + "400 Invalid: page (check Query)",
        "418 | a teapot | 69 | 418 a teapot",
    })
    void says_of_a_refusal_what_to_do(int status, String body, int code, String message)
        throws IOException {
      known(240, 10);
      desk.trouble = always("count", answer(status, body == null ? "" : body));
      var outcome = run();
      assertEquals(code, outcome.code());
      assertEquals(1, outcome.err().lines().count(), outcome.err());
      assertTrue(outcome.err().contains(message), outcome.err());
      assertEquals(2, desk.requests());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"count\":\"12\"}", "{\"count\":12.5}", "{\"count\":-1}",
        "{\"count\":null}", "{}", "[]", "null", "", "12", "{\"count\":1e400}",
        "{\"count\":99999999999999999999}", "{\"count\":12}{\"count\":13}",
        "{\"count\":{\"value\":12,\"refreshed_at\":null}}", "{\"count\":true}", "{\"count\":[12]}",
        "{\"count\":1", "{\"count\":40,\"error\":{\"title\":\"x\"}}"})
    void never_takes_nonsense_for_a_count(String body) throws IOException {
      known(240, 10);
      var before = Fakes.read(folder.resolve("out/history.csv"));
      desk.trouble = always("count", answer(200, body));
      var outcome = run(Exit.ZENDESK);
      assertEquals(1, outcome.err().lines().count(), outcome.err());
      assertEquals(before, Fakes.read(folder.resolve("out/history.csv")));
    }

    @Test
    void takes_no_error_beside_a_count_for_none() throws IOException {
      known(240, 10);
      desk.trouble = first(1, "count", answer(200, "{\"count\": 40, \"error\": null}"));
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
    }

    @Test
    void says_of_a_web_page_that_no_api_is_there() throws IOException {
      known(240, 10);
      desk.trouble = always("count", answer(200, "<!DOCTYPE html><title>Help Center Closed</title>",
          "Content-Type", "text/html; charset=utf-8"));
      assertTrue(run(Exit.ZENDESK).err().contains("answers with a web page, not JSON: no API is at "
          + "this address, or the account is closed"));
    }

    @Test
    void follows_no_redirect_and_names_its_host_alone() throws IOException {
      known(240, 10);
      try (var elsewhere = new RawServer(socket -> { })) {
        desk.trouble = always("count", answer(301, "", "Location", elsewhere.url() + "/secret"));
        assertEquals("[zendesk] 127.0.0.1 answers 301 redirect to 127.0.0.1 (not followed; set "
            + "Domain to the account's own subdomain)\n", run(Exit.ZENDESK).err());
        assertEquals(0, elsewhere.connections.get());
      }
    }

    @Test
    void follows_no_next_page_to_another_host_and_tells_what_it_has() throws IOException {
      desk(hour -> hour.equals(NOW) ? 250 : 10);
      known(240, 10);
      try (var elsewhere = new RawServer(socket -> { })) {
        desk.trouble = first(1, "search.json", answer(200, """
            {"count":250,"next_page":"%s/api/v2/search.json?page=2","results":[{"id":1,
            "result_type":"ticket","created_at":"2026-11-10T13:00:00Z","tags":["one"]},
            {"id":2,"result_type":"user"}]}""".formatted(elsewhere.url())));
        run(Exit.OK);
        assertEquals(0, elsewhere.connections.get());
      }
      assertTrue(mail.received.get(0).text().replace('\n', ' ').contains("Ranked from 1 of its "
          + "tickets ([zendesk] 127.0.0.1: its next page is at another host, 127.0.0.1: refused, "
          + "nothing was sent there)."), mail.received.get(0).text());
    }

    /** Each would fill the memory before it ended. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{\"count\":1,\"results\":[ | {}, ",
        "{\"count\":1,\"results\":[ | {\"id\":1,\"tags\":[\"a\"]}, ",
        "{\"count\":1,\"results\":[{\"id\":1,\"tags\":[ | \"a\", ",
        "{\"count\":1,\"x\":[ | {\"y\":\"z\"}, ",
        "{\"count\":1,\"error\":[ | {\"y\":\"z\"}, ",
        "{\"count\":1,\"error\":\" | zzzzzzzzzz",
        "{\"count\":1,\"x\": | [",
    })
    void bounds_an_answer_without_end(String start, String rest)
        throws IOException, InterruptedException {
      desk.trouble = first(1, "search", Trouble.endless(start, rest.strip()));
      config("misc/NumHours = 72");
      var process = Fakes.child(folder, "-Xmx128m");
      assertTrue(process.waitFor(4, TimeUnit.MINUTES));
      assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
      assertTrue(history().hours().size() > 70, "the next try was read");
    }

    @Test
    void bounds_an_answer_that_never_comes() throws IOException {
      known(240, 10);
      timeout = Duration.ofMillis(300);
      var never = new CountDownLatch(1);
      desk.trouble = (exchange, path) -> {
        try {
          return never.await(1, TimeUnit.MINUTES);
        } catch (InterruptedException e) {
          return true; // the test is over
        }
      };
      assertTrue(run(Exit.ZENDESK).err().contains("no whole answer within"));
      never.countDown();
    }

    @Test
    void bounds_an_answer_that_drips() throws IOException {
      timeout = Duration.ofMillis(300);
      try (var dripping = new RawServer(socket -> {
        socket.getOutputStream().write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
            .getBytes(UTF_8));
        for (int i = 0; i < 99; i++) {
          Thread.sleep(100);
          socket.getOutputStream().write(' ');
        }
      })) {
        config("zendesk/BaseUrl = " + dripping.url());
        assertTrue(run(Exit.ZENDESK).err().contains("no whole answer within"));
        assertEquals(5, dripping.connections.get());
      }
    }

    @Test
    void says_that_there_is_no_such_host() throws IOException {
      known(240, 10);
      config("zendesk/BaseUrl = https://no-such-host.invalid");
      assertEquals("[zendesk] no-such-host.invalid: no such host (tried 5 times); the next run "
          + "asks again\n", run(Exit.ZENDESK).err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"expired", "other", "untrusted"})
    void refuses_a_certificate_that_is(String alias) throws IOException {
      known(240, 10);
      var server = HttpsServer.create(new InetSocketAddress("localhost", 0), 0);
      server.setHttpsConfigurator(new HttpsConfigurator(Certificates.context(alias)));
      server.createContext("/", exchange -> said.append("reached"));
      server.start();
      try {
        config("zendesk/BaseUrl = https://localhost:" + server.getAddress().getPort());
        var outcome = run(Exit.ZENDESK);
        assertTrue(outcome.err().startsWith("[zendesk] localhost: its certificate is refused: "),
            outcome.err());
        assertEquals(1, outcome.err().lines().count(), outcome.err());
        assertFalse(said.toString().contains("reached"));
      } finally {
        server.stop(0);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gzip", "GZIP", "x-gzip"})
    void reads_gzip_by_any_name(String coding) throws IOException {
      known(240, 10);
      desk.trouble = first(1, "count", (exchange, path) -> {
        var zipped = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(zipped)) {
          gzip.write("{\"count\":12}".getBytes(UTF_8));
        }
        exchange.getResponseHeaders().set("Content-Encoding", coding);
        exchange.sendResponseHeaders(200, 0); // chunked
        exchange.getResponseBody().write(zipped.toByteArray());
        return true;
      });
      run(Exit.OK);
      assertEquals(12, history().at(NOW));
    }

    @Test
    void waits_when_others_have_nearly_used_up_the_limit() throws IOException {
      known(240, 10);
      desk.trouble = first(1, "count", answer(200, "{\"count\":10}", "ratelimit-limit", "400",
          "ratelimit-remaining", "12", "ratelimit-reset", "33"));
      run(Exit.OK);
      assertTrue(time.waits.stream().anyMatch(wait -> wait > 30_000 && wait <= 33_000),
          time.waits.toString());
    }

    @Test
    void signs_in_once_more_when_the_token_ends_early() throws IOException {
      known(240, 10);
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("count") && counts.incrementAndGet() == 2
          && answer(401, "{\"error\":\"invalid_token\"}").takes(exchange, path);
      run(Exit.OK);
      assertEquals(2, desk.asked.stream().filter(asked -> asked.startsWith("POST")).count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"3599", "\"3599\"", "3599.0", "null", "\"soon\"", "[1,2]"})
    void takes_any_length_of_a_tokens_life(String life) throws IOException {
      known(240, 10);
      desk.trouble = first(1, "tokens", answer(200, "{\"token_type\":\"Bearer\","
          + "\"access_token\":\"made-up-token\",\"expires_in\":" + life + "}"));
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "401 | {\"error\":\"invalid_client\"} | 77 | answers 401 invalid_client (check ClientId, "
            + "ClientSecret and scope)",
        "503 | | 69 | answers 503 (tried 5 times)",
        "200 | {\"token\":\"x\"} | 69 | no access_token in its answer (tried 5 times)",
    })
    void says_why_the_sign_in_failed(int status, String body, int code, String message) {
      desk.trouble = always("tokens", answer(status, body == null ? "" : body));
      var outcome = run();
      assertEquals(code, outcome.code(), outcome.err());
      assertTrue(outcome.err().contains(message), outcome.err());
    }

    @Test
    void may_tell_secrets_but_they_go_no_further() throws IOException {
      known(240, 10);
      desk.trouble = always("count", answer(422, "{\"error\":\"made-up-token and "
          + Desk.SECRET + "\"}"));
      assertTrue(run(Exit.ZENDESK).err().contains("422 *** and ***"));
    }

    @Test
    void signs_in_with_an_older_api_token_and_says_when_they_end() throws IOException {
      known(240, 10);
      config("zendesk/ClientId = -\nzendesk/ClientSecret = -\n"
          + "zendesk/Credentials = agent@acme.example/token:" + API_KEY);
      assertEquals("", run(Exit.OK).err());
      assertTrue(desk.asked.stream().noneMatch(asked -> asked.contains("oauth")));
    }

    /** Each body with one thing broken at random: never a trace, never a wrong count. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "search/count | {\"count\":40,\"error\":null}",
        "search.json | {\"count\":1,\"next_page\":null,\"results\":[{\"id\":1,\"tags\":[\"a\"],"
            + "\"created_at\":\"2026-11-10T13:01:00Z\",\"subject\":\"s\",\"requester_id\":1}]}",
        "oauth | {\"access_token\":\"made-up-token\",\"expires_in\":1800}",
    })
    void survives_hundreds_of_broken_bodies(String path, String good) throws IOException {
      var chance = new Random(7);
      for (int i = 0; i < 150; i++) {
        Fakes.known(folder, NOW.plus(-240), NOW, 10);
        var body = broken(good, chance);
        desk.trouble = always(path, answer(200, body));
        var outcome = run();
        assertTrue(Set.of(0, 69, 75, 77).contains(outcome.code()), body + "\n" + outcome.err());
        assertFalse(outcome.err().contains("\tat "), body + "\n" + outcome.err());
        assertFalse(outcome.err().contains("java."), body + "\n" + outcome.err());
      }
    }

    private String broken(String good, Random chance) {
      int at = chance.nextInt(good.length());
      return switch (chance.nextInt(4)) {
        case 0 -> good.substring(0, at);
        case 1 -> good.substring(0, at) + good.substring(at + 1);
        case 2 -> good.substring(0, at) + "{[\"0,null".charAt(chance.nextInt(9))
            + good.substring(at);
        default -> good.replaceFirst(":(\"[^\"]*\"|\\d+|null)",
            List.of(":null", ":[]", ":{}", ":\"x\"", ":1.5", ":-1").get(chance.nextInt(6)));
      };
    }
  }

  @Nested
  class A_proxy_of_the_environment {
    private Outcome through(Map<String, String> variables, List<String> lines) throws IOException {
      known(240, 10);
      try (var proxy = new RawServer(socket -> {
        var in = new java.io.BufferedReader(
            new java.io.InputStreamReader(socket.getInputStream(), UTF_8));
        for (var line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) {
          lines.add(line);
        }
        socket.getOutputStream().write("HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n"
            .getBytes(UTF_8));
      })) {
        variables.forEach((name, value) ->
            env.put(name, value.replace("PROXY", "127.0.0.1:" + proxy.port())));
        return run();
      }
    }

    @Test
    void is_the_way_to_zendesk() throws IOException {
      var lines = new ArrayList<String>();
      through(Map.of("http_proxy", "http://me:word%20@PROXY"), lines);
      assertTrue(lines.get(0).startsWith("POST " + desk.url() + "/oauth/tokens"), lines.toString());
      assertTrue(lines.stream().anyMatch(line -> line.startsWith("Proxy-Authorization: Basic ")));
      assertEquals(0, desk.requests());
    }

    @Test
    void is_left_aside_where_no_proxy_says_so() throws IOException {
      var lines = new ArrayList<String>();
      assertEquals(0, through(Map.of("http_proxy", "PROXY", "no_proxy", "x.example,127.0.0.1"),
          lines).code());
      assertEquals(List.of(), lines);
    }

    @Test
    void that_makes_no_sense_is_told() throws IOException {
      env.put("https_proxy", "http://:bad host");
      assertEquals("https_proxy: malformed (expected http://HOST:PORT)\n", run(Exit.CONFIG).err());
    }
  }

  @Nested
  class The_tickets_of_a_spike {
    private String told() {
      return mail.received.get(0).text().replace('\n', ' ');
    }

    private void page(String... tickets) {
      desk.trouble = first(1, "search.json", answer(200, "{\"count\":" + tickets.length
          + ",\"next_page\":null,\"results\":[" + String.join(",", tickets) + "]}"));
    }

    private String ticket(String id, String created, String more) {
      return "{\"id\":" + id + ",\"result_type\":\"ticket\",\"created_at\":" + created
          + ",\"subject\":\"Cannot log in\",\"requester_id\":" + id + more + "}";
    }

    /** What makes no sense costs itself only: the time, the id, the whole, or the hour is wrong. */
    @Test
    void are_ranked_without_those_that_make_no_sense() throws IOException {
      desk(hour -> hour.equals(NOW) ? 8 : 1);
      known(240, 1);
      var good = "\"2026-11-10T13:01:00Z\"";
      page(ticket("1", good, ",\"tags\":[\"login_error\"]"),
          ticket("6", good, ",\"tags\":[\"login_error\"]"),
          ticket("7", good, ",\"tags\":[\"login_error\"]"),
          ticket("8", good, ",\"tags\":[\"login_error\"]"),
          ticket("2", "null", ",\"tags\":[\"login_error\"]"),
          ticket("null", good, ",\"tags\":[\"login_error\"]"), "null", "7",
          ticket("3", "\"yesterday\"", ""), ticket("4", "\"2026-11-10T14:00:00Z\"", ""),
          ticket("5", good, ",\"tags\":[\"\",null,3,\"login_error\"]"));
      run(Exit.OK);
      assertTrue(told().contains("5 of the 5 that were read carry login_error"), told());
      assertTrue(told().contains("Ranked from 5 of its tickets (the others made no sense or were "
          + "not found)."), told());
      assertFalse(told().contains("java"), told());
    }

    @ParameterizedTest
    @CsvSource({"999, search", "1000, search", "1001, export", "2500, export"})
    void are_read_whole(long count, String way) throws IOException {
      desk(hour -> hour.equals(NOW) ? count : 10);
      known(240, 10);
      run(Exit.OK);
      assertTrue(told().contains(count - 20 + " of the " + count + " carry checkout_error"),
          told());
      assertTrue(desk.asked.stream().anyMatch(asked -> asked.contains(
          way.equals("search") ? "search.json" : "search/export.json")));
    }

    /** More than a million in an hour must not keep the notice for long. */
    @Test
    void are_read_up_to_fifty_thousand() throws IOException {
      desk(hour -> hour.equals(NOW) ? 1_200_000 : 10);
      config("zendesk/RequestsPerMinute = 100");
      known(240, 10);
      run(Exit.OK);
      assertTrue(told().contains("Ranked from 50000 of its tickets (the newest 50000; more are not "
          + "read)."), told());
      assertTrue(time.nanos() < TimeUnit.MINUTES.toNanos(1), "waited too long");
    }

    @Test
    void count_once_when_a_page_repeats_them() throws IOException {
      desk(hour -> hour.equals(NOW) ? 3 : 0);
      known(240, 0);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-239), 1);
      var one = ticket("1", "\"2026-11-10T13:01:00Z\"", ",\"tags\":[\"a\"]");
      page(one, one, one);
      run(Exit.OK);
      assertTrue(told().contains("Ranked from 1 of its tickets"), told());
    }

    @Test
    void are_not_read_in_circles() throws IOException {
      desk(hour -> hour.equals(NOW) ? 250 : 10);
      known(240, 10);
      desk.trouble = (exchange, path) -> path.endsWith("search.json") && answer(200,
          "{\"count\":250,\"next_page\":\"" + desk.url() + "/api/v2/search.json?page=2\","
              + "\"results\":[" + ticket("1", "\"2026-11-10T13:01:00Z\"", "") + "]}")
          .takes(exchange, path);
      run(Exit.OK);
      assertTrue(told().contains("Ranked from 1 of its tickets"), told());
      assertTrue(desk.requests() < 10, "requests: " + desk.requests());
    }

    @ParameterizedTest
    @ValueSource(strings = {"URL/api/v2/search.json?page=",
        "/api/v2/search.json?query=created>=20 x="})
    void are_read_no_further_than_sense_goes(String next) throws IOException {
      desk(hour -> hour.equals(NOW) ? 400 : 10);
      known(240, 10);
      var pages = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.endsWith("search.json") && answer(200,
          "{\"count\":400,\"next_page\":\"" + next.replace("URL", desk.url())
              + pages.incrementAndGet() + "\",\"results\":["
              + ticket("1", "\"2026-11-10T13:01:00Z\"", "") + "]}").takes(exchange, path);
      run(Exit.OK);
      assertTrue(pages.get() < 10, "pages: " + pages);
      assertEquals(1, mail.received.size());
    }

    @Test
    void go_out_unranked_rather_than_not_at_all() throws IOException {
      known(240, 10);
      desk.trouble = always("search.json", answer(503, ""));
      run(Exit.OK);
      assertTrue(told().contains("40 tickets at acme"), told());
      assertTrue(told().contains("Its tickets could not be read: [zendesk] 127.0.0.1: answers 503"),
          told());
    }

    @Test
    void cannot_put_markup_or_line_breaks_into_the_mail() throws IOException {
      desk(hour -> hour.equals(NOW) ? 3 : 0);
      known(240, 0);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-239), 1);
      page("{\"id\":1,\"created_at\":\"2026-11-10T13:01:00Z\",\"subject\":\"<b>a\\r\\nBcc: x@y.z"
          + "\\u202e\\ud83d\",\"tags\":[\"<script>alert(1)</script>\"]}",
          ticket("2", "\"2026-11-10T13:02:00Z\"", ",\"tags\":[\"<script>alert(1)</script>\"]"),
          ticket("3", "\"2026-11-10T13:03:00Z\"", ",\"tags\":[\"<script>alert(1)</script>\"]"));
      run(Exit.OK);
      var received = mail.received.get(0);
      assertFalse(received.part(1).contains("<script>"), received.part(1));
      assertFalse(received.part(1).contains("<b>"), received.part(1));
      assertFalse(received.text().contains("\nBcc"), received.text());
      assertFalse(received.text().contains("\u202e"), received.text());
      assertFalse(received.text().contains("?\n"), received.text());
    }

    @Test
    void fit_into_64_megabytes() throws IOException, InterruptedException {
      desk(hour -> hour.equals(Hour.lastFull(Instant.now())) ? 200_000 : 10);
      var last = Hour.lastFull(Instant.now());
      Fakes.known(folder, last.plus(-240), last, 10);
      config("email/Security = starttls");
      var process = Fakes.child(folder, "-Xmx64m");
      assertTrue(process.waitFor(3, TimeUnit.MINUTES));
      assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
      assertEquals(1, mail.received.size());
    }
  }

  @Nested
  class Broken_off {
    /** kill -9 at many moments of the first fill: what is stored is true, and the end is whole. */
    @Test
    void anywhere_it_loses_no_alert_and_no_count() throws IOException, InterruptedException {
      var last = Hour.lastFull(Instant.now().truncatedTo(ChronoUnit.SECONDS));
      desk(hour -> hour.equals(last) ? 40 : 10);
      config("misc/NumHours = 240");
      for (int kills = 0; kills < 6; kills++) {
        var process = Fakes.child(folder);
        if (!process.waitFor(500 + 250L * kills, TimeUnit.MILLISECONDS)) {
          process.destroyForcibly().waitFor();
        }
        var file = folder.resolve("out/history.csv");
        if (!Files.exists(file)) continue;
        for (var hour : history().hours()) {
          boolean isRight = history().at(hour) == 10 || history().at(hour) == 40;
          assertTrue(isRight, hour + " " + history().at(hour));
        }
      }
      var process = Fakes.child(folder);
      assertTrue(process.waitFor(2, TimeUnit.MINUTES));
      assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
      assertTrue(history().hours().size() >= 240);
      var ids = new HashSet<String>();
      for (var each : mail.received) ids.add(each.header("Message-ID"));
      assertTrue(mail.received.size() >= 1 && ids.size() <= 2, "told once an hour");
    }

    @Test
    void by_another_run_it_gives_way() throws IOException {
      var history = folder.resolve("out/history.csv");
      try (var lock = Lock.take(history)) {
        assertTrue(lock != null);
        assertEquals(history + ".lock: another run holds the lock; nothing is lost, the next run "
            + "goes on\n", run(Exit.TRY_LATER).err());
      }
      run(Exit.OK);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "history.csv.part/x | history.csv: cannot be written: a folder is in its place",
        "history.csv.lock/x | history.csv.lock: cannot be written: Is a directory",
        "outbox | outbox: is a file (expected a folder)",
    })
    void by_something_in_the_way_of_a_write_it_says_so(String place, String message)
        throws IOException {
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      if (place.equals("outbox")) Files.writeString(inTheWay, "");
      else Files.createDirectory(inTheWay);
      var outcome = run(Exit.HISTORY);
      var lines = outcome.err().lines().filter(line -> !line.startsWith("filling")).toList();
      assertEquals(List.of(folder.resolve("out") + "/" + message), lines);
    }

    @ParameterizedTest
    @ValueSource(strings = {"outbox", "sent", "refused"})
    void by_a_link_in_its_folder_it_writes_nothing_elsewhere(String name) throws IOException {
      var elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
      Files.createDirectories(folder.resolve("out"));
      Files.createSymbolicLink(folder.resolve("out/" + name), elsewhere);
      assertEquals(folder.resolve("out/" + name) + ": is a link (expected a folder)\n",
          run(Exit.HISTORY).err());
      try (var files = Files.list(elsewhere)) {
        assertEquals(0, files.count());
      }
    }

    @Test
    void it_leaves_nothing_that_others_can_read() throws IOException {
      run(Exit.OK);
      try (var files = Files.walk(folder.resolve("out"))) {
        for (Path file : files.toList()) {
          var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
          boolean isLock = file.toString().endsWith(".lock"); // which is empty
          assertTrue(isLock || rights.endsWith("------"), file + " " + rights);
        }
      }
    }
  }
}
