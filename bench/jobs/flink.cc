// Benchmarks beside Apache Flink: the same job on the same bytes, in turn, in one run.
//
// usage: bench_flink NAME...   (scripts/bench.sh --peers builds Flink's side, has the names, and runs it)
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/chain_job.h"
#include "bench/jobs/flink_process.h"
#include "bench/jobs/kafka_window_job.h"
#include "bench/jobs/latency_job.h"
#include "bench/jobs/pattern_job.h"
#include "bench/jobs/startup_times.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"
#include "bench/limit/transaction.h"

namespace eagre::bench {
EAGRE_RECORD(BinaryTransaction, user, timestamp, amount);
EAGRE_RECORD(Latency, p50_ms, p99_ms, p999_ms, max_ms);
namespace {

constexpr int kRounds = 3;
constexpr int kPatternRounds = 1;  // Flink takes its time

template <typename T>
std::string WriteRecords(const std::string& name, const std::vector<T>& records) {
  std::string path = DataFolder() + "/" + name;
  FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(records.data(), sizeof(T), records.size(), file) != records.size() ||
      std::fclose(file) != 0) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    std::exit(1);
  }
  return path;
}

// Eagre's `job`, which checks its own result, beside Flink's.
void BesideFlink(const char* name, FlinkProcess& flink, int parallelism, int rounds, int64_t events,
                 const std::function<void()>& job, uint64_t expected_count, uint64_t expected_checksum) {
  const Comparison comparison = CompareMeasured(
      rounds, [&] { return Measure([&] { return job(), events; }); },
      [&] { return flink.Run(events, expected_count, expected_checksum); });
  PrintLine(name, "flink", parallelism, comparison);
}

template <typename MakeSource, typename Key>
void WindowBesideFlink(const char* name, const char* flink_name, const std::string& path, int64_t events,
                       MakeSource make_source, Key key, const LoopSink& expected) {
  for (const int parallelism : {1, 2}) {
    FlinkProcess flink(flink_name, parallelism, {path, std::to_string(kLatenessMs)});
    BesideFlink(
        name, flink, parallelism, kRounds, events, [&] { RunWindowJob(make_source(), key, parallelism, expected); },
        expected.results, expected.counted);
  }
}

void JsonWindow() {
  const auto events = static_cast<int64_t>(2'000'000 * Scale());
  const std::string path = DataFolder() + "/flink-transactions.ndjson";
  WriteTransactions(path, events);
  WindowBesideFlink(
      "json_window", "json", path, events, [&] { return NdjsonFiles<Transaction>(path); }, &Transaction::user_id,
      RunJsonWindowLoop(path, 1));
}

