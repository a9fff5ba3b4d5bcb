// From stages to states. Works from the last stage to the first: each is built onto the state that follows it.
//
// A stage that may be skipped, and each repetition of a loop, has a twin: the state in which a partial match waits once
// an event was passed over. From the twin there is no way around the stage any more, so that no match is found twice.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "cep/automaton.h"

namespace eagre::cep {

namespace {

constexpr size_t kMaxStates = UINT16_MAX;

// Of one repetition of a single stage, at the least.
size_t LeastStatesOf(const Stage& stage) {
  return stage.contiguity == Contiguity::kNotFollowedBy ? 0 : 1;
}

}  // namespace

class PatternCompiler {
 public:
  explicit PatternCompiler(const PatternDescription& pattern)
      : pattern_(pattern), automaton_(new Automaton(pattern.skip_strategy())) {}

  StatusOr<std::shared_ptr<const Automaton>> Run();

 private:
  // A sequence of stages that is being built, and where in it.
  struct Level {
    const std::vector<Stage>* stages;
    size_t at;
    const Stage* group;  // that the sequence is the content of; null for the whole pattern
  };
  struct NotStage {
    FormulaId condition;
    const Stage* stage;
  };

  const Stage& current() const { return (*level_.stages)[level_.at]; }
  bool AtHeadOfGroup() const { return level_.group != nullptr && level_.at == 0; }
  FormulaPool& formulas() { return automaton_->formulas_; }
  State& state(StateId id) { return automaton_->states_[id]; }

  Status CheckStages();
  Status CheckSize(const PatternDescription& pattern, size_t& states);
  static Status TooManyStates(const Stage& stage);
  Status CheckNames(const PatternDescription& pattern, std::set<std::string>& names);
  Status CheckLoops(const PatternDescription& pattern);
  static bool CanBeEmpty(const PatternDescription& pattern);
  static bool CanBeSkipped(const Stage& stage);
  Status CheckWindows();

  // Builds the current level's stages before the last-built one, down to its second; returns the state they start with.
  StateId BuildRest(StateId sink);
  StateId BuildNotNext(StateId sink);
  StateId BuildStage(StateId sink);
  StateId BuildTimes(StateId sink, StateId bypass);
  StateId BuildLoop(StateId sink);
  StateId BuildSingle(StateId sink, StateId bypass, FormulaId take, std::optional<FormulaId> ignore, bool optional);
  StateId BuildGroup(StateId sink, StateId bypass, bool optional);
  StateId BuildGroupLoop(StateId sink);
  StateId BuildGroupContent(StateId sink);

  // Conditions of the current stage's edges; nullopt: there is no such edge.
  FormulaId TakeCondition(const Stage& stage);
  FormulaId ProceedCondition();
  std::optional<FormulaId> IgnoreCondition(Contiguity contiguity);
  std::optional<FormulaId> FirstIgnoreCondition();
  std::optional<FormulaId> InnerIgnoreCondition();
  FormulaId Unless(FormulaId until, FormulaId condition) { return formulas().And(formulas().Not(until), condition); }
  std::optional<FormulaId> UntilOf(const Stage* stage);

  // The NOTs right before the current stage, or before optional stages that lie between.
  std::vector<NotStage> ActiveNots();
  void AddStops(StateId from);
  void AddStopOfFollowing(StateId from);
  StateId StopState(const NotStage& not_stage);
  // The state that taking an event leads to: where an optional stage closes the NOTs before it, a copy of `sink`
  // without them.
  StateId WithoutNots(StateId sink);
  StateId Copy(StateId original);
  void RestrictToEventsNotTaken(StateId id, FormulaId take);

  StateId AddState(StateKind kind, const std::string& name, StageId stage);
  StateId AddTakingState(StateKind kind, bool takes);
  void AddEdge(StateId from, EdgeKind kind, StateId to, FormulaId condition) {
    if (status_.ok()) state(from).edges.push_back({kind, to, condition});
  }
  StageId StageIdOf(const std::string& name) const;
  std::string UniqueName(const std::string& name);

