#include "record/json_reader.h"

#include <simdjson.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "base/check.h"
#include "record/decimal.h"
#include "record/json_numbers.h"
#include "record/json_text.h"
#include "record/timestamp.h"

namespace eagre {
namespace {

using internal::IntegerText;
using internal::NumberFault;

// How much of a window simdjson scans at once: large enough to be cheap per line, small enough that the text and the
// index of its tokens stay in the core's cache.
constexpr size_t kScanBytes = 64 * 1024;
constexpr size_t kMaxScanBytes = 1u << 30;
constexpr size_t kShownBytes = 40;  // of a value in a message

bool IsJsonSpace(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

uint64_t LoadWord(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

// Whether the key at `at` (its opening quote; 64 bytes behind may be read) is the field's name.
bool IsKey(const char* at, const FieldInfo& field) {
  const char* name = field.quoted_name.data();
  size_t rest = field.quoted_size;
  for (; rest > 8; rest -= 8, at += 8, name += 8) {
    if (LoadWord(at) != LoadWord(name)) return false;
  }
  const uint64_t mask = ~uint64_t{0} >> (8 * (8 - rest));
  return ((LoadWord(at) ^ LoadWord(name)) & mask) == 0;
}

// Whether the text, with 32 readable bytes from its start, has an escape.
bool HasBackslash(const char* at, size_t size) {
#if defined(__SSE2__)
  if (size <= 32) [[likely]] {
    const __m128i backslashes = _mm_set1_epi8('\\');
    const auto find = [&](const char* from) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, backslashes)));
    };
    const uint64_t found = find(at) | uint64_t{find(at + 16)} << 16;
    return (found & ((uint64_t{1} << size) - 1)) != 0;
  }
#endif
  return std::memchr(at, '\\', size) != nullptr;
}

// Copies up to 32 bytes without a call.
void CopyShort(char* to, const char* from, size_t size) {
  if (size >= 16) {
    std::array<char, 16> head, tail;
    std::memcpy(&head, from, 16);
    std::memcpy(&tail, from + size - 16, 16);
    std::memcpy(to, &head, 16);
    std::memcpy(to + size - 16, &tail, 16);
  } else if (size >= 8) {
    const uint64_t head = LoadWord(from);
    const uint64_t tail = LoadWord(from + size - 8);
    std::memcpy(to, &head, 8);
    std::memcpy(to + size - 8, &tail, 8);
  } else {
    for (size_t i = 0; i < size; ++i) to[i] = from[i];
  }
}

void AssignText(std::string& text, const char* from, size_t size) {
  // Identifiers of one kind mostly have one length.
  if (text.size() == size && size <= 32) {
    CopyShort(text.data(), from, size);
  } else {
    text.assign(from, size);
  }
}

std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  size_t cut = kShownBytes;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return std::string(text.substr(0, cut)) + "...";
}

std::string_view KindOfToken(char first) {
  switch (first) {
    case '"': return "a string";
    case '{': return "an object";
    case '[': return "an array";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    default: return first == '-' || (first >= '0' && first <= '9') ? "a number" : "";
  }
}

struct IntegerRange {
  uint64_t max;
  uint64_t max_negative;  // magnitude
};

template <typename T>
constexpr IntegerRange RangeOf() {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<T>::max());
  return {kMax, std::is_signed_v<T> ? kMax + 1 : 0};
}

IntegerRange RangeOfKind(TypeKind kind) {
  switch (kind) {
    case TypeKind::kInt8: return RangeOf<int8_t>();
    case TypeKind::kInt16: return RangeOf<int16_t>();
    case TypeKind::kInt32: return RangeOf<int32_t>();
    case TypeKind::kUint8: return RangeOf<uint8_t>();
    case TypeKind::kUint16: return RangeOf<uint16_t>();
    case TypeKind::kUint32: return RangeOf<uint32_t>();
    case TypeKind::kUint64: return RangeOf<uint64_t>();
    default: return RangeOf<int64_t>();
  }
}

