package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiPredicate;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** Whole stories, hour by hour: what is told of spikes, stops, tags and a desk that opens. */
class EpisodesTest extends Deliveries {
  /** Each test makes the history that it wants. */
  @Override
  void nothing_to_fill() { }

  private void weekly(String more) throws IOException {
    config("spike/Rule = weekly\nmisc/SpikeThreshold = 0.5\nspike/Repeat = growth\n"
        + "misc/NumHours = 1000\nspike/Stops = yes\nspike/TagSurges = yes\n" + more);
  }

  /** So many runs, an hour after the other; the first lines of what came by mail, by the hour. */
  private List<String> told(int hours) {
    var told = new ArrayList<String>();
    for (int i = 0; i < hours; i++) {
      int before = mail.received.size();
      run(Exit.OK);
      for (var each : mail.received.subList(before, mail.received.size())) {
        told.add(i + " " + each.text().lines().findFirst().orElseThrow());
      }
      later(1);
    }
    return told;
  }

  private List<String> subjects() {
    return mail.received.stream().map(each -> each.subject().replaceAll(" \\(.*", "")).toList();
  }

  @Nested
  class Tickets_that_stop {
    private void sixHoursWithout() throws IOException {
      desk(hour -> hour.since(NOW) >= 3 && hour.since(NOW) < 9 ? 0 : 10);
      known(1000, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
    }

    @Test
    void are_told_once_and_again_when_they_come() throws IOException {
      sixHoursWithout();
      weekly("");
      assertEquals(List.of(
          "4 Tickets stopped at acme: 0 in 2 hours, usually 20.",
          "9 Tickets come again at acme: 10 in 2 hours, usually 20."), told(14));
      var stop = mail.received.get(0);
      assertEquals("Ticket Spike Alert! Tickets stopped: 0 instead of 20 in 2 hours at acme "
          + "(Tue 10 Nov 17:00 UTC)", stop.subject());
      var again = mail.received.get(1);
      assertEquals("Re: " + stop.subject(), again.subject());
      assertEquals(stop.header("Message-ID"), again.header("In-Reply-To"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"spike/IgnoredDays = 2026-11-10", "spike/Stops = no"})
    void are_no_news_on_a_holiday_or_where_nobody_wants_it(String setting) throws IOException {
      sixHoursWithout();
      weekly(setting);
      assertEquals(List.of(), told(14));
    }

    /** They were only not yet to be found: the hour after it tells the end, once. */
    @Test
    void are_told_once_whatever_runs_in_the_same_hour_find() throws IOException {
      var isFound = new AtomicBoolean();
      desk(hour -> hour.isBefore(NOW) || hour.isAfter(NOW.plus(1)) || isFound.get() ? 10 : 0);
      known(1000, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      weekly("");
      told(2);
      isFound.set(true);
      clock = clock.minusSeconds(3600);
      for (int i = 0; i < 3; i++) run(Exit.OK);
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size());
    }

    @Test
    void come_again_untold_without_all_clear() throws IOException {
      sixHoursWithout();
      weekly("spike/AllClear = no");
      assertEquals(List.of("4 Tickets stopped at acme: 0 in 2 hours, usually 20."), told(14));
    }

    @Test
    void are_forgotten_where_nobody_wants_it_for_a_while() throws IOException {
      sixHoursWithout();
      weekly("");
      assertEquals(1, told(6).size());
      weekly("spike/Stops = no");
      told(6);
      weekly("spike/Stops = yes");
      assertEquals(List.of(), told(3));
    }
  }

  @Nested
  class A_tag_that_surges {
    private void desk(ToLongFunction<Hour> count, BiPredicate<Hour, Long> isTagged)
        throws IOException {
      desk.close();
      desk = new Desk(count, isTagged);
      desk.date = () -> clock;
      known(1000, 20);
      Fakes.tagged(folder, NOW, 20, Map.of("billing", 4L, "login", 4L, "shipping", 4L,
          "refund", 3L, "mobile_app", 3L, "feature_request", 2L, "vip", 7L));
    }

    @ParameterizedTest
    @CsvSource({"9, 5", "7, 100"})
    void is_told_within_a_calm_total_and_once(long tickets, int until) throws IOException {
      desk(hour -> 20, (hour, i) -> hour.since(NOW) >= 2 && hour.since(NOW) < until && i < tickets);
      weekly("");
      assertEquals(List.of("2 " + tickets + " tickets with checkout_error at acme, Tue 10 Nov "
          + "15:00 to 16:00 UTC."), told(20));
      assertTrue(mail.received.get(0).text().contains("checkout_error: " + tickets + " in 2 hours, "
          + "usually none."));
    }

    /** What no run has looked at was told to nobody. */
    @ParameterizedTest
    @ValueSource(strings = {"no run", "TagSurges = no"})
    void is_told_in_its_second_hour_where_the_first_had(String trouble) throws IOException {
      desk(hour -> 20, (hour, i) -> hour.since(NOW) >= 2 && hour.since(NOW) < 6 && i < 9);
      weekly("");
      told(2);
      if (trouble.startsWith("TagSurges")) weekly("spike/TagSurges = no");
      if (!trouble.equals("no run")) run();
      assertEquals(0, mail.received.size());
      weekly("spike/TagSurges = yes");
      later(1);
      assertEquals(1, told(6).size());
    }

    /** The tags cannot be stored then, and what was told can. */
    @Test
    void is_told_once_though_a_line_of_the_tags_is_bad() throws IOException {
      desk(hour -> 20, (hour, i) -> hour.since(NOW) >= 2 && hour.since(NOW) < 5 && i < 9);
      weekly("");
      var tags = folder.resolve("out/history.csv.tags");
      Files.writeString(tags, Files.readString(tags) + "nonsense\n");
      assertEquals(1, told(8).size());
    }

    /** Nor is it said to have come in two hours where one was counted. */
    @Test
    void is_told_of_the_hours_that_were_counted() throws IOException {
      desk(hour -> 20, (hour, i) -> hour.equals(NOW.plus(1)) && i < 9);
      weekly("");
      desk.trouble = Trouble.holding(NOW, answer(500, ""));
      later(1);
      run();
      assertTrue(mail.received.get(0).subject().contains("9 with checkout_error in 1 hour at acme"),
          mail.received.get(0).subject());
    }

    /** The total tells it: the notices of the spike name the cause. */
    @Test
    void with_the_total_is_no_news_of_its_own() throws IOException {
      desk(hour -> hour.since(NOW) == 2 ? 90 : 20, (hour, i) -> i >= 20);
      weekly("");
      assertEquals(List.of("2 90 tickets at acme, Tue 10 Nov 15:00 to 16:00 UTC.",
          "3 Over after 1 hour: the spike at acme, Tue 10 Nov 15:00 to 16:00 UTC."), told(8));
      assertTrue(mail.received.get(0).text().contains("70 of the 90 carry checkout_error, usually "
          + "none."), mail.received.get(0).text());
    }

    /** No notice of the spike has named it. */
    @Test
    void that_joins_a_spike_late_and_outlives_it_is_told_after_it() throws IOException {
      desk(hour -> hour.since(NOW) >= 0 && hour.since(NOW) < 4 ? 90 : 20,
          (hour, i) -> hour.since(NOW) >= 2 && i < 2 || hour.since(NOW) >= 7 && i < 14);
      weekly("");
      var told = told(10);
      assertEquals(3, told.size(), told.toString());
      assertEquals("7 14 tickets with checkout_error at acme, Tue 10 Nov 20:00 to 21:00 UTC.",
          told.get(2));
    }

    @Test
    void that_is_omitted_is_never_watched() throws IOException {
      desk(hour -> 20, (hour, i) -> hour.since(NOW) >= 2 && hour.since(NOW) < 5 && i < 9);
      weekly("misc/OmittedTags = checkout_error");
      assertEquals(List.of(), told(6));
    }

    /** Many of its tickets were not yet to be found when the hour was first read. */
    @Test
    void is_seen_in_an_hour_that_holds_more_by_now() throws IOException {
      var found = new AtomicInteger(6);
      desk(hour -> hour.equals(NOW) ? found.get() : 20, (hour, i) ->
          hour.equals(NOW) && i >= 4 && i < 16 || hour.since(NOW) == 1 && i < 5);
      weekly("");
      assertEquals(List.of(), told(1));
      found.set(20);
      assertEquals(1, told(1).size());
      assertTrue(mail.received.get(0).text().contains("checkout_error: 17 in 2 hours"));
    }

    /** A calm hour of a thousand: a sign-in, the page, the check, one export. */
    @Test
    void costs_a_busy_desk_one_request() throws IOException {
      desk(hour -> 1000, (hour, i) -> false);
      known(1000, 1000);
      Fakes.tagged(folder, NOW, 1000, Map.of());
      weekly("");
      run(Exit.OK);
      assertEquals(4, desk.requests(), desk.asked.toString());
    }
  }

  @Nested
  class A_spike {
    /** As after an import, or where Zendesk's index catches up. */
    @Test
    void in_ten_hours_that_come_to_light_is_a_notice_each_that_says_that_it_is_over()
        throws IOException {
      known(192, 10);
      var risen = new AtomicBoolean();
      desk(hour -> risen.get() && NOW.since(hour) % 2 == 1 && NOW.since(hour) < 20 ? 60 : 10);
      run(Exit.OK);
      risen.set(true);
      later(1);
      run(Exit.OK);
      assertTrue(mail.received.size() <= 10, subjects().toString());
      for (var each : mail.received) {
        assertTrue(each.text().contains("\nIt is over: "), each.text());
        assertFalse(each.subject().startsWith("Re:"), each.subject());
      }
      later(1);
      run(Exit.OK);
      assertEquals(10, mail.received.size(), "nothing ends that is over");
    }

    @Test
    void of_three_missed_hours_is_one_notice_with_its_own_number() throws IOException {
      known(192, 10);
      var counts = List.of(40L, 70L, 350L);
      desk(hour -> hour.isBefore(NOW) || hour.since(NOW) > 2 ? 10
          : counts.get((int) hour.since(NOW)));
      later(2);
      run(Exit.OK);
      assertEquals(List.of("Ticket Spike Alert! 350 tickets instead of 10 at acme"), subjects());
      assertTrue(mail.received.get(0).text().startsWith("350 tickets at acme"));
    }

    /** A late ticket then changes an hour that nobody has heard of. */
    @Test
    void that_is_over_before_anybody_can_be_told_is_one_message() throws IOException {
      known(192, 10);
      var late = new AtomicLong();
      desk(hour -> hour.equals(NOW) ? 40 : hour.equals(NOW.plus(1)) ? 40 + late.get() : 10);
      config("email/Port = 1\nkept = yes\nspike/Repeat = growth");
      for (int i = 0; i < 3; i++) {
        run(Exit.TRY_LATER);
        later(1);
      }
      late.set(1);
      config("email/Port = " + mail.port());
      run(Exit.OK);
      assertEquals(List.of("Ticket Spike Alert! Over: 40 tickets instead of 10 at acme"),
          subjects());
      assertTrue(mail.received.get(0).text().startsWith("Over after 2 hours: "));
    }

    @Test
    void that_waits_ends_before_the_next_one_is_told() throws IOException {
      known(192, 10);
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(3)) ? 40 : 10);
      config("email/Port = 1\nkept = yes");
      for (int i = 0; i < 3; i++) {
        run(Exit.TRY_LATER);
        later(1);
      }
      config("email/Port = " + mail.port());
      run(Exit.OK);
      assertEquals(List.of("Ticket Spike Alert! Over: 40 tickets instead of 10 at acme",
          "Ticket Spike Alert! 40 tickets instead of 10 at acme"), subjects());
    }

