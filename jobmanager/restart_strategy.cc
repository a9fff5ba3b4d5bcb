#include "jobmanager/restart_strategy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "base/check.h"
#include "base/config.h"
#include "base/duration.h"
#include "base/random.h"

namespace eagre {
namespace {

class NoRestart final : public RestartStrategy {
 public:
  std::optional<int64_t> OnFailure(int64_t) override { return std::nullopt; }
  std::string Describe() const override { return "none"; }
};

class FixedDelayRestart final : public RestartStrategy {
 public:
  FixedDelayRestart(int64_t attempts, int64_t delay_ms) : attempts_(attempts), delay_ms_(delay_ms) {}

  std::optional<int64_t> OnFailure(int64_t) override {
    if (restarts_ >= attempts_) return std::nullopt;
    ++restarts_;
    return delay_ms_;
  }
  std::string Describe() const override { return fmt::format("fixed-delay, restart {} of {}", restarts_, attempts_); }

 private:
  const int64_t attempts_;
  const int64_t delay_ms_;
  int64_t restarts_ = 0;
};

// Gives up at the failure that is the (max + 1)-th within the interval.
class FailureRateRestart final : public RestartStrategy {
 public:
  FailureRateRestart(int64_t max_failures, int64_t interval_ms, int64_t delay_ms)
      : max_failures_(static_cast<size_t>(max_failures)), interval_ms_(interval_ms), delay_ms_(delay_ms) {}

  std::optional<int64_t> OnFailure(int64_t now_ms) override {
    failures_ms_.push_back(now_ms);
    if (failures_ms_.size() > max_failures_ + 1) failures_ms_.pop_front();
    if (failures_ms_.size() > max_failures_ && now_ms - failures_ms_.front() <= interval_ms_) return std::nullopt;
    return delay_ms_;
  }
  std::string Describe() const override {
    return fmt::format("failure-rate, at most {} failures in {}", max_failures_, FormatDurationMs(interval_ms_));
  }

 private:
  const size_t max_failures_;
  const int64_t interval_ms_;
  const int64_t delay_ms_;
  std::deque<int64_t> failures_ms_;  // at most max_failures_ + 1, the newest last
};

// The delay grows with every failure, with jitter in both directions, and is never below the initial nor above the
// highest one. It starts anew when a job ran for the threshold after its last restart.
class ExponentialDelayRestart final : public RestartStrategy {
 public:
  ExponentialDelayRestart(const RestartStrategyOptions& options, Random& random) : options_(options), random_(random) {}

  std::optional<int64_t> OnFailure(int64_t now_ms) override {
    // A failure before the restart that the last one led to belongs to that one.
    if (!has_failed_ || now_ms > next_restart_ms_) {
      if (has_failed_ && now_ms - next_restart_ms_ >= options_.reset_backoff_threshold_ms) attempts_ = 0;
      has_failed_ = true;
      next_restart_ms_ = now_ms + Backoff();
      ++attempts_;
    }
    if (attempts_ > options_.attempts_before_reset_backoff) return std::nullopt;
    return next_restart_ms_ - now_ms;
  }
  std::string Describe() const override { return fmt::format("exponential-delay, restart {}", attempts_); }

 private:
  int64_t Backoff() {
    const double exact = static_cast<double>(options_.initial_backoff_ms) *
                         std::pow(options_.backoff_multiplier, static_cast<double>(attempts_));
    // Far above the highest backoff the exact value no longer matters, but must fit.
    const auto backoff_ms = static_cast<int64_t>(std::min(exact, 4.0 * static_cast<double>(options_.max_backoff_ms)));
    const auto spread_ms = static_cast<int64_t>(static_cast<double>(backoff_ms) * options_.jitter_factor);
    const int64_t jitter_ms =
        spread_ms == 0 ? 0 : static_cast<int64_t>(random_.Below(static_cast<uint64_t>(2 * spread_ms + 1))) - spread_ms;
    return std::max(options_.initial_backoff_ms, std::min(backoff_ms + jitter_ms, options_.max_backoff_ms));
  }

