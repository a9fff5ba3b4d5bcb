#include "record/stored_schema.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace eagre {
namespace {

constexpr int kMaxDepth = 100;

constexpr std::pair<std::string_view, TypeKind> kScalars[] = {
    {"bool", TypeKind::kBool},       {"int8", TypeKind::kInt8},           {"int16", TypeKind::kInt16},
    {"int32", TypeKind::kInt32},     {"int64", TypeKind::kInt64},         {"uint8", TypeKind::kUint8},
    {"uint16", TypeKind::kUint16},   {"uint32", TypeKind::kUint32},       {"uint64", TypeKind::kUint64},
    {"float", TypeKind::kFloat},     {"double", TypeKind::kDouble},       {"string", TypeKind::kString},
    {"decimal", TypeKind::kDecimal}, {"timestamp", TypeKind::kTimestamp},
};

size_t ScalarBytes(TypeKind kind) {
  switch (kind) {
    case TypeKind::kBool:
    case TypeKind::kInt8:
    case TypeKind::kUint8: return 1;
    case TypeKind::kInt16:
    case TypeKind::kUint16: return 2;
    case TypeKind::kInt32:
    case TypeKind::kUint32:
    case TypeKind::kFloat: return 4;
    default: return 8;
  }
}

bool IsContainer(TypeKind kind) {
  return kind == TypeKind::kString || kind == TypeKind::kVector || kind == TypeKind::kMap;
}

// Whether all values of one integer kind are values of the other.
bool Widens(TypeKind from, TypeKind to) {
  if (from == to) return true;
  if (!IsIntegerKind(from) || !IsIntegerKind(to)) return false;
  if (IsUnsignedKind(from) == IsUnsignedKind(to)) return ScalarBytes(from) < ScalarBytes(to);
  return IsUnsignedKind(from) && ScalarBytes(from) < ScalarBytes(to);
}

int64_t LoadInteger(TypeKind kind, const char* bytes) {
  alignas(8) char aligned[8] = {};
  std::memcpy(aligned, bytes, ScalarBytes(kind));
  return ReadInteger(kind, aligned);
}

}  // namespace

class StoredSchema::Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  bool Whole(StoredSchema& schema) { return Type(schema, 0) && rest_.empty(); }

 private:
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view Until(std::string_view ends) {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(ends));
    rest_.remove_prefix(word.size());
    return word;
  }

  bool Type(StoredSchema& schema, int depth) {
    if (depth > kMaxDepth) return false;
    const std::string_view start = rest_;
    const bool parsed = rest_.starts_with('{') ? Record(schema, depth) : Named(schema, depth);
    schema.text_ = start.substr(0, start.size() - rest_.size());
    return parsed;
  }

  bool Record(StoredSchema& schema, int depth) {
    schema.kind_ = TypeKind::kRecord;
    rest_.remove_prefix(1);
    while (!Take('}')) {
      if (!schema.children_.empty() && !Take(',')) return false;
      const std::string_view name = Until(":,{}<>");
      if (name.empty() || !Take(':')) return false;
      if (!Type(schema.children_.emplace_back(std::string(name), StoredSchema()).second, depth + 1)) return false;
    }
    return true;
  }

  bool Named(StoredSchema& schema, int depth) {
    const std::string_view name = Until("<>{},:");
    for (const auto& [scalar, kind] : kScalars) {
      if (name != scalar) continue;
      schema.kind_ = kind;
      return true;
    }
    if (name == "enum") return Enum(schema);
    if (name == "optional") {
      schema.kind_ = TypeKind::kOptional;
    } else if (name == "vector" || name == "list") {
      schema.kind_ = TypeKind::kVector;
    } else if (name == "map") {
      schema.kind_ = TypeKind::kMap;
    } else {
      return false;
    }
    if (!Take('<') || !Child(schema, depth)) return false;
    if (schema.kind_ == TypeKind::kMap && (!Take(',') || !Child(schema, depth))) return false;
    return Take('>');
  }
  bool Child(StoredSchema& schema, int depth) {
    return Type(schema.children_.emplace_back(std::string(), StoredSchema()).second, depth + 1);
  }

  bool Enum(StoredSchema& schema) {
    schema.kind_ = TypeKind::kEnum;
    StoredSchema storage;
    if (!Take('<') || !Named(storage, 0) || !IsIntegerKind(storage.kind_) || !Take('>') || !Take('{')) return false;
    schema.storage_ = storage.kind_;
    while (!Take('}')) {
      if (!schema.enum_values_.empty() && !Take(',')) return false;
      EnumValue& value = schema.enum_values_.emplace_back();
      value.name = Until("=,}");
      if (!Take('=')) return false;
      const std::string_view number = Until(",}");
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value.value);
      if (error != std::errc() || end != number.data() + number.size()) return false;
    }
    return true;
  }

  std::string_view rest_;
};

