///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//JAVAC_OPTIONS -encoding UTF-8
//SOURCES ../SpikeNotifier.java
//SOURCES RulesTest.java
//SOURCES TagsTest.java
//SOURCES HistoryTest.java
//SOURCES DueTest.java
//SOURCES ConfigTest.java
//SOURCES TextTest.java
//SOURCES ReadmeTest.java
//SOURCES ExplainTest.java
//SOURCES ReportTest.java
//SOURCES CommandLineTest.java
//SOURCES NoticeTest.java
//SOURCES AlarmTest.java
//SOURCES NetworkTest.java
//SOURCES JobTest.java
//SOURCES FillTest.java
//SOURCES ZendeskTest.java
//SOURCES DiskTest.java
//SOURCES MailTest.java
//SOURCES OutboxTest.java
//SOURCES ChatTest.java
//SOURCES WatcherTest.java
//SOURCES DoctorTest.java
//SOURCES ServersTest.java
//SOURCES BacktestTest.java
//SOURCES EpisodesTest.java
//SOURCES SlowTest.java
//SOURCES Unit.java
//SOURCES Deliveries.java
//SOURCES Scenario.java
//SOURCES Desk.java
//SOURCES Fakes.java
//FILES tweets.csv
//FILES incidents.csv
//FILES openings.csv
//FILES tagdesk.csv
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//DEPS com.github.davidmoten:subethasmtp:7.2.2
//DEPS org.slf4j:slf4j-nop:1.7.36

package spikenotifier;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/**
 * Runs the tests: all of them, those of the classes that are named, or with {@code quick} all but
 * the slow ones. Prints a line for each class, the failures, and last "N passed, N failed".
 */
final class SpikeNotifierTest {
  private static final List<Class<?>> QUICK = List.of(
      RulesTest.class,
      TagsTest.class,
      HistoryTest.class,
      DueTest.class,
      ConfigTest.class,
      TextTest.class,
      ReadmeTest.class,
      ExplainTest.class,
      ReportTest.class,
      CommandLineTest.class,
      NoticeTest.class,
      AlarmTest.class,
      NetworkTest.class,
      JobTest.class,
      FillTest.class,
      ZendeskTest.class,
      DiskTest.class,
      MailTest.class,
      OutboxTest.class,
      ChatTest.class,
      WatcherTest.class,
      DoctorTest.class);
  private static final List<Class<?>> SLOW =
      List.of(ServersTest.class, BacktestTest.class, EpisodesTest.class, SlowTest.class);

  private long passed;
  private long failed;

  private SpikeNotifierTest() { }

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT); // as the program does
    Fakes.Certificates.install();
    var tests = new SpikeNotifierTest();
    var names = List.of(args);
    for (var each : QUICK) {
      boolean isChosen = names.isEmpty() || names.contains("quick");
      if (isChosen || names.contains(each.getSimpleName())) tests.run(each);
    }
    for (var each : SLOW) {
      if (names.isEmpty() || names.contains(each.getSimpleName())) tests.run(each);
    }
    System.out.printf("%d passed, %d failed%n", tests.passed, tests.failed);
    boolean isGood = tests.failed == 0 && tests.passed > 0;
    System.exit(isGood ? 0 : 1);
  }

  private void run(Class<?> tests) {
    var listener = new SummaryGeneratingListener();
    var request = LauncherDiscoveryRequestBuilder.request().selectors(selectClass(tests)).build();
    long start = System.nanoTime();
    LauncherFactory.create().execute(request, listener);
    var summary = listener.getSummary();
    passed += summary.getTestsSucceededCount();
    failed += summary.getTotalFailureCount();
    System.out.printf("%-16s %4d of %d, %.1f s%n", tests.getSimpleName(),
        summary.getTestsSucceededCount(), summary.getTestsFoundCount(),
        (System.nanoTime() - start) / 1e9);
    summary.printFailuresTo(new PrintWriter(System.out, true), 12);
  }
}
