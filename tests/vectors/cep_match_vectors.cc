// Kinds `match`, `reject` and `compile`: the builder, the automaton and the matcher of one key.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "cep/automaton.h"
#include "cep/matcher.h"
#include "tests/vectors/cep_vectors.h"

namespace eagre::vectors {
namespace {

using cep::Automaton;
using cep::MatchedEvents;

class MatchRun final : public cep::MatchListener {
 public:
  MatchRun(std::shared_ptr<const Automaton> automaton, object vector)
      : automaton_(std::move(automaton)),
        matcher_(automaton_, cep::kEventTypeOf<VectorEvent>, {.report_timeouts = Flag(vector, "handle_timeouts")}),
        vector_(vector),
        events_(ReadEvents(vector)) {}

  Outcome Run() {
    std::string failure;
    const Status status = RunSteps(failure);
    if (Object(vector_, "expect_error")) return Outcome::Of(status.ok() ? "expected a failure, but all went well" : "");
    if (!status.ok()) return Outcome::Of(std::string(StatusMessage(status)));
    if (failure.empty()) failure = Check(vector_, 0);
    if (failure.empty()) failure = CheckTimeouts();
    if (failure.empty()) failure = CheckAfter();
    return Outcome::Of(failure);
  }

  void OnMatch(const MatchedEvents& events) override { found_.push_back(Decoded(events)); }
  void OnTimeOut(const MatchedEvents& events, int64_t timestamp) override {
    timeouts_.push_back(fmt::format("{} @{}", MapText(Decoded(events)), timestamp));
  }
  void OnDropped(const MatchedEvents&) override {}

 private:
  // Stages in the order of their first event.
  StageEvents Decoded(const MatchedEvents& events) const {
    StageEvents match;
    for (const cep::MatchedEvent& event : events) {
      const std::string& stage = automaton_->stages()[event.stage];
      auto found = std::find_if(match.begin(), match.end(), [&](const auto& other) { return other.first == stage; });
      if (found == match.end()) found = match.insert(found, {stage, {}});
      VectorEvent decoded;
      if (cep::kEventTypeOf<VectorEvent>.decode(event.bytes, &decoded)) found->second.push_back(std::move(decoded));
    }
    return match;
  }

  Status RunSteps(std::string& failure) {
    if (const std::optional<array> steps = Array(vector_, "steps")) {
      for (element step : *steps) {
        EAGRE_RETURN_IF_ERROR(RunStep(step.get_object(), failure));
        if (!failure.empty()) return OkStatus();
      }
      return OkStatus();
    }
    for (const TimedEvent& event : events_) EAGRE_RETURN_IF_ERROR(RunEvent(event, true));
    return OkStatus();
  }

  Status RunStep(object step, std::string& failure) {
    if (const auto processing_time = Number(step, "proctime")) processing_time_ = *processing_time;
    if (Flag(step, "reset_changed")) changed_ = false;
    matches_before_.push_back(matches_.size());
    const auto from_step = static_cast<size_t>(Number(step, "from_step").value_or(matches_before_.size() - 1));
    if (from_step >= matches_before_.size()) return InvalidArgument("from_step {} is yet to come", from_step);
    const size_t timeouts_before = timeouts_.size();
    const std::string action = Text(step, "do");
    if (action == "advance") {
      EAGRE_RETURN_IF_ERROR(Advance(Time(step["ts"])));
      std::move(found_.begin(), found_.end(), std::back_inserter(matches_));
      found_.clear();
    } else {
      EAGRE_RETURN_IF_ERROR(RunEvent(events_[*Number(step, "e")], action == "event"));
    }
    failure = Check(step, matches_before_[from_step]);
    if (const auto partials = Number(step, "partials"); failure.empty() && partials) failure = CheckPartials(*partials);
    bool changed = false;
    if (failure.empty() && step["changed"].get(changed) == simdjson::SUCCESS && changed != changed_) {
      failure = fmt::format("changed: expected {}, got {}", changed, changed_);
    }
    if (failure.empty() && Flag(step, "some_timeouts") && timeouts_.size() == timeouts_before) {
      failure = "expected some time-outs";
    }
    return OkStatus();
  }

  // The matches of the event come before those that the time before it released.
  Status RunEvent(const TimedEvent& event, bool advance) {
    if (advance) EAGRE_RETURN_IF_ERROR(Advance(event.timestamp));
    std::vector<StageEvents> released = std::move(found_);
    found_.clear();
    if (matcher_.Decide(&state_, &event.event, event.timestamp, [this] { return processing_time_; })) {
      changed_ = true;
      EAGRE_RETURN_IF_ERROR(matcher_.Apply(state_, *this));
    }
    std::move(found_.begin(), found_.end(), std::back_inserter(matches_));
    std::move(released.begin(), released.end(), std::back_inserter(matches_));
    found_.clear();
    return OkStatus();
  }

