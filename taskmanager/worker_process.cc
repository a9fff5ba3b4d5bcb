#include "taskmanager/worker_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

// glibc 2.36 forgot to say that these are C functions.
extern "C" {
#include <sys/pidfd.h>
}

#include "base/file_system.h"
#include "base/ids.h"
#include "base/logging.h"

extern char** environ;

namespace eagre {
namespace {

// Descriptors that a child gets must not lie where they go, or one dup2 would overwrite the next one's source.
constexpr int kLowestInheritedFd = 16;
// Short: until then a worker may print as fast as the disk takes it.
constexpr long kTrimIntervalNs = 500'000'000;
constexpr size_t kMaxCrashReportBytes = 256 * 1024;
constexpr std::chrono::seconds kReapTimeout{10};

StatusOr<UniqueFd> OutOfTheWay(UniqueFd fd) {
  UniqueFd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowestInheritedFd));
  if (!moved.valid()) return ResourceExhausted("cannot duplicate a descriptor: {}", std::strerror(errno));
  return moved;
}

std::string ReadCrashReport(int fd) {
  std::string text(kMaxCrashReportBytes, '\0');
  ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

// posix_spawn's two parameter objects, which must be destroyed.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  void Inherit(const UniqueFd& fd, int as) { posix_spawn_file_actions_adddup2(&actions_, fd.get(), as); }

  StatusOr<pid_t> Spawn(const std::string& binary, const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment) {
    posix_spawn_file_actions_addclosefrom_np(&actions_, kWorkerCrashFd + 1);
    pid_t pid = 0;
    int error = posix_spawn(&pid, binary.c_str(), &actions_, &attributes_, Pointers(arguments).data(),
                            Pointers(environment).data());
    if (error != 0) return Unavailable("cannot start {}: {}", binary, std::strerror(error));
    return pid;
  }

 private:
  static std::vector<char*> Pointers(const std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
    pointers.push_back(nullptr);
    return pointers;
  }
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<std::string> EnvironmentWith(std::string_view name, const std::string& value) {
  std::vector<std::string> result;
  const std::string prefix = std::string(name) + "=";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(prefix)) result.emplace_back(*entry);
  }
  result.push_back(prefix + value);
  return result;
}

}  // namespace

struct ProcessWorkerLauncher::Process {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd crash_report;
  WorkerOutput output;
  std::string work_folder;
  std::unique_ptr<MetricSegmentReader> metrics;
  // Used on the executor only; emptied when nobody wants to know any more.
  std::function<void(WorkerExit)> on_exit;

  ~Process() {
    if (work_folder.empty()) return;
    if (Status removed = PosixFileSystem().RemoveTree(work_folder); !removed.ok()) {
      EAGRE_LOG_WARN("cannot remove a worker's folder: {}", StatusMessage(removed));
    }
  }
  void TrimOutput(const WorkerLogs& logs) const {
    logs.Trim(output.out.get());
    logs.Trim(output.err.get());
  }
  void Kill() { pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0); }
  // Waits for its end. Of one that nobody else waits for.
  void KillAndReap() const {
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
};

class ProcessWorkerLauncher::Handle final : public WorkerHandle {
 public:
  Handle(std::shared_ptr<Process> process, std::unique_ptr<Link> link)
      : process_(std::move(process)), link_(std::move(link)) {}
  ~Handle() override {
    process_->on_exit = nullptr;
    process_->Kill();
  }
  Link& link() override { return *link_; }
  void Kill() override { process_->Kill(); }

 private:
  std::shared_ptr<Process> process_;
  std::unique_ptr<Link> link_;
};

