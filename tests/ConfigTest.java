package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.time.ZoneId;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.SpikeNotifier.*;

/** auth.ini: what is read, and what is said of mistakes. */
class ConfigTest extends Unit {
  @Nested
  class The_config {
    private static final String WHOLE = """
        [zendesk]
        Domain = acme
        ClientId = id
        ClientSecret = secret-of-zendesk
        [email]
        Sender = spikes@example.com
        Recipient = team@example.com
        """;

    private Config read(String ini, Map<String, String> env) {
      var file = write("auth.ini", ini);
      var world = world(env);
      var config = Config.read(file, world);
      config.warnings.forEach(world::warn);
      config.refuseMistakes();
      return config;
    }

    /** The whole config with a line more, or another one in the place of its key's. */
    private String with(String section, String line) {
      var key = line.split("\\s*[=:]", 2)[0];
      var rest = WHOLE.replaceFirst("(?m)^" + key + " = .*\n", "");
      return rest.contains("[" + section + "]")
          ? rest.replace("[" + section + "]\n", "[" + section + "]\n" + line + "\n")
          : rest + "[" + section + "]\n" + line + "\n";
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "team@example.com | team@example.com",
        "a@example.com, b@example.com | a@example.com b@example.com",
        "a@example.com; b@example.com | a@example.com b@example.com",
        "a@example.com ; b@example.com | a@example.com b@example.com",
        "a@example.com b@example.com | a@example.com b@example.com",
        "[\"a@example.com\", \"b@example.com\"] | a@example.com b@example.com",
        "['a@example.com', 'b@example.com',] | a@example.com b@example.com",
        "\"a@example.com\", 'b@example.com', | a@example.com b@example.com",
        "\\n  a@example.com\\n  b@example.com | a@example.com b@example.com",
        "a@example.com ; the team | a@example.com",
        "Team <a@example.com>, b@example.com | a@example.com b@example.com",
        "'a@example.com' | a@example.com",
        "a@example.com\\u00a0 | a@example.com",
        "a@example.com\\u200b | a@example.com",
        "info@m\\u00fcller.example | info@xn--mller-kva.example",
        "o'brien+x@mail.example.co.uk | o'brien+x@mail.example.co.uk",
        "root@localhost | root@localhost",
        "a..b@example.com | FAULT", "a@example.com. | FAULT", "a@exa mple.com | FAULT",
        "a@-example.com | FAULT", "@example.com | FAULT", "a@ | FAULT", "a | FAULT",
        "a\\\"b@example.com | FAULT", "\\u00fc@example.com | FAULT", "a@b@c.de | FAULT",
        "a@te\\u200bam.example | FAULT", "[] | FAULT", "a@example.com ; was b@x.com | FAULT",
        "a@example.com, # boss\\n  b@example.com  # b\\n  ,c@example.com | a@example.com "
            + "b@example.com c@example.com",
        "a@example.com ; b@example.com\\n  c@example.com | a@example.com b@example.com "
            + "c@example.com",
        "<a@example.com | FAULT", "a@example..com | FAULT", ".a@example.com | FAULT",
        "Ann <a@example.com> Bob <b@example.com> | FAULT", // else Ann would get nothing
    })
    void takes_addresses_as_people_write_them_or_names_the_key(String value, String addresses) {
      var text = value.replace("\\u00a0", "\u00a0").replace("\\u200b", "\u200b")
          .replace("\\u00fc", "\u00fc").replace("\\n", "\n").replace("\\\"", "\"");
      var ini = with("email", "Recipient = " + text);
      if (addresses.equals("FAULT")) {
        var thrown = assertThrows(Fault.class, () -> read(ini, Map.of()));
        assertEquals(Exit.CONFIG, thrown.exit);
        assertTrue(thrown.getMessage().contains(": [email] Recipient: "), thrown.getMessage());
        assertEquals(1, thrown.getMessage().lines().count(), thrown.getMessage());
        return;
      }
      var read = read(ini, Map.of()).recipients.stream().map(each -> each.getAddress()).toList();
      assertEquals(List.of(addresses.split(" ")), read);
    }

