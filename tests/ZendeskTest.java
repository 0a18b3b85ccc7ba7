package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;
import java.util.StringJoiner;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** Zendesk in trouble, and the tickets of a spike. */
class ZendeskTest extends Scenario {
  @Nested
  class Zendesk_in_trouble {
    @BeforeEach
    void nothing_to_fill() {
      known(240, 10);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2 | 429 | {\"error\":\"APIRateLimitExceeded\",\"description\":\"x\"} | 3 | 3000",
        "2 | 429 | slow down | 0 | 1000", "2 | 503 | | 5 | 5000",
        "8 | 429 | a rate limit is no try, two minutes long | 7 | 7000",
        "2 | 503 | {\"error\":{\"title\":\"Down\",\"message\":\"maintenance\"}} | | 1000",
        "2 | 500 | <html>Oops</html> | | 1000", "2 | 502 | | | 1000", "2 | 520 | | | 1000",
        "2 | 408 | | | 1000", "2 | 425 | | | 1000", "2 | 409 | Conflict | | 1000",
        "2 | 200 | {\"error\":\"unavailable\",\"description\":\"Sorry, we could not\"} | | 1000",
        "2 | 400 | {\"error\":\"unavailable\",\"description\":\"Sorry, we could not\"} | | 1000",
    })
    void waits_and_asks_again(int times, int status, String body, String seconds, long wait)
        throws IOException {
      var headers = seconds == null ? new String[0] : new String[] {"Retry-After", seconds};
      desk.trouble = first(times, "search", answer(status, body == null ? "" : body, headers));
      assertEquals("", run(Exit.OK).err());
      assertEquals(40, history().at(NOW));
      assertTrue(time.waits.stream().anyMatch(each -> each >= wait && each < wait + 600),
          time.waits.toString());
    }

    @Test
    void asks_again_after_an_answer_that_was_cut_off() throws IOException {
      desk.trouble = first(5, "search", Trouble.cutOff());
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
    }

    @Test
    void asks_again_where_a_handshake_broke_off() throws IOException {
      try (var server = new RawServer(socket -> { })) {
        config("kept = yes\nzendesk/BaseUrl = https://127.0.0.1:" + server.port());
        assertTrue(run(Exit.ZENDESK).err().endsWith("(tried 5 times)\n"));
        assertEquals(5, server.connections.get());
      }
    }