ProcessWorkerLauncher::ProcessWorkerLauncher(ProcessLauncherOptions options, const WorkerLogs& logs, Executor& executor)
    : options_(std::move(options)),
      logs_(logs),
      executor_(executor),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      trim_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  signal(SIGCHLD, SIG_DFL);
  const timespec interval{.tv_sec = 0, .tv_nsec = kTrimIntervalNs};
  const itimerspec timer{.it_interval = interval, .it_value = interval};
  timerfd_settime(trim_timer_.get(), 0, &timer, nullptr);
  for (const int fd : {stop_.get(), trim_timer_.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
  watcher_ = std::thread([this] { WatchLoop(); });
}

ProcessWorkerLauncher::~ProcessWorkerLauncher() {
  {
    std::unique_lock lock(mutex_);
    for (auto& [pidfd, process] : processes_) process->Kill();
    // A process that the kernel cannot end now (its disk hangs) is left to it.
    if (!reaped_.wait_for(lock, kReapTimeout, [this] { return processes_.empty(); })) {
      EAGRE_LOG_ERROR("{} killed workers do not go away", processes_.size());
    }
  }
  eventfd_write(stop_.get(), 1);
  watcher_.join();
}

StatusOr<std::unique_ptr<WorkerHandle>> ProcessWorkerLauncher::Launch(const proto::DeployWorker& deploy,
                                                                      std::function<void(WorkerExit)> on_exit) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ResourceExhausted("cannot make a socket pair: {}", std::strerror(errno));
  }
  UniqueFd ours(sockets[0]);
  EAGRE_ASSIGN_OR_RETURN(UniqueFd theirs, OutOfTheWay(UniqueFd(sockets[1])));
  EAGRE_ASSIGN_OR_RETURN(std::shared_ptr<Process> process, Spawn(deploy, std::move(theirs)));
  process->on_exit = std::move(on_exit);
  auto handle = std::make_unique<Handle>(process, NewSocketLink(ours.Release()));
  const int pidfd = process->pidfd.get();
  epoll_event event{.events = EPOLLIN, .data = {.fd = pidfd}};
  std::lock_guard lock(mutex_);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd, &event) != 0) {
    const int error = errno;
    // Nobody would notice its end, so it ends here.
    process->KillAndReap();
    return ResourceExhausted("cannot watch the worker: {}", std::strerror(error));
  }
  processes_[pidfd] = std::move(process);
  return handle;
}

StatusOr<std::shared_ptr<ProcessWorkerLauncher::Process>> ProcessWorkerLauncher::Spawn(
    const proto::DeployWorker& deploy, UniqueFd socket) {
  const proto::AttemptId& attempt = deploy.attempt();
  if (!IsHexId(attempt.job_id())) return InvalidArgument("'{}' is not the id of a job", attempt.job_id());
  auto process = std::make_shared<Process>();
  EAGRE_ASSIGN_OR_RETURN(WorkerOutput output, logs_.Create(attempt, deploy.worker_index()));
  EAGRE_ASSIGN_OR_RETURN(process->output.out, OutOfTheWay(std::move(output.out)));
  EAGRE_ASSIGN_OR_RETURN(process->output.err, OutOfTheWay(std::move(output.err)));
  EAGRE_ASSIGN_OR_RETURN(const int segment_fd, CreateMetricSegment(options_.metric_bytes));
  EAGRE_ASSIGN_OR_RETURN(UniqueFd segment, OutOfTheWay(UniqueFd(segment_fd)));
  EAGRE_ASSIGN_OR_RETURN(process->metrics, MetricSegmentReader::Open(segment.get(), options_.metric_bytes));
  UniqueFd report(memfd_create("eagre-crash-report", MFD_CLOEXEC));
  if (!report.valid()) return ResourceExhausted("cannot make a memory file: {}", std::strerror(errno));
  EAGRE_ASSIGN_OR_RETURN(process->crash_report, OutOfTheWay(std::move(report)));
  const std::string folder = fmt::format("worker-{}-{}-{}", attempt.job_id(), attempt.attempt(), deploy.worker_index());
  process->work_folder = JoinPath(options_.work_directory, folder);
  EAGRE_RETURN_IF_ERROR(PosixFileSystem().CreateDirectories(process->work_folder));

  SpawnPlan plan;
  plan.Inherit(process->output.out, STDOUT_FILENO);
  plan.Inherit(process->output.err, STDERR_FILENO);
  plan.Inherit(socket, kWorkerSocketFd);
  plan.Inherit(segment, kWorkerMetricsFd);
  plan.Inherit(process->crash_report, kWorkerCrashFd);
  std::vector<std::string> arguments = options_.arguments;
  arguments.push_back(attempt.job_id());
  arguments.push_back(std::to_string(attempt.attempt()));
  EAGRE_ASSIGN_OR_RETURN(process->pid,
                         plan.Spawn(options_.binary, arguments, EnvironmentWith("TMPDIR", process->work_folder)));
  // The child is not waited for by anybody yet, so its pid still names it even if it is dead.
  process->pidfd = UniqueFd(pidfd_open(process->pid, 0));
  if (!process->pidfd.valid()) {
    const int error = errno;
    kill(process->pid, SIGKILL);
    waitpid(process->pid, nullptr, 0);
    return ResourceExhausted("cannot watch the worker: {}", std::strerror(error));
  }
  return process;
}

