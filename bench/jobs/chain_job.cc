#include "bench/jobs/chain_job.h"

#include <memory>
#include <string>
#include <utility>

#include <eagre/eagre.h>

#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"

namespace eagre::bench {
EAGRE_RECORD(ChainRecord, a, b, c, d);
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

int64_t RunChainJob(int64_t events) {
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
  return *sum;
}

}  // namespace eagre::bench
