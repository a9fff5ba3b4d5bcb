package eagre.peer;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Four map and filter operators, chained, on records of four numbers; the checksum is of what is left. */
final class ChainJob {
  private ChainJob() {}

  public static class ChainRecord {
    public long a, b, c, d;
  }

  private static class Numbers implements PulledSource.Input<ChainRecord> {
    private static final int BLOCK_RECORDS = 1024;

    private final long count;
    private transient ChainRecord record;
    private long next;
    private int parallelism;

    Numbers(long count) {
      this.count = count;
    }

    @Override
    public void open(int subtask, int parallelism) {
      this.parallelism = parallelism;
      next = subtask;
      record = new ChainRecord();
    }

    @Override
    public int emit(ReaderOutput<ChainRecord> out) {
      if (next >= count) return -1;
      int emitted = 0;
      for (; emitted < BLOCK_RECORDS && next < count; emitted++, next += parallelism) {
        record.a = next;
        record.b = 0;
        record.c = next >> 3;
        record.d = 7;
        out.collect(record);
      }
      return emitted;
    }
  }

  static void build(StreamExecutionEnvironment env, long count) {
    env.fromSource(new PulledSource<>(new Numbers(count)), WatermarkStrategy.noWatermarks(), "numbers",
            TypeInformation.of(ChainRecord.class))
        .map(r -> {
          r.b = r.a * 3 + r.c;
          return r;
        })
        .filter(r -> (r.a & 7) != 0)
        .map(r -> {
          r.d += r.b ^ r.a;
          return r;
        })
        .filter(r -> (r.d & 15) != 3)
        .sinkTo(new Tally.Into<ChainRecord>(r -> r.d));
  }
}
