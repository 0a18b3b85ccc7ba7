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
import java.time.ZoneId;
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
  private static final Stop STOP = new Stop(Flow.STOPPED, 1, 3, 1, 58.4);
  private static final Stop AGAIN = new Stop(Flow.AGAIN, 0.5, 1, 19, 20.2);

  @TempDir
  Path folder;

  private Instant clock = HOUR.to().plusSeconds(420);
  private String ini = "";
  private HourInProgress progress = new HourInProgress(HOUR.to().plusSeconds(420), 14);

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

  /** Fourteen weeks of 14 to 27 tickets an hour, the last of which, up to HOUR, held these. */
  private static TreeMap<Hour, Long> counts(long... last) {
    var known = new TreeMap<Hour, Long>();
    Hour.range(HOUR.plus(-14 * 168), HOUR.plus(1)).forEach(hour ->
        known.put(hour, 14 + Math.floorMod(hour.number() * 2654435761L >> 9, 14L)));
    for (int i = 0; i < last.length; i++) known.put(HOUR.plus(i + 1 - last.length), last[i]);
    return known;
  }

  /** Four weeks in which 7 of 20 tickets an hour are vip, and HOUR as these tickets have it. */
  private static TagHistory tags(HourTickets tickets) {
    var tags = new TagHistory();
    Hour.range(HOUR.plus(-24 * 29), HOUR).forEach(hour ->
        tags.put(hour, 20, Map.of("vip", 7L, "billing", 11L, "via:web", 20L)));
    tags.put(HOUR, tickets.size(), tickets.tagCounts());
    return tags;
  }

  private static HourTickets none() {
    return new HourTickets(HOUR, List.of());
  }

  private static Ticket ticket(long i, long all, long requester, String... tags) {
    boolean isCheckout = List.of(tags).contains("checkout_error");
    return new Ticket(4987 + i, HOUR.from().plusSeconds(i * 3600 / all),
        isCheckout ? "Checkout fails with error 502" : "A question", requester, List.of(tags),
        "ticket");
  }

  /** So many tickets, 80 of 100 of which carry the cause; every third is vip. */
  private static HourTickets tickets(long all, String cause) {
    var tickets = none();
    for (long i = 0; i < all; i++) {
      var tags = new ArrayList<String>(List.of("via:web"));
      if (i * 10 < all * 8) tags.add(cause);
      if (i % 3 == 0) tags.add("vip");
      tickets.add(ticket(i, all, i, tags.toArray(String[]::new)));
    }
    return tickets;
  }

  private Notice write(Due due, HourTickets tickets, TagHistory tags, TreeMap<Hour, Long> counts) {
    var config = config();
    var judge = new Judge(new Rule(config), new Counts(counts));
    return new NoticeWriter(config, judge, tags, world()).write(due, tickets, progress);
  }

  private Notice write(Due due, HourTickets tickets, long... last) {
    return write(due, tickets, tags(tickets), counts(last));
  }

  private Notice spike(HourTickets tickets, long... last) {
    var begin = HOUR.plus(1 - last.length);
    var due = new SpikeDue(HOUR, begin, last[last.length - 1], null, List.of());
    return write(due, tickets, last);
  }

  private Notice spike() {
    return spike(tickets(100, "checkout_error"), 100);
  }

  private Notice end(long... last) {
    var begin = HOUR.plus(1 - last.length);
    var tags = tags(none());
    tags.put(begin, 100, Map.of("checkout_error", 80L, "vip", 35L, "via:web", 100L));
    return write(new EndDue(HOUR, begin, last[last.length - 1], false), null, tags, counts(last));
  }

  private Notice stop() {
    return write(new StopDue(HOUR, STOP), null, tags(none()), counts(1, 0, 0));
  }

  private Notice again() {
    return write(new AgainDue(HOUR, HOUR.plus(-4), AGAIN, false), null, tags(none()),
        counts(1, 0, 0, 0, 19));
  }

  /** Of 30 tickets 20 carry vip as ever, and each of these tags comes on ten. */
  private Notice tags(boolean knowsBefore, String... names) {
    var tickets = none();
    for (int i = 0; i < 30; i++) {
      var tags = new ArrayList<>(List.of("via:web", i < 20 ? "vip" : "billing"));
      if (i < 10) tags.addAll(List.of(names));
      tickets.add(ticket(i, 30, i, tags.toArray(String[]::new)));
    }
    var tags = tags(tickets);
    if (!knowsBefore) tags.forget(HOUR.plus(-1));
    var surging = new TagRule(tags, ZoneOffset.UTC).surging(HOUR, List.of());
    return write(new TagsDue(HOUR, surging), tickets, tags, counts(30));
  }

  /** The mail, its 24 hours without those between the first and the last. */
  private String mail(Notice notice) {
    var text = notice.documentAt(clock, config().zone).text();
    return "Subject: " + notice.subject() + "\n\n" + text
        .replaceAll("(?m)((?:^\\w{3} \\d+ \\w{3} \\d\\d:\\d\\d .*\n){1})(?:^\\w{3} \\d+ \\w{3} \\d"
            + "\\d:\\d\\d .*\n){22}", "$1...\n")
        .replace(folder.toString(), "/opt/spike-notifier");
  }

  /** Subject, title and lines. */
  private String head(Notice notice) {
    var text = mail(notice);
    return text.substring(0, text.indexOf("\n\n", text.indexOf("\n\n") + 2)) + "\n";
  }

  @Nested
  class A_mail {
    @Test
    void about_a_spike_says_all_that_a_reader_wants_to_know_at_night() {
      ini = "TimeZone = Europe/Berlin\n";
      assertEquals("""
          Subject: Ticket Spike Alert! 100 tickets instead of 21 at acme: checkout_error (Wed \
          25 Nov 15:00 Europe/Berlin)

          100 tickets at acme, Wed 25 Nov 15:00 to 16:00 Europe/Berlin.
          Usual: 21 (16 to 27 in 13 weeks), so 371 % more.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets in the first 7 minutes after it, usually 2.4.

          80 with checkout_error:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z+tags%3A%22checkout_error%22
          All 100:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags            tickets  usual  of all
          checkout_error       80      0    80 %  risen
          vip                  34      7    34 %

          Tickets with checkout_error
          Checkout fails with error 502  80 x  #4987

          The last 24 hours  tickets  usual
          Tue 24 Nov 16:00        22     19  ####
          ...
          Wed 25 Nov 15:00       100     21  #####+++++++++++++++++++

          Rule weekly: a spike from 42 tickets on.
          Counted: the tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 4.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, mail(spike()));
    }

    @Test
    void about_its_third_hour() {
      assertEquals("""
          Subject: Ticket Spike Alert! 100 tickets instead of 20 at acme: checkout_error (Wed \
          25 Nov 14:00 UTC)

          Hour 3: 100 tickets at acme, Wed 25 Nov 14:00 to 15:00 UTC.
          Usual: 20 (14 to 27 in 13 weeks), so 388 % more.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets in the first 7 minutes after it, usually 2.4.
          """, head(spike(tickets(100, "checkout_error"), 70, 80, 100)));
    }

    @Test
    void that_comes_late_says_so() {
      clock = HOUR.plus(5).to().plusSeconds(420);
      assertEquals("This notice comes late, on Wed 25 Nov 20:07 UTC.", 
          head(spike()).split("\n")[3]);
    }

    @Test
    void about_a_spike_that_is_over_already() {
      var counts = counts(100);
      counts.put(HOUR.plus(1), 19L);
      var tickets = tickets(100, "checkout_error");
      progress = null;
      var due = new SpikeDue(HOUR, HOUR, 100, HOUR.plus(1), List.of());
      assertEquals("""
          Subject: Ticket Spike Alert! 100 tickets instead of 20 at acme: checkout_error (Wed \
          25 Nov 14:00 UTC)

          100 tickets at acme, Wed 25 Nov 14:00 to 15:00 UTC.
          It is over: 19 tickets, Wed 25 Nov 15:00; usual: 21.
          Usual: 20 (14 to 27 in 13 weeks), so 388 % more.
          80 of the 100 carry checkout_error, usually none.
          """, head(write(due, tickets, tags(tickets), counts)));
    }

    @Test
    void about_the_end_stands_for_itself() {
      assertEquals("""
          Subject: Ticket Spike Alert! Over: 100 tickets instead of 20 at acme (Wed 25 Nov \
          14:00 UTC)

          Over after 2 hours: the spike at acme, Wed 25 Nov 12:00 to 14:00 UTC.
          Peak: 100 tickets, Wed 25 Nov 12:00; usual: 20. In all 139 more than usual.
          The tag that stood out: checkout_error.
          Now: 20 tickets, Wed 25 Nov 14:00; usual: 20.

          Its tickets:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A0\
          0%3A00Z+created%3C2026-11-25T14%3A00%3A00Z

          The last 24 hours  tickets  usual
          Tue 24 Nov 15:00        22     21  #####
          ...
          Wed 25 Nov 14:00        20     20  #####

          Counted: the tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 4.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, mail(end(100, 80, 20)));
    }

    @Test
    void about_an_end_after_midnight_names_both_days() {
      ini = "TimeZone = Pacific/Auckland\n"; // where it is 23:00 when the spike begins
      assertEquals("Over after 4 hours: the spike at acme, Wed 25 Nov 23:00 to Thu 26 Nov 03:00 "
          + "Pacific/Auckland.", end(100, 80, 90, 80, 20).document().title());
    }

    @Test
    void that_there_was_no_spike_after_all() {
      assertEquals("""
          Subject: Ticket Spike Alert! No spike after all at acme (Wed 25 Nov 14:00 UTC)

          No spike after all, counted again: acme, Wed 25 Nov 13:00 to 14:00 UTC.
          Now: 19 tickets, Wed 25 Nov 14:00; usual: 20.
          """, head(end(20, 19)));
    }

    @Test
    void that_tickets_stopped() {
      assertEquals("""
          Subject: Ticket Spike Alert! Tickets stopped: 1 instead of 58 in 3 hours at acme (Wed \
          25 Nov 14:00 UTC)

          Tickets stopped at acme: 1 in 3 hours, usually 58.
          Look at the contact form, the mail channel, status.zendesk.com and the suspended \
          tickets. A holiday belongs in IgnoredDays.
          Wed 25 Nov 12:00 to 15:00 UTC.

          Suspended tickets:
          https://acme.zendesk.com/agent/filters/suspended
          Its tickets:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          The last 24 hours  tickets  usual
          Tue 24 Nov 15:00        22     21  ###################
          ...
          Wed 25 Nov 14:00         0     20

          Counted: the tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 4.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, mail(stop()));
    }

    @Test
    void that_tickets_come_again() {
      assertEquals("""
          Subject: Ticket Spike Alert! Tickets come again at acme (Wed 25 Nov 14:00 UTC)

          Tickets come again at acme: 19 in 1 hour, usually 20.
          That they had stopped was told of the hours up to Wed 25 Nov 11:00.
          Wed 25 Nov 14:00 to 15:00 UTC. The usual was lowered from 40 to follow the last three \
          days.
          """, head(again()));
    }

    @Test
    void about_a_tag_that_surges() {
      assertEquals("""
          Subject: Ticket Spike Alert! 10 with checkout_error in 2 hours at acme, usually none \
          (Wed 25 Nov 14:00 UTC)

          10 tickets with checkout_error at acme, Wed 25 Nov 14:00 to 15:00 UTC.
          checkout_error: 10 in 2 hours, usually none.
          All tickets: 30; usual: 20.

          10 with checkout_error:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z+tags%3A%22checkout_error%22

          Tickets with checkout_error
          Checkout fails with error 502  10 x  #4987

          checkout_error    tickets  usual
          Tue 24 Nov 15:00        0      0
          ...
          Wed 25 Nov 14:00       10      0  +++++++++++++++++++++++++

          A tag is told once in 24 hours, and not while the total is a spike.
          Counted: the tickets of acme.zendesk.com. For more: explain 2026-11-25T14 (UTC).
          Spike Notifier 4.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, mail(tags(true, "checkout_error")));
    }

    /** All are named, three of them with their figures. */
    @Test
    void about_five_tags_that_surge() {
      assertEquals("""
          Subject: Ticket Spike Alert! 10 with ab in 2 hours at acme, usually none (Wed 25 Nov \
          14:00 UTC)

          10 tickets with ab at acme, Wed 25 Nov 14:00 to 15:00 UTC.
          ab: 10 in 2 hours, usually none.
          cd: 10 in 2 hours, usually none.
          ef: 10 in 2 hours, usually none.
          These surge, too: gh, ij.
          All tickets: 30; usual: 20.
          """, head(tags(true, "ab", "cd", "ef", "gh", "ij")));
    }

    @Test
    void about_a_tag_names_the_hours_that_were_counted() {
      assertEquals("checkout_error: 10 in 1 hour, usually none.",
          tags(false, "checkout_error").document().lines().get(0));
    }

    @Test
    void that_is_a_sample_says_so() {
      var config = config();
      var tickets = tickets(100, "checkout_error");
      var judge = new Judge(new Rule(config), new Counts(counts(100)));
      var due = new SpikeDue(HOUR, HOUR, 100, null, List.of());
      var notice = new NoticeWriter(config, judge, tags(tickets), world())
          .sample(due, tickets, progress);
      clock = HOUR.plus(5).to();
      assertTrue(head(notice).startsWith("Subject: SAMPLE, no spike: Ticket Spike Alert! 100 "));
      assertEquals("This is a sample: there is no spike, and all figures here are made up.",
          head(notice).split("\n")[3]);
    }

    @Test
    void of_tickets_that_could_be_read_in_part() {
      var tickets = tickets(39, "checkout_error");
      tickets.setMissing("[zendesk] acme.zendesk.com: answers 503 (tried 5 times)");
      var notice = spike(tickets, 100);
      assertEquals("32 of the 39 that were read carry checkout_error, usually none.",
          notice.document().lines().get(1));
      assertTrue(mail(notice).contains("\nOf its tickets 39 were read: [zendesk] acme.zendesk.com: "
          + "answers 503 (tried 5 times)\n"), mail(notice));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "0 | 7 | Its tickets could not be read.", "3 | 7 | No tag stands out.",
        "3 | 1 | What its tags usually are is not known yet.",
    })
    void says_why_it_names_no_cause(int number, int days, String words) {
      var tickets = none();
      for (int i = 0; i < number; i++) tickets.add(ticket(i, 3, i));
      var tags = tags(tickets);
      if (days == 1) Hour.range(HOUR.plus(-24 * 28), HOUR.plus(-24)).forEach(tags::forget);
      var due = new SpikeDue(HOUR, HOUR, 100, null, List.of());
      var lines = write(due, tickets, tags, counts(100)).document().lines();
      assertEquals(words, lines.get(1));
    }

    @Test
    void of_an_hour_where_nothing_is_usual() {
      var known = counts();
      known.replaceAll((hour, count) -> hour.number() % 24 == 3 ? 4L : 0L);
      known.put(HOUR, 12L);
      var tickets = none();
      for (int i = 0; i < 12; i++) tickets.add(ticket(i, 12, i, "checkout_error"));
      progress = null;
      var due = new SpikeDue(HOUR, HOUR, 12, null, List.of());
      assertEquals("""
          Subject: Ticket Spike Alert! 12 tickets instead of 0 at acme: checkout_error (Wed 25 \
          Nov 14:00 UTC)

          12 tickets at acme, Wed 25 Nov 14:00 to 15:00 UTC.
          Usual: 0 (0 to 0 in 13 weeks).
          12 of the 12 carry checkout_error, usually none.
          """, head(write(due, tickets, tags(tickets), known)));
    }

    @Test
    void says_that_the_usual_was_raised() {
      var known = counts();
      Hour.range(HOUR.plus(-72), HOUR).forEach(hour -> known.put(hour, 3 * known.get(hour)));
      known.put(HOUR, 200L);
      var tickets = tickets(100, "checkout_error");
      var due = new SpikeDue(HOUR, HOUR, 200, null, List.of());
      assertEquals("Usual: 61, raised from 20 to follow the last three days (14 to 27 in 13 weeks),"
          + " so 225 % more.", write(due, tickets, tags(tickets), known).document().lines().get(0));
    }

    @ParameterizedTest
    @CsvSource({"1000, 73, true", "100, 49, false"})
    void about_a_flood_from_one_sender_names_that(int count, int number, boolean isFlood) {
      var tickets = none();
      for (int i = 0; i < 100; i++) tickets.add(ticket(i, 100, i < number ? 4711 : i, "vip"));
      var document = spike(tickets, count).document();
      assertEquals(isFlood,
          document.lines().contains("One requester wrote " + number + " of the 100."));
      assertEquals(isFlood,
          document.links().stream().anyMatch(link -> link.url().endsWith("/4711")));
    }

    /** Percent are hard to read beyond a thousand. */
    @Test
    void of_many_times_as_many_says_how_many_times() {
      assertEquals("Usual: 20 (14 to 27 in 13 weeks), so 49 times as many.",
          spike(none(), 1000).document().lines().get(0));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "14 | 420 | Still coming: 14 tickets in the first 7 minutes after it, usually 2.4.",
        "3 | 420 | Calmer since: 3 tickets in the first 7 minutes after it, usually 2.4.",
        "1 | 120 | Since then: 1 ticket in the first 2 minutes after it, usually 0.7.",
    })
    void says_whether_it_goes_on_where_that_can_be_told(long count, int seconds, String words) {
      progress = new HourInProgress(HOUR.to().plusSeconds(seconds), count);
      assertEquals(words, spike().document().lines().get(2));
    }

    /** A desk that does not tag learns of a flood by one channel; the usual ones are not shown. */
    @Test
    void names_a_channel_where_it_has_risen() {
      var tickets = none();
      for (int i = 0; i < 100; i++) {
        tickets.add(ticket(i, 100, i, i < 70 ? "via:email" : "via:web"));
      }
      var notice = spike(tickets, 100);
      assertEquals("70 of the 100 carry via:email, usually none.",
          notice.document().lines().get(1));
      assertTrue(notice.document().links().get(0).url().endsWith("00%3A00Z+via%3Aemail"),
          notice.document().links().toString());
      assertEquals(List.of("via:email"),
          notice.facts().tags().stream().map(TagCount::tag).toList());
    }

    /** As after an outage at the same time in each of the last four weeks. */
    @Test
    void names_a_risen_tag_whose_usual_is_not_known() {
      var tickets = tickets(100, "checkout_error");
      var tags = tags(tickets);
      for (int week = 1; week <= 4; week++) tags.forget(HOUR.plus(-168 * week));
      var due = new SpikeDue(HOUR, HOUR, 100, null, List.of());
      var notice = write(due, tickets, tags, counts(100));
      assertEquals("80 of the 100 carry checkout_error, usually ?.",
          notice.document().lines().get(1));
      assertEquals("?", notice.document().tables().get(0).rows().get(1).get(2).text());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "2026-11-25T14 | 1 | UTC | Wed 25 Nov 14:00 to 15:00 UTC",
        "2026-11-25T22 | 1 | Europe/Berlin | Wed 25 Nov 23:00 to 00:00 Europe/Berlin",
        "2026-11-25T22 | 3 | Europe/Berlin | Wed 25 Nov 23:00 to Thu 26 Nov 02:00 Europe/Berlin",
        "2026-10-25T00 | 1 | Europe/Berlin | Sun 25 Oct 02:00 +02:00 to 02:00 +01:00 Europe/Berlin",
        "2026-10-25T01 | 1 | Europe/Berlin | Sun 25 Oct 02:00 to 03:00 Europe/Berlin",
        "2027-03-28T00 | 1 | Europe/Berlin | Sun 28 Mar 01:00 +01:00 to 03:00 +02:00 Europe/Berlin",
        "2026-11-25T14 | 1 | Asia/Kolkata | Wed 25 Nov 19:30 to 20:30 Asia/Kolkata",
    })
    void names_its_hours_by_the_local_clock(String from, int hours, String zone, String words) {
      var first = Hour.parse(from);
      assertEquals(words, SpikeNotifier.span(first, first.plus(hours), ZoneId.of(zone)));
    }

    @Test
    void has_the_count_within_the_first_25_characters_of_its_subject() {
      assertEquals("Ticket Spike Alert! 100 t", spike().subject().substring(0, 25));
    }

    /** Agents make tags, some of them by machine. */
    @Test
    void makes_no_address_of_a_tag_clickable() {
      var notice = spike(tickets(100, "https://evil.test"), 100);
      assertTrue(notice.subject().contains("https[:]//evil.test"), notice.subject());
      assertFalse(mail(notice).contains("https://evil"), mail(notice));
      assertFalse(notice.document().html("x").contains("https://evil"));
    }
  }

  @Nested
  class A_document {
    private final Document document = new Document("A title");

    private Table table() {
      var table = Table.of("Tags", "tickets", "usual", "");
      table.row("vip", 7, "6.5", "risen");
      table.row("a longer tag", 100, "?", "");
      return table;
    }

    @Test
    void becomes_text() {
      document.line("A line.");
      document.link("Its tickets", "https://acme.zendesk.com/x?a=b&c");
      document.table(table());
      document.table(Table.of("empty", ""));
      document.smallPrint("Small.");
      assertEquals("""
          A title
          Late.
          A line.

          Its tickets:
          https://acme.zendesk.com/x?a=b&c

          Tags          tickets  usual
          vip                 7    6.5  risen
          a longer tag      100      ?

          Small.
          """, document.with("Late.").text());
      assertEquals(List.of("A title", "A line."), document.head());
    }

    @Test
    void becomes_html() {
      document.line("1 < 2");
      document.link("<b>", "https://acme.zendesk.com/x?a=b&c");
      var html = document.html("The <subject>");
      assertTrue(html.contains("<title>The &lt;subject&gt;</title>"), html);
      assertTrue(html.contains(">A title</h1>"), html);
      assertTrue(html.contains(">1 &lt; 2</p>"), html);
      assertTrue(html.contains("<a href=\"https://acme.zendesk.com/x?a=b&amp;c\">&lt;b&gt;</a>"));
    }

    /** Heads of rows and columns are read out with each number; an empty one is none. */
    @Test
    void has_tables_that_can_be_read_out() {
      assertEquals("""
          <tr>
          <th scope="col" align="left">Tags</th>
          <th scope="col" align="right">tickets</th>
          <th scope="col" align="right">usual</th>
          <td></td>
          </tr>
          <tr>
          <th scope="row" align="left">vip</th>
          <td align="right">7</td>
          <td align="right">6.5</td>
          <td>risen</td>
          </tr>
          """, table().html().replaceAll(" (nowrap|style=\"[^\"]*\")", "")
          .replaceAll("(?s)^<table[^>]*>\n|<tr><th scope=\"row\" align=\"left\">a longer.*", "")
          .replaceAll("(</?tr>)\n?|(</t[dh]>)", "$1$2\n"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "0.5 | 1 | 50 | 0 | ############", "1 | 0.25 | 25 | 75 | ######++++++++++++++++++",
        "0 | 0.5 | 0 | 0 | ''",
    })
    void has_bars_that_part_the_usual_from_the_rest(double count, double usual, int blue, int red,
        String text) {
      var bar = Cell.bar(count, usual);
      assertEquals(List.of(blue, red), List.of(bar.blue(), bar.red()));
      assertEquals(text, bar.text());
      assertEquals(red > 0, bar.html().contains("<td width=\"" + red + "%\" bgcolor=\"#cc3311\">"));
      assertEquals(blue > 0, bar.html().contains("bgcolor=\"#77aadd\""));
    }

    @Test
    void has_cells_that_are_links_or_shaded() {
      assertEquals("<a href=\"https://x.example/?a&amp;b\">a &amp; b</a>",
          Cell.link("a & b", "https://x.example/?a&b").html());
      assertEquals("#77aadd3c", Cell.shaded("7", Cell.BLUE, 0.5).shade());
      assertEquals("#cc331178", Cell.shaded("7", Cell.RED, 3).shade());
    }

    /** What Gmail, Outlook, Apple Mail and Yahoo support, or may drop without harm. */
    @Test
    void uses_what_mail_clients_support() {
      var html = spike().document().html(spike().subject());
      var properties = new TreeSet<String>();
      Pattern.compile("style=\"([^\"]*)\"").matcher(html).results().forEach(style -> {
        for (var each : style.group(1).split(";")) properties.add(each.split(":")[0].strip());
      });
      properties.removeAll(Set.of("margin", "padding", "width", "max-width", "font-family",
          "font-size", "font-weight", "line-height", "word-break", "overflow-wrap",
          "table-layout"));
      assertEquals(Set.of(), properties);
      var elements = new TreeSet<String>();
      Pattern.compile("<([a-z0-9]+)").matcher(html).results()
          .forEach(each -> elements.add(each.group(1)));
      elements.removeAll(Set.of("html", "head", "meta", "title", "body", "table", "tr", "td", "th",
          "h1", "p", "a"));
      assertEquals(Set.of(), elements);
      assertEquals(1, html.split("<h1", -1).length - 1);
      int bytes = html.getBytes(StandardCharsets.UTF_8).length;
      assertTrue(bytes < 25_000, bytes + " bytes, and Gmail cuts at 102,000");
    }
  }

  @Nested
  class A_chat_message {
    private String payload(Notice notice, Format format) {
      return Payload.of(notice, notice.documentAt(clock, config().zone), format);
    }

    private String text(Notice notice) throws IOException {
      return SpikeNotifier.JSON.readTree(payload(notice, Format.SLACK)).path("text").asText()
          + "\n";
    }

    private String json(Notice notice, String field) throws IOException {
      return SpikeNotifier.JSON.readTree(payload(notice, Format.JSON)).path(field).toPrettyString()
          + "\n";
    }

    @Test
    void for_slack_is_a_text() throws IOException {
      assertEquals("""
          100 tickets at acme, Wed 25 Nov 14:00 to 15:00 UTC.
          Usual: 20 (14 to 27 in 13 weeks), so 388 % more.
          80 of the 100 carry checkout_error, usually none.
          Still coming: 14 tickets in the first 7 minutes after it, usually 2.4.
          ```
          checkout_error                80, usual none
          vip                           34, usual 7
          ```
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z
          """, text(spike()));
    }

    @Test
    void of_the_end_is_short() throws IOException {
      assertEquals("""
          Over after 2 hours: the spike at acme, Wed 25 Nov 12:00 to 14:00 UTC.
          Peak: 100 tickets, Wed 25 Nov 12:00; usual: 20. In all 139 more than usual.
          The tag that stood out: checkout_error.
          Now: 20 tickets, Wed 25 Nov 14:00; usual: 20.
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T12%3A0\
          0%3A00Z+created%3C2026-11-25T14%3A00%3A00Z
          """, text(end(100, 80, 20)));
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
                  "text" : "100 tickets at acme, Wed 25 Nov 14:00 to 15:00 UTC.",
                  "weight" : "Bolder",
                  "size" : "Medium"
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "Usual: 20 (14 to 27 in 13 weeks), so 388 % more."
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "80 of the 100 carry checkout_error, usually none."
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "Still coming: 14 tickets in the first 7 minutes after it, usually \
          2.4."
                }, {
                  "type" : "FactSet",
                  "facts" : [ {
                    "title" : "checkout_error",
                    "value" : "80, usual none"
                  }, {
                    "title" : "vip",
                    "value" : "34, usual 7"
                  } ]
                } ],
                "actions" : [ {
                  "type" : "Action.OpenUrl",
                  "title" : "Open in Zendesk",
                  "url" : "https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D\
          2026-11-25T14%3A00%3A00Z+created%3C2026-11-25T15%3A00%3A00Z"
                } ]
              }
            } ]
          }
          """, SpikeNotifier.JSON.readTree(payload(spike(), Format.TEAMS)).toPrettyString() + "\n");
    }

    /** Google Chat refuses every field that it does not know. */
    @Test
    void for_google_chat_is_a_text_alone() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(spike(), Format.GOOGLECHAT));
      assertEquals(1, json.size());
      assertTrue(json.path("text").asText().startsWith("100 tickets at acme, Wed 25 Nov 14:00 "));
    }

    @Test
    void for_discord_mentions_nobody() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(spike(), Format.DISCORD));
      assertEquals(2, json.size());
      assertEquals("{\"parse\":[]}", json.path("allowed_mentions").toString());
      assertTrue(json.path("content").asText().contains("carry checkout_error, usually none"));
    }

    @Test
    void for_programs_holds_all_facts() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(spike(), Format.JSON));
      var names = new ArrayList<String>();
      json.fieldNames().forEachRemaining(names::add);
      assertEquals(List.of("account", "hour", "kind", "episode", "subject", "count", "usual",
          "percent", "cause", "tags", "link", "text"), names);
      assertEquals("2026-11-25T14:00:00Z", json.path("hour").asText());
      assertEquals("""
          [ {
            "tag" : "checkout_error",
            "count" : 10,
            "together" : 10,
            "hours" : 2,
            "expected" : 0.0,
            "dispersion" : 1.0,
            "basis" : "28 days",
            "score" : 6.324555320336759,
            "needed" : 6.25,
            "surge" : true
          } ]
          """, json(tags(true, "checkout_error"), "surges"));
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

    /** But for programs, which get the facts as they are. */
    @ParameterizedTest
    @ValueSource(strings = {"<!channel>", "<https://bad.example|here>", "@all", "@everyone",
        "[x](https://bad.example)", "```", "<users/all>", "a MARKS", "\u202e LONG"})
    void stays_under_1900_characters_and_neutralises_what_others_wrote(String evil)
        throws IOException {
      var tag = evil.replace(" MARKS", "\u0301".repeat(5000)).replace(" LONG", "x".repeat(3000));
      var notice = spike(tickets(100, tag), 100);
      for (var format : EnumSet.complementOf(EnumSet.of(Format.JSON))) {
        var payload = payload(notice, format);
        for (var each : List.of("<!", "<https", "@all", "@every", "](", "://bad", "<users")) {
          assertFalse(payload.contains(each), payload);
        }
        assertTrue(payload.split("```", -1).length <= 3, payload);
        var json = SpikeNotifier.JSON.readTree(payload);
        assertTrue((json.path("text").asText() + json.path("content").asText()).length() <= 1900);
      }
    }

    /** Nothing that people copy holds what they do not see. */
    @ParameterizedTest
    @EnumSource(Format.class)
    void puts_nothing_invisible_into_tags(Format format) {
      assertFalse(payload(spike(), format).contains("\u200b"));
    }

    @Test
    void ends_though_a_query_makes_its_link_longer_than_a_message() throws IOException {
      ini = "[zendesk]\nQuery = " + "tags:something_long_".repeat(86) + "\n";
      var text = text(spike());
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
  }
}
