#include "record/field_access.h"

#include <charconv>
#include <cstring>

#include "base/check.h"
#include "record/json_writer.h"

namespace eagre {
namespace {

bool ParseWhole(std::string_view text, int64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size();
}

std::string FieldNames(const TypeInfo& record) {
  std::string names;
  for (const FieldInfo& field : record.fields) {
    if (!names.empty()) names += ", ";
    names += field.name;
  }
  return names;
}

FieldValue ReadScalar(const TypeInfo& type, const void* value) {
  switch (type.kind) {
    case TypeKind::kBool: return *static_cast<const bool*>(value);
    case TypeKind::kFloat: return static_cast<double>(*static_cast<const float*>(value));
    case TypeKind::kDouble: return *static_cast<const double*>(value);
    case TypeKind::kString: return std::string_view(*static_cast<const std::string*>(value));
    case TypeKind::kDecimal: return *static_cast<const Decimal*>(value);
    case TypeKind::kTimestamp: return *static_cast<const Timestamp*>(value);
    case TypeKind::kEnum: {
      const int64_t integer = ReadInteger(type.enum_storage, value);
      const EnumValue* found = FindEnumValue(type, integer);
      return found != nullptr ? FieldValue(std::string_view(found->name)) : FieldValue(integer);
    }
    default: break;
  }
  const int64_t integer = ReadInteger(type.kind, value);
  return IsUnsignedKind(type.kind) ? FieldValue(static_cast<uint64_t>(integer)) : FieldValue(integer);
}

void AppendText(const TypeInfo& type, const void* value, std::string& text);

void AppendElements(const TypeInfo& type, const void* value, std::string& text) {
  const size_t size = type.vector->size(value);
  const auto* element = static_cast<const char*>(type.vector->data(value));
  text += '[';
  for (size_t i = 0; i < size; ++i, element += type.element->size) {
    if (i > 0) text += ", ";
    AppendText(*type.element, element, text);
  }
  text += ']';
}

void AppendEntries(const TypeInfo& type, const void* value, std::string& text) {
  struct Context {
    const TypeInfo& type;
    std::string& text;
    bool first = true;
  } context{type, text};
  const auto append = [](void* opaque, const void* key, const void* entry) {
    auto& to = *static_cast<Context*>(opaque);
    if (!to.first) to.text += ", ";
    to.first = false;
    AppendText(*to.type.key, key, to.text);
    to.text += ": ";
    AppendText(*to.type.element, entry, to.text);
    return true;
  };
  text += '{';
  type.map->for_each(value, append, &context);
  text += '}';
}

void AppendText(const TypeInfo& type, const void* value, std::string& text) {
  switch (type.kind) {
    case TypeKind::kOptional: {
      const void* held = type.optional->get(value);
      if (held != nullptr) return AppendText(*type.element, held, text);
      text += "none";
      return;
    }
    case TypeKind::kVector: return AppendElements(type, value, text);
    case TypeKind::kMap: return AppendEntries(type, value, text);
    case TypeKind::kRecord: {
      text += type.name + '{';
      for (const FieldInfo& field : type.fields) {
        if (&field != type.fields.data()) text += ", ";
        text += field.name;
        text += ": ";
        AppendText(*field.type, static_cast<const char*>(value) + field.offset, text);
      }
      text += '}';
      return;
    }
    case TypeKind::kTimestamp: text += static_cast<const Timestamp*>(value)->ToString(); return;
    case TypeKind::kFloat: text += fmt::format("{}", *static_cast<const float*>(value)); return;
    case TypeKind::kDouble: text += fmt::format("{}", *static_cast<const double*>(value)); return;
    default: return AppendJson(type, value, text);
  }
}

}  // namespace

Status FieldPath::SetKey(const TypeInfo& key_type, std::string_view text, Step& step) {
  if (key_type.kind == TypeKind::kString) {
    step.text = text;
    return OkStatus();
  }
  const bool is_enum = key_type.kind == TypeKind::kEnum;
  const TypeKind storage = is_enum ? key_type.enum_storage : key_type.kind;
  int64_t key = 0;
  const EnumValue* named = is_enum ? FindEnumName(key_type, text) : nullptr;
  bool valid = is_enum ? named != nullptr : ParseWhole(text, key);
  if (named != nullptr) key = named->value;
  WriteInteger(storage, step.integer, key);
  valid = valid && ReadInteger(storage, step.integer) == key && (!IsUnsignedKind(storage) || key >= 0);
  return valid ? OkStatus() : InvalidArgument("expected a key of type {}, found '{}'", key_type.name, text);
}

Status FieldPath::Enter(std::string_view step) {
  const TypeInfo& type = *type_;
  Step next{.type = &type};
  if (type.kind == TypeKind::kRecord) {
    const FieldInfo* field = type.FindField(step);
    if (field == nullptr) {
      return NotFound("{} has no field '{}'; its fields are {}", type.name, step, FieldNames(type));
    }
    next.position = field->offset;
    type_ = field->type;
  } else if (type.kind == TypeKind::kVector) {
    int64_t index = 0;
    if (!ParseWhole(step, index) || index < 0) {
      return InvalidArgument("expected an index into the {}, found '{}'", type.name, step);
    }
    next.position = static_cast<size_t>(index);
    type_ = type.element;
  } else if (type.kind == TypeKind::kMap) {
    EAGRE_RETURN_IF_ERROR(SetKey(*type.key, step, next));
    type_ = type.element;
  } else {
    return InvalidArgument("'{}' leads into a {}, which has no fields", step, type.name);
  }
  steps_.push_back(std::move(next));
  return OkStatus();
}

StatusOr<FieldPath> FieldPath::Resolve(const TypeInfo& record_type, std::string_view path) {
  FieldPath resolved;
  resolved.type_ = &record_type;
  const auto open_optionals = [&] {
    while (resolved.type_->kind == TypeKind::kOptional) {
      resolved.steps_.push_back({.type = resolved.type_});
      resolved.type_ = resolved.type_->element;
    }
  };
  std::string_view rest = path;
  open_optionals();
  while (!rest.empty()) {
    const size_t dot = rest.find('.');
    const Status entered = resolved.Enter(rest.substr(0, dot));
    if (!entered.ok()) return WithContext(entered, fmt::format("field '{}'", path));
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    open_optionals();
  }
  const TypeKind kind = resolved.type_->kind;
  if (kind == TypeKind::kRecord || kind == TypeKind::kVector || kind == TypeKind::kMap) {
    return InvalidArgument("field '{}' is a {}; expected the path of a single value", path, resolved.type_->name);
  }
  return resolved;
}

FieldValue FieldPath::Get(const void* record) const {
  const void* value = record;
  for (const Step& step : steps_) {
    const TypeInfo& type = *step.type;
    switch (type.kind) {
      case TypeKind::kRecord: value = static_cast<const char*>(value) + step.position; break;
      case TypeKind::kOptional: value = type.optional->get(value); break;
      case TypeKind::kVector:
        value = step.position < type.vector->size(value)
                    ? static_cast<const char*>(type.vector->data(value)) + step.position * type.element->size
                    : nullptr;
        break;
      default:
        value = type.map->find(
            value, type.key->kind == TypeKind::kString ? static_cast<const void*>(&step.text) : step.integer);
    }
    if (value == nullptr) return FieldValue();
  }
  return ReadScalar(*type_, value);
}

StatusOr<FieldValue> GetField(const TypeInfo& type, const void* record, std::string_view path) {
  EAGRE_ASSIGN_OR_RETURN(const FieldPath resolved, FieldPath::Resolve(type, path));
  return resolved.Get(record);
}

std::string PrintRecord(const TypeInfo& type, const void* value) {
  std::string text;
  AppendText(type, value, text);
  return text;
}

}  // namespace eagre
