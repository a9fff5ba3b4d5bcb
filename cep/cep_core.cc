#include "cep/cep_core.h"

#include <algorithm>
#include <string>
#include <utility>

namespace eagre::cep {
namespace {

constexpr const char kExactTimestamps[] = "cep.exact-timeout-timestamps";
constexpr const char kTimersAsFlink[] = "cep.timers-as-flink";
constexpr const char kMaxPerKey[] = "cep.partial-matches.max-per-key";
constexpr const char kMax[] = "cep.partial-matches.max";
constexpr const char kOverflow[] = "cep.partial-matches.overflow";

OverflowPolicy PolicyOf(std::string_view text) {
  if (text == "drop-oldest") return OverflowPolicy::kDropOldest;
  return text == "drop-newest" ? OverflowPolicy::kDropNewest : OverflowPolicy::kFail;
}

MatcherOptions OptionsOf(const CepSettings& settings, const Configuration& config) {
  const MatcherOptions defaults;
  return {
      .report_timeouts = settings.report_timeouts,
      .max_partials_per_key = settings.max_partials_per_key.value_or(static_cast<uint64_t>(config.GetInt(kMaxPerKey))),
      .max_partials = settings.max_partials.value_or(static_cast<uint64_t>(config.GetInt(kMax))),
      .overflow = settings.overflow.value_or(PolicyOf(config.GetString(kOverflow))),
      .cells_in_row = settings.cells_in_row.value_or(defaults.cells_in_row),
      .page_shift = settings.page_shift.value_or(defaults.page_shift),
  };
}

// Where the timers are Flink's, KeyMatches::timer() holds the time of the key's last event; with INT64_MIN before it
// where a partial match has started since a timer last visited the key, which needs a time after 1970.
bool HasStarted(int64_t mark) {
  return mark < INT64_MIN / 2;
}
int64_t LastTimeOf(int64_t mark) {
  return HasStarted(mark) ? mark - INT64_MIN : mark;
}

}  // namespace

CepCore::CepCore(std::shared_ptr<const Automaton> automaton, const EventType& type, const CepSettings& settings,
                 const Configuration& config, MetricSource& metrics, StatePieces* pieces)
    : matcher_(std::move(automaton), type, OptionsOf(settings, config), pieces),
      time_mode_(settings.time_mode),
      each_event_advances_(settings.each_event_advances),
      exact_timestamps_(config.GetBool(kExactTimestamps)),
      timers_as_flink_(config.GetBool(kTimersAsFlink)),
      events_(metrics.AddCounter("cepEvents")),
      matches_(metrics.AddCounter("cepMatches")),
      timeouts_(metrics.AddCounter("cepTimeouts")),
      dropped_(metrics.AddCounter("cepPartialMatchesDropped")),
      evaluations_(metrics.AddCounter("cepPredicateEvaluations")),
      partials_(metrics.AddGauge("cepPartialMatches")) {}

Status CepCore::OnEvent(KeyMatchesState& state, const void* event, int64_t timestamp,
                        const ProcessingTime& processing_time, KeyTimers& timers, CepListener& listener) {
  ++event_count_;
  if (state.restored()) [[unlikely]]
    EAGRE_RETURN_IF_ERROR(CheckRestored(state));
  const int64_t reached = each_event_advances_ ? INT64_MIN : timestamp;
  const KeyMatches* matches = state.Get();
  if (matches != nullptr && (timestamp >= matches->timer() || timers_as_flink_) &&
      !ReachedAsFlink(*matches, timestamp)) {
    KeyMatches& advanced = Change(state);
    EAGRE_RETURN_IF_ERROR(Advance(advanced, timestamp, listener));
    UpdateTimer(advanced, reached, timers);
    matches = state.Get();
  }
  if (matcher_.Decide(matches, event, timestamp, processing_time)) {
    KeyMatches& changed = Change(state);
    listener.SetTime(timestamp);
    EAGRE_RETURN_IF_ERROR(matcher_.Apply(changed, listener));
    UpdateTimer(changed, reached, timers);
  }
  if (timers_as_flink_) RegisterAsFlink(Change(state), timestamp, timers);
  return OkStatus();
}

Status CepCore::OnTime(KeyMatchesState& state, int64_t now, KeyTimers& timers, CepListener& listener) {
  if (state.restored()) EAGRE_RETURN_IF_ERROR(CheckRestored(state));
  const KeyMatches* matches = state.Get();
  if (matches == nullptr || (matches->timer() > EndOf(now, 1) && !timers_as_flink_)) return OkStatus();
  KeyMatches& advanced = Change(state);
  advanced.set_timer(INT64_MAX);
  EAGRE_RETURN_IF_ERROR(Advance(advanced, now, listener));
  UpdateTimer(advanced, INT64_MIN, timers);
  return OkStatus();
}

Status CepCore::CheckRestored(const KeyMatchesState& state) const {
  const KeyMatches* matches = state.Get();
  return matches == nullptr ? OkStatus() : matcher_.CheckRestored(*matches);
}

KeyMatches& CepCore::Change(KeyMatchesState& state) {
  if (state.restored()) [[unlikely]] {
    if (const KeyMatches* matches = state.Get()) matcher_.CountRestored(*matches);
  }
  return state.Mutable();
}

Status CepCore::BeforeOtherChange(KeyMatchesState& state) {
  if (!state.restored()) return OkStatus();
  EAGRE_RETURN_IF_ERROR(CheckRestored(state));
  Change(state);
  return OkStatus();
}

Status CepCore::Advance(KeyMatches& matches, int64_t now, CepListener& listener) {
  if (exact_timestamps_) {
    for (int64_t deadline = matcher_.NextDeadline(matches); deadline < now; deadline = matcher_.NextDeadline(matches)) {
      listener.SetTime(deadline);
      EAGRE_RETURN_IF_ERROR(matcher_.Advance(matches, deadline, listener));
    }
  }
  listener.SetTime(now);
  return matcher_.Advance(matches, now, listener);
}

// A timer may be due earlier than there is something to do, so that it need not move with every change. What is over at
// once waits for the end of the events of that time: then the timer proper is a millisecond before what
// KeyMatches::timer() says. Should it not be needed any more it stays, and finds nothing to do.
void CepCore::MoveTimer(KeyMatches& matches, int64_t reached, KeyTimers& timers) {
  const int64_t deadline = matcher_.NextDeadline(matches);
  const int64_t timer = matches.timer();
  if (timer <= deadline && timer > reached && deadline != INT64_MAX) return;
  if (timer != INT64_MAX) timers.Delete(timer);
  if (deadline != INT64_MAX) timers.Register(std::max(deadline, reached));
  matches.set_timer(std::max(deadline, EndOf(reached, 1)));
}

bool CepCore::ReachedAsFlink(const KeyMatches& matches, int64_t timestamp) const {
  return timers_as_flink_ && !each_event_advances_ && LastTimeOf(matches.timer()) == timestamp;
}

// The first start since the key was last visited by a timer makes Flink register the end of a window with every event.
void CepCore::RegisterAsFlink(KeyMatches& matches, int64_t timestamp, KeyTimers& timers) {
  const bool processing = time_mode_ == TimeMode::kProcessingTime;
  if (!processing) timers.Register(timestamp);
  const int64_t window_ms = matcher_.automaton().window_ms();
  const bool started = timestamp > 0 && (matcher_.started_partial() || HasStarted(matches.timer()));
  if (window_ms > 0 && started) timers.Register(timestamp + window_ms + (processing ? 1 : 0));
  int64_t mark = timestamp;
  if (started && !processing) mark += INT64_MIN;
  matches.set_timer(each_event_advances_ || matches.empty() ? INT64_MAX : mark);
}

void CepCore::Report() {
  const MatcherMetrics& metrics = matcher_.metrics();
  events_.Store(event_count_);
  matches_.Store(static_cast<int64_t>(metrics.matches));
  timeouts_.Store(static_cast<int64_t>(metrics.timeouts));
  dropped_.Store(static_cast<int64_t>(metrics.dropped));
  evaluations_.Store(static_cast<int64_t>(metrics.evaluations));
  partials_.Set(static_cast<double>(metrics.partials));
}

}  // namespace eagre::cep
