package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** Ways to the world: authorities, proxies, hosts, and files that are not to be trusted. */
class NetworkTest extends Deliveries {
  @Nested
  class An_authority_of_ones_own {
    /** Trusted by SSL_CERT_FILE alone: for Zendesk's side and for mail. */
    @Test
    void is_trusted_beside_javas() throws Exception {
      var server = HttpsServer.create(new InetSocketAddress("localhost", 0), 0);
      server.setHttpsConfigurator(new HttpsConfigurator(Certificates.context("untrusted")));
      server.createContext("/", exchange -> {
        exchange.getRequestBody().readAllBytes();
        exchange.sendResponseHeaders(200, -1);
        exchange.close();
      });
      server.start();
      mail.close();
      mail = new MailServer(Certificates.context("untrusted"), MailServer.byPassword());
      try {
        config("webhook/Url = https://localhost:" + server.getAddress().getPort() + "/hook");
        run(Exit.TRY_LATER);
        env.put("SSL_CERT_FILE", pem("untrusted").toString());
        run(Exit.OK);
        assertEquals(1, mail.received.size());
      } finally {
        server.stop(0);
      }
    }

    private Path pem(String alias) throws Exception {
      var base64 = Base64.getMimeEncoder(64, "\n".getBytes(UTF_8))
          .encodeToString(Certificates.encoded(alias));
      return Files.writeString(folder.resolve("own.pem"),
          "-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n");
    }

    /** Java's own may be all that this hour's spike needs. */
    @ParameterizedTest
    @CsvSource({"none.pem, no such file", "empty.pem, it holds no certificate"})
    void that_cannot_be_read_is_told_in_one_line_and_silences_no_alarm(String name, String reason)
        throws IOException {
      Files.writeString(folder.resolve("empty.pem"), "");
      env.put("SSL_CERT_FILE", folder.resolve(name).toString());
      var line = "SSL_CERT_FILE " + folder.resolve(name) + ": cannot be read: " + reason
          + " (expected certificates of authorities)";
      assertEquals(line + "\n", run(Exit.CONFIG).err());
      assertEquals(1, mail.received.size());
      var doctor = run(Exit.CONFIG, "doctor");
      assertTrue(doctor.out().contains("FAIL  config: " + line), doctor.out());
    }
  }

  /** A pipe would wait for ever. */
  @Test
  void authorities_are_no_pipe() throws Exception {
    var pipe = folder.resolve("own.pem");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    env.put("SSL_CERT_FILE", pipe.toString());
    assertEquals(pipe + ": is no file (expected a regular one)\n", run(Exit.CONFIG).err());
    assertEquals(1, mail.received.size());
  }

  @Nested
  class A_proxy {
    @ParameterizedTest
    @CsvSource({
        "10.1.2.3, 10.0.0.0/8, true", "11.1.2.3, 10.0.0.0/8, false",
        "192.168.7.9, '10.0.0.0/8,192.168.7.8/29', true", "zendesk.example, 10.0.0.0/8, false",
        "api.acme.example, .acme.example, true", "acme.example, *.acme.example, true",
        "xacme.example, acme.example, false", "acme.example, acme.example:443, true",
        "acme.example, acme.example:8443, false", "acme.example, *, true",
        "'[fd00::1]', fd00::/8, true", "'[fd00::9]', fd00::9, true",
        "127.0.0.1, '', true", "localhost, '', true",
        "'[::1]', '', true",
    })
    void is_left_aside_as_curl_does(String host, String list, boolean isDirect) {
      var proxy = new EnvironmentProxy(Map.of("https_proxy", "http://proxy.example:3128",
          "no_proxy", list));
      var way = proxy.select(URI.create("https://" + host + "/x")).get(0);
      assertEquals(isDirect, way.equals(Proxy.NO_PROXY));
    }

    /** As containers are called; Java's own URL has neither host, port nor name of such a one. */
    @ParameterizedTest
    @CsvSource({
        "squid_proxy:3128, squid_proxy, 3128, ''", "http://squid_proxy/, squid_proxy, 1080, ''",
        "http://me:w%20ord+@squid_proxy:3128, squid_proxy, 3128, me:w ord+",
        "http://me:word@proxy.example:8080, proxy.example, 8080, me:word",
        "HTTP://[fd00::1]:3128/, '[fd00::1]', 3128, ''", "'http://a:p@@b', b, 1080, a:p@",
    })
    void may_be_called_anything(String value, String host, int port, String signIn) {
      var proxy = new EnvironmentProxy(Map.of("https_proxy", value));
      var address = proxy.address("https");
      assertEquals(host + ":" + port, address.host() + ":" + address.port());
      var request = HttpRequest.newBuilder(URI.create("https://acme.example")).build();
      var sent = proxy.signedIn(request, new Secrets())
          .headers().firstValue("Proxy-Authorization").orElse("Basic ");
      var basic = Base64.getDecoder().decode(sent.substring("Basic ".length()));
      assertEquals(signIn, new String(basic, UTF_8));
    }

