// Functions of a stream connected to a broadcast one: every subtask sees all records of the latter and keeps what it
// learns from them in broadcast state, beside which it processes its part of the former.
//
//   class ApplyRules : public KeyedBroadcastProcessFunction<std::string, Payment, Rule, Alert> {
//    public:
//     void ProcessElement(const Payment& payment, ReadOnlyContext& context, Collector<Alert>& out) override {
//       for (const auto& [id, rule] : rules_.Entries()) ...
//     }
//     void ProcessBroadcastElement(const Rule& rule, Context& context, Collector<Alert>& out) override {
//       context.GetBroadcastState(rules_).Put(rule.id, rule);
//     }
//
//    private:
//     BroadcastState<std::string, Rule> rules_{this, "rules"};
//   };
//   payments.KeyBy(&Payment::user).Connect(rules.Broadcast()).Process(ApplyRules()).Uid("rules");
//
// Records of the two streams come in no particular order between them; those of the broadcast stream may come to the
// subtasks in different orders where it has several origins.
#pragma once

#include <cstdint>
#include <utility>

#include "eagre/functions.h"
#include "eagre/operator_state.h"
#include "eagre/process_function.h"
#include "state/keyed_state_table.h"

namespace eagre {

/// What ProcessBroadcastElement may use: it alone can change broadcast state.
class BroadcastContext : public ProcessContext {
 public:
  /// A state of this function, to be changed.
  template <typename K, typename V>
  WritableBroadcastState<K, V> GetBroadcastState(BroadcastState<K, V>& state) {
    return WritableBroadcastState<K, V>(state);
  }

 protected:
  template <typename, typename, typename, typename>
  friend class BroadcastProcessOperator;
  template <typename, typename, typename, typename, typename>
  friend class KeyedBroadcastProcessOperator;
  BroadcastContext() = default;
};

/// The same for a keyed stream. There is no current key: keyed state is reached by ApplyToKeyedState.
template <typename K>
class KeyedBroadcastContext : public BroadcastContext {
 public:
  /// Calls function(key, state) for every key of this subtask whose `state`, a member of this function, is not empty.
  /// What the function changes is that key's state, also in other handles. The order of the keys means nothing. It
  /// takes its time when there are many keys: nothing else runs in the slot meanwhile.
  template <typename State, typename F>
  void ApplyToKeyedState(State& state, F&& function) {
    table_->ForEachKeyWith(state.name(), [&](const K& key) { function(key, state); });
  }

 private:
  template <typename, typename, typename, typename, typename>
  friend class KeyedBroadcastProcessOperator;
  KeyedBroadcastContext() = default;

  KeyedStateTable<K>* table_ = nullptr;
};

/// For a stream without keys: `stream.Connect(rules.Broadcast()).Process(...)`.
template <typename In, typename Broadcast, typename Out>
class BroadcastProcessFunction : public Function, public CheckpointedFunction {
 public:
  using Output = Out;
  using ReadOnlyContext = ProcessContext;
  using Context = BroadcastContext;

  virtual void ProcessElement(const In& value, ReadOnlyContext& context, Collector<Out>& out) = 0;
  virtual void ProcessBroadcastElement(const Broadcast& value, Context& context, Collector<Out>& out) = 0;
};

/// For a keyed stream: keyed state and timers belong to ProcessElement and OnTimer.
template <typename K, typename In, typename Broadcast, typename Out>
class KeyedBroadcastProcessFunction : public Function, public StateOwner, public CheckpointedFunction {
 public:
  using Key = K;
  using Output = Out;
  using ReadOnlyContext = KeyedProcessContext<K>;
  using Context = KeyedBroadcastContext<K>;
  using OnTimerContext = KeyedTimerContext<K>;

  virtual void ProcessElement(const In& value, ReadOnlyContext& context, Collector<Out>& out) = 0;
  virtual void ProcessBroadcastElement(const Broadcast& value, Context& context, Collector<Out>& out) = 0;
  /// A timer is due. `timestamp` is the time it was registered for, and that of what is emitted here.
  virtual void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<Out>& out) {}
};

}  // namespace eagre
