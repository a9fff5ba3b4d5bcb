// Accumulators: sums, extremes and the like that user functions keep, merged over all subtasks of a job and shown with
// its result.
//
// Each subtask has its own, written by the task's thread without locks; the worker's reports read them. They begin anew
// with every attempt.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace eagre {

namespace proto {
class Accumulator;
}  // namespace proto

// One subtask's part. Written by one thread, Fill by any.
class AccumulatorCell {
 public:
  virtual ~AccumulatorCell() = default;
  // Kind and value; not the name.
  virtual void Fill(proto::Accumulator& to) const = 0;

 protected:
  // One writer: no need for an atomic read-modify-write.
  template <typename T>
  static void Store(std::atomic<T>& cell, T value) {
    cell.store(value, std::memory_order_relaxed);
  }
  template <typename T>
  static T Load(const std::atomic<T>& cell) {
    return cell.load(std::memory_order_relaxed);
  }
};

/// A sum of integers.
class IntCounter final : public AccumulatorCell {
 public:
  void Add(int64_t value = 1) { Store(sum_, Load(sum_) + value); }
  int64_t local_value() const { return Load(sum_); }  ///< of this subtask
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<int64_t> sum_{0};
};

/// A sum of numbers.
class DoubleCounter final : public AccumulatorCell {
 public:
  void Add(double value) { Store(sum_, Load(sum_) + value); }
  double local_value() const { return Load(sum_); }
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<double> sum_{0};
};

/// The least value that was added; none when none was.
class IntMinimum final : public AccumulatorCell {
 public:
  void Add(int64_t value) {
    Store(least_, std::min(Load(least_), value));
    Store(count_, Load(count_) + 1);
  }
  int64_t local_value() const { return Load(least_); }
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<int64_t> least_{std::numeric_limits<int64_t>::max()};
  std::atomic<int64_t> count_{0};
};

/// The greatest value that was added; none when none was.
class IntMaximum final : public AccumulatorCell {
 public:
  void Add(int64_t value) {
    Store(greatest_, std::max(Load(greatest_), value));
    Store(count_, Load(count_) + 1);
  }
  int64_t local_value() const { return Load(greatest_); }
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<int64_t> greatest_{std::numeric_limits<int64_t>::min()};
  std::atomic<int64_t> count_{0};
};

/// The same of numbers.
class DoubleMinimum final : public AccumulatorCell {
 public:
  void Add(double value) {
    Store(least_, std::min(Load(least_), value));
    Store(count_, Load(count_) + 1);
  }
  double local_value() const { return Load(least_); }
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<double> least_{std::numeric_limits<double>::infinity()};
  std::atomic<int64_t> count_{0};
};

class DoubleMaximum final : public AccumulatorCell {
 public:
  void Add(double value) {
    Store(greatest_, std::max(Load(greatest_), value));
    Store(count_, Load(count_) + 1);
  }
  double local_value() const { return Load(greatest_); }
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<double> greatest_{-std::numeric_limits<double>::infinity()};
  std::atomic<int64_t> count_{0};
};

/// The mean of what was added; none when nothing was.
class AverageAccumulator final : public AccumulatorCell {
 public:
  void Add(double value) {
    Store(sum_, Load(sum_) + value);
    Store(count_, Load(count_) + 1);
  }
  double local_value() const { return Load(count_) == 0 ? 0 : Load(sum_) / static_cast<double>(Load(count_)); }
  void Fill(proto::Accumulator& to) const override;

 private:
  std::atomic<double> sum_{0};
  std::atomic<int64_t> count_{0};
};

/// How often each value was added, for few different values: those beyond the first 1024 are counted together.
class HistogramAccumulator final : public AccumulatorCell {
 public:
  static constexpr size_t kMostValues = 1024;

  void Add(int64_t value) {
    std::lock_guard lock(mutex_);
    const auto found = counts_.find(value);
    if (found != counts_.end()) {
      ++found->second;
    } else if (counts_.size() < kMostValues) {
      counts_.emplace(value, 1);
    } else {
      ++others_;
    }
  }
  void Fill(proto::Accumulator& to) const override;

 private:
  mutable std::mutex mutex_;  // with the reports, twice a second
  std::map<int64_t, int64_t> counts_;
  int64_t others_ = 0;
};

// The accumulators of one task. Add from the task's thread, Fill from any.
class AccumulatorSet {
 public:
  static constexpr size_t kMostAccumulators = 1000;

  // The one of this name, made by the first call; lives as long as the set. Throws std::invalid_argument when there is
  // one of another kind, or too many.
  template <typename A>
  A& Add(const std::string& name) {
    std::lock_guard lock(mutex_);
    std::unique_ptr<AccumulatorCell>& place = Place(name);
    if (place == nullptr) place = std::make_unique<A>();
    if (auto* accumulator = dynamic_cast<A*>(place.get())) return *accumulator;
    ThrowOtherKind(name);
  }
  // AccumulatorText of the one of this name; empty when there is none.
  std::string Text(const std::string& name) const;

  void Fill(std::vector<proto::Accumulator>& to) const;

 private:
  std::unique_ptr<AccumulatorCell>& Place(const std::string& name);
  [[noreturn]] static void ThrowOtherKind(const std::string& name);

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<AccumulatorCell>> accumulators_;
};

// Merges one subtask's into the sums of a job; those of one name but another kind stand beside each other.
void MergeAccumulator(const proto::Accumulator& from, std::vector<proto::Accumulator>& to);

// The value for people and as text of a result: "1204", "0.25", "-" when nothing was added, "{1: 17, 5: 3}".
std::string AccumulatorText(const proto::Accumulator& accumulator);

}  // namespace eagre
