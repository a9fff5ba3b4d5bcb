#include "record/csv_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "record/decimal.h"
#include "record/timestamp.h"

namespace eagre {
namespace {

constexpr char kQuote = '"';
constexpr size_t kShownCellBytes = 40;

std::string ShownCell(std::string_view text) {
  if (text.size() <= kShownCellBytes) return fmt::format("'{}'", text);
  return fmt::format("'{}...'", text.substr(0, kShownCellBytes));
}

std::string_view WithoutBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename Number>
bool ParseAll(std::string_view text, Number& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size();
}

template <typename Floating>
Status ParseFloating(std::string_view text, void* value) {
  Floating number = std::numeric_limits<Floating>::quiet_NaN();
  if (!text.empty() && !ParseAll(text, number)) return InvalidArgument("expected a number, found {}", ShownCell(text));
  *static_cast<Floating*>(value) = number;
  return OkStatus();
}

Status ParseIntegerCell(const TypeInfo& type, std::string_view text, void* value) {
  int64_t number = 0;
  uint64_t large = 0;
  bool valid = ParseAll(text, number);
  if (!valid && type.kind == TypeKind::kUint64 && ParseAll(text, large)) {
    number = static_cast<int64_t>(large);
    valid = true;
  } else if (valid) {
    valid = !IsUnsignedKind(type.kind) || number >= 0;
  }
  if (valid) {
    WriteInteger(type.kind, value, number);
    valid = ReadInteger(type.kind, value) == number;
  }
  return valid ? OkStatus() : InvalidArgument("expected an integer ({}), found {}", type.name, ShownCell(text));
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

Status ParseBool(std::string_view text, void* value) {
  const bool yes = text == "1" || EqualsIgnoringCase(text, "true");
  if (!yes && text != "0" && !EqualsIgnoringCase(text, "false")) {
    return InvalidArgument("expected true or false, found {}", ShownCell(text));
  }
  *static_cast<bool*>(value) = yes;
  return OkStatus();
}

Status ParseTime(std::string_view text, void* value) {
  auto& time = *static_cast<Timestamp*>(value);
  int64_t ms = 0;
  if (ParseAll(text, ms)) {
    time = Timestamp(ms);
  } else if (!Timestamp::TryParse(text, time)) {
    return InvalidArgument("expected a time as ISO 8601 or in milliseconds since 1970, found {}", ShownCell(text));
  }
  return OkStatus();
}

Status ParseEnumCell(const TypeInfo& type, std::string_view text, void* value) {
  const EnumValue* named = FindEnumName(type, text);
  int64_t number = 0;
  if (named == nullptr && ParseAll(text, number)) named = FindEnumValue(type, number);
  if (named == nullptr) {
    std::string names;
    for (const EnumValue& one : type.enum_values) names += (names.empty() ? "" : ", ") + one.name;
    return InvalidArgument("expected one of {}, found {}", names, ShownCell(text));
  }
  WriteInteger(type.enum_storage, value, named->value);
  return OkStatus();
}

}  // namespace

CsvParser::CsvParser(const TypeInfo& type, const CsvOptions& options)
    : type_(type), options_(options), fields_(CsvFieldsOf(type)) {
  for (const CsvField& field : fields_) columns_.push_back(&field);
}

Status CsvParser::SetColumns(const std::vector<std::string>& names) {
  columns_.clear();
  for (const std::string& name : names) {
    const auto found = std::find_if(fields_.begin(), fields_.end(), [&](const CsvField& f) { return f.name == name; });
    const CsvField* field = found == fields_.end() ? nullptr : &*found;
    if (field != nullptr && std::find(columns_.begin(), columns_.end(), field) != columns_.end()) {
      return InvalidArgument("two columns are named '{}'", name);
    }
    columns_.push_back(field);
  }
  defaults_.clear();
  std::string wanted;
  for (const CsvField& field : fields_) {
    wanted += (wanted.empty() ? "" : ", ") + field.name;
    if (std::find(columns_.begin(), columns_.end(), &field) == columns_.end()) defaults_.push_back(&field);
  }
  if (defaults_.size() < fields_.size()) return OkStatus();
  std::string found;
  for (const std::string& name : names) found += (found.empty() ? "" : ", ") + name;
  return InvalidArgument(
      "no column is a field of {}: expected some of {}, found {}; if the first line is no header, "
      "say .Columns({{...}})",
      type_.name, wanted, ShownCell(found));
}

Status CsvParser::SetHeader(std::string_view header) {
  while (!header.empty() && (header.back() == '\n' || header.back() == '\r')) header.remove_suffix(1);
  if (header == header_) return OkStatus();
  std::vector<std::string> names;
  std::string_view rest = header;
  for (bool more = true; more;) {
    Cell cell;
    EAGRE_RETURN_IF_ERROR(NextCell(rest, cell, more));
    names.emplace_back(WithoutBlanks(cell.text));
  }
  EAGRE_RETURN_IF_ERROR(SetColumns(names));
  header_ = header;
  return OkStatus();
}

void CsvParser::BeginWindow(std::string_view window, bool last) {
  window_ = window;
  at_ = 0;
  unread_ = 0;
  last_ = last;
}

size_t CsvParser::EndOfRow(size_t at) const {
  const char* from = window_.data() + at;
  const char* const end = window_.data() + window_.size();
  // A row is complete where its quotes are even in number.
  bool quoted = false;
  for (const char* line = from;;) {
    const auto* end_of_line = static_cast<const char*>(std::memchr(line, '\n', static_cast<size_t>(end - line)));
    if (end_of_line == nullptr) end_of_line = end;
    if (options_.multiline && std::count(line, end_of_line, kQuote) % 2 != 0) quoted = !quoted;
    if (!quoted) return static_cast<size_t>(end_of_line - window_.data());
    if (end_of_line == end) return std::string_view::npos;
    line = end_of_line + 1;
  }
}

bool CsvParser::NextRow(void* record, ParsedLine& row) {
  while (at_ < window_.size()) {
    size_t end = EndOfRow(at_);
    if (end == std::string_view::npos) {
      if (!last_) {
        unread_ = window_.size() - at_;
        return false;
      }
      end = window_.size();
    }
    row.offset = at_;
    row.text = window_.substr(at_, end - at_);
    at_ = std::min(end + 1, window_.size());
    if (!row.text.empty() && row.text.back() == '\r') row.text.remove_suffix(1);
    if (row.text.empty()) continue;
    row.status = ParseRow(row.text, record);
    return true;
  }
  return false;
}

bool CsvParser::Unquote(std::string_view rest, std::string_view& text, size_t& end) {
  unquoted_.clear();
  for (size_t from = 1;;) {
    const size_t quote = rest.find(kQuote, from);
    if (quote == std::string_view::npos) return false;
    end = quote + 1;
    if (end == rest.size() || rest[end] != kQuote) {
      text = rest.substr(from, quote - from);
      if (from == 1) return true;
      text = unquoted_.append(text);
      return true;
    }
    unquoted_.append(rest, from, end - from);
    from = end + 1;
  }
}

Status CsvParser::NextCell(std::string_view& rest, Cell& cell, bool& more) {
  cell.quoted = !rest.empty() && rest.front() == kQuote;
  size_t end = 0;
  if (!cell.quoted) {
    end = std::min(rest.find(options_.delimiter), rest.size());
    cell.text = rest.substr(0, end);
  } else if (!Unquote(rest, cell.text, end)) {
    return InvalidArgument("a quote is opened and not closed{}",
                           options_.multiline ? "" : "; if rows hold ends of line, say .MultilineRows()");
  } else if (end < rest.size() && rest[end] != options_.delimiter) {
    return InvalidArgument("expected '{}' behind a closing quote, found {}", options_.delimiter,
                           ShownCell(rest.substr(end)));
  }
  more = end < rest.size();
  rest.remove_prefix(more ? end + 1 : end);
  return OkStatus();
}

Status CsvParser::ParseRow(std::string_view row, void* record) {
  auto* const fields = static_cast<char*>(record);
  size_t column = 0;
  std::string_view rest = row;
  for (bool more = true; more; ++column) {
    Cell cell;
    EAGRE_RETURN_IF_ERROR(NextCell(rest, cell, more));
    if (column >= columns_.size() || columns_[column] == nullptr) continue;
    const CsvField& field = *columns_[column];
    const Status parsed = ParseCell(*field.type, cell, fields + field.offset);
    if (!parsed.ok()) [[unlikely]]
      return WithContext(parsed, fmt::format("column '{}'", field.name));
  }
  if (column != columns_.size()) {
    return InvalidArgument("expected {} columns{}, found {}", columns_.size(),
                           header_.empty() ? "" : " as in the header", column);
  }
  for (const CsvField* field : defaults_) {
    field->type->assign(fields + field->offset, static_cast<const char*>(type_.default_value) + field->offset);
  }
  return OkStatus();
}

Status CsvParser::ParseCell(const TypeInfo& type, const Cell& cell, void* value) {
  if (type.kind == TypeKind::kString) {
    static_cast<std::string*>(value)->assign(cell.text);
    return OkStatus();
  }
  if (type.kind == TypeKind::kOptional) {
    if (cell.text.empty() && !cell.quoted) {
      type.optional->reset(value);
      return OkStatus();
    }
    return ParseCell(*type.element, cell, type.optional->emplace(value));
  }
  const std::string_view text = WithoutBlanks(cell.text);
  switch (type.kind) {
    case TypeKind::kFloat: return ParseFloating<float>(text, value);
    case TypeKind::kDouble: return ParseFloating<double>(text, value);
    case TypeKind::kVector:
    case TypeKind::kMap:
    case TypeKind::kRecord: return json_.Parse(text, 0, type, value);
    default: break;
  }
  if (text.empty()) return InvalidArgument("expected a value ({}), found none; make the field optional", type.name);
  switch (type.kind) {
    case TypeKind::kBool: return ParseBool(text, value);
    case TypeKind::kTimestamp: return ParseTime(text, value);
    case TypeKind::kEnum: return ParseEnumCell(type, text, value);
    case TypeKind::kDecimal: {
      EAGRE_ASSIGN_OR_RETURN(*static_cast<Decimal*>(value), Decimal::Parse(text));
      return OkStatus();
    }
    default: return ParseIntegerCell(type, text, value);
  }
}

}  // namespace eagre
