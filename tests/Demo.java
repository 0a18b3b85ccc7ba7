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
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Locale;
import java.util.Properties;
import java.util.function.ToLongFunction;
import spikenotifier.SpikeNotifier.Hour;
import spikenotifier.SpikeNotifier.World;

/**
 * The whole program at work without any account: half a year of a made-up help desk, and a small
 * mail server. In its last full hour the desk has a surge, which is told as a spike; then once more
 * with few tickets more, of which one tag surges within a calm total. Look at out/demo afterwards.
 */
final class Demo {
  private static final long SURGE = 80; // tickets
  private static final long TAGGED = 9;
  private static final Path FOLDER = Path.of("out", "demo");

  private Demo() { }

  public static void main(String[] args) throws IOException, MessagingException {
    Locale.setDefault(Locale.ROOT); // as the program does
    System.exit(run());
  }

  private static int run() throws IOException, MessagingException {
    clear(FOLDER);
    Files.createDirectories(FOLDER);
    int code = run("auth.ini", Desk::usual, SURGE, "alert");
    if (code != 0) return code; // the program has said why
    SpikeNotifier.execute(World.real(), "report", "-q", "-c", FOLDER + "/auth.ini");
    Files.copy(FOLDER.resolve("out/report.html"), FOLDER.resolve("report.html"));
    System.out.println("\nNow a tag that surges within a calm total:");
    code = run("calm.ini", hour -> 22 + hour.number() % 5, TAGGED, "tag");
    System.out.println("The first mail is by auth.ini, the second by calm.ini. Why the first hour "
        + "is a spike:\n.jbang/jbangw --quiet SpikeNotifier.java explain "
        + Hour.of(Instant.now()).plus(-1).name() + " -c " + FOLDER + "/auth.ini");
    System.out.println("Look at alert.html, alert.eml, tag.html and report.html in " + FOLDER
        + ".");
    return code;
  }

  /**
   * @param usual tickets an hour; even ones where the total is to stay calm at any time of day
   * @param more  tickets of the last full hour, each with the same tag
   */
  private static int run(String name, ToLongFunction<Hour> usual, long more, String shown)
      throws IOException, MessagingException {
    var surge = Hour.of(Instant.now()).plus(-1);
    try (var mail = new Mailbox();
        var desk = new Desk(hour -> usual.applyAsLong(hour) + (hour.equals(surge) ? more : 0),
            (hour, i) -> hour.equals(surge) && i < more)) {
      var ini = FOLDER.resolve(name);
      Files.writeString(ini, """
          [default]
          SpikeDB = out/%s.csv
          [zendesk]
          Domain = demo
          ClientId = demo
          ClientSecret = %s
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
          Stops = yes
          TagSurges = yes
          """.formatted(name.replace(".ini", ""), Desk.SECRET, desk.url(), mail.port()));
      Files.setPosixFilePermissions(ini, PosixFilePermissions.fromString("rw-------"));
      int code = SpikeNotifier.execute(World.real(), "-c", ini.toString());
      for (var message : mail.messages) show(message, shown);
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

  private static void show(byte[] mail, String name) throws IOException, MessagingException {
    var message = new MimeMessage(Session.getInstance(new Properties()),
        new ByteArrayInputStream(mail));
    var parts = (Multipart) message.getContent();
    Files.write(FOLDER.resolve(name + ".eml"), mail);
    Files.writeString(FOLDER.resolve(name + ".html"),
        parts.getBodyPart(1).getContent().toString());
    System.out.printf("%nFrom: %s%nTo: %s%nSubject: %s%n%n%s%n", message.getFrom()[0],
        message.getAllRecipients()[0], message.getSubject(), parts.getBodyPart(0).getContent());
  }
}
