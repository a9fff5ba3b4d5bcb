#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crash_report.h"
#include "base/daemon_options.h"
#include "base/executor.h"
#include "base/logging.h"
#include "cli/commands.h"
#include "cli/job_cluster.h"
#include "cli/job_compiler.h"
#include "cli/job_report.h"
#include "cli/plan_process.h"
#include "cli/resume_command.h"
#include "cli/settings.h"
#include "cli/shutdown_signals.h"
#include "cli/watch_process.h"
#include "runtime/stream_graph.h"

namespace eagre {
namespace {

constexpr int64_t kProgressIntervalMs = 500;
constexpr const char* kWatchedFlag = "--watched";
constexpr int kExitInterrupted = 130;  // as shells say it of a process that SIGINT ended

struct RunOptions {
  std::string job_manager;
  std::string library;  // or its source
  bool watch = false;
  bool watched = false;  // this is a run of --watch
  int parallelism = 0;
  bool detached = false;
  bool shutdown_on_exit = false;
  std::string from_savepoint;
  bool allow_non_restored_state = false;
};

// Width of the terminal at standard error, 0 when there is none.
int TerminalColumns() {
  winsize size{};
  if (isatty(STDERR_FILENO) == 0) return 0;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

struct AwaitedJob {
  StatusOr<proto::JobDetails> ended;
  std::string savepoint;  // behind which it was stopped; empty: it was not
};

// Cancels the job, or stops it with a savepoint below `folder`, where there is one. Returns its path.
std::string Interrupt(JobCluster& cluster, const std::string& job_id, const std::string& folder) {
  if (!folder.empty()) {
    StatusOr<std::string> savepoint = cluster.StopWithSavepoint(job_id, folder);
    if (savepoint.ok()) return *std::move(savepoint);
    ReportFailure("run", WithContext(savepoint.status(), "cannot take a final checkpoint"));
  }
  const Status cancelled = cluster.Cancel(job_id);
  if (!cancelled.ok()) ReportFailure("run", cancelled);
  return "";
}

// Watches the job to its end on a thread of its own, while this one waits for Ctrl-C: the first interrupts the job, the
// second leaves at once.
AwaitedJob AwaitJob(JobCluster& cluster, const std::string& job_id, const std::string& final_checkpoint_folder,
                    ShutdownSignals& signals, ProgressReporter& progress) {
  std::optional<StatusOr<proto::JobDetails>> result;
  std::string savepoint;
  ThreadExecutor interrupter("interrupter");
  ThreadExecutor watcher("watcher");
  watcher.Post([&] {
    result = cluster.Watch(job_id, kProgressIntervalMs, [&](const proto::JobDetails& job) { progress.Update(job); });
    signals.Wake();
  });
  bool cancelling = false;
  while (signals.Wait() != 0) {
    if (cancelling) {
      fmt::print(stderr, "\nLeft without waiting for job {} to stop.\n", job_id);
      _exit(kExitInterrupted);
    }
    cancelling = true;
    fmt::print(stderr, "\n{} job {}. Press Ctrl-C again to leave at once.\n",
               final_checkpoint_folder.empty() ? "Cancelling" : "Taking a final checkpoint of", job_id);
    interrupter.Post([&] { savepoint = Interrupt(cluster, job_id, final_checkpoint_folder); });
  }
  interrupter.Stop();
  watcher.Stop();
  return {*std::move(result), std::move(savepoint)};
}

void ReportSubmission(const std::string& job_id) {
  fmt::print("Job has been submitted with JobID {}\n", job_id);
  std::fflush(stdout);
}

int ReportResult(const proto::JobDetails& job) {
  const bool finished = job.summary().state() == "FINISHED";
  fmt::print(finished ? stdout : stderr, "{}", RenderJobResult(job));
  std::fflush(stdout);
  return finished ? 0 : 1;
}

int ReportInterruption(const std::string& job_id, const std::string& savepoint) {
  const StatusOr<std::vector<std::string>> command = OwnCommandLine();
  if (!command.ok()) return ReportFailure("run", command.status());
  fmt::print("Job {} was interrupted behind its final checkpoint. Path: {}\nTo go on from there:\n  {}\n", job_id,
             savepoint, ResumeCommand(*command, savepoint));
  std::fflush(stdout);
  return kExitInterrupted;
}

int RunAttached(JobCluster& cluster, const std::string& job_id, const std::string& final_checkpoint_folder,
                ShutdownSignals& signals, int columns) {
  ProgressReporter progress(stderr, columns, SystemClock());
  const AwaitedJob job = AwaitJob(cluster, job_id, final_checkpoint_folder, signals, progress);
  progress.Finish();
  if (!job.ended.ok()) {
    return ReportFailure("run", WithContext(job.ended.status(), fmt::format("lost sight of job {}", job_id)));
  }
  return job.savepoint.empty() ? ReportResult(*job.ended) : ReportInterruption(job_id, job.savepoint);
}

struct PreparedJob {
  proto::SubmitJobHeader header;
  std::string address;  // of the JobManager; empty: run in this process
};

StatusOr<PreparedJob> PrepareJob(const Invocation& invocation, const RunOptions& options, Configuration& config) {
  PreparedJob prepared;
  EAGRE_ASSIGN_OR_RETURN(config, LoadConfig(invocation.global));
  EAGRE_RETURN_IF_ERROR(SetParallelism(options.parallelism, config));
  EAGRE_RETURN_IF_ERROR(MakeFoldersAbsolute(config));
  if (!options.job_manager.empty() || !config.GetString("jobmanager.rpc.address").empty()) {
    EAGRE_ASSIGN_OR_RETURN(prepared.address, JobManagerAddress(config, options.job_manager));
  }
  const PlanRequest request{.library = options.library, .args = invocation.job_args, .config = JobProperties(config)};
  EAGRE_ASSIGN_OR_RETURN(proto::JobPlan plan, PlanInChild(request));
  *prepared.header.mutable_graph() = std::move(*plan.mutable_graph());
  prepared.header.mutable_args()->Assign(request.args.begin(), request.args.end());
  prepared.header.mutable_config()->insert(request.config.begin(), request.config.end());
  if (!options.from_savepoint.empty()) {
    EAGRE_ASSIGN_OR_RETURN(*prepared.header.mutable_restore_from(), CheckpointFolder(options.from_savepoint, "-s"));
    *prepared.header.mutable_forms() = std::move(*plan.mutable_forms());
  }
  prepared.header.set_allow_non_restored_state(options.allow_non_restored_state);
  return prepared;
}

// The user sees progress and result; what the daemons' logic says on the way is for those who ask for it.
Status QuietLog(const Configuration& config) {
  LogOptions log;
  log.daemon = "run";
  log.level = LogLevel::kError;
  if (config.IsSet("env.log.level")) {
    EAGRE_ASSIGN_OR_RETURN(log.level, ParseLogLevel(config.GetString("env.log.level")));
  }
  return InitLogging(log);
}

// This process's own command line, for a single run.
StatusOr<std::vector<std::string>> CommandOfOneRun() {
  EAGRE_ASSIGN_OR_RETURN(std::vector<std::string> words, OwnCommandLine());
  std::replace(words.begin(), std::find(words.begin(), words.end(), "--"), std::string("--watch"),
               std::string(kWatchedFlag));
  return words;
}

Status Watch(const Invocation& invocation, const RunOptions& options) {
  if (!IsJobSource(options.library)) {
    return InvalidArgument("--watch compiles on every save, so it needs a source such as job.cc, not '{}'",
                           options.library);
  }
  if (options.detached) {
    return InvalidArgument(
        "--watch stops the job on every save, so it cannot leave it with -d: leave one of them away");
  }
  EAGRE_ASSIGN_OR_RETURN(const Configuration config, LoadConfig(invocation.global));
  if (!options.job_manager.empty()) {
    return InvalidArgument("--watch runs the job in a process of this machine, not on a cluster: leave -m away");
  }
  if (constexpr const char* kAddress = "jobmanager.rpc.address"; !config.GetString(kAddress).empty()) {
    return InvalidArgument(
        "--watch runs the job in a process of this machine, but {} names a JobManager: add -D {}= to do without it",
        config.Origin(kAddress), kAddress);
  }
  EAGRE_ASSIGN_OR_RETURN(JobCompiler compiler, NewJobCompiler());
  EAGRE_ASSIGN_OR_RETURN(const std::vector<std::string> command, CommandOfOneRun());
  return WatchAndRun(compiler, options.library, command);
}

int RunJob(const Invocation& invocation, RunOptions options) {
  if (options.watch) return ReportFailure("run", Watch(invocation, options));
  StatusOr<std::string> library = LibraryOf(options.library);
  if (!library.ok()) return ReportFailure("run", library.status());
  options.library = *std::move(library);
  Configuration config;
  const StatusOr<PreparedJob> job = PrepareJob(invocation, options, config);
  if (absl::IsCancelled(job.status())) {  // the job was asked for its arguments
    fmt::print("{}", StatusMessage(job.status()));
    return 0;
  }
  if (!job.ok()) return ReportFailure("run", job.status());
  const bool local = job->address.empty();
  if (local && options.detached) {
    return ReportFailure("run", InvalidArgument("-d needs a cluster: say which with -m host:port, or start one with "
                                                "`eagre local`"));
  }
  const int slots = RequiredSlots(job->header.graph());
  if (local && slots > kMostSlots) {
    return ReportFailure("run", InvalidArgument("the job needs {} slots, each of which is a thread; one process has at "
                                                "most {}: set a smaller -p, or name a cluster with -m host:port",
                                                slots, kMostSlots));
  }
  const Status log = QuietLog(config);
  if (!log.ok()) return ReportFailure("run", log);
  if (local) InstallCrashHandler(STDERR_FILENO);
  const std::unique_ptr<JobCluster> cluster = local ? NewLocalCluster(config, slots) : NewRemoteCluster(job->address);
  const StatusOr<std::string> job_id = cluster->Submit(job->header, options.library);
  if (!job_id.ok()) return ReportFailure("run", job_id.status());
  if (options.detached) {
    ReportSubmission(*job_id);
    return 0;
  }
  StatusOr<std::string> final_checkpoint_folder = std::string();
  // The next run of --watch begins anew, and a savepoint at every save would be one that nobody wants.
  if (local && !options.watched) final_checkpoint_folder = FinalCheckpointFolder(config, job->header);
  if (!final_checkpoint_folder.ok()) return ReportFailure("run", final_checkpoint_folder.status());
  // From the moment its id is shown, Ctrl-C cancels the job.
  ShutdownSignals signals(/*also_hangup=*/options.shutdown_on_exit);
  ReportSubmission(*job_id);
  const bool torn = local && PrintsToTerminal(job->header.graph(), isatty(STDOUT_FILENO) != 0);
  return RunAttached(*cluster, *job_id, *final_checkpoint_folder, signals, torn ? 0 : TerminalColumns());
}

}  // namespace

void AddRunCommand(Verb& eagre) {
  const auto options = std::make_shared<RunOptions>();
  Verb verb = eagre.AddVerb("run", "Runs a job: in this process, or with -m on a cluster");
  verb.Option("job", options->library,
              "The job's library, or its source, which is compiled; its own arguments follow `--`",
              {.value_name = "JOB.SO|JOB.CC", .required = true, .takes_job_args = true});
  AddJobManagerOption(verb, options->job_manager);
  AddParallelismOption(verb, options->parallelism);
  verb.Flag("--watch", options->watch, "Compiles and starts the job anew whenever its source is saved");
  verb.Flag(kWatchedFlag, options->watched, "A run of --watch", {.hidden = true});
  verb.Flag("-d,--detached", options->detached, "Submits the job and returns at once");
  verb.Flag("-sae,--shutdownOnAttachedExit", options->shutdown_on_exit,
            "Cancels the job also when the terminal of an attached run is closed; Ctrl-C does in any case");
  verb.Option("-s,--fromSavepoint", options->from_savepoint,
              "Savepoint or checkpoint to go on from: its folder, as the JobManager sees it", {.value_name = "PATH"});
  verb.Flag("-n,--allowNonRestoredState", options->allow_non_restored_state,
            "Drops what is stored for operators and states that the job does not have any more");
  verb.Run([options](const Invocation& invocation) { return RunJob(invocation, *options); });
}

}  // namespace eagre
