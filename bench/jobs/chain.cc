// Four map and filter operators, chained, on 32-byte records.
#include <atomic>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"

namespace eagre::bench {
EAGRE_RECORD(ChainRecord, a, b, c, d);
}  // namespace eagre::bench

using namespace eagre;
using namespace eagre::bench;

namespace {

class SumSink final : public Sink<ChainRecord> {
 public:
  explicit SumSink(std::shared_ptr<int64_t> sum) : sum_(std::move(sum)) {}
  std::string Name() const override { return "Sum"; }
  StatusOr<std::unique_ptr<SinkWriter<ChainRecord>>> CreateWriter() const override {
    return std::unique_ptr<SinkWriter<ChainRecord>>(new Writer(sum_));
  }

 private:
  class Writer final : public SinkWriter<ChainRecord> {
   public:
    explicit Writer(std::shared_ptr<int64_t> sum) : sum_(std::move(sum)) {}
    Status Write(const TypedBatch<ChainRecord>& batch, size_t& position) override {
      int64_t sum = 0;
      for (; position < batch.size(); ++position) sum += batch.records()[position].d;
      *sum_ += sum;
      return OkStatus();
    }

   private:
    std::shared_ptr<int64_t> sum_;
  };
  std::shared_ptr<int64_t> sum_;
};

}  // namespace

int main() {
  const auto events = static_cast<int64_t>(100'000'000 * Scale());
  int64_t expected = 0;
  const Comparison comparison = Compare(
      7,
      [&] {
        auto sum = std::make_shared<int64_t>(0);
        LocalJob job;
        job.Read(Generate<ChainRecord>(events,
                                       [](int64_t i) {
                                         return ChainRecord{i, 0, i >> 3, 7};
                                       }))
            .Map([](ChainRecord& r) { r.b = r.a * 3 + r.c; })
            .Filter([](const ChainRecord& r) { return (r.a & 7) != 0; })
            .Map([](ChainRecord& r) { r.d += r.b ^ r.a; })
            .Filter([](const ChainRecord& r) { return (r.d & 15) != 3; })
            .WriteTo(SumSink(sum));
        DieUnless(job.Execute());
        if (*sum != expected) {
          std::fprintf(stderr, "checksum %lld, expected %lld\n", static_cast<long long>(*sum),
                       static_cast<long long>(expected));
          std::exit(1);
        }
        return events;
      },
      [&] {
        expected = RunChainLoop(events);
        return events;
      });
  PrintLine("chain", "loop with one virtual call per batch and operator", 1, comparison);
}
