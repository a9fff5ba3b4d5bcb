// A matcher that is slow and plain: a list of partial matches, each with all its events, all asked at every event. What
// the real one must agree with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cep/automaton.h"
#include "tests/vectors/vector_reader.h"

namespace eagre::cep {

// A match or a time-out as text, and its time.
struct FoundText {
  std::string match;
  int64_t timestamp = 0;
  friend auto operator<=>(const FoundText&, const FoundText&) = default;
};

// Of one key.
class ReferenceMatcher {
 public:
  ReferenceMatcher(std::shared_ptr<const Automaton> automaton, bool exact_timestamps)
      : automaton_(std::move(automaton)), exact_timestamps_(exact_timestamps) {}

  // An event at the time that was last advanced to. False when a skip strategy misses its stage.
  bool Event(const vectors::VectorEvent& event, int64_t timestamp, int64_t processing_time);
  bool Advance(int64_t timestamp);

  bool empty() const { return partials_.empty() && completed_.empty(); }
  size_t partial_count() const { return partials_.size(); }
  std::vector<FoundText> matches;
  std::vector<FoundText> timeouts;

 private:
  struct Taken {
    StageId stage;
    vectors::VectorEvent event;
    std::pair<int64_t, uint64_t> order;
  };
  struct Partial {
    StateId state;
    std::vector<Taken> taken;
    int64_t previous_timestamp = 0;
    std::pair<int64_t, uint64_t> start() const { return taken.front().order; }
  };
  class Context;

  const State& StateOf(const Partial& partial) const { return automaton_->states()[partial.state]; }
  bool Holds(FormulaId id, const vectors::VectorEvent& event, const Context& context) const;
  void Process(const Partial& partial, bool start, const Taken& event, const Context& context,
               std::vector<Partial>& next);
  bool ReachesFinal(StateId state, const vectors::VectorEvent& event, const Context& context) const;
  // When the partial match is over, and INT64_MAX for never.
  int64_t FirstDeadline() const;
  bool IsOver(const Partial& partial, int64_t timestamp, int64_t& end) const;
  bool AdvanceTo(int64_t timestamp);
  bool Emit(int64_t timestamp);
  // False when the strategy misses its stage.
  bool Prune(const Partial& match);
  std::string TextOf(const Partial& match) const;

  std::shared_ptr<const Automaton> automaton_;
  const bool exact_timestamps_;
  std::vector<Partial> partials_;   // by start, equal starts in the order in which they came to be
  std::vector<Partial> completed_;  // likewise
  uint64_t arrivals_ = 0;
};

}  // namespace eagre::cep
