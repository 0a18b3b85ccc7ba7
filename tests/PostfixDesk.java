///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../SpikeNotifier.java
//SOURCES Desk.java

package spikenotifier;

import java.io.IOException;
import java.time.Instant;
import spikenotifier.SpikeNotifier.Hour;

/**
 * The help desk of postfix.sh: ten tickets an hour, and 90 in the last full one. It prints that hour
 * and the address, and works until its standard input ends.
 */
final class PostfixDesk {
  private static final long USUAL = 10; // tickets
  private static final long SURGE = 90;

  private PostfixDesk() { }

  public static void main(String[] args) throws IOException {
    var surge = Hour.of(Instant.now()).plus(-1);
    try (var desk = new Desk(hour -> hour.equals(surge) ? SURGE : USUAL,
        (hour, i) -> hour.equals(surge) && i >= USUAL)) {
      System.out.println(surge.name() + " " + desk.url());
      while (System.in.read() >= 0) continue;
    }
  }
}
