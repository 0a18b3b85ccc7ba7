package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import spikenotifier.SpikeNotifier.*;

/** What is due, given the verdicts and what was told: a table of cells, read as its head says. */
class DueTest extends Unit {
  private static final Map<String, Flow> FLOWS = Map.of("stopped", Flow.STOPPED, "again",
      Flow.AGAIN, "between", Flow.BETWEEN);

  static Stream<String> cells() throws IOException {
    return Files.readAllLines(source("tests/due.csv")).stream()
        .filter(line -> !line.startsWith("#"));
  }

  @ParameterizedTest
  @MethodSource("cells")
  void is_what_the_table_says(String cell) {
    var columns = cell.split(" \\| ", -1);
    var told = told(columns);
    var verdicts = verdicts(Long.parseLong(columns[6]), columns[7].split(" "));
    long last = Long.parseLong(columns[6]) + columns[7].split(" ").length - 1;
    var settings = List.of(columns[8].split(" "));
    var repeat = Repeat.GROWTH;
    for (var each : Repeat.values()) {
      if (settings.contains(each.name().toLowerCase(Locale.ROOT))) repeat = each;
    }
    var wishes = new Wishes(repeat, !settings.contains("noclear"), settings.contains("stops"),
        settings.contains("tags"));
    var now = columns[9].strip().split(" ");
    var flow = FLOWS.get(now[0]);
    var stop = flow == null ? null : new Stop(flow, 1, 2, 1, 20);
    var surging = new ArrayList<TagVerdict>();
    for (var tag : List.of(now).subList(1, now.length)) {
      surging.add(new TagVerdict(tag, 9, 9L, 2, 0.0, 1.0, "", 9.0, 7.0, true));
    }

    var rule = new DueRule(verdicts, new Hour(last), told, wishes, stop, surging);
    boolean isWhole = !settings.contains("atonce");
    var due = isWhole ? rule.all() : rule.lastSpike();
    var notices = new StringJoiner("; ");
    for (var each : due) notices.add(words(each));
    assertEquals(columns[10].strip(), notices.toString());
    for (var each : due) told.note(each.topic());
    for (var each : due) told.note(each.topic()); // once more changes nothing
    if (isWhole) told.noteJudged(verdicts, new Hour(last), wishes.stops());
    assertEquals(columns[11].replaceAll(" +", " ").strip(), words(told));
  }

  private static Told told(String[] columns) {
    var told = new Told("acme.zendesk.com", "", new Hour(Long.parseLong(columns[1].strip())));
    pairs(columns[2]).forEach((hour, count) ->
        told.judged.put(new Hour(Long.parseLong(hour)), count));
    for (var spike : words(columns[3])) {
      var numbers = spike.split("[-:/]");
      told.spikes.add(new ToldSpike(hour(numbers[0]), hour(numbers[1]),
          Long.parseLong(numbers[2]), numbers.length > 3 ? hour(numbers[3]) : null));
    }
    var turns = words(columns[4]);
    if (turns.contains("stop")) told.stop = hour(turns.get(turns.indexOf("stop") + 1));
    if (turns.contains("again")) told.again = hour(turns.get(turns.indexOf("again") + 1));
    pairs(columns[5]).forEach((tag, hour) -> told.tags.put(tag, new Hour(hour)));
    return told;
  }

  private static Hour hour(String number) {
    return new Hour(Long.parseLong(number));
  }

  private static List<String> words(String text) {
    return text.isBlank() ? List.of() : List.of(text.strip().split(" +"));
  }

  private static Map<String, Long> pairs(String text) {
    var pairs = new TreeMap<String, Long>();
    for (var word : words(text)) {
      pairs.put(word.split(":")[0], Long.valueOf(word.split(":")[1]));
    }
    return pairs;
  }

  private static TreeMap<Hour, Verdict> verdicts(long first, String[] words) {
    var verdicts = new TreeMap<Hour, Verdict>();
    for (int i = 0; i < words.length; i++) {
      if (words[i].equals("?")) continue;
      var hour = new Hour(first + i);
      long count = Long.parseLong(words[i].replaceAll("[!~]", ""));
      Verdict verdict = new Calm(hour, count, null, null, null);
      if (words[i].endsWith("!")) verdict = new Spike(hour, count, null, null, null);
      if (words[i].endsWith("~")) verdict = new Learning(hour, count, 1, 3);
      verdicts.put(hour, verdict);
    }
    return verdicts;
  }

  private static String words(Due due) {
    var topic = due.topic();
    boolean isSpike = topic.kind() == Kind.SPIKE;
    boolean isThread = isSpike || topic.kind() == Kind.CLEAR;
    var words = topic.kind().word() + " " + topic.hour().number();
    if (isThread) words += " of " + topic.begin().number();
    if (isSpike) words += " with " + topic.count();
    if (topic.over() != null) words += " over " + topic.over().number();
    if (!topic.tags().isEmpty()) words += " names " + String.join(" ", topic.tags());
    return due.isSilent() ? words + " silent" : words;
  }

  private static String words(Told told) {
    var spikes = new StringJoiner(" ");
    for (var each : told.spikes) {
      spikes.add(each.begin().number() + "-" + each.hour().number() + ":" + each.count()
          + (each.end() == null ? "" : "/" + each.end().number()));
    }
    var tags = new StringJoiner(" ");
    told.tags.forEach((tag, hour) -> tags.add(tag + ":" + hour.number()));
    return (spikes + " ; " + (told.stop == null ? "-" : told.stop.number()) + " ; " + tags)
        .replaceAll(" +", " ").strip();
  }

  @Test
  void has_a_hundred_cells_but_one() throws IOException {
    assertEquals(99, cells().count());
  }

  /** What is read is what was written. */
  @Test
  void is_reckoned_from_a_file() throws Exception {
    var config = offline("[zendesk]\nDomain = acme\nQuery = \"gift card\"\n");
    var told = new Told("acme.zendesk.com", "\"gift card\"", JUDGED.plus(-9));
    told.judged.put(JUDGED, 20L);
    told.spikes.add(new ToldSpike(JUDGED.plus(-5), JUDGED.plus(-4), 45, JUDGED.plus(-3)));
    told.spikes.add(new ToldSpike(JUDGED, JUDGED, 60, null));
    told.stop = JUDGED.plus(-2);
    told.again = JUDGED.plus(-8);
    told.tags.put("a b:c", JUDGED);
    told.save(config.historyFile);
    var read = Told.read(config);
    assertEquals(SpikeNotifier.JSON.valueToTree(told), SpikeNotifier.JSON.valueToTree(read));
    assertEquals(told.judged, read.judged);
    assertEquals(told.spikes, read.spikes);
  }
}
