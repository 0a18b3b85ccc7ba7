package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Fakes.Trouble.always;
import static spikenotifier.Fakes.Trouble.answer;
import static spikenotifier.Fakes.Trouble.first;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.StringWriter;
import java.net.URLEncoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.subethamail.smtp.DropConnectionException;
import org.subethamail.smtp.RejectException;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import com.sun.net.httpserver.HttpServer;

import spikenotifier.Fakes.*;
import spikenotifier.SpikeNotifier.*;

/** The whole job against a help desk and mail servers that behave, and that do not. */
class EdgeTest {
    /** The hour that is judged: 14:07 is the time. It holds 40 tickets where 10 are usual. */
    static final Hour NOW = Hour.of(LocalDate.of(2026, 11, 24), 13);
    static final String API_KEY = "k3y-of-the-older-kind";

    @TempDir
    Path folder;

    final VirtualTime time = new VirtualTime();
    final StringBuilder said = new StringBuilder();
    final Map<String, String> env = new HashMap<>();
    Duration patience = Duration.ofMinutes(1);
    boolean terminal;
    Instant clock = NOW.to().plusSeconds(7 * 60);
    TroubledDesk desk;
    MailServer mail;

    @BeforeEach
    void start() throws IOException {
        desk(hour -> hour.equals(NOW) ? 40 : 10);
        mail = MailServer.usual();
        config("");
    }

    void desk(ToLongFunction<Hour> count) throws IOException {
        if (desk != null) {
            desk.close();
        }
        desk = new TroubledDesk(count);
    }

    /** No secret stands in anything that was said or written, in whatever form. */
    @AfterEach
    void no_secret_was_told() throws IOException {
        desk.close();
        mail.close();
        var told = new ArrayList<>(List.of(said.toString()));
        if (Files.exists(folder.resolve("out"))) {
            try (var files = Files.walk(folder.resolve("out"))) {
                for (var file : files.filter(Files::isRegularFile).toList()) {
                    told.add(Fakes.read(file));
                }
            }
        }
        for (var secret : List.of(MailServer.PASSWORD, Desk.SECRET, API_KEY, "made-up-token")) {
            for (var form : List.of(secret, Base64.getEncoder().encodeToString(secret.getBytes(UTF_8)),
                    URLEncoder.encode(secret, UTF_8))) {
                told.forEach(text -> assertFalse(text.contains(form), () -> "a secret is told: " + text));
            }
        }
    }

    private final Map<String, String> keys = new java.util.LinkedHashMap<>();

    /** Writes auth.ini: the usual one, with each {@code section/Key = value} line in place of the usual or added. */
    void config(String changes) throws IOException {
        if (keys.isEmpty()) {
            keys.putAll(Map.of("zendesk/Domain", "acme", "zendesk/ClientId", "spike", "zendesk/ClientSecret", Desk.SECRET,
                    "zendesk/RequestsPerMinute", "100000", "email/Sender", "spikes@acme.example",
                    "email/Recipient", "team@acme.example", "email/Host", "localhost", "email/Username", "spikes",
                    "email/Password", MailServer.PASSWORD, "misc/NumHours", "240"));
        }
        keys.put("zendesk/BaseUrl", desk.url());
        keys.put("email/Port", Integer.toString(mail.port()));
        changes.lines().filter(line -> !line.isBlank()).forEach(line -> keys.put(line.split(" = ", 2)[0].strip(),
                line.split(" = ", 2)[1]));
        var ini = new StringBuilder();
        keys.entrySet().stream().collect(Collectors.groupingBy(e -> e.getKey().split("/")[0])).forEach((section, those) -> {
            ini.append("[%s]\n".formatted(section));
            those.stream().filter(e -> !e.getValue().equals("-"))
                    .forEach(e -> ini.append("%s = %s\n".formatted(e.getKey().split("/")[1], e.getValue())));
        });
        Files.writeString(folder.resolve("auth.ini"), ini);
        Files.setPosixFilePermissions(folder.resolve("auth.ini"), PosixFilePermissions.fromString("rw-------"));
    }

    record Outcome(int code, String out, String err) { }

    Outcome run(String... words) {
        var out = new StringWriter();
        var err = new StringWriter();
        var world = new World(Clock.fixed(clock, ZoneOffset.UTC), time, patience, env, out, err, terminal);
        int code = SpikeNotifier.commandLine(world)
                .execute(Stream.concat(Stream.of(words), Stream.of("-c", folder.resolve("auth.ini").toString()))
                        .toArray(String[]::new));
        said.append(out).append(err);
        return new Outcome(code, out.toString(), err.toString());
    }

    /** Runs and expects that code, no trace, and at most that many lines of trouble. */
    Outcome run(Exit exit, String... words) {
        var outcome = run(words);
        assertEquals(exit.code, outcome.code(), outcome.err() + outcome.out());
        assertFalse(outcome.err().contains("\tat "), outcome.err());
        return outcome;
    }

    History history() {
        return History.open(folder.resolve("out/history.csv"), false);
    }

    /** A history with so many of the hours before NOW known, so that nothing has to be filled. */
    void known(int hours, long each) {
        Fakes.known(folder, NOW.plus(-hours), NOW, each);
    }

    void later(int hours) {
        clock = clock.plus(Duration.ofHours(hours));
    }

