// Little-endian binary encoding into a growing string and a bounds-checked reader over bytes that may be anything.
//
// The format of integers, varints and sizes written here is frozen: records on disk and on the wire consist of them.
// Header-only, since encoders run once per field of every record.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace eagre {

static_assert(std::endian::native == std::endian::little,
              "Eagre's byte formats are little-endian and are copied as they are");

template <typename T>
concept FixedBytes = std::integral<T> || std::floating_point<T> || std::is_enum_v<T>;

inline constexpr int kMaxVarintBytes = 10;

// Maps small negative numbers to small positive ones, so that both are short as varints.
constexpr uint64_t ZigZagEncode(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
constexpr int64_t ZigZagDecode(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

// Appends to a string that it does not own and that must outlive it. One thread.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(&out) {}

  size_t size() const { return out_->size(); }

  // The value's bytes, little-endian.
  template <FixedBytes T>
  void Fixed(T value) {
    out_->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }

  // LEB128: seven bits a byte, the lowest first.
  void Varint(uint64_t value) {
    char buffer[kMaxVarintBytes];
    int size = 0;
    while (value >= 0x80) {
      buffer[size++] = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    buffer[size++] = static_cast<char>(value);
    out_->append(buffer, static_cast<size_t>(size));
  }

  void SignedVarint(int64_t value) { Varint(ZigZagEncode(value)); }

  // The bytes alone; the reader must know their number.
  void Raw(std::string_view bytes) { out_->append(bytes.data(), bytes.size()); }

  // A varint of the size, then the bytes.
  void String(std::string_view bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }

  // Grows by `size` bytes, which the caller must all write; the pointer is valid until the next call.
  char* Extend(size_t size) {
    const size_t offset = out_->size();
    out_->resize(offset + size);
    return out_->data() + offset;
  }

  // Overwrites a fixed value written before at `offset`, for sizes that are known only afterwards.
  template <FixedBytes T>
  void PatchFixed(size_t offset, T value) {
    std::memcpy(out_->data() + offset, &value, sizeof(T));
  }

 private:
  std::string* out_;
};

// Reads what ByteWriter wrote from bytes that it does not own. Every method returns false when the bytes end too early
// or are malformed; the output is then unchanged and the reader stays where it was. One thread.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool empty() const { return at_ == end_; }
  // What has not been read yet.
  std::string_view rest() const { return {at_, remaining()}; }

  template <FixedBytes T>
  [[nodiscard]] bool Fixed(T& value) {
    if (remaining() < sizeof(T)) [[unlikely]]
      return false;
    if constexpr (std::is_same_v<T, bool>) {
      if (static_cast<unsigned char>(*at_) > 1) return false;  // any other byte would be no bool at all
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }

  [[nodiscard]] bool Varint(uint64_t& value) {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) [[likely]] {
      value = static_cast<unsigned char>(*at_++);
      return true;
    }
    return LongVarint(value);
  }

  // A varint that must fit the narrower type; false when it does not.
  template <std::unsigned_integral T>
  [[nodiscard]] bool Varint(T& value) {
    const char* start = at_;
    uint64_t wide;
    if (!Varint(wide)) return false;
    if (wide > static_cast<T>(-1)) {
      at_ = start;
      return false;
    }
    value = static_cast<T>(wide);
    return true;
  }

  [[nodiscard]] bool SignedVarint(int64_t& value) {
    uint64_t encoded;
    if (!Varint(encoded)) return false;
    value = ZigZagDecode(encoded);
    return true;
  }

  // A view into the bytes read from; it lives as long as they do.
  [[nodiscard]] bool Raw(size_t size, std::string_view& bytes) {
    if (remaining() < size) [[unlikely]]
      return false;
    bytes = {at_, size};
    at_ += size;
    return true;
  }

  [[nodiscard]] bool String(std::string_view& bytes) {
    const char* start = at_;
    uint64_t size;
    if (!Varint(size)) return false;
    if (remaining() < size) [[unlikely]] {
      at_ = start;
      return false;
    }
    bytes = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }

  // Copies into an existing string, which keeps its memory.
  [[nodiscard]] bool String(std::string& bytes) {
    std::string_view view;
    if (!String(view)) return false;
    bytes.assign(view.data(), view.size());
    return true;
  }

  [[nodiscard]] bool Skip(size_t size) {
    if (remaining() < size) return false;
    at_ += size;
    return true;
  }

 private:
  bool LongVarint(uint64_t& value) {
    uint64_t result = 0;
    const char* at = at_;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at == end_) return false;
      const auto byte = static_cast<unsigned char>(*at++);
      // The tenth byte carries only the topmost bit of a 64-bit value.
      if (shift == 63 && byte > 1) return false;
      result |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        value = result;
        at_ = at;
        return true;
      }
    }
    return false;
  }

  const char* at_;
  const char* end_;
};

}  // namespace eagre
