#include "random_record.h"

#include <bit>
#include <cmath>

#include "record/decimal.h"
#include "record/timestamp.h"

namespace eagre {
namespace {

std::string RandomText(Random& random) {
  static constexpr const char* kPieces[] = {"a",  "Z",  "0",    " ",    "\"",       "\\",           "/",
                                            "\n", "\t", "\x01", "\x7f", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8A"};
  std::string text;
  const uint64_t size = random.Below(4) == 0 ? random.Below(60) : random.Below(12);
  const bool plain = random.Below(2) == 0;
  for (uint64_t i = 0; i < size; ++i) text += plain ? "x" : kPieces[random.Below(std::size(kPieces))];
  return text;
}

int64_t RandomInteger(Random& random) {
  const uint64_t bits = random.Next();
  return static_cast<int64_t>(bits >> random.Below(64)) * (random.Below(2) == 0 ? 1 : -1);
}

double RandomDouble(Random& random) {
  switch (random.Below(4)) {
    case 0: return static_cast<double>(RandomInteger(random) % 1'000'000) / 100;
    case 1: return static_cast<double>(RandomInteger(random));
    case 2: return random.NextDouble();
    default: {
      const auto any = std::bit_cast<double>(random.Next());
      return std::isfinite(any) ? any : -0.0;
    }
  }
}

float RandomFloat(Random& random) {
  const auto any = std::bit_cast<float>(static_cast<uint32_t>(random.Next()));
  return random.Below(2) == 0 && std::isfinite(any) ? any : static_cast<float>(random.NextDouble() * 100);
}

Decimal RandomDecimal(Random& random) {
  const Decimal decimal = Decimal::FromUnits(RandomInteger(random));
  return decimal.saturated() ? Decimal() : decimal;
}

void FillMap(const TypeInfo& type, void* map, Random& random) {
  MapCursor cursor;
  type.map->begin(map, cursor);
  for (uint64_t i = random.Below(4); i > 0; --i) {
    std::string text;
    alignas(8) unsigned char integer[8];
    const bool is_text = type.key->kind == TypeKind::kString;
    FillRandom(*type.key, is_text ? static_cast<void*>(&text) : integer, random);
    FillRandom(*type.element, type.map->refill(map, cursor, is_text ? static_cast<void*>(&text) : integer), random);
  }
  type.map->finish(map, cursor);
}

}  // namespace

void FillRandom(const TypeInfo& type, void* value, Random& random) {
  switch (type.kind) {
    case TypeKind::kBool: *static_cast<bool*>(value) = random.Below(2) == 1; return;
    case TypeKind::kFloat: *static_cast<float*>(value) = RandomFloat(random); return;
    case TypeKind::kDouble: *static_cast<double*>(value) = RandomDouble(random); return;
    case TypeKind::kString: *static_cast<std::string*>(value) = RandomText(random); return;
    case TypeKind::kDecimal: *static_cast<Decimal*>(value) = RandomDecimal(random); return;
    case TypeKind::kTimestamp: *static_cast<Timestamp*>(value) = Timestamp(RandomInteger(random)); return;
    case TypeKind::kEnum:
      WriteInteger(type.enum_storage, value, type.enum_values[random.Below(type.enum_values.size())].value);
      return;
    case TypeKind::kOptional:
      type.optional->reset(value);
      if (random.Below(2) == 1) FillRandom(*type.element, type.optional->emplace(value), random);
      return;
    case TypeKind::kVector: {
      type.vector->truncate(value, 0);
      const uint64_t size = random.Below(4);
      for (uint64_t i = 0; i < size; ++i) FillRandom(*type.element, type.vector->at(value, i), random);
      return;
    }
    case TypeKind::kMap: return FillMap(type, value, random);
    case TypeKind::kRecord:
      for (const FieldInfo& field : type.fields) {
        FillRandom(*field.type, static_cast<char*>(value) + field.offset, random);
      }
      return;
    default: WriteInteger(type.kind, value, RandomInteger(random));
  }
}

std::string Damage(std::string text, Random& random) {
  for (uint64_t i = random.Below(4) + 1; i > 0 && !text.empty(); --i) {
    const uint64_t at = random.Below(text.size());
    const auto byte = static_cast<char>(random.Below(4) == 0 ? "\"{}[],:\\\n-0e"[random.Below(13)] : random.Next());
    switch (random.Below(5)) {
      case 0: text.resize(at); break;
      case 1: text.erase(at, random.Below(8)); break;
      case 2: text.insert(at, 1, byte); break;
      default: text[at] = byte;
    }
  }
  return text;
}

}  // namespace eagre
