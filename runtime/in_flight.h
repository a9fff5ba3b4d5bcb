// What barriers overtake: the records and watermarks that stand before an operator, as part of a checkpoint.
//
// A task whose barrier overtakes takes its snapshot at once. What stands in an input channel at that time, and what
// still comes there before the barrier of the sender, belongs to the checkpoint as well: the task takes it out, so that
// the sender gets on, copies it into the checkpoint and handles it later, in order. docs/checkpoints.md says what is
// made of it when a job is restored.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "record/batch.h"
#include "runtime/channel.h"
#include "runtime/operator.h"
#include "runtime/partition_writer.h"
#include "runtime/restore_plan.h"
#include "state/state_entry.h"

namespace eagre {

// Where something in flight is stored: with the operator that it stood before.
struct InFlightPlace {
  proto::InFlightInput input;
  std::string source_name;  // of the edge's operator, for people
};

// Whether both stand before the same input and came by the same edge, whatever its parallelism.
bool SamePlace(const proto::InFlightInput& a, const proto::InFlightInput& b);

// Encodes what stands before one input of an operator, by the subtask that sent it.
class InFlightEncoder {
 public:
  // Records from `position` on.
  void AddRecords(uint32_t source, const Batch& batch, size_t position);
  // What is no watermark, or the last one, comes anew after a restore and is left out.
  void AddEvent(uint32_t source, const ControlEvent& event);
  size_t bytes() const { return entries_.bytes(); }

  // What a checkpoint stores.
  struct Stored {
    proto::StateSnapshot snapshot;  // without segments
    std::string bytes;
    uint64_t entries = 0;
  };
  Stored Take(const InFlightPlace& place);
  void Clear();

 private:
  const BatchType* type_ = nullptr;  // null: no records yet
  StateEntryWriter entries_;
};

// The input channels of one task while a barrier overtakes what is in them.
class InFlightCapture {
 public:
  // The channel of the task's next input.
  void AddChannel(const InFlightPlace& place, uint32_t source);

  void Begin(int64_t checkpoint_id, int64_t now_ms);
  // The channel's watermark so far; stored only along with something else.
  void AddKnownWatermark(size_t channel, int64_t watermark);
  // The barrier has not come there: what comes is added until it does.
  void Await(size_t channel);
  void Add(size_t channel, const ChannelElement& element);
  // The barrier, or the end of the input.
  void OnArrived(size_t channel, int64_t now_ms);
  // The checkpoint is not to be had any more.
  void GiveUp();
  void End();

  bool active() const { return checkpoint_id_ != 0; }
  int64_t checkpoint_id() const { return checkpoint_id_; }
  bool awaits(size_t channel) const { return active() && channels_[channel].awaited; }
  bool awaits_any() const { return awaited_ > 0; }
  bool given_up() const { return given_up_; }
  bool complete() const { return awaited_ == 0; }
  size_t bytes() const { return bytes_; }
  // From Begin to the last barrier.
  int64_t duration_ms() const { return duration_ms_; }
  std::vector<InFlightEncoder::Stored> Take();

 private:
  struct Edge {
    explicit Edge(InFlightPlace edge_place) : place(std::move(edge_place)) {}
    const InFlightPlace place;
    InFlightEncoder encoder;
  };
  struct Channel {
    size_t edge = 0;
    uint32_t source = 0;
    bool awaited = false;
  };
  std::deque<Edge> edges_;
  std::vector<Channel> channels_;
  int64_t checkpoint_id_ = 0;
  bool given_up_ = false;
  bool has_content_ = false;
  size_t awaited_ = 0;
  size_t bytes_ = 0;
  int64_t began_ms_ = 0;
  int64_t duration_ms_ = 0;
};

// How the records before one input of an operator find their subtask when its parallelism has changed.
struct InFlightRoute {
  const BatchType* type = nullptr;  // null: there is no such input
  std::unique_ptr<BatchKeyHasher> hasher;
  std::unique_ptr<BatchPartitioner> partitioner;
  std::string edge;  // for messages, as PartitionCode's
  bool broadcast = false;
};

// What a subtask gets of one stored part.
struct RestoredInFlight {
  int input = 0;
  // The channel that it goes on in; else it stands before the operator, whatever channel it came by.
  bool same_channels = false;
  proto::InFlightInput place;
  std::map<uint32_t, std::vector<ChannelElement>> by_source;
};

using InFlightRoutes = std::function<InFlightRoute(const proto::InFlightInput& place)>;

// All of an operator that falls to the subtask at `position`. Where the parallelism is that of the checkpoint it is
// what the subtask had; else records go where their key, their partitioner or their old subtask's number leads, without
// watermarks. FAILED_PRECONDITION when they cannot be read or divided.
StatusOr<std::vector<RestoredInFlight>> RestoreInFlight(const RestorePlan& plan, const proto::OperatorSnapshot& op,
                                                        const RestorePlan::Position& position,
                                                        const InFlightRoutes& routes);

}  // namespace eagre