    @Test
    void is_left_aside_by_the_capitals_where_the_other_is_empty() {
      var proxy = new EnvironmentProxy(Map.of("https_proxy", "http://proxy.example:3128",
          "no_proxy", "", "NO_PROXY", "acme.example"));
      assertEquals(List.of(Proxy.NO_PROXY), proxy.select(URI.create("https://acme.example/x")));
    }

    /** Java's client asks such a host by its number. */
    @Test
    void is_left_aside_for_a_name_with_an_underscore() {
      var proxy = new EnvironmentProxy(Map.of("http_proxy", "http://proxy.example:3128",
          "no_proxy", "up_time"));
      var request = HttpRequest.newBuilder(URI.create("http://10.1.2.3:3001/x"))
          .header("Host", "up_time:3001").build();
      proxy.signedIn(request, new Secrets());
      assertEquals(List.of(Proxy.NO_PROXY), proxy.select(request.uri()));
    }

    /** With 407 to CONNECT Java gives an answer without a body, with 502 it throws. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "407 | the proxy refuses the sign-in (expected http://NAME:PASSWORD@HOST:PORT in "
            + "https_proxy or http_proxy)",
        "502 | Tunnel failed, got: 502",
    })
    void that_refuses_stops_only_what_needs_it(int status, String reason) throws IOException {
      try (var proxy = new RawServer(socket -> {
        socket.getInputStream().read(new byte[10_000]);
        socket.getOutputStream().write(("HTTP/1.1 " + status + " x\r\nProxy-Authenticate: Basic "
            + "realm=\"x\"\r\nContent-Length: 0\r\n\r\n").getBytes(UTF_8));
      })) {
        env.put("https_proxy", "http://me:proxys-word@127.0.0.1:" + proxy.port());
        config("webhook/Url = https://hooks.example.com/x");
        var lines = run(Exit.TRY_LATER).err().lines().toList();
        assertTrue(lines.get(0).startsWith("[webhook] hooks.example.com: " + reason), lines.get(0));
        assertEquals(1, mail.received.size());
        config("webhook/Url = -\nzendesk/BaseUrl = -");
        later(1);
        assertTrue(run(Exit.ZENDESK).err().contains("[zendesk] acme.zendesk.com: " + reason));
      }
    }

    @Test
    void that_echoes_its_sign_in_shows_no_password() throws IOException {
      var basic = Base64.getEncoder().encodeToString("me:proxys-word".getBytes(UTF_8));
      try (var proxy = new RawServer(socket -> {
        socket.getInputStream().read(new byte[10_000]);
        var echo = "you said Basic " + basic + ", that is proxys-word";
        socket.getOutputStream().write(("HTTP/1.1 403 x\r\nContent-Length: " + echo.length()
            + "\r\n\r\n" + echo).getBytes(UTF_8));
      })) {
        env.put("http_proxy", "http://me:proxys-word@127.0.0.1:" + proxy.port());
        config("monitor/PingUrl = http://watch.internal/ping/x");
        assertEquals("[monitor] PingUrl: watch.internal answers 403 you said Basic ***, that is "
            + "***\n", run(Exit.OK).err());
      }
    }

    @Test
    void whose_scheme_is_not_spoken_is_refused_by_name() throws IOException {
      env.put("https_proxy", "socks5://127.0.0.1:1080");
      var line = "https_proxy: socks5 is not spoken (expected http://HOST:PORT)\n";
      config("kept = yes\nzendesk/BaseUrl = -\nmonitor/PingUrl = https://hc-ping.com/none");
      assertEquals(line + "[monitor] PingUrl: hc-ping.com: " + line, run(Exit.CONFIG).err());
    }

    /** What lies on this machine is reached without it. */
    @Test
    void that_is_malformed_silences_nobody_who_needs_none() throws IOException {
      env.put("https_proxy", "socks5://127.0.0.1:1080");
      run(Exit.OK);
      assertEquals(1, mail.received.size());
    }

    @Test
    void is_never_asked_for_this_machine() throws IOException {
      try (var proxy = new RawServer(socket -> { })) {
        env.put("http_proxy", "http://127.0.0.1:" + proxy.port());
        run(Exit.OK);
        assertEquals(0, proxy.connections.get());
      }
    }
  }

  @Nested
  class A_host {
    @Test
    void with_an_underscore_is_asked() throws IOException {
      config("monitor/PingUrl = http://no_such_kuma:3001/api/push/K?status=up");
      assertEquals("[monitor] PingUrl: no_such_kuma:3001: no such host\n", run(Exit.OK).err());
      config("email/Host = no_such_mail");
      later(1);
      assertTrue(run(Exit.TRY_LATER).err().startsWith("[email] no_such_mail:" + mail.port()
          + ": no such host\n"));
    }

