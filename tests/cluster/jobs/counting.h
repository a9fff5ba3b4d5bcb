// Counts the records of each key in keyed state: the numbers of a key are 1, 2, 3... without a gap and without a
// repetition exactly when no state was lost, nothing was processed twice, and what was written was committed once.
#pragma once

#include <chrono>
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

// The state, and what a later version of the job makes of it.
struct Tally {
  int32_t count = 0;
};
EAGRE_RECORD(Tally, count);
struct LaterTally {
  std::string note = "none yet";
  int64_t count = 0;
};
EAGRE_RECORD(LaterTally, note, count);

template <typename T>
class CountIn : public KeyedProcessFunction<int64_t, Numbered, Counted> {
 public:
  // Fails at the record with the id `poison`. The state of a key is larger by `padding` bytes.
  explicit CountIn(int64_t poison = -1, int64_t padding = 0) : poison_(poison), padding_(padding) {}

  void ProcessElement(const Numbered& event, Context&, Collector<Counted>& out) override {
    if (event.id == poison_) throw std::runtime_error("record " + std::to_string(poison_) + " is not welcome");
    if (padding_ > 0) filling_.Mutable().resize(static_cast<size_t>(padding_));
    out.Collect({event.key, ++count_.Mutable().count, event.id});
  }

 private:
  const int64_t poison_;
  const int64_t padding_;
  ValueState<T> count_{this, "count"};
  ValueState<std::string> filling_{this, "filling"};
};
using Count = CountIn<Tally>;

// The same, forgetting a key that was not counted for so long.
class CountForAWhile : public KeyedProcessFunction<int64_t, Numbered, Counted> {
 public:
  explicit CountForAWhile(std::chrono::milliseconds ttl) : count_(this, "count", StateTtl(ttl)) {}

  void ProcessElement(const Numbered& event, Context&, Collector<Counted>& out) override {
    out.Collect({event.key, ++count_.Mutable(), event.id});
  }

 private:
  TtlValueState<int64_t> count_;
};

}  // namespace eagre::counting
