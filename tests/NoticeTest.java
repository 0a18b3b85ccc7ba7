package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** The words of mails and chats, whole. */
class NoticeTest {
  private static final Hour HOUR = Hour.parse("2026-11-25T14"); // a Wednesday

  @TempDir
  Path folder;

  private Instant clock = HOUR.to().plusSeconds(420);
  private String ini = "";

  private Config config() {
    var file = folder.resolve("auth.ini");
    Disk.write(file, """
        [zendesk]
        Domain = acme
        ClientId = id
        ClientSecret = the-secret-of-zendesk
        [email]
        Sender = spikes@example.com
        Recipient = team@example.com
        [misc]
        SpikeThreshold = 0.5
        [spike]
        Rule = weekly
        """ + ini);
    var config = Config.read(file, world());
    config.refuseMistakes();
    return config;
  }

  private World world() {
    var world = new World(Clock.fixed(clock, ZoneOffset.UTC), new Ticker() { },
        Duration.ofSeconds(9), Map.of(), new StringWriter(), new StringWriter(), true);
    world.host = "spikebox";
    return world;
  }

  /** Fourteen weeks of 14 to 27 tickets an hour. */
  private static TreeMap<Hour, Long> usualWeeks() {
    var known = new TreeMap<Hour, Long>();
    Hour.range(HOUR.plus(-14 * 168), HOUR.plus(1)).forEach(hour ->
        known.put(hour, 14 + Math.floorMod(hour.number() * 2654435761L >> 9, 14L)));
    return known;
  }

  /** The usual weeks, then these hours, the last of them HOUR. */
  private static Judge judge(Config config, long... last) {
    var known = usualWeeks();
    for (int i = 0; i < last.length; i++) known.put(HOUR.plus(i + 1 - last.length), last[i]);
    return new Judge(new Rule(config), new Counts(known));
  }

  /** Four weeks in which 7 of 20 tickets an hour are vip, and HOUR as these tickets have it. */
  private static TagHistory tags(HourTickets tickets) {
    var tags = new TagHistory();
    Hour.range(HOUR.plus(-24 * 29), HOUR).forEach(hour ->
        tags.put(hour, 20, Map.of("vip", 7L, "billing", 11L)));
    tags.put(HOUR, tickets.size(), tickets.tagCounts());
    return tags;
  }

  private static Ticket ticket(long i, long all, long requester, String... tags) {
    boolean isCheckout = List.of(tags).contains("checkout_error");
    return new Ticket(4987 + i, HOUR.from().plusSeconds(i * 3600 / all),
        isCheckout ? "Checkout fails with error 502" : "A question", requester, List.of(tags),
        "ticket");
  }

  /** So many tickets, 80 of 100 of which carry the cause; every third is vip. */
  private static HourTickets tickets(long all, String cause) {
    var tickets = new HourTickets(List.of());
    for (long i = 0; i < all; i++) {
      var tags = new ArrayList<String>();
      if (i * 10 < all * 8) tags.add(cause);
      if (i % 3 == 0) tags.add("vip");
      tickets.add(ticket(i, all, i, tags.toArray(String[]::new)));
    }
    return tickets;
  }

  private Notice spike(HourTickets tickets, List<Notice> told, long... last) {
    var config = config();
    var judge = judge(config, last);
    var spike = (Spike) judge.verdict(HOUR);
    var writer = new NoticeWriter(config, judge, tags(tickets), world());
    return writer.spike(spike, told, tickets, new HourInProgress(HOUR.to().plusSeconds(420), 14));
  }

  private Notice spike() {
    return spike(tickets(100, "checkout_error"), List.of(), 100);
  }

  /** What was told two hours before of so many tickets. */
  private List<Notice> told(long count) {
    var first = spike();
    var start = HOUR.plus(-2);
    var topic = new Topic(first.topic.account(), "", start, Kind.SPIKE, start,
        "Ticket Spike Alert! 70 tickets instead of 17 at acme (Wed 25 Nov, 12:00 UTC)");
    var facts = new Facts(count, 17.0, null, "checkout_error", List.of(), "", null, null);
    return List.of(new Notice(topic, facts, first.words));
  }

  private Notice clear() {
    var config = config();
    var judge = judge(config, 100, 80, 20);
    var told = told(100);
    return new NoticeWriter(config, judge, new TagHistory(), world())
        .clear((Calm) judge.verdict(HOUR), told);
  }

  private NoticeWriter writer(Judge judge) {
    return new NoticeWriter(config(), judge, new TagHistory(), world());
  }

