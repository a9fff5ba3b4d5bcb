#include "cli/resume_command.h"

#include <algorithm>
#include <string_view>

#include "base/file_system.h"
#include "jobmanager/checkpoint_options.h"

namespace eagre {
namespace {

std::string Quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return isalnum(c) != 0 || std::string_view("-_./:=,+@%").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  quoted += '\'';
  return quoted;
}

}  // namespace

StatusOr<std::string> FinalCheckpointFolder(Configuration config, const proto::SubmitJobHeader& header) {
  EAGRE_RETURN_IF_ERROR(config.SetAll(header.graph().config(), "the job's own configuration"));
  EAGRE_ASSIGN_OR_RETURN(const CheckpointOptions options, CheckpointOptions::FromConfiguration(config));
  if (options.directory.empty()) return std::string();
  return options.savepoint_directory.empty() ? options.directory : options.savepoint_directory;
}

StatusOr<std::vector<std::string>> OwnCommandLine() {
  EAGRE_ASSIGN_OR_RETURN(const std::string line, PosixFileSystem().ReadFile("/proc/self/cmdline"));
  std::vector<std::string> words;
  for (size_t at = 0; at < line.size(); at = line.find('\0', at) + 1) words.emplace_back(line.c_str() + at);
  return words;
}

std::string ResumeCommand(const std::vector<std::string>& command, const std::string& savepoint) {
  std::string text;
  bool of_job = false;  // behind `--`
  bool added = false;
  const auto add = [&](const std::string& word) {
    if (!text.empty()) text += ' ';
    text += Quoted(word);
  };
  for (size_t i = 0; i < command.size(); ++i) {
    const std::string& word = command[i];
    of_job = of_job || word == "--";
    if (!of_job && (word == "-s" || word == "--fromSavepoint")) {
      ++i;
      continue;
    }
    if (!of_job && (word.starts_with("--fromSavepoint=") || (word.starts_with("-s") && word.size() > 2))) continue;
    add(word);
    if (added || word != "run") continue;
    added = true;
    add("-s");
    add(savepoint);
  }
  return text;
}

}  // namespace eagre
