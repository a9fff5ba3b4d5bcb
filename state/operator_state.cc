#include "state/operator_state.h"

#include "state/state_declaration.h"

namespace eagre {

OperatorStateCore::OperatorStateCore(std::string_view kind, std::string name, StateDistribution distribution,
                                     std::string schema)
    : kind_(kind),
      name_(std::move(name)),
      address_(fmt::format("{} {}", kind_, name_)),
      distribution_(distribution),
      schema_(std::move(schema)) {}

OperatorStateCore::OperatorStateCore(const OperatorStateCore& other)
    : CheckpointedState(other),
      kind_(other.kind_),
      name_(other.name_),
      address_(other.address_),
      distribution_(other.distribution_),
      schema_(other.schema_),
      restored_(other.restored_) {}

void OperatorStateCore::Open(StateBackend& backend, const std::string& operator_name) {
  backend_ = &backend;
  share_.OpenMemoryOnly(backend, operator_name, {name_});
  share_.Set(bytes_);
}

Status OperatorStateCore::CheckRoomRestoring() const {
  if (backend_ == nullptr) return OkStatus();
  const StateBackend::RestoringScope restoring(*backend_);
  return backend_->MakeRoom();
}

void OperatorStateCore::RequireRoom() const {
  if (backend_ == nullptr) return;
  const Status room = backend_->MakeRoom();
  if (!room.ok()) throw StateError(std::string(StatusMessage(room)));
}

Status OperatorStateCore::BeginRestore(const std::string& stored_schema) {
  restored_ = true;
  stored_.reset();
  if (stored_schema == schema_) return OkStatus();
  if (const Status fits = CheckCompatible(stored_schema, schema_); !fits.ok()) {
    return WithContext(fits, fmt::format("state '{}'", address_));
  }
  EAGRE_ASSIGN_OR_RETURN(stored_, StateSchema::Parse(stored_schema));
  return OkStatus();
}

Status OperatorStateCore::FinishRestore(bool) {
  stored_.reset();
  return OkStatus();
}

const StoredSchema* OperatorStateCore::Stored(std::string_view label) const {
  return stored_ ? &stored_->Find(label)->type : nullptr;
}

Status OperatorStateCore::Malformed() const {
  return DataLoss("an entry of state '{}' is malformed", address_);
}

}  // namespace eagre
