// A job that notices when its state is not what it should be, whatever was killed: what it sees that cannot be is a
// record for a sink which fails the job for good, with a message that begins with "VIOLATION".
//
// Every key has a sequence 0, 1, 2, ..., which must arrive without a gap and without a repetition. What is written
// follows from the input alone, so the output of two runs is the same multiset of lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <eagre/eagre.h>

#include "tests/chaos/jobs/pausing_sink.h"

namespace eagre {

struct SelfVerifyingOptions {
  int64_t records = 100'000;
  double records_per_second = 0;  // 0: as fast as it goes
  int64_t parallelism = 2;        // of the source
  // All records of a key come from one subtask of the source, so their order is that of their numbers. Without a rate
  // that wants as many keys as a subtask has records in a row (connectors/generator/index_range.h); fewer have longer
  // sequences.
  static constexpr int64_t kBlock = 1024;
  int64_t keys_per_subtask = kBlock;
  std::chrono::milliseconds window{5'000};
  std::chrono::milliseconds timer_delay{3'000};
  std::string output;           // folder
  FileSystem* files = nullptr;  // null: the machine's
  // Each record is handed to the functions by itself, on a thread of their own.
  bool blocking = false;
  std::shared_ptr<SinkPauses> pauses;  // null: the sinks take all that comes
};

void DescribeSelfVerifying(Job& job, const SelfVerifyingOptions& options);

}  // namespace eagre
