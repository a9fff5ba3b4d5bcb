#include "runtime/attempt.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/crash_report.h"
#include "base/fault_point.h"
#include "base/logging.h"
#include "runtime/event_gate.h"
#include "runtime/operator_event.h"
#include "runtime/piecewise_operator.h"
#include "runtime/restore_plan.h"
#include "runtime/ring_channel.h"
#include "runtime/task_checkpoints.h"
#include "runtime/task_context.h"
#include "state/checkpoint_metadata.h"
#include "state/state_backend_factory.h"

namespace eagre {
namespace {

constexpr char kTaskScopeName[] = "flink_taskmanager_job_task_";

// How full a task's channels of one direction are, under Flink's name and the one that dashboards made for older
// versions ask for.
struct QueueGauges {
  std::vector<Gauge*> length;
  std::vector<Gauge*> usage;
  void Set(const QueueLoad& load) const {
    for (Gauge* gauge : length) gauge->Set(static_cast<double>(load.length));
    for (Gauge* gauge : usage) gauge->Set(load.usage());
  }
};

// A task's gauges, refreshed from its TaskStats.
struct TaskGauges {
  Task* task = nullptr;
  const TaskScope* scope = nullptr;
  std::string vertex_name;
  Gauge* busy = nullptr;
  Gauge* idle = nullptr;
  Gauge* back_pressured = nullptr;
  Gauge* is_back_pressured = nullptr;
  Gauge* busy_total = nullptr;
  Gauge* idle_total = nullptr;
  Gauge* back_pressured_total = nullptr;
  Gauge* watermark = nullptr;
  Gauge* checkpoint_alignment = nullptr;
  Gauge* output_queue_bytes = nullptr;
  QueueGauges input_queue;
  QueueGauges output_queue;
  Counter* records_in = nullptr;
  Counter* records_out = nullptr;
  Counter* bytes_in = nullptr;
  Counter* bytes_out = nullptr;
  int64_t last_busy_ns = 0;
  int64_t last_idle_ns = 0;
  int64_t last_back_pressured_ns = 0;
};

Partitioning FromProto(proto::Partitioning partitioning) {
  switch (partitioning) {
    case proto::HASH: return Partitioning::kHash;
    case proto::REBALANCE: return Partitioning::kRebalance;
    case proto::BROADCAST: return Partitioning::kBroadcast;
    case proto::SHUFFLE: return Partitioning::kShuffle;
    case proto::RESCALE: return Partitioning::kRescale;
    case proto::GLOBAL: return Partitioning::kGlobal;
    case proto::CUSTOM: return Partitioning::kCustom;
    default: return Partitioning::kForward;
  }
}

double PerSecondMs(std::atomic<int64_t>& total_ns, int64_t& last_ns, int64_t elapsed_ns) {
  const int64_t now = total_ns.load(std::memory_order_relaxed);
  const int64_t spent = now - std::exchange(last_ns, now);
  return elapsed_ns <= 0 ? 0 : static_cast<double>(spent) * 1000.0 / static_cast<double>(elapsed_ns);
}

}  // namespace

class Attempt::Impl {
 public:
  Impl(const WorkerEnvironment& environment, const proto::DeployWorker& deploy, const StreamGraph& graph,
       const ChainedGraph& chained, Exchange& exchange, Handlers handlers)
      : environment_(environment),
        deploy_(deploy),
        graph_(graph),
        chained_(chained),
        exchange_(exchange),
        handlers_(std::move(handlers)) {}

  ~Impl() {
    *alive_ = false;
    {
      std::lock_guard lock(slots_alive_->mutex);
      slots_alive_->alive = false;
    }
    // Waits for a coordinator that runs right now; none begins afterwards.
    std::lock_guard lock(coordinators_alive_->mutex);
    coordinators_alive_->alive = false;
  }

  Status Build(const proto::StartWorker& start) {
    EAGRE_RETURN_IF_ERROR(ReadCheckpoint());
    for (int worker = 0; worker < start.peers_size(); ++worker) {
      for (const int slot : start.peers(worker).job_slots()) worker_of_slot_[slot] = worker;
    }
    for (const auto& vertex : chained_.job_graph.vertices()) {
      for (int subtask = 0; subtask < vertex.parallelism(); ++subtask) {
        const int slot = vertex.slot_offset() + subtask;
        if (!worker_of_slot_.contains(slot)) {
          return Internal("no worker has job slot {}, which vertex '{}' needs", slot, vertex.name());
        }
      }
    }
    std::vector<int> slots(deploy_.job_slots().begin(), deploy_.job_slots().end());
    std::sort(slots.begin(), slots.end());
    for (const int index : slots) CreateSlots(index);
    CreateRings();
    for (const int index : slots) {
      for (int v = 0; v < chained_.job_graph.vertices_size(); ++v) {
        const proto::Vertex& vertex = chained_.job_graph.vertices(v);
        const int subtask = index - vertex.slot_offset();
        if (subtask >= 0 && subtask < vertex.parallelism()) CreateTask(v, subtask);
      }
    }
    if (worker_of_slot_.at(0) == deploy_.worker_index()) EAGRE_RETURN_IF_ERROR(CreateCoordinators());
    return OkStatus();
  }

  void Start() {
    slots_running_ = static_cast<int>(slots_.size());
    for (auto& [key, coordinator] : coordinators_) {
      PostToCoordinator(*coordinator, [this, &context = *coordinator](OperatorCoordinator& started) {
        return StartCoordinator(context, started);
      });
    }
    for (auto& [index, slot] : slots_) slot.runner->Start(*slot.slot);
    events_.Open();
  }

