// Checkpoints whose barriers overtake what is in flight: they become complete although the sinks take nothing, and who
// goes on from one, at whatever parallelism, comes to the result of a run without interruption.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/testing/fake_operator_context.h"
#include "runtime/key_groups.h"
#include "runtime/piecewise_operator.h"
#include "runtime/ring_channel.h"
#include "runtime/task.h"
#include "tests/testing/manual_executor.h"
#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

constexpr int kMaxParallelism = 16;
constexpr int64_t kSplits = 4;
constexpr int64_t kRecordsPerSplit = 2'500;
constexpr int64_t kSplitUnit = 100'000;
constexpr int64_t kKeys = 7;
constexpr size_t kRingCapacity = 2;

int64_t KeyOf(int64_t value) {
  return value % kKeys;
}
uint64_t HashOf(int64_t key) {
  return (static_cast<uint64_t>(key) + 1) * 0x9E3779B97F4A7C15u;
}

class KeyHasher final : public BatchKeyHasher {
 public:
  void Hash(Batch& batch) override {
    const auto& typed = static_cast<const TypedBatch<int64_t>&>(batch);
    for (size_t i = 0; i < typed.size(); ++i) batch.hashes()[i] = HashOf(KeyOf(typed[i]));
    batch.set_keyed(true);
  }
};

// Emits the records of its splits, a few at a time, each with its number in the split as its time, and watermarks.
class SplitNumbers final : public SourceOperator {
 public:
  SplitNumbers(Random& random, bool first_start, int subtask, int parallelism) : random_(random) {
    for (int64_t split = subtask; first_start && split < kSplits; split += parallelism) next_[split] = 0;
  }
  StatusOr<Produced> Produce() override {
    Collector<int64_t> out(context_->output(0));
    for (uint64_t n = random_.Below(20); n > 0 && !Finished(); --n) {
      auto split = next_.begin();
      std::advance(split, static_cast<ptrdiff_t>(random_.Below(next_.size())));
      if (split->second == kRecordsPerSplit) continue;
      out.set_timestamp(split->second);
      out.Collect(split->first * kSplitUnit + split->second++);
    }
    if (Finished()) return Produced::kEnd;
    int64_t lowest = kRecordsPerSplit;
    for (const auto& [split, position] : next_) lowest = std::min(lowest, position);
    if (random_.Below(3) == 0) context_->EmitEvent({ControlEvent::Kind::kWatermark, lowest - 1});
    return Produced::kMore;
  }
  void CollectStates(std::vector<CheckpointedState*>& states) override { states.push_back(&positions_); }

 private:
  bool Finished() const {
    return std::all_of(next_.begin(), next_.end(), [](const auto& split) { return split.second == kRecordsPerSplit; });
  }

  Random& random_;
  std::map<int64_t, int64_t> next_;
  WholeState positions_{"positions",
                        StateDistribution::kSplit,
                        "split and position",
                        {.encode =
                             [this](StateEntryWriter& out) {
                               for (const auto& [split, position] : next_) {
                                 out.BeginKey(0).Fixed(split);
                                 out.BeginValue().Fixed(position);
                                 out.End();
                               }
                             },
                         .restore =
                             [this](const StateEntry& entry) {
                               int64_t split = 0;
                               ByteReader key(entry.key);
                               ByteReader value(entry.value);
                               return key.Fixed(split) && value.Fixed(next_[split]) ? OkStatus() : DataLoss("split");
                             }}};
};

