package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.subethamail.smtp.RejectException;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** Nothing that is not needed to tell stands before telling, and nothing here keeps it off. */
class AlarmTest extends Scenario {
  private static final String SPIKE = "2026-11-10T13.spike.json";

  @BeforeEach
  void nothing_to_fill() {
    known(240, 10);
    Fakes.tagged(folder, NOW, 10, Map.of());
  }

  /** What was asked before the alarm: the mail comes after as many requests and seconds. */
  @Nested
  class A_spike_is_told_first {
    private int seconds() {
      return (int) TimeUnit.MILLISECONDS.toSeconds(
          time.waits.stream().mapToLong(wait -> wait).sum());
    }

    /** Sign-in, the hour, what came since: three requests, no waiting. */
    @ParameterizedTest
    @CsvSource({"503, Retry-After, 60", "429, Retry-After, 30", "500, X, 1"})
    void while_the_past_fails(int status, String header, String value) throws IOException {
      var asked = new ArrayList<Integer>();
      mail.mood = (stage, what) -> {
        asked.add(desk.requests());
        assertEquals(0, seconds());
      };
      desk.trouble = Trouble.holding(NOW.plus(-24), answer(status, "", header, value));
      run("-v");
      assertEquals(1, mail.received.size());
      assertEquals(3, asked.get(0), desk.asked.toString());
    }

    @ParameterizedTest
    @ValueSource(ints = {150, 1500})
    void though_its_tickets_cannot_be_read(int count) throws IOException {
      desk(hour -> hour.equals(NOW) ? count : 10);
      var waited = new ArrayList<Integer>();
      mail.mood = (stage, what) -> waited.add(seconds());
      desk.trouble = always("export", answer(503, "", "Retry-After", "60"));
      run();
      assertTrue(waited.get(0) <= 120, waited + " s");
      var text = withoutPorts(mail.received.get(0).text());
      assertTrue(text.contains("Of its tickets 100 were read: [zendesk] 127.0.0.1: answers 503"),
          text);
    }

    @Test
    void where_the_first_page_fails_the_count_is_asked_at_once() {
      desk.trouble = always("search.json", answer(503, "", "Retry-After", "60"));
      run(Exit.OK);
      assertTrue(desk.asked.get(2).contains("search/count"), desk.asked.toString());
      assertEquals(1, mail.received.size());
    }

    /** A lock, a history, what was told, an outbox that cannot be read or written. */
    @ParameterizedTest
    @ValueSource(strings = {"history.csv.lock/x", "history.csv.part/x", "history.csv.told.part/x",
        "history.csv.tags.part/x", "history.csv.outbox", "history.csv.done"})
    void though_something_is_in_the_way_of_a_file(String place) throws IOException {
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      if (place.contains("/")) Files.createDirectory(inTheWay);
      else Files.writeString(inTheWay, "");
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
    }

    /** In memory nothing is told that each hour would tell again. */
    @Test
    void and_no_end_while_what_was_told_cannot_be_stored() throws IOException {
      run(Exit.OK);
      Files.createDirectories(folder.resolve("out/history.csv.told.part/x"));
      for (int i = 0; i < 3; i++) {
        later(1);
        run(Exit.HISTORY);
      }
      assertEquals(1, mail.received.size());
      Files.delete(folder.resolve("out/history.csv.told.part/x"));
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "the end, once that is mended");
    }

    /** As one that root wrote: the others are sent, and noted. */
    @ParameterizedTest
    @ValueSource(strings = {"outbox", "done"})
    void once_though_an_older_notice_cannot_be_read(String name) throws IOException {
      Files.createDirectories(file(name, "2026-11-09T13.spike.json"));
      for (int i = 0; i < 3; i++) {
        run(Exit.HISTORY);
        later(1);
      }
      assertEquals(2, mail.received.size(), "the spike and its end");
    }

