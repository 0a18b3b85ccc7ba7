package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import spikenotifier.Fakes.MailServer;
import spikenotifier.SpikeNotifier.*;

/** One run after the other: what is judged, told and stored. */
class JobTest extends Scenario {
  private static final String SPIKE = "2026-11-10T13.spike.json";

  @Test
  void fills_the_history_judges_the_last_hour_and_mails() throws IOException {
    var said = run(Exit.OK);
    assertEquals("hour=2026-11-10T13:00Z count=40 mean=10.0 needed=17 percent=300.0 samples=10 "
        + "verdict=spike alert=sent\n", said.out());
    assertEquals("reading 240 unknown hours from Zendesk\n", said.err());
    assertEquals(List.of(SPIKE), files("done"));
    assertEquals(List.of(), files("outbox"));
    assertEquals(1, mail.received.size());
    assertEquals(241, history().hours().size());
  }

  @Test
  void sends_nothing_twice_when_it_is_run_again() {
    run(Exit.OK);
    assertTrue(run(Exit.OK).out().endsWith("verdict=spike alert=already-sent\n"));
    assertEquals(1, mail.received.size());
  }

  /** The sign-in, the last hour, and the day before it. */
  @Test
  void asks_three_things_in_a_calm_hour() throws IOException {
    desk(hour -> 10);
    known(240, 10);
    Fakes.tagged(folder, NOW, 10, Map.of());
    var said = run(Exit.OK);
    assertEquals("hour=2026-11-10T13:00Z count=10 mean=10.0 needed=17 percent=0.0 samples=10 "
        + "verdict=calm alert=none\n", said.out());
    assertEquals(3, desk.requests(), desk.asked.toString());
  }

  /** Nor does it ask a watcher, or leave a lock. */
  @Test
  void touches_nothing_in_a_dry_run() throws IOException {
    config("monitor/PingUrl = " + desk.url() + "/ping");
    var said = run(Exit.OK, "--dry-run");
    assertTrue(said.out().startsWith("Subject: Ticket Spike Alert! 40 tickets instead of 10 "
        + "at acme (Tue 10 Nov 13:00 UTC)"), said.out());
    assertTrue(said.out().endsWith("verdict=spike alert=dry-run\n"), said.out());
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
    assertTrue(notice.path("text").asText().startsWith("40 tickets at acme, Tue 10 Nov 13:00"));
    assertEquals("dry-run", SpikeNotifier.JSON.readTree(lines.get(1)).path("alert").asText());
  }

  /** Whatever was told of it, from its own past. */
  @ParameterizedTest
  @CsvSource({"0", "60", "200"})
  void says_what_would_be_told_of_a_chosen_hour(int days) throws IOException {
    var old = NOW.plus(-24L * days);
    desk(hour -> hour.equals(old) ? 60 : 10);
    known(720, 10);
    if (days == 0) run(Exit.OK);
    var before = Fakes.read(folder.resolve("out/history.csv.told"));
    int mails = mail.received.size();
    var said = run(Exit.OK, "--dry-run", "--hour", old.name());
    assertTrue(said.out().startsWith("Subject: Ticket Spike Alert! 60 tickets "), said.out());
    assertTrue(said.out().contains("\nhour=" + old + " count=60 mean=10.0 "), said.out());
    assertEquals(mails, mail.received.size());
    assertEquals(before, Fakes.read(folder.resolve("out/history.csv.told")));
  }

  @Test
  void refuses_a_chosen_hour_that_is_not_over() {
    assertEquals("--hour 2026-11-10T14: is not over yet (expected 2026-11-10T13 or earlier)\n",
        run(Exit.USAGE, "--dry-run", "--hour", "2026-11-10T14").err());
  }

  @Test
  void says_nothing_about_a_good_run_when_it_is_to_be_quiet() {
    assertEquals(new Said(0, "", ""), run("-q"));
  }

  @Test
  void shows_each_request_when_asked() {
    var said = run(Exit.OK, "-v");
    assertTrue(said.err().contains("created%3E%3D2026-11-10T13%3A00%3A00Z+created%3C2026-11-10"
        + "T14%3A00%3A00Z: 200\n"), said.err());
    assertTrue(said.err().endsWith(" requests to Zendesk\n"), said.err());
  }

  /** The same ones in a second run, not those of its first page. */
  @Test
  void gives_json_with_the_tags_of_the_whole_hour() throws IOException {
    desk(hour -> hour.equals(NOW) ? 340 : 10);
    known(240, 10);
    var first = SpikeNotifier.JSON.readTree(run(Exit.OK, "--json").out());
    assertEquals(340, first.path("count").asLong());
    assertEquals(320, first.path("tags").path(0).path("count").asLong(), first.toString());
    var second = SpikeNotifier.JSON.readTree(run(Exit.OK, "--json").out());
    assertEquals(first.path("tags"), second.path("tags"));
  }