  Status Advance(int64_t timestamp) {
    const uint32_t before = state_.partial_count();
    EAGRE_RETURN_IF_ERROR(matcher_.Advance(state_, timestamp, *this));
    changed_ |= state_.partial_count() != before;
    return OkStatus();
  }

  // The expectation in `from`, of the matches since `first`.
  std::string Check(object from, size_t first) {
    const std::optional<object> expect = Object(from, "expect");
    if (!expect) return "";
    const std::vector<StageEvents> found(matches_.begin() + static_cast<ptrdiff_t>(first), matches_.end());
    if (const auto count = Number(*expect, "count")) {
      if (found.size() != static_cast<size_t>(*count))
        return fmt::format("expected {} matches, got {}", *count, found.size());
    }
    if (const auto order = Array(*expect, "stage_order")) {
      std::vector<std::string> stages;
      std::vector<std::string> expected;
      if (found.empty()) return "stage_order: there is no match";
      for (const auto& [stage, events] : found[0]) stages.push_back(stage);
      for (element stage : *order) expected.emplace_back(stage.get_string().value());
      if (std::string difference = Difference(expected, stages, true); !difference.empty()) return difference;
    }
    const std::optional<array> matches = Array(*expect, "matches");
    if (!matches) return "";
    const bool lists = Text(*expect, "form") == "lists";
    std::vector<std::string> expected;
    std::vector<std::string> actual;
    for (element match : *matches) {
      expected.push_back(lists ? ListText(match.get_array(), events_) : MapText(match.get_object(), events_));
    }
    for (const StageEvents& match : found) actual.push_back(lists ? ListText(match) : MapText(match));
    return Difference(expected, actual, Text(*expect, "order") == "exact");
  }

  std::string CheckTimeouts() {
    const std::optional<object> expect = Object(vector_, "expect_timeouts");
    if (!expect) return "";
    std::vector<std::string> expected;
    for (element item : Elements(*expect, "items")) {
      object timeout = item.get_object();
      expected.push_back(fmt::format("{} @{}", MapText(*Object(timeout, "match"), events_), *Number(timeout, "ts")));
    }
    std::vector<std::string> actual = timeouts_;
    if (Flag(*expect, "distinct")) {
      for (std::vector<std::string>* list : {&expected, &actual}) {
        std::sort(list->begin(), list->end());
        list->erase(std::unique(list->begin(), list->end()), list->end());
      }
    }
    const std::string difference = Difference(expected, actual, Text(*expect, "order") == "exact");
    return difference.empty() ? "" : "time-outs: " + difference;
  }

  std::string CheckPartials(int64_t expected) {
    // The original counts the start, which is always there.
    const int64_t partials = state_.partial_count() + 1;
    return partials == expected ? "" : fmt::format("expected {} partial matches, got {}", expected, partials);
  }

  std::string CheckAfter() {
    const std::optional<object> after = Object(vector_, "after");
    if (!after) return "";
    if (const auto partials = Number(*after, "partials")) {
      if (std::string failure = CheckPartials(*partials); !failure.empty()) return failure;
    }
    if (Flag(*after, "buffer_empty") && state_.event_count() > 0) return "expected no event to be held";
    if (const auto buffered = Number(*after, "buffered_events"); buffered && *buffered != state_.event_count()) {
      return fmt::format("expected {} events to be held, got {}", *buffered, state_.event_count());
    }
    return "";
  }

