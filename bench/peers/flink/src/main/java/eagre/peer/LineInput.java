package eagre.peer;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import org.apache.flink.api.connector.source.ReaderOutput;

/** Lines of a file: subtask i of p owns those that start in the mebibytes i, i + p, i + 2 p, ... */
public class LineInput implements PulledSource.Input<byte[]> {
  private static final int BLOCK_BYTES = 1 << 20;
  private static final int TAIL_BYTES = 4096; // a line that begins in a block may end here
  private static final int LINES_PER_CALL = 64;

  private final String path;
  private transient FileChannel file;
  private transient byte[] buffer;
  private long block;
  private long size;
  private int parallelism, position, end, limit;

  public LineInput(String path) {
    this.path = path;
  }

  public void open(int subtask, int parallelism) throws Exception {
    file = new RandomAccessFile(path, "r").getChannel();
    buffer = new byte[BLOCK_BYTES + TAIL_BYTES];
    size = file.size();
    block = subtask;
    this.parallelism = parallelism;
    position = end = 0;
  }

  public int emit(ReaderOutput<byte[]> out) throws Exception {
    int lines = 0;
    while (lines < LINES_PER_CALL) {
      if (position >= end) {
        if (!load()) return lines > 0 ? lines : -1;
        continue;
      }
      int newline = position;
      while (newline < limit && buffer[newline] != '\n') newline++;
      out.collect(Arrays.copyOfRange(buffer, position, newline));
      position = newline + 1;
      lines++;
    }
    return lines;
  }

  private boolean load() throws Exception {
    long offset = block * BLOCK_BYTES;
    if (offset >= size) return false;
    block += parallelism;
    ByteBuffer target = ByteBuffer.wrap(buffer);
    while (target.hasRemaining() && file.read(target, offset + target.position()) >= 0) {}
    limit = target.position();
    end = Math.min(BLOCK_BYTES, limit);
    position = 0;
    if (offset > 0) {
      byte[] before = new byte[1];
      file.read(ByteBuffer.wrap(before), offset - 1);
      if (before[0] != '\n') {
        while (buffer[position] != '\n') position++;
        position++;
      }
    }
    return true;
  }
}
