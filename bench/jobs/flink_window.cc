// The window benchmarks beside Apache Flink: the same job on the same bytes, in turn, in one run.
//
// usage: bench_flink_window [json_window|binary_window|kafka_window...]   (scripts/bench.sh --peers builds Flink's side
// and runs it)
#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/flink_process.h"
#include "bench/jobs/kafka_window_job.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"
#include "bench/limit/transaction.h"

namespace eagre::bench {
EAGRE_RECORD(BinaryTransaction, user, timestamp, amount);
namespace {

constexpr int kRounds = 3;

template <typename MakeSource, typename Key>
void BesideFlink(const char* name, const char* job, const std::string& path, int64_t events, MakeSource make_source,
                 Key key, const LoopSink& expected) {
  for (const int parallelism : {1, 2}) {
    FlinkProcess flink(job, path, parallelism);
    const Comparison comparison = CompareMeasured(
        kRounds,
        [&] {
          return Measure([&] {
            RunWindowJob(make_source(), key, parallelism, expected);
            return events;
          });
        },
        [&] { return flink.Run(events, expected); });
    PrintLine(name, "flink", parallelism, comparison);
  }
}

void JsonWindow() {
  const auto events = static_cast<int64_t>(2'000'000 * Scale());
  const std::string path = DataFolder() + "/flink-transactions.ndjson";
  WriteTransactions(path, events);
  BesideFlink(
      "json_window", "json", path, events, [&] { return NdjsonFiles<Transaction>(path); }, &Transaction::user_id,
      RunJsonWindowLoop(path, 1));
}

void BinaryWindow() {
  const auto events = static_cast<int64_t>(8'000'000 * Scale());
  const auto records = std::make_shared<const std::vector<BinaryTransaction>>(
      MakeBinaryTransactions(static_cast<size_t>(events), 100'000));
  const std::string path = DataFolder() + "/flink-transactions.bin";
  FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr ||
      std::fwrite(records->data(), sizeof(BinaryTransaction), records->size(), file) != records->size() ||
      std::fclose(file) != 0) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    std::exit(1);
  }
  BesideFlink(
      "binary_window", "binary", path, events, [&] { return FromMemory(records); }, &BinaryTransaction::user,
      RunBinaryWindowLoop(*records, 1));
}

void KafkaWindow() {
  const KafkaWindowTopics topics;
  const LoopSink expected = topics.RunLoop();
  FlinkProcess flink("kafka", topics.servers(), 1);
  const Comparison comparison = CompareMeasured(
      kRounds,
      [&] {
        return Measure([&] {
          topics.RunJob(expected);
          return topics.events();
        });
      },
      [&] { return flink.Run(topics.events(), expected); });
  PrintLine("kafka_window", "flink", 1, comparison);
}

}  // namespace
}  // namespace eagre::bench

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> names(argv + 1, argv + argc);
  if (names.empty()) names = {"json_window", "binary_window", "kafka_window"};
  for (const std::string& name : names) {
    if (name == "json_window") eagre::bench::JsonWindow();
    if (name == "binary_window") eagre::bench::BinaryWindow();
    if (name == "kafka_window") eagre::bench::KafkaWindow();
  }
}
