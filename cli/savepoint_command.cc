#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "client/job_client.h"

namespace eagre {
namespace {

struct SavepointOptions {
  std::string job_manager;
  std::string job_id;
  std::string directory;
  bool drain = false;
  bool detached = false;
};

void AddJobArgument(Verb& verb, SavepointOptions& options) {
  AddJobManagerOption(verb, options.job_manager);
  verb.Option("job", options.job_id, "ID of the job, as `eagre list` shows it",
              {.value_name = "JOB_ID", .required = true});
}

// Says `beginning` at once, since what follows takes its time.
StatusOr<std::unique_ptr<JobClient>> Connect(const GlobalOptions& global, const SavepointOptions& options,
                                             const std::string& beginning) {
  EAGRE_ASSIGN_OR_RETURN(const std::string address, JobManagerAddress(global, options.job_manager));
  fmt::print("{}\n", beginning);
  std::fflush(stdout);
  return std::make_unique<JobClient>(address);
}

void AddDetachedFlag(Verb& verb, SavepointOptions& options) {
  verb.Flag("-detached,--detached", options.detached, "Returns when the JobManager has taken the order");
}

// What a detached order ends with. Flink shows the order's id, by which its REST API knows it; here its name is.
std::string Ordered(const SavepointOptions& options, const char* what, const std::string& path) {
  return fmt::format(
      "Successfully trigger {}, triggerId: {}\nThe savepoint will be at {}\n`eagre info {}` shows when it is there.\n",
      what, BaseName(path), path, options.job_id);
}

StatusOr<std::string> OrderSavepoint(const GlobalOptions& global, const SavepointOptions& options) {
  EAGRE_ASSIGN_OR_RETURN(
      const std::unique_ptr<JobClient> client,
      Connect(global, options, fmt::format("Triggering savepoint in detached mode for job {}.", options.job_id)));
  EAGRE_ASSIGN_OR_RETURN(
      const std::string path,
      client->TriggerSavepoint(options.job_id, AbsoluteFolder(options.directory), /*detached=*/true));
  return Ordered(options, "manual savepoint", path);
}

StatusOr<std::string> OrderStop(const GlobalOptions& global, const SavepointOptions& options) {
  EAGRE_ASSIGN_OR_RETURN(
      const std::unique_ptr<JobClient> client,
      Connect(global, options,
              fmt::format("Triggering stop-with-savepoint in detached mode for job {}.", options.job_id)));
  EAGRE_ASSIGN_OR_RETURN(const std::string path, client->StopJob(options.job_id, AbsoluteFolder(options.directory),
                                                                 options.drain, /*detached=*/true));
  return Ordered(options, "stop-with-savepoint", path);
}

StatusOr<std::string> TakeSavepoint(const GlobalOptions& global, const SavepointOptions& options) {
  if (options.detached) return OrderSavepoint(global, options);
  EAGRE_ASSIGN_OR_RETURN(
      const std::unique_ptr<JobClient> client,
      Connect(global, options,
              fmt::format("Triggering savepoint for job {}.\nWaiting for response...", options.job_id)));
  EAGRE_ASSIGN_OR_RETURN(const std::string path,
                         client->TriggerSavepoint(options.job_id, AbsoluteFolder(options.directory)));
  return fmt::format(
      "Savepoint completed. Path: {}\nYou can resume your program from this savepoint with the run command.\n", path);
}

StatusOr<std::string> StopWithSavepoint(const GlobalOptions& global, const SavepointOptions& options) {
  if (options.detached) return OrderStop(global, options);
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client,
                         Connect(global, options,
                                 fmt::format("{} job \"{}\" with a CANONICAL savepoint.",
                                             options.drain ? "Draining" : "Suspending", options.job_id)));
  EAGRE_ASSIGN_OR_RETURN(const std::string path,
                         client->StopJob(options.job_id, AbsoluteFolder(options.directory), options.drain));
  return fmt::format("Savepoint completed. Path: {}\n", path);
}

StatusOr<std::string> TakeCheckpoint(const GlobalOptions& global, const SavepointOptions& options) {
  EAGRE_ASSIGN_OR_RETURN(
      const std::unique_ptr<JobClient> client,
      Connect(global, options,
              fmt::format("Triggering checkpoint for job {}.\nWaiting for response...", options.job_id)));
  EAGRE_ASSIGN_OR_RETURN(const proto::TriggerCheckpointReply reply, client->TriggerCheckpoint(options.job_id));
  return fmt::format(
      "Checkpoint {} for job {} completed. Path: {}\n"
      "You can resume your program from this checkpoint with the run command.\n",
      reply.checkpoint_id(), options.job_id, reply.path());
}

// What the verb does: prints what `action` returns.
auto Report(const char* verb, const std::shared_ptr<SavepointOptions>& options,
            StatusOr<std::string> (*action)(const GlobalOptions&, const SavepointOptions&)) {
  return [=](const Invocation& invocation) {
    const StatusOr<std::string> text = action(invocation.global, *options);
    if (!text.ok()) return ReportFailure(verb, text.status());
    fmt::print("{}", *text);
    return 0;
  };
}

}  // namespace

void AddSavepointCommand(Verb& eagre) {
  const auto options = std::make_shared<SavepointOptions>();
  Verb verb = eagre.AddVerb("savepoint", "Takes a savepoint of a running job");
  AddJobArgument(verb, *options);
  verb.Option("directory", options->directory,
              "Folder in which the savepoint's folder is made (default: execution.checkpointing.savepoint-dir)",
              {.value_name = "DIR"});
  AddDetachedFlag(verb, *options);
  verb.Run(Report("savepoint", options, TakeSavepoint));
}

void AddStopCommand(Verb& eagre) {
  const auto options = std::make_shared<SavepointOptions>();
  Verb verb = eagre.AddVerb("stop", "Stops a job with a savepoint");
  AddJobArgument(verb, *options);
  verb.Option("-p,--savepointPath", options->directory,
              "Folder in which the savepoint's folder is made (default: execution.checkpointing.savepoint-dir)",
              {.value_name = "DIR"});
  verb.Flag("-d,--drain", options->drain, "Ends event time before, so that all windows and timers fire");
  AddDetachedFlag(verb, *options);
  verb.Run(Report("stop", options, StopWithSavepoint));
}

void AddCheckpointCommand(Verb& eagre) {
  const auto options = std::make_shared<SavepointOptions>();
  Verb verb = eagre.AddVerb("checkpoint", "Takes a checkpoint of a running job now");
  AddJobArgument(verb, *options);
  verb.Run(Report("checkpoint", options, TakeCheckpoint));
}

}  // namespace eagre
