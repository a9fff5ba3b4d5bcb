// The expression language of the CEP vectors (cep/SCHEMA.md, section 2.3), interpreted. Also a condition of a pattern,
// which shows that a condition need not be compiled code.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "cep/condition.h"
#include "tests/vectors/vector_event.h"

namespace eagre::vectors {

using Value = std::variant<std::monostate, bool, double, std::string>;

std::string TextOf(const Value& value);

// What an expression sees.
struct Scope {
  const VectorEvent* event = nullptr;  // null: fields are null
  double timestamp = 0;
  double processing_time = 0;
  // The events taken in a stage.
  std::function<std::vector<const VectorEvent*>(std::string_view stage)> taken;
};

class Expression {
 public:
  virtual ~Expression() = default;
  virtual Value Evaluate(const Scope& scope) const = 0;
  // Asks for events taken before.
  virtual bool iterative() const = 0;
};

bool IsField(std::string_view name);
// Null where the event has no such field.
Value FieldOf(const VectorEvent& event, std::string_view field);

// Refuses texts that are longer, or nested deeper, than can be evaluated without harm.
StatusOr<std::shared_ptr<const Expression>> ParseExpression(std::string_view text);

// An expression as a condition.
StatusOr<std::shared_ptr<const cep::EventCondition>> ParseCondition(std::string_view text);

}  // namespace eagre::vectors
