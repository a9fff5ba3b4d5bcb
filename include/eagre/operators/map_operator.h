// Map, Filter and FlatMap: the user's function inlined into one loop per batch.
//
// Where input and output are of one type, records are changed in the batch that they came in, and the batch is passed
// on.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "eagre/functions.h"
#include "eagre/operators/function_operator.h"

namespace eagre {

template <typename In, typename Out, typename F>
class MapOperator final : public FunctionOperator<F> {
 public:
  using FunctionOperator<F>::FunctionOperator;

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    auto& in = static_cast<TypedBatch<In>&>(*batch);
    In* records = in.records();
    const size_t size = in.size();
    if constexpr (std::is_same_v<In, Out>) {
      if (position == 0 && this->output_->adoptable()) {
        for (size_t i = 0; i < size; ++i) Apply(records[i], records[i]);
        in.set_keyed(false);
        this->output_->Adopt(batch);
        return OkStatus();
      }
    }
    auto& out = static_cast<TypedBatch<Out>&>(this->output_->batch());
    const int64_t* timestamps = in.timestamps();
    for (; position < size && !this->output_->full(); ++position) {
      Apply(records[position], out.Append(timestamps[position]));
    }
    return OkStatus();
  }

 private:
  void Apply(In& from, Out& to) {
    if constexpr (internal::kMapsInPlace<F, In>) {
      internal::CallMap(this->function_, from);
      if (&from != &to) to = std::move(from);
    } else {
      to = internal::CallMap(this->function_, from);
    }
  }
};

template <typename T, typename F>
class FilterOperator final : public FunctionOperator<F> {
 public:
  using FunctionOperator<F>::FunctionOperator;

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    auto& in = static_cast<TypedBatch<T>&>(*batch);
    T* records = in.records();
    int64_t* timestamps = in.timestamps();
    const size_t size = in.size();
    if (position == 0 && this->output_->adoptable()) {
      in.Truncate(Compact(records, timestamps, size));
      in.set_keyed(false);
      this->output_->Adopt(batch);
      return OkStatus();
    }
    auto& out = static_cast<TypedBatch<T>&>(this->output_->batch());
    for (; position < size && !this->output_->full(); ++position) {
      if (internal::CallFilter(this->function_, records[position])) {
        out.Append(timestamps[position]) = std::move(records[position]);
      }
    }
    return OkStatus();
  }

 private:
  // Small plain records are moved without asking whether they are kept: a branch that follows the data costs more.
  static constexpr bool kBranchFree = std::is_trivially_copyable_v<T> && sizeof(T) <= 64;

  // Moves the records that are kept to the front, in order; returns how many.
  size_t Compact(T* records, int64_t* timestamps, size_t size) {
    size_t kept = 0;
    while (kept < size && internal::CallFilter(this->function_, std::as_const(records[kept]))) ++kept;
    for (size_t i = kept + 1; i < size; ++i) {
      const bool keep = internal::CallFilter(this->function_, std::as_const(records[i]));
      if constexpr (kBranchFree) {
        records[kept] = records[i];
        timestamps[kept] = timestamps[i];
        kept += keep ? 1 : 0;
      } else if (keep) {
        // Swapped, not moved: what the dropped record owns is refilled later.
        std::swap(records[kept], records[i]);
        timestamps[kept++] = timestamps[i];
      }
    }
    return kept;
  }
};

template <typename In, typename Out, typename F>
class FlatMapOperator final : public FunctionOperator<F> {
 public:
  using FunctionOperator<F>::FunctionOperator;

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    const auto& in = static_cast<const TypedBatch<In>&>(*batch);
    const In* records = in.records();
    const size_t size = in.size();
    Collector<Out> out(*this->output_);
    while (position < size && !this->output_->full()) {
      const size_t i = position++;
      out.set_timestamp(in.timestamps()[i]);
      if constexpr (requires { this->function_.FlatMap(records[i], out); }) {
        this->function_.F::FlatMap(records[i], out);
      } else {
        this->function_(records[i], out);
      }
    }
    return OkStatus();
  }
};

template <typename In, typename Out, typename F>
std::unique_ptr<Operator> MakeMapOperator(F function) {
  return std::make_unique<MapOperator<In, Out, F>>(std::move(function));
}
template <typename T, typename F>
std::unique_ptr<Operator> MakeFilterOperator(F predicate) {
  return std::make_unique<FilterOperator<T, F>>(std::move(predicate));
}
template <typename In, typename Out, typename F>
std::unique_ptr<Operator> MakeFlatMapOperator(F function) {
  return std::make_unique<FlatMapOperator<In, Out, F>>(std::move(function));
}

}  // namespace eagre
