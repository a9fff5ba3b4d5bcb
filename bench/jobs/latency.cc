// End-to-end latency at 100 k events a second through a keyed shuffle, counted from the moment at which each event was
// due, so that an event that is late because the one before it was late counts as late.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <vector>

#include <eagre/eagre.h>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"

using namespace eagre;
using namespace eagre::bench;

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

int main() {
  constexpr int64_t kRate = 100'000;
  const auto events = std::max<int64_t>(static_cast<int64_t>(3'000'000 * Scale()), kRate / 5);
  auto latencies = std::make_shared<LatencySink::Latencies>();
  const Measured measured = Measure([&] {
    LocalJob job;
    job.SetParallelism(2);
    job.Read(Generate<Tick>(events,
                            [](const Due& due) {
                              return Tick{due.index * 7919 % 10'000, due.ns};
                            })
                 .RatePerSecond(kRate))
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
  fmt::print(
      R"({{"name":"latency","ratio":{:.3f},"ratio_to":"the aim of 5 ms at p99.9","p50_ms":{:.3f},"p99_ms":{:.3f},)"
      R"("p999_ms":{:.3f},"max_ms":{:.3f},"events_per_second":{:.0f},"events_per_core_second":{:.0f},"parallelism":2}})"
      "\n",
      at(0.999) / 5.0, at(0.5), at(0.99), at(0.999), at(1.0), measured.EventsPerSecond(),
      measured.EventsPerCoreSecond());
}
