#include "record/type_info.h"

#include <gtest/gtest.h>

#include "record/field_access.h"
#include "record/schema.h"
#include "test_records.h"

namespace eagre {
namespace {

using test_bank::Everything;
using test_bank::Payment;
using test_bank::Risk;

enum class Currency { kUSD, kEuro, HTTP_ERROR, plain };
EAGRE_ENUM(Currency, kUSD, kEuro, HTTP_ERROR, plain);

// A record in an unnamed namespace.
struct Hidden {
  Currency currency = Currency::kEuro;
};
EAGRE_RECORD(Hidden, currency);

#define EAGRE_TEST_EIGHT(p) p##0 = 0, p##1 = 0, p##2 = 0, p##3 = 0, p##4 = 0, p##5 = 0, p##6 = 0, p##7 = 0
struct Widest {
  int32_t EAGRE_TEST_EIGHT(a), EAGRE_TEST_EIGHT(b), EAGRE_TEST_EIGHT(c), EAGRE_TEST_EIGHT(d);
  int32_t EAGRE_TEST_EIGHT(e), EAGRE_TEST_EIGHT(f), EAGRE_TEST_EIGHT(g), EAGRE_TEST_EIGHT(h);
};
EAGRE_RECORD(Widest, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5, c6, c7, d0,
             d1, d2, d3, d4, d5, d6, d7, e0, e1, e2, e3, e4, e5, e6, e7, f0, f1, f2, f3, f4, f5, f6, f7, g0, g1, g2, g3,
             g4, g5, g6, g7, h0, h1, h2, h3, h4, h5, h6, h7);

TEST(TypeInfoTest, DescribesFields) {
  const TypeInfo& type = TypeInfoOf<Payment>();
  EXPECT_EQ(type.name, "Payment");
  EXPECT_EQ(type.kind, TypeKind::kRecord);
  ASSERT_EQ(type.fields.size(), 6u);
  EXPECT_EQ(type.fields[0].name, "user");
  EXPECT_EQ(type.fields[0].offset, 0u);
  EXPECT_EQ(type.FindField("location")->type, &TypeInfoOf<test_bank::Location>());
  EXPECT_EQ(type.FindField("amounts"), nullptr);
  EXPECT_EQ(&TypeInfoOf<Payment>(), &type) << "one instance per type";
}

TEST(TypeInfoTest, NamesOfTypes) {
  EXPECT_EQ(TypeNameOf<int64_t>(), "int64");
  EXPECT_EQ((TypeNameOf<std::map<std::string, std::vector<Decimal>>>()), "map<string, vector<decimal>>");
  EXPECT_EQ((TypeNameOf<std::pair<std::string, Timestamp>>()), "tuple<string, timestamp>");
  EXPECT_EQ(TypeNameOf<test_bank::Outer::Inner>(), "Outer::Inner");
  EXPECT_EQ(TypeNameOf<Hidden>(), "Hidden");
}

TEST(TypeInfoTest, NamesOfEnumerators) {
  const TypeInfo& type = TypeInfoOf<Currency>();
  ASSERT_EQ(type.enum_values.size(), 4u);
  EXPECT_EQ(type.enum_values[0].name, "usd");
  EXPECT_EQ(type.enum_values[1].name, "euro");
  EXPECT_EQ(type.enum_values[2].name, "http_error");
  EXPECT_EQ(type.enum_values[3].name, "plain");
  EXPECT_EQ(EnumTextName("kHTTPError"), "http_error");
  EXPECT_EQ(EnumTextName("kilo"), "kilo");
  EXPECT_EQ(EnumTextName("kTop10"), "top10");
}

TEST(TypeInfoTest, ARecordHasUpTo64Fields) {
  EXPECT_EQ(TypeInfoOf<Widest>().fields.size(), kMaxRecordFields);
  EXPECT_EQ(Codec<Widest>::kHeadBytes, 64u * 4);
}

// Stored beside state: if this test fails, old state no longer matches.
TEST(SchemaTest, TextAndFingerprintAreFrozen) {
  const Schema schema = SchemaOf<Payment>();
  EXPECT_EQ(schema.text(),
            "{user:string,amount:decimal,risk:enum<uint8>{low=0,medium=1,high_risk=7},at:timestamp,"
            "note:optional<string>,location:{latitude:double,longitude:double}}");
  EXPECT_EQ(schema.fingerprint(), Hash64(schema.text()));
  EXPECT_EQ((SchemaOf<std::map<int32_t, std::vector<std::pair<bool, float>>>>().text()),
            "map<int32,vector<{f0:bool,f1:float}>>");
  EXPECT_FALSE(schema == SchemaOf<GlobalPoint>());
}

TEST(SchemaTest, PrintsForPeople) {
  EXPECT_EQ(PrintSchema(TypeInfoOf<Payment>()),
            "Payment\n"
            "  user: string\n"
            "  amount: decimal\n"
            "  risk: Risk (low, medium, high_risk)\n"
            "  at: timestamp\n"
            "  note: optional<string>\n"
            "  location: Location\n"
            "    latitude: double\n"
            "    longitude: double\n");
}

Everything Sample() {
  Everything record;
  record.u8 = 200;
  record.i16 = -3;
  record.f32 = 0.5;
  record.text = "hello";
  record.decimal = Decimal(5);
  record.time = Timestamp(9);
  record.risk = Risk::kHighRisk;
  record.maybe_location = test_bank::Location{1, 2};
  record.texts = {"a", "b"};
  record.by_name = {{"x", 1.5}};
  record.by_number = {{-7, "seven"}};
  record.by_risk = {{Risk::kMedium, {"m"}}};
  record.nested = {{"k", {{3, {4, 5}}}}};
  record.pair = {"left", 8};
  return record;
}

TEST(FieldAccessTest, ReadsScalarsByPath) {
  const Everything record = Sample();
  const auto get = [&](std::string_view path) {
    const StatusOr<FieldValue> value = GetField(record, path);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.ok() ? *value : FieldValue();
  };
  EXPECT_EQ(get("flag"), FieldValue(false));
  EXPECT_EQ(get("u8"), FieldValue(uint64_t{200}));
  EXPECT_EQ(get("i16"), FieldValue(int64_t{-3}));
  EXPECT_EQ(get("f32"), FieldValue(0.5));
  EXPECT_EQ(get("text"), FieldValue(std::string_view("hello")));
  EXPECT_EQ(get("decimal"), FieldValue(Decimal(5)));
  EXPECT_EQ(get("time"), FieldValue(Timestamp(9)));
  EXPECT_EQ(get("risk"), FieldValue(std::string_view("high_risk")));
  EXPECT_EQ(get("maybe_number"), FieldValue());
  EXPECT_EQ(get("maybe_location.longitude"), FieldValue(2.0));
  EXPECT_EQ(get("texts.1"), FieldValue(std::string_view("b")));
  EXPECT_EQ(get("texts.2"), FieldValue());
  EXPECT_EQ(get("by_name.x"), FieldValue(1.5));
  EXPECT_EQ(get("by_name.y"), FieldValue());
  EXPECT_EQ(get("by_number.-7"), FieldValue(std::string_view("seven")));
  EXPECT_EQ(get("by_risk.medium.0"), FieldValue(std::string_view("m")));
  EXPECT_EQ(get("nested.k.3.latitude"), FieldValue(4.0));
  EXPECT_EQ(get("payment.location.latitude"), FieldValue(48.5));
  EXPECT_EQ(get("pair.f1"), FieldValue(int64_t{8}));
}

TEST(FieldAccessTest, ErrorsNameThePathAndWhatThereIs) {
  const auto error = [](std::string_view path) {
    return std::string(StatusMessage(FieldPath::Resolve(TypeInfoOf<Payment>(), path).status()));
  };
  EXPECT_EQ(error("usr"),
            "field 'usr': Payment has no field 'usr'; its fields are user, amount, risk, at, note, location");
  EXPECT_EQ(error("location"), "field 'location' is a Location; expected the path of a single value");
  EXPECT_EQ(error("user.name"), "field 'user.name': 'name' leads into a string, which has no fields");
  EXPECT_FALSE(FieldPath::Resolve(TypeInfoOf<Everything>(), "by_number.x").ok());
  EXPECT_FALSE(FieldPath::Resolve(TypeInfoOf<Everything>(), "texts.-1").ok());
}

TEST(FieldAccessTest, PrintsRecords) {
  const Payment payment{.user = "ann", .amount = Decimal(5), .at = Timestamp(0), .note = std::nullopt};
  EXPECT_EQ(PrintRecord(payment),
            "Payment{user: \"ann\", amount: 5.00, risk: \"low\", at: 1970-01-01T00:00:00Z, note: none, "
            "location: Location{latitude: 48.5, longitude: 9.25}}");
}

}  // namespace
}  // namespace eagre
