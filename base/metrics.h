// Metrics under Flink's names, in memory that another process can read while this one runs and after it crashed.
//
// A registry lays its metrics out in one arena, on the heap or in a shared segment (a memfd that a TaskManager gives to
// its worker). Entries are appended and never move; one becomes visible when the arena's published end passes it, so a
// writer that dies half way leaves nothing half-written to see. Updating a metric is one relaxed store. Exposing the
// samples, to Prometheus or a page, is the daemons' business.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace eagre {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// The parts of a histogram are gauges that belong together: a value for each quantile (a label), their number and sum
// (with names that end in "_count" and "_sum").
enum class MetricKind : uint8_t { kCounter = 1, kGauge = 2, kSummaryQuantile = 3, kSummaryCount = 4, kSummarySum = 5 };
inline constexpr char kQuantileLabel[] = "quantile";
inline constexpr std::string_view kSummaryCountSuffix = "_count";
inline constexpr std::string_view kSummarySumSuffix = "_sum";

// One metric's value at one moment.
struct MetricSample {
  std::string name;  // e.g. "flink_taskmanager_job_task_numRecordsIn"
  MetricLabels labels;
  std::string help;
  MetricKind kind = MetricKind::kGauge;
  double value = 0;
};

// A sum that only grows. Written by one thread at a time, read by any. Lives as long as its registry.
class Counter {
 public:
  explicit Counter(std::atomic<uint64_t>* cell) : cell_(cell) {}
  void Add(int64_t amount = 1) { Store(value() + amount); }
  // For sums that are counted elsewhere.
  void Store(int64_t value) { cell_->store(static_cast<uint64_t>(value), std::memory_order_relaxed); }
  int64_t value() const { return static_cast<int64_t>(cell_->load(std::memory_order_relaxed)); }

 private:
  std::atomic<uint64_t>* cell_;
};

// A value that goes up and down. Written and read by any thread; the last write counts. Lives as long as its registry.
class Gauge {
 public:
  explicit Gauge(std::atomic<uint64_t>* cell) : cell_(cell) {}
  void Set(double value) { cell_->store(std::bit_cast<uint64_t>(value), std::memory_order_relaxed); }
  double value() const { return std::bit_cast<double>(cell_->load(std::memory_order_relaxed)); }

 private:
  std::atomic<uint64_t>* cell_;
};

// How often something happens: shown as a gauge of events per second, over the last minute or since the meter was made.
// Marked by one thread at a time. Lives as long as its registry.
class Meter {
 public:
  explicit Meter(Gauge& rate) : rate_(&rate) {}
  void Mark(int64_t events = 1) {
    count_.store(count_.load(std::memory_order_relaxed) + events, std::memory_order_relaxed);
  }
  int64_t count() const { return count_.load(std::memory_order_relaxed); }
  double rate() const { return rate_->value(); }

 private:
  friend class MetricRegistry;
  void Update(int64_t now_ns);

  Gauge* rate_;
  std::atomic<int64_t> count_{0};
  std::deque<std::pair<int64_t, int64_t>> history_;  // time and count, the oldest about a minute back
};

// The distribution of the last kWindow values, and number and sum of all values: shown as a Prometheus summary. Updated
// by one thread at a time. Lives as long as its registry.
class Histogram {
 public:
  static constexpr size_t kWindow = 1024;
  static constexpr double kQuantiles[] = {0.0, 0.5, 0.75, 0.95, 0.98, 0.99, 0.999, 1.0};

