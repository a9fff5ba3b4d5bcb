// What the window benchmarks compute, and the sink that checks it.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <eagre/eagre.h>

#include "bench/limit/tumbling_loop.h"

namespace eagre::bench {

struct WindowResult {
  int64_t count = 0;
  double sum = 0;
};
EAGRE_RECORD(WindowResult, count, sum);

// Counts what it gets, for the comparison with the loop, and drops it.
class CheckingSink final : public Sink<WindowResult> {
 public:
  struct Totals {
    std::atomic<uint64_t> results{0};
    std::atomic<uint64_t> counted{0};
  };
  explicit CheckingSink(std::shared_ptr<Totals> totals) : totals_(std::move(totals)) {}
  std::string Name() const override { return "Blackhole"; }
  StatusOr<std::unique_ptr<SinkWriter<WindowResult>>> CreateWriter() const override {
    return std::unique_ptr<SinkWriter<WindowResult>>(new Writer(totals_));
  }

 private:
  class Writer final : public SinkWriter<WindowResult> {
   public:
    explicit Writer(std::shared_ptr<Totals> totals) : totals_(std::move(totals)) {}
    Status Write(const TypedBatch<WindowResult>& batch, size_t& position) override {
      uint64_t counted = 0;
      totals_->results += batch.size() - position;
      for (; position < batch.size(); ++position) counted += static_cast<uint64_t>(batch.records()[position].count);
      totals_->counted += counted;
      return OkStatus();
    }

   private:
    std::shared_ptr<Totals> totals_;
  };
  std::shared_ptr<Totals> totals_;
};

// Ends the benchmark when the engine did not do the loop's work.
inline void CheckSame(const CheckingSink::Totals& engine, const LoopSink& loop) {
  if (engine.results == loop.results && engine.counted == loop.counted) return;
  std::fprintf(stderr, "the engine made %llu results of %llu events, the loop %llu of %llu\n",
               static_cast<unsigned long long>(engine.results), static_cast<unsigned long long>(engine.counted),
               static_cast<unsigned long long>(loop.results), static_cast<unsigned long long>(loop.counted));
  std::exit(1);
}

inline void DieUnless(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "the job failed: %s\n", std::string(StatusMessage(status)).c_str());
  std::exit(1);
}

// One-minute count and sum by `key` of records with timestamp and amount.
template <typename T, typename Key>
void WindowInto(DataStream<T> records, Key key, std::shared_ptr<CheckingSink::Totals> totals) {
  records.WithWatermarks(BoundedOutOfOrderness(std::chrono::milliseconds(kLatenessMs)), &T::timestamp)
      .KeyBy(key)
      .Window(Tumbling(std::chrono::milliseconds(kMinuteMs)))
      .Aggregate(WindowResult{},
                 [](WindowResult& result, const T& record) {
                   ++result.count;
                   result.sum += record.amount;
                 })
      .WriteTo(CheckingSink(std::move(totals)));
}

// The job of the window benchmarks. Ends the benchmark when the result is not that of the loop.
template <typename S, typename Key>
void RunWindowJob(S source, Key key, int parallelism, const LoopSink& loop) {
  auto totals = std::make_shared<CheckingSink::Totals>();
  LocalJob job;
  job.SetParallelism(parallelism);
  WindowInto(job.Read(std::move(source)), key, totals);
  DieUnless(job.Execute());
  CheckSame(*totals, loop);
}

}  // namespace eagre::bench
