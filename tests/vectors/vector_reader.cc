#include "tests/vectors/vector_reader.h"

#include <algorithm>
#include <map>

#include "tests/vectors/vector_expression.h"

namespace eagre::vectors {
namespace {

using std::chrono::milliseconds;

std::optional<milliseconds> Window(object from) {
  const std::optional<int64_t> window = Number(from, "window_ms");
  return window ? std::optional(milliseconds(*window)) : std::nullopt;
}

StatusOr<AfterMatchSkipStrategy> ReadSkip(object skip) {
  const std::string strategy = Text(skip, "strategy");
  const std::string to = Text(skip, "to");
  AfterMatchSkipStrategy result = AfterMatchSkipStrategy::NoSkip();
  if (strategy == "SKIP_TO_NEXT") {
    result = AfterMatchSkipStrategy::SkipToNext();
  } else if (strategy == "SKIP_PAST_LAST_EVENT") {
    result = AfterMatchSkipStrategy::SkipPastLastEvent();
  } else if (strategy == "SKIP_TO_FIRST") {
    result = AfterMatchSkipStrategy::SkipToFirst(to);
  } else if (strategy == "SKIP_TO_LAST") {
    result = AfterMatchSkipStrategy::SkipToLast(to);
  } else if (strategy != "NO_SKIP") {
    return InvalidArgument("unknown skip strategy {}", strategy);
  }
  return Flag(skip, "throw_on_miss") ? result.ThrowOnMiss() : result;
}

// A stage or a group, added to `pattern`, or the first of a new one.
template <typename What>
Status AddStage(std::optional<EventPattern>& pattern, const std::string& op, const What& what,
                const AfterMatchSkipStrategy& skip) {
  if (op == "begin") {
    pattern = EventPattern::Begin(what, skip);
  } else if (op == "next") {
    pattern->Next(what);
  } else if (op == "followedBy") {
    pattern->FollowedBy(what);
  } else if (op == "followedByAny") {
    pattern->FollowedByAny(what);
  } else {
    if constexpr (std::is_same_v<What, std::string>) {
      if (op == "notNext") return pattern->NotNext(what), OkStatus();
      if (op == "notFollowedBy") return pattern->NotFollowedBy(what), OkStatus();
    }
    return InvalidArgument("unknown op {}", op);
  }
  return OkStatus();
}

void AddQuantifiers(object stage, EventPattern& pattern) {
  if (const std::optional<object> loop = Object(stage, "loop")) {
    const int from = static_cast<int>(*Number(*loop, "from"));
    if (from == 1) {
      pattern.OneOrMore(Window(*loop));
    } else {
      pattern.TimesOrMore(from, Window(*loop));
    }
  }
  bool optional = Flag(stage, "optional");
  if (const std::optional<object> times = Object(stage, "times")) {
    const int from = static_cast<int>(*Number(*times, "from"));
    const int to = static_cast<int>(*Number(*times, "to"));
    // The form in which the vectors write Times(0, n).
    pattern.Times(optional && from == 1 ? 0 : from, to, Window(*times));
    if (from == 1) optional = false;
  }
  const std::string inner = Text(stage, "inner");
  if (inner == "strict") pattern.Consecutive();
  if (inner == "any") pattern.AllowCombinations();
  if (optional) pattern.Optional();
  if (Flag(stage, "greedy")) pattern.Greedy();
}

StatusOr<EventPattern> ReadStages(array stages, const AfterMatchSkipStrategy& skip) {
  std::optional<EventPattern> pattern;
  for (element item : stages) {
    object stage = item.get_object();
    const std::string op = Text(stage, "op");
    if (const std::optional<array> group = Array(stage, "group")) {
      EAGRE_ASSIGN_OR_RETURN(const EventPattern content, ReadStages(*group, AfterMatchSkipStrategy::NoSkip()));
      EAGRE_RETURN_IF_ERROR(AddStage(pattern, op, content, skip));
    } else {
      EAGRE_RETURN_IF_ERROR(AddStage(pattern, op, Text(stage, "name"), skip));
    }
    if (const std::string where = Text(stage, "where"); !where.empty()) {
      EAGRE_ASSIGN_OR_RETURN(auto condition, ParseCondition(where));
      pattern->Where(std::move(condition));
    }
    AddQuantifiers(stage, *pattern);
    if (const std::string until = Text(stage, "until"); !until.empty()) {
      EAGRE_ASSIGN_OR_RETURN(auto condition, ParseCondition(until));
      pattern->Until(std::move(condition));
    }
    if (const auto within = Number(stage, "within_ms")) pattern->Within(milliseconds(*within));
    if (const auto within = Number(stage, "within_prev_ms")) {
      pattern->Within(milliseconds(*within), WithinType::kPreviousAndCurrent);
    }
  }
  return *pattern;
}

// One builder call of kind `reject`: its name, then arguments.
class BuilderCall {
 public:
  explicit BuilderCall(array call) {
    for (element part : call) parts_.push_back(part);
  }
  std::string name() const { return TextAt(0); }
  size_t arguments() const { return parts_.size() - 1; }
  bool IsArray(size_t i) const { return parts_[i].is_array(); }
  bool IsObject(size_t i) const { return i < parts_.size() && parts_[i].is_object(); }
  array ArrayAt(size_t i) const { return parts_[i].get_array(); }
  object ObjectAt(size_t i) const { return parts_[i].get_object(); }
  int64_t NumberAt(size_t i) const { return parts_[i].get_int64(); }
  std::string TextAt(size_t i) const {
    std::string_view text;
    return parts_[i].get(text) == simdjson::SUCCESS ? std::string(text) : "";
  }
  std::optional<milliseconds> WindowAt(size_t i) const { return IsObject(i) ? Window(ObjectAt(i)) : std::nullopt; }

