// The parts of the financial example: what the generator promises, and each of the engine's checks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "examples/finance/financial_metrics.h"
#include "examples/finance/fraud_detection_engine.h"
#include "examples/finance/transaction_generator.h"

namespace finance {
namespace {

using eagre::Decimal;
using eagre::Timestamp;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kNoonMs = 1'735'732'800'000;  // 2025-01-01 12:00 UTC, a Wednesday

std::vector<FinancialTransaction> GenerateAll(uint64_t seed, int64_t count) {
  std::vector<FinancialTransaction> all;
  GenerateTransactions({.count = count, .seed = seed}, [&](const FinancialTransaction& t) { all.push_back(t); });
  return all;
}

TEST(TransactionGenerator, TheSameSeedGivesTheSameTransactions) {
  const auto a = GenerateAll(3, 5'000);
  const auto b = GenerateAll(3, 5'000);
  ASSERT_EQ(a.size(), 5'000u);
  ASSERT_EQ(b.size(), a.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(eagre::ToJson(a[i]), eagre::ToJson(b[i]));
  EXPECT_NE(eagre::ToJson(GenerateAll(4, 10)[5]), eagre::ToJson(a[5]));
}

TEST(TransactionGenerator, IsNeverMoreThanThirtySecondsOutOfOrder) {
  Timestamp newest = Timestamp::Min();
  size_t frauds = 0;
  for (const FinancialTransaction& t : GenerateAll(5, 50'000)) {
    if (newest != Timestamp::Min()) {
      EXPECT_LT(newest - t.timestamp, 30s) << t.transaction_id;
    }
    newest = std::max(newest, t.timestamp);
    frauds += t.metadata.count("fraud");
  }
  EXPECT_GT(frauds, 20u);
}

// A user who pays 100 once an hour, at home, for two days of noon to evening.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    for (int i = 0; i < 24; ++i) Add(kNoonMs + (i / 6) * 86'400'000 + i % 6 * 3'600'000, 95 + i % 3 * 5);
  }
  FinancialTransaction& Add(int64_t ms, int64_t amount) {
    FinancialTransaction t;
    t.transaction_id = "t" + std::to_string(1000 + transactions_.size());
    t.user_id = "u";
    t.amount = Decimal(amount);
    t.timestamp = Timestamp(ms);
    t.location = {37.5665, 126.9780};
    transactions_.push_back(t);
    return transactions_.back();
  }
  // Assesses all and returns the assessments in order.
  std::vector<RiskAssessment> Assess() {
    eagre::LocalJob job;
    auto assessed = job.Read(eagre::FromValues<FinancialTransaction>(transactions_))
                        .WithWatermarks(eagre::BoundedOutOfOrderness(30s), &FinancialTransaction::timestamp)
                        .KeyBy(&FinancialTransaction::user_id)
                        .Process(FraudDetectionEngine())
                        .ExecuteAndCollect();
    EXPECT_TRUE(assessed.ok()) << eagre::StatusMessage(assessed.status());
    return assessed.ok() ? *assessed : std::vector<RiskAssessment>{};
  }
  static constexpr int64_t kNextDayMs = kNoonMs + 5 * 86'400'000;  // a Monday
  std::vector<FinancialTransaction> transactions_;
};

auto OfType(const std::string& type) {
  return Contains(Field(&RiskFactor::type, type));
}

TEST_F(EngineTest, AnOrdinaryTransactionIsOfLowRisk) {
  Add(kNextDayMs, 100);
  const RiskAssessment last = Assess().back();
  EXPECT_THAT(last.risk_factors, IsEmpty());
  EXPECT_EQ(last.risk_level, RiskLevel::kLow);
  EXPECT_EQ(last.recommendation, "Low risk, normal processing");
}

TEST_F(EngineTest, AnAmountFarFromTheMeanIsCritical) {
  Add(kNextDayMs, 5'000);
  const RiskAssessment last = Assess().back();
  EXPECT_THAT(last.risk_factors, OfType("unusual_amount"));
  EXPECT_EQ(last.risk_level, RiskLevel::kCritical);
}

TEST_F(EngineTest, AFarPlaceIsUnusualAndANearOneIsNot) {
  Add(kNextDayMs, 100).location = {37.4, 127.1};
  Add(kNextDayMs + 3'600'000, 100).location = {-33.87, 151.21};
  const auto all = Assess();
  EXPECT_THAT(all[all.size() - 2].risk_factors, Not(OfType("unusual_location")));
  EXPECT_THAT(all.back().risk_factors, OfType("unusual_location"));
  EXPECT_EQ(all.back().risk_level, RiskLevel::kCritical);
}

TEST_F(EngineTest, ManyWithdrawalsWithinMinutesRaiseTheRiskAndQuietHoursForgetThem) {
  for (int i = 0; i < 12; ++i) Add(kNextDayMs + i * 10'000, 100).transaction_type = TransactionType::kWithdrawal;
  Add(kNextDayMs + 2 * 3'600'000, 100).transaction_type = TransactionType::kWithdrawal;
  const auto all = Assess();
  const RiskAssessment& burst = all[all.size() - 2];
  EXPECT_THAT(burst.risk_factors, OfType("high_velocity"));
  EXPECT_GE(burst.risk_level, RiskLevel::kHigh);
  EXPECT_THAT(all.back().risk_factors, Not(OfType("high_velocity"))) << "two hours later nothing counts any more";
}

TEST_F(EngineTest, TheMiddleOfTheNightAndAFirstWeekendAreNoted) {
  Add(kNextDayMs + 15 * 3'600'000, 100);  // 03:00
  EXPECT_THAT(Assess().back().risk_factors, OfType("late_night_transaction"));
  transactions_.pop_back();
  Add(kNextDayMs + 5 * 86'400'000, 100);  // a Saturday
  Add(kNextDayMs + 6 * 86'400'000, 100);  // the Sunday after it
  const auto all = Assess();
  EXPECT_THAT(all.back().risk_factors, Not(OfType("weekend_unusual_activity"))) << "weekends are usual by now";
}

TEST(Scores, AreTheMeanWeightedByThemselves) {
  EXPECT_EQ(CombineScores({}), 0);
  EXPECT_DOUBLE_EQ(CombineScores({0.7}), 0.7);
  EXPECT_DOUBLE_EQ(CombineScores({1.0, 0.5}), 1.25 / 1.5) << "a weak second sign takes little away";
  EXPECT_EQ(LevelOf(0.29), RiskLevel::kLow);
  EXPECT_EQ(LevelOf(0.3), RiskLevel::kMedium);
  EXPECT_EQ(LevelOf(0.6), RiskLevel::kHigh);
  EXPECT_EQ(LevelOf(0.8), RiskLevel::kCritical);
}

TEST(Distance, FromSeoulToBusan) {
  EXPECT_NEAR(DistanceKm({37.5665, 126.9780}, {35.1796, 129.0756}), 325, 3);
}

TEST(Metrics, AreExactAndSorted) {
  FinancialMetricsAggregateFunction aggregate;
  MetricsAccumulator accumulator = aggregate.CreateAccumulator();
  for (const char* user : {"b", "a", "b"}) {
    aggregate.Add(accumulator, {.user_id = user,
                                .transaction_type = TransactionType::kPayment,
                                .amount = *Decimal::Parse("0.10"),
                                .timestamp = Timestamp(kNoonMs),
                                .risk_level = RiskLevel::kHigh});
  }
  const FinancialMetrics metrics = aggregate.GetResult(accumulator);
  EXPECT_EQ(metrics.total_transactions, 3);
  EXPECT_EQ(metrics.total_amount, *Decimal::Parse("0.30"));
  EXPECT_EQ(metrics.high_risk_transactions, 3);
  EXPECT_THAT(metrics.unique_users, ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(metrics.hourly_distribution.at(12), 3);
}

}  // namespace
}  // namespace finance
