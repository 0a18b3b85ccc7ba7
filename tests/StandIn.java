///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../SpikeNotifier.java
//SOURCES Desk.java
//SOURCES Mailbox.java

package spikenotifier;

import java.io.IOException;
import java.time.Instant;
import spikenotifier.SpikeNotifier.Hour;

/**
 * What postfix.sh and readme.sh need of the world: a help desk with ten tickets an hour, and 90 in
 * the last full one; and a mail server that takes everything. Prints that hour, the desk's address
 * and the mail server's port, and works until its standard input ends.
 */
final class StandIn {
  private static final long USUAL = 10; // tickets
  private static final long SURGE = 90;

  private StandIn() { }

  public static void main(String[] args) throws IOException {
    var surge = Hour.of(Instant.now()).plus(-1);
    try (var mail = new Mailbox();
        var desk = new Desk(hour -> hour.equals(surge) ? SURGE : USUAL,
            (hour, i) -> hour.equals(surge) && i >= USUAL)) {
      System.out.println(surge.name() + " " + desk.url() + " " + mail.port());
      while (System.in.read() >= 0) continue;
    }
  }
}
