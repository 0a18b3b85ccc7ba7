///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells a support team within the hour that Zendesk tickets surge: how many, how unusual, which tags
//JAVA 17+
//JAVAC_OPTIONS -encoding UTF-8
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.21.8
//DEPS org.eclipse.angus:angus-mail:2.0.5
//DEPS org.ini4j:ini4j:0.5.4

/*
 * Spike Notifier counts the Zendesk tickets created in the last full hour, compares the count with
 * what that hour usually holds, and tells the support team when there are clearly more. Cron runs
 * it every hour.
 *
 * ONE RUN, see call, then Job.run
 *   1. read auth.ini and take the lock: one run at a time per history
 *   2. send the notices that wait in the outbox
 *   3. count the last full hour
 *   4. make the past true: read what the history lacks, and count the day before once more
 *   5. judge the hours that runs missed, those whose count has grown since, and the last one
 *   6. on a spike read its tickets, rank their tags, and write the notice to the outbox
 *   7. send it, and move it to the folder "sent" when every receiver has accepted or refused it
 *   8. delete what was told half a year ago, and tell the watcher how the run ended
 *
 * THE RULES, see Baselines and Judge
 *   mean      limit = (1 + SpikeThreshold) * mean, the mean being that of the same hour of day in
 *             the last NumHours, without the hour itself; more than the limit is a spike. Example:
 *             40, 38 and 42 tickets at 13:00 have the mean 40; at SpikeThreshold 0.6 the limit is
 *             64, so 64 tickets are calm and 65 are a spike.
 *   weekly    this hour, or it and the one before together, held far more than they usually do on
 *             this weekday, given how busy the last three days were. Example: usual 10.7, deviation
 *             3.4, and 11 in the hour before: 25 tickets are a spike, 24 are not.
 *
 * WORDS USED THROUGHOUT
 *   hour      a full UTC hour [from, to)
 *   count     the tickets created in it; an unknown count is never 0
 *   sample    an earlier hour's count that the judged hour is compared with
 *   baseline  what the samples say an hour usually holds: their mean and deviation
 *   threshold a count that a spike has to reach; the highest is the effective one, but of "alone"
 *             and "with the hour before" one is enough
 *   spike     an hour that reaches its thresholds; calm: one that does not; learning: one that
 *             has too few samples
 *   episode   a spike from its first hour to the all-clear, told in one mail thread
 *   notice    what is told about an hour, stored before it goes out
 *   receiver  a mail address or the webhook
 *
 * TO CHANGE                              EDIT
 *   a key, its default, its range        Config: one line a key; README.md and auth.ini.example too
 *   who gets the mail                    Config.mailReceivers; Mailer.message for the headers
 *   when an hour is a spike              Judge.isSpike; the thresholds stand below it
 *   when a spike is told again           Repeat.tells, for job and backtest alike
 *   the words of mail and chat           NoticeWriter: each notice from top to bottom
 *   the webhook's JSON                   Chat.payload; for programs Chat.facts
 *   what Zendesk is asked                Zendesk.words; NoticeWriter.agentSearch for the links
 *   an exit code                         Exit
 * and then run: jbang tests/Demo.java, jbang tests/SpikeNotifierTest.java
 *
 * grep '// ====' SpikeNotifier.java prints the table of contents. A section uses only those below.
 */
package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.core.*;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.type.LogicalType;
import jakarta.mail.AuthenticationFailedException;
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.URLName;
import jakarta.mail.internet.*;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.CharacterCodingException;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.security.cert.CertificateException;
import java.time.*;
import java.time.format.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLHandshakeException;
import org.eclipse.angus.mail.smtp.SMTPTransport;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ScopeType;

// Not public, so that a link to this file may have any name.
@Command(name = "SpikeNotifier", mixinStandardHelpOptions = true,
    versionProvider = SpikeNotifier.Version.class, subcommands = HelpCommand.class,
    description = "Counts the Zendesk tickets of the last full hour and tells the team when they "
        + "surge. Without a command it does the hourly job.",
    optionListHeading = "%nOptions of every command:%n", commandListHeading = "%nCommands:%n",
    footerHeading = "%nExamples:%n",
    footer = {
        "  jbang SpikeNotifier.java doctor --send     does everything work, mail too?",
        "  jbang SpikeNotifier.java --dry-run         what would be told now?",
        "  jbang SpikeNotifier.java explain 2026-11-24T13",
        "%nEnvironment:",
        "  SPIKE_ZENDESK_CLIENTSECRET, SPIKE_ZENDESK_CREDENTIALS, SPIKE_EMAIL_PASSWORD,",
        "  SPIKE_EMAIL_CLIENTSECRET     secrets in the place of those in the INI file",
        "  https_proxy, http_proxy, no_proxy     the way to Zendesk, webhook and watcher",
        "  LC_ALL=C.UTF-8     where file names or secrets hold more than ASCII"})
final class SpikeNotifier implements Callable<Integer> {
  static final String NAME = "Spike Notifier";
  static final String VERSION = "2.0.0";

  @Option(names = {"-c", "--config"}, paramLabel = "FILE", scope = ScopeType.INHERIT,
      description = "the INI file (default: auth.ini)")
  Path configFile = Path.of("auth.ini");

  @Option(names = "--json", scope = ScopeType.INHERIT,
      description = "print JSON, one object a line")
  boolean json;

  @Option(names = {"-q", "--quiet"}, scope = ScopeType.INHERIT, description = "print faults only")
  boolean quiet;

  @Option(names = {"-v", "--verbose"}, scope = ScopeType.INHERIT,
      description = "print each request too, never a secret")
  boolean verbose;

  /** Options that the commands do not have. */
  static final class JobOptions {
    @Option(names = "--hour", paramLabel = "HOUR",
        description = "judge this UTC hour, e.g. 2026-11-24T13, instead of the last full one")
    Hour hour;

    @Option(names = "--dry-run", description = "print the mail; send, store and ping nothing")
    boolean dryRun;
  }

  @ArgGroup(validate = false, heading = "%nOptions of the hourly job:%n")
  JobOptions job = new JobOptions();

  private final World world;