// Counts by key, and complains of a record that comes out of its order or behind a watermark that promised it would
// not.
class CountKeys final : public Operator {
 public:
  explicit CountKeys(std::set<std::string>& violations) : violations_(violations) {}
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    const auto& typed = static_cast<const TypedBatch<int64_t>&>(*batch);
    Collector<int64_t> out(context_->output(0));
    for (; position < typed.size(); ++position) {
      if (context_->output(0).full()) return OkStatus();
      const int64_t value = typed[position];
      const int64_t key = KeyOf(value);
      if (!typed.keyed() || typed.hashes()[position] != HashOf(key)) violations_.insert("a record without its hash");
      if (typed.timestamps()[position] != value % kSplitUnit) violations_.insert("another timestamp");
      if (value % kSplitUnit <= watermark_) violations_.insert("a late record");
      Key& state = keys_[key];
      int64_t& next = state.next[value / kSplitUnit];
      if (value % kSplitUnit < next) violations_.insert("a record out of order, or twice");
      next = value % kSplitUnit + 1;
      ++state.count;
      out.set_timestamp(typed.timestamps()[position]);
      // Some keys emit more than came in.
      for (int64_t i = 0; i <= key / 3; ++i) out.Collect(key * kSplitUnit + state.count);
    }
    return OkStatus();
  }
  Status OnWatermark(int64_t watermark, bool& done) override {
    done = true;
    watermark_ = std::max(watermark_, watermark);
    return OkStatus();
  }
  void CollectStates(std::vector<CheckpointedState*>& states) override { states.push_back(&state_); }

 private:
  struct Key {
    int64_t count = 0;
    std::map<int64_t, int64_t> next;  // by split
  };
  std::set<std::string>& violations_;
  int64_t watermark_ = kNoTimestamp;
  std::map<int64_t, Key> keys_;
  WholeState state_{"keys",
                    StateDistribution::kKeyed,
                    "key",
                    {.encode =
                         [this](StateEntryWriter& out) {
                           for (const auto& [key, state] : keys_) {
                             out.BeginKey(HashOf(key)).Fixed(key);
                             ByteWriter& value = out.BeginValue();
                             value.Fixed(state.count);
                             for (int64_t split = 0; split < kSplits; ++split) {
                               const auto next = state.next.find(split);
                               value.Fixed<int64_t>(next == state.next.end() ? 0 : next->second);
                             }
                             out.End();
                           }
                         },
                     .restore =
                         [this](const StateEntry& entry) {
                           int64_t key = 0;
                           ByteReader key_bytes(entry.key);
                           ByteReader value(entry.value);
                           bool whole = key_bytes.Fixed(key) && value.Fixed(keys_[key].count);
                           for (int64_t split = 0; split < kSplits; ++split) {
                             whole = whole && value.Fixed(keys_[key].next[split]);
                           }
                           return whole ? OkStatus() : DataLoss("key");
                         }}};
};

// Keeps what it takes, a few records at a time, when it is not blocked.
class SlowSink final : public Operator {
 public:
  SlowSink(Random& random, const bool& blocked, const bool& released, std::vector<int64_t>& taken)
      : random_(random), blocked_(blocked), released_(released), taken_(taken) {}
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    const auto& typed = static_cast<const TypedBatch<int64_t>&>(*batch);
    for (uint64_t n = 1 + random_.Below(8); n > 0 && position < typed.size(); --n) taken_.push_back(typed[position++]);
    return OkStatus();
  }
  bool blocked() const override { return blocked_; }
  bool overtakable() const override { return blocked_; }
  bool awaits_commit() const override { return !released_; }
  void CollectStates(std::vector<CheckpointedState*>& states) override { states.push_back(&state_); }

 private:
  Random& random_;
  const bool& blocked_;
  const bool& released_;
  std::vector<int64_t>& taken_;
  WholeState state_{"taken",
                    StateDistribution::kSplit,
                    "number",
                    {.encode =
                         [this](StateEntryWriter& out) {
                           for (const int64_t value : taken_) {
                             out.BeginKey(0);
                             out.BeginValue().Fixed(value);
                             out.End();
                           }
                         },
                     .restore =
                         [this](const StateEntry& entry) {
                           ByteReader value(entry.value);
                           return value.Fixed(taken_.emplace_back()) ? OkStatus() : DataLoss("number");
                         }}};
};

class NoWaker final : public Waker {
 public:
  void Wake() override {}
};

struct Shape {
  int sources = 2;
  int counters = 2;
  int sinks = 2;
  bool chained = false;   // the sinks are in the counters' tasks; then there are as many
  bool blocking = false;  // the counters are handed one record at a time, and barriers overtake between two of them
};

