// A chain: the operators of one task, a tree in which a batch travels depth first as far as the outputs allow.
//
// The chain is a machine that can stop anywhere between two records (an output channel is full) and go on there: it has
// a cursor on one node, and each node remembers what it has in hand: the rest of its input batch, an event that it is
// handling, events that it is passing on. Nodes are in pre-order: a parent comes before its children, and node 0 is the
// head. A node is handed something only when its whole subtree has nothing in hand, which keeps records and events in
// order.
//
// A barrier that *overtakes* does not wait for operators that may be long in consuming what they were handed
// (Operator::overtakable). What comes for such a node lines up before it, the rest of the chain works off what it has,
// and then the barrier passes: the node handles it between two calls of Process, and what stood before the node then is
// part of the checkpoint.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/crash_report.h"
#include "base/status.h"
#include "runtime/operator.h"
#include "runtime/partition_writer.h"

namespace eagre {

// What lines up before a node: a batch, or an event when there is none.
struct WaitingElement {
  std::unique_ptr<Batch> batch;
  ControlEvent event;
  int input_index = 0;
  OriginRef origin;
};

// One output port of a node: either one chained child, or any number of edges to other tasks.
struct ChainPort {
  std::unique_ptr<Output> output;
  int child = -1;
  std::vector<std::unique_ptr<PartitionWriter>> writers;
  size_t writer_position = 0;  // the writer that the front batch or event is at
};

struct ChainNode {
  std::unique_ptr<Operator> op;
  std::unique_ptr<OperatorContext> context;
  OperatorIdentity identity;  // for failures and crash reports
  int parent = -1;
  // Its next call may take long, so what the one before has emitted is sent first, in batches however small.
  bool sends_at_once = false;
  std::vector<ChainPort> ports;

  // ---- in hand ----
  std::unique_ptr<Batch> input;  // null or empty: nothing
  int input_index = 0;
  size_t position = 0;
  OriginRef input_origin;  // of the records in `input`
  OriginRef origin;        // of what the node does now and has in its ports
  std::optional<ControlEvent> incoming;
  std::deque<WaitingElement> waiting;  // behind `incoming` and `input`
  bool stands = false;                 // consumes nothing until the barrier that overtakes has passed
  std::deque<ControlEvent> queued;     // to be passed on, behind what the ports hold
  size_t port_position = 0;            // the port that queued.front() is at
};

// Used by the slot's thread only.
class Chain {
 public:
  enum class Progress {
    kDrained,  // nothing is in hand
    kBlocked,  // an output channel is full
    kStands,   // nothing is in hand but what stands before nodes for a barrier to overtake it
    kYield,    // there is more to do, but it is somebody else's turn
  };

  explicit Chain(std::vector<ChainNode> nodes);
  ~Chain();

  Status Open();
  // Calls Begin of every operator.
  Status Begin();
  // The operators had done all their work before the checkpoint that the job was restored from: events pass them by.
  // They are opened and restored all the same, since what they had sealed is still to be committed. Before Open.
  void SkipOperators() { skips_operators_ = true; }
  bool skips_operators() const { return skips_operators_; }
  // `on_barrier` is called when a node has handled a barrier: what it holds then belongs to the checkpoint.
  void set_on_barrier(std::function<void(size_t node)> on_barrier) { on_barrier_ = std::move(on_barrier); }
  // Closes every operator that was opened, also after failures; returns the first failure.
  Status Close(bool failed);

  // Hands the head a batch. REQUIRES: drained.
  void PushBatch(int input, std::unique_ptr<Batch> batch, OriginRef origin = nullptr);
  // REQUIRES: takes_events.
  void PushEvent(const ControlEvent& event);
  // From now on, until it is set to false, barriers overtake. Not more than about `most_bytes` line up: beyond, nodes
  // consume, or block, as ever. Any time.
  void set_overtaking(bool overtaking, size_t most_bytes = 0);
  bool takes_events() const { return drained_ || stands_; }
  // Puts something before a node, behind what stands there: what a barrier had overtaken. Before the first Run.
  void PutBefore(int node, WaitingElement element);
  // Calls visit(input, batch, position, event) for everything that stands before the node; `batch` is null for events.
  template <typename F>
  void ForEachWaiting(size_t node, F&& visit) const;
  // Lets a source at the head produce. REQUIRES: drained.
  StatusOr<SourceOperator::Produced> Produce();
  // Works off what is in hand.
  StatusOr<Progress> Run();
  bool drained() const { return drained_; }
  // The head's input batch, once drained, for recycling. Null when there is none.
  std::unique_ptr<Batch> TakeInput();

