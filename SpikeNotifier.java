///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells a support team within the hour that Zendesk tickets surge: how many, how unusual, which tags
//JAVA 17+
//JAVAC_OPTIONS -encoding UTF-8 -XDstringConcat=inline
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xms16m -XX:-UsePerfData -XX:CompileThresholdScaling=2
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
 *   3. is it a spike, it is told at once, unless the past was never read before
 *   4. make the counts of the past true: check the last day, read what is unknown (see Past)
 *   5. judge the last week anew, and tell what is due (see DueRule): growth, ends, stops, tags
 *   6. send what waits, and tell the watcher how the run ended
 * Stored are facts alone: the counts, the tags of each hour, what was told, what waits. All else is
 * reckoned anew in each run. What cannot be read or written here silences no spike of the last
 * hour: the run goes on in memory, and ends with 74.
 *
 * THE RULES
 *   mean      a spike is more than (1 + SpikeThreshold) * mean, the mean being that of the same
 *             hour of day in the last NumHours. Example: 40, 38 and 42 tickets at 13:00 have the
 *             mean 40; at SpikeThreshold 0.6 64 tickets are calm and 65 are a spike
 *   weekly    this hour, or it and the one before together, held far more than they usually do on
 *             this weekday, given how busy the last three days were. Example: usual 10.7, deviation
 *             3.4, and 11 in the hour before: 25 tickets are a spike, 24 are not
 *   stops     a tenth or fewer came where a dozen usually come
 *   tags      far more tickets carry a tag than its odds of the last weeks give
 *
 * WORDS
 *   hour      a full UTC hour [from, to);  count: the tickets created in it; unknown is never 0
 *   sample    an earlier hour's count that the hour is compared with;  baseline: what they say
 *   spike     an hour with at least the count that its thresholds need;  calm: one with fewer;
 *             learning: one that has too few samples
 *   episode   a spike from its first hour to the calm one that ends it: one mail thread
 *   notice    what is told about an hour;  receiver: a mail address or a chat
 *
 * TO CHANGE                              EDIT
 *   a key, its default, its range        Config: one line a key; README.md and auth.ini.example too
 *   who gets the mail, its headers       Config.mailReceivers; Mail
 *   when an hour is a spike              Judge.isSpike
 *   what is told again, and when         DueRule
 *   the words of mail and chat           NoticeWriter; a column of a table: there, too
 *   what a chat or a program gets        Payload
 *   what Zendesk is asked                Zendesk.words; NoticeWriter.agentSearch for the links
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
import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.core.*;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.type.LogicalType;
import com.sun.security.auth.module.UnixSystem;
import jakarta.mail.AuthenticationFailedException;
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.URLName;
import jakarta.mail.internet.*;
import java.io.*;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.CharacterCodingException;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.*;
import java.time.format.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.eclipse.angus.mail.smtp.SMTPAddressFailedException;
import org.eclipse.angus.mail.smtp.SMTPSendFailedException;
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
@Command(name = "spike-notifier", mixinStandardHelpOptions = true, addMethodSubcommands = false,
    versionProvider = SpikeNotifier.Version.class,
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
        "  https_proxy, no_proxy     the way to Zendesk, webhook and watcher",
        "  SSL_CERT_FILE     authorities (PEM) that are trusted beside Java's own",
        "  LC_ALL=C.UTF-8     where file names or secrets hold more than ASCII"})
final class SpikeNotifier implements Callable<Integer> {
  static final String NAME = "Spike Notifier";
  static final String VERSION = "4.0.0";
  private static final List<String> COMMANDS = List.of("doctor", "explain", "backtest", "report",
      "generate-completion", "help");

  @Option(names = {"-c", "--config"}, paramLabel = "FILE", scope = ScopeType.INHERIT,
      description = "the INI file (default: auth.ini)")
  Path configFile = Path.of("auth.ini");

  @Option(names = "--json", scope = ScopeType.INHERIT,
      description = "print JSON, one object a line (job, doctor, explain, backtest)")
  boolean isJson;

  @Option(names = {"-q", "--quiet"}, scope = ScopeType.INHERIT, description = "print faults only")
  boolean isQuiet;

  @Option(names = {"-v", "--verbose"}, scope = ScopeType.INHERIT,
      description = "print each request too, never a secret")
  boolean isVerbose;

  /** Options that the commands do not have. */
  static final class JobOptions {
    @Option(names = "--dry-run", description = "print the mail; send, store and ping nothing")
    boolean isDryRun;

    @Option(names = "--hour", paramLabel = "HOUR",
        description = "with --dry-run: what would be told of this UTC hour, e.g. 2026-11-24T13")
    Hour hour;
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
      return commandLine(world, args).execute(args);
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
    if (!job.isDryRun) Heartbeat.send(config, code, world);
    return code;
  }

  @SuppressWarnings("try") // the lock is held, not used
  private Exit runLocked(Config config) {
    try (var held = job.isDryRun ? null : lock(config)) {
      return new Job(config, world, job.isDryRun, isJson, job.hour).run();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // of closing a channel that was only locked
    }
  }

