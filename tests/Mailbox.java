package spikenotifier;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/** A mail server that takes everything and keeps it. */
final class Mailbox implements AutoCloseable {
  final List<byte[]> messages = new CopyOnWriteArrayList<>();
  private final ServerSocket server =
      new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));

  Mailbox() throws IOException {
    var thread = new Thread(this::serve);
    thread.setDaemon(true);
    thread.start();
  }

  int port() {
    return server.getLocalPort();
  }

  private void serve() {
    while (!server.isClosed()) {
      try (var socket = server.accept()) {
        talk(socket);
      } catch (IOException e) {
        continue; // the server is closed, or the client went away
      }
    }
  }

  private void talk(Socket socket) throws IOException {
    var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), ISO_8859_1));
    say(socket, "220 demo");
    for (var line = in.readLine(); line != null; line = in.readLine()) {
      var command = line.toUpperCase(Locale.ROOT);
      if (command.equals("DATA")) {
        say(socket, "354 go on");
        messages.add(message(in));
      }
      say(socket, command.equals("QUIT") ? "221 bye" : "250 ok");
      if (command.equals("QUIT")) return;
    }
  }

  /** Up to the lone full stop; a line that begins with one has another before it. */
  private static byte[] message(BufferedReader in) throws IOException {
    var text = new StringBuilder();
    for (var line = in.readLine(); !".".equals(line); line = in.readLine()) {
      if (line == null) throw new IOException("the client went away");
      text.append(line.startsWith(".") ? line.substring(1) : line).append("\r\n");
    }
    return text.toString().getBytes(ISO_8859_1);
  }

  private static void say(Socket socket, String reply) throws IOException {
    socket.getOutputStream().write((reply + "\r\n").getBytes(ISO_8859_1));
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
