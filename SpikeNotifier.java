///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells a support team within the hour that Zendesk tickets are surging, how unusual that is, and why
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.21.8
//DEPS org.eclipse.angus:angus-mail:2.0.5
//DEPS org.ini4j:ini4j:0.5.4

package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Comparator;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiPredicate;
import java.util.function.Consumer;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLException;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import jakarta.mail.AuthenticationFailedException;
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Multipart;
import jakarta.mail.SendFailedException;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeBodyPart;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import org.ini4j.InvalidFileFormatException;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine;

/**
 * Spike Notifier, run hourly by cron: counts the Zendesk tickets created in the last full hour, compares with what
 * that hour usually holds, and on a spike mails the team how many, how unusual, and which tags the tickets carry.
 *
 * <p><b>What happens each hour</b>, in the order of {@link #call()}: read auth.ini and take the lock; send what
 * waits in the outbox; read from Zendesk the hours that the history lacks; count the hour anew; judge it; on a spike
 * read its tickets, rank their tags, write the mail to the outbox, send it and move it to {@code sent}.
 *
 * <p><b>The rule</b> {@code mean}: {@code limit = (1 + SpikeThreshold) * mean} of the same hour of day in the last
 * NumHours, the hour itself kept out; more is a spike. Counts of 40, 38 and 42 at 13:00 have the mean 40; with
 * SpikeThreshold 0.6 the limit is 64, so 64 tickets are calm and 65 a spike. The rule {@code weekly} looks at the same
 * hour of the same weekday and measures in that hour's own usual deviation; {@link Rule} has it.
 *
 * <p><b>Words</b>
 * <ul>
 * <li><i>hour</i>: a full UTC hour {@code [from, to)};
 * <li><i>count</i>: the tickets created in it; unknown is never 0;
 * <li><i>sample</i>: an earlier count that the hour is compared with; <i>mean</i>: that of the samples;
 * <li><i>limit</i>: the count that makes a <i>spike</i>; an hour below is <i>calm</i>, one with too few samples
 * <i>learning</i>;
 * <li><i>episode</i>: spike hours in a row; <i>usual</i>: what an hour, or a tag in it, holds as a rule.
 * </ul>
 *
 * <p><b>To change</b> the mail's subject and wording, edit {@code Words}; its parts and their order, {@code Alert};
 * a key or its default, {@code Config}; when an hour is a spike, {@code Rule}; when a mail goes out, {@code Job.mails};
 * exit codes, {@code Exit}. {@code grep ====} lists the sections.
 */
@Command(name = "SpikeNotifier", version = "Spike Notifier 1.0.0", mixinStandardHelpOptions = true,
        subcommands = {AutoComplete.GenerateCompletion.class, CommandLine.HelpCommand.class},
        description = "Counts the Zendesk tickets of the last full hour and mails the team when they surge.")
public final class SpikeNotifier implements Callable<Integer> {
    private static final String HOUR = "HOUR";

    @Option(names = {"-c", "--config"}, paramLabel = "FILE", defaultValue = "auth.ini", scope = ScopeType.INHERIT,
            showDefaultValue = Visibility.ALWAYS, description = "the INI file")
    Path configFile;

    @Option(names = "--hour", paramLabel = HOUR, converter = HourConverter.class,
            description = "judge this UTC hour, e.g. 2026-11-24T13, instead of the last full one")
    Hour chosen;

    @Option(names = "--dry-run", description = "print the mail; send and store nothing")
    boolean dryRun;

    @Option(names = "--json", scope = ScopeType.INHERIT, description = "print JSON, one object a line")
    boolean json;

    @Option(names = {"-q", "--quiet"}, scope = ScopeType.INHERIT, description = "print faults only")
    boolean quiet;

    @Option(names = {"-v", "--verbose"}, scope = ScopeType.INHERIT,
            description = "print each request too, never a secret")
    boolean verbose;

    @Spec
    CommandSpec spec;

    private final World world;
    private Console console;

    SpikeNotifier(World world) {
        this.world = world;
    }

    public static void main(String[] args) {
        Locale.setDefault(Locale.ROOT); // numbers in mails and logs read the same on every machine
        System.exit(commandLine(World.real()).execute(args));
    }

    static CommandLine commandLine(World world) {
        var line = new CommandLine(new SpikeNotifier(world));
        line.getCommandSpec().usageMessage().exitCodeListHeading("%nExit codes:%n").exitCodeList(Exit.table());
        setUsageCode(line);
        return line.setExecutionStrategy(parsed -> {
            var main = (SpikeNotifier) line.getCommand();
            main.console = new Console(line.getOut(), line.getErr(), main.quiet, main.verbose, world.terminal());
            return new CommandLine.RunLast().execute(parsed);
        }).setExecutionExceptionHandler((e, broken, parsed) -> ((SpikeNotifier) line.getCommand()).console.report(e));
    }

    private static void setUsageCode(CommandLine line) {
        line.getCommandSpec().exitCodeOnInvalidInput(Exit.USAGE.code);
        line.getSubcommands().values().forEach(SpikeNotifier::setUsageCode);
    }

    /** The hourly job. */
    @Override
    public Integer call() {
        var config = Config.load(configFile, world.env(), console);
        return new Monitor(config.ping(), console).over(() -> Lock.during(config.history(), () ->
                job(config, new Mailer(config.mail(), world, console))));
    }

    private Exit job(Config config, Outbox.Carrier mailer) {
        var last = lastHour();
        var history = History.open(config.history(), !dryRun);
        var outbox = new Outbox(config, world, console, mailer);
        var zendesk = new Zendesk(config.zendesk(), world, console);
        var job = new Job(config, history, zendesk, outbox, world, console, dryRun, json);
        job.sendWaiting();
        var recent = job.recent(last);
        var due = chosen == null ? job.due(last) : List.of(last);
        new Fill(zendesk, history, config.rule(), console).before(due);
        var grown = job.recount(recent, due);
        Stream.concat(grown.stream(), due.stream()).sorted().forEach(job::judge);
        outbox.prune();
        console.detail("%d requests to Zendesk".formatted(zendesk.requests()));
        return outbox.exit();
    }

    private Hour lastHour() {
        var last = Hour.lastFull(world.clock());
        if (chosen != null && chosen.compareTo(last) > 0) {
            throw new Fault(Exit.USAGE, "--hour %s: is not over yet (expected %s or earlier)".formatted(chosen, last));
        }
        return chosen == null ? last : chosen;
    }

    /** Reads an hour from the command line; picocli shows the message. */
    static final class HourConverter implements CommandLine.ITypeConverter<Hour> {
        @Override
        public Hour convert(String text) {
            try {
                return Hour.parse(text);
            } catch (IllegalArgumentException | DateTimeException e) {
                throw new CommandLine.TypeConversionException("'%s' (expected a UTC hour such as 2026-11-24T13)"
                        .formatted(text));
            }
        }
    }

    @Command(mixinStandardHelpOptions = true, description = "Tells, offline, why an hour of the history was a spike.")
    int explain(@Parameters(paramLabel = HOUR, converter = HourConverter.class,
            description = "a UTC hour, e.g. 2026-11-24T13") Hour hour) {
        var config = Config.load(configFile, world.env(), console);
        new Explanation(config.rule(), History.open(config.history(), false).counts(), hour).print(console, json);
        return Exit.OK.code;
    }

    @Command(mixinStandardHelpOptions = true,
            description = "Replays the history offline: how often would each rule and threshold alert?")
    int backtest(@Option(names = "--per-month", defaultValue = "4", showDefaultValue = Visibility.ALWAYS,
            paramLabel = "N", description = "alerts wanted in 30 days, for the suggestion") double perMonth) {
        var config = Config.load(configFile, world.env(), console);
        var backtest = new Backtest(config.rule(), History.open(config.history(), false).counts());
        if (json) {
            backtest.verdicts().forEach(v -> console.result(new ResultLine(v, Optional.empty(), List.of()).asJson()));
        } else {
            backtest.print(console, perMonth);
        }
        return Exit.OK.code;
    }

    @Command(mixinStandardHelpOptions = true, description = "Writes out/report.html, a picture of the history.")
    int report() {
        var config = Config.load(configFile, world.env(), console);
        var file = config.out().resolve("report.html");
        Report.write(file, config, History.open(config.history(), false).counts());
        console.result(file.toString());
        return Exit.OK.code;
    }

    @Command(mixinStandardHelpOptions = true,
            description = "Checks config, permissions, Zendesk and SMTP sign-in, history, lock and outbox.")
    int doctor(@Option(names = "--send", description = "mail a sample alert, marked as such") boolean send) {
        return new Doctor(configFile, world, console).examine(send).code;
    }

    @Command(mixinStandardHelpOptions = true,
            description = "Runs the whole job against a made-up help desk on this machine; needs no account.")
    int demo() {
        return Demo.run(this, Path.of("out", "demo"));
    }

    // ==== Job: what is done about an hour ================================================

    /** The steps of one run. */
    record Job(Config config, History history, Zendesk zendesk, Outbox outbox, World world, Console console,
            boolean dryRun, boolean json) {
        private static final int LATEST = 168;  // hours; news that is older than a week is no alert
        private static final int RECENT = 2;    // the search index lags by minutes, so these are counted again
        private static final int TAG_WEEKS = 4;
        private static final int TAG_MOST = 5000; // tickets of a past hour; larger hours are not read for comparison

        void sendWaiting() {
            if (!dryRun) {
                outbox.sendWaiting();
            }
        }

        /** The hours that no run has judged yet, oldest first; on the very first run the last one alone. */
        List<Hour> due(Hour last) {
            var newest = history.newest(last);
            if (newest.isEmpty() || newest.get().compareTo(last) >= 0 || newest.get().compareTo(last.plus(-LATEST)) < 0) {
                return List.of(last);
            }
            return LongStream.rangeClosed(newest.get().number() + 1, last.number()).mapToObj(Hour::new).toList();
        }

        List<Hour> recent(Hour last) {
            return LongStream.rangeClosed(-RECENT, -1).mapToObj(last::plus)
                    .filter(hour -> history.at(hour).isPresent()).toList();
        }

        /** Counts these hours again. Those that grew are judged again: the ledger keeps their mails single. */
        List<Hour> recount(List<Hour> recent, List<Hour> due) {
            var grown = new ArrayList<Hour>();
            for (var hour : recent) {
                long before = history.at(hour).orElseThrow();
                long now = zendesk.count(hour);
                if (now != before) {
                    console.note("%s: counted again, %d tickets instead of %d".formatted(hour, now, before));
                }
                if (now > before && !due.contains(hour)) {
                    grown.add(hour);
                } else {
                    history.put(hour, now);
                }
            }
            return grown;
        }

        /** The count is saved after the notice is in the outbox, so a kill between leaves the hour to be judged anew. */
        void judge(Hour hour) {
            long count = zendesk.count(hour);
            history.put(hour, count);
            var counts = history.counts();
            var verdict = config.rule().judge(counts, hour, count);
            var tally = new Tally(config.tags().omitted());
            var usual = new HashMap<String, Double>();
            var notice = notice(verdict, counts, tally, usual);
            var how = notice.map(this::deliver).orElse("none");
            history.save();
            var tags = tally.ranked(usual.isEmpty() ? null : usual).stream().limit(config.tags().top()).toList();
            var line = new ResultLine(verdict, Optional.of(how), tags);
            console.result(json ? line.asJson() : line.asWords());
        }

        private Optional<Alert> notice(Verdict verdict, Counts counts, Tally tally, Map<String, Double> usual) {
            if (verdict instanceof Spike spike && (json || mails(spike, counts))) {
                var tickets = read(spike, tally, usual);
                return mails(spike, counts)
                        ? Optional.of(Alert.about(spike, config, counts, tickets, world.clock().instant()))
                        : Optional.empty();
            }
            if (verdict instanceof Calm calm && config.story().allClear()) {
                return Episode.until(calm.hour().plus(-1), counts, config.rule())
                        .filter(episode -> lastMailed(calm.hour(), episode).isPresent())
                        .map(episode -> Alert.allClear(calm, episode, config, counts));
            }
            return Optional.empty();
        }

        /** Whether a spike is worth a mail of its own: by Repeat, from the history and the ledger alone. */
        private boolean mails(Spike spike, Counts counts) {
            var episode = Episode.until(spike.hour(), counts, config.rule()).orElseThrow();
            var mailed = lastMailed(spike.hour(), episode);
            return mailed.isEmpty() || switch (config.story().repeat()) {
                case EVERY -> true;
                case GROWTH -> spike.count() >= 1.5 * counts.at(mailed.get()).orElse(0);
                case FIRST -> false;
            };
        }

        private Optional<Hour> lastMailed(Hour before, Episode episode) {
            return LongStream.range(episode.start().number(), before.number()).mapToObj(Hour::new)
                    .filter(hour -> outbox.has(hour, "spike")).max(Comparator.naturalOrder());
        }

        /** Reads the spike's tickets into the tally. What cannot be read must not stop the alert. */
        private Alert.Tickets read(Spike spike, Tally tally, Map<String, Double> usual) {
            var trouble = attempt(() -> zendesk.tickets(spike.hour(), spike.count(), tally::add));
            if (trouble.isEmpty() && tally.tickets() < spike.count()) {
                trouble = Optional.of("the others were not found");
            }
            int weeks = 0;
            Optional<String> noUsual = Optional.of("no such hour of the last weeks is known");
            for (int week = 1; week <= TAG_WEEKS; week++) {
                for (var past : spike.hour().sameHour(week * 7, config.rule().zone())) {
                    var count = history.at(past);
                    if (count.isPresent() && count.getAsLong() <= TAG_MOST) {
                        var then = new Tally(config.tags().omitted());
                        noUsual = attempt(() -> zendesk.tickets(past, count.getAsLong(), then::add));
                        if (noUsual.isPresent()) {
                            return tickets(tally, trouble, usual, weeks, noUsual.get());
                        }
                        then.byTag().forEach((tag, tickets) -> usual.merge(tag, (double) tickets, Double::sum));
                        weeks++;
                    }
                }
            }
            return tickets(tally, trouble, usual, weeks, noUsual.orElse(""));
        }

        private static Alert.Tickets tickets(Tally tally, Optional<String> trouble, Map<String, Double> usual,
                int weeks, String noUsual) {
            usual.replaceAll((tag, sum) -> sum / weeks);
            return new Alert.Tickets(tally, trouble, weeks == 0 ? Optional.empty() : Optional.of(usual), weeks, noUsual);
        }

        private Optional<String> attempt(Runnable reading) {
            try {
                reading.run();
                return Optional.empty();
            } catch (Fault e) {
                console.warn(e.getMessage());
                return Optional.of(e.getMessage());
            }
        }

        private String deliver(Alert alert) {
            if (!dryRun) {
                return outbox.deliver(alert);
            }
            var mail = "Subject: %s\n\n%s".formatted(clean(alert.subject()), alert.text());
            if (json) {
                console.note(mail);
            } else {
                console.result(mail);
            }
            return "dry-run";
        }
    }

    // ==== Config: what does auth.ini ask for =============================================

