///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells a support team within the hour that Zendesk tickets surge: how many, how unusual, which tags
//JAVA 17+
//JAVAC_OPTIONS -encoding UTF-8
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xms16m -XX:-UsePerfData
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
 *   2. count the last full hour; the same request brings its first hundred tickets
 *   3. in a hurry: check the day before by one count, judge every hour that is not judged yet,
 *      write the notices and send what waits
 *   4. with patience, where that left something: read what the history lacks, then judge, write
 *      and send once more. A new history is filled so, and the tags of the last weeks are read
 *   5. delete what was told long ago, see Ledger.KEPT, and tell the watcher how the run ended
 * What cannot be read or written on this machine does not keep the last hour's spike from being
 * told: the run goes on in memory, and ends with 74. So it is with a vault that does not give the
 * mail's password: the chats are told, and the run ends with 78.
 *
 * THE RULES, each by itself
 *   mean      a spike is more than (1 + SpikeThreshold) * mean, the mean being that of the same
 *             hour of day in the last NumHours, without the hour itself. Example: 40, 38 and 42
 *             tickets at 13:00 have the mean 40; at SpikeThreshold 0.6 64 tickets are calm and 65
 *             are a spike. See Baselines and Judge
 *   weekly    this hour, or it and the one before together, held far more than they usually do on
 *             this weekday, given how busy the last three days were. Example: usual 10.7, deviation
 *             3.4, and 11 in the hour before: 25 tickets are a spike, 24 are not
 *   stops     a tenth or fewer came where a dozen usually come. Example: usually 6 an hour, and two
 *             hours without a ticket. See Stops
 *   tags      far more tickets carry a tag than its odds of the last weeks give. Example: 7 tickets
 *             with a tag that never came before. See TagRule
 *
 * WORDS USED THROUGHOUT
 *   hour      a full UTC hour [from, to)
 *   count     the tickets created in it; an unknown count is never 0
 *   sample    an earlier hour's count that the judged hour is compared with
 *   baseline  what the samples say an hour usually holds: their mean and deviation
 *   threshold a count that a spike has to reach; the highest is the effective one, but of "alone"
 *             and "with the hour before" one is enough
 *   needed    the smallest count that is a spike
 *   spike     an hour that holds that many; calm: one that does not; learning: one that has too few
 *             samples
 *   episode   a spike from its first hour to the all-clear, told in one mail thread; or a stop
 *   notice    what is told about an hour, stored before it goes out
 *   ledger    the notices in out: those that wait, those that were sent, those that were refused
 *   receiver  a mail address or a chat
 *
 * TO CHANGE                              EDIT
 *   a key, its default, its range        Config: one line a key; README.md and auth.ini.example too
 *   who gets the mail                    Config.mailReceivers; Mailer.message for the headers
 *   when an hour is a spike              Judge.isSpike; the thresholds stand below it
 *   when a spike is told again           Repeat.shouldNotify, for job and backtest alike
 *   the words of mail and chat           NoticeWriter: each notice from top to bottom
 *   a column of a mail's table           NoticeWriter.tagTable, examples, last24Hours: a line each
 *   what a chat or a program gets        Payload.of; Payload.facts for programs
 *   what is final and what is tried      Mailer.outcome and Webhook.send; Delivery.isDue for when
 *   what Zendesk is asked                Zendesk.words; NoticeWriter.agentSearch for the links
 *   an exit code                         Exit
 * and then run: jbang tests/Demo.java, jbang tests/SpikeNotifierTest.java
 *
 * grep '// ====' SpikeNotifier.java prints the table of contents. A section uses only those below.
 */
package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.core.*;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.type.LogicalType;
import jakarta.mail.Address;
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
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.*;
import java.time.format.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.*;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
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
        "  SSL_CERT_FILE     authorities (PEM) that are trusted beside Java's own",
        "  LC_ALL=C.UTF-8     where file names or secrets hold more than ASCII"})
final class SpikeNotifier implements Callable<Integer> {
  static final String NAME = "Spike Notifier";
  static final String VERSION = "3.0.0";

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
  public Integer call() {
    var config = Config.read(configFile, world);
    int code;
    try {
      config.warnings.forEach(world::warn);
      config.refuseMistakes();
      code = runLocked(config).code;
    } catch (RuntimeException | Error e) { // here, so that the watcher hears of it
      code = world.report(e);
    }
    boolean pings = !job.dryRun && job.hour == null;
    if (pings) Heartbeat.send(config, code, world);
    return code;
  }

