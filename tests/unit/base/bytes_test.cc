#include "base/bytes.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/random.h"

namespace eagre {
namespace {

TEST(Bytes, ValuesComeBackAsTheyWereWritten) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.Fixed(uint32_t{0xAABBCCDD});
  writer.Fixed(-2.5);
  writer.Fixed(true);
  writer.Varint(300);
  writer.SignedVarint(std::numeric_limits<int64_t>::min());
  writer.String("wave");

  ByteReader reader(bytes);
  uint32_t word;
  double number;
  bool flag;
  uint64_t varint;
  int64_t negative;
  std::string text;
  ASSERT_TRUE(reader.Fixed(word) && reader.Fixed(number) && reader.Fixed(flag) && reader.Varint(varint) &&
              reader.SignedVarint(negative) && reader.String(text));
  EXPECT_EQ(word, 0xAABBCCDD);
  EXPECT_EQ(number, -2.5);
  EXPECT_TRUE(flag);
  EXPECT_EQ(varint, 300u);
  EXPECT_EQ(negative, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(text, "wave");
  EXPECT_TRUE(reader.empty());
}

// The format is frozen: it lies on disks.
TEST(Bytes, FormatIsFrozen) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.Fixed(uint16_t{0x0102});
  writer.Varint(0);
  writer.Varint(127);
  writer.Varint(128);
  writer.SignedVarint(-1);
  writer.String("a");
  EXPECT_EQ(bytes, std::string("\x02\x01\x00\x7F\x80\x01\x01\x01"
                               "a",
                               9));
}

TEST(Bytes, EveryVarintLengthRoundTrips) {
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint64_t value : {uint64_t{1} << shift, (uint64_t{1} << shift) - 1, ~uint64_t{0} >> shift}) {
      std::string bytes;
      ByteWriter(bytes).Varint(value);
      ByteReader reader(bytes);
      uint64_t back;
      ASSERT_TRUE(reader.Varint(back)) << value;
      EXPECT_EQ(back, value);
      EXPECT_TRUE(reader.empty());
    }
  }
}

TEST(Bytes, TruncatedInputIsRefusedAndReaderStays) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.String("0123456789");
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader reader(std::string_view(bytes).substr(0, size));
    std::string_view text = "unchanged";
    EXPECT_FALSE(reader.String(text)) << size;
    EXPECT_EQ(text, "unchanged");
    EXPECT_EQ(reader.remaining(), size);
  }
}

TEST(Bytes, MalformedVarintsAreRefused) {
  uint64_t value = 7;
  EXPECT_FALSE(ByteReader(std::string(11, '\x80')).Varint(value)) << "longer than ten bytes";
  EXPECT_FALSE(ByteReader(std::string(9, '\xFF') + '\x02').Varint(value)) << "more than 64 bits";
  uint32_t narrow = 7;
  std::string wide;
  ByteWriter(wide).Varint(uint64_t{1} << 32);
  EXPECT_FALSE(ByteReader(wide).Varint(narrow)) << "does not fit the type";
  bool flag = false;
  EXPECT_FALSE(ByteReader("\x02").Fixed(flag)) << "no bool";
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(narrow, 7u);
}

TEST(Bytes, RandomInputNeverReadsOutside) {
  SeededRandom random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random.Below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    ByteReader reader(bytes);
    std::string_view text;
    uint64_t number;
    while (reader.String(text) || reader.Varint(number)) {
    }
    EXPECT_LE(reader.remaining(), bytes.size());
  }
}

TEST(Bytes, SizesCanBePatchedLater) {
  std::string bytes = "x";
  ByteWriter writer(bytes);
  const size_t at = writer.size();
  writer.Fixed(uint32_t{0});
  writer.Raw("abc");
  writer.PatchFixed(at, static_cast<uint32_t>(writer.size() - at - sizeof(uint32_t)));
  ByteReader reader(std::string_view(bytes).substr(1));
  uint32_t size;
  std::string_view rest;
  ASSERT_TRUE(reader.Fixed(size) && reader.Raw(size, rest));
  EXPECT_EQ(rest, "abc");
}

}  // namespace
}  // namespace eagre
