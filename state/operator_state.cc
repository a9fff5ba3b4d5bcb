#include "state/operator_state.h"

namespace eagre {

OperatorStateCore::OperatorStateCore(std::string_view kind, std::string name, StateDistribution distribution,
                                     std::string schema)
    : kind_(kind),
      name_(std::move(name)),
      address_(fmt::format("{} {}", kind_, name_)),
      distribution_(distribution),
      schema_(std::move(schema)) {}

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