    List<String> files(String name) throws IOException {
        if (!Files.isDirectory(folder.resolve("out/" + name))) {
            return List.of();
        }
        try (var files = Files.list(folder.resolve("out/" + name))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Nested
    class The_job {
        @Test
        void fills_the_history_judges_the_last_hour_and_mails() throws IOException {
            var outcome = run(Exit.OK);
            assertEquals("hour=2026-11-24T13:00Z count=40 mean=10.0 limit=16.0 percent=300.0 samples=10 verdict=spike "
                    + "alert=sent\n", outcome.out());
            assertEquals("filling 240 unknown hours of the last 240 from Zendesk\n", outcome.err());
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("sent"));
            assertEquals(List.of(), files("outbox"));
            assertEquals(1, mail.received.size());
            assertEquals(241, history().counts().hours().size());
        }

        @Test
        void sends_nothing_twice_when_it_is_run_again() {
            run(Exit.OK);
            var again = run(Exit.OK, "--json");
            assertTrue(again.out().contains("\"alert\":\"already-sent\""), again.out());
            assertEquals(1, mail.received.size());
        }

        @Test
        void asks_little_when_nothing_is_missing() throws IOException {
            desk(hour -> 10);
            config("");
            known(240, 10);
            var outcome = run(Exit.OK);
            assertEquals("hour=2026-11-24T13:00Z count=10 mean=10.0 limit=16.0 percent=0.0 samples=10 verdict=calm "
                    + "alert=none\n", outcome.out());
            assertTrue(desk.requests() <= 5, "requests: " + desk.asked);
            assertEquals(0, mail.received.size());
        }

        @Test
        void prints_the_mail_and_stores_nothing_in_a_dry_run() throws IOException {
            var outcome = run(Exit.OK, "--dry-run");
            assertTrue(outcome.out().startsWith("Subject: Ticket Spike Alert! 40 tickets at Tue 24 Nov 13:00, "
                    + "300 % more than usual\n"), outcome.out());
            assertTrue(outcome.out().endsWith("alert=dry-run\n"), outcome.out());
            assertEquals(0, mail.received.size());
            assertFalse(Files.exists(folder.resolve("out/history.csv")));
            assertEquals(List.of(), files("sent"));
        }

        @Test
        void says_nothing_about_a_good_run_when_it_is_to_be_quiet() {
            var outcome = run(Exit.OK, "-q");
            assertEquals("", outcome.out() + outcome.err());
            assertEquals(1, mail.received.size());
        }

        @Test
        void shows_each_request_when_asked() {
            var outcome = run(Exit.OK, "-v");
            assertTrue(outcome.err().contains("POST " + desk.url() + "/oauth/tokens: 200"), outcome.err());
            assertTrue(outcome.err().contains("query=type:ticket created>=2026-11-24T13:00:00Z created<2026-11-24T14:00:00Z: "
                    + "200"), outcome.err());
        }

        @Test
        void gives_json_with_the_tags() {
            var outcome = run(Exit.OK, "--json");
            assertTrue(outcome.out().startsWith("{\"hour\":\"2026-11-24T13:00:00Z\",\"count\":40,\"mean\":10.0,\"limit\":16.0,"
                    + "\"percent\":300.0,\"samples\":10,\"verdict\":\"spike\",\"alert\":\"sent\",\"tags\":[{\"tag\":"
                    + "\"checkout_error\",\"count\":20,\"usual\":0.0}"), outcome.out());
        }

        @Test
        void judges_the_hour_that_is_asked_for() {
            run(Exit.OK);
            var outcome = run(Exit.OK, "--hour", "2026-11-20T05");
            assertTrue(outcome.out().startsWith("hour=2026-11-20T05:00Z count=10 "), outcome.out());
        }

        @ParameterizedTest
        @CsvSource({
                "--hour 2026-11-24T14, --hour 2026-11-24T14:00Z: is not over yet (expected 2026-11-24T13:00Z or earlier)",
                "--hour yesterday, (expected a UTC hour such as 2026-11-24T13)",
                "--hour 2026-11-24T25, (expected a UTC hour such as 2026-11-24T13)",
                "--frobnicate, Unknown option",
        })
        void refuses_a_bad_command_line_with_64(String words, String message) {
            var outcome = run(Exit.USAGE, words.split(" "));
            assertTrue(outcome.err().contains(message), outcome.err());
            assertEquals(0, desk.requests());
        }

        @Test
        void judges_after_an_outage_every_hour_that_was_missed_and_says_that_it_is_late() throws IOException {
            desk(hour -> hour.equals(NOW.plus(-3)) ? 50 : 10);
            config("");
            known(240, 10);
            var history = History.open(folder.resolve("out/history.csv"), true);
            var text = Fakes.read(folder.resolve("out/history.csv")); // the last five hours are unknown
            Files.writeString(folder.resolve("out/history.csv"),
                    text.replaceAll("(2026-11-24(,10){8})(,10){5}", "$1,,,,,"));
            assertEquals(240, history.counts().hours().size());
            assertEquals(235, history().counts().hours().size());
            var outcome = run(Exit.OK);
            assertEquals(6, outcome.out().lines().count(), outcome.out());
            assertEquals(List.of("2026-11-24T10-spike.eml", "2026-11-24T11-clear.eml"), files("sent"));
            assertTrue(mail.received.get(0).text().contains("This notice is late: the hour could not be read or the mail "
                    + "not be made before Tue 24 Nov 14:00."), mail.received.get(0).text());
        }

        @Test
        void judges_an_hour_again_that_grew_since_it_was_counted() throws IOException {
            desk(hour -> hour.equals(NOW.plus(-1)) ? 30 : 10);
            config("");
            known(240, 10);
            var outcome = run(Exit.OK);
            assertTrue(outcome.err().contains("2026-11-24T12:00Z: counted again, 30 tickets instead of 10"), outcome.err());
            assertEquals(List.of("2026-11-24T12-spike.eml", "2026-11-24T13-clear.eml"), files("sent"));
            assertEquals(30, history().at(NOW.plus(-1)).orElseThrow());
        }

        @Test
        void follows_a_clock_that_jumped_back_without_losing_what_is_stored() throws IOException {
            run(Exit.OK);
            later(-48);
            var before = history().counts().hours().size();
            assertTrue(run(Exit.OK).out().startsWith("hour=2026-11-22T13:00Z count=10 "));
            assertEquals(40, history().at(NOW).orElseThrow());
            assertTrue(history().counts().hours().size() >= before);
        }
    }

    @Nested
    class The_first_fill {
        @Test
        void reads_half_a_year_with_few_requests_in_spite_of_the_limits() throws IOException {
            ToLongFunction<Hour> count = hour -> 15 + Math.floorMod(hour.number() * 7, 16); // 22.5 on the average
            desk(count);
            desk.trouble = TroubledDesk.limits(100, 400, time);
            config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 100");
            run(Exit.OK);
            assertTrue(desk.requests() <= 110, "requests: " + desk.requests());
            var counts = history().counts();
            assertEquals(4381, counts.hours().size());
            counts.hours().forEach(hour -> assertEquals(count.applyAsLong(hour), counts.at(hour).orElseThrow()));
        }

        @Test
        void shows_a_bar_with_the_time_left_on_a_terminal() throws IOException {
            terminal = true;
            var err = run(Exit.OK).err();
            assertTrue(err.contains("\r[============                  ] 1000 of 2400 tickets, about 0:0"), err);
            assertTrue(err.endsWith("[==============================] 2400 of 2400 tickets, about 0:00 left \n"), err);
        }

        @Test
        void counts_hour_by_hour_where_that_is_cheaper() throws IOException {
            desk(hour -> 9000);
            config("misc/NumHours = 24");
            known(19, 9000);
            run(Exit.OK);
            assertEquals(25, history().counts().hours().size());
            assertTrue(desk.asked.stream().noneMatch(asked -> asked.contains("export")), desk.asked.toString());
        }

        @Test
        void goes_on_in_the_next_run_after_45_minutes() throws IOException {
            config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 1");
            desk(hour -> 1000);
            config("");
            var outcome = run(Exit.OK);
            assertTrue(outcome.err().contains("the fill took 45 minutes; the next run goes on with it"), outcome.err());
            int first = history().counts().hours().size();
            assertTrue(first > 30 && first < 300, "hours: " + first);
            later(1);
            run(Exit.OK);
            assertTrue(history().counts().hours().size() > first + 30);
        }

        @Test
        void counts_one_by_one_when_the_export_is_refused() throws IOException {
            desk.trouble = always("export", answer(422, "{\"error\":\"invalid\"}"));
            var outcome = run(Exit.OK);
            assertTrue(outcome.err().contains("export failed, so the hours are counted one by one"), outcome.err());
            assertEquals(241, history().counts().hours().size());
        }

        @Test
        void does_not_take_hours_for_empty_that_an_export_left_out() throws IOException {
            desk.trouble = (exchange, path) -> path.contains("export") && answer(200, "{\"results\":[],\"meta\":"
                    + "{\"has_more\":false},\"links\":{\"next\":null}}").takes(exchange, path);
            var outcome = run(Exit.OK);
            assertTrue(outcome.err().contains("export gave 0 of 2400 tickets"), outcome.err());
            var counts = history().counts();
            assertEquals(241, counts.hours().size());
            assertEquals(Set.of(10L, 40L), counts.hours().stream().map(hour -> counts.at(hour).orElseThrow())
                    .collect(Collectors.toSet()));
        }

        @Test
        void starts_anew_at_the_last_second_seen_when_a_cursor_has_ended() throws IOException {
            desk(hour -> 50);
            desk.trouble = first(2, "export", (exchange, path) -> exchange.getRequestURI().toString().contains("after")
                    && answer(400, "{\"error\":\"InvalidCursor\"}").takes(exchange, path));
            config("");
            run(Exit.OK);
            var counts = history().counts();
            assertEquals(241, counts.hours().size());
            counts.hours().forEach(hour -> assertEquals(50, counts.at(hour).orElseThrow()));
        }

        @Test
        void asks_for_smaller_pages_when_big_ones_are_too_slow_for_zendesk() throws IOException {
            desk.trouble = (exchange, path) -> exchange.getRequestURI().toString().contains("size%5D=1000")
                    && answer(504, "<html>Gateway Time-out</html>").takes(exchange, path);
            run(Exit.OK);
            assertEquals(241, history().counts().hours().size());
            assertTrue(desk.asked.stream().anyMatch(asked -> asked.contains("size%5D=100&")), desk.asked.toString());
        }
    }

    @Nested
    class Zendesk_in_trouble {
        @ParameterizedTest
        @CsvSource(delimiter = '|', value = {
                "429 | Number of allowed API requests per minute exceeded | 7 | 7000",
                "429 | {\"error\":\"APIRateLimitExceeded\",\"description\":\"too many\"} | 3 | 3000",
                "503 | | 5 | 5000",
                "503 | {\"error\":{\"title\":\"Down\",\"message\":\"maintenance\"}} | | 1000",
                "500 | <html>Oops</html> | | 1000",
                "502 | | | 1000",
                "409 | Conflict | | 1000",
                "200 | {\"error\":\"unavailable\",\"description\":\"Sorry, we could not complete your search query.\"} | | 1000",
                "400 | {\"error\":\"unavailable\",\"description\":\"Sorry, we could not complete your search query.\"} | | 1000",
        })
        void waits_and_asks_again(int status, String body, Integer retryAfter, long wait) throws IOException {
            known(240, 10);
            desk.trouble = first(1, "count", retryAfter == null ? answer(status, body == null ? "" : body)
                    : answer(status, body == null ? "" : body, "Retry-After", retryAfter.toString()));
            run(Exit.OK);
            assertEquals(40, history().at(NOW).orElseThrow());
            assertTrue(time.waits.stream().anyMatch(each -> each >= wait && each < wait + 500), time.waits.toString());
        }

        @Test
        void asks_again_after_an_answer_that_was_cut_off() throws IOException {
            known(240, 10);
            desk.trouble = first(4, "count", Trouble.cutOff());
            run(Exit.OK);
            assertEquals(40, history().at(NOW).orElseThrow());
        }

        @Test
        void gives_up_after_five_tries_and_leaves_the_hour_unknown() throws IOException {
            known(240, 10);
            desk.trouble = always("count", answer(503, "{\"error\":{\"title\":\"Down\",\"message\":\"for maintenance\"}}"));
            var outcome = run(Exit.ZENDESK);
            assertEquals("127.0.0.1: answers 503 Down: for maintenance (tried 5 times)\n", outcome.err());
            assertTrue(history().at(NOW).isEmpty());
            assertEquals(6, desk.requests(), desk.asked.toString());
            assertTrue(time.waits.stream().mapToLong(Long::longValue).sum() < 20_000, time.waits.toString());
        }

        @Test
        void does_not_wait_for_an_hour_because_it_is_told_to() throws IOException {
            known(240, 10);
            desk.trouble = always("count", answer(429, "", "Retry-After", "3600"));
            run(Exit.ZENDESK);
            assertTrue(time.waits.stream().allMatch(wait -> wait == 0), time.waits.toString());
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', value = {
                "401 | {\"error\":\"Couldn't authenticate you\"} | 77 | 401 Couldn't authenticate you (check ClientId and ClientSecret)",
                "403 | {\"error\":{\"title\":\"Forbidden\",\"message\":\"You do not have access to this page.\"}} | 77 | 403 Forbidden: You do not have access to this page. (the client's user must be an admin or an agent with access to all tickets)",
                "404 | {\"error\":{\"title\":\"No help desk at acme.zendesk.com\",\"message\":\"There is no help desk configured at this address.\"}} | 69 | (check Domain)",
                "404 | {\"error\":\"RecordNotFound\",\"description\":\"Not found\"} | 69 | 404 RecordNotFound: Not found (check Domain)",
                "404 | | 69 | 404  (check Domain)",
                "422 | {\"error\":\"RecordInvalid\",\"description\":\"Record validation errors\",\"details\":{\"base\":[{\"description\":\"Subject: is too long\"}]}} | 69 | 422 RecordInvalid: Record validation errors: Subject: is too long (check Query)",
                "400 | {\"errors\":[{\"code\":\"BadRequest\",\"title\":\"Invalid\",\"detail\":\"page must be an integer\"}]} | 69 | 400 Invalid: page must be an integer (check Query)",
                "418 | a teapot | 69 | 418 a teapot",
        })
        void says_of_a_refusal_what_to_do(int status, String body, int code, String message) throws IOException {
            known(240, 10);
            desk.trouble = always("count", answer(status, body == null ? "" : body));
            var outcome = run();
            assertEquals(code, outcome.code());
            assertEquals(1, outcome.err().lines().count(), outcome.err());
            assertTrue(outcome.err().contains(message), outcome.err());
            assertEquals(2, desk.requests());
        }

        @ParameterizedTest
        @ValueSource(strings = {"{\"count\":\"12\"}", "{\"count\":12.5}", "{\"count\":-1}", "{\"count\":null}", "{}", "[]",
                "null", "", "12", "{\"count\":1e400}", "{\"count\":99999999999999999999}", "{\"count\":12}{\"count\":13}",
                "{\"count\":{\"value\":12,\"refreshed_at\":null}}", "{\"count\":true}", "{\"count\":[12]}", "{\"count\":1"})
        void never_takes_nonsense_for_a_count(String body) throws IOException {
            known(240, 10);
            var before = Fakes.read(folder.resolve("out/history.csv"));
            desk.trouble = always("count", answer(200, body));
            var outcome = run(Exit.ZENDESK);
            assertEquals(1, outcome.err().lines().count(), outcome.err());
            assertEquals(before, Fakes.read(folder.resolve("out/history.csv")));
        }

        @Test
        void says_of_a_web_page_that_no_api_is_there() throws IOException {
            known(240, 10);
            desk.trouble = always("count", answer(200, "<!DOCTYPE html><title>Help Center Closed</title>",
                    "Content-Type", "text/html; charset=utf-8"));
            assertTrue(run(Exit.ZENDESK).err().contains("answers with a web page, not JSON: no Zendesk API is at this "
                    + "address, or the account is closed"));
        }

        @Test
        void follows_no_redirect() throws IOException {
            known(240, 10);
            try (var elsewhere = new RawServer(socket -> { })) {
                desk.trouble = always("count", answer(301, "", "Location", elsewhere.url() + "/api"));
                var outcome = run(Exit.ZENDESK);
                assertTrue(outcome.err().contains("301 redirect to " + elsewhere.url() + "/api (not followed; set Domain to "
                        + "the account's own subdomain)"), outcome.err());
                assertEquals(0, elsewhere.connections.get());
            }
        }

        @Test
        void follows_no_next_page_to_another_host_and_mails_what_it_has() throws IOException {
            desk(hour -> hour.equals(NOW) ? 250 : 10);
            config("");
            known(240, 10);
            try (var elsewhere = new RawServer(socket -> { })) {
                desk.trouble = first(1, "search.json", answer(200, """
                        {"count":250,"next_page":"%s/api/v2/search.json?page=2","results":[{"id":1,"result_type":"ticket",
                        "created_at":"2026-11-24T13:00:00Z","tags":["one"]},{"id":2,"result_type":"user"}]}"""
                        .formatted(elsewhere.url())));
                run(Exit.OK);
                assertEquals(0, elsewhere.connections.get());
            }
            assertTrue(mail.received.get(0).text().contains("Ranked from 1 of 250 tickets (acme.zendesk.com: its next page "
                    + "is at another host, 127.0.0.1: refused, nothing was sent there); 0 carry no tag."),
                    mail.received.get(0).text());
        }

        @Test
        void bounds_an_answer_that_never_comes() throws IOException {
            known(240, 10);
            patience = Duration.ofMillis(300);
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
            patience = Duration.ofMillis(300);
            try (var dripping = new RawServer(socket -> {
                socket.getOutputStream().write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".getBytes(UTF_8));
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
        void says_that_the_connection_was_reset() throws IOException {
            known(240, 10);
            try (var resetting = new RawServer(socket -> {
                socket.getInputStream().read();
                socket.setSoLinger(true, 0);
            })) {
                config("zendesk/BaseUrl = " + resetting.url());
                var outcome = run(Exit.ZENDESK);
                assertTrue(outcome.err().startsWith("127.0.0.1: ") && outcome.err().endsWith("(tried 5 times)\n"),
                        outcome.err());
            }
        }

        @Test
        void says_that_there_is_no_such_host() throws IOException {
            known(240, 10);
            config("zendesk/BaseUrl = https://no-such-host.invalid");
            assertEquals("no-such-host.invalid: no such host (tried 5 times)\n", run(Exit.ZENDESK).err());
        }

        @ParameterizedTest
        @ValueSource(strings = {"expired", "other", "untrusted"})
        void refuses_a_certificate_that_is(String alias) throws IOException {
            known(240, 10);
            var server = HttpsServer.create(new java.net.InetSocketAddress("localhost", 0), 0);
            server.setHttpsConfigurator(new HttpsConfigurator(Certificates.context(alias)));
            server.createContext("/", exchange -> said.append("reached"));
            server.start();
            try {
                config("zendesk/BaseUrl = https://localhost:" + server.getAddress().getPort());
                var outcome = run(Exit.ZENDESK);
                assertTrue(outcome.err().startsWith("localhost: its certificate is refused: "), outcome.err());
                assertEquals(1, outcome.err().lines().count(), outcome.err());
                assertFalse(said.toString().contains("reached"));
            } finally {
                server.stop(0);
            }
        }

        @Test
        void reads_gzip_and_chunks() throws IOException {
            known(240, 10);
            desk.trouble = always("count", (exchange, path) -> {
                var zipped = new ByteArrayOutputStream();
                try (var gzip = new GZIPOutputStream(zipped)) {
                    gzip.write("{\"count\":12}".getBytes(UTF_8));
                }
                exchange.getResponseHeaders().set("Content-Encoding", "gzip");
                exchange.sendResponseHeaders(200, 0); // chunked
                exchange.getResponseBody().write(zipped.toByteArray());
                return true;
            });
            run(Exit.OK);
            assertEquals(12, history().at(NOW).orElseThrow());
        }

        @Test
        void waits_when_others_have_nearly_used_up_the_limit() throws IOException {
            known(240, 10);
            desk.trouble = first(1, "count", answer(200, "{\"count\":10}", "ratelimit-limit", "400", "ratelimit-remaining",
                    "12", "ratelimit-reset", "33"));
            run(Exit.OK);
            assertTrue(time.waits.stream().anyMatch(wait -> wait > 30_000 && wait <= 33_000), time.waits.toString());
        }

        @Test
        void keeps_to_its_own_ceiling() throws IOException {
            desk(hour -> 1000);
            config("misc/NumHours = 100\nzendesk/RequestsPerMinute = 60");
            known(50, 1000);
            run(Exit.OK);
            double minutes = time.nanos() / 60e9;
            assertTrue(desk.requests() - 12 <= 60 * minutes, desk.requests() + " requests in " + minutes + " minutes");
        }

        @Test
        void signs_in_anew_before_the_token_ends() throws IOException {
            desk(hour -> 1000);
            config("misc/NumHours = 4380\nzendesk/RequestsPerMinute = 2");
            run(Exit.OK); // 45 minutes, where a token lives 30
            assertEquals(2, desk.asked.stream().filter(asked -> asked.contains("/oauth/tokens")).count());
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', value = {
                "401 | {\"error\":\"invalid_client\",\"error_description\":\"Client authentication failed\"} | 77 | [zendesk]: 127.0.0.1 answers 401 invalid_client: Client authentication failed (check ClientId, ClientSecret and scope)",
                "400 | {\"error\":\"invalid_scope\"} | 77 | [zendesk]: 127.0.0.1 answers 400 invalid_scope (check ClientId, ClientSecret and scope)",
                "200 | {} | 69 | no access_token in its answer",
                "200 | null | 69 | an empty answer",
        })
        void says_why_the_sign_in_failed(int status, String body, int code, String message) {
            desk.trouble = always("tokens", answer(status, body));
            var outcome = run();
            assertEquals(code, outcome.code(), outcome.err());
            assertTrue(outcome.err().contains(message), outcome.err());
        }

        /** A server may echo what it was sent; the test's end looks for every secret. */
        @Test
        void may_tell_secrets_but_they_go_no_further() throws IOException {
            known(240, 10);
            desk.trouble = always("count", answer(403, "{\"error\":\"no access for %s with %s and %s\"}".formatted(Desk.SECRET,
                    MailServer.PASSWORD.replace("\\", "\\\\"), URLEncoder.encode(MailServer.PASSWORD, UTF_8))));
            assertTrue(run(Exit.REFUSED, "-v").err().contains("no access for *** with *** and ***"), said.toString());
        }

        @Test
        void signs_in_with_an_older_api_token_and_says_when_they_end() throws IOException {
            config("zendesk/ClientId = -\nzendesk/ClientSecret = -\nzendesk/Credentials = agent@acme.example/token:" + API_KEY);
            known(240, 10);
            var basic = "Basic " + Base64.getEncoder().encodeToString(("agent@acme.example/token:" + API_KEY).getBytes(UTF_8));
            var given = new HashSet<String>();
            desk.trouble = (exchange, path) -> given.add(exchange.getRequestHeaders().getFirst("Authorization"))
                    && false || answer(200, "{\"count\":10}").takes(exchange, path);
            assertEquals("", run(Exit.OK).err());
            assertEquals(Set.of(basic), given);
            desk.trouble = always("", answer(401, "{\"error\":\"Couldn't authenticate you\"}"));
            assertTrue(run(Exit.REFUSED).err().contains("all end on 30 Apr 2027: make an OAuth client"));
            clock = Instant.parse("2027-01-02T10:00:00Z");
            assertTrue(run().err().startsWith("[zendesk] Credentials: Zendesk ends API tokens on 30 Apr 2027"));
        }

        /** A thousand bodies of each kind, cut anywhere, of wrong types, huge or deep: never a trace or a wrong count. */
        @ParameterizedTest
        @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
                "oauth/tokens  | {\"access_token\":\"made-up-token\",\"expires_in\":1800}",
                "search/count  | {\"count\":10}",
                "search.json   | {\"count\":40,\"next_page\":null,\"results\":[{\"id\":1,\"created_at\":\"2026-11-24T13:00:00Z\",\"tags\":[\"a\",\"b\"],\"subject\":null,\"requester_id\":5,\"result_type\":\"ticket\"}]}",
                "search/export | {\"results\":[{\"id\":1,\"created_at\":\"2026-11-24T13:00:00Z\"}],\"links\":{\"next\":null},\"meta\":{\"has_more\":false}}",
        })
        void survives_a_thousand_broken_bodies(String path, String good) throws IOException {
            var chance = new Random(20261124);
            var account = new Account("acme.zendesk.com", java.net.URI.create(desk.url()),
                    java.util.Optional.of(new Client("spike", Desk.SECRET)), java.util.Optional.empty(), "", 100_000);
            var world = new World(Clock.fixed(clock, ZoneOffset.UTC), time, patience, env, new StringWriter(),
                    new StringWriter(), false);
            var zendesk = new Zendesk(account, world);
            for (int i = 0; i < 1000; i++) {
                var broken = answer(200, broken(good, chance));
                var refused = answer(403, "no more");
                var met = new AtomicInteger();
                desk.trouble = (exchange, at) -> at.contains(path) && (met.incrementAndGet() == 1 ? broken : refused)
                        .takes(exchange, at);
                try {
                    switch (path) {
                        case "oauth/tokens" -> assertEquals(40, new Zendesk(account, world).count(NOW));
                        case "search/count" -> assertEquals(10, zendesk.count(NOW));
                        default -> zendesk.tickets(NOW, path.equals("search.json") ? 40 : 1040, new Tally(List.of())::add);
                    }
                } catch (Fault expected) {
                    assertEquals(1, expected.getMessage().lines().count(), expected.getMessage());
                }
            }
        }

        private String broken(String body, Random chance) {
            int at = chance.nextInt(body.length());
            return switch (chance.nextInt(6)) {
                case 0 -> body.substring(0, at);
                case 1 -> body.substring(0, at) + (char) (58 + chance.nextInt(60)) + body.substring(at).replaceAll("\\d", "x");
                case 2 -> body.replaceAll(":(\\d+|\"[^\"]*\"|null)", ":{\"x\":[$1]}");
                case 3 -> body.replaceAll("\\d+", "1e" + (300 + chance.nextInt(900)));
                case 4 -> "[".repeat(5000) + body;
                default -> body.replaceAll("\\[|\\{", "[");
            };
        }
    }

    @Nested
    class The_tickets_of_a_spike {
        @Test
        void make_a_mail_that_is_enough_to_act_on() throws IOException {
            config("spike/TimeZone = Europe/Berlin\nzendesk/Query = brand:shop");
            known(240, 10);
            run(Exit.OK);
            assertEquals("""
                    40 tickets were created from Tue 24 Nov 14:00-15:00 Europe/Berlin (Tue 24 Nov 13:00-14:00 UTC).

                    Usual for that hour: 10.0, so this is 300 % more than usual. None of the 10 earlier hours that it is compared with held as many.

                    Most frequent tags (tickets, usual)
                      checkout_error        20      0.0      NEW
                      vip                   14      4.0    risen
                      mobile_app             6      0.0      NEW
                      billing                5      0.0      NEW
                      shipping               4      0.0      NEW
                      feature_request        2      5.0
                      refund                 2      2.0
                      login                  1      3.0

                    Ranked from all 40 tickets; 0 carry no tag.

                    Usual: the mean of the same hour in 1 of the last weeks.

                    40 requesters wrote them; the busiest wrote 1 (3 %).

                    The last 24 hours (tickets, # tickets, | usual)
                      Mon 23 Nov 15:00       10  #######|
                      Mon 23 Nov 16:00       10  #######|
                      Mon 23 Nov 17:00       10  #######|
                      Mon 23 Nov 18:00       10  #######|
                      Mon 23 Nov 19:00       10  #######|
                      Mon 23 Nov 20:00       10  #######|
                      Mon 23 Nov 21:00       10  #######|
                      Mon 23 Nov 22:00       10  #######|
                      Mon 23 Nov 23:00       10  #######|
                      Tue 24 Nov 00:00       10  #######|
                      Tue 24 Nov 01:00       10  #######|
                      Tue 24 Nov 02:00       10  #######|
                      Tue 24 Nov 03:00       10  #######|
                      Tue 24 Nov 04:00       10  #######|
                      Tue 24 Nov 05:00       10  #######|
                      Tue 24 Nov 06:00       10  #######|
                      Tue 24 Nov 07:00       10  #######|
                      Tue 24 Nov 08:00       10  #######|
                      Tue 24 Nov 09:00       10  #######|
                      Tue 24 Nov 10:00       10  #######|
                      Tue 24 Nov 11:00       10  #######|
                      Tue 24 Nov 12:00       10  #######|
                      Tue 24 Nov 13:00       10  #######|
                      Tue 24 Nov 14:00       40  #######|######################

                    The first tickets
                      https://acme.zendesk.com/agent/tickets/4987570000000  Question number 0
                      https://acme.zendesk.com/agent/tickets/4987570000001  Question number 1
                      https://acme.zendesk.com/agent/tickets/4987570000002  Question number 2
                      https://acme.zendesk.com/agent/tickets/4987570000003  Question number 3
                      https://acme.zendesk.com/agent/tickets/4987570000004  Question number 4

                    Why this mail: the rule "mean" calls more than 16.0 tickets a spike: 60 % over the mean of the same hour of day in 10 samples.

                    All tickets of the hour: https://acme.zendesk.com/agent/search/1?type=ticket&q=created%3E%3D2026-11-24T13%3A00%3A00Z+created%3C2026-11-24T14%3A00%3A00Z+brand%3Ashop
                    """, mail.received.get(0).text());
        }

        @ParameterizedTest
        @CsvSource({"250, search.json", "1000, search.json", "2500, search/export.json"})
        void are_read_whole(long count, String way) throws IOException {
            desk(hour -> hour.equals(NOW) ? count : 10);
            config("");
            known(240, 10);
            run(Exit.OK);
            assertTrue(mail.received.get(0).text().contains("Ranked from all %d tickets; 0 carry no tag.".formatted(count)),
                    mail.received.get(0).text());
            assertTrue(mail.received.get(0).text().matches("(?s).*  checkout_error +%d +0.0 +NEW\n.*".formatted(count - 20)),
                    mail.received.get(0).text());
            assertTrue(desk.asked.stream().anyMatch(asked -> asked.contains(way)));
        }

        @Test
        void count_once_when_a_page_repeats_them() throws IOException {
            known(240, 10);
            desk.trouble = first(2, "search.json", (exchange, path) -> {
                boolean second = exchange.getRequestURI().toString().contains("page=2");
                return answer(200, "{\"count\":3,\"next_page\":%s,\"results\":[%s]}".formatted(second ? "null" : "\"" + desk.url()
                        + "/api/v2/search.json?page=2\"", second ? ticket(2, "b") + "," + ticket(3, "b") : ticket(1, "a")
                        + "," + ticket(2, "b"))).takes(exchange, path);
            });
            run(Exit.OK);
            assertTrue(mail.received.get(0).text().contains("  b        2"), mail.received.get(0).text());
        }

        @Test
        void are_not_read_in_circles() throws IOException {
            known(240, 10);
            desk.trouble = always("search.json", answer(200, "{\"count\":40,\"next_page\":\"%s/api/v2/search.json?page=2\","
                    .formatted(desk.url()) + "\"results\":[%s]}".formatted(ticket(1, "a"))));
            run(Exit.OK);
            assertTrue(mail.received.get(0).text().contains("Ranked from 1 of 40 tickets (acme.zendesk.com: a next page that was "
                    + "read already); 0 carry no tag."), mail.received.get(0).text());
        }

        @Test
        void are_told_with_the_weekly_rules_own_reason() throws IOException {
            config("spike/Rule = weekly");
            known(24 * 7 * 5, 10);
            run(Exit.OK);
            assertTrue(mail.received.get(0).text().contains("Why this mail: the rule \"weekly\" calls 21 tickets or more a "
                    + "spike: 3.0 of the hour's usual deviations (3.5) over its mean of 5 samples; this hour is at 8.7."),
                    mail.received.get(0).text());
        }

        private String ticket(int id, String tag) {
            return "{\"id\":%d,\"created_at\":\"2026-11-24T13:00:0%dZ\",\"result_type\":\"ticket\",\"tags\":[\"%s\"]}"
                    .formatted(id, id, tag);
        }

        /** 40 tickets on plan_gold, 12 of them on an outage; a week ago 20 on plan_gold alone. */
        @Test
        void show_what_has_risen_where_standing_tags_lead() throws IOException {
            desk(hour -> hour.equals(NOW) ? 40 : 20);
            desk.trouble = (exchange, path) -> {
                boolean now = exchange.getRequestURI().toString().contains("2026-11-24T13");
                var tickets = IntStream.range(0, now ? 40 : 20).mapToObj(i -> "{\"id\":%d,\"created_at\":\"2026-11-24T13:00:00Z\","
                        .formatted(i) + "\"requester_id\":%d,\"tags\":[%s]}".formatted(i < 10 ? 1 : i, i > 37 ? "" : now && i < 12
                        ? "\"plan_gold\",\"Outage & more\"" : "\"plan_gold\"")).collect(Collectors.joining(","));
                return path.contains("search.json") && answer(200, "{\"count\":40,\"results\":[" + tickets + "]}")
                        .takes(exchange, path);
            };
            config("misc/NumTags = 1");
            known(240, 20);
            run(Exit.OK);
            var text = mail.received.get(0).text();
            assertTrue(text.contains("""
                    Most frequent tags (tickets, usual)
                      plan_gold       38     20.0

                    Risen most (tickets, usual)
                      Outage & more       12      0.0      NEW

                    Ranked from all 40 tickets; 2 carry no tag.

                    Usual: the mean of the same hour in 1 of the last weeks.

                    31 requesters wrote them; the busiest wrote 10 (25 %).
                    """), text);
            assertTrue(mail.received.get(0).part(1).contains("<a href=\"https://acme.zendesk.com/agent/search/1?type=ticket&amp;q="
                    + "created%3E%3D2026-11-24T13%3A00%3A00Z+created%3C2026-11-24T14%3A00%3A00Z+tags%3A%22Outage+%26+more%22\">"
                    + "Outage &amp; more</a>"), mail.received.get(0).part(1));
        }

        @Test
        void go_out_unranked_rather_than_not_at_all() throws IOException {
            known(240, 10);
            desk.trouble = always("search.json", answer(500, ""));
            assertTrue(run(Exit.OK).out().contains("alert=sent"));
            assertTrue(mail.received.get(0).text().contains("Ranked from 0 of 40 tickets (127.0.0.1: answers 500 (tried 5 "
                    + "times)); 0 carry no tag."), mail.received.get(0).text());
        }

        @Test
        void are_shown_without_their_usual_when_that_cannot_be_read() throws IOException {
            known(240, 10);
            desk.trouble = (exchange, path) -> path.contains("search.json") && exchange.getRequestURI().toString()
                    .contains("2026-11-17") && answer(500, "").takes(exchange, path);
            run(Exit.OK);
            var text = mail.received.get(0).text();
            assertTrue(text.contains("The usual counts of the tags are not known (127.0.0.1: answers 500"), text);
            assertTrue(text.contains("Ranked from all 40 tickets"), text);
        }

        @Test
        void cannot_put_markup_or_line_breaks_into_the_mail() throws IOException {
            known(240, 10);
            desk.trouble = first(1, "search.json", answer(200, """
                    {"count":1,"results":[{"id":8,"created_at":"2026-11-24T13:00:01Z","result_type":"ticket","subject":"%s",
                    "tags":[]},{"id":7,"created_at":"2026-11-24T13:00:00Z","result_type":"ticket","subject":
                    "<script>x</script>\\r\\nBcc: all@example.com \\u202eevil","tags":["<b>&\\"'"]}]}""".formatted("long ".repeat(1000))));
            run(Exit.OK);
            var html = mail.received.get(0).part(1);
            assertTrue(html.contains("&lt;script&gt;x&lt;/script&gt; Bcc: all@example.com  evil"), html);
            assertTrue(html.contains("&lt;b&gt;&amp;&quot;&#39;"), html);
            assertFalse(html.contains("<script"), html);
            assertTrue(mail.received.get(0).text().contains("/8  " + "long ".repeat(20) + "...\n"), mail.received.get(0).text());
            assertNull(mail.received.get(0).header("Bcc"));
        }

        @Test
        void fit_into_64_megabytes_by_the_hundred_thousand() throws IOException, InterruptedException {
            var hour = Hour.lastFull(Clock.systemUTC());
            desk(each -> each.compareTo(hour) >= 0 ? 100_000 : 10);
            config("");
            var run = Fakes.child(folder, "-Xmx64m");
            assertTrue(run.waitFor(5, TimeUnit.MINUTES));
            assertEquals(0, run.exitValue(), Fakes.read(folder.resolve("child")));
            assertTrue(mail.received.get(0).text().contains("Ranked from all 100000 tickets"), mail.received.get(0).text());
            assertTrue(mail.received.get(0).text().matches("(?s).*  checkout_error +99980 .*"), mail.received.get(0).text());
        }
    }

    @Nested
    class Delivery {
        @BeforeEach
        void nothing_to_fill() throws IOException {
            known(240, 10);
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', value = {
                "451 | 75 | 451 try again later",
                "554 | 75 | 554 no spam here",
        })
        void waits_in_the_outbox_when_the_server_says_no(int code, int exit, String message) throws IOException {
            mail.mood = (stage, what) -> {
                if (stage.equals("data")) {
                    throw new RejectException(code, message.substring(4));
                }
            };
            var outcome = run();
            assertEquals(exit, outcome.code());
            assertTrue(outcome.out().endsWith("alert=queued\n"), outcome.out());
            assertTrue(outcome.err().contains("[email] localhost:%d: ".formatted(mail.port())), outcome.err());
            assertTrue(outcome.err().contains(message), outcome.err());
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("outbox"));
            mail.mood = (stage, what) -> { };
            later(1);
            assertTrue(run(Exit.OK).err().contains("2026-11-24T13-spike.eml: waits in the outbox, trying again"));
            assertEquals(List.of(), files("outbox"));
            assertEquals("<2026-11-24T13-spike@spike-notifier.acme.zendesk.com>", mail.received.get(0).header("Message-ID"));
        }