    /** Everything auth.ini says, as types. Text becomes types here and nowhere else. */
    record Config(Path file, Path history, Path out, Account zendesk, Mail mail, Rule rule, Tagging tags,
            Story story, Optional<URI> webhook, Optional<URI> ping) {

        static final String TEXT = "a text";
        private static final Pattern DOMAIN = Pattern.compile("[a-z0-9][a-z0-9-]*[a-z0-9](\\.zendesk\\.com)?");
        private static final Pattern ADDRESS = Pattern.compile("[^\\s@,;<>\"\\p{Cntrl}]+@[^\\s@,;<>\"\\p{Cntrl}]+");

        /** @throws Fault CONFIG with every mistake, one a line */
        static Config load(Path file, Map<String, String> env, Console console) {
            var ini = Ini.read(file, env);
            var config = from(ini);
            ini.unknownKeys().forEach(console::warn);
            if (!ini.mistakes.isEmpty()) {
                throw new Fault(Exit.CONFIG, String.join("\n", ini.mistakes));
            }
            ini.secrets.forEach(console::hide);
            console.hide(config.webhook.map(URI::toString).orElse(""));
            warnIfOthersCanRead(ini, console);
            return config;
        }

        private static Config from(Ini ini) {
            var zendesk = account(ini);
            var mail = mail(ini);
            var zone = ini.parsed("spike", "TimeZone", "UTC", "a zone such as Europe/Berlin", ZoneId::of);
            var history = ini.path("default", "SpikeDB", "out/history.csv");
            var rule = new Rule(
                    ini.choice("spike", "Rule", RuleName.MEAN, RuleName.class),
                    ini.whole("misc", "NumHours", 4380, 24, 100_000),
                    ini.number("misc", "SpikeThreshold", 0.6, 0, 1000),
                    ini.number("spike", "Deviations", 3.0, 0, 1000),
                    ini.number("spike", "MinExtra", 5, 0, 1e9),
                    ini.whole("spike", "MinTickets", 1, 0, 1_000_000_000),
                    ini.whole("spike", "MinSamples", 3, 1, 10_000),
                    Set.copyOf(ini.list("spike", "IgnoredDays", "dates such as 2026-12-25", LocalDate::parse)),
                    zone);
            var tags = new Tagging(ini.whole("misc", "NumTags", 10, 1, 1000),
                    ini.list("misc", "OmittedTags", TEXT, tag -> tag.toLowerCase(Locale.ROOT)));
            var story = new Story(ini.choice("spike", "Repeat", Repeat.EVERY, Repeat.class),
                    ini.choice("spike", "AllClear", YesNo.YES, YesNo.class) == YesNo.YES);
            return new Config(ini.file, history, ini.folder().resolve("out"), zendesk, mail, rule, tags, story,
                    ini.optional("webhook", "Url", "an https URL", Config::webAddress),
                    ini.optional("monitor", "PingUrl", "an https URL", Config::webAddress));
        }

        private static Account account(Ini ini) {
            var host = ini.required("zendesk", "Domain", "acme or acme.zendesk.com", text -> {
                var name = text.toLowerCase(Locale.ROOT);
                require(DOMAIN.matcher(name).matches());
                return name.endsWith(".zendesk.com") ? name : name + ".zendesk.com";
            });
            var base = ini.parsed("zendesk", "BaseUrl", "https://" + host, "an https URL, or http to loopback",
                    Config::webAddress);
            var id = ini.text("zendesk", "ClientId");
            var secret = ini.secret("zendesk", "ClientSecret");
            var token = ini.secret("zendesk", "Credentials");
            if (id.isPresent() != secret.isPresent()) {
                ini.mistake("zendesk", id.isPresent() ? "ClientSecret" : "ClientId",
                        "missing", "both ClientId and ClientSecret of an OAuth client");
            } else if (id.isEmpty() && token.isEmpty()) {
                ini.mistake("zendesk", "ClientId", "missing",
                        "ClientId and ClientSecret of an OAuth client, or older Credentials");
            }
            if (id.isEmpty() && token.isPresent() && !token.get().matches("[^@\\s:]+@[^\\s:]+/token:\\S+")) {
                ini.mistake("zendesk", "Credentials", "malformed", "email/token:KEY");
            }
            return new Account(host, base, id.flatMap(i -> secret.map(s -> new Client(i, s))), token,
                    ini.text("zendesk", "Query").orElse(""),
                    ini.whole("zendesk", "RequestsPerMinute", 100, 1, 100_000));
        }

        private static Mail mail(Ini ini) {
            var sender = ini.required("email", "Sender", "an address such as a@example.com", Config::address);
            var recipients = ini.list("email", "Recipient", "addresses such as a@example.com", Config::address);
            if (recipients.isEmpty() && ini.text("email", "Recipient").isEmpty()) {
                ini.mistake("email", "Recipient", "missing", "one address or more");
            }
            var host = ini.text("email", "Host").orElse("smtp.gmail.com");
            var security = ini.choice("email", "Security", Security.STARTTLS, Security.class);
            if (security == Security.NONE && !isLoopback(host)) {
                ini.mistake("email", "Security", "none to " + host, "starttls or tls; none is for loopback only");
            }
            var id = ini.text("email", "ClientId");
            var secret = ini.secret("email", "ClientSecret");
            var url = ini.optional("email", "TokenUrl", "an https URL, or http to loopback", Config::webAddress);
            var scope = ini.text("email", "Scope").orElse("");
            boolean oauth = id.isPresent() && secret.isPresent() && url.isPresent();
            if (!oauth && (id.isPresent() || secret.isPresent() || url.isPresent())) {
                ini.mistake("email", "TokenUrl", "incomplete", "TokenUrl, ClientId and ClientSecret together");
            }
            return new Mail(sender, recipients, ini.text("email", "Username").orElse(sender),
                    ini.secret("email", "Password"), host, ini.whole("email", "Port", 587, 1, 65535), security,
                    oauth ? Optional.of(new TokenDoor(url.get(), new Client(id.get(), secret.get()), scope))
                            : Optional.empty(),
                    ini.text("email", "Subject").orElse("Ticket Spike Alert!"));
        }

        private static String address(String text) {
            require(ADDRESS.matcher(text).matches());
            return text;
        }

        private static URI webAddress(String text) {
            var uri = URI.create(text.replaceFirst("/+$", ""));
            require(uri.getHost() != null && uri.getUserInfo() == null && ("https".equals(uri.getScheme())
                    || "http".equals(uri.getScheme()) && isLoopback(uri.getHost())));
            return uri;
        }

        static boolean isLoopback(String host) {
            return host.matches("localhost|127(\\.\\d{1,3}){3}|\\[?::1]?");
        }

        private static void require(boolean sensible) {
            if (!sensible) {
                throw new IllegalArgumentException();
            }
        }

        private static void warnIfOthersCanRead(Ini ini, Console console) {
            try {
                var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(ini.file));
                if (ini.holdsSecrets && !rights.endsWith("---")) {
                    console.warn("%s: holds secrets and others can read it (%s): chmod 600 %s"
                            .formatted(ini.file, rights, ini.file));
                }
            } catch (UnsupportedOperationException | IOException e) {
                console.detail("%s: permissions not known (%s)".formatted(ini.file, e));
            }
        }
    }

    /** OAuth client credentials. */
    record Client(String id, String secret) { }

    /** The Zendesk account: its host, where its API is, and how to sign in ({@code oauth} before {@code token}). */
    record Account(String host, URI base, Optional<Client> oauth, Optional<String> token, String query,
            int requestsPerMinute) { }

    /** Where an OAuth token for SMTP comes from. */
    record TokenDoor(URI url, Client client, String scope) { }

    record Mail(String sender, List<String> recipients, String username, Optional<String> password, String host,
            int port, Security security, Optional<TokenDoor> oauth, String subject) { }

    record Tagging(int top, List<String> omitted) { }

    record Story(Repeat repeat, boolean allClear) { }

    enum Security { STARTTLS, TLS, NONE }

    enum Repeat { EVERY, GROWTH, FIRST }

    enum YesNo { YES, NO }

    enum RuleName { MEAN, WEEKLY }

    /** auth.ini as text by section and key, without case. Gathers every mistake and every key that is asked for. */
    static final class Ini {
        private static final Pattern LINE_NUMBER = Pattern.compile("at line: (\\d+)");
        private static final Duration COMMAND_TIME = Duration.ofSeconds(30);

        final Path file;
        final List<String> mistakes = new ArrayList<>();
        final List<String> secrets = new ArrayList<>();
        boolean holdsSecrets;
        final Set<String> asked = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
        private final Map<String, String> values = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        private final Map<String, String> env;

        private Ini(Path file, Map<String, String> env) {
            this.file = file;
            this.env = env;
        }

        static Ini read(Path file, Map<String, String> env) {
            var ini = new Ini(file, env);
            try {
                ini.parse(Files.readString(file));
            } catch (NoSuchFileException e) {
                throw new Fault(Exit.CONFIG, "%s: not found (expected a copy of auth.ini.example, or --config FILE)"
                        .formatted(file), e);
            } catch (IOException e) {
                throw new Fault(Exit.CONFIG, "%s: cannot be read as UTF-8 text (%s)".formatted(file, e), e);
            }
            return ini;
        }

        private void parse(String text) throws IOException {
            var settings = new org.ini4j.Config();
            settings.setEscape(false); // a backslash in a password is a plain character
            settings.setMultiOption(true);
            var parser = new org.ini4j.Ini();
            parser.setConfig(settings);
            try {
                parser.load(new StringReader(joinIndented(text.replaceFirst("^\uFEFF", ""))));
            } catch (InvalidFileFormatException e) {
                var line = LINE_NUMBER.matcher(e.getMessage()); // the rest of the message may be a password
                throw new Fault(Exit.CONFIG, "%s: line %s is neither [section] nor Key = value"
                        .formatted(file, line.find() ? line.group(1) : "?"));
            }
            parser.forEach((section, keys) -> keys.keySet().forEach(key -> put(section, key, keys.getAll(key))));
        }

        /** Indented lines go on with a list; ini4j knows no such lines. The number of lines stays the same. */
        private static String joinIndented(String text) {
            var lines = new ArrayList<String>();
            int list = -1;
            int joined = 0;
            for (var line : text.split("\\R", -1)) {
                var words = line.strip();
                boolean comment = words.startsWith("#") || words.startsWith(";");
                boolean goesOn = list >= 0 && !words.isEmpty() && !comment && Character.isWhitespace(line.charAt(0))
                        && !words.matches("[A-Za-z]+\\s*=.*");
                if (goesOn) {
                    lines.set(list, lines.get(list) + " " + words);
                } else if (!words.isEmpty() && !comment) {
                    list = lines.size();
                }
                lines.add(goesOn ? "" : line);
            }
            return String.join("\n", lines);
        }

        private void put(String section, String key, List<String> given) {
            var name = (section.equalsIgnoreCase("mods") ? "misc" : section) + "/" + key;
            var value = given.get(0) == null ? "" : given.get(0).strip();
            if (given.size() > 1 || values.containsKey(name)) {
                mistake(section, key, "given twice", "once");
            }
            boolean quoted = value.length() > 1 && value.startsWith("\"") && value.endsWith("\"");
            values.put(name, quoted ? value.substring(1, value.length() - 1) : value);
        }

        Path folder() {
            return file.toAbsolutePath().normalize().getParent();
        }

        void mistake(String section, String key, String wrong, String expected) {
            mistakes.add("%s: [%s] %s: %s (expected %s)".formatted(file, section, key, wrong, expected));
        }

        Optional<String> text(String section, String key) {
            asked.add(section + "/" + key);
            return Optional.ofNullable(values.get(section + "/" + key)).filter(value -> !value.isEmpty());
        }

        <T> Optional<T> optional(String section, String key, String expected, Function<String, T> parse) {
            return text(section, key).flatMap(value -> tried(section, key, value, expected, parse));
        }

        <T> T parsed(String section, String key, String fallback, String expected, Function<String, T> parse) {
            return optional(section, key, expected, parse).orElseGet(() -> parse.apply(fallback));
        }

        String required(String section, String key, String expected, Function<String, String> parse) {
            if (text(section, key).isEmpty()) {
                mistake(section, key, "missing", expected);
            }
            return optional(section, key, expected, parse).orElse("missing");
        }

        int whole(String section, String key, int fallback, int least, int most) {
            return optional(section, key, "a whole number from %d to %d".formatted(least, most), text -> {
                int number = Integer.parseInt(text);
                Config.require(number >= least && number <= most);
                return number;
            }).orElse(fallback);
        }

        double number(String section, String key, double fallback, double least, double most) {
            return optional(section, key, "a number from %.0f to %.0f".formatted(least, most), text -> {
                double number = Double.parseDouble(text);
                Config.require(number >= least && number <= most);
                return number;
            }).orElse(fallback);
        }

        <E extends Enum<E>> E choice(String section, String key, E fallback, Class<E> type) {
            var words = Stream.of(type.getEnumConstants()).map(e -> e.name().toLowerCase(Locale.ROOT)).toList();
            return optional(section, key, String.join(" or ", words),
                    text -> Enum.valueOf(type, text.toUpperCase(Locale.ROOT))).orElse(fallback);
        }

        Path path(String section, String key, String fallback) {
            return parsed(section, key, fallback, "a file name", text -> folder().resolve(text).normalize());
        }

        /** A JSON list of texts, or words between commas. */
        <T> List<T> list(String section, String key, String expected, Function<String, T> parse) {
            return optional(section, key, "a list of " + expected, text -> texts(text).stream().map(parse).toList())
                    .orElse(List.of());
        }

        private static List<String> texts(String value) {
            if (!value.startsWith("[")) {
                return Stream.of(value.split(",")).map(String::strip).filter(s -> !s.isEmpty()).toList();
            }
            try {
                return List.of(JSON.readValue(value, String[].class));
            } catch (JsonProcessingException e) {
                throw new IllegalArgumentException(e);
            }
        }

        private <T> Optional<T> tried(String section, String key, String value, String expected,
                Function<String, T> parse) {
            try {
                return Optional.of(parse.apply(value));
            } catch (IllegalArgumentException | DateTimeException e) {
                boolean secret = key.endsWith("Url"); // a webhook's address is its password
                mistake(section, key, secret ? "malformed" : "'%s'".formatted(value), expected);
                return Optional.empty();
            }
        }

        /** From the environment, else the first line that KeyCommand prints, else the file. */
        Optional<String> secret(String section, String key) {
            var fromFile = text(section, key);
            var command = text(section, key + "Command");
            var variable = "SPIKE_%s_%s".formatted(section, key).toUpperCase(Locale.ROOT);
            holdsSecrets |= fromFile.isPresent();
            var secret = Optional.ofNullable(env.get(variable)).filter(value -> !value.isEmpty())
                    .or(() -> command.map(line -> output(section, key + "Command", line)).filter(s -> !s.isEmpty()))
                    .or(() -> fromFile);
            secret.ifPresent(secrets::add);
            return secret;
        }

        private String output(String section, String key, String command) {
            try {
                return Deadline.within(COMMAND_TIME, () -> {
                    var process = new ProcessBuilder("sh", "-c", command).directory(folder().toFile())
                            .redirectError(ProcessBuilder.Redirect.INHERIT).start();
                    process.getOutputStream().close();
                    var lines = new String(process.getInputStream().readAllBytes(), UTF_8).lines().toList();
                    if (process.waitFor() != 0 || lines.isEmpty()) {
                        throw new IOException("exit code " + process.exitValue() + ", " + lines.size() + " lines");
                    }
                    return lines.get(0);
                });
            } catch (IOException e) {
                mistake(section, key, "failed, " + e.getMessage(), "a command that prints the secret");
                return "";
            }
        }

        /** A warning for each key that nothing asks for, with the nearest name that is known. */
        List<String> unknownKeys() {
            return values.keySet().stream().filter(name -> !asked.contains(name)).map(name -> {
                var near = asked.stream().min(Comparator.comparingInt(a -> distance(lower(a), lower(name)))).get();
                return "%s: [%s: unknown key, ignored (did you mean [%s?)"
                        .formatted(file, name.replace("/", "] "), near.replace("/", "] "));
            }).toList();
        }

        private static String lower(String text) {
            return text.toLowerCase(Locale.ROOT);
        }

        /** Levenshtein's distance. */
        static int distance(String a, String b) {
            int[] row = IntStream.rangeClosed(0, b.length()).toArray();
            for (int i = 1; i <= a.length(); i++) {
                int corner = row[0]++;
                for (int j = 1; j <= b.length(); j++) {
                    int replace = corner + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                    corner = row[j];
                    row[j] = Math.min(replace, Math.min(row[j], row[j - 1]) + 1);
                }
            }
            return row[b.length()];
        }
    }

    // ==== Hour: which full hour is meant =================================================

    /** A full UTC hour {@code [from, to)}, as whole hours since 1970-01-01T00Z. */
    record Hour(long number) implements Comparable<Hour> {
        private static final Pattern NAME = Pattern.compile("(\\d{4}-\\d{2}-\\d{2})T(\\d{2})(:00(:00)?Z)?");

        static Hour of(LocalDate date, int hourOfDay) {
            return new Hour(date.toEpochDay() * 24 + hourOfDay);
        }

        /** The hour that contains the instant. */
        static Hour of(Instant instant) {
            return new Hour(Math.floorDiv(instant.getEpochSecond(), 3600L));
        }

        static Hour lastFull(Clock clock) {
            return of(clock.instant()).plus(-1);
        }

        /** @throws IllegalArgumentException or DateTimeException when the text is no full UTC hour */
        static Hour parse(String text) {
            var name = NAME.matcher(text);
            if (!name.matches()) {
                throw new IllegalArgumentException(text);
            }
            return of(Instant.parse(name.group(1) + "T" + name.group(2) + ":00:00Z"));
        }

        Instant from() {
            return Instant.ofEpochSecond(number * 3600);
        }

        Instant to() {
            return plus(1).from();
        }

        Hour plus(long hours) {
            return new Hour(number + hours);
        }

        LocalDate date(ZoneId zone) {
            return LocalDate.ofInstant(from(), zone);
        }

        /** The hours that the local clock calls the same, {@code days} before: none or two around a clock change. */
        List<Hour> sameHour(int days, ZoneId zone) {
            var rules = zone.getRules();
            if (rules.isFixedOffset()) {
                return List.of(plus(-24L * days));
            }
            var local = LocalDateTime.ofInstant(from(), zone).minusDays(days);
            return rules.getValidOffsets(local).stream().map(offset -> of(local.toInstant(offset))).toList();
        }

        /** Such as {@code 2026-11-24T13}, for file names. */
        String name() {
            return toString().substring(0, 13);
        }

        @Override
        public int compareTo(Hour other) {
            return Long.compare(number, other.number);
        }

        /** Such as {@code 2026-11-24T13:00Z}. */
        @Override
        public String toString() {
            return from().toString().replace(":00:00Z", ":00Z");
        }
    }

    // ==== Http: one request, its retries, and what a refusal means ========================

    /** What the program sees of the machine; tests put their own in its place. */
    record World(Clock clock, Pause pause, Duration patience, Map<String, String> env, boolean terminal) {
        static World real() {
            return new World(Clock.systemUTC(), Thread::sleep, Duration.ofSeconds(90), System.getenv(),
                    System.console() != null);
        }
    }

    /** How to wait: {@code Thread::sleep} in milliseconds. */
    interface Pause {
        void sleep(long millis) throws InterruptedException;

        default void of(Duration time) {
            try {
                sleep(Math.max(0, time.toMillis()));
            } catch (InterruptedException e) {
                throw new Fault(Exit.TRY_LATER, "interrupted while waiting", e);
            }
        }
    }

    /** Bounds what has no time limit of its own: an HTTP body, an SMTP talk, a password command. */
    static final class Deadline {
        private Deadline() { }

        static <T> T within(Duration limit, Callable<T> work) throws IOException {
            var task = new FutureTask<>(work);
            var thread = new Thread(task, "bounded");
            thread.setDaemon(true);
            thread.start();
            try {
                return task.get(limit.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                task.cancel(true);
                throw new HttpTimeoutException("no whole answer within %d s".formatted(limit.toSeconds()));
            } catch (InterruptedException e) {
                task.cancel(true);
                throw new Fault(Exit.TRY_LATER, "interrupted", e);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof IOException io) {
                    throw io;
                }
                if (e.getCause() instanceof RuntimeException bug) {
                    throw bug;
                }
                throw new IllegalStateException(e.getCause());
            }
        }
    }

    /** HTTP with one retry loop for everything. Redirects are never followed: they would carry the credentials. */
    static final class Http {
        private static final int TRIES = 5;
        private static final Duration CONNECT_TIME = Duration.ofSeconds(10);
        private static final Duration LONGEST_WAIT = Duration.ofMinutes(2); // a limit resets within a minute
        private static final int LONGEST_REASON = 16_384; // bytes read of an error page

        private final HttpClient client = HttpClient.newBuilder().connectTimeout(CONNECT_TIME)
                .followRedirects(HttpClient.Redirect.NEVER).version(HttpClient.Version.HTTP_1_1).build();
        private final World world;
        private final Console console;
        private final Random jitter = new Random();

        Http(World world, Console console) {
            this.world = world;
            this.console = console;
        }

        /** A body as a value; throws IOException on nonsense. */
        interface Reader<T> {
            T read(InputStream body, HttpHeaders headers) throws IOException;
        }

        /** A final refusal as the fault to show. */
        interface Refusal {
            Fault of(int status, String reason);
        }

        /** An answer that may be better soon; {@code wait} null when the server named none. */
        private static final class Temporary extends IOException {
            private static final long serialVersionUID = 1;
            final transient Duration wait;

            Temporary(String message, Duration wait) {
                super(message);
                this.wait = wait;
            }
        }

        /** @throws Fault the refusal's, or ZENDESK after five tries */
        <T> T send(Supplier<HttpRequest> request, Reader<T> reader, Refusal refusal) {
            for (int tried = 1;; tried++) {
                var asked = request.get();
                var host = asked.uri().getHost();
                try {
                    return Deadline.within(world.patience(), () -> attempt(asked, reader, refusal));
                } catch (SSLException e) {
                    throw new Fault(Exit.ZENDESK, "%s: its TLS certificate or protocol is refused: %s (expected a "
                            + "valid certificate for that name)".formatted(host, e.getMessage()), e);
                } catch (IOException e) {
                    var wait = e instanceof Temporary t && t.wait != null ? t.wait : growing(tried);
                    if (tried == TRIES || wait.compareTo(LONGEST_WAIT) > 0) {
                        throw new Fault(Exit.ZENDESK, "%s: %s (tried %d times)".formatted(host, reason(e), tried), e);
                    }
                    console.detail("%s: %s, again in %.1f s".formatted(host, reason(e), wait.toMillis() / 1000.0));
                    world.pause().of(wait);
                }
            }
        }

        private <T> T attempt(HttpRequest request, Reader<T> reader, Refusal refusal) throws Exception {
            long start = System.nanoTime();
            var answer = client.send(request, HttpResponse.BodyHandlers.ofInputStream());
            int status = answer.statusCode();
            console.detail("%s %s: %d in %d ms".formatted(request.method(), URLDecoder.decode(
                    request.uri().toString(), UTF_8), status, (System.nanoTime() - start) / 1_000_000));
            try (var raw = answer.body()) {
                boolean zipped = answer.headers().firstValue("content-encoding").orElse("").equals("gzip");
                var body = zipped ? new GZIPInputStream(raw) : raw;
                if (status / 100 == 2) {
                    return reader.read(body, answer.headers());
                }
                var reason = plain(new String(body.readNBytes(LONGEST_REASON), UTF_8));
                if (status >= 500 || status == 429 || status == 409 || reason.startsWith("unavailable")) {
                    throw new Temporary("answers %d %s".formatted(status, reason), retryAfter(answer.headers()));
                }
                throw refusal.of(status, status / 100 == 3 ? "redirect to "
                        + answer.headers().firstValue("location").orElse("nowhere") : reason);
            }
        }

        private Duration growing(int tried) {
            return Duration.ofMillis((1000L << (tried - 1)) + jitter.nextInt(500));
        }

        /** Zendesk gives seconds; RFC 9110 allows a date too, for which the growing wait serves. */
        private static Duration retryAfter(HttpHeaders headers) {
            return headers.firstValue("retry-after").filter(value -> value.strip().matches("\\d{1,9}"))
                    .map(value -> Duration.ofSeconds(Long.parseLong(value.strip()))).orElse(null);
        }

        private static String reason(IOException e) {
            if (e instanceof JsonProcessingException json) {
                return "no sense in its answer (" + json.getOriginalMessage().lines().findFirst().orElse("") + ")";
            }
            boolean unknown = e.getCause() instanceof UnresolvedAddressException
                    || e.getCause() != null && e.getCause().getCause() instanceof UnresolvedAddressException;
            return unknown ? "no such host" : Objects.requireNonNullElse(e.getMessage(), e.getClass().getSimpleName());
        }

        /** Zendesk's error envelopes, {@code error} being a text or an object, as one line. */
        static String plain(String body) {
            JsonNode json;
            try {
                json = JSON.readTree(body);
            } catch (JsonProcessingException e) {
                return oneLine(body.stripLeading().startsWith("<") ? "(a web page)" : body);
            }
            var first = json.path("errors").path(0);
            return oneLine(Stream.of(json.path("error").path("title"), json.path("error").path("message"),
                            json.path("error"), json.path("description"), json.path("error_description"),
                            json.path("details").findPath("description"), first.path("title"), first.path("detail"))
                    .filter(JsonNode::isTextual).map(JsonNode::asText).distinct().collect(Collectors.joining(": ")));
        }

        static String oneLine(String text) {
            var line = text.replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
            return line.length() > 200 ? line.substring(0, 200) + "…" : line;
        }

        /** An access token by OAuth client credentials (RFC 6749, 4.4), for Zendesk and for SMTP alike. */
        Token token(URI url, Client client, String scope, Exit exit, String where) {
            var form = Map.of("grant_type", "client_credentials", "client_id", client.id(),
                    "client_secret", client.secret(), "scope", scope);
            boolean json = url.getPath().equals("/oauth/tokens"); // Zendesk documents JSON, the RFC says a form
            var body = json ? JSON.valueToTree(form).toString() : form.entrySet().stream()
                    .map(e -> e.getKey() + "=" + encode(e.getValue())).collect(Collectors.joining("&"));
            var token = send(() -> HttpRequest.newBuilder(url).header("Accept", "application/json")
                    .header("Content-Type", json ? "application/json" : "application/x-www-form-urlencoded")
                    .POST(HttpRequest.BodyPublishers.ofString(body)).build(),
                    (in, headers) -> JSON.readValue(in, Token.class).checked(),
                    (status, reason) -> new Fault(status == 400 || status == 401 || status == 403 ? Exit.REFUSED : exit,
                            "%s: %s answers %d %s (check ClientId, ClientSecret and scope)"
                                    .formatted(where, url.getHost(), status, reason)));
            console.hide(token.access_token());
            return token;
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Token(String access_token, Long expires_in) {
        private static final long USUAL_LIFE = 1800; // seconds

        Token checked() throws IOException {
            if (access_token == null || !access_token.matches("[\\x21-\\x7e]+")) {
                throw new IOException("no access_token in its answer");
            }
            return this;
        }

        /** Seconds until a new one should be asked for, a minute before its end. */
        long life() {
            return Math.max(30, (expires_in == null ? USUAL_LIFE : expires_in) - 60);
        }
    }

    static String encode(String text) {
        return URLEncoder.encode(text, UTF_8);
    }

    /** Strict: a text is no number and 1.5 is no count, so that nonsense never becomes a plausible count. */
    static final ObjectMapper JSON = JsonMapper.builder()
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    // ==== Zendesk: which tickets were created in the hour ================================

    /** A ticket of a search answer; {@code created_at} in UTC, {@code tags} as sent. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Ticket(Long id, String created_at, String subject, Long requester_id, List<String> tags,
            String result_type) {

        Ticket {
            tags = tags == null ? List.of() : tags.stream().filter(Objects::nonNull).toList();
        }

        Instant created() {
            return Instant.parse(created_at);
        }
    }

    /** What search, search/export and search/count answer, as far as it is read here. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Found(Long count, List<Ticket> results, String next_page, Links links, Meta meta, JsonNode error) {
        @JsonIgnoreProperties(ignoreUnknown = true)
        record Links(String next) { }

        @JsonIgnoreProperties(ignoreUnknown = true)
        record Meta(boolean has_more) { }

        /** The tickets alone: without {@code type:ticket} users and others are mixed in. */
        List<Ticket> tickets() {
            return results.stream().filter(r -> r.result_type() == null || r.result_type().equals("ticket")).toList();
        }

        Optional<String> next() {
            boolean export = links != null;
            return Optional.ofNullable(export ? links.next() : next_page).filter(next -> !export || meta != null && meta.has_more());
        }
    }

    /** The search API: counts of, and tickets from, half-open spans of UTC time. */
    static final class Zendesk {
        static final int SEARCH_MOST = 1000;     // search gives no more results, the rest is export's
        static final int PAGE = 1000;   // of export
        private static final int SMALL_PAGE = 100; // when a big page is too slow for Zendesk
        private static final int BURST = 10;     // requests that need not be paced

        private final Account account;
        private final World world;
        private final Console console;
        private final Http http;
        private final AtomicInteger requests = new AtomicInteger();
        private Token token;
        private long tokenEnds;
        private volatile Instant serverTime;
        private long nextSlot = System.nanoTime();

        Zendesk(Account account, World world, Console console) {
            this.account = account;
            this.world = world;
            this.console = console;
            this.http = new Http(world, console);
            if (account.oauth().isEmpty() && !world.clock().instant().isBefore(Instant.parse("2027-01-01T00:00:00Z"))) {
                console.warn("[zendesk] Credentials: Zendesk ends API tokens on 30 Apr 2027; make an OAuth client and "
                        + "set ClientId and ClientSecret");
            }
        }

        int requests() {
            return requests.get();
        }

        long count(Hour hour) {
            return count(hour.from(), hour.to());
        }

        /** Tickets created in {@code [from, to)}, exact past 1,000 too. */
        long count(Instant from, Instant to) {
            return get("/api/v2/search/count.json?query=" + encode(words("type:ticket", from, to)),
                    found -> {
                        require(found.count() != null && found.count() >= 0, "no count in its answer");
                        return found.count();
                    });
        }

        /** The same without the account's own Query. */
        long countAll(Instant from, Instant to) {
            var plain = new Account(account.host(), account.base(), account.oauth(), account.token(), "",
                    account.requestsPerMinute());
            return new Zendesk(plain, world, console).count(from, to);
        }

        /** By the Date header of the latest answer, to the second. */
        Optional<Instant> serverTime() {
            return Optional.ofNullable(serverTime);
        }

        /** Every ticket of the hour, once each: by search up to 1,000, by export beyond. */
        void tickets(Hour hour, long count, Consumer<Ticket> each) {
            var seen = new HashSet<Long>();
            Consumer<Found> page = found -> found.tickets().stream().filter(t -> seen.add(t.id())).forEach(each);
            if (count > SEARCH_MOST) {
                export(hour.from(), hour.to(), found -> {
                    page.accept(found);
                    return true;
                });
                return;
            }
            pages("/api/v2/search.json?per_page=100&sort_by=created_at&sort_order=asc&query="
                    + encode(words("type:ticket", hour.from(), hour.to())), found -> {
                        page.accept(found);
                        return seen.size() < SEARCH_MOST;
                    });
        }

        /**
         * The tickets of {@code [from, to)}, newest first, page by page while {@code goOn} says so. A cursor lives an
         * hour: when one is refused the reading starts anew at the last second seen, so callers drop known ids.
         */
        void export(Instant from, Instant to, Predicate<Found> goOn) {
            var oldest = new AtomicReference<>(to);
            int size = PAGE;
            for (int restarts = 0;; restarts++) {
                var end = oldest.get();
                try {
                    pages("/api/v2/search/export.json?filter%5Btype%5D=ticket&page%5Bsize%5D=" + size + "&query="
                            + encode(words("", from, end)), found -> {
                                var last = found.tickets().stream().map(Ticket::created).min(Comparator.naturalOrder());
                                last.map(t -> t.plusSeconds(1)).filter(oldest.get()::isAfter).ifPresent(oldest::set);
                                return goOn.test(found);
                            });
                    return;
                } catch (Fault e) {
                    boolean moved = !oldest.get().equals(end);
                    if (e.exit != Exit.ZENDESK || restarts == 3 || !moved && size == SMALL_PAGE) {
                        throw e;
                    }
                    size = SMALL_PAGE;
                    console.detail("export goes on before %s: %s".formatted(oldest.get(), e.getMessage()));
                }
            }
        }

        private void pages(String first, Predicate<Found> goOn) {
            var followed = new HashSet<String>();
            Optional<String> next = Optional.of(first);
            while (next.isPresent()) {
                if (!followed.add(next.get())) {
                    throw new Fault(Exit.ZENDESK, "%s: a next page that was read already".formatted(account.host()));
                }
                var found = get(next.get(), page -> {
                    require(page.results() != null, "no results in its answer");
                    for (var ticket : page.tickets()) {
                        require(ticket.id() != null && ticket.created_at() != null, "a ticket without id or time");
                        parseable(ticket);
                    }
                    return page;
                });
                next = goOn.test(found) && !found.results().isEmpty() ? found.next() : Optional.empty();
            }
        }

        /** Blank-free operators and full UTC instants: anything else Zendesk takes for free text. */
        private String words(String type, Instant from, Instant to) {
            return Stream.of(type, "created>=" + from, "created<" + to, account.query())
                    .filter(word -> !word.isBlank()).collect(Collectors.joining(" "));
        }

        private <T> T get(String link, FoundReader<T> use) {
            var uri = link.startsWith("/") ? URI.create(account.base() + link) : ownOrigin(link);
            world.pause().of(slot());
            requests.incrementAndGet();
            return http.send(() -> HttpRequest.newBuilder(uri).header("Accept", "application/json")
                    .header("Accept-Encoding", "gzip").header("Authorization", authorization()).build(),
                    (body, headers) -> {
                        var type = headers.firstValue("content-type").orElse("");
                        require(!type.contains("html"), "answers with a web page, not JSON: no Zendesk API is at this "
                                + "address, or the account is closed");
                        var found = JSON.readValue(body, Found.class);
                        require(found != null, "an empty answer");
                        require(found.error() == null, "answers " + Http.plain("{\"error\":" + found.error() + "}"));
                        heed(headers);
                        serverTime = headers.firstValue("date").map(Zendesk::date).orElse(serverTime);
                        return use.read(found);
                    }, this::refusal);
        }

        /** What to make of an answer; throws IOException on nonsense, which is asked for again. */
        private interface FoundReader<T> {
            T read(Found found) throws IOException;
        }

        private static void parseable(Ticket ticket) throws IOException {
            try {
                ticket.created();
            } catch (DateTimeException e) {
                throw new IOException("a ticket created at '%s'".formatted(Http.oneLine(ticket.created_at())), e);
            }
        }

        private static void require(boolean sensible, String otherwise) throws IOException {
            if (!sensible) {
                throw new IOException(otherwise);
            }
        }

        private static Instant date(String header) {
            try {
                return DateTimeFormatter.RFC_1123_DATE_TIME.parse(header, Instant::from);
            } catch (DateTimeException e) {
                return null; // only the doctor looks at it
            }
        }

        private URI ownOrigin(String link) {
            var base = account.base();
            try {
                var uri = new URI(link);
                if (base.getScheme().equals(uri.getScheme()) && base.getAuthority().equalsIgnoreCase(uri.getAuthority())) {
                    return uri;
                }
                throw new Fault(Exit.ZENDESK, "%s: its next page is at another host, %s: refused, nothing was sent there"
                        .formatted(account.host(), uri.getHost()));
            } catch (URISyntaxException e) {
                throw new Fault(Exit.ZENDESK, "%s: its next page is no URL".formatted(account.host()), e);
            }
        }

        private synchronized String authorization() {
            if (account.oauth().isEmpty()) {
                var basic = Base64.getEncoder().encodeToString(account.token().orElseThrow().getBytes(UTF_8));
                console.hide(basic);
                return "Basic " + basic;
            }
            if (token == null || System.nanoTime() > tokenEnds) {
                requests.incrementAndGet();
                token = http.token(URI.create(account.base() + "/oauth/tokens"), account.oauth().get(), "read",
                        Exit.ZENDESK, "[zendesk]");
                tokenEnds = System.nanoTime() + TimeUnit.SECONDS.toNanos(token.life());
            }
            return "Bearer " + token.access_token();
        }

        /** How long the next request has to wait, so that the account's other integrations keep their share. */
        private synchronized Duration slot() {
            long interval = TimeUnit.MINUTES.toNanos(1) / account.requestsPerMinute();
            long now = System.nanoTime();
            long mine = Math.max(nextSlot, now - BURST * interval);
            nextSlot = mine + interval;
            return Duration.ofNanos(Math.max(0, mine - now));
        }

        /** Waits for the account's limit to reset when others have used it up to a tenth. */
        private synchronized void heed(HttpHeaders headers) {
            var left = number(headers, "ratelimit-remaining", "rate-limit-remaining", "x-rate-limit-remaining");
            var limit = number(headers, "ratelimit-limit", "rate-limit", "x-rate-limit");
            var reset = number(headers, "ratelimit-reset", "rate-limit-reset");
            if (left.isPresent() && limit.isPresent() && reset.isPresent()
                    && left.getAsLong() * 10 < limit.getAsLong()) {
                long seconds = Math.min(60, reset.getAsLong());
                nextSlot = Math.max(nextSlot, System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds));
            }
        }

        private static OptionalLong number(HttpHeaders headers, String... names) {
            return Stream.of(names).flatMap(name -> headers.firstValue(name).stream())
                    .filter(value -> value.matches("\\d{1,9}")).mapToLong(Long::parseLong).findFirst();
        }

        private Fault refusal(int status, String reason) {
            var what = "%s answers %d %s".formatted(account.base().getHost(), status, reason);
            return switch (status) {
                case 401 -> new Fault(Exit.REFUSED, "[zendesk] " + what + (account.oauth().isPresent()
                        ? " (check ClientId and ClientSecret)"
                        : " (check Credentials; unused API tokens are switched off, no new ones can be made since "
                                + "27 Oct 2026 and all end on 30 Apr 2027: make an OAuth client)"));
                case 403 -> new Fault(Exit.REFUSED, "[zendesk] " + what
                        + " (the client's user must be an admin or an agent with access to all tickets)");
                case 404 -> new Fault(Exit.ZENDESK, "[zendesk] " + what + " (check Domain)");
                case 400, 422 -> new Fault(Exit.ZENDESK, "[zendesk] " + what + " (check Query)");
                default -> new Fault(Exit.ZENDESK, "[zendesk] " + what
                        + (status / 100 == 3 ? " (not followed; set Domain to the account's own subdomain)" : ""));
            };
        }
    }

    // ==== History: what did earlier hours hold ===========================================

    /** The known counts by hour; an hour that is absent is unknown, never 0. Immutable, and quick to sum. */
    static final class Counts {
        private final long first;
        private final long[] count;
        private final boolean[] known;
        private final long[] sumBefore;
        private final int[] knownBefore;

        Counts(NavigableMap<Hour, Long> map) {
            first = map.isEmpty() ? 0 : map.firstKey().number();
            int length = map.isEmpty() ? 0 : (int) (map.lastKey().number() - first) + 1;
            count = new long[length];
            known = new boolean[length];
            sumBefore = new long[length + 1];
            knownBefore = new int[length + 1];
            map.forEach((hour, tickets) -> {
                count[(int) (hour.number() - first)] = tickets;
                known[(int) (hour.number() - first)] = true;
            });
            for (int i = 0; i < length; i++) {
                sumBefore[i + 1] = sumBefore[i] + count[i];
                knownBefore[i + 1] = knownBefore[i] + (known[i] ? 1 : 0);
            }
        }

        OptionalLong at(Hour hour) {
            long i = hour.number() - first;
            return i >= 0 && i < count.length && known[(int) i] ? OptionalLong.of(count[(int) i]) : OptionalLong.empty();
        }

        /** The known hours, oldest first. */
        List<Hour> hours() {
            return IntStream.range(0, count.length).filter(i -> known[i]).mapToObj(i -> new Hour(first + i)).toList();
        }

        /** The mean of {@code [from, to)}, or empty when fewer than {@code least} of its hours are known. */
        OptionalDouble mean(Hour from, Hour to, int least) {
            int a = index(from);
            int b = index(to);
            int n = knownBefore[b] - knownBefore[a];
            return n < Math.max(1, least) ? OptionalDouble.empty()
                    : OptionalDouble.of((sumBefore[b] - sumBefore[a]) / (double) n);
        }

        private int index(Hour hour) {
            return (int) Math.max(0, Math.min(count.length, hour.number() - first));
        }
    }

    /** The CSV file behind the counts. Written whole or not at all; a file that makes no sense is never overwritten. */
    static final class History {
        private static final Pattern COUNT = Pattern.compile("(\\d{1,15})(?:\\.0+)?");
        private static final Pattern DATE = Pattern.compile("(\\d{4}-\\d{2}-\\d{2})(?:[ T]00:00(:00)?)?");

        final Path file;
        private final boolean writable;
        private final NavigableMap<Hour, Long> counts = new TreeMap<>();

        private History(Path file, boolean writable) {
            this.file = file;
            this.writable = writable;
        }

        /**
         * Reads {@code date,00,…,23}, one row a UTC date, an empty cell for unknown; or the layout of the Python
         * script: nameless first column, columns 0 to 23 in any order, {@code 12.0} for 12. A spreadsheet's byte
         * order mark, line ends and semicolons do no harm. No file is an empty history.
         *
         * @param writable false for a dry run, whose {@link #save} does nothing
         * @throws Fault HISTORY, naming file, line and column, when a line makes no sense
         */
        static History open(Path file, boolean writable) {
            var history = new History(file, writable);
            try {
                history.read(Files.readString(file).replaceFirst("^\uFEFF", "").lines().toList());
            } catch (NoSuchFileException e) {
                return history;
            } catch (IOException e) {
                throw new Fault(Exit.HISTORY, "%s: cannot be read as UTF-8 text (%s)".formatted(file, e), e);
            }
            return history;
        }

        private void read(List<String> lines) {
            var header = lines.isEmpty() ? "" : lines.get(0);
            var comma = header.contains(";") ? ";" : ",";
            var hours = hoursOf(cells(header, comma));
            var dates = new HashSet<LocalDate>();
            for (int row = 1; row < lines.size(); row++) {
                var cells = cells(lines.get(row), comma);
                if (!lines.get(row).replace(comma, "").isBlank()) {
                    readRow(row + 1, cells, hours, dates);
                }
            }
        }

        private static List<String> cells(String line, String comma) {
            return Stream.of(line.split(comma, -1)).map(c -> c.strip().replaceAll("^\"(.*)\"$", "$1")).toList();
        }

        private List<Integer> hoursOf(List<String> header) {
            var hours = new ArrayList<Integer>();
            for (var name : header.subList(1, header.size())) {
                if (!name.matches("[01]?\\d|2[0-3]") || hours.contains(Integer.valueOf(name))) {
                    throw fault(1, name, "'%s'".formatted(name), "each of 00 to 23 once");
                }
                hours.add(Integer.valueOf(name));
            }
            if (hours.isEmpty() || !header.get(0).matches("(?i)date|")) {
                throw fault(1, "1", "'%s'".formatted(header.get(0)), "date,00,01,…,23");
            }
            return hours;
        }

        private void readRow(int line, List<String> cells, List<Integer> hours, Set<LocalDate> dates) {
            if (cells.size() != hours.size() + 1) {
                throw fault(line, "1", cells.size() + " cells", hours.size() + 1 + " as in the header");
            }
            var date = date(line, cells.get(0));
            if (!dates.add(date)) {
                throw fault(line, "date", date + " again", "one row a date");
            }
            for (int i = 0; i < hours.size(); i++) {
                var count = COUNT.matcher(cells.get(i + 1));
                if (count.matches()) {
                    counts.put(Hour.of(date, hours.get(i)), Long.valueOf(count.group(1)));
                } else if (!cells.get(i + 1).isEmpty()) {
                    throw fault(line, "%02d".formatted(hours.get(i)), "'%s'".formatted(cells.get(i + 1)),
                            "a count, or nothing for an unknown hour");
                }
            }
        }

        private LocalDate date(int line, String cell) {
            var date = DATE.matcher(cell);
            try {
                if (date.matches()) {
                    return LocalDate.parse(date.group(1));
                }
            } catch (DateTimeException e) {
                throw fault(line, "date", "'%s'".formatted(cell), "a date such as 2026-11-23");
            }
            throw fault(line, "date", "'%s'".formatted(cell), "a date such as 2026-11-23");
        }

        private Fault fault(int line, String column, String wrong, String expected) {
            return new Fault(Exit.HISTORY, "%s: line %d, column %s: %s (expected %s)"
                    .formatted(file, line, column, Http.oneLine(wrong), expected));
        }

        Counts counts() {
            return new Counts(counts);
        }

        OptionalLong at(Hour hour) {
            var count = counts.get(hour);
            return count == null ? OptionalLong.empty() : OptionalLong.of(count);
        }

        void put(Hour hour, long count) {
            counts.put(hour, count);
        }

        /** The newest known hour up to {@code last}. */
        Optional<Hour> newest(Hour last) {
            return Optional.ofNullable(counts.floorKey(last));
        }

        List<Hour> unknown(Hour from, Hour to) {
            return LongStream.range(from.number(), to.number()).mapToObj(Hour::new)
                    .filter(hour -> !counts.containsKey(hour)).toList();
        }

        void save() {
            if (!writable) {
                return;
            }
            var text = new StringBuilder("date");
            IntStream.range(0, 24).forEach(i -> text.append(",%02d".formatted(i)));
            var dates = counts.keySet().stream().map(hour -> hour.date(ZoneOffset.UTC)).distinct().toList();
            for (var date : dates) {
                text.append('\n').append(date);
                for (int i = 0; i < 24; i++) {
                    var count = counts.get(Hour.of(date, i));
                    text.append(',').append(count == null ? "" : count);
                }
            }
            Disk.write(file, text.append('\n').toString().getBytes(UTF_8));
        }
    }

    /** Files that survive a kill, and that a link planted in a folder cannot send elsewhere. */
    static final class Disk {
        private Disk() { }

        /** Temp sibling, fsync, atomic move: a reader or a kill sees the old file or the new one. Owner alone reads. */
        static void write(Path file, byte[] content) {
            var part = file.resolveSibling(file.getFileName() + ".part");
            try {
                folder(file.getParent());
                Files.deleteIfExists(part);
                try (var channel = FileChannel.open(part, Set.of(StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE), owner(file, "rw-------"))) {
                    for (var bytes = ByteBuffer.wrap(content); bytes.hasRemaining();) {
                        channel.write(bytes);
                    }
                    channel.force(true);
                }
                move(part, file);
            } catch (IOException e) {
                throw unwritable(file, e);
            }
        }

        static void move(Path from, Path to) throws IOException {
            folder(to.getParent());
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
            try (var folder = FileChannel.open(to.getParent())) { // the new name must outlive a power cut too
                folder.force(true);
            }
        }

        static void folder(Path folder) throws IOException {
            if (Files.isSymbolicLink(folder) && Set.of("outbox", "sent").contains(folder.getFileName().toString())) {
                throw new IOException(folder + " is a link (expected a folder)");
            }
            Files.createDirectories(folder, owner(folder, "rwx------"));
        }

        static Fault unwritable(Path file, IOException e) {
            return new Fault(Exit.HISTORY, "%s: cannot be written (%s)".formatted(file, e), e);
        }

        private static FileAttribute<?>[] owner(Path file, String rights) {
            boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
            return posix ? new FileAttribute<?>[] {
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(rights))}
                    : new FileAttribute<?>[0];
        }
    }

    /** One run at a time per history. */
    static final class Lock {
        private Lock() { }

        static <T> T during(Path history, Supplier<T> run) {
            var file = history.resolveSibling(history.getFileName() + ".lock");
            try {
                Disk.folder(file.getParent());
                try (var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                        LinkOption.NOFOLLOW_LINKS); var lock = tryLock(channel)) {
                    if (lock == null) {
                        throw new Fault(Exit.TRY_LATER, "%s: another run holds the lock".formatted(file));
                    }
                    return run.get();
                }
            } catch (IOException e) {
                throw Disk.unwritable(file, e);
            }
        }

        private static FileLock tryLock(FileChannel channel) throws IOException {
            try {
                return channel.tryLock();
            } catch (OverlappingFileLockException e) { // held by this same process
                return null;
            }
        }
    }

    // ==== Fill: how do unknown hours become known ========================================

    /** Reads the hours of the last NumHours that the history lacks, by the cheaper of export and counts. */
    static final class Fill {
        private static final Duration MOST = Duration.ofMinutes(45); // then the run judges with what it has
        private static final int AT_ONCE = 8;
        private static final int BATCH = 48;      // hours that a kill may lose
        private static final int FEW = 3;         // so few are counted without asking for the total first

        private final Zendesk zendesk;
        private final History history;
        private final Rule rule;
        private final Console console;
        private final long ends = System.nanoTime() + MOST.toNanos();

        Fill(Zendesk zendesk, History history, Rule rule, Console console) {
            this.zendesk = zendesk;
            this.history = history;
            this.rule = rule;
            this.console = console;
        }

        /** @param due the hours that are about to be judged, oldest first; the judging counts them itself */
        void before(List<Hour> due) {
            var judged = due.get(due.size() - 1);
            var gap = new ArrayList<>(history.unknown(judged.plus(-rule.numHours()), judged));
            gap.removeAll(due);
            if (gap.isEmpty()) {
                return;
            }
            console.note("filling %d unknown hours of the last %d from Zendesk".formatted(gap.size(), rule.numHours()));
            if (gap.size() > FEW) {
                var to = gap.get(gap.size() - 1).to();
                long total = zendesk.count(gap.get(0).from(), to);
                if ((total + Zendesk.PAGE - 1) / Zendesk.PAGE < gap.size() && byExport(gap, total)) {
                    return;
                }
            }
            gap.retainAll(history.unknown(gap.get(0), judged));
            byCount(judged, gap);
        }

        /** False when the export did not bring all, and the hours still unknown have to be counted one by one. */
        private boolean byExport(List<Hour> gap, long total) {
            var buckets = new Buckets(gap, history);
            try {
                zendesk.export(gap.get(0).from(), gap.get(gap.size() - 1).to(), page -> {
                    buckets.add(page.tickets());
                    history.save();
                    console.progress("tickets", buckets.seen.size(), total);
                    return System.nanoTime() < ends;
                });
            } catch (Fault e) {
                if (e.exit != Exit.ZENDESK) {
                    throw e;
                }
                console.warn("export failed, so the hours are counted one by one: " + e.getMessage());
                return false;
            }
            if (System.nanoTime() >= ends) {
                console.warn("the fill took %d minutes; the next run goes on with it".formatted(MOST.toMinutes()));
                return true;
            }
            long missed = total - buckets.seen.size();
            if (missed > Math.max(10, total / 100)) { // a few may have been deleted meanwhile
                console.warn("export gave %d of %d tickets, so the other hours are counted one by one"
                        .formatted(buckets.seen.size(), total));
                return false;
            }
            buckets.finish();
            history.save();
            return true;
        }

        /** Buckets exported tickets by hour. An hour is stored when the newest-first order has passed it. */
        static final class Buckets {
            private final NavigableSet<Hour> gap;
            private final History history;
            private final Set<Long> seen = new HashSet<>();
            private final Map<Hour, Long> counts = new HashMap<>();
            private Hour oldest;
            private boolean ordered = true;

            Buckets(List<Hour> gap, History history) {
                this.gap = new TreeSet<>(gap);
                this.history = history;
                this.oldest = gap.get(gap.size() - 1).plus(1);
            }

            void add(List<Ticket> page) {
                var before = oldest;
                for (var ticket : page) {
                    var hour = Hour.of(ticket.created());
                    if (seen.add(ticket.id())) {
                        counts.merge(hour, 1L, Long::sum);
                        ordered &= hour.compareTo(oldest) <= 0;
                    }
                    oldest = hour.compareTo(oldest) < 0 ? hour : oldest;
                }
                if (ordered) {
                    gap.subSet(oldest, false, before, true).forEach(this::store);
                }
            }

            void finish() {
                gap.forEach(this::store);
            }

            private void store(Hour hour) {
                history.put(hour, counts.getOrDefault(hour, 0L));
            }
        }

        /** The judged hour's own samples first, then the newest. */
        private void byCount(Hour judged, List<Hour> gap) {
            gap.sort(Comparator.comparing((Hour hour) -> Math.floorMod(judged.number() - hour.number(), 24L) != 0)
                    .thenComparing(Comparator.reverseOrder()));
            var pool = Executors.newFixedThreadPool(AT_ONCE);
            try {
                for (int done = 0; done < gap.size(); done += BATCH) {
                    if (System.nanoTime() >= ends) {
                        console.warn("the fill took %d minutes; the next run goes on with it".formatted(MOST.toMinutes()));
                        return;
                    }
                    countAll(gap.subList(done, Math.min(gap.size(), done + BATCH)), pool);
                    console.progress("hours", Math.min(gap.size(), done + BATCH), gap.size());
                }
            } finally {
                pool.shutdownNow();
            }
        }

        /** Stores what could be counted before it passes on the first fault. */
        private void countAll(List<Hour> batch, ExecutorService pool) {
            var counts = batch.stream().map(hour -> pool.submit(() -> zendesk.count(hour))).toList();
            RuntimeException fault = null;
            for (int i = 0; i < batch.size(); i++) {
                try {
                    history.put(batch.get(i), counts.get(i).get());
                } catch (InterruptedException e) {
                    throw new Fault(Exit.TRY_LATER, "interrupted", e);
                } catch (ExecutionException e) {
                    counts.forEach(other -> other.cancel(true));
                    fault = e.getCause() instanceof RuntimeException r ? r : new IllegalStateException(e);
                    break;
                }
            }
            history.save();
            if (fault != null) {
                throw fault;
            }
        }
    }

    // ==== Verdict: is this hour a spike ==================================================

    /** The rule's settings: see the table in README.md. */
    record Rule(RuleName name, int numHours, double threshold, double deviations, double minExtra, int minTickets,
            int minSamples, Set<LocalDate> ignoredDays, ZoneId zone) {

        Rule with(double newThreshold, double newDeviations) {
            return new Rule(name, numHours, newThreshold, newDeviations, minExtra, minTickets, minSamples,
                    ignoredDays, zone);
        }

        Rule with(RuleName newName) {
            return new Rule(newName, numHours, threshold, deviations, minExtra, minTickets, minSamples,
                    ignoredDays, zone);
        }

        Verdict judge(Counts counts, Hour hour, long count) {
            var samples = samples(counts, hour);
            return usual(counts, hour, samples).map(usual -> verdict(hour, count, usual))
                    .orElseGet(() -> new Learning(hour, count, samples.known().size()));
        }

        Verdict verdict(Hour hour, long count, Usual usual) {
            return passes(count, usual) ? new Spike(hour, count, usual, limit(usual))
                    : new Calm(hour, count, usual, limit(usual));
        }

        /** Which earlier hours the hour is compared with. */
        Samples samples(Counts counts, Hour hour) {
            if (name == RuleName.MEAN) {
                return samples(counts, hour, 0, numHours / 24 + 1, 1);
            }
            var weeks = samples(counts, hour, 1, WEEKS, 7);
            return weeks.known().size() >= 4 ? weeks : samples(counts, hour, 1, 28, 1);
        }

        private Samples samples(Counts counts, Hour hour, int first, int last, int step) {
            var known = new ArrayList<Sample>();
            var unknown = new ArrayList<Hour>();
            var ignored = new ArrayList<Hour>();
            for (int k = first; k <= last; k++) {
                for (var past : hour.sameHour(k * step, zone)) {
                    long back = hour.number() - past.number();
                    if (back <= 0 || name == RuleName.MEAN && back > numHours) {
                        continue;
                    }
                    var count = counts.at(past);
                    if (!ignoredDays.isEmpty() && ignoredDays.contains(past.date(zone))) {
                        ignored.add(past);
                    } else if (count.isEmpty()) {
                        unknown.add(past);
                    } else {
                        known.add(new Sample(past, count.getAsLong()));
                    }
                }
            }
            return new Samples(step == 7, known, unknown, ignored);
        }

        /** What the hour usually holds; empty while there is too little history to say. */
        Optional<Usual> usual(Counts counts, Hour hour, Samples samples) {
            int n = samples.known().size();
            int least = name == RuleName.WEEKLY && !samples.weekly() ? 7 : 1;
            if (n < Math.max(minSamples, least)) {
                return Optional.empty();
            }
            if (name == RuleName.WEEKLY) {
                return Optional.of(weekly(samples, level(counts, hour)));
            }
            double mean = samples.known().stream().mapToLong(Sample::count).sum() / (double) n;
            return Optional.of(new Usual(mean, n, OptionalDouble.empty(), 1, Double.POSITIVE_INFINITY));
        }

        // The weekly rule: same weekday and hour, distance in that hour's own usual spread. A(m) is the variance
        // that hourly ticket counts of mean m have as a rule; it weighs as much as four samples.

        private static final int WEEKS = 13;
        private static final int WEEK = 168; // hours

        private static double usualVariance(double m) {
            return Math.max(m, 1) + 0.3 * m * 0.3 * m;
        }

        private static Usual weekly(Samples samples, double anyLevel) {
            double[] v = samples.known().stream().mapToDouble(Sample::count).toArray();
            double middle = median(v);
            double cap = samples.weekly() ? middle + 3 * Math.sqrt(usualVariance(middle)) : Double.POSITIVE_INFINITY;
            double level = samples.weekly() ? anyLevel : 1;
            int n = v.length;
            double plain = DoubleStream.of(v).map(x -> Math.min(x, cap)).sum() / n;
            double s2 = DoubleStream.of(v).map(x -> Math.min(x, cap) - plain).map(d -> d * d).sum() / (n - 1)
                    * level * level;
            double m = plain * level;
            double variance = ((n - 1) * s2 + 4 * usualVariance(m)) / (n + 3);
            double spread = Math.sqrt(Math.max(Math.max(variance, m), 1) * (1 + 1.0 / n));
            return new Usual(m, n, OptionalDouble.of(spread), level, cap);
        }

        /** How far the last week is above the 13 before it, within [1, 2]; 1 when either is known too little. */
        private static double level(Counts counts, Hour hour) {
            var last = counts.mean(hour.plus(-WEEK), hour, WEEK / 2);
            var before = counts.mean(hour.plus(-WEEK * (WEEKS + 1)), hour.plus(-WEEK), WEEK / 2);
            return last.isEmpty() || before.isEmpty() || before.getAsDouble() == 0 ? 1
                    : Math.min(2, Math.max(1, last.getAsDouble() / before.getAsDouble()));
        }

        private static double median(double[] v) {
            var sorted = v.clone();
            Arrays.sort(sorted);
            int middle = sorted.length / 2;
            return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        }

        boolean passes(long count, Usual usual) {
            if (name == RuleName.MEAN) {
                return count > (1 + threshold) * usual.mean() && count >= minTickets;
            }
            return usual.z(count).orElseThrow() >= deviations && count >= (1 + threshold) * usual.mean()
                    && count - usual.mean() >= minExtra && count >= minTickets;
        }

        /** mean: the count that a spike is over. weekly: the smallest count that passes every bar. */
        private double limit(Usual usual) {
            return name == RuleName.MEAN ? (1 + threshold) * usual.mean() : least(usual);
        }

        /** The smallest count that is a spike; the steps undo the rounding of the first guess. */
        long least(Usual usual) {
            double spread = usual.spread().orElse(0);
            double bars = Math.max((1 + threshold) * usual.mean(), Math.max(minTickets, name == RuleName.MEAN ? 0
                    : Math.max(usual.mean() + deviations * spread, usual.mean() + minExtra)));
            long least = (long) Math.ceil(bars);
            while (least > 0 && passes(least - 1, usual)) {
                least--;
            }
            while (!passes(least, usual)) {
                least++;
            }
            return least;
        }
    }

    /** An earlier hour's count that the judged hour is compared with. */
    record Sample(Hour hour, long count) { }

    /** The samples, latest first, and what was left out; {@code weekly} when they are of the same weekday. */
    record Samples(boolean weekly, List<Sample> known, List<Hour> unknown, List<Hour> ignored) { }

    /**
     * What an hour usually holds, in tickets.
     *
     * @param spread its usual deviation, weekly rule only
     * @param level  how much {@code mean} was raised to follow growth
     * @param cap    what a sample counted for at the most
     */
    record Usual(double mean, int samples, OptionalDouble spread, double level, double cap) {
        OptionalDouble z(long count) {
            return spread.isEmpty() ? OptionalDouble.empty()
                    : OptionalDouble.of((count - mean) / spread.getAsDouble());
        }

        /** Percent over the mean; empty when the mean is 0. */
        OptionalDouble percent(long count) {
            return mean == 0 ? OptionalDouble.empty() : OptionalDouble.of((count - mean) / mean * 100);
        }
    }

    /** What the rule says of an hour. */
    sealed interface Verdict permits Judged, Learning {
        Hour hour();

        long count();
    }

    sealed interface Judged extends Verdict permits Spike, Calm {
        Usual usual();

        double limit();
    }

    record Spike(Hour hour, long count, Usual usual, double limit) implements Judged { }

    record Calm(Hour hour, long count, Usual usual, double limit) implements Judged { }

    /** Too little history to judge the hour. */
    record Learning(Hour hour, long count, int samples) implements Verdict { }

    /** One judged hour on stdout: as {@code name=value} words, or as JSON with the same names. */
    record ResultLine(Verdict verdict, Optional<String> alert, List<TagCount> tags) {
        private static final Set<String> JSON_ONLY = Set.of("z", "spread", "tags");

        private ObjectNode json() {
            var json = JSON.createObjectNode();
            var judged = verdict instanceof Judged j ? Optional.of(j) : Optional.<Judged>empty();
            var usual = judged.map(Judged::usual);
            json.put("hour", verdict.hour().from().toString());
            json.put("count", verdict.count());
            json.put("mean", usual.map(Usual::mean).orElse(null));
            json.put("limit", judged.map(Judged::limit).orElse(null));
            json.put("percent", usual.map(u -> boxed(u.percent(verdict.count()))).orElse(null));
            json.put("samples", verdict instanceof Learning l ? l.samples() : usual.get().samples());
            json.put("verdict", verdict.getClass().getSimpleName().toLowerCase(Locale.ROOT));
            alert.ifPresent(how -> json.put("alert", how));
            usual.filter(u -> u.spread().isPresent()).ifPresent(u -> {
                json.put("z", boxed(u.z(verdict.count())));
                json.put("spread", boxed(u.spread()));
            });
            if (verdict instanceof Spike && alert.isPresent()) {
                json.set("tags", JSON.valueToTree(tags));
            }
            return json;
        }

        String asJson() {
            return json().toString();
        }

        String asWords() {
            var json = json().remove(JSON_ONLY).put("hour", verdict.hour().toString());
            var words = new ArrayList<String>();
            json.properties().forEach(field -> {
                var value = field.getValue();
                words.add(field.getKey() + "=" + (value.isNull() ? "-"
                        : value.isDouble() ? decimal(value.asDouble()) : value.asText()));
            });
            return String.join(" ", words);
        }

        private static Double boxed(OptionalDouble value) {
            return value.isPresent() ? value.getAsDouble() : null;
        }
    }

    static String decimal(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }

    // ==== Tags: what are the tickets about ===============================================

    /** A tag, on how many tickets it is, and on how many in the same hour of the last weeks (null: not known). */
    record TagCount(String tag, long count, Double usual) {
        boolean fresh() {
            return usual != null && usual == 0;
        }

        /** At least twice the usual, and by more than chance gives to so small a number. */
        boolean risen() {
            return usual != null && count >= 2 * usual && count - usual >= 3 * Math.sqrt(usual + 1);
        }

        double excess() {
            return usual == null ? 0 : count - usual;
        }
    }

    /** Gathers tickets one by one; the same whatever their order. Tags are compared without case, shown as sent. */
    static final class Tally {
        private static final int SUBJECTS = 5;

        private record Place(String created, long id, int position) implements Comparable<Place> {
            private static final Comparator<Place> ORDER = Comparator.comparing(Place::created)
                    .thenComparing(Place::id).thenComparing(Place::position);

            @Override
            public int compareTo(Place other) {
                return ORDER.compare(this, other);
            }
        }

        private static final class Seen {
            private long tickets;
            private Place first;
            private String spelled;
        }

        private final Map<String, Seen> tags = new HashMap<>();
        private final Map<Long, Integer> requesters = new HashMap<>();
        private final NavigableMap<Place, Ticket> earliest = new TreeMap<>();
        private final List<String> omitted;
        private long tickets;
        private long untagged;

        Tally(List<String> omitted) {
            this.omitted = omitted;
        }

        void add(Ticket ticket) {
            tickets++;
            untagged += ticket.tags().isEmpty() ? 1 : 0;
            if (ticket.requester_id() != null) {
                requesters.merge(ticket.requester_id(), 1, Integer::sum);
            }
            earliest.put(new Place(ticket.created_at(), ticket.id(), 0), ticket);
            if (earliest.size() > SUBJECTS) {
                earliest.pollLastEntry();
            }
            var once = new HashSet<String>();
            for (int i = 0; i < ticket.tags().size(); i++) {
                var tag = ticket.tags().get(i);
                var name = tag.toLowerCase(Locale.ROOT);
                if (once.add(name) && !omitted.contains(name)) {
                    count(name, tag, new Place(ticket.created_at(), ticket.id(), i));
                }
            }
        }

        private void count(String name, String tag, Place place) {
            var seen = tags.computeIfAbsent(name, n -> new Seen());
            seen.tickets++;
            if (seen.first == null || place.compareTo(seen.first) < 0) {
                seen.first = place;
                seen.spelled = tag;
            }
        }

        /** Every tag, the most frequent first, equals in order of first appearance. */
        List<TagCount> ranked(Map<String, Double> usual) {
            return tags.entrySet().stream()
                    .sorted(Comparator.comparingLong((Map.Entry<String, Seen> e) -> -e.getValue().tickets)
                            .thenComparing(e -> e.getValue().first))
                    .map(e -> new TagCount(e.getValue().spelled, e.getValue().tickets,
                            usual == null ? null : usual.getOrDefault(e.getKey(), 0.0))).toList();
        }

        /** Tickets by tag in lower case. */
        Map<String, Long> byTag() {
            return tags.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, e -> e.getValue().tickets));
        }

        long tickets() {
            return tickets;
        }

        long untagged() {
            return untagged;
        }

        int requesters() {
            return requesters.size();
        }

        int largestRequester() {
            return requesters.values().stream().mapToInt(Integer::intValue).max().orElse(0);
        }

        List<Ticket> sample() {
            return List.copyOf(earliest.values());
        }
    }

    // ==== Alert: what does the mail say ==================================================

    /**
     * Subject and wording. {@code %s} and {@code %d} stand for the values in the order in which the method below
     * that uses the text gives them; a percent sign is written {@code %%}.
     */
    private static final class Words {
        static final String SUBJECT = "%s %d tickets at %s, %s";
        static final String PERCENT_MORE = "%.0f %% more than usual";
        static final String NONE_USUAL = "where none are usual";
        static final String HEADLINE = "%d tickets were created from %s.";
        static final String USUAL = "Usual for that hour are %s, so this is %s. %s";
        static final String NEVER = "None of the %d earlier hours that it is compared with held as many.";
        static final String RARELY = "%d of the %d earlier hours that it is compared with held as many or more.";
        static final String GOES_ON = "The spike goes on: this is its hour %d, it began at %s.";
        static final String LATE = "This notice is late: the hour could not be read or the mail not be made before %s.";
        static final String TAGS = "Most frequent tags";
        static final String RISEN = "Risen most";
        static final String RANKED_ALL = "Ranked from all %d tickets; %d carry no tag.";
        static final String RANKED_SOME = "Ranked from %d of %d tickets (%s); %d carry no tag.";
        static final String NO_USUAL = "The usual counts of the tags are not known (%s).";
        static final String USUAL_FROM = "Usual: the mean of the same hour in the last %d weeks.";
        static final String REQUESTERS = "%d requesters wrote them; the busiest wrote %d (%.0f %%).";
        static final String SAMPLES = "The first tickets";
        static final String CHART = "The last 24 hours, # tickets, | usual";
        static final String WHY_MEAN = "Why this mail: the rule \"mean\" calls more than %s tickets a spike: "
                + "%.0f %% over the mean of the same hour of day in %d samples.";
        static final String WHY_WEEKLY = "Why this mail: the rule \"weekly\" calls %s tickets or more a spike: %.1f of "
                + "the hour's usual deviations (%s) over its mean of %d samples; this hour is at %s.";
        static final String ALL = "All tickets of the hour: %s";
        static final String OVER = "The spike is over: %d tickets were created from %s, usual are %s.";
        static final String SUMMARY = "It went on for %d hours from %s. Its peak were %d tickets at %s; in all "
                + "%.0f more than usual were created.";

        private Words() { }
    }

    /** A finished notice. It can be made of a {@link Spike} or of the end of one, of nothing else. */
    record Alert(Hour hour, String kind, Hour thread, String subject, List<Block> blocks) {

        /** What is known of the spike's tickets; {@code trouble} says why some could not be read. */
        record Tickets(Tally tally, Optional<String> trouble, Optional<Map<String, Double>> usual, int weeks,
                String noUsual) { }

        static Alert about(Spike spike, Config config, Counts counts, Tickets tickets, Instant now) {
            var episode = Episode.until(spike.hour(), counts, config.rule()).orElseThrow();
            var blocks = new ArrayList<Block>();
            headline(blocks, spike, config.rule(), counts, episode, now);
            tags(blocks, spike, config, tickets);
            blocks.add(chart(spike.hour(), config.rule(), counts));
            blocks.add(samples(tickets.tally(), config.zendesk()));
            blocks.add(new Text(why(spike, config.rule())));
            blocks.add(new Text(Words.ALL.formatted(agentSearch(config.zendesk(), spike.hour(), ""))));
            return new Alert(spike.hour(), "spike", episode.start(), subject(episode, config, counts), blocks);
        }

        static Alert allClear(Calm calm, Episode episode, Config config, Counts counts) {
            var zone = config.rule().zone();
            var blocks = List.<Block>of(
                    new Title(Words.OVER.formatted(calm.count(), span(calm.hour(), zone), decimal(calm.usual().mean()))),
                    new Text(Words.SUMMARY.formatted(episode.hours(), time(episode.start(), zone), episode.peak().count(),
                            time(episode.peak().hour(), zone), episode.excess())),
                    chart(calm.hour(), config.rule(), counts));
            return new Alert(calm.hour(), "clear", episode.start(), subject(episode, config, counts), blocks);
        }

        /** The same for all mails of an episode, since Gmail threads by subject. */
        private static String subject(Episode episode, Config config, Counts counts) {
            var first = episode.first();
            var percent = first.usual().percent(first.count());
            return Words.SUBJECT.formatted(config.mail().subject(), first.count(), time(first.hour(), config.rule().zone()),
                    percent.isEmpty() ? Words.NONE_USUAL : Words.PERCENT_MORE.formatted(percent.getAsDouble()));
        }

        private static void headline(List<Block> blocks, Spike spike, Rule rule, Counts counts, Episode episode,
                Instant now) {
            var percent = spike.usual().percent(spike.count());
            var samples = rule.samples(counts, spike.hour()).known();
            long asMany = samples.stream().filter(sample -> sample.count() >= spike.count()).count();
            blocks.add(new Title(Words.HEADLINE.formatted(spike.count(), span(spike.hour(), rule.zone()))));
            blocks.add(new Text(Words.USUAL.formatted(decimal(spike.usual().mean()), percent.isEmpty()
                    ? "a spike " + Words.NONE_USUAL : Words.PERCENT_MORE.formatted(percent.getAsDouble()),
                    asMany == 0 ? Words.NEVER.formatted(samples.size()) : Words.RARELY.formatted(asMany, samples.size()))));
            if (episode.hours() > 1) {
                blocks.add(new Text(Words.GOES_ON.formatted(episode.hours(), time(episode.start(), rule.zone()))));
            }
            if (now.isAfter(spike.hour().plus(2).to())) {
                blocks.add(new Text(Words.LATE.formatted(time(Hour.of(now), rule.zone()))));
            }
        }

        private static void tags(List<Block> blocks, Spike spike, Config config, Tickets tickets) {
            var tally = tickets.tally();
            var ranked = tally.ranked(tickets.usual().orElse(null));
            var top = ranked.stream().limit(config.tags().top()).toList();
            var risen = ranked.stream().filter(TagCount::risen)
                    .sorted(Comparator.comparingDouble(TagCount::excess).reversed()).limit(config.tags().top()).toList();
            blocks.add(table(Words.TAGS, top, spike.hour(), config.zendesk()));
            if (!risen.isEmpty() && !top.containsAll(risen)) {
                blocks.add(table(Words.RISEN, risen, spike.hour(), config.zendesk()));
            }
            blocks.add(new Text(tickets.trouble().isEmpty()
                    ? Words.RANKED_ALL.formatted(tally.tickets(), tally.untagged())
                    : Words.RANKED_SOME.formatted(tally.tickets(), spike.count(), tickets.trouble().get(),
                            tally.untagged())));
            blocks.add(new Text(tickets.usual().isPresent() ? Words.USUAL_FROM.formatted(tickets.weeks())
                    : Words.NO_USUAL.formatted(tickets.noUsual())));
            if (tally.requesters() > 0) {
                blocks.add(new Text(Words.REQUESTERS.formatted(tally.requesters(), tally.largestRequester(),
                        tally.largestRequester() * 100.0 / tally.tickets())));
            }
        }

        private static Table table(String title, List<TagCount> tags, Hour hour, Account account) {
            return new Table(title, List.of("tag", "tickets", "usual", ""), tags.stream().map(tag -> List.of(
                    new Cell(tag.tag(), agentSearch(account, hour, " tags:\"" + tag.tag().replace("\"", "") + "\"")),
                    new Cell(Long.toString(tag.count()), ""),
                    new Cell(tag.usual() == null ? "?" : decimal(tag.usual()), ""),
                    new Cell(tag.fresh() && tag.risen() ? "NEW" : tag.risen() ? "risen" : "", ""))).toList());
        }

        private static Table samples(Tally tally, Account account) {
            return new Table(Words.SAMPLES, List.of("ticket", "subject"), tally.sample().stream().map(ticket -> List.of(
                    new Cell("#" + ticket.id(), "https://%s/agent/tickets/%d".formatted(account.host(), ticket.id())),
                    new Cell(Objects.requireNonNullElse(ticket.subject(), "(no subject)"), ""))).toList());
        }

        private static String why(Spike spike, Rule rule) {
            var usual = spike.usual();
            return rule.name() == RuleName.MEAN
                    ? Words.WHY_MEAN.formatted(decimal(spike.limit()), rule.threshold() * 100, usual.samples())
                    : Words.WHY_WEEKLY.formatted((long) spike.limit(), rule.deviations(),
                            decimal(usual.spread().orElseThrow()), usual.samples(),
                            decimal(usual.z(spike.count()).orElseThrow()));
        }

        static Chart chart(Hour last, Rule rule, Counts counts) {
            return new Chart(Words.CHART, LongStream.rangeClosed(-23, 0).mapToObj(last::plus).map(hour -> new Bar(
                    time(hour, rule.zone()), counts.at(hour),
                    rule.usual(counts, hour, rule.samples(counts, hour)))).toList());
        }

        /** Zendesk's own search for the tickets of the hour, in the agents' pages. */
        static String agentSearch(Account account, Hour hour, String more) {
            return "https://%s/agent/search/1?type=ticket&q=%s".formatted(account.host(), encode(
                    ("created>=%s created<%s%s %s").formatted(hour.from(), hour.to(), more, account.query()).strip()));
        }

        private static final DateTimeFormatter DAY_TIME = DateTimeFormatter.ofPattern("EEE d MMM HH:mm", Locale.ENGLISH);
        private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm", Locale.ENGLISH);

        static String time(Hour hour, ZoneId zone) {
            return DAY_TIME.format(hour.from().atZone(zone));
        }

        /** The hour on the local clock, and in UTC where that is another. */
        static String span(Hour hour, ZoneId zone) {
            var utc = "%s-%s UTC".formatted(time(hour, ZoneOffset.UTC), TIME.format(hour.to().atZone(ZoneOffset.UTC)));
            boolean same = zone.getRules().getOffset(hour.from()).equals(ZoneOffset.UTC);
            return same ? utc : "%s-%s %s (%s)".formatted(time(hour, zone), TIME.format(hour.to().atZone(zone)),
                    zone.getId(), utc);
        }

        String text() {
            return blocks.stream().map(Block::text).filter(text -> !text.isEmpty())
                    .collect(Collectors.joining("\n")).stripTrailing() + "\n";
        }

        String html() {
            return """
                    <!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
                    <meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
                    <meta name="supported-color-schemes" content="light dark"><title>%s</title></head>
                    <body style="margin:0;padding:16px;font:15px/1.45 Arial,Helvetica,sans-serif">
                    <div style="max-width:600px;margin:0 auto">
                    %s
                    </div></body></html>
                    """.formatted(escape(subject), blocks.stream().map(Block::html).collect(Collectors.joining("\n")));
        }
    }

    /** A run of spike hours. {@code excess} in tickets over the usual, summed over its hours. */
    record Episode(Spike first, Spike peak, int hours, double excess) {
        private static final int MOST = 24 * 14; // hours; what goes on longer has become the usual

        Hour start() {
            return first.hour();
        }

        /** The spike hours without a gap up to and with {@code last}, from the counts alone. */
        static Optional<Episode> until(Hour last, Counts counts, Rule rule) {
            Episode episode = null;
            for (var hour = last; hour.number() > last.number() - MOST; hour = hour.plus(-1)) {
                var count = counts.at(hour);
                if (count.isEmpty() || !(rule.judge(counts, hour, count.getAsLong()) instanceof Spike spike)) {
                    break;
                }
                episode = episode == null ? of(spike) : new Episode(spike, episode.and(spike).peak,
                        episode.hours + 1, episode.excess + over(spike));
            }
            return Optional.ofNullable(episode);
        }

        static Episode of(Spike spike) {
            return new Episode(spike, spike, 1, over(spike));
        }

        /** Longer by the next hour. */
        Episode and(Spike next) {
            return new Episode(first, next.count() > peak.count() ? next : peak, hours + 1, excess + over(next));
        }

        private static double over(Spike spike) {
            return spike.count() - spike.usual().mean();
        }
    }

    /** A part of the mail, as plain text and as HTML that Gmail and Outlook show: tables and inline styles only. */
    sealed interface Block permits Title, Text, Table, Chart {
        String text();

        String html();
    }

    record Title(String words) implements Block {
        @Override
        public String text() {
            return clean(words) + "\n";
        }

        @Override
        public String html() {
            return "<h2 style=\"font-size:19px;margin:0 0 12px\">%s</h2>".formatted(escape(words));
        }
    }

    record Text(String words) implements Block {
        private static final Pattern LINK = Pattern.compile("https://\\S+");

        @Override
        public String text() {
            return clean(words) + "\n";
        }

        @Override
        public String html() {
            return "<p style=\"margin:0 0 12px;overflow-wrap:anywhere\">%s</p>".formatted(LINK.matcher(escape(words))
                    .replaceAll("<a href=\"$0\">open in Zendesk</a>"));
        }
    }

    record Cell(String words, String link) { }

    record Table(String title, List<String> heads, List<List<Cell>> rows) implements Block {
        @Override
        public String text() {
            if (rows.isEmpty()) {
                return "";
            }
            int width = rows.stream().mapToInt(row -> clean(row.get(0).words()).length()).max().orElse(0);
            boolean numbers = heads.size() > 2;
            var lines = new StringBuilder(title).append(numbers ? " (tickets, usual)\n" : "\n");
            for (var row : rows) {
                var line = new StringBuilder("  ").append(pad(clean(row.get(0).words()), width));
                row.subList(1, row.size()).forEach(cell -> line.append("  ").append(numbers
                        ? "%7s".formatted(clean(cell.words())) : clean(cell.words())));
                lines.append(line.toString().stripTrailing()).append('\n');
            }
            return lines.toString();
        }

        private static String pad(String text, int width) {
            return text + " ".repeat(width - text.length());
        }

        @Override
        public String html() {
            if (rows.isEmpty()) {
                return "";
            }
            return """
                    <table cellpadding="4" cellspacing="0" style="border-collapse:collapse;width:100%%;margin:0 0 12px">
                    <tr>%s</tr>
                    %s</table>""".formatted(heads.stream().map(head -> "<th align=\"left\" style=\"border-bottom:1px "
                            + "solid #888\">" + escape(head.equals(heads.get(0)) ? title : head) + "</th>")
                            .collect(Collectors.joining()),
                    rows.stream().map(row -> "<tr>" + row.stream().map(Table::cell).collect(Collectors.joining())
                            + "</tr>\n").collect(Collectors.joining()));
        }

        private static String cell(Cell cell) {
            var words = escape(cell.words());
            return "<td style=\"border-bottom:1px solid #8884;overflow-wrap:anywhere\">%s</td>".formatted(
                    cell.link().isEmpty() ? words : "<a href=\"%s\">%s</a>".formatted(escape(cell.link()), words));
        }
    }

    record Bar(String label, OptionalLong count, Optional<Usual> usual) { }

    record Chart(String title, List<Bar> bars) implements Block {
        private static final int WIDTH = 30; // characters

        private double most() {
            return bars.stream().mapToDouble(bar -> Math.max(bar.count().orElse(0),
                    bar.usual().map(Usual::mean).orElse(0.0))).max().orElse(0) + 1e-9;
        }

        @Override
        public String text() {
            var lines = new StringBuilder(title).append('\n');
            for (var bar : bars) {
                var picture = new StringBuilder("#".repeat(place(bar.count().orElse(0))));
                bar.usual().ifPresent(usual -> {
                    int at = Math.min(WIDTH, place(usual.mean()));
                    picture.append(" ".repeat(Math.max(0, at + 1 - picture.length()))).setCharAt(at, '|');
                });
                lines.append("  %-16s %6s  %s".formatted(bar.label(), bar.count().isEmpty() ? "?"
                        : Long.toString(bar.count().getAsLong()), picture).stripTrailing()).append('\n');
            }
            return lines.toString();
        }

        private int place(double tickets) {
            return (int) Math.round(tickets / most() * WIDTH);
        }

        @Override
        public String html() {
            return "<p style=\"margin:0 0 4px\"><b>%s</b></p>%s".formatted(escape(Words.CHART.replace(", # ", ": ")
                    .replace(", | ", " and ")), bars.stream().map(this::row).collect(Collectors.joining("\n",
                    "<table cellpadding=\"0\" cellspacing=\"1\" style=\"width:100%;font-size:12px;margin:0 0 12px\">\n",
                    "</table>")));
        }

        private String row(Bar bar) {
            long count = bar.count().orElse(0);
            double usual = bar.usual().map(Usual::mean).orElse(0.0);
            double all = Math.min(count, usual);
            double over = Math.max(0, count - usual);
            double under = Math.max(0, usual - count);
            return ("<tr><td style=\"white-space:nowrap;width:100px\">%s</td><td align=\"right\" style=\"width:44px;"
                    + "padding-right:6px\">%s</td><td><table cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%%\">"
                    + "<tr>%s%s%s%s</tr></table></td></tr>").formatted(escape(bar.label()),
                    bar.count().isEmpty() ? "?" : count, piece(all, "#4477aa"), piece(over, "#cc3311"),
                    piece(under, "#bbbbbb"), piece(most() - Math.max(count, usual), ""));
        }

        /** Blue up to the usual, red above it, grey what is short of it. */
        private String piece(double tickets, String colour) {
            double percent = tickets / most() * 100;
            return percent < 0.1 ? "" : "<td style=\"width:%.1f%%;height:12px;line-height:12px;%s\">&nbsp;</td>"
                    .formatted(percent, colour.isEmpty() ? "" : "background:" + colour);
        }
    }

    /** Other people's text on one line: no line break, control or direction mark gets through. */
    static String clean(String text) {
        return text.replaceAll("[\\p{Cntrl}\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]+", " ");
    }

    static String escape(String text) {
        return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                .replace("\"", "&quot;").replace("'", "&#39;");
    }

    // ==== Outbox: did the notice go out, once =============================================

    /**
     * The folders {@code outbox} (waiting) and {@code sent} (the ledger). A notice is stored before it is sent and
     * moved when it was accepted, so a kill loses none; a name in {@code sent} never goes out again.
     */
    static final class Outbox {
        private static final Duration KEPT = Duration.ofDays(180);

        private final Path waiting;
        private final Path sent;
        private final Config config;
        private final World world;
        private final Console console;
        private final Map<String, Carrier> carriers;
        private final Set<String> down = new HashSet<>();
        private Exit worst = Exit.OK;

        /** Sends one stored notice; throws Fault when it was not accepted. */
        interface Carrier {
            void send(Path file) throws IOException;
        }

        Outbox(Config config, World world, Console console, Carrier mail) {
            this.waiting = config.out().resolve("outbox");
            this.sent = config.out().resolve("sent");
            this.config = config;
            this.world = world;
            this.console = console;
            this.carriers = config.webhook().isEmpty() ? Map.of("eml", mail)
                    : Map.of("eml", mail, "json", new Webhook(config.webhook().get(), world, console));
        }

        /** How the run ends: OK, or the code of the worst delivery. */
        Exit exit() {
            return worst;
        }

        void sendWaiting() {
            for (var file : files(waiting, ".*\\.(eml|json)")) {
                console.note("%s: waits in the outbox, trying again".formatted(file.getFileName()));
                send(file);
            }
        }

        /** Whether a mail of that hour was sent or waits. */
        boolean has(Hour hour, String kind) {
            var name = hour.name() + "-" + kind + ".eml";
            return Files.exists(sent.resolve(name)) || Files.exists(waiting.resolve(name));
        }

        /** @return {@code sent}, {@code queued} or {@code already-sent} */
        String deliver(Alert alert) {
            var name = alert.hour().name() + "-" + alert.kind();
            var how = deliver(name + ".eml", Mailer.message(alert, config, world.clock()));
            if (config.webhook().isPresent()) {
                deliver(name + ".json", Webhook.payload(alert));
            }
            return how;
        }

        private String deliver(String name, byte[] content) {
            if (Files.exists(sent.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
                checkOwner(sent.resolve(name), content);
                return "already-sent";
            }
            var file = waiting.resolve(name);
            if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
                Disk.write(file, content);
            }
            return send(file) ? "sent" : "queued";
        }

        /** Two accounts that share one folder must not take each other's mails for their own. */
        private static void checkOwner(Path file, byte[] content) {
            try {
                if (!Mailer.id(Files.readString(file)).equals(Mailer.id(new String(content, UTF_8)))) {
                    throw new Fault(Exit.CONFIG, "%s: was sent for another account (expected a folder of its own for "
                            + "each account's auth.ini)".formatted(file));
                }
            } catch (IOException e) {
                throw Disk.unwritable(file, e);
            }
        }

        private boolean send(Path file) {
            var ending = file.toString().replaceAll(".*\\.", "");
            var carrier = carriers.get(ending);
            if (carrier == null || down.contains(ending)) {
                return false;
            }
            try {
                carrier.send(file);
                Disk.move(file, sent.resolve(file.getFileName()));
                return true;
            } catch (Fault e) {
                console.warn(e.getMessage() + "; " + file.getFileName() + " waits in the outbox");
                worst = worst == Exit.REFUSED ? worst : e.exit;
                if (!(e.getCause() instanceof SendFailedException)) {
                    down.add(ending); // a server that is down is not asked again in this run
                }
                return false;
            } catch (IOException e) {
                throw Disk.unwritable(file, e);
            }
        }

        void prune() {
            var oldest = Hour.of(world.clock().instant().minus(KEPT)).name();
            for (var file : files(sent, "\\d{4}-\\d{2}-\\d{2}T\\d{2}-.*")) {
                if (file.getFileName().toString().compareTo(oldest) < 0) {
                    try {
                        Files.delete(file);
                    } catch (IOException e) {
                        throw Disk.unwritable(file, e);
                    }
                }
            }
        }

        private static List<Path> files(Path folder, String name) {
            if (!Files.isDirectory(folder)) {
                return List.of();
            }
            try (var files = Files.list(folder)) {
                return files.filter(file -> file.getFileName().toString().matches(name)).sorted().toList();
            } catch (IOException e) {
                throw Disk.unwritable(folder, e);
            }
        }

        int waiting() {
            return files(waiting, ".*\\.(eml|json)").size();
        }
    }

    /** The mail as a message, and its way to the SMTP server. */
    static final class Mailer implements Outbox.Carrier {
        private static final Pattern ID = Pattern.compile("(?im)^Message-ID:\\s*(\\S+)");
        private static final int SILENCE = 30_000; // milliseconds without a byte
        private static final Duration MOST = Duration.ofMinutes(3);

        private final Mail mail;
        private final Console console;
        private final Http http;

        Mailer(Mail mail, World world, Console console) {
            this.mail = mail;
            this.console = console;
            this.http = new Http(world, console);
        }

        /** The bytes of the whole message, as stored and sent. */
        static byte[] message(Alert alert, Config config, Clock clock) {
            var id = id(alert.hour(), alert.kind(), config.zendesk());
            var message = new MimeMessage(Session.getInstance(new Properties())) {
                @Override
                protected void updateMessageID() throws MessagingException {
                    setHeader("Message-ID", id); // else made anew from clock and random numbers
                }
            };
            boolean first = alert.hour().equals(alert.thread());
            try {
                message.setFrom(new InternetAddress(config.mail().sender()));
                for (var recipient : config.mail().recipients()) {
                    message.addRecipient(Message.RecipientType.TO, new InternetAddress(recipient));
                }
                message.setSubject((first ? "" : "Re: ") + clean(alert.subject()), "UTF-8");
                message.setSentDate(Date.from(clock.instant()));
                message.setHeader("Auto-Submitted", "auto-generated"); // RFC 3834: no out-of-office answers
                if (!first) {
                    var thread = id(alert.thread(), "spike", config.zendesk());
                    message.setHeader("In-Reply-To", thread);
                    message.setHeader("References", thread);
                }
                message.setContent(alternatives(alert));
                message.saveChanges();
                var bytes = new ByteArrayOutputStream();
                message.writeTo(bytes);
                return bytes.toByteArray();
            } catch (MessagingException | IOException e) {
                throw new IllegalStateException(e);
            }
        }

        private static Multipart alternatives(Alert alert) throws MessagingException {
            var text = new MimeBodyPart();
            text.setText(alert.text(), "UTF-8");
            var html = new MimeBodyPart();
            html.setText(alert.html(), "UTF-8", "html");
            return new MimeMultipart("alternative", text, html);
        }

        /** Made of account, hour and kind alone, so that a mail sent twice around a crash is known as the same. */
        static String id(Hour hour, String kind, Account account) {
            var part = account.query().isEmpty() ? "" : "." + Integer.toHexString(account.query().hashCode());
            return "<%s-%s%s@spike-notifier.%s>".formatted(hour.name(), kind, part, account.host());
        }

        static String id(String message) {
            var id = ID.matcher(message);
            return id.find() ? id.group(1) : "";
        }

        /** @throws Fault REFUSED for the sign-in, TRY_LATER for anything else that a later run may mend */
        @Override
        public void send(Path file) throws IOException {
            try (var in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
                var message = new MimeMessage(session(), in);
                signedIn(transport -> transport.sendMessage(message, message.getAllRecipients()));
            } catch (MessagingException e) {
                throw new IOException(e);
            }
        }

        void checkSignIn() {
            signedIn(transport -> { });
        }

        private interface Talk {
            void with(Transport transport) throws MessagingException;
        }

        private void signedIn(Talk talk) {
            var password = mail.oauth().map(door -> http.token(door.url(), door.client(), door.scope(),
                    Exit.TRY_LATER, "[email]").access_token()).or(mail::password).orElse(null);
            try {
                Deadline.within(MOST, () -> {
                    try (var transport = session().getTransport()) {
                        transport.connect(mail.host(), mail.port(), password == null ? null : mail.username(), password);
                        talk.with(transport);
                    }
                    return null;
                });
            } catch (IOException e) {
                throw new Fault(Exit.TRY_LATER, "%s: %s".formatted(server(), e.getMessage()), e);
            } catch (IllegalStateException e) {
                fault(e.getCause());
            }
        }

        /** Returns when the mail reached at least one recipient. */
        private void fault(Throwable cause) {
            var reason = Http.oneLine(Stream.iterate(cause, Objects::nonNull, Throwable::getCause).limit(4)
                    .map(Throwable::getMessage).filter(Objects::nonNull).distinct().collect(Collectors.joining(": ")));
            if (cause instanceof AuthenticationFailedException) {
                throw new Fault(Exit.REFUSED, "[email] %s refuses the sign-in of %s: %s (check Username and Password; "
                        .formatted(server(), mail.username(), reason) + "Gmail wants an app password)", cause);
            }
            if (cause instanceof SendFailedException e && e.getValidSentAddresses() != null
                    && e.getValidSentAddresses().length > 0) {
                console.warn("[email] Recipient: %s refuses some of them: %s".formatted(server(), reason));
                return;
            }
            if (cause instanceof MessagingException) {
                throw new Fault(Exit.TRY_LATER, "[email] %s: %s".formatted(server(), reason), cause);
            }
            throw new IllegalStateException(cause);
        }

        private String server() {
            return mail.host() + ":" + mail.port();
        }

        private Session session() {
            var smtp = mail.security() == Security.TLS ? "smtps" : "smtp";
            var settings = new Properties();
            settings.setProperty("mail.transport.protocol", smtp);
            Map.of("connectiontimeout", SILENCE, "timeout", SILENCE, "writetimeout", SILENCE,
                    "starttls.enable", mail.security() == Security.STARTTLS,
                    "starttls.required", mail.security() == Security.STARTTLS,
                    "ssl.checkserveridentity", true, "sendpartial", true,
                    "auth", mail.oauth().isPresent() || mail.password().isPresent())
                    .forEach((name, value) -> settings.setProperty("mail.%s.%s".formatted(smtp, name), value.toString()));
            if (mail.oauth().isPresent()) {
                settings.setProperty("mail.%s.auth.mechanisms".formatted(smtp), "XOAUTH2");
            }
            return Session.getInstance(settings);
        }
    }

    /** The alert as a JSON POST: {@code text} is what Slack, Mattermost and Google Chat show. */
    record Webhook(URI url, World world, Console console) implements Outbox.Carrier {
        static byte[] payload(Alert alert) {
            var json = JSON.createObjectNode().put("text", alert.subject() + "\n\n" + alert.text())
                    .put("hour", alert.hour().from().toString()).put("kind", alert.kind());
            return json.toString().getBytes(UTF_8);
        }

        @Override
        public void send(Path file) throws IOException {
            var body = Files.readAllBytes(file);
            try {
                new Http(world, console).send(() -> HttpRequest.newBuilder(url)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofByteArray(body)).build(), (in, headers) -> true,
                        (status, reason) -> new Fault(Exit.TRY_LATER, "[webhook] %s answers %d %s (check Url)"
                                .formatted(url.getHost(), status, reason)));
            } catch (Fault e) {
                throw new Fault(Exit.TRY_LATER, e.getMessage(), e);
            }
        }
    }

    /** The watcher's watcher: a ping after each run, never a reason for the run to fail. */
    record Monitor(Optional<URI> url, Console console) {
        private static final Duration MOST = Duration.ofSeconds(5);

        int over(Supplier<Exit> run) {
            try {
                var exit = run.get();
                ping(exit == Exit.OK ? "" : "/fail");
                return exit.code;
            } catch (RuntimeException e) {
                ping("/fail");
                throw e;
            }
        }

        private void ping(String ending) {
            url.ifPresent(base -> {
                var request = HttpRequest.newBuilder(URI.create(base + ending)).timeout(MOST).build();
                try {
                    Deadline.within(MOST, () -> HttpClient.newBuilder().connectTimeout(MOST).build()
                            .send(request, HttpResponse.BodyHandlers.discarding()));
                } catch (IOException e) {
                    console.warn("[monitor] PingUrl: %s not reached (%s)".formatted(base.getHost(), e));
                }
            });
        }
    }

    // ==== Explanation: why was this hour a spike, or not =================================

    /** One hour of the history with everything that its verdict comes from. */
    record Explanation(Rule rule, Counts counts, Hour hour) {
        void print(Console console, boolean json) {
            var samples = rule.samples(counts, hour);
            var usual = rule.usual(counts, hour, samples);
            if (json) {
                console.result(json(samples, usual).toString());
                return;
            }
            console.result("%s (%s), rule %s".formatted(hour, Alert.span(hour, rule.zone()), ruleName()));
            samples.known().forEach(sample -> console.result("  %s %6d%s".formatted(
                    Alert.time(sample.hour(), rule.zone()), sample.count(),
                    usual.filter(u -> sample.count() > u.cap()).map(u -> "  counted as " + decimal(u.cap())).orElse(""))));
            leftOut("unknown", samples.unknown(), console);
            leftOut("ignored day", samples.ignored(), console);
            usual.ifPresent(u -> console.result("expected %s%s%s".formatted(decimal(u.mean()),
                    u.spread().isPresent() ? ", spread " + decimal(u.spread().getAsDouble()) : "",
                    u.level() > 1 ? ", raised by %.2f to follow growth".formatted(u.level()) : "")));
            console.result(sentence(samples, usual));
        }

        private String ruleName() {
            return rule.name().name().toLowerCase(Locale.ROOT);
        }

        private void leftOut(String why, List<Hour> hours, Console console) {
            if (!hours.isEmpty()) {
                console.result("  left out, %s: %s".formatted(why, hours.stream().limit(30)
                        .map(Hour::name).collect(Collectors.joining(" ")) + (hours.size() > 30 ? " …" : "")));
            }
        }

        private ObjectNode json(Samples samples, Optional<Usual> usual) {
            var count = counts.at(hour);
            var json = JSON.createObjectNode().put("hour", hour.from().toString()).put("rule", ruleName())
                    .put("count", count.isPresent() ? count.getAsLong() : null)
                    .put("mean", usual.map(Usual::mean).orElse(null))
                    .put("spread", usual.filter(u -> u.spread().isPresent()).map(u -> u.spread().getAsDouble())
                            .orElse(null))
                    .put("needed", usual.map(rule::least).orElse(null))
                    .put("why", sentence(samples, usual));
            var list = json.putArray("samples");
            samples.known().forEach(sample -> list.addObject().put("hour", sample.hour().from().toString())
                    .put("count", sample.count()).put("capped", usual.filter(u -> sample.count() > u.cap()).isPresent()));
            json.set("unknown", JSON.valueToTree(samples.unknown().stream().map(h -> h.from().toString()).toList()));
            json.set("ignored", JSON.valueToTree(samples.ignored().stream().map(h -> h.from().toString()).toList()));
            return json;
        }

        private String sentence(Samples samples, Optional<Usual> usual) {
            var count = counts.at(hour);
            if (count.isEmpty()) {
                return "The hour's own count is unknown, so it was not judged" + usual.map(u ->
                        "; %d tickets or more would have been a spike.".formatted(rule.least(u))).orElse(".");
            }
            long tickets = count.getAsLong();
            if (usual.isEmpty()) {
                return "Silent, since %d samples are too few to judge %d tickets."
                        .formatted(samples.known().size(), tickets);
            }
            var percent = usual.get().percent(tickets);
            var figures = "%d tickets%s%s".formatted(tickets,
                    percent.isEmpty() ? "" : ", %+.1f %%".formatted(percent.getAsDouble()),
                    usual.get().z(tickets).isEmpty() ? "" : ", z %.2f".formatted(usual.get().z(tickets).getAsDouble()));
            long least = rule.least(usual.get());
            return tickets >= least ? "Alerted: %s; fewer than %d would have been silent.".formatted(figures, least)
                    : "Silent: %s; %d or more would have alerted.".formatted(figures, least);
        }
    }

    // ==== Backtest: how often would it have alerted ======================================

    /** Walks forward over the history: each hour is judged from what came before it. */
    record Backtest(Rule rule, Counts counts) {
        private static final double[] THRESHOLDS = {0.25, 0.5, 0.6, 1, 1.5, 2, 3};
        private static final double[] DEVIATIONS = {2, 2.5, 3, 3.5, 4, 5};

        private record Line(Rule rule, double alerts, double episodes) { }

        private record Expected(Hour hour, long count, Usual usual) { }

        Stream<Verdict> verdicts() {
            return counts.hours().stream().map(hour -> rule.judge(counts, hour, counts.at(hour).orElseThrow()));
        }

        private List<Expected> expected(Rule kind) {
            return counts.hours().stream().flatMap(hour -> kind.usual(counts, hour, kind.samples(counts, hour)).stream()
                    .map(usual -> new Expected(hour, counts.at(hour).orElseThrow(), usual))).toList();
        }

        void print(Console console, double perMonth) {
            var lines = new ArrayList<Line>();
            console.result("rule    threshold deviations  alerts/30d episodes/30d");
            for (var name : RuleName.values()) {
                var expected = expected(rule.with(name));
                for (double threshold : THRESHOLDS) {
                    for (double deviations : name == RuleName.MEAN ? new double[] {rule.deviations()} : DEVIATIONS) {
                        var line = line(rule.with(name).with(threshold, deviations), expected);
                        lines.add(line);
                        console.result("%-7s %9.2f %10s %11.1f %12.1f".formatted(lower(name), threshold,
                                name == RuleName.MEAN ? "-" : decimal(deviations), line.alerts(), line.episodes()));
                    }
                }
            }
            largest(console);
            suggest(lines, perMonth, console);
        }

        private static String lower(RuleName name) {
            return name.name().toLowerCase(Locale.ROOT);
        }

        private static Line line(Rule rule, List<Expected> expected) {
            int alerts = 0;
            int episodes = 0;
            var before = new Hour(Long.MIN_VALUE / 2);
            for (var hour : expected) {
                if (rule.passes(hour.count(), hour.usual())) {
                    alerts++;
                    episodes += before.plus(1).equals(hour.hour()) ? 0 : 1;
                    before = hour.hour();
                }
            }
            double months = Math.max(1, expected.size()) / (30 * 24.0);
            return new Line(rule, alerts / months, episodes / months);
        }

        private void largest(Console console) {
            console.result("\nThe five largest with the settings of auth.ini:");
            episodes(rule, counts).stream().sorted(Comparator.comparingDouble(Episode::excess).reversed()).limit(5)
                    .forEach(e -> console.result("  %s  %d hours, peak %d, %.0f over the usual"
                            .formatted(e.start(), e.hours(), e.peak().count(), e.excess())));
        }

        /** Every spike episode of the history, oldest first. */
        static List<Episode> episodes(Rule rule, Counts counts) {
            var episodes = new ArrayList<Episode>();
            for (var hour : counts.hours()) {
                if (rule.judge(counts, hour, counts.at(hour).orElseThrow()) instanceof Spike spike) {
                    var last = episodes.isEmpty() ? null : episodes.get(episodes.size() - 1);
                    if (last != null && last.start().plus(last.hours()).equals(hour)) {
                        episodes.set(episodes.size() - 1, last.and(spike));
                    } else {
                        episodes.add(Episode.of(spike));
                    }
                }
            }
            return episodes;
        }

        private void suggest(List<Line> lines, double perMonth, Console console) {
            var best = lines.stream().filter(line -> line.rule().name() == RuleName.WEEKLY)
                    .min(Comparator.comparingDouble(line -> Math.abs(line.episodes() - perMonth))).orElseThrow();
            console.result("""

                    For about %s alerts in 30 days (these give %s):
                    [misc]
                    SpikeThreshold = %s
                    [spike]
                    Rule = weekly
                    Deviations = %s""".formatted(decimal(perMonth), decimal(best.episodes()),
                    best.rule().threshold(), best.rule().deviations()));
        }
    }

    // ==== Report: what does the history look like ========================================

    /** {@code out/report.html}: one page that needs no network. Local time; unknown hours are hatched. */
    static final class Report {
        private static final int CELL = 12;    // pixels
        private static final int LINE_DAYS = 14;

        private Report() { }

        static void write(Path file, Config config, Counts counts) {
            var rule = config.rule();
            var hours = counts.hours();
            if (hours.isEmpty()) {
                throw new Fault(Exit.HISTORY, config.history() + ": no hour is known yet (expected a first run)");
            }
            var last = hours.get(hours.size() - 1);
            var first = hours.get(0).compareTo(last.plus(-rule.numHours())) > 0 ? hours.get(0)
                    : last.plus(-rule.numHours());
            var episodes = Backtest.episodes(rule, counts).stream().filter(e -> e.start().compareTo(first) >= 0).toList();
            Disk.write(file, PAGE.formatted(escape(config.zendesk().host()), escape(rule.zone().getId()),
                    Alert.time(last, rule.zone()), line(last, rule, counts), heatmap(first, last, rule, counts),
                    table(episodes, rule)).getBytes(UTF_8));
        }

        private static final String PAGE = """
                <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Spike Notifier</title>
                <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
                <style>
                :root{color-scheme:light dark;--ink:#1b1b1b;--paper:#fff;--soft:#777;--cold:#dbe9f6;--hot:#08306b;
                --band:#9ecae1;--spike:#d95f02}
                @media(prefers-color-scheme:dark){:root{--ink:#eee;--paper:#161616;--soft:#999;--cold:#1d2a38;
                --hot:#9ecbff;--band:#3a5a7a;--spike:#ff9d3c}}
                body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;
                padding:16px;max-width:760px}svg{width:100%%;height:auto}text{fill:var(--soft);font-size:9px}
                table{border-collapse:collapse;width:100%%}td,th{text-align:left;padding:4px 8px 4px 0;
                border-bottom:1px solid #8885}.n{text-align:right}p{color:var(--soft)}
                </style></head><body>
                <h1>%s</h1><p>Tickets an hour, on the clock of %s, up to %s.</p>
                <h2>The last 14 days</h2><p>Line: tickets. Band: from the usual to the limit. Circles: spikes.</p>
                %s
                <h2>Every hour</h2><p>A row a day, the newest first; the stronger the blue the more tickets. Framed with
                a dot: a spike. Hatched: unknown.</p>
                %s
                <h2>Spikes</h2>
                %s
                </body></html>
                """;

        private static String line(Hour last, Rule rule, Counts counts) {
            var first = last.plus(-24 * LINE_DAYS + 1);
            var verdicts = LongStream.rangeClosed(first.number(), last.number()).mapToObj(Hour::new)
                    .flatMap(hour -> counts.at(hour).stream().mapToObj(c -> rule.judge(counts, hour, c))).toList();
            double most = verdicts.stream().mapToDouble(v -> Math.max(v.count(), v instanceof Judged j ? j.limit() : 0))
                    .max().orElse(1) + 1e-9;
            ToDoubleFunction<Hour> x = hour -> (hour.number() - first.number()) * 2.0 + 26;
            DoubleUnaryOperator y = tickets -> 180 - tickets / most * 165;
            var band = new StringBuilder();
            var path = new StringBuilder();
            var spikes = new StringBuilder();
            Hour before = null;
            for (var v : verdicts) {
                path.append("%s%.1f %.1f".formatted(v.hour().plus(-1).equals(before) ? "L" : "M",
                        x.applyAsDouble(v.hour()), y.applyAsDouble(v.count())));
                before = v.hour();
                if (v instanceof Judged j) {
                    band.append("<path d=\"M%1$.1f %2$.1fV%3$.1f\"/>".formatted(x.applyAsDouble(v.hour()),
                            y.applyAsDouble(j.usual().mean()), y.applyAsDouble(j.limit())));
                }
                if (v instanceof Spike) {
                    spikes.append("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>%s: %d</title></circle>".formatted(
                            x.applyAsDouble(v.hour()), y.applyAsDouble(v.count()),
                            Alert.time(v.hour(), rule.zone()), v.count()));
                }
            }
            var days = LongStream.rangeClosed(first.number(), last.number()).mapToObj(Hour::new)
                    .filter(h -> h.from().atZone(rule.zone()).getHour() == 0).map(h -> "<text x=\"%.1f\" y=\"195\">%d</text>"
                            .formatted(x.applyAsDouble(h), h.date(rule.zone()).getDayOfMonth()))
                    .collect(Collectors.joining());
            return ("<svg viewBox=\"0 0 704 200\" role=\"img\" aria-label=\"tickets of the last 14 days\">"
                    + "<g stroke=\"var(--band)\" stroke-width=\"2\">%s</g><path d=\"%s\" fill=\"none\" "
                    + "stroke=\"var(--ink)\"/><g fill=\"none\" stroke=\"var(--spike)\" stroke-width=\"2\">%s</g>"
                    + "<text x=\"0\" y=\"18\">%.0f</text><text x=\"0\" y=\"180\">0</text>%s</svg>")
                    .formatted(band, path, spikes, most, days);
        }

        private static String heatmap(Hour first, Hour last, Rule rule, Counts counts) {
            var newest = last.date(rule.zone());
            var counted = counts.hours().stream().filter(h -> h.compareTo(first) >= 0)
                    .mapToLong(h -> counts.at(h).orElseThrow()).sorted().toArray();
            double high = Math.max(1, counted[(counted.length - 1) * 98 / 100]); // one outage must not pale the rest
            var cells = new StringBuilder();
            for (var hour = first; hour.compareTo(last) <= 0; hour = hour.plus(1)) {
                var local = hour.from().atZone(rule.zone());
                int x = 48 + local.getHour() * CELL;
                int y = 14 + (int) ChronoUnit.DAYS.between(local.toLocalDate(), newest) * CELL;
                cells.append(cell(hour, x, y, high, rule, counts));
                if (local.getHour() == 0 && local.getDayOfWeek() == DayOfWeek.MONDAY) {
                    cells.append("<text x=\"0\" y=\"%d\">%s</text>".formatted(y + 9, DateTimeFormatter.ofPattern("d MMM yy",
                            Locale.ENGLISH).format(local)));
                }
            }
            IntStream.of(0, 6, 12, 18).forEach(h -> cells.append("<text x=\"%d\" y=\"10\">%02d:00</text>"
                    .formatted(48 + h * CELL, h)));
            long days = ChronoUnit.DAYS.between(first.date(rule.zone()), newest) + 1;
            return ("<svg viewBox=\"0 0 340 %d\" role=\"img\" aria-label=\"tickets by day and hour\"><defs><pattern id=\"u\" "
                    + "width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><path d=\"M0 4L4 0\" "
                    + "stroke=\"var(--soft)\"/></pattern></defs>%s</svg>").formatted(days * CELL + 16, cells);
        }

        private static String cell(Hour hour, int x, int y, double high, Rule rule, Counts counts) {
            var count = counts.at(hour);
            var square = "<rect x=\"%d\" y=\"%d\" width=\"11\" height=\"11\" ".formatted(x, y);
            if (count.isEmpty()) {
                return square + "fill=\"url(#u)\"><title>%s: unknown</title></rect>"
                        .formatted(Alert.time(hour, rule.zone()));
            }
            boolean spike = rule.judge(counts, hour, count.getAsLong()) instanceof Spike;
            return square + "fill=\"color-mix(in srgb,var(--hot) %.0f%%,var(--cold))\"%s><title>%s: %d</title></rect>%s"
                    .formatted(Math.min(100, count.getAsLong() / high * 100),
                            spike ? " stroke=\"var(--spike)\" stroke-width=\"2\"" : "",
                            Alert.time(hour, rule.zone()), count.getAsLong(),
                            spike ? "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" fill=\"var(--spike)\"/>"
                                    .formatted(x + 5.5, y + 5.5) : "");
        }

        private static String table(List<Episode> episodes, Rule rule) {
            if (episodes.isEmpty()) {
                return "<p>None.</p>";
            }
            var rows = new StringBuilder("<table><tr><th>from</th><th class=\"n\">hours</th><th class=\"n\">peak</th>"
                    + "<th class=\"n\">over the usual</th></tr>");
            for (int i = episodes.size() - 1; i >= 0; i--) {
                var e = episodes.get(i);
                rows.append(("<tr><td>%s</td><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%.0f</td></tr>")
                        .formatted(Alert.time(e.start(), rule.zone()), e.hours(), e.peak().count(), e.excess()));
            }
            return rows.append("</table>").toString();
        }
    }

    // ==== Doctor: would the next run work ================================================

    /** Ticks and crosses; {@link #examine} gives the code of the worst. */
    static final class Doctor {
        private static final Duration SKEW = Duration.ofMinutes(2);

        private final Path file;
        private final World world;
        private final Console console;
        private Exit worst = Exit.OK;

        Doctor(Path file, World world, Console console) {
            this.file = file;
            this.world = world;
            this.console = console;
        }

        private interface Check {
            String run();
        }

        private void check(String what, Check check) {
            try {
                console.result("ok    %s: %s".formatted(what, check.run()));
            } catch (Fault e) {
                console.result("FAIL  %s: %s".formatted(what, e.getMessage()));
                worst = e.exit.code > worst.code ? e.exit : worst;
            }
        }

        Exit examine(boolean send) {
            var read = new AtomicReference<Config>();
            check("config and its permissions", () -> {
                read.set(Config.load(file, world.env(), console));
                return file.toString();
            });
            if (read.get() == null) {
                return worst;
            }
            var config = read.get();
            var zendesk = new Zendesk(config.zendesk(), world, console);
            var last = Hour.lastFull(world.clock());
            check("Zendesk sign-in", () -> "%d tickets in %s, %s".formatted(zendesk.count(last), last,
                    config.zendesk().oauth().isPresent() ? "OAuth" : "API token, which ends on 30 Apr 2027"));
            check("Query", () -> query(zendesk, config, last));
            check("clock", () -> skew(zendesk));
            var mailer = new Mailer(config.mail(), world, console);
            check("SMTP sign-in", () -> {
                mailer.checkSignIn();
                return config.mail().host() + ":" + config.mail().port();
            });
            check("history", () -> history(config, last));
            check("lock", () -> Lock.during(config.history(), () -> "free"));
            check("outbox", () -> new Outbox(config, world, console, mailer).waiting() + " waiting");
            if (send) {
                check("sample alert", () -> sample(config, mailer));
            }
            return worst;
        }

        private static String query(Zendesk zendesk, Config config, Hour last) {
            if (config.zendesk().query().isEmpty()) {
                return "none";
            }
            var from = last.plus(-24 * 7).from();
            long with = zendesk.count(from, last.to());
            long without = zendesk.countAll(from, last.to());
            var figures = "%d of %d tickets of the last 7 days".formatted(with, without);
            return with == 0 ? figures + "; WARNING: it matches nothing"
                    : with >= without ? figures + "; WARNING: it changes nothing (a misspelled word?)" : figures;
        }

        private String skew(Zendesk zendesk) {
            var theirs = zendesk.serverTime();
            if (theirs.isEmpty()) {
                return "Zendesk told no time";
            }
            var skew = Duration.between(theirs.get(), world.clock().instant());
            var text = "%d s from Zendesk's".formatted(skew.toSeconds());
            return skew.abs().compareTo(SKEW) > 0 ? text + "; WARNING: set this machine's clock" : text;
        }

        private static String history(Config config, Hour last) {
            var counts = History.open(config.history(), false);
            var hours = counts.counts().hours();
            return hours.isEmpty() ? "empty, the first run fills it" : "%s to %s, %d hours unknown of the last %d"
                    .formatted(hours.get(0), hours.get(hours.size() - 1),
                            counts.unknown(last.plus(-config.rule().numHours()), last).size(), config.rule().numHours());
        }

        private String sample(Config config, Mailer mailer) {
            var hour = Hour.lastFull(world.clock());
            var alert = new Alert(hour, "sample", hour, "SAMPLE, no spike: " + config.mail().subject(),
                    List.of(new Title("This is a sample."), new Text("Spike Notifier can reach you by mail.")));
            var file = config.out().resolve("sample.eml");
            Disk.write(file, Mailer.message(alert, config, world.clock()));
            try {
                mailer.send(file);
                Files.delete(file);
            } catch (IOException e) {
                throw Disk.unwritable(file, e);
            }
            return "sent to " + String.join(", ", config.mail().recipients());
        }
    }

    // ==== Demo: the whole job against a made-up help desk ================================

    /** Half a year of a made-up help desk with a surge in the last full hour; ends with an alert to look at. */
    static final class Demo {
        private static final long SURGE = 80; // tickets

        private Demo() { }

        static int run(SpikeNotifier main, Path folder) {
            var surge = Hour.lastFull(main.world.clock());
            try (var desk = new Desk(hour -> usual(hour) + (hour.equals(surge) ? SURGE : 0),
                    (hour, i) -> hour.equals(surge) && i >= usual(hour), Desk.NO_LIMITS)) {
                clear(folder);
                main.configFile = folder.resolve("auth.ini");
                Disk.write(main.configFile, """
                        [zendesk]
                        Domain = demo
                        ClientId = demo
                        ClientSecret = %s
                        BaseUrl = %s
                        RequestsPerMinute = 100000
                        [email]
                        Sender = spikes@example.com
                        Recipient = team@example.com
                        [misc]
                        SpikeThreshold = 0.5
                        [spike]
                        Rule = weekly
                        """.formatted(Desk.SECRET, desk.url()).getBytes(UTF_8));
                var config = Config.load(main.configFile, Map.of(), main.console);
                var exit = main.job(config, file -> show(file, folder, main.console));
                Report.write(folder.resolve("report.html"), config, History.open(config.history(), false).counts());
                main.console.result("\nLook at alert.html, alert.eml and report.html in %s (all this took %d requests)."
                        .formatted(folder, desk.requests()));
                return exit.code;
            } catch (IOException e) {
                throw Disk.unwritable(folder, e);
            }
        }

        private static void clear(Path folder) throws IOException {
            if (!Files.isDirectory(folder)) {
                return;
            }
            try (var files = Files.walk(folder)) {
                for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }

        /** Weekdays busy by day, nights and weekends quiet, no two weeks alike. */
        private static long usual(Hour hour) {
            var time = hour.from().atZone(ZoneOffset.UTC);
            double day = 2 + 22 * Math.exp(-Math.pow((time.getHour() - 13) / 4.5, 2));
            double weekend = time.getDayOfWeek().getValue() >= 6 ? 0.35 : 1;
            double chance = new Random(hour.number() * 31).nextGaussian();
            return Math.max(0, Math.round(day * weekend * (1 + 0.18 * chance)));
        }

        /** Stands in for the mail server: the mail that would have gone out, to look at. */
        private static void show(Path mail, Path folder, Console console) throws IOException {
            try {
                var message = new MimeMessage(Session.getInstance(new Properties()), Files.newInputStream(mail));
                var parts = (Multipart) message.getContent();
                Disk.write(folder.resolve("alert.eml"), Files.readAllBytes(mail));
                Disk.write(folder.resolve("alert.html"), parts.getBodyPart(1).getContent().toString().getBytes(UTF_8));
                console.result("From: %s\nTo: %s\nSubject: %s\n\n%s".formatted(message.getFrom()[0],
                        message.getAllRecipients()[0], message.getSubject(), parts.getBodyPart(0).getContent()));
            } catch (MessagingException e) {
                throw new IOException(e);
            }
        }
    }

    /** Answers as Zendesk does, on 127.0.0.1: OAuth token, search/count, search, search/export, request limits. */
    static final class Desk implements AutoCloseable {
        static final String SECRET = "made-up-secret";
        static final Limits NO_LIMITS = new Limits(Integer.MAX_VALUE, Integer.MAX_VALUE, Duration.ofMinutes(1),
                Duration.ZERO);
        private static final String TOKEN = "made-up-token";
        private static final Pattern BOUND = Pattern.compile("created(>=|<)(\\S+)");
        private static final String[] TAGS = {"billing", "login", "shipping", "refund", "mobile_app", "feature_request"};

        /** Requests allowed in a minute (of export, of all), how long the minute is, and each answer's delay. */
        record Limits(int exports, int all, Duration minute, Duration delay) { }

        private record Answer(int status, String body) { }

        private final HttpServer server;
        private final ExecutorService threads = Executors.newFixedThreadPool(16);
        private final ToLongFunction<Hour> count;
        private final BiPredicate<Hour, Long> surging;
        private final Limits limits;
        private final AtomicInteger requests = new AtomicInteger();
        private long minute;
        private int all;
        private int exports;

        /** @param surging whether the n-th ticket of an hour belongs to the surge */
        Desk(ToLongFunction<Hour> count, BiPredicate<Hour, Long> surging, Limits limits) throws IOException {
            this.count = count;
            this.surging = surging;
            this.limits = limits;
            server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
            server.setExecutor(threads);
            server.createContext("/", this::handle);
            server.start();
        }

        String url() {
            return "http://127.0.0.1:" + server.getAddress().getPort();
        }

        int requests() {
            return requests.get();
        }

        @Override
        public void close() {
            server.stop(0);
            threads.shutdownNow();
        }

        private void handle(HttpExchange exchange) throws IOException {
            requests.incrementAndGet();
            try (exchange) {
                Thread.sleep(limits.delay().toMillis());
                var path = exchange.getRequestURI().getPath();
                var answer = path.equals("/oauth/tokens") ? token(exchange) : limited(path, exchange);
                var body = answer.body().getBytes(UTF_8);
                exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
                exchange.sendResponseHeaders(answer.status(), body.length);
                exchange.getResponseBody().write(body);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }

        private static Answer token(HttpExchange exchange) throws IOException {
            var form = JSON.readTree(exchange.getRequestBody());
            return SECRET.equals(form.path("client_secret").asText())
                    ? new Answer(200, "{\"access_token\":\"%s\",\"token_type\":\"bearer\",\"expires_in\":1800}".formatted(TOKEN))
                    : new Answer(401, "{\"error\":\"invalid_client\",\"error_description\":\"Client authentication failed\"}");
        }

        private Answer limited(String path, HttpExchange exchange) {
            var signedIn = exchange.getRequestHeaders().getFirst("Authorization");
            if (!("Bearer " + TOKEN).equals(signedIn)) {
                return new Answer(401, "{\"error\":\"Couldn't authenticate you\"}");
            }
            long wait = overLimit(path.contains("export"));
            if (wait > 0) {
                exchange.getResponseHeaders().set("Retry-After", Long.toString(wait));
                return new Answer(429, "{\"error\":\"APIRateLimitExceeded\",\"description\":\"Number of allowed API "
                        + "requests per minute exceeded\"}");
            }
            var query = Stream.of(exchange.getRequestURI().getRawQuery().split("&")).map(pair -> pair.split("=", 2))
                    .collect(Collectors.toMap(pair -> URLDecoder.decode(pair[0], UTF_8),
                            pair -> URLDecoder.decode(pair[1], UTF_8)));
            return switch (path) {
                case "/api/v2/search/count.json" -> new Answer(200, "{\"count\":%d}".formatted(
                        matching(query).mapToLong(span -> span.end() - span.start()).sum()));
                case "/api/v2/search.json" -> search(query);
                case "/api/v2/search/export.json" -> export(query);
                default -> new Answer(404, "{\"error\":\"RecordNotFound\",\"description\":\"Not found\"}");
            };
        }

        /** Seconds until the request would be let in, 0 for now. */
        private synchronized long overLimit(boolean export) {
            long now = System.nanoTime();
            if (now - minute > limits.minute().toNanos() || minute == 0) {
                minute = now;
                all = 0;
                exports = 0;
            }
            boolean over = ++all > limits.all() || export && ++exports > limits.exports();
            return over ? 1 + TimeUnit.NANOSECONDS.toSeconds(limits.minute().toNanos() - (now - minute)) : 0;
        }

        /** The tickets number start to end (without it) of an hour. */
        private record Span(Hour hour, long start, long end) { }

        private Stream<Span> matching(Map<String, String> query) {
            var bounds = BOUND.matcher(query.get("query")).results()
                    .collect(Collectors.toMap(m -> m.group(1), m -> Instant.parse(m.group(2))));
            var from = bounds.get(">=");
            var to = bounds.get("<");
            return LongStream.range(Hour.of(from).number(), Hour.of(to.plusSeconds(3599)).number()).mapToObj(Hour::new)
                    .map(hour -> new Span(hour, before(hour, from), before(hour, to)));
        }

        /** How many tickets of the hour were created before the instant. */
        private long before(Hour hour, Instant time) {
            long seconds = Math.max(0, Math.min(3600, time.getEpochSecond() - hour.from().getEpochSecond()));
            return (count.applyAsLong(hour) * seconds + 3599) / 3600;
        }

        private Answer search(Map<String, String> query) {
            long skip = (Long.parseLong(query.getOrDefault("page", "1")) - 1) * 100;
            if (skip >= Zendesk.SEARCH_MOST) {
                return new Answer(422, "{\"error\":\"invalid\",\"description\":\"Invalid search: Requested response size was "
                        + "greater than Search Response Limits\"}");
            }
            var spans = matching(query).toList();
            long total = spans.stream().mapToLong(span -> span.end() - span.start()).sum();
            var page = JSON.createObjectNode();
            var results = page.putArray("results");
            spans.stream().flatMap(span -> LongStream.range(span.start(), span.end())
                    .mapToObj(i -> ticket(span.hour(), i))).skip(skip).limit(100).forEach(results::add);
            page.put("count", total).put("next_page", skip + 100 >= total ? null
                    : link("/api/v2/search.json", query, "page", Long.toString(skip / 100 + 2)));
            return new Answer(200, page.toString());
        }

        private Answer export(Map<String, String> query) {
            int size = Integer.parseInt(query.get("page[size]"));
            long skip = Long.parseLong(query.getOrDefault("page[after]", "0"));
            var spans = new ArrayList<>(matching(query).toList());
            Collections.reverse(spans);
            var page = JSON.createObjectNode();
            var results = page.putArray("results");
            long passed = 0;
            for (var span : spans) {
                for (long i = span.end() - 1 - Math.max(0, skip - passed); i >= span.start() && results.size() <= size; i--) {
                    results.add(ticket(span.hour(), i));
                }
                passed += span.end() - span.start();
            }
            boolean more = results.size() > size;
            if (more) {
                results.remove(size);
            }
            page.putObject("meta").put("has_more", more);
            page.putObject("links").put("next", more ? link("/api/v2/search/export.json", query, "page[after]",
                    Long.toString(skip + size)) : null);
            return new Answer(200, page.toString());
        }

        private String link(String path, Map<String, String> query, String name, String value) {
            var next = new TreeMap<>(query);
            next.put(name, value);
            return url() + path + "?" + next.entrySet().stream().map(e -> encode(e.getKey()) + "=" + encode(e.getValue()))
                    .collect(Collectors.joining("&"));
        }

        private ObjectNode ticket(Hour hour, long i) {
            long id = hour.number() * 10_000_000 + i;
            var chance = new Random(id);
            boolean surge = surging.test(hour, i);
            var ticket = JSON.createObjectNode().put("id", id).put("result_type", "ticket").put("status", "new")
                    .put("created_at", hour.from().plusSeconds(i * 3600 / count.applyAsLong(hour)).toString())
                    .put("subject", surge ? "Checkout fails with error 502" : "Question number " + i)
                    .put("requester_id", 1000 + chance.nextInt(5000));
            var tags = ticket.putArray("tags");
            tags.add(surge ? "checkout_error" : TAGS[chance.nextInt(TAGS.length)]);
            if (chance.nextInt(3) == 0) {
                tags.add("vip");
            }
            return ticket;
        }
    }

    // ==== Exit and Fault: how does a run end, and what is said ============================

    /** Exit codes of sysexits.h; JBang's own failures are 1 to 4 and a missing jbang 127. */
    enum Exit {
        OK(0, "hour judged, spike or not"),
        USAGE(64, "bad command line"),
        ZENDESK(69, "Zendesk unreachable, or nonsense after the retries"),
        BUG(70, "anything unforeseen, with its trace"),
        HISTORY(74, "history unreadable or unwritable"),
        TRY_LATER(75, "a notice waits in the outbox, or another run is on"),
        REFUSED(77, "Zendesk or SMTP refused the credentials"),
        CONFIG(78, "auth.ini missing, malformed or incomplete");

        final int code;
        final String when;

        Exit(int code, String when) {
            this.code = code;
            this.when = when;
        }

        static Map<String, String> table() {
            return Stream.of(values()).collect(Collectors.toMap(exit -> Integer.toString(exit.code),
                    exit -> exit.when, (a, b) -> a, LinkedHashMap::new));
        }
    }

    /** An expected failure: where, what is wrong, what was expected. Anything else that is thrown is a bug. */
    static final class Fault extends RuntimeException {
        private static final long serialVersionUID = 1;
        final Exit exit;

        Fault(Exit exit, String message, Throwable cause) {
            super(message, cause);
            this.exit = exit;
        }

        Fault(Exit exit, String message) {
            this(exit, message, null);
        }
    }

    /** Results to stdout, the rest to stderr; every known secret is blotted out on the way. */
    static final class Console {
        private static final long MINUTE = TimeUnit.MINUTES.toNanos(1);
        private static final int BAR = 30; // characters

        private final PrintWriter out;
        private final PrintWriter err;
        private final boolean quiet;
        private final boolean verbose;
        private final boolean terminal;
        private final Set<String> secrets = ConcurrentHashMap.newKeySet();
        private final long start = System.nanoTime();
        private long nextProgress = start + MINUTE;

        Console(PrintWriter out, PrintWriter err, boolean quiet, boolean verbose, boolean terminal) {
            this.out = out;
            this.err = err;
            this.quiet = quiet;
            this.verbose = verbose;
            this.terminal = terminal;
        }

        void hide(String secret) {
            if (secret.length() > 3) {
                secrets.add(secret);
                secrets.add(Base64.getEncoder().encodeToString(secret.getBytes(UTF_8)));
                secrets.add(encode(secret));
            }
        }

        void result(String text) {
            if (!quiet) {
                out.println(safe(text));
                out.flush();
            }
        }

        void note(String text) {
            if (!quiet) {
                warn(text);
            }
        }

        void detail(String text) {
            if (verbose) {
                warn(text);
            }
        }

        void warn(String text) {
            err.println(safe(text));
            err.flush();
        }

        private String safe(String text) {
            var shown = text;
            for (var secret : secrets) {
                shown = shown.replace(secret, "***");
            }
            return shown;
        }

        /** A bar with the time left on a terminal, a line a minute elsewhere. */
        void progress(String what, long done, long all) {
            long now = System.nanoTime();
            if (quiet || !terminal && now < nextProgress) {
                return;
            }
            nextProgress = now + MINUTE;
            long left = done == 0 ? 0 : TimeUnit.NANOSECONDS.toSeconds((now - start) / done * Math.max(0, all - done));
            var text = "%d of %d %s, about %d:%02d left".formatted(done, all, what, left / 60, left % 60);
            if (!terminal) {
                warn(text);
                return;
            }
            int full = (int) Math.min(BAR, done * BAR / Math.max(1, all));
            err.print("\r[" + "=".repeat(full) + " ".repeat(BAR - full) + "] " + text + " "
                    + (done >= all ? "\n" : ""));
            err.flush();
        }

        /** What the user is told of a failure, and its exit code. */
        int report(Throwable e) {
            if (e instanceof Fault fault) {
                warn(fault.getMessage());
                return fault.exit.code;
            }
            var trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace));
            warn(trace.toString());
            return Exit.BUG.code;
        }
    }
}
