package eagre.peer;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.java.functions.KeySelector;
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

/** One-minute count and sum by user; the checksum is of the counts. */
final class WindowJobs {
  private WindowJobs() {}

  /** Counts what passes on its way to Kafka; closed when the sink behind it has written everything. */
  private static class CountResults extends RichMapFunction<WindowResult, WindowResult> {
    private long results, counted;

    @Override
    public WindowResult map(WindowResult result) {
      results++;
      counted += result.count;
      return result;
    }

    @Override
    public void close() {
      Tally.add(results, counted);
      Stopwatch.stop();
    }
  }

  private static class WriteResult implements SerializationSchema<WindowResult> {
    @Override
    public byte[] serialize(WindowResult result) {
      return ("{\"count\":" + result.count + ",\"sum\":" + result.sum + "}").getBytes(StandardCharsets.US_ASCII);
    }
  }

  private abstract static class Sum<T> implements AggregateFunction<T, WindowResult, WindowResult> {
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

  private static class SumTransactions extends Sum<Transaction> {
    @Override
    double amount(Transaction record) {
      return record.amount;
    }
  }

  private static class SumBinary extends Sum<BinaryTransaction> {
    @Override
    double amount(BinaryTransaction record) {
      return record.amount;
    }
  }

  private static DataStream<WindowResult> windows(
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

  /** Lines of JSON from a file. */
  static void json(StreamExecutionEnvironment env, String path, Duration lateness) {
    windows(env, new PulledSource<>(new LineInput(path)), lateness)
        .sinkTo(new Tally.Into<WindowResult>(result -> result.count));
  }

  /** The same lines from topic "transactions", and results to topic "results". */
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

  /** From memory. */
  static void binary(StreamExecutionEnvironment env, MemoryInput<BinaryTransaction> records, Duration lateness) {
    env.fromSource(new PulledSource<>(records),
            WatermarkStrategy.<BinaryTransaction>forBoundedOutOfOrderness(lateness)
                .withTimestampAssigner((t, previous) -> t.timestamp),
            "records", TypeInformation.of(BinaryTransaction.class))
        .keyBy((KeySelector<BinaryTransaction, Long>) t -> t.user)
        .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
        .aggregate(new SumBinary())
        .sinkTo(new Tally.Into<WindowResult>(result -> result.count));
  }
}
