#include "api/local_runner.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/link.h"
#include "proto/control.pb.h"
#include "runtime/accumulator.h"
#include "runtime/local_data_network.h"
#include "runtime/slot_runner.h"
#include "runtime/worker.h"

namespace eagre {
namespace {

// The TaskManager's part of the protocol for one worker, as far as a local run needs it.
class LocalSupervisor {
 public:
  LocalSupervisor(Link& link, Executor& executor, const proto::DeployWorker& deploy) : link_(link), deploy_(deploy) {
    link_.Start(executor,
                {.on_message = [this](std::string_view bytes) { OnMessage(bytes); }, .on_closed = [](Status) {}});
  }

  void Deploy() {
    proto::TaskManagerToWorker message;
    *message.mutable_deploy() = deploy_;
    link_.Send(message.SerializeAsString());
  }

  // After Wait: merged over all subtasks.
  std::map<std::string, std::string> Accumulators() {
    std::lock_guard lock(mutex_);
    std::vector<proto::Accumulator> merged;
    for (const proto::SubtaskReport& subtask : last_report_.subtasks()) {
      for (const proto::Accumulator& accumulator : subtask.accumulators()) MergeAccumulator(accumulator, merged);
    }
    std::map<std::string, std::string> texts;
    for (const proto::Accumulator& accumulator : merged) texts[accumulator.name()] = AccumulatorText(accumulator);
    return texts;
  }

  Status Wait() {
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }

 private:
  void OnMessage(std::string_view bytes) {
    proto::WorkerToTaskManager message;
    EAGRE_CHECK(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    if (message.has_ready()) {
      proto::TaskManagerToWorker start;
      *start.mutable_start()->mutable_attempt() = deploy_.attempt();
      proto::WorkerPeer& peer = *start.mutable_start()->add_peers();
      peer.set_data_address(message.ready().data_address());
      *peer.mutable_job_slots() = deploy_.job_slots();
      link_.Send(start.SerializeAsString());
    } else if (message.has_failed()) {
      const proto::FailureInfo& failure = message.failed().failure();
      Finish(failure.vertex().empty() ? Internal("{}", failure.message())
                                      : Internal("subtask {} of '{}' failed in operator '{}': {}", failure.subtask(),
                                                 failure.vertex(), failure.operator_name(), failure.message()));
    } else if (message.has_report()) {
      std::lock_guard lock(mutex_);
      last_report_ = message.report();
    } else if (message.has_finished()) {
      Finish(OkStatus());
    }
  }

  void Finish(Status status) {
    std::lock_guard lock(mutex_);
    if (!result_.has_value()) result_ = std::move(status);
    over_.notify_all();
  }

  Link& link_;
  const proto::DeployWorker& deploy_;
  std::mutex mutex_;
  std::condition_variable over_;
  std::optional<Status> result_;     // guarded by mutex_
  proto::WorkerReport last_report_;  // guarded by mutex_
};

}  // namespace

Status RunLocally(std::unique_ptr<StreamGraph> graph, std::map<std::string, std::string>* accumulators) {
  EAGRE_ASSIGN_OR_RETURN(const ChainedGraph chained, BuildJobGraph(*graph));
  proto::DeployWorker deploy;
  deploy.mutable_attempt()->set_job_id(std::string(32, '0'));
  *deploy.mutable_graph() = chained.job_graph;
  for (int slot = 0; slot < RequiredSlots(chained.job_graph); ++slot) deploy.add_job_slots(slot);

  MetricRegistry metrics;
  const auto runners = NewThreadSlotRunnerFactory(nullptr);
  const auto network = NewLocalDataNetwork();
  ThreadExecutor coordinators("coordinators");
  ThreadExecutor executor("worker");
  auto [supervisor_end, worker_end] = NewMemoryLinkPair();
  WorkerEnvironment environment{
      .executor = &executor,
      .io = &executor,
      .files = &PosixFileSystem(),
      .coordinators = &coordinators,
      .slots = runners.get(),
      .network = network.get(),
      .metrics = &metrics,
      .load_job = [&graph](const proto::DeployWorker&) -> StatusOr<std::unique_ptr<StreamGraph>> {
        return std::move(graph);
      }};
  auto worker = std::make_unique<Worker>(environment, std::move(worker_end));
  worker->Start([] {});
  LocalSupervisor supervisor(*supervisor_end, executor, deploy);
  supervisor.Deploy();
  const Status status = supervisor.Wait();
  if (accumulators != nullptr) *accumulators = supervisor.Accumulators();
  // The worker and the supervisor's link end on their executor, and then the executors.
  executor.Post([&worker, &link = supervisor_end] {
    worker.reset();
    link.reset();
  });
  executor.Stop();
  coordinators.Stop();
  return status;
}

}  // namespace eagre
