package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** Runs that are broken off, and files in the way. */
class DiskTest extends Scenario {
  /** Several INIs may share a folder, each with a history and a lock of its own. */
  @Nested
  class At_once {
    private void byFour(Callable<?> work) throws Exception {
      var pool = Executors.newFixedThreadPool(4);
      try {
        for (var each : pool.invokeAll(Collections.nCopies(200, work))) each.get();
      } finally {
        pool.shutdown();
      }
    }

    @Test
    void runs_try_to_write_into_one_folder() throws Exception {
      byFour(() -> {
        Disk.tryToWrite(folder.resolve("out/outbox"));
        return null;
      });
      assertEquals(List.of(), files("outbox"));
    }

    /** Doctor takes the lock too, to see that it is free. */
    @Test
    void a_run_does_not_give_way_to_doctor() throws Exception {
      var lock = Lock.take(folder.resolve("out/history.csv"));
      var doctor = Executors.newSingleThreadScheduledExecutor();
      doctor.schedule(lock::close, 100, TimeUnit.MILLISECONDS);
      run(Exit.OK);
      doctor.shutdown();
    }

    @Test
    void runs_lay_the_same_file_aside() throws Exception {
      var from = Files.createDirectories(folder.resolve("out/outbox")).resolve("rubbish.json");
      var to = folder.resolve("out/refused/rubbish.json");
      byFour(() -> {
        Files.writeString(from, "no notice");
        Disk.move(from, to);
        return null;
      });
      assertTrue(Files.exists(to));
    }
  }

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

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "history.csv.part/x | history.csv: cannot be written: a folder is in its place",
        "history.csv.lock/x | history.csv.lock: is no file (expected a regular one)",
        "outbox | outbox: is a file (expected a folder)",
    })
    void by_something_in_the_way_of_a_write_it_says_so(String place, String message)
        throws IOException {
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      if (place.equals("outbox")) Files.writeString(inTheWay, "");
      else Files.createDirectory(inTheWay);
      var outcome = run(Exit.HISTORY);
      var lines = outcome.err().lines().filter(line -> !line.startsWith("filling")).toList();
      assertEquals(List.of(folder.resolve("out") + "/" + message), lines);
    }

    @ParameterizedTest
    @ValueSource(strings = {"outbox", "sent", "refused"})
    void by_a_link_in_its_folder_it_writes_nothing_elsewhere(String name) throws IOException {
      var elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
      Files.createDirectories(folder.resolve("out"));
      Files.createSymbolicLink(folder.resolve("out/" + name), elsewhere);
      known(240, 10);
      assertEquals(folder.resolve("out/" + name) + ": is a link (expected a folder)\n",
          run(Exit.HISTORY).err());
      assertEquals(1, mail.received.size(), "the alarm all the same");
      try (var files = Files.list(elsewhere)) {
        assertEquals(0, files.count());
      }
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
