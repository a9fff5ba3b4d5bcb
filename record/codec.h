// The binary form of records, scalars, strings, containers, pairs and tuples: frozen, canonical, little-endian.
//
// A value is a head of a size known at compile time, and a tail; a record's are those of its fields in order:
//   scalar     head: its own bytes (bool: 0 or 1; enum: the underlying integer; Decimal, Timestamp: int64); tail: none
//   string     head: uint32 length                                 tail: the bytes
//   optional   head: one byte, 0 or 1                              tail: the value (head, tail) if present
//   vector     head: uint32 count                                  tail: each element (head, tail)
//   map        head: uint32 count                                  tail: each key, value (head, tail), keys ascending
// So a record costs one bounds check for all its fixed-size fields, and equal values have equal bytes (but for -0.0 and
// not-a-number). A string or container of more than 2^32-1 bytes or elements is a bug of the job (CHECK).
//
// Decode assigns into an existing object, whose strings and containers keep their memory; on failure the object is
// valid but holds some mixture of old and new values. Bytes may be hostile: counts are checked against the bytes left.
#pragma once

#include <cstring>
#include <iterator>
#include <limits>
#include <string>
#include <type_traits>

#include "base/bytes.h"
#include "base/check.h"
#include "record/record_traits.h"

namespace eagre {

template <typename T>
struct Codec;

namespace internal {

inline char* PutU32(size_t value, char* out) {
  EAGRE_CHECK(value <= std::numeric_limits<uint32_t>::max());
  const auto narrow = static_cast<uint32_t>(value);
  std::memcpy(out, &narrow, 4);
  return out + 4;
}
inline uint32_t GetU32(const char* in) {
  uint32_t value;
  std::memcpy(&value, in, 4);
  return value;
}

// The whole value at `out`; returns the end.
template <typename T>
[[gnu::always_inline]] inline char* PutWhole(const T& value, char* out) {
  char* tail = Codec<T>::PutHead(value, out);
  if constexpr (Codec<T>::kHasTail) tail = Codec<T>::PutTail(value, tail);
  return tail;
}

template <typename T>
inline size_t WholeBytes(const T& value) {
  if constexpr (Codec<T>::kHasTail) {
    return Codec<T>::kHeadBytes + Codec<T>::TailBytes(value);
  } else {
    return Codec<T>::kHeadBytes;
  }
}

template <typename T>
[[gnu::always_inline]] inline bool GetWhole(ByteReader& in, T& value) {
  std::string_view head;
  if (!in.Raw(Codec<T>::kHeadBytes, head)) return false;
  if (!Codec<T>::GetHead(head.data(), value)) return false;
  if constexpr (Codec<T>::kHasTail) return Codec<T>::GetTail(head.data(), in, value);
  return true;
}

// Encode, Decode and EncodedBytes from the parts that each Codec defines.
template <typename T>
struct CodecBase {
  // Number of bytes that Encode will append.
  static size_t EncodedBytes(const T& value) { return WholeBytes<T>(value); }

  static void Encode(const T& value, ByteWriter& out) {
    [[maybe_unused]] char* end = PutWhole<T>(value, out.Extend(WholeBytes<T>(value)));
  }
  // False when the bytes are malformed or too short.
  [[nodiscard]] static bool Decode(ByteReader& in, T& value) { return GetWhole<T>(in, value); }
};

// Scalars whose memory is their encoding, so that a vector of them is copied whole.
template <typename T>
inline constexpr bool kIsPlainBytes = ScalarField<T> && !std::is_same_v<T, bool>;

}  // namespace internal

template <ScalarField T>
struct Codec<T> : internal::CodecBase<T> {
  static constexpr size_t kHeadBytes = sizeof(T);
  static constexpr bool kHasTail = false;

  [[gnu::always_inline]] static char* PutHead(const T& value, char* out) {
    std::memcpy(out, &value, sizeof(T));
    return out + sizeof(T);
  }
  [[gnu::always_inline]] static bool GetHead(const char* in, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      if (static_cast<unsigned char>(*in) > 1) return false;
    }
    std::memcpy(&value, in, sizeof(T));
    return true;
  }
};

