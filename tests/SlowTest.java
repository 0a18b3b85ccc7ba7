package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static spikenotifier.Desk.Trouble.always;
import static spikenotifier.Desk.Trouble.answer;
import static spikenotifier.Desk.Trouble.first;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.subethamail.smtp.RejectException;
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

  /** By its length, whatever it is made of. */
  @ParameterizedTest
  @ValueSource(strings = {"{\"count\":1,\"results\":[", "{\"count\":1,\"error\":\""})
  void bounds_an_answer_without_end(String start) throws IOException {
    known(240, 10);
    desk.trouble = first(1, "search", Trouble.endless(start, "{\"id\":1},".substring(
        start.endsWith("[") ? 0 : 6).replace("}", "").replace(",", " ")));
    run(Exit.OK);
    assertEquals(40, history().at(NOW), "the next try was read");
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
    for (int i = 0; i < 60; i++) {
      Fakes.known(folder, NOW.plus(-240), NOW, 10);
      var body = broken(good, chance);
      desk.trouble = always(path, answer(200, body));
      var said = run();
      assertTrue(Set.of(0, 69, 75, 77).contains(said.code()), body + "\n" + said.err());
      assertFalse(said.err().contains("\tat "), body + "\n" + said.err());
      assertFalse(said.err().contains("java."), body + "\n" + said.err());
    }
  }

  /** More than a million in an hour must not keep the notice for long. */
  @Test
  void are_read_up_to_fifty_thousand() throws IOException {
    desk(hour -> hour.equals(NOW) ? 1_200_000 : 10);
    config("zendesk/RequestsPerMinute = 100");
    known(240, 10);
    run(Exit.OK);
    assertTrue(told().contains("Of its tickets 50100 were read: "), told());
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
      var answers = notice("done", last.name() + ".spike.json").path("answers");
      assertEquals(3, answers.findValuesAsText("outcome").stream().filter("YES"::equals).count(),
          answers.toString());
      // A kill between a server's yes and the note of it repeats that one, with the same id.
      var ids = new HashSet<String>();
      for (var each : smtp.mails) {
        ids.add(each.replaceAll("(?s).*Message-ID: (\\S+).*", "$1"));
      }
      assertEquals(1, ids.size(), ids.toString());
      assertTrue(smtp.mails.size() <= 4, smtp.mails.size() + " mails");
    }
  }

  /**
   * A run writes the notice, what was told, an answer after the other, then moves the notice. The
   * folder as it is at each of these moments is what a kill leaves: the next run tells everybody,
   * and nobody twice but who was being told.
   */
  @Test
  void goes_on_from_every_state_that_a_kill_can_leave() throws IOException {
    known(240, 10);
    Fakes.tagged(folder, NOW, 10, Map.of());
    var states = new ArrayList<Map<Path, byte[]>>();
    var heard = new ArrayList<Set<String>>(); // before each of them
    states.add(snapshot());
    heard.add(Set.of());
    try (var hook = new Hook()) {
      config("webhook/Url = " + hook.url() + "\nemail/Recipient = a@acme.example, "
          + "b@acme.example");
      var told = new TreeSet<String>();
      hook.statusOf = body -> {
        states.add(snapshot());
        heard.add(Set.copyOf(told));
        told.add("chat");
        return 200;
      };
      mail.mood = (stage, what) -> {
        if (stage.equals("recipient")) told.add(what);
        states.add(snapshot());
        heard.add(Set.of("chat"));
      };
      run(Exit.OK);
      states.add(snapshot());
      heard.add(Set.of("chat", "a@acme.example", "b@acme.example"));
      hook.statusOf = body -> 200;
      mail.mood = (stage, what) -> { };
      assertTrue(states.size() >= 5, states.size() + " states");

      var toldFile = folder.resolve("out/history.csv.told");
      for (int i = 0; i < states.size(); i++) {
        for (boolean isToldOld : new boolean[] {false, true}) { // the notice first, then told
          restore(states.get(i));
          if (isToldOld) Files.write(toldFile, states.get(0).get(toldFile));
          mail.received.clear();
          hook.bodies.clear();
          run(Exit.OK);
          run(Exit.OK);
          var missing = new TreeSet<>(Set.of("chat", "a@acme.example", "b@acme.example"));
          missing.removeAll(heard.get(i));
          var now = new ArrayList<String>();
          for (var each : mail.received) now.add(each.recipient());
          for (int k = 0; k < hook.bodies.size(); k++) now.add("chat");
          now.sort(null);
          boolean isDone = i == states.size() - 1 && isToldOld; // what is done is not looked at
          if (!isDone) assertEquals(List.copyOf(missing), now, "state " + i);
        }
      }
    }
  }

  private Map<Path, byte[]> snapshot() {
    var files = new HashMap<Path, byte[]>();
    try (var all = Files.walk(folder.resolve("out"))) {
      for (var file : all.filter(Files::isRegularFile).toList()) {
        files.put(file, Files.readAllBytes(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return files;
  }

  private void restore(Map<Path, byte[]> files) throws IOException {
    for (var file : snapshot().keySet()) Files.delete(file);
    for (var each : files.entrySet()) Files.write(each.getKey(), each.getValue());
  }

  /**
   * A quarter of hourly runs: Zendesk's index lags, tickets come late, runs are missed, receivers
   * are down, days off. Told as the rule says, each once, and nobody is forgotten.
   */
  @Test
  void tells_a_quarter_of_troubles_once() throws IOException {
    var chance = new Random(23);
    var counts = new TreeMap<Hour, Long>();
    var first = NOW.plus(1);
    int hours = 24 * 90;
    for (int i = -700; i < hours + 30; i++) {
      counts.put(first.plus(i), 9 + (long) chance.nextInt(3));
    }
    var spikes = new TreeSet<Hour>();
    for (int i = 0; i < 60; i++) {
      var hour = first.plus(30 + 35L * i + chance.nextInt(20));
      for (int k = 0; k <= chance.nextInt(3); k++) {
        spikes.add(hour.plus(k));
        counts.put(hour.plus(k), 50L + chance.nextInt(20));
      }
    }
    var lag = new AtomicLong(); // hours of which the index shows nothing yet
    desk(hour -> hour.since(Hour.of(clock)) >= -lag.get() ? 0 : counts.getOrDefault(hour, 10L));
    config("spike/Repeat = first\nmisc/NumHours = 480");
    Fakes.known(folder, first.plus(-480), first, 10);
    Fakes.tagged(folder, first, 10, Map.of());
    clock = first.to().plusSeconds(420);
    for (int i = 0; i < hours + 12; i++, later(1)) {
      boolean isWell = i >= hours;
      lag.set(!isWell && chance.nextInt(40) == 0 ? 1 + chance.nextInt(2) : 0);
      boolean isMissed = !isWell && chance.nextInt(25) == 0;
      if (isMissed) continue;
      int mood = isWell ? 0 : chance.nextInt(30);
      mail.mood = (stage, what) -> {
        if (mood == 1 && stage.equals("recipient")) throw new RejectException(450, "later");
      };
      desk.trouble = mood == 2 ? always("search", answer(503, "")) : Trouble.NONE;
      var said = run("-q");
      assertTrue(Set.of(0, 69, 75).contains(said.code()), said.err());
    }
    var told = new HashMap<String, Integer>();
    var threads = new TreeSet<String>();
    for (var each : mail.received) {
      told.merge(each.header("Message-ID"), 1, Integer::sum);
      threads.add(each.header("References").replaceAll("(?s)<(.{13}).*", "$1"));
    }
    told.forEach((id, times) -> assertEquals(1, times, id));
    for (var hour : spikes) {
      if (spikes.contains(hour.plus(-1))) continue;
      boolean isTold = false;
      for (int k = 0; k < 3; k++) isTold |= threads.contains(hour.plus(k).name());
      assertTrue(isTold, hour + " was never told");
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