bool InRange(const IntegerText& integer, TypeKind kind) {
  const IntegerRange range = RangeOfKind(kind);
  return integer.magnitude <= (integer.negative ? range.max_negative : range.max);
}

// The position of the first control character within quotes.
size_t FindControlCharacter(std::string_view text) {
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (in_string && static_cast<unsigned char>(text[i]) < 0x20) {
      return i;
    }
  }
  return text.size();
}

int64_t SignedValue(const IntegerText& integer) {
  return static_cast<int64_t>(integer.negative ? 0 - integer.magnitude : integer.magnitude);
}

}  // namespace

// simdjson's first stage finds where the tokens of the text start, and checks UTF-8 and the quotes. This class walks
// over these starts, driven by the TypeInfo. The list of starts ends with a sentinel, the position of a '\n' behind the
// text: no token begins with one, so every step fails there and none needs to look for the end of the list.
class JsonParser::Impl {
 public:
  Status Parse(std::string_view text, size_t readable_bytes, const TypeInfo& type, void* record) {
    if (readable_bytes < text.size() + kPadding || text.data()[text.size()] != '\n') text = CopyPadded(text);
    return ParseAlone(text, type, record);
  }

  void BeginWindow(std::string_view window, size_t readable_bytes) {
    window_ = window;
    readable_bytes_ = std::max(readable_bytes, window.size());
    position_ = 0;
    block_end_ = 0;
  }

  bool NextLine(const TypeInfo& type, void* record, ParsedLine& line) {
    while (position_ < window_.size()) {
      if (position_ >= block_end_) ScanBlock();
      const char* begin = block_ + (position_ - block_begin_);
      const auto* end = static_cast<const char*>(std::memchr(begin, '\n', static_cast<size_t>(block_limit_ - begin)));
      line.offset = position_;
      position_ += static_cast<size_t>(end - begin) + 1;
      if (block_scanned_) {
        if (*index_ >= end - block_) continue;
        line.text = window_.substr(line.offset, static_cast<size_t>(end - begin));
        line.status = ParseScanned(begin, end, type, record);
      } else {
        if (std::all_of(begin, end, IsJsonSpace)) continue;
        line.text = window_.substr(line.offset, static_cast<size_t>(end - begin));
        line.status = ParseAlone({begin, static_cast<size_t>(end - begin)}, type, record);
      }
      return true;
    }
    return false;
  }

 private:
  // ---- Scanning.

  // The text with a '\n' and padding behind it, valid until the next call.
  std::string_view CopyPadded(std::string_view text) {
    copy_.assign(text);
    copy_ += '\n';
    copy_.append(kPadding, ' ');
    return std::string_view(copy_).substr(0, text.size());
  }

