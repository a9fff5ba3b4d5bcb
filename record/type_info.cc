#include "record/type_info.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "record/decimal.h"
#include "record/timestamp.h"
#include "record/type_info_of.h"

namespace eagre {
namespace {

template <typename T>
TypeInfo NamedScalar(const char* name) {
  TypeInfo info = internal::NewTypeInfo<T>(internal::ScalarKindOf<T>());
  info.name = name;
  return info;
}

template <typename T>
int64_t LoadInteger(const void* value) {
  T integer;
  std::memcpy(&integer, value, sizeof(T));
  return static_cast<int64_t>(integer);
}

template <typename T>
void StoreInteger(void* value, int64_t wide) {
  const T integer = static_cast<T>(wide);
  std::memcpy(value, &integer, sizeof(T));
}

bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
char ToLower(char c) {
  return IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

}  // namespace

namespace internal {

const TypeInfo& ScalarTypeInfo(TypeKind kind) {
  static const std::array<TypeInfo, 14> kScalars = {
      NamedScalar<bool>("bool"),       NamedScalar<int8_t>("int8"),         NamedScalar<int16_t>("int16"),
      NamedScalar<int32_t>("int32"),   NamedScalar<int64_t>("int64"),       NamedScalar<uint8_t>("uint8"),
      NamedScalar<uint16_t>("uint16"), NamedScalar<uint32_t>("uint32"),     NamedScalar<uint64_t>("uint64"),
      NamedScalar<float>("float"),     NamedScalar<double>("double"),       NamedScalar<std::string>("string"),
      NamedScalar<Decimal>("decimal"), NamedScalar<Timestamp>("timestamp"),
  };
  const auto index = static_cast<size_t>(kind);
  EAGRE_CHECK(index < kScalars.size() && kScalars[index].kind == kind);
  return kScalars[index];
}

}  // namespace internal

FieldInfo MakeFieldInfo(std::string_view name, size_t offset, const TypeInfo& type) {
  FieldInfo field;
  field.name = name;
  field.offset = offset;
  field.type = &type;
  field.quoted_name = '"' + std::string(name) + '"';
  field.quoted_size = field.quoted_name.size();
  field.quoted_name.resize((field.quoted_size + 7) / 8 * 8, '\0');
  return field;
}

const FieldInfo* TypeInfo::FindField(std::string_view field_name) const {
  for (const FieldInfo& field : fields) {
    if (field.name == field_name) return &field;
  }
  return nullptr;
}

int64_t ReadInteger(TypeKind kind, const void* value) {
  switch (kind) {
    case TypeKind::kBool: return LoadInteger<uint8_t>(value);
    case TypeKind::kInt8: return LoadInteger<int8_t>(value);
    case TypeKind::kInt16: return LoadInteger<int16_t>(value);
    case TypeKind::kInt32: return LoadInteger<int32_t>(value);
    case TypeKind::kUint8: return LoadInteger<uint8_t>(value);
    case TypeKind::kUint16: return LoadInteger<uint16_t>(value);
    case TypeKind::kUint32: return LoadInteger<uint32_t>(value);
    case TypeKind::kInt64:
    case TypeKind::kUint64:
    case TypeKind::kTimestamp: return LoadInteger<int64_t>(value);
    default: EAGRE_CHECK(false && "not an integer kind");
  }
  return 0;
}

void WriteInteger(TypeKind kind, void* value, int64_t integer) {
  switch (kind) {
    case TypeKind::kBool:
    case TypeKind::kInt8:
    case TypeKind::kUint8: return StoreInteger<uint8_t>(value, integer);
    case TypeKind::kInt16:
    case TypeKind::kUint16: return StoreInteger<uint16_t>(value, integer);
    case TypeKind::kInt32:
    case TypeKind::kUint32: return StoreInteger<uint32_t>(value, integer);
    case TypeKind::kInt64:
    case TypeKind::kUint64:
    case TypeKind::kTimestamp: return StoreInteger<int64_t>(value, integer);
    default: EAGRE_CHECK(false && "not an integer kind");
  }
}

const EnumValue* FindEnumValue(const TypeInfo& type, int64_t value) {
  for (const EnumValue& entry : type.enum_values) {
    if (entry.value == value) return &entry;
  }
  return nullptr;
}

const EnumValue* FindEnumName(const TypeInfo& type, std::string_view name) {
  for (const EnumValue& entry : type.enum_values) {
    if (entry.name == name) return &entry;
  }
  for (const EnumValue& entry : type.enum_values) {
    if (EqualsIgnoringCase(entry.name, name)) return &entry;
  }
  return nullptr;
}

std::string EnumTextName(std::string_view enumerator) {
  if (enumerator.size() > 1 && enumerator[0] == 'k' && IsUpper(enumerator[1])) enumerator.remove_prefix(1);
  std::string text;
  for (size_t i = 0; i < enumerator.size(); ++i) {
    const char c = enumerator[i];
    if (IsUpper(c) && i > 0 && enumerator[i - 1] != '_') {
      const bool after_word = !IsUpper(enumerator[i - 1]);
      const bool before_word = i + 1 < enumerator.size() && IsLower(enumerator[i + 1]);
      if (after_word || before_word) text += '_';
    }
    text += ToLower(c);
  }
  return text;
}

}  // namespace eagre
