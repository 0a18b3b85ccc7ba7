package spikenotifier;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToLongFunction;

import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

import jakarta.mail.MessagingException;
import jakarta.mail.Multipart;
import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import org.subethamail.smtp.AuthenticationHandler;
import org.subethamail.smtp.AuthenticationHandlerFactory;
import org.subethamail.smtp.MessageContext;
import org.subethamail.smtp.MessageHandler;
import org.subethamail.smtp.RejectException;
import org.subethamail.smtp.auth.EasyAuthenticationHandlerFactory;
import org.subethamail.smtp.auth.LoginFailedException;
import org.subethamail.smtp.server.SMTPServer;

import spikenotifier.SpikeNotifier.Desk;
import spikenotifier.SpikeNotifier.History;
import spikenotifier.SpikeNotifier.Hour;
import spikenotifier.SpikeNotifier.Ticker;

/** What stands in for the world in the tests: time, a help desk with troubles, mail servers, certificates. */
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

    /** What happens to a request instead of the right answer. */
    interface Trouble {
        /** @return whether the request was dealt with */
        boolean takes(HttpExchange exchange, String path) throws IOException;

        Trouble NONE = (exchange, path) -> false;

        /** The same trouble, the first {@code times} that the path is asked for. */
        static Trouble first(int times, String ofPath, Trouble trouble) {
            var met = new AtomicInteger();
            return (exchange, path) -> path.contains(ofPath) && met.incrementAndGet() <= times
                    && trouble.takes(exchange, path);
        }

        static Trouble always(String ofPath, Trouble trouble) {
            return first(Integer.MAX_VALUE, ofPath, trouble);
        }

        static Trouble answer(int status, String body, String... headers) {
            return (exchange, path) -> {
                exchange.getRequestBody().readAllBytes();
                exchange.getResponseHeaders().set("Content-Type", "application/json");
                for (int i = 0; i < headers.length; i += 2) {
                    exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
                }
                var bytes = body.getBytes(UTF_8);
                exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
                exchange.getResponseBody().write(bytes);
                return true;
            };
        }

        /** Promises more bytes than come. */
        static Trouble cutOff() {
            return (exchange, path) -> {
                exchange.sendResponseHeaders(200, 1000);
                exchange.getResponseBody().write("{\"count\":4".getBytes(UTF_8));
                throw new IOException("cut off");
            };
        }
    }

    /** The demo's desk, whose answers a trouble may replace, with Zendesk's limits in the tests' own time. */
    static final class TroubledDesk extends Desk {
        final List<String> asked = new CopyOnWriteArrayList<>();
        volatile Trouble trouble = Trouble.NONE;

        /** The older API token is let in beside OAuth. */
        @Override
        boolean signedIn(String authorization) {
            return authorization.startsWith("Basic ") || super.signedIn(authorization);
        }

        TroubledDesk(ToLongFunction<Hour> count) throws IOException {
            super(count, (hour, i) -> i >= 20);
        }

        @Override
        void handle(HttpExchange exchange) throws IOException {
            asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI());
            if (!trouble.takes(exchange, exchange.getRequestURI().getPath())) {
                super.handle(exchange);
            }
        }

        /** Answers 429 beyond so many requests a minute, of export and of all. */
        static Trouble limits(int exports, int all, Ticker time) {
            var counts = new long[3];
            return (exchange, path) -> {
                synchronized (counts) {
                    long minute = time.nanos() / 60_000_000_000L;
                    if (minute != counts[0]) {
                        counts[0] = minute;
                        counts[1] = 0;
                        counts[2] = 0;
                    }
                    boolean over = ++counts[1] > all || path.contains("export") && ++counts[2] > exports;
                    return over && Trouble.answer(429, "{\"error\":\"APIRateLimitExceeded\",\"description\":\"Number of "
                            + "allowed API requests per minute exceeded\"}", "Retry-After", "60").takes(exchange, path);
                }
            };
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

        String url() {
            return "http://127.0.0.1:" + server.getLocalPort();
        }

        @Override
        public void close() throws IOException {
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
        MailServer(SSLContext tls, AuthenticationHandlerFactory signIn, boolean fromTheStart) throws IOException {
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
                        public Optional<String> auth(String words, MessageContext context) throws RejectException {
                            var given = new String(java.util.Base64.getDecoder().decode(words.split(" ")[2]), UTF_8);
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

    /** Made for the occasion, signed by a trusted authority: good, expired, for another host; and one by nobody. */
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
                keytool(file, "untrusted", "-dname", "CN=localhost", "-ext", "SAN=dns:localhost", "-validity", "3650");
                var keys = KeyStore.getInstance(file.toFile(), SECRET.toCharArray());
                Files.delete(file);
                Files.delete(file.getParent());
                return keys;
            } catch (GeneralSecurityException | IOException e) {
                throw new IllegalStateException(e);
            }
        }

        private static void signed(Path file, String alias, String host, String start, String days) throws IOException {
            keytool(file, alias, "-dname", "CN=" + host, "-ext", "SAN=dns:" + host, "-startdate", start, "-validity", days,
                    "-signer", "ca");
        }

        private static void keytool(Path file, String alias, String... more) throws IOException {
            var command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                    "-genkeypair", "-alias", alias, "-keyalg", "EC", "-keystore", file.toString(), "-storepass", SECRET));
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

    /** A history in the folder's {@code out} that knows the hours {@code [first, end)}, all with the same count. */
    static void known(Path folder, Hour first, Hour end, long each) {
        var history = History.open(folder.resolve("out/history.csv"), true);
        Hour.range(first, end).forEach(hour -> history.put(hour, each));
        history.save();
    }

    /** The program in a JVM of its own, on the real clock, with the folder's auth.ini; it speaks into {@code child}. */
    static Process child(Path folder, String... options) throws IOException {
        var command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of(options));
        command.addAll(List.of("-Djavax.net.ssl.trustStore=" + System.getProperty("javax.net.ssl.trustStore"),
                "-Djavax.net.ssl.trustStorePassword=" + System.getProperty("javax.net.ssl.trustStorePassword"), "-cp",
                System.getProperty("java.class.path"), "spikenotifier.SpikeNotifier", "-c",
                folder.resolve("auth.ini").toString()));
        return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(folder.resolve("child").toFile()).start();
    }

    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
