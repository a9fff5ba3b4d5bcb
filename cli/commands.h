// The verbs of `eagre`. Each Add function declares one verb with its options and what it does.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/verb.h"

namespace eagre {

void AddJobManagerCommand(Verb& eagre);
void AddTaskManagerCommand(Verb& eagre);
void AddLocalCommand(Verb& eagre);
void AddPlanCommand(Verb& eagre);
void AddRunCommand(Verb& eagre);
void AddListCommand(Verb& eagre);
void AddInfoCommand(Verb& eagre);
void AddCancelCommand(Verb& eagre);
void AddStopCommand(Verb& eagre);
void AddSavepointCommand(Verb& eagre);
void AddCheckpointCommand(Verb& eagre);
void AddStateCommand(Verb& eagre);
void AddLogsCommand(Verb& eagre);
void AddConfigCommand(Verb& eagre);
void AddVersionCommand(Verb& eagre);

// "Version: 0.1.0", and what the build is made for.
std::string VersionText();

// Prints the failure on standard error, as "eagre <verb>: <message>", and returns the exit status 1.
int ReportFailure(std::string_view verb, const Status& status);

}  // namespace eagre
