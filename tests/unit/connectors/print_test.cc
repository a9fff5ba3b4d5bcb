#include "connectors/print/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "connectors/generator/generator.h"
#include "eagre/collect_sink.h"
#include "eagre/job.h"
#include "eagre/operators/sink_operator.h"
#include "eagre/testing/operator_harness.h"

namespace eagre {
namespace {

using testing::ElementsAre;

struct Pair {
  std::string name;
  int64_t value = 0;
};
EAGRE_RECORD(Pair, name, value);

class SimpleSinksTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, SimpleSinksTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

// What `print` writes of one subtask.
template <typename T>
std::string Printed(HarnessMode mode, Print print, int subtask, int parallelism,
                    const std::vector<Stamped<T>>& records) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  OperatorHarness harness(mode, MakeSinkOperator<T>(std::move(print).To(stream).template For<T>()));
  harness.context().set_subtask(subtask, parallelism);
  EXPECT_TRUE(harness.Open().ok());
  EXPECT_TRUE(harness.Push<T>(records).ok());
  EXPECT_TRUE(harness.EndOfInput().ok());
  std::fclose(stream);
  std::string printed(text, size);
  std::free(text);
  return printed;
}

TEST_P(SimpleSinksTest, ALineOfJsonForEachRecord) {
  EXPECT_EQ(Printed<Pair>(GetParam(), Print(), 0, 1, {{{"a", 1}, 0}, {{"b", 2}, 0}}),
            "{\"name\":\"a\",\"value\":1}\n{\"name\":\"b\",\"value\":2}\n");
}

TEST_P(SimpleSinksTest, TextAsItIs) {
  EXPECT_EQ(Printed<std::string>(GetParam(), Print(), 0, 1, {{"a \"b\"", 0}}), "a \"b\"\n");
}

TEST_P(SimpleSinksTest, SeveralSubtasksAreNumberedFromOne) {
  EXPECT_EQ(Printed<int64_t>(GetParam(), Print(), 1, 4, {{7, 0}}), "2> 7\n");
  EXPECT_EQ(Printed<int64_t>(GetParam(), Print("alerts"), 1, 4, {{7, 0}}), "alerts:2> 7\n");
  EXPECT_EQ(Printed<int64_t>(GetParam(), Print("alerts"), 0, 1, {{7, 0}}), "alerts> 7\n");
}

// What the plan of a job with this sink says.
proto::StandardStream PrintsTo(const std::shared_ptr<Sink<int64_t>>& sink) {
  LocalJob job;
  job.Read(FromValues<int64_t>({1})).WriteTo(sink).Name("of any name");
  const StatusOr<ChainedGraph> chained = BuildJobGraph(job.graph());
  EXPECT_TRUE(chained.ok()) << chained.status();
  return chained->job_graph.vertices(0).operators(1).prints_to();
}

TEST(PrintTest, ThePlanSaysWhatASinkPrintsTo) {
  EXPECT_EQ(PrintsTo(Print().For<int64_t>()), proto::STANDARD_OUTPUT);
  EXPECT_EQ(PrintsTo(Print("alerts").To(stderr).For<int64_t>()), proto::STANDARD_ERROR);
  char buffer[1];
  std::FILE* elsewhere = fmemopen(buffer, sizeof(buffer), "w");
  EXPECT_EQ(PrintsTo(Print().To(elsewhere).For<int64_t>()), proto::NO_STANDARD_STREAM);
  std::fclose(elsewhere);
  EXPECT_EQ(PrintsTo(Blackhole().For<int64_t>()), proto::NO_STANDARD_STREAM);
}

TEST_P(SimpleSinksTest, CollectedRecordsCanBeTaken) {
  auto collected = std::make_shared<CollectedRecords<int64_t>>();
  OperatorHarness harness(GetParam(), MakeSinkOperator<int64_t>(MakeSink<int64_t>(CollectSink<int64_t>(collected))));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{1, 0}, {2, 0}}).ok());
  EXPECT_EQ(collected->size(), 2u);
  EXPECT_THAT(collected->Take(), ElementsAre(1, 2));
  EXPECT_THAT(collected->Take(), ElementsAre());
}

TEST_P(SimpleSinksTest, BlackholeCountsWhatItTakes) {
  OperatorHarness harness(GetParam(), MakeSinkOperator<int64_t>(MakeSink<int64_t>(Blackhole())));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{1, 0}, {2, 0}}).ok());
  EXPECT_EQ(harness.context().MetricValue("numRecordsSend"), 2);
}

}  // namespace
}  // namespace eagre