  // Sends what the writers hold back for fuller batches; false when a channel is full.
  bool Flush();
  // An event for one node from its coordinator, or other mail; runs guarded.
  Status RunMail(int node, const std::function<Status()>& mail);
  Status OnCoordinatorEvent(int node, std::string_view event);
  // A barrier behind the end of the input: handled by every operator and passed on to nobody. `done` is left false when
  // one is not ready; then it is to be called again.
  Status HandleLastBarrier(int64_t checkpoint_id, bool& done);
  Status OnCheckpointComplete(int64_t checkpoint_id);
  Status OnCheckpointAborted(int64_t checkpoint_id);
  bool awaits_commit() const;
  bool committing() const;
  void QueueEvent(int node, const ControlEvent& event) {
    nodes_[node].queued.push_back(event);
    drained_ = false;
  }

  int64_t NextProcessingTimeMs() const;
  bool is_source() const { return source_ != nullptr; }
  // Whether the batches that the head is handed may be views.
  bool takes_views() const { return nodes_[0].op->takes_views(); }
  // The operator that the last failure came from, by its name and its id.
  const std::string& failed_operator() const { return failed_operator_; }
  const std::string& failed_operator_id() const { return failed_operator_id_; }
  // Of the record that it was processing, if it was one and its origin is known.
  const OriginRef& failed_origin() const { return failed_origin_; }
  // Whether user code threw it: a failure of what the engine uses, such as files or a store, is no record's.
  bool failed_in_user_code() const { return failed_in_user_code_; }
  // Of all output channels. Any thread.
  int64_t QueuedBytes() const;
  int64_t SentBytes() const;
  QueueLoad OutputLoad() const;
  size_t size() const { return nodes_.size(); }
  ChainNode& node(size_t i) { return nodes_[i]; }

 private:
  enum class Step { kNothing, kMoved, kBlocked };
  template <typename F>
  Status Guard(ChainNode& node, F&& call, const OriginRef& origin = nullptr);
  StatusOr<Step> StepNode(ChainNode& node);
  StatusOr<Step> StepBarrier(ChainNode& node);
  static bool HasWork(const ChainNode& node);
  void TakeWaiting(ChainNode& node);
  bool MoveToWork();
  Step PassBatch(ChainNode& node, ChainPort& port);
  Step PassRecords(ChainNode& node);
  Step PassEvent(ChainNode& node);
  void NoteFailure(const ChainNode& node, const OriginRef& origin, bool in_user_code);
  Status HandleEvent(ChainNode& node);
  Status HandleInput(ChainNode& node);
  template <typename Value>
  Value SumOverWriters(Value (PartitionWriter::*value)() const) const;

  std::vector<ChainNode> nodes_;
  SourceOperator* source_ = nullptr;
  int cursor_ = 0;
  bool drained_ = true;
  bool stands_ = false;  // what Run last returned
  bool overtaking_ = false;
  size_t waiting_bytes_ = 0;  // in batches that line up, as memory that they take
  size_t most_waiting_bytes_ = 0;
  size_t opened_ = 0;
  bool skips_operators_ = false;
  std::function<void(size_t node)> on_barrier_;
  size_t last_barrier_node_ = 0;  // that HandleLastBarrier is at
  std::string failed_operator_;
  std::string failed_operator_id_;
  OriginRef failed_origin_;
  bool failed_in_user_code_ = false;
};

template <typename F>
void Chain::ForEachWaiting(size_t index, F&& visit) const {
  const ChainNode& node = nodes_[index];
  const bool has_input = node.input != nullptr && node.position < node.input->size();
  if (has_input) visit(node.input_index, node.input.get(), node.position, ControlEvent());
  for (const WaitingElement& element : node.waiting) {
    visit(element.input_index, element.batch.get(), size_t{0}, element.event);
  }
}

}  // namespace eagre
