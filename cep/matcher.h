// Moves a key's partial matches by events and by time. One per operator and subtask, for all keys; blind to the type.
//
// What an event does is decided once per automaton state, for all partial matches in it: most often nothing, and then
// they are not touched. Only where a condition depends on what a partial match took before is each one asked, and only
// if the simple conditions have not decided already.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "cep/automaton.h"
#include "cep/decision_maker.h"
#include "cep/event_type.h"
#include "cep/key_matches.h"

namespace eagre::cep {

struct MatchedEvent {
  StageId stage;
  int64_t timestamp;
  std::string_view bytes;  // encoded
};

// The events of a match or of a partial one, oldest first. Valid during the call that it is handed to.
using MatchedEvents = std::vector<MatchedEvent>;

// Who hears of matches. May throw.
class MatchListener {
 public:
  virtual ~MatchListener() = default;
  virtual void OnMatch(const MatchedEvents& events) = 0;
  // A partial match whose window ended; `timestamp` is when.
  virtual void OnTimeOut(const MatchedEvents& events, int64_t timestamp) = 0;
  // A partial match that was given up, since there were more than allowed.
  virtual void OnDropped(const MatchedEvents& events) = 0;
};

// What becomes of partial matches beyond the limit.
enum class OverflowPolicy : uint8_t {
  kFail,
  kDropOldest,  // of the key at hand, those that started first
  kDropNewest,
};

struct MatcherOptions {
  bool report_timeouts = false;
  // 0: no limit.
  uint64_t max_partials_per_key = 0;
  uint64_t max_partials = 0;  // over all keys of this matcher
  OverflowPolicy overflow = OverflowPolicy::kFail;
};

struct MatcherMetrics {
  uint64_t matches = 0;
  uint64_t timeouts = 0;
  uint64_t dropped = 0;
  uint64_t evaluations = 0;  // of conditions
  int64_t partials = 0;      // live; those of restored keys only when they were counted
};

class Matcher {
 public:
  Matcher(std::shared_ptr<const Automaton> automaton, const EventType& type, MatcherOptions options);
  ~Matcher();

  // Of a key whose matches were restored, before anything else is done to them: fails when they are of another pattern.
  Status CheckRestored(const KeyMatches& matches) const;
  // Of such a key, before it changes first.
  void CountRestored(const KeyMatches& matches) { metrics_.partials += matches.partial_count(); }

  // Decides what the event does to the key's partial matches (null: the key has none). False: nothing, which is the end
  // of it. Otherwise Apply must follow, with the same event.
  StatusOr<bool> Decide(const KeyMatches* matches, const void* event, int64_t timestamp,
                        const ProcessingTime& processing_time);
  // Fails when a skip strategy misses its stage, and when there are too many partial matches.
  Status Apply(KeyMatches& matches, MatchListener& listener);

  // Ends what is over at `timestamp`. A caller may leave it out while timestamp < NextDeadline(matches).
  Status Advance(KeyMatches& matches, int64_t timestamp, MatchListener& listener);
  // The first time at which a partial match of the key is over; INT64_MAX: never.
  int64_t NextDeadline(const KeyMatches& matches) const;

  // Whether the event decided last is the first of a match or of a partial one.
  bool started_partial() const { return started_; }

  const Automaton& automaton() const { return *automaton_; }
  const MatcherMetrics& metrics() const { return metrics_; }

 private:
  struct Completion {
    CompletedMatch match;
    uint32_t order;  // of the partial match that completed, among those of its start
  };
  class EmittedMatch;
  class CompletionScope;
  struct ConcernedState {
    StateId state;
    const Decision* decision;
  };

  void DecideForState(const KeyMatches& matches, const StateList& list);
  void ApplyToStates(KeyMatches& matches);
  void ApplyToPartial(KeyMatches& matches, uint32_t partial, const Decision& decision);
  void ApplyToStart(KeyMatches& matches, const Decision& decision);
  // Gives an order to partial matches that complete, where more than one does.
  void NumberConcerned(KeyMatches& matches);
  uint32_t EventCell(KeyMatches& matches);
  void Remove(KeyMatches& matches, uint32_t partial);
  // Removes the partial and completed matches that start before `limit`, or with it if `inclusive`.
  void Prune(KeyMatches& matches, EventOrder limit, bool inclusive);
  Status PruneAfter(KeyMatches& matches, const CompletedMatch& match);
  void CollectExpired(const KeyMatches& matches, int64_t timestamp);
  void ReportTimeOut(const KeyMatches& matches, const PartialMatch& partial, int64_t timestamp,
                     MatchListener& listener);
  void SortCompletions();
  // Emits the completions at hand and those that the key holds, but for what an earlier partial match holds back.
  Status EmitCompleted(KeyMatches& matches, MatchListener& listener);
  Status EmitHeld(KeyMatches& matches, MatchListener& listener);
  // Takes over the match's reference.
  Status Emit(KeyMatches& matches, const CompletedMatch& match, MatchListener& listener);
  bool HeldBack(const KeyMatches& matches, const CompletedMatch& match) const;
  Status LimitPartials(KeyMatches& matches, MatchListener& listener);
  bool Windowed(StateId state) const { return automaton_->states()[state].previous_window_ms > 0; }
  const MatchedEvents& EventsOf(const KeyMatches& matches, uint32_t node);

  std::shared_ptr<const Automaton> automaton_;
  const EventType& type_;
  const MatcherOptions options_;
  MatcherMetrics metrics_;
  DecisionMaker decisions_;

  // Between Decide and Apply.
  const void* event_ = nullptr;
  int64_t timestamp_ = 0;
  std::vector<ConcernedState> states_;                          // whose partial matches all go one way
  std::vector<std::pair<uint32_t, const Decision*>> partials_;  // those that were decided one by one
  bool may_complete_ = false;
  bool all_die_ = false;
  bool started_ = false;
  std::vector<uint32_t> detached_;

  uint32_t event_cell_ = kNoCell;
  uint64_t numberings_ = 0;
  std::vector<Completion> completions_;
  size_t emitted_ = 0;  // of completions_
  std::vector<uint32_t> expired_;
  MatchedEvents events_;
};

}  // namespace eagre::cep
