// Patterns in jobs: keyed and plain streams, the forms of results, side outputs, time-outs, limits, metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "api/local_runner.h"
#include "cep/automaton.h"
#include "connectors/generator/generator.h"
#include "eagre/cep/cep.h"
#include "eagre/collect_sink.h"
#include "eagre/job.h"
#include "eagre/watermark_generator.h"
#include "tests/vectors/operator_rig.h"
#include "tests/vectors/vector_expression.h"

namespace eagre {

struct Click {
  std::string user;
  std::string page;
  int64_t at = 0;
};
EAGRE_RECORD(Click, user, page, at);

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using vectors::OperatorRig;
using vectors::RigOptions;
using vectors::VectorEvent;

auto OnPage(std::string page) {
  return [page](const Click& click) { return click.page == page; };
}

Pattern<Click> CartThenPay() {
  return Pattern<Click>::Begin("cart").Where(OnPage("cart")).FollowedBy("pay").Where(OnPage("pay")).Within(10ms);
}

const std::vector<Click> kClicks = {{"ann", "cart", 1}, {"bob", "pay", 2},  {"ann", "home", 3}, {"ann", "pay", 4},
                                    {"bob", "cart", 5}, {"cid", "cart", 6}, {"bob", "pay", 14}, {"cid", "pay", 30}};

// The clicks in this order, with their times.
DataStream<Click> Clicks(LocalJob& job, const std::vector<Click>& clicks = kClicks) {
  return job.Read(FromValues(clicks)).WithWatermarks(BoundedOutOfOrderness(0ms), [](const Click& click) {
    return click.at;
  });
}

TEST(CepStreamTest, MatchesPerKey) {
  LocalJob job;
  auto found =
      Cep::Match(Clicks(job).KeyBy(&Click::user), CartThenPay())
          .Select([](const Match<Click>& match) {
            return fmt::format("{} {}-{}", match.First("cart").user, match.First("cart").at, match.Last("pay").at);
          })
          .ExecuteAndCollect();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, UnorderedElementsAre("ann 1-4", "bob 5-14"));
}

TEST(CepStreamTest, MatchesOverAPlainStreamInOneSubtask) {
  LocalJob job;
  auto found = Cep::Match(Clicks(job), CartThenPay())
                   .FlatSelect([](const Match<Click>& match, Collector<std::string>& out) {
                     for (const Click* click : match.events()) out.Collect(click->user + " " + click->page);
                   })
                   .ExecuteAndCollect();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, ElementsAre("ann cart", "bob pay", "bob cart", "bob pay", "cid cart", "bob pay"));
}

TEST(CepStreamTest, TimedOutPartialMatchesGoToTheirSideOutput) {
  LocalJob job;
  const OutputTag<std::string> timed_out{"timed out"};
  auto matches = Cep::Match(Clicks(job).KeyBy(&Click::user), CartThenPay())
                     .Select(
                         timed_out,
                         [](const Match<Click>& match, int64_t timestamp) {
                           return fmt::format("{} @{}", match.First("cart").user, timestamp);
                         },
                         [](const Match<Click>& match) { return match.First("cart").user; });
  auto found = matches.SideOutput(timed_out).ExecuteAndCollect();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, ElementsAre("cid @16"));
}

class PayReport : public PatternProcessFunction<Click, std::string>, public TimedOutPartialMatchHandler<Click> {
 public:
  static inline const OutputTag<std::string> kTimedOut{"timed out"};
  Status Open(RuntimeContext&) override { return opened_ = true, OkStatus(); }
  void ProcessMatch(const Match<Click>& match, MatchContext& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{} {} @{}", opened_ ? "opened" : "closed", match.First("pay").user, context.timestamp()));
  }
  void ProcessTimedOutMatch(const Match<Click>& match, MatchContext& context) override {
    EXPECT_FALSE(match.Contains("pay"));
    context.Output(kTimedOut, fmt::format("{} @{}", match.First("cart").user, context.timestamp()));
  }

 private:
  bool opened_ = false;
};

TEST(CepStreamTest, ProcessFunctionsSeeTimesAndTimeOuts) {
  {
    LocalJob job;
    auto found = Cep::Match(Clicks(job).KeyBy(&Click::user), CartThenPay()).Process(PayReport()).ExecuteAndCollect();
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_THAT(*found, UnorderedElementsAre("opened ann @4", "opened bob @14"));
  }
  LocalJob job;
  auto matches = Cep::Match(Clicks(job).KeyBy(&Click::user), CartThenPay()).Process(PayReport());
  auto timed_out = matches.SideOutput(PayReport::kTimedOut).ExecuteAndCollect();
  ASSERT_TRUE(timed_out.ok()) << timed_out.status();
  EXPECT_THAT(*timed_out, ElementsAre("cid @16"));
}

