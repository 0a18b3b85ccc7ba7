package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
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

  /** Fourteen weeks of 14 to 27 tickets an hour, then these hours, the last of them HOUR. */
  private Judge judge(Config config, long... last) {
    var known = new TreeMap<Hour, Long>();
    Hour.range(HOUR.plus(-14 * 168), HOUR).forEach(hour ->
        known.put(hour, 14 + Math.floorMod(hour.number() * 2654435761L >> 9, 14L)));
    for (int i = 0; i < last.length; i++) known.put(HOUR.plus(i + 1 - last.length), last[i]);
    return new Judge(new Rule(config), new Counts(known));
  }

  private static Ticket ticket(Hour hour, long i, long all, long requester, String... tags) {
    boolean checkout = List.of(tags).contains("checkout_error");
    return new Ticket(4987 + i, hour.from().plusSeconds(i * 3600 / all),
        checkout ? "Checkout fails with error 502" : "A question", requester, List.of(tags),
        "ticket");
  }

  /** So many tickets, 80 of 100 of which carry checkout_error; every third is vip. */
  private static SpikeTickets tickets(long all, String cause) {
    var tickets = new SpikeTickets(List.of());
    for (long i = 0; i < all; i++) {
      var tags = new ArrayList<String>();
      if (i * 10 < all * 8) tags.add(cause);
      if (i % 3 == 0) tags.add("vip");
      tickets.add(ticket(HOUR, i, all, i, tags.toArray(String[]::new)));
    }
    weeks(tickets);
    return tickets;
  }

  private static void weeks(SpikeTickets tickets) {
    for (int week = 1; week <= 4; week++) {
      var tally = new Tally(List.of());
      for (long i = 0; i < 20; i++) {
        var hour = HOUR.plus(-168L * week);
        tally.add(i % 3 == 0 ? ticket(hour, i, 20, i, "vip") : i % 5 == 0 ? ticket(hour, i, 20, i)
            : ticket(hour, i, 20, i, "billing"));
      }
      tickets.addWeek(tally);
    }
  }

  private Notice spike(SpikeTickets tickets, Topic opening, long... last) {
    var config = config();
    var judge = judge(config, last);
    var spike = (Spike) judge.verdict(HOUR);
    boolean isLate = clock.isAfter(HOUR.plus(2).to());
    var soFar = isLate ? null : new HourInProgress(clock, 14);
    return new NoticeWriter(config, judge, world()).spike(spike, opening, tickets, soFar);
  }

  private Notice spike() {
    return spike(tickets(100, "checkout_error"), null, 100);
  }

  private Topic opening() {
    var first = spike().topic();
    var start = Hour.parse("2026-11-25T12");
    return new Topic(first.account(), first.query(), start, Kind.SPIKE, start,
        "Ticket Spike Alert! acme, Wed 25 Nov 12:00 UTC: 70 tickets instead of 17");
  }

  private Notice clear() {
    var config = config();
    var first = spike();
    var judge = judge(config, 100, 80, 20);
    var start = Hour.parse("2026-11-25T12");
    var topic = new Topic(first.topic().account(), "", start, Kind.SPIKE, start,
        first.topic().subject());
    var opening = new Notice(topic, first.facts(), first.words(), null, null);
    return new NoticeWriter(config, judge, world()).clear((Calm) judge.verdict(HOUR), opening);
  }

  private String whole(Notice notice) {
    return "Subject: " + notice.topic().subject() + "\n\n"
        + notice.words().text().replace(folder.toString(), "/opt/spike-notifier");
  }

  @Nested
  class A_mail {
    @Test
    void about_a_spike_says_all_that_a_reader_wants_to_know_at_night() {
      ini = "TimeZone = Europe/Berlin\n";
      assertEquals("""
          Subject: Ticket Spike Alert! acme, Wed 25 Nov 14:00 UTC: 100 tickets instead of 21, \
          checkout_error

          100 tickets at acme from 14:00 to 15:00 UTC (15:00 to 16:00 Europe/Berlin), Wed
          25 Nov.

          Usual at this hour: 21, so 4.7 times as many (371 % more). The last 13 held 16
          to 27.

          80 of the 100 carry checkout_error, which this hour usually has on none.

          100 people wrote; no one more than once.

          Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: 2.4).

          All 100 in Zendesk:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags              tickets   usual  of all
            checkout_error       80     0.0    80 %  NEW
            vip                  34     7.0    34 %
            (no tag)             13     2.0    13 %

          Tickets with checkout_error
            #4987  14:00  Checkout fails with error 502
            #5006  14:11  Checkout fails with error 502
            #5026  14:23  Checkout fails with error 502
            #5046  14:35  Checkout fails with error 502
            #5066  14:47  Checkout fails with error 502

          The last 24 hours   tickets   usual
            Tue 24 Nov 15:00       22      19  #####|
            Tue 24 Nov 16:00       14      22  ###  |
            Tue 24 Nov 17:00       21      19  #####|
            Tue 24 Nov 18:00       14      22  ###  |
            Tue 24 Nov 19:00       21      19  #####|
            Tue 24 Nov 20:00       14      21  ###  |
            Tue 24 Nov 21:00       21      20  #####|
            Tue 24 Nov 22:00       27      21  #####|
            Tue 24 Nov 23:00       20      19  #####|
            Wed 25 Nov 00:00       27      21  #####|
            Wed 25 Nov 01:00       20      19  #####|
            Wed 25 Nov 02:00       27      22  #####|
            Wed 25 Nov 03:00       20      20  #####|
            Wed 25 Nov 04:00       27      21  #####|
            Wed 25 Nov 05:00       19      20  #####|
            Wed 25 Nov 06:00       26      21  #####|
            Wed 25 Nov 07:00       19      20  #####|
            Wed 25 Nov 08:00       26      21  #####|
            Wed 25 Nov 09:00       19      21  #####|
            Wed 25 Nov 10:00       26      20  #####|
            Wed 25 Nov 11:00       18      21  #### |
            Wed 25 Nov 12:00       25      20  #####|
            Wed 25 Nov 13:00       18      20  #### |
            Wed 25 Nov 14:00      100      21  #####|##################

          Why this notice: rule weekly, a spike from 42 tickets on
            alone 4.0 deviations of 5.0 over 21.2           41.2  decides
            with the hour before 3.0 deviations of both     47.1
            50 % over 21.2                                  31.8
            5 more than 21.2                                26.2

          Counted: all tickets of acme.zendesk.com. explain 2026-11-25T14 tells more.

          The next mail comes when it grows by half, and one when it is over.

          Spike Notifier 2.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, whole(spike()));
    }

    @Test
    void about_a_spike_that_goes_on() {
      assertEquals("""
          Subject: Ticket Spike Alert! acme, Wed 25 Nov 12:00 UTC: 70 tickets instead of 17

          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.

          Usual at this hour: 20, so 4.9 times as many (388 % more). The last 13 held 14
          to 27.

          It goes on: this is hour 3 since Wed 25 Nov 12:00 UTC.

          80 of the 100 carry checkout_error, which this hour usually has on none.

          100 people wrote; no one more than once.

          Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: 2.4).""",
          head(spike(tickets(100, "checkout_error"), opening(), 70, 80, 100)));
    }

    @Test
    void that_comes_late_says_so() {
      clock = HOUR.plus(5).to().plusSeconds(420);
      assertEquals("""
          Subject: Ticket Spike Alert! acme, Wed 25 Nov 14:00 UTC: 100 tickets instead of 20, \
          checkout_error

          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.

          Usual at this hour: 20, so 4.9 times as many (388 % more). The last 13 held 14
          to 27.

          This notice comes late, at Wed 25 Nov 20:07 UTC: the hour could not be read, or
          was counted too low, or the mail could not be made before.

          80 of the 100 carry checkout_error, which this hour usually has on none.

          100 people wrote; no one more than once.""", head(spike()));
    }

    @Test
    void of_tickets_that_could_be_read_in_part() {
      var tickets = tickets(39, "checkout_error");
      tickets.setMissing("[zendesk] acme.zendesk.com: answers 503 (tried 5 times)");
      assertEquals("""
          Usual at this hour: 20, so 4.9 times as many (388 % more). The last 13 held 14
          to 27.

          32 of the 39 that were read carry checkout_error, which this hour usually has on
          none.

          39 people wrote; no one more than once.

          Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: 2.4).

          All 100 in Zendesk:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags              tickets   usual  of all
            checkout_error       32     0.0    82 %  NEW
            vip                  13     7.0    33 %
            (no tag)              5     2.0    13 %

          Ranked from 39 of its tickets ([zendesk] acme.zendesk.com: answers 503 (tried 5
          times)).

          Tickets with checkout_error
            #4987  14:00  Checkout fails with error 502
            #4994  14:10  Checkout fails with error 502
            #5002  14:23  Checkout fails with error 502
            #5010  14:35  Checkout fails with error 502
            #5018  14:47  Checkout fails with error 502""", middle(spike(tickets, null, 100)));
    }

    @Test
    void of_an_hour_where_nothing_is_usual() {
      var config = config();
      var known = new TreeMap<Hour, Long>();
      Hour.range(HOUR.plus(-14 * 168), HOUR).forEach(hour -> known.put(hour, 0L));
      known.put(HOUR.plus(-14 * 168), 1L);
      known.put(HOUR, 12L);
      var judge = new Judge(new Rule(config), new Counts(known));
      var tickets = new SpikeTickets(List.of());
      for (int i = 0; i < 12; i++) tickets.add(ticket(HOUR, i, 12, i, "checkout_error"));
      for (int i = 0; i < 4; i++) tickets.addWeek(new Tally(List.of()));
      var notice = new NoticeWriter(config, judge, world())
          .spike((Spike) judge.verdict(HOUR), null, tickets, null);
      assertEquals("""
          Subject: Ticket Spike Alert! acme, Wed 25 Nov 14:00 UTC: 12 tickets instead of 0, \
          checkout_error

          12 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.

          Usual at this hour: 0. The last 13 held 0 each.

          12 of the 12 carry checkout_error, which this hour usually has on none.

          12 people wrote; no one more than once.""", head(notice));
    }

    @Test
    void of_tickets_without_tags() {
      var tickets = new SpikeTickets(List.of());
      for (int i = 0; i < 100; i++) tickets.add(ticket(HOUR, i, 100, i));
      weeks(tickets);
      assertEquals("""
          Usual at this hour: 20, so 4.9 times as many (388 % more). The last 13 held 14
          to 27.

          None of its tickets carries a tag that is shown.

          100 people wrote; no one more than once.

          Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: 2.4).

          All 100 in Zendesk:
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z

          Tags        tickets   usual  of all
            (no tag)      100     2.0   100 %  risen

          Some of the tickets
            #4987  14:00  A question
            #5011  14:14  A question
            #5036  14:29  A question
            #5061  14:44  A question
            #5086  14:59  A question""", middle(spike(tickets, null, 100)));
    }

    @Test
    void about_a_flood_from_one_sender_names_that_first() {
      var tickets = new SpikeTickets(List.of());
      for (int i = 0; i < 100; i++) {
        tickets.add(ticket(HOUR, i, 100, i < 73 ? 4711 : i, "vip"));
      }
      weeks(tickets);
      assertEquals("""
          Subject: Ticket Spike Alert! acme, Wed 25 Nov 14:00 UTC: 100 tickets instead of 20, vip

          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.

          Usual at this hour: 20, so 4.9 times as many (388 % more). The last 13 held 14
          to 27.

          One requester wrote 73 of the 100: https://acme.zendesk.com/agent/users/4711

          100 of the 100 carry vip; usual at this hour: 7.

          Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: 2.4).""",
          head(spike(tickets, null, 100)));
    }

    @Test
    void about_the_end_closes_the_thread() {
      assertEquals("""
          Subject: Ticket Spike Alert! acme, Wed 25 Nov 14:00 UTC: 100 tickets instead of 20, \
          checkout_error

          Over at 14:00 UTC after 2 hours.

          20 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov; usual: 20.

          It began at Wed 25 Nov 12:00 UTC. At its peak 100 tickets came from 12:00 to
          13:00 UTC; in all 139 more than usual.

          The tag that stood out was checkout_error.

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

          Spike Notifier 2.0.0 on spikebox, /opt/spike-notifier/auth.ini
          """, whole(clear()));
    }

    /** Up to the tags. */
    private String head(Notice notice) {
      var text = whole(notice);
      return text.substring(0, text.indexOf("\n\nAll "));
    }

    /** From the usual to the 24 hours. */
    private String middle(Notice notice) {
      var text = whole(notice);
      return text.substring(text.indexOf("\nUsual") + 1, text.indexOf("\n\nThe last 24"));
    }

    @Test
    void says_how_often_it_comes_again() {
      for (var each : Map.of(
          "Repeat = every\n", "The next mail comes with the next hour like this, and one when it",
          "Repeat = first\nAllClear = no\n", "This is the only mail about it.",
          "Repeat = growth\nAllClear = no\n", "The next mail comes when it grows by half; none when"
      ).entrySet()) {
        ini = each.getKey();
        assertTrue(whole(spike()).contains(each.getValue()), whole(spike()));
      }
    }

    /** Tags and subjects of any length and kind keep to 80 columns, addresses apart. */
    @ParameterizedTest
    @CsvSource({"300, x", "90, \u00fc", "60, '\ud83d\udd25'", "200, 'ab '",
        "100, \u65e5\u672c"})
    void keeps_to_80_columns(int times, String piece) {
      for (var line : whole(spike(tickets(100, piece.repeat(times)), null, 100)).split("\n")) {
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
        "font-family", "font-size", "line-height", "text-align", "border-bottom",
        "border-collapse", "background-color", "word-break", "overflow-wrap", "white-space",
        "height", "table-layout");
    private static final Set<String> ELEMENTS = Set.of("html", "head", "meta", "title", "body",
        "table", "tr", "td", "th", "h1", "p", "a");

    @Test
    void uses_what_mail_clients_support() {
      var html = spike().words().html();
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
      assertTrue(Pattern.compile("#[0-9a-f]{6}\\b").matcher(html).find());
      assertFalse(Pattern.compile("#[0-9a-f]{3,4}[;\"]|#[0-9a-f]{8}\\b").matcher(html).find());
      assertEquals(1, html.split("<h1", -1).length - 1);
    }

    /** Gmail clips what is longer than 102 kB. */
    @Test
    void stays_under_100_kb_whatever_num_tags() {
      var tickets = new SpikeTickets(List.of());
      for (int i = 0; i < 1000; i++) {
        tickets.add(ticket(HOUR, i, 1000, i, ("\u00fc".repeat(95) + i), "checkout_error"));
      }
      weeks(tickets);
      var file = folder.resolve("auth.ini");
      config();
      Disk.write(file, Fakes.read(file).replace("[misc]\n", "[misc]\nNumTags = 1000\n"));
      var config = Config.read(file, world());
      var judge = judge(config, 1000);
      var notice = new NoticeWriter(config, judge, world())
          .spike((Spike) judge.verdict(HOUR), null, tickets, null);
      int bytes = notice.words().html().getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
      assertTrue(bytes < 100_000, bytes + " bytes");
      assertTrue(notice.words().html().contains(" more are in the plain text of this mail."));
      assertTrue(notice.words().text().contains("\u00fc".repeat(42)));
    }

    @Test
    void escapes_what_other_people_wrote() {
      var html = spike(tickets(100, "<b>&\"'"), null, 100).words().html();
      assertFalse(html.contains("<b>"));
      assertTrue(html.contains("&lt;b&gt;&amp;&quot;&#39;"));
    }
  }

  @Nested
  class A_chat_message {
    private String payload(Format format) {
      return Chat.payload(spike(), format);
    }

    /** Slack, Mattermost, Rocket.Chat and Zulip take exactly a text. */
    @Test
    void for_slack_is_a_text() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(Format.SLACK));
      assertEquals(1, json.size());
      assertEquals("""
          100 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov.
          Usual at this hour: 20, so 4.9 times as many (388 % more). The last 13 held 14 to 27.
          80 of the 100 carry checkout_error, which this hour usually has on none.
          Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: 2.4).
          ```
          checkout_error                     80, usual 0.0
          vip                                34, usual 7.0
          ```
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z""", json.path("text").asText());
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
      assertTrue(json.path("content").asText().startsWith("100 tickets at acme from 14:00"));
    }

    @Test
    void for_teams_is_an_adaptive_card() throws IOException {
      var json = SpikeNotifier.JSON.readTree(payload(Format.TEAMS));
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
                  "text" : "Usual at this hour: 20, so 4.9 times as many (388 % more). The last \
          13 held 14 to 27."
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "80 of the 100 carry checkout\u200b_error, which this hour \
          usually has on none."
                }, {
                  "type" : "TextBlock",
                  "wrap" : true,
                  "text" : "Since 15:00, up to 15:07 UTC: 14 tickets (usual for these minutes: \
          2.4)."
                }, {
                  "type" : "TextBlock",
                  "fontType" : "Monospace",
                  "spacing" : "None",
                  "text" : "checkout\u200b_error                     80, usual 0.0"
                }, {
                  "type" : "TextBlock",
                  "fontType" : "Monospace",
                  "spacing" : "None",
                  "text" : "vip                                34, usual 7.0"
                } ],
                "actions" : [ {
                  "type" : "Action.OpenUrl",
                  "title" : "Open in Zendesk",
                  "url" : "https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D\
          2026-11-25T14%3A00%3A00Z+created%3C2026-11-25T15%3A00%3A00Z"
                } ]
              }
            } ]
          }""", json.toPrettyString());
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

    @ParameterizedTest
    @EnumSource(Format.class)
    void stays_under_1900_characters_and_neutralises_what_others_wrote(Format format)
        throws IOException {
      for (var evil : List.of("<!channel>", "<https://bad.example|here>", "@all", "@everyone",
          "[x](https://bad.example)", "```", "<users/all>", "a" + "\u0301".repeat(5000),
          "\u202e" + "x".repeat(3000))) {
        var notice = spike(tickets(100, evil), null, 100);
        var payload = Chat.payload(notice, format);
        if (format == Format.JSON) continue; // for programs: the facts as they are
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
      assertEquals(format, Chat.format(config()));
    }

    @Test
    void of_the_end_is_short() {
      assertEquals("""
          {"text":"Over at 14:00 UTC after 2 hours.
          20 tickets at acme from 14:00 to 15:00 UTC, Wed 25 Nov; usual: 20.
          It began at Wed 25 Nov 12:00 UTC. At its peak 100 tickets came from 12:00 to 13:00 \
          UTC; in all 139 more than usual.
          The tag that stood out was checkout_error.
          https://acme.zendesk.com/agent/search/1?q=type%3Aticket+created%3E%3D2026-11-25T14%3A0\
          0%3A00Z+created%3C2026-11-25T15%3A00%3A00Z"}""",
          Chat.payload(clear(), Format.SLACK).replace("\\n", "\n"));
    }
  }
}
