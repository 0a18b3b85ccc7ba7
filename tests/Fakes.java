package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;

import jakarta.mail.MessagingException;
import jakarta.mail.Multipart;
import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.subethamail.smtp.AuthenticationHandler;
import org.subethamail.smtp.AuthenticationHandlerFactory;
import org.subethamail.smtp.MessageContext;
import org.subethamail.smtp.MessageHandler;
import org.subethamail.smtp.RejectException;
import org.subethamail.smtp.auth.EasyAuthenticationHandlerFactory;
import org.subethamail.smtp.auth.LoginFailedException;
import org.subethamail.smtp.server.SMTPServer;
import spikenotifier.SpikeNotifier.History;
import spikenotifier.SpikeNotifier.Hour;
import spikenotifier.SpikeNotifier.TagHistory;
import spikenotifier.SpikeNotifier.Ticker;
import spikenotifier.SpikeNotifier.Told;

/** What stands in for the world in the tests: time, servers, certificates. */
final class Fakes {
  private Fakes() { }

  /** Passes when somebody sleeps, at no cost. */
  static final class VirtualTime implements Ticker {
    final List<Long> waits = new CopyOnWriteArrayList<>(); // milliseconds
    private long nanos = 1;

    @Override
    public synchronized long nanos() {
      return nanos;
    }

    @Override
    public synchronized void sleep(long millis) {
      waits.add(millis);
      nanos += millis * 1_000_000;
    }
  }

  /** A server that takes connections and does as it likes with the bytes. */
  static final class RawServer implements AutoCloseable {
    interface Talk {
      void with(Socket socket) throws IOException, InterruptedException;
    }

