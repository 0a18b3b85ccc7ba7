///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells a support team within the hour that Zendesk tickets are surging, how unusual that is, and why
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.21.8
//DEPS org.eclipse.angus:angus-mail:2.0.5
//DEPS org.ini4j:ini4j:0.5.4

package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.*;
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.*;
import java.util.function.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

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
 * <p><b>Words</b>: <i>hour</i>: a full UTC hour {@code [from, to)}; <i>count</i>: the tickets created in it, unknown
 * is never 0; <i>sample</i>: an earlier count that the hour is compared with; <i>mean</i>: that of the samples;
 * <i>limit</i>: the count that makes a <i>spike</i>, an hour below is <i>calm</i>, one with too few samples
 * <i>learning</i>; <i>episode</i>: spike hours in a row; <i>usual</i>: what an hour, or a tag in it, holds as a rule.
 *
 * <p><b>To change</b> the mail's subject and wording, edit {@code Words}; its parts and their order, {@code Alert};
 * a key or its default, {@code Config}; when an hour is a spike, {@code Rule}; when a mail goes out, {@code Job.mails};
 * exit codes, {@code Exit}. {@code grep ====} lists the sections.
 */
@Command(name = "SpikeNotifier", version = "Spike Notifier 1.0.0", mixinStandardHelpOptions = true,
    subcommands = {picocli.AutoComplete.GenerateCompletion.class, HelpCommand.class},
    description = "Counts the Zendesk tickets of the last full hour and mails the team when they surge.")
public final class SpikeNotifier implements Callable<Integer> {
  @Option(names = {"-c", "--config"}, paramLabel = "FILE", defaultValue = "auth.ini", scope = ScopeType.INHERIT,
      showDefaultValue = Help.Visibility.ALWAYS, description = "the INI file") Path configFile;
  @Option(names = "--hour", paramLabel = "HOUR",
      description = "judge this UTC hour, e.g. 2026-11-24T13, instead of the last full one") Hour chosen;
  @Option(names = "--dry-run", description = "print the mail; send and store nothing") boolean dryRun;
  @Option(names = "--json", scope = ScopeType.INHERIT, description = "print JSON, one object a line") boolean json;
  @Option(names = {"-q", "--quiet"}, scope = ScopeType.INHERIT, description = "print faults only") boolean quiet;
  @Option(names = {"-v", "--verbose"}, scope = ScopeType.INHERIT,
      description = "print each request too, never a secret") boolean verbose;
  private final World world;

