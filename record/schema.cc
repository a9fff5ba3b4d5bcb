#include "record/schema.h"

#include "base/hash.h"

namespace eagre {
namespace {

void AppendSchema(const TypeInfo& type, std::string& text) {
  switch (type.kind) {
    case TypeKind::kOptional:
    case TypeKind::kVector:
      text += type.kind == TypeKind::kOptional ? "optional<" : "vector<";
      AppendSchema(*type.element, text);
      text += '>';
      return;
    case TypeKind::kMap:
      text += "map<";
      AppendSchema(*type.key, text);
      text += ',';
      AppendSchema(*type.element, text);
      text += '>';
      return;
    case TypeKind::kEnum:
      text += "enum<" + internal::ScalarTypeInfo(type.enum_storage).name + ">{";
      for (const EnumValue& entry : type.enum_values) {
        if (&entry != type.enum_values.data()) text += ',';
        text += entry.name + '=' + std::to_string(entry.value);
      }
      text += '}';
      return;
    case TypeKind::kRecord:
      text += '{';
      for (const FieldInfo& field : type.fields) {
        if (&field != type.fields.data()) text += ',';
        text += field.name;
        text += ':';
        AppendSchema(*field.type, text);
      }
      text += '}';
      return;
    default: text += type.name;
  }
}

// The record or enum that `type` is or holds, if any.
const TypeInfo* InnerType(const TypeInfo& type) {
  const TypeInfo* inner = &type;
  while (inner->element != nullptr) inner = inner->element;
  return inner;
}

void AppendFields(const TypeInfo& record, size_t indent, std::string& text) {
  for (const FieldInfo& field : record.fields) {
    text.append(indent, ' ');
    text += field.name;
    text += ": " + field.type->name;
    const TypeInfo& inner = *InnerType(*field.type);
    for (const EnumValue& entry : inner.enum_values) {
      text += &entry == inner.enum_values.data() ? " (" : ", ";
      text += entry.name;
    }
    if (!inner.enum_values.empty()) text += ')';
    text += '\n';
    AppendFields(inner, indent + 2, text);
  }
}

}  // namespace

Schema::Schema(const TypeInfo& type) {
  AppendSchema(type, text_);
  fingerprint_ = Hash64(text_);
}

std::string PrintSchema(const TypeInfo& type) {
  std::string text = type.name + '\n';
  AppendFields(*InnerType(type), 2, text);
  return text;
}

}  // namespace eagre