  void Cancel() {
    cancelled_ = true;
    for (auto& [index, slot] : slots_) slot.slot->Cancel();
  }

  void CancelAndJoin() {
    Cancel();
    if (!events_.open()) return;
    for (auto& [index, slot] : slots_) slot.runner->Join();
  }

  void OnCheckpointCommand(const proto::CheckpointCommand& command) {
    ForEachTask([&](Slot& slot, Task& task) {
      slot.Post(
          [&task, command]() -> Status {
            switch (command.kind()) {
              case proto::CheckpointCommand::COMPLETE:
                return task.OnCheckpointComplete(command.checkpoint_id(),
                                                 command.after() != proto::CheckpointCommand::CONTINUE);
              case proto::CheckpointCommand::ABORT:
                return task.OnCheckpointAborted(command.checkpoint_id(), command.may_be_complete());
              default: task.OnTrigger(command); return OkStatus();
            }
          },
          task.options().vertex);
    });
    if (command.kind() == proto::CheckpointCommand::TRIGGER && worker_of_slot_.at(0) == deploy_.worker_index()) {
      for (int v = 0; v < chained_.job_graph.vertices_size(); ++v) TriggerSource(v, command);
    }
  }

  // A peer may have started earlier than this worker.
  void OnOperatorEvent(std::string_view event) { events_.Deliver(event); }

  void FillReport(proto::WorkerReport& report) const {
    for (const auto& gauges : gauges_) {
      Task& task = *gauges.task;
      proto::SubtaskReport& subtask = *report.add_subtasks();
      TaskStats& stats = task.stats();
      subtask.set_vertex(task.options().vertex);
      subtask.set_subtask(task.options().subtask);
      subtask.set_status(TaskStateName(stats.state.load(std::memory_order_relaxed)));
      subtask.set_watermark_ms(stats.watermark_ms.load(std::memory_order_relaxed));
      subtask.set_busy_ms(stats.busy_ns.load(std::memory_order_relaxed) / 1'000'000);
      subtask.set_idle_ms(stats.idle_ns.load(std::memory_order_relaxed) / 1'000'000);
      subtask.set_committing(stats.committing.load(std::memory_order_relaxed));
      subtask.set_back_pressured_ms(stats.back_pressured_ns.load(std::memory_order_relaxed) / 1'000'000);
      for (size_t i = 0; i < task.chain().size(); ++i) {
        OperatorMetrics& metrics = task.chain().node(i).context->metrics();
        proto::OperatorReport& op = *subtask.add_operators();
        op.set_records_in(metrics.records_in->value());
        op.set_records_out(metrics.records_out->value());
        op.set_late_records_dropped(metrics.late_records_dropped->value());
        op.set_records_skipped(metrics.records_skipped->value());
      }
      std::vector<proto::Accumulator> accumulators;
      gauges.scope->accumulators.Fill(accumulators);
      subtask.mutable_accumulators()->Assign(accumulators.begin(), accumulators.end());
    }
  }

  void UpdateGauges(int64_t elapsed_ns) {
    if (environment_.metrics != nullptr) environment_.metrics->UpdateViews(environment_.slots->clock().MonotonicNs());
    for (auto& [index, backend] : backends_) backend->UpdateGauges();
    for (TaskGauges& gauges : gauges_) {
      TaskStats& stats = gauges.task->stats();
      const double back_pressured = PerSecondMs(stats.back_pressured_ns, gauges.last_back_pressured_ns, elapsed_ns);
      gauges.busy->Set(PerSecondMs(stats.busy_ns, gauges.last_busy_ns, elapsed_ns));
      gauges.idle->Set(PerSecondMs(stats.idle_ns, gauges.last_idle_ns, elapsed_ns));
      gauges.back_pressured->Set(back_pressured);
      gauges.is_back_pressured->Set(back_pressured > 500 ? 1 : 0);
      gauges.busy_total->Set(static_cast<double>(gauges.last_busy_ns) / 1e6);
      gauges.idle_total->Set(static_cast<double>(gauges.last_idle_ns) / 1e6);
      gauges.back_pressured_total->Set(static_cast<double>(gauges.last_back_pressured_ns) / 1e6);
      gauges.watermark->Set(static_cast<double>(stats.watermark_ms.load(std::memory_order_relaxed)));
      // In nanoseconds, as Flink has it.
      gauges.checkpoint_alignment->Set(static_cast<double>(stats.alignment_ms.load(std::memory_order_relaxed)) * 1e6);
      gauges.output_queue_bytes->Set(static_cast<double>(gauges.task->chain().QueuedBytes()));
      Chain& chain = gauges.task->chain();
      gauges.input_queue.Set(gauges.task->InputLoad());
      gauges.output_queue.Set(chain.OutputLoad());
      gauges.records_in->Store(chain.node(0).context->metrics().records_in->value());
      gauges.records_out->Store(RecordsLeaving(chain));
      gauges.bytes_in->Store(gauges.task->ReceivedBytes());
      gauges.bytes_out->Store(chain.SentBytes());
    }
  }

 private:
  struct RunningSlot {
    std::unique_ptr<SlotRunner> runner;
    std::unique_ptr<Slot> slot;
  };
  // A job slot has one thread for all its tasks, and one for each whose user code may block: of that vertex, else -1.
  using ThreadKey = std::pair<int, int>;
  using ChannelKey = std::tuple<int, int, int>;  // edge, source subtask, target subtask
  struct Ring {
    std::unique_ptr<OutputChannel> output;
    std::unique_ptr<InputChannel> input;
  };

