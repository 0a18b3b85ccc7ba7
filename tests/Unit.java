package spikenotifier;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import spikenotifier.SpikeNotifier.*;

/** A folder, a fixed clock and small histories for the tests of pure functions. */
abstract class Unit {
  static final Hour JUDGED = Hour.parse("2026-11-24T13"); // a Tuesday
  static final String HEADER =
      "date,00,01,02,03,04,05,06,07,08,09,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n";
  static final String WEEKLY = "[spike]\nRule = weekly\n[misc]\nSpikeThreshold = 0.5\n";

  @TempDir
  Path folder;

  final StringWriter out = new StringWriter();
  final StringWriter err = new StringWriter();

  World world(Map<String, String> env) {
    return new World(Clock.fixed(Instant.parse("2026-11-24T14:07:00Z"), ZoneOffset.UTC),
        new Ticker() { }, Duration.ofSeconds(9), env, out, err, true);
  }

  Config offline(String ini) {
    return Config.readOffline(write("auth.ini", ini), world(Map.of()));
  }

  Path write(String name, String text) {
    var file = folder.resolve(name);
    Disk.write(file, text);
    return file;
  }

  int run(String... args) {
    return SpikeNotifier.execute(world(Map.of()), args);
  }

  Judge judge(String ini, NavigableMap<Hour, Long> known) {
    return new Judge(new Rule(offline(ini)), new Counts(known));
  }

  Verdict verdict(String ini, NavigableMap<Hour, Long> known, long count) {
    var all = new TreeMap<>(known);
    all.put(JUDGED, count);
    return judge(ini, all).verdict(JUDGED);
  }

  /** The same hour of earlier days or weeks held so many, the latest first. */
  static TreeMap<Hour, Long> every(int hours, long... past) {
    var known = new TreeMap<Hour, Long>();
    for (int i = 0; i < past.length; i++) known.put(JUDGED.plus(-hours * (i + 1L)), past[i]);
    return known;
  }

  static long[] numbers(String words) {
    return Stream.of(words.strip().split(" +")).mapToLong(Long::parseLong).toArray();
  }

  static final String WORKED = "10 12 9 11 10 14 8 10 11 9 12 10 13";

  static String name(Verdict verdict) {
    return verdict.getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  static Path source(String name) {
    var here = Path.of("").toAbsolutePath();
    while (!Files.exists(here.resolve("SpikeNotifier.java"))) here = here.getParent();
    return here.resolve(name);
  }

  /** The program's text without comments, by the section's name. */
  static Map<String, String> sections() throws IOException {
    var sections = new LinkedHashMap<String, String>();
    var text = Files.readString(source("SpikeNotifier.java"));
    var parts = text.split("(?m)^  // ==== ");
    for (var part : List.of(parts).subList(1, parts.length)) {
      var name = part.substring(0, part.indexOf(':'));
      sections.put(name, part.substring(part.indexOf('\n'))
          .replaceAll("(?s)/\\*.*?\\*/", "").replaceAll("(?m)(^|\\s)//.*", ""));
    }
    return sections;
  }
}
