// The part of a pattern's operator that is blind to the types of key, events and results: when a key's matches are
// moved by an event and when by time, its timer, the limits, the metrics.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "cep/key_matches_state.h"
#include "cep/matcher.h"

namespace eagre::cep {

enum class TimeMode : uint8_t { kEventTime, kProcessingTime };

// What a pattern's user may set for its operator; what is not set comes from the configuration.
struct CepSettings {
  TimeMode time_mode = TimeMode::kEventTime;
  bool report_timeouts = false;
  // Every event is a moment of its own. Otherwise time advances once for all events of one time.
  bool each_event_advances = false;
  std::optional<uint64_t> max_partials_per_key;
  std::optional<uint64_t> max_partials;
  std::optional<OverflowPolicy> overflow;
  // For tests: see MatcherOptions.
  std::optional<uint32_t> cells_in_row;
  std::optional<uint32_t> page_shift;
};

// Hears of matches, and first of the time that they are of.
class CepListener : public MatchListener {
 public:
  // The time of the matches that follow: that of the event that completes them, or that to which time has come.
  virtual void SetTime(int64_t timestamp) = 0;
};

// The timers of the current key.
class KeyTimers {
 public:
  virtual ~KeyTimers() = default;
  virtual void Register(int64_t timestamp) = 0;
  virtual void Delete(int64_t timestamp) = 0;
};

// Where metrics come from.
class MetricSource {
 public:
  virtual ~MetricSource() = default;
  virtual Counter& AddCounter(const char* name) = 0;
  virtual Gauge& AddGauge(const char* name) = 0;
};

// One per operator and subtask.
class CepCore {
 public:
  // `pieces` are those of the current key; null: there are none.
  CepCore(std::shared_ptr<const Automaton> automaton, const EventType& type, const CepSettings& settings,
          const Configuration& config, MetricSource& metrics, StatePieces* pieces);

  // An event of the current key; their times do not fall. What it makes over lives on for the other events of its time.
  Status OnEvent(KeyMatchesState& state, const void* event, int64_t timestamp, const ProcessingTime& processing_time,
                 KeyTimers& timers, CepListener& listener);
  // Before another state of the current key is changed, since after that it does not count as restored.
  Status BeforeOtherChange(KeyMatchesState& state);
  // The current key's timer is due at `now`, the watermark or the clock.
  Status OnTime(KeyMatchesState& state, int64_t now, KeyTimers& timers, CepListener& listener);
  // Brings the metrics up to date; after a batch of events or timers.
  void Report();

 private:
  // Of a key whose state is as a checkpoint left it.
  Status CheckRestored(const KeyMatchesState& state) const;
  // The key's matches to be changed.
  KeyMatches& Change(KeyMatchesState& state);
  Status Advance(KeyMatches& matches, int64_t now, CepListener& listener);
  // Keeps the key's one timer at or before the first time at which a partial match of it is over, but after `reached`,
  // the time that it has been advanced to and at which more events may come.
  void UpdateTimer(KeyMatches& matches, int64_t reached, KeyTimers& timers) {
    const bool timed = matcher_.has_deadlines() || matches.timer() != INT64_MAX;
    if (timed && !timers_as_flink_) MoveTimer(matches, reached, timers);
    if (matches.empty()) matches.Clear();
  }
  void MoveTimer(KeyMatches& matches, int64_t reached, KeyTimers& timers);
  // Whether the key has been advanced to `timestamp`, where the timers are Flink's.
  bool ReachedAsFlink(const KeyMatches& matches, int64_t timestamp) const;
  // Registers what Flink does: timers at every event and at the end of the windows that start with it.
  void RegisterAsFlink(KeyMatches& matches, int64_t timestamp, KeyTimers& timers);

  Matcher matcher_;
  const TimeMode time_mode_;
  const bool each_event_advances_;
  const bool exact_timestamps_;
  const bool timers_as_flink_;
  int64_t event_count_ = 0;
  Counter& events_;
  Counter& matches_;
  Counter& timeouts_;
  Counter& dropped_;
  Counter& evaluations_;
  Gauge& partials_;
};

}  // namespace eagre::cep
