#include "record/json_text.h"

#include <cstdint>
#include <cstring>

namespace eagre::internal {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101ULL;
constexpr uint64_t kHighBits = 0x8080808080808080ULL;

constexpr uint64_t HasZeroByte(uint64_t word) {
  return (word - kOnes) & ~word & kHighBits;
}

// Non-zero when one of eight bytes is a control character, a quote, a backslash or not ASCII.
uint64_t NeedsCare(uint64_t word) {
  const uint64_t control = (word - kOnes * 0x20) & ~word & kHighBits;
  return control | HasZeroByte(word ^ (kOnes * '"')) | HasZeroByte(word ^ (kOnes * '\\')) | (word & kHighBits);
}

bool NeedsCare(unsigned char byte) {
  return byte < 0x20 || byte == '"' || byte == '\\' || byte >= 0x80;
}

size_t PlainPrefix(std::string_view text) {
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if (NeedsCare(word) != 0) break;
  }
  while (at < text.size() && !NeedsCare(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

void PutEscaped(unsigned char byte, JsonOutput& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (byte) {
    case '"': return out.Put("\\\"");
    case '\\': return out.Put("\\\\");
    case '\b': return out.Put("\\b");
    case '\f': return out.Put("\\f");
    case '\n': return out.Put("\\n");
    case '\r': return out.Put("\\r");
    case '\t': return out.Put("\\t");
    default:
      out.Put("\\u00");
      out.Put(kHex[byte >> 4]);
      out.Put(kHex[byte & 15]);
  }
}

bool TakeHex4(std::string_view& text, uint32_t& code) {
  if (text.size() < 4) return false;
  code = 0;
  for (size_t i = 0; i < 4; ++i) {
    const char c = text[i];
    uint32_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<uint32_t>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<uint32_t>(c - 'A') + 10;
    else
      return false;
    code = code * 16 + digit;
  }
  text.remove_prefix(4);
  return true;
}

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// `text` stands after "\u".
bool TakeUnicodeEscape(std::string_view& text, std::string& out) {
  uint32_t code = 0;
  if (!TakeHex4(text, code)) return false;
  if (code >= 0xDC00 && code <= 0xDFFF) return false;
  if (code >= 0xD800 && code <= 0xDBFF) {
    uint32_t low = 0;
    if (text.substr(0, 2) != "\\u") return false;
    text.remove_prefix(2);
    if (!TakeHex4(text, low) || low < 0xDC00 || low > 0xDFFF) return false;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  AppendUtf8(code, out);
  return true;
}

}  // namespace

size_t Utf8CharacterBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xC2 && first <= 0xDF   ? 2
                      : (first & 0xF0) == 0xE0         ? 3
                      : first >= 0xF0 && first <= 0xF4 ? 4
                                                       : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // No longer form than needed, no surrogates, nothing beyond U+10FFFF.
  const unsigned char second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return size;
}

bool UnescapeJson(std::string_view escaped, std::string& text) {
  text.clear();
  while (!escaped.empty()) {
    const size_t plain = escaped.find('\\');
    if (plain == std::string_view::npos) {
      text.append(escaped);
      return true;
    }
    text.append(escaped.substr(0, plain));
    if (escaped.size() < plain + 2) return false;
    const char kind = escaped[plain + 1];
    escaped.remove_prefix(plain + 2);
    switch (kind) {
      case '"': text += '"'; break;
      case '\\': text += '\\'; break;
      case '/': text += '/'; break;
      case 'b': text += '\b'; break;
      case 'f': text += '\f'; break;
      case 'n': text += '\n'; break;
      case 'r': text += '\r'; break;
      case 't': text += '\t'; break;
      case 'u':
        if (!TakeUnicodeEscape(escaped, text)) return false;
        break;
      default: return false;
    }
  }
  return true;
}

bool HasValidEscapes(std::string_view escaped) {
  constexpr std::string_view kPlainEscapes = "\"\\/bfnrt";
  while (true) {
    const size_t plain = escaped.find('\\');
    if (plain == std::string_view::npos) return true;
    if (escaped.size() < plain + 2) return false;
    const char kind = escaped[plain + 1];
    escaped.remove_prefix(plain + 2);
    uint32_t code = 0;
    if (kind == 'u' ? !TakeHex4(escaped, code) : kPlainEscapes.find(kind) == std::string_view::npos) return false;
  }
}

void PutJsonString(std::string_view text, JsonOutput& out) {
  out.Put('"');
  while (true) {
    const size_t plain = PlainPrefix(text);
    out.Put(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte < 0x80) {
      PutEscaped(byte, out);
      text.remove_prefix(1);
    } else if (const size_t size = Utf8CharacterBytes(text); size > 0) {
      out.Put(text.substr(0, size));
      text.remove_prefix(size);
    } else {
      out.Put("\xEF\xBF\xBD");
      text.remove_prefix(1);
    }
  }
  out.Put('"');
}

}  // namespace eagre::internal
