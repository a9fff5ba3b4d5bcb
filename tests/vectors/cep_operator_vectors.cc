// Kind `operator`: the sort and the pattern's operator, in all modes of the harness.
#include <algorithm>
#include <charconv>
#include <set>

#include "cep/automaton.h"
#include "tests/vectors/cep_vectors.h"
#include "tests/vectors/operator_rig.h"
#include "tests/vectors/vector_expression.h"

namespace eagre::vectors {
namespace {

std::function<bool(const VectorEvent&, const VectorEvent&)> ReadComparator(object vector) {
  struct Field {
    std::string name;
    bool descending;
  };
  std::vector<Field> order;
  for (element item : Elements(vector, "comparator")) {
    object field = item.get_object();
    order.push_back({Text(field, "field"), Flag(field, "desc")});
  }
  if (order.empty()) return nullptr;
  return [order](const VectorEvent& a, const VectorEvent& b) {
    for (const Field& field : order) {
      const Value left = FieldOf(a, field.name);
      const Value right = FieldOf(b, field.name);
      if (left != right) return field.descending ? right < left : left < right;
    }
    return false;
  };
}

StageEvents ByStage(const FoundMatch& match) {
  StageEvents stages;
  for (size_t i = 0; i < match.events.size(); ++i) {
    if (stages.empty() || stages.back().first != match.stages[i]) stages.push_back({match.stages[i], {}});
    stages.back().second.push_back(match.events[i]);
  }
  return stages;
}

class OperatorRun {
 public:
  OperatorRun(std::shared_ptr<const cep::Automaton> automaton, object vector, HarnessMode mode)
      : vector_(vector), events_(ReadEvents(vector)), rig_(std::move(automaton), OptionsOf(vector), mode) {
    for (element expression : Elements(vector, "project")) {
      projection_.push_back(*ParseExpression(expression.get_string().value()));
    }
    timeout_projection_ = projection_;
    if (const std::optional<array> own = Array(vector, "timeout_project")) {
      timeout_projection_.clear();
      for (element expression : *own) timeout_projection_.push_back(*ParseExpression(expression.get_string().value()));
    }
  }

  Outcome Run() {
    for (element step : Elements(vector_, "steps")) {
      const StatusOr<std::string> failure = RunStep(step.get_object());
      if (!failure.ok()) {
        if (Object(vector_, "expect_error")) return {};
        return Outcome::Of(std::string(StatusMessage(failure.status())));
      }
      if (!failure->empty()) return Outcome::Of(*failure);
    }
    if (Object(vector_, "expect_error")) return Outcome::Of("expected a failure, but all went well");
    TakeOutput();
    if (const std::optional<array> expected = Array(vector_, "expect_output")) {
      const bool exact = Text(vector_, "output_order", "exact") == "exact";
      if (std::string failure = CheckOutput(*expected, output_, exact); !failure.empty()) return Outcome::Of(failure);
    }
    return Outcome::Of(CheckSides());
  }

 private:
  using Output = OperatorRig::Output;
  using Projection = std::vector<std::shared_ptr<const Expression>>;

  static RigOptions OptionsOf(object vector) {
    RigOptions options{.processing_time = Text(vector, "time") == "processing",
                       .keyed = !Text(vector, "key").empty(),
                       .key_field = Text(vector, "key"),
                       .late_output = Flag(vector, "late_output"),
                       .timeouts = Flag(vector, "handle_timeouts"),
                       .less = ReadComparator(vector),
                       .config = {{"cep.timers-as-flink", "true"}}};
    if (const std::optional<object> sides = Object(vector, "expect_side")) {
      options.timeouts |= Array(*sides, "timeout").has_value();
    }
    return options;
  }

