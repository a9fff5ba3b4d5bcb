// Complex event processing: finding patterns of events in streams.
//
//   #include <eagre/cep/cep.h>
//
//   auto alerts = Cep::Match(events.KeyBy(&Event::user), pattern)
//                     .Select([](const Match<Event>& match) { return Alert{match.First("login").user}; })
//                     .Name("logins that buy").Uid("login-purchase");
//
// On a keyed stream the pattern is looked for in each key's events, in parallel; on a plain one in all events, by one
// subtask. Events are taken in event-time order (the operator "... order" before the pattern sorts them by watermarks),
// or with InProcessingTime() as they arrive. docs/cep.md explains patterns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "eagre/cep/cep_function.h"
#include "eagre/cep/pattern.h"
#include "eagre/data_stream.h"

namespace eagre {

using cep::OverflowPolicy;

/// A stream with a pattern, waiting for the function that makes results of matches. A small value, as streams are.
template <typename T, typename K>
class PatternStream {
 public:
  using Less = std::function<bool(const T&, const T&)>;

  PatternStream(KeyedStream<T, K> stream, const Pattern<T>& pattern, Less less, bool keyed)
      : stream_(std::move(stream)), less_(std::move(less)), keyed_(keyed) {
    StatusOr<std::shared_ptr<const cep::Automaton>> automaton = cep::Automaton::Compile(pattern.description());
    if (automaton.ok()) {
      automaton_ = *std::move(automaton);
    } else {
      graph().AddError(WithContext(automaton.status(), "pattern"));
    }
  }

  // ---- how ----
  /// Events are taken as they arrive, at the time of their arrival; no watermarks are needed.
  PatternStream& InProcessingTime() { return settings_.time_mode = cep::TimeMode::kProcessingTime, *this; }
  /// The default.
  PatternStream& InEventTime() { return settings_.time_mode = cep::TimeMode::kEventTime, *this; }
  /// Live partial matches of one key, and of all keys of one subtask; 0: no limit. Instead of the configuration's.
  PatternStream& LimitPartialMatches(uint64_t per_key, uint64_t per_subtask, OverflowPolicy policy) {
    settings_.max_partials_per_key = per_key;
    settings_.max_partials = per_subtask;
    settings_.overflow = policy;
    return *this;
  }
  /// Emits what `function`, X(const Match<T>&), makes of each partial match that was given up to the side output.
  template <typename X, typename F>
  PatternStream& DroppedPartialMatches(const OutputTag<X>& tag, F function) {
    on_dropped_ = [tag, function = std::move(function)](const Match<T>& match, MatchContext& context) {
      context.Output(tag, function(match));
    };
    return *this;
  }
  /// Late events, which else are dropped and counted, go to this stream. In event time.
  DataStream<T> LateEvents() {
    const int node = SortNode();
    return DataStream<T>(graph(), {{node, SideOutputPort(graph(), node, kLateTag, TypedBatch<T>::Type())}});
  }

  // ---- results ----
  /// One result per match: Out(const Match<T>&).
  template <typename F>
  auto Select(F function) {
    using Out = std::remove_cvref_t<std::invoke_result_t<F&, const Match<T>&>>;
    return Add<Out>("Select", [function] { return HandlersOfSelect<Out>(function); });
  }
  /// And one per partial match whose window ended, to the side output: X(const Match<T>&, int64_t timestamp).
  template <typename X, typename TimeOut, typename F>
  auto Select(const OutputTag<X>& tag, TimeOut on_timeout, F function) {
    using Out = std::remove_cvref_t<std::invoke_result_t<F&, const Match<T>&>>;
    return Add<Out>("Select", [tag, on_timeout, function] {
      internal::MatchHandlers<T, Out> handlers = HandlersOfSelect<Out>(function);
      handlers.on_timeout = [tag, on_timeout](const Match<T>& match, MatchContext& context) mutable {
        context.Output(tag, on_timeout(match, context.timestamp()));
      };
      return handlers;
    });
  }
  /// Any number of results per match: void(const Match<T>&, Collector<Out>&).
  template <typename F>
  auto FlatSelect(F function) {
    using Out = CollectorOutputOf<F>;
    return Add<Out>("FlatSelect", [function] { return HandlersOfFlatSelect<Out>(function); });
  }
  /// `on_timeout`: void(const Match<T>&, int64_t timestamp, SideCollector<X>&).
  template <typename X, typename TimeOut, typename F>
  auto FlatSelect(const OutputTag<X>& tag, TimeOut on_timeout, F function) {
    using Out = CollectorOutputOf<F>;
    return Add<Out>("FlatSelect", [tag, on_timeout, function] {
      internal::MatchHandlers<T, Out> handlers = HandlersOfFlatSelect<Out>(function);
      handlers.on_timeout = [tag, on_timeout](const Match<T>& match, MatchContext& context) mutable {
        SideCollector<X> out(tag, context);
        on_timeout(match, context.timestamp(), out);
      };
      return handlers;
    });
  }
  /// A PatternProcessFunction<T, Out>, which may also be a TimedOutPartialMatchHandler<T>; or
  /// void(const Match<T>&, MatchContext&, Collector<Out>&).
  template <typename F>
  auto Process(F function) {
    using Out = CollectorOutputOf<F>;
    return Add<Out>("Process", [function] { return internal::HandlersOfProcess<T, Out>(function); });
  }

