#include "record/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

template <typename T>
T Read(std::string_view json) {
  StatusOr<T> value = FromJson<T>(json);
  EXPECT_TRUE(value.ok()) << json << ": " << value.status();
  return value.ok() ? *std::move(value) : T{};
}

template <typename T>
std::string ErrorOf(std::string_view json) {
  const StatusOr<T> value = FromJson<T>(json);
  if (value.ok()) return "(it was read)";
  EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(StatusMessage(value.status()));
}

TEST(JsonTest, WritesFieldsInOrderWithoutBlanks) {
  const Payment payment{.user = "ann",
                        .amount = *Decimal::Parse("12.5"),
                        .risk = Risk::kHighRisk,
                        .at = Timestamp(1'700'000'000'000),
                        .note = std::nullopt,
                        .location = {48.5, -9.25}};
  EXPECT_EQ(ToJson(payment), R"({"user":"ann","amount":12.50,"risk":"high_risk","at":1700000000000,"note":null,)"
                             R"("location":{"latitude":48.5,"longitude":-9.25}})");
  EXPECT_EQ(ToJson(std::map<int32_t, std::vector<bool>::size_type>{{-1, 2}}), R"({"-1":2})");
  EXPECT_EQ(ToJson(std::map<Risk, bool>{{Risk::kMedium, true}}), R"({"medium":true})");
  EXPECT_EQ(ToJson(std::pair<std::string, int32_t>("a", 1)), R"({"f0":"a","f1":1})");
}

