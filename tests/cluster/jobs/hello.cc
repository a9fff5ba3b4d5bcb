// Prints a few squares and ends; accumulates how many and the greatest.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

class Square final : public MapFunction<Number, Number> {
 public:
  Status Open(RuntimeContext& context) override {
    squares_ = &context.AddAccumulator<IntCounter>("squares");
    greatest_ = &context.AddAccumulator<IntMaximum>("greatest");
    return OkStatus();
  }
  Number Map(const Number& number) override {
    squares_->Add();
    greatest_->Add(number.value * number.value);
    return {number.value * number.value};
  }

 private:
  IntCounter* squares_ = nullptr;
  IntMaximum* greatest_ = nullptr;
};

EAGRE_JOB(job, args) {
  job.SetName("hello");
  job.Read(Numbers(args.GetInt("count", 10))).Map(Square()).Name("square").WriteTo(Print()).Name("out");
}
