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
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.junit.jupiter.api.Assumptions;
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
        Locale.setDefault(Locale.ROOT); // as the program does
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

    /** The same hour of {@code past.length} earlier weeks or days held so many, the latest first. */
    static TreeMap<Hour, Long> every(int hours, long... past) {
        var known = new TreeMap<Hour, Long>();
        for (int i = 0; i < past.length; i++) {
            known.put(JUDGED.plus(-hours * (i + 1)), past[i]);
        }
        return known;
    }

    static long[] numbers(String words) {
        return Stream.of(words.strip().split(" +")).mapToLong(Long::parseLong).toArray();
    }

    static final String WORKED = "10 12 9 11 10 14 8 10 11 9 12 10 13";

    @ParameterizedTest
    @CsvSource({
            "21, true,  z is 3.04 and 21 is twice the mean",
            "20, false, z is 2.74",
    })
    void the_weekly_rule_measures_distance_in_the_usual_spread(long count, boolean spike, String why) {
        var judged = (Judged) judge(WEEKLY, every(168, numbers(WORKED)), count);
        assertEquals(spike, judged instanceof Spike, why);
        assertEquals(21, judged.limit());
        assertEquals(10.6923, judged.usual().mean(), 1e-4);
        assertEquals(3.3933, judged.usual().spread().orElseThrow(), 1e-4);
        assertEquals((count - 10.6923) / 3.3933, judged.usual().z(count).orElseThrow(), 1e-4);
    }

    /** Cells of public hourly series, with the figures of a second implementation; the latest sample first. */
    @ParameterizedTest
    @CsvSource({
            "tweets 2017-10-12T10,    14,  24,           6 3 4 2 7 3 8,  4.714286,  2.580953,  3.597785, true",
            "tweets 2017-10-12T18,    19,  24,      24 20 19 2 4 8 14, 13.000000,  7.905441,  0.758971, false",
            "tweets 2017-10-13T05,    17,  24,         3 5 8 8 5 10 7 4,  6.250000,  2.834572,  3.792459, true",
            "tweets 2017-10-13T08,    10,  24,        4 12 3 12 1 7 4 10,  6.625000,  4.171849,  0.808994, false",
            "tweets 2017-11-02T00,    10, 168,              11 16 18 7, 13.000000,  5.776183, -0.519374, false",
            "tweets 2017-11-02T05,     9, 168,                 7 9 3 4,  5.750000,  3.208596,  1.012904, false",
            "incidents 2016-03-07T11, 99,  24,       2 3 38 51 62 33 11, 28.571429, 20.855633,  3.376957, true",
            "incidents 2016-03-08T09, 60,  24, 70 1 1 30 49 43 34 34, 32.750000, 20.972277,  1.299334, false",
            "incidents 2016-03-28T01,  1, 168,                 6 1 1 1,  1.783023,  1.670869, -0.468632, false",
            "incidents 2016-03-28T06, 10, 168,                 2 0 2 3,  1.750000,  1.514955,  5.445706, true",
            "incidents 2016-03-28T15, 40, 168,             33 38 57 26, 38.500000, 14.739464,  0.101768, false",
            "incidents 2016-03-31T21,  7, 168,                11 0 1 1,  1.533023,  1.724389,  3.170385, true",
            "incidents 2016-04-01T00,  9, 168,                 3 1 0 5,  2.250000,  2.136941,  3.158720, true",
    })
    void the_weekly_rule_equals_a_second_implementation_on_real_hours(String cell, long count, int step, String past,
            double expected, double spread, double z, boolean spike) {
        var judged = (Judged) judge(WEEKLY, every(step, numbers(past)), count);
        assertEquals(spike, judged instanceof Spike, cell);
        assertEquals(expected, judged.usual().mean(), 1e-6, cell);
        assertEquals(spread, judged.usual().spread().orElseThrow(), 1e-6, cell);
        assertEquals(z, judged.usual().z(count).orElseThrow(), 1e-6, cell);
    }

    @ParameterizedTest
    @CsvSource({
            "20, 19.9, 4.634, the last week held twice as many as those before it",
            "50, 20.0, 4.641089, growth is followed up to twice",
            " 5, 10.0, 3.281651, a quiet week does not lower what is usual",
    })
    void the_weekly_rule_follows_growth(long lastWeek, double expected, double spread, String why) {
        var known = new TreeMap<Hour, Long>();
        Hour.range(JUDGED.plus(-168 * 14), JUDGED.plus(-168)).forEach(hour -> known.put(hour, 10L));
        Hour.range(JUDGED.plus(-168), JUDGED).forEach(hour -> known.put(hour, lastWeek));
        known.put(JUDGED.plus(-168), 10L);
        var usual = ((Judged) judge(WEEKLY, known, 1)).usual();
        assertEquals(expected, usual.mean(), 0.05, why);
        assertEquals(spread, usual.spread().orElseThrow(), 0.01, why);
    }

    /** As {@link #the_weekly_rule_follows_growth()}, with every second hour of the last week unknown. */
    @Test
    void unknown_hours_do_not_hide_growth() {
        var known = new TreeMap<Hour, Long>();
        Hour.range(JUDGED.plus(-168 * 14), JUDGED).forEach(hour -> known.put(hour, 10L));
        Hour.range(JUDGED.plus(-167), JUDGED).forEach(hour -> known.put(hour, 15L));
        Hour.range(JUDGED.plus(-167), JUDGED).filter(hour -> hour.number() % 2 == 0).forEach(known::remove);
        assertEquals(15, ((Judged) judge(WEEKLY, known, 1)).usual().mean(), 0.1);
        Hour.range(JUDGED.plus(-167), JUDGED.plus(-160)).forEach(known::remove);
        assertEquals(10, ((Judged) judge(WEEKLY, known, 1)).usual().mean(), 0, "fewer than 84 hours are too few to tell");
    }

    /** The median of 10, 12, 20 and 200 is 16, so what is above 16 + 3 sqrt(16 + 4.8^2) counts as that. */
    @Test
    void an_outage_among_the_samples_counts_for_no_more_than_the_cap() {
        var usual = ((Judged) judge(WEEKLY, every(168, 200, 12, 10, 20), 1)).usual();
        assertEquals(16 + 3 * Math.sqrt(16 + 4.8 * 4.8), usual.cap(), 1e-9);
        assertEquals((10 + 12 + 20 + usual.cap()) / 4, usual.mean(), 1e-9);
    }

    private static Ticket ticket(long id, int second, String... tags) {
        return new Ticket(id, "2026-11-24T13:00:%02dZ".formatted(second), "subject", 7L, List.of(tags), "ticket");
    }

    private static List<String> ranked(String omitted, Ticket... tickets) {
        var tally = new Tally(List.of(omitted));
        Stream.of(tickets).forEach(tally::add);
        return new Tickets(tally, Optional.empty(), List.of(), "").ranked().stream().map(tag ->
                tag.tag() + " " + tag.count()).toList();
    }

    @Test
    void tags_are_left_out_whole_and_without_case_and_count_once_a_ticket() {
        assertEquals(List.of("Billing 1", "vip_gold 1"), ranked("vip", ticket(1, 0, "VIP", "Billing", "vip_gold", "billing")));
    }

    @Test
    void tags_that_are_as_frequent_rank_as_they_first_appeared_whatever_the_order_of_the_pages() {
        var first = ticket(9, 1, "b", "a");
        var second = ticket(8, 2, "c", "B");
        var third = ticket(7, 2, "a", "c");
        assertEquals(List.of("b 2", "a 2", "c 2"), ranked("", first, second, third));
        assertEquals(List.of("b 2", "a 2", "c 2"), ranked("", third, second, first));
    }

    @ParameterizedTest
    @CsvSource({
            "21, 1, 3.0, 1, 5, true,  all bars are passed",
            "21, 30, 3.0, 1, 5, false, fewer than MinTickets",
            "21, 1, 3.1, 1, 5, false, less than Deviations",
            "21, 1, 3.0, 1, 11, false, less than MinExtra over the mean",
    })
    void every_bar_of_the_weekly_rule_has_to_be_passed(long count, int minTickets, double deviations, int minSamples,
            double minExtra, boolean spike, String why) {
        var rule = new Rule(RuleName.WEEKLY, 4380, 0.5, deviations, minExtra, minTickets, minSamples, Set.of(), UTC);
        assertEquals(spike, judge(rule, every(168, numbers(WORKED)), count) instanceof Spike, why);
    }

    @Test
    void the_weekly_rule_learns_from_four_weeks_or_else_seven_days() {
        assertInstanceOf(Learning.class, judge(WEEKLY, every(24, 1, 2, 3, 4, 5, 6), 100));
        assertInstanceOf(Spike.class, judge(WEEKLY, every(24, 1, 2, 3, 4, 5, 6, 7), 100));
        assertInstanceOf(Learning.class, judge(WEEKLY, every(168, 1, 2, 3), 100));
        assertInstanceOf(Spike.class, judge(WEEKLY, every(168, 1, 2, 3, 4), 100));
    }

    @Test
    void no_tickets_are_no_spike_whatever_is_set() {
        var rule = new Rule(RuleName.WEEKLY, 4380, 0, 0, 0, 0, 1, Set.of(), UTC);
        assertInstanceOf(Calm.class, judge(rule, every(168, 0, 0, 0, 0), 0));
        assertInstanceOf(Spike.class, judge(rule, every(168, 0, 0, 0, 0), 1));
    }

    @Test
    void ignored_days_are_never_samples() {
        var christmas = JUDGED.plus(-168).date(UTC);
        var rule = rule(RuleName.WEEKLY, 4380, 0.5, 1, 3, UTC, christmas);
        var samples = rule.samples(new Counts(every(168, numbers(WORKED))), JUDGED);
        assertEquals(List.of(JUDGED.plus(-168)), samples.ignored());
        assertEquals(12, samples.known().size());
    }

    /** In Auckland 13:00 UTC of 17 Nov is 02:00 of 18 Nov. */
    @Test
    void ignored_days_are_those_of_the_local_calendar() {
        var day = LocalDate.of(2026, 11, 18);
        var rule = rule(RuleName.WEEKLY, 4380, 0.5, 1, 3, ZoneId.of("Pacific/Auckland"), day);
        var ignored = rule.samples(new Counts(every(168, numbers(WORKED))), JUDGED).ignored();
        assertEquals(List.of(JUDGED.plus(-168)), ignored);
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

    @ParameterizedTest
    @CsvSource({
            "2026-11-02T14, 2, America/New_York,    2026-10-31T13,               back from summer time: 09:00 is 14Z and was 13Z",
            "2026-11-02T06, 1, America/New_York,    2026-11-01T05 2026-11-01T06, 01:00 came twice that night",
            "2027-03-15T06, 1, America/New_York,    '',                          02:00 did not come that night",
            "2027-03-29T12, 7, Europe/Berlin,       2027-03-22T13,               14:00 is 12Z in summer and was 13Z",
            "2026-11-24T13, 7, Asia/Kolkata,        2026-11-17T13,               18:30 is the same half of an hour",
            "2026-10-04T13, 7, Australia/Lord_Howe, 2026-09-27T13,               its clock changes by half an hour",
            "2026-11-24T13, 7, UTC,                 2026-11-17T13,               no clock change",
    })
    void the_same_hour_is_that_of_the_local_clock(String hour, int days, String zone, String same, String why) {
        assertEquals(Stream.of(same.split(" ")).filter(name -> !name.isEmpty()).map(Hour::parse).toList(), Hour.parse(hour).sameHour(days, ZoneId.of(zone)), why);
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

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "BOMdate,00,01\\r\\n2026-11-23,12,\\r\\n | a byte order mark and the line ends of Windows",
            "Date;0;1\\n2026-11-23;12;\\n                  | semicolons, and zeros dropped",
            "date,01,00\\n2026-11-23,,12\\n                | columns in another order",
            "\\\"date\\\",\\\"00\\\",\\\"01\\\"\\n\\\"2026-11-23\\\",\\\"12\\\",\\\"\\\"\\n\\n,,\\n | quotes and empty rows",
            "date,00,01\\n2026-11-23 00:00:00,12.0,\\n     | dates with a time and counts with a point",
    })
    void what_a_spreadsheet_does_to_the_history_is_undone(String text, String why) throws IOException {
        var history = History.open(file(text.translateEscapes().replace("BOM", "\uFEFF")), true);
        assertEquals(12, history.at(Hour.parse("2026-11-23T00")).orElseThrow(), why);
        assertTrue(history.at(Hour.parse("2026-11-23T01")).isEmpty(), why);
        history.save();
        assertEquals(HEADER + "2026-11-23,12" + ",".repeat(23) + "\n", Files.readString(folder.resolve("history.csv")), why);
    }

    @Test
    void ten_years_of_history_are_kept_whole() {
        var file = folder.resolve("history.csv");
        var history = History.open(file, true);
        var first = Hour.parse("2016-11-24T00");
        Hour.range(first, first.plus(87_660)).forEach(hour -> history.put(hour, Math.floorMod(hour.number(), 50)));
        history.save();
        var counts = History.open(file, false).counts();
        assertEquals(87_660, counts.hours().size());
        counts.hours().forEach(hour -> assertEquals(Math.floorMod(hour.number(), 50), counts.at(hour).orElseThrow()));
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
            "9026-11-23,,,,,,,,,,,,,,,,,,,,,,,,|line 2, column date: '9026-11-23' (expected a date such as 2026-11-23)",
            "2026-11-23,,-1,,,,,,,,,,,,,,,,,,,,,,|line 2, column 01: '-1' (expected a count, or nothing for an unknown hour)",
    })
    void a_line_without_sense_is_one_line_of_fault_and_exit_74(String line, String fault) throws IOException {
        assertFaultOf(HEADER + line + "\n", fault);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "EMPTY               | line 1, column 1: '' (expected date,00,01,\u2026,23)",
            "when,00             | line 1, column 1: 'when' (expected date,00,01,\u2026,23)",
            "date,00,24          | line 1, column 24: '24' (expected each of 00 to 23 once)",
            "date,00,0           | line 1, column 0: '0' (expected each of 00 to 23 once)",
    })
    void a_header_without_sense_is_a_fault_too(String text, String fault) throws IOException {
        assertFaultOf(text.replace("EMPTY", ""), fault);
    }

    private void assertFaultOf(String history, String fault) throws IOException {
        var file = file(history);
        assertEquals(74, run("backtest", "--json"));
        assertEquals(file + ": " + fault + "\n", err.toString());
    }

    @Test
    void a_report_needs_a_history() throws IOException {
        assertEquals(74, run("report"));
        assertEquals(folder.resolve("history.csv") + ": no hour is known yet (expected a first run)\n", err.toString());
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

    /** The worked example's thirteen weeks, a fourteenth unknown, and 21 tickets at last. */
    private void worked() throws IOException {
        var history = History.open(folder.resolve("history.csv"), true);
        every(168, numbers(WORKED.replaceFirst("14", "40"))).forEach(history::put);
        history.put(JUDGED, 21);
        history.save();
    }

    @Test
    void explain_tells_what_a_verdict_comes_from() throws IOException {
        worked();
        assertEquals(0, run("explain", "2026-11-24T13", "Rule = weekly", "IgnoredDays = 2026-11-10"));
        assertEquals("""
                2026-11-24T13:00Z (Tue 24 Nov 13:00-14:00 UTC), rule weekly
                  Tue 17 Nov 13:00     10
                  Tue 3 Nov 13:00      9
                  Tue 27 Oct 13:00     11
                  Tue 20 Oct 13:00     10
                  Tue 13 Oct 13:00     40  counted as 23.1
                  Tue 6 Oct 13:00      8
                  Tue 29 Sep 13:00     10
                  Tue 22 Sep 13:00     11
                  Tue 15 Sep 13:00      9
                  Tue 8 Sep 13:00     12
                  Tue 1 Sep 13:00     10
                  Tue 25 Aug 13:00     13
                  left out, ignored day: 2026-11-10T13
                expected 11.3, spread 4.4, a spike from 25 tickets on
                Silent: 21 tickets, +85.2 %, z 2.22, too few for Deviations; 25 or more would have alerted.
                """, out.toString());
    }

    @Test
    void explain_gives_the_same_as_json() throws IOException {
        worked();
        assertEquals(0, run("explain", "--json", "2026-11-24T13", "Rule = weekly", "IgnoredDays = 2026-11-10"));
        var json = SpikeNotifier.JSON.readTree(out.toString());
        assertEquals("calm", json.path("verdict").asText());
        assertEquals(11.3397, json.path("mean").asDouble(), 1e-4);
        assertEquals(4.3509, json.path("spread").asDouble(), 1e-4);
        assertEquals(2.2203, json.path("z").asDouble(), 1e-4);
        assertEquals(25, json.path("needed").asLong());
        assertEquals(12, json.path("compared").size());
        assertEquals("{\"hour\":\"2026-10-13T13:00:00Z\",\"count\":40,\"capped\":true}", json.path("compared").path(4).toString());
        assertEquals("[\"2026-11-10T13:00:00Z\"]", json.path("ignored").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
            "mean |   2026-11-24T13 | Alerted: 21 tickets, +65.5 %; fewer than 21 would have been silent.",
            "mean |   2026-11-17T13 | Silent: 10 tickets, -22.6 %, too few for SpikeThreshold; 21 or more would have alerted.",
            "mean |   2026-08-25T13 | Silent, since 0 samples are too few to judge 13 tickets.",
            "weekly | 2026-11-24T12 | The hour's own count is unknown, so it was not judged.",
            "weekly | 2026-12-01T13 | The hour's own count is unknown, so it was not judged; 27 tickets or more would have been a spike.",
    })
    void explain_ends_with_what_would_have_changed_it(String rule, String hour, String sentence) throws IOException {
        worked();
        assertEquals(0, run("explain", hour, "Rule = " + rule));
        assertEquals(sentence, out.toString().lines().reduce("", (before, line) -> line));
    }

    @Test
    void backtest_shows_the_grid_the_largest_and_what_to_set() throws IOException {
        var history = History.open(folder.resolve("history.csv"), true);
        Hour.range(JUDGED.plus(-24 * 120), JUDGED).forEach(hour -> history.put(hour, hour.number() % 1000 == 0 ? 90 : 10));
        history.save();
        assertEquals(0, run("backtest", "--per-month", "1"));
        var lines = out.toString().lines().toList();
        assertEquals("rule    threshold deviations  alerts/30d episodes/30d", lines.get(0));
        assertEquals("mean         0.25          -         0.8          0.8", lines.get(1));
        assertEquals("weekly       3.00        5.0         0.5          0.5", lines.get(49));
        assertEquals("""

                The five largest with the settings of auth.ini:
                  2026-08-01T16:00Z  1 h, peak 90, 80 over the usual
                  2026-09-12T08:00Z  1 h, peak 90, 80 over the usual
                  2026-10-24T00:00Z  1 h, peak 90, 80 over the usual

                For about 1.0 spikes in 30 days, each told once (these give 0.5):
                [misc]
                SpikeThreshold = 0.5
                [spike]
                Rule = weekly
                Deviations = 3.0""", String.join("\n", lines.subList(50, lines.size())));
    }

    /** Ten weeks with a night a week unknown, and a spike of three hours. */
    private void tenWeeks() throws IOException {
        var history = History.open(folder.resolve("history.csv"), true);
        Hour.range(JUDGED.plus(-24 * 70), JUDGED.plus(1)).filter(hour -> hour.number() % 168 > 5)
                .forEach(hour -> history.put(hour, 8 + hour.number() % 24 + (hour.compareTo(JUDGED.plus(-3)) > 0 ? 60 : 0)));
        history.save();
    }

    @Test
    void the_report_is_one_page_that_needs_nothing_else() throws IOException {
        tenWeeks();
        assertEquals(0, run("report", "Rule = weekly", "TimeZone = Asia/Kolkata"));
        var page = Files.readString(folder.resolve("out/report.html"));
        assertEquals(folder.resolve("out/report.html") + "\n", out.toString());
        assertEquals(24 * 70 + 1, page.split("<rect ", -1).length - 1);
        assertEquals(60, page.split(": unknown</title>", -1).length - 1);
        assertTrue(page.contains("<td>Tue 24 Nov 16:30<td>3<td>"), "local time");
        assertEquals(List.of(), Pattern.compile("(src|href)=\"(?!data:,)|url\\((?!#)|@import|https?://").matcher(page).results().toList());
    }

    /** In a browser as people look at it; skipped where none is installed. */
    @Test
    void the_report_shows_without_a_complaint_of_the_browser() throws IOException, InterruptedException {
        var chromium = Stream.of("chromium", "chromium-browser", "google-chrome").flatMap(name ->
                Stream.of(System.getenv("PATH").split(":")).map(place -> Path.of(place, name)).filter(Files::isExecutable))
                .findFirst();
        Assumptions.assumeTrue(chromium.isPresent(), "no Chromium here");
        tenWeeks();
        assertEquals(0, run("report", "Rule = weekly"));
        var log = folder.resolve("browser.log");
        var dom = folder.resolve("browser.html");
        var browser = new ProcessBuilder(chromium.get().toString(), "--headless", "--no-sandbox", "--disable-gpu",
                "--no-first-run", "--disable-background-networking", "--user-data-dir=" + folder.resolve("profile"),
                "--enable-logging=stderr", "--dump-dom", folder.resolve("out/report.html").toUri().toString())
                .redirectError(log.toFile()).redirectOutput(dom.toFile()).start();
        assertTrue(browser.waitFor(2, TimeUnit.MINUTES));
        assertEquals(0, browser.exitValue(), () -> Fakes.read(log));
        assertTrue(Files.readString(dom).contains("</svg>"));
        assertTrue(Files.readString(log).lines().noneMatch(line -> line.contains("CONSOLE")), () -> Fakes.read(log));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
            "a\\b        | a\\b        | a backslash",
            "ends in \\  | ends in \\  | and at the end, where others go on with the next line",
            "a;b #c =d:e | a;b #c =d:e | marks of comments and keys",
            "50%${x}$1   | 50%${x}$1   | what templates replace",
            "\" a b \"   |~ a b ~     | quotes keep the blanks within",
            "\"half      | \"half      | one quote is a character",
            "say \"hi\"   | say \"hi\"   | quotes in the middle are characters",
    })
    void a_password_keeps_every_character(String written, String password, String why) throws IOException {
        var ini = Files.writeString(folder.resolve("auth.ini"), "[email]\nPassword = " + written + "\nHost = smtp.example\n");
        var email = new Ini(ini, Map.of(), Duration.ofSeconds(5));
        assertEquals(Optional.of(password), email.secret("email/Password"), why);
        assertEquals(Optional.of("smtp.example"), email.text("email/Host"), why);
    }

    /** The keys in README's table, in the example file and in the code are the same. */
    @Test
    void the_keys_are_told_alike_everywhere() throws IOException {
        var top = Path.of("");
        var known = new TreeSet<String>();
        var ini = new Ini(top.resolve("auth.ini.example"), Map.of(), Duration.ofSeconds(5));
        Config.from(ini);
        assertEquals(List.of(), ini.mistakes);
        ini.asked.stream().map(String::toLowerCase).forEach(known::add);
        var told = new TreeSet<String>();
        for (var row : Files.readAllLines(top.resolve("README.md"))) {
            var cells = row.split("\\|");
            if (cells.length > 4 && cells[1].strip().matches("default|zendesk|email|misc|spike|webhook|monitor")) {
                Stream.of(cells[2].split(",")).forEach(key -> told.add((cells[1].strip() + "/" + key.strip()).toLowerCase()));
            }
        }
        var shown = new TreeSet<String>();
        var section = "";
        for (var line : Files.readAllLines(top.resolve("auth.ini.example"))) {
            var key = Pattern.compile("#?(\\w+) =.*").matcher(line);
            section = line.startsWith("[") ? line.replaceAll("[\\[\\]]", "") : section;
            if (key.matches()) {
                shown.add((section + "/" + key.group(1)).toLowerCase());
            }
        }
        assertEquals(known, shown, "auth.ini.example");
        assertEquals(known, told, "README.md");
    }

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    /** Runs the program on an auth.ini in the test's folder, its history beside it. Words with {@code =} go into it. */
    private int run(String... words) throws IOException {
        var keys = Stream.of(words).filter(word -> word.contains("=")).collect(Collectors.joining("\n"));
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
                """ + keys + "\n");
        Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString("rw-------"));
        var world = new World(Clock.fixed(JUDGED.to(), ZoneOffset.UTC), new Ticker() { }, Duration.ofSeconds(5),
                Map.of(), out, err, false);
        return SpikeNotifier.commandLine(world)
                .execute(Stream.concat(Stream.of(words).filter(word -> !word.contains("=")), Stream.of("--config", ini.toString())).toArray(String[]::new));
    }

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("history.csv"), text);
    }
}
