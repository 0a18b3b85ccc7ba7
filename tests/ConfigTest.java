package spikenotifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.mail.internet.InternetAddress;
import java.io.IOException;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
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

    private Config read(String ini) {
      return read(ini, Map.of());
    }

    private Config read(String ini, Map<String, String> env) {
      return read(world(env), ini);
    }

    private Config read(World world, String ini) {
      var config = Config.read(write("auth.ini", ini), world);
      config.warnings.forEach(world::warn);
      config.refuseMistakes();
      return config;
    }

    private String refusal(String ini) {
      var thrown = assertThrows(Fault.class, () -> read(ini));
      assertEquals(Exit.CONFIG, thrown.exit);
      return thrown.getMessage().replace(folder.resolve("auth.ini") + ": ", "");
    }

    /** The whole config with a line more, or another one in the place of its key's. */
    private String with(String section, String line) {
      var key = line.split("\\s*[=:]", 2)[0];
      var rest = WHOLE.replaceFirst("(?m)^" + Pattern.quote(key) + " = .*\n", "");
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
        "[\"a@example.com\", \"b@example.com\"] | a@example.com b@example.com",
        "['a@example.com', 'b@example.com',] | a@example.com b@example.com",
        "\"Team, first\" <a@example.com>, b@example.com # ours | a@example.com b@example.com",
        "'a@example.com' | a@example.com",
        "a@example.com\u00a0 | a@example.com",
        "a@te\u200bam.example | a@team.example",
        "o'brien+x@mail.example.co.uk | o'brien+x@mail.example.co.uk",
        "root@localhost | root@localhost",
        "a..b@example.com | FAULT", "a@example.com. | FAULT", "a@exa mple.com | FAULT",
        "a@-example.com | FAULT", "@example.com | FAULT", "a@ | FAULT", "a | FAULT",
        "a\"b@example.com | FAULT", "\u00fc@example.com | FAULT", "a@b@c.de | FAULT",
        "[] | FAULT", "info@m\u00fcller.example | FAULT", "a@example.com b@example.com | FAULT",
        "<a@example.com | FAULT", "a@example..com | FAULT", ".a@example.com | FAULT",
        "a@example.com ; the team | FAULT", // else somebody would be left out unseen, as
        "Ann <a@example.com> Bob <b@example.com> | FAULT", // Ann here
    })
    void takes_addresses_as_people_write_them_or_names_the_key(String value, String addresses) {
      var ini = with("email", "Recipient = " + value);
      if (addresses.equals("FAULT")) {
        var line = refusal(ini);
        assertTrue(line.startsWith("[email] Recipient: "), line);
        assertEquals(1, line.lines().count(), line);
        return;
      }
      var read = read(ini).recipients.stream().map(InternetAddress::getAddress).toList();
      assertEquals(List.of(addresses.split(" ")), read);
    }

    @ParameterizedTest
    @ValueSource(strings = {"web, vip", "\"web\", \"vip\"", "[\"web\", \"vip\"]", "['web', 'VIP']",
        "web vip", "web, vip,", "web, vip ; standing tags", "web vip # standing tags"})
    void takes_omitted_tags_in_many_forms(String value) {
      assertEquals(List.of("web", "vip"), read(with("misc", "OmittedTags = " + value)).omittedTags);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "\"gift card\" -tags:\"spam\" | \"gift card\" -tags:\"spam\"",
        "\"login error\" | \"login error\"", "\"tags:vip\" | tags:vip", "tags:vip | tags:vip",
    })
    void asks_a_query_as_it_is_written(String value, String query) {
      assertEquals(query, read(with("zendesk", "Query = " + value)).query);
    }

    @Test
    void reads_indented_keys_colons_comments_behind_and_what_editors_of_windows_add() {
      var config = read("""
          BOM[default] ; where things lie
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
              TimeZone: Europe/Berlin
          """.replace("BOM", "\ufeff").replace("\n", "\r\n"));
      assertEquals(folder.resolve("my history.csv"), config.historyFile);
      assertEquals("acme.zendesk.com", config.zendeskHost);
      assertEquals("agent@example.com/token:KEY;with#signs", config.credentials);
      assertEquals("Spikes", config.sender.getPersonal());
      assertEquals("Spike # 1; really", config.subject);
      assertEquals(2525, config.mailPort);
      assertEquals(7, config.numTags);
      assertFalse(config.allClear);
      assertEquals(RuleName.WEEKLY, config.ruleName);
      assertEquals(ZoneId.of("Europe/Berlin"), config.zone);
      assertEquals("", err.toString());
    }

    /** What people get wrong in their first auth.ini, and the line that each gets. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "zendesk | Domain = | missing (expected acme or acme.zendesk.com)",
        "zendesk | Domain = acme.example.com | 'acme.example.com' (expected acme or "
            + "acme.zendesk.com)",
        "zendesk | Domain = https://me:hunter2@acme.zendesk.com | "
            + "'***@acme.zendesk.com' (expected acme or acme.zendesk.com)",
        "zendesk | ClientSecret = | missing (expected ClientId and ClientSecret of an OAuth "
            + "client)",
        "zendesk | ClientSecret = paste-the-secret-here | is still the example's (expected your "
            + "own)",
        "zendesk | ClientSecretCommand = pass show x | is run no more (expected "
            + "SPIKE_ZENDESK_CLIENTSECRET=\"$(the command)\" before the program's name)",
        "email | PasswordCommand = pass show smtp | is run no more (expected "
            + "SPIKE_EMAIL_PASSWORD=\"$(the command)\" before the program's name)",
        "zendesk | Domain = acme\\nDomain = beta | given twice (expected once)",
        "zendesk | BaseUrl = http://acme.example.com | malformed (expected an https URL, or http "
            + "to this machine)",
        "email | Sender = | missing (expected an address such as a@example.com; or a [webhook] "
            + "Url for a team without mail)",
        "email | Sender = a@example.com, b@example.com | 'a@example.com, b@example.com' (expected "
            + "an address such as a@example.com)",
        "email | Recipient = | missing (expected an address such as a@example.com)",
        "email | Cc = a@acme.example, Bob | 'Bob' (expected a list of addresses such as "
            + "a@example.com)",
        "email | Host = smtp.example.com:587 | 'smtp.example.com:587' (expected a host name alone; "
            + "the port belongs to Port)",
        "email | Host = https://smtp.example.com | 'https://smtp.example.com' (expected a host "
            + "name alone; the port belongs to Port)",
        "email | Port = 0 | '0' (expected a whole number from 1 to 65535)",
        "email | Security = ssl | 'ssl' (expected starttls or tls or none)",
        "email | Security = none | none to smtp.gmail.com (expected starttls or tls; none is for "
            + "this machine only)",
        "email | TokenUrl = https://x.example | incomplete (expected TokenUrl, ClientId and "
            + "ClientSecret, or none of them)",
        "misc | SpikeThreshold = 60 | '60' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = 0,5 | '0,5' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = 50% | '50%' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | SpikeThreshold = NaN | 'NaN' (expected a number from 0 to 10; 0.5 means 50 %)",
        "misc | NumTags = 1e3 | '1e3' (expected a whole number from 1 to 1000)",
        "misc | NumHours = 48 | 48 hours hold too few days for MinSamples = 3 (expected at least "
            + "72)",
        "spike | MinSamples = x | 'x' (expected a whole number from 1 to 28)",
        "spike | Rule = median | 'median' (expected mean or weekly)",
        "spike | Repeat = hourly | 'hourly' (expected growth or every or first)",
        "spike | AllClear = perhaps | 'perhaps' (expected yes or no)",
        "spike | TimeZone = Berlin | 'Berlin' (expected a zone such as Europe/Berlin)",
        "spike | IgnoredDays = 25.12.2026 | '25.12.2026' (expected a list of dates such as "
            + "2026-12-25)",
        "webhook | Url = https://hooks.slack.com/services/\u2026 | malformed (expected an https "
            + "URL, or http to this machine)",
        "webhook | Url = http://hooks.example.com/secret | malformed (expected an https URL, or "
            + "http to this machine)",
        "webhook | Url = https://hooks.example.com:99999/secret | malformed (expected an https "
            + "URL, or http to this machine)",
        "webhook | Format = msteams | 'msteams' (expected auto or slack or googlechat or discord "
            + "or teams or json)",
        "monitor | PingUrl = http://hc.example.com/secret | malformed (expected an https URL, or "
            + "http to a private address)",
        "monitor | PingUrl = http://134744072/x | malformed (expected an https URL, or http to a "
            + "private address)", // which is 8.8.8.8
        "monitor | PingUrl = http://me:word@kuma.lan/x | has a name or password before its host "
            + "(expected an address without, since these are not read)",
        "monitor | PingUrl = hc-ping.com/x | malformed (expected an https URL, or http to a "
            + "private address)",
        "default | SpikeDB = ~/h.csv | '~/h.csv' (FILE)",
        "default | SpikeDB = $HOME/h.csv | '$HOME/h.csv' (FILE)",
        "default | SpikeDB = %APPDATA%/h.csv | '%APPDATA%/h.csv' (FILE)",
        "default | SpikeDB = out/ | 'out/' (FILE)",
        "default | SpikeDB = / | '/' (FILE)",
    })
    void says_what_is_wrong_and_what_was_expected(String section, String line, String mistake) {
      var file = "expected a file, or one that can be made; ~ and variables are not expanded here";
      assertEquals("[" + section + "] " + line.split(" ")[0] + ": " + mistake.replace("FILE", file),
          refusal(with(section, line.translateEscapes())));
    }

    @ParameterizedTest
    @CsvSource({"'', ClientId", "Credentials = me@example.com:word, Credentials"})
    void says_all_mistakes_at_once(String signIn, String key) {
      var lines = refusal("[misc]\nNumTags = 0\n[zendesk]\n" + signIn + "\n").lines();
      assertEquals(List.of("Domain", "NumTags", key, "Sender", "Recipient"),
          lines.map(line -> line.replaceAll(".*] (\\w+):.*", "$1")).toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"[email]\nmy secret", "[email]\n  b@example.com", "\n[my secret",
        "\nDomain = acme"})
    void says_which_line_makes_no_sense_and_not_what_it_holds(String ini) {
      assertEquals("line 2 is neither [section] nor Key = value below one", refusal(ini + "\n"));
    }

    @Test
    void in_an_encoding_of_windows_is_told() throws IOException {
      Files.write(folder.resolve("auth.ini"), "[email]\nSubject = T\u00fcr"
          .getBytes(StandardCharsets.ISO_8859_1));
      var thrown = assertThrows(Fault.class, () ->
          Config.read(folder.resolve("auth.ini"), world(Map.of())));
      assertEquals(folder.resolve("auth.ini") + ": cannot be read: it is no UTF-8 text",
          thrown.getMessage());
    }

    @Test
    void says_that_it_is_not_there_and_what_to_do() {
      var thrown = assertThrows(Fault.class, () ->
          Config.read(folder.resolve("no.ini"), world(Map.of())));
      assertEquals(folder.resolve("no.ini") + ": not found (run from its folder, or give --config "
          + "FILE; to begin, copy auth.ini.example)", thrown.getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "http://10.0.0.5/ping/x", "http://192.168.1.2:8000/x", "http://healthchecks:8000/x",
        "http://watcher.internal/x", "http://localhost/x", "https://hc-ping.com/x",
    })
    void lets_the_watcher_be_near_without_tls(String url) {
      assertEquals(url, read(with("monitor", "PingUrl = " + url)).pingUrl.toString());
    }

    /** Of the last the key may be half of a secret that was broken into two lines. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "zendesk | ClientSceret = hunter2hunter2 | [zendesk] ClientSceret: unknown key, ignored "
            + "(expected BaseUrl, ClientId, ClientSecret, Credentials, Domain, Query, "
            + "RequestsPerMinute)",
        "zendsek | Query = x | [zendsek] Query: unknown key, ignored (expected another section)",
        "monitor | QUJDREVGR0hJSktMTU5PUFNFQ1JFVDEyMw== | [monitor] a line: unknown key, ignored "
            + "(expected FailUrl, PingUrl)",
    })
    void names_the_known_keys_and_no_secret(String section, String line, String warning) {
      read(with(section, line));
      assertEquals(folder.resolve("auth.ini") + ": " + warning + "\n", err.toString());
    }

    /** As it comes from a Kubernetes secret, a password manager, a chat or a spreadsheet. */
    @ParameterizedTest
    @ValueSource(strings = {"%s", "%s\n", "%s\r\n", "  %s\t", "\"%s\"", "'%s'", "\"%s\"\n",
        "\u00a0%s\u200b", "\ufeff%s", "\" %s \""})
    void cleans_secrets_alike_from_environment_and_file(String form) {
      var text = form.formatted("a;b #c\\");
      var inFile = read(with("zendesk", "ClientSecret = " + text));
      assertEquals("a;b #c\\", inFile.zendeskClient.secret(), "the file");
      var inEnvironment = read(WHOLE, Map.of("SPIKE_ZENDESK_CLIENTSECRET", text));
      assertEquals("a;b #c\\", inEnvironment.zendeskClient.secret(), "the environment");
    }

    @Test
    void takes_a_secret_of_the_environment_before_that_of_the_file() {
      var env = Map.of("SPIKE_ZENDESK_CLIENTSECRET", "\n", "SPIKE_EMAIL_PASSWORD", "word-of-env");
      var world = world(env);
      var config = read(world, with("email", "Password = paste-the-app-password-here"));
      assertEquals("secret-of-zendesk", config.zendeskClient.secret(), "an empty one is none");
      assertEquals("word-of-env", config.password);
      assertEquals("*** and ***", world.secrets.redact("word-of-env and secret-of-zendesk"));
    }

    /** A planted one could send the environment's secrets to its own Host. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "rw------- | 0 | ",
        "rw-r----- | 0 | others may use it (rw-r-----): chmod 600 INI",
        "rw-rw---- | 0 | others may use it (rw-rw----): chmod 600 INI",
        "rw-rw-rw- | 78 | belongs to another user, or everybody may write it (rw-rw-rw-), so that "
            + "its hosts cannot be trusted (expected: chown, chmod 600)",
    })
    void that_others_may_use_is_warned_about_or_refused(String rights, int code, String line)
        throws IOException {
      var file = write("auth.ini", WHOLE);
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(rights));
      var expected = line == null ? "" : file + ": " + line.replace("INI", file.toString());
      if (code == 0) {
        assertEquals(expected, String.join("\n", Config.read(file, world(Map.of())).warnings));
        return;
      }
      var thrown = assertThrows(Fault.class, () -> Config.read(file, world(Map.of())));
      assertEquals(expected, thrown.getMessage());
      assertEquals(0.6, Config.readOffline(file, world(Map.of())).spikeThreshold, "sends nothing");
    }

    @Test
    void of_another_user_is_refused() throws IOException {
      var file = write("auth.ini", WHOLE);
      Assumptions.assumeTrue(Files.getAttribute(file, "unix:uid").equals(0), "root can give it");
      Files.setAttribute(file, "unix:uid", 4242);
      var thrown = assertThrows(Fault.class, () -> Config.read(file, world(Map.of())));
      assertTrue(thrown.getMessage().startsWith(file + ": belongs to another user"));
    }

    /** A lead with INI and CSV can use the offline commands. */
    @Test
    void of_the_offline_commands_needs_neither_secrets_nor_mail() {
      var ini = """
          [zendesk]
          ClientSecretCommand = pass show zendesk
          [email]
          Recipient = nonsense
          [misc]
          SpikeThreshold = 0.7
          """;
      assertEquals(0.7, offline(ini).spikeThreshold);
      assertThrows(Fault.class, () -> offline("[misc]\nSpikeThreshold = seven\n"));
    }

    /** Keys and defaults stand in three places, which must say the same. */
    @Test
    void has_the_same_keys_and_defaults_in_code_readme_and_example() throws IOException {
      var code = new TreeSet<String>(read(WHOLE).asked);
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
      var given = read(ini);
      var absent = read(WHOLE);
      for (var field : Config.class.getDeclaredFields()) {
        if (Modifier.isStatic(field.getModifiers())) continue;
        assertEquals(field.get(absent), field.get(given), field.getName());
      }
    }

    @Test
    void is_not_taken_from_the_example_as_it_is() throws IOException {
      var keys = refusal(Files.readString(source("auth.ini.example"))).lines()
          .map(line -> line.replaceFirst("(\\[.*?): .*", "$1")).toList();
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