  /** Another run that holds the lock ends this one; a lock that cannot be made silences nothing. */
  @SuppressWarnings("try") // the lock is held, not used
  private Exit runLocked(Config config) {
    Lock lock = null;
    Fault trouble = null;
    try {
      if (!job.dryRun) lock = Lock.take(config.historyFile);
    } catch (Fault e) {
      if (e.exit != Exit.HISTORY) throw e;
      trouble = e;
    }
    try (var held = lock) {
      var run = new Job(config, world, job.dryRun, json);
      if (trouble != null) run.goOnInMemory(trouble.getMessage());
      if (job.hour == null) return run.run();
      return run.run(job.hour);
    }
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Tells, offline, why an hour of the history is a spike or is not, and what "
          + "was sent about it.")
  void explain(
      @Parameters(paramLabel = "HOUR", description = "a UTC hour, e.g. 2026-11-24T13") Hour hour) {
    var config = Config.readOffline(configFile, world);
    var counts = History.read(config.historyFile);
    if (counts.hours().isEmpty()) {
      throw Exit.HISTORY.fault("%s: holds no hour (the first run fills it)",
          Disk.shown(config.historyFile));
    }
    new Explanation(config, counts, hour).print(world, json);
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Replays the history, offline: how many spikes would which settings find?")
  void backtest(
      @Option(names = "--per-month", paramLabel = "N",
          description = "of the settings in the table, suggest those that find most spikes, but N "
              + "in 30 days at most") Double perMonth,
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
    if (!name.matches("[A-Za-z0-9_][A-Za-z0-9_.-]*")) {
      throw Exit.USAGE.fault("completion '%s': expected the name of a command", name);
    }
    world.out.print(AutoComplete.bash(name, commandLine(world)));
    world.out.flush();
  }

  static CommandLine commandLine(World world) {
    var main = new SpikeNotifier(world);
    var line = new CommandLine(main)
        .setOut(world.out)
        .setErr(world.err)
        .setExpandAtFiles(false) // else "-c @auth.ini" would print its words
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

  /**
   * One run of the hourly job. What is needed to tell comes before everything else: a first pass
   * in a hurry asks each question about the past once, judges and sends; a second, patient one
   * follows only where the first has left something.
   */
  static final class Job {
    private static final Duration FAR = Duration.ofMinutes(5); // a clock that cannot be right
    private static final Duration COUNTING = Duration.ofMinutes(2); // the last hour
    private static final Duration FIRST_PAGE = Duration.ofSeconds(30);
    private static final Duration READING = Duration.ofMinutes(2); // a spike's further tickets
    private static final Duration GLANCE = Duration.ofSeconds(10); // what the next hour holds yet
    private static final int MOST_LINES = 5; // said of one file

    private final Config config;
    private final World world;
    private final boolean isDryRun;
    private final boolean json;
    private final Rule rule;
    private final Zendesk zendesk;
    private final History history;
    private final TagHistory tags;
    private final Ledger ledger;
    private final Delivery delivery;
    private final Set<Exit> exits = EnumSet.noneOf(Exit.class);
    private final NavigableMap<Hour, Verdict> verdicts = new TreeMap<>(); // of this run
    private boolean isInMemory; // something here cannot be read or written
    private boolean hasSaidClock;
    private boolean isClockFar; // from Zendesk's
    private Hour last;
    private HourTickets lastTickets;
    private Patience counting;
    private Patience reading; // of all further tickets of a pass

    Job(Config config, World world, boolean isDryRun, boolean json) {
      this.config = config;
      this.world = world;
      this.isDryRun = isDryRun;
      this.json = json;
      this.rule = new Rule(config);
      requireAuthorities();
      this.zendesk = new Zendesk(config, world);
      this.history = History.open(config.historyFile, config.zendeskHost, config.query);
      few(history.troubles).forEach(this::goOnInMemory);
      this.tags = TagHistory.read(config.historyFile);
      few(tags.badLines).forEach(world::warn);
      this.ledger = openLedger();
      this.delivery = new Delivery(config, world, ledger, isDryRun, json);
    }

    /** Where SSL_CERT_FILE cannot be read, Java's own authorities may be all that is needed. */
    private void requireAuthorities() {
      try {
        world.tls();
      } catch (Fault e) {
        world.warn(e.getMessage());
        exits.add(e.exit);
        world.trustJavaAlone();
      }
    }

    /** A file that a spreadsheet has rewritten may be wrong in every line. */
    private static List<String> few(List<String> lines) {
      if (lines.size() <= MOST_LINES) return lines;
      var few = new ArrayList<>(lines.subList(0, MOST_LINES));
      few.add("and so on, " + plural(lines.size() - MOST_LINES, "more line"));
      return few;
    }

    private Ledger openLedger() {
      try {
        var ledger = new Ledger(config, !isDryRun);
        if (!isDryRun) ledger.tryToWrite();
        return ledger;
      } catch (Fault e) {
        goOnInMemory(e.getMessage());
        return ledgerInMemory();
      }
    }

    /** What can be read of it tells what was told already. */
    private Ledger ledgerInMemory() {
      try {
        return new Ledger(config, false);
      } catch (Fault e) {
        world.warn(e.getMessage());
        return Ledger.inMemory(config);
      }
    }

    /**
     * Nothing on this machine silences an alarm that can be sent: the last hour's spike goes out
     * without the files, but no missed hour, end, stop or tag, which would come again each hour.
     */
    void goOnInMemory(String trouble) {
      world.warn(trouble);
      exits.add(Exit.HISTORY);
      isInMemory = true;
    }

    /** The last full hour, those that runs missed, and those whose count has changed. */
    Exit run() {
      zendesk.warnOfApiToken();
      try {
        countLast();
        runPasses();
      } catch (Fault e) {
        world.warn(e.getMessage());
        exits.add(e.exit);
      }
      delivery.send(waiting()); // what waits is sent, also where nothing could be judged
      if (!isDryRun && !isInMemory && !isClockFar) tidyUp();
      return end(waiting());
    }

    private Exit end(List<FiledNotice> waiting) {
      delivery.sayWhatWaits(waiting);
      for (var trouble : ledger.unreadable()) {
        world.warn(trouble);
        exits.add(Exit.HISTORY);
      }
      verdicts.values().forEach(this::print);
      world.detail(plural(zendesk.requests(), "request") + " to Zendesk");
      exits.addAll(delivery.exits);
      return Exit.worst(exits);
    }

    private void runPasses() {
      if (history.takenUp() == null) history.beginMonitoring(last);
      history.forgetAfter(last);
      var backfill = new Backfill(zendesk, history, tags, true, this::save, world);
      boolean isChecked = backfill.checkInAHurry(last);
      if (dropIfDisbelieved(last, backfill)) return;
      pass(isChecked, isChecked && backfill.unknown(config.numHours) == 0);

      if (backfill.leavesSomething(config.numHours)) {
        isChecked = backfill.fill(config.numHours);
        if (backfill.isDown()) exits.add(backfill.exit());
        if (dropIfDisbelieved(last, backfill)) return;
        reading = null; // begins anew: the fill's time is not the tickets'
        pass(isChecked, true);
        noteUnjudged(backfill);
      }
    }

    /** Whether the hour's count was not believed, and forgotten: then it has no verdict either. */
    private boolean dropIfDisbelieved(Hour hour, Backfill backfill) {
      if (backfill.hasLostSight()) exits.add(Exit.ZENDESK);
      if (history.knows(hour)) return false;
      verdicts.remove(hour);
      save(); // the first pass may have stored it
      return true;
    }

    private void noteUnjudged(Backfill backfill) {
      if (!isUnjudgedForUnreadHours(backfill)) return;
      exits.add(Exit.ZENDESK);
      if (backfill.isDown()) return; // which was said
      world.warn(last.name() + ": not judged, since Zendesk did not give some of the hours that it "
          + "is compared with; the next run asks again");
    }

    /** Whether the hour would be judged, could the past that it is compared with be read. */
    private boolean isUnjudgedForUnreadHours(Backfill backfill) {
      if (!(verdicts.get(last) instanceof Learning learning)) return false;
      int unread = new Baselines(rule, history.counts()).samples(last).unknown().size();
      boolean unreadWouldDo = learning.samples() + unread >= learning.needed();
      int much = Math.min(168, config.numHours / 2); // hours; a young desk may lack a few, too
      boolean lacksMuch = backfill.unknown(config.numHours) >= much;
      return backfill.leavesHours() && (unreadWouldDo || lacksMuch);
    }

    /**
     * Judges and sends. Before the past is whole spikes alone are told, and all else is judged
     * again, so that a kill then closes nothing.
     *
     * @param isPastWhole whether this run will know no more of it
     */
    private void pass(boolean isChecked, boolean isPastWhole) {
      boolean tellsAll = isChecked && isPastWhole && !isInMemory;
      var judge = new Judge(rule, history.counts());
      for (var hour : takeHoursToJudge()) {
        var verdict = judge.verdict(hour);
        verdicts.put(hour, verdict);
        if (verdict instanceof Spike spike) notify(spike, judge);
        if (verdict instanceof Calm calm && tellsAll) notifyOfEnd(calm, judge);
        if (mayChange(verdict, isChecked, isPastWhole)) history.judgeLater(hour);
        else history.noLongerPending(hour);
      }
      save();
      delivery.send(waiting());
      if (isInMemory) return;

      readTagsOfLast();
      if (tellsAll) notifyOfStop(judge);
      if (isPastWhole) notifyOfTags(judge);
      save();
      delivery.send(waiting());
    }

    /** Whether it is to be judged again; a spike is told at once, whatever becomes of the past. */
    private boolean mayChange(Verdict verdict, boolean isChecked, boolean isPastWhole) {
      if (verdict instanceof Spike) return false;
      boolean isEndUntold = verdict instanceof Calm && !isChecked
          && ledger.open(Kind.SPIKE, verdict.hour()) != null;
      return !isPastWhole || isEndUntold;
    }

    private List<FiledNotice> waiting() {
      var waiting = ledger.waiting();
      boolean cannotBeNoted = !ledger.isWritten() && !isDryRun;
      if (cannotBeNoted) waiting.removeIf(entry -> !entry.isOfThisRun);
      return waiting;
    }

    private void save() {
      if (isDryRun || isInMemory) return;
      try {
        history.save();
        tags.save(config.historyFile);
      } catch (Fault e) {
        goOnInMemory(e.getMessage());
      }
    }

    private void tidyUp() {
      try {
        delivery.tidyUp();
      } catch (Fault e) {
        goOnInMemory(e.getMessage());
      }
    }

    /**
     * That hour alone, from its own past: no other's notice is sent, and what runs have judged
     * stays as it is. What is older than a week is told in a dry run only.
     */
    Exit run(Hour chosen) {
      zendesk.warnOfApiToken();
      try {
        judgeAlone(chosen);
      } catch (Fault e) {
        world.warn(e.getMessage());
        exits.add(e.exit);
      }
      var ofHour = waiting();
      ofHour.removeIf(entry -> !entry.hour.equals(chosen));
      delivery.send(ofHour);
      ofHour.removeIf(entry -> !entry.isWaiting());
      return end(ofHour);
    }

    private void judgeAlone(Hour chosen) {
      counting = Patience.within(world, COUNTING);
      zendesk.signIn(counting);
      readClock();
      var newest = Hour.lastFull(world.now());
      if (newest.isBefore(chosen)) {
        throw Exit.USAGE.fault("--hour %s: is not over yet (expected %s or earlier)", chosen.name(),
            newest.name());
      }
      last = chosen;
      history.put(chosen, count(chosen));
      var backfill = new Backfill(zendesk, history, tags, false, this::save, world);
      backfill.checkInAHurry(chosen);
      boolean isChecked = !backfill.leavesSomething(config.numHours)
          || backfill.fill(config.numHours);
      if (backfill.isDown()) exits.add(backfill.exit());
      if (dropIfDisbelieved(chosen, backfill)) return;

      var judge = new Judge(rule, history.counts());
      var verdict = judge.verdict(chosen);
      verdicts.put(chosen, verdict);
      boolean isNews = isDryRun || newest.since(chosen) < Hour.NEWS;
      if (!isNews) world.warn("--hour " + chosen.name() + ": older than a week, so it is not told");
      if (isNews && verdict instanceof Spike spike) notify(spike, judge);
      boolean tellsEnd = isNews && isChecked && !isInMemory;
      if (verdict instanceof Calm calm && tellsEnd) notifyOfEnd(calm, judge);
      save();
      noteUnjudged(backfill);
    }

    /** Counts the last full hour; asks again where Zendesk's clock says that it is another one. */
    private void countLast() {
      counting = Patience.within(world, COUNTING);
      zendesk.signIn(counting);
      for (int i = 0; i < 3; i++) {
        readClock();
        var hour = Hour.lastFull(world.now());
        long count = count(hour);
        readClock();
        if (!hour.equals(Hour.lastFull(world.now()))) continue;
        last = hour;
        history.put(hour, count);
        return;
      }
      throw Exit.ZENDESK.fault("[zendesk] its clock jumps, so that no hour is the last; the next "
          + "run asks again");
    }

    /** One request gives the count and the first tickets; where it fails, the count comes first. */
    private long count(Hour hour) {
      lastTickets = new HourTickets(config.omittedTags);
      try {
        var page = zendesk.firstPage(hour, Patience.once(world, FIRST_PAGE));
        lastTickets.add(page, hour, world);
        return page.count();
      } catch (Fault e) {
        if (e.exit == Exit.DENIED) throw e;
        world.detail(e.getMessage());
        lastTickets.setMissing(e.getMessage());
        return zendesk.count(hour, hour.plus(1), counting);
      }
    }

    /**
     * Now is the earlier of this machine's clock and Zendesk's. Where they are far apart, this
     * machine's is wrong, unless Zendesk's is behind what it has counted itself.
     */
    private void readClock() {
      var there = zendesk.serverTime();
      if (there == null) return;
      var newest = history.newest();
      if (newest != null && there.isBefore(newest.to()) && !newest.equals(last)) {
        sayClock("[zendesk] says that it is " + there + ", which is before the end of " + newest
            + ", a stored hour: not believed");
        return;
      }
      var ahead = Duration.between(world.clock.instant(), there);
      isClockFar = ahead.abs().compareTo(FAR) > 0; // then nothing is given up or deleted
      if (isClockFar) {
        var side = "behind";
        if (ahead.isNegative()) side = "ahead of";
        sayClock("this machine's clock is " + span(ahead.abs()) + " " + side + " Zendesk's, which "
            + "says " + there + ": that one is followed (set the clock)");
      }
      world.skew = Duration.ZERO;
      if (isClockFar || ahead.isNegative()) world.skew = ahead;
    }

    private void sayClock(String words) {
      if (!hasSaidClock) world.warn(words);
      hasSaidClock = true;
    }

    private static String span(Duration time) {
      if (time.toDays() >= 2) return plural(time.toDays(), "day");
      if (time.toHours() >= 2) return plural(time.toHours(), "hour");
      return plural(time.toMinutes(), "minute");
    }

    /** The hours to judge, oldest first. What is still unknown stays pending until it is known. */
    private List<Hour> takeHoursToJudge() {
      if (isInMemory) return List.of(last);
      var hours = new TreeSet<Hour>();
      var oldest = last.plus(1 - Hour.NEWS);
      if (history.takenUp() != null) {
        var first = Hour.later(history.takenUp().plus(1), oldest);
        Hour.range(first, last).forEach(hours::add);
      }
      for (var hour : history.pending()) {
        if (hour.isBefore(oldest)) history.noLongerPending(hour); // no news any more
        else if (!hour.isAfter(last)) hours.add(hour);
      }
      for (var hour : hours) {
        if (!history.knows(hour)) history.judgeLater(hour);
      }
      hours.removeIf(hour -> !history.knows(hour));
      hours.addAll(verdicts.keySet()); // once more, by what the second pass has read
      hours.add(last);
      return List.copyOf(hours);
    }

    /** By Repeat, where no later hour of the same spike was told. */
    private boolean shouldNotify(Spike spike, Judge judge) {
      if (leadsToTold(spike.hour(), judge)) return false;
      var open = openEpisode(spike.hour(), judge);
      if (open == null) return true;
      return config.repeat.shouldNotify(spike.count(), open.facts.count());
    }

    /** Whether a later hour of the same spike was told, whose notices say since when it goes on. */
    private boolean leadsToTold(Hour hour, Judge judge) {
      for (var each : Hour.range(hour.plus(1), last.plus(1)).toList()) {
        if (ledger.find(each, Kind.SPIKE) != null) return true;
        if (history.knows(each) && judge.verdict(each) instanceof Calm) return false;
      }
      return false;
    }

    /**
     * Null where none is open, and where one that is has ended since, though nobody was told yet,
     * or may have ended in hours that are unknown.
     */
    private Notice openEpisode(Hour hour, Judge judge) {
      var open = ledger.open(Kind.SPIKE, hour);
      if (open == null) return null;
      for (var each : Hour.range(open.topic.hour().plus(1), hour).toList()) {
        boolean goesOn = history.knows(each) && !(judge.verdict(each) instanceof Calm);
        if (!goesOn) return null;
      }
      return open;
    }

    /** What was told is stored before the hour counts as judged, so a kill leaves it to be told. */
    private void notify(Spike spike, Judge judge) {
      boolean isTold = ledger.find(spike.hour(), Kind.SPIKE) != null
          || ledger.wasToldByFirstEdition(spike.hour());
      if (isTold || !shouldNotify(spike, judge)) return;
      var writer = new NoticeWriter(config, judge, tags, world);
      var tickets = tickets(spike.hour(), spike.count());
      boolean isKept = tickets.isWhole() && tickets.size() <= TagHistory.MOST_TICKETS;
      // the notice ranks by them, even where they are not whole
      tags.put(spike.hour(), tickets.size(), tickets.tagCounts());
      var told = episodeOf(spike.hour(), judge);
      add(writer.spike(spike, told, tickets, inProgress(spike.hour())));
      if (!isKept) tags.forget(spike.hour());
    }

    /** What was told of the open episode that the hour goes on; empty when it opens one. */
    private List<Notice> episodeOf(Hour hour, Judge judge) {
      var newest = ledger.newest(Kind.SPIKE, hour);
      boolean goesOn = wasFalseEnd(newest, hour) || openEpisode(hour, judge) != null;
      if (!goesOn) return List.of();
      return told(ledger.read(newest));
    }

    /** Whether the hour was told as the end, and is a spike now that it was counted again. */
    private static boolean wasFalseEnd(FiledNotice newest, Hour hour) {
      return newest != null && newest.kind == Kind.CLEAR && newest.hour.equals(hour);
    }

    private List<Notice> told(Notice notice) {
      var told = new ArrayList<Notice>();
      for (var entry : ledger.episode(notice)) told.add(ledger.read(entry));
      return told;
    }

    private void notifyOfEnd(Calm calm, Judge judge) {
      var newest = ledger.newest(Kind.SPIKE, last);
      boolean isBehind = newest != null && newest.hour.isBefore(calm.hour());
      if (!isBehind) return; // what was told has passed this hour by
      var open = ledger.open(Kind.SPIKE, calm.hour());
      if (open == null) return;
      var writer = new NoticeWriter(config, judge, tags, world);
      addEnd(writer.clear(calm, told(open)));
    }

    private void notifyOfStop(Judge judge) {
      if (!config.stops) return;
      var stop = new Stops(config, history.counts()).at(last);
      if (stop == null) return;
      var writer = new NoticeWriter(config, judge, tags, world);
      var open = ledger.open(Kind.STOP, last);
      boolean stopped = stop.verdict() == Flow.STOPPED;
      boolean resumed = stop.verdict() == Flow.AGAIN;
      if (open == null && stopped) add(writer.stop(last, stop));
      boolean isLater = open != null && open.topic.hour().isBefore(last);
      if (isLater && resumed) addEnd(writer.resumed(last, stop, told(open)));
    }

    private void notifyOfTags(Judge judge) {
      if (!config.tagSurges || !tags.knows(last)) return;
      if (ledger.find(last, Kind.TAG) != null) return;
      var surges = new TagRule(tags, config.zone).surges(last, hour ->
          history.knows(hour) && judge.verdict(hour) instanceof Spike,
          hour -> ledger.mayBeHeard(ledger.find(hour, Kind.TAG)), config.omittedTags);
      if (surges.isEmpty()) return;
      var tickets = tickets(last, history.at(last));
      add(new NoticeWriter(config, judge, tags, world).tag(last, surges, tickets));
    }

    /** Without AllClear it is noted all the same, so that the episode is over. */
    private void addEnd(Notice notice) {
      if (config.allClear) add(notice);
      else add(notice, Place.SENT);
    }

    private void add(Notice notice) {
      add(notice, Place.OUTBOX);
    }

    private void add(Notice notice, Place place) {
      try {
        ledger.add(notice, place);
      } catch (Fault e) {
        goOnInMemory(e.getMessage());
        ledger.keepInMemory();
        ledger.add(notice, place);
      }
    }

    /** Whether it goes on; a question that may fail without harm. */
    private HourInProgress inProgress(Hour hour) {
      var now = world.now().truncatedTo(ChronoUnit.SECONDS);
      boolean isRecent = hour.to().isBefore(now) && now.isBefore(hour.plus(2).to());
      if (!isRecent) return null;
      try {
        var count = zendesk.count(hour.to(), now, config.query, Patience.once(world, GLANCE));
        return new HourInProgress(now, count);
      } catch (Fault e) {
        world.detail(e.getMessage());
        return null;
      }
    }

    /** The hour's tickets. What cannot be read in two minutes must not stop the notice. */
    private HourTickets tickets(Hour hour, long count) {
      var tickets = new HourTickets(config.omittedTags);
      if (hour.equals(last)) tickets = lastTickets;
      if (reading == null) reading = Patience.within(world, READING);
      tickets.readRest(zendesk, hour, count, reading, world);
      return tickets;
    }

    /** So that they are known when they are the past; an hour of a hundred has them at hand. */
    private void readTagsOfLast() {
      long count = history.at(last);
      if (tags.knows(last) || count > TagHistory.MOST_TICKETS) return;
      var tickets = tickets(last, count);
      if (tickets.isWhole()) tags.put(last, tickets.size(), tickets.tagCounts());
    }

    private void print(Verdict verdict) {
      var line = json(verdict).put("alert", alert(verdict));
      if (json) {
        if (verdict instanceof Spike && verdict.hour().equals(last)) {
          line.set("tags", JSON.valueToTree(
              lastTickets.top(config.numTags, verdict.hour(), new TagRule(tags, config.zone))));
        }
        world.result(line.toString());
        return;
      }
      var words = new StringJoiner(" ").add("hour=" + verdict.hour());
      for (var name : List.of("count", "mean", "needed", "percent", "samples", "verdict",
          "alert")) {
        var value = line.path(name);
        if (value.isNull() || value.isMissingNode()) words.add(name + "=-");
        else if (value.isDouble()) words.add(name + "=" + decimal(value.asDouble()));
        else words.add(name + "=" + value.asText());
      }
      if (verdict instanceof Learning learning) words.add("samples_needed=" + learning.needed());
      world.result(words.toString());
    }

    /** What became of the hour's notice: the one about its total first. */
    private String alert(Verdict verdict) {
      var kind = Kind.CLEAR;
      if (verdict instanceof Spike) kind = Kind.SPIKE;
      FiledNotice entry = null;
      for (var each : List.of(kind, Kind.STOP, Kind.RESUMED, Kind.TAG)) {
        if (entry == null) entry = ledger.find(verdict.hour(), each);
      }
      if (entry == null) return "none";
      if (isDryRun && entry.isOfThisRun) return "dry-run";
      var notice = ledger.read(entry);
      return switch (entry.place()) {
        case OUTBOX -> "queued";
        case REFUSED -> "refused";
        case SENT -> {
          if (!notice.isTold()) yield "none";
          if (!entry.isOfThisRun) yield "already-sent";
          if (notice.isHeard()) yield "sent";
          yield "passed-by";
        }
      };
    }
  }

  // ==== Doctor: would the next run work =========================================================

  /** Says of each part what it tried and saw. {@link #examine} gives the code of the worst. */
  static final class Doctor {
    private static final Duration SKEW = Duration.ofMinutes(2);
    private static final int NAMED = 12; // unknown hours
    private static final int SAMPLE = 100; // tickets of the made-up spike
    private static final int MOST_MADE = 1000; // tickets

    private final Path file;
    private final World world;
    private final boolean json;
    private Exit worst = Exit.OK;
    private Config config;
    private Zendesk zendesk;

    /** What a check saw that works. @param isOdd whether that deserves a warning */
    private record Seen(String words, boolean isOdd) {
      Seen(String words) {
        this(words, false);
      }
    }

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
      else say("skip", "Query", "since the check of Zendesk failed");
      if (zendesk.serverTime() != null) check("clock", this::clock);
      else say("skip", "clock", "since Zendesk told no time");
      check("mail", this::mail);
      check("history", () -> history(last));
      check("tags", () -> tags(last));
      check("lock", this::lock);
      check("outbox", this::outbox);
      if (send) sendSamples(last);
      else say("skip", "webhook and watcher", "are tried by --send");
      return worst;
    }

    private boolean check(String what, Supplier<Seen> check) {
      try {
        var seen = check.get();
        if (seen.isOdd) say("WARN", what, seen.words);
        else say("ok", what, seen.words);
        return true;
      } catch (Fault e) {
        e.getMessage().lines().forEach(line -> say("FAIL", what, line));
        worst = Exit.worst(EnumSet.of(e.exit, worst));
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

    private Seen config() {
      var read = Config.read(file, world);
      for (var warning : read.warnings) say("WARN", "config", warning);
      read.refuseMistakes();
      world.tls(); // of SSL_CERT_FILE
      config = read;
      return new Seen(Disk.shown(file));
    }

    private Seen zendesk(Hour last) {
      long count = zendesk.count(last, last.plus(1), Patience.USUAL);
      var seen = Http.server(config.zendeskUrl) + ", " + plural(count, "ticket") + " in "
          + last.name() + ", ";
      if (config.zendeskClient == null) {
        return new Seen(seen + "API token, which ends on 30 Apr 2027", true);
      }
      if (config.credentials == null) return new Seen(seen + "OAuth");
      return new Seen(seen + "OAuth; Credentials are there too, and not used", true);
    }

    private Seen query(Hour last) {
      if (config.query.isEmpty()) return new Seen("none");
      var from = last.plus(-24 * 7).from();
      long with = zendesk.count(from, last.to(), config.query, Patience.USUAL);
      long all = zendesk.count(from, last.to(), "", Patience.USUAL);
      var seen = config.query + ": " + with + " of " + plural(all, "ticket")
          + " of the last 7 days";
      if (with == 0) return new Seen(seen + ": it matches nothing", true);
      if (with >= all) return new Seen(seen + ": it changes nothing (a misspelled word?)", true);
      return new Seen(seen);
    }

    private Seen clock() {
      var skew = Duration.between(zendesk.serverTime(), world.clock.instant());
      var seen = skew.toSeconds() + " s from Zendesk's";
      if (skew.abs().compareTo(SKEW) <= 0) return new Seen(seen);
      return new Seen(seen + ": set this machine's clock", true);
    }

    private Seen mail() {
      if (config.sender == null) return new Seen("none, [webhook] is told");
      return new Seen(new Mailer(config, world).check());
    }

    private Seen history(Hour last) {
      var path = Disk.shown(config.historyFile);
      var history = History.open(config.historyFile, config.zendeskHost, config.query);
      var scope = History.scope(config.zendeskHost, config.query);
      if (!history.troubles.isEmpty()) {
        throw Exit.HISTORY.fault("%s", String.join("; ", history.troubles));
      }
      var folder = Disk.folderOf(config.historyFile);
      boolean isNewFolder = !Files.isDirectory(folder);
      Disk.tryToWrite(folder);
      if (history.newest() == null) {
        var where = path + ", new";
        if (isNewFolder) where += ", in a new folder";
        return new Seen(where + ": the first run fills it, " + scope, isNewFolder);
      }
      var counts = history.counts();
      var unknown = Hour.range(last.plus(-config.numHours), last)
          .filter(hour -> !counts.knows(hour)).toList();
      return new Seen(path + ", " + counts.first().name() + " to " + counts.end().plus(-1).name()
          + ", " + scope + ", " + unknown.size() + " unknown of the last " + config.numHours
          + named(unknown));
    }

    /** The first of them by name, so that one can look what is the matter there. */
    private static String named(List<Hour> hours) {
      if (hours.isEmpty()) return "";
      var names = new StringJoiner(", ", ": ", "");
      for (var hour : first(NAMED, hours)) names.add(hour.name());
      if (hours.size() > NAMED) names.add("\u2026");
      return names.toString();
    }

    private Seen tags(Hour last) {
      var tags = TagHistory.read(config.historyFile);
      var first = last.plus(1 - 24 * TagHistory.DAYS);
      long known = Hour.range(first, last.plus(1)).filter(tags::knows).count();
      var seen = known / 24 + " of " + TagHistory.DAYS + " days known";
      if (tags.badLines.isEmpty()) return new Seen(seen);
      return new Seen(seen + "; " + String.join("; ", tags.badLines), true);
    }

    @SuppressWarnings("try") // the lock is held, not used
    private Seen lock() {
      try (var lock = Lock.take(config.historyFile)) {
        return new Seen("free");
      }
    }

    private Seen outbox() {
      var ledger = new Ledger(config, true);
      ledger.tryToWrite();
      int waiting = ledger.waiting().size();
      ledger.readAll();
      if (!ledger.unreadable().isEmpty()) {
        throw Exit.HISTORY.fault("%s", String.join("; ", ledger.unreadable()));
      }
      var seen = Disk.shown(config.outFolder) + ", " + plural(waiting, "notice") + " waiting";
      return new Seen(seen, waiting > 0);
    }

    private void sendSamples(Hour last) {
      var made = new ArrayList<Notice>();
      boolean isMade = check("sample", () -> {
        made.add(sample(last));
        return new Seen(made.get(0).topic.subject());
      });
      if (!isMade) return;
      var sample = made.get(0);
      var mailer = new Mailer(config, world);
      for (var address : config.mailReceivers()) {
        check("sample by mail", () -> new Seen(sent(sample, mailer.to(address))));
      }
      mailer.close();
      if (config.chats.isEmpty()) say("skip", "sample by webhook", "no [webhook] Url");
      for (var chat : config.chats) {
        check("sample by " + chat.name(), () -> new Seen(sent(sample, new Webhook(chat, world))
            + ", as " + lower(chat.format().name())));
      }
      if (config.pingUrl == null) say("skip", "watcher", "no [monitor] PingUrl");
      else check("watcher", this::pinged);
    }

    private static String sent(Notice sample, Receiver receiver) {
      var outcome = receiver.send(sample, sample.words);
      if (outcome.fate() == Fate.ACCEPTED) return receiver.place() + " took it for "
          + receiver.name();
      throw Exit.TRY_LATER.fault("%s: %s: %s", receiver.place(), receiver.name(), outcome.words());
    }

    private Seen pinged() {
      var server = Http.server(config.pingUrl);
      var failing = Heartbeat.address(config.pingUrl, config.failUrl, Exit.BUG.code, "");
      boolean isFailureKnown = failing != null;
      boolean bad = !isFailureKnown || Heartbeat.send(config, Exit.BUG.code, world);
      boolean good = Heartbeat.send(config, 0, world);
      if (!bad || !good) {
        throw Exit.TRY_LATER.fault("[monitor] PingUrl: %s did not take each ping", server);
      }
      if (isFailureKnown) return new Seen(server + " took a bad and a good ping");
      return new Seen(server + " took a good ping; how it hears of a failing run is not known (set "
          + "FailUrl)", true);
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
      var tags = new TagHistory();
      Hour.range(hour.plus(-24 * TagHistory.DAYS), hour).forEach(past ->
          tags.put(past, 20, Map.of("vip", 7L)));
      var tickets = new HourTickets(config.omittedTags);
      long made = Math.min(spike.count(), MOST_MADE);
      for (long i = 0; i < made; i++) tickets.add(madeUp(hour, i, made));
      if (made < spike.count()) tickets.setMissing("as many as make a sample");
      tags.put(hour, made, tickets.tagCounts());
      var progress = new HourInProgress(hour.to().plusSeconds(420), 14);
      return new NoticeWriter(config, judge, tags, world).sample(spike, tickets, progress);
    }

    private static Ticket madeUp(Hour hour, long i, long all) {
      boolean surges = i * 10 < all * 8;
      var tags = new ArrayList<String>();
      if (surges) tags.add("checkout_error");
      if (i % 3 == 0) tags.add("vip");
      var subject = "A question";
      if (surges) subject = "Checkout fails with error 502";
      var created = hour.from().plusSeconds(i * 3600 / all);
      return new Ticket(4900 + i, created, subject, 1000 + i, tags, "ticket");
    }
  }

  // ==== Explanation: why is this hour a spike, or not ===========================================

  /** One hour of the history with everything that its verdict comes from, and what was told. */
  static final class Explanation {
    private static final int MOST_SAMPLES = 20; // in words; JSON has all
    private static final int MOST_LEFT_OUT = 12;
    private static final Map<Flow, String> FLOW_IN_WORDS = Map.of(
        Flow.STOPPED, "stopped",
        Flow.AGAIN, "come",
        Flow.BETWEEN, "come sparsely");

    private final Config config;
    private final Counts counts;
    private final Hour hour;
    private final Judge judge;
    private final Samples samples;
    private final Baseline usual;
    private final Ledger ledger;
    private final Stop stop; // null where it cannot be told
    private final List<TagVerdict> tags;

    Explanation(Config config, Counts counts, Hour hour) {
      this.config = config;
      this.counts = counts;
      this.hour = hour;
      this.judge = new Judge(new Rule(config), counts);
      this.samples = judge.baselines.samples(hour);
      this.usual = judge.baselines.of(hour);
      this.ledger = new Ledger(config, false);
      this.stop = new Stops(config, counts).at(hour);
      var known = TagHistory.read(config.historyFile);
      this.tags = new TagRule(known, config.zone).verdicts(hour, config.omittedTags);
    }

    void print(World world, boolean json) {
      if (json) world.result(json().toString());
      else lines().forEach(world::result);
    }

    private List<String> lines() {
      var lines = new ArrayList<String>();
      lines.add(hour.name() + " (" + dayAndTime(hour) + local() + "): " + verdictInWords());
      if (usual != null) lines.addAll(usualLines());
      lines.addAll(stopAndTagLines());
      lines.add("Told: " + told());
      lines.addAll(sampleLines());
      return lines;
    }

    private String local() {
      if (hour.isUtcIn(config.zone)) return "";
      return ", " + localTime(hour) + " " + config.zone.getId();
    }

    private String localTime(Hour hour) {
      return at(hour.from(), config.zone, "EEE d MMM HH:mm");
    }

    private String verdictInWords() {
      var rule = " by rule " + lower(judge.rule.name.name());
      if (!hour.isBefore(counts.end())) return "no run has counted it yet.";
      if (!counts.knows(hour)) return "its count is unknown, so it was not judged" + rule + ".";
      var verdict = judge.verdict(hour);
      var words = plural(verdict.count(), "ticket");
      if (verdict instanceof Learning learning) {
        return words + ", not judged" + rule + ": " + plural(learning.samples(), "sample")
            + " of the " + learning.needed() + " that it takes.";
      }
      var percent = usual.percent(verdict.count());
      if (percent != null) words += " (" + "%+.1f".formatted(percent) + " %)";
      boolean isSpike = verdict instanceof Spike;
      long needed = judge.thresholds(hour).least();
      boolean isEdited = isSpike != (verdict.count() >= needed);
      if (isSpike) words += ", a spike" + rule;
      else words += ", calm" + rule;
      if (!isEdited) return words + ".";
      return words + ": Judge.isSpike was edited and says so, though " + needed
          + " are needed by the thresholds.";
    }

    private List<String> usualLines() {
      var lines = new ArrayList<String>();
      var words = "Usual: " + decimal(usual.mean()) + usual.raisedInWords(1.01);
      if (usual.spread() != null) words += ", deviation " + decimal(usual.spread().deviation());
      var number = plural(usual.samples(), "sample");
      lines.add(words + ", by " + number + " of " + samples.basis().words + ".");
      var thresholds = judge.thresholds(hour);
      lines.add("Needed for a spike: " + plural(thresholds.least(), "ticket") + ".");
      for (var threshold : thresholds.all()) {
        lines.add("  %-46s %8.1f  %s".formatted(threshold.words().get(), threshold.shown(),
            thresholds.mark(threshold)).stripTrailing());
      }
      return lines;
    }

    /** Whether tickets come, and which tags came far more often than usual. */
    private List<String> stopAndTagLines() {
      var lines = new ArrayList<String>();
      if (stop != null) {
        var flow = FLOW_IN_WORDS.get(stop.verdict());
        lines.add("Tickets " + flow + ": " + stop.inWords() + "." + stop.loweredInWords());
      }
      for (var tag : tags) {
        if (tag.expected() == null || !tag.isRisen()) continue;
        var verb = " has risen: ";
        if (tag.surge()) verb = " surges: ";
        lines.add("Tag " + tag.tag() + verb + tag.inWords() + "; needed to surge: "
            + tag.neededToSurge() + ".");
      }
      return lines;
    }

    /** What the ledger says, and where it has nothing, why. */
    private String told() {
      var notices = new ArrayList<String>();
      for (var kind : List.of(Kind.SPIKE, Kind.CLEAR, Kind.STOP, Kind.RESUMED, Kind.TAG)) {
        var entry = ledger.find(hour, kind);
        if (entry != null) notices.add(inWords(ledger.read(entry)));
      }
      notices.addAll(ledger.unreadable());
      if (notices.isEmpty()) return "nothing" + whyNothing();
      return String.join("; ", notices) + ".";
    }

    private static String inWords(Notice notice) {
      var words = new StringBuilder(what(notice));
      notice.accepted.forEach((receiver, time) ->
          words.append(", to ").append(receiver).append(" at ").append(time));
      notice.passed.forEach((receiver, newer) ->
          words.append(", to ").append(receiver).append(" by the newer ").append(newer));
      notice.refused.forEach((receiver, reason) ->
          words.append(", refused by ").append(receiver).append(" (").append(reason).append(")"));
      if (!notice.isTold() && notice.refused.isEmpty()) words.append(", to nobody");
      return words.toString();
    }

    private static String what(Notice notice) {
      var tickets = plural(notice.facts.count(), "ticket");
      return switch (notice.topic.kind()) {
        case SPIKE -> "a spike of " + tickets;
        case CLEAR -> "the all-clear";
        case STOP -> "that tickets stopped";
        case RESUMED -> "that tickets come again";
        case TAG -> tickets + " with " + notice.facts.cause();
        case SAMPLE -> "a sample";
      };
    }

    private String whyNothing() {
      if (!counts.knows(hour)) return ", since its count is unknown.";
      var verdict = judge.verdict(hour);
      if (verdict instanceof Learning) return ", since there are too few samples.";
      if (verdict instanceof Calm) return ", since it is calm.";
      var open = ledger.open(Kind.SPIKE, hour);
      boolean isRepeat = open != null
          && !config.repeat.shouldNotify(verdict.count(), open.facts.count());
      if (isRepeat) {
        return ": Repeat = " + lower(config.repeat.name()) + ", and " + open.topic.hour().name()
            + " was told with " + plural(open.facts.count(), "ticket") + ".";
      }
      return ": no notice of it lies in " + Disk.shown(config.outFolder) + ". No run judged it a "
          + "spike (other settings, another count, more than a week late), a later hour had been "
          + "told before, or it is over " + Ledger.KEPT.toDays() + " days old.";
    }

    private List<String> sampleLines() {
      var lines = new ArrayList<String>();
      int all = samples.known().size();
      var which = "newest first";
      if (all > MOST_SAMPLES) which = "the newest " + MOST_SAMPLES;
      lines.add("Samples (" + all + "), " + samples.basis().words + ", " + which + ":");
      for (var sample : first(MOST_SAMPLES, samples.known())) {
        var capped = "";
        if (isCapped(sample)) capped = "  counted as " + decimal(usual.spread().cap());
        lines.add("  %s  %s %8d%s".formatted(sample.hour().name(), localTime(sample.hour()),
            sample.count(), capped));
      }
      addLeftOut(lines, "unknown", samples.unknown());
      addLeftOut(lines, "on an ignored day", samples.ignored());
      addLeftOut(lines, "in a week that was not open", samples.closed());
      return lines;
    }

    private boolean isCapped(Sample sample) {
      return usual != null && usual.spread() != null && sample.count() > usual.spread().cap();
    }

    private static void addLeftOut(List<String> lines, String why, List<Hour> hours) {
      if (hours.isEmpty()) return;
      var names = new StringJoiner(" ");
      for (var hour : first(MOST_LEFT_OUT, hours)) names.add(hour.name());
      int more = hours.size() - MOST_LEFT_OUT;
      if (more > 0) names.add("and " + more + " more");
      lines.add("  left out, " + why + ": " + names);
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
      if (usual == null) json.putNull("needed");
      if (usual != null) {
        var thresholds = judge.thresholds(hour);
        json.put("needed", thresholds.least());
        var array = json.putArray("bars");
        for (var threshold : thresholds.all()) {
          array.addObject().put("key", threshold.key()).put("words", threshold.words().get())
              .put("tickets", threshold.tickets())
              .put("decides", threshold == thresholds.effective());
        }
      }
      if (stop == null) json.putNull("stop");
      else json.set("stop", JSON.valueToTree(stop));
      if (!tags.isEmpty()) {
        var array = json.putArray("tags");
        for (var tag : tags) {
          array.addObject().put("tag", tag.tag()).put("count", tag.count())
              .put("together", tag.together()).put("expected", tag.expected())
              .put("dispersion", tag.dispersion()).put("surge", tag.surge());
        }
      }
      json.put("why", verdictInWords());
      json.put("told", told());
      var compared = json.putArray("compared");
      for (var sample : samples.known()) {
        compared.addObject().put("hour", sample.hour().from().toString())
            .put("count", sample.count()).put("capped", isCapped(sample));
      }
      putHours(json.putArray("unknown"), samples.unknown());
      putHours(json.putArray("ignored"), samples.ignored());
      putHours(json.putArray("closed"), samples.closed());
      return json;
    }

    private static void putHours(ArrayNode array, List<Hour> hours) {
      for (var hour : hours) array.add(hour.from().toString());
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
      var start = counts.first();
      if (since != null) start = Hour.of(since, 0);
      var learned = firstSample().plus(LEARNING);
      this.start = start;
      this.leavesOutLearning = start.isBefore(learned) && counts.end().since(learned) >= ENOUGH;
      this.first = leavesOutLearning ? learned : start;
    }

    private Hour firstSample() {
      for (var hour : counts.hours()) {
        if (counts.at(hour) > 0) return hour;
      }
      return counts.end();
    }

    void print(World world, Double perMonth, boolean json) {
      var from = first;
      if (json) from = start; // programs get the hours that still learn, too
      var verdicts = judge(own).verdicts(from);
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
      printStops(world);
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

    /** Told as the job does: see Job.shouldNotify and Job.notifyOfEnd. */
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
      int mails = 0;
      if (episode.isOver() && config.allClear) mails++;
      Spike told = null; // by the latest notice
      for (var spike : episode.spikes()) {
        boolean goesOn = told != null
            && Hour.range(told.hour(), spike.hour()).allMatch(counts::knows);
        if (goesOn && !config.repeat.shouldNotify(spike.count(), told.count())) continue;
        told = spike;
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
        var deviations = "-";
        if (line.rule.isWeekly()) deviations = decimal(line.rule.deviations);
        var mark = "";
        if (line == ownLine) mark = "   yours";
        world.result("%-7s %14s  %10s %7.1f %7.1f %7.1f%s".formatted(lower(line.rule.name.name()),
            line.rule.threshold, deviations, line.spikes, line.hours, line.mails, mark));
      }
      var end = "no";
      if (config.allClear) end = "yes";
      world.result("Mails are those of Repeat = " + lower(config.repeat.name()) + " and AllClear = "
          + end + ".");
    }

    private static void addUnlessAlike(List<Line> lines, Line line) {
      if (lines.stream().noneMatch(line::isAsGoodAs)) lines.add(line);
    }

    private void printLargest(World world, List<Verdict> verdicts) {
      var episodes = new ArrayList<>(Episode.among(verdicts));
      if (episodes.isEmpty()) return;
      episodes.sort(Comparator.comparingDouble(Episode::excess).reversed());
      world.result("\nThe largest by your settings:");
      for (var episode : first(5, episodes)) {
        world.result("  %s  %s, peak %d, %.0f more than usual".formatted(episode.start().name(),
            plural(episode.hours(), "hour"), episode.peak().count(), episode.excess()));
      }
    }

    /** Whatever Stops is set to, so that one sees what it would tell. */
    private void printStops(World world) {
      var turns = new Stops(config, counts).turns(first);
      if (turns.isEmpty()) {
        world.result("\nTickets never stopped.");
        return;
      }
      var stopped = new ArrayList<String>();
      for (int i = 0; i < turns.size(); i += 2) stopped.add(turns.get(i).name());
      var newest = stopped.subList(Math.max(0, stopped.size() - 5), stopped.size());
      var words = "\nTickets stopped " + plural(stopped.size(), "time");
      if (stopped.size() > newest.size()) words += ", at last";
      words += ": " + String.join(", ", newest);
      if (!config.stops) words += " (not told: Stops = no)";
      world.result(words + ".");
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
            + line.rule.threshold + "\n[spike]\nRule = " + lower(line.rule.name.name()));
        if (line.rule.isWeekly()) world.result("Deviations = " + line.rule.deviations);
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
      first = Hour.later(last.plus(-rule.config.numHours), counts.first());
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
      if (episodes.isEmpty()) return stops() + "<p>None by these settings.</p>";
      Collections.reverse(episodes);
      var rows = new StringBuilder();
      for (var episode : episodes) {
        var peak = episode.peak();
        var cells = new StringBuilder();
        cells.append("<td>").append(episode.hours()).append("</td>");
        cells.append("<td>").append(peak.count()).append("</td>");
        cells.append("<td>").append(mean(peak.baseline().mean())).append("</td>");
        cells.append("<td>").append(rounded(episode.excess())).append("</td>");
        rows.append(row(localTime(episode.start()), cells));
      }
      return stops() + "<p>" + plural(episodes.size(), "spike")
          + " in these hours, newest first. Peak: the"
          + " tickets of its highest hour. Usual: what that hour usually holds. Extra: tickets over"
          + " the usual, of all its hours.</p>\n"
          + scrolling("spikes", "list", List.of("from", "hours", "peak", "usual", "extra"), rows);
    }

    /** When tickets stopped, and came again. */
    private String stops() {
      var turns = new Stops(rule.config, judge.counts).turns(first);
      var words = new StringBuilder();
      for (int i = 0; i < turns.size(); i += 2) {
        words.append("<p>Tickets stopped by ").append(localTime(turns.get(i).to()));
        if (i + 1 < turns.size()) {
          words.append(", and came again by ").append(localTime(turns.get(i + 1).to()));
        }
        words.append(".</p>\n");
      }
      return words.toString();
    }

    /** A table named by its heading, in a region of its own that keyboards can scroll as well. */
    private static String scrolling(String heading, String style, List<String> columns,
        StringBuilder rows) {
      var named = " aria-labelledby=\"" + heading + "\"";
      var head = new StringBuilder();
      for (var column : columns) {
        head.append("<th scope=\"col\">").append(column).append("</th>");
      }
      return "<div class=\"wide\" role=\"region\" tabindex=\"0\"" + named + ">"
          + "<table class=\"" + style + "\"" + named + "><thead><tr>" + head
          + "</tr></thead>\n<tbody>\n" + rows + "</tbody></table></div>";
    }

    private static String row(String head, StringBuilder cells) {
      return "<tr><th scope=\"row\">" + head + "</th>" + cells + "</tr>\n";
    }

    private static String mean(double tickets) {
      if (tickets < 10) return decimal(tickets);
      return rounded(tickets);
    }

    private static List<String> hoursOfDay() {
      var names = new ArrayList<>(List.of("day"));
      for (int i = 0; i < 24; i++) names.add("%02d".formatted(i));
      return names;
    }

    private String week() {
      double[][] sums = new double[7][24];
      int[][] known = new int[7][24];
      for (var verdict : verdicts.values()) {
        var local = verdict.hour().from().atZone(rule.config.zone);
        int day = local.getDayOfWeek().getValue() - 1;
        sums[day][local.getHour()] += verdict.count();
        known[day][local.getHour()]++;
      }
      var rows = new StringBuilder();
      for (int day = 0; day < 7; day++) {
        var cells = new StringBuilder();
        for (int i = 0; i < 24; i++) {
          double mean = sums[day][i] / known[day][i];
          if (known[day][i] == 0) cells.append("<td>?</td>");
          else cells.append("<td class=\"l%d\">%s</td>".formatted(level(mean), mean(mean)));
        }
        var name = DayOfWeek.of(day + 1).getDisplayName(TextStyle.FULL, Locale.ENGLISH);
        rows.append(row(name, cells));
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
      for (var hour : Hour.range(first, last.plus(1)).toList()) {
        var local = hour.from().atZone(rule.config.zone);
        var day = days.computeIfAbsent(local.toLocalDate(), date -> {
          var cells = new String[24];
          Arrays.fill(cells, "<td></td>");
          return cells;
        });
        day[local.getHour()] = cell(verdicts.get(hour));
      }
      var rows = new StringBuilder();
      days.forEach((date, day) -> {
        var name = DateTimeFormatter.ofPattern("EEE d MMM yy", Locale.ENGLISH).format(date);
        rows.append(row(name, new StringBuilder(String.join("", day))));
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
      return new Chart(Hour.later(first, last.plus(1 - 24 * LINE_DAYS))).svg();
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
          if (goesOn) line.append("L%.1f %.1f".formatted(x, y));
          else line.append("M%.1f %.1fh0".formatted(x, y)); // h0: seen even where it stands alone
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
        if (verdict instanceof Judged judged) return judged.thresholds().least();
        return 0;
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
        for (var hour : Hour.range(start, last.plus(1)).toList()) {
          if (hour.from().atZone(rule.config.zone).getHour() != 0) continue;
          days.append("<path d=\"M%.1f %.0fv6\" stroke=\"var(--soft)\"/>"
              .formatted(x(hour), BOTTOM));
          long daysLeft = (last.since(hour) + 8) / 24; // a date takes 16 hours' width
          if (daysLeft == 0) continue;
          var odd = "";
          if (daysLeft % 2 == 1) odd = " class=\"odd\"";
          days.append("<text x=\"%.1f\" y=\"%.0f\"%s>%s</text>\n".formatted(x(hour), HEIGHT - 8,
              odd, at(hour.from(), rule.config.zone, "EEE d")));
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
   * counted, which has happened for hours on end. A span that cannot be read is set aside: the
   * others come first, then its halves.
   */
  static final class Backfill {
    private static final int CHECKED = 24; // hours before the judged one, each run
    private static final int SEEN = 20; // tickets of a day that do not vanish all at once
    private static final long MOST_EXPORTED = 50_000; // tickets, since a cursor lives an hour
    private static final int MANY = 1000; // tickets an hour, from which counting hours is cheaper
    private static final int EXPORT_FAILURES = 3; // then this run exports no more
    private static final int SUSPICIOUS = 3; // failures in a row: is Zendesk down?
    private static final int HOPELESS = 100; // failures in a row: the rest is for the next run
    private static final int SLICE = 10_000; // tickets whose tags are read at once
    private static final int SAVED_EVERY = 24; // hours that a kill may lose
    private static final Duration HURRY = Duration.ofSeconds(60);
    private static final Duration LONGEST = Duration.ofMinutes(45);

    private final Zendesk zendesk;
    private final History history;
    private final TagHistory tags;
    private final Runnable save;
    private final World world;
    private final boolean keepsTags;
    private final long start;
    private final Deque<Span> aside = new ArrayDeque<>();
    private Patience patience;
    private boolean isHurried; // each request once, and a minute in all
    private Hour last;
    private Hour checked; // from here on the time before the last hour is checked
    private Progress progress;
    private boolean isChecked;
    private boolean isCheckedInParts; // since the whole could not be counted
    private boolean hasLostSight;
    private boolean hasStopped;
    private Fault down; // why Zendesk gives nothing, or null
    private int unreadable; // hours that Zendesk does not give
    private long done; // hours, for the progress
    private int unsaved;
    private int failuresInARow;
    private int exportFailures;
    private int pageSize = Zendesk.PAGE;

    /**
     * @param keepsTags whether the tags of the last weeks are wanted too
     * @param save      stores the history; does nothing in a dry run
     */
    Backfill(Zendesk zendesk, History history, TagHistory tags, boolean keepsTags, Runnable save,
        World world) {
      this.zendesk = zendesk;
      this.history = history;
      this.tags = tags;
      this.save = save;
      this.world = world;
      this.keepsTags = keepsTags;
      this.start = world.ticker.nanos();
    }

    /**
     * Checks the day before the hour and the time that runs missed: each request once, a minute in
     * all. @return whether all of it is true now
     */
    boolean checkInAHurry(Hour last) {
      this.last = last;
      checked = firstChecked();
      progress = new Progress("hours", 1, world);
      patience = Patience.once(world, HURRY);
      isHurried = true;
      isChecked = !history.knownBefore(last, 1).isEmpty() && check();
      return isChecked;
    }

    /** A day before the hour, a day before what was judged last, and the last day that is known. */
    private Hour firstChecked() {
      var first = last.plus(-CHECKED);
      var judged = history.takenUp();
      boolean isMissed = judged != null && judged.isBefore(last);
      if (isMissed) first = Hour.earlier(first, judged.plus(1 - CHECKED));
      var known = history.knownBefore(last, CHECKED);
      if (!known.isEmpty()) first = Hour.earlier(first, known.get(known.size() - 1));
      return first;
    }

    private boolean check() {
      var span = new Span(checked, last);
      long seen = 0;
      for (var hour : history.knownBefore(last, CHECKED)) seen += history.at(hour);
      Long total = counted(span);
      isCheckedInParts = total == null;
      if (total == null) {
        aside.add(span);
        return false;
      }
      if (total == 0 && seen >= SEEN) {
        loseSight(seen);
        return false;
      }
      makeTrue(span, total);
      return aside.isEmpty() && !isOver();
    }

    private void loseSight(long seen) {
      hasLostSight = true;
      hasStopped = true;
      var what = "every count before " + last + " is 0";
      var stored = "nothing of it is stored";
      if (history.at(last) == 0) {
        history.forget(last);
        what = "every count is 0";
        stored = "nothing is stored";
      }
      world.warn("[zendesk] " + what + ", though the last " + CHECKED + " known hours held "
          + plural(seen, "ticket") + ": not believed, " + stored + " (the client may have "
          + "lost its sight: check its user's role; if they were deleted, empty those cells)");
    }

    boolean hasLostSight() {
      return hasLostSight;
    }

    /** Whether a patient pass has something to do. */
    boolean leavesSomething(int numHours) {
      if (hasLostSight) return false;
      return !isChecked || unknown(numHours) > 0 || !hoursWithoutTags().isEmpty();
    }

    /** Whether the past could not be read to its end. */
    boolean leavesHours() {
      return hasStopped || unreadable > 0;
    }

    boolean isDown() {
      return down != null;
    }

    Exit exit() {
      return down.exit;
    }

    int unknown(int numHours) {
      return (int) Hour.range(last.plus(-numHours), last).filter(hour -> !history.knows(hour))
          .count();
    }

    /**
     * Reads what is unknown, with all tries, for 45 minutes at the most.
     *
     * @return whether the checked time is true now, but for hours that Zendesk does not give
     */
    boolean fill(int numHours) {
      aside.clear();
      hasStopped = false;
      patience = Patience.USUAL;
      isHurried = false;
      int unknown = unknown(numHours);
      progress = new Progress("hours", unknown, world);
      if (unknown > 0) {
        world.info("filling %s of the %d before %s from Zendesk"
            .formatted(plural(unknown, "unknown hour"), numHours, last.name()));
      }
      if (!isChecked && !history.knownBefore(last, 1).isEmpty()) check();
      if (hasLostSight) return false;
      for (var gap : gaps(last.plus(-numHours), last)) reconcile(gap);
      while (!aside.isEmpty() && !isOver()) takeUp(aside.poll());
      isChecked = isChecked || !isOver();
      if (!isOver()) readTags();
      if (unsaved > 0) save();
      return isChecked;
    }

    private void takeUp(Span span) {
      if (span.hours() > 1) {
        reconcileHalves(span);
        return;
      }
      unreadable++;
      world.detail(span.from + " stays unknown: Zendesk does not give it");
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

      List<Hour> newestFirst() {
        var hours = new ArrayList<>(each().toList());
        Collections.reverse(hours);
        return hours;
      }

      Span newerHalf() {
        return new Span(from.plus(hours() / 2), to);
      }

      Span olderHalf() {
        return new Span(from, from.plus(hours() / 2));
      }
    }

    /** The unknown hours as spans, the newest first. */
    private List<Span> gaps(Hour first, Hour end) {
      return spans(first, end, hour -> !history.knows(hour));
    }

    private static List<Span> spans(Hour first, Hour end, Predicate<Hour> isWanted) {
      var spans = new ArrayList<Span>();
      var to = end;
      while (first.isBefore(to)) {
        var from = to;
        while (first.isBefore(from) && isWanted.test(from.plus(-1))) from = from.plus(-1);
        if (from.isBefore(to)) spans.add(new Span(from, to));
        if (from.equals(to)) to = to.plus(-1);
        else to = from;
      }
      return spans;
    }

    /** @return how many tickets the span holds, or null when that could not be read */
    private Long reconcile(Span span) {
      if (isOver()) return null;
      var total = counted(span);
      if (total == null) aside.add(span);
      else makeTrue(span, total);
      return total;
    }

    private void makeTrue(Span span, long total) {
      long seen = span.each().filter(history::knows).mapToLong(history::at).sum();
      if (total == 0 && seen >= SEEN && isCheckedInParts) {
        loseSight(seen);
        return;
      }
      if (isTrue(span, total)) {
        world.detail("%s to %s: as stored".formatted(span.from, span.to));
        return;
      }
      boolean isBusy = total > MANY * span.hours();
      if (span.hours() == 1) {
        store(span.from, total);
        if (unsaved >= SAVED_EVERY) save();
        progress.show(done);
      } else if (isExportCheaper(span, total)) {
        if (!export(span, total)) reconcileHalves(span);
      } else if (isBusy || isExportBroken() && hasUnknown(span)) {
        countEach(span); // each hour has to be counted anyway
      } else {
        halve(span, total);
      }
    }

    /** Null when Zendesk cannot say, as has been seen of single hours. */
    private Long counted(Span span) {
      var patience = this.patience;
      if (failuresInARow > 0) patience = patience.withTries(Math.min(2, patience.tries()));
      try {
        long total = zendesk.count(span.from, span.to, patience);
        failuresInARow = 0;
        return total;
      } catch (Fault e) {
        boolean isExpected = e.exit == Exit.ZENDESK || e.exit == Exit.DENIED;
        if (!isExpected) throw e;
        failuresInARow++;
        world.detail(e.getMessage());
        if (!isHurried && failuresInARow % SUSPICIOUS == 0) findOutWhoIsAtFault();
        return null;
      }
    }

    /** The hour that has just been counted is asked for again: does Zendesk still answer? */
    private void findOutWhoIsAtFault() {
      try {
        zendesk.count(last, last.plus(1), Patience.USUAL);
      } catch (Fault e) {
        down = e;
        hasStopped = true;
        world.warn(e.getMessage());
      }
    }

    /** Of a span that was counted: its older half holds what the newer one leaves. */
    private void halve(Span span, long total) {
      var newer = reconcile(span.newerHalf());
      boolean isDerived = newer != null && newer < total && span.olderHalf().hours() > 1;
      if (!isDerived) reconcile(span.olderHalf());
      else if (!isOver()) makeTrue(span.olderHalf(), total - newer);
    }

    /** Of a span that could not be counted, or whose total an export has put in doubt. */
    private void reconcileHalves(Span span) {
      reconcile(span.newerHalf());
      reconcile(span.olderHalf());
    }

    private void countEach(Span span) {
      for (var hour : span.newestFirst()) {
        reconcile(new Span(hour, hour.plus(1)));
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
      var hours = exported(span, total);
      if (hasStopped) return true; // what was read is lost, the next run reads it again
      long read = 0;
      for (var hour : hours.values()) read += hour.tickets;
      if (read != total) {
        exportFailures++;
        pageSize = Zendesk.SMALL_PAGE;
        world.detail("export gave %d of %d tickets of %s to %s: other ways are tried".formatted(
            read, total, span.from, span.to));
        return false;
      }
      for (var hour : span.newestFirst()) {
        var exported = hours.getOrDefault(hour, new Exported());
        store(hour, exported.tickets);
        boolean isWanted = keepsTags && last.since(hour) < 24 * TagHistory.DAYS;
        if (isWanted && !tags.knows(hour)) exported.putInto(tags, hour);
      }
      save();
      return true;
    }

    /** The tickets of the span, hour by hour, as far as an export brings them. */
    private Map<Hour, Exported> exported(Span span, long total) {
      var hours = new HashMap<Hour, Exported>();
      var seen = new HashSet<Long>();
      try {
        var pages = zendesk.export(span.from, span.to, pageSize, patience);
        while (total > 0 && pages.hasNext() && seen.size() <= total) {
          int before = seen.size();
          for (var ticket : pages.next()) {
            boolean isNew = ticket.isWithin(span.from.from(), span.to.from())
                && seen.add(ticket.id());
            if (!isNew) continue;
            hours.computeIfAbsent(Hour.of(ticket.created()), hour -> new Exported()).add(ticket);
          }
          progress.show(done + (long) (span.hours() * (double) seen.size() / total));
          boolean isEndless = seen.size() == before;
          if (isEndless || isOver()) return hours;
        }
      } catch (Fault e) {
        world.detail(e.getMessage());
      }
      return hours;
    }

    /** The tickets of an hour, and how many of them carry each tag. */
    private static final class Exported {
      private final Map<String, Long> counts = new HashMap<>();
      private long tickets;

      void add(Ticket ticket) {
        tickets++;
        for (var tag : ticket.distinctTags()) counts.merge(tag, 1L, Long::sum);
      }

      void putInto(TagHistory tags, Hour hour) {
        if (tickets <= TagHistory.MOST_TICKETS) tags.put(hour, tickets, counts);
      }
    }

    private List<Span> hoursWithoutTags() {
      if (!keepsTags) return List.of();
      return spans(last.plus(1 - 24 * TagHistory.DAYS), last.plus(1), hour -> history.knows(hour)
          && !tags.knows(hour) && history.at(hour) <= MANY);
    }

    /** After an upgrade, or where only the count was read. Never in the way of anything. */
    private void readTags() {
      int failures = 0;
      var gaps = hoursWithoutTags();
      long hours = gaps.stream().mapToLong(Span::hours).sum();
      progress = new Progress("hours of tags", hours, world);
      done = 0;
      for (var gap : gaps) {
        for (var span : slices(gap)) {
          if (isOver() || failures >= EXPORT_FAILURES) return;
          if (!readTags(span)) failures++;
        }
      }
    }

    /** Spans of so many tickets as a few pages hold, the newest first. */
    private List<Span> slices(Span gap) {
      var slices = new ArrayList<Span>();
      var to = gap.to;
      long tickets = 0;
      for (var hour : gap.newestFirst()) {
        tickets += history.at(hour);
        boolean isFull = tickets >= SLICE || hour.equals(gap.from);
        if (!isFull) continue;
        slices.add(new Span(hour, to));
        to = hour;
        tickets = 0;
      }
      return slices;
    }

    /** What was deleted since it was counted is missing, which a tag's odds do not mind. */
    private boolean readTags(Span span) {
      long total = span.each().mapToLong(history::at).sum();
      var hours = exported(span, total);
      long read = 0;
      for (var hour : hours.values()) read += hour.tickets;
      boolean isMostlyThere = read * 10 >= total * 9;
      if (!isMostlyThere) pageSize = Zendesk.SMALL_PAGE; // big pages may be too slow for Zendesk
      if (hasStopped || !isMostlyThere) return false;
      span.each().forEach(hour -> hours.getOrDefault(hour, new Exported()).putInto(tags, hour));
      done += span.hours();
      unsaved++;
      return true;
    }

    /** A changed hour is judged again, and the one after it, which is judged together with it. */
    private void store(Hour hour, long count) {
      var before = history.at(hour);
      if (before != null && before == count) return;
      history.put(hour, count);
      if (before == null) {
        done++;
      } else {
        world.info("%s: counted again, %s instead of %d".formatted(hour, plural(count, "ticket"),
            before));
        boolean isMuchMore = count * 5 > before * 6;
        if (isMuchMore) tags.forget(hour); // its tags are read again, too
      }
      recheck(hour);
      recheck(hour.plus(1));
      unsaved++;
    }

    private void recheck(Hour hour) {
      boolean wasPassed = history.takenUp() != null && !history.takenUp().isBefore(hour)
          && !history.isBeforeMonitoring(hour);
      if (wasPassed && history.takenUp().since(hour) < Hour.NEWS) history.judgeLater(hour);
    }

    /**
     * Whether the time is up, or Zendesk gives no answers: then nothing more is read, which is said
     * once, and the run judges what it has.
     */
    private boolean isOver() {
      if (hasStopped) return true;
      long minutes = TimeUnit.NANOSECONDS.toMinutes(world.ticker.nanos() - start);
      if (isHurried) {
        hasStopped = patience.isOver(world);
      } else if (minutes >= LONGEST.toMinutes()) {
        hasStopped = true;
        world.warn("reading past hours took %d minutes; the next run goes on".formatted(minutes));
      } else if (failuresInARow >= HOPELESS) {
        hasStopped = true;
        world.warn("Zendesk gives no counts of past hours; the next run goes on");
      }
      return hasStopped;
    }
  }

  // ==== Delivery: did each receiver get the notice, once ========================================

  /**
   * Sends what waits in the ledger. A notice is stored before it goes out, and each answer is noted
   * before anything else is done, so a kill loses none and sends none twice, but for the instant
   * between a server's yes and the note of it.
   */
  static final class Delivery {
    private static final int UNSPACED = 3; // tries in as many runs; then after 1, 2, 4, ... hours
    private static final int TRIES = 10;

    private final Config config;
    private final World world;
    private final Ledger ledger;
    private final boolean isDryRun;
    private final boolean json;
    private final List<Receiver> receivers = new ArrayList<>();
    private final Set<String> silent = new HashSet<>(); // places that this run asks no more
    private final Set<String> asked = new HashSet<>(); // file and receiver, once a run
    private final Mailer mailer;
    /** How deliveries went: empty when everybody was told who should be. */
    final Set<Exit> exits = EnumSet.noneOf(Exit.class);

    /** @param json how a dry run prints */
    Delivery(Config config, World world, Ledger ledger, boolean isDryRun, boolean json) {
      this.config = config;
      this.world = world;
      this.ledger = ledger;
      this.isDryRun = isDryRun;
      this.json = json;
      this.mailer = new Mailer(config, world);
      for (var chat : config.chats) receivers.add(new Webhook(chat, world));
      for (var address : config.mailReceivers()) receivers.add(mailer.to(address));
      requireMailSecret();
    }

    /** Each run, so that it is known before there is a mail to send. */
    private void requireMailSecret() {
      if (config.mailReceivers().isEmpty() || !config.hasMailSignIn()) return;
      try {
        config.mailSecret().text();
      } catch (Fault e) {
        world.warn(e.getMessage());
        exits.add(e.exit);
        silent.add(mailer.place());
      }
    }

    /**
     * Sends what is due of what waits, this hour's notice first, each to chats before mail, and
     * last to who gave no answer yet.
     */
    void send(List<FiledNotice> waiting) {
      passBy(waiting);
      for (var entry : waiting) {
        if (isDryRun) print(entry);
        else tellReceivers(entry);
      }
      mailer.close();
      for (var entry : waiting) settle(entry);
    }

    /** Each receiver gets the newest notice of an episode; what is older than that is history. */
    private void passBy(List<FiledNotice> waiting) {
      for (var entry : waiting) {
        var notice = ledger.read(entry);
        boolean isPassed = false;
        for (var receiver : unanswered(notice)) {
          var newer = newer(entry, receiver.name());
          if (newer == null) continue;
          notice.passBy(receiver.name(), newer);
          isPassed = true;
        }
        if (isPassed) saveOrWarn(entry);
      }
    }

    private boolean saveOrWarn(FiledNotice entry) {
      try {
        ledger.save(entry);
        return true;
      } catch (Fault e) {
        exits.add(Exit.HISTORY);
        world.warn(e.getMessage());
        return false;
      }
    }

    /** The newest notice of the episode that the receiver has, or will get; null for none. */
    private Notice newer(FiledNotice entry, String receiver) {
      Notice newest = null;
      for (var other : ledger.episode(ledger.read(entry))) {
        boolean isAfter = FiledNotice.ORDER.compare(entry, other) < 0;
        var notice = ledger.read(other);
        boolean waits = other.isWaiting() && !notice.isAnswered(receiver);
        if (isAfter && (waits || notice.accepted.containsKey(receiver))) newest = notice;
      }
      return newest;
    }

    private void tellReceivers(FiledNotice entry) {
      var notice = ledger.read(entry);
      for (var receiver : inTurn(notice)) {
        if (silent.contains(receiver.place()) || !isDue(notice, receiver)) continue;
        if (!entry.isOfThisRun && !ledger.isWritten()) continue;
        if (!asked.add(entry.fileName + " " + receiver.name())) continue;
        tell(entry, receiver);
        if (!saveOrWarn(entry)) ledger.keepInMemory();
      }
    }

    /**
     * Last come those that gave no answer in this episode, or to what waits: a few of them end the
     * mail of a run, for which nobody else is to wait each time.
     */
    private List<Receiver> inTurn(Notice notice) {
      var inTurn = new ArrayList<Receiver>();
      var last = new ArrayList<Receiver>();
      for (var receiver : unanswered(notice)) {
        if (wasTried(receiver, notice)) last.add(receiver);
        else inTurn.add(receiver);
      }
      inTurn.addAll(last);
      return inTurn;
    }

    private boolean wasTried(Receiver receiver, Notice notice) {
      var entries = ledger.episode(notice);
      entries.addAll(ledger.waiting());
      for (var entry : entries) {
        if (ledger.read(entry).tries.containsKey(receiver.name())) return true;
      }
      return false;
    }

    private void tell(FiledNotice entry, Receiver receiver) {
      var notice = ledger.read(entry);
      try {
        var outcome = receiver.send(notice, notice.wordsAt(world.now(), config.zone));
        if (outcome.asksNoMore) silent.add(receiver.place());
        record(entry, receiver, outcome);
      } catch (Fault e) {
        silent.add(receiver.place());
        exits.add(e.exit);
        world.warn(e.getMessage());
      } catch (RuntimeException e) { // a bug, but none that silences the other receivers
        silent.add(receiver.place());
        exits.add(Exit.BUG);
        world.report(e);
      }
    }

    private void record(FiledNotice entry, Receiver receiver, Outcome outcome) {
      var notice = ledger.read(entry);
      var name = receiver.name();
      var about = receiver.place();
      if (name.contains("@")) about += ": " + name;
      if (outcome.fate == Fate.ACCEPTED) {
        notice.accept(name, world.now());
        for (var other : ledger.waiting()) ledger.read(other).makeDue(name);
        return;
      }
      if (outcome.fate == Fate.NO_SIGN_IN) exits.add(Exit.DENIED);
      else exits.add(Exit.TRY_LATER);
      if (outcome.fate == Fate.UNCONFIRMED) notice.countTry(name, Hour.of(world.now()));
      if (outcome.fate == Fate.NO_ANSWER) notice.noteSilence(name, Hour.of(world.now()));
      boolean isUsedUp = notice.tries(name) >= TRIES;
      if (outcome.fate == Fate.REFUSED || isUsedUp) {
        var why = outcome.words;
        if (isUsedUp) why = "no yes in " + TRIES + " tries, at last: " + why;
        notice.refuse(name, why);
        world.warn(about + " refuses " + entry.fileName + ": " + why);
      } else {
        world.warn(about + " did not take " + entry.fileName + ": " + outcome.words);
      }
    }

    private boolean isDue(Notice notice, Receiver receiver) {
      var tried = notice.tries.get(receiver.name());
      if (tried == null || tried.count() < UNSPACED || tried.last() == null) return true;
      long hours = Hour.of(world.now()).since(tried.last());
      return hours >= 1L << (tried.count() - UNSPACED) || hours < 0;
    }

    /** Who, by the config of now, has not answered yet. */
    private List<Receiver> unanswered(Notice notice) {
      var unanswered = new ArrayList<Receiver>();
      for (var receiver : receivers) {
        if (!notice.isAnswered(receiver.name())) unanswered.add(receiver);
      }
      return unanswered;
    }

    /** Moves a notice that everybody has answered out of the outbox. */
    private void settle(FiledNotice entry) {
      var notice = ledger.read(entry);
      if (!unanswered(notice).isEmpty()) return;
      if (notice.isTold()) move(entry, Place.SENT);
      else move(entry, Place.REFUSED);
    }

    /** At the end of a run. */
    void sayWhatWaits(List<FiledNotice> waiting) {
      for (var entry : waiting) {
        var left = new ArrayList<String>();
        for (var receiver : unanswered(ledger.read(entry))) left.add(receiver.name());
        exits.add(Exit.TRY_LATER);
        world.warn(entry.fileName + " waits in the outbox for " + left);
      }
    }

    private void move(FiledNotice entry, Place place) {
      try {
        ledger.move(entry, place);
      } catch (Fault e) {
        exits.add(Exit.HISTORY);
        world.warn(e.getMessage());
      }
    }

    /** In a dry run: what would be told, once, as if everybody had accepted it. */
    private void print(FiledNotice entry) {
      var notice = ledger.read(entry);
      var left = unanswered(notice);
      if (left.isEmpty()) return;
      var words = notice.wordsAt(world.now(), config.zone);
      if (json) world.result(Payload.of(notice, words, Format.JSON));
      else world.result("Subject: " + notice.subject() + "\n\n" + words.text());
      for (var receiver : left) notice.accept(receiver.name(), world.now());
    }

    /** Gives up what nobody has taken for a week, and lays aside what is no notice. */
    void tidyUp() {
      for (var file : ledger.layRubbishAside(world.now())) {
        exits.add(Exit.TRY_LATER);
        world.warn(Disk.shown(file) + ": is no notice of this edition (moved to "
            + Disk.shown(ledger.folder(Place.REFUSED)) + ")");
      }
      for (var entry : ledger.waiting()) {
        boolean isNews = Hour.of(world.now()).since(entry.hour) <= Hour.NEWS + 1;
        if (!isNews) giveUp(entry);
      }
      ledger.prune(world.now());
    }

    private void giveUp(FiledNotice entry) {
      exits.add(Exit.TRY_LATER);
      var place = Place.REFUSED;
      if (ledger.read(entry).isHeard()) place = Place.SENT;
      move(entry, place);
      world.warn(entry.fileName + " is older than a week and given up, see "
          + Disk.shown(ledger.folder(place)));
    }
  }

  // ==== Mail: how does a notice get to a mail address ===========================================

  /** The mail of a notice, and its way to the SMTP server: a transaction for each receiver. */
  static final class Mailer {
    private static final int MOST_BROKEN = 5; // conversations of a run that broke off
    private static final int MOST_SILENT = 2; // of them those that went silent, which takes time

    private final Config config;
    private final World world;
    private final Http http;
    private Smtp open; // the conversation that goes on, or null
    private int broken;
    private int silent;

    Mailer(Config config, World world) {
      this.config = config;
      this.world = world;
      this.http = new Http(world, Pace.free());
    }

    Receiver to(String address) {
      return new Receiver() {
        @Override
        public String name() {
          return address;
        }

        @Override
        public String place() {
          return Mailer.this.place();
        }

        @Override
        public Outcome send(Notice notice, Words words) {
          return Mailer.this.send(notice, words, address);
        }
      };
    }

    String place() {
      return "[email] " + config.mailHost;
    }

    /** A server may take few mails a connection: where it ends the one in use, a new one serves. */
    private Outcome send(Notice notice, Words words, String address) {
      boolean isReused = open != null;
      var outcome = sendOnce(notice, words, address);
      boolean isEnded = open == null || outcome.words().startsWith("421");
      boolean isUnsent = Set.of(Fate.PUT_OFF, Fate.NO_ANSWER).contains(outcome.fate());
      if (!isReused || !isEnded || !isUnsent) return outcome;
      close();
      return sendOnce(notice, words, address);
    }

    private Outcome sendOnce(Notice notice, Words words, String address) {
      var smtp = conversation(); // whose stage and reply begin anew with MAIL
      try {
        smtp.sendMessage(message(notice, words), new Address[] {new InternetAddress(address)});
      } catch (MessagingException e) {
        boolean hasReply = smtp.reply != null;
        if (!hasReply) {
          close();
          return unanswered(smtp, e);
        }
      }
      return outcome(smtp.stage, smtp.reply);
    }

    /**
     * A conversation that broke off, or went silent, before the reply to its last command. It may
     * be about that receiver alone, so the next one is asked all the same, in a new conversation.
     */
    private Outcome unanswered(Smtp smtp, MessagingException e) {
      boolean isSilent = hasCause(e, SocketTimeoutException.class);
      broken++;
      if (isSilent) silent++;
      boolean isHopeless = broken >= MOST_BROKEN || silent >= MOST_SILENT;
      var fate = Fate.NO_ANSWER;
      if (smtp.stage.equals(".")) fate = Fate.UNCONFIRMED;
      return new Outcome(fate, reason(e), isHopeless);
    }

    /**
     * Final is only what is the receiver's own, a 5yz to RCPT: what is said of sender, text, relay,
     * policy (5.7.x) or a limit of the day (5.4.5, Gmail) may be mended. Servers say at RCPT what
     * they have against the sender, too.
     */
    private Outcome outcome(String stage, Reply reply) {
      if (reply.code == 530) {
        return new Outcome(Fate.NO_SIGN_IN, reply.words
            + " (set Password, or TokenUrl and its client)");
      }
      if (stage.equals(".") && reply.isYes()) return new Outcome(Fate.ACCEPTED, reply.words);
      boolean isOfSender = stage.equals("MAIL")
          || reply.words.matches("(?i).*(\\b5\\.1\\.[78]\\b"
              + "|(sender address|sender|client host|helo command) rejected).*");
      var words = reply.words;
      if (isOfSender && reply.isFinalNo()) words += " (check Sender)";
      boolean isFinal = stage.equals("RCPT") && reply.isFinalNo() && !isOfSender
          && isOfMailbox(reply.words);
      if (isFinal) return new Outcome(Fate.REFUSED, words);
      boolean isOfText = stage.equals(".") && reply.isFinalNo(); // so that it is not tried for ever
      if (isOfText) return new Outcome(Fate.UNCONFIRMED, words);
      return new Outcome(Fate.PUT_OFF, words);
    }

    /** Whether a 5yz to RCPT is, by its enhanced code (RFC 3463), or else by its words. */
    private static boolean isOfMailbox(String words) {
      boolean hasCode = words.matches(".*\\b5\\.\\d+\\.\\d+\\b.*");
      if (hasCode) return !words.matches(".*\\b5\\.(1\\.[78]|3\\.\\d+|4\\.5|7\\.\\d+)\\b.*");
      var withoutAddresses = words.replaceAll("\\S*@\\S*", "");
      return !withoutAddresses.matches("(?i).*(relay|blocked|block ?list|blacklist|spam|policy"
          + "|authenticat).*");
    }

    /** Whatever happens to QUIT, what was accepted stays so. */
    void close() {
      if (open == null) return;
      try {
        open.close();
      } catch (MessagingException e) {
        world.detail("[email] " + server() + ": " + reason(e));
      }
      open = null;
    }

    /** Asks the server about every receiver, without sending. @return what was seen */
    String check() {
      var smtp = conversation();
      ask(smtp, "MAIL FROM", config.sender.getAddress());
      for (var receiver : config.mailReceivers()) ask(smtp, "RCPT TO", receiver);
      close();
      var signIn = "without a sign-in";
      if (config.hasMailSignIn()) {
        signIn = "signed in as " + config.username + " (offered: " + world.sanitize(smtp.offered())
            + ")";
      }
      return server() + ", Security " + lower(config.security.name()) + ", " + signIn
          + ", takes mail for "
          + String.join(", ", config.mailReceivers());
    }

    private void ask(Smtp smtp, String command, String address) {
      try {
        smtp.simpleCommand(command + ":<" + address + ">");
      } catch (MessagingException e) {
        close();
        throw fault(e);
      }
      if (smtp.reply.isYes()) return;
      close();
      var exit = Exit.TRY_LATER;
      if (smtp.reply.code == 530) exit = Exit.DENIED;
      var verb = "is not taken now";
      if (smtp.reply.isFinalNo()) verb = "is refused";
      throw exit.fault("[email] %s: %s %s: %s", server(), address, verb, smtp.reply.words);
    }

    /** The open conversation, or a new one. */
    private Smtp conversation() {
      if (open != null && open.isConnected()) return open;
      var password = password();
      if (password != null) { // as servers may echo it, by PLAIN and by XOAUTH2
        var plain = "\0" + config.username + "\0" + password;
        world.secrets.add(Secrets.base64(plain));
        world.secrets.add(Secrets.base64(config.username + plain)); // angus-mail's
        world.secrets.add(Secrets.base64("user=" + config.username + "\1auth=Bearer " + password
            + "\1\1"));
      }
      try {
        var smtp = new Smtp(config, world, password);
        smtp.connect();
        open = smtp;
        if (password == null || !smtp.offered().isEmpty()) return smtp;
      } catch (AuthenticationFailedException e) {
        throw signInFault(e);
      } catch (MessagingException | IOException e) {
        throw fault(e);
      }
      close();
      throw Exit.DENIED.fault("[email] %s offers no sign-in (check Host, Port and Security; "
          + "without a sign-in leave Password out)", server());
    }

    private Fault fault(Exception e) {
      return Exit.TRY_LATER.fault(e, "[email] %s: %s%s", server(), reason(e), hint(e));
    }

    /** A connection that breaks during the sign-in comes as a refusal too, but without a reply. */
    private Fault signInFault(AuthenticationFailedException e) {
      var words = world.sanitize(Objects.requireNonNullElse(e.getMessage(), ""));
      if (words.startsWith("No authentication mechanisms")) {
        return Exit.DENIED.fault(e, "[email] %s offers no sign-in that is known here (expected "
            + "LOGIN, PLAIN or DIGEST-MD5; XOAUTH2 with TokenUrl)", server());
      }
      if (words.matches("4\\d\\d.*")) {
        return Exit.TRY_LATER.fault(e, "[email] %s takes no sign-in now: %s", server(), words);
      }
      if (!words.matches("5\\d\\d.*")) {
        return Exit.TRY_LATER.fault(e, "[email] %s takes no sign-in now: the connection broke",
            server());
      }
      var advice = "check Username and Password; Gmail wants an app password, Microsoft 365 "
          + "TokenUrl and its client";
      if (config.tokenUrl != null) {
        advice = "check Username, Scope, and that the client may use that mailbox, see README.md";
      }
      return Exit.DENIED.fault(e, "[email] %s refuses the sign-in of %s: %s (%s)", server(),
          config.username, words, advice);
    }

    private String reason(Exception e) {
      if (hasCause(e, UnknownHostException.class)) return "no such host";
      if (hasCause(e, ConnectException.class)) return "no connection";
      var words = new LinkedHashSet<String>();
      for (Throwable cause = e; cause != null; cause = cause.getCause()) {
        var message = cause.getMessage();
        boolean isOwnText = message != null && !message.contains("Exception");
        if (isOwnText && words.stream().noneMatch(word -> word.contains(message))) {
          words.add(message);
        }
      }
      if (words.isEmpty()) return "the connection broke";
      return world.sanitize(String.join(": ", words));
    }

    private String hint(Exception e) {
      if (hasCause(e, CertificateException.class)) {
        return " (its certificate is not trusted: check Host; for an authority of your own set "
            + "SSL_CERT_FILE)";
      }
      if (hasCause(e, UnknownHostException.class)) return "";
      if (hasCause(e, ConnectException.class)) return " (check Host and Port)";
      if (String.valueOf(e.getMessage()).startsWith("STARTTLS is required")) {
        return " (check Host, Port and Security; none is for this machine only)";
      }
      boolean isTls = config.security == Security.TLS;
      if (isTls && config.mailPort != 465) return " (Port 587 and 25 want Security = starttls)";
      if (!isTls && config.mailPort == 465) return " (Port 465 wants Security = tls)";
      boolean isSilent = hasCause(e, SocketTimeoutException.class);
      if (isSilent && !isTls) return " (a server that says nothing may want Security = tls)";
      return "";
    }

    String server() {
      return config.mailHost + ":" + config.mailPort;
    }

    /** The password, or the OAuth token that takes its place; null for no sign-in. */
    private String password() {
      if (!config.hasMailSignIn()) return null;
      var secret = config.mailSecret().text();
      if (config.tokenUrl == null) return secret;
      try {
        return http.token(config.tokenUrl, config.mailClient, config.scope, "[email] TokenUrl",
            Patience.USUAL).access_token();
      } catch (PermanentFailure e) {
        throw Exit.TRY_LATER.fault(e, "[email] TokenUrl %s %s (no tokens are at that address)",
            Http.server(config.tokenUrl), e.getMessage());
      } catch (Fault e) {
        if (e.exit == Exit.DENIED) throw e;
        throw Exit.TRY_LATER.fault(e, "%s", e.getMessage()); // not Zendesk's, though asked alike
      }
    }

    /** The whole message. Made of the notice alone but for sender, receivers and date. */
    MimeMessage message(Notice notice, Words words) {
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
        message.setSubject(clean(notice.subject()), "UTF-8");
        message.setSentDate(Date.from(world.now()));
        message.setHeader("Auto-Submitted", "auto-generated"); // RFC 3834: no out-of-office answers
        message.setHeader("X-Auto-Response-Suppress", "All"); // the same for Exchange
        message.setHeader("List-Id", "<spike-notifier." + topic.account + ">");
        setThread(message, notice);
        var text = new MimeBodyPart();
        text.setText(words.text(), "UTF-8");
        var html = new MimeBodyPart();
        html.setText(words.html(), "UTF-8", "html");
        message.setContent(new MimeMultipart("alternative", text, html));
        message.saveChanges();
        return message;
      } catch (MessagingException e) {
        throw new IllegalStateException(e);
      }
    }

    /** One root that all mails name, since some servers replace the Message-ID of the first. */
    private static void setThread(MimeMessage message, Notice notice) throws MessagingException {
      var topic = notice.topic;
      var opening = topic.kind.opening();
      if (opening != Kind.SPIKE && opening != Kind.STOP) return;
      var suffix = "-silence";
      if (opening == Kind.SPIKE) suffix = "-episode";
      var root = id(topic.start.name() + suffix, topic);
      if (notice.isFirst()) {
        message.setHeader("References", root);
        return;
      }
      var first = id(topic.start.name() + "-" + opening.word(), topic);
      message.setHeader("In-Reply-To", first);
      message.setHeader("References", root + "\r\n " + first);
    }

    /** Made of the topic alone, so that a mail sent twice around a crash is known as the same. */
    private static String id(String name, Topic topic) {
      var scope = "";
      if (!topic.query.isEmpty()) scope = "." + Integer.toHexString(topic.query.hashCode());
      if (topic.kind == Kind.SAMPLE) scope += "." + UUID.randomUUID();
      return "<" + name + scope + "@spike-notifier." + topic.account + ">";
    }
  }

  /** One conversation with the SMTP server: knows its latest reply, and bounds each. */
  static final class Smtp extends SMTPTransport {
    private static final Duration CONNECT = Duration.ofSeconds(30);
    private static final Duration REPLY_TO_TEXT = Duration.ofMinutes(10); // RFC 5321, 4.5.3.2.6

    private final Config config;
    private final World world;
    private final BoundedSocket socket;
    private String stage = "";  // the latest command of a transaction: MAIL, RCPT, DATA or "."
    private Reply reply;        // to it, or null while there is none
    private boolean isOfTransaction;
    private boolean isToken;

    Smtp(Config config, World world, String password) throws IOException {
      super(Session.getInstance(settings(config, world)), address(config, password));
      this.config = config;
      this.world = world;
      this.socket = new BoundedSocket(world.timeout);
      if (config.ehloName.isEmpty()) setLocalHost(world.ehloName());
      else setLocalHost(config.ehloName);
    }

    private static URLName address(Config config, String password) {
      String user = null;
      if (password != null) user = config.username;
      return new URLName("smtp", config.mailHost, config.mailPort, null, user, password);
    }

    private static Properties settings(Config config, World world) {
      boolean starttls = config.security == Security.STARTTLS;
      var settings = new Properties();
      settings.put("mail.smtp.starttls.enable", String.valueOf(starttls));
      settings.put("mail.smtp.starttls.required", String.valueOf(starttls));
      settings.put("mail.smtp.ssl.checkserveridentity", "true");
      settings.put("mail.smtp.ssl.socketFactory", world.tls().getSocketFactory());
      settings.put("mail.smtp.quitwait", "false"); // what was accepted is, whatever QUIT brings
      settings.put("mail.smtp.auth", String.valueOf(config.hasMailSignIn()));
      settings.put("mail.smtp.auth.mechanisms", "LOGIN PLAIN DIGEST-MD5");
      if (config.tokenUrl != null) settings.put("mail.smtp.auth.mechanisms", "XOAUTH2");
      return settings;
    }

    /** Connects and signs in. */
    @Override
    public void connect() throws MessagingException {
      try {
        // with the name that certificates are compared with, even where Host is an address
        var address = InetAddress.getByAddress(config.mailHost,
            InetAddress.getByName(config.mailHost).getAddress());
        socket.connect(new InetSocketAddress(address, config.mailPort), (int) CONNECT.toMillis());
        socket.expectReply(world.timeout);
        if (config.security == Security.TLS) connect(encrypted());
        else connect(socket);
      } catch (IOException e) {
        throw new MessagingException(null, e);
      }
    }

    private Socket encrypted() throws IOException {
      var factory = world.tls().getSocketFactory();
      var tls = (SSLSocket) factory.createSocket(socket, config.mailHost, config.mailPort, true);
      var parameters = tls.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      tls.setSSLParameters(parameters);
      tls.startHandshake();
      return tls;
    }

    /** The mechanisms of sign-in that the server offers; empty for none. */
    String offered() {
      return Objects.requireNonNullElse(getExtensionParameter("AUTH"), "");
    }

    @Override
    protected void sendCommand(String command) throws MessagingException {
      var verb = command.split("[ :]")[0];
      isToken = command.startsWith("AUTH XOAUTH2 ");
      isOfTransaction = Set.of("MAIL", "RCPT", "DATA", ".").contains(verb);
      if (isOfTransaction) {
        stage = verb;
        reply = null;
      }
      if (verb.equals(".")) socket.expectReply(REPLY_TO_TEXT);
      else socket.expectReply(world.timeout);
      super.sendCommand(command);
    }

    /** A reply that is none ends the conversation. */
    @Override
    protected int readServerResponse() throws MessagingException {
      int code = super.readServerResponse();
      if (code == 334 && isToken) { // the reason, in JSON; an empty line asks for the refusal
        sendCommand("");
        code = super.readServerResponse();
      }
      var words = world.sanitize(getLastServerResponse());
      if (words.equals("[EOF]")) throw new MessagingException("the server closed the connection");
      if (code < 200 || code > 599) {
        throw new MessagingException("answers what is no SMTP: " + words);
      }
      if (isOfTransaction) reply = new Reply(code, words);
      return code;
    }
  }

  /** An SMTP reply; RFC 5321, 4.2.1. */
  record Reply(int code, String words) {
    boolean isYes() {
      return code / 100 == 2;
    }

    boolean isFinalNo() {
      return code / 100 == 5;
    }
  }

  /** Bounds what a server may say: a reply in time, and a conversation in bytes. */
  static final class BoundedSocket extends Socket {
    private static final int MOST = 1 << 20; // bytes; a conversation takes a few kB
    private InputStream bounded;
    private Duration limit = Duration.ZERO;
    private final Duration writeLimit;
    private long until;
    private long left = MOST;

    BoundedSocket(Duration writeLimit) {
      this.writeLimit = writeLimit;
    }

    /** The next reply has that long from now on. */
    void expectReply(Duration limit) {
      this.limit = limit;
      until = System.nanoTime() + limit.toNanos();
    }

    @Override
    public InputStream getInputStream() throws IOException {
      if (bounded == null) bounded = bounded(super.getInputStream());
      return bounded;
    }

    private InputStream bounded(InputStream in) {
      return new FilterInputStream(in) {
        @Override
        public int read() throws IOException {
          var one = new byte[1];
          if (read(one, 0, 1) < 0) return -1;
          return one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
          long millis = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime());
          if (millis <= 0) throw late();
          setSoTimeout((int) millis);
          try {
            int read = super.read(bytes, offset, length);
            left -= read;
            if (left < 0) throw new IOException("an answer without end");
            return read;
          } catch (SocketTimeoutException e) {
            throw late();
          }
        }
      };
    }

    /** A server that reads no more blocks a write, which only the end of the socket wakes. */
    @Override
    public OutputStream getOutputStream() throws IOException {
      return new FilterOutputStream(super.getOutputStream()) {
        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
          try {
            Deadline.within(writeLimit, () -> {
              out.write(bytes, offset, length);
              return null;
            });
          } catch (SocketTimeoutException e) {
            BoundedSocket.this.close();
            throw e;
          }
        }
      };
    }

    private SocketTimeoutException late() {
      return new SocketTimeoutException("no whole answer within %d s".formatted(limit.toSeconds()));
    }
  }

  // ==== Chat: how does a notice get to a chat, or to a program ==================================

  /** One chat, or program: each notice is posted there, one try of ten seconds. */
  static final class Webhook implements Receiver {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final Set<Integer> FINAL = Set.of(400, 401, 403, 410, 413, 422);

    private final ChatAddress chat;
    private final World world;
    private final Http http;

    Webhook(ChatAddress chat, World world) {
      this.chat = chat;
      this.world = world;
      this.http = new Http(world, Pace.free());
    }

    @Override
    public String name() {
      return chat.name();
    }

    @Override
    public String place() {
      return "[" + chat.name() + "] " + Http.server(chat.url());
    }

    @Override
    public Outcome send(Notice notice, Words words) {
      var format = chat.format();
      var request = Http.request(url(notice, format))
          .header("Content-Type", "application/json; charset=utf-8")
          .POST(HttpRequest.BodyPublishers.ofString(Payload.of(notice, words, format)))
          .build();
      try {
        http.sendOnce(request, Void.class, world.atMost(LIMIT));
        return new Outcome(Fate.ACCEPTED, "accepted");
      } catch (PermanentFailure e) {
        if (FINAL.contains(e.status)) return new Outcome(Fate.REFUSED, e.getMessage());
        return new Outcome(Fate.UNCONFIRMED, e.getMessage());
      } catch (TemporaryFailure e) {
        return new Outcome(Fate.UNCONFIRMED, e.getMessage());
      } catch (IOException e) {
        if (Http.isUnconnected(e)) {
          throw Exit.TRY_LATER.fault(e, "%s: %s", place(), http.reason(e));
        }
        return new Outcome(Fate.UNCONFIRMED, http.reason(e), true);
      }
    }

    /** Google Chat holds an episode together by a key in the address. */
    private URI url(Notice notice, Format format) {
      if (format != Format.GOOGLECHAT) return chat.url();
      var key = notice.topic.kind().opening().word() + "-" + notice.topic.start().name();
      return Http.with(chat.url(), chat.url().getRawPath(), chat.url().getRawQuery(),
          "threadKey=" + key, "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
    }
  }

  /** The notice as a chat service, or a program, takes it. */
  static final class Payload {
    private static final int LONGEST = 1900; // characters; Discord takes 2,000
    private static final int LONGEST_LINK = 1000;

    private Payload() { }

    static String of(Notice notice, Words words, Format format) {
      return switch (format) {
        case DISCORD -> discord(notice, words).toString();
        case TEAMS -> teams(notice, words).toString();
        case JSON -> facts(notice, words).toString();
        case AUTO, SLACK, GOOGLECHAT ->
            JSON.createObjectNode().put("text", text(notice, words, format)).toString();
      };
    }

    private static ObjectNode discord(Notice notice, Words words) {
      var json = JSON.createObjectNode().put("content", text(notice, words, Format.DISCORD));
      json.putObject("allowed_mentions").putArray("parse"); // nobody
      return json;
    }

    private static ObjectNode teams(Notice notice, Words words) {
      var json = JSON.createObjectNode().put("type", "message");
      var card = json.putArray("attachments").addObject()
          .put("contentType", "application/vnd.microsoft.card.adaptive")
          .putObject("content")
          .put("$schema", "http://adaptivecards.io/schemas/adaptive-card.json")
          .put("type", "AdaptiveCard")
          .put("version", "1.4");
      var body = card.putArray("body");
      for (var line : words.chat()) {
        var block = body.addObject()
            .put("type", "TextBlock")
            .put("wrap", true)
            .put("text", harmless(line, Format.TEAMS));
        if (body.size() == 1) block.put("weight", "Bolder").put("size", "Medium");
      }
      if (!words.rows().isEmpty()) {
        var facts = body.addObject().put("type", "FactSet").putArray("facts");
        for (var row : words.rows()) {
          var cells = row.split("  +", 2);
          facts.addObject()
              .put("title", harmless(cells[0], Format.TEAMS))
              .put("value", harmless(cells[cells.length - 1].strip(), Format.TEAMS));
        }
      }
      card.putArray("actions").addObject()
          .put("type", "Action.OpenUrl")
          .put("title", "Open in Zendesk")
          .put("url", notice.facts.link());
      return json;
    }

    /** Everything, for programs. */
    private static ObjectNode facts(Notice notice, Words words) {
      var json = JSON.createObjectNode();
      json.put("account", notice.topic.account());
      json.put("hour", notice.topic.hour().from().toString());
      json.put("kind", notice.topic.kind().word());
      json.put("episode", notice.topic.start().from().toString());
      json.put("subject", notice.topic.subject());
      json.setAll((ObjectNode) JSON.valueToTree(notice.facts));
      json.put("text", words.text());
      return json;
    }

    /** As many lines as fit. A link that is too long for chats, by a long Query, is left out. */
    private static String text(Notice notice, Words words, Format format) {
      var link = notice.facts.link();
      if (link.length() > LONGEST_LINK) link = "";
      int room = LONGEST - link.length() - "\n\n```\n```".length();
      var text = new StringJoiner("\n");
      for (var line : words.chat()) room = add(text, harmless(line, format), room);
      var rows = new StringJoiner("\n", "```\n", "\n```").setEmptyValue("");
      var fenced = format;
      if (format == Format.DISCORD) fenced = Format.GOOGLECHAT; // no markdown in there
      for (var row : words.rows()) room = add(rows, harmless(row, fenced), room);
      if (rows.length() > 0) text.add(rows.toString());
      if (!link.isEmpty()) text.add(link);
      return text.toString();
    }

    /** @return the room that is left; 0 when the line did not fit, so that no later one does */
    private static int add(StringJoiner lines, String line, int room) {
      if (room <= 1) return 0;
      boolean isWhole = line.length() < room;
      if (isWhole) {
        lines.add(line);
      } else {
        var part = cut(line, Math.min(room - 1, 300));
        lines.add(part.substring(0, Math.min(room, part.length()))); // marks take no column
      }
      if (isWhole) return room - line.length() - 1;
      return 0;
    }

    /**
     * So that nobody's tag mentions people, makes a link or sets type: "@all", "<!channel>" and
     * "[text](address)" are all in use somewhere. Nothing invisible is put into what people copy.
     */
    private static String harmless(String line, Format format) {
      var text = clean(line).replace("`", "'").replace("[", "(").replace("]", ")")
          .replace("@", "@ ").replace("://", ": //");
      if (format == Format.SLACK) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
      }
      text = text.replace("<", "\u2039").replace(">", "\u203a"); // no service has an escape
      boolean isMarkdown = format == Format.DISCORD || format == Format.TEAMS;
      if (isMarkdown) return text.replaceAll("[*~|#\\\\]|(?<!\\w)_|_(?!\\w)", "\\\\$0");
      return text;
    }
  }

  // ==== Receiver: what may come of telling somebody =============================================

  /** One mail address, or one chat. */
  interface Receiver {
    /** How notices name it: a mail address, "webhook" or "webhook NAME". */
    String name();

    /** Where a message about it should point at. */
    String place();

    /** @throws Fault when it cannot be reached: nothing was sent, and this run asks no more */
    Outcome send(Notice notice, Words words);
  }

  /** @param asksNoMore whether the place is silent, so that this run asks it nothing more */
  record Outcome(Fate fate, String words, boolean asksNoMore) {
    Outcome(Fate fate, String words) {
      this(fate, words, false);
    }
  }

  /** What came of one try to tell one receiver. */
  enum Fate {
    ACCEPTED,
    REFUSED,    // for good
    PUT_OFF,    // nothing of the notice was sent, so each run tries again
    NO_ANSWER,  // the same, without a word
    NO_SIGN_IN, // the same, until somebody mends auth.ini
    UNCONFIRMED // its text was sent, without a yes; it may have arrived: tries are spaced, and end
  }

  // ==== Heartbeat: does somebody hear when runs fail, or stop ===================================

  /** The watcher's watcher: a ping after each run, never a reason for the run to fail. */
  static final class Heartbeat {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private Heartbeat() { }

    /** @return whether the watcher took it; false too where nobody is to be asked */
    static boolean send(Config config, int code, World world) {
      var url = address(config.pingUrl, config.failUrl, code, world.lastLines());
      if (url == null) return false;
      var place = "[monitor] PingUrl: ";
      if (url.equals(config.failUrl)) place = "[monitor] FailUrl: ";
      place += Http.server(url);
      try {
        var http = new Http(world, Pace.free());
        return ping(http, request(config, url, code, world), place, world);
      } catch (Fault e) { // of its proxy, or of SSL_CERT_FILE
        world.warn(place + ": " + e.getMessage());
        return false;
      }
    }

    private static boolean ping(Http http, HttpRequest request, String place, World world) {
      try {
        http.sendOnce(request, Void.class, world.atMost(LIMIT));
        return true;
      } catch (PermanentFailure e) {
        world.warn(place + " " + e.getMessage());
      } catch (IOException e) {
        world.warn(place + ": " + http.reason(e));
      }
      return false;
    }

    /** Healthchecks and Better Stack keep what is posted to their failing form. */
    private static HttpRequest request(Config config, URI url, int code, World world) {
      var request = Http.request(url);
      boolean takesLines = code != 0 && url.getRawPath().endsWith("/fail")
          && !url.equals(config.failUrl);
      if (!takesLines) return request.GET().build();
      return request.header("Content-Type", "text/plain; charset=utf-8")
          .POST(HttpRequest.BodyPublishers.ofString(world.lastLines())).build();
    }

    /** A failing run must never ask an address that counts as good; null for nobody to ask. */
    static URI address(URI url, URI failUrl, int code, String lines) {
      if (code == 0) return url;
      if (failUrl != null) return failUrl;
      if (url == null) return null;
      var host = lower(Http.host(url));
      var path = Objects.requireNonNullElse(url.getRawPath(), "").replaceFirst("/+$", "");
      var query = Objects.requireNonNullElse(url.getRawQuery(), "");
      if (hasPair(query, "status=up")) { // Uptime Kuma
        var message = encode(cut("exit code " + code + ": " + lastLine(lines), 200));
        return Http.with(url, path, "status=down", "msg=" + message,
            without(query, "status|msg"));
      }
      boolean isCronitor = host.matches("(.*\\.)?cronitor\\.(link|io)")
          || hasPair(query, "state=complete");
      if (isCronitor) return Http.with(url, path, "state=fail", without(query, "state"));
      boolean isHealthchecks = host.equals("hc-ping.com") || path.contains("/ping/");
      boolean isBetterStack = host.matches("(.*\\.)?(betterstack|betteruptime)\\.com");
      if (isHealthchecks || isBetterStack) return Http.with(url, path + "/fail", query);
      return null;
    }

    private static boolean hasPair(String query, String pair) {
      return List.of(query.split("&")).contains(pair);
    }

    private static String lastLine(String lines) {
      var all = lines.lines().toList();
      if (all.isEmpty()) return "";
      return all.get(all.size() - 1);
    }

    private static String without(String query, String keys) {
      return query.replaceAll("(^|&)(" + keys + ")=[^&]*", "").replaceFirst("^&", "");
    }
  }

  // ==== Ledger: what was told, and what waits ===================================================

  /**
   * What was told and what still waits: a file a notice, named {@code HOUR.KIND.ID.json}. The ID
   * stands for account, Query and history, so that several INIs can share a folder: only
   * {@link #prune} looks at files of another ID. In a dry run, or where the folder cannot be
   * written, what is new stays in memory.
   */
  static final class Ledger {
    private static final Duration KEPT = Duration.ofDays(180); // README.md says so, too
    private static final Pattern NAME = Pattern.compile("(\\d{4}-\\d{2}-\\d{2}T\\d{2})"
        + "\\.(spike|clear|stop|resumed|tag)(?:\\.([0-9a-f]{8}))?\\.json");

    private final Config config;
    private final String id;
    private final List<FiledNotice> entries = new ArrayList<>();
    private final Map<Path, String> unreadable = new TreeMap<>(); // and why
    private boolean isWritten;

    /**
     * @param isWritten whether what changes is written, too
     * @throws Fault HISTORY when a folder cannot be read
     */
    Ledger(Config config, boolean isWritten) {
      this.config = config;
      this.isWritten = isWritten;
      this.id = id(config);
      for (var place : Place.values()) {
        for (var file : Disk.list(folder(place), NAME.pattern())) addFile(file, place);
      }
      entries.sort(FiledNotice.ORDER);
    }

    /** A ledger without files, for a run that cannot read them. */
    private Ledger(Config config) {
      this.config = config;
      this.id = id(config);
    }

    static Ledger inMemory(Config config) {
      return new Ledger(config);
    }

    /** Null where auth.ini names no account, as explain may have it: then every notice is ours. */
    static String id(Config config) {
      if (config.zendeskHost == null) return null;
      var scope = config.zendeskHost + "\n" + History.normalized(config.query) + "\n"
          + config.historyName;
      return Secrets.sha256(scope).substring(0, 8);
    }

    private void addFile(Path file, Place place) {
      var name = NAME.matcher(file.getFileName().toString());
      if (!name.matches()) return;
      boolean isOfSecondEdition = name.group(3) == null;
      boolean isOurs = isOfSecondEdition || id == null || id.equals(name.group(3));
      var hour = Hour.parseOrNull(name.group(1));
      if (!isOurs || hour == null) return;
      var kind = Kind.valueOf(name.group(2).toUpperCase(Locale.ROOT));
      entries.add(new FiledNotice(name.group(), hour, kind, isOfSecondEdition, place));
    }

    Path folder(Place place) {
      return config.outFolder.resolve(place.folder());
    }

    private Path file(FiledNotice entry) {
      return folder(entry.place).resolve(entry.fileName);
    }

    /** Writes and deletes in each folder, as sending does. @throws Fault HISTORY where it cannot */
    void tryToWrite() {
      for (var place : Place.values()) {
        var folder = folder(place);
        if (Files.isSymbolicLink(folder)) {
          throw Exit.HISTORY.fault("%s: is a link (expected a folder)", Disk.shown(folder));
        }
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
          throw Exit.HISTORY.fault("%s: is a file (expected a folder)", Disk.shown(folder));
        }
        Disk.tryToWrite(folder);
      }
    }

    /** From here on nothing is written: what runs before this one have left must wait, then. */
    void keepInMemory() {
      isWritten = false;
    }

    boolean isWritten() {
      return isWritten;
    }

    /** The notice, or null where the file holds none that is ours. */
    Notice read(FiledNotice entry) {
      if (!entry.isRead) {
        entry.isRead = true;
        entry.notice = notice(file(entry));
        if (entry.notice != null && !isOurs(entry)) entry.notice = null;
      }
      return entry.notice;
    }

    void readAll() {
      entries.forEach(this::read);
    }

    private boolean isOurs(FiledNotice entry) {
      var topic = entry.notice.topic;
      boolean isNamed = topic.hour.equals(entry.hour) && topic.kind == entry.kind;
      if (!isNamed) return false;
      if (!entry.isOfSecondEdition || id == null) return true;
      return topic.account.equals(config.zendeskHost)
          && History.normalized(topic.query).equals(History.normalized(config.query));
    }

    private Notice notice(Path file) {
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text == null) return null;
        var notice = JSON.readValue(text, Notice.class);
        if (notice != null && notice.isWhole()) return notice;
      } catch (JsonProcessingException e) {
        return null; // the outbox's are told as rubbish
      } catch (Fault e) {
        boolean isNoText = e.getCause() == null || hasCause(e, CharacterCodingException.class);
        if (!isNoText) unreadable.put(file, e.getMessage());
      }
      return null;
    }

    /** The notices that were asked for, and may not be read, as another user's: a line each. */
    Collection<String> unreadable() {
      return unreadable.values();
    }

    /** The notice of that hour and kind, wherever it lies, or null. */
    FiledNotice find(Hour hour, Kind kind) {
      FiledNotice found = null;
      for (var entry : entries) {
        if (entry.kind != kind || !entry.hour.equals(hour) || read(entry) == null) continue;
        boolean isBetter = found == null || entry.place == Place.SENT;
        if (isBetter) found = entry;
      }
      return found;
    }

    /** Its mails are not read, but what it told last is not told again. */
    boolean wasToldByFirstEdition(Hour hour) {
      return Files.exists(folder(Place.SENT).resolve(hour.name() + "-spike.eml"));
    }

    /** The newest notice of that hour or before that opens, carries on or ends such an episode. */
    FiledNotice newest(Kind opening, Hour upTo) {
      for (int i = entries.size() - 1; i >= 0; i--) {
        var entry = entries.get(i);
        boolean isCandidate = entry.kind.opening() == opening && !entry.hour.isAfter(upTo);
        if (isCandidate && read(entry) != null) return entry;
      }
      return null;
    }

    /** The notices of the episode that the notice belongs to, oldest first. */
    List<FiledNotice> episode(Notice notice) {
      var episode = new ArrayList<FiledNotice>();
      for (var entry : entries) {
        boolean isCandidate = entry.kind.opening() == notice.topic.kind.opening()
            && !entry.hour.isBefore(notice.topic.start);
        if (isCandidate && read(entry) != null && read(entry).isOfSameEpisode(notice)) {
          episode.add(entry);
        }
      }
      return episode;
    }

    /**
     * The newest notice of the open episode of that kind that somebody has heard of or still may,
     * or null when none is open. Its end closes it.
     */
    Notice open(Kind opening, Hour upTo) {
      var newest = newest(opening, upTo);
      if (newest == null || newest.kind != opening) return null;
      Notice heard = null;
      for (var entry : episode(read(newest))) {
        if (mayBeHeard(entry) && !entry.hour.isAfter(upTo)) heard = read(entry);
      }
      return heard;
    }

    /** Whether somebody has heard of it or still may; not of null. */
    boolean mayBeHeard(FiledNotice entry) {
      return entry != null && (entry.isWaiting() || read(entry).isHeard());
    }

    /** What waits, the newest first. */
    List<FiledNotice> waiting() {
      var waiting = new ArrayList<FiledNotice>();
      for (var entry : entries) {
        if (entry.isWaiting() && read(entry) != null) waiting.add(0, entry);
      }
      return waiting;
    }

    /** @param place the outbox, from which it is sent, or where it lies that nobody is told */
    void add(Notice notice, Place place) {
      var name = notice.topic.hour.name() + "." + notice.topic.kind.word() + "." + id + ".json";
      var entry = new FiledNotice(name, notice.topic.hour, notice.topic.kind, false, place);
      entry.notice = notice;
      entry.isRead = true;
      entry.isOfThisRun = true;
      entries.removeIf(other -> other.fileName.equals(name));
      entries.add(entry);
      entries.sort(FiledNotice.ORDER);
      save(entry);
    }

    /** @throws Fault HISTORY when it cannot be written */
    void save(FiledNotice entry) {
      if (!isWritten) return;
      Disk.write(file(entry), JSON.valueToTree(entry.notice).toPrettyString() + "\n");
    }

    void move(FiledNotice entry, Place place) {
      if (isWritten) Disk.move(file(entry), folder(place).resolve(entry.fileName));
      entry.place = place;
    }

    /**
     * Lays aside what can be no notice: a file of our own name that holds none, or one of no known
     * name that has lain there for an hour, so that nobody is writing it.
     */
    List<Path> layRubbishAside(Instant now) {
      var rubbish = new ArrayList<Path>();
      if (!isWritten) return rubbish;
      for (var file : Disk.list(folder(Place.OUTBOX), ".*\\.(json|eml)")) {
        if (isRubbish(file, now)) rubbish.add(file);
      }
      for (var file : rubbish) {
        Disk.move(file, folder(Place.REFUSED).resolve(file.getFileName()));
      }
      entries.removeIf(entry -> entry.isWaiting() && read(entry) == null
          && rubbish.contains(file(entry)));
      return rubbish;
    }

    private boolean isRubbish(Path file, Instant now) {
      var name = NAME.matcher(file.getFileName().toString());
      boolean isKnownName = name.matches() && Hour.parseOrNull(name.group(1)) != null;
      if (!isKnownName) return !Disk.isFresh(file, now);
      if (name.group(3) != null && !name.group(3).equals(id)) return false;
      var notice = notice(file);
      if (notice == null) return !unreadable.containsKey(file);
      return !notice.topic.hour.name().equals(name.group(1))
          || !notice.topic.kind.word().equals(name.group(2));
    }

    /** Deletes what was told long ago, by whichever INI of this folder. */
    void prune(Instant now) {
      if (!isWritten) return;
      var oldest = Hour.of(now.minus(KEPT)).name();
      for (var place : List.of(Place.SENT, Place.REFUSED)) {
        for (var file : Disk.list(folder(place), "\\d{4}-\\d{2}-\\d{2}T\\d{2}.*")) {
          if (file.getFileName().toString().compareTo(oldest) < 0) Disk.delete(file);
        }
      }
    }
  }

  /** A notice and the file that it lies in; the file is read when somebody asks for the notice. */
  static final class FiledNotice {
    final String fileName;
    final Hour hour;
    final Kind kind;
    private final boolean isOfSecondEdition; // whose names told of no account and Query
    private boolean isOfThisRun;
    private Place place;
    private Notice notice;
    private boolean isRead;

    private FiledNotice(String fileName, Hour hour, Kind kind, boolean isOfSecondEdition,
        Place place) {
      this.fileName = fileName;
      this.hour = hour;
      this.kind = kind;
      this.isOfSecondEdition = isOfSecondEdition;
      this.place = place;
    }

    Place place() {
      return place;
    }

    boolean isWaiting() {
      return place == Place.OUTBOX;
    }

    /** The same hour's end is older than its spike: then the end was false. */
    private static final Comparator<FiledNotice> ORDER =
        Comparator.comparing((FiledNotice entry) -> entry.hour).thenComparing(entry -> entry.kind);
  }

  /** The folders of {@code out} in which notices lie. */
  enum Place {
    OUTBOX, SENT, REFUSED;

    String folder() {
      return lower(name());
    }
  }

  // ==== NoticeWriter: in which words is it told =================================================

  /** Writes notices. To reword one, edit its method: words and values stand together. */
  static final class NoticeWriter {
    private static final int EXAMPLES = 5; // subjects
    private static final int MORE_RISEN = 3; // tags that are not among the most frequent
    private static final int MORE_CAUSES = 2;
    private static final int FLOOD = 5; // tickets of one requester, and half of all
    private static final int TAG_WIDTH = 44; // columns of the plain text
    private static final int CHAT_TAGS = 5;
    private static final String NO_TAG = "(no tag)"; // has a blank, as no tag has
    private static final double RECOUNTED = 1.5; // times what was told

    private final Config config;
    private final Judge judge;
    private final TagRule tagRule;
    private final World world;

    NoticeWriter(Config config, Judge judge, TagHistory tags, World world) {
      this.config = config;
      this.judge = judge;
      this.tagRule = new TagRule(tags, config.zone);
      this.world = world;
    }

    // ---- A spike ----

    /**
     * The notice about a spike, from top to bottom.
     *
     * @param told     what was told of its episode, oldest first; empty when this opens one
     * @param progress null when it is not known
     */
    Notice spike(Spike spike, List<Notice> told, HourTickets tickets, HourInProgress progress) {
      return spike(Kind.SPIKE, spike, told, tickets, progress);
    }

    /** A notice about a spike that is made up, by the same code. */
    Notice sample(Spike spike, HourTickets tickets, HourInProgress progress) {
      return spike(Kind.SAMPLE, spike, List.of(), tickets, progress);
    }

    private Notice spike(Kind kind, Spike spike, List<Notice> told, HourTickets tickets,
        HourInProgress progress) {
      var hour = spike.hour();
      var ranked = tickets.ranked(hour, tagRule);
      var causes = causes(ranked);
      TagCount cause = null;
      if (!causes.isEmpty()) cause = causes.get(0);
      var mail = new MailBody();

      var headline = plural(spike.count(), "ticket") + " at " + account() + " from " + span(hour)
          + ".";
      if (told.isEmpty()) mail.title(headline);
      else mail.title("Hour " + (hour.since(begin(told)) + 1) + ": " + headline);
      if (kind == Kind.SAMPLE) {
        mail.line("This is a sample: there is no spike, and all figures here are made up.");
      }
      mail.line(usualSentence(spike));
      if (!told.isEmpty()) mail.line("It began on " + dayAndTime(begin(told)) + ".");
      for (var recounted : recounted(told)) mail.line(recounted);
      causeLines(mail, hour, tickets, ranked, causes);
      if (progress != null) mail.freshLine(inProgress(spike, progress));
      requesters(mail, tickets);

      mail.gap();
      if (cause != null) {
        mail.link(cause.count() + " with " + cut(cause.tag(), TAG_WIDTH) + ": ",
            agentSearch(hour, cause.tag()));
      }
      var link = agentSearch(hour, null);
      mail.link("All " + spike.count() + ": ", link);

      tagTable(mail, hour, tickets, ranked);
      String causeTag = null;
      if (cause != null) causeTag = cause.tag();
      examples(mail, tickets, causeTag);
      last24Hours(mail, hour);

      mail.heading("For operators");
      thresholds(mail, spike);
      mail.line("The next notice comes " + nextNotice() + ".");
      footer(mail, hour);

      var top = first(config.numTags, ranked);
      var facts = Facts.of(spike, causeTag, top, link);
      var subject = subject(spike, cause);
      if (kind == Kind.SAMPLE) subject = "SAMPLE, no spike: " + subject;
      return notice(kind, hour, told, subject, facts, mail.words(chatRows(top)));
    }

    private String subject(Spike spike, TagCount cause) {
      var subject = config.subject + " " + plural(spike.count(), "ticket") + " instead of "
          + amount(spike.baseline().mean()) + " at " + account();
      if (cause != null) subject += ": " + cut(cause.tag(), 40);
      return subject + " (" + dayAndTime(spike.hour()) + ")";
    }

    private String usualSentence(Spike spike) {
      var baseline = spike.baseline();
      double mean = baseline.mean();
      var words = "Usual: " + amount(mean) + baseline.raisedInWords(1.2) + " ("
          + range(spike.hour()) + ")";
      var percent = baseline.percent(spike.count());
      if (mean < 1 || percent == null) return words + ".";
      if (percent <= 1000) return words + ", so " + rounded(percent) + " % more.";
      return words + ", so " + rounded(spike.count() / mean) + " times as many.";
    }

    /** Such as "16 to 27 in the last 13 weeks", though of some of these nothing may be known. */
    private String range(Hour hour) {
      var samples = judge.baselines.samples(hour);
      long least = Long.MAX_VALUE;
      long most = 0;
      long back = 0; // hours
      for (var sample : samples.known()) {
        least = Math.min(least, sample.count());
        most = Math.max(most, sample.count());
        back = Math.max(back, hour.since(sample.hour()));
      }
      var time = plural(Math.round(back / 24.0), "day");
      if (samples.basis() == Basis.HOUR_OF_WEEK) time = plural(Math.round(back / 168.0), "week");
      var span = " in the last " + time;
      if (least == most) return "always " + most + span;
      return least + " to " + most + span;
    }

    /** The first hour of the episode, or of the spike hours that came to light before it. */
    private Hour begin(List<Notice> told) {
      var begin = told.get(0).topic.start;
      var oldest = begin.plus(-Hour.NEWS);
      while (begin.isAfter(oldest) && wasSpike(begin.plus(-1))) begin = begin.plus(-1);
      return begin;
    }

    private boolean wasSpike(Hour hour) {
      return judge.counts.knows(hour) && judge.verdict(hour) instanceof Spike;
    }

    /** What was told of hours that hold far more by now, or far less. */
    private List<String> recounted(List<Notice> told) {
      var lines = new ArrayList<String>();
      for (var notice : told) {
        var hour = notice.topic.hour;
        boolean isCount = notice.topic.kind == Kind.SPIKE && judge.counts.knows(hour);
        if (!isCount) continue;
        long now = judge.counts.at(hour);
        long then = notice.facts.count;
        if (now < RECOUNTED * then && then < RECOUNTED * now) continue;
        lines.add(time(hour.from()) + " was counted again: " + now + ", not " + then + ".");
      }
      return lines;
    }

    /** The tags that have risen, those with the most tickets over the usual first. */
    private static List<TagCount> causes(List<TagCount> ranked) {
      var causes = new ArrayList<TagCount>();
      for (var tag : ranked) if (tag.risen()) causes.add(tag);
      causes.sort(Comparator.comparingDouble(TagCount::excess).reversed());
      return causes;
    }

    /** What it is about, as far as the tags tell. */
    private void causeLines(MailBody mail, Hour hour, HourTickets tickets, List<TagCount> ranked,
        List<TagCount> causes) {
      if (tickets.size() == 0) {
        mail.line("Its tickets could not be read: " + tickets.missing() + ".");
      } else if (ranked.isEmpty()) {
        mail.line("None of its tickets carries a tag that is shown.");
      } else if (!tagRule.canJudge(hour)) {
        mail.line("What its tags usually are is not known yet.");
      } else if (causes.isEmpty()) {
        mail.line("No tag stands out beyond chance.");
      } else {
        var of = "the " + tickets.size();
        if (!tickets.missing().isEmpty()) of += " that were read";
        var cause = causes.get(0);
        mail.line(cause.count() + " of " + of + " carry " + cause.tag() + ", usually "
            + orNone(cause.usual()) + ".");
        var more = new StringJoiner(", ");
        for (var tag : first(MORE_CAUSES, causes.subList(1, causes.size()))) {
          more.add(tag.tag() + " (" + tag.count() + ", usually " + orNone(tag.usual()) + ")");
        }
        if (more.length() > 0) mail.line("Also risen: " + more + ".");
      }
    }

    /** One sender's flood is another thing than a hundred people in trouble. */
    private void requesters(MailBody mail, HourTickets tickets) {
      var requesters = tickets.requesters();
      if (requesters.isEmpty()) return;
      boolean isWhole = tickets.missing().isEmpty();
      var busiest = Collections.max(requesters.entrySet(), Map.Entry.comparingByValue());
      int most = busiest.getValue();
      boolean isFlood = most >= FLOOD && most * 2 >= tickets.size();
      if (isFlood) {
        var words = "One requester wrote " + most + " of the " + tickets.size();
        if (!isWhole) words += " that were read";
        mail.chatLine(words + ".");
        mail.link(words + ": ", agentPage("users/" + busiest.getKey()));
      } else if (!isWhole) {
        return; // of the others nothing is known
      } else if (requesters.size() == 1) {
        mail.detail("One person wrote " + plural(most, "ticket") + ".");
      } else if (most == 1) {
        mail.detail(requesters.size() + " people wrote; no one more than once.");
      } else {
        mail.detail(requesters.size() + " people wrote; no one more than " + most + " times.");
      }
    }

    private String inProgress(Spike spike, HourInProgress progress) {
      var next = spike.hour().plus(1);
      var span = plural(progress.count, "ticket") + " from " + time(next.from()) + " to "
          + time(progress.until);
      var baseline = judge.baselines.of(next);
      double part = Duration.between(next.from(), progress.until).toSeconds() / 3600.0;
      if (baseline == null || part > 1) return "Since then: " + span + ".";
      double usual = baseline.mean() * part;
      double likeTheSpike = spike.count() * part;
      var goesOn = "Calmer since: ";
      if (progress.count * 2 >= usual + likeTheSpike) goesOn = "Still coming: ";
      if (likeTheSpike < usual + 3) goesOn = "Since then: "; // too few minutes to tell
      return goesOn + span + "; usual for these minutes: " + amount(usual) + ".";
    }

    private void tagTable(MailBody mail, Hour hour, HourTickets tickets, List<TagCount> ranked) {
      var shown = new ArrayList<>(first(config.numTags, ranked));
      int more = 0;
      for (var tag : ranked) {
        if (!tag.risen() || shown.contains(tag) || more == MORE_RISEN) continue;
        shown.add(tag);
        more++;
      }
      if (tickets.untagged() > 0) {
        var percent = 100.0 * tickets.untagged() / tickets.size();
        shown.add(new TagCount(NO_TAG, tickets.untagged(), null, percent, false));
      }
      if (shown.isEmpty()) return;
      mail.table(shown,
          Column.of("Tags", tag -> tagCell(hour, tag.tag())),
          Column.right("tickets", 7, tag -> String.valueOf(tag.count())),
          Column.right("usual", 6, tag -> usualDigits(tag)),
          Column.right("of all", 6, tag -> rounded(tag.percent()) + " %"),
          Column.of("", tag -> Cell.of(mark(tag))));
      if (!tickets.missing().isEmpty()) {
        mail.detail("Ranked from " + tickets.size() + " of its tickets (" + tickets.missing()
            + ").");
      }
    }

    private Cell tagCell(Hour hour, String tag) {
      if (tag.equals(NO_TAG)) return Cell.of(tag);
      return Cell.link(cut(tag, TAG_WIDTH), cut(tag, 100), agentSearch(hour, tag));
    }

    private static String usualDigits(TagCount tag) {
      if (tag.usual() == null) return "";
      return amount(tag.usual());
    }

    private static String mark(TagCount tag) {
      if (!tag.risen()) return "";
      if (tag.isNew()) return "NEW";
      return "risen";
    }

    /** Equal subjects stand once, with their number. @param tag null for all tickets */
    private void examples(MailBody mail, HourTickets tickets, String tag) {
      var bySubject = new LinkedHashMap<String, List<Ticket>>();
      for (var ticket : tickets.with(tag)) {
        bySubject.computeIfAbsent(subject(ticket), absent -> new ArrayList<>()).add(ticket);
      }
      var groups = new ArrayList<>(bySubject.values());
      groups.sort(Comparator.comparingInt((List<Ticket> group) -> -group.size()));
      if (groups.isEmpty()) return;
      var title = "Some of the tickets";
      if (tag != null) title = "Tickets with " + cut(tag, TAG_WIDTH);
      mail.table(first(EXAMPLES, groups),
          Column.of(title, group -> idCell(group.get(0))),
          Column.of("", group -> Cell.noWrap(time(group.get(0).created()))),
          Column.right("", 6, group -> times(group.size())),
          Column.of("", group -> subjectCell(group.get(0))));
    }

    private Cell idCell(Ticket ticket) {
      var id = "#" + ticket.id();
      return Cell.link(id, id, agentPage("tickets/" + ticket.id()));
    }

    private static String times(int number) {
      if (number == 1) return "";
      return number + " x";
    }

    private static Cell subjectCell(Ticket ticket) {
      int before = "  #".length() + ticket.id().toString().length() + "  14:00  100 x  ".length();
      int width = MailBody.COLUMNS - before;
      return Cell.of(cut(subject(ticket), width), cut(subject(ticket), 100));
    }

    private static String subject(Ticket ticket) {
      return Objects.requireNonNullElse(ticket.subject(), "(no subject)");
    }

    /** A row an hour: its count and a bar, the usual marked in it. */
    private void last24Hours(MailBody mail, Hour last) {
      last24Hours(mail, "The last 24 hours", last, this::count, this::usual);
    }

    private Double count(Hour hour) {
      if (!judge.counts.knows(hour)) return null;
      return (double) judge.counts.at(hour);
    }

    private Double usual(Hour hour) {
      var baseline = judge.baselines.of(hour);
      if (baseline == null) return null;
      return baseline.mean();
    }

    private void last24Hours(MailBody mail, String title, Hour last, Function<Hour, Double> count,
        Function<Hour, Double> usual) {
      var hours = Hour.range(last.plus(-23), last.plus(1)).toList();
      double highest = 1;
      for (var hour : hours) {
        highest = Math.max(highest, orZero(count.apply(hour)));
        highest = Math.max(highest, orZero(usual.apply(hour)));
      }
      double scale = highest;
      mail.table(hours,
          Column.of(title, hour -> Cell.noWrap(at(hour.from(), config.zone, "EEE d MMM HH:mm"))),
          Column.right("tickets", 7, hour -> orUnknown(count.apply(hour))),
          Column.right("usual", 6, hour -> orUnknown(usual.apply(hour))),
          Column.of("", hour -> Cell.bar(
              orZero(count.apply(hour)) / scale, orZero(usual.apply(hour)) / scale)));
    }

    private static double orZero(Double tickets) {
      return Objects.requireNonNullElse(tickets, 0.0);
    }

    private static String orUnknown(Double tickets) {
      if (tickets == null) return "?";
      return rounded(tickets);
    }

    private void thresholds(MailBody mail, Spike spike) {
      var thresholds = spike.thresholds();
      var title = "Rule " + lower(judge.rule.name().name()) + ": a spike from "
          + plural(thresholds.least(), "ticket") + " on";
      mail.table(thresholds.all(),
          Column.of(title, threshold -> Cell.of(threshold.words().get())),
          Column.right("", 7, threshold -> decimal(threshold.shown())),
          Column.of("", threshold -> Cell.of(thresholds.mark(threshold))));
    }

    private String nextNotice() {
      if (config.repeat == Repeat.FIRST) {
        if (config.allClear) return "when it is over";
        return "with the next spike";
      }
      var next = "when it grows by half";
      if (config.repeat == Repeat.EVERY) next = "with the next hour like this";
      if (config.allClear) return next + ", and one when it is over";
      return next + "; none when it is over";
    }

    // ---- The end of a spike ----

    /** The notice about the end of a spike, from top to bottom. @param told oldest first */
    Notice clear(Calm calm, List<Notice> told) {
      var opening = told.get(0);
      var begin = begin(told);
      var over = calm.hour();
      var end = begin; // its last hour
      var peak = opening.topic.hour;
      long highest = opening.facts.count;
      double excess = 0;
      for (var hour : Hour.range(begin, over).toList()) {
        if (!judge.counts.knows(hour) || !(judge.verdict(hour) instanceof Spike spike)) continue;
        end = hour;
        excess += spike.excess();
        if (spike.count() > highest) {
          highest = spike.count();
          peak = hour;
        }
      }
      var link = agentSearch(begin, end.plus(1), null);
      var mail = new MailBody();

      mail.title("Over after " + plural(end.since(begin) + 1, "hour") + ": the spike at "
          + account() + " from " + span(begin, end.plus(1)) + ".");
      var extra = "";
      if (excess >= 1) extra = " In all " + rounded(excess) + " more than usual.";
      mail.line("Peak: " + plural(highest, "ticket") + " from " + onTheDay(peak) + "; usual: "
          + usualInWords(peak) + "." + extra);
      if (opening.facts.cause != null) {
        mail.line("The tag that stood out: " + opening.facts.cause + ".");
      }
      mail.line("After it: " + plural(calm.count(), "ticket") + " from " + onTheDay(over)
          + "; usual: " + amount(calm.baseline().mean()) + ".");
      for (var recounted : recounted(told)) mail.line(recounted);

      mail.gap();
      mail.link("Its tickets: ", link);
      last24Hours(mail, over);
      mail.heading("For operators");
      footer(mail, over);

      var facts = Facts.of(calm, opening.facts.cause, List.of(), link);
      return notice(Kind.CLEAR, over, told, null, facts, mail.words(List.of()));
    }

    private String usualInWords(Hour hour) {
      var baseline = judge.baselines.of(hour);
      if (baseline == null) return "not known";
      return amount(baseline.mean());
    }

    // ---- Tickets stop, and come again ----

    /** The notice that tickets stopped coming, from top to bottom. */
    Notice stop(Hour last, Stop stop) {
      var first = last.plus(1 - stop.hours());
      var link = agentSearch(first, last.plus(1), null);
      var mail = new MailBody();

      mail.title("Tickets stopped at " + account() + ": " + stop.inWords() + ".");
      mail.line("From " + span(first, last.plus(1)) + "." + stop.loweredInWords());
      mail.line("What to look at: the contact form, the mail channel, Zendesk's status page "
          + "(status.zendesk.com) and the suspended tickets. A holiday? Then add the day to "
          + "IgnoredDays.");
      mail.gap();
      mail.link("Suspended tickets: ", agentPage("filters/suspended"));
      mail.link("Its tickets: ", link);
      last24Hours(mail, last);
      mail.heading("For operators");
      if (config.allClear) mail.line("The next notice comes when tickets come again.");
      footer(mail, last);

      var facts = Facts.of(stop, link);
      var subject = config.subject + " Tickets stopped: " + stop.came() + " instead of "
          + amount(stop.usual()) + " in " + plural(stop.hours(), "hour") + " at " + account() + " ("
          + dayAndTime(last) + ")";
      return notice(Kind.STOP, last, List.of(), subject, facts, mail.words(List.of()));
    }

    /** The notice that tickets come again, from top to bottom. @param told oldest first */
    Notice resumed(Hour last, Stop stop, List<Notice> told) {
      var opening = told.get(0);
      var first = last.plus(1 - stop.hours());
      var link = agentSearch(first, last.plus(1), null);
      var mail = new MailBody();

      mail.title("Tickets come again at " + account() + ": " + stop.inWords() + ".");
      mail.line("From " + span(first, last.plus(1)) + "." + stop.loweredInWords());
      mail.line("They had stopped: " + opening.facts.count + " in the "
          + plural(opening.facts.stop.hours(), "hour") + " up to "
          + dayAndTime(opening.topic.hour.plus(1)) + ", usually " + amount(opening.facts.usual)
          + ".");
      mail.gap();
      mail.link("The tickets since: ", link);
      last24Hours(mail, last);
      mail.heading("For operators");
      footer(mail, last);

      var facts = Facts.of(stop, link);
      return notice(Kind.RESUMED, last, told, null, facts, mail.words(List.of()));
    }

    // ---- A tag surges ----

    /** The notice about tags that surge within a calm total, from top to bottom. */
    Notice tag(Hour hour, List<TagVerdict> surges, HourTickets tickets) {
      var first = surges.get(0);
      var link = agentSearch(hour, first.tag());
      var mail = new MailBody();

      mail.title(plural(first.count(), "ticket") + " with " + first.tag() + " at " + account()
          + " from " + span(hour) + ".");
      for (var surge : surges) {
        mail.line(surge.tag() + ": " + surge.inWords() + ".");
      }
      var total = "All tickets: " + judge.counts.at(hour);
      var usual = judge.baselines.of(hour);
      if (usual != null) total += "; usual: " + amount(usual.mean());
      mail.line(total + ".");
      mail.gap();
      for (var surge : surges) {
        mail.link(surge.count() + " with " + cut(surge.tag(), TAG_WIDTH) + ": ",
            agentSearch(hour, surge.tag()));
      }
      examples(mail, tickets, first.tag());
      last24Hours(mail, cut(first.tag(), 20) + ", 24 hours", hour,
          each -> tagRule.count(each, first.tag()), each -> tagRule.usual(each, first.tag()));
      mail.heading("For operators");
      mail.line("A tag is told once in 24 hours, and not while the total is a spike.");
      footer(mail, hour);

      var facts = Facts.of(surges, link);
      var subject = config.subject + " " + first.together() + " with " + cut(first.tag(), 40)
          + " in 2 hours at " + account() + ", usually " + orNone(first.expected()) + " ("
          + dayAndTime(hour) + ")";
      return notice(Kind.TAG, hour, List.of(), subject, facts, mail.words(List.of()));
    }

    // ---- What all notices have ----

    /** @param subject of a first notice, or null where one was told: then it is that one's */
    private Notice notice(Kind kind, Hour hour, List<Notice> told, String subject, Facts facts,
        Words words) {
      var start = hour;
      if (!told.isEmpty()) {
        start = told.get(0).topic.start;
        subject = told.get(0).topic.subject;
      }
      var shown = unclickable(subject);
      var topic = new Topic(config.zendeskHost, config.query, hour, kind, start, shown);
      return new Notice(topic, facts, words.titled(shown));
    }

    private void footer(MailBody mail, Hour hour) {
      var counted = "all tickets of " + config.zendeskHost;
      if (!config.query.isEmpty()) {
        counted = "the tickets of " + config.zendeskHost + " that match " + config.query;
      }
      mail.detail("Counted: " + counted + ". For more: explain " + hour.name() + " (UTC).");
      mail.detail(NAME + " " + VERSION + " on " + world.host() + ", " + config.shown());
    }

    /** The first tags, for a code fence of a chat. */
    private static List<String> chatRows(List<TagCount> tags) {
      var rows = new ArrayList<String>();
      for (var tag : first(CHAT_TAGS, tags)) {
        var row = "%-30s %6d".formatted(cut(tag.tag(), 30), tag.count());
        if (tag.usual() != null) row += ", usual " + amount(tag.usual());
        rows.add(row);
      }
      return rows;
    }

    private String account() {
      return config.zendeskHost.replace(".zendesk.com", "");
    }

    /** An agents' page of Zendesk. */
    private String agentPage(String path) {
      return "https://" + config.zendeskHost + "/agent/" + path;
    }

    private String agentSearch(Hour hour, String tag) {
      return agentSearch(hour, hour.plus(1), tag);
    }

    /**
     * Zendesk's own search, in the agents' pages. No ampersand: chats treat it each their way.
     *
     * @param tag null for all tickets of the span
     */
    private String agentSearch(Hour from, Hour to, String tag) {
      var words = "type:ticket created>=%s created<%s".formatted(from.from(), to.from());
      if (tag != null) words += " tags:\"" + tag.replace("\"", "") + "\"";
      return agentPage("search/1?q=" + encode((words + " " + config.query).strip()));
    }

    /** Such as "14:00 to 15:00 UTC, Wed 25 Nov", on the clock of TimeZone. */
    private String span(Hour hour) {
      return span(hour, hour.plus(1));
    }

    private String span(Hour from, Hour end) {
      boolean isOneDay = end.plus(-1).date(config.zone).equals(from.date(config.zone));
      var zone = config.zone.getId();
      if (isOneDay) {
        return time(from.from()) + " to " + time(end.from()) + " " + zone + ", "
            + at(from.from(), config.zone, "EEE d MMM");
      }
      return at(from.from(), config.zone, "EEE d MMM, HH:mm") + " to "
          + at(end.from(), config.zone, "EEE d MMM, HH:mm") + " " + zone;
    }

    /** Such as "14:00 to 15:00, Wed 25 Nov": an episode, or a late notice, may span days. */
    private String onTheDay(Hour hour) {
      return time(hour.from()) + " to " + time(hour.to()) + ", "
          + at(hour.from(), config.zone, "EEE d MMM");
    }

    private String time(Instant time) {
      return at(time, config.zone, "HH:mm");
    }

    private String dayAndTime(Hour hour) {
      return at(hour.from(), config.zone, "EEE d MMM, HH:mm") + " " + config.zone.getId();
    }
  }

  /** How many tickets came since the hour's end. */
  record HourInProgress(Instant until, long count) { }

  // ==== Notice: what is told, about which hour, and who has answered ============================

  /**
   * One notice, as it lies in the outbox: without receivers, which the config of the moment of
   * sending names. It notes what each of them has answered.
   */
  @JsonAutoDetect(fieldVisibility = JsonAutoDetect.Visibility.ANY)
  static final class Notice {
    private static final int LATE = 1; // hours after the hour's end

    final Topic topic;
    final Facts facts;
    final Words words;
    // all by receiver, as Receiver.name has it
    private final Map<String, String> accepted; // when
    private final Map<String, String> refused; // why
    private final Map<String, String> passed; // the newer notice of the episode that serves it
    private final Map<String, Tries> tries;

    Notice(Topic topic, Facts facts, Words words) {
      this(topic, facts, words, null, null, null, null);
    }

    @JsonCreator
    private Notice(
        @JsonProperty("topic") Topic topic,
        @JsonProperty("facts") Facts facts,
        @JsonProperty("words") Words words,
        @JsonProperty("accepted") Map<String, String> accepted,
        @JsonProperty("refused") Map<String, String> refused,
        @JsonProperty("passed") Map<String, String> passed,
        @JsonProperty("tries") Map<String, Tries> tries) {
      this.topic = topic;
      this.facts = facts;
      this.words = words;
      this.accepted = byReceiver(accepted);
      this.refused = byReceiver(refused);
      this.passed = byReceiver(passed);
      this.tries = byReceiver(tries);
    }

    /** A mailbox is the same in capitals. */
    private static <T> Map<String, T> byReceiver(Map<String, T> given) {
      var map = new TreeMap<String, T>(String.CASE_INSENSITIVE_ORDER);
      if (given != null) map.putAll(given);
      map.values().removeIf(Objects::isNull);
      return map;
    }

    /** Whether nothing is missing that is read later: files of out/ may have been edited. */
    boolean isWhole() {
      if (topic == null || !topic.isWhole() || facts == null || words == null) return false;
      boolean isStop = topic.kind == Kind.STOP;
      boolean hasFacts = facts.link != null
          && (!isStop || facts.usual != null && facts.stop != null);
      return hasFacts && words.isWhole();
    }

    /** Its words as they are at that moment. */
    Words wordsAt(Instant now, ZoneId zone) {
      boolean isLate = !now.isBefore(topic.hour.plus(LATE).to());
      if (isLate && topic.kind != Kind.SAMPLE) return words.late(now, zone);
      return words;
    }

    /** Whether it opens its episode. */
    boolean isFirst() {
      return topic.hour.equals(topic.start) && topic.kind == topic.kind.opening();
    }

    /** That of the episode's first notice: Gmail threads by it. */
    String subject() {
      if (isFirst()) return topic.subject;
      return "Re: " + topic.subject;
    }

    boolean isOfSameEpisode(Notice other) {
      return topic.start.equals(other.topic.start)
          && topic.kind.opening() == other.topic.kind.opening();
    }

    void accept(String receiver, Instant when) {
      accepted.put(receiver, when.truncatedTo(ChronoUnit.SECONDS).toString());
      tries.remove(receiver);
    }

    void refuse(String receiver, String why) {
      refused.put(receiver, why);
    }

    void passBy(String receiver, Notice newer) {
      passed.put(receiver, newer.topic.hour.name() + "." + newer.topic.kind.word());
    }

    /** Whether somebody got this notice. */
    boolean isHeard() {
      return !accepted.isEmpty();
    }

    /** Whether somebody got it, or a newer one in its place. */
    boolean isTold() {
      return isHeard() || !passed.isEmpty();
    }

    boolean isAnswered(String receiver) {
      return accepted.containsKey(receiver) || refused.containsKey(receiver)
          || passed.containsKey(receiver);
    }

    /** Asked, and nothing was answered: that is no try, since nothing was sent. */
    void noteSilence(String receiver, Hour now) {
      tries.put(receiver, new Tries(tries(receiver), now));
    }

    void countTry(String receiver, Hour now) {
      tries.put(receiver, new Tries(tries(receiver) + 1, now));
    }

    int tries(String receiver) {
      var tried = tries.get(receiver);
      if (tried == null) return 0;
      return tried.count;
    }

    /** The receiver is well again: what waits need not wait longer. */
    void makeDue(String receiver) {
      tries.computeIfPresent(receiver, (name, tried) -> new Tries(tried.count, null));
    }
  }

  /** How often a receiver may have got a notice without a yes, and when it was asked last. */
  record Tries(int count, Hour last) { }

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

  /** Ends come before beginnings: a spike told after an all-clear of the same hour is the newer. */
  enum Kind {
    @JsonProperty("clear") CLEAR,
    @JsonProperty("spike") SPIKE,
    @JsonProperty("resumed") RESUMED,
    @JsonProperty("stop") STOP,
    @JsonProperty("tag") TAG,
    @JsonProperty("sample") SAMPLE;

    String word() {
      return lower(name());
    }

    /** The kind that opens the episodes in which this one is told. */
    Kind opening() {
      return switch (this) {
        case CLEAR, SPIKE -> SPIKE;
        case RESUMED, STOP -> STOP;
        case TAG -> TAG;
        case SAMPLE -> SAMPLE;
      };
    }
  }

  /**
   * The figures, for programs. Stored in out: a component that is added must be able to be null
   * (Long, not long), so that older notices can be read.
   *
   * @param usual   tickets, or null in a sample of nothing
   * @param percent over the usual; null where none are usual
   * @param cause   the tag that stands out, or null
   * @param stop    of notices about tickets that stop
   * @param surges  of notices about tags
   */
  record Facts(long count, Double usual, Double percent, String cause, List<TagCount> tags,
      String link, @JsonInclude(JsonInclude.Include.NON_NULL) Stop stop,
      @JsonInclude(JsonInclude.Include.NON_NULL) List<TagVerdict> surges) {
    static Facts of(Judged judged, String cause, List<TagCount> tags, String link) {
      var baseline = judged.baseline();
      return new Facts(judged.count(), baseline.mean(), baseline.percent(judged.count()), cause,
          tags, link, null, null);
    }

    static Facts of(Stop stop, String link) {
      return new Facts(stop.came(), stop.usual(), null, null, List.of(), link, stop, null);
    }

    static Facts of(List<TagVerdict> surges, String link) {
      var first = surges.get(0);
      return new Facts(first.together(), first.expected(), null, first.tag(), List.of(), link,
          null, surges);
    }
  }

  // ==== MailBody: which text and HTML do mail clients show ======================================

  /**
   * Writes a notice for mail, as plain text of 80 columns and as HTML of tables and inline styles,
   * which is what Outlook and Gmail show, and for chats, which get the head alone.
   */
  static final class MailBody {
    static final int COLUMNS = 80;
    private static final String FONT = "font-family:Arial,Helvetica,sans-serif;";
    private static final String CELL = "font-size:14px;line-height:20px;";

    private final StringBuilder text = new StringBuilder();
    private final StringBuilder html = new StringBuilder();
    private final List<String> chat = new ArrayList<>();
    private String fresh;
    private boolean isHead = true; // up to the first table
    private boolean isBelowHeading;

    void title(String title) {
      var words = unclickable(title);
      chat.add(words);
      text.append(wrapped(words)).append('\n');
      html.append("<h1 style=\"margin:0 0 12px;font-size:19px;line-height:26px\">")
          .append(escape(words)).append("</h1>\n");
    }

    /** A line of mail, and of chat while it is about what has happened. */
    void line(String words) {
      if (isHead) chat.add(unclickable(words));
      detail(words);
    }

    /** A line of mail alone. */
    void detail(String line) {
      var words = unclickable(line);
      text.append(wrapped(words)).append('\n');
      html.append(paragraph(escape(words)));
    }

    /** A line that a late notice leaves out. */
    void freshLine(String words) {
      fresh = words;
      line(words);
    }

    /** A line of chat alone. */
    void chatLine(String words) {
      chat.add(words);
    }

    void link(String title, String url) {
      var words = unclickable(title);
      boolean isLong = words.length() + url.length() > COLUMNS;
      if (isLong) text.append(words.strip()).append('\n');
      else text.append(words);
      text.append(url).append('\n');
      html.append(paragraph(anchor(url, escape(words.replaceFirst(": $", "")))));
    }

    void gap() {
      text.append('\n');
    }

    void heading(String words) {
      isHead = false;
      isBelowHeading = true;
      gap();
      text.append(words).append('\n');
      html.append("<p style=\"margin:16px 0 4px\"><b>").append(escape(words)).append("</b></p>\n");
    }

    private static String paragraph(String html) {
      return "<p style=\"margin:0 0 10px;word-break:break-word;overflow-wrap:anywhere\">" + html
          + "</p>\n";
    }

    /** A row for each thing. What stands over the first column is the title. */
    @SafeVarargs
    final <T> void table(List<T> things, Column<T>... columns) {
      var head = new ArrayList<Cell>();
      for (var column : columns) head.add(column.head);
      var rows = new ArrayList<List<Cell>>();
      for (var thing : things) {
        var row = new ArrayList<Cell>();
        for (var column : columns) row.add(column.cell.apply(thing));
        rows.add(row);
      }
      table(head, rows);
    }

    private void table(List<Cell> head, List<List<Cell>> rows) {
      isHead = false;
      if (!isBelowHeading) gap();
      isBelowHeading = false;
      int width = 0;
      boolean hasHeads = head.stream().skip(1).anyMatch(cell -> !cell.text.isBlank());
      if (hasHeads) width = columns(head.get(0).text) - 2;
      for (var row : rows) width = Math.max(width, columns(row.get(0).text));
      text.append(textRow(head, width + 2)).append('\n');
      for (var row : rows) text.append("  ").append(textRow(row, width)).append('\n');

      html.append("<table cellpadding=\"3\" cellspacing=\"0\" style=\"margin:0 0 16px;")
          .append(FONT).append(CELL).append("\">\n<tr>");
      if (hasHeads) {
        for (var cell : head) html.append(cell.heading());
      } else {
        html.append("<th align=\"left\" colspan=\"").append(head.size()).append("\">")
            .append(head.get(0).html).append("</th>");
      }
      html.append("</tr>\n");
      for (var row : rows) {
        html.append("<tr>");
        for (var cell : row) html.append(cell.element());
        html.append("</tr>\n");
      }
      html.append("</table>\n");
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

    /** @param rows the first tags, for chats */
    Words words(List<String> rows) {
      return new Words(text.toString(), page(), List.copyOf(chat), rows, fresh);
    }

    private String page() {
      return """
          <!DOCTYPE html>
          <html lang="en"><head><meta charset="utf-8">
          <meta name="viewport" content="width=device-width">
          <meta name="color-scheme" content="light dark">
          <meta name="supported-color-schemes" content="light dark"><title></title></head>
          <body style="margin:0;padding:16px">
          <table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" \
          style="width:100%%;max-width:600px;table-layout:fixed"><tr>
          <td style="%sfont-size:15px;line-height:22px;padding:0">
          %s</td></tr></table></body></html>
          """.formatted(FONT, html);
    }
  }

  /**
   * The words. {@code chat} holds a headline, then a line each; {@code rows} the first tags.
   *
   * @param fresh the sentence that a late notice leaves out, as plain text; or null
   */
  record Words(String text, String html, List<String> chat, List<String> rows, String fresh) {
    boolean isWhole() {
      boolean isThere = text != null && html != null && chat != null && rows != null;
      return isThere && Stream.concat(chat.stream(), rows.stream()).noneMatch(Objects::isNull);
    }

    Words titled(String title) {
      var page = html.replace("<title></title>", "<title>" + escape(title) + "</title>");
      return new Words(text, page, chat, rows, fresh);
    }

    /** Of a notice that comes late: it says so, and nothing of what came since its hour. */
    Words late(Instant now, ZoneId zone) {
      var late = "This notice comes late, on " + at(now, zone, "EEE d MMM 'at' HH:mm") + " "
          + zone.getId() + ".";
      var lines = new ArrayList<>(chat);
      lines.add(Math.min(1, lines.size()), late);
      var plain = text;
      var page = html;
      if (fresh != null) {
        lines.remove(fresh);
        plain = plain.replace(MailBody.wrapped(fresh) + "\n", "");
        page = page.replace(MailBody.paragraph(escape(fresh)), "");
      }
      if (!chat.isEmpty()) {
        var title = MailBody.wrapped(chat.get(0)) + "\n";
        plain = plain.replace(title, title + MailBody.wrapped(late) + "\n");
      }
      page = page.replace("</h1>\n", "</h1>\n" + MailBody.paragraph(escape(late)));
      return new Words(plain, page, lines, rows, null);
    }
  }

  /** A column of a table: what stands over it, and its cell in the row of a thing. */
  record Column<T>(Cell head, Function<T, Cell> cell) {
    static <T> Column<T> of(String head, Function<T, Cell> cell) {
      return new Column<>(Cell.of(head), cell);
    }

    /** Of digits, as wide as {@code width} in plain text. */
    static <T> Column<T> right(String head, int width, Function<T, String> digits) {
      return new Column<>(Cell.right(head, width),
          thing -> Cell.right(digits.apply(thing), width));
    }
  }

  /** A cell of a table, as plain text and as HTML; {@code attributes} are those of its element. */
  record Cell(String text, String html, String attributes) {
    private static final int BAR = 24; // characters
    private static final int BAR_WIDTH = 96; // percent of its cell, the rest is for the stroke
    private static final String WHOLE = " nowrap";

    static Cell of(String words) {
      return of(words, words);
    }

    /** @param longer for HTML, where there is more room */
    static Cell of(String words, String longer) {
      boolean isShort = longer.length() <= 7;
      return new Cell(unclickable(clean(words)), escape(unclickable(longer)), breaks(isShort));
    }

    private static String breaks(boolean isShort) {
      if (isShort) return WHOLE;
      return " style=\"word-break:break-word;overflow-wrap:anywhere\"";
    }

    static Cell right(String digits, int width) {
      var text = " ".repeat(Math.max(0, width - digits.length())) + digits;
      return new Cell(text, escape(digits), " align=\"right\"" + WHOLE);
    }

    static Cell noWrap(String words) {
      return new Cell(words, escape(words), WHOLE);
    }

    static Cell link(String words, String longer, String url) {
      boolean isShort = longer.length() <= 22;
      return new Cell(unclickable(clean(words)), MailBody.anchor(url, escape(unclickable(longer))),
          breaks(isShort));
    }

    /**
     * Up to the usual in blue, beyond in red; a stroke marks the usual, for those to whom blue and
     * red are one grey. Both within [0, 1].
     */
    static Cell bar(double count, double usual) {
      int mark = (int) Math.round(usual * BAR);
      var text = new StringBuilder("#".repeat((int) Math.round(count * BAR)));
      while (text.length() <= mark) text.append(' ');
      text.setCharAt(mark, '|');
      var html = "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" height=\"12\""
          + " width=\"100%\"><tr>"
          + piece(Math.min(count, usual), " bgcolor=\"#4477aa\"")
          + piece(usual - count, "")
          + "<td width=\"2\"></td><td width=\"2\" bgcolor=\"#767676\"></td><td width=\"2\"></td>"
          + piece(count - usual, " bgcolor=\"#cc3311\"")
          + "<td></td></tr></table>";
      return new Cell(text.toString(), html, " width=\"100%\"");
    }

    private static String piece(double part, String color) {
      if (part < 0.005) return "";
      return "<td width=\"%.0f%%\"%s></td>".formatted(part * BAR_WIDTH, color);
    }

    /** Where nothing stands over a column there is no heading to be read out. */
    String heading() {
      if (text.isBlank()) return element("td", "");
      boolean isRight = attributes.contains("align=");
      if (isRight) return element("th", "");
      return element("th", " align=\"left\"");
    }

    String element() {
      return element("td", "");
    }

    private String element(String name, String align) {
      return "<" + name + align + attributes + ">" + html + "</" + name + ">";
    }
  }

  // ==== Tags: what are the tickets about ========================================================

  /**
   * A tag of an hour's tickets.
   *
   * @param count   the tickets that carry it
   * @param usual   how many of that hour's tickets usually do, or null when that is not known
   * @param percent of all tickets that were read
   * @param risen   whether it came far more often than it usually does, see TagRule
   */
  record TagCount(String tag, long count, Double usual, double percent, boolean risen) {
    double excess() {
      if (usual == null) return 0;
      return count - usual;
    }

    boolean isNew() {
      return usual != null && usual == 0;
    }
  }

  /** Counts tags ticket by ticket, without case, as spelled in the earliest ticket. */
  static final class Tally {
    private final Set<String> omitted;
    private final Map<String, Tag> tags = new HashMap<>();
    private long untagged;

    /** A tag, how often it came, and the ticket and place where it came first. */
    private static final class Tag {
      private String spelled;
      private Ticket first;
      private int place;
      private long tickets;
    }

    Tally(Collection<String> omitted) {
      this.omitted = Set.copyOf(omitted);
    }

    void add(Ticket ticket) {
      if (ticket.tags().isEmpty()) untagged++;
      var counted = new HashSet<String>();
      for (int i = 0; i < ticket.tags().size(); i++) {
        var spelled = ticket.tags().get(i);
        var key = lower(spelled);
        if (omitted.contains(key) || !counted.add(key)) continue;
        var tag = tags.computeIfAbsent(key, absent -> new Tag());
        tag.tickets++;
        boolean isEarlier = tag.first == null || EARLIEST_FIRST.compare(ticket, tag.first) < 0;
        if (!isEarlier) continue;
        tag.spelled = spelled;
        tag.first = ticket;
        tag.place = i;
      }
    }

    private static final Comparator<Ticket> EARLIEST_FIRST =
        Comparator.comparing(Ticket::created).thenComparing(Ticket::id);

    private long count(String key) {
      return tags.get(key).tickets;
    }

    /** The keys, the most frequent first, equals in the order of first appearance. */
    private List<String> ranked() {
      Comparator<String> byCount = Comparator.comparingLong(key -> -count(key));
      return tags.keySet().stream().sorted(byCount
          .thenComparing(key -> tags.get(key).first, EARLIEST_FIRST)
          .thenComparing(key -> tags.get(key).place)).toList();
    }
  }

  /** The tickets of an hour, as far as they were read. */
  static final class HourTickets {
    private static final int MOST = 50_000; // tickets

    private final List<Ticket> tickets = new ArrayList<>();
    private final Set<Long> ids = new HashSet<>();
    private final Tally tally;
    private boolean isWhole; // read to the last page
    private boolean isTried; // beyond the first
    private String nextPage; // of search, or null
    private String missing = "";

    HourTickets(Collection<String> omitted) {
      this.tally = new Tally(omitted);
    }

    /** The first page, which may be all. */
    void add(TicketPage page, Hour hour, World world) {
      for (var ticket : page.tickets()) add(ticket, hour, world);
      nextPage = page.next();
      isWhole = nextPage == null || page.count() <= size();
      if (size() < page.count()) missing = notFound();
    }

    private String notFound() {
      if (size() == 0) return "they are invalid or were not found";
      return "the others are invalid or were not found";
    }

    private void add(Ticket ticket, Hour hour, World world) {
      boolean isNew = ticket.isWithin(hour.from(), hour.to()) && ids.add(ticket.id());
      if (isNew) add(ticket.sanitized(world));
    }

    void add(Ticket ticket) {
      tickets.add(ticket);
      tally.add(ticket);
    }

    void setMissing(String why) {
      missing = why;
    }

    /** What the first page did not hold: by export, or page by page where that fails. */
    void readRest(Zendesk zendesk, Hour hour, long count, Patience patience, World world) {
      if (isWhole || isTried) return;
      isTried = true;
      var end = hour.plus(1);
      var trouble = read(zendesk.export(hour, end, Zendesk.PAGE, patience), hour, world);
      if (!trouble.isEmpty() && count <= Zendesk.SEARCH_MOST) {
        trouble = read(zendesk.search(hour, nextPage, patience), hour, world);
      } else if (!trouble.isEmpty()) { // big pages may be too slow for Zendesk
        trouble = read(zendesk.export(hour, end, Zendesk.SMALL_PAGE, patience), hour, world);
      }
      missing = "";
      if (size() >= MOST) {
        missing = "more are not read";
      } else if (size() < count) {
        missing = trouble;
        if (trouble.isEmpty()) missing = notFound();
      }
      isWhole = trouble.isEmpty() && size() < MOST;
    }

    /** @return why it did not get to the end, or an empty text */
    private String read(Iterator<List<Ticket>> pages, Hour hour, World world) {
      try {
        while (size() < MOST && pages.hasNext()) {
          int before = size();
          for (var ticket : pages.next()) add(ticket, hour, world);
          if (size() == before) return ""; // no end would be in sight
        }
        return "";
      } catch (Fault e) {
        world.detail(e.getMessage());
        return e.getMessage();
      }
    }

    int size() {
      return tickets.size();
    }

    /** Whether the reading came to an end. */
    boolean isWhole() {
      return isWhole;
    }

    /** Why not all tickets are here; empty when they are. */
    String missing() {
      return missing;
    }

    /** How many carry each tag, omitted ones too; in lower case. */
    Map<String, Long> tagCounts() {
      var counts = new HashMap<String, Long>();
      for (var ticket : tickets) {
        for (var tag : ticket.distinctTags()) counts.merge(tag, 1L, Long::sum);
      }
      return counts;
    }

    /** Every tag that is not omitted, the most frequent first. */
    List<TagCount> ranked(Hour hour, TagRule rule) {
      var ranked = new ArrayList<TagCount>();
      for (var key : tally.ranked()) {
        long count = tally.count(key);
        ranked.add(new TagCount(tally.tags.get(key).spelled, count, rule.usual(hour, key),
            100.0 * count / size(), rule.isRisen(hour, key)));
      }
      return ranked;
    }

    List<TagCount> top(int most, Hour hour, TagRule rule) {
      return first(most, ranked(hour, rule));
    }

    long untagged() {
      return tally.untagged;
    }

    /** Tickets with that tag, or of all for null, oldest first. */
    List<Ticket> with(String tag) {
      var carriers = new ArrayList<Ticket>();
      for (var ticket : tickets) {
        if (tag == null || ticket.distinctTags().contains(lower(tag))) carriers.add(ticket);
      }
      carriers.sort(Tally.EARLIEST_FIRST);
      return carriers;
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
   * A ticket as far as it is read here; {@code tags} as sent but for invisible signs, none blank.
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
        var words = clean(tag.asText());
        if (tag.isTextual() && !words.isBlank()) tags.add(words);
      }
      return new Ticket(number(json.path("id")), instant(json.path("created_at").asText()),
          json.path("subject").textValue(), number(json.path("requester_id")), tags,
          json.path("result_type").asText("ticket"));
    }

    private static Long number(JsonNode json) {
      if (json.isIntegralNumber() && json.canConvertToLong()) return json.longValue();
      return null;
    }

    private static Instant instant(String text) {
      try {
        return OffsetDateTime.parse(text).toInstant();
      } catch (DateTimeException e) {
        return null;
      }
    }

    /** Its tags in lower case, each once. */
    Set<String> distinctTags() {
      var distinct = new LinkedHashSet<String>();
      for (var tag : tags) distinct.add(lower(tag));
      return distinct;
    }

    /**
     * With other people's words made fit to be shown: no secret, no address to click on. A tag that
     * is a word is none, even where somebody's password is the same word.
     */
    Ticket sanitized(World world) {
      String shown = null;
      if (subject != null) shown = unclickable(world.sanitize(subject));
      var shownTags = tags.stream().map(world.secrets::redact).toList();
      return new Ticket(id, created, shown, requester, shownTags, type);
    }

    /** Whether it is valid, and belongs to the span that was asked for. */
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
    }
  }

  /** A page of search, which has {@code next_page}, or of search/export, which has the rest. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record TicketPage(Long count, List<Ticket> results, String next_page, Links links, Meta meta,
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
      if (meta != null && meta.has_more) return links.next;
      return null;
    }
  }

  /** The search API: counts of, and tickets from, half-open spans of UTC time. */
  static final class Zendesk {
    static final int SEARCH_MOST = 1000; // search gives no more results, the rest is export's
    static final int PAGE = 1000;        // of export
    static final int SMALL_PAGE = 100;   // for when big pages are too slow for Zendesk
    private static final long MOST_TICKETS = 9_999_999; // of an hour
    private static final LocalDate WARNED_FROM = LocalDate.of(2027, 1, 1);

    private final Config config;
    private final World world;
    private final Http http;
    private Token token;
    private boolean tokenWorked;
    private long tokenEnds; // on the ticker
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
      return http.serverTime();
    }

    /** Tickets created from {@code from} up to and without {@code to}; exact past 1,000 too. */
    long count(Hour from, Hour to, Patience patience) {
      return count(from.from(), to.from(), config.query, patience);
    }

    long count(Instant from, Instant to, String query, Patience patience) {
      long hours = Math.max(1, Duration.between(from, to).toHours());
      return get("/api/v2/search/count.json?query=" + words("type:ticket", from, to, query),
          TicketCount.class, patience, answer -> expectPossible(answer.count, hours)).count;
    }

    private static void expectPossible(Long count, long hours) {
      Http.expect(count != null && count >= 0, "no count in its answer");
      Http.expect(count <= MOST_TICKETS * hours, "a count of " + count + ", which cannot be");
    }

    /** The hour's exact count and its first hundred tickets, in one request. */
    TicketPage firstPage(Hour hour, Patience patience) {
      return get(searchLink(hour), TicketPage.class, patience,
          page -> expectPossible(page.count, 1));
    }

    private String searchLink(Hour hour) {
      return "/api/v2/search.json?per_page=100&sort_by=created_at&sort_order=asc&query="
          + words("type:ticket", hour.from(), hour.to(), config.query);
    }

    /**
     * The tickets of the hour page after page, oldest first; search gives 1,000 at the most.
     *
     * @param next where to go on, or null to begin
     */
    Iterator<List<Ticket>> search(Hour hour, String next, Patience patience) {
      if (next == null) return new Pages(searchLink(hour), patience);
      return new Pages(next, patience);
    }

    /** The tickets of the span page after page, newest first. */
    Iterator<List<Ticket>> export(Hour from, Hour to, int pageSize, Patience patience) {
      return new Pages("/api/v2/search/export.json?filter%5Btype%5D=ticket&page%5Bsize%5D="
          + pageSize + "&query=" + words("", from.from(), to.from(), config.query), patience);
    }

    /** Page after page, each read when it is asked for. */
    private final class Pages implements Iterator<List<Ticket>> {
      private final Set<String> read = new HashSet<>();
      private final Patience patience;
      private String next;

      Pages(String first, Patience patience) {
        this.next = first;
        this.patience = patience;
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
        var page = get(next, TicketPage.class, patience, answer -> { });
        next = page.next();
        return page.tickets();
      }
    }

    /** Blank-free operators and full UTC instants: anything else Zendesk takes for free text. */
    private static String words(String type, Instant from, Instant to, String query) {
      return encode("%s created>=%s created<%s %s".formatted(type, from, to, query).strip());
    }

    /** @param check refuses what cannot be, so that it is asked for again */
    private <T> T get(String link, Class<T> type, Patience patience, Consumer<T> check) {
      var url = onSameHost(link);
      try {
        return ask(url, type, patience, check);
      } catch (PermanentFailure e) {
        if (e.status != 401 || !tokenWorked) throw fault(e);
      }
      token = null; // it ended before its time, so sign in once more
      tokenWorked = false;
      try {
        return ask(url, type, patience, check);
      } catch (PermanentFailure e) {
        throw fault(e);
      }
    }

    private <T> T ask(URI url, Class<T> type, Patience patience, Consumer<T> check) {
      requests++;
      var value = http.send(() -> HttpRequest.newBuilder(url)
          .header("Accept", "application/json")
          .header("Accept-Encoding", "gzip")
          .header("Authorization", authorization(patience))
          .build(), type, "[zendesk]", patience, check);
      tokenWorked = token != null;
      return value;
    }

    /** Where OAuth is used, before anything else: its answer tells Zendesk's time, too. */
    void signIn(Patience patience) {
      try {
        authorization(patience);
      } catch (PermanentFailure e) {
        throw fault(e);
      }
    }

    /** The whole address of a link, which must not lead the credentials to another host. */
    private URI onSameHost(String link) {
      var own = config.zendeskUrl;
      try {
        if (link.startsWith("/")) return new URI(own + link);
        var url = new URI(link);
        boolean isSame = own.getScheme().equals(url.getScheme())
            && own.getAuthority().equalsIgnoreCase(url.getAuthority());
        if (isSame) return url;
        throw Exit.ZENDESK.fault("%s: its next page is at another host, %s: refused, nothing was "
            + "sent there", place(), url.getHost());
      } catch (URISyntaxException e) {
        throw Exit.ZENDESK.fault(e, "%s: its next page is no URL", place());
      }
    }

    private String authorization(Patience patience) {
      if (config.zendeskClient == null) {
        var basic = Secrets.base64(config.credentials.text());
        world.secrets.add(basic);
        return "Basic " + basic;
      }
      if (token == null || world.ticker.nanos() > tokenEnds) {
        requests++;
        token = http.token(URI.create(config.zendeskUrl + "/oauth/tokens"), config.zendeskClient,
            "read", "[zendesk]", patience);
        tokenEnds = world.ticker.nanos() + token.life().toNanos();
      }
      return "Bearer " + token.access_token();
    }

    private String place() {
      return "[zendesk] " + Http.server(config.zendeskUrl);
    }

    private Fault fault(PermanentFailure e) {
      var exit = Exit.ZENDESK;
      if (e.status == 401 || e.status == 403) exit = Exit.DENIED;
      return exit.fault(e, "%s %s (%s)", place(), e.getMessage(), advice(e.status));
    }

    private String advice(int status) {
      if (status == 401 && config.zendeskClient != null) return "check ClientId and ClientSecret";
      if (status / 100 == 3) return "not followed; set Domain to the account's own subdomain";
      return switch (status) {
        case 401 -> "check Credentials; unused API tokens are switched off, no new ones can be "
            + "made since 27 Oct 2026 and all end on 30 Apr 2027: make an OAuth client";
        case 403 -> "the client's user must be an admin or an agent with access to all tickets";
        case 404 -> "check Domain";
        case 400, 422 -> "check Query";
        default -> "no cause is known; see doctor -v";
      };
    }
  }

  // ==== TagRule: does one tag surge, whatever the total does ====================================

  /**
   * What is said of one tag in an hour, together with the hour before.
   *
   * @param count      tickets of the hour that carry it
   * @param together   those of both hours
   * @param expected   how many of both hours usually do, given the others; null with {@code basis}
   *                   saying why that is not known
   * @param dispersion how much more unevenly than by chance the tag came in four weeks; 1 or more
   * @param score      deviations over the expected
   * @param needed     together, to be as far over the expected as a surge is
   */
  record TagVerdict(String tag, long count, Long together, Double expected, Double dispersion,
      String basis, Double score, Double needed, boolean surge) {
    private static final double RISEN = 3; // deviations that make a tag worth showing

    /** One that cannot be told. */
    TagVerdict(String tag, long count, String why) {
      this(tag, count, null, null, null, why, null, null, false);
    }

    String inWords() {
      return together + " in this hour and the one before; usual: " + orNone(expected);
    }

    /** How many tickets of both hours it takes. */
    long neededToSurge() {
      double least = Math.max(TagRule.LEAST, (1 + TagRule.INCREASE) * expected);
      return (long) Math.ceil(Math.max(needed, least));
    }

    /** Whether it is worth showing; one that surges has risen, too. */
    @JsonIgnore
    boolean isRisen() {
      return score != null && score >= RISEN;
    }
  }

  /**
   * Compares how many tickets carry a tag with its odds: of the last 28 days, of the last day, of
   * this hour of the week, whichever are the highest. So a tag that grows with the total is none
   * that surges.
   */
  static final class TagRule {
    private static final int DAYS = 28;
    private static final int WEEKS = 4;
    private static final int KNOWN = 336; // hours of the 28 days, for a verdict
    private static final int LEAST = 5;   // tickets of the hour itself
    private static final double DEVIATIONS = 5;
    private static final double INCREASE = 0.5;
    private static final double SHARE = 0.5; // a tag on more than half is the total's business
    private static final double PRIOR = 10; // tickets that an even tag weighs
    private static final int MOST_TOLD = 3; // tags of a notice
    private static final int NEWS = 24; // hours in which a tag is told once
    private static final int QUIET = 3; // hours after a spike of the total

    private final TagHistory tags;
    private final ZoneId zone;

    TagRule(TagHistory tags, ZoneId zone) {
      this.tags = tags;
      this.zone = zone;
    }

    /** How many tickets of the hour carry the tag; null where that is not known. */
    Double count(Hour hour, String tag) {
      if (!tags.knows(hour)) return null;
      return (double) tags.at(hour).count(tag);
    }

    /** Tickets with the tag, and without it. */
    private record Odds(long with, long without) {
      static Odds of(Collection<HourTags> hours, String tag) {
        long with = 0;
        long all = 0;
        for (var hour : hours) {
          with += hour.count(tag);
          all += hour.tickets();
        }
        return new Odds(with, all - with);
      }

      double ratio() {
        return with / (double) Math.max(1, without);
      }
    }

    private Collection<HourTags> lastDays(Hour hour, int days) {
      return tags.between(hour.plus(-24L * days), hour);
    }

    /** The hours that the local clock calls the same in each of the last four weeks. */
    private List<HourTags> sameHoursOfWeek(Hour hour) {
      var same = new ArrayList<HourTags>();
      for (int week = 1; week <= WEEKS; week++) {
        for (var past : hour.daysBefore(7 * week, zone)) {
          if (tags.knows(past)) same.add(tags.at(past));
        }
      }
      return same;
    }

    /** Of this hour and the one before, as far as they are known themselves. */
    private double ratioOfWeek(Hour hour, String tag) {
      var same = new ArrayList<HourTags>();
      for (var each : List.of(hour.plus(-1), hour)) {
        if (tags.knows(each)) same.addAll(sameHoursOfWeek(each));
      }
      return Odds.of(same, tag).ratio();
    }

    /** Whether enough is known to judge the hour's tags. */
    boolean canJudge(Hour hour) {
      return tags.knows(hour) && lastDays(hour, DAYS).size() >= KNOWN;
    }

    /** @param tag in lower case */
    TagVerdict verdict(Hour hour, String tag) {
      long count = 0;
      if (tags.knows(hour)) count = tags.at(hour).count(tag);
      if (!canJudge(hour)) return new TagVerdict(tag, count, "too little history");
      var month = Odds.of(lastDays(hour, DAYS), tag);
      boolean isOnMost = month.with > SHARE * (month.with + month.without);
      if (isOnMost) return new TagVerdict(tag, count, "on most tickets");

      var basis = "28 days";
      double most = month.ratio();
      double ofDay = Odds.of(lastDays(hour, 1), tag).ratio();
      if (ofDay > most) {
        basis = "24 hours";
        most = ofDay;
      }
      double ofWeek = ratioOfWeek(hour, tag);
      if (ofWeek > most) {
        basis = "hour of week";
        most = ofWeek;
      }
      var now = Odds.of(tags.between(hour.plus(-1), hour.plus(1)), tag);
      double expected = most * now.without;
      double dispersion = dispersion(hour, tag);
      double root = Math.sqrt(dispersion);
      double score = 2 * (Math.sqrt(now.with) - Math.sqrt(expected)) / root;
      double needed = Math.pow(Math.sqrt(expected) + DEVIATIONS / 2 * root, 2);
      boolean surges = count >= LEAST && score >= DEVIATIONS
          && now.with >= (1 + INCREASE) * expected;
      return new TagVerdict(tag, count, now.with, expected, dispersion, basis, score, needed,
          surges);
    }

    /** By the 28 days before the two hours; 1 for a new tag. */
    private double dispersion(Hour hour, String tag) {
      var past = lastDays(hour.plus(-1), DAYS);
      var odds = Odds.of(past, tag);
      double ratio = odds.ratio();
      double squares = 0;
      for (var each : past) {
        long with = each.count(tag);
        squares += Math.pow(with - ratio * (each.tickets() - with), 2);
      }
      return Math.max(1, (squares + PRIOR) / (odds.with + PRIOR));
    }

    /** Each tag on five tickets or more, the most frequent first. */
    List<TagVerdict> verdicts(Hour hour, Collection<String> omitted) {
      var verdicts = new ArrayList<TagVerdict>();
      if (!tags.knows(hour)) return verdicts;
      tags.at(hour).counts().forEach((tag, count) -> {
        boolean isWatched = count >= LEAST && !omitted.contains(tag);
        if (isWatched) verdicts.add(verdict(hour, tag));
      });
      return verdicts;
    }

    /**
     * The tags to tell, three at the most: those that were not told in the last 24 hours first,
     * then the clearest. None where none is new, and none during a spike of the total and three
     * hours after, whose notices name their causes.
     *
     * @param isSpike whether the total of an hour was one
     * @param isTold  whether there is a notice about an hour's tags
     */
    List<TagVerdict> surges(Hour hour, Predicate<Hour> isSpike, Predicate<Hour> isTold,
        Collection<String> omitted) {
      if (Hour.range(hour.plus(-QUIET), hour.plus(1)).anyMatch(isSpike)) return List.of();
      var fresh = new ArrayList<TagVerdict>();
      var told = new ArrayList<TagVerdict>();
      for (var verdict : verdicts(hour, omitted)) {
        if (!verdict.surge) continue;
        if (wasTold(hour, verdict.tag, isTold.or(isSpike))) told.add(verdict);
        else fresh.add(verdict);
      }
      if (fresh.isEmpty()) return List.of();
      var clearest = Comparator.comparingDouble(TagVerdict::score).reversed()
          .thenComparing(TagVerdict::tag);
      fresh.sort(clearest);
      told.sort(clearest);
      fresh.addAll(told);
      return first(MOST_TOLD, fresh);
    }

    /**
     * Whether a surge of the last 24 hours was told, or went on within 24 hours of one that was. So
     * one that began in an hour which no run has looked at is news in the next.
     */
    private boolean wasTold(Hour hour, String tag, Predicate<Hour> isTold) {
      Hour told = null; // the newest one
      for (var each : Hour.range(hour.plus(-Hour.NEWS), hour).toList()) {
        boolean goesOn = told != null && each.since(told) <= NEWS;
        if ((goesOn || isTold.test(each)) && surged(each, tag)) told = each;
      }
      return told != null && hour.since(told) <= NEWS;
    }

    private boolean surged(Hour hour, String tag) {
      return tags.knows(hour) && tags.at(hour).count(tag) >= LEAST && verdict(hour, tag).surge;
    }

    boolean isRisen(Hour hour, String tag) {
      return verdict(hour, tag).isRisen();
    }

    /** How many tickets of that hour of the week carry the tag; null where none is known. */
    Double usual(Hour hour, String tag) {
      var same = sameHoursOfWeek(hour);
      if (same.isEmpty()) return null;
      return Odds.of(same, tag).with / (double) same.size();
    }
  }

  // ==== Verdict: is this hour a spike ===========================================================

  /** The third step: every verdict of job, explain, backtest and report comes from here. */
  static final class Judge {
    private static final double ALONE_MORE = 1; // deviation that an hour by itself needs more

    final Rule rule;
    final Counts counts;
    final Baselines baselines;

    Judge(Rule rule, Counts counts) {
      this(rule, new Baselines(rule, counts));
    }

    /** @param baselines of a rule with the same name, shared since they take the time */
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
        return new Learning(hour, count, baselines.samplesSoFar(hour), baselines.needed());
      }
      var thresholds = thresholds(hour);
      var together = together(hour);
      if (isSpike(hour, count, thresholds)) {
        return new Spike(hour, count, usual, thresholds, together);
      }
      return new Calm(hour, count, usual, thresholds, together);
    }

