// Reading values that were encoded by an older version of a type.
//
// The older version is known by its schema text (schema.h). Its values can be read into the current type when fields
// were added (they take their defaults) or removed, integers were widened, or enumerators were added; everything else
// is a difference that has to be told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "record/codec.h"
#include "record/type_info.h"
#include "record/type_info_of.h"

namespace eagre {

// A schema read back from its text. Immutable.
class StoredSchema {
 public:
  // DATA_LOSS when the text is no schema. "list<T>", as in the schemas of states, is read as "vector<T>".
  static StatusOr<StoredSchema> Parse(std::string_view text);

  // What stands in the way of reading values of this schema as those of `current`, one line each; none: they can be
  // read. `what` names the value in them.
  std::vector<std::string> DifferencesTo(const StoredSchema& current, const std::string& what) const;

  // Decodes a value of this schema into one of a type that it has no differences to. False on malformed bytes, `value`
  // then being valid.
  [[nodiscard]] bool Decode(ByteReader& in, const TypeInfo& type, void* value) const;
  template <typename T>
  [[nodiscard]] bool Decode(ByteReader& in, T& value) const;

  // Of optional, vector and list, and of a map its values.
  const StoredSchema& element() const { return children_.back().second; }
  const StoredSchema& map_key() const { return children_.front().second; }

 private:
  class Parser;

  size_t HeadBytes() const;
  // `type` null: the value is skipped.
  bool Read(const char* head, ByteReader& tail, const TypeInfo* type, void* value) const;
  bool ReadWhole(ByteReader& in, const TypeInfo* type, void* value) const;
  bool ReadElements(uint32_t count, ByteReader& tail, const TypeInfo* type, void* value) const;
  bool ReadMap(uint32_t count, ByteReader& tail, const TypeInfo* type, void* value) const;
  void Compare(const StoredSchema& current, const std::string& path, std::vector<std::string>& differences) const;

  std::string text_;
  TypeKind kind_ = TypeKind::kRecord;
  TypeKind storage_ = TypeKind::kInt32;                         // of an enum
  std::vector<std::pair<std::string, StoredSchema>> children_;  // fields with their names, or elements
  std::vector<EnumValue> enum_values_;
};

template <typename T>
bool StoredSchema::Decode(ByteReader& in, T& value) const {
  return Decode(in, TypeInfoOf<T>(), &value);
}

// Decodes by the stored schema, or where there is none by the type's own codec.
template <typename T>
[[nodiscard]] bool DecodeAs(const StoredSchema* stored, ByteReader& in, T& value) {
  return stored == nullptr ? Codec<T>::Decode(in, value) : stored->Decode(in, value);
}

}  // namespace eagre