    /** Whatever a resolver may make of them: 134744072 is 8.8.8.8. */
    @ParameterizedTest
    @ValueSource(strings = {"134744072", "0x8080808"})
    void that_is_a_number_is_not_near(String host) throws IOException {
      config("monitor/PingUrl = http://" + host + "/x");
      assertTrue(run(Exit.CONFIG).err().contains("[monitor] PingUrl: malformed"));
    }

    /** Java's client could ask it by its number alone, which no certificate names. */
    @ParameterizedTest
    @ValueSource(strings = {"zendesk/BaseUrl", "email/TokenUrl", "webhook/Url", "monitor/PingUrl"})
    void with_an_underscore_is_refused_by_tls(String key) throws IOException {
      config("kept = yes\nemail/Password = -\nemail/ClientId = x\nemail/ClientSecret = xxxxxxxx\n"
          + "email/TokenUrl = https://token.example/x\n" + key + " = https://no_such_host:1/x");
      var name = key.replaceFirst("(.*)/", "[$1] ");
      assertEquals(folder.resolve("auth.ini") + ": " + name + ": no_such_host is no name of "
          + "a host (expected one without an underscore, as TLS needs it)",
          run(Exit.CONFIG).err().lines().findFirst().orElseThrow());
    }
  }

  @Nested
  class Files_of_others {
    /** As in a container whose user has no name, for which Java says "?". */
    @Test
    void are_told_from_ones_own_where_the_user_has_no_name() throws IOException {
      var name = System.getProperty("user.name");
      System.setProperty("user.name", "?");
      try {
        assertEquals(Files.getOwner(folder).getName(), Disk.user());
      } finally {
        System.setProperty("user.name", name);
      }
    }

    @Test
    void are_no_argument_files() {
      var outcome = run("-c", "@" + folder.resolve("auth.ini"));
      assertFalse(outcome.err().contains(Desk.SECRET), outcome.err());
    }

    /** Nothing of it is run, nothing sent. */
    @Test
    void that_everybody_may_write_are_no_config() throws IOException {
      config("email/PasswordCommand = touch was-run");
      var ini = folder.resolve("auth.ini");
      Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString("rw-rw-rw-"));
      for (var command : List.of(List.<String>of(), List.of("doctor"))) {
        var outcome = run(command.toArray(String[]::new));
        assertEquals(78, outcome.code());
        assertTrue((outcome.out() + outcome.err()).contains(ini + ": everybody may write it "
            + "(rw-rw-rw-), so nothing of it is used: chmod 600 " + ini), outcome.err());
      }
      assertFalse(Files.exists(folder.resolve("was-run")));
      assertEquals(0, desk.requests());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "rw-rw---- | INI: its group may write it (rw-rw----), and so run commands as this user: "
            + "chmod 600 INI",
        "rw-r----- | INI: holds secrets and others can read it (rw-r-----): chmod 600 INI",
    })
    void that_a_group_can_read_or_write_are_warned_about(String rights, String line)
        throws IOException {
      var ini = folder.resolve("auth.ini");
      Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString(rights));
      var lines = run(Exit.OK).err().lines().toList();
      assertEquals(line.replace("INI", ini.toString()), lines.get(0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"history.csv", "history.csv.state", "history.csv.lock",
        "history.csv.tags"})
    void that_are_pipes_block_nothing(String name) throws Exception {
      var file = folder.resolve("out/" + name);
      Files.deleteIfExists(file);
      assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
      var outcome = run();
      assertTrue(outcome.err().contains(file + ": is no file (expected a regular one)"),
          outcome.err());
      assertEquals(1, mail.received.size(), "the alarm all the same: " + outcome.err());
      Files.delete(file);
    }

    @Test
    void that_are_huge_are_laid_aside() throws IOException {
      Files.createDirectories(folder.resolve("out/outbox"));
      var file = folder.resolve("out/outbox/2026-11-10T12.spike.json");
      try (var huge = new java.io.RandomAccessFile(file.toFile(), "rw")) {
        huge.setLength(3L << 30);
      }
      assertTrue(run(Exit.TRY_LATER).err().contains(file + ": is no notice of this edition"));
      Files.delete(folder.resolve("out/refused/2026-11-10T12.spike.json"));
    }
  }

  @Test
  void a_team_with_a_chat_alone_needs_no_mail() throws IOException {
    try (var hook = new Hook()) {
      config("email/Sender = -\nemail/Recipient = -\nemail/Password = -\nemail/Username = -\n"
          + "email/Host = -\nkept = yes\nemail/Port = -\nwebhook/Url = " + hook.url() + "/a\n"
          + "webhook ops/Url = " + hook.url() + "/b\nwebhook ops/Format = json");
      run(Exit.OK);
      assertEquals(List.of("POST /a", "POST /b"), hook.asked);
      assertTrue(notice("sent", SPIKE).path("accepted").has("webhook ops"));
      assertTrue(run(Exit.OK, "doctor", "--send").out().contains("ok    sample by webhook ops: "));
    }
  }
}
