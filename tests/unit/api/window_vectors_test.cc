// Conformance with Flink's window operator: runs the vectors of a directory (tests/vectors/windows;
// EAGRE_WINDOW_VECTORS names another) that use what there is: tumbling event-time windows without lateness, evictors
// and custom triggers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "eagre/operators/window_operator.h"
#include "eagre/testing/operator_harness.h"
#include "tests/testing/paths.h"

namespace eagre {

struct VectorElement {
  std::string key;
  int64_t value = 0;
};
EAGRE_RECORD(VectorElement, key, value);

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

std::string VectorDirectory() {
  const char* directory = std::getenv("EAGRE_WINDOW_VECTORS");
  return directory != nullptr ? directory : SourcePath("tests/vectors/windows");
}

std::string Text(object from, const char* field, const char* otherwise = "") {
  std::string_view text;
  return from[field].get(text) == simdjson::SUCCESS ? std::string(text) : otherwise;
}
int64_t Number(object from, const char* field, int64_t otherwise = 0) {
  int64_t number = 0;
  return from[field].get(number) == simdjson::SUCCESS ? number : otherwise;
}

simdjson::dom::array Array(object from, const char* field) {
  return from[field].get_array();
}
object Object(object from, const char* field) {
  return from[field].get_object();
}

TumblingEventTimeWindows WindowsOf(object assigner) {
  return Tumbling(std::chrono::milliseconds(Number(assigner, "size_ms")),
                  std::chrono::milliseconds(Number(assigner, "offset_ms")));
}

bool IsTumblingEventTime(object vector) {
  object assigner;
  return vector["assigner"].get(assigner) == simdjson::SUCCESS && Text(assigner, "kind") == "tumbling" &&
         Text(assigner, "time") == "event";
}

// True for operator vectors that use only what the operator offers.
bool Applies(object vector) {
  if (!IsTumblingEventTime(vector) || Number(vector, "lateness_ms") != 0) return false;
  if (vector["evictor"].error() == simdjson::SUCCESS) return false;
  object trigger;
  if (vector["trigger"].get(trigger) != simdjson::SUCCESS) return false;
  object inner;
  if (Text(trigger, "kind") == "purging" && trigger["inner"].get(inner) == simdjson::SUCCESS) trigger = inner;
  if (Text(trigger, "kind") != "event_time") return false;
  for (element step : Array(vector, "steps")) {
    if (Text(step.get_object(), "do") == "snapshot_restore") return false;
  }
  return true;
}

// A row as the vectors write it.
std::string Row(const std::string& key, int64_t value) {
  return fmt::format("[\"{}\",{}]", key, value);
}

void EmitRows(const std::string& function, const std::string& key, const TimeWindow& window,
              const std::vector<VectorElement>& elements, Collector<std::string>& out) {
  int64_t sum = 0;
  std::string list;
  for (const VectorElement& e : elements) {
    sum += e.value;
    list += (list.empty() ? "" : ",") + Row(e.key, e.value);
    if (function == "values") out.Collect(Row(e.key, e.value));
  }
  if (function == "sum") out.Collect(Row(key, sum));
  if (function == "session") out.Collect(fmt::format("[\"{}\",{},{},{}]", key, sum, window.start, window.end));
  if (function == "list") out.Collect("[" + list + "]");
}

std::unique_ptr<Operator> OperatorOf(object vector) {
  const std::string function = Text(vector, "function");
  const object assigner = Object(vector, "assigner");
  auto keys = std::make_unique<SelectorKeyExtractor<VectorElement, std::string, std::string VectorElement::*>>(
      &VectorElement::key);
  if (Text(vector, "state") == "reduce") {
    return MakeKeyedWindowOperator<VectorElement, std::string>(
        WindowsOf(assigner), std::move(keys),
        FoldByReduce<VectorElement>([](VectorElement& sum, const VectorElement& e) { sum.value += e.value; }),
        EmitByFunction([function](const std::string& key, const TimeWindow& window, const VectorElement& sum,
                                  Collector<std::string>& out) { EmitRows(function, key, window, {sum}, out); }));
  }
  return MakeKeyedWindowOperator<VectorElement, std::string>(
      WindowsOf(assigner), std::move(keys), FoldByBuffering<VectorElement>(),
      EmitByFunction([function](const std::string& key, const TimeWindow& window,
                                const std::vector<VectorElement>& elements,
                                Collector<std::string>& out) { EmitRows(function, key, window, elements, out); }));
}

// Output as lines: the rows between two watermarks in a canonical order, since theirs is free.
std::vector<std::string> Canonical(std::vector<std::string> lines) {
  auto begin = lines.begin();
  for (auto line = lines.begin(); line != lines.end(); ++line) {
    if (line->starts_with("watermark")) {
      std::sort(begin, line);
      begin = line + 1;
    }
  }
  std::sort(begin, lines.end());
  return lines;
}

std::vector<std::string> Expected(simdjson::dom::array output) {
  std::vector<std::string> lines;
  for (element item : output) {
    int64_t watermark = 0;
    if (item["watermark"].get(watermark) == simdjson::SUCCESS) {
      lines.push_back(fmt::format("watermark {}", watermark));
    } else {
      lines.push_back(fmt::format("{} @ {}", std::string(simdjson::minify(item["row"].value())), Number(item, "ts")));
    }
  }
  return Canonical(std::move(lines));
}

std::vector<std::string> Actual(OperatorHarness& harness) {
  std::vector<std::string> lines;
  for (const auto& item : harness.TakeAll<std::string>()) {
    lines.push_back(item.event ? fmt::format("watermark {}", item.timestamp)
                               : fmt::format("{} @ {}", item.value, item.timestamp));
  }
  return Canonical(std::move(lines));
}

void RunVector(object vector, HarnessMode mode) {
  OperatorHarness harness(mode, OperatorOf(vector));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  double late = 0;
  for (element item : Array(vector, "steps")) {
    object step = item.get_object();
    const std::string action = Text(step, "do");
    if (action == "element") {
      ASSERT_TRUE(harness.Push<VectorElement>({{{Text(step, "key"), Number(step, "value")}, Number(step, "ts")}}).ok());
    } else if (action == "watermark") {
      ASSERT_TRUE(harness.Watermark(Number(step, "ts")).ok());
    } else if (action == "expect") {
      EXPECT_EQ(Actual(harness), Expected(Array(step, "output")));
    } else if (action == "expect_late") {
      late += static_cast<double>(Array(step, "output").size());
      EXPECT_EQ(harness.context().MetricValue("numLateRecordsDropped"), late);
    } else {
      FAIL() << "unknown step " << action;
    }
  }
}

void CheckAssignedWindows(object vector) {
  const TumblingEventTimeWindows windows = WindowsOf(Object(vector, "assigner"));
  ASSERT_TRUE(windows.Validate().ok());
  for (element item : Array(vector, "cases")) {
    object one = item.get_object();
    const TimeWindow window = windows.WindowOf(Number(one, "ts"));
    EXPECT_EQ(fmt::format("[[{},{}]]", window.start, window.end),
              std::string(simdjson::minify(one["windows"].value())));
  }
}

struct Ran {
  int operators = 0;
  int assigners = 0;
};

void RunOne(object vector, HarnessMode mode, Ran& ran) {
  const std::string kind = Text(vector, "kind");
  if (kind.empty() && Applies(vector)) {
    ++ran.operators;
    RunVector(vector, mode);
  } else if (kind == "reject" && IsTumblingEventTime(vector)) {
    ++ran.assigners;
    EXPECT_FALSE(WindowsOf(Object(vector, "assigner")).Validate().ok());
  } else if (kind == "assign" && IsTumblingEventTime(vector)) {
    ++ran.assigners;
    CheckAssignedWindows(vector);
  }
}

// What is malformed fails alone; the others run.
void RunFile(const std::filesystem::path& file, HarnessMode mode, Ran& ran) {
  simdjson::dom::parser parser;
  element document;
  ASSERT_EQ(parser.load(file.string()).get(document), simdjson::SUCCESS) << file;
  simdjson::dom::array vectors;
  ASSERT_EQ(document["vectors"].get(vectors), simdjson::SUCCESS) << file;
  size_t i = 0;
  for (element item : vectors) {
    SCOPED_TRACE(fmt::format("{}: vectors[{}]", file.filename().string(), i++));
    try {
      object vector = item.get_object();
      SCOPED_TRACE(Text(vector, "name"));
      RunOne(vector, mode, ran);
    } catch (const simdjson::simdjson_error& error) {
      ADD_FAILURE() << "is malformed: " << error.what();
    }
  }
}

class WindowVectorsTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, WindowVectorsTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(WindowVectorsTest, AgreesWithFlink) {
  Ran ran;
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(VectorDirectory())) {
    if (file.path().extension() == ".json") files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) RunFile(file, GetParam(), ran);
  RecordProperty("operator_vectors", ran.operators);
  if (std::getenv("EAGRE_WINDOW_VECTORS") == nullptr) {
    EXPECT_GE(ran.operators, 3);
    EXPECT_GE(ran.assigners, 4);
  }
}

}  // namespace
}  // namespace eagre
