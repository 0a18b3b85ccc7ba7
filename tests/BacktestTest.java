package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** backtest: how often would it have told. */
class BacktestTest extends Unit {
  @Nested
  class Backtests {
    private void history(int days) {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      Hour.range(JUDGED.plus(-24L * days), JUDGED).forEach(hour ->
          history.put(hour, hour.number() % 500 == 0 ? 90 : 10));
      history.save();
      write("auth.ini", WEEKLY);
    }

    @Test
    void begin_with_what_the_own_settings_give() {
      history(200);
      assertEquals(0, run("backtest", "-c", folder + "/auth.ini"));
      var lines = out.toString().lines().toList();
      assertEquals("2616 hours judged, 2026-08-07T13 to 2026-11-24T12: your settings give 1.4 "
          + "spikes, 1.4 spike hours, 2.8 mails in 30 days.", lines.get(0));
      assertEquals("Hours with fewer than 13 weeks before them are left out.", lines.get(1));
      assertEquals("rule    SpikeThreshold  Deviations  spikes   hours   mails   in 30 days",
          lines.get(3));
      long own = lines.stream().filter(line -> line.endsWith("   yours")).count();
      assertEquals(1, own);
      assertTrue(lines.indexOf("The largest by your settings:") - 4 <= 12 + 3);
      assertFalse(out.toString().contains("For at most"), "nothing was asked for");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "5 | For at most 5.0 spikes in 30 days: your settings stay under that.",
        "0.5 | For at most 0.5 spikes in 30 days: none of the settings tried stays under that.",
    })
    void suggest_what_finds_most_under_a_ceiling(String ceiling, String line) {
      history(200);
      assertEquals(0, run("backtest", "--per-month", ceiling, "-c", folder + "/auth.ini"));
      assertTrue(out.toString().contains("\n" + line + "\n"), out.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "-5", "0", "many"})
    void refuse_a_wish_that_is_none(String ceiling) {
      history(30);
      assertEquals(64, run("backtest", "--per-month", ceiling, "-c", folder + "/auth.ini"));
    }

    /** Two hours in 500 hold 20 where 10 are usual, which rule weekly takes for chance. */
    @Test
    void suggest_settings_that_stay_under_the_ceiling() {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      Hour.range(JUDGED.plus(-24L * 200), JUDGED).forEach(hour ->
          history.put(hour, hour.number() % 250 == 0 ? 20 : 10));
      history.save();
      write("auth.ini", "[misc]\nSpikeThreshold = 0.5\n");
      assertEquals(0, run("backtest", "--per-month", "1", "-c", folder + "/auth.ini"));
      assertTrue(out.toString().contains("\nFor at most 1.0 spikes in 30 days: these settings give "
          + "0.0 spikes, 0.0 spike hours, 0.0 mails.\n[misc]\nSpikeThreshold = 1.0\n[spike]\n"
          + "Rule = mean\n"), out.toString());
    }

    /** What happened in an unknown hour nobody knows: the job opens an episode anew behind it. */
    @ParameterizedTest
    @CsvSource({"true, 1.1", "false, 2.2"})
    void count_mails_as_the_job_sends_them(boolean isKnown, String mails) {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      Hour.range(JUDGED.plus(-24L * 30), JUDGED).forEach(hour -> history.put(hour, 10));
      for (int i = 1; i <= 3; i++) history.put(JUDGED.plus(-i), 90);
      if (!isKnown) history.forget(JUDGED.plus(-2));
      history.save();
      write("auth.ini", "[misc]\nSpikeThreshold = 0.5\n");
      assertEquals(0, run("backtest", "-c", folder + "/auth.ini"));
      assertTrue(out.toString().lines().findFirst().orElseThrow().contains(" " + mails + " mails"),
          out.toString());
    }

    @Test
    void tell_when_tickets_stopped() {
      var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
      Hour.range(JUDGED.plus(-24L * 60), JUDGED).forEach(hour -> {
        long ago = JUDGED.since(hour);
        history.put(hour, ago > 40 && ago <= 48 || ago <= 3 ? 0 : 10);
      });
      history.save();
      write("auth.ini", WEEKLY);
      assertEquals(0, run("backtest", "-c", folder + "/auth.ini"));
      assertTrue(out.toString().endsWith("\nTickets stopped 2 times: 2026-11-22T14, 2026-11-24T11 "
          + "(not told: Stops = no).\n"), out.toString());
    }

    @Test
    void of_nothing_are_74() {
      write("auth.ini", WEEKLY);
      assertEquals(74, run("backtest", "-c", folder + "/auth.ini"));
      assertEquals(folder.resolve("out/history.csv") + ": holds no hour that could be judged "
          + "(expected a history of some weeks; the first run fills it)\n", err.toString());
    }

    @Test
    void give_each_hour_as_json() {
      history(120);
      assertEquals(0, run("backtest", "--json", "-c", folder + "/auth.ini"));
      var last = out.toString().lines().reduce("", (before, line) -> line);
      assertTrue(last.startsWith("{\"hour\":\"2026-11-24T12:00:00Z\",\"count\":10,\"mean\":10.0,"
          + "\"needed\":24,\"percent\":0.0,\"samples\":13,\"verdict\":\"calm\",\"z\":0.0,"
          + "\"together\":0.0,\"spread\":3.28"), last);
    }

    @Test
    void refuse_a_wish_beside_json() {
      history(30);
      assertEquals(64, run("backtest", "--json", "--per-month", "2", "-c", folder + "/auth.ini"));
      assertEquals("--per-month means nothing with --json\n", err.toString());
    }

    @Test
    void leave_out_what_is_before_a_date() {
      history(200);
      assertEquals(0, run("backtest", "--since", "2026-11-01", "-c", folder + "/auth.ini"));
      assertTrue(out.toString().contains("hours judged, 2026-11-01T00 to "), out.toString());
    }
  }
}