    @Test
    void is_told_once_in_its_hour_whatever_repeat_says() throws IOException {
      known(192, 10);
      run(Exit.OK);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    /** Zendesk's index has been hours behind: the hours held nothing when they were counted. */
    @Test
    void that_the_index_showed_five_hours_later_is_told_with_its_end_once() throws IOException {
      known(240, 10);
      var indexed = new AtomicLong(NOW.number() - 1);
      desk(hour -> hour.number() > indexed.get() ? 0 : hour.equals(NOW) ? 40 : 10);
      for (int i = 0; i < 5; i++) {
        assertTrue(run(Exit.OK).out().contains("verdict=calm"));
        later(1);
      }
      indexed.set(Long.MAX_VALUE);
      var said = run(Exit.OK);
      assertTrue(said.err().contains("2026-11-10T13:00Z: counted again, 40, not 0"), said.err());
      later(1);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      assertTrue(mail.received.get(0).text().contains("\nIt is over: 10 tickets, Tue 10 Nov 14:00"),
          mail.received.get(0).text());
    }

    @Test
    void that_was_missed_is_told_late() throws IOException {
      known(240, 10);
      config("zendesk/BaseUrl = http://127.0.0.1:1");
      assertEquals("[zendesk] 127.0.0.1:1: no connection (tried 5 times)\n",
          run(Exit.ZENDESK).err());
      later(5);
      config("");
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      assertTrue(mail.received.get(0).text().contains("\nThis notice comes late, on Tue 10 Nov "
          + "19:07 UTC.\nIt is over: "), mail.received.get(0).text());
    }
  }