  private static final Stop STOP = new Stop(Flow.STOPPED, 1, 3, 1, 58.4);
  private static final Stop AGAIN = new Stop(Flow.AGAIN, 1, 1, 19, 20.2);

  private Notice stop() {
    return writer(judge(config(), 1, 0, 0)).stop(HOUR, STOP);
  }

  private Notice resumed() {
    var first = stop();
    var topic = new Topic(first.topic.account(), "", HOUR.plus(-4), Kind.STOP, HOUR.plus(-4),
        first.topic.subject());
    var told = new Notice(topic, first.facts, first.words);
    return writer(judge(config(), 1, 0, 0, 0, 19)).resumed(HOUR, AGAIN, List.of(told));
  }

  private Notice tag() {
    var tickets = new HourTickets(List.of());
    for (int i = 0; i < 22; i++) {
      if (i < 12) tickets.add(ticket(i, 22, i, "checkout_error", "vip"));
      else tickets.add(ticket(i, 22, i, "billing"));
    }
    var judge = judge(config(), 22);
    var tags = tags(tickets);
    var surges = new TagRule(tags, ZoneOffset.UTC).surges(HOUR, hour -> false, hour -> false,
        List.of());
    return new NoticeWriter(config(), judge, tags, world()).tag(HOUR, surges, tickets);
  }

  private String whole(Notice notice) {
    var words = notice.wordsAt(clock, config().zone);
    return "Subject: " + notice.topic.subject() + "\n\n"
        + words.text().replace(folder.toString(), "/opt/spike-notifier");
  }

  /** Up to the tags. */
  private String head(Notice notice) {
    var text = whole(notice);
    return text.substring(0, text.indexOf("\n\n", text.indexOf("\n\n") + 2)) + "\n";
  }

  /** From the links to the 24 hours. */
  private String middle(Notice notice) {
    var text = whole(notice);
    return text.substring(text.indexOf("\nUsual") + 1, text.indexOf("\n\nThe last 24")) + "\n";
  }

