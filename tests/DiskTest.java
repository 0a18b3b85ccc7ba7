package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** What lies in the way of a run on its own machine. */
class DiskTest extends Scenario {
  private static final String IN_THE_WAY =
      "a file or folder is in the way, or input or output failed";

  @Nested
  class A_run {
    @BeforeEach
    void nothing_to_fill() {
      known(240, 10);
    }

    @Test
    void gives_way_to_another_one() throws IOException {
      var history = folder.resolve("out/history.csv");
      try (var lock = Disk.lock(history)) {
        assertTrue(lock != null);
        assertEquals(history + ".lock: another run holds the lock; nothing is lost, the next run "
            + "goes on\n", run(Exit.TRY_LATER).err());
      }
      run(Exit.OK);
    }

    /** The hour is told all the same. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "history.csv.part/x | history.csv: cannot be written: IN_THE_WAY",
        "history.csv.told.part/x | history.csv.told: cannot be written: IN_THE_WAY",
        "history.csv.lock/x | history.csv.lock: is no file (expected a regular one)",
        "history.csv.outbox | history.csv.outbox: cannot be read: IN_THE_WAY",
        "history.csv.done | history.csv.done: cannot be read: IN_THE_WAY",
    })
    void says_in_one_line_what_is_in_the_way_of_a_file(String place, String message)
        throws IOException {
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      if (place.endsWith("/x")) Files.createDirectory(inTheWay);
      else Files.writeString(inTheWay, "");
      assertEquals(folder.resolve("out") + "/" + message.replace("IN_THE_WAY", IN_THE_WAY) + "\n",
          run(Exit.HISTORY).err());
      assertEquals(1, mail.received.size(), "the alarm all the same");
    }

    /** As after a power cut, which leaves a file of its length whose blocks were never written. */
    @ParameterizedTest
    @CsvSource({"history.csv.told", "history.csv.outbox/2026-11-10T12.spike.json"})
    void lays_a_file_of_nuls_aside_once(String name) throws IOException {
      var file = folder.resolve("out/" + name);
      Files.createDirectories(file.getParent());
      Files.write(file, new byte[400]);
      run("--dry-run");
      assertEquals(400, Files.size(file), "not by a dry run");
      assertEquals(file + ": makes no sense (moved to " + file.getFileName() + ".broken)\n",
          run(Exit.HISTORY).err());
      assertTrue(Files.exists(Disk.beside(file, ".broken")));
      later(1);
      assertEquals("", run(Exit.OK).err());
    }

    /** Its day is unknown in each run, and is asked for in a request or two, not hour by hour. */
    @Test
    void asks_little_for_a_bad_line_of_the_history() throws IOException {
      var file = folder.resolve("out/history.csv");
      var text = Files.readString(file).replaceFirst("(?m)^2026-11-05,.*", "2026-11-05,lots");
      Files.writeString(file, text);
      Fakes.tagged(folder, NOW, 10, Map.of());
      for (int i = 0; i < 3; i++) {
        int before = desk.requests();
        var outcome = run(Exit.HISTORY);
        assertTrue(outcome.err().startsWith(file + ": line 7: 'lots' in column 2"), outcome.err());
        assertTrue(desk.requests() - before <= 6, "run " + i + ": " + desk.asked);
        later(1);
      }
      assertEquals(text, Files.readString(file));
      assertEquals(1, mail.received.size(), "the alarm all the same");
    }

    /** As that of VirtualBox and of older network shares; here one that may not be read. */
    @Test
    void needs_no_folder_that_can_be_forced() throws IOException {
      boolean isRoot = Files.getAttribute(folder, "unix:uid").equals(0);
      Assumptions.assumeFalse(isRoot, "root may read each folder");
      var out = folder.resolve("out");
      Files.setPosixFilePermissions(out, PosixFilePermissions.fromString("-wx------"));
      assertEquals("", run(Exit.OK).err());
      Files.setPosixFilePermissions(out, PosixFilePermissions.fromString("rwx------"));
      assertEquals(40, history().at(NOW));
      assertEquals(List.of("2026-11-10T13.spike.json"), files("done"));
    }

    @Test
    void writes_to_the_target_of_a_link() throws IOException {
      var link = folder.resolve("out/history.csv");
      Files.move(link, folder.resolve("elsewhere.csv"));
      Files.createSymbolicLink(link, folder.resolve("elsewhere.csv"));
      run(Exit.OK);
      assertTrue(Files.isSymbolicLink(link));
      assertEquals(40, History.read(folder.resolve("elsewhere.csv")).at(NOW));
    }

    @Test
    void leaves_nothing_that_others_can_read() throws IOException {
      run(Exit.OK);
      try (var files = Files.walk(folder.resolve("out"))) {
        for (var file : files.toList()) {
          var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
          assertTrue(rights.endsWith("------"), file + " " + rights);
        }
      }
    }
  }
}