  /** A made-up desk with test tickets, a pilot, going live, and eight weeks closed. */
  @Test
  void a_desk_that_opens_is_told_of_as_rarely_as_the_rule_says() throws IOException {
    var stream = EpisodesTest.class.getResourceAsStream("/openings.csv");
    var file = folder.resolve("openings.csv");
    Disk.write(file, new String(stream.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8));
    var counts = History.read(file);
    var start = counts.first().plus(24 * 70);
    desk(hour -> counts.knows(hour) ? counts.at(hour) : 0);
    clock = start.to().plusSeconds(420);
    var history = new History(folder.resolve("out/history.csv"));
    Hour.range(counts.first(), start).forEach(hour -> history.raise(hour, counts.at(hour)));
    history.save();
    Fakes.known(folder, start.plus(-1), start, 0);
    weekly("spike/TagSurges = no\nspike/Stops = no\nmisc/NumHours = 2400");
    var config = Config.read(folder.resolve("auth.ini"), World.real());
    var judge = new Judge(new Rule(config), counts);
    long expected = 0;
    for (int i = 0; i < 24 * 10; i++) {
      if (judge.verdict(start.plus(i)) instanceof Spike) expected++;
      run(Exit.OK, "-q");
      later(1);
    }
    var told = mail.received.stream().filter(each ->
        !each.text().startsWith("Over")).count();
    assertTrue(told < expected && expected <= 30, told + " of " + expected + " spike hours");
  }