    /**
     * THE DECISION, for job, explain, backtest and report. For business hours alone write
     * <pre>
     * int clock = hour.from().atZone(rule.config().zone).getHour();
     * return count >= thresholds.least() && clock >= 8 && clock < 18;
     * </pre>
     * An open episode then gets its all-clear at closing time.
     */
    private boolean isSpike(Hour hour, long count, Thresholds thresholds) {
      return count >= thresholds.least();
    }

    /** What the hour has to hold to be a spike; null while there is too little history to say. */
    Thresholds thresholds(Hour hour) {
      var usual = baselines.of(hour);
      if (usual == null) return null;
      if (rule.isWeekly()) return weeklyThresholds(hour, usual);
      return meanThresholds(usual);
    }

    private Thresholds meanThresholds(Baseline usual) {
      double tickets = (1 + rule.threshold) * usual.mean;
      var limit = new Threshold("SpikeThreshold", () -> "more than " + percent(rule.threshold)
          + " over " + decimal(usual.mean), tickets, true);
      return thresholdsOf(List.of(limit), List.of(minTickets()));
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
      var either = new ArrayList<Threshold>();
      either.add(alone(usual));
      var together = withTheHourBefore(hour, usual);
      if (together != null) either.add(together);
      return thresholdsOf(either, others);
    }