std::vector<int> ProcessWorkerLauncher::Processes() const {
  std::lock_guard lock(mutex_);
  std::vector<int> processes;
  for (const auto& [pidfd, process] : processes_) processes.push_back(process->pid);
  return processes;
}

std::vector<MetricSample> ProcessWorkerLauncher::CollectMetrics() const {
  std::vector<std::shared_ptr<Process>> processes;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [pidfd, process] : processes_) processes.push_back(process);
  }
  std::vector<MetricSample> samples;
  for (const auto& process : processes) {
    std::vector<MetricSample> more = process->metrics->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(samples));
  }
  return samples;
}

void ProcessWorkerLauncher::WatchLoop() {
  while (true) {
    epoll_event events[16];
    int count = epoll_wait(epoll_.get(), events, std::size(events), /*timeout=*/-1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == stop_.get()) return;
      if (events[i].data.fd == trim_timer_.get()) {
        TrimOutputs();
        continue;
      }
      std::shared_ptr<Process> process;
      {
        std::lock_guard lock(mutex_);
        process = processes_.at(events[i].data.fd);
      }
      Reap(process);
    }
  }
}

void ProcessWorkerLauncher::TrimOutputs() {
  uint64_t expirations = 0;
  (void)!read(trim_timer_.get(), &expirations, sizeof(expirations));
  std::lock_guard lock(mutex_);
  for (const auto& [pidfd, process] : processes_) process->TrimOutput(logs_);
}

void ProcessWorkerLauncher::Reap(const std::shared_ptr<Process>& process) {
  // While the dead worker is not yet reaped, its pid, and so the id of its process group, cannot mean anybody else.
  kill(-process->pid, SIGKILL);
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(process->pidfd.get()), &info, WEXITED);
  WorkerExit exit;
  (info.si_code == CLD_EXITED ? exit.exit_code : exit.signal) = info.si_status;
  process->TrimOutput(logs_);
  exit.crash_report = ReadCrashReport(process->crash_report.get());
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process->pidfd.get(), nullptr);
  // The folder goes before the exit is told, so that whoever hears of it finds nothing left.
  if (Status removed = PosixFileSystem().RemoveTree(std::exchange(process->work_folder, "")); !removed.ok()) {
    EAGRE_LOG_WARN("cannot remove a worker's folder: {}", StatusMessage(removed));
  }
  std::lock_guard lock(mutex_);
  processes_.erase(process->pidfd.get());
  reaped_.notify_all();
  executor_.Post([process, exit = std::move(exit)]() mutable {
    if (process->on_exit) std::exchange(process->on_exit, nullptr)(std::move(exit));
  });
}

}  // namespace eagre