StatusOr<StoredSchema> StoredSchema::Parse(std::string_view text) {
  StoredSchema schema;
  if (!Parser(text).Whole(schema)) return DataLoss("'{}' is no schema", text);
  return schema;
}

std::vector<std::string> StoredSchema::DifferencesTo(const StoredSchema& current, const std::string& what) const {
  std::vector<std::string> differences;
  Compare(current, what, differences);
  return differences;
}

void StoredSchema::Compare(const StoredSchema& current, const std::string& path,
                           std::vector<std::string>& differences) const {
  if (text_ == current.text_) return;
  const TypeKind from = kind_ == TypeKind::kEnum ? storage_ : kind_;
  const TypeKind to = current.kind_ == TypeKind::kEnum ? current.storage_ : current.kind_;
  if ((kind_ == TypeKind::kEnum) != (current.kind_ == TypeKind::kEnum) || !Widens(from, to)) {
    differences.push_back(fmt::format("{} was {} and is {} now", path, text_, current.text_));
    return;
  }
  switch (kind_) {
    case TypeKind::kRecord:
      for (const auto& [name, type] : current.children_) {
        const auto stored = std::find_if(children_.begin(), children_.end(),
                                         [&name = name](const auto& field) { return field.first == name; });
        if (stored != children_.end()) stored->second.Compare(type, path + "." + name, differences);
      }
      return;
    case TypeKind::kEnum:
      for (const EnumValue& value : enum_values_) {
        const auto same = std::find_if(current.enum_values_.begin(), current.enum_values_.end(),
                                       [&](const EnumValue& other) { return other.name == value.name; });
        if (same == current.enum_values_.end()) {
          differences.push_back(fmt::format("{} has lost the enumerator {}", path, value.name));
        } else if (same->value != value.value) {
          differences.push_back(
              fmt::format("{}'s enumerator {} was {} and is {} now", path, value.name, value.value, same->value));
        }
      }
      return;
    case TypeKind::kMap:
      if (map_key().text_ != current.map_key().text_) {
        differences.push_back(fmt::format("the keys of {} were {} and are {} now: keys must stay as they are", path,
                                          map_key().text_, current.map_key().text_));
      }
      element().Compare(current.element(), path + "[]", differences);
      return;
    case TypeKind::kOptional:
    case TypeKind::kVector:
      element().Compare(current.element(), kind_ == TypeKind::kVector ? path + "[]" : path, differences);
      return;
    default: return;
  }
}

size_t StoredSchema::HeadBytes() const {
  if (kind_ == TypeKind::kRecord) {
    size_t bytes = 0;
    for (const auto& [name, type] : children_) bytes += type.HeadBytes();
    return bytes;
  }
  if (kind_ == TypeKind::kOptional) return 1;
  if (IsContainer(kind_)) return sizeof(uint32_t);
  return ScalarBytes(kind_ == TypeKind::kEnum ? storage_ : kind_);
}

bool StoredSchema::Decode(ByteReader& in, const TypeInfo& type, void* value) const {
  return ReadWhole(in, &type, value);
}

