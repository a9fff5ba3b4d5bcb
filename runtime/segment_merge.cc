#include "runtime/segment_merge.h"

#include <utility>

#include "state/state_file.h"

namespace eagre {
namespace {

std::string IdentityOf(const StateEntry& entry) {
  std::string identity;
  ByteWriter writer(identity);
  writer.Fixed(entry.hash);
  writer.Raw(entry.key);
  return identity;
}

}  // namespace

SegmentMerge::SegmentMerge(FileSystem& files, std::string root, std::vector<proto::StateSegment> segments,
                           std::function<void(std::string bytes, uint64_t entries, uint64_t key_bytes)> write)
    : files_(files), root_(std::move(root)), segments_(std::move(segments)), write_(std::move(write)) {}

StatusOr<bool> SegmentMerge::Step() {
  if (!all_seen_) {
    EAGRE_RETURN_IF_ERROR(ForEachEntry([this](const StateEntry& entry) { last_[IdentityOf(entry)] = number_; }));
    if (next_ < segments_.size()) return false;
    all_seen_ = true;
    next_ = 0;
    number_ = 0;
    return false;
  }
  EAGRE_RETURN_IF_ERROR(ForEachEntry([this](const StateEntry& entry) {
    if (last_[IdentityOf(entry)] != number_) return;
    kept_.Add(entry);
  }));
  const bool done = next_ == segments_.size();
  if (kept_.entries() > 0 && (done || kept_.bytes() >= kSegmentBytes)) {
    const uint64_t entries = kept_.entries();
    const uint64_t key_bytes = kept_.key_bytes();
    write_(kept_.Take(), entries, key_bytes);
  }
  return done;
}

template <typename Visit>
Status SegmentMerge::ForEachEntry(Visit&& visit) {
  EAGRE_ASSIGN_OR_RETURN(const std::string bytes, ReadStateSegment(files_, root_, segments_[next_]));
  ++next_;
  StateEntryReader reader(bytes);
  for (StateEntry entry;; ++number_) {
    EAGRE_ASSIGN_OR_RETURN(const bool found, reader.Next(entry));
    if (!found) return OkStatus();
    visit(entry);
  }
}

}  // namespace eagre
