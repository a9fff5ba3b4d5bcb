// Records that tell which way they went, for tests of partitionings.
#pragma once

#include <cstdint>

#include <eagre/eagre.h>

namespace eagre {

struct Placed {
  int64_t value = 0;
  int64_t from = 0;  // the subtask that sent it
  int64_t at = 0;    // and the one that got it
};
EAGRE_RECORD(Placed, value, from, at);

class NoteSender final : public MapFunction<int64_t, Placed> {
 public:
  Status Open(RuntimeContext& context) override {
    subtask_ = context.subtask();
    return OkStatus();
  }
  Placed Map(const int64_t& value) override { return {value, subtask_, -1}; }

 private:
  int64_t subtask_ = 0;
};

class NoteReceiver final : public MapFunction<Placed, Placed> {
 public:
  Status Open(RuntimeContext& context) override {
    subtask_ = context.subtask();
    return OkStatus();
  }
  Placed Map(const Placed& placed) override { return {placed.value, placed.from, subtask_}; }

 private:
  int64_t subtask_ = 0;
};

}  // namespace eagre