  const PatternDescription& pattern_;
  std::unique_ptr<Automaton> automaton_;
  Level level_{};
  const Stage* following_ = nullptr;  // the stage built before the current one
  std::optional<int64_t> window_ms_;
  std::map<const Stage*, StateId> stops_;
  // While a repeated group is built: whether its first repetition is.
  std::map<const Stage*, bool> first_repetition_;
  // Of states whose edges were restricted by a greedy loop before them: what they were before.
  std::map<StateId, StateId> unrestricted_;
  std::set<std::string> used_names_;
  std::map<std::string, int> next_number_;  // for a further state of the name
  Status status_;                           // once there are too many states nothing is built any more
};

StatusOr<std::shared_ptr<const Automaton>> PatternCompiler::Run() {
  EAGRE_RETURN_IF_ERROR(CheckStages());
  const std::vector<Stage>& stages = pattern_.stages();
  level_ = {&stages, stages.size() - 1, nullptr};
  StateId sink = AddState(StateKind::kFinal, "$endState$", kNoStage);
  window_ms_ = stages.back().within_ms;
  sink = BuildRest(sink);
  automaton_->start_ = BuildStage(sink);
  EAGRE_RETURN_IF_ERROR(CheckWindows());
  automaton_->window_ms_ = window_ms_.value_or(0);
  for (size_t i = 0; i < automaton_->states_.size(); ++i) {
    if (automaton_->states_[i].previous_window_ms > 0) {
      automaton_->windowed_states_.push_back(static_cast<StateId>(i));
    }
  }
  EAGRE_RETURN_IF_ERROR(status_);
  return std::shared_ptr<const Automaton>(std::move(automaton_));
}

// ---- rules of whole patterns ----

Status PatternCompiler::CheckStages() {
  EAGRE_RETURN_IF_ERROR(pattern_.status());
  if (pattern_.stages().empty()) return FailedPrecondition("a pattern needs a stage: start with Begin()");
  std::set<std::string> names;
  EAGRE_RETURN_IF_ERROR(CheckNames(pattern_, names));
  const AfterMatchSkipStrategy::Kind skip = pattern_.skip_strategy().kind();
  if (skip == AfterMatchSkipStrategy::Kind::kSkipToFirst || skip == AfterMatchSkipStrategy::Kind::kSkipToLast) {
    const std::string& target = pattern_.skip_strategy().stage();
    const bool found = std::any_of(pattern_.stages().begin(), pattern_.stages().end(),
                                   [&](const Stage& stage) { return stage.group == nullptr && stage.name == target; });
    if (!found) {
      return FailedPrecondition(
          "the skip strategy names stage '{}', which the pattern does not have at its top level (inside a group does "
          "not count)",
          target);
    }
    automaton_->skip_stage_ = StageIdOf(target);
  }
  EAGRE_RETURN_IF_ERROR(CheckLoops(pattern_));
  size_t states = 1;
  return CheckSize(pattern_, states);
}

// Adds the fewest states that the pattern can have to `states`: what has far too many is never built.
Status PatternCompiler::CheckSize(const PatternDescription& pattern, size_t& states) {
  for (const Stage& stage : pattern.stages()) {
    size_t once = 0;
    if (stage.group == nullptr) {
      once = LeastStatesOf(stage);
    } else {
      EAGRE_RETURN_IF_ERROR(CheckSize(*stage.group, once));
    }
    const size_t repetitions = static_cast<size_t>(stage.to) + (stage.quantifier == Quantifier::kLooping ? 1 : 0);
    states += once * repetitions;
    if (states > kMaxStates) return TooManyStates(stage);
  }
  return OkStatus();
}

Status PatternCompiler::TooManyStates(const Stage& stage) {
  return FailedPrecondition("{}: with it the pattern has more than {} states; use smaller Times() or less nesting",
                            stage.Text(), kMaxStates);
}

Status PatternCompiler::CheckNames(const PatternDescription& pattern, std::set<std::string>& names) {
  for (const Stage& stage : pattern.stages()) {
    if (stage.group != nullptr) {
      EAGRE_RETURN_IF_ERROR(CheckNames(*stage.group, names));
    } else if (stage.name == "$endState$" || !names.insert(stage.name).second) {
      return FailedPrecondition("stage '{}': the name is taken; every stage of a pattern has a name of its own",
                                stage.name);
    } else {
      automaton_->stages_.push_back(stage.name);
    }
  }
  return OkStatus();
}

bool PatternCompiler::CanBeSkipped(const Stage& stage) {
  return stage.optional || stage.is_not() || (stage.group != nullptr && CanBeEmpty(*stage.group));
}

bool PatternCompiler::CanBeEmpty(const PatternDescription& pattern) {
  return std::all_of(pattern.stages().begin(), pattern.stages().end(), CanBeSkipped);
}

Status PatternCompiler::CheckLoops(const PatternDescription& pattern) {
  for (const Stage& stage : pattern.stages()) {
    if (stage.group == nullptr) continue;
    if (stage.quantifier == Quantifier::kLooping && CanBeEmpty(*stage.group)) {
      return FailedPrecondition(
          "{}: is repeated without end although it can be fulfilled by no event at all; one of its stages must not be "
          "optional",
          stage.Text());
    }
    EAGRE_RETURN_IF_ERROR(CheckLoops(*stage.group));
  }
  return OkStatus();
}

Status PatternCompiler::CheckWindows() {
  if (window_ms_) {
    for (const State& state : automaton_->states_) {
      if (state.previous_window_ms <= *window_ms_) continue;
      return FailedPrecondition(
          "stage '{}': its window from the previous event to the current ({} ms) is larger than that of the whole "
          "pattern ({} ms), so that it could never end first",
          automaton_->stages_.empty() || state.stage == kNoStage ? state.name : automaton_->stages_[state.stage],
          state.previous_window_ms, *window_ms_);
    }
  }
  const Stage& last = pattern_.stages().back();
  if (last.contiguity != Contiguity::kNotFollowedBy || window_ms_.value_or(0) > 0 ||
      last.within_previous_ms.value_or(0) > 0) {
    return OkStatus();
  }
  return FailedPrecondition(
      "stage '{}': a pattern that ends with NotFollowedBy() needs a window: without Within() on that stage it would "
      "never be known that no such event follows",
      last.name);
}

// ---- states ----

StageId PatternCompiler::StageIdOf(const std::string& name) const {
  const auto found = std::find(automaton_->stages_.begin(), automaton_->stages_.end(), name);
  return found == automaton_->stages_.end() ? kNoStage : static_cast<StageId>(found - automaton_->stages_.begin());
}

std::string PatternCompiler::UniqueName(const std::string& name) {
  std::string candidate = name;
  int& number = next_number_[name];
  while (!used_names_.insert(candidate).second) candidate = fmt::format("{}:{}", name, number++);
  return candidate;
}

StateId PatternCompiler::AddState(StateKind kind, const std::string& name, StageId stage) {
  std::vector<State>& states = automaton_->states_;
  if (states.size() >= kMaxStates) {
    if (status_.ok()) status_ = TooManyStates(current());
    return static_cast<StateId>(states.size() - 1);
  }
  states.push_back({.kind = kind, .stage = stage, .name = UniqueName(name)});
  return static_cast<StateId>(states.size() - 1);
}

// A state of the current stage. The window of a quantifier guards all states of the stage but the one built first.
StateId PatternCompiler::AddTakingState(StateKind kind, bool takes) {
  const Stage& stage = current();
  const bool group = stage.group != nullptr;
  const std::string name = group ? "GroupPattern" : stage.name;
  const bool first_of_name = !used_names_.contains(name);
  const StateId id = AddState(kind, name, group ? kNoStage : StageIdOf(name));
  if (!takes) return id;
  if (stage.quantifier == Quantifier::kSingle) {
    state(id).previous_window_ms = stage.within_previous_ms.value_or(0);
  } else if (!first_of_name) {
    state(id).previous_window_ms = stage.repetition_window_ms.value_or(0);
  }
  return id;
}

StateId PatternCompiler::Copy(StateId original) {
  if (!status_.ok()) return original;
  const State from = state(original);
  const StateId copy = AddState(from.kind, from.name.substr(0, from.name.find(':')), from.stage);
  for (const Edge& edge : from.edges) {
    AddEdge(copy, edge.kind, edge.target == original ? copy : edge.target, edge.condition);
  }
  return copy;
}

void PatternCompiler::RestrictToEventsNotTaken(StateId id, FormulaId take) {
  const FormulaId not_taken = formulas().Not(take);
  for (Edge& edge : state(id).edges) edge.condition = formulas().And(edge.condition, not_taken);
}

// ---- conditions ----

std::optional<FormulaId> PatternCompiler::UntilOf(const Stage* stage) {
  if (stage == nullptr || stage->until == nullptr) return std::nullopt;
  return formulas().Add(stage->until);
}

FormulaId PatternCompiler::TakeCondition(const Stage& stage) {
  const FormulaId condition = formulas().Add(stage.condition);
  const std::optional<FormulaId> until = UntilOf(level_.group);
  return until ? Unless(*until, condition) : condition;
}

FormulaId PatternCompiler::ProceedCondition() {
  const std::optional<FormulaId> until = UntilOf(level_.group);
  return until ? formulas().Not(*until) : FormulaPool::kTrue;
}

std::optional<FormulaId> PatternCompiler::IgnoreCondition(Contiguity contiguity) {
  FormulaId condition = FormulaPool::kTrue;
  if (contiguity == Contiguity::kStrict) return std::nullopt;
  if (contiguity == Contiguity::kRelaxed) condition = formulas().Not(formulas().Add(current().condition));
  const std::optional<FormulaId> until = UntilOf(level_.group);
  return until ? Unless(*until, condition) : condition;
}

// Before a stage's first event its own contiguity counts; a group's for the first stage inside it.
std::optional<FormulaId> PatternCompiler::FirstIgnoreCondition() {
  if (!AtHeadOfGroup()) return IgnoreCondition(current().contiguity);
  const auto repetition = first_repetition_.find(level_.group);
  const bool first = repetition == first_repetition_.end() || repetition->second;
  return IgnoreCondition(first ? level_.group->contiguity : level_.group->inner);
}

std::optional<FormulaId> PatternCompiler::InnerIgnoreCondition() {
  return IgnoreCondition(AtHeadOfGroup() ? level_.group->inner : current().inner);
}

// ---- NOTs ----

std::vector<PatternCompiler::NotStage> PatternCompiler::ActiveNots() {
  std::vector<NotStage> nots;
  for (size_t i = level_.at; i > 0; --i) {
    const Stage& before = (*level_.stages)[i - 1];
    if (before.contiguity == Contiguity::kNotFollowedBy) {
      nots.push_back({TakeCondition(before), &before});
    } else if (!before.optional) {
      break;
    }
  }
  return nots;
}

StateId PatternCompiler::StopState(const NotStage& not_stage) {
  const auto known = stops_.find(not_stage.stage);
  if (known != stops_.end()) return known->second;
  const StateId stop = AddState(StateKind::kStop, not_stage.stage->name, StageIdOf(not_stage.stage->name));
  AddEdge(stop, EdgeKind::kTake, stop, not_stage.condition);
  stops_.emplace(not_stage.stage, stop);
  return stop;
}

void PatternCompiler::AddStops(StateId from) {
  for (const NotStage& not_stage : ActiveNots()) {
    AddEdge(from, EdgeKind::kProceed, StopState(not_stage), not_stage.condition);
  }
}

void PatternCompiler::AddStopOfFollowing(StateId from) {
  if (following_ == nullptr || following_->contiguity != Contiguity::kNotFollowedBy) return;
  const NotStage not_stage{TakeCondition(*following_), following_};
  AddEdge(from, EdgeKind::kProceed, StopState(not_stage), not_stage.condition);
}

StateId PatternCompiler::WithoutNots(StateId sink) {
  if (!current().optional || !status_.ok()) return sink;
  const std::vector<NotStage> nots = ActiveNots();
  if (nots.empty()) return sink;
  const State from = state(sink);
  const StateId copy = AddState(from.kind, from.name, from.stage);
  for (const Edge& edge : from.edges) {
    if (edge.kind != EdgeKind::kProceed) {
      AddEdge(copy, edge.kind, edge.target == sink ? copy : edge.target, edge.condition);
    } else if (state(edge.target).kind != StateKind::kStop) {
      const StateId target = WithoutNots(edge.target);
      AddEdge(copy, EdgeKind::kProceed, target, edge.condition);
    } else if (std::none_of(nots.begin(), nots.end(),
                            [&](const NotStage& not_stage) { return StopState(not_stage) == edge.target; })) {
      AddEdge(copy, EdgeKind::kProceed, edge.target, edge.condition);
    }
  }
  return copy;
}

// ---- stages ----

StateId PatternCompiler::BuildRest(StateId sink) {
  while (level_.at > 0) {
    const Stage& stage = current();
    if (stage.contiguity == Contiguity::kNotFollowedBy) {
      // One within a pattern becomes edges of the stages after it.
      const bool windowed = stage.within_previous_ms.has_value() || window_ms_.value_or(0) > 0;
      if (windowed && state(sink).kind == StateKind::kFinal) {
        const StateId pending = AddTakingState(StateKind::kPending, true);
        const FormulaId condition = TakeCondition(stage);
        AddEdge(pending, EdgeKind::kProceed, StopState({condition, &stage}), condition);
        AddEdge(pending, EdgeKind::kIgnore, pending, formulas().Not(condition));
        sink = pending;
      }
    } else if (stage.contiguity == Contiguity::kNotNext) {
      sink = BuildNotNext(sink);
    } else {
      sink = BuildStage(sink);
    }
    following_ = &stage;
    --level_.at;
    if (current().within_ms && (!window_ms_ || *current().within_ms < *window_ms_)) window_ms_ = current().within_ms;
  }
  return sink;
}

StateId PatternCompiler::BuildNotNext(StateId sink) {
  const StateId id = AddTakingState(StateKind::kNormal, true);
  const FormulaId condition = TakeCondition(current());
  const StateId stop = StopState({condition, &current()});
  // At the end of a pattern the next event decides, not the one that was taken last.
  const EdgeKind kind = state(sink).kind == StateKind::kFinal ? EdgeKind::kIgnore : EdgeKind::kProceed;
  AddEdge(id, kind, sink, formulas().Not(condition));
  AddEdge(id, EdgeKind::kProceed, stop, condition);
  return id;
}

StateId PatternCompiler::BuildStage(StateId sink) {
  if (!status_.ok()) return sink;
  const Stage& stage = current();
  StateId first = 0;
  if (stage.quantifier == Quantifier::kLooping) {
    if (stage.group != nullptr) first_repetition_[&stage] = false;
    const StateId looping = BuildLoop(WithoutNots(sink));
    if (stage.group != nullptr) first_repetition_[&stage] = true;
    first = BuildTimes(looping, sink);
  } else if (stage.quantifier == Quantifier::kTimes) {
    first = BuildTimes(sink, sink);
  } else {
    first = BuildSingle(sink, sink, TakeCondition(stage), FirstIgnoreCondition(), stage.optional);
  }
  AddStops(first);
  return first;
}

StateId PatternCompiler::BuildTimes(StateId sink, StateId bypass) {
  const Stage& stage = current();
  if (stage.group != nullptr) first_repetition_[&stage] = false;
  std::optional<FormulaId> inner_ignore = InnerIgnoreCondition();
  FormulaId take = TakeCondition(stage);
  if (const std::optional<FormulaId> until = UntilOf(&stage)) {
    if (inner_ignore) inner_ignore = Unless(*until, *inner_ignore);
    take = Unless(*until, take);
  }
  if (stage.greedy && stage.from != stage.to) RestrictToEventsNotTaken(sink, take);
  StateId first = sink;
  for (int i = stage.from; i < stage.to && status_.ok(); ++i) {
    first = BuildSingle(first, bypass, take, inner_ignore, true);
    AddStopOfFollowing(first);
  }
  for (int i = 1; i < stage.from && status_.ok(); ++i) {
    first = BuildSingle(first, bypass, take, inner_ignore, false);
    AddStopOfFollowing(first);
  }
  if (stage.group != nullptr) first_repetition_[&stage] = true;
  return BuildSingle(first, bypass, take, FirstIgnoreCondition(), stage.optional);
}

StateId PatternCompiler::BuildLoop(StateId sink) {
  const Stage& stage = current();
  if (stage.group != nullptr) return BuildGroupLoop(sink);
  const std::optional<FormulaId> until = UntilOf(&stage);
  std::optional<FormulaId> ignore = InnerIgnoreCondition();
  FormulaId take = TakeCondition(stage);
  if (until) {
    if (ignore) ignore = Unless(*until, *ignore);
    take = Unless(*until, take);
  }
  const FormulaId proceed = ProceedCondition();
  const StateId loop = AddTakingState(StateKind::kNormal, true);
  if (stage.greedy && until) {
    // The event that ends the loop is none that the loop could take, so greediness does not concern it.
    const StateId unrestricted = Copy(sink);
    unrestricted_[sink] = unrestricted;
    AddEdge(loop, EdgeKind::kProceed, unrestricted, formulas().And(proceed, *until));
    AddEdge(loop, EdgeKind::kProceed, sink, formulas().And(proceed, formulas().Not(*until)));
  } else {
    AddEdge(loop, EdgeKind::kProceed, sink, proceed);
  }
  if (stage.greedy) RestrictToEventsNotTaken(sink, TakeCondition(stage));
  AddEdge(loop, EdgeKind::kTake, loop, take);
  AddStopOfFollowing(loop);
  if (ignore) {
    const StateId twin = AddTakingState(StateKind::kNormal, false);
    AddEdge(twin, EdgeKind::kTake, loop, take);
    AddEdge(twin, EdgeKind::kIgnore, twin, *ignore);
    AddEdge(loop, EdgeKind::kIgnore, twin, *ignore);
    AddStopOfFollowing(twin);
  }
  return loop;
}

StateId PatternCompiler::BuildSingle(StateId sink, StateId bypass, FormulaId take, std::optional<FormulaId> ignore,
                                     bool optional) {
  const Stage& stage = current();
  if (stage.group != nullptr) return BuildGroup(sink, bypass, optional);
  const StateId id = AddTakingState(StateKind::kNormal, true);
  const StateId taken = WithoutNots(sink);
  AddEdge(id, EdgeKind::kTake, taken, take);
  if (optional) {
    const FormulaId proceed = ProceedCondition();
    const std::optional<FormulaId> until = stage.greedy ? UntilOf(&stage) : std::nullopt;
    if (until) {
      const auto unrestricted = unrestricted_.find(bypass);
      AddEdge(id, EdgeKind::kProceed, unrestricted == unrestricted_.end() ? bypass : unrestricted->second,
              formulas().And(proceed, *until));
      AddEdge(id, EdgeKind::kProceed, bypass, formulas().And(proceed, formulas().Not(*until)));
    } else {
      AddEdge(id, EdgeKind::kProceed, bypass, proceed);
    }
  }
  if (!ignore) return id;
  bool bypassed_with_group = false;
  if (AtHeadOfGroup() && level_.group->optional) {
    const auto repetition = first_repetition_.find(level_.group);
    bypassed_with_group = repetition == first_repetition_.end() || repetition->second;
  }
  StateId twin = id;
  if (optional || bypassed_with_group) {
    twin = AddTakingState(StateKind::kNormal, false);
    AddEdge(twin, EdgeKind::kTake, taken, take);
    AddEdge(twin, EdgeKind::kIgnore, twin, *ignore);
    AddStops(twin);
  }
  AddEdge(id, EdgeKind::kIgnore, twin, *ignore);
  return id;
}

StateId PatternCompiler::BuildGroupContent(StateId sink) {
  const Stage& group = current();
  const Level outer_level = level_;
  const Stage* outer_following = following_;
  const std::vector<Stage>& stages = group.group->stages();
  level_ = {&stages, stages.size() - 1, &group};
  const StateId first = BuildStage(BuildRest(sink));
  level_ = outer_level;
  following_ = outer_following;
  return first;
}

StateId PatternCompiler::BuildGroup(StateId sink, StateId bypass, bool optional) {
  const FormulaId proceed = ProceedCondition();
  const StateId first = BuildGroupContent(sink);
  if (optional) AddEdge(first, EdgeKind::kProceed, bypass, proceed);
  return first;
}

StateId PatternCompiler::BuildGroupLoop(StateId sink) {
  const FormulaId proceed = ProceedCondition();
  const StateId repeat = AddTakingState(StateKind::kNormal, true);
  const StateId first = BuildGroupContent(repeat);
  AddEdge(first, EdgeKind::kProceed, sink, proceed);
  AddEdge(repeat, EdgeKind::kProceed, first, proceed);
  return first;
}

StatusOr<std::shared_ptr<const Automaton>> Automaton::Compile(const PatternDescription& pattern) {
  return PatternCompiler(pattern).Run();
}

}  // namespace eagre::cep