  /** Mail and two chats, each failing by itself for hours to days: nobody misses an episode. */
  @Test
  void a_month_of_failing_receivers_leaves_no_episode_unheard() throws IOException {
    var chance = new Random(5);
    var spikes = new TreeSet<Hour>();
    for (int i = 0; i < 24; i++) {
      var hour = NOW.plus(3 + 29L * i + chance.nextInt(10));
      spikes.add(hour);
      if (chance.nextBoolean()) spikes.add(hour.plus(1));
    }
    desk(hour -> spikes.contains(hour) ? 60 : 10);
    known(240, 10);
    try (var first = new Hook(); var second = new Hook(); var smtp = smtp()) {
      config("email/Recipient = a@acme.example\nwebhook/Url = " + first.url()
          + "\nwebhook/Format = json\nwebhook two/Url = " + second.url()
          + "\nwebhook two/Format = json");
      var hooks = List.of(first, second);
      var accepted = List.of(new TreeSet<String>(), new TreeSet<String>());
      var taken = List.of(new ArrayList<String>(), new ArrayList<String>()); // each notice once
      long[] until = new long[3];
      for (int i = 0; i < 30 * 24 + 4; i++) {
        boolean isWell = i >= 30 * 24;
        for (int receiver = 0; receiver < 3; receiver++) {
          if (i < until[receiver] && !isWell) continue;
          until[receiver] = i + 1 + chance.nextInt(chance.nextInt(6) == 0 ? 60 : 6);
          boolean fails = !isWell && chance.nextInt(3) == 0;
          if (receiver < 2) {
            var moods = List.of(500, 503, 404, 302, 429);
            hooks.get(receiver).status = fails ? moods.get(chance.nextInt(5)) : 200;
          } else {
            var moods = List.of("451 later", "554 may not send as", "CLOSE", "552 5.4.5 limit");
            smtp.script(".", fails ? moods.get(chance.nextInt(4)) : "250 ok",
                "RCPT TO", !isWell && chance.nextInt(6) == 0 ? "450 greylisted" : "250 ok");
          }
        }
        var before = List.of(first.bodies.size(), second.bodies.size());
        run("-q");
        for (int k = 0; k < 2; k++) {
          if (hooks.get(k).status != 200) continue;
          for (var body : hooks.get(k).bodies.subList(before.get(k), hooks.get(k).bodies.size())) {
            var json = SpikeNotifier.JSON.readTree(body);
            accepted.get(k).add(json.path("episode").asText());
            taken.get(k).add(json.path("hour").asText() + json.path("kind").asText());
          }
        }
        later(1);
      }
      var roots = new TreeSet<String>();
      for (var each : smtp.mails) {
        roots.add(each.replaceAll("(?s).*References: <(\\S+)-spike-episode@.*", "$1"));
      }
      for (var hour : spikes) {
        if (spikes.contains(hour.plus(-1))) continue;
        for (int k = 0; k < 2; k++) {
          boolean isHeard = accepted.get(k).contains(hour.from().toString());
          assertTrue(isHeard, hour + " by chat " + k);
        }
        assertTrue(roots.contains(hour.name()), hour + " by mail");
      }
      for (var each : taken) assertEquals(each.size(), Set.copyOf(each).size(), each.toString());
    }
  }