  class RunningCoordinator final : public OperatorCoordinator::Context {
   public:
    RunningCoordinator(Impl& attempt, int vertex, int node, std::unique_ptr<OperatorCoordinator> coordinator)
        : attempt_(attempt), vertex_(vertex), node_(node), coordinator_(std::move(coordinator)) {}
    int parallelism() const override { return attempt_.chained_.job_graph.vertices(vertex_).parallelism(); }
    const Configuration& config() const override { return attempt_.graph_.config(); }
    const Clock& clock() const override { return attempt_.environment_.coordinators->clock(); }
    void SendToSubtask(int subtask, std::string event) override {
      attempt_.SendOperatorEvent(attempt_.worker_of_slot_.at(attempt_.SlotOf(vertex_, subtask)),
                                 {.vertex = vertex_, .node = node_, .subtask = subtask, .payload = std::move(event)});
    }
    void PostAfter(int64_t delay_ms, std::function<Status()> mail) override {
      attempt_.environment_.coordinators->PostAfter(
          delay_ms, [this, alive = attempt_.coordinators_alive_, mail = std::move(mail)] {
            std::lock_guard lock(alive->mutex);
            if (alive->alive) attempt_.RunCoordinator(*this, mail);
          });
    }

    Impl& attempt_;
    const int vertex_;
    const int node_;
    std::unique_ptr<OperatorCoordinator> coordinator_;
  };

  static int64_t RecordsLeaving(Chain& chain) {
    int64_t records = 0;
    for (size_t i = 0; i < chain.size(); ++i) {
      const ChainNode& node = chain.node(i);
      const bool leaves = std::any_of(node.ports.begin(), node.ports.end(),
                                      [](const ChainPort& port) { return port.child < 0 && !port.writers.empty(); });
      if (leaves) records += node.context->metrics().records_out->value();
    }
    return records;
  }

  void CreateSlots(int index) {
    CreateSlot(index, -1);
    for (int v = 0; v < chained_.job_graph.vertices_size(); ++v) {
      const proto::Vertex& vertex = chained_.job_graph.vertices(v);
      const int subtask = index - vertex.slot_offset();
      if (vertex.own_thread() && subtask >= 0 && subtask < vertex.parallelism()) CreateSlot(index, v);
    }
  }

  void CreateSlot(int index, int vertex) {
    RunningSlot& running = slots_[{index, vertex}];
    running.runner = environment_.slots->Create(vertex < 0 ? fmt::format("slot-{}", index)
                                                           : fmt::format("slot-{}.{}", index, vertex));
    running.slot =
        std::make_unique<Slot>(index, environment_.slots->clock(), *running.runner,
                               Slot::Handlers{.on_failure =
                                                  [this](TaskFailure failure) {
                                                    environment_.executor->Post(
                                                        [this, alive = alive_, failure = std::move(failure)]() mutable {
                                                          if (*alive) OnFailure(std::move(failure));
                                                        });
                                                  },
                                              .on_done =
                                                  [this] {
                                                    environment_.executor->Post([this, alive = alive_] {
                                                      if (*alive) OnSlotDone();
                                                    });
                                                  }});
    CreateBackend({index, vertex});
  }

  void CreateBackend(const ThreadKey& key) {
    StateBackendSettings settings;
    settings.config = &graph_.config();
    settings.memory_bytes = deploy_.slot_memory_bytes();
    if (settings.memory_bytes == 0) settings.memory_bytes = SlotMemoryBytes(graph_.config(), deploy_.job_slots_size());
    settings.work_directory = environment_.work_directory;
    settings.metrics = environment_.metrics;
    settings.labels = environment_.labels;
    settings.labels.insert(
        settings.labels.end(),
        {{"job_id", deploy_.attempt().job_id()},
         {"job_name", chained_.job_graph.name()},
         {"slot", key.second < 0 ? std::to_string(key.first) : fmt::format("{}.{}", key.first, key.second)}});
    settings.post_after = [executor = environment_.executor, slot = slots_.at(key).slot.get(), alive = slots_alive_](
                              int64_t delay_ms, std::function<void()> mail) {
      executor->PostAfter(delay_ms, [slot, alive, mail = std::move(mail)] {
        std::lock_guard lock(alive->mutex);
        if (!alive->alive) return;
        slot->Post(
            [mail] {
              mail();
              return OkStatus();
            },
            /*vertex=*/-1);
      });
    };
    backends_[key] = NewStateBackend(std::move(settings));
    if (!local_directory().empty()) CreateSnapshots(key, *backends_[key]);
  }

  // Empty: no copies of the state are kept here.
  std::string local_directory() const {
    const bool kept = graph_.config().GetBool("execution.state-recovery.from-local");
    return kept && !deploy_.checkpoints().directory().empty() ? deploy_.local_state_directory() : "";
  }

  void CreateSnapshots(const ThreadKey& key, StateBackend& backend) {
    LocalSnapshots::Options options;
    options.files = environment_.files;
    options.io = environment_.io;
    options.directory = JoinPath(local_directory(), "db");
    options.slot = key.second < 0 ? std::to_string(key.first) : fmt::format("{}.{}", key.first, key.second);
    options.job_id = deploy_.attempt().job_id();
    options.attempt = deploy_.attempt().attempt();
    options.post = [slot = slots_.at(key).slot.get(), slots_alive = slots_alive_](std::function<Status()> mail) {
      std::lock_guard lock(slots_alive->mutex);
      if (slots_alive->alive) slot->Post(std::move(mail), /*vertex=*/-1);
    };
    snapshots_[key] = std::make_unique<LocalSnapshots>(std::move(options), backend);
    const bool own = restore_ != nullptr && restore_->own_files();
    snapshots_[key]->Open(own ? &restore_->metadata() : nullptr, deploy_.checkpoints().restore_attempt());
  }

