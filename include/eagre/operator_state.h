// State of a subtask of an operator, where records have no key or what is kept belongs to none:
//
//   class Buffer : public FlatMapFunction<Payment, Payment>, public CheckpointedFunction {
//     OperatorListState<Payment> held_{this, "held"};
//
// Declare states as members of the function, each with a name of its own: the name is the state's address in
// checkpoints. A checkpoint has all that they hold, and memory as well, whatever the backend, so they are for what is
// small: positions, buffers, rules. What needs more memory than the slot has for state fails the job, by a StateError
// through the call that adds it. What a function of another parallelism gets back is said by the kind of the state:
//
//   OperatorListState   the elements of all subtasks, divided evenly among the new ones
//   UnionListState      the elements of all subtasks, to every new one, which keeps in InitializeState what it needs
//   BroadcastState      the map, which is the same in every subtask
//
// Functions of DataStream::Map, Filter, FlatMap and Process, of KeyedStream::Process and of connected streams may have
// them. Types are those that EAGRE_RECORD allows as fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/operator.h"
#include "runtime/stream_graph.h"
#include "state/operator_state.h"
#include "state/state_backend.h"

namespace eagre {

class OperatorStateHandle;

/// Base class of functions with operator state, or that want to know of checkpoints. All calls come from the function's
/// thread; none may emit.
class CheckpointedFunction {
 public:
  virtual ~CheckpointedFunction() = default;

  /// After Open and before the first record. States hold what the checkpoint had, if the job goes on from one that knew
  /// them (`restored`). A failure fails the job.
  virtual Status InitializeState(bool restored) { return OkStatus(); }
  /// At the barrier of a checkpoint: what is put into the states now is in it, together with all that the records
  /// before the barrier did. A failure fails the job.
  virtual Status SnapshotState(int64_t checkpoint_id) { return OkStatus(); }
  /// A checkpoint that this function took part in is complete, or never will be; so are those before it.
  virtual void NotifyCheckpointComplete(int64_t checkpoint_id) {}
  virtual void NotifyCheckpointAborted(int64_t checkpoint_id) {}

  // ---- for the operator ----
  /// The states of the object at this address, in the order of their declaration.
  std::vector<const OperatorStateCore*> operator_states() const;
  void OpenOperatorStates(StateBackend& backend, const std::string& operator_name);
  void CollectOperatorStates(std::vector<CheckpointedState*>& states);
  std::vector<StateDeclarationInfo> operator_state_infos() const;
  /// The first mistake in the declarations: a name declared twice, or without letters, or a state outside of [object,
  /// object + size), which would not be copied with the function.
  Status CheckOperatorStates(const void* object, size_t size) const;

 private:
  friend class OperatorStateHandle;
  std::vector<ptrdiff_t> handle_offsets_;  // from this object, so that they hold for every copy of the function
};

/// Base class of the handles. A value that is copied with its function; each copy has contents of its own.
class OperatorStateHandle {
 public:
  virtual ~OperatorStateHandle() = default;

 protected:
  explicit OperatorStateHandle(CheckpointedFunction* owner);
  OperatorStateHandle(const OperatorStateHandle&) = default;
  OperatorStateHandle& operator=(const OperatorStateHandle&) = delete;

 private:
  friend class CheckpointedFunction;
  virtual const OperatorStateCore& core() const = 0;
};

/// A list of this subtask.
template <typename T>
class OperatorListState : public OperatorStateHandle {
 public:
  OperatorListState(CheckpointedFunction* owner, std::string name)
      : OperatorListState(owner, std::move(name), StateDistribution::kSplit) {}

  /// Valid until the state is changed; elements until it is updated or cleared.
  const std::deque<T>& Get() const { return core_.values(); }
  bool Empty() const { return Get().empty(); }
  void Add(T value) { core_.Add(std::move(value)); }
  /// Replaces all of the list.
  void Update(std::vector<T> values) { core_.Update(std::move(values)); }
  void Clear() { core_.Clear(); }

 protected:
  OperatorListState(CheckpointedFunction* owner, std::string name, StateDistribution distribution)
      : OperatorStateHandle(owner), core_(std::move(name), distribution) {}

