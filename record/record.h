// Declaring what streams carry. From the one line EAGRE_RECORD a plain struct gets its binary codec (codec.h), equality
// and order (compare.h), key hash (key_hash.h), JSON (json.h), schema (schema.h) and access to fields by name
// (field_access.h).
//
//   enum class Risk { kLow, kHigh };
//   EAGRE_ENUM(Risk, kLow, kHigh);
//   struct Payment { std::string user; Decimal amount; Risk risk = Risk::kLow; Timestamp at; };
//   EAGRE_RECORD(Payment, user, amount, risk, at);
//
// Both macros stand at namespace scope, in the namespace of the type and after it; fields and enumerators must be
// public. docs/records.md says what a field may be.
#pragma once

#include "record/codec.h"
#include "record/compare.h"
#include "record/heap_bytes.h"
#include "record/key_hash.h"
#include "record/record_macros.h"
#include "record/record_traits.h"
#include "record/type_info_of.h"

// Names up to 64 fields, which keep this order in the binary form, in JSON and in comparisons.
#define EAGRE_RECORD(Type, ...)                                                \
  template <typename EagreVisitor>                                             \
  [[maybe_unused, gnu::always_inline]] inline constexpr bool EagreVisitFields( \
      const Type*, [[maybe_unused]] EagreVisitor&& eagre_visit) {              \
    using EagreRecordType = Type;                                              \
    return EAGRE_FOR_EACH(EAGRE_VISIT_FIELD, __VA_ARGS__) true;                \
  }                                                                            \
  [[maybe_unused]] inline constexpr const char* EagreRecordName(const Type*) { \
    return #Type;                                                              \
  }                                                                            \
  static_assert(::eagre::internal::CheckRecord<Type>())

// Names all enumerators of an enum class. Their text, as in JSON, is snake_case without the k: kHighRisk is
// "high_risk".
#define EAGRE_ENUM(Type, ...)                                                                  \
  [[maybe_unused]] inline constexpr auto EagreEnumEntries(const Type*) {                       \
    using EagreEnumType = Type;                                                                \
    return std::to_array<::eagre::EnumEntry>({EAGRE_FOR_EACH(EAGRE_ENUM_ENTRY, __VA_ARGS__)}); \
  }                                                                                            \
  [[maybe_unused]] inline constexpr const char* EagreRecordName(const Type*) {                 \
    return #Type;                                                                              \
  }                                                                                            \
  static_assert(::eagre::internal::CheckEnum<Type>())
