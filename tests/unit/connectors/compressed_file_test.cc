#include "connectors/file/compressed_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

#include "connectors/file/csv.h"
#include "connectors/file/ndjson.h"
#include "eagre/testing/source_harness.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::HasSubstr;

struct Numbered {
  int64_t id = 0;
};
EAGRE_RECORD(Numbered, id);

std::string Gzip(const std::string& content) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string compressed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  return compressed;
}

std::string Zstd(const std::string& content) {
  std::string compressed(ZSTD_compressBound(content.size()), '\0');
  compressed.resize(ZSTD_compress(compressed.data(), compressed.size(), content.data(), content.size(), 1));
  return compressed;
}

std::string Rows(int64_t from, int64_t to) {
  std::string rows;
  for (int64_t i = from; i < to; ++i) rows += fmt::format("{{\"id\":{}}}\n", i);
  return rows;
}

class CompressedFileTest : public testing::TestWithParam<std::pair<std::string, std::string (*)(const std::string&)>> {
 protected:
  std::string Name() const { return "input.ndjson" + GetParam().first; }
  std::string Compressed(const std::string& content) const { return GetParam().second(content); }
};
INSTANTIATE_TEST_SUITE_P(Formats, CompressedFileTest,
                         testing::Values(std::pair(".gz", &Gzip), std::pair(".GZIP", &Gzip), std::pair(".zst", &Zstd),
                                         std::pair(".zstd", &Zstd)),
                         [](const auto& info) { return info.param.first.substr(1); });

TEST_P(CompressedFileTest, AFileOfSeveralMembersIsOneSplitWithAllItsLines) {
  const ScratchDirectory scratch;
  const std::string path =
      scratch.Write(Name(), Compressed(Rows(0, 30'000)) + Compressed("") + Compressed(Rows(30'000, 50'000)));
  SourceHarness<Numbered> harness(NdjsonFiles<Numbered>(path).ChunkBytes(1000).WindowBytes(5000), NoWatermarks(), 2);
  ASSERT_TRUE(harness.Open().ok());
  const Status status = harness.RunToEnd(3);
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<Numbered> records = harness.AllRecords();
  ASSERT_EQ(records.size(), 50'000u);
  for (size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i].id, static_cast<int64_t>(i));
  EXPECT_EQ(harness.reader(0).context().MetricValue("numSplitsProcessed") +
                harness.reader(1).context().MetricValue("numSplitsProcessed"),
            1);
}

TEST_P(CompressedFileTest, AnyPlaceOfTheContentCanBeRead) {
  const ScratchDirectory scratch;
  const std::string content = Rows(0, 40'000);
  const std::string path = scratch.Write(Name(), Compressed(content));
  const StatusOr<std::unique_ptr<ReadableFile>> file = OpenInputFile(PosixFileSystem(), path);
  ASSERT_TRUE(file.ok());
  SeededRandom random(9);
  for (int i = 0; i < 30; ++i) {
    const size_t offset = random.Below(content.size() + 100);
    std::string bytes(random.Below(3000), '\0');
    const StatusOr<size_t> got = (*file)->ReadAt(static_cast<int64_t>(offset), bytes.data(), bytes.size());
    ASSERT_TRUE(got.ok()) << got.status();
    bytes.resize(*got);
    ASSERT_EQ(bytes, offset < content.size() ? content.substr(offset, bytes.size()) : "");
  }
}

TEST_P(CompressedFileTest, ACutOrDamagedFileFailsWithItsPath) {
  const ScratchDirectory scratch;
  const std::string compressed = Compressed(Rows(0, 20'000));
  const struct {
    std::string bytes;
    const char* message;
  } kCases[] = {{compressed.substr(0, compressed.size() / 2), "ends in the middle of its"},
                {compressed.substr(0, compressed.size() - 1), "ends in the middle of its"},
                {compressed + "tail", "or is damaged"},
                {Rows(0, 10), "is not a"}};
  for (const auto& bad : kCases) {
    const std::string path = scratch.Write(Name(), bad.bytes);
    SourceHarness<Numbered> harness(NdjsonFiles<Numbered>(path), NoWatermarks(), 1);
    ASSERT_TRUE(harness.Open().ok());
    EXPECT_THAT(std::string(StatusMessage(harness.RunToEnd())),
                testing::AllOf(HasSubstr(path), HasSubstr(bad.message)));
  }
}

TEST_P(CompressedFileTest, AMalformedLineIsNamedByItsPlaceInTheContent) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write(Name(), Compressed("{\"id\":1}\n{\"id\":x}\n"));
  SourceHarness<Numbered> harness(NdjsonFiles<Numbered>(path), NoWatermarks(), 1);
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_THAT(std::string(StatusMessage(harness.RunToEnd())), HasSubstr(path + ":2: "));
}

TEST_P(CompressedFileTest, CsvHasItsHeader) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write(Name(), Compressed("id\n7\n8\n"));
  SourceHarness<Numbered> harness(CsvFiles<Numbered>(path), NoWatermarks(), 1);
  ASSERT_TRUE(harness.Open().ok());
  const Status status = harness.RunToEnd();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(harness.AllRecords().size(), 2u);
}

}  // namespace
}  // namespace eagre
