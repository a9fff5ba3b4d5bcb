// What a field of a record may be, and how templates walk over the fields of a record.
//
// VisitFields<T>(visit) calls visit(member, name) for each field in declaration order until one returns false; `member`
// is a handle for FieldOf(record, member). Besides the types declared with EAGRE_RECORD, std::pair and std::tuple are
// walked, with the field names f0, f1, ... of Flink's tuples.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "record/decimal.h"
#include "record/timestamp.h"

namespace eagre {

inline constexpr size_t kMaxRecordFields = 64;

// One enumerator as written in EAGRE_ENUM.
struct EnumEntry {
  const char* name;
  long long value;
};

template <typename T, template <typename...> class Template>
inline constexpr bool kIsInstanceOf = false;
template <template <typename...> class Template, typename... Args>
inline constexpr bool kIsInstanceOf<Template<Args...>, Template> = true;

template <typename T>
concept OptionalField = kIsInstanceOf<T, std::optional>;
template <typename T>
concept VectorField = kIsInstanceOf<T, std::vector>;
template <typename T>
concept MapField = kIsInstanceOf<T, std::map>;
template <typename T>
concept TupleField = kIsInstanceOf<T, std::pair> || kIsInstanceOf<T, std::tuple>;

template <typename T>
concept IntegerField =
    std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t> &&
    !std::is_same_v<T, char8_t> && !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t> && sizeof(T) <= 8;
template <typename T>
concept FloatField = std::is_same_v<T, float> || std::is_same_v<T, double>;
// An enum declared with EAGRE_ENUM.
template <typename T>
concept EnumField = std::is_enum_v<T> && requires {
  EagreEnumEntries(static_cast<const T*>(nullptr));
};
// What is stored as one fixed number of bytes, its own value representation.
template <typename T>
concept ScalarField = std::is_same_v<T, bool> || IntegerField<T> || FloatField<T> || EnumField<T> ||
    std::is_same_v<T, Decimal> || std::is_same_v<T, Timestamp>;

namespace internal {
struct AnyVisitor {
  template <typename Member>
  constexpr bool operator()(Member, const char*) const {
    return true;
  }
};
}  // namespace internal

// A struct declared with EAGRE_RECORD.
template <typename T>
concept DeclaredRecord = std::is_class_v<T> && requires {
  EagreVisitFields(static_cast<const T*>(nullptr), internal::AnyVisitor());
};
// Whatever has fields: a declared record, a pair, a tuple.
template <typename T>
concept RecordLike = DeclaredRecord<T> || TupleField<T>;

// The handle of a tuple's or pair's field.
template <size_t kIndex>
struct TupleMember {};

template <typename Record, typename Class, typename M>
constexpr auto& FieldOf(Record& record, M Class::*member) {
  return record.*member;
}
template <typename Record, size_t kIndex>
constexpr auto& FieldOf(Record& record, TupleMember<kIndex>) {
  return std::get<kIndex>(record);
}

// The type of the field that `Member` is a handle of.
template <typename T, typename Member>
using FieldType = std::remove_cvref_t<decltype(FieldOf(std::declval<T&>(), std::declval<Member>()))>;

namespace internal {
inline constexpr const char* kTupleFieldNames[] = {"f0", "f1", "f2",  "f3",  "f4",  "f5",  "f6",  "f7",
                                                   "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15"};

template <typename Visitor, size_t... kIndices>
[[gnu::always_inline]] constexpr bool VisitTuple(Visitor&& visit, std::index_sequence<kIndices...>) {
  static_assert(sizeof...(kIndices) <= std::size(kTupleFieldNames), "a tuple in a record has at most 16 elements");
  return (visit(TupleMember<kIndices>(), kTupleFieldNames[kIndices]) && ...);
}
}  // namespace internal

template <RecordLike T, typename Visitor>
[[gnu::always_inline]] constexpr bool VisitFields(Visitor&& visit) {
  if constexpr (TupleField<T>) {
    return internal::VisitTuple(visit, std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    return EagreVisitFields(static_cast<const T*>(nullptr), visit);
  }
}

template <RecordLike T>
constexpr size_t FieldCount() {
  size_t count = 0;
  VisitFields<T>([&](auto, const char*) { return ++count > 0; });
  return count;
}

namespace internal {

template <typename T>
inline constexpr bool kIsMapKey = std::is_same_v<T, std::string> || IntegerField<T> || EnumField<T>;

// Fails to compile with the rule that `T` breaks. Returns true, so that it can stand in a static_assert.
template <typename T>
constexpr bool CheckFieldType() {
  if constexpr (ScalarField<T> || std::is_same_v<T, std::string>) {
    return true;
  } else if constexpr (OptionalField<T>) {
    static_assert(!OptionalField<typename T::value_type>,
                  "EAGRE_RECORD: an optional of an optional cannot be told from an empty one in JSON");
    return CheckFieldType<typename T::value_type>();
  } else if constexpr (VectorField<T>) {
    static_assert(!std::is_same_v<typename T::value_type, bool>,
                  "EAGRE_RECORD: std::vector<bool> has no addressable elements; use std::vector<uint8_t>");
    return CheckFieldType<typename T::value_type>();
  } else if constexpr (MapField<T>) {
    static_assert(kIsMapKey<typename T::key_type>,
                  "EAGRE_RECORD: the keys of a std::map must be std::string, an integer or an EAGRE_ENUM");
    return CheckFieldType<typename T::mapped_type>();
  } else if constexpr (std::is_enum_v<T>) {
    static_assert(EnumField<T>, "EAGRE_RECORD: declare the enum with EAGRE_ENUM(Type, kFirst, ...) before the record");
    return false;
  } else if constexpr (TupleField<T>) {
    return []<size_t... kIndices>(std::index_sequence<kIndices...>) {
      return (CheckFieldType<std::tuple_element_t<kIndices, T>>() && ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    static_assert(DeclaredRecord<T>,
                  "EAGRE_RECORD: a field must be bool, an integer, float, double, std::string, Decimal, Timestamp, an "
                  "EAGRE_ENUM, std::optional, std::vector, std::map, or a struct that has an EAGRE_RECORD of its own");
    return DeclaredRecord<T>;
  }
}

inline constexpr int kMaxRecordNesting = 16;

// False when types nest deeper than the limit, as a record does that contains itself.
template <typename T>
constexpr bool NestsWithin(int depth) {
  if (depth < 0) return false;
  if constexpr (OptionalField<T> || VectorField<T>) {
    return NestsWithin<typename T::value_type>(depth - 1);
  } else if constexpr (MapField<T>) {
    return NestsWithin<typename T::mapped_type>(depth - 1);
  } else if constexpr (RecordLike<T>) {
    return VisitFields<T>(
        [depth](auto member, const char*) { return NestsWithin<FieldType<T, decltype(member)>>(depth - 1); });
  } else {
    return true;
  }
}

template <typename T>
constexpr bool CheckRecord() {
  static_assert(std::is_default_constructible_v<T>, "EAGRE_RECORD: a record must be default-constructible");
  static_assert(std::is_copy_assignable_v<T>, "EAGRE_RECORD: a record must be copyable");
  static_assert(FieldCount<T>() >= 1, "EAGRE_RECORD: name at least one field");
  static_assert(FieldCount<T>() <= kMaxRecordFields, "EAGRE_RECORD: a record has at most 64 fields; nest records");
  static_assert(
      VisitFields<T>([](auto member, const char*) { return CheckFieldType<FieldType<T, decltype(member)>>(); }));
  static_assert(NestsWithin<T>(kMaxRecordNesting),
                "EAGRE_RECORD: a record must not contain itself, and types nest at most 16 deep");
  return true;
}

template <typename T>
constexpr bool CheckEnum() {
  static_assert(std::is_enum_v<T>, "EAGRE_ENUM: the type must be an enum");
  static_assert(!std::is_convertible_v<T, long long>, "EAGRE_ENUM: declare it as `enum class`");
  return true;
}

}  // namespace internal
}  // namespace eagre
