// The strategies against the numbers of Flink's own.
#include "jobmanager/restart_strategy.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/config.h"
#include "base/random.h"

namespace eagre {
namespace {

using Kind = RestartStrategyOptions::Kind;

class RestartStrategyTest : public ::testing::Test {
 protected:
  std::unique_ptr<RestartStrategy> New() { return NewRestartStrategy(options_, random_); }

  RestartStrategyOptions options_;
  SeededRandom random_{1};
};

TEST_F(RestartStrategyTest, NoneNeverRestarts) {
  EXPECT_EQ(New()->OnFailure(0), std::nullopt);
}

TEST_F(RestartStrategyTest, FixedDelayRestartsAsOftenAsItSays) {
  options_.kind = Kind::kFixedDelay;
  options_.fixed_attempts = 3;
  options_.fixed_delay_ms = 250;
  const auto strategy = New();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(strategy->OnFailure(i), 250);
  EXPECT_EQ(strategy->OnFailure(3), std::nullopt);
}

TEST_F(RestartStrategyTest, FailureRateGivesUpAtOneMoreThanTheRate) {
  options_.kind = Kind::kFailureRate;
  options_.max_failures_per_interval = 3;
  options_.failure_interval_ms = 1'000;
  options_.failure_rate_delay_ms = 7;
  const auto strategy = New();
  EXPECT_EQ(strategy->OnFailure(0), 7);
  EXPECT_EQ(strategy->OnFailure(100), 7);
  EXPECT_EQ(strategy->OnFailure(200), 7);
  EXPECT_EQ(strategy->OnFailure(1'001), 7) << "the first one is out of the interval";
  EXPECT_EQ(strategy->OnFailure(1'100), std::nullopt) << "the fourth in exactly one interval";
}

TEST_F(RestartStrategyTest, ExponentialDelayGrowsToItsMaximum) {
  options_.kind = Kind::kExponentialDelay;
  options_.initial_backoff_ms = 1;
  options_.backoff_multiplier = 2;
  options_.max_backoff_ms = 8;
  options_.jitter_factor = 0;
  options_.reset_backoff_threshold_ms = 1'000;
  const auto strategy = New();
  int64_t now = 0;
  for (int64_t expected : {1, 2, 4, 8, 8, 8}) {
    const auto delay = strategy->OnFailure(now);
    ASSERT_EQ(delay, expected);
    now += *delay + 1;
  }
}

TEST_F(RestartStrategyTest, ExponentialDelayStartsAnewAfterAGoodWhile) {
  options_.kind = Kind::kExponentialDelay;
  options_.initial_backoff_ms = 5;
  options_.backoff_multiplier = 2;
  options_.max_backoff_ms = 300;
  options_.jitter_factor = 0;
  options_.reset_backoff_threshold_ms = 8'000;
  const auto strategy = New();
  EXPECT_EQ(strategy->OnFailure(0), 5);
  EXPECT_EQ(strategy->OnFailure(5 + 7'999), 10) << "the threshold counts from the restart";
  EXPECT_EQ(strategy->OnFailure(5 + 7'999 + 10 + 8'000), 5);
}

TEST_F(RestartStrategyTest, ExponentialDelayTakesFailuresBeforeTheRestartForOne) {
  options_.kind = Kind::kExponentialDelay;
  options_.initial_backoff_ms = 100;
  options_.jitter_factor = 0;
  const auto strategy = New();
  EXPECT_EQ(strategy->OnFailure(1'000), 100);
  EXPECT_EQ(strategy->OnFailure(1'040), 60);
  EXPECT_EQ(strategy->OnFailure(1'101), 150);
}

TEST_F(RestartStrategyTest, ExponentialDelayGivesUpAfterItsAttempts) {
  options_.kind = Kind::kExponentialDelay;
  options_.jitter_factor = 0;
  options_.attempts_before_reset_backoff = 2;
  const auto strategy = New();
  EXPECT_TRUE(strategy->OnFailure(0).has_value());
  EXPECT_TRUE(strategy->OnFailure(2'000).has_value());
  EXPECT_EQ(strategy->OnFailure(10'000), std::nullopt);
}

TEST_F(RestartStrategyTest, JitterStaysInItsBounds) {
  options_.kind = Kind::kExponentialDelay;
  options_.initial_backoff_ms = 1'000;
  options_.backoff_multiplier = 2;
  options_.jitter_factor = 0.1;
  for (int round = 0; round < 200; ++round) {
    const auto strategy = New();
    const int64_t first = *strategy->OnFailure(0);
    EXPECT_GE(first, 1'000) << "never below the initial backoff";
    EXPECT_LE(first, 1'100);
    const int64_t second = *strategy->OnFailure(first + 1);
    EXPECT_GE(second, 1'800);
    EXPECT_LE(second, 2'200);
  }
}

TEST_F(RestartStrategyTest, ExponentialDelaySurvivesAnyNumberOfFailures) {
  options_.kind = Kind::kExponentialDelay;
  const auto strategy = New();
  int64_t now = 0;
  for (int i = 0; i < 5'000; ++i) {
    const auto delay = strategy->OnFailure(now);
    ASSERT_TRUE(delay.has_value());
    ASSERT_GE(*delay, 1'000);
    ASSERT_LE(*delay, 60'000);
    now += *delay + 1;
  }
}

TEST_F(RestartStrategyTest, DefaultsAreFlinks) {
  Configuration config;
  const auto options = RestartStrategyOptions::FromConfiguration(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->kind, Kind::kNone);
  EXPECT_EQ(options->fixed_attempts, 1);
  EXPECT_EQ(options->fixed_delay_ms, 1'000);
  EXPECT_EQ(options->failure_interval_ms, 60'000);
  EXPECT_EQ(options->max_backoff_ms, 60'000);
  EXPECT_EQ(options->backoff_multiplier, 1.5);
  EXPECT_EQ(options->reset_backoff_threshold_ms, 3'600'000);
  EXPECT_EQ(options->attempts_before_reset_backoff, INT64_MAX);
}

TEST_F(RestartStrategyTest, ContradictionsAreNamed) {
  Configuration config;
  ASSERT_TRUE(config.SetProperty("restart-strategy.type=exponential-delay").ok());
  ASSERT_TRUE(config.SetProperty("restart-strategy.exponential-delay.max-backoff=1 ms").ok());
  const auto options = RestartStrategyOptions::FromConfiguration(config);
  EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(StatusMessage(options.status()).find("max-backoff (1 ms) is below initial-backoff (1 s)"),
            std::string_view::npos);
}

}  // namespace
}  // namespace eagre