  LocalSnapshots* SnapshotsOf(const ThreadKey& key) const {
    const auto found = snapshots_.find(key);
    return found == snapshots_.end() ? nullptr : found->second.get();
  }

  void OnFailure(TaskFailure failure) {
    failed_ = true;
    handlers_.on_failure(std::move(failure));
  }

  void OnSlotDone() {
    if (--slots_running_ == 0 && !failed_ && !cancelled_) handlers_.on_finished();
  }

  int SlotOf(int vertex, int subtask) const { return chained_.job_graph.vertices(vertex).slot_offset() + subtask; }
  ThreadKey ThreadOf(int vertex, int subtask) const {
    return {SlotOf(vertex, subtask), chained_.job_graph.vertices(vertex).own_thread() ? vertex : -1};
  }
  bool IsHere(int vertex, int subtask) const { return slots_.contains(ThreadOf(vertex, subtask)); }
  SlotRunner& RunnerOf(int vertex, int subtask) { return *slots_.at(ThreadOf(vertex, subtask)).runner; }

  // Every channel whose two ends are in this worker.
  void CreateRings() {
    const auto capacity = static_cast<size_t>(graph_.config().GetInt("taskmanager.network.queue-batches"));
    ForEachChannel([&](int e, int source, int target) {
      const proto::Edge& edge = chained_.job_graph.edges(e);
      if (!IsHere(edge.source_vertex(), source) || !IsHere(edge.target_vertex(), target)) return;
      auto [output, input] = NewRingChannel(TypeOf(e), capacity, RunnerOf(edge.source_vertex(), source),
                                            RunnerOf(edge.target_vertex(), target));
      rings_[{e, source, target}] = {std::move(output), std::move(input)};
    });
  }

  template <typename F>
  void ForEachChannel(F&& visit) {
    const proto::JobGraph& graph = chained_.job_graph;
    for (int e = 0; e < graph.edges_size(); ++e) {
      const proto::Edge& edge = graph.edges(e);
      const int sources = graph.vertices(edge.source_vertex()).parallelism();
      for (int source = 0; source < sources; ++source) {
        const auto [first, end] = TargetsOf(edge, source);
        for (int target = first; target < end; ++target) visit(e, source, target);
      }
    }
  }

  // The target's subtasks [first, end) that one of the source's is connected to.
  std::pair<int, int> TargetsOf(const proto::Edge& edge, int source) const {
    const int sources = chained_.job_graph.vertices(edge.source_vertex()).parallelism();
    const int targets = chained_.job_graph.vertices(edge.target_vertex()).parallelism();
    if (edge.partitioning() == proto::FORWARD) return {source, source + 1};
    if (edge.partitioning() != proto::RESCALE) return {0, targets};
    const int first = source * targets / sources;
    return {first, std::max((source + 1) * targets / sources, first + 1)};
  }

  const BatchType& TypeOf(int edge) const {
    const StreamEdge& stream_edge = *chained_.edges[edge];
    return *graph_.node(stream_edge.source_node).ports[stream_edge.source_port];
  }

  std::unique_ptr<PartitionWriter> CreateWriter(int e, int source_subtask) {
    const proto::Edge& edge = chained_.job_graph.edges(e);
    const proto::Vertex& target = chained_.job_graph.vertices(edge.target_vertex());
    const StreamEdge& stream_edge = *chained_.edges[e];
    std::vector<std::unique_ptr<OutputChannel>> channels;
    auto add_channel = [&](int target_subtask) {
      if (IsHere(edge.target_vertex(), target_subtask)) {
        channels.push_back(std::move(rings_.at({e, source_subtask, target_subtask}).output));
      } else {
        channels.push_back(exchange_.CreateOutput(worker_of_slot_.at(SlotOf(edge.target_vertex(), target_subtask)),
                                                  {e, source_subtask, target_subtask}, TypeOf(e),
                                                  RunnerOf(edge.source_vertex(), source_subtask)));
      }
    };
    const auto [first, end] = TargetsOf(edge, source_subtask);
    for (int subtask = first; subtask < end; ++subtask) add_channel(subtask);
    const Partitioning partitioning = FromProto(edge.partitioning());
    PartitionCode code;
    if (partitioning == Partitioning::kHash) code.hasher = stream_edge.create_hasher();
    if (partitioning == Partitioning::kCustom) {
      const proto::Vertex& source = chained_.job_graph.vertices(edge.source_vertex());
      code.partitioner = stream_edge.create_partitioner();
      code.edge =
          fmt::format("from '{}' to '{}'", source.operators(edge.source_operator()).name(), target.operators(0).name());
    }
    return std::make_unique<PartitionWriter>(partitioning, std::move(channels), std::move(code),
                                             target.max_parallelism(), source_subtask);
  }

  std::vector<TaskInput> CreateInputs(int vertex, int subtask) {
    std::vector<TaskInput> inputs;
    const proto::JobGraph& graph = chained_.job_graph;
    for (int e = 0; e < graph.edges_size(); ++e) {
      const proto::Edge& edge = graph.edges(e);
      if (edge.target_vertex() != vertex) continue;
      const int sources = graph.vertices(edge.source_vertex()).parallelism();
      for (int source = 0; source < sources; ++source) {
        const auto [first, end] = TargetsOf(edge, source);
        if (subtask < first || subtask >= end) continue;
        std::unique_ptr<InputChannel> channel;
        if (IsHere(edge.source_vertex(), source)) {
          channel = std::move(rings_.at({e, source, subtask}).input);
        } else {
          channel = exchange_.CreateInput(worker_of_slot_.at(SlotOf(edge.source_vertex(), source)),
                                          {e, source, subtask}, TypeOf(e), RunnerOf(vertex, subtask));
        }
        inputs.push_back({.channel = std::move(channel),
                          .input = edge.target_input(),
                          .place = PlaceOf(e),
                          .source = static_cast<uint32_t>(source)});
      }
    }
    return inputs;
  }

