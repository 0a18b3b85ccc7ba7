///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../SpikeNotifier.java
//SOURCES EdgeTest.java
//SOURCES Fakes.java
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//DEPS com.github.davidmoten:subethasmtp:7.2.2
//DEPS org.slf4j:slf4j-nop:1.7.36

package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

import spikenotifier.SpikeNotifier.*;

class SpikeNotifierTest {
    static final ZoneId UTC = ZoneId.of("UTC");
    static final String HEADER =
            "date,00,01,02,03,04,05,06,07,08,09,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n";

    @TempDir
    Path folder;

    public static void main(String[] args) {
        Fakes.Certificates.install();
        var summary = new SummaryGeneratingListener();
        LauncherFactory.create().execute(LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClass(SpikeNotifierTest.class), selectClass(EdgeTest.class)).build(), summary);
        var result = summary.getSummary();
        result.printFailuresTo(new PrintWriter(System.err, true));
        System.out.printf("%d passed, %d failed%n", result.getTestsSucceededCount(),
                result.getTotalFailureCount());
        System.exit(result.getTotalFailureCount() == 0 && result.getTestsSucceededCount() > 0 ? 0 : 1);
    }

    /** 13:00 of 23, 22 and 21 Nov 2026 held the given counts; 24 Nov at 13:00 is judged. */
    static TreeMap<Hour, Long> past(long... counts) {
        var known = new TreeMap<Hour, Long>();
        for (int i = 0; i < counts.length; i++) {
            known.put(JUDGED.plus(-24 * (i + 1)), counts[i]);
        }
        return known;
    }

    static final Hour JUDGED = Hour.of(LocalDate.of(2026, 11, 24), 13);

    static Rule rule(RuleName name, int numHours, double threshold, int minTickets, int minSamples, ZoneId zone,
            LocalDate... ignored) {
        return new Rule(name, numHours, threshold, 3.0, 5, minTickets, minSamples, Set.of(ignored), zone);
    }

    static Rule mean(int minTickets, int numHours) {
        return rule(RuleName.MEAN, numHours, 0.6, minTickets, 3, UTC);
    }

    static final Rule WEEKLY = rule(RuleName.WEEKLY, 4380, 0.5, 1, 3, UTC);

    static Verdict judge(Rule rule, TreeMap<Hour, Long> past, long count) {
        return rule.judge(new Counts(past), JUDGED, count);
    }

    @ParameterizedTest
    @CsvSource({
            "64,   1, Calm,  just the limit is not over it",
            "65,   1, Spike, one more is",
            "65, 100, Calm,  fewer than MinTickets are never a spike",
    })
    void a_spike_is_more_than_the_limit(long count, int minTickets, String verdict, String why) {
        var judged = judge(mean(minTickets, 4380), past(40, 38, 42), count);
        assertEquals(verdict, judged.getClass().getSimpleName(), why);
    }

    /** Cells of public hourly series, with the figures that a second implementation (pandas) gives for them. */
    @ParameterizedTest
    @CsvSource({
            "support tweets 2017-10-06T03, 11,                                  4, 4.0,       175.0,      true",
            "support tweets 2017-10-06T00, 4,                                   7, 7.0,       -42.857143, false",
            "support tweets 2017-10-11T19, 20,                     19 19 6 3 5 8, 10.0,      100.0,      true",
            "support tweets 2017-10-18T05, 14,     9 20 10 5 17 3 5 8 8 5 10 7 4, 8.538462,  63.963964,  true",
            "incidents 2016-03-01T01,      5,                                   1, 1.0,       400.0,      true",
            "incidents 2016-03-01T04,      0,                                   1, 1.0,       -100.0,     false",
            "incidents 2016-03-04T23,      5,                             1 1 3 2, 1.75,      185.714286, true",
            "incidents 2016-03-14T09, 53, 0 0 45 44 32 60 70 1 1 30 49 43 34 34, 31.642857, 67.494357,  true",
    })
    void verdicts_on_real_hours_equal_those_of_a_second_implementation(String cell, long count, String past,
            double mean, double percent, boolean spike) {
        var samples = Stream.of(past.split(" ")).mapToLong(Long::parseLong).toArray();
        var verdict = judge(rule(RuleName.MEAN, 4380, 0.5, 1, 1, UTC), past(samples), count);
        assertEquals(spike, verdict instanceof Spike, cell);
        var usual = ((Judged) verdict).usual();
        assertEquals(mean, usual.mean(), 1e-6, cell);
        assertEquals(percent, usual.percent(count).orElseThrow(), 1e-6, cell);
    }

    @Test
    void the_weekly_rule_measures_distance_in_the_usual_spread() {
        long[] past = {10, 12, 9, 11, 10, 14, 8, 10, 11, 9, 12, 10, 13};
        var known = new TreeMap<Hour, Long>();
        for (int i = 0; i < past.length; i++) {
            known.put(JUDGED.plus(-168 * (i + 1)), past[i]);
        }
        var spike = assertInstanceOf(Spike.class, judge(WEEKLY, known, 21));
        assertEquals(10.6923, spike.usual().mean(), 1e-4);
        assertEquals(3.3933, spike.usual().spread().orElseThrow(), 1e-4);
        assertEquals(3.0376, spike.usual().z(21).orElseThrow(), 1e-4);
        assertEquals(21, assertInstanceOf(Calm.class, judge(WEEKLY, known, 20)).limit());
    }

    @Test
    void few_samples_are_only_learned_from() {
        assertInstanceOf(Learning.class, judge(mean(1, 4380), past(40, 38), 1000));
    }

    @Test
    void where_no_tickets_are_usual_one_is_a_spike_and_the_percentage_unknown() {
        var spike = assertInstanceOf(Spike.class, judge(mean(1, 4380), past(0, 0, 0), 1));
        assertTrue(spike.usual().percent(1).isEmpty());
        assertInstanceOf(Calm.class, judge(mean(1, 4380), past(0, 0, 0), 0));
    }

    @Test
    void the_hour_itself_and_hours_before_the_window_are_no_samples() {
        var history = past(40, 38, 42);
        history.put(JUDGED, 9999L);
        assertEquals(List.of(40L, 38L), mean(1, 48).samples(new Counts(history), JUDGED).known().stream()
                .map(Sample::count).toList());
    }

    @Test
    void after_a_clock_change_the_same_hour_is_that_of_the_local_clock() {
        // New York went from UTC-4 to UTC-5 on 1 Nov 2026: 09:00 local was 13Z before and is 14Z after.
        var before = Hour.of(LocalDate.of(2026, 10, 31), 13);
        var after = Hour.of(LocalDate.of(2026, 11, 2), 14);
        assertEquals(List.of(before), after.sameHour(2, ZoneId.of("America/New_York")));
    }

    @Test
    void an_hour_that_the_local_clock_had_twice_gives_two_samples() {
        var day_after = Hour.of(LocalDate.of(2026, 11, 2), 6);
        assertEquals(2, day_after.sameHour(1, ZoneId.of("America/New_York")).size());
    }

    @Test
    void an_empty_cell_is_unknown_and_never_zero() throws IOException {
        var history = History.open(file(HEADER + "2026-11-23,12,,0" + ",".repeat(21) + "\n"), true);
        assertEquals("OptionalLong[12]", history.at(Hour.of(LocalDate.of(2026, 11, 23), 0)).toString());
        assertTrue(history.at(Hour.of(LocalDate.of(2026, 11, 23), 1)).isEmpty());
        assertEquals("OptionalLong[0]", history.at(Hour.of(LocalDate.of(2026, 11, 23), 2)).toString());
    }

    @Test
    void the_layout_of_the_python_script_is_read_as_well() throws IOException {
        var header = ",23,22,21,20,19,18,17,16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1,0\n";
        var history = History.open(file(header + "2021-03-01,31.0" + ",".repeat(22) + ",12.0\n"), true);
        assertEquals(31, history.at(Hour.of(LocalDate.of(2021, 3, 1), 23)).orElseThrow());
        assertEquals(12, history.at(Hour.of(LocalDate.of(2021, 3, 1), 0)).orElseThrow());
    }

    @Test
    void what_is_saved_reads_back_the_same_in_our_own_layout() throws IOException {
        var target = folder.resolve("saved.csv");
        saved(target).save();
        assertEquals(HEADER + "2026-11-22" + ",".repeat(14) + "38" + ",".repeat(10) + "\n"
                + "2026-11-23" + ",".repeat(14) + "40" + ",".repeat(10) + "\n", Files.readString(target));
        assertEquals(40, History.open(target, true).at(JUDGED.plus(-24)).orElseThrow());
    }

    @Test
    void a_history_that_cannot_be_written_is_a_fault_and_the_old_file_stays() throws IOException {
        var target = Files.createDirectories(folder.resolve("blocked")).resolve("history.csv");
        Files.writeString(target, HEADER);
        Files.createDirectories(folder.resolve("blocked/history.csv.part/in the way"));
        assertEquals(Exit.HISTORY, assertThrows(Fault.class, () -> saved(target).save()).exit);
        assertEquals(HEADER, Files.readString(target));
    }

    private static History saved(Path target) {
        var history = History.open(target, true);
        past(40, 38).forEach(history::put);
        return history;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "2026-11-23,1|line 2, column 1: 2 cells (expected 25 as in the header)",
            "23.11.2026,,,,,,,,,,,,,,,,,,,,,,,,|line 2, column date: '23.11.2026' (expected a date such as 2026-11-23)",
            "2026-11-23,,-1,,,,,,,,,,,,,,,,,,,,,,|line 2, column 01: '-1' (expected a count, or nothing for an unknown hour)",
    })
    void a_line_without_sense_is_one_line_of_fault_and_exit_74(String line, String fault) throws IOException {
        var file = file(HEADER + line + "\n");
        assertEquals(74, run("backtest", "--json"));
        assertEquals(file + ": " + fault + "\n", err.toString());
    }

    @Test
    void backtest_prints_one_json_object_for_each_known_hour() throws IOException {
        var cells = ",".repeat(23);
        file(HEADER + "2026-11-23,10" + cells + "\n2026-11-24,17" + cells + "\n");
        assertEquals(0, run("backtest", "--json"));
        assertEquals("""
                {"hour":"2026-11-23T00:00:00Z","count":10,"mean":null,"limit":null,"percent":null,"samples":0,"verdict":"learning"}
                {"hour":"2026-11-24T00:00:00Z","count":17,"mean":10.0,"limit":16.0,"percent":70.0,"samples":1,"verdict":"spike"}
                """, out.toString());
    }

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    /** Runs the program on an auth.ini in the test's folder, its history beside it. */
    private int run(String... words) throws IOException {
        var ini = Files.writeString(folder.resolve("auth.ini"), """
                [default]
                SpikeDB = history.csv
                [zendesk]
                Domain = acme
                Credentials = a@example.com/token:KEY
                [email]
                Sender = a@example.com
                Recipient = b@example.com
                [spike]
                MinSamples = 1
                """);
        Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString("rw-------"));
        var world = new World(Clock.fixed(JUDGED.to(), ZoneOffset.UTC), new Ticker() { }, Duration.ofSeconds(5),
                Map.of(), false);
        return SpikeNotifier.commandLine(world).setOut(new PrintWriter(out)).setErr(new PrintWriter(err))
                .execute(Stream.concat(Stream.of(words), Stream.of("--config", ini.toString())).toArray(String[]::new));
    }

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("history.csv"), text);
    }
}
