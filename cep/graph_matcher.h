// Moves the partial matches in a MatchGraph by events and by time. What an event does is decided once per automaton
// state, for all partial matches in it: most often nothing, and then they are not touched. Only where a condition
// depends on what a partial match took before is each one asked, and only if the simple conditions have not decided
// already.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/status.h"
#include "cep/automaton.h"
#include "cep/decision_maker.h"
#include "cep/event_type.h"
#include "cep/match_graph.h"
#include "cep/matching.h"

namespace eagre::cep {

// The part of a Matcher that is for graphs; all that is passed outlives it.
class GraphMatcher {
 public:
  GraphMatcher(const Automaton& automaton, const EventType& type, const MatcherOptions& options,
               DecisionMaker& decisions, MatcherMetrics& metrics)
      : automaton_(automaton), type_(type), options_(options), decisions_(decisions), metrics_(metrics) {}

  Status CheckRestored(const MatchGraph& matches) const;

  // An event that `decisions` has begun with: Begin, then what it does to each state, or to partial matches that were
  // asked by another, and what starts with it. Then Concerned says whether Apply must follow.
  void Begin(const void* event, int64_t timestamp);
  void DecideForStates(const MatchGraph& matches);
  void Decided(uint32_t partial, const Decision* decision);
  void DecidedForStart(const Decision* decision);
  bool Concerned() const { return !states_.empty() || !partials_.empty(); }
  // Fails when a skip strategy misses its stage, and when there are too many partial matches.
  Status Apply(MatchGraph& matches, MatchListener& listener);

  // Ends what is over at `timestamp`.
  Status Advance(MatchGraph& matches, int64_t timestamp, MatchListener& listener);
  int64_t NextDeadline(const MatchGraph& matches) const;

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

  void DecideForState(const MatchGraph& matches, const StateList& list);
  void ApplyToStates(MatchGraph& matches);
  void ApplyToPartial(MatchGraph& matches, uint32_t partial, const Decision& decision);
  void ApplyToStart(MatchGraph& matches, const Decision& decision);
  // Gives an order to partial matches that complete, where more than one does.
  void NumberConcerned(MatchGraph& matches);
  uint32_t EventCell(MatchGraph& matches);
  void Remove(MatchGraph& matches, uint32_t partial);
  // Removes the partial and completed matches, those at hand too, that start before `limit`, or with it if `inclusive`.
  void Prune(MatchGraph& matches, EventOrder limit, bool inclusive);
  Status PruneAfter(MatchGraph& matches, const CompletedMatch& match);
  void CollectExpired(const MatchGraph& matches, int64_t timestamp);
  void ReportTimeOut(const MatchGraph& matches, const PartialMatch& partial, int64_t timestamp,
                     MatchListener& listener);
  void SortCompletions();
  // Emits the completions at hand and those that the key holds, but for what an earlier partial match holds back.
  Status EmitCompleted(MatchGraph& matches, MatchListener& listener);
  Status EmitHeld(MatchGraph& matches, MatchListener& listener);
  // Takes over the match's reference.
  Status Emit(MatchGraph& matches, const CompletedMatch& match, MatchListener& listener);
  bool HeldBack(const MatchGraph& matches, const CompletedMatch& match) const;
  Status LimitPartials(MatchGraph& matches, MatchListener& listener);
  bool Windowed(StateId state) const { return automaton_.states()[state].previous_window_ms > 0; }
  const MatchedEvents& EventsOf(const MatchGraph& matches, uint32_t node);

  const Automaton& automaton_;
  const EventType& type_;
  const MatcherOptions& options_;
  DecisionMaker& decisions_;
  MatcherMetrics& metrics_;

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
  std::vector<Completion> completions_;
  size_t emitted_ = 0;  // of completions_
  std::vector<uint32_t> expired_;
  MatchedEvents events_;
};

}  // namespace eagre::cep
