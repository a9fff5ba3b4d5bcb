// The run-time description of a record type: what lets JSON, schemas and field access be table-driven and compile once.
//
// TypeInfoOf<T>() (type_info_of.h) returns the one instance of a type. Instances are immutable, live until the end of
// the process (those of a job library: until it is unloaded), and may be used by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eagre {

enum class TypeKind : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kString,
  kDecimal,
  kTimestamp,
  kEnum,
  kOptional,
  kVector,
  kMap,
  kRecord,  // also pairs and tuples
};

struct TypeInfo;

struct FieldInfo {
  std::string_view name;
  size_t offset = 0;  // from the start of the record
  const TypeInfo* type = nullptr;
  // The name as a key of JSON, with both quotes, then zeros up to a multiple of eight bytes.
  std::string quoted_name;
  size_t quoted_size = 0;
};

// REQUIRES: `name` outlives the result.
FieldInfo MakeFieldInfo(std::string_view name, size_t offset, const TypeInfo& type);

struct EnumValue {
  std::string name;  // in JSON and text: "high_risk" for kHighRisk
  int64_t value = 0;
};

// Operations on a std::optional<T>, given by its address.
struct OptionalOps {
  // The value, or null when empty.
  const void* (*get)(const void* optional);
  // The value, default-constructed first when there is none.
  void* (*emplace)(void* optional);
  void (*reset)(void* optional);
};

// Operations on a std::vector<T>. Elements lie one after another, TypeInfo::element->size apart.
struct VectorOps {
  size_t (*size)(const void* vector);
  const void* (*data)(const void* vector);
  // Element `index`, after default-constructed ones were added up to it. Existing elements keep their values.
  void* (*at)(void* vector, size_t index);
  // Drops the elements from `size` on. REQUIRES: size <= size(vector).
  void (*truncate)(void* vector, size_t size);
};

// A position in a map; valid until the entry is erased.
struct MapCursor {
  alignas(void*) unsigned char storage[sizeof(void*)];
};

// Operations on a std::map<K, V>.
struct MapOps {
  size_t (*size)(const void* map);
  // Calls visit(context, key, value) for each entry in key order until it returns false.
  void (*for_each)(const void* map, bool (*visit)(void* context, const void* key, const void* value), void* context);
  // The value at `key` (the address of a K), or null.
  const void* (*find)(const void* map, const void* key);
  // Refilling a map in place: `begin` points the cursor at the first entry. `refill` returns the value to fill for
  // `key`: the cursor's own entry when its key is equal, else the entries from the cursor on are dropped and the key is
  // inserted (or found among those filled before). `finish` drops the entries that were not refilled.
  void (*begin)(void* map, MapCursor& cursor);
  void* (*refill)(void* map, MapCursor& cursor, const void* key);
  void (*finish)(void* map, MapCursor& cursor);
};

struct TypeInfo {
  TypeKind kind = TypeKind::kRecord;
  size_t size = 0;
  // For records the name given to EAGRE_RECORD; otherwise such as "int64", "optional<string>", "map<string, double>".
  std::string name;
  // Optional and vector: what they hold; map: its values.
  const TypeInfo* element = nullptr;
  const TypeInfo* key = nullptr;             // map
  std::vector<FieldInfo> fields;             // record, in declaration order
  std::vector<EnumValue> enum_values;        // enum, in declaration order
  TypeKind enum_storage = TypeKind::kInt32;  // enum: the kind of its underlying integer
  // A default-constructed value, and assignment.
  const void* default_value = nullptr;
  void (*assign)(void* to, const void* from) = nullptr;
  const OptionalOps* optional = nullptr;
  const VectorOps* vector = nullptr;
  const MapOps* map = nullptr;

  const FieldInfo* FindField(std::string_view field_name) const;
};

// The value of an integer (of any width), bool, Timestamp (milliseconds) or enum, widened; unsigned ones above the
// signed maximum wrap. REQUIRES: `kind` is one of those; for an enum pass its enum_storage.
int64_t ReadInteger(TypeKind kind, const void* value);
// Stores the low bits. REQUIRES as above.
void WriteInteger(TypeKind kind, void* value, int64_t integer);

// True for the integers of all widths, without bool, enum and Timestamp.
constexpr bool IsIntegerKind(TypeKind kind) {
  return kind >= TypeKind::kInt8 && kind <= TypeKind::kUint64;
}
constexpr bool IsUnsignedKind(TypeKind kind) {
  return kind >= TypeKind::kUint8 && kind <= TypeKind::kUint64;
}

// Enumerators by value (null if there is none of that value) and by text: the exact name, or the same letters in
// another case, as in HIGH_RISK.
const EnumValue* FindEnumValue(const TypeInfo& type, int64_t value);
const EnumValue* FindEnumName(const TypeInfo& type, std::string_view name);

// "kHighRisk" -> "high_risk", "kUSD" -> "usd", "HTTP_ERROR" -> "http_error".
std::string EnumTextName(std::string_view enumerator);

}  // namespace eagre
