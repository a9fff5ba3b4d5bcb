package eagre.peer;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/**
 * Wall and CPU time of a run, all threads, from the first reader's opening to the last sink's closing: without the start
 * and end of Flink itself.
 */
final class Stopwatch {
  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private static long startWall, startCpu, endWall, endCpu;
  private static boolean started;

  private Stopwatch() {}

  static synchronized void reset() {
    started = false;
  }

  static synchronized void start() {
    if (started) return;
    started = true;
    startWall = System.nanoTime();
    startCpu = SYSTEM.getProcessCpuTime();
  }

  static synchronized void stop() {
    endWall = System.nanoTime();
    endCpu = SYSTEM.getProcessCpuTime();
  }

  static synchronized double wallSeconds() {
    return (endWall - startWall) / 1e9;
  }

  static synchronized double cpuSeconds() {
    return (endCpu - startCpu) / 1e9;
  }
}
