package eagre.peer;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.cep.CEP;
import org.apache.flink.cep.functions.PatternProcessFunction;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.cep.pattern.conditions.SimpleCondition;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;

/** A pattern of each user's events; the checksum is of the ids of the events that matched. */
final class PatternJobs {
  private PatternJobs() {}

  private static class SumOfIds extends PatternProcessFunction<ShopEvent, Long> {
    @Override
    public void processMatch(Map<String, List<ShopEvent>> match, Context context, Collector<Long> out) {
      long ids = 0;
      for (List<ShopEvent> events : match.values()) {
        for (ShopEvent event : events) ids += event.id;
      }
      out.collect(ids);
    }
  }

  static Pattern<ShopEvent, ?> strict() {
    return Pattern.<ShopEvent>begin("a").where(ofType(0)).next("b").where(ofType(1)).next("c").where(ofType(2));
  }

  static Pattern<ShopEvent, ?> funnel() {
    return Pattern.<ShopEvent>begin("login")
        .where(ofType(0))
        .followedBy("view")
        .where(ofType(1))
        .followedBy("purchase")
        .where(ofType(2))
        .within(Duration.ofMinutes(10));
  }

  private static SimpleCondition<ShopEvent> ofType(int type) {
    return SimpleCondition.of(event -> event.type == type);
  }

  static void find(
      StreamExecutionEnvironment env, Pattern<ShopEvent, ?> pattern, MemoryInput<ShopEvent> input, Duration lateness) {
    KeyedStream<ShopEvent, Long> byUser =
        env.fromSource(new PulledSource<>(input),
                WatermarkStrategy.<ShopEvent>forBoundedOutOfOrderness(lateness)
                    .withTimestampAssigner((event, previous) -> event.timestamp),
                "events", TypeInformation.of(ShopEvent.class))
            .keyBy((KeySelector<ShopEvent, Long>) event -> event.user);
    CEP.pattern(byUser, pattern).process(new SumOfIds()).sinkTo(new Tally.Into<Long>(ids -> ids));
  }
}