 private:
  std::vector<element> parts_;
};

bool ReplayQuantifier(const BuilderCall& call, EventPattern& pattern) {
  const std::string name = call.name();
  const auto number = [&](size_t i) { return static_cast<int>(call.NumberAt(i)); };
  if (name == "oneOrMore") {
    pattern.OneOrMore(call.WindowAt(1));
  } else if (name == "timesOrMore") {
    pattern.TimesOrMore(number(1), call.WindowAt(2));
  } else if (name == "times" && call.arguments() >= 2 && !call.IsObject(2)) {
    pattern.Times(number(1), number(2), call.WindowAt(3));
  } else if (name == "times") {
    pattern.Times(number(1), call.WindowAt(2));
  } else if (name == "optional") {
    pattern.Optional();
  } else if (name == "greedy") {
    pattern.Greedy();
  } else if (name == "consecutive") {
    pattern.Consecutive();
  } else if (name == "allowCombinations") {
    pattern.AllowCombinations();
  } else if (name == "within") {
    const bool previous = call.arguments() > 1 && call.TextAt(2) == "PREVIOUS_AND_CURRENT";
    pattern.Within(milliseconds(call.NumberAt(1)),
                   previous ? WithinType::kPreviousAndCurrent : WithinType::kFirstAndLast);
  } else {
    return false;
  }
  return true;
}

Status Replay(const BuilderCall& call, std::optional<EventPattern>& pattern) {
  const std::string name = call.name();
  if (name == "where" || name == "or" || name == "until") {
    EAGRE_ASSIGN_OR_RETURN(auto condition, ParseCondition(call.TextAt(1)));
    if (name == "where") pattern->Where(std::move(condition));
    if (name == "or") pattern->Or(std::move(condition));
    if (name == "until") pattern->Until(std::move(condition));
    return OkStatus();
  }
  if (pattern && ReplayQuantifier(call, *pattern)) return OkStatus();
  AfterMatchSkipStrategy skip = AfterMatchSkipStrategy::NoSkip();
  if (call.IsObject(2)) {
    EAGRE_ASSIGN_OR_RETURN(skip, ReadSkip(call.ObjectAt(2)));
  }
  if (!call.IsArray(1)) return AddStage(pattern, name, call.TextAt(1), skip);
  EAGRE_ASSIGN_OR_RETURN(const EventPattern group, ReplayCalls(call.ArrayAt(1)));
  return AddStage(pattern, name, group, skip);
}

}  // namespace

std::string Text(object from, const char* field, const char* otherwise) {
  std::string_view text;
  return from[field].get(text) == simdjson::SUCCESS ? std::string(text) : otherwise;
}
bool Flag(object from, const char* field) {
  bool flag = false;
  return from[field].get(flag) == simdjson::SUCCESS && flag;
}
std::optional<int64_t> Number(object from, const char* field) {
  int64_t number = 0;
  return from[field].get(number) == simdjson::SUCCESS ? std::optional(number) : std::nullopt;
}
std::optional<object> Object(object from, const char* field) {
  object found;
  return from[field].get(found) == simdjson::SUCCESS ? std::optional(found) : std::nullopt;
}
std::optional<array> Array(object from, const char* field) {
  array found;
  return from[field].get(found) == simdjson::SUCCESS ? std::optional(found) : std::nullopt;
}
std::vector<element> Elements(object from, const char* field) {
  std::vector<element> elements;
  array found;
  if (from[field].get(found) != simdjson::SUCCESS) return elements;
  for (element item : found) elements.push_back(item);
  return elements;
}
int64_t Time(element value) {
  int64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS) return number;
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS && text == "MAX" ? INT64_MAX : INT64_MIN;
}

