///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES SpikeNotifierTest.java

package spikenotifier;

import java.io.IOException;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.SpikeNotifier.*;

/**
 * Prints what the program costs: requests, waiting, memory, CPU and start. Judges nothing, since
 * machines differ; the figures that matter are the ratios. Run from the project's folder. With
 * "fast" it leaves out the large fills. One run on 2 busy cores:
 *
 * <pre>
 * First fill of 4380 hours; 150 ms latency, 100 exports and 400 requests a minute, own ceiling 100
 *   tickets  requests   minutes     bound     ratio   one by one
 *     20000        23      0.22      0.23      0.94         43.8
 *    100000       105      1.02      1.05      0.97         43.8
 *   1000000      1071     15.99     10.71      1.49         43.8
 *
 * Requests of an hourly run: 3 in a calm hour of up to 100 tickets, 4 in one of 1,000; 5 for a
 * spike of 200 tickets, 9 for one of 5,000
 *
 * Tags: the file of 29 days at 100 tickets and 100 tags an hour: 490 kB; CPU of a calm run with it
 * and 100 tickets, over one without: 1.14
 *
 * Memory of a spike hour, at most 50,000 of its tickets ranked
 *   tickets   live heap MB    peak RSS MB    seconds
 *      1000             10            144        2.3
 *    100000             31            164        3.6
 *   1200000             31            168        3.9
 * Memory of a first fill of 2,000,000 tickets, with -Xmx64m: 169 MB RSS, 20 s
 *
 * Backtest of three years: 16.8 s of CPU, with --per-month 16.9 s
 *
 * Seconds, the median of 7    --version    a calm hour
 * jbang, built before              0.84           1.76
 * fat jar                          0.31           1.16
 * fat jar, class archive           0.22           0.88
 * </pre>
 */
final class Benchmark {
  private static final Duration LATENCY = Duration.ofMillis(150);
  private static final int EXPORTS = 100;  // a minute, Zendesk's limit
  private static final int REQUESTS = 400; // a minute, of an account on the Growth plan
  private static final int CEILING = 100;  // a minute, RequestsPerMinute unless it is given
  private static final int HOURS = 4380;

  private final Path folder = Files.createTempDirectory("benchmark");
  private final Hour now = Hour.lastFull(Instant.now());

  private Benchmark() throws IOException { }

  public static void main(String[] args) throws Exception {
    Locale.setDefault(Locale.ROOT);
    Certificates.install();
    boolean fast = List.of(args).contains("fast");
    var benchmark = new Benchmark();
    benchmark.firstFills(fast);
    benchmark.hourlyRuns();
    benchmark.tagCost();
    benchmark.memory(fast);
    benchmark.backtest();
    benchmark.starts();
    System.exit(0);
  }

  /** Real time, run faster. */
  private record FastTime(int times) implements Ticker {
    @Override
    public long nanos() {
      return System.nanoTime() * times;
    }

    @Override
    public void sleep(long millis) throws InterruptedException {
      TimeUnit.NANOSECONDS.sleep(millis * 1_000_000 / times);
    }
  }

  private void config(Desk desk, int port, int requestsPerMinute) throws IOException {
    Files.writeString(folder.resolve("auth.ini"), """
        [zendesk]
        Domain = acme
        ClientId = spike
        ClientSecret = %s
        BaseUrl = %s
        RequestsPerMinute = %d
        [email]
        Sender = spikes@acme.example
        Recipient = team@acme.example
        Host = localhost
        Port = %d
        Username = spikes
        Password = %s
        """.formatted(Desk.SECRET, desk.url(), requestsPerMinute, port, MailServer.PASSWORD));
  }

  private void run(Ticker time) {
    var err = new StringWriter();
    var clock = Clock.fixed(now.to().plusSeconds(420), ZoneOffset.UTC);
    var world = new World(clock, time, Duration.ofMinutes(2), Map.of(), new StringWriter(), err,
        false);
    int code = SpikeNotifier.execute(world, "-c", folder.resolve("auth.ini").toString());
    if (code != 0) throw new IllegalStateException(err.toString());
  }

  /** The history of the run before is no history of this one. */
  private void clear() throws IOException {
    if (!Files.isDirectory(folder.resolve("out"))) return;
    try (var files = Files.walk(folder.resolve("out"))) {
      for (var file : files.sorted(Collections.reverseOrder()).toList()) Files.delete(file);
    }
  }

  private static Desk spread(long tickets) throws IOException {
    return new Desk(hour -> (hour.number() + 1) * tickets / HOURS - hour.number() * tickets / HOURS,
        (hour, i) -> false);
  }