  Histogram(std::vector<Gauge*> quantiles, Gauge& count, Gauge& sum);
  void Update(double value) {
    const int64_t count = count_.load(std::memory_order_relaxed);
    values_[static_cast<size_t>(count) % kWindow].store(value, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    count_.store(count + 1, std::memory_order_release);
  }
  int64_t count() const { return count_.load(std::memory_order_relaxed); }
  // Of the values in the window; 0 without any. The nearest value from below.
  double Quantile(double quantile) const;

 private:
  friend class MetricRegistry;
  std::vector<double> SortedWindow() const;
  void Show();

  std::vector<Gauge*> quantiles_;
  Gauge* shown_count_;
  Gauge* shown_sum_;
  std::unique_ptr<std::atomic<double>[]> values_;
  std::atomic<int64_t> count_{0};
  std::atomic<double> sum_{0};
};

// Room for the metrics of some thousand subtasks. What is not used costs no memory.
inline constexpr size_t kDefaultMetricBytes = size_t{64} << 20;

// Thread-safe. Metrics are never removed one by one: what ends together (a job, a worker) has a registry of its own.
class MetricRegistry {
 public:
  // In this process's memory.
  explicit MetricRegistry(size_t bytes = kDefaultMetricBytes);
  // In a segment made by CreateMetricSegment, which is emptied. The descriptor may be closed afterwards.
  static StatusOr<std::unique_ptr<MetricRegistry>> InSegment(int fd, size_t bytes);
  ~MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  // As in Flink, characters outside [a-zA-Z0-9:_] become '_' in names and label values. The same name and labels twice
  // give the same metric. When the arena is full the metric works but is not shown, and dropped() counts it.
  Counter& AddCounter(std::string_view name, const MetricLabels& labels, std::string_view help = "");
  Gauge& AddGauge(std::string_view name, const MetricLabels& labels, std::string_view help = "");
  // What these show is brought up to date by UpdateViews.
  Meter& AddMeter(std::string_view name, const MetricLabels& labels, std::string_view help = "");
  Histogram& AddHistogram(std::string_view name, const MetricLabels& labels, std::string_view help = "");
  // What a counter of this registry gains in a second, as a meter shows it.
  void AddRate(const Counter& counter, std::string_view name, const MetricLabels& labels, std::string_view help = "");
  // About once a second, by whoever runs what the registry measures. `now_ns` never goes back.
  void UpdateViews(int64_t now_ns);

  // All metrics in the order of their registration, with eagre_metrics_dropped first when any was dropped.
  std::vector<MetricSample> Collect() const;
  int64_t dropped() const;

 private:
  class Arena;
  explicit MetricRegistry(std::unique_ptr<Arena> arena);
  Gauge& AddGaugeOfKind(MetricKind kind, std::string_view name, const MetricLabels& labels, std::string_view help);
  std::atomic<uint64_t>* CellFor(MetricKind kind, std::string_view name, const MetricLabels& labels,
                                 std::string_view help);

  mutable std::mutex mutex_;
  std::unique_ptr<Arena> arena_;
  std::atomic<uint64_t> hidden_cell_{0};                 // what metrics without a place write to
  std::map<std::string, std::atomic<uint64_t>*> cells_;  // by kind, name and labels
  std::deque<Counter> counters_;                         // deques: what was handed out does not move
  std::deque<Gauge> gauges_;
  std::map<std::string, std::unique_ptr<Meter>> meters_;  // by name and labels
  std::map<Meter*, const Counter*> rates_;                // of meters_, those that follow a counter
  std::map<std::string, std::unique_ptr<Histogram>> histograms_;
};

// A new anonymous segment of exactly `bytes`, which nobody can shrink. The caller owns the descriptor; it is closed on
// exec, so whoever starts a worker passes it on by dup2.
StatusOr<int> CreateMetricSegment(size_t bytes = kDefaultMetricBytes);

// Reads a segment whose writer may be another process, alive, dead or mad: every length is checked against the segment
// and what does not look like a metric ends the reading. Thread-safe.
class MetricSegmentReader {
 public:
  // The descriptor may be closed afterwards.
  static StatusOr<std::unique_ptr<MetricSegmentReader>> Open(int fd, size_t bytes);
  ~MetricSegmentReader();
  MetricSegmentReader(const MetricSegmentReader&) = delete;
  MetricSegmentReader& operator=(const MetricSegmentReader&) = delete;

  // Empty until a registry was made in the segment.
  std::vector<MetricSample> Collect() const;

 private:
  MetricSegmentReader(const std::byte* data, size_t bytes) : data_(data), bytes_(bytes) {}
  const std::byte* data_;
  size_t bytes_;
};

// Name or label value as Flink's Prometheus reporter writes it.
std::string FilterMetricText(std::string_view text);

}  // namespace eagre
