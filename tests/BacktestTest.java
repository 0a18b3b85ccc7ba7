package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** backtest: how often would it have told. */
class BacktestTest {
  @Nested
  class A_backtest extends Unit {
    private void history(int days, ToLongFunction<Hour> count) {
      var history = new History(folder.resolve("out/history.csv"));
      Hour.range(JUDGED.plus(-24L * days), JUDGED).forEach(hour ->
          history.raise(hour, count.applyAsLong(hour)));
      history.save();
      write("auth.ini", WEEKLY);
    }

    private void history(int days) {
      history(days, hour -> hour.number() % 500 == 0 ? 90 : 10);
    }

    @Test
    void is_a_table_of_settings_with_the_own_ones_marked() {
      history(200);
      assertEquals(0, run("backtest", "-c", folder + "/auth.ini"));
      var lines = out.toString().lines().toList();
      assertEquals("In 30 days, by the hours from 2026-08-07T13 to 2026-11-24T12:", lines.get(0));
      assertEquals("rule    SpikeThreshold  Deviations  spikes  hours  notices", lines.get(1));
      assertEquals(16, lines.subList(2, lines.indexOf("")).size());
      assertTrue(lines.contains(
          "weekly             0.5         3.0     1.4    1.4      2.8  yours"), out.toString());
      assertEquals("Tickets stopped 0 times.", lines.get(lines.size() - 1));
    }

    /** Two hours in 500 hold 20 where 10 are usual, which rule weekly takes for chance. */
    @Test
    void shows_what_stays_under_a_ceiling_and_the_own() {
      history(200, hour -> hour.number() % 250 == 0 ? 20 : 10);
      write("auth.ini", "[misc]\nSpikeThreshold = 0.5\n");
      assertEquals(0, run("backtest", "--per-month", "1", "-c", folder + "/auth.ini"));
      var lines = out.toString().lines().toList();
      var rows = new ArrayList<>(lines.subList(2, lines.indexOf("")));
      assertTrue(rows.remove(0).endsWith("  yours"), out.toString());
      assertFalse(rows.isEmpty());
      for (var row : rows) {
        assertTrue(row.matches("(mean|weekly) .* 0\\.0 +0\\.0 +0\\.0"), row);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"many", ""})
    void refuses_a_ceiling_that_is_none(String ceiling) {
      history(30);
      assertEquals(64, run("backtest", "--per-month", ceiling, "-c", folder + "/auth.ini"));
    }

    @Test
    void tells_when_tickets_stopped() {
      history(60, hour -> {
        long ago = JUDGED.since(hour);
        return ago > 40 && ago <= 48 || ago <= 3 ? 0 : 10;
      });
      assertEquals(0, run("backtest", "-c", folder + "/auth.ini"));
      assertTrue(out.toString().endsWith("\nTickets stopped 2 times.\n2026-11-22T14\n"
          + "2026-11-24T11\n"), out.toString());
    }

    @Test
    void of_nothing_is_74() {
      write("auth.ini", WEEKLY);
      assertEquals(74, run("backtest", "-c", folder + "/auth.ini"));
      assertEquals(folder.resolve("out/history.csv") + ": holds no hour that could be judged "
          + "(expected a history of some weeks; the first run fills it)\n", err.toString());
    }

    @Test
    void gives_each_hour_as_json_with_what_would_be_told() {
      history(120);
      assertEquals(0, run("backtest", "--json", "-c", folder + "/auth.ini"));
      var lines = out.toString().lines().toList();
      var last = lines.get(lines.size() - 1);
      assertTrue(last.startsWith("{\"hour\":\"2026-11-24T12:00:00Z\",\"count\":10,\"mean\":10.0,"
          + "\"needed\":24,\"percent\":0.0,\"samples\":13,\"verdict\":\"calm\",\"z\":0.0,"
          + "\"together\":0.0,\"spread\":3.28"), last);
      assertTrue(last.endsWith(",\"told\":[]}"), last);
      assertTrue(out.toString().contains("\"told\":[\"spike\"]}\n"));
    }
  }

  /** Ten days of every shape that an episode has: the job sends what the backtest says. */
  @Nested
  class Its_notices extends Deliveries {
    @Override
    void nothing_to_fill() { }

    @ParameterizedTest
    @CsvSource({"growth, yes, mean", "every, yes, weekly", "first, no, mean"})
    void are_those_of_the_job_hour_by_hour(String repeat, String allClear, String rule)
        throws IOException {
      var first = Hour.parse("2026-11-09T00");
      var chance = new Random(42);
      var counts = new TreeMap<Hour, Long>();
      Hour.range(first.plus(-1000), NOW.plus(60)).forEach(hour -> {
        long surge = chance.nextInt(4) == 0 ? 20 + chance.nextInt(60) : 0;
        boolean isStop = hour.since(first) > 50 && hour.since(first) < 56;
        boolean isBefore = hour.isBefore(first);
        counts.put(hour, isStop ? 0 : 8L + chance.nextInt(5) + (isBefore ? 0 : surge));
      });
      desk(counts::get);
      config("spike/Repeat = " + repeat + "\nspike/AllClear = " + allClear + "\nspike/Rule = "
          + rule + "\nspike/Stops = yes\nspike/TagSurges = yes\nmisc/NumHours = 990");
      var history = new History(folder.resolve("out/history.csv"));
      counts.headMap(first).forEach(history::raise);
      history.save();
      Fakes.tagged(folder, first, 10, Map.of("billing", 2L));
      clock = first.to().plusSeconds(420);
      var sent = new ArrayList<String>();
      var end = NOW.plus(60);
      for (var hour = first; hour.isBefore(end); hour = hour.plus(1)) {
        int before = mail.received.size();
        run(Exit.OK, "-q");
        var kinds = new ArrayList<String>();
        for (var each : mail.received.subList(before, mail.received.size())) {
          kinds.add(each.header("Message-ID").replaceAll("<(.*)@.*", "$1"));
        }
        kinds.sort(null);
        if (!kinds.isEmpty()) sent.add(hour.name() + " " + kinds);
        later(1);
      }
      var config = Config.read(folder.resolve("auth.ini"), World.real());
      var tags = new TagHistory(config.historyFile);
      var told = new Backtest(config, history(), tags, first).told(new Rule(config));
      var expected = new ArrayList<String>();
      told.forEach((hour, due) -> {
        var kinds = new ArrayList<String>();
        for (var each : due) kinds.add(each.topic().name().replace('.', '-'));
        kinds.sort(null);
        expected.add(hour.name() + " " + kinds);
      });
      assertEquals(expected, sent);
      assertTrue(sent.size() > 10, sent.toString());
    }
  }
}
