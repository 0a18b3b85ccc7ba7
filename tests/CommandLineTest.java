package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
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
    private static final String KNOWN = "an argument is not known (expected an option, or one of "
        + "[doctor, explain, backtest, report, generate-completion, help])";

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--foo | KNOWN",
        "-c auth.ini --pasword=hunter-2 hunter-2 | KNOWN",
        "explan 2026-11-24T13 | KNOWN",
        "doctor hunter-2 | KNOWN",
        "--hour=hunter-2 | --hour: malformed, or given twice (expected HOUR)",
        "--hour 1026-11-24T13 | --hour: malformed, or given twice (expected HOUR)",
        "--json=hunter-2 | --json: malformed, or given twice (expected no value)",
        "-c a -c hunter-2 | --config: malformed, or given twice (expected FILE)",
        "explain hunter-2 | HOUR: malformed (expected one such as 2026-11-24T13)",
        "explain | Missing required parameter: 'HOUR'",
        "--hour | Missing required parameter for option '--hour' (HOUR)",
        "backtest --per-month few | --per-month: malformed, or given twice (expected N)",
        "-q -v | -q and -v exclude each other",
        "--hour 2026-11-24T13 | --hour goes with --dry-run",
        "--dry-run report | --dry-run belongs to the hourly job, not to a command",
    })
    void refuses_in_two_lines_and_echoes_no_argument(String args, String line) {
      assertEquals(64, run(args.split(" ")));
      var lines = err.toString().lines().toList();
      assertEquals(2, lines.size(), err.toString());
      assertEquals(line.replace("KNOWN", KNOWN), lines.get(0));
      assertEquals("See --help", lines.get(1));
      assertFalse((out + "" + err).contains("hunter-2"));
    }

    /** As the shell of a wrapper script, or a JBang, may hand it on: a file's words are secrets. */
    @Test
    void expands_no_argument_file() {
      var ini = write("team.ini", "[email] Password = hunter-2");
      assertEquals(78, run("-c", "@" + ini));
      assertEquals(Path.of("@" + ini).toAbsolutePath().normalize() + ": not found (run from its "
          + "folder, or give --config FILE; to begin, copy auth.ini.example)\n", err.toString());
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
    void completes_its_commands_and_options() {
      assertEquals(0, run("generate-completion"));
      for (var word : List.of("spike-notifier", "backtest", "--dry-run", "--per-month")) {
        assertTrue(out.toString().contains(word), word);
      }
    }

    @Test
    void helps_with_each_command() {
      for (var command : List.of("", "doctor", "explain", "backtest", "report")) {
        assertEquals(0, run((command + " --help").strip().split(" ")), command);
      }
      assertTrue(out.toString().contains("  78   auth.ini missing, malformed or incomplete\n"));
      assertTrue(out.toString().lines().allMatch(line -> line.length() <= 80), out.toString());
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
    }
  }
}
