// The binary `eagre`: parses the command line and hands over to a verb.
#include <signal.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "taskmanager/worker_main.h"

namespace eagre {
namespace {

constexpr const char* kJobArgsHint =
    "The job's own arguments follow `--`:\n"
    "  eagre run jobs/fraud_detection.so -- --input transactions.ndjson\n";

void AddVerbs(Verb& eagre) {
  AddRunCommand(eagre);
  AddInfoCommand(eagre);
  AddListCommand(eagre);
  AddCancelCommand(eagre);
  AddStopCommand(eagre);
  AddSavepointCommand(eagre);
  AddCheckpointCommand(eagre);
  AddStateCommand(eagre);
  AddLogsCommand(eagre);
  AddPlanCommand(eagre);
  AddLocalCommand(eagre);
  AddJobManagerCommand(eagre);
  AddTaskManagerCommand(eagre);
  AddConfigCommand(eagre);
  AddVersionCommand(eagre);
}

}  // namespace
}  // namespace eagre

int main(int argc, char** argv) {
  // A peer or a reader of our output that went away is an error of that write, not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  // The hidden verb: only a TaskManager says it, and its options are the worker's own business.
  if (argc > 1 && std::string_view(argv[1]) == "worker") return eagre::WorkerMain(argc - 2, argv + 2);
  return eagre::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc), eagre::VersionText(),
                               eagre::kJobArgsHint, eagre::AddVerbs);
}
