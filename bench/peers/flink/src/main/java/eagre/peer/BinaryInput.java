package eagre.peer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;
import org.apache.flink.api.connector.source.ReaderOutput;

/** Records from memory: a file of 24-byte records, read before the measurement; blocks of 1024 records in turn. */
public class BinaryInput implements PulledSource.Input<BinaryTransaction> {
  private static final int RECORD_BYTES = 24;
  private static final int BLOCK_RECORDS = 1024;
  private static final int PART_RECORDS = 1 << 24; // a buffer of Java holds at most 2 GiB

  private static ByteBuffer[] parts; // of all subtasks, which are threads of this process
  private static long records;

  private transient BinaryTransaction record;
  private long next;
  private int parallelism;

  public static void load(String path) throws Exception {
    try (FileChannel file = FileChannel.open(Paths.get(path))) {
      records = file.size() / RECORD_BYTES;
      parts = new ByteBuffer[(int) ((records + PART_RECORDS - 1) / PART_RECORDS)];
      for (int i = 0; i < parts.length; i++) {
        long count = Math.min(PART_RECORDS, records - (long) i * PART_RECORDS);
        ByteBuffer part = ByteBuffer.allocateDirect((int) (count * RECORD_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        while (part.hasRemaining() && file.read(part) >= 0) {}
        parts[i] = part;
      }
    }
  }

  public static long count() {
    return records;
  }

  public void open(int subtask, int parallelism) {
    this.parallelism = parallelism;
    next = (long) subtask * BLOCK_RECORDS;
    record = new BinaryTransaction();
  }

  public int emit(ReaderOutput<BinaryTransaction> out) {
    if (next >= records) return -1;
    long end = Math.min(next + BLOCK_RECORDS, records);
    for (long i = next; i < end; i++) {
      ByteBuffer part = parts[(int) (i / PART_RECORDS)];
      int at = (int) (i % PART_RECORDS) * RECORD_BYTES;
      record.user = part.getLong(at);
      record.timestamp = part.getLong(at + 8);
      record.amount = part.getDouble(at + 16);
      out.collect(record); // object reuse is on
    }
    int emitted = (int) (end - next);
    next += (long) parallelism * BLOCK_RECORDS;
    return emitted;
  }
}
