// The splits of generated sources: the indices 0, 1, 2, ... dealt out to the readers in blocks, with or without a
// schedule.
//
// Split s of n has the blocks s, s + n, s + 2n, ... and is subtask s's from the start, however late that asks: so all
// readers are always at neighbouring indices, and the last of them holds event time back until it has begun. Given to
// whoever asks first, a split could come to a reader that has finished its own, and all its records would be late.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "runtime/split_source.h"

namespace eagre {

struct GeneratorOptions {
  static constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();
  int64_t count = kUnbounded;
  double rate_per_second = 0;  // of all subtasks together; 0: as fast as they go
  int64_t block = 1024;        // consecutive indices of one reader
};

// One reader's share and how far it is.
struct IndexRange {
  int64_t split = 0;
  int64_t splits = 1;
  int64_t block = 1;
  int64_t next = 0;      // position within the share
  int64_t start_ms = 0;  // wall time at which index 0 is due, when there is a rate

  // The index at a position of the share.
  int64_t IndexAt(int64_t position) const { return (position / block * splits + split) * block + position % block; }

  std::string Id() const;
  SourceSplit Encode() const;
  static StatusOr<IndexRange> Decode(const SourceSplit& split);
};

// Record i is due i / rate seconds after the start. Exact for every index: nothing accumulates.
int64_t DueNs(int64_t index, double rate_per_second);

class IndexRangeEnumerator final : public SplitEnumerator {
 public:
  explicit IndexRangeEnumerator(const GeneratorOptions& options) : options_(options) {}
  Status Restore(std::string_view snapshot) override;
  Status Start(Context& context) override;
  Status OnSplitRequest(int subtask) override;
  Status AddSplitsBack(int subtask, std::vector<SourceSplit> splits) override;
  std::string Snapshot() const override;

 private:
  const GeneratorOptions options_;
  Context* context_ = nullptr;
  bool restored_ = false;
  std::vector<IndexRange> splits_;  // not given out
};

// The reader's half without the record type: which indices are to be made now. Of several splits, which a reader has
// after a restore at a lower parallelism, it reads the one that is furthest behind.
class IndexRangeReader {
 public:
  explicit IndexRangeReader(const GeneratorOptions& options) : options_(options) {}

  Status Start(SourceReaderContext& context);
  Status AddSplits(const std::vector<SourceSplit>& splits);
  void NoMoreSplits() { no_more_splits_ = true; }
  void Pause(const std::vector<std::string>& split_ids) { SetPaused(split_ids, true); }
  void Resume(const std::vector<std::string>& split_ids) { SetPaused(split_ids, false); }
  std::vector<SourceSplit> Snapshot() const;
  int64_t NextReadMs() const;

  // Indices [first, first + count), at most `most`, that are due, of split_id(); count 0: look at `result`. After they
  // are made, Advance.
  struct Run {
    ReadResult result = ReadResult::kMore;
    int64_t first = 0;
    int64_t count = 0;
  };
  Run Next(int64_t most);
  // True when the split is at its end; it is forgotten then.
  bool Advance(int64_t count);

  // Valid until Next.
  const std::string& split_id() const { return split_id_; }
  bool only_split() const { return shares_.size() == 1; }
  // When the record of this index is due, in ns since 1970; 0 without a rate.
  int64_t DueAtNs(int64_t index) const {
    if (options_.rate_per_second <= 0) return 0;
    return shares_[current_].range.start_ms * 1'000'000 + DueNs(index, options_.rate_per_second);
  }

 private:
  struct Share {
    IndexRange range;
    std::string id;
    bool paused = false;

    int64_t next_index() const { return range.IndexAt(range.next); }
  };
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  void SetPaused(const std::vector<std::string>& split_ids, bool paused);
  // The share with the lowest next index that is not paused, or kNone.
  size_t FurthestBehind() const;

  const GeneratorOptions options_;
  SourceReaderContext* context_ = nullptr;
  std::vector<Share> shares_;
  size_t current_ = 0;  // which Next has chosen
  std::string split_id_;
  bool no_more_splits_ = false;
};

}  // namespace eagre
