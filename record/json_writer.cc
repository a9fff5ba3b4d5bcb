#include "record/json_writer.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "record/decimal.h"
#include "record/json_output.h"
#include "record/json_text.h"
#include "record/timestamp.h"

namespace eagre {
namespace {

using internal::JsonOutput;

// More than any number takes: a double below 1e21 in fixed form, or a 64-bit integer.
constexpr size_t kNumberBytes = 40;

void PutValue(const TypeInfo& type, const void* value, JsonOutput& out);

template <typename T>
void PutInteger(T number, JsonOutput& out) {
  char* at = out.Reserve(kNumberBytes);
  out.Advance(std::to_chars(at, at + kNumberBytes, number).ptr);
}

void PutIntegerOf(TypeKind kind, const void* value, JsonOutput& out) {
  const int64_t integer = ReadInteger(kind, value);
  if (kind == TypeKind::kUint64) {
    PutInteger(static_cast<uint64_t>(integer), out);
  } else {
    PutInteger(integer, out);
  }
}

// The digits of `fraction`, in millionths, without trailing zeros.
char* PutMillionths(uint32_t fraction, char* at) {
  *at++ = '.';
  for (int digit = 5; digit >= 0; --digit, fraction /= 10) at[digit] = static_cast<char>('0' + fraction % 10);
  at += 6;
  while (at[-1] == '0') --at;
  return at;
}

template <typename T>
void PutFloating(T number, JsonOutput& out) {
  if (!std::isfinite(number)) return out.Put("null");
  char* at = out.Reserve(kNumberBytes);
  const T size = std::abs(number);
  if constexpr (std::is_same_v<T, double>) {
    // Most doubles in JSON have few decimals. Millionths that divide back to the very number are its shortest text,
    // since doubles of this size lie closer than two such texts could.
    constexpr double kLargest = 1e8;
    const double millionths = std::nearbyint(size * 1e6);
    if (size < kLargest && millionths / 1e6 == size) {
      const auto units = static_cast<uint64_t>(millionths);
      if (std::signbit(number)) *at++ = '-';
      at = std::to_chars(at, at + kNumberBytes / 2, units / 1'000'000).ptr;
      const auto fraction = static_cast<uint32_t>(units % 1'000'000);
      out.Advance(fraction == 0 ? at : PutMillionths(fraction, at));
      return;
    }
  }
  const bool fixed = size == 0 || (size >= T{1e-6} && size < T{1e21});
  const auto format = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  out.Advance(std::to_chars(at, at + kNumberBytes, number, format).ptr);
}

void PutEnum(const TypeInfo& type, const void* value, JsonOutput& out) {
  const EnumValue* found = FindEnumValue(type, ReadInteger(type.enum_storage, value));
  if (found == nullptr) return PutIntegerOf(type.enum_storage, value, out);
  out.Put('"');
  out.Put(found->name);
  out.Put('"');
}

void PutOptional(const TypeInfo& type, const void* value, JsonOutput& out) {
  const void* held = type.optional->get(value);
  if (held == nullptr) return out.Put("null");
  PutValue(*type.element, held, out);
}

void PutVector(const TypeInfo& type, const void* value, JsonOutput& out) {
  const size_t size = type.vector->size(value);
  const auto* element = static_cast<const char*>(type.vector->data(value));
  out.Put('[');
  for (size_t i = 0; i < size; ++i, element += type.element->size) {
    if (i > 0) out.Put(',');
    PutValue(*type.element, element, out);
  }
  out.Put(']');
}

// Keys are text in JSON, whatever their type.
void PutMapKey(const TypeInfo& type, const void* key, JsonOutput& out) {
  if (type.kind == TypeKind::kString) return PutValue(type, key, out);
  if (type.kind == TypeKind::kEnum && FindEnumValue(type, ReadInteger(type.enum_storage, key)) != nullptr) {
    return PutEnum(type, key, out);
  }
  out.Put('"');
  PutIntegerOf(type.kind == TypeKind::kEnum ? type.enum_storage : type.kind, key, out);
  out.Put('"');
}

void PutMap(const TypeInfo& type, const void* value, JsonOutput& out) {
  struct Context {
    const TypeInfo& type;
    JsonOutput& out;
    bool first = true;
  } context{type, out};
  const auto put = [](void* opaque, const void* key, const void* entry) {
    auto& to = *static_cast<Context*>(opaque);
    if (!to.first) to.out.Put(',');
    to.first = false;
    PutMapKey(*to.type.key, key, to.out);
    to.out.Put(':');
    PutValue(*to.type.element, entry, to.out);
    return true;
  };
  out.Put('{');
  type.map->for_each(value, put, &context);
  out.Put('}');
}

void PutRecord(const TypeInfo& type, const void* value, JsonOutput& out) {
  const auto* record = static_cast<const char*>(value);
  char before = '{';
  for (const FieldInfo& field : type.fields) {
    char* at = out.Reserve(field.quoted_size + 2);
    *at++ = before;
    before = ',';
    std::memcpy(at, field.quoted_name.data(), field.quoted_size);
    at += field.quoted_size;
    *at++ = ':';
    out.Advance(at);
    PutValue(*field.type, record + field.offset, out);
  }
  out.Put('}');
}

void PutDecimal(Decimal value, JsonOutput& out) {
  std::string text;  // short enough to need no memory of its own, but for amounts of a billion and more
  value.AppendTo(text);
  out.Put(text);
}

void PutValue(const TypeInfo& type, const void* value, JsonOutput& out) {
  switch (type.kind) {
    case TypeKind::kString: return internal::PutJsonString(*static_cast<const std::string*>(value), out);
    case TypeKind::kBool: return out.Put(*static_cast<const bool*>(value) ? "true" : "false");
    case TypeKind::kFloat: return PutFloating(*static_cast<const float*>(value), out);
    case TypeKind::kDouble: return PutFloating(*static_cast<const double*>(value), out);
    case TypeKind::kDecimal: return PutDecimal(*static_cast<const Decimal*>(value), out);
    case TypeKind::kEnum: return PutEnum(type, value, out);
    case TypeKind::kOptional: return PutOptional(type, value, out);
    case TypeKind::kVector: return PutVector(type, value, out);
    case TypeKind::kMap: return PutMap(type, value, out);
    case TypeKind::kRecord: return PutRecord(type, value, out);
    default: return PutIntegerOf(type.kind, value, out);
  }
}

}  // namespace

void AppendJson(const TypeInfo& type, const void* value, std::string& out) {
  JsonOutput output(out);
  PutValue(type, value, output);
}

}  // namespace eagre
