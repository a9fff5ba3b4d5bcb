// Writes JSON for people: indented, fields in the order written. For output of the command line only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eagre {

// A writer with a cursor: open an object or array, add fields or elements, close it. Misnesting is a bug and is
// checked.
class JsonText {
 public:
  JsonText& BeginObject();
  JsonText& EndObject();
  JsonText& BeginArray();
  JsonText& EndArray();
  JsonText& Key(std::string_view name);
  JsonText& String(std::string_view value);
  JsonText& Int(int64_t value);
  JsonText& Bool(bool value);
  // The document; every object and array must be closed.
  const std::string& Text() const;

 private:
  void BeforeValue();
  void Open(char bracket);
  void Close(char bracket);
  void NewLine();

  struct Level {
    char closing;
    bool empty = true;
  };
  std::vector<Level> levels_;
  bool after_key_ = false;
  std::string text_;
};

// `value` with JSON's escapes and in quotes. Bytes that are not UTF-8 are passed through.
std::string QuoteJson(std::string_view value);

}  // namespace eagre