  const RestartStrategyOptions options_;
  Random& random_;
  bool has_failed_ = false;
  int64_t attempts_ = 0;
  int64_t next_restart_ms_ = 0;
};

}  // namespace

StatusOr<RestartStrategyOptions> RestartStrategyOptions::FromConfiguration(const Configuration& config) {
  RestartStrategyOptions options;
  constexpr const char* kTypeKey = "restart-strategy.type";
  // As in Flink: what is checkpointed is meant to go on.
  const bool is_default = !config.IsSet(kTypeKey) && config.GetDurationMs("execution.checkpointing.interval") > 0;
  const std::string type = is_default ? "exponential-delay" : config.GetString(kTypeKey);
  options.kind = type == "fixed-delay"         ? Kind::kFixedDelay
                 : type == "failure-rate"      ? Kind::kFailureRate
                 : type == "exponential-delay" ? Kind::kExponentialDelay
                                               : Kind::kNone;
  options.fixed_attempts = config.GetInt("restart-strategy.fixed-delay.attempts");
  options.fixed_delay_ms = config.GetDurationMs("restart-strategy.fixed-delay.delay");
  options.max_failures_per_interval = config.GetInt("restart-strategy.failure-rate.max-failures-per-interval");
  options.failure_interval_ms = config.GetDurationMs("restart-strategy.failure-rate.failure-rate-interval");
  options.failure_rate_delay_ms = config.GetDurationMs("restart-strategy.failure-rate.delay");
  const std::string exponential = "restart-strategy.exponential-delay.";
  options.initial_backoff_ms = config.GetDurationMs(exponential + "initial-backoff");
  options.max_backoff_ms = config.GetDurationMs(exponential + "max-backoff");
  options.backoff_multiplier = config.GetDouble(exponential + "backoff-multiplier");
  options.jitter_factor = config.GetDouble(exponential + "jitter-factor");
  options.reset_backoff_threshold_ms = config.GetDurationMs(exponential + "reset-backoff-threshold");
  options.attempts_before_reset_backoff = config.GetInt(exponential + "attempts-before-reset-backoff");
  EAGRE_RETURN_IF_ERROR(options.Validate());
  return options;
}

Status RestartStrategyOptions::Validate() const {
  switch (kind) {
    case Kind::kNone: return OkStatus();
    case Kind::kFixedDelay:
      if (fixed_attempts < 0) return InvalidArgument("restart-strategy.fixed-delay.attempts is below 0");
      return OkStatus();
    case Kind::kFailureRate:
      if (max_failures_per_interval < 1) {
        return InvalidArgument("restart-strategy.failure-rate.max-failures-per-interval is below 1");
      }
      if (failure_interval_ms < 1) {
        return InvalidArgument("restart-strategy.failure-rate.failure-rate-interval is not above 0");
      }
      return OkStatus();
    case Kind::kExponentialDelay: break;
  }
  const std::string prefix = "restart-strategy.exponential-delay.";
  if (initial_backoff_ms < 1) return InvalidArgument("{}initial-backoff is not above 0", prefix);
  if (max_backoff_ms < initial_backoff_ms) {
    return InvalidArgument("{}max-backoff ({}) is below initial-backoff ({})", prefix, FormatDurationMs(max_backoff_ms),
                           FormatDurationMs(initial_backoff_ms));
  }
  if (!(backoff_multiplier > 1)) return InvalidArgument("{}backoff-multiplier is not above 1", prefix);
  if (!(jitter_factor >= 0 && jitter_factor <= 1)) return InvalidArgument("{}jitter-factor is not from 0 to 1", prefix);
  if (reset_backoff_threshold_ms < 1) return InvalidArgument("{}reset-backoff-threshold is not above 0", prefix);
  if (attempts_before_reset_backoff < 1) {
    return InvalidArgument("{}attempts-before-reset-backoff is below 1", prefix);
  }
  return OkStatus();
}

std::unique_ptr<RestartStrategy> NewRestartStrategy(const RestartStrategyOptions& options, Random& random) {
  EAGRE_CHECK(options.Validate().ok());
  switch (options.kind) {
    case RestartStrategyOptions::Kind::kFixedDelay:
      return std::make_unique<FixedDelayRestart>(options.fixed_attempts, options.fixed_delay_ms);
    case RestartStrategyOptions::Kind::kFailureRate:
      return std::make_unique<FailureRateRestart>(options.max_failures_per_interval, options.failure_interval_ms,
                                                  options.failure_rate_delay_ms);
    case RestartStrategyOptions::Kind::kExponentialDelay:
      return std::make_unique<ExponentialDelayRestart>(options, random);
    case RestartStrategyOptions::Kind::kNone: break;
  }
  return std::make_unique<NoRestart>();
}

}  // namespace eagre
