#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/key_counts.h"
#include "cli/settings.h"
#include "cli/state_report.h"
#include "jobmanager/restore_check.h"

namespace eagre {
namespace {

StatusOr<std::string> Inspect(const std::string& named) {
  EAGRE_ASSIGN_OR_RETURN(const std::string path, CheckpointFolder(named, "PATH"));
  EAGRE_ASSIGN_OR_RETURN(const proto::CheckpointMetadata metadata, ReadRestorePoint(PosixFileSystem(), path));
  EAGRE_ASSIGN_OR_RETURN(const KeyCounts keys, VerifyAndCountKeys(PosixFileSystem(), path, metadata));
  return RenderCheckpoint(metadata, keys, path);
}

int RunInspect(const std::string& path) {
  const StatusOr<std::string> report = Inspect(path);
  if (!report.ok()) return ReportFailure("state inspect", report.status());
  fmt::print("{}", *report);
  return 0;
}

}  // namespace

void AddStateCommand(Verb& eagre) {
  Verb verb = eagre.AddVerb("state", "Looks into checkpoints and savepoints");
  Verb inspect = verb.AddVerb("inspect", "Shows what a checkpoint or savepoint consists of");
  const auto path = std::make_shared<std::string>();
  inspect.Option("path", *path, "Its folder", {.value_name = "PATH", .required = true});
  inspect.Run([path](const Invocation& invocation) { return RunInspect(*path); });
}

}  // namespace eagre
