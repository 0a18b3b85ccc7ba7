package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** Notices as files: what waits, and what was sent. */
class OutboxTest extends Deliveries {
  @Nested
  class A_notice {
    /** Without receivers: the config of the moment of sending names them. */
    @Test
    void is_stored_as_text_before_it_is_sent() throws IOException {
      known(720, 10);
      Fakes.tagged(folder, NOW, 10, Map.of());
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      var json = notice("outbox", SPIKE);
      assertEquals("""
          {
            "kind" : "spike",
            "hour" : "2026-11-10T13",
            "begin" : "2026-11-10T13",
            "count" : 40,
            "over" : null,
            "tags" : [ "checkout_error", "vip" ]
          }""", json.path("topic").toPrettyString());
      var fields = new ArrayList<String>();
      json.fieldNames().forEachRemaining(fields::add);
      assertEquals(List.of("topic", "account", "query", "subject", "facts", "document", "answers"),
          fields);
      assertEquals("Ticket Spike Alert! 40 tickets instead of 10 at acme: checkout_error (Tue 10 "
          + "Nov 13:00 UTC)", json.path("subject").asText());
      assertEquals("{}", json.path("answers").toString());
    }

    @Test
    void that_waits_goes_to_the_recipients_of_now() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 no")) {
        run(Exit.TRY_LATER);
        config("email/Recipient = a@acme.example, c@acme.example\nspike/AllClear = no");
        smtp.said.clear();
        later(1);
        run(Exit.OK);
        assertEquals(List.of("c"), receivers(smtp));
        assertEquals(List.of(), files("outbox"));
      }
    }

    @Test
    void that_waits_is_sent_though_nothing_can_be_counted() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 no")) {
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        desk.trouble = Desk.Trouble.always("", Desk.Trouble.answer(503, ""));
        later(1);
        run(Exit.ZENDESK);
        assertEquals(List.of(SPIKE), files("done"));
      }
    }

    /** A bad line of the history is no trouble of the outbox. */
    @Test
    void that_waits_is_sent_though_the_history_has_a_bad_line() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 later")) {
        config("spike/AllClear = no");
        run(Exit.TRY_LATER);
        smtp.script("RCPT TO:<b@", "250 ok");
        var history = folder.resolve("out/history.csv");
        Files.writeString(history, Fakes.read(history) + "rubbish\n");
        later(1);
        run(Exit.HISTORY);
        assertEquals(List.of(SPIKE), files("done"));
      }
    }

    /** A week old is news; and what somebody has heard is given up for the others alone. */
    @Test
    void is_given_up_after_a_week() throws IOException {
      try (var smtp = smtp("RCPT TO:<b@", "450 not now")) {
        config("spike/AllClear = no");
        run(Exit.TRY_LATER);
        later(168);
        Fakes.known(folder, NOW.plus(1), NOW.plus(168), 10);
        run(Exit.TRY_LATER);
        assertEquals(List.of(SPIKE), files("outbox"), smtp.said.toString());
        later(1);
        var said = run(Exit.TRY_LATER);
        assertTrue(said.err().contains(SPIKE + " is older than a week and given up for "
            + "[b@acme.example]\n"), said.err());
        assertEquals(List.of(SPIKE), files("done"));
        later(1);
        assertEquals("", run(Exit.OK).err());
      }
    }

    @ParameterizedTest
    @CsvSource({"180, true", "181, false"})
    void is_kept_for_180_days(int days, boolean isKept) throws IOException {
      run(Exit.OK);
      var old = NOW.plus(-24L * days + 1).name() + ".spike.json";
      Files.copy(file("done", SPIKE), file("done", old));
      run(Exit.OK);
      assertEquals(isKept, files("done").contains(old));
      assertTrue(files("done").contains(SPIKE));
    }
  }

  @Nested
  class A_file {
    /** As after a power cut, or somebody's hand: told once, kept, and in nobody's way. */
    @ParameterizedTest
    @ValueSource(strings = {"", "\0\0\0\0", "{", "{}", "null", "[]", "{\"topic\":null}"})
    void that_makes_no_sense_is_laid_aside(String text) throws IOException {
      var name = "2026-11-10T12.spike.json";
      Files.createDirectories(file("outbox", name).getParent());
      Files.writeString(file("outbox", name), text);
      var said = run(Exit.HISTORY);
      assertEquals(file("outbox", name) + ": makes no sense (moved to " + name + ".broken)\n",
          said.err());
      assertEquals(1, mail.received.size());
      assertEquals(List.of(name + ".broken"), files("outbox"));
      assertEquals(text, Fakes.read(file("outbox", name + ".broken")));
      assertEquals("", run(Exit.OK).err());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"link\" : \"[^\"]*\" | \"link\" : null",
        "\"lines\" : \\[.*?] | \"lines\" : [ null ]",
        "\"rows\" : \\[ \\[ | \"rows\" : [ null, [",
        "\"answers\" : \\{.*} | \"answers\" : { \"a@acme.example\" : null } }",
    })
    void that_was_edited_is_no_bug(String part, String edited) throws IOException {
      desk(hour -> hour.isBefore(NOW) ? 10 : 40);
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      var file = file("outbox", SPIKE);
      Files.writeString(file, Fakes.read(file).replaceFirst("(?s)" + part, edited));
      config("email/Port = " + mail.port());
      for (int i = 0; i < 2; i++) {
        assertNotEquals(Exit.BUG.code, run().code());
        later(1);
      }
      assertFalse(mail.received.isEmpty());
    }

    @Test
    void of_another_name_is_nobodys() throws IOException {
      Files.createDirectories(file("outbox", "folder.json"));
      Files.writeString(file("outbox", "other.json"), "{");
      Files.writeString(file("outbox", SPIKE + ".part"), "{");
      run(Exit.OK);
      assertTrue(files("outbox").contains("other.json"));
      assertEquals(1, mail.received.size());
    }

    /** As after a run by root: then it is mended, not lost. A loop of links is as unreadable. */
    @Test
    void that_cannot_be_read_is_kept_and_sent_once_that_is_mended() throws IOException {
      config("email/Port = 1\nkept = yes\nspike/AllClear = no");
      run(Exit.TRY_LATER);
      var file = file("outbox", SPIKE);
      var whole = Fakes.read(file);
      Files.delete(file);
      Files.createSymbolicLink(file, file);
      later(1);
      var said = run(Exit.HISTORY);
      assertTrue(said.err().contains(file + ": cannot be read: "), said.err());

      Files.delete(file);
      Files.writeString(file, whole);
      config("email/Port = " + mail.port());
      later(1);
      run(Exit.OK);
      assertEquals(List.of(SPIKE), files("done"));
    }

    /** The last hour's alarm goes out from memory; what came before and after it does not. */
    @ParameterizedTest
    @ValueSource(strings = {"outbox", "done"})
    void in_the_place_of_a_folder_silences_no_alarm(String place) throws IOException {
      desk(hour -> hour.since(NOW) >= -3 && hour.since(NOW) < 1 ? 40 : 10);
      known(240, 10);
      var inTheWay = folder.resolve("out/history.csv." + place);
      Files.writeString(inTheWay, "in the way");
      var said = run(Exit.HISTORY);
      assertTrue(said.err().contains(inTheWay.toString()), said.err());
      assertEquals(1, mail.received.size(), "of the last hour alone");
      later(1);
      said = run(Exit.HISTORY);
      assertTrue(said.err().lines().count() <= 3, said.err());
    }
  }

  @Nested
  class A_SpikeDB {
    /** Two accounts, or Queries, in one folder, whose hours bear the same names. */
    @ParameterizedTest
    @ValueSource(strings = {"zendesk/Domain = beta", "zendesk/Query = brand:shop"})
    void does_not_see_the_notices_of_another(String other) throws IOException {
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      config(other + "\ndefault/SpikeDB = out/other.csv\nemail/Port = " + mail.port());
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      assertEquals(List.of(SPIKE), files("outbox"));
      assertTrue(Files.exists(folder.resolve("out/other.csv.done/" + SPIKE)));
    }

    /** What waited counts other tickets. */
    @Test
    void sends_nothing_that_waited_before_its_query_was_changed() throws IOException {
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      Files.delete(folder.resolve("out/history.csv.told"));
      config("zendesk/Query = brand:shop\nemail/Port = " + mail.port());
      later(1);
      run(Exit.OK);
      assertEquals(0, mail.received.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"./out/../out/history.csv", "FOLDER/out/history.csv"})
    void is_the_same_however_it_is_spelled(String spelled) throws IOException {
      config("email/Port = 1\nkept = yes");
      run(Exit.TRY_LATER);
      config("email/Port = " + mail.port() + "\ndefault/SpikeDB = "
          + spelled.replace("FOLDER", folder.toString()));
      run(Exit.OK);
      assertEquals(List.of(SPIKE), files("done"));
    }
  }
}
