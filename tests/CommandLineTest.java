package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** Options, exit codes and completion. */
class CommandLineTest extends Unit {
  @Nested
  class The_command_line {
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--foo | Unknown option: '--foo'",
        "-q -v | -q and -v exclude each other",
        "--dry-run report | --hour and --dry-run belong to the hourly job, not to report",
        "explain -q 2026-11-24T13 | -q means nothing to explain",
        "report --json | --json means nothing to report",
        "backtest -v | -v means nothing to backtest",
        "--hour 1026-11-24T13 | Invalid value for option '--hour': '1026-11-24T13' (expected a UTC "
            + "hour of 2000 to 2199, such as 2026-11-24T13)",
        "backtest --since 2026-13-01 | Invalid value for option '--since': '2026-13-01' (expected "
            + "a date such as 2026-08-01)",
        "--hour yesterday | Invalid value for option '--hour': 'yesterday' (expected a UTC hour of "
            + "2000 to 2199, such as 2026-11-24T13)",
    })
    void refuses_in_two_lines(String args, String line) {
      assertEquals(64, run(args.split(" ")));
      assertEquals(line, err.toString().lines().findFirst().orElseThrow());
      assertEquals(2, err.toString().lines().count());
      assertTrue(err.toString().lines().skip(1).findFirst().orElseThrow().endsWith(" --help"));
    }

    @Test
    void names_itself_java_and_the_libraries() {
      assertEquals(0, run("--version"));
      assertTrue(out.toString().matches("(?s)Spike Notifier \\d+\\.\\d+\\.\\d+\nJava .*\n"
          + "picocli \\S+, jackson-databind \\S+, angus-mail 2\\.0\\.5, ini4j 0\\.5\\.4\n"),
          out.toString());
      var deps = sourceDeps();
      for (var name : List.of("picocli", "jackson-databind", "angus-mail", "ini4j")) {
        assertTrue(out.toString().contains(name + " " + deps.get(name)), name);
      }
    }

    private Map<String, String> sourceDeps() {
      var deps = new HashMap<String, String>();
      try {
        for (var line : Files.readAllLines(source("SpikeNotifier.java"))) {
          if (line.startsWith("//DEPS ")) deps.put(line.split(":")[1], line.split(":")[2]);
        }
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
      return deps;
    }

    @Test
    void completes_the_name_that_people_call() {
      assertEquals(64, run("completion", "a b"));
      assertEquals("completion 'a b': expected the name of a command\n", err.toString());
      assertEquals(0, run("completion", "spikes"));
      assertTrue(out.toString().contains(" spikes"), "bound to the name");
      assertTrue(out.toString().contains("backtest"));
    }

    @Test
    void dates_its_lines_where_nobody_watches() {
      var world = new World(Clock.fixed(Instant.parse("2026-11-24T14:07:00Z"), ZoneOffset.UTC),
          new Ticker() { }, Duration.ofSeconds(9), Map.of(), out, err, false);
      assertEquals(78, SpikeNotifier.execute(world, "-c", folder + "/no.ini"));
      assertTrue(err.toString().startsWith("2026-11-24T14:07:00Z " + folder + "/no.ini: not found"),
          err.toString());
    }

    @Test
    void knows_each_exit_code_once() {
      var codes = new HashSet<Integer>();
      for (var exit : Exit.values()) assertTrue(codes.add(exit.code), exit.name());
      assertTrue(codes.stream().allMatch(code -> code == 0 || code >= 64), "1 to 4 are JBang's");
      assertEquals(LocalDate.of(2026, 11, 24), JUDGED.date(ZoneOffset.UTC));
    }
  }
}
