package eagre.peer;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.function.Consumer;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Flink beside Eagre's benchmarks.
 *
 * usage: Main json|binary PARALLELISM FILE LATENESS_MS       one-minute count and sum by user
 *        Main kafka PARALLELISM SERVERS LATENESS_MS          the same, from topic "transactions" to topic "results"
 *        Main chain PARALLELISM RECORDS                      four map and filter operators
 *        Main cep_strict|cep_funnel PARALLELISM FILE LATENESS_MS
 *        Main latency PARALLELISM RECORDS PER_SECOND BUFFER_TIMEOUT_MS
 *        Main startup SLOTS JAR                              a cluster of processes, and Hello's first record
 *
 * Measures once for every line on standard input, in one process, so that all but the first runs are of warm code.
 */
public final class Main {
  private static Peer peer(String name, int parallelism, String[] more) throws Exception {
    switch (name) {
      case "chain":
        return new JobPeer(parallelism, env -> ChainJob.build(env, Long.parseLong(more[0])));
      case "latency":
        return new LatencyPeer(parallelism, Long.parseLong(more[0]), Long.parseLong(more[1]), Long.parseLong(more[2]));
      case "startup":
        return new StartupPeer(parallelism, more[0]);
      default:
        return new JobPeer(parallelism, jobOn(name, more[0], Duration.ofMillis(Long.parseLong(more[1]))));
    }
  }

  private static Consumer<StreamExecutionEnvironment> jobOn(String name, String input, Duration lateness)
      throws IOException {
    switch (name) {
      case "json":
        return env -> WindowJobs.json(env, input, lateness);
      case "kafka":
        return env -> WindowJobs.kafka(env, input, lateness);
      case "binary":
        MemoryInput<BinaryTransaction> records = new MemoryInput<>(new BinaryTransaction.Form(), input);
        return env -> WindowJobs.binary(env, records, lateness);
      case "cep_strict":
      case "cep_funnel":
        MemoryInput<ShopEvent> events = new MemoryInput<>(new ShopEvent.Form(), input);
        Pattern<ShopEvent, ?> pattern = name.equals("cep_strict") ? PatternJobs.strict() : PatternJobs.funnel();
        return env -> PatternJobs.find(env, pattern, events, lateness);
      default:
        throw new IllegalArgumentException(name);
    }
  }

  public static void main(String[] arguments) throws Exception {
    String[] more = Arrays.copyOfRange(arguments, 2, arguments.length);
    Peer peer = peer(arguments[0], Integer.parseInt(arguments[1]), more);
    BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
    while (orders.readLine() != null) {
      System.out.println(peer.answer());
      System.out.flush();
    }
  }
}
