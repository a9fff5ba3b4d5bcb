// Configuration from a YAML document.
#include <yaml-cpp/yaml.h>

#include <utility>

#include "base/config.h"

namespace eagre {
namespace {

struct YamlSetting {
  std::string key;
  std::string value;
  std::string origin;  // file:line
};

// Walks one document and gathers its settings and its errors.
class YamlSettings {
 public:
  explicit YamlSettings(std::string_view file) : file_(file) {}

  void AddMapping(const YAML::Node& mapping, const std::string& prefix) {
    for (const auto& entry : mapping) {
      if (!entry.first.IsScalar()) {
        AddError(entry.first.Mark(), "a key is expected to be text");
        continue;
      }
      AddEntry(entry.first, entry.second, prefix.empty() ? entry.first.Scalar() : prefix + "." + entry.first.Scalar());
    }
  }

  void AddError(const YAML::Mark& mark, std::string_view what) {
    errors_ += fmt::format("{}{}: {}", errors_.empty() ? "" : "\n", At(mark), what);
  }
  void AddError(std::string_view message) { errors_ += fmt::format("{}{}", errors_.empty() ? "" : "\n", message); }

  const std::vector<YamlSetting>& settings() const { return settings_; }
  const std::string& errors() const { return errors_; }

 private:
  // yaml-cpp counts lines from 0.
  std::string At(const YAML::Mark& mark) const { return fmt::format("{}:{}", file_, mark.line + 1); }

  void AddEntry(const YAML::Node& key_node, const YAML::Node& value, const std::string& key) {
    if (value.IsMap()) {
      if (FindConfigOption(key) != nullptr) {
        AddError(key_node.Mark(), fmt::format("'{}' is expected to have a value, not keys below it", key));
        return;
      }
      AddMapping(value, key);
      return;
    }
    std::string text;
    if (value.IsSequence()) {
      for (const YAML::Node& item : value) {
        if (!item.IsScalar()) {
          AddError(item.Mark(), fmt::format("an item of '{}' is expected to be text or a number", key));
          return;
        }
        text += (text.empty() ? "" : ",") + item.Scalar();
      }
    } else if (value.IsScalar()) {
      text = value.Scalar();
    }
    for (const YamlSetting& earlier : settings_) {
      if (earlier.key == key) {
        AddError(key_node.Mark(), fmt::format("'{}' is set a second time; the first is at {}", key, earlier.origin));
        return;
      }
    }
    settings_.push_back({key, std::move(text), At(key_node.Mark())});
  }

  const std::string file_;
  std::vector<YamlSetting> settings_;
  std::string errors_;
};

}  // namespace

Status Configuration::LoadYaml(std::string_view text, std::string_view name) {
  YamlSettings document(name);
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (root.IsMap()) {
      document.AddMapping(root, "");
    } else if (!root.IsNull()) {
      document.AddError(root.Mark(), "expected lines of the form 'key: value'");
    }
  } catch (const YAML::Exception& error) {
    return InvalidArgument("{}:{}: this is not YAML: {}", name, error.mark.line + 1, error.msg);
  }
  Configuration loaded = *this;
  for (const YamlSetting& setting : document.settings()) {
    const Status status = loaded.Set(setting.key, setting.value, setting.origin);
    if (!status.ok()) document.AddError(StatusMessage(status));
  }
  if (!document.errors().empty()) return MakeStatus(absl::StatusCode::kInvalidArgument, document.errors());
  *this = std::move(loaded);
  return OkStatus();
}

Status Configuration::LoadFile(FileSystem& files, const std::string& path) {
  EAGRE_ASSIGN_OR_RETURN(const std::string text, files.ReadFile(path));
  return LoadYaml(text, path);
}

}  // namespace eagre
