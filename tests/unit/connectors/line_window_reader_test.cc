#include "connectors/file/line_window_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The lines of all chunks, each with its place in the file, read with windows of `window_bytes`.
std::vector<std::string> ReadInChunks(const std::string& path, int64_t size, int64_t chunk_bytes, size_t window_bytes) {
  std::vector<std::string> lines;
  LineWindowReader reader(PosixFileSystem(), window_bytes);
  for (int64_t begin = 0; begin < size; begin += chunk_bytes) {
    const FileSplit split{
        .path = path, .begin = begin, .end = std::min(size, begin + chunk_bytes), .file_size = size, .position = begin};
    EXPECT_TRUE(reader.Open(split).ok());
    for (;;) {
      const StatusOr<bool> found = reader.NextWindow();
      EXPECT_TRUE(found.ok()) << found.status();
      if (!found.ok() || !*found) break;
      std::string_view rest = reader.window();
      EXPECT_FALSE(rest.empty());
      EXPECT_GE(reader.readable_bytes(), rest.size() + LineWindowReader::kPadding);
      while (!rest.empty()) {
        const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
        lines.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end);
      }
    }
  }
  return lines;
}

std::vector<std::string> LinesOf(std::string_view content) {
  std::vector<std::string> lines;
  while (!content.empty()) {
    const size_t end = std::min(content.find('\n'), content.size() - 1) + 1;
    lines.emplace_back(content.substr(0, end));
    content.remove_prefix(end);
  }
  return lines;
}

TEST(LineWindowReaderTest, EveryLineBelongsToOneChunkWhereverTheFileIsCut) {
  const ScratchDirectory scratch;
  const std::string content = "one\ntwo\n\nfour is longer\nf\nlast without end";
  const std::string path = scratch.Write("lines", content);
  const auto size = static_cast<int64_t>(content.size());
  for (int64_t chunk = 1; chunk <= size; ++chunk) {
    for (const size_t window : {1, 2, 3, 7, 16, 1000}) {
      EXPECT_EQ(ReadInChunks(path, size, chunk, window), LinesOf(content)) << "chunk " << chunk << " window " << window;
    }
  }
}

TEST(LineWindowReaderTest, RandomFilesReadInChunksEqualTheFileReadWhole) {
  const ScratchDirectory scratch;
  SeededRandom random(20240501);
  for (int round = 0; round < 200; ++round) {
    std::string content;
    const uint64_t lines = random.Below(40);
    for (uint64_t i = 0; i < lines; ++i) {
      content.append(random.Below(random.Below(8) == 0 ? 9000 : 30), static_cast<char>('a' + random.Below(26)));
      content += random.Below(5) == 0 ? "\r\n" : "\n";
    }
    if (random.Below(2) == 0) content += "tail";
    const std::string path = scratch.Write("random", content);
    const auto size = static_cast<int64_t>(content.size());
    const auto chunk = static_cast<int64_t>(1 + random.Below(static_cast<uint64_t>(size) + 10));
    const size_t window = 1 + random.Below(5000);
    ASSERT_EQ(ReadInChunks(path, size, chunk, window), LinesOf(content))
        << "round " << round << " chunk " << chunk << " window " << window;
  }
}

TEST(LineWindowReaderTest, AByteOrderMarkAtTheBeginningIsNoPartOfTheFirstLine) {
  const ScratchDirectory scratch;
  const std::string content = "\xEF\xBB\xBFone\ntwo\n";
  const std::string path = scratch.Write("marked", content);
  EXPECT_THAT(ReadInChunks(path, static_cast<int64_t>(content.size()), 100, 100), ElementsAre("one\n", "two\n"));
}

TEST(LineWindowReaderTest, AFileThatBecameShorterIsAnErrorThatSaysSo) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("cut", "short\n");
  LineWindowReader reader(PosixFileSystem());
  const Status status = reader.Open({.path = path, .end = 100, .file_size = 100});
  EXPECT_THAT(std::string(StatusMessage(status)),
              HasSubstr("was 100 bytes long when the job began to read it and is 6 now"));
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr(path));
}

TEST(LineWindowReaderTest, LineNumbersCountFromOne) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("numbered", "a\nb\n\nd\n");
  const auto number_at = [&](int64_t offset) { return *LineNumberAt(PosixFileSystem(), path, offset); };
  EXPECT_EQ(number_at(0), 1);
  EXPECT_EQ(number_at(2), 2);
  EXPECT_EQ(number_at(4), 3);
  EXPECT_EQ(number_at(5), 4);
}

}  // namespace
}  // namespace eagre
