#include "cep/graph_matcher.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

namespace eagre::cep {
namespace {

// Lets go of a match when a call is about to fail, which is all that matters then: should the store fail too, nothing
// is lost.
void ReleaseOnFailure(MatchGraph& matches, uint32_t node) {
  try {
    matches.Release(node);
  } catch (const std::exception&) {
  }
}

}  // namespace

// A match being emitted, which is let go of also when user code throws.
class GraphMatcher::EmittedMatch {
 public:
  EmittedMatch(MatchGraph& matches, uint32_t node) : matches_(matches), node_(node) {}
  ~EmittedMatch() {
    if (!released_) ReleaseOnFailure(matches_, node_);
  }
  void Release() {
    released_ = true;
    matches_.Release(node_);
  }
  EmittedMatch(const EmittedMatch&) = delete;
  EmittedMatch& operator=(const EmittedMatch&) = delete;

 private:
  MatchGraph& matches_;
  const uint32_t node_;
  bool released_ = false;
};

// Lets go of the completions that were not emitted when a call fails.
class GraphMatcher::CompletionScope {
 public:
  CompletionScope(GraphMatcher& matcher, MatchGraph& matches) : matcher_(matcher), matches_(matches) {}
  ~CompletionScope() {
    std::vector<Completion>& completions = matcher_.completions_;
    for (size_t i = matcher_.emitted_; i < completions.size(); ++i) {
      ReleaseOnFailure(matches_, completions[i].match.node);
    }
    completions.clear();
    matcher_.emitted_ = 0;
  }
  CompletionScope(const CompletionScope&) = delete;
  CompletionScope& operator=(const CompletionScope&) = delete;