  // Of what is in flight on an edge, in checkpoints.
  InFlightPlace PlaceOf(int e) const {
    const proto::Edge& edge = chained_.job_graph.edges(e);
    const proto::Vertex& source = chained_.job_graph.vertices(edge.source_vertex());
    const proto::OperatorNode& source_operator = source.operators(edge.source_operator());
    InFlightPlace place{.input = {}, .source_name = source_operator.name()};
    place.input.set_input(edge.target_input());
    place.input.set_source_operator_id(source_operator.id());
    place.input.set_source_port(edge.source_port());
    place.input.set_source_parallelism(source.parallelism());
    for (int other = 0; other < e; ++other) {
      const proto::Edge& before = chained_.job_graph.edges(other);
      if (before.source_vertex() == edge.source_vertex() && before.source_operator() == edge.source_operator() &&
          before.source_port() == edge.source_port() && before.target_vertex() == edge.target_vertex() &&
          before.target_input() == edge.target_input()) {
        place.input.set_ordinal(place.input.ordinal() + 1);
      }
    }
    return place;
  }

  // How what stood before an operator of the vertex is divided anew: as the edge does it that it came by, or else any
  // other of that input.
  InFlightRoute RouteOf(int v, size_t node, const proto::InFlightInput& stored) const {
    const StreamNode& stream_node = graph_.node(chained_.vertex_nodes[v][node]);
    const StreamEdge* found = nullptr;
    for (const StreamEdge& edge : stream_node.inputs) {
      if (edge.input == stored.input() && found == nullptr) found = &edge;
    }
    Partitioning partitioning = found == nullptr ? Partitioning::kForward : found->partitioning;
    for (int e = 0; node == 0 && e < chained_.job_graph.edges_size(); ++e) {
      if (chained_.job_graph.edges(e).target_vertex() != v || !SamePlace(PlaceOf(e).input, stored)) continue;
      found = chained_.edges[e];
      partitioning = FromProto(chained_.job_graph.edges(e).partitioning());
    }
    InFlightRoute route;
    if (found == nullptr) return route;
    route.type = graph_.node(found->source_node).ports[found->source_port];
    route.broadcast = partitioning == Partitioning::kBroadcast;
    if (found->create_hasher) route.hasher = found->create_hasher();
    if (partitioning == Partitioning::kCustom) {
      route.partitioner = found->create_partitioner();
      route.edge = fmt::format("from '{}' to '{}'", graph_.node(found->source_node).name, stream_node.name);
    }
    return route;
  }

  TaskScope& CreateScope(int v, int subtask) {
    const proto::Vertex& vertex = chained_.job_graph.vertices(v);
    scopes_.push_back(std::make_unique<TaskScope>());
    TaskScope& scope = *scopes_.back();
    scope.job_id = deploy_.attempt().job_id();
    scope.job_name = chained_.job_graph.name();
    scope.vertex_id = vertex.id();
    scope.vertex_name = vertex.name();
    scope.vertex = v;
    scope.subtask = subtask;
    scope.parallelism = vertex.parallelism();
    scope.max_parallelism = vertex.max_parallelism();
    scope.attempt = deploy_.attempt().attempt();
    scope.base_labels = environment_.labels;
    scope.config = &graph_.config();
    scope.parameters = &graph_.parameters();
    scope.clock = &environment_.slots->clock();
    scope.metrics = environment_.metrics;
    scope.slot = slots_.at(ThreadOf(v, subtask)).slot.get();
    scope.state_backend = backends_.at(ThreadOf(v, subtask)).get();
    scope.checkpointing = deploy_.checkpoints().commits_on_checkpoint();
    scope.restored = restore_ != nullptr;
    scope.event_time_restarts = restore_ != nullptr && restore_->drained();
    scope.overflow.limit_bytes = graph_.config().GetBytes("execution.overflow.max-size");
    scope.overflow.owner = fmt::format("subtask {} of '{}'", subtask, vertex.name());
    scope.send_to_coordinator = [this, v, subtask](int node, std::string event) {
      SendOperatorEvent(worker_of_slot_.at(0), {.kind = OperatorEvent::Kind::kToCoordinator,
                                                .vertex = v,
                                                .node = node,
                                                .subtask = subtask,
                                                .payload = std::move(event)});
    };
    return scope;
  }