    final AtomicInteger connections = new AtomicInteger();
    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));

    RawServer(Talk talk) throws IOException {
      var thread = new Thread(() -> {
        while (!server.isClosed()) {
          try {
            var socket = server.accept();
            connections.incrementAndGet();
            var each = new Thread(() -> talk(talk, socket));
            each.setDaemon(true);
            each.start();
          } catch (IOException e) {
            return; // closed
          }
        }
      });
      thread.setDaemon(true);
      thread.start();
    }

    private static void talk(Talk talk, Socket socket) {
      try (socket) {
        talk.with(socket);
      } catch (IOException | InterruptedException e) {
        // the client went away, as these tests mean it to
      }
    }

    int port() {
      return server.getLocalPort();
    }

    String url() {
      return "http://127.0.0.1:" + port();
    }

    @Override
    public void close() throws IOException {
      server.close();
    }
  }

  /**
   * A plain SMTP server that says what it is told to. The longest beginning of a command that has a
   * reply wins; "GREETING" stands for the connection and "." for the end of a mail. RESET and CLOSE
   * end the connection, HANG says nothing more, DELAY:ms:reply comes late.
   */
  static final class SmtpScript implements AutoCloseable {
    final List<String> said = new CopyOnWriteArrayList<>(); // by the client
    final List<String> mails = new CopyOnWriteArrayList<>();
    volatile String refused = "\0"; // what no mail may hold
    private final Map<String, String> replies = new ConcurrentHashMap<>();
    private final CountDownLatch over = new CountDownLatch(1);
    private final RawServer server;

    SmtpScript(String... replies) throws IOException {
      script("GREETING", "220 mail.example ESMTP", "EHLO", "250 mail.example", "DATA", "354 go",
          ".", "250 queued", "CONTENT", "554 5.7.1 spam", "QUIT", "221 bye", "", "250 ok");
      script(replies);
      server = new RawServer(this::talk);
    }

    /** @param replies command and reply by turns */
    void script(String... replies) {
      for (int i = 0; i < replies.length; i += 2) this.replies.put(replies[i], replies[i + 1]);
    }

    int port() {
      return server.port();
    }

    int connections() {
      return server.connections.get();
    }

    private void talk(Socket socket) throws IOException, InterruptedException {
      var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
      if (!reply(socket, "GREETING")) return;
      for (var line = in.readLine(); line != null; line = in.readLine()) {
        said.add(line);
        if (!reply(socket, line)) return;
        if (line.equals("DATA") && replyTo(line).startsWith("354")) {
          var mail = new StringBuilder();
          var text = in.readLine();
          while (text != null && !text.equals(".")) {
            mail.append(text.startsWith(".") ? text.substring(1) : text).append("\r\n");
            text = in.readLine();
          }
          if (text == null) return;
          boolean isRefused = mail.indexOf(refused) >= 0;
          if (replyTo(".").contains("250") && !isRefused) mails.add(mail.toString());
          if (!reply(socket, isRefused ? "CONTENT" : ".")) return;
        }
        if (line.equals("QUIT")) return;
      }
    }

    private String replyTo(String command) {
      var longest = "";
      for (var start : replies.keySet()) {
        if (command.startsWith(start) && start.length() > longest.length()) longest = start;
      }
      return replies.get(longest);
    }

    /** @return whether the conversation goes on */
    private boolean reply(Socket socket, String command) throws IOException, InterruptedException {
      for (var reply : replyTo(command).split("\\|")) {
        var parts = reply.split(":", 3);
        if (parts[0].equals("DELAY")) Thread.sleep(Long.parseLong(parts[1]));
        if (parts[0].equals("HANG")) over.await(1, TimeUnit.MINUTES);
        if (parts[0].equals("RESET")) socket.setSoLinger(true, 0);
        if (Set.of("RESET", "CLOSE", "HANG").contains(parts[0])) {
          socket.close();
          return false;
        }
        var text = parts[0].equals("DELAY") ? parts[2] : reply;
        socket.getOutputStream().write((text + "\r\n").getBytes(UTF_8));
      }
      return true;
    }

    @Override
    public void close() throws IOException {
      over.countDown();
      server.close();
    }
  }

  /** One mail as it came in. */
  record Received(String recipient, MimeMessage message) {
    String header(String name) {
      try {
        return message.getHeader(name, ",");
      } catch (MessagingException e) {
        throw new IllegalStateException(e);
      }
    }

    String subject() {
      try {
        return message.getSubject();
      } catch (MessagingException e) {
        throw new IllegalStateException(e);
      }
    }

    String part(int number) {
      try {
        return ((Multipart) message.getContent()).getBodyPart(number).getContent().toString()
            .replace("\r\n", "\n");
      } catch (MessagingException | IOException e) {
        throw new IllegalStateException(e);
      }
    }

    String text() {
      return part(0);
    }
  }

  /** A real SMTP server with STARTTLS and sign-in. */
  static final class MailServer implements AutoCloseable {
    static final String PASSWORD = "pa\\ss;wo#rd=%:$ 1";

    /** Throws to refuse: stage is {@code recipient} or {@code data}. */
    interface Mood {
      void at(String stage, String what) throws RejectException;
    }

    final List<Received> received = new CopyOnWriteArrayList<>();
    volatile Mood mood = (stage, what) -> { };
    private final SMTPServer server;

    MailServer(SSLContext tls, AuthenticationHandlerFactory signIn) throws IOException {
      this(tls, signIn, false);
    }

    /** @param fromTheStart TLS as on port 465, without STARTTLS */
    MailServer(SSLContext tls, AuthenticationHandlerFactory signIn, boolean fromTheStart)
        throws IOException {
      var builder = SMTPServer.port(0).bindAddress(InetAddress.getByName("127.0.0.1"))
          .messageHandlerFactory(context -> new Handler());
      if (fromTheStart) {
        builder = builder.serverSocketFactory(tls);
      } else if (tls != null) {
        builder = builder.enableTLS().requireTLS().startTlsSocketFactory(tls);
      }
      if (signIn != null) {
        builder = builder.authenticationHandlerFactory(signIn).requireAuth()
            .showAuthCapabilitiesBeforeSTARTTLS(false);
      }
      server = builder.build();
      server.start();
    }

    static MailServer usual() throws IOException {
      return new MailServer(Certificates.context("good"), byPassword());
    }

    static AuthenticationHandlerFactory byPassword() {
      return new EasyAuthenticationHandlerFactory((user, password, context) -> {
        if (!user.equals("spikes") || !password.equals(PASSWORD)) {
          throw new LoginFailedException("5.7.8 Username and Password not accepted");
        }
      });
    }

    /** XOAUTH2 as Microsoft 365 and Gmail have it; {@code token} is the one that is let in. */
    static AuthenticationHandlerFactory byToken(String token) {
      return new AuthenticationHandlerFactory() {
        @Override
        public List<String> getAuthenticationMechanisms() {
          return List.of("XOAUTH2");
        }

        @Override
        public AuthenticationHandler create() {
          return new AuthenticationHandler() {
            @Override
            public Optional<String> auth(String words, MessageContext context)
                throws RejectException {
              var decoded = Base64.getDecoder().decode(words.split(" ")[2]);
              var given = new String(decoded, UTF_8);
              if (!given.equals("user=spikes\u0001auth=Bearer " + token + "\u0001\u0001")) {
                throw new RejectException(535, "5.7.3 Authentication unsuccessful");
              }
              return Optional.empty();
            }

            @Override
            public Object getIdentity() {
              return "spikes";
            }
          };
        }
      };
    }

    int port() {
      return server.getPortAllocated();
    }

    @Override
    public void close() {
      server.stop();
    }

    private final class Handler implements MessageHandler {
      private final List<String> recipients = new ArrayList<>();

      @Override
      public void from(String from) { }

      @Override
      public void recipient(String recipient) throws RejectException {
        mood.at("recipient", recipient);
        recipients.add(recipient);
      }

      @Override
      public String data(InputStream data) throws RejectException, IOException {
        var bytes = data.readAllBytes();
        mood.at("data", "");
        try {
          for (var recipient : recipients) {
            received.add(new Received(recipient, new MimeMessage(
                Session.getInstance(new Properties()), new ByteArrayInputStream(bytes))));
          }
        } catch (MessagingException e) {
          throw new IOException(e);
        }
        return "taken";
      }

      @Override
      public void done() { }
    }
  }

  /** Made for the occasion, signed by a trusted authority, but for one that nobody signed. */
  static final class Certificates {
    private static final String SECRET = "changeit";
    private static final KeyStore KEYS = made();

    private Certificates() { }

    /** Has to come before anything asks for the JVM's own trust store. */
    static void install() {
      try {
        var trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", KEYS.getCertificate("ca"));
        var file = Files.createTempFile("trusted", ".p12");
        file.toFile().deleteOnExit();
        try (var out = Files.newOutputStream(file)) {
          trusted.store(out, SECRET.toCharArray());
        }
        System.setProperty("javax.net.ssl.trustStore", file.toString());
        System.setProperty("javax.net.ssl.trustStorePassword", SECRET);
      } catch (GeneralSecurityException | IOException e) {
        throw new IllegalStateException(e);
      }
    }

    private static KeyStore made() {
      try {
        var file = Files.createTempDirectory("keys").resolve("keys.p12");
        keytool(file, "ca", "-dname", "CN=Authority", "-ext", "BC=ca:true", "-validity", "3650");
        signed(file, "good", "localhost", "-1d", "3650");
        signed(file, "expired", "localhost", "-10d", "5");
        signed(file, "other", "elsewhere.example", "-1d", "3650");
        keytool(file, "untrusted", "-dname", "CN=localhost", "-ext", "SAN=dns:localhost",
            "-validity", "3650");
        var keys = KeyStore.getInstance(file.toFile(), SECRET.toCharArray());
        Files.delete(file);
        Files.delete(file.getParent());
        return keys;
      } catch (GeneralSecurityException | IOException e) {
        throw new IllegalStateException(e);
      }
    }

    private static void signed(Path file, String alias, String host, String start, String days)
        throws IOException {
      keytool(file, alias, "-dname", "CN=" + host, "-ext", "SAN=dns:" + host, "-startdate", start,
          "-validity", days, "-signer", "ca");
    }

    private static void keytool(Path file, String alias, String... more) throws IOException {
      var command = new ArrayList<>(List.of(tool("keytool"), "-genkeypair", "-alias", alias,
          "-keyalg", "EC", "-keystore", file.toString(), "-storepass", SECRET));
      command.addAll(List.of(more));
      var process = new ProcessBuilder(command).redirectErrorStream(true).start();
      var said = new String(process.getInputStream().readAllBytes(), UTF_8);
      try {
        if (process.waitFor() != 0) {
          throw new IOException(said);
        }
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
    }

    static byte[] encoded(String alias) throws GeneralSecurityException {
      return KEYS.getCertificate(alias).getEncoded();
    }

    /** A server's side with that certificate alone. */
    static SSLContext context(String alias) {
      try {
        var one = KeyStore.getInstance("PKCS12");
        one.load(null, null);
        one.setKeyEntry(alias, KEYS.getKey(alias, SECRET.toCharArray()), SECRET.toCharArray(),
            KEYS.getCertificateChain(alias));
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(one, SECRET.toCharArray());
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
      } catch (GeneralSecurityException | IOException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** A history in the folder's {@code out}: the hours {@code [first, end)} are known and judged. */
  static void known(Path folder, Hour first, Hour end, long each) {
    var file = folder.resolve("out/history.csv");
    var history = new History(file);
    Hour.range(first, end).forEach(hour -> history.raise(hour, each));
    history.save();
    var told = new Told("acme.zendesk.com", "", first);
    Hour.range(end.plus(-Told.WEEK), end).filter(history::knows).forEach(hour ->
        told.judged.put(hour, history.at(hour)));
    told.save(file);
  }

  /** Four weeks of tags before the hour: so many tickets, and how many carry each tag. */
  static void tagged(Path folder, Hour end, long tickets, Map<String, Long> counts) {
    var tags = new TagHistory(folder.resolve("out/history.csv"));
    var withChannel = new TreeMap<>(counts);
    withChannel.put("via:web", tickets);
    Hour.range(end.plus(-24 * TagHistory.DAYS), end).forEach(hour ->
        tags.put(hour, tickets, withChannel));
    tags.save();
  }

  /** The program in a JVM of its own, on the real clock; it speaks into the file "child". */
  static Process child(Path folder, String... options) throws IOException {
    var command = new ArrayList<>(List.of(tool("java")));
    command.addAll(List.of(options));
    for (var name : List.of("trustStore", "trustStorePassword")) {
      var property = "javax.net.ssl." + name;
      command.add("-D" + property + "=" + System.getProperty(property));
    }
    command.addAll(List.of("-cp", System.getProperty("java.class.path"),
        "spikenotifier.SpikeNotifier", "-c", folder.resolve("auth.ini").toString()));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("child").toFile())
        .start();
  }

  private static String tool(String name) {
    return Path.of(System.getProperty("java.home"), "bin", name).toString();
  }

  static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
