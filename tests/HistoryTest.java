package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** The CSV file and its state. */
class HistoryTest extends Unit {
  @Nested
  class The_history {
    private final Hour midnight = Hour.parse("2026-11-23T00");

    private Counts read(String text) {
      return History.read(write("history.csv", text));
    }

    @Test
    void knows_empty_cells_for_unknown_and_never_for_zero() {
      var counts = read(HEADER + "2026-11-23,12,,0" + ",".repeat(21) + "\n");
      assertEquals(12, counts.at(midnight));
      assertFalse(counts.knows(midnight.plus(1)));
      assertEquals(0, counts.at(midnight.plus(2)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "BOMdate,00,01\\r\\n2026-11-23,12,\\r\\n | byte order mark, line ends of Windows",
        "Date;0;1\\n2026-11-23;12;\\n | semicolons, and zeros dropped",
        "date\\t00\\t01\\n2026-11-23\\t12\\t\\n | tabs",
        "sep=;\\ndate;00;01\\n2026-11-23;12;\\n | a line that tells spreadsheets the separator",
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
      var counts = read(text.translateEscapes().replace("BOM", "\uFEFF"));
      assertEquals(12, counts.at(midnight), why);
      assertFalse(counts.knows(midnight.plus(1)), why);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "date;00\\n2026-11-23;1.000 | line 2, column 00: '1.000' (expected 1000 without a sign "
            + "between the digits: set the cells' format to plain numbers)",
        "date,00\\n2026-11-23,\\\"1,000\\\" | line 2, column 00: '1,000' (expected 1000 without a "
            + "sign between the digits: set the cells' format to plain numbers)",
        "date,00\\n11/23/2026,1 | line 2, column date: '11/23/2026' (expected a date such as "
            + "2026-11-23)",
        "date,00\\n2026-02-31,1 | line 2, column date: '2026-02-31' (expected a date such as "
            + "2026-11-23)",
        "date,00\\n9026-11-23,1 | line 2, column date: '9026-11-23' (expected a date such as "
            + "2026-11-23)",
        "date,00\\n2026-11-23,-1 | line 2, column 00: '-1' (expected a count, or nothing for an "
            + "unknown hour)",
        "date,00\\n2026-11-23,1,7 | line 2, column 3: '7' (expected nothing, the column has no "
            + "name)",
        "date,00\\n2026-11-23,1\\n2026-11-23,2 | line 3, column date: 2026-11-23 again (expected "
            + "one row a date)",
        "when,00 | line 1, column 1: 'when' (expected date,00,01,\u2026,23)",
        "EMPTY | line 1, column 1: no header (expected date,00,01,\u2026,23)",
        "date,00,24 | line 1, column 24: '24' (expected each of 00 to 23 once)",
        "date,00,0 | line 1, column 0: '0' (expected each of 00 to 23 once)",
    })
    void is_kept_when_a_line_makes_no_sense(String text, String fault) throws IOException {
      var file = write("history.csv", text.translateEscapes().replace("EMPTY", ""));
      var before = Files.readString(file);
      var thrown = assertThrows(Fault.class, () -> History.read(file));
      assertEquals(Exit.HISTORY, thrown.exit);
      assertEquals(file + ": " + fault, thrown.getMessage());
      assertEquals(List.of(thrown.getMessage()), History.open(file, "acme", "").troubles);
      assertEquals(before, Files.readString(file));
    }

    @Test
    void reads_back_what_it_saved_and_whose_it_is() throws IOException {
      var file = folder.resolve("history.csv");
      var history = History.open(file, "acme.zendesk.com", "tags:vip");
      history.put(midnight, 12);
      history.judgeLater(midnight.plus(-5));
      history.noLongerPending(midnight);
      history.save();
      assertEquals(HEADER + "2026-11-23,12" + ",".repeat(23) + "\n", Files.readString(file));
      assertEquals("""
          {
            "account" : "acme.zendesk.com",
            "query" : "tags:vip",
            "begun" : null,
            "judged" : "2026-11-23T00",
            "again" : [ "2026-11-22T19" ]
          }
          """, Files.readString(folder.resolve("history.csv.state")));
      var read = History.open(file, "acme.zendesk.com", " tags:vip ");
      assertEquals(midnight, read.takenUp());
      assertEquals(List.of(midnight.plus(-5)), read.pending());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "acme.zendesk.com | | but this run would count at acme.zendesk.com without Query",
        "beta.zendesk.com | tags:vip | but this run would count at beta.zendesk.com with Query "
            + "tags:vip",
    })
    void never_mixes_two_populations(String account, String query, String message) {
      var file = folder.resolve("history.csv");
      var history = History.open(file, "acme.zendesk.com", "tags:vip");
      history.save();
      var thrown = assertThrows(Fault.class, () ->
          History.open(file, account, query == null ? "" : query));
      assertEquals(Exit.CONFIG, thrown.exit);
      assertEquals(file + ": was counted at acme.zendesk.com with Query tags:vip, " + message
          + " (set [default] SpikeDB to a new file; or, to keep these counts as they are, delete "
          + file + ".state)", thrown.getMessage());
    }

    @Test
    void of_an_earlier_edition_counts_as_judged_up_to_its_newest_hour() {
      var file = write("history.csv", HEADER + "2026-11-23,1,2" + ",".repeat(22) + "\n");
      assertEquals(midnight.plus(1), History.open(file, "acme", "").takenUp());
      assertNull(History.open(folder.resolve("none.csv"), "acme", "").takenUp());
    }

    @Test
    void survives_a_line_of_many_quotes() {
      var line = "\"a\",".repeat(20_000);
      var file = write("history.csv", HEADER + line + "\n");
      assertEquals(Exit.HISTORY, assertThrows(Fault.class, () -> History.read(file)).exit);
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "{}", "[]",
        "{\"account\":\"a\",\"query\":\"\",\"judged\":\"x\"}"})
    void with_a_state_that_makes_no_sense_is_told(String state) {
      write("history.csv.state", state);
      var troubles = History.open(folder.resolve("history.csv"), "a", "").troubles;
      assertEquals(1, troubles.size());
      assertTrue(troubles.get(0).contains("is no state of a history"), troubles.get(0));
    }

    @Test
    void of_ten_years_is_kept_whole() {
      var file = folder.resolve("history.csv");
      var history = History.open(file, "acme", "");
      var first = Hour.parse("2016-11-24T00");
      Hour.range(first, first.plus(87_660)).forEach(hour ->
          history.put(hour, Math.floorMod(hour.number(), 50)));
      history.save();
      var counts = History.read(file);
      assertEquals(87_660, counts.hours().size());
      for (var hour : counts.hours()) {
        assertEquals(Math.floorMod(hour.number(), 50), counts.at(hour));
      }
    }

    @Test
    void that_cannot_be_written_is_a_fault_and_the_old_file_stays() throws IOException {
      var file = write("blocked/history.csv", HEADER);
      Files.createDirectories(folder.resolve("blocked/history.csv.part/in the way"));
      var history = History.open(file, "acme", "");
      var thrown = assertThrows(Fault.class, history::save);
      assertEquals(file + ": cannot be written: a folder is in its place", thrown.getMessage());
      assertEquals(HEADER, Files.readString(file));
    }
  }
}
