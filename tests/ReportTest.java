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
    var history = History.open(folder.resolve("out/history.csv"), "acme.zendesk.com", "");
    Hour.range(JUDGED.plus(-24L * 70), JUDGED.plus(1)).forEach(hour -> history.put(hour, 10));
    history.put(JUDGED.plus(-1), 60);
    history.put(JUDGED.plus(-2), 90);
    Hour.range(JUDGED.plus(-30), JUDGED.plus(-24)).forEach(hour -> history.put(hour, 0));
    history.save();
    write("auth.ini", ini);
    assertEquals(0, run("report", "-c", folder + "/auth.ini"));
    return Files.readString(folder.resolve("out/report.html"));
  }

  @Test
  void holds_episodes_stops_a_usual_week_and_every_hour() throws IOException {
    var page = report(WEEKLY + "[zendesk]\nDomain = acme\n");
    assertTrue(page.contains("<title>Tickets an hour at acme.zendesk.com</title>"), page);
    assertTrue(page.contains("<p>1 spike in these hours, newest first."), "two hours, one spike");
    assertTrue(page.contains("<th scope=\"row\">Tue 24 Nov 2026 11:00</th><td>2</td><td>90</td>"),
        page);
    assertTrue(page.contains("<p>Tickets stopped by Mon 23 Nov 2026 09:00, and came again by Mon "
        + "23 Nov 2026 14:00.</p>"), page.replaceAll("(?s).*(<h2 id=\"spikes.{600}).*", "$1"));
    assertEquals(2, page.split("60!|90!", -1).length - 1, "both spike hours are marked");
    assertEquals(7 * 24 + 1, page.split("<h2 id=\"week\">")[1].split("<h2>")[0]
        .split("<td", -1).length, "a cell for each hour of a week");
    assertTrue(page.contains("Highest: 90 from Tue 24 Nov 2026 11:00. Hours with a spike: 2."));
  }

  @Test
  void needs_no_network_and_escapes_what_it_shows() throws IOException {
    var page = report(WEEKLY + "[spike]\nTimeZone = Europe/Berlin\n");
    assertFalse(Pattern.compile("(src|href)=\"https?:").matcher(page).find());
    assertFalse(page.contains("<script"));
    assertTrue(page.contains("on the clock of Europe/Berlin"), page);
  }
}