TEST(JsonTest, NumbersAreShortAndReadBack) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {5, "5"},
      {100'000, "100000"},
      {0.1, "0.1"},
      {1.0 / 3, "0.3333333333333333"},
      {-12.34, "-12.34"},
      {99'999'999.999999, "99999999.999999"},
      {1e-6, "0.000001"},
      {1e-7, "1e-07"},
      {1e20, "100000000000000000000"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {std::numeric_limits<double>::infinity(), "null"},
  };
  for (const auto& [number, text] : cases) EXPECT_EQ(ToJson(number), text);
  EXPECT_EQ(ToJson(0.1f), "0.1");
  EXPECT_EQ(ToJson(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_TRUE(std::isnan(Read<double>("null")));
}

TEST(JsonTest, DoublesReadCorrectlyRounded) {
  for (const char* text : {"0", "-0", "1", "0.1", "123456789012345678", "9007199254740993", "1.7976931348623157e308",
                           "4.9e-324", "2.2250738585072011e-308", "123456.789e3", "1E5", "-1.5e-7",
                           "0.30000000000000004", "3.141592653589793238462643383279", "12345678.87654321"}) {
    EXPECT_EQ(Read<double>(text), std::strtod(text, nullptr)) << text;
  }
  SeededRandom random(9);
  for (int i = 0; i < 3000; ++i) {
    std::string text = std::to_string(random.Below(1000000)) + '.' + std::to_string(random.Next() >> random.Below(64));
    EXPECT_EQ(Read<double>(text), std::strtod(text.c_str(), nullptr)) << text;
    EXPECT_EQ(Read<float>(text), std::strtof(text.c_str(), nullptr)) << text;
  }
  EXPECT_EQ(Read<double>("1e-999"), 0);
  EXPECT_EQ(ErrorOf<double>("1e999"), "1e999 is out of range of double");
  EXPECT_EQ(ErrorOf<float>("1e39"), "1e39 is out of range of float");
}

TEST(JsonTest, IntegersOfAllWidths) {
  EXPECT_EQ(Read<int64_t>("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Read<int64_t>("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Read<uint64_t>("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Read<int8_t>(" -128 "), -128);
  EXPECT_EQ(ErrorOf<int8_t>("128"), "128 is out of range of int8");
  EXPECT_EQ(ErrorOf<uint8_t>("-1"), "-1 is out of range of uint8");
  EXPECT_EQ(ErrorOf<int64_t>("9223372036854775808"), "9223372036854775808 is out of range of int64");
  EXPECT_EQ(ErrorOf<uint64_t>("18446744073709551616"), "18446744073709551616 is out of range of uint64");
  EXPECT_EQ(ErrorOf<uint64_t>("100000000000000000000000"), "100000000000000000000000 is out of range of uint64");
  EXPECT_EQ(ErrorOf<int32_t>("1.0"), "expected an integer, found the number 1.0");
  EXPECT_EQ(ErrorOf<int32_t>("1e3"), "expected an integer, found the number 1e3");
}

TEST(JsonTest, DecimalsAreReadFromTheirDigits) {
  EXPECT_EQ(Read<Decimal>("0.1").units(), 1000);
  EXPECT_EQ(Read<Decimal>("\"12.34\"").units(), 123'400);
  EXPECT_EQ(Read<Decimal>("-99999999999999.9999").units(), -999'999'999'999'999'999);
  EXPECT_EQ(Read<Decimal>("1.2e2").units(), 1'200'000);
  EXPECT_EQ(Read<Decimal>("1.50000000").units(), 15'000);
  EXPECT_EQ(ErrorOf<Decimal>("1.00001"), "a decimal holds 4 digits after the point, '1.00001' has more");
  EXPECT_EQ(ErrorOf<Decimal>("\"ten\""), "expected a decimal number such as 12.50, found 'ten'");
  EXPECT_EQ(ErrorOf<Decimal>("01"), "expected a decimal number, found the number 01");
  EXPECT_EQ(ErrorOf<Decimal>("-00.5"), "expected a decimal number, found the number -00.5");
  EXPECT_EQ(Read<Decimal>("0e3").units(), 0);
  EXPECT_EQ(ErrorOf<Decimal>("true"), "expected a decimal number, found true");
}

TEST(JsonTest, TimestampsAreMillisecondsOrIsoText) {
  EXPECT_EQ(Read<Timestamp>("1714566600250").ms(), 1'714'566'600'250);
  EXPECT_EQ(Read<Timestamp>("\"2024-05-01T12:30:00.250Z\"").ms(), 1'714'566'600'250);
  EXPECT_EQ(ErrorOf<Timestamp>("\"tomorrow\""),
            "expected milliseconds since 1970 or an ISO-8601 time, found 'tomorrow'");
}

TEST(JsonTest, EnumsAreTheirNames) {
  EXPECT_EQ(Read<Risk>("\"high_risk\""), Risk::kHighRisk);
  EXPECT_EQ(Read<Risk>("\"HIGH_RISK\""), Risk::kHighRisk);
  EXPECT_EQ(Read<Risk>("7"), Risk::kHighRisk);
  EXPECT_EQ(ErrorOf<Risk>("\"extreme\""), "expected one of low, medium, high_risk, found 'extreme'");
  EXPECT_EQ(ErrorOf<Risk>("3"), "expected one of low, medium, high_risk, found '3'");
}

TEST(JsonTest, FieldsComeInAnyOrderAndUnknownOnesAreSkipped) {
  const auto payment = Read<Payment>(
      R"( { "location" : {"longitude":2,"x":[{"a":"]}"},[]],"latitude":1}, "unknown":{"user":"eve","deep":[1,[2]]},)"
      R"( "amount":3, "u\u0073er" : "bob", "none": null, "at":4 ,"risk":"medium"} )");
  EXPECT_TRUE(RecordEquals(payment, Payment{.user = "bob",
                                            .amount = Decimal(3),
                                            .risk = Risk::kMedium,
                                            .at = Timestamp(4),
                                            .note = "none yet",
                                            .location = {1, 2}}))
      << PrintRecord(payment);
}

TEST(JsonTest, WhatIsSkippedMustBeJsonToo) {
  // A value, and the part of it at which the message points.
  const std::pair<const char*, const char*> faulty[] = {
      {"tru", "expected a value, found 'tru'"},
      {"truee", "expected a value, found 'truee'"},
      {"nope", "expected a value, found 'nope'"},
      {"-", "expected a value, found '-'"},
      {"+1", "expected a value, found '+1'"},
      {"01", "expected a value, found '01'"},
      {"1.", "expected a value, found '1.'"},
      {".5", "expected a value, found '.5'"},
      {"1.2.3", "expected a value, found '1.2.3'"},
      {"1e", "expected a value, found '1e'"},
      {"0x1", "expected a value, found '0x1'"},
      {"NaN", "expected a value, found 'NaN'"},
      {"'a'", "expected a value, found ''a''"},
      {"1 2", "expected ',' or '}', found '2'"},
      {R"("a""b")", R"(expected ',' or '}', found '"')"},
      {"[1}", "expected ',' or ']', found '}'"},
      {"[1 2]", "expected ',' or ']', found '2'"},
      {"[,]", "expected a value, found ','"},
      {"[1,]", "expected a value, found ']'"},
      {"[[1,2}]", "expected ',' or ']', found '}'"},
      {R"({"a":1])", "expected ',' or '}', found ']'"},
      {R"({"a" 1})", "expected ':', found '1'"},
      {R"({"a":})", "expected a value, found '}'"},
      {R"({"a":1,})", "expected a field name in quotes, found '}'"},
      {R"({"a"})", "expected ':', found '}'"},
      {"{a:1}", "expected a field name in quotes, found 'a'"},
      {"{]}", "expected a field name in quotes, found ']'"},
      {"{,}", "expected a field name in quotes, found ','"},
      {"{1:2}", "expected a field name in quotes, found '1'"},
  };
  for (const auto& [value, message] : faulty) {
    for (const std::string_view line : {R"({{"zz":{},"x":1}})", R"({{"x":1,"zz":{}}})"}) {
      const std::string json = fmt::format(fmt::runtime(line), value);
      EXPECT_THAT(ErrorOf<GlobalPoint>(json), AllOf(StartsWith("invalid JSON at byte "), EndsWith(message))) << json;
    }
  }
  for (const std::string_view text : {R"(\q)", R"(\u12)", R"(\u12x4)", R"(a\')"}) {
    const std::string message = fmt::format(R"(invalid escape in the string "{}")", text);
    EXPECT_EQ(ErrorOf<GlobalPoint>(fmt::format(R"({{"zz":["{}"]}})", text)), message);
    EXPECT_EQ(ErrorOf<GlobalPoint>(fmt::format(R"({{"zz":{{"{}":1}}}})", text)), message);
    EXPECT_EQ(ErrorOf<GlobalPoint>(fmt::format(R"({{"{}":1}})", text)), message);
  }
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"zz":[[1],{"a":2)"),
            "truncated JSON: the line ends at byte 17 before its value does");
}

TEST(JsonTest, AnyJsonMayStandInAFieldThatIsSkipped) {
  const std::string deep(5000, '[');
  for (const std::string& value :
       {std::string(R"([])"), std::string("{}"),
        std::string(R"([ 1 , -0 , 0.5, 1e5, -1.25E-3, 123456789012345678901])"), std::string("1e999"),
        std::string(R"({"a":{"b":[true,false,null,""]},"":[[],{}]})"),
        std::string(R"("\"\\\/\b\f\n\r\t\u00e4\uD83C\uDF0A")"), std::string(R"({"\ud83c":"half a pair: \ud83c"})"),
        std::string(R"("]},:")"), deep + std::string(5000, ']')}) {
    for (const std::string_view line : {R"({{"zz":{},"x":1}})", R"({{"x":1, "z\u007a" : {} }})"}) {
      const std::string json = fmt::format(fmt::runtime(line), value);
      EXPECT_EQ(Read<GlobalPoint>(json).x, 1) << json;
    }
  }
}

TEST(JsonTest, MissingFieldsGetTheDefaultsOfTheStructAlsoInUsedObjects) {
  JsonParser parser;
  Payment payment{.user = "old", .amount = Decimal(9), .note = "old", .location = {9, 9}};
  ASSERT_TRUE(parser.Parse(R"({"user":"new","location":{"latitude":1}})", payment).ok());
  EXPECT_TRUE(RecordEquals(payment, Payment{.user = "new", .location = {1, 0}})) << PrintRecord(payment);
  ASSERT_TRUE(parser.Parse("{}", payment).ok());
  EXPECT_TRUE(RecordEquals(payment, Payment{}));
  EXPECT_EQ(payment.note, "none yet");
}

TEST(JsonTest, OptionalsMayBeNull) {
  EXPECT_EQ(Read<Payment>(R"({"note":null})").note, std::nullopt);
  EXPECT_EQ(Read<Payment>(R"({"note":"x"})").note, "x");
  EXPECT_EQ(ErrorOf<Payment>(R"({"user":null})"),
            "field 'user': expected a string, found null (a field that may be null must be a std::optional)");
}

TEST(JsonTest, TheLastOfRepeatedKeysWins) {
  EXPECT_EQ(Read<GlobalPoint>(R"({"x":1,"x":2})").x, 2);
  using Map = std::map<std::string, int32_t>;
  EXPECT_EQ((Read<Map>(R"({"b":1,"a":2,"b":3})")), (Map{{"a", 2}, {"b", 3}}));
}

TEST(JsonTest, MapsAndVectorsOfUsedObjectsAreReplaced) {
  JsonParser parser;
  std::map<std::string, std::string> map{{"a", "1"}, {"b", "2"}, {"z", "3"}};
  ASSERT_TRUE(parser.Parse(R"({"a":"4","c":"5"})", map).ok());
  EXPECT_EQ(map, (std::map<std::string, std::string>{{"a", "4"}, {"c", "5"}}));
  ASSERT_TRUE(parser.Parse(R"({})", map).ok());
  EXPECT_TRUE(map.empty());
  std::map<int8_t, bool> numbered;
  ASSERT_TRUE(parser.Parse(R"({"-3":true})", numbered).ok());
  EXPECT_TRUE(numbered[-3]);
  std::vector<std::string> texts{"1", "2", "3"};
  ASSERT_TRUE(parser.Parse(R"(["4"])", texts).ok());
  EXPECT_EQ(texts, std::vector<std::string>{"4"});
}

TEST(JsonTest, EscapesAndUnicode) {
  EXPECT_EQ(Read<std::string>(R"("a\"b\\c\/d\b\f\n\r\t\u00e4\u20AC\ud83c\udf0a")"),
            "a\"b\\c/d\b\f\n\r\t\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\x8A");
  EXPECT_EQ(Read<std::string>("\"\xF0\x9F\x8C\x8A\""), "\xF0\x9F\x8C\x8A");
  EXPECT_EQ(ToJson(std::string("a\"\\\n\x01\x7f\xC3\xA4")), "\"a\\\"\\\\\\n\\u0001\x7f\xC3\xA4\"");
  EXPECT_EQ(ToJson(std::string("\xff"
                               "a\xE2\x82")),
            "\"\xEF\xBF\xBD"
            "a\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(ErrorOf<std::string>(R"("\ud83c")"), R"(invalid escape in the string "\ud83c")");
  EXPECT_EQ(ErrorOf<std::string>(R"("\x41")"), R"(invalid escape in the string "\x41")");
  const std::string with_nul("a\0b", 3);
  EXPECT_EQ(Read<std::string>(ToJson(with_nul)), with_nul);
}

TEST(JsonTest, ErrorsNameTheFieldAndWhatWasFound) {
  EXPECT_EQ(ErrorOf<Payment>(R"({"location":{"latitude":"north"}})"),
            "field 'location.latitude': expected a number, found a string");
  EXPECT_EQ(ErrorOf<Payment>(R"({"user":5})"), "field 'user': expected a string, found the number 5");
  EXPECT_EQ(ErrorOf<Payment>(R"({"location":[1]})"), "field 'location': expected an object, found an array");
  EXPECT_EQ(ErrorOf<Payment>(R"([])"), "expected an object, found an array");
  EXPECT_EQ(ErrorOf<Everything>(R"({"tuples":[{},{"f1":false}]})"),
            "field 'tuples[1].f1': expected a string, found false");
  EXPECT_EQ(ErrorOf<Everything>(R"({"by_name":{"a":{}}})"), "field 'by_name.a': expected a number, found an object");
  EXPECT_EQ(ErrorOf<Everything>(R"({"by_number":{"x":""}})"),
            "field 'by_number': expected keys of type int32, found 'x'");
  EXPECT_EQ(ErrorOf<Everything>(R"({"by_risk":{"none":[]}})"),
            "field 'by_risk': expected keys of type one of low, medium, high_risk, found 'none'");
  EXPECT_EQ(ErrorOf<Everything>(R"({"flag":1})"), "field 'flag': expected true or false, found the number 1");
  EXPECT_EQ(ErrorOf<Everything>(R"({"i8":1000})"), "field 'i8': 1000 is out of range of int8");
}

TEST(JsonTest, ErrorsOfTheTextNameTheByte) {
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":1 "y":2})"), "invalid JSON at byte 7: expected ',' or '}', found '\"'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x" 1})"), "invalid JSON at byte 5: expected ':', found '1'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({x:1})"), "invalid JSON at byte 1: expected a field name in quotes, found 'x'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":1,})"), "invalid JSON at byte 7: expected a field name in quotes, found '}'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":one})"), "invalid JSON at byte 5: expected a value, found 'o'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":1}})"), "invalid JSON at byte 7: expected the end of the line, found '}'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"z":]})"), "invalid JSON at byte 5: expected a value, found ']'");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":01})"), "field 'x': expected an integer, found the number 01");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":1a})"), "field 'x': expected an integer, found the number 1a");
  EXPECT_EQ(ErrorOf<GlobalPoint>("{\"x\":1,\"y\":\"\xff\"}"), "invalid JSON at byte 12: the text is not UTF-8");
  EXPECT_EQ(ErrorOf<Payment>("{\"user\":\"a\tb\"}"),
            "invalid JSON at byte 10: a control character in a string must be escaped");
  EXPECT_EQ(ErrorOf<GlobalPoint>(""), "expected a JSON value, found an empty line");
  EXPECT_EQ(ErrorOf<GlobalPoint>("  "), "expected a JSON value, found an empty line");
}

