#include "eagre/job_args.h"

#include <charconv>
#include <utility>

#include "base/duration.h"

namespace eagre {
namespace {

template <typename Number>
bool ParseWholeText(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// Integers of the width that has so many bytes.
template <typename... Widths>
std::string FormatInteger(const void* value, size_t bytes) {
  std::string text;
  ((bytes == sizeof(Widths) ? void(text = std::to_string(*static_cast<const Widths*>(value))) : void()), ...);
  return text;
}

template <typename... Widths>
bool StoreInteger(std::string_view text, void* value, size_t bytes) {
  return ((bytes == sizeof(Widths) && ParseWholeText(text, *static_cast<Widths*>(value))) || ...);
}

}  // namespace

StatusOr<JobArgs> JobArgs::Parse(const std::vector<std::string>& args) {
  JobArgs parsed;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (!arg.starts_with("--") || arg.size() == 2) {
      return InvalidArgument("job argument '{}': expected --name value, --name=value or --flag", arg);
    }
    const size_t equals = arg.find('=');
    std::string name = arg.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    std::string value = "true";
    if (equals != std::string::npos) {
      value = arg.substr(equals + 1);
    } else if (i + 1 < args.size() && !args[i + 1].starts_with("--")) {
      value = args[++i];
    }
    if (!parsed.values_.emplace(std::move(name), std::move(value)).second) {
      return InvalidArgument("job argument '{}' is given twice", arg);
    }
  }
  return parsed;
}

void JobArgs::NoteError(Status error) const {
  if (error_.ok()) error_ = std::move(error);
}

bool JobArgs::Has(std::string_view name) const {
  known_[std::string(name)] = true;
  return values_.contains(name);
}

std::string_view JobArgs::TypeName(Type type) {
  switch (type) {
    case Type::kText: return "text";
    case Type::kBool: return "true or false";
    case Type::kInteger: return "a whole number";
    case Type::kUnsigned: return "a whole number from 0";
    case Type::kNumber: return "a number";
    case Type::kDecimal: return "an amount";
    case Type::kTimestamp: return "a time as ISO 8601";
    case Type::kDuration: return "a duration such as '90 s' or '5 min'";
  }
  return "";
}

void JobArgs::Read(std::string_view name, const ValueSlot& slot, bool required, std::string_view help) const {
  const bool given = Has(name);
  asked_.push_back({.name = std::string(name),
                    .type = slot.type,
                    .required = required,
                    .default_text = slot.ToText(),
                    .help = std::string(help)});
  if (!given) {
    if (required) NoteError(InvalidArgument("the job needs the argument --{} (after `--` on the command line)", name));
    return;
  }
  const std::string& text = values_.find(name)->second;
  if (slot.Parse(text)) return;
  NoteError(InvalidArgument("job argument --{}: expected {}, found '{}'", name, TypeName(slot.type), text));
}

std::string JobArgs::ValueSlot::ToText() const {
  switch (type) {
    case Type::kText: return *static_cast<const std::string*>(value);
    case Type::kBool: return *static_cast<const bool*>(value) ? "true" : "false";
    case Type::kInteger: return FormatInteger<int64_t, int32_t, int16_t, int8_t>(value, bytes);
    case Type::kUnsigned: return FormatInteger<uint64_t, uint32_t, uint16_t, uint8_t>(value, bytes);
    case Type::kNumber:
      return bytes == sizeof(float) ? fmt::format("{}", *static_cast<const float*>(value))
                                    : fmt::format("{}", *static_cast<const double*>(value));
    case Type::kDecimal: return static_cast<const Decimal*>(value)->ToString();
    case Type::kTimestamp: return static_cast<const Timestamp*>(value)->ToString();
    case Type::kDuration: return FormatDurationMs(static_cast<const std::chrono::milliseconds*>(value)->count());
  }
  return "";
}

bool JobArgs::ValueSlot::Parse(std::string_view text) const {
  switch (type) {
    case Type::kText: *static_cast<std::string*>(value) = text; return true;
    case Type::kBool: *static_cast<bool*>(value) = text == "true"; return text == "true" || text == "false";
    case Type::kInteger: return StoreInteger<int64_t, int32_t, int16_t, int8_t>(text, value, bytes);
    case Type::kUnsigned: return StoreInteger<uint64_t, uint32_t, uint16_t, uint8_t>(text, value, bytes);
    case Type::kNumber:
      return bytes == sizeof(float) ? ParseWholeText(text, *static_cast<float*>(value))
                                    : ParseWholeText(text, *static_cast<double*>(value));
    case Type::kDecimal: {
      const StatusOr<Decimal> amount = Decimal::Parse(text);
      if (amount.ok()) *static_cast<Decimal*>(value) = *amount;
      return amount.ok();
    }
    case Type::kTimestamp: return Timestamp::TryParse(text, *static_cast<Timestamp*>(value));
    case Type::kDuration: {
      const StatusOr<int64_t> ms = ParseDurationMs(text);
      if (ms.ok()) *static_cast<std::chrono::milliseconds*>(value) = std::chrono::milliseconds(*ms);
      return ms.ok();
    }
  }
  return false;
}

bool JobArgs::wants_help() const {
  return values_.contains("help") && !known_.contains("help");
}

std::string JobArgs::HelpText() const {
  if (asked_.empty()) return "The job takes no arguments.\n";
  std::string text = "Arguments of the job, after `--`:\n";
  for (const Asked& asked : asked_) {
    text += fmt::format("  --{}{}\n", asked.name, asked.help.empty() ? "" : "  " + asked.help);
    text += fmt::format("      {}; {}\n", TypeName(asked.type),
                        asked.required ? "must be given" : fmt::format("default '{}'", asked.default_text));
  }
  return text;
}

Status JobArgs::error() const {
  if (!error_.ok()) return error_;
  for (const auto& [name, value] : values_) {
    if (known_.contains(name)) continue;
    return InvalidArgument("the job does not know the argument --{}; `-- --help` lists those that it knows", name);
  }
  return OkStatus();
}

}  // namespace eagre
