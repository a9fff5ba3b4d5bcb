#include "bench/jobs/pattern_job.h"

#include <chrono>
#include <string>
#include <utility>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"

namespace eagre::bench {
namespace {

class SummingSink final : public Sink<ShopMatch> {
 public:
  explicit SummingSink(std::shared_ptr<LoopMatches> found) : found_(std::move(found)) {}
  std::string Name() const override { return "Sum"; }
  StatusOr<std::unique_ptr<SinkWriter<ShopMatch>>> CreateWriter() const override {
    return std::unique_ptr<SinkWriter<ShopMatch>>(new Writer(found_));
  }

 private:
  class Writer final : public SinkWriter<ShopMatch> {
   public:
    explicit Writer(std::shared_ptr<LoopMatches> found) : found_(std::move(found)) {}
    Status Write(const TypedBatch<ShopMatch>& batch, size_t& position) override {
      for (; position < batch.size(); ++position) {
        ++found_->count;
        found_->checksum += batch.records()[position].ids;
      }
      return OkStatus();
    }

   private:
    std::shared_ptr<LoopMatches> found_;
  };
  std::shared_ptr<LoopMatches> found_;
};

}  // namespace

size_t ShopEvents() {
  return static_cast<size_t>(6'000'000 * Scale());
}

std::vector<ShopEvent> MakeStrictEvents() {
  return MakeCycledEvents(ShopEvents(), kShopUsers, {3, 0, 1, 3, 0, 3, 0, 1, 2, 3});
}

Pattern<ShopEvent> StrictPattern() {
  return Pattern<ShopEvent>::Begin("a").Where(OfType(0)).Next("b").Where(OfType(1)).Next("c").Where(OfType(2));
}

std::vector<ShopEvent> MakeFunnelEvents() {
  return MakeFunnelEvents(ShopEvents(), kShopUsers, kShopLatenessMs);
}

Pattern<ShopEvent> FunnelPattern() {
  return Pattern<ShopEvent>::Begin("login")
      .Where(OfType(0))
      .FollowedBy("view")
      .Where(OfType(1))
      .FollowedBy("purchase")
      .Where(OfType(2))
      .Within(std::chrono::milliseconds(kFunnelWindowMs));
}

LoopMatches RunPatternJob(const std::shared_ptr<const std::vector<ShopEvent>>& events,
                          const Pattern<ShopEvent>& pattern, Backend backend) {
  auto found = std::make_shared<LoopMatches>();
  LocalJob job;
  job.SetParallelism(1);
  if (backend == Backend::kRocksDb) {
    // The keys fit the cache of decoded objects.
    job.Set("state.backend.type", "rocksdb");
    job.Set("state.backend.rocksdb.localdir", DataFolder());
    job.Set("taskmanager.memory.managed.size", "1gb");
  }
  auto stream = job.Read(FromMemory<ShopEvent>(events))
                    .WithWatermarks(BoundedOutOfOrderness(std::chrono::milliseconds(kShopLatenessMs)),
                                    [](const ShopEvent& event) { return event.timestamp; });
  Cep::Match(stream.KeyBy(&ShopEvent::user), pattern)
      .Select([](const Match<ShopEvent>& match) {
        ShopMatch result;
        for (const ShopEvent* event : match.events()) {
          result.user = event->user;
          result.ids += event->id;
        }
        return result;
      })
      .WriteTo(SummingSink(found));
  DieUnless(job.Execute());
  return *found;
}

}  // namespace eagre::bench
