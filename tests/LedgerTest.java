package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** What lies in out/, and who gets which notice of an episode. */
class LedgerTest extends Deliveries {
  @Nested
  class The_folder_out {
    /** Without receivers: the config of the moment of sending names them. */
    @Test
    void holds_notices_as_text() throws IOException {
      known(720, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      config("email/Host = localhost\nemail/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      var json = notice("outbox", SPIKE);
      assertEquals("""
          {
            "account" : "acme.zendesk.com",
            "query" : "",
            "hour" : "2026-11-10T13",
            "kind" : "spike",
            "start" : "2026-11-10T13",
            "subject" : "Ticket Spike Alert! 40 tickets instead of 10 at acme: checkout_error \
          (Tue 10 Nov, 13:00 UTC)"
          }""", json.path("topic").toPrettyString());
      var fields = new ArrayList<String>();
      json.fieldNames().forEachRemaining(fields::add);
      assertEquals(List.of("topic", "facts", "words", "accepted", "refused",
          "passed", "tries"), fields);
      assertEquals(40, json.path("facts").path("count").asLong());
      assertEquals("checkout_error", json.path("facts").path("cause").asText());
      assertEquals("{}", json.path("accepted").toString());
    }

    @Test
    void sends_what_waits_to_a_recipient_that_was_mended() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 no")) {
        run(Exit.TRY_LATER);
        config("email/Recipient = a@acme.example, c@acme.example");
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "a", "c"), receivers(smtp));
        assertEquals(List.of(), files("outbox"));
      }
    }

    @Test
    void sends_what_waits_though_nothing_can_be_counted_for_want_of_a_secret() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 no")) {
        run(Exit.TRY_LATER);
        later(1);
        config("zendesk/ClientSecret = -\nzendesk/ClientSecretCommand = false");
        var outcome = run(Exit.CONFIG);
        assertEquals(folder.resolve("auth.ini") + ": [zendesk] ClientSecretCommand: failed, exit "
            + "code 1 (expected a command that prints the secret)",
            outcome.err().lines().findFirst().orElseThrow());
        assertEquals(List.of("a", "b", "b"), receivers(smtp));
      }
    }

    @Test
    void gives_up_after_a_week() throws IOException {
      config("email/Port = 1\nkept = yes\nspike/AllClear = no");
      run(Exit.TRY_LATER);
      later(168);
      Fakes.known(folder, NOW.plus(1), NOW.plus(168), 10);
      run(Exit.TRY_LATER);
      assertTrue(files("outbox").contains(SPIKE), "a week old is news");
      later(1);
      var outcome = run(Exit.TRY_LATER);
      assertTrue(outcome.err().contains(SPIKE + " is older than a week and given up, see "
          + folder.resolve("out/refused")), outcome.err());
      assertEquals(List.of(SPIKE), files("refused"));
    }

    @Test
    void gives_up_as_sent_what_somebody_has_heard() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 not now")) {
        config("spike/AllClear = no");
        run(Exit.TRY_LATER);
        later(169);
        Fakes.known(folder, NOW.plus(1), NOW.plus(169), 10);
        assertTrue(run(Exit.TRY_LATER).err().contains(SPIKE + " is older than a week and given up, "
            + "see " + folder.resolve("out/sent")), smtp.said.toString());
        assertTrue(files("sent").contains(SPIKE));
      }
    }

    /** Told once, moved away, and in nobody's way. */
    @Test
    void lays_aside_what_is_no_notice() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox"));
      var names = List.of("2026-11-10T12-spike.eml", "2026-11-10T12.spike.json", "empty.json",
          "2026-11-10T11.spike." + Ledger.id(Config.read(folder.resolve("auth.ini"),
              World.real())) + ".json");
      for (var name : names) Files.writeString(folder.resolve("out/outbox/" + name), "");
      Files.setLastModifiedTime(folder.resolve("out/outbox/empty.json"),
          java.nio.file.attribute.FileTime.from(clock.minusSeconds(7200)));
      var outcome = run(Exit.TRY_LATER);
      assertEquals(4, outcome.err().lines().filter(line ->
          line.contains(": is no notice of this edition (moved to ")).count(), outcome.err());
      assertEquals(1, mail.received.size());
      assertEquals(4, files("refused").size());
      assertEquals("", run(Exit.OK).err());
    }

    @Test
    void lets_alone_what_somebody_may_be_writing() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox"));
      var other = Files.writeString(folder.resolve("out/outbox/other.json"), "{");
      Files.setLastModifiedTime(other,
          java.nio.file.attribute.FileTime.from(clock.minusSeconds(600)));
      run(Exit.OK);
      assertTrue(Files.exists(other));
    }

    /** What people leave there must neither stop a run nor go out again and again. */
    @Test
    void is_proof_against_odd_files() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox/dir.json"));
      Files.write(folder.resolve("out/outbox/u.json"), new byte[] {(byte) 0xff, (byte) 0xfe});
      Files.createDirectories(folder.resolve("out/sent"));
      Files.writeString(folder.resolve("out/sent/2026-11-31T10.spike.json"), "{}");
      Files.writeString(folder.resolve("out/sent/2026-11-10T12.spike.json"), "{}");
      run();
      assertEquals(1, mail.received.size());
      Files.copy(file("sent", SPIKE), folder.resolve("out/outbox/again.json"));
      run();
      assertEquals(1, mail.received.size());
      for (var file : List.of("outbox/u.json", "refused/u.json")) {
        Files.deleteIfExists(folder.resolve("out/" + file));
      }
    }

    /** As after a run by root: then it is mended, not lost. A loop of links is as unreadable. */
    @ParameterizedTest
    @ValueSource(strings = {"outbox", "sent"})
    void keeps_a_notice_that_may_not_be_read(String place) throws IOException {
      if (place.equals("outbox")) config("email/Port = 1\nkept = yes");
      run();
      var file = file(place, SPIKE);
      var whole = Files.readString(file);
      Files.delete(file);
      Files.createSymbolicLink(file, file);
      later(1);
      var outcome = run(Exit.HISTORY);
      var trouble = withoutIds(file + ": cannot be read: ");
      assertTrue(outcome.err().contains(trouble), outcome.err());
      assertTrue(run("doctor").out().contains("FAIL  outbox: " + trouble));
      assertTrue(run(Exit.OK, "explain", NOW.name()).out().contains("Told: " + trouble));

      Files.delete(file);
      Files.writeString(file, whole);
      config("email/Port = " + mail.port());
      later(1);
      run(Exit.OK);
      assertEquals(List.of(SPIKE, "2026-11-10T15.clear.json"), files("sent"));
    }

    /** The last hour's alarm goes out from memory; what came before and after it does not. */
    @Test
    void silences_no_alarm_though_it_cannot_be_written() throws IOException {
      desk(hour -> hour.since(NOW) >= -3 && hour.since(NOW) < 1 ? 40 : 10);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-3), 10);
      Files.writeString(folder.resolve("out/sent"), "in the way");
      var outcome = run(Exit.HISTORY);
      assertTrue(outcome.err().startsWith(folder.resolve("out/sent")
          + ": is a file (expected a folder)\n"), outcome.err());
      assertEquals(1, mail.received.size(), "of the last hour alone");
      later(1);
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size(), "no end");
      assertTrue(run("doctor").out().contains("FAIL  outbox: " + folder.resolve("out/sent")));
    }

    @Test
    void serves_two_accounts_with_a_history_each() throws IOException {
      run(Exit.OK);
      config("zendesk/Domain = beta\ndefault/SpikeDB = out/beta.csv");
      run(Exit.OK);
      assertEquals(2, mail.received.size());
      assertEquals(List.of(SPIKE, SPIKE), files("sent"));
      config("default/SpikeDB = out/history.csv");
      var outcome = run(Exit.CONFIG);
      assertTrue(outcome.err().contains("was counted at acme.zendesk.com without Query, but "
          + "this run would count at beta.zendesk.com"), outcome.err());
      assertTrue(run("doctor").out().contains("FAIL  history: "));
    }

    /** Each advice of the message about another Query, while a notice of the old one lies there. */
    @ParameterizedTest
    @ValueSource(strings = {"new SpikeDB", "state deleted"})
    void serves_a_changed_query_once_the_advice_was_followed(String advice) throws IOException {
      run(Exit.OK);
      config("zendesk/Query = brand:shop");
      run(Exit.CONFIG);
      if (advice.equals("new SpikeDB")) config("default/SpikeDB = out/shop.csv");
      else Files.delete(folder.resolve("out/history.csv.state"));
      desk(hour -> hour.isBefore(NOW.plus(1)) ? 10 : 60);
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size());
      assertFalse(mail.received.get(1).subject().startsWith("Re: "), "not of the old episode");
    }

    /** An open episode and a waiting notice of the second edition. */
    @Test
    void of_the_second_edition_goes_on_and_nothing_is_told_twice() throws IOException {
      desk(hour -> hour.since(NOW) >= -1 && hour.since(NOW) <= 0 ? 40 : 10);
      Fakes.known(folder, NOW.plus(-240), NOW.plus(-1), 10);
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      history.put(NOW.plus(-1), 40);
      history.put(NOW, 40);
      history.noLongerPending(NOW);
      history.save();
      for (var each : List.of("sent/2026-11-10T12", "outbox/2026-11-10T13")) {
        var hour = each.replaceAll(".*/", "");
        var accepted = each.startsWith("sent") ? "\"team@acme.example\":\"x\"" : "";
        Disk.write(folder.resolve("out/" + each + ".spike.json"), """
            {"topic":{"account":"acme.zendesk.com","query":"","hour":"%s","kind":"spike",
            "start":"2026-11-10T12","subject":"Ticket Spike Alert! acme, Tue 10 Nov"},
            "facts":{"count":40,"usual":10.0,"percent":300.0,"cause":null,"tags":[],"link":""},
            "words":{"text":"Old words.\\n\\nMore.\\n","html":"<h1>Old words.</h1>\\n","chat":
            ["Old words."],"rows":[]},"accepted":{%s},"refused":{}}""".formatted(hour, accepted));
      }
      run(Exit.OK);
      run(Exit.OK);
      assertEquals(1, mail.received.size(), "what waited, once");
      assertEquals("Re: Ticket Spike Alert! acme, Tue 10 Nov", mail.received.get(0).subject());
      later(1);
      run(Exit.OK);
      assertEquals(2, mail.received.size(), "and the end");
      assertTrue(mail.received.get(1).text().startsWith("Over after 2 hours: "));
    }

    @Test
    void forgets_after_half_a_year() throws IOException {
      run(Exit.OK);
      var old = folder.resolve("out/sent/2026-05-01T00.spike.json");
      Files.copy(file("sent", SPIKE), old);
      run(Exit.OK);
      assertEquals(List.of(SPIKE), files("sent"));
    }
  }

  @Nested
  class An_episode {
    /** Runs an hour after the other; the desk holds so many from NOW on. */
    private List<String> told(String counts, String changes) throws IOException {
      long[] held = Unit.numbers(counts);
      desk(hour -> hour.isBefore(NOW) ? 10
          : hour.since(NOW) < held.length ? held[(int) hour.since(NOW)] : 10);
      config(changes);
      var told = new ArrayList<String>();
      for (int i = 0; i < held.length; i++) {
        int before = mail.received.size();
        run(Exit.OK);
        later(1);
        told.add(mail.received.size() == before ? "-"
            : files("sent").get(files("sent").size() - 1).replaceAll(".*\\.(\\w+)\\.json", "$1"));
      }
      return told;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "every  | yes | 40 40 90 40 10 10 | spike spike spike spike clear -",
        "growth | yes | 40 40 90 40 10 10 | spike - spike - clear -",
        "first  | yes | 40 40 90 40 10 10 | spike - - - clear -",
        "growth | no  | 40 40 10 40 10 40 | spike - - spike - spike",
        "growth | yes | 40 10 40 10 | spike clear spike clear",
    })
    void is_told_as_often_as_the_config_says(String repeat, String clear, String counts,
        String expected) throws IOException {
      assertEquals(List.of(expected.split(" ")),
          told(counts, "spike/Repeat = " + repeat + "\nspike/AllClear = " + clear));
    }

    @Test
    void has_one_subject_and_one_root() throws IOException {
      told("40 90 200 10", "");
      var subjects = new java.util.HashSet<String>();
      var roots = new java.util.HashSet<String>();
      for (var each : mail.received) {
        subjects.add(each.subject().replaceFirst("^Re: ", ""));
        roots.add(each.header("References").split("\\s")[0]);
      }
      assertEquals(1, subjects.size(), subjects.toString());
      assertEquals(1, roots.size(), roots.toString());
    }

    /** Whoever refused the beginning, or was put off, hears of the end, which tells all. */
    @Test
    void is_told_to_everybody_of_the_config_to_its_end() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "550 no")) {
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "a", "b"), receivers(smtp));
        assertEquals(3, smtp.mails.size());
      }
    }

    /** One that nobody took is not open: the next spike hour opens it anew. */
    @Test
    void that_nobody_took_is_opened_anew() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      config("spike/Repeat = first");
      try (var smtp = smtp("RCPT TO", "550 no")) {
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO", "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(2, smtp.mails.size());
        assertTrue(smtp.mails.get(0).contains("Message-ID: <2026-11-10T14-spike@"));
        assertFalse(smtp.mails.get(0).contains("Subject: Re: "));
      }
    }

    @Test
    void of_twenty_hours_without_mail_is_one_message_that_comes_late() throws IOException {
      desk(hour -> hour.isBefore(NOW) || hour.since(NOW) > 2 ? 10 : 40);
      config("email/Port = 1\nkept = yes");
      for (int i = 0; i < 20; i++) {
        run(Exit.TRY_LATER);
        later(1);
      }
      config("email/Port = " + mail.port());
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      var text = mail.received.get(0).text();
      assertTrue(text.startsWith("Over after 3 hours: the spike at acme from 13:00 to 16:00 UTC, "
          + "Tue 10 Nov.\nThis notice comes late, on Wed 11 Nov at 10:07 UTC.\n"
          + "Peak: 40 tickets from 13:00 to 14:00, Tue 10 Nov; usual: 10. In all 90 more than\n"
          + "usual.\n"), text);
    }

    /** Whoever was put off gets the newest, which tells all, and no more. */
    @Test
    void is_told_by_its_newest_notice_alone_to_who_was_put_off() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        run(Exit.TRY_LATER);
        later(1);
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        smtp.said.clear();
        later(1);
        run(Exit.OK);
        assertEquals(List.of("b"), receivers(smtp));
        assertTrue(smtp.mails.get(smtp.mails.size() - 1).contains("Subject: Re: "));
        assertEquals("2026-11-10T14.clear",
            notice("sent", SPIKE).path("passed").path("b@acme.example").asText());
      }
    }

    /** The hour was counted too low at first, so the all-clear was false. */
    @Test
    void goes_on_in_its_thread_after_a_false_all_clear() throws IOException {
      var indexed = new java.util.concurrent.atomic.AtomicBoolean();
      desk(hour -> hour.isBefore(NOW) || hour.isAfter(NOW.plus(1)) ? 10
          : hour.equals(NOW) || indexed.get() ? 40 : 2);
      run(Exit.OK);
      later(1);
      run(Exit.OK);
      indexed.set(true);
      later(1);
      run(Exit.OK);
      var told = mail.received.stream().map(each -> each.header("Message-ID")
          .replaceAll("<2026-11-10T(.*)@.*", "$1")).toList();
      assertEquals(List.of("13-spike", "14-clear", "15-clear"), told);
      var root = mail.received.get(0).header("References");
      assertTrue(mail.received.get(2).header("References").startsWith(root));
      assertTrue(mail.received.get(2).text().startsWith("Over after 2 hours: "));
      assertTrue(files("sent").contains("2026-11-10T14.spike.json"));
    }

    /** Zendesk deleted the tickets: the hour is no spike any more, but people were told of it. */
    @Test
    void ends_although_its_hour_shrank() throws IOException {
      run(Exit.OK);
      desk(hour -> 10);
      later(1);
      run(Exit.OK);
      assertEquals(List.of(SPIKE, "2026-11-10T14.clear.json"), files("sent"));
    }

    /** An hour in between becomes known when the end was told already. */
    @Test
    void ends_once() throws IOException {
      run(Exit.OK);
      var bad = NOW.plus(1);
      desk.trouble = Desk.Trouble.holding(bad, answer(500, ""));
      later(2);
      run(Exit.OK);
      assertEquals(List.of(SPIKE, "2026-11-10T15.clear.json"), files("sent"));
      desk.trouble = Desk.Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(10, history().at(bad));
      assertEquals(List.of(SPIKE, "2026-11-10T15.clear.json"), files("sent"));
    }

    @Test
    void lasted_as_long_as_its_hours_though_nobody_ran_for_days() throws IOException {
      run(Exit.OK);
      mail.received.clear();
      later(80);
      Fakes.known(folder, NOW.plus(1), NOW.plus(79), 10);
      run(Exit.OK);
      assertTrue(mail.received.get(0).text().startsWith("Over after 1 hour: the spike at acme "),
          mail.received.get(0).text());
    }

    @Test
    void of_three_weeks_keeps_its_root() throws IOException {
      var begin = Hour.parse("2026-10-20T13");
      desk(hour -> hour.isBefore(begin) ? 10 : 40);
      config("misc/NumHours = 2000");
      Fakes.known(folder, NOW.plus(-2000), begin, 10);
      Fakes.known(folder, begin, NOW, 40);
      run(Exit.OK);
      var file = file("sent", SPIKE);
      var old = Fakes.read(file).replace(NOW.name(), begin.name());
      Files.delete(file);
      Files.writeString(folder.resolve("out/sent/" + begin.name() + ".spike.json"), old);
      mail.received.clear();
      run(Exit.OK);
      assertTrue(mail.received.get(0).header("References").startsWith("<2026-10-20T13-episode@"),
          mail.received.get(0).header("References"));
    }

    /** Hours that are unknown may have ended it: then the next spike is news. */
    @Test
    void that_may_have_ended_meanwhile_is_told_anew() throws IOException {
      config("spike/Repeat = growth");
      run(Exit.OK);
      var next = NOW.plus(80);
      desk(hour -> hour.equals(NOW) || hour.equals(next) ? 40 : 10);
      config("spike/Repeat = growth");
      later(80);
      desk.trouble = (exchange, path) -> path.contains("search")
          && !Trouble.holding(next, (a, b) -> true).takes(exchange, path)
          && answer(503, "").takes(exchange, path);
      mail.received.clear();
      run();
      assertTrue(mail.received.get(0).text().startsWith("40 tickets at acme from "));
    }

    /** The check of the day failed in its first calm hour, so its end is told an hour late. */
    /** It came to light after the next had been told, with calm between: late, but news. */
    @Test
    void is_told_late_though_the_next_was_told_before() throws IOException {
      var isFound = new AtomicBoolean();
      desk(hour -> hour.equals(NOW) && isFound.get() ? 200 : hour.equals(NOW.plus(2)) ? 40 : 10);
      for (int i = 0; i < 3; i++) {
        run(Exit.OK);
        later(1);
      }
      assertEquals(List.of("2026-11-10T15.spike.json"), files("sent"));
      isFound.set(true);
      for (int i = 0; i < 3; i++) {
        run(Exit.OK);
        later(1);
      }
      assertEquals(List.of(SPIKE, "2026-11-10T15.spike.json", "2026-11-10T16.clear.json"),
          files("sent"));
      var late = mail.received.get(2).text();
      assertTrue(late.startsWith("200 tickets at acme from 13:00 to 14:00 UTC, Tue 10 Nov.\n"
          + "This notice comes late, on Tue 10 Nov at 17:07 UTC.\n"), late);
    }

    /** Its calm hour could not be checked, so its end waits, but the next spike does not. */
    @Test
    void is_over_for_the_next_spike_though_its_end_waits() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(2)) ? 40 : 10);
      config("spike/Repeat = first");
      run(Exit.OK);
      desk.trouble = Trouble.always("search/count", answer(500, ""));
      later(1);
      run(Exit.ZENDESK);
      later(1);
      run(Exit.ZENDESK);
      assertEquals(List.of(SPIKE, "2026-11-10T15.spike.json"), files("sent"));
      desk.trouble = Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(List.of(SPIKE, "2026-11-10T15.spike.json", "2026-11-10T16.clear.json"),
          files("sent"));
    }

    @Test
    void that_ended_unchecked_is_over_all_the_same() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(2)) ? 40 : 10);
      config("spike/Repeat = growth");
      run(Exit.OK);
      later(1);
      desk.trouble = (exchange, path) -> path.contains("count")
          && answer(503, "").takes(exchange, path);
      run();
      assertEquals(1, mail.received.size());
      desk.trouble = Trouble.NONE;
      later(1);
      run(Exit.OK);
      assertEquals(List.of("40 tickets at acme", "40 tickets at acme", "Over after 1 hour:"),
          mail.received.stream().map(each -> each.text().substring(0, 18)).sorted().toList());
    }

    /** 90 was refused by everybody, so 100 is news to who heard of 40. */
    @Test
    void grows_by_what_somebody_heard() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40 + 50 * Math.min(1, hour.since(NOW)));
      try (var smtp = smtp()) {
        config("spike/Repeat = growth");
        run(Exit.OK);
        later(1);
        smtp.script("RCPT TO", "550 5.1.1 no such user");
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO", "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(4, smtp.mails.size());
      }
    }

    /** An end that --hour told passes the beginning by, which lies in the outbox yet. */
    @Test
    void is_not_begun_after_its_end() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        later(1);
        run(Exit.OK, "--hour", NOW.plus(1).name());
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "a", "b"), receivers(smtp));
      }
    }

    /** Without AllClear its end is noted; where that fails, the next spike is told all the same. */
    @Test
    void whose_end_cannot_be_noted_silences_nothing() throws IOException {
      desk(hour -> hour.equals(NOW) || hour.equals(NOW.plus(2)) ? 40 : 10);
      config("spike/AllClear = no\nspike/Repeat = growth");
      run(Exit.OK);
      var id = Ledger.id(Config.read(folder.resolve("auth.ini"), World.real()));
      var inTheWay = "out/sent/" + NOW.plus(1).name() + ".clear." + id + ".json/x";
      Files.createDirectories(folder.resolve(inTheWay));
      mail.received.clear();
      later(2);
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
    }

    @Test
    void is_told_once_to_a_mailbox_in_whatever_spelling() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        config("email/Recipient = Team <A@acme.example>, b@acme.example");
        run(Exit.TRY_LATER);
        config("email/Recipient = a@acme.example, b@acme.example");
        run(Exit.TRY_LATER);
        assertEquals(1, smtp.mails.size());
      }
    }

    /** Two populations may name their histories alike, in folders of their own. */
    @Test
    void is_of_its_history_whatever_others_are_called() throws IOException {
      for (var name : List.of("a", "b")) {
        Fakes.known(folder.resolve(name), NOW.plus(-240), NOW, 10);
        config("default/SpikeDB = " + name + "/out/history.csv");
        run(Exit.OK);
      }
      assertEquals(2, mail.received.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"./out/../out/history.csv", "FOLDER/out/history.csv"})
    void is_of_its_history_however_that_is_spelled(String spelled) throws IOException {
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      config("email/Port = " + mail.port() + "\ndefault/SpikeDB = "
          + spelled.replace("FOLDER", folder.toString()));
      run(Exit.OK);
      assertEquals(List.of(SPIKE), files("sent"));
    }

    /** A file of out that somebody edited is rubbish, and no reason to stop. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"link\" : \"[^\"]*\" | \"link\" : null",
        "\"chat\" : \\[.*?] | \"chat\" : [ null ]",
        "\"rows\" : \\[.*?] | \"rows\" : [ null ]",
        "\"tries\" : \\{.*?} | \"tries\" : { \"a@acme.example\" : null }",
    })
    void goes_on_where_a_notice_was_edited(String part, String edited) throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      config("email/Port = 1\nkept = yes\nwebhook/Url = http://127.0.0.1:1/");
      run(Exit.TRY_LATER);
      var file = file("outbox", SPIKE);
      Files.writeString(file, Fakes.read(file).replaceFirst("(?s)" + part, edited));
      config("email/Port = " + mail.port() + "\nwebhook/Url = -");
      for (int i = 0; i < 2; i++) {
        assertNotEquals(Exit.BUG.code, run().code());
        later(1);
      }
      assertFalse(mail.received.isEmpty());
    }

    /** What is passed by cannot be noted: this hour's alarm goes out all the same. */
    @Test
    void goes_on_where_an_older_notice_cannot_be_written() throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      var older = file("outbox", SPIKE);
      var part = older.resolveSibling(older.getFileName() + ".part");
      Files.createDirectories(part.resolve("x"));
      config("email/Port = " + mail.port());
      later(1);
      run(Exit.HISTORY);
      assertEquals(1, mail.received.size());
    }

    /** A bad line of the history is no trouble of the ledger. */
    @Test
    void that_waits_is_sent_although_the_history_has_a_bad_line() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        config("spike/AllClear = no");
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        var history = folder.resolve("out/history.csv");
        Files.writeString(history, Fakes.read(history) + "rubbish\n");
        later(1);
        run(Exit.HISTORY);
        assertEquals(List.of("a", "b", "b"), receivers(smtp));
      }
    }
  }
}
