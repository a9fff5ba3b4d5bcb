// The configuration: every key that Eagre knows, with its type, default and meaning, and the values set for a process
// or job.
//
// Keys that mean the same as in Flink have Flink's names. A key that is not in the table, or a value of another type,
// is an error that names where it was written, what was expected and the nearest known key.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace eagre {

enum class OptionType { kString, kInt, kBool, kDouble, kDuration, kMemorySize, kEnum, kList, kPort, kPortRange };

// A row of the table.
struct ConfigOption {
  std::string_view key;
  OptionType type;
  std::string_view default_value;  // as a user would write it
  std::string_view meaning;        // one or two sentences
  std::string_view group;          // heading in the documentation
  int64_t min = 0;                 // of kInt
  int64_t max = INT64_MAX;
  std::vector<std::string_view> allowed = {};  // of kEnum
};

// All options, in the order of the documentation.
std::span<const ConfigOption> ConfigOptions();
// Null when there is no such key.
const ConfigOption* FindConfigOption(std::string_view key);

struct PortRange {
  int first = 0;
  int last = 0;  // inclusive
};

// Values over defaults. A value: copy it freely. Asking for a key that is not in the table, or by the getter of another
// type, is a bug and aborts; that is why getters have no error.
class Configuration {
 public:
  std::string GetString(std::string_view key) const;  // kString, kEnum
  int64_t GetInt(std::string_view key) const;         // kInt, kPort
  bool GetBool(std::string_view key) const;
  double GetDouble(std::string_view key) const;
  int64_t GetDurationMs(std::string_view key) const;
  int64_t GetBytes(std::string_view key) const;  // kMemorySize
  std::vector<std::string> GetList(std::string_view key) const;
  PortRange GetPortRange(std::string_view key) const;

  // The value as text, and where it comes from: "default", "eagre.yaml:12", "-D".
  std::string Text(std::string_view key) const;
  std::string Origin(std::string_view key) const;
  // False when the default holds.
  bool IsSet(std::string_view key) const;

  // Checks and sets one value; `origin` stands in the message of a failure and in Origin.
  Status Set(std::string_view key, std::string_view value, std::string_view origin);
  // "key=value" from the command line.
  Status SetProperty(std::string_view property);
  // A YAML document of nested or dotted keys; `name` is its file name for messages and origins. All errors of the
  // document are reported, one per line; nothing is set then.
  Status LoadYaml(std::string_view text, std::string_view name);
  Status LoadFile(FileSystem& files, const std::string& path);

  // What was set, e.g. to send it to a worker, and back.
  std::map<std::string, std::string> ExplicitValues() const;
  template <typename Map>
  Status SetAll(const Map& values, std::string_view origin) {
    for (const auto& [key, value] : values) EAGRE_RETURN_IF_ERROR(Set(key, value, origin));
    return OkStatus();
  }

 private:
  struct Entry {
    std::string text;
    std::string origin;
  };
  std::map<std::string, Entry, std::less<>> values_;
};

// For `eagre config`: every key with its default, its meaning and what `config` sets as text for a terminal.
std::string RenderConfigTable(const Configuration& config = {});
// The page docs/configuration.md.
std::string RenderConfigMarkdown();

}  // namespace eagre