TEST(JsonTest, EveryTruncationSaysSo) {
  SeededRandom random(6);
  const std::string json = ToJson(RandomRecord<Everything>(random));
  for (size_t size = 1; size < json.size(); ++size) {
    const std::string message = ErrorOf<Everything>(json.substr(0, size));
    // A cut within a character, a word or a number shows as that; every other cut is named as what it is.
    const bool named = message.starts_with("truncated JSON: the line ends at byte");
    EXPECT_TRUE(named || message.find("UTF-8") != std::string::npos || message.find("expected") != std::string::npos)
        << "cut at " << size << ": " << message;
  }
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":1,)"), "truncated JSON: the line ends at byte 7 before its value does");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x":1)"), "truncated JSON: the line ends at byte 6 before its value does");
  EXPECT_EQ(ErrorOf<GlobalPoint>(R"({"x)"), "truncated JSON: the line ends at byte 3 within a string");
}

TEST(JsonTest, RandomRecordsComeBack) {
  SeededRandom random(7);
  JsonParser parser;
  Everything reused;
  for (int round = 0; round < 500; ++round) {
    const auto record = RandomRecord<Everything>(random);
    const std::string json = ToJson(record);
    const Status status = parser.Parse(json, reused);
    ASSERT_TRUE(status.ok()) << status << "\n" << json;
    ASSERT_TRUE(RecordEquals(record, reused)) << PrintRecord(record) << "\n" << PrintRecord(reused);
    ASSERT_EQ(ToJson(reused), json);
  }
}

