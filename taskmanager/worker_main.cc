#include "taskmanager/worker_main.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <string_view>

#include "base/crash_report.h"
#include "base/link.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "runtime/worker.h"
#include "taskmanager/orphan_watch.h"
#include "taskmanager/thread_worker_host.h"
#include "taskmanager/worker_process.h"

namespace eagre {
namespace {

// User code may start processes; they must not hold the worker's descriptors open.
Status ClaimInheritedDescriptors() {
  for (int fd : {kWorkerSocketFd, kWorkerMetricsFd, kWorkerCrashFd}) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return FailedPrecondition("`eagre worker` is started by a TaskManager only: descriptor {} was not inherited", fd);
    }
  }
  return OkStatus();
}

StatusOr<std::unique_ptr<MetricRegistry>> OpenMetrics() {
  struct stat info {};
  if (fstat(kWorkerMetricsFd, &info) != 0) return FailedPrecondition("the metrics segment was not inherited");
  return MetricRegistry::InSegment(kWorkerMetricsFd, static_cast<size_t>(info.st_size));
}

Status ServeAttempt(const WorkerSettings& settings) {
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<MetricRegistry> metrics, OpenMetrics());
  TcpNetworkOptions network;
  network.bind_host = settings.bind_host;
  network.advertised_host = settings.host;
  network.port = settings.first_data_port;
  network.last_port = settings.last_data_port;
  network.on_rejected = [](const Status& reason) {
    EAGRE_LOG_WARN("refused a data connection: {}", StatusMessage(reason));
  };
  MetricLabels labels = {{"host", settings.host}, {"tm_id", settings.task_manager_id}};
  // Never destroyed: its threads may be held by user code, and the process ends without them.
  auto* host = new ThreadWorkerHost(std::move(labels), NewTcpDataNetwork(network), std::move(metrics), nullptr);
  if (const char* folder = std::getenv("TMPDIR")) host->set_work_directory(folder);
  Executor& executor = *host->environment().executor;

  auto worker = std::make_unique<Worker>(host->environment(), NewSocketLink(kWorkerSocketFd));
  std::promise<void> done, destroyed;
  executor.Post([&] { worker->Start([&done] { done.set_value(); }); });
  done.get_future().wait();
  executor.Post([&] {
    worker.reset();
    destroyed.set_value();
  });
  destroyed.get_future().wait();
  return OkStatus();
}

}  // namespace

std::vector<std::string> WorkerSettings::ToArguments() const {
  return {"--tm-id=" + task_manager_id, "--host=" + host, "--bind-host=" + bind_host,
          fmt::format("--data-port={}-{}", first_data_port, last_data_port), "--log-level=" + log_level};
}

StatusOr<WorkerSettings> WorkerSettings::Parse(const std::vector<std::string>& arguments) {
  WorkerSettings settings;
  for (std::string_view argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const size_t equals = argument.find('=');
    if (equals == std::string_view::npos) return InvalidArgument("'{}' has no value", argument);
    const std::string_view key = argument.substr(2, equals - 2);
    const std::string_view value = argument.substr(equals + 1);
    if (key == "tm-id") {
      settings.task_manager_id = value;
    } else if (key == "host") {
      settings.host = value;
    } else if (key == "bind-host") {
      settings.bind_host = value;
    } else if (key == "log-level") {
      settings.log_level = value;
    } else if (key == "data-port") {
      const char* end = value.data() + value.size();
      auto [dash, first_error] = std::from_chars(value.data(), end, settings.first_data_port);
      if (first_error != std::errc() || dash == end || *dash != '-' ||
          std::from_chars(dash + 1, end, settings.last_data_port).ptr != end) {
        return InvalidArgument("'{}' is no range of ports", value);
      }
    } else {
      return InvalidArgument("unknown option '{}'", argument);
    }
  }
  return settings;
}

int WorkerMain(int argc, char** argv) {
  Status status = ClaimInheritedDescriptors();
  if (status.ok()) {
    InstallCrashHandler(kWorkerCrashFd);
    prctl(PR_SET_NAME, "eagre-worker");
    signal(SIGPIPE, SIG_IGN);
    StartOrphanWatch(kWorkerSocketFd);
    std::vector<std::string> arguments(argv, argv + argc);
    StatusOr<WorkerSettings> settings = WorkerSettings::Parse(arguments);
    status = settings.status();
    if (settings.ok()) {
      LogOptions log;
      log.daemon = "worker";
      if (StatusOr<LogLevel> level = ParseLogLevel(settings->log_level); level.ok()) log.level = *level;
      status = InitLogging(log);
      if (status.ok()) status = ServeAttempt(*settings);
    }
  }
  if (!status.ok()) std::fprintf(stderr, "eagre worker: %s\n", std::string(StatusMessage(status)).c_str());
  std::fflush(nullptr);
  // Without the destructors of user code's globals: the work is done and its results are out, so nothing that goes
  // wrong there may count, or hang.
  _exit(status.ok() ? 0 : 1);
}

}  // namespace eagre