  @Nested
  class A_mail {
    @Test
    void about_a_spike_says_all_that_a_reader_wants_to_know_at_night() {
      ini = "TimeZone = Europe/Berlin\n";
      assertEquals("""
          Subject: Ticket Spike Alert! 100 tickets instead of 21 at acme: checkout_error (Wed 25 N\
          ov, 15:00 Europe/Berlin)

          100 tickets at acme from 15:00 to 16:00 Europe/Berlin, Wed 25 Nov.
          Usual: 21 (16 to 27 in the last 13 weeks), so 371 % more.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets from 16:00 to 16:07; usual for these minutes: 2.4.
          100 people wrote; no one more than once.

          80 with checkout_error:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z+tags%3A%22checkout_error%22
          All 100:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags              tickets   usual  of all
            checkout_error       80       0    80 %  NEW
            vip                  34       7    34 %
            (no tag)             13            13 %

          Tickets with checkout_error
            #4987  15:00    80 x  Checkout fails with error 502

          The last 24 hours   tickets   usual
            Tue 24 Nov 16:00       22      19  #####|
            Tue 24 Nov 17:00       14      22  ###  |
            Tue 24 Nov 18:00       21      19  #####|
            Tue 24 Nov 19:00       14      22  ###  |
            Tue 24 Nov 20:00       21      19  #####|
            Tue 24 Nov 21:00       14      21  ###  |
            Tue 24 Nov 22:00       21      20  #####|
            Tue 24 Nov 23:00       27      21  #####|
            Wed 25 Nov 00:00       20      19  #####|
            Wed 25 Nov 01:00       27      21  #####|
            Wed 25 Nov 02:00       20      19  #####|
            Wed 25 Nov 03:00       27      22  #####|
            Wed 25 Nov 04:00       20      20  #####|
            Wed 25 Nov 05:00       27      21  #####|
            Wed 25 Nov 06:00       19      20  #####|
            Wed 25 Nov 07:00       26      21  #####|
            Wed 25 Nov 08:00       19      20  #####|
            Wed 25 Nov 09:00       26      21  #####|
            Wed 25 Nov 10:00       19      21  #####|
            Wed 25 Nov 11:00       26      20  #####|
            Wed 25 Nov 12:00       18      21  #### |
            Wed 25 Nov 13:00       25      20  #####|
            Wed 25 Nov 14:00       18      20  #### |
            Wed 25 Nov 15:00      100      21  #####|##################

          For operators
          Rule weekly: a spike from 42 tickets on
            alone 4.0 deviations of 5.0 over 21.2           41.2  decides
            with the hour before 3.0 deviations of both     47.1
            50 % over 21.2                                  31.8
            5 more than 21.2                                26.2
          The next notice comes when it grows by half, and one when it is over.
          Counted: all tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 3.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, whole(spike()));
    }

    @Test
    void about_a_spike_that_goes_on() {
      assertEquals("""
          Subject: Ticket Spike Alert! 70 tickets instead of 17 at acme (Wed 25 Nov, 12:00 UTC)

          Hour 3: 100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          It began on Wed 25 Nov, 12:00 UTC.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes: 2.4.
          100 people wrote; no one more than once.
          """, head(spike(tickets(100, "checkout_error"), told(70), 70, 80, 100)));
    }

    @Test
    void says_that_an_hour_was_counted_again() {
      assertEquals("""
          Subject: Ticket Spike Alert! 70 tickets instead of 17 at acme (Wed 25 Nov, 12:00 UTC)

          Hour 3: 100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          It began on Wed 25 Nov, 12:00 UTC.
          12:00 was counted again: 500, not 45.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes: 2.4.
          100 people wrote; no one more than once.
          """, head(spike(tickets(100, "checkout_error"), told(45), 500, 80, 100)));
    }

    @Test
    void that_comes_late_says_so_and_leaves_out_what_came_since() {
      clock = HOUR.plus(5).to().plusSeconds(420);
      assertEquals("""
          Subject: Ticket Spike Alert! 100 tickets instead of 20 at acme: checkout_error (Wed 25 N\
          ov, 14:00 UTC)

          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          This notice comes late, on Wed 25 Nov at 20:07 UTC.
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          80 of the 100 carry checkout_error, usually none.
          100 people wrote; no one more than once.
          """, head(spike()));
    }

    @Test
    void of_tickets_that_could_be_read_in_part() {
      var tickets = tickets(39, "checkout_error");
      tickets.setMissing("[zendesk] acme.zendesk.com: answers 503 (tried 5 times)");
      assertEquals("""
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          32 of the 39 that were read carry checkout_error, usually none.
          Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes: 2.4.

          32 with checkout_error:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z+tags%3A%22checkout_error%22
          All 100:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags              tickets   usual  of all
            checkout_error       32       0    82 %  NEW
            vip                  13       7    33 %
            (no tag)              5            13 %
          Ranked from 39 of its tickets ([zendesk] acme.zendesk.com: answers 503 (tried 5
          times)).

          Tickets with checkout_error
            #4987  14:00    32 x  Checkout fails with error 502
          """, middle(spike(tickets, List.of(), 100)));
    }

    @Test
    void of_an_hour_where_nothing_is_usual() {
      var known = new TreeMap<Hour, Long>();
      Hour.range(HOUR.plus(-14 * 168), HOUR).forEach(hour ->
          known.put(hour, hour.number() % 24 == 3 ? 4L : 0L));
      known.put(HOUR, 12L);
      var judge = new Judge(new Rule(config()), new Counts(known));
      var tickets = new HourTickets(List.of());
      for (int i = 0; i < 12; i++) tickets.add(ticket(i, 12, i, "checkout_error"));
      var notice = new NoticeWriter(config(), judge, tags(tickets), world())
          .spike((Spike) judge.verdict(HOUR), List.of(), tickets, null);
      assertEquals("""
          Subject: Ticket Spike Alert! 12 tickets instead of 0 at acme: checkout_error (Wed 25 Nov\
          , 14:00 UTC)

          12 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual: 0 (always 0 in the last 13 weeks).
          12 of the 12 carry checkout_error, usually none.
          12 people wrote; no one more than once.
          """, head(notice));
    }

    @Test
    void says_that_the_usual_was_raised() {
      var known = usualWeeks();
      Hour.range(HOUR.plus(-72), HOUR).forEach(hour -> known.put(hour, 3 * known.get(hour)));
      known.put(HOUR, 200L);
      var judge = new Judge(new Rule(config()), new Counts(known));
      var tickets = tickets(100, "checkout_error");
      var notice = new NoticeWriter(config(), judge, tags(tickets), world())
          .spike((Spike) judge.verdict(HOUR), List.of(), tickets, null);
      assertEquals("""
          Subject: Ticket Spike Alert! 200 tickets instead of 61 at acme: checkout_error (Wed 25 N\
          ov, 14:00 UTC)

          200 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual: 61, raised from 20 to follow the last three days (14 to 27 in the last 13
          weeks), so 225 % more.
          80 of the 100 carry checkout_error, usually none.
          100 people wrote; no one more than once.
          """, head(notice));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"1.1 | ''",
        "1.3 | ', raised from 20 to follow the last three days'"})
    void says_so_from_a_fifth_on(double growth, String words) {
      var baseline = new Baseline(20 * growth, 13, new Spread(3, growth, 50, true));
      assertEquals(words, baseline.raisedInWords(1.2));
    }

    @Test
    void of_tickets_without_tags() {
      var tickets = new HourTickets(List.of());
      for (int i = 0; i < 100; i++) tickets.add(ticket(i, 100, i));
      assertEquals("""
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          None of its tickets carries a tag that is shown.
          Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes: 2.4.
          100 people wrote; no one more than once.

          All 100:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags        tickets   usual  of all
            (no tag)      100           100 %

          Some of the tickets
            #4987  14:00   100 x  A question
          """, middle(spike(tickets, List.of(), 100)));
    }

    @Test
    void about_a_flood_from_one_sender_names_that() {
      var tickets = new HourTickets(List.of());
      for (int i = 0; i < 100; i++) tickets.add(ticket(i, 100, i < 73 ? 4711 : i, "vip"));
      assertEquals("""
          Subject: Ticket Spike Alert! 100 tickets instead of 20 at acme: vip (Wed 25 Nov, 14:00 U\
          TC)

          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          100 of the 100 carry vip, usually 7.
          Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes: 2.4.
          One requester wrote 73 of the 100: https://acme.zendesk.com/agent/users/4711
          """, head(spike(tickets, List.of(), 100)));
    }

    @Test
    void about_one_persons_few_tickets_says_so() {
      var tickets = new HourTickets(List.of());
      for (int i = 0; i < 100; i++) tickets.add(ticket(i, 100, 4711));
      assertTrue(head(spike(tickets, List.of(), 100)).contains("\nOne requester wrote 100 of the "
          + "100: https"), "a flood");
      var few = new HourTickets(List.of());
      for (int i = 0; i < 3; i++) few.add(ticket(i, 3, 4711));
      assertTrue(head(spike(few, List.of(), 100)).contains("\nOne person wrote 3 tickets.\n"));
    }

    @Test
    void about_an_end_after_midnight_names_both_days() {
      ini = "TimeZone = Pacific/Auckland\n"; // where it is 23:00 when the spike begins
      var judge = judge(config(), 100, 80, 90, 80, 20);
      var first = spike();
      var start = HOUR.plus(-4);
      var told = new Notice(new Topic("acme.zendesk.com", "", start, Kind.SPIKE, start, "Subject"),
          first.facts, first.words);
      var notice = new NoticeWriter(config(), judge, new TagHistory(), world())
          .clear((Calm) judge.verdict(HOUR), List.of(told));
      assertEquals("Over after 4 hours: the spike at acme from Wed 25 Nov, 23:00 to Thu 26 Nov, "
          + "03:00 Pacific/Auckland.", notice.words.chat().get(0));
    }

    @Test
    void about_the_end_stands_for_itself() {
      assertEquals("""
          Subject: Ticket Spike Alert! 70 tickets instead of 17 at acme (Wed 25 Nov, 12:00 UTC)

          Over after 2 hours: the spike at acme from 12:00 to 14:00 UTC, Wed 25 Nov.
          Peak: 100 tickets from 12:00 to 13:00, Wed 25 Nov; usual: 20. In all 139 more
          than usual.
          The tag that stood out: checkout_error.
          After it: 20 tickets from 14:00 to 15:00, Wed 25 Nov; usual: 20.

          Its tickets:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A00%\
          3A00Z+created%3C2026-11-25T14%3A00%3A00Z

          The last 24 hours   tickets   usual
            Tue 24 Nov 15:00       22      21  #####|
            Tue 24 Nov 16:00       14      20  ###  |
            Tue 24 Nov 17:00       21      21  #####|
            Tue 24 Nov 18:00       14      20  ###  |
            Tue 24 Nov 19:00       21      20  #####|
            Tue 24 Nov 20:00       14      21  ###  |
            Tue 24 Nov 21:00       21      20  #####|
            Tue 24 Nov 22:00       27      20  #####|
            Tue 24 Nov 23:00       20      20  #####|
            Wed 25 Nov 00:00       27      20  #####|
            Wed 25 Nov 01:00       20      21  #####|
            Wed 25 Nov 02:00       27      20  #####|
            Wed 25 Nov 03:00       20      21  #####|
            Wed 25 Nov 04:00       27      20  #####|
            Wed 25 Nov 05:00       19      21  #####|
            Wed 25 Nov 06:00       26      20  #####|
            Wed 25 Nov 07:00       19      21  #####|
            Wed 25 Nov 08:00       26      21  #####|
            Wed 25 Nov 09:00       19      21  #####|
            Wed 25 Nov 10:00       26      21  #####|
            Wed 25 Nov 11:00       18      20  #### |
            Wed 25 Nov 12:00      100      20  #####|##################
            Wed 25 Nov 13:00       80      21  #####|#############
            Wed 25 Nov 14:00       20      20  #####|

          For operators
          Counted: all tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 3.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, whole(clear()));
    }

