#include "record/codec.h"

#include <gtest/gtest.h>

#include <limits>

#include "random_record.h"
#include "record/field_access.h"
#include "test_records.h"

namespace eagre {
namespace {

using test_bank::Everything;
using test_bank::Location;
using test_bank::Payment;
using test_bank::Risk;

template <typename T>
std::string Encoded(const T& value) {
  std::string bytes;
  ByteWriter out(bytes);
  Codec<T>::Encode(value, out);
  EXPECT_EQ(bytes.size(), Codec<T>::EncodedBytes(value));
  return bytes;
}

template <typename T>
bool Decoded(std::string_view bytes, T& value) {
  ByteReader in(bytes);
  return Codec<T>::Decode(in, value) && in.empty();
}

template <typename T>
void ExpectRoundTrip(const T& value) {
  T decoded{};
  ASSERT_TRUE(Decoded(Encoded(value), decoded));
  EXPECT_TRUE(RecordEquals(value, decoded)) << PrintRecord(value) << "\n" << PrintRecord(decoded);
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

TEST(CodecTest, EveryKindOfValueComesBack) {
  ExpectRoundTrip(true);
  ExpectRoundTrip(std::numeric_limits<int8_t>::min());
  ExpectRoundTrip(std::numeric_limits<uint64_t>::max());
  ExpectRoundTrip(-0.5f);
  ExpectRoundTrip(std::numeric_limits<double>::quiet_NaN());
  ExpectRoundTrip(std::string(1000, 'x'));
  ExpectRoundTrip(Decimal(-3));
  ExpectRoundTrip(Timestamp::Min());
  ExpectRoundTrip(Risk::kHighRisk);
  ExpectRoundTrip(std::optional<std::string>("there"));
  ExpectRoundTrip(std::optional<std::string>());
  ExpectRoundTrip(std::vector<std::vector<std::string>>{{}, {"a", ""}});
  ExpectRoundTrip(std::map<std::string, std::vector<int32_t>>{{"a", {1}}, {"b", {}}});
  ExpectRoundTrip(std::pair<std::string, int64_t>("user", 7));
  ExpectRoundTrip(std::tuple<int32_t, std::string, bool>(1, "two", true));
  ExpectRoundTrip(Payment{.user = "ann", .amount = Decimal(5), .risk = Risk::kMedium, .at = Timestamp(1), .note = {}});
  ExpectRoundTrip(GlobalPoint{1, -2});
}

TEST(CodecTest, RandomRecordsComeBackAlsoIntoUsedObjects) {
  SeededRandom random(1);
  Everything reused;
  for (int round = 0; round < 500; ++round) {
    const auto record = RandomRecord<Everything>(random);
    const std::string bytes = Encoded(record);
    ASSERT_TRUE(Decoded(bytes, reused));
    ASSERT_TRUE(RecordEquals(record, reused)) << PrintRecord(record) << "\n" << PrintRecord(reused);
    // The encoding is canonical.
    ASSERT_EQ(Encoded(reused), bytes);
  }
}

TEST(CodecTest, NegativeZeroAndNaNKeepTheirBits) {
  double zero = 1;
  ASSERT_TRUE(Decoded(Encoded(-0.0), zero));
  EXPECT_TRUE(std::signbit(zero));
}

// The bytes are on disks and wires: if this test fails, the format has changed and old state is lost.
TEST(CodecTest, BytesAreFrozen) {
  EXPECT_EQ(Hex(Encoded(int32_t{-2})), "feffffff");
  EXPECT_EQ(Hex(Encoded(true)), "01");
  EXPECT_EQ(Hex(Encoded(1.5)), "000000000000f83f");
  EXPECT_EQ(Hex(Encoded(std::string("ab"))), "020000006162");
  EXPECT_EQ(Hex(Encoded(std::optional<int16_t>(258))), "010201");
  EXPECT_EQ(Hex(Encoded(std::optional<int16_t>())), "00");
  EXPECT_EQ(Hex(Encoded(std::vector<int16_t>{1, 2})), "0200000001000200");
  EXPECT_EQ(Hex(Encoded(std::map<std::string, bool>{{"k", true}})),
            "0100000001000000"
            "6b"
            "01");
  EXPECT_EQ(Hex(Encoded(std::pair<std::string, int8_t>("x", 5))),
            "01000000"
            "05"
            "78");
  const Payment payment{.user = "ann",
                        .amount = Decimal::FromUnits(12'3400),
                        .risk = Risk::kHighRisk,
                        .at = Timestamp(1000),
                        .note = "hi",
                        .location = {1, 2}};
  EXPECT_EQ(Hex(Encoded(payment)),
            "03000000"          // length of user
            "08e2010000000000"  // amount
            "07"                // risk
            "e803000000000000"  // at
            "01"                // note is there
            "000000000000f03f0000000000000040"
            "616e6e"          // user
            "020000006869");  // note
}

TEST(CodecTest, RefusesWhatNoEncoderWrites) {
  bool flag;
  EXPECT_FALSE(Decoded(std::string(1, '\x02'), flag)) << "a bool is 0 or 1";
  std::optional<int8_t> maybe;
  EXPECT_FALSE(Decoded(std::string("\x02\x01", 2), maybe));
  std::string text;
  EXPECT_FALSE(Decoded(std::string("\xff\xff\xff\xffzz", 6), text)) << "a length beyond the end";
  std::vector<std::string> texts;
  EXPECT_FALSE(Decoded(std::string("\xff\xff\xff\x7f\0\0\0\0", 8), texts)) << "a count that the bytes cannot hold";
  std::map<std::string, bool> map;
  const std::string b = std::string("\x01\0\0\0b\x01", 6);
  const std::string a = std::string("\x01\0\0\0a\x01", 6);
  const std::string two = std::string("\x02\0\0\0", 4);
  EXPECT_TRUE(Decoded(two + a + b, map));
  EXPECT_FALSE(Decoded(two + b + a, map)) << "keys out of order";
  EXPECT_FALSE(Decoded(two + a + a, map)) << "a key twice";
}

TEST(CodecTest, HostileBytesNeverDoHarm) {
  SeededRandom random(2);
  Everything target;
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string bytes = Damage(Encoded(RandomRecord<Everything>(random)), random);
    // A copy of the exact size, so that a read beyond the end is seen by the address sanitizer.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    if (!Decoded({exact.data(), exact.size()}, target)) continue;
    ++accepted;
    Everything again;
    ASSERT_TRUE(Decoded(Encoded(target), again)) << "what was accepted is a valid record";
  }
  EXPECT_GT(accepted, 0);
}

TEST(CodecTest, EveryTruncationIsNoticed) {
  SeededRandom random(3);
  const std::string bytes = Encoded(RandomRecord<Everything>(random));
  Everything target;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<char> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(Decoded({exact.data(), exact.size()}, target)) << "cut at " << size;
  }
}

TEST(CodecTest, DecodingKeepsTheMemoryOfStringsAndEntries) {
  Payment target{.user = std::string(100, 'u')};
  const char* memory = target.user.data();
  ASSERT_TRUE(Decoded(Encoded(Payment{.user = std::string(80, 'v')}), target));
  EXPECT_EQ(target.user.data(), memory);

  std::map<std::string, std::string> map{{"a", "1"}, {"b", "2"}, {"c", "3"}};
  const std::string* value = &map["b"];
  ASSERT_TRUE(Decoded(Encoded(std::map<std::string, std::string>{{"b", "4"}, {"d", "5"}}), map));
  EXPECT_EQ(&map["b"], value);
  EXPECT_EQ(map, (std::map<std::string, std::string>{{"b", "4"}, {"d", "5"}}));
}

}  // namespace
}  // namespace eagre
