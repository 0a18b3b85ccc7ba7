package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import spikenotifier.SpikeNotifier.*;

/** What report.html holds. */
class ReportTest extends Unit {
  private String report(String ini) throws IOException {
    var history = new History(folder.resolve("out/history.csv"));
    Hour.range(JUDGED.plus(-24L * 70), JUDGED.plus(1)).forEach(hour -> {
      boolean isStop = !hour.isBefore(JUDGED.plus(-30)) && hour.isBefore(JUDGED.plus(-24));
      long back = JUDGED.since(hour);
      history.raise(hour, isStop ? 0 : back == 1 ? 60 : back == 2 ? 90 : 10);
    });
    history.save();
    write("auth.ini", ini);
    assertEquals(0, run("report", "-c", folder + "/auth.ini"));
    return Files.readString(folder.resolve("out/report.html"));
  }

  @Test
  void holds_episodes_stops_a_usual_week_and_every_hour() throws IOException {
    var page = report(WEEKLY + "[zendesk]\nDomain = acme\n");
    assertTrue(page.contains("<title>Tickets an hour at acme.zendesk.com</title>"), page);
    var row = page.split("<h2>Spikes</h2>")[1].split("</table>")[0].replaceAll("<[^>]*>", " ")
        .replaceAll("\\s+", " ");
    assertTrue(row.endsWith(" from hours peak usual over the usual Tue 24 Nov 11:00 2 90 10 130 "),
        row);
    assertTrue(page.contains("<p>Tickets stopped by Mon 23 Nov 09:00.</p>\n"
        + "<p>They came again by Mon 23 Nov 14:00.</p>"), page);
    assertEquals(2, page.split("60!|90!", -1).length - 1, "both spike hours are marked");
    var week = page.split("<h2>A usual week</h2>")[1].split("</table>")[0];
    assertEquals(8 * 26, week.split("<t[dh]", -1).length - 1, "a cell for each hour of a week");
    assertEquals(8 + 24, week.split("<th scope", -1).length - 1, "heads of rows and columns");
    assertTrue(page.contains("aria-label=\"Line of the tickets an hour, at most 90; hours with a "
        + "spike: 2.\""), page);
    assertEquals(4, page.split("role=\"region\" tabindex=\"0\"", -1).length - 1);
  }

  @Test
  void needs_no_network_and_escapes_what_it_shows() throws IOException {
    var page = report(WEEKLY + "[spike]\nTimeZone = Europe/Berlin\n");
    assertFalse(Pattern.compile("(src|href)=\"https?:").matcher(page).find());
    assertFalse(page.contains("<script"));
    assertTrue(page.contains(" 15:00 +01:00 Europe/Berlin. Rule weekly, "), page);
  }
}
