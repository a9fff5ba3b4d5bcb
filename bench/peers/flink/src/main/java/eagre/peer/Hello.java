package eagre.peer;

import java.nio.file.Files;
import java.nio.file.Paths;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** The smallest job: one record, which writes down when it came out. usage: Hello FILE */
public final class Hello {
  public static void main(String[] arguments) throws Exception {
    String output = arguments[0];
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.fromData("hello")
        .map(text -> {
          Files.writeString(Paths.get(output), String.valueOf(System.nanoTime()));
          return text;
        })
        .sinkTo(new DiscardingSink<>());
    env.execute("hello");
  }
}
