#include "runtime/partition_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "base/check.h"
#include "runtime/key_groups.h"

namespace eagre {
namespace {

// A few records are copied at less cost than every consumer has from one more batch.
constexpr size_t kFewestShown = 32;

}  // namespace

PartitionWriter::PartitionWriter(Partitioning partitioning, std::vector<std::unique_ptr<OutputChannel>> channels,
                                 PartitionCode code, int max_parallelism, int subtask)
    : partitioning_(partitioning),
      channels_(std::move(channels)),
      code_(std::move(code)),
      random_(static_cast<uint64_t>(subtask)),
      parts_(channels_.size()),
      known_origins_(channels_.size()) {
  EAGRE_CHECK(!channels_.empty());
  EAGRE_CHECK((partitioning_ == Partitioning::kHash) == (code_.hasher != nullptr));
  EAGRE_CHECK((partitioning_ == Partitioning::kCustom) == (code_.partitioner != nullptr));
  if (partitioning_ == Partitioning::kHash) {
    subtask_of_key_group_.resize(max_parallelism);
    for (int group = 0; group < max_parallelism; ++group) {
      subtask_of_key_group_[group] =
          static_cast<uint16_t>(SubtaskOfKeyGroup(group, static_cast<int>(channels_.size()), max_parallelism));
    }
  }
}

// A division takes as long as all the rest of the loop, so the usual powers of two do without.
template <typename GroupOf>
void PartitionWriter::AssignByHash(const Batch& batch, GroupOf group_of) {
  const uint64_t* hashes = batch.hashes();
  for (size_t i = 0; i < batch.size(); ++i) {
    parts_[subtask_of_key_group_[group_of(hashes[i])]].Add(i);
  }
}

void PartitionWriter::Assign(const Batch& batch) {
  const size_t size = batch.size();
  for (Part& part : parts_) {
    if (part.indices.size() < size) part.indices.resize(size);
    part.size = part.taken = 0;
  }
  switch (partitioning_) {
    case Partitioning::kHash: {
      const uint64_t groups = subtask_of_key_group_.size();
      if (std::has_single_bit(groups)) {
        AssignByHash(batch, [mask = groups - 1](uint64_t hash) { return hash & mask; });
      } else {
        AssignByHash(batch, [groups](uint64_t hash) { return hash % groups; });
      }
      return;
    }
    case Partitioning::kRebalance:
    case Partitioning::kRescale:
      for (size_t i = 0; i < size; ++i) {
        parts_[next_round_robin_].Add(i);
        if (++next_round_robin_ == channels_.size()) next_round_robin_ = 0;
      }
      return;
    case Partitioning::kShuffle:
      for (size_t i = 0; i < size; ++i) parts_[random_.Below(channels_.size())].Add(i);
      return;
    case Partitioning::kGlobal:
      for (size_t i = 0; i < size; ++i) parts_[0].Add(i);
      return;
    case Partitioning::kCustom: AssignByPartitioner(batch); return;
    case Partitioning::kAutomatic:
    case Partitioning::kForward:
    case Partitioning::kBroadcast:
      for (Part& part : parts_) {
        std::iota(part.indices.begin(), part.indices.begin() + static_cast<ptrdiff_t>(size), 0u);
        part.size = size;
      }
      return;
  }
}

void CheckPartition(int chosen, int partitions, std::string_view edge) {
  if (chosen >= 0 && chosen < partitions) [[likely]]
    return;
  throw std::out_of_range(
      fmt::format("the partitioner {} chose partition {}; expected 0 to {}", edge, chosen, partitions - 1));
}

void PartitionWriter::AssignByPartitioner(const Batch& batch) {
  const auto partitions = static_cast<int>(channels_.size());
  chosen_.resize(batch.size());
  code_.partitioner->Partition(batch, partitions, chosen_.data());
  for (size_t i = 0; i < batch.size(); ++i) {
    CheckPartition(chosen_[i], partitions, code_.edge);
    parts_[static_cast<size_t>(chosen_[i])].Add(i);
  }
}

bool PartitionWriter::ToBeShown(size_t c) const {
  return parts_[c].size >= kFewestShown && channels_[c]->takes_views();
}

// A batch is taken over only if somebody will be shown it: one that was copied to all is the producer's to fill again.
bool PartitionWriter::WorthSharing(const Batch& batch) const {
  if (!batch.type().large || batch.size() < kFewestShown * channels_.size()) return false;
  for (size_t c = 0; c < channels_.size(); ++c) {
    if (ToBeShown(c)) return true;
  }
  return false;
}

// Takes the assigned batch over and leaves an empty one.
void PartitionWriter::Share(std::unique_ptr<Batch>& batch) {
  shared_ = std::make_shared<SharedBatch>();
  shared_->batch = std::move(batch);
  for (auto& channel : channels_) {
    if (batch == nullptr) batch = channel->TakeShown();
  }
  if (batch == nullptr) batch = shared_->batch->type().create();
}

// Hands on what the channels have not got of the shared batch; false when one is full.
bool PartitionWriter::FinishShared() {
  if (shared_ == nullptr) return true;
  bool finished = true;
  for (size_t c = 0; c < channels_.size(); ++c) {
    Part& part = parts_[c];
    if (part.taken == part.size) continue;
    if (!ToBeShown(c)) {
      finished &= AppendTo(c, *shared_->batch);
    } else if (SendOrigin(c) && channels_[c]->Show(shared_, part.indices.data(), part.size)) {
      part.taken = part.size;
    } else {
      finished = false;
    }
  }
  if (finished) shared_.reset();
  return finished;
}

// Appends what the channel has not got of the assigned batch; false when it is full.
bool PartitionWriter::AppendTo(size_t c, const Batch& batch) {
  Part& part = parts_[c];
  if (part.taken < part.size) {
    if (!SendOrigin(c)) return false;
    part.taken += channels_[c]->Append(batch, part.indices.data() + part.taken, part.size - part.taken);
  }
  return part.taken == part.size;
}

bool PartitionWriter::Write(std::unique_ptr<Batch>& batch, bool may_give) {
  if (!FinishShared()) return false;
  if (!begun_ && code_.hasher) code_.hasher->Hash(*batch);
  if (channels_.size() == 1 && may_give) {
    begun_ = !SendOrigin(0) || !channels_[0]->Give(batch);
    return !begun_;
  }
  if (!begun_) {
    Assign(*batch);
    if (may_give && WorthSharing(*batch)) {
      Share(batch);
      FinishShared();
      return true;
    }
  }
  begun_ = false;
  for (size_t c = 0; c < channels_.size(); ++c) begun_ |= !AppendTo(c, *batch);
  return !begun_;
}

bool PartitionWriter::Send(const ControlEvent& event) {
  if (!FinishShared()) return false;
  for (; event_position_ < channels_.size(); ++event_position_) {
    if (!channels_[event_position_]->Send(event)) return false;
  }
  event_position_ = 0;
  return true;
}

// Before records go into the channel.
bool PartitionWriter::SendOrigin(size_t c) {
  if (known_origins_[c] == origin_) return true;
  if (!channels_[c]->SendOrigin(origin_)) return false;
  known_origins_[c] = origin_;
  return true;
}

bool PartitionWriter::Flush() {
  if (!FinishShared()) return false;
  bool flushed = true;
  for (auto& channel : channels_) {
    if (channel->HasUnflushed()) flushed &= channel->Flush();
  }
  return flushed;
}

int64_t PartitionWriter::QueuedBytes() const {
  int64_t bytes = 0;
  for (const auto& channel : channels_) bytes += channel->QueuedBytes();
  return bytes;
}

int64_t PartitionWriter::SentBytes() const {
  int64_t bytes = 0;
  for (const auto& channel : channels_) bytes += channel->SentBytes();
  return bytes;
}

QueueLoad PartitionWriter::Load() const {
  QueueLoad load;
  for (const auto& channel : channels_) load += channel->Load();
  return load;
}

}  // namespace eagre