    @Test
    void that_tickets_stopped() {
      assertEquals("""
          Subject: Ticket Spike Alert! Tickets stopped: 1 instead of 58 in 3 hours at acme (Wed 25\
           Nov, 14:00 UTC)

          Tickets stopped at acme: 1 in 3 hours, usually 58.
          From 12:00 to 15:00 UTC, Wed 25 Nov.
          What to look at: the contact form, the mail channel, Zendesk's status page
          (status.zendesk.com) and the suspended tickets. A holiday? Then add the day to
          IgnoredDays.

          Suspended tickets: https://acme.zendesk.com/agent/filters/suspended
          Its tickets:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          The last 24 hours   tickets   usual
            Tue 24 Nov 15:00       22      21  ###################|
            Tue 24 Nov 16:00       14      20  ############      |
            Tue 24 Nov 17:00       21      21  ##################|
            Tue 24 Nov 18:00       14      20  ############      |
            Tue 24 Nov 19:00       21      20  ##################|
            Tue 24 Nov 20:00       14      21  ############      |
            Tue 24 Nov 21:00       21      20  ##################|
            Tue 24 Nov 22:00       27      20  ##################|#####
            Tue 24 Nov 23:00       20      20  ##################|
            Wed 25 Nov 00:00       27      20  ##################|#####
            Wed 25 Nov 01:00       20      21  ##################|
            Wed 25 Nov 02:00       27      20  ##################|#####
            Wed 25 Nov 03:00       20      21  ################## |
            Wed 25 Nov 04:00       27      20  #################|######
            Wed 25 Nov 05:00       19      21  #################  |
            Wed 25 Nov 06:00       26      20  ##################|####
            Wed 25 Nov 07:00       19      21  ################# |
            Wed 25 Nov 08:00       26      21  ###################|###
            Wed 25 Nov 09:00       19      21  ################# |
            Wed 25 Nov 10:00       26      21  ###################|###
            Wed 25 Nov 11:00       18      20  ################  |
            Wed 25 Nov 12:00        1      20  #                 |
            Wed 25 Nov 13:00        0      21                     |
            Wed 25 Nov 14:00        0      20                    |

          For operators
          The next notice comes when tickets come again.
          Counted: all tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 3.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, whole(stop()));
    }

    @Test
    void that_tickets_come_again() {
      assertEquals("""
          Subject: Ticket Spike Alert! Tickets stopped: 1 instead of 58 in 3 hours at acme (Wed 25\
           Nov, 14:00 UTC)

          Tickets come again at acme: 19 in 1 hour, usually 20.
          From 14:00 to 15:00 UTC, Wed 25 Nov.
          They had stopped: 1 in the 3 hours up to Wed 25 Nov, 11:00 UTC, usually 58.
          """, head(resumed()));
    }

    /** As after five holidays: the samples are older, and lie as far back as before. */
    @Test
    void names_the_time_that_its_samples_span() throws IOException {
      var days = new ArrayList<String>();
      for (int week = 1; week <= 5; week++) {
        days.add(HOUR.plus(-168 * week).date(ZoneOffset.UTC).toString());
      }
      ini = "IgnoredDays = " + String.join(", ", days) + "\n";
      assertEquals(8, judge(config(), 100).baselines.samples(HOUR).known().size());
      assertTrue(head(spike()).contains("in the last 13 weeks"), head(spike()));
    }

    @Test
    void about_a_tag_that_surges() {
      assertEquals("""
          Subject: Ticket Spike Alert! 12 with checkout_error in 2 hours at acme, usually none (We\
          d 25 Nov, 14:00 UTC)

          12 tickets with checkout_error at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          checkout_error: 12 in this hour and the one before; usual: none.
          All tickets: 22; usual: 20.

          12 with checkout_error:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z+tags%3A%22checkout_error%22

          Tickets with checkout_error
            #4987  14:00    12 x  Checkout fails with error 502

          checkout_error, 24 hours  tickets   usual
            Tue 24 Nov 15:00              0       0  |
            Tue 24 Nov 16:00              0       0  |
            Tue 24 Nov 17:00              0       0  |
            Tue 24 Nov 18:00              0       0  |
            Tue 24 Nov 19:00              0       0  |
            Tue 24 Nov 20:00              0       0  |
            Tue 24 Nov 21:00              0       0  |
            Tue 24 Nov 22:00              0       0  |
            Tue 24 Nov 23:00              0       0  |
            Wed 25 Nov 00:00              0       0  |
            Wed 25 Nov 01:00              0       0  |
            Wed 25 Nov 02:00              0       0  |
            Wed 25 Nov 03:00              0       0  |
            Wed 25 Nov 04:00              0       0  |
            Wed 25 Nov 05:00              0       0  |
            Wed 25 Nov 06:00              0       0  |
            Wed 25 Nov 07:00              0       0  |
            Wed 25 Nov 08:00              0       0  |
            Wed 25 Nov 09:00              0       0  |
            Wed 25 Nov 10:00              0       0  |
            Wed 25 Nov 11:00              0       0  |
            Wed 25 Nov 12:00              0       0  |
            Wed 25 Nov 13:00              0       0  |
            Wed 25 Nov 14:00             12       0  |#######################

          For operators
          A tag is told once in 24 hours, and not while the total is a spike.
          Counted: all tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 3.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, whole(tag()));
    }