  private void firstFills(boolean fast) throws IOException {
    System.out.printf("First fill of %d hours; %d ms latency, %d exports and %d requests a minute, "
        + "own ceiling %d%n", HOURS, LATENCY.toMillis(), EXPORTS, REQUESTS, CEILING);
    System.out.println("(waits and latency are shortened, what the CPUs do is not; bound: the "
        + "requests at the ceiling)");
    System.out.printf("%9s %9s %9s %9s %9s %12s%n", "tickets", "requests", "minutes", "bound",
        "ratio", "one by one");
    var fills = new TreeMap<>(Map.of(20_000, 4, 100_000, 8));
    if (!fast) fills.put(1_000_000, 10);
    for (var fill : fills.entrySet()) {
      var time = new FastTime(fill.getValue());
      try (var desk = spread(fill.getKey())) {
        var limits = Desk.Trouble.limits(EXPORTS, REQUESTS, time);
        desk.trouble = (exchange, path) -> {
          pause(LATENCY.toMillis() / (double) fill.getValue());
          return limits.takes(exchange, path);
        };
        clear();
        config(desk, 1, CEILING);
        long start = time.nanos();
        run(time);
        double minutes = (time.nanos() - start) / 60e9;
        double bound = desk.requests() / (double) CEILING;
        System.out.printf("%9d %9d %9.2f %9.2f %9.2f %12.1f%n", fill.getKey(), desk.requests(),
            minutes, bound, minutes / bound, HOURS / (double) CEILING);
      }
    }
  }

