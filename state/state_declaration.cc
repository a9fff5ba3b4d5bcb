#include "state/state_declaration.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "record/schema.h"
#include "state/keyed_state_core.h"

namespace eagre {

std::string_view StateKindName(StateKind kind) {
  switch (kind) {
    case StateKind::kValue: return "value";
    case StateKind::kList: return "list";
    case StateKind::kMap: return "map";
    case StateKind::kReducing: return "reducing";
    case StateKind::kAggregating: return "aggregating";
  }
  return "unknown";
}

std::string StateDeclaration::TypeText() const {
  if (key_type != nullptr) return fmt::format("{}<{}, {}>", StateKindName(kind), key_type->name, value_type->name);
  return fmt::format("{}<{}>", StateKindName(kind), value_type->name);
}

std::string StateDeclaration::SchemaText() const {
  const std::string_view times = has_ttl() ? StateSchema::kTimesPrefix : "";
  const std::string value = Schema(*value_type).text();
  if (kind == StateKind::kList) return fmt::format("{}list<{}>", times, value);
  if (kind == StateKind::kMap) return fmt::format("{}map<{},{}>", times, Schema(*key_type).text(), value);
  return fmt::format("{}{}", times, value);
}

Status StateOwner::CheckStatePlacement(const void* object, size_t size) const {
  const char* begin = static_cast<const char*>(object);
  for (const StateDeclaration& declaration : declarations_) {
    const char* handle = reinterpret_cast<const char*>(this) + declaration.handle_offset;
    if (handle < begin || handle >= begin + size) {
      return InvalidArgument(
          "state '{}' must be a member of the function object itself, not of something that it points to: a function "
          "is copied for each subtask, and its states with it",
          declaration.name);
    }
  }
  return OkStatus();
}

void StateOwner::BindStates(StateScope& scope, const std::vector<uint32_t>& offsets) {
  EAGRE_CHECK(offsets.size() == declarations_.size());
  for (size_t i = 0; i < offsets.size(); ++i) {
    auto* handle = reinterpret_cast<StateHandle*>(reinterpret_cast<char*>(this) + declarations_[i].handle_offset);
    handle->scope_ = &scope;
    handle->offset_ = offsets[i];
  }
}

void StateOwner::Declare(StateDeclaration declaration) {
  for (const StateDeclaration& other : declarations_) {
    if (other.name != declaration.name) continue;
    // A copy constructor written by the user declares again what the base class has copied already.
    if (other.handle_offset == declaration.handle_offset && other.ops == declaration.ops) return;
    if (error_.ok()) {
      error_ = InvalidArgument("state '{}' is declared twice in one function: every state needs a name of its own",
                               declaration.name);
    }
    return;
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  if (error_.ok() && std::any_of(declaration.name.begin(), declaration.name.end(), is_control)) {
    error_ = InvalidArgument("the name of a state must be one line of text");
  }
  if (declaration.name.empty() && error_.ok()) error_ = InvalidArgument("a state was declared without a name");
  if (declaration.has_ttl() && declaration.ttl_ms <= 0 && error_.ok()) {
    error_ = InvalidArgument("the time to live of state '{}' must be at least 1 ms, not {} ms", declaration.name,
                             declaration.ttl_ms);
  }
  declarations_.push_back(std::move(declaration));
}

StateHandle::StateHandle(StateOwner* owner, std::string name, StateKind kind, const TypeInfo* key_type,
                         const TypeInfo* value_type, const StateSlotOps& ops, int64_t ttl_ms)
    : name_(std::move(name)) {
  const ptrdiff_t offset = reinterpret_cast<const char*>(this) - reinterpret_cast<const char*>(owner);
  owner->Declare({name_, kind, key_type, value_type, &ops, offset, ttl_ms});
}

void StateHandle::MarkChanged() {
  scope_->core->MarkChanged(scope_->row);
}

void StateHandle::ReadTime() const {
  scope_->now_ms = scope_->core->NowMs();
}

void StateHandle::ThrowNoKey() const {
  throw StateError(fmt::format(
      "state '{}' was used outside a keyed call: a state belongs to a key, which only ProcessElement and OnTimer have",
      name_));
}

}  // namespace eagre
