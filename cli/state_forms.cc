#include "cli/state_forms.h"

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "runtime/operator.h"
#include "state/checkpointed_state.h"
#include "state/keyed_state_core.h"

namespace eagre {
namespace {

void AddState(const CheckpointedState& state, proto::OperatorForm& form) {
  proto::StateForm& added = *form.add_states();
  added.set_name(state.name());
  // A sink opens its writer before it knows what it is going to commit.
  if (state.name() != kCommittablesStateName) added.set_schema(state.schema());
  const auto* keyed = dynamic_cast<const KeyedStateCore*>(&state);
  if (keyed == nullptr) return;
  for (const StateDeclaration& declaration : keyed->declarations()) {
    if (declaration.ops->decode_stored == nullptr) added.add_exact(declaration.Label());
  }
}

}  // namespace

Status AddStateForms(const StreamGraph& graph, const ChainedGraph& chained, proto::JobPlan& plan) {
  for (size_t v = 0; v < chained.vertex_nodes.size(); ++v) {
    for (size_t n = 0; n < chained.vertex_nodes[v].size(); ++n) {
      const StreamNode& node = graph.node(chained.vertex_nodes[v][n]);
      proto::OperatorForm& form = *plan.add_forms();
      form.set_operator_id(chained.job_graph.vertices(static_cast<int>(v)).operators(static_cast<int>(n)).id());
      form.set_has_coordinator(node.create_coordinator != nullptr);
      try {
        const std::unique_ptr<Operator> op = node.create_operator(node);
        std::vector<CheckpointedState*> states;
        op->CollectStates(states);
        for (const CheckpointedState* state : states) AddState(*state, form);
      } catch (const std::exception& error) {
        return InvalidArgument("a function of operator '{}' threw while it was copied: {}", node.name, error.what());
      } catch (...) {
        return InvalidArgument("a function of operator '{}' threw while it was copied", node.name);
      }
    }
  }
  return OkStatus();
}

}  // namespace eagre