  void CreateTask(int v, int subtask) {
    const proto::Vertex& vertex = chained_.job_graph.vertices(v);
    const std::vector<int>& stream_nodes = chained_.vertex_nodes[v];
    TaskScope& scope = CreateScope(v, subtask);
    std::vector<ChainNode> nodes(stream_nodes.size());
    std::vector<TaskOperatorContext*> contexts;
    for (size_t i = 0; i < stream_nodes.size(); ++i) {
      const StreamNode& stream_node = graph_.node(stream_nodes[i]);
      ChainNode& node = nodes[i];
      auto context = std::make_unique<TaskOperatorContext>(
          scope, static_cast<int>(i), vertex.operators(static_cast<int>(i)).id(), stream_node.name);
      if (deploy_.has_isolation() && vertex.source())
        context->set_isolation(IsolationOf(vertex.operators(static_cast<int>(i)).id()));
      contexts.push_back(context.get());
      node.op = stream_node.create_operator(stream_node);
      if (stream_node.blocking && !vertex.source()) {
        node.op = std::make_unique<PiecewiseOperator>(std::move(node.op));
        node.sends_at_once = true;
      }
      node.identity = {.vertex = scope.vertex_name.c_str(),
                       .operator_name = context->operator_name().c_str(),
                       .subtask = subtask,
                       .operator_id = vertex.operators(static_cast<int>(i)).id().c_str()};
      node.context = std::move(context);
      for (const BatchType* type : stream_node.ports)
        node.ports.push_back({.output = std::make_unique<Output>(*type, scope.overflow)});
    }
    ConnectPorts(v, subtask, stream_nodes, nodes);
    auto chain = std::make_unique<Chain>(std::move(nodes));
    for (TaskOperatorContext* context : contexts) context->Attach(*chain);
    TaskOptions options{
        .vertex = v,
        .subtask = subtask,
        .vertex_name = vertex.name(),
        .buffer_timeout_ms = graph_.config().GetDurationMs("execution.buffer-timeout.interval"),
        .exactly_once = graph_.config().GetString("execution.checkpointing.mode") == "EXACTLY_ONCE" &&
                        !IsOmitted(Omission::kBarrierAlignment),
        .parallelism = vertex.parallelism(),
        .max_parallelism = vertex.max_parallelism(),
        .restore = restore_,
        .most_in_flight_bytes = graph_.config().GetBytes("execution.checkpointing.unaligned.max-in-flight-size"),
        .route = [this, v](size_t node, const proto::InFlightInput& place) { return RouteOf(v, node, place); }};
    for (const auto& node : vertex.operators()) options.operator_ids.push_back(node.id());
    auto task = std::make_unique<Task>(std::move(options), std::move(chain), CreateInputs(v, subtask),
                                       CreateCheckpoints(v, subtask));
    CreateGauges(scope, *task);
    slots_.at(ThreadOf(v, subtask)).slot->AddTask(std::move(task));
  }

  std::unique_ptr<const SourceIsolation> IsolationOf(const std::string& operator_id) const {
    auto isolation = std::make_unique<SourceIsolation>();
    isolation->operator_id = operator_id;
    for (const proto::Isolation::Record& record : deploy_.isolation().poison()) {
      if (record.operator_id() == operator_id) isolation->poison.emplace(record.split(), record.position());
    }
    return isolation;
  }

  // Null when the job takes no checkpoints.
  std::unique_ptr<TaskCheckpoints> CreateCheckpoints(int v, int subtask) {
    if (deploy_.checkpoints().directory().empty()) return nullptr;
    TaskCheckpointsOptions options{.files = environment_.files,
                                   .io = environment_.io,
                                   .clock = &environment_.slots->clock(),
                                   .directory = deploy_.checkpoints().directory(),
                                   .local_directory = local_directory(),
                                   .snapshots = SnapshotsOf(ThreadOf(v, subtask)),
                                   .attempt = deploy_.attempt().attempt(),
                                   .vertex = v,
                                   .subtask = subtask};
    Slot* slot = slots_.at(ThreadOf(v, subtask)).slot.get();
    return std::make_unique<TaskCheckpoints>(
        std::move(options),
        TaskCheckpoints::Handlers{
            .post =
                [slot, v, slots_alive = slots_alive_](std::function<Status()> mail) {
                  std::lock_guard lock(slots_alive->mutex);
                  if (slots_alive->alive) slot->Post(std::move(mail), v);
                },
            .report = [this](proto::CheckpointReport report) { ReportCheckpoint(std::move(report)); }});
  }

  // Any thread.
  void ReportCheckpoint(proto::CheckpointReport report) {
    environment_.executor->Post([this, alive = alive_, report = std::move(report)]() mutable {
      if (*alive) handlers_.on_checkpoint_report(std::move(report));
    });
  }

  Status ReadCheckpoint() {
    const proto::CheckpointPlan& plan = deploy_.checkpoints();
    if (plan.restore_from().empty()) return OkStatus();
    StatusOr<proto::CheckpointMetadata> metadata = ReadCheckpointMetadata(*environment_.files, plan.restore_from());
    if (!metadata.ok()) return MarkDamagedCheckpoint(metadata.status());
    restore_ = std::make_shared<RestorePlan>(*environment_.files, plan.restore_from(), plan.directory(),
                                             *std::move(metadata), local_directory());
    return OkStatus();
  }

  Status StartCoordinator(RunningCoordinator& context, OperatorCoordinator& coordinator) {
    const proto::OperatorSnapshot* stored =
        restore_ == nullptr ? nullptr : restore_->Find(OperatorId(context.vertex_, context.node_));
    if (stored != nullptr && stored->has_coordinator()) {
      EAGRE_RETURN_IF_ERROR(coordinator.Restore(stored->coordinator()));
    }
    return coordinator.Start(context);
  }

  const std::string& OperatorId(int vertex, int node) const {
    return chained_.job_graph.vertices(vertex).operators(node).id();
  }

