#include "cli/settings.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "base/daemon_options.h"
#include "base/file_system.h"
#include "jobmanager/checkpoint_options.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr const char* kConfigFileName = "eagre.yaml";

constexpr std::string_view kGraphKeys[] = {"parallelism.default", "pipeline.max-parallelism",
                                           "pipeline.operator-chaining.enabled"};

// "" when there is no file to read.
std::string ConfigFilePath(const GlobalOptions& global, FileSystem& files) {
  if (!global.config_file.empty()) return global.config_file;
  if (files.Exists(kConfigFileName)) return kConfigFileName;
  const char* directory = std::getenv("EAGRE_CONF_DIR");
  if (directory == nullptr || *directory == '\0') return "";
  const std::string path = JoinPath(directory, kConfigFileName);
  return files.Exists(path) ? path : "";
}

bool IsPort(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= 65535;
}

}  // namespace

StatusOr<Configuration> LoadConfig(const GlobalOptions& global) {
  FileSystem& files = PosixFileSystem();
  Configuration config;
  const std::string path = ConfigFilePath(global, files);
  if (!path.empty()) EAGRE_RETURN_IF_ERROR(config.LoadFile(files, path));
  for (const std::string& property : global.dynamic_properties) EAGRE_RETURN_IF_ERROR(config.SetProperty(property));
  return config;
}

void AddJobManagerOption(Verb& verb, std::string& address) {
  verb.Option("-m,--jobmanager", address, "The JobManager's RPC address", {.value_name = "HOST:PORT"});
}

StatusOr<std::string> JobManagerAddress(const Configuration& config, const std::string& option) {
  std::string host = option.empty() ? config.GetString("jobmanager.rpc.address") : option;
  if (host.empty()) host = "localhost";
  const size_t colon = host.rfind(':');
  if (colon == std::string::npos) return fmt::format("{}:{}", host, config.GetInt("jobmanager.rpc.port"));
  if (colon == 0 || !IsPort(std::string_view(host).substr(colon + 1))) {
    return InvalidArgument("'{}' is not the address of a JobManager: expected host:port, such as localhost:6123", host);
  }
  return host;
}

StatusOr<std::string> JobManagerAddress(const GlobalOptions& global, const std::string& option) {
  EAGRE_ASSIGN_OR_RETURN(const Configuration config, LoadConfig(global));
  return JobManagerAddress(config, option);
}

void AddParallelismOption(Verb& verb, int& parallelism) {
  verb.Option("-p,--parallelism", parallelism, "Parallelism of operators for which the job sets none",
              {.value_name = "N", .positive = true});
}

Status SetParallelism(int parallelism, Configuration& config) {
  return parallelism == 0 ? OkStatus() : config.Set("parallelism.default", std::to_string(parallelism), "-p");
}

std::string AbsoluteFolder(const std::string& folder) {
  if (folder.empty() || folder.starts_with('/') || folder.find(':') != std::string::npos) return folder;
  char* const here = getcwd(nullptr, 0);
  if (here == nullptr) return folder;  // it is gone; the JobManager says what it expects
  const std::string path = JoinPath(here, folder);
  std::free(here);
  return path;
}

Status MakeFoldersAbsolute(Configuration& config) {
  for (const char* key : {"execution.checkpointing.dir", "execution.checkpointing.savepoint-dir"}) {
    const std::string folder = config.GetString(key);
    if (folder.empty()) continue;
    EAGRE_RETURN_IF_ERROR(config.Set(key, AbsoluteFolder(folder), config.Origin(key)));
  }
  return OkStatus();
}

StatusOr<std::string> CheckpointFolder(const std::string& path, const std::string& what) {
  EAGRE_ASSIGN_OR_RETURN(std::string folder, AbsolutePath(AbsoluteFolder(path), what));
  return BaseName(folder) == kCheckpointMetadataFile ? ParentPath(folder) : folder;
}

std::map<std::string, std::string> JobProperties(const Configuration& config) {
  std::map<std::string, std::string> properties = config.ExplicitValues();
  std::erase_if(properties, [](const auto& property) { return IsDaemonOption(property.first); });
  for (const std::string_view key : kGraphKeys) properties.emplace(key, config.Text(key));
  return properties;
}

}  // namespace eagre