bool StoredSchema::ReadWhole(ByteReader& in, const TypeInfo* type, void* value) const {
  std::string_view head;
  return in.Raw(HeadBytes(), head) && Read(head.data(), in, type, value);
}

bool StoredSchema::Read(const char* head, ByteReader& tail, const TypeInfo* type, void* value) const {
  uint32_t count = 0;
  if (IsContainer(kind_)) std::memcpy(&count, head, sizeof(count));
  switch (kind_) {
    case TypeKind::kRecord: {
      if (type != nullptr) type->assign(value, type->default_value);
      for (const auto& [name, field] : children_) {
        const FieldInfo* current = type == nullptr ? nullptr : type->FindField(name);
        const bool read = current == nullptr
                              ? field.Read(head, tail, nullptr, nullptr)
                              : field.Read(head, tail, current->type, static_cast<char*>(value) + current->offset);
        if (!read) return false;
        head += field.HeadBytes();
      }
      return true;
    }
    case TypeKind::kOptional:
      if (static_cast<unsigned char>(*head) > 1) return false;
      if (*head == 0) {
        if (type != nullptr) type->optional->reset(value);
        return true;
      }
      return element().ReadWhole(tail, type == nullptr ? nullptr : type->element,
                                 type == nullptr ? nullptr : type->optional->emplace(value));
    case TypeKind::kString: {
      std::string_view bytes;
      if (!tail.Raw(count, bytes)) return false;
      if (type != nullptr) static_cast<std::string*>(value)->assign(bytes);
      return true;
    }
    case TypeKind::kVector: return ReadElements(count, tail, type, value);
    case TypeKind::kMap: return ReadMap(count, tail, type, value);
    case TypeKind::kBool:
      if (static_cast<unsigned char>(*head) > 1) return false;
      if (type != nullptr) std::memcpy(value, head, 1);
      return true;
    case TypeKind::kFloat:
    case TypeKind::kDouble:
    case TypeKind::kDecimal:
    case TypeKind::kTimestamp:
      if (type != nullptr) std::memcpy(value, head, ScalarBytes(kind_));
      return true;
    default: {
      if (type == nullptr) return true;
      const bool is_enum = kind_ == TypeKind::kEnum;
      WriteInteger(is_enum ? type->enum_storage : type->kind, value, LoadInteger(is_enum ? storage_ : kind_, head));
      return true;
    }
  }
}

bool StoredSchema::ReadElements(uint32_t count, ByteReader& tail, const TypeInfo* type, void* value) const {
  if (count > 0 && element().HeadBytes() > 0 && count > tail.remaining() / element().HeadBytes()) return false;
  if (type != nullptr) type->vector->truncate(value, 0);
  for (uint32_t i = 0; i < count; ++i) {
    if (!element().ReadWhole(tail, type == nullptr ? nullptr : type->element,
                             type == nullptr ? nullptr : type->vector->at(value, i))) {
      return false;
    }
  }
  return true;
}

bool StoredSchema::ReadMap(uint32_t count, ByteReader& tail, const TypeInfo* type, void* value) const {
  if (type == nullptr) {
    for (uint32_t i = 0; i < count; ++i) {
      if (!map_key().ReadWhole(tail, nullptr, nullptr) || !element().ReadWhole(tail, nullptr, nullptr)) return false;
    }
    return true;
  }
  // Keys are text, integers or enumerators.
  std::string text;
  alignas(8) char integer[8] = {};
  void* key = type->key->kind == TypeKind::kString ? static_cast<void*>(&text) : integer;
  MapCursor cursor;
  type->map->begin(value, cursor);
  bool whole = true;
  for (uint32_t i = 0; i < count && whole; ++i) {
    whole = map_key().ReadWhole(tail, type->key, key);
    if (whole) whole = element().ReadWhole(tail, type->element, type->map->refill(value, cursor, key));
  }
  type->map->finish(value, cursor);
  return whole;
}

}  // namespace eagre
