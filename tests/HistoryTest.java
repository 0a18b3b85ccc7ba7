package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.SpikeNotifier.*;

/** The CSV file of the counts. */
class HistoryTest extends Unit {
  @Nested
  class The_history {
    private final Hour midnight = Hour.parse("2026-11-23T00");

    private Path file() {
      return folder.resolve("history.csv");
    }

    @Test
    void knows_empty_cells_for_unknown_and_never_for_zero() {
      var counts = History.read(write("history.csv", HEADER + "2026-11-23,12,,0"
          + ",".repeat(21) + "\n"));
      assertEquals(12, counts.at(midnight));
      assertFalse(counts.knows(midnight.plus(1)));
      assertEquals(0, counts.at(midnight.plus(2)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "BOMdate,00,01\\r\\n2026-11-23,12,\\r\\n | byte order mark, line ends of Windows",
        "Date;0;1\\n2026-11-23;12;\\n | semicolons, and zeros dropped",
        "date\\t00\\t01\\n2026-11-23\\t12\\t\\n | tabs",
        "date,01,00\\n2026-11-23,,12\\n | columns in another order",
        "\\\"date\\\",\\\"00\\\",01\\n\\\"2026-11-23\\\",\\\"12\\\",\\\"\\\"\\n\\n,,\\n | quotes",
        "date,00,01\\n2026-11-23 00:00:00,12.0,\\n | dates with a time, counts with a point",
        "date,00,01,,,\\n2026-11-23,12,,,,\\n | empty columns at the end",
        "date,00,01\\n2026-11-23,12\\n | a row that was cut short after its last count",
        "date,00,01,Unnamed: 3\\n2026-11-23,12,,\\n | a nameless column of pandas at the end",
        ",01,00\\n2026-11-23,,12.0\\n | the Python script's own layout",
        "Unnamed: 0,01,00\\n2026-11-23,,12.0\\n | the same, read and written by pandas",
        ",Unnamed: 0,00,01\\n0,2026-11-23,12.0,\\n | with pandas' row numbers before it",
    })
    void forgives_what_spreadsheets_and_pandas_do(String text, String why) {
      var counts = History.read(write("history.csv",
          text.translateEscapes().replace("BOM", "\uFEFF")));
      assertEquals(12, counts.at(midnight), why);
      assertFalse(counts.knows(midnight.plus(1)), why);
    }

    /** Line and cell are told, the sound lines are used, and nothing in the file is lost. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "2026-11-23,1.000 | '1.000' in column 2 (expected a count such as 1000, or nothing for an "
            + "unknown hour)",
        "2026-11-23,\"1,000\" | '\"1' in column 2 (expected a count such as 1000, or nothing for "
            + "an unknown hour)",
        "2026-11-23,-1 | '-1' in column 2 (expected a count such as 1000, or nothing for an "
            + "unknown hour)",
        "2026-11-23,1,,7 | '7' in column 4 (expected a count such as 1000, or nothing for an "
            + "unknown hour)",
        "11/23/2026,1 | '11/23/2026' (expected a date such as 2026-11-23)",
        "9026-11-23,1 | '9026-11-23' (expected a date such as 2026-11-23)",
        "2026-02-31,1 | Text '2026-02-31' could not be parsed: Invalid date 'FEBRUARY 31'",
        "2026-11-22,2 | 2026-11-22 again (expected one row a date)",
    })
    void is_kept_when_a_line_makes_no_sense(String line, String fault) throws IOException {
      var text = "date,00,01\n2026-11-22,7\n" + line + "\n2026-11-24,9\n";
      var file = write("history.csv", text);
      var history = new History(file);
      assertEquals(List.of(file + ": line 3: " + fault), history.troubles);
      assertEquals(7, history.at(midnight.plus(-24)));
      assertEquals(9, history.at(midnight.plus(24)));
      assertNull(history.at(midnight));
      history.raise(midnight, 12);
      history.save();
      assertEquals(text, Files.readString(file));
      var thrown = assertThrows(Fault.class, () -> History.read(file));
      assertEquals(Exit.HISTORY, thrown.exit);
      assertEquals(history.troubles.get(0), thrown.getMessage());
    }

    /** 12,0 would be read as two counts, which the next empty cell hides. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"12,0", "1,000", "1,5"})
    void takes_no_comma_for_a_separator_where_semicolons_are(String cell) {
      var history = new History(write("history.csv", HEADER.replace(',', ';') + "2026-11-23;" + cell
          + ";".repeat(23) + "\n"));
      assertEquals(1, history.troubles.size());
      assertNull(history.newest());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"when", "EMPTY", "\\0\\0\\0\\0", "date,00,0", "date,24,25",
        "date,hour,count"})
    void without_its_header_is_told_and_kept(String text) throws IOException {
      var whole = text.replace("EMPTY", "").translateEscapes();
      var history = new History(write("history.csv", whole));
      assertEquals(List.of(file() + ": line 1: no header (expected date,00,01,\u2026,23)"),
          history.troubles);
      history.raise(midnight, 12);
      history.save();
      assertEquals(whole, Files.readString(file()));
    }

    @Test
    void of_which_each_line_is_spoilt_is_told_in_five_lines() {
      var history = new History(write("history.csv", HEADER + "x\n".repeat(200)
          + "\"a\",".repeat(20_000)));
      assertEquals(5, history.troubles.size());
      assertTrue(history.troubles.get(4).startsWith(file() + ": line 6: 'x'"));
    }

    /** Fewer than were seen means deleted, merged, or no more matching Query since. */
    @Test
    void raises_what_it_knows_and_reads_back_what_it_saved() throws IOException {
      var history = new History(file());
      var news = new ArrayList<Boolean>();
      for (int count : new int[] {12, 11, 12, 13}) news.add(history.raise(midnight, count));
      assertEquals(List.of(true, false, false, true), news);
      assertTrue(history.raise(midnight.plus(23), 0));
      history.save();
      assertEquals(HEADER + "2026-11-23,13" + ",".repeat(23) + "0\n", Files.readString(file()));
      var read = new History(file());
      assertEquals(List.of(), read.troubles);
      assertEquals(13, read.at(midnight));
      assertEquals(midnight.plus(23), read.newest());
      assertEquals(midnight, read.newestBefore(midnight.plus(23)));
      assertFalse(read.raise(midnight.plus(23), 0), "0 is known");
    }

    @Test
    void of_ten_years_is_kept_whole() {
      var history = new History(file());
      var first = Hour.parse("2016-11-24T00");
      Hour.range(first, first.plus(87_660)).forEach(hour ->
          history.raise(hour, Math.floorMod(hour.number(), 50)));
      history.save();
      var counts = History.read(file());
      assertEquals(87_660, counts.hours().size());
      for (var hour : counts.hours()) {
        assertEquals(Math.floorMod(hour.number(), 50), counts.at(hour));
      }
    }

    @Test
    void that_cannot_be_written_is_a_fault_and_the_old_file_stays() throws IOException {
      var file = write("blocked/history.csv", HEADER);
      Files.createDirectories(folder.resolve("blocked/history.csv.part/in the way"));
      var history = new History(file);
      history.raise(midnight, 1);
      var thrown = assertThrows(Fault.class, history::save);
      assertEquals(file + ": cannot be written: a file or folder is in the way, or input or output "
          + "failed", thrown.getMessage());
      assertEquals(HEADER, Files.readString(file));
    }

    @Test
    void that_is_not_there_is_empty() {
      assertEquals(List.of(), History.read(file()).hours());
      assertNull(new History(file()).newest());
    }
  }
}
