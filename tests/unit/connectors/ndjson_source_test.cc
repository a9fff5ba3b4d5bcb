#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "connectors/file/ndjson.h"
#include "eagre/testing/source_harness.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Entry {
  int64_t id = 0;
  std::string text;
  Timestamp at;
};
EAGRE_RECORD(Entry, id, text, at);

std::vector<int64_t> SortedIds(const std::vector<Entry>& entries) {
  std::vector<int64_t> ids;
  for (const Entry& entry : entries) ids.push_back(entry.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int64_t> Iota(int64_t count) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(i);
  return ids;
}

NdjsonFiles<Entry> SmallChunks(const std::string& path, int64_t chunk = 64, size_t window = 48) {
  return NdjsonFiles<Entry>(path).ChunkBytes(chunk).WindowBytes(window);
}

TEST(NdjsonSourceTest, AllRecordsComeOnceForAnyChunkSizeWindowAndParallelism) {
  const ScratchDirectory scratch;
  SeededRandom random(7);
  for (int round = 0; round < 60; ++round) {
    std::string content;
    std::vector<std::string> texts;
    const auto count = static_cast<int64_t>(random.Below(60));
    for (int64_t i = 0; i < count; ++i) {
      std::string text = random.Below(10) == 0 ? std::string(3000, 'x') : "größe \xF0\x9F\x8C\x8A " + std::to_string(i);
      content += fmt::format(R"({{"id":{},"text":"{}"}})", i, text);
      content += random.Below(4) == 0 ? "\r\n" : "\n";
      if (random.Below(6) == 0) content += random.Below(2) == 0 ? "\n" : "\r\n";
      texts.push_back(std::move(text));
    }
    if (!content.empty() && random.Below(2) == 0) content.pop_back();
    const std::string path = scratch.Write("input.ndjson", content);
    SourceHarness<Entry> harness(SmallChunks(path, static_cast<int64_t>(1 + random.Below(800)), 1 + random.Below(500)),
                                 NoWatermarks(), static_cast<int>(1 + random.Below(4)));
    ASSERT_TRUE(harness.Open().ok());
    const Status status = harness.RunToEnd(random.Next());
    ASSERT_TRUE(status.ok()) << status;
    const std::vector<Entry> entries = harness.AllRecords();
    ASSERT_EQ(SortedIds(entries), Iota(count)) << "round " << round;
    for (const Entry& entry : entries) ASSERT_EQ(entry.text, texts[static_cast<size_t>(entry.id)]);
  }
}

TEST(NdjsonSourceTest, AMissingFileFailsTheSourceAndNamesThePath) {
  SourceHarness<Entry> harness(NdjsonFiles<Entry>("/no/such/file.ndjson"), NoWatermarks(), 1);
  const Status status = harness.Open();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(StatusMessage(status), "cannot read input: cannot find /no/such/file.ndjson: No such file or directory");
}

TEST(NdjsonSourceTest, AMalformedLineFailsWithFileLineReasonAndAdvice) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("bad.ndjson", "{\"id\":0}\n\n{\"id\":2}\n{\"id\":\"three\"}\n{\"id\":4}\n");
  // The line number is that of the file, also when the chunk begins in its middle.
  for (const int64_t chunk : {1000, 12}) {
    SourceHarness<Entry> harness(SmallChunks(path, chunk), NoWatermarks(), 1);
    ASSERT_TRUE(harness.Open().ok());
    const Status status = harness.RunToEnd();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(StatusMessage(status),
              path +
                  ":4: field 'id': expected an integer, found a string (the line starts at byte 19); correct the file, "
                  "or choose what the source does with such lines by .OnMalformed(Malformed::kSkip)");
  }
}

TEST(NdjsonSourceTest, ATruncatedLastLineIsMalformed) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("cut.ndjson", "{\"id\":0}\n{\"id\":1,\"te");
  SourceHarness<Entry> harness(NdjsonFiles<Entry>(path), NoWatermarks(), 1);
  ASSERT_TRUE(harness.Open().ok());
  const Status status = harness.RunToEnd();
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr(path + ":2: truncated JSON"));
}

TEST(NdjsonSourceTest, MalformedLinesCanBeSkippedAndAreCounted) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("bad.ndjson", "{\"id\":0}\nnonsense\n{\"id\":1}\n{\"id\":\n{\"id\":2}");
  SourceHarness<Entry> harness(NdjsonFiles<Entry>(path).OnMalformed(Malformed::kSkip), NoWatermarks(), 1);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.RunToEnd().ok());
  EXPECT_THAT(SortedIds(harness.AllRecords()), ElementsAre(0, 1, 2));
  EXPECT_EQ(harness.reader(0).context().metrics().records_skipped->value(), 2);
}

