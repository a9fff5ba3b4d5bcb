// The Kafka source against a real broker: what is read, from where to where, in which formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "connectors/kafka/kafka.h"
#include "eagre/eagre.h"
#include "tests/kafka/kafka_broker.h"

namespace eagre {
// Not without a name: the compiler would take it for granted that nobody else makes generators for these records.
namespace kafka_source_test {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

struct Event {
  int64_t id = 0;
  int64_t key = 0;
};
EAGRE_RECORD(Event, id, key);

struct Text {
  std::string text;
};
EAGRE_RECORD(Text, text);

struct Full {
  std::string value;
  std::string key;
  std::string header;
  int64_t offset = 0;
  int64_t partition = 0;
  int64_t time = 0;
};
EAGRE_RECORD(Full, value, key, header, offset, partition, time);

template <typename T>
KafkaSource<T> Bounded(const std::string& topic) {
  return KafkaSource<T>(Broker().bootstrap()).Topics({topic}).StopAt(KafkaOffsets::Latest());
}

template <typename T>
StatusOr<std::vector<T>> Collect(KafkaSource<T> source) {
  LocalJob job;
  return job.Read(std::move(source)).ExecuteAndCollect();
}

std::vector<int64_t> Ids(const std::vector<Event>& events) {
  std::vector<int64_t> ids;
  for (const Event& event : events) ids.push_back(event.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int64_t> Range(int64_t from, int64_t to) {
  std::vector<int64_t> ids;
  for (int64_t i = from; i < to; ++i) ids.push_back(i);
  return ids;
}

TEST(KafkaSourceTest, ReadsAllPartitionsOfATopicToTheEndAsItIsAtTheStart) {
  const std::string topic = Broker().NewTopic(3);
  Broker().ProduceNumbers(topic, 3, 0, 5000);
  const auto events = Collect(Bounded<Event>(topic));
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(Ids(*events), Range(0, 5000));
}

TEST(KafkaSourceTest, AnEmptyTopicIsAnEmptyStream) {
  const auto events = Collect(Bounded<Event>(Broker().NewTopic(2)));
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_THAT(*events, IsEmpty());
}

TEST(KafkaSourceTest, APatternIsOfWholeNamesAndReadsAllTopicsThatMatch) {
  const std::string prefix = KafkaBroker::NewName("pattern");
  for (const char* name : {"-a", "-b", "-bb"}) Broker().CreateTopic(prefix + name, 1);
  Broker().ProduceNumbers(prefix + "-a", 1, 0, 10);
  Broker().ProduceNumbers(prefix + "-b", 1, 10, 20);
  Broker().ProduceNumbers(prefix + "-bb", 1, 20, 30);
  const auto events =
      Collect(KafkaSource<Event>(Broker().bootstrap()).TopicPattern(prefix + "-.").StopAt(KafkaOffsets::Latest()));
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(Ids(*events), Range(0, 20));
}

TEST(KafkaSourceTest, StartsAndStopsWhereItIsTold) {
  const std::string topic = Broker().NewTopic(1);
  Broker().ProduceNumbers(topic, 1, 0, 100);
  const int64_t first_ms = 1'735'732'800'000;
  const struct {
    const char* what;
    KafkaOffsets start, stop;
    int64_t from, to;
  } cases[] = {
      {"explicit", KafkaOffsets::At({{{topic, 0}, 30}}), KafkaOffsets::At({{{topic, 0}, 60}}), 30, 60},
      {"timestamps", KafkaOffsets::FromTimestamp(Timestamp(first_ms + 40)),
       KafkaOffsets::FromTimestamp(Timestamp(first_ms + 45)), 40, 45},
      {"a timestamp behind the last", KafkaOffsets::FromTimestamp(Timestamp(first_ms + 1000)), KafkaOffsets::Latest(),
       100, 100},
      {"the end", KafkaOffsets::Latest(), KafkaOffsets::Latest(), 100, 100},
      {"committed, with nothing committed", KafkaOffsets::Committed(KafkaOffsets::Kind::kLatest),
       KafkaOffsets::Latest(), 100, 100},
      {"committed, with nothing committed, from the beginning", KafkaOffsets::Committed(), KafkaOffsets::Latest(), 0,
       100},
  };
  for (const auto& test : cases) {
    const auto events = Collect(KafkaSource<Event>(Broker().bootstrap())
                                    .Topics({topic})
                                    .GroupId("nobody")
                                    .StartFrom(test.start)
                                    .StopAt(test.stop));
    ASSERT_TRUE(events.ok()) << test.what << ": " << events.status();
    EXPECT_EQ(Ids(*events), Range(test.from, test.to)) << test.what;
  }
}

TEST(KafkaSourceTest, GoesOnFromWhatAGroupHasCommitted) {
  const std::string topic = Broker().NewTopic(2);
  Broker().ProduceNumbers(topic, 1, 0, 100);
  const std::string group = KafkaBroker::NewName("group");
  Broker().CommitOffset(group, topic, 0, 70);
  const auto source = [&] { return KafkaSource<Event>(Broker().bootstrap()).Topics({topic}).GroupId(group); };
  const auto behind = Collect(source().StartFrom(KafkaOffsets::Committed()).StopAt(KafkaOffsets::Latest()));
  ASSERT_TRUE(behind.ok()) << behind.status();
  EXPECT_EQ(Ids(*behind), Range(70, 100));
  const auto before = Collect(source().StopAt(KafkaOffsets::Committed()));
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(Ids(*before), Range(0, 70));
}

TEST(KafkaSourceTest, KeyHeadersTimestampAndOffsetAreThereForAFunction) {
  const std::string topic = Broker().NewTopic(1);
  Broker().Produce(
      topic, {{.key = "k", .value = "v", .headers = {{"h", "x"}}, .timestamp_ms = 1'700'000'000'000}, {.key = "gone"}});
  const auto decode = [](const KafkaMessage& message, Full& out) {
    out = {.value = std::string(message.value.value_or("(tombstone)")),
           .key = std::string(message.key.value_or("")),
           .header = std::string(message.FindHeader("h").value_or("(none)")),
           .offset = message.offset,
           .partition = message.partition,
           .time = message.timestamp_ms};
    return OkStatus();
  };
  const auto records = Collect(Bounded<Full>(topic).Decode(decode));
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_THAT(*records, SizeIs(2));
  EXPECT_EQ(ToJson((*records)[0]),
            R"({"value":"v","key":"k","header":"x","offset":0,"partition":0,"time":1700000000000})");
  EXPECT_EQ((*records)[1].value, "(tombstone)");
  EXPECT_EQ((*records)[1].header, "(none)");
}

TEST(KafkaSourceTest, MetadataIsAddedToWhatTheFormatHasRead) {
  const std::string topic = Broker().NewTopic(1);
  Broker().Produce(topic, {{.key = "7", .value = R"({"id":1})"}, {.key = "8"}, {.key = "9", .value = R"({"id":2})"}});
  const auto events = Collect(Bounded<Event>(topic).WithMetadata(
      [](const KafkaMessage& message, Event& event) { event.key = std::stoll(std::string(*message.key)); }));
  ASSERT_TRUE(events.ok()) << events.status();
  // The tombstone is no record of JSON.
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ((*events)[0].key, 7);
  EXPECT_EQ((*events)[1].key, 9);
}

TEST(KafkaSourceTest, FormatsAreThoseOfFilesAMessageARecord) {
  const std::string json = Broker().NewTopic(1);
  Broker().Produce(json, {{.value = "{\n  \"id\": 5,\n  \"key\": 6\n}\n"}, {.value = R"({"key":8,"id":7})"}});
  const auto objects = Collect(Bounded<Event>(json));
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(Ids(*objects), (std::vector<int64_t>{5, 7}));

  const std::string csv = Broker().NewTopic(1);
  Broker().Produce(csv, {{.value = "\"two\nlines\""}, {.value = "plain\n"}});
  const auto rows = Collect(Bounded<Text>(csv).Csv());
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_THAT(*rows, SizeIs(2));
  EXPECT_EQ((*rows)[0].text, "two\nlines");
  EXPECT_EQ((*rows)[1].text, "plain");

  const std::string raw = Broker().NewTopic(1);
  const std::string bytes("a\0\xff\n", 4);
  Broker().Produce(raw, {{.value = bytes}, {.value = ""}});
  const auto texts = Collect(Bounded<Text>(raw).Raw(&Text::text));
  ASSERT_TRUE(texts.ok()) << texts.status();
  ASSERT_THAT(*texts, SizeIs(2));
  EXPECT_EQ((*texts)[0].text, bytes);
  EXPECT_EQ((*texts)[1].text, "");
}

TEST(KafkaSourceTest, MalformedMessagesFailTheJobUnlessThePolicySaysOtherwise) {
  const std::string topic = Broker().NewTopic(1);
  Broker().Produce(topic, {{.value = R"({"id":1})"},
                           {.key = "bad", .value = R"({"id":"two"})", .headers = {{"h", "x"}}},
                           {.value = " "},
                           {.value = R"({"id":3})"}});
  const auto failed = Collect(Bounded<Event>(topic));
  EXPECT_THAT(std::string(StatusMessage(failed.status())),
              testing::AllOf(HasSubstr(topic), HasSubstr("partition 0, offset 1"), HasSubstr("expected"),
                             HasSubstr("DeadLetterTopic")));

  const auto skipped = Collect(Bounded<Event>(topic).OnMalformed(Malformed::kSkip));
  ASSERT_TRUE(skipped.ok()) << skipped.status();
  EXPECT_EQ(Ids(*skipped), (std::vector<int64_t>{1, 3}));

  const std::string letters = Broker().NewTopic(1);
  const auto sorted_out = Collect(Bounded<Event>(topic).DeadLetterTopic(letters));
  ASSERT_TRUE(sorted_out.ok()) << sorted_out.status();
  EXPECT_EQ(Ids(*sorted_out), (std::vector<int64_t>{1, 3}));
  std::vector<TestMessage> dead = Broker().Consume(letters);
  ASSERT_THAT(dead, SizeIs(2));
  EXPECT_EQ(dead[0].key, "bad");
  EXPECT_EQ(dead[0].value, R"({"id":"two"})");
  EXPECT_THAT(dead[0].headers["eagre.error"], HasSubstr("field 'id'"));
  EXPECT_EQ(dead[0].headers["eagre.topic"], topic);
  EXPECT_EQ(dead[0].headers["eagre.offset"], "1");
  EXPECT_EQ(dead[1].headers["eagre.offset"], "2");
}

TEST(KafkaSourceTest, MalformedMessagesCanGoToASideOutput) {
  const std::string topic = Broker().NewTopic(1);
  Broker().Produce(topic, {{.value = R"({"id":1})"}, {.value = "nonsense"}});
  LocalJob job;
  auto events = job.Read(Bounded<Event>(topic).OnMalformed(Malformed::kSideOutput));
  const auto lines = events.SideOutput(kMalformedLines).ExecuteAndCollect();
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_THAT(*lines, SizeIs(1));
  EXPECT_EQ((*lines)[0].file, topic + "-0");
  EXPECT_EQ((*lines)[0].offset, 1);
  EXPECT_EQ((*lines)[0].line, "nonsense");
}

TEST(KafkaSourceTest, WhatContradictsItselfIsRefusedWithAdvice) {
  const std::string servers = Broker().bootstrap();
  const auto message = [](const auto& result) { return std::string(StatusMessage(result.status())); };
  EXPECT_THAT(message(Collect(KafkaSource<Event>(servers))), HasSubstr("TopicPattern"));
  EXPECT_THAT(message(Collect(KafkaSource<Event>(servers).TopicPattern("("))), HasSubstr("no regular expression"));
  EXPECT_THAT(message(Collect(KafkaSource<Event>(servers).Topics({"t"}).StartFrom(KafkaOffsets::Committed()))),
              HasSubstr("GroupId"));
  EXPECT_THAT(message(Collect(Bounded<Event>("t").Property("no.such.setting", "1"))), HasSubstr("no.such.setting"));
  EXPECT_THAT(message(Collect(Bounded<Event>("t").Property("enable.auto.commit", "true"))),
              HasSubstr("enable.auto.commit"));
}

}  // namespace kafka_source_test
}  // namespace eagre