TEST(CepStreamTest, PartialMatchesThatAreGivenUpGoToTheirSideOutput) {
  LocalJob job;
  const OutputTag<std::string> given_up{"given up"};
  const std::vector<Click> clicks = {{"ann", "cart", 1}, {"ann", "cart", 2}, {"bob", "cart", 3}, {"ann", "pay", 4}};
  auto patterns = Cep::Match(Clicks(job, clicks).KeyBy(&Click::user), CartThenPay());
  patterns.LimitPartialMatches(1, 0, OverflowPolicy::kDropOldest)
      .DroppedPartialMatches(given_up, [](const Match<Click>& match) {
        return fmt::format("{} {}", match.First("cart").user, match.First("cart").at);
      });
  auto matches = patterns.Select([](const Match<Click>& match) { return match.First("cart").at; });
  auto found = matches.SideOutput(given_up).ExecuteAndCollect();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, ElementsAre("ann 1"));
}

// Time is what the latest click says, behind each batch of them.
class TimeOfClicks final : public WatermarkGenerator<Click> {
 public:
  void OnEvent(const Click&, int64_t timestamp_ms, WatermarkOutput& out) override {
    out.EmitWatermark(timestamp_ms - 1);
  }
};

TEST(CepStreamTest, LateEventsGoToTheirStreamAndIntoNoMatch) {
  std::vector<Click> clicks(5000, Click{"ann", "home", 15});  // more than a batch
  clicks.front() = {"ann", "cart", 10};
  clicks.push_back({"ann", "pay", 12});
  clicks.push_back({"ann", "pay", 16});
  LocalJob job;
  job.SetParallelism(1);
  auto stream = job.Read(FromValues(clicks)).WithWatermarks(WatermarkStrategy<Click>::ForGenerator([] {
                                                              return std::make_unique<TimeOfClicks>();
                                                            }).WithTimestamps(&Click::at));
  auto patterns = Cep::Match(stream.KeyBy(&Click::user), CartThenPay());
  auto found = std::make_shared<CollectedRecords<std::string>>();
  patterns
      .Select(
          [](const Match<Click>& match) { return fmt::format("{}-{}", match.First("cart").at, match.Last("pay").at); })
      .WriteTo(CollectSink<std::string>(found));
  auto late = patterns.LateEvents().Map([](const Click& click) { return fmt::format("{} {}", click.page, click.at); });
  auto late_texts = late.ExecuteAndCollect();
  ASSERT_TRUE(late_texts.ok()) << late_texts.status();
  EXPECT_THAT(*late_texts, ElementsAre("pay 12"));
  EXPECT_THAT(found->Take(), ElementsAre("10-16"));
}

TEST(CepStreamTest, InProcessingTimeEventsAreTakenAsTheyArrive) {
  LocalJob job;
  const std::vector<Click> clicks = {{"ann", "cart", 9}, {"ann", "pay", 1}};
  auto found = Cep::Match(job.Read(FromValues(clicks)).KeyBy(&Click::user),
                          Pattern<Click>::Begin("cart").Where(OnPage("cart")).Next("pay").Where(OnPage("pay")))
                   .InProcessingTime()
                   .Select([](const Match<Click>& match) { return match.First("pay").at; })
                   .ExecuteAndCollect();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, ElementsAre(1));
}

TEST(CepStreamTest, APatternThatBreaksARuleFailsTheJob) {
  LocalJob job;
  auto found = Cep::Match(Clicks(job), Pattern<Click>::Begin("a").Greedy())
                   .Select([](const Match<Click>&) { return std::string(); })
                   .ExecuteAndCollect();
  EXPECT_THAT(std::string(StatusMessage(found.status())), HasSubstr("pattern: stage 'a': Greedy() needs a repeated"));
}

TEST(CepStreamTest, AStageWithoutEventsIsAClearError) {
  LocalJob job;
  auto found = Cep::Match(Clicks(job), Pattern<Click>::Begin("a").Where(OnPage("cart")))
                   .Select([](const Match<Click>& match) { return match.First("b").user; })
                   .ExecuteAndCollect();
  EXPECT_THAT(std::string(StatusMessage(found.status())), HasSubstr("the match has no event of stage 'b'"));
}

