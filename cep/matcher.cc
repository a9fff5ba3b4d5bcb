#include "cep/matcher.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eagre::cep {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

Matcher::Matcher(std::shared_ptr<const Automaton> automaton, const EventType& type, MatcherOptions options,
                 StatePieces* pieces)
    : automaton_(std::move(automaton)),
      type_(type),
      options_(options),
      pieces_(pieces),
      decisions_(*automaton_, type),
      graph_matcher_(*automaton_, type, options_, decisions_, metrics_),
      stages_fit_(automaton_->stages().size() <= MatchChains::kMaxStage),
      has_deadlines_(automaton_->window_ms() > 0 || !automaton_->windowed_states().empty()) {}

Status Matcher::CheckRestored(const KeyMatches& matches) const {
  if (matches.graph() != nullptr) {
    matches.graph()->UsePieces(pieces_);
    return graph_matcher_.CheckRestored(*matches.graph());
  }
  const MatchChains& chains = matches.chains();
  for (uint32_t at = 0; at < chains.end(); at = chains.At(at).end) {
    if (chains.At(at).state >= automaton_->states().size()) return ForeignState();
  }
  return OkStatus();
}

// ---- events ----

bool Matcher::Decide(const KeyMatches* matches, const void* event, int64_t timestamp,
                     const ProcessingTime& processing_time) {
  event_ = event;
  timestamp_ = timestamp;
  decisions_.Begin(event, timestamp, processing_time);
  const MatchGraph* graph = matches == nullptr ? nullptr : matches->graph();
  if (graph != nullptr) {
    graph->UsePieces(pieces_);
    graph_matcher_.Begin(event, timestamp);
    graph_matcher_.DecideForStates(*graph);
    start_ = decisions_.ForStart();
    graph_matcher_.DecidedForStart(start_);
  } else {
    of_chains_.clear();
    decided_ = {};
    if (matches != nullptr) DecideForChains(matches->chains());
    start_ = decisions_.ForStart();
    if (!start_->unchanged) Count(*start_);
  }
  metrics_.evaluations = decisions_.evaluations();
  return graph != nullptr ? graph_matcher_.Concerned() : decided_.concerned;
}

void Matcher::DecideForChains(const MatchChains& chains) {
  for (uint32_t at = 0; at < chains.end();) {
    const Chain chain = chains.At(at);
    const Decision* decision = decisions_.ForState(chain.state);
    if (decision == nullptr) decision = decisions_.ForChain(chains, chain);
    of_chains_.push_back(decision);
    decided_.in_order = decided_.in_order && chains.InOrder(chain, timestamp_);
    ++decided_.before;
    if (decision->unchanged) {
      ++decided_.living;
    } else {
      Count(*decision);
      decided_.taking += decision->living > 0 && decision->on.takes ? 1 : 0;
    }
    at = chain.end;
  }
}

Status Matcher::Apply(KeyMatches& matches, MatchListener& listener) {
  if (matches.graph() == nullptr) {
    if (ApplyToChains(matches, listener)) [[likely]]
      return OkStatus();
    const MatchGraph& graph = ToGraph(matches);
    graph_matcher_.Begin(event_, timestamp_);
    uint32_t group = graph.first_group();
    for (const Decision* decision : of_chains_) {
      graph_matcher_.Decided(graph.group(group).first, decision);
      group = graph.group(group).next;
    }
    graph_matcher_.DecidedForStart(start_);
  }
  const Status status = graph_matcher_.Apply(*matches.graph(), listener);
  Settle(matches);
  return status;
}

bool Matcher::ApplyToChains(KeyMatches& matches, MatchListener& listener) {
  MatchChains& chains = matches.chains();
  if (decided_.living + decided_.completions == 0) {
    metrics_.partials -= decided_.before;
    chains.Clear();
    return true;
  }
  const bool starts = !start_->unchanged && start_->living > 0;
  size_t event_bytes = 0;
  if (decided_.completions + decided_.taking > 0 || starts) event_bytes = type_.encoded_bytes(event_);
  if (!StayChains(chains, event_bytes)) return false;
  // Before anything is moved, which is still there should a listener throw.
  if (decided_.completions > 0) EmitFromChains(chains, event_bytes, listener);
  metrics_.partials += static_cast<int64_t>(decided_.living) - static_cast<int64_t>(decided_.before);
  if (decided_.living == 0) {
    chains.Clear();
  } else {
    MoveChains(chains, event_bytes);
  }
  return true;
}

bool Matcher::StayChains(const MatchChains& chains, size_t event_bytes) const {
  if (decided_.forks || decided_.living > MatchChains::kMaxChains || !stages_fit_) return false;
  if (decided_.living > decided_.before) {
    const uint64_t partials = static_cast<uint64_t>(metrics_.partials) + decided_.living - decided_.before;
    if (options_.max_partials_per_key > 0 && decided_.living > options_.max_partials_per_key) return false;
    if (options_.max_partials > 0 && partials > options_.max_partials) return false;
  }
  // A match that is alone drops no other and is held back by none.
  if (decided_.completions > 0 && automaton_->skip_strategy().skips() &&
      (decided_.living > 0 || decided_.completions > 1 || automaton_->skip_strategy().throw_on_miss())) {
    return false;
  }
  const uint32_t starts = start_->unchanged ? 0 : start_->living;
  return decided_.taking + starts == 0 || (decided_.in_order && chains.Takes(event_bytes, decided_.taking, starts));
}

