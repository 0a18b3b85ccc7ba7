package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;
import static spikenotifier.Desk.Trouble.answer;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.BeforeEach;
import spikenotifier.Fakes.MailServer;
import spikenotifier.Fakes.SmtpScript;
import spikenotifier.SpikeNotifier.*;

/** A day's history, a mail server that follows a script, and what it was told. */
abstract class Deliveries extends Scenario {
  static final String SPIKE = "2026-11-10T13.spike.json";

  @BeforeEach
  void nothing_to_fill() throws IOException {
    known(240, 10);
  }

  SmtpScript smtp(String... replies) throws IOException {
    var smtp = new SmtpScript(replies);
    config("email/Port = " + smtp.port() + "\nemail/Security = none\nemail/Password = -\nkept = yes"
        + "\nemail/Recipient = a@acme.example, b@acme.example");
    return smtp;
  }

  /** One that offers the sign-in, which the password of auth.ini then asks for. */
  SmtpScript signIn(String... replies) throws IOException {
    var smtp = smtp("EHLO", "250-x|250 AUTH PLAIN LOGIN");
    smtp.script(replies);
    config("email/Password = " + MailServer.PASSWORD);
    return smtp;
  }

  void receivers(int number) throws IOException {
    var addresses = new StringJoiner(", ");
    for (int i = 0; i < number; i++) addresses.add((char) ('a' + i) + "@acme.example");
    config("email/Recipient = " + addresses);
  }

  /** Of each receiver the first letter of its latest answer, - for who was not asked. */
  String answers(String name, String... receivers) throws IOException {
    var place = files("outbox").contains(name) ? "outbox" : "done";
    var answers = notice(place, name).path("answers");
    var letters = new StringBuilder();
    for (var receiver : receivers) {
      var outcome = answers.path(receiver + "@acme.example").path("outcome").asText("-");
      letters.append(outcome.charAt(0));
    }
    return letters.toString();
  }

  JsonNode notice(String folderName, String name) throws IOException {
    return SpikeNotifier.JSON.readTree(file(folderName, name).toFile());
  }

  static List<String> receivers(SmtpScript smtp) {
    var receivers = new ArrayList<String>();
    for (var line : smtp.said) {
      if (line.startsWith("RCPT TO:")) receivers.add(line.replaceAll(".*<(\\w)@.*", "$1"));
    }
    return receivers;
  }

  /** A server that is asked by HTTP, and answers as it is told. */
  static final class Hook implements AutoCloseable {
    final List<String> asked = new CopyOnWriteArrayList<>();
    final List<String> bodies = new CopyOnWriteArrayList<>();
    volatile int status = 200;
    volatile ToIntFunction<String> statusOf = body -> status;
    volatile String answer = "ok";
    volatile long delay;
    private final CountDownLatch over = new CountDownLatch(1);
    private final HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);

    Hook() throws IOException {
      server.createContext("/", exchange -> {
        asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI());
        var body = new String(exchange.getRequestBody().readAllBytes(), UTF_8);
        bodies.add(body);
        try {
          over.await(delay, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
          return; // the test is over
        }
        var bytes = answer.getBytes(UTF_8);
        int length = bytes.length == 0 ? -1 : bytes.length;
        exchange.sendResponseHeaders(statusOf.applyAsInt(body), length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
      });
      server.start();
    }

    String url() {
      return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @Override
    public void close() {
      over.countDown();
      server.stop(0);
    }
  }
}
