// The hash of a key: a frozen on-disk format, since it decides in which key group a key's state is kept.
//
//   integers, bool, enums, Timestamp, Decimal (its units):  MixInt64 of the value as a 64-bit integer
//   std::string and string views:                           Hash64 of the bytes
//   everything else (records, pairs, containers, floats):   Hash64 of the canonical encoding (codec.h), in which -0.0
//                                                           counts as 0.0 and every not-a-number as the same
// So equal keys (RecordEquals) have equal hashes, and an integer's hash does not depend on its width.
#pragma once

#include <string>
#include <string_view>

#include "base/hash.h"
#include "record/codec.h"

namespace eagre {
namespace internal {

// Scratch of the calling thread, empty.
std::string& KeyHashScratch();

template <typename T>
constexpr bool HoldsFloat() {
  if constexpr (FloatField<T>) {
    return true;
  } else if constexpr (OptionalField<T> || VectorField<T>) {
    return HoldsFloat<typename T::value_type>();
  } else if constexpr (MapField<T>) {
    return HoldsFloat<typename T::mapped_type>();
  } else if constexpr (RecordLike<T>) {
    return !VisitFields<T>([](auto member, const char*) { return !HoldsFloat<FieldType<T, decltype(member)>>(); });
  } else {
    return false;
  }
}

// Makes floats that are equal have equal bytes.
template <typename T>
void NormalizeFloats(T& value) {
  if constexpr (FloatField<T>) {
    if (value == 0) value = 0;
    if (value != value) value = std::numeric_limits<T>::quiet_NaN();
  } else if constexpr (!HoldsFloat<T>()) {
    return;
  } else if constexpr (OptionalField<T>) {
    if (value) NormalizeFloats(*value);
  } else if constexpr (VectorField<T>) {
    for (auto& element : value) NormalizeFloats(element);
  } else if constexpr (MapField<T>) {
    for (auto& [key, mapped] : value) NormalizeFloats(mapped);
  } else {
    VisitFields<T>([&](auto member, const char*) {
      NormalizeFloats(FieldOf(value, member));
      return true;
    });
  }
}

template <typename T>
uint64_t HashEncoding(const T& value) {
  if constexpr (!Codec<T>::kHasTail) {
    char head[Codec<T>::kHeadBytes];
    Codec<T>::PutHead(value, head);
    return Hash64(std::string_view(head, sizeof(head)));
  } else {
    std::string& scratch = KeyHashScratch();
    ByteWriter out(scratch);
    Codec<T>::Encode(value, out);
    return Hash64(scratch);
  }
}

}  // namespace internal

template <typename K>
uint64_t KeyHash(const K& key) {
  if constexpr (std::is_same_v<K, std::string> || std::is_same_v<K, std::string_view>) {
    return Hash64(std::string_view(key));
  } else if constexpr (std::is_same_v<K, Timestamp>) {
    return MixInt64(static_cast<uint64_t>(key.ms()));
  } else if constexpr (std::is_same_v<K, Decimal>) {
    return MixInt64(static_cast<uint64_t>(key.units()));
  } else if constexpr (std::is_integral_v<K> || std::is_enum_v<K>) {
    return MixInt64(static_cast<uint64_t>(static_cast<int64_t>(key)));
  } else if constexpr (internal::HoldsFloat<K>()) {
    K normal = key;
    internal::NormalizeFloats(normal);
    return internal::HashEncoding(normal);
  } else {
    return internal::HashEncoding(key);
  }
}

}  // namespace eagre
