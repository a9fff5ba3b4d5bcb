// Operators with state that fail and go on from a checkpoint, at the same or another parallelism: what they emit in all
// is what they would have emitted undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "eagre/keyed_state.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/operators/reduce_operator.h"
#include "eagre/operators/sort_operator.h"
#include "eagre/operators/window_operator.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/operator_checkpoints.h"

namespace eagre {

struct CheckpointTestEvent {
  std::string user;
  int64_t amount = 0;
};
EAGRE_RECORD(CheckpointTestEvent, user, amount);

struct CheckpointTestSum {
  int64_t count = 0;
  int64_t total = 0;
};
EAGRE_RECORD(CheckpointTestSum, count, total);

namespace {

using namespace std::chrono_literals;  // NOLINT
using Event = CheckpointTestEvent;
using Sum = CheckpointTestSum;

std::unique_ptr<KeyExtractor<Event, std::string>> UserKey() {
  return std::make_unique<SelectorKeyExtractor<Event, std::string, std::string Event::*>>(&Event::user);
}

// The input of the whole operator: records and watermarks.
using Step = std::variant<std::vector<Stamped<Event>>, int64_t>;
using Outputs = std::vector<std::pair<int64_t, std::string>>;

std::vector<Step> RandomInput(Random& random, int64_t step_ms) {
  std::vector<Step> input;
  int64_t watermark = 0;
  const uint64_t users = 1 + random.Below(400);
  for (int i = 0; i < 60; ++i) {
    std::vector<Stamped<Event>> records(random.Below(200));
    for (auto& record : records) {
      record.value = {"user " + std::to_string(random.Below(users)), static_cast<int64_t>(random.Below(1000))};
      record.timestamp =
          watermark - step_ms / 4 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(step_ms * 3)));
    }
    input.emplace_back(std::move(records));
    if (random.Below(2) == 0) input.emplace_back(watermark += static_cast<int64_t>(random.Below(step_ms)));
  }
  input.emplace_back(kMaxWatermark);
  return input;
}

struct Subject {
  std::function<std::unique_ptr<Operator>()> make;
  bool keyed = true;
  bool in_order = false;  // each subtask's output has an order that must be kept
  std::function<Outputs(OperatorHarness&)> take;
};

template <typename T>
Outputs TakeTexts(OperatorHarness& harness) {
  Outputs outputs;
  for (const Stamped<T>& record : harness.Take<T>()) {
    std::string text;
    ByteWriter writer(text);
    Codec<T>::Encode(record.value, writer);
    outputs.emplace_back(record.timestamp, std::move(text));
  }
  return outputs;
}