    /** An hour without tickets is no spike, whatever is set. */
    private Threshold minTickets() {
      int least = Math.max(1, rule.config.minTickets);
      return new Threshold("MinTickets", () -> "at least " + plural(least, "ticket"), least, false);
    }

    /**
     * The highest threshold decides, since all have to be passed.
     *
     * @param either thresholds of which one is enough: the easiest counts
     */
    private static Thresholds thresholdsOf(List<Threshold> either, List<Threshold> others) {
      var all = new ArrayList<>(either);
      var effective = Collections.min(either, Comparator.comparingDouble(Threshold::tickets));
      for (var threshold : others) {
        boolean isTrivial = threshold.key.equals("MinTickets") && threshold.tickets <= 1;
        if (!isTrivial || threshold.least() > effective.least()) all.add(threshold);
        if (threshold.least() > effective.least()) effective = threshold;
      }
      return new Thresholds(all, effective);
    }

    private Threshold alone(Baseline usual) {
      double deviation = usual.spread.deviation;
      double more = 0;
      if (usual.spread.isOfWeek) more = ALONE_MORE;
      double deviations = rule.deviations + more;
      double tickets = usual.mean + deviations * deviation;
      return new Threshold("Deviations", () -> "alone " + decimal(deviations) + " deviations of "
          + decimal(deviation) + " over " + decimal(usual.mean), tickets, false);
    }