TEST(NdjsonSourceTest, MalformedLinesCanGoToASideOutputWithPlaceAndReason) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("bad.ndjson", "{\"id\":0}\n[1]\n{\"id\":1}\n");
  SourceHarness<Entry> harness(NdjsonFiles<Entry>(path).OnMalformed(Malformed::kSideOutput), NoWatermarks(), 1,
                               {kMalformedLines.name});
  ASSERT_TRUE(harness.Open([](OperatorHarness& reader) { reader.AddPort<MalformedLine>(); }).ok());
  ASSERT_TRUE(harness.RunToEnd().ok());
  EXPECT_THAT(SortedIds(harness.AllRecords()), ElementsAre(0, 1));
  const std::vector<Stamped<MalformedLine>> malformed = harness.reader(0).Take<MalformedLine>(1);
  ASSERT_EQ(malformed.size(), 1u);
  EXPECT_EQ(malformed[0].value.file, path);
  EXPECT_EQ(malformed[0].value.offset, 9);
  EXPECT_EQ(malformed[0].value.line, "[1]");
  EXPECT_THAT(malformed[0].value.reason, HasSubstr("expected an object"));
}

TEST(NdjsonSourceTest, WatermarksNeverPassARecordThatIsYetToCome) {
  const ScratchDirectory scratch;
  // Times go up by 10 ms and back by up to 50.
  SeededRandom random(3);
  std::string content;
  for (int64_t i = 0; i < 2000; ++i) {
    content += fmt::format("{{\"id\":{},\"at\":{}}}\n", i, 100'000 + i * 10 - static_cast<int64_t>(random.Below(51)));
  }
  const std::string path = scratch.Write("times.ndjson", content);
  SourceHarness<Entry> harness(SmallChunks(path, 700, 300),
                               BoundedOutOfOrderness(std::chrono::milliseconds(60)).WithTimestamps(&Entry::at), 3);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.RunToEnd(11).ok());
  EXPECT_EQ(SortedIds(harness.AllRecords()), Iota(2000));
  for (int i = 0; i < 3; ++i) {
    int64_t watermark = kNoTimestamp;
    for (const Emitted<Entry>& item : harness.log(i)) {
      if (item.event && item.kind == ControlEvent::Kind::kWatermark) {
        EXPECT_GT(item.timestamp, watermark);
        watermark = item.timestamp;
      } else if (!item.event) {
        EXPECT_GT(item.timestamp, watermark);
        EXPECT_EQ(item.timestamp, item.value.at.ms());
      }
    }
    EXPECT_GT(watermark, 100'000);
  }
}

TEST(NdjsonSourceTest, AReadersSnapshotGoesOnWhereItStopped) {
  const ScratchDirectory scratch;
  std::string content;
  for (int64_t i = 0; i < 3000; ++i) content += fmt::format("{{\"id\":{}}}\n\n", i);
  const std::string path = scratch.Write("input.ndjson", content);
  const auto size = static_cast<int64_t>(content.size());

  class ReaderContext final : public SourceReaderContext {
   public:
    int subtask() const override { return 0; }
    int parallelism() const override { return 1; }
    const Configuration& config() const override { return config_; }
    const Clock& clock() const override { return clock_; }
    void RequestSplit() override {}
    void Wake() override {}
    void CountSkipped(int64_t) override {}
    MetricScope metric_scope() const override { return {}; }

   private:
    Configuration config_;
    ManualClock clock_;
  } reader_context;

  OverflowBudget budget;
  Output output(TypedBatch<Entry>::Type(), budget);
  internal::SideOutputs no_side_outputs({});
  std::vector<Entry> entries;
  std::vector<SourceSplit> splits = {FileSplit{.path = path, .end = size, .file_size = size}.Encode()};
  // Each batch is read by a reader of its own.
  while (!splits.empty()) {
    std::unique_ptr<SourceReader<Entry>> reader = *NdjsonFiles<Entry>(path).WindowBytes(4000).CreateReader();
    ASSERT_TRUE(reader->Start(reader_context).ok());
    ASSERT_TRUE(reader->AddSplits(splits).ok());
    SplitOutput<Entry> out(output, no_side_outputs);
    ASSERT_TRUE(reader->Read(out).ok());
    for (size_t i = 0; i < out.batch().size(); ++i) entries.push_back(out.batch().records()[i]);
    output.PopFront();
    splits = reader->Snapshot();
  }
  EXPECT_EQ(SortedIds(entries), Iota(3000));
}

}  // namespace
}  // namespace eagre
