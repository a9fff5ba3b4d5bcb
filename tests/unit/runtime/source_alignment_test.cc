// Event time across the readers of a source: scripted readers, a real coordinator, everything in one thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "eagre/testing/source_harness.h"
#include "eagre/watermark_strategy.h"

namespace eagre {
namespace {

using namespace std::chrono_literals;

// What the splits hold: each value is a record and its event time; a split's last value may be followed by an end.
struct Script {
  std::vector<int64_t> times;
  bool ends = true;
};
using Scripts = std::map<std::string, Script>;

// Reads its splits in turn, one record a call.
class ScriptedReader final : public SourceReader<int64_t> {
 public:
  explicit ScriptedReader(const Scripts& scripts) : scripts_(scripts) {}
  Status Start(SourceReaderContext& context) override {
    context.RequestSplit();
    return OkStatus();
  }
  Status AddSplits(std::vector<SourceSplit> splits) override {
    for (const SourceSplit& split : splits) positions_[split.id] = 0;
    return OkStatus();
  }
  Status NoMoreSplits() override {
    no_more_ = true;
    return OkStatus();
  }
  void PauseSplits(const std::vector<std::string>& ids) override { paused_.insert(ids.begin(), ids.end()); }
  void ResumeSplits(const std::vector<std::string>& ids) override {
    for (const std::string& id : ids) paused_.erase(id);
  }
  std::vector<SourceSplit> Snapshot() const override { return {}; }
  StatusOr<ReadResult> Read(SplitOutput<int64_t>& out) override {
    if (positions_.empty()) return no_more_ ? ReadResult::kEnd : ReadResult::kNothingNow;
    for (size_t i = 0; i < positions_.size(); ++i) {
      auto next = positions_.upper_bound(last_);
      if (next == positions_.end()) next = positions_.begin();
      last_ = next->first;
      const Script& script = scripts_.at(next->first);
      if (paused_.contains(next->first)) continue;
      const bool at_end = next->second == script.times.size();
      if (at_end && !script.ends) continue;
      out.BeginSplit(last_);
      if (at_end) {
        out.FinishSplit();
        positions_.erase(next);
      } else {
        const int64_t time = script.times[next->second++];
        out.Collect(time, time);
      }
      return ReadResult::kMore;
    }
    return ReadResult::kNothingNow;
  }

 private:
  const Scripts& scripts_;
  std::map<std::string, size_t> positions_;
  std::set<std::string> paused_;
  std::string last_;
  bool no_more_ = false;
};

// Gives splits "0/..." to reader 0, and so on, and says that there are no more unless one is named "<i>/wait".
class ScriptedSource final : public Source<int64_t> {
 public:
  explicit ScriptedSource(Scripts scripts) : scripts_(std::make_shared<Scripts>(std::move(scripts))) {}
  std::string Name() const override { return "Scripted"; }
  StatusOr<std::unique_ptr<SplitEnumerator>> CreateEnumerator() const override {
    class Enumerator final : public SplitEnumerator {
     public:
      explicit Enumerator(const Scripts& scripts) : scripts_(scripts) {}
      Status Restore(std::string_view) override { return Internal("not in this test"); }
      Status Start(Context& context) override {
        context_ = &context;
        return OkStatus();
      }
      Status OnSplitRequest(int subtask) override {
        std::vector<SourceSplit> splits;
        const std::string prefix = std::to_string(subtask) + "/";
        for (const auto& [id, script] : scripts_) {
          if (id.starts_with(prefix) && id != prefix + "wait") splits.push_back({id, ""});
        }
        if (!splits.empty()) context_->AssignSplits(subtask, std::move(splits));
        if (!scripts_.contains(prefix + "wait")) context_->SignalNoMoreSplits(subtask);
        return OkStatus();
      }
      Status AddSplitsBack(int, std::vector<SourceSplit>) override { return OkStatus(); }
      std::string Snapshot() const override { return ""; }

     private:
      const Scripts& scripts_;
      Context* context_ = nullptr;
    };
    return std::make_unique<Enumerator>(*scripts_);
  }
  StatusOr<std::unique_ptr<SourceReader<int64_t>>> CreateReader() const override {
    return std::make_unique<ScriptedReader>(*scripts_);
  }

