// Counts the records of each key in keyed state: the numbers of a key are 1, 2, 3... without a gap and without a
// repetition exactly when no state was lost, nothing was processed twice, and what was written was committed once.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <eagre/eagre.h>

namespace eagre::counting {

struct Numbered {
  int64_t id = 0;
  int64_t key = 0;
};
EAGRE_RECORD(Numbered, id, key);

struct Counted {
  int64_t key = 0;
  int64_t count = 0;
  int64_t id = 0;
};
EAGRE_RECORD(Counted, key, count, id);

class Count : public KeyedProcessFunction<int64_t, Numbered, Counted> {
 public:
  // Fails at the record with the id `poison`.
  explicit Count(int64_t poison = -1) : poison_(poison) {}

  void ProcessElement(const Numbered& event, Context&, Collector<Counted>& out) override {
    if (event.id == poison_) throw std::runtime_error("record " + std::to_string(poison_) + " is not welcome");
    out.Collect({event.key, ++count_.Mutable(), event.id});
  }

 private:
  const int64_t poison_;
  ValueState<int64_t> count_{this, "count"};
};

}  // namespace eagre::counting
