#include "cli/plan_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "api/job_library.h"
#include "base/crash_report.h"
#include "base/unique_fd.h"
#include "cli/state_forms.h"
#include "runtime/stream_graph.h"

extern char** environ;

namespace eagre {
namespace {

constexpr int kPlanResultFd = 3;
constexpr int kPlanCrashFd = 4;
// The first byte of a result tells which it is; the rest is a serialized JobPlan or a message.
constexpr char kPlanMade = 'G';
constexpr char kPlanFailure = 'E';
constexpr char kPlanHelp = 'H';

Status CheckReadableFile(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return NotFound("job library '{}' does not exist", path);
    return InvalidArgument("job library '{}' cannot be read: {}", path, strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) return InvalidArgument("job library '{}' is not a file", path);
  if (access(path.c_str(), R_OK) != 0)
    return InvalidArgument("job library '{}' cannot be read: {}", path, strerror(errno));
  return OkStatus();
}

bool WriteFully(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

std::string ReadUntilEnd(int fd) {
  std::string all;
  char buffer[16384];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    all.append(buffer, static_cast<size_t>(got));
  }
}

std::vector<std::string> PlanCommandLine(const PlanRequest& request) {
  std::vector<std::string> line = {"eagre",       "plan",
                                   "--format",    "proto",
                                   "--result-fd", std::to_string(kPlanResultFd),
                                   "--crash-fd",  std::to_string(kPlanCrashFd)};
  for (const auto& [key, value] : request.config) {
    line.push_back("-D");
    line.push_back(key + "=" + value);
  }
  line.push_back(request.library);
  line.push_back("--");
  line.insert(line.end(), request.args.begin(), request.args.end());
  return line;
}

StatusOr<pid_t> SpawnPlanner(const PlanRequest& request, int result_fd, int crash_fd) {
  std::vector<std::string> line = PlanCommandLine(request);
  std::vector<char*> argv;
  for (std::string& word : line) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, result_fd, kPlanResultFd);
  posix_spawn_file_actions_adddup2(&actions, crash_fd, kPlanCrashFd);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return Internal("cannot start a process to load job library '{}': {}", request.library, strerror(error));
  return pid;
}

Status ExplainDeath(const PlanRequest& request, int wait_status, const CrashReport& crash) {
  if (WIFSIGNALED(wait_status)) {
    const std::string reason = crash.reason.empty() ? "" : fmt::format(": {}", crash.reason);
    std::string stack = crash.stack.empty() ? "" : "\n" + crash.stack;
    stack.erase(stack.find_last_not_of('\n') + 1);
    return FailedPrecondition("job library '{}' crashed with {} while it was loaded or built its graph{}{}",
                              request.library, DescribeSignal(WTERMSIG(wait_status)), reason, stack);
  }
  return FailedPrecondition(
      "job library '{}' ended the process with exit status {} before it had built its graph; a job must not call "
      "exit()",
      request.library, WEXITSTATUS(wait_status));
}

// What a planner said and how it ended.
struct PlannerOutcome {
  std::string result;
  int wait_status = 0;
  CrashReport crash;
};

StatusOr<PlannerOutcome> RunPlanner(const PlanRequest& request) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Internal("cannot create a pipe: {}", strerror(errno));
  UniqueFd read_end(fds[0]), write_end(fds[1]);
  // The report must survive its writer: a file in memory.
  UniqueFd crash_file(memfd_create("eagre-crash-report", MFD_CLOEXEC));
  if (crash_file.get() < 0) return Internal("cannot create a file in memory: {}", strerror(errno));
  EAGRE_ASSIGN_OR_RETURN(const pid_t pid, SpawnPlanner(request, write_end.get(), crash_file.get()));
  write_end = UniqueFd();
  PlannerOutcome outcome;
  outcome.result = ReadUntilEnd(read_end.get());
  while (waitpid(pid, &outcome.wait_status, 0) < 0 && errno == EINTR) {
  }
  lseek(crash_file.get(), 0, SEEK_SET);
  outcome.crash = ParseCrashReport(ReadUntilEnd(crash_file.get()));
  return outcome;
}

}  // namespace

std::string DescribeSignal(int signal_number) {
  const char* description = sigdescr_np(signal_number);
  if (description == nullptr) return SignalName(signal_number);
  std::string words = description;
  std::transform(words.begin(), words.end(), words.begin(), [](unsigned char c) { return std::tolower(c); });
  return fmt::format("{} ({})", SignalName(signal_number), words);
}

StatusOr<proto::JobPlan> PlanInChild(const PlanRequest& request) {
  EAGRE_RETURN_IF_ERROR(CheckReadableFile(request.library));
  EAGRE_ASSIGN_OR_RETURN(const PlannerOutcome outcome, RunPlanner(request));
  const std::string& result = outcome.result;
  const bool orderly = WIFEXITED(outcome.wait_status) && !result.empty();
  if (orderly && result[0] == kPlanHelp) return Cancelled("{}", std::string_view(result).substr(1));
  if (orderly && result[0] == kPlanFailure) return InvalidArgument("{}", std::string_view(result).substr(1));
  proto::JobPlan plan;
  if (orderly && WEXITSTATUS(outcome.wait_status) == 0 && result[0] == kPlanMade &&
      plan.ParseFromArray(result.data() + 1, static_cast<int>(result.size() - 1))) {
    return plan;
  }
  return ExplainDeath(request, outcome.wait_status, outcome.crash);
}

int WritePlanResult(const PlanRequest& request, int result_fd) {
  const StatusOr<proto::JobPlan> plan = PlanHere(request);
  const std::string result = plan.ok() ? kPlanMade + plan->SerializeAsString()
                                       : (absl::IsCancelled(plan.status()) ? kPlanHelp : kPlanFailure) +
                                             std::string(StatusMessage(plan.status()));
  const bool written = WriteFully(result_fd, result);
  return plan.ok() && written ? 0 : 1;
}

StatusOr<proto::JobPlan> PlanHere(const PlanRequest& request) {
  EAGRE_RETURN_IF_ERROR(CheckReadableFile(request.library));
  EAGRE_ASSIGN_OR_RETURN(
      const std::unique_ptr<StreamGraph> graph,
      LoadJob(JobRequest{.library_path = request.library, .args = request.args, .config = request.config}));
  EAGRE_ASSIGN_OR_RETURN(ChainedGraph chained, BuildJobGraph(*graph));
  proto::JobPlan plan;
  EAGRE_RETURN_IF_ERROR(AddStateForms(*graph, chained, plan));
  *plan.mutable_graph() = std::move(chained.job_graph);
  return plan;
}

}  // namespace eagre