 private:
  const OperatorStateCore& core() const override { return core_; }
  OperatorListCore<T> core_;
};

/// A list of this subtask that begins, after a restart, with the elements of all subtasks, the first one's first.
template <typename T>
class UnionListState : public OperatorListState<T> {
 public:
  UnionListState(CheckpointedFunction* owner, std::string name)
      : OperatorListState<T>(owner, std::move(name), StateDistribution::kUnion) {}
};

template <typename K, typename V>
class WritableBroadcastState;

/// A map that every subtask has alike, iterated in the order of its keys. It is changed only for records of a broadcast
/// stream, which every subtask sees: BroadcastContext::GetBroadcastState gives what can write it.
template <typename K, typename V>
class BroadcastState : public OperatorStateHandle {
 public:
  using Map = typename BroadcastCore<K, V>::Map;

  BroadcastState(CheckpointedFunction* owner, std::string name) : OperatorStateHandle(owner), core_(std::move(name)) {}

  /// Null when there is no such entry. Valid until the state is changed.
  const V* Get(const K& key) const {
    const auto entry = Entries().find(key);
    return entry == Entries().end() ? nullptr : &entry->second;
  }
  bool Contains(const K& key) const { return Entries().contains(key); }
  const Map& Entries() const { return core_.entries(); }
  bool Empty() const { return Entries().empty(); }

 private:
  friend class WritableBroadcastState<K, V>;
  const OperatorStateCore& core() const override { return core_; }
  BroadcastCore<K, V> core_;
};

/// A broadcast state to be changed, in ProcessBroadcastElement. Every subtask must make the same changes for the same
/// record: no look at the subtask's number, the clock or anything that is not the same everywhere.
template <typename K, typename V>
class WritableBroadcastState {
 public:
  const V* Get(const K& key) const { return state_->Get(key); }
  bool Contains(const K& key) const { return state_->Contains(key); }
  const typename BroadcastState<K, V>::Map& Entries() const { return state_->Entries(); }
  void Put(const K& key, V value) { state_->core_.Put(key, std::move(value)); }
  /// The entry's value to be changed in place, until the next call of this object; a default one is made when there is
  /// none.
  V& Mutable(const K& key) { return state_->core_.Mutable(key); }
  void Remove(const K& key) { state_->core_.Remove(key); }
  void Clear() { state_->core_.Clear(); }

 private:
  friend class BroadcastContext;
  explicit WritableBroadcastState(BroadcastState<K, V>& state) : state_(&state) {}

  BroadcastState<K, V>* state_;
};

// ---- How operators call functions that may have operator state. ----
namespace internal {

template <typename F>
inline constexpr bool kIsCheckpointed = std::is_base_of_v<CheckpointedFunction, F>;

// Where nobody would store the state, nor tell of a checkpoint.
template <typename F>
constexpr bool RequireNoOperatorState() {
  static_assert(
      !kIsCheckpointed<F>,
      "a function of a window, of a Reduce or of a pattern cannot be a CheckpointedFunction: its state would be "
      "in no checkpoint. Map, Filter, FlatMap, Process and connected streams take one: keep the state there");
  return true;
}

template <typename F>
void OpenOperatorStates(F& function, OperatorContext& context) {
  if constexpr (kIsCheckpointed<F>) {
    if (StateBackend* backend = context.state_backend()) function.OpenOperatorStates(*backend, context.operator_name());
  }
}
template <typename F>
void CollectOperatorStates(F& function, std::vector<CheckpointedState*>& states) {
  if constexpr (kIsCheckpointed<F>) function.CollectOperatorStates(states);
}

Status InitializeState(CheckpointedFunction& function);

template <typename F>
Status InitializeFunction(F& function) {
  if constexpr (kIsCheckpointed<F>) return InitializeState(function);
  return OkStatus();
}
template <typename F>
Status SnapshotFunction(F& function, int64_t checkpoint_id) {
  if constexpr (kIsCheckpointed<F>) return function.SnapshotState(checkpoint_id);
  return OkStatus();
}
template <typename F>
void NotifyFunction(F& function, int64_t checkpoint_id, bool complete) {
  if constexpr (kIsCheckpointed<F>) {
    complete ? function.NotifyCheckpointComplete(checkpoint_id) : function.NotifyCheckpointAborted(checkpoint_id);
  }
}

}  // namespace internal

}  // namespace eagre
