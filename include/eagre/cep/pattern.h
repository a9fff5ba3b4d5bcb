// What to look for in a stream: stages that follow one another. Names and meanings are those of Flink's Pattern;
// docs/cep.md shows with pictures what each matches.
//
//   auto pattern = Pattern<Event>::Begin("login").Where([](const Event& e) { return e.kind == Kind::kLogin; })
//                      .FollowedBy("purchase").Where([](const Event& e) { return e.kind == Kind::kPurchase; })
//                      .Within(10min);
//
// A pattern is a value. A call that breaks a rule is noted: status() names the stage and the rule, and a job that uses
// the pattern is refused with it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "cep/pattern_description.h"
#include "eagre/cep/condition.h"

namespace eagre {

using cep::WithinType;

/// Tells whether an event is of a more special kind, for Subtype<S>(): specialise it, or derive S from T.
template <typename T, typename S>
struct SubtypeTraits {
  static_assert(std::is_base_of_v<T, S> && std::is_polymorphic_v<T>,
                "Subtype<S>(): S must derive from the event type, or SubtypeTraits<T, S> be specialised with "
                "static bool Is(const T&)");
  static bool Is(const T& event) { return dynamic_cast<const S*>(&event) != nullptr; }
};

template <typename T>
class Pattern {
 public:
  using Event = T;
  using Duration = std::chrono::milliseconds;

  // ---- the first stage ----
  static Pattern Begin(std::string stage, AfterMatchSkipStrategy skip = AfterMatchSkipStrategy::NoSkip()) {
    Pattern pattern(std::move(skip));
    pattern.description_.Add(cep::Contiguity::kStrict, std::move(stage));
    return pattern;
  }
  /// A group: a pattern as one stage, for quantifiers over several stages. Its skip strategy does not count.
  static Pattern Begin(const Pattern& group, AfterMatchSkipStrategy skip = AfterMatchSkipStrategy::NoSkip()) {
    Pattern pattern(std::move(skip));
    pattern.description_.AddGroup(cep::Contiguity::kStrict, group.description_);
    return pattern;
  }

  // ---- further stages; what follows is about the stage added last ----
  /// The very next event.
  Pattern& Next(std::string stage) { return Add(cep::Contiguity::kStrict, std::move(stage)); }
  Pattern& Next(const Pattern& group) { return Add(cep::Contiguity::kStrict, group); }
  /// The next event that fulfils the condition.
  Pattern& FollowedBy(std::string stage) { return Add(cep::Contiguity::kRelaxed, std::move(stage)); }
  Pattern& FollowedBy(const Pattern& group) { return Add(cep::Contiguity::kRelaxed, group); }
  /// Every later event that fulfils the condition, each a match of its own.
  Pattern& FollowedByAny(std::string stage) { return Add(cep::Contiguity::kNonDeterministic, std::move(stage)); }
  Pattern& FollowedByAny(const Pattern& group) { return Add(cep::Contiguity::kNonDeterministic, group); }
  /// The very next event must not fulfil the condition.
  Pattern& NotNext(std::string stage) { return Add(cep::Contiguity::kNotNext, std::move(stage)); }
  /// No event fulfils the condition before the next stage does; at the end of a pattern: within its window.
  Pattern& NotFollowedBy(std::string stage) { return Add(cep::Contiguity::kNotFollowedBy, std::move(stage)); }

  // ---- conditions: bool(const T&), bool(const T&, const IterativeContext<T>&), SimpleCondition, IterativeCondition
  // ----
  /// Further calls add conditions that must hold as well.
  template <typename F>
  Pattern& Where(F condition) {
    return description_.Where(internal::MakeCondition<T>(std::move(condition))), *this;
  }
  /// Holds when what was said before holds, or this.
  template <typename F>
  Pattern& Or(F condition) {
    return description_.Or(internal::MakeCondition<T>(std::move(condition))), *this;
  }
  /// Events of kind S only.
  template <typename S>
  Pattern& Subtype() {
    return Where([](const T& event) { return SubtypeTraits<T, S>::Is(event); });
  }
  /// Ends a loop at the event that fulfils the condition, which is not taken.
  template <typename F>
  Pattern& Until(F condition) {
    return description_.Until(internal::MakeCondition<T>(std::move(condition))), *this;
  }

  // ---- quantifiers; `gap`: the most time between one repetition and the next ----
  Pattern& OneOrMore(std::optional<Duration> gap = {}) { return description_.OneOrMore(Ms(gap)), *this; }
  Pattern& Times(int times, std::optional<Duration> gap = {}) { return description_.Times(times, Ms(gap)), *this; }
  Pattern& Times(int from, int to, std::optional<Duration> gap = {}) {
    return description_.Times(from, to, Ms(gap)), *this;
  }
  Pattern& TimesOrMore(int times, std::optional<Duration> gap = {}) {
    return description_.TimesOrMore(times, Ms(gap)), *this;
  }
  /// The stage may be left out. Belongs behind the quantifier, which forgets an Optional() before it.
  Pattern& Optional() { return description_.Optional(), *this; }
  /// As many repetitions as can be; matters only if another stage follows.
  Pattern& Greedy() { return description_.Greedy(), *this; }
  /// No other event between the repetitions.
  Pattern& Consecutive() { return description_.Consecutive(), *this; }
  /// Any choice of the events that fulfil the condition.
  Pattern& AllowCombinations() { return description_.AllowCombinations(), *this; }

  // ---- time ----
  /// An event exactly `window` after the first (or previous) one is too late.
  Pattern& Within(Duration window, WithinType type = WithinType::kFirstAndLast) {
    return description_.Within(window.count(), type), *this;
  }

  const Status& status() const { return description_.status(); }
  const cep::PatternDescription& description() const { return description_; }

 private:
  explicit Pattern(AfterMatchSkipStrategy skip) : description_(std::move(skip)) {}
  Pattern& Add(cep::Contiguity contiguity, std::string stage) {
    return description_.Add(contiguity, std::move(stage)), *this;
  }
  Pattern& Add(cep::Contiguity contiguity, const Pattern& group) {
    return description_.AddGroup(contiguity, group.description_), *this;
  }
  static std::optional<int64_t> Ms(const std::optional<Duration>& duration) {
    return duration ? std::optional<int64_t>(duration->count()) : std::nullopt;
  }

  cep::PatternDescription description_;
};

}  // namespace eagre
