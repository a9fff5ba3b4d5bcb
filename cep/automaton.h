// The automaton that a pattern compiles to. Immutable, shared by all keys and subtasks' matchers; blind to the type.
//
// A partial match is in one state. An event moves it along edges whose condition holds: kTake takes the event, kIgnore
// passes it over, kProceed goes on to another state with the same event. Whoever reaches a kStop state is discarded,
// with everything else that the event made of the same partial match; whoever reaches a kFinal state is a match.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "cep/condition.h"
#include "cep/pattern_description.h"
#include "cep/skip_strategy.h"

namespace eagre::cep {

using StateId = uint16_t;
using StageId = uint16_t;
using FormulaId = uint32_t;

inline constexpr StageId kNoStage = UINT16_MAX;

// All formulas of an automaton; equal ones have one id, so that each is evaluated once. Id 0 is true.
class FormulaPool {
 public:
  struct Node {
    ConditionFormula::Kind kind = ConditionFormula::Kind::kTrue;
    FormulaId left = 0;
    FormulaId right = 0;
    uint32_t condition = 0;  // index of the condition, for kCondition
    bool iterative = false;  // depends on what the partial match took before
  };
  static constexpr FormulaId kTrue = 0;

  FormulaPool() : nodes_(1) {}

  FormulaId Add(const FormulaPtr& formula);  // null is true
  FormulaId Not(FormulaId operand);
  FormulaId And(FormulaId left, FormulaId right);
  FormulaId Or(FormulaId left, FormulaId right);

  size_t size() const { return nodes_.size(); }
  const Node& node(FormulaId id) const { return nodes_[id]; }
  const std::vector<std::shared_ptr<const EventCondition>>& conditions() const { return conditions_; }

 private:
  FormulaId Intern(Node node);

  std::vector<Node> nodes_;
  std::vector<std::shared_ptr<const EventCondition>> conditions_;
  std::map<const EventCondition*, FormulaId> by_condition_;
  std::map<std::tuple<ConditionFormula::Kind, FormulaId, FormulaId>, FormulaId> by_operands_;
};

enum class EdgeKind : uint8_t { kTake, kIgnore, kProceed };

struct Edge {
  EdgeKind kind;
  StateId target;
  FormulaId condition;
};

enum class StateKind : uint8_t {
  kNormal,
  kPending,  // of a NOT at the end: becomes a match when its window has passed
  kStop,
  kFinal,
};

struct State {
  StateKind kind = StateKind::kNormal;
  StageId stage = kNoStage;  // of the events that its take edges take
  // From the last event taken until a partial match in this state times out; 0: never for this reason.
  int64_t previous_window_ms = 0;
  std::vector<Edge> edges;
  std::string name;  // the stage's, with a number behind a colon where it has several states
};

class Automaton {
 public:
  // The first rule that the pattern breaks: FAILED_PRECONDITION, which names the stage.
  static StatusOr<std::shared_ptr<const Automaton>> Compile(const PatternDescription& pattern);

  const std::vector<State>& states() const { return states_; }
  StateId start() const { return start_; }
  const FormulaPool& formulas() const { return formulas_; }
  // Names of the single stages in the pattern's order, without NOTs' being left out.
  const std::vector<std::string>& stages() const { return stages_; }
  // From the first event of a match to its last; 0: none.
  int64_t window_ms() const { return window_ms_; }
  // States with a window of their own.
  const std::vector<StateId>& windowed_states() const { return windowed_states_; }
  const AfterMatchSkipStrategy& skip_strategy() const { return skip_; }
  StageId skip_stage() const { return skip_stage_; }
  // The pattern can be fulfilled by no event at all; such matches are never reported.
  bool can_be_empty() const;
  // The states' names, kinds, windows and edges: what makes state of one automaton useless to another.
  std::string Fingerprint() const;

 private:
  friend class PatternCompiler;
  explicit Automaton(AfterMatchSkipStrategy skip) : skip_(std::move(skip)) {}

  std::vector<State> states_;
  StateId start_ = 0;
  FormulaPool formulas_;
  std::vector<std::string> stages_;
  int64_t window_ms_ = 0;
  std::vector<StateId> windowed_states_;
  AfterMatchSkipStrategy skip_;
  StageId skip_stage_ = kNoStage;
};

}  // namespace eagre::cep
