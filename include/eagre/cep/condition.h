// Conditions of a pattern's stages. A lambda does mostly:
//
//   .Where([](const Purchase& p) { return p.amount > 100; })                                     // simple
//   .Where([](const Purchase& p, const IterativeContext<Purchase>& context) {                    // iterative
//     double sum = 0;
//     for (const Purchase& earlier : context.EventsForPattern("small")) sum += earlier.amount;
//     return sum + p.amount > 1000;
//   })
//
// A simple condition sees the event alone and is evaluated at most once per event. An iterative one also sees what the
// partial match has taken so far, and is evaluated for each partial match that it may move: put what the event alone
// decides into a simple condition before it. Conditions are pure; they may be evaluated in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cep/condition.h"

namespace eagre {

/// Events that a partial match took in one stage, oldest first: for (const T& event : range).
template <typename T>
class EventRange {
 public:
  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    Iterator() = default;
    explicit Iterator(const void* const* at) : at_(at) {}
    const T& operator*() const { return *static_cast<const T*>(*at_); }
    const T* operator->() const { return static_cast<const T*>(*at_); }
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return Iterator(at_++); }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const void* const* at_ = nullptr;
  };

  explicit EventRange(const std::vector<const void*>& events) : events_(&events) {}
  size_t size() const { return events_->size(); }
  bool empty() const { return events_->empty(); }
  const T& operator[](size_t i) const { return *static_cast<const T*>((*events_)[i]); }
  const T& front() const { return (*this)[0]; }
  const T& back() const { return (*this)[size() - 1]; }
  Iterator begin() const { return Iterator(events_->data()); }
  Iterator end() const { return Iterator(events_->data() + events_->size()); }

 private:
  const std::vector<const void*>* events_;
};

/// What an iterative condition may ask. Valid during the evaluation only.
template <typename T>
class IterativeContext {
 public:
  explicit IterativeContext(const cep::ConditionContext& context) : context_(&context) {}

  /// What the partial match has taken in the stage before the event under test; empty for a stage that it has not
  /// reached, or that the pattern does not have.
  EventRange<T> EventsForPattern(std::string_view stage) const { return EventRange<T>(context_->EventsOf(stage)); }
  /// Of the event under test, milliseconds since 1970; in processing time that of its arrival.
  int64_t timestamp() const { return context_->timestamp(); }
  int64_t current_processing_time() const { return context_->processing_time(); }

 private:
  const cep::ConditionContext* context_;
};

/// Base classes of conditions with members.
template <typename T>
class SimpleCondition {
 public:
  virtual ~SimpleCondition() = default;
  virtual bool Filter(const T& event) const = 0;
};
template <typename T>
class IterativeCondition {
 public:
  virtual ~IterativeCondition() = default;
  virtual bool Filter(const T& event, const IterativeContext<T>& context) const = 0;
};

namespace internal {

// F as a condition, whatever its form.
template <typename T, typename F>
class FunctionCondition final : public cep::EventCondition {
 public:
  static constexpr bool kIterative = std::is_base_of_v<IterativeCondition<T>, F> ||
                                     std::is_invocable_v<const F&, const T&, const IterativeContext<T>&>;

  explicit FunctionCondition(F function) : function_(std::move(function)) {}
  bool iterative() const override { return kIterative; }
  bool Test(const void* event, const cep::ConditionContext& context) const override {
    const T& typed = *static_cast<const T*>(event);
    if constexpr (std::is_base_of_v<SimpleCondition<T>, F>) {
      return function_.F::Filter(typed);
    } else if constexpr (std::is_base_of_v<IterativeCondition<T>, F>) {
      return function_.F::Filter(typed, IterativeContext<T>(context));
    } else if constexpr (kIterative) {
      return function_(typed, IterativeContext<T>(context));
    } else {
      return function_(typed);
    }
  }

 private:
  F function_;
};

template <typename T, typename F>
cep::FormulaPtr MakeCondition(F function) {
  if constexpr (std::is_convertible_v<F, std::shared_ptr<const cep::EventCondition>>) {
    return cep::ConditionFormula::Of(std::move(function));
  } else {
    return cep::ConditionFormula::Of(std::make_shared<const FunctionCondition<T, F>>(std::move(function)));
  }
}

}  // namespace internal
}  // namespace eagre