  StatusOr<std::string> RunStep(object step) {
    const std::string action = Text(step, "do");
    if (action == "check") return Check(step);
    Status status;
    if (action == "element") {
      status = rig_.Element(events_[*Number(step, "e")]);
    } else if (action == "watermark") {
      status = rig_.Watermark(Time(step["ts"]));
    } else if (action == "proctime") {
      status = rig_.ProcessingTime(Time(step["ts"]));
    } else if (action == "snapshot_restore") {
      std::optional<std::set<std::string>> keep;
      if (const std::optional<array> keys = Array(step, "keep_keys")) {
        keep.emplace();
        for (element key : *keys) keep->insert(KeyText(key));
      }
      status = rig_.SnapshotAndRestore(keep);
    } else {
      return InvalidArgument("unknown step {}", action);
    }
    EAGRE_RETURN_IF_ERROR(status);
    return std::string();
  }

  // As the rig writes keys.
  std::string KeyText(element key) const {
    double number = 0;
    std::string_view text;
    if (key.get(text) == simdjson::SUCCESS) return KeyText(text);
    return key.get(number) == simdjson::SUCCESS ? fmt::format("{}", number) : "null";
  }
  std::string KeyText(std::string_view key) const {
    const std::string field = Text(vector_, "key");
    double number = 0;
    const bool numeric = field == "id" || field == "price" || field == "volume";
    const auto [end, failure] = std::from_chars(key.data(), key.data() + key.size(), number);
    const bool whole = failure == std::errc() && end == key.data() + key.size();
    return numeric && whole ? fmt::format("{}", number) : std::string(key);
  }

  std::string Check(object step) {
    if (const std::optional<object> buffered = Object(step, "buffered")) {
      for (const auto& [key, count] : *buffered) {
        const size_t actual = rig_.Buffered(KeyText(key));
        if (actual != count.get_uint64().value()) {
          return fmt::format("buffered of key '{}': expected {}, got {}", std::string(key), count.get_uint64().value(),
                             actual);
        }
      }
    }
    if (const std::optional<object> holds = Object(step, "holds_partials")) {
      for (const auto& [key, expected] : *holds) {
        if (rig_.HoldsPartials(KeyText(key)) != expected.get_bool().value()) {
          return fmt::format("key '{}' is to hold partial matches: {}", std::string(key), expected.get_bool().value());
        }
      }
    }
    if (const auto late = Number(step, "late_dropped"); late && *late != rig_.LateDropped()) {
      return fmt::format("late: expected {}, got {}", *late, rig_.LateDropped());
    }
    const size_t before = checked_;
    TakeOutput();
    const std::optional<array> expected = Array(step, "new_output");
    if (!expected) return "";
    checked_ = output_.size();
    return CheckOutput(*expected, {output_.begin() + static_cast<ptrdiff_t>(before), output_.end()},
                       Text(step, "new_output_order", "exact") == "exact");
  }

  void TakeOutput() {
    for (Output& output : rig_.TakeOutput()) output_.push_back(std::move(output));
  }

  // Watermarks count only where some are expected, and times of matches likewise.
  std::string CheckOutput(array expected, const std::vector<Output>& actual, bool exact) const {
    bool watermarks = false;
    bool times = false;
    bool lists = false;
    bool rows = false;
    std::vector<std::string> wanted;
    for (element item : expected) {
      object output = item.get_object();
      watermarks |= output["watermark"].error() == simdjson::SUCCESS;
      times |= output["ts"].error() == simdjson::SUCCESS;
      lists |= output["list"].error() == simdjson::SUCCESS;
      rows |= output["row"].error() == simdjson::SUCCESS;
      wanted.push_back(ExpectedText(output));
    }
    std::vector<std::string> found;
    for (const Output& output : actual) {
      if (output.watermark) {
        if (watermarks) found.push_back(WatermarkText(output.timestamp));
      } else {
        std::string text = lists  ? ListText(ByStage(output.match))
                           : rows ? RowText(output.match, projection_)
                                  : MapText(ByStage(output.match));
        if (times) text += fmt::format(" @{}", TimeOf(output));
        found.push_back(std::move(text));
      }
    }
    return Difference(wanted, found, exact);
  }

  // In processing time records have no time, so what the function was told counts.
  int64_t TimeOf(const Output& output) const {
    return Text(vector_, "time") == "processing" ? output.match.timestamp : output.timestamp;
  }

  static std::string WatermarkText(int64_t timestamp) { return fmt::format("watermark {}", timestamp); }

