// Accumulators and parameters: what functions count comes together over all subtasks, what a job says reaches them all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <eagre/eagre.h>
#include <eagre/testing/function_harness.h>

#include "proto/control.pb.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class Accumulate : public MapFunction<int64_t, int64_t> {
 public:
  Status Open(RuntimeContext& context) override {
    lines_ = &context.AddAccumulator<IntCounter>("lines");
    half_ = &context.AddAccumulator<DoubleCounter>("half");
    least_ = &context.AddAccumulator<IntMinimum>("least");
    greatest_ = &context.AddAccumulator<IntMaximum>("greatest");
    mean_ = &context.AddAccumulator<AverageAccumulator>("mean");
    digits_ = &context.AddAccumulator<HistogramAccumulator>("digits");
    context.AddAccumulator<IntMaximum>("nothing");
    factor_ = std::stoll(context.parameter("factor", "1"));
    return OkStatus();
  }
  int64_t Map(const int64_t& value) override {
    lines_->Add();
    half_->Add(static_cast<double>(value) / 2);
    least_->Add(value);
    greatest_->Add(value);
    mean_->Add(static_cast<double>(value));
    digits_->Add(static_cast<int64_t>(std::to_string(value).size()));
    return value * factor_;
  }

 private:
  IntCounter* lines_ = nullptr;
  DoubleCounter* half_ = nullptr;
  IntMinimum* least_ = nullptr;
  IntMaximum* greatest_ = nullptr;
  AverageAccumulator* mean_ = nullptr;
  HistogramAccumulator* digits_ = nullptr;
  int64_t factor_ = 0;
};

TEST(AccumulatorsTest, AJobsResultHasThoseOfAllSubtasks) {
  LocalJob job;
  job.SetParallelism(3);
  job.SetParameter("factor", "10");
  job.Read(Generate<int64_t>(5000, [](int64_t i) { return i + 1; })).Map(Accumulate()).WriteTo(Blackhole());
  const Status status = job.Execute();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(job.accumulators(), ElementsAre(Pair("digits", "{1: 9, 2: 90, 3: 900, 4: 4001}"),
                                              Pair("greatest", "5000"), Pair("half", "6251250"), Pair("least", "1"),
                                              Pair("lines", "5000"), Pair("mean", "2500.5"), Pair("nothing", "-")));
}

TEST(AccumulatorsTest, ParametersOfTheJobReachItsFunctions) {
  LocalJob job;
  job.SetParameter("factor", "10");
  const auto values = job.Read(FromValues<int64_t>({4})).Map(Accumulate()).ExecuteAndCollect();
  ASSERT_TRUE(values.ok()) << StatusMessage(values.status());
  EXPECT_THAT(*values, ElementsAre(40));
}

// Says what the configuration of the job is.
class Configured : public MapFunction<int64_t, std::string> {
 public:
  Status Open(RuntimeContext& context) override {
    interval_ms_ = context.config().GetDurationMs("pipeline.auto-watermark-interval");
    batches_ = context.config().GetInt("taskmanager.network.queue-batches");
    return OkStatus();
  }
  std::string Map(const int64_t&) override { return fmt::format("{} ms, {} batches", interval_ms_, batches_); }

 private:
  int64_t interval_ms_ = 0;
  int64_t batches_ = 0;
};

TEST(RuntimeContextTest, TheConfigurationOfTheJobReachesItsFunctions) {
  LocalJob job;
  job.SetParallelism(2);
  job.Set("pipeline.auto-watermark-interval", "123 ms");
  const auto texts = job.Read(FromValues<int64_t>({1})).Rebalance().Map(Configured()).ExecuteAndCollect();
  ASSERT_TRUE(texts.ok()) << StatusMessage(texts.status());
  EXPECT_THAT(*texts, ElementsAre("123 ms, 8 batches"));

  auto harness = MapHarness<int64_t>(Configured());
  ASSERT_TRUE(harness.Set("taskmanager.network.queue-batches", "16").ok());
  ASSERT_TRUE(harness.Push(1).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("200 ms, 16 batches"));
}

TEST(AccumulatorsTest, AHarnessShowsThem) {
  auto harness = MapHarness<int64_t>(Accumulate());
  harness.SetParameter("factor", "2");
  ASSERT_TRUE(harness.PushAll({{3}, {4}}).ok());
  EXPECT_THAT(harness.Take(), ElementsAre(6, 8));
  EXPECT_EQ(harness.AccumulatorText("lines"), "2");
  EXPECT_EQ(harness.AccumulatorText("mean"), "3.5");
  EXPECT_EQ(harness.AccumulatorText("no such"), "");
}

TEST(AccumulatorsTest, OneNameOfTwoKindsFailsTheJob) {
  class Twice : public MapFunction<int64_t, int64_t> {
   public:
    Status Open(RuntimeContext& context) override {
      context.AddAccumulator<IntCounter>("lines");
      context.AddAccumulator<DoubleCounter>("lines");
      return OkStatus();
    }
    int64_t Map(const int64_t& value) override { return value; }
  };
  auto harness = MapHarness<int64_t>(Twice());
  EXPECT_THAT(std::string(StatusMessage(harness.Open())), HasSubstr("accumulator 'lines' is there already"));
}

TEST(AccumulatorsTest, AHistogramOfManyValuesStaysBounded) {
  HistogramAccumulator histogram;
  for (int64_t i = 0; i < 3000; ++i) histogram.Add(i % 1500);
  proto::Accumulator value;
  histogram.Fill(value);
  EXPECT_EQ(static_cast<size_t>(value.counts_size()), HistogramAccumulator::kMostValues);
  EXPECT_EQ(value.count(), 2 * (1500 - 1024));
}

TEST(AccumulatorsTest, ExtremesOfNothingDoNotCount) {
  proto::Accumulator nothing;
  IntMinimum().Fill(nothing);
  IntMinimum five;
  five.Add(5);
  proto::Accumulator something;
  five.Fill(something);
  for (const auto& [first, second] : {std::pair(nothing, something), std::pair(something, nothing)}) {
    std::vector<proto::Accumulator> merged;
    MergeAccumulator(first, merged);
    MergeAccumulator(second, merged);
    ASSERT_EQ(merged.size(), 1u);
    EXPECT_EQ(AccumulatorText(merged[0]), "5");
  }
}

}  // namespace
}  // namespace eagre
