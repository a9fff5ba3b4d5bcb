package eagre.peer;

import java.io.IOException;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;
import org.apache.flink.api.connector.source.ReaderOutput;

/** Records from memory: a file of records of one size, read before the measurement; blocks of 1024 records in turn. */
final class MemoryInput<T> implements PulledSource.Input<T> {
  /** How the bytes of a record become an object, which is the same one each time: object reuse is on. */
  interface Form<T> extends Serializable {
    int recordBytes();

    T create();

    void read(ByteBuffer from, int at, T into);
  }

  private static final int BLOCK_RECORDS = 1024;
  private static final int PART_RECORDS = 1 << 24; // a buffer of Java holds at most 2 GiB

  private static ByteBuffer[] parts; // of all subtasks, which are threads of this process
  private static long records;

  private final Form<T> form;
  private transient T record;
  private long next;
  private int parallelism;

  MemoryInput(Form<T> form, String path) throws IOException {
    this.form = form;
    try (FileChannel file = FileChannel.open(Paths.get(path))) {
      records = file.size() / form.recordBytes();
      parts = new ByteBuffer[(int) ((records + PART_RECORDS - 1) / PART_RECORDS)];
      for (int i = 0; i < parts.length; i++) {
        long count = Math.min(PART_RECORDS, records - (long) i * PART_RECORDS);
        ByteBuffer part = ByteBuffer.allocateDirect((int) (count * form.recordBytes())).order(ByteOrder.LITTLE_ENDIAN);
        while (part.hasRemaining() && file.read(part) >= 0) {}
        parts[i] = part;
      }
    }
  }

  @Override
  public void open(int subtask, int parallelism) {
    this.parallelism = parallelism;
    next = (long) subtask * BLOCK_RECORDS;
    record = form.create();
  }

  @Override
  public int emit(ReaderOutput<T> out) {
    if (next >= records) return -1;
    long end = Math.min(next + BLOCK_RECORDS, records);
    for (long i = next; i < end; i++) {
      form.read(parts[(int) (i / PART_RECORDS)], (int) (i % PART_RECORDS) * form.recordBytes(), record);
      out.collect(record);
    }
    int emitted = (int) (end - next);
    next += (long) parallelism * BLOCK_RECORDS;
    return emitted;
  }
}
