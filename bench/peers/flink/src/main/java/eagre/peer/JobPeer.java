package eagre.peer;

import java.util.Locale;
import java.util.function.Consumer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A job that is run to its end: what it found (Tally), and wall and CPU time of the run (Stopwatch). */
final class JobPeer implements Peer {
  private final int parallelism;
  private final Consumer<StreamExecutionEnvironment> job;

  JobPeer(int parallelism, Consumer<StreamExecutionEnvironment> job) {
    this.parallelism = parallelism;
    this.job = job;
  }

  @Override
  public String answer() throws Exception {
    StreamExecutionEnvironment env = Environment.of(parallelism);
    job.accept(env);
    Tally.reset();
    Stopwatch.reset();
    env.execute("peer");
    return String.format(Locale.ROOT, "{\"count\":%d,\"checksum\":%d,\"wall_seconds\":%.6f,\"cpu_seconds\":%.6f}",
        Tally.count(), Tally.checksum(), Stopwatch.wallSeconds(), Stopwatch.cpuSeconds());
  }
}
