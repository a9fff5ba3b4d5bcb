package eagre.peer;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A Flink in this process, set up as its users do who want it fast. */
final class Environment {
  private Environment() {}

  static StreamExecutionEnvironment of(int parallelism) {
    Map<String, String> config = new HashMap<>();
    config.put("pipeline.object-reuse", "true");
    config.put("parallelism.default", String.valueOf(parallelism));
    config.put("taskmanager.numberOfTaskSlots", String.valueOf(parallelism));
    config.put("taskmanager.memory.managed.size", "512m");
    config.put("taskmanager.memory.network.min", "128m");
    config.put("taskmanager.memory.network.max", "128m");
    config.put("state.backend.type", "hashmap");
    config.put("rest.bind-port", "0");
    return StreamExecutionEnvironment.getExecutionEnvironment(Configuration.fromMap(config));
  }
}
