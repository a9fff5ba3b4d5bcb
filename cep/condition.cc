#include "cep/condition.h"

#include <utility>

namespace eagre::cep {

FormulaPtr ConditionFormula::True() {
  return FormulaPtr(new ConditionFormula(Kind::kTrue));
}

FormulaPtr ConditionFormula::Of(std::shared_ptr<const EventCondition> condition) {
  auto* formula = new ConditionFormula(Kind::kCondition);
  formula->condition_ = std::move(condition);
  return FormulaPtr(formula);
}

FormulaPtr ConditionFormula::Not(FormulaPtr operand) {
  return Binary(Kind::kNot, std::move(operand), nullptr);
}

FormulaPtr ConditionFormula::And(FormulaPtr left, FormulaPtr right) {
  return Binary(Kind::kAnd, std::move(left), std::move(right));
}

FormulaPtr ConditionFormula::Or(FormulaPtr left, FormulaPtr right) {
  return Binary(Kind::kOr, std::move(left), std::move(right));
}

FormulaPtr ConditionFormula::Binary(Kind kind, FormulaPtr left, FormulaPtr right) {
  auto* formula = new ConditionFormula(kind);
  formula->left_ = std::move(left);
  formula->right_ = std::move(right);
  return FormulaPtr(formula);
}

}  // namespace eagre::cep
