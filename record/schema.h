// The schema of a type: what is stored beside its encoded values, to tell whether they still fit.
//
// The canonical text names fields, types and enumerators but not the records, so that a struct can be renamed or moved:
//   {user:string,amount:decimal,risk:enum<int32>{low=0,high=1},place:optional<{latitude:double,longitude:double}>}
// Text and fingerprint are frozen formats.
#pragma once

#include <cstdint>
#include <string>

#include "record/type_info_of.h"

namespace eagre {

class Schema {
 public:
  explicit Schema(const TypeInfo& type);

  const std::string& text() const { return text_; }
  // Hash64 of the text: equal fingerprints, equal binary form.
  uint64_t fingerprint() const { return fingerprint_; }

  friend bool operator==(const Schema& a, const Schema& b) { return a.text_ == b.text_; }

 private:
  std::string text_;
  uint64_t fingerprint_;
};

template <typename T>
Schema SchemaOf() {
  return Schema(TypeInfoOf<T>());
}

// The schema for people: the type's name, then a line per field, nested records indented below theirs.
std::string PrintSchema(const TypeInfo& type);

}  // namespace eagre