  // Brings the barrier to the subtasks of a source. Where it has a coordinator, that is stored first and sends the
  // barriers itself, so that they come behind the splits that it has given out.
  void TriggerSource(int v, const proto::CheckpointCommand& command) {
    const bool has_input = std::any_of(chained_.job_graph.edges().begin(), chained_.job_graph.edges().end(),
                                       [v](const proto::Edge& edge) { return edge.target_vertex() == v; });
    if (has_input) return;
    const auto found = coordinators_.lower_bound({v, 0});
    if (found == coordinators_.end() || found->first.first != v) return SendBarriers(v, command);
    RunningCoordinator& running = *found->second;
    PostToCoordinator(running, [this, v, command, node = running.node_](OperatorCoordinator& coordinator) -> Status {
      EAGRE_ASSIGN_OR_RETURN(std::string snapshot, coordinator.Snapshot());
      proto::CheckpointReport report;
      report.set_checkpoint_id(command.checkpoint_id());
      report.set_kind(proto::CheckpointReport::COORDINATOR);
      report.set_vertex(v);
      report.set_subtask(-1);
      report.add_operators()->set_operator_id(OperatorId(v, node));
      report.mutable_operators(0)->set_coordinator(std::move(snapshot));
      ReportCheckpoint(std::move(report));
      SendBarriers(v, command);
      return OkStatus();
    });
  }

  void SendBarriers(int v, const proto::CheckpointCommand& command) {
    const std::string payload = command.SerializeAsString();
    for (int subtask = 0; subtask < chained_.job_graph.vertices(v).parallelism(); ++subtask) {
      SendOperatorEvent(
          worker_of_slot_.at(SlotOf(v, subtask)),
          {.kind = OperatorEvent::Kind::kBarrier, .vertex = v, .node = 0, .subtask = subtask, .payload = payload});
    }
  }

  template <typename F>
  void ForEachTask(F&& visit) {
    for (auto& [index, running] : slots_) {
      for (const auto& task : running.slot->tasks()) visit(*running.slot, *task);
    }
  }

  // Ports lead to a child in the chain, or to the edges that leave the vertex.
  void ConnectPorts(int v, int subtask, const std::vector<int>& stream_nodes, std::vector<ChainNode>& nodes) {
    for (size_t i = 1; i < stream_nodes.size(); ++i) {
      const StreamEdge& edge = graph_.node(stream_nodes[i]).inputs[0];
      const auto parent = std::find(stream_nodes.begin(), stream_nodes.end(), edge.source_node) - stream_nodes.begin();
      nodes[i].parent = static_cast<int>(parent);
      nodes[parent].ports[edge.source_port].child = static_cast<int>(i);
    }
    for (int e = 0; e < chained_.job_graph.edges_size(); ++e) {
      const proto::Edge& edge = chained_.job_graph.edges(e);
      if (edge.source_vertex() != v) continue;
      nodes[edge.source_operator()].ports[edge.source_port()].writers.push_back(CreateWriter(e, subtask));
    }
  }

  void CreateGauges(TaskScope& scope, Task& task) {
    const MetricLabels labels = scope.TaskLabels();
    auto gauge = [&](const char* name) {
      return &environment_.metrics->AddGauge(std::string(kTaskScopeName) + name, labels);
    };
    auto counter = [&](const char* name) {
      Counter& added = environment_.metrics->AddCounter(std::string(kTaskScopeName) + name, labels);
      environment_.metrics->AddRate(added, fmt::format("{}{}PerSecond", kTaskScopeName, name), labels);
      return &added;
    };
    gauges_.push_back(
        {.task = &task,
         .scope = &scope,
         .vertex_name = scope.vertex_name,
         .busy = gauge("busyTimeMsPerSecond"),
         .idle = gauge("idleTimeMsPerSecond"),
         .back_pressured = gauge("backPressuredTimeMsPerSecond"),
         .is_back_pressured = gauge("isBackPressured"),
         .busy_total = gauge("accumulateBusyTimeMs"),
         .idle_total = gauge("accumulateIdleTimeMs"),
         .back_pressured_total = gauge("accumulateBackPressuredTimeMs"),
         .watermark = gauge("currentInputWatermark"),
         .checkpoint_alignment = gauge("checkpointAlignmentTime"),
         .output_queue_bytes = gauge("Shuffle_Netty_Output_Buffers_outputQueueSize"),
         .input_queue = {.length = {gauge("Shuffle_Netty_Input_Buffers_inputQueueLength"),
                                    gauge("buffers_inputQueueLength")},
                         .usage = {gauge("Shuffle_Netty_Input_Buffers_inPoolUsage"), gauge("buffers_inPoolUsage")}},
         .output_queue = {.length = {gauge("Shuffle_Netty_Output_Buffers_outputQueueLength"),
                                     gauge("buffers_outputQueueLength")},
                          .usage = {gauge("Shuffle_Netty_Output_Buffers_outPoolUsage"), gauge("buffers_outPoolUsage")}},
         .records_in = counter("numRecordsIn"),
         .records_out = counter("numRecordsOut"),
         .bytes_in = counter("numBytesIn"),
         .bytes_out = counter("numBytesOut")});
  }

  Status CreateCoordinators() {
    for (int v = 0; v < static_cast<int>(chained_.vertex_nodes.size()); ++v) {
      const auto& nodes = chained_.vertex_nodes[v];
      for (int n = 0; n < static_cast<int>(nodes.size()); ++n) {
        const StreamNode& node = graph_.node(nodes[n]);
        if (!node.create_coordinator) continue;
        coordinators_[{v, n}] = std::make_unique<RunningCoordinator>(*this, v, n, node.create_coordinator());
      }
    }
    return OkStatus();
  }

  // Runs `call` for the coordinator on the coordinators' executor, unless the attempt is gone by then.
  void PostToCoordinator(RunningCoordinator& coordinator, std::function<Status(OperatorCoordinator&)> call) {
    environment_.coordinators->Post([this, alive = coordinators_alive_, &coordinator, call = std::move(call)] {
      std::lock_guard lock(alive->mutex);
      if (alive->alive) RunCoordinator(coordinator, [&] { return call(*coordinator.coordinator_); });
    });
  }