  std::string ExpectedText(object output) const {
    if (output["watermark"].error() == simdjson::SUCCESS) return WatermarkText(Time(output["watermark"]));
    std::string text;
    if (const std::optional<object> match = Object(output, "match")) text = MapText(*match, events_);
    if (const std::optional<array> list = Array(output, "list")) text = ListText(*list, events_);
    if (const std::optional<array> row = Array(output, "row")) {
      std::vector<std::string> values;
      for (element value : *row) values.push_back(ExpectedValue(value));
      text = fmt::format("({})", fmt::join(values, ", "));
    }
    if (const auto timestamp = Number(output, "ts")) text += fmt::format(" @{}", *timestamp);
    return text;
  }

  static std::string ExpectedValue(element value) {
    double number = 0;
    if (value.get(number) == simdjson::SUCCESS) return TextOf(Value(number));
    bool truth = false;
    if (value.get(truth) == simdjson::SUCCESS) return TextOf(Value(truth));
    std::string_view text;
    return TextOf(value.get(text) == simdjson::SUCCESS ? Value(std::string(text)) : Value());
  }

  static std::string RowText(const FoundMatch& match, const Projection& projection) {
    Scope scope{.timestamp = static_cast<double>(match.timestamp),
                .processing_time = static_cast<double>(match.processing_time)};
    scope.taken = [&](std::string_view stage) {
      std::vector<const VectorEvent*> events;
      for (size_t i = 0; i < match.events.size(); ++i) {
        if (match.stages[i] == stage) events.push_back(&match.events[i]);
      }
      return events;
    };
    std::vector<std::string> values;
    for (const auto& expression : projection) values.push_back(TextOf(expression->Evaluate(scope)));
    return fmt::format("({})", fmt::join(values, ", "));
  }

  std::string CheckSides() {
    const std::optional<object> sides = Object(vector_, "expect_side");
    if (!sides) return "";
    std::vector<std::string> expected;
    std::vector<std::string> actual;
    bool rows = false;
    bool times = false;
    for (element item : Elements(*sides, "timeout")) {
      object output = item.get_object();
      rows |= output["row"].error() == simdjson::SUCCESS;
      times |= output["ts"].error() == simdjson::SUCCESS;
      expected.push_back(ExpectedText(output));
    }
    for (const Output& output : rig_.TakeTimeouts()) {
      std::string text = rows ? RowText(output.match, timeout_projection_) : MapText(ByStage(output.match));
      if (times) text += fmt::format(" @{}", TimeOf(output));
      actual.push_back(std::move(text));
    }
    if (std::string failure = Difference(expected, actual, false); !failure.empty()) return "time-outs: " + failure;
    expected.clear();
    actual.clear();
    for (element item : Elements(*sides, "late")) {
      expected.push_back(TextOf(events_[*Number(item.get_object(), "event")].event));
    }
    for (const TimedEvent& late : rig_.TakeLate()) actual.push_back(TextOf(late.event));
    const std::string failure = Difference(expected, actual, false);
    return failure.empty() ? "" : "late events: " + failure;
  }

  object vector_;
  const std::vector<TimedEvent> events_;
  OperatorRig rig_;
  Projection projection_;
  Projection timeout_projection_;
  std::vector<Output> output_;
  size_t checked_ = 0;  // output that a check has seen
};

}  // namespace

Outcome RunOperatorVector(object vector) {
  const StatusOr<EventPattern> pattern = ReadPattern(vector);
  if (!pattern.ok()) return Outcome::Of(std::string(StatusMessage(pattern.status())));
  const StatusOr<std::shared_ptr<const cep::Automaton>> automaton = cep::Automaton::Compile(pattern->description());
  if (!automaton.ok()) return Outcome::Of("refused: " + std::string(StatusMessage(automaton.status())));
  for (const HarnessMode mode : kAllHarnessModes) {
    Outcome outcome = OperatorRun(*automaton, vector, mode).Run();
    if (outcome.verdict != Outcome::Verdict::kPass) return outcome;
  }
  return {};
}

}  // namespace eagre::vectors