    /** Retries are over in good time, and what is final is asked for once. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "search | 503 | {'error':{'title':'Down','message':'for maintenance'}} | 69 | 7 | "
            + ": answers 503 Down: for maintenance (tried 5 times)",
        "search | 429 | an hour is too long | 69 | 3 | : answers 429 an hour is too long (tried 1 "
            + "time)",
        "search | 200 | <!DOCTYPE html><title>Closed</title> | 69 | 7 | : no sense in its answer "
            + "(is an API there?) (tried 5 times)",
        "search | 401 | {'error':'Bad credentials'} | 77 | 2 | answers 401 Bad credentials (check "
            + "ClientId and ClientSecret)",
        "search | 403 | {'error':{'title':'Forbidden','message':'No access.'}} | 77 | 2 | answers "
            + "403 Forbidden: No access. (the client's user must be an admin or an agent with "
            + "access to all tickets)",
        "search | 404 | {'error':{'title':'No help desk at acme','message':'None.'}} | 69 | 3 | "
            + "answers 404 No help desk at acme: None. (check Domain)",
        "search | 422 | {'error':'RecordInvalid','description':'Errors','details':{'base':["
            + "{'description':'too long'}]}} | 69 | 3 | answers 422 RecordInvalid: Errors: too "
            + "long (check Query)",
        "search | 400 | {'errors':[{'code':'x','title':'Invalid','detail':'page'}]} | 69 | 3 | "
            + "answers 400 Invalid: page (check Query)",
        "search | 422 | {'error':'made-up-token and made-up-secret'} | 69 | 3 | answers 422 *** "
            + "and *** (check Query)",
        "search | 418 | a teapot | 69 | 3 | answers 418 a teapot (no cause is known; see doctor "
            + "-v)",
        "search | 301 | moved | 69 | 3 | answers 301 moved (not followed; set Domain to the "
            + "account's own subdomain)",
        "tokens | 302 | | 69 | 1 | answers 302 (not followed; set Domain to the account's own "
            + "subdomain)",
        "tokens | 404 | | 69 | 1 | answers 404 (check Domain)",
        "tokens | 401 | {'error':'invalid_client'} | 77 | 1 | answers 401 invalid_client (check "
            + "ClientId, ClientSecret, and that the client may have the scope 'read')",
        "tokens | 503 | | 69 | 5 | : answers 503 (tried 5 times)",
        "tokens | 200 | {'token':'x'} | 69 | 5 | : no access_token in its answer (tried 5 times)",
    }, quoteCharacter = '~')
    void is_told_in_one_line_with_what_to_do(String path, int status, String body, int code,
        int requests, String line) throws IOException {
      try (var elsewhere = new RawServer(socket -> { })) {
        var json = body == null ? "" : body.replace('\'', '"');
        desk.trouble = always(path, answer(status, json, "Location", elsewhere.url() + "/secret",
            "Retry-After", status == 429 ? "3600" : "0"));
        var outcome = run();
        assertEquals("[zendesk] 127.0.0.1" + (line.startsWith(":") ? "" : " ") + line + "\n",
            outcome.err());
        assertEquals(code, outcome.code());
        assertEquals(0, elsewhere.connections.get(), "no redirect is followed");
      }
      assertEquals(requests, desk.requests(), desk.asked.toString());
      assertTrue(time.waits.stream().mapToLong(Long::longValue).sum() < 20_000);
      assertFalse(history().knows(NOW));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"count\":\"12\"}", "{\"count\":12.5}", "{\"count\":-1}",
        "{\"count\":null}", "{}", "[]", "null", "", "12", "{\"count\":1e400}",
        "{\"count\":99999999999999999999}", "{\"count\":12}{\"count\":13}",
        "{\"count\":{\"value\":12,\"refreshed_at\":null}}", "{\"count\":true}", "{\"count\":[12]}",
        "{\"count\":1", "{\"count\":40,\"error\":{\"title\":\"x\"}}"})
    void never_takes_nonsense_for_a_count(String body) throws IOException {
      var before = Fakes.read(folder.resolve("out/history.csv"));
      desk.trouble = always("search", answer(200, body));
      var outcome = run(Exit.ZENDESK);
      assertEquals(1, outcome.err().lines().count(), outcome.err());
      assertEquals(before, Fakes.read(folder.resolve("out/history.csv")));
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
      config("zendesk/BaseUrl = https://no-such-host.invalid");
      assertEquals("[zendesk] no-such-host.invalid: no such host (tried 5 times)\n",
          run(Exit.ZENDESK).err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"expired", "other", "untrusted"})
    void refuses_a_certificate_that_is(String alias) throws IOException {
      var server = HttpsServer.create(new InetSocketAddress("localhost", 0), 0);
      server.setHttpsConfigurator(new HttpsConfigurator(Certificates.context(alias)));
      server.createContext("/", exchange -> said.append("reached"));
      server.start();
      try {
        var place = "localhost:" + server.getAddress().getPort();
        config("zendesk/BaseUrl = https://" + place);
        var line = run(Exit.ZENDESK).err();
        assertTrue(line.startsWith("[zendesk] " + place + ": its certificate is refused: "), line);
        assertEquals(1, line.lines().count(), line);
        assertFalse(said.toString().contains("reached"));
      } finally {
        server.stop(0);
      }
    }

    @Test
    void reads_gzip() throws IOException {
      desk.trouble = first(2, "search", (exchange, path) -> {
        exchange.getResponseHeaders().set("Content-Encoding", "gzip");
        exchange.sendResponseHeaders(200, 0); // chunked
        try (var gzip = new GZIPOutputStream(exchange.getResponseBody())) {
          gzip.write("{\"count\":12}".getBytes(UTF_8));
        }
        return true;
      });
      run(Exit.OK);
      assertEquals(12, history().at(NOW));
    }

    @Test
    void signs_in_once_more_when_the_token_ends_early() throws IOException {
      var counts = new AtomicInteger();
      desk.trouble = (exchange, path) -> path.contains("count") && counts.incrementAndGet() == 2
          && answer(401, "{\"error\":\"invalid_token\"}").takes(exchange, path);
      run(Exit.OK);
      assertEquals(2, desk.asked.stream().filter(asked -> asked.startsWith("POST")).count());
    }

    @Test
    void signs_in_with_an_older_api_token_and_shows_none_that_is_echoed_alone()
        throws IOException {
      config("zendesk/ClientId = -\nzendesk/ClientSecret = -\n"
          + "zendesk/Credentials = agent@acme.example/token:" + API_KEY);
      assertEquals("", run(Exit.OK).err());
      assertTrue(desk.asked.stream().noneMatch(asked -> asked.contains("oauth")));
      desk.trouble = always("search", answer(401, "{\"error\":\"no key " + API_KEY + "\"}"));
      assertTrue(run(Exit.DENIED).err().contains("401 no key *** (check"));
    }
  }

  @Nested
  class The_tickets_of_a_spike {
    private String told() {
      return withoutPorts(mail.received.get(0).text().replace('\n', ' '));
    }

    private void page(long count, String... tickets) {
      desk.trouble = first(1, "search.json", answer(200, "{\"count\":" + count
          + ",\"next_page\":null,\"results\":[" + String.join(",", tickets) + "]}"));
    }

    private String ticket(String id, String created, String more) {
      return "{\"id\":" + id + ",\"result_type\":\"ticket\",\"created_at\":" + created
          + ",\"via\":{\"channel\":\"web\"},\"subject\":\"Cannot log in\",\"requester_id\":"
          + id + more + "}";
    }

    /** What makes no sense costs itself only: the time, the id, the whole, or the hour is wrong. */
    @Test
    void are_ranked_without_those_that_make_no_sense() throws IOException {
      desk(hour -> hour.equals(NOW) ? 8 : 1);
      known(240, 1);
      Fakes.tagged(folder, NOW, 1, Map.of());
      var good = "\"2026-11-10T13:01:00Z\"";
      page(8, ticket("1", good, ",\"tags\":[\"login_error\"]"),
          ticket("6", good, ",\"tags\":[\"login_error\"]"),
          ticket("7", good, ",\"tags\":[\"login_error\"]"),
          ticket("8", good, ",\"tags\":[\"login_error\"]"),
          ticket("2", "null", ",\"tags\":[\"login_error\"]"),
          ticket("null", good, ",\"tags\":[\"login_error\"]"), "null", "7",
          ticket("3", "\"yesterday\"", ""), ticket("4", "\"2026-11-10T14:00:00Z\"", ""),
          ticket("5", good, ",\"tags\":[\"\",null,3,\"login_error\"]"));
      run(Exit.OK);
      assertTrue(told().contains("5 of the 5 that were read carry login_error"), told());
      assertTrue(told().contains("Of its tickets 5 were read: the others were not found"), told());
      assertFalse(told().contains("java"), told());
    }