 private:
  GraphMatcher& matcher_;
  MatchGraph& matches_;
};

Status ForeignState() {
  return DataLoss(
      "the state holds a partial match in a state that the pattern does not have: it was written for another "
      "pattern, or is damaged");
}

Status GraphMatcher::CheckRestored(const MatchGraph& matches) const {
  for (uint32_t cell = matches.first_list(); cell != kNoCell; cell = matches.list(cell).next) {
    if (matches.list(cell).state >= automaton_.states().size()) return ForeignState();
  }
  return OkStatus();
}

// ---- events ----

void GraphMatcher::Begin(const void* event, int64_t timestamp) {
  event_ = event;
  timestamp_ = timestamp;
  states_.clear();
  partials_.clear();
  may_complete_ = false;
  all_die_ = true;
}

void GraphMatcher::DecideForStates(const MatchGraph& matches) {
  for (uint32_t list_cell = matches.first_list(); list_cell != kNoCell; list_cell = matches.list(list_cell).next) {
    DecideForState(matches, matches.list(list_cell));
  }
}

void GraphMatcher::Decided(uint32_t partial, const Decision* decision) {
  all_die_ = false;
  if (decision->unchanged) return;
  partials_.emplace_back(partial, decision);
  may_complete_ |= decision->completes();
}

void GraphMatcher::DecidedForStart(const Decision* decision) {
  started_ = !decision->unchanged;
  if (started_) partials_.emplace_back(kNoCell, decision);
}

void GraphMatcher::DecideForState(const MatchGraph& matches, const StateList& list) {
  if (const Decision* decision = decisions_.ForState(list.state)) {
    all_die_ &= decision->dies;
    if (decision->unchanged) return;
    states_.push_back({list.state, decision});
    may_complete_ |= decision->completes();
    return;
  }
  for (uint32_t cell = list.first; cell != kNoCell; cell = matches.partial(cell).next_in_state) {
    Decided(cell, decisions_.ForPartial(matches, cell));
  }
}

Status GraphMatcher::Apply(MatchGraph& matches, MatchListener& listener) {
  const int64_t partials_before = matches.partial_count();
  if (all_die_ && !started_ && !matches.has_completed()) {
    matches.RemoveAll();
    metrics_.partials -= partials_before;
    return OkStatus();
  }
  event_cell_ = kNoCell;
  const CompletionScope scope(*this, matches);
  if (may_complete_) NumberConcerned(matches);
  ApplyToStates(matches);
  for (const auto& [partial, decision] : partials_) {
    if (partial == kNoCell) {
      ApplyToStart(matches, *decision);
    } else {
      matches.DetachFromState(partial);
      ApplyToPartial(matches, partial, *decision);
    }
  }
  metrics_.partials += matches.partial_count() - partials_before;
  SortCompletions();
  if (options_.max_partials_per_key > 0 || options_.max_partials > 0) {
    EAGRE_RETURN_IF_ERROR(LimitPartials(matches, listener));
  }
  return EmitCompleted(matches, listener);
}

// Matches of one start that are completed by one event come in the order in which their partial matches came to be.
void GraphMatcher::NumberConcerned(MatchGraph& matches) {
  matches.BeginNumbering();
  const auto number = [&](uint32_t partial) { matches.NumberGroup(matches.partial(partial).group); };
  for (const auto& [state, decision] : states_) {
    if (!decision->completes()) continue;
    const uint32_t first = matches.FirstIn(state);
    const bool alone = matches.partial(first).next_in_state == kNoCell;
    if (alone && states_.size() + partials_.size() == 1) return;
    for (uint32_t cell = first; cell != kNoCell; cell = matches.partial(cell).next_in_state) number(cell);
  }
  for (const auto& [partial, decision] : partials_) {
    if (partial != kNoCell && decision->completes()) number(partial);
  }
}

void GraphMatcher::ApplyToStates(MatchGraph& matches) {
  // All lists are taken first, since what moves must not be met again in the state that it moves to.
  detached_.clear();
  for (const ConcernedState& concerned : states_) detached_.push_back(matches.DetachList(concerned.state));
  for (size_t i = 0; i < states_.size(); ++i) {
    for (uint32_t cell = detached_[i]; cell != kNoCell;) {
      const uint32_t next = matches.partial(cell).next_in_state;
      ApplyToPartial(matches, cell, *states_[i].decision);
      cell = next;
    }
  }
}

// The first way on is the partial match itself, moved; others come behind it.
void GraphMatcher::ApplyToPartial(MatchGraph& matches, uint32_t partial, const Decision& decision) {
  const PartialMatch before = matches.partial(partial);
  uint32_t last = kNoCell;
  for (const Move& move : decision.moves) {
    const bool lives_on = decision.LivesOn(move);
    if (!lives_on && !move.completes) continue;
    const uint32_t node = move.takes ? matches.AddNode(EventCell(matches), before.node, move.stage) : before.node;
    if (move.completes) {
      matches.Reference(node);
      completions_.push_back({{matches.StartOf(before.group), node}, before.order});
    }
    if (!lives_on) continue;
    if (last == kNoCell) {
      matches.Reference(node);
      matches.Place(partial, move.target, node, Windowed(move.target));
      last = partial;
    } else {
      last = matches.AddPartial(move.target, node, before.group, last, Windowed(move.target));
    }
  }
  if (last == kNoCell) {
    matches.Free(partial);
    matches.RemoveGroupIfEmpty(before.group);
  }
  matches.Release(before.node);
}

void GraphMatcher::ApplyToStart(MatchGraph& matches, const Decision& decision) {
  uint32_t group = kNoCell;
  for (const Move& move : decision.moves) {
    const bool lives_on = decision.LivesOn(move);
    if (!lives_on && !move.completes) continue;
    const uint32_t event = EventCell(matches);
    const uint32_t node = matches.AddNode(event, kNoCell, move.stage);
    if (move.completes) {
      matches.Reference(node);
      completions_.push_back({{matches.event(event).order, node}, 0});
    }
    if (!lives_on) continue;
    if (group == kNoCell) group = matches.AddGroup(event);
    matches.AddPartial(move.target, node, group, kNoCell, Windowed(move.target));
  }
}

uint32_t GraphMatcher::EventCell(MatchGraph& matches) {
  if (event_cell_ == kNoCell) {
    event_cell_ = matches.AddEvent(timestamp_, type_.encoded_bytes(event_));
    type_.encode(event_, matches.MutableEventBytes(event_cell_));
  }
  return event_cell_;
}

// ---- time ----

int64_t GraphMatcher::NextDeadline(const MatchGraph& matches) const {
  int64_t deadline = std::numeric_limits<int64_t>::max();
  if (automaton_.window_ms() > 0 && matches.first_group() != kNoCell) {
    deadline = EndOf(matches.FirstStart().timestamp, automaton_.window_ms());
  }
  for (const StateId state : automaton_.windowed_states()) {
    const uint32_t first = matches.FirstIn(state);
    if (first == kNoCell) continue;
    deadline = std::min(deadline, EndOf(matches.PreviousTimestamp(matches.partial(first)),
                                        automaton_.states()[state].previous_window_ms));
  }
  return deadline;
}

void GraphMatcher::CollectExpired(const MatchGraph& matches, int64_t timestamp) {
  expired_.clear();
  const int64_t window_ms = automaton_.window_ms();
  const auto over = [&](uint32_t group) {
    return window_ms > 0 && HasPassed(matches.StartOf(group).timestamp, window_ms, timestamp);
  };
  for (uint32_t group = matches.first_group(); group != kNoCell && over(group); group = matches.group(group).next) {
    for (uint32_t cell = matches.group(group).first; cell != kNoCell; cell = matches.partial(cell).next_in_group) {
      expired_.push_back(cell);
    }
  }
  for (const StateId state : automaton_.windowed_states()) {
    const int64_t previous_window_ms = automaton_.states()[state].previous_window_ms;
    for (uint32_t cell = matches.FirstIn(state); cell != kNoCell; cell = matches.partial(cell).next_in_state) {
      if (!HasPassed(matches.PreviousTimestamp(matches.partial(cell)), previous_window_ms, timestamp)) break;
      if (!over(matches.partial(cell).group)) expired_.push_back(cell);
    }
  }
}

Status GraphMatcher::Advance(MatchGraph& matches, int64_t timestamp, MatchListener& listener) {
  CollectExpired(matches, timestamp);
  if (expired_.empty()) return OkStatus();
  const CompletionScope scope(*this, matches);
  matches.BeginNumbering();
  for (const uint32_t cell : expired_) matches.NumberGroup(matches.partial(cell).group);
  for (uint32_t& cell : expired_) {
    const PartialMatch& partial = matches.partial(cell);
    if (automaton_.states()[partial.state].kind != StateKind::kPending) continue;
    matches.Reference(partial.node);
    completions_.push_back({{matches.StartOf(partial.group), partial.node}, partial.order});
    Remove(matches, std::exchange(cell, kNoCell));
  }
  SortCompletions();
  for (const uint32_t cell : expired_) {
    if (cell == kNoCell) continue;
    if (options_.report_timeouts) ReportTimeOut(matches, matches.partial(cell), timestamp, listener);
    Remove(matches, cell);
  }
  return EmitCompleted(matches, listener);
}

void GraphMatcher::ReportTimeOut(const MatchGraph& matches, const PartialMatch& partial, int64_t timestamp,
                                 MatchListener& listener) {
  const int64_t previous_window_ms = automaton_.states()[partial.state].previous_window_ms;
  const int64_t previous = matches.PreviousTimestamp(partial);
  const int64_t end = previous_window_ms > 0 && HasPassed(previous, previous_window_ms, timestamp)
                          ? EndOf(previous, previous_window_ms)
                          : EndOf(matches.StartOf(partial.group).timestamp, automaton_.window_ms());
  ++metrics_.timeouts;
  listener.OnTimeOut(EventsOf(matches, partial.node), end);
}

void GraphMatcher::Remove(MatchGraph& matches, uint32_t cell) {
  const PartialMatch partial = matches.partial(cell);
  matches.DetachFromState(cell);
  matches.Free(cell);
  matches.RemoveGroupIfEmpty(partial.group);
  matches.Release(partial.node);
  --metrics_.partials;
}

// ---- results ----

void GraphMatcher::SortCompletions() {
  const auto before = [](const Completion& a, const Completion& b) {
    return a.match.start != b.match.start ? a.match.start < b.match.start : a.order < b.order;
  };
  if (std::is_sorted(completions_.begin(), completions_.end(), before)) return;
  std::stable_sort(completions_.begin(), completions_.end(), before);
}

Status GraphMatcher::EmitCompleted(MatchGraph& matches, MatchListener& listener) {
  // Where none is held back already, those at hand are the first ones. What one prunes of them is passed over.
  while (emitted_ < completions_.size() && !matches.has_completed() &&
         !HeldBack(matches, completions_[emitted_].match)) {
    EAGRE_RETURN_IF_ERROR(Emit(matches, completions_[emitted_++].match, listener));
  }
  while (emitted_ < completions_.size()) matches.AddCompleted(completions_[emitted_++].match);
  return EmitHeld(matches, listener);
}

Status GraphMatcher::EmitHeld(MatchGraph& matches, MatchListener& listener) {
  while (matches.has_completed() && !HeldBack(matches, matches.first_completed())) {
    EAGRE_RETURN_IF_ERROR(Emit(matches, matches.TakeFirstCompleted(), listener));
  }
  return OkStatus();
}

bool GraphMatcher::HeldBack(const MatchGraph& matches, const CompletedMatch& match) const {
  return automaton_.skip_strategy().skips() && matches.first_group() != kNoCell && matches.FirstStart() < match.start;
}

Status GraphMatcher::Emit(MatchGraph& matches, const CompletedMatch& match, MatchListener& listener) {
  EmittedMatch emitted(matches, match.node);
  if (automaton_.skip_strategy().skips()) EAGRE_RETURN_IF_ERROR(PruneAfter(matches, match));
  ++metrics_.matches;
  listener.OnMatch(EventsOf(matches, match.node));
  emitted.Release();
  return OkStatus();
}

Status GraphMatcher::PruneAfter(MatchGraph& matches, const CompletedMatch& match) {
  using Strategy = AfterMatchSkipStrategy::Kind;
  const AfterMatchSkipStrategy& strategy = automaton_.skip_strategy();
  if (strategy.kind() == Strategy::kSkipToNext) {
    Prune(matches, match.start, /*inclusive=*/true);
    return OkStatus();
  }
  if (strategy.kind() == Strategy::kSkipPastLastEvent) {
    Prune(matches, matches.event(matches.node(match.node).event).order, /*inclusive=*/true);
    return OkStatus();
  }
  uint32_t target = kNoCell;
  for (uint32_t cell = match.node; cell != kNoCell; cell = matches.node(cell).parent) {
    if (matches.node(cell).stage != automaton_.skip_stage()) continue;
    target = matches.node(cell).event;
    if (strategy.kind() == Strategy::kSkipToLast) break;
  }
  if (target == kNoCell) {
    if (!strategy.throw_on_miss()) return OkStatus();
    return FailedPrecondition(
        "the skip strategy is to go on at stage '{}', which the match found has no event of, and to fail then",
        strategy.stage());
  }
  const EventOrder limit = matches.event(target).order;
  if (strategy.throw_on_miss() && limit == match.start) {
    return FailedPrecondition(
        "the skip strategy is to go on at stage '{}', which is where the match found starts, so that it would be found "
        "again; and to fail then",
        strategy.stage());
  }
  Prune(matches, limit, /*inclusive=*/false);
  return OkStatus();
}

void GraphMatcher::Prune(MatchGraph& matches, EventOrder limit, bool inclusive) {
  const auto before = [&](const EventOrder& start) { return inclusive ? start <= limit : start < limit; };
  while (matches.first_group() != kNoCell && before(matches.FirstStart())) {
    Remove(matches, matches.group(matches.first_group()).first);
  }
  while (matches.has_completed() && before(matches.first_completed().start)) {
    matches.Release(matches.TakeFirstCompleted().node);
  }
  while (emitted_ < completions_.size() && before(completions_[emitted_].match.start)) {
    matches.Release(completions_[emitted_++].match.node);
  }
}

Status GraphMatcher::LimitPartials(MatchGraph& matches, MatchListener& listener) {
  const auto exceeds = [&] {
    return (options_.max_partials_per_key > 0 && matches.partial_count() > options_.max_partials_per_key) ||
           (options_.max_partials > 0 && metrics_.partials > static_cast<int64_t>(options_.max_partials));
  };
  while (exceeds() && matches.partial_count() > 0) {
    if (options_.overflow == OverflowPolicy::kFail) {
      return ResourceExhausted(
          "more partial matches than allowed: {} of one key (limit {}), {} of this subtask (limit {}; 0: none). Give "
          "the "
          "pattern a window or a narrower condition, raise the limit, or choose to drop the oldest or the newest",
          matches.partial_count(), options_.max_partials_per_key, metrics_.partials, options_.max_partials);
    }
    const uint32_t victim = options_.overflow == OverflowPolicy::kDropOldest
                                ? matches.group(matches.first_group()).first
                                : matches.group(matches.last_group()).last;
    ++metrics_.dropped;
    listener.OnDropped(EventsOf(matches, matches.partial(victim).node));
    Remove(matches, victim);
  }
  return OkStatus();
}

const MatchedEvents& GraphMatcher::EventsOf(const MatchGraph& matches, uint32_t node) {
  events_.clear();
  for (; node != kNoCell; node = matches.node(node).parent) {
    const uint32_t event = matches.node(node).event;
    events_.push_back({matches.node(node).stage, matches.event(event).order.timestamp, matches.EventBytes(event)});
  }
  std::reverse(events_.begin(), events_.end());
  return events_;
}

}  // namespace eagre::cep
