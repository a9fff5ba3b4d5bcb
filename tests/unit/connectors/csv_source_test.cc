#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "connectors/file/csv.h"
#include "eagre/testing/source_harness.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct CsvEntry {
  int64_t id = 0;
  std::string text;
};
EAGRE_RECORD(CsvEntry, id, text);

// "id text" of every record, by id.
std::vector<std::string> Lines(std::vector<CsvEntry> entries) {
  std::sort(entries.begin(), entries.end(), [](const CsvEntry& a, const CsvEntry& b) { return a.id < b.id; });
  std::vector<std::string> lines;
  for (const CsvEntry& entry : entries) lines.push_back(fmt::format("{} {}", entry.id, entry.text));
  return lines;
}

StatusOr<std::vector<std::string>> ReadAll(CsvFiles<CsvEntry> source, int parallelism = 1, uint64_t seed = 0) {
  SourceHarness<CsvEntry> harness(std::move(source), NoWatermarks(), parallelism);
  EAGRE_RETURN_IF_ERROR(harness.Open());
  EAGRE_RETURN_IF_ERROR(harness.RunToEnd(seed));
  return Lines(harness.AllRecords());
}

TEST(CsvSourceTest, AllRowsComeOnceForAnyChunkSizeWindowAndParallelism) {
  const ScratchDirectory scratch;
  SeededRandom random(17);
  for (int round = 0; round < 60; ++round) {
    const bool multiline = random.Below(2) == 0;
    const bool swapped = random.Below(2) == 0;
    std::string content = random.Below(3) == 0 ? "\xEF\xBB\xBF" : "";
    content += swapped ? "text,id\n" : "id,text\n";
    std::vector<std::string> expected;
    for (uint64_t i = 0, rows = random.Below(60); i < rows; ++i) {
      std::string text = random.Below(10) == 0 ? std::string(2000, 'x') : "a \"b\", c";
      if (multiline && random.Below(3) == 0) text += "\nsecond, line";
      std::string quoted = "\"";
      for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
      quoted += '"';
      content += swapped ? fmt::format("{},{}\n", quoted, i) : fmt::format("{},{}\r\n", i, quoted);
      expected.push_back(fmt::format("{} {}", i, text));
    }
    if (random.Below(2) == 0) content.pop_back();
    const std::string path = scratch.Write("input.csv", content);
    CsvFiles<CsvEntry> source = CsvFiles<CsvEntry>(path)
                                    .ChunkBytes(static_cast<int64_t>(1 + random.Below(800)))
                                    .WindowBytes(1 + random.Below(500));
    if (multiline) source = std::move(source).MultilineRows();
    const auto parallelism = static_cast<int>(1 + random.Below(4));
    const StatusOr<std::vector<std::string>> lines = ReadAll(std::move(source), parallelism, random.Next());
    ASSERT_TRUE(lines.ok()) << lines.status();
    ASSERT_EQ(*lines, expected) << "round " << round;
  }
}

TEST(CsvSourceTest, EveryFileHasAHeaderOfItsOwn) {
  const ScratchDirectory scratch;
  scratch.Write("a.csv", "id,text\n1,one\n");
  scratch.Write("b.csv", "text,id,more\ntwo,2,x\n");
  scratch.Write("c.csv", "id,text\n");
  scratch.Write("d.csv", "id");
  EXPECT_THAT(*ReadAll(CsvFiles<CsvEntry>(scratch.path())), ElementsAre("1 one", "2 two"));
}

TEST(CsvSourceTest, ColumnsCanBeNamedWhereThereIsNoHeader) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("a.csv", "1;one\n2;two\n");
  EXPECT_THAT(*ReadAll(CsvFiles<CsvEntry>(path).Delimiter(';').WithoutHeader()), ElementsAre("1 one", "2 two"));
  EXPECT_THAT(*ReadAll(CsvFiles<CsvEntry>(path).Delimiter(';').Columns({"id", ""})), ElementsAre("1 ", "2 "));
  const StatusOr<std::vector<std::string>> unnamed = ReadAll(CsvFiles<CsvEntry>(path).Delimiter(';'));
  EXPECT_THAT(std::string(StatusMessage(unnamed.status())),
              HasSubstr("the header of " + path + ": no column is a field of CsvEntry: expected some of id, text"));
}

TEST(CsvSourceTest, ABadRowFailsWithFileLineReasonAndAdvice) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("bad.csv", "id,text\n0,\n\n2,x\nthree,y\n4,z\n");
  for (const int64_t chunk : {1000, 12}) {
    const StatusOr<std::vector<std::string>> lines = ReadAll(CsvFiles<CsvEntry>(path).ChunkBytes(chunk));
    EXPECT_EQ(StatusMessage(lines.status()),
              path +
                  ":5: column 'id': expected an integer (int64), found 'three' (the line starts at byte 16); correct "
                  "the file, or choose what the source does with such lines by .OnMalformed(Malformed::kSkip)");
  }
}

TEST(CsvSourceTest, BadRowsCanBeSkippedOrGoToASideOutput) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("bad.csv", "id,text\n0,a\n1\n2,c\n");
  for (const Malformed policy : {Malformed::kSkip, Malformed::kSideOutput}) {
    SourceHarness<CsvEntry> harness(CsvFiles<CsvEntry>(path).OnMalformed(policy), NoWatermarks(), 1,
                                    {kMalformedLines.name});
    ASSERT_TRUE(harness.Open([](OperatorHarness& reader) { reader.AddPort<MalformedLine>(); }).ok());
    ASSERT_TRUE(harness.RunToEnd().ok());
    EXPECT_THAT(Lines(harness.AllRecords()), ElementsAre("0 a", "2 c"));
    const std::vector<Stamped<MalformedLine>> malformed = harness.reader(0).Take<MalformedLine>(1);
    if (policy == Malformed::kSkip) {
      EXPECT_EQ(harness.reader(0).context().metrics().records_skipped->value(), 1);
      EXPECT_TRUE(malformed.empty());
    } else {
      ASSERT_EQ(malformed.size(), 1u);
      EXPECT_EQ(malformed[0].value.line, "1");
      EXPECT_EQ(malformed[0].value.offset, 12);
      EXPECT_EQ(malformed[0].value.reason, "expected 2 columns as in the header, found 1");
    }
  }
}

}  // namespace
}  // namespace eagre