  std::shared_ptr<const Automaton> automaton_;
  cep::Matcher matcher_;
  object vector_;
  const std::vector<TimedEvent> events_;
  cep::KeyMatches state_;
  int64_t processing_time_ = 0;
  bool changed_ = false;
  std::vector<StageEvents> found_;  // by the call at hand
  std::vector<StageEvents> matches_;
  std::vector<size_t> matches_before_;  // each step
  std::vector<std::string> timeouts_;
};

std::string CodeOf(const std::string& kind) {
  if (kind == "malformed") return "FAILED_PRECONDITION";
  if (kind == "argument") return "INVALID_ARGUMENT";
  return "UNIMPLEMENTED";
}

// The states and edges of the original's automaton, by name.
std::string CheckGraph(const Automaton& automaton, object graph) {
  std::map<std::string, std::string> expected;
  std::map<std::string, std::string> actual;
  for (const auto& [name, from] : graph) {
    object state = from.get_object();
    std::string& text = expected[std::string(name)];
    text = Text(state, "kind");
    std::multiset<std::string> edges;
    for (element edge : Elements(state, "edges")) {
      edges.insert(std::string(edge.at(0).get_string().value()) + " " + std::string(edge.at(1).get_string().value()));
    }
    text += fmt::format(" [{}]", fmt::join(edges, ", "));
  }
  static constexpr const char* kKinds[] = {"normal", "pending", "stop", "final"};
  static constexpr const char* kEdges[] = {"TAKE", "IGNORE", "PROCEED"};
  for (size_t i = 0; i < automaton.states().size(); ++i) {
    const cep::State& state = automaton.states()[i];
    std::multiset<std::string> edges;
    for (const cep::Edge& edge : state.edges) {
      edges.insert(fmt::format("{} {}", kEdges[static_cast<int>(edge.kind)], automaton.states()[edge.target].name));
    }
    actual[state.name] = fmt::format("{} [{}]", i == automaton.start() ? "start" : kKinds[static_cast<int>(state.kind)],
                                     fmt::join(edges, ", "));
  }
  std::vector<std::string> texts[2];
  for (const auto& [name, text] : expected) texts[0].push_back(name + ": " + text);
  for (const auto& [name, text] : actual) texts[1].push_back(name + ": " + text);
  return Difference(texts[0], texts[1], true);
}

}  // namespace

Outcome RunMatchVector(object vector) {
  const StatusOr<EventPattern> pattern = ReadPattern(vector);
  if (!pattern.ok()) return Outcome::Of(std::string(StatusMessage(pattern.status())));
  StatusOr<std::shared_ptr<const Automaton>> automaton = Automaton::Compile(pattern->description());
  if (!automaton.ok()) return Outcome::Of("refused: " + std::string(StatusMessage(automaton.status())));
  return MatchRun(*automaton, vector).Run();
}

Outcome RunRejectVector(object vector) {
  const object expected = *Object(vector, "expect_error");
  const bool when_built = Text(expected, "phase") == "build";
  const StatusOr<EventPattern> pattern = ReplayCalls(*Array(vector, "calls"));
  if (!pattern.ok()) return Outcome::Of(std::string(StatusMessage(pattern.status())));
  Status status = pattern->status();
  if (status.ok() == when_built) {
    return Outcome::Of(when_built ? "was built" : "refused too early: " + std::string(StatusMessage(status)));
  }
  if (!when_built) status = Automaton::Compile(pattern->description()).status();
  if (status.ok()) return Outcome::Of("was compiled");
  const std::string code = absl::StatusCodeToString(status.code());
  if (code == CodeOf(Text(expected, "kind"))) return {};
  return Outcome::Of(
      fmt::format("refused with {}, not as {}: {}", code, Text(expected, "kind"), StatusMessage(status)));
}

Outcome RunCompileVector(object vector) {
  const StatusOr<EventPattern> pattern = ReadPattern(vector);
  if (!pattern.ok()) return Outcome::Of(std::string(StatusMessage(pattern.status())));
  const StatusOr<std::shared_ptr<const Automaton>> automaton = Automaton::Compile(pattern->description());
  if (!automaton.ok()) return Outcome::Of("refused: " + std::string(StatusMessage(automaton.status())));
  const object expect = *Object(vector, "expect");
  if (const auto window = Number(expect, "window_ms"); window && *window != (*automaton)->window_ms()) {
    return Outcome::Of(fmt::format("expected a window of {} ms, got {}", *window, (*automaton)->window_ms()));
  }
  bool empty = false;
  if (expect["can_be_empty"].get(empty) == simdjson::SUCCESS && empty != (*automaton)->can_be_empty()) {
    return Outcome::Of(fmt::format("can be empty: expected {}", empty));
  }
  if (const auto windows = Object(expect, "prev_windows")) {
    for (const auto& [name, window] : *windows) {
      const auto& states = (*automaton)->states();
      const auto state = std::find_if(states.begin(), states.end(), [&](const auto& s) { return s.name == name; });
      if (state == states.end() || state->previous_window_ms != window.get_int64().value()) {
        return Outcome::Of(fmt::format("state {} has another window", std::string(name)));
      }
    }
  }
  if (const auto graph = Object(expect, "graph")) return Outcome::Of(CheckGraph(**automaton, *graph));
  return {};
}

}  // namespace eagre::vectors
