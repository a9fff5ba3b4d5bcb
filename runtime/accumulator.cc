#include "runtime/accumulator.h"

#include <fmt/format.h>

#include <stdexcept>

#include "proto/control.pb.h"

namespace eagre {
namespace {

void MergeValue(const proto::Accumulator& from, proto::Accumulator& to) {
  // An extreme of nothing is none, whatever its cell holds.
  const bool only = to.count() == 0;
  const bool none = from.count() == 0;
  switch (to.kind()) {
    case proto::Accumulator::INT_SUM: to.set_int_value(to.int_value() + from.int_value()); break;
    case proto::Accumulator::DOUBLE_SUM:
    case proto::Accumulator::AVERAGE: to.set_double_value(to.double_value() + from.double_value()); break;
    case proto::Accumulator::INT_MINIMUM:
      if (!none) to.set_int_value(only ? from.int_value() : std::min(to.int_value(), from.int_value()));
      break;
    case proto::Accumulator::INT_MAXIMUM:
      if (!none) to.set_int_value(only ? from.int_value() : std::max(to.int_value(), from.int_value()));
      break;
    case proto::Accumulator::DOUBLE_MINIMUM:
      if (!none) to.set_double_value(only ? from.double_value() : std::min(to.double_value(), from.double_value()));
      break;
    case proto::Accumulator::DOUBLE_MAXIMUM:
      if (!none) to.set_double_value(only ? from.double_value() : std::max(to.double_value(), from.double_value()));
      break;
    case proto::Accumulator::HISTOGRAM:
      for (const auto& [value, count] : from.counts()) (*to.mutable_counts())[value] += count;
      break;
    default: break;
  }
  to.set_count(to.count() + from.count());
}

std::string HistogramText(const proto::Accumulator& accumulator) {
  const std::map<int64_t, int64_t> counts(accumulator.counts().begin(), accumulator.counts().end());
  std::string text;
  for (const auto& [value, count] : counts) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", value, count);
  if (accumulator.count() > 0) text += fmt::format("{}others: {}", text.empty() ? "" : ", ", accumulator.count());
  return "{" + text + "}";
}

}  // namespace

void IntCounter::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::INT_SUM);
  to.set_int_value(Load(sum_));
}

void DoubleCounter::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::DOUBLE_SUM);
  to.set_double_value(Load(sum_));
}

void IntMinimum::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::INT_MINIMUM);
  to.set_int_value(Load(least_));
  to.set_count(Load(count_));
}

void IntMaximum::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::INT_MAXIMUM);
  to.set_int_value(Load(greatest_));
  to.set_count(Load(count_));
}

void DoubleMinimum::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::DOUBLE_MINIMUM);
  to.set_double_value(Load(least_));
  to.set_count(Load(count_));
}

void DoubleMaximum::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::DOUBLE_MAXIMUM);
  to.set_double_value(Load(greatest_));
  to.set_count(Load(count_));
}

void AverageAccumulator::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::AVERAGE);
  to.set_double_value(Load(sum_));
  to.set_count(Load(count_));
}

void HistogramAccumulator::Fill(proto::Accumulator& to) const {
  to.set_kind(proto::Accumulator::HISTOGRAM);
  std::lock_guard lock(mutex_);
  for (const auto& [value, count] : counts_) (*to.mutable_counts())[value] = count;
  to.set_count(others_);
}

std::string AccumulatorSet::Text(const std::string& name) const {
  std::lock_guard lock(mutex_);
  const auto found = accumulators_.find(name);
  if (found == accumulators_.end()) return "";
  proto::Accumulator value;
  found->second->Fill(value);
  return AccumulatorText(value);
}

void AccumulatorSet::Fill(std::vector<proto::Accumulator>& to) const {
  std::lock_guard lock(mutex_);
  for (const auto& [name, accumulator] : accumulators_) {
    proto::Accumulator& value = to.emplace_back();
    value.set_name(name);
    accumulator->Fill(value);
  }
}

std::unique_ptr<AccumulatorCell>& AccumulatorSet::Place(const std::string& name) {
  if (!accumulators_.contains(name) && accumulators_.size() == kMostAccumulators) {
    throw std::invalid_argument(
        fmt::format("accumulator '{}' is one too many: a task may have {}", name, kMostAccumulators));
  }
  return accumulators_[name];
}

void AccumulatorSet::ThrowOtherKind(const std::string& name) {
  throw std::invalid_argument(fmt::format("accumulator '{}' is there already and of another kind", name));
}

void MergeAccumulator(const proto::Accumulator& from, std::vector<proto::Accumulator>& to) {
  for (proto::Accumulator& sum : to) {
    if (sum.name() == from.name() && sum.kind() == from.kind()) return MergeValue(from, sum);
  }
  to.push_back(from);
}

std::string AccumulatorText(const proto::Accumulator& accumulator) {
  switch (accumulator.kind()) {
    case proto::Accumulator::INT_SUM: return fmt::format("{}", accumulator.int_value());
    case proto::Accumulator::DOUBLE_SUM: return fmt::format("{}", accumulator.double_value());
    case proto::Accumulator::INT_MINIMUM:
    case proto::Accumulator::INT_MAXIMUM:
      return accumulator.count() == 0 ? "-" : fmt::format("{}", accumulator.int_value());
    case proto::Accumulator::DOUBLE_MINIMUM:
    case proto::Accumulator::DOUBLE_MAXIMUM:
      return accumulator.count() == 0 ? "-" : fmt::format("{}", accumulator.double_value());
    case proto::Accumulator::AVERAGE:
      return accumulator.count() == 0
                 ? "-"
                 : fmt::format("{}", accumulator.double_value() / static_cast<double>(accumulator.count()));
    case proto::Accumulator::HISTOGRAM: return HistogramText(accumulator);
    default: return "?";
  }
}

}  // namespace eagre
