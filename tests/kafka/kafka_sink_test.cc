// The Kafka sink against a real broker: what arrives, where, and that back-pressure is back-pressure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "connectors/kafka/kafka.h"
#include "eagre/eagre.h"
#include "tests/kafka/kafka_broker.h"

namespace eagre {
// Not without a name: the compiler would take it for granted that nobody else makes generators for these records.
namespace kafka_sink_test {

using testing::HasSubstr;
using testing::SizeIs;

struct Event {
  int64_t id = 0;
  std::string name;
};
EAGRE_RECORD(Event, id, name);

Status Write(std::vector<Event> events, const KafkaSink& sink) {
  LocalJob job;
  job.Read(FromMemory<Event>(std::make_shared<const std::vector<Event>>(std::move(events)))).WriteTo(sink);
  return job.Execute();
}

TEST(KafkaSinkTest, WritesJsonToTheTopicWithTheKeyOfAField) {
  const std::string topic = Broker().NewTopic(1);
  const Status written = Write({{1, "a"}, {2, "b"}}, KafkaSink(Broker().bootstrap(), topic).Key(&Event::name));
  ASSERT_TRUE(written.ok()) << written;
  const std::vector<TestMessage> messages = Broker().Consume(topic);
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(messages[0].value, R"({"id":1,"name":"a"})");
  EXPECT_EQ(messages[0].key, "a");
  EXPECT_EQ(messages[1].value, R"({"id":2,"name":"b"})");
}

TEST(KafkaSinkTest, AFunctionChoosesTopicPartitionHeadersAndTimestampOfEachRecord) {
  const std::string even = Broker().NewTopic(3), odd = Broker().NewTopic(3);
  const auto route = [&](const Event& event, KafkaRecord& out) {
    if (event.id % 2 == 1) out.topic = odd;
    out.partition = static_cast<int32_t>(event.id % 3);
    out.headers.emplace_back("name", event.name);
    out.timestamp_ms = 1'700'000'000'000 + event.id;
    if (event.id == 4) {
      out.SetKey("four");
      out.tombstone = true;
    }
  };
  const Status written =
      Write({{1, "a"}, {2, "b"}, {4, "d"}}, KafkaSink(Broker().bootstrap(), even).Csv().Records<Event>(route));
  ASSERT_TRUE(written.ok()) << written;
  std::vector<TestMessage> messages = Broker().Consume(odd);
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].value, "1,a");
  EXPECT_EQ(messages[0].key, std::nullopt);
  EXPECT_EQ(messages[0].partition, 1);
  EXPECT_EQ(messages[0].headers["name"], "a");
  EXPECT_EQ(messages[0].timestamp_ms, 1'700'000'000'001);
  messages = Broker().Consume(even);
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(messages[0].partition, 1);
  EXPECT_EQ(messages[0].value, std::nullopt);
  EXPECT_EQ(messages[1].value, "2,b");
}

TEST(KafkaSinkTest, AFullQueueHoldsTheJobUpAndLosesNothing) {
  for (const DeliveryGuarantee guarantee : {DeliveryGuarantee::kNone, DeliveryGuarantee::kAtLeastOnce}) {
    const std::string topic = Broker().NewTopic(2);
    std::vector<Event> events;
    for (int64_t i = 0; i < 20'000; ++i) events.push_back({i, "x"});
    const Status written = Write(events, KafkaSink(Broker().bootstrap(), topic)
                                             .Guarantee(guarantee)
                                             .Property("properties.queue.buffering.max.messages", "100"));
    ASSERT_TRUE(written.ok()) << written;
    std::set<std::string> values;
    for (const TestMessage& message : Broker().Consume(topic)) values.insert(*message.value);
    EXPECT_EQ(values.size(), events.size());
  }
}

TEST(KafkaSinkTest, ExactlyOnceNeedsCheckpoints) {
  const Status status = Write({{1, "a"}}, KafkaSink(Broker().bootstrap(), "any").ExactlyOnce());
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("execution.checkpointing.interval"));
}

TEST(KafkaSinkTest, AFunctionForAnotherTypeIsRefused) {
  const Status status =
      Write({{1, "a"}}, KafkaSink(Broker().bootstrap(), "any").Records<int64_t>([](const int64_t&, KafkaRecord&) {}));
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("another type"));
}

}  // namespace kafka_sink_test
}  // namespace eagre
