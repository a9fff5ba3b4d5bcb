// Whether and when a failed job is tried again: Flink's four strategies with Flink's numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"

namespace eagre {

class Configuration;
class Random;

// The keys restart-strategy.*; the defaults are Flink's. Durations are in milliseconds.
struct RestartStrategyOptions {
  enum class Kind : uint8_t { kNone, kFixedDelay, kFailureRate, kExponentialDelay };
  Kind kind = Kind::kNone;

  int64_t fixed_attempts = 1;
  int64_t fixed_delay_ms = 1'000;

  int64_t max_failures_per_interval = 1;
  int64_t failure_interval_ms = 60'000;
  int64_t failure_rate_delay_ms = 1'000;

  int64_t initial_backoff_ms = 1'000;
  int64_t max_backoff_ms = 60'000;
  double backoff_multiplier = 1.5;
  double jitter_factor = 0.1;
  int64_t reset_backoff_threshold_ms = 3'600'000;
  int64_t attempts_before_reset_backoff = INT64_MAX;

  // Reads the job's effective configuration; a value out of range is INVALID_ARGUMENT naming its key.
  static StatusOr<RestartStrategyOptions> FromConfiguration(const Configuration& config);
  Status Validate() const;
};

// One per job. Lives on the job's executor.
class RestartStrategy {
 public:
  virtual ~RestartStrategy() = default;
  // Called once for every failed attempt. Returns after how many milliseconds to start the next one, or nothing when
  // the job must fail. `now_ms` never goes back.
  virtual std::optional<int64_t> OnFailure(int64_t now_ms) = 0;
  // For users: "fixed-delay, restart 1 of 3".
  virtual std::string Describe() const = 0;
};

// `random` gives the jitter and outlives the strategy. The options are valid.
std::unique_ptr<RestartStrategy> NewRestartStrategy(const RestartStrategyOptions& options, Random& random);

}  // namespace eagre