 private:
  std::shared_ptr<Scripts> scripts_;
};

std::vector<int64_t> EveryTen(int64_t from, int64_t to) {
  std::vector<int64_t> times;
  for (int64_t time = from; time <= to; time += 10) times.push_back(time);
  return times;
}

int64_t LastTime(const SourceHarness<int64_t>& harness, int subtask) {
  const std::vector<int64_t> records = harness.Records(subtask);
  return records.empty() ? -1 : records.back();
}

SourceHarness<int64_t> Aligned(Scripts scripts, int parallelism, std::chrono::milliseconds drift) {
  return SourceHarness<int64_t>(ScriptedSource(std::move(scripts)), Monotonous().WithAlignment(drift), parallelism);
}

// Two readers with a split each that goes to 5000.
Scripts TwoReaders() {
  return {{"0/a", {EveryTen(0, 5000)}}, {"1/a", {EveryTen(0, 5000)}}};
}

// Every record is a mark of time.
class MarkEvery final : public WatermarkGenerator<int64_t> {
 public:
  void OnEvent(const int64_t&, int64_t timestamp_ms, WatermarkOutput& out) override {
    out.EmitWatermark(timestamp_ms - 1);
  }
};

void StepUntilNothing(SourceHarness<int64_t>& harness, int subtask) {
  for (int i = 0; i < 100'000; ++i) {
    const StatusOr<SourceOperator::Produced> produced = harness.Step(subtask);
    ASSERT_TRUE(produced.ok()) << produced.status();
    if (*produced != SourceOperator::Produced::kMore) return;
  }
  FAIL() << "the reader never paused";
}

// Reader 1 has taken one record, and reader 0 goes as far as it may.
void LetReader0GoAhead(SourceHarness<int64_t>& harness) {
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Step(1).ok());
  StepUntilNothing(harness, 0);
}

// Half of a drift of 100 ms may be used up by how seldom readers report, one record by how late they notice.
void ExpectReader0Paused(const SourceHarness<int64_t>& harness) {
  EXPECT_GE(LastTime(harness, 0), 100);
  EXPECT_LE(LastTime(harness, 0), 120);
  EXPECT_FALSE(harness.ended(0));
}

TEST(SourceAlignmentTest, AReaderThatIsAheadPausesUntilTheOtherHasCaughtUp) {
  SourceHarness<int64_t> harness = Aligned(TwoReaders(), 2, 100ms);
  LetReader0GoAhead(harness);
  ExpectReader0Paused(harness);
  // The other goes on, and this one follows.
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(harness.Step(1).ok());
  StepUntilNothing(harness, 0);
  EXPECT_GE(LastTime(harness, 0), 250);
  EXPECT_LE(LastTime(harness, 0), 320);
  ASSERT_TRUE(harness.RunToEnd(1).ok());
}

TEST(SourceAlignmentTest, AGeneratorOfOnesOwnIsAlignedToo) {
  SourceHarness<int64_t> harness(
      ScriptedSource(TwoReaders()),
      WatermarkStrategy<int64_t>::ForGenerator([] { return std::make_unique<MarkEvery>(); }).WithAlignment(100ms), 2);
  LetReader0GoAhead(harness);
  ExpectReader0Paused(harness);
  ASSERT_TRUE(harness.RunToEnd(1).ok());
}

TEST(SourceAlignmentTest, TheDriftIsKeptAtEveryMoment) {
  SourceHarness<int64_t> harness = Aligned(
      {{"0/a", {EveryTen(0, 20'000)}}, {"1/a", {EveryTen(0, 20'000)}}, {"2/a", {EveryTen(0, 20'000)}}}, 3, 500ms);
  ASSERT_TRUE(harness.Open().ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(harness.Step(i).ok());
  SeededRandom random(5);
  int without_progress = 0;
  while (!harness.all_ended() && without_progress < 1000) {
    // Reader 0 is called ten times as often as the others.
    const int subtask = static_cast<int>(random.Below(12) % 10 > 1 ? 0 : random.Below(3));
    const StatusOr<SourceOperator::Produced> produced = harness.Step(subtask);
    ASSERT_TRUE(produced.ok());
    without_progress = *produced == SourceOperator::Produced::kMore ? 0 : without_progress + 1;
    int64_t slowest = kMaxWatermark;
    int64_t fastest = 0;
    for (int i = 0; i < 3; ++i) {
      if (!harness.ended(i)) slowest = std::min(slowest, LastTime(harness, i));
      fastest = std::max(fastest, LastTime(harness, i));
    }
    if (slowest == kMaxWatermark || fastest == 20'000) continue;
    ASSERT_LE(fastest - slowest, 500 + 500 / 4 + 20);
  }
  EXPECT_TRUE(harness.all_ended());
}

TEST(SourceAlignmentTest, SplitsOfOneReaderAreAlignedToo) {
  SourceHarness<int64_t> harness = Aligned(
      {{"0/fast", {EveryTen(0, 3000)}}, {"0/slow", {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, false}}}, 1,
      100ms);
  ASSERT_TRUE(harness.Open().ok());
  StepUntilNothing(harness, 0);
  EXPECT_LE(LastTime(harness, 0), 130);
}

TEST(SourceAlignmentTest, ReadersThatEndedHoldNobodyBack) {
  SourceHarness<int64_t> harness = Aligned({{"0/a", {EveryTen(0, 5000)}}, {"1/a", {{0}}}, {"2/none", {{}}}}, 4, 100ms);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Step(1).ok());
  const Status status = harness.RunToEnd(2);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(LastTime(harness, 0), 5000);
}

TEST(SourceAlignmentTest, AReaderThatWaitsForASplitHoldsNobodyBack) {
  SourceHarness<int64_t> harness = Aligned({{"0/a", {EveryTen(0, 5000)}}, {"1/a", {{0}}}, {"1/wait", {}}}, 2, 100ms);
  LetReader0GoAhead(harness);
  StepUntilNothing(harness, 1);
  StepUntilNothing(harness, 0);
  EXPECT_TRUE(harness.ended(0));
  EXPECT_FALSE(harness.ended(1));
}

TEST(SourceAlignmentTest, AnIdleSplitHoldsNobodyBack) {
  SourceHarness<int64_t> harness(ScriptedSource({{"0/a", {EveryTen(0, 5000)}}, {"1/a", {{0}, false}}}),
                                 Monotonous().WithAlignment(100ms).WithIdleness(1000ms), 2);
  LetReader0GoAhead(harness);
  EXPECT_FALSE(harness.ended(0));
  for (int64_t now = 0; now <= 2000; now += 200) ASSERT_TRUE(harness.ProcessingTime(now).ok());
  StepUntilNothing(harness, 0);
  EXPECT_TRUE(harness.ended(0));
}

TEST(SourceAlignmentTest, TheConfigurationDecidesWhereTheSourceDoesNot) {
  for (const bool aligned : {false, true}) {
    SourceHarness<int64_t> harness(ScriptedSource(TwoReaders()), Monotonous(), 2);
    if (aligned) {
      ASSERT_TRUE(harness.config().SetProperty("pipeline.watermark-alignment.max-drift=100 ms").ok());
    }
    LetReader0GoAhead(harness);
    EXPECT_EQ(harness.ended(0), !aligned);
  }
}

TEST(SourceWatermarksTest, AReaderWithSeveralSplitsIsAsFarAsTheSlowest) {
  SourceHarness<int64_t> harness(ScriptedSource({{"0/a", {{100, 200}}}, {"0/b", {{150, 160}}}}),
                                 BoundedOutOfOrderness(10ms), 1);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Step(0).ok());  // a: 100
  ASSERT_TRUE(harness.ProcessingTime(200).ok());
  EXPECT_EQ(harness.Watermark(0), kNoTimestamp);
  ASSERT_TRUE(harness.Step(0).ok());  // b: 150
  ASSERT_TRUE(harness.ProcessingTime(400).ok());
  EXPECT_EQ(harness.Watermark(0), 100 - 10 - 1) << "as in Flink: the largest, less the bound, less one";
  ASSERT_TRUE(harness.Step(0).ok());  // a: 200
  ASSERT_TRUE(harness.ProcessingTime(600).ok());
  EXPECT_EQ(harness.Watermark(0), 150 - 11);
  ASSERT_TRUE(harness.RunToEnd().ok());
  EXPECT_EQ(harness.Watermark(0), 160 - 11) << "what b said last; the end of the stream comes from the task";
}

TEST(SourceWatermarksTest, WatermarksComeEveryIntervalAndAfterManyRecords) {
  std::vector<int64_t> times;
  for (int64_t i = 0; i < 40'000; ++i) times.push_back(i);
  SourceHarness<int64_t> harness(ScriptedSource({{"0/a", {times, false}}}), Monotonous(), 1);
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_EQ(harness.reader(0).op<Operator>().NextProcessingTimeMs(), 200);
  StepUntilNothing(harness, 0);
  EXPECT_EQ(harness.Watermark(0), 32'767 - 1);
  ASSERT_TRUE(harness.ProcessingTime(199).ok());
  EXPECT_EQ(harness.Watermark(0), 32'767 - 1);
  ASSERT_TRUE(harness.ProcessingTime(200).ok());
  EXPECT_EQ(harness.Watermark(0), 39'999 - 1);
}

TEST(SourceWatermarksTest, AQuietSourceSaysThatItIsIdleAndThenThatItIsNot) {
  SourceHarness<int64_t> harness(ScriptedSource({{"0/a", {{5}, false}}}), Monotonous().WithIdleness(500ms), 1);
  ASSERT_TRUE(harness.Open().ok());
  StepUntilNothing(harness, 0);
  for (int64_t now = 200; now <= 1000; now += 200) ASSERT_TRUE(harness.ProcessingTime(now).ok());
  std::vector<ControlEvent::Kind> kinds;
  for (const Emitted<int64_t>& item : harness.log(0)) {
    if (item.event) kinds.push_back(item.kind);
  }
  EXPECT_THAT(kinds, testing::ElementsAre(ControlEvent::Kind::kWatermark, ControlEvent::Kind::kIdle));
}

TEST(SourceWatermarksTest, TimeSpentUnderBackPressureDoesNotMakeASplitIdle) {
  SourceHarness<int64_t> harness(ScriptedSource({{"0/a", {{5}, false}}}), Monotonous().WithIdleness(500ms), 1);
  ASSERT_TRUE(harness.Open().ok());
  StepUntilNothing(harness, 0);
  // The first timer after a minute in which the output was full.
  ASSERT_TRUE(harness.ProcessingTime(60'000).ok());
  for (const Emitted<int64_t>& item : harness.log(0))
    EXPECT_FALSE(item.event && item.kind == ControlEvent::Kind::kIdle);
}

TEST(SourceOperatorTest, MalformedAndMisdirectedMessagesAreErrors) {
  SourceHarness<int64_t> harness(ScriptedSource({}), Monotonous(), 1);
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_TRUE(absl::IsDataLoss(harness.reader(0).CoordinatorEvent("nonsense")));
  EXPECT_TRUE(absl::IsDataLoss(
      harness.reader(0).CoordinatorEvent(EncodeSourceEvent({.kind = SourceEvent::Kind::kSplitRequest}))));
}

}  // namespace
}  // namespace eagre
