///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../SpikeNotifier.java
//SOURCES NoticeTest.java
//SOURCES EdgeTest.java
//SOURCES DeliveryTest.java
//SOURCES Scenario.java
//SOURCES Desk.java
//SOURCES Fakes.java
//FILES tweets.csv
//FILES incidents.csv
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//DEPS com.github.davidmoten:subethasmtp:7.2.2
//DEPS org.slf4j:slf4j-nop:1.7.36

package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import spikenotifier.SpikeNotifier.*;

/** The pure functions: rules, tags, history, config, words. Run with class names to choose. */
class SpikeNotifierTest {
  static final List<Class<?>> ALL =
      List.of(SpikeNotifierTest.class, NoticeTest.class, DeliveryTest.class, EdgeTest.class);
  static final Hour JUDGED = Hour.parse("2026-11-24T13"); // a Tuesday
  static final String HEADER =
      "date,00,01,02,03,04,05,06,07,08,09,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n";
  static final String WEEKLY = "[spike]\nRule = weekly\n[misc]\nSpikeThreshold = 0.5\n";

  @TempDir
  Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT); // as the program does
    Fakes.Certificates.install();
    var request = LauncherDiscoveryRequestBuilder.request();
    for (var each : ALL) {
      boolean chosen = args.length == 0 || List.of(args).contains(each.getSimpleName());
      if (chosen) request.selectors(selectClass(each));
    }
    var listener = new SummaryGeneratingListener();
    LauncherFactory.create().execute(request.build(), listener);
    var summary = listener.getSummary();
    summary.printFailuresTo(new PrintWriter(System.err, true), 12);
    System.out.printf("%d passed, %d failed%n", summary.getTestsSucceededCount(),
        summary.getTotalFailureCount());
    boolean good = summary.getTotalFailureCount() == 0 && summary.getTestsSucceededCount() > 0;
    System.exit(good ? 0 : 1);
  }

  World world(Map<String, String> env) {
    return new World(Clock.fixed(Instant.parse("2026-11-24T14:07:00Z"), ZoneOffset.UTC),
        new Ticker() { }, Duration.ofSeconds(9), env, out, err, true);
  }

  Config offline(String ini) {
    return Config.readOffline(write("auth.ini", ini), world(Map.of()));
  }

  Path write(String name, String text) {
    var file = folder.resolve(name);
    Disk.write(file, text);
    return file;
  }

  int run(String... args) {
    return SpikeNotifier.execute(world(Map.of()), args);
  }

  Judge judge(String ini, NavigableMap<Hour, Long> known) {
    return new Judge(new Rule(offline(ini)), new Counts(known));
  }

  Verdict verdict(String ini, NavigableMap<Hour, Long> known, long count) {
    var all = new TreeMap<>(known);
    all.put(JUDGED, count);
    return judge(ini, all).verdict(JUDGED);
  }

  /** The same hour of earlier days or weeks held so many, the latest first. */
  static TreeMap<Hour, Long> every(int hours, long... past) {
    var known = new TreeMap<Hour, Long>();
    for (int i = 0; i < past.length; i++) known.put(JUDGED.plus(-hours * (i + 1L)), past[i]);
    return known;
  }

  static long[] numbers(String words) {
    return Stream.of(words.strip().split(" +")).mapToLong(Long::parseLong).toArray();
  }

  static final String WORKED = "10 12 9 11 10 14 8 10 11 9 12 10 13";

  @Nested
  class The_rule_mean {
    @ParameterizedTest
    @CsvSource({
        "64,   1, calm,  just the limit is not over it",
        "65,   1, spike, one more is",
        "65, 100, calm,  fewer than MinTickets are never a spike",
    })
    void calls_more_than_the_limit_a_spike(long count, int minTickets, String verdict,
        String why) {
      var ini = "[misc]\nSpikeThreshold = 0.6\n[spike]\nMinTickets = " + minTickets;
      assertEquals(verdict, name(verdict(ini, every(24, 40, 38, 42), count)), why);
    }

    /** Cells of public hourly series, with the figures of a second implementation (pandas). */
    @ParameterizedTest
    @CsvSource({
        "tweets 2017-10-06T03,    11,                           4,  4.0,      175.0,      spike",
        "tweets 2017-10-06T00,     4,                           7,  7.0,      -42.857143, calm",
        "tweets 2017-10-11T19,    20,              19 19 6 3 5 8, 10.0,      100.0,      spike",
        "tweets 2017-10-18T05,    14, 9 20 10 5 17 3 5 8 8 5 10 7 4, 8.538462, 63.963964, spike",
        "incidents 2016-03-01T04,  0,                           1,  1.0,      -100.0,     calm",
        "incidents 2016-03-04T23,  5,                     1 1 3 2,  1.75,     185.714286, spike",
    })
    void equals_a_second_implementation_on_real_hours(String cell, long count, String past,
        double mean, double percent, String verdict) {
      var ini = "[misc]\nSpikeThreshold = 0.5\n[spike]\nMinSamples = 1";
      var judged = (Judged) verdict(ini, every(24, numbers(past)), count);
      assertEquals(verdict, name(judged), cell);
      assertEquals(mean, judged.baseline().mean(), 1e-6, cell);
      assertEquals(percent, judged.baseline().percent(count), 1e-6, cell);
    }

    @Test
    void keeps_the_hour_itself_and_hours_before_the_window_out() {
      var known = every(24, 40, 38, 42);
      known.put(JUDGED, 9999L);
      var samples = judge("[misc]\nNumHours = 72\n", known).baselines.samples(JUDGED).known();
      assertEquals(List.of(40L, 38L, 42L), samples.stream().map(Sample::count).toList());
      samples = judge("[misc]\nNumHours = 72\n[spike]\nMinSamples = 2\n",
          every(24, 40, 38, 42, 44)).baselines.samples(JUDGED).known();
      assertEquals(3, samples.size());
    }

    @Test
    void only_learns_from_few_samples_and_says_how_many_it_takes() {
      var learning = assertInstanceOf(Learning.class, verdict("", every(24, 40, 38), 1000));
      assertEquals(2, learning.samples());
      assertEquals(3, learning.needed());
    }

    @Test
    void has_no_percentage_where_no_tickets_are_usual() {
      var known = every(24, 0, 0, 0);
      known.put(JUDGED.plus(-24 * 30), 1L); // the desk is older
      var ini = "[misc]\nNumHours = 72\n";
      var spike = assertInstanceOf(Spike.class, verdict(ini, known, 1));
      assertNull(spike.baseline().percent(1));
      assertInstanceOf(Calm.class, verdict(ini, known, 0));
    }
  }

  static String name(Verdict verdict) {
    return verdict.getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  @Nested
  class The_rule_weekly {
    /** Thirteen weeks, the hour before among them, as in the manual at the top of the file. */
    private TreeMap<Hour, Long> worked(long before) {
      var known = every(168, numbers(WORKED));
      for (int week = 1; week <= 13; week++) {
        known.put(JUDGED.plus(-168L * week - 1), numbers(WORKED)[week - 1]);
      }
      known.put(JUDGED.plus(-1), before);
      return known;
    }

    @ParameterizedTest
    @CsvSource({
        "25, 11, spike, alone it stands out by more than four deviations",
        "24, 11, calm,  alone too little, and with 11 before it too",
        "18, 18, spike, two high hours stand out together",
        "18, 17, calm,  these not quite",
    })
    void looks_at_an_hour_alone_and_with_the_one_before(long count, long before, String verdict,
        String why) {
      var judged = (Judged) verdict(WEEKLY, worked(before), count);
      assertEquals(verdict, name(judged), why);
      assertEquals(10.6923, judged.baseline().mean(), 1e-4);
      assertEquals(3.3933, judged.baseline().spread().deviation(), 1e-4);
    }

    @Test
    void looks_at_the_hour_alone_where_the_one_before_is_unknown() {
      var known = worked(18);
      known.remove(JUDGED.plus(-1));
      var judged = (Judged) verdict(WEEKLY, known, 18);
      assertInstanceOf(Calm.class, judged);
      assertNull(judged.together());
    }

    /** Cells of two public series, with what an independent implementation says of them. */
    @ParameterizedTest
    @CsvSource({
        "tweets,2017-10-08T13,9,3,,,,,false",
        "tweets,2017-10-19T15,36,14,14.428571,5.419904,3.980039,,true",
        "tweets,2017-10-16T23,27,11,12.090909,4.929907,3.024213,,true",
        "tweets,2017-10-12T00,18,7,11.142857,5.015716,1.367131,,false",
        "tweets,2017-10-30T21,10,25,14.120000,7.787835,-0.529030,,false",
        "tweets,2017-11-28T22,52,7,23.142857,8.446413,3.416497,3.977294,true",
        "tweets,2017-11-03T13,11,4,5.500000,2.622022,2.097618,3.039440,true",
        "tweets,2017-11-28T23,31,7,15.466290,7.940207,1.956336,3.829235,true",
        "tweets,2017-11-13T14,7,5,18.373539,8.460184,-1.344361,-1.537427,false",
        "tweets,2017-11-12T14,13,5,13.625321,6.528482,-0.095784,-0.208412,false",
        "tweets,2017-11-24T10,1,7,7.142857,4.165106,-1.474838,-1.151694,false",
        "tweets,2017-11-17T16,27,6,17.255170,6.154786,1.583293,1.019971,false",
        "incidents,2016-03-04T05,0,4,,,,,false",
        "incidents,2016-03-24T20,10,24,2.125000,2.490341,3.162217,,true",
        "incidents,2016-03-07T13,65,7,15.857143,11.000298,4.467411,,true",
        "incidents,2016-03-16T17,20,16,14.750000,9.448176,0.555663,,false",
        "incidents,2016-03-28T06,10,4,1.750000,1.514955,5.445706,4.245590,true",
        "incidents,2016-05-12T22,7,10,1.153356,1.372916,4.258560,8.092630,true",
        "incidents,2016-04-01T00,9,4,2.335185,2.203563,3.024563,3.590479,true",
        "incidents,2016-05-02T21,19,9,3.461372,2.250434,6.904726,4.152256,true",
        "incidents,2016-05-10T22,24,10,2.000000,1.483240,14.832397,8.995169,true",
        "incidents,2016-04-12T09,52,6,49.000000,16.006087,0.187429,-0.339914,false",
        "incidents,2016-04-23T02,5,7,0.857143,1.069045,3.875288,6.368320,false",
        "incidents,2016-04-07T16,32,5,27.609832,9.049062,0.485152,-0.366560,false",
    })
    void equals_a_second_implementation_on_real_hours(String series, String hour, long count,
        int samples, Double mean, Double deviation, Double z, Double together, boolean spike)
        throws IOException {
      var judge = new Judge(new Rule(offline(WEEKLY)), series(series));
      var verdict = judge.verdict(Hour.parse(hour));
      assertEquals(count, verdict.count());
      assertEquals(spike, verdict instanceof Spike);
      if (mean == null) {
        assertEquals(samples, ((Learning) verdict).samples());
        return;
      }
      var judged = (Judged) verdict;
      assertEquals(samples, judged.baseline().samples());
      assertEquals(mean, judged.baseline().mean(), 1e-5);
      assertEquals(deviation, judged.baseline().spread().deviation(), 1e-5);
      assertEquals(z, judged.baseline().z(count), 1e-5);
      if (together == null) assertNull(judged.together());
      else assertEquals(together, judged.together(), 1e-5);
    }

    private Counts series(String name) throws IOException {
      var stream = SpikeNotifierTest.class.getResourceAsStream("/" + name + ".csv");
      return History.read(write(name + ".csv",
          new String(stream.readAllBytes(), StandardCharsets.UTF_8)));
    }

    /** Fourteen weeks of ten tickets an hour, the last days of which held {@code lastDays}. */
    private TreeMap<Hour, Long> growth(int days, long lastDays) {
      var known = new TreeMap<Hour, Long>();
      Hour.range(JUDGED.plus(-168 * 14), JUDGED).forEach(hour -> known.put(hour, 10L));
      Hour.range(JUDGED.plus(-24L * days), JUDGED).forEach(hour -> known.put(hour, lastDays));
      return known;
    }

    @ParameterizedTest
    @CsvSource({
        "2, 20, 2.0, two busy days of three raise what is usual",
        "1, 20, 1.0, one does not: it may be an outage",
        "3, 90, 4.0, growth is followed up to four times",
        "3,  5, 1.0, quiet days do not lower what is usual",
    })
    void follows_growth_within_two_days(int days, long lastDays, double level, String why) {
      var judged = (Judged) verdict(WEEKLY, growth(days, lastDays), 1);
      assertEquals(level, judged.baseline().spread().growthFactor(), 1e-9, why);
      assertEquals(10 * level, judged.baseline().mean(), 1e-9, why);
    }

    @Test
    void takes_days_of_which_less_than_half_is_known_for_nothing() {
      var known = growth(3, 20);
      Hour.range(JUDGED.plus(-72), JUDGED).filter(hour -> hour.number() % 24 > 10)
          .forEach(known::remove);
      var judged = (Judged) verdict(WEEKLY, known, 1);
      assertEquals(1, judged.baseline().spread().growthFactor(),
          "11 hours of a day are too few to tell");
    }

    /** The median of 10, 12, 20 and 200 is 16; above 16 + 3 sqrt(16 + 4.8^2) counts as that. */
    @Test
    void lets_an_outage_among_the_samples_count_for_no_more_than_the_cap() {
      var judged = (Judged) verdict(WEEKLY, every(168, 200, 12, 10, 20), 1);
      double cap = 16 + 3 * Math.sqrt(16 + 4.8 * 4.8);
      assertEquals(cap, judged.baseline().spread().cap(), 1e-9);
      assertEquals((10 + 12 + 20 + cap) / 4, judged.baseline().mean(), 1e-9);
    }

    @ParameterizedTest
    @CsvSource({
        "168, 1 2 3,         learning, 3, 7",
        "168, 1 2 3 4,       spike,    0, 0",
        "24,  1 2 3 4 5 6,   learning, 6, 7",
        "24,  1 2 3 4 5 6 7, spike,    0, 0",
    })
    void takes_four_weeks_or_else_seven_days(int step, String past, String verdict, int samples,
        int needed) {
      var judged = verdict(WEEKLY, every(step, numbers(past)), 100);
      assertEquals(verdict, name(judged));
      if (!(judged instanceof Learning learning)) return;
      assertEquals(step == 168 ? 3 : samples, learning.samples());
      assertEquals(needed, learning.needed());
    }

    @ParameterizedTest
    @CsvSource({
        "25, 'MinTickets = 1',   spike, all bars are passed",
        "25, 'MinTickets = 30',  calm,  fewer than MinTickets",
        "25, 'Deviations = 3.3', calm,  fewer Deviations",
        "25, 'MinExtra = 15',    calm,  less than MinExtra over the mean",
    })
    void asks_for_every_bar(long count, String setting, String verdict, String why) {
      var ini = WEEKLY.replace("[misc]", setting + "\n[misc]");
      assertEquals(verdict, name(verdict(ini, worked(11), count)), why);
    }

    /** With more MinSamples than weeks are known, the days serve, and never nothing at all. */
    @Test
    void does_not_go_blind_when_many_samples_are_wanted() {
      var ini = WEEKLY.replace("[misc]", "MinSamples = 8\n[misc]");
      var known = new TreeMap<Hour, Long>();
      Hour.range(JUDGED.plus(-5 * 168), JUDGED).forEach(hour -> known.put(hour, 10L));
      assertInstanceOf(Spike.class, verdict(ini, known, 90));
    }

    @Test
    void names_the_bar_that_decides_and_the_count_that_each_asks_for() {
      var judged = (Judged) verdict(WEEKLY, worked(18), 18);
      var words = new ArrayList<String>();
      for (var threshold : judged.thresholds().all()) {
        words.add(threshold.words().get() + ": " + SpikeNotifier.decimal(threshold.tickets())
            + (threshold == judged.thresholds().effective() ? " decides" : ""));
      }
      assertEquals(List.of(
          "alone 4.0 deviations of 3.4 over 10.7: 24.3",
          "with the hour before 3.0 deviations of both: 17.8 decides",
          "50 % over 10.7: 16.0",
          "5 more than 10.7: 15.7"), words);
      assertEquals(18, judged.thresholds().least());
    }

    @Test
    void never_calls_an_hour_without_tickets_a_spike() {
      var ini = WEEKLY.replace("0.5", "0").replace("[misc]",
          "Deviations = 0\nMinExtra = 0\nMinTickets = 0\nMinSamples = 1\n[misc]");
      var known = every(168, 0, 0, 0, 0);
      known.put(JUDGED.plus(-168 * 20), 1L);
      known.put(JUDGED.plus(-1), 40L);
      assertInstanceOf(Calm.class, verdict(ini, known, 0));
    }
  }

  @Nested
  class Samples_of_an_hour {
    /** Zeros of before a desk's first ticket are no usual. */
    @ParameterizedTest
    @ValueSource(ints = {14, 30, 60})
    void begin_with_the_first_ticket_of_a_young_desk(int days) {
      var known = new TreeMap<Hour, Long>();
      Hour.range(JUDGED.plus(-4380), JUDGED.plus(1)).forEach(hour ->
          known.put(hour, JUDGED.since(hour) <= days * 24L ? 10 + hour.number() % 4 : 0));
      for (var rule : List.of("mean", "weekly")) {
        var judge = judge("[misc]\nSpikeThreshold = 0.5\n[spike]\nRule = " + rule, known);
        var spikes = judge.verdicts(JUDGED.plus(-168)).stream()
            .filter(Spike.class::isInstance).toList();
        assertEquals(List.of(), spikes, rule);
      }
      assertEquals(days, judge("", known).baselines.samples(JUDGED).known().size());
    }

    @Test
    void leave_out_ignored_days_of_the_local_calendar() {
      var ini = WEEKLY.replace("[misc]", "IgnoredDays = 2026-11-18\n"
          + "TimeZone = Pacific/Tongatapu\n[misc]"); // where 13:00 UTC of the 17th is 02:00
      var samples = judge(ini, every(168, numbers(WORKED))).baselines.samples(JUDGED);
      assertEquals(List.of(JUDGED.plus(-168)), samples.ignored());
      assertEquals(12, samples.known().size());
    }

    @ParameterizedTest
    @CsvSource({
        "2026-11-02T14, 2, America/New_York,    2026-10-31T13, back from summer time",
        "2026-11-02T06, 1, America/New_York,    2026-11-01T05 2026-11-01T06, 01:00 came twice",
        "2027-03-15T06, 1, America/New_York,    '', 02:00 did not come that night",
        "2027-03-29T12, 7, Europe/Berlin,       2027-03-22T13, 14:00 is 12Z in summer",
        "2026-11-24T13, 7, Asia/Kolkata,        2026-11-17T13, the same half of an hour",
        "2026-10-04T13, 7, Australia/Lord_Howe, 2026-09-27T13, its clock changes by half an hour",
        "2026-11-24T13, 7, UTC,                 2026-11-17T13, no clock change",
    })
    void are_those_that_the_local_clock_calls_the_same(String hour, int days, String zone,
        String same, String why) {
      var expected = new ArrayList<Hour>();
      for (var name : same.split(" ")) if (!name.isEmpty()) expected.add(Hour.parse(name));
      assertEquals(expected, Hour.parse(hour).daysBefore(days, ZoneId.of(zone)), why);
    }
  }

  /** Whoever edits Judge.isSpike edits job, explain, backtest and report: all ask it. */
  @Test
  void one_function_decides_for_all() throws IOException {
    var source = Files.readString(source("SpikeNotifier.java"));
    assertEquals(2, source.split("isSpike\\(", -1).length - 1, "declared once, asked once");
    assertEquals(2, source.split("new Spike\\(|new Calm\\(", -1).length - 1, "in Judge.verdict");
    for (var section : List.of("Job", "Explanation", "Backtest", "Report")) {
      assertTrue(sections().get(section).matches("(?s).*\\bverdicts?\\(.*"), section);
    }
  }

  static Path source(String name) {
    var here = Path.of("").toAbsolutePath();
    while (!Files.exists(here.resolve("SpikeNotifier.java"))) here = here.getParent();
    return here.resolve(name);
  }

  /** The program's text without comments, by the section's name. */
  static Map<String, String> sections() throws IOException {
    var sections = new LinkedHashMap<String, String>();
    var text = Files.readString(source("SpikeNotifier.java"));
    var parts = text.split("(?m)^  // ==== ");
    for (var part : List.of(parts).subList(1, parts.length)) {
      var name = part.substring(0, part.indexOf(':'));
      sections.put(name, part.substring(part.indexOf('\n'))
          .replaceAll("(?s)/\\*.*?\\*/", "").replaceAll("(?m)(^|\\s)//.*", ""));
    }
    return sections;
  }

  @Test
  void a_section_uses_only_those_below_it() throws IOException {
    var wrong = new ArrayList<String>();
    var above = new LinkedHashMap<String, String>(); // type -> section
    for (var section : sections().entrySet()) {
      for (var type : above.entrySet()) {
        boolean uses = Pattern.compile("\\b" + type.getKey() + "\\b(?!\")")
            .matcher(section.getValue().replaceAll("\"[^\"\n]*\"", "")).find();
        if (uses) wrong.add(section.getKey() + " uses " + type.getKey() + " of "
            + type.getValue());
      }
      var declared = Pattern.compile("(?m)^  (?:static |sealed |final )*"
          + "(?:class|record|enum|interface) (\\w+)").matcher(section.getValue());
      while (declared.find()) above.put(declared.group(1), section.getKey());
    }
    assertEquals(List.of(), wrong);
  }

  @Test
  void no_line_is_wider_than_100_columns() throws IOException {
    for (var name : List.of("SpikeNotifier.java", "tests/SpikeNotifierTest.java",
        "tests/NoticeTest.java", "tests/EdgeTest.java", "tests/DeliveryTest.java",
        "tests/Fakes.java", "tests/Desk.java", "tests/Demo.java", "tests/Benchmark.java")) {
      var lines = Files.readAllLines(source(name));
      for (int i = 0; i < lines.size(); i++) {
        boolean isDirective = lines.get(i).startsWith("//");
        assertTrue(isDirective || lines.get(i).length() <= 100, name + ":" + (i + 1));
      }
    }
  }

  @Nested
  class Tags {
    private static Ticket ticket(long id, int second, String... tags) {
      return new Ticket(id, Instant.parse("2026-11-24T13:00:00Z").plusSeconds(second), "subject",
          7L, List.of(tags), "ticket");
    }

    private static List<String> ranked(String omitted, Ticket... tickets) {
      var spike = new SpikeTickets(List.of(omitted));
      for (var ticket : tickets) spike.add(ticket);
      return spike.ranked().stream().map(tag -> tag.tag() + " " + tag.count()).toList();
    }

    @Test
    void are_left_out_whole_and_without_case_and_count_once_a_ticket() {
      assertEquals(List.of("Billing 1", "vip_gold 1"),
          ranked("vip", ticket(1, 0, "VIP", "Billing", "vip_gold", "billing")));
    }

    @Test
    void as_frequent_rank_as_they_first_appeared_whatever_the_order_of_the_pages() {
      var first = ticket(9, 1, "b", "a");
      var second = ticket(8, 2, "c", "B");
      var third = ticket(7, 2, "a", "c");
      assertEquals(List.of("b 2", "a 2", "c 2"), ranked("x", first, second, third));
      assertEquals(List.of("b 2", "a 2", "c 2"), ranked("x", third, second, first));
    }

    /** So many of so many tickets carry it now, and so many of so many in each of four weeks. */
    @ParameterizedTest
    @CsvSource({
        "29, 100,  7, 20, false, a third then and now: its share has not risen",
        "80, 100,  0, 20, true,  new",
        "30, 100,  2, 20, true,  from a tenth to nearly a third",
        " 3,  10,  0, 20, true,  three of ten where none of eighty are usual",
        " 2,  10,  0, 20, false, two may be chance",
        " 8,  10,  0,  0, true,  nothing is usual then and this is most of it",
        " 2,  10,  0,  0, false, nothing is usual then and this is little",
    })
    void have_risen_when_their_share_is_beyond_chance(int now, int ofNow, int then, int ofThen,
        boolean risen, String why) {
      var spike = new SpikeTickets(List.of());
      for (int i = 0; i < ofNow; i++) spike.add(i < now ? ticket(i, i, "it") : ticket(i, i));
      for (int week = 0; week < 4; week++) {
        var tally = new Tally(List.of());
        for (int i = 0; i < ofThen; i++) tally.add(i < then ? ticket(i, i, "it") : ticket(i, i));
        spike.addWeek(tally);
      }
      assertEquals(risen, spike.ranked().get(0).risen(), why);
      assertEquals(risen, spike.cause() != null, why);
      assertEquals(ofNow - now, spike.untagged().count());
    }

    @Test
    void examples_carry_the_cause_and_are_spread_over_the_hour() {
      var spike = new SpikeTickets(List.of());
      for (int i = 0; i < 100; i++) spike.add(ticket(i, 36 * i, i % 2 == 0 ? "it" : "other"));
      var ids = spike.examples(spike.ranked().get(0), 5).stream().map(Ticket::id).toList();
      assertEquals(List.of(0L, 24L, 48L, 72L, 98L), ids);
    }
  }

  @Nested
  class The_history {
    private final Hour midnight = Hour.parse("2026-11-23T00");

    private Counts read(String text) {
      return History.read(write("history.csv", text));
    }

    @Test
    void knows_empty_cells_for_unknown_and_never_for_zero() {
      var counts = read(HEADER + "2026-11-23,12,,0" + ",".repeat(21) + "\n");
      assertEquals(12, counts.at(midnight));
      assertFalse(counts.knows(midnight.plus(1)));
      assertEquals(0, counts.at(midnight.plus(2)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "BOMdate,00,01\\r\\n2026-11-23,12,\\r\\n | byte order mark, line ends of Windows",
        "Date;0;1\\n2026-11-23;12;\\n | semicolons, and zeros dropped",
        "date\\t00\\t01\\n2026-11-23\\t12\\t\\n | tabs",
        "sep=;\\ndate;00;01\\n2026-11-23;12;\\n | a line that tells spreadsheets the separator",
        "date,01,00\\n2026-11-23,,12\\n | columns in another order",
        "\\\"date\\\",\\\"00\\\",01\\n\\\"2026-11-23\\\",\\\"12\\\",\\\"\\\"\\n\\n,,\\n | quotes",
        "date,00,01\\n2026-11-23 00:00:00,12.0,\\n | dates with a time, counts with a point",
        "date,00,01,,,\\n2026-11-23,12,,,,\\n | empty columns at the end",
        "date,00,01,Unnamed: 3\\n2026-11-23,12,,\\n | a nameless column of pandas at the end",
        ",01,00\\n2026-11-23,,12.0\\n | the Python script's own layout",
        "Unnamed: 0,01,00\\n2026-11-23,,12.0\\n | the same, read and written by pandas",
        ",Unnamed: 0,00,01\\n0,2026-11-23,12.0,\\n | with pandas' row numbers before it",
    })
    void forgives_what_spreadsheets_and_pandas_do(String text, String why) {
      var counts = read(text.translateEscapes().replace("BOM", "\uFEFF"));
      assertEquals(12, counts.at(midnight), why);
      assertFalse(counts.knows(midnight.plus(1)), why);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "date;00\\n2026-11-23;1.000 | line 2, column 00: '1.000' (expected 1000 without a sign "
            + "between the digits: set the cells' format to plain numbers)",
        "date,00\\n2026-11-23,\\\"1,000\\\" | line 2, column 00: '1,000' (expected 1000 without a "
            + "sign between the digits: set the cells' format to plain numbers)",
        "date,00\\n11/23/2026,1 | line 2, column date: '11/23/2026' (expected a date such as "
            + "2026-11-23)",
        "date,00\\n9026-11-23,1 | line 2, column date: '9026-11-23' (expected a date such as "
            + "2026-11-23)",
        "date,00\\n2026-11-23,-1 | line 2, column 00: '-1' (expected a count, or nothing for an "
            + "unknown hour)",
        "date,00,01\\n2026-11-23,1 | line 2, column 1: 2 cells (expected 3 as in the header)",
        "date,00\\n2026-11-23,1,7 | line 2, column 3: '7' (expected nothing, the column has no "
            + "name)",
        "date,00\\n2026-11-23,1\\n2026-11-23,2 | line 3, column date: 2026-11-23 again (expected "
            + "one row a date)",
        "when,00 | line 1, column 1: 'when' (expected date,00,01,\u2026,23)",
        "EMPTY | line 1, column 1: '' (expected date,00,01,\u2026,23)",
        "date,00,24 | line 1, column 24: '24' (expected each of 00 to 23 once)",
        "date,00,0 | line 1, column 0: '0' (expected each of 00 to 23 once)",
    })
    void is_kept_when_a_line_makes_no_sense(String text, String fault) throws IOException {
      var file = write("history.csv", text.translateEscapes().replace("EMPTY", ""));
      var before = Files.readString(file);
      var thrown = assertThrows(Fault.class, () -> History.open(file, "acme", ""));
      assertEquals(Exit.HISTORY, thrown.exit);
      assertEquals(file + ": " + fault, thrown.getMessage());
      assertEquals(before, Files.readString(file));
    }

    @Test
    void reads_back_what_it_saved_and_whose_it_is() throws IOException {
      var file = folder.resolve("history.csv");
      var history = History.open(file, "acme.zendesk.com", "tags:vip");
      history.put(midnight, 12);
      history.judgeAgain(midnight.plus(-5));
      history.wasJudged(midnight);
      history.save();
      assertEquals(HEADER + "2026-11-23,12" + ",".repeat(23) + "\n", Files.readString(file));
      assertEquals("""
          {
            "account" : "acme.zendesk.com",
            "query" : "tags:vip",
            "begun" : null,
            "judged" : "2026-11-23T00",
            "again" : [ "2026-11-22T19" ]
          }
          """, Files.readString(folder.resolve("history.csv.state")));
      var read = History.open(file, "acme.zendesk.com", " tags:vip ");
      assertEquals(midnight, read.judged());
      assertEquals(List.of(midnight.plus(-5)), read.again());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "acme.zendesk.com | | but auth.ini now counts at acme.zendesk.com without Query",
        "beta.zendesk.com | tags:vip | but auth.ini now counts at beta.zendesk.com with Query "
            + "tags:vip",
    })
    void never_mixes_two_populations(String account, String query, String message) {
      var file = folder.resolve("history.csv");
      var history = History.open(file, "acme.zendesk.com", "tags:vip");
      history.save();
      var thrown = assertThrows(Fault.class, () ->
          History.open(file, account, query == null ? "" : query));
      assertEquals(Exit.CONFIG, thrown.exit);
      assertEquals(file + ": was counted at acme.zendesk.com with Query tags:vip, " + message
          + " (set [default] SpikeDB to a new file; or, to keep these counts as they are, delete "
          + file + ".state)", thrown.getMessage());
    }

    @Test
    void of_an_earlier_edition_counts_as_judged_up_to_its_newest_hour() {
      var file = write("history.csv", HEADER + "2026-11-23,1,2" + ",".repeat(22) + "\n");
      assertEquals(midnight.plus(1), History.open(file, "acme", "").judged());
      assertNull(History.open(folder.resolve("none.csv"), "acme", "").judged());
    }

    @Test
    void survives_a_line_of_many_quotes() {
      var line = "\"a\",".repeat(20_000);
      var file = write("history.csv", HEADER + line + "\n");
      assertEquals(Exit.HISTORY, assertThrows(Fault.class, () -> History.read(file)).exit);
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "{}", "[]",
        "{\"account\":\"a\",\"query\":\"\",\"judged\":\"x\"}"})
    void with_a_state_that_makes_no_sense_is_told(String state) {
      write("history.csv.state", state);
      var thrown = assertThrows(Fault.class, () ->
          History.open(folder.resolve("history.csv"), "a", ""));
      assertTrue(thrown.getMessage().contains("is no state of a history"), thrown.getMessage());
    }

    @Test
    void of_ten_years_is_kept_whole() {
      var file = folder.resolve("history.csv");
      var history = History.open(file, "acme", "");
      var first = Hour.parse("2016-11-24T00");
      Hour.range(first, first.plus(87_660)).forEach(hour ->
          history.put(hour, Math.floorMod(hour.number(), 50)));
      history.save();
      var counts = History.read(file);
      assertEquals(87_660, counts.hours().size());
      for (var hour : counts.hours()) {
        assertEquals(Math.floorMod(hour.number(), 50), counts.at(hour));
      }
    }

    @Test
    void that_cannot_be_written_is_a_fault_and_the_old_file_stays() throws IOException {
      var file = write("blocked/history.csv", HEADER);
      Files.createDirectories(folder.resolve("blocked/history.csv.part/in the way"));
      var history = History.open(file, "acme", "");
      var thrown = assertThrows(Fault.class, history::save);
      assertEquals(file + ": cannot be written: a folder is in its place", thrown.getMessage());
      assertEquals(HEADER, Files.readString(file));
    }
  }

  @Nested
  class The_config {
    private static final String WHOLE = """
        [zendesk]
        Domain = acme
        ClientId = id
        ClientSecret = secret-of-zendesk
        [email]
        Sender = spikes@example.com
        Recipient = team@example.com
        """;

    private Config read(String ini, Map<String, String> env) {
      var file = write("auth.ini", ini);
      var config = Config.read(file, world(env));
      config.refuseMistakes();
      return config;
    }

    /** The whole config with a line more, or another one in the place of its key's. */
    private String with(String section, String line) {
      var key = line.split("\\s*[=:]", 2)[0];
      var rest = WHOLE.replaceFirst("(?m)^" + key + " = .*\n", "");
      return rest.contains("[" + section + "]")
          ? rest.replace("[" + section + "]\n", "[" + section + "]\n" + line + "\n")
          : rest + "[" + section + "]\n" + line + "\n";
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "team@example.com | team@example.com",
        "a@example.com, b@example.com | a@example.com b@example.com",
        "a@example.com; b@example.com | a@example.com b@example.com",
        "a@example.com ; b@example.com | a@example.com b@example.com",
        "a@example.com b@example.com | a@example.com b@example.com",
        "[\"a@example.com\", \"b@example.com\"] | a@example.com b@example.com",
        "['a@example.com', 'b@example.com',] | a@example.com b@example.com",
        "\"a@example.com\", 'b@example.com', | a@example.com b@example.com",
        "\\n  a@example.com\\n  b@example.com | a@example.com b@example.com",
        "a@example.com ; the team | a@example.com",
        "Team <a@example.com>, b@example.com | a@example.com b@example.com",
        "'a@example.com' | a@example.com",
        "a@example.com\\u00a0 | a@example.com",
        "a@example.com\\u200b | a@example.com",
        "info@m\\u00fcller.example | info@xn--mller-kva.example",
        "o'brien+x@mail.example.co.uk | o'brien+x@mail.example.co.uk",
        "root@localhost | root@localhost",
        "a..b@example.com | FAULT", "a@example.com. | FAULT", "a@exa mple.com | FAULT",
        "a@-example.com | FAULT", "@example.com | FAULT", "a@ | FAULT", "a | FAULT",
        "a\\\"b@example.com | FAULT", "\\u00fc@example.com | FAULT", "a@b@c.de | FAULT",
        "a@te\\u200bam.example | FAULT", "[] | FAULT", "a@example.com ; was b@x.com | FAULT",
        "<a@example.com | FAULT", "a@example..com | FAULT", ".a@example.com | FAULT",
    })
    void takes_addresses_as_people_write_them_or_names_the_key(String value, String addresses) {
      var text = value.replace("\\u00a0", "\u00a0").replace("\\u200b", "\u200b")
          .replace("\\u00fc", "\u00fc").replace("\\n", "\n").replace("\\\"", "\"");
      var ini = with("email", "Recipient = " + text);
      if (addresses.equals("FAULT")) {
        var thrown = assertThrows(Fault.class, () -> read(ini, Map.of()));
        assertEquals(Exit.CONFIG, thrown.exit);
        assertTrue(thrown.getMessage().contains(": [email] Recipient: "), thrown.getMessage());
        assertEquals(1, thrown.getMessage().lines().count(), thrown.getMessage());
        return;
      }
      var read = read(ini, Map.of()).recipients.stream().map(each -> each.getAddress()).toList();
      assertEquals(List.of(addresses.split(" ")), read);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "web, vip", "\"web\", \"vip\"", "[\"web\", \"vip\"]", "['web', 'VIP']", "web vip",
        "web, vip,", "\\n  web\\n  vip", "web, vip ; standing tags", "web vip # standing tags",
        "\\n  [\"web\",\\n  \"vip\"]", "web;vip FAULT",
    })
    void takes_omitted_tags_in_many_forms(String value) {
      if (value.endsWith("FAULT")) return; // a tag may hold a semicolon
      var ini = with("misc", "OmittedTags = " + value.replace("\\n", "\n"));
      assertEquals(List.of("web", "vip"), read(ini, Map.of()).omittedTags);
    }

    @Test
    void reads_indented_keys_colons_and_comments_behind() {
      var config = read("""
          [default] ; where things lie
              SpikeDB: "my history.csv" ; the history
          [Zendesk]  # the account
              domain: https://ACME.zendesk.com/agent
              Credentials: agent@example.com/token:KEY;with#signs
          [email]
              Sender: Spikes <spikes@example.com>
              Recipient: ["a@example.com", "b@example.com"]
              Subject: Spike # 1; really
              Port: 2525 ; the port
          [mods]
              NumTags: 7 # few
          [spike]
              AllClear: off
              Rule: Weekly
              TimeZone: europe/berlin
          """, Map.of());
      assertEquals(folder.resolve("my history.csv"), config.historyFile);
      assertEquals("acme.zendesk.com", config.zendeskHost);
      assertEquals("agent@example.com/token:KEY;with#signs", config.credentials);
      assertEquals("Spikes", config.sender.getPersonal());
      assertEquals("Spike # 1; really", config.subject);
      assertEquals(2525, config.mailPort);
      assertEquals(7, config.numTags);
      assertFalse(config.allClear);
      assertEquals(RuleName.WEEKLY, config.ruleName);
      assertEquals(ZoneId.of("Europe/Berlin"), config.zone);
      assertEquals("", err.toString().replaceAll(".*chmod 600.*\n", ""));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "misc | SpikeThreshold = 60 | '60' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = 0,5 | '0,5' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = NaN | 'NaN' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | NumTags = 1e3 | '1e3' (expected a whole number from 1 to 1000)",
        "misc | NumHours = 48 | 48 hours hold too few days for MinSamples = 3 (expected at least "
            + "72)",
        "spike | MinSamples = x | 'x' (expected a whole number from 1 to 10000)",
        "spike | Rule = median | 'median' (expected mean or weekly)",
        "spike | AllClear = perhaps | 'perhaps' (expected yes or no)",
        "spike | TimeZone = Berlin | 'Berlin' (expected a zone such as Europe/Berlin)",
        "spike | IgnoredDays = 25.12.2026 | '25.12.2026' (expected a list of dates such as "
            + "2026-12-25)",
        "email | Host = smtp.example.com:587 | 'smtp.example.com:587' (expected a host name alone; "
            + "the port belongs to Port)",
        "email | Security = none | none to smtp.gmail.com (expected starttls or tls; none is for "
            + "this machine only)",
        "email | TokenUrl = https://x.example | without ClientId and ClientSecret (expected all "
            + "three, or none)",
        "email | Port = 0 | '0' (expected a whole number from 1 to 65535)",
        "zendesk | Domain = acme.example.com | 'acme.example.com' (expected acme or "
            + "acme.zendesk.com)",
        "zendesk | BaseUrl = http://acme.example.com | malformed (expected an https URL, or http "
            + "to this machine)",
        "webhook | Url = https://hooks.example.com:99999/secret | malformed (expected an https "
            + "URL, or http to this machine)",
        "default | SpikeDB = ~/h.csv | '~/h.csv' (expected a whole path: ~ is no folder here)",
        "webhook | Url = http://hooks.example.com/secret | malformed (expected an https URL, or "
            + "http to this machine)",
        "monitor | PingUrl = http://hc.example.com/secret | malformed (expected an https URL, or "
            + "http to a private address)",
        "default | SpikeDB = out/ | 'out/' is a folder (expected a file, or one that can be made)",
        "default | SpikeDB = / | '/' is a folder (expected a file, or one that can be made)",
    })
    void says_what_is_wrong_and_what_was_expected(String section, String line, String mistake) {
      var thrown = assertThrows(Fault.class, () -> read(with(section, line), Map.of()));
      assertEquals(folder.resolve("auth.ini") + ": [" + section + "] " + line.split(" ")[0] + ": "
          + mistake, thrown.getMessage());
    }

    @Test
    void says_all_mistakes_at_once() {
      var thrown = assertThrows(Fault.class, () -> read("[misc]\nNumTags = 0\n", Map.of()));
      assertEquals(List.of("Domain", "Sender", "NumTags", "ClientId", "Recipient"),
          thrown.getMessage().lines().map(line -> line.replaceAll(".*] (\\w+):.*", "$1")).toList());
    }

    @ParameterizedTest
    @CsvSource({
        "http://10.0.0.5/ping/x", "http://192.168.1.2:8000/x", "http://healthchecks:8000/x",
        "http://watcher.internal/x", "http://localhost/x", "https://hc-ping.com/x",
    })
    void lets_the_watcher_be_near_without_tls(String url) {
      assertEquals(url, read(with("monitor", "PingUrl = " + url), Map.of()).pingUrl.toString());
    }

    @Test
    void names_the_nearest_key_and_no_secret() {
      read(with("zendesk", "ClientSceret = hunter2hunter2"), Map.of());
      assertTrue(err.toString().contains("[zendesk] ClientSceret: unknown key, ignored (did you "
          + "mean [zendesk] ClientSecret?)"), err.toString());
      assertFalse(err.toString().contains("hunter2"));
    }

    @Test
    void says_that_it_is_not_there_and_what_to_do() {
      var thrown = assertThrows(Fault.class, () ->
          Config.read(folder.resolve("no.ini"), world(Map.of())));
      assertEquals(folder.resolve("no.ini") + ": not found (run from its folder, or give --config "
          + "FILE; to begin, copy auth.ini.example)", thrown.getMessage());
    }

    @Test
    void says_which_line_makes_no_sense_and_not_what_it_holds() {
      var thrown = assertThrows(Fault.class, () -> read("[email]\nmy secret\n", Map.of()));
      assertEquals(folder.resolve("auth.ini") + ": line 2 is neither [section] nor Key = value",
          thrown.getMessage());
    }

    @Test
    void takes_secrets_from_the_environment_a_command_and_the_file() {
      assertEquals("secret-of-zendesk", read(WHOLE, Map.of()).zendeskClient.secret());
      var env = Map.of("SPIKE_ZENDESK_CLIENTSECRET", "other");
      assertEquals("other", read(WHOLE, env).zendeskClient.secret());
      var ini = with("zendesk", "ClientSecretCommand = printf 'first;x\\nsecond\\n'");
      assertEquals("first;x", read(ini, Map.of()).zendeskClient.secret());
    }

    @ParameterizedTest
    @CsvSource({
        "false, 'failed, exit code 1'",
        "true, 'failed, exit code 0, no line'",
    })
    void says_that_a_command_failed(String command, String mistake) {
      var ini = with("email", "PasswordCommand = " + command);
      var thrown = assertThrows(Fault.class, () -> read(ini, Map.of()));
      assertEquals(folder.resolve("auth.ini") + ": [email] PasswordCommand: " + mistake
          + " (expected a command that prints the secret)", thrown.getMessage());
    }

    @Test
    void refuses_a_secret_that_the_locale_has_garbled() {
      var env = Map.of("SPIKE_EMAIL_PASSWORD", "p\uFFFD\uFFFDss");
      var thrown = assertThrows(Fault.class, () -> read(WHOLE, env));
      assertEquals(folder.resolve("auth.ini") + ": [email] Password: SPIKE_EMAIL_PASSWORD has "
          + "characters that the locale of this run does not have (expected LC_ALL=C.UTF-8 beside "
          + "it)", thrown.getMessage());
    }

    @Test
    void writes_to_the_target_of_a_link() throws IOException {
      var target = Files.createDirectories(folder.resolve("real")).resolve("h.csv");
      Files.writeString(target, HEADER);
      Files.createSymbolicLink(folder.resolve("link.csv"), target);
      var config = read(with("default", "SpikeDB = link.csv"), Map.of());
      assertEquals(target.toRealPath(), config.historyFile);
    }

    /** A lead with INI and CSV can use the offline commands: no secret, no command is asked for. */
    @Test
    void of_the_offline_commands_needs_neither_secrets_nor_mail() {
      var ini = """
          [zendesk]
          ClientSecretCommand = touch was-run
          [email]
          Recipient = nonsense
          PasswordCommand = touch was-run
          [misc]
          SpikeThreshold = 0.7
          """;
      assertEquals(0.7, offline(ini).spikeThreshold);
      assertFalse(Files.exists(folder.resolve("was-run")));
      assertThrows(Fault.class, () -> offline("[misc]\nSpikeThreshold = seven\n"));
    }

    /** Defaults stand in three places, which must say the same. */
    @Test
    void has_the_same_keys_and_defaults_in_code_readme_and_example() throws IOException {
      var code = keysOfTheCode();
      var example = keysOfTheExample();
      var readme = keysOfTheReadme();
      assertEquals(code.keySet(), example.keySet());
      assertEquals(code.keySet(), readme.keySet());
      code.forEach((key, value) -> {
        if (value == null) return; // no default
        assertEquals(value, example.get(key), key + " in auth.ini.example");
        assertEquals(value, readme.get(key), key + " in README.md");
      });
    }

    private Map<String, String> keysOfTheCode() throws IOException {
      var keys = new TreeMap<String, String>();
      var text = sections().get("Config").replaceAll("\\s+", " ");
      var declared = Pattern.compile("final [\\w<>]+ \\w+ = (?:Set\\.copyOf\\( )?(\\w+)\\( ?"
          + "\"(\\[\\w+] \\w+)\"(?:, (?:\"(\\[\\w+] \\w+)\"|(\"[^\"]*\"|"
          + "[\\w.]+(?:\\(\"\\w+\"\\))?)))?")
          .matcher(text);
      while (declared.find()) {
        boolean hasDefault = Set.of("file", "text", "wholeText", "wholeNumber", "decimalNumber", "choice",
            "yesOrNo", "parsed").contains(declared.group(1)) && declared.group(4) != null;
        keys.put(declared.group(2), hasDefault ? value(declared.group(4)) : null);
        if (declared.group(3) != null) keys.put(declared.group(3), null);
        if (declared.group(1).equals("list") && !declared.group(2).contains("email")) {
          keys.put(declared.group(2), "[]");
        }
      }
      keys.put("[email] Username", null); // that is Sender
      for (var secret : List.of("[zendesk] ClientSecret", "[zendesk] Credentials",
          "[email] Password", "[email] ClientSecret")) {
        keys.put(secret + "Command", null);
      }
      return keys;
    }

    private String value(String code) {
      if (code.startsWith("\"")) return code.substring(1, code.length() - 1);
      return switch (code) {
        case "true" -> "yes";
        case "false" -> "no";
        default -> code.replaceFirst("ZoneId\\.of\\(\"(\\w+)\".*", "$1").matches("UTC") ? "UTC"
            : code.replaceFirst("^\\w+\\.(?=[A-Z])", "").toLowerCase(Locale.ROOT).replace("_", "");
      };
    }

    private Map<String, String> keysOfTheExample() throws IOException {
      var keys = new TreeMap<String, String>();
      var section = "";
      for (var line : Files.readAllLines(source("auth.ini.example"))) {
        if (line.startsWith("[")) section = line;
        var key = Pattern.compile("#?([A-Z]\\w+) =(?: (.*))?").matcher(line);
        if (!key.matches()) continue;
        var value = key.group(2) == null ? "" : key.group(2).strip();
        keys.putIfAbsent(section + " " + key.group(1), value);
      }
      keys.replace("[misc] SpikeThreshold", "0.6"); // a new user is set to
      keys.replace("[spike] Rule", "mean");         // the better rule, the comments say so
      return keys;
    }

    private Map<String, String> keysOfTheReadme() throws IOException {
      var keys = new TreeMap<String, String>();
      for (var line : Files.readAllLines(source("README.md"))) {
        var row = Pattern.compile("\\| `\\[(\\w+)] (\\w+)` \\|(.*?)\\|.*").matcher(line);
        if (!row.matches()) continue;
        keys.put("[" + row.group(1) + "] " + row.group(2), row.group(3).replace("`", "").strip());
      }
      return keys;
    }
  }

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
      assertEquals("a b c d e", SpikeNotifier.clean("a\u202eb\r\nc\ud83dd\u0000e"));
      assertEquals("&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;",
          SpikeNotifier.escape("<b> & \"c\" 'd'"));
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
        "https://hc.example/abc | 75 | https://hc.example/abc/fail",
        "https://hc.example/abc/ | 75 | https://hc.example/abc/fail",
        "https://hc.example/hc/key/spike?create=1 | 75 | "
            + "https://hc.example/hc/key/spike/fail?create=1",
        "https://hc.example/hc/key/spike?create=1 | 0 | https://hc.example/hc/key/spike?create=1",
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
          Heartbeat.address(java.net.URI.create(url), code, "first\nlast").toString());
    }
  }

  @Nested
  class Explain {
    /** The worked example's weeks, one of them an outage, one ignored, and a calm hour at last. */
    private void worked() throws IOException {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      every(168, numbers(WORKED.replaceFirst("14", "40"))).forEach(history::put);
      history.put(JUDGED, 21);
      history.save();
      write("auth.ini", "[spike]\nRule = weekly\nIgnoredDays = 2026-11-10\n"
          + "TimeZone = Africa/Lagos\n");
    }

    @Test
    void gives_the_answer_first_then_what_it_comes_from() throws IOException {
      worked();
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", "2026-11-24T13"));
      assertEquals("""
          2026-11-24T13 (Tue 24 Nov 13:00 UTC, Tue 24 Nov 14:00 Africa/Lagos): 21 tickets \
          (+85.2 %), calm by rule weekly.
          Usual: 11.3, deviation 4.4, by 12 samples of the same hour of the same weekday.
          A spike from 29 tickets on:
            alone 4.0 deviations of 4.4 over 11.3              28.7  decides
            60 % over 11.3                                     18.1
            5 more than 11.3                                   16.3
          Told: nothing, since it is calm.
          Samples (12), the same hour of the same weekday, newest first:
            2026-11-17T13  Tue 17 Nov 14:00       10
            2026-11-03T13  Tue 3 Nov 14:00        9
            2026-10-27T13  Tue 27 Oct 14:00       11
          """, String.join("\n", out.toString().lines().limit(11).toList()) + "\n");
      assertTrue(out.toString().contains("  2026-10-13T12") == false, out.toString());
      assertTrue(out.toString().contains("left out, on an ignored day: 2026-11-10T13"));
    }

    @Test
    void gives_the_same_as_json() throws IOException {
      worked();
      assertEquals(0, run("explain", "--json", "-c", folder + "/auth.ini", "2026-11-24T13"));
      var json = SpikeNotifier.JSON.readTree(out.toString());
      assertEquals("calm", json.path("verdict").asText());
      assertEquals(29, json.path("needed").asLong());
      assertEquals("Deviations", json.path("bars").path(0).path("key").asText());
      assertTrue(json.path("bars").path(0).path("decides").asBoolean());
      assertEquals("[\"2026-11-10T13:00:00Z\"]", json.path("ignored").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2026-08-25T13 | 13 tickets, not judged by rule weekly: 0 samples of the 7 that it takes.",
        "2026-11-24T12 | its count is unknown, so it was not judged by rule weekly.",
    })
    void says_what_is_missing(String hour, String verdict) throws IOException {
      worked();
      assertEquals(0, run("explain", "-c", folder + "/auth.ini", hour));
      assertTrue(out.toString().lines().findFirst().orElseThrow().endsWith(verdict),
          out.toString());
    }
  }

  @Nested
  class Backtests {
    private void history(int days) {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      Hour.range(JUDGED.plus(-24L * days), JUDGED).forEach(hour ->
          history.put(hour, hour.number() % 500 == 0 ? 90 : 10));
      history.save();
      write("auth.ini", WEEKLY);
    }

    @Test
    void begin_with_what_the_own_settings_give() {
      history(200);
      assertEquals(0, run("backtest", "-c", folder + "/auth.ini"));
      var lines = out.toString().lines().toList();
      assertEquals("2616 hours judged, 2026-08-07T13 to 2026-11-24T12: your settings give 1.4 "
          + "spikes, 1.4 spike hours, 2.8 mails in 30 days.", lines.get(0));
      assertEquals("Hours with fewer than 13 weeks before them are left out.", lines.get(1));
      assertEquals("rule    SpikeThreshold  Deviations  spikes   hours   mails   in 30 days",
          lines.get(3));
      long own = lines.stream().filter(line -> line.endsWith("   yours")).count();
      assertEquals(1, own);
      assertTrue(lines.indexOf("The largest by your settings:") - 4 <= 12 + 3);
      assertFalse(out.toString().contains("For at most"), "nothing was asked for");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "5 | For at most 5.0 spikes in 30 days: your settings stay under that.",
        "0.5 | For at most 0.5 spikes in 30 days: none of the settings tried stays under that.",
    })
    void suggest_the_mildest_change_under_a_ceiling(String ceiling, String line) {
      history(200);
      assertEquals(0, run("backtest", "--per-month", ceiling, "-c", folder + "/auth.ini"));
      assertTrue(out.toString().contains("\n" + line + "\n"), out.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "-5", "0", "many"})
    void refuse_a_wish_that_is_none(String ceiling) {
      history(30);
      assertEquals(64, run("backtest", "--per-month", ceiling, "-c", folder + "/auth.ini"));
    }

    @Test
    void of_nothing_are_74() {
      write("auth.ini", WEEKLY);
      assertEquals(74, run("backtest", "-c", folder + "/auth.ini"));
      assertEquals(folder.resolve("out/history.csv") + ": holds no hour that could be judged "
          + "(expected a history of some weeks; the first run fills it)\n", err.toString());
    }

    @Test
    void give_each_hour_as_json() {
      history(120);
      assertEquals(0, run("backtest", "--json", "-c", folder + "/auth.ini"));
      var last = out.toString().lines().reduce("", (before, line) -> line);
      assertTrue(last.startsWith("{\"hour\":\"2026-11-24T12:00:00Z\",\"count\":10,\"mean\":10.0,"
          + "\"limit\":24,\"percent\":0.0,\"samples\":13,\"verdict\":\"calm\",\"z\":0.0,"
          + "\"together\":0.0,\"spread\":3.28"), last);
    }

    @Test
    void refuse_a_wish_beside_json() {
      history(30);
      assertEquals(64, run("backtest", "--json", "--per-month", "2", "-c", folder + "/auth.ini"));
      assertEquals("--per-month means nothing with --json\n", err.toString());
    }

    @Test
    void leave_out_what_is_before_a_date() {
      history(200);
      assertEquals(0, run("backtest", "--since", "2026-11-01", "-c", folder + "/auth.ini"));
      assertTrue(out.toString().contains("hours judged, 2026-11-01T00 to "), out.toString());
    }
  }

  @Nested
  class The_command_line {
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--foo | Unknown option: '--foo'",
        "-q -v | -q and -v exclude each other",
        "--dry-run report | --hour and --dry-run belong to the hourly job, not to report",
        "explain -q 2026-11-24T13 | -q means nothing to explain",
        "report --json | --json means nothing to report",
        "backtest -v | -v means nothing to backtest",
        "--hour 1026-11-24T13 | Invalid value for option '--hour': '1026-11-24T13' (expected a UTC "
            + "hour of 2000 to 2199, such as 2026-11-24T13)",
        "backtest --since 2026-13-01 | Invalid value for option '--since': '2026-13-01' (expected "
            + "a date such as 2026-08-01)",
        "--hour yesterday | Invalid value for option '--hour': 'yesterday' (expected a UTC hour of "
            + "2000 to 2199, such as 2026-11-24T13)",
    })
    void refuses_in_two_lines(String args, String line) {
      assertEquals(64, run(args.split(" ")));
      assertEquals(line, err.toString().lines().findFirst().orElseThrow());
      assertEquals(2, err.toString().lines().count());
      assertTrue(err.toString().lines().skip(1).findFirst().orElseThrow().endsWith(" --help"));
    }

    @Test
    void names_itself_java_and_the_libraries() {
      assertEquals(0, run("--version"));
      assertTrue(out.toString().matches("(?s)Spike Notifier \\d+\\.\\d+\\.\\d+\nJava .*\n"
          + "picocli \\S+, jackson-databind \\S+, angus-mail 2\\.0\\.5, ini4j 0\\.5\\.4\n"),
          out.toString());
      var deps = sourceDeps();
      for (var name : List.of("picocli", "jackson-databind", "angus-mail", "ini4j")) {
        assertTrue(out.toString().contains(name + " " + deps.get(name)), name);
      }
    }

    private Map<String, String> sourceDeps() {
      var deps = new HashMap<String, String>();
      try {
        for (var line : Files.readAllLines(source("SpikeNotifier.java"))) {
          if (line.startsWith("//DEPS ")) deps.put(line.split(":")[1], line.split(":")[2]);
        }
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
      return deps;
    }

    @Test
    void completes_the_name_that_people_call() {
      assertEquals(0, run("completion", "spikes"));
      assertTrue(out.toString().contains(" spikes"), "bound to the name");
      assertTrue(out.toString().contains("backtest"));
    }

    @Test
    void dates_its_lines_where_nobody_watches() {
      var world = new World(Clock.fixed(Instant.parse("2026-11-24T14:07:00Z"), ZoneOffset.UTC),
          new Ticker() { }, Duration.ofSeconds(9), Map.of(), out, err, false);
      assertEquals(78, SpikeNotifier.execute(world, "-c", folder + "/no.ini"));
      assertTrue(err.toString().startsWith("2026-11-24T14:07:00Z " + folder + "/no.ini: not found"),
          err.toString());
    }

    @Test
    void knows_each_exit_code_once() {
      var codes = new HashSet<Integer>();
      for (var exit : Exit.values()) assertTrue(codes.add(exit.code), exit.name());
      assertTrue(codes.stream().allMatch(code -> code == 0 || code >= 64), "1 to 4 are JBang's");
      assertEquals(LocalDate.of(2026, 11, 24), JUDGED.date(ZoneOffset.UTC));
    }
  }
}
