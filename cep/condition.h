// What decides whether an event belongs to a stage: the interface that compiled lambdas and interpreted expressions
// fill, and the boolean formulas that a pattern makes of them. Blind to the event's type.
//
// Conditions are pure: the matcher evaluates a simple one at most once per event, whatever the number of partial
// matches, and in no particular order.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace eagre::cep {

// What a condition may ask besides the event under test. Valid during the evaluation only.
class ConditionContext {
 public:
  virtual ~ConditionContext() = default;

  // Of the event under test, milliseconds since 1970; in processing time that of its arrival.
  virtual int64_t timestamp() const = 0;
  virtual int64_t processing_time() const = 0;
  // The events that the partial match under test took in `stage` before this event, oldest first; each points to an
  // object of the event's type. Empty for simple conditions.
  virtual const std::vector<const void*>& EventsOf(std::string_view stage) const = 0;
};

class EventCondition {
 public:
  virtual ~EventCondition() = default;
  // `event` points to an object of the pattern's event type. Called by one thread; may throw.
  virtual bool Test(const void* event, const ConditionContext& context) const = 0;
  // True when the result depends on the events that the partial match took before.
  virtual bool iterative() const = 0;
};

// A boolean formula over conditions; immutable, shared.
class ConditionFormula;
using FormulaPtr = std::shared_ptr<const ConditionFormula>;

class ConditionFormula {
 public:
  enum class Kind : uint8_t { kTrue, kCondition, kNot, kAnd, kOr };

  static FormulaPtr True();
  static FormulaPtr Of(std::shared_ptr<const EventCondition> condition);
  static FormulaPtr Not(FormulaPtr operand);
  static FormulaPtr And(FormulaPtr left, FormulaPtr right);
  static FormulaPtr Or(FormulaPtr left, FormulaPtr right);

  Kind kind() const { return kind_; }
  const std::shared_ptr<const EventCondition>& condition() const { return condition_; }
  const FormulaPtr& left() const { return left_; }  // the operand of kNot
  const FormulaPtr& right() const { return right_; }

 private:
  explicit ConditionFormula(Kind kind) : kind_(kind) {}
  static FormulaPtr Binary(Kind kind, FormulaPtr left, FormulaPtr right);

  Kind kind_;
  std::shared_ptr<const EventCondition> condition_;
  FormulaPtr left_;
  FormulaPtr right_;
};

}  // namespace eagre::cep
