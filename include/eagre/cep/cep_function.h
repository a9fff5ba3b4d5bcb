// The keyed function that looks for a pattern: the typed shell over cep::CepCore.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cep/cep_core.h"
#include "eagre/cep/match_functions.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/process_function.h"

namespace eagre::internal {

// Records come in event-time order, or in processing time as they come.
template <typename K, typename T, typename Out>
class CepFunction final : public KeyedProcessFunction<K, T, Out>,
                          public BatchObserver,
                          public SparseState,
                          public PiecedState {
 public:
  using Context = KeyedProcessContext<K>;
  using TimerContext = KeyedTimerContext<K>;
  using Less = std::function<bool(const T&, const T&)>;

  // `less` orders events that arrive at one moment of processing time; in event time the sort before has done so.
  CepFunction(std::shared_ptr<const cep::Automaton> automaton, cep::CepSettings settings, Less less,
              MatchHandlers<T, Out> handlers)
      : automaton_(std::move(automaton)), settings_(settings), less_(std::move(less)), handlers_(std::move(handlers)) {
    if (processing_time() && less_ != nullptr) waiting_.emplace(this, "waiting");
  }

  Status Open(RuntimeContext& context) override {
    Metrics metrics(context);
    settings_.report_timeouts = handlers_.on_timeout != nullptr;
    settings_.each_event_advances = processing_time() && !waiting_;
    core_ =
        std::make_shared<cep::CepCore>(automaton_, cep::kEventTypeOf<T>, settings_, context.config(), metrics, pieces_);
    match_ = std::make_shared<Match<T>>(automaton_->stages());
    return handlers_.open ? handlers_.open(context) : OkStatus();
  }
  void Close() override {
    if (handlers_.close) handlers_.close();
  }

  void ProcessElement(const T& event, Context& context, Collector<Out>& out) override {
    if (!processing_time()) return OnEvent(event, context.timestamp(), context, out);
    const int64_t now = context.current_processing_time();
    if (!waiting_) return OnEvent(event, now, context, out);
    Check(core_->BeforeOtherChange(matches_));
    waiting_->Add({now, event});
    context.RegisterProcessingTimeTimer(now + 1);
  }

  void OnBatchFinished() { core_->Report(); }

  void OnTimer(int64_t, TimerContext& context, Collector<Out>& out) override {
    if (waiting_ && !waiting_->Empty()) OnWaiting(context, out);
    Listener listener(*this, context, out);
    Timers timers(context, processing_time());
    const int64_t now = processing_time() ? context.current_processing_time() : context.current_watermark();
    Check(core_->OnTime(matches_, now, timers, listener));
  }

 private:
  class Metrics final : public cep::MetricSource {
   public:
    explicit Metrics(RuntimeContext& context) : context_(context) {}
    Counter& AddCounter(const char* name) override { return context_.AddCounter(name); }
    Gauge& AddGauge(const char* name) override { return context_.AddGauge(name); }

   private:
    RuntimeContext& context_;
  };

  class Timers final : public cep::KeyTimers {
   public:
    Timers(Context& context, bool processing_time) : context_(context), processing_time_(processing_time) {}
    void Register(int64_t timestamp) override {
      processing_time_ ? context_.RegisterProcessingTimeTimer(timestamp) : context_.RegisterEventTimeTimer(timestamp);
    }
    void Delete(int64_t timestamp) override {
      processing_time_ ? context_.DeleteProcessingTimeTimer(timestamp) : context_.DeleteEventTimeTimer(timestamp);
    }

   private:
    Context& context_;
    const bool processing_time_;
  };

  class Listener final : public cep::CepListener {
   public:
    Listener(CepFunction& function, Context& context, Collector<Out>& out)
        : function_(function), context_(context), out_(out) {}

    void SetTime(int64_t timestamp) override { timestamp_ = timestamp; }
    void OnMatch(const cep::MatchedEvents& events) override {
      out_.set_timestamp(function_.processing_time() ? kNoTimestamp : timestamp_);
      MatchContext context(context_, timestamp_);
      function_.handlers_.on_match(function_.Filled(events), context, out_);
    }
    void OnTimeOut(const cep::MatchedEvents& events, int64_t timestamp) override {
      MatchContext context(context_, timestamp);
      function_.handlers_.on_timeout(function_.Filled(events), context);
    }
    void OnDropped(const cep::MatchedEvents& events) override {
      if (!function_.handlers_.on_dropped) return;
      MatchContext context(context_, timestamp_);
      function_.handlers_.on_dropped(function_.Filled(events), context);
    }

   private:
    CepFunction& function_;
    Context& context_;
    Collector<Out>& out_;
    int64_t timestamp_ = kNoTimestamp;
  };

  bool processing_time() const { return settings_.time_mode == cep::TimeMode::kProcessingTime; }

  const Match<T>& Filled(const cep::MatchedEvents& events) {
    match_->Assign(events);
    return *match_;
  }

  void OnEvent(const T& event, int64_t timestamp, Context& context, Collector<Out>& out) {
    Listener listener(*this, context, out);
    Timers timers(context, processing_time());
    const auto processing_time = [&context] { return context.current_processing_time(); };
    Check(core_->OnEvent(matches_, &event, timestamp, processing_time, timers, listener));
  }

  // Events that arrived at one moment, in the user's order, each moment after the other.
  void OnWaiting(Context& context, Collector<Out>& out) {
    Check(core_->BeforeOtherChange(matches_));
    std::vector<std::pair<int64_t, T>> waiting = std::move(waiting_->Mutable());
    waiting_->Clear();
    std::stable_sort(waiting.begin(), waiting.end(), [this](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : less_(a.second, b.second);
    });
    for (const auto& [timestamp, event] : waiting) OnEvent(event, timestamp, context, out);
  }

  static void Check(const Status& status) {
    if (!status.ok()) throw StateError(std::string(StatusMessage(status)));
  }

  cep::KeyMatchesState matches_{this, "matches", TypeInfoOf<T>()};
  // Events of one moment that wait to be ordered; where there is such an order.
  std::optional<ListState<std::pair<int64_t, T>>> waiting_;
  std::shared_ptr<const cep::Automaton> automaton_;
  cep::CepSettings settings_;
  Less less_;
  MatchHandlers<T, Out> handlers_;
  // Shared pointers, since a function must be copyable before it is opened; each opened one has its own.
  std::shared_ptr<cep::CepCore> core_;
  std::shared_ptr<Match<T>> match_;
};

}  // namespace eagre::internal