// All subtasks of the operator under test.
class Job {
 public:
  Job(const Subject& subject, int parallelism, std::function<void(OperatorHarness&)> add_port,
      BackendKind backend = BackendKind::kMemory)
      : subject_(subject), parallelism_(parallelism) {
    for (int i = 0; i < parallelism; ++i) {
      backends_.push_back(NewBackend(backend));
      harnesses_.push_back(std::make_unique<OperatorHarness>(ModeOf(i), subject.make()));
      OperatorHarness& harness = *harnesses_.back();
      harness.context().set_subtask(i, parallelism);
      harness.context().set_state_backend(backends_.back().get());
      add_port(harness);
      if (subject.keyed) harness.SetHasher(std::make_unique<ExtractorKeyHasher<Event, std::string>>(UserKey()));
      EXPECT_TRUE(harness.Open().ok());
      checkpoints_.push_back(std::make_unique<OperatorCheckpoints>(harness.op<Operator>()));
    }
  }
  void Begin() {
    for (auto& one : checkpoints_) one->Begin();
  }
  void Restore(const std::vector<SubtaskCheckpoint>& stored, bool may_inherit) {
    for (int i = 0; i < parallelism_; ++i) {
      const Status status = checkpoints_[static_cast<size_t>(i)]->Restore(stored, i, parallelism_, may_inherit);
      ASSERT_TRUE(status.ok()) << status;
    }
  }
  void Apply(const Step& step, size_t number) {
    if (std::holds_alternative<int64_t>(step)) {
      for (auto& harness : harnesses_) ASSERT_TRUE(harness->Watermark(std::get<int64_t>(step)).ok());
    } else {
      std::vector<std::vector<Stamped<Event>>> parts(harnesses_.size());
      for (const Stamped<Event>& record : std::get<0>(step)) {
        const size_t part =
            subject_.keyed
                ? static_cast<size_t>(SubtaskOfKeyGroup(KeyGroupOf(KeyHash(record.value.user), 128), parallelism_, 128))
                : number % harnesses_.size();
        parts[part].push_back(record);
      }
      for (size_t i = 0; i < parts.size(); ++i) ASSERT_TRUE(harnesses_[i]->Push<Event>(parts[i]).ok());
    }
  }
  Outputs Take() {
    Outputs all;
    for (auto& harness : harnesses_) {
      const Outputs part = subject_.take(*harness);
      if (subject_.in_order) {
        EXPECT_TRUE(
            std::is_sorted(part.begin(), part.end(), [](const auto& a, const auto& b) { return a.first < b.first; }));
      }
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  void Seal(Random& random) {
    for (auto& one : checkpoints_) one->Seal(random);
  }
  bool Encode(Random& random) {
    bool whole = true;
    for (auto& one : checkpoints_) whole &= one->Encode(random);
    return whole;
  }
  std::vector<SubtaskCheckpoint> Stored() const {
    std::vector<SubtaskCheckpoint> stored;
    for (const auto& one : checkpoints_) stored.push_back(one->Stored());
    return stored;
  }

 private:
  // Each subtask runs in another mode.
  static HarnessMode ModeOf(int subtask) {
    return kAllHarnessModes[static_cast<size_t>(subtask) % std::size(kAllHarnessModes)];
  }

  const Subject& subject_;
  const int parallelism_;
  std::vector<std::unique_ptr<StateBackend>> backends_;
  std::vector<std::unique_ptr<OperatorHarness>> harnesses_;
  std::vector<std::unique_ptr<OperatorCheckpoints>> checkpoints_;
};

// `rescale`: each start has another parallelism. `backends`: that of each start, in turn.
struct Mode {
  bool rescale = false;
  std::vector<BackendKind> backends = {BackendKind::kMemory};
};
void PrintTo(const Mode& mode, std::ostream* out) {
  *out << (mode.rescale ? "Rescaled" : "");
  for (const BackendKind kind : mode.backends) *out << BackendName(kind);
}
const Mode kModes[] = {
    {false, {BackendKind::kMemory}},
    {true, {BackendKind::kMemory}},
    {false, {BackendKind::kMapStore}},
    {true, {BackendKind::kMapStore}},
    {true, {BackendKind::kMemory, BackendKind::kRocksDb}},  // from one to the other and back
};

// Runs the input, failing now and then.
template <typename Out>
void ExpectSurvives(const Subject& subject, const Mode& mode, int64_t step_ms) {
  const bool rescale = mode.rescale;
  const auto add_port = [](OperatorHarness& harness) { harness.AddPort<Out>(); };
  const uint64_t seeds = mode.backends.back() == BackendKind::kMemory ? 2 : 1;
  // Each opens databases, which takes its time.
  const int most_failures = mode.backends.back() == BackendKind::kRocksDb ? 3 : 8;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    const std::vector<Step> input = RandomInput(random, step_ms);
    Job undisturbed(subject, 2, add_port);
    for (size_t i = 0; i < input.size(); ++i) undisturbed.Apply(input[i], i);
    Outputs expected = undisturbed.Take();

    const auto parallelism = [&] { return rescale ? 1 + static_cast<int>(random.Below(4)) : 2; };
    auto job = std::make_unique<Job>(subject, parallelism(), add_port, mode.backends.back());
    job->Begin();
    Outputs committed;  // up to the last whole checkpoint
    Outputs since;      // what came after it, in two parts around the barrier under way
    Outputs since_barrier;
    std::vector<SubtaskCheckpoint> stored;  // of the last whole checkpoint
    size_t stored_position = 0;
    size_t barrier_position = 0;
    bool sealed = false;
    int failures = 0;
    const auto append = [](Outputs& to, Outputs from) { to.insert(to.end(), from.begin(), from.end()); };
    for (size_t i = 0; i < input.size();) {
      job->Apply(input[i], i);
      ++i;
      append(sealed ? since_barrier : since, job->Take());
      if (!sealed && random.Below(4) == 0) {
        job->Seal(random);
        sealed = true;
        barrier_position = i;
      }
      for (uint64_t slices = random.Below(8); sealed && slices > 0; --slices) {
        if (!job->Encode(random)) continue;
        sealed = false;
        stored = job->Stored();
        stored_position = barrier_position;
        append(committed, std::exchange(since, {}));
        since = std::exchange(since_barrier, {});
      }
      if (failures < most_failures && !stored.empty() && random.Below(12) == 0) {
        ++failures;
        sealed = false;
        since.clear();
        since_barrier.clear();
        const BackendKind backend = mode.backends[static_cast<size_t>(failures) % mode.backends.size()];
        job = std::make_unique<Job>(subject, parallelism(), add_port, backend);
        job->Restore(stored, !rescale && random.Below(2) == 0);
        if (testing::Test::HasFatalFailure()) return;
        i = stored_position;
      }
    }
    append(committed, since);
    append(committed, since_barrier);
    std::sort(expected.begin(), expected.end());
    std::sort(committed.begin(), committed.end());
    EXPECT_GT(failures, 2);
    EXPECT_GT(expected.size(), 30u);
    ASSERT_EQ(committed, expected);
  }
}

template <typename Out>
Subject Keyed(std::function<std::unique_ptr<Operator>()> make) {
  return {.make = std::move(make), .take = &TakeTexts<Out>};
}

auto SumFolding() {
  return FoldByAggregate<Event>(Sum{}, [](Sum& sum, const Event& event) {
    ++sum.count;
    sum.total += event.amount;
  });
}
auto SumText() {
  return [](const std::string& user, const TimeWindow& window, const Sum& sum, Collector<std::string>& out) {
    out.Collect(fmt::format("{} {} {}/{}", user, window.start, sum.count, sum.total));
  };
}

class OperatorsCheckpointTest : public testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(Modes, OperatorsCheckpointTest, testing::ValuesIn(kModes), testing::PrintToStringParamName());

TEST_P(OperatorsCheckpointTest, KeyedWindowsThatFold) {
  ExpectSurvives<std::string>(Keyed<std::string>([] {
                                return MakeKeyedWindowOperator<Event, std::string>(
                                    Tumbling(1s), UserKey(), SumFolding(), EmitByFunction(SumText()));
                              }),
                              GetParam(), 700);
}

TEST_P(OperatorsCheckpointTest, KeyedWindowsThatReduce) {
  ExpectSurvives<Event>(Keyed<Event>([] {
                          return MakeWindowReduceOperator<Event, std::string>(
                              [](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey(),
                              Tumbling(300ms, 7ms));
                        }),
                        GetParam(), 700);
}

TEST_P(OperatorsCheckpointTest, KeyedWindowsThatHoldRecords) {
  ExpectSurvives<std::string>(Keyed<std::string>([] {
                                return MakeKeyedWindowOperator<Event, std::string>(
                                    Tumbling(1s), UserKey(), FoldByBuffering<Event>(),
                                    EmitByFunction([](const std::string& user, const TimeWindow& window,
                                                      const std::vector<Event>& events, Collector<std::string>& out) {
                                      std::string text = user + std::to_string(window.start);
                                      for (const Event& event : events) text += ' ' + std::to_string(event.amount);
                                      out.Collect(text);
                                    }));
                              }),
                              GetParam(), 700);
}

TEST(AllWindowCheckpointTest, WindowsOverAWholeStream) {
  const auto subject = [](std::function<std::unique_ptr<Operator>()> make) {
    return Subject{.make = std::move(make), .keyed = false, .take = &TakeTexts<std::string>};
  };
  // Its parallelism is one; a second subtask gets every other step's records, as an operator of its own.
  ExpectSurvives<std::string>(
      subject([] {
        return MakeAllWindowOperator<Event>(
            Tumbling(100ms), SumFolding(),
            EmitByFunction([](const TimeWindow& window, const Sum& sum, Collector<std::string>& out) {
              out.Collect(fmt::format("{} {}/{}", window.start, sum.count, sum.total));
            }));
      }),
      {}, 700);
}

TEST_P(OperatorsCheckpointTest, SortedKeyedRecords) {
  ExpectSurvives<Event>({.make = [] { return MakeSortOperator<Event>(); }, .in_order = true, .take = &TakeTexts<Event>},
                        GetParam(), 700);
}

TEST_P(OperatorsCheckpointTest, SortedRecords) {
  ExpectSurvives<Event>(
      {.make = [] { return MakeSortOperator<Event>(); }, .keyed = false, .in_order = true, .take = &TakeTexts<Event>},
      GetParam(), 700);
}

TEST_P(OperatorsCheckpointTest, RollingReduce) {
  ExpectSurvives<Event>(Keyed<Event>([] {
                          return MakeReduceOperator<Event>(
                              [](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey());
                        }),
                        GetParam(), 700);
}

TEST(OperatorsRestoredTest, WhatWasLateStaysLateAlthoughTheSourceBeginsBehind) {
  const auto windows = [] {
    return MakeKeyedWindowOperator<Event, std::string>(Tumbling(1s), UserKey(), SumFolding(),
                                                       EmitByFunction(SumText()));
  };
  const auto sort = [] { return MakeSortOperator<Event>(); };
  const auto run = [](std::function<std::unique_ptr<Operator>()> make, auto add_port, auto count_of) {
    SeededRandom random(1);
    OperatorHarness before(HarnessMode::kBatches, make());
    add_port(before);
    EXPECT_TRUE(before.Open().ok());
    OperatorCheckpoints checkpoints(before.op<Operator>());
    checkpoints.Begin();
    EXPECT_TRUE(before.Push<Event>({{{"ann", 1}, 100}, {{"ann", 1}, 5000}}).ok());
    EXPECT_TRUE(before.Watermark(1999).ok());
    EXPECT_EQ(count_of(before), 1u);
    checkpoints.Seal(random);
    while (!checkpoints.Encode(random)) {
    }
    OperatorHarness after(HarnessMode::kBatches, make());
    add_port(after);
    EXPECT_TRUE(after.Open().ok());
    OperatorCheckpoints restored(after.op<Operator>());
    EXPECT_TRUE(restored.Restore({checkpoints.Stored()}, 0, 1, true).ok());
    EXPECT_TRUE(after.Push<Event>({{{"ann", 1}, 200}}).ok());
    EXPECT_TRUE(after.Watermark(50).ok());
    EXPECT_TRUE(after.Push<Event>({{{"ann", 1}, 300}}).ok());
    EXPECT_TRUE(after.Watermark(1999).ok());
    EXPECT_EQ(count_of(after), 0u);
    EXPECT_EQ(after.context().MetricValue("numLateRecordsDropped"), 2);
    EXPECT_TRUE(after.Watermark(kMaxWatermark).ok());
    EXPECT_EQ(count_of(after), 1u);
  };
  run(
      windows, [](OperatorHarness& harness) { harness.AddPort<std::string>(); },
      [](OperatorHarness& harness) { return harness.Take<std::string>().size(); });
  run(
      sort, [](OperatorHarness& harness) { harness.AddPort<Event>(); },
      [](OperatorHarness& harness) { return harness.Take<Event>().size(); });
}

// Sums until a key has been quiet for a while, then tells and forgets it.
class SumUntilQuiet : public KeyedProcessFunction<std::string, Event, std::string> {
 public:
  void ProcessElement(const Event& event, Context& context, Collector<std::string>& out) override {
    Sum& sum = sum_.Mutable();
    ++sum.count;
    sum.total += event.amount;
    if (const int64_t* at = quiet_at_.Get()) context.DeleteEventTimeTimer(*at);
    quiet_at_.Set(std::max(context.timestamp(), context.current_watermark()) + 900);
    context.RegisterEventTimeTimer(*quiet_at_.Get());
    if (event.amount % 50 == 0) out.Collect(event.user + " so far " + std::to_string(sum.total));
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{} {} {}/{}", context.key(), timestamp, sum_.Get()->count, sum_.Get()->total));
    sum_.Clear();
    quiet_at_.Clear();
  }

 private:
  ValueState<Sum> sum_{this, "sum"};
  ValueState<int64_t> quiet_at_{this, "quiet at"};
};

TEST_P(OperatorsCheckpointTest, KeyedFunctionsWithStateAndTimers) {
  ExpectSurvives<std::string>(
      Keyed<std::string>(
          [] { return MakeKeyedProcessOperator<std::string, Event, std::string>(SumUntilQuiet(), UserKey(), {}); }),
      GetParam(), 700);
}

// Above a store that refuses writes an operator takes what it has room for, then nothing until the store goes on.
void ExpectWaitsForItsStore(std::unique_ptr<Operator> op, std::function<void(OperatorHarness&)> add_port) {
  MapStateBackend backend(1);
  bool refuses = true;
  backend.refuses = [&] { return refuses; };
  OperatorHarness harness(HarnessMode::kBatches, std::move(op));
  harness.context().set_state_backend(&backend);
  harness.SetHasher(std::make_unique<ExtractorKeyHasher<Event, std::string>>(UserKey()));
  add_port(harness);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Event>({{{"ann", 1}, 1}, {{"bob", 2}, 2}}).ok());
  Operator& subject = harness.op<Operator>();
  EXPECT_TRUE(subject.blocked());
  std::unique_ptr<Batch> batch = TypedBatch<Event>::Type().create();
  static_cast<TypedBatch<Event>&>(*batch).Append(3) = {"ann", 5};
  ExtractorKeyHasher<Event, std::string>(UserKey()).Hash(*batch);
  size_t position = 0;
  backend.EndStall();
  EXPECT_FALSE(subject.blocked());
  ASSERT_TRUE(subject.Process(0, batch, position).ok());
  EXPECT_EQ(position, 0u);
  EXPECT_TRUE(subject.blocked());
  refuses = false;
  backend.EndStall();
  ASSERT_TRUE(subject.Process(0, batch, position).ok());
  EXPECT_EQ(position, 1u);
  EXPECT_FALSE(subject.blocked());
}

TEST(OperatorsAboveAStoreTest, FunctionsWaitForIt) {
  ExpectWaitsForItsStore(
      MakeReduceOperator<Event>([](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey()),
      [](OperatorHarness& harness) { harness.AddPort<Event>(); });
}

TEST(OperatorsAboveAStoreTest, WindowsWaitForIt) {
  ExpectWaitsForItsStore(
      MakeWindowReduceOperator<Event, std::string>([](Event& sum, const Event& event) { sum.amount += event.amount; },
                                                   UserKey(), Tumbling(300ms)),
      [](OperatorHarness& harness) { harness.AddPort<Event>(); });
}

}  // namespace
}  // namespace eagre