    @Test
    void takes_one_sender_alone() {
      var ini = with("email", "Sender = Ann <a@example.com>, Bob <b@example.com>");
      var thrown = assertThrows(Fault.class, () -> read(ini, Map.of()));
      assertTrue(thrown.getMessage().contains("[email] Sender: "), thrown.getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "web, vip", "\"web\", \"vip\"", "[\"web\", \"vip\"]", "['web', 'VIP']", "web vip",
        "web, vip,", "\\n  web\\n  vip", "web, vip ; standing tags", "web vip # standing tags",
        "\\n  [\"web\",\\n  \"vip\"]", "web, # here\\n  vip ; there",
        "[\"web\", ; here\\n  \"vip\"]",
    })
    void takes_omitted_tags_in_many_forms(String value) {
      var ini = with("misc", "OmittedTags = " + value.replace("\\n", "\n"));
      assertEquals(List.of("web", "vip"), read(ini, Map.of()).omittedTags);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "\"gift card\" -tags:\"spam\" | \"gift card\" -tags:\"spam\"",
        "\"login error\" | \"login error\"",
        "\"tags:vip\" | tags:vip", "'tags:vip brand:x' | tags:vip brand:x", "tags:vip | tags:vip",
    })
    void asks_a_query_as_it_is_written(String value, String query) {
      assertEquals(query, read(with("zendesk", "Query = " + value), Map.of()).query);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "[\"a\", | FAULT", "\"a b\", c | a b;c", "[\"a b\", \"c\"] | a b;c",
        "o'brien, c | o'brien;c",
    })
    void takes_lists_apart_outside_of_quotes(String value, String tags) {
      var ini = with("misc", "OmittedTags = " + value);
      if (tags.equals("FAULT")) {
        var thrown = assertThrows(Fault.class, () -> read(ini, Map.of()));
        assertTrue(thrown.getMessage().contains("[misc] OmittedTags: '[\"a\",'"),
            thrown.getMessage());
        return;
      }
      assertEquals(List.of(tags.split(";")), read(ini, Map.of()).omittedTags);
    }

    @ParameterizedTest
    @ValueSource(strings = {"$HOME/h.csv", "${OUT}/h.csv", "%APPDATA%/h.csv", "$(pwd)/h.csv",
        "%(here)s/h.csv", "%ProgramFiles(x86)%/h.csv"})
    void refuses_a_path_with_a_variable(String path) {
      var thrown = assertThrows(Fault.class, () -> read(with("default", "SpikeDB = " + path),
          Map.of()));
      assertTrue(thrown.getMessage().contains("no variable is expanded here"),
          thrown.getMessage());
    }

    @Test
    void reads_indented_keys_colons_and_comments_behind() {
      var config = read("""
          [default] ; where things lie
              SpikeDB: "my history.csv" ; the history
          [Zendesk]  # the account
              domain: https://ACME.zendesk.com/agent
              Credentials: agent@example.com/token:KEY;with#signs
          [email]
              Sender: Spikes <spikes@example.com>
              Recipient: ["a@example.com", "b@example.com"]
              Subject: Spike # 1; really
              Port: 2525 ; the port
          [mods]
              NumTags: 7 # few
          [spike]
              AllClear: off
              Rule: Weekly
              TimeZone: europe/berlin
          """, Map.of());
      assertEquals(folder.resolve("my history.csv"), config.historyFile);
      assertEquals("acme.zendesk.com", config.zendeskHost);
      assertEquals("agent@example.com/token:KEY;with#signs", config.credentials.text());
      assertEquals("Spikes", config.sender.getPersonal());
      assertEquals("Spike # 1; really", config.subject);
      assertEquals(2525, config.mailPort);
      assertEquals(7, config.numTags);
      assertFalse(config.allClear);
      assertEquals(RuleName.WEEKLY, config.ruleName);
      assertEquals(ZoneId.of("Europe/Berlin"), config.zone);
      assertEquals("", err.toString().replaceAll(".*chmod 600.*\n", ""));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "misc | SpikeThreshold = 60 | '60' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = 0,5 | '0,5' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = NaN | 'NaN' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | NumTags = 1e3 | '1e3' (expected a whole number from 1 to 1000)",
        "misc | NumHours = 48 | 48 hours hold too few days for MinSamples = 3 (expected at least "
            + "72)",
        "spike | MinSamples = x | 'x' (expected a whole number from 1 to 10000)",
        "spike | Rule = median | 'median' (expected mean or weekly)",
        "spike | AllClear = perhaps | 'perhaps' (expected yes or no)",
        "spike | TimeZone = Berlin | 'Berlin' (expected a zone such as Europe/Berlin)",
        "spike | IgnoredDays = 25.12.2026 | '25.12.2026' (expected a list of dates such as "
            + "2026-12-25)",
        "email | Cc = a@acme.example, Bob | 'Bob' (expected a list of addresses such as "
            + "a@example.com, b@example.com)",
        "email | Host = smtp.example.com:587 | 'smtp.example.com:587' (expected a host name alone; "
            + "the port belongs to Port)",
        "email | Security = none | none to smtp.gmail.com (expected starttls or tls; none is for "
            + "this machine only)",
        "email | TokenUrl = https://x.example | without ClientId and ClientSecret (expected all "
            + "three, or none)",
        "email | Port = 0 | '0' (expected a whole number from 1 to 65535)",
        "zendesk | Domain = acme.example.com | 'acme.example.com' (expected acme or "
            + "acme.zendesk.com)",
        "zendesk | BaseUrl = http://acme.example.com | malformed (expected an https URL, or http "
            + "to this machine)",
        "webhook | Url = https://hooks.slack.com/services/\u2026 | malformed (expected an https "
            + "URL, or http to this machine)",
        "webhook | Url = https://hooks.example.com:99999/secret | malformed (expected an https "
            + "URL, or http to this machine)",
        "default | SpikeDB = ~/h.csv | '~/h.csv' (expected a whole path: ~ is no folder here)",
        "webhook | Url = http://hooks.example.com/secret | malformed (expected an https URL, or "
            + "http to this machine)",
        "monitor | PingUrl = http://hc.example.com/secret | malformed (expected an https URL, or "
            + "http to a private address)",
        "default | SpikeDB = out/ | 'out/' is a folder (expected a file, or one that can be made)",
        "default | SpikeDB = / | '/' is a folder (expected a file, or one that can be made)",
    })
    void says_what_is_wrong_and_what_was_expected(String section, String line, String mistake) {
      var thrown = assertThrows(Fault.class, () -> read(with(section, line), Map.of()));
      assertEquals(folder.resolve("auth.ini") + ": [" + section + "] " + line.split(" ")[0] + ": "
          + mistake, thrown.getMessage());
    }

    @Test
    void says_all_mistakes_at_once() {
      var thrown = assertThrows(Fault.class, () -> read("[misc]\nNumTags = 0\n", Map.of()));
      assertEquals(List.of("Domain", "NumTags", "ClientId", "Sender", "Recipient"),
          thrown.getMessage().lines().map(line -> line.replaceAll(".*] (\\w+):.*", "$1")).toList());
    }

    @ParameterizedTest
    @CsvSource({
        "http://10.0.0.5/ping/x", "http://192.168.1.2:8000/x", "http://healthchecks:8000/x",
        "http://watcher.internal/x", "http://localhost/x", "https://hc-ping.com/x",
    })
    void lets_the_watcher_be_near_without_tls(String url) {
      assertEquals(url, read(with("monitor", "PingUrl = " + url), Map.of()).pingUrl.toString());
    }

    @Test
    void names_the_known_keys_and_no_secret() {
      read(with("zendesk", "ClientSceret = hunter2hunter2"), Map.of());
      assertTrue(err.toString().contains("[zendesk] ClientSceret: unknown key, ignored (expected "
          + "BaseUrl, ClientId, ClientSecret, ClientSecretCommand, "), err.toString());
      assertFalse(err.toString().contains("hunter2"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "zendesk | ClientSecret = my secret | [zendesk] ClientSecret: has a blank, or what is not "
            + "ASCII (expected as it was copied)",
        "zendesk | ClientSecret = \u201cmysecret\u201d | [zendesk] ClientSecret: has a blank, or "
            + "what is not ASCII (expected as it was copied)",
        "zendesk | ClientSecretCommand = echo x | [zendesk] ClientSecret: not used, since a "
            + "command is given (expected one)",
        "zendesk | Query = \"gift card | [zendesk] Query: has a quote that is not closed (expected "
            + "two)",
    })
    void warns_of_what_is_allowed_and_seldom_meant(String section, String line, String warning) {
      read(with(section, line), Map.of());
      assertEquals(folder.resolve("auth.ini") + ": " + warning + "\n", err.toString());
    }

    /** As where a secret was broken into two lines, of which the second ends with a sign. */
    @Test
    void shows_no_key_that_may_be_a_secret() {
      read(with("misc", "QUJDREVGR0hJSktMTU5PUFNFQ1JFVDEyMw=="), Map.of());
      assertTrue(err.toString().endsWith(": [misc] has a line whose key is no word, ignored "
          + "(expected Key = value)\n"), err.toString());
      var thrown = assertThrows(Fault.class, () ->
          read(with("zendesk", "Domain = https://me:hunter2@acme.zendesk.com"), Map.of()));
      assertTrue(thrown.getMessage().contains("'https://***@acme.zendesk.com'"),
          thrown.getMessage());
    }

    @Test
    void names_the_known_sections_for_one_that_is_unknown() {
      read(with("zendsek", "Query = x"), Map.of());
      assertTrue(err.toString().contains("[zendsek] Query: unknown key, ignored (expected one of "
          + "[default] [email] [misc] [monitor] [spike] [webhook] [zendesk])"), err.toString());
    }

    @Test
    void says_that_it_is_not_there_and_what_to_do() {
      var thrown = assertThrows(Fault.class, () ->
          Config.read(folder.resolve("no.ini"), world(Map.of())));
      assertEquals(folder.resolve("no.ini") + ": not found (run from its folder, or give --config "
          + "FILE; to begin, copy auth.ini.example)", thrown.getMessage());
    }

    @Test
    void says_which_line_makes_no_sense_and_not_what_it_holds() {
      var thrown = assertThrows(Fault.class, () -> read("[email]\nmy secret\n", Map.of()));
      assertEquals(folder.resolve("auth.ini") + ": line 2 is neither [section] nor Key = value",
          thrown.getMessage());
    }

    @Test
    void takes_secrets_from_the_environment_a_command_and_the_file() {
      assertEquals("secret-of-zendesk", read(WHOLE, Map.of()).zendeskClient.secret().text());
      var env = Map.of("SPIKE_ZENDESK_CLIENTSECRET", "other");
      assertEquals("other", read(WHOLE, env).zendeskClient.secret().text());
      var ini = with("zendesk", "ClientSecretCommand = printf 'first;x\\nsecond\\n'");
      assertEquals("first;x", read(ini, Map.of()).zendeskClient.secret().text());
    }

    @ParameterizedTest
    @CsvSource({
        "false, 'failed, exit code 1'",
        "true, 'failed, exit code 0, no line'",
    })
    void says_that_a_command_failed(String command, String mistake) {
      var config = read(with("email", "PasswordCommand = " + command), Map.of());
      var thrown = assertThrows(Fault.class, () -> config.password.text());
      assertEquals(Exit.CONFIG, thrown.exit);
      assertEquals(folder.resolve("auth.ini") + ": [email] PasswordCommand: " + mistake
          + " (expected a command that prints the secret)", thrown.getMessage());
    }

    /** In words, since the program shows no secret, not even this one. */
    @Test
    void names_a_secret_that_is_still_the_example() {
      var ini = with("zendesk", "ClientSecret = paste-the-secret-here");
      var thrown = assertThrows(Fault.class, () -> read(ini, Map.of()));
      assertEquals(folder.resolve("auth.ini") + ": [zendesk] ClientSecret: is still the example's "
          + "(expected your own)", thrown.getMessage());
    }

    @Test
    void refuses_a_secret_that_the_locale_has_garbled() {
      var env = Map.of("SPIKE_EMAIL_PASSWORD", "p\uFFFD\uFFFDss");
      var thrown = assertThrows(Fault.class, () -> read(WHOLE, env));
      assertEquals(folder.resolve("auth.ini") + ": [email] Password: SPIKE_EMAIL_PASSWORD has "
          + "characters that the locale of this run does not have (expected LC_ALL=C.UTF-8 beside "
          + "it)", thrown.getMessage());
    }

    @Test
    void writes_to_the_target_of_a_link() throws IOException {
      var target = Files.createDirectories(folder.resolve("real")).resolve("h.csv");
      Files.writeString(target, HEADER);
      Files.createSymbolicLink(folder.resolve("link.csv"), target);
      var config = read(with("default", "SpikeDB = link.csv"), Map.of());
      assertEquals(target.toRealPath(), config.historyFile);
    }

    /** A lead with INI and CSV can use the offline commands: no secret, no command is asked for. */
    @Test
    void of_the_offline_commands_needs_neither_secrets_nor_mail() {
      var ini = """
          [zendesk]
          ClientSecretCommand = touch was-run
          [email]
          Recipient = nonsense
          PasswordCommand = touch was-run
          [misc]
          SpikeThreshold = 0.7
          """;
      assertEquals(0.7, offline(ini).spikeThreshold);
      assertFalse(Files.exists(folder.resolve("was-run")));
      assertThrows(Fault.class, () -> offline("[misc]\nSpikeThreshold = seven\n"));
    }

    /** Keys and defaults stand in three places, which must say the same. */
    @Test
    void has_the_same_keys_and_defaults_in_code_readme_and_example() throws IOException {
      var code = new TreeSet<String>(read(WHOLE, Map.of()).asked);
      var example = keysOfTheExample();
      var readme = keysOfTheReadme();
      assertEquals(code, example.keySet());
      assertEquals(code, readme.keySet());
      example.forEach((key, value) -> {
        boolean isDefault = !value.isEmpty() && !readme.get(key).isEmpty();
        if (isDefault) assertEquals(readme.get(key), value, key + " in README.md");
      });
    }

    /** Each default that the example names is what a config without that key has. */
    @Test
    void has_the_defaults_that_the_example_names() throws Exception {
      var named = new StringBuilder();
      for (var line : Files.readAllLines(source("auth.ini.example"))) {
        boolean isDefault = line.matches("#[A-Z]\\w+ = .+");
        if (!line.startsWith("[") && !isDefault) continue;
        named.append(line.replaceFirst("^#", "")).append("\n");
      }
      var ini = named.toString().replace("[zendesk]\n", "[zendesk]\nDomain = acme\nClientId = id\n"
          + "ClientSecret = secret-of-zendesk\n").replace("[email]\n", "[email]\n"
          + "Sender = spikes@example.com\nRecipient = team@example.com\n");
      var given = read(ini, Map.of());
      var absent = read(WHOLE, Map.of());
      for (var field : Config.class.getDeclaredFields()) {
        if (java.lang.reflect.Modifier.isStatic(field.getModifiers())) continue;
        assertEquals(field.get(absent), field.get(given), field.getName());
      }
    }

    @Test
    void is_not_taken_from_the_example_as_it_is() throws Exception {
      var example = Files.readString(source("auth.ini.example"));
      var thrown = assertThrows(Fault.class, () -> read(example, Map.of()));
      var keys = thrown.getMessage().lines()
          .map(line -> line.replaceFirst(".*?: (\\[.*?): .*", "$1")).toList();
      assertEquals(List.of("[zendesk] ClientSecret", "[email] Password"), keys);
    }

    private Map<String, String> keysOfTheExample() throws IOException {
      var keys = new TreeMap<String, String>();
      var section = "";
      for (var line : Files.readAllLines(source("auth.ini.example"))) {
        if (line.startsWith("[")) section = line;
        var key = Pattern.compile("#?([A-Z]\\w+) =(?: (.*))?").matcher(line);
        if (!key.matches()) continue;
        var value = key.group(2) == null ? "" : key.group(2).strip();
        keys.putIfAbsent(section + " " + key.group(1), value);
      }
      keys.replace("[misc] SpikeThreshold", "0.6"); // a new user is set to
      keys.replace("[spike] Rule", "mean");         // the better rule and all notices,
      keys.replace("[spike] Stops", "no");          // which the comments say
      keys.replace("[spike] TagSurges", "no");
      return keys;
    }

    private Map<String, String> keysOfTheReadme() throws IOException {
      var keys = new TreeMap<String, String>();
      for (var line : Files.readAllLines(source("README.md"))) {
        var row = Pattern.compile("\\| `\\[(\\w+)] (\\w+)` \\|(.*?)\\|.*").matcher(line);
        if (!row.matches()) continue;
        keys.put("[" + row.group(1) + "] " + row.group(2), row.group(3).replace("`", "").strip());
      }
      return keys;
    }
  }
}
