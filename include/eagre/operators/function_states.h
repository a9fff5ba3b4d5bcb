// The states that a user's function declares, keyed and of the operator.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "eagre/operator_state.h"
#include "runtime/stream_graph.h"
#include "state/state_declaration.h"

namespace eagre {
namespace internal {

template <typename F>
std::vector<StateDeclaration> DeclarationsOf(const F& function) {
  if constexpr (std::is_base_of_v<StateOwner, F>) {
    return function.state_declarations();
  } else {
    return {};
  }
}

}  // namespace internal

/// The states that a function declares, for the job graph.
template <typename F>
std::vector<StateDeclarationInfo> StatesOf(const F& function) {
  std::vector<StateDeclarationInfo> states;
  for (const StateDeclaration& declaration : internal::DeclarationsOf(function)) {
    states.push_back({declaration.name, std::string(StateKindName(declaration.kind)), declaration.SchemaText()});
  }
  if constexpr (internal::kIsCheckpointed<F>) {
    for (StateDeclarationInfo& info : function.operator_state_infos()) states.push_back(std::move(info));
  }
  return states;
}

/// The first mistake in a function's declarations; OK for functions without state.
template <typename F>
Status CheckStates(const F& function) {
  if constexpr (std::is_base_of_v<StateOwner, F>) {
    EAGRE_RETURN_IF_ERROR(function.state_error());
    EAGRE_RETURN_IF_ERROR(function.CheckStatePlacement(&function, sizeof(F)));
  }
  if constexpr (internal::kIsCheckpointed<F>) {
    EAGRE_RETURN_IF_ERROR(function.CheckOperatorStates(&function, sizeof(F)));
  }
  return OkStatus();
}

}  // namespace eagre
