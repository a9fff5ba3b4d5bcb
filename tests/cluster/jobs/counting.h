// Counts the records of each key in keyed state: the numbers of a key are 1, 2, 3... without a gap and without a
// repetition exactly when no state was lost, nothing was processed twice, and what was written was committed once.
#pragma once

#include <cstdint>

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
  void ProcessElement(const Numbered& event, Context&, Collector<Counted>& out) override {
    out.Collect({event.key, ++count_.Mutable(), event.id});
  }

 private:
  ValueState<int64_t> count_{this, "count"};
};

}  // namespace eagre::counting