constexpr const char* kSourceId = "source";
constexpr const char* kCountId = "count";
constexpr const char* kSinkId = "sink";

InFlightPlace Place(const char* source_id, int source_parallelism) {
  InFlightPlace place{.input = {}, .source_name = source_id};
  place.input.set_source_operator_id(source_id);
  place.input.set_source_parallelism(source_parallelism);
  return place;
}

// All tasks of a job, in one thread: sources, counters by key, sinks.
class Network {
 public:
  Network(Random& random, ManualExecutor& io, const std::string& directory, int attempt, const Shape& shape,
          const proto::CheckpointMetadata* restore, int64_t most_in_flight_bytes)
      : random_(random),
        io_(io),
        directory_(directory),
        attempt_(attempt),
        shape_(shape),
        most_in_flight_bytes_(most_in_flight_bytes),
        taken_(SinkCount()) {
    if (restore != nullptr) {
      plan_ = std::make_shared<RestorePlan>(PosixFileSystem(), directory + "/chk-1", directory, *restore);
    }
    const int sinks = shape.chained ? 0 : shape.sinks;
    std::vector<std::vector<Channel>> to_count = Channels(shape.sources, shape.counters);
    std::vector<std::vector<Channel>> to_sink = Channels(shape.counters, sinks);
    for (int i = 0; i < shape.sources; ++i) {
      std::vector<ChainNode> nodes(1);
      nodes[0].op = std::make_unique<SplitNumbers>(random_, plan_ == nullptr, i, shape.sources);
      AddPort(nodes[0], Partitioning::kHash, std::move(to_count[static_cast<size_t>(i)]));
      AddTask(0, i, shape.sources, {kSourceId}, std::move(nodes), {});
    }
    for (int i = 0; i < shape.counters; ++i) {
      std::vector<ChainNode> nodes(shape.chained ? 2 : 1);
      nodes[0].op = std::make_unique<CountKeys>(violations_);
      if (shape.blocking) nodes[0].op = std::make_unique<PiecewiseOperator>(std::move(nodes[0].op));
      std::vector<std::string> ids = {kCountId};
      if (shape.chained) {
        nodes[0].ports.push_back({.output = std::make_unique<Output>(TypedBatch<int64_t>::Type(), budget_)});
        nodes[0].ports[0].child = 1;
        nodes[1].parent = 0;
        nodes[1].op = MakeSink(i);
        ids.push_back(kSinkId);
      } else {
        AddPort(nodes[0], Partitioning::kRebalance, std::move(to_sink[static_cast<size_t>(i)]));
      }
      AddTask(1, i, shape.counters, std::move(ids), std::move(nodes), Inputs(to_count_inputs_, kSourceId, i));
    }
    for (int i = 0; i < sinks; ++i) {
      std::vector<ChainNode> nodes(1);
      nodes[0].op = MakeSink(i);
      AddTask(2, i, sinks, {kSinkId}, std::move(nodes), Inputs(to_sink_inputs_, kCountId, i));
    }
  }
  ~Network() {
    for (auto& task : tasks_) task->Abandon(TaskState::kCanceled);
  }

  Status Open() {
    for (auto& task : tasks_) EAGRE_RETURN_IF_ERROR(task->Open());
    return OkStatus();
  }
  void BlockSinks(bool blocked) { blocked_ = blocked; }
  // Sinks take part in checkpoints until then, also at their end.
  void ReleaseSinks() { released_ = true; }
  bool done() const {
    return std::all_of(tasks_.begin(), tasks_.end(), [](const auto& task) { return task->done(); });
  }

  bool SourcesAreDone() const {
    return std::all_of(tasks_.begin(), tasks_.end(),
                       [](const auto& task) { return !task->chain().is_source() || task->done(); });
  }

