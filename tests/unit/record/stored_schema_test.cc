// Values of an older version of a type, read into the current one.
#include "record/stored_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "record/record.h"
#include "record/schema.h"

namespace eagre {

enum class StoredRisk { kLow, kHigh };
EAGRE_ENUM(StoredRisk, kLow, kHigh);
struct StoredPlace {
  double latitude = 0;
  std::string gone;
  uint16_t floor = 0;
};
EAGRE_RECORD(StoredPlace, latitude, gone, floor);
struct StoredPayment {
  std::string user;
  int32_t amount = 0;
  std::vector<StoredPlace> removed;
  StoredRisk risk = StoredRisk::kLow;
  std::optional<StoredPlace> place;
  std::map<std::string, int8_t> counts;
  std::vector<StoredPlace> places;
  std::map<int32_t, std::vector<std::string>> dropped;
};
EAGRE_RECORD(StoredPayment, user, amount, removed, risk, place, counts, places, dropped);

enum class CurrentRisk { kLow, kHigh, kUnknown };
EAGRE_ENUM(CurrentRisk, kLow, kHigh, kUnknown);
struct CurrentPlace {
  int32_t floor = -1;
  double latitude = 0;
  std::string country = "unknown";
};
EAGRE_RECORD(CurrentPlace, floor, latitude, country);
struct CurrentPayment {
  CurrentRisk risk = CurrentRisk::kUnknown;
  std::optional<CurrentPlace> place;
  std::string user;
  int64_t amount = 0;
  std::map<std::string, int64_t> counts;
  std::vector<CurrentPlace> places;
  int64_t version = 7;
  std::vector<std::string> notes = {"none"};
};
EAGRE_RECORD(CurrentPayment, risk, place, user, amount, counts, places, version, notes);

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

StoredPayment Old() {
  return {"ann",
          -5,
          {{1, "x", 2}},
          StoredRisk::kHigh,
          StoredPlace{52.5, "gone", 65535},
          {{"a", -1}, {"b", 2}},
          {{1.5, "", 1}, {2.5, "long enough to have memory of its own", 2}},
          {{1, {"p", "q"}}}};
}

template <typename T>
StoredSchema Stored() {
  StatusOr<StoredSchema> schema = StoredSchema::Parse(SchemaOf<T>().text());
  EXPECT_TRUE(schema.ok()) << schema.status();
  return *schema;
}
template <typename T>
std::string Encoded(const T& value) {
  std::string bytes;
  ByteWriter out(bytes);
  Codec<T>::Encode(value, out);
  return bytes;
}

TEST(StoredSchemaTest, FieldsComeAndGoAndIntegersGrow) {
  const StoredSchema schema = Stored<StoredPayment>();
  EXPECT_THAT(schema.DifferencesTo(Stored<CurrentPayment>(), "payment"), IsEmpty());
  const std::string bytes = Encoded(Old());
  ByteReader in(bytes);
  CurrentPayment payment;
  payment.notes = {"of", "before"};
  payment.counts = {{"z", 1}};
  ASSERT_TRUE(schema.Decode(in, payment));
  EXPECT_TRUE(in.empty());
  const CurrentPayment expected{CurrentRisk::kHigh,    CurrentPlace{65535, 52.5, "unknown"},       "ann", -5,
                                {{"a", -1}, {"b", 2}}, {{1, 1.5, "unknown"}, {2, 2.5, "unknown"}}, 7,     {"none"}};
  EXPECT_TRUE(RecordEquals(payment, expected));
}

TEST(StoredSchemaTest, TheSameTypeIsReadAsItIs) {
  const std::string bytes = Encoded(Old());
  ByteReader in(bytes);
  StoredPayment payment;
  ASSERT_TRUE(Stored<StoredPayment>().Decode(in, payment));
  EXPECT_TRUE(RecordEquals(payment, Old()));
}

TEST(StoredSchemaTest, EveryCutIsFound) {
  const std::string bytes = Encoded(Old());
  const StoredSchema schema = Stored<StoredPayment>();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader in(std::string_view(bytes).substr(0, size));
    CurrentPayment payment;
    EXPECT_FALSE(schema.Decode(in, payment)) << size;
  }
}

TEST(StoredSchemaTest, DifferencesAreNamedByTheirPath) {
  const auto differences = [](const char* stored, const char* current) {
    return StoredSchema::Parse(stored)->DifferencesTo(*StoredSchema::Parse(current), "x");
  };
  EXPECT_THAT(differences("{a:int64,b:{c:string}}", "{a:int32,b:{c:decimal}}"),
              ElementsAre("x.a was int64 and is int32 now", "x.b.c was string and is decimal now"));
  EXPECT_THAT(differences("uint32", "int32"), ElementsAre(HasSubstr("was uint32")));
  EXPECT_THAT(differences("uint32", "int64"), IsEmpty());
  EXPECT_THAT(differences("int32", "uint64"), ElementsAre(HasSubstr("was int32")));
  EXPECT_THAT(differences("map<int32,{a:bool}>", "map<int64,{a:int8}>"),
              ElementsAre(HasSubstr("the keys of x were int32"), "x[].a was bool and is int8 now"));
  EXPECT_THAT(differences("enum<int32>{low=0,high=1}", "enum<int64>{high=2,other=0}"),
              ElementsAre("x has lost the enumerator low", "x's enumerator high was 1 and is 2 now"));
  EXPECT_THAT(differences("optional<int8>", "int8"), ElementsAre(HasSubstr("was optional<int8>")));
  EXPECT_THAT(differences("vector<int8>", "list<int16>"), IsEmpty());
}

TEST(StoredSchemaTest, WhatIsNoSchemaIsToldSo) {
  for (const char* text : {"", "int", "{a}", "{a:int32", "vector<int8", "map<int8>", "{a:int32}}", "enum<bool>{}",
                           "enum<int8>{a}", "enum<int8>{a=x}", "{,a:int8}"}) {
    EXPECT_FALSE(StoredSchema::Parse(text).ok()) << text;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "vector<";
  EXPECT_FALSE(StoredSchema::Parse(deep).ok());
}

}  // namespace
}  // namespace eagre