 private:
  static constexpr const char* kLateTag = "late";

  template <typename Out, typename F>
  static internal::MatchHandlers<T, Out> HandlersOfSelect(F function) {
    internal::MatchHandlers<T, Out> handlers;
    handlers.on_match = [function](const Match<T>& match, MatchContext&, Collector<Out>& out) mutable {
      out.Collect(function(match));
    };
    return handlers;
  }
  template <typename Out, typename F>
  static internal::MatchHandlers<T, Out> HandlersOfFlatSelect(F function) {
    internal::MatchHandlers<T, Out> handlers;
    handlers.on_match = [function](const Match<T>& match, MatchContext&, Collector<Out>& out) mutable {
      function(match, out);
    };
    return handlers;
  }

  StreamGraph& graph() const { return stream_.stream().graph(); }

  std::function<std::unique_ptr<BatchKeyHasher>()> Hasher() const {
    if (!keyed_) return nullptr;
    return [keys = stream_.keys()] { return std::make_unique<ExtractorKeyHasher<T, K>>(keys()); };
  }

  // The operator that puts the events in the order of their times; made when it is first needed.
  int SortNode() {
    if (sort_node_) return *sort_node_;
    StreamNode node{.name = "Pattern order",
                    .kind = "sort",
                    .fixed_to_one = !keyed_,
                    .ports = {&TypedBatch<T>::Type()},
                    .create_operator = [less = less_](const StreamNode& self) {
                      return MakeSortOperator<T>(less, self.side_outputs.empty() ? -1 : 1);
                    }};
    sort_node_ =
        AddTransformation(graph(), stream_.stream().origins(), std::move(node), Hasher(), stream_.partitioned());
    return *sort_node_;
  }

  template <typename Out>
  DataStream<Out> Add(const char* name, internal::MatchHandlersFactory<T, Out> handlers) {
    const bool event_time = settings_.time_mode == cep::TimeMode::kEventTime;
    const std::vector<StreamOrigin> inputs =
        event_time ? std::vector<StreamOrigin>{{SortNode(), 0}} : stream_.stream().origins();
    using Function = internal::CepFunction<K, T, Out>;
    StreamNode node{.name = std::string("Pattern ") + name,
                    .kind = "pattern",
                    .fixed_to_one = !keyed_,
                    .ports = {&TypedBatch<Out>::Type()},
                    .states = StatesOf(Function(automaton_, settings_, less_, {}))};
    node.create_operator = [automaton = automaton_, settings = settings_, less = less_, on_dropped = on_dropped_,
                            handlers = std::move(handlers), keys = stream_.keys()](const StreamNode& self) {
      internal::MatchHandlers<T, Out> own = handlers();
      own.on_dropped = on_dropped;
      return MakeKeyedProcessOperator<K, T, Out>(Function(automaton, settings, less, std::move(own)), keys(),
                                                 self.side_outputs);
    };
    const int added =
        AddTransformation(graph(), inputs, std::move(node), Hasher(), event_time || stream_.partitioned());
    return DataStream<Out>(graph(), {{added, 0}});
  }

  KeyedStream<T, K> stream_;
  std::shared_ptr<const cep::Automaton> automaton_;  // null when the pattern was refused
  cep::CepSettings settings_;
  Less less_;
  const bool keyed_;
  std::function<void(const Match<T>&, MatchContext&)> on_dropped_;
  std::optional<int> sort_node_;
};

/// Where patterns meet streams. A pattern that breaks a rule makes the job's graph fail with that rule.
class Cep {
 public:
  /// `less`: the order of events of equal times; none: that of their arrival.
  template <typename T, typename K>
  static PatternStream<T, K> Match(const KeyedStream<T, K>& stream, const Pattern<T>& pattern,
                                   std::function<bool(const T&, const T&)> less = nullptr) {
    return PatternStream<T, K>(stream, pattern, std::move(less), /*keyed=*/true);
  }
  template <typename T>
  static PatternStream<T, int32_t> Match(const DataStream<T>& stream, const Pattern<T>& pattern,
                                         std::function<bool(const T&, const T&)> less = nullptr) {
    return PatternStream<T, int32_t>(stream.KeyBy([](const T&) { return int32_t{0}; }), pattern, std::move(less),
                                     /*keyed=*/false);
  }
};

}  // namespace eagre