  @ParameterizedTest
  @CsvSource({"2, 2", "168, 168", "200, 168"})
  void judges_after_a_long_sleep_the_hours_of_the_last_week(int asleep, int judged)
      throws IOException {
    desk(hour -> 10);
    Fakes.known(folder, NOW.plus(-440), NOW.plus(1 - asleep), 10);
    var lines = run(Exit.OK).out().lines().toList();
    assertEquals(judged, lines.size());
    assertTrue(lines.get(judged - 1).startsWith("hour=2026-11-10T13:00Z "));
  }

  /** Quotes, the section "mods", an API token. */
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
        OmittedTags = ["vip", "checkout_error"]
        """.formatted(API_KEY, desk.url(), MailServer.PASSWORD, mail.port()));
    Files.writeString(folder.resolve("history.csv"), ",23,22,21,20,19,18,17,16,15,14,13,12,11,"
        + "10,9,8,7,6,5,4,3,2,1,0\n2026-11-09" + ",10.0".repeat(24) + "\n");
    run(Exit.OK);
    assertFalse(mail.received.get(0).text().contains("checkout_error"));
    assertTrue(Fakes.read(folder.resolve("history.csv")).startsWith("date,00,01,"));
  }

  /** Tokens end in April 2027, which is said from January on. */
  @ParameterizedTest
  @CsvSource({"2026-12-31, false", "2027-01-02, true"})
  void warns_of_api_tokens_in_good_time(String date, boolean isSaid) throws IOException {
    config("zendesk/ClientId = -\nzendesk/ClientSecret = -\n"
        + "zendesk/Credentials = agent@acme.example/token:" + API_KEY);
    clock = java.time.Instant.parse(date + "T14:07:00Z");
    assertEquals(isSaid, run(Exit.OK).err().contains("ends API tokens on 30 Apr 2027"));
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

  /** With nothing to compare with, each hour is said once. */
  @Test
  void of_a_young_desk_piles_up_no_hours() throws IOException {
    desk(hour -> NOW.plus(-10).isBefore(hour) ? 10 : 0);
    for (int i = 0; i < 5; i++) {
      assertTrue(run(Exit.OK).out().lines().count() <= 2);
      later(1);
    }
  }

  @Test
  void ends_with_70_and_a_trace_on_any_error() {
    var err = new StringWriter();
    var broken = new Ticker() {
      @Override
      public long nanos() {
        throw new OutOfMemoryError("made up");
      }
    };
    var world = new World(Clock.fixed(clock, ZoneOffset.UTC), broken, timeout, env,
        new StringWriter(), err, true);
    assertEquals(70, SpikeNotifier.execute(world, "-c", folder + "/auth.ini"));
    assertTrue(err.toString().startsWith("java.lang.OutOfMemoryError: made up"));
  }

  /** The tokens of 3.0 and its notices are not read, its counts and tags are. */
  @Test
  void goes_on_with_the_history_of_the_third_edition() throws IOException {
    known(240, 10);
    Files.delete(folder.resolve("out/history.csv.told"));
    Files.writeString(folder.resolve("out/history.csv.state"),
        "{\"account\":\"acme.zendesk.com\",\"query\":\"\",\"judged\":\"2026-11-10T12\"}");
    Files.createDirectories(folder.resolve("out/outbox"));
    Files.writeString(folder.resolve("out/outbox/2026-11-09T13.spike.0a1b2c3d.json"), "{}");
    assertTrue(run(Exit.OK).out().endsWith("verdict=spike alert=sent\n"));
    assertEquals(1, mail.received.size(), "an open spike is told once more, nothing older");
    assertTrue(desk.requests() <= 20, desk.asked.toString());
  }

  /** So that one long fill does not keep the next run of another account off. */
  @Test
  void leaves_other_histories_of_the_folder_alone() throws IOException {
    run(Exit.OK);
    config("default/SpikeDB = out/other.csv");
    var said = run(Exit.OK);
    assertTrue(said.out().endsWith("verdict=spike alert=sent\n"), said.out());
    assertEquals(2, mail.received.size());
    config("default/SpikeDB = out/history.csv");
    clock = clock.plus(Duration.ofHours(1));
    assertTrue(run(Exit.OK).out().endsWith("verdict=calm alert=sent\n"));
  }
}