  private SpikeNotifier(World world) { this.world = world; }

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT); // numbers in mails and logs read the same on every machine
    System.exit(commandLine(World.real()).execute(args));
  }

  static CommandLine commandLine(World world) {
    var main = new SpikeNotifier(world);
    var line = new CommandLine(main).setOut(world.out()).setErr(world.err()).registerConverter(Hour.class, text -> {
      try { return Hour.parse(text); }
      catch (DateTimeException e) {
        throw new TypeConversionException("'%s' (expected a UTC hour such as 2026-11-24T13)".formatted(text));
      }
    });
    line.getCommandSpec().usageMessage().exitCodeListHeading("%nExit codes:%n").exitCodeList(Exit.table());
    Stream.concat(Stream.of(line), line.getSubcommands().values().stream())
        .forEach(each -> each.getCommandSpec().exitCodeOnInvalidInput(Exit.USAGE.code));
    return line.setExecutionStrategy(parsed -> {
      world.voice().set(main.quiet ? Voice.QUIET : main.verbose ? Voice.VERBOSE : Voice.USUAL);
      return new RunLast().execute(parsed);
    }).setExecutionExceptionHandler((e, broken, parsed) -> world.report(e));
  }

  /** The hourly job. */
  @Override public Integer call() {
    var config = config();
    return new Monitor(config.ping(), world).over(() ->
        Lock.during(config.history(), () -> job(config, new Mailer(config.mail(), world))));
  }

  private Exit job(Config config, Outbox.Carrier mailer) {
    var last = lastHour();
    var history = History.open(config.history(), !dryRun);
    var outbox = new Outbox(config, world, mailer);
    var zendesk = new Zendesk(config.zendesk(), world);
    var job = new Job(config, history, zendesk, outbox, world, dryRun, json);
    if (!dryRun) outbox.sendWaiting();
    var due = chosen == null ? job.firstDue(last) : last;
    var recent = chosen == null ? job.recent(due, last) : List.<Hour>of();
    new Fill(zendesk, history, config.rule(), world, world.ticker().nanos()).before(due, last);
    recent.forEach(job::countAgain);
    Hour.range(due, last.plus(1)).forEach(job::count);
    if (!dryRun) outbox.prune();
    world.detail("%d requests to Zendesk".formatted(zendesk.requests.get()));
    return outbox.worst;
  }

  private Config config() { return Config.load(configFile, world); }
  private Counts counts(Config config) { return History.open(config.history(), false).counts(); }

  private Hour lastHour() {
    var last = Hour.lastFull(world.clock());
    if (chosen == null) return last;
    if (chosen.compareTo(last) <= 0) return chosen;
    throw Exit.USAGE.fault("--hour %s: is not over yet (expected %s or earlier)", chosen, last);
  }

  @Command(mixinStandardHelpOptions = true, description = "Tells, offline, why an hour of the history was a spike.")
  void explain(@Parameters(paramLabel = "HOUR", description = "a UTC hour, e.g. 2026-11-24T13") Hour hour) {
    var config = config();
    Explanation.of(config.rule(), counts(config), hour).print(world, json);
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Replays the history offline: how often would each rule and threshold alert?")
  void backtest(@Option(names = "--per-month", defaultValue = "4", showDefaultValue = Help.Visibility.ALWAYS,
      paramLabel = "N", description = "alerts wanted in 30 days, for the suggestion") double perMonth) {
    var config = config();
    new Backtest(config.rule(), counts(config)).print(world, perMonth, json);
  }

  @Command(mixinStandardHelpOptions = true, description = "Writes out/report.html, a picture of the history.")
  void report() {
    var config = config();
    world.result(Report.write(config.out(), config, counts(config)).toString());
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Checks config, permissions, Zendesk and SMTP sign-in, history, lock and outbox.")
  int doctor(@Option(names = "--send", description = "mail a sample alert, marked as such") boolean send) {
    return new Doctor(configFile, world).examine(send).code;
  }

  @Command(mixinStandardHelpOptions = true,
      description = "Runs the whole job against a made-up help desk on this machine; needs no account.")
  int demo() { return Demo.run(this, Path.of("out", "demo")).code; }

  // ==== Job: what is done about an hour ================================================

  /** The steps of one run. */
  record Job(Config config, History history, Zendesk zendesk, Outbox outbox, World world, boolean dryRun,
      boolean json) {
    private static final int LATEST = 168;    // hours; news that is older than a week is no alert
    private static final int RECENT = 2;      // the search index lags by minutes, so these are counted again
    private static final int TAG_WEEKS = 4;
    private static final int TAG_MOST = 5000; // tickets of a past hour; larger ones are not read for comparison

    /** The first hour that no run has judged yet; on the very first run the last one. */
    Hour firstDue(Hour last) {
      var newest = history.newest(last);
      boolean goesOn = newest != null && !newest.equals(last) && last.number() - newest.number() <= LATEST;
      return goesOn ? newest.plus(1) : last;
    }

    List<Hour> recent(Hour due, Hour last) {
      return Hour.range(last.plus(-RECENT), due).filter(history::knows).toList();
    }

    void count(Hour hour) { judge(hour, noted(hour)); }

    /** An hour that grew is judged again; the ledger keeps mails single. */
    void countAgain(Hour hour) {
      long before = history.at(hour).orElseThrow();
      long now = noted(hour);
      if (now > before) judge(hour, now);
    }

    private long noted(Hour hour) {
      long now = zendesk.count(hour);
      history.at(hour).stream().filter(before -> before != now).forEach(before ->
          world.note("%s: counted again, %d tickets instead of %d".formatted(hour, now, before)));
      history.put(hour, now);
      return now;
    }

    /** The count is saved after the notice is in the outbox, so a kill between leaves the hour to be judged anew. */
    private void judge(Hour hour, long count) {
      var counts = history.counts();
      var verdict = config.rule().judge(counts, hour, count);
      var alert = "none";
      var tags = List.<TagCount>of();
      if (verdict instanceof Spike spike) {
        var episode = Episode.until(hour, counts, config.rule()).orElseThrow();
        boolean mails = mails(spike, episode, counts);
        var tickets = mails || json ? read(spike) : null;
        if (tickets != null) tags = tickets.ranked().stream().limit(config.numTags()).toList();
        if (mails) alert = deliver(Alert.about(spike, episode, config, counts, tickets, world.clock().instant()));
      } else if (verdict instanceof Calm calm && config.allClear()) {
        alert = Episode.until(hour.plus(-1), counts, config.rule())
            .filter(episode -> lastMailed(hour, episode).isPresent())
            .map(episode -> deliver(Alert.allClear(calm, episode, config, counts))).orElse("none");
      }
      history.save();
      var line = asJson(verdict, Optional.of(alert), tags);
      world.result(json ? line.toString() : asWords(line));
    }

    /** Whether a spike is worth a mail of its own: by Repeat, from the history and the ledger alone. */
    private boolean mails(Spike spike, Episode episode, Counts counts) {
      var mailed = lastMailed(spike.hour(), episode);
      return mailed.isEmpty() || switch (config.repeat()) {
        case EVERY -> true;
        case GROWTH -> spike.count() >= 1.5 * counts.at(mailed.get()).orElse(0);
        case FIRST -> false;
      };
    }

    private Optional<Hour> lastMailed(Hour before, Episode episode) {
      return Hour.range(episode.start(), before).filter(hour -> outbox.has(hour, "spike")).reduce((a, b) -> b);
    }

    /** Reads the spike's tickets, and the usual tags of the hour. What cannot be read must not stop the alert. */
    private Tickets read(Spike spike) {
      var tally = new Tally(config.omittedTags());
      var trouble = attempt(() -> zendesk.tickets(spike.hour(), spike.count(), tally::add))
          .or(() -> tally.tickets < spike.count() ? Optional.of("the others were not found") : Optional.empty());
      var weeks = new ArrayList<Map<String, Long>>();
      var noUsual = Optional.of("no such hour of the last weeks is known");
      for (int week = 1; week <= TAG_WEEKS; week++) {
        for (var hour : spike.hour().sameHour(week * 7, config.rule().zone())) {
          long count = history.at(hour).orElse(Long.MAX_VALUE);
          if (count > TAG_MOST) continue;
          var then = new Tally(config.omittedTags());
          noUsual = attempt(() -> zendesk.tickets(hour, count, then::add));
          if (noUsual.isPresent()) return new Tickets(tally, trouble, weeks, noUsual.get()); // enough of waiting
          weeks.add(then.byTag());
        }
      }
      return new Tickets(tally, trouble, weeks, noUsual.orElse(""));
    }

    private Optional<String> attempt(Runnable reading) {
      try { reading.run(); }
      catch (Fault e) {
        world.warn(e.getMessage());
        return Optional.of(e.getMessage());
      }
      return Optional.empty();
    }

    private String deliver(Alert alert) {
      if (!dryRun) return outbox.deliver(alert);
      var mail = "Subject: %s\n\n%s".formatted(clean(alert.subject()), alert.text());
      if (json) world.note(mail);
      else world.result(mail);
      return "dry-run";
    }
  }

  // ==== Config: what does auth.ini ask for =============================================

  /** Everything auth.ini says, as types. Text becomes types here and nowhere else. */
  record Config(Path history, Path out, Account zendesk, Mail mail, Rule rule, int numTags, List<String> omittedTags,
      Repeat repeat, boolean allClear, Optional<URI> webhook, Optional<URI> ping) {

    /** @throws Fault CONFIG with every mistake, one a line */
    static Config load(Path file, World world) {
      var ini = new Ini(file, world.env(), world.patience().dividedBy(3));
      var config = from(ini);
      ini.secrets.forEach(world::hide);
      ini.unknownKeys().forEach(world::warn);
      if (!ini.mistakes.isEmpty()) throw Exit.CONFIG.fault("%s", String.join("\n", ini.mistakes));
      ini.warnIfOthersCanRead(world);
      return config;
    }

    /** All keys and their defaults. */
    static Config from(Ini ini) {
      return new Config(ini.path("default/SpikeDB", "out/history.csv"), ini.folder().resolve("out"),
          account(ini), mail(ini),
          new Rule(ini.choice("spike/Rule", RuleName.MEAN),
              ini.whole("misc/NumHours", 4380, 24, 100_000),
              ini.number("misc/SpikeThreshold", 0.6, 0, 1000),
              ini.number("spike/Deviations", 3.0, 0, 1000),
              ini.number("spike/MinExtra", 5, 0, 1e9),
              ini.whole("spike/MinTickets", 1, 0, 1_000_000_000),
              ini.whole("spike/MinSamples", 3, 1, 10_000),
              Set.copyOf(ini.list("spike/IgnoredDays", "dates such as 2026-12-25", LocalDate::parse)),
              ini.parsed("spike/TimeZone", "a zone such as Europe/Berlin", ZoneId::of).orElse(ZoneId.of("UTC"))),
          ini.whole("misc/NumTags", 10, 1, 1000),
          ini.list("misc/OmittedTags", "tags", SpikeNotifier::lower),
          ini.choice("spike/Repeat", Repeat.EVERY), ini.choice("spike/AllClear", YesNo.YES) == YesNo.YES,
          ini.secretUrl("webhook/Url"), ini.secretUrl("monitor/PingUrl"));
    }

    private static Account account(Ini ini) {
      var host = ini.required("zendesk/Domain", "acme or acme.zendesk.com", text -> must(lower(text)
          .replaceFirst("\\.zendesk\\.com$", ""), name -> name.matches("[a-z0-9]([a-z0-9-]*[a-z0-9])?")))
          + ".zendesk.com";
      var base = ini.url("zendesk/BaseUrl").orElse(URI.create("https://" + host));
      var token = ini.secret("zendesk/Credentials");
      var client = client(ini, "zendesk", token.isEmpty());
      ini.check("zendesk/Credentials", client.isPresent() || token.isEmpty()
          || token.get().matches("[^@\\s:]+@[^\\s:]+/token:\\S+"), "malformed", "email/token:KEY");
      return new Account(host, base, client, token, ini.text("zendesk/Query").orElse(""),
          ini.whole("zendesk/RequestsPerMinute", 100, 1, 100_000));
    }

    private static Optional<Client> client(Ini ini, String section, boolean required) {
      var id = ini.text(section + "/ClientId");
      var secret = ini.secret(section + "/ClientSecret");
      ini.check(section + (id.isPresent() ? "/ClientSecret" : "/ClientId"), id.isPresent() == secret.isPresent(),
          "missing", "both ClientId and ClientSecret of an OAuth client");
      ini.check(section + "/ClientId", !required || id.isPresent() || secret.isPresent(), "missing",
          "ClientId and ClientSecret of an OAuth client, or older Credentials");
      return id.flatMap(i -> secret.map(s -> new Client(i, s)));
    }

    private static Mail mail(Ini ini) {
      var sender = ini.required("email/Sender", "an address such as a@example.com", Config::address);
      var recipients = ini.list("email/Recipient", "addresses such as a@example.com", Config::address);
      ini.check("email/Recipient", ini.text("email/Recipient").isPresent(), "missing", "one address or more");
      var host = ini.text("email/Host").orElse("smtp.gmail.com");
      var security = ini.choice("email/Security", Security.STARTTLS);
      ini.check("email/Security", security != Security.NONE || isLoopback(host), "none to " + host,
          "starttls or tls; none is for loopback only");
      var client = client(ini, "email", false);
      var url = ini.url("email/TokenUrl");
      ini.check("email/TokenUrl", client.isPresent() == url.isPresent() || client.isEmpty()
          && ini.text("email/TokenUrl").isEmpty(), "incomplete", "TokenUrl, ClientId and ClientSecret together");
      var scope = ini.text("email/Scope").orElse("");
      return new Mail(sender, recipients, ini.text("email/Username").orElse(sender), ini.secret("email/Password"), host,
          ini.whole("email/Port", 587, 1, 65535), security,
          url.flatMap(u -> client.map(c -> new TokenDoor(u, c, scope))),
          ini.text("email/Subject").orElse("Ticket Spike Alert!"));
    }

    private static String address(String text) {
      return must(text, address -> address.matches("[^\\s@,;<>\"\\p{Cntrl}]+@[^\\s@,;<>\"\\p{Cntrl}]+"));
    }

    static boolean isLoopback(String host) { return host.matches("localhost|127(\\.\\d{1,3}){3}|\\[?::1]?"); }

    static <T> T must(T value, Predicate<T> sensible) {
      if (sensible.test(value)) return value;
      throw new IllegalArgumentException();
    }
  }

  /** OAuth client credentials. */
  record Client(String id, String secret) { }

  /** The Zendesk account: its host, where its API is, and how to sign in ({@code oauth} before {@code token}). */
  record Account(String host, URI base, Optional<Client> oauth, Optional<String> token, String query,
      int requestsPerMinute) { }

  /** Where an OAuth token for SMTP comes from. */
  record TokenDoor(URI url, Client client, String scope) { }

  record Mail(String sender, List<String> recipients, String username, Optional<String> password, String host, int port,
      Security security, Optional<TokenDoor> oauth, String subject) { }

  enum Security { STARTTLS, TLS, NONE }
  enum Repeat { EVERY, GROWTH, FIRST }
  enum YesNo { YES, NO }
  enum RuleName { MEAN, WEEKLY }

  /** auth.ini as text by {@code section/Key}, without case. Gathers every mistake and every key that is asked for. */
  static final class Ini {
    private static final Pattern LINE_NUMBER = Pattern.compile("at line: (\\d+)");
    final List<String> mistakes = new ArrayList<>();
    final List<String> secrets = new ArrayList<>();
    final Set<String> asked = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
    private final Map<String, String> values = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private final Path file;
    private final Map<String, String> env;
    private final Duration patience;
    private boolean holdsSecrets;

    /** @param patience with a command that prints a secret */
    Ini(Path file, Map<String, String> env, Duration patience) {
      this.file = file;
      this.env = env;
      this.patience = patience;
      var text = Disk.read(file, Exit.CONFIG).orElseThrow(() ->
          Exit.CONFIG.fault("%s: not found (expected a copy of auth.ini.example, or --config FILE)", file));
      var parser = new org.ini4j.Ini();
      parser.getConfig().setEscape(false); // a backslash in a password is a plain character,
      parser.getConfig().setEscapeNewline(false); // at its end too
      parser.getConfig().setMultiOption(true);
      try { parser.load(new StringReader(joinIndented(text))); }
      catch (IOException e) {
        var line = LINE_NUMBER.matcher(e.getMessage()); // the rest of the message may be a password
        throw Exit.CONFIG.fault("%s: line %s is neither [section] nor Key = value", file,
            line.find() ? line.group(1) : "?");
      }
      parser.forEach((section, keys) -> keys.keySet().forEach(key -> put(section, key, keys.getAll(key))));
    }

    /** Indented lines go on with a list; ini4j knows no such lines. The number of lines stays the same. */
    private static String joinIndented(String text) {
      var lines = new ArrayList<String>();
      int list = -1;
      for (var line : text.split("\\R", -1)) {
        boolean silent = line.matches("\\s*([#;].*)?");
        boolean goesOn = list >= 0 && line.matches("\\s++(?![#;]|[A-Za-z]+\\s*=).+");
        if (goesOn) lines.set(list, lines.get(list) + " " + line.strip());
        else if (!silent) list = lines.size();
        lines.add(goesOn ? "" : line);
      }
      return String.join("\n", lines);
    }

    private void put(String section, String key, List<String> given) {
      var name = (section.equalsIgnoreCase("mods") ? "misc" : section) + "/" + key;
      check(name, given.size() == 1 && !values.containsKey(name), "given twice", "once");
      values.put(name, unquoted(Objects.requireNonNullElse(given.get(0), "").strip()));
    }

    /** Notes a mistake unless all is well; the default is taken for the time being. */
    void check(String key, boolean well, String wrong, String expected) {
      if (!well) mistakes.add("%s: [%s: %s (expected %s)".formatted(file, key.replace("/", "] "), wrong, expected));
    }

    Optional<String> text(String key) {
      asked.add(key);
      return Optional.ofNullable(values.get(key)).filter(value -> !value.isEmpty());
    }

    <T> Optional<T> parsed(String key, String expected, Function<String, T> parse) {
      return text(key).flatMap(value -> {
        try { return Optional.of(parse.apply(value)); }
        catch (IllegalArgumentException | DateTimeException e) { // a URL may be secret
          check(key, false, key.endsWith("Url") ? "malformed" : "'%s'".formatted(value), expected);
          return Optional.empty();
        }
      });
    }

    String required(String key, String expected, UnaryOperator<String> parse) {
      check(key, text(key).isPresent(), "missing", expected);
      return parsed(key, expected, parse).orElse("missing");
    }

    private <N extends Number> Optional<N> within(String key, String kind, double least, double most,
        Function<String, N> parse) {
      return parsed(key, "%s from %.0f to %.0f".formatted(kind, least, most), text ->
          Config.must(parse.apply(text), n -> n.doubleValue() >= least && n.doubleValue() <= most));
    }

    int whole(String key, int fallback, int least, int most) {
      return within(key, "a whole number", least, most, Integer::valueOf).orElse(fallback);
    }

    double number(String key, double fallback, double least, double most) {
      return within(key, "a number", least, most, Double::valueOf).orElse(fallback);
    }

    <E extends Enum<E>> E choice(String key, E fallback) {
      var type = fallback.getDeclaringClass();
      return parsed(key, Stream.of(type.getEnumConstants()).map(e -> lower(e.name())).collect(joining(" or ")),
          text -> Enum.valueOf(type, text.toUpperCase(Locale.ROOT))).orElse(fallback);
    }

    /** The INI's own, which every path is relative to. */
    Path folder() { return file.toAbsolutePath().normalize().getParent(); }

    Path path(String key, String fallback) {
      return parsed(key, "a file name", text -> folder().resolve(text).normalize()).orElse(folder().resolve(fallback));
    }

    Optional<URI> url(String key) {
      return parsed(key, "an https URL, or http to loopback", text ->
          Config.must(URI.create(text.replaceFirst("/+$", "")), uri -> uri.getHost() != null
              && uri.getUserInfo() == null && ("https".equals(uri.getScheme())
              || "http".equals(uri.getScheme()) && Config.isLoopback(uri.getHost()))));
    }

    /** An address that is a password too. */
    Optional<URI> secretUrl(String key) {
      text(key).ifPresent(secrets::add);
      return url(key);
    }

    /** A JSON list of texts, or words between commas. */
    <T> List<T> list(String key, String expected, Function<String, T> parse) {
      return parsed(key, "a list of " + expected, text -> texts(text).map(parse).toList()).orElse(List.of());
    }

    private static Stream<String> texts(String value) {
      if (!value.startsWith("[")) return Stream.of(value.split(",")).map(String::strip).filter(s -> !s.isEmpty());
      try { return List.of(JSON.readValue(value, String[].class)).stream(); }
      catch (JsonProcessingException | NullPointerException e) { // List.of takes no null
        throw new IllegalArgumentException(e);
      }
    }

    /** From the environment, else the first line that KeyCommand prints, else the file. */
    Optional<String> secret(String key) {
      var fromFile = text(key);
      var command = text(key + "Command");
      holdsSecrets |= fromFile.isPresent();
      var secret = Optional.ofNullable(env.get("SPIKE_" + key.replace('/', '_').toUpperCase(Locale.ROOT)))
          .filter(value -> !value.isEmpty()).or(() -> command.flatMap(line -> output(key + "Command", line)))
          .or(() -> fromFile);
      secret.ifPresent(secrets::add);
      return secret;
    }

    private Optional<String> output(String key, String command) {
      try {
        var process = new ProcessBuilder("sh", "-c", command).directory(folder().toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try { return Optional.of(Deadline.within(patience, () -> firstLine(process))); }
        finally { Stream.concat(process.descendants(), Stream.of(process.toHandle())).forEach(ProcessHandle::destroy); }
      } catch (IOException e) {
        check(key, false, "failed, " + e.getMessage(), "a command that prints the secret");
        return Optional.empty();
      }
    }

    private static String firstLine(Process process) throws IOException, InterruptedException {
      process.getOutputStream().close();
      var line = process.inputReader(UTF_8).readLine(); // not to the end: an agent that it started may hold the pipe
      if (process.waitFor() == 0 && line != null && !line.isEmpty()) return line;
      throw new IOException("exit code %d%s".formatted(process.exitValue(), line == null ? ", no line" : ""));
    }

    private void warnIfOthersCanRead(World world) {
      try {
        var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        if (!holdsSecrets || rights.endsWith("---")) return;
        world.warn("%1$s: holds secrets and others can read it (%2$s): chmod 600 %1$s".formatted(file, rights));
      } catch (IOException e) {
        world.detail("%s: permissions not known (%s)".formatted(file, e));
      }
    }

    /** A warning for each key that nothing asks for, with the known one that shares most pairs of letters. */
    List<String> unknownKeys() {
      return values.keySet().stream().filter(key -> !asked.contains(key)).map(key -> {
        var near = asked.stream().max(Comparator.comparingDouble(known -> alike(known, key))).orElseThrow();
        return key.matches("\\w*/\\w*") ? "%s: [%s: unknown key, ignored (did you mean [%s?)".formatted(file,
            key.replace("/", "] "), near.replace("/", "] ")) // else it may be a piece of a password
            : "%s: [%s] has a line whose key is no word, ignored (expected Key = value)".formatted(file,
                key.replaceFirst("/.*", ""));
      }).toList();
    }

    private static double alike(String a, String b) {
      return (double) IntStream.range(1, a.length()).filter(i -> lower(b).contains(lower(a.substring(i - 1, i + 1))))
          .count() / (a.length() + b.length());
    }
  }

  static String lower(String text) { return text.toLowerCase(Locale.ROOT); }
  static String unquoted(String text) { return text.replaceAll("^\"(.*)\"$", "$1"); }

  // ==== Hour: which full hour is meant =================================================

  /** A full UTC hour {@code [from, to)}, as whole hours since 1970-01-01T00Z. */
  record Hour(long number) implements Comparable<Hour> {
    private static final DateTimeFormatter NAME = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH[:00[:00]'Z']")
        .withResolverStyle(java.time.format.ResolverStyle.STRICT);

    static Hour of(LocalDate date, int hourOfDay) { return new Hour(date.toEpochDay() * 24 + hourOfDay); }
    /** The hour that contains the instant. */
    static Hour of(Instant instant) { return new Hour(Math.floorDiv(instant.getEpochSecond(), 3600L)); }
    /** @throws DateTimeException when the text is no full UTC hour */
    static Hour parse(String text) { return of(LocalDateTime.parse(text, NAME).toInstant(ZoneOffset.UTC)); }
    static Hour lastFull(Clock clock) { return of(clock.instant()).plus(-1); }

    /** The hours from {@code first} up to and without {@code end}, oldest first. */
    static Stream<Hour> range(Hour first, Hour end) {
      return LongStream.range(first.number, end.number).mapToObj(Hour::new);
    }

    Instant from() { return Instant.ofEpochSecond(number * 3600); }
    Instant to() { return plus(1).from(); }
    Hour plus(long hours) { return new Hour(number + hours); }
    LocalDate date(ZoneId zone) { return LocalDate.ofInstant(from(), zone); }

    /** The hours that the local clock calls the same, {@code days} before: none or two around a clock change. */
    List<Hour> sameHour(int days, ZoneId zone) {
      if (zone.getRules().isFixedOffset()) return List.of(plus(-24L * days)); // the same, and quick
      var local = LocalDateTime.ofInstant(from(), zone).minusDays(days);
      return zone.getRules().getValidOffsets(local).stream().map(offset -> of(local.toInstant(offset))).toList();
    }

    /** Such as {@code 2026-11-24T13}, for file names. */
    String name() { return toString().substring(0, 13); }
    @Override public int compareTo(Hour other) { return Long.compare(number, other.number); }
    /** Such as {@code 2026-11-24T13:00Z}. */
    @Override public String toString() { return from().toString().replace(":00:00Z", ":00Z"); }
  }

  // ==== World: what the program sees of the machine ======================================

  /** Time that passes, whatever is done to the clock. */
  interface Ticker {
    default long nanos() { return System.nanoTime(); }
    default void sleep(long millis) throws InterruptedException { Thread.sleep(millis); }
  }

  /** How much is said: faults only, results and notes, or each request too. */
  enum Voice { QUIET, USUAL, VERBOSE }

  /**
   * Clock, waiting, environment and terminal; tests put in their own. Blots out every secret that it knows.
   *
   * @param patience for one HTTP answer; twice that for one mail
   * @param out      results
   * @param err      everything else
   */
  record World(Clock clock, Ticker ticker, Duration patience, Map<String, String> env, PrintWriter out,
      PrintWriter err, boolean terminal, AtomicReference<Voice> voice, Set<String> secrets) {

    World(Clock clock, Ticker ticker, Duration patience, Map<String, String> env, Writer out, Writer err,
        boolean terminal) {
      this(clock, ticker, patience, env, new PrintWriter(out, true), new PrintWriter(err, true), terminal,
          new AtomicReference<>(Voice.USUAL), ConcurrentHashMap.newKeySet());
    }

    static World real() {
      return new World(Clock.systemUTC(), new Ticker() { }, Duration.ofSeconds(90), System.getenv(),
          new OutputStreamWriter(System.out, UTF_8), new OutputStreamWriter(System.err, UTF_8),
          System.console() != null);
    }

    void pause(Duration time) {
      try { ticker.sleep(Math.max(0, time.toMillis())); }
      catch (InterruptedException e) { throw Exit.TRY_LATER.fault(e, "interrupted while waiting"); }
    }

    void hide(String secret) {
      if (secret.length() < 4) return; // would blot out half of every line
      secrets.addAll(List.of(secret, Base64.getEncoder().encodeToString(secret.getBytes(UTF_8)), encode(secret)));
    }

    void result(String text) { if (voice.get() != Voice.QUIET) say(out, text); }
    void note(String text) { if (voice.get() != Voice.QUIET) say(err, text); }
    void detail(String text) { if (voice.get() == Voice.VERBOSE) say(err, text); }
    void warn(String text) { say(err, text); }

    private synchronized void say(PrintWriter to, String text) {
      for (var secret : secrets) text = text.replace(secret, "***");
      to.println(text);
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

  /** Bounds what has no time limit of its own: an HTTP body, an SMTP talk, a password command. */
  static final class Deadline {
    interface Work<T, X extends Exception> { T run() throws X, IOException, InterruptedException; }

    /** @throws HttpTimeoutException when the work takes longer; what the work throws passes */
    @SuppressWarnings("unchecked") // what the work throws is an X, an IOException or unchecked
    static <T, X extends Exception> T within(Duration limit, Work<T, X> work) throws X, IOException {
      var task = new FutureTask<>(work::run);
      var thread = new Thread(task, "bounded");
      thread.setDaemon(true);
      thread.start();
      try {
        return task.get(limit.toMillis(), TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        throw new HttpTimeoutException("no whole answer within %d s".formatted(limit.toSeconds()));
      } catch (InterruptedException e) {
        throw Exit.TRY_LATER.fault(e, "interrupted");
      } catch (ExecutionException e) {
        if (e.getCause() instanceof Error bug) throw bug;
        throw (X) e.getCause();
      } finally {
        task.cancel(true);
      }
    }
  }

  // ==== Http: one request, its retries, and what a refusal means ========================

  /** Strict: a text is no number and 1.5 is no count, so that nonsense never becomes a plausible count. */
  static final ObjectMapper JSON = JsonMapper.builder().disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
      .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT, DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
      .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES, DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
      .build();

  static String encode(String text) { return URLEncoder.encode(text, UTF_8); }

  /** HTTP with one retry loop for everything. Redirects are never followed: they would carry the credentials. */
  record Http(World world, HttpClient client) {
    private static final int TRIES = 5;
    private static final Duration CONNECT_TIME = Duration.ofSeconds(10);
    private static final Duration LONGEST_WAIT = Duration.ofMinutes(2); // a limit resets within a minute
    private static final int LONGEST_REASON = 16_384; // bytes read of an error page

    /** A body as a value; throws IOException on nonsense, which is asked for again. */
    interface Reader<T> { T read(InputStream body, HttpHeaders headers) throws IOException; }

    /** A final refusal as the fault to show. */
    interface Refusal { Fault of(int status, String reason); }

    /** An answer that may be better soon; {@code wait} null when the server named none. */
    private static final class Temporary extends IOException {
      private static final long serialVersionUID = 1;
      final transient Duration wait;

      Temporary(String message, Duration wait) {
        super(message);
        this.wait = wait;
      }
    }

    Http(World world) {
      this(world, HttpClient.newBuilder().connectTimeout(CONNECT_TIME).followRedirects(HttpClient.Redirect.NEVER)
          .version(HttpClient.Version.HTTP_1_1).build());
    }

    /** @throws Fault the refusal's, or ZENDESK after five tries */
    <T> T send(Supplier<HttpRequest> request, Reader<T> reader, Refusal refusal) {
      for (int tried = 1;; tried++) {
        var asked = request.get();
        var host = asked.uri().getHost();
        try {
          return Deadline.within(world.patience(), () -> attempt(asked, reader, refusal));
        } catch (IOException e) {
          if (causes(e).anyMatch(java.security.cert.CertificateException.class::isInstance)) throw Exit.ZENDESK
              .fault(e, "%s: its certificate is refused: %s (expected a valid one for that name)", host, reason(e));
          var wait = e instanceof Temporary t && t.wait != null ? t.wait
              : Duration.ofMillis((1000L << (tried - 1)) + ThreadLocalRandom.current().nextInt(500));
          if (tried == TRIES || wait.compareTo(LONGEST_WAIT) > 0) {
            throw Exit.ZENDESK.fault(e, "%s: %s (tried %d times)", host, reason(e), tried);
          }
          world.detail("%s: %s, again in %.1f s".formatted(host, reason(e), wait.toMillis() / 1000.0));
          world.pause(wait);
        }
      }
    }

    private <T> T attempt(HttpRequest request, Reader<T> reader, Refusal refusal)
        throws IOException, InterruptedException {
      long start = System.nanoTime();
      var answer = client.send(request, HttpResponse.BodyHandlers.ofInputStream());
      int status = answer.statusCode();
      var headers = answer.headers();
      world.detail("%s %s: %d in %d ms".formatted(request.method(), URLDecoder.decode(request.uri().toString(), UTF_8),
          status, (System.nanoTime() - start) / 1_000_000));
      try (var raw = answer.body()) {
        var body = headers.firstValue("content-encoding").orElse("").equals("gzip")
            ? new java.util.zip.GZIPInputStream(raw) : raw;
        if (status / 100 == 2) return reader.read(body, headers);
        var reason = plain(new String(body.readNBytes(LONGEST_REASON), UTF_8));
        if (status >= 500 || status == 429 || status == 409 || reason.startsWith("unavailable")) {
          throw new Temporary("answers %d %s".formatted(status, reason), retryAfter(headers));
        }
        throw refusal.of(status, status / 100 != 3 ? reason
            : "redirect to " + oneLine(headers.firstValue("location").orElse("nowhere")));
      }
    }

    /** Zendesk gives seconds; RFC 9110 allows a date too, for which the growing wait serves. */
    private static Duration retryAfter(HttpHeaders headers) {
      return headers.firstValue("retry-after").map(String::strip).filter(value -> value.matches("\\d{1,9}"))
          .map(value -> Duration.ofSeconds(Long.parseLong(value))).orElse(null);
    }

    private static String reason(IOException e) {
      if (e instanceof JsonProcessingException json) return "no sense in its answer (%s)"
          .formatted(oneLine(json.getOriginalMessage().lines().findFirst().orElse("")));
      return causes(e).anyMatch(UnresolvedAddressException.class::isInstance) ? "no such host"
          : oneLine(Objects.requireNonNullElse(e.getMessage(), e.toString()));
    }

    static Stream<Throwable> causes(Throwable e) { return Stream.iterate(e, Objects::nonNull, Throwable::getCause); }

    /** Zendesk's error envelopes, {@code error} being a text or an object, as one line. */
    static String plain(String body) {
      try {
        var json = JSON.readTree(body);
        var first = json.path("errors").path(0);
        return oneLine(Stream.of(json.at("/error/title"), json.at("/error/message"), json.path("error"),
            json.path("description"), json.path("error_description"), json.path("details").findPath("description"),
            first.path("title"), first.path("detail"))
            .filter(JsonNode::isTextual).map(JsonNode::asText).distinct().collect(joining(": ")));
      } catch (JsonProcessingException e) {
        return oneLine(body.stripLeading().startsWith("<") ? "(a web page)" : body);
      }
    }

    /** @throws IOException when the answer is no such value */
    static <T> T json(InputStream answer, Class<T> type) throws IOException {
      return sensible(JSON.readValue(answer, type), Objects::nonNull, "an empty answer");
    }

    static <T> T sensible(T value, Predicate<T> test, String otherwise) throws IOException {
      if (test.test(value)) return value;
      throw new IOException(otherwise);
    }

    static String oneLine(String text) {
      var line = text.replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
      return line.length() > 200 ? line.substring(0, 200) + "\u2026" : line;
    }

    /** An access token by OAuth client credentials (RFC 6749, 4.4), for Zendesk and for SMTP alike. */
    Token token(URI url, Client client, String scope, Exit exit, String where) {
      var form = Map.of("grant_type", "client_credentials", "client_id", client.id(), "client_secret", client.secret(),
          "scope", scope);
      boolean asJson = url.getPath().equals("/oauth/tokens"); // Zendesk documents JSON, the RFC says a form
      var body = asJson ? JSON.valueToTree(form).toString() : form.entrySet().stream()
          .map(e -> e.getKey() + "=" + encode(e.getValue())).collect(joining("&"));
      var token = send(() -> HttpRequest.newBuilder(url).header("Accept", "application/json")
          .header("Content-Type", asJson ? "application/json" : "application/x-www-form-urlencoded")
          .POST(HttpRequest.BodyPublishers.ofString(body)).build(),
          (in, headers) -> sensible(json(in, Token.class), t -> t.access_token != null
              && t.access_token.matches("[\\x21-\\x7e]+"), "no access_token in its answer"),
          (status, reason) -> (status == 400 || status == 401 || status == 403 ? Exit.REFUSED : exit).fault(
              "%s: %s answers %d %s (check ClientId, ClientSecret and scope)", where, url.getHost(), status, reason));
      world.hide(token.access_token());
      return token;
    }
  }

  /** @param expires_in seconds, or null for Zendesk's usual 30 minutes */
  record Token(String access_token, Long expires_in) {
    /** Seconds until a new one should be asked for, a minute before its end. */
    long life() { return Math.max(30, (expires_in == null ? 1800 : expires_in) - 60); }
  }

  // ==== Zendesk: which tickets were created in the hour ================================

  /** A ticket of a search answer; {@code created_at} in UTC, {@code tags} as sent. */
  record Ticket(Long id, String created_at, String subject, Long requester_id, List<String> tags, String result_type) {
    /** @throws DateTimeException for a time that is none; Jackson makes an IOException of it */
    Ticket {
      tags = tags == null ? List.of() : tags.stream().filter(Objects::nonNull).toList();
      if (created_at != null) Instant.parse(created_at);
    }

    Instant created() { return Instant.parse(created_at); }
  }

  /** What search, search/export and search/count answer, as far as it is read here. */
  record Found(Long count, List<Ticket> results, String next_page, Links links, Meta meta, JsonNode error) {
    record Links(String next) { }
    record Meta(boolean has_more) { }

    /** The tickets alone: without {@code type:ticket} users and others are mixed in. */
    List<Ticket> tickets() {
      return results.stream().filter(r -> r.result_type() == null || r.result_type().equals("ticket")).toList();
    }

    Optional<String> next() {
      var next = links == null ? next_page : meta != null && meta.has_more() ? links.next() : null;
      return Optional.ofNullable(next).filter(link -> !results.isEmpty());
    }
  }

  /** The search API: counts of, and tickets from, half-open spans of UTC time. */
  static final class Zendesk {
    static final int SEARCH_MOST = 1000;       // search gives no more results, the rest is export's
    static final int PAGE = 1000;              // of export
    private static final int SMALL_PAGE = 100; // when a big page is too slow for Zendesk
    private static final int BURST = 10;       // requests that need not be paced

    final AtomicInteger requests = new AtomicInteger();
    volatile String serverDate = ""; // header of the latest answer
    private final Account account;
    private final World world;
    private final Http http;
    private Token token;
    private long tokenEnds;
    private long nextSlot;

    Zendesk(Account account, World world) {
      this.account = account;
      this.world = world;
      this.http = new Http(world);
      this.nextSlot = world.ticker().nanos();
      if (account.oauth().isEmpty() && !world.clock().instant().isBefore(Instant.parse("2027-01-01T00:00:00Z"))) {
        world.warn("[zendesk] Credentials: Zendesk ends API tokens on 30 Apr 2027; make an OAuth client and set "
            + "ClientId and ClientSecret");
      }
    }

    long count(Hour hour) { return count(hour.from(), hour.to()); }

    /** Tickets created in {@code [from, to)}, exact past 1,000 too. */
    long count(Instant from, Instant to) { return count(from, to, account.query()); }

    long count(Instant from, Instant to, String query) {
      return get("/api/v2/search/count.json?query=" + words("type:ticket", from, to, query), found ->
          Http.sensible(found.count(), n -> n != null && n >= 0, "no count in its answer"));
    }

    /** Every ticket of the hour, once each: by search up to 1,000, by export beyond. */
    void tickets(Hour hour, long count, Consumer<Ticket> each) {
      var seen = new HashSet<Long>();
      Predicate<List<Ticket>> page = tickets -> {
        tickets.stream().filter(ticket -> seen.add(ticket.id())).forEach(each);
        return count > SEARCH_MOST || seen.size() < SEARCH_MOST;
      };
      if (count > SEARCH_MOST) export(hour.from(), hour.to(), page);
      else pages("/api/v2/search.json?per_page=100&sort_by=created_at&sort_order=asc&query="
          + words("type:ticket", hour.from(), hour.to(), account.query()), page);
    }

    /**
     * The tickets of {@code [from, to)}, newest first, page by page while {@code goOn} says so. A cursor lives an
     * hour: when one is refused the reading starts anew at the last second seen, so callers drop known ids.
     */
    void export(Instant from, Instant to, Predicate<List<Ticket>> goOn) {
      var oldest = new AtomicReference<>(to);
      int size = PAGE;
      for (int restarts = 0;; restarts++) {
        var end = oldest.get();
        try {
          pages("/api/v2/search/export.json?filter%5Btype%5D=ticket&page%5Bsize%5D=" + size + "&query="
              + words("", from, end, account.query()), tickets -> {
                tickets.stream().map(ticket -> ticket.created().plusSeconds(1)).min(Comparator.naturalOrder())
                    .filter(oldest.get()::isAfter).ifPresent(oldest::set);
                return goOn.test(tickets);
              });
          return;
        } catch (Fault e) {
          boolean stuck = oldest.get().equals(end) && size == SMALL_PAGE;
          if (e.exit != Exit.ZENDESK || restarts == 3 || stuck) throw e;
          size = SMALL_PAGE;
          world.detail("export goes on before %s: %s".formatted(oldest.get(), e.getMessage()));
        }
      }
    }

    /** Hands on the tickets of page after page while {@code goOn} says so. */
    private void pages(String first, Predicate<List<Ticket>> goOn) {
      var followed = new HashSet<String>();
      for (var next = Optional.of(first); next.isPresent();) {
        if (!followed.add(next.get())) {
          throw Exit.ZENDESK.fault("%s: a next page that was read already", account.host());
        }
        var page = get(next.get(), found -> {
          Http.sensible(found.results(), all -> all != null && !all.contains(null), "no results in its answer");
          return new Page(Http.sensible(found.tickets(), all -> all.stream().allMatch(ticket -> ticket.id() != null
              && ticket.created_at() != null), "a ticket without id or time"), found.next());
        });
        next = goOn.test(page.tickets()) ? page.next() : Optional.empty();
      }
    }

    /** Blank-free operators and full UTC instants: anything else Zendesk takes for free text. */
    private static String words(String type, Instant from, Instant to, String query) {
      return encode("%s created>=%s created<%s %s".formatted(type, from, to, query).strip());
    }

    private record Page(List<Ticket> tickets, Optional<String> next) { }
    private interface FoundReader<T> { T read(Found found) throws IOException; }

    private <T> T get(String link, FoundReader<T> use) {
      var uri = link.startsWith("/") ? URI.create(account.base() + link) : ownOrigin(link);
      world.pause(slot());
      requests.incrementAndGet();
      return http.send(() -> HttpRequest.newBuilder(uri).header("Accept", "application/json")
          .header("Accept-Encoding", "gzip").header("Authorization", authorization()).build(), (body, headers) -> {
            Http.sensible(headers.firstValue("content-type").orElse(""), type -> !type.contains("html"), "answers with "
                + "a web page, not JSON: no Zendesk API is at this address, or the account is closed");
            var found = Http.json(body, Found.class);
            if (found.error() != null) {
              throw new IOException("answers " + Http.plain("{\"error\":" + found.error() + "}"));
            }
            heed(headers);
            serverDate = headers.firstValue("date").orElse(serverDate);
            return use.read(found);
          }, this::refusal);
    }

    private URI ownOrigin(String link) {
      try {
        var uri = new URI(link);
        if (account.base().getScheme().equals(uri.getScheme())
            && account.base().getAuthority().equalsIgnoreCase(uri.getAuthority())) return uri;
        throw Exit.ZENDESK.fault("%s: its next page is at another host, %s: refused, nothing was sent there",
            account.host(), uri.getHost());
      } catch (URISyntaxException e) {
        throw Exit.ZENDESK.fault(e, "%s: its next page is no URL", account.host());
      }
    }

    private synchronized String authorization() {
      if (account.oauth().isEmpty()) {
        return "Basic " + Base64.getEncoder().encodeToString(account.token().orElseThrow().getBytes(UTF_8));
      }
      if (token == null || world.ticker().nanos() > tokenEnds) {
        requests.incrementAndGet();
        token = http.token(URI.create(account.base() + "/oauth/tokens"), account.oauth().get(), "read",
            Exit.ZENDESK, "[zendesk]");
        tokenEnds = world.ticker().nanos() + TimeUnit.SECONDS.toNanos(token.life());
      }
      return "Bearer " + token.access_token();
    }

    /** How long the next request has to wait, so that the account's other integrations keep their share. */
    private synchronized Duration slot() {
      long interval = TimeUnit.MINUTES.toNanos(1) / account.requestsPerMinute();
      long now = world.ticker().nanos();
      long mine = Math.max(nextSlot, now - BURST * interval);
      nextSlot = mine + interval;
      return Duration.ofNanos(Math.max(0, mine - now));
    }

    /** Waits for the account's limit to reset when others have used it up to a tenth. */
    private synchronized void heed(HttpHeaders headers) {
      long left = number(headers, "ratelimit-remaining", "rate-limit-remaining", "x-rate-limit-remaining");
      long limit = number(headers, "ratelimit-limit", "rate-limit", "x-rate-limit");
      long reset = Math.min(60, number(headers, "ratelimit-reset", "rate-limit-reset")); // seconds
      if (left < 0 || reset < 0 || left * 10 >= limit) return;
      nextSlot = Math.max(nextSlot, world.ticker().nanos() + TimeUnit.SECONDS.toNanos(reset));
    }

    /** The first of the headers that is there, else -1. */
    private static long number(HttpHeaders headers, String... names) {
      return Stream.of(names).flatMap(name -> headers.firstValue(name).stream())
          .filter(value -> value.matches("\\d{1,9}")).mapToLong(Long::parseLong).findFirst().orElse(-1);
    }

    private Fault refusal(int status, String reason) {
      var advice = switch (status) {
        case 401 -> account.oauth().isPresent() ? "check ClientId and ClientSecret"
            : "check Credentials; unused API tokens are switched off, no new ones can be made since 27 Oct 2026 and "
                + "all end on 30 Apr 2027: make an OAuth client";
        case 403 -> "the client's user must be an admin or an agent with access to all tickets";
        case 404 -> "check Domain";
        case 400, 422 -> "check Query";
        default -> status / 100 == 3 ? "not followed; set Domain to the account's own subdomain" : "unexpected";
      };
      return (status == 401 || status == 403 ? Exit.REFUSED : Exit.ZENDESK).fault("[zendesk] %s answers %d %s (%s)",
          account.base().getHost(), status, reason, advice);
    }
  }

  // ==== History: what did earlier hours hold ===========================================

  /** The known counts by hour from {@code first} on, -1 for unknown, which is never 0. Immutable. */
  record Counts(long first, long[] count) {
    Counts(NavigableMap<Hour, Long> known) {
      this(known.isEmpty() ? 0 : known.firstKey().number(), known.isEmpty() ? new long[0]
          : Hour.range(known.firstKey(), known.lastKey().plus(1)).mapToLong(h -> known.getOrDefault(h, -1L)).toArray());
    }

    OptionalLong at(Hour hour) {
      long i = hour.number() - first;
      return i >= 0 && i < count.length && count[(int) i] >= 0 ? OptionalLong.of(count[(int) i]) : OptionalLong.empty();
    }

    /** The known hours, oldest first. */
    List<Hour> hours() {
      return Hour.range(new Hour(first), new Hour(first + count.length)).filter(h -> at(h).isPresent()).toList();
    }

    /** The mean of {@code [from, to)}, or empty when fewer than {@code least} of its hours are known. */
    OptionalDouble mean(Hour from, Hour to, int least) {
      int a = (int) Math.max(0, Math.min(count.length, from.number() - first));
      int b = (int) Math.max(a, Math.min(count.length, to.number() - first));
      var known = Arrays.stream(count, a, b).filter(n -> n >= 0).summaryStatistics();
      return known.getCount() < least ? OptionalDouble.empty() : OptionalDouble.of(known.getAverage());
    }
  }

  /** The CSV file behind the counts. Written whole or not at all; a file that makes no sense is never overwritten. */
  record History(Path file, boolean writable, NavigableMap<Hour, Long> known) {
    private static final Pattern COUNT = Pattern.compile("(\\d{1,15})(?:\\.0+)?");
    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("uuuu-MM-dd[ HH:mm[:ss]]['T'HH:mm[:ss]]");

    /**
     * Reads {@code date,00,...,23}, one row a UTC date, an empty cell for unknown; or the layout of the Python
     * script: nameless first column, columns 0 to 23 in any order, {@code 12.0} for 12. A spreadsheet's byte
     * order mark, line ends and semicolons do no harm. No file is an empty history.
     *
     * @param writable false for a dry run, whose {@link #save} does nothing
     * @throws Fault HISTORY, naming file, line and column, when a line makes no sense
     */
    static History open(Path file, boolean writable) {
      var history = new History(file, writable, new TreeMap<>());
      Disk.read(file, Exit.HISTORY).ifPresent(text -> history.read(text.lines().toList()));
      return history;
    }

    private void read(List<String> lines) {
      var header = lines.isEmpty() ? "" : lines.get(0);
      var comma = header.contains(";") ? ";" : ",";
      var hours = hoursOf(cells(header, comma));
      var dates = new HashSet<LocalDate>();
      for (int line = 2; line <= lines.size(); line++) {
        var row = lines.get(line - 1);
        if (!row.replace(comma, "").isBlank()) readRow(line, cells(row, comma), hours, dates);
      }
    }

    private static List<String> cells(String line, String comma) {
      return Stream.of(line.split(comma, -1)).map(cell -> unquoted(cell.strip())).toList();
    }

    private List<Integer> hoursOf(List<String> header) {
      var hours = new ArrayList<Integer>();
      for (var name : header.subList(1, header.size())) {
        check(name.matches("[01]?\\d|2[0-3]") && !hours.contains(Integer.valueOf(name)), 1, name, quoted(name),
            "each of 00 to 23 once");
        hours.add(Integer.valueOf(name));
      }
      check(!hours.isEmpty() && header.get(0).matches("(?i)date|"), 1, "1", quoted(header.get(0)),
          "date,00,01,\u2026,23");
      return hours;
    }

    private void readRow(int line, List<String> cells, List<Integer> hours, Set<LocalDate> dates) {
      check(cells.size() == hours.size() + 1, line, "1", cells.size() + " cells",
          hours.size() + 1 + " as in the header");
      var date = date(line, cells.get(0));
      check(dates.add(date), line, "date", date + " again", "one row a date");
      for (int i = 0; i < hours.size(); i++) {
        var cell = cells.get(i + 1);
        var count = COUNT.matcher(cell);
        if (count.matches()) put(Hour.of(date, hours.get(i)), Long.parseLong(count.group(1)));
        else check(cell.isEmpty(), line, "%02d".formatted(hours.get(i)), quoted(cell),
            "a count, or nothing for an unknown hour");
      }
    }

    private LocalDate date(int line, String cell) {
      try { return Config.must(LocalDate.parse(cell, DATE), date -> date.getYear() >= 1900 && date.getYear() < 2200); }
      catch (IllegalArgumentException | DateTimeException e) { // a year far off would make Counts as large as the gap
        throw fault(line, "date", quoted(cell), "a date such as 2026-11-23");
      }
    }

    private static String quoted(String cell) { return "'" + Http.oneLine(cell) + "'"; }

    private void check(boolean well, int line, String column, String wrong, String expected) {
      if (!well) throw fault(line, column, wrong, expected);
    }

    private Fault fault(int line, String column, String wrong, String expected) {
      return Exit.HISTORY.fault("%s: line %d, column %s: %s (expected %s)", file, line, Http.oneLine(column), wrong,
          expected);
    }

    Counts counts() { return new Counts(known); }
    OptionalLong at(Hour hour) { return knows(hour) ? OptionalLong.of(known.get(hour)) : OptionalLong.empty(); }
    void put(Hour hour, long count) { known.put(hour, count); }
    boolean knows(Hour hour) { return known.containsKey(hour); }
    /** The newest known hour up to {@code last}, or null. */
    Hour newest(Hour last) { return known.floorKey(last); }
    List<Hour> unknown(Hour from, Hour to) { return Hour.range(from, to).filter(hour -> !knows(hour)).toList(); }

    void save() {
      if (!writable) return;
      var text = new StringBuilder("date");
      IntStream.range(0, 24).forEach(i -> text.append(",%02d".formatted(i)));
      for (var date : known.keySet().stream().map(hour -> hour.date(ZoneOffset.UTC)).distinct().toList()) {
        text.append('\n').append(date);
        IntStream.range(0, 24).mapToObj(i -> known.get(Hour.of(date, i)))
            .forEach(count -> text.append(',').append(count == null ? "" : count));
      }
      Disk.write(file, text.append('\n').toString());
    }
  }

  /** Files that survive a kill, and that a link planted in a folder cannot send elsewhere. */
  static final class Disk {
    private static final FileAttribute<?> OWNER_READS = PosixFilePermissions.asFileAttribute(
        PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<?> OWNER_ENTERS = PosixFilePermissions.asFileAttribute(
        PosixFilePermissions.fromString("rwx------"));

    interface Work<T> { T run() throws IOException; }

    /** @throws Fault HISTORY when the work cannot be done */
    static <T> T writing(Path file, Work<T> work) {
      try { return work.run(); }
      catch (IOException e) { throw Exit.HISTORY.fault(e, "%s: cannot be written (%s)", file, e); }
    }

    /** UTF-8 text without the byte order mark that spreadsheets put before it; empty when there is no such file. */
    static Optional<String> read(Path file, Exit exit) {
      try { return Optional.of(Files.readString(file).replaceFirst("^\uFEFF", "")); }
      catch (NoSuchFileException e) { return Optional.empty(); }
      catch (IOException e) { throw exit.fault(e, "%s: cannot be read as UTF-8 text (%s)", file, e); }
    }

    /** Temp sibling, fsync, atomic move: a reader or a kill sees the old file or the new one. Owner alone reads. */
    static void write(Path file, String content) {
      var part = file.resolveSibling(file.getFileName() + ".part");
      writing(file, () -> {
        folder(file.getParent());
        Files.deleteIfExists(part);
        try (var channel = FileChannel.open(part, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            OWNER_READS)) {
          for (var bytes = ByteBuffer.wrap(content.getBytes(UTF_8)); bytes.hasRemaining();) channel.write(bytes);
          channel.force(true);
        }
        return move(part, file);
      });
    }

    static Path move(Path from, Path to) throws IOException {
      folder(to.getParent());
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
      try (var folder = FileChannel.open(to.getParent())) { // the new name must outlive a power cut too
        folder.force(true);
      }
      return to;
    }

    static Path folder(Path folder) throws IOException { return Files.createDirectories(folder, OWNER_ENTERS); }
  }

  /** One run at a time per history. */
  static final class Lock {
    static <T> T during(Path history, Supplier<T> run) {
      var file = history.resolveSibling(history.getFileName() + ".lock");
      return Disk.writing(file, () -> {
        Disk.folder(file.getParent());
        try (var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS); var lock = channel.tryLock()) {
          if (lock != null) return run.get();
          throw Exit.TRY_LATER.fault("%s: another run holds the lock", file);
        } catch (OverlappingFileLockException e) { // held by this same process
          throw Exit.TRY_LATER.fault(e, "%s: another run holds the lock", file);
        }
      });
    }
  }

  // ==== Fill: how do unknown hours become known ========================================

  /** Reads the hours of the last NumHours that the history lacks, by the cheaper of export and counts. */
  record Fill(Zendesk zendesk, History history, Rule rule, World world, long started) {
    private static final Duration MOST = Duration.ofMinutes(45); // then the run judges with what it has
    private static final int AT_ONCE = 8;
    private static final int BATCH = 48;      // hours that a kill may lose
    private static final int FEW = 3;         // so few are counted without asking for the total first

    /** Up to and without {@code due}; from there to {@code judged} the judging counts the hours itself. */
    void before(Hour due, Hour judged) {
      var gap = history.unknown(judged.plus(-rule.numHours()), due);
      if (gap.isEmpty()) return;
      world.note("filling %d unknown hours of the last %d from Zendesk".formatted(gap.size(), rule.numHours()));
      if (gap.size() > FEW) {
        long total = zendesk.count(gap.get(0).from(), gap.get(gap.size() - 1).to());
        if ((total + Zendesk.PAGE - 1) / Zendesk.PAGE < gap.size() && byExport(gap, total)) return;
      }
      byCount(due, gap.stream().filter(hour -> !history.knows(hour)));
    }

    private boolean late() {
      boolean late = world.ticker().nanos() - started >= MOST.toNanos();
      if (late) world.warn("the fill took %d minutes; the next run goes on with it".formatted(MOST.toMinutes()));
      return late;
    }

    /** False when the export did not bring all, and the hours still unknown have to be counted one by one. */
    private boolean byExport(List<Hour> gap, long total) {
      var buckets = new Buckets(new TreeSet<>(gap), history);
      var progress = new Progress("tickets", total, world);
      var late = new AtomicBoolean();
      try {
        zendesk.export(gap.get(0).from(), gap.get(gap.size() - 1).to(), page -> {
          buckets.add(page);
          history.save();
          progress.show(buckets.seen.size());
          late.set(late());
          return !late.get();
        });
      } catch (Fault e) {
        if (e.exit != Exit.ZENDESK) throw e;
        world.warn("export failed, so the hours are counted one by one: " + e.getMessage());
        return false;
      }
      if (late.get()) return true;
      if (total - buckets.seen.size() > Math.max(10, total / 100)) { // a few may have been deleted meanwhile
        world.warn("export gave %d of %d tickets, so the other hours are counted one by one"
            .formatted(buckets.seen.size(), total));
        return false;
      }
      buckets.gap.forEach(buckets::store);
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

      Buckets(NavigableSet<Hour> gap, History history) {
        this.gap = gap;
        this.history = history;
        this.oldest = gap.last().plus(1);
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
        if (ordered) gap.subSet(oldest, false, before, true).forEach(this::store);
      }

      private void store(Hour hour) { history.put(hour, counts.getOrDefault(hour, 0L)); }
    }

    /** The newest hour first, since it tells the next run what was judged; then the judged hour's own samples. */
    private void byCount(Hour due, Stream<Hour> unknown) {
      var gap = unknown.sorted(Comparator.comparing((Hour hour) -> !hour.equals(due.plus(-1)))
          .thenComparing(hour -> Math.floorMod(due.number() - hour.number(), 24L) != 0)
          .thenComparing(Comparator.reverseOrder())).toList();
      var progress = new Progress("hours", gap.size(), world);
      var pool = Executors.newFixedThreadPool(AT_ONCE);
      try {
        for (int done = 0; done < gap.size() && !late(); done += BATCH) {
          int end = Math.min(gap.size(), done + BATCH);
          countAll(gap.subList(done, end), pool);
          progress.show(end);
        }
      } finally {
        pool.shutdownNow();
      }
    }

    /** Stores what could be counted before it passes on the first fault. */
    private void countAll(List<Hour> batch, ExecutorService pool) {
      var counts = batch.stream().map(hour -> pool.submit(() -> zendesk.count(hour))).toList();
      try {
        for (int i = 0; i < batch.size(); i++) history.put(batch.get(i), counts.get(i).get());
      } catch (InterruptedException e) {
        throw Exit.TRY_LATER.fault(e, "interrupted");
      } catch (ExecutionException e) {
        throw e.getCause() instanceof RuntimeException known ? known : new IllegalStateException(e);
      } finally {
        counts.forEach(count -> count.cancel(true));
        history.save();
      }
    }
  }

  /** A bar with the time left on a terminal, a line a minute elsewhere. */
  static final class Progress {
    private static final int BAR = 30; // characters
    private final String what;
    private final long all;
    private final World world;
    private final long start = System.nanoTime();
    private long shown = start;

    Progress(String what, long all, World world) {
      this.what = what;
      this.all = all;
      this.world = world;
    }

    void show(long done) {
      long now = System.nanoTime();
      if (world.voice().get() == Voice.QUIET || !world.terminal() && now - shown < TimeUnit.MINUTES.toNanos(1)) return;
      shown = now;
      long left = TimeUnit.NANOSECONDS.toSeconds((now - start) / Math.max(1, done) * Math.max(0, all - done));
      var text = "%d of %d %s, about %d:%02d left".formatted(done, all, what, left / 60, left % 60);
      int full = (int) Math.min(BAR, done * BAR / Math.max(1, all));
      if (!world.terminal()) world.warn(text);
      else world.err().printf("\r[%s%s] %s %s", "=".repeat(full), " ".repeat(BAR - full), text,
          done >= all ? "\n" : "").flush();
    }
  }

  // ==== Verdict: is this hour a spike ==================================================

  /** The rule's settings: see the table in README.md. */
  record Rule(RuleName name, int numHours, double threshold, double deviations, double minExtra, int minTickets,
      int minSamples, Set<LocalDate> ignoredDays, ZoneId zone) {
    private static final int WEEKS = 13;
    private static final int WEEK = 168; // hours

    Rule with(RuleName newName, double newThreshold, double newDeviations) {
      return new Rule(newName, numHours, newThreshold, newDeviations, minExtra, minTickets, minSamples, ignoredDays,
          zone);
    }

    boolean isWeekly() { return name == RuleName.WEEKLY; }

    Verdict judge(Counts counts, Hour hour, long count) {
      var samples = samples(counts, hour);
      return judge(hour, count, samples, usual(counts, hour, samples));
    }

    Verdict judge(Hour hour, long count, Samples samples, Optional<Usual> usual) {
      if (usual.isEmpty()) return new Learning(hour, count, samples.known().size());
      double limit = isWeekly() ? least(usual.get()) : (1 + threshold) * usual.get().mean();
      return missed(count, usual.get()).isEmpty() ? new Spike(hour, count, usual.get(), limit)
          : new Calm(hour, count, usual.get(), limit);
    }

    /** Which earlier hours the hour is compared with. */
    Samples samples(Counts counts, Hour hour) {
      if (!isWeekly()) return samples(counts, hour, 0, numHours / 24 + 1, 1);
      var weeks = samples(counts, hour, 1, WEEKS, 7);
      return weeks.known().size() >= 4 ? weeks : samples(counts, hour, 1, 28, 1);
    }

    private Samples samples(Counts counts, Hour hour, int first, int last, int step) {
      var samples = new Samples(step == 7, new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
      for (int k = first; k <= last; k++) {
        for (var past : hour.sameHour(k * step, zone)) {
          long back = hour.number() - past.number();
          var count = counts.at(past);
          if (back <= 0 || !isWeekly() && back > numHours) continue;
          if (!ignoredDays.isEmpty() && ignoredDays.contains(past.date(zone))) samples.ignored().add(past);
          else if (count.isEmpty()) samples.unknown().add(past);
          else samples.known().add(new Sample(past, count.getAsLong()));
        }
      }
      return samples;
    }

    /** What the hour usually holds; empty while there is too little history to say. */
    Optional<Usual> usual(Counts counts, Hour hour, Samples samples) {
      double[] v = samples.known().stream().mapToDouble(Sample::count).toArray();
      if (v.length < Math.max(minSamples, isWeekly() && !samples.weekly() ? 7 : 1)) return Optional.empty();
      return Optional.of(isWeekly() ? weekly(v, samples.weekly(), counts, hour)
          : new Usual(mean(v), v.length, OptionalDouble.empty(), 1, Double.POSITIVE_INFINITY));
    }

    private static double mean(double[] v) { return DoubleStream.of(v).sum() / v.length; }

    /** The variance that hourly ticket counts of mean m have as a rule; it weighs as much as four samples. */
    private static double usualVariance(double m) { return Math.max(m, 1) + 0.3 * m * 0.3 * m; }

    /** Same weekday and hour, distance in that hour's own usual spread; without enough weeks, the last 28 days. */
    private static Usual weekly(double[] past, boolean weeks, Counts counts, Hour hour) {
      int n = past.length;
      double middle = median(past);
      double cap = weeks ? middle + 3 * Math.sqrt(usualVariance(middle)) : Double.POSITIVE_INFINITY;
      double level = weeks ? level(counts, hour) : 1;
      double[] v = DoubleStream.of(past).map(x -> Math.min(x, cap) * level).toArray();
      double m = mean(v);
      double squares = DoubleStream.of(v).map(x -> (x - m) * (x - m)).sum(); // (n - 1) times the sample variance
      double variance = (squares + 4 * usualVariance(m)) / (n + 3);
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
      var sorted = DoubleStream.of(v).sorted().toArray();
      return (sorted[(v.length - 1) / 2] + sorted[v.length / 2]) / 2;
    }

    /** The keys whose bars the count does not pass; a spike misses none. */
    List<String> missed(long count, Usual usual) {
      double bar = (1 + threshold) * usual.mean();
      var missed = new ArrayList<String>(0);
      if (isWeekly() ? count < bar : count <= bar) missed.add("SpikeThreshold");
      if (isWeekly() && usual.z(count).orElseThrow() < deviations) missed.add("Deviations");
      if (isWeekly() && count - usual.mean() < minExtra) missed.add("MinExtra");
      if (count < Math.max(1, minTickets)) missed.add("MinTickets"); // no tickets at all are no spike, whatever is set
      return missed;
    }

    /** The smallest count that is a spike; the steps undo the rounding of the first guess. */
    long least(Usual usual) {
      double extra = isWeekly() ? Math.max(deviations * usual.spread().orElseThrow(), minExtra) : 0;
      double bar = Math.max((1 + threshold) * usual.mean(), usual.mean() + extra);
      long least = (long) Math.ceil(Math.max(minTickets, bar));
      while (least > 0 && missed(least - 1, usual).isEmpty()) least--;
      while (!missed(least, usual).isEmpty()) least++;
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
      return spread.isEmpty() ? OptionalDouble.empty() : OptionalDouble.of((count - mean) / spread.getAsDouble());
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

  /** A judged hour as JSON; {@code alert} and {@code tags} only where a notice was thought of. */
  static ObjectNode asJson(Verdict verdict, Optional<String> alert, List<TagCount> tags) {
    var json = JSON.createObjectNode().put("hour", verdict.hour().from().toString()).put("count", verdict.count());
    var judged = verdict instanceof Judged j ? Optional.of(j) : Optional.<Judged>empty();
    var usual = judged.map(Judged::usual);
    json.put("mean", usual.map(Usual::mean).orElse(null)).put("limit", judged.map(Judged::limit).orElse(null))
        .put("percent", usual.map(u -> boxed(u.percent(verdict.count()))).orElse(null))
        .put("samples", verdict instanceof Learning l ? l.samples() : usual.get().samples())
        .put("verdict", lower(verdict.getClass().getSimpleName()));
    alert.ifPresent(how -> json.put("alert", how));
    usual.filter(u -> u.spread().isPresent()).ifPresent(u -> json.put("z", boxed(u.z(verdict.count())))
        .put("spread", boxed(u.spread())));
    if (verdict instanceof Spike && alert.isPresent()) json.set("tags", JSON.valueToTree(tags));
    return json;
  }

  /** The same as {@code name=value} words for people and logs. */
  static String asWords(ObjectNode json) {
    var hour = json.get("hour").asText().replace(":00:00Z", ":00Z");
    return json.remove(List.of("z", "spread", "tags")).put("hour", hour).properties().stream().map(e -> {
      var value = e.getValue();
      return e.getKey() + "=" + (value.isNull() ? "-" : value.isDouble() ? decimal(value.asDouble()) : value.asText());
    }).collect(joining(" "));
  }

  private static Double boxed(OptionalDouble value) { return value.isPresent() ? value.getAsDouble() : null; }
  static String decimal(double value) { return String.format(Locale.ROOT, "%.1f", value); }

  // ==== Tags: what are the tickets about ===============================================

  /** A tag, on how many tickets it is, and on how many in the same hour of the last weeks (null: not known). */
  record TagCount(String tag, long count, Double usual) {
    /** At least twice the usual, and by more than chance gives to so small a number. */
    boolean risen() { return usual != null && count >= 2 * usual && count - usual >= 3 * Math.sqrt(usual + 1); }
    double excess() { return usual == null ? 0 : count - usual; }
  }

  /** What is known of a spike's tickets, and of the same hour in the last weeks; the texts say why there is no more. */
  record Tickets(Tally tally, Optional<String> trouble, List<Map<String, Long>> weeks, String noUsual) {
    /** Every tag, the most frequent first, equals in order of first appearance. */
    List<TagCount> ranked() {
      return tally.ranked().map(tag -> new TagCount(tag.spelled, tag.tickets, weeks.isEmpty() ? null
          : weeks.stream().mapToLong(week -> week.getOrDefault(lower(tag.spelled), 0L)).average().orElseThrow()))
          .toList();
    }
  }

  /** Gathers tickets one by one; the same whatever their order. Tags are compared without case, shown as sent. */
  static final class Tally {
    private static final int SUBJECTS = 5;

    /** Tickets with a tag, and how and where it stands in the first of them. */
    private record Tag(String spelled, String first, long tickets) {
      Tag and(Tag other) {
        var earlier = first.compareTo(other.first) < 0 ? this : other;
        return new Tag(earlier.spelled, earlier.first, tickets + other.tickets);
      }
    }

    private final Map<String, Tag> tags = new HashMap<>();
    private final Map<Long, Integer> requesters = new HashMap<>();
    private final NavigableMap<String, Ticket> earliest = new TreeMap<>();
    private final List<String> omitted;
    long tickets;
    long untagged;

    Tally(List<String> omitted) { this.omitted = omitted; }

    void add(Ticket ticket) {
      tickets++;
      untagged += ticket.tags().isEmpty() ? 1 : 0;
      if (ticket.requester_id() != null) requesters.merge(ticket.requester_id(), 1, Integer::sum);
      earliest.put(place(ticket, 0), ticket);
      if (earliest.size() > SUBJECTS) earliest.pollLastEntry();
      var once = new HashSet<>(omitted);
      for (int i = 0; i < ticket.tags().size(); i++) {
        var spelled = ticket.tags().get(i);
        var tag = lower(spelled);
        if (once.add(tag)) tags.merge(tag, new Tag(spelled, place(ticket, i), 1), Tag::and);
      }
    }

    /** Sorts as tickets are created, and tags within a ticket as they stand there. */
    private static String place(Ticket ticket, int tag) {
      return ticket.created_at() + "/" + ticket.id() + "/" + (1000 + tag);
    }

    private Stream<Tag> ranked() {
      return tags.values().stream().sorted(Comparator.comparing((Tag tag) -> -tag.tickets).thenComparing(Tag::first));
    }

    /** Tickets by tag in lower case. */
    Map<String, Long> byTag() {
      return tags.entrySet().stream().collect(toMap(Map.Entry::getKey, e -> e.getValue().tickets));
    }

    int requesters() { return requesters.size(); }
    int largestRequester() { return requesters.values().stream().mapToInt(Integer::intValue).max().orElse(0); }
    List<Ticket> sample() { return List.copyOf(earliest.values()); }
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
    static final String USUAL = "Usual for that hour: %s, so this is %s. %s";
    static final String NEVER = "None of the %d earlier hours that it is compared with held as many.";
    static final String RARELY = "%d of the %d earlier hours that it is compared with held as many or more.";
    static final String GOES_ON = "The spike goes on: this is its hour %d, it began at %s.";
    static final String LATE = "This notice is late: the hour could not be read or the mail not be made before %s.";
    static final String TAGS = "Most frequent tags";
    static final String RISEN = "Risen most";
    static final String RANKED_ALL = "Ranked from all %d tickets; %d carry no tag.";
    static final String RANKED_SOME = "Ranked from %d of %d tickets (%s); %d carry no tag.";
    static final String NO_USUAL = "The usual counts of the tags are not known (%s).";
    static final String USUAL_FROM = "Usual: the mean of the same hour in %d of the last weeks.";
    static final String REQUESTERS = "%d requesters wrote them; the busiest wrote %d (%.0f %%).";
    static final String SAMPLES = "The first tickets";
    static final String CHART = "The last 24 hours";
    static final String BARS_TEXT = "# tickets, | usual";
    static final String BARS_HTML = "blue up to the usual, red above it, grey short of it";
    static final String WHY_MEAN = "Why this mail: the rule \"mean\" calls more than %s tickets a spike: "
        + "%.0f %% over the mean of the same hour of day in %d samples.";
    static final String WHY_WEEKLY = "Why this mail: the rule \"weekly\" calls %s tickets or more a spike: %.1f of "
        + "the hour's usual deviations (%s) over its mean of %d samples; this hour is at %s.";
    static final String ALL = "All tickets of the hour: ";
    static final String OPEN = "open in Zendesk";
    static final String OVER = "The spike is over: %d tickets were created from %s; usual: %s.";
    static final String SUMMARY = "It lasted %d h from %s, with a peak of %d tickets at %s; in all "
        + "%.0f more than usual were created.";
  }

  /** A finished notice. It can be made of a {@link Spike} or of the end of one, of nothing else. */
  record Alert(Hour hour, String kind, Hour thread, String subject, List<Block> blocks) {

    static Alert about(Spike spike, Episode episode, Config config, Counts counts, Tickets tickets, Instant now) {
      var rule = config.rule();
      var hour = spike.hour();
      var tally = tickets.tally();
      var all = tickets.ranked();
      var top = all.stream().limit(config.numTags()).toList();
      var risen = all.stream().filter(TagCount::risen)
          .sorted(Comparator.comparingDouble(TagCount::excess).reversed()).limit(config.numTags()).toList();
      return new Alert(hour, "spike", episode.start(), subject(episode, config), List.of(
          Text.title(Words.HEADLINE.formatted(spike.count(), span(hour, rule.zone()))),
          new Text(Words.USUAL.formatted(decimal(spike.usual().mean()), more(spike), rarity(spike, rule, counts))),
          new Text(episode.hours() == 1 ? ""
              : Words.GOES_ON.formatted(episode.hours(), time(episode.start(), rule.zone()))),
          new Text(now.isBefore(hour.plus(2).to()) ? "" : Words.LATE.formatted(time(Hour.of(now), rule.zone()))),
          tags(Words.TAGS, top, hour, config.zendesk()),
          tags(Words.RISEN, top.containsAll(risen) ? List.of() : risen, hour, config.zendesk()),
          new Text(tickets.trouble().map(why -> Words.RANKED_SOME.formatted(tally.tickets, spike.count(), why,
              tally.untagged)).orElse(Words.RANKED_ALL.formatted(tally.tickets, tally.untagged))),
          new Text(tickets.weeks().isEmpty() ? Words.NO_USUAL.formatted(tickets.noUsual())
              : Words.USUAL_FROM.formatted(tickets.weeks().size())),
          new Text(tally.requesters() == 0 ? "" : Words.REQUESTERS.formatted(tally.requesters(),
              tally.largestRequester(), tally.largestRequester() * 100.0 / tally.tickets)),
          chart(hour, rule, counts),
          samples(tally, config.zendesk()),
          new Text(why(spike, rule)),
          new Text(Words.ALL, agentSearch(config.zendesk(), hour, ""))));
    }

    static Alert allClear(Calm calm, Episode episode, Config config, Counts counts) {
      var zone = config.rule().zone();
      return new Alert(calm.hour(), "clear", episode.start(), subject(episode, config), List.of(
          Text.title(Words.OVER.formatted(calm.count(), span(calm.hour(), zone), decimal(calm.usual().mean()))),
          new Text(Words.SUMMARY.formatted(episode.hours(), time(episode.start(), zone), episode.peak().count(),
              time(episode.peak().hour(), zone), episode.excess())),
          chart(calm.hour(), config.rule(), counts)));
    }

    String name() { return hour.name() + "-" + kind; }

    /** The same for all mails of an episode, since Gmail threads by subject. */
    private static String subject(Episode episode, Config config) {
      var first = episode.first();
      return Words.SUBJECT.formatted(config.mail().subject(), first.count(), time(first.hour(), config.rule().zone()),
          more(first));
    }

    private static String more(Spike spike) {
      var percent = spike.usual().percent(spike.count());
      return percent.isEmpty() ? Words.NONE_USUAL : Words.PERCENT_MORE.formatted(percent.getAsDouble());
    }

    private static String rarity(Spike spike, Rule rule, Counts counts) {
      var samples = rule.samples(counts, spike.hour()).known();
      long asMany = samples.stream().filter(sample -> sample.count() >= spike.count()).count();
      return asMany == 0 ? Words.NEVER.formatted(samples.size()) : Words.RARELY.formatted(asMany, samples.size());
    }

    private static String why(Spike spike, Rule rule) {
      var usual = spike.usual();
      return rule.isWeekly() ? Words.WHY_WEEKLY.formatted((long) spike.limit(), rule.deviations(),
          decimal(usual.spread().orElseThrow()), usual.samples(), decimal(usual.z(spike.count()).orElseThrow()))
          : Words.WHY_MEAN.formatted(decimal(spike.limit()), rule.threshold() * 100, usual.samples());
    }

    private static Table tags(String title, List<TagCount> tags, Hour hour, Account account) {
      return new Table(title, List.of(Cell.right("tickets"), Cell.right("usual"), Cell.of("")), tags.stream().map(tag ->
          List.of(Cell.link(tag.tag(), agentSearch(account, hour, " tags:\"" + tag.tag().replace("\"", "") + "\"")),
              Cell.right(Long.toString(tag.count())), Cell.right(tag.usual() == null ? "?" : decimal(tag.usual())),
              Cell.right(!tag.risen() ? "" : tag.usual() == 0 ? "NEW" : "risen"))).toList());
    }

    private static Table samples(Tally tally, Account account) {
      return new Table(Words.SAMPLES, List.of(Cell.of("")), tally.sample().stream().map(ticket -> {
        var url = "https://%s/agent/tickets/%d".formatted(account.host(), ticket.id());
        return List.of(new Cell(url, Cell.link("#" + ticket.id(), url).html(), ""),
            Cell.of(Objects.requireNonNullElse(ticket.subject(), "(no subject)")));
      }).toList());
    }

    /** A row an hour: its count and a bar, the usual marked in it. */
    static Table chart(Hour last, Rule rule, Counts counts) {
      var hours = Hour.range(last.plus(-23), last.plus(1)).toList();
      var usual = hours.stream().collect(toMap(hour -> hour, hour ->
          rule.usual(counts, hour, rule.samples(counts, hour)).map(Usual::mean).orElse(0.0)));
      double most = hours.stream().mapToDouble(hour -> Math.max(counts.at(hour).orElse(0), usual.get(hour))).max()
          .orElseThrow() + 1e-9;
      return new Table(Words.CHART, List.of(Cell.right("tickets"),
          new Cell(Words.BARS_TEXT, Words.BARS_HTML, "font-weight:normal;font-size:12px")), hours.stream().map(hour -> {
            var count = counts.at(hour);
            return List.of(new Cell(time(hour, rule.zone()), at(hour.from(), rule.zone(), "EEE HH:mm"),
                "white-space:nowrap"), Cell.right(count.isEmpty() ? "?" : Long.toString(count.getAsLong())),
                Cell.bar(count.orElse(0) / most, usual.get(hour) / most));
          }).toList());
    }

    /** Zendesk's own search for the tickets of the hour, in the agents' pages. */
    static String agentSearch(Account account, Hour hour, String more) {
      return "https://%s/agent/search/1?type=ticket&q=%s".formatted(account.host(), encode(
          "created>=%s created<%s%s %s".formatted(hour.from(), hour.to(), more, account.query()).strip()));
    }

    static String at(Instant time, ZoneId zone, String pattern) {
      return DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(time.atZone(zone));
    }

    static String time(Hour hour, ZoneId zone) { return at(hour.from(), zone, "EEE d MMM HH:mm"); }

    /** The hour on the local clock, and in UTC where that is another. */
    static String span(Hour hour, ZoneId zone) {
      var utc = "%s-%s UTC".formatted(time(hour, ZoneOffset.UTC), at(hour.to(), ZoneOffset.UTC, "HH:mm"));
      boolean same = zone.getRules().getOffset(hour.from()).equals(ZoneOffset.UTC);
      return same ? utc : "%s-%s %s (%s)".formatted(time(hour, zone), at(hour.to(), zone, "HH:mm"), zone.getId(), utc);
    }

    String text() {
      return blocks.stream().map(Block::text).filter(text -> !text.isEmpty()).collect(joining("\n"));
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
          """.formatted(escape(subject), blocks.stream().map(Block::html).collect(joining("\n")));
    }
  }

  /** A run of spike hours. {@code excess} in tickets over the usual, summed over its hours. */
  record Episode(Spike first, Spike peak, int hours, double excess) {
    private static final int MOST = 24 * 14; // hours; what goes on longer has become the usual

    static Episode of(Spike spike) { return new Episode(spike, spike, 1, spike.count() - spike.usual().mean()); }
    Hour start() { return first.hour(); }

    /** The spike hours without a gap up to and with {@code last}, from the counts alone. */
    static Optional<Episode> until(Hour last, Counts counts, Rule rule) {
      return IntStream.range(0, MOST).mapToObj(i -> last.plus(-i)).map(hour -> counts.at(hour).stream()
              .mapToObj(count -> rule.judge(counts, hour, count)).findFirst())
          .takeWhile(verdict -> verdict.orElse(null) instanceof Spike)
          .map(verdict -> of((Spike) verdict.get())).reduce((later, earlier) -> earlier.and(later));
    }

    /** Longer by the episode that follows. */
    Episode and(Episode next) {
      return new Episode(first, next.peak.count() > peak.count() ? next.peak : peak, hours + next.hours,
          excess + next.excess);
    }
  }

  /** A part of the mail, as plain text and as HTML that Gmail and Outlook show: tables and inline styles only. */
  interface Block {
    String text();
    String html();
  }

  /** A paragraph; {@code link} is empty, or what the words lead to. Without words it is not there. */
  record Text(String words, String link, String style) implements Block {
    Text(String words, String link) { this(words, link, "overflow-wrap:anywhere"); }
    Text(String words) { this(words, ""); }
    static Text title(String words) { return new Text(words, "", "font-size:19px;font-weight:bold"); }

    @Override public String text() { return words.isEmpty() ? "" : clean(words) + link + "\n"; }

    @Override public String html() {
      return words.isEmpty() ? "" : "<p style=\"margin:0 0 12px;%s\">%s%s</p>".formatted(style, escape(words),
          link.isEmpty() ? "" : "<a href=\"%s\">%s</a>".formatted(escape(link), Words.OPEN));
    }
  }

  /** Both forms of a cell; {@code style} is that of its {@code td}. */
  record Cell(String text, String html, String style) {
    private static final int WIDTH = 30;    // characters of a bar
    private static final int LONGEST = 100; // characters of other people's text

    static Cell of(String words) {
      var shown = words.length() > LONGEST ? words.substring(0, LONGEST) + "..." : words;
      return new Cell(clean(shown), escape(shown), "overflow-wrap:anywhere");
    }

    static Cell right(String words) { return new Cell("%7s".formatted(words), escape(words), "text-align:right"); }

    static Cell link(String words, String url) {
      var cell = of(words);
      return new Cell(cell.text, "<a href=\"%s\">%s</a>".formatted(escape(url), cell.html), cell.style);
    }

    /** Blue up to the usual, red above it, grey what is short of it; {@code all} and {@code usual} within [0, 1]. */
    static Cell bar(double all, double usual) {
      var text = new StringBuilder("#".repeat((int) Math.round(all * WIDTH)));
      int mark = (int) Math.round(usual * WIDTH);
      text.append(" ".repeat(Math.max(0, mark + 1 - text.length()))).setCharAt(mark, '|');
      return new Cell(text.toString(),
          "<table cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%%\"><tr>%s%s%s%s</tr></table>"
          .formatted(piece(Math.min(all, usual), "background:#4477aa"), piece(all - usual, "background:#cc3311"),
              piece(usual - all, "background:#bbbbbb"), piece(1 - Math.max(all, usual), "")), "width:60%");
    }

    private static String piece(double part, String style) {
      return part < 0.001 ? "" : "<td style=\"width:%.1f%%;height:12px;line-height:12px;%s\">&nbsp;</td>"
          .formatted(part * 100, style);
    }

    String in(String element) {
      return "<%1$s align=\"left\" style=\"border-bottom:1px solid #8888;%2$s\">%3$s</%1$s>".formatted(element, style,
          html);
    }
  }

  /** {@code heads} stand over the second column and on; the title over the first. Without rows it is not there. */
  record Table(String title, List<Cell> heads, List<List<Cell>> rows) implements Block {
    @Override public String text() {
      if (rows.isEmpty()) return "";
      int width = rows.stream().mapToInt(row -> row.get(0).text().length()).max().orElseThrow();
      var head = heads.stream().map(cell -> cell.text().strip()).filter(text -> !text.isEmpty())
          .collect(joining(", ", " (", ")")).replace(" ()", "");
      return rows.stream().map(row -> ("  %-" + width + "s  %s").formatted(row.get(0).text(), row.stream().skip(1)
          .map(Cell::text).collect(joining("  "))).stripTrailing()).collect(joining("\n", title + head + "\n", "\n"));
    }

    @Override public String html() {
      return rows.isEmpty() ? "" : """
          <table cellpadding="3" cellspacing="0" style="border-collapse:collapse;width:100%%;margin:0 0 12px">
          %s%s</table>""".formatted(row("th", Stream.concat(Stream.of(Cell.of(title)), heads.stream())),
              rows.stream().map(row -> row("td", row.stream())).collect(joining()));
    }

    private static String row(String element, Stream<Cell> cells) {
      return cells.map(cell -> cell.in(element)).collect(joining("", "<tr>", "</tr>\n"));
    }
  }

  /** Other people's text on one line: no line break, control or direction mark gets through. */
  static String clean(String text) {
    return text.replaceAll("[\\p{Cntrl}\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]+", " ");
  }

  static String escape(String text) {
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;")
        .replace("'", "&#39;");
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
    private final Map<String, Carrier> carriers = new HashMap<>(); // by the ending of a file's name
    private final Set<Carrier> down = new HashSet<>();
    Exit worst = Exit.OK; // of all deliveries, the code that the run ends with

    /** Sends one stored notice; throws Fault when it was not accepted. */
    interface Carrier { void send(byte[] notice); }

    Outbox(Config config, World world, Carrier mail) {
      this.waiting = config.out().resolve("outbox");
      this.sent = config.out().resolve("sent");
      this.config = config;
      this.world = world;
      carriers.put("eml", mail);
      config.webhook().ifPresent(url -> carriers.put("json", new Webhook(url, world)));
      Stream.of(waiting, sent).filter(Files::isSymbolicLink).forEach(folder -> {
        throw Exit.HISTORY.fault("%s: cannot be written (it is a link, expected a folder)", folder);
      });
    }

    List<Path> waiting() { return files(waiting, ".*\\.(eml|json)"); }

    void sendWaiting() {
      for (var file : waiting()) {
        world.note("%s: waits in the outbox, trying again".formatted(file.getFileName()));
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
      var webhook = waiting.resolve(alert.name() + ".json"); // stored before either goes out, so a kill loses none
      if (config.webhook().isPresent()) store(webhook, Webhook.payload(alert));
      var mail = waiting.resolve(alert.name() + ".eml");
      boolean isNew = store(mail, Mailer.message(alert, config, world.clock()));
      if (Files.exists(webhook)) send(webhook);
      return !isNew ? "already-sent" : send(mail) ? "sent" : "queued";
    }

    /** False when the notice went out already. Two accounts in one folder must not take each other's mails for own. */
    private boolean store(Path file, String content) {
      var gone = sent.resolve(file.getFileName());
      if (!Files.exists(gone)) {
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) Disk.write(file, content);
        return true;
      }
      if (Mailer.id(Disk.read(gone, Exit.HISTORY).orElse("")).equals(Mailer.id(content))) return false;
      throw Exit.CONFIG.fault("%s: was sent for another account (expected a folder of its own for each account's "
          + "auth.ini)", gone);
    }

    private boolean send(Path file) {
      var carrier = carriers.get(file.toString().replaceAll(".*\\.", ""));
      if (carrier == null || down.contains(carrier)) return false;
      var notice = Disk.writing(file, () -> Files.readAllBytes(file));
      try {
        carrier.send(notice);
      } catch (Fault e) {
        world.warn("%s; %s waits in the outbox".formatted(e.getMessage(), file.getFileName()));
        worst = worst == Exit.REFUSED || e.exit == Exit.REFUSED ? Exit.REFUSED : Exit.TRY_LATER;
        if (!(e.getCause() instanceof SendFailedException)) down.add(carrier); // asked no more in this run
        return false;
      }
      Disk.writing(file, () -> Disk.move(file, sent.resolve(file.getFileName())));
      return true;
    }

    void prune() {
      var oldest = Hour.of(world.clock().instant().minus(KEPT)).name();
      files(sent, "\\d{4}-\\d{2}-\\d{2}T\\d{2}-.*").stream()
          .filter(file -> file.getFileName().toString().compareTo(oldest) < 0)
          .forEach(file -> Disk.writing(file, () -> Files.deleteIfExists(file)));
    }

    private static List<Path> files(Path folder, String name) {
      if (!Files.isDirectory(folder)) return List.of();
      return Disk.writing(folder, () -> {
        try (var files = Files.list(folder)) {
          return files.filter(file -> file.getFileName().toString().matches(name)).sorted().toList();
        }
      });
    }
  }

  /** The mail as a message, and its way to the SMTP server. */
  record Mailer(Mail mail, World world) implements Outbox.Carrier {
    private static final Pattern ID = Pattern.compile("(?im)^Message-ID:\\s*(\\S+)");

    /** The whole message in ASCII, as stored and sent. */
    static String message(Alert alert, Config config, Clock clock) {
      var id = id(alert.hour(), alert.kind(), config.zendesk());
      var thread = id(alert.thread(), "spike", config.zendesk());
      boolean first = alert.hour().equals(alert.thread());
      var message = new MimeMessage(Session.getInstance(new Properties())) {
        @Override protected void updateMessageID() throws MessagingException {
          setHeader("Message-ID", id); // else made anew from clock and random numbers
        }
      };
      try {
        message.setFrom(new InternetAddress(config.mail().sender()));
        message.setRecipients(Message.RecipientType.TO, String.join(",", config.mail().recipients()));
        message.setSubject((first ? "" : "Re: ") + clean(alert.subject()), "UTF-8");
        message.setSentDate(Date.from(clock.instant()));
        message.setHeader("Auto-Submitted", "auto-generated"); // RFC 3834: no out-of-office answers
        for (var header : first ? List.<String>of() : List.of("In-Reply-To", "References")) {
          message.setHeader(header, thread);
        }
        var text = new MimeBodyPart();
        text.setText(alert.text(), "UTF-8");
        var html = new MimeBodyPart();
        html.setText(alert.html(), "UTF-8", "html");
        message.setContent(new MimeMultipart("alternative", text, html));
        message.saveChanges();
        var bytes = new ByteArrayOutputStream();
        message.writeTo(bytes);
        return bytes.toString(UTF_8);
      } catch (MessagingException | IOException e) {
        throw new IllegalStateException(e);
      }
    }

    /** Made of account, hour and kind alone, so that a mail sent twice around a crash is known as the same. */
    static String id(Hour hour, String kind, Account account) {
      var part = account.query().isEmpty() ? "" : "." + Integer.toHexString(account.query().hashCode());
      return "<%s-%s%s@spike-notifier.%s>".formatted(hour.name(), kind, part, account.host());
    }

    static String id(String message) {
      return ID.matcher(message).results().map(id -> id.group(1)).findFirst().orElse("");
    }

    @Override public void send(byte[] notice) {
      signedIn(transport -> {
        var message = new MimeMessage(session(), new ByteArrayInputStream(notice));
        transport.sendMessage(message, message.getAllRecipients());
      });
    }

    interface Talk { void with(Transport transport) throws MessagingException; }

    /** @throws Fault REFUSED for the sign-in, TRY_LATER for anything else that a later run may mend */
    void signedIn(Talk talk) {
      var password = mail.oauth().map(door -> new Http(world).token(door.url(), door.client(), door.scope(),
          Exit.TRY_LATER, "[email]").access_token()).or(mail::password).orElse(null);
      try {
        Deadline.within(world.patience().multipliedBy(2), () -> {
          try (var transport = session().getTransport()) {
            transport.connect(mail.host(), mail.port(), password == null ? null : mail.username(), password);
            talk.with(transport);
          }
          return null;
        });
      } catch (AuthenticationFailedException e) {
        throw Exit.REFUSED.fault(e, "[email] %s refuses the sign-in of %s: %s (check Username and Password; Gmail "
            + "wants an app password)", server(), mail.username(), reason(e));
      } catch (MessagingException | IOException e) {
        boolean some = e instanceof SendFailedException s && s.getValidSentAddresses() != null
            && s.getValidSentAddresses().length > 0;
        if (!some) throw Exit.TRY_LATER.fault(e, "[email] %s: %s", server(), reason(e));
        world.warn("[email] Recipient: %s refuses some of them: %s".formatted(server(), reason(e)));
      }
    }

    private static String reason(Throwable e) {
      return Http.oneLine(Http.causes(e).map(Throwable::getMessage).filter(Objects::nonNull).distinct()
          .collect(joining(": ")));
    }

    private String server() { return mail.host() + ":" + mail.port(); }

    private Session session() {
      var smtp = mail.security() == Security.TLS ? "smtps" : "smtp";
      boolean starttls = mail.security() == Security.STARTTLS;
      long silence = world.patience().toMillis() / 3; // 30 seconds without a byte
      var settings = new Properties();
      settings.setProperty("mail.transport.protocol", smtp);
      Map.of("connectiontimeout", silence, "timeout", silence, "writetimeout", silence, "starttls.enable", starttls,
          "starttls.required", starttls, "ssl.checkserveridentity", true, "sendpartial", true,
          "auth", mail.oauth().isPresent() || mail.password().isPresent(),
          "auth.mechanisms", mail.oauth().isPresent() ? "XOAUTH2" : "LOGIN PLAIN DIGEST-MD5")
          .forEach((name, value) -> settings.setProperty("mail.%s.%s".formatted(smtp, name), value.toString()));
      return Session.getInstance(settings);
    }
  }

  /** The alert as a JSON POST: {@code text} is what Slack, Mattermost and Google Chat show. */
  record Webhook(URI url, World world) implements Outbox.Carrier {
    static String payload(Alert alert) {
      return JSON.createObjectNode().put("text", alert.subject() + "\n\n" + alert.text())
          .put("hour", alert.hour().from().toString()).put("kind", alert.kind()).toString();
    }

    @Override public void send(byte[] notice) {
      try {
        new Http(world).send(() -> HttpRequest.newBuilder(url).header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(notice)).build(), (in, headers) -> true,
            (status, reason) -> Exit.TRY_LATER.fault("answers %d %s (check Url)", status, reason));
      } catch (Fault e) {
        throw Exit.TRY_LATER.fault(e, "[webhook] %s: %s", url.getHost(), e.getMessage());
      }
    }
  }

  /** The watcher's watcher: a ping after each run, never a reason for the run to fail. */
  record Monitor(Optional<URI> url, World world) {
    private static final Duration MOST = Duration.ofSeconds(5);

    int over(Supplier<Exit> run) {
      var exit = Exit.BUG;
      try {
        exit = run.get();
        return exit.code;
      } finally {
        ping(exit == Exit.OK ? "" : "/fail");
      }
    }

    private void ping(String ending) {
      url.ifPresent(base -> {
        var request = HttpRequest.newBuilder(URI.create(base + ending)).timeout(MOST).build();
        try {
          int status = Deadline.within(MOST, () -> HttpClient.newBuilder().connectTimeout(MOST).build()
              .send(request, HttpResponse.BodyHandlers.discarding())).statusCode();
          if (status / 100 != 2) throw new IOException("answers " + status);
        } catch (IOException e) {
          world.warn("[monitor] PingUrl: %s not reached (%s)".formatted(base.getHost(), e));
        }
      });
    }
  }

  // ==== Explanation: why was this hour a spike, or not =================================

  /** One hour of the history with everything that its verdict comes from. */
  record Explanation(Rule rule, Counts counts, Hour hour, Samples samples, Optional<Usual> usual) {
    static Explanation of(Rule rule, Counts counts, Hour hour) {
      var samples = rule.samples(counts, hour);
      return new Explanation(rule, counts, hour, samples, rule.usual(counts, hour, samples));
    }

    void print(World world, boolean json) { (json ? Stream.of(json().toString()) : lines()).forEach(world::result); }

    private Stream<String> lines() {
      return Stream.of(Stream.of("%s (%s), rule %s".formatted(hour, Alert.span(hour, rule.zone()),
          lower(rule.name().name()))),
          samples.known().stream().map(sample -> "  %s %6d%s".formatted(Alert.time(sample.hour(), rule.zone()),
              sample.count(), capped(sample) ? "  counted as " + decimal(usual.get().cap()) : "")),
          leftOut("unknown", samples.unknown()), leftOut("ignored day", samples.ignored()),
          usual.stream().map(u -> "expected %s%s, a spike from %d tickets on%s".formatted(decimal(u.mean()),
              u.spread().isPresent() ? ", spread " + decimal(u.spread().getAsDouble()) : "", rule.least(u),
              u.level() > 1 ? ", raised by %.2f to follow growth".formatted(u.level()) : "")),
          Stream.of(sentence())).flatMap(each -> each);
    }

    private static Stream<String> leftOut(String why, List<Hour> hours) {
      var names = hours.stream().limit(30).map(Hour::name).collect(joining(" ")) + (hours.size() > 30 ? " \u2026" : "");
      return hours.isEmpty() ? Stream.of() : Stream.of("  left out, %s: %s".formatted(why, names));
    }

    private boolean capped(Sample sample) { return usual.isPresent() && sample.count() > usual.get().cap(); }

    private ObjectNode json() {
      var count = counts.at(hour);
      var json = count.isEmpty() ? JSON.createObjectNode().put("hour", hour.from().toString()).putNull("count")
          : asJson(rule.judge(hour, count.getAsLong(), samples, usual), Optional.empty(), List.of());
      json.put("rule", lower(rule.name().name())).put("needed", usual.map(rule::least).orElse(null))
          .put("why", sentence());
      var list = json.putArray("compared");
      samples.known().forEach(sample -> list.addObject().put("hour", sample.hour().from().toString())
          .put("count", sample.count()).put("capped", capped(sample)));
      json.set("unknown", JSON.valueToTree(samples.unknown().stream().map(h -> h.from().toString()).toList()));
      json.set("ignored", JSON.valueToTree(samples.ignored().stream().map(h -> h.from().toString()).toList()));
      return json;
    }

    private String sentence() {
      if (counts.at(hour).isEmpty()) {
        return "The hour's own count is unknown, so it was not judged" + usual.map(u ->
            "; %d tickets or more would have been a spike.".formatted(rule.least(u))).orElse(".");
      }
      long n = counts.at(hour).getAsLong();
      if (usual.isEmpty()) {
        return "Silent, since %d samples are too few to judge %d tickets.".formatted(samples.known().size(), n);
      }
      var percent = usual.get().percent(n).stream().mapToObj(", %+.1f %%"::formatted).collect(joining());
      var z = usual.get().z(n).stream().mapToObj(", z %.2f"::formatted).collect(joining());
      long least = rule.least(usual.get());
      return n >= least
          ? "Alerted: %d tickets%s%s; fewer than %d would have been silent.".formatted(n, percent, z, least)
          : "Silent: %d tickets%s%s, too few for %s; %d or more would have alerted.".formatted(n, percent, z,
              String.join(" and ", rule.missed(n, usual.get())), least);
    }
  }

  // ==== Backtest: how often would it have alerted ======================================

  /** Walks forward over the history: each hour is judged from what came before it. */
  record Backtest(Rule rule, Counts counts) {
    private static final double[] THRESHOLDS = {0.25, 0.5, 0.6, 1, 1.5, 2, 3};
    private static final double[] DEVIATIONS = {2, 2.5, 3, 3.5, 4, 5};

    private record Line(Rule rule, double alerts, double episodes) { }
    private record Expected(Hour hour, long count, Usual usual) { }

    void print(World world, double perMonth, boolean json) {
      if (json) verdicts(rule, counts).forEach(v -> world.result(asJson(v, Optional.empty(), List.of()).toString()));
      else print(world, perMonth);
    }

    private void print(World world, double perMonth) {
      var lines = new ArrayList<Line>();
      world.result("rule    threshold deviations  alerts/30d episodes/30d");
      for (var name : RuleName.values()) {
        boolean mean = name == RuleName.MEAN;
        var expected = expected(rule.with(name, 0, 0));
        for (double threshold : THRESHOLDS) {
          for (double deviations : mean ? new double[] {rule.deviations()} : DEVIATIONS) {
            var line = line(rule.with(name, threshold, deviations), expected);
            lines.add(line);
            world.result("%-7s %9.2f %10s %11.1f %12.1f".formatted(lower(name.name()), threshold,
                mean ? "-" : decimal(deviations), line.alerts(), line.episodes()));
          }
        }
      }
      world.result("\nThe five largest with the settings of auth.ini:");
      episodes(verdicts(rule, counts)).stream().sorted(Comparator.comparingDouble(Episode::excess).reversed()).limit(5)
          .forEach(e -> world.result("  %s  %d h, peak %d, %.0f over the usual"
              .formatted(e.start(), e.hours(), e.peak().count(), e.excess())));
      var best = lines.stream().filter(line -> line.rule().isWeekly())
          .min(Comparator.comparingDouble((Line line) -> Math.abs(line.episodes() - perMonth))
              .thenComparing(line -> Math.abs(line.rule().deviations() - 3) + Math.abs(line.rule().threshold() - 0.5)))
          .orElseThrow();
      world.result("""

          For about %s spikes in 30 days, each told once (these give %s):
          [misc]
          SpikeThreshold = %s
          [spike]
          Rule = weekly
          Deviations = %s""".formatted(decimal(perMonth), decimal(best.episodes()),
          best.rule().threshold(), best.rule().deviations()));
    }

    /** What each hour usually holds does not depend on threshold and deviations, so the grid shares it. */
    private List<Expected> expected(Rule kind) {
      return counts.hours().stream().flatMap(hour -> kind.usual(counts, hour, kind.samples(counts, hour)).stream()
          .map(usual -> new Expected(hour, counts.at(hour).orElseThrow(), usual))).toList();
    }

    private static Line line(Rule rule, List<Expected> expected) {
      var spikes = expected.stream().filter(e -> rule.missed(e.count(), e.usual()).isEmpty()).map(Expected::hour)
          .toList();
      long goingOn = IntStream.range(1, spikes.size())
          .filter(i -> spikes.get(i - 1).plus(1).equals(spikes.get(i))).count();
      double months = Math.max(1, expected.size()) / (30 * 24.0);
      return new Line(rule, spikes.size() / months, (spikes.size() - goingOn) / months);
    }

    static Stream<Verdict> verdicts(Rule rule, Counts counts) {
      return counts.hours().stream().map(hour -> rule.judge(counts, hour, counts.at(hour).orElseThrow()));
    }

    /** Every spike episode among the verdicts; both oldest first. */
    static List<Episode> episodes(Stream<Verdict> verdicts) {
      var episodes = new ArrayDeque<Episode>();
      verdicts.filter(Spike.class::isInstance).map(Spike.class::cast).map(Episode::of).forEach(next -> {
        boolean goesOn = !episodes.isEmpty()
            && episodes.getLast().start().plus(episodes.getLast().hours()).equals(next.start());
        episodes.add(goesOn ? episodes.removeLast().and(next) : next);
      });
      return List.copyOf(episodes);
    }
  }

  // ==== Report: what does the history look like ========================================

  /** {@code report.html}: one page that needs no network. Local time; unknown hours are hatched. */
  record Report(Rule rule, NavigableMap<Hour, Verdict> verdicts) {
    private static final int LINE_DAYS = 14;
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
        table{border-collapse:collapse;width:100%%}td,th{text-align:right;padding:4px 8px 4px 0;
        border-bottom:1px solid #8885}td:first-child,th:first-child{text-align:left}p{color:var(--soft)}
        </style></head><body>
        <h1>%s</h1><p>Tickets an hour, on the clock of %s, up to %s.</p>
        <h2>The last 14 days</h2><p>Line: tickets. Band: from the usual to the limit. Circles: spikes.</p>
        %s
        <h2>Every hour</h2><p>A row a day, the newest first; the stronger the blue the more tickets. Framed with
        a dot: a spike. Hatched: unknown.</p>
        %s
        <h2>Spikes</h2>
        <table><tr><th>from<th>hours<th>peak<th>over the usual</tr>%s</table>
        </body></html>
        """;

    static Path write(Path folder, Config config, Counts counts) {
      var rule = config.rule();
      var verdicts = Backtest.verdicts(rule, counts).collect(toMap(Verdict::hour, v -> v, (a, b) -> a, TreeMap::new));
      if (verdicts.isEmpty()) {
        throw Exit.HISTORY.fault("%s: no hour is known yet (expected a first run)", config.history());
      }
      var report = new Report(rule, verdicts);
      var last = verdicts.lastKey();
      var first = Collections.max(List.of(verdicts.firstKey(), last.plus(-rule.numHours())));
      var rows = Backtest.episodes(verdicts.values().stream()).stream().filter(e -> e.start().compareTo(first) >= 0)
          .map(e -> "<tr><td>%s<td>%d<td>%d<td>%.0f</tr>\n".formatted(report.time(e.start()), e.hours(),
              e.peak().count(), e.excess())).reduce("", (later, earlier) -> earlier + later);
      Disk.write(folder.resolve("report.html"), PAGE.formatted(escape(config.zendesk().host()),
          escape(rule.zone().getId()), report.time(last), report.line(last), report.heatmap(first, last), rows));
      return folder.resolve("report.html");
    }

    private String time(Hour hour) { return Alert.time(hour, rule.zone()); }

    private String line(Hour last) {
      var first = last.plus(-24 * LINE_DAYS + 1);
      var recent = verdicts.tailMap(first).values();
      double most = recent.stream().mapToDouble(v -> Math.max(v.count(), v instanceof Judged j ? j.limit() : 0))
          .max().orElse(1) + 1e-9;
      ToDoubleFunction<Hour> x = hour -> hour.number() - first.number() + 24.0;
      DoubleUnaryOperator y = tickets -> 108 - tickets / most * 96;
      var band = new StringBuilder();
      var path = new StringBuilder();
      var marks = new StringBuilder();
      for (var v : recent) {
        double at = x.applyAsDouble(v.hour());
        double high = y.applyAsDouble(v.count());
        path.append("%s%.1f %.1f".formatted(verdicts.containsKey(v.hour().plus(-1)) && at > 24 ? "L" : "M", at, high));
        if (v instanceof Judged j) {
          band.append("M%.1f %.1fV%.1f".formatted(at, y.applyAsDouble(j.usual().mean()), y.applyAsDouble(j.limit())));
        }
        if (v instanceof Spike) {
          marks.append("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%s: %d</title></circle>".formatted(at, high,
              time(v.hour()), v.count()));
        }
      }
      var days = Hour.range(first, last.plus(1)).filter(h -> h.from().atZone(rule.zone()).getHour() == 0)
          .map(h -> "<text x=\"%.1f\" y=\"119\">%d</text>".formatted(x.applyAsDouble(h),
              h.date(rule.zone()).getDayOfMonth())).collect(joining());
      return """
          <svg viewBox="0 0 362 122" role="img" aria-label="tickets of the last 14 days"><path d="%s"
          stroke="var(--band)" stroke-width="1.1"/><path d="%s" fill="none" stroke="var(--ink)" stroke-width=".7"/>
          <g fill="none" stroke="var(--spike)">%s</g><text y="15">%.0f</text><text y="108">0</text>%s</svg>"""
          .formatted(band, path, marks, most, days);
    }

    private String heatmap(Hour first, Hour last) {
      long newest = last.date(rule.zone()).toEpochDay();
      var counted = verdicts.tailMap(first).values().stream().mapToLong(Verdict::count).sorted().toArray();
      double high = Math.max(1, counted[(counted.length - 1) * 98 / 100]); // one outage must not pale the rest
      var cells = new StringBuilder();
      IntStream.of(0, 6, 12, 18).forEach(h -> cells.append("<text x=\"%d\" y=\"10\">%02d:00</text>"
          .formatted(48 + h * 12, h)));
      Hour.range(first, last.plus(1)).forEach(hour -> {
        var local = hour.from().atZone(rule.zone());
        int y = 14 + (int) (newest - local.toLocalDate().toEpochDay()) * 12;
        cells.append(cell(hour, 48 + local.getHour() * 12, y, high));
        if (local.getHour() == 0 && local.getDayOfWeek() == DayOfWeek.MONDAY) {
          cells.append("<text y=\"%d\">%s</text>".formatted(y + 9, Alert.at(hour.from(), rule.zone(), "d MMM yy")));
        }
      });
      return """
          <svg viewBox="0 0 340 %d" role="img" aria-label="tickets by day and hour"><defs><pattern id="u" width="4"
          height="4" patternUnits="userSpaceOnUse"><path d="M0 4L4 0" stroke="var(--soft)"/></pattern></defs>%s</svg>"""
          .formatted((newest - first.date(rule.zone()).toEpochDay() + 1) * 12 + 16, cells);
    }

    private String cell(Hour hour, int x, int y, double high) {
      var verdict = verdicts.get(hour); // null for an unknown hour
      boolean spike = verdict instanceof Spike;
      var fill = verdict == null ? "url(#u)" : "color-mix(in srgb,var(--hot) %.0f%%,var(--cold))"
          .formatted(Math.min(100, verdict.count() / high * 100));
      return "<rect x=\"%d\" y=\"%d\" width=\"11\" height=\"11\" fill=\"%s\"%s><title>%s: %s</title></rect>%s\n"
          .formatted(x, y, fill, spike ? " stroke=\"var(--spike)\" stroke-width=\"2\"" : "", time(hour),
              verdict == null ? "unknown" : verdict.count(), spike ? "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" "
                  .formatted(x + 5.5, y + 5.5) + "fill=\"var(--spike)\"/>" : "");
    }
  }

  // ==== Doctor: would the next run work ================================================

  /** Ticks and crosses; {@link #examine} gives the code of the worst. */
  static final class Doctor {
    private static final Duration SKEW = Duration.ofMinutes(2);
    private final Path file;
    private final World world;
    private Exit worst = Exit.OK;
    private Config config;

    Doctor(Path file, World world) {
      this.file = file;
      this.world = world;
    }

    private void check(String what, Supplier<String> check) {
      try { world.result("ok    %s: %s".formatted(what, check.get())); }
      catch (Fault e) {
        world.result("FAIL  %s: %s".formatted(what, e.getMessage()));
        worst = e.exit.code > worst.code ? e.exit : worst;
      }
    }

    Exit examine(boolean send) {
      check("config and its permissions", () -> {
        config = Config.load(file, world);
        return file.toString();
      });
      if (config == null) return worst;
      var zendesk = new Zendesk(config.zendesk(), world);
      var mailer = new Mailer(config.mail(), world);
      var last = Hour.lastFull(world.clock());
      check("Zendesk sign-in", () -> "%d tickets in %s, %s".formatted(zendesk.count(last), last,
          config.zendesk().oauth().isPresent() ? "OAuth" : "API token, which ends on 30 Apr 2027"));
      check("Query", () -> query(zendesk, last));
      check("clock", () -> skew(zendesk.serverDate));
      check("SMTP sign-in", () -> {
        mailer.signedIn(transport -> { });
        return mailer.server();
      });
      check("history", () -> history(last));
      check("lock", () -> Lock.during(config.history(), () -> "free"));
      check("outbox", () -> new Outbox(config, world, mailer).waiting().size() + " waiting");
      if (send) check("sample alert", () -> sample(mailer, last));
      return worst;
    }

    private String query(Zendesk zendesk, Hour last) {
      if (config.zendesk().query().isEmpty()) return "none";
      var from = last.plus(-24 * 7).from();
      long with = zendesk.count(from, last.to());
      long all = zendesk.count(from, last.to(), "");
      return "%d of %d tickets of the last 7 days%s".formatted(with, all, with == 0 ? "; WARNING: it matches nothing"
          : with >= all ? "; WARNING: it changes nothing (a misspelled word?)" : "");
    }

    private String skew(String date) {
      try {
        var skew = Duration.between(DateTimeFormatter.RFC_1123_DATE_TIME.parse(date, Instant::from),
            world.clock().instant());
        return "%d s from Zendesk's%s".formatted(skew.toSeconds(),
            skew.abs().compareTo(SKEW) > 0 ? "; WARNING: set this machine's clock" : "");
      } catch (DateTimeException e) {
        return "Zendesk told no time";
      }
    }

    private String history(Hour last) {
      var history = History.open(config.history(), false);
      if (history.known().isEmpty()) return "empty, the first run fills it";
      return "%s to %s, %d hours unknown of the last %d".formatted(
          history.known().firstKey(), history.known().lastKey(),
          history.unknown(last.plus(-config.rule().numHours()), last).size(), config.rule().numHours());
    }

    private String sample(Mailer mailer, Hour hour) {
      var alert = new Alert(hour, "sample", hour, "SAMPLE, no spike: " + config.mail().subject(),
          List.of(Text.title("This is a sample."), new Text("Spike Notifier can reach you by mail.")));
      mailer.send(Mailer.message(alert, config, world.clock()).getBytes(UTF_8));
      return "sent to " + String.join(", ", config.mail().recipients());
    }
  }

  // ==== Demo: the whole job against a made-up help desk ================================

  /** Half a year of a made-up help desk with a surge in the last full hour; ends with an alert to look at. */
  static final class Demo {
    private static final long SURGE = 80; // tickets

    static Exit run(SpikeNotifier main, Path folder) {
      var surge = Hour.lastFull(main.world.clock());
      return Disk.writing(folder, () -> {
        clear(folder);
        try (var desk = new Desk(hour -> usual(hour) + (hour.equals(surge) ? SURGE : 0),
            (hour, i) -> hour.equals(surge) && i < SURGE)) {
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
              """.formatted(Desk.SECRET, desk.url()));
          var config = main.config();
          var exit = main.job(config, notice -> show(notice, folder, main.world));
          Report.write(folder, config, main.counts(config));
          main.world.result("\nLook at alert.html, alert.eml and report.html in %s (all this took %d requests)."
              .formatted(folder, desk.requests()));
          return exit;
        }
      });
    }

    static void clear(Path folder) throws IOException {
      if (!Files.isDirectory(folder)) return;
      try (var files = Files.walk(folder)) {
        for (var file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
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
    private static void show(byte[] notice, Path folder, World world) {
      try {
        var message = new MimeMessage(Session.getInstance(new Properties()), new ByteArrayInputStream(notice));
        var parts = (Multipart) message.getContent();
        Disk.write(folder.resolve("alert.eml"), new String(notice, UTF_8));
        Disk.write(folder.resolve("alert.html"), parts.getBodyPart(1).getContent().toString());
        world.result("From: %s\nTo: %s\nSubject: %s\n\n%s".formatted(message.getFrom()[0],
            message.getAllRecipients()[0], message.getSubject(), parts.getBodyPart(0).getContent()));
      } catch (MessagingException | IOException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Answers as Zendesk does, on 127.0.0.1: OAuth token, search/count, search, search/export. */
  static class Desk implements AutoCloseable {
    static final String SECRET = "made-up-secret";
    private static final String TOKEN = "made-up-token";
    private static final Pattern BOUND = Pattern.compile("created(>=|<)(\\S+)");
    private static final String[] TAGS = {"billing", "login", "shipping", "refund", "mobile_app", "feature_request"};

    static { System.setProperty("sun.net.httpserver.nodelay", "true"); } // else each answer takes 40 ms

    /** The tickets number start to end (without it) of an hour. */
    private record Span(Hour hour, long start, long end) {
      long size() { return end - start; }
    }

    private final HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    private final ExecutorService threads = Executors.newFixedThreadPool(16);
    private final AtomicInteger requests = new AtomicInteger();
    private final ToLongFunction<Hour> count;
    private final BiPredicate<Hour, Long> surging;

    /** @param surging whether the n-th ticket of an hour belongs to the surge */
    Desk(ToLongFunction<Hour> count, BiPredicate<Hour, Long> surging) throws IOException {
      this.count = count;
      this.surging = surging;
      server.setExecutor(threads);
      server.createContext("/", exchange -> {
        requests.incrementAndGet();
        try (exchange) { handle(exchange); }
      });
      server.start();
    }

    String url() { return "http://127.0.0.1:" + server.getAddress().getPort(); }
    int requests() { return requests.get(); }

    @Override public void close() {
      server.stop(0);
      threads.shutdownNow();
    }

    /** Tests put their own troubles before it. */
    void handle(HttpExchange exchange) throws IOException {
      var uri = exchange.getRequestURI();
      if (uri.getPath().equals("/oauth/tokens")) {
        boolean known = SECRET.equals(JSON.readTree(exchange.getRequestBody()).path("client_secret").asText());
        if (known) answer(exchange, 200, "{\"access_token\":\"" + TOKEN + "\",\"expires_in\":1800}");
        else answer(exchange, 401, "{\"error\":\"invalid_client\"}");
      } else if (!signedIn(exchange.getRequestHeaders().getFirst("Authorization"))) {
        answer(exchange, 401, "{\"error\":\"Couldn't authenticate you\"}");
      } else {
        var query = Stream.of(uri.getRawQuery().split("&")).map(pair -> URLDecoder.decode(pair, UTF_8).split("=", 2))
            .collect(toMap(pair -> pair[0], pair -> pair[1]));
        long page = Long.parseLong(query.getOrDefault("page", "1"));
        long after = Long.parseLong(query.getOrDefault("page[after]", "0"));
        switch (uri.getPath().replaceFirst("^/api/v2/", "")) {
          case "search/count.json" -> answer(exchange, 200, "{\"count\":%d}".formatted(total(spans(query))));
          case "search/export.json" -> answer(exchange, 200, list(uri.getPath(), query, after,
              Integer.parseInt(query.get("page[size]"))));
          case "search.json" -> {
            if (page <= 10) answer(exchange, 200, list(uri.getPath(), query, (page - 1) * 100, 100));
            else answer(exchange, 422, "{\"error\":\"invalid\",\"description\":\"Invalid search: too many results\"}");
          }
          default -> answer(exchange, 404, "{\"error\":\"RecordNotFound\",\"description\":\"Not found\"}");
        }
      }
    }

    private static void answer(HttpExchange exchange, int status, String json) throws IOException {
      exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
      var body = json.getBytes(UTF_8);
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }

    boolean signedIn(String authorization) { return ("Bearer " + TOKEN).equals(authorization); }

    private List<Span> spans(Map<String, String> query) {
      var bounds = BOUND.matcher(query.get("query")).results()
          .collect(toMap(m -> m.group(1), m -> Instant.parse(m.group(2))));
      var from = bounds.get(">=");
      var to = bounds.get("<");
      return Hour.range(Hour.of(from), Hour.of(to.plusSeconds(3599)))
          .map(hour -> new Span(hour, before(hour, from), before(hour, to))).collect(toList());
    }

    private static long total(List<Span> spans) { return spans.stream().mapToLong(Span::size).sum(); }

    /** How many tickets of the hour were created before the instant. */
    private long before(Hour hour, Instant time) {
      long seconds = Math.max(0, Math.min(3600, time.getEpochSecond() - hour.from().getEpochSecond()));
      return (count.applyAsLong(hour) * seconds + 3599) / 3600;
    }

    /** A page of search, oldest first, or of export, newest first. */
    private String list(String path, Map<String, String> query, long skip, int size) {
      boolean export = query.containsKey("page[size]");
      var spans = spans(query);
      long total = total(spans);
      if (export) Collections.reverse(spans);
      var page = JSON.createObjectNode();
      var results = page.putArray("results");
      long passed = 0;
      for (var span : spans) {
        for (long i = Math.max(0, skip - passed); i < span.size() && results.size() < size; i++) {
          results.add(ticket(span.hour(), export ? span.end() - 1 - i : span.start() + i));
        }
        passed += span.size();
      }
      boolean more = skip + size < total;
      var next = new TreeMap<>(query);
      next.put(export ? "page[after]" : "page", Long.toString(export ? skip + size : skip / 100 + 2));
      var link = !more ? null : url() + path + "?" + next.entrySet().stream()
          .map(e -> encode(e.getKey()) + "=" + encode(e.getValue())).collect(joining("&"));
      if (export) page.putObject("meta").put("has_more", more);
      if (export) page.putObject("links").put("next", link);
      else page.put("count", total).put("next_page", link);
      return page.toString();
    }

    private ObjectNode ticket(Hour hour, long i) {
      long id = hour.number() * 10_000_000 + i;
      var chance = new Random(id);
      boolean surge = surging.test(hour, i);
      var ticket = JSON.createObjectNode().put("id", id).put("result_type", "ticket").put("status", "new")
          .put("created_at", hour.from().plusSeconds(i * 3600 / count.applyAsLong(hour)).toString())
          .put("subject", surge ? "Checkout fails with error 502" : "Question number " + i)
          .put("requester_id", 1000 + chance.nextInt(5000));
      var tags = ticket.putArray("tags").add(surge ? "checkout_error" : TAGS[chance.nextInt(TAGS.length)]);
      if (chance.nextInt(3) == 0) tags.add("vip");
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
      var table = new LinkedHashMap<String, String>();
      for (var exit : values()) table.put(Integer.toString(exit.code), exit.when);
      return table;
    }

    /** What was expected to go wrong at times, in one line: where, what is wrong, what was expected. */
    Fault fault(Throwable cause, String message, Object... values) {
      return new Fault(this, message.formatted(values), cause);
    }

    Fault fault(String message, Object... values) { return fault((Throwable) null, message, values); }
  }

  /** An expected failure. Anything else that is thrown is a bug. */
  static final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;
    final Exit exit;

    private Fault(Exit exit, String message, Throwable cause) {
      super(message, cause);
      this.exit = exit;
    }
  }
}
