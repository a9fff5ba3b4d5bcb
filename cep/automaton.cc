#include "cep/automaton.h"

#include <utility>

namespace eagre::cep {

using Kind = ConditionFormula::Kind;

FormulaId FormulaPool::Add(const FormulaPtr& formula) {
  if (formula == nullptr || formula->kind() == Kind::kTrue) return kTrue;
  switch (formula->kind()) {
    case Kind::kNot: return Not(Add(formula->left()));
    case Kind::kAnd: return And(Add(formula->left()), Add(formula->right()));
    case Kind::kOr: return Or(Add(formula->left()), Add(formula->right()));
    default: break;
  }
  const auto [known, is_new] = by_condition_.try_emplace(formula->condition().get(), nodes_.size());
  if (is_new) {
    nodes_.push_back({.kind = Kind::kCondition,
                      .condition = static_cast<uint32_t>(conditions_.size()),
                      .iterative = formula->condition()->iterative()});
    conditions_.push_back(formula->condition());
  }
  return known->second;
}

FormulaId FormulaPool::Not(FormulaId operand) {
  if (nodes_[operand].kind == Kind::kNot) return nodes_[operand].left;
  return Intern({.kind = Kind::kNot, .left = operand, .iterative = nodes_[operand].iterative});
}

FormulaId FormulaPool::And(FormulaId left, FormulaId right) {
  if (left == kTrue || left == right) return right;
  if (right == kTrue) return left;
  return Intern({.kind = Kind::kAnd,
                 .left = left,
                 .right = right,
                 .iterative = nodes_[left].iterative || nodes_[right].iterative});
}

FormulaId FormulaPool::Or(FormulaId left, FormulaId right) {
  if (left == kTrue || right == kTrue) return kTrue;
  if (left == right) return left;
  return Intern({.kind = Kind::kOr,
                 .left = left,
                 .right = right,
                 .iterative = nodes_[left].iterative || nodes_[right].iterative});
}

FormulaId FormulaPool::Intern(Node node) {
  const auto [known, is_new] =
      by_operands_.try_emplace({node.kind, node.left, node.right}, static_cast<FormulaId>(nodes_.size()));
  if (is_new) nodes_.push_back(node);
  return known->second;
}

bool Automaton::can_be_empty() const {
  std::vector<bool> seen(states_.size());
  std::vector<StateId> open{start_};
  while (!open.empty()) {
    const StateId id = open.back();
    open.pop_back();
    if (states_[id].kind == StateKind::kFinal) return true;
    if (seen[id]) continue;
    seen[id] = true;
    for (const Edge& edge : states_[id].edges) {
      if (edge.kind == EdgeKind::kProceed) open.push_back(edge.target);
    }
  }
  return false;
}

std::string Automaton::Fingerprint() const {
  std::string text = fmt::format("window {}; skip {} {}", window_ms_, static_cast<int>(skip_.kind()), skip_.stage());
  for (const State& state : states_) {
    text += fmt::format("; {} {} {}:", state.name, static_cast<int>(state.kind), state.previous_window_ms);
    for (const Edge& edge : state.edges) {
      text += fmt::format(" {}>{}", static_cast<int>(edge.kind), states_[edge.target].name);
    }
  }
  return text;
}

}  // namespace eagre::cep
