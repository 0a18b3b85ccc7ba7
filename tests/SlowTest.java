package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.Desk.Trouble;
import spikenotifier.SpikeNotifier.*;

/** What takes a JVM of its own, or hundreds of runs. */
class SlowTest extends Deliveries {
  /** Each test makes the history that it wants. */
  @Override
  void nothing_to_fill() { }

  /** In a JVM of its own, whose heap would not hold them. */
  @Test
  void fits_into_64_megabytes_by_the_hundred_thousand()
      throws IOException, InterruptedException {
    desk(hour -> 100);
    config("misc/NumHours = 3000");
    desk.date = Instant::now;
    var process = Fakes.child(folder, "-Xmx64m");
    assertTrue(process.waitFor(3, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
    assertTrue(stored() >= 300_000);
  }

  /** An export that loses its last page must not leave zeros. */
  @Test
  void takes_no_hour_for_empty_that_an_export_left_out() throws IOException {
    desk(hour -> 25);
    config("misc/NumHours = 4380");
    desk.trouble = (exchange, path) -> {
      boolean isLater = path.contains("export")
          && exchange.getRequestURI().getQuery().contains("page[after]=2000");
      return isLater && answer(200, "{\"results\":[],\"meta\":{\"has_more\":false},"
          + "\"links\":{\"next\":null}}").takes(exchange, path);
    };
    run(Exit.OK);
    assertEquals(Set.of(25L),
        history().hours().stream().map(history()::at).collect(Collectors.toSet()));
    assertEquals(4381, history().hours().size());
  }

  /** Each would fill the memory before it ended. */
  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "{\"count\":1,\"results\":[ | {}, ",
      "{\"count\":1,\"results\":[ | {\"id\":1,\"tags\":[\"a\"]}, ",
      "{\"count\":1,\"results\":[{\"id\":1,\"tags\":[ | \"a\", ",
      "{\"count\":1,\"x\":[ | {\"y\":\"z\"}, ",
      "{\"count\":1,\"error\":[ | {\"y\":\"z\"}, ",
      "{\"count\":1,\"error\":\" | zzzzzzzzzz",
      "{\"count\":1,\"x\": | [",
  })
  void bounds_an_answer_without_end(String start, String rest)
      throws IOException, InterruptedException {
    desk.trouble = first(1, "search", Trouble.endless(start, rest.strip()));
    config("misc/NumHours = 72");
    desk.date = Instant::now;
    var process = Fakes.child(folder, "-Xmx128m");
    assertTrue(process.waitFor(4, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
    assertTrue(history().hours().size() > 70, "the next try was read");
  }

  /** Each body with one thing broken at random: never a trace, never a wrong count. */
  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "search/count | {\"count\":40,\"error\":null}",
      "search.json | {\"count\":1,\"next_page\":null,\"results\":[{\"id\":1,\"tags\":[\"a\"],"
          + "\"created_at\":\"2026-11-10T13:01:00Z\",\"subject\":\"s\",\"requester_id\":1}]}",
      "oauth | {\"access_token\":\"made-up-token\",\"expires_in\":1800}",
  })
  void survives_hundreds_of_broken_bodies(String path, String good) throws IOException {
    var chance = new Random(7);
    for (int i = 0; i < 150; i++) {
      Fakes.known(folder, NOW.plus(-240), NOW, 10);
      var body = broken(good, chance);
      desk.trouble = always(path, answer(200, body));
      var outcome = run();
      assertTrue(Set.of(0, 69, 75, 77).contains(outcome.code()), body + "\n" + outcome.err());
      assertFalse(outcome.err().contains("\tat "), body + "\n" + outcome.err());
      assertFalse(outcome.err().contains("java."), body + "\n" + outcome.err());
    }
  }

  /** More than a million in an hour must not keep the notice for long. */
  @Test
  void are_read_up_to_fifty_thousand() throws IOException {
    desk(hour -> hour.equals(NOW) ? 1_200_000 : 10);
    config("zendesk/RequestsPerMinute = 100");
    known(240, 10);
    run(Exit.OK);
    assertTrue(told().contains("Ranked from 50100 of its tickets (more are not read)."), told());
    assertTrue(time.nanos() < TimeUnit.MINUTES.toNanos(1), "waited too long");
  }