  // One task does a step, and mail and disk get their turn.
  Status Step() {
    now_ms_ += static_cast<int64_t>(random_.Below(3));
    if (random_.Below(4) == 0) io_.RunReady();
    for (const auto& mail : std::exchange(mails_, {})) EAGRE_RETURN_IF_ERROR(mail());
    if (!triggers_.empty() && random_.Below(3) == 0) {
      const size_t index = random_.Below(triggers_.size());
      triggers_[index]();
      triggers_.erase(triggers_.begin() + static_cast<ptrdiff_t>(index));
    }
    Task& task = *tasks_[random_.Below(tasks_.size())];
    return task.done() ? OkStatus() : task.Step(now_ms_ * 1'000'000, now_ms_, /*flush_when_idle=*/true).status();
  }

  void Trigger(int64_t id, bool unaligned, int64_t timeout_ms) {
    triggered_ = id;
    reports_.clear();
    declined_.clear();
    proto::CheckpointCommand command;
    command.set_checkpoint_id(id);
    command.set_unaligned(unaligned);
    command.set_aligned_timeout_ms(timeout_ms);
    for (auto& task : tasks_) {
      triggers_.push_back([&task = *task, command] {
        if (task.done()) return;
        if (task.chain().is_source()) task.InjectBarrier(command);
        task.OnTrigger(command);
      });
    }
  }
  Status Abort(int64_t id) {
    triggers_.clear();
    for (auto& task : tasks_) EAGRE_RETURN_IF_ERROR(task->OnCheckpointAborted(id, /*may_be_complete=*/false));
    return OkStatus();
  }
  bool Complete() const {
    return triggers_.empty() && std::all_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
             return reports_.contains({task->options().vertex, task->options().subtask}) || task->done();
           });
  }
  proto::CheckpointMetadata Metadata() const {
    proto::CheckpointMetadata metadata;
    metadata.set_files_root("..");
    std::map<std::string, proto::OperatorSnapshot*> operators;
    for (const auto& task : tasks_) {
      for (const std::string& id : task->options().operator_ids) {
        proto::OperatorSnapshot*& op = operators[id];
        if (op == nullptr) {
          op = metadata.add_operators();
          op->set_operator_id(id);
          op->set_name(id);
          op->set_parallelism(task->options().parallelism);
          op->set_max_parallelism(kMaxParallelism);
        }
        const auto report = reports_.find({task->options().vertex, task->options().subtask});
        proto::SubtaskSnapshot& subtask = *op->add_subtasks();
        subtask.set_subtask(task->options().subtask);
        subtask.set_finished(true);
        if (report == reports_.end()) continue;
        for (const proto::SubtaskOperatorSnapshot& snapshot : report->second.operators()) {
          if (snapshot.operator_id() == id) subtask = snapshot.snapshot();
        }
      }
    }
    return metadata;
  }
  int64_t InFlightBytes() const {
    int64_t bytes = 0;
    for (const auto& [subtask, report] : reports_) bytes += report.in_flight_bytes();
    return bytes;
  }

  std::vector<int64_t> Taken() const {
    std::vector<int64_t> all;
    for (const auto& taken : taken_) all.insert(all.end(), taken.begin(), taken.end());
    std::sort(all.begin(), all.end());
    return all;
  }
  const std::set<std::string>& violations() const { return violations_; }
  const std::vector<std::string>& declined() const { return declined_; }

 private:
  struct Channel {
    std::unique_ptr<OutputChannel> output;
    std::unique_ptr<InputChannel> input;
  };
  class Context final : public FakeOperatorContext {
   public:
    Context(std::vector<std::unique_ptr<Task>>& tasks, size_t task, int node)
        : tasks_(tasks), task_(task), node_(node) {}
    Output& output(int port) override {
      return *tasks_[task_]->chain().node(static_cast<size_t>(node_)).ports[static_cast<size_t>(port)].output;
    }
    void EmitEvent(const ControlEvent& event) override { tasks_[task_]->chain().QueueEvent(node_, event); }

   private:
    std::vector<std::unique_ptr<Task>>& tasks_;
    const size_t task_;
    const int node_;
  };

  size_t SinkCount() const { return static_cast<size_t>(shape_.chained ? shape_.counters : shape_.sinks); }
  std::unique_ptr<Operator> MakeSink(int subtask) {
    return std::make_unique<SlowSink>(random_, blocked_, released_, taken_[static_cast<size_t>(subtask)]);
  }
  std::vector<std::vector<Channel>> Channels(int sources, int targets) {
    std::vector<std::vector<Channel>> channels(static_cast<size_t>(sources));
    for (auto& of_source : channels) {
      for (int target = 0; target < targets; ++target) {
        auto [output, input] = NewRingChannel(TypedBatch<int64_t>::Type(), kRingCapacity, waker_, waker_);
        of_source.push_back({std::move(output), std::move(input)});
      }
    }
    auto& inputs = to_count_inputs_.empty() ? to_count_inputs_ : to_sink_inputs_;
    inputs.resize(static_cast<size_t>(targets));
    for (auto& of_source : channels) {
      for (int target = 0; target < targets; ++target) {
        inputs[static_cast<size_t>(target)].push_back(std::move(of_source[static_cast<size_t>(target)].input));
      }
    }
    return channels;
  }
  std::vector<TaskInput> Inputs(std::vector<std::vector<std::unique_ptr<InputChannel>>>& channels, const char* from,
                                int subtask) {
    std::vector<TaskInput> inputs;
    auto& own = channels[static_cast<size_t>(subtask)];
    for (size_t source = 0; source < own.size(); ++source) {
      inputs.push_back({.channel = std::move(own[source]),
                        .place = Place(from, static_cast<int>(own.size())),
                        .source = static_cast<uint32_t>(source)});
    }
    return inputs;
  }
  void AddPort(ChainNode& node, Partitioning partitioning, std::vector<Channel> channels) {
    std::vector<std::unique_ptr<OutputChannel>> outputs;
    for (Channel& channel : channels) outputs.push_back(std::move(channel.output));
    PartitionCode code;
    if (partitioning == Partitioning::kHash) code.hasher = std::make_unique<KeyHasher>();
    node.ports.push_back({.output = std::make_unique<Output>(TypedBatch<int64_t>::Type(), budget_)});
    node.ports.back().writers.push_back(
        std::make_unique<PartitionWriter>(partitioning, std::move(outputs), std::move(code), kMaxParallelism));
  }
  void AddTask(int vertex, int subtask, int parallelism, std::vector<std::string> ids, std::vector<ChainNode> nodes,
               std::vector<TaskInput> inputs) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      nodes[i].context = std::make_unique<Context>(tasks_, tasks_.size(), static_cast<int>(i));
    }
    TaskOptions options{.vertex = vertex,
                        .subtask = subtask,
                        .buffer_timeout_ms = 0,
                        .parallelism = parallelism,
                        .max_parallelism = kMaxParallelism,
                        .operator_ids = std::move(ids),
                        .restore = plan_,
                        .most_in_flight_bytes = most_in_flight_bytes_};
    options.route = [vertex](size_t node, const proto::InFlightInput&) {
      InFlightRoute route{.type = &TypedBatch<int64_t>::Type(), .hasher = nullptr, .partitioner = nullptr, .edge = {}};
      if (vertex == 1 && node == 0) route.hasher = std::make_unique<KeyHasher>();
      return route;
    };
    auto checkpoints = std::make_unique<TaskCheckpoints>(
        TaskCheckpointsOptions{.files = &PosixFileSystem(),
                               .io = &io_,
                               .clock = &io_.clock(),
                               .directory = directory_,
                               .attempt = attempt_,
                               .vertex = vertex,
                               .subtask = subtask},
        TaskCheckpoints::Handlers{.post = [this](std::function<Status()> mail) { mails_.push_back(std::move(mail)); },
                                  .report =
                                      [this](proto::CheckpointReport report) {
                                        if (report.checkpoint_id() != triggered_) return;
                                        if (report.kind() == proto::CheckpointReport::DECLINE)
                                          declined_.push_back(report.reason());
                                        if (report.kind() != proto::CheckpointReport::ACKNOWLEDGE) return;
                                        reports_[{report.vertex(), report.subtask()}] = std::move(report);
                                      }});
    tasks_.push_back(std::make_unique<Task>(std::move(options), std::make_unique<Chain>(std::move(nodes)),
                                            std::move(inputs), std::move(checkpoints)));
  }

  Random& random_;
  ManualExecutor& io_;
  const std::string directory_;
  const int attempt_;
  const Shape shape_;
  const int64_t most_in_flight_bytes_;
  std::shared_ptr<const RestorePlan> plan_;
  NoWaker waker_;
  OverflowBudget budget_;
  bool blocked_ = false;
  bool released_ = false;
  int64_t now_ms_ = 0;
  int64_t triggered_ = 0;
  std::set<std::string> violations_;
  std::vector<std::string> declined_;
  std::vector<std::vector<int64_t>> taken_;
  std::vector<std::vector<std::unique_ptr<InputChannel>>> to_count_inputs_;
  std::vector<std::vector<std::unique_ptr<InputChannel>>> to_sink_inputs_;
  std::vector<std::function<Status()>> mails_;
  std::vector<std::function<void()>> triggers_;
  std::map<std::pair<int, int>, proto::CheckpointReport> reports_;
  std::vector<std::unique_ptr<Task>> tasks_;
};

