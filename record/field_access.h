// Fields by name, for rules, expressions and tools that know a record's type only at run time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "record/decimal.h"
#include "record/timestamp.h"
#include "record/type_info_of.h"

namespace eagre {

// The value of a scalar field: nothing for an empty optional or an absent map key or element; integers widened; an enum
// as its text. Views live as long as the record is not changed.
using FieldValue = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string_view, Decimal, Timestamp>;

// A path to a scalar field, resolved once and then read from many records. Steps are joined by dots: a field's name, a
// key of a map, or the index of an element: "user", "location.latitude", "metadata.device", "tags.0". Optionals need no
// step. Immutable; any thread.
class FieldPath {
 public:
  // Fails, naming the step and what there is instead, when the path does not lead to a scalar.
  static StatusOr<FieldPath> Resolve(const TypeInfo& record_type, std::string_view path);

  // REQUIRES: `record` is of the type that the path was resolved for.
  FieldValue Get(const void* record) const;
  // The type of the field, without optionals.
  const TypeInfo& type() const { return *type_; }

 private:
  struct Step {
    const TypeInfo* type;                      // what is stepped into: optional, record, vector or map
    size_t position = 0;                       // record: offset; vector: index
    std::string text;                          // map: the key, if it is a string
    alignas(8) unsigned char integer[8] = {};  // map: the key otherwise, in its own width
  };

  Status Enter(std::string_view step);
  static Status SetKey(const TypeInfo& key_type, std::string_view text, Step& step);

  std::vector<Step> steps_;
  const TypeInfo* type_ = nullptr;
};

// For a single read.
StatusOr<FieldValue> GetField(const TypeInfo& type, const void* record, std::string_view path);

template <typename T>
StatusOr<FieldValue> GetField(const T& record, std::string_view path) {
  return GetField(TypeInfoOf<T>(), &record, path);
}

// A value for people, in messages and tests: Payment{user: "ann", amount: 5.00, at: 2024-05-01T12:30:00Z}.
std::string PrintRecord(const TypeInfo& type, const void* value);

template <typename T>
std::string PrintRecord(const T& value) {
  return PrintRecord(TypeInfoOf<T>(), &value);
}

}  // namespace eagre
