package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** The rules: when is an hour a spike. */
class RulesTest extends Unit {
  private Counts series(String name) throws IOException {
    var stream = RulesTest.class.getResourceAsStream("/" + name + ".csv");
    return History.read(write(name + ".csv",
        new String(stream.readAllBytes(), StandardCharsets.UTF_8)));
  }

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
    void has_no_percentage_where_no_tickets_are_usual() {
      var known = every(24, 0, 0, 0);
      for (int day = 1; day <= 9; day++) known.put(JUDGED.plus(-24L * day - 5), 1L); // it is open
      var ini = "[misc]\nNumHours = 72\n";
      var spike = assertInstanceOf(Spike.class, verdict(ini, known, 1));
      assertNull(spike.baseline().percent(1));
      assertInstanceOf(Calm.class, verdict(ini, known, 0));
    }
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
        "25, 11, '',               spike, alone it stands out by more than four deviations",
        "24, 11, '',               calm,  alone too little, and with 11 before it too",
        "18, 18, '',               spike, two high hours stand out together",
        "18, 17, '',               calm,  these not quite",
        "25, 11, MinTickets = 30,  calm,  fewer than MinTickets",
        "25, 11, Deviations = 3.3, calm,  fewer Deviations",
        "25, 11, MinExtra = 15,    calm,  less than MinExtra over the mean",
    })
    void looks_at_an_hour_alone_and_with_the_one_before(long count, long before, String setting,
        String verdict, String why) {
      var ini = WEEKLY.replace("[misc]", setting + "\n[misc]");
      var judged = (Judged) verdict(ini, worked(before), count);
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

    /** Cells of three series, with what an independent implementation says of them. */
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
        "incidents,2016-03-24T20,10,24,2.125000,2.490341,3.162217,,true",
        "incidents,2016-03-07T13,65,7,15.857143,11.000298,4.467411,,true",
        "incidents,2016-03-16T17,20,16,14.750000,9.448176,0.555663,,false",
        "incidents,2016-05-12T22,7,10,1.153356,1.372916,4.258560,8.092630,true",
        "incidents,2016-04-01T00,9,4,2.335185,2.203563,3.024563,3.590479,true",
        "incidents,2016-05-02T21,19,9,3.461372,2.250434,6.904726,4.152256,true",
        "incidents,2016-05-10T22,24,10,2.000000,1.483240,14.832397,8.995169,true",
        "incidents,2016-04-12T09,52,6,49.000000,16.006087,0.187429,-0.339914,false",
        "incidents,2016-04-23T02,5,7,0.857143,1.069045,3.875288,6.368320,false",
        "incidents,2016-04-07T16,32,5,27.609832,9.049062,0.485152,-0.366560,false",
        "openings,2026-03-20T07,1,4,,,,,false",
        "openings,2026-03-20T10,0,4,,,,,false",
        "openings,2026-03-23T19,1,7,0.000000,1.069045,0.935414,,false",
        "openings,2026-04-01T01,0,15,0.133333,1.032796,-0.129099,,false",
        "openings,2026-04-10T05,0,24,0.000000,1.020621,0.000000,,false",
        "openings,2026-04-20T12,15,6,2.000000,2.912553,4.463439,5.853450,true",
        "openings,2026-04-21T09,8,5,0.000000,1.095445,7.302967,9.036961,true",
        "openings,2026-04-22T07,3,3,,,,,false",
        "openings,2026-04-23T08,8,4,,,,,false",
        "openings,2026-04-28T10,9,8,11.750000,4.456638,-0.617057,,false",
        "openings,2026-05-08T14,65,19,15.578947,6.973362,7.087120,,true",
        "openings,2026-05-30T14,4,5,6.241163,3.015646,-0.743178,-0.631414,false",
        "openings,2026-06-30T05,4,10,2.800000,1.876671,0.639430,0.820479,false",
        "openings,2026-08-11T11,54,10,21.678643,9.379551,3.445938,2.714944,false",
        "openings,2026-08-11T12,54,10,24.726270,11.786764,2.483610,4.089076,true",
        "openings,2026-08-26T15,68,9,17.502460,7.968239,6.337352,3.689200,true",
        "openings,2026-08-27T20,2,10,2.984295,2.459460,-0.400208,1.202838,false",
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

    /** Fourteen weeks of ten tickets an hour; of the last days other counts are known. */
    @ParameterizedTest
    @CsvSource({
        "2, 24, 20, 2.0, two busy days of three raise what is usual",
        "1, 24, 20, 1.0, one does not: it may be an outage",
        "3, 24, 90, 4.0, growth is followed up to four times",
        "3, 24,  5, 1.0, quiet days do not lower what is usual",
        "3, 12, 20, 2.0, twelve hours of a day are enough to tell",
        "3, 11, 20, 1.0, eleven are not",
    })
    void follows_growth_within_two_days(int days, int hours, long lastDays, double level,
        String why) {
      var known = new TreeMap<Hour, Long>();
      Hour.range(JUDGED.plus(-168 * 14), JUDGED).forEach(hour -> known.put(hour, 10L));
      Hour.range(JUDGED.plus(-24L * days), JUDGED).forEach(hour -> {
        if (hour.number() % 24 < hours) known.put(hour, lastDays);
        else known.remove(hour);
      });
      var judged = (Judged) verdict(WEEKLY, known, 1);
      assertEquals(level, judged.baseline().spread().growthFactor(), 1e-9, why);
      assertEquals(10 * level, judged.baseline().mean(), 1e-9, why);
    }

    /** The median of 10, 12, 20 and 200 is 16; above 16 + 3 sqrt(16 + 4.8^2) counts as that. */
    @Test
    void lets_an_outage_among_the_samples_count_for_no_more_than_the_cap() {
      var judged = (Judged) verdict(WEEKLY, every(168, 200, 12, 10, 20), 1);
      double cap = 16 + 3 * Math.sqrt(16 + 4.8 * 4.8);
      assertEquals(cap, judged.baseline().spread().cap(), 1e-9);
      assertEquals((10 + 12 + 20 + cap) / 4, judged.baseline().mean(), 1e-9);
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
        words.add(threshold.key() + ": " + SpikeNotifier.decimal(threshold.tickets())
            + (threshold == judged.thresholds().effective() ? " decides" : ""));
      }
      assertEquals(List.of(
          "Deviations, alone: 24.3", "Deviations, with the hour before: 17.8 decides",
          "SpikeThreshold: 16.0", "MinExtra: 15.7"), words);
      assertEquals(18, judged.thresholds().least());
    }

    @Test
    void never_calls_an_hour_without_tickets_a_spike() {
      var ini = WEEKLY.replace("0.5", "0").replace("[misc]",
          "Deviations = 0\nMinExtra = 0\nMinTickets = 0\nMinSamples = 1\n[misc]");
      var known = every(168, 0, 0, 0, 0);
      for (int week = 0; week <= 4; week++) known.put(JUDGED.plus(-168L * week - 1), 40L);
      assertInstanceOf(Calm.class, verdict(ini, known, 0));
    }
  }

  @Nested
  class Tickets_that_stop {
    private Stops stops(String ini, Counts counts) {
      return new Stops(new Baselines(new Rule(offline(ini)), counts));
    }

    /** Cells of the same series, with what an independent implementation says of them. */
    @ParameterizedTest
    @CsvSource({
        "incidents,2016-03-01T13,19,,,,,",
        "incidents,2016-03-06T21,0,,,,,",
        "incidents,2016-03-19T01,1,,,,,",
        "incidents,2016-03-29T19,0,1.000000,3,31,23.603599,again",
        "incidents,2016-04-17T20,0,0.878495,7,6,12.241643,between",
        "incidents,2016-04-21T09,0,0.959074,1,0,45.624510,stopped",
        "incidents,2016-04-21T13,2,0.876619,1,2,23.167799,stopped",
        "incidents,2016-04-21T19,0,0.893965,3,2,27.329781,stopped",
        "incidents,2016-04-22T08,10,0.888646,1,10,26.405469,between",
        "incidents,2016-05-06T17,19,1.000000,1,19,14.666667,again",
        "incidents,2016-05-11T19,1,0.834520,3,9,24.907084,between",
        "incidents,2016-05-13T17,8,1.000000,1,8,15.100000,again",
        "tweets,2017-10-12T03,7,,,,,",
        "tweets,2017-10-15T21,6,,,,,",
        "tweets,2017-10-27T12,4,,,,,",
        "tweets,2017-11-10T05,5,0.911342,2,9,16.404151,again",
        "tweets,2017-11-17T08,4,0.969900,2,10,15.518393,again",
        "tweets,2017-11-17T23,1,1.000000,1,1,14.000000,stopped",
        "tweets,2017-11-18T00,0,1.000000,1,0,12.666667,stopped",
        "tweets,2017-11-18T01,1,1.000000,2,1,21.000000,stopped",
        "tweets,2017-11-18T02,1,1.000000,2,2,12.989339,between",
        "tweets,2017-11-23T14,9,0.894248,1,9,19.290206,between",
        "tweets,2017-12-01T01,5,1.000000,2,11,16.391701,again",
        "tweets,2017-12-02T10,0,0.935399,3,3,13.195640,between",
    })
    void equal_a_second_implementation(String series, String hour, long count, Double low,
        Integer hours, Long came, Double usual, String verdict) throws IOException {
      var stop = stops(WEEKLY, series(series)).at(Hour.parse(hour));
      if (verdict == null) {
        assertNull(stop);
        return;
      }
      assertEquals(verdict, stop.verdict().name().toLowerCase(Locale.ROOT));
      assertEquals(low, stop.low(), 1e-5);
      assertEquals(hours, stop.hours());
      assertEquals(came, stop.came());
      assertEquals(usual, stop.usual(), 1e-5);
    }

    @Test
    void are_told_once_and_again_when_they_come_again() throws IOException {
      var openings = series("openings");
      var turns = stops(WEEKLY, openings).turns(openings.first());
      assertEquals(List.of("2026-07-02T06", "2026-07-30T03"),
          turns.stream().map(Hour::name).toList());
    }

    @Test
    void are_not_told_of_on_a_holiday() throws IOException {
      var ini = WEEKLY.replace("[misc]", "IgnoredDays = 2026-07-02\n[misc]");
      assertNull(stops(ini, series("openings")).at(Hour.parse("2026-07-02T06")));
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
        var verdicts = judge.verdicts(JUDGED.plus(-168), JUDGED.plus(1)).values();
        var spikes = verdicts.stream().filter(Spike.class::isInstance).toList();
        assertEquals(List.of(), spikes, rule);
      }
      assertEquals(days, judge("", known).baselines.samples(JUDGED).known().size());
    }

    @ParameterizedTest
    @CsvSource({
        "weekly, 168, 1 2 3,         3, 7", "weekly, 168, 1 2 3 4,       0, 0",
        "weekly, 24,  1 2 3 4 5 6,   6, 7", "weekly, 24,  1 2 3 4 5 6 7, 0, 0",
        "mean,   24,  40 38,         2, 3", "mean,   24,  40 38 41,      0, 0",
    })
    void are_enough_of_four_weeks_or_seven_days_and_three_days_for_the_mean(String rule, int step,
        String past, int samples, int needed) {
      var ini = WEEKLY.replace("weekly", rule);
      var verdict = verdict(ini, every(step, numbers(past)), 1000);
      assertEquals(samples == 0 ? "spike" : "learning", name(verdict));
      if (!(verdict instanceof Learning learning)) return;
      assertEquals(samples, learning.samples());
      assertEquals(needed, learning.needed());
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
}