  private SpikeNotifier(World world) {
    this.world = world;
  }

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT); // numbers in mails and logs read the same on every machine
    System.setProperty("jdk.http.auth.tunneling.disabledSchemes", ""); // a proxy's password
    System.exit(execute(World.real(), args));
  }

  /** The whole command line. @param world the machine as the program sees it, for tests */
  static int execute(World world, String... args) {
    try {
      return commandLine(world).execute(args);
    } catch (Error e) { // such as too little memory; picocli hands on exceptions only
      return world.report(e);
    }
  }

  /** The hourly job. */
  @Override
  @SuppressWarnings("try") // the lock is held, not used
  public Integer call() {
    var config = Config.read(configFile, world);
    int code;
    try {
      config.refuseMistakes();
      try (var lock = job.dryRun ? null : Lock.take(config.historyFile)) {
        code = new Job(config, world, job.dryRun, json).run(job.hour).code;
      }
    } catch (RuntimeException | Error e) { // here, so that the watcher hears of it
      code = world.report(e);
    }
    boolean pings = config.pingUrl != null && !job.dryRun;
    if (pings) Heartbeat.send(config.pingUrl, code, world);
    return code;
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Tells, offline, why an hour of the history is a spike or is not, and what "
          + "was sent about it.")
  void explain(
      @Parameters(paramLabel = "HOUR", description = "a UTC hour, e.g. 2026-11-24T13") Hour hour) {
    var config = Config.readOffline(configFile, world);
    new Explanation(config, History.read(config.historyFile), hour).print(world, json);
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Replays the history, offline: how many spikes would which settings find?")
  void backtest(
      @Option(names = "--per-month", paramLabel = "N",
          description = "suggest the mildest change of your settings that finds at most N spikes "
              + "in 30 days") Double perMonth,
      @Option(names = "--since", paramLabel = "DATE",
          description = "leave out the hours before, e.g. 2026-08-01") LocalDate since) {
    if (perMonth != null && !(perMonth >= 0.5 && perMonth <= 1000)) {
      throw Exit.USAGE.fault("--per-month %s: expected a number from 0.5 to 1000", perMonth);
    }
    if (json && perMonth != null) {
      throw Exit.USAGE.fault("--per-month means nothing with --json");
    }
    var config = Config.readOffline(configFile, world);
    new Backtest(config, History.read(config.historyFile), since).print(world, perMonth, json);
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Writes, offline, out/report.html: a picture of the history.")
  void report() {
    var config = Config.readOffline(configFile, world);
    var file = Report.write(config, History.read(config.historyFile), world.clock.instant());
    world.result(Disk.shown(file));
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Checks config, rights, Zendesk, mail, history, lock and outbox; with --send "
          + "webhook and watcher too.")
  int doctor(
      @Option(names = "--send", description = "send a sample notice, marked as such, by mail and "
          + "webhook, and ping the watcher, once as failed and once as good") boolean send) {
    return new Doctor(configFile, world, json).examine(send).code;
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Prints a completion script for bash and zsh; use it by source <(...).")
  void completion(
      @Parameters(paramLabel = "NAME", arity = "0..1", defaultValue = "spike-notifier",
          description = "the command that you call (default: spike-notifier)") String name) {
    world.out.print(AutoComplete.bash(name, commandLine(world)));
    world.out.flush();
  }

  static CommandLine commandLine(World world) {
    var main = new SpikeNotifier(world);
    var line = new CommandLine(main)
        .setOut(world.out)
        .setErr(world.err)
        .registerConverter(Path.class, SpikeNotifier::pathOption)
        .registerConverter(Hour.class, option(Hour::parse,
            "a UTC hour of 2000 to 2199, such as 2026-11-24T13"))
        .registerConverter(LocalDate.class, option(LocalDate::parse, "a date such as 2026-08-01"))
        .registerConverter(Double.class, option(Double::valueOf, "a number"))
        .setExecutionStrategy(main::execute)
        .setExecutionExceptionHandler((e, command, parsed) -> world.report(e))
        .setParameterExceptionHandler((e, args) -> main.refuse(e));
    line.getCommandSpec().usageMessage()
        .exitCodeListHeading("%nExit codes:%n")
        .exitCodeList(Exit.table());
    return line;
  }

  /** Reads an option; what cannot be read is told without the name of a Java class. */
  private static <T> CommandLine.ITypeConverter<T> option(Function<String, T> parse,
      String expected) {
    return text -> {
      try {
        return parse.apply(text);
      } catch (DateTimeException | NumberFormatException e) {
        throw new CommandLine.TypeConversionException(
            "'" + text + "' (expected " + expected + ")");
      }
    };
  }

  private static Path pathOption(String text) {
    try {
      return Disk.path(text);
    } catch (InvalidPathException e) {
      throw new CommandLine.TypeConversionException("'" + text + "' " + e.getReason());
    }
  }

  /** A usage error: its line, and one that points at the help. */
  private int refuse(ParameterException e) {
    world.warn(firstLine(e.getMessage()));
    var command = e.getCommandLine().getCommandSpec().qualifiedName();
    world.warn("See " + command + " --help");
    return Exit.USAGE.code;
  }

  private int execute(CommandLine.ParseResult parsed) {
    refuseWhatMeansNothing(parsed);
    if (quiet) world.verbosity = Verbosity.QUIET;
    if (verbose) world.verbosity = Verbosity.VERBOSE;
    return new CommandLine.RunLast().execute(parsed);
  }

  private void refuseWhatMeansNothing(CommandLine.ParseResult parsed) {
    var line = parsed.commandSpec().commandLine();
    if (parsed.isUsageHelpRequested() || parsed.isVersionHelpRequested()) return;
    if (quiet && verbose) throw new ParameterException(line, "-q and -v exclude each other");
    if (!parsed.hasSubcommand()) return;

    var command = parsed.subcommand().commandSpec().name();
    if (parsed.subcommand().isUsageHelpRequested()) return;
    if (job.hour != null || job.dryRun) {
      throw new ParameterException(line, "--hour and --dry-run belong to the hourly job, not to "
          + command);
    }
    boolean mayBeQuiet = Set.of("doctor", "report").contains(command);
    boolean mayBeJson = Set.of("doctor", "explain", "backtest").contains(command);
    if (quiet && !mayBeQuiet) throw meansNothing(line, "-q", command);
    if (json && !mayBeJson) throw meansNothing(line, "--json", command);
    if (verbose && !command.equals("doctor")) throw meansNothing(line, "-v", command);
  }

  private static ParameterException meansNothing(CommandLine line, String option, String command) {
    return new ParameterException(line, option + " means nothing to " + command);
  }

  /** For --version: what a report of a fault should name. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
          NAME + " " + VERSION,
          "Java " + Runtime.version() + " (" + System.getProperty("java.vendor") + ")",
          "picocli " + CommandLine.VERSION
              + ", jackson-databind " + com.fasterxml.jackson.databind.cfg.PackageVersion.VERSION
              + ", angus-mail 2.0.5, ini4j 0.5.4"};
    }
  }

  // ==== Job: what is done about each hour =======================================================

  /** One run of the hourly job. */
  static final class Job {
    private static final int TAG_WEEKS = 4;
    private static final int MOST_COMPARED = 5000; // tickets of an earlier hour
    private static final int MOST_RANKED = 50_000; // tickets of a spike

    private final Config config;
    private final World world;
    private final boolean dryRun;
    private final boolean json;
    private final Rule rule;
    private final Zendesk zendesk;
    private final History history;
    private final Outbox outbox;

    Job(Config config, World world, boolean dryRun, boolean json) {
      this.config = config;
      this.world = world;
      this.dryRun = dryRun;
      this.json = json;
      this.rule = new Rule(config);
      this.zendesk = new Zendesk(config, world);
      this.history = History.open(config.historyFile, config.zendeskHost, config.query);
      this.outbox = new Outbox(config, world);
    }

    /** @param chosen the hour to judge, or null for the last full one */
    Exit run(Hour chosen) {
      if (chosen != null) refuseUnlessPast(chosen);
      zendesk.warnOfApiToken();
      if (!dryRun) outbox.sendWaiting();

      boolean isFirst = history.judged() == null;
      var last = countLast(chosen);
      var backfill = new Backfill(zendesk, history, this::save, world);
      backfill.before(isFirst ? lastHour() : last, config.numHours);
      var judge = new Judge(rule, history.counts());
      for (var hour : unjudged(last)) judge(hour, judge);
      if (isFirst) beginWithNow();

      if (!dryRun) outbox.prune();
      world.detail(plural(zendesk.requests(), "request") + " to Zendesk");
      return outbox.worst();
    }

    private void refuseUnlessPast(Hour chosen) {
      var last = lastHour();
      var first = last.plus(-config.numHours);
      if (last.isBefore(chosen)) {
        throw Exit.USAGE.fault("--hour %s: is not over yet (expected %s or earlier)", chosen.name(),
            last.name());
      }
      if (chosen.isBefore(first)) {
        throw Exit.USAGE.fault("--hour %s: is older than NumHours (expected %s or later)",
            chosen.name(), first.name());
      }
    }

    /** Counts the hour, or an earlier one when Zendesk's clock says that it is not over. */
    private Hour countLast(Hour chosen) {
      var last = chosen != null ? chosen : lastHour();
      long count = zendesk.count(last, last.plus(1));
      if (lastHour().isBefore(last)) {
        last = lastHour();
        world.warn("this machine's clock is ahead of Zendesk's, which says %s: judging %s (set the "
            .formatted(zendesk.serverTime(), last) + "clock)");
        count = zendesk.count(last, last.plus(1));
      }
      history.put(last, count);
      return last;
    }

    /** The hours to judge, oldest first: those that runs missed, those that grew, the last one. */
    private List<Hour> unjudged(Hour last) {
      var hours = new TreeSet<Hour>();
      var oldest = last.plus(1 - Hour.NEWS);
      var judged = history.judged();
      if (judged != null) {
        var first = Collections.max(List.of(judged.plus(1), oldest));
        Hour.range(first, last).forEach(hours::add);
      }
      for (var hour : history.again()) {
        if (hour.isBefore(oldest)) history.wasJudged(hour); // no news any more
        else if (hour.isBefore(last)) hours.add(hour);
      }
      hours.removeIf(hour -> !history.knows(hour));
      hours.add(last);
      return List.copyOf(hours);
    }

    /** After a first run with --hour the hours since then are no missed ones. */
    private void beginWithNow() {
      history.begin(lastHour());
      history.wasJudged(lastHour().plus(-1));
      save();
    }

    /** What was told is stored before the hour counts as judged, so a kill leaves it to be told. */
    private void judge(Hour hour, Judge judge) {
      var verdict = judge.verdict(hour);
      var alert = "none";
      SpikeTickets tickets = null;
      if (verdict instanceof Spike spike) {
        boolean isTold = outbox.wasSent(hour, Kind.SPIKE);
        boolean tells = !isTold && isWorthTelling(spike);
        if (tells || json) tickets = read(spike);
        if (isTold) alert = "already-sent";
        if (tells) alert = tell(spike, tickets, judge);
      } else if (verdict instanceof Calm calm) {
        alert = tellTheEnd(calm, judge);
      }
      history.wasJudged(hour);
      save();
      print(verdict, alert, tickets);
    }

    private void save() {
      if (!dryRun) history.save();
    }

    /** By Repeat, from the ledger alone. */
    private boolean isWorthTelling(Spike spike) {
      var ledger = outbox.ledger();
      if (ledger.find(spike.hour(), Kind.SPIKE) != null) return true; // it may wait, or a kill came
      var newest = ledger.newest(spike.hour());
      boolean isOpen = newest != null && newest.topic().kind() == Kind.SPIKE;
      if (!isOpen) return true;
      return config.repeat.tells(spike.count(), newest.facts().count());
    }

    private String tell(Spike spike, SpikeTickets tickets, Judge judge) {
      var opening = outbox.ledger().opening(spike.hour());
      var writer = new NoticeWriter(config, judge, world);
      return deliver(writer.spike(spike, opening, tickets, soFar(spike.hour())));
    }

    /** One notice that it is over; without AllClear it is noted all the same, so that it ends. */
    private String tellTheEnd(Calm calm, Judge judge) {
      if (outbox.wasSent(calm.hour(), Kind.CLEAR)) return "already-sent";
      var newest = outbox.ledger().newest(calm.hour().plus(-1));
      if (newest == null || newest.topic().kind() != Kind.SPIKE) return "none";
      boolean isOld = outbox.ledger().newest(lastHour()).hour().isAfter(calm.hour());
      if (isOld) return "none"; // what was told of later hours has passed this one by
      var opening = outbox.ledger().firstOf(newest);
      var notice = new NoticeWriter(config, judge, world).clear(calm, opening);
      if (config.allClear) return deliver(notice);
      if (!dryRun) outbox.noteUnsent(notice);
      return "none";
    }

    /** By this machine's clock, and by Zendesk's once it has told its time. */
    private Hour lastHour() {
      var here = Hour.lastFull(world.clock.instant());
      var there = zendesk.serverTime();
      return there != null && there.isBefore(here.to()) ? Hour.lastFull(there) : here;
    }

    private String deliver(Notice notice) {
      if (!dryRun) return outbox.deliver(notice);
      var mail = "Subject: " + notice.topic().subject() + "\n\n" + notice.words().text();
      if (json) world.info(mail);
      else world.result(mail);
      return "dry-run";
    }

    /** Whether it goes on; a question that may fail without harm. */
    private HourInProgress soFar(Hour hour) {
      var now = world.clock.instant().truncatedTo(ChronoUnit.SECONDS);
      var there = zendesk.serverTime();
      var until = there != null && there.isBefore(now) ? there : now;
      boolean isRecent = hour.to().isBefore(until) && until.isBefore(hour.plus(2).to());
      if (!isRecent) return null;
      try {
        return new HourInProgress(until, zendesk.count(hour.to(), until, config.query));
      } catch (Fault e) {
        world.detail(e.getMessage());
        return null;
      }
    }

    /** The spike's tickets and the usual tags. What cannot be read must not stop the notice. */
    private SpikeTickets read(Spike spike) {
      var tickets = new SpikeTickets(config.omittedTags);
      var trouble = readInto(tickets::add, spike.hour(), spike.count());
      if (spike.count() > MOST_RANKED && trouble.isEmpty()) {
        tickets.setMissing("the newest " + tickets.size() + "; more are not read");
      } else if (tickets.size() < spike.count()) {
        tickets.setMissing(trouble.isEmpty() ? "the others made no sense or were not found"
            : trouble);
      }
      readWeeks(spike.hour(), tickets);
      return tickets;
    }

    private void readWeeks(Hour hour, SpikeTickets tickets) {
      tickets.setNoUsual("that hour of the last weeks is not known, or held too many");
      for (int week = 1; week <= TAG_WEEKS; week++) {
        for (var past : hour.daysBefore(7 * week, config.zone)) {
          var count = history.at(past);
          if (count == null || count > MOST_COMPARED) continue;
          var tally = new Tally(config.omittedTags);
          var trouble = readInto(tally::add, past, count);
          if (!trouble.isEmpty()) { // enough of waiting
            tickets.setNoUsual(trouble);
            return;
          }
          tickets.addWeek(tally);
        }
      }
    }

    /** @return why it did not get to the end, or an empty text */
    private String readInto(Consumer<Ticket> each, Hour hour, long count) {
      try {
        var end = hour.plus(1);
        var pages = count <= Zendesk.SEARCH_MOST ? zendesk.search(hour, end)
            : zendesk.export(hour, end, Zendesk.PAGE);
        long most = count <= Zendesk.SEARCH_MOST ? Zendesk.SEARCH_MOST : MOST_RANKED;
        var seen = new HashSet<Long>();
        while (seen.size() < most && pages.hasNext()) {
          int before = seen.size();
          for (var ticket : pages.next()) {
            boolean isNew = ticket.isWithin(hour.from(), hour.to()) && seen.add(ticket.id());
            if (isNew) each.accept(shown(ticket));
          }
          if (seen.size() == before) return ""; // no end would be in sight
        }
        return "";
      } catch (Fault e) {
        world.warn(e.getMessage());
        return e.getMessage();
      }
    }

    /** With other people's words made fit to be shown. */
    private Ticket shown(Ticket ticket) {
      var subject = ticket.subject() == null ? null : world.sanitize(ticket.subject());
      var tags = ticket.tags().stream().map(world::sanitize).toList();
      return new Ticket(ticket.id(), ticket.created(), subject, ticket.requester(), tags,
          ticket.type());
    }

    private void print(Verdict verdict, String alert, SpikeTickets tickets) {
      var line = json(verdict).put("alert", alert);
      if (json) {
        if (tickets != null) {
          line.set("tags", JSON.valueToTree(tickets.top(config.numTags)));
        }
        world.result(line.toString());
        return;
      }
      var words = new StringJoiner(" ").add("hour=" + verdict.hour());
      for (var name : List.of("count", "mean", "limit", "percent", "samples", "verdict",
          "alert")) {
        var value = line.get(name);
        words.add(name + "=" + (value.isNull() ? "-"
            : value.isDouble() ? decimal(value.asDouble()) : value.asText()));
      }
      if (verdict instanceof Learning learning) words.add("needed=" + learning.needed());
      world.result(words.toString());
    }
  }

  // ==== Doctor: would the next run work =========================================================

  /** Says of each part what it tried and saw. {@link #examine} gives the code of the worst. */
  static final class Doctor {
    private static final Duration SKEW = Duration.ofMinutes(2);
    private static final int SAMPLE = 100; // tickets of the made-up spike
    private static final int MOST_MADE = 1000; // tickets
    private static final String WARNING = "WARNING "; // begins what a check has seen and frowns at

    private final Path file;
    private final World world;
    private final boolean json;
    private Exit worst = Exit.OK;
    private Config config;
    private Zendesk zendesk;

    Doctor(Path file, World world, boolean json) {
      this.file = file;
      this.world = world;
      this.json = json;
    }

    Exit examine(boolean send) {
      check("config", this::config);
      if (config == null) return worst;

      zendesk = new Zendesk(config, world);
      var last = Hour.lastFull(world.clock.instant());
      boolean signedIn = check("Zendesk", () -> zendesk(last));
      if (signedIn) check("Query", () -> query(last));
      else say("skip", "Query", "since Zendesk did not answer");
      if (zendesk.serverTime() != null) check("clock", this::clock);
      else say("skip", "clock", "since Zendesk told no time");
      check("mail", () -> new Mailer(config, world).check());
      check("history", () -> history(last));
      check("lock", this::lock);
      check("outbox", this::outbox);
      if (send) sendSamples(last);
      else say("skip", "webhook and watcher", "are tried by --send");
      return worst;
    }

    private boolean check(String what, Supplier<String> check) {
      try {
        var seen = check.get();
        boolean isWarning = seen.startsWith(WARNING);
        say(isWarning ? "WARN" : "ok", what, isWarning ? seen.substring(WARNING.length()) : seen);
        return true;
      } catch (Fault e) {
        say("FAIL", what, e.getMessage());
        worst = e.exit.code > worst.code ? e.exit : worst;
        return false;
      }
    }

    private void say(String how, String what, String seen) {
      if (json) {
        world.result(JSON.createObjectNode().put("check", what).put("result", lower(how))
            .put("seen", world.secrets.redact(seen)).toString());
        return;
      }
      var line = "%-5s %s: %s".formatted(how, what, seen);
      if (how.equals("FAIL") && world.verbosity == Verbosity.QUIET) world.warn(line);
      else world.result(line);
    }

    private String config() {
      var read = Config.read(file, world);
      read.refuseMistakes();
      config = read;
      return Disk.shown(file);
    }

    private String zendesk(Hour last) {
      long count = zendesk.count(last, last.plus(1));
      boolean isOAuth = config.zendeskClient != null;
      return (isOAuth ? "" : WARNING) + config.zendeskUrl.getHost() + ", "
          + plural(count, "ticket") + " in " + last.name() + ", "
          + (isOAuth ? "OAuth" : "API token, which ends on 30 Apr 2027");
    }

    private String query(Hour last) {
      if (config.query.isEmpty()) return "none";
      var from = last.plus(-24 * 7).from();
      long with = zendesk.count(from, last.to(), config.query);
      long all = zendesk.count(from, last.to(), "");
      var seen = with + " of " + plural(all, "ticket") + " of the last 7 days";
      if (with == 0) return WARNING + seen + ": it matches nothing";
      if (with >= all) return WARNING + seen + ": it changes nothing (a misspelled word?)";
      return seen;
    }

    private String clock() {
      var skew = Duration.between(zendesk.serverTime(), world.clock.instant());
      boolean isFar = skew.abs().compareTo(SKEW) > 0;
      return (isFar ? WARNING : "") + skew.toSeconds() + " s from Zendesk's"
          + (isFar ? ": set this machine's clock" : "");
    }

    private String history(Hour last) {
      var path = Disk.shown(config.historyFile);
      var history = History.open(config.historyFile, config.zendeskHost, config.query);
      var population = History.scope(config.zendeskHost, config.query);
      if (history.isEmpty()) return path + ", new: the first run fills it, " + population;
      var counts = history.counts();
      var first = last.plus(-config.numHours);
      long unknown = Hour.range(first, last).filter(hour -> !counts.knows(hour)).count();
      return path + ", " + counts.first().name() + " to " + counts.end().plus(-1).name() + ", "
          + population + ", " + unknown + " unknown of the last " + config.numHours;
    }

    @SuppressWarnings("try") // the lock is held, not used
    private String lock() {
      try (var lock = Lock.take(config.historyFile)) {
        return "free";
      }
    }

    private String outbox() {
      int waiting = new Outbox(config, world).waiting().size();
      var seen = Disk.shown(config.outFolder) + ", " + plural(waiting, "notice") + " waiting";
      return waiting == 0 ? seen : WARNING + seen;
    }

    private void sendSamples(Hour last) {
      var made = new ArrayList<Notice>();
      boolean isMade = check("sample", () -> {
        made.add(sample(last));
        return made.get(0).topic().subject();
      });
      if (!isMade) return;
      var sample = made.get(0);
      check("sample by mail", () -> mailed(sample));
      if (config.webhookUrl == null) say("skip", "sample by webhook", "no [webhook] Url");
      else check("sample by webhook", () -> posted(sample));
      if (config.pingUrl == null) say("skip", "watcher", "no [monitor] PingUrl");
      else check("watcher", this::pinged);
    }

    private String mailed(Notice sample) {
      var mailer = new Mailer(config, world);
      var receivers = config.mailReceivers();
      mailer.send(sample, receivers).forEach((receiver, reply) -> {
        if (reply.isYes()) return;
        throw Exit.TRY_LATER.fault("[email] %s: %s: %s", mailer.server(), receiver, reply.words());
      });
      return "sent to " + String.join(", ", receivers);
    }

    private String posted(Notice sample) {
      var webhook = new Webhook(config, world);
      var host = config.webhookUrl.getHost();
      try {
        webhook.post(sample);
        return host + " took it, as " + lower(Chat.format(config).name());
      } catch (PermanentFailure e) {
        throw Exit.TRY_LATER.fault(e, "[webhook] %s %s (check Url and Format)", host,
            e.getMessage());
      } catch (IOException e) {
        throw Exit.TRY_LATER.fault(e, "[webhook] %s: %s", host, webhook.reason(e));
      }
    }

    private String pinged() {
      var host = config.pingUrl.getHost();
      boolean bad = Heartbeat.send(config.pingUrl, Exit.BUG.code, world);
      boolean good = Heartbeat.send(config.pingUrl, 0, world);
      if (bad && good) return host + " took a bad and a good ping";
      throw Exit.TRY_LATER.fault("[monitor] PingUrl: %s did not take both pings", host);
    }

    /** By the code of a real one, so that whoever rewords it sees it at once. */
    private Notice sample(Hour hour) {
      var known = new TreeMap<Hour, Long>();
      var first = hour.plus(-14 * 168);
      Hour.range(first, hour.plus(1)).forEach(each -> known.put(each, 18 + each.number() % 7));
      var rule = new Rule(config);
      var thresholds = new Judge(rule, new Counts(known)).thresholds(hour);
      if (thresholds == null) {
        throw Exit.CONFIG.fault("[spike] MinSamples: %d are more than 14 weeks hold (no sample can "
            + "be made)", config.minSamples);
      }
      known.put(hour, Math.max(SAMPLE, thresholds.least()));
      var judge = new Judge(rule, new Counts(known));
      if (!(judge.verdict(hour) instanceof Spike spike)) {
        throw Exit.CONFIG.fault("%s is no spike even with %d tickets (where Judge.isSpike was "
            + "edited, try again in an hour that it lets through)", hour, known.get(hour));
      }
      var tickets = new SpikeTickets(config.omittedTags);
      long read = Math.min(spike.count(), MOST_MADE);
      for (long i = 0; i < read; i++) tickets.add(madeUp(hour, i, read));
      if (read < spike.count()) tickets.setMissing("as many as make a sample");
      for (int week = 1; week <= 4; week++) {
        var tally = new Tally(config.omittedTags);
        for (long i = 0; i < 20; i++) tally.add(madeUp(hour.plus(-168L * week), i + 80, 100));
        tickets.addWeek(tally);
      }
      var soFar = new HourInProgress(hour.to().plusSeconds(420), 14);
      return new NoticeWriter(config, judge, world).sample(spike, tickets, soFar);
    }

    private static Ticket madeUp(Hour hour, long i, long all) {
      boolean surges = i * 10 < all * 8;
      var tags = new ArrayList<String>();
      if (surges) tags.add("checkout_error");
      if (i % 3 == 0) tags.add("vip");
      var subject = surges ? "Checkout fails with error 502" : "A question";
      var created = hour.from().plusSeconds(i * 3600 / all);
      return new Ticket(4900 + i, created, subject, 1000 + i, tags, "ticket");
    }
  }

  // ==== Explanation: why is this hour a spike, or not ===========================================

  /** One hour of the history with everything that its verdict comes from, and what was told. */
  static final class Explanation {
    private static final int MOST_SAMPLES = 20; // in words; JSON has all
    private static final int MOST_LEFT_OUT = 12;

    private final Config config;
    private final Counts counts;
    private final Hour hour;
    private final Judge judge;
    private final Samples samples;
    private final Baseline usual;
    private final Ledger ledger;

    Explanation(Config config, Counts counts, Hour hour) {
      this.config = config;
      this.counts = counts;
      this.hour = hour;
      this.judge = new Judge(new Rule(config), counts);
      this.samples = judge.baselines.samples(hour);
      this.usual = judge.baselines.of(hour);
      this.ledger = new Ledger(config);
    }

    void print(World world, boolean json) {
      if (json) world.result(json().toString());
      else lines().forEach(world::result);
    }

    private List<String> lines() {
      var lines = new ArrayList<String>();
      lines.add(hour.name() + " (" + dayAndTime(hour) + local() + "): " + verdictInWords());
      if (usual != null) lines.addAll(usualLines());
      lines.add("Told: " + told());
      lines.addAll(sampleLines());
      return lines;
    }

    private String local() {
      return hour.isUtcIn(config.zone) ? "" : ", " + localTime(hour) + " " + config.zone.getId();
    }

    private String localTime(Hour hour) {
      return at(hour.from(), config.zone, "EEE d MMM HH:mm");
    }

    private String verdictInWords() {
      var rule = " by rule " + lower(judge.rule.name.name());
      if (!counts.knows(hour)) return "its count is unknown, so it was not judged" + rule + ".";
      var verdict = judge.verdict(hour);
      var tickets = plural(verdict.count(), "ticket");
      if (verdict instanceof Learning learning) {
        return tickets + ", not judged" + rule + ": " + plural(learning.samples(), "sample")
            + " of the " + learning.needed() + " that it takes.";
      }
      var percent = usual.percent(verdict.count());
      return tickets + (percent == null ? "" : " (" + "%+.1f".formatted(percent) + " %)")
          + (verdict instanceof Spike ? ", a spike" : ", calm") + rule + ".";
    }

    private List<String> usualLines() {
      var lines = new ArrayList<String>();
      var spread = usual.spread();
      lines.add("Usual: " + decimal(usual.mean())
          + (spread == null ? "" : ", deviation " + decimal(spread.deviation()))
          + ", by " + plural(usual.samples(), "sample") + " of " + samples.basis().words + "."
          + (spread != null && spread.growthFactor() > 1
              ? " Raised %.2f times to follow the last three days.".formatted(spread.growthFactor())
              : ""));
      var thresholds = judge.thresholds(hour);
      lines.add("A spike from " + plural(thresholds.least(), "ticket") + " on:");
      for (var threshold : thresholds.all()) {
        lines.add("  %-46s %8.1f%s".formatted(threshold.words().get(), threshold.shown(),
            threshold == thresholds.effective() ? "  decides" : ""));
      }
      return lines;
    }

    /** What the ledger says, and where it has nothing, why. */
    private String told() {
      var notices = new ArrayList<String>();
      for (var kind : List.of(Kind.SPIKE, Kind.CLEAR)) {
        var notice = ledger.find(hour, kind);
        if (notice != null) notices.add(inWords(notice));
      }
      return notices.isEmpty() ? "nothing" + whyNothing() : String.join("; ", notices) + ".";
    }

    private static String inWords(Notice notice) {
      var words = new StringBuilder(notice.topic().kind() == Kind.SPIKE ? "a spike of "
          + plural(notice.facts().count(), "ticket") : "the all-clear");
      if (notice.accepted().isEmpty() && notice.refused().isEmpty()) {
        return words + ", to nobody";
      }
      notice.accepted().forEach((receiver, time) ->
          words.append(", to ").append(receiver).append(" at ").append(time));
      notice.refused().forEach((receiver, reason) ->
          words.append(", refused by ").append(receiver).append(" (").append(reason).append(")"));
      return words.toString();
    }

    private String whyNothing() {
      if (!counts.knows(hour)) return ", since its count is unknown.";
      var verdict = judge.verdict(hour);
      if (verdict instanceof Learning) return ", since there are too few samples.";
      if (verdict instanceof Calm) return ", since it is calm.";
      var newest = ledger.newest(hour);
      if (newest != null && newest.topic().kind() == Kind.SPIKE) {
        return ": Repeat = " + lower(config.repeat.name()) + ", and "
            + newest.hour().name() + " was told with " + plural(newest.facts().count(), "ticket")
            + ".";
      }
      return ": no notice of it lies in " + Disk.shown(config.outFolder) + ". No run judged it a "
          + "spike (other settings, another count, more than a week late), or it is over 180 days "
          + "old.";
    }

    private List<String> sampleLines() {
      var lines = new ArrayList<String>();
      int shown = Math.min(MOST_SAMPLES, samples.known().size());
      lines.add("Samples (" + samples.known().size() + "), " + samples.basis().words
          + (shown < samples.known().size() ? ", the newest " + shown : ", newest first") + ":");
      for (var sample : samples.known().subList(0, shown)) {
        lines.add("  %s  %s %8d%s".formatted(sample.hour().name(), localTime(sample.hour()),
            sample.count(), isCapped(sample) ? "  counted as "
                + decimal(usual.spread().cap()) : ""));
      }
      addLeftOut(lines, "unknown", samples.unknown());
      addLeftOut(lines, "on an ignored day", samples.ignored());
      return lines;
    }

    private boolean isCapped(Sample sample) {
      return usual != null && usual.spread() != null && sample.count() > usual.spread().cap();
    }

    private static void addLeftOut(List<String> lines, String why, List<Hour> hours) {
      if (hours.isEmpty()) return;
      var names = new StringJoiner(" ");
      for (var hour : hours.subList(0, Math.min(MOST_LEFT_OUT, hours.size()))) {
        names.add(hour.name());
      }
      int more = hours.size() - MOST_LEFT_OUT;
      lines.add("  left out, " + why + ": " + names + (more > 0 ? " and " + more + " more" : ""));
    }

    private ObjectNode json() {
      var json = JSON.createObjectNode();
      if (counts.knows(hour)) {
        json = SpikeNotifier.json(judge.verdict(hour));
      } else {
        json.put("hour", hour.from().toString()).putNull("count");
      }
      json.put("rule", lower(judge.rule.name.name()));
      json.put("basis", samples.basis().words);
      json.put("needed", usual == null ? null : judge.thresholds(hour).least());
      if (usual != null) {
        var thresholds = judge.thresholds(hour);
        var array = json.putArray("bars");
        for (var threshold : thresholds.all()) {
          array.addObject().put("key", threshold.key()).put("words", threshold.words().get())
              .put("tickets", threshold.tickets())
              .put("decides", threshold == thresholds.effective());
        }
      }
      json.put("why", verdictInWords());
      json.put("told", told());
      var compared = json.putArray("compared");
      for (var sample : samples.known()) {
        compared.addObject().put("hour", sample.hour().from().toString())
            .put("count", sample.count()).put("capped", isCapped(sample));
      }
      var unknown = json.putArray("unknown");
      samples.unknown().forEach(each -> unknown.add(each.from().toString()));
      var ignored = json.putArray("ignored");
      samples.ignored().forEach(each -> ignored.add(each.from().toString()));
      return json;
    }
  }

  // ==== Backtest: how often would it have told ==================================================

  /** Walks forward over the history: each hour is judged from what came before it. */
  static final class Backtest {
    private static final int LEARNING = 13 * 168; // hours before the usual stands on 13 weeks
    private static final int ENOUGH = 28 * 24;    // hours, without those that still learn
    private final Config config;
    private final Counts counts;
    private final Rule own;
    private final Hour start; // the first hour that was asked for
    private final Hour first; // the first hour that counts
    private final boolean leavesOutLearning;
    private final Map<RuleName, Baselines> baselines = new EnumMap<>(RuleName.class);

    /** What the settings give in 30 days. {@code spikes} are episodes. */
    private record Line(Rule rule, double spikes, double hours, double mails) {
      boolean isAsGoodAs(Line other) {
        return spikes == other.spikes && hours == other.hours && mails == other.mails;
      }
    }

    /** @param since the first date that counts, or null for all */
    Backtest(Config config, Counts counts, LocalDate since) {
      this.config = config;
      this.counts = counts;
      this.own = new Rule(config);
      this.start = since == null ? counts.first() : Hour.of(since, 0);
      var learned = firstSample().plus(LEARNING);
      this.leavesOutLearning = start.isBefore(learned) && counts.end().since(learned) >= ENOUGH;
      this.first = leavesOutLearning ? learned : start;
    }

    private Hour firstSample() {
      for (var hour : counts.hours()) {
        if (counts.isSample(hour)) return hour;
      }
      return counts.end();
    }

    void print(World world, Double perMonth, boolean json) {
      var verdicts = judge(own).verdicts(json ? start : first);
      var judged = verdicts.stream().filter(Judged.class::isInstance).map(Verdict::hour).toList();
      if (judged.isEmpty()) {
        throw Exit.HISTORY.fault("%s: holds no hour that could be judged (expected a history of "
                + "some weeks; the first run fills it)", Disk.shown(config.historyFile));
      }
      if (json) {
        verdicts.forEach(verdict -> world.result(SpikeNotifier.json(verdict).toString()));
        return;
      }
      var line = line(own);
      world.result(plural(judged.size(), "hour") + " judged, " + judged.get(0).name() + " to "
          + judged.get(judged.size() - 1).name() + ": your settings give " + inWords(line)
          + " in 30 days.");
      if (leavesOutLearning) {
        world.result("Hours with fewer than 13 weeks before them are left out.");
      }
      var lines = linesOfAll(line);
      printTable(world, lines, line);
      printLargest(world, verdicts);
      if (perMonth != null) suggest(world, lines, line, perMonth);
    }

    private static String inWords(Line line) {
      return decimal(line.spikes) + " spikes, " + decimal(line.hours) + " spike hours, "
          + decimal(line.mails) + " mails";
    }

    private Judge judge(Rule rule) {
      var shared = baselines.computeIfAbsent(rule.name, name -> new Baselines(rule, counts));
      return new Judge(rule, shared);
    }

    /** Told as the job does: see Job.isWorthTelling and Job.tellTheEnd. */
    private Line line(Rule rule) {
      var verdicts = judge(rule).verdicts(first);
      long judged = verdicts.stream().filter(Judged.class::isInstance).count();
      var episodes = Episode.among(verdicts);
      int hours = 0;
      int mails = 0;
      for (var episode : episodes) {
        hours += episode.hours();
        mails += mails(episode);
      }
      double months = Math.max(1, judged) / (30 * 24.0);
      return new Line(rule, episodes.size() / months, hours / months, mails / months);
    }

    private int mails(Episode episode) {
      int mails = episode.isOver() && config.allClear ? 1 : 0;
      long told = 0; // the count of the latest notice
      for (var spike : episode.spikes()) {
        if (told > 0 && !config.repeat.tells(spike.count(), told)) continue;
        told = spike.count();
        mails++;
      }
      return mails;
    }

    /** Settings worth choosing among, the own ones first, but for those that give the same. */
    private List<Line> linesOfAll(Line ownLine) {
      var lines = new ArrayList<Line>();
      lines.add(ownLine);
      for (double threshold : List.of(0.5, 1.0, 2.0)) {
        addUnlessAlike(lines, line(new Rule(config, RuleName.MEAN, threshold, own.deviations)));
      }
      for (double threshold : List.of(0.5, 1.0)) {
        for (double deviations : List.of(2.5, 3.0, 4.0, 5.0, 7.0, 10.0)) {
          addUnlessAlike(lines, line(new Rule(config, RuleName.WEEKLY, threshold, deviations)));
        }
      }
      lines.sort(Comparator.comparingDouble(Line::spikes).reversed());
      return lines;
    }

    private void printTable(World world, List<Line> lines, Line ownLine) {
      world.result("\nrule    SpikeThreshold  Deviations  spikes   hours   mails   in 30 days");
      for (var line : lines) {
        boolean weekly = line.rule.isWeekly();
        world.result("%-7s %14s  %10s %7.1f %7.1f %7.1f%s".formatted(lower(line.rule.name.name()),
            line.rule.threshold, weekly ? decimal(line.rule.deviations) : "-", line.spikes,
            line.hours, line.mails, line == ownLine ? "   yours" : ""));
      }
      world.result("Mails are those of Repeat = " + lower(config.repeat.name()) + " and AllClear = "
          + (config.allClear ? "yes" : "no") + ".");
    }

    private static void addUnlessAlike(List<Line> lines, Line line) {
      if (lines.stream().noneMatch(line::isAsGoodAs)) lines.add(line);
    }

    private void printLargest(World world, List<Verdict> verdicts) {
      var episodes = new ArrayList<>(Episode.among(verdicts));
      if (episodes.isEmpty()) return;
      episodes.sort(Comparator.comparingDouble(Episode::excess).reversed());
      world.result("\nThe largest by your settings:");
      for (var episode : episodes.subList(0, Math.min(5, episodes.size()))) {
        world.result("  %s  %s, peak %d, %.0f more than usual".formatted(episode.start().name(),
            plural(episode.hours(), "hour"), episode.peak().count(), episode.excess()));
      }
    }

    /** Of the table, what finds most and stays under the ceiling. */
    private void suggest(World world, List<Line> lines, Line ownLine, double ceiling) {
      var wish = "\nFor at most " + decimal(ceiling) + " spikes in 30 days: ";
      if (ownLine.spikes <= ceiling) {
        world.result(wish + "your settings stay under that.");
        return;
      }
      for (var line : lines) {
        if (line.spikes > ceiling || own.isWeekly() && !line.rule.isWeekly()) continue;
        world.result(wish + "these settings give " + inWords(line) + ".\n[misc]\nSpikeThreshold = "
            + line.rule.threshold + "\n[spike]\nRule = " + lower(line.rule.name.name())
            + (line.rule.isWeekly() ? "\nDeviations = " + line.rule.deviations : ""));
        return;
      }
      world.result(wish + "none of the settings tried stays under that.");
    }
  }

  // ==== Report: what does the history look like =================================================

  /** {@code report.html}: one page that needs no network, for eyes, screen readers and paper. */
  static final class Report {
    private static final int LINE_DAYS = 14;
    private static final int LEVELS = 5; // shades of the heat map
    private static final String PAGE = """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>%1$s</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <link rel="icon" href="data:,">
        <style>
        :root{color-scheme:light dark;--ink:#1b1b1b;--paper:#ffffff;--soft:#595959;--line:#c8c8c8;
        --mark:#b34700;--band:#5a97c6;--b0:#ffffff;--b1:#dbe9f6;--b2:#9fc7e6;--b3:#2f75b5;
        --b4:#08306b;--f0:#1b1b1b;--f1:#1b1b1b;--f2:#1b1b1b;--f3:#ffffff;--f4:#ffffff;
        --digits:%2$d}
        @media screen and (prefers-color-scheme:dark){:root{--ink:#eeeeee;--paper:#161616;
        --soft:#b0b0b0;--line:#4a4a4a;--mark:#ff9d3c;--band:#4a7ba6;--b0:#161616;--b1:#16283a;
        --b2:#1f4468;--b3:#79b4e8;--b4:#cfe6ff;--f0:#eeeeee;--f1:#eeeeee;--f2:#eeeeee;
        --f3:#101010;--f4:#101010}}
        body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
        margin:0 auto;padding:16px;max-width:1120px;print-color-adjust:exact;
        -webkit-print-color-adjust:exact}
        h1{margin:0 0 8px;line-height:1.25;overflow-wrap:anywhere}h2{margin:32px 0 4px}
        p{color:var(--soft);margin:0 0 8px;max-width:75ch}
        .wide{position:relative;overflow:auto;max-height:80vh;border:1px solid var(--line)}
        #spikes+p+.wide{max-height:50vh;width:fit-content;max-width:100%%}
        table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}
        th{font-weight:normal}
        td,th{text-align:right;background:var(--paper)}tr>:first-child{text-align:left}
        thead th{position:sticky;top:0;z-index:1;color:var(--soft)}
        .list td,.list th{padding:4px 12px 4px 8px}
        .list tbody tr>*{border-top:1px solid var(--line)}
        .map{width:100%%;font-size:12px;line-height:20px}
        .map td,.map th{padding:0 2px;min-width:18px;border:1px solid var(--paper)}
        .map tr>:first-child{position:sticky;left:0;white-space:nowrap;color:var(--soft)}
        .map thead>tr>:first-child{z-index:2}
        .map td.l0,.key .l0{background:var(--b0);color:var(--f0)}
        .map td.l1,.key .l1{background:var(--b1);color:var(--f1)}
        .map td.l2,.key .l2{background:var(--b2);color:var(--f2)}
        .map td.l3,.key .l3{background:var(--b3);color:var(--f3)}
        .map td.l4,.key .l4{background:var(--b4);color:var(--f4)}
        .map td.s,.key .s{background:var(--mark);color:var(--paper);font-weight:bold;
        outline:2px solid var(--ink);outline-offset:-2px}
        .key span{display:inline-block;padding:0 8px;margin:0 4px 4px 0;font-size:14px;
        border:1px solid var(--line)}
        .heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%%)}
        svg{display:block;width:100%%;height:auto}svg text{fill:var(--soft);font-size:10px}
        @media screen and (min-width:1000px){.map{font-size:13px}svg text{font-size:8.5px}}
        @media screen and (max-width:600px){.list td,.list th{padding:4px 6px}
        svg text{font-size:19px}svg .odd{display:none}}
        @media print{@page{margin:12mm}:root{color-scheme:light}body{max-width:none;padding:0}
        .wide{overflow:visible;max-height:none!important;border:0}
        thead th,.map tr>*{position:static!important}
        h2,p{break-after:avoid}tr,svg{break-inside:avoid}
        .map{font-size:min(10px,36px/var(--digits));line-height:1.3}
        .map td,.map th{min-width:0;padding:0 1px}}
        </style></head><body><main>
        <h1>%1$s</h1>
        <p>%3$s</p>
        <h2 id="spikes">Spikes</h2>
        %4$s
        <h2 id="week">A usual week</h2>
        <p>The mean of each hour of the week, over the hours of this page.</p>
        <p class="key">%5$s</p>
        %6$s
        <h2>The last 14 days</h2>
        <p>Line: tickets. Band: from the usual up to what is a spike. Circles: spikes. The numbers
        stand in the table below.</p>
        %7$s
        <h2 id="hours">Every hour</h2>
        <p>A row a day, the newest first.</p>
        <p class="key">%5$s <span class="s">spike!</span></p>
        %8$s
        </main></body></html>
        """;

    private final Rule rule;
    private final Judge judge;
    private final NavigableMap<Hour, Verdict> verdicts = new TreeMap<>();
    private final Hour first;
    private final Hour last;
    private final long highest;
    private final double high; // but for an outage, which would pale all the rest

    static Path write(Config config, Counts counts, Instant now) {
      var report = new Report(config, counts);
      var file = config.outFolder.resolve("report.html");
      Disk.write(file, report.page(config, now));
      return file;
    }

    private Report(Config config, Counts counts) {
      if (counts.hours().isEmpty()) {
        throw Exit.HISTORY.fault("%s: no hour is known yet (expected a first run)",
            Disk.shown(config.historyFile));
      }
      rule = new Rule(config);
      judge = new Judge(rule, counts);
      last = counts.end().plus(-1);
      var oldest = last.plus(-rule.config.numHours);
      first = oldest.isBefore(counts.first()) ? counts.first() : oldest;
      for (var verdict : judge.verdicts(first)) verdicts.put(verdict.hour(), verdict);
      long[] sorted = verdicts.values().stream().mapToLong(Verdict::count).sorted().toArray();
      highest = sorted[sorted.length - 1];
      high = Math.max(1, sorted[(sorted.length - 1) * 98 / 100]);
    }

    private String page(Config config, Instant now) {
      var title = "Tickets an hour";
      if (config.zendeskHost != null) title += " at " + escape(config.zendeskHost);
      int digits = String.valueOf(highest).length();
      return PAGE.formatted(title, digits, about(now), spikes(), legend(), week(), lineChart(),
          everyHour());
    }

    private String about(Instant now) {
      var settings = "SpikeThreshold " + rule.threshold;
      if (rule.isWeekly()) {
        settings += ", Deviations " + rule.deviations;
        settings += ", MinExtra " + amount(rule.config.minExtra);
      }
      settings += ", MinTickets " + rule.config.minTickets;
      settings += ", MinSamples " + rule.config.minSamples;
      return "The hours from " + localTime(first) + " to " + localTime(last)
          + " on the clock of " + escape(rule.config.zone.getId()) + ", made " + localTime(now)
          + ". What is a spike: rule " + lower(rule.name.name()) + ", " + settings + ".";
    }

    private String localTime(Hour hour) {
      return localTime(hour.from());
    }

    private String localTime(Instant time) {
      return at(time, rule.config.zone, "EEE d MMM yyyy HH:mm");
    }

    /** The episodes, newest first. */
    private String spikes() {
      var episodes = new ArrayList<>(Episode.among(List.copyOf(verdicts.values())));
      if (episodes.isEmpty()) return "<p>None by these settings.</p>";
      Collections.reverse(episodes);
      var rows = new StringBuilder();
      for (var episode : episodes) {
        var peak = episode.peak();
        rows.append("<tr><th scope=\"row\">" + localTime(episode.start()) + "</th>")
            .append("<td>" + episode.hours() + "</td>")
            .append("<td>" + peak.count() + "</td>")
            .append("<td>" + mean(peak.baseline().mean()) + "</td>")
            .append("<td>" + rounded(episode.excess()) + "</td></tr>\n");
      }
      var heads = new StringBuilder();
      for (var head : List.of("from", "hours", "peak", "usual", "extra")) {
        heads.append("<th scope=\"col\">" + head + "</th>");
      }
      return "<p>" + plural(episodes.size(), "spike") + " in these hours, newest first. Peak: the"
          + " tickets of its highest hour. Usual: what that hour usually holds. Extra: tickets over"
          + " the usual, of all its hours.</p>\n"
          + scrolling("spikes", "list", "<thead><tr>" + heads + "</tr></thead>\n", rows);
    }

    /** A table named by its heading, in a region of its own that keyboards can scroll as well. */
    private static String scrolling(String heading, String style, String head,
        StringBuilder rows) {
      var named = " aria-labelledby=\"" + heading + "\"";
      return "<div class=\"wide\" role=\"region\" tabindex=\"0\"" + named + ">"
          + "<table class=\"" + style + "\"" + named + ">" + head + "<tbody>\n" + rows
          + "</tbody></table></div>";
    }

    private static String mean(double tickets) {
      return tickets < 10 ? decimal(tickets) : rounded(tickets);
    }

    private static String hoursOfDay() {
      var cells = new StringBuilder("<thead><tr><th scope=\"col\">day</th>");
      for (int i = 0; i < 24; i++) cells.append("<th scope=\"col\">%02d</th>".formatted(i));
      return cells.append("</tr></thead>\n").toString();
    }

    private String week() {
      double[][] sums = new double[7][24];
      int[][] known = new int[7][24];
      for (var verdict : verdicts.values()) {
        if (!judge.counts.isSample(verdict.hour())) continue;
        var local = verdict.hour().from().atZone(rule.config.zone);
        int day = local.getDayOfWeek().getValue() - 1;
        sums[day][local.getHour()] += verdict.count();
        known[day][local.getHour()]++;
      }
      var rows = new StringBuilder();
      for (int day = 0; day < 7; day++) {
        var name = DayOfWeek.of(day + 1).getDisplayName(TextStyle.FULL, Locale.ENGLISH);
        rows.append("<tr><th scope=\"row\">").append(name).append("</th>");
        for (int i = 0; i < 24; i++) {
          if (known[day][i] == 0) {
            rows.append("<td>?</td>");
            continue;
          }
          double mean = sums[day][i] / known[day][i];
          rows.append("<td class=\"l%d\">%s</td>".formatted(level(mean), mean(mean)));
        }
        rows.append("</tr>\n");
      }
      return scrolling("week", "map", hoursOfDay(), rows);
    }

    private int level(double count) {
      int level = LEVELS - 1;
      while (count < from(level)) level--;
      return level;
    }

    /** The count from which a cell has the colour of the level. */
    private long from(int level) {
      return (long) Math.ceil(level * high / LEVELS);
    }

    private String legend() {
      var key = new StringBuilder("Tickets: ");
      for (int i = 0; i < LEVELS; i++) {
        if (level(from(i)) != i) continue; // of few tickets there are fewer shades
        key.append("<span class=\"l%d\">from %d</span> ".formatted(i, from(i)));
      }
      return key + "<span>? not known</span>";
    }

    /** A row a day; an hour that did not come or came twice at a clock change shows as one cell. */
    private String everyHour() {
      var days = new TreeMap<LocalDate, String[]>(Comparator.reverseOrder());
      for (var hour = first; !last.isBefore(hour); hour = hour.plus(1)) {
        var local = hour.from().atZone(rule.config.zone);
        var day = days.computeIfAbsent(local.toLocalDate(), date -> new String[24]);
        day[local.getHour()] = cell(verdicts.get(hour));
      }
      var rows = new StringBuilder();
      days.forEach((date, cells) -> {
        var name = DateTimeFormatter.ofPattern("EEE d MMM yy", Locale.ENGLISH).format(date);
        rows.append("<tr><th scope=\"row\">").append(name).append("</th>");
        for (var cell : cells) rows.append(cell == null ? "<td></td>" : cell);
        rows.append("</tr>\n");
      });
      return scrolling("hours", "map", hoursOfDay(), rows);
    }

    private String cell(Verdict verdict) {
      if (verdict == null) return "<td>?</td>";
      if (verdict instanceof Spike) {
        return "<td class=\"s\">" + verdict.count() + "!<span class=\"heard\"> spike</span></td>";
      }
      return "<td class=\"l%d\">%d</td>".formatted(level(verdict.count()), verdict.count());
    }

    private String lineChart() {
      var start = last.plus(-24 * LINE_DAYS + 1);
      return new Chart(start.isBefore(first) ? first : start).svg();
    }

    /** The recent tickets as a line, in a drawing of {@code WIDTH} by {@code HEIGHT} units. */
    private final class Chart {
      private static final double WIDTH = 720;
      private static final double HEIGHT = 240;
      private static final double TOP = 10;
      private static final double BOTTOM = 212;

      private final Hour start;
      private final Collection<Verdict> recent;
      private final double high; // tickets
      private final double left; // of the line, beyond the numbers
      private final double hourWidth;

      Chart(Hour start) {
        this.start = start;
        recent = verdicts.tailMap(start).values();
        double most = 1;
        for (var verdict : recent) {
          most = Math.max(most, Math.max(verdict.count(), bar(verdict)));
        }
        high = most;
        left = 8 + 12 * rounded(high).length();
        hourWidth = (WIDTH - 8 - left) / Math.max(1, last.since(start));
      }

      String svg() {
        var band = new StringBuilder();
        var line = new StringBuilder();
        var circles = new StringBuilder();
        Hour before = null;
        for (var verdict : recent) {
          var hour = verdict.hour();
          double x = x(hour);
          double y = y(verdict.count());
          boolean goesOn = before != null && before.plus(1).equals(hour);
          line.append((goesOn ? "L%.1f %.1f" : "M%.1f %.1fh0").formatted(x, y));
          if (verdict instanceof Judged judged) {
            band.append("M%.1f %.1fV%.1f".formatted(x, y(judged.baseline().mean()),
                y(bar(verdict))));
          }
          if (verdict instanceof Spike) {
            circles.append("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>".formatted(x, y));
          }
          before = hour;
        }
        return """
            <svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">
            <g fill="none"><path d="%s" stroke="var(--band)" stroke-width="%.2f"/>
            %s<path d="%s" stroke="var(--ink)" stroke-width="1.2" stroke-linecap="round"
            stroke-linejoin="round"/><g stroke="var(--mark)" stroke-width="2.5">%s</g></g>
            %s</svg>""".formatted(WIDTH, HEIGHT, summary(), band, hourWidth + 0.1, grid(), line,
                circles, days());
      }

      private double x(Hour hour) {
        return left + hourWidth * hour.since(start);
      }

      private double y(double tickets) {
        return BOTTOM - tickets / high * (BOTTOM - TOP);
      }

      private double bar(Verdict verdict) {
        return verdict instanceof Judged judged ? judged.thresholds().least() : 0;
      }

      /** What the line says, for those who do not see it. */
      private String summary() {
        var peak = Collections.max(recent, Comparator.comparingLong(Verdict::count));
        long spikes = recent.stream().filter(Spike.class::isInstance).count();
        return "Line of the tickets from " + localTime(start) + " to " + localTime(last)
            + ". Highest: " + peak.count() + " from " + localTime(peak.hour())
            + ". Hours with a spike: " + spikes + ".";
      }

      /** Lines at round numbers, five at most. */
      private String grid() {
        double step = 1;
        for (int i = 0; high / step >= 5; i++) step *= i % 3 == 1 ? 2.5 : 2; // 1, 2, 5, 10
        var grid = new StringBuilder();
        for (double tickets = 0; tickets <= high; tickets += step) {
          double y = y(tickets);
          grid.append("<path d=\"M%.1f %.1fH%.0f\" stroke=\"var(--line)\" stroke-width=\"0.5\"/>"
              .formatted(left, y, WIDTH));
          grid.append("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n"
              .formatted(left - 4, y + 4, tickets));
        }
        return grid.toString();
      }

      /** A stroke at each local midnight and the date, where there is room; half on a phone. */
      private String days() {
        var days = new StringBuilder();
        for (var hour = start; !last.isBefore(hour); hour = hour.plus(1)) {
          if (hour.from().atZone(rule.config.zone).getHour() != 0) continue;
          days.append("<path d=\"M%.1f %.0fv6\" stroke=\"var(--soft)\"/>"
              .formatted(x(hour), BOTTOM));
          long daysLeft = (last.since(hour) + 8) / 24; // a date takes 16 hours' width
          if (daysLeft == 0) continue;
          days.append("<text x=\"%.1f\" y=\"%.0f\"%s>%s</text>\n".formatted(x(hour), HEIGHT - 8,
              daysLeft % 2 == 1 ? " class=\"odd\"" : "",
              at(hour.from(), rule.config.zone, "EEE d")));
        }
        return days.toString();
      }
    }
  }

  // ==== Backfill: how do the counts of past hours become true ===================================

  /**
   * Makes a span of hours true: when its count is the sum of what is known of its hours, it is.
   * Else it is read by export or hour by hour, or halved, the newer half first. The same recursion
   * fills a new history and finds the few hours that Zendesk's index had not yet when they were
   * counted, which has happened for hours on end.
   */
  static final class Backfill {
    private static final int CHECKED = 24; // hours before the judged one, each run
    private static final long MOST_EXPORTED = 50_000; // tickets, since a cursor lives an hour
    private static final int MANY = 1000; // tickets an hour, from which counting hours is cheaper
    private static final int EXPORT_FAILURES = 3; // then this run exports no more
    private static final int FAILURES_IN_A_ROW = 15; // the search for one bad hour has 13
    private static final int SAVED_EVERY = 24; // hours that a kill may lose
    private static final Duration LONGEST = Duration.ofMinutes(45);

    private final Zendesk zendesk;
    private final History history;
    private final Runnable save;
    private final World world;
    private final long start;
    private final Hour judgedBefore; // null on the first run
    private Hour last;
    private Progress progress;
    private int stored;
    private int unsaved;
    private int failuresInARow;
    private int exportFailures;
    private int pageSize = Zendesk.PAGE;
    private boolean isOver;

    /** @param save stores the history; does nothing in a dry run */
    Backfill(Zendesk zendesk, History history, Runnable save, World world) {
      this.zendesk = zendesk;
      this.history = history;
      this.save = save;
      this.world = world;
      this.start = world.ticker.nanos();
      this.judgedBefore = history.judged();
    }

    /** Checks the day before {@code last} and reads what is unknown of the hours before it. */
    void before(Hour last, int numHours) {
      this.last = last;
      var first = last.plus(-numHours);
      int unknown = (int) Hour.range(first, last).filter(hour -> !history.knows(hour)).count();
      progress = new Progress("hours", unknown, world);
      if (unknown > 0) {
        world.info("filling %s of the last %d from Zendesk"
            .formatted(plural(unknown, "unknown hour"), numHours));
      }
      var checked = last.plus(-Math.min(CHECKED, numHours));
      reconcile(new Span(checked, last), null);
      for (var gap : gaps(first, checked)) reconcile(gap, null);
      if (unsaved > 0) save();
    }

    private void save() {
      save.run();
      unsaved = 0;
    }

    private record Span(Hour from, Hour to) {
      long hours() {
        return to.since(from);
      }

      Stream<Hour> each() {
        return Hour.range(from, to);
      }
    }

    /** The unknown hours as spans, the newest first. */
    private List<Span> gaps(Hour first, Hour end) {
      var gaps = new ArrayList<Span>();
      var to = end;
      while (first.isBefore(to)) {
        var from = to;
        while (first.isBefore(from) && !history.knows(from.plus(-1))) from = from.plus(-1);
        if (from.isBefore(to)) gaps.add(new Span(from, to));
        to = from.isBefore(to) ? from : to.plus(-1);
      }
      return gaps;
    }

    /**
     * @param derived how many tickets the span holds by what the caller counted, or null
     * @return how many it holds, or null when that could not be read
     */
    private Long reconcile(Span span, Long derived) {
      if (isOver()) return null;
      boolean isDerived = derived != null && derived > 0 && span.hours() > 1;
      Long total = isDerived ? derived : counted(span);
      if (total == null) {
        halve(span, null);
      } else if (isTrue(span, total)) {
        world.detail("%s to %s: true".formatted(span.from, span.to));
      } else if (span.hours() == 1) {
        store(span.from, total);
        if (unsaved >= SAVED_EVERY) save();
        progress.show(stored);
      } else if (isExportCheaper(span, total)) {
        if (!export(span, total)) halve(span, null);
      } else if (total > MANY * span.hours() || isExportBroken() && hasUnknown(span)) {
        countEach(span);
      } else {
        halve(span, total);
      }
      return total;
    }

    /** Null when Zendesk cannot say, as has been seen of single hours. */
    private Long counted(Span span) {
      try {
        long total = zendesk.count(span.from, span.to);
        failuresInARow = 0;
        return total;
      } catch (Fault e) {
        if (e.exit != Exit.ZENDESK && e.exit != Exit.DENIED) throw e;
        failuresInARow++;
        if (span.hours() == 1) {
          world.warn("%s stays unknown: %s".formatted(span.from, e.getMessage()));
        } else {
          world.detail(e.getMessage());
        }
        return null;
      }
    }

    private void halve(Span span, Long total) {
      if (span.hours() == 1) return;
      var middle = span.from.plus(span.hours() / 2);
      var newer = reconcile(new Span(middle, span.to), null);
      boolean isKnown = total != null && newer != null;
      reconcile(new Span(span.from, middle), isKnown ? Long.valueOf(total - newer) : null);
    }

    private void countEach(Span span) {
      for (var hour = span.to.plus(-1); !hour.isBefore(span.from); hour = hour.plus(-1)) {
        reconcile(new Span(hour, hour.plus(1)), null);
      }
    }

    private boolean isTrue(Span span, long total) {
      return !hasUnknown(span) && span.each().mapToLong(history::at).sum() == total;
    }

    private boolean hasUnknown(Span span) {
      return span.each().anyMatch(hour -> !history.knows(hour));
    }

    private boolean isExportBroken() {
      return exportFailures >= EXPORT_FAILURES;
    }

    private boolean isExportCheaper(Span span, long total) {
      long pages = (total + pageSize - 1) / pageSize;
      return !isExportBroken() && pages < span.hours() && total < MOST_EXPORTED;
    }

    /** False, with nothing stored, when it does not bring every ticket, unless the time is up. */
    private boolean export(Span span, long total) {
      long[] counts = new long[(int) span.hours()];
      var seen = new HashSet<Long>();
      try {
        var pages = zendesk.export(span.from, span.to, pageSize);
        while (total > 0 && pages.hasNext() && seen.size() <= total) {
          int before = seen.size();
          for (var ticket : pages.next()) {
            boolean isNew = ticket.isWithin(span.from.from(), span.to.from())
                && seen.add(ticket.id());
            if (isNew) counts[(int) Hour.of(ticket.created()).since(span.from)]++;
          }
          if (seen.size() == before) break; // no end would be in sight
          progress.show(stored + (long) (span.hours() * (double) seen.size() / total));
          if (isOver()) return true; // what was read is lost, the next run reads it again
        }
      } catch (Fault e) {
        exportFailures++;
        pageSize = Zendesk.SMALL_PAGE;
        world.warn(e.getMessage() + ": export failed, other ways are tried");
        return false;
      }
      if (seen.size() != total) {
        exportFailures++;
        world.detail("export gave %d of %d tickets of %s to %s".formatted(seen.size(), total,
            span.from, span.to));
        return false;
      }
      for (int i = counts.length - 1; i >= 0; i--) store(span.from.plus(i), counts[i]);
      save();
      return true;
    }

    private void store(Hour hour, long count) {
      var before = history.at(hour);
      if (before != null && before == count) return;
      history.put(hour, count);
      if (before == null) {
        stored++;
      } else {
        world.info("%s: counted again, %s instead of %d".formatted(hour, plural(count, "ticket"),
            before));
      }
      boolean hasGrown = before == null || count > before;
      boolean wasPassed = judgedBefore != null && !judgedBefore.isBefore(hour)
          && !history.isBeforeBegin(hour);
      if (hasGrown && wasPassed && last.since(hour) < Hour.NEWS) history.judgeAgain(hour);
      unsaved++;
    }

    /** Whether the time is up, or Zendesk gives no answers: then the run judges what it has. */
    private boolean isOver() {
      if (isOver) return true;
      long minutes = TimeUnit.NANOSECONDS.toMinutes(world.ticker.nanos() - start);
      if (minutes >= LONGEST.toMinutes()) {
        isOver = true;
        world.warn("reading past hours took %d minutes; the next run goes on".formatted(minutes));
      } else if (failuresInARow >= FAILURES_IN_A_ROW) {
        isOver = true;
        world.warn("Zendesk gives no counts of past hours; the next run goes on");
      }
      return isOver;
    }
  }

  // ==== Delivery: did everybody get the notice, once ============================================

  /** What was told and what still waits, by the files in the folder {@code out}. */
  static final class Ledger {
    private static final String NAMES = "\\d{4}-\\d{2}-\\d{2}T\\d{2}\\.(spike|clear)\\.json";

    final Path waiting;
    final Path sent;
    final Path refused;
    private final Config config;

    Ledger(Config config) {
      this.config = config;
      waiting = config.outFolder.resolve("outbox");
      sent = config.outFolder.resolve("sent");
      refused = config.outFolder.resolve("refused");
    }

    /** Whether it tells of the tickets that auth.ini counts now; all do where it does not say. */
    boolean isOwn(Notice notice) {
      if (config.zendeskHost == null) return true;
      return notice.topic.account.equals(config.zendeskHost)
          && notice.topic.query.equals(config.query);
    }

    /** The notice, wherever it lies, or null. */
    Notice find(Hour hour, Kind kind) {
      var name = Notice.fileName(hour, kind);
      for (var folder : List.of(sent, waiting, refused)) {
        var notice = read(folder.resolve(name));
        if (notice != null) return notice;
      }
      return null;
    }

    /** The newest notice of that hour or before that somebody got or may still get, or null. */
    Notice newest(Hour hour) {
      Notice newest = null;
      for (var folder : List.of(sent, waiting)) {
        var files = Disk.list(folder, NAMES);
        for (int i = files.size() - 1; i >= 0; i--) {
          var name = files.get(i).getFileName().toString().substring(0, 13);
          if (name.compareTo(hour.name()) > 0) continue;
          var notice = read(files.get(i));
          if (notice == null || !isOwn(notice)) continue;
          if (newest == null || ORDER.compare(newest, notice) < 0) newest = notice;
          break;
        }
      }
      return newest;
    }

    private static final Comparator<Notice> ORDER =
        Comparator.comparing(Notice::hour).thenComparing(notice -> notice.topic.kind);

    /**
     * The topic of the open episode that a spike of that hour goes on, or null when it opens one.
     * An all-clear of the same hour was false, so the episode goes on too.
     */
    Topic opening(Hour hour) {
      var newest = newest(hour);
      if (newest == null || newest.isFirst() && newest.hour().equals(hour)) return null;
      boolean isOpen = newest.topic.kind == Kind.SPIKE || newest.hour().equals(hour);
      return isOpen ? newest.topic : null;
    }

    /** The notice that opened the other one's episode, or that one where it is gone. */
    Notice firstOf(Notice notice) {
      var first = find(notice.topic.start, Kind.SPIKE);
      return first == null ? notice : first;
    }

    /** Null for no file, and for one that is no notice of this edition. */
    static Notice read(Path file) {
      try {
        var text = Files.isRegularFile(file) ? Disk.read(file, Exit.HISTORY) : null;
        var notice = text == null ? null : JSON.readValue(text, Notice.class);
        return notice != null && notice.isWhole() ? notice : null;
      } catch (JsonProcessingException | Fault e) {
        return null;
      }
    }
  }

  /**
   * Sends notices. A notice is stored before it goes out, and what each receiver answered is noted
   * before anything else is done, so a kill loses none and sends none twice, but for the instant
   * between a server's yes and the note of it.
   */
  static final class Outbox {
    private static final Duration KEPT = Duration.ofDays(180);
    private static final String WEBHOOK = "webhook";

    private final Config config;
    private final World world;
    private final Ledger ledger;
    private final Mailer mailer;
    private final Webhook webhook;
    private boolean mailRests; // after a failed connection or sign-in, until the next run
    private boolean webhookRests;
    private Exit worst = Exit.OK;

    Outbox(Config config, World world) {
      this.config = config;
      this.world = world;
      this.ledger = new Ledger(config);
      this.mailer = new Mailer(config, world);
      this.webhook = config.webhookUrl == null ? null : new Webhook(config, world);
      for (var folder : List.of(ledger.waiting, ledger.sent, ledger.refused)) {
        boolean isLink = Files.isSymbolicLink(folder);
        if (!isLink && (Files.isDirectory(folder) || !Files.exists(folder))) continue;
        throw Exit.HISTORY.fault("%s: is a %s (expected a folder)", Disk.shown(folder),
            isLink ? "link" : "file");
      }
    }

    Ledger ledger() {
      return ledger;
    }

    /** Of all deliveries, the code that the run ends with. */
    Exit worst() {
      return worst;
    }

    List<Path> waiting() {
      return Disk.list(ledger.waiting, ".*\\.(json|eml)");
    }

    /** The oldest first, so that nobody gets a follow-up before its beginning. */
    void sendWaiting() {
      for (var file : waiting()) {
        var notice = Ledger.read(file);
        if (notice == null) {
          world.warn(Disk.shown(file) + ": is no notice of this edition (look at it, then delete "
              + "it)");
        } else if (!file.getFileName().toString().equals(notice.fileName())) {
          world.warn(Disk.shown(file) + ": is not sent under this name (rename it to "
              + notice.fileName() + ", or delete it)");
        } else if (!ledger.isOwn(notice)) {
          world.warn(Disk.shown(file) + ": tells of another account or Query (expected a folder of "
              + "its own for each)");
        } else if (notice.hour().plus(1 + Hour.NEWS).isBefore(Hour.of(world.clock.instant()))) {
          giveUp(notice);
        } else {
          world.info(file.getFileName() + " waits in the outbox, trying again");
          send(notice);
        }
      }
    }

    private void giveUp(Notice notice) {
      worst = worse(Exit.TRY_LATER);
      var folder = notice.accepted.isEmpty() ? ledger.refused : ledger.sent;
      move(notice, folder);
      world.warn(notice.fileName() + " is older than a week and given up, see "
          + Disk.shown(folder));
    }

    boolean wasSent(Hour hour, Kind kind) {
      var file = ledger.sent.resolve(Notice.fileName(hour, kind));
      var notice = Ledger.read(file);
      if (notice != null) refuseForeign(notice);
      return Files.exists(file);
    }

    /** @return sent, queued, refused or already-sent */
    String deliver(Notice notice) {
      var known = ledger.find(notice.hour(), notice.topic.kind);
      if (known != null) refuseForeign(known);
      if (wasSent(notice.hour(), notice.topic.kind)) return "already-sent";
      if (Files.exists(ledger.refused.resolve(notice.fileName()))) return "refused";
      if (known == null) store(notice, ledger.waiting);
      return send(known == null ? notice : known);
    }

    /** Notes an end that nobody is told, so that the episode is over. */
    void noteUnsent(Notice notice) {
      store(notice, ledger.sent);
    }

    /** Two accounts in one folder must not take each other's notices for their own. */
    private void refuseForeign(Notice known) {
      if (ledger.isOwn(known)) return;
      throw Exit.CONFIG.fault("%s: holds a notice of that hour counted %s (expected a folder of "
              + "its own for each account's or Query's auth.ini)", Disk.shown(config.outFolder),
          History.scope(known.topic.account, known.topic.query));
    }

    private void store(Notice notice, Path folder) {
      Disk.write(folder.resolve(notice.fileName()),
          JSON.valueToTree(notice).toPrettyString() + "\n");
    }

    private void move(Notice notice, Path folder) {
      Disk.move(ledger.waiting.resolve(notice.fileName()), folder.resolve(notice.fileName()));
    }

    private String send(Notice notice) {
      makeSureThatSentCanBeNoted();
      mail(notice);
      post(notice);

      if (!unanswered(notice).isEmpty()) {
        worst = worse(Exit.TRY_LATER);
        world.warn(notice.fileName() + " waits in the outbox for " + unanswered(notice));
        return "queued";
      }
      boolean isRefused = notice.accepted.isEmpty() && !notice.refused.isEmpty();
      move(notice, isRefused ? ledger.refused : ledger.sent);
      return isRefused ? "refused" : "sent";
    }

    /** Else each run would send it again. */
    private void makeSureThatSentCanBeNoted() {
      var probe = ledger.sent.resolve(".writable");
      Disk.write(probe, "");
      Disk.delete(probe);
    }

    private void mail(Notice notice) {
      var addresses = new ArrayList<String>();
      for (var receiver : due(notice)) {
        if (!receiver.equals(WEBHOOK)) addresses.add(receiver);
      }
      if (addresses.isEmpty() || mailRests) return;
      try {
        mailer.send(notice, addresses).forEach((address, reply) ->
            note(notice, address, reply, "[email] " + config.mailHost + ": " + address));
        store(notice, ledger.waiting);
      } catch (Fault e) {
        mailRests = true;
        worst = worse(e.exit);
        world.warn(e.getMessage());
      }
    }

    private void post(Notice notice) {
      if (!due(notice).contains(WEBHOOK) || webhookRests) return;
      var place = "[webhook] " + config.webhookUrl.getHost();
      try {
        webhook.post(notice);
        note(notice, WEBHOOK, new Reply(250, "accepted"), place);
        store(notice, ledger.waiting);
      } catch (PermanentFailure e) {
        note(notice, WEBHOOK, new Reply(550, e.getMessage()), place);
        store(notice, ledger.waiting);
      } catch (IOException e) {
        webhookRests = true;
        world.warn(place + ": " + webhook.reason(e));
      }
    }

    /** Only in memory: the answers of one conversation are stored together. */
    private void note(Notice notice, String receiver, Reply reply, String place) {
      if (reply.isYes()) {
        notice.accepted.put(receiver, world.clock.instant().truncatedTo(ChronoUnit.SECONDS)
            .toString());
      } else if (reply.isNo()) {
        notice.refused.put(receiver, reply.words);
        worst = worse(Exit.TRY_LATER);
        world.warn(place + " refuses " + notice.fileName() + ": " + reply.words);
      } else {
        world.warn(place + " takes " + notice.fileName() + " later: " + reply.words);
      }
    }

    /** 77 once the sign-in was refused, else 75: the two ends of a delivery that failed. */
    private Exit worse(Exit exit) {
      return worst == Exit.DENIED || exit == Exit.DENIED ? Exit.DENIED : Exit.TRY_LATER;
    }

    /** Who, by the config of now, has not answered yet. */
    private List<String> unanswered(Notice notice) {
      var unanswered = new ArrayList<String>();
      for (var receiver : receivers()) {
        boolean answered = notice.accepted.containsKey(receiver)
            || notice.refused.containsKey(receiver);
        if (!answered && mayGet(notice, receiver)) unanswered.add(receiver);
      }
      return unanswered;
    }

    private Set<String> receivers() {
      var receivers = new LinkedHashSet<String>();
      receivers.addAll(config.mailReceivers());
      if (webhook != null) receivers.add(WEBHOOK);
      return receivers;
    }

    /** Follow-ups and the all-clear are for who got the beginning, or may still get it. */
    private boolean mayGet(Notice notice, String receiver) {
      if (notice.isFirst()) return true;
      var first = ledger.find(notice.topic.start, Kind.SPIKE);
      if (first == null) return false;
      boolean waits = Files.exists(ledger.waiting.resolve(first.fileName()));
      return first.accepted.containsKey(receiver)
          || waits && !first.refused.containsKey(receiver);
    }

    /** Who can be told now: of a follow-up only who has its beginning. */
    private List<String> due(Notice notice) {
      var due = unanswered(notice);
      if (notice.isFirst()) return due;
      var first = ledger.find(notice.topic.start, Kind.SPIKE);
      due.removeIf(receiver -> !first.accepted.containsKey(receiver));
      return due;
    }

    void prune() {
      var oldest = Hour.of(world.clock.instant().minus(KEPT)).name();
      for (var folder : List.of(ledger.sent, ledger.refused)) {
        for (var file : Disk.list(folder, "\\d{4}-\\d{2}-\\d{2}T\\d{2}.*")) {
          if (file.getFileName().toString().compareTo(oldest) < 0) Disk.delete(file);
        }
      }
    }
  }

  /** An SMTP reply: yes (2yz), later (4yz) or no (5yz); RFC 5321, 4.2.1. */
  record Reply(int code, String words) {
    boolean isYes() {
      return code / 100 == 2;
    }

    boolean isNo() {
      return code / 100 == 5;
    }
  }

  /** The mail of a notice, and its way to the SMTP server. */
  static final class Mailer {
    private static final Duration ANSWER_TO_DATA = Duration.ofMinutes(10); // RFC 5321, 4.5.3.2.6

    private final Config config;
    private final World world;
    private final Http http;

    Mailer(Config config, World world) {
      this.config = config;
      this.world = world;
      this.http = new Http(world, Pace.free());
    }

    /**
     * @return what the server said of each receiver
     * @throws Fault DENIED for the sign-in, TRY_LATER for what a later run may mend
     */
    Map<String, Reply> send(Notice notice, List<String> receivers) {
      var message = message(notice);
      var replies = new LinkedHashMap<String, Reply>();
      var left = new ArrayList<>(receivers);
      while (!left.isEmpty()) {
        var smtp = signedIn();
        var hungUp = bounded(world.timeout,
            () -> smtp.address(config.sender.getAddress(), left, replies));
        left.removeIf(receiver -> hungUp == null || receiver.equals(hungUp));
        if (hungUp != null) continue; // the others are asked in a conversation of their own
        var accepted = receivers.stream().filter(each -> replies.get(each).isYes()).toList();
        if (!accepted.isEmpty()) {
          var reply = bounded(ANSWER_TO_DATA.plus(world.timeout), () -> smtp.data(message));
          for (var receiver : accepted) replies.put(receiver, reply);
        }
        smtp.end();
      }
      replies.replaceAll((receiver, reply) ->
          new Reply(reply.code, world.sanitize(reply.words)));
      refuseIfSignInIsMissing(replies.values());
      return replies;
    }

    /** Some servers offer mail without a sign-in, and refuse it to all then. */
    private void refuseIfSignInIsMissing(Collection<Reply> replies) {
      for (var reply : replies) {
        if (reply.code != 530) return;
      }
      var words = replies.iterator().next().words;
      throw Exit.DENIED.fault("[email] %s: %s (set Password, or TokenUrl and its client)",
          server(), world.sanitize(words));
    }

    /** Asks the server about every receiver, without sending. @return what was seen */
    String check() {
      var smtp = signedIn();
      var replies = new LinkedHashMap<String, Reply>();
      var receivers = config.mailReceivers();
      bounded(world.timeout, () -> smtp.address(config.sender.getAddress(), receivers, replies));
      var seen = server() + ", " + lower(config.security.name()) + ", " + (config.hasMailSignIn()
          ? "signed in as " + config.username + " (offered: " + smtp.offered() + ")"
          : "without a sign-in");
      smtp.end();
      refuseIfSignInIsMissing(replies.values());
      replies.forEach((receiver, reply) -> {
        if (reply.isYes()) return;
        throw Exit.TRY_LATER.fault("[email] %s: %s %s: %s", server(), receiver,
            reply.isNo() ? "is refused" : "is not taken now", world.sanitize(reply.words));
      });
      return seen + ", takes mail for " + String.join(", ", receivers);
    }

    private SmtpSession signedIn() {
      var password = password();
      var username = password == null ? null : config.username;
      if (password != null) world.secrets.add(Secrets.base64("\0" + username + "\0" + password));
      var smtp = new SmtpSession(settings(), config.security == Security.TLS);
      smtp.setLocalHost(config.ehloName.isEmpty() ? world.ehloName() : config.ehloName);
      bounded(world.timeout, () -> {
        smtp.connect(config.mailHost, config.mailPort, username, password);
        return null;
      });
      if (password != null && smtp.offered().isEmpty()) {
        throw Exit.DENIED.fault("[email] %s offers no sign-in (check Host, Port and Security; "
            + "without a sign-in leave Password out)", server());
      }
      return smtp;
    }

    /** Runs a step of the conversation; every trouble in it becomes one line. */
    private <T> T bounded(Duration limit, Callable<T> step) {
      try {
        return Deadline.within(limit, () -> {
          try {
            return step.call();
          } catch (MessagingException e) {
            throw new IOException(e); // so that it passes the deadline
          }
        });
      } catch (IOException e) {
        var cause = e.getCause() == null ? e : e.getCause();
        if (cause instanceof AuthenticationFailedException refused) throw signInFault(refused);
        throw Exit.TRY_LATER.fault(e, "[email] %s: %s%s", server(), reason(e), hint(e));
      }
    }

    /** A connection that breaks during the sign-in comes as a refusal too, but without a reply. */
    private Fault signInFault(AuthenticationFailedException e) {
      var words = world.sanitize(Objects.requireNonNullElse(e.getMessage(), ""));
      if (words.startsWith("No authentication mechanisms")) {
        return Exit.DENIED.fault(e, "[email] %s offers no sign-in that is known here (expected "
            + "LOGIN, PLAIN or DIGEST-MD5; XOAUTH2 with TokenUrl)", server());
      }
      if (!words.matches("5\\d\\d.*")) {
        return Exit.TRY_LATER.fault(e, "[email] %s takes no sign-in now: %s", server(),
            words.matches("4\\d\\d.*") ? words : "the connection broke");
      }
      return Exit.DENIED.fault(e, "[email] %s refuses the sign-in of %s: %s (check Username and "
          + "Password; Gmail wants an app password, Microsoft 365 TokenUrl and its client)",
          server(), config.username, words);
    }

    private String reason(IOException e) {
      var words = new LinkedHashSet<String>();
      for (Throwable cause = e; cause != null; cause = cause.getCause()) {
        var message = cause.getMessage();
        boolean isOwnText = message != null && !message.contains("Exception");
        if (isOwnText && words.stream().noneMatch(word -> word.contains(message))) {
          words.add(message);
        }
      }
      if (hasCause(e, UnknownHostException.class)) return "no such host";
      if (hasCause(e, ConnectException.class)) return "no connection";
      return world.sanitize(words.isEmpty() ? "the connection broke" : String.join(": ", words));
    }

    private String hint(IOException e) {
      if (hasCause(e, CertificateException.class)) {
        return " (its certificate is not trusted: check Host; for an authority of your own give "
            + "Java -Djavax.net.ssl.trustStore=FILE)";
      }
      boolean isTls = config.security == Security.TLS;
      if (isTls && config.mailPort != 465) return " (Port 587 and 25 want Security = starttls)";
      if (!isTls && config.mailPort == 465) return " (Port 465 wants Security = tls)";
      boolean isSilent = hasCause(e, SocketTimeoutException.class);
      return isSilent && !isTls ? " (a server that says nothing may want Security = tls)" : "";
    }

    String server() {
      return config.mailHost + ":" + config.mailPort;
    }

    /** The password, or the OAuth token that takes its place; null for no sign-in. */
    private String password() {
      if (config.tokenUrl == null) return config.password;
      try {
        return http.token(config.tokenUrl, config.mailClient, config.scope, Exit.TRY_LATER,
            "[email] TokenUrl").access_token();
      } catch (Fault e) {
        throw e.exit == Exit.ZENDESK ? Exit.TRY_LATER.fault(e, "%s", e.getMessage()) : e;
      }
    }

    private Properties settings() {
      boolean starttls = config.security == Security.STARTTLS;
      var settings = new Properties();
      settings.put("mail.smtp.connectiontimeout", "30000");
      settings.put("mail.smtp.timeout", String.valueOf(ANSWER_TO_DATA.toMillis()));
      settings.put("mail.smtp.starttls.enable", String.valueOf(starttls));
      settings.put("mail.smtp.starttls.required", String.valueOf(starttls));
      settings.put("mail.smtp.ssl.checkserveridentity", "true");
      settings.put("mail.smtp.quitwait", "false"); // what was accepted is, whatever QUIT brings
      settings.put("mail.smtp.auth", String.valueOf(config.hasMailSignIn()));
      settings.put("mail.smtp.auth.mechanisms",
          config.tokenUrl == null ? "LOGIN PLAIN DIGEST-MD5" : "XOAUTH2");
      return settings;
    }

    /** The whole message. Made of the notice alone but for sender, receivers and date. */
    byte[] message(Notice notice) {
      var topic = notice.topic;
      var id = id(topic.hour.name() + "-" + topic.kind.word(), topic);
      var message = new MimeMessage(Session.getInstance(new Properties())) {
        @Override
        protected void updateMessageID() throws MessagingException {
          setHeader("Message-ID", id); // else made anew from clock and random numbers
        }
      };
      try {
        message.setFrom(config.sender);
        message.setRecipients(Message.RecipientType.TO,
            config.recipients.toArray(InternetAddress[]::new));
        message.setRecipients(Message.RecipientType.CC, config.cc.toArray(InternetAddress[]::new));
        message.setSubject((notice.isFirst() ? "" : "Re: ") + clean(topic.subject), "UTF-8");
        message.setSentDate(Date.from(world.clock.instant()));
        message.setHeader("Auto-Submitted", "auto-generated"); // RFC 3834: no out-of-office answers
        message.setHeader("X-Auto-Response-Suppress", "All"); // the same for Exchange
        message.setHeader("List-Id", "<spike-notifier." + topic.account + ">");
        setThread(message, topic, notice.isFirst());
        var text = new MimeBodyPart();
        text.setText(notice.words.text(), "UTF-8");
        var html = new MimeBodyPart();
        html.setText(notice.words.html(), "UTF-8", "html");
        message.setContent(new MimeMultipart("alternative", text, html));
        message.saveChanges();
        var bytes = new ByteArrayOutputStream();
        message.writeTo(bytes);
        return bytes.toByteArray();
      } catch (MessagingException | IOException e) {
        throw new IllegalStateException(e);
      }
    }

    /** One root that all mails name, since some servers replace the Message-ID of the first. */
    private static void setThread(MimeMessage message, Topic topic, boolean isFirst)
        throws MessagingException {
      if (topic.kind == Kind.SAMPLE) return;
      var root = id(topic.start.name() + "-episode", topic);
      if (isFirst) {
        message.setHeader("References", root);
        return;
      }
      var first = id(topic.start.name() + "-spike", topic);
      message.setHeader("In-Reply-To", first);
      message.setHeader("References", root + "\r\n " + first);
    }

    /** Made of the topic alone, so that a mail sent twice around a crash is known as the same. */
    private static String id(String name, Topic topic) {
      var query = Integer.toHexString(topic.query.hashCode());
      var population = topic.query.isEmpty() ? "" : "." + query;
      var chance = topic.kind == Kind.SAMPLE ? "." + UUID.randomUUID() : "";
      return "<" + name + population + chance + "@spike-notifier." + topic.account + ">";
    }
  }

  /** SMTP a reply at a time, so that each receiver's answer is known. */
  static final class SmtpSession extends SMTPTransport {
    private final List<Reply> replies = new ArrayList<>();
    private boolean isToken;

    SmtpSession(Properties settings, boolean tls) {
      super(Session.getInstance(settings), new URLName("smtp", null, -1, null, null, null), "smtp",
          tls);
    }

    /** The mechanisms of sign-in that the server offers; empty for none. */
    String offered() {
      return Objects.requireNonNullElse(getExtensionParameter("AUTH"), "");
    }

    /**
     * Notes the reply to each receiver; that to the sender is everybody's when it is for now, or
     * about the mail's size or the sign-in.
     *
     * @return the receiver at whom the server hung up (421), or null
     * @throws MessagingException also when the server does not take the sender at all
     */
    synchronized String address(String sender, List<String> receivers, Map<String, Reply> noted)
        throws MessagingException {
      var from = say("MAIL FROM:<" + sender + ">");
      boolean isOfMail = from.code == 530 || from.code == 552;
      if (from.isNo() && !isOfMail) {
        throw new MessagingException("refuses the sender: " + from.words + " (check Sender)");
      }
      for (var receiver : receivers) {
        var reply = from.isYes() ? say("RCPT TO:<" + receiver + ">") : from;
        noted.put(receiver, reply);
        if (reply.code == 421 && from.isYes()) return receiver;
      }
      return null;
    }

    /** The message, and the reply that ends it: from then on the server answers for it. */
    synchronized Reply data(byte[] message) throws MessagingException, IOException {
      int before = replies.size();
      try {
        var stream = data();
        stream.write(message);
        boolean isEnded = message[message.length - 1] == '\n';
        if (!isEnded) stream.write("\r\n".getBytes(UTF_8));
      } catch (MessagingException e) {
        var reply = replies.size() > before ? replies.get(before) : null; // to DATA itself
        if (reply != null && !reply.isYes()) return reply;
        throw e;
      }
      return say(".");
    }

    /** Remembers what was said last, for {@link #readServerResponse}. */
    @Override
    protected void sendCommand(String command) throws MessagingException {
      isToken = command.startsWith("AUTH XOAUTH2 ");
      super.sendCommand(command);
    }

    private Reply say(String command) throws MessagingException {
      simpleCommand(command);
      return replies.get(replies.size() - 1);
    }

    /** A reply that is none ends the conversation. */
    @Override
    protected int readServerResponse() throws MessagingException {
      int code = super.readServerResponse();
      if (code == 334 && isToken) { // the reason, in JSON; an empty line asks for the refusal
        sendCommand("");
        code = super.readServerResponse();
      }
      var words = oneLine(getLastServerResponse());
      if (code < 200 || code > 599) {
        throw new MessagingException(words.equals("[EOF]") ? "the server closed the connection"
            : "answers what is no SMTP: " + words);
      }
      replies.add(new Reply(code, words));
      return code;
    }

    /** Whatever happens to QUIT, what was accepted stays so. */
    void end() {
      try {
        close();
      } catch (MessagingException e) {
        replies.clear(); // nothing more is asked of this session
      }
    }
  }

  /** The notice as a chat service, or a program, takes it. */
  static final class Chat {
    private static final int LONGEST = 1900; // characters; Discord takes 2,000

    private Chat() { }

    /** By the host of the address where auth.ini does not say. */
    static Format format(Config config) {
      if (config.webhookFormat != Format.AUTO) return config.webhookFormat;
      var host = lower(config.webhookUrl.getHost());
      if (host.equals("chat.googleapis.com")) return Format.GOOGLECHAT;
      if (host.matches("(.*\\.)?(discord|discordapp)\\.com")) return Format.DISCORD;
      if (host.matches(".*\\.(office\\.com|logic\\.azure\\.com|powerplatform\\.com)")) {
        return Format.TEAMS;
      }
      if (host.matches(".*\\.(zapier\\.com|n8n\\.cloud|make\\.com)")) return Format.JSON;
      return Format.SLACK;
    }

    static String payload(Notice notice, Format format) {
      return switch (format) {
        case DISCORD -> discord(notice).toString();
        case TEAMS -> teams(notice).toString();
        case JSON -> facts(notice).toString();
        case AUTO, SLACK, GOOGLECHAT ->
            JSON.createObjectNode().put("text", text(notice, format)).toString();
      };
    }

    private static ObjectNode discord(Notice notice) {
      var json = JSON.createObjectNode().put("content", text(notice, Format.DISCORD));
      json.putObject("allowed_mentions").putArray("parse"); // nobody
      return json;
    }

    private static ObjectNode teams(Notice notice) {
      var json = JSON.createObjectNode().put("type", "message");
      var attachment = json.putArray("attachments").addObject()
          .put("contentType", "application/vnd.microsoft.card.adaptive");
      var card = attachment.putObject("content")
          .put("$schema", "http://adaptivecards.io/schemas/adaptive-card.json")
          .put("type", "AdaptiveCard")
          .put("version", "1.4");
      var body = card.putArray("body");
      for (var line : notice.words.chat()) {
        var block = body.addObject().put("type", "TextBlock").put("wrap", true)
            .put("text", harmless(line, Format.TEAMS));
        if (body.size() == 1) block.put("weight", "Bolder").put("size", "Medium");
      }
      for (var row : notice.words.rows()) {
        body.addObject().put("type", "TextBlock").put("fontType", "Monospace")
            .put("spacing", "None").put("text", harmless(row, Format.TEAMS));
      }
      card.putArray("actions").addObject().put("type", "Action.OpenUrl")
          .put("title", "Open in Zendesk").put("url", notice.facts.link());
      return json;
    }

    /** Everything, for programs. */
    private static ObjectNode facts(Notice notice) {
      var json = JSON.createObjectNode();
      json.put("account", notice.topic.account());
      json.put("hour", notice.hour().from().toString());
      json.put("kind", notice.topic.kind().word());
      json.put("episode", notice.topic.start.from().toString());
      json.put("subject", notice.topic.subject());
      json.setAll((ObjectNode) JSON.valueToTree(notice.facts));
      json.put("text", notice.words.text());
      return json;
    }

    private static String text(Notice notice, Format format) {
      var lines = new ArrayList<String>();
      for (var line : notice.words.chat()) lines.add(harmless(line, format));
      if (!notice.words.rows().isEmpty()) {
        lines.add("```");
        for (var row : notice.words.rows()) lines.add(harmless(row, format));
        lines.add("```");
      }
      var link = "\n" + notice.facts.link();
      var text = String.join("\n", lines);
      for (int most = LONGEST; text.length() + link.length() > LONGEST; most -= 50) {
        text = cut(text, most);
      }
      return text + link;
    }

    /**
     * So that nobody's tag mentions people, makes a link or sets type: "@all", "<!channel>" and
     * "[text](address)" are all in use somewhere.
     */
    private static String harmless(String line, Format format) {
      var text = clean(line).replace("@", "@\u200b").replace("`", "'").replace("[", "(")
          .replace("]", ")").replace("://", ":\u200b//");
      if (format == Format.SLACK) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
      }
      text = text.replace("<", "\u2039").replace(">", "\u203a"); // no service has an escape
      return format == Format.DISCORD || format == Format.TEAMS
          ? text.replaceAll("(?=[*_~|#])", "\u200b") : text;
    }
  }

  /** Posts notices, one try of ten seconds each. */
  static final class Webhook {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private final Config config;
    private final World world;
    private final Http http;

    Webhook(Config config, World world) {
      this.config = config;
      this.world = world;
      this.http = new Http(world, Pace.free());
    }

    /**
     * @throws PermanentFailure     for an answer that will not be better
     * @throws IOException for everything that may be better later
     */
    void post(Notice notice) throws IOException {
      var format = Chat.format(config);
      var request = HttpRequest.newBuilder(url(notice, format))
          .header("Content-Type", "application/json; charset=utf-8")
          .POST(HttpRequest.BodyPublishers.ofString(Chat.payload(notice, format)))
          .build();
      try {
        http.sendOnce(request, Void.class, world.atMost(LIMIT));
      } catch (TemporaryFailure e) {
        boolean isZendesksAlone = e.status == 409; // for later
        if (isZendesksAlone) throw new PermanentFailure(e.status, e.reason);
        throw e;
      }
    }

    /** Google Chat holds an episode together by a key in the address. */
    private URI url(Notice notice, Format format) {
      if (format != Format.GOOGLECHAT) return config.webhookUrl;
      var url = config.webhookUrl.toString();
      return URI.create(url + (url.contains("?") ? "&" : "?") + "threadKey=spike-"
          + notice.topic.start.name() + "&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
    }

    String reason(IOException e) {
      return http.reason(e);
    }
  }

  /** The watcher's watcher: a ping after each run, never a reason for the run to fail. */
  static final class Heartbeat {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private Heartbeat() { }

    /** @return whether the watcher took it */
    static boolean send(URI url, int code, World world) {
      var http = new Http(world, Pace.free());
      try {
        http.sendOnce(request(url, code, world.lastLines()), Void.class, world.atMost(LIMIT));
        return true;
      } catch (PermanentFailure e) {
        world.warn("[monitor] PingUrl: " + url.getHost() + " " + e.getMessage());
      } catch (IOException e) {
        world.warn("[monitor] PingUrl: " + url.getHost() + ": " + http.reason(e));
      }
      return false;
    }

    private static HttpRequest request(URI url, int code, String lines) {
      var address = address(url, code, lines);
      var request = HttpRequest.newBuilder(address);
      boolean isOwnEnding = address.getRawPath().equals(url.getRawPath());
      if (code == 0 || isOwnEnding) return request.GET().build();
      return request.header("Content-Type", "text/plain; charset=utf-8")
          .POST(HttpRequest.BodyPublishers.ofString(lines)).build();
    }

    /** A failing run must never ask an address that counts as good. */
    static URI address(URI url, int code, String lines) {
      if (code == 0) return url;
      var query = Objects.requireNonNullElse(url.getRawQuery(), "");
      if (hasPair(query, "status=up")) { // Uptime Kuma
        var others = query.replaceAll("(^|&)(status|msg)=[^&]*", "").replaceFirst("^&", "");
        var message = encode(cut("exit code " + code + ": " + lastLine(lines), 200));
        return with(url, url.getRawPath(), "status=down&msg=" + message
            + (others.isEmpty() ? "" : "&" + others));
      }
      if (hasPair(query, "state=complete")) { // Cronitor
        return with(url, url.getRawPath(), query.replace("state=complete", "state=fail"));
      }
      var path = Objects.requireNonNullElse(url.getRawPath(), "").replaceFirst("/+$", "");
      return with(url, path + "/fail", query); // Healthchecks and its like
    }

    private static boolean hasPair(String query, String pair) {
      return List.of(query.split("&")).contains(pair);
    }

    private static String lastLine(String lines) {
      var all = lines.lines().toList();
      return all.isEmpty() ? "" : all.get(all.size() - 1);
    }

    private static URI with(URI url, String path, String query) {
      return URI.create(url.getScheme() + "://" + url.getRawAuthority() + path
          + (query.isEmpty() ? "" : "?" + query));
    }
  }

  // ==== Notice: what is told, and in which words ================================================

  /** The order matters: a spike told after an all-clear of the same hour is the newer one. */
  enum Kind {
    @JsonProperty("clear") CLEAR,
    @JsonProperty("spike") SPIKE,
    @JsonProperty("sample") SAMPLE;

    String word() {
      return lower(name());
    }
  }

  /**
   * Which hour a notice is about, and the episode that it belongs to.
   *
   * @param start   the first hour of the episode
   * @param subject the same for all mails of an episode, since Gmail threads by subject
   */
  record Topic(String account, String query, Hour hour, Kind kind, Hour start, String subject) {
    boolean isWhole() {
      return account != null && query != null && hour != null && kind != null && start != null
          && subject != null;
    }
  }

  /**
   * The figures, for programs. Stored in out: a component that is added must be able to be null
   * (Long, not long), so that older notices can be read.
   *
   * @param usual   tickets, or null in a sample of nothing
   * @param percent over the usual; null where none are usual
   * @param cause   the tag that stands out, or null
   */
  record Facts(long count, Double usual, Double percent, String cause, List<TagCount> tags,
      String link) { }

  /** The words. {@code chat} holds a headline, then a line each; {@code rows} the first tags. */
  record Words(String text, String html, List<String> chat, List<String> rows) { }

  /**
   * One notice, as it lies in the outbox: without receivers, which the config of the moment of
   * sending names. What each answered is noted in it.
   *
   * @param accepted the time by receiver: a mail address, or "webhook"
   * @param refused  the refusal by receiver
   */
  record Notice(Topic topic, Facts facts, Words words, Map<String, String> accepted,
      Map<String, String> refused) {
    Notice {
      accepted = accepted == null ? new TreeMap<>() : new TreeMap<>(accepted);
      refused = refused == null ? new TreeMap<>() : new TreeMap<>(refused);
    }

    /** Whether nothing is missing that is read later: files of out/ may have been edited. */
    boolean isWhole() {
      return topic != null && topic.isWhole() && facts != null && words != null
          && words.text != null && words.html != null && words.chat != null && words.rows != null;
    }

    Hour hour() {
      return topic.hour;
    }

    boolean isFirst() {
      return topic.hour.equals(topic.start) && topic.kind != Kind.CLEAR;
    }

    String fileName() {
      return fileName(topic.hour, topic.kind);
    }

    static String fileName(Hour hour, Kind kind) {
      return hour.name() + "." + kind.word() + ".json";
    }
  }

  /** How many tickets came since the hour's end. */
  record HourInProgress(Instant until, long count) { }

  /** Writes notices. To reword one, edit its method: words and values stand together. */
  static final class NoticeWriter {
    private static final int EXAMPLES = 5;
    private static final int MORE_RISEN = 3; // tags that are not among the most frequent
    private static final int TAG_WIDTH = 44; // columns of the plain text
    private static final int CHAT_TAGS = 5;

    private final Config config;
    private final Judge judge;
    private final World world;

    NoticeWriter(Config config, Judge judge, World world) {
      this.config = config;
      this.judge = judge;
      this.world = world;
    }

    /**
     * The notice about a spike, from top to bottom.
     *
     * @param opening the topic of the open episode, or null when this notice opens one
     * @param soFar   null when it is not known
     */
    Notice spike(Spike spike, Topic opening, SpikeTickets tickets, HourInProgress soFar) {
      return spike(Kind.SPIKE, spike, opening, tickets, soFar);
    }

    /** A notice about a spike that is made up, by the same code. */
    Notice sample(Spike spike, SpikeTickets tickets, HourInProgress soFar) {
      return spike(Kind.SAMPLE, spike, null, tickets, soFar);
    }

    private Notice spike(Kind kind, Spike spike, Topic opening, SpikeTickets tickets,
        HourInProgress soFar) {
      var cause = tickets.cause();
      var headline = plural(spike.count(), "ticket") + " at " + account() + " from "
          + span(spike.hour()) + ", " + day(spike.hour()) + ".";
      var usual = usual(spike);
      var causeLine = causeLine(spike, tickets, cause);
      var link = agentSearch(spike.hour(), "");
      var mail = new MailBody();

      mail.title(headline);
      if (kind == Kind.SAMPLE) {
        mail.line("This is a sample: there is no spike, and all figures here are made up.");
      }
      mail.line(usual);
      if (opening != null) {
        mail.line("It goes on: this is hour " + (spike.hour().since(opening.start) + 1) + " since "
            + dayAndTime(opening.start) + ".");
      }
      if (isLate(spike.hour())) {
        mail.line("This notice comes late, at " + dayAndTime(world.clock.instant()) + ": the hour "
            + "could not be read, or was counted too low, or the mail could not be made before.");
      }

      var requesters = tickets.requesters();
      int most = requesters.values().stream().mapToInt(n -> n).max().orElse(0);
      boolean isFlood = most >= 5 && most * 2 >= tickets.size();
      if (isFlood) flood(mail, requesters, tickets.size());
      mail.line(causeLine);
      if (!isFlood && most > 0) mail.line(senders(requesters.size(), most));
      if (soFar != null) mail.line(soFar(spike.hour(), soFar));
      mail.link("All " + spike.count() + " in Zendesk: ", link);

      tagTable(mail, spike.hour(), tickets);
      examples(mail, tickets, cause);
      last24Hours(mail, spike.hour());

      why(mail, spike);
      mail.line("Counted: " + scope() + ". explain " + spike.hour().name()
          + " tells more.");
      mail.line(nextMail());
      footer(mail);

      var baseline = spike.baseline();
      var facts = new Facts(spike.count(), baseline.mean, baseline.percent(spike.count()),
          cause == null ? null : cause.tag(), tickets.top(config.numTags), link);
      var chat = new ArrayList<>(List.of(headline, usual, causeLine));
      if (soFar != null) chat.add(soFar(spike.hour(), soFar));
      if (kind == Kind.SAMPLE) chat.add(1, "This is a sample: all figures are made up.");
      return notice(kind, spike, opening, facts, mail, chat);
    }

    /** The subject of a first notice is that of the whole episode. */
    private Notice notice(Kind kind, Spike spike, Topic opening, Facts facts, MailBody mail,
        List<String> chat) {
      var start = opening == null ? spike.hour() : opening.start;
      var subject = opening == null ? subject(spike, facts.cause) : opening.subject;
      if (kind == Kind.SAMPLE) subject = "SAMPLE, no spike: " + subject;
      var topic = new Topic(config.zendeskHost, config.query, spike.hour(), kind, start,
          subject);
      return new Notice(topic, facts, mail.words(subject, chat, chatRows(facts.tags)), null, null);
    }

    private String subject(Spike spike, String cause) {
      return config.subject + " " + account() + ", " + dayAndTime(spike.hour()) + ": "
          + plural(spike.count(), "ticket") + " instead of " + amount(spike.baseline().mean)
          + (cause == null ? "" : ", " + cut(cause, 40));
    }

    /** The notice about the end of a spike, from top to bottom. */
    Notice clear(Calm calm, Notice opening) {
      var start = opening.topic.start;
      var over = calm.hour();
      var last = start; // its last hour
      var peak = start;
      long highest = opening.facts.count;
      double excess = 0;
      for (var hour = start; hour.isBefore(over); hour = hour.plus(1)) {
        if (!judge.counts.knows(hour)) continue;
        if (!(judge.verdict(hour) instanceof Spike spike)) continue;
        last = hour;
        excess += spike.excess();
        if (spike.count() > highest) {
          highest = spike.count();
          peak = hour;
        }
      }
      var headline = "Over at " + time(last.to()) + " UTC after "
          + plural(last.since(start) + 1, "hour") + ".";
      var now = plural(calm.count(), "ticket") + " at " + account() + " from " + span(over) + ", "
          + day(over) + "; usual: " + amount(calm.baseline().mean) + ".";
      var summary = "It began at " + dayAndTime(start) + ". "
          + "At its peak " + plural(highest, "ticket") + " came from " + span(peak) + "; in all "
          + rounded(excess) + " more than usual.";
      var mail = new MailBody();

      mail.title(headline);
      mail.line(now);
      mail.line(summary);
      if (isLate(over)) {
        mail.line("This notice comes late, at " + dayAndTime(world.clock.instant()) + ".");
      }
      var chat = new ArrayList<>(List.of(headline, now, summary));
      if (opening.facts.cause != null) {
        var tag = "The tag that stood out was " + opening.facts.cause + ".";
        mail.line(tag);
        chat.add(tag);
      }
      last24Hours(mail, over);
      footer(mail);

      var subject = opening.topic.subject;
      var topic = new Topic(config.zendeskHost, config.query, over, Kind.CLEAR, start, subject);
      var baseline = calm.baseline();
      var facts = new Facts(calm.count(), baseline.mean, baseline.percent(calm.count()),
          opening.facts.cause, List.of(), agentSearch(over, ""));
      return new Notice(topic, facts, mail.words(subject, chat, List.of()), null, null);
    }

    private String usual(Spike spike) {
      double mean = spike.baseline().mean;
      long least = Long.MAX_VALUE;
      long most = 0;
      var samples = judge.baselines.samples(spike.hour()).known();
      for (var sample : samples) {
        least = Math.min(least, sample.count());
        most = Math.max(most, sample.count());
      }
      var times = mean == 0 ? ""
          : ", so " + decimal(spike.count() / mean) + " times as many (" + rounded(spike.baseline()
              .percent(spike.count())) + " % more)";
      return "Usual at this hour: " + amount(mean) + times + ". The last " + samples.size()
          + " held " + (least == most ? most + " each" : least + " to " + most) + ".";
    }

    /** What it is about, as far as the tags tell. */
    private String causeLine(Spike spike, SpikeTickets tickets, TagCount cause) {
      if (tickets.size() == 0) return "Its tickets could not be read: " + tickets.missing() + ".";
      if (tickets.weeks() == 0) {
        return "What its tags usually are is not known (" + tickets.noUsual() + ").";
      }
      if (tickets.ranked().isEmpty()) return "None of its tickets carries a tag that is shown.";
      if (cause == null) return "No tag stands out beyond chance.";
      var read = tickets.missing().isEmpty() ? "" : " that were read";
      return cause.count() + " of the " + tickets.size() + read + " carry " + cause.tag()
          + (cause.isNew() ? ", which this hour usually has on none."
              : "; usual at this hour: " + amount(cause.usual()) + ".");
    }

    /** One sender's flood is another thing than a hundred people in trouble. */
    private void flood(MailBody mail, Map<Long, Integer> requesters, int tickets) {
      var busiest = Collections.max(requesters.entrySet(), Map.Entry.comparingByValue());
      mail.link("One requester wrote " + busiest.getValue() + " of the " + tickets + ": ",
          "https://" + config.zendeskHost + "/agent/users/" + busiest.getKey());
    }

    /** @param most tickets of one of them */
    private static String senders(int people, int most) {
      if (people == 1) return "One person wrote " + plural(most, "ticket") + ".";
      var wrote = people + " people wrote; no one more than ";
      return wrote + (most == 1 ? "once." : most + " times.");
    }

    private String soFar(Hour hour, HourInProgress soFar) {
      var next = hour.plus(1);
      var usual = judge.baselines.of(next);
      double part = Duration.between(next.from(), soFar.until).toSeconds() / 3600.0;
      var beside = usual == null || part > 1 ? ""
          : " (usual for these minutes: " + amount(usual.mean * part) + ")";
      return "Since " + time(next.from()) + ", up to " + time(soFar.until) + " UTC: "
          + plural(soFar.count, "ticket") + beside + ".";
    }

    private void tagTable(MailBody mail, Hour hour, SpikeTickets tickets) {
      var shown = new ArrayList<>(tickets.top(config.numTags));
      int more = 0;
      for (var tag : tickets.ranked()) {
        if (!tag.risen() || shown.contains(tag) || more == MORE_RISEN) continue;
        shown.add(tag);
        more++;
      }
      var untagged = tickets.untagged();
      boolean hasUntagged = untagged.count() > 0
          || untagged.usual() != null && untagged.usual() > 0;

      var rows = new ArrayList<List<Cell>>();
      for (var tag : shown) {
        var words = " tags:\"" + tag.tag().replace("\"", "") + "\"";
        rows.add(tagRow(tag, Cell.link(cut(tag.tag(), TAG_WIDTH), cut(tag.tag(), 100),
            agentSearch(hour, words))));
      }
      if (hasUntagged && tickets.size() > 0) rows.add(tagRow(untagged, Cell.of(untagged.tag())));
      if (rows.isEmpty()) return;
      mail.table(List.of(Cell.of("Tags"), Cell.right("tickets", 7), Cell.right("usual", 6),
          Cell.right("of all", 6), Cell.of("")), rows);
      if (!tickets.missing().isEmpty()) {
        mail.line("Ranked from " + tickets.size() + " of its tickets (" + tickets.missing()
            + ").");
      }
    }

    private static List<Cell> tagRow(TagCount tag, Cell name) {
      var mark = tag.isNew() && tag.count() > 0 ? "NEW" : tag.risen() ? "risen" : "";
      return List.of(name,
          Cell.right(String.valueOf(tag.count()), 7),
          Cell.right(tag.usual() == null ? "?" : decimal(tag.usual()), 6),
          Cell.right(rounded(tag.percent()) + " %", 6),
          Cell.of(mark));
    }

    private void examples(MailBody mail, SpikeTickets tickets, TagCount cause) {
      var rows = new ArrayList<List<Cell>>();
      for (var ticket : tickets.examples(cause, EXAMPLES)) {
        var url = "https://" + config.zendeskHost + "/agent/tickets/" + ticket.id();
        var id = "#" + ticket.id();
        var subject = Objects.requireNonNullElse(ticket.subject(), "(no subject)");
        int width = MailBody.COLUMNS - 2 - id.length() - 2 - 5 - 2;
        rows.add(List.of(Cell.link(id, id, url), Cell.noWrap(time(ticket.created())),
            Cell.of(cut(subject, width), cut(subject, 100))));
      }
      if (rows.isEmpty()) return;
      var title = cause == null ? "Some of the tickets"
          : "Tickets with " + cut(cause.tag(), TAG_WIDTH);
      mail.table(List.of(Cell.of(title), Cell.of(""), Cell.of("")), rows);
    }

    /** A row an hour: its count and a bar, the usual marked in it. */
    private void last24Hours(MailBody mail, Hour last) {
      var hours = Hour.range(last.plus(-23), last.plus(1)).toList();
      double highest = 1;
      for (var hour : hours) {
        highest = Math.max(highest, Math.max(known(hour), usualMean(hour)));
      }
      var rows = new ArrayList<List<Cell>>();
      for (var hour : hours) {
        boolean isKnown = judge.counts.knows(hour);
        var usual = judge.baselines.of(hour);
        rows.add(List.of(
            Cell.noWrap(day(hour) + " " + time(hour.from())),
            Cell.right(isKnown ? String.valueOf(judge.counts.at(hour)) : "?", 7),
            Cell.right(usual == null ? "?" : rounded(usual.mean), 6),
            Cell.bar(known(hour) / highest, usualMean(hour) / highest)));
      }
      mail.table(List.of(Cell.of("The last 24 hours"), Cell.right("tickets", 7),
          Cell.right("usual", 6), Cell.of("")), rows);
    }

    private double known(Hour hour) {
      return judge.counts.knows(hour) ? judge.counts.at(hour) : 0;
    }

    private double usualMean(Hour hour) {
      var usual = judge.baselines.of(hour);
      return usual == null ? 0 : usual.mean;
    }

    private void why(MailBody mail, Spike spike) {
      var rows = new ArrayList<List<Cell>>();
      for (var threshold : spike.thresholds().all()) {
        boolean decides = threshold == spike.thresholds().effective();
        rows.add(List.of(
            Cell.of(threshold.words().get()),
            Cell.right(decimal(threshold.shown()), 7),
            Cell.of(decides ? "decides" : "")));
      }
      mail.table(List.of(
          Cell.of("Why this notice: rule " + lower(judge.rule.name.name()) + ", a spike from "
              + plural(spike.thresholds().least(), "ticket") + " on"),
          Cell.of(""), Cell.of("")), rows);
    }

    private String scope() {
      return config.query.isEmpty() ? "all tickets of " + config.zendeskHost
          : "the tickets of " + config.zendeskHost + " that match " + config.query;
    }

    private String nextMail() {
      var end = config.allClear ? ", and one when it is over." : "; none when it is over.";
      return switch (config.repeat) {
        case EVERY -> "The next mail comes with the next hour like this" + end;
        case GROWTH -> "The next mail comes when it grows by half" + end;
        case FIRST -> config.allClear ? "The next mail comes when it is over."
            : "This is the only mail about it.";
      };
    }

    private void footer(MailBody mail) {
      mail.line(NAME + " " + VERSION + " on " + world.host() + ", " + config.shown());
    }

    private boolean isLate(Hour hour) {
      return !world.clock.instant().isBefore(hour.plus(2).to());
    }

    /** The first tags, for a code fence of a chat. */
    private static List<String> chatRows(List<TagCount> tags) {
      var rows = new ArrayList<String>();
      for (var tag : tags.subList(0, Math.min(CHAT_TAGS, tags.size()))) {
        var usual = tag.usual() == null ? "?" : decimal(tag.usual());
        rows.add("%-30s %6d, usual %s".formatted(cut(tag.tag(), 30), tag.count(), usual));
      }
      return rows;
    }

    private String account() {
      return config.zendeskHost.replace(".zendesk.com", "");
    }

    /** Zendesk's own search, in the agents' pages. No ampersand: chats treat it each their way. */
    private String agentSearch(Hour hour, String more) {
      var query = "type:ticket created>=%s created<%s%s %s"
          .formatted(hour.from(), hour.to(), more, config.query).strip();
      return "https://" + config.zendeskHost + "/agent/search/1?q=" + encode(query);
    }

    /** Such as "14:00 to 15:00 UTC (15:00 to 16:00 Europe/Berlin)". */
    private String span(Hour hour) {
      var utc = time(hour.from()) + " to " + time(hour.to()) + " UTC";
      var zone = config.zone;
      if (hour.isUtcIn(zone)) return utc;
      boolean sameDay = hour.date(zone).equals(hour.date(ZoneOffset.UTC));
      var local = at(hour.from(), zone, sameDay ? "HH:mm" : "EEE HH:mm") + " to "
          + at(hour.to(), zone, "HH:mm");
      return utc + " (" + local + " " + zone.getId() + ")";
    }
  }

  /**
   * Writes a mail twice: as plain text of 80 columns, and as HTML of tables and inline styles,
   * which is what Outlook and Gmail show.
   */
  static final class MailBody {
    static final int COLUMNS = 80;
    private static final int LONGEST_TABLE_END = 50_000; // characters; Gmail clips at 102 kB
    private static final String FONT = "font-family:Arial,Helvetica,sans-serif;";

    private final List<String> text = new ArrayList<>();
    private final StringBuilder html = new StringBuilder();

    void title(String words) {
      text.add(wrapped(words));
      html.append("<h1 style=\"margin:0 0 12px;font-size:19px;line-height:26px\">")
          .append(escape(words)).append("</h1>\n");
    }

    void line(String words) {
      text.add(wrapped(words));
      html.append(paragraph(escape(words)));
    }

    void link(String words, String url) {
      text.add((words.length() + url.length() > COLUMNS ? words.strip() + "\n" : words) + url);
      html.append(paragraph(anchor(url, escape(words.replaceFirst(": $", "")))));
    }

    private static String paragraph(String html) {
      return "<p style=\"margin:0 0 12px;word-break:break-word;overflow-wrap:anywhere\">" + html
          + "</p>\n";
    }

    /** @param head the title, then what stands over each further column */
    void table(List<Cell> head, List<List<Cell>> rows) {
      var lines = new ArrayList<String>();
      boolean hasHeads = head.stream().skip(1).anyMatch(cell -> !cell.text.isEmpty());
      int width = hasHeads ? columns(head.get(0).text) - 2 : 0;
      for (var row : rows) width = Math.max(width, columns(row.get(0).text));
      lines.add(textRow(head, width + 2));
      for (var row : rows) lines.add("  " + textRow(row, width));
      text.add(String.join("\n", lines));

      html.append("<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%;"
          + "border-collapse:collapse;margin:0 0 16px\">\n<tr>");
      for (var cell : head) html.append(cell.element(cell.text.isEmpty() ? "td" : "th"));
      html.append("</tr>\n");
      int left = 0;
      for (var row : rows) {
        if (html.length() > LONGEST_TABLE_END && rows.size() > 24) {
          left++;
          continue;
        }
        html.append("<tr>");
        for (var cell : row) html.append(cell.element("td"));
        html.append("</tr>\n");
      }
      html.append("</table>\n");
      if (left > 0) html.append(paragraph(left + " more are in the plain text of this mail."));
    }

    private static String textRow(List<Cell> cells, int width) {
      var line = new StringBuilder(cells.get(0).text);
      line.append(" ".repeat(Math.max(0, width - columns(cells.get(0).text))));
      for (var cell : cells.subList(1, cells.size())) line.append("  ").append(cell.text);
      return line.toString().stripTrailing();
    }

    /** Broken at blanks where there are any. */
    private static String wrapped(String words) {
      var lines = new StringBuilder();
      int column = 0;
      for (var word : clean(words).strip().split(" +")) {
        for (var piece : pieces(word)) {
          if (column > 0 && column + 1 + columns(piece) > COLUMNS) {
            lines.append('\n');
            column = 0;
          } else if (column > 0) {
            lines.append(' ');
            column++;
          }
          lines.append(piece);
          column += columns(piece);
        }
      }
      return lines.toString();
    }

    private static List<String> pieces(String word) {
      if (columns(word) <= COLUMNS) return List.of(word);
      var pieces = new ArrayList<String>();
      for (int at = 0; at < word.length(); ) {
        var piece = start(word.substring(at), COLUMNS);
        pieces.add(piece);
        at += piece.length();
      }
      return pieces;
    }

    static String anchor(String url, String html) {
      return "<a href=\"" + escape(url) + "\">" + html + "</a>";
    }

    Words words(String title, List<String> chat, List<String> rows) {
      return new Words(String.join("\n\n", text) + "\n", page(title), List.copyOf(chat), rows);
    }

    private String page(String title) {
      return """
          <!DOCTYPE html>
          <html lang="en"><head><meta charset="utf-8">
          <meta name="viewport" content="width=device-width">
          <meta name="color-scheme" content="light dark">
          <meta name="supported-color-schemes" content="light dark"><title>%s</title></head>
          <body style="margin:0;padding:16px">
          <table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" \
          style="width:100%%;max-width:600px;table-layout:fixed"><tr>
          <td style="%sfont-size:15px;line-height:22px;padding:0">
          %s</td></tr></table></body></html>
          """.formatted(escape(title), FONT, html);
    }
  }

  /** A cell of a table, as plain text and as HTML; {@code style} is that of its {@code td}. */
  record Cell(String text, String html, String style) {
    private static final int BAR = 24; // characters
    private static final double STROKE = 0.01; // of the bar
    private static final String BREAKS = "word-break:break-word;overflow-wrap:anywhere";
    private static final String WHOLE = "white-space:nowrap";
    private static final String NARROW = WHOLE + ";width:1%";

    static Cell of(String words) {
      return of(words, words);
    }

    /** @param longer for HTML, where there is more room */
    static Cell of(String words, String longer) {
      boolean isShort = longer.length() <= 7;
      return new Cell(clean(words), escape(longer), isShort ? WHOLE : BREAKS);
    }

    static Cell right(String digits, int width) {
      var text = " ".repeat(Math.max(0, width - digits.length())) + digits;
      return new Cell(text, escape(digits), "text-align:right;" + NARROW);
    }

    static Cell noWrap(String words) {
      return new Cell(words, escape(words), NARROW);
    }

    static Cell link(String words, String longer, String url) {
      var style = longer.length() <= 22 ? WHOLE : BREAKS;
      return new Cell(clean(words), MailBody.anchor(url, escape(longer)), style);
    }

    /**
     * Up to the usual in blue, beyond in red; a stroke between two gaps marks the usual, for those
     * to whom blue and red are one grey. Both within [0, 1].
     */
    static Cell bar(double count, double usual) {
      int mark = (int) Math.round(usual * BAR);
      var text = new StringBuilder("#".repeat((int) Math.round(count * BAR)));
      while (text.length() <= mark) text.append(' ');
      text.setCharAt(mark, '|');
      var html = "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
          + "cellspacing=\"0\" style=\"width:100%;border-collapse:collapse\"><tr>"
          + piece(Math.min(count, usual), "background-color:#4477aa")
          + piece(usual - count, "")
          + piece(STROKE, "")
          + piece(STROKE, "background-color:#767676")
          + piece(STROKE, "")
          + piece(count - usual, "background-color:#cc3311")
          + piece(1 - Math.max(count, usual), "")
          + "</tr></table>";
      return new Cell(text.toString(), html, "width:50%;padding:7px 0"); // as high as a line
    }

    private static String piece(double part, String style) {
      if (part < 0.005) return "";
      double percent = Math.max(1, part * (100 - 3)); // without stroke and gaps
      return "<td width=\"%.0f%%\" style=\"%s%s\">&nbsp;</td>"
          .formatted(percent, "font-size:1px;line-height:12px;height:12px;", style);
    }

    String element(String name) {
      return "<%1$s align=\"left\" valign=\"top\" style=\"%2$sfont-size:14px;line-height:20px;"
          .formatted(name, MailBody.FONT)
          + "padding:3px 8px 3px 0;border-bottom:1px solid #888888;%s\">%s</%s>"
          .formatted(style, html, name);
    }
  }

  // ==== Tags: what are the tickets about ========================================================

  /**
   * A tag of a spike's tickets.
   *
   * @param count   the tickets that carry it
   * @param usual   how many carry it in that hour as a rule, or null when that is not known
   * @param percent of all tickets that were read
   * @param risen   whether its share of the tickets is above its usual share beyond chance
   */
  record TagCount(String tag, long count, Double usual, double percent, boolean risen) {
    double excess() {
      return usual == null ? 0 : count - usual;
    }

    boolean isNew() {
      return usual != null && usual == 0;
    }
  }

  /** Counts tags ticket by ticket, without case, as spelled in the earliest ticket. */
  static final class Tally {
    private final Set<String> omitted;
    private final Map<String, Tag> tags = new HashMap<>();
    private long tickets;
    private long untagged;

    /** A tag, how often it came, and the ticket and place where it came first. */
    private static final class Tag {
      private String spelled;
      private Ticket first;
      private int place;
      private long tickets;

      private boolean isAfter(Ticket ticket) {
        if (first == null) return true;
        int order = ticket.created().compareTo(first.created());
        return order < 0 || order == 0 && ticket.id() < first.id();
      }
    }

    Tally(Collection<String> omitted) {
      this.omitted = Set.copyOf(omitted);
    }

    void add(Ticket ticket) {
      tickets++;
      if (ticket.tags().isEmpty()) untagged++;
      var counted = new HashSet<String>();
      for (int i = 0; i < ticket.tags().size(); i++) {
        var spelled = ticket.tags().get(i);
        var key = lower(spelled);
        if (omitted.contains(key) || !counted.add(key)) continue;
        var tag = tags.computeIfAbsent(key, absent -> new Tag());
        tag.tickets++;
        if (!tag.isAfter(ticket)) continue;
        tag.spelled = spelled;
        tag.first = ticket;
        tag.place = i;
      }
    }

    long tickets() {
      return tickets;
    }

    long untagged() {
      return untagged;
    }

    private long of(String key) {
      return tags.containsKey(key) ? tags.get(key).tickets : 0;
    }

    /** The keys, the most frequent first, equals in the order of first appearance. */
    private List<String> ranked() {
      Comparator<String> byCount = Comparator.comparingLong(key -> -of(key));
      return tags.keySet().stream().sorted(byCount
          .thenComparing(key -> tags.get(key).first.created())
          .thenComparing(key -> tags.get(key).first.id())
          .thenComparing(key -> tags.get(key).place)).toList();
    }
  }

  /** The tickets of a spike, beside what the same hour held in the last weeks. */
  static final class SpikeTickets {
    private static final double CHANCE = 3; // deviations; many tags are looked at
    private static final int FEWEST = 3; // tickets that may tell of a cause
    private static final int FEW_BEFORE = 10; // tickets of all weeks

    private final List<Ticket> tickets = new ArrayList<>();
    private final Tally tally;
    private final List<Tally> weeks = new ArrayList<>();
    private String missing = "";
    private String noUsual = "";

    SpikeTickets(Collection<String> omitted) {
      this.tally = new Tally(omitted);
    }

    /** @param ticket another one each time: whoever reads pages drops doubles */
    void add(Ticket ticket) {
      tickets.add(ticket);
      tally.add(ticket);
    }

    void addWeek(Tally week) {
      weeks.add(week);
    }

    /** @param why not all tickets of the spike are here */
    void setMissing(String why) {
      missing = why;
    }

    /** @param why there are no usual counts */
    void setNoUsual(String why) {
      noUsual = why;
    }

    int size() {
      return tickets.size();
    }

    /** Why not all tickets are here; empty when they are. */
    String missing() {
      return missing;
    }

    /** Why the usual counts are not known; means nothing where there are weeks. */
    String noUsual() {
      return noUsual;
    }

    int weeks() {
      return weeks.size();
    }

    /** Every tag, the most frequent first. */
    List<TagCount> ranked() {
      var ranked = new ArrayList<TagCount>();
      for (var key : tally.ranked()) {
        long count = tally.of(key);
        long before = weeks.stream().mapToLong(week -> week.of(key)).sum();
        ranked.add(counted(tally.tags.get(key).spelled, count, before));
      }
      return ranked;
    }

    /** The most frequent tags. */
    List<TagCount> top(int most) {
      var ranked = ranked();
      return ranked.subList(0, Math.min(most, ranked.size()));
    }

    TagCount untagged() {
      long before = weeks.stream().mapToLong(Tally::untagged).sum();
      return counted("(no tag)", tally.untagged, before);
    }

    private TagCount counted(String tag, long count, long before) {
      Double usual = weeks.isEmpty() ? null : (double) before / weeks.size();
      double percent = size() == 0 ? 0 : 100.0 * count / size();
      return new TagCount(tag, count, usual, percent, hasRisen(count, before));
    }

    /** Compares two shares: deviations between them if both came from the same urn. */
    private boolean hasRisen(long count, long before) {
      double now = size();
      double then = weeks.stream().mapToLong(Tally::tickets).sum();
      if (weeks.isEmpty() || count < FEWEST) return false;
      if (then < FEW_BEFORE) return before == 0 && count * 2 >= now; // shares of few tell nothing
      double share = (count + before) / (now + then);
      double deviation = Math.sqrt(share * (1 - share) * (1 / now + 1 / then));
      double difference = count / now - before / then;
      return deviation > 0 && difference >= CHANCE * deviation;
    }

    /** The risen tag with the largest excess, or null when none stands out. */
    TagCount cause() {
      TagCount cause = null;
      for (var tag : ranked()) {
        if (tag.risen && (cause == null || tag.excess() > cause.excess())) cause = tag;
      }
      return cause;
    }

    /** Tickets with that tag, or of all for null, spread over the hour, oldest first. */
    List<Ticket> examples(TagCount tag, int most) {
      var carriers = new ArrayList<Ticket>();
      for (var ticket : tickets) {
        boolean carries = tag == null
            || ticket.tags().stream().anyMatch(each -> lower(each).equals(lower(tag.tag)));
        if (carries) carriers.add(ticket);
      }
      carriers.sort(Comparator.comparing(Ticket::created).thenComparing(Ticket::id));
      if (carriers.size() <= most) return carriers;
      var spread = new ArrayList<Ticket>();
      for (int i = 0; i < most; i++) {
        spread.add(carriers.get((int) ((long) i * (carriers.size() - 1) / (most - 1))));
      }
      return spread;
    }

    /** Tickets by requester. */
    Map<Long, Integer> requesters() {
      var requesters = new HashMap<Long, Integer>();
      for (var ticket : tickets) {
        if (ticket.requester() != null) requesters.merge(ticket.requester(), 1, Integer::sum);
      }
      return requesters;
    }
  }

  // ==== Zendesk: which tickets were created in the hour =========================================

  /**
   * A ticket as far as it is read here; {@code tags} as sent, none of them blank.
   *
   * @param id      and {@code created} are null in one that makes no sense
   * @param subject null for none
   * @param type    "ticket", or that of another record that was mixed in
   */
  record Ticket(Long id, Instant created, String subject, Long requester, List<String> tags,
      String type) {
    /** Field by field, so that one that makes no sense costs itself only. */
    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    static Ticket of(JsonNode json) {
      var tags = new ArrayList<String>();
      for (var tag : json.path("tags")) {
        if (tag.isTextual() && !tag.asText().isBlank()) tags.add(tag.asText());
      }
      return new Ticket(number(json.path("id")), instant(json.path("created_at").asText()),
          json.path("subject").textValue(), number(json.path("requester_id")), tags,
          json.path("result_type").asText("ticket"));
    }

    private static Long number(JsonNode json) {
      return json.isIntegralNumber() && json.canConvertToLong() ? json.longValue() : null;
    }

    private static Instant instant(String text) {
      try {
        return OffsetDateTime.parse(text).toInstant();
      } catch (DateTimeException e) {
        return null;
      }
    }

    /** Whether it makes sense, and belongs to the span that was asked for. */
    boolean isWithin(Instant from, Instant to) {
      return id != null && created != null && !created.isBefore(from) && created.isBefore(to);
    }
  }

  /** An error beside or instead of a result; of a tree only that it is there. */
  static final class ErrorReader extends JsonDeserializer<String> {
    @Override
    public String deserialize(JsonParser parser, DeserializationContext context)
        throws IOException {
      if (parser.currentToken() == JsonToken.VALUE_STRING) return parser.getText();
      parser.skipChildren();
      return "an error";
    }
  }

  /** What search/count answers. What is not read here is skipped, whatever its size. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record TicketCount(Long count, @JsonDeserialize(using = ErrorReader.class) String error,
      @JsonDeserialize(using = ErrorReader.class) String description) {
    TicketCount {
      Http.expect(error == null, "answers the error " + error + ": " + description);
      Http.expect(count != null && count >= 0, "no count in its answer");
    }
  }

  /** A page of search, which has {@code next_page}, or of search/export, which has the rest. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record TicketPage(List<Ticket> results, String next_page, Links links, Meta meta,
      @JsonDeserialize(using = ErrorReader.class) String error,
      @JsonDeserialize(using = ErrorReader.class) String description) {
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Links(String next) { }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Meta(boolean has_more) { }

    TicketPage {
      Http.expect(error == null, "answers the error " + error + ": " + description);
      Http.expect(results != null, "no results in its answer");
    }

    /** Without {@code type:ticket} in the query, users and others are mixed in. */
    List<Ticket> tickets() {
      var tickets = new ArrayList<Ticket>();
      for (var result : results) {
        if (result != null && result.type.equals("ticket")) tickets.add(result);
      }
      return tickets;
    }

    /** The address of the next page, or null. */
    String next() {
      if (results.isEmpty()) return null;
      if (links == null) return next_page;
      return meta != null && meta.has_more ? links.next : null;
    }
  }

  /** The search API: counts of, and tickets from, half-open spans of UTC time. */
  static final class Zendesk {
    static final int SEARCH_MOST = 1000; // search gives no more results, the rest is export's
    static final int PAGE = 1000;        // of export
    static final int SMALL_PAGE = 100;   // for when big pages are too slow for Zendesk
    private static final Instant FIRST_PLAUSIBLE = Instant.parse("2020-01-01T00:00:00Z");
    private static final LocalDate WARNED_FROM = LocalDate.of(2027, 1, 1);

    private final Config config;
    private final World world;
    private final Http http;
    private Token token;
    private boolean tokenWorked;
    private long tokenEnds; // on the ticker
    private Instant serverTime;
    private int requests;

    Zendesk(Config config, World world) {
      this.config = config;
      this.world = world;
      this.http = new Http(world, Pace.perMinute(config.requestsPerMinute));
    }

    /** Said in good time, since the notices end with the tokens. */
    void warnOfApiToken() {
      if (config.zendeskClient != null) return;
      if (LocalDate.ofInstant(world.clock.instant(), ZoneOffset.UTC).isBefore(WARNED_FROM)) return;
      world.warn("[zendesk] Credentials: Zendesk ends API tokens on 30 Apr 2027 (make an OAuth "
          + "client and set ClientId and ClientSecret)");
    }

    int requests() {
      return requests;
    }

    /** The clock of the latest answer, or null when none named its time. */
    Instant serverTime() {
      return serverTime;
    }

    /** Tickets created from {@code from} up to and without {@code to}; exact past 1,000 too. */
    long count(Hour from, Hour to) {
      return count(from.from(), to.from(), config.query);
    }

    long count(Instant from, Instant to, String query) {
      return get("/api/v2/search/count.json?query=" + words("type:ticket", from, to, query),
          TicketCount.class).count;
    }

    /** The tickets of the span page after page, oldest first; search gives 1,000 at the most. */
    Iterator<List<Ticket>> search(Hour from, Hour to) {
      return new Pages("/api/v2/search.json?per_page=100&sort_by=created_at&sort_order=asc&query="
          + words("type:ticket", from.from(), to.from(), config.query));
    }

    /** The tickets of the span page after page, newest first. */
    Iterator<List<Ticket>> export(Hour from, Hour to, int pageSize) {
      return new Pages("/api/v2/search/export.json?filter%5Btype%5D=ticket&page%5Bsize%5D="
          + pageSize + "&query=" + words("", from.from(), to.from(), config.query));
    }

    /** Page after page, each read when it is asked for. */
    private final class Pages implements Iterator<List<Ticket>> {
      private final Set<String> read = new HashSet<>();
      private String next;

      Pages(String first) {
        next = first;
      }

      @Override
      public boolean hasNext() {
        return next != null;
      }

      @Override
      public List<Ticket> next() {
        if (!read.add(next)) {
          throw Exit.ZENDESK.fault("%s: a next page that was read already", place());
        }
        var page = get(next, TicketPage.class);
        next = page.next();
        return page.tickets();
      }
    }

    /** Blank-free operators and full UTC instants: anything else Zendesk takes for free text. */
    private static String words(String type, Instant from, Instant to, String query) {
      return encode("%s created>=%s created<%s %s".formatted(type, from, to, query).strip());
    }

    private <T> T get(String link, Class<T> type) {
      var url = onSameHost(link.startsWith("/") ? config.zendeskUrl + link : link);
      try {
        return ask(url, type);
      } catch (PermanentFailure e) {
        if (e.status != 401 || !tokenWorked) throw fault(e);
      }
      token = null; // it ended before its time, so sign in once more
      tokenWorked = false;
      try {
        return ask(url, type);
      } catch (PermanentFailure e) {
        throw fault(e);
      }
    }

    private <T> T ask(URI url, Class<T> type) {
      requests++;
      var answer = http.send(() -> HttpRequest.newBuilder(url)
          .header("Accept", "application/json")
          .header("Accept-Encoding", "gzip")
          .header("Authorization", authorization())
          .build(), type, "[zendesk]");
      var date = Http.date(answer.headers().firstValue("date").orElse(""));
      boolean isPlausible = date != null && date.isAfter(FIRST_PLAUSIBLE);
      if (isPlausible) serverTime = date;
      tokenWorked = token != null;
      return answer.value();
    }

    /** A link must not lead the credentials to another host. */
    private URI onSameHost(String link) {
      try {
        var url = new URI(link);
        var own = config.zendeskUrl;
        boolean isSame = own.getScheme().equals(url.getScheme())
            && own.getAuthority().equalsIgnoreCase(url.getAuthority());
        if (isSame) return url;
        throw Exit.ZENDESK.fault("%s: its next page is at another host, %s: refused, nothing was "
            + "sent there", place(), url.getHost());
      } catch (URISyntaxException e) {
        throw Exit.ZENDESK.fault(e, "%s: its next page is no URL", place());
      }
    }

    private String authorization() {
      if (config.zendeskClient == null) {
        var basic = Secrets.base64(config.credentials);
        world.secrets.add(basic);
        return "Basic " + basic;
      }
      if (token == null || world.ticker.nanos() > tokenEnds) {
        requests++;
        token = http.token(URI.create(config.zendeskUrl + "/oauth/tokens"), config.zendeskClient,
            "read", Exit.ZENDESK, "[zendesk]");
        tokenEnds = world.ticker.nanos() + token.life().toNanos();
      }
      return "Bearer " + token.access_token();
    }

    private String place() {
      return "[zendesk] " + config.zendeskUrl.getHost();
    }

    private Fault fault(PermanentFailure e) {
      var advice = switch (e.status) {
        case 401 -> config.zendeskClient != null ? "check ClientId and ClientSecret"
            : "check Credentials; unused API tokens are switched off, no new ones can be made "
                + "since 27 Oct 2026 and all end on 30 Apr 2027: make an OAuth client";
        case 403 -> "the client's user must be an admin or an agent with access to all tickets";
        case 404 -> "check Domain";
        case 400, 422 -> "check Query";
        default -> e.status / 100 == 3 ? "not followed; set Domain to the account's own subdomain"
            : "unexpected";
      };
      var exit = e.status == 401 || e.status == 403 ? Exit.DENIED : Exit.ZENDESK;
      return exit.fault(e, "%s %s (%s)", place(), e.getMessage(), advice);
    }
  }

  // ==== Verdict: is this hour a spike ===========================================================

  /** The settings that decide: those of auth.ini, but for the three that backtest varies. */
  record Rule(Config config, RuleName name, double threshold, double deviations) {
    Rule(Config config) {
      this(config, config.ruleName, config.spikeThreshold, config.deviations);
    }

    boolean isWeekly() {
      return name == RuleName.WEEKLY;
    }
  }

  /** An earlier hour's count that the judged hour is compared with. */
  record Sample(Hour hour, long count) { }

  /** Which hours are compared with the judged one, newest first, and which were left out. */
  record Samples(Basis basis, List<Sample> known, List<Hour> unknown, List<Hour> ignored) { }

  /** What the samples have in common with the judged hour. */
  enum Basis {
    HOUR_OF_DAY("the same hour of day"),
    HOUR_OF_WEEK("the same hour of the same weekday"),
    LAST_DAYS("the same hour of the last 28 days");

    final String words;

    Basis(String words) {
      this.words = words;
    }
  }

  /**
   * What an hour usually holds, in tickets.
   *
   * @param spread null under the rule mean
   */
  record Baseline(double mean, int samples, Spread spread) {
    /** Deviations over the mean. */
    double z(long count) {
      return (count - mean) / spread.deviation;
    }

    /** Percent over the mean; null when the mean is 0. */
    Double percent(long count) {
      return mean == 0 ? null : (count - mean) / mean * 100;
    }
  }

  /**
   * How far an hour usually strays from its mean.
   *
   * @param deviation in tickets
   * @param growthFactor what the mean was multiplied with to follow growth, 1 to 4
   * @param cap       what a sample counted for at the most
   * @param isOfWeek  whether four weeks of the same hour are known
   */
  record Spread(double deviation, double growthFactor, double cap, boolean isOfWeek) { }

  /** The first two steps to a verdict: the samples of an hour, and what it usually holds. */
  static final class Baselines {
    private static final int WEEKS = 13;
    private static final int MIN_WEEKS = 4; // with fewer, the last days serve
    private static final int LAST_DAYS = 28;
    private static final int MIN_DAYS = 7;
    private static final double CAP = 3;          // deviations over the median
    private static final double PRIOR = 4;        // samples that the assumed variance weighs
    private static final double NATURAL = 0.3;    // deviation that hourly counts have as a rule
    private static final int LEVEL_DAYS = 3;
    private static final int LEVEL_MIN_HOURS = 12; // known hours of a day that tells the level
    private static final double MOST_LEVEL = 4;

    final Rule rule;
    final Counts counts;
    private final Map<Hour, Baseline> baselines = new HashMap<>();
    private final Map<Hour, Double> weeklyMeans = new HashMap<>();

    Baselines(Rule rule, Counts counts) {
      this.rule = rule;
      this.counts = counts;
    }

    /** Step 1: which earlier hours the hour is compared with. */
    Samples samples(Hour hour) {
      if (!rule.isWeekly()) {
        return samples(hour, Basis.HOUR_OF_DAY, 0, rule.config.numHours / 24 + 1, 1);
      }
      var weeks = samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS, 7);
      boolean isEnough = weeks.known.size() >= Math.max(MIN_WEEKS, rule.config.minSamples);
      if (isEnough) return weeks;
      return samples(hour, Basis.LAST_DAYS, 1, LAST_DAYS, 1);
    }

    /** From {@code first} to {@code last} days before, by steps of so many days. */
    private Samples samples(Hour hour, Basis basis, int first, int last, int step) {
      var known = new ArrayList<Sample>();
      var unknown = new ArrayList<Hour>();
      var ignored = new ArrayList<Hour>();
      for (int days = first; days <= last; days += step) {
        for (var past : hour.daysBefore(days, rule.config.zone)) {
          long back = hour.since(past);
          if (back <= 0 || basis == Basis.HOUR_OF_DAY && back > rule.config.numHours) continue;
          if (isIgnored(past)) {
            ignored.add(past);
          } else if (counts.isSample(past)) {
            known.add(new Sample(past, counts.at(past)));
          } else {
            unknown.add(past);
          }
        }
      }
      return new Samples(basis, known, unknown, ignored);
    }

    private boolean isIgnored(Hour hour) {
      var days = rule.config.ignoredDays;
      return !days.isEmpty() && days.contains(hour.date(rule.config.zone));
    }

    /** How many samples it takes to judge. */
    int needed(Basis basis) {
      int least = rule.config.minSamples;
      return basis == Basis.LAST_DAYS ? Math.max(MIN_DAYS, least) : least;
    }

    /** Step 2: what the hour usually holds; null while there is too little history to say. */
    Baseline of(Hour hour) {
      if (!baselines.containsKey(hour)) baselines.put(hour, of(hour, samples(hour)));
      return baselines.get(hour);
    }

    private Baseline of(Hour hour, Samples samples) {
      if (samples.known.size() < needed(samples.basis)) return null;
      return switch (samples.basis) {
        case HOUR_OF_DAY -> new Baseline(mean(values(samples)), samples.known.size(), null);
        case HOUR_OF_WEEK -> weekly(samples, level(hour));
        case LAST_DAYS -> weekly(samples, 1);
      };
    }

    /** The mean of the samples, and how far they stray, drawn towards what is usual anywhere. */
    private static Baseline weekly(Samples samples, double level) {
      boolean isOfWeek = samples.basis == Basis.HOUR_OF_WEEK;
      double cap = isOfWeek ? cap(values(samples)) : Double.POSITIVE_INFINITY;
      double[] values = capped(values(samples), cap);
      int n = values.length;
      double mean = mean(values) * level;
      double squares = 0; // (n - 1) times the variance
      for (double value : values) squares += Math.pow(value * level - mean, 2);
      double variance = (squares + PRIOR * assumedVariance(mean)) / (n - 1 + PRIOR);
      double noLess = Math.max(mean, 1); // no count strays less than chance makes it
      double deviation = Math.sqrt(Math.max(variance, noLess) * (1 + 1.0 / n));
      return new Baseline(mean, n, new Spread(deviation, level, cap, isOfWeek));
    }

    /** So that one outage among the samples does not hide the next. */
    private static double cap(double[] values) {
      double median = median(values);
      return median + CAP * Math.sqrt(assumedVariance(median));
    }

    private static double[] capped(double[] values, double cap) {
      var capped = values.clone();
      for (int i = 0; i < capped.length; i++) capped[i] = Math.min(capped[i], cap);
      return capped;
    }

    /** The variance that hourly ticket counts of that mean have as a rule. */
    private static double assumedVariance(double mean) {
      return Math.max(mean, 1) + Math.pow(NATURAL * mean, 2);
    }

    /**
     * How far the last three days are above what their hours usually hold: the middle one of the
     * three, so that growth is followed within two days and one day's outage moves nothing.
     */
    private double level(Hour hour) {
      var ratios = new ArrayList<Double>();
      for (int day = 1; day <= LEVEL_DAYS; day++) {
        double held = 0;
        double usual = 0;
        int known = 0;
        for (int i = 0; i < 24; i++) {
          var each = hour.plus(-24L * day + i);
          double mean = weeklyMean(each);
          if (mean < 0) continue;
          held += counts.at(each);
          usual += mean;
          known++;
        }
        if (known >= LEVEL_MIN_HOURS && usual > 0) ratios.add(held / usual);
      }
      if (ratios.isEmpty()) return 1;
      double middle = median(ratios.stream().mapToDouble(ratio -> ratio).toArray());
      return Math.min(MOST_LEVEL, Math.max(1, middle));
    }

    /**
     * The capped mean of the same hour of the week, -1 where it or the hour itself is not known.
     * Kept, since every verdict asks for those of three days.
     */
    private double weeklyMean(Hour hour) {
      if (!counts.isSample(hour) || isIgnored(hour)) return -1;
      return weeklyMeans.computeIfAbsent(hour, absent -> {
        double[] values = values(samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS, 7));
        return values.length < MIN_WEEKS ? -1 : mean(capped(values, cap(values)));
      });
    }

    private static double[] values(Samples samples) {
      return samples.known.stream().mapToDouble(Sample::count).toArray();
    }

    private static double mean(double[] values) {
      double sum = 0;
      for (double value : values) sum += value;
      return sum / values.length;
    }

    private static double median(double[] values) {
      var sorted = values.clone();
      Arrays.sort(sorted);
      return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
  }

  /**
   * One thing that a spike has to pass.
   *
   * @param key     of auth.ini that sets it
   * @param words   made when they are asked for, since few verdicts are shown
   * @param tickets the count that it asks for, not whole as a rule
   * @param isLimit whether that very count is too few, as under the rule mean
   */
  record Threshold(String key, Supplier<String> words, double tickets, boolean isLimit) {
    /** The count that it asks for, for people: after a busy hour it may be less than none. */
    double shown() {
      return Math.max(0, tickets);
    }

    /** The smallest count that passes. */
    long least() {
      return (long) (isLimit ? Math.floor(tickets) + 1 : Math.ceil(tickets));
    }
  }

  /** All bars, to be shown, and the one that decides; of alone and together the easier counts. */
  record Thresholds(List<Threshold> all, Threshold effective) {
    /** The smallest count that is a spike. */
    long least() {
      return effective.least();
    }
  }

  /** What is said of an hour. */
  sealed interface Verdict permits Judged, Learning {
    Hour hour();

    long count();
  }

  sealed interface Judged extends Verdict permits Spike, Calm {
    Baseline baseline();

    Thresholds thresholds();

    /** Deviations that it and the hour before are over what both usually hold, or null. */
    Double together();
  }

  record Spike(Hour hour, long count, Baseline baseline, Thresholds thresholds, Double together)
      implements Judged {
    double excess() {
      return count - baseline.mean;
    }
  }

  record Calm(Hour hour, long count, Baseline baseline, Thresholds thresholds, Double together)
      implements Judged { }

  /** Too few samples to judge the hour. */
  record Learning(Hour hour, long count, int samples, int needed) implements Verdict { }

  /** The third step: every verdict of job, explain, backtest and report comes from here. */
  static final class Judge {
    private static final double ALONE_MORE = 1; // deviation that an hour by itself needs more

    final Rule rule;
    final Counts counts;
    final Baselines baselines;

    Judge(Rule rule, Counts counts) {
      this(rule, new Baselines(rule, counts));
    }

    /** @param usuals of a rule with the same name, shared since they take the time */
    Judge(Rule rule, Baselines baselines) {
      this.rule = rule;
      this.counts = baselines.counts;
      this.baselines = baselines;
    }

    /** @throws NoSuchElementException for an unknown hour */
    Verdict verdict(Hour hour) {
      long count = counts.at(hour);
      var usual = baselines.of(hour);
      if (usual == null) {
        var samples = baselines.samples(hour);
        return new Learning(hour, count, samples.known.size(), baselines.needed(samples.basis));
      }
      var thresholds = thresholds(hour);
      var together = together(hour);
      return isSpike(hour, count, thresholds)
          ? new Spike(hour, count, usual, thresholds, together)
          : new Calm(hour, count, usual, thresholds, together);
    }

    /**
     * THE DECISION, for job, explain, backtest and report. For business hours alone add
     * {@code && clock >= 8 && clock < 18}, clock being {@code hour.from().atZone(rule.config.zone)
     * .getHour()}. An open episode then gets its all-clear at closing time.
     */
    private boolean isSpike(Hour hour, long count, Thresholds thresholds) {
      return count >= thresholds.least();
    }

    /** What the hour has to hold to be a spike; null while there is too little history to say. */
    Thresholds thresholds(Hour hour) {
      var usual = baselines.of(hour);
      if (usual == null) return null;
      return rule.isWeekly() ? weeklyThresholds(hour, usual) : meanThresholds(usual);
    }

    private Thresholds meanThresholds(Baseline usual) {
      double tickets = (1 + rule.threshold) * usual.mean;
      var limit = new Threshold("SpikeThreshold", () -> "more than " + percent(rule.threshold)
          + " over " + decimal(usual.mean), tickets, true);
      return thresholdsOf(limit, List.of(limit), List.of(minTickets()));
    }

    private Thresholds weeklyThresholds(Hour hour, Baseline usual) {
      double mean = usual.mean;
      double extra = rule.config.minExtra;
      var others = List.of(
          new Threshold("SpikeThreshold", () -> percent(rule.threshold) + " over " + decimal(mean),
              (1 + rule.threshold) * mean, false),
          new Threshold("MinExtra", () -> amount(extra) + " more than " + decimal(mean),
              mean + extra, false),
          minTickets());
      var alone = alone(usual);
      var together = withTheHourBefore(hour, usual);
      if (together == null) return thresholdsOf(alone, List.of(alone), others);
      var easier = together.tickets < alone.tickets ? together : alone;
      return thresholdsOf(easier, List.of(alone, together), others);
    }

    /** An hour without tickets is no spike, whatever is set. */
    private Threshold minTickets() {
      int least = Math.max(1, rule.config.minTickets);
      return new Threshold("MinTickets", () -> "at least " + plural(least, "ticket"), least, false);
    }

    /** The highest of the bars that all have to be passed decides. */
    private static Thresholds thresholdsOf(Threshold standsOut, List<Threshold> shown,
        List<Threshold> others) {
      var all = new ArrayList<>(shown);
      var effective = standsOut;
      for (var threshold : others) {
        boolean isTrivial = threshold.key.equals("MinTickets") && threshold.tickets <= 1;
        if (!isTrivial || threshold.least() > effective.least()) all.add(threshold);
        if (threshold.least() > effective.least()) effective = threshold;
      }
      return new Thresholds(all, effective);
    }

    private Threshold alone(Baseline usual) {
      double deviations = rule.deviations + (usual.spread.isOfWeek ? ALONE_MORE : 0);
      double deviation = usual.spread.deviation;
      return new Threshold("Deviations", () -> "alone " + decimal(deviations) + " deviations of "
          + decimal(deviation) + " over " + decimal(usual.mean),
          usual.mean + deviations * deviation, false);
    }

    /** Two hours that are high together stand out sooner than one alone. */
    private Threshold withTheHourBefore(Hour hour, Baseline usual) {
      var before = usualBefore(hour, usual);
      if (before == null) return null;
      double excess = counts.at(hour.plus(-1)) - before.mean;
      double tickets = usual.mean + rule.deviations * deviationOf(usual, before) - excess;
      return new Threshold("Deviations", () -> "with the hour before " + decimal(rule.deviations)
          + " deviations of both", tickets, false);
    }

    private Double together(Hour hour) {
      var usual = baselines.of(hour);
      var before = usualBefore(hour, usual);
      if (before == null) return null;
      double excess = counts.at(hour) - usual.mean + counts.at(hour.plus(-1)) - before.mean;
      return excess / deviationOf(usual, before);
    }

    /** What the hour before usually holds, if both hours can be seen together; else null. */
    private Baseline usualBefore(Hour hour, Baseline usual) {
      var before = hour.plus(-1);
      if (usual.spread == null || !usual.spread.isOfWeek || !counts.knows(before)) return null;
      var usualBefore = baselines.of(before);
      return usualBefore != null && usualBefore.spread.isOfWeek ? usualBefore : null;
    }

    private static double deviationOf(Baseline a, Baseline b) {
      return Math.hypot(a.spread.deviation, b.spread.deviation);
    }

    /** Every known hour from {@code first} on, oldest first. */
    List<Verdict> verdicts(Hour first) {
      var verdicts = new ArrayList<Verdict>();
      for (var hour : counts.hours()) {
        if (!hour.isBefore(first)) verdicts.add(verdict(hour));
      }
      return verdicts;
    }
  }

  /** A spike from its first hour to its last. A calm hour ends it, one that is unknown does not. */
  record Episode(List<Spike> spikes, boolean isOver) {
    /** All episodes of the verdicts; both oldest first. */
    static List<Episode> among(List<Verdict> verdicts) {
      var episodes = new ArrayList<Episode>();
      var spikes = new ArrayList<Spike>();
      for (var verdict : verdicts) {
        if (verdict instanceof Spike spike) spikes.add(spike);
        if (!(verdict instanceof Calm) || spikes.isEmpty()) continue;
        episodes.add(new Episode(List.copyOf(spikes), true));
        spikes.clear();
      }
      if (!spikes.isEmpty()) episodes.add(new Episode(spikes, false));
      return episodes;
    }

    Hour start() {
      return spikes.get(0).hour;
    }

    int hours() {
      return spikes.size();
    }

    Spike peak() {
      return Collections.max(spikes, Comparator.comparingLong(Spike::count));
    }

    /** Tickets over the usual, of all its hours. */
    double excess() {
      return spikes.stream().mapToDouble(Spike::excess).sum();
    }
  }

  /** A judged hour as JSON, with the same names for job, explain and backtest. */
  static ObjectNode json(Verdict verdict) {
    var json = JSON.createObjectNode();
    json.put("hour", verdict.hour().from().toString());
    json.put("count", verdict.count());
    if (verdict instanceof Judged judged) {
      var usual = judged.baseline();
      boolean weekly = usual.spread != null;
      json.put("mean", usual.mean);
      // weekly: the least that is a spike; mean: the most that is calm
      if (weekly) json.put("limit", judged.thresholds().least());
      else json.put("limit", judged.thresholds().all.get(0).tickets);
      json.put("percent", usual.percent(verdict.count()));
      json.put("samples", usual.samples);
      json.put("verdict", verdict instanceof Spike ? "spike" : "calm");
      if (weekly) {
        json.put("z", usual.z(verdict.count()));
        json.put("together", judged.together());
        json.put("spread", usual.spread.deviation);
      }
    } else if (verdict instanceof Learning learning) {
      json.putNull("mean").putNull("limit").putNull("percent");
      json.put("samples", learning.samples);
      json.put("verdict", "learning");
      json.put("samples_needed", learning.needed);
    }
    return json;
  }

  // ==== History: what did earlier hours hold ====================================================

  /** The known counts by hour from {@code first} on, -1 for unknown, which is never 0. */
  static final class Counts {
    private final long first;
    private final long[] counts;
    private final Hour firstTicket;

    Counts(NavigableMap<Hour, Long> known) {
      first = known.isEmpty() ? 0 : known.firstKey().number();
      int length = known.isEmpty() ? 0 : (int) (known.lastKey().number() - first + 1);
      counts = new long[length];
      Arrays.fill(counts, -1);
      known.forEach((hour, count) -> counts[(int) (hour.number() - first)] = count);

      int quiet = 0;
      while (quiet < length && counts[quiet] <= 0) quiet++;
      firstTicket = new Hour(first + quiet);
    }

    boolean knows(Hour hour) {
      long i = hour.number() - first;
      return i >= 0 && i < counts.length && counts[(int) i] >= 0;
    }

    /** @throws NoSuchElementException for an unknown hour */
    long at(Hour hour) {
      if (!knows(hour)) throw new NoSuchElementException(hour + " is not known");
      return counts[(int) (hour.number() - first)];
    }

    /**
     * Whether the hour may be compared with. A desk, or a brand of it, has no usual before its
     * first ticket; its zeros from then would make every later hour a spike.
     */
    boolean isSample(Hour hour) {
      return knows(hour) && !hour.isBefore(firstTicket);
    }

    /** The known hours, oldest first. */
    List<Hour> hours() {
      return Hour.range(first(), end()).filter(this::knows).toList();
    }

    Hour first() {
      return new Hour(first);
    }

    Hour end() {
      return new Hour(first + counts.length);
    }
  }

  /**
   * The CSV file behind the counts, and beside it what it counts and which hour was judged last.
   * Each is written whole or not at all; a file that makes no sense is never overwritten.
   */
  static final class History {
    private final Path file;
    private final Path stateFile;
    private final NavigableMap<Hour, Long> known;
    private final State state;

    /** What stands beside the history. */
    static final class State {
      public String account; // with the query: what is counted
      public String query;
      public Hour begun;  // the first run's, or null from an older edition; before it is no news
      public Hour judged; // the newest one that was judged, or null before the first
      public TreeSet<Hour> again = new TreeSet<>(); // to be judged once more: their counts grew
    }

    private History(Path file, NavigableMap<Hour, Long> known, State state) {
      this.file = file;
      this.stateFile = stateFile(file);
      this.known = known;
      this.state = state;
    }

    private static Path stateFile(Path file) {
      return file.resolveSibling(file.getFileName() + ".state");
    }

    /** The counts alone; no file is an empty history. */
    static Counts read(Path file) {
      return new Counts(parse(file));
    }

    private static NavigableMap<Hour, Long> parse(Path file) {
      var text = Disk.read(file, Exit.HISTORY);
      return text == null ? new TreeMap<>() : new CsvReader(file).read(text);
    }

    /**
     * For a run.
     *
     * @throws Fault HISTORY naming file, line and column when a line makes no sense
     * @throws Fault CONFIG  when the file counts another account or Query
     */
    static History open(Path file, String account, String query) {
      var words = query.strip().replaceAll("\\s+", " ");
      var known = parse(file);
      var state = readState(stateFile(file));
      if (state == null) {
        state = new State();
        state.account = account;
        state.query = words;
        state.judged = known.isEmpty() ? null : known.lastKey();
      }
      var history = new History(file, known, state);
      history.checkScope(account, words);
      return history;
    }

    private static State readState(Path file) {
      var text = Disk.read(file, Exit.HISTORY);
      if (text == null) return null;
      try {
        var state = JSON.readValue(text, State.class);
        if (state != null && state.account != null && state.query != null) return state;
      } catch (JsonProcessingException e) {
        // said below
      }
      throw Exit.HISTORY.fault("%s: is no state of a history (delete it: the next run makes it "
          + "anew, and what the history counts is not checked then)", Disk.shown(file));
    }

    /** Two populations must never mix: 2 tickets an hour are no usual for an hour of 100. */
    private void checkScope(String account, String query) {
      if (state.account.equals(account) && state.query.equals(query)) return;
      throw Exit.CONFIG.fault("%s: was counted %s, but auth.ini now counts %s (set [default] "
              + "SpikeDB to a new file; or, to keep these counts as they are, delete %s)",
          Disk.shown(file), scope(state.account, state.query), scope(account, query),
          Disk.shown(stateFile));
    }

    static String scope(String account, String query) {
      return "at " + account + (query.isEmpty() ? " without Query" : " with Query " + query);
    }

    Counts counts() {
      return new Counts(known);
    }

    boolean knows(Hour hour) {
      return known.containsKey(hour);
    }

    /** Null for an unknown hour. */
    Long at(Hour hour) {
      return known.get(hour);
    }

    boolean isEmpty() {
      return known.isEmpty();
    }

    void put(Hour hour, long count) {
      known.put(hour, count);
    }

    /** The newest hour that was judged, or null before the first. */
    Hour judged() {
      return state.judged;
    }

    /** Notes that the first run is on, so that nothing before that hour is news. */
    void begin(Hour hour) {
      state.begun = hour;
    }

    boolean isBeforeBegin(Hour hour) {
      return state.begun != null && hour.isBefore(state.begun);
    }

    /** The hours to be judged once more, oldest first. */
    List<Hour> again() {
      return List.copyOf(state.again);
    }

    /** Notes that the hour has to be judged once more; {@link #save} stores it. */
    void judgeAgain(Hour hour) {
      state.again.add(hour);
    }

    /** Notes that the hour was judged; {@link #save} stores it. */
    void wasJudged(Hour hour) {
      state.again.remove(hour);
      if (state.judged == null || state.judged.isBefore(hour)) state.judged = hour;
    }

    /** The state first: a kill between leaves an hour that is judged once too often, not missed. */
    void save() {
      Disk.write(stateFile, JSON.valueToTree(state).toPrettyString() + "\n");
      Disk.write(file, csv());
    }

    private String csv() {
      var text = new StringBuilder("date");
      for (int i = 0; i < 24; i++) text.append(",%02d".formatted(i));
      LocalDate written = null;
      for (var hour : known.keySet()) {
        var date = hour.date(ZoneOffset.UTC);
        if (date.equals(written)) continue;
        written = date;
        text.append('\n').append(date);
        for (int i = 0; i < 24; i++) {
          var count = known.get(Hour.of(date, i));
          text.append(',').append(count == null ? "" : count);
        }
      }
      return text.append('\n').toString();
    }
  }

  /**
   * Reads {@code date,00,...,23}, one row a UTC date, an empty cell for unknown; or the layout of
   * the Python script: nameless first column, columns 0 to 23 in any order, {@code 12.0} for 12. A
   * spreadsheet's byte order mark, line ends, semicolons, tabs and empty columns do no harm. What
   * could be read in two ways, such as 1.000, is refused.
   */
  record CsvReader(Path file) {
    private static final String HEADER = "date,00,01,\u2026,23";
    private static final Pattern COUNT = Pattern.compile("(\\d{1,15})(?:\\.0{1,2})?");
    private static final Pattern THOUSANDS = Pattern.compile("\\d{1,3}([., \u00a0\u202f']\\d{3})+");
    private static final DateTimeFormatter DATE =
        DateTimeFormatter.ofPattern("uuuu-MM-dd[ HH:mm[:ss]]['T'HH:mm[:ss]]");

    NavigableMap<Hour, Long> read(String text) {
      var lines = text.isEmpty() ? List.of("") : text.lines().toList();
      int start = lines.get(0).matches("(?i)sep=.") ? 1 : 0; // a line for spreadsheets
      if (start == lines.size()) throw fault(1, "1", "no header", HEADER);
      var separator = separator(lines.get(start));
      var header = header(cells(lines.get(start), separator), start + 1);
      var known = new TreeMap<Hour, Long>();
      var dates = new HashSet<LocalDate>();
      for (int i = start + 1; i < lines.size(); i++) {
        var cells = cells(lines.get(i), separator);
        if (cells.stream().allMatch(String::isEmpty)) continue;
        var date = date(i + 1, cells, header);
        if (!dates.add(date)) throw fault(i + 1, "date", date + " again", "one row a date");
        readCounts(i + 1, date, cells, header, known);
      }
      return known;
    }

    /** @param hours the hour of day of each column that holds counts, by the column's number */
    private record Header(int dateColumn, NavigableMap<Integer, Integer> hours) { }

    private static String separator(String header) {
      for (var separator : List.of(";", "\t")) {
        if (header.contains(separator)) return separator;
      }
      return ",";
    }

    private static List<String> cells(String line, String separator) {
      var cells = new ArrayList<String>();
      boolean quoted = false;
      int start = 0;
      for (int i = 0; i <= line.length(); i++) {
        boolean isEnd = i == line.length() || !quoted && line.startsWith(separator, i);
        if (isEnd) {
          cells.add(unquoted(line.substring(start, i).strip()).strip());
          start = i + 1;
        } else if (line.charAt(i) == '"') {
          quoted = !quoted;
        }
      }
      return cells;
    }

    /** The dates stand in the last column before the hours; pandas puts row numbers before them. */
    private Header header(List<String> names, int line) {
      var hours = new TreeMap<Integer, Integer>();
      int dateColumn = -1;
      for (int i = 0; i < names.size(); i++) {
        var name = names.get(i);
        if (name.matches("(?i)date|Unnamed: [\\d.]+|")) {
          if (hours.isEmpty()) dateColumn = i; // later ones hold nothing, see readCounts
          continue;
        }
        boolean isHour = name.matches("[01]?\\d|2[0-3]");
        if (!isHour || i == 0 || hours.containsValue(Integer.valueOf(name))) {
          throw fault(line, i == 0 ? "1" : name, quoted(name),
              i == 0 ? HEADER : "each of 00 to 23 once");
        }
        hours.put(i, Integer.valueOf(name));
      }
      if (hours.isEmpty()) throw fault(line, "1", quoted(names.get(0)), HEADER);
      return new Header(dateColumn, hours);
    }

    private void readCounts(int line, LocalDate date, List<String> cells, Header header,
        Map<Hour, Long> known) {
      int last = header.hours.lastKey();
      if (cells.size() <= last) {
        throw fault(line, "1", cells.size() + " cells", last + 1 + " as in the header");
      }
      for (int i = header.dateColumn + 1; i < cells.size(); i++) {
        var cell = cells.get(i);
        if (cell.isEmpty()) continue;
        if (!header.hours.containsKey(i)) {
          throw fault(line, String.valueOf(i + 1), quoted(cell), "nothing, the column has no name");
        }
        int hour = header.hours.get(i);
        known.put(Hour.of(date, hour), countIn(line, hour, cell));
      }
    }

    private LocalDate date(int line, List<String> cells, Header header) {
      var cell = header.dateColumn < cells.size() ? cells.get(header.dateColumn) : "";
      try {
        var date = LocalDate.parse(cell, DATE);
        if (date.getYear() >= 2000 && date.getYear() < 2200) return date; // else Counts were huge
      } catch (DateTimeException e) {
        // said below
      }
      throw fault(line, "date", quoted(cell), "a date such as 2026-11-23");
    }

    private long countIn(int line, int hour, String cell) {
      var count = COUNT.matcher(cell);
      if (count.matches()) return Long.parseLong(count.group(1));
      boolean isGrouped = THOUSANDS.matcher(cell).matches();
      throw fault(line, "%02d".formatted(hour), quoted(cell), isGrouped
          ? "1000 without a sign between the digits: set the cells' format to plain numbers"
          : "a count, or nothing for an unknown hour");
    }

    private static String quoted(String cell) {
      return "'" + oneLine(cell) + "'";
    }

    private Fault fault(int line, String column, String wrong, String expected) {
      return Exit.HISTORY.fault("%s: line %d, column %s: %s (expected %s)", Disk.shown(file), line,
          oneLine(column), wrong, expected);
    }
  }

  // ==== Config: what does auth.ini ask for ======================================================

  enum RuleName { MEAN, WEEKLY }

  /** Which further hours of a spike are told. */
  enum Repeat {
    EVERY, GROWTH, FIRST;

    // The words for it, "by half", stand in NoticeWriter.nextMail, README.md, auth.ini.example.
    private static final double GROWN = 1.5; // times the count that was told last

    boolean tells(long count, long told) {
      return this == EVERY || this == GROWTH && count >= GROWN * told;
    }
  }

  enum Security { STARTTLS, TLS, NONE }

  enum Format { AUTO, SLACK, GOOGLECHAT, DISCORD, TEAMS, JSON }

  /**
   * auth.ini as types: one line a key, with its default and what is allowed. What each key means is
   * told in README.md and auth.ini.example; a test holds the three together. Null stands for a key
   * that is not there and has no default.
   */
  static final class Config extends Ini {
    final Path historyFile = file("[default] SpikeDB", "out/history.csv");
    final Path outFolder = folder.resolve("out");

    final String zendeskHost = required("[zendesk] Domain", Config::zendeskHost,
        "acme or acme.zendesk.com");
    final URI zendeskUrl = baseUrl("[zendesk] BaseUrl", "https://" + zendeskHost);
    final String credentials = secret("[zendesk] Credentials");
    final Client zendeskClient = client("[zendesk] ClientId", "[zendesk] ClientSecret");
    final String query = wholeText("[zendesk] Query", "");
    final int requestsPerMinute = wholeNumber("[zendesk] RequestsPerMinute", 100, 1, 100_000);

    final InternetAddress sender = required("[email] Sender", Config::address, ADDRESS);
    final List<InternetAddress> recipients =
        list("[email] Recipient", SEPARATORS_OF_ADDRESSES, Config::address, ADDRESSES);
    final List<InternetAddress> cc =
        list("[email] Cc", SEPARATORS_OF_ADDRESSES, Config::address, ADDRESSES);
    final String username = text("[email] Username", sender == null ? "" : sender.getAddress());
    final String password = secret("[email] Password");
    final String mailHost = parsed("[email] Host", "smtp.gmail.com", Config::host,
        "a host name alone; the port belongs to Port");
    final int mailPort = wholeNumber("[email] Port", 587, 1, 65_535);
    final Security security = choice("[email] Security", Security.STARTTLS);
    final String ehloName = parsed("[email] EhloName", "", Config::host,
        "this machine's full name, such as spikebox.example.com");
    final URI tokenUrl = url("[email] TokenUrl");
    final Client mailClient = client("[email] ClientId", "[email] ClientSecret");
    final String scope = text("[email] Scope", "");
    final String subject = wholeText("[email] Subject", "Ticket Spike Alert!");

    final List<String> omittedTags =
        list("[misc] OmittedTags", "[,\\s]+", SpikeNotifier::lower, "tags");
    final int numTags = wholeNumber("[misc] NumTags", 10, 1, 1000);
    final int numHours = wholeNumber("[misc] NumHours", 4380, 24, 100_000);
    final double spikeThreshold = decimalNumber("[misc] SpikeThreshold", 0.6, 0, 10,
        "a number from 0 to 10; 0.5 means 50 %");

    final RuleName ruleName = choice("[spike] Rule", RuleName.MEAN);
    final ZoneId zone = parsed("[spike] TimeZone", ZoneId.of("UTC"), Config::zone,
        "a zone such as Europe/Berlin");
    final int minTickets = wholeNumber("[spike] MinTickets", 1, 0, 1_000_000_000);
    final int minSamples = wholeNumber("[spike] MinSamples", 3, 1, 10_000);
    final double deviations = decimalNumber("[spike] Deviations", 3.0, 0, 1000,
        "a number from 0 to 1000");
    final double minExtra = decimalNumber("[spike] MinExtra", 5, 0, 1e9, "a number of tickets");
    final Set<LocalDate> ignoredDays = Set.copyOf(
        list("[spike] IgnoredDays", "[,\\s]+", LocalDate::parse, "dates such as 2026-12-25"));
    final Repeat repeat = choice("[spike] Repeat", Repeat.GROWTH);
    final boolean allClear = yesOrNo("[spike] AllClear", true);

    final URI webhookUrl = secretUrl("[webhook] Url", false);
    final Format webhookFormat = choice("[webhook] Format", Format.AUTO);
    final URI pingUrl = secretUrl("[monitor] PingUrl", true);

    private static final String ADDRESS = "an address such as a@example.com";
    private static final String ADDRESSES = "addresses such as a@example.com, b@example.com";
    private static final String SEPARATORS_OF_ADDRESSES = "[,;]+|(?<=@\\S{1,255})\\s+(?=\\S+@)";
    private static final String LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?";
    private static final String ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    private static final Pattern HOST = Pattern.compile(LABEL + "(\\." + LABEL + ")*");
    private static final Pattern MAIL_ADDRESS =
        Pattern.compile("(?=.{1,254}$)(?=.{1,64}@)%2$s(\\.%2$s)*@%1$s(\\.%1$s)*"
            .formatted(LABEL, ATOM));
    private static final Pattern NAME_AND_ADDRESS = Pattern.compile("(.*?)\\s*<([^<>]*)>");

    private Config(Path file, World world, boolean offline) {
      super(file, world, offline);
      check("[zendesk] ClientId", zendeskClient != null || credentials != null
          || isWrong("[zendesk] ClientId") || isWrong("[zendesk] ClientSecret"), "missing",
          "ClientId and ClientSecret of an OAuth client, or older Credentials");
      check("[zendesk] Credentials", zendeskClient != null || credentials == null
          || credentials.matches("[^@\\s:]+@[^\\s:]+/token:\\S+"), "malformed", "email/token:KEY");
      check("[email] Recipient", !recipients.isEmpty() || isWrong("[email] Recipient"), "missing",
          ADDRESSES);
      check("[email] Security", security != Security.NONE || isLoopback(mailHost),
          "none to " + mailHost, "starttls or tls; none is for this machine only");
      check("[email] TokenUrl", tokenUrl == null || mailClient != null,
          "without ClientId and ClientSecret", "all three, or none");
      check("[email] TokenUrl", tokenUrl != null || mailClient == null
          || isWrong("[email] TokenUrl"), "missing", "it, ClientId and ClientSecret, or none");
      check("[misc] NumHours", ruleName != RuleName.MEAN || numHours >= 24 * minSamples,
          "%d hours hold too few days for MinSamples = %d".formatted(numHours, minSamples),
          "at least " + 24 * minSamples);
      check("[spike] MinSamples", ruleName != RuleName.WEEKLY || minSamples <= 28,
          minSamples + " are more than the rule weekly has", "at most 28, the days it looks back");
    }

    /** With its mistakes unsaid: the watcher's address may be right where another key is not. */
    static Config read(Path file, World world) {
      var config = new Config(file, world, false);
      config.secrets.forEach(world.secrets::add);
      return config;
    }

    /** For commands that read the history alone: secrets and mail are not asked for. */
    static Config readOffline(Path file, World world) {
      var config = new Config(file, world, true);
      config.refuseMistakes();
      return config;
    }

    /** @throws Fault CONFIG with every mistake, one a line */
    void refuseMistakes() {
      warnOfUnknownKeys();
      warnIfOthersCanRead();
      if (!mistakes.isEmpty()) throw Exit.CONFIG.fault("%s", String.join("\n", mistakes));
    }

    /** Everybody who gets the mails, each address once. */
    List<String> mailReceivers() {
      var receivers = new LinkedHashSet<String>();
      for (var address : recipients) receivers.add(address.getAddress());
      for (var address : cc) receivers.add(address.getAddress());
      return List.copyOf(receivers);
    }

    /** Whether the mail server is signed in to. */
    boolean hasMailSignIn() {
      return password != null || tokenUrl != null;
    }

    private Client client(String idKey, String secretKey) {
      var id = text(idKey, null);
      var secret = secret(secretKey);
      if (id == null && secret == null) return null;
      check(id == null ? idKey : secretKey, id != null && secret != null, "missing",
          "both ClientId and ClientSecret of an OAuth client");
      return id == null || secret == null ? null : new Client(id, secret);
    }

    private static String zendeskHost(String domain) {
      var name = lower(domain).replaceFirst("^https://", "").replaceFirst("/.*$", "")
          .replaceFirst("\\.zendesk\\.com$", "");
      require(name.matches("[a-z0-9]([a-z0-9-]*[a-z0-9])?"));
      return name + ".zendesk.com";
    }

    private static String host(String text) {
      var name = IDN.toASCII(text.replaceFirst("\\.$", ""));
      boolean isLiteral = name.matches("\\[\\d{1,3}(\\.\\d{1,3}){3}]");
      isLiteral |= name.matches("\\[?[0-9a-fA-F:.]*:[0-9a-fA-F:.]*]?");
      require(isLiteral || HOST.matcher(name).matches());
      return name;
    }

    /** What is accepted here can be sent: no later step may refuse an address of auth.ini. */
    static InternetAddress address(String text) {
      var given = text.replaceAll("[\\p{Z}\\p{Cf}\\p{Cc}]+", " ").strip();
      var named = NAME_AND_ADDRESS.matcher(given);
      var name = named.matches() ? unquoted(named.group(1)) : "";
      var mail = unquoted(named.matches() ? named.group(2).strip() : given);
      int at = mail.lastIndexOf('@');
      require(at > 0);
      var ascii = mail.substring(0, at + 1) + IDN.toASCII(mail.substring(at + 1));
      require(MAIL_ADDRESS.matcher(ascii).matches());
      try {
        var address = new InternetAddress(ascii, true);
        if (!name.isEmpty()) address.setPersonal(name, "UTF-8");
        return address;
      } catch (AddressException | UnsupportedEncodingException e) {
        throw new IllegalArgumentException(e);
      }
    }

    private static ZoneId zone(String text) {
      for (var id : ZoneId.getAvailableZoneIds()) {
        if (id.equalsIgnoreCase(text)) return ZoneId.of(id);
      }
      return ZoneId.of(text); // such as +05:30
    }
  }

  /** auth.ini as text by {@code [section] Key}, without case. Gathers every mistake. */
  static class Ini {
    private static final Pattern SECTION = Pattern.compile("\\s*\\[([^\\]]*)]\\s*([;#].*)?");
    private static final Pattern COMMENT = Pattern.compile("\\s*([;#].*)?");
    private static final Pattern CONTINUATION =
        Pattern.compile("\\s++(?![A-Za-z]+\\s*(=|:(\\s|$))).+");
    private static final Pattern LINE_NUMBER = Pattern.compile("at line: (\\d+)");

    final List<String> mistakes = new ArrayList<>();
    final Path folder; // the INI's own, which every path is relative to
    protected final List<String> secrets = new ArrayList<>();
    private final Set<String> asked = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
    private final Map<String, String> values = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private final Path file;
    private final World world;
    private final boolean offline;
    private boolean holdsSecrets;

    Ini(Path file, World world, boolean offline) {
      this.file = file;
      this.world = world;
      this.offline = offline;
      var parent = file.getParent();
      this.folder = parent == null ? Path.of("") : parent;

      var text = Disk.read(file, Exit.CONFIG);
      if (text == null) throw notFound(file);
      var parser = new org.ini4j.Ini();
      parser.getConfig().setEscape(false); // a backslash in a password is a plain character,
      parser.getConfig().setEscapeNewline(false); // at its end too
      parser.getConfig().setMultiOption(true);
      try {
        parser.load(new StringReader(normalized(text)));
      } catch (IOException e) {
        var line = LINE_NUMBER.matcher(e.getMessage()); // the rest of the message may be a password
        throw Exit.CONFIG.fault("%s: line %s is neither [section] nor Key = value",
            Disk.shown(file), line.find() ? line.group(1) : "?");
      }
      parser.forEach((section, keys) ->
          keys.keySet().forEach(key -> put(section, key, keys.getAll(key))));
    }

    private static Fault notFound(Path file) {
      boolean isGarbled = Disk.shown(file).matches(".*[?\uFFFD].*"); // by Java, in the locale C
      if (isGarbled && !System.getProperty("sun.jnu.encoding", "").equals("UTF-8")) {
        return Exit.CONFIG.fault("%s: not found in the locale of this run (set LC_ALL=C.UTF-8)",
            Disk.shown(file));
      }
      return Exit.CONFIG.fault("%s: not found (run from its folder, or give --config FILE; to "
          + "begin, copy auth.ini.example)", Disk.shown(file));
    }

    /**
     * What ini4j does not know: comments behind a section, and indented lines that continue the
     * list above. The number of lines stays.
     */
    private static String normalized(String text) {
      var lines = new ArrayList<String>();
      int last = -1; // the line that a continuation belongs to
      for (var line : text.split("\\R", -1)) {
        var section = SECTION.matcher(line);
        if (COMMENT.matcher(line).matches()) {
          lines.add(line);
        } else if (section.matches()) {
          last = -1;
          lines.add("[" + section.group(1).strip() + "]");
        } else if (last >= 0 && CONTINUATION.matcher(line).matches()) {
          lines.set(last, lines.get(last) + " " + line.strip());
          lines.add("");
        } else {
          last = lines.size();
          lines.add(line.strip());
        }
      }
      return String.join("\n", lines);
    }

    private void put(String section, String key, List<String> given) {
      var known = section.equalsIgnoreCase("mods") ? "misc" : section; // the Python script's name
      var name = "[%s] %s".formatted(known, key);
      check(name, given.size() == 1 && !values.containsKey(name), "given twice", "once");
      values.put(name, Objects.requireNonNullElse(given.get(0), "").strip());
    }

    /** The file's whole path, for messages and mails. */
    String shown() {
      return Disk.shown(file);
    }

    /** Notes a mistake unless the key is right; the caller goes on with the default. */
    void check(String key, boolean right, String wrong, String expected) {
      boolean matters = !offline || key.matches("\\[(default|misc|spike)] .*");
      if (right || !matters) return;
      mistakes.add("%s: %s: %s (expected %s)".formatted(Disk.shown(file), key, wrong, expected));
    }

    boolean isWrong(String key) {
      var start = "%s: %s: ".formatted(Disk.shown(file), key);
      return mistakes.stream().anyMatch(mistake -> mistake.startsWith(start));
    }

    /** The value as it stands, for texts that may hold ; and #. */
    String wholeText(String key, String fallback) {
      asked.add(key);
      var value = unquoted(values.getOrDefault(key, ""));
      return value.isEmpty() ? fallback : value;
    }

    /** The value without a comment behind it. */
    String text(String key, String fallback) {
      asked.add(key);
      var value = unquoted(withoutComment(values.getOrDefault(key, "")));
      return value.isEmpty() ? fallback : value;
    }

    /** A comment begins with ; or # behind a blank, outside double quotes. */
    private static String withoutComment(String value) {
      boolean quoted = false;
      for (int i = 0; i < value.length(); i++) {
        char c = value.charAt(i);
        if (c == '"') quoted = !quoted;
        boolean starts = i == 0 || Character.isWhitespace(value.charAt(i - 1));
        if (!quoted && starts && (c == ';' || c == '#')) return value.substring(0, i).strip();
      }
      return value;
    }

    <T> T parsed(String key, T fallback, Function<String, T> parse, String expected) {
      var value = text(key, null);
      if (value == null) return fallback;
      try {
        return parse.apply(value);
      } catch (IllegalArgumentException | DateTimeException e) {
        check(key, false, "'" + oneLine(value) + "'", expected);
        return fallback;
      }
    }

    <T> T required(String key, Function<String, T> parse, String expected) {
      check(key, text(key, null) != null, "missing", expected);
      return parsed(key, null, parse, expected);
    }

    int wholeNumber(String key, int fallback, int least, int most) {
      return parsed(key, fallback, text -> {
        require(text.matches("\\d{1,9}"));
        int value = Integer.parseInt(text);
        require(value >= least && value <= most);
        return value;
      }, "a whole number from %d to %d".formatted(least, most));
    }

    double decimalNumber(String key, double fallback, double least, double most, String expected) {
      return parsed(key, fallback, text -> {
        require(text.matches("\\d{1,12}(\\.\\d{1,12})?|\\.\\d{1,12}"));
        double value = Double.parseDouble(text);
        require(value >= least && value <= most);
        return value;
      }, expected);
    }

    <E extends Enum<E>> E choice(String key, E fallback) {
      var names = new StringJoiner(" or ");
      for (var each : fallback.getDeclaringClass().getEnumConstants()) {
        names.add(lower(each.name()));
      }
      return parsed(key, fallback, text ->
          Enum.valueOf(fallback.getDeclaringClass(), text.toUpperCase(Locale.ROOT)),
          names.toString());
    }

    boolean yesOrNo(String key, boolean fallback) {
      return parsed(key, fallback, text -> {
        boolean yes = lower(text).matches("yes|true|on|1");
        require(yes || lower(text).matches("no|false|off|0"));
        return yes;
      }, "yes or no");
    }

    /** For parsers: says that a text is not what was expected. */
    static void require(boolean right) {
      if (!right) throw new IllegalArgumentException();
    }

    /** A file that can be replaced by a rename, which would cut a link: so its target is taken. */
    Path file(String key, String fallback) {
      var expected = "a file, or one that can be made";
      try {
        var given = text(key, fallback);
        check(key, !given.startsWith("~"), "'" + given + "'", "a whole path: ~ is no folder here");
        var path = folder.resolve(Disk.path(given)).normalize();
        boolean isFile = path.getFileName() != null && !given.endsWith("/");
        check(key, isFile && !Files.isDirectory(path), "'" + given + "' is a folder", expected);
        if (Files.isSymbolicLink(path) && Files.exists(path)) return path.toRealPath();
        check(key, !Files.isSymbolicLink(path), "'" + given + "' is a link to nothing", expected);
        return isFile ? path : folder.resolve(fallback);
      } catch (InvalidPathException e) {
        check(key, false, oneLine(e.getReason()), expected);
      } catch (IOException e) {
        check(key, false, Disk.reason(e, "read"), expected);
      }
      return folder.resolve(fallback);
    }

    /** An https address, or http to this machine; never shown, since it may hold a password. */
    URI url(String key) {
      return url(key, false);
    }

    private URI url(String key, boolean privateToo) {
      var value = text(key, null);
      if (value == null) return null;
      var url = uri(value);
      if (url != null && url.getUserInfo() == null) {
        if ("https".equalsIgnoreCase(url.getScheme())) return url;
        boolean near = isLoopback(url.getHost()) || privateToo && isPrivate(url.getHost());
        if ("http".equalsIgnoreCase(url.getScheme()) && near) return url;
      }
      check(key, false, "malformed", privateToo ? "an https URL, or http to a private address"
          : "an https URL, or http to this machine");
      return null;
    }

    private static URI uri(String text) {
      try {
        var url = new URI(text);
        boolean isComplete = url.getHost() != null && url.getPort() <= 65_535;
        return isComplete ? url : null;
      } catch (URISyntaxException e) {
        return null;
      }
    }

    /** An address to which paths are added. */
    URI baseUrl(String key, String fallback) {
      var url = url(key);
      return URI.create(url == null ? fallback : url.toString().replaceFirst("/+$", ""));
    }

    /** An address that is a password too. */
    URI secretUrl(String key, boolean privateToo) {
      var value = text(key, null);
      if (value == null) return null;
      secrets.add(value);
      for (var piece : value.split("[/?&=]+")) {
        if (piece.length() >= 8 && !piece.contains(".")) secrets.add(piece); // servers echo them
      }
      holdsSecrets = true;
      return url(key, privateToo);
    }

    static boolean isLoopback(String host) {
      return host.matches("localhost|127(\\.\\d{1,3}){3}|\\[?::1]?");
    }

    /** RFC 1918 and 4193, and names that no public name server knows. */
    private static boolean isPrivate(String host) {
      return host.matches("10(\\.\\d{1,3}){3}|192\\.168(\\.\\d{1,3}){2}"
          + "|172\\.(1[6-9]|2\\d|3[01])(\\.\\d{1,3}){2}|\\[?f[cd][0-9a-f:]+]?"
          + "|[A-Za-z0-9-]+|.*\\.(local|lan|internal)");
    }

    /** A JSON list of texts, or words between separators, in quotes or without. */
    <T> List<T> list(String key, String separators, Function<String, T> parse, String expected) {
      asked.add(key);
      var value = values.getOrDefault(key, "");
      boolean holdsMore = separators.contains(";") && value.matches(".*\\s;.*@.*"); // addresses
      var text = holdsMore ? value : withoutComment(value);
      var list = new ArrayList<T>();
      try {
        for (var word : words(text, separators)) list.add(parse.apply(word));
      } catch (IllegalArgumentException | DateTimeException e) {
        check(key, false, "'" + oneLine(text) + "'", "a list of " + expected);
      }
      return list;
    }

    private static List<String> words(String text, String separators) {
      if (text.startsWith("[") && text.endsWith("]")) {
        try {
          return List.of(JSON.readValue(text, String[].class)); // which takes no null
        } catch (JsonProcessingException | NullPointerException e) {
          return split(text.substring(1, text.length() - 1), separators); // Python's own quotes
        }
      }
      return split(text, separators);
    }

    private static List<String> split(String text, String separators) {
      var words = new ArrayList<String>();
      for (var part : text.split(separators)) {
        var word = unquoted(part.strip()).strip();
        if (!word.isEmpty()) words.add(word);
      }
      return words;
    }

    /** From the environment, else the first line that KeyCommand prints, else the file; or null. */
    String secret(String key) {
      var inFile = wholeText(key, null);
      var command = wholeText(key + "Command", null);
      holdsSecrets |= inFile != null;
      if (offline) return null;

      var secret = inEnvironment(key);
      if (secret == null && command != null) secret = printed(key + "Command", command);
      if (secret == null) secret = inFile;
      if (secret != null) secrets.add(secret);
      return secret;
    }

    /** From a variable such as SPIKE_EMAIL_PASSWORD for [email] Password. */
    private String inEnvironment(String key) {
      var name = "SPIKE_" + key.replace("[", "").replace("] ", "_").toUpperCase(Locale.ROOT);
      var value = world.env.getOrDefault(name, "");
      check(key, !Disk.isGarbled(value), name + " has characters that the locale of this run does "
          + "not have", "LC_ALL=C.UTF-8 beside it");
      return value.isEmpty() ? null : value;
    }

    private String printed(String key, String command) {
      try {
        var process = new ProcessBuilder("sh", "-c", command)
            .directory(folder.toString().isEmpty() ? null : folder.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
        try {
          return Deadline.within(world.timeout.dividedBy(3), () -> firstLine(process));
        } finally {
          process.descendants().forEach(ProcessHandle::destroy);
          process.destroy();
        }
      } catch (IOException e) {
        check(key, false, "failed, " + e.getMessage(), "a command that prints the secret");
        return null;
      }
    }

    /** Not read to the end, since an agent that the command started may hold the pipe. */
    private static String firstLine(Process process) throws IOException, InterruptedException {
      process.getOutputStream().close();
      var line = process.inputReader(UTF_8).readLine();
      int code = process.waitFor();
      if (code != 0) throw new IOException("exit code " + code);
      if (line == null || line.isEmpty()) throw new IOException("exit code 0, no line");
      return line;
    }

    void warnIfOthersCanRead() {
      if (!holdsSecrets || offline) return;
      try {
        var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        if (rights.endsWith("---")) return;
        world.warn("%1$s: holds secrets and others can read it (%2$s): chmod 600 %1$s"
            .formatted(Disk.shown(file), rights));
      } catch (IOException e) {
        world.detail(Disk.shown(file) + ": its rights are not known");
      }
    }

    /** A warning for each key of the file that nothing asks for. */
    void warnOfUnknownKeys() {
      for (var key : values.keySet()) {
        if (asked.contains(key)) continue;
        boolean isName = key.matches("\\[\\w*] \\w*"); // else it may be a piece of a password
        world.warn(shown() + ": " + (isName
            ? key + ": unknown key, ignored (did you mean " + nearest(key) + "?)"
            : key.replaceFirst("] .*", "]") + " has a line whose key is no word, ignored (expected "
                + "Key = value)"));
      }
    }

    /** The known key that shares most pairs of letters with the given one. */
    private String nearest(String key) {
      return Collections.max(asked, Comparator.comparingDouble(known -> likeness(known, key)));
    }

    /** Dice's coefficient of the pairs of letters: 0 for nothing in common, 1 for equal. */
    private static double likeness(String a, String b) {
      var pairsOfA = pairs(a);
      var pairsOfB = pairs(b);
      var common = new HashSet<>(pairsOfA);
      common.retainAll(pairsOfB);
      return 2.0 * common.size() / (pairsOfA.size() + pairsOfB.size());
    }

    private static Set<String> pairs(String text) {
      var pairs = new HashSet<String>();
      for (int i = 0; i + 2 <= text.length(); i++) pairs.add(lower(text.substring(i, i + 2)));
      return pairs;
    }
  }

  // ==== Hour: which hour is meant ===============================================================

  /** A full UTC hour {@code [from, to)}, by its number since 1970. */
  record Hour(long number) implements Comparable<Hour> {
    static final int NEWS = 168; // hours; what is older is told to nobody

    private static final DateTimeFormatter NAME =
        DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH[:00[:00]]['Z']")
            .withResolverStyle(ResolverStyle.STRICT);

    static Hour of(LocalDate date, int hourOfDay) {
      return new Hour(date.toEpochDay() * 24 + hourOfDay);
    }

    /** The hour that contains the instant. */
    static Hour of(Instant instant) {
      return new Hour(Math.floorDiv(instant.getEpochSecond(), 3600L));
    }

    /** @throws DateTimeException when the text is no full UTC hour of the years 2000 to 2199 */
    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    static Hour parse(String text) {
      var time = LocalDateTime.parse(text, NAME);
      if (time.getYear() < 2000 || time.getYear() > 2199) {
        throw new DateTimeException("year out of range");
      }
      return of(time.toInstant(ZoneOffset.UTC));
    }

    static Hour lastFull(Instant now) {
      return of(now).plus(-1);
    }

    /** The hours from {@code first} up to and without {@code end}, oldest first. */
    static Stream<Hour> range(Hour first, Hour end) {
      return LongStream.range(first.number, end.number).mapToObj(Hour::new);
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

    /** Hours from the other one to this one. */
    long since(Hour other) {
      return number - other.number;
    }

    boolean isBefore(Hour other) {
      return number < other.number;
    }

    boolean isAfter(Hour other) {
      return number > other.number;
    }

    /** Whether the local clock shows UTC in it. */
    boolean isUtcIn(ZoneId zone) {
      return zone.getRules().getOffset(from()).equals(ZoneOffset.UTC);
    }

    LocalDate date(ZoneId zone) {
      return LocalDate.ofInstant(from(), zone);
    }

    /** The hours that the local clock calls the same: none or two around a clock change. */
    List<Hour> daysBefore(int days, ZoneId zone) {
      if (zone.getRules().isFixedOffset()) return List.of(plus(-24L * days)); // the same, quicker
      var local = LocalDateTime.ofInstant(from(), zone).minusDays(days);
      var hours = new ArrayList<Hour>(2);
      for (var offset : zone.getRules().getValidOffsets(local)) {
        hours.add(of(local.toInstant(offset)));
      }
      return hours;
    }

    /** Such as {@code 2026-11-24T13}, for file names, JSON files and {@code explain}. */
    @JsonValue
    String name() {
      return from().toString().substring(0, 13);
    }

    @Override
    public int compareTo(Hour other) {
      return Long.compare(number, other.number);
    }

    /** Such as {@code 2026-11-24T13:00Z}. */
    @Override
    public String toString() {
      return name() + ":00Z";
    }
  }

  static String at(Instant time, ZoneId zone, String pattern) {
    return DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(time.atZone(zone));
  }

  /** Such as "14:12", in UTC. */
  static String time(Instant time) {
    return at(time, ZoneOffset.UTC, "HH:mm");
  }

  /** Such as "Wed 25 Nov", in UTC. */
  static String day(Hour hour) {
    return at(hour.from(), ZoneOffset.UTC, "EEE d MMM");
  }

  /** Such as "Wed 25 Nov 14:00 UTC". */
  static String dayAndTime(Hour hour) {
    return dayAndTime(hour.from());
  }

  static String dayAndTime(Instant time) {
    return at(time, ZoneOffset.UTC, "EEE d MMM HH:mm") + " UTC";
  }

  // ==== Http: one request, its retries, and what a refusal means ================================

  /**
   * Strict: a text is no number and 1.5 no count, so that nonsense never becomes a count. Bounded,
   * so that an answer without end is refused before it fills the memory.
   */
  static final ObjectMapper JSON = JsonMapper.builder(
          JsonFactory.builder().streamReadConstraints(StreamReadConstraints.builder()
              .maxDocumentLength(64L << 20).maxStringLength(1 << 20).maxTokenCount(2_000_000)
              .build()).build())
      .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
      .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
      .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
      .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
      .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
      .withCoercionConfig(LogicalType.Textual, text -> text
          .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
          .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
          .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
      .build();

  /** HTTP with one retry loop for everything. No redirect is followed: it carries credentials. */
  static final class Http {
    private static final int TRIES = 5;
    private static final int TRIES_AT_A_LIMIT = 8; // two minutes; a limit resets within one
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration LONGEST_WAIT = Duration.ofMinutes(2);
    private static final int LONGEST_REASON = 16_384; // bytes read of an error page

    private final World world;
    private final Pace pace;
    private final EnvironmentProxy proxy;
    private final HttpClient client;

    Http(World world, Pace pace) {
      this.world = world;
      this.pace = pace;
      this.proxy = new EnvironmentProxy(world.env);
      this.client = HttpClient.newBuilder()
          .connectTimeout(CONNECT_TIMEOUT)
          .version(HttpClient.Version.HTTP_1_1)
          .followRedirects(HttpClient.Redirect.NEVER)
          .proxy(proxy)
          .build();
    }

    record Answer<T>(T value, HttpHeaders headers) { }

    /** For the constructors of answers: what they refuse is asked for again. */
    static void expect(boolean right, String otherwise) {
      if (!right) throw new IllegalArgumentException(otherwise);
    }

    /**
     * Asks until there is an answer.
     *
     * @param request built anew for each try, since a token may end between two
     * @param type    a record of the JSON that is expected, which refuses nonsense
     * @param where   the key of auth.ini that names the server, for messages
     * @throws PermanentFailure for a final refusal
     * @throws Fault   ZENDESK when the tries are used up
     */
    <T> Answer<T> send(Supplier<HttpRequest> request, Class<T> type, String where) {
      int failures = 0;
      int limits = 0;
      while (true) {
        pace.await(world);
        var asked = request.get();
        var place = where + " " + asked.uri().getHost();
        try {
          var answer = sendOnce(asked, type, world.timeout);
          pace.waitForReset(answer.headers(), world);
          return answer;
        } catch (IOException e) {
          if (hasCause(e, CertificateException.class) || hasCause(e, SSLHandshakeException.class)) {
            throw Exit.ZENDESK.fault(e, "%s: its certificate is refused: %s (expected a valid one "
                + "for that name, from an authority that Java trusts)", place, reason(e));
          }
          boolean limit = e instanceof TemporaryFailure unavailable && unavailable.isLimit();
          int tried = limit ? ++limits : ++failures;
          var wait = waitAfter(tried, e);
          boolean isLast = tried == (limit ? TRIES_AT_A_LIMIT : TRIES);
          if (isLast || wait.compareTo(LONGEST_WAIT) > 0) {
            throw Exit.ZENDESK.fault(e, "%s: %s (tried %s); the next run asks again", place,
                reason(e), plural(failures + limits, "time"));
          }
          world.detail("%s: %s, again in %s s".formatted(place, reason(e),
              decimal(wait.toMillis() / 1000.0)));
          world.pause(wait);
        }
      }
    }

    /** What the server asked for, else 1, 2, 4, 8 seconds and so on, and a little chance. */
    private static Duration waitAfter(int tried, IOException e) {
      var growing = Duration.ofSeconds(Math.min(60, 1L << (tried - 1)));
      if (e instanceof TemporaryFailure unavailable && unavailable.retryAfter != null) {
        var named = unavailable.retryAfter;
        boolean isEnough = tried == 1 || named.compareTo(growing) > 0; // not where it was not
        if (isEnough) return named;
      }
      return growing.plusMillis(ThreadLocalRandom.current().nextInt(500));
    }

    /**
     * One try.
     *
     * @param type Void when the body does not matter
     * @throws PermanentFailure     for a final refusal
     * @throws IOException for everything that may be better soon
     */
    <T> Answer<T> sendOnce(HttpRequest request, Class<T> type, Duration limit) throws IOException {
      return Deadline.within(limit, () -> {
        long start = System.nanoTime();
        var answer = client.send(proxy.signedIn(request),
            HttpResponse.BodyHandlers.ofInputStream());
        world.detail("%s %s: %d in %d ms".formatted(request.method(), shown(request, type),
            answer.statusCode(), (System.nanoTime() - start) / 1_000_000));
        try (var body = unpacked(answer)) {
          if (answer.statusCode() / 100 == 2) {
            return new Answer<>(read(body, answer.headers(), type), answer.headers());
          }
          throw refusal(answer.statusCode(), body, answer.headers());
        }
      });
    }

    /** An address whose answer does not matter is a webhook's or a watcher's: a password itself. */
    private static String shown(HttpRequest request, Class<?> type) {
      var url = request.uri();
      return type == Void.class ? url.getHost() : URLDecoder.decode(url.toString(), UTF_8);
    }

    private static InputStream unpacked(HttpResponse<InputStream> answer) throws IOException {
      var coding = answer.headers().firstValue("content-encoding").orElse("identity");
      return switch (lower(coding).strip()) {
        case "gzip", "x-gzip" -> new GZIPInputStream(answer.body());
        case "identity", "" -> answer.body();
        default -> throw new IOException("answers in a coding that was not asked for");
      };
    }

    private <T> T read(InputStream body, HttpHeaders headers, Class<T> type) throws IOException {
      if (type == Void.class) {
        body.readNBytes(LONGEST_REASON); // so that the connection may be used again
        return null;
      }
      if (lower(headers.firstValue("content-type").orElse("")).contains("html")) {
        throw new IOException("answers with a web page, not JSON: no API is at this address, or "
            + "the account is closed");
      }
      var value = JSON.readValue(body, type);
      if (value == null) throw new IOException("an empty answer");
      return value;
    }

    /** The exception that a status other than 2xx stands for. */
    private IOException refusal(int status, InputStream body, HttpHeaders headers)
        throws IOException {
      var text = new String(body.readNBytes(LONGEST_REASON), UTF_8);
      var reason = world.sanitize(errorText(text));
      if (isTemporary(status) || reason.startsWith("unavailable")) {
        var wait = retryAfter(headers);
        if (wait == null && status == 429) wait = reset(headers);
        return new TemporaryFailure(status, reason, wait);
      }
      if (status / 100 == 3) {
        reason = "redirect to " + hostOf(headers.firstValue("location").orElse(""));
      }
      throw new PermanentFailure(status, reason);
    }

    static boolean isTemporary(int status) {
      return status >= 500 || Set.of(408, 409, 425, 429).contains(status);
    }

    /** The host alone, since the address may hold a secret. */
    private static String hostOf(String link) {
      try {
        return Objects.requireNonNullElse(new URI(link).getHost(), "another path");
      } catch (URISyntaxException e) {
        return "what is no URL";
      }
    }

    /** Seconds, a second at least, or a date (RFC 9110, 10.2.3); null when none is named. */
    private Duration retryAfter(HttpHeaders headers) {
      var value = headers.firstValue("retry-after").orElse("").strip();
      if (value.matches("\\d{1,9}")) return atLeastASecond(Long.parseLong(value));
      var date = date(value);
      if (date == null) return null;
      var now = date(headers.firstValue("date").orElse(""));
      var wait = Duration.between(now == null ? world.clock.instant() : now, date);
      return atLeastASecond(wait.toSeconds());
    }

    private static Duration reset(HttpHeaders headers) {
      long seconds = headerNumber(headers, "ratelimit-reset", "rate-limit-reset",
          "x-rate-limit-reset");
      return seconds < 0 || seconds > 3600 ? null : atLeastASecond(seconds);
    }

    private static Duration atLeastASecond(long seconds) {
      return Duration.ofSeconds(Math.max(1, seconds));
    }

    /** An HTTP date, or null when the text is none. */
    static Instant date(String text) {
      try {
        return DateTimeFormatter.RFC_1123_DATE_TIME.parse(text, Instant::from);
      } catch (DateTimeException e) {
        return null;
      }
    }

    /** The first of the headers that is there, else -1. */
    static long headerNumber(HttpHeaders headers, String... names) {
      for (var name : names) {
        var value = headers.firstValue(name).orElse("").strip();
        if (value.matches("\\d{1,9}")) return Long.parseLong(value);
      }
      return -1;
    }

    /** A failure in plain words, without the name of a Java class. */
    String reason(Throwable e) {
      if (hasCause(e, UnresolvedAddressException.class)) return "no such host";
      if (hasCause(e, UnknownHostException.class)) return "no such host";
      if (hasCause(e, HttpConnectTimeoutException.class)) return "no connection in 10 s";
      if (hasCause(e, ConnectException.class)) return "no connection";
      if (e instanceof JsonProcessingException json) return reason(json);
      return world.sanitize(Objects.requireNonNullElse(e.getMessage(), "the connection broke"));
    }

    /** Jackson's own messages name classes, and may quote what is secret. */
    private String reason(JsonProcessingException e) {
      if (e.getCause() instanceof IllegalArgumentException refused) {
        return world.sanitize(refused.getMessage());
      }
      if (hasCause(e, StreamConstraintsException.class)) return "an answer without end";
      if (!(e instanceof JsonMappingException mapping)) return "no JSON in its answer";
      var place = new StringJoiner(".");
      for (var step : mapping.getPath()) {
        if (step.getFieldName() != null) place.add(step.getFieldName());
      }
      return "no sense in its answer" + (place.length() == 0 ? "" : ", at " + place);
    }

    /** Error envelopes, {@code error} being a text or an object, as one line. */
    static String errorText(String body) {
      try {
        var json = JSON.readTree(body);
        var words = new LinkedHashSet<String>();
        for (var place : List.of("/error/title", "/error/message", "/error", "/description",
            "/error_description", "/message", "/msg", "/errors/0/title", "/errors/0/detail",
            "/errors/0/message", "/errors/0")) {
          if (json.at(place).isTextual()) words.add(json.at(place).asText());
        }
        var detail = json.path("details").findPath("description");
        if (detail.isTextual()) words.add(detail.asText());
        return String.join(": ", words);
      } catch (JsonProcessingException e) {
        return body.stripLeading().startsWith("<") ? "(a web page)" : body;
      }
    }

    /**
     * An access token by OAuth client credentials (RFC 6749, 4.4), for Zendesk and for SMTP alike.
     *
     * @throws Fault DENIED, or {@code otherwise} for trouble that may pass
     */
    Token token(URI url, Client client, String scope, Exit otherwise, String where) {
      var fields = Map.of(
          "grant_type", "client_credentials",
          "client_id", client.id(),
          "client_secret", client.secret(),
          "scope", scope);
      boolean asJson = url.getPath().equals("/oauth/tokens"); // Zendesk has JSON, the RFC a form
      var body = asJson ? JSON.valueToTree(fields).toString() : form(fields);
      var request = HttpRequest.newBuilder(url)
          .header("Accept", "application/json")
          .header("Content-Type", asJson ? "application/json" : "application/x-www-form-urlencoded")
          .POST(HttpRequest.BodyPublishers.ofString(body))
          .build();
      try {
        var token = send(() -> request, Token.class, where).value();
        world.secrets.add(token.access_token());
        return token;
      } catch (PermanentFailure e) {
        var exit = Set.of(400, 401, 403).contains(e.status) ? Exit.DENIED : otherwise;
        throw exit.fault(e, "%s %s answers %d %s (check ClientId, ClientSecret and scope)", where,
            url.getHost(), e.status, e.reason);
      }
    }

    private static String form(Map<String, String> fields) {
      var pairs = new StringJoiner("&");
      fields.forEach((name, value) -> pairs.add(name + "=" + encode(value)));
      return pairs.toString();
    }
  }

  /** OAuth client credentials. */
  record Client(String id, String secret) { }

  /** @param expires_in seconds as 3599, 3599.0 or "3599", all of which servers send */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record Token(String access_token, JsonNode expires_in) {
    Token {
      Http.expect(access_token != null && access_token.matches("[\\x21-\\x7e]+"),
          "no access_token in its answer");
    }

    /** Until a minute before its end; half an hour, as Zendesk has it, where that is not said. */
    Duration life() {
      long seconds = expires_in == null ? 1800 : Math.min(86_400, expires_in.asLong(1800));
      return Duration.ofSeconds(Math.max(30, seconds - 60));
    }
  }

  /** When the next request to a server may start. */
  static final class Pace {
    private static final int BURST = 10; // requests that need not wait
    private final long interval; // nanoseconds
    private long nextSlot = Long.MIN_VALUE;

    private Pace(long interval) {
      this.interval = interval;
    }

    static Pace perMinute(int requests) {
      return new Pace(TimeUnit.MINUTES.toNanos(1) / requests);
    }

    static Pace free() {
      return new Pace(0);
    }

    void await(World world) {
      long now = world.ticker.nanos();
      long slot = Math.max(nextSlot, now - BURST * interval);
      nextSlot = slot + interval;
      if (slot > now) world.pause(Duration.ofNanos(slot - now));
    }

    /** Waits for the account's limit to reset when others have used up nine tenths of it. */
    void waitForReset(HttpHeaders headers, World world) {
      long left = Http.headerNumber(headers, "ratelimit-remaining", "rate-limit-remaining",
          "x-rate-limit-remaining");
      long limit = Http.headerNumber(headers, "ratelimit-limit", "rate-limit", "x-rate-limit");
      long reset = Math.min(60, Http.headerNumber(headers, "ratelimit-reset", "rate-limit-reset"));
      if (left < 0 || reset < 0 || left * 10 >= limit) return;
      nextSlot = Math.max(nextSlot, world.ticker.nanos() + TimeUnit.SECONDS.toNanos(reset));
    }
  }

  /** An answer that may be better soon; {@code retryAfter} null when the server named no time. */
  static final class TemporaryFailure extends IOException {
    private static final long serialVersionUID = 1;
    final int status;
    final String reason;
    final transient Duration retryAfter;

    TemporaryFailure(int status, String reason, Duration retryAfter) {
      super("answers %d %s".formatted(status, reason).strip());
      this.status = status;
      this.reason = reason;
      this.retryAfter = retryAfter;
    }

    boolean isLimit() {
      return status == 429;
    }
  }

  /** An answer that will not be better: what it means, the caller knows. */
  static final class PermanentFailure extends RuntimeException {
    private static final long serialVersionUID = 1;
    final int status;
    final String reason;

    PermanentFailure(int status, String reason) {
      super("answers %d %s".formatted(status, reason).strip());
      this.status = status;
      this.reason = reason;
    }
  }

  /**
   * The proxy that {@code https_proxy}, {@code http_proxy} and {@code no_proxy} name, which Java
   * does not look at by itself; else the one of Java's own settings.
   */
  static final class EnvironmentProxy extends ProxySelector {
    private final Map<String, String> env;

    EnvironmentProxy(Map<String, String> env) {
      this.env = env;
      for (var scheme : List.of("https", "http")) address(env, scheme); // refuses what is malformed
    }

    @Override
    public List<Proxy> select(URI url) {
      var proxy = address(env, url.getScheme());
      if (proxy == null) return ProxySelector.getDefault().select(url);
      if (isExempt(url.getHost())) return List.of(Proxy.NO_PROXY);
      int port = proxy.getPort() < 0 ? 80 : proxy.getPort();
      return List.of(new Proxy(Proxy.Type.HTTP, new InetSocketAddress(proxy.getHost(), port)));
    }

    /** Null when none is set; HTTP_PROXY in capitals is left out, as curl does. */
    static URI address(Map<String, String> env, String scheme) {
      var value = env.getOrDefault(scheme + "_proxy", "");
      if (value.isEmpty() && scheme.equals("https")) value = env.getOrDefault("HTTPS_PROXY", "");
      if (value.isEmpty()) return null;
      try {
        var proxy = new URI(value.contains("://") ? value : "http://" + value);
        if (proxy.getHost() != null && proxy.getPort() <= 65_535) return proxy;
      } catch (URISyntaxException e) {
        // said below, without the value, which may hold a password
      }
      throw Exit.CONFIG.fault("%s_proxy: malformed (expected http://HOST:PORT)", scheme);
    }

    /** With the name and password that stand in the proxy's address, for the proxy alone. */
    HttpRequest signedIn(HttpRequest request) {
      var proxy = address(env, request.uri().getScheme());
      boolean isUsed = proxy != null && !isExempt(request.uri().getHost());
      if (!isUsed || proxy.getUserInfo() == null) return request;
      return HttpRequest.newBuilder(request, (name, value) -> true)
          .header("Proxy-Authorization", "Basic " + Secrets.base64(proxy.getUserInfo()))
          .build();
    }

    private boolean isExempt(String host) {
      var list = env.getOrDefault("no_proxy", env.getOrDefault("NO_PROXY", ""));
      for (var each : list.split("[,\\s]+")) {
        var name = lower(each).replaceFirst("^\\*?\\.", "");
        if (name.isEmpty()) continue;
        if (name.equals("*") || lower(host).equals(name) || lower(host).endsWith("." + name)) {
          return true;
        }
      }
      return false;
    }

    @Override
    public void connectFailed(URI url, SocketAddress address, IOException e) {
      // the request that failed says so
    }
  }

  // ==== World: what the program sees of the machine =============================================

  /** Time that passes, whatever is done to the clock. */
  interface Ticker {
    default long nanos() {
      return System.nanoTime();
    }

    default void sleep(long millis) throws InterruptedException {
      Thread.sleep(millis);
    }
  }

  enum Verbosity { QUIET, NORMAL, VERBOSE }

  /** Clock, waiting, environment and terminal; tests put in their own. */
  static final class World {
    private static final int LAST_LINES = 100;

    final Clock clock;
    final Ticker ticker;
    final Duration timeout; // for an HTTP answer or an SMTP step; a third of it for a command
    final Map<String, String> env;
    final PrintWriter out; // results
    final PrintWriter err; // everything else
    final boolean terminal; // whether a person reads err
    final Secrets secrets = new Secrets();
    String host; // this machine's name; null until somebody asks for it
    Verbosity verbosity = Verbosity.NORMAL;
    private final Deque<String> lastLines = new ArrayDeque<>(); // of err
    private boolean barIsOpen;

    World(Clock clock, Ticker ticker, Duration timeout, Map<String, String> env, Writer out,
        Writer err, boolean terminal) {
      this.clock = clock;
      this.ticker = ticker;
      this.timeout = timeout;
      this.env = env;
      this.out = new PrintWriter(out, true);
      this.err = new PrintWriter(err, true);
      this.terminal = terminal;
    }

    static World real() {
      return new World(Clock.systemUTC(), new Ticker() { }, Duration.ofSeconds(90),
          System.getenv(), new OutputStreamWriter(System.out, UTF_8),
          new OutputStreamWriter(System.err, UTF_8), isTerminal());
    }

    /** For mails. Asked for late, since a name service that is down takes its time. */
    String host() {
      if (host != null) return host;
      try {
        host = InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException e) { // no name service knows this machine
        host = "localhost";
      }
      return host;
    }

    /** What mail servers are greeted with: a full name, or an address, which relays take too. */
    String ehloName() {
      try {
        var local = InetAddress.getLocalHost();
        var name = local.getCanonicalHostName();
        boolean isFullName = name.contains(".") && name.matches(".*[A-Za-z].*");
        return isFullName ? name : "[" + local.getHostAddress() + "]";
      } catch (UnknownHostException e) {
        return "[127.0.0.1]";
      }
    }

    /** Java knows of standard input and output together only; Linux tells where err goes. */
    private static boolean isTerminal() {
      try {
        var target = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
        return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
      } catch (IOException e) { // no Linux
        return System.console() != null && System.getenv("TERM") != null;
      }
    }

    Duration atMost(Duration limit) {
      return timeout.compareTo(limit) < 0 ? timeout : limit;
    }

    void pause(Duration time) {
      try {
        ticker.sleep(Math.max(0, time.toMillis()));
      } catch (InterruptedException e) {
        throw Exit.TRY_LATER.fault(e, "interrupted while waiting");
      }
    }

    /** Other people's text, fit to be shown anywhere: one line, no secret that it echoes. */
    String sanitize(String text) {
      return oneLine(secrets.redactEchoes(text));
    }

    void result(String text) {
      if (verbosity != Verbosity.QUIET) print(out, "", text);
    }

    void info(String text) {
      if (verbosity != Verbosity.QUIET) warn(text);
    }

    void detail(String text) {
      if (verbosity == Verbosity.VERBOSE) warn(text);
    }

    /** Said even when quiet. A log has no other clock than the one at the start of each line. */
    void warn(String text) {
      print(err, terminal ? "" : clock.instant().truncatedTo(ChronoUnit.SECONDS) + " ", text);
    }

    private synchronized void print(PrintWriter to, String start, String text) {
      if (barIsOpen) err.println();
      barIsOpen = false;
      var safe = secrets.redact(text.stripTrailing());
      for (var line : safe.lines().toList()) {
        to.println((start + line).stripTrailing());
        if (to == err) keep(line);
      }
    }

    /** Draws a line over the one drawn before, until something else is printed. */
    synchronized void bar(String text) {
      err.print("\r" + text);
      err.flush();
      barIsOpen = true;
    }

    private void keep(String line) {
      lastLines.add(line);
      if (lastLines.size() > LAST_LINES) lastLines.remove();
    }

    /** What was said last, 10 kB at the most, which is what watchers take. */
    synchronized String lastLines() {
      var lines = String.join("\n", lastLines);
      return lines.substring(Math.max(0, lines.length() - 10_000));
    }

    /** Prints an expected failure as one line, any other with its trace; gives the exit code. */
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

  /** What must never be printed, mailed or posted: plain, base64 and URL-encoded. */
  static final class Secrets {
    private final Set<String> all = ConcurrentHashMap.newKeySet();

    void add(String secret) {
      if (secret.length() < 4) return; // would blot out half of every line
      all.add(secret);
      all.add(base64(secret));
      all.add(encode(secret));
    }

    /** For the program's own lines, where a password such as "calm" is a word like any other. */
    String redact(String text) {
      for (var secret : all) {
        if (!isWord(secret)) text = text.replace(secret, "***");
      }
      return text;
    }

    /** For other people's texts. A secret that is a word is blotted where it stands alone. */
    String redactEchoes(String text) {
      var safe = redact(text);
      for (var secret : all) {
        if (isWord(secret)) safe = safe.replaceAll("\\b" + Pattern.quote(secret) + "\\b", "***");
      }
      return safe;
    }

    private static boolean isWord(String secret) {
      return secret.matches("[A-Za-z]{1,11}|\\w{1,7}");
    }

    static String base64(String text) {
      return Base64.getEncoder().encodeToString(text.getBytes(UTF_8));
    }
  }

  /** Bounds work that has no time limit of its own: an HTTP body, an SMTP session, a command. */
  static final class Deadline {
    private Deadline() { }

    /** @throws IOException when the work takes longer, or throws one */
    static <T> T within(Duration limit, Callable<T> work) throws IOException {
      var task = new FutureTask<>(work);
      var thread = new Thread(task, "bounded");
      thread.setDaemon(true);
      thread.start();
      try {
        return task.get(limit.toMillis(), TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        throw new SocketTimeoutException(
            "no whole answer within %d s".formatted(limit.toSeconds()));
      } catch (InterruptedException e) {
        throw Exit.TRY_LATER.fault(e, "interrupted");
      } catch (ExecutionException e) {
        var cause = e.getCause();
        if (cause instanceof IOException expected) throw expected;
        if (cause instanceof RuntimeException unexpected) throw unexpected;
        if (cause instanceof Error error) throw error;
        throw new IllegalStateException(cause);
      } finally {
        task.cancel(true);
      }
    }
  }

  /** A bar with the time left on a terminal, a line a minute elsewhere. */
  static final class Progress {
    private static final int BAR = 30; // characters
    private final String what;
    private final long all;
    private final World world;
    private final long start;
    private long shown;

    Progress(String what, long all, World world) {
      this.what = what;
      this.all = Math.max(1, all);
      this.world = world;
      this.start = world.ticker.nanos();
      this.shown = start;
    }

    void show(long done) {
      long now = world.ticker.nanos();
      boolean due = world.terminal || now - shown >= TimeUnit.MINUTES.toNanos(1);
      if (world.verbosity == Verbosity.QUIET || !due || done == 0) return;
      shown = now;
      double part = Math.min(1, (double) done / all);
      long left = TimeUnit.NANOSECONDS.toSeconds((long) ((now - start) / part * (1 - part)));
      var text = "%d of %d %s, about %d:%02d left".formatted(Math.min(done, all), all, what,
          left / 60, left % 60);
      if (!world.terminal) {
        world.info(text);
        return;
      }
      int full = (int) (part * BAR);
      world.bar("[" + "=".repeat(full) + " ".repeat(BAR - full) + "] " + text + " ");
    }
  }

  // ==== Disk: files that survive a kill =========================================================

  /** Also proof against a link that somebody plants in a folder to send a file elsewhere. */
  static final class Disk {
    private static final FileAttribute<?> OWNER_READS =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<?> OWNER_ENTERS =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private Disk() { }

    /** UTF-8 text without the byte order mark that spreadsheets put before it; null for no file. */
    static String read(Path file, Exit otherwise) {
      try {
        return Files.readString(file).replaceFirst("^\uFEFF", "");
      } catch (NoSuchFileException e) {
        return null;
      } catch (IOException e) {
        throw otherwise.fault(e, "%s: cannot be read: %s", shown(file), reason(e, "read"));
      }
    }

    /** Temp sibling, fsync, atomic move: a reader or a kill sees the old file or the new one. */
    static void write(Path file, String content) {
      var part = file.resolveSibling(file.getFileName() + ".part");
      try {
        makeFolder(folderOf(file));
        Files.deleteIfExists(part);
        var options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        try (var channel = FileChannel.open(part, options, OWNER_READS)) {
          var bytes = ByteBuffer.wrap(content.getBytes(UTF_8));
          while (bytes.hasRemaining()) channel.write(bytes);
          channel.force(true);
        }
        rename(part, file);
      } catch (IOException e) {
        throw fault(file, e);
      }
    }

    static void move(Path from, Path to) {
      try {
        makeFolder(folderOf(to));
        rename(from, to);
      } catch (IOException e) {
        throw fault(to, e);
      }
    }

    private static void rename(Path from, Path to) throws IOException {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
      try (var folder = FileChannel.open(folderOf(to))) { // the name must outlive a power cut too
        folder.force(true);
      }
    }

    static void delete(Path file) {
      try {
        Files.deleteIfExists(file);
      } catch (IOException e) {
        throw fault(file, e);
      }
    }

    static void makeFolder(Path folder) throws IOException {
      if (!Files.isDirectory(folder)) Files.createDirectories(folder, OWNER_ENTERS);
    }

    /** What lies in a folder under a name that matches, sorted; none for no folder. */
    static List<Path> list(Path folder, String name) {
      if (!Files.isDirectory(folder)) return List.of();
      var files = new ArrayList<Path>();
      try (var all = Files.newDirectoryStream(folder)) {
        for (var file : all) {
          if (file.getFileName().toString().matches(name)) files.add(file);
        }
      } catch (IOException e) {
        throw Exit.HISTORY.fault(e, "%s: cannot be read: %s", shown(folder), reason(e, "read"));
      }
      Collections.sort(files);
      return files;
    }

    private static Path folderOf(Path file) {
      var folder = file.getParent();
      return folder == null ? Path.of("") : folder;
    }

    private static Fault fault(Path file, IOException e) {
      return Exit.HISTORY.fault(e, "%s: cannot be written: %s", shown(file), reason(e, "write"));
    }

    /** The whole path, so that a line of a log tells which of several installations it is. */
    static String shown(Path file) {
      return file.toAbsolutePath().normalize().toString();
    }

    /** In plain words what the file system refused. */
    static String reason(IOException e, String doing) {
      var user = System.getProperty("user.name", "?");
      var who = user.equals("?") ? "this user" : "user " + user;
      if (e instanceof AccessDeniedException) return who + " may not " + doing + " here";
      if (e instanceof NoSuchFileException) return "no such file or folder";
      if (e instanceof NotDirectoryException) return "not a folder";
      if (e instanceof DirectoryNotEmptyException) return "a folder is in its place";
      if (e instanceof FileAlreadyExistsException) return "a file is in the place of a folder";
      if (e instanceof CharacterCodingException) return "it is no UTF-8 text";
      if (e instanceof FileSystemException system && system.getReason() != null) {
        return system.getReason();
      }
      return oneLine(Objects.requireNonNullElse(e.getMessage(), "input or output failed"));
    }

    /** @throws InvalidPathException naming the cure when the locale knows no such characters */
    static Path path(String text) {
      try {
        return Path.of(text);
      } catch (InvalidPathException e) {
        var locale = System.getProperty("sun.jnu.encoding", "?");
        throw new InvalidPathException(text, "cannot be a file name in the locale of this run ("
            + locale + "): set LC_ALL=C.UTF-8");
      }
    }

    /** Whether characters were lost when Java read them by a locale that does not have them. */
    static boolean isGarbled(String text) {
      return text.indexOf('\uFFFD') >= 0;
    }
  }

  /** One run at a time per history. */
  static final class Lock implements AutoCloseable {
    private final FileChannel channel;

    private Lock(FileChannel channel) {
      this.channel = channel;
    }

    /** @throws Fault TRY_LATER when another run holds it */
    static Lock take(Path history) {
      var file = history.resolveSibling(history.getFileName() + ".lock");
      try {
        Disk.makeFolder(Disk.folderOf(file));
        var options = Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS);
        var channel = FileChannel.open(file, options, Disk.OWNER_READS);
        if (isTaken(channel)) {
          channel.close();
          throw Exit.TRY_LATER.fault("%s: another run holds the lock; nothing is lost, the next "
              + "run goes on", Disk.shown(file));
        }
        return new Lock(channel);
      } catch (IOException e) {
        throw Disk.fault(file, e);
      }
    }

    private static boolean isTaken(FileChannel channel) throws IOException {
      try {
        return channel.tryLock() == null;
      } catch (OverlappingFileLockException e) { // by this same process
        return true;
      }
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e); // a channel that was only locked
      }
    }
  }

  // ==== Text: what is done to strings everywhere ================================================

  static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  /** Without the quotes, double or single, around it. */
  static String unquoted(String text) {
    return text.replaceFirst("^\"(.*)\"$", "$1").replaceFirst("^'(.*)'$", "$1");
  }

  static String decimal(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }

  /** Tickets: whole from 10 on, with one decimal below, none where it is 0. */
  static String amount(double tickets) {
    boolean isWhole = tickets >= 10 || Math.abs(tickets - Math.rint(tickets)) < 0.05;
    return isWhole ? rounded(tickets) : decimal(tickets);
  }

  static String rounded(double value) {
    return String.format(Locale.ROOT, "%.0f", value);
  }

  static String percent(double part) {
    return rounded(part * 100) + " %";
  }

  /** Such as "1 ticket" or "20 tickets". */
  static String plural(long number, String noun) {
    return number + " " + noun + (number == 1 ? "" : "s");
  }

  static String encode(String text) {
    return URLEncoder.encode(text, UTF_8);
  }

  static String firstLine(String text) {
    return text.lines().findFirst().orElse("");
  }

  /** For messages: on one line, and no longer than people read. */
  static String oneLine(String text) {
    return cut(clean(text).replaceAll("\\s+", " ").strip(), 200);
  }

  /** At most so many columns, an ellipsis for the rest; what a reader sees as one stays whole. */
  static String cut(String text, int most) {
    return columns(text) <= most ? text : start(text, most - 1) + "\u2026";
  }

  /** The beginning of a text that takes at most so many columns. */
  static String start(String text, int most) {
    var character = Pattern.compile("\\X").matcher(text);
    int end = 0;
    int columns = 0;
    while (character.find()) {
      columns += columns(character.group());
      if (columns > most) break;
      end = character.end();
    }
    return text.substring(0, end);
  }

  /** As terminals and plain mails show it: East Asian characters and emoji take two columns. */
  static int columns(String text) {
    int columns = 0;
    for (int c : text.codePoints().toArray()) {
      int type = Character.getType(c);
      boolean isMark = type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK
          || type == Character.FORMAT;
      boolean isWide = c >= 0x1100 && c <= 0x115f || c >= 0x2e80 && c <= 0xa4cf
          || c >= 0xac00 && c <= 0xd7a3 || c >= 0xf900 && c <= 0xfaff
          || c >= 0xfe30 && c <= 0xfe6f || c >= 0xff00 && c <= 0xff60 || c >= 0x1f300;
      columns += isMark ? 0 : isWide ? 2 : 1;
    }
    return columns;
  }

  /** Other people's text: no line break, control or direction mark, no half of a character. */
  static String clean(String text) {
    var tame = text.replaceAll("(\\p{M}{4})\\p{M}+", "$1"); // marks heaped upon one letter
    return tame.replaceAll("[\\p{Cc}\\p{Cs}\\u2028\\u2029\\u061c\\u200e\\u200f\\u202a-\\u202e"
        + "\\u2066-\\u2069\\ufeff]+", " ");
  }

  /** The same, for HTML. */
  static String escape(String text) {
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        .replace("\"", "&quot;").replace("'", "&#39;");
  }

  static boolean hasCause(Throwable e, Class<? extends Throwable> type) {
    for (var cause = e; cause != null; cause = cause.getCause()) {
      if (type.isInstance(cause)) return true;
    }
    return false;
  }

  // ==== Exit: how does a run end, and what is said ==============================================

  /** Exit codes of sysexits.h; JBang's own failures are 1 to 4 and a missing jbang 127. */
  enum Exit {
    OK(0, "hour judged, spike or not"),
    USAGE(64, "bad command line"),
    ZENDESK(69, "Zendesk unreachable, or nonsense after the retries"),
    BUG(70, "anything unforeseen, with its trace"),
    HISTORY(74, "history or outbox unreadable or unwritable"),
    TRY_LATER(75, "a notice waits or was refused, or another run is on"),
    DENIED(77, "Zendesk or SMTP refused the credentials"),
    CONFIG(78, "auth.ini missing, malformed or incomplete");

    final int code;
    final String when;

    Exit(int code, String when) {
      this.code = code;
      this.when = when;
    }

    static Map<String, String> table() {
      var table = new LinkedHashMap<String, String>();
      for (var exit : values()) table.put(Integer.toString(exit.code), exit.when);
      return table;
    }

    /** What was expected to go wrong at times: where, what is wrong, what was expected. */
    Fault fault(Throwable cause, String message, Object... values) {
      return new Fault(this, message.formatted(values), cause);
    }

    Fault fault(String message, Object... values) {
      return fault((Throwable) null, message, values);
    }
  }

  /** An expected failure. Anything else that is thrown is a bug and keeps its trace. */
  static final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;
    final Exit exit;

    private Fault(Exit exit, String message, Throwable cause) {
      super(message, cause);
      this.exit = exit;
    }
  }
}