  simdjson::error_code Scan(std::string_view text, size_t sentinel) {
    if (text.size() > kMaxScanBytes) return simdjson::CAPACITY;
    if (scanner_ == nullptr || text.size() > capacity_) {
      constexpr size_t kMaxDepth = 1;  // of its second stage, which is not used
      const size_t capacity = std::max(text.size() * 5 / 4, kScanBytes);
      const auto failure =
          simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, kMaxDepth, scanner_);
      if (failure) return failure;
      capacity_ = capacity;
    }
    const auto failure =
        scanner_->stage1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), simdjson::stage1_mode::regular);
    if (failure) return failure;
    scanner_->structural_indexes[scanner_->n_structural_indexes] = static_cast<uint32_t>(sentinel);
    index_ = scanner_->structural_indexes.get();
    base_ = text.data();
    return simdjson::SUCCESS;
  }

  // Makes the next lines of the window the block. A block in which something is wrong is not scanned as a whole: its
  // lines are then scanned one by one, so that only the faulty one fails.
  void ScanBlock() {
    block_begin_ = position_;
    std::string_view rest = window_.substr(position_);
    std::string_view block = rest.substr(0, kScanBytes);
    if (rest.size() > kScanBytes) {
      size_t last = block.rfind('\n');
      if (last == std::string_view::npos) last = rest.find('\n', kScanBytes);
      block = rest.substr(0, last == std::string_view::npos ? last : last + 1);
    }
    block_end_ = position_ + block.size();
    if (block.back() != '\n' || readable_bytes_ < block_end_ + kPadding) {
      if (block.back() == '\n') block.remove_suffix(1);
      const std::string_view copy = CopyPadded(block);
      block = {copy.data(), copy.size() + 1};
    }
    block_ = block.data();
    block_limit_ = block.data() + block.size();
    block_scanned_ = Scan(block, block.size() - 1) == simdjson::SUCCESS;
  }

  Status ParseAlone(std::string_view text, const TypeInfo& type, void* record) {
    const auto failure = Scan(text, text.size());
    if (failure) return ScanFailure(failure, text);
    return ParseScanned(text.data(), text.data() + text.size(), type, record);
  }

  // Parses the line whose first token index_ points at; leaves index_ at the first token behind the line.
  Status ParseScanned(const char* begin, const char* end, const TypeInfo& type, void* record) {
    line_begin_ = begin;
    line_end_ = end;
    const uint32_t* first = index_;
    bool valid = ParseValue(type, static_cast<char*>(record));
    if (valid && base_ + index_[-1] >= end) [[unlikely]]
      valid = Truncated();
    if (valid && base_ + *index_ < end) [[unlikely]]
      valid = SyntaxError("the end of the line");
    if (valid) [[likely]]
      return OkStatus();
    index_ = first;
    while (base_ + *index_ < end) ++index_;
    return TakeError();
  }

  // ---- Tokens.

  const char* Token() const { return base_ + *index_; }

  // The text of the string that the token before index_ begins, between its quotes.
  std::string_view StringBefore() const {
    const char* begin = base_ + index_[-1] + 1;
    const char* end = Token() - 1;
    while (end > begin && *end != '"') --end;
    return {begin, static_cast<size_t>(end - begin)};
  }

  // The text of a scalar token that is no string.
  std::string_view ScalarText() const {
    const char* begin = Token();
    const char* end = base_ + index_[1];
    while (end > begin && IsJsonSpace(end[-1])) --end;
    return {begin, static_cast<size_t>(end - begin)};
  }

  // Whether the scalar token at index_ ends at `end`; passes it then.
  bool PassScalar(const char* end) {
    ++index_;
    if (end == Token() || IsJsonSpace(*end)) [[likely]]
      return true;
    --index_;
    return false;
  }

  bool PassWord(std::string_view word) {
    return std::memcmp(Token(), word.data(), word.size()) == 0 && PassScalar(Token() + word.size());
  }

  // Passes the string token at index_, of which the text is returned, without its escapes if it has any (in
  // `unescaped`).
  bool PassString(std::string& unescaped, std::string_view& text) {
    ++index_;
    text = StringBefore();
    if (!HasBackslash(text.data(), text.size())) [[likely]]
      return true;
    if (!internal::UnescapeJson(text, unescaped)) {
      --index_;
      return EscapeError(text);
    }
    text = unescaped;
    return true;
  }

  // ---- Skipping: what no field wants must be JSON too.

  // Passes any value. How deep it goes is the sender's choice, so the brackets that are to come are kept in a list.
  [[gnu::noinline]] bool Skip() {
    closing_.clear();
    do {
      const char first = *Token();
      if (Token() >= line_end_) return Truncated();
      if (first == '{' || first == '[') {
        ++index_;
        closing_ += first == '{' ? '}' : ']';
        if (*Token() != closing_.back()) {
          if (first == '{' && !SkipName()) return false;
          continue;
        }
      } else if (!SkipScalar()) {
        return false;
      }
      if (!SkipToNextValue()) return false;
    } while (!closing_.empty());
    return true;
  }

  // From behind a value to the next within the brackets, or out of them.
  bool SkipToNextValue() {
    while (!closing_.empty()) {
      const char closing = closing_.back();
      const char next = *Token();
      if (next != ',' && next != closing) return SyntaxError(closing == '}' ? "',' or '}'" : "',' or ']'");
      ++index_;
      if (next == ',') return closing == ']' || SkipName();
      closing_.pop_back();
    }
    return true;
  }

  bool SkipName() {
    if (*Token() != '"' || Token() >= line_end_) return SyntaxError("a field name in quotes");
    if (!SkipString()) return false;
    if (*Token() != ':') return SyntaxError("':'");
    ++index_;
    return true;
  }

  bool SkipString() {
    ++index_;
    const std::string_view text = StringBefore();
    return !HasBackslash(text.data(), text.size()) || internal::HasValidEscapes(text) || EscapeError(text);
  }

  bool SkipScalar() {
    switch (*Token()) {
      case '"': return SkipString();
      case 't': return PassWord("true") || NoValue();
      case 'f': return PassWord("false") || NoValue();
      case 'n': return PassWord("null") || NoValue();
      default: break;
    }
    double value = 0;
    NumberFault fault = NumberFault::kNone;
    const char* end = internal::ParseJsonDouble(Token(), value, fault);
    return (end != nullptr && PassScalar(end)) || NoValue();
  }

  // ---- Values.

  bool ParseValue(const TypeInfo& type, char* value) {
    switch (type.kind) {
      case TypeKind::kString: return ParseString(*reinterpret_cast<std::string*>(value));
      case TypeKind::kDouble: return ParseFloating(*reinterpret_cast<double*>(value), &internal::ParseJsonDouble);
      case TypeKind::kFloat: return ParseFloating(*reinterpret_cast<float*>(value), &internal::ParseJsonFloat);
      case TypeKind::kTimestamp: return ParseTimestamp(*reinterpret_cast<Timestamp*>(value));
      case TypeKind::kDecimal: return ParseDecimal(*reinterpret_cast<Decimal*>(value));
      case TypeKind::kBool: return ParseBool(*reinterpret_cast<bool*>(value));
      case TypeKind::kEnum: return ParseEnum(type, value);
      case TypeKind::kOptional: return ParseOptional(type, value);
      case TypeKind::kVector: return ParseVector(type, value);
      case TypeKind::kMap: return ParseMap(type, value);
      case TypeKind::kRecord: return ParseRecord(type, value);
      default: return ParseInteger(type, value);
    }
  }

  bool ParseString(std::string& value) {
    if (*Token() != '"') [[unlikely]]
      return TypeError("a string");
    if (ParsePlainString(index_, value)) [[likely]] {
      ++index_;
      return true;
    }
    std::string_view unescaped;
    if (!PassString(scratch_, unescaped)) return false;
    value.assign(unescaped);
    return true;
  }

  template <typename T>
  bool ParseFloating(T& value, const char* (*parse)(const char*, T&, NumberFault&)) {
    NumberFault fault = NumberFault::kNone;
    const char* end = parse(Token(), value, fault);
    if (end != nullptr && fault == NumberFault::kNone && PassScalar(end)) [[likely]]
      return true;
    if (end != nullptr && fault == NumberFault::kOutOfRange) return OutOfRange(sizeof(T) == 8 ? "double" : "float");
    if (!PassWord("null")) return TypeError("a number");
    value = std::numeric_limits<T>::quiet_NaN();
    return true;
  }

  bool ParseInteger(const TypeInfo& type, char* value) {
    IntegerText integer;
    const char* end = internal::ParseJsonInteger(Token(), integer);
    if (end == nullptr || integer.fault == NumberFault::kNotInteger) [[unlikely]]
      return TypeError("an integer");
    if (integer.fault != NumberFault::kNone || !InRange(integer, type.kind)) [[unlikely]]
      return OutOfRange(type.name);
    if (!PassScalar(end)) [[unlikely]]
      return TypeError("an integer");
    WriteInteger(type.kind, value, SignedValue(integer));
    return true;
  }

  bool ParseTimestamp(Timestamp& value) {
    constexpr std::string_view kExpected = "milliseconds since 1970 or an ISO-8601 time";
    if (*Token() != '"') {
      IntegerText integer;
      const char* end = internal::ParseJsonInteger(Token(), integer);
      if (end == nullptr || integer.fault == NumberFault::kNotInteger) [[unlikely]]
        return TypeError(kExpected);
      if (integer.fault != NumberFault::kNone || !InRange(integer, TypeKind::kInt64)) return OutOfRange("timestamp");
      if (!PassScalar(end)) [[unlikely]]
        return TypeError(kExpected);
      value = Timestamp(SignedValue(integer));
      return true;
    }
    std::string_view text;
    if (!PassString(scratch_, text)) return false;
    if (Timestamp::TryParse(text, value)) return true;
    --index_;
    return ValueError(kExpected, text);
  }

  bool ParseDecimal(Decimal& value) {
    const char first = *Token();
    const bool quoted = first == '"';
    if (!quoted && first != '-' && (first < '0' || first > '9')) [[unlikely]]
      return TypeError("a decimal number");
    int64_t units = 0;
    const char* end = internal::ParseShortDecimal(Token() + (quoted ? 1 : 0), units);
    if (end != nullptr && (quoted ? *end == '"' && PassScalar(end + 1) : PassScalar(end))) [[likely]] {
      value = Decimal::FromUnits(units);
      return true;
    }
    std::string_view text;
    if (quoted) {
      if (!PassString(scratch_, text)) return false;
    } else {
      text = ScalarText();
      const std::string_view digits = text.substr(first == '-' ? 1 : 0);
      if (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
        return TypeError("a decimal number");
      ++index_;
    }
    StatusOr<Decimal> parsed = Decimal::Parse(text);
    if (!parsed.ok()) {
      --index_;
      return Error(std::string(StatusMessage(parsed.status())));
    }
    value = *parsed;
    return true;
  }

  bool ParseBool(bool& value) {
    if (PassWord("true")) {
      value = true;
    } else if (PassWord("false")) {
      value = false;
    } else {
      return TypeError("true or false");
    }
    return true;
  }

  bool ParseEnum(const TypeInfo& type, char* value) {
    const EnumValue* found = nullptr;
    if (*Token() == '"') {
      std::string_view text;
      if (!PassString(scratch_, text)) return false;
      found = FindEnumName(type, text);
      if (found == nullptr) {
        --index_;
        return ValueError(EnumNames(type), text);
      }
    } else {
      IntegerText integer;
      const char* end = internal::ParseJsonInteger(Token(), integer);
      if (end == nullptr || integer.fault != NumberFault::kNone) return TypeError(EnumNames(type));
      if (InRange(integer, type.enum_storage)) found = FindEnumValue(type, SignedValue(integer));
      if (found == nullptr || !PassScalar(end)) return ValueError(EnumNames(type), ScalarText());
    }
    WriteInteger(type.enum_storage, value, found->value);
    return true;
  }

  bool ParseOptional(const TypeInfo& type, char* value) {
    if (*Token() == 'n' && PassWord("null")) {
      type.optional->reset(value);
      return true;
    }
    return ParseValue(*type.element, static_cast<char*>(type.optional->emplace(value)));
  }

  bool ParseVector(const TypeInfo& type, char* value) {
    if (*Token() != '[') [[unlikely]]
      return TypeError("an array");
    ++index_;
    size_t count = 0;
    if (*Token() == ']') {
      ++index_;
    } else {
      while (true) {
        if (Token() >= line_end_) [[unlikely]]
          return Truncated();
        if (!ParseValue(*type.element, static_cast<char*>(type.vector->at(value, count)))) [[unlikely]] {
          return Within(fmt::format("[{}]", count));
        }
        ++count;
        const char next = *Token();
        if (next != ',' && next != ']') [[unlikely]]
          return SyntaxError("',' or ']'");
        ++index_;
        if (next == ']') break;
      }
    }
    type.vector->truncate(value, count);
    return true;
  }

  bool ParseMap(const TypeInfo& type, char* value) {
    if (*Token() != '{') [[unlikely]]
      return TypeError("an object");
    ++index_;
    MapCursor cursor;
    type.map->begin(value, cursor);
    if (*Token() == '}') {
      ++index_;
    } else {
      while (true) {
        if (*Token() != '"' || Token() >= line_end_) [[unlikely]]
          return SyntaxError("a key in quotes");
        std::string_view key;
        if (!PassString(scratch_, key)) return false;
        void* slot = nullptr;
        if (!RefillSlot(type, value, cursor, key, slot)) return false;
        if (*Token() != ':') [[unlikely]]
          return SyntaxError("':'");
        ++index_;
        const std::string_view raw_key = key.data() == scratch_.data() ? std::string_view() : key;
        if (!ParseValue(*type.element, static_cast<char*>(slot))) [[unlikely]] {
          return Within(raw_key.data() == nullptr ? "<key>" : raw_key);
        }
        const char next = *Token();
        if (next != ',' && next != '}') [[unlikely]]
          return SyntaxError("',' or '}'");
        ++index_;
        if (next == '}') break;
      }
    }
    type.map->finish(value, cursor);
    return true;
  }

  // The map's value for the key, which is text in JSON whatever its type.
  bool RefillSlot(const TypeInfo& type, void* map, MapCursor& cursor, std::string_view key, void*& slot) {
    const TypeInfo& key_type = *type.key;
    if (key_type.kind == TypeKind::kString) {
      key_text_.assign(key);
      slot = type.map->refill(map, cursor, &key_text_);
      return true;
    }
    alignas(8) char storage[8];
    if (key_type.kind == TypeKind::kEnum) {
      const EnumValue* found = FindEnumName(key_type, key);
      if (found == nullptr) return KeyError(EnumNames(key_type), key);
      WriteInteger(key_type.enum_storage, storage, found->value);
    } else {
      IntegerText integer;
      integer.negative = key.starts_with('-');
      const std::string_view digits = key.substr(integer.negative ? 1 : 0);
      const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), integer.magnitude);
      if (failure != std::errc() || end != digits.data() + digits.size() || !InRange(integer, key_type.kind)) {
        return KeyError(key_type.name, key);
      }
      WriteInteger(key_type.kind, storage, SignedValue(integer));
    }
    slot = type.map->refill(map, cursor, storage);
    return true;
  }

  // Text is most of what records hold, so its way is short: the position stays in a register, which a member cannot
  // while bytes are stored. False, with nothing done, when the token at `index` is no string or has an escape.
  bool ParsePlainString(const uint32_t* index, std::string& value) const {
    const char* begin = base_ + index[0];
    if (*begin != '"') [[unlikely]]
      return false;
    const char* end = base_ + index[1] - 1;
    while (*end != '"') --end;
    const auto size = static_cast<size_t>(end - ++begin);
    if (HasBackslash(begin, size)) [[unlikely]]
      return false;
    AssignText(value, begin, size);
    return true;
  }

  bool ParseRecord(const TypeInfo& type, char* record) {
    if (*Token() != '{') [[unlikely]]
      return TypeError("an object");
    const uint32_t* index = index_ + 1;
    const char* base = base_;
    const FieldInfo* fields = type.fields.data();
    const size_t field_count = type.fields.size();
    uint64_t missing = ~uint64_t{0} >> (64 - field_count);
    const auto at = [&](const uint32_t* here) {
      index_ = here;
      return this;
    };
    size_t expected = 0;
    for (bool more = base[*index] != '}'; more;) {
      const char* key = base + *index;
      if (*key != '"' || key >= line_end_) [[unlikely]]
        return at(index)->SyntaxError("a field name in quotes");
      if (expected >= field_count || !IsKey(key, fields[expected])) [[unlikely]] {
        expected = at(index + 1)->FindField(type, key, expected);
      }
      if (base[index[1]] != ':') [[unlikely]]
        return at(index + 1)->SyntaxError("':'");
      index += 2;
      if (expected < field_count) [[likely]] {
        const FieldInfo& field = fields[expected];
        char* value = record + field.offset;
        missing &= ~(uint64_t{1} << expected);
        if (field.type->kind == TypeKind::kString && ParsePlainString(index, *reinterpret_cast<std::string*>(value))) {
          ++index;
        } else {
          if (!at(index)->ParseValue(*field.type, value)) [[unlikely]]
            return Within(field.name);
          index = index_;
        }
        ++expected;
      } else {
        if (expected == kBadName || !at(index)->Skip()) return false;
        index = index_;
        expected = next_expected_;
      }
      const char next = base[*index];
      if (next != ',' && next != '}') [[unlikely]]
        return at(index)->SyntaxError("',' or '}'");
      more = next == ',';
      index += more ? 1 : 0;
    }
    index_ = index + 1;
    if (missing != 0) [[unlikely]]
      SetDefaults(type, record, missing);
    return true;
  }

  static constexpr size_t kBadName = ~size_t{0};

  // The index of the field whose key was just passed, or the number of fields when there is none of that name;
  // next_expected_ is then the field to expect afterwards. kBadName, with the error set, when the key is not JSON.
  size_t FindField(const TypeInfo& type, const char* key, size_t expected) {
    const size_t count = type.fields.size();
    next_expected_ = expected;
    for (size_t i = 0; i < count; ++i) {
      const size_t candidate = expected + i < count ? expected + i : (expected + i) % count;
      if (IsKey(key, type.fields[candidate])) return candidate;
    }
    const std::string_view raw = StringBefore();
    if (raw.find('\\') == std::string_view::npos) return count;
    if (internal::UnescapeJson(raw, scratch_)) {
      if (const FieldInfo* field = type.FindField(scratch_)) return static_cast<size_t>(field - type.fields.data());
    } else if (!internal::HasValidEscapes(raw)) {
      EscapeError(raw);
      return kBadName;
    }
    return count;
  }

  static void SetDefaults(const TypeInfo& type, char* record, uint64_t missing) {
    const auto* defaults = static_cast<const char*>(type.default_value);
    for (size_t i = 0; i < type.fields.size(); ++i) {
      if ((missing >> i & 1) == 0) continue;
      const FieldInfo& field = type.fields[i];
      field.type->assign(record + field.offset, defaults + field.offset);
    }
  }

  // ---- Failures: each sets error_ and returns false. path_ is built on the way out.

  size_t Offset(const char* at) const { return static_cast<size_t>(std::max(at, line_begin_) - line_begin_); }

  bool Error(std::string message) {
    error_ = std::move(message);
    path_.clear();
    return false;
  }

  // A failure of the text as JSON; the path to it says nothing.
  bool JsonError(std::string message) {
    Error(std::move(message));
    no_path_ = true;
    return false;
  }

  bool Truncated() {
    return JsonError(fmt::format("truncated JSON: the line ends at byte {} before its value does", Offset(line_end_)));
  }

  bool SyntaxError(std::string_view expected) {
    const char* token = Token();
    if (token >= line_end_) return Truncated();
    return JsonError(fmt::format("invalid JSON at byte {}: expected {}, found '{}'", Offset(token), expected,
                                 Shown(std::string_view(token, internal::Utf8CharacterBytes({token, 4})))));
  }

  // The scalar at index_ is none of JSON.
  bool NoValue() {
    return JsonError(
        fmt::format("invalid JSON at byte {}: expected a value, found '{}'", Offset(Token()), Shown(ScalarText())));
  }

  bool EscapeError(std::string_view text) {
    return Error(fmt::format("invalid escape in the string \"{}\"", Shown(text)));
  }

  // The value at index_ is of another kind than the field.
  bool TypeError(std::string_view expected) {
    const char* token = Token();
    if (token >= line_end_) return Truncated();
    const std::string_view kind = KindOfToken(*token);
    if (kind.empty()) return SyntaxError("a value");
    if (kind == "an object" || kind == "an array" || kind == "a string") {
      return Error(fmt::format("expected {}, found {}", expected, kind));
    }
    const std::string_view text = ScalarText();
    if (text == "null") {
      return Error(fmt::format("expected {}, found null (a field that may be null must be a std::optional)", expected));
    }
    return Error(
        fmt::format("expected {}, found {}{}", expected, kind == "a number" ? "the number " : "", Shown(text)));
  }

  bool ValueError(std::string_view expected, std::string_view text) {
    return Error(fmt::format("expected {}, found '{}'", expected, Shown(text)));
  }

  bool KeyError(std::string_view expected, std::string_view key) {
    return Error(fmt::format("expected keys of type {}, found '{}'", expected, Shown(key)));
  }

  bool OutOfRange(std::string_view type) {
    return Error(fmt::format("{} is out of range of {}", Shown(ScalarText()), type));
  }

  bool Within(std::string_view step) {
    const bool joined = path_.empty() || path_[0] == '[';
    path_ = std::string(step) + (joined ? "" : ".") + path_;
    return false;
  }

  Status TakeError() {
    const bool with_path = !no_path_ && !path_.empty();
    no_path_ = false;
    return with_path ? InvalidArgument("field '{}': {}", path_, error_) : InvalidArgument("{}", error_);
  }

  static std::string EnumNames(const TypeInfo& type) {
    std::string names = "one of ";
    for (const EnumValue& entry : type.enum_values) {
      if (&entry != type.enum_values.data()) names += ", ";
      names += entry.name;
    }
    return names;
  }

  static Status ScanFailure(simdjson::error_code failure, std::string_view text) {
    switch (failure) {
      case simdjson::EMPTY: return InvalidArgument("expected a JSON value, found an empty line");
      case simdjson::UNCLOSED_STRING:
        return InvalidArgument("truncated JSON: the line ends at byte {} within a string", text.size());
      case simdjson::UTF8_ERROR: {
        std::string_view rest = text;
        while (const size_t size = internal::Utf8CharacterBytes(rest)) rest.remove_prefix(size);
        return InvalidArgument("invalid JSON at byte {}: the text is not UTF-8", text.size() - rest.size());
      }
      case simdjson::UNESCAPED_CHARS:
        return InvalidArgument("invalid JSON at byte {}: a control character in a string must be escaped",
                               FindControlCharacter(text));
      case simdjson::CAPACITY:
      case simdjson::MEMALLOC:
        return ResourceExhausted("a JSON line of {} bytes is too long: at most {}", text.size(), kMaxScanBytes);
      default: return InvalidArgument("invalid JSON: {}", simdjson::error_message(failure));
    }
  }

  std::unique_ptr<simdjson::internal::dom_parser_implementation> scanner_;
  size_t capacity_ = 0;
  std::string copy_;
  std::string scratch_;
  std::string key_text_;
  std::string closing_;  // while a value is skipped: the brackets that are to come, the next one last

  const char* base_ = nullptr;  // of the token starts
  const uint32_t* index_ = nullptr;
  const char* line_begin_ = nullptr;
  const char* line_end_ = nullptr;
  size_t next_expected_ = 0;

  std::string_view window_;
  size_t readable_bytes_ = 0;
  size_t position_ = 0;  // of the next line in the window
  // The scanned part of the window, or its copy; ends with '\n'.
  const char* block_ = nullptr;
  const char* block_limit_ = nullptr;
  size_t block_begin_ = 0;
  size_t block_end_ = 0;
  bool block_scanned_ = false;

  std::string error_;
  std::string path_;
  bool no_path_ = false;
};

JsonParser::JsonParser() : impl_(std::make_unique<Impl>()) {}
JsonParser::~JsonParser() = default;
JsonParser::JsonParser(JsonParser&&) noexcept = default;
JsonParser& JsonParser::operator=(JsonParser&&) noexcept = default;

Status JsonParser::Parse(std::string_view text, size_t readable_bytes, const TypeInfo& type, void* record) {
  return impl_->Parse(text, readable_bytes, type, record);
}

void JsonParser::BeginWindow(std::string_view window, size_t readable_bytes) {
  impl_->BeginWindow(window, readable_bytes);
}

bool JsonParser::NextLine(const TypeInfo& type, void* record, ParsedLine& line) {
  return impl_->NextLine(type, record, line);
}

}  // namespace eagre
