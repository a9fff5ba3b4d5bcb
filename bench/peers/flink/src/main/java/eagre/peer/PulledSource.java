package eagre.peer;

import java.io.Serializable;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.*;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** A source without splits: each subtask pulls its own part of the input until that says -1. */
public class PulledSource<T> implements Source<T, PulledSource.NoSplit, Integer> {
  public interface Input<T> extends Serializable {
    void open(int subtask, int parallelism) throws Exception;

    /** Emits some records; how many, or -1 at the end. */
    int emit(ReaderOutput<T> out) throws Exception;
  }

  public static class NoSplit implements SourceSplit {
    public String splitId() {
      return "0";
    }
  }

  private final Input<T> input;

  public PulledSource(Input<T> input) {
    this.input = input;
  }

  public Boundedness getBoundedness() {
    return Boundedness.BOUNDED;
  }

  public SplitEnumerator<NoSplit, Integer> createEnumerator(SplitEnumeratorContext<NoSplit> context) {
    return new NoEnumerator();
  }

  public SplitEnumerator<NoSplit, Integer> restoreEnumerator(SplitEnumeratorContext<NoSplit> context, Integer state) {
    return new NoEnumerator();
  }

  public SimpleVersionedSerializer<NoSplit> getSplitSerializer() {
    return new NothingSerializer<>(new NoSplit());
  }

  public SimpleVersionedSerializer<Integer> getEnumeratorCheckpointSerializer() {
    return new NothingSerializer<>(0);
  }

  public SourceReader<T, NoSplit> createReader(SourceReaderContext context) throws Exception {
    Stopwatch.start();
    input.open(context.getIndexOfSubtask(), context.currentParallelism());
    return new SourceReader<T, NoSplit>() {
      public void start() {}

      public InputStatus pollNext(ReaderOutput<T> out) throws Exception {
        return input.emit(out) < 0 ? InputStatus.END_OF_INPUT : InputStatus.MORE_AVAILABLE;
      }

      public List<NoSplit> snapshotState(long checkpoint) {
        return Collections.emptyList();
      }

      public CompletableFuture<Void> isAvailable() {
        return CompletableFuture.completedFuture(null);
      }

      public void addSplits(List<NoSplit> splits) {}

      public void notifyNoMoreSplits() {}

      public void close() {}
    };
  }

  private static class NoEnumerator implements SplitEnumerator<NoSplit, Integer> {
    public void start() {}

    public void handleSplitRequest(int subtask, String host) {}

    public void addSplitsBack(List<NoSplit> splits, int subtask) {}

    public void addReader(int subtask) {}

    public Integer snapshotState(long checkpoint) {
      return 0;
    }

    public void close() {}
  }

  private static class NothingSerializer<X extends Object> implements SimpleVersionedSerializer<X> {
    private final X value;

    NothingSerializer(X value) {
      this.value = value;
    }

    public int getVersion() {
      return 1;
    }

    public byte[] serialize(X ignored) {
      return new byte[1];
    }

    public X deserialize(int version, byte[] bytes) {
      return value;
    }
  }
}