TEST(JsonTest, HostileTextNeverDoesHarm) {
  SeededRandom random(8);
  JsonParser parser;
  Everything target;
  for (int round = 0; round < 4000; ++round) {
    const std::string text = Damage(ToJson(RandomRecord<Everything>(random)), random);
    const std::vector<char> exact(text.begin(), text.end());
    const Status status = parser.Parse({exact.data(), exact.size()}, target);
    if (status.ok()) {
      Everything again;
      ASSERT_TRUE(parser.Parse(ToJson(target), again).ok()) << ToJson(target);
    }
  }
}

// ---- Windows.

struct WindowResult {
  std::vector<std::string> lines;
  std::vector<std::string> results;  // JSON of what was read, or the error
};

// The window in memory of the exact size, with or without padding.
WindowResult ReadWindow(std::string_view window, bool padded) {
  std::vector<char> memory(window.begin(), window.end());
  if (padded) memory.resize(window.size() + JsonParser::kPadding, '"');
  JsonParser parser;
  parser.BeginWindow({memory.data(), window.size()}, memory.size());
  WindowResult result;
  ParsedLine line;
  GlobalPoint point;
  while (parser.NextLine(point, line)) {
    EXPECT_EQ(line.text, window.substr(line.offset, line.text.size()));
    result.lines.emplace_back(line.text);
    result.results.push_back(line.status.ok() ? ToJson(point) : std::string(StatusMessage(line.status)));
  }
  return result;
}

