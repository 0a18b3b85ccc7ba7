///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../SpikeNotifier.java
//SOURCES Desk.java
//SOURCES Mailbox.java

package spikenotifier;

import jakarta.mail.MessagingException;
import jakarta.mail.Multipart;
import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.Locale;
import java.util.Properties;
import spikenotifier.SpikeNotifier.Hour;
import spikenotifier.SpikeNotifier.World;

/**
 * The whole program at work without any account: half a year of a made-up help desk with a surge in
 * the last full hour, and a small mail server. Look at out/demo afterwards.
 */
final class Demo {
  private static final long SURGE = 80; // tickets
  private static final Path FOLDER = Path.of("out", "demo");

  private Demo() { }

  public static void main(String[] args) throws IOException, MessagingException {
    Locale.setDefault(Locale.ROOT); // as the program does
    System.exit(run());
  }

  private static int run() throws IOException, MessagingException {
    var surge = Hour.of(Instant.now()).plus(-1);
    clear(FOLDER);
    Files.createDirectories(FOLDER);
    try (var mail = new Mailbox();
        var desk = new Desk(hour -> Desk.usual(hour) + (hour.equals(surge) ? SURGE : 0),
            (hour, i) -> hour.equals(surge) && i < SURGE)) {
      var ini = FOLDER.resolve("auth.ini");
      Files.writeString(ini, """
          [zendesk]
          Domain = demo
          ClientId = demo
          ClientSecretCommand = echo %s
          BaseUrl = %s
          RequestsPerMinute = 100000
          [email]
          Sender = Spike Notifier <spikes@example.com>
          Recipient = team@example.com
          Host = 127.0.0.1
          Port = %d
          Security = none
          [misc]
          SpikeThreshold = 0.5
          [spike]
          Rule = weekly
          """.formatted(Desk.SECRET, desk.url(), mail.port()));
      int code = SpikeNotifier.execute(World.real(), "-c", ini.toString());
      if (code != 0) return code; // the program has said why
      int requests = desk.requests();
      SpikeNotifier.execute(World.real(), "report", "-q", "-c", ini.toString());
      Files.copy(FOLDER.resolve("out/report.html"), FOLDER.resolve("report.html"));
      for (var message : mail.messages) show(message);
      System.out.println("Look at alert.html, alert.eml and report.html in " + FOLDER
          + " (all this took " + requests + " requests).");
      return code;
    }
  }

  /** Files and folders below the folder; a link is deleted, not followed. */
  private static void clear(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) return;
    Files.walkFileTree(folder, new SimpleFileVisitor<>() {
      @Override
      public FileVisitResult visitFile(Path file, BasicFileAttributes rights) throws IOException {
        Files.delete(file);
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult postVisitDirectory(Path each, IOException e) throws IOException {
        Files.delete(each);
        return FileVisitResult.CONTINUE;
      }
    });
  }

  private static void show(byte[] mail) throws IOException, MessagingException {
    var message = new MimeMessage(Session.getInstance(new Properties()),
        new ByteArrayInputStream(mail));
    var parts = (Multipart) message.getContent();
    Files.write(FOLDER.resolve("alert.eml"), mail);
    Files.writeString(FOLDER.resolve("alert.html"),
        parts.getBodyPart(1).getContent().toString());
    System.out.printf("%nFrom: %s%nTo: %s%nSubject: %s%n%n%s%n", message.getFrom()[0],
        message.getAllRecipients()[0], message.getSubject(), parts.getBodyPart(0).getContent());
  }
}
