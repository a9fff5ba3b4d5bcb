#include "tests/vectors/vector_check.h"

#include <algorithm>
#include <array>

#include "tests/vectors/form_check.h"
#include "tests/vectors/vector_expression.h"

namespace eagre::vectors {
namespace {

using form::Anything;
using form::Count;
using form::Flag;
using form::Int;
using form::Number;
using form::Text;
using form::Time;
using form::Whole;
using Shape = FormCheck::Shape;

// The rules need to know how many events the vector has.
class VectorForm : public FormCheck {
 public:
  explicit VectorForm(size_t events) : events(events) {}
  const size_t events;
};

size_t SizeOf(element list) {
  return list.is_array() ? list.get_array().size() : 0;
}

FormCheck::Field Needed(const char* name, FormCheck::Rule rule, Shape shape = Shape::kOne) {
  return FormCheck::Needed(name, rule, shape);
}

// Of one field among those that `Fields` has seen.
void OneOf(FormCheck& check, element from, const std::string& field, FormCheck::Words words) {
  if (!FormCheck::Has(from, field)) return;
  check.At("." + field, [&] { check.ExpectOneOf(from[field].value(), words); });
}

void Order(FormCheck& check, element item) {
  check.ExpectOneOf(item, {"any", "exact"});
}

void Index(FormCheck& check, element item) {
  const size_t events = static_cast<VectorForm&>(check).events;
  uint64_t index = 0;
  check.Expect(
      item.get(index) == simdjson::SUCCESS && index < events,
      events == 0 ? "no event, since the vector has none" : fmt::format("the index of an event, 0 to {}", events - 1),
      item);
}

void Indexes(FormCheck& check, element item) {
  check.Each(item, Index);
}

void Match(FormCheck& check, element item) {
  check.EachValue(item, Indexes);
}

void EventField(FormCheck& check, element item) {
  check.Expect(IsField(FormCheck::TextOf(item)), "a field of the events", item);
}

void Formula(FormCheck& check, element item) {
  if (!item.is_string()) return Text(check, item);
  const auto parsed = ParseExpression(FormCheck::TextOf(item));
  if (!parsed.ok()) check.Fail(StatusMessage(parsed.status()));
}

void Event(FormCheck& check, element item) {
  check.Fields(item, {{"ts", Whole},
                      Needed("id", Number),
                      Needed("name", Text),
                      Needed("price", Number),
                      {"type", Text},
                      {"volume", Number}});
}

// --- patterns

void Window(FormCheck& check, element item) {
  check.Fields(item, {{"window_ms", Whole}});
}

void Loop(FormCheck& check, element item) {
  check.Fields(item, {Needed("from", Int), {"window_ms", Whole}});
}

void Times(FormCheck& check, element item) {
  check.Fields(item, {Needed("from", Int), Needed("to", Int), {"window_ms", Whole}});
}

void Skip(FormCheck& check, element item) {
  check.Fields(item, {Needed("strategy", Text), {"to", Text}, {"throw_on_miss", Flag}});
  OneOf(check, item, "strategy", {"NO_SKIP", "SKIP_TO_NEXT", "SKIP_PAST_LAST_EVENT", "SKIP_TO_FIRST", "SKIP_TO_LAST"});
  const std::string_view strategy = FormCheck::TextIn(item, "strategy");
  const bool to_stage = strategy == "SKIP_TO_FIRST" || strategy == "SKIP_TO_LAST";
  if (to_stage && !FormCheck::Has(item, "to")) check.At(".to", [&] { check.Fail("is missing: the stage to skip to"); });
}

void Stage(FormCheck& check, element item, bool first);

void Stages(FormCheck& check, element item) {
  if (SizeOf(item) == 0) return check.Expect(false, "at least one stage", item);
  size_t i = 0;
  for (const element stage : item.get_array()) {
    check.At(fmt::format("[{}]", i), [&] { Stage(check, stage, i == 0); });
    ++i;
  }
}

void Stage(FormCheck& check, element item, bool first) {
  check.Fields(item, {Needed("op", Text),
                      {"name", Text},
                      {"group", Stages},
                      {"where", Formula},
                      {"loop", Loop},
                      {"times", Times},
                      {"inner", Text},
                      {"optional", Flag},
                      {"greedy", Flag},
                      {"until", Formula},
                      {"within_ms", Whole},
                      {"within_prev_ms", Whole}});
  if (!check.ok()) return;
  if (first) {
    OneOf(check, item, "op", {"begin"});
  } else {
    OneOf(check, item, "op", {"next", "followedBy", "followedByAny", "notNext", "notFollowedBy"});
  }
  OneOf(check, item, "inner", {"strict", "any"});
  const bool group = FormCheck::Has(item, "group");
  if (group == FormCheck::Has(item, "name")) check.Fail("expected either a name or a group");
  if (group && FormCheck::TextIn(item, "op").starts_with("not")) check.Fail("a NOT takes a stage, not a group");
}

// --- kind `match`

void Expected(FormCheck& check, element item) {
  check.Fields(item, {{"order", Order},
                      {"count", Count},
                      {"stage_order", Text, Shape::kList},
                      {"matches", Anything, Shape::kList},
                      {"form", Text}});
  check.NeedOneOf(item, {"matches", "count", "stage_order"});
  if (!check.ok() || !FormCheck::Has(item, "matches")) return;
  check.Fields(item, {Needed("form", Text)});
  OneOf(check, item, "form", {"lists", "maps"});
  const bool lists = FormCheck::TextIn(item, "form") == "lists";
  check.Fields(item, {{"matches", lists ? Indexes : Match, Shape::kList}});
}

void TimeOut(FormCheck& check, element item) {
  check.Fields(item, {Needed("match", Match), Needed("ts", Whole)});
}

void TimeOuts(FormCheck& check, element item) {
  check.Fields(item, {{"order", Order}, {"distinct", Flag}, Needed("items", TimeOut, Shape::kList)});
}

void After(FormCheck& check, element item) {
  check.Fields(item, {{"partials", Count}, {"buffer_empty", Flag}, {"buffered_events", Count}});
  check.NeedOneOf(item, {"partials", "buffer_empty", "buffered_events"});
}

void RunError(FormCheck& check, element item) {
  check.Fields(item, {Needed("phase", Text), {"kind", Text}});
  OneOf(check, item, "phase", {"run"});
}

void MatchStep(FormCheck& check, element item) {
  check.Fields(item, {Needed("do", Text),
                      {"proctime", Whole},
                      {"expect", Expected},
                      {"from_step", Count},
                      {"partials", Count},
                      {"reset_changed", Flag},
                      {"changed", Flag},
                      {"some_timeouts", Flag}});
  OneOf(check, item, "do", {"event", "process", "advance"});
  if (!check.ok()) return;
  check.Fields(item, {FormCheck::TextIn(item, "do") == "advance" ? Needed("ts", Time) : Needed("e", Index)});
}

void MatchVector(FormCheck& check, element item) {
  check.Fields(item, {Needed("events", Event, Shape::kList),
                      Needed("pattern", Stages),
                      {"skip", Skip},
                      {"handle_timeouts", Flag},
                      {"steps", MatchStep, Shape::kList},
                      {"expect", Expected},
                      {"expect_timeouts", TimeOuts},
                      {"after", After},
                      {"expect_error", RunError}});
}

// --- kind `reject`

void Calls(FormCheck& check, element item);

void StageOrGroup(FormCheck& check, element item) {
  if (item.is_array()) return Calls(check, item);
  check.Expect(item.is_string(), "a stage's name, or the calls of a group", item);
}

void IntOrWindow(FormCheck& check, element item) {
  return item.is_object() ? Window(check, item) : Int(check, item);
}

void WithinType(FormCheck& check, element item) {
  check.ExpectOneOf(item, {"FIRST_AND_LAST", "PREVIOUS_AND_CURRENT"});
}

struct BuilderCall {
  std::string_view name;
  size_t needed = 0;                           // arguments
  std::array<FormCheck::Rule, 3> arguments{};  // null: no more of them
};
constexpr BuilderCall kBuilderCalls[] = {{"begin", 1, {StageOrGroup, Skip}},
                                         {"next", 1, {StageOrGroup}},
                                         {"followedBy", 1, {StageOrGroup}},
                                         {"followedByAny", 1, {StageOrGroup}},
                                         {"notNext", 1, {Text}},
                                         {"notFollowedBy", 1, {Text}},
                                         {"where", 1, {Formula}},
                                         {"or", 1, {Formula}},
                                         {"until", 1, {Formula}},
                                         {"oneOrMore", 0, {Window}},
                                         {"timesOrMore", 1, {Int, Window}},
                                         {"times", 1, {Int, IntOrWindow, Window}},
                                         {"within", 1, {Whole, WithinType}},
                                         {"optional"},
                                         {"greedy"},
                                         {"consecutive"},
                                         {"allowCombinations"}};

void Call(FormCheck& check, element item, bool first) {
  if (SizeOf(item) == 0) return check.Expect(false, "a call: its name, then its arguments", item);
  const std::string_view name = FormCheck::TextOf(item.at(0).value());
  const BuilderCall* call = std::find_if(std::begin(kBuilderCalls), std::end(kBuilderCalls),
                                         [&](const BuilderCall& known) { return known.name == name; });
  if (call == std::end(kBuilderCalls)) return check.Expect(false, "a call of the builder", item);
  if (first != (name == "begin"))
    return check.Expect(false, first ? "begin first" : "begin only as the first call", item);
  const size_t count = item.get_array().size() - 1;
  const auto most =
      static_cast<size_t>(std::find(call->arguments.begin(), call->arguments.end(), nullptr) - call->arguments.begin());
  if (count < call->needed || count > most) {
    return check.Expect(false, fmt::format("{} to {} arguments", call->needed, most), item);
  }
  for (size_t i = 0; i < count; ++i) {
    check.At(fmt::format("[{}]", i + 1), [&] { call->arguments[i](check, item.at(i + 1).value()); });
  }
}

void Calls(FormCheck& check, element item) {
  if (SizeOf(item) == 0) return check.Expect(false, "at least one call", item);
  size_t i = 0;
  for (const element call : item.get_array()) {
    check.At(fmt::format("[{}]", i), [&] { Call(check, call, i == 0); });
    ++i;
  }
}

void RejectError(FormCheck& check, element item) {
  check.Fields(item, {Needed("phase", Text), Needed("kind", Text)});
  OneOf(check, item, "phase", {"build", "compile"});
  OneOf(check, item, "kind", {"malformed", "argument", "unsupported"});
}

void RejectVector(FormCheck& check, element item) {
  check.Fields(item, {Needed("calls", Calls), Needed("expect_error", RejectError)});
}

// --- kind `compile`

void GraphEdge(FormCheck& check, element item) {
  if (SizeOf(item) < 2) return check.Expect(false, "an edge: its kind and its target", item);
  check.Each(item, Text);
}

void GraphState(FormCheck& check, element item) {
  check.Fields(item, {{"kind", Text}, {"edges", GraphEdge, Shape::kList}});
}

void Compiled(FormCheck& check, element item) {
  check.Fields(item, {{"window_ms", Whole},
                      {"can_be_empty", Flag},
                      {"prev_windows", Whole, Shape::kMap},
                      {"graph", GraphState, Shape::kMap}});
  check.NeedOneOf(item, {"window_ms", "prev_windows", "can_be_empty", "graph", "states_named"});
}

void CompileVector(FormCheck& check, element item) {
  check.Fields(item, {Needed("pattern", Stages), {"skip", Skip}, Needed("expect", Compiled)});
}

// --- kind `operator`

void Key(FormCheck& check, element item) {
  check.Expect(item.is_string() || item.is_number(), "a key, a text or a number", item);
}

void ComparatorField(FormCheck& check, element item) {
  check.Fields(item, {Needed("field", EventField), {"desc", Flag}});
}

void Output(FormCheck& check, element item) {
  check.Fields(
      item, {{"match", Match}, {"list", Indexes}, {"row", Anything, Shape::kList}, {"watermark", Time}, {"ts", Whole}});
  check.NeedOneOf(item, {"match", "list", "row", "watermark"});
}

void LateEvent(FormCheck& check, element item) {
  check.Fields(item, {Needed("event", Index)});
}

void Sides(FormCheck& check, element item) {
  check.Fields(item, {{"timeout", Output, Shape::kList}, {"late", LateEvent, Shape::kList}});
  check.NeedOneOf(item, {"timeout", "late"});
}

void OperatorStep(FormCheck& check, element item) {
  check.Fields(item, {Needed("do", Text)});
  OneOf(check, item, "do", {"element", "watermark", "proctime", "snapshot_restore", "check"});
  if (!check.ok()) return;
  const std::string_view action = FormCheck::TextIn(item, "do");
  if (action == "element") return check.Fields(item, {Needed("e", Index)});
  if (action == "watermark" || action == "proctime") return check.Fields(item, {Needed("ts", Time)});
  if (action == "snapshot_restore") return check.Fields(item, {{"keep_keys", Key, Shape::kList}});
  check.Fields(item, {{"buffered", Count, Shape::kMap},
                      {"holds_partials", Flag, Shape::kMap},
                      {"late_dropped", Count},
                      {"new_output", Output, Shape::kList},
                      {"new_output_order", Order}});
}

void OperatorVector(FormCheck& check, element item) {
  check.Fields(item, {Needed("events", Event, Shape::kList),
                      Needed("pattern", Stages),
                      {"skip", Skip},
                      {"handle_timeouts", Flag},
                      {"time", Text},
                      {"key", EventField},
                      {"comparator", ComparatorField, Shape::kList},
                      {"late_output", Flag},
                      {"project", Formula, Shape::kList},
                      {"timeout_project", Formula, Shape::kList},
                      Needed("steps", OperatorStep, Shape::kList),
                      {"output_order", Order},
                      {"expect_output", Output, Shape::kList},
                      {"expect_side", Sides},
                      {"expect_error", RunError}});
  OneOf(check, item, "time", {"event", "processing"});
}

}  // namespace

Status CheckVector(element vector) {
  element events;
  const bool listed = vector["events"].get(events) == simdjson::SUCCESS;
  VectorForm check(listed ? SizeOf(events) : 0);
  check.Fields(vector, {Needed("name", Text), {"kind", Text}, {"tie_sensitive", Flag}});
  OneOf(check, vector, "kind", {"match", "reject", "compile", "operator", "sql", "sql_pattern", "sql_reject"});
  if (!check.ok()) return check.status();
  const std::string_view kind = FormCheck::TextIn(vector, "kind");
  if (kind.empty() || kind == "match") MatchVector(check, vector);
  if (kind == "reject") RejectVector(check, vector);
  if (kind == "compile") CompileVector(check, vector);
  if (kind == "operator") OperatorVector(check, vector);
  return check.status();
}

}  // namespace eagre::vectors
