#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/key_counts.h"
#include "cli/state_report.h"
#include "jobmanager/restore_check.h"

namespace eagre {
namespace {

int RunInspect(const std::string& path) {
  const StatusOr<proto::CheckpointMetadata> metadata = ReadRestorePoint(PosixFileSystem(), path);
  if (!metadata.ok()) return ReportFailure("state inspect", metadata.status());
  const StatusOr<KeyCounts> keys = CountKeys(PosixFileSystem(), path, *metadata);
  if (!keys.ok()) return ReportFailure("state inspect", keys.status());
  fmt::print("{}", RenderCheckpoint(*metadata, *keys, path));
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
