package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
            "subject" : "Ticket Spike Alert! acme, Tue 10 Nov 13:00 UTC: 40 tickets instead of 10, \
          checkout_error"
          }""", json.path("topic").toPrettyString());
      var fields = new ArrayList<String>();
      json.fieldNames().forEachRemaining(fields::add);
      assertEquals(List.of("topic", "facts", "words", "accepted", "refused"), fields);
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
        assertEquals(List.of("a", "b", "c"), receivers(smtp).subList(0, 3));
        assertEquals(List.of(), files("outbox"));
      }
    }

    @Test
    void gives_up_after_a_week() throws IOException {
      config("email/Port = 1\nkept = yes");
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
    void skips_and_names_what_is_no_notice() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox"));
      var odd = folder.resolve("out/outbox/2026-11-10T12-spike.eml");
      Files.writeString(odd, "From: x");
      Files.writeString(folder.resolve("out/outbox/2026-11-10T12.spike.json"), "{\"a\":1}");
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains(odd + ": is no notice of this edition (look at it, then "
          + "delete it)"), outcome.err());
      assertEquals(1, mail.received.size());
    }

    /** What people leave there must neither stop a run nor go out again and again. */
    @Test
    void is_proof_against_odd_files() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox/dir.json"));
      Files.write(folder.resolve("out/outbox/u.json"), new byte[] {(byte) 0xff, (byte) 0xfe});
      Files.createDirectories(folder.resolve("out/sent"));
      Files.writeString(folder.resolve("out/sent/2026-11-31T10.spike.json"), "{}");
      run(Exit.OK);
      Files.copy(folder.resolve("out/sent/" + SPIKE), folder.resolve("out/outbox/again.json"));
      var other = Fakes.read(folder.resolve("out/sent/" + SPIKE)).replace("acme.zendesk.com", "x");
      Files.writeString(folder.resolve("out/outbox/2026-11-10T09.spike.json"),
          other.replace("2026-11-10T13", "2026-11-10T09"));
      var outcome = run(Exit.OK);
      assertTrue(outcome.err().contains("again.json: is not sent under this name (rename it to "
          + SPIKE), outcome.err());
      assertTrue(outcome.err().contains("tells of another account or Query"), outcome.err());
      assertEquals(1, mail.received.size());
      Files.delete(folder.resolve("out/outbox/u.json"));
    }

    @Test
    void must_be_able_to_note_what_is_sent_before_anything_goes_out() throws IOException {
      Files.createDirectories(folder.resolve("out"));
      Files.writeString(folder.resolve("out/sent"), "in the way");
      var outcome = run(Exit.HISTORY);
      assertEquals(folder.resolve("out/sent") + ": is a file (expected a folder)\n", outcome.err());
      assertEquals(0, mail.received.size());
    }

    @Test
    void serves_one_account_alone() throws IOException {
      run(Exit.OK);
      config("zendesk/Domain = beta\ndefault/SpikeDB = out/beta.csv");
      var outcome = run(Exit.CONFIG);
      assertTrue(outcome.err().contains(folder.resolve("out") + ": holds a notice of that hour "
          + "counted at acme.zendesk.com without Query (expected a folder of its own"),
          outcome.err());
    }

    @Test
    void forgets_after_half_a_year() throws IOException {
      run(Exit.OK);
      var old = folder.resolve("out/sent/2026-05-01T00.spike.json");
      Files.copy(folder.resolve("out/sent/" + SPIKE), old);
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

    @Test
    void ends_with_no_all_clear_for_who_never_got_the_alarm() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "550 no")) {
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        later(1);
        run(Exit.OK);
        assertEquals(List.of("a", "b", "a"), receivers(smtp));
      }
    }

    /** Nobody may hear that it is over before hearing that it began. */
    @Test
    void is_told_in_order_to_who_was_deferred() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        run(Exit.TRY_LATER);
        later(1);
        run(Exit.TRY_LATER);
        assertEquals(2, files("outbox").size());
        smtp.script("RCPT TO:<b@", "250 ok");
        smtp.said.clear();
        later(1);
        run(Exit.OK);
        assertEquals(List.of("b", "b"), receivers(smtp));
        assertTrue(smtp.mails.get(smtp.mails.size() - 1).contains("Subject: Re: "));
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
      assertEquals(List.of("13-spike", "14-clear", "14-spike", "15-clear"), told);
      var root = mail.received.get(0).header("References");
      assertTrue(mail.received.get(2).header("References").startsWith(root));
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
      assertTrue(mail.received.get(0).text().startsWith("Over at 14:00 UTC after 1 hour."),
          mail.received.get(0).text());
    }

    @Test
    void of_three_weeks_keeps_its_root() throws IOException {
      run(Exit.OK);
      var file = folder.resolve("out/sent/" + SPIKE);
      var old = Fakes.read(file).replace("2026-11-10T13", "2026-10-20T13");
      Files.delete(file);
      Files.writeString(folder.resolve("out/sent/2026-10-20T13.spike.json"), old);
      mail.received.clear();
      run(Exit.OK);
      assertTrue(mail.received.get(0).header("References").startsWith("<2026-10-20T13-episode@"),
          mail.received.get(0).header("References"));
    }
  }
}
