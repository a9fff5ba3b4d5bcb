// How many libraries come in at once. When there are too many, one that has said nothing for long makes room: those who
// connect and stay silent keep nobody from submitting a job.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"

namespace eagre {

// Thread-safe.
class UploadSlots {
 public:
  class Upload {
   public:
    virtual ~Upload() = default;
    // When something of it last came, monotonic.
    virtual int64_t last_heard_ns() const = 0;
    // Ends it, unless all of it has come already: then false.
    virtual bool MakeRoom() = 0;
  };

  // `clock` outlives it.
  UploadSlots(const Clock& clock, size_t slots, int64_t longest_silence_ms)
      : clock_(clock), slots_(slots), longest_silence_ms_(longest_silence_ms) {}

  // False when there is no place, and none could be made.
  bool Enter(std::shared_ptr<Upload> upload);
  // It is over. One that made room, or never entered, may leave too.
  void Leave(const Upload* upload);

 private:
  const Clock& clock_;
  const size_t slots_;
  const int64_t longest_silence_ms_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Upload>> uploads_;
};

}  // namespace eagre
