// A function with metrics of every kind, in a slot sharing group of its own.
#include <eagre/eagre.h>

#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

class Measured final : public MapFunction<int64_t, int64_t> {
 public:
  Status Open(RuntimeContext& context) override {
    even_ = &context.metrics().Group("parity", "even").AddCounter("numbers");
    last_ = &context.metrics().AddGauge("last");
    rate_ = &context.metrics().AddMeter("mapped");
    digits_ = &context.metrics().AddHistogram("digits");
    return OkStatus();
  }
  int64_t Map(const int64_t& number) override {
    if (number % 2 == 0) even_->Add();
    last_->Set(static_cast<double>(number));
    rate_->Mark();
    digits_->Update(static_cast<double>(std::to_string(number).size()));
    return number;
  }

 private:
  Counter* even_ = nullptr;
  Gauge* last_ = nullptr;
  Meter* rate_ = nullptr;
  Histogram* digits_ = nullptr;
};

EAGRE_JOB(job, args) {
  job.SetName("user metrics");
  job.Read(Generate<int64_t>([](const Due& due, int64_t& number) { number = due.index; }).RatePerSecond(1000))
      .Map(Measured())
      .Name("measured")
      .SlotSharingGroup("measured")
      .WriteTo(Blackhole());
}