class UnalignedCheckpointTest : public testing::TestWithParam<uint64_t> {
 protected:
  UnalignedCheckpointTest() : random_(GetParam()) {}

  std::unique_ptr<Network> Start(const Shape& shape, const proto::CheckpointMetadata* restore,
                                 int64_t most_in_flight_bytes = 4 << 20) {
    // What a job leaves undone when it dies.
    io_.RunReady();
    auto network =
        std::make_unique<Network>(random_, io_, directory_, attempt_++, shape, restore, most_in_flight_bytes);
    const Status opened = network->Open();
    EXPECT_TRUE(opened.ok()) << opened;
    return network;
  }
  void Run(Network& network, uint64_t steps) {
    for (uint64_t i = 0; i < steps && !network.done(); ++i) ASSERT_TRUE(network.Step().ok());
  }
  // Every task acknowledges within so many steps, whatever the sinks do.
  void AwaitCheckpoint(Network& network) {
    for (int i = 0; i < 20'000 && !network.Complete(); ++i) ASSERT_TRUE(network.Step().ok());
    ASSERT_TRUE(network.Complete()) << "the checkpoint does not get through";
  }
  void RunToTheEnd(Network& network) {
    network.BlockSinks(false);
    network.ReleaseSinks();
    for (int i = 0; i < 2'000'000 && !network.done(); ++i) ASSERT_TRUE(network.Step().ok());
    ASSERT_TRUE(network.done());
  }
  std::vector<int64_t> Expected() {
    std::map<int64_t, int64_t> counts;
    std::vector<int64_t> expected;
    for (int64_t split = 0; split < kSplits; ++split) {
      for (int64_t n = 0; n < kRecordsPerSplit; ++n) {
        const int64_t key = KeyOf(split * kSplitUnit + n);
        ++counts[key];
        for (int64_t i = 0; i <= key / 3; ++i) expected.push_back(key * kSplitUnit + counts[key]);
      }
    }
    std::sort(expected.begin(), expected.end());
    return expected;
  }

  SeededRandom random_;
  ManualExecutor io_;
  const TemporaryFolder folder_{"unaligned"};
  const std::string directory_ = folder_.path();
  int attempt_ = 0;
  int64_t checkpoint_id_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Seeds, UnalignedCheckpointTest, testing::Range<uint64_t>(1, 41));

// Blocked or not, aligned or not, with checkpoints that are given up: whoever goes on has lost and doubled nothing.
TEST_P(UnalignedCheckpointTest, ARestoredJobComesToTheResultOfAnUninterruptedOne) {
  const auto random_shape = [&] {
    Shape shape{.sources = 1 + static_cast<int>(random_.Below(3)),
                .counters = 1 + static_cast<int>(random_.Below(3)),
                .sinks = 1 + static_cast<int>(random_.Below(3)),
                .chained = random_.Below(2) == 0,
                .blocking = random_.Below(2) == 0};
    if (shape.chained) shape.sinks = shape.counters;
    return shape;
  };
  const bool rescale = random_.Below(2) == 0;
  Shape shape = random_shape();
  proto::CheckpointMetadata metadata;
  auto network = Start(shape, nullptr);
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(Run(*network, random_.Below(400)));
    const bool blocked = random_.Below(3) != 0;
    network->BlockSinks(blocked);
    ASSERT_NO_FATAL_FAILURE(Run(*network, random_.Below(600)));
    if (network->SourcesAreDone()) break;
    if (random_.Below(4) == 0) {
      network->Trigger(++checkpoint_id_, /*unaligned=*/true, 0);
      ASSERT_NO_FATAL_FAILURE(Run(*network, random_.Below(60)));
      ASSERT_TRUE(network->Abort(checkpoint_id_).ok());
      ASSERT_NO_FATAL_FAILURE(Run(*network, random_.Below(2) * random_.Below(100)));
    }
    if (network->SourcesAreDone()) break;
    const bool unaligned = blocked || random_.Below(2) == 0;
    network->Trigger(++checkpoint_id_, unaligned, static_cast<int64_t>(random_.Below(2) * random_.Below(300)));
    ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
    metadata = network->Metadata();
    // What is done after the checkpoint is lost.
    network->BlockSinks(random_.Below(2) == 0);
    ASSERT_NO_FATAL_FAILURE(Run(*network, random_.Below(200)));
    EXPECT_TRUE(network->violations().empty()) << *network->violations().begin();
    if (rescale) shape = random_shape();
    network = Start(shape, &metadata);
  }
  ASSERT_NO_FATAL_FAILURE(RunToTheEnd(*network));
  EXPECT_TRUE(network->violations().empty()) << *network->violations().begin();
  EXPECT_EQ(network->Taken(), Expected());
}