        @Test
        void waits_when_the_server_drops_the_line_or_is_not_there() throws IOException {
            mail.mood = (stage, what) -> {
                throw new DropConnectionException("bye");
            };
            run(Exit.TRY_LATER);
            mail.close();
            run(Exit.TRY_LATER);
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("outbox"));
        }

        @Test
        void waits_when_the_server_says_nothing_or_drips() throws IOException {
            desk.trouble = (exchange, path) -> path.contains("count") && answer(200, "{\"count\":40}").takes(exchange, path);
            run(Exit.OK);
            patience = Duration.ofSeconds(3);
            var never = new CountDownLatch(1);
            try (var silent = new RawServer(socket -> never.await(1, TimeUnit.MINUTES));
                    var dripping = new RawServer(socket -> {
                        for (int i = 0; i < 300; i++) {
                            socket.getOutputStream().write('2');
                            Thread.sleep(200);
                        }
                    })) {
                for (var server : List.of(silent, dripping)) {
                    later(1);
                    config("email/Port = " + server.url().replaceAll(".*:", ""));
                    assertTrue(run(Exit.TRY_LATER).err().contains("[email] localhost:" + server.url().replaceAll(".*:", "")));
                }
            }
            never.countDown();
            assertEquals(2, files("outbox").size());
        }

        @Test
        void never_speaks_in_the_clear() throws IOException {
            mail.close();
            mail = new MailServer(null, MailServer.byPassword()); // no STARTTLS
            config("");
            var outcome = run(Exit.TRY_LATER);
            assertTrue(outcome.err().contains("STARTTLS is required but"), outcome.err());
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("outbox"));
        }

        @Test
        void speaks_tls_from_the_start_on_a_port_for_that() throws IOException {
            mail.close();
            mail = new MailServer(Certificates.context("good"), MailServer.byPassword(), true);
            config("email/Security = tls");
            run(Exit.OK);
            assertEquals(1, mail.received.size());
            mail.close();
            mail = new MailServer(Certificates.context("other"), MailServer.byPassword(), true);
            config("email/Security = tls");
            later(1);
            desk.trouble = (exchange, path) -> path.contains("count") && answer(200, "{\"count\":40}").takes(exchange, path);
            run(Exit.TRY_LATER);
            assertEquals(0, mail.received.size());
        }

        @Test
        void needs_no_sign_in_where_none_is_asked_for() throws IOException {
            mail.close();
            mail = new MailServer(null, null);
            config("email/Security = none\nemail/Password = -");
            run(Exit.OK);
            assertEquals(1, mail.received.size());
        }

        @ParameterizedTest
        @ValueSource(strings = {"expired", "other", "untrusted"})
        void refuses_a_mail_servers_certificate_that_is(String alias) throws IOException {
            mail.close();
            mail = new MailServer(Certificates.context(alias), MailServer.byPassword());
            config("");
            var outcome = run(Exit.TRY_LATER);
            assertEquals(1, outcome.err().lines().count(), outcome.err());
            assertEquals(0, mail.received.size());
        }

        @Test
        void says_who_was_refused_by_the_mail_server() throws IOException {
            config("email/Password = wrong-password");
            var outcome = run(Exit.REFUSED);
            assertTrue(outcome.err().contains("refuses the sign-in of spikes: "), outcome.err());
            assertTrue(outcome.err().contains("Gmail wants an app password"), outcome.err());
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("outbox"));
            assertEquals(40, history().at(NOW).orElseThrow());
        }

        @Test
        void reaches_the_others_when_one_recipient_is_refused() throws IOException {
            config("email/Recipient = gone@acme.example, team@acme.example");
            mail.mood = (stage, what) -> {
                if (what.startsWith("gone")) {
                    throw new RejectException(550, "no such user");
                }
            };
            var outcome = run(Exit.OK);
            assertTrue(outcome.err().contains("refuses some of them"), outcome.err());
            assertEquals(List.of("team@acme.example"), mail.received.stream().map(Received::recipient).toList());
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("sent"));
        }

        @Test
        void goes_on_with_others_when_all_recipients_of_one_are_refused() throws IOException {
            mail.mood = (stage, what) -> {
                if (stage.equals("recipient")) {
                    throw new RejectException(550, "no such user");
                }
            };
            run(Exit.TRY_LATER);
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("outbox"));
        }

        @Test
        void reaches_several_recipients() throws IOException {
            config("email/Recipient = [\"a@acme.example\", \"b@acme.example\"]");
            run(Exit.OK);
            assertEquals(List.of("a@acme.example", "b@acme.example"), mail.received.stream().map(Received::recipient).toList());
            assertEquals("spikes@acme.example", mail.received.get(0).header("From"));
            assertEquals("auto-generated", mail.received.get(0).header("Auto-Submitted"));
            assertEquals("Tue, 24 Nov 2026 14:07:00 +0000", mail.received.get(0).header("Date")
                    .replace("(UTC)", "").strip());
        }

        @Test
        void signs_in_by_oauth_where_passwords_have_ended() throws IOException {
            mail.close();
            mail = new MailServer(Certificates.context("good"), MailServer.byToken("token-for-mail"));
            var form = new ArrayList<String>();
            desk.trouble = (exchange, path) -> path.equals("/tenant/token") && form.add(new String(
                    exchange.getRequestBody().readAllBytes(), UTF_8)) && answer(200, "{\"access_token\":\"token-for-mail\","
                    + "\"expires_in\":3599,\"token_type\":\"Bearer\"}").takes(exchange, path);
            config("email/TokenUrl = %s/tenant/token\nemail/ClientId = app\nemail/ClientSecret = s&cret\nemail/Scope = https://outlook.example/.default"
                    .formatted(desk.url()));
            run(Exit.OK);
            assertEquals(1, mail.received.size());
            assertEquals(Set.of("grant_type=client_credentials", "client_id=app", "client_secret=s%26cret",
                    "scope=https%3A%2F%2Foutlook.example%2F.default"), Set.of(form.get(0).split("&")));
        }

        @Test
        void waits_when_the_token_for_mail_cannot_be_had() throws IOException {
            desk.trouble = always("/tenant/token", answer(503, ""));
            config("email/TokenUrl = %s/tenant/token\nemail/ClientId = app\nemail/ClientSecret = s&cret".formatted(desk.url()));
            assertTrue(run(Exit.TRY_LATER).err().contains("2026-11-24T13-spike.eml waits in the outbox"));
        }

        @Test
        void is_refused_for_another_account_in_the_same_folder() throws IOException {
            run(Exit.OK);
            config("zendesk/Domain = other");
            assertTrue(run(Exit.CONFIG).err().contains("was sent for another account (expected a folder of its own for each "
                    + "account's auth.ini)"));
        }

        @Test
        void goes_to_the_webhook_too_and_waits_when_that_is_down() throws IOException {
            var posted = new ArrayList<String>();
            var up = new AtomicInteger();
            try (var hook = new Hook(exchange -> {
                posted.add(new String(exchange.getRequestBody().readAllBytes(), UTF_8));
                exchange.sendResponseHeaders(up.get() == 0 ? 404 : 200, -1);
            })) {
                config("webhook/Url = %s/services/T000/B000/webhook-secret".formatted(hook.url()));
                var outcome = run(Exit.TRY_LATER);
                assertFalse(outcome.err().contains("webhook-secret"), outcome.err());
                assertTrue(outcome.out().contains("alert=sent"), outcome.out());
                assertEquals(List.of("2026-11-24T13-spike.json"), files("outbox"));
                up.set(1);
                later(1);
                run(Exit.OK);
                assertTrue(posted.get(1).startsWith("{\"text\":\"Ticket Spike Alert! 40 tickets at Tue 24 Nov 13:00"), posted.get(1));
                assertEquals(List.of(), files("outbox"));
            }
        }

        @Test
        void is_watched_by_a_ping_after_each_run() throws IOException {
            var pinged = new ArrayList<String>();
            try (var hook = new Hook(exchange -> {
                pinged.add(exchange.getRequestURI().getPath());
                exchange.sendResponseHeaders(200, -1);
            })) {
                config("monitor/PingUrl = %s/ping/uuid".formatted(hook.url()));
                run(Exit.OK);
                desk.trouble = always("count", answer(403, ""));
                run(Exit.REFUSED);
                assertEquals(List.of("/ping/uuid", "/ping/uuid/fail"), pinged);
            }
            desk.trouble = Trouble.NONE;
            assertTrue(run(Exit.OK).err().contains("[monitor] PingUrl: 127.0.0.1 not reached"));
        }

        /** A mail may go out just before a crash and again after it: then the Message-ID is the same. */
        @Test
        void repeats_a_mail_with_the_same_id_when_it_cannot_know() throws IOException {
            run(Exit.OK);
            Files.move(folder.resolve("out/sent/2026-11-24T13-spike.eml"), folder.resolve("out/outbox/2026-11-24T13-spike.eml"));
            run(Exit.OK);
            assertEquals(2, mail.received.size());
            assertEquals(mail.received.get(0).header("Message-ID"), mail.received.get(1).header("Message-ID"));
        }

        @Test
        void forgets_the_ledger_after_half_a_year() throws IOException {
            Files.createDirectories(folder.resolve("out/sent"));
            for (var name : List.of("2026-05-20T13-spike.eml", "2026-05-30T13-spike.eml", "notes.txt")) {
                Files.writeString(folder.resolve("out/sent").resolve(name), "");
            }
            run(Exit.OK);
            assertEquals(List.of("2026-05-30T13-spike.eml", "2026-11-24T13-spike.eml", "notes.txt"), files("sent"));
        }
    }

    /** A small web server. */
    static final class Hook implements AutoCloseable {
        private final HttpServer server = HttpServer.create(new java.net.InetSocketAddress("127.0.0.1", 0), 0);

        Hook(com.sun.net.httpserver.HttpHandler handler) throws IOException {
            server.createContext("/", exchange -> {
                try (exchange) {
                    handler.handle(exchange);
                }
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
    class A_spike_as_a_story {
        /** 40, 44, 70 and again 10 tickets. */
        void told(String changes) throws IOException {
            var counts = Map.of(NOW, 40L, NOW.plus(1), 44L, NOW.plus(2), 70L, NOW.plus(3), 10L);
            desk(hour -> counts.getOrDefault(hour, 10L));
            config(changes);
            known(240, 10);
            for (int i = 0; i < 4; i++) {
                run(Exit.OK);
                run(Exit.OK, "-q"); // twice an hour, and nothing is sent twice
                later(1);
            }
        }

        List<String> subjects() {
            return mail.received.stream().map(Received::subject).toList();
        }

        @Test
        void has_a_mail_an_hour_and_one_when_it_is_over_all_in_one_thread() throws IOException {
            told("");
            var subject = "Ticket Spike Alert! 40 tickets at Tue 24 Nov 13:00, 300 % more than usual";
            assertEquals(List.of(subject, "Re: " + subject, "Re: " + subject, "Re: " + subject), subjects());
            assertNull(mail.received.get(0).header("In-Reply-To"));
            mail.received.subList(1, 4).forEach(each -> {
                assertEquals("<2026-11-24T13-spike@spike-notifier.acme.zendesk.com>", each.header("In-Reply-To"));
                assertEquals("<2026-11-24T13-spike@spike-notifier.acme.zendesk.com>", each.header("References"));
            });
            assertTrue(mail.received.get(2).text().contains("The spike goes on: this is its hour 3, it began at Tue 24 Nov 13:00."));
            assertTrue(mail.received.get(3).text().startsWith("""
                    The spike is over: 10 tickets were created from Tue 24 Nov 16:00-17:00 UTC; usual: 10.0.

                    It lasted 3 h from Tue 24 Nov 13:00, with a peak of 70 tickets at Tue 24 Nov 15:00; in all 124 more than usual were created.

                    The last 24 hours"""), mail.received.get(3).text());
        }

        @ParameterizedTest
        @CsvSource({
                "growth, yes, 2026-11-24T13-spike.eml 2026-11-24T15-spike.eml 2026-11-24T16-clear.eml",
                "first,  yes, 2026-11-24T13-spike.eml 2026-11-24T16-clear.eml",
                "every,  no,  2026-11-24T13-spike.eml 2026-11-24T14-spike.eml 2026-11-24T15-spike.eml",
        })
        void is_told_as_often_as_the_config_says(String repeat, String allClear, String sent) throws IOException {
            told("spike/Repeat = %s\nspike/AllClear = %s".formatted(repeat, allClear));
            assertEquals(List.of(sent.split(" ")), files("sent"));
        }

        @Test
        void ends_with_no_all_clear_when_nobody_was_told_of_it() throws IOException {
            config("spike/MinTickets = 1000");
            known(240, 10);
            run(Exit.OK);
            later(1);
            config("spike/MinTickets = 1");
            run(Exit.OK);
            assertEquals(List.of(), files("sent"));
        }
    }

    @Nested
    class Broken_off {
        /** The desk ends the program at a request, whichever it is; the next run has to make good. */
        @Test
        void anywhere_it_loses_no_alert_and_no_count() throws IOException, InterruptedException {
            var hour = Hour.lastFull(Clock.systemUTC());
            ToLongFunction<Hour> count = each -> each.compareTo(hour) >= 0 ? 40 : 5 + Math.floorMod(each.number(), 7);
            desk(count);
            config("misc/NumHours = 2000\nspike/Rule = mean\nspike/MinTickets = 30");
            var chance = new Random(7);
            for (int i = 0; i < 8; i++) {
                int end = 1 + chance.nextInt(i < 4 ? 14 : 30);
                runEndedAt(end, end % 3 == 0);
                if (Files.exists(folder.resolve("out/history.csv"))) {
                    var counts = history().counts(); // reads whole, and only true counts
                    counts.hours().forEach(each -> assertEquals(count.applyAsLong(each), counts.at(each).orElseThrow()));
                }
            }
            desk.trouble = Trouble.NONE;
            mail.mood = (stage, what) -> { };
            var last = Fakes.child(folder);
            assertTrue(last.waitFor(2, TimeUnit.MINUTES));
            assertEquals(0, last.exitValue(), Fakes.read(folder.resolve("child")));
            assertTrue(history().counts().hours().size() > 2000);
            var ids = mail.received.stream().map(each -> each.header("Message-ID")).collect(Collectors.toSet());
            assertTrue(ids.contains("<%s-spike@spike-notifier.acme.zendesk.com>".formatted(hour.name())), ids.toString());
            assertTrue(ids.size() <= 2, "one alert an hour, and the hour may have changed meanwhile: " + ids);
        }

        /** The same at each request of a run that has a spike to tell; an hour later the next run makes good. */
        @Test
        void while_it_has_a_spike_to_tell_it_tells_it_an_hour_later() throws IOException, InterruptedException {
            var hour = Hour.lastFull(Clock.systemUTC());
            desk(each -> each.compareTo(hour) >= 0 ? 40 : 10);
            config("");
            boolean ended = true;
            int request = 0;
            for (; ended; request++) {
                int end = request + 1;
                Fakes.known(folder, hour.plus(-240), hour, 10);
                ended = runEndedAt(end, false) >= end;
                desk.trouble = Trouble.NONE;
                clock = hour.plus(1).to().plusSeconds(420);
                run(Exit.OK);
                var subjects = mail.received.stream().map(each -> each.header("Message-ID")).toList();
                assertTrue(subjects.contains("<%s-spike@spike-notifier.acme.zendesk.com>".formatted(hour.name())),
                        "ended at request %d: %s".formatted(end, subjects));
                assertEquals(40, history().at(hour).orElseThrow());
                mail.received.clear();
                Demo.clear(folder.resolve("out"));
            }
            assertTrue(request > 6, "requests: " + request);
        }

        /** Ends a run at its {@code end}-th request, or as soon as it mails; gives how many requests it made. */
        private int runEndedAt(int end, boolean orAtMail) throws IOException, InterruptedException {
            var met = new AtomicInteger();
            var child = new Process[1];
            var ready = new CountDownLatch(1);
            desk.trouble = (exchange, path) -> {
                if (met.incrementAndGet() != end) {
                    return false;
                }
                await(ready);
                child[0].destroyForcibly();
                throw new IOException("ended");
            };
            mail.mood = !orAtMail ? (stage, what) -> { } : (stage, what) -> {
                await(ready);
                child[0].destroyForcibly();
                throw new DropConnectionException("ended");
            };
            child[0] = Fakes.child(folder);
            ready.countDown();
            assertTrue(child[0].waitFor(2, TimeUnit.MINUTES));
            return met.get();
        }

        private void await(CountDownLatch latch) {
            try {
                latch.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        @Test
        void by_another_run_it_gives_way() throws IOException, InterruptedException {
            var started = new CountDownLatch(1);
            var go = new CountDownLatch(1);
            desk.trouble = (exchange, path) -> {
                started.countDown();
                await(go);
                return false;
            };
            var child = Fakes.child(folder);
            await(started);
            var outcome = run(Exit.TRY_LATER);
            assertTrue(outcome.err().endsWith("out/history.csv.lock: another run holds the lock\n"), outcome.err());
            go.countDown();
            assertTrue(child.waitFor(2, TimeUnit.MINUTES));
            assertEquals(0, child.exitValue(), Fakes.read(folder.resolve("child")));
        }

        @Test
        void by_a_full_disk_it_keeps_what_was_stored() throws IOException, InterruptedException {
            var small = Files.createDirectories(folder.resolve("out"));
            org.junit.jupiter.api.Assumptions.assumeTrue(command("mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs",
                    small.toString()) == 0, "no small disk can be made here");
            try {
                Files.writeString(small.resolve("history.csv"), "date,00\n2026-11-24,7\n");
                var outcome = run(Exit.HISTORY);
                assertTrue(outcome.err().contains("cannot be written"), outcome.err());
                assertEquals(7, history().at(NOW.plus(-13)).orElseThrow());
                assertTrue(history().at(NOW).isEmpty(), "the mail could not be stored, so the hour is to be judged again");
            } finally {
                command("umount", small.toString());
            }
        }

        private int command(String... words) throws InterruptedException {
            try {
                return new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start().waitFor();
            } catch (IOException e) {
                return 127; // there is no such command
            }
        }

        /** What cannot be written is told, nothing that was stored is lost, and the next run makes good. */
        @ParameterizedTest
        @ValueSource(strings = {"out", "out/history.csv.part/x", "out/history.csv.lock/x", "out/outbox",
                "out/outbox/2026-11-24T13-spike.eml.part/x", "out/sent"})
        void by_something_in_the_way_of_a_write_it_says_so(String place) throws IOException {
            var inTheWay = folder.resolve(place);
            Files.createDirectories(inTheWay.getParent());
            Files.writeString(inTheWay, "");
            var outcome = run(Exit.HISTORY);
            assertTrue(outcome.err().lines().reduce("", (before, line) -> line).contains("cannot be written"), outcome.err());
            Files.delete(inTheWay);
            if (place.endsWith("/x")) {
                Files.delete(inTheWay.getParent());
            }
            run(Exit.OK);
            assertEquals(241, history().counts().hours().size());
            assertEquals(List.of("2026-11-24T13-spike.eml"), files("sent"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"outbox", "sent"})
        void by_a_link_in_its_folder_it_writes_nothing_elsewhere(String name) throws IOException {
            known(240, 10);
            var elsewhere = Files.createDirectories(folder.resolve("elsewhere"));
            Files.createSymbolicLink(folder.resolve("out").resolve(name), elsewhere);
            run(Exit.HISTORY);
            try (var files = Files.list(elsewhere)) {
                assertEquals(0, files.count());
            }
        }

        @Test
        void it_leaves_nothing_that_others_can_read() throws IOException {
            run(Exit.OK);
            try (var files = Files.walk(folder.resolve("out"))) {
                for (var file : files.toList()) {
                    var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
                    assertTrue(rights.matches("rw.------") || file.toString().endsWith(".lock"), file + " " + rights);
                }
            }
        }
    }

    @Nested
    class The_config {
        @Test
        void has_all_its_mistakes_told_at_once() throws IOException {
            Files.writeString(folder.resolve("auth.ini"), """
                    [zendesk]
                    Domain = https://acme.example.com
                    ClientId = x
                    BaseUrl = http://acme.zendesk.com
                    [email]
                    Recipient = a@b.c, not an address
                    Security = none
                    Port = 99999
                    [misc]
                    NumHours = many
                    SpikeThreshhold = 0.3
                    [spike]
                    Rule = median
                    TimeZone = Mars/Olympus
                    IgnoredDays = 2026-13-01
                    """);
            var file = folder.resolve("auth.ini");
            assertEquals("""
                    FILE: [misc] SpikeThreshhold: unknown key, ignored (did you mean [misc] SpikeThreshold?)
                    FILE: [zendesk] Domain: 'https://acme.example.com' (expected acme or acme.zendesk.com)
                    FILE: [zendesk] BaseUrl: malformed (expected an https URL, or http to loopback)
                    FILE: [zendesk] ClientSecret: missing (expected both ClientId and ClientSecret of an OAuth client)
                    FILE: [email] Sender: missing (expected an address such as a@example.com)
                    FILE: [email] Recipient: 'a@b.c, not an address' (expected a list of addresses such as a@example.com)
                    FILE: [email] Security: none to smtp.gmail.com (expected starttls or tls; none is for loopback only)
                    FILE: [email] Port: '99999' (expected a whole number from 1 to 65535)
                    FILE: [spike] Rule: 'median' (expected mean or weekly)
                    FILE: [misc] NumHours: 'many' (expected a whole number from 24 to 100000)
                    FILE: [spike] IgnoredDays: '2026-13-01' (expected a list of dates such as 2026-12-25)
                    FILE: [spike] TimeZone: 'Mars/Olympus' (expected a zone such as Europe/Berlin)
                    """.replace("FILE", file.toString()), run(Exit.CONFIG).err());
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', value = {
                "zendesk/ClientId = -       | [zendesk] ClientId: missing (expected both ClientId and ClientSecret of an OAuth client)",
                "email/ClientId = app       | [email] ClientSecret: missing (expected both ClientId and ClientSecret of an OAuth client)",
                "email/TokenUrl = https://x.example | [email] TokenUrl: incomplete (expected TokenUrl, ClientId and ClientSecret together)",
                "misc/OmittedTags = [1, {}] | [misc] OmittedTags: '[1, {}]' (expected a list of tags)",
                "misc/OmittedTags = [null]  | [misc] OmittedTags: '[null]' (expected a list of tags)",
                "webhook/Url = http://hooks.example/secret | [webhook] Url: malformed (expected an https URL, or http to loopback)",
                "spike/AllClear = perhaps   | [spike] AllClear: 'perhaps' (expected yes or no)",
                "misc/SpikeThreshold = NaN  | [misc] SpikeThreshold: 'NaN' (expected a number from 0 to 1000)",
        })
        void has_a_line_for_each_mistake(String change, String message) throws IOException {
            config(change);
            assertEquals(folder.resolve("auth.ini") + ": " + message + "\n", run(Exit.CONFIG).err());
        }

        @Test
        void refuses_credentials_that_are_no_api_token() throws IOException {
            config("zendesk/ClientId = -\nzendesk/ClientSecret = -\nzendesk/Credentials = agent@acme.example:" + API_KEY);
            assertEquals(folder.resolve("auth.ini") + ": [zendesk] Credentials: malformed (expected email/token:KEY)\n",
                    run(Exit.CONFIG).err());
        }

        @Test
        void may_be_the_python_scripts_own() throws IOException {
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
                    OmittedTags = ["vip",
                        "checkout_error"]
                    """.formatted(API_KEY, desk.url(), MailServer.PASSWORD, mail.port()));
            Files.setPosixFilePermissions(folder.resolve("auth.ini"), PosixFilePermissions.fromString("rw-------"));
            run(Exit.OK);
            assertTrue(Files.exists(folder.resolve("history.csv")));
            assertFalse(mail.received.get(0).text().contains("checkout_error"), mail.received.get(0).text());
        }

        @Test
        void may_leave_the_secrets_to_the_environment_or_a_command() throws IOException {
            config("zendesk/ClientSecret = -\nemail/Password = -\nemail/PasswordCommand = printf '%s\\nmore\\n' \"$(cat secret)\"");
            Files.writeString(folder.resolve("secret"), MailServer.PASSWORD);
            env.put("SPIKE_ZENDESK_CLIENTSECRET", Desk.SECRET);
            run(Exit.OK);
            assertEquals(1, mail.received.size());
        }

        @Test
        void tells_of_a_command_that_fails() throws IOException {
            config("email/PasswordCommand = exit 3");
            assertTrue(run(Exit.CONFIG).err().contains("[email] PasswordCommand: failed, exit code 3, no line (expected a "
                    + "command that prints the secret)"));
        }

        @Test
        void does_not_wait_for_an_agent_that_a_command_leaves_behind() throws IOException {
            config("email/Password = -\nemail/PasswordCommand = sleep 100 & echo $! > agent; cat secret");
            Files.writeString(folder.resolve("secret"), MailServer.PASSWORD + "\n");
            run(Exit.OK);
            assertEquals(1, mail.received.size());
            assertTrue(process("agent").orElseThrow().destroy(), "the agent was left alone");
        }

        @Test
        void ends_a_command_that_hangs() throws IOException {
            config("email/PasswordCommand = echo $$ > hanging; sleep 100; echo late");
            patience = Duration.ofSeconds(3);
            assertTrue(run(Exit.CONFIG).err().contains("[email] PasswordCommand: failed, no whole answer within 1 s"));
            process("hanging").ifPresent(hanging -> hanging.onExit().orTimeout(1, TimeUnit.MINUTES).join());
        }

        private Optional<ProcessHandle> process(String pidFile) {
            return ProcessHandle.of(Long.parseLong(Fakes.read(folder.resolve(pidFile)).strip()));
        }

        @Test
        void is_warned_of_when_others_can_read_it() throws IOException {
            Files.setPosixFilePermissions(folder.resolve("auth.ini"), PosixFilePermissions.fromString("rw-r--r--"));
            assertTrue(run(Exit.OK).err().contains("holds secrets and others can read it (rw-r--r--): chmod 600 "));
        }

        @Test
        void is_asked_for_where_there_is_none() throws IOException {
            Files.delete(folder.resolve("auth.ini"));
            assertEquals(folder.resolve("auth.ini") + ": not found (expected a copy of auth.ini.example, or --config FILE)\n",
                    run(Exit.CONFIG).err());
        }

        @Test
        void keeps_a_line_without_sense_to_itself() throws IOException {
            Files.writeString(folder.resolve("auth.ini"), "[email]\npa\\ss;wo#rd\n");
            assertEquals(folder.resolve("auth.ini") + ": line 2 is neither [section] nor Key = value\n",
                    run(Exit.CONFIG).err());
            Files.writeString(folder.resolve("auth.ini"), "[email]\n" + MailServer.PASSWORD + "\n");
            assertTrue(run(Exit.CONFIG).err().startsWith(folder.resolve("auth.ini") + ": [email] has a line whose key is no "
                    + "word, ignored (expected Key = value)\n"));
        }
    }

    @Nested
    class The_doctor {
        @Test
        void ticks_all_that_works_and_sends_a_sample() throws IOException {
            config("zendesk/Query = -tags:spam");
            var outcome = run(Exit.OK, "doctor", "--send");
            assertEquals("""
                    ok    config and its permissions: FOLDER/auth.ini
                    ok    Zendesk sign-in: 40 tickets in 2026-11-24T13:00Z, OAuth
                    ok    Query: 1720 of 1720 tickets of the last 7 days; WARNING: it changes nothing (a misspelled word?)
                    ok    SMTP sign-in: localhost:PORT
                    ok    history: empty, the first run fills it
                    ok    lock: free
                    ok    outbox: 0 waiting
                    ok    sample alert: sent to team@acme.example
                    """.replace("FOLDER", folder.toString()).replace("PORT", Integer.toString(mail.port())),
                    outcome.out().replaceAll("ok    clock.*\n", ""));
            assertEquals("SAMPLE, no spike: Ticket Spike Alert!", mail.received.get(0).subject());
        }

        @Test
        void tells_the_range_of_the_history_and_what_it_lacks() throws IOException {
            known(100, 10);
            assertTrue(run(Exit.OK, "doctor").out().contains("ok    history: 2026-11-20T09:00Z to 2026-11-24T12:00Z, 140 hours "
                    + "unknown of the last 240\n"));
        }

        @Test
        void crosses_what_does_not_and_ends_with_the_worst() throws IOException {
            config("email/Password = wrong-password");
            desk.trouble = always("count", answer(503, ""));
            var outcome = run(Exit.REFUSED, "doctor");
            assertTrue(outcome.out().contains("FAIL  Zendesk sign-in: 127.0.0.1: answers 503 (tried 5 times)"), outcome.out());
            assertTrue(outcome.out().contains("FAIL  SMTP sign-in: [email] localhost:"), outcome.out());
            assertTrue(outcome.out().contains("ok    lock: free"), outcome.out());
        }

        @Test
        void stops_at_a_config_that_makes_no_sense() throws IOException {
            config("misc/NumTags = none");
            assertTrue(run(Exit.CONFIG, "doctor").out().startsWith("FAIL  config and its permissions: "));
        }
    }
}
