package eagre.peer;

import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Records at a fixed rate through a keyed shuffle: how long after the moment at which each was due it comes out. */
final class LatencyPeer implements Peer {
  public static class Tick {
    public long key;
    public long dueNanos;
  }

  /** Subtask i of p makes the ticks i, i + p, i + 2 p, ... */
  private static class Ticks implements PulledSource.Input<Tick> {
    private static final int MOST_PER_CALL = 256;

    private final long count;
    private final double nanosBetween;
    private transient Tick tick;
    private long next, startNanos;
    private int parallelism;

    Ticks(long count, long perSecond) {
      this.count = count;
      nanosBetween = 1e9 / perSecond;
    }

    @Override
    public void open(int subtask, int parallelism) {
      this.parallelism = parallelism;
      next = subtask;
      tick = new Tick();
      startNanos = 0;
    }

    @Override
    public int emit(ReaderOutput<Tick> out) {
      if (next >= count) return -1;
      long now = System.nanoTime();
      if (startNanos == 0) startNanos = now;
      int emitted = 0;
      for (; emitted < MOST_PER_CALL && next < count && dueNanos() <= now; emitted++, next += parallelism) {
        tick.key = next * 7919 % 10_000;
        tick.dueNanos = dueNanos();
        out.collect(tick);
      }
      if (emitted == 0) LockSupport.parkNanos(100_000);
      return emitted;
    }

    private long dueNanos() {
      return startNanos + (long) (next * nanosBetween);
    }
  }

  private static class Forward extends KeyedProcessFunction<Long, Tick, Tick> {
    @Override
    public void processElement(Tick tick, Context context, Collector<Tick> out) {
      out.collect(tick);
    }
  }

  private static class Latencies implements Sink<Tick> {
    private static long[] all; // of all subtasks

    static synchronized void add(long[] nanos, int count) {
      int before = all.length;
      all = Arrays.copyOf(all, before + count);
      System.arraycopy(nanos, 0, all, before, count);
    }

    static double milliseconds(double part) {
      return all[(int) Math.min(all.length - 1, (long) (part * all.length))] / 1e6;
    }

    @Override
    public SinkWriter<Tick> createWriter(WriterInitContext context) {
      return new SinkWriter<Tick>() {
        private long[] nanos = new long[1 << 16];
        private int count;

        @Override
        public void write(Tick tick, Context context) {
          if (count == nanos.length) nanos = Arrays.copyOf(nanos, 2 * count);
          nanos[count++] = System.nanoTime() - tick.dueNanos;
        }

        @Override
        public void flush(boolean endOfInput) {}

        @Override
        public void close() {
          add(nanos, count);
        }
      };
    }
  }

  private final int parallelism;
  private final long count, perSecond, bufferTimeoutMs;

  LatencyPeer(int parallelism, long count, long perSecond, long bufferTimeoutMs) {
    this.parallelism = parallelism;
    this.count = count;
    this.perSecond = perSecond;
    this.bufferTimeoutMs = bufferTimeoutMs;
  }

  @Override
  public String answer() throws Exception {
    StreamExecutionEnvironment env = Environment.of(parallelism).setBufferTimeout(bufferTimeoutMs);
    env.fromSource(new PulledSource<>(new Ticks(count, perSecond)), WatermarkStrategy.noWatermarks(), "ticks",
            TypeInformation.of(Tick.class))
        .keyBy((KeySelector<Tick, Long>) tick -> tick.key)
        .process(new Forward())
        .sinkTo(new Latencies());
    Latencies.all = new long[0];
    env.execute("latency");
    Arrays.sort(Latencies.all);
    return String.format(Locale.ROOT, "{\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}",
        Latencies.milliseconds(0.5), Latencies.milliseconds(0.99), Latencies.milliseconds(0.999),
        Latencies.milliseconds(1));
  }
}
