#include "base/config.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/duration.h"
#include "base/edit_distance.h"
#include "base/older_keys.h"

namespace eagre {
namespace {

constexpr int kLargestPort = 65535;

std::string_view TrimBlanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

template <typename Number>
std::optional<Number> ParseWholeNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(",;"), text.size());
    const std::string_view item = TrimBlanks(text.substr(0, end));
    if (!item.empty()) items.emplace_back(item);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

constexpr std::string_view kInfinite = "infinite";

std::optional<int64_t> ParseIntOption(const ConfigOption& option, std::string_view text) {
  if (option.default_value == kInfinite && text == kInfinite) return std::numeric_limits<int64_t>::max();
  const auto number = ParseWholeNumber<int64_t>(text);
  if (!number.has_value() || *number < option.min || *number > option.max) return std::nullopt;
  return number;
}

std::optional<PortRange> ParsePorts(std::string_view text, bool range_allowed) {
  const size_t dash = range_allowed ? text.find('-') : std::string_view::npos;
  const auto first = ParseWholeNumber<int>(TrimBlanks(text.substr(0, dash)));
  const auto last = dash == std::string_view::npos ? first : ParseWholeNumber<int>(TrimBlanks(text.substr(dash + 1)));
  if (!first || !last || *first < 0 || *last > kLargestPort || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

std::optional<double> ParseDoubleOption(const ConfigOption& option, std::string_view text) {
  const auto number = ParseWholeNumber<double>(text);
  const double max = option.max == INT64_MAX ? std::numeric_limits<double>::max() : static_cast<double>(option.max);
  if (!number.has_value() || !(*number >= static_cast<double>(option.min)) || *number > max) return std::nullopt;
  return number;
}

// What a message says after "expected".
std::string ExpectedValue(const ConfigOption& option) {
  switch (option.type) {
    case OptionType::kString: return "text";
    case OptionType::kInt: {
      std::string expected = option.max == INT64_MAX
                                 ? fmt::format("a whole number of at least {}", option.min)
                                 : fmt::format("a whole number from {} to {}", option.min, option.max);
      if (option.default_value == kInfinite) expected += " or 'infinite'";
      return expected;
    }
    case OptionType::kBool: return "true or false";
    case OptionType::kDouble:
      return option.max == INT64_MAX ? fmt::format("a number of at least {}", option.min)
                                     : fmt::format("a number from {} to {}", option.min, option.max);
    case OptionType::kDuration: return "a duration such as '10 s', '200 ms' or '5 min'";
    case OptionType::kMemorySize: return "a memory size such as '32kb', '64mb' or '1gb'";
    case OptionType::kEnum: {
      std::string names;
      for (const std::string_view name : option.allowed) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
      return "one of " + names;
    }
    case OptionType::kList: return "a list such as 'a,b'";
    case OptionType::kPort: return "a port from 0 to 65535";
    case OptionType::kPortRange: return "a port from 0 to 65535 or a range such as '9249-9260'";
  }
  return "";
}

bool IsValidValue(const ConfigOption& option, std::string_view text) {
  switch (option.type) {
    case OptionType::kString:
    case OptionType::kList: return true;
    case OptionType::kInt: return ParseIntOption(option, text).has_value();
    case OptionType::kBool: return EqualIgnoringCase(text, "true") || EqualIgnoringCase(text, "false");
    case OptionType::kDouble: return ParseDoubleOption(option, text).has_value();
    case OptionType::kDuration: return ParseDurationMs(text).ok();
    case OptionType::kMemorySize: return ParseMemorySize(text).ok();
    case OptionType::kEnum:
      return std::any_of(option.allowed.begin(), option.allowed.end(),
                         [&](std::string_view name) { return EqualIgnoringCase(name, text); });
    case OptionType::kPort: return ParsePorts(text, /*range_allowed=*/false).has_value();
    case OptionType::kPortRange: return ParsePorts(text, /*range_allowed=*/true).has_value();
  }
  return false;
}

Status UnknownKey(std::string_view key, std::string_view origin) {
  // Nothing is nearer than an older name of the same.
  std::string nearest(KeyOfOlderName(key));
  if (nearest.empty()) {
    NearestWord known(key, std::max<size_t>(3, key.size() / 3));
    for (const ConfigOption& option : ConfigOptions()) known.Offer(option.key);
    nearest = known.found();
  }
  if (nearest.empty()) {
    return InvalidArgument("{}: unknown key '{}'; `eagre config` lists all keys", origin, key);
  }
  return InvalidArgument("{}: unknown key '{}'; did you mean '{}'?", origin, key, nearest);
}

const ConfigOption& KnownOption(std::string_view key) {
  const ConfigOption* option = FindConfigOption(key);
  EAGRE_CHECK_MSG(option != nullptr, fmt::format("no configuration key '{}' in base/config_options.cc", key));
  return *option;
}

void CheckOptionType(const ConfigOption& option, std::initializer_list<OptionType> types) {
  EAGRE_CHECK_MSG(std::find(types.begin(), types.end(), option.type) != types.end(),
                  fmt::format("configuration key '{}' is asked for as another type than it has", option.key));
}

}  // namespace

std::string Configuration::Text(std::string_view key) const {
  const auto entry = values_.find(key);
  return entry != values_.end() ? entry->second.text : std::string(KnownOption(key).default_value);
}

std::string Configuration::Origin(std::string_view key) const {
  KnownOption(key);
  const auto entry = values_.find(key);
  return entry != values_.end() ? entry->second.origin : "default";
}

bool Configuration::IsSet(std::string_view key) const {
  KnownOption(key);
  return values_.contains(key);
}

std::string Configuration::GetString(std::string_view key) const {
  const ConfigOption& option = KnownOption(key);
  CheckOptionType(option, {OptionType::kString, OptionType::kEnum});
  std::string text = Text(key);
  for (const std::string_view name : option.allowed) {
    if (EqualIgnoringCase(name, text)) return std::string(name);
  }
  return text;
}

int64_t Configuration::GetInt(std::string_view key) const {
  const ConfigOption& option = KnownOption(key);
  CheckOptionType(option, {OptionType::kInt, OptionType::kPort});
  const std::string text = Text(key);
  return option.type == OptionType::kPort ? ParsePorts(text, false)->first : *ParseIntOption(option, text);
}

bool Configuration::GetBool(std::string_view key) const {
  CheckOptionType(KnownOption(key), {OptionType::kBool});
  return EqualIgnoringCase(Text(key), "true");
}

double Configuration::GetDouble(std::string_view key) const {
  const ConfigOption& option = KnownOption(key);
  CheckOptionType(option, {OptionType::kDouble});
  return *ParseDoubleOption(option, Text(key));
}

int64_t Configuration::GetDurationMs(std::string_view key) const {
  CheckOptionType(KnownOption(key), {OptionType::kDuration});
  return *ParseDurationMs(Text(key));
}

int64_t Configuration::GetBytes(std::string_view key) const {
  CheckOptionType(KnownOption(key), {OptionType::kMemorySize});
  return *ParseMemorySize(Text(key));
}

std::vector<std::string> Configuration::GetList(std::string_view key) const {
  CheckOptionType(KnownOption(key), {OptionType::kList});
  return SplitList(Text(key));
}

PortRange Configuration::GetPortRange(std::string_view key) const {
  CheckOptionType(KnownOption(key), {OptionType::kPort, OptionType::kPortRange});
  return *ParsePorts(Text(key), true);
}

Status Configuration::Set(std::string_view key, std::string_view value, std::string_view origin) {
  const ConfigOption* option = FindConfigOption(key);
  if (option == nullptr) return UnknownKey(key, origin);
  const std::string_view text = TrimBlanks(value);
  if (!IsValidValue(*option, text)) {
    return InvalidArgument("{}: '{}' is no value for '{}'; expected {}", origin, text, key, ExpectedValue(*option));
  }
  values_.insert_or_assign(std::string(key), Entry{std::string(text), std::string(origin)});
  return OkStatus();
}

Status Configuration::SetProperty(std::string_view property) {
  const size_t equals = property.find('=');
  if (equals == std::string_view::npos) {
    return InvalidArgument("-D {}: expected -D key=value, e.g. -D parallelism.default=4", property);
  }
  return Set(TrimBlanks(property.substr(0, equals)), property.substr(equals + 1), "-D");
}

std::map<std::string, std::string> Configuration::ExplicitValues() const {
  std::map<std::string, std::string> result;
  for (const auto& [key, entry] : values_) result.emplace(key, entry.text);
  return result;
}

}  // namespace eagre
