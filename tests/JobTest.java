package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;
import static spikenotifier.Desk.Trouble.where;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.Fakes.MailServer;
import spikenotifier.SpikeNotifier.*;

/** One run after the other: what is judged, told and stored. */
class JobTest extends Scenario {
  @Nested
  class The_job {
    @Test
    void fills_the_history_judges_the_last_hour_and_mails() throws IOException {
      var outcome = run(Exit.OK);
      assertEquals("hour=2026-11-10T13:00Z count=40 mean=10.0 needed=17 percent=300.0 samples=10 "
          + "verdict=spike alert=sent\n", outcome.out());
      assertEquals("filling 240 unknown hours of the 240 before " + NOW.name() + " from Zendesk\n",
          outcome.err());
      assertEquals(List.of("2026-11-10T13.spike.json"), files("sent"));
      assertEquals(List.of(), files("outbox"));
      assertEquals(1, mail.received.size());
      assertEquals(241, history().hours().size());
    }

    @Test
    void sends_nothing_twice_when_it_is_run_again() {
      run(Exit.OK);
      var again = run(Exit.OK, "--json");
      assertTrue(again.out().contains("\"alert\":\"already-sent\""), again.out());
      assertEquals(1, mail.received.size());
    }

    /** The sign-in, the last hour, and the day before it. */
    @Test
    void asks_three_things_in_a_calm_hour() throws IOException {
      desk(hour -> 10);
      known(240, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      var outcome = run(Exit.OK);
      assertEquals("hour=2026-11-10T13:00Z count=10 mean=10.0 needed=17 percent=0.0 samples=10 "
          + "verdict=calm alert=none\n", outcome.out());
      assertEquals(3, desk.requests(), desk.asked.toString());
    }

    /** Nor does it ask a watcher, or leave a lock. */
    @Test
    void touches_nothing_in_a_dry_run() throws IOException {
      config("monitor/PingUrl = " + desk.url() + "/ping");
      var outcome = run(Exit.OK, "--dry-run");
      assertTrue(outcome.out().startsWith("Subject: Ticket Spike Alert! 40 tickets instead of 10 "
          + "at acme (Tue 10 Nov, 13:00 UTC)"), outcome.out());
      assertTrue(outcome.out().endsWith("verdict=spike alert=dry-run\n"), outcome.out());
      assertFalse(Files.exists(folder.resolve("out")));
      assertEquals(0, mail.received.size());
      assertTrue(desk.asked.stream().noneMatch(asked -> asked.contains("/ping")));
    }

    /** For programs, the notice too. */
    @Test
    void prints_an_object_a_line_in_a_dry_run() throws IOException {
      var lines = run(Exit.OK, "--dry-run", "--json").out().lines().toList();
      assertEquals(2, lines.size(), lines.toString());
      var notice = SpikeNotifier.JSON.readTree(lines.get(0));
      assertEquals("spike", notice.path("kind").asText());
      assertTrue(notice.path("text").asText().startsWith("40 tickets at acme from 13:00"));
      assertEquals("dry-run", SpikeNotifier.JSON.readTree(lines.get(1)).path("alert").asText());
    }

    @Test
    void ends_with_the_worst_of_its_troubles_for_a_chosen_hour_too() throws IOException {
      known(240, 10);
      var file = folder.resolve("out/history.csv");
      Files.writeString(file, Fakes.read(file) + "nonsense\n");
      desk.trouble = Trouble.always("search", answer(500, ""));
      var outcome = run(Exit.HISTORY, "--hour", NOW.name());
      assertEquals(2, outcome.err().lines().count(), outcome.err());
    }

    @Test
    void says_nothing_about_a_good_run_when_it_is_to_be_quiet() {
      assertEquals(new Outcome(0, "", ""), run("-q"));
    }

    @Test
    void shows_each_request_when_asked() {
      var outcome = run(Exit.OK, "-v");
      assertTrue(outcome.err().contains("&query=type:ticket created>=2026-11-10T13:00:00Z "
          + "created<2026-11-10T14:00:00Z: 200 in "), outcome.err());
      assertTrue(outcome.err().endsWith(" requests to Zendesk\n"), outcome.err());
    }

    @Test
    void gives_json_with_the_tags() throws IOException {
      known(240, 10);
      var json = SpikeNotifier.JSON.readTree(run(Exit.OK, "--json").out());
      assertEquals(40, json.path("count").asLong());
      assertEquals("checkout_error", json.path("tags").path(0).path("tag").asText());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2026-11-10T14 | --hour 2026-11-10T14: is not over yet (expected 2026-11-10T13 or earlier)",
    })
    void refuses_an_hour_that_it_cannot_judge(String hour, String message) {
      assertEquals(message + "\n", run(Exit.USAGE, "--hour", hour).err());
    }

