// The splits of generated sources: the indices 0, 1, 2, ... dealt out to the readers in blocks, with or without a
// schedule.
//
// Split s of n has the blocks s, s + n, s + 2n, ... So all readers are always at neighbouring indices, and no reader
// has to ask for more.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
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
  std::vector<SourceSplit> splits_;  // not given out, the next one last
};

// The reader's half without the record type: which indices are to be made now.
class IndexRangeReader {
 public:
  explicit IndexRangeReader(const GeneratorOptions& options) : options_(options) {}

  Status Start(SourceReaderContext& context);
  Status AddSplits(const std::vector<SourceSplit>& splits);
  void NoMoreSplits() { no_more_splits_ = true; }
  void Pause(const std::vector<std::string>& split_ids) { paused_.insert(split_ids.begin(), split_ids.end()); }
  void Resume(const std::vector<std::string>& split_ids);
  std::vector<SourceSplit> Snapshot() const;
  int64_t NextReadMs() const;

  // Indices [first, first + count), at most `most`, that are due; count 0: look at `result`. After they are made,
  // Advance.
  struct Run {
    ReadResult result = ReadResult::kMore;
    int64_t first = 0;
    int64_t count = 0;
  };
  Run Next(int64_t most);
  // True when the share is at its end.
  bool Advance(int64_t count);

  const std::string& split_id() const { return split_id_; }
  // When the record of this index is due, in ns since 1970; 0 without a rate.
  int64_t DueAtNs(int64_t index) const {
    if (options_.rate_per_second <= 0) return 0;
    return current_->start_ms * 1'000'000 + DueNs(index, options_.rate_per_second);
  }

 private:
  const GeneratorOptions options_;
  SourceReaderContext* context_ = nullptr;
  std::vector<IndexRange> queue_;  // the next one last
  std::optional<IndexRange> current_;
  std::string split_id_;
  std::set<std::string, std::less<>> paused_;
  bool no_more_splits_ = false;
};

}  // namespace eagre