// By start, which is the order of the chains.
void Matcher::EmitFromChains(const MatchChains& chains, size_t event_bytes, MatchListener& listener) {
  encoded_.resize(event_bytes);
  type_.encode(event_, encoded_.data());
  uint32_t at = 0;
  for (const Decision* decision : of_chains_) {
    const Chain chain = chains.At(at);
    at = chain.end;
    if (!decision->completes()) continue;
    CollectEvents(chains, chain);
    EmitCompleted(*decision, listener);
  }
  if (start_->unchanged || !start_->completes()) return;
  events_.clear();
  EmitCompleted(*start_, listener);
}

void Matcher::EmitCompleted(const Decision& decision, MatchListener& listener) {
  for (const Move& move : decision.moves) {
    if (!move.completes) continue;
    if (move.takes) events_.push_back({move.stage, timestamp_, encoded_});
    ++metrics_.matches;
    listener.OnMatch(events_);
    if (move.takes) events_.pop_back();
  }
}

void Matcher::MoveChains(MatchChains& chains, size_t event_bytes) {
  const bool starts = !start_->unchanged && start_->living > 0;
  const uint8_t arrival = starts || decided_.taking > 0 ? chains.NextArrival() : uint8_t{0};
  const auto take = [&](uint32_t at, StageId stage) {
    chains.AddEvent(at, timestamp_, stage, arrival, event_bytes, [&](char* place) { type_.encode(event_, place); });
  };
  uint32_t at = 0;
  for (const Decision* decision : of_chains_) {
    if (!decision->unchanged) {
      if (decision->living == 0) {
        chains.Remove(at, chains.At(at).end);
        continue;
      }
      chains.SetState(at, decision->on.target);
      if (decision->on.takes) take(at, decision->on.stage);
    }
    at = chains.At(at).end;
  }
  if (starts) take(chains.AddChain(timestamp_, start_->on.target), start_->on.stage);
}

MatchGraph& Matcher::ToGraph(KeyMatches& matches) {
  return matches.ToGraph([this](StateId state) { return Windowed(state); }, options_.page_shift);
}

void Matcher::Settle(KeyMatches& matches) {
  MatchGraph& graph = *matches.graph();
  if (graph.empty()) {
    matches.RemoveAll();
  } else if (pieces_ != nullptr && !graph.paged() && graph.cells_end() > options_.cells_in_row) [[unlikely]] {
    graph.ToPages(*pieces_);
  }
}

// ---- time ----

int64_t Matcher::NextDeadline(const KeyMatches& matches) const {
  if (matches.graph() != nullptr) {
    matches.graph()->UsePieces(pieces_);
    return graph_matcher_.NextDeadline(*matches.graph());
  }
  const MatchChains& chains = matches.chains();
  if (chains.empty()) return kNever;
  const int64_t window_ms = automaton_->window_ms();
  int64_t deadline = window_ms > 0 ? EndOf(chains.At(0).start, window_ms) : kNever;
  if (automaton_->windowed_states().empty()) return deadline;
  for (uint32_t at = 0; at < chains.end();) {
    const Chain chain = chains.At(at);
    const int64_t previous_window_ms = automaton_->states()[chain.state].previous_window_ms;
    if (previous_window_ms > 0) deadline = std::min(deadline, EndOf(chains.LastTimestamp(chain), previous_window_ms));
    at = chain.end;
  }
  return deadline;
}

Status Matcher::Advance(KeyMatches& matches, int64_t timestamp, MatchListener& listener) {
  if (matches.graph() == nullptr) {
    if (AdvanceChains(matches, timestamp, listener)) [[likely]]
      return OkStatus();
    ToGraph(matches);
  }
  matches.graph()->UsePieces(pieces_);
  const Status status = graph_matcher_.Advance(*matches.graph(), timestamp, listener);
  Settle(matches);
  return status;
}

bool Matcher::AdvanceChains(KeyMatches& matches, int64_t timestamp, MatchListener& listener) {
  MatchChains& chains = matches.chains();
  const int64_t window_ms = automaton_->window_ms();
  uint32_t over = 0;  // where those end that are over
  uint32_t over_count = 0;
  for (uint32_t at = 0; at < chains.end();) {
    const Chain chain = chains.At(at);
    const State& state = automaton_->states()[chain.state];
    const bool is_over = over == at && window_ms > 0 && HasPassed(chain.start, window_ms, timestamp);
    if (is_over && state.kind == StateKind::kPending) return false;
    // What times out by its previous event has an order of its own.
    if (state.previous_window_ms > 0 && HasPassed(chains.LastTimestamp(chain), state.previous_window_ms, timestamp)) {
      return false;
    }
    at = chain.end;
    if (!is_over) continue;
    over = at;
    ++over_count;
  }
  for (uint32_t at = 0; at < over && options_.report_timeouts;) {
    const Chain chain = chains.At(at);
    CollectEvents(chains, chain);
    ++metrics_.timeouts;
    listener.OnTimeOut(events_, EndOf(chain.start, window_ms));
    at = chain.end;
  }
  metrics_.partials -= over_count;
  if (over == chains.end()) {
    chains.Clear();
  } else if (over > 0) {
    chains.Remove(0, over);
  }
  return true;
}

void Matcher::CollectEvents(const MatchChains& chains, const Chain& chain) {
  events_.clear();
  for (uint32_t at = chain.begin; at < chain.end;) {
    const ChainEvent event = chains.EventAt(chain, at);
    events_.push_back({event.stage, event.timestamp, event.bytes});
    at = event.end;
  }
}

}  // namespace eagre::cep