    @Test
    void judges_the_hour_that_is_asked_for_alone() throws IOException {
      desk(hour -> hour.since(NOW) >= -3 ? 40 : 10);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-5), 10);
      var judged = run(Exit.OK, "--hour", NOW.plus(-1).name()).out().lines()
          .map(line -> line.replaceAll("hour=(\\S+):00Z.* verdict=(\\w+).*", "$1 $2")).toList();
      assertEquals(List.of("2026-11-10T12 spike"), judged);
      assertEquals(1, mail.received.size());
      assertEquals(6, run(Exit.OK).out().lines().count(), "what runs missed is judged by runs");
    }

    /** On a history of thirty days: from its own past, which is read, and told to nobody. */
    @ParameterizedTest
    @ValueSource(ints = {60, 200})
    void judges_an_old_hour_and_tells_nobody(int days) throws IOException {
      var old = NOW.plus(-24L * days);
      desk(hour -> hour.equals(old) ? 60 : 10);
      known(720, 10);
      var before = Fakes.read(folder.resolve("out/history.csv.state"));
      var outcome = run(Exit.OK, "--hour", old.name());
      assertEquals("hour=" + old + " count=60 mean=10.0 needed=17 percent=500.0 samples=10 "
          + "verdict=spike alert=none\n", outcome.out());
      assertEquals("filling 240 unknown hours of the 240 before " + old.name() + " from Zendesk\n"
          + "--hour " + old.name() + ": older than a week, so it is not told\n", outcome.err());
      assertEquals(0, mail.received.size());
      var dry = run(Exit.OK, "--hour", old.name(), "--dry-run").out();
      assertTrue(dry.startsWith("Subject: Ticket Spike Alert! 60 tickets "), dry);
      assertEquals(0, mail.received.size());
      assertEquals(before, Fakes.read(folder.resolve("out/history.csv.state")));
    }

    /** By a run by hand after the upgrade, say. */
    @Test
    void does_not_tell_again_what_the_first_edition_mailed() throws IOException {
      known(240, 10);
      Files.createDirectories(folder.resolve("out/sent"));
      Files.writeString(folder.resolve("out/sent/" + NOW.name() + "-spike.eml"), "Subject: x\n");
      run(Exit.OK);
      assertEquals(0, mail.received.size());
    }

    @Test
    void begins_with_now_although_the_first_run_is_asked_for_an_old_hour() throws IOException {
      desk(hour -> hour.number() % 10 == 0 ? 40 : 10);
      run(Exit.OK, "--hour", NOW.plus(-100).name());
      later(1);
      assertEquals(1, run(Exit.OK).out().lines().count(), "the hours before are no news");
    }

    @ParameterizedTest
    @CsvSource({"2, 2", "168, 168", "169, 168", "200, 168"})
    void judges_after_a_long_sleep_the_hours_of_the_last_week(int asleep, int judged)
        throws IOException {
      desk(hour -> 10);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(1 - asleep), 10);
      var lines = run(Exit.OK).out().lines().toList();
      assertEquals(judged, lines.size());
      assertTrue(lines.get(judged - 1).startsWith("hour=2026-11-10T13:00Z "));
    }

    @Test
    void tells_after_an_outage_what_it_missed_and_that_it_is_late() throws IOException {
      known(240, 10);
      config("zendesk/BaseUrl = http://127.0.0.1:1");
      assertEquals("[zendesk] 127.0.0.1:1: no connection (tried 5 times); the next run "
          + "asks again\n",
          run(Exit.ZENDESK).err());
      later(5);
      config("");
      run(Exit.OK);
      assertEquals(List.of("2026-11-10T13.spike.json", "2026-11-10T14.clear.json"), files("sent"));
      assertTrue(mail.received.get(0).text().contains("This notice comes late, on Tue 10 Nov at "
          + "19:07 UTC."), mail.received.get(0).text());
    }

    /** Zendesk's index has been hours behind: the hours held nothing when they were counted. */
    @Test
    void tells_a_spike_that_the_index_showed_five_hours_later() throws IOException {
      known(240, 10);
      var indexed = new AtomicLong(NOW.number() - 1);
      desk(hour -> hour.number() > indexed.get() ? 0 : hour.equals(NOW) ? 40 : 10);
      for (int i = 0; i < 5; i++) {
        assertTrue(run(Exit.OK).out().contains("verdict=calm"));
        later(1);
      }
      assertEquals(0, mail.received.size());
      indexed.set(Long.MAX_VALUE);
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("2026-11-10T13:00Z: counted again, 40 tickets instead of "
          + "0"), outcome.err());
      assertEquals(40, history().at(NOW));
      assertEquals(List.of("2026-11-10T13.spike.json", "2026-11-10T14.clear.json"), files("sent"));
      later(1);
      run(Exit.OK);
      assertEquals(1, mail.received.size(), "one message for the spike and its end, once");
      assertTrue(mail.received.get(0).text().startsWith("Over after 1 hour: the spike at acme from "
          + "13:00 to 14:00 UTC"), mail.received.get(0).text());
    }

    @Test
    void corrects_an_hour_that_was_counted_too_high() throws IOException {
      known(240, 10);
      desk(hour -> hour.equals(NOW.plus(-7)) ? 8 : 10);
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("counted again, 8 tickets instead of 10"), outcome.err());
      assertEquals(8, history().at(NOW.plus(-7)));
      assertEquals(3, outcome.out().lines().count(), "it, the hour after it, and the last one");
    }

    @Test
    void judges_no_hour_that_is_not_over_by_zendesks_clock() throws IOException {
      var real = Instant.now();
      var last = Hour.lastFull(real);
      desk(hour -> hour.isBefore(last.plus(1)) ? 10 : 0);
      Fakes.known(folder, last.plus(-240), last, 10);
      desk.date = () -> real;
      clock = real.plus(Duration.ofHours(1)); // ahead
      var outcome = run(Exit.OK);
      assertTrue(outcome.out().startsWith("hour=" + last + " count=10 "), outcome.out());
      assertEquals("this machine's clock is 60 minutes ahead of Zendesk's, which says "
          + real.truncatedTo(ChronoUnit.SECONDS) + ": that one is followed (set the clock)\n",
          outcome.err());
      assertFalse(history().knows(last.plus(1)));
    }

    @Test
    void ends_when_query_changed_and_says_what_to_do() throws IOException {
      run(Exit.OK);
      var before = Fakes.read(folder.resolve("out/history.csv"));
      config("zendesk/Query = tags:vip");
      var history = folder.resolve("out/history.csv");
      assertEquals(history + ": was counted at acme.zendesk.com without Query, but this run would "
          + "count at acme.zendesk.com with Query tags:vip (set [default] SpikeDB to a new file; "
          + "or, to keep these counts as they are, delete " + history + ".state)\n",
          run(Exit.CONFIG).err());
      assertEquals(before, Fakes.read(history));
      config("default/SpikeDB = out/vip.csv");
      run(Exit.OK, "--hour", NOW.plus(-1).name());
      assertEquals(1, history2("vip.csv").at(NOW.plus(-2)) + 1);
    }

    private Counts history2(String name) {
      return History.read(folder.resolve("out/" + name));
    }

    /** Quotes, the section "mods", a list over two lines, an API token. */
    @Test
    void may_have_the_config_and_the_history_of_the_python_script() throws IOException {
      Files.writeString(folder.resolve("auth.ini"), """
          [default]
          SpikeDB = "history.csv"

          [zendesk]
          Credentials = "agent@acme.example/token:%s"
          Domain = "acme"
          BaseUrl = %s

          [email]
          Sender = "spikes@acme.example"
          Password = %s
          Recipient = "team@acme.example"
          Host = localhost
          Port = %d
          Username = spikes

          [mods]
          NumHours = 240
          OmittedTags = ["vip",
              "checkout_error"]
          """.formatted(API_KEY, desk.url(), MailServer.PASSWORD, mail.port()));
      Files.writeString(folder.resolve("history.csv"), ",23,22,21,20,19,18,17,16,15,14,13,12,11,"
          + "10,9,8,7,6,5,4,3,2,1,0\n2026-11-09" + ",10.0".repeat(24) + "\n");
      run(Exit.OK);
      assertFalse(mail.received.get(0).text().contains("checkout_error"));
      assertTrue(Fakes.read(folder.resolve("history.csv")).startsWith("date,00,01,"));
    }

    @Test
    void has_no_false_alarms_at_a_desk_of_two_weeks() throws IOException {
      for (var rule : List.of("mean", "weekly")) {
        desk(hour -> NOW.since(hour) > 14 * 24 ? 0 : 10 + hour.number() % 4);
        config("misc/NumHours = 4380\nspike/Rule = " + rule
            + "\ndefault/SpikeDB = out/" + rule + ".csv");
        assertTrue(run(Exit.OK).out().contains("verdict=calm"), rule);
      }
    }

    @Test
    void ends_with_70_and_a_trace_on_any_error() {
      var out = new java.io.StringWriter();
      var err = new java.io.StringWriter();
      var broken = new Ticker() {
        @Override
        public long nanos() {
          throw new OutOfMemoryError("made up");
        }
      };
      var world = new World(Clock.fixed(clock, ZoneOffset.UTC), broken, timeout, env, out, err,
          true);
      assertEquals(70, SpikeNotifier.execute(world, "-c", folder + "/auth.ini"));
      assertTrue(err.toString().startsWith("java.lang.OutOfMemoryError: made up"));
    }
  }

  @Nested
  class What_was_stored {
    /** Its fill looks back into 1999, which has to be readable ever after. */
    @Test
    void for_the_oldest_hour_that_can_be_chosen_is_read_again() throws IOException {
      known(240, 10);
      run(Exit.OK, "--hour", "2000-01-03T00");
      run(Exit.OK);
    }

    @Test
    void in_an_edited_state_is_no_bug() throws IOException {
      known(240, 10);
      var state = folder.resolve("out/history.csv.state");
      Files.writeString(state, Fakes.read(state).replaceFirst("\"again\" : \\[ *]",
          "\"again\" : null"));
      run(Exit.OK);
    }

    /** Big pages are too slow for Zendesk. */
    @Test
    void of_1500_tickets_is_read_by_smaller_pages() throws IOException {
      desk(hour -> hour.equals(NOW) ? 1500 : 10);
      known(240, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      desk.trouble = where("page[size]=1000", answer(504, ""));
      run(Exit.OK);
      assertFalse(mail.received.get(0).text().contains("Ranked from"));
    }

    /** As where somebody exchanged the commas: told in a few lines, and in nobody's way. */
    @Test
    void in_tags_that_are_wrong_in_every_line_is_told_in_six() throws IOException {
      known(240, 10);
      Fakes.tagged(folder, NOW, 10, Map.of("x", 3L));
      var tags = folder.resolve("out/history.csv.tags");
      var wrong = Fakes.read(tags).replace(",", ";");
      Files.writeString(tags, wrong);
      var err = run(Exit.OK).err();
      assertEquals(6, err.lines().count(), err);
      assertEquals(wrong, Fakes.read(tags));
    }

    /** Just the hours that this one is compared with cannot be read: it is not judged, no "0". */
    @Test
    void lacks_the_samples_ends_with_69() throws IOException {
      desk.trouble = (exchange, path) -> {
        for (int day = 1; day <= 10; day++) {
          var sample = Trouble.holding(NOW.plus(-24 * day), answer(500, ""));
          if (sample.takes(exchange, path)) return true;
        }
        return false;
      };
      run(Exit.ZENDESK);
    }

    /** By a clock that was ahead once: the hours that runs missed are judged all the same. */
    @Test
    void as_judged_in_the_future_hides_no_missed_hour() throws IOException {
      known(240, 10);
      var state = folder.resolve("out/history.csv.state");
      Files.writeString(state, Fakes.read(state).replace("2026-11-10T12", "2027-11-10T12"));
      desk(hour -> hour.equals(NOW) ? 90 : 10);
      config("");
      later(5);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    /** The first pass knows a part of the past alone, by which the hour is a calm one. */
    @Test
    void by_a_run_that_was_killed_amid_the_past_loses_no_alarm() throws IOException {
      desk(hour -> hour.equals(NOW) ? 50 : NOW.since(hour) > 168 ? 60 : 10);
      config("");
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-168), 60);
      Fakes.known(folder, NOW.plus(-30), NOW, 10);
      var dying = new Ticker() {
        @Override
        public void sleep(long millis) {
          if (millis > 0) throw new OutOfMemoryError("killed");
        }
      };
      desk.trouble = where("created<2026-11-09T07", answer(503, ""));
      SpikeNotifier.execute(new World(Clock.fixed(clock, ZoneOffset.UTC), dying, timeout, env,
          new StringWriter(), new StringWriter(), true), "-c", folder + "/auth.ini");
      desk.trouble = Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    /** A spike by the whole past, calm by the part that is known at first: told as one alone. */
    @Test
    void in_part_tells_no_end_or_tag_of_an_hour_that_is_a_spike() throws IOException {
      config("spike/TagSurges = yes");
      Fakes.known(folder, NOW.plus(-40), NOW, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      run(Exit.OK);
      assertEquals(List.of("2026-11-10T13.spike.json"), files("sent"));
    }

    /** With nothing to compare with, each hour is said once. */
    @Test
    void of_a_young_desk_piles_up_no_hours() throws IOException {
      desk(hour -> NOW.plus(-10).isBefore(hour) ? 10 : 0);
      config("");
      for (int i = 0; i < 5; i++) {
        assertTrue(run(Exit.OK).out().lines().count() <= 2);
        later(1);
      }
    }
  }
}
