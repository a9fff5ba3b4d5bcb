#include "bench/jobs/kafka_window_job.h"

#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/kafka_clients.h"
#include "bench/limit/kafka_loop.h"
#include "bench/limit/transaction.h"
#include "connectors/kafka/kafka.h"

namespace eagre::bench {
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

KafkaWindowTopics::KafkaWindowTopics() : events_(static_cast<int64_t>(2'000'000 * Scale())) {
  const std::string path = DataFolder() + "/kafka-transactions.ndjson";
  WriteTransactions(path, events_);
  MakeTopic(servers(), "transactions");
  MakeTopic(servers(), "results");
  ProduceLines(servers(), "transactions", path);
}

LoopSink KafkaWindowTopics::RunLoop() const {
  return RunKafkaWindowLoop(servers(), "transactions", "results", events_);
}

void KafkaWindowTopics::RunJob(const LoopSink& loop) const {
  auto totals = std::make_shared<CheckingSink::Totals>();
  LocalJob job;
  job.SetParallelism(1);
  job.Read(KafkaSource<Transaction>(servers()).Topics({"transactions"}).StopAt(KafkaOffsets::Latest()))
      .WithWatermarks(BoundedOutOfOrderness(std::chrono::milliseconds(kLatenessMs)), &Transaction::timestamp)
      .KeyBy(&Transaction::user_id)
      .Window(Tumbling(std::chrono::milliseconds(kMinuteMs)))
      .Aggregate(WindowResult{},
                 [](WindowResult& result, const Transaction& record) {
                   ++result.count;
                   result.sum += record.amount;
                 })
      .Map(CountingMap(totals))
      .WriteTo(KafkaSink(servers(), "results"));
  DieUnless(job.Execute());
  CheckSame(*totals, loop);
}

}  // namespace eagre::bench
