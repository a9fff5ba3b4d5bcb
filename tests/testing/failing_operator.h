// Runs an operator with state, in all its subtasks, that fails and goes on from checkpoints, at the same or another
// parallelism and above the same or another state backend, with barriers that wait in line or overtake.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "runtime/key_extractor.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/operator_checkpoints.h"

namespace eagre {

// The input of the whole operator: records, or a watermark.
template <typename In>
using OperatorStep = std::variant<std::vector<Stamped<In>>, int64_t>;
// Timestamps, and what was emitted as text.
using EmittedTexts = std::vector<std::pair<int64_t, std::string>>;

// The operator under test.
template <typename In>
struct OperatorSubject {
  std::function<std::unique_ptr<Operator>()> make;
  std::function<void(OperatorHarness&)> add_ports;
  std::function<EmittedTexts(OperatorHarness&)> take;
  std::string In::*key = nullptr;  // null: it is not keyed
  bool in_order = false;           // each subtask's output has an order that must be kept
};

// `rescale`: each start has another parallelism. `backends`: that of each start, in turn. `apart`: a barrier finds each
// subtask at another place of the input, as one that overtakes does; not together with `rescale`.
struct FailureMode {
  bool rescale = false;
  std::vector<BackendKind> backends = {BackendKind::kMemory};
  bool apart = false;
};
inline void PrintTo(const FailureMode& mode, std::ostream* out) {
  *out << (mode.rescale ? "Rescaled" : "") << (mode.apart ? "Apart" : "");
  for (const BackendKind kind : mode.backends) *out << BackendName(kind);
}
inline const FailureMode kFailureModes[] = {
    {false, {BackendKind::kMemory}},
    {true, {BackendKind::kMemory}},
    {false, {BackendKind::kMapStore}},
    {true, {BackendKind::kMapStore}},
    {true, {BackendKind::kMemory, BackendKind::kRocksDb}},  // from one to the other and back
    {false, {BackendKind::kMemory}, true},
    {false, {BackendKind::kMapStore}, true},
};

// All subtasks of the operator under test.
template <typename In>
class OperatorSubtasks {
 public:
  OperatorSubtasks(const OperatorSubject<In>& subject, int parallelism, BackendKind backend = BackendKind::kMemory)
      : subject_(subject), parallelism_(parallelism), positions_(static_cast<size_t>(parallelism)) {
    for (int i = 0; i < parallelism; ++i) {
      backends_.push_back(NewBackend(backend));
      harnesses_.push_back(std::make_unique<OperatorHarness>(ModeOf(i), subject.make()));
      OperatorHarness& harness = *harnesses_.back();
      harness.context().set_subtask(i, parallelism);
      harness.context().set_state_backend(backends_.back().get());
      subject.add_ports(harness);
      if (subject.key != nullptr) {
        harness.SetHasher(std::make_unique<ExtractorKeyHasher<In, std::string>>(
            std::make_unique<SelectorKeyExtractor<In, std::string, std::string In::*>>(subject.key)));
      }
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
  // Where each subtask is in `input`, by the number of the step that comes next.
  const std::vector<size_t>& positions() const { return positions_; }
  void set_positions(std::vector<size_t> positions) { positions_ = std::move(positions); }
  bool AllAt(size_t position) const {
    return std::all_of(positions_.begin(), positions_.end(), [&](size_t one) { return one == position; });
  }
  // The subtask does its part of the next step, if there is one.
  void Advance(size_t subtask, const std::vector<OperatorStep<In>>& input) {
    if (positions_[subtask] == input.size()) return;
    const size_t number = positions_[subtask]++;
    const OperatorStep<In>& step = input[number];
    OperatorHarness& harness = *harnesses_[subtask];
    if (std::holds_alternative<int64_t>(step)) {
      ASSERT_TRUE(harness.Watermark(std::get<int64_t>(step)).ok());
      return;
    }
    std::vector<Stamped<In>> part;
    for (const Stamped<In>& record : std::get<0>(step)) {
      const size_t of = subject_.key != nullptr
                            ? static_cast<size_t>(SubtaskOfKeyGroup(
                                  KeyGroupOf(KeyHash(record.value.*subject_.key), 128), parallelism_, 128))
                            : number % harnesses_.size();
      if (of == subtask) part.push_back(record);
    }
    ASSERT_TRUE(harness.Push<In>(part).ok());
  }
  EmittedTexts Take() {
    EmittedTexts all;
    for (auto& harness : harnesses_) {
      const EmittedTexts part = subject_.take(*harness);
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

  const OperatorSubject<In>& subject_;
  const int parallelism_;
  std::vector<size_t> positions_;
  std::vector<std::unique_ptr<StateBackend>> backends_;
  std::vector<std::unique_ptr<OperatorHarness>> harnesses_;
  std::vector<std::unique_ptr<OperatorCheckpoints>> checkpoints_;
};

// Runs random input, failing now and then and going on from the last whole checkpoint: what is emitted in all is what
// an undisturbed run emits.
template <typename In>
void ExpectSurvives(const OperatorSubject<In>& subject, const FailureMode& mode,
                    const std::function<std::vector<OperatorStep<In>>(Random&)>& make_input) {
  const bool rescale = mode.rescale;
  const uint64_t seeds = mode.backends.back() == BackendKind::kMemory ? 2 : 1;
  // Each opens databases, which takes its time.
  const int most_failures = mode.backends.back() == BackendKind::kRocksDb ? 3 : 8;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    const std::vector<OperatorStep<In>> input = make_input(random);
    OperatorSubtasks<In> undisturbed(subject, 2);
    for (size_t i = 0; i < input.size(); ++i) {
      for (size_t subtask = 0; subtask < 2; ++subtask) undisturbed.Advance(subtask, input);
    }
    EmittedTexts expected = undisturbed.Take();

    const auto parallelism = [&] { return rescale ? 1 + static_cast<int>(random.Below(4)) : 2; };
    auto job = std::make_unique<OperatorSubtasks<In>>(subject, parallelism(), mode.backends.back());
    job->Begin();
    EmittedTexts committed;  // up to the last whole checkpoint
    EmittedTexts since;      // what came after it, in two parts around the barrier under way
    EmittedTexts since_barrier;
    std::vector<SubtaskCheckpoint> stored;  // of the last whole checkpoint
    std::vector<size_t> stored_positions;
    std::vector<size_t> barrier_positions;
    bool sealed = false;
    int failures = 0;
    const auto append = [](EmittedTexts& to, EmittedTexts from) { to.insert(to.end(), from.begin(), from.end()); };
    while (!job->AllAt(input.size())) {
      for (size_t subtask = 0; subtask < job->positions().size(); ++subtask) {
        for (uint64_t steps = mode.apart ? random.Below(3) : 1; steps > 0; --steps) job->Advance(subtask, input);
      }
      append(sealed ? since_barrier : since, job->Take());
      if (!sealed && random.Below(4) == 0) {
        job->Seal(random);
        sealed = true;
        barrier_positions = job->positions();
      }
      for (uint64_t slices = random.Below(8); sealed && slices > 0; --slices) {
        if (!job->Encode(random)) continue;
        sealed = false;
        stored = job->Stored();
        stored_positions = barrier_positions;
        append(committed, std::exchange(since, {}));
        since = std::exchange(since_barrier, {});
      }
      if (failures < most_failures && !stored.empty() && random.Below(12) == 0) {
        ++failures;
        sealed = false;
        since.clear();
        since_barrier.clear();
        const BackendKind backend = mode.backends[static_cast<size_t>(failures) % mode.backends.size()];
        const int started = parallelism();
        job = std::make_unique<OperatorSubtasks<In>>(subject, started, backend);
        if (!mode.apart) stored_positions.resize(static_cast<size_t>(started), stored_positions.front());
        job->set_positions(stored_positions);
        job->Restore(stored, !rescale && random.Below(2) == 0);
        if (testing::Test::HasFatalFailure()) return;
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

}  // namespace eagre
