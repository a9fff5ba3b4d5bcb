#include "cli/json_text.h"

#include <fmt/format.h>

#include "base/check.h"

namespace eagre {

std::string QuoteJson(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

void JsonText::NewLine() {
  text_ += '\n';
  text_.append(2 * levels_.size(), ' ');
}

void JsonText::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty()) return;
  if (!levels_.back().empty) text_ += ',';
  levels_.back().empty = false;
  NewLine();
}

void JsonText::Open(char bracket) {
  BeforeValue();
  text_ += bracket;
  levels_.push_back({.closing = bracket == '{' ? '}' : ']'});
}

void JsonText::Close(char bracket) {
  EAGRE_CHECK(!levels_.empty() && levels_.back().closing == bracket && !after_key_);
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) NewLine();
  text_ += bracket;
}

JsonText& JsonText::BeginObject() {
  return Open('{'), *this;
}
JsonText& JsonText::EndObject() {
  return Close('}'), *this;
}
JsonText& JsonText::BeginArray() {
  return Open('['), *this;
}
JsonText& JsonText::EndArray() {
  return Close(']'), *this;
}

JsonText& JsonText::Key(std::string_view name) {
  EAGRE_CHECK(!levels_.empty() && levels_.back().closing == '}' && !after_key_);
  BeforeValue();
  text_ += QuoteJson(name) + ": ";
  after_key_ = true;
  return *this;
}

JsonText& JsonText::String(std::string_view value) {
  BeforeValue();
  text_ += QuoteJson(value);
  return *this;
}

JsonText& JsonText::Int(int64_t value) {
  BeforeValue();
  text_ += fmt::format("{}", value);
  return *this;
}

JsonText& JsonText::Bool(bool value) {
  BeforeValue();
  text_ += value ? "true" : "false";
  return *this;
}

const std::string& JsonText::Text() const {
  EAGRE_CHECK(levels_.empty() && !after_key_);
  return text_;
}

}  // namespace eagre
