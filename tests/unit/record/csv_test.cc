#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "record/csv_reader.h"
#include "record/csv_writer.h"
#include "record/field_access.h"
#include "tests/unit/record/random_record.h"
#include "tests/unit/record/test_records.h"

namespace eagre {
namespace {

using test_bank::Everything;
using test_bank::Payment;
using test_bank::Risk;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kHeader[] = "user,amount,risk,at,note,location.latitude,location.longitude";

// The records of a window, printed; rows that are none as their message.
std::vector<std::string> ParseRows(CsvParser& parser, std::string_view window) {
  std::vector<std::string> rows;
  Payment payment;
  ParsedLine row;
  parser.BeginWindow(window, /*last=*/true);
  while (parser.NextRow(&payment, row)) {
    rows.push_back(row.status.ok() ? PrintRecord(payment) : std::string(StatusMessage(row.status)));
    EXPECT_EQ(window.substr(row.offset, row.text.size()), row.text);
  }
  return rows;
}

TEST(CsvReaderTest, CellsBecomeFieldsOfTheirTypes) {
  CsvParser parser(TypeInfoOf<Payment>(), {});
  ASSERT_TRUE(parser.SetHeader(kHeader).ok());
  EXPECT_THAT(ParseRows(parser,
                        "ann,12.5,high_risk,2024-05-01T12:30:00Z,hello,1,2.5\r\n"
                        "\n"
                        "\"b \"\"x\"\", c\", 3 ,LOW,1714566600000,,,-0\n"
                        "\"\",0,7,1970-01-01,\"\",1e3,0"),
              ElementsAre("Payment{user: \"ann\", amount: 12.50, risk: \"high_risk\", at: 2024-05-01T12:30:00Z, note: "
                          "\"hello\", location: Location{latitude: 1, longitude: 2.5}}",
                          "Payment{user: \"b \\\"x\\\", c\", amount: 3.00, risk: \"low\", at: 2024-05-01T12:30:00Z, "
                          "note: none, location: Location{latitude: nan, longitude: -0}}",
                          "Payment{user: \"\", amount: 0.00, risk: \"high_risk\", at: 1970-01-01T00:00:00Z, note: "
                          "\"\", location: Location{latitude: 1000, longitude: 0}}"));
}

TEST(CsvReaderTest, ColumnsAreFoundByNameAndOthersKeepTheirDefaults) {
  CsvParser parser(TypeInfoOf<Payment>(), {.delimiter = ';'});
  ASSERT_TRUE(parser.SetHeader("colour;\"amount\"; user ;\n").ok());
  EXPECT_THAT(ParseRows(parser, "red;7;bob;x\n"),
              ElementsAre("Payment{user: \"bob\", amount: 7.00, risk: \"low\", at: 1970-01-01T00:00:00Z, note: \"none "
                          "yet\", location: Location{latitude: 48.5, longitude: 9.25}}"));
}

TEST(CsvReaderTest, AHeaderThatCannotBeRightIsRefused) {
  CsvParser parser(TypeInfoOf<Payment>(), {});
  EXPECT_EQ(StatusMessage(parser.SetHeader("ann,12")),
            "no column is a field of Payment: expected some of user, amount, risk, at, note, location.latitude, "
            "location.longitude, found 'ann, 12'; if the first line is no header, say .Columns({...})");
  EXPECT_EQ(StatusMessage(parser.SetHeader("user,amount,user")), "two columns are named 'user'");
  EXPECT_THAT(std::string(StatusMessage(parser.SetHeader("user,\"amount"))), HasSubstr("a quote is opened"));
}

TEST(CsvReaderTest, ABadRowSaysWhatIsWrongAndLeavesTheNextOnesAlone) {
  const struct {
    const char* cells;
    const char* message;
  } kCases[] = {
      {"ann,ten,low,0,,0,0", "column 'amount': "},
      {"ann,1,lowest,0,,0,0", "column 'risk': expected one of low, medium, high_risk, found 'lowest'"},
      {"ann,1,low,soon,,0,0", "column 'at': expected a time as ISO 8601 or in milliseconds since 1970, found 'soon'"},
      {"ann,1,low,0,,north,0", "column 'location.latitude': expected a number, found 'north'"},
      {"ann,,low,0,,0,0", "column 'amount': expected a value (decimal), found none; make the field optional"},
      {"ann,1,low,0,,0", "expected 7 columns as in the header, found 6"},
      {"ann,1,low,0,,0,0,0", "expected 7 columns as in the header, found 8"},
      {"\"ann,1,low,0,,0,0", "a quote is opened and not closed; if rows hold ends of line, say .MultilineRows()"},
      {"\"ann\"a,1,low,0,,0,0", "expected ',' behind a closing quote, found 'a,1,low,0,,0,0'"},
  };
  CsvParser parser(TypeInfoOf<Payment>(), {});
  ASSERT_TRUE(parser.SetHeader(kHeader).ok());
  for (const auto& bad : kCases) {
    const std::vector<std::string> rows = ParseRows(parser, std::string(bad.cells) + "\nbob,1,low,0,,0,0\n");
    ASSERT_EQ(rows.size(), 2u) << bad.cells;
    EXPECT_THAT(rows[0], HasSubstr(bad.message));
    EXPECT_THAT(rows[1], HasSubstr("bob"));
  }
}

TEST(CsvReaderTest, IntegersMustFitTheirWidth) {
  struct Limits {
    const char* column;
    const char* fits;
    const char* too_large;
  };
  const Limits kLimits[] = {{"i8", "-128", "128"},
                            {"u8", "255", "256"},
                            {"u8", "0", "-1"},
                            {"i64", "-9223372036854775808", "9223372036854775808"},
                            {"u64", "18446744073709551615", "18446744073709551616"},
                            {"i32", "7", "7.0"}};
  for (const Limits& limits : kLimits) {
    CsvParser parser(TypeInfoOf<Everything>(), {});
    ASSERT_TRUE(parser.SetColumns({limits.column}).ok());
    const std::string window = std::string(limits.fits) + "\n" + limits.too_large + "\n";
    parser.BeginWindow(window, true);
    Everything record;
    ParsedLine row;
    ASSERT_TRUE(parser.NextRow(&record, row));
    EXPECT_TRUE(row.status.ok()) << row.status;
    ASSERT_TRUE(parser.NextRow(&record, row));
    EXPECT_THAT(std::string(StatusMessage(row.status)), HasSubstr("expected an integer"));
  }
}

TEST(CsvReaderTest, ARowThatGoesBeyondTheWindowIsLeftForTheNextOne) {
  CsvParser parser(TypeInfoOf<Payment>(), {.multiline = true});
  ASSERT_TRUE(parser.SetColumns({"user"}).ok());
  Payment payment;
  ParsedLine row;
  parser.BeginWindow("ann\n\"b\nc\n", /*last=*/false);
  ASSERT_TRUE(parser.NextRow(&payment, row));
  EXPECT_EQ(payment.user, "ann");
  EXPECT_FALSE(parser.NextRow(&payment, row));
  EXPECT_EQ(parser.unread(), 5u);
  parser.BeginWindow("\"b\nc\nd\"\n", /*last=*/true);
  ASSERT_TRUE(parser.NextRow(&payment, row));
  EXPECT_TRUE(row.status.ok()) << row.status;
  EXPECT_EQ(payment.user, "b\nc\nd");
  EXPECT_FALSE(parser.NextRow(&payment, row));
  EXPECT_EQ(parser.unread(), 0u);
}

TEST(CsvTest, WhatIsWrittenIsReadBackForRandomRecordsOfEveryKind) {
  SeededRandom random(5);
  const TypeInfo& type = TypeInfoOf<Everything>();
  const CsvWriter writer(type, '|');
  CsvParser parser(type, {.delimiter = '|', .multiline = true});
  ASSERT_TRUE(parser.SetHeader(writer.Header()).ok());
  for (int round = 0; round < 500; ++round) {
    Everything written;
    FillRandom(type, &written, random);
    std::string text;
    writer.AppendRow(&written, text);
    Everything read;
    ParsedLine row;
    parser.BeginWindow(text, true);
    ASSERT_TRUE(parser.NextRow(&read, row));
    ASSERT_TRUE(row.status.ok()) << row.status << "\n" << text;
    ASSERT_TRUE(RecordEquals(written, read)) << PrintRecord(written) << "\n" << PrintRecord(read) << "\n" << text;
    ASSERT_FALSE(parser.NextRow(&read, row));
  }
}

TEST(CsvTest, ATypeThatIsNoRecordHasOneColumn) {
  const std::string text = "a,b";
  const CsvWriter writer(TypeInfoOf<std::string>(), ',');
  EXPECT_EQ(writer.Header(), "value\n");
  std::string rows;
  writer.AppendRow(&text, rows);
  const std::string empty;
  writer.AppendRow(&empty, rows);
  EXPECT_EQ(rows, "\"a,b\"\n\"\"\n");
}

}  // namespace
}  // namespace eagre
