// The pattern operator fails and goes on from checkpoints, at the same or another parallelism: what it finds in all is
// what it would have found undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/cep/cep.h"
#include "tests/testing/operator_checkpoints.h"

namespace eagre {

struct SiteStep {
  std::string user;
  int32_t kind = 0;
  int64_t id = 0;
};
EAGRE_RECORD(SiteStep, user, kind, id);

namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

const OutputTag<std::string> kTimeouts{"timeouts"};

std::string TextOf(const char* what, const Match<SiteStep>& match, int64_t timestamp) {
  std::string text = fmt::format("{} @{}", what, timestamp);
  for (const SiteStep* step : match.events()) text += fmt::format(" {}{}", step->user, step->id);
  return text;
}

auto OfKind(char kind) {
  return [kind](const SiteStep& step) { return step.kind == kind; };
}

// Holds partial matches of several starts, matches that are held back, and events that many share.
Pattern<SiteStep> LongestRuns() {
  return Pattern<SiteStep>::Begin("a", AfterMatchSkipStrategy::SkipPastLastEvent())
      .Where(OfKind('a'))
      .OneOrMore()
      .FollowedBy("b")
      .Where(OfKind('b'))
      .Within(300ms);
}

std::unique_ptr<KeyExtractor<SiteStep, std::string>> UserKey() {
  return std::make_unique<SelectorKeyExtractor<SiteStep, std::string, std::string SiteStep::*>>(&SiteStep::user);
}

std::unique_ptr<Operator> MakeOperator() {
  internal::MatchHandlers<SiteStep, std::string> handlers;
  handlers.on_match = [](const Match<SiteStep>& match, MatchContext& context, Collector<std::string>& out) {
    out.Collect(TextOf("match", match, context.timestamp()));
  };
  handlers.on_timeout = [](const Match<SiteStep>& match, MatchContext& context) {
    context.Output(kTimeouts, TextOf("timeout", match, context.timestamp()));
  };
  using Function = internal::CepFunction<std::string, SiteStep, std::string>;
  return MakeKeyedProcessOperator<std::string, SiteStep, std::string>(
      Function(*cep::Automaton::Compile(LongestRuns().description()), {}, nullptr, std::move(handlers)), UserKey(),
      {kTimeouts.name});
}

// In the order of their times, and the watermark behind each.
struct Input {
  std::vector<Stamped<SiteStep>> records;
  int64_t watermark = 0;
};

std::vector<Input> RandomInput(Random& random) {
  std::vector<Input> input(50);
  int64_t time = 1000;
  int64_t id = 0;
  for (Input& one : input) {
    for (uint64_t count = random.Below(60); count > 0; --count) {
      time += static_cast<int64_t>(random.Below(4));
      one.records.push_back({{"user " + std::to_string(random.Below(40)), "aaabx"[random.Below(5)], ++id}, time});
    }
    one.watermark = time;
  }
  input.back().watermark = kMaxWatermark;
  return input;
}

// All subtasks of the operator.
class Subtasks {
 public:
  explicit Subtasks(int parallelism) : parallelism_(parallelism) {
    for (int i = 0; i < parallelism; ++i) {
      OperatorHarness& harness =
          *harnesses_.emplace_back(std::make_unique<OperatorHarness>(HarnessMode::kTightOutput, MakeOperator()));
      harness.context().set_subtask(i, parallelism);
      harness.AddPort<std::string>();
      harness.AddPort<std::string>();
      harness.SetHasher(std::make_unique<ExtractorKeyHasher<SiteStep, std::string>>(UserKey()));
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
  // What it makes them emit, in any order.
  Texts Apply(const Input& input) {
    std::vector<std::vector<Stamped<SiteStep>>> parts(harnesses_.size());
    for (const Stamped<SiteStep>& record : input.records) {
      const int subtask = SubtaskOfKeyGroup(KeyGroupOf(KeyHash(record.value.user), 128), parallelism_, 128);
      parts[static_cast<size_t>(subtask)].push_back(record);
    }
    Texts texts;
    for (size_t i = 0; i < parts.size(); ++i) {
      EXPECT_TRUE(harnesses_[i]->Push<SiteStep>(parts[i]).ok());
      EXPECT_TRUE(harnesses_[i]->Watermark(input.watermark).ok());
      for (const int port : {0, 1}) {
        for (Stamped<std::string>& found : harnesses_[i]->Take<std::string>(port)) texts.push_back(found.value);
      }
    }
    return texts;
  }
  void Seal(Random& random) {
    for (auto& one : checkpoints_) one->Seal(random);
  }
  // A slice of each; true when all that was sealed is encoded.
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
  const int parallelism_;
  std::vector<std::unique_ptr<OperatorHarness>> harnesses_;
  std::vector<std::unique_ptr<OperatorCheckpoints>> checkpoints_;
};

void Append(Texts& to, Texts from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

class PatternCheckpointTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Rescaled, PatternCheckpointTest, testing::Bool());

TEST_P(PatternCheckpointTest, FailuresChangeNothing) {
  const bool rescale = GetParam();
  for (uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    const std::vector<Input> input = RandomInput(random);
    Subtasks undisturbed(2);
    Texts expected;
    for (const Input& one : input) Append(expected, undisturbed.Apply(one));

    const auto parallelism = [&] { return rescale ? 1 + static_cast<int>(random.Below(4)) : 2; };
    auto job = std::make_unique<Subtasks>(parallelism());
    job->Begin();
    Texts committed;       // up to the last whole checkpoint
    Texts before_barrier;  // of the checkpoint under way, since the last one
    Texts behind;          // it, or since the last one when none is under way
    std::vector<SubtaskCheckpoint> stored;
    size_t stored_position = 0;
    size_t barrier = 0;
    bool sealed = false;
    int failures = 0;
    for (size_t i = 0; i < input.size();) {
      Append(behind, job->Apply(input[i++]));
      if (!sealed && random.Below(3) == 0) {
        job->Seal(random);
        sealed = true;
        barrier = i;
        before_barrier = std::exchange(behind, {});
      }
      for (uint64_t slices = random.Below(20); sealed && slices > 0; --slices) {
        if (!job->Encode(random)) continue;
        sealed = false;
        stored = job->Stored();
        stored_position = barrier;
        Append(committed, std::exchange(before_barrier, {}));
      }
      if (stored.empty() || failures == 6 || random.Below(6) != 0) continue;
      ++failures;
      sealed = false;
      before_barrier.clear();
      behind.clear();
      job = std::make_unique<Subtasks>(parallelism());
      job->Restore(stored, !rescale && random.Below(2) == 0);
      if (HasFatalFailure()) return;
      i = stored_position;
    }
    Append(committed, before_barrier);
    Append(committed, behind);
    std::sort(expected.begin(), expected.end());
    std::sort(committed.begin(), committed.end());
    EXPECT_GT(failures, 2);
    EXPECT_GT(expected.size(), 100u);
    ASSERT_EQ(committed, expected);
  }
}

}  // namespace
}  // namespace eagre
