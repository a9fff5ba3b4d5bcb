// Moves a key's partial matches by events and by time. One per operator and subtask, for all keys; blind to the type.
//
// Partial matches are chains as long as each goes one way only, and a graph from then on until all have gone. Each
// chain is looked at at every event of its key, as there are few; of a graph only what the event concerns
// (cep/graph_matcher.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cep/automaton.h"
#include "cep/decision_maker.h"
#include "cep/event_type.h"
#include "cep/graph_matcher.h"
#include "cep/key_matches.h"
#include "cep/matching.h"

namespace eagre::cep {

class Matcher {
 public:
  // `pieces` are of the key whose matches are passed, and outlive this; null: all of a key stays in its KeyMatches.
  Matcher(std::shared_ptr<const Automaton> automaton, const EventType& type, MatcherOptions options,
          StatePieces* pieces = nullptr);
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  // Of a key whose matches were restored, before anything else is done to them: fails when they are of another pattern.
  Status CheckRestored(const KeyMatches& matches) const;
  // Of such a key, before it changes first.
  void CountRestored(const KeyMatches& matches) { metrics_.partials += matches.partial_count(); }

  // Decides what the event does to the key's partial matches (null: the key has none). False: nothing, which is the end
  // of it. Otherwise Apply must follow, with the same event.
  bool Decide(const KeyMatches* matches, const void* event, int64_t timestamp, const ProcessingTime& processing_time);
  // Fails when a skip strategy misses its stage, and when there are too many partial matches.
  Status Apply(KeyMatches& matches, MatchListener& listener);

  // Ends what is over at `timestamp`. A caller may leave it out while timestamp < NextDeadline(matches).
  Status Advance(KeyMatches& matches, int64_t timestamp, MatchListener& listener);
  // The first time at which a partial match of the key is over; INT64_MAX: never.
  int64_t NextDeadline(const KeyMatches& matches) const;
  // Whether there may be such a time.
  bool has_deadlines() const { return has_deadlines_; }

  // Whether the event decided last is the first of a match or of a partial one.
  bool started_partial() const { return !start_->unchanged; }

  const Automaton& automaton() const { return *automaton_; }
  const MatcherMetrics& metrics() const { return metrics_; }

 private:
  // What an event does to all chains together.
  struct ChainsDecided {
    bool forks = false;  // one would go more than one way
    bool concerned = false;
    bool in_order = true;      // none has started after the event, or too long before it for a chain
    uint32_t before = 0;       // chains
    uint32_t living = 0;       // after it, with one that starts
    uint32_t taking = 0;       // of them, those that take the event, without one that starts
    uint32_t completions = 0;  // matches that it completes
  };

  void DecideForChains(const MatchChains& chains);
  void Count(const Decision& decision) {
    decided_.concerned = true;
    decided_.forks |= decision.living > 1;
    decided_.living += decision.living;
    decided_.completions += decision.completions;
  }
  // False, and nothing was done, when it takes a graph.
  bool ApplyToChains(KeyMatches& matches, MatchListener& listener);
  bool StayChains(const MatchChains& chains, size_t event_bytes) const;
  void EmitFromChains(const MatchChains& chains, size_t event_bytes, MatchListener& listener);
  // The matches that the decision completes, from the events that are in events_.
  void EmitCompleted(const Decision& decision, MatchListener& listener);
  void MoveChains(MatchChains& chains, size_t event_bytes);
  // False, and nothing was done, when it takes a graph.
  bool AdvanceChains(KeyMatches& matches, int64_t timestamp, MatchListener& listener);
  void CollectEvents(const MatchChains& chains, const Chain& chain);
  MatchGraph& ToGraph(KeyMatches& matches);
  // After a graph has changed.
  void Settle(KeyMatches& matches);
  bool Windowed(StateId state) const { return automaton_->states()[state].previous_window_ms > 0; }

  std::shared_ptr<const Automaton> automaton_;
  const EventType& type_;
  const MatcherOptions options_;
  StatePieces* const pieces_;
  MatcherMetrics metrics_;
  DecisionMaker decisions_;
  GraphMatcher graph_matcher_;
  const bool stages_fit_;  // into chains
  const bool has_deadlines_;

  // Between Decide and Apply.
  const void* event_ = nullptr;
  int64_t timestamp_ = 0;
  std::vector<const Decision*> of_chains_;  // in their order
  const Decision* start_ = nullptr;
  ChainsDecided decided_;

  std::string encoded_;  // the event, when a match has it
  MatchedEvents events_;
};

}  // namespace eagre::cep
