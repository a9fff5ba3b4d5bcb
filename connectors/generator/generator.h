// Sources that make their records: by a function of an index, from a list, from memory. Deterministic: which records
// there are depends on the index alone, whatever the parallelism.
//
//   job.Read(Generate<Payment>(1'000'000, [](int64_t i) { return Payment{...}; }))
//   job.Read(Generate<Payment>(1'000'000, [](int64_t i, Payment& p) { p.user = ...; }))   // fills in place, keeps
//   memory job.Read(Generate<Tick>([](const Due& due) { return Tick{due.ns}; }).RatePerSecond(100'000))   // without
//   end job.Read(FromValues<std::string>({"a", "b"}))
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "connectors/generator/index_range.h"
#include "eagre/source.h"

namespace eagre {

/// Which record is to be made, and for when: record i of n a second is due i / n seconds after the start, whether or
/// not it was made in time. Latency is counted from there.
struct Due {
  int64_t index = 0;
  int64_t ns = 0;  ///< since 1970; 0 without a rate
};

namespace internal {

// Calls a generator function of any of its four forms.
template <typename T, typename F>
void CallGenerator(F& function, const Due& due, T& record) {
  if constexpr (std::is_invocable_v<F&, int64_t, T&>) {
    std::invoke(function, due.index, record);
  } else if constexpr (std::is_invocable_v<F&, const Due&, T&>) {
    std::invoke(function, due, record);
  } else if constexpr (std::is_invocable_r_v<T, F&, int64_t>) {
    record = std::invoke(function, due.index);
  } else {
    static_assert(std::is_invocable_r_v<T, F&, const Due&>,
                  "Generate takes T(int64_t), T(const Due&), void(int64_t, T&) or void(const Due&, T&)");
    record = std::invoke(function, due);
  }
}

}  // namespace internal

template <typename T, typename F>
class GeneratorReader final : public SourceReader<T> {
 public:
  GeneratorReader(const GeneratorOptions& options, F function)
      : range_(options), rated_(options.rate_per_second > 0), function_(std::move(function)) {}

  Status Start(SourceReaderContext& context) override { return range_.Start(context); }
  Status AddSplits(std::vector<SourceSplit> splits) override { return range_.AddSplits(splits); }
  Status NoMoreSplits() override {
    range_.NoMoreSplits();
    return OkStatus();
  }
  void PauseSplits(const std::vector<std::string>& split_ids) override { range_.Pause(split_ids); }
  void ResumeSplits(const std::vector<std::string>& split_ids) override { range_.Resume(split_ids); }
  std::vector<SourceSplit> Snapshot() const override { return range_.Snapshot(); }
  int64_t NextReadMs() const override { return range_.NextReadMs(); }
  std::string RecordPosition() const override { return "index " + std::to_string(last_); }

  StatusOr<ReadResult> Read(SplitOutput<T>& out) override {
    // A batch has records of one split.
    for (bool begun = false; !out.full() && (!begun || range_.only_split()); begun = true) {
      const IndexRangeReader::Run run = range_.Next(static_cast<int64_t>(out.room()));
      if (run.result != ReadResult::kMore) return run.result;
      if (!begun) out.BeginSplit(range_.split_id());
      if (rated_) {
        MakeRated(run, out);
      } else {
        T* const records = out.NextRun(static_cast<size_t>(run.count));
        for (int64_t i = 0; i < run.count; ++i) {
          internal::CallGenerator<T>(function_, {.index = run.first + i}, records[i]);
        }
      }
      last_ = run.first + run.count - 1;
      if (!range_.Advance(run.count)) continue;
      out.FinishSplit();
      break;
    }
    return ReadResult::kMore;
  }

 private:
  void MakeRated(const IndexRangeReader::Run& run, SplitOutput<T>& out) {
    constexpr int64_t kNsPerMs = 1'000'000;
    for (int64_t index = run.first; index < run.first + run.count; ++index) {
      const Due due{.index = index, .ns = range_.DueAtNs(index)};
      internal::CallGenerator<T>(function_, due, out.Next(due.ns / kNsPerMs));
    }
  }

  IndexRangeReader range_;
  const bool rated_;
  int64_t last_ = 0;  // index that was made last
  F function_;
};

/// Made by Generate, FromValues and FromMemory.
template <typename T, typename F>
class Generator final : public Source<T> {
 public:
  Generator(std::string name, GeneratorOptions options, F function)
      : name_(std::move(name)), options_(options), function_(std::move(function)) {}

  /// So many records a second in all, on a schedule that starts when the source does; a record's timestamp is then the
  /// time at which it is due. A source that was held up makes up for it.
  Generator RatePerSecond(double rate) && {
    options_.rate_per_second = rate;
    return std::move(*this);
  }

  std::string Name() const override { return name_; }
  Boundedness boundedness() const override {
    return options_.count == GeneratorOptions::kUnbounded ? Boundedness::kContinuousUnbounded : Boundedness::kBounded;
  }
  StatusOr<std::unique_ptr<SplitEnumerator>> CreateEnumerator() const override {
    return std::make_unique<IndexRangeEnumerator>(options_);
  }
  StatusOr<std::unique_ptr<SourceReader<T>>> CreateReader() const override {
    return std::make_unique<GeneratorReader<T, F>>(options_, function_);
  }

 private:
  std::string name_;
  GeneratorOptions options_;
  F function_;
};

/// The records function(0) to function(count - 1). Each subtask calls a copy of the function.
template <typename T, typename F>
Generator<T, F> Generate(int64_t count, F function) {
  return Generator<T, F>("Generator", {.count = count}, std::move(function));
}
/// Without end.
template <typename T, typename F>
requires(!std::is_integral_v<F>) Generator<T, F> Generate(F function) {
  return Generator<T, F>("Generator", {}, std::move(function));
}

/// Copies of the records of a vector, which stays as it is while the job runs.
template <typename T>
auto FromMemory(std::shared_ptr<const std::vector<T>> records) {
  const auto count = static_cast<int64_t>(records->size());
  auto copy = [records = std::move(records), data = static_cast<const T*>(nullptr)](int64_t index, T& record) mutable {
    if (data == nullptr) data = records->data();
    record = data[index];
  };
  return Generator<T, decltype(copy)>("Memory", {.count = count}, std::move(copy));
}

/// The values in their order, when read by one subtask.
template <typename T>
auto FromValues(std::vector<T> values) {
  return FromMemory<T>(std::make_shared<const std::vector<T>>(std::move(values)));
}

}  // namespace eagre