void BinaryWindow() {
  const auto events = static_cast<int64_t>(8'000'000 * Scale());
  const auto records = std::make_shared<const std::vector<BinaryTransaction>>(
      MakeBinaryTransactions(static_cast<size_t>(events), 100'000));
  WindowBesideFlink(
      "binary_window", "binary", WriteRecords("flink-transactions.bin", *records), events,
      [&] { return FromMemory(records); }, &BinaryTransaction::user, RunBinaryWindowLoop(*records, 1));
}

void KafkaWindow() {
  const KafkaWindowTopics topics;
  const LoopSink expected = topics.RunLoop();
  FlinkProcess flink("kafka", 1, {topics.servers(), std::to_string(kLatenessMs)});
  BesideFlink(
      "kafka_window", flink, 1, kRounds, topics.events(), [&] { topics.RunJob(expected); }, expected.results,
      expected.counted);
}

void Chain() {
  const auto events = static_cast<int64_t>(100'000'000 * Scale());
  const int64_t expected = RunChainLoop(events);
  int64_t count = 0;
  for (int64_t i = 0; i < events; ++i) count += (i & 7) != 0 && ((7 + ((i * 3 + (i >> 3)) ^ i)) & 15) != 3;
  FlinkProcess flink("chain", 1, {std::to_string(events)});
  BesideFlink(
      "chain", flink, 1, kRounds, events,
      [&] {
        if (RunChainJob(events) == expected) return;
        std::fprintf(stderr, "chain: the checksum differs from the loop's\n");
        std::exit(1);
      },
      static_cast<uint64_t>(count), static_cast<uint64_t>(expected));
}

void PatternBesideFlink(const char* name, std::vector<ShopEvent> events, const Pattern<ShopEvent>& pattern,
                        const LoopMatches& expected) {
  const auto shared = std::make_shared<const std::vector<ShopEvent>>(std::move(events));
  FlinkProcess flink(name, 1, {WriteRecords("flink-events.bin", *shared), std::to_string(kShopLatenessMs)});
  BesideFlink(
      name, flink, 1, kPatternRounds, static_cast<int64_t>(shared->size()),
      [&] {
        if (RunPatternJob(shared, pattern) == expected) return;
        std::fprintf(stderr, "%s: the matches differ from the loop's\n", name);
        std::exit(1);
      },
      expected.count, expected.checksum);
}

void Patterns() {
  const std::vector<ShopEvent> cycles = MakeStrictEvents();
  PatternBesideFlink("cep_strict", cycles, StrictPattern(), RunStrictLoop(cycles));
  const std::vector<ShopEvent> journeys = MakeFunnelEvents();
  PatternBesideFlink("cep_funnel", journeys, FunnelPattern(), RunFunnelLoop(journeys));
}

// Of a time, less is better; so the ratio is one that is to be small.
void LatencyBesideFlink() {
  for (const int buffer_timeout_ms : {100, 1}) {  // Flink's default, and what it does best with
    FlinkProcess flink(
        "latency", 2,
        {std::to_string(LatencyEvents()), std::to_string(kTicksPerSecond), std::to_string(buffer_timeout_ms)});
    flink.Answer();  // warms up
    const StatusOr<Latency> other = FromJson<Latency>(flink.Answer());
    DieUnless(other.status());
    const Latency own = RunLatencyJob(LatencyEvents());
    fmt::print(R"({{"name":"latency","ratio":{:.3f},"ratio_to":"flink","flink_buffer_timeout_ms":{},"p50_ms":{:.3f},)"
               R"("p99_ms":{:.3f},"p999_ms":{:.3f},"max_ms":{:.3f},"flink_p50_ms":{:.3f},"flink_p99_ms":{:.3f},)"
               R"("flink_p999_ms":{:.3f},"flink_max_ms":{:.3f},"parallelism":2}})"
               "\n",
               own.p999_ms / other->p999_ms, buffer_timeout_ms, own.p50_ms, own.p99_ms, own.p999_ms, own.max_ms,
               other->p50_ms, other->p99_ms, other->p999_ms, other->max_ms);
    std::fflush(stdout);
  }
}

void StartupBesideFlink() {
  FlinkProcess flink("startup", 2, {});
  const StartupTimes other = MedianOf(kRounds, [&] {
    const StatusOr<StartupTimes> times = FromJson<StartupTimes>(flink.Answer());
    DieUnless(times.status());
    return *times;
  });
  const StartupTimes own = MedianOf(kRounds, StartOnce);
  fmt::print(R"({{"name":"startup","ratio":{:.3f},"ratio_to":"flink",{},{},"parallelism":1}})"
             "\n",
             own.first_record_seconds / other.first_record_seconds, FieldsOf(own, ""), FieldsOf(other, "flink_"));
}

}  // namespace
}  // namespace eagre::bench

int main(int argc, char** argv) {
  using namespace eagre::bench;
  signal(SIGPIPE, SIG_IGN);
  const std::map<std::string, std::function<void()>> benchmarks = {
      {"json_window", JsonWindow},
      {"binary_window", BinaryWindow},
      {"kafka_window", KafkaWindow},
      {"chain", Chain},
      {"latency", LatencyBesideFlink},
      {"startup", StartupBesideFlink},
      {"cep", Patterns},
  };
  for (const std::string& name : std::vector<std::string>(argv + 1, argv + argc)) {
    const auto found = benchmarks.find(name);
    if (found == benchmarks.end()) {
      std::fprintf(stderr, "bench_flink: '%s' has no Flink beside it\n", name.c_str());
      return 2;
    }
    found->second();
  }
}