    @Test
    void says_how_often_it_comes_again() {
      for (var each : Map.of(
          "Repeat = every\n", "The next notice comes with the next hour like this, and one when it",
          "Repeat = first\nAllClear = no\n", "The next notice comes with the next spike.",
          "Repeat = growth\nAllClear = no\n", "comes when it grows by half; none when it is over."
      ).entrySet()) {
        ini = each.getKey();
        assertTrue(whole(spike()).contains(each.getValue()), whole(spike()));
      }
    }

    @Test
    void has_the_count_within_the_first_25_characters_of_its_subject() {
      assertEquals("Ticket Spike Alert! 100 t", spike().topic.subject().substring(0, 25));
    }

    /** Tags and subjects of any length and kind keep to 80 columns, addresses apart. */
    @ParameterizedTest
    @CsvSource({"300, x", "90, \u00fc", "60, '\ud83d\udd25'", "200, 'ab '",
        "100, \u65e5\u672c"})
    void keeps_to_80_columns(int times, String piece) {
      for (var line : whole(spike(tickets(100, piece.repeat(times)), List.of(), 100)).split("\n")) {
        boolean isFree = line.contains("https://") || line.startsWith("Subject: ");
        assertTrue(isFree || SpikeNotifier.columns(line) <= 80, line);
      }
    }
  }

