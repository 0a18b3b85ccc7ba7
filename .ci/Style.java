import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** What a reader of the source may count on: lines of 100 columns, sections that look down only. */
final class Style {
  private static final int COLUMNS = 100;

  private Style() { }

  public static void main(String[] args) throws IOException {
    var wrong = new ArrayList<String>();
    try (var files = Files.walk(Path.of("tests"))) {
      for (var file : files.filter(each -> each.toString().endsWith(".java")).toList()) {
        wrong.addAll(wideLines(file));
      }
    }
    var program = Path.of("SpikeNotifier.java");
    wrong.addAll(wideLines(program));
    wrong.addAll(usesOfSectionsAbove(sections(Files.readString(program))));
    wrong.forEach(System.err::println);
    System.exit(wrong.isEmpty() ? 0 : 1);
  }

  private static List<String> wideLines(Path file) throws IOException {
    var wide = new ArrayList<String>();
    var lines = Files.readAllLines(file);
    for (int i = 0; i < lines.size(); i++) {
      boolean isDirective = lines.get(i).startsWith("//");
      if (!isDirective && lines.get(i).length() > COLUMNS) {
        wide.add(file + ":" + (i + 1) + ": wider than " + COLUMNS + " columns");
      }
    }
    return wide;
  }

  /** The program's text without comments and texts, by the section's name. */
  private static Map<String, String> sections(String text) {
    var sections = new LinkedHashMap<String, String>();
    var parts = text.split("(?m)^  // ==== ");
    for (var part : List.of(parts).subList(1, parts.length)) {
      var name = part.substring(0, part.indexOf(':'));
      sections.put(name, part.substring(part.indexOf('\n'))
          .replaceAll("(?s)/\\*.*?\\*/", "")
          .replaceAll("(?m)(^|\\s)//.*", "")
          .replaceAll("\"[^\"\n]*\"", ""));
    }
    return sections;
  }

  private static List<String> usesOfSectionsAbove(Map<String, String> sections) {
    var wrong = new ArrayList<String>();
    var above = new LinkedHashMap<String, String>(); // type -> section
    sections.forEach((name, text) -> {
      above.forEach((type, section) -> {
        if (Pattern.compile("\\b" + type + "\\b").matcher(text).find()) {
          wrong.add("section " + name + " uses " + type + " of " + section + ", which is above it");
        }
      });
      var declared = Pattern.compile("(?m)^  (?:static |sealed |final |abstract )*"
          + "(?:class|record|enum|interface) (\\w+)").matcher(text);
      while (declared.find()) above.put(declared.group(1), name);
    });
    return wrong;
  }
}
