package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URLEncoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.VirtualTime;
import spikenotifier.SpikeNotifier.*;

/** A folder with auth.ini, a help desk, a mail server and a clock that the tests turn. */
abstract class Scenario {
  /** A Tuesday. */
  static final Hour NOW = Hour.parse("2026-11-10T13");
  static final String API_KEY = "k3y/With+signs=";

  @TempDir
  Path folder;

  Instant clock = NOW.to().plusSeconds(7 * 60);
  Duration timeout = Duration.ofSeconds(20);
  boolean terminal = true;
  final VirtualTime time = new VirtualTime();
  final Map<String, String> env = new HashMap<>();
  final StringBuilder said = new StringBuilder();
  Desk desk;
  MailServer mail;
  private final Map<String, String> keys = new LinkedHashMap<>();

  @BeforeEach
  void start() throws IOException {
    mail = MailServer.usual();
    desk(hour -> hour.equals(NOW) ? 40 : 10);
  }

  /** @param count how many tickets an hour holds */
  void desk(ToLongFunction<Hour> count) throws IOException {
    if (desk != null) desk.close();
    desk = new Desk(count, (hour, i) -> i >= 20);
    desk.date = () -> clock;
    config("");
  }

  /** No secret stands in anything that was said or written, in whatever form. */
  @AfterEach
  void no_secret_was_told() throws IOException {
    desk.close();
    mail.close();
    var told = new ArrayList<>(List.of(said.toString()));
    if (Files.exists(folder.resolve("out"))) {
      try (var files = Files.walk(folder.resolve("out"))) {
        for (var file : files.filter(Files::isRegularFile).toList()) told.add(Fakes.read(file));
      }
    }
    for (var secret : List.of(MailServer.PASSWORD, Desk.SECRET, API_KEY, "made-up-token")) {
      var base64 = Base64.getEncoder().encodeToString(secret.getBytes(UTF_8));
      for (var form : List.of(secret, base64, URLEncoder.encode(secret, UTF_8))) {
        for (var text : told) assertFalse(text.contains(form), () -> "a secret is told: " + text);
      }
    }
  }

  /** Writes auth.ini with each line "section/Key = value" in place of the usual one; - for none. */
  void config(String changes) throws IOException {
    if (keys.isEmpty()) {
      for (var line : """
          zendesk/Domain = acme
          zendesk/ClientId = spike
          zendesk/ClientSecret = %s
          zendesk/RequestsPerMinute = 100000
          email/Sender = spikes@acme.example
          email/Recipient = team@acme.example
          email/Host = localhost
          email/Username = spikes
          email/Password = %s
          misc/NumHours = 240
          misc/SpikeThreshold = 0.6
          spike/Repeat = every
          """.formatted(Desk.SECRET, MailServer.PASSWORD).split("\n")) {
        keys.put(line.split(" = ", 2)[0], line.split(" = ", 2)[1]);
      }
    }
    if (!keys.containsKey("kept")) {
      keys.put("zendesk/BaseUrl", desk.url());
      keys.put("email/Port", Integer.toString(mail.port()));
    }
    for (var line : changes.split("\n")) {
      if (!line.isBlank()) keys.put(line.split(" = ", 2)[0].strip(), line.split(" = ", 2)[1]);
    }
    var sections = new LinkedHashMap<String, StringBuilder>();
    keys.forEach((key, value) -> {
      if (value.equals("-") || key.equals("kept")) return;
      var parts = key.split("/");
      sections.computeIfAbsent(parts[0], section -> new StringBuilder("[" + section + "]\n"))
          .append(parts[1]).append(" = ").append(value).append('\n');
    });
    var ini = folder.resolve("auth.ini");
    Files.writeString(ini, String.join("", sections.values()));
    Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString("rw-------"));
  }

  record Said(int code, String out, String err) { }

  Said run(String... words) {
    var out = new StringWriter();
    var err = new StringWriter();
    var world = new World(Clock.fixed(clock, ZoneOffset.UTC), time, timeout, env, out, err,
        terminal);
    var args = new ArrayList<>(List.of(words));
    args.addAll(List.of("-c", folder.resolve("auth.ini").toString()));
    int code = SpikeNotifier.execute(world, args.toArray(String[]::new));
    said.append(out).append(err);
    return new Said(code, withoutPorts(out.toString()),
        withoutPorts(withoutProgress(err.toString())));
  }

  /** Free ports differ from run to run; port 1, on which nobody listens, is told. */
  static String withoutPorts(String text) {
    return text.replaceAll("127\\.0\\.0\\.1:\\d{2,}", "127.0.0.1");
  }

  private static String withoutProgress(String err) {
    return err.replaceAll("(?:\r\\[[^\r\n]*+)++\n?", "");
  }

  /** Runs, and expects that code and no trace. */
  Said run(Exit exit, String... words) {
    var outcome = run(words);
    assertEquals(exit.code, outcome.code(), outcome.err() + outcome.out());
    assertFalse(outcome.err().contains("\tat "), outcome.err());
    return outcome;
  }

  Counts history() {
    return History.read(folder.resolve("out/history.csv"));
  }

  /** A history with so many of the hours before NOW known and judged. */
  void known(int hours, long each) {
    Fakes.known(folder, NOW.plus(-hours), NOW, each);
  }

  void later(int hours) {
    clock = clock.plus(Duration.ofHours(hours));
  }

  /** A notice of {@code outbox} or {@code done}. */
  Path file(String folderName, String name) {
    return folder.resolve("out/history.csv." + folderName).resolve(name);
  }

  /** What lies in {@code outbox} or {@code done}. */
  List<String> files(String folderName) throws IOException {
    var names = new ArrayList<String>();
    var place = folder.resolve("out/history.csv." + folderName);
    if (!Files.isDirectory(place)) return names;
    try (var files = Files.list(place)) {
      files.forEach(file -> names.add(file.getFileName().toString()));
    }
    names.sort(null);
    return names;
  }
}
