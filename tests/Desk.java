package spikenotifier;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiPredicate;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;
import spikenotifier.SpikeNotifier.Hour;
import spikenotifier.SpikeNotifier.Ticker;

/**
 * A made-up help desk on 127.0.0.1 that answers as Zendesk does: OAuth token, search/count, search
 * and search/export. Its tickets are reckoned when they are asked for, so there may be millions.
 */
class Desk implements AutoCloseable {
  static final String SECRET = "made-up-secret";
  private static final String TOKEN = "made-up-token";
  private static final Pattern BOUND = Pattern.compile("created(>=|<)(\\S+)");
  private static final Pattern TAG = Pattern.compile("(?<!\\S)tags:\\S+"); // -tags:x is no such
  private static final Pattern DATE = Pattern.compile("(Date: )\\w{3}, \\d\\d .{18}GMT");
  private static final DateTimeFormatter HTTP_DATE = DateTimeFormatter
      .ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.US).withZone(ZoneOffset.UTC);
  private static final int TAGGED = 20; // every so many tickets carry the tag that is asked for
  private static final int SEARCH_LIMIT = 1000; // results, on all pages together
  private static final String[] TAGS =
      {"billing", "login", "shipping", "refund", "mobile_app", "feature_request"};
  private static final ObjectMapper JSON = new ObjectMapper();

  static {
    System.setProperty("sun.net.httpserver.nodelay", "true"); // else each answer takes 40 ms
  }

  /** What happens to a request instead of the right answer. */
  interface Trouble {
    Trouble NONE = (exchange, path) -> false;

    /** @return whether the request was dealt with */
    boolean takes(HttpExchange exchange, String path) throws IOException;

    /** The same trouble, the first {@code times} that the path is asked for. */
    static Trouble first(int times, String ofPath, Trouble trouble) {
      var met = new AtomicInteger();
      return (exchange, path) -> path.contains(ofPath) && met.incrementAndGet() <= times
          && trouble.takes(exchange, path);
    }

    static Trouble always(String ofPath, Trouble trouble) {
      return first(Integer.MAX_VALUE, ofPath, trouble);
    }

    /** The trouble where the decoded address holds these words. */
    static Trouble where(String words, Trouble trouble) {
      return (exchange, path) -> decoded(exchange).contains(words) && trouble.takes(exchange, path);
    }

    /** The trouble where the hour is among those that are asked for. */
    static Trouble holding(Hour hour, Trouble trouble) {
      return (exchange, path) -> {
        var bounds = new HashMap<String, Instant>();
        BOUND.matcher(decoded(exchange).replace("&", " ")).results().forEach(each ->
            bounds.put(each.group(1), Instant.parse(each.group(2))));
        boolean holds = bounds.size() == 2 && !bounds.get(">=").isAfter(hour.from())
            && !bounds.get("<").isBefore(hour.to());
        return holds && trouble.takes(exchange, path);
      };
    }

    static Trouble answer(int status, String body, String... headers) {
      return (exchange, path) -> {
        exchange.getRequestBody().readAllBytes();
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        for (int i = 0; i < headers.length; i += 2) {
          exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
        }
        var bytes = body.getBytes(UTF_8);
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
        return true;
      };
    }

    /** Promises more bytes than come. */
    static Trouble cutOff() {
      return (exchange, path) -> {
        exchange.sendResponseHeaders(200, 1000);
        exchange.getResponseBody().write("{\"count\":4".getBytes(UTF_8));
        throw new IOException("cut off");
      };
    }

    /** Begins with one text and repeats another until the reader has had enough. */
    static Trouble endless(String start, String rest) {
      return (exchange, path) -> {
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(200, 0);
        exchange.getResponseBody().write(start.getBytes(UTF_8));
        var block = rest.repeat(10_000).getBytes(UTF_8);
        for (long sent = 0; sent < 200_000_000; sent += block.length) {
          exchange.getResponseBody().write(block);
        }
        return true;
      };
    }

    /** Zendesk's limits, in the time of the tests: 429 beyond so many a minute. */
    static Trouble limits(int exports, int all, Ticker time) {
      var counts = new long[3];
      return (exchange, path) -> {
        synchronized (counts) {
          long minute = time.nanos() / 60_000_000_000L;
          if (minute != counts[0]) {
            counts[0] = minute;
            counts[1] = 0;
            counts[2] = 0;
          }
          boolean over = ++counts[1] > all || path.contains("export") && ++counts[2] > exports;
          return over && answer(429, "{\"error\":\"APIRateLimitExceeded\",\"description\":\"Number "
              + "of allowed API requests per minute exceeded\"}", "Retry-After", "60")
              .takes(exchange, path);
        }
      };
    }

    /** 429 beyond so many requests in any window of that length. */
    static Trouble slidingLimit(int requests, Duration window, Ticker time, String... headers) {
      var served = new ArrayDeque<Long>();
      return (exchange, path) -> {
        synchronized (served) {
          long now = time.nanos();
          while (!served.isEmpty() && now - served.peek() >= window.toNanos()) served.remove();
          if (served.size() >= requests) {
            return answer(429, "slow down", headers).takes(exchange, path);
          }
          served.add(now);
          return false;
        }
      };
    }
  }

  final List<String> asked = new CopyOnWriteArrayList<>();
  volatile Trouble trouble = Trouble.NONE;
  volatile Supplier<Instant> date = Instant::now; // what its answers say the time is
  private final HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
  private final ServerSocket front = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
  private final ExecutorService threads = Executors.newFixedThreadPool(16);
  private final AtomicInteger requests = new AtomicInteger();
  private final ToLongFunction<Hour> count;
  private final BiPredicate<Hour, Long> surging;

  /**
   * @param count   how many tickets an hour holds
   * @param surging whether the n-th ticket of an hour belongs to the surge
   */
  Desk(ToLongFunction<Hour> count, BiPredicate<Hour, Long> surging) throws IOException {
    this.count = count;
    this.surging = surging;
    server.setExecutor(threads);
    server.createContext("/", exchange -> {
      requests.incrementAndGet();
      asked.add(exchange.getRequestMethod() + " " + decoded(exchange));
      try (exchange) {
        if (!trouble.takes(exchange, exchange.getRequestURI().getPath())) handle(exchange);
      }
    });
    server.start();
    inBackground(this::serveFront);
  }

  /** Stands before the server, which names the real time only, and puts in that of the tests. */
  private void serveFront() throws IOException {
    while (!front.isClosed()) {
      var client = front.accept();
      var back = new Socket("127.0.0.1", server.getAddress().getPort());
      client.setTcpNoDelay(true);
      back.setTcpNoDelay(true);
      inBackground(() -> pass(client, back, false));
      inBackground(() -> pass(back, client, true));
    }
  }

  interface Work {
    void run() throws IOException;
  }

  static void inBackground(Work work) {
    var thread = new Thread(() -> {
      try {
        work.run();
      } catch (IOException e) {
        return; // one side went away, as these tests mean it to
      }
    });
    thread.setDaemon(true);
    thread.start();
  }

  private void pass(Socket from, Socket to, boolean isAnswer) throws IOException {
    try (from; to) {
      var bytes = new byte[65_536];
      for (int read; (read = from.getInputStream().read(bytes)) >= 0; ) {
        var text = new String(bytes, 0, read, ISO_8859_1);
        if (isAnswer) text = DATE.matcher(text).replaceFirst("$1" + HTTP_DATE.format(date.get()));
        to.getOutputStream().write(text.getBytes(ISO_8859_1));
      }
    }
  }

  /** Weekdays busy by day, nights and weekends quiet, no two weeks alike. */
  static long usual(Hour hour) {
    var time = hour.from().atZone(ZoneOffset.UTC);
    double day = 2 + 22 * Math.exp(-Math.pow((time.getHour() - 13) / 4.5, 2));
    double weekend = time.getDayOfWeek().getValue() >= 6 ? 0.35 : 1;
    double chance = new Random(hour.number() * 31).nextGaussian();
    return Math.max(0, Math.round(day * weekend * (1 + 0.18 * chance)));
  }

  String url() {
    return "http://127.0.0.1:" + front.getLocalPort();
  }

  int requests() {
    return requests.get();
  }

  @Override
  public void close() throws IOException {
    front.close();
    server.stop(0);
    threads.shutdownNow();
  }

  private static String decoded(HttpExchange exchange) {
    return URLDecoder.decode(exchange.getRequestURI().toString(), UTF_8);
  }

  private void handle(HttpExchange exchange) throws IOException {
    var path = exchange.getRequestURI().getPath();
    if (path.equals("/oauth/tokens")) {
      var given = JSON.readTree(exchange.getRequestBody()).path("client_secret").asText();
      boolean known = SECRET.equals(given);
      answer(exchange, known ? 200 : 401, known
          ? "{\"access_token\":\"" + TOKEN + "\",\"expires_in\":1800}"
          : "{\"error\":\"invalid_client\"}");
      return;
    }
    var authorization = exchange.getRequestHeaders().getFirst("Authorization");
    boolean signedIn = authorization != null
        && (authorization.equals("Bearer " + TOKEN) || authorization.startsWith("Basic "));
    if (!signedIn) {
      answer(exchange, 401, "{\"error\":\"Couldn't authenticate you\"}");
      return;
    }
    var query = query(exchange.getRequestURI().getRawQuery());
    switch (path.replaceFirst("^/api/v2/", "")) {
      case "search/count.json" ->
          answer(exchange, 200, "{\"count\":" + total(spans(query.get("query"))) + "}");
      case "search/export.json" -> answer(exchange, 200, export(path, query));
      case "search.json" -> {
        if (page(query) * perPage(query) <= SEARCH_LIMIT) {
          answer(exchange, 200, search(path, query));
        } else {
          answer(exchange, 422, "{\"error\":\"invalid\",\"description\":\"Invalid search\"}");
        }
      }
      default -> answer(exchange, 404, "{\"error\":\"RecordNotFound\"}");
    }
  }

  private static Map<String, String> query(String raw) {
    var query = new HashMap<String, String>();
    if (raw == null) return query;
    for (var pair : raw.split("&")) {
      var parts = URLDecoder.decode(pair, UTF_8).split("=", 2);
      query.put(parts[0], parts[1]);
    }
    return query;
  }

  private static void answer(HttpExchange exchange, int status, String json) throws IOException {
    exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
    var body = json.getBytes(UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  private static long page(Map<String, String> query) {
    return Long.parseLong(query.getOrDefault("page", "1"));
  }

  private static long perPage(Map<String, String> query) {
    return Math.min(100, Long.parseLong(query.getOrDefault("per_page", "100")));
  }

  /** A page of search, oldest first unless it asks otherwise. */
  private String search(String path, Map<String, String> query) {
    var spans = spans(query.get("query"));
    long page = page(query);
    long size = perPage(query);
    boolean newestFirst = "desc".equals(query.get("sort_order"));
    var answer = tickets(spans, (page - 1) * size, size, newestFirst);

    String next = null;
    if (page * size < total(spans)) next = link(path, query, "page", page + 1);
    answer.put("count", total(spans));
    answer.put("next_page", next);
    return answer.toString();
  }

  /** A page of export, newest first; its cursor is how many tickets came before. */
  private String export(String path, Map<String, String> query) {
    var spans = spans(query.get("query"));
    long after = Long.parseLong(query.getOrDefault("page[after]", "0"));
    long size = Math.min(1000, Long.parseLong(query.getOrDefault("page[size]", "100")));
    var answer = tickets(spans, after, size, true);

    boolean more = after + size < total(spans);
    String next = null;
    if (more) next = link(path, query, "page[after]", after + size);
    answer.putObject("meta").put("has_more", more);
    answer.putObject("links").put("next", next);
    return answer.toString();
  }

  /** The same address with another value of one parameter. */
  private String link(String path, Map<String, String> query, String name, long value) {
    var next = new TreeMap<>(query);
    next.put(name, Long.toString(value));
    return url() + path + "?" + encoded(next);
  }

  /** Of every {@code step} tickets of an hour the last, number start to end, without it. */
  private record Span(Hour hour, long start, long end, int step) {
    long size() {
      return end - start;
    }

    long ticket(long number) {
      return number * step + step - 1;
    }
  }

  /** The hours between the bounds of the query. */
  private List<Span> spans(String words) {
    var bounds = new HashMap<String, Instant>();
    BOUND.matcher(words).results().forEach(each ->
        bounds.put(each.group(1), Instant.parse(each.group(2))));
    var from = bounds.get(">=");
    var to = bounds.get("<");

    int step = TAG.matcher(words).find() ? TAGGED : 1;
    var spans = new ArrayList<Span>();
    Hour.range(Hour.of(from), Hour.of(to.plusSeconds(3599))).forEach(hour ->
        spans.add(new Span(hour, before(hour, from) / step, before(hour, to) / step, step)));
    return spans;
  }

  private static long total(List<Span> spans) {
    return spans.stream().mapToLong(Span::size).sum();
  }

  /** How many tickets of the hour were created before the instant. */
  private long before(Hour hour, Instant time) {
    long passed = time.getEpochSecond() - hour.from().getEpochSecond();
    long seconds = Math.max(0, Math.min(3600, passed));
    return (count.applyAsLong(hour) * seconds + 3599) / 3600;
  }

  /** So many tickets of the spans, after those that are skipped. */
  private ObjectNode tickets(List<Span> spans, long skip, long size, boolean newestFirst) {
    var ordered = new ArrayList<>(spans);
    if (newestFirst) Collections.reverse(ordered);

    var answer = JSON.createObjectNode();
    var results = answer.putArray("results");
    long passed = 0;
    for (var span : ordered) {
      for (long i = Math.max(0, skip - passed); i < span.size() && results.size() < size; i++) {
        long number = newestFirst ? span.end() - 1 - i : span.start() + i;
        results.add(ticket(span.hour(), span.ticket(number)));
      }
      passed += span.size();
    }
    return answer;
  }

  private static String encoded(Map<String, String> query) {
    var pairs = new ArrayList<String>();
    query.forEach((name, value) ->
        pairs.add(URLEncoder.encode(name, UTF_8) + "=" + URLEncoder.encode(value, UTF_8)));
    return String.join("&", pairs);
  }

  private ObjectNode ticket(Hour hour, long i) {
    long id = hour.number() * 10_000_000 + i;
    var chance = new Random(id);
    boolean surge = surging.test(hour, i);
    long second = i * 3600 / Math.max(1, count.applyAsLong(hour));
    var ticket = JSON.createObjectNode()
        .put("id", id)
        .put("result_type", "ticket")
        .put("status", "new")
        .put("created_at", hour.from().plusSeconds(second).toString())
        .put("subject", surge ? "Checkout fails with error 502" : "Question number " + i)
        .put("requester_id", 1000 + chance.nextInt(5000));
    ticket.putObject("via").put("channel", "web");
    var tags = ticket.putArray("tags")
        .add(surge ? "checkout_error" : TAGS[chance.nextInt(TAGS.length)]);
    if (chance.nextInt(3) == 0) tags.add("vip");
    return ticket;
  }
}
