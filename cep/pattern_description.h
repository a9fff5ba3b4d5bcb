// A pattern as it was built: stages with contiguity, condition, quantifier and windows. Blind to the event's type; the
// typed builder over it is Pattern<T> (eagre/cep/pattern.h).
//
// A call that breaks a rule is noted and later ones are ignored: status() names the stage and the rule. Codes:
// FAILED_PRECONDITION where calls do not fit together, INVALID_ARGUMENT where a number is wrong, UNIMPLEMENTED where a
// group is asked for what only a single stage has.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "cep/condition.h"
#include "cep/skip_strategy.h"

namespace eagre::cep {

// How a stage follows the one before.
enum class Contiguity : uint8_t {
  kStrict,            // next
  kRelaxed,           // followedBy: events that the stage does not take may lie between
  kNonDeterministic,  // followedByAny: any events may lie between
  kNotNext,
  kNotFollowedBy,
};

enum class Quantifier : uint8_t {
  kSingle,
  kTimes,    // from..to
  kLooping,  // from.. without end
};

enum class WithinType : uint8_t {
  kFirstAndLast,        // from the first event of the match to its last
  kPreviousAndCurrent,  // from the event before the stage to the stage's own
};

class PatternDescription;

struct Stage {
  std::string name;                                 // empty for a group
  std::shared_ptr<const PatternDescription> group;  // null for a single stage
  Contiguity contiguity = Contiguity::kStrict;
  FormulaPtr condition;  // null: every event
  FormulaPtr until;      // null: none
  Quantifier quantifier = Quantifier::kSingle;
  int from = 1;
  int to = 1;
  std::optional<int64_t> repetition_window_ms;
  Contiguity inner = Contiguity::kRelaxed;  // between repetitions
  bool optional = false;
  bool greedy = false;
  std::optional<int64_t> within_ms;
  std::optional<int64_t> within_previous_ms;

  bool is_not() const { return contiguity == Contiguity::kNotNext || contiguity == Contiguity::kNotFollowedBy; }
  // For messages: "stage 'a'", "group of 'a', 'b'".
  std::string Text() const;
};

// A value. What is moved from stays what it was.
class PatternDescription {
 public:
  explicit PatternDescription(AfterMatchSkipStrategy skip) : skip_(std::move(skip)) {}
  PatternDescription(const PatternDescription&) = default;
  PatternDescription& operator=(const PatternDescription&) = default;

  // A new stage, or a group, which every later call is about until the next one is added.
  void Add(Contiguity contiguity, std::string name);
  void AddGroup(Contiguity contiguity, PatternDescription group);

  void Where(FormulaPtr condition);
  void Or(FormulaPtr condition);
  void Until(FormulaPtr condition);
  // A quantifier forgets an Optional() before it.
  void OneOrMore(std::optional<int64_t> window_ms);
  void Times(int times, std::optional<int64_t> window_ms);
  void Times(int from, int to, std::optional<int64_t> window_ms);
  void TimesOrMore(int times, std::optional<int64_t> window_ms);
  void Optional();
  void Greedy();
  void Consecutive();
  void AllowCombinations();
  void Within(int64_t window_ms, WithinType type);

  const std::vector<Stage>& stages() const { return stages_; }
  const AfterMatchSkipStrategy& skip_strategy() const { return skip_; }
  // The first rule broken so far.
  const Status& status() const { return status_; }

 private:
  bool StartQuantifier(const char* call);
  void SetTimes(Quantifier quantifier, int from, int to, std::optional<int64_t> window_ms, const char* call);
  void SetInner(Contiguity inner, const char* call);
  bool CheckSingleStage(const char* call);
  void Refuse(Status status);
  Stage& last() { return stages_.back(); }

  std::vector<Stage> stages_;
  AfterMatchSkipStrategy skip_;
  Status status_;
};

}  // namespace eagre::cep
