// What follows an interrupted run in this process: its final checkpoint, and the command that goes on from there.
#pragma once

#include <string>
#include <vector>

#include "base/config.h"
#include "base/status.h"
#include "proto/client.pb.h"

namespace eagre {

// The folder in which an interrupted job leaves a savepoint; empty when it takes no checkpoints. `config` lies under
// the job's own.
StatusOr<std::string> FinalCheckpointFolder(Configuration config, const proto::SubmitJobHeader& header);

// The words of this process's command line.
StatusOr<std::vector<std::string>> OwnCommandLine();

// The command of an `eagre run`, so that it begins with `savepoint`; quoted for a shell.
std::string ResumeCommand(const std::vector<std::string>& command, const std::string& savepoint);

}  // namespace eagre
