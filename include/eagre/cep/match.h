// What a pattern found: the events by stage.
#pragma once

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cep/matching.h"
#include "record/codec.h"
#include "state/state_declaration.h"

namespace eagre {

/// A match, or a partial one: for each stage the events that it took, oldest first. Valid during the call that it is
/// handed to.
template <typename T>
class Match {
 public:
  /// Empty for a stage that took none, and for one that the pattern does not have.
  std::span<const T> operator[](std::string_view stage) const {
    const size_t i = IndexOf(stage);
    return i == names_->size() ? std::span<const T>() : std::span<const T>(events_[i].data(), counts_[i]);
  }
  bool Contains(std::string_view stage) const { return !(*this)[stage].empty(); }
  /// The first (last) event of a stage; fails the job when it has none.
  const T& First(std::string_view stage) const { return NotEmpty(stage).front(); }
  const T& Last(std::string_view stage) const { return NotEmpty(stage).back(); }
  /// The stages that took events, in the order of their first ones.
  const std::vector<std::string_view>& stages() const { return stages_; }
  /// All events in the order in which they came.
  const std::vector<const T*>& events() const { return in_order_; }

  // ---- for the operator ----
  /// `names`: of all stages; outlives the match.
  explicit Match(const std::vector<std::string>& names)
      : names_(&names), events_(names.size()), counts_(names.size()) {}
  /// Objects are used again, so that strings keep their memory.
  void Assign(const cep::MatchedEvents& matched) {
    std::fill(counts_.begin(), counts_.end(), 0);
    stages_.clear();
    for (const cep::MatchedEvent& event : matched) Add(event);
    in_order_.clear();
    std::vector<size_t>& next = next_;
    next.assign(names_->size(), 0);
    for (const cep::MatchedEvent& event : matched) in_order_.push_back(&events_[event.stage][next[event.stage]++]);
  }

 private:
  void Add(const cep::MatchedEvent& event) {
    if (event.stage >= names_->size()) ThrowDamaged();
    std::vector<T>& events = events_[event.stage];
    size_t& count = counts_[event.stage];
    if (count == 0) stages_.push_back((*names_)[event.stage]);
    if (count == events.size()) events.emplace_back();
    ByteReader bytes(event.bytes);
    if (!Codec<T>::Decode(bytes, events[count++])) ThrowDamaged();
  }
  [[noreturn]] static void ThrowDamaged() {
    throw StateError("an event of a match cannot be decoded: the state is damaged");
  }
  size_t IndexOf(std::string_view stage) const {
    return static_cast<size_t>(std::find(names_->begin(), names_->end(), stage) - names_->begin());
  }
  std::span<const T> NotEmpty(std::string_view stage) const {
    const std::span<const T> events = (*this)[stage];
    if (events.empty()) {
      throw std::invalid_argument("the match has no event of stage '" + std::string(stage) +
                                  "': ask Contains() first where a stage is optional");
    }
    return events;
  }

  const std::vector<std::string>* names_;
  std::vector<std::vector<T>> events_;  // by stage; those up to counts_ are the match's
  std::vector<size_t> counts_;
  std::vector<std::string_view> stages_;
  std::vector<const T*> in_order_;
  std::vector<size_t> next_;
};

}  // namespace eagre
