package eagre.peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The window benchmarks' job on Flink: one-minute count and sum by user.
 *
 * usage: WindowPeer json|binary FILE PARALLELISM LATENESS_MS
 *        WindowPeer kafka SERVERS PARALLELISM LATENESS_MS     from topic "transactions" to topic "results"
 *
 * Runs the job once for every line on standard input, in one process, so that all but the first runs are of warm code, and
 * answers with a line of JSON: what was computed, and wall and CPU time of that run (Stopwatch).
 */
public final class WindowPeer {
  static final AtomicLong RESULTS = new AtomicLong();
  static final AtomicLong COUNTED = new AtomicLong();

  /** Counts what it gets, and drops it. */
  static class CheckingSink implements Sink<WindowResult> {
    @Override
    public SinkWriter<WindowResult> createWriter(WriterInitContext context) {
      return new SinkWriter<WindowResult>() {
        private long results, counted;

        @Override
        public void write(WindowResult result, Context context) {
          results++;
          counted += result.count;
        }

        @Override
        public void flush(boolean endOfInput) {}

        @Override
        public void close() {
          RESULTS.addAndGet(results);
          COUNTED.addAndGet(counted);
          Stopwatch.stop();
        }
      };
    }
  }

  /** Counts what passes on its way to Kafka; closed when the sink behind it has written everything. */
  static class CountResults extends RichMapFunction<WindowResult, WindowResult> {
    private long results, counted;

    @Override
    public WindowResult map(WindowResult result) {
      results++;
      counted += result.count;
      return result;
    }

    @Override
    public void close() {
      RESULTS.addAndGet(results);
      COUNTED.addAndGet(counted);
      Stopwatch.stop();
    }
  }

  static class WriteResult implements SerializationSchema<WindowResult> {
    @Override
    public byte[] serialize(WindowResult result) {
      return ("{\"count\":" + result.count + ",\"sum\":" + result.sum + "}").getBytes(StandardCharsets.US_ASCII);
    }
  }

  abstract static class Sum<T> implements AggregateFunction<T, WindowResult, WindowResult> {
    abstract double amount(T record);

    @Override
    public WindowResult createAccumulator() {
      return new WindowResult();
    }

    @Override
    public WindowResult add(T record, WindowResult sum) {
      sum.count++;
      sum.sum += amount(record);
      return sum;
    }

    @Override
    public WindowResult getResult(WindowResult sum) {
      return sum;
    }

    @Override
    public WindowResult merge(WindowResult a, WindowResult b) {
      a.count += b.count;
      a.sum += b.sum;
      return a;
    }
  }

  static class SumTransactions extends Sum<Transaction> {
    @Override
    double amount(Transaction record) {
      return record.amount;
    }
  }

  static class SumBinary extends Sum<BinaryTransaction> {
    @Override
    double amount(BinaryTransaction record) {
      return record.amount;
    }
  }

  static StreamExecutionEnvironment environment(int parallelism) {
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

  static DataStream<WindowResult> windows(
      StreamExecutionEnvironment env, Source<byte[], ?, ?> lines, Duration lateness) {
    return env
        .fromSource(lines, WatermarkStrategy.noWatermarks(), "lines",
            PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .map(new ParseTransaction())
        .assignTimestampsAndWatermarks(WatermarkStrategy.<Transaction>forBoundedOutOfOrderness(lateness)
            .withTimestampAssigner((t, previous) -> t.timestamp))
        .keyBy((KeySelector<Transaction, String>) t -> t.user_id)
        .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
        .aggregate(new SumTransactions());
  }

  static void kafka(StreamExecutionEnvironment env, String servers, Duration lateness) {
    KafkaSource<byte[]> lines =
        KafkaSource.<byte[]>builder()
            .setBootstrapServers(servers)
            .setTopics("transactions")
            .setGroupId("flink")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setDeserializer(KafkaRecordDeserializationSchema.valueOnly(ByteArrayDeserializer.class))
            .build();
    windows(env, lines, lateness)
        .map(new CountResults())
        .sinkTo(
            KafkaSink.<WindowResult>builder()
                .setBootstrapServers(servers)
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer(
                    KafkaRecordSerializationSchema.<WindowResult>builder()
                        .setTopic("results")
                        .setValueSerializationSchema(new WriteResult())
                        .build())
                .build());
  }

  static void binary(StreamExecutionEnvironment env, Duration lateness) {
    env.fromSource(new PulledSource<>(new BinaryInput()),
            WatermarkStrategy.<BinaryTransaction>forBoundedOutOfOrderness(lateness)
                .withTimestampAssigner((t, previous) -> t.timestamp),
            "records", TypeInformation.of(BinaryTransaction.class))
        .keyBy((KeySelector<BinaryTransaction, Long>) t -> t.user)
        .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
        .aggregate(new SumBinary())
        .sinkTo(new CheckingSink());
  }

  public static void main(String[] arguments) throws Exception {
    String job = arguments[0];
    String input = arguments[1];
    int parallelism = Integer.parseInt(arguments[2]);
    Duration lateness = Duration.ofMillis(Long.parseLong(arguments[3]));
    if (job.equals("binary")) BinaryInput.load(input);
    BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
    while (orders.readLine() != null) {
      StreamExecutionEnvironment env = environment(parallelism);
      switch (job) {
        case "json":
          windows(env, new PulledSource<>(new LineInput(input)), lateness).sinkTo(new CheckingSink());
          break;
        case "kafka":
          kafka(env, input, lateness);
          break;
        default:
          binary(env, lateness);
      }
      RESULTS.set(0);
      COUNTED.set(0);
      Stopwatch.reset();
      env.execute("window peer");
      System.out.printf(Locale.ROOT, "{\"results\":%d,\"counted\":%d,\"wall_seconds\":%.6f,\"cpu_seconds\":%.6f}%n",
          RESULTS.get(), COUNTED.get(), Stopwatch.wallSeconds(), Stopwatch.cpuSeconds());
      System.out.flush();
    }
  }
}