    @ParameterizedTest
    @CsvSource({"100, 4", "101, 5", "1000, 5", "1001, 6", "2500, 7"})
    void are_read_whole_with_few_requests(long count, int requests) throws IOException {
      desk(hour -> hour.equals(NOW) ? count : 10);
      known(720, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      run(Exit.OK);
      assertEquals(requests, desk.requests(), "a sign-in, the page, the check, the exports, and "
          + "what came since: " + desk.asked);
      assertTrue(told().contains(count - 20 + " of the " + count + " carry checkout_error"),
          told());
    }

    @Test
    void count_once_when_a_page_repeats_them() throws IOException {
      desk(hour -> hour.equals(NOW) ? 3 : 0);
      known(240, 0);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-239), 1);
      var one = ticket("1", "\"2026-11-10T13:01:00Z\"", ",\"tags\":[\"a\"]");
      page(3, one, one, one);
      run(Exit.OK);
      assertTrue(told().contains("Of its tickets 1 were read"), told());
    }

    private static final String FIRST = "2026-11-10T13:00:00Z";

    /** Pages of export of one ticket each, which name that next one. */
    private AtomicInteger pages(IntFunction<String> next) throws IOException {
      desk(hour -> hour.equals(NOW) ? 250 : 10);
      known(240, 10);
      var pages = new AtomicInteger();
      desk.trouble = (exchange, path) -> {
        boolean isForTheNotice = path.contains("export")
            && exchange.getRequestURI().getRawQuery().contains("13%3A00%3A00Z");
        if (!isForTheNotice) return false;
        int number = pages.incrementAndGet();
        return answer(200, "{\"results\":[" + ticket("1", "\"" + FIRST + "\"", "")
            + "],\"meta\":{\"has_more\":" + (number < 1000) + "},\"links\":{\"next\":\""
            + next.apply(number) + "\"}}").takes(exchange, path);
      };
      return pages;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "/api/v2/search/export.json?x=13%3A00%3A00Z | a next page that was read already",
        "ELSEWHERE/api/v2/search/export.json | its next page is at another host, 127.0.0.1: "
            + "refused, nothing was sent there",
        "/api/v2/search/export.json?query=created>=20 x= | its next page is no URL",
    })
    void are_told_as_far_as_their_pages_make_sense(String next, String why) throws IOException {
      try (var elsewhere = new RawServer(socket -> { })) {
        var pages = pages(number -> next.replace("ELSEWHERE", elsewhere.url()));
        run(Exit.OK);
        assertTrue(pages.get() < 10, "pages: " + pages);
        assertEquals(0, elsewhere.connections.get());
      }
      assertTrue(told().contains("were read: [zendesk] 127.0.0.1: " + why), told());
    }

    /** A notice waits for them no longer, though their pages may come for ever. */
    @Test
    void are_read_no_longer_than_two_minutes() throws IOException {
      var pages = pages(number -> "/api/v2/search/export.json?x=13%3A00%3A00Z&page=" + number);
      config("zendesk/RequestsPerMinute = 100");
      var atMail = new AtomicInteger();
      mail.mood = (stage, what) -> atMail.set(pages.get());
      run(Exit.OK);
      assertTrue(atMail.get() > 100 && atMail.get() < 250, "pages: " + atMail);
      assertTrue(pages.get() < 500, "nor are those of the past: " + pages);
    }

    /** 29 MB, as of a desk with a field for each thing that its forms ask. */
    @Test
    void with_400_fields_each_are_read_in_pages_of_a_thousand() throws IOException {
      desk(hour -> hour.equals(NOW) ? 1000 : 10);
      known(240, 10);
      var fields = "[" + "{\"id\":360012345678,\"value\":\"four\"},".repeat(399)
          + "{\"id\":1,\"value\":[\"a\",\"b\"]}]";
      var more = ",\"custom_fields\":" + fields + ",\"fields\":" + fields;
      var tickets = new StringJoiner(",", "{\"results\":[", "],\"meta\":{\"has_more\":false}}");
      for (int i = 1; i <= 1000; i++) tickets.add(ticket("" + i, "\"" + FIRST + "\"", more));
      desk.trouble = first(1, "export", answer(200, tickets.toString()));
      run(Exit.OK);
      assertEquals(1, desk.asked.stream().filter(asked -> asked.contains("export")
          && asked.contains("created>=2026-11-10T13")).count(), desk.asked.toString());
      assertFalse(told().contains("were read"), told());
    }

    @Test
    void go_out_unranked_rather_than_not_at_all() throws IOException {
      known(240, 10);
      desk.trouble = (exchange, path) -> (path.endsWith("search.json") || path.contains("export"))
          && answer(503, "").takes(exchange, path);
      run(Exit.OK);
      assertTrue(told().contains("40 tickets at acme"), told());
      assertTrue(told().contains("Its tickets could not be read."), told());
    }

    @Test
    void cannot_put_markup_or_line_breaks_into_the_mail() throws IOException {
      desk(hour -> hour.equals(NOW) ? 3 : 0);
      known(240, 0);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-239), 1);
      page(3, "{\"id\":1,\"created_at\":\"2026-11-10T13:01:00Z\",\"subject\":\"<b>a\\r\\nBcc: x@y.z"
          + "\\u202e\\ud83d\",\"tags\":[\"<script>alert(1)</script>\"]}",
          ticket("2", "\"2026-11-10T13:02:00Z\"", ",\"tags\":[\"<script>alert(1)</script>\"]"),
          ticket("3", "\"2026-11-10T13:03:00Z\"", ",\"tags\":[\"<script>alert(1)</script>\"]"));
      run(Exit.OK);
      var received = mail.received.get(0);
      assertFalse(received.part(1).contains("<script>"), received.part(1));
      assertFalse(received.part(1).contains("<b>a"), received.part(1));
      assertFalse(received.text().contains("\nBcc"), received.text());
      assertFalse(received.text().contains("\u202e"), received.text());
      assertFalse(received.text().contains("?\n"), received.text());
    }
  }
}