  /** Another run that holds it ends this one; one that cannot be made silences nothing. */
  private FileChannel lock(Config config) {
    try {
      return Disk.lock(config.historyFile);
    } catch (Fault e) {
      if (e.exit != Exit.HISTORY) throw e;
      world.report(e);
      return null;
    }
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Checks config, Zendesk, mail, history and outbox; with --send the way to "
          + "each receiver, too.")
  int doctor(
      @Option(names = "--send", description = "send a sample notice, marked as such, by mail and "
          + "webhook, and ping the watcher, once as failed and once as good") boolean sends) {
    return new Doctor(configFile, world, isJson).examine(sends).code;
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Tells, offline, why an hour of the history is a spike or is not, and what "
          + "was sent about it.")
  void explain(
      @Parameters(paramLabel = "HOUR", description = "a UTC hour, e.g. 2026-11-24T13") Hour hour) {
    var config = Config.readOffline(configFile, world);
    new Explanation(config, History.read(config.historyFile), hour, world).print(isJson);
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Replays the history, offline: how many spikes would which settings find?")
  void backtest(
      @Option(names = "--per-month", paramLabel = "N",
          description = "show those settings alone that find at most N spikes in 30 days")
          Double perMonth) {
    var config = Config.readOffline(configFile, world);
    var tags = new TagHistory(config.historyFile);
    new Backtest(config, History.read(config.historyFile), tags).print(world, perMonth, isJson);
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Writes, offline, out/report.html: a picture of the history.")
  void report() {
    var config = Config.readOffline(configFile, world);
    world.result(Disk.shown(new Report(config, History.read(config.historyFile)).write()));
  }

  /** The commands are added where one is asked for: that saves a fifth of an hourly run. */
  static CommandLine commandLine(World world, String... args) {
    var main = new SpikeNotifier(world);
    var line = new CommandLine(main);
    boolean isJob = Stream.of(args).allMatch(arg -> arg.matches("-[qv]+|--quiet|--verbose|--json"));
    if (!isJob) {
      line.getCommandSpec().addMethodSubcommands();
      line.addSubcommand(new HelpCommand());
      line.addSubcommand(new AutoComplete.GenerateCompletion());
    }
    line.setOut(world.out)
        .setErr(world.err)
        .setExpandAtFiles(false) // else "-c @auth.ini" would print its words
        .registerConverter(Hour.class, Hour::parse)
        .setExecutionStrategy(main::execute)
        .setExecutionExceptionHandler((e, command, parsed) -> world.report(e))
        .setParameterExceptionHandler((e, words) -> main.refuse(e));
    line.getCommandSpec().usageMessage()
        .exitCodeListHeading("%nExit codes:%n")
        .exitCodeList(Exit.table());
    return line;
  }

  /** A usage error. No word of an argument is shown: it may be a secret. */
  private int refuse(ParameterException e) {
    var arg = e instanceof CommandLine.OverwrittenOptionException twice ? twice.getOverwritten()
        : e.getArgSpec();
    var words = "an argument is not known (expected an option, or one of " + COMMANDS + ")";
    if (e instanceof Misuse || e instanceof CommandLine.MissingParameterException) {
      words = e.getMessage();
    } else if (arg instanceof CommandLine.Model.OptionSpec option) {
      words = option.longestName() + ": malformed, or given twice (expected "
          + (option.arity().max() == 0 ? "no value" : option.paramLabel()) + ")";
    } else if (arg != null) {
      words = arg.paramLabel() + ": malformed (expected one such as 2026-11-24T13)";
    }
    world.warn(words);
    world.warn("See --help");
    return Exit.USAGE.code;
  }

  /** Options that mean nothing together; its message holds no argument. */
  private static final class Misuse extends ParameterException {
    private static final long serialVersionUID = 1;

    Misuse(CommandLine line, String message) {
      super(line, message);
    }
  }

  private int execute(CommandLine.ParseResult parsed) {
    refuseWhatMeansNothing(parsed);
    if (isQuiet) world.verbosity = Verbosity.QUIET;
    if (isVerbose) world.verbosity = Verbosity.VERBOSE;
    return new CommandLine.RunLast().execute(parsed);
  }

  private void refuseWhatMeansNothing(CommandLine.ParseResult parsed) {
    var line = parsed.commandSpec().commandLine();
    boolean isHelp = parsed.isUsageHelpRequested() || parsed.isVersionHelpRequested();
    if (isHelp) return;
    if (isQuiet && isVerbose) throw new Misuse(line, "-q and -v exclude each other");
    if (job.hour != null && !job.isDryRun) throw new Misuse(line, "--hour goes with --dry-run");
    if (parsed.hasSubcommand() && job.isDryRun) {
      throw new Misuse(line, "--dry-run belongs to the hourly job, not to a command");
    }
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

  // ==== Job: what is done in an hour ============================================================

  /**
   * One run: count the last hour and tell its spike at once, then look after the past, then tell
   * everything. What cannot be read or written on this machine does not keep the last hour's spike
   * from being told: the run goes on in memory.
   */
  static final class Job {
    private static final Duration FAR = Duration.ofMinutes(5); // a clock that cannot be right
    private static final Duration COUNTING = Duration.ofMinutes(2); // the last hour
    private static final Duration FIRST_PAGE = Duration.ofSeconds(30);
    private static final Duration READING = Duration.ofMinutes(2); // further tickets
    private static final Duration GLANCE = Duration.ofSeconds(10); // what the next hour holds yet

    private final Config config;
    private final World world;
    private final boolean isDryRun;
    private final boolean isJson;
    private final Hour chosen; // instead of the last one, in a dry run; else null
    private final Zendesk zendesk;
    private final History history;
    private final TagHistory tags;
    private final Outbox outbox;
    private final Delivery delivery;
    private final NavigableMap<Hour, Verdict> printed = new TreeMap<>(); // at the end
    private final Set<Hour> inPart = new HashSet<>(); // whose tags serve this run alone
    private Told told; // null before the first run has counted
    private boolean hasFailed; // to read or write something here: then it goes on in memory
    private boolean savesCounts;
    private boolean savesTold;
    private boolean hasSaidClock;
    private Hour last;
    private HourTickets lastTickets;

    /** @throws Fault CONFIG when the history is of another account or Query */
    Job(Config config, World world, boolean isDryRun, boolean isJson, Hour chosen) {
      this.config = config;
      this.world = world;
      this.isDryRun = isDryRun;
      this.isJson = isJson;
      this.chosen = chosen;
      this.savesCounts = !isDryRun;
      this.savesTold = !isDryRun;
      this.zendesk = new Zendesk(config, world);
      this.history = new History(config.historyFile);
      this.tags = new TagHistory(config.historyFile);
      this.told = readTold();
      this.outbox = new Outbox(config, world, isDryRun);
      this.delivery = new Delivery(config, world, outbox);
      history.troubles.forEach(this::goOnInMemory);
      tags.troubles.forEach(world::warn);
    }

    /** Without a history it begins anew, as it does where it makes no sense. */
    private Told readTold() {
      if (!Files.exists(config.historyFile)) return null;
      try {
        return Told.read(config);
      } catch (JsonProcessingException e) {
        world.layAside(Told.file(config.historyFile), isDryRun);
      } catch (Fault e) {
        if (e.exit == Exit.CONFIG) throw e;
        savesTold = false;
        goOnInMemory(e.getMessage());
      }
      return null;
    }

    private void goOnInMemory(String trouble) {
      world.trouble(Exit.HISTORY, trouble);
      hasFailed = true;
    }

    Exit run() {
      zendesk.warnOfApiToken();
      try {
        countLast();
        beginTold();
        boolean wasWhole = told.wasWhole();
        if (wasWhole) tell(false);
        boolean isPastRead = readPast();
        if (isPastRead) saveTold(); // or it turns out that this cannot be
        boolean isWhole = isPastRead && !hasFailed && !outbox.hasFailed();
        if (isPastRead || wasWhole) tell(isWhole);
        save();
        if (!isDryRun) tidyUp();
      } catch (Fault e) {
        world.report(e);
        printed.values().removeIf(verdict -> !(verdict instanceof Spike)); // which was told
      }
      if (isDryRun) {
        delivery.print(isJson, chosen);
      } else {
        delivery.send(); // what waits is sent, also where nothing could be counted
        delivery.sayWhatWaits();
      }
      printed.values().forEach(this::print);
      world.detail(plural(zendesk.requests(), "request") + " to Zendesk");
      return Exit.worst(world.exits);
    }

    private void beginTold() {
      boolean isNew = told == null || chosen != null; // a chosen hour is told whatever was told
      if (isNew) told = new Told(config.zendeskHost, config.query, last);
      if (chosen != null) return;
      for (var notice : outbox.waiting()) told.note(notice.topic()); // as it was before a kill
      if (isNew) saveTold();
    }

    /** Counts the last full hour; asks again where Zendesk's clock says that it is another one. */
    private void countLast() {
      var patience = Patience.within(world, COUNTING);
      zendesk.signIn(patience);
      for (int i = 0; i < 3; i++) {
        readClock();
        last = chosen == null ? Hour.lastFull(world.now()) : chosen;
        long count = count(last, patience);
        readClock();
        var newest = Hour.lastFull(world.now());
        if (chosen != null && chosen.isAfter(newest)) {
          throw Exit.USAGE.fault("--hour " + last.name() + ": is not over yet (expected "
              + newest.name() + " or earlier)");
        }
        if (chosen == null && !last.equals(newest)) continue;
        history.raise(last, count);
        return;
      }
      throw Exit.ZENDESK.fault("[zendesk] its clock jumps, so that no hour is the last");
    }

    /** One request gives the count and the first tickets; where it fails, the count comes first. */
    private long count(Hour hour, Patience patience) {
      lastTickets = new HourTickets(hour, config.omittedTags);
      try {
        var page = zendesk.firstPage(hour, Patience.once(world, FIRST_PAGE));
        lastTickets.add(page, world);
        return page.count();
      } catch (Fault e) {
        if (e.exit == Exit.DENIED) throw e;
        world.detail(e.getMessage());
        lastTickets.setMissing(e.getMessage());
        return zendesk.count(hour, hour.plus(1), patience);
      }
    }

    /** Zendesk's clock is followed, since it says when its tickets were created. */
    private void readClock() {
      var there = zendesk.serverTime();
      if (there == null) return;
      var newest = history.newest();
      if (newest != null && there.isBefore(newest.to())) {
        throw Exit.ZENDESK.fault("[zendesk] says that it is " + there + ", before the end of "
            + newest + ", a stored hour: not believed (or empty the cells from that hour on)");
      }
      world.skew = Duration.between(world.clock.instant(), there);
      boolean isFar = world.skew.abs().compareTo(FAR) > 0;
      if (!isFar || hasSaidClock) return;
      hasSaidClock = true;
      world.warn("this machine's clock is " + plural(world.skew.abs().toMinutes(), "minute")
          + (world.skew.isNegative() ? " ahead of" : " behind") + " Zendesk's, which says " + there
          + ": that one is followed (set the clock)");
    }

    /** @return whether it came to its end, so that everything can be told */
    private boolean readPast() {
      var past = new Past(zendesk, history, tags, world, this::save);
      var newest = told.wasWhole() ? told.judged.lastKey() : null;
      boolean isRead = past.read(last, newest, config.numHours);
      if (!isRead) {
        world.trouble(Exit.ZENDESK, "[zendesk] the past was not read to its end, and the next run "
            + "goes on: " + past.trouble());
      }
      return isRead;
    }

    /** @param isWhole whether everything is told, or the last hour's spike alone */
    private void tell(boolean isWhole) {
      var judge = new Judge(new Rule(config), history.counts());
      boolean isSpike = judge.verdict(last) instanceof Spike;
      if (!isSpike && !isWhole) {
        printed.put(last, judge.verdict(last));
        return;
      }
      var verdicts = judge.verdicts(last.plus(1 - Told.WEEK), last.plus(1));
      choosePrinted(verdicts, isWhole);
      var reading = Patience.within(world, READING);
      boolean isSmall = history.at(last) <= TagHistory.MOST_TICKETS; // then its tags are kept
      if (isSpike || isWhole && isSmall) readTickets(lastTickets, last, reading);

      var surging = new TagRule(tags, config.zone).surging(last, config.omittedTags);
      var stop = new Stops(judge.baselines).at(last);
      var rule = new DueRule(verdicts, last, told, new Wishes(config), stop, surging);
      var due = new ArrayList<>(isWhole ? rule.all() : rule.lastSpike());
      var writer = new NoticeWriter(config, judge, tags, world);
      for (var each : due) {
        if (!each.isSilent()) outbox.add(write(each, writer, reading));
      }
      if (outbox.hasFailed() && !isDryRun) delivery.send();
      due.removeIf(each -> outbox.isLost(each.topic())); // it is due again in the next run
      for (var each : due) told.note(each.topic());
      if (isWhole) told.noteJudged(verdicts, last, config.stops);
      if (isWhole || !due.isEmpty()) saveTold();
      inPart.forEach(tags::forget);
      if (isWhole && verdicts.get(last) instanceof Learning learning) noteUnread(learning, judge);
      if (!isDryRun) delivery.send();
    }

    /** The last hour, and those that were counted otherwise than when they were judged. */
    private void choosePrinted(NavigableMap<Hour, Verdict> verdicts, boolean isWhole) {
      verdicts.forEach((hour, verdict) -> {
        boolean isNews = isWhole && !hour.isBefore(told.since) && verdict instanceof Judged
            && !Objects.equals(told.judged.get(hour), verdict.count());
        if (isNews || hour.equals(last)) printed.put(hour, verdict);
      });
    }

    private Notice write(Due due, NoticeWriter writer, Patience reading) {
      var hour = due.topic().hour();
      var tickets = lastTickets;
      if (due instanceof SpikeDue && !hour.equals(last)) {
        tickets = new HourTickets(hour, config.omittedTags);
        readTickets(tickets, hour, reading);
      }
      var progress = due instanceof SpikeDue && hour.equals(last) ? inProgress() : null;
      return writer.write(due, tickets, progress);
    }

    /** What cannot be read in two minutes must not stop the notice: it ranks by what there is. */
    private void readTickets(HourTickets tickets, Hour hour, Patience reading) {
      long count = history.at(hour);
      tickets.readRest(zendesk, count, reading, world);
      if (tickets.size() == 0 && count > 0) return;
      tags.put(hour, tickets.size(), tickets.tagCounts());
      boolean isKept = tickets.isWhole() && tickets.size() <= TagHistory.MOST_TICKETS;
      if (!isKept) inPart.add(hour);
    }

    /** Whether it goes on; a question that may fail without harm. */
    private HourInProgress inProgress() {
      var now = world.now();
      boolean isRecent = last.to().isBefore(now) && now.isBefore(last.plus(2).from());
      if (!isRecent) return null;
      try {
        return new HourInProgress(now, zendesk.count(last.to(), now, config.query,
            Patience.once(world, GLANCE)));
      } catch (Fault e) {
        world.detail(e.getMessage());
        return null;
      }
    }

    /** Whether the hour would be judged, had Zendesk given all of what it is compared with. */
    private void noteUnread(Learning learning, Judge judge) {
      var samples = judge.baselines.samples(last);
      long unread = samples.unknown().stream()
          .filter(hour -> last.since(hour) <= config.numHours).count();
      boolean wouldDo = unread > 0 && learning.samples() + unread >= learning.needed();
      if (!wouldDo) return;
      world.trouble(Exit.ZENDESK, last.name() + ": not judged, since Zendesk did not give some of "
          + "the hours that it is compared with; the next run asks again");
    }

    private void save() {
      if (!savesCounts) return;
      try {
        history.save();
        tags.save();
      } catch (Fault e) {
        savesCounts = false;
        goOnInMemory(e.getMessage());
      }
    }

    private void saveTold() {
      if (!savesTold) return;
      try {
        told.save(config.historyFile);
      } catch (Fault e) {
        savesTold = false;
        goOnInMemory(e.getMessage());
      }
    }

    private void tidyUp() {
      delivery.giveUpWhatIsOld();
      outbox.prune();
    }

    private void print(Verdict verdict) {
      var line = json(verdict).put("alert", alert(verdict));
      if (isJson) {
        var notice = outbox.find(verdict.hour(), Kind.SPIKE);
        if (notice != null) line.set("tags", JSON.valueToTree(notice.facts().tags()));
        world.result(line.toString());
        return;
      }
      var words = new StringJoiner(" ").add("hour=" + verdict.hour());
      for (var name : List.of("count", "mean", "needed", "percent", "samples", "samples_needed",
          "verdict", "alert")) {
        var value = line.path(name);
        if (value.isMissingNode()) continue;
        var shown = value.isDouble() ? decimal(value.asDouble()) : value.asText();
        words.add(name + "=" + (value.isNull() ? "-" : shown));
      }
      world.result(words.toString());
    }

    /** What became of the hour's notice: the one about its total first. */
    private String alert(Verdict verdict) {
      var ofTotal = verdict instanceof Spike ? Kind.SPIKE : Kind.CLEAR;
      for (var kind : List.of(ofTotal, Kind.STOP, Kind.RESUMED, Kind.TAG)) {
        var notice = outbox.find(verdict.hour(), kind);
        if (notice == null) continue;
        boolean isNew = outbox.isOfThisRun(notice);
        if (isDryRun && isNew) return "dry-run";
        if (notice.isHeard()) return isNew ? "sent" : "already-sent";
        if (outbox.waiting().contains(notice)) return "queued";
      }
      return "none";
    }
  }

  // ==== Doctor: would the next run work =========================================================

  /** Tries each part and says what it saw. {@link #examine} gives the code of the worst. */
  static final class Doctor {
    private static final Duration SKEW = Duration.ofMinutes(2);
    private static final int SAMPLE = 100; // tickets of the made-up spike
    private static final Pattern CHANGING =
        Pattern.compile("\\b(status|solved|updated|assignee|group|priority)[:<>]");

    private final Path file;
    private final World world;
    private final boolean isJson;
    private Exit worst = Exit.OK;
    private Config config;
    private Zendesk zendesk;
    private Hour last;

    /** What a check saw that works. @param isOdd whether that deserves a warning */
    private record Seen(String words, boolean isOdd) { }

    Doctor(Path file, World world, boolean isJson) {
      this.file = file;
      this.world = world;
      this.isJson = isJson;
    }

    /** @param sends whether a sample goes to each receiver, and a ping to the watcher */
    Exit examine(boolean sends) {
      check("config", this::config);
      if (config == null) return worst;
      zendesk = new Zendesk(config, world);
      last = Hour.lastFull(world.clock.instant());
      var checks = new LinkedHashMap<String, Supplier<Seen>>();
      checks.put("Zendesk", this::zendesk);
      checks.put("Query", this::query);
      checks.put("clock", this::clock);
      checks.put("mail", this::mail);
      checks.put("history", this::history);
      checks.put("outbox", this::outbox);
      if (sends) addSamples(checks);
      checks.forEach(this::check);
      world.exits.add(worst);
      return Exit.worst(world.exits);
    }

    private void addSamples(Map<String, Supplier<Seen>> checks) {
      for (var address : config.mailReceivers()) {
        checks.put("sample to " + address, () -> {
          var sample = sample();
          return sent(new Mailer(config, world).send(sample, null, List.of(address)).get(address));
        });
      }
      for (var chat : config.chats) {
        checks.put("sample to " + chat.name() + " as " + lower(chat.format().name()), () -> {
          var sample = sample();
          return sent(new Webhook(chat, world).send(sample, sample.document()));
        });
      }
      if (config.pingUrl != null) checks.put("watcher", this::pinged);
    }

    private static Seen sent(Reply reply) {
      if (reply.outcome() == Outcome.YES) return new Seen("taken: " + reply.words(), false);
      throw Exit.TRY_LATER.fault(reply.words());
    }

    /** A check that fails throws a fault. */
    private void check(String name, Supplier<Seen> check) {
      try {
        var seen = check.get();
        say(seen.isOdd ? "WARN" : "ok", name, seen.words);
      } catch (Fault e) {
        e.getMessage().lines().forEach(line -> say("FAIL", name, line));
        worst = Exit.worst(EnumSet.of(e.exit, worst));
      }
    }

    private void say(String result, String name, String seen) {
      var line = (result + "    ").substring(0, 6) + name + ": " + seen;
      if (isJson) {
        world.result(JSON.createObjectNode().put("check", name).put("result", lower(result))
            .put("seen", world.secrets.redact(seen)).toString());
      } else if (result.equals("FAIL") && world.verbosity == Verbosity.QUIET) {
        world.warn(line);
      } else {
        world.result(line);
      }
    }

    private Seen config() {
      var read = Config.read(file, world);
      for (var warning : read.warnings) say("WARN", "config", warning);
      read.refuseMistakes();
      world.tls(); // of SSL_CERT_FILE, which says what is wrong
      config = read;
      return new Seen(Disk.shown(file), false);
    }

    private Seen zendesk() {
      long count = zendesk.count(last, last.plus(1), Patience.within(world, world.timeout));
      boolean isToken = config.zendeskClient == null;
      return new Seen(Http.server(config.zendeskUrl) + ", " + plural(count, "ticket") + " in "
          + last.name() + (isToken ? ", API token, which ends on 30 Apr 2027" : ", OAuth"),
          isToken);
    }

    private Seen query() {
      if (config.query.isEmpty()) return new Seen("none", false);
      var from = last.plus(-Told.WEEK).from();
      var patience = Patience.within(world, world.timeout);
      long with = zendesk.count(from, last.to(), config.query, patience);
      long all = zendesk.count(from, last.to(), "", patience);
      boolean isIdle = with == 0 || with >= all;
      boolean isChanging = CHANGING.matcher(config.query).find();
      return new Seen(config.query + ": " + with + " of " + plural(all, "ticket")
          + " of the last 7 days" + (isIdle ? " (a misspelled word?)" : "")
          + (isChanging ? "; it asks for what changes later: the first fill sees what is left"
              : ""), isIdle || isChanging);
    }

    private Seen clock() {
      if (zendesk.serverTime() == null) return new Seen("Zendesk told no time", true);
      var skew = Duration.between(zendesk.serverTime(), world.clock.instant());
      return new Seen(skew.toSeconds() + " s from Zendesk's", skew.abs().compareTo(SKEW) > 0);
    }

    private Seen mail() {
      if (config.sender == null) return new Seen("none, [webhook] is told", false);
      return new Seen(new Mailer(config, world).check(), false);
    }

    private Seen history() {
      Disk.tryToWrite(Disk.folderOf(config.historyFile));
      var counts = History.read(config.historyFile);
      var seen = Disk.shown(config.historyFile) + ", "
          + Told.scope(config.zendeskHost, config.query);
      try {
        Told.read(config);
      } catch (JsonProcessingException e) {
        return new Seen(Disk.shown(Told.file(config.historyFile)) + ": makes no sense", true);
      }
      if (counts.hours().isEmpty()) return new Seen(seen + ": the first run fills it", false);
      long unknown = Hour.range(last.plus(-config.numHours), last)
          .filter(hour -> !counts.knows(hour)).count();
      return new Seen(seen + ", " + counts.first().name() + " to "
          + counts.end().plus(-1).name() + ", " + unknown + " unknown of the last "
          + config.numHours, false);
    }

    private Seen outbox() {
      var outbox = new Outbox(config, world, true);
      Disk.tryToWrite(Disk.beside(config.historyFile, ".outbox"));
      int waiting = outbox.waiting().size();
      return new Seen(plural(waiting, "notice") + " waiting", waiting > 0 || outbox.hasFailed());
    }

    /** Once as after a bad run, where that has an address, and once as after a good one. */
    private Seen pinged() {
      var server = Http.server(config.pingUrl);
      boolean hearsOfFailure = Heartbeat.send(config, Exit.BUG.code, world);
      if (!Heartbeat.send(config, 0, world)) {
        throw Exit.TRY_LATER.fault("[monitor] PingUrl: " + server + " did not take a good ping");
      }
      return new Seen(server + " took a good ping" + (hearsOfFailure ? " and a bad one"
          : ", but no bad one (set FailUrl)"), !hearsOfFailure);
    }

    /** By the code of a real one, so that whoever rewords it sees it at once. */
    private Notice sample() {
      var known = new TreeMap<Hour, Long>();
      var tags = new TagHistory();
      Hour.range(last.plus(-14 * 168), last).forEach(hour -> {
        known.put(hour, 18 + hour.number() % 7);
        tags.put(hour, 20, Map.of("vip", 7L));
      });
      known.put(last, (long) SAMPLE);
      var judge = new Judge(new Rule(config), new Counts(known));
      if (!(judge.verdict(last) instanceof Spike spike)) {
        throw Exit.CONFIG.fault(last + " is no spike even with " + SAMPLE + " tickets instead of "
            + "20 (by Judge.isSpike or the keys of [spike])");
      }
      var tickets = new HourTickets(last, config.omittedTags);
      for (long i = 0; i < SAMPLE; i++) tickets.add(madeUp(i));
      tags.put(last, SAMPLE, tickets.tagCounts());
      var progress = new HourInProgress(last.to().plusSeconds(420), 14);
      return new NoticeWriter(config, judge, tags, world).sample(
          new SpikeDue(last, last, spike.count(), null, List.of()), tickets, progress);
    }

    private Ticket madeUp(long i) {
      boolean surges = i < SAMPLE * 8 / 10;
      var tags = new ArrayList<String>();
      if (surges) tags.add("checkout_error");
      if (i % 3 == 0) tags.add("vip");
      return new Ticket(4900 + i, last.from().plusSeconds(i * 3600 / SAMPLE),
          surges ? "Checkout fails with error 502" : "A question", 1000 + i, tags, "ticket");
    }
  }

  // ==== Explanation: why is this hour a spike, or not ===========================================

  /** One hour of the history with everything that its verdict comes from, and what was told. */
  static final class Explanation {
    private static final int MOST_LINES = 20; // of one kind, in words; JSON has all

    private final Config config;
    private final Counts counts;
    private final Hour hour;
    private final Judge judge;
    private final World world;

    Explanation(Config config, Counts counts, Hour hour, World world) {
      this.config = config;
      this.counts = counts;
      this.hour = hour;
      this.judge = new Judge(new Rule(config), counts);
      this.world = world;
    }

    void print(boolean isJson) {
      var facts = facts();
      if (isJson) {
        world.result(facts.toString());
        return;
      }
      world.result(headline());
      lines(facts).forEach(world::result);
    }

    private String headline() {
      var start = span(hour, hour.plus(1), config.zone) + ": ";
      if (!counts.knows(hour)) return start + "its count is unknown.";
      var verdict = judge.verdict(hour);
      var words = start + plural(verdict.count(), "ticket");
      if (verdict instanceof Learning learning) {
        return words + ", not judged, with " + plural(learning.samples(), "sample") + " of the "
            + learning.needed() + " that it takes.";
      }
      var usual = judge.baselines.of(hour).mean();
      return words + " instead of " + amount(usual) + ", "
          + (verdict instanceof Spike ? "a spike" : "calm") + " by rule "
          + lower(judge.rule.name().name()) + "; a spike takes "
          + judge.thresholds(hour).least() + ".";
    }

    private ObjectNode facts() {
      var facts = JSON.createObjectNode().put("hour", hour.from().toString()).putNull("count");
      if (counts.knows(hour)) facts.setAll(json(judge.verdict(hour)));
      facts.put("why", headline());
      addTold(facts.putArray("told"));
      facts.put("rule", lower(judge.rule.name().name()));
      var usual = judge.baselines.of(hour);
      if (usual != null) {
        if (usual.spread() != null) facts.put("growth", usual.spread().growthFactor());
        var thresholds = judge.thresholds(hour);
        facts.put("needed", thresholds.least());
        var all = facts.putObject("thresholds");
        for (var each : thresholds.all()) all.put(each.key(), each.tickets());
      }
      facts.set("stop", JSON.valueToTree(new Stops(judge.baselines).at(hour)));
      var tags = new TagRule(new TagHistory(config.historyFile), config.zone);
      facts.set("tags", JSON.valueToTree(tags.verdicts(hour, config.omittedTags)));

      var samples = judge.baselines.samples(hour);
      facts.put("basis", samples.basis().words);
      var compared = facts.putObject("compared");
      for (var sample : samples.known()) compared.put(sample.hour().name(), sample.count());
      facts.set("unknown", JSON.valueToTree(samples.unknown()));
      facts.set("ignored", JSON.valueToTree(samples.ignored()));
      facts.set("closed", JSON.valueToTree(samples.closed()));
      return facts;
    }

    /** The notices of the hour with each receiver's answer, or why there is none. */
    private void addTold(ArrayNode told) {
      var outbox = new Outbox(config, world, true);
      for (var kind : Kind.values()) {
        var notice = outbox.find(hour, kind);
        if (notice == null) continue;
        var words = new StringJoiner(", ", notice.subject() + ": ", "").setEmptyValue(
            notice.subject() + ": nobody has been asked");
        notice.answers().forEach((receiver, answer) -> words.add(receiver + " "
            + answer.outcome() + " at " + answer.time() + " (" + answer.words() + ")"));
        told.add(words.toString());
      }
      if (told.isEmpty()) told.add("nothing, " + whyNothing());
    }

    private String whyNothing() {
      if (!counts.knows(hour)) return "since its count is unknown";
      var verdict = judge.verdict(hour);
      if (!(verdict instanceof Spike)) return "since it is no spike";
      var told = told();
      if (told == null) return "since no run has judged yet";
      for (var each : told.spikes) {
        boolean isOfThread = !each.begin().isAfter(hour)
            && (each.end() == null || each.end().isAfter(hour));
        if (isOfThread) {
          return "since its spike was told by " + each.hour().name() + " with "
              + plural(each.count(), "ticket") + ", and Repeat = " + lower(config.repeat.name());
        }
      }
      if (hour.isBefore(told.since)) return "since the first run came later, " + told.since.name();
      return "since no run has found it a spike: other settings, another count, or more than a "
          + "week ago";
    }

    private Told told() {
      try {
        return Told.read(config);
      } catch (JsonProcessingException e) {
        return null; // the next run lays it aside, and says so
      }
    }

    /** A line a value; what consists of several values has a line for each, below its name. */
    private static List<String> lines(ObjectNode facts) {
      var lines = new ArrayList<String>();
      for (var fact : facts.properties()) {
        var value = fact.getValue();
        if (fact.getKey().equals("why")) continue; // the headline
        var parts = new ArrayList<String>();
        for (var part : value.properties()) {
          parts.add(part.getKey() + ": " + shown(part.getValue()));
        }
        if (value.isArray()) value.forEach(part -> parts.add(shown(part)));
        if (!value.isContainerNode()) lines.add(fact.getKey() + ": " + shown(value));
        else if (!parts.isEmpty()) lines.add(fact.getKey() + ":");
        for (var part : first(MOST_LINES, parts)) lines.add("  " + part);
        if (parts.size() > MOST_LINES) lines.add("  and " + (parts.size() - MOST_LINES) + " more");
      }
      return lines;
    }

    private static String shown(JsonNode value) {
      if (value.isNull()) return "-";
      if (value.isDouble()) return decimal(value.asDouble());
      if (!value.isObject()) return value.asText();
      var parts = new StringJoiner(", ");
      for (var part : value.properties()) parts.add(part.getKey() + " " + shown(part.getValue()));
      return parts.toString();
    }
  }

  // ==== Backtest: how often would it have told ==================================================

  /** Walks forward over the history: what would the job have told, hour by hour? */
  static final class Backtest {
    private static final int LEARNING = 13 * 168; // hours before the usual stands on 13 weeks
    private static final int ENOUGH = 28 * 24;    // hours, without those that still learn

    private final Config config;
    private final Counts counts;
    private final Rule own;
    private final Hour first; // that counts
    private final TagRule tagRule;
    private final Stops stops;
    private final Map<RuleName, Baselines> baselines = new EnumMap<>(RuleName.class);
    private final Map<Hour, Stop> stopOf = new HashMap<>();
    private final Map<Hour, List<TagVerdict>> surging = new HashMap<>();

    /** What the settings give in 30 days. {@code spikes} are episodes. */
    private record Line(Rule rule, double spikes, double hours, double notices) { }

    Backtest(Config config, Counts counts, TagHistory tags) {
      this(config, counts, tags, firstThatCounts(counts));
    }

    Backtest(Config config, Counts counts, TagHistory tags, Hour first) {
      this.config = config;
      this.counts = counts;
      this.own = new Rule(config);
      this.tagRule = new TagRule(tags, config.zone);
      this.stops = new Stops(new Baselines(own, counts));
      this.first = first;
    }

    private static Hour firstThatCounts(Counts counts) {
      var learned = counts.first().plus(LEARNING);
      return counts.end().since(learned) >= ENOUGH ? learned : counts.first();
    }

    /** @param perMonth the most spikes in 30 days of a setting that is shown, or null */
    void print(World world, Double perMonth, boolean isJson) {
      var verdicts = judge(own).verdicts(first, counts.end());
      if (verdicts.values().stream().noneMatch(Judged.class::isInstance)) {
        throw Exit.HISTORY.fault(Disk.shown(config.historyFile) + ": holds no hour that could be "
            + "judged (expected a history of some weeks; the first run fills it)");
      }
      if (isJson) {
        printJson(world, verdicts);
        return;
      }
      world.result("In 30 days, by the hours from " + first.name() + " to "
          + counts.end().plus(-1).name() + ":");
      world.result(settings(perMonth).text());
      var turns = stops.turns(first);
      world.result("\nTickets stopped " + plural((turns.size() + 1) / 2, "time") + ".");
      for (int i = 0; i < turns.size(); i += 2) world.result(turns.get(i).name());
    }

    private void printJson(World world, NavigableMap<Hour, Verdict> verdicts) {
      var told = told(own);
      verdicts.forEach((hour, verdict) -> {
        var line = json(verdict);
        var kinds = line.putArray("told");
        for (var due : told.getOrDefault(hour, List.of())) kinds.add(due.topic().kind().word());
        world.result(line.toString());
      });
    }

    private Judge judge(Rule rule) {
      return new Judge(rule,
          baselines.computeIfAbsent(rule.name, name -> new Baselines(rule, counts)));
    }

    /** The notices that go out, by the hour of the run that sends them. */
    NavigableMap<Hour, List<Due>> told(Rule rule) {
      var all = judge(rule).verdicts(first.plus(-Told.WEEK), counts.end());
      var told = new Told("", "", first);
      var wishes = new Wishes(config);
      var sent = new TreeMap<Hour, List<Due>>();
      for (var each : all.tailMap(first, true).entrySet()) {
        var hour = each.getKey();
        var stop = stopOf.computeIfAbsent(hour, stops::at);
        var tags = surging.computeIfAbsent(hour,
            absent -> tagRule.surging(absent, config.omittedTags));
        var due = new ArrayList<>(new DueRule(all, hour, told, wishes, stop, tags).all());
        for (var one : due) told.note(one.topic());
        told.noteJudged(all, hour, config.stops);
        due.removeIf(Due::isSilent);
        if (!due.isEmpty()) sent.put(hour, due);
      }
      return sent;
    }

    /** The own settings and others that are worth choosing, those that find most first. */
    private Table settings(Double perMonth) {
      var rules = new ArrayList<>(List.of(own));
      for (double threshold : List.of(0.5, 1.0, 2.0)) {
        rules.add(new Rule(config, RuleName.MEAN, threshold, own.deviations));
      }
      for (double deviations : List.of(2.5, 3.0, 4.0, 5.0, 7.0, 10.0)) {
        rules.add(new Rule(config, RuleName.WEEKLY, 0.5, deviations));
        rules.add(new Rule(config, RuleName.WEEKLY, 1.0, deviations));
      }
      var lines = new ArrayList<Line>();
      for (var rule : rules) lines.add(line(rule));
      lines.sort(Comparator.comparingDouble(Line::spikes).reversed());

      var table = Table.of("rule", "SpikeThreshold", "Deviations", "spikes", "hours", "notices",
          "");
      for (var line : lines) {
        boolean isTooMuch = perMonth != null && line.spikes > perMonth && line.rule != own;
        if (isTooMuch) continue;
        table.row(
            lower(line.rule.name.name()),
            line.rule.threshold,
            line.rule.isWeekly() ? line.rule.deviations : "-",
            decimal(line.spikes),
            decimal(line.hours),
            decimal(line.notices),
            line.rule == own ? "yours" : "");
      }
      return table;
    }

    private Line line(Rule rule) {
      var verdicts = judge(rule).verdicts(first, counts.end()).values();
      long judged = verdicts.stream().filter(Judged.class::isInstance).count();
      var episodes = Episode.among(verdicts);
      int hours = episodes.stream().mapToInt(Episode::hours).sum();
      int notices = told(rule).values().stream().mapToInt(List::size).sum();
      double months = Math.max(1, judged) / (30 * 24.0);
      return new Line(rule, episodes.size() / months, hours / months, notices / months);
    }
  }

  // ==== Report: what does the history look like =================================================

  /** {@code report.html}: the history as tables and a line, on a page that needs no network. */
  static final class Report {
    private static final int LINE_DAYS = 14;
    private static final double WIDTH = 1000; // of the line, in units of its own
    private static final double HEIGHT = 220;
    private static final String DATE = "EEE d MMM yyyy";
    private static final String PAGE = """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>%1$s</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <link rel="icon" href="data:,">
        <style>
        :root{color-scheme:light dark}
        body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;margin:0 auto;
        padding:16px;max-width:1120px}
        .wide{overflow-x:auto;max-width:100%%}svg{width:100%%;min-width:640px;height:auto}
        svg text{font-size:14px;fill:currentColor}
        @media(prefers-color-scheme:dark){body{color:#eee;background:#161616}}
        </style></head><body><main>
        <h1>%1$s</h1>
        <p>%2$s</p>
        %3$s
        </main></body></html>
        """;

    private final Config config;
    private final Judge judge;
    private final Hour first;
    private final NavigableMap<Hour, Verdict> verdicts;
    private final double high; // tickets; but for an outage, which would pale all the rest

    Report(Config config, Counts counts) {
      if (counts.hours().isEmpty()) {
        throw Exit.HISTORY.fault(Disk.shown(config.historyFile)
            + ": no hour is known yet (expected a first run)");
      }
      this.config = config;
      this.judge = new Judge(new Rule(config), counts);
      this.first = Hour.later(counts.end().plus(-config.numHours), counts.first());
      this.verdicts = judge.verdicts(first, counts.end());
      long[] sorted = verdicts.values().stream().mapToLong(Verdict::count).sorted().toArray();
      this.high = Math.max(1, sorted[(sorted.length - 1) * 98 / 100]);
    }

    /** @return where it lies: in {@code out} beside the INI */
    Path write() {
      var file = config.folder.resolve("out").resolve("report.html");
      Disk.write(file, page());
      return file;
    }

    private String page() {
      var account = config.zendeskHost == null ? "" : " at " + config.zendeskHost;
      var settings = "Rule " + lower(config.ruleName.name()) + ", SpikeThreshold "
          + config.spikeThreshold + ", Deviations " + config.deviations + ", MinExtra "
          + amount(config.minExtra) + ", MinTickets " + config.minTickets + ".";
      return PAGE.formatted(escape("Tickets an hour" + account),
          span(first, judge.counts.end(), config.zone) + ". " + settings,
          stops() + section("Spikes", spikes().html())
              + section("The last " + LINE_DAYS + " days", line())
              + section("A usual week", heatMap(byDay("EEEE", "Monday", "Tuesday", "Wednesday",
                  "Thursday", "Friday", "Saturday", "Sunday")).html())
              + section("Every hour", heatMap(byDay(DATE)).html()));
    }

    /** A part that keyboards and fingers can scroll sideways, as on a phone. */
    private static String section(String title, String html) {
      return "<h2>" + title + "</h2>\n<div class=\"wide\" role=\"region\" tabindex=\"0\" "
          + "aria-label=\"" + title + "\">" + html + "</div>\n";
    }

    private String stops() {
      var words = new StringBuilder();
      var turns = new Stops(judge.baselines).turns(first);
      for (int i = 0; i < turns.size(); i++) {
        words.append(i % 2 == 0 ? "<p>Tickets stopped by " : "<p>They came again by ")
            .append(localTime(turns.get(i).to(), config.zone)).append(".</p>\n");
      }
      return words.toString();
    }

    /** The newest first. */
    private Table spikes() {
      var table = Table.of("from", "hours", "peak", "usual", "over the usual", "");
      var episodes = Episode.among(verdicts.values());
      Collections.reverse(episodes);
      for (var episode : episodes) {
        var peak = episode.peak();
        table.row(localTime(episode.start().from(), config.zone), episode.hours(), peak.count(),
            amount(peak.baseline().mean()), rounded(episode.excess()), "");
      }
      return table;
    }

    /** Tickets as a line, what is usual as a thinner one, spikes as circles. */
    private String line() {
      var end = judge.counts.end();
      var start = Hour.later(first, end.plus(-24 * LINE_DAYS));
      var recent = verdicts.tailMap(start, true);
      double most = Math.max(1, recent.values().stream().mapToLong(Verdict::count).max().orElse(1));
      double hourWidth = WIDTH / end.since(start);
      var tickets = new StringBuilder();
      var usual = new StringBuilder();
      var marks = new StringBuilder();
      long spikes = 0;
      for (var verdict : recent.values()) {
        var hour = verdict.hour();
        var x = decimal(hour.since(start) * hourWidth);
        boolean goesOn = recent.containsKey(hour.plus(-1));
        tickets.append(goesOn ? "L" : "M").append(x).append(' ').append(y(verdict.count(), most));
        if (verdict instanceof Judged judged) {
          usual.append(goesOn && usual.length() > 0 ? "L" : "M").append(x).append(' ')
              .append(y(judged.baseline().mean(), most));
        }
        if (verdict instanceof Spike) {
          marks.append("<circle cx=\"").append(x).append("\" cy=\"")
              .append(y(verdict.count(), most)).append("\" r=\"5\"/>");
          spikes++;
        }
        boolean isMidnight = hour.from().atZone(config.zone).getHour() == 0;
        boolean isEven = end.since(hour) / 24 % 2 == 0;
        if (isMidnight && isEven) {
          marks.append("<text x=\"").append(x).append("\" y=\"").append(HEIGHT).append("\">")
              .append(at(hour.from(), config.zone, "EEE d")).append("</text>");
        }
      }
      return "<svg viewBox=\"0 0 " + (WIDTH + 44) + " " + (HEIGHT + 4) + "\" role=\"img\" "
          + "aria-label=\"Line of the tickets an hour, at most " + rounded(most)
          + "; hours with a spike: "
          + spikes + ".\"><g fill=\"none\" stroke=\"currentColor\"><path d=\"" + usual
          + "\" stroke=\"#4477aa\" stroke-width=\"1\"/><path d=\"" + tickets
          + "\" stroke-width=\"1.5\"/></g><g fill=\"" + Cell.RED + "\">" + marks
          + "</g><text x=\"4\" y=\"14\">" + rounded(most) + "</text></svg>";
    }

    private static String y(double tickets, double most) {
      return decimal((HEIGHT - 24) * (1 - tickets / most) + 4);
    }

    /**
     * The hours of each day, newest first.
     *
     * @param pattern by which days of one row have one name
     * @param names   that come before all others
     */
    private Map<String, List<Verdict>> byDay(String pattern, String... names) {
      var days = new LinkedHashMap<String, List<Verdict>>();
      for (var name : names) days.put(name, new ArrayList<>());
      for (var verdict : verdicts.descendingMap().values()) {
        var name = at(verdict.hour().from(), config.zone, pattern);
        days.computeIfAbsent(name, absent -> new ArrayList<>()).add(verdict);
      }
      return days;
    }

    /** A row a day, a cell an hour: the bluer the more, a spike in red. */
    private Table heatMap(Map<String, List<Verdict>> days) {
      var head = new ArrayList<Object>(List.of("day"));
      for (int i = 0; i < 24; i++) head.add(i < 10 ? "0" + i : i);
      head.add(""); // so that all the others are numbers
      var table = Table.of(head.toArray());
      days.forEach((name, day) -> {
        var row = new ArrayList<Object>(List.of(name));
        for (int i = 0; i < 24; i++) row.add(mean(day, i));
        row.add("");
        table.row(row.toArray());
      });
      return table;
    }

    private Cell mean(List<Verdict> day, int hourOfDay) {
      var hours = day.stream()
          .filter(each -> each.hour().from().atZone(config.zone).getHour() == hourOfDay).toList();
      if (hours.isEmpty()) return Cell.of("");
      double mean = hours.stream().mapToLong(Verdict::count).average().orElse(0);
      boolean isSpike = hours.stream().allMatch(Spike.class::isInstance);
      return isSpike ? Cell.shaded(amount(mean) + "!", Cell.RED, 1)
          : Cell.shaded(amount(mean), Cell.BLUE, mean / high);
    }
  }

  // ==== Past: how do the counts of past hours become true =======================================

  /**
   * Makes the counts of past hours true, with few requests: the check of the last day, the hours
   * that runs missed, and the first fill. One queue of spans, one rule for each: count it; if that
   * is the sum of what is stored, it is true. Else read it by export, and store it if that brings
   * just that many; else halve it. What fails is halved too, but goes to the end of the queue, so
   * that one bad place never keeps the rest from being read; an hour that fails stays unknown.
   */
  static final class Past {
    private static final int CHECKED = 24; // hours before the last one, each run
    private static final int SEEN = 20; // tickets of a day that do not vanish all at once
    private static final long MOST_EXPORTED = 50_000; // tickets, since a cursor lives an hour
    private static final int MOST_TAGGED = 10_000; // tickets whose tags are read at once
    private static final int BROKEN_EXPORTS = 3; // in a row; then hours are only counted
    private static final int DOWN = 20; // failed counts in a row: then Zendesk is down
    private static final int HOPELESS = 2; // the same of old hours that earlier runs did not get
    private static final int SAVED_EVERY = 24; // hours that a kill may lose
    private static final Duration QUESTION = Duration.ofSeconds(30);
    private static final Duration SILENCE = Duration.ofMinutes(2);
    private static final Duration LONGEST = Duration.ofMinutes(20);

    private final Zendesk zendesk;
    private final History history;
    private final TagHistory tags;
    private final World world;
    private final Runnable save;
    private final long end; // on the ticker
    private Progress progress;
    private int failures; // counts, in a row
    private int brokenExports; // in a row
    private long lastAnswer; // on the ticker
    private long learned; // hours
    private int unsaved; // hours
    private String trouble = "none"; // the latest

    private record Span(Hour from, Hour end) {
      long hours() {
        return end.since(from);
      }

      Stream<Hour> each() {
        return Hour.range(from, end);
      }

      /** The newer one first. */
      List<Span> halves() {
        var middle = from.plus(hours() / 2);
        return List.of(new Span(middle, end), new Span(from, middle));
      }

      /** The newest first. */
      List<Span> singles() {
        var singles = new ArrayList<Span>();
        for (var hour = end.plus(-1); !hour.isBefore(from); hour = hour.plus(-1)) {
          singles.add(new Span(hour, hour.plus(1)));
        }
        return singles;
      }
    }

    /** @param save stores both histories; does nothing in a dry run */
    Past(Zendesk zendesk, History history, TagHistory tags, World world, Runnable save) {
      this.zendesk = zendesk;
      this.history = history;
      this.tags = tags;
      this.world = world;
      this.save = save;
      this.lastAnswer = world.ticker.nanos();
      this.end = lastAnswer + LONGEST.toNanos();
    }

    /**
     * Whether enough is known to tell everything: the last day and the hours since the last run;
     * before the first whole run the fill too, worked off, or with nothing more to learn. Single
     * hours that Zendesk does not give keep none of it.
     *
     * @param judged the newest hour that a run has judged, or null before a whole one
     * @throws Fault ZENDESK when nothing is shown of what was: then nothing may be stored
     */
    boolean read(Hour last, Hour judged, int numHours) {
      var from = last.plus(-CHECKED);
      if (judged != null) from = Hour.earlier(from, judged.plus(1 - CHECKED));
      var newest = history.newestBefore(last);
      if (newest != null) from = Hour.earlier(from, newest.plus(1 - CHECKED));
      boolean isNew = newest == null; // then the fill has the day, too
      progress = new Progress("hours", 1, world);
      if (!isNew && !makeTrue(new Span(from, last), true, DOWN)) return false;

      var unknown = spans(last.plus(-numHours), last, hour -> !history.knows(hour));
      long hours = unknown.stream().mapToLong(Span::hours).sum();
      progress = new Progress("hours", hours, world);
      if (hours > CHECKED) world.info("reading " + plural(hours, "unknown hour") + " from Zendesk");
      learned = 0;
      boolean isFilled = true;
      for (var span : unknown) {
        isFilled = isFilled && makeTrue(span, false, judged == null ? DOWN : HOPELESS);
      }
      boolean isAllThereIs = !isNew && learned == 0;
      readTags(last);
      save.run();
      return judged != null || isFilled || isAllThereIs;
    }

    /** The latest one, in words. */
    String trouble() {
      return trouble;
    }

    /** Hours as spans, the newest first. */
    private static List<Span> spans(Hour first, Hour end, Predicate<Hour> isWanted) {
      var spans = new ArrayList<Span>();
      Hour to = null;
      for (var hour = end.plus(-1); !hour.isBefore(first); hour = hour.plus(-1)) {
        boolean isIn = isWanted.test(hour);
        if (isIn && to == null) to = hour.plus(1);
        if (!isIn && to != null) {
          spans.add(new Span(hour.plus(1), to));
          to = null;
        }
      }
      if (to != null) spans.add(new Span(first, to));
      return spans;
    }

    /** @return whether the queue was worked off before so many failures in a row */
    private boolean makeTrue(Span whole, boolean isCheck, int mostFailures) {
      var queue = new ArrayDeque<>(List.of(whole));
      failures = 0;
      while (!queue.isEmpty()) {
        if (failures >= mostFailures || isOver()) return false;
        var span = queue.poll();
        Long total = counted(span);
        if (total == null) {
          if (span.hours() > 1) queue.addAll(span.halves());
          continue;
        }
        long known = span.each().filter(history::knows).mapToLong(history::at).sum();
        boolean isWhole = span.each().allMatch(history::knows);
        if (isWhole && known == total) continue;
        if (isCheck && span.equals(whole) && total == 0 && known >= SEEN) throw lostSight(known);
        refine(span, total, isWhole, queue);
        if (unsaved >= SAVED_EVERY) save();
        progress.show(learned);
      }
      return true;
    }

    private void refine(Span span, long total, boolean isWhole, Deque<Span> queue) {
      long pages = (total + zendesk.pageSize() - 1) / zendesk.pageSize();
      boolean isBroken = brokenExports >= BROKEN_EXPORTS;
      boolean isCountedAnyway = pages >= span.hours()
          || isBroken && !isWhole && total >= span.hours();
      if (span.hours() == 1 || total == 0) {
        span.each().forEach(hour -> store(hour, total, null));
      } else if (isCountedAnyway) {
        prepend(queue, span.singles());
      } else if (total > MOST_EXPORTED || isBroken) {
        prepend(queue, span.halves());
      } else if (storeExport(span, total)) {
        brokenExports = 0;
      } else {
        brokenExports++;
        queue.addAll(span.halves());
      }
    }

    private static void prepend(Deque<Span> queue, List<Span> spans) {
      for (int i = spans.size() - 1; i >= 0; i--) queue.addFirst(spans.get(i));
    }

    /** Null when Zendesk cannot say, as has been seen of single hours. */
    private Long counted(Span span) {
      try {
        long total = zendesk.count(span.from, span.end, patience());
        failures = 0;
        lastAnswer = world.ticker.nanos();
        return total;
      } catch (Fault e) {
        failures++;
        trouble = e.getMessage();
        world.detail(trouble);
        return null;
      }
    }

    /** No question is asked twice, but a rate limit is waited out. */
    private Patience patience() {
      return new Patience(1, world.ticker.nanos() + SILENCE.toNanos(), QUESTION);
    }

    private static Fault lostSight(long known) {
      return Exit.ZENDESK.fault("[zendesk] the day before the last hour holds 0 tickets, though "
          + known + " of it are stored: not believed, nothing is stored (the client may have lost "
          + "its sight: check its user's role; if they were deleted, empty those cells)");
    }

    /** The tickets of an hour, and how many of them carry each tag. */
    private static final class Exported {
      private final Map<String, Long> counts = new HashMap<>();
      private long tickets;
    }

    /** @return whether it brought every ticket; else nothing is stored */
    private boolean storeExport(Span span, long total) {
      var hours = readByExport(span, total);
      long read = hours.values().stream().mapToLong(hour -> hour.tickets).sum();
      if (read != total) {
        world.detail("export gave " + read + " of " + total + " tickets of " + span.from + " to "
            + span.end);
        return false;
      }
      for (var single : span.singles()) {
        var hour = hours.getOrDefault(single.from, new Exported());
        store(single.from, hour.tickets, hour.counts);
      }
      return true;
    }

    /** The tickets of the span, hour by hour, as far as an export brings them. */
    private Map<Hour, Exported> readByExport(Span span, long total) {
      var hours = new HashMap<Hour, Exported>();
      var seen = new HashSet<Long>();
      try {
        var pages = zendesk.export(span.from, span.end, this::patience);
        int before = -1; // a page that brings nothing new has no end in sight
        while (pages.hasNext() && seen.size() > before && seen.size() <= total && !isOver()) {
          before = seen.size();
          for (var ticket : pages.next()) {
            boolean isNew = ticket.isWithin(span.from.from(), span.end.from())
                && seen.add(ticket.id());
            if (!isNew) continue;
            var hour = hours.computeIfAbsent(Hour.of(ticket.created()), absent -> new Exported());
            hour.tickets++;
            for (var tag : ticket.distinctTags()) hour.counts.merge(tag, 1L, Long::sum);
          }
          lastAnswer = world.ticker.nanos();
          progress.show(learned + span.hours() * seen.size() / Math.max(1, total));
        }
      } catch (Fault e) {
        trouble = e.getMessage();
        world.detail(trouble);
      }
      return hours;
    }

    /** @param counts by tag, or null where only the number is known */
    private void store(Hour hour, long count, Map<String, Long> counts) {
      var before = history.at(hour);
      boolean isRaised = history.raise(hour, count);
      if (isRaised) {
        unsaved++;
        tags.forget(hour);
      }
      if (before == null) learned++;
      else if (isRaised) world.info(hour + ": counted again, " + count + ", not " + before);
      boolean isKept = counts != null && count <= TagHistory.MOST_TICKETS;
      if (isKept && !tags.knows(hour)) tags.put(hour, count, counts);
    }

    private void save() {
      save.run();
      unsaved = 0;
    }

    /** Of hours that were only counted, or by an older edition. Never in the way of anything. */
    private void readTags(Hour last) {
      brokenExports = 0;
      var lacking = spans(last.plus(1 - 24 * TagHistory.DAYS), last, hour -> history.knows(hour)
          && !tags.knows(hour) && history.at(hour) <= TagHistory.MOST_TICKETS);
      for (var span : lacking) readTagsOf(span);
    }

    /** What was deleted since it was counted is missing, which a tag's odds do not mind. */
    private void readTagsOf(Span span) {
      if (brokenExports >= BROKEN_EXPORTS || isOver()) return;
      long total = span.each().mapToLong(history::at).sum();
      if (total > MOST_TAGGED && span.hours() > 1) {
        span.halves().forEach(this::readTagsOf);
        return;
      }
      var hours = total == 0 ? Map.<Hour, Exported>of() : readByExport(span, total);
      long read = hours.values().stream().mapToLong(hour -> hour.tickets).sum();
      boolean isMostlyThere = read * 10 >= total * 9;
      if (!isMostlyThere) {
        brokenExports++;
        return;
      }
      span.each().forEach(hour -> {
        var exported = hours.getOrDefault(hour, new Exported());
        tags.put(hour, exported.tickets, exported.counts);
      });
    }

    /** Whether the time is up, or Zendesk has been silent for too long. */
    private boolean isOver() {
      long now = world.ticker.nanos();
      return now >= end || now - lastAnswer > SILENCE.toNanos();
    }
  }

  // ==== Delivery: did each receiver get the notice, once ========================================

  /**
   * Sends what waits in the outbox, the oldest first, so that no end follows the next alarm. A
   * notice is stored before it goes out, and each answer is noted before anything else is done, so
   * a kill loses none and sends none twice, but for the instant between a server's yes and the note
   * of it. One receiver's trouble is nobody else's: who was silent, or had a text refused, is asked
   * after all others, and by itself.
   */
  static final class Delivery {
    private static final int TOGETHER = 10; // receivers of a transaction: servers limit mails

    private final Config config;
    private final World world;
    private final Outbox outbox;
    private final Mailer mailer;
    private final Set<String> asked = new HashSet<>(); // notice and receiver, once a run
    private final Set<String> silent = new HashSet<>(); // receivers that this run asks no more
    private boolean isMailDown;

    Delivery(Config config, World world, Outbox outbox) {
      this.config = config;
      this.world = world;
      this.outbox = outbox;
      this.mailer = new Mailer(config, world);
    }

    /** Chats first, which take ten seconds at the most; then mail, in two rounds. */
    void send() {
      var notices = outbox.toSend();
      if (notices.isEmpty()) return;
      for (var notice : notices) {
        for (var chat : config.chats) tellChat(notice, chat);
      }
      var suspects = suspects();
      for (var notice : notices) {
        var clear = due(notice, config.mailReceivers());
        clear.removeAll(suspects);
        mailTogether(notice, clear, suspects);
      }
      for (var notice : notices) {
        for (var receiver : due(notice, suspects)) mail(notice, List.of(receiver));
      }
      for (var notice : notices) {
        if (open(notice).isEmpty()) outbox.settle(notice);
      }
    }

    /** Who, by auth.ini of now, is yet to be told. */
    private List<String> open(Notice notice) {
      var open = new ArrayList<String>();
      for (var chat : config.chats) open.add(chat.name());
      open.addAll(config.mailReceivers());
      open.removeIf(notice::isSettled);
      return open;
    }

    /** Those of the receivers that are to be asked now. */
    private List<String> due(Notice notice, List<String> receivers) {
      var due = new ArrayList<>(receivers);
      due.removeIf(receiver -> notice.isSettled(receiver) || silent.contains(receiver)
          || !notice.isDue(receiver, world.now())
          || asked.contains(notice.fileName() + receiver));
      return due;
    }

    private void tellChat(Notice notice, ChatAddress chat) {
      if (due(notice, List.of(chat.name())).isEmpty()) return;
      try {
        var document = notice.documentAt(world.now(), config.zone);
        var reply = new Webhook(chat, world).send(notice, document);
        note(notice, chat.name(), reply);
        if (reply.isSuspect()) silent.add(chat.name()); // it took its ten seconds
      } catch (RuntimeException e) { // a bug, but none that silences the other receivers
        silent.add(chat.name());
        world.report(e);
      }
    }

    /**
     * The mail addresses to be asked one by one: those whose latest answer says so, the one that
     * was asked last behind the others, so that no three that hang keep a fourth from its mail.
     */
    private List<String> suspects() {
      var answers = outbox.latestAnswers();
      var suspects = new ArrayList<>(config.mailReceivers());
      suspects.removeIf(receiver -> !answers.containsKey(receiver)
          || !answers.get(receiver).isSuspect());
      suspects.sort(Comparator.comparing(receiver -> answers.get(receiver).time()));
      return suspects;
    }

    /** Who never heard of the episode first. Who breaks a transaction is found one by one. */
    private void mailTogether(Notice notice, List<String> receivers, List<String> suspects) {
      var bySubject = new TreeMap<String, List<String>>();
      for (var receiver : receivers) {
        var first = outbox.firstOf(notice, receiver);
        bySubject.computeIfAbsent(first == null ? "" : first.fileName(),
            subject -> new ArrayList<>()).add(receiver);
      }
      for (var group : bySubject.values()) {
        var left = new ArrayList<>(group);
        while (!left.isEmpty()) {
          var together = List.copyOf(first(TOGETHER, left));
          left.removeAll(together);
          var replies = mail(notice, together);
          boolean isTaken = false;
          for (var reply : replies.values()) isTaken |= reply.outcome() == Outcome.YES;
          var broken = new ArrayList<String>();
          for (var each : replies.entrySet()) {
            var reply = each.getValue();
            boolean mayFindRoom = reply.outcome() == Outcome.LATER && !reply.isSuspect();
            if (mayFindRoom && isTaken) left.add(each.getKey()); // in the next transaction
            if (reply.isSuspect() && together.size() > 1) broken.add(each.getKey());
          }
          for (var receiver : broken) asked.remove(notice.fileName() + receiver);
          suspects.addAll(0, broken); // before those that were seen to break one
        }
      }
    }

    /** One transaction. @return what was said to each; empty where nobody was asked */
    private Map<String, Reply> mail(Notice notice, List<String> receivers) {
      if (isMailDown) return Map.of();
      var first = outbox.firstOf(notice, receivers.get(0));
      try {
        var replies = mailer.send(notice, first, receivers);
        for (var receiver : receivers) note(notice, receiver, replies.get(receiver));
        boolean isAlone = receivers.size() == 1;
        if (isAlone && mailer.wasSilent()) silent.add(receivers.get(0)); // a refusal takes no time
        isMailDown |= mailer.isTooSlow();
        return replies;
      } catch (RuntimeException e) { // no sign-in, say: the chats are told all the same
        isMailDown |= e instanceof Fault; // a bug in one notice keeps no other
        world.report(e);
        return Map.of();
      }
    }

    private void note(Notice notice, String receiver, Reply reply) {
      asked.add(notice.fileName() + receiver);
      notice.note(receiver, reply, world.now());
      outbox.save(notice);
      if (reply.outcome() == Outcome.YES) return;
      var verb = reply.outcome() == Outcome.NO ? " refuses " : " did not take ";
      world.trouble(Exit.TRY_LATER, receiver + verb + notice.fileName() + ": " + reply.words());
    }

    /** Once an hour was counted, so that the time can be trusted. */
    void giveUpWhatIsOld() {
      for (var notice : outbox.toSend()) {
        boolean isNews = Hour.of(world.now()).since(notice.topic().hour()) <= Told.WEEK + 1;
        if (isNews) continue;
        world.trouble(Exit.TRY_LATER, notice.fileName() + " is older than a week and given up for "
            + open(notice));
        outbox.settle(notice);
      }
    }

    /** At the end of a run. */
    void sayWhatWaits() {
      for (var notice : outbox.waiting()) {
        world.trouble(Exit.TRY_LATER, notice.fileName() + " waits in the outbox for "
            + open(notice));
      }
    }

    /** In a dry run: what would be sent. @param hour that it is asked of, or null for all */
    void print(boolean isJson, Hour hour) {
      for (var notice : outbox.waiting()) {
        if (hour != null && !notice.topic().hour().equals(hour)) continue;
        var document = notice.documentAt(world.now(), config.zone);
        if (isJson) world.result(Payload.facts(notice, document).toString());
        else world.result("Subject: " + notice.subject() + "\n\n" + document.text());
      }
    }
  }

  // ==== Mail: how does a notice get to mail addresses ===========================================

  /** The way of a mail to the SMTP server: a connection for each transaction. */
  static final class Mailer {
    private static final int CONNECT = 30_000; // milliseconds
    private static final int MOST_SILENCES = 3; // in a row; then the server hangs, not a receiver
    /** RFC 3463: 5.1 is the address, but 5.1.7 and 5.1.8 the sender's; 5.2 is its mailbox. */
    private static final Pattern OF_MAILBOX = Pattern.compile("5\\d\\d[ -]"
        + "(5\\.1\\.(?![78]\\b)|5\\.2\\.).*|(?i)(?!.*\\b5\\.\\d+\\.\\d).*(user unknown|unknown user"
        + "|no such (user|recipient|mailbox|person|address)"
        + "|(user|mailbox) (not found|unavailable|does ?n.t exist|does not exist)).*");

    private final Config config;
    private final World world;
    private final Duration limit; // of a transaction: two minutes, where an answer has 90 s
    private String token; // of this run
    private volatile Socket socket; // of the latest connection, or null
    private boolean wasSilent;
    private int silences; // in a row

    Mailer(Config config, World world) {
      this.config = config;
      this.world = world;
      this.limit = world.timeout.multipliedBy(4).dividedBy(3);
    }

    String place() {
      return "[email] " + config.mailHost + ":" + config.mailPort;
    }

    /** Whether the latest transaction ended since its time was over. */
    boolean wasSilent() {
      return wasSilent;
    }

    /** Whether this run is to ask the server no more. */
    boolean isTooSlow() {
      return silences >= MOST_SILENCES;
    }

    /**
     * @param first of the episode that these receivers have, or null
     * @return what was said to each
     * @throws Fault where no mail goes out in this run
     */
    Map<String, Reply> send(Notice notice, Notice first, List<String> receivers) {
      try {
        var mail = new Mail(config, notice, first, world.now());
        var to = InternetAddress.parse(String.join(",", receivers));
        var smtp = connected();
        var failure = failure(smtp, mail, to);
        wasSilent = hasCause(failure, SocketTimeoutException.class);
        if (wasSilent) silences++;
        var replies = new HashMap<String, Reply>();
        for (var receiver : receivers) {
          replies.put(receiver, failure == null
              ? new Reply(Outcome.YES, world.sanitize(smtp.getLastServerResponse()), false)
              : reply(failure, mail.isSent(), receiver));
          if (replies.get(receiver).outcome() == Outcome.YES) silences = 0;
        }
        return replies;
      } catch (MessagingException e) {
        throw new IllegalStateException(e); // no config that is accepted gives such a mail
      }
    }

    private SMTPTransport connected() {
      try {
        return Deadline.within(limit, this::connect);
      } catch (IOException e) { // as where it greets without end
        closeSocket();
        throw unreachable(e);
      }
    }

    /** Null where the mail was taken for everybody. */
    private Exception failure(SMTPTransport smtp, Mail mail, InternetAddress[] to) {
      try {
        var failure = Deadline.within(limit, () -> failureOf(smtp, mail, to));
        quit(smtp);
        return failure;
      } catch (IOException e) { // its end; a server that drips is never silent
        mail.stop();
        closeSocket();
        return e;
      }
    }

    private static Exception failureOf(SMTPTransport smtp, Mail mail, InternetAddress[] to) {
      try {
        smtp.sendMessage(mail, to);
        return null;
      } catch (MessagingException e) {
        return e;
      }
    }

    private void quit(SMTPTransport smtp) {
      try {
        smtp.close();
      } catch (MessagingException e) { // what was accepted stays so
        world.detail(place() + ": " + reason(e));
      }
    }

    private void closeSocket() {
      try {
        if (socket != null) socket.close(); // else the thread left behind would hold it
      } catch (IOException e) {
        world.detail(place() + ": " + reason(e));
      }
    }

    /**
     * What a failed transaction says of one receiver. The library has an exception for each that
     * was refused, behind the first one; where the others got the mail, that one holds the 250.
     * For silence and cuts it has none: whether the text was sent, only the mail knows.
     */
    private Reply reply(Exception failure, boolean isSent, String receiver) {
      for (var each = failure; each != null; each = next(each)) {
        if (each instanceof SMTPAddressFailedException refused
            && refused.getAddress().getAddress().equals(receiver)
            && refused.getReturnCode() >= 400) {
          var words = world.sanitize(refused.getMessage());
          boolean isOfMailbox = refused.getReturnCode() >= 500
              && OF_MAILBOX.matcher(words).matches();
          return new Reply(isOfMailbox ? Outcome.NO : Outcome.LATER, words, false);
        }
      }
      if (!(failure instanceof SMTPSendFailedException said)) return unclear(failure, isSent);
      boolean isTaken = said.getReturnCode() / 100 == 2 && said.getCommand().equals(".");
      if (isTaken) return new Reply(Outcome.YES, world.sanitize(said.getMessage()), false);
      if (said.getReturnCode() < 400) return unclear(failure, isSent);
      boolean isOfSender = said.getCommand().startsWith("MAIL");
      return new Reply(Outcome.LATER, reason(failure) + (isOfSender ? " (check Sender)" : ""),
          !isOfSender);
    }

    private Reply unclear(Exception failure, boolean isSent) {
      return new Reply(isSent ? Outcome.UNCONFIRMED : Outcome.LATER, reason(failure), true);
    }

    private static Exception next(Exception e) {
      return e instanceof MessagingException chained ? chained.getNextException() : null;
    }

    /** Connects and signs in, at the first address of the host that lets us. */
    private SMTPTransport connect() {
      Exception failure = null;
      try {
        var password = password();
        for (var address : InetAddress.getAllByName(config.mailHost)) {
          try {
            return connect(address, password);
          } catch (AuthenticationFailedException e) {
            throw signInFault(e);
          } catch (MessagingException | IOException e) {
            failure = e;
          }
        }
      } catch (UnknownHostException e) {
        failure = e;
      }
      throw unreachable(failure);
    }

    private SMTPTransport connect(InetAddress found, String password)
        throws MessagingException, IOException {
      // with the name that certificates are compared with, even where Host is an address
      var address = InetAddress.getByAddress(config.mailHost, found.getAddress());
      socket = new Socket();
      socket.setSoTimeout((int) world.timeout.toMillis());
      socket.connect(new InetSocketAddress(address, config.mailPort), CONNECT);
      var user = password == null ? null : config.username;
      var smtp = new SMTPTransport(Session.getInstance(settings()),
          new URLName("smtp", config.mailHost, config.mailPort, null, user, password));
      smtp.connect(config.security == Security.TLS ? encrypted() : socket);
      return smtp;
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

    private Properties settings() {
      var isStarttls = String.valueOf(config.security == Security.STARTTLS);
      var settings = new Properties();
      settings.put("mail.smtp.localhost",
          config.ehloName == null ? world.ehloName() : config.ehloName);
      settings.put("mail.smtp.starttls.enable", isStarttls);
      settings.put("mail.smtp.starttls.required", isStarttls);
      settings.put("mail.smtp.ssl.checkserveridentity", "true");
      settings.put("mail.smtp.ssl.socketFactory", world.tls().getSocketFactory());
      settings.put("mail.smtp.auth", String.valueOf(config.hasMailSignIn()));
      settings.put("mail.smtp.auth.mechanisms",
          config.tokenUrl == null ? "LOGIN PLAIN DIGEST-MD5" : "XOAUTH2");
      settings.put("mail.smtp.sendpartial", "true"); // who is refused keeps nobody else's
      settings.put("mail.smtp.quitwait", "false"); // what was accepted is, whatever QUIT brings
      return settings;
    }

    /** The password, or the OAuth token that takes its place; null for no sign-in. */
    private String password() {
      if (!config.hasMailSignIn()) return null;
      var password = config.tokenUrl == null ? config.password : token();
      // as servers may echo it, by PLAIN and by XOAUTH2
      world.secrets.add("\0" + config.username + "\0" + password);
      world.secrets.add("user=" + config.username + "\1auth=Bearer " + password + "\1\1");
      return password;
    }

    private String token() {
      if (token != null) return token;
      try {
        token = new Http(world, config.tokenUrl, Duration.ZERO).token(config.tokenUrl,
            config.mailClient, config.scope, "[email] TokenUrl",
            Patience.within(world, world.timeout));
        return token;
      } catch (Refusal e) {
        throw Exit.TRY_LATER.fault("[email] TokenUrl " + Http.server(config.tokenUrl) + " "
            + e.getMessage() + " (no tokens are at that address)", e);
      } catch (Fault e) {
        if (e.exit == Exit.DENIED) throw e;
        throw Exit.TRY_LATER.fault(e.getMessage(), e); // not Zendesk's, though asked alike
      }
    }

    private Fault unreachable(Exception e) {
      return Exit.TRY_LATER.fault(place() + ": " + reason(e) + " (check Host, Port and Security: "
          + "465 wants tls, 587 and 25 starttls; SSL_CERT_FILE adds authorities)", e);
    }

    /** A connection that breaks meanwhile comes as a refusal too, without its number. */
    private Fault signInFault(AuthenticationFailedException e) {
      var words = world.sanitize(String.valueOf(e.getMessage()));
      boolean isRefused = words.matches("(5\\d\\d|334|No authentication mechanisms).*");
      if (!isRefused) {
        return Exit.TRY_LATER.fault(place() + " takes no sign-in now: " + words, e);
      }
      return Exit.DENIED.fault(place() + " refuses the sign-in of " + config.username + ": " + words
          + " (Gmail wants an app password, Microsoft 365 TokenUrl and a client that may use the "
          + "mailbox, see README.md)", e);
    }

    private String reason(Exception e) {
      if (hasCause(e, UnknownHostException.class)) return "no such host";
      if (hasCause(e, ConnectException.class)) return "no connection";
      if (hasCause(e, SocketTimeoutException.class)) return "no whole answer in time";
      if (hasCause(e, CertificateException.class)) return "its certificate is refused";
      Throwable first = e;
      while (first.getCause() != null) first = first.getCause();
      var words = Objects.requireNonNullElse(first.getMessage(), "[EOF]");
      return world.sanitize(words.replace("[EOF]", "the connection broke"));
    }

    /** Signs in, for doctor. @return what was seen */
    String check() {
      var smtp = connected();
      boolean isOffered = smtp.supportsExtension("AUTH");
      quit(smtp);
      var seen = place() + ", Security " + lower(config.security.name());
      if (!config.hasMailSignIn()) return seen + ", without a sign-in";
      if (isOffered) return seen + ", signed in as " + config.username;
      throw Exit.DENIED.fault(place() + " offers no sign-in (check Host, Port and Security; "
          + "without a sign-in leave Password out)");
    }
  }

  /** The whole message. Made of the notice alone but for sender, receivers, date and subject. */
  static final class Mail extends MimeMessage {
    private final Notice notice;
    private boolean isSent; // its text, which tells a lost answer from a lost mail
    private boolean isStopped;

    /** @param first of the episode that its receivers have, or null: Gmail threads by subject */
    Mail(Config config, Notice notice, Notice first, Instant now) throws MessagingException {
      super(Session.getInstance(new Properties()));
      this.notice = notice;
      var document = notice.documentAt(now, config.zone);
      setFrom(config.sender);
      setRecipients(Message.RecipientType.TO, config.recipients.toArray(InternetAddress[]::new));
      setRecipients(Message.RecipientType.CC, config.cc.toArray(InternetAddress[]::new));
      setSubject(clean(first == null ? notice.subject() : "Re: " + first.subject()), "UTF-8");
      setSentDate(Date.from(now));
      setHeader("Auto-Submitted", "auto-generated"); // RFC 3834: no out-of-office answers
      setHeader("X-Auto-Response-Suppress", "All"); // the same for Exchange
      setHeader("List-Id", "<spike-notifier." + notice.account() + ">");
      setThread(first);
      var text = new MimeBodyPart();
      text.setText(document.text(), "UTF-8");
      var html = new MimeBodyPart();
      html.setText(document.html(notice.subject()), "UTF-8", "html");
      setContent(new MimeMultipart("alternative", text, html));
      saveChanges();
    }

    /** One root that all mails name, since some servers replace the Message-ID of the first. */
    private void setThread(Notice first) throws MessagingException {
      var topic = notice.topic();
      boolean isAlone = topic.kind() == Kind.TAG || topic.kind() == Kind.SAMPLE;
      if (isAlone) return;
      var root = id(topic.begin().name() + "-" + topic.kind().opening().word() + "-episode");
      setHeader("References", root);
      if (first == null) return;
      setHeader("In-Reply-To", id(first.topic()));
      setHeader("References", root + "\r\n " + id(first.topic()));
    }

    @Override
    protected void updateMessageID() throws MessagingException {
      setHeader("Message-ID", id(notice.topic())); // else made anew from clock and random numbers
    }

    private String id(Topic topic) {
      return id(topic.hour().name() + "-" + topic.kind().word());
    }

    /** Made of the topic alone, so that a mail sent twice around a crash is known as the same. */
    private String id(String name) {
      var query = notice.query();
      var scope = query.isEmpty() ? "" : "." + Integer.toHexString(query.hashCode());
      if (notice.topic().kind() == Kind.SAMPLE) scope += "." + UUID.randomUUID();
      return "<" + name + scope + "@spike-notifier." + notice.account() + ">";
    }

    /** Called once the server has said to DATA that it wants the text. */
    @Override
    public void writeTo(OutputStream out, String[] without) throws IOException, MessagingException {
      synchronized (this) {
        if (isStopped) throw new IOException("its time was over");
        isSent = true;
      }
      super.writeTo(out, without);
    }

    /** From here on its text does not go out. */
    synchronized void stop() {
      isStopped = true;
    }

    synchronized boolean isSent() {
      return isSent;
    }
  }

  // ==== Chat: how does a notice get to a chat, or to a program ==================================

  /** One chat, or program: each notice is posted there, one try of ten seconds. */
  static final class Webhook {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    /** Of the text or the address. 401, 403 and 404 come from proxies and restarts, too. */
    private static final Set<Integer> FINAL = Set.of(400, 410, 413, 422);

    private final ChatAddress chat;
    private final World world;

    Webhook(ChatAddress chat, World world) {
      this.chat = chat;
      this.world = world;
    }

    Reply send(Notice notice, Document document) {
      var request = HttpRequest.newBuilder(url(notice.topic()))
          .header("Content-Type", "application/json; charset=utf-8")
          .POST(HttpRequest.BodyPublishers.ofString(Payload.of(notice, document, chat.format())))
          .build();
      var http = new Http(world, chat.url(), Duration.ZERO);
      var place = Http.server(chat.url()) + ": ";
      try {
        http.sendOnce(request, Void.class, world.atMost(LIMIT));
        return new Reply(Outcome.YES, "accepted", false);
      } catch (Refusal e) {
        boolean isTaken = e.status >= 500; // some have posted all the same
        var outcome = FINAL.contains(e.status) ? Outcome.NO
            : isTaken ? Outcome.UNCONFIRMED : Outcome.LATER;
        return new Reply(outcome, place + e.getMessage(), false);
      } catch (IOException e) {
        var outcome = Http.isUnconnected(e) ? Outcome.LATER : Outcome.UNCONFIRMED;
        return new Reply(outcome, place + http.reason(e), true);
      }
    }

    /** Google Chat holds an episode together by a key in the address. */
    private URI url(Topic topic) {
      var url = chat.url();
      if (chat.format() != Format.GOOGLECHAT) return url;
      return Http.with(url, url.getRawPath(), url.getRawQuery(),
          "threadKey=" + topic.kind().opening().word() + "-" + topic.begin().name(),
          "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
    }
  }

  /** The notice as a chat service, or a program, takes it. */
  static final class Payload {
    private static final int LONGEST = 1900; // characters; Discord takes 2,000
    private static final int LONGEST_LINK = 1000; // by a long Query
    private static final int TAGS = 5;
    private static final int TAG_WIDTH = 30;

    private Payload() { }

    static String of(Notice notice, Document document, Format format) {
      var json = switch (format) {
        case JSON -> facts(notice, document);
        case TEAMS -> card(notice, document);
        case DISCORD -> discord(notice, document);
        case AUTO, SLACK, GOOGLECHAT ->
            JSON.createObjectNode().put("text", text(notice, document, format));
      };
      return json.toString();
    }

    /** Everything, for programs. */
    static ObjectNode facts(Notice notice, Document document) {
      var topic = notice.topic();
      var json = JSON.createObjectNode()
          .put("account", notice.account())
          .put("hour", topic.hour().from().toString())
          .put("kind", topic.kind().word())
          .put("episode", topic.begin().from().toString())
          .put("subject", notice.subject());
      json.setAll((ObjectNode) JSON.valueToTree(notice.facts()));
      return json.put("text", document.text());
    }

    private static ObjectNode discord(Notice notice, Document document) {
      var json = JSON.createObjectNode().put("content", text(notice, document, Format.DISCORD));
      json.putObject("allowed_mentions").putArray("parse"); // nobody
      return json;
    }

    private static ObjectNode card(Notice notice, Document document) {
      var json = JSON.createObjectNode().put("type", "message");
      var card = json.putArray("attachments").addObject()
          .put("contentType", "application/vnd.microsoft.card.adaptive")
          .putObject("content")
          .put("$schema", "http://adaptivecards.io/schemas/adaptive-card.json")
          .put("type", "AdaptiveCard")
          .put("version", "1.4");
      var body = card.putArray("body");
      for (var line : document.head()) {
        body.addObject().put("type", "TextBlock").put("wrap", true)
            .put("text", harmless(line, Format.TEAMS));
      }
      ((ObjectNode) body.get(0)).put("weight", "Bolder").put("size", "Medium");
      var facts = JSON.createArrayNode();
      for (var tag : first(TAGS, notice.facts().tags())) {
        facts.addObject()
            .put("title", harmless(cut(tag.tag(), TAG_WIDTH), Format.TEAMS))
            .put("value", tag.count() + ", usual " + usualInWords(tag.usual()));
      }
      if (!facts.isEmpty()) body.addObject().put("type", "FactSet").set("facts", facts);
      card.putArray("actions").addObject()
          .put("type", "Action.OpenUrl")
          .put("title", "Open in Zendesk")
          .put("url", notice.facts().link());
      return json;
    }

    /** The lines as far as there is room, the first tags in a code fence, and the link. */
    private static String text(Notice notice, Document document, Format format) {
      var fenced = format == Format.DISCORD ? Format.GOOGLECHAT : format; // no markdown in there
      var rows = new StringJoiner("\n", "\n```\n", "\n```").setEmptyValue("");
      for (var tag : first(TAGS, notice.facts().tags())) {
        var name = harmless(cut(tag.tag(), TAG_WIDTH), fenced);
        rows.add(name + " ".repeat(Math.max(1, TAG_WIDTH - name.length())) + tag.count()
            + ", usual " + usualInWords(tag.usual()));
      }
      var link = notice.facts().link();
      var end = rows + (link.length() > LONGEST_LINK ? "" : "\n" + link);
      var lines = new StringJoiner("\n");
      for (var line : document.head()) lines.add(harmless(line, format));
      return cut(lines.toString(), LONGEST - end.length()) + end;
    }

    /**
     * So that nobody's tag mentions people, makes a link or sets type: "@all", "<!channel>" and
     * "[text](address)" are all in use somewhere. Nothing invisible is put into what people copy.
     */
    private static String harmless(String line, Format format) {
      var text = clean(line).replace("`", "'").replace("[", "(").replace("]", ")")
          .replace("@", "@ ").replace("://", ": //").replaceAll("(?i)\\bwww\\.", "www .");
      if (format == Format.SLACK) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
      }
      text = text.replace("<", "\u2039").replace(">", "\u203a"); // no service has an escape
      boolean isMarkdown = format == Format.DISCORD || format == Format.TEAMS;
      return isMarkdown ? text.replaceAll("[*~|#\\\\]|(?<!\\w)_|_(?!\\w)", "\\\\$0") : text;
    }
  }

  // ==== Heartbeat: does somebody hear when runs fail, or stop ===================================

  /** The watcher's watcher: a ping after each run, never a reason for the run to fail. */
  static final class Heartbeat {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final String HAVE_FAIL = "hc-ping\\.com|(.*\\.)?better(stack|uptime)\\.com";

    private Heartbeat() { }

    /** @return whether the watcher took it; false too where nobody is to be asked */
    static boolean send(Config config, int code, World world) {
      var url = address(config.pingUrl, config.failUrl, code);
      if (url == null) return false;
      var request = HttpRequest.newBuilder(url);
      boolean takesLines = code != 0 && !url.equals(config.failUrl);
      if (takesLines) request.POST(HttpRequest.BodyPublishers.ofString(world.lastLines()));
      var place = "[monitor] " + Http.server(url) + ": ";
      try {
        return ping(new Http(world, url, Duration.ZERO), request.build(), place, world);
      } catch (Refusal | Fault e) {
        world.warn(place + e.getMessage());
        return false;
      }
    }

    private static boolean ping(Http http, HttpRequest request, String place, World world) {
      try {
        http.sendOnce(request, Void.class, world.atMost(LIMIT));
        return true;
      } catch (IOException e) {
        world.warn(place + http.reason(e));
        return false;
      }
    }

    /** A failing run must never ask an address that counts as good; null for nobody to ask. */
    static URI address(URI url, URI failUrl, int code) {
      if (code == 0) return url;
      if (failUrl != null || url == null) return failUrl;
      var path = url.getRawPath().replaceFirst("/+$", "");
      boolean hasFail = lower(url.getHost()).matches(HAVE_FAIL) || path.contains("/ping/");
      return hasFail ? Http.with(url, path + "/fail", url.getRawQuery()) : null;
    }
  }

  // ==== Outbox: what waits, and what was sent ===================================================

  /**
   * The notices, a file each: those that wait in {@code history.csv.outbox}, the others of half a
   * year in {@code history.csv.done}. Reading never throws: what makes no sense is laid aside, and
   * where nothing can be read or written the run has its own notices alone, in memory.
   */
  static final class Outbox {
    private static final int KEPT = 180; // days; README.md says so, too
    private static final String NAME = "\\d{4}-\\d\\d-\\d\\dT\\d\\d\\.[a-z]+\\.json";

    private final Config config;
    private final World world;
    private final Path outbox;
    private final Path done;
    private final NavigableMap<Topic, Notice> waiting = new TreeMap<>(Topic.ORDER);
    private final Set<Topic> ofThisRun = new HashSet<>();
    private final boolean isDryRun;
    private boolean hasFailed;
    private List<Notice> recent; // of a week that are done; null before somebody asks

    /** @param isDryRun whether nothing is written */
    Outbox(Config config, World world, boolean isDryRun) {
      this.config = config;
      this.world = world;
      this.isDryRun = isDryRun;
      this.outbox = Disk.beside(config.historyFile, ".outbox");
      this.done = Disk.beside(config.historyFile, ".done");
      for (var notice : readAll(outbox, "")) enter(notice);
    }

    /** Those whose name does not come before that one. */
    private List<Notice> readAll(Path folder, String oldest) {
      var notices = new ArrayList<Notice>();
      try {
        for (var file : Disk.list(folder, NAME)) {
          boolean isNew = file.getFileName().toString().compareTo(oldest) >= 0;
          var notice = isNew ? read(file) : null;
          if (notice != null && isOurs(notice)) notices.add(notice);
        }
      } catch (Fault e) {
        fail(e);
      }
      notices.sort(Comparator.comparing(Notice::topic, Topic.ORDER));
      return notices;
    }

    /** What waited before Query was changed counts other tickets. */
    private boolean isOurs(Notice notice) {
      boolean isAnybodys = config.zendeskHost == null; // as explain may have it
      return isAnybodys || notice.account().equals(config.zendeskHost)
          && notice.query().equals(config.query);
    }

    private Notice read(Path file) {
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text == null) return null;
        var notice = JSON.readValue(text, Notice.class);
        if (notice != null) return notice;
        world.layAside(file, isDryRun);
      } catch (JsonProcessingException e) {
        world.layAside(file, isDryRun);
      } catch (Fault e) {
        world.report(e); // root's, say: the others are sent and noted all the same
      }
      return null;
    }

    private void fail(Fault e) {
      if (!hasFailed) world.trouble(e.exit, e.getMessage()); // said once
      hasFailed = true;
    }

    private void change(Runnable change) {
      if (isDryRun || hasFailed) return;
      try {
        change.run();
      } catch (Fault e) {
        fail(e);
      }
    }

    /** Whether something could not be read or written. */
    boolean hasFailed() {
      return hasFailed;
    }

    /** Of an episode the newest notice alone is sent; what is older was passed by. */
    private void enter(Notice notice) {
      for (var other : waiting()) {
        boolean isOlder = other.topic().isOfSameEpisode(notice.topic())
            && Topic.ORDER.compare(other.topic(), notice.topic()) < 0;
        if (isOlder) settle(other);
      }
      waiting.put(notice.topic(), notice);
    }

    /** Stores it before anything older goes. */
    void add(Notice notice) {
      ofThisRun.add(notice.topic());
      probe();
      save(notice);
      enter(notice);
    }

    void save(Notice notice) {
      change(() -> Disk.write(outbox.resolve(notice.fileName()),
          JSON.valueToTree(notice).toPrettyString() + "\n"));
    }

    /** Everybody has answered, or a newer one takes its place. */
    void settle(Notice notice) {
      waiting.remove(notice.topic());
      if (recent != null) recent.add(notice);
      var name = notice.fileName();
      change(() -> Disk.move(outbox.resolve(name), done.resolve(name)));
    }

    /** What waits, oldest first. */
    List<Notice> waiting() {
      return List.copyOf(waiting.values());
    }

    /** What cannot be noted in full is not stored in part, nor sent from there in each run. */
    private void probe() {
      change(() -> Disk.tryToWrite(outbox));
    }

    /** What may be sent: answers that cannot be noted would be asked for again in each run. */
    List<Notice> toSend() {
      if (!waiting.isEmpty()) probe();
      var notices = new ArrayList<>(waiting());
      if (hasFailed) notices.removeIf(notice -> !isOfThisRun(notice));
      return notices;
    }

    /** Whether it is in memory alone, and somebody lacks it. */
    boolean isLost(Topic topic) {
      return hasFailed && waiting.containsKey(topic);
    }

    boolean isOfThisRun(Notice notice) {
      return ofThisRun.contains(notice.topic());
    }

    /** The notice of that hour and kind, or null. */
    Notice find(Hour hour, Kind kind) {
      var name = hour.name() + "." + kind.word() + ".json";
      var known = Stream.of(waiting(), recent()).flatMap(List::stream)
          .filter(notice -> notice.fileName().equals(name)).findFirst();
      boolean isOld = hour.isBefore(Hour.of(world.now()).plus(-Told.WEEK));
      return known.orElseGet(() -> isOld ? read(done.resolve(name)) : null);
    }

    private List<Notice> recent() {
      var oldest = Hour.of(world.now()).plus(-Told.WEEK).name();
      if (recent == null) recent = readAll(done, oldest);
      return recent;
    }

    /** The first notice of the episode that the receiver has, or null. */
    Notice firstOf(Notice notice, String receiver) {
      var all = new TreeMap<Topic, Notice>(Topic.ORDER);
      for (var each : recent()) all.put(each.topic(), each);
      all.putAll(waiting);
      return all.headMap(notice.topic(), false).values().stream()
          .filter(each -> each.topic().isOfSameEpisode(notice.topic()) && each.hasTold(receiver))
          .findFirst().orElse(null);
    }

    /** By receiver, whichever notice they were to. */
    Map<String, Answer> latestAnswers() {
      var latest = new TreeMap<String, Answer>(String.CASE_INSENSITIVE_ORDER);
      for (var notices : List.of(recent(), waiting())) {
        for (var notice : notices) {
          notice.answers().forEach((receiver, answer) -> latest.merge(receiver, answer,
              (a, b) -> a.time().compareTo(b.time()) > 0 ? a : b));
        }
      }
      return latest;
    }

    /** Deletes what was told long ago. */
    void prune() {
      var oldest = Hour.of(world.now()).plus(-24 * KEPT).name();
      change(() -> {
        for (var file : Disk.list(done, NAME)) {
          if (file.getFileName().toString().compareTo(oldest) < 0) Disk.delete(file);
        }
      });
    }
  }

  // ==== NoticeWriter: in which words is it told =================================================

  /** How many tickets came since the hour's end. */
  record HourInProgress(Instant until, long count) { }

  /**
   * Writes notices. To reword one, edit its method: words and values stand together. Each has the
   * same parts in the same order: what, the usual, the cause, links, tables, small print.
   */
  static final class NoticeWriter {
    private static final int EXAMPLES = 5; // subjects
    private static final int FLOOD = 5; // tickets of one requester, and half of all
    private static final int SHOWN = 50; // characters of a tag or subject
    private static final int TAGS_IN_HEAD = 3; // of a notice about tags

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

    /**
     * @param tickets  of the hour; null for notices that show none: the end, a stop, come again
     * @param progress null when it is not known
     */
    Notice write(Due due, HourTickets tickets, HourInProgress progress) {
      if (due instanceof SpikeDue spike) return spike(spike, tickets, progress);
      if (due instanceof EndDue end) return end(end);
      if (due instanceof StopDue stop) return stop(stop);
      if (due instanceof AgainDue again) return again(again);
      return tags((TagsDue) due, tickets);
    }

    // ---- A spike, and its end ----

    private Notice spike(SpikeDue due, HourTickets tickets, HourInProgress progress) {
      var hour = due.hour();
      var usual = judge.baselines.of(hour);
      var tags = tickets.ranked(tagRule);
      var cause = tags.stream().filter(TagCount::risen).findFirst().orElse(null);
      var causeTag = cause == null ? null : cause.tag();
      var link = agentSearch(hour, hour.plus(1), null);
      long hours = hour.since(due.begin()) + 1;

      var document = new Document((hours > 1 ? "Hour " + hours + ": " : "")
          + plural(due.count(), "ticket") + " at " + account() + ", "
          + span(hour, hour.plus(1), config.zone) + ".");
      if (due.over() != null) document.line("It is over: " + countInWords(due.over()) + ".");
      document.line(usualLine(hour, due.count(), usual));
      document.line(causeLine(hour, tickets, cause));
      if (progress != null) document.line(progressLine(due, progress));
      flood(document, tickets);
      if (cause != null) {
        document.link(cause.count() + " with " + cut(causeTag, SHOWN),
            agentSearch(hour, hour.plus(1), causeTag));
      }
      document.link("All " + due.count(), link);
      document.table(tagTable(hour, tags));
      document.table(examples(tickets, causeTag));
      document.table(last24Hours(hour));
      document.smallPrint("Rule " + lower(judge.rule.name().name()) + ": a spike from "
          + plural(judge.thresholds(hour).least(), "ticket") + " on.");
      if (!tickets.missing().isEmpty()) {
        document.smallPrint("Of its tickets " + tickets.size() + " were read: "
            + tickets.missing());
      }
      smallPrint(document, hour);

      var subject = plural(due.count(), "ticket") + " instead of " + amount(usual.mean()) + " at "
          + account() + (cause == null ? "" : ": " + cut(causeTag, SHOWN));
      var facts = new Facts(due.count(), usual.mean(), usual.percent(due.count()), causeTag,
          first(config.numTags, tags), link, null, null);
      return notice(due, subject, facts, document);
    }

    /** A spike that is made up, by the same code. */
    Notice sample(SpikeDue due, HourTickets tickets, HourInProgress progress) {
      var made = spike(due, tickets, progress);
      var topic = new Topic(Kind.SAMPLE, due.hour(), due.begin(), due.count(), null, List.of());
      var document = made.document().with("This is a sample: there is no spike, and all figures "
          + "here are made up.");
      return new Notice(topic, made.account(), made.query(), "SAMPLE, no spike: " + made.subject(),
          made.facts(), document, Map.of());
    }

    private String usualLine(Hour hour, long count, Baseline usual) {
      var samples = judge.baselines.samples(hour);
      var counts = samples.known().stream().mapToLong(Sample::count).summaryStatistics();
      var unit = samples.basis() == Basis.HOUR_OF_WEEK ? "week" : "day";
      var words = "Usual: " + amount(usual.mean()) + usual.raisedInWords(1.2) + " ("
          + counts.getMin() + " to " + counts.getMax() + " in " + plural(counts.getCount(), unit)
          + ")";
      var percent = usual.percent(count);
      if (percent == null || usual.mean() < 1) return words + ".";
      return words + ", so " + (percent > 1000 ? rounded(count / usual.mean()) + " times as many."
          : rounded(percent) + " % more.");
    }

    private String causeLine(Hour hour, HourTickets tickets, TagCount cause) {
      if (tickets.size() == 0) return "Its tickets could not be read.";
      if (!tagRule.canJudge(hour)) return "What its tags usually are is not known yet.";
      if (cause == null) return "No tag stands out.";
      return cause.count() + " of the " + tickets.inWords() + " carry " + cause.tag()
          + ", usually " + usualInWords(cause.usual()) + ".";
    }

    private String progressLine(SpikeDue due, HourInProgress progress) {
      var next = due.hour().plus(1);
      long minutes = Duration.between(next.from(), progress.until).toMinutes();
      var words = plural(progress.count, "ticket") + " in the first " + plural(minutes, "minute")
          + " after it";
      var baseline = judge.baselines.of(next);
      if (baseline == null) return "Since then: " + words + ".";
      double usual = baseline.mean() * minutes / 60;
      double likeTheSpike = due.count() * minutes / 60.0;
      boolean isComing = progress.count * 2 >= usual + likeTheSpike;
      boolean isTooEarly = likeTheSpike < usual + 3; // tickets
      var how = isTooEarly ? "Since then: " : isComing ? "Still coming: " : "Calmer since: ";
      return how + words + ", usually " + amount(usual) + ".";
    }

    /** One sender's flood is another thing than a hundred people in trouble. */
    private void flood(Document document, HourTickets tickets) {
      var requesters = tickets.requesters();
      if (requesters.isEmpty()) return;
      var busiest = Collections.max(requesters.entrySet(), Map.Entry.comparingByValue());
      int most = busiest.getValue();
      boolean isFlood = most >= FLOOD && most * 2 >= tickets.size();
      if (!isFlood) return;
      document.line("One requester wrote " + most + " of the " + tickets.inWords() + ".");
      document.link(most + " by one requester", agentPage("users/" + busiest.getKey()));
    }

    /** The end of a spike, by what its hours hold now. */
    private Notice end(EndDue due) {
      var spikes = new ArrayList<Spike>();
      for (var verdict : judge.verdicts(due.begin(), due.hour()).values()) {
        if (verdict instanceof Spike spike) spikes.add(spike);
      }
      boolean wasSpike = !spikes.isEmpty();
      var end = wasSpike ? spikes.get(spikes.size() - 1).hour().plus(1) : due.begin().plus(1);
      var link = agentSearch(due.begin(), end, null);
      var usual = judge.baselines.of(due.hour());
      var where = account() + ", " + span(due.begin(), end, config.zone) + ".";

      var document = new Document(!wasSpike ? "No spike after all, counted again: " + where
          : "Over after " + plural(end.since(due.begin()), "hour") + ": the spike at " + where);
      var subject = "No spike after all at " + account();
      String cause = null;
      if (wasSpike) {
        var episode = new Episode(spikes);
        var peak = episode.peak();
        cause = tagRule.risen(peak.hour(), config.omittedTags);
        document.line("Peak: " + plural(peak.count(), "ticket") + ", "
            + localTime(peak.hour().from(), config.zone) + "; usual: "
            + amount(peak.baseline().mean()) + ". In all " + rounded(episode.excess())
            + " more than usual.");
        subject = "Over: " + plural(peak.count(), "ticket") + " instead of "
            + amount(peak.baseline().mean()) + " at " + account();
      }
      if (cause != null) document.line("The tag that stood out: " + cause + ".");
      document.line("Now: " + countInWords(due.hour()) + ".");
      document.link("Its tickets", link);
      document.table(last24Hours(due.hour()));
      smallPrint(document, due.hour());
      var facts = new Facts(due.count(), usual == null ? null : usual.mean(),
          usual == null ? null : usual.percent(due.count()), cause, List.of(), link, null, null);
      return notice(due, subject, facts, document);
    }

    /** Such as "20 tickets, Wed 25 Nov 14:00, usual: 21". */
    private String countInWords(Hour hour) {
      var usual = judge.baselines.of(hour);
      return plural(judge.counts.at(hour), "ticket") + ", " + localTime(hour.from(), config.zone)
          + "; usual: " + usualInWords(usual == null ? null : usual.mean());
    }

    // ---- Tickets stop, and come again ----

    private Notice stop(StopDue due) {
      var stop = due.stop();
      var document = new Document("Tickets stopped at " + account() + ": " + stop.inWords() + ".");
      document.line("Look at the contact form, the mail channel, status.zendesk.com and the "
          + "suspended tickets. A holiday belongs in IgnoredDays.");
      document.link("Suspended tickets", agentPage("filters/suspended"));
      var subject = "Tickets stopped: " + stop.came() + " instead of " + amount(stop.usual())
          + " in " + plural(stop.hours(), "hour") + " at " + account();
      return flow(due, due.hour(), stop, subject, document);
    }

    private Notice again(AgainDue due) {
      var document = new Document("Tickets come again at " + account() + ": " + due.stop().inWords()
          + ".");
      document.line("That they had stopped was told of the hours up to "
          + localTime(due.begin().to(), config.zone) + ".");
      return flow(due, due.hour(), due.stop(), "Tickets come again at " + account(), document);
    }

    private Notice flow(Due due, Hour last, Stop stop, String subject, Document document) {
      var first = last.plus(1 - stop.hours());
      var link = agentSearch(first, last.plus(1), null);
      document.line(span(first, last.plus(1), config.zone) + "." + stop.loweredInWords());
      document.link("Its tickets", link);
      document.table(last24Hours(last));
      smallPrint(document, last);
      var facts = new Facts(stop.came(), stop.usual(), null, null, List.of(), link, stop, null);
      return notice(due, subject, facts, document);
    }

    // ---- Tags surge within a calm total ----

    private Notice tags(TagsDue due, HourTickets tickets) {
      var tags = due.tags();
      var hour = due.hour();
      var first = tags.get(0);
      var link = agentSearch(hour, hour.plus(1), first.tag());
      var usual = judge.baselines.of(hour);

      var document = new Document(plural(first.count(), "ticket") + " with " + first.tag() + " at "
          + account() + ", " + span(hour, hour.plus(1), config.zone) + ".");
      for (var tag : first(TAGS_IN_HEAD, tags)) {
        document.line(tag.tag() + ": " + tag.together() + " in " + plural(tag.hours(), "hour")
            + ", usually " + usualInWords(tag.expected()) + ".");
        document.link(tag.count() + " with " + cut(tag.tag(), SHOWN),
            agentSearch(hour, hour.plus(1), tag.tag()));
      }
      var more = tags.stream().skip(TAGS_IN_HEAD).map(TagVerdict::tag).toList();
      if (!more.isEmpty()) document.line("These surge, too: " + String.join(", ", more) + ".");
      document.line("All tickets: " + judge.counts.at(hour) + "; usual: "
          + usualInWords(usual == null ? null : usual.mean()) + ".");
      document.table(examples(tickets, first.tag()));
      document.table(last24Hours(cut(first.tag(), SHOWN), hour,
          each -> tagRule.count(each, first.tag()), each -> tagRule.usual(each, first.tag())));
      document.smallPrint("A tag is told once in 24 hours, and not while the total is a spike.");
      smallPrint(document, hour);

      var subject = first.together() + " with " + cut(first.tag(), SHOWN) + " in "
          + plural(first.hours(), "hour") + " at " + account() + ", usually "
          + usualInWords(first.expected());
      var facts = new Facts(first.together(), first.expected(), null, first.tag(), List.of(), link,
          null, tags);
      return notice(due, subject, facts, document);
    }

    // ---- What all notices have ----

    private Notice notice(Due due, String subject, Facts facts, Document document) {
      var topic = due.topic();
      var whole = config.subject + " " + unclickable(clean(subject)) + " ("
          + localTime(topic.hour().from(), config.zone) + " " + config.zone + ")";
      return new Notice(topic, config.zendeskHost, config.query, whole, facts, document, Map.of());
    }

    private void smallPrint(Document document, Hour hour) {
      var query = config.query.isEmpty() ? "" : " that match " + config.query;
      document.smallPrint("Counted: the tickets of " + config.zendeskHost + query
          + ". For more: explain " + hour.name() + " (UTC).");
      document.smallPrint(NAME + " " + VERSION + " on " + world.host() + ", " + config.shown());
    }

    private Table tagTable(Hour hour, List<TagCount> tags) {
      var table = Table.of("Tags", "tickets", "usual", "of all", "");
      for (var tag : first(config.numTags, tags)) {
        table.row(
            Cell.link(cut(tag.tag(), SHOWN), agentSearch(hour, hour.plus(1), tag.tag())),
            tag.count(),
            tag.usual() == null ? "?" : amount(tag.usual()),
            rounded(tag.percent()) + " %",
            tag.risen() ? "risen" : "");
      }
      return table;
    }

    /** Equal subjects stand once, with their number. @param tag null for all tickets */
    private Table examples(HourTickets tickets, String tag) {
      var bySubject = new LinkedHashMap<String, List<Ticket>>();
      for (var ticket : tickets.with(tag)) {
        var subject = Objects.requireNonNullElse(ticket.subject(), "(no subject)");
        bySubject.computeIfAbsent(subject, absent -> new ArrayList<>()).add(ticket);
      }
      var groups = new ArrayList<>(bySubject.entrySet());
      groups.sort(Comparator.comparingInt(group -> -group.getValue().size()));
      var table = Table.of(tag == null ? "Tickets" : "Tickets with " + cut(tag, SHOWN), "", "");
      for (var group : first(EXAMPLES, groups)) {
        int number = group.getValue().size();
        var id = group.getValue().get(0).id();
        table.row(
            cut(group.getKey(), SHOWN),
            number == 1 ? "" : number + " x",
            Cell.link("#" + id, agentPage("tickets/" + id)));
      }
      return table;
    }

    private Table last24Hours(Hour last) {
      return last24Hours("The last 24 hours", last,
          hour -> judge.counts.knows(hour) ? (double) judge.counts.at(hour) : null,
          hour -> judge.baselines.of(hour) == null ? null : judge.baselines.of(hour).mean());
    }

    /** A row an hour. @param count null for an hour that is not known, as {@code usual} */
    private Table last24Hours(String title, Hour last, Function<Hour, Double> count,
        Function<Hour, Double> usual) {
      var hours = Hour.range(last.plus(-23), last.plus(1)).toList();
      double most = 1;
      for (var hour : hours) most = Math.max(most, orZero(count.apply(hour)));
      var table = Table.of(title, "tickets", "usual", "");
      for (var hour : hours) {
        var came = count.apply(hour);
        var mean = usual.apply(hour);
        table.row(
            localTime(hour.from(), config.zone),
            came == null ? "?" : rounded(came),
            mean == null ? "?" : rounded(mean),
            Cell.bar(orZero(came) / most, orZero(mean) / most));
      }
      return table;
    }

    private static double orZero(Double tickets) {
      return tickets == null ? 0 : tickets;
    }

    private String account() {
      return config.zendeskHost.replace(".zendesk.com", "");
    }

    /** An agents' page of Zendesk. */
    private String agentPage(String path) {
      return "https://" + config.zendeskHost + "/agent/" + path;
    }

    /**
     * Zendesk's own search, in the agents' pages. No ampersand: chats treat it each their way.
     *
     * @param tag null for all tickets of the span; its channel is searched by its own word
     */
    private String agentSearch(Hour from, Hour to, String tag) {
      var words = "type:ticket created>=" + from.from() + " created<" + to.from();
      boolean isChannel = tag != null && tag.startsWith(TagHistory.CHANNEL);
      if (isChannel) words += " " + tag;
      else if (tag != null) words += " tags:\"" + tag.replace("\"", "") + "\"";
      return agentPage("search/1?q=" + encode((words + " " + config.query).strip()));
    }
  }

  // ==== Notice: what is told, and who has answered ==============================================

  /** What came of one try to tell one receiver. */
  enum Outcome {
    YES,
    NO,         // to the address; final once somebody else has the notice
    LATER,      // nothing of the notice was taken: each run tries again
    UNCONFIRMED // its text went out, without a clear answer; it may have arrived: tries grow rare
  }

  /** @param isSuspect whether the receiver may be what broke the transaction */
  record Reply(Outcome outcome, String words, boolean isSuspect) { }

  /** The latest answer of a receiver. @param unconfirmed how often it may have got the notice */
  record Answer(Outcome outcome, String words, String time, int unconfirmed, boolean isSuspect) {
    Answer {
      Stream.of(outcome, words, Instant.parse(time)).forEach(Objects::requireNonNull);
    }
  }

  /**
   * One notice, as it lies in the outbox: without receivers, which auth.ini of the moment of
   * sending names, but with what each of them has answered.
   *
   * @param subject its own; who got an earlier one of the episode sees that one's, behind "Re: "
   */
  record Notice(Topic topic, String account, String query, String subject, Facts facts,
      Document document, Map<String, Answer> answers) {
    private static final int LATE = 2; // hours after its hour has begun

    Notice {
      Stream.of(topic, account, query, subject, facts, document, answers)
          .forEach(Objects::requireNonNull);
      var byReceiver = new TreeMap<String, Answer>(String.CASE_INSENSITIVE_ORDER);
      byReceiver.putAll(answers); // a mailbox is the same in capitals
      byReceiver.values().forEach(Objects::requireNonNull);
      answers = byReceiver;
    }

    /** Such as 2026-11-24T13.spike.json. */
    String fileName() {
      return topic.name() + ".json";
    }

    /** What it says at that moment. */
    Document documentAt(Instant now, ZoneId zone) {
      boolean isLate = !now.isBefore(topic.hour().plus(LATE).from());
      if (!isLate || topic.kind() == Kind.SAMPLE) return document;
      return document.with("This notice comes late, on " + localTime(now, zone) + " " + zone + ".");
    }

    void note(String receiver, Reply reply, Instant now) {
      var before = answers.get(receiver);
      int unconfirmed = before == null ? 0 : before.unconfirmed;
      if (reply.outcome == Outcome.UNCONFIRMED) unconfirmed++;
      answers.put(receiver, new Answer(reply.outcome, reply.words, now.toString(), unconfirmed,
          reply.isSuspect));
    }

    boolean hasTold(String receiver) {
      var answer = answers.get(receiver);
      return answer != null && answer.outcome == Outcome.YES;
    }

    /** Whether somebody has it. */
    boolean isHeard() {
      return answers.keySet().stream().anyMatch(this::hasTold);
    }

    /** A no is final once somebody has the notice; until then auth.ini may be wrong. */
    boolean isSettled(String receiver) {
      var answer = answers.get(receiver);
      boolean isNo = answer != null && answer.outcome == Outcome.NO;
      return hasTold(receiver) || isNo && isHeard();
    }

    /** Where it may have arrived it is sent again after 1, 2, 4, 8 ... hours. */
    boolean isDue(String receiver, Instant now) {
      var answer = answers.get(receiver);
      if (answer == null || answer.outcome != Outcome.UNCONFIRMED) return true;
      long hours = Hour.of(now).since(Hour.of(Instant.parse(answer.time)));
      return hours < 0 || hours >= 1L << (answer.unconfirmed - 1); // the clock may have been ahead
    }
  }

  /**
   * The figures, for programs. Stored in the outbox: a component that is added must be able to be
   * null (Long, not long), so that older notices can be read.
   *
   * @param usual   tickets, or null where that is not known
   * @param percent over the usual; null where none are usual
   * @param cause   the tag that stands out, or null
   * @param stop    of notices about tickets that stop
   * @param surges  of notices about tags
   */
  record Facts(long count, Double usual, Double percent, String cause, List<TagCount> tags,
      String link, @JsonInclude(JsonInclude.Include.NON_NULL) Stop stop,
      @JsonInclude(JsonInclude.Include.NON_NULL) List<TagVerdict> surges) {
    Facts {
      Stream.of(tags, link).forEach(Objects::requireNonNull);
    }
  }

  // ==== Document: how does a notice look in a mail ==============================================

  /**
   * What a notice says, in the order in which it is read. It is stored as it is, and becomes text
   * and HTML when it is sent. Chats get title and lines, see Payload.
   */
  record Document(String title, List<String> lines, List<Link> links, List<Table> tables,
      List<String> smallPrint) {
    private static final String PAGE = """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark">
        <meta name="supported-color-schemes" content="light dark"><title>%s</title></head>
        <body style="margin:0;padding:16px">
        <table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" \
        style="width:100%%;max-width:600px;table-layout:fixed"><tr>
        <td style="font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:22px">
        <h1 style="margin:0 0 12px;font-size:19px;line-height:26px">%s</h1>
        %s</td></tr></table></body></html>
        """;

    record Link(String words, String url) { }

    Document { // out/ may have been edited: then a null would be found when it is sent
      Objects.requireNonNull(title);
      for (var list : List.of(lines, links, tables, smallPrint)) {
        list.forEach(Objects::requireNonNull);
      }
    }

    Document(String title) {
      this(title, new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    }

    void line(String words) {
      lines.add(words);
    }

    void link(String words, String url) {
      links.add(new Link(words, url));
    }

    /** A table without rows is none. */
    void table(Table table) {
      if (table.rows().size() > 1) tables.add(table);
    }

    void smallPrint(String words) {
      smallPrint.add(words);
    }

    /** The same with one more line below the title. */
    Document with(String line) {
      var more = new ArrayList<>(lines);
      more.add(0, line);
      return new Document(title, more, links, tables, smallPrint);
    }

    /** Title and lines, which is what chats get. */
    List<String> head() {
      var head = new ArrayList<>(List.of(title));
      head.addAll(lines);
      return head;
    }

    String text() {
      var text = new StringJoiner("\n", "", "\n");
      for (var line : head()) text.add(plain(line));
      text.add("");
      for (var link : links) text.add(plain(link.words) + ":\n" + link.url);
      for (var table : tables) text.add("\n" + table.text());
      text.add("");
      for (var line : smallPrint) text.add(plain(line));
      return text.toString();
    }

    /** Of tables and inline styles, which is what Outlook and Gmail show. */
    String html(String subject) {
      var html = new StringBuilder();
      for (var line : lines) html.append(paragraph(15, safe(line)));
      for (var link : links) html.append(paragraph(15, anchor(link.url, link.words)));
      for (var table : tables) html.append(table.html());
      for (var line : smallPrint) html.append(paragraph(12, safe(line)));
      return PAGE.formatted(escape(subject), safe(title), html);
    }

    private static String paragraph(int size, String html) {
      return "<p style=\"margin:0 0 10px;font-size:" + size
          + "px;word-break:break-word;overflow-wrap:anywhere\">" + html + "</p>\n";
    }

    /** Other people's words, for text. */
    static String plain(String words) {
      return unclickable(clean(words));
    }

    /** The same, for HTML. */
    static String safe(String words) {
      return escape(unclickable(words));
    }

    static String anchor(String url, String words) {
      return "<a href=\"" + escape(url) + "\">" + safe(words) + "</a>";
    }
  }

  /** A table. The first row is the head; the columns between the first and the last are numbers. */
  record Table(List<List<Cell>> rows) {
    private static final int UNBROKEN = 22; // characters that stay on one line
    private static final String BROKEN = "word-break:break-word;overflow-wrap:anywhere;";

    Table {
      rows.forEach(row -> row.forEach(Objects::requireNonNull));
    }

    static Table of(Object... head) {
      var table = new Table(new ArrayList<>());
      table.row(head);
      return table;
    }

    /** @param values cells, or what their words are */
    void row(Object... values) {
      var cells = new ArrayList<Cell>();
      for (var value : values) {
        cells.add(value instanceof Cell cell ? cell : Cell.of(value.toString()));
      }
      rows.add(cells);
    }

    private boolean isNumber(int column) {
      return column > 0 && column < rows.get(0).size() - 1;
    }

    String text() {
      var format = new StringJoiner("  ");
      for (int i = 0; i < rows.get(0).size(); i++) {
        int width = 1;
        for (var row : rows) width = Math.max(width, Document.plain(row.get(i).text()).length());
        format.add((isNumber(i) ? "%" : "%-") + width + "s");
      }
      var lines = new StringJoiner("\n");
      for (var row : rows) {
        var cells = row.stream().map(cell -> Document.plain(cell.text())).toArray();
        lines.add(format.toString().formatted(cells).stripTrailing());
      }
      return lines.toString();
    }

    String html() {
      var html = new StringBuilder("<table cellpadding=\"3\" cellspacing=\"0\" style=\"margin:0 0 "
          + "16px;font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:20px\">\n");
      for (var row : rows) {
        html.append("<tr>");
        for (int i = 0; i < row.size(); i++) {
          html.append(element(row.get(i), i, row == rows.get(0)));
        }
        html.append("</tr>\n");
      }
      return html.append("</table>\n").toString();
    }

    /** Heads of rows and columns are read out with each number; an empty one is none. */
    private String element(Cell cell, int column, boolean isHead) {
      boolean isHeading = (isHead || column == 0) && !cell.text().isEmpty();
      boolean isRowHead = isHeading && !isHead;
      var name = isHeading ? "th" : "td";
      var scope = isRowHead ? " scope=\"row\"" : isHeading ? " scope=\"col\"" : "";
      var align = isNumber(column) ? " align=\"right\"" : isHeading ? " align=\"left\"" : "";
      boolean isShort = cell.text().length() <= UNBROKEN;
      var width = cell.isBar() ? " width=\"100%\"" : "";
      var style = (isShort ? "" : BROKEN) + (isRowHead ? "font-weight:normal;" : "")
          + (cell.shade() == null ? "" : "background:" + cell.shade());
      return "<" + name + scope + align + (isShort ? " nowrap" : "") + width
          + (style.isEmpty() ? "" : " style=\"" + style + "\"") + ">" + cell.html()
          + "</" + name + ">";
    }
  }

  /**
   * A cell of a table: words, or a bar.
   *
   * @param url   where its words lead, or null
   * @param shade the colour behind its words, or null
   * @param blue  percent of a bar: up to what is usual
   * @param red   percent of it beyond that
   */
  record Cell(String text, String url, String shade, int blue, int red) {
    static final String BLUE = "#77aadd";
    static final String RED = "#cc3311"; // darker, too, for those to whom both are grey
    private static final int MOST_OPACITY = 120; // of 255, so that words can be read on it

    Cell {
      Objects.requireNonNull(text);
    }

    static Cell of(String words) {
      return new Cell(words, null, null, 0, 0);
    }

    static Cell link(String words, String url) {
      return new Cell(words, url, null, 0, 0);
    }

    static Cell shaded(String words, String color, double part) {
      int opacity = (int) (MOST_OPACITY * Math.min(1, part));
      return new Cell(words, null, color + HexFormat.of().toHexDigits((byte) opacity), 0, 0);
    }

    /** Both in parts of the whole width. */
    static Cell bar(double count, double usual) {
      int blue = (int) Math.round(100 * Math.min(count, usual));
      int red = (int) Math.round(100 * count) - blue;
      return new Cell("#".repeat(blue / 4) + "+".repeat(red / 4), null, null, blue, red);
    }

    boolean isBar() {
      return blue + red > 0;
    }

    String html() {
      if (url != null) return Document.anchor(url, text);
      if (!isBar()) return Document.safe(text);
      return "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" height=\"12\""
          + " width=\"100%\"><tr>" + piece(blue, BLUE) + piece(red, RED)
          + "<td></td></tr></table>";
    }

    private static String piece(int percent, String color) {
      if (percent == 0) return "";
      return "<td width=\"" + percent + "%\" bgcolor=\"" + color + "\"></td>";
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
    /** Tickets over the usual of a tag that has risen; of others 0. */
    double excess() {
      if (!risen) return 0;
      return usual == null ? count : count - usual;
    }
  }

  /** The tickets of an hour, as far as they were read. */
  static final class HourTickets {
    private static final int MOST = 50_000; // tickets
    private static final Comparator<Ticket> EARLIEST_FIRST =
        Comparator.comparing(Ticket::created).thenComparing(Ticket::id);

    private final Hour hour;
    private final Collection<String> omitted;
    private final SortedSet<Ticket> tickets = new TreeSet<>(EARLIEST_FIRST);
    private boolean isWhole;
    private String missing = ""; // why not all are here

    HourTickets(Hour hour, Collection<String> omitted) {
      this.hour = hour;
      this.omitted = omitted;
    }

    /** The first page, which may be all. */
    void add(TicketPage page, World world) {
      for (var ticket : page.tickets()) add(ticket.sanitized(world));
      isWhole = page.next() == null || page.count() <= size();
      noteMissing(page.count());
    }

    private void noteMissing(long count) {
      missing = size() < count ? "the others were not found" : "";
    }

    /** One that is there already changes nothing: pages may overlap. */
    void add(Ticket ticket) {
      if (ticket.isWithin(hour.from(), hour.to())) tickets.add(ticket);
    }

    void setMissing(String why) {
      missing = why;
    }

    /** What the first page did not hold. */
    void readRest(Zendesk zendesk, long count, Patience patience, World world) {
      if (isWhole) return;
      try {
        var pages = zendesk.export(hour, hour.plus(1), () -> patience);
        while (size() < MOST && pages.hasNext() && patience.allows(Duration.ZERO, world)) {
          for (var ticket : pages.next()) add(ticket.sanitized(world));
        }
        isWhole = !pages.hasNext();
        noteMissing(count);
      } catch (Fault e) {
        world.detail(e.getMessage());
        missing = e.getMessage();
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

    /** Such as "100", or "39 that were read". */
    String inWords() {
      return size() + (missing.isEmpty() ? "" : " that were read");
    }

    /** How many carry each tag, omitted ones too; in lower case. */
    Map<String, Long> tagCounts() {
      var counts = new HashMap<String, Long>();
      for (var ticket : tickets) {
        for (var tag : ticket.distinctTags()) counts.merge(tag, 1L, Long::sum);
      }
      return counts;
    }

    /**
     * Every tag that is not omitted: those that have risen, by what is over the usual, then the
     * most frequent; equals as they first appeared, spelled as in that ticket. A channel is there
     * where it has risen.
     */
    List<TagCount> ranked(TagRule rule) {
      var spelled = new LinkedHashMap<String, String>();
      for (var ticket : tickets) {
        for (var tag : ticket.tags()) spelled.putIfAbsent(lower(tag), tag);
      }
      spelled.keySet().removeAll(omitted);
      var counts = tagCounts();
      var ranked = new ArrayList<TagCount>();
      spelled.forEach((key, tag) -> {
        boolean isRisen = rule.verdict(hour, key).isRisen();
        if (key.startsWith(TagHistory.CHANNEL) && !isRisen) return;
        long count = counts.get(key);
        double percent = 100.0 * count / size();
        ranked.add(new TagCount(tag, count, rule.usual(hour, key), percent, isRisen));
      });
      ranked.sort(Comparator.comparingDouble(TagCount::excess).thenComparing(TagCount::count)
          .reversed());
      return ranked;
    }

    /** Tickets with that tag, or all for null, oldest first. */
    List<Ticket> with(String tag) {
      return tickets.stream()
          .filter(ticket -> tag == null || ticket.distinctTags().contains(lower(tag)))
          .toList();
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

  // ==== Due: which notices does a run owe =======================================================

  /** One notice that is due. */
  sealed interface Due permits SpikeDue, EndDue, StopDue, AgainDue, TagsDue {
    Topic topic();

    /** Not sent, but told all the same, so that the episode is over. */
    default boolean isSilent() {
      return false;
    }
  }

  /** A spike begins or goes on. @param over the calm hour that has ended it already, or null */
  record SpikeDue(Hour hour, Hour begin, long count, Hour over, List<TagVerdict> surging)
      implements Due {
    @Override
    public Topic topic() {
      return new Topic(Kind.SPIKE, hour, begin, count, over, tagsOf(surging));
    }
  }

  /** A spike that was told is over. */
  record EndDue(Hour hour, Hour begin, long count, boolean isSilent) implements Due {
    @Override
    public Topic topic() {
      return new Topic(Kind.CLEAR, hour, begin, count, null, List.of());
    }
  }

  /** Tickets have stopped. */
  record StopDue(Hour hour, Stop stop) implements Due {
    @Override
    public Topic topic() {
      return new Topic(Kind.STOP, hour, hour, stop.came(), null, List.of());
    }
  }

  /** Tickets come again. @param begin the hour in which it was told that they stopped */
  record AgainDue(Hour hour, Hour begin, Stop stop, boolean isSilent) implements Due {
    @Override
    public Topic topic() {
      return new Topic(Kind.RESUMED, hour, begin, stop.came(), null, List.of());
    }
  }

  /** Tags surge within a calm total; those first that are news. */
  record TagsDue(Hour hour, List<TagVerdict> tags) implements Due {
    @Override
    public Topic topic() {
      return new Topic(Kind.TAG, hour, hour, tags.get(0).count(), null, tagsOf(tags));
    }
  }

  private static List<String> tagsOf(List<TagVerdict> verdicts) {
    return verdicts.stream().map(TagVerdict::tag).toList();
  }

  /** The settings of auth.ini that decide what is told. */
  record Wishes(Repeat repeat, boolean allClear, boolean stops, boolean tagSurges) {
    Wishes(Config config) {
      this(config.repeat, config.allClear, config.stops, config.tagSurges);
    }
  }

  /**
   * What is due, given the verdicts of the last week and what was told: values in, values out. An
   * episode is a run of spike hours up to a calm one; a few unknown hours do not part it.
   *
   * <ol>
   *   <li>An episode that shares no hour with a told thread is told, if it holds the last hour, or
   *       if one of its hours (or the one before it, which is judged together with it) was counted
   *       otherwise than when it was judged: other settings make no news of old hours.
   *   <li>The newest thread is told again while its episode goes on: by Repeat, or since its end
   *       was told and proved false.
   *   <li>The newest thread ends with the first calm hour after its episode. Older ones get no end,
   *       since a newer alarm has followed.
   *   <li>While the hour before has just risen by half, Zendesk's index is behind: the last hour's
   *       calm ends nothing, and is no stop.
   * </ol>
   *
   * @param verdicts by hour, at least those of the week up to {@code last}; unknown hours lack
   * @param stop     of the last hour, or null where it cannot be told
   * @param surging  the tags that surge in the last hour, the clearest first
   */
  record DueRule(NavigableMap<Hour, Verdict> verdicts, Hour last, Told told, Wishes wishes,
      Stop stop, List<TagVerdict> surging) {
    private static final int UNSURE = 3; // unknown hours in a row over which a spike may go on
    private static final double GROWN = 1.5; // times the highest count told
    private static final int LATE = 5; // tickets; one that comes late is no lag
    private static final int TAG_QUIET = 3; // hours after a spike in which no tag is told

    /** What is said of an hour; an unknown one has no mark. */
    private enum Mark { SPIKE, CALM, LEARNING }

    private record Span(Hour begin, Hour hour, Hour over) { }

    /** All notices, oldest first. */
    List<Due> all() {
      boolean isBehind = isBehind();
      var marks = marks(isBehind);
      var due = new ArrayList<Due>();
      addSpikes(due, marks);
      if (wishes.stops && stop != null) addStop(due, isBehind);
      if (wishes.tagSurges) addTags(due, marks);
      return due;
    }

    /** The last hour's spike alone: what is told before the past is known. */
    List<Due> lastSpike() {
      return all().stream()
          .filter(each -> each instanceof SpikeDue spike && spike.hour.equals(last))
          .toList();
    }

    private Hour oldest() {
      return last.plus(1 - Told.WEEK);
    }

    private Long count(Hour hour) {
      var verdict = verdicts.get(hour);
      return verdict == null ? null : verdict.count();
    }

    private boolean isBehind() {
      var now = count(last.plus(-1));
      var then = told.judged.get(last.plus(-1));
      return now != null && then != null && now - then >= LATE && now >= GROWN * then;
    }

    private NavigableMap<Hour, Mark> marks(boolean isBehind) {
      var marks = new TreeMap<Hour, Mark>();
      verdicts.subMap(oldest(), true, last, true).forEach((hour, verdict) -> {
        var judged = verdict instanceof Spike ? Mark.SPIKE : Mark.CALM;
        marks.put(hour, verdict instanceof Learning ? Mark.LEARNING : judged);
      });
      if (isBehind && marks.get(last) == Mark.CALM) marks.remove(last);
      for (var each : told.spikes) { // one may have been told before a kill, and not been stored
        if (!each.hour().isBefore(oldest())) marks.putIfAbsent(each.hour(), Mark.SPIKE);
      }
      return marks;
    }

    private static List<Span> episodes(NavigableMap<Hour, Mark> marks) {
      var episodes = new ArrayList<Span>();
      Span open = null;
      for (var each : marks.entrySet()) {
        var hour = each.getKey();
        boolean isNext = open != null && hour.since(open.hour) <= UNSURE + 1;
        if (each.getValue() == Mark.SPIKE) {
          if (open != null && !isNext) episodes.add(open);
          open = new Span(isNext ? open.begin : hour, hour, null);
        } else if (each.getValue() == Mark.CALM && open != null) {
          episodes.add(new Span(open.begin, open.hour, hour));
          open = null;
        }
      }
      if (open != null) episodes.add(open);
      return episodes;
    }

    private void addSpikes(List<Due> due, NavigableMap<Hour, Mark> marks) {
      var newest = told.newestSpike();
      var newestHour = newest == null ? null : newest.hour();
      for (var episode : episodes(marks.headMap(last, true))) {
        var threads = told.spikes.stream().filter(each -> !each.begin().isAfter(episode.hour)
            && !each.hour().isBefore(episode.begin)).toList();
        boolean isOfNewest = newest != null && threads.contains(newest);
        if (isOfNewest) newestHour = episode.hour;
        boolean isDue = threads.isEmpty() ? isNews(episode)
            : isOfNewest && isToldAgain(newest, episode);
        var count = count(episode.hour);
        if (!isDue || count == null) continue;
        var begin = isOfNewest ? newest.begin() : episode.begin;
        var tags = episode.hour.equals(last) ? surging : List.<TagVerdict>of();
        due.add(new SpikeDue(episode.hour, begin, count, episode.over, tags));
      }
      addEnd(due, marks, newest, newestHour);
    }

    private boolean isNews(Span episode) {
      if (episode.hour.equals(last)) return true;
      var first = Hour.later(Hour.later(episode.begin.plus(-1), oldest()), told.since);
      return Hour.range(first, episode.hour.plus(1))
          .anyMatch(hour -> !Objects.equals(told.judged.get(hour), count(hour)));
    }

    private boolean isToldAgain(ToldSpike newest, Span episode) {
      if (episode.over != null) return false;
      boolean wasFalseEnd = wishes.allClear && newest.end() != null
          && !newest.end().isAfter(episode.hour);
      var count = count(episode.hour);
      boolean isGrown = count != null && count >= GROWN * newest.count();
      boolean isWished = wishes.repeat == Repeat.EVERY
          || wishes.repeat == Repeat.GROWTH && isGrown;
      return wasFalseEnd || isWished && episode.hour.isAfter(newest.hour());
    }

    private void addEnd(List<Due> due, NavigableMap<Hour, Mark> marks, ToldSpike newest,
        Hour newestHour) {
      if (newest == null || newest.end() != null) return;
      for (var each : marks.tailMap(newestHour, true).entrySet()) {
        if (each.getValue() != Mark.CALM) continue;
        var hour = each.getKey();
        due.add(new EndDue(hour, newest.begin(), count(hour), !wishes.allClear));
        due.sort(Comparator.comparing(Due::topic, Topic.ORDER));
        return;
      }
    }

    private void addStop(List<Due> due, boolean isBehind) {
      if (told.stop == null && stop.verdict() == Flow.STOPPED && !isBehind) {
        due.add(new StopDue(last, stop));
      } else if (told.stop != null && stop.verdict() == Flow.AGAIN) {
        due.add(new AgainDue(last, told.stop, stop, !wishes.allClear));
      }
    }

    private void addTags(List<Due> due, NavigableMap<Hour, Mark> marks) {
      var fresh = new ArrayList<TagVerdict>();
      var known = new ArrayList<TagVerdict>();
      for (var each : surging) {
        var before = told.tags.get(each.tag());
        boolean isFresh = before == null || last.since(before) > Told.TAG_NEWS;
        (isFresh ? fresh : known).add(each);
      }
      boolean isQuiet = marks.subMap(last.plus(-TAG_QUIET), true, last, true)
          .containsValue(Mark.SPIKE);
      if (fresh.isEmpty() || isQuiet) return;
      fresh.addAll(known);
      due.add(new TagsDue(last, fresh));
    }
  }

  // ==== Told: what was told =====================================================================

  /** Ends come before beginnings: a spike told after an all-clear of the same hour is the newer. */
  enum Kind {
    CLEAR,
    SPIKE,
    RESUMED,
    STOP,
    TAG,
    SAMPLE;

    @JsonValue
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
   * What one notice tells, as it is remembered.
   *
   * @param begin the first hour of the episode, which names its mail thread
   * @param count tickets of the hour; those with the first tag in a notice about tags
   * @param over  of a spike that is over already the hour that ended it, else null
   * @param tags  that the notice names as surging
   */
  record Topic(Kind kind, Hour hour, Hour begin, long count, Hour over, List<String> tags) {
    /** Oldest first. */
    static final Comparator<Topic> ORDER =
        Comparator.comparing(Topic::hour).thenComparing(Topic::kind);

    Topic {
      Stream.of(kind, hour, begin, tags).forEach(Objects::requireNonNull);
    }

    boolean isOfSameEpisode(Topic other) {
      return begin.equals(other.begin) && kind.opening() == other.kind.opening();
    }

    /** Such as 2026-11-24T13.spike, which names its file. */
    String name() {
      return hour.name() + "." + kind.word();
    }
  }

  /** A spike that was told: one mail thread. @param end that was told, or null */
  record ToldSpike(Hour begin, Hour hour, long count, Hour end) {
    ToldSpike {
      Stream.of(begin, hour).forEach(Objects::requireNonNull);
    }
  }

  /**
   * The file {@code history.csv.told}: of whose tickets was told what, and by which counts the last
   * week was judged. With the counts it is all that {@link Due} needs.
   */
  @JsonAutoDetect(fieldVisibility = JsonAutoDetect.Visibility.NON_PRIVATE)
  static final class Told {
    static final int WEEK = 168; // hours that are news
    static final int TAG_NEWS = 24; // hours in which a tag is told once

    final String account;
    final String query;
    final Hour since; // the first run's hour: what was before it is no news
    @JsonSetter(nulls = Nulls.FAIL, contentNulls = Nulls.FAIL)
    final NavigableMap<Hour, Long> judged = new TreeMap<>(); // counts; empty before a whole run
    @JsonSetter(nulls = Nulls.FAIL, contentNulls = Nulls.FAIL)
    final List<ToldSpike> spikes = new ArrayList<>();
    @JsonSetter(nulls = Nulls.FAIL, contentNulls = Nulls.FAIL)
    final Map<String, Hour> tags = new TreeMap<>(); // the newest hour in which each was told
    Hour stop; // of the open stop, or null
    Hour again; // in which tickets came again, or null

    @JsonCreator
    Told(@JsonProperty("account") String account, @JsonProperty("query") String query,
        @JsonProperty("since") Hour since) {
      this.account = Objects.requireNonNull(account);
      this.query = Objects.requireNonNull(query);
      this.since = Objects.requireNonNull(since);
    }

    static Path file(Path history) {
      return Disk.beside(history, ".told");
    }

    /**
     * Null where there is none.
     *
     * @throws Fault CONFIG when it is of another account or Query: two scopes must never mix, since
     *               2 tickets an hour are no baseline for an hour of 100; HISTORY when unreadable
     * @throws JsonProcessingException when it makes no sense
     */
    static Told read(Config config) throws JsonProcessingException {
      var file = file(config.historyFile);
      var text = Disk.read(file, Exit.HISTORY);
      if (text == null) return null;
      var told = JSON.readValue(text, Told.class);
      if (told == null) throw new JsonMappingException(null, "null");
      boolean isOurs = told.account.equals(config.zendeskHost) && told.query.equals(config.query);
      if (isOurs || config.zendeskHost == null) return told; // as explain may have it
      throw Exit.CONFIG.fault(Disk.shown(config.historyFile) + ": counts "
          + scope(told.account, told.query) + ", but this run would count "
          + scope(config.zendeskHost, config.query) + " (set [default] SpikeDB to a new file; or, "
          + "to go on with these counts, delete " + Disk.shown(file) + ")");
    }

    static String scope(String account, String query) {
      return account + (query.isEmpty() ? " without Query" : " with Query " + query);
    }

    /** Whether a run has judged everything before. */
    boolean wasWhole() {
      return !judged.isEmpty();
    }

    /** The newest thread, or null. */
    ToldSpike newestSpike() {
      return spikes.stream().max(Comparator.comparing(ToldSpike::begin)).orElse(null);
    }

    /** Notes what a notice tells; once more changes nothing. */
    void note(Topic topic) {
      for (var tag : topic.tags) {
        tags.merge(tag, topic.hour, Hour::later);
      }
      switch (topic.kind) {
        case SPIKE -> noteSpike(topic);
        case CLEAR -> spikes.replaceAll(each -> each.begin.equals(topic.begin)
            ? new ToldSpike(each.begin, each.hour, each.count, topic.hour) : each);
        case STOP -> {
          boolean isOver = again != null && !topic.hour.isAfter(again); // and waits all the same
          if (!isOver) stop = topic.hour;
        }
        case RESUMED -> {
          stop = null;
          again = topic.hour;
        }
        case TAG, SAMPLE -> { }
      }
    }

    private void noteSpike(Topic topic) {
      for (int i = 0; i < spikes.size(); i++) {
        var each = spikes.get(i);
        if (!each.begin.equals(topic.begin)) continue;
        boolean isNewer = !topic.hour.isBefore(each.end == null ? each.hour : each.end);
        long highest = Math.max(topic.count, each.count);
        if (isNewer) spikes.set(i, new ToldSpike(each.begin, topic.hour, highest, topic.over));
        return;
      }
      spikes.add(new ToldSpike(topic.begin, topic.hour, topic.count, topic.over));
    }

    /** At the end of a whole run: by which counts the hours were judged. Forgets what is old. */
    void noteJudged(NavigableMap<Hour, Verdict> verdicts, Hour last, boolean tellsStops) {
      judged.clear();
      verdicts.subMap(last.plus(1 - WEEK), true, last, true).forEach((hour, verdict) -> {
        if (!(verdict instanceof Learning)) judged.put(hour, verdict.count());
      });
      var newest = newestSpike();
      spikes.removeIf(each -> last.since(each.hour) > WEEK && each != newest);
      tags.values().removeIf(hour -> last.since(hour) > TAG_NEWS);
      if (!tellsStops) stop = null;
    }

    /** @throws Fault HISTORY when it cannot be written */
    void save(Path history) {
      Disk.write(file(history), JSON.valueToTree(this).toPrettyString() + "\n");
    }
  }

  // ==== Zendesk: which tickets were created in the hour =========================================

  /**
   * A ticket as far as it is read here; {@code tags} as sent but for invisible signs, none blank,
   * and the channel by which it came, such as via:email.
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
      tags.add(TagHistory.CHANNEL + clean(json.path("via").path("channel").asText("unknown")));
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

    /** Its tags in lower case, each once. */
    Set<String> distinctTags() {
      var distinct = new LinkedHashSet<String>();
      for (var tag : tags) distinct.add(lower(tag));
      return distinct;
    }

    /** With other people's words made fit to be shown: no secret, no address to click on. */
    Ticket sanitized(World world) {
      var shown = subject == null ? null : unclickable(world.sanitize(subject));
      var shownTags = tags.stream().map(world.secrets::redact).toList();
      return new Ticket(id, created, shown, requester, shownTags, type);
    }

    /** Whether it is valid, and belongs to the span that was asked for. */
    boolean isWithin(Instant from, Instant to) {
      return id != null && created != null && !created.isBefore(from) && created.isBefore(to);
    }
  }

  /** What search/count answers. What is not read here is skipped, whatever its size. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record TicketCount(Long count, JsonNode error, JsonNode description) {
    TicketCount {
      boolean isError = error != null && !error.isNull();
      Http.expect(!isError, "answers the error " + error + " " + description);
    }
  }

  /** A page of search, which has {@code next_page}, or of search/export, which has the rest. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record TicketPage(Long count, List<Ticket> results, String next_page, Links links, Meta meta,
      JsonNode error, JsonNode description) {
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Links(String next) { }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Meta(boolean has_more) { }

    TicketPage {
      boolean isError = error != null && !error.isNull();
      Http.expect(!isError, "answers the error " + error + " " + description);
      Http.expect(results != null, "no results in its answer");
    }

    /** Without {@code type:ticket} in the query, users and others are mixed in. */
    List<Ticket> tickets() {
      return results.stream()
          .filter(result -> result != null && result.type.equals("ticket"))
          .toList();
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
    private static final long MOST_TICKETS = 9_999_999; // of an hour
    private static final LocalDate WARNED_FROM = LocalDate.of(2027, 1, 1);

    private final Config config;
    private final World world;
    private final Http http;
    private String token; // null before the sign-in
    private boolean hasTokenWorked;
    private int pageSize = 1000; // tickets of a page of export; 100 where that proved too slow

    Zendesk(Config config, World world) {
      this.config = config;
      this.world = world;
      this.http = new Http(world, config.zendeskUrl,
          Duration.ofMinutes(1).dividedBy(config.requestsPerMinute));
    }

    /** Said in good time, since the notices end with the tokens. */
    void warnOfApiToken() {
      boolean isSoon = !LocalDate.ofInstant(world.clock.instant(), ZoneOffset.UTC)
          .isBefore(WARNED_FROM);
      if (config.zendeskClient != null || !isSoon) return;
      world.warn("[zendesk] Credentials: Zendesk ends API tokens on 30 Apr 2027 (make an OAuth "
          + "client and set ClientId and ClientSecret)");
    }

    int requests() {
      return http.requests();
    }

    int pageSize() {
      return pageSize;
    }

    /** The clock of the latest answer, or null when none named its time. */
    Instant serverTime() {
      return http.serverTime();
    }

    /** Tickets created from {@code from} up to and without {@code to}; exact past 1,000 too. */
    long count(Instant from, Instant to, String query, Patience patience) {
      long hours = Math.max(1, Duration.between(from, to).toHours());
      return get("/api/v2/search/count.json?query=" + words("type:ticket", from, to, query),
          TicketCount.class, patience, answer -> expectPossible(answer.count, hours)).count;
    }

    long count(Hour from, Hour to, Patience patience) {
      return count(from.from(), to.from(), config.query, patience);
    }

    private static void expectPossible(Long count, long hours) {
      Http.expect(count != null && count >= 0, "no count in its answer");
      Http.expect(count <= MOST_TICKETS * hours, "a count of " + count + ", which cannot be");
    }

    /** The hour's exact count and its first hundred tickets, in one request. */
    TicketPage firstPage(Hour hour, Patience patience) {
      return get("/api/v2/search.json?per_page=100&sort_by=created_at&sort_order=asc&query="
          + words("type:ticket", hour.from(), hour.to(), config.query),
          TicketPage.class, patience, page -> expectPossible(page.count, 1));
    }

    /**
     * The tickets of the span page after page, newest first, each read when it is asked for.
     *
     * @param patience for each page
     */
    Iterator<List<Ticket>> export(Hour from, Hour to, Supplier<Patience> patience) {
      var first = "/api/v2/search/export.json?filter%5Btype%5D=ticket&page%5Bsize%5D="
          + pageSize + "&query=" + words("", from.from(), to.from(), config.query);
      return new Iterator<>() {
        private final Set<String> read = new HashSet<>();
        private String next = first;

        @Override
        public boolean hasNext() {
          return next != null;
        }

        @Override
        public List<Ticket> next() {
          if (!read.add(next)) {
            throw Exit.ZENDESK.fault(place() + ": a next page that was read already");
          }
          try {
            var page = get(next, TicketPage.class, patience.get(), answer -> { });
            next = page.next();
            return page.tickets();
          } catch (Fault e) {
            pageSize = 100;
            throw e;
          }
        }
      };
    }

    /** Blank-free operators and full UTC instants: anything else Zendesk takes for free text. */
    private static String words(String type, Instant from, Instant to, String query) {
      return encode((type + " created>=" + from + " created<" + to + " " + query).strip());
    }

    /** @param check refuses what cannot be, so that it is asked for again */
    private <T> T get(String link, Class<T> type, Patience patience, Consumer<T> check) {
      var url = onSameHost(link);
      try {
        return ask(url, type, patience, check);
      } catch (Refusal e) {
        boolean isTokenOver = e.status == 401 && hasTokenWorked;
        if (!isTokenOver) throw fault(e);
      }
      token = null;
      hasTokenWorked = false;
      try {
        return ask(url, type, patience, check);
      } catch (Refusal e) {
        throw fault(e);
      }
    }

    private <T> T ask(URI url, Class<T> type, Patience patience, Consumer<T> check) {
      var value = http.send(() -> HttpRequest.newBuilder(url)
          .header("Accept", "application/json")
          .header("Accept-Encoding", "gzip")
          .header("Authorization", authorization(patience))
          .build(), type, "[zendesk]", patience, check);
      hasTokenWorked = token != null;
      return value;
    }

    /** Where OAuth is used, before anything else: its answer tells Zendesk's time, too. */
    void signIn(Patience patience) {
      try {
        authorization(patience);
      } catch (Refusal e) {
        throw fault(e);
      }
    }

    private String authorization(Patience patience) {
      if (config.zendeskClient == null) return "Basic " + Secrets.base64(config.credentials);
      if (token == null) {
        token = http.token(URI.create(config.zendeskUrl + "/oauth/tokens"), config.zendeskClient,
            "read", "[zendesk]", patience);
      }
      return "Bearer " + token;
    }

    /** The whole address of a link, which must not lead the credentials to another host. */
    private URI onSameHost(String link) {
      var own = config.zendeskUrl;
      try {
        var url = new URI(link.startsWith("/") ? own + link : link);
        boolean isSame = own.getScheme().equals(url.getScheme())
            && own.getAuthority().equalsIgnoreCase(url.getAuthority());
        if (isSame) return url;
        throw Exit.ZENDESK.fault(place() + ": its next page is at another host, " + url.getHost()
            + ": refused, nothing was sent there");
      } catch (URISyntaxException e) {
        throw Exit.ZENDESK.fault(place() + ": its next page is no URL", e);
      }
    }

    private String place() {
      return "[zendesk] " + Http.server(config.zendeskUrl);
    }

    private Fault fault(Refusal e) {
      boolean isDenied = e.status == 401 || e.status == 403;
      return (isDenied ? Exit.DENIED : Exit.ZENDESK).fault(place() + " " + e.getMessage() + " ("
          + advice(e.status) + ")", e);
    }

    private String advice(int status) {
      if (status == 401 && config.zendeskClient != null) return "check ClientId and ClientSecret";
      if (status / 100 == 3) return "not followed; set Domain to the account's own subdomain";
      return switch (status) {
        case 401 -> "check Credentials; unused API tokens are switched off, no new ones can be "
            + "made since 27 Oct 2026 and all end on 30 Apr 2027: make an OAuth client";
        case 403 -> "the client's user must be an admin or an agent with access to all tickets";
        case 404 -> "check Domain";
        case 407 -> "the proxy wants a sign-in: https_proxy=http://NAME:PASSWORD@HOST:PORT";
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
   * @param hours      2, or 1 where the hour before is not known
   * @param expected   how many of both hours usually do, given the others; null with {@code basis}
   *                   saying why that is not known
   * @param dispersion how much more unevenly than by chance the tag came in four weeks; 1 or more
   * @param score      deviations over the expected
   * @param needed     together, to be as far over the expected as a surge is
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record TagVerdict(String tag, long count, Long together, int hours, Double expected,
      Double dispersion, String basis, Double score, Double needed, boolean surge) {
    private static final double RISEN = 3; // deviations that make a tag worth showing

    /** One that cannot be told. */
    TagVerdict(String tag, long count, String why) {
      this(tag, count, null, 0, null, null, why, null, null, false);
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

    private final TagHistory tags;
    private final ZoneId zone;

    TagRule(TagHistory tags, ZoneId zone) {
      this.tags = tags;
      this.zone = zone;
    }

    /** How many tickets of the hour carry the tag; null where that is not known. */
    Double count(Hour hour, String tag) {
      return tags.knows(hour) ? (double) tags.at(hour).count(tag) : null;
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
      long count = tags.knows(hour) ? tags.at(hour).count(tag) : 0;
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
      int hours = tags.knows(hour.plus(-1)) ? 2 : 1;
      return new TagVerdict(tag, count, now.with, hours, expected, dispersion, basis, score,
          needed, surges);
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

    /** The tags that surge in the hour, the clearest first. */
    List<TagVerdict> surging(Hour hour, Collection<String> omitted) {
      var surging = new ArrayList<>(verdicts(hour, omitted));
      surging.removeIf(verdict -> !verdict.surge);
      surging.sort(Comparator.comparingDouble(TagVerdict::score).reversed()
          .thenComparing(TagVerdict::tag));
      return surging;
    }

    /** The tag that has risen most clearly, or null. */
    String risen(Hour hour, Collection<String> omitted) {
      return verdicts(hour, omitted).stream()
          .filter(TagVerdict::isRisen)
          .max(Comparator.comparingDouble(TagVerdict::score))
          .map(TagVerdict::tag)
          .orElse(null);
    }

    /** How many tickets of that hour of the week carry the tag; null where none is known. */
    Double usual(Hour hour, String tag) {
      var same = sameHoursOfWeek(hour);
      return same.isEmpty() ? null : Odds.of(same, tag).with / (double) same.size();
    }
  }

  // ==== Verdict: is this hour a spike ===========================================================

  /** Samples, then baseline, then verdict: of job, explain, backtest and report alike. */
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
      return isSpike(hour, count, thresholds)
          ? new Spike(hour, count, usual, thresholds, together)
          : new Calm(hour, count, usual, thresholds, together);
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
      return rule.isWeekly() ? weeklyThresholds(hour, usual) : meanThresholds(usual);
    }

    private Thresholds meanThresholds(Baseline usual) {
      double tickets = (1 + rule.threshold) * usual.mean;
      var limit = new Threshold("SpikeThreshold", tickets, true);
      return thresholdsOf(List.of(limit), List.of(minTickets()));
    }

    private Thresholds weeklyThresholds(Hour hour, Baseline usual) {
      double mean = usual.mean;
      var others = List.of(
          new Threshold("SpikeThreshold", (1 + rule.threshold) * mean, false),
          new Threshold("MinExtra", mean + rule.config.minExtra, false),
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
      return new Threshold("MinTickets", least, false);
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
      double deviations = rule.deviations + (usual.spread.isOfWeek ? ALONE_MORE : 0);
      return new Threshold("Deviations, alone", usual.mean + deviations * deviation, false);
    }

    /** Two hours that are high together stand out sooner than one alone. */
    private Threshold withTheHourBefore(Hour hour, Baseline usual) {
      var before = usualBefore(hour, usual);
      if (before == null) return null;
      double tickets = usual.mean + rule.deviations * deviationOf(usual, before)
          - excess(hour.plus(-1), before);
      return new Threshold("Deviations, with the hour before", tickets, false);
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
      return usualBefore != null && usualBefore.spread.isOfWeek ? usualBefore : null;
    }

    private static double deviationOf(Baseline a, Baseline b) {
      return Math.hypot(a.spread.deviation, b.spread.deviation);
    }

    /** Every known hour of {@code [first, end)}. */
    NavigableMap<Hour, Verdict> verdicts(Hour first, Hour end) {
      var verdicts = new TreeMap<Hour, Verdict>();
      Hour.range(first, end).filter(counts::knows).forEach(hour ->
          verdicts.put(hour, verdict(hour)));
      return verdicts;
    }
  }

  /**
   * One thing that a spike has to pass.
   *
   * @param key     of auth.ini that sets it
   * @param tickets the count that it asks for, not whole as a rule
   * @param isLimit whether that very count is too few, as under the rule mean
   */
  record Threshold(String key, double tickets, boolean isLimit) {
    Threshold {
      tickets = Math.rint(tickets * 1e6) / 1e6; // 1.4 times 45 is 63, not 62.99999999999999
    }

    /** The smallest count that passes. */
    long least() {
      return (long) (isLimit ? Math.floor(tickets) + 1 : Math.ceil(tickets));
    }
  }

  /** All of them, to be shown, and the one that decides; of alone and together the easier. */
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

  /** A judged hour as JSON, with the same names for job, explain and backtest. */
  static ObjectNode json(Verdict verdict) {
    var json = JSON.createObjectNode()
        .put("hour", verdict.hour().from().toString())
        .put("count", verdict.count());
    if (verdict instanceof Learning learning) {
      return json.putNull("mean").putNull("needed").putNull("percent")
          .put("samples", learning.samples)
          .put("verdict", "learning")
          .put("samples_needed", learning.needed);
    }
    var judged = (Judged) verdict;
    var usual = judged.baseline();
    json.put("mean", usual.mean)
        .put("needed", judged.thresholds().least())
        .put("percent", usual.percent(verdict.count()))
        .put("samples", usual.samples)
        .put("verdict", verdict instanceof Spike ? "spike" : "calm");
    if (usual.spread == null) return json;
    return json.put("z", usual.z(verdict.count()))
        .put("together", judged.together())
        .put("spread", usual.spread.deviation);
  }

  /** A spike from its first hour to its last. A calm hour ends it, one that is unknown does not. */
  record Episode(List<Spike> spikes) {
    /** All episodes of the verdicts; both oldest first. */
    static List<Episode> among(Collection<Verdict> verdicts) {
      var episodes = new ArrayList<Episode>();
      var spikes = new ArrayList<Spike>();
      for (var verdict : verdicts) {
        if (verdict instanceof Spike spike) spikes.add(spike);
        if (!(verdict instanceof Calm) || spikes.isEmpty()) continue;
        episodes.add(new Episode(List.copyOf(spikes)));
        spikes.clear();
      }
      if (!spikes.isEmpty()) episodes.add(new Episode(spikes));
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

    /** @param baselines of either rule, whose weekly means are the same */
    Stops(Baselines baselines) {
      this.counts = baselines.counts;
      this.baselines = baselines;
    }

    /** The hours up to that one; null when they cannot tell, as on a holiday. */
    Stop at(Hour hour) {
      double low = Math.min(1, Math.max(LEAST_LOW, baselines.lastDaysRatio(hour)));
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
      return came >= AGAIN * usual ? Flow.AGAIN : Flow.BETWEEN;
    }

    /** What would be told: the hours at which tickets stop, and come again, by turns. */
    List<Hour> turns(Hour first) {
      var turns = new ArrayList<Hour>();
      for (var hour : counts.hours()) {
        if (hour.isBefore(first)) continue;
        var stop = at(hour);
        var awaited = turns.size() % 2 == 0 ? Flow.STOPPED : Flow.AGAIN;
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
    STOPPED, AGAIN, BETWEEN;

    @JsonValue
    String word() {
      return lower(name());
    }
  }

  // ==== Baselines: what does this hour usually hold =============================================

  /** The samples of an hour, and what it usually holds. */
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

    Baselines(Rule rule, Counts counts) {
      this.rule = rule;
      this.counts = counts;
    }

    /** Which earlier hours the hour is compared with. */
    Samples samples(Hour hour) {
      if (!rule.isWeekly()) return samples(hour, Basis.HOUR_OF_DAY, 1, rule.config.numHours / 24);
      var weeks = samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS);
      boolean isEnough = weeks.known.size() >= Math.max(MIN_WEEKS, rule.config.minSamples);
      return isEnough ? weeks : samples(hour, Basis.LAST_DAYS, 1, LAST_DAYS);
    }

    /** By steps of so many days, up to so many days before. */
    private Samples samples(Hour hour, Basis basis, int step, int most) {
      var samples = new Samples(basis);
      // under the rule mean a desk has no baseline before its first ticket
      double open = basis == Basis.HOUR_OF_DAY ? Double.MIN_VALUE : openFrom(hour);
      for (int days = step; days <= most; days += step) {
        for (var past : hour.daysBefore(days, rule.config.zone)) {
          if (past.isBefore(hour)) assign(past, isOpen(past, open), samples);
        }
      }
      return samples;
    }

    private void assign(Hour past, boolean isOpen, Samples samples) {
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
      double ofWeek = days.size() >= OPEN_DAYS ? OPEN_OF_WEEK * median(doubles(days)) : 0;
      double quarter = counts.average(hour.plus(-(long) WEEK * WEEKS), hour);
      return Double.isNaN(quarter) ? ofWeek : Math.max(ofWeek, OPEN_OF_QUARTER * quarter);
    }

    /** Whether the seven days up to the hour, itself included, average as much. */
    private boolean isOpen(Hour hour, double least) {
      return counts.average(hour.plus(1 - WEEK), hour.plus(1)) >= least;
    }

    boolean isIgnored(Hour hour) {
      var days = rule.config.ignoredDays;
      return !days.isEmpty() && days.contains(hour.date(rule.config.zone)); // quick without
    }

    /** How many samples it takes to judge, the last days serving where the weeks are too few. */
    int needed() {
      return needed(rule.isWeekly() ? Basis.LAST_DAYS : Basis.HOUR_OF_DAY);
    }

    private int needed(Basis basis) {
      int least = rule.config.minSamples;
      return basis == Basis.LAST_DAYS ? Math.max(MIN_DAYS, least) : least;
    }

    /** What the hour usually holds; null while there is too little history to say. */
    Baseline of(Hour hour) {
      if (!baselines.containsKey(hour)) baselines.put(hour, reckoned(hour));
      return baselines.get(hour);
    }

    private Baseline reckoned(Hour hour) {
      var samples = samples(hour);
      if (samples.known.size() < needed(samples.basis)) return null;
      if (!rule.isWeekly()) return new Baseline(mean(values(samples)), samples.known.size(), null);
      boolean isOfWeek = samples.basis == Basis.HOUR_OF_WEEK;
      return weekly(samples, isOfWeek ? growthFactor(hour) : 1);
    }

    /** How many samples there are while they are too few. */
    int samplesSoFar(Hour hour) {
      int ofWeek = samples(hour, Basis.HOUR_OF_WEEK, 7, 7 * WEEKS).known.size();
      int other = samples(hour).known.size();
      return rule.isWeekly() ? Math.max(ofWeek, other) : other;
    }

    /** The mean of the samples, and how far they stray, drawn towards what is usual anywhere. */
    private static Baseline weekly(Samples samples, double growthFactor) {
      boolean isOfWeek = samples.basis == Basis.HOUR_OF_WEEK;
      double cap = isOfWeek ? cap(values(samples)) : Double.POSITIVE_INFINITY;
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
      return Math.min(MOST_GROWTH, Math.max(1, lastDaysRatio(hour)));
    }

    /**
     * The middle one of what the last three days held over what their hours usually hold; 1 where
     * that is not known.
     */
    double lastDaysRatio(Hour hour) {
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
      return ratios.isEmpty() ? 1 : median(doubles(ratios));
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
      List<Hour> closed) {
    Samples(Basis basis) {
      this(basis, new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    }
  }

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

  // ==== History: what did earlier hours hold ====================================================

  /** The known counts by hour from {@code first} on, -1 for unknown, which is never 0. */
  static final class Counts {
    private final long first;
    private final long[] counts;
    private final long[] sums;  // of the known counts of the first n hours
    private final int[] knowns; // of these hours how many are known

    Counts(NavigableMap<Hour, Long> known) {
      boolean isEmpty = known.isEmpty();
      int length = isEmpty ? 0 : (int) known.lastKey().since(known.firstKey()) + 1;
      first = isEmpty ? 0 : known.firstKey().number();
      counts = new long[length];
      Arrays.fill(counts, -1);
      known.forEach((hour, count) -> counts[index(hour)] = count);

      sums = new long[length + 1];
      knowns = new int[length + 1];
      for (int i = 0; i < length; i++) {
        boolean isKnown = counts[i] >= 0;
        sums[i + 1] = sums[i] + (isKnown ? counts[i] : 0);
        knowns[i + 1] = knowns[i] + (isKnown ? 1 : 0);
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
   * The CSV file behind the counts. A line that makes no sense is skipped and told, and then the
   * file is not written, so that nothing in it is lost.
   */
  static final class History {
    final List<String> troubles = new ArrayList<>(); // a line each
    private final Path file;
    private final NavigableMap<Hour, Long> known = new TreeMap<>();
    private boolean isChanged;

    /** For a run, which goes on with what can be read. */
    History(Path file) {
      this.file = file;
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text != null) known.putAll(new CsvReader(file, troubles).read(text));
      } catch (Fault e) {
        troubles.add(e.getMessage());
      }
    }

    /**
     * The counts alone, for commands that only read; no file is an empty history.
     *
     * @throws Fault HISTORY naming the first thing that is invalid
     */
    static Counts read(Path file) {
      var history = new History(file);
      if (history.troubles.isEmpty()) return history.counts();
      throw Exit.HISTORY.fault(history.troubles.get(0));
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
      return known.isEmpty() ? null : known.lastKey();
    }

    /** The newest known hour before that one, or null. */
    Hour newestBefore(Hour hour) {
      return known.lowerKey(hour);
    }

    /**
     * A known hour only rises: fewer now than were seen means deleted, merged, or no more matching
     * Query since. The next hour is counted a few minutes after its end, as this one was.
     *
     * @return whether that was news
     */
    boolean raise(Hour hour, long count) {
      var before = known.get(hour);
      if (before != null && before >= count) return false;
      known.put(hour, count);
      isChanged = true;
      return true;
    }

    /** @throws Fault HISTORY when it cannot be written */
    void save() {
      if (!isChanged || !troubles.isEmpty()) return;
      Disk.write(file, csv());
      isChanged = false;
    }

    private String csv() {
      var text = new StringBuilder("date,00,01,02,03,04,05,06,07,08,09,10,11,12,13,14,15,16,17,18,"
          + "19,20,21,22,23\n");
      LocalDate written = null;
      for (var hour : known.keySet()) {
        var date = hour.date(ZoneOffset.UTC);
        if (date.equals(written)) continue;
        written = date;
        text.append(date);
        for (int i = 0; i < 24; i++) {
          var count = known.get(Hour.of(date, i));
          text.append(',').append(count == null ? "" : count);
        }
        text.append('\n');
      }
      return text.toString();
    }
  }

  /**
   * Reads {@code date,00,...,23}, one row a UTC date, an empty cell for unknown; or the layout of
   * the Python script: nameless first column, columns 0 to 23 in any order, {@code 12.0} for 12.
   * Semicolons and tabs do for commas. What could be read in two ways, such as 1.000, is refused.
   */
  record CsvReader(Path file, List<String> troubles) {
    private static final int MOST_TROUBLES = 5; // a spreadsheet may have spoilt every line

    NavigableMap<Hour, Long> read(String text) {
      var lines = text.lines().toList();
      var header = lines.isEmpty() ? "" : lines.get(0);
      var separator = header.contains(";") ? ";" : header.contains("\t") ? "\t" : ",";
      var hours = hours(cells(header, separator));
      var known = new TreeMap<Hour, Long>();
      var dates = new HashSet<LocalDate>();
      for (int i = 1; i < lines.size(); i++) {
        var cells = cells(lines.get(i), separator);
        if (String.join("", cells).isEmpty()) continue;
        try {
          var date = date(cells.get(hours.firstKey() - 1)); // pandas puts row numbers before it
          Http.expect(dates.add(date), date + " again (expected one row a date)");
          known.putAll(counts(date, cells, hours));
        } catch (IllegalArgumentException | DateTimeException | IndexOutOfBoundsException e) {
          addTrouble(i + 1, oneLine(e.getMessage())); // costs its line only
        }
      }
      return known;
    }

    private void addTrouble(int line, String words) {
      if (troubles.size() < MOST_TROUBLES) {
        troubles.add(Disk.shown(file) + ": line " + line + ": " + words);
      }
    }

    /** A quoted 1,000 falls apart into two cells with half of a quote each, which are no counts. */
    private static List<String> cells(String line, String separator) {
      var cells = new ArrayList<String>();
      for (var cell : line.split(separator, -1)) cells.add(unquoted(cell.strip()));
      return cells;
    }

    /** The hour of day of each column that holds counts, by the column's number. */
    private NavigableMap<Integer, Integer> hours(List<String> header) {
      var hours = new TreeMap<Integer, Integer>();
      for (int i = 1; i < header.size(); i++) {
        boolean isHour = header.get(i).matches("[01]?\\d|2[0-3]");
        if (isHour) hours.put(i, Integer.valueOf(header.get(i)));
      }
      boolean isRight = !hours.isEmpty() && Set.copyOf(hours.values()).size() == hours.size();
      if (isRight) return hours;
      throw Exit.HISTORY.fault(Disk.shown(file) + ": line 1: no header (expected "
          + "date,00,01,\u2026,23)");
    }

    private static LocalDate date(String cell) {
      Http.expect(cell.matches("(19|20|21)\\d\\d-\\d\\d-\\d\\d([ T].*)?"),
          "'" + oneLine(cell) + "' (expected a date such as 2026-11-23)");
      return LocalDate.parse(cell.substring(0, 10));
    }

    /** A row that a spreadsheet cut short after its last count lacks unknown hours only. */
    private static Map<Hour, Long> counts(LocalDate date, List<String> cells,
        NavigableMap<Integer, Integer> hours) {
      var counts = new HashMap<Hour, Long>();
      for (int i = hours.firstKey(); i < cells.size(); i++) {
        var cell = cells.get(i);
        if (cell.isEmpty()) continue;
        boolean isCount = hours.containsKey(i) && cell.matches("\\d{1,15}(\\.0)?");
        Http.expect(isCount, "'" + oneLine(cell) + "' in column " + (i + 1)
            + " (expected a count such as 1000, or nothing for an unknown hour)");
        counts.put(Hour.of(date, hours.get(i)), Long.valueOf(cell.replace(".0", "")));
      }
      return counts;
    }
  }

  // ==== TagHistory: which tags did each hour hold ===============================================

  /**
   * How many tickets an hour has, and how many of them carry each tag.
   *
   * @param counts by tag in lower case
   * @param line   both as they stand in the file
   */
  record HourTags(long tickets, Map<String, Long> counts, String line) {
    long count(String tag) {
      return counts.getOrDefault(tag, 0L);
    }
  }

  /**
   * The file {@code history.csv.tags}: a row an hour, {@code hour,tickets,tags}, the tags as
   * {@code tag:n} between blanks, as they were when the hour was read. A file that holds something
   * invalid is read as far as it goes, and kept.
   */
  static final class TagHistory {
    static final int DAYS = 29; // that are kept
    static final long MOST_TICKETS = 5000; // of an hour; above, tags are not kept
    static final String CHANNEL = "via:"; // the channel of a ticket counts as a tag
    private static final int MOST_TAGS = 300; // of an hour, the most frequent
    private static final String HEADER = "hour,tickets,tags";
    private static final Pattern SPECIAL = Pattern.compile("[,\"%\\s\\p{Z}\\p{Cc}]");
    /** The channels first, since an hour without any is one of an older edition. */
    private static final Comparator<Map.Entry<String, Long>> ORDER =
        Comparator.comparing((Map.Entry<String, Long> tag) -> !tag.getKey().startsWith(CHANNEL))
            .thenComparing(tag -> -tag.getValue())
            .thenComparing(Map.Entry::getKey);

    final List<String> troubles = new ArrayList<>(); // what is invalid: then it is not written
    private final Path file;
    private final NavigableMap<Hour, HourTags> known = new TreeMap<>();
    private boolean isChanged;

    /** One without a file, for what is made up. */
    TagHistory() {
      this.file = null;
    }

    /** No file is no fault: a run reads again what it lacks. */
    TagHistory(Path history) {
      this.file = Disk.beside(history, ".tags");
      try {
        var text = Disk.read(file, Exit.HISTORY);
        if (text != null) parse(text.lines().toList());
      } catch (Fault e) {
        troubles.add(e.getMessage());
      }
    }

    private void parse(List<String> lines) {
      for (int i = 0; i < lines.size(); i++) {
        var line = lines.get(i).strip();
        if (line.isEmpty() || line.equals(HEADER)) continue;
        try {
          parse(line);
        } catch (IllegalArgumentException | DateTimeException e) {
          if (!troubles.isEmpty()) continue; // one is enough to look
          troubles.add(Disk.shown(file) + ": line " + (i + 1) + ": '" + cut(oneLine(line), 40)
              + "' (expected " + HEADER + ", such as 2026-11-24T13,2,via:web:2 bug:1; until it is "
              + "mended, or the file deleted, nothing is added to it)");
        }
      }
    }

    private void parse(String line) {
      var cells = line.split(",", -1);
      Ini.require(cells.length == 3);
      var hour = Hour.parse(cells[0]);
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
      boolean isOfOlderEdition = tickets > 0
          && counts.keySet().stream().noneMatch(tag -> tag.startsWith(CHANNEL));
      if (isOfOlderEdition) return; // unknown, so that the channels are read
      known.put(hour, new HourTags(tickets, counts, cells[1] + "," + cells[2]));
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
      var kept = new LinkedHashMap<String, Long>();
      var line = new StringJoiner(" ", tickets + ",", "");
      counts.entrySet().stream().sorted(ORDER).limit(MOST_TAGS).forEach(tag -> {
        kept.put(tag.getKey(), tag.getValue());
        line.add(encoded(tag.getKey()) + ":" + tag.getValue());
      });
      known.put(hour, new HourTags(tickets, kept, line.toString()));
      isChanged = true;
    }

    void forget(Hour hour) {
      if (known.remove(hour) != null) isChanged = true;
    }

    /** Writes the newest days. @throws Fault HISTORY when it cannot be written */
    void save() {
      if (!isChanged || !troubles.isEmpty() || known.isEmpty()) return;
      var text = new StringBuilder(HEADER).append('\n');
      known.tailMap(known.lastKey().plus(1 - 24 * DAYS)).forEach((hour, tags) ->
          text.append(hour.name()).append(',').append(tags.line).append('\n'));
      Disk.write(file, text.toString());
      isChanged = false;
    }

    /** Percent-encoded where a tag holds what parts the file, or cannot be seen. */
    private static String encoded(String tag) {
      return SPECIAL.matcher(tag).replaceAll(c -> encode(c.group()).replace("+", "%20"));
    }

    /** A plus is one. @throws IllegalArgumentException when it is malformed */
    private static String decoded(String tag) {
      return tag.contains("%") ? URLDecoder.decode(tag.replace("+", "%2B"), UTF_8) : tag;
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

    final String zendeskHost = required("[zendesk] Domain", Config::zendeskHost,
        "acme or acme.zendesk.com");
    final URI zendeskUrl = baseUrl("[zendesk] BaseUrl", "https://" + zendeskHost);
    final Client zendeskClient = client("[zendesk] ClientId", "[zendesk] ClientSecret");
    final String credentials = secret("[zendesk] Credentials");
    final String query = query("[zendesk] Query");
    final int requestsPerMinute = wholeNumber("[zendesk] RequestsPerMinute", 100, 1, 100_000);

    final List<ChatAddress> chats = chats();

    final InternetAddress sender = parsed("[email] Sender", null, Config::address, ADDRESS);
    final List<InternetAddress> recipients = addresses("[email] Recipient");
    final List<InternetAddress> cc = addresses("[email] Cc");
    final String username = text("[email] Username", sender == null ? "" : sender.getAddress());
    final String password = secret("[email] Password");
    final String mailHost = parsed("[email] Host", "smtp.gmail.com", Config::host,
        "a host name alone; the port belongs to Port");
    final int mailPort = wholeNumber("[email] Port", 587, 1, 65_535);
    final Security security = choice("[email] Security", Security.STARTTLS);
    final String ehloName = parsed("[email] EhloName", null, Config::host,
        "this machine's full name, such as spikebox.example.com");
    final URI tokenUrl = url("[email] TokenUrl", false);
    final Client mailClient = client("[email] ClientId", "[email] ClientSecret");
    final String scope = text("[email] Scope", "");
    final String subject = wholeText("[email] Subject", "Ticket Spike Alert!");

    final List<String> omittedTags = list("[misc] OmittedTags", SpikeNotifier::lower, "tags");
    final int numTags = wholeNumber("[misc] NumTags", 10, 1, 1000);
    final int numHours = wholeNumber("[misc] NumHours", 4380, 24, 100_000);
    final double spikeThreshold = decimalNumber("[misc] SpikeThreshold", 0.6, 0, 10,
        "a number from 0 to 10; 0.5 means 50 %");

    final RuleName ruleName = choice("[spike] Rule", RuleName.MEAN);
    final ZoneId zone = parsed("[spike] TimeZone", ZoneId.of("UTC"), ZoneId::of,
        "a zone such as Europe/Berlin");
    final int minTickets = wholeNumber("[spike] MinTickets", 1, 0, 1_000_000_000);
    final int minSamples = wholeNumber("[spike] MinSamples", 3, 1, 28);
    final double deviations = decimalNumber("[spike] Deviations", 3.0, 0, 1000,
        "a number from 0 to 1000");
    final double minExtra = decimalNumber("[spike] MinExtra", 5, 0, 1e9, "a number of tickets");
    final Set<LocalDate> ignoredDays =
        Set.copyOf(list("[spike] IgnoredDays", LocalDate::parse, "dates such as 2026-12-25"));
    final Repeat repeat = choice("[spike] Repeat", Repeat.GROWTH);
    final boolean allClear = yesOrNo("[spike] AllClear", true);
    final boolean stops = yesOrNo("[spike] Stops", false);
    final boolean tagSurges = yesOrNo("[spike] TagSurges", false);

    final URI pingUrl = secretUrl("[monitor] PingUrl", true);
    final URI failUrl = secretUrl("[monitor] FailUrl", true);

    private static final String ADDRESS = "an address such as a@example.com";

    private Config(Path file, World world, boolean isOffline) {
      super(file, world, isOffline);
      warnOfUnknownKeys();
      boolean hasSignIn = zendeskClient != null || credentials != null
          || text("[zendesk] ClientId", null) != null; // then its secret is missing
      check("[zendesk] ClientId", hasSignIn, "missing",
          "ClientId and ClientSecret of an OAuth client, or older Credentials");
      boolean isToken = zendeskClient != null || credentials == null
          || credentials.matches("[^@\\s:]+@[^\\s:]+/token:\\S+");
      check("[zendesk] Credentials", isToken, "malformed", "email/token:KEY");

      boolean isChatOnly = !chats.isEmpty() && sender == null && recipients.isEmpty();
      check("[email] Sender", sender != null || isChatOnly, "missing",
          ADDRESS + "; or a [webhook] Url for a team without mail");
      check("[email] Recipient", !recipients.isEmpty() || isChatOnly, "missing", ADDRESS);
      check("[email] Security", security != Security.NONE || isLoopback(mailHost),
          "none to " + mailHost, "starttls or tls; none is for this machine only");
      check("[email] TokenUrl", (tokenUrl == null) == (mailClient == null), "incomplete",
          "TokenUrl, ClientId and ClientSecret, or none of them");
      check("[misc] NumHours", ruleName != RuleName.MEAN || numHours >= 24 * minSamples,
          numHours + " hours hold too few days for MinSamples = " + minSamples,
          "at least " + 24 * minSamples);
    }

    /** With its mistakes unsaid: the watcher's address may be right where another key is not. */
    static Config read(Path file, World world) {
      return new Config(file, world, false);
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
      if (!mistakes.isEmpty()) throw Exit.CONFIG.fault(String.join("\n", mistakes));
    }

    /** As written, since quotes hold a phrase together; those of "tags:vip" are the INI's. */
    private String query(String key) {
      var value = rawText(key).strip().replaceAll("\\s+", " ");
      return value.matches("\"[^\"]*[:<>][^\"]*\"") ? unquoted(value) : value;
    }

    /** Here ; parts two addresses and begins no comment: nobody is left out unseen. */
    private List<InternetAddress> addresses(String key) {
      var value = rawText(key).replaceFirst("(^|\\s)#.*", "").replace(';', ',');
      return list(key, value, ",", Config::address, "addresses such as a@example.com");
    }

    /** Everybody who gets the mails, each mailbox once, however it is spelled. */
    List<String> mailReceivers() {
      var receivers = new LinkedHashMap<String, String>();
      for (var list : List.of(recipients, cc)) {
        for (var each : list) receivers.putIfAbsent(lower(each.getAddress()), each.getAddress());
      }
      return List.copyOf(receivers.values());
    }

    /** One for each section {@code [webhook]} or {@code [webhook NAME]} that has a Url. */
    private List<ChatAddress> chats() {
      var chats = new ArrayList<ChatAddress>();
      for (var section : sections("webhook")) {
        var url = secretUrl("[" + section + "] Url", false);
        var format = choice("[" + section + "] Format", Format.AUTO);
        if (url != null) chats.add(new ChatAddress(section, url, chatFormat(url, format)));
      }
      return chats;
    }

    /** By the host of the address where auth.ini does not say. */
    private static Format chatFormat(URI url, Format given) {
      if (given != Format.AUTO) return given;
      var host = lower(url.getHost());
      if (host.equals("chat.googleapis.com")) return Format.GOOGLECHAT;
      if (host.matches("(.*\\.)?(discord|discordapp)\\.com")) return Format.DISCORD;
      if (host.matches(".*\\.(office\\.com|logic\\.azure\\.com|powerplatform\\.com)")) {
        return Format.TEAMS;
      }
      boolean isProgram = host.matches(".*\\.(zapier\\.com|n8n\\.cloud|make\\.com)");
      return isProgram ? Format.JSON : Format.SLACK;
    }

    /** Whether the mail server is signed in to. */
    boolean hasMailSignIn() {
      return password != null || tokenUrl != null;
    }

    private Client client(String idKey, String secretKey) {
      var id = text(idKey, null);
      var secret = secret(secretKey);
      boolean isBoth = id != null && secret != null;
      check(id == null ? idKey : secretKey, isBoth || id == null && secret == null, "missing",
          "ClientId and ClientSecret of an OAuth client");
      return isBoth ? new Client(id, secret) : null;
    }

    private static String zendeskHost(String domain) {
      var name = lower(domain).replaceFirst("^https://", "").replaceFirst("/.*$", "")
          .replaceFirst("\\.zendesk\\.com$", "");
      require(name.matches("[a-z0-9]([a-z0-9-]*[a-z0-9])?"));
      return name + ".zendesk.com";
    }

    private static String host(String text) {
      require(text.matches("[A-Za-z0-9_.-]+|\\[[0-9a-fA-F:.]+]"));
      return text;
    }

    /** What is accepted here can be sent: no later step may refuse an address of auth.ini. */
    static InternetAddress address(String text) {
      try {
        var address = new InternetAddress(text, true);
        require(address.getAddress().matches("[!-~]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"));
        address.setPersonal(address.getPersonal(), "UTF-8"); // else umlauts would be sent raw
        return address;
      } catch (AddressException | UnsupportedEncodingException e) {
        throw new IllegalArgumentException(e);
      }
    }
  }

  /** A chat: the name of its section, which is "webhook" or "webhook NAME". */
  record ChatAddress(String name, URI url, Format format) { }

  enum RuleName { MEAN, WEEKLY }

  /** Which further hours of a spike are told. */
  enum Repeat { GROWTH, EVERY, FIRST }

  enum Security { STARTTLS, TLS, NONE }

  enum Format { AUTO, SLACK, GOOGLECHAT, DISCORD, TEAMS, JSON }

  // ==== Ini: what does auth.ini say =============================================================

  /** auth.ini as text by {@code [section] Key}, without case. Gathers every mistake. */
  static class Ini {
    final List<String> mistakes = new ArrayList<>(); // a line each
    final List<String> warnings = new ArrayList<>();
    final Path folder; // the INI's own, which every path is relative to
    final Set<String> asked = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
    private final Map<String, String> values = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private final Set<String> wrongKeys = new HashSet<>();
    private final Path file;
    private final World world;
    private final boolean isOffline;

    Ini(Path file, World world, boolean isOffline) {
      this.file = file;
      this.world = world;
      this.isOffline = isOffline;
      this.folder = Disk.folderOf(file);
      var text = Disk.read(file, Exit.CONFIG);
      if (text == null) {
        throw Exit.CONFIG.fault(shown() + ": not found (run from its folder, or give --config "
            + "FILE; to begin, copy auth.ini.example)");
      }
      if (!isOffline) refuseForeignFile();
      var parser = new org.ini4j.Ini();
      parser.getConfig().setEscape(false); // a backslash in a password is a plain character,
      parser.getConfig().setEscapeNewline(false); // at its end too
      parser.getConfig().setMultiOption(true);
      try {
        parser.load(new StringReader(visible(text)));
      } catch (IOException e) { // of which the number alone, since the line may be a password
        throw Exit.CONFIG.fault(shown() + ": line "
            + e.getMessage().replaceAll("(?s).*at line: (\\d+).*|.*", "$1")
            + " is neither [section] nor Key = value below one");
      }
      parser.forEach((section, keys) ->
          keys.keySet().forEach(key -> put(section, key, keys.getAll(key))));
    }

    /** It holds secrets, and names the hosts that get them and those of the environment. */
    private void refuseForeignFile() {
      try {
        var owner = Files.getAttribute(file, "unix:uid");
        var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        boolean isOurs = owner.equals(0) || owner.equals((int) new UnixSystem().getUid());
        if (!isOurs || rights.charAt(7) == 'w') {
          throw Exit.CONFIG.fault(shown() + ": belongs to another user, or everybody may write it ("
              + rights + "), so that its hosts cannot be trusted (expected: chown, chmod 600)");
        }
        boolean isOpen = rights.matches("...r.....|....w....|......r..");
        if (isOpen) {
          warnings.add(shown() + ": others may use it (" + rights + "): chmod 600 " + shown());
        }
      } catch (IOException | UnsupportedOperationException e) {
        world.detail(shown() + ": its owner is not known");
      }
    }

    /** Without what is pasted along unseen, and without comments behind a section's name. */
    private static String visible(String text) {
      return text.replace('\u00a0', ' ').replaceAll("\\p{Cf}", "")
          .replaceAll("(?m)^(\\s*\\[[^]\\n]*])[ \\t]*[;#].*", "$1");
    }

    private void put(String section, String key, List<String> given) {
      var known = section.equalsIgnoreCase("mods") ? "misc" : section; // the Python script's name
      var name = "[" + known + "] " + key;
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
      boolean matters = !isOffline || key.matches("\\[(default|misc|spike)] .*");
      if (right || !matters || !wrongKeys.add(lower(key))) return;
      mistakes.add(mistake(key, wrong, expected));
    }

    private String mistake(String key, String wrong, String expected) {
      return shown() + ": " + key + ": " + wrong + " (expected " + expected + ")";
    }

    /** For parsers: says that a text is not what was expected. */
    static void require(boolean right) {
      if (!right) throw new IllegalArgumentException();
    }

    /** That section, even where it is not there, and each whose name goes on behind a blank. */
    Set<String> sections(String name) {
      var sections = new TreeSet<>(Set.of(name));
      for (var key : values.keySet()) {
        var section = lower(key.substring(1, key.indexOf(']')));
        if (section.startsWith(name + " ")) sections.add(section);
      }
      return sections;
    }

    /** The value with its quotes. */
    String rawText(String key) {
      asked.add(key);
      return values.getOrDefault(key, "");
    }

    /** The value as it stands, for texts that may hold ; and #. */
    String wholeText(String key, String fallback) {
      var value = unquoted(rawText(key)).strip();
      return value.isEmpty() ? fallback : value;
    }

    /** The value without a comment, which begins with ; or # behind a blank. */
    String text(String key, String fallback) {
      var value = unquoted(rawText(key).replaceFirst("(^|\\s+)[;#].*", "")).strip();
      return value.isEmpty() ? fallback : value;
    }

    <T> T parsed(String key, T fallback, Function<String, T> parse, String expected) {
      var value = text(key, null);
      if (value == null) return fallback;
      try {
        return parse.apply(value);
      } catch (IllegalArgumentException | DateTimeException e) {
        var shown = oneLine(value).replaceAll("\\S*:\\S*@", "***@"); // a password in a URL
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
        int value = Integer.parseInt(text);
        require(value >= least && value <= most);
        return value;
      }, "a whole number from " + least + " to " + most);
    }

    double decimalNumber(String key, double fallback, double least, double most, String expected) {
      return parsed(key, fallback, text -> {
        require(text.matches("[0-9.]+"));
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
        boolean isYes = lower(text).matches("yes|true|on|1");
        require(isYes || lower(text).matches("no|false|off|0"));
        return isYes;
      }, "yes or no");
    }

    Path file(String key, String fallback) {
      return parsed(key, folder.resolve(fallback), text -> {
        var path = folder.resolve(text).normalize();
        require(!text.matches("~.*|.*[$%].*|.*/") && !Files.isDirectory(path));
        return path;
      }, "a file, or one that can be made; ~ and variables are not expanded here");
    }

    /** An https address, or http to what is near; never shown, since it may hold a password. */
    URI url(String key, boolean isPrivateNear) {
      var value = text(key, null);
      if (value == null) return null;
      try {
        var url = new URI(value);
        boolean isWhole = url.getHost() != null && url.getScheme() != null
            && url.getPort() <= 65_535 && !value.contains("\u2026"); // README's ellipsis
        require(isWhole);
        check(key, url.getUserInfo() == null, "has a name or password before its host",
            "an address without, since these are not read");
        if (url.getUserInfo() != null) return null;
        boolean isNear = isLoopback(url.getHost()) || isPrivateNear && isPrivate(url.getHost());
        require(url.getScheme().equals("https") || url.getScheme().equals("http") && isNear);
        return url;
      } catch (URISyntaxException | IllegalArgumentException e) {
        var near = isPrivateNear ? "a private address" : "this machine";
        check(key, false, "malformed", "an https URL, or http to " + near);
        return null;
      }
    }

    /** An address to which paths are added. */
    URI baseUrl(String key, String fallback) {
      var url = url(key, false);
      return URI.create(url == null ? fallback : url.toString().replaceFirst("/+$", ""));
    }

    /** An address that is a password too, and so is what stands in it: servers echo that. */
    URI secretUrl(String key, boolean isPrivateNear) {
      var url = url(key, isPrivateNear);
      if (url == null) return null;
      world.secrets.add(url.toString());
      world.secrets.add(url.toString().replaceFirst("^\\w+://[^/?]*", "")); // behind the host
      world.secrets.add(url.getRawPath().replaceFirst("/+$", ""));
      for (var piece : (url + "/" + URLDecoder.decode(url.toString(), UTF_8)).split("[/?&=]+")) {
        boolean isRandom = piece.length() >= 16 && !piece.equals(url.getAuthority());
        if (isRandom) world.secrets.add(piece);
      }
      return url;
    }

    /** RFC 1918 and 4193, and names that no public name server knows. */
    private static boolean isPrivate(String host) {
      return host.matches("10(\\.\\d{1,3}){3}|192\\.168(\\.\\d{1,3}){2}"
          + "|172\\.(1[6-9]|2\\d|3[01])(\\.\\d{1,3}){2}|\\[f[cd][0-9a-f:]+]"
          + "|[A-Za-z][A-Za-z0-9-]*|.*\\.(local|lan|internal)");
    }

    /** Words between commas or blanks, in quotes or without, or a JSON list of them. */
    <T> List<T> list(String key, Function<String, T> parse, String expected) {
      var value = rawText(key).replaceFirst("(^|\\s)[;#].*", "");
      return list(key, value, "[,\\s]", parse, expected);
    }

    <T> List<T> list(String key, String value, String separators, Function<String, T> parse,
        String expected) {
      var list = new ArrayList<T>();
      var outsideOfQuotes = "(?=([^\"]*\"[^\"]*\")*[^\"]*$)";
      for (var part : value.replaceAll("^\\[|]$", "").split(separators + outsideOfQuotes)) {
        var word = unquoted(part.strip()).strip();
        if (word.isEmpty()) continue;
        try {
          list.add(parse.apply(word));
        } catch (IllegalArgumentException | DateTimeException e) {
          check(key, false, "'" + oneLine(word) + "'", "a list of " + expected);
        }
      }
      return list;
    }

    /** From the environment, such as SPIKE_EMAIL_PASSWORD, else from the file; or null. */
    String secret(String key) {
      var variable = "SPIKE_" + key.replace("[", "").replace("] ", "_").toUpperCase(Locale.ROOT);
      check(key + "Command", rawText(key + "Command").isEmpty(), "is run no more",
          variable + "=\"$(the command)\" before the program's name");
      asked.remove(key + "Command");
      var inFile = wholeText(key, "");
      if (isOffline) return null;
      var given = unquoted(visible(world.env.getOrDefault(variable, "")).strip()).strip();
      var secret = given.isEmpty() ? inFile : given;
      check(key, !secret.startsWith("paste-the-"), "is still the example's", "your own");
      if (secret.isEmpty()) return null;
      world.secrets.add(secret);
      world.secrets.add(secret.replaceFirst("^\\S+/token:", "")); // servers echo a token alone, too
      return secret;
    }

    /** Once every key is asked for. What is no word is not quoted: it may be half a password. */
    void warnOfUnknownKeys() {
      for (var key : values.keySet()) {
        boolean isRetired = key.endsWith("Command") && wrongKeys.contains(lower(key));
        if (asked.contains(key) || isRetired) continue;
        var section = key.substring(0, key.indexOf("] ") + 2);
        var known = new StringJoiner(", ").setEmptyValue("another section");
        for (var each : asked) {
          if (each.startsWith(lower(section))) known.add(each.substring(section.length()));
        }
        boolean isWord = key.matches("\\[[\\w -]*] [A-Za-z]{0,20}");
        warnings.add(mistake(isWord ? key : section + "a line", "unknown key, ignored",
            known.toString()));
      }
    }
  }

  // ==== Http: one request, its retries, and what a refusal means ================================

  /**
   * Strict: a text is no number and 1.5 no count, so that nonsense never becomes a count. Bounded
   * by length, so that an answer without end is refused before it fills the memory.
   */
  static final ObjectMapper JSON = JsonMapper.builder(
          JsonFactory.builder().streamReadConstraints(StreamReadConstraints.builder()
              .maxDocumentLength(64L << 20).build()).build())
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

  /** HTTP to one server, with one retry loop. No redirect is followed: it carries credentials. */
  static final class Http {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration LONGEST_WAIT = Duration.ofMinutes(2);
    private static final int BURST = 10; // requests that need not wait
    private static final int LONGEST_REASON = 16_384; // bytes read of an error page

    static {
      System.setProperty("jdk.http.auth.tunneling.disabledSchemes", ""); // a proxy's password
    }

    private final World world;
    private final URI proxy; // null for the direct way
    private final HttpClient client;
    private final long interval; // nanoseconds between two requests
    private long next; // on the ticker
    private int requests;
    private Instant serverTime;

    /** @param interval between two requests, once the first ten are gone */
    Http(World world, URI url, Duration interval) {
      this.world = world;
      this.proxy = EnvironmentProxy.of(url, world.env);
      this.interval = interval.toNanos();
      this.client = HttpClient.newBuilder()
          .connectTimeout(CONNECT_TIMEOUT)
          .version(HttpClient.Version.HTTP_1_1)
          .followRedirects(HttpClient.Redirect.NEVER)
          .proxy(EnvironmentProxy.selector(proxy))
          .sslContext(world.tls())
          .build();
    }

    int requests() {
      return requests;
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
     * Asks until there is an answer. A rate limit is waited out while the time lasts.
     *
     * @param request built anew for each try, since a token may end between two
     * @param type    a record of the JSON that is expected, which refuses nonsense
     * @param where   the key of auth.ini that names the server, for messages
     * @param check   throws IllegalArgumentException for a value that cannot be
     * @throws Refusal for a final one
     * @throws Fault   ZENDESK when the tries, or the time for them, are used up
     */
    <T> T send(Supplier<HttpRequest> request, Class<T> type, String where, Patience patience,
        Consumer<T> check) {
      for (int tried = 1;; tried++) {
        var asked = request.get();
        try {
          var value = sendOnce(asked, type, patience.limit(world));
          check.accept(value);
          return value;
        } catch (IOException | IllegalArgumentException | Refusal e) {
          if (e instanceof Refusal refusal && !refusal.isTemporary()) throw refusal;
          boolean isLimit = e instanceof Refusal refusal && refusal.status == 429;
          var wait = waitAfter(tried, e);
          boolean isTooLong = wait.compareTo(LONGEST_WAIT) > 0 || !patience.allows(wait, world);
          boolean isUsedUp = !isLimit && tried >= patience.tries();
          var place = where + " " + server(asked.uri()) + ": " + reason(e);
          if (isUsedUp || isTooLong) {
            throw Exit.ZENDESK.fault(place + " (tried " + plural(tried, "time") + ")", e);
          }
          world.detail(place + ", again in " + wait.toSeconds() + " s");
          world.pause(wait);
        }
      }
    }

    /** 1, 2, 4, 8 seconds and so on, and a little chance; more where the server asked for it. */
    private static Duration waitAfter(int tried, Exception e) {
      int chance = ThreadLocalRandom.current().nextInt(500);
      var growing = Duration.ofMillis((1000L << Math.min(tried - 1, 6)) + chance);
      var named = e instanceof Refusal refusal ? refusal.retryAfter : Duration.ZERO;
      return named.compareTo(growing) > 0 ? named : growing;
    }

    /**
     * One try.
     *
     * @param type Void when the body does not matter; then null is returned
     * @throws Refusal     for a status other than 2xx
     * @throws IOException for what is no whole answer
     */
    <T> T sendOnce(HttpRequest request, Class<T> type, Duration limit) throws IOException {
      if (++requests > BURST) world.pause(Duration.ofNanos(next - world.ticker.nanos()));
      next = world.ticker.nanos() + interval;
      return Deadline.within(limit, () -> { // as HttpRequest.timeout ends with the headers
        var answer = answer(EnvironmentProxy.signedIn(request, proxy, world.secrets));
        noteTime(answer.headers());
        // an address whose answer does not matter is a webhook's or a watcher's: a password itself
        world.detail(request.method() + " "
            + (type == Void.class ? server(request.uri()) : request.uri()) + ": "
            + answer.statusCode());
        boolean isYes = answer.statusCode() / 100 == 2;
        if (!isYes) throw refusal(answer);
        try (var body = answer.body()) {
          return type == Void.class ? null : read(unpacked(body, answer.headers()), type);
        }
      });
    }

    private HttpResponse<InputStream> answer(HttpRequest request)
        throws IOException, InterruptedException {
      try {
        return client.send(request, HttpResponse.BodyHandlers.ofInputStream());
      } catch (IllegalArgumentException e) { // as Java has it for a Content-Length beyond a long
        throw new IOException("an answer that is no HTTP", e);
      }
    }

    private static <T> T read(InputStream body, Class<T> type) throws IOException {
      var value = JSON.readValue(body, type);
      if (value == null) throw new IOException("an empty answer");
      return value;
    }

    private static InputStream unpacked(InputStream body, HttpHeaders headers)
        throws IOException {
      boolean isPacked = headers.firstValue("content-encoding").orElse("").matches("(x-)?gzip");
      return isPacked ? new GZIPInputStream(body) : body;
    }

    private Refusal refusal(HttpResponse<InputStream> answer) {
      var headers = answer.headers();
      var wait = headers.firstValue("retry-after").orElse("");
      var retryAfter = Duration.ofSeconds(wait.matches("\\d{1,6}") ? Long.parseLong(wait) : 0);
      var text = "";
      if (answer.body() != null) { // as there is none where a proxy refuses a tunnel
        try (var body = answer.body()) {
          text = new String(unpacked(body, headers).readNBytes(LONGEST_REASON), UTF_8);
        } catch (IOException e) {
          world.detail(reason(e));
        }
      }
      return new Refusal(answer.statusCode(), world.sanitize(errorText(text)), retryAfter);
    }

    private void noteTime(HttpHeaders headers) {
      try {
        serverTime = DateTimeFormatter.RFC_1123_DATE_TIME
            .parse(headers.firstValue("date").orElse(""), Instant::from);
      } catch (DateTimeException e) {
        world.detail("an answer without its time");
      }
    }

    /** The host, and the port where the address names one. */
    static String server(URI url) {
      return url.getRawAuthority();
    }

    /** The same server at another path and query; of that what is null is left out. */
    static URI with(URI url, String path, String... query) {
      var pairs = new StringJoiner("&", "?", "").setEmptyValue("");
      for (var each : query) if (each != null) pairs.add(each);
      return URI.create(url.getScheme() + "://" + url.getRawAuthority() + path + pairs);
    }

    /** Whether nothing can have been sent, since no connection came about. */
    static boolean isUnconnected(IOException e) {
      boolean isTunnel = String.valueOf(e.getMessage()).startsWith("Tunnel failed"); // Java's words
      return isTunnel || hasCause(e, ConnectException.class)
          || hasCause(e, UnresolvedAddressException.class)
          || hasCause(e, SSLHandshakeException.class);
    }

    /** A failure in plain words, without the name of a Java class. */
    String reason(Exception e) {
      if (hasCause(e, UnresolvedAddressException.class)) return "no such host";
      if (hasCause(e, HttpConnectTimeoutException.class)) return "no connection in time";
      if (hasCause(e, ConnectException.class)) return "no connection";
      if (hasCause(e, StreamConstraintsException.class)) return "an answer without end";
      if (hasCause(e, CertificateException.class)) {
        return "its certificate is refused: " + world.sanitize(e.getMessage()) + " (expected a "
            + "valid one for that name; SSL_CERT_FILE adds authorities)";
      }
      if (e instanceof JsonProcessingException) { // whose own words name classes and values
        boolean isOurs = e.getCause() instanceof IllegalArgumentException;
        return isOurs ? world.sanitize(e.getCause().getMessage())
            : "no sense in its answer (is an API there?)";
      }
      return world.sanitize(Objects.requireNonNullElse(e.getMessage(), "the connection broke"));
    }

    /** Of the error envelopes of Zendesk, OAuth servers and chats the words, as one line. */
    static String errorText(String body) {
      try {
        var json = JSON.readTree(body);
        var words = new LinkedHashSet<String>();
        for (var name : List.of("title", "error", "message", "msg", "description",
            "error_description", "detail")) {
          words.addAll(json.findValuesAsText(name));
        }
        words.remove(""); // of an object
        return String.join(": ", words);
      } catch (JsonProcessingException e) {
        return body.stripLeading().startsWith("<") ? "(a web page)" : body;
      }
    }

    /**
     * An access token by OAuth client credentials (RFC 6749, 4.4), for Zendesk and for SMTP alike.
     *
     * @throws Refusal where nothing at that address gives tokens
     * @throws Fault   DENIED, or ZENDESK when the tries, or the time for them, are used up
     */
    String token(URI url, Client client, String scope, String where, Patience patience) {
      var fields = new TreeMap<>(Map.of("grant_type", "client_credentials", "scope", scope,
          "client_id", client.id(), "client_secret", client.secret()));
      var type = "application/json";
      var body = JSON.valueToTree(fields).toString();
      boolean isZendesk = url.getPath().equals("/oauth/tokens"); // which has JSON, the RFC a form
      if (!isZendesk) {
        type = "application/x-www-form-urlencoded";
        fields.replaceAll((name, value) -> name + "=" + encode(value));
        body = String.join("&", fields.values());
      }
      var request = HttpRequest.newBuilder(url)
          .header("Accept", "application/json")
          .header("Content-Type", type)
          .POST(HttpRequest.BodyPublishers.ofString(body))
          .build();
      try {
        var token = send(() -> request, Token.class, where, patience, answer -> { }).access_token;
        world.secrets.add(token);
        return token;
      } catch (Refusal e) {
        boolean isAboutClient = Set.of(400, 401, 403).contains(e.status);
        if (!isAboutClient) throw e;
        throw Exit.DENIED.fault(where + " " + server(url) + " " + e.getMessage() + " (check "
            + "ClientId, ClientSecret, and that the client may have the scope '" + scope + "')", e);
      }
    }
  }

  /** OAuth client credentials. */
  record Client(String id, String secret) { }

  /** Good until the server answers 401 to it; then there is another. */
  record Token(String access_token) {
    Token {
      Http.expect(access_token != null && access_token.matches("[\\x21-\\x7e]+"),
          "no access_token in its answer");
    }
  }

  /**
   * How long to go on asking.
   *
   * @param tries how often; a rate limit is no try
   * @param until on the ticker
   * @param each  how long one answer may take
   */
  record Patience(int tries, long until, Duration each) {
    private static final int USUAL = 5;

    static Patience within(World world, Duration limit) {
      return new Patience(USUAL, world.ticker.nanos() + limit.toNanos(), limit);
    }

    static Patience once(World world, Duration limit) {
      return new Patience(1, world.ticker.nanos() + limit.toNanos(), limit);
    }

    boolean allows(Duration wait, World world) {
      return world.ticker.nanos() + wait.toNanos() < until;
    }

    /** For one try: a second at least, so that what is quick is had. */
    Duration limit(World world) {
      long left = Math.max(TimeUnit.SECONDS.toNanos(1), until - world.ticker.nanos());
      return world.atMost(Duration.ofNanos(Math.min(left, each.toNanos())));
    }
  }

  /** An answer other than 2xx. */
  static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1;
    final int status;
    final transient Duration retryAfter; // zero when the server named none

    Refusal(int status, String reason, Duration retryAfter) {
      super(("answers " + status + " " + reason).strip());
      this.status = status;
      this.retryAfter = retryAfter;
    }

    /** Whether it may be better soon. Zendesk's index says that it is "unavailable". */
    boolean isTemporary() {
      return status >= 500 || Set.of(408, 409, 425, 429).contains(status)
          || getMessage().contains(" unavailable");
    }
  }

  // ==== Proxy: which way does a request go ======================================================

  /**
   * The proxy that {@code https_proxy} names, which Java does not look at by itself. Plain http
   * goes to this machine and to private addresses alone, and never through it.
   */
  static final class EnvironmentProxy {
    private EnvironmentProxy() { }

    /** Null for the direct way. @throws Fault CONFIG without the value, which may be a password */
    static URI of(URI url, Map<String, String> env) {
      var value = variable("https_proxy", env);
      boolean isDirect = value.isEmpty() || url.getScheme().equals("http");
      if (isDirect || isExempt(url.getHost(), variable("no_proxy", env))) return null;
      try {
        var proxy = new URI(value.contains("://") ? value : "http://" + value);
        boolean isSpoken = "http".equals(proxy.getScheme()) && proxy.getHost() != null;
        if (isSpoken && proxy.getPort() > 0 && proxy.getPort() <= 65_535) return proxy;
      } catch (URISyntaxException e) {
        throw malformed();
      }
      throw malformed();
    }

    private static Fault malformed() {
      return Exit.CONFIG.fault("https_proxy: malformed (expected http://HOST:PORT)");
    }

    private static String variable(String name, Map<String, String> env) {
      return env.getOrDefault(name, env.getOrDefault(name.toUpperCase(Locale.ROOT), "")).strip();
    }

    /** This machine is, and each name of the list, with what ends in it. */
    private static boolean isExempt(String host, String list) {
      if (isLoopback(host)) return true;
      for (var each : list.split("[,\\s]+")) {
        var name = lower(each).replaceFirst("^\\*?\\.", "");
        boolean isWithin = !name.isEmpty() && ("." + lower(host)).endsWith("." + name);
        if (name.equals("*") || isWithin) return true;
      }
      return false;
    }

    static ProxySelector selector(URI proxy) {
      if (proxy == null) return ProxySelector.getDefault();
      return ProxySelector.of(new InetSocketAddress(proxy.getHost(), proxy.getPort()));
    }

    /**
     * With the name and password that stand in the proxy's address, which Java sends to it alone.
     * Its Authenticator would do so too, but makes a broken connection of each 401.
     */
    static HttpRequest signedIn(HttpRequest request, URI proxy, Secrets secrets) {
      if (proxy == null || proxy.getUserInfo() == null) return request;
      var basic = Secrets.base64(proxy.getUserInfo());
      secrets.add(basic);
      secrets.add(proxy.getUserInfo().replaceFirst("^[^:]*:", ""));
      return HttpRequest.newBuilder(request, (name, value) -> true)
          .header("Proxy-Authorization", "Basic " + basic)
          .build();
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
    final Duration timeout; // for an HTTP answer or an SMTP step
    final Map<String, String> env;
    final PrintWriter out; // results
    final PrintWriter err; // everything else
    final boolean isTerminal; // whether a person reads err
    final Secrets secrets = new Secrets();
    final Set<Exit> exits = EnumSet.noneOf(Exit.class); // what went wrong though the run went on
    Duration skew = Duration.ZERO; // of the time that is believed to this machine's clock
    String host; // this machine's name; null until somebody asks for it
    Verbosity verbosity = Verbosity.NORMAL;
    private SSLContext tls; // null until somebody asks for it
    private final Deque<String> lastLines = new ArrayDeque<>(); // of err
    private boolean barIsOpen;

    World(Clock clock, Ticker ticker, Duration timeout, Map<String, String> env, Writer out,
        Writer err, boolean isTerminal) {
      this.clock = clock;
      this.ticker = ticker;
      this.timeout = timeout;
      this.env = env;
      this.out = new PrintWriter(out, true);
      this.err = new PrintWriter(err, true);
      this.isTerminal = isTerminal;
    }

    static World real() {
      return new World(Clock.systemUTC(), new Ticker() { }, Duration.ofSeconds(90),
          System.getenv(), new OutputStreamWriter(System.out, UTF_8),
          new OutputStreamWriter(System.err, UTF_8), System.console() != null);
    }

    /** The time that is believed: this machine's clock, put right by Zendesk's. */
    Instant now() {
      return clock.instant().plus(skew).truncatedTo(ChronoUnit.SECONDS);
    }

    /** For mails. Asked for late, since a name service that is down takes its time. */
    String host() {
      try {
        if (host == null) host = InetAddress.getLocalHost().getHostName();
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
        boolean isFullName = name.matches("([A-Za-z0-9-]+\\.)+[A-Za-z][A-Za-z0-9-]*");
        if (isFullName) return name;
        var numbers = local.getHostAddress().replaceFirst("%.*", "");
        return local instanceof Inet6Address ? "[IPv6:" + numbers + "]" : "[" + numbers + "]";
      } catch (UnknownHostException e) {
        return "[127.0.0.1]";
      }
    }

    /** What TLS trusts, for HTTP and SMTP alike: Java's authorities and those of SSL_CERT_FILE. */
    SSLContext tls() {
      if (tls != null) return tls;
      var file = env.getOrDefault("SSL_CERT_FILE", "");
      try {
        tls = SSLContext.getDefault();
        if (!file.isEmpty()) tls = tlsWith(Path.of(file));
      } catch (GeneralSecurityException | IOException | InvalidPathException e) {
        trouble(Exit.CONFIG, "SSL_CERT_FILE " + file + ": cannot be read, so that Java's own "
            + "authorities alone are trusted: " + oneLine(String.valueOf(e.getMessage())));
      }
      return tls;
    }

    /** @param file certificates in PEM, as curl and OpenSSL read them */
    private static SSLContext tlsWith(Path file) throws GeneralSecurityException, IOException {
      var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init((KeyStore) null);
      var javas = (X509TrustManager) factory.getTrustManagers()[0];
      var trusted = new ArrayList<Certificate>(List.of(javas.getAcceptedIssuers()));
      var pem = new ByteArrayInputStream(Files.readAllBytes(file));
      var own = CertificateFactory.getInstance("X.509").generateCertificates(pem);
      if (own.isEmpty()) throw new IOException("it holds no certificate");
      trusted.addAll(own);
      var store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null, null);
      for (var each : trusted) store.setCertificateEntry("ca" + store.size(), each);
      factory.init(store);
      var context = SSLContext.getInstance("TLS");
      context.init(null, factory.getTrustManagers(), null);
      return context;
    }

    Duration atMost(Duration limit) {
      return timeout.compareTo(limit) < 0 ? timeout : limit;
    }

    void pause(Duration time) {
      try {
        ticker.sleep(Math.max(0, time.toMillis()));
      } catch (InterruptedException e) {
        throw Exit.TRY_LATER.fault("interrupted while waiting", e);
      }
    }

    /** Other people's text, fit to be shown anywhere: one line, no secret that it echoes. */
    String sanitize(String text) {
      return oneLine(secrets.redact(text));
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

    /** What goes wrong though the run goes on: said, and in its exit code. */
    void trouble(Exit exit, String text) {
      exits.add(exit);
      warn(text);
    }

    /** A file of ours that makes no sense, as after a power cut: kept, and no more in the way. */
    void layAside(Path file, boolean isDryRun) {
      var aside = Disk.beside(file, ".broken");
      trouble(Exit.HISTORY, Disk.shown(file) + ": makes no sense (moved to " + aside.getFileName()
          + ")");
      try {
        if (!isDryRun) Disk.move(file, aside);
      } catch (Fault e) {
        report(e);
      }
    }

    /** Said even when quiet. A log has no other clock than the one at the start of each line. */
    void warn(String text) {
      var start = isTerminal ? "" : clock.instant().truncatedTo(ChronoUnit.SECONDS) + " ";
      print(err, start, text);
    }

    private synchronized void print(PrintWriter to, String start, String text) {
      if (barIsOpen) err.println();
      barIsOpen = false;
      for (var line : secrets.redact(text.stripTrailing()).lines().toList()) {
        to.println((start + line).stripTrailing());
        if (to == out) continue;
        lastLines.add(line);
        if (lastLines.size() > LAST_LINES) lastLines.remove();
      }
    }

    /** Draws a line over the one drawn before, until something else is printed. */
    synchronized void bar(String text) {
      err.print("\r" + text);
      err.flush();
      barIsOpen = true;
    }

    /** What was said last, 10 kB at the most, which is what watchers take. */
    synchronized String lastLines() {
      var lines = String.join("\n", lastLines);
      return lines.substring(Math.max(0, lines.length() - 10_000));
    }

    /** Prints an expected failure as it is, any other with its trace; gives the exit code. */
    int report(Throwable e) {
      if (e instanceof Fault fault) {
        trouble(fault.exit, fault.getMessage());
        return fault.exit.code;
      }
      var trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      trouble(Exit.BUG, trace.toString());
      return Exit.BUG.code;
    }
  }

  /** What must never be printed, mailed or posted: plain, base64 and URL-encoded. */
  static final class Secrets {
    private static final int SHORTEST = 6; // characters; less would blot out half of every line
    /** As one may hold another, of which the rest would be shown. */
    private final Map<String, Pattern> all = new ConcurrentSkipListMap<>(Comparator
        .comparingInt(String::length).reversed().thenComparing(Comparator.naturalOrder()));

    void add(String secret) {
      if (secret.length() < SHORTEST) return;
      var encoded = encode(secret);
      int flags = Pattern.LITERAL | Pattern.CASE_INSENSITIVE; // %2F is %2f, too
      for (var form : List.of(secret, base64(secret).replace("=", ""), encoded,
          encoded.replace("+", "%20"))) {
        all.put(form, Pattern.compile(form, flags));
      }
    }

    String redact(String text) {
      for (var secret : all.values()) text = secret.matcher(text).replaceAll("***");
      return text;
    }

    static String base64(String text) {
      return Base64.getEncoder().encodeToString(text.getBytes(UTF_8));
    }
  }

  /** Bounds work that has no time limit of its own: an HTTP body, an SMTP transaction. */
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
        throw new SocketTimeoutException("no whole answer within " + limit.toSeconds() + " s");
      } catch (InterruptedException e) {
        throw Exit.TRY_LATER.fault("interrupted", e);
      } catch (ExecutionException e) {
        if (e.getCause() instanceof IOException expected) throw expected;
        if (e.getCause() instanceof RuntimeException unexpected) throw unexpected;
        if (e.getCause() instanceof Error error) throw error;
        throw new IllegalStateException(e.getCause());
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
      boolean isDue = world.isTerminal || now - shown >= TimeUnit.MINUTES.toNanos(1);
      if (world.verbosity == Verbosity.QUIET || !isDue || done == 0) return;
      shown = now;
      double part = Math.min(1, (double) done / all);
      long left = TimeUnit.NANOSECONDS.toSeconds((long) ((now - start) / part * (1 - part)));
      var text = Math.min(done, all) + " of " + all + " " + what + ", about " + left / 60 + " min "
          + left % 60 + " s left";
      int full = (int) (part * BAR);
      if (!world.isTerminal) world.info(text);
      else world.bar("[" + "=".repeat(full) + " ".repeat(BAR - full) + "] " + text + " ");
    }
  }

  // ==== Disk: files that survive a kill =========================================================

  /** Files that nobody else can read, each written whole or not at all. */
  static final class Disk {
    private static final FileAttribute<?> OWNER_READS =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<?> OWNER_ENTERS =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private Disk() { }

    /** UTF-8 text without the byte order mark that spreadsheets put before it; null for no file. */
    static String read(Path file, Exit otherwise) {
      try {
        requireRegular(file, otherwise);
        return Files.readString(file).replaceFirst("^\uFEFF", "");
      } catch (NoSuchFileException e) {
        return null;
      } catch (IOException e) {
        throw otherwise.fault(shown(file) + ": cannot be read: " + reason(e), e);
      }
    }

    /** A pipe would block for ever. */
    private static void requireRegular(Path file, Exit otherwise) {
      boolean isOdd = Files.exists(file) && !Files.isRegularFile(file);
      if (isOdd) throw otherwise.fault(shown(file) + ": is no file (expected a regular one)");
    }

    /** Temp sibling, fsync, atomic move: a reader or a kill sees the old file or the new one. */
    static void write(Path file, String content) {
      try {
        var target = Files.exists(file) ? file.toRealPath() : file; // a link stays a link
        var part = target.resolveSibling(target.getFileName() + ".part");
        makeFolder(folderOf(target));
        Files.deleteIfExists(part);
        Files.createFile(part, OWNER_READS);
        try (var channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
          var bytes = ByteBuffer.wrap(content.getBytes(UTF_8));
          while (bytes.hasRemaining()) channel.write(bytes);
          channel.force(true);
        }
        rename(part, target);
      } catch (IOException e) {
        throw unwritable(file, e);
      }
    }

    /** What has been deleted meanwhile needs no moving. */
    static void move(Path from, Path to) {
      try {
        makeFolder(folderOf(to));
        if (Files.exists(from)) rename(from, to);
      } catch (IOException e) {
        throw unwritable(to, e);
      }
    }

    private static void rename(Path from, Path to) throws IOException {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
      try (var folder = FileChannel.open(folderOf(to))) {
        folder.force(true); // the name must outlive a power cut too
      } catch (IOException e) {
        return; // VirtualBox's and some network folders cannot do that; the file is there
      }
    }

    static void delete(Path file) {
      try {
        Files.deleteIfExists(file);
      } catch (IOException e) {
        throw unwritable(file, e);
      }
    }

    /** Writes as much as a file of ours may take, and deletes it. @throws Fault HISTORY */
    static void tryToWrite(Path folder) {
      var probe = folder.resolve(".writable");
      write(probe, " ".repeat(1 << 16));
      delete(probe);
    }

    static void makeFolder(Path folder) throws IOException {
      if (!Files.isDirectory(folder)) Files.createDirectories(folder, OWNER_ENTERS);
    }

    /** What lies in a folder under a name that matches, sorted; none for no folder. */
    static List<Path> list(Path folder, String name) {
      if (!Files.exists(folder)) return List.of();
      try (var files = Files.list(folder)) {
        return files.filter(file -> file.getFileName().toString().matches(name)).sorted().toList();
      } catch (IOException e) {
        throw Exit.HISTORY.fault(shown(folder) + ": cannot be read: " + reason(e), e);
      }
    }

    static Path folderOf(Path file) {
      return file.toAbsolutePath().getParent();
    }

    /** A file beside another one that bears its name, such as history.csv.told. */
    static Path beside(Path file, String suffix) {
      return file.resolveSibling(file.getFileName() + suffix);
    }

    private static Fault unwritable(Path file, IOException e) {
      return Exit.HISTORY.fault(shown(file) + ": cannot be written: " + reason(e), e);
    }

    /** The whole path, so that a line of a log tells which of several installations it is. */
    static String shown(Path file) {
      return file.toAbsolutePath().normalize().toString();
    }

    /**
     * One run at a time per history, until the channel is closed.
     *
     * @throws Fault TRY_LATER when another run holds the lock, HISTORY when it cannot be made
     */
    static FileChannel lock(Path history) {
      var file = beside(history, ".lock");
      try {
        makeFolder(folderOf(file));
        requireRegular(file, Exit.HISTORY);
        var options = Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        var channel = FileChannel.open(file, options, OWNER_READS);
        if (isLocked(channel)) return channel;
        channel.close();
      } catch (IOException e) {
        throw unwritable(file, e);
      }
      throw Exit.TRY_LATER.fault(shown(file) + ": another run holds the lock; nothing is lost, "
          + "the next run goes on");
    }

    private static boolean isLocked(FileChannel channel) throws IOException {
      try {
        return channel.tryLock() != null;
      } catch (OverlappingFileLockException e) { // by this same process
        return false;
      }
    }

    private static String reason(IOException e) {
      var user = System.getProperty("user.name");
      if (e instanceof AccessDeniedException) return "user " + user + " may not do that here";
      if (e instanceof CharacterCodingException) return "it is no UTF-8 text";
      if (e instanceof FileSystemException system && system.getReason() != null) {
        return system.getReason();
      }
      return "a file or folder is in the way, or input or output failed";
    }
  }

  // ==== Hour: which hour is meant ===============================================================

  /** A full UTC hour {@code [from, to)}, by its number since 1970. */
  record Hour(long number) implements Comparable<Hour> {
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

    static Hour lastFull(Instant now) {
      return of(now).plus(-1);
    }

    /** @throws DateTimeException when the text is no full UTC hour of the years 2000 to 2199 */
    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    static Hour parse(String text) {
      var time = LocalDateTime.parse(text, NAME);
      boolean isSensible = time.getYear() >= 2000 && time.getYear() < 2200;
      if (!isSensible) throw new DateTimeException("year out of range");
      return of(time.toInstant(ZoneOffset.UTC));
    }

    static Hour earlier(Hour a, Hour b) {
      return a.isBefore(b) ? a : b;
    }

    static Hour later(Hour a, Hour b) {
      return a.isAfter(b) ? a : b;
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

  /** Such as "Wed 25 Nov 14:00". */
  static String localTime(Instant time, ZoneId zone) {
    return at(time, zone, "EEE d MMM HH:mm");
  }

  /** Such as "Wed 25 Nov 14:00 to 15:00 UTC"; with both days and offsets where they differ. */
  static String span(Hour from, Hour end, ZoneId zone) {
    var rules = zone.getRules();
    boolean isChange = !rules.getOffset(from.from()).equals(rules.getOffset(end.from()));
    boolean isOneDay = from.date(zone).equals(end.plus(-1).date(zone));
    var clock = isChange ? "HH:mm xxx" : "HH:mm";
    var day = "EEE d MMM " + clock;
    return at(from.from(), zone, day) + " to " + at(end.from(), zone, isOneDay ? clock : day) + " "
        + zone;
  }

  // ==== Text: what is done to strings everywhere ================================================

  static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  /** Without the quotes, double or single, around it. */
  static String unquoted(String text) {
    return text.replaceFirst("^([\"'])(.*)\\1$", "$2");
  }

  /** With one digit behind the point. Without String.format, which takes a run's time to load. */
  static String decimal(double value) {
    return BigDecimal.valueOf(value).setScale(1, RoundingMode.HALF_UP).toPlainString();
  }

  static String rounded(double value) {
    return Long.toString(Math.round(value));
  }

  /** Tickets: whole from 10 on, with one decimal below, none where it is 0. */
  static String amount(double tickets) {
    boolean isWhole = tickets >= 10 || Math.abs(tickets - Math.rint(tickets)) < 0.05;
    return isWhole ? rounded(tickets) : decimal(tickets);
  }

  /** The same of what is usual: "none" where that is next to nothing, "?" where it is unknown. */
  static String usualInWords(Double tickets) {
    if (tickets == null) return "?";
    return tickets < 0.05 ? "none" : amount(tickets);
  }

  /** Such as "1 ticket" or "20 tickets". */
  static String plural(long number, String noun) {
    return number + " " + noun + (number == 1 ? "" : "s");
  }

  static String encode(String text) {
    return URLEncoder.encode(text, UTF_8);
  }

  /** Whether a host is this machine. */
  static boolean isLoopback(String host) {
    return host.matches("localhost|127(\\.\\d{1,3}){3}|\\[?::1]?");
  }

  /** The first so many of the list, or all. */
  static <T> List<T> first(int most, List<T> list) {
    return list.subList(0, Math.min(most, list.size()));
  }

  /** At most so many characters, an ellipsis for the rest. */
  static String cut(String text, int most) {
    if (text.codePointCount(0, text.length()) <= most) return text;
    return text.substring(0, text.offsetByCodePoints(0, Math.max(0, most - 1))) + "\u2026";
  }

  /** Other people's text: no line break, no control, no sign that hides, turns or is blank. */
  static String clean(String text) {
    boolean isPlain = text.chars().allMatch(c -> c >= ' ' && c <= '~');
    if (isPlain) return text;
    var visible = text.replaceAll("[\\p{Cf}\\u034f\\u115f\\u1160\\u2800\\u3164\\uffa0"
        + "&&[^\\u200c\\u200d]]", ""); // but for the joiners of scripts and emoji
    return visible.replaceAll("[\\p{Cc}\\p{Cs}\\u2028\\u2029]+", " ");
  }

  /** For messages: on one line, and no longer than people read. */
  static String oneLine(String text) {
    return cut(clean(text).replaceAll("\\s+", " ").strip(), 200);
  }

  /** An address that no mail client or chat makes a link of. */
  static String unclickable(String text) {
    return text.replace("://", "[:]//").replaceAll("(?i)\\bwww\\.", "www[.]");
  }

  static String escape(String text) {
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        .replace("\"", "&quot;").replace("'", "&#39;");
  }

  static boolean hasCause(Throwable e, Class<? extends Throwable> type) {
    return e != null && (type.isInstance(e) || hasCause(e.getCause(), type));
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

    private static final List<Exit> WORST_FIRST =
        List.of(BUG, CONFIG, HISTORY, DENIED, ZENDESK, TRY_LATER, USAGE);

    final int code;
    final String when;

    Exit(int code, String when) {
      this.code = code;
      this.when = when;
    }

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
    Fault fault(String message) {
      return fault(message, null);
    }

    Fault fault(String message, Throwable cause) {
      return new Fault(this, message, cause);
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