class BlockedSinkTest : public UnalignedCheckpointTest {
 protected:
  static constexpr Shape kChained{.sources = 2, .counters = 2, .sinks = 2, .chained = true};
  // Nothing moves any more.
  void Clog(Network& network) {
    network.BlockSinks(true);
    ASSERT_NO_FATAL_FAILURE(Run(network, 2'000));
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, BlockedSinkTest, testing::Range<uint64_t>(1, 4));

TEST_P(BlockedSinkTest, BarriersOvertakeOnlyWhereTheyAreTold) {
  for (const bool chained : {false, true}) {
    auto network = Start({.chained = chained}, nullptr);
    ASSERT_NO_FATAL_FAILURE(Clog(*network));
    network->Trigger(++checkpoint_id_, /*unaligned=*/false, 0);
    ASSERT_NO_FATAL_FAILURE(Run(*network, 5'000));
    EXPECT_FALSE(network->Complete());
    ASSERT_TRUE(network->Abort(checkpoint_id_).ok());
    network->Trigger(++checkpoint_id_, /*unaligned=*/true, 0);
    ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
    EXPECT_GT(network->InFlightBytes(), 0);
    const size_t taken = network->Taken().size();
    // The next one has all of it again.
    network->Trigger(++checkpoint_id_, /*unaligned=*/true, 0);
    ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
    EXPECT_GT(network->InFlightBytes(), 0);
    EXPECT_EQ(network->Taken().size(), taken) << "the sinks were blocked all the time";
    ASSERT_NO_FATAL_FAILURE(RunToTheEnd(*network));
    EXPECT_TRUE(network->violations().empty()) << *network->violations().begin();
    EXPECT_EQ(network->Taken(), Expected());
  }
}

// Every checkpoint lets the sources get on a little, until they have ended; all they sent is before the sinks then.
TEST_P(BlockedSinkTest, WhatEndedSourcesHaveSentIsInEveryCheckpoint) {
  for (const bool chained : {false, true}) {
    for (const int sources : {2, 3}) {
      auto network = Start({.chained = chained}, nullptr, /*most_in_flight_bytes=*/int64_t{1} << 30);
      ASSERT_NO_FATAL_FAILURE(Clog(*network));
      int after_the_end = 0;
      for (int i = 0; i < 1'000 && after_the_end < 3; ++i) {
        network->Trigger(++checkpoint_id_, /*unaligned=*/true, 0);
        ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
        ASSERT_NO_FATAL_FAILURE(Run(*network, 200));
        if (network->SourcesAreDone()) ++after_the_end;
      }
      ASSERT_EQ(after_the_end, 3);
      const proto::CheckpointMetadata metadata = network->Metadata();
      network = Start({.sources = sources, .chained = chained}, &metadata);
      ASSERT_NO_FATAL_FAILURE(RunToTheEnd(*network));
      EXPECT_TRUE(network->violations().empty()) << *network->violations().begin();
      EXPECT_EQ(network->Taken(), Expected());
    }
  }
}

// A sender whose end had not reached all its receivers ends anew, with barriers, although some had ended on it.
TEST_P(BlockedSinkTest, WhoHadEndedReadsOnUntilItsSendersHaveEndedToo) {
  auto network = Start({}, nullptr);
  for (int i = 0; i < 2'000'000 && !network->SourcesAreDone(); ++i) ASSERT_TRUE(network->Step().ok());
  ASSERT_NO_FATAL_FAILURE(Run(*network, 20'000));
  network->Trigger(++checkpoint_id_, /*unaligned=*/false, 0);
  ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
  proto::CheckpointMetadata metadata = network->Metadata();
  for (proto::OperatorSnapshot& op : *metadata.mutable_operators()) {
    if (op.operator_id() != kSourceId) continue;
    for (proto::SubtaskSnapshot& subtask : *op.mutable_subtasks()) subtask.set_finished(false);
  }
  for (int i = 0; i < 10; ++i) {
    network = Start({}, &metadata);
    network->Trigger(++checkpoint_id_, /*unaligned=*/false, 0);
    ASSERT_NO_FATAL_FAILURE(Run(*network, 2'000));
    ASSERT_NO_FATAL_FAILURE(RunToTheEnd(*network));
    EXPECT_EQ(network->Taken(), Expected());
  }
}

TEST_P(BlockedSinkTest, AnAlignedCheckpointBecomesUnalignedWhenItsTimeIsUp) {
  auto network = Start(kChained, nullptr);
  ASSERT_NO_FATAL_FAILURE(Clog(*network));
  network->Trigger(++checkpoint_id_, /*unaligned=*/true, /*timeout_ms=*/3'000);
  ASSERT_NO_FATAL_FAILURE(Run(*network, 1'500));
  EXPECT_FALSE(network->Complete());
  ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
}

TEST_P(BlockedSinkTest, TheNextCheckpointIsTakenWhenOneHadTooMuchInFlight) {
  auto network = Start({.chained = false}, nullptr, /*most_in_flight_bytes=*/100);
  ASSERT_NO_FATAL_FAILURE(Clog(*network));
  network->Trigger(++checkpoint_id_, /*unaligned=*/true, 0);
  for (int i = 0; i < 20'000 && network->declined().empty(); ++i) ASSERT_TRUE(network->Step().ok());
  ASSERT_FALSE(network->declined().empty());
  EXPECT_NE(network->declined()[0].find("execution.checkpointing.unaligned.max-in-flight-size"), std::string::npos);
  ASSERT_TRUE(network->Abort(checkpoint_id_).ok());
  network->BlockSinks(false);
  network->Trigger(++checkpoint_id_, /*unaligned=*/false, 0);
  ASSERT_NO_FATAL_FAILURE(AwaitCheckpoint(*network));
  ASSERT_NO_FATAL_FAILURE(RunToTheEnd(*network));
  EXPECT_TRUE(network->violations().empty()) << *network->violations().begin();
  EXPECT_EQ(network->Taken(), Expected());
}

}  // namespace
}  // namespace eagre