TEST(JsonWindowTest, ReadsLineAfterLine) {
  for (const bool padded : {false, true}) {
    const WindowResult result = ReadWindow("{\"x\":1}\r\n\n  \n{\"y\":2}", padded);
    EXPECT_EQ(result.lines, (std::vector<std::string>{"{\"x\":1}\r", "{\"y\":2}"}));
    EXPECT_EQ(result.results, (std::vector<std::string>{R"({"x":1,"y":0})", R"({"x":0,"y":2})"}));
  }
  EXPECT_TRUE(ReadWindow("", false).lines.empty());
  EXPECT_TRUE(ReadWindow("\n\n", true).lines.empty());
}

TEST(JsonWindowTest, AFaultyLineFailsAlone) {
  const std::string faulty[] = {
      "{\"x\":",           // ends within a value
      "{\"x\":1,",         // continues on the next line, which no line may
      "{\"x\":\"1",        // quotes that the next line would close
      "{\"x\":1}}",        //
      "{\"x\":1} {}",      //
      "[",                 //
      "{\"z\":[[[",        //
      "{\"z\":[1,",        //
      "{\"z\":{\"a\"",     //
      "{\"z\":tru}",       //
      "\xff",              //
      "{\"x\":\"\x01\"}",  //
      "nonsense",          //
  };
  for (const std::string& line : faulty) {
    for (const bool padded : {false, true}) {
      const WindowResult result = ReadWindow("{\"x\":1}\n" + line + "\n{\"x\":3}\n" + line, padded);
      ASSERT_EQ(result.results.size(), 4u) << line;
      EXPECT_EQ(result.results[0], R"({"x":1,"y":0})") << line;
      EXPECT_EQ(result.results[2], R"({"x":3,"y":0})") << line;
      EXPECT_EQ(result.results[1], ErrorOf<GlobalPoint>(line));
      EXPECT_EQ(result.results[3], result.results[1]);
    }
  }
}

