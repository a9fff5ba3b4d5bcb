package eagre.peer;

import java.io.Serializable;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** What a run has found, over all its sinks: the benchmark holds it against the result of its own side. */
final class Tally {
  private static final AtomicLong COUNT = new AtomicLong();
  private static final AtomicLong CHECKSUM = new AtomicLong();

  private Tally() {}

  static void reset() {
    COUNT.set(0);
    CHECKSUM.set(0);
  }

  static void add(long count, long checksum) {
    COUNT.addAndGet(count);
    CHECKSUM.addAndGet(checksum);
  }

  static long count() {
    return COUNT.get();
  }

  static long checksum() {
    return CHECKSUM.get();
  }

  interface NumberOf<T> extends Serializable {
    long of(T record);
  }

  /** Counts what it gets, adds up a number of each, and drops it. */
  static final class Into<T> implements Sink<T> {
    private final NumberOf<T> number;

    Into(NumberOf<T> number) {
      this.number = number;
    }

    @Override
    public SinkWriter<T> createWriter(WriterInitContext context) {
      return new SinkWriter<T>() {
        private long count, checksum;

        @Override
        public void write(T record, Context context) {
          count++;
          checksum += number.of(record);
        }

        @Override
        public void flush(boolean endOfInput) {}

        @Override
        public void close() {
          add(count, checksum);
          Stopwatch.stop();
        }
      };
    }
  }
}