  @Nested
  class The_html {
    /**
     * What is used, which all of Gmail, Outlook (Windows and web), Apple Mail and Yahoo support, or
     * may drop without harm (max-width, overflow-wrap, white-space: see caniemail.com).
     */
    private static final Set<String> PROPERTIES = Set.of("margin", "padding", "width", "max-width",
        "font-family", "font-size", "line-height", "word-break", "overflow-wrap", "table-layout");
    private static final Set<String> ELEMENTS = Set.of("html", "head", "meta", "title", "body",
        "table", "tr", "td", "th", "h1", "p", "a", "b");

    @Test
    void uses_what_mail_clients_support() {
      var html = spike().words.html();
      var properties = new TreeSet<String>();
      Pattern.compile("style=\"([^\"]*)\"").matcher(html).results().forEach(style -> {
        for (var each : style.group(1).split(";")) properties.add(each.split(":")[0].strip());
      });
      properties.removeAll(PROPERTIES);
      assertEquals(Set.of(), properties);
      var elements = new TreeSet<String>();
      Pattern.compile("<([a-z0-9]+)").matcher(html).results()
          .forEach(each -> elements.add(each.group(1)));
      elements.removeAll(ELEMENTS);
      assertEquals(Set.of(), elements);
      assertEquals(1, html.split("<h1", -1).length - 1);
      assertTrue(html.contains("<title>Ticket Spike Alert! 100 tickets"), html);
    }

    @Test
    void takes_less_than_25_kb() {
      int bytes = spike().words.html().getBytes(StandardCharsets.UTF_8).length;
      assertTrue(bytes < 25_000, bytes + " bytes");
    }

    @Test
    void escapes_what_other_people_wrote() {
      var html = spike(tickets(100, "<b>&\"'"), List.of(), 100).words.html();
      assertFalse(html.contains("<b>&"));
      assertTrue(html.contains("&lt;b&gt;&amp;&quot;&#39;"));
    }
  }

  @Nested
  class A_chat_message {
    private String payload(Notice notice, Format format) {
      return Payload.of(notice, notice.wordsAt(clock, config().zone), format);
    }