template <>
struct Codec<std::string> : internal::CodecBase<std::string> {
  static constexpr size_t kHeadBytes = 4;
  static constexpr bool kHasTail = true;

  static char* PutHead(const std::string& value, char* out) { return internal::PutU32(value.size(), out); }
  static size_t TailBytes(const std::string& value) { return value.size(); }
  static char* PutTail(const std::string& value, char* out) {
    std::memcpy(out, value.data(), value.size());
    return out + value.size();
  }
  static bool GetHead(const char*, std::string&) { return true; }
  static bool GetTail(const char* head, ByteReader& in, std::string& value) {
    std::string_view bytes;
    if (!in.Raw(internal::GetU32(head), bytes)) return false;
    // Text of one kind mostly has one length; overwriting is cheaper than the call to assign.
    if (value.size() == bytes.size()) {
      std::memcpy(value.data(), bytes.data(), bytes.size());
    } else {
      value.assign(bytes.data(), bytes.size());
    }
    return true;
  }
};

template <typename T>
struct Codec<std::optional<T>> : internal::CodecBase<std::optional<T>> {
  static constexpr size_t kHeadBytes = 1;
  static constexpr bool kHasTail = true;

  static char* PutHead(const std::optional<T>& value, char* out) {
    *out = value.has_value() ? 1 : 0;
    return out + 1;
  }
  static size_t TailBytes(const std::optional<T>& value) { return value ? internal::WholeBytes<T>(*value) : 0; }
  static char* PutTail(const std::optional<T>& value, char* out) {
    return value ? internal::PutWhole<T>(*value, out) : out;
  }
  static bool GetHead(const char* in, std::optional<T>&) { return static_cast<unsigned char>(*in) <= 1; }
  static bool GetTail(const char* head, ByteReader& in, std::optional<T>& value) {
    if (*head == 0) {
      value.reset();
      return true;
    }
    if (!value) value.emplace();
    return internal::GetWhole<T>(in, *value);
  }
};

template <typename T>
struct Codec<std::vector<T>> : internal::CodecBase<std::vector<T>> {
  static constexpr size_t kHeadBytes = 4;
  static constexpr bool kHasTail = true;

  static char* PutHead(const std::vector<T>& value, char* out) { return internal::PutU32(value.size(), out); }
  static size_t TailBytes(const std::vector<T>& value) {
    if constexpr (!Codec<T>::kHasTail) return value.size() * Codec<T>::kHeadBytes;
    size_t bytes = 0;
    for (const T& element : value) bytes += internal::WholeBytes<T>(element);
    return bytes;
  }
  static char* PutTail(const std::vector<T>& value, char* out) {
    if constexpr (internal::kIsPlainBytes<T>) {
      if (!value.empty()) std::memcpy(out, value.data(), value.size() * sizeof(T));
      return out + value.size() * sizeof(T);
    } else {
      for (const T& element : value) out = internal::PutWhole<T>(element, out);
      return out;
    }
  }
  static bool GetHead(const char*, std::vector<T>&) { return true; }
  static bool GetTail(const char* head, ByteReader& in, std::vector<T>& value) {
    const size_t count = internal::GetU32(head);
    if (count > in.remaining() / Codec<T>::kHeadBytes) return false;
    value.resize(count);
    if constexpr (internal::kIsPlainBytes<T>) {
      std::string_view bytes;
      if (!in.Raw(count * sizeof(T), bytes)) return false;
      if (count > 0) std::memcpy(value.data(), bytes.data(), bytes.size());
    } else {
      for (T& element : value) {
        if (!internal::GetWhole<T>(in, element)) return false;
      }
    }
    return true;
  }
};

template <typename K, typename V>
struct Codec<std::map<K, V>> : internal::CodecBase<std::map<K, V>> {
  static constexpr size_t kHeadBytes = 4;
  static constexpr bool kHasTail = true;

