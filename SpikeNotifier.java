///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells a support team when Zendesk tickets surge
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7

package spikenotifier;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.LongSummaryStatistics;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Judges hours of ticket counts: does an hour hold clearly more tickets than that hour usually does?
 *
 * <p>The rule, {@code mean}: take the known counts of the same hour of day in the last NumHours hours, the
 * hour itself kept out. {@code limit = (1 + SpikeThreshold) * mean}; more than the limit is a spike. Counts of
 * 40, 38 and 42 at 13:00 have the mean 40; with SpikeThreshold 0.6 the limit is 64, so 64 tickets are calm
 * and 65 are a spike.
 *
 * <p>Words: an <b>hour</b> is a full UTC hour {@code [from, to)}; its <b>count</b> the tickets created in it;
 * a <b>sample</b> an earlier count that it is compared with; the <b>mean</b> that of the samples; the
 * <b>limit</b> the count above which the hour is a <b>spike</b>.
 */
@Command(name = "SpikeNotifier", version = "SpikeNotifier 0.1.0", mixinStandardHelpOptions = true,
        description = "Judges hours of Zendesk ticket counts against what those hours usually hold.")
public final class SpikeNotifier implements Callable<Integer> {

    @Spec
    CommandSpec spec;

    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        var line = new CommandLine(new SpikeNotifier());
        line.getCommandSpec().usageMessage().exitCodeListHeading("%nExit codes:%n").exitCodeList(Exit.table());
        line.getCommandSpec().exitCodeOnInvalidInput(Exit.USAGE.code);
        line.getSubcommands().values().forEach(c -> c.getCommandSpec().exitCodeOnInvalidInput(Exit.USAGE.code));
        return line.setExecutionExceptionHandler(SpikeNotifier::report);
    }

    @Override
    public Integer call() {
        spec.commandLine().usage(spec.commandLine().getErr());
        return Exit.USAGE.code;
    }

    @Command(mixinStandardHelpOptions = true,
            description = "Replays a history offline: one JSON line for each known hour.")
    int backtest(
            @Option(names = "--history", defaultValue = "out/history.csv", showDefaultValue =
                    CommandLine.Help.Visibility.ALWAYS, description = "the CSV history to replay") Path file,
            @Option(names = "--json", required = true, description = "one JSON object a line") boolean json,
            @Option(names = "--rule", defaultValue = "mean",
                    description = "mean: same hour of day; weekly: same hour of the week") RuleName ruleName,
            @Option(names = "--num-hours", defaultValue = "4380",
                    description = "how far back samples are taken, in hours") int numHours,
            @Option(names = "--threshold", defaultValue = "0.6",
                    description = "0.6 means that 60 %% over the mean is a spike") double threshold,
            @Option(names = "--min-samples", defaultValue = "3",
                    description = "with fewer samples an hour is only learned from") int minSamples,
            @Option(names = "--min-tickets", defaultValue = "1",
                    description = "fewer tickets are never a spike") int minTickets,
            @Option(names = "--time-zone", defaultValue = "UTC",
                    description = "whose clock says which hours are the same hour") ZoneId zone) {
        Judge rule = ruleName == RuleName.weekly
                ? new Weekly(threshold, 3.0, 5, minSamples, minTickets, zone, Set.of())
                : new Rule(numHours, threshold, minSamples, minTickets, zone, Set.of());
        var history = History.load(file);
        history.counts().forEach((hour, count) ->
                spec.commandLine().getOut().println(rule.judge(history, hour, count).json()));
        return Exit.OK.code;
    }

    enum RuleName { mean, weekly }

    private static int report(Exception e, CommandLine line, CommandLine.ParseResult parsed) {
        PrintWriter err = line.getErr();
        if (e instanceof Fault fault) {
            err.println(fault.getMessage());
            return fault.exit.code;
        }
        e.printStackTrace(err);
        return Exit.BUG.code;
    }

    // ==== Hour: which full hour is meant =================================================

    /** A full UTC hour {@code [from, from + 1 h)}, as whole hours since 1970-01-01T00Z. */
    record Hour(long number) implements Comparable<Hour> {
        private static final DateTimeFormatter NAME =
                DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:'00Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

        static Hour of(LocalDate date, int hourOfDay) {
            return new Hour(date.toEpochDay() * 24 + hourOfDay);
        }

        /** The hour that contains the instant. */
        static Hour of(Instant instant) {
            return new Hour(Math.floorDiv(instant.getEpochSecond(), 3600L));
        }

        Instant from() {
            return Instant.ofEpochSecond(number * 3600);
        }

        Hour plus(long hours) {
            return new Hour(number + hours);
        }

        /** The hours that the local clock calls the same, {@code days} before: 0, 1 or 2 of them on clock changes. */
        Stream<Hour> sameHourBefore(int days, ZoneId zone) {
            var local = LocalDateTime.ofInstant(from(), zone).minusDays(days);
            return zone.getRules().getValidOffsets(local).stream().map(offset -> of(local.toInstant(offset)));
        }

        @Override
        public int compareTo(Hour other) {
            return Long.compare(number, other.number);
        }

        @Override
        public String toString() {
            return NAME.format(from());
        }
    }

    // ==== History: what earlier hours held ===============================================

    /** Every known count of the CSV history, oldest first. An hour that is absent is unknown, never 0. */
    record History(NavigableMap<Hour, Long> counts) {
        private static final Pattern COUNT = Pattern.compile("(\\d{1,15})(?:\\.0+)?");

        OptionalLong at(Hour hour) {
            var count = counts.get(hour);
            return count == null ? OptionalLong.empty() : OptionalLong.of(count);
        }

        /** Number and sum of the known counts in {@code [from, to)}. */
        LongSummaryStatistics between(Hour from, Hour to) {
            return counts.subMap(from, to).values().stream().mapToLong(Long::longValue).summaryStatistics();
        }

        /**
         * Reads {@code date,00,…,23}, one row a UTC date, an empty cell for unknown; or the layout of the Python
         * script (nameless first column, columns 0…23 in any order, {@code 12.0} for 12).
         *
         * @throws Fault HISTORY, naming file, line and column, when a line makes no sense
         */
        static History load(Path file) {
            List<String> lines;
            try {
                lines = Files.readAllLines(file, StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new Fault(Exit.HISTORY, "%s: cannot be read (%s)".formatted(file, e), e);
            }
            if (lines.isEmpty()) {
                throw new Fault(Exit.HISTORY, "%s: line 1: empty (expected date,00,…,23)".formatted(file), null);
            }
            var hours = columns(file, lines.get(0).split(",", -1));
            var counts = new TreeMap<Hour, Long>();
            var dates = new HashSet<LocalDate>();
            for (int row = 1; row < lines.size(); row++) {
                if (!lines.get(row).isBlank()) {
                    readRow("%s: line %d".formatted(file, row + 1), lines.get(row), hours, dates, counts);
                }
            }
            return new History(counts);
        }

        /** Writes all counts to the file in our layout; a reader or a kill sees the old file or the new, never a part. */
        void save(Path file) {
            var text = new StringBuilder("date");
            IntStream.range(0, 24).forEach(i -> text.append(",%02d".formatted(i)));
            var dates = new TreeSet<LocalDate>();
            counts.keySet().forEach(hour -> dates.add(LocalDate.ofInstant(hour.from(), ZoneOffset.UTC)));
            for (var date : dates) {
                text.append('\n').append(date);
                for (int i = 0; i < 24; i++) {
                    var count = counts.get(Hour.of(date, i));
                    text.append(',').append(count == null ? "" : count);
                }
            }
            writeAtomically(file, text.append('\n').toString());
        }

        /** Temp sibling, fsync, atomic move. */
        private static void writeAtomically(Path file, String text) {
            var part = file.resolveSibling(file.getFileName() + ".part");
            try {
                Files.deleteIfExists(part);
                try (var channel = FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    var bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
                    while (bytes.hasRemaining()) {
                        channel.write(bytes);
                    }
                    channel.force(true);
                }
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException e) {
                throw new Fault(Exit.HISTORY, "%s: cannot be written (%s)".formatted(file, e), e);
            }
        }

        private static List<Integer> columns(Path file, String[] header) {
            var hours = new ArrayList<Integer>();
            for (String name : Arrays.asList(header).subList(1, header.length)) {
                if (!name.strip().matches("[01]?\\d|2[0-3]") || hours.contains(Integer.valueOf(name.strip()))) {
                    throw new Fault(Exit.HISTORY, "%s: line 1: column '%s' (expected each of 00 to 23 once)"
                            .formatted(file, name), null);
                }
                hours.add(Integer.valueOf(name.strip()));
            }
            if (hours.size() != 24 || !header[0].strip().matches("date|")) {
                throw new Fault(Exit.HISTORY, "%s: line 1: (expected date,00,…,23)".formatted(file), null);
            }
            return hours;
        }

        private static void readRow(String where, String line, List<Integer> hours, Set<LocalDate> dates,
                NavigableMap<Hour, Long> counts) {
            var cells = line.split(",", -1);
            if (cells.length != hours.size() + 1) {
                throw new Fault(Exit.HISTORY, "%s: %d cells (expected %d)"
                        .formatted(where, cells.length, hours.size() + 1), null);
            }
            LocalDate date;
            try {
                date = LocalDate.parse(cells[0].strip());
            } catch (DateTimeException e) {
                throw new Fault(Exit.HISTORY, "%s, column date: '%s' (expected a date such as 2026-11-23)"
                        .formatted(where, cells[0]), e);
            }
            if (!dates.add(date)) {
                throw new Fault(Exit.HISTORY, "%s, column date: %s is there twice".formatted(where, date), null);
            }
            for (int i = 0; i < hours.size(); i++) {
                var cell = cells[i + 1].strip();
                var count = COUNT.matcher(cell);
                if (count.matches()) {
                    counts.put(Hour.of(date, hours.get(i)), Long.valueOf(count.group(1)));
                } else if (!cell.isEmpty()) {
                    throw new Fault(Exit.HISTORY, "%s, column %02d: '%s' (expected a count or nothing)"
                            .formatted(where, hours.get(i), cell), null);
                }
            }
        }
    }

    // ==== Rule: is this hour a spike =====================================================

    /** One of the two rules with its settings: a pure function of history, hour and count. */
    sealed interface Judge permits Rule, Weekly {
        Verdict judge(History history, Hour hour, long count);
    }

    /** The mean rule's settings. */
    record Rule(int numHours, double threshold, int minSamples, int minTickets, ZoneId zone,
            Set<LocalDate> ignoredDays) implements Judge {

        /** The known counts of the same local hour of day in {@code [hour - numHours, hour)}, latest first. */
        List<Long> samples(History history, Hour hour) {
            var samples = new ArrayList<Long>();
            for (int days = 0; days <= numHours / 24 + 1; days++) {
                hour.sameHourBefore(days, zone)
                        .filter(h -> h.compareTo(hour) < 0 && h.compareTo(hour.plus(-numHours)) >= 0)
                        .filter(h -> !ignoredDays.contains(LocalDate.ofInstant(h.from(), zone)))
                        .forEach(h -> history.at(h).ifPresent(samples::add));
            }
            return samples;
        }

        @Override
        public Verdict judge(History history, Hour hour, long count) {
            var samples = samples(history, hour);
            if (samples.size() < Math.max(1, minSamples)) {
                return new Learning(hour, count, samples.size());
            }
            double mean = samples.stream().mapToLong(Long::longValue).sum() / (double) samples.size();
            double limit = (1 + threshold) * mean;
            boolean spike = count > limit && count >= minTickets;
            return spike ? new Spike(hour, count, samples.size(), mean, limit)
                    : new Calm(hour, count, samples.size(), mean, limit);
        }
    }

    /** What the weekly rule expects of an hour: {@code mean} and {@code spread} in tickets, from n samples. */
    record Expected(int n, double mean, double spread) {
        double z(long count) {
            return (count - mean) / spread;
        }
    }

    /**
     * The weekly rule: the same hour of the same weekday, distance measured in that hour's own usual spread,
     * following growth (level), no past outage (cap) hiding the next one.
     */
    record Weekly(double threshold, double deviations, double minExtra, int minSamples, int minTickets,
            ZoneId zone, Set<LocalDate> ignoredDays) implements Judge {
        private static final int WEEKS = 13;
        private static final int WEEK = 168;

        @Override
        public Verdict judge(History history, Hour hour, long count) {
            var expected = expected(history, hour).filter(e -> e.n() >= minSamples);
            if (expected.isEmpty()) {
                return new Learning(hour, count, 0);
            }
            var e = expected.get();
            long limit = limit(e);
            return count >= limit ? new Spike(hour, count, e.n(), e.mean(), limit)
                    : new Calm(hour, count, e.n(), e.mean(), limit);
        }

        /** The smallest count that passes every bar; the steps after the guess undo its rounding. */
        private long limit(Expected e) {
            long limit = (long) Math.ceil(Math.max(e.mean() + deviations * e.spread(), e.mean() + minExtra));
            while (passes(limit - 1, e)) {
                limit--;
            }
            while (!passes(limit, e)) {
                limit++;
            }
            return limit;
        }

        private boolean passes(long count, Expected e) {
            return e.z(count) >= deviations && count >= (1 + threshold) * e.mean()
                    && count - e.mean() >= minExtra && count >= minTickets;
        }

        /** Empty when there is too little history. */
        Optional<Expected> expected(History history, Hour hour) {
            double[] v = samples(history, hour, 7, WEEKS);
            double level = 1;
            if (v.length >= 4) {
                double cap = median(v) + 3 * Math.sqrt(usualVariance(median(v)));
                v = DoubleStream.of(v).map(count -> Math.min(count, cap)).toArray();
                level = level(history, hour);
            } else {
                v = samples(history, hour, 1, 28);
                if (v.length < 7) {
                    return Optional.empty();
                }
            }
            int n = v.length;
            double plain = DoubleStream.of(v).sum() / n;
            double s2 = DoubleStream.of(v).map(x -> (x - plain) * (x - plain)).sum() / (n - 1) * level * level;
            double mean = plain * level;
            double variance = ((n - 1) * s2 + 4 * usualVariance(mean)) / (n + 3);
            double spread = Math.sqrt(Math.max(Math.max(variance, mean), 1) * (1 + 1.0 / n));
            return Optional.of(new Expected(n, mean, spread));
        }

        private double[] samples(History history, Hour hour, int step, int times) {
            return IntStream.rangeClosed(1, times).boxed()
                    .flatMap(k -> hour.sameHourBefore(k * step, zone))
                    .filter(h -> !ignoredDays.contains(LocalDate.ofInstant(h.from(), zone)))
                    .map(history::at).filter(OptionalLong::isPresent)
                    .mapToDouble(OptionalLong::getAsLong).toArray();
        }

        /** The last week against the 13 before it, within [1, 2]; 1 when either is known for less than half a week. */
        private static double level(History history, Hour hour) {
            var last = history.between(hour.plus(-WEEK), hour);
            var before = history.between(hour.plus(-WEEK * (WEEKS + 1)), hour.plus(-WEEK));
            if (last.getCount() < WEEK / 2 || before.getCount() < WEEK / 2 || before.getSum() == 0) {
                return 1;
            }
            return Math.min(2, Math.max(1, last.getAverage() / before.getAverage()));
        }

        private static double usualVariance(double m) {
            return Math.max(m, 1) + 0.3 * m * 0.3 * m;
        }

        private static double median(double[] v) {
            var sorted = DoubleStream.of(v).sorted().toArray();
            int middle = sorted.length / 2;
            return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        }
    }

    /** What the rule says of one hour. */
    sealed interface Verdict permits Spike, Calm, Learning {
        String json();
    }

    record Spike(Hour hour, long count, int samples, double mean, double limit) implements Verdict {
        @Override
        public String json() {
            return judged(hour, count, samples, mean, limit, "spike");
        }
    }

    record Calm(Hour hour, long count, int samples, double mean, double limit) implements Verdict {
        @Override
        public String json() {
            return judged(hour, count, samples, mean, limit, "calm");
        }
    }

    /** Too few samples to say anything. */
    record Learning(Hour hour, long count, int samples) implements Verdict {
        @Override
        public String json() {
            return line(hour, count, "null", "null", "null", samples, "learning");
        }
    }

    private static String judged(Hour hour, long count, int samples, double mean, double limit, String verdict) {
        var percent = mean == 0 ? "null" : Double.toString((count - mean) / mean * 100);
        return line(hour, count, Double.toString(mean), Double.toString(limit), percent, samples, verdict);
    }

    private static String line(Hour hour, long count, String mean, String limit, String percent, int samples,
            String verdict) {
        return ("{\"hour\":\"%s\",\"count\":%d,\"mean\":%s,\"limit\":%s,\"percent\":%s,\"samples\":%d,"
                + "\"verdict\":\"%s\"}").formatted(hour.from(), count, mean, limit, percent, samples, verdict);
    }

    // ==== Exit and Fault: how a run ends =================================================

    /** Exit codes of sysexits.h; JBang's own failures are 1 to 4. */
    enum Exit {
        OK(0, "hours judged"),
        USAGE(64, "bad command line"),
        BUG(70, "anything unforeseen, with its trace"),
        HISTORY(74, "history unreadable or unwritable");

        final int code;
        final String when;

        Exit(int code, String when) {
            this.code = code;
            this.when = when;
        }

        static java.util.Map<String, String> table() {
            var table = new java.util.LinkedHashMap<String, String>();
            Stream.of(values()).forEach(exit -> table.put(Integer.toString(exit.code), exit.when));
            return table;
        }
    }

    /** An expected failure: its one line goes to the user, its exit code to the shell. */
    static final class Fault extends RuntimeException {
        private static final long serialVersionUID = 1;
        final Exit exit;

        Fault(Exit exit, String message, Throwable cause) {
            super(message, cause);
            this.exit = exit;
        }
    }
}
