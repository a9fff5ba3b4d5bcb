#include "cep/decision_maker.h"

#include <algorithm>

#include "state/state_declaration.h"

namespace eagre::cep {

using Kind = ConditionFormula::Kind;

DecisionMaker::DecisionMaker(const Automaton& automaton, const EventType& type)
    : automaton_(automaton), type_(type), known_(automaton.formulas().size()), taken_(automaton.stages().size() + 1) {
  ForgetTrees();
}

DecisionMaker::~DecisionMaker() {
  for (void* object : objects_) type_.destroy(object);
}

void DecisionMaker::ForgetTrees() {
  nodes_.clear();
  too_many_nodes_ = false;
  decisions_.clear();
  shared_trees_.assign(automaton_.states().size(), nullptr);
  partial_trees_ = shared_trees_;
  start_tree_ = nullptr;
}

int64_t DecisionMaker::processing_time() const {
  if (!processing_time_) processing_time_ = (*clock_)();
  return *processing_time_;
}

const Decision* DecisionMaker::ForPartial(const MatchGraph& matches, uint32_t partial) {
  const PartialMatch& asked = matches.partial(partial);
  BeginPartial();
  DecodeFrom(&matches);
  graph_ = &matches;
  node_ = asked.node;
  return Find(partial_trees_[asked.state], asked.state, /*start=*/false);
}

const Decision* DecisionMaker::ForChain(const MatchChains& matches, const Chain& chain) {
  BeginPartial();
  DecodeFrom(&matches);
  chains_ = &matches;
  chain_ = chain;
  return Find(partial_trees_[chain.state], chain.state, /*start=*/false);
}

const Decision* DecisionMaker::Explore(TreeNode*& tree, StateId state, bool start) {
  asked_.clear();
  auto decision = std::make_unique<Decision>();
  if (!Decide(state, start, *decision)) decision.reset();
  TreeNode** link = &tree;
  for (const Asked& asked : asked_) {
    if (*link == nullptr) {
      const FormulaPool::Node& formula = automaton_.formulas().node(asked.condition);
      *link = &nodes_.emplace_back(TreeNode{.condition = automaton_.formulas().conditions()[formula.condition].get(),
                                            .formula = asked.condition,
                                            .iterative = formula.iterative});
    }
    link = &(*link)->next[asked.truth ? 1 : 0];
  }
  const Decision* leaf = decision.get();
  if (decision != nullptr) decisions_.push_back(std::move(decision));
  *link = &nodes_.emplace_back(TreeNode{.decision = leaf});
  too_many_nodes_ = nodes_.size() > kMaxTreeNodes;
  return leaf;
}

bool DecisionMaker::Decide(StateId state, bool start, Decision& decision) {
  open_.assign(1, state);
  while (!open_.empty()) {
    const State& current = automaton_.states()[open_.back()];
    open_.pop_back();
    for (const Edge& edge : current.edges) {
      const Truth truth = Evaluate(edge.condition);
      if (truth == Truth::kUnknown) return false;
      if (truth == Truth::kFalse) continue;
      if (edge.kind == EdgeKind::kProceed) {
        open_.push_back(edge.target);
        continue;
      }
      if (current.kind == StateKind::kStop) {
        decision.stops = true;
        continue;
      }
      const bool takes = edge.kind == EdgeKind::kTake;
      if (start && !takes) continue;
      const bool ends = automaton_.states()[edge.target].kind == StateKind::kFinal;
      bool completes = ends;
      if (takes && !ends) {
        const Truth final_reached = ReachesFinal(edge.target);
        if (final_reached == Truth::kUnknown) return false;
        completes = final_reached == Truth::kTrue;
      }
      decision.completions += completes ? 1 : 0;
      decision.moves.push_back({takes, ends, completes, edge.target, takes ? current.stage : kNoStage});
    }
  }
  for (const Move& move : decision.moves) {
    if (decision.LivesOn(move) && decision.living++ == 0) decision.on = move;
  }
  decision.dies = decision.living == 0 && !decision.completes();
  if (start) {
    // There is nothing yet that a NOT could end: matches may start at the next event as before.
    decision.unchanged = decision.moves.empty() || (decision.stops && !decision.completes());
  } else {
    decision.unchanged =
        !decision.stops && decision.moves.size() == 1 && !decision.moves[0].takes && decision.moves[0].target == state;
  }
  return true;
}

DecisionMaker::Truth DecisionMaker::ReachesFinal(StateId state) {
  Truth result = Truth::kFalse;
  open_to_final_.assign(1, state);
  while (!open_to_final_.empty()) {
    const State& current = automaton_.states()[open_to_final_.back()];
    open_to_final_.pop_back();
    for (const Edge& edge : current.edges) {
      if (edge.kind != EdgeKind::kProceed) continue;
      const Truth truth = Evaluate(edge.condition);
      if (truth == Truth::kFalse) continue;
      if (truth == Truth::kUnknown) {
        result = Truth::kUnknown;
      } else if (automaton_.states()[edge.target].kind == StateKind::kFinal) {
        return Truth::kTrue;
      } else {
        open_to_final_.push_back(edge.target);
      }
    }
  }
  return result;
}

DecisionMaker::Truth DecisionMaker::Evaluate(FormulaId id) {
  if (id == FormulaPool::kTrue) return Truth::kTrue;
  const FormulaPool::Node& node = automaton_.formulas().node(id);
  switch (node.kind) {
    case Kind::kTrue: return Truth::kTrue;
    case Kind::kCondition: return Ask(id);
    case Kind::kNot: {
      const Truth operand = Evaluate(node.left);
      if (operand == Truth::kUnknown) return Truth::kUnknown;
      return operand == Truth::kTrue ? Truth::kFalse : Truth::kTrue;
    }
    case Kind::kAnd:
    case Kind::kOr: break;
  }
  // The side that decides alone. A simple operand may do so while an iterative one is unknown, and is asked first.
  const Truth decisive = node.kind == Kind::kAnd ? Truth::kFalse : Truth::kTrue;
  const bool swap =
      automaton_.formulas().node(node.left).iterative && !automaton_.formulas().node(node.right).iterative;
  const Truth first = Evaluate(swap ? node.right : node.left);
  if (first == decisive) return first;
  const Truth second = Evaluate(swap ? node.left : node.right);
  if (second == decisive || first != Truth::kUnknown) return second;
  return first;
}

DecisionMaker::Truth DecisionMaker::Ask(FormulaId id) {
  const FormulaPool::Node& node = automaton_.formulas().node(id);
  if (node.iterative && partial_ == 0) return Truth::kUnknown;
  const bool truth = EvaluateCondition(id, node.iterative, *automaton_.formulas().conditions()[node.condition]);
  const bool known =
      std::any_of(asked_.begin(), asked_.end(), [&](const Asked& other) { return other.condition == id; });
  if (!known) asked_.push_back({id, truth});
  return truth ? Truth::kTrue : Truth::kFalse;
}

const std::vector<const void*>& DecisionMaker::EventsOf(std::string_view stage) const {
  if (path_of_ != partial_ || partial_ == 0) CollectPath();
  const std::vector<std::string>& stages = automaton_.stages();
  const size_t at = static_cast<size_t>(std::find(stages.begin(), stages.end(), stage) - stages.begin());
  return taken_[at];
}

void DecisionMaker::CollectPath() const {
  for (std::vector<const void*>& events : taken_) events.clear();
  path_of_ = partial_;
  if (partial_ == 0) return;
  if (chains_ != nullptr) {
    for (uint32_t at = chain_.begin; at < chain_.end;) {
      const ChainEvent event = chains_->EventAt(chain_, at);
      if (event.stage < automaton_.stages().size()) taken_[event.stage].push_back(Decoded(at, event.bytes));
      at = event.end;
    }
  }
  if (graph_ == nullptr) return;
  for (uint32_t cell = node_; cell != kNoCell; cell = graph_->node(cell).parent) {
    const PathNode& node = graph_->node(cell);
    if (node.stage >= automaton_.stages().size()) continue;
    taken_[node.stage].push_back(Decoded(node.event, graph_->EventBytes(node.event)));
  }
  for (std::vector<const void*>& events : taken_) std::reverse(events.begin(), events.end());
}

const void* DecisionMaker::Decoded(uint32_t place, std::string_view bytes) const {
  if (decoded_.size() <= place) decoded_.resize(graph_ != nullptr ? graph_->cells_end() : chain_.end);
  DecodedEvent& decoded = decoded_[place];
  if (decoded.when == decoding_begun_) return decoded.event;
  if (objects_used_ == objects_.size()) objects_.push_back(type_.create());
  void* object = objects_[objects_used_++];
  if (!type_.decode(bytes, object)) {
    throw StateError("an event of a partial match cannot be decoded: the state is damaged");
  }
  decoded = {decoding_begun_, object};
  return object;
}

}  // namespace eagre::cep
