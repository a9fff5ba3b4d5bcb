#include "bench/jobs/latency_job.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <eagre/eagre.h>

#include "bench/jobs/window_result.h"

namespace eagre::bench {
namespace {

struct Tick {
  int64_t key = 0;
  int64_t due_ns = 0;
};
EAGRE_RECORD(Tick, key, due_ns);

class LatencySink final : public Sink<Tick> {
 public:
  struct Latencies {
    std::mutex mutex;
    std::vector<float> microseconds;
  };
  explicit LatencySink(std::shared_ptr<Latencies> latencies) : latencies_(std::move(latencies)) {}
  std::string Name() const override { return "Latency"; }
  StatusOr<std::unique_ptr<SinkWriter<Tick>>> CreateWriter() const override {
    return std::unique_ptr<SinkWriter<Tick>>(new Writer(latencies_));
  }

 private:
  class Writer final : public SinkWriter<Tick> {
   public:
    explicit Writer(std::shared_ptr<Latencies> latencies) : latencies_(std::move(latencies)) {}
    Status Write(const TypedBatch<Tick>& batch, size_t& position) override {
      const int64_t now_ns =
          std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count();
      for (; position < batch.size(); ++position) {
        microseconds_.push_back(static_cast<float>(now_ns - batch.records()[position].due_ns) / 1000);
      }
      return OkStatus();
    }
    Status Close(bool) override {
      std::lock_guard lock(latencies_->mutex);
      auto& all = latencies_->microseconds;
      all.insert(all.end(), microseconds_.begin(), microseconds_.end());
      return OkStatus();
    }

   private:
    std::shared_ptr<Latencies> latencies_;
    std::vector<float> microseconds_;
  };
  std::shared_ptr<Latencies> latencies_;
};

}  // namespace

int64_t LatencyEvents() {
  return std::max<int64_t>(static_cast<int64_t>(3'000'000 * Scale()), kTicksPerSecond / 5);
}

Latency RunLatencyJob(int64_t events) {
  auto latencies = std::make_shared<LatencySink::Latencies>();
  const Measured measured = Measure([&] {
    LocalJob job;
    job.SetParallelism(2);
    job.Read(Generate<Tick>(events,
                            [](const Due& due) {
                              return Tick{due.index * 7919 % 10'000, due.ns};
                            })
                 .RatePerSecond(kTicksPerSecond))
        .KeyBy(&Tick::key)
        .Process([](const Tick& tick, KeyedProcessContext<int64_t>&, Collector<Tick>& out) { out.Collect(tick); })
        .WriteTo(LatencySink(latencies));
    DieUnless(job.Execute());
    return events;
  });
  auto& all = latencies->microseconds;
  std::sort(all.begin(), all.end());
  auto at = [&](double part) {
    return all[std::min(all.size() - 1, static_cast<size_t>(part * static_cast<double>(all.size())))] / 1000.0;
  };
  return {.p50_ms = at(0.5), .p99_ms = at(0.99), .p999_ms = at(0.999), .max_ms = at(1.0), .measured = measured};
}

}  // namespace eagre::bench