  private static void pause(double millis) {
    try {
      TimeUnit.NANOSECONDS.sleep((long) (millis * 1e6));
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private void hourlyRuns() throws IOException {
    System.out.printf("%nRequests of an hourly run, nothing missing%n");
    for (long usual : new long[] {10, 100, 1000}) {
      for (long count : new long[] {usual, 200, 5000}) {
        if (count < usual) continue;
        try (var desk = new Desk(hour -> hour.equals(now) ? count : usual, (hour, i) -> i > usual);
            var mail = MailServer.usual()) {
          clear();
          Fakes.known(folder, now.plus(-HOURS), now, usual);
          tags(100);
          config(desk, mail.port(), CEILING);
          run(new FastTime(1));
          System.out.printf("%9d tickets where %d are usual: %d%n", count, usual, desk.requests());
        }
      }
    }
  }

  /** Four weeks of tags: two of a hundred on each ticket, few of them often. */
  private void tags(int tickets) {
    var tags = new TagHistory(folder.resolve("out/history.csv"));
    var random = new Random(1);
    for (var hour = now.plus(-24 * TagHistory.DAYS); hour.isBefore(now); hour = hour.plus(1)) {
      var counts = new TreeMap<String, Long>();
      for (int i = 0; i < 2 * tickets; i++) {
        int rank = (int) Math.pow(100, random.nextDouble()); // the odds of a rank fall with it
        counts.merge("topic_" + rank, 1L, Long::sum);
      }
      counts.put("via:web", (long) tickets);
      tags.put(hour, tickets, counts);
    }
    tags.save();
  }

  /** What reading a hundred tickets and the tags of four weeks costs a calm hour. */
  private void tagCost() throws IOException, InterruptedException {
    double[] cpu = new double[2];
    for (int i = 0; i < 2; i++) {
      int tickets = 100 * i;
      try (var desk = new Desk(hour -> tickets, (hour, each) -> false)) {
        clear();
        Fakes.known(folder, now.plus(-HOURS), now, tickets);
        tags(tickets);
        config(desk, 1, CEILING);
        Files.writeString(folder.resolve("auth.ini"), "[spike]\nRule = weekly\nTagSurges = "
            + (i == 0 ? "no" : "yes") + "\n", StandardOpenOption.APPEND);
        var times = new ArrayList<Double>();
        for (int each = 0; each < 7; each++) times.add(cpuOfAChild());
        Collections.sort(times);
        cpu[i] = times.get(1); // what else the machine does, only adds
      }
    }
    System.out.printf("%nTags: the file of %d days at 100 tickets and 100 tags an hour: %d kB; CPU "
            + "of a calm run with it and 100 tickets, over one without: %.2f%n", TagHistory.DAYS,
        Files.size(folder.resolve("out/history.csv.tags")) / 1000, cpu[1] / cpu[0]);
  }

  /** Seconds of all threads, as bash tells them. */
  private double cpuOfAChild() throws IOException, InterruptedException {
    var java = Path.of(System.getProperty("java.home"), "bin", "java");
    var process = new ProcessBuilder("bash", "-c",
        "TIMEFORMAT='%U %S'; time \"$@\" > /dev/null 2>&1", "bash",
        java.toString(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
        System.getProperty("java.class.path"), "spikenotifier.SpikeNotifier", "-q", "-c",
        folder.resolve("auth.ini").toString())
        .redirectErrorStream(true)
        .start();
    var words = new String(process.getInputStream().readAllBytes()).strip().split("\\s+");
    process.waitFor();
    return Double.parseDouble(words[0]) + Double.parseDouble(words[1]);
  }

  /** In JVMs of their own: what the largest collection left, and the kernel's high-water mark. */
  private void memory(boolean fast) throws IOException, InterruptedException {
    System.out.printf("%nMemory of a spike hour, at most 50,000 of its tickets ranked%n");
    System.out.printf("%9s %14s %14s %10s%n", "tickets", "live heap MB", "peak RSS MB", "seconds");
    for (int tickets : new int[] {1000, 10_000, 100_000, 1_200_000}) {
      try (var desk = new Desk(hour -> hour.isBefore(now) ? 10 : tickets, (hour, i) -> i > 10);
          var mail = MailServer.usual()) {
        clear();
        Fakes.known(folder, now.plus(-HOURS), now, 10);
        config(desk, mail.port(), 100_000);
        child(tickets, "-Xmx128m");
      }
    }
    if (fast) return;
    System.out.printf("%nMemory of a first fill, with -Xmx64m%n");
    try (var desk = spread(2_000_000)) {
      clear();
      config(desk, 1, 100_000);
      child(2_000_000, "-Xmx64m");
    }
  }

  private void child(int tickets, String heap) throws IOException, InterruptedException {
    var log = folder.resolve("gc.log");
    long start = System.nanoTime();
    var child = Fakes.child(folder, heap, "-XX:+UseSerialGC", "-Xlog:gc:file=" + log);
    long rss = 0;
    var mark = Pattern.compile("VmHWM:\\s+(\\d+)");
    var status = Path.of("/proc/" + child.pid() + "/status");
    while (!child.waitFor(20, TimeUnit.MILLISECONDS)) {
      try {
        var found = mark.matcher(Files.readString(status));
        if (found.find()) rss = Long.parseLong(found.group(1)) / 1024;
      } catch (IOException e) {
        continue; // it has just ended
      }
    }
    long live = 0;
    var collections = Pattern.compile("->(\\d+)M").matcher(Files.readString(log));
    while (collections.find()) live = Math.max(live, Long.parseLong(collections.group(1)));
    System.out.printf("%9d %14d %14d %10.1f%s%n", tickets, live, rss,
        (System.nanoTime() - start) / 1e9, child.exitValue() == 0 ? ""
            : "  exit code " + child.exitValue() + " " + Fakes.read(folder.resolve("child")));
  }

  private void backtest() throws IOException {
    var ini = folder.resolve("offline.ini");
    Files.writeString(ini, "[spike]\nRule = weekly\n");
    var world = new World(Clock.systemUTC(), new Ticker() { }, Duration.ofMinutes(1), Map.of(),
        new StringWriter(), new StringWriter(), false);
    var config = Config.readOffline(ini, world);
    var known = new TreeMap<Hour, Long>();
    Hour.range(now.plus(-26_280), now).forEach(hour ->
        known.put(hour, 5L + Math.floorMod(hour.number() * 31, 17)));
    var threads = ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    new Backtest(config, new Counts(known), new TagHistory()).print(world, null, false);
    double table = (threads.getCurrentThreadCpuTime() - start) / 1e9;
    new Backtest(config, new Counts(known), new TagHistory()).print(world, 0.5, false);
    double both = (threads.getCurrentThreadCpuTime() - start) / 1e9;
    System.out.printf("%nBacktest of three years: %.2f s of CPU, with --per-month %.2f s%n", table,
        both - table);
  }

  private void starts() throws IOException, InterruptedException {
    var jar = folder.resolve("spike.jar").toString();
    var archive = folder.resolve("spike.jsa").toString();
    once(".jbang/jbangw", "--quiet", "export", "fatjar", "--force", "-O", jar,
        "SpikeNotifier.java");
    var byJbang = new String[] {".jbang/jbangw", "--quiet", "SpikeNotifier.java"};
    var byJar = new String[] {"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", jar};
    var byArchive = new String[] {"java", "-XX:SharedArchiveFile=" + archive, "-Xlog:disable",
        "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", jar};
    try (var desk = new Desk(hour -> 10, (hour, i) -> false)) {
      clear();
      Fakes.known(folder, now.plus(-HOURS), now, 10);
      config(desk, 1, CEILING);
      once("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:ArchiveClassesAtExit="
          + archive, "-Xlog:disable", "-jar", jar, "-c", folder.resolve("auth.ini").toString());
      System.out.printf("%nSeconds, the median of 7   %10s %14s%n", "--version", "a calm hour");
      print("jbang, built before", byJbang);
      print("fat jar", byJar);
      print("fat jar, class archive", byArchive);
    }
  }

  private void print(String name, String[] command) throws IOException, InterruptedException {
    var ini = folder.resolve("auth.ini").toString();
    System.out.printf("%-26s %10.2f %14.2f%n", name, median(with(command, "--version")),
        median(with(command, "-c", ini)));
  }

  private static String[] with(String[] command, String... more) {
    return Stream.concat(Stream.of(command), Stream.of(more)).toArray(String[]::new);
  }

  private double median(String... command) throws IOException, InterruptedException {
    var times = new ArrayList<Double>();
    for (int i = 0; i < 7; i++) times.add(once(command));
    Collections.sort(times);
    return times.get(3);
  }

  private double once(String... command) throws IOException, InterruptedException {
    long start = System.nanoTime();
    int code = new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("once").toFile())
        .start()
        .waitFor();
    if (code != 0) {
      throw new IllegalStateException(List.of(command) + ": " + Fakes.read(folder.resolve("once")));
    }
    return (System.nanoTime() - start) / 1e9;
  }
}