    /** As one that somebody edited: it is reported, the others go out. */
    @Test
    void though_an_older_notice_cannot_be_rendered() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(2)) ? 40 : 10);
      config("spike/AllClear = no");
      mail.mood = (stage, what) -> {
        throw new RejectException(450, "4.3.0 later");
      };
      run(Exit.TRY_LATER);
      mail.mood = (stage, what) -> { };
      var older = file("outbox", SPIKE);
      Files.writeString(older, Fakes.read(older).replaceFirst("\"url\" : \"[^\"]*\"",
          "\"url\" : null"));
      for (int i = 0; i < 2; i++) {
        later(1);
        assertEquals(Exit.BUG.code, run().code());
      }
      assertEquals(1, mail.received.size());
    }

    /** It is told again, where a spike is else told once: no outbox, or no room for an answer. */
    @ParameterizedTest
    @ValueSource(strings = {"history.csv.outbox", "history.csv.outbox/.writable/x"})
    void in_the_next_run_where_neither_the_outbox_nor_the_mail_server_took_it(String place)
        throws IOException {
      desk(hour -> hour.since(NOW) >= 0 && hour.since(NOW) < 4 ? 40 : 10);
      config("spike/Repeat = growth");
      var inTheWay = folder.resolve("out/" + place);
      Files.createDirectories(inTheWay.getParent());
      Files.writeString(inTheWay, "");
      mail.mood = (stage, what) -> {
        throw new RejectException(451, "4.3.0 later");
      };
      run(Exit.HISTORY);
      Files.delete(inTheWay);
      if (place.contains(".writable")) Files.delete(inTheWay.getParent());
      mail.mood = (stage, what) -> { };
      later(1);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    @Test
    void though_a_line_of_the_history_is_invalid_and_it_is_kept() throws IOException {
      var file = folder.resolve("out/history.csv");
      Files.writeString(file, Fakes.read(file).replaceFirst("\n2026-11-05,10", "\n2026-11-05,ten"));
      var before = Fakes.read(file);
      var said = run(Exit.HISTORY);
      assertTrue(said.err().startsWith(file + ": line "), said.err());
      assertEquals(1, mail.received.size());
      assertEquals(before, Fakes.read(file));
      later(1);
      desk.asked.clear();
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size(), "no end while that lasts");
      assertTrue(desk.asked.size() <= 6, "its day is asked for by a count and an export: "
          + desk.asked);
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"spikes\":null", "\"spikes\":[null]", "\"tags\":null",
        "\"tags\":{\"vip\":null}", "\"judged\":null", "\"judged\":{\"2026-11-10T12\":null}",
        "\"spikes\":[{\"begin\":\"2026-11-10T12\"}]", "\"stop\":\"noon\""})
    void though_what_was_told_lacks_a_value(String part) throws IOException {
      Files.writeString(folder.resolve("out/history.csv.told"), "{\"account\":\"acme.zendesk.com\","
          + "\"query\":\"\",\"since\":\"2026-11-01T00\"," + part + "}");
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
    }

    @Test
    void though_what_was_told_makes_no_sense_and_cannot_be_laid_aside() throws IOException {
      Files.writeString(folder.resolve("out/history.csv.told"), "\0");
      Files.createDirectories(folder.resolve("out/history.csv.told.broken/x"));
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
    }

    /** As after a power cut: what was told is begun anew, and said once. */
    @Test
    void though_what_was_told_makes_no_sense() throws IOException {
      var told = folder.resolve("out/history.csv.told");
      Files.writeString(told, "\0\0\0\0");
      var said = run(Exit.HISTORY);
      assertEquals(told + ": makes no sense (moved to history.csv.told.broken)\n", said.err());
      assertEquals(1, mail.received.size());
      assertEquals("\0\0\0\0", Fakes.read(folder.resolve("out/history.csv.told.broken")));
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "and its end");
    }

    @Test
    void and_notices_of_another_history_in_the_folder_are_not_seen() throws IOException {
      run(Exit.OK);
      config("zendesk/Query = brand:shop\ndefault/SpikeDB = out/shop.csv");
      run(Exit.OK);
      assertEquals(2, mail.received.size());
    }

    /** Two counts must never mix; each way out works. */
    @ParameterizedTest
    @ValueSource(strings = {"a new file", "delete"})
    void but_not_where_another_query_was_counted(String wayOut) throws IOException {
      run(Exit.OK);
      var history = folder.resolve("out/history.csv");
      var before = Fakes.read(history);
      config("zendesk/Query = brand:shop");
      later(1);
      assertEquals(history + ": counts acme.zendesk.com without Query, but this run would count "
          + "acme.zendesk.com with Query brand:shop (set [default] SpikeDB to a new file; or, to "
          + "go on with these counts, delete " + history + ".told)\n", run(Exit.CONFIG).err());
      assertEquals(before, Fakes.read(history));
      if (wayOut.equals("delete")) Files.delete(folder.resolve("out/history.csv.told"));
      else config("default/SpikeDB = out/shop.csv");
      run(Exit.OK);
    }
  }

  @Nested
  class The_past {
    /** Of eight hours that Zendesk never gives nothing is said, and they cost little. */
    @Test
    void is_filled_but_for_hours_that_zendesk_does_not_give() throws IOException {
      config("misc/NumHours = 4380");
      Files.delete(folder.resolve("out/history.csv"));
      desk.trouble = (exchange, path) -> {
        for (int i = 73; i <= 80; i++) {
          var bad = Trouble.holding(NOW.plus(-i), answer(503, ""));
          if (bad.takes(exchange, path)) return true;
        }
        return false;
      };
      var said = run(Exit.OK);
      assertTrue(said.out().contains("verdict=spike alert=sent"), said.out());
      assertEquals(4381 - 8, history().hours().size());
      desk.asked.clear();
      assertEquals("", run(Exit.OK).err().replaceAll("reading .*\n", ""));
      assertTrue(desk.asked.size() <= 5, desk.asked.toString());
      assertTrue(run(Exit.OK, "doctor").out().contains(", 8 unknown of the last 4380"));
    }

    @Test
    void that_zendesk_gives_nothing_of_ends_with_69_in_each_run() throws IOException {
      Files.delete(folder.resolve("out/history.csv"));
      desk.trouble = (exchange, path) -> path.contains("search/")
          && !exchange.getRequestURI().getQuery().contains("created>=" + NOW.from())
          && answer(500, "").takes(exchange, path);
      for (int i = 0; i < 2; i++) {
        var said = run(Exit.ZENDESK);
        assertEquals("", said.out());
        assertTrue(said.err().contains("[zendesk] the past was not read to its end, and the next "
            + "run goes on: [zendesk] 127.0.0.1: answers 500"), said.err());
        assertEquals(0, mail.received.size(), "one hour is no baseline");
      }
    }

    @ParameterizedTest
    @CsvSource({"20, ZENDESK", "19, OK"})
    void that_vanishes_is_not_believed_from_twenty_tickets_on(long tickets, Exit exit)
        throws IOException {
      Files.delete(folder.resolve("out/history.csv"));
      known(240, 0);
      Fakes.known(folder, NOW.plus(-5), NOW.plus(-4), tickets);
      var file = folder.resolve("out/history.csv");
      var before = Fakes.read(file);
      desk(hour -> 0);
      var said = run(exit);
      if (exit == Exit.OK) return;
      assertTrue(said.err().contains("holds 0 tickets, though 20 of it are stored: not believed, "
          + "nothing is stored (the client may have lost its sight"), said.err());
      assertEquals("", said.out());
      assertEquals(before, Fakes.read(file));
    }

    /** Neither an end nor a stop comes of it; the last hour's spike is what it is. */
    @ParameterizedTest
    @CsvSource({"0, 1", "90, 2"})
    void that_vanishes_ends_nothing(long now, int mails) throws IOException {
      run(Exit.OK);
      config("spike/Stops = yes");
      desk(hour -> hour.equals(NOW.plus(1)) ? now : 0);
      later(1);
      run(Exit.ZENDESK);
      assertEquals(mails, mail.received.size());
    }

    @Test
    void cannot_hold_a_count_of_sixteen_digits() {
      desk.trouble = first(2, "search", answer(200, "{\"count\":1234567890123456,\"results\":[]}"));
      run(Exit.OK);
      assertEquals(40, history().at(NOW));
    }

    /** What was created stays created: fewer now means deleted, or solved since. */
    @Test
    void only_rises() throws IOException {
      desk(hour -> hour.equals(NOW.plus(-7)) ? 4 : hour.equals(NOW.plus(-8)) ? 12 : 10);
      run(Exit.OK);
      assertEquals(10, history().at(NOW.plus(-7)));
      assertEquals(12, history().at(NOW.plus(-8)));
    }

    /** All that is created is solved within five hours: the hours are usual all the same. */
    @Test
    void of_a_query_that_asks_for_what_changes_gives_no_false_alarm() throws IOException {
      config("spike/Rule = weekly\nmisc/NumHours = 1000\nspike/Stops = yes");
      known(1000, 10);
      desk(hour -> {
        long age = Hour.of(clock).since(hour);
        return age <= 1 ? 10 : Math.max(0, 10 - 3 * (age - 1));
      });
      for (int i = 0; i < 12; i++) {
        run(Exit.OK);
        later(1);
      }
      assertEquals(0, mail.received.size());
    }

    @Test
    void is_checked_as_far_as_the_machine_was_off() throws IOException {
      Files.delete(folder.resolve("out/history.csv"));
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-60), 10);
      desk(hour -> hour.equals(NOW.plus(-70)) ? 12 : 10);
      run(Exit.OK);
      assertEquals(12, history().at(NOW.plus(-70)), "in the day before the machine went off");
    }
  }

  @Nested
  class The_clock {
    @ParameterizedTest
    @CsvSource({"-20160, 20160 minutes behind", "-180, 180 minutes behind",
        "12960, 12960 minutes ahead of", "4, "})
    void of_this_machine_is_put_right_by_zendesks(int minutes, String words) throws IOException {
      var right = clock;
      desk.date = () -> right;
      clock = right.plus(Duration.ofMinutes(minutes));
      var said = run(Exit.OK);
      assertTrue(said.out().startsWith("hour=" + NOW + " count=40 "), said.out());
      assertEquals(words == null ? "" : "this machine's clock is " + words + " Zendesk's, which "
          + "says " + right + ": that one is followed (set the clock)\n", said.err());
      assertEquals(1, mail.received.size());
      clock = right.plus(Duration.ofHours(1));
      desk.date = () -> clock;
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "and the end");
    }

    /** Nothing is given up or deleted on its word alone. */
    @Test
    void that_is_ahead_while_zendesk_is_down_gives_nothing_up() throws IOException {
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      clock = clock.plus(Duration.ofDays(9));
      config("zendesk/BaseUrl = http://127.0.0.1:1");
      run(Exit.ZENDESK);
      assertEquals(List.of(SPIKE), files("outbox"));
    }

    @Test
    void of_zendesk_is_not_believed_before_what_was_counted() throws IOException {
      desk.date = () -> Instant.parse("2026-11-01T00:00:00Z");
      var said = run(Exit.ZENDESK);
      assertTrue(said.err().startsWith("[zendesk] says that it is 2026-11-01T00:00:00Z, before the "
          + "end of 2026-11-10T12:00Z, a stored hour: not believed"), said.err());
    }

    /** The page is asked for by one clock, and its answer tells the other. */
    @Test
    void of_zendesk_decides_which_hour_is_the_last_with_an_api_token_too() throws IOException {
      config("zendesk/ClientId = -\nzendesk/ClientSecret = -\n"
          + "zendesk/Credentials = agent@acme.example/token:" + API_KEY);
      clock = NOW.to().plusSeconds(3700);
      desk.date = () -> NOW.to().plusSeconds(3500);
      var said = run(Exit.OK);
      assertTrue(said.out().startsWith("hour=" + NOW), said.out());
      assertFalse(history().knows(NOW.plus(1)));
    }
  }
}