  static char* PutHead(const std::map<K, V>& value, char* out) { return internal::PutU32(value.size(), out); }
  static size_t TailBytes(const std::map<K, V>& value) {
    size_t bytes = 0;
    for (const auto& [key, mapped] : value) bytes += internal::WholeBytes<K>(key) + internal::WholeBytes<V>(mapped);
    return bytes;
  }
  static char* PutTail(const std::map<K, V>& value, char* out) {
    for (const auto& [key, mapped] : value) out = internal::PutWhole<V>(mapped, internal::PutWhole<K>(key, out));
    return out;
  }
  static bool GetHead(const char*, std::map<K, V>&) { return true; }
  // Entries whose key stays are refilled in place.
  static bool GetTail(const char* head, ByteReader& in, std::map<K, V>& value) {
    const size_t count = internal::GetU32(head);
    if (count > in.remaining() / (Codec<K>::kHeadBytes + Codec<V>::kHeadBytes)) return false;
    auto entry = value.begin();
    K key{};
    for (size_t i = 0; i < count; ++i) {
      if (!internal::GetWhole<K>(in, key)) return false;
      while (entry != value.end() && entry->first < key) entry = value.erase(entry);
      if (entry == value.end() || key < entry->first) {
        // All entries before `entry` were decoded in this call: the key must be beyond them.
        if (entry != value.begin() && !(std::prev(entry)->first < key)) return false;
        entry = value.emplace_hint(entry, key, V{});
      }
      if (!internal::GetWhole<V>(in, entry->second)) return false;
      ++entry;
    }
    value.erase(entry, value.end());
    return true;
  }
};

// Declared records, pairs and tuples.
template <RecordLike T>
struct Codec<T> : internal::CodecBase<T> {
 private:
  struct Layout {
    size_t head_bytes = 0;
    bool has_tail = false;
  };
  static constexpr Layout ComputeLayout() {
    Layout layout;
    VisitFields<T>([&](auto member, const char*) {
      using Field = FieldType<T, decltype(member)>;
      layout.head_bytes += Codec<Field>::kHeadBytes;
      layout.has_tail = layout.has_tail || Codec<Field>::kHasTail;
      return true;
    });
    return layout;
  }

 public:
  static constexpr size_t kHeadBytes = ComputeLayout().head_bytes;
  static constexpr bool kHasTail = ComputeLayout().has_tail;

  [[gnu::always_inline]] static char* PutHead(const T& value, char* out) {
    VisitFields<T>([&](auto member, const char*) __attribute__((always_inline)) {
      out = Codec<FieldType<T, decltype(member)>>::PutHead(FieldOf(value, member), out);
      return true;
    });
    return out;
  }
  static size_t TailBytes(const T& value) {
    size_t bytes = 0;
    VisitFields<T>([&](auto member, const char*) __attribute__((always_inline)) {
      using FieldCodec = Codec<FieldType<T, decltype(member)>>;
      if constexpr (FieldCodec::kHasTail) bytes += FieldCodec::TailBytes(FieldOf(value, member));
      return true;
    });
    return bytes;
  }
  [[gnu::always_inline]] static char* PutTail(const T& value, char* out) {
    VisitFields<T>([&](auto member, const char*) __attribute__((always_inline)) {
      using FieldCodec = Codec<FieldType<T, decltype(member)>>;
      if constexpr (FieldCodec::kHasTail) out = FieldCodec::PutTail(FieldOf(value, member), out);
      return true;
    });
    return out;
  }
  [[gnu::always_inline]] static bool GetHead(const char* in, T& value) {
    return VisitFields<T>([&](auto member, const char*) __attribute__((always_inline)) {
      using FieldCodec = Codec<FieldType<T, decltype(member)>>;
      const bool valid = FieldCodec::GetHead(in, FieldOf(value, member));
      in += FieldCodec::kHeadBytes;
      return valid;
    });
  }
  [[gnu::always_inline]] static bool GetTail(const char* head, ByteReader& in, T& value) {
    return VisitFields<T>([&](auto member, const char*) __attribute__((always_inline)) {
      using FieldCodec = Codec<FieldType<T, decltype(member)>>;
      bool valid = true;
      if constexpr (FieldCodec::kHasTail) valid = FieldCodec::GetTail(head, in, FieldOf(value, member));
      head += FieldCodec::kHeadBytes;
      return valid;
    });
  }
};

}  // namespace eagre
