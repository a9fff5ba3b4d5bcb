#include "cep/pattern_description.h"

#include <utility>

namespace eagre::cep {
namespace {

FormulaPtr OrTrue(const FormulaPtr& formula) {
  return formula != nullptr ? formula : ConditionFormula::True();
}

}  // namespace

std::string Stage::Text() const {
  if (group == nullptr) return fmt::format("stage '{}'", name);
  std::string text = "group of ";
  for (const Stage& stage : group->stages()) {
    if (&stage != group->stages().data()) text += ", ";
    text += stage.group == nullptr ? fmt::format("'{}'", stage.name) : "a " + stage.Text();
  }
  return text;
}

void PatternDescription::Refuse(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void PatternDescription::Add(Contiguity contiguity, std::string name) {
  if (!status_.ok()) return;
  Stage stage{.name = std::move(name), .contiguity = contiguity};
  if (stage.is_not() && !stages_.empty() && last().optional) {
    return Refuse(
        Unimplemented("{}: a NOT cannot follow {}, which is optional: there would be nothing that it is about when the "
                      "optional one is missing. Use two patterns, one with and one without it",
                      stage.Text(), last().Text()));
  }
  if (stage.name.empty()) {
    Refuse(InvalidArgument("the {} has an empty name: a stage needs a name, under which a match has its events",
                           stages_.empty() ? "first stage" : "stage after " + last().Text()));
  }
  stages_.push_back(std::move(stage));
}

void PatternDescription::AddGroup(Contiguity contiguity, PatternDescription group) {
  if (!status_.ok()) return;
  if (!group.status().ok()) return Refuse(group.status());
  Stage stage{.contiguity = contiguity};
  stage.group = std::make_shared<const PatternDescription>(std::move(group));
  stages_.push_back(std::move(stage));
}

bool PatternDescription::CheckSingleStage(const char* call) {
  if (!status_.ok()) return false;
  if (last().group == nullptr) return true;
  Refuse(Unimplemented("{}: {} is for single stages; put the condition on the stages inside the group", last().Text(),
                       call));
  return false;
}

void PatternDescription::Where(FormulaPtr condition) {
  if (!CheckSingleStage("Where()")) return;
  last().condition = last().condition == nullptr ? std::move(condition)
                                                 : ConditionFormula::And(last().condition, std::move(condition));
}

void PatternDescription::Or(FormulaPtr condition) {
  if (!CheckSingleStage("Or()")) return;
  last().condition =
      last().condition == nullptr ? std::move(condition) : ConditionFormula::Or(last().condition, std::move(condition));
}

void PatternDescription::Until(FormulaPtr condition) {
  if (!status_.ok()) return;
  if (last().until != nullptr) {
    return Refuse(FailedPrecondition("{}: has an Until() already; join the two conditions by ||", last().Text()));
  }
  if (last().quantifier != Quantifier::kLooping) {
    return Refuse(FailedPrecondition(
        "{}: Until() ends a loop: put OneOrMore() or TimesOrMore() before it, or leave it out", last().Text()));
  }
  last().until = OrTrue(condition);
}

bool PatternDescription::StartQuantifier(const char* call) {
  if (!status_.ok()) return false;
  if (last().is_not()) {
    Refuse(FailedPrecondition("{}: {} cannot be said of a NOT, which takes no events", last().Text(), call));
    return false;
  }
  if (last().quantifier != Quantifier::kSingle) {
    Refuse(FailedPrecondition("{}: {} after another quantifier; a stage has one", last().Text(), call));
    return false;
  }
  return true;
}

void PatternDescription::SetTimes(Quantifier quantifier, int from, int to, std::optional<int64_t> window_ms,
                                  const char* call) {
  if (from <= 0) {
    return Refuse(InvalidArgument("{}: {} needs a positive number, not {}", last().Text(), call, from));
  }
  if (to < from) {
    return Refuse(InvalidArgument("{}: {} needs an upper bound of at least {}, not {}", last().Text(), call, from, to));
  }
  last().optional = false;
  last().quantifier = quantifier;
  last().from = from;
  last().to = to;
  last().repetition_window_ms = window_ms;
}

void PatternDescription::OneOrMore(std::optional<int64_t> window_ms) {
  if (StartQuantifier("OneOrMore()")) SetTimes(Quantifier::kLooping, 1, 1, window_ms, "OneOrMore()");
}

void PatternDescription::Times(int times, std::optional<int64_t> window_ms) {
  if (StartQuantifier("Times()")) SetTimes(Quantifier::kTimes, times, times, window_ms, "Times()");
}

void PatternDescription::Times(int from, int to, std::optional<int64_t> window_ms) {
  if (!StartQuantifier("Times()")) return;
  SetTimes(Quantifier::kTimes, from == 0 ? 1 : from, to, window_ms, "Times()");
  // Also after a greedy stage, where Optional() itself is refused.
  if (from == 0) last().optional = true;
}

void PatternDescription::TimesOrMore(int times, std::optional<int64_t> window_ms) {
  if (StartQuantifier("TimesOrMore()")) SetTimes(Quantifier::kLooping, times, times, window_ms, "TimesOrMore()");
}

void PatternDescription::Optional() {
  if (!status_.ok()) return;
  if (stages_.size() > 1 && stages_[stages_.size() - 2].greedy) {
    return Refuse(FailedPrecondition("{}: cannot be optional right after {}, which is greedy", last().Text(),
                                     stages_[stages_.size() - 2].Text()));
  }
  if (last().optional) return Refuse(FailedPrecondition("{}: is optional already", last().Text()));
  if (last().is_not()) return Refuse(FailedPrecondition("{}: a NOT cannot be optional", last().Text()));
  last().optional = true;
}

void PatternDescription::Greedy() {
  if (!status_.ok()) return;
  if (last().is_not()) {
    return Refuse(FailedPrecondition("{}: Greedy() cannot be said of a NOT, which takes no events", last().Text()));
  }
  if (last().group != nullptr) {
    return Refuse(FailedPrecondition("{}: Greedy() is for single stages", last().Text()));
  }
  if (last().inner == Contiguity::kNonDeterministic) {
    return Refuse(FailedPrecondition(
        "{}: Greedy() and AllowCombinations() contradict each other: one wants the longest run, the other all",
        last().Text()));
  }
  if (last().quantifier == Quantifier::kSingle) {
    return Refuse(
        FailedPrecondition("{}: Greedy() needs a repeated stage: put OneOrMore() or Times() before it", last().Text()));
  }
  last().greedy = true;
}

void PatternDescription::SetInner(Contiguity inner, const char* call) {
  if (!status_.ok()) return;
  if (last().quantifier == Quantifier::kSingle) {
    return Refuse(
        FailedPrecondition("{}: {} is about repetitions: put OneOrMore() or Times() before it", last().Text(), call));
  }
  if (last().inner != Contiguity::kRelaxed) {
    return Refuse(FailedPrecondition("{}: {} after Consecutive() or AllowCombinations(); a stage has one of them, once",
                                     last().Text(), call));
  }
  last().inner = inner;
}

void PatternDescription::Consecutive() {
  SetInner(Contiguity::kStrict, "Consecutive()");
}

void PatternDescription::AllowCombinations() {
  SetInner(Contiguity::kNonDeterministic, "AllowCombinations()");
}

void PatternDescription::Within(int64_t window_ms, WithinType type) {
  if (!status_.ok()) return;
  if (window_ms < 0) {
    return Refuse(InvalidArgument("{}: Within() needs a duration that is not negative", last().Text()));
  }
  (type == WithinType::kFirstAndLast ? last().within_ms : last().within_previous_ms) = window_ms;
}

}  // namespace eagre::cep