  // On the coordinators' executor, under coordinators_alive_. A coordinator is user code: it may throw.
  void RunCoordinator(RunningCoordinator& coordinator, const std::function<Status()>& call) {
    if (coordinator_failed_.load(std::memory_order_relaxed)) return;
    const proto::Vertex& vertex = chained_.job_graph.vertices(coordinator.vertex_);
    const proto::OperatorNode& node = vertex.operators(coordinator.node_);
    const OperatorIdentity identity{.vertex = vertex.name().c_str(),
                                    .operator_name = node.name().c_str(),
                                    .subtask = -1,
                                    .operator_id = node.id().c_str()};
    Status status;
    {
      OperatorScope scope(&identity);
      try {
        status = call();
      } catch (const std::exception& error) {
        status = Internal("{}", error.what());
      } catch (...) {
        status = Internal("user code threw something that is not a std::exception");
      }
    }
    if (status.ok()) return;
    coordinator_failed_ = true;
    environment_.executor->Post([this, alive = alive_, status, &vertex, &node] {
      if (*alive)
        OnFailure(
            {.status = status, .vertex_name = vertex.name(), .operator_name = node.name(), .operator_id = node.id()});
    });
  }

  // Any thread.
  void SendOperatorEvent(int worker, const OperatorEvent& event) {
    exchange_.SendOperatorEvent(worker, EncodeOperatorEvent(event));
  }

  void RouteOperatorEvent(std::string_view bytes) {
    std::optional<OperatorEvent> event = DecodeOperatorEvent(bytes);
    if (!event.has_value()) {
      EAGRE_LOG_ERROR("dropped a malformed operator event of {} bytes", bytes.size());
      return;
    }
    if (event->kind == OperatorEvent::Kind::kToCoordinator) {
      const auto found = coordinators_.find({event->vertex, event->node});
      if (found == coordinators_.end()) return;
      PostToCoordinator(*found->second, [event = std::move(*event)](OperatorCoordinator& coordinator) {
        return coordinator.OnEvent(event.subtask, event.payload);
      });
      return;
    }
    if (event->vertex < 0 || event->vertex >= chained_.job_graph.vertices_size()) return;
    const auto slot = slots_.find(ThreadOf(event->vertex, event->subtask));
    if (slot == slots_.end()) return;
    Task* task = slot->second.slot->FindTask(event->vertex);
    if (task == nullptr || event->node >= static_cast<int>(task->chain().size())) return;
    if (event->kind == OperatorEvent::Kind::kBarrier) {
      proto::CheckpointCommand command;
      if (!command.ParseFromString(event->payload)) return;
      slot->second.slot->Post(
          [task, command = std::move(command)] {
            task->InjectBarrier(command);
            return OkStatus();
          },
          task->options().vertex);
      return;
    }
    slot->second.slot->Post(
        [task, event = std::move(*event)] { return task->OnCoordinatorEvent(event.node, event.payload); },
        task->options().vertex);
  }

  const WorkerEnvironment& environment_;
  const proto::DeployWorker& deploy_;
  const StreamGraph& graph_;
  const ChainedGraph& chained_;
  Exchange& exchange_;
  Handlers handlers_;
  std::shared_ptr<const RestorePlan> restore_;
  struct Alive {
    std::mutex mutex;  // held while what it guards is used
    bool alive = true;
  };
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what is posted to the worker's executor
  std::shared_ptr<Alive> coordinators_alive_ = std::make_shared<Alive>();
  std::shared_ptr<Alive> slots_alive_ = std::make_shared<Alive>();  // for the threads that write checkpoints
  std::map<int, int> worker_of_slot_;
  std::map<ChannelKey, Ring> rings_;  // ends move into the tasks
  std::vector<std::unique_ptr<TaskScope>> scopes_;
  std::map<ThreadKey, std::unique_ptr<StateBackend>> backends_;     // by thread; they outlive the operators
  std::map<ThreadKey, std::unique_ptr<LocalSnapshots>> snapshots_;  // by thread
  std::map<ThreadKey, RunningSlot> slots_;
  std::vector<TaskGauges> gauges_;
  std::map<std::pair<int, int>, std::unique_ptr<RunningCoordinator>> coordinators_;  // by vertex and node
  std::atomic<bool> coordinator_failed_{false};
  int slots_running_ = 0;
  bool failed_ = false;
  bool cancelled_ = false;
  EventGate events_{[this](std::string_view event) { RouteOperatorEvent(event); }};
};

Attempt::Attempt(const WorkerEnvironment& environment, const proto::DeployWorker& deploy, const StreamGraph& graph,
                 const ChainedGraph& chained, Exchange& exchange, Handlers handlers)
    : impl_(std::make_unique<Impl>(environment, deploy, graph, chained, exchange, std::move(handlers))) {}
Attempt::~Attempt() = default;
Status Attempt::Build(const proto::StartWorker& start) {
  return impl_->Build(start);
}
void Attempt::Start() {
  impl_->Start();
}
void Attempt::Cancel() {
  impl_->Cancel();
}
void Attempt::CancelAndJoin() {
  impl_->CancelAndJoin();
}
void Attempt::OnCheckpointCommand(const proto::CheckpointCommand& command) {
  impl_->OnCheckpointCommand(command);
}
void Attempt::OnOperatorEvent(std::string_view event) {
  impl_->OnOperatorEvent(event);
}
void Attempt::FillReport(proto::WorkerReport& report) const {
  impl_->FillReport(report);
}
void Attempt::UpdateGauges(int64_t elapsed_ns) {
  impl_->UpdateGauges(elapsed_ns);
}

}  // namespace eagre
