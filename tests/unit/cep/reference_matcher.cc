#include "tests/unit/cep/reference_matcher.h"

#include <algorithm>
#include <limits>

namespace eagre::cep {

using vectors::VectorEvent;

class ReferenceMatcher::Context final : public ConditionContext {
 public:
  Context(const Automaton& automaton, const std::vector<Taken>& taken, int64_t timestamp, int64_t processing_time)
      : timestamp_(timestamp),
        processing_time_(processing_time),
        events_(automaton.stages().size()),
        automaton_(automaton) {
    for (const Taken& event : taken) events_[event.stage].push_back(&event.event);
  }
  int64_t timestamp() const override { return timestamp_; }
  int64_t processing_time() const override { return processing_time_; }
  const std::vector<const void*>& EventsOf(std::string_view stage) const override {
    const auto& stages = automaton_.stages();
    const auto found = std::find(stages.begin(), stages.end(), stage);
    return found == stages.end() ? none_ : events_[static_cast<size_t>(found - stages.begin())];
  }

 private:
  const int64_t timestamp_;
  const int64_t processing_time_;
  std::vector<std::vector<const void*>> events_;
  std::vector<const void*> none_;
  const Automaton& automaton_;
};

bool ReferenceMatcher::Holds(FormulaId id, const VectorEvent& event, const Context& context) const {
  const FormulaPool::Node& node = automaton_->formulas().node(id);
  switch (node.kind) {
    case ConditionFormula::Kind::kTrue: return true;
    case ConditionFormula::Kind::kCondition:
      return automaton_->formulas().conditions()[node.condition]->Test(&event, context);
    case ConditionFormula::Kind::kNot: return !Holds(node.left, event, context);
    case ConditionFormula::Kind::kAnd: return Holds(node.left, event, context) && Holds(node.right, event, context);
    case ConditionFormula::Kind::kOr: return Holds(node.left, event, context) || Holds(node.right, event, context);
  }
  return false;
}

bool ReferenceMatcher::ReachesFinal(StateId state, const VectorEvent& event, const Context& context) const {
  for (const Edge& edge : automaton_->states()[state].edges) {
    if (edge.kind != EdgeKind::kProceed || !Holds(edge.condition, event, context)) continue;
    if (automaton_->states()[edge.target].kind == StateKind::kFinal) return true;
    if (ReachesFinal(edge.target, event, context)) return true;
  }
  return false;
}

void ReferenceMatcher::Process(const Partial& partial, bool start, const Taken& event, const Context& context,
                               std::vector<Partial>& next) {
  std::vector<Partial> live;
  bool stopped = false;
  std::vector<StateId> open{partial.state};
  while (!open.empty()) {
    const State& state = automaton_->states()[open.back()];
    open.pop_back();
    for (const Edge& edge : state.edges) {
      if (!Holds(edge.condition, event.event, context)) continue;
      if (edge.kind == EdgeKind::kProceed) {
        open.push_back(edge.target);
        continue;
      }
      if (state.kind == StateKind::kStop) {
        stopped = true;
        continue;
      }
      if (edge.kind == EdgeKind::kIgnore && start) continue;
      Partial moved{edge.target, partial.taken, partial.previous_timestamp};
      if (edge.kind == EdgeKind::kTake) {
        moved.taken.push_back(event);
        moved.taken.back().stage = state.stage;
        moved.previous_timestamp = event.order.first;
        if (ReachesFinal(edge.target, event.event, context)) completed_.push_back(moved);
      }
      (automaton_->states()[edge.target].kind == StateKind::kFinal ? completed_ : live).push_back(std::move(moved));
    }
  }
  if (!stopped) std::move(live.begin(), live.end(), std::back_inserter(next));
}

bool ReferenceMatcher::Event(const VectorEvent& event, int64_t timestamp, int64_t processing_time) {
  const Taken taken{0, event, {timestamp, arrivals_++}};
  std::vector<Partial> next;
  for (const Partial& partial : partials_) {
    Process(partial, false, taken, Context(*automaton_, partial.taken, timestamp, processing_time), next);
  }
  Process({automaton_->start(), {}, 0}, true, taken, Context(*automaton_, {}, timestamp, processing_time), next);
  // Times may fall where a restored operator starts without watermark.
  std::stable_sort(next.begin(), next.end(), [](const Partial& a, const Partial& b) { return a.start() < b.start(); });
  partials_ = std::move(next);
  return Emit(timestamp);
}

bool ReferenceMatcher::IsOver(const Partial& partial, int64_t timestamp, int64_t& end) const {
  const int64_t previous_window_ms = StateOf(partial).previous_window_ms;
  if (previous_window_ms > 0 && timestamp - partial.previous_timestamp >= previous_window_ms) {
    end = partial.previous_timestamp + previous_window_ms;
    return true;
  }
  end = partial.start().first + automaton_->window_ms();
  return automaton_->window_ms() > 0 && timestamp >= end;
}

int64_t ReferenceMatcher::FirstDeadline() const {
  int64_t deadline = std::numeric_limits<int64_t>::max();
  for (const Partial& partial : partials_) {
    if (automaton_->window_ms() > 0) deadline = std::min(deadline, partial.start().first + automaton_->window_ms());
    const int64_t previous_window_ms = StateOf(partial).previous_window_ms;
    if (previous_window_ms > 0) deadline = std::min(deadline, partial.previous_timestamp + previous_window_ms);
  }
  return deadline;
}

bool ReferenceMatcher::Advance(int64_t timestamp) {
  if (exact_timestamps_) {
    for (int64_t deadline = FirstDeadline(); deadline < timestamp; deadline = FirstDeadline()) {
      if (!AdvanceTo(deadline)) return false;
    }
  }
  return AdvanceTo(timestamp);
}

bool ReferenceMatcher::AdvanceTo(int64_t timestamp) {
  std::vector<Partial> live;
  for (Partial& partial : partials_) {
    int64_t end = 0;
    if (!IsOver(partial, timestamp, end)) {
      live.push_back(std::move(partial));
    } else if (StateOf(partial).kind == StateKind::kPending) {
      completed_.push_back(std::move(partial));
    } else {
      timeouts.push_back({TextOf(partial), end});
    }
  }
  partials_ = std::move(live);
  return Emit(timestamp);
}

bool ReferenceMatcher::Emit(int64_t timestamp) {
  std::stable_sort(completed_.begin(), completed_.end(),
                   [](const Partial& a, const Partial& b) { return a.start() < b.start(); });
  const bool skips = automaton_->skip_strategy().skips();
  while (!completed_.empty()) {
    if (skips && !partials_.empty() && partials_.front().start() < completed_.front().start()) break;
    const Partial match = std::move(completed_.front());
    completed_.erase(completed_.begin());
    if (skips && !Prune(match)) return false;
    matches.push_back({TextOf(match), timestamp});
  }
  return true;
}

bool ReferenceMatcher::Prune(const Partial& match) {
  using Kind = AfterMatchSkipStrategy::Kind;
  const AfterMatchSkipStrategy& strategy = automaton_->skip_strategy();
  bool inclusive = true;
  std::pair<int64_t, uint64_t> limit = match.start();
  if (strategy.kind() == Kind::kSkipPastLastEvent) limit = match.taken.back().order;
  if (!strategy.stage().empty()) {
    inclusive = false;
    const Taken* target = nullptr;
    for (const Taken& taken : match.taken) {
      if (automaton_->stages()[taken.stage] != strategy.stage()) continue;
      if (target == nullptr || strategy.kind() == Kind::kSkipToLast) target = &taken;
    }
    if (target == nullptr) return !strategy.throw_on_miss();
    limit = target->order;
    if (strategy.throw_on_miss() && limit == match.start()) return false;
  }
  for (std::vector<Partial>* list : {&partials_, &completed_}) {
    std::erase_if(*list,
                  [&](const Partial& other) { return inclusive ? other.start() <= limit : other.start() < limit; });
  }
  return true;
}

std::string ReferenceMatcher::TextOf(const Partial& match) const {
  vectors::StageEvents stages;
  for (const Taken& taken : match.taken) {
    const std::string& name = automaton_->stages()[taken.stage];
    auto found = std::find_if(stages.begin(), stages.end(), [&](const auto& stage) { return stage.first == name; });
    if (found == stages.end()) found = stages.insert(found, {name, {}});
    found->second.push_back(taken.event);
  }
  return vectors::MapText(stages);
}

}  // namespace eagre::cep
