// The writing end of one edge from one subtask: spreads batches over the channels to the target's subtasks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "record/batch.h"
#include "runtime/channel.h"
#include "runtime/operator.h"

namespace eagre {

enum class Partitioning {
  kAutomatic,  // kForward where the parallelism is equal, kRebalance else; only before the job graph is built
  kForward,
  kHash,
  kRebalance,
  kBroadcast,
  kShuffle,  // at random
  kRescale,  // round robin over the subtasks that fall to this one
  kGlobal,   // all to subtask 0
  kCustom,   // by a BatchPartitioner
};

// Chooses a subtask for each record of a batch: a job's own partitioning. One per edge and subtask; may throw.
class BatchPartitioner {
 public:
  virtual ~BatchPartitioner() = default;
  // Writes batch.size() numbers, each to be from 0 to partitions - 1.
  virtual void Partition(const Batch& batch, int partitions, int* chosen) = 0;
};

// Throws std::out_of_range, into the user's code, when the partitioner of `edge` chose what is no partition.
void CheckPartition(int chosen, int partitions, std::string_view edge);

// What an edge's code brings to its writers.
struct PartitionCode {
  std::unique_ptr<BatchKeyHasher> hasher;         // for kHash
  std::unique_ptr<BatchPartitioner> partitioner;  // for kCustom
  std::string edge;                               // for messages: "from 'a' to 'b'"
};

// Used by the slot's thread only. Every call that returns false is to be repeated with the same arguments once the task
// was woken; what was taken before is not taken twice.
class PartitionWriter {
 public:
  // `channels` by target subtask (exactly one when forward; those in reach when rescaling). `subtask` is the writer's
  // own.
  PartitionWriter(Partitioning partitioning, std::vector<std::unique_ptr<OutputChannel>> channels, PartitionCode code,
                  int max_parallelism, int subtask = 0);

  // Writes all records of `batch`. With `may_give` the batch itself may go into the channel, leaving an empty one.
  bool Write(std::unique_ptr<Batch>& batch, bool may_give);
  // Sends an event to every channel, behind what was written.
  bool Send(const ControlEvent& event);
  // Records written from now on are of this origin; null: of none. False when what was taken before is not all in the
  // channels yet.
  bool SetOrigin(const OriginRef& origin) {
    if (origin == origin_) return true;
    if (!FinishShared()) return false;
    origin_ = origin;
    return true;
  }
  // Sends what waits for a fuller batch.
  bool Flush();
  int64_t QueuedBytes() const;
  int64_t SentBytes() const;
  QueueLoad Load() const;

 private:
  // What a channel gets of the batch at hand.
  struct Part {
    std::vector<uint32_t> indices;  // the first `size` are of this batch
    size_t size = 0;
    size_t taken = 0;
    void Add(size_t index) { indices[size++] = static_cast<uint32_t>(index); }
  };

  bool SendOrigin(size_t channel);
  void Assign(const Batch& batch);
  void AssignByPartitioner(const Batch& batch);
  template <typename GroupOf>
  void AssignByHash(const Batch& batch, GroupOf group_of);
  bool ToBeShown(size_t channel) const;
  bool WorthSharing(const Batch& batch) const;
  void Share(std::unique_ptr<Batch>& batch);
  bool FinishShared();
  bool AppendTo(size_t channel, const Batch& batch);

  const Partitioning partitioning_;
  std::vector<std::unique_ptr<OutputChannel>> channels_;
  PartitionCode code_;
  SeededRandom random_;
  std::vector<int> chosen_;  // by the partitioner
  std::vector<uint16_t> subtask_of_key_group_;
  bool begun_ = false;       // between the first Write of a batch and the one that finished it
  std::vector<Part> parts_;  // per channel
  // A batch that was taken whole and that not every channel has its part of yet. Nothing else is written before.
  std::shared_ptr<SharedBatch> shared_;
  size_t next_round_robin_ = 0;
  size_t event_position_ = 0;
  OriginRef origin_;
  std::vector<OriginRef> known_origins_;  // by channel
};

}  // namespace eagre