// ---- one operator, step by step ----

std::shared_ptr<const cep::Automaton> Compiled(const vectors::EventPattern& pattern) {
  return *cep::Automaton::Compile(pattern.description());
}

auto Named(const char* name) {
  return *vectors::ParseCondition(fmt::format("name == '{}'", name));
}

vectors::TimedEvent At(const char* name, int64_t timestamp, int key = 1) {
  return {{.type = "Event", .id = static_cast<double>(key), .name = name, .price = 0}, timestamp};
}

class CepOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, CepOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

std::vector<int64_t> Times(const std::vector<OperatorRig::Output>& outputs) {
  std::vector<int64_t> times;
  for (const auto& output : outputs) {
    if (!output.watermark) times.push_back(output.timestamp);
  }
  return times;
}

vectors::EventPattern AWithoutB() {
  return vectors::EventPattern::Begin("a").Where(Named("a")).NotFollowedBy("b").Where(Named("b")).Within(10ms);
}

TEST_P(CepOperatorTest, AMatchThatTimeCompletesHasTheTimeToWhichTimeHasCome) {
  OperatorRig rig(Compiled(AWithoutB()), {}, GetParam());
  ASSERT_TRUE(rig.Element(At("a", 5)).ok());
  ASSERT_TRUE(rig.Watermark(14).ok());
  EXPECT_THAT(Times(rig.TakeOutput()), IsEmpty());
  ASSERT_TRUE(rig.Watermark(40).ok());
  EXPECT_THAT(Times(rig.TakeOutput()), ElementsAre(40));
}

TEST_P(CepOperatorTest, OrItsOwnIfConfigured) {
  OperatorRig rig(Compiled(AWithoutB()), {.config = {{"cep.exact-timeout-timestamps", "true"}}}, GetParam());
  ASSERT_TRUE(rig.Element(At("a", 5)).ok());
  ASSERT_TRUE(rig.Watermark(40).ok());
  EXPECT_THAT(Times(rig.TakeOutput()), ElementsAre(15));
}

TEST_P(CepOperatorTest, WindowsFromThePreviousEventEndOnQuietKeysToo) {
  const auto pattern = vectors::EventPattern::Begin("a")
                           .Where(Named("a"))
                           .FollowedBy("b")
                           .Where(Named("b"))
                           .Within(10ms, WithinType::kPreviousAndCurrent);
  for (const bool processing_time : {false, true}) {
    OperatorRig rig(Compiled(pattern), {.processing_time = processing_time, .timeouts = true}, GetParam());
    const auto advance = [&](int64_t time) { return processing_time ? rig.ProcessingTime(time) : rig.Watermark(time); };
    ASSERT_TRUE(advance(processing_time ? 5 : 4).ok());
    ASSERT_TRUE(rig.Element(At("a", 5)).ok());
    ASSERT_TRUE(advance(5).ok());
    ASSERT_TRUE(advance(15).ok());
    const auto timeouts = rig.TakeTimeouts();
    ASSERT_EQ(timeouts.size(), 1u);
    EXPECT_EQ(timeouts[0].timestamp, 15);
    EXPECT_EQ(rig.KeyCount(), 0u) << "a key without live partial matches holds nothing";
  }
}

TEST_P(CepOperatorTest, LateEventsGoToTheirOutputOrAreCounted) {
  for (const bool late_output : {false, true}) {
    OperatorRig rig(Compiled(AWithoutB()), {.late_output = late_output}, GetParam());
    ASSERT_TRUE(rig.Watermark(5).ok());
    ASSERT_TRUE(rig.Element(At("a", 5)).ok());
    EXPECT_EQ(rig.TakeLate().size(), late_output ? 1u : 0u);
    EXPECT_EQ(rig.LateDropped(), late_output ? 0 : 1);
  }
}