  @Test
  void fit_into_64_megabytes() throws IOException, InterruptedException {
    desk(hour -> hour.equals(Hour.lastFull(Instant.now())) ? 200_000 : 10);
    var last = Hour.lastFull(Instant.now());
    Fakes.known(folder, last.plus(-240), last, 10);
    config("email/Security = starttls");
    desk.date = Instant::now;
    var process = Fakes.child(folder, "-Xmx64m");
    assertTrue(process.waitFor(3, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
    assertEquals(1, mail.received.size());
  }

  /** kill -9 at many moments of the first fill: what is stored is true, and the end is whole. */
  @Test
  void anywhere_it_loses_no_alert_and_no_count() throws IOException, InterruptedException {
    var last = Hour.lastFull(Instant.now().truncatedTo(ChronoUnit.SECONDS));
    desk(hour -> hour.equals(last) ? 40 : 10);
    config("misc/NumHours = 240");
    for (int kills = 0; kills < 6; kills++) {
      desk.date = Instant::now;
      var process = Fakes.child(folder);
      if (!process.waitFor(500 + 250L * kills, TimeUnit.MILLISECONDS)) {
        process.destroyForcibly().waitFor();
      }
      var file = folder.resolve("out/history.csv");
      if (!Files.exists(file)) continue;
      for (var hour : history().hours()) {
        boolean isRight = history().at(hour) == 10 || history().at(hour) == 40;
        assertTrue(isRight, hour + " " + history().at(hour));
      }
    }
    desk.date = Instant::now;
    var process = Fakes.child(folder);
    assertTrue(process.waitFor(2, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
    assertTrue(history().hours().size() >= 240);
    var ids = new HashSet<String>();
    for (var each : mail.received) ids.add(each.header("Message-ID"));
    assertTrue(mail.received.size() >= 1 && ids.size() <= 2, "told once an hour");
  }

  /** kill -9 at many moments of a delivery to two recipients and a webhook. */
  @Test
  void loses_none_and_sends_none_twice_whenever_a_run_is_killed()
      throws IOException, InterruptedException {
    var last = Hour.lastFull(Instant.now());
    desk(hour -> hour.equals(last) ? 40 : 10);
    Fakes.known(folder, last.plus(-240), last, 10);
    try (var hook = new Hook(); var smtp = smtp()) {
      config("webhook/Url = " + hook.url());
      smtp.script("RCPT TO:<b@", "DELAY:300:450 later", ".", "DELAY:300:250 ok");
      hook.delay = 300;
      for (int i = 0; i < 8; i++) {
        desk.date = Instant::now;
        var process = Fakes.child(folder);
        if (!process.waitFor(900 + 200L * i, TimeUnit.MILLISECONDS)) {
          process.destroyForcibly().waitFor();
        }
      }
      smtp.script("RCPT TO:<b@", "250 ok", ".", "250 ok");
      hook.delay = 0;
      desk.date = Instant::now;
      var process = Fakes.child(folder);
      assertTrue(process.waitFor(1, TimeUnit.MINUTES));
      assertEquals(0, process.exitValue(), Fakes.read(folder.resolve("child")));
      var accepted = notice("sent", last.name() + ".spike.json").path("accepted");
      assertEquals(3, accepted.size(), accepted.toString());
      // A kill between a server's yes and the note of it repeats that one, with the same id.
      var ids = new java.util.HashSet<String>();
      for (var each : smtp.mails) {
        ids.add(each.replaceAll("(?s).*Message-ID: (\\S+).*", "$1"));
      }
      assertEquals(1, ids.size(), ids.toString());
      assertTrue(smtp.mails.size() <= 4, smtp.mails.size() + " mails");
    }
  }

  private String broken(String good, Random chance) {
    int at = chance.nextInt(good.length());
    return switch (chance.nextInt(4)) {
      case 0 -> good.substring(0, at);
      case 1 -> good.substring(0, at) + good.substring(at + 1);
      case 2 -> good.substring(0, at) + "{[\"0,null".charAt(chance.nextInt(9))
          + good.substring(at);
      default -> good.replaceFirst(":(\"[^\"]*\"|\\d+|null)",
          List.of(":null", ":[]", ":{}", ":\"x\"", ":1.5", ":-1").get(chance.nextInt(6)));
    };
  }

  private String told() {
    return mail.received.get(0).text().replace('\n', ' ');
  }

  private long stored() {
    return history().hours().stream().mapToLong(history()::at).sum();
  }
}
