#include "eagre/operator_state.h"

#include <algorithm>
#include <set>

namespace eagre {

OperatorStateHandle::OperatorStateHandle(CheckpointedFunction* owner) {
  const ptrdiff_t offset = reinterpret_cast<const char*>(this) - reinterpret_cast<const char*>(owner);
  std::vector<ptrdiff_t>& offsets = owner->handle_offsets_;
  // A copy constructor written by the user declares again what the base class has copied already.
  if (std::find(offsets.begin(), offsets.end(), offset) == offsets.end()) offsets.push_back(offset);
}

std::vector<const OperatorStateCore*> CheckpointedFunction::operator_states() const {
  std::vector<const OperatorStateCore*> states;
  for (const ptrdiff_t offset : handle_offsets_) {
    const char* handle = reinterpret_cast<const char*>(this) + offset;
    states.push_back(&reinterpret_cast<const OperatorStateHandle*>(handle)->core());
  }
  return states;
}

void CheckpointedFunction::OpenOperatorStates(StateBackend& backend, const std::string& operator_name) {
  for (const OperatorStateCore* state : operator_states()) {
    const_cast<OperatorStateCore*>(state)->Open(backend, operator_name);
  }
}

void CheckpointedFunction::CollectOperatorStates(std::vector<CheckpointedState*>& states) {
  for (const OperatorStateCore* state : operator_states()) states.push_back(const_cast<OperatorStateCore*>(state));
}

std::vector<StateDeclarationInfo> CheckpointedFunction::operator_state_infos() const {
  std::vector<StateDeclarationInfo> infos;
  for (const OperatorStateCore* state : operator_states()) {
    infos.push_back({state->own_name(), "operator " + state->kind(), state->schema()});
  }
  return infos;
}

Status CheckpointedFunction::CheckOperatorStates(const void* object, size_t size) const {
  const char* begin = static_cast<const char*>(object);
  for (const ptrdiff_t offset : handle_offsets_) {
    const char* handle = reinterpret_cast<const char*>(this) + offset;
    // What lies outside must not be touched: it may be gone.
    if (handle < begin || handle >= begin + size) {
      return InvalidArgument(
          "an operator state must be a member of the function object itself, not of something that it points to: a "
          "function is copied for each subtask, and its states with it");
    }
  }
  std::set<std::string> names;
  for (const OperatorStateCore* state : operator_states()) {
    const std::string& name = state->own_name();
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
    if (name.empty()) return InvalidArgument("an operator state was declared without a name");
    if (std::any_of(name.begin(), name.end(), is_control)) {
      return InvalidArgument("the name of a state must be one line of text");
    }
    if (!names.insert(name).second) {
      return InvalidArgument(
          "operator state '{}' is declared twice in one function: every state needs a name of its own", name);
    }
  }
  return OkStatus();
}

namespace internal {

Status InitializeState(CheckpointedFunction& function) {
  const std::vector<const OperatorStateCore*> states = function.operator_states();
  const bool restored =
      std::any_of(states.begin(), states.end(), [](const OperatorStateCore* state) { return state->restored(); });
  return function.InitializeState(restored);
}

}  // namespace internal

}  // namespace eagre
