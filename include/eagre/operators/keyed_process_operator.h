// Runs a KeyedProcessFunction, or a lambda of its form: state by batch, timers, side outputs.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "eagre/operators/function_operator.h"
#include "eagre/operators/function_states.h"
#include "eagre/process_function.h"
#include "runtime/key_extractor.h"
#include "runtime/operator.h"
#include "runtime/stream_graph.h"
#include "runtime/watermark_state.h"
#include "state/keyed_state_table.h"
#include "state/state_pieces.h"

namespace eagre {
namespace internal {

// A function of Eagre's own that derives from it has OnBatchFinished(), which is called after each batch of records or
// timers.
struct BatchObserver {};

// A function that derives from it holds nothing for most keys, so that its records make no rows (KeyedStateTable).
struct SparseState {};

// A function that derives from it keeps what of a key may be large in pieces of the current key (state/state_pieces.h),
// which it has when it is opened.
class PiecedState {
 public:
  static constexpr char kName[] = "pieces";  // of the state
  void UsePieces(StatePieces& pieces) { pieces_ = &pieces; }

 protected:
  ~PiecedState() = default;
  StatePieces* pieces_ = nullptr;
};

// In place of pieces.
struct NoPieces {};

}  // namespace internal

// State is made resident and finished with (emptied rows removed, sizes measured) for a part of an input batch at a
// time, and after every so many timers. What has expired is removed between batches, when the clock says so.
template <typename K, typename In, typename Out, typename F>
class KeyedProcessOperator : public FunctionOperator<F> {
  using Base = FunctionOperator<F>;

 public:
  // Tag i of `side_outputs` is output port 1 + i.
  KeyedProcessOperator(F function, std::unique_ptr<KeyExtractor<In, K>> keys, std::vector<std::string> side_outputs)
      : Base(std::move(function)),
        extractor_(std::move(keys)),
        side_outputs_(std::move(side_outputs)),
        table_(internal::DeclarationsOf(function_)),
        pieces_(MakePieces()) {}

  Status Open(OperatorContext& context) override {
    EAGRE_RETURN_IF_ERROR(CheckStates(function_));
    EAGRE_RETURN_IF_ERROR(OpenState(context));
    if constexpr (std::is_base_of_v<StateOwner, F>) function_.BindStates(table_.scope(), table_.slot_offsets());
    if constexpr (std::is_base_of_v<internal::SparseState, F>) table_.SetSparse();
    if constexpr (kPieced) function_.UsePieces(pieces_);
    side_outputs_.Open(context);
    keys_gauge_ = &context.AddGauge("keyedStateKeys");
    bytes_gauge_ = &context.AddGauge("keyedStateBytes");
    timers_gauge_ = &context.AddGauge("timers");
    for (KeyedProcessContext<K>* keyed :
         {&context_of_element_, static_cast<KeyedProcessContext<K>*>(&context_of_timer_)}) {
      AttachContext(*keyed, context);
    }
    watermark_state_.Open(context, watermark_);
    return Base::Open(context);
  }
  void CollectStates(std::vector<CheckpointedState*>& states) override {
    states.push_back(watermark_state_.state());
    if (!table_.declarations().empty()) states.push_back(&table_);
    if constexpr (kPieced) states.push_back(&pieces_.table());
    timers_.CollectStates(states);
    Base::CollectStates(states);
  }

  bool takes_views() const override { return true; }
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    auto& in = static_cast<TypedBatch<In>&>(*batch);
    if (position == 0) {
      EAGRE_RETURN_IF_ERROR(MakeRoom());
      if (blocked()) return OkStatus();
      ShowWatermark();
      if (!in.keyed()) extractor_->Hash(in);
      extractor_->Extract(in, keys_);
      resident_end_ = 0;
    }
    for (;;) {
      if (position == resident_end_) {
        if (blocked()) return OkStatus();
        resident_begin_ = position;
        resident_end_ = std::min(in.size(), position + table_.records_at_once());
        EAGRE_RETURN_IF_ERROR(table_.MakeResident(in.hashes() + position, resident_end_ - position,
                                                  [&](size_t i) -> const K& { return keys_[resident_begin_ + i]; }));
      }
      ProcessResident(in, position);
      if (position < resident_end_) return OkStatus();
      if (position == in.size()) return FinishBatch();
      FinishStates();
      EAGRE_RETURN_IF_ERROR(MakeRoom());
    }
  }