TEST(JsonWindowTest, ALineMustNotContinueOnTheNext) {
  const WindowResult result = ReadWindow("{\"x\":1,\n\"y\":2}\n", true);
  ASSERT_EQ(result.results.size(), 2u);
  EXPECT_EQ(result.results[0], "truncated JSON: the line ends at byte 7 before its value does");
  EXPECT_EQ(result.results[1], "expected an object, found a string");
}

TEST(JsonWindowTest, LargeWindowsAndLongLines) {
  std::string window;
  std::vector<std::string> expected;
  SeededRandom random(10);
  for (int i = 0; window.size() < 400'000; ++i) {
    if (i % 500 == 99) {
      window += "{\"x\":oops}\n";
      expected.emplace_back("invalid JSON at byte 5: expected a value, found 'o'");
      continue;
    }
    const size_t filler = i == 1000 ? 150'000 : random.Below(40);
    window += fmt::format("{{\"x\":{},\"filler\":\"{}\",\"y\":2}}\n", i, std::string(filler, 'f'));
    expected.push_back(fmt::format(R"({{"x":{},"y":2}})", i));
  }
  EXPECT_EQ(ReadWindow(window, true).results, expected);
  EXPECT_EQ(ReadWindow(window, false).results, expected);
}

TEST(JsonWindowTest, AgreesWithReadingEachLineAlone) {
  SeededRandom random(11);
  for (int round = 0; round < 300; ++round) {
    std::string window;
    for (int i = 0; i < 6; ++i) {
      std::string line = ToJson(GlobalPoint{static_cast<int64_t>(random.Below(1000)), 5});
      if (random.Below(3) == 0) line = Damage(line, random);
      window += line + '\n';
    }
    const WindowResult result = ReadWindow(window, round % 2 == 0);
    JsonParser parser;
    for (size_t i = 0; i < result.lines.size(); ++i) {
      GlobalPoint point;
      const Status status = parser.Parse(result.lines[i], point);
      EXPECT_EQ(result.results[i], status.ok() ? ToJson(point) : std::string(StatusMessage(status)));
    }
  }
}

}  // namespace
}  // namespace eagre
