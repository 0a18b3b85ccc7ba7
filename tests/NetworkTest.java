package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import spikenotifier.Fakes.Certificates;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.RawServer;
import spikenotifier.SpikeNotifier.*;

/** Ways to the world: authorities, proxies, and files that are not to be trusted. */
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
    @CsvSource({"none.pem, ''", "rubbish.pem, rubbish"})
    void that_cannot_be_read_is_told_in_one_line_and_silences_no_alarm(String name, String text)
        throws IOException {
      var file = folder.resolve(name);
      if (!text.isEmpty()) Files.writeString(file, text);
      env.put("SSL_CERT_FILE", file.toString());
      var said = run(Exit.CONFIG).err();
      assertTrue(said.startsWith("SSL_CERT_FILE " + file + ": cannot be read, so that Java's own "
          + "authorities alone are trusted: "), said);
      assertEquals(1, said.lines().count());
      assertEquals(1, mail.received.size());
      assertEquals(said, run(Exit.CONFIG, "doctor").err());
    }
  }

  @Nested
  class A_proxy {
    private static URI way(String url, String... variables) {
      var env = new HashMap<String, String>();
      for (int i = 0; i < variables.length; i += 2) env.put(variables[i], variables[i + 1]);
      return EnvironmentProxy.of(URI.create(url), env);
    }

    @ParameterizedTest
    @CsvSource({
        "https://api.acme.example, .acme.example, true",
        "https://api.acme.example, 'x.example, ACME.example', true",
        "https://acme.example, *.acme.example, true",
        "https://xacme.example, acme.example, false",
        "https://acme.example:8443, acme.example, true",
        "https://acme.example, *, true",
        "https://acme.example, '', false",
        "https://127.0.0.1, '', true", "https://localhost, '', true", "https://[::1], '', true",
        "http://kuma.lan/x, '', true", // plain http is near
    })
    void is_left_aside_for_what_is_near_and_named(String url, String list, boolean isDirect) {
      var proxy = way(url, "https_proxy", "http://proxy.example:3128", "no_proxy", list);
      assertEquals(isDirect, proxy == null);
      assertEquals(proxy, way(url, "HTTPS_PROXY", "http://proxy.example:3128", "NO_PROXY", list));
    }

    @ParameterizedTest
    @CsvSource({
        "proxy.example:3128, proxy.example, 3128, ''",
        "http://me:w%20ord+@proxy.example:8080/, proxy.example, 8080, me:w ord+",
        "' http://[fd00::1]:3128\n', '[fd00::1]', 3128, ''",
    })
    void is_asked_with_the_name_and_password_of_its_address(String value, String host, int port,
        String signIn) {
      var proxy = way("https://acme.example", "https_proxy", value);
      assertEquals(host + ":" + port, proxy.getHost() + ":" + proxy.getPort());
      var request = HttpRequest.newBuilder(URI.create("https://acme.example")).build();
      var secrets = new Secrets();
      var sent = EnvironmentProxy.signedIn(request, proxy, secrets)
          .headers().firstValue("Proxy-Authorization").orElse("Basic ");
      var basic = sent.substring("Basic ".length());
      assertEquals(signIn, new String(Base64.getDecoder().decode(basic), UTF_8));
      if (!basic.isEmpty()) assertEquals("*** ***", secrets.redact("w ord+ " + basic));
    }

    @ParameterizedTest
    @ValueSource(strings = {"socks5://127.0.0.1:1080", "https://proxy.example:1", "proxy.example",
        "http://:bad host", "http://me:hunter-2@proxy.example", "http://proxy.example:99999"})
    void that_is_malformed_silences_nobody_who_needs_none(String value) throws IOException {
      env.put("https_proxy", value);
      run(Exit.OK);
      assertEquals(1, mail.received.size());
      config("kept = yes\nzendesk/BaseUrl = -");
      assertEquals("https_proxy: malformed (expected http://HOST:PORT)\n", run(Exit.CONFIG).err());
    }

    /** With 407 to CONNECT Java gives an answer without a body, with 502 it throws. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "407 | answers 407",
        "502 | Tunnel failed, got: 502",
    })
    void that_refuses_stops_only_what_needs_it(int status, String reason) throws IOException {
      var asked = new CopyOnWriteArrayList<String>();
      try (var proxy = new RawServer(socket -> {
        var bytes = new byte[10_000];
        asked.add(new String(bytes, 0, socket.getInputStream().read(bytes), UTF_8));
        socket.getOutputStream().write(("HTTP/1.1 " + status + " x\r\nProxy-Authenticate: Basic "
            + "realm=\"x\"\r\nContent-Length: 0\r\n\r\n").getBytes(UTF_8));
      })) {
        env.put("https_proxy", "http://me:proxys-word@127.0.0.1:" + proxy.port());
        config("webhook/Url = https://hooks.example.com/x");
        var lines = run(Exit.TRY_LATER).err().lines().toList();
        assertEquals("webhook did not take " + SPIKE + ": hooks.example.com: " + reason,
            lines.get(0));
        assertEquals(1, mail.received.size());
        assertTrue(asked.get(0).startsWith("CONNECT hooks.example.com:443 "), asked.get(0));
        assertTrue(asked.get(0).contains("Proxy-Authorization: Basic "), asked.get(0));
        config("webhook/Url = -\nkept = yes\nzendesk/BaseUrl = -");
        later(1);
        var said = run(Exit.ZENDESK).err();
        assertTrue(said.startsWith("[zendesk] acme.zendesk.com"), said);
        assertTrue(said.contains(reason), said);
        assertEquals(status == 407, said.contains("(the proxy wants a sign-in: https_proxy="));
      }
    }
  }

  @Nested
  class Files_of_others {
    /** Nothing is sent to its hosts. */
    @Test
    void that_everybody_may_write_are_no_config() throws IOException {
      var ini = folder.resolve("auth.ini");
      Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString("rw-rw-rw-"));
      for (var command : List.of(List.<String>of(), List.of("doctor", "--send"))) {
        var outcome = run(Exit.CONFIG, command.toArray(String[]::new));
        assertTrue((outcome.out() + outcome.err()).contains(ini + ": belongs to another user, or "
            + "everybody may write it (rw-rw-rw-)"), outcome.err());
      }
      assertEquals(0, desk.requests());
      assertEquals(0, mail.received.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".told", ".lock", ".tags"})
    void that_are_pipes_block_nothing(String suffix) throws Exception {
      var file = folder.resolve("out/history.csv" + suffix);
      Files.deleteIfExists(file);
      assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
      var outcome = run(suffix.equals(".tags") ? Exit.OK : Exit.HISTORY); // tags explain, no more
      assertTrue(outcome.err().contains(file + ": is no file (expected a regular one)"),
          outcome.err());
      assertEquals(1, mail.received.size(), "the alarm all the same: " + outcome.err());
      Files.delete(file);
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
      assertEquals(List.of(SPIKE), files("done"));
      assertTrue(run(Exit.OK, "doctor", "--send").out().contains("webhook ops"));
    }
  }
}