  Status OnWatermark(int64_t watermark, bool& done) override {
    // Sources may begin again behind the watermark that was restored.
    watermark_ = std::max(watermark_, watermark);
    return FireTimers(timers_.event_time(), TimeDomain::kEventTime, watermark_, done);
  }
  Status OnProcessingTime(int64_t now_ms, bool& done) override {
    EAGRE_RETURN_IF_ERROR(FireTimers(timers_.processing_time(), TimeDomain::kProcessingTime, now_ms, done));
    if (!done || table_.next_sweep_ms() > now_ms) return OkStatus();
    EAGRE_RETURN_IF_ERROR(table_.RemoveExpired(now_ms));
    return FinishBatch();
  }
  int64_t NextProcessingTimeMs() const override {
    return std::min(timers_.processing_time().NextTimestamp(), table_.next_sweep_ms());
  }

  bool blocked() const override {
    if (table_.blocked()) return true;
    if constexpr (kPieced) {
      if (pieces_.table().blocked()) return true;
    }
    if (backend_ == nullptr || !backend_->stalled()) [[likely]]
      return false;
    return backend_->full() || timers_.blocked();
  }

  const KeyedStateTable<K>& state() const { return table_; }
  const TimerService<K>& timers() const { return timers_; }

 protected:
  static constexpr int kTimersPerBatch = 256;
  static constexpr bool kPieced = std::is_base_of_v<internal::PiecedState, F>;

  static auto MakePieces() {
    if constexpr (kPieced) {
      return KeyedStatePieces<K>(internal::PiecedState::kName, TypeInfoOf<In>());
    } else {
      return internal::NoPieces();
    }
  }

  // Up to the end of what is resident, or until an output is full.
  void ProcessResident(TypedBatch<In>& in, size_t& position) {
    Collector<Out> out(*output_);
    table_.ForgetTime();
    while (position < resident_end_ && !AnyOutputFull()) {
      const size_t i = position++;
      table_.PrefetchBehind(i - resident_begin_);
      SetKey(context_of_element_, in.timestamps()[i], in.hashes()[i], keys_[i]);
      out.set_timestamp(in.timestamps()[i]);
      if constexpr (std::is_base_of_v<internal::SparseState, F>) {
        table_.SelectSparse(i - resident_begin_, in.hashes()[i], keys_[i]);
      } else {
        table_.Select(i - resident_begin_);
      }
      if constexpr (kPieced) pieces_.SelectKey(in.hashes()[i], keys_[i]);
      if constexpr (requires { function_.ProcessElement(in[i], context_of_element_, out); }) {
        function_.F::ProcessElement(in[i], context_of_element_, out);
      } else if constexpr (requires { function_.ProcessElement1(in[i], context_of_element_, out); }) {
        function_.F::ProcessElement1(in[i], context_of_element_, out);
      } else {
        function_(in[i], context_of_element_, out);
      }
    }
  }

  // Timers and what state is declared are in the slot's backend.
  Status OpenState(OperatorContext& context) {
    table_.SetClock(context.clock());
    backend_ = context.state_backend();
    if (backend_ != nullptr) {
      if (!table_.declarations().empty()) {
        EAGRE_RETURN_IF_ERROR(table_.Open(*backend_, context.operator_name(), context.max_parallelism()));
      }
      EAGRE_RETURN_IF_ERROR(timers_.Open(*backend_, context.operator_name()));
    }
    if constexpr (kPieced) return pieces_.Open(backend_, context.operator_name(), context.max_parallelism());
    return OkStatus();
  }
  Status MakeRoom() { return backend_ == nullptr ? OkStatus() : backend_->MakeRoom(); }

