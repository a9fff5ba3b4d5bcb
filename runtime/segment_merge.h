// Makes one run of segments of several that follow one another in a chain: of entries of one key only the last is kept,
// since it wins. Works in steps that are bounded, on a thread that may wait for the disk and has other things to do.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "state/state_entry.h"

namespace eagre {

// One thread.
class SegmentMerge {
 public:
  // The segments lie in files below `root`. `write` gets what is kept, in the order in which it was.
  SegmentMerge(FileSystem& files, std::string root, std::vector<proto::StateSegment> segments,
               std::function<void(std::string bytes, uint64_t entries, uint64_t key_bytes)> write);

  // What it keeps in memory for as long as it lasts, at most, if no key comes twice; and how much that may be.
  static uint64_t IndexBytes(uint64_t entries, uint64_t key_bytes) { return entries * kIndexBytesPerEntry + key_bytes; }
  static constexpr uint64_t kMostIndexBytes = 32 << 20;

  // Reads a segment; true when everything is written.
  StatusOr<bool> Step();

 private:
  static constexpr size_t kSegmentBytes = 4 << 20;
  static constexpr uint64_t kIndexBytesPerEntry = 100;

  template <typename Visit>
  Status ForEachEntry(Visit&& visit);

  FileSystem& files_;
  const std::string root_;
  const std::vector<proto::StateSegment> segments_;
  const std::function<void(std::string, uint64_t, uint64_t)> write_;
  // By hash and key: the last entry's number.
  absl::flat_hash_map<std::string, uint64_t> last_;
  bool all_seen_ = false;
  size_t next_ = 0;      // of segments_
  uint64_t number_ = 0;  // of the next entry
  StateEntryWriter kept_;
};

}  // namespace eagre
