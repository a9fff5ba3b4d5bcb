// JSON transactions of 300 bytes out of a topic of Kafka -> key by user (100 k) -> one-minute count and sum -> JSON
// into another topic, at parallelism 1; beside a loop on librdkafka alone. The broker is a process of its own.
#include "bench/jobs/bench_broker.h"
#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/kafka_clients.h"
#include "bench/limit/kafka_loop.h"
#include "bench/limit/transaction.h"
#include "connectors/kafka/kafka.h"

using namespace eagre;
using namespace eagre::bench;

namespace {

// Counts results on their way to Kafka, for the comparison with the loop.
class CountingMap final : public MapFunction<WindowResult, WindowResult> {
 public:
  explicit CountingMap(std::shared_ptr<CheckingSink::Totals> totals) : totals_(std::move(totals)) {}
  WindowResult Map(const WindowResult& result) override {
    ++totals_->results;
    totals_->counted += static_cast<uint64_t>(result.count);
    return result;
  }

 private:
  std::shared_ptr<CheckingSink::Totals> totals_;
};

}  // namespace

int main() {
  const auto events = static_cast<int64_t>(2'000'000 * Scale());
  const std::string path = DataFolder() + "/kafka-transactions.ndjson";
  WriteTransactions(path, events);
  const BenchBroker broker;
  MakeTopic(broker.servers(), "transactions");
  MakeTopic(broker.servers(), "results");
  ProduceLines(broker.servers(), "transactions", path);
  LoopSink loop_result;
  const Comparison comparison = Compare(
      5,
      [&] {
        auto totals = std::make_shared<CheckingSink::Totals>();
        LocalJob job;
        job.SetParallelism(1);
        job.Read(KafkaSource<Transaction>(broker.servers()).Topics({"transactions"}).StopAt(KafkaOffsets::Latest()))
            .WithWatermarks(BoundedOutOfOrderness(std::chrono::milliseconds(kLatenessMs)), &Transaction::timestamp)
            .KeyBy(&Transaction::user_id)
            .Window(Tumbling(std::chrono::milliseconds(kMinuteMs)))
            .Aggregate(WindowResult{},
                       [](WindowResult& result, const Transaction& record) {
                         ++result.count;
                         result.sum += record.amount;
                       })
            .Map(CountingMap(totals))
            .WriteTo(KafkaSink(broker.servers(), "results"));
        DieUnless(job.Execute());
        CheckSame(*totals, loop_result);
        return events;
      },
      [&] {
        loop_result = RunKafkaWindowLoop(broker.servers(), "transactions", "results", events);
        return events;
      });
  PrintLine("kafka_window", "loop", 1, comparison);
}
