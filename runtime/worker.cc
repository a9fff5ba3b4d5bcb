#include "runtime/worker.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/logging.h"
#include "record/json_text.h"
#include "runtime/attempt.h"
#include "runtime/data_network.h"
#include "runtime/exchange.h"
#include "runtime/slot_runner.h"
#include "runtime/stream_graph.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

// What of a failure's message goes through logs and daemons.
constexpr size_t kMostMessageBytes = 64 << 10;

// What user code says may have any bytes, and any number of them; messages between processes are UTF-8.
std::string ReadableText(std::string_view text) {
  const size_t left_out = text.size() - std::min(text.size(), kMostMessageBytes);
  text.remove_suffix(left_out);
  std::string readable;
  while (!text.empty()) {
    const size_t size = internal::Utf8CharacterBytes(text);
    if (size == 0) {
      readable += "\uFFFD";
    } else {
      readable += text.substr(0, size);
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  if (left_out > 0) readable += fmt::format("... ({} bytes left out)", left_out);
  return readable;
}

constexpr int64_t kReportIntervalMs = 500;

}  // namespace

class Worker::Impl {
 public:
  Impl(WorkerEnvironment environment, std::unique_ptr<Link> link)
      : environment_(std::move(environment)), link_(std::move(link)) {}

  ~Impl() {
    if (report_timer_ != 0) environment_.executor->Cancel(report_timer_);
    *alive_ = false;
    link_->Close();
    if (attempt_) attempt_->CancelAndJoin();  // slots use channels, so they end first
    if (exchange_) exchange_->Stop();         // and its handlers use the attempt, so they end next
  }

  void Start(std::function<void()> on_done) {
    on_done_ = std::move(on_done);
    link_->Start(*environment_.executor, {.on_message = [this](std::string_view bytes) { OnMessage(bytes); },
                                          .on_closed = [this](Status reason) { OnLinkClosed(reason); }});
  }

 private:
  void OnMessage(std::string_view bytes) {
    proto::TaskManagerToWorker message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      EAGRE_LOG_ERROR("malformed message of {} bytes from the TaskManager", bytes.size());
      return Finish();
    }
    if (message.has_deploy()) return OnDeploy(message.deploy());
    if (message.has_start()) return OnStart(message.start());
    if (message.has_cancel()) return OnCancel();
    if (message.has_checkpoint() && runs_ && !over_) return attempt_->OnCheckpointCommand(message.checkpoint());
  }

  void OnLinkClosed(const Status& reason) {
    EAGRE_LOG_INFO("the TaskManager is gone ({}): stopping", StatusMessage(reason));
    OnCancel();
  }

  void OnDeploy(const proto::DeployWorker& deploy) {
    deploy_ = deploy;
    const Status status = Prepare();
    if (!status.ok()) return Fail({.status = status});
  }

  // What the JobManager has taken from the state that the job goes on from.
  void TakeMaxParallelism() {
    std::map<std::string, int> of_vertices;
    for (const proto::Vertex& vertex : deploy_.graph().vertices()) {
      if (vertex.derived_max_parallelism()) of_vertices[vertex.id()] = vertex.max_parallelism();
    }
    OverrideMaxParallelism(chained_.job_graph, of_vertices);
  }

  Status Prepare() {
    EAGRE_ASSIGN_OR_RETURN(graph_, environment_.load_job(deploy_));
    EAGRE_ASSIGN_OR_RETURN(chained_, BuildJobGraph(*graph_));
    TakeMaxParallelism();
    const std::string difference = DescribeGraphDifference(deploy_.graph(), chained_.job_graph);
    if (!difference.empty()) {
      return FailedPrecondition(
          "the job graph built in the worker differs from the submitted one: {}; the job must build the same graph for "
          "the same arguments and configuration, in every process",
          difference);
    }
    const Configuration& config = graph_->config();
    ExchangeOptions options;
    options.token = deploy_.token();
    options.worker_index = deploy_.worker_index();
    options.buffer_bytes = static_cast<size_t>(config.GetBytes("taskmanager.memory.segment-size"));
    options.buffers_per_channel = static_cast<int>(config.GetInt("taskmanager.network.memory.buffers-per-channel"));
    options.max_frame_bytes = static_cast<size_t>(config.GetBytes("taskmanager.network.max-frame-size"));
    auto alive = alive_;
    exchange_ =
        std::make_unique<Exchange>(*environment_.network, options,
                                   Exchange::Handlers{.on_peer_lost =
                                                          [this, alive](int32_t worker, Status reason) {
                                                            environment_.executor->Post([this, alive, worker, reason] {
                                                              if (*alive) OnPeerLost(worker, reason);
                                                            });
                                                          },
                                                      .on_operator_event =
                                                          [this](std::string_view event) {
                                                            if (attempt_) attempt_->OnOperatorEvent(event);
                                                          }});
    attempt_ = std::make_unique<Attempt>(
        environment_, deploy_, *graph_, chained_, *exchange_,
        Attempt::Handlers{.on_failure = [this](TaskFailure failure) { Fail(std::move(failure)); },
                          .on_finished = [this] { OnFinished(); },
                          .on_checkpoint_report =
                              [this](proto::CheckpointReport report) { SendCheckpointReport(std::move(report)); }});
    EAGRE_ASSIGN_OR_RETURN(const std::string address, exchange_->Listen());
    proto::WorkerToTaskManager message;
    *message.mutable_ready()->mutable_attempt() = deploy_.attempt();
    message.mutable_ready()->set_data_address(address);
    message.mutable_ready()->set_worker_index(deploy_.worker_index());
    Send(message);
    return OkStatus();
  }

  void OnStart(const proto::StartWorker& start) {
    if (over_ || started_ || attempt_ == nullptr) return;
    started_ = true;
    peers_ = start;
    Status status;
    try {
      status = attempt_->Build(start);
    } catch (const std::exception& error) {  // the functions of the job are copied here, which is user code
      status = Internal("copying the job's functions for its subtasks failed: {}", error.what());
    }
    if (!status.ok()) return Fail({.status = status});
    std::vector<std::string> addresses;
    for (const auto& peer : start.peers()) addresses.push_back(peer.data_address());
    exchange_->ConnectPeers(addresses);
    last_report_ns_ = environment_.executor->clock().MonotonicNs();
    attempt_->Start();
    runs_ = true;
    ScheduleReport();
  }

  void ScheduleReport() {
    auto alive = alive_;
    report_timer_ = environment_.executor->PostAfter(kReportIntervalMs, [this, alive] {
      if (!*alive) return;
      // Everything has been said then, but the gauges must not go on showing what was busy last.
      if (finished_) return UpdateGauges();
      SendReport();
      if (!over_) ScheduleReport();
    });
  }

  void UpdateGauges() {
    const int64_t now_ns = environment_.executor->clock().MonotonicNs();
    attempt_->UpdateGauges(now_ns - std::exchange(last_report_ns_, now_ns));
  }

  void SendReport() {
    UpdateGauges();
    proto::WorkerToTaskManager message;
    *message.mutable_report()->mutable_attempt() = deploy_.attempt();
    attempt_->FillReport(*message.mutable_report());
    Send(message);
  }

  void SendCheckpointReport(proto::CheckpointReport report) {
    if (over_) return;
    proto::WorkerToTaskManager message;
    *report.mutable_attempt() = deploy_.attempt();
    *message.mutable_checkpoint() = std::move(report);
    Send(message);
  }

  // The worker stays until it is cancelled: its peers may still read what it sent, or need a coordinator it hosts.
  void OnFinished() {
    if (over_) return;
    finished_ = true;
    SendReport();
    proto::WorkerToTaskManager message;
    *message.mutable_finished()->mutable_attempt() = deploy_.attempt();
    Send(message);
  }

  void OnPeerLost(int32_t worker, const Status& reason) {
    if (over_ || finished_) return;
    const std::string address =
        worker >= 0 && worker < peers_.peers_size() ? peers_.peers(worker).data_address() : "an unknown address";
    TaskFailure failure{
        .status = Unavailable("connection to worker {} at {} lost: {}", worker, address, StatusMessage(reason))};
    Fail(std::move(failure), /*secondary=*/true);
  }

  void Fail(TaskFailure failure, bool secondary = false) {
    if (over_) return;
    const std::string text = ReadableText(StatusMessage(failure.status));
    EAGRE_LOG_ERROR("task failed: {} [{}]", text, failure.vertex_name);
    proto::WorkerToTaskManager message;
    *message.mutable_failed()->mutable_attempt() = deploy_.attempt();
    proto::FailureInfo& info = *message.mutable_failed()->mutable_failure();
    info.set_message(text);
    info.set_vertex(failure.vertex_name);
    info.set_operator_name(failure.operator_name);
    info.set_operator_id(failure.operator_id);
    info.set_subtask(failure.subtask);
    if (failure.origin != nullptr) info.set_origin(*failure.origin);
    info.set_in_user_code(failure.in_user_code);
    info.set_time_ms(environment_.executor->clock().NowMs());
    info.set_secondary(secondary);
    const bool missing = absl::IsNotFound(failure.status);
    info.set_damaged_checkpoint(IsDamagedCheckpoint(failure.status) && !missing);
    info.set_missing_checkpoint(IsDamagedCheckpoint(failure.status) && missing);
    info.set_retryable(failure.status.code() != absl::StatusCode::kFailedPrecondition);
    Send(message);
    if (attempt_) attempt_->Cancel();
  }

  void OnCancel() {
    over_ = true;
    if (attempt_) attempt_->Cancel();
    Finish();
  }

  void Finish() {
    over_ = true;
    if (on_done_) std::exchange(on_done_, nullptr)();
  }

  void Send(const proto::WorkerToTaskManager& message) { link_->Send(message.SerializeAsString()); }

  WorkerEnvironment environment_;
  std::unique_ptr<Link> link_;
  std::function<void()> on_done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  proto::DeployWorker deploy_;
  proto::StartWorker peers_;
  std::unique_ptr<StreamGraph> graph_;
  ChainedGraph chained_;
  std::unique_ptr<Exchange> exchange_;
  std::unique_ptr<Attempt> attempt_;
  TimerId report_timer_ = 0;
  int64_t last_report_ns_ = 0;
  bool started_ = false;
  bool runs_ = false;  // it could be started
  bool finished_ = false;
  bool over_ = false;
};

Worker::Worker(WorkerEnvironment environment, std::unique_ptr<Link> task_manager)
    : impl_(std::make_unique<Impl>(std::move(environment), std::move(task_manager))) {}
Worker::~Worker() = default;
void Worker::Start(std::function<void()> on_done) {
  impl_->Start(std::move(on_done));
}

}  // namespace eagre
