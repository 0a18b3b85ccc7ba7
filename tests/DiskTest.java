package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** Runs that are broken off, and files in the way. */
class DiskTest extends Scenario {
  @Nested
  class Broken_off {
    @Test
    void by_another_run_it_gives_way() throws IOException {
      var history = folder.resolve("out/history.csv");
      try (var lock = Lock.take(history)) {
        assertTrue(lock != null);
        assertEquals(history + ".lock: another run holds the lock; nothing is lost, the next run "
            + "goes on\n", run(Exit.TRY_LATER).err());
      }
      run(Exit.OK);
    }

    /** The hour is told all the same, as long as it can be. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "history.csv.part/x | history.csv: cannot be written: a folder is in its place",
        "history.csv.told.part/x | history.csv.told: cannot be written: a folder is in its place",
        "history.csv.lock/x | history.csv.lock: is no file (expected a regular one)",
        "history.csv.outbox | history.csv.outbox: cannot be read: not a folder",
        "history.csv.done | history.csv.done: cannot be read: not a folder",
    })
    void by_something_in_the_way_of_a_write_it_says_so(String place, String message)
        throws IOException {
      known(240, 10);
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      if (place.endsWith("/x")) Files.createDirectory(inTheWay);
      else Files.writeString(inTheWay, "");
      assertEquals(folder.resolve("out") + "/" + message + "\n", run(Exit.HISTORY).err());
      assertEquals(1, mail.received.size(), "the alarm all the same");
    }

    /** As after a power cut, which leaves a file of its length whose blocks were never written. */
    @ParameterizedTest
    @CsvSource({"history.csv.told", "history.csv.outbox/2026-11-10T12.spike.json"})
    void by_a_power_cut_a_file_of_nuls_is_laid_aside_once(String name) throws IOException {
      known(240, 10);
      var file = folder.resolve("out/" + name);
      Files.createDirectories(file.getParent());
      Files.write(file, new byte[400]);
      assertEquals(file + ": makes no sense (moved to " + file.getFileName() + ".broken)\n",
          run(Exit.HISTORY).err());
      assertTrue(Files.exists(Disk.beside(file, ".broken")));
      later(1);
      assertEquals("", run(Exit.OK).err());
    }

    @Test
    void by_a_dry_run_nothing_is_laid_aside() throws IOException {
      known(240, 10);
      var told = folder.resolve("out/history.csv.told");
      Files.write(told, new byte[400]);
      run("--dry-run");
      assertEquals(400, Files.size(told));
    }

    /** As those of VirtualBox and of older network shares, here one that may not be read. */
    @Test
    void by_a_folder_that_cannot_be_forced_nothing_is() throws IOException {
      boolean isRoot = Files.getAttribute(folder, "unix:uid").equals(0);
      Assumptions.assumeFalse(isRoot, "root may read each folder");
      known(240, 10);
      var out = folder.resolve("out");
      Files.setPosixFilePermissions(out, PosixFilePermissions.fromString("-wx------"));
      assertEquals("", run(Exit.OK).err());
      Files.setPosixFilePermissions(out, PosixFilePermissions.fromString("rwx------"));
      assertEquals(40, history().at(NOW));
      assertEquals(List.of("2026-11-10T13.spike.json"), files("done"));
    }

    @Test
    void by_nothing_a_link_stays_a_link() throws IOException {
      known(240, 10);
      var link = folder.resolve("out/history.csv");
      Files.move(link, folder.resolve("elsewhere.csv"));
      Files.createSymbolicLink(link, folder.resolve("elsewhere.csv"));
      run(Exit.OK);
      assertTrue(Files.isSymbolicLink(link));
      assertEquals(40, History.read(folder.resolve("elsewhere.csv")).at(NOW));
    }

    @Test
    void it_leaves_nothing_that_others_can_read() throws IOException {
      run(Exit.OK);
      try (var files = Files.walk(folder.resolve("out"))) {
        for (Path file : files.toList()) {
          var rights = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
          boolean isLock = file.toString().endsWith(".lock"); // which is empty
          assertTrue(isLock || rights.endsWith("------"), file + " " + rights);
        }
      }
    }
  }
}