std::vector<TimedEvent> ReadEvents(object vector) {
  std::vector<TimedEvent> events;
  const std::optional<array> listed = Array(vector, "events");
  if (!listed) return events;
  for (element item : *listed) {
    object from = item.get_object();
    TimedEvent timed;
    timed.event.type = Text(from, "type", "Event");
    timed.event.name = Text(from, "name");
    timed.event.id = from["id"].get_double().value();
    timed.event.price = from["price"].get_double().value();
    double volume = 0;
    if (from["volume"].get(volume) == simdjson::SUCCESS) timed.event.volume = volume;
    timed.timestamp = Number(from, "ts").value_or(INT64_MIN);
    events.push_back(std::move(timed));
  }
  return events;
}

StatusOr<EventPattern> ReadPattern(object vector) {
  AfterMatchSkipStrategy skip = AfterMatchSkipStrategy::NoSkip();
  if (const std::optional<object> from = Object(vector, "skip")) {
    EAGRE_ASSIGN_OR_RETURN(skip, ReadSkip(*from));
  }
  const std::optional<array> stages = Array(vector, "pattern");
  if (!stages) return InvalidArgument("the vector has no pattern");
  return ReadStages(*stages, skip);
}

StatusOr<EventPattern> ReplayCalls(array calls) {
  std::optional<EventPattern> pattern;
  for (element item : calls) {
    const BuilderCall call(item.get_array());
    EAGRE_RETURN_IF_ERROR(Replay(call, pattern));
  }
  return *pattern;
}

std::string MapText(const StageEvents& match) {
  std::map<std::string, std::string> stages;
  for (const auto& [stage, events] : match) {
    if (events.empty()) continue;
    std::string& text = stages[stage];
    for (const VectorEvent& event : events) text += (text.empty() ? "" : " ") + TextOf(event);
  }
  std::string text;
  for (const auto& [stage, events] : stages) {
    if (!text.empty()) text += "; ";
    text.append(stage).append(": ").append(events);
  }
  return "{" + text + "}";
}

std::string ListText(const StageEvents& match) {
  std::vector<std::string> texts;
  for (const auto& [stage, events] : match) {
    for (const VectorEvent& event : events) texts.push_back(TextOf(event));
  }
  std::sort(texts.begin(), texts.end());
  return fmt::format("[{}]", fmt::join(texts, " "));
}

std::string MapText(object match, const std::vector<TimedEvent>& events) {
  StageEvents stages;
  for (const auto& [stage, indexes] : match) {
    auto& [name, taken] = stages.emplace_back(std::string(stage), std::vector<VectorEvent>());
    for (element index : indexes.get_array()) taken.push_back(events[index.get_uint64()].event);
  }
  return MapText(stages);
}

std::string ListText(array match, const std::vector<TimedEvent>& events) {
  StageEvents stages(1);
  for (element index : match) stages[0].second.push_back(events[index.get_uint64()].event);
  return ListText(stages);
}

std::string Difference(std::vector<std::string> expected, std::vector<std::string> actual, bool exact) {
  if (!exact) {
    std::sort(expected.begin(), expected.end());
    std::sort(actual.begin(), actual.end());
  }
  if (expected == actual) return "";
  return fmt::format("expected [{}], got [{}]", fmt::join(expected, ", "), fmt::join(actual, ", "));
}

}  // namespace eagre::vectors