  /**
   * A month of hourly runs against a help desk that fails at random, for minutes to days. Spikes
   * come to light after days then, some of them after a later one was told.
   */
  @Test
  void a_month_of_failures_delays_no_alarm_and_loses_or_doubles_none() throws IOException {
    var chance = new Random(11);
    var spikes = new TreeSet<Hour>();
    for (int i = 0; i < 30; i++) spikes.add(NOW.plus(2 + 24L * i + chance.nextInt(20)));
    desk(hour -> spikes.contains(hour) ? 60 : 10);
    config("spike/Repeat = first\nmisc/NumHours = 240");
    known(240, 10);
    var bad = Set.of(503, 500, 429, 502);
    var moods = List.copyOf(bad);
    long until = 0;
    var down = new ArrayList<Hour>();
    for (int i = 0; i < 30 * 24; i++) {
      var hour = NOW.plus(i);
      if (i >= until) {
        int mood = chance.nextInt(10);
        until = i + 1 + chance.nextInt(mood < 8 ? 3 : 30);
        int status = moods.get(chance.nextInt(moods.size()));
        double often = mood < 4 ? 0 : mood < 8 ? 0.4 : 0.95;
        desk.trouble = (exchange, path) -> chance.nextDouble() < often
            && (chance.nextInt(5) == 0 ? Trouble.cutOff()
                : answer(status, "", "Retry-After", String.valueOf(1 + chance.nextInt(90))))
                .takes(exchange, path);
      }
      var told = new ArrayList<Long>();
      long start = time.nanos();
      mail.mood = (stage, what) -> told.add(time.nanos() - start);
      int before = mail.received.size();
      var said = run();
      assertTrue(Set.of(0, 69).contains(said.code()), said.err());
      boolean isOfThisHour = mail.received.size() > before && spikes.contains(hour)
          && said.out().contains("hour=" + hour);
      if (isOfThisHour) {
        assertTrue(told.get(0) <= TimeUnit.MINUTES.toNanos(5), told.get(0) / 1e9 + " s");
      }
      if (said.code() == 69) down.add(hour);
      later(1);
    }
    desk.trouble = Trouble.NONE;
    run(Exit.OK);
    assertFalse(down.isEmpty(), "Zendesk was down at times");
    var ids = new TreeSet<String>();
    for (var each : mail.received) {
      assertTrue(ids.add(each.header("Message-ID")), "twice: " + each.subject());
    }
    var opened = mail.received.stream().map(each -> // the hour in which its episode began
        Hour.parse(each.header("References").substring(1, 14))).toList();
    for (var hour : spikes) assertTrue(opened.contains(hour), hour + " was never told");
  }
}
