#include "record/csv_writer.h"

#include <cmath>
#include <string_view>

#include "record/decimal.h"
#include "record/json_writer.h"
#include "record/timestamp.h"

namespace eagre {

void CsvWriter::AppendText(std::string_view text, bool always_quoted, std::string& out) const {
  const bool blank_at_an_end = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  const char special[] = {delimiter_, '"', '\n', '\r'};
  if (!always_quoted && !blank_at_an_end &&
      text.find_first_of(std::string_view(special, sizeof(special))) == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void CsvWriter::AppendCell(const TypeInfo& type, const void* value, std::string& out) const {
  switch (type.kind) {
    case TypeKind::kString: return AppendText(*static_cast<const std::string*>(value), false, out);
    case TypeKind::kTimestamp: return AppendText(static_cast<const Timestamp*>(value)->ToString(), false, out);
    case TypeKind::kFloat:
      if (std::isnan(*static_cast<const float*>(value))) return;
      out += fmt::format("{}", *static_cast<const float*>(value));
      return;
    case TypeKind::kDouble:
      if (std::isnan(*static_cast<const double*>(value))) return;
      out += fmt::format("{}", *static_cast<const double*>(value));
      return;
    case TypeKind::kDecimal: return static_cast<const Decimal*>(value)->AppendTo(out);
    case TypeKind::kEnum: {
      const int64_t number = ReadInteger(type.enum_storage, value);
      const EnumValue* named = FindEnumValue(type, number);
      return AppendText(named != nullptr ? named->name : std::to_string(number), false, out);
    }
    case TypeKind::kOptional: {
      const void* held = type.optional->get(value);
      if (held == nullptr) return;
      const bool empty_text = type.element->kind == TypeKind::kString && static_cast<const std::string*>(held)->empty();
      return empty_text ? AppendText("", true, out) : AppendCell(*type.element, held, out);
    }
    case TypeKind::kVector:
    case TypeKind::kMap:
    case TypeKind::kRecord: {
      std::string json;
      AppendJson(type, value, json);
      return AppendText(json, false, out);
    }
    default: return AppendJson(type, value, out);
  }
}

std::string CsvWriter::Header() const {
  std::string header;
  for (const CsvField& field : fields_) {
    if (&field != fields_.data()) header += delimiter_;
    AppendText(field.name, false, header);
  }
  return header + '\n';
}

void CsvWriter::AppendRow(const void* record, std::string& out) const {
  const size_t start = out.size();
  for (const CsvField& field : fields_) {
    if (&field != fields_.data()) out += delimiter_;
    AppendCell(*field.type, static_cast<const char*>(record) + field.offset, out);
  }
  // An empty line would be passed over when it is read.
  if (out.size() == start) AppendText("", true, out);
  out += '\n';
}

}  // namespace eagre