  void AttachContext(KeyedProcessContext<K>& keyed, OperatorContext& context) {
    keyed.clock_ = &context.clock();
    keyed.side_outputs_ = &side_outputs_;
    keyed.timers_ = &timers_;
  }
  static void SetKey(KeyedProcessContext<K>& keyed, int64_t timestamp, uint64_t hash, const K& key) {
    keyed.timestamp_ = timestamp;
    keyed.hash_ = hash;
    keyed.key_ = &key;
  }
  void ShowWatermark() { context_of_element_.watermark_ = watermark_; }
  bool AnyOutputFull() const { return output_->full() || side_outputs_.AnyFull(); }

  // `done` when no timer is left that is due at `limit`.
  Status FireTimers(KeyedTimerQueue<K>& queue, TimeDomain domain, int64_t limit, bool& done) {
    done = queue.NextTimestamp() > limit;
    if (done) return OkStatus();
    EAGRE_RETURN_IF_ERROR(MakeRoom());
    if (blocked()) return OkStatus();
    Collector<Out> out(*output_);
    context_of_timer_.domain_ = domain;
    context_of_timer_.watermark_ = watermark_;
    int fired = 0;
    Status room;
    done = queue.FireDue(
        limit, [&] { return AnyOutputFull() || !room.ok() || blocked(); },
        [&](int64_t timestamp, uint64_t hash, const K& key) {
          SetKey(context_of_timer_, timestamp, hash, key);
          out.set_timestamp(timestamp);
          table_.SelectKey(hash, key);
          if constexpr (kPieced) pieces_.SelectKey(hash, key);
          if constexpr (requires { function_.OnTimer(timestamp, context_of_timer_, out); }) {
            function_.F::OnTimer(timestamp, context_of_timer_, out);
          }
          if (++fired % kTimersPerBatch != 0) return;
          FinishStates();
          timers_.UpdateShares();
          room = MakeRoom();
        });
    EAGRE_RETURN_IF_ERROR(room);
    return FinishBatch();
  }

  Status FinishBatch() {
    if constexpr (std::is_base_of_v<internal::BatchObserver, F>) function_.F::OnBatchFinished();
    FinishStates();
    timers_.UpdateShares();
    EAGRE_RETURN_IF_ERROR(timers_.status());
    keys_gauge_->Set(static_cast<double>(table_.row_count()));
    size_t bytes = table_.memory_bytes();
    if constexpr (kPieced) bytes += pieces_.table().memory_bytes();
    bytes_gauge_->Set(static_cast<double>(bytes));
    timers_gauge_->Set(static_cast<double>(timers_.size()));
    return MakeRoom();
  }
  void FinishStates() {
    table_.FinishBatch();
    if constexpr (kPieced) pieces_.table().FinishBatch();
  }

  using Base::function_;
  using Base::output_;
  std::unique_ptr<KeyExtractor<In, K>> extractor_;
  internal::SideOutputs side_outputs_;
  KeyColumn<K> keys_;          // of the batch at hand
  size_t resident_begin_ = 0;  // the part of it whose state is resident
  size_t resident_end_ = 0;
  StateBackend* backend_ = nullptr;  // null: in memory, without limit
  KeyedStateTable<K> table_;
  std::conditional_t<kPieced, KeyedStatePieces<K>, internal::NoPieces> pieces_;
  TimerService<K> timers_;
  WatermarkState watermark_state_;
  int64_t watermark_ = kNoTimestamp;
  KeyedProcessContext<K> context_of_element_;
  KeyedTimerContext<K> context_of_timer_;
  Gauge* keys_gauge_ = nullptr;
  Gauge* bytes_gauge_ = nullptr;
  Gauge* timers_gauge_ = nullptr;
};

template <typename K, typename In, typename Out, typename F>
std::unique_ptr<Operator> MakeKeyedProcessOperator(F function, std::unique_ptr<KeyExtractor<In, K>> keys,
                                                   std::vector<std::string> side_outputs) {
  return std::make_unique<KeyedProcessOperator<K, In, Out, F>>(std::move(function), std::move(keys),
                                                               std::move(side_outputs));
}

}  // namespace eagre
