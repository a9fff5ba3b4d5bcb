// Decides which edges an event takes from a state of the automaton. Evaluates a simple condition at most once per event
// and an iterative one at most once per event and partial match.
//
// What the edges say follows from the conditions alone, so it is worked out once for each set of answers and kept in a
// tree per state: a node asks a condition, a leaf is the decision. An event walks down the tree.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "cep/automaton.h"
#include "cep/condition.h"
#include "cep/event_type.h"
#include "cep/match_chains.h"
#include "cep/match_graph.h"

namespace eagre::cep {

// One way on for a partial match.
struct Move {
  bool takes;      // the event; else it is passed over
  bool ends;       // at the target, which is final
  bool completes;  // a match, whether it ends or not
  StateId target;
  StageId stage;  // of the event, when it is taken
};

struct Decision {
  std::vector<Move> moves;
  bool stops = false;        // a NOT was fulfilled: only what completes remains
  bool unchanged = false;    // the event is passed over and all stays as it is
  bool dies = false;         // nothing remains, nothing completes
  uint32_t completions = 0;  // ways on that complete a match
  uint32_t living = 0;       // ways on that do not end
  Move on{};                 // the first of them

  bool completes() const { return completions > 0; }
  bool LivesOn(const Move& move) const { return !move.ends && !stops; }
};

// Asked for the machine's time when a condition is, which few are.
using ProcessingTime = absl::FunctionRef<int64_t()>;

// One thread.
class DecisionMaker final : public ConditionContext {
 public:
  DecisionMaker(const Automaton& automaton, const EventType& type);
  ~DecisionMaker() override;

  // Starts with an event. All that is passed is valid until the next Begin.
  void Begin(const void* event, int64_t timestamp, const ProcessingTime& processing_time) {
    event_ = event;
    timestamp_ = timestamp;
    clock_ = &processing_time;
    processing_time_.reset();
    ++now_;
    objects_used_ = 0;
    decoding_ = nullptr;
    if (too_many_nodes_) [[unlikely]]
      ForgetTrees();
  }
  // For every partial match in `state`; null when it depends on what each has taken. Valid until Begin.
  const Decision* ForState(StateId state) {
    partial_ = 0;
    return Find(shared_trees_[state], state, /*start=*/false);
  }
  // For one partial match, in either form. Valid until Begin.
  const Decision* ForPartial(const MatchGraph& matches, uint32_t partial);
  const Decision* ForChain(const MatchChains& matches, const Chain& chain);
  // For a match that starts with the event. Valid until Begin.
  const Decision* ForStart() {
    BeginPartial();
    return Find(start_tree_, automaton_.start(), /*start=*/true);
  }

  uint64_t evaluations() const { return evaluations_; }

  int64_t timestamp() const override { return timestamp_; }
  int64_t processing_time() const override;
  const std::vector<const void*>& EventsOf(std::string_view stage) const override;

 private:
  enum class Truth : uint8_t { kFalse, kTrue, kUnknown };
  struct KnownTruth {
    uint64_t when = 0;  // the event or the partial match that it holds for
    bool truth = false;
  };
  struct TreeNode {
    const EventCondition* condition = nullptr;  // of an inner node; null: a leaf
    const Decision* decision = nullptr;         // of a leaf; null when an unknown condition matters
    TreeNode* next[2] = {nullptr, nullptr};     // by the condition's truth; null: not explored yet
    FormulaId formula = 0;                      // the condition's
    bool iterative = false;
  };
  struct Asked {
    FormulaId condition;
    bool truth;
  };
  struct DecodedEvent {
    uint64_t when = 0;
    void* event = nullptr;
  };
  // Answers of ever new kinds, which take many conditions, must not fill the memory.
  static constexpr size_t kMaxTreeNodes = 16 * 1024;

  // One that has taken nothing, until told otherwise.
  void BeginPartial() {
    partial_ = next_partial_++;
    graph_ = nullptr;
    chains_ = nullptr;
  }
  // Objects decoded so far were found by their place in `matches`.
  void DecodeFrom(const void* matches) {
    if (decoding_ != matches) ++decoding_begun_;
    decoding_ = matches;
  }
  const Decision* Find(TreeNode*& tree, StateId state, bool start) {
    for (const TreeNode* node = tree; node != nullptr;) {
      if (node->condition == nullptr) return node->decision;
      node = node->next[EvaluateCondition(node->formula, node->iterative, *node->condition) ? 1 : 0];
    }
    return Explore(tree, state, start);
  }
  // Decides by the edges, and adds the way to the answer to the tree.
  const Decision* Explore(TreeNode*& tree, StateId state, bool start);
  void ForgetTrees();
  // False when an unknown condition matters.
  bool Decide(StateId state, bool start, Decision& decision);
  Truth ReachesFinal(StateId state);
  Truth Evaluate(FormulaId id);
  // As Evaluate, of a condition; notes the answer for the tree.
  Truth Ask(FormulaId id);
  bool EvaluateCondition(FormulaId id, bool iterative, const EventCondition& condition) {
    KnownTruth& known = known_[id];
    const uint64_t when = iterative ? partial_ : now_;
    if (known.when != when) {
      ++evaluations_;
      known = {when, condition.Test(event_, *this)};
    }
    return known.truth;
  }
  void CollectPath() const;
  // The object of the event at a place among those of the key.
  const void* Decoded(uint32_t place, std::string_view bytes) const;

  const Automaton& automaton_;
  const EventType& type_;
  const void* event_ = nullptr;
  int64_t timestamp_ = 0;
  const ProcessingTime* clock_ = nullptr;
  mutable std::optional<int64_t> processing_time_;
  uint64_t now_ = 0;      // counts events
  uint64_t partial_ = 0;  // counts partial matches that were asked one by one; 0: none is at hand
  uint64_t next_partial_ = 1;
  // What the partial match at hand has taken: a path, or a chain, or nothing.
  const MatchGraph* graph_ = nullptr;
  uint32_t node_ = kNoCell;
  const MatchChains* chains_ = nullptr;
  Chain chain_{};
  uint64_t evaluations_ = 0;

  std::vector<KnownTruth> known_;  // by formula; of this event, and for iterative ones of the partial match at hand
  std::deque<TreeNode> nodes_;     // of all trees
  bool too_many_nodes_ = false;
  std::vector<std::unique_ptr<const Decision>> decisions_;
  std::vector<TreeNode*> shared_trees_;   // by state
  std::vector<TreeNode*> partial_trees_;  // by state, asking iterative conditions too
  TreeNode* start_tree_ = nullptr;
  std::vector<Asked> asked_;  // while a decision is explored
  std::vector<StateId> open_;
  std::vector<StateId> open_to_final_;

  // What conditions have asked for.
  mutable uint64_t path_of_ = 0;                         // the partial match whose events are in taken_
  mutable std::vector<std::vector<const void*>> taken_;  // by stage
  mutable std::vector<DecodedEvent> decoded_;            // by place
  const void* decoding_ = nullptr;                       // whose events they are
  uint64_t decoding_begun_ = 0;
  mutable std::vector<void*> objects_;
  mutable size_t objects_used_ = 0;
};

}  // namespace eagre::cep