    private String payload(Format format) {
      return payload(spike(), format);
    }

    private String json(Notice notice, String field) throws IOException {
      return SpikeNotifier.JSON.readTree(payload(notice, Format.JSON)).path(field).toPrettyString()
          + "\n";
    }

    /** Google Chat refuses every field that it does not know. */
    @Test
    void for_google_chat_is_a_text_alone() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(Format.GOOGLECHAT));
      assertEquals(1, json.size());
      assertTrue(json.path("text").asText().startsWith("100 tickets at acme from 14:00 to 15:00"));
    }

    @Test
    void for_discord_mentions_nobody() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(Format.DISCORD));
      assertEquals(2, json.size());
      assertEquals("{\"parse\":[]}", json.path("allowed_mentions").toString());
      assertTrue(json.path("content").asText().length() <= 2000);
      assertTrue(json.path("content").asText().contains("carry checkout_error, usually none"));
    }

    @Test
    void for_programs_holds_all_facts() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(Format.JSON));
      var names = new ArrayList<String>();
      json.fieldNames().forEachRemaining(names::add);
      assertEquals(List.of("account", "hour", "kind", "episode", "subject", "count", "usual",
          "percent", "cause", "tags", "link", "text"), names);
      assertEquals("2026-11-25T14:00:00Z", json.path("hour").asText());
    }

    /** But for programs, which get the facts as they are. */
    @ParameterizedTest
    @ValueSource(strings = {"<!channel>", "<https://bad.example|here>", "@all", "@everyone",
        "[x](https://bad.example)", "```", "<users/all>", "a MARKS", "\u202e LONG"})
    void stays_under_1900_characters_and_neutralises_what_others_wrote(String evil)
        throws IOException {
      var tag = evil.replace(" MARKS", "\u0301".repeat(5000)).replace(" LONG", "x".repeat(3000));
      var notice = spike(tickets(100, tag), List.of(), 100);
      for (var format : EnumSet.complementOf(EnumSet.of(Format.JSON))) {
        var payload = payload(notice, format);
        assertFalse(payload.contains("<!"), payload);
        assertFalse(payload.contains("<https"), payload);
        assertFalse(payload.contains("@all") || payload.contains("@every"), payload);
        assertFalse(payload.contains("](") || payload.contains("://bad"), payload);
        assertFalse(payload.contains("<users"), payload);
        assertTrue(payload.split("```", -1).length <= 3, payload);
        var json = SpikeNotifier.JSON.readTree(payload);
        assertTrue((json.path("text").asText() + json.path("content").asText()).length() <= 1900);
      }
    }

    /** Nothing that people copy holds what they do not see. */
    @ParameterizedTest
    @EnumSource(Format.class)
    void puts_nothing_invisible_into_tags(Format format) {
      assertFalse(payload(format).contains("\u200b"));
    }

    @Test
    void ends_though_a_query_makes_its_link_longer_than_a_message() throws IOException {
      ini = "[zendesk]\nQuery = " + "tags:something_long_".repeat(86) + "\n";
      var text = SpikeNotifier.JSON.readTree(payload(Format.SLACK)).path("text").asText();
      assertTrue(text.startsWith("100 tickets at acme"), text);
      assertFalse(text.contains("https://"), text);
      assertTrue(text.length() <= 1900, text.length() + " characters");
    }

    @ParameterizedTest
    @CsvSource({
        "https://hooks.slack.com/services/x, SLACK",
        "https://chat.googleapis.com/v1/spaces/x/messages?key=k, GOOGLECHAT",
        "https://discord.com/api/webhooks/x, DISCORD",
        "https://discordapp.com/api/webhooks/x, DISCORD",
        "https://acme.webhook.office.com/x, TEAMS",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/x, TEAMS",
        "https://x.environment.api.powerplatform.com/x, TEAMS",
        "https://hooks.zapier.com/x, JSON", "https://acme.app.n8n.cloud/webhook/x, JSON",
        "https://mattermost.acme.example/hooks/x, SLACK",
    })
    void is_made_for_the_host(String url, Format format) {
      ini = "[webhook]\nUrl = " + url + "\n";
      assertEquals(format, config().chats.get(0).format());
    }

    @Test
    void for_slack_is_a_text() throws IOException {
      assertEquals("""
          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes: 2.4.
          ```
          checkout_error                     80, usual 0
          vip                                34, usual 7
          ```
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z
          """, SpikeNotifier.JSON.readTree(payload(Format.SLACK)).path("text").asText() + "\n");
    }

    @Test
    void of_an_hour_that_goes_on_comes_late_and_is_one_persons_flood() {
      clock = HOUR.plus(5).to().plusSeconds(420);
      var tickets = new HourTickets(List.of());
      for (int i = 0; i < 100; i++) tickets.add(ticket(i, 100, i < 73 ? 4711 : i, "vip"));
      var notice = spike(tickets, told(70), 70, 80, 100);
      assertEquals("""
          {"text":"Hour 3: 100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          This notice comes late, on Wed 25 Nov at 20:07 UTC.
          Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more.
          It began on Wed 25 Nov, 12:00 UTC.
          100 of the 100 carry vip, usually 7.
          One requester wrote 73 of the 100.
          ```
          vip                               100, usual 7
          ```
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z"}
          """, payload(notice, Format.SLACK).replace("\\n", "\n") + "\n");
    }

    @Test
    void of_the_end_is_short() {
      assertEquals("""
          {"text":"Over after 2 hours: the spike at acme from 12:00 to 14:00 UTC, Wed 25 Nov.
          Peak: 100 tickets from 12:00 to 13:00, Wed 25 Nov; usual: 20. In all 139 more than usual.
          The tag that stood out: checkout_error.
          After it: 20 tickets from 14:00 to 15:00, Wed 25 Nov; usual: 20.
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A00%\
          3A00Z+created%3C2026-11-25T14%3A00%3A00Z"}
          """, payload(clear(), Format.SLACK).replace("\\n", "\n") + "\n");
    }

    @Test
    void about_tickets_that_stop() {
      assertEquals("""
          {"text":"Tickets stopped at acme: 1 in 3 hours, usually 58.
          From 12:00 to 15:00 UTC, Wed 25 Nov.
          What to look at: the contact form, the mail channel, Zendesk's status page (status.zende\
          sk.com) and the suspended tickets. A holiday? Then add the day to IgnoredDays.
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z"}
          """, payload(stop(), Format.SLACK).replace("\\n", "\n") + "\n");
    }

    @Test
    void about_a_tag() {
      assertEquals("""
          {"text":"12 tickets with checkout_error at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          checkout_error: 12 in this hour and the one before; usual: none.
          All tickets: 22; usual: 20.
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A00%\
          3A00Z+created%3C2026-11-25T15%3A00%3A00Z+tags%3A%22checkout_error%22"}
          """, payload(tag(), Format.SLACK).replace("\\n", "\n") + "\n");
    }

    @Test
    void for_teams_is_an_adaptive_card() throws IOException {
      assertEquals("""
          {
            "type" : "message",
            "attachments" : [ {
              "contentType" : "application/vnd.microsoft.card.adaptive",
              "content" : {
                "$schema" : "http://adaptivecards.io/schemas/adaptive-card.json",
                "type" : "AdaptiveCard",
                "version" : "1.4",
                "body" : [ {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.",
                  "weight" : "Bolder",
                  "size" : "Medium"
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "Usual: 20 (14 to 27 in the last 13 weeks), so 388 % more."
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "80 of the 100 carry checkout_error, usually none."
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "Still coming: 14 tickets from 15:00 to 15:07; usual for these minutes:\
           2.4."
                }, {
                  "type" : "FactSet",
                  "facts" : [ {
                    "title" : "checkout_error",
                    "value" : "80, usual 0"
                  }, {
                    "title" : "vip",
                    "value" : "34, usual 7"
                  } ]
                } ],
                "actions" : [ {
                  "type" : "Action.OpenUrl",
                  "title" : "Open in Zendesk",
                  "url" : "https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D20\
          26-11-25T14%3A00%3A00Z+created%3C2026-11-25T15%3A00%3A00Z"
                } ]
              }
            } ]
          }
          """, SpikeNotifier.JSON.readTree(payload(Format.TEAMS)).toPrettyString() + "\n");
    }

    @Test
    void for_programs_holds_all_facts_of_a_tag() throws IOException {
      assertEquals("""
          [ {
            "tag" : "checkout_error",
            "count" : 12,
            "together" : 12,
            "expected" : 0.0,
            "dispersion" : 1.0,
            "basis" : "28 days",
            "score" : 6.928203230275509,
            "needed" : 6.25,
            "surge" : true
          } ]
          """, json(tag(), "surges"));
    }

    @Test
    void for_programs_holds_all_facts_of_a_stop() throws IOException {
      assertEquals("""
          {
            "verdict" : "stopped",
            "low" : 1.0,
            "hours" : 3,
            "came" : 1,
            "usual" : 58.4
          }
          """, json(stop(), "stop"));
    }
  }
}