TEST_P(CepOperatorTest, PartialMatchesBeyondTheLimitFailTheJobOrAreGivenUp) {
  const auto pattern = vectors::EventPattern::Begin("a").Where(Named("a")).FollowedBy("b").Where(Named("b"));
  const auto run = [&](const char* overflow, std::vector<int64_t>& starts) {
    OperatorRig rig(Compiled(pattern),
                    {.config = {{"cep.partial-matches.max-per-key", "2"}, {"cep.partial-matches.overflow", overflow}}},
                    GetParam());
    for (int64_t i = 1; i <= 4; ++i) EXPECT_TRUE(rig.Element(At("a", i)).ok());
    EXPECT_TRUE(rig.Element(At("b", 9)).ok());
    const Status status = rig.Watermark(10);
    EXPECT_EQ(rig.Metric("cepPartialMatchesDropped"), status.ok() ? 2 : 0);
    for (const auto& output : rig.TakeOutput()) {
      if (!output.watermark) starts.push_back(output.timestamp);
    }
    return status;
  };
  std::vector<int64_t> found;
  EXPECT_THAT(std::string(StatusMessage(run("fail", found))),
              HasSubstr("more partial matches than allowed: 3 of one key"));
  found.clear();
  EXPECT_TRUE(run("drop-oldest", found).ok());
  EXPECT_EQ(found.size(), 2u);
  found.clear();
  EXPECT_TRUE(run("drop-newest", found).ok());
  EXPECT_EQ(found.size(), 2u);
}

// There are several ways around a repeated group that may be empty, so that one event completes several matches.
TEST_P(CepOperatorTest, AMatchDropsOthersOfItsStartThatTheSameEventCompletes) {
  const auto found = [&](AfterMatchSkipStrategy skip, bool as_first) {
    const auto group = vectors::EventPattern::Begin("b").Where(Named("b")).Optional();
    auto pattern = as_first ? vectors::EventPattern::Begin(group, skip)
                            : vectors::EventPattern::Begin("a", skip).Where(Named("a")).Next(group);
    pattern.Times(1, 3).Consecutive().Next("c").Where(Named("c"));
    OperatorRig rig(Compiled(pattern), {}, GetParam());
    EXPECT_TRUE(as_first || rig.Element(At("a", 1)).ok());
    EXPECT_TRUE(rig.Element(At("c", 2)).ok());
    EXPECT_TRUE(rig.Watermark(3).ok());
    EXPECT_EQ(rig.KeyCount(), 0u);
    return Times(rig.TakeOutput()).size();
  };
  for (const bool as_first : {true, false}) {
    EXPECT_EQ(found(AfterMatchSkipStrategy::NoSkip(), as_first), 3u);
    EXPECT_EQ(found(AfterMatchSkipStrategy::SkipToNext(), as_first), 1u);
    EXPECT_EQ(found(AfterMatchSkipStrategy::SkipPastLastEvent(), as_first), 1u);
    EXPECT_EQ(found(AfterMatchSkipStrategy::SkipToLast("c"), as_first), as_first ? 3u : 1u);
  }
}

TEST_P(CepOperatorTest, AKeyWithOnePartialMatchIsSmall) {
  const auto pattern = vectors::EventPattern::Begin("a").Where(Named("a")).FollowedBy("b").Where(Named("b"));
  OperatorRig rig(Compiled(pattern), {.keyed = true}, GetParam());
  constexpr int kKeys = 2000;
  for (int i = 1; i <= kKeys; ++i) ASSERT_TRUE(rig.Element(At("a", i, i)).ok());
  ASSERT_TRUE(rig.Watermark(kKeys).ok());
  EXPECT_EQ(rig.Metric("cepPartialMatches"), kKeys);
  EXPECT_LT(static_cast<double>(rig.Metric("keyedStateBytes")) / kKeys, 500) << "and a million of them in 500 MB";
}

TEST_P(CepOperatorTest, MetricsTellWhatIsHeldAndFound) {
  const auto pattern =
      vectors::EventPattern::Begin("a").Where(Named("a")).FollowedBy("b").Where(Named("b")).Within(10ms);
  OperatorRig rig(Compiled(pattern), {.keyed = true, .timeouts = true}, GetParam());
  for (int64_t i = 1; i <= 3; ++i) ASSERT_TRUE(rig.Element(At("a", i, static_cast<int>(i))).ok());
  ASSERT_TRUE(rig.Element(At("b", 4, 1)).ok());
  ASSERT_TRUE(rig.Watermark(5).ok());
  EXPECT_EQ(rig.Metric("cepEvents"), 4);
  EXPECT_EQ(rig.Metric("cepMatches"), 1);
  EXPECT_EQ(rig.Metric("cepPartialMatches"), 2);
  EXPECT_EQ(rig.Metric("cepPredicateEvaluations"), 5) << "a for every event, b only where an a waits for it";
  ASSERT_TRUE(rig.Watermark(100).ok());
  EXPECT_EQ(rig.Metric("cepTimeouts"), 2);
  EXPECT_EQ(rig.Metric("cepPartialMatches"), 0);
  EXPECT_EQ(rig.KeyCount(), 0u);
}

}  // namespace
}  // namespace eagre