    /** Two hours that are high together stand out sooner than one alone. */
    private Threshold withTheHourBefore(Hour hour, Baseline usual) {
      var before = usualBefore(hour, usual);
      if (before == null) return null;
      double tickets = usual.mean + rule.deviations * deviationOf(usual, before)
          - excess(hour.plus(-1), before);
      return new Threshold("Deviations", () -> "with the hour before " + decimal(rule.deviations)
          + " deviations of both", tickets, false);
    }

    private Double together(Hour hour) {
      var usual = baselines.of(hour);
      var before = usualBefore(hour, usual);
      if (before == null) return null;
      double excess = excess(hour, usual) + excess(hour.plus(-1), before);
      return excess / deviationOf(usual, before);
    }

    private double excess(Hour hour, Baseline usual) {
      return counts.at(hour) - usual.mean;
    }

    /** What the hour before usually holds, if both hours can be seen together; else null. */
    private Baseline usualBefore(Hour hour, Baseline usual) {
      var before = hour.plus(-1);
      if (usual.spread == null || !usual.spread.isOfWeek || !counts.knows(before)) return null;
      var usualBefore = baselines.of(before);
      if (usualBefore != null && usualBefore.spread.isOfWeek) return usualBefore;
      return null;
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

  /**
   * One thing that a spike has to pass.
   *
   * @param key     of auth.ini that sets it
   * @param words   made when they are asked for, since few verdicts are shown
   * @param tickets the count that it asks for, not whole as a rule
   * @param isLimit whether that very count is too few, as under the rule mean
   */
  record Threshold(String key, Supplier<String> words, double tickets, boolean isLimit) {
    Threshold {
      tickets = Math.rint(tickets * 1e6) / 1e6; // 1.4 times 45 is 63, not 62.99999999999999
    }

    /** The count that it asks for, for people: after a busy hour it may be less than none. */
    double shown() {
      return Math.max(0, tickets);
    }

    /** The smallest count that passes. */
    long least() {
      if (isLimit) return (long) Math.floor(tickets) + 1;
      return (long) Math.ceil(tickets);
    }
  }

  /** All of them, to be shown, and the one that decides; of alone and together the easier. */
  record Thresholds(List<Threshold> all, Threshold effective) {
    /** The smallest count that is a spike. */
    long least() {
      return effective.least();
    }

    String mark(Threshold threshold) {
      if (threshold == effective) return "decides";
      return "";
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

  /** A judged hour as JSON, with the same names for job, explain and backtest. */
  static ObjectNode json(Verdict verdict) {
    var json = JSON.createObjectNode();
    json.put("hour", verdict.hour().from().toString());
    json.put("count", verdict.count());
    if (verdict instanceof Judged judged) {
      var usual = judged.baseline();
      var word = "calm";
      if (verdict instanceof Spike) word = "spike";
      json.put("mean", usual.mean);
      json.put("needed", judged.thresholds().least());
      json.put("percent", usual.percent(verdict.count()));
      json.put("samples", usual.samples);
      json.put("verdict", word);
      if (usual.spread != null) {
        json.put("z", usual.z(verdict.count()));
        json.put("together", judged.together());
        json.put("spread", usual.spread.deviation);
      }
    } else if (verdict instanceof Learning learning) {
      json.putNull("mean").putNull("needed").putNull("percent");
      json.put("samples", learning.samples);
      json.put("verdict", "learning");
      json.put("samples_needed", learning.needed);
    }
    return json;
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

  // ==== Stops: do tickets still come ============================================================

  /** Tells when tickets stop coming. By the weekly means, whatever rule finds the spikes. */
  static final class Stops {
    private static final double ENOUGH = 12; // tickets that usually come in the hours looked at
    private static final int MOST_HOURS = 24;
    private static final double STOPPED = 0.1; // of the usual
    private static final double AGAIN = 0.5;
    private static final double LEAST_LOW = 0.25;

    private final Baselines baselines;
    private final Counts counts;

    Stops(Config config, Counts counts) {
      this.counts = counts;
      this.baselines = new Baselines(new Rule(config, RuleName.WEEKLY, config.spikeThreshold,
          config.deviations), counts);
    }

    /** The hours up to that one; null when they cannot tell, as on a holiday. */
    Stop at(Hour hour) {
      double low = Math.min(1, Math.max(LEAST_LOW, baselines.lastDays(hour)));
      long came = 0;
      double usual = 0;
      for (int hours = 1; hours <= MOST_HOURS; hours++) {
        var each = hour.plus(1 - hours);
        if (!counts.knows(each) || baselines.isIgnored(each)) return null;
        double mean = baselines.weeklyMean(each);
        if (mean == Baselines.UNKNOWN) return null;
        came += counts.at(each);
        usual += mean * low;
        if (usual >= ENOUGH) return new Stop(flow(came, usual), low, hours, came, usual);
      }
      return null;
    }

    private static Flow flow(long came, double usual) {
      if (came <= STOPPED * usual) return Flow.STOPPED;
      if (came >= AGAIN * usual) return Flow.AGAIN;
      return Flow.BETWEEN;
    }

    /** What would be told: the hours at which tickets stop, and come again, by turns. */
    List<Hour> turns(Hour first) {
      var turns = new ArrayList<Hour>();
      for (var hour : counts.hours()) {
        if (hour.isBefore(first)) continue;
        var stop = at(hour);
        var awaited = Flow.STOPPED;
        if (turns.size() % 2 == 1) awaited = Flow.AGAIN;
        if (stop != null && stop.verdict == awaited) turns.add(hour);
      }
      return turns;
    }
  }

  /**
   * How many tickets came in the last hours, where a dozen usually come.
   *
   * @param low   what the usual was lowered by, since the last days were quiet: 0.25 to 1
   * @param hours up to the judged one, itself included
   */
  record Stop(Flow verdict, double low, int hours, long came, double usual) {
    String inWords() {
      return came + " in " + plural(hours, "hour") + ", usually " + amount(usual);
    }

    /** What the usual was before quiet days lowered it. */
    String loweredInWords() {
      if (low > 0.8) return "";
      return " The usual was lowered from " + amount(usual / low)
          + " to follow the last three days.";
    }
  }

  /** Whether tickets come: a tenth of the usual or fewer, half of it or more, or between. */
  enum Flow {
    @JsonProperty("stopped") STOPPED,
    @JsonProperty("again") AGAIN,
    @JsonProperty("between") BETWEEN
  }

  // ==== Baselines: what does this hour usually hold =============================================

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
    private static final double MOST_GROWTH = 4;
    static final double UNKNOWN = -1; // a mean, which is never below 0

    private static final double OPEN_OF_QUARTER = 0.05; // of what 13 weeks average
    private static final double OPEN_OF_WEEK = 0.1; // of the middle one of the last seven days
    private static final int OPEN_DAYS = 4; // known ones that a middle one takes
    private static final int WEEK = 168; // hours

    final Rule rule;
    final Counts counts;
    private final Map<Hour, Baseline> baselines = new HashMap<>();
    private final Map<Hour, Double> weeklyMeans = new HashMap<>();
    private List<SameHours> sameHours; // by hour of day; made when the rule mean asks for it

    Baselines(Rule rule, Counts counts) {
      this.rule = rule;
      this.counts = counts;
    }

    /** Step 1: which earlier hours the hour is compared with. */
    Samples samples(Hour hour) {
      if (!rule.isWeekly()) return sameHours(hour).samples(hour, rule.config.numHours);
      var weeks = samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS);
      boolean isEnough = weeks.known.size() >= Math.max(MIN_WEEKS, rule.config.minSamples);
      if (isEnough) return weeks;
      return samples(hour, Basis.LAST_DAYS, 1, LAST_DAYS);
    }

    /** By steps of so many days, up to so many days before. */
    private Samples samples(Hour hour, Basis basis, int step, int most) {
      var samples = new Samples(basis, new ArrayList<>(), new ArrayList<>(), new ArrayList<>(),
          new ArrayList<>());
      double open = openFrom(hour);
      for (int days = step; days <= most; days += step) {
        for (var past : hour.daysBefore(days, rule.config.zone)) {
          if (past.isBefore(hour)) sort(past, isOpen(past, open), samples);
        }
      }
      return samples;
    }

    private void sort(Hour past, boolean isOpen, Samples samples) {
      if (isIgnored(past)) samples.ignored.add(past);
      else if (!counts.knows(past)) samples.unknown.add(past);
      else if (!isOpen) samples.closed.add(past);
      else samples.known.add(new Sample(past, counts.at(past)));
    }

    /**
     * What the hours of a week have to average for that week to be open, as seen from the hour. A
     * desk that is not there yet, or closed, has no baseline: a test ticket weeks before it opens
     * would make each of its hours a spike.
     */
    private double openFrom(Hour hour) {
      var days = new ArrayList<Double>();
      for (int day = 1; day <= 7; day++) {
        double average = counts.average(hour.plus(-24L * day), hour.plus(-24L * (day - 1)));
        if (!Double.isNaN(average)) days.add(average);
      }
      double ofWeek = 0;
      if (days.size() >= OPEN_DAYS) ofWeek = OPEN_OF_WEEK * median(doubles(days));
      double quarter = counts.average(hour.plus(-(long) WEEK * WEEKS), hour);
      if (Double.isNaN(quarter)) return ofWeek;
      return Math.max(ofWeek, OPEN_OF_QUARTER * quarter);
    }

    /** Whether the seven days up to the hour, itself included, average as much. */
    private boolean isOpen(Hour hour, double least) {
      return counts.average(hour.plus(1 - WEEK), hour.plus(1)) >= least;
    }

    private SameHours sameHours(Hour hour) {
      if (sameHours == null) {
        sameHours = new ArrayList<>();
        for (int i = 0; i < 24; i++) sameHours.add(new SameHours());
        Hour.range(counts.first(), counts.end()).forEach(each ->
            sameHours.get(hourOfDay(each)).add(each));
      }
      return sameHours.get(hourOfDay(hour));
    }

    private int hourOfDay(Hour hour) {
      return hour.from().atZone(rule.config.zone).getHour();
    }

    /** The hours that the local clock calls the same, oldest first, and sums of their counts. */
    private final class SameHours {
      private final List<Hour> hours = new ArrayList<>();
      private final List<Long> sums = new ArrayList<>(List.of(0L));     // of the first n hours
      private final List<Integer> numbers = new ArrayList<>(List.of(0)); // of samples among them

      void add(Hour hour) {
        long sum = sums.get(hours.size());
        int number = numbers.get(hours.size());
        if (isSample(hour)) {
          sum += counts.at(hour);
          number++;
        }
        hours.add(hour);
        sums.add(sum);
        numbers.add(number);
      }

      private boolean isSample(Hour hour) {
        return counts.knows(hour) && !isIgnored(hour) && isOpen(hour);
      }

      /** A desk has no baseline before its first ticket. */
      private boolean isOpen(Hour hour) {
        return Baselines.this.isOpen(hour, Double.MIN_VALUE);
      }

      /** How many come before that hour. */
      private int indexOf(Hour hour) {
        int index = Collections.binarySearch(hours, hour);
        if (index >= 0) return index;
        return -index - 1;
      }

      Baseline baseline(Hour hour, int numHours) {
        int from = indexOf(hour.plus(-numHours));
        int to = indexOf(hour);
        int number = numbers.get(to) - numbers.get(from);
        if (number < needed(Basis.HOUR_OF_DAY)) return null;
        return new Baseline((sums.get(to) - sums.get(from)) / (double) number, number, null);
      }

      Samples samples(Hour hour, int numHours) {
        var samples = new Samples(Basis.HOUR_OF_DAY, new ArrayList<>(), new ArrayList<>(),
            new ArrayList<>(), new ArrayList<>());
        for (int i = indexOf(hour) - 1; i >= indexOf(hour.plus(-numHours)); i--) {
          sort(hours.get(i), isOpen(hours.get(i)), samples);
        }
        return samples;
      }
    }

    boolean isIgnored(Hour hour) {
      var days = rule.config.ignoredDays;
      return !days.isEmpty() && days.contains(hour.date(rule.config.zone));
    }

    /** How many samples it takes to judge, the last days serving where the weeks are too few. */
    int needed() {
      if (rule.isWeekly()) return needed(Basis.LAST_DAYS);
      return needed(Basis.HOUR_OF_DAY);
    }

    private int needed(Basis basis) {
      int least = rule.config.minSamples;
      if (basis == Basis.LAST_DAYS) return Math.max(MIN_DAYS, least);
      return least;
    }

    /** Step 2: what the hour usually holds; null while there is too little history to say. */
    Baseline of(Hour hour) {
      if (!baselines.containsKey(hour)) baselines.put(hour, reckoned(hour));
      return baselines.get(hour);
    }

    private Baseline reckoned(Hour hour) {
      if (!rule.isWeekly()) return sameHours(hour).baseline(hour, rule.config.numHours);
      var samples = samples(hour);
      if (samples.known.size() < needed(samples.basis)) return null;
      double growthFactor = 1;
      if (samples.basis == Basis.HOUR_OF_WEEK) growthFactor = growthFactor(hour);
      return weekly(samples, growthFactor);
    }

    /** How many samples there are while they are too few. */
    int samplesSoFar(Hour hour) {
      if (!rule.isWeekly()) return samples(hour).known.size();
      return Math.max(samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS).known.size(),
          samples(hour, Basis.LAST_DAYS, 1, LAST_DAYS).known.size());
    }

    /** The mean of the samples, and how far they stray, drawn towards what is usual anywhere. */
    private static Baseline weekly(Samples samples, double growthFactor) {
      boolean isOfWeek = samples.basis == Basis.HOUR_OF_WEEK;
      double cap = Double.POSITIVE_INFINITY;
      if (isOfWeek) cap = cap(values(samples));
      double[] values = capped(values(samples), cap);
      int n = values.length;
      double mean = mean(values) * growthFactor;
      double squares = 0; // (n - 1) times the variance
      for (double value : values) squares += Math.pow(value * growthFactor - mean, 2);
      double variance = (squares + PRIOR * assumedVariance(mean)) / (n - 1 + PRIOR);
      double noLess = Math.max(mean, 1); // no count strays less than chance makes it
      double deviation = Math.sqrt(Math.max(variance, noLess) * (1 + 1.0 / n));
      return new Baseline(mean, n, new Spread(deviation, growthFactor, cap, isOfWeek));
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
    private double growthFactor(Hour hour) {
      return Math.min(MOST_GROWTH, Math.max(1, lastDays(hour)));
    }

    /**
     * The middle one of what the last three days held over what their hours usually hold; 1 where
     * that is not known.
     */
    double lastDays(Hour hour) {
      var ratios = new ArrayList<Double>();
      for (int day = 1; day <= LEVEL_DAYS; day++) {
        double held = 0;
        double usual = 0;
        int known = 0;
        for (int i = 0; i < 24; i++) {
          var each = hour.plus(-24L * day + i);
          if (isIgnored(each) || !counts.knows(each)) continue;
          double mean = weeklyMean(each);
          if (mean == UNKNOWN) continue;
          held += counts.at(each);
          usual += mean;
          known++;
        }
        if (known >= LEVEL_MIN_HOURS && usual > 0) ratios.add(held / usual);
      }
      if (ratios.isEmpty()) return 1;
      return median(doubles(ratios));
    }

    /**
     * The capped mean of the same hour of the week, {@code UNKNOWN} with fewer than four of them.
     * Kept, since every verdict asks for those of three days.
     */
    double weeklyMean(Hour hour) {
      return weeklyMeans.computeIfAbsent(hour, absent -> {
        double[] values = values(samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS));
        if (values.length < MIN_WEEKS) return UNKNOWN;
        return mean(capped(values, cap(values)));
      });
    }

    private static double[] doubles(List<Double> values) {
      return values.stream().mapToDouble(value -> value).toArray();
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

  /** The settings that decide: those of auth.ini, but for the three that backtest varies. */
  record Rule(Config config, RuleName name, double threshold, double deviations) {
    Rule(Config config) {
      this(config, config.ruleName, config.spikeThreshold, config.deviations);
    }

    boolean isWeekly() {
      return name == RuleName.WEEKLY;
    }
  }

  /**
   * Which hours are compared with the judged one, newest first, and which were left out.
   *
   * @param closed known hours of weeks in which the desk was not there yet, or closed
   */
  record Samples(Basis basis, List<Sample> known, List<Hour> unknown, List<Hour> ignored,
      List<Hour> closed) { }

  /** An earlier hour's count that the judged hour is compared with. */
  record Sample(Hour hour, long count) { }

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

    /** What it was before it was raised, where that was by so much: 1.2 is a fifth. */
    String raisedInWords(double least) {
      if (spread == null || spread.growthFactor < least) return "";
      return ", raised from " + amount(mean / spread.growthFactor)
          + " to follow the last three days";
    }

    /** Percent over the mean; null when the mean is 0. */
    Double percent(long count) {
      if (mean == 0) return null;
      return (count - mean) / mean * 100;
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

  // ==== History: what did earlier hours hold ====================================================

  /** The known counts by hour from {@code first} on, -1 for unknown, which is never 0. */
  static final class Counts {
    private final long first;
    private final long[] counts;
    private final long[] sums;  // of the known counts of the first n hours
    private final int[] knowns; // of these hours how many are known

    Counts(NavigableMap<Hour, Long> known) {
      long first = 0;
      int length = 0;
      if (!known.isEmpty()) {
        first = known.firstKey().number();
        length = (int) known.lastKey().since(known.firstKey()) + 1;
      }
      this.first = first;
      counts = new long[length];
      Arrays.fill(counts, -1);
      known.forEach((hour, count) -> counts[index(hour)] = count);

      sums = new long[length + 1];
      knowns = new int[length + 1];
      for (int i = 0; i < length; i++) {
        sums[i + 1] = sums[i];
        knowns[i + 1] = knowns[i];
        if (counts[i] < 0) continue;
        sums[i + 1] += counts[i];
        knowns[i + 1]++;
      }
    }

    /** Tickets an hour of the known hours of {@code [from, end)}; NaN where none is known. */
    double average(Hour from, Hour end) {
      int a = index(from);
      int b = index(end);
      return (sums[b] - sums[a]) / (double) (knowns[b] - knowns[a]);
    }

    private int index(Hour hour) {
      return (int) Math.max(0, Math.min(counts.length, hour.number() - first));
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
   * Each is written whole or not at all. A file that holds something invalid is read as far as it
   * goes, and never overwritten.
   */
  static final class History {
    private final Path file;
    private final Path stateFile;
    private final NavigableMap<Hour, Long> known;
    private final State state;
    /** What could not be read, a line each; then nothing may be written over it. */
    final List<String> troubles;

    /** What stands beside the history. The names in the file are those of the second edition. */
    @JsonPropertyOrder({"account", "query", "begun", "judged", "again"})
    static final class State {
      public String account; // with the query: what is counted
      public String query;
      @JsonProperty("begun")
      public Hour monitoredSince; // the first run's hour; null where an older edition ran
      @JsonProperty("judged")
      public Hour takenUp; // the newest hour that was judged, or is pending; null before the first
      @JsonProperty("again")
      public TreeSet<Hour> pending = new TreeSet<>(); // hours to be judged yet, or once more
    }

    private History(Path file, NavigableMap<Hour, Long> known, State state,
        List<String> troubles) {
      this.file = file;
      this.stateFile = stateFile(file);
      this.known = known;
      this.state = state;
      this.troubles = troubles;
    }

    private static Path stateFile(Path file) {
      return file.resolveSibling(file.getFileName() + ".state");
    }

    /**
     * The counts alone, for commands that only read; no file is an empty history.
     *
     * @throws Fault HISTORY naming file, line and column of the first thing that is invalid
     */
    static Counts read(Path file) {
      var troubles = new ArrayList<String>();
      var known = parse(file, troubles);
      if (!troubles.isEmpty()) throw Exit.HISTORY.fault("%s", troubles.get(0));
      return new Counts(known);
    }

    private static NavigableMap<Hour, Long> parse(Path file, List<String> troubles) {
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text == null) return new TreeMap<>();
        return new CsvReader(file, troubles).read(text);
      } catch (Fault e) {
        troubles.add(e.getMessage());
        return new TreeMap<>();
      }
    }

    /**
     * For a run. What is invalid is skipped and told by {@link #troubles}.
     *
     * @throws Fault CONFIG when the file counts another account or Query
     */
    static History open(Path file, String account, String query) {
      var troubles = new ArrayList<String>();
      var known = parse(file, troubles);
      var state = readState(stateFile(file), troubles);
      if (state == null) {
        state = new State();
        state.account = account;
        state.query = normalized(query);
        if (!known.isEmpty()) state.takenUp = known.lastKey();
      }
      var history = new History(file, known, state, troubles);
      history.checkScope(account, normalized(query));
      return history;
    }

    private static State readState(Path file, List<String> troubles) {
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text == null) return null;
        var state = JSON.readValue(text, State.class);
        if (state != null && state.pending == null) state.pending = new TreeSet<>();
        if (state != null && state.account != null && state.query != null) return state;
      } catch (Fault e) {
        troubles.add(e.getMessage());
        return null;
      } catch (JsonProcessingException e) {
        // said below
      }
      troubles.add(Disk.shown(file) + ": is no state of a history (delete it: the next run makes "
          + "it anew, and what the history counts is not checked then)");
      return null;
    }

    /** Two scopes must never mix: 2 tickets an hour are no baseline for an hour of 100. */
    private void checkScope(String account, String query) {
      if (state.account.equals(account) && state.query.equals(query)) return;
      throw Exit.CONFIG.fault("%s: was counted %s, but this run would count %s (set [default] "
              + "SpikeDB to a new file; or, to keep these counts as they are, delete %s)",
          Disk.shown(file), scope(state.account, state.query), scope(account, query),
          Disk.shown(stateFile));
    }

    static String scope(String account, String query) {
      if (query.isEmpty()) return "at " + account + " without Query";
      return "at " + account + " with Query " + query;
    }

    /** A query whose blanks do not matter. */
    static String normalized(String query) {
      return query.strip().replaceAll("\\s+", " ");
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

    /** The newest known hour, or null. */
    Hour newest() {
      if (known.isEmpty()) return null;
      return known.lastKey();
    }

    /** The last known hours before that one, so many at the most, newest first. */
    List<Hour> knownBefore(Hour hour, int most) {
      var before = known.headMap(hour, false).descendingKeySet();
      return before.stream().limit(most).toList();
    }

    void put(Hour hour, long count) {
      known.put(hour, count);
    }

    void forget(Hour hour) {
      known.remove(hour);
    }

    /** The newest hour that was judged, or is pending; null before the first. */
    Hour takenUp() {
      return state.takenUp;
    }

    /** Notes that the first run is on, so that nothing before that hour is news. */
    void beginMonitoring(Hour hour) {
      state.monitoredSince = hour;
    }

    /** A clock that was ahead once may have left hours that are not there yet as judged. */
    void forgetAfter(Hour last) {
      state.pending.tailSet(last, false).clear();
      boolean isAhead = state.takenUp != null && state.takenUp.isAfter(last);
      if (isAhead) state.takenUp = known.lowerKey(last);
    }

    boolean isBeforeMonitoring(Hour hour) {
      return state.monitoredSince != null && hour.isBefore(state.monitoredSince);
    }

    /** The earlier hours to be judged, oldest first. */
    List<Hour> pending() {
      return List.copyOf(state.pending);
    }

    /** Notes that the hour has to be judged, by a later run if need be. */
    void judgeLater(Hour hour) {
      state.pending.add(hour);
      takeUp(hour);
    }

    /** Notes that the hour was judged, or is too old to be. */
    void noLongerPending(Hour hour) {
      state.pending.remove(hour);
      takeUp(hour);
    }

    private void takeUp(Hour hour) {
      if (state.takenUp == null || state.takenUp.isBefore(hour)) state.takenUp = hour;
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
          text.append(',');
          var count = known.get(Hour.of(date, i));
          if (count != null) text.append(count);
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
  record CsvReader(Path file, List<String> troubles) {
    private static final String HEADER = "date,00,01,\u2026,23";
    private static final Pattern COUNT = Pattern.compile("(\\d{1,15})(?:\\.0{1,2})?");
    private static final Pattern THOUSANDS = Pattern.compile("\\d{1,3}([., \u00a0\u202f']\\d{3})+");
    private static final DateTimeFormatter DATE =
        DateTimeFormatter.ofPattern("uuuu-MM-dd[ HH:mm[:ss]]['T'HH:mm[:ss]]")
            .withResolverStyle(ResolverStyle.STRICT);

    NavigableMap<Hour, Long> read(String text) {
      var lines = text.lines().toList();
      int start = 0;
      boolean isForSpreadsheets = !lines.isEmpty() && lines.get(0).matches("(?i)sep=.");
      if (isForSpreadsheets) start = 1;
      if (start == lines.size()) throw fault(1, "1", "no header", HEADER);
      var separator = separator(lines.get(start));
      var header = header(cells(lines.get(start), separator), start + 1);
      var known = new TreeMap<Hour, Long>();
      var dates = new HashSet<LocalDate>();
      for (int i = start + 1; i < lines.size(); i++) {
        var cells = cells(lines.get(i), separator);
        if (cells.stream().allMatch(String::isEmpty)) continue;
        try {
          var date = date(i + 1, cells, header);
          if (!dates.add(date)) throw fault(i + 1, "date", date + " again", "one row a date");
          known.putAll(counts(i + 1, date, cells, header));
        } catch (Fault e) { // costs its line only
          troubles.add(e.getMessage());
        }
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
          if (hours.isEmpty()) dateColumn = i; // later ones hold nothing, see counts
          continue;
        }
        if (i == 0) throw fault(line, "1", quoted(name), HEADER);
        boolean isHour = name.matches("[01]?\\d|2[0-3]");
        if (!isHour || hours.containsValue(Integer.valueOf(name))) {
          throw fault(line, name, quoted(name), "each of 00 to 23 once");
        }
        hours.put(i, Integer.valueOf(name));
      }
      if (hours.isEmpty()) throw fault(line, "1", quoted(names.get(0)), HEADER);
      return new Header(dateColumn, hours);
    }

    /** A row that a spreadsheet cut short after its last count lacks unknown hours only. */
    private Map<Hour, Long> counts(int line, LocalDate date, List<String> cells, Header header) {
      var counts = new HashMap<Hour, Long>();
      for (int i = header.dateColumn + 1; i < cells.size(); i++) {
        var cell = cells.get(i);
        if (cell.isEmpty()) continue;
        if (!header.hours.containsKey(i)) {
          throw fault(line, String.valueOf(i + 1), quoted(cell), "nothing, the column has no name");
        }
        int hour = header.hours.get(i);
        counts.put(Hour.of(date, hour), countIn(line, hour, cell));
      }
      return counts;
    }

    private LocalDate date(int line, List<String> cells, Header header) {
      var cell = "";
      if (header.dateColumn < cells.size()) cell = cells.get(header.dateColumn);
      try {
        var date = LocalDate.parse(cell, DATE);
        // --hour looks back from the year 2000 on; wider, and Counts were huge
        if (date.getYear() >= 1980 && date.getYear() < 2200) return date;
      } catch (DateTimeException e) {
        // said below
      }
      throw fault(line, "date", quoted(cell), "a date such as 2026-11-23");
    }

    private long countIn(int line, int hour, String cell) {
      var count = COUNT.matcher(cell);
      if (count.matches()) return Long.parseLong(count.group(1));
      var expected = "a count, or nothing for an unknown hour";
      if (THOUSANDS.matcher(cell).matches()) {
        expected = "1000 without a sign between the digits: set the cells' format to plain numbers";
      }
      throw fault(line, "%02d".formatted(hour), quoted(cell), expected);
    }

    private static String quoted(String cell) {
      return "'" + oneLine(cell) + "'";
    }

    private Fault fault(int line, String column, String wrong, String expected) {
      return Exit.HISTORY.fault("%s: line %d, column %s: %s (expected %s)", Disk.shown(file), line,
          oneLine(column), wrong, expected);
    }
  }

  // ==== TagHistory: which tags did each hour hold ===============================================

  /**
   * How many tickets an hour has, and how many of them carry each tag.
   *
   * @param counts by tag in lower case, the most frequent first
   * @param line   both as they stand in the file
   */
  record HourTags(long tickets, Map<String, Long> counts, String line) {
    long count(String tag) {
      return counts.getOrDefault(tag, 0L);
    }
  }

  /**
   * The file {@code history.csv.tags}: a row an hour, {@code hour,tickets,tags}, the tags as
   * {@code tag:n} between blanks, as they were when the hour was first read. A file that holds
   * something invalid is read as far as it goes, and kept.
   */
  static final class TagHistory {
    static final int DAYS = 29; // that a run keeps; reading takes as many as there are
    static final long MOST_TICKETS = 5000; // of an hour; above, tags are not kept
    private static final int MOST_TAGS = 300; // of an hour, the most frequent
    private static final String HEADER = "hour,tickets,tags";
    private static final Pattern SPECIAL = Pattern.compile("[,\"%\\s\\p{Z}\\p{Cc}]");

    private final NavigableMap<Hour, HourTags> known = new TreeMap<>();
    final List<String> badLines = new ArrayList<>(); // what is invalid: then it is not written
    private boolean isChanged;

    static Path file(Path history) {
      return history.resolveSibling(history.getFileName() + ".tags");
    }

    /** No file is no fault: a run reads again what it lacks. */
    static TagHistory read(Path history) {
      var tags = new TagHistory();
      var file = file(history);
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text != null) tags.parse(file, text.lines().toList());
      } catch (Fault e) {
        tags.badLines.add(e.getMessage());
      }
      return tags;
    }

    private void parse(Path file, List<String> lines) {
      for (int i = 0; i < lines.size(); i++) {
        var line = lines.get(i).strip();
        if (line.isEmpty() || line.equals(HEADER)) continue;
        try {
          parse(line);
        } catch (IllegalArgumentException | DateTimeException e) {
          badLines.add("%s: line %d: '%s' (expected %s, such as 2026-11-24T13,2,bug:1 web:2; until "
              .formatted(Disk.shown(file), i + 1, cut(oneLine(line), 40), HEADER)
              + "it is mended, or the file deleted, nothing is added to it)");
        }
      }
    }

    private void parse(String line) {
      var cells = line.split(",", -1);
      Ini.require(cells.length == 3);
      boolean isUnknown = cells[1].isEmpty() && cells[2].isEmpty();
      if (isUnknown) return;
      long tickets = number(cells[1]);
      var counts = new LinkedHashMap<String, Long>();
      for (var word : cells[2].split(" ")) {
        if (word.isEmpty()) continue;
        int colon = word.lastIndexOf(':');
        long count = number(word.substring(colon + 1));
        Ini.require(colon > 0 && count <= tickets);
        counts.put(decoded(word.substring(0, colon)), count);
      }
      known.put(Hour.parse(cells[0]), new HourTags(tickets, counts, cells[1] + "," + cells[2]));
    }

    private static long number(String digits) {
      long number = Long.parseLong(digits);
      Ini.require(number >= 0 && number < 10_000_000);
      return number;
    }

    boolean knows(Hour hour) {
      return known.containsKey(hour);
    }

    /** Null for an unknown hour. */
    HourTags at(Hour hour) {
      return known.get(hour);
    }

    /** The known hours of the span, oldest first. */
    Collection<HourTags> between(Hour from, Hour end) {
      return known.subMap(from, end).values();
    }

    /** @param counts by tag, in lower case */
    void put(Hour hour, long tickets, Map<String, Long> counts) {
      Comparator<String> byCount = Comparator.comparingLong(tag -> -counts.get(tag));
      var ranked = new LinkedHashMap<String, Long>();
      var line = new StringJoiner(" ", tickets + ",", "");
      counts.keySet().stream().sorted(byCount.thenComparing(tag -> tag)).limit(MOST_TAGS)
          .forEach(tag -> {
            ranked.put(tag, counts.get(tag));
            line.add(encoded(tag) + ":" + counts.get(tag));
          });
      known.put(hour, new HourTags(tickets, ranked, line.toString()));
      isChanged = true;
    }

    void forget(Hour hour) {
      if (known.remove(hour) != null) isChanged = true;
    }

    /** Writes the newest days, where there is something new. @throws Fault HISTORY */
    void save(Path history) {
      if (!isChanged || !badLines.isEmpty() || known.isEmpty()) return;
      var text = new StringBuilder(HEADER).append('\n');
      known.tailMap(known.lastKey().plus(1 - 24 * DAYS)).forEach((hour, tags) ->
          text.append(hour.name()).append(',').append(tags.line).append('\n'));
      Disk.write(file(history), text.toString());
      isChanged = false;
    }

    /** Percent-encoded where a tag holds what parts the file, or cannot be seen. */
    private static String encoded(String tag) {
      return SPECIAL.matcher(tag).replaceAll(c -> encode(c.group()).replace("+", "%20"));
    }
  }

  // ==== Config: what does auth.ini ask for ======================================================

  /**
   * auth.ini as types: one line a key, with its default and what is allowed. What each key means is
   * told in README.md and auth.ini.example; a test holds the three together. Null stands for a key
   * that is not there and has no default.
   */
  static final class Config extends Ini {
    final Path historyFile = file("[default] SpikeDB", "out/history.csv");
    final String historyName = folder.toAbsolutePath().normalize()
        .relativize(historyFile.toAbsolutePath().normalize()).toString(); // however it is spelled
    final Path outFolder = folder.resolve("out");

    final String zendeskHost = required("[zendesk] Domain", Config::zendeskHost,
        "acme or acme.zendesk.com");
    final URI zendeskUrl = baseUrl("[zendesk] BaseUrl", "https://" + zendeskHost);
    final Secret credentials = secret("[zendesk] Credentials");
    final Client zendeskClient = client("[zendesk] ClientId", "[zendesk] ClientSecret");
    final String query = query("[zendesk] Query");
    final int requestsPerMinute = wholeNumber("[zendesk] RequestsPerMinute", 100, 1, 100_000);

    final List<ChatAddress> chats = chats();

    final InternetAddress sender = parsed("[email] Sender", null, Config::address, ADDRESS);
    final List<InternetAddress> recipients = addresses("[email] Recipient");
    final List<InternetAddress> cc = addresses("[email] Cc");
    final String username = text("[email] Username", sender == null ? "" : sender.getAddress());
    final Secret password = secret("[email] Password");
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
    final boolean stops = yesOrNo("[spike] Stops", false);
    final boolean tagSurges = yesOrNo("[spike] TagSurges", false);

    final URI pingUrl = secretUrl("[monitor] PingUrl", true);
    final URI failUrl = secretUrl("[monitor] FailUrl", true);

    private static final String ADDRESS = "an address such as a@example.com";
    private static final String ADDRESSES = "addresses such as a@example.com, b@example.com";
    private static final String SEPARATORS_OF_ADDRESSES = "[,;]+|(?<=@\\S{1,255})\\s+(?=\\S+@)";
    private static final String LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?";
    private static final String HOST_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?";
    private static final String ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    private static final Pattern HOST = Pattern.compile(HOST_LABEL + "(\\." + HOST_LABEL + ")*");
    private static final Pattern MAIL_ADDRESS =
        Pattern.compile("(?=.{1,254}$)(?=.{1,64}@)%2$s(\\.%2$s)*@%1$s(\\.%1$s)*"
            .formatted(LABEL, ATOM));
    private static final Pattern NAME_AND_ADDRESS =
        Pattern.compile("(\"[^\"]*\"|[^<>]*?)\\s*<([^<>]*)>");

    private Config(Path file, World world, boolean offline) {
      super(file, world, offline);
      warnIfOthersCanRead();
      warnOfUnknownKeys();
      boolean hasSignIn = zendeskClient != null || credentials != null;
      check("[zendesk] ClientId", hasSignIn || isWrong("[zendesk] ClientSecret"), "missing",
          "ClientId and ClientSecret of an OAuth client, or older Credentials");
      boolean isUsed = zendeskClient == null && credentials != null && credentials.isKnown();
      check("[zendesk] Credentials",
          !isUsed || credentials.text().matches("[^@\\s:]+@[^\\s:]+/token:\\S+"), "malformed",
          "email/token:KEY");

      boolean isChatOnly = !chats.isEmpty() && sender == null && mailReceivers().isEmpty();
      check("[email] Sender", sender != null || isChatOnly, "missing",
          ADDRESS + "; or a [webhook] Url for a team without mail");
      check("[email] Recipient", !recipients.isEmpty() || isChatOnly, "missing", ADDRESSES);
      check("[email] Security", security != Security.NONE || isLoopback(mailHost),
          "none to " + mailHost, "starttls or tls; none is for this machine only");
      check("[email] TokenUrl", tokenUrl == null || mailClient != null,
          "without ClientId and ClientSecret", "all three, or none");
      check("[email] TokenUrl", tokenUrl != null || mailClient == null, "missing",
          "it, ClientId and ClientSecret, or none");
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
      config.warnings.forEach(world::warn);
      config.refuseMistakes();
      return config;
    }

    /** @throws Fault CONFIG with every mistake, one a line */
    void refuseMistakes() {
      if (!mistakes.isEmpty()) throw Exit.CONFIG.fault("%s", String.join("\n", mistakes));
    }

    /**
     * Search words as written, since quotes hold a phrase together. Those around all of it are the
     * INI's where a search operator stands inside, as in "tags:vip".
     */
    private String query(String key) {
      var value = rawText(key);
      boolean isOpen = value.replaceAll("[^\"]", "").length() % 2 == 1;
      if (isOpen) warn(key, "has a quote that is not closed", "two");
      boolean isQuoted = value.matches("\"[^\"]*\"") || value.matches("'[^']*'");
      boolean hasOperator = value.matches(".*\\w[:<>]\\S.*");
      if (isQuoted && hasOperator) return unquoted(value);
      return value;
    }

    private List<InternetAddress> addresses(String key) {
      var value = listWithoutComment(rawText(key));
      return listOf(key, value, SEPARATORS_OF_ADDRESSES, Config::address, ADDRESSES);
    }

    /** Everybody who gets the mails, each mailbox once, however it is spelled. */
    List<String> mailReceivers() {
      var receivers = new LinkedHashMap<String, String>();
      for (var address : recipients) {
        receivers.putIfAbsent(lower(address.getAddress()), address.getAddress());
      }
      for (var address : cc) {
        receivers.putIfAbsent(lower(address.getAddress()), address.getAddress());
      }
      return List.copyOf(receivers.values());
    }

    /** One for each section {@code [webhook]} or {@code [webhook NAME]} that has a Url. */
    private List<ChatAddress> chats() {
      var chats = new ArrayList<ChatAddress>();
      for (var section : sections("webhook( .*)?")) {
        var url = secretUrl("[" + section + "] Url", false);
        var format = choice("[" + section + "] Format", Format.AUTO);
        if (url != null) chats.add(new ChatAddress(section, url, chatFormat(url, format)));
      }
      return chats;
    }

    /** By the host of the address where auth.ini does not say. */
    private static Format chatFormat(URI url, Format given) {
      if (given != Format.AUTO) return given;
      var host = lower(Http.host(url));
      if (host.equals("chat.googleapis.com")) return Format.GOOGLECHAT;
      if (host.matches("(.*\\.)?(discord|discordapp)\\.com")) return Format.DISCORD;
      if (host.matches(".*\\.(office\\.com|logic\\.azure\\.com|powerplatform\\.com)")) {
        return Format.TEAMS;
      }
      if (host.matches(".*\\.(zapier\\.com|n8n\\.cloud|make\\.com)")) return Format.JSON;
      return Format.SLACK;
    }

    /** Whether the mail server is signed in to. */
    boolean hasMailSignIn() {
      return password != null || tokenUrl != null;
    }

    /** What that takes, or null. */
    Secret mailSecret() {
      if (tokenUrl == null) return password;
      return mailClient.secret();
    }

    private Client client(String idKey, String secretKey) {
      var id = text(idKey, null);
      var secret = secret(secretKey);
      if (id == null && secret == null) return null;
      var both = "ClientId and ClientSecret, or ClientSecretCommand, of an OAuth client";
      check(idKey, id != null, "missing", both);
      check(secretKey, secret != null, "missing", both);
      if (id == null || secret == null) return null;
      boolean isOdd = secret.isKnown() && !secret.text().matches("[!-~]+");
      if (isOdd) warn(secretKey, "has a blank, or what is not ASCII", "as it was copied");
      return new Client(id, secret);
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
      var name = "";
      var mail = unquoted(given);
      if (named.matches()) {
        name = unquoted(named.group(1));
        mail = unquoted(named.group(2).strip());
      }
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

  /** A chat: the name of its section, which is "webhook" or "webhook NAME". */
  record ChatAddress(String name, URI url, Format format) { }

  enum RuleName { MEAN, WEEKLY }

  /** Which further hours of a spike are told. */
  enum Repeat {
    EVERY, GROWTH, FIRST;

    // The words for it, "by half", stand in NoticeWriter.nextNotice, README.md, auth.ini.example.
    private static final double GROWN = 1.5; // times the count that was told last

    boolean shouldNotify(long count, long told) {
      return this == EVERY || this == GROWTH && count >= GROWN * told;
    }
  }

  enum Security { STARTTLS, TLS, NONE }

  enum Format { AUTO, SLACK, GOOGLECHAT, DISCORD, TEAMS, JSON }

  // ==== Ini: what does auth.ini say =============================================================

  /** auth.ini as text by {@code [section] Key}, without case. Gathers every mistake. */
  static class Ini {
    private static final Pattern SECTION = Pattern.compile("\\s*\\[([^\\]]*)]\\s*([;#].*)?");
    private static final Pattern COMMENT = Pattern.compile("\\s*([;#].*)?");
    private static final Pattern CONTINUATION =
        Pattern.compile("\\s++(?![A-Za-z]+\\s*(=|:(\\s|$))).+");
    private static final Pattern LINE_NUMBER = Pattern.compile("at line: (\\d+)");

    final List<String> mistakes = new ArrayList<>(); // a line each
    final List<String> warnings = new ArrayList<>();
    private final Set<String> wrongKeys = new HashSet<>();
    final Path folder; // the INI's own, which every path is relative to
    protected final List<String> secrets = new ArrayList<>();
    final Set<String> asked = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
    private final Map<String, String> values = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private final Path file;
    private final World world;
    private final boolean offline;
    private boolean holdsSecrets;

    Ini(Path file, World world, boolean offline) {
      this.file = file;
      this.world = world;
      this.offline = offline;
      this.folder = Disk.folderOf(file);

      var text = Disk.read(file, Exit.CONFIG);
      if (text == null) throw notFound(file);
      if (!offline) refuseForeignFile();
      var parser = new org.ini4j.Ini();
      parser.getConfig().setEscape(false); // a backslash in a password is a plain character,
      parser.getConfig().setEscapeNewline(false); // at its end too
      parser.getConfig().setMultiOption(true);
      try {
        parser.load(new StringReader(simplified(text)));
      } catch (IOException e) {
        var found = LINE_NUMBER.matcher(e.getMessage()); // the rest of it may be a password
        var line = "a line";
        if (found.find()) line = "line " + found.group(1);
        throw Exit.CONFIG.fault("%s: %s is neither [section] nor Key = value", Disk.shown(file),
            line);
      }
      parser.forEach((section, keys) ->
          keys.keySet().forEach(key -> put(section, key, keys.getAll(key))));
    }

    /** It names commands that are run, and hosts that get secrets. */
    private void refuseForeignFile() {
      try {
        var owner = Files.getOwner(file).getName();
        var user = Disk.user();
        boolean isOurs = owner.equals(user) || owner.equals("root") || owner.equals("0");
        var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        if (!isOurs) {
          throw Exit.CONFIG.fault("%s: belongs to %s (expected %s or root, since it can run "
              + "commands as this user: chown it)", Disk.shown(file), owner, user);
        }
        if (rights.charAt(7) == 'w') {
          throw Exit.CONFIG.fault("%1$s: everybody may write it (%2$s), so nothing of it is used: "
              + "chmod 600 %1$s", Disk.shown(file), rights);
        }
        if (rights.charAt(4) == 'w') {
          warnings.add("%1$s: its group may write it (%2$s), and so run commands as this user: "
              .formatted(Disk.shown(file), rights) + "chmod 600 " + Disk.shown(file));
        }
      } catch (IOException | UnsupportedOperationException e) {
        world.detail(Disk.shown(file) + ": its owner is not known");
      }
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
    private static String simplified(String text) {
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
          lines.set(last, listWithoutComment(lines.get(last)) + " " + line.strip());
          lines.add("");
        } else {
          last = lines.size();
          lines.add(line.strip());
        }
      }
      return String.join("\n", lines);
    }

    private void put(String section, String key, List<String> given) {
      var known = section;
      if (section.equalsIgnoreCase("mods")) known = "misc"; // the Python script's name
      var name = "[%s] %s".formatted(known, key);
      check(name, given.size() == 1 && !values.containsKey(name), "given twice", "once");
      values.put(name, Objects.requireNonNullElse(given.get(0), "").strip());
    }

    /** The file's whole path, for messages and mails. */
    String shown() {
      return Disk.shown(file);
    }

    /**
     * Notes a mistake unless the key is right, one a key: what is malformed is not missing, too.
     * The caller goes on with the default.
     */
    void check(String key, boolean right, String wrong, String expected) {
      boolean matters = !offline || key.matches("\\[(default|misc|spike)] .*");
      if (right || !matters || !wrongKeys.add(key)) return;
      mistakes.add(mistake(key, wrong, expected));
    }

    /** Notes what is allowed and seldom meant. */
    void warn(String key, String odd, String expected) {
      warnings.add(mistake(key, odd, expected));
    }

    private String mistake(String key, String wrong, String expected) {
      return "%s: %s: %s (expected %s)".formatted(Disk.shown(file), key, wrong, expected);
    }

    boolean isWrong(String key) {
      return wrongKeys.contains(key);
    }

    /** The sections whose name matches, "webhook" even where it is not there. */
    List<String> sections(String name) {
      var sections = new TreeSet<String>(String.CASE_INSENSITIVE_ORDER);
      sections.add("webhook");
      for (var key : values.keySet()) {
        var section = lower(key.substring(1, key.indexOf(']')));
        if (section.matches(name)) sections.add(section);
      }
      return List.copyOf(sections);
    }

    /** The value with its quotes. */
    String rawText(String key) {
      asked.add(key);
      return values.getOrDefault(key, "");
    }

    /** The value as it stands, for texts that may hold ; and #. */
    String wholeText(String key, String fallback) {
      asked.add(key);
      var value = unquoted(values.getOrDefault(key, ""));
      if (value.isEmpty()) return fallback;
      return value;
    }

    /** The value without a comment behind it. */
    String text(String key, String fallback) {
      asked.add(key);
      var value = unquoted(withoutComment(values.getOrDefault(key, "")));
      if (value.isEmpty()) return fallback;
      return value;
    }

    /** A comment begins with ; or # behind a blank, outside double quotes. */
    static String withoutComment(String value) {
      boolean quoted = false;
      for (int i = 0; i < value.length(); i++) {
        char c = value.charAt(i);
        if (c == '"') quoted = !quoted;
        boolean isSign = c == ';' || c == '#';
        boolean isFirst = i == 0 || Character.isWhitespace(value.charAt(i - 1));
        if (isSign && isFirst && !quoted) return value.substring(0, i).strip();
      }
      return value;
    }

    /** A semicolon between two addresses begins no comment. */
    static String listWithoutComment(String value) {
      boolean isWhole = value.matches(".*\\s;.*@.*");
      if (isWhole) return value;
      return withoutComment(value);
    }

    <T> T parsed(String key, T fallback, Function<String, T> parse, String expected) {
      var value = text(key, null);
      if (value == null) return fallback;
      try {
        return parse.apply(value);
      } catch (IllegalArgumentException | DateTimeException e) {
        var shown = oneLine(value).replaceAll("//[^/@]*@", "//***@"); // a password in a URL
        check(key, false, "'" + shown + "'", expected);
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
        check(key, !given.matches(".*(\\$[\\w{(]|%[^%/]+%|%\\().*"), "'" + given + "'",
            "a path as it is: no variable is expanded here");
        var path = folder.resolve(Disk.path(given)).normalize();
        boolean isFile = path.getFileName() != null && !given.endsWith("/");
        check(key, isFile && !Files.isDirectory(path), "'" + given + "' is a folder", expected);
        if (Files.isSymbolicLink(path) && Files.exists(path)) return path.toRealPath();
        check(key, !Files.isSymbolicLink(path), "'" + given + "' is a link to nothing", expected);
        if (isFile) return path;
        return folder.resolve(fallback);
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
        var host = Http.host(url);
        boolean isTls = "https".equalsIgnoreCase(url.getScheme());
        check(key, !isTls || url.getHost() != null, host + " is no name of a host",
            "one without an underscore, as TLS needs it");
        if (isTls) return url;
        boolean isNear = isLoopback(host) || privateToo && isPrivate(host);
        if ("http".equalsIgnoreCase(url.getScheme()) && isNear) return url;
      }
      var near = "this machine";
      if (privateToo) near = "a private address";
      check(key, false, "malformed", "an https URL, or http to " + near);
      return null;
    }

    private static URI uri(String text) {
      try {
        var url = new URI(text);
        boolean isOfExample = text.contains("\u2026"); // README's ellipsis
        boolean isComplete = Http.host(url) != null && url.getPort() <= 65_535 && !isOfExample;
        if (isComplete) return url;
        return null;
      } catch (URISyntaxException e) {
        return null;
      }
    }

    /** An address to which paths are added. */
    URI baseUrl(String key, String fallback) {
      var url = url(key);
      if (url == null) return URI.create(fallback);
      return URI.create(url.toString().replaceFirst("/+$", ""));
    }

    /** An address that is a password too. */
    URI secretUrl(String key, boolean privateToo) {
      var value = text(key, null);
      if (value == null) return null;
      secrets.add(value);
      var path = value.replaceFirst("^\\w+://[^/?#]*", ""); // behind the host; servers echo it
      if (path.length() >= 8) secrets.add(path);
      for (var piece : path.split("[/?&=]+")) {
        if (isRandom(piece)) secrets.add(piece);
      }
      holdsSecrets = true;
      return url(key, privateToo);
    }

    /** More than lower-case letters: no word like "services", and no tag. */
    private static boolean isRandom(String piece) {
      boolean isMixed = piece.matches(".*\\d.*[A-Za-z].*|.*[A-Za-z].*\\d.*|.*[a-z].*[A-Z].*");
      return piece.length() >= 8 && isMixed;
    }

    /** RFC 1918 and 4193, and names that no public name server knows. */
    private static boolean isPrivate(String host) {
      return host.matches("10(\\.\\d{1,3}){3}|192\\.168(\\.\\d{1,3}){2}"
          + "|172\\.(1[6-9]|2\\d|3[01])(\\.\\d{1,3}){2}|\\[?f[cd][0-9a-f:]+]?"
          + "|(?!(0x[0-9A-Fa-f]+|\\d+)$)[A-Za-z0-9_-]+|.*\\.(local|lan|internal)");
    }

    /** A JSON list of texts, or words between separators, in quotes or without. */
    <T> List<T> list(String key, String separators, Function<String, T> parse, String expected) {
      return listOf(key, withoutComment(rawText(key)), separators, parse, expected);
    }

    <T> List<T> listOf(String key, String text, String separators, Function<String, T> parse,
        String expected) {
      var list = new ArrayList<T>();
      var wrong = text; // as a whole, until its words are known
      try {
        for (var word : words(text, separators)) {
          wrong = word;
          list.add(parse.apply(word));
        }
      } catch (IllegalArgumentException | DateTimeException e) {
        check(key, false, "'" + oneLine(wrong) + "'", "a list of " + expected);
      }
      return list;
    }

    private static List<String> words(String text, String separators) {
      boolean isJson = text.startsWith("[");
      if (!isJson) return split(text, separators);
      require(text.endsWith("]"));
      try {
        var words = Arrays.asList(JSON.readValue(text, String[].class));
        require(!words.contains(null));
        return words;
      } catch (JsonProcessingException e) {
        return split(text.substring(1, text.length() - 1), separators); // Python's own quotes
      }
    }

    /** At separators outside of quotes. */
    private static List<String> split(String text, String separators) {
      var words = new ArrayList<String>();
      var quoted = "\"[^\"]*\"|'[^']*'(?=\\s*(?:[,;]|$))";
      var held = new ArrayList<String>();
      var open = Pattern.compile(quoted).matcher(text).replaceAll(match -> {
        held.add(match.group());
        return "\u0000" + (held.size() - 1) + "\u0000";
      });
      for (var part : open.split(separators)) {
        var whole = Pattern.compile("\u0000(\\d+)\u0000").matcher(part).replaceAll(match ->
            Matcher.quoteReplacement(held.get(Integer.parseInt(match.group(1)))));
        var word = unquoted(whole.strip()).strip();
        if (!word.isEmpty()) words.add(word);
      }
      return words;
    }

    /** From the environment, else the first line that KeyCommand prints, else the file; or null. */
    Secret secret(String key) {
      var inFile = wholeText(key, null);
      var command = wholeText(key + "Command", null);
      holdsSecrets |= inFile != null;
      if (offline) return null;
      boolean isOfExample = inFile != null && inFile.startsWith("paste-the-");
      check(key, !isOfExample, "is still the example's", "your own");
      if (inFile != null && command != null) warn(key, "not used, since a command is given", "one");

      var secret = inEnvironment(key);
      if (secret == null && command != null) return printed(key + "Command", command);
      if (secret == null) secret = inFile;
      if (secret == null) return null;
      return kept(secret);
    }

    private Secret kept(String secret) {
      secrets.add(secret);
      secrets.add(secret.replaceFirst("^\\S+/token:", "")); // servers echo an API token alone, too
      return new Secret(secret, null);
    }

    /** From a variable such as SPIKE_EMAIL_PASSWORD for [email] Password. */
    private String inEnvironment(String key) {
      var name = "SPIKE_" + key.replace("[", "").replace("] ", "_").toUpperCase(Locale.ROOT);
      var value = world.env.getOrDefault(name, "");
      check(key, !Disk.isGarbled(value), name + " has characters that the locale of this run does "
          + "not have", "LC_ALL=C.UTF-8 beside it");
      if (value.isEmpty()) return null;
      return value;
    }

    private Secret printed(String key, String command) {
      try {
        var process = new ProcessBuilder("sh", "-c", command)
            .directory(folder.toAbsolutePath().toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
        try {
          return kept(Deadline.within(world.timeout.dividedBy(3), () -> firstLine(process)));
        } finally {
          process.descendants().forEach(ProcessHandle::destroy);
          process.destroy();
        }
      } catch (IOException e) {
        return new Secret(null, mistake(key, "failed, " + e.getMessage(),
            "a command that prints the secret"));
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

    /** Once every key is asked for. */
    void warnOfUnknownKeys() {
      for (var key : values.keySet()) {
        if (!asked.contains(key)) warnings.add(shown() + ": " + unknownKey(key));
      }
    }

    void warnIfOthersCanRead() {
      if (!holdsSecrets || offline) return;
      try {
        var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        boolean isOwn = Files.getOwner(file).getName().equals(Disk.user());
        boolean groupReads = isOwn && rights.charAt(3) == 'r'; // root's file is read no other way
        boolean allRead = rights.charAt(6) == 'r';
        if (!groupReads && !allRead) return;
        warnings.add("%1$s: holds secrets and others can read it (%2$s): chmod 600 %1$s"
            .formatted(Disk.shown(file), rights));
      } catch (IOException e) {
        world.detail(Disk.shown(file) + ": its rights are not known");
      }
    }

    private String unknownKey(String key) {
      var section = key.replaceFirst("] .*", "]");
      boolean isName = key.matches("\\[[\\w -]*] [A-Za-z]{0,20}");
      if (isName) return key + ": unknown key, ignored (" + known(section) + ")";
      // its words are not quoted, since they may be a piece of a password
      return section + " has a line whose key is no word, ignored (expected Key = value)";
    }

    /** The keys of that section, or the sections where it is none. */
    private String known(String section) {
      var keys = new TreeSet<String>(String.CASE_INSENSITIVE_ORDER);
      var sections = new TreeSet<String>(String.CASE_INSENSITIVE_ORDER);
      for (var known : asked) {
        int end = known.indexOf(']') + 1;
        sections.add(known.substring(0, end));
        if (known.substring(0, end).equalsIgnoreCase(section)) keys.add(known.substring(end + 1));
      }
      if (keys.isEmpty()) return "expected one of " + String.join(" ", sections);
      return "expected " + String.join(", ", keys);
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

    static Hour parseOrNull(String text) {
      try {
        return parse(text);
      } catch (DateTimeException e) {
        return null;
      }
    }

    static Hour lastFull(Instant now) {
      return of(now).plus(-1);
    }

    static Hour earlier(Hour a, Hour b) {
      if (a.isBefore(b)) return a;
      return b;
    }

    static Hour later(Hour a, Hour b) {
      if (a.isAfter(b)) return a;
      return b;
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

  /** Such as "Wed 25 Nov 14:00 UTC". */
  static String dayAndTime(Hour hour) {
    return at(hour.from(), ZoneOffset.UTC, "EEE d MMM HH:mm") + " UTC";
  }

  // ==== Http: one request, its retries, and what a refusal means ================================

  /**
   * Strict: a text is no number and 1.5 no count, so that nonsense never becomes a count. Bounded,
   * so that an answer without end is refused before it fills the memory.
   */
  static final ObjectMapper JSON = JsonMapper.builder(
          JsonFactory.builder().streamReadConstraints(StreamReadConstraints.builder()
              .maxDocumentLength(64L << 20).maxStringLength(1 << 20).maxTokenCount(1_000_000)
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

    static {
      System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host"); // see request
      System.setProperty("jdk.http.auth.tunneling.disabledSchemes", ""); // a proxy's password
    }

    private static final Duration LONGEST_WAIT = Duration.ofMinutes(2);
    private static final int LONGEST_REASON = 16_384; // bytes read of an error page
    private static final Instant FIRST_PLAUSIBLE = Instant.parse("2020-01-01T00:00:00Z");
    private static final Instant LAST_PLAUSIBLE = Instant.parse("2199-01-01T00:00:00Z");

    private final World world;
    private final Pace pace;
    private final EnvironmentProxy proxy;
    private final HttpClient client;
    private Instant serverTime;

    Http(World world, Pace pace) {
      this.world = world;
      this.pace = pace;
      this.proxy = new EnvironmentProxy(world.env);
      this.client = HttpClient.newBuilder()
          .connectTimeout(CONNECT_TIMEOUT)
          .version(HttpClient.Version.HTTP_1_1)
          .followRedirects(HttpClient.Redirect.NEVER)
          .proxy(proxy)
          .sslContext(world.tls())
          .build();
    }

    /** The clock of the latest answer, or null when none named its time. */
    Instant serverTime() {
      return serverTime;
    }

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
     * @param check   throws IllegalArgumentException for a value that cannot be
     * @throws PermanentFailure for a final refusal
     * @throws Fault   ZENDESK when the tries, or the time for them, are used up
     */
    <T> T send(Supplier<HttpRequest> request, Class<T> type, String where, Patience patience,
        Consumer<T> check) {
      int failures = 0;
      int limits = 0;
      while (true) {
        pace.await(world);
        var asked = request.get();
        var place = where + " " + server(asked);
        try {
          var value = sendOnce(asked, type, patience.limit(world));
          check.accept(value);
          return value;
        } catch (IllegalArgumentException e) {
          waitOrGiveUp(place, new IOException(e.getMessage(), e), ++failures, false, patience);
        } catch (ProxyRefusal e) {
          throw Exit.ZENDESK.fault(e, "%s: %s", place, e.getMessage());
        } catch (IOException e) {
          if (hasCause(e, CertificateException.class)) { // a handshake may also just break off
            throw Exit.ZENDESK.fault(e, "%s: its certificate is refused: %s (expected a valid one "
                + "for that name, from an authority that Java trusts)", place, reason(e));
          }
          boolean isLimit = e instanceof TemporaryFailure failure && failure.isLimit();
          if (isLimit) waitOrGiveUp(place, e, ++limits, true, patience);
          else waitOrGiveUp(place, e, ++failures, false, patience);
        }
      }
    }

    /** @param tried how often, at a limit or else */
    private void waitOrGiveUp(String place, IOException e, int tried, boolean isLimit,
        Patience patience) {
      int most = Math.min(patience.tries(), TRIES);
      if (isLimit && patience.tries() >= TRIES) most = TRIES_AT_A_LIMIT;
      var wait = waitAfter(tried, e);
      boolean isTooLong = wait.compareTo(LONGEST_WAIT) > 0 || !patience.allows(wait, world);
      if (tried >= most || isTooLong) {
        throw Exit.ZENDESK.fault(e, "%s: %s (tried %s); the next run asks again", place, reason(e),
            plural(tried, "time"));
      }
      world.detail("%s: %s, again in %s s".formatted(place, reason(e),
          decimal(wait.toMillis() / 1000.0)));
      world.pause(wait);
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
     * @param type Void when the body does not matter; then null is returned
     * @throws PermanentFailure     for a final refusal
     * @throws IOException for everything that may be better soon
     */
    <T> T sendOnce(HttpRequest request, Class<T> type, Duration limit) throws IOException {
      return Deadline.within(limit, () -> {
        long start = System.nanoTime();
        var answer = answer(request);
        noteTime(answer.headers());
        world.detail("%s %s: %d in %d ms".formatted(request.method(), shown(request, type),
            answer.statusCode(), (System.nanoTime() - start) / 1_000_000));
        boolean isYes = answer.statusCode() / 100 == 2;
        if (!isYes) throw refusal(answer);
        try (var body = answer.body()) {
          if (type == Void.class) return null;
          return read(unpacked(body, answer.headers()), answer.headers(), type);
        }
      });
    }

    private HttpResponse<InputStream> answer(HttpRequest request)
        throws IOException, InterruptedException {
      try {
        var signedIn = proxy.signedIn(request, world.secrets);
        return client.send(signedIn, HttpResponse.BodyHandlers.ofInputStream());
      } catch (IllegalArgumentException e) { // as Java has it for a Content-Length beyond a long
        throw new IOException("an answer that is no HTTP", e);
      }
    }

    private void noteTime(HttpHeaders headers) {
      var date = date(headers.firstValue("date").orElse(""));
      boolean isPlausible = date != null && date.isAfter(FIRST_PLAUSIBLE)
          && date.isBefore(LAST_PLAUSIBLE);
      if (isPlausible) serverTime = date;
    }

    /** The host of an address; Java's own gives none that has an underscore, as containers have. */
    static String host(URI url) {
      if (url.getHost() != null || url.getRawAuthority() == null) return url.getHost();
      var host = url.getRawAuthority().replaceFirst(":\\d*$", "");
      if (host.matches("[A-Za-z0-9_.-]+")) return host;
      return null;
    }

    /** The host, and the port where the address names one. */
    static String server(URI url) {
      return url.getRawAuthority();
    }

    /** The same server at another path and query; of that what is null or empty is left out. */
    static URI with(URI url, String path, String... query) {
      var pairs = new StringJoiner("&", "?", "").setEmptyValue("");
      for (var each : query) {
        if (each != null && !each.isEmpty()) pairs.add(each);
      }
      return URI.create(url.getScheme() + "://" + url.getRawAuthority() + path + pairs);
    }

    /** A request to such a host goes to its address, with its name in the header. */
    static HttpRequest.Builder request(URI url) {
      if (url.getHost() != null || host(url) == null) return HttpRequest.newBuilder(url);
      var named = host(url);
      try {
        var numbers = InetAddress.getByName(named).getHostAddress();
        if (numbers.contains(":")) numbers = "[" + numbers + "]";
        var there = URI.create(url.toString().replaceFirst(Pattern.quote(named), numbers));
        return HttpRequest.newBuilder(there).header("Host", url.getRawAuthority());
      } catch (UnknownHostException e) {
        return HttpRequest.newBuilder(URI.create(url.getScheme() + "://no-such-host.invalid/"));
      }
    }

    private static String server(HttpRequest request) {
      return request.headers().firstValue("Host").orElse(server(request.uri()));
    }

    /** Whether nothing can have been sent, since no connection came about. */
    static boolean isUnconnected(IOException e) {
      boolean isTunnel = String.valueOf(e.getMessage()).startsWith("Tunnel failed"); // Java's words
      if (isTunnel || e instanceof ProxyRefusal) return true;
      return hasCause(e, ConnectException.class) || hasCause(e, UnresolvedAddressException.class)
          || hasCause(e, UnknownHostException.class) || hasCause(e, SSLHandshakeException.class)
          || hasCause(e, CertificateException.class);
    }

    /** An address whose answer does not matter is a webhook's or a watcher's: a password itself. */
    private static String shown(HttpRequest request, Class<?> type) {
      var url = request.uri();
      if (type == Void.class) return server(request);
      return URLDecoder.decode(url.toString(), UTF_8);
    }

    private static InputStream unpacked(InputStream body, HttpHeaders headers)
        throws IOException {
      var coding = headers.firstValue("content-encoding").orElse("identity");
      return switch (lower(coding).strip()) {
        case "gzip", "x-gzip" -> new GZIPInputStream(body);
        case "identity", "" -> body;
        default -> throw new IOException("answers in a coding that was not asked for");
      };
    }

    private <T> T read(InputStream body, HttpHeaders headers, Class<T> type) throws IOException {
      if (lower(headers.firstValue("content-type").orElse("")).contains("html")) {
        throw new IOException("answers with a web page, not JSON: no API is at this address, or "
            + "the account is closed");
      }
      var value = JSON.readValue(body, type);
      if (value == null) throw new IOException("an empty answer");
      return value;
    }

    /**
     * What a status other than 2xx stands for, whatever becomes of the body.
     *
     * @throws PermanentFailure for a final one, which is no IOException, so that nothing retries it
     */
    private IOException refusal(HttpResponse<InputStream> answer) {
      int status = answer.statusCode();
      if (status == 407) return new ProxyRefusal(); // which may have no body
      var headers = answer.headers();
      var text = "";
      try (var body = answer.body()) {
        text = new String(unpacked(body, headers).readNBytes(LONGEST_REASON), UTF_8);
      } catch (IOException e) {
        world.detail(reason(e));
      }
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
      if (now == null) now = world.clock.instant();
      return atLeastASecond(Duration.between(now, date).toSeconds());
    }

    private static Duration reset(HttpHeaders headers) {
      long seconds = headerNumber(headers, "ratelimit-reset", "rate-limit-reset",
          "x-rate-limit-reset");
      if (seconds < 0 || seconds > 3600) return null;
      return atLeastASecond(seconds);
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
      if (hasCause(e, HttpConnectTimeoutException.class)) {
        return "no connection in " + CONNECT_TIMEOUT.toSeconds() + " s";
      }
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
      if (place.length() == 0) return "no sense in its answer";
      return "no sense in its answer, at " + place;
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
        if (body.stripLeading().startsWith("<")) return "(a web page)";
        return body;
      }
    }

    /**
     * An access token by OAuth client credentials (RFC 6749, 4.4), for Zendesk and for SMTP alike.
     *
     * @throws PermanentFailure where nothing at that address gives tokens
     * @throws Fault DENIED, or ZENDESK when the tries, or the time for them, are used up
     */
    Token token(URI url, Client client, String scope, String where, Patience patience) {
      var fields = Map.of(
          "grant_type", "client_credentials",
          "client_id", client.id(),
          "client_secret", client.secret().text(),
          "scope", scope);
      var type = "application/x-www-form-urlencoded";
      var body = form(fields);
      if (url.getPath().equals("/oauth/tokens")) { // Zendesk has JSON, the RFC a form
        type = "application/json";
        body = JSON.valueToTree(fields).toString();
      }
      var request = HttpRequest.newBuilder(url)
          .header("Accept", "application/json")
          .header("Content-Type", type)
          .POST(HttpRequest.BodyPublishers.ofString(body))
          .build();
      try {
        var token = send(() -> request, Token.class, where, patience, answer -> { });
        world.secrets.add(token.access_token());
        return token;
      } catch (PermanentFailure e) {
        boolean isAboutClient = Set.of(400, 401, 403).contains(e.status);
        if (!isAboutClient) throw e;
        throw Exit.DENIED.fault(e, "%s %s %s (check ClientId, ClientSecret, and that the client "
            + "may have the scope '%s')", where, server(url), e.getMessage(), scope);
      }
    }

    private static String form(Map<String, String> fields) {
      var pairs = new StringJoiner("&");
      fields.forEach((name, value) -> pairs.add(name + "=" + encode(value)));
      return pairs.toString();
    }
  }

  /**
   * A secret that auth.ini asks for. A command that should print it may fail any day, as when a
   * vault is down: then what needs the secret fails, and nothing else.
   *
   * @param trouble why it is not known; null where it is
   */
  record Secret(String text, String trouble) {
    boolean isKnown() {
      return trouble == null;
    }

    /** @throws Fault CONFIG saying why it is not known */
    @Override
    public String text() {
      if (!isKnown()) throw Exit.CONFIG.fault("%s", trouble);
      return text;
    }
  }

  /** OAuth client credentials. */
  record Client(String id, Secret secret) { }

  /** @param expires_in seconds as 3599, 3599.0 or "3599", all of which servers send */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record Token(String access_token, JsonNode expires_in) {
    Token {
      Http.expect(access_token != null && access_token.matches("[\\x21-\\x7e]+"),
          "no access_token in its answer");
    }

    /** Until a minute before its end; half an hour, as Zendesk has it, where that is not said. */
    Duration life() {
      long seconds = 1800;
      if (expires_in != null) seconds = Math.min(86_400, expires_in.asLong(1800));
      return Duration.ofSeconds(Math.max(30, seconds - 60));
    }
  }

  /** How long to go on trying: so many times, and no longer than up to that time of the ticker. */
  record Patience(int tries, long until) {
    static final Patience USUAL = new Patience(Http.TRIES, Long.MAX_VALUE);

    static Patience once(World world, Duration limit) {
      return new Patience(1, world.ticker.nanos() + limit.toNanos());
    }

    static Patience within(World world, Duration limit) {
      return new Patience(Http.TRIES, world.ticker.nanos() + limit.toNanos());
    }

    Patience withTries(int most) {
      return new Patience(most, until);
    }

    boolean isOver(World world) {
      return world.ticker.nanos() >= until;
    }

    boolean allows(Duration wait, World world) {
      return until == Long.MAX_VALUE || world.ticker.nanos() + wait.toNanos() < until;
    }

    /** For one try: a second at least, so that what is quick is had. */
    Duration limit(World world) {
      if (until == Long.MAX_VALUE) return world.timeout;
      long left = Math.max(TimeUnit.SECONDS.toNanos(1), until - world.ticker.nanos());
      return world.atMost(Duration.ofNanos(left));
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
  }

  /** An answer that may be better soon; {@code retryAfter} null when the server named no time. */
  static final class TemporaryFailure extends IOException {
    private static final long serialVersionUID = 1;
    final int status;
    final transient Duration retryAfter;

    TemporaryFailure(int status, String reason, Duration retryAfter) {
      super("answers %d %s".formatted(status, reason).strip());
      this.status = status;
      this.retryAfter = retryAfter;
    }

    boolean isLimit() {
      return status == 429;
    }
  }

  /** The proxy wants a sign-in, or another one; nothing has reached the server. */
  static final class ProxyRefusal extends IOException {
    private static final long serialVersionUID = 1;

    ProxyRefusal() {
      super("the proxy refuses the sign-in (expected http://NAME:PASSWORD@HOST:PORT in https_proxy "
          + "or http_proxy)");
    }
  }

  /** An answer that will not be better: what it means, the caller knows. */
  static final class PermanentFailure extends RuntimeException {
    private static final long serialVersionUID = 1;
    final int status;

    PermanentFailure(int status, String reason) {
      super("answers %d %s".formatted(status, reason).strip());
      this.status = status;
    }
  }

  // ==== Proxy: which way does a request go ======================================================

  /**
   * The proxy that {@code https_proxy}, {@code http_proxy} and {@code no_proxy} name, which Java
   * does not look at by itself; else the one of Java's own settings.
   */
  static final class EnvironmentProxy extends ProxySelector {
    private static final Pattern ADDRESS = Pattern.compile("((?<scheme>\\w+)://)?"
        + "((?<signin>([^%]|%[0-9a-fA-F]{2})*)@)?(?<host>\\[[0-9a-fA-F:.]+]|[A-Za-z0-9_.-]+)"
        + "(:(?<port>\\d{1,5}))?(/.*)?");

    private final Map<String, String> env;
    private final Map<String, String> names = new ConcurrentHashMap<>(); // of hosts asked by number

    /** @param signIn name and password as {@code me:w%20ord}; null for none */
    record Address(String host, int port, String signIn) {
      /** Java's client makes a URI of a proxy's name, which has to have no underscore. */
      private SocketAddress inNumbers() {
        try {
          var numbers = InetAddress.getByName(host).getAddress();
          return new InetSocketAddress(InetAddress.getByAddress(numbers), port);
        } catch (UnknownHostException e) {
          return InetSocketAddress.createUnresolved("no-such-proxy.invalid", port);
        }
      }
    }

    EnvironmentProxy(Map<String, String> env) {
      this.env = env;
    }

    @Override
    public List<Proxy> select(URI url) {
      if (isExempt(url)) return List.of(Proxy.NO_PROXY);
      var proxy = address(url.getScheme());
      if (proxy == null) return ProxySelector.getDefault().select(url);
      return List.of(new Proxy(Proxy.Type.HTTP, proxy.inNumbers()));
    }

    /**
     * Null when none is set; HTTP_PROXY in capitals is left out, as curl does.
     *
     * @throws Fault CONFIG when it is malformed
     */
    Address address(String scheme) {
      var value = env.getOrDefault(scheme + "_proxy", "");
      if (value.isEmpty() && scheme.equals("https")) value = env.getOrDefault("HTTPS_PROXY", "");
      if (value.isEmpty()) return null;
      var parts = ADDRESS.matcher(value);
      if (parts.matches()) {
        var spoken = Objects.requireNonNullElse(parts.group("scheme"), "http");
        if (!spoken.equalsIgnoreCase("http")) {
          throw Exit.CONFIG.fault("%s_proxy: %s is not spoken (expected http://HOST:PORT)", scheme,
              spoken);
        }
        int port = Integer.parseInt(Objects.requireNonNullElse(parts.group("port"), "1080"));
        if (port <= 65_535) return new Address(parts.group("host"), port, parts.group("signin"));
      }
      // without the value, which may hold a password
      throw Exit.CONFIG.fault("%s_proxy: malformed (expected http://HOST:PORT)", scheme);
    }

    /**
     * With the name and password that stand in the proxy's address, for the proxy alone. Notes the
     * name of a host that is asked by its number, since no_proxy has names.
     *
     * @throws Fault CONFIG when that address is malformed
     */
    HttpRequest signedIn(HttpRequest request, Secrets secrets) {
      request.headers().firstValue("Host").ifPresent(name ->
          names.put(request.uri().getHost(), name.replaceFirst(":\\d*$", "")));
      if (isExempt(request.uri())) return request;
      var proxy = address(request.uri().getScheme());
      if (proxy == null || proxy.signIn == null) return request;
      var signIn = decoded(proxy.signIn);
      var basic = Secrets.base64(signIn);
      secrets.add(basic);
      secrets.add(signIn.replaceFirst("^[^:]*:", ""));
      return HttpRequest.newBuilder(request, (name, value) -> true)
          .header("Proxy-Authorization", "Basic " + basic)
          .build();
    }

    /** As curl has it: names with what ends in them, networks, ports; and always this machine. */
    private boolean isExempt(URI url) {
      var asked = Objects.requireNonNullElse(url.getHost(), "");
      var host = lower(names.getOrDefault(asked, asked)).replaceAll("[\\[\\]]", "");
      if (isLoopback(host)) return true;
      var list = env.getOrDefault("no_proxy", "");
      if (list.isEmpty()) list = env.getOrDefault("NO_PROXY", "");
      for (var each : list.split("[,\\s]+")) {
        var name = lower(each).replaceFirst("^\\*?\\.", "");
        boolean hasPort = name.matches("[^:]+:\\d+");
        if (hasPort && !name.endsWith(":" + port(url))) continue;
        if (hasPort) name = name.replaceFirst(":\\d+$", "");
        if (name.isEmpty()) continue;
        if (name.equals("*") || host.equals(name) || host.endsWith("." + name)) return true;
        if (name.contains("/") && isWithin(host, name)) return true;
      }
      return false;
    }

    private static int port(URI url) {
      if (url.getPort() >= 0) return url.getPort();
      if ("https".equals(url.getScheme())) return 443;
      return 80;
    }

    /** Whether an address in numbers lies in a network such as 10.0.0.0/8. */
    private static boolean isWithin(String host, String network) {
      var numbers = "[0-9.]+|\\[?[0-9a-f:]+:[0-9a-f:.]*]?";
      var parts = network.split("/", 2);
      if (!host.matches(numbers) || !parts[0].matches(numbers) || !parts[1].matches("\\d{1,3}")) {
        return false;
      }
      try { // numbers alone, so that no name service is asked
        var address = InetAddress.getByName(host).getAddress();
        var net = InetAddress.getByName(parts[0]).getAddress();
        int bits = Math.min(Integer.parseInt(parts[1]), net.length * 8);
        if (address.length != net.length) return false;
        for (int bit = 0; bit < bits; bit++) {
          int mask = 0x80 >> bit % 8;
          if ((address[bit / 8] & mask) != (net[bit / 8] & mask)) return false;
        }
        return true;
      } catch (UnknownHostException e) {
        return false;
      }
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
    private SSLContext tls; // null until somebody asks for it
    Duration skew = Duration.ZERO; // of the time that is believed to this machine's clock
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
        if (isFullName) return name;
        return "[" + local.getHostAddress() + "]";
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

    /** The time that is believed: this machine's clock, put right by Zendesk's. */
    Instant now() {
      return clock.instant().plus(skew);
    }

    /**
     * What TLS trusts, for HTTP and SMTP alike: Java's authorities and those of SSL_CERT_FILE.
     *
     * @throws Fault CONFIG when they cannot be read
     */
    SSLContext tls() {
      if (tls == null) tls = Authorities.context(env.getOrDefault("SSL_CERT_FILE", ""));
      return tls;
    }

    /** @throws Fault CONFIG when not even those can be read */
    void trustJavaAlone() {
      tls = Authorities.context("");
    }

    Duration atMost(Duration limit) {
      if (timeout.compareTo(limit) < 0) return timeout;
      return limit;
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
      var start = "";
      if (!terminal) start = clock.instant().truncatedTo(ChronoUnit.SECONDS) + " ";
      print(err, start, text);
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

  /** The certificate authorities that are trusted. */
  static final class Authorities {
    private Authorities() { }

    /**
     * @param file certificates in PEM, as curl and OpenSSL read them, besides Java's own; empty for
     *             none
     * @throws Fault CONFIG when they cannot be read
     */
    static SSLContext context(String file) {
      var what = "javax.net.ssl.trustStore";
      try {
        if (file.isEmpty()) return SSLContext.getDefault();
        var trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        int number = 0;
        for (var certificate : javas()) {
          trusted.setCertificateEntry("java" + number++, certificate);
        }
        what = "SSL_CERT_FILE " + file;
        for (var certificate : ofFile(file)) {
          trusted.setCertificateEntry("own" + number++, certificate);
        }
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trusted);
        var context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
      } catch (GeneralSecurityException | IOException e) {
        var reason = oneLine(Objects.requireNonNullElse(e.getMessage(), "invalid"));
        if (e instanceof NoSuchFileException) reason = "no such file";
        throw Exit.CONFIG.fault(e, "%s: cannot be read: %s (expected certificates of authorities)",
            what, reason);
      } catch (InvalidPathException e) {
        throw Exit.CONFIG.fault(e, "%s: %s", what, e.getReason());
      }
    }

    private static List<X509Certificate> javas() throws GeneralSecurityException {
      var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      managers.init((KeyStore) null);
      var authorities = new ArrayList<X509Certificate>();
      for (var manager : managers.getTrustManagers()) {
        if (manager instanceof X509TrustManager own) {
          authorities.addAll(List.of(own.getAcceptedIssuers()));
        }
      }
      return authorities;
    }

    private static Collection<? extends Certificate> ofFile(String file)
        throws GeneralSecurityException, IOException {
      var bytes = Disk.bytes(Disk.path(file)); // a factory reads a stream byte by byte
      var certificates = CertificateFactory.getInstance("X.509")
          .generateCertificates(new ByteArrayInputStream(bytes));
      if (certificates.isEmpty()) throw new IOException("it holds no certificate");
      return certificates;
    }
  }

  /** What must never be printed, mailed or posted: plain, base64 and URL-encoded. */
  static final class Secrets {
    /** As one may hold another, of which the rest would be shown. */
    private static final Comparator<String> LONGEST_FIRST =
        Comparator.comparingInt(String::length).reversed().thenComparing(Comparator.naturalOrder());

    private final Set<String> all = new ConcurrentSkipListSet<>(LONGEST_FIRST); // but for words
    private final Map<String, Pattern> words = new ConcurrentHashMap<>();

    void add(String secret) {
      if (secret.length() < 4) return; // would blot out half of every line
      var base64 = base64(secret);
      var encoded = encode(secret);
      for (var form : List.of(secret, base64, base64.replace("=", ""), encoded,
          encoded.replace("+", "%20"))) {
        if (isWord(form)) words.put(form, Pattern.compile("\\b" + Pattern.quote(form) + "\\b"));
        else all.add(form);
      }
    }

    /** For the program's own lines, where a password such as "calm" is a word like any other. */
    String redact(String text) {
      for (var secret : all) text = text.replace(secret, "***");
      return text;
    }

    /** For other people's texts. A secret that is a word is blotted where it stands alone. */
    String redactEchoes(String text) {
      var safe = redact(text);
      for (var word : words.values()) safe = word.matcher(safe).replaceAll("***");
      return safe;
    }

    private static boolean isWord(String secret) {
      return secret.matches("[A-Za-z]{1,11}|\\w{1,7}");
    }

    /** In hexadecimal. */
    static String sha256(String text) {
      try {
        var digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8));
        return HexFormat.of().formatHex(digest);
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException(e); // every Java has it
      }
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
    private static final int PROBE = 1 << 16; // bytes
    private static final long LONGEST = 64L << 20; // bytes of a file of ours
    private static final FileAttribute<?> OWNER_READS =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<?> OWNER_ENTERS =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private Disk() { }

    /** UTF-8 text without the byte order mark that spreadsheets put before it; null for no file. */
    static String read(Path file, Exit otherwise) {
      try {
        requireReadable(file, otherwise);
        return Files.readString(file).replaceFirst("^\uFEFF", "");
      } catch (NoSuchFileException e) {
        return null;
      } catch (IOException e) {
        throw otherwise.fault(e, "%s: cannot be read: %s", shown(file), reason(e, "read"));
      }
    }

    /** @throws Fault CONFIG where it is no file, or a huge one */
    static byte[] bytes(Path file) throws IOException {
      requireReadable(file, Exit.CONFIG);
      return Files.readAllBytes(file);
    }

    /** A pipe would block for ever, and a huge file fill the memory. */
    private static void requireReadable(Path file, Exit otherwise) throws IOException {
      var kind = Files.readAttributes(file, BasicFileAttributes.class);
      if (!kind.isRegularFile()) {
        throw otherwise.fault("%s: is no file (expected a regular one)", shown(file));
      }
      if (kind.size() > LONGEST) {
        throw otherwise.fault("%s: has %d MB (expected %d at the most)", shown(file),
            kind.size() >> 20, LONGEST >> 20);
      }
    }

    /** Temp sibling, fsync, atomic move: a reader or a kill sees the old file or the new one. */
    static void write(Path file, String content) {
      var part = file.resolveSibling(file.getFileName() + ".part");
      try {
        makeFolder(folderOf(file));
        Files.deleteIfExists(part);
        fill(part, StandardOpenOption.CREATE_NEW, content);
        rename(part, file);
      } catch (IOException e) {
        throw fault(file, e);
      }
    }

    private static void fill(Path file, OpenOption create, String content) throws IOException {
      var options = Set.of(create, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
      try (var channel = FileChannel.open(file, options, OWNER_READS)) {
        var bytes = ByteBuffer.wrap(content.getBytes(UTF_8));
        while (bytes.hasRemaining()) channel.write(bytes);
        channel.force(true);
      }
    }

    /** No fault where it has gone: somebody has deleted it, or another INI's run was quicker. */
    static void move(Path from, Path to) {
      try {
        makeFolder(folderOf(to));
        rename(from, to);
      } catch (NoSuchFileException e) {
        // it has gone
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

    /**
     * Writes as much as a file of ours may take, and deletes it. Runs of other INIs may do so in
     * the same folder at once.
     *
     * @throws Fault HISTORY when it cannot
     */
    static void tryToWrite(Path folder) {
      var probe = folder.resolve(".writable");
      try {
        makeFolder(folder);
        Files.deleteIfExists(probe); // another user's, say
        fill(probe, StandardOpenOption.CREATE, " ".repeat(PROBE));
        Files.deleteIfExists(probe);
      } catch (IOException e) {
        throw fault(probe, e);
      }
    }

    /** Whether somebody may be writing it: it was touched within the last hour. */
    static boolean isFresh(Path file, Instant now) {
      try {
        var touched = Files.getLastModifiedTime(file).toInstant();
        return touched.isAfter(now.minus(Duration.ofHours(1))) && !touched.isAfter(now);
      } catch (IOException e) {
        return true; // gone, or not ours to look at
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

    static Path folderOf(Path file) {
      var folder = file.getParent();
      if (folder == null) return Path.of("");
      return folder;
    }

    private static Fault fault(Path file, IOException e) {
      return Exit.HISTORY.fault(e, "%s: cannot be written: %s", shown(file), reason(e, "write"));
    }

    /** The whole path, so that a line of a log tells which of several installations it is. */
    static String shown(Path file) {
      return file.toAbsolutePath().normalize().toString();
    }

    /** The name of this user, or the number where it has none, as in a container. */
    static String user() {
      var name = System.getProperty("user.name", "?");
      if (!name.equals("?")) return name;
      try {
        return Files.getOwner(Path.of("/proc/self")).getName();
      } catch (IOException e) {
        return name;
      }
    }

    /** In plain words what the file system refused. */
    static String reason(IOException e, String doing) {
      var who = "user " + user();
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
    private static final int LOOKS = 5; // before a run gives way
    private static final Duration PAUSE = Duration.ofMillis(400);

    private final FileChannel channel;

    private Lock(FileChannel channel) {
      this.channel = channel;
    }

    /** @throws Fault TRY_LATER when another run holds it */
    static Lock take(Path history) {
      var file = history.resolveSibling(history.getFileName() + ".lock");
      try {
        Disk.makeFolder(Disk.folderOf(file));
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) Disk.requireReadable(file, Exit.HISTORY);
        var options = Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS);
        var channel = FileChannel.open(file, options, Disk.OWNER_READS);
        if (isTaken(channel) && isStillTaken(channel)) {
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

    /** Doctor takes it for an instant, to which no run shall give way. */
    private static boolean isStillTaken(FileChannel channel) throws IOException {
      for (int i = 0; i < LOOKS; i++) {
        try {
          Thread.sleep(PAUSE.toMillis());
        } catch (InterruptedException e) {
          throw Exit.TRY_LATER.fault(e, "interrupted");
        }
        if (!isTaken(channel)) return false;
      }
      return true;
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
    if (isWhole) return rounded(tickets);
    return decimal(tickets);
  }

  /** The same of what is usual, "none" where that is next to nothing. */
  static String orNone(double tickets) {
    if (tickets < 0.05) return "none";
    return amount(tickets);
  }

  static String rounded(double value) {
    return String.format(Locale.ROOT, "%.0f", value);
  }

  static String percent(double part) {
    return rounded(part * 100) + " %";
  }

  /** An address that no mail client or chat makes a link of. */
  static String unclickable(String text) {
    return text.replace("://", "[:]//").replaceAll("(?i)\\bwww\\.", "www[.]");
  }

  /** Such as "1 ticket" or "20 tickets". */
  static String plural(long number, String noun) {
    if (number == 1) return "1 " + noun;
    return number + " " + noun + "s";
  }

  /** Whether a host is this machine. */
  static boolean isLoopback(String host) {
    return host.matches("localhost|127(\\.\\d{1,3}){3}|\\[?::1]?");
  }

  static String encode(String text) {
    return URLEncoder.encode(text, UTF_8);
  }

  /** Percent-encoded text; a plus is one. @throws IllegalArgumentException when it is malformed */
  static String decoded(String text) {
    if (text.contains("%")) return URLDecoder.decode(text.replace("+", "%2B"), UTF_8);
    return text;
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
    if (columns(text) <= most) return text;
    return start(text, most - 1) + "\u2026";
  }

  /** The first so many of the list, or all. */
  static <T> List<T> first(int most, List<T> list) {
    return list.subList(0, Math.min(most, list.size()));
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
      if (isWide) columns += 2;
      else if (!isMark) columns++;
    }
    return columns;
  }

  /** Blank characters, and those that turn, hide or spell in secret what other people wrote. */
  private static final Pattern INVISIBLE = Pattern.compile("[\\u00ad\\u034f\\u061c\\u115f\\u1160"
      + "\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u2800"
      + "\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\x{e0000}-\\x{e0fff}]");

  /** Other people's text: no line break, control or invisible sign, no half of a character. */
  static String clean(String text) {
    boolean isPlain = text.chars().allMatch(c -> c >= ' ' && c <= '~');
    if (isPlain) return text;
    var visible = INVISIBLE.matcher(text).replaceAll("");
    var tame = visible.replaceAll("(\\p{M}{4})\\p{M}+", "$1"); // marks heaped upon one letter
    return tame.replaceAll("[\\p{Cc}\\p{Cs}\\u2028\\u2029]+", " ");
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
    ZENDESK(69, "Zendesk unreachable or invalid, or too little of the past read to judge"),
    BUG(70, "anything unforeseen, with its trace"),
    HISTORY(74, "a file unreadable or unwritable; the hour's alarm is sent all the same"),
    TRY_LATER(75, "a notice waits or was refused, or another run is on"),
    DENIED(77, "Zendesk or SMTP refused the credentials"),
    CONFIG(78, "auth.ini missing, malformed or incomplete");

    final int code;
    final String when;

    Exit(int code, String when) {
      this.code = code;
      this.when = when;
    }

    private static final List<Exit> WORST_FIRST =
        List.of(BUG, CONFIG, HISTORY, DENIED, ZENDESK, TRY_LATER, USAGE);

    /** The one that a run ends with when several apply. */
    static Exit worst(Set<Exit> exits) {
      for (var exit : WORST_FIRST) if (exits.contains(exit)) return exit;
      return OK;
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
