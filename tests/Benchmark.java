///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES SpikeNotifierTest.java
//DEPS org.jacoco:org.jacoco.core:0.8.15
//DEPS org.jacoco:org.jacoco.agent:0.8.15:runtime

package spikenotifier;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipFile;

import org.jacoco.core.analysis.Analyzer;
import org.jacoco.core.analysis.CoverageBuilder;
import org.jacoco.core.analysis.ICounter;
import org.jacoco.core.tools.ExecFileLoader;

import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.TroubledDesk;
import spikenotifier.SpikeNotifier.*;

/**
 * Prints what the program costs: requests, waiting, memory, CPU and start. Judges nothing, since machines differ; the
 * figures that matter are the ratios. Run from the project's folder.
 */
final class Benchmark {
    private static final Duration LATENCY = Duration.ofMillis(150);
    private static final int EXPORTS = 100;  // a minute, Zendesk's limit
    private static final int REQUESTS = 400; // a minute, of an account on the Growth plan
    private static final int CEILING = 100;  // a minute, RequestsPerMinute unless it is given
    private static final int HOURS = 4380;

    private final Path folder = Files.createTempDirectory("benchmark");
    private final Hour now = Hour.lastFull(Clock.systemUTC());

    private Benchmark() throws IOException { }

    public static void main(String[] args) throws Exception {
        Locale.setDefault(Locale.ROOT);
        Certificates.install();
        var benchmark = new Benchmark();
        benchmark.firstFill();
        benchmark.hourlyRuns();
        benchmark.memory();
        benchmark.backtest();
        benchmark.starts();
        benchmark.coverage();
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

    private void config(TroubledDesk desk, int port, int requestsPerMinute) throws IOException {
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
        var world = new World(Clock.fixed(now.to().plusSeconds(420), ZoneOffset.UTC), time, Duration.ofMinutes(2), Map.of(),
                new StringWriter(), err, false);
        int code = SpikeNotifier.commandLine(world)
                .execute("-c", folder.resolve("auth.ini").toString());
        if (code != 0) {
            throw new IllegalStateException(err.toString());
        }
    }

    private void firstFill() throws IOException {
        System.out.printf("First fill of %d hours; %d ms latency, %d exports and %d requests a minute, own ceiling %d%n",
                HOURS, LATENCY.toMillis(), EXPORTS, REQUESTS, CEILING);
        System.out.printf("(waits and latency are shortened as the last column says, what the CPUs do is not)%n");
        System.out.printf("%9s %9s %9s %9s %9s %12s %8s%n", "tickets", "requests", "minutes", "bound", "ratio",
                "one by one", "faster");
        for (var fill : Map.of(20_000, 4, 100_000, 8, 1_000_000, 10).entrySet().stream().sorted(Map.Entry.comparingByKey()).toList()) {
            int tickets = fill.getKey();
            ToLongFunction<Hour> count = hour -> (hour.number() + 1) * tickets / HOURS - hour.number() * tickets / HOURS;
            var time = new FastTime(fill.getValue());
            try (var desk = new TroubledDesk(count)) {
                var limits = TroubledDesk.limits(EXPORTS, REQUESTS, time);
                desk.trouble = (exchange, path) -> {
                    pause(LATENCY.toMillis() / (double) time.times());
                    return limits.takes(exchange, path);
                };
                Demo.clear(folder.resolve("out"));
                config(desk, 1, CEILING);
                long start = time.nanos();
                run(time);
                double minutes = (time.nanos() - start) / 60e9;
                double bound = desk.requests() / (double) CEILING;
                System.out.printf("%9d %9d %9.2f %9.2f %9.2f %12.1f %7dx%n", tickets, desk.requests(), minutes, bound,
                        minutes / bound, HOURS / (double) CEILING, time.times());
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
        for (long count : new long[] {10, 200, 5000}) {
            try (var desk = new TroubledDesk(hour -> hour.equals(now) ? count : 10); var mail = MailServer.usual()) {
                Demo.clear(folder.resolve("out"));
                Fakes.known(folder, now.plus(-HOURS), now, 10);
                config(desk, mail.port(), CEILING);
                run(new FastTime(1));
                System.out.printf("%9d tickets where 10 are usual: %d%n", count, desk.requests());
            }
        }
    }

    /** The program in a JVM of its own; the heap is what its largest collection left, RSS the kernel's high-water mark. */
    private void memory() throws IOException, InterruptedException {
        System.out.printf("%nMemory of a spike hour, all its tickets ranked%n%9s %14s %14s %10s%n", "tickets", "live heap MB",
                "peak RSS MB", "seconds");
        for (int tickets : new int[] {1000, 10_000, 100_000, 1_000_000}) {
            try (var desk = new TroubledDesk(hour -> hour.compareTo(now) >= 0 ? tickets : 10); var mail = MailServer.usual()) {
                Demo.clear(folder.resolve("out"));
                Fakes.known(folder, now.plus(-HOURS), now, 10);
                config(desk, mail.port(), 100_000);
                var log = folder.resolve("gc.log");
                long start = System.nanoTime();
                var child = Fakes.child(folder, "-Xmx160m", "-XX:+UseSerialGC", "-Xlog:gc:file=" + log);
                long rss = 0;
                var mark = Pattern.compile("VmHWM:\\s+(\\d+)");
                var status = Path.of("/proc/" + child.pid() + "/status");
                while (!child.waitFor(20, TimeUnit.MILLISECONDS)) {
                    try {
                        var found = mark.matcher(Files.readString(status));
                        rss = found.find() ? Long.parseLong(found.group(1)) / 1024 : rss;
                    } catch (IOException e) {
                        continue; // it has just ended
                    }
                }
                long live = Pattern.compile("->(\\d+)M").matcher(Files.readString(log)).results()
                        .mapToLong(m -> Long.parseLong(m.group(1))).max().orElse(0);
                System.out.printf("%9d %14d %14d %10.1f%s%n", tickets, live, rss, (System.nanoTime() - start) / 1e9,
                        child.exitValue() == 0 ? "" : "  exit code " + child.exitValue() + " "
                                + Files.readString(folder.resolve("child")));
            }
        }
    }

    private void backtest() {
        var known = new TreeMap<Hour, Long>();
        Hour.range(now.plus(-26_280), now).forEach(hour -> known.put(hour, 5L + Math.floorMod(hour.number() * 31, 17)));
        var rule = new Rule(RuleName.WEEKLY, HOURS, 0.5, 3, 5, 1, 3, Set.of(), ZoneOffset.UTC);
        var world = new World(Clock.systemUTC(), new Ticker() { }, Duration.ofMinutes(1), Map.of(), new StringWriter(),
                new StringWriter(), false);
        var threads = ManagementFactory.getThreadMXBean();
        long start = threads.getCurrentThreadCpuTime();
        new Backtest(rule, new Counts(known)).print(world, 4, false);
        System.out.printf("%nBacktest of three years, the whole grid: %.2f s of CPU%n",
                (threads.getCurrentThreadCpuTime() - start) / 1e9);
    }

    private void starts() throws IOException, InterruptedException {
        var jar = folder.resolve("spike.jar").toString();
        var archive = folder.resolve("spike.jsa").toString();
        once(".jbang/jbangw", "--quiet", "export", "fatjar", "--force", "-O", jar, "SpikeNotifier.java");
        once("java", "-XX:ArchiveClassesAtExit=" + archive, "-jar", jar, "demo");
        System.out.printf("%nStart (--version), the median of 7%n");
        System.out.printf("jbang, built before            %6.2f s%n", median(".jbang/jbangw", "--quiet", "SpikeNotifier.java", "--version"));
        System.out.printf("fat jar                        %6.2f s%n", median("java", "-jar", jar, "--version"));
        System.out.printf("fat jar with AppCDS            %6.2f s%n", median("java", "-XX:SharedArchiveFile=" + archive,
                "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-jar", jar, "--version"));
        System.out.printf("demo, fat jar                  %6.2f s%n", once("java", "-jar", jar, "demo"));
    }

    private double median(String... command) throws IOException, InterruptedException {
        var times = new ArrayList<Double>();
        for (int i = 0; i < 7; i++) {
            times.add(once(command));
        }
        return times.stream().sorted().toList().get(3);
    }

    private double once(String... command) throws IOException, InterruptedException {
        long start = System.nanoTime();
        var words = Stream.of(command).map(word -> word.equals("SpikeNotifier.java") || word.startsWith(".jbang")
                ? Path.of(word).toAbsolutePath().toString() : word).toList();
        int code = new ProcessBuilder(List.copyOf(words)).directory(folder.toFile()).redirectErrorStream(true)
                .redirectOutput(folder.resolve("once").toFile()).start().waitFor();
        if (code != 0) {
            throw new IllegalStateException(words + ": " + Files.readString(folder.resolve("once")));
        }
        return (System.nanoTime() - start) / 1e9;
    }

    /** Runs the tests once more, watched by JaCoCo. */
    private void coverage() throws IOException, InterruptedException {
        var classes = System.getProperty("java.class.path").split(File.pathSeparator);
        var agent = Stream.of(classes).filter(jar -> jar.contains("jacoco.agent")).findFirst().orElseThrow();
        var data = folder.resolve("jacoco.exec");
        int code = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-javaagent:" + agent
                + "=includes=spikenotifier.SpikeNotifier*,destfile=" + data, "-cp", System.getProperty("java.class.path"),
                "spikenotifier.SpikeNotifierTest").redirectErrorStream(true).redirectOutput(folder.resolve("tests").toFile())
                .start().waitFor();
        var loader = new ExecFileLoader();
        loader.load(data.toFile());
        var builder = new CoverageBuilder();
        var analyzer = new Analyzer(loader.getExecutionDataStore(), builder);
        try (var jar = new ZipFile(classes[0])) {
            for (var entry : Collections.list(jar.entries())) {
                if (entry.getName().matches("spikenotifier/SpikeNotifier(\\$.*)?\\.class")) {
                    analyzer.analyzeClass(jar.getInputStream(entry), entry.getName());
                }
            }
        }
        var file = builder.getSourceFiles().iterator().next();
        var missed = IntStream.rangeClosed(file.getFirstLine(), file.getLastLine())
                .filter(line -> file.getLine(line).getStatus() == ICounter.NOT_COVERED).mapToObj(Integer::toString).toList();
        System.out.printf("%nTests: %s, exit code %d; lines of %s covered: %.1f %%%n", Files.readAllLines(folder.resolve("tests"))
                .stream().reduce("", (before, line) -> line), code, file.getName(), file.getLineCounter().getCoveredRatio() * 100);
        System.out.println("not covered: " + String.join(" ", missed));
    }
}
