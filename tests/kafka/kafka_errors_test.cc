// What goes wrong with brokers, and what a job says then; and the broker with TLS and SASL/SCRAM.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "connectors/kafka/kafka.h"
#include "eagre/eagre.h"
#include "tests/kafka/kafka_broker.h"

namespace eagre {
// Not without a name: the compiler would take it for granted that nobody else makes generators for these records.
namespace kafka_errors_test {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using namespace std::chrono_literals;

struct Event {
  int64_t id = 0;
  std::string text;
};
EAGRE_RECORD(Event, id, text);

std::string Message(const Status& status) {
  return std::string(StatusMessage(status));
}

template <typename S>
S Secure(S client, const std::string& password) {
  return std::move(client)
      .Property("properties.security.protocol", "SASL_SSL")
      .Property("properties.ssl.ca.location", Broker().certificate())
      .Property("properties.sasl.mechanism", "SCRAM-SHA-256")
      .Property("properties.sasl.username", "alice")
      .Property("properties.sasl.password", password);
}

StatusOr<std::vector<Event>> Collect(KafkaSource<Event> source) {
  LocalJob job;
  return job.Read(std::move(source)).ExecuteAndCollect();
}

KafkaSource<Event> Bounded(const std::string& servers, const std::string& topic) {
  return KafkaSource<Event>(servers).Topics({topic}).StopAt(KafkaOffsets::Latest());
}

Status Write(std::vector<Event> events, const KafkaSink& sink) {
  LocalJob job;
  job.Read(FromMemory<Event>(std::make_shared<const std::vector<Event>>(std::move(events)))).WriteTo(sink);
  return job.Execute();
}

TEST(KafkaErrorsTest, ATopicThatIsNotThereIsNamed) {
  const std::string there = Broker().NewTopic(1);
  EXPECT_THAT(Message(Collect(Bounded(Broker().bootstrap(), "nowhere")).status()),
              AllOf(HasSubstr("no topic 'nowhere'"), HasSubstr("create it")));
  EXPECT_THAT(
      Message(Write({{1, "a"}},
                    KafkaSink(Broker().bootstrap(), "nowhere").Property("topic.metadata.propagation.max.ms", "100"))),
      AllOf(HasSubstr("topic 'nowhere'"), HasSubstr("create the topic")));
}

TEST(KafkaErrorsTest, BrokersThatAreDownAtTheStartAreNamedWhenPatienceIsOver) {
  EXPECT_THAT(Message(Collect(Bounded("127.0.0.1:1", "t").StartTimeout(300ms)).status()),
              AllOf(HasSubstr("127.0.0.1:1"), HasSubstr("has not answered"), HasSubstr("check")));
}

TEST(KafkaErrorsTest, ARecordThatIsTooLargeIsSaidToBe) {
  const std::string topic = Broker().NewTopic(1, {{"max.message.bytes", "1000"}});
  // Many times: whether the refusal comes before, while or after the end of the stream is looked at is chance.
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(Message(Write({{1, std::string(5000, 'x')}}, KafkaSink(Broker().bootstrap(), topic))),
                AllOf(HasSubstr(topic), HasSubstr("max.message.bytes"), Not(HasSubstr("xxx"))));
  }
}

TEST(KafkaErrorsTest, AnOffsetThatRetentionHasDeletedFailsTheJobUnlessItMayGoOn) {
  const std::string topic = Broker().NewTopic(1);
  Broker().Produce(topic, {{.value = R"({"id":0})"}, {.value = R"({"id":1})"}, {.value = R"({"id":2})"}});
  Broker().DeleteRecordsBefore(topic, 0, 2);
  const auto source = [&] {
    return Bounded(Broker().bootstrap(), topic).StartFrom(KafkaOffsets::At({{{topic, 0}, 1}}));
  };
  EXPECT_THAT(Message(Collect(source()).status()),
              AllOf(HasSubstr(topic), HasSubstr("offset 1"), HasSubstr("OnOffsetOutOfRange")));
  const auto events = Collect(source().OnOffsetOutOfRange(OffsetReset::kEarliest));
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_THAT(*events, SizeIs(1));
  EXPECT_EQ((*events)[0].id, 2);
}

TEST(KafkaErrorsTest, TlsAndScramWorkInBothDirections) {
  const std::string topic = Broker().NewTopic(1);
  const Status written = Write({{7, "secret"}}, Secure(KafkaSink(Broker().secure_bootstrap(), topic), "alice-secret"));
  ASSERT_TRUE(written.ok()) << written;
  const auto events = Collect(Secure(Bounded(Broker().secure_bootstrap(), topic), "alice-secret"));
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_THAT(*events, SizeIs(1));
  EXPECT_EQ((*events)[0].id, 7);
}

TEST(KafkaErrorsTest, AWrongPasswordIsSaidToBeRefusedAndStandsInNoMessage) {
  const std::string topic = Broker().NewTopic(1);
  testing::internal::CaptureStderr();
  const Status source = Collect(Secure(Bounded(Broker().secure_bootstrap(), topic), "wr0ng-w0rd")).status();
  const Status sink = Write({{1, "a"}}, Secure(KafkaSink(Broker().secure_bootstrap(), topic), "wr0ng-w0rd"));
  const std::string log = testing::internal::GetCapturedStderr();
  for (const Status& status : {source, sink}) {
    EXPECT_THAT(Message(status), AllOf(HasSubstr("sasl.password"), Not(HasSubstr("wr0ng-w0rd"))));
  }
  EXPECT_THAT(log, Not(HasSubstr("wr0ng-w0rd")));
  // Not even when the value itself is what is wrong.
  EXPECT_THAT(
      Message(
          Collect(Bounded(Broker().bootstrap(), topic).Property("ssl.key.password", std::string(1, '\0'))).status()),
      Not(HasSubstr(std::string(1, '\0'))));
}

TEST(KafkaErrorsTest, AMissingRightIsNamed) {
  const std::string topic = Broker().NewTopic(1);
  Broker().DenyWrite("alice", topic);
  // The record itself may be confidential.
  EXPECT_THAT(Message(Write({{1, "abc"}}, Secure(KafkaSink(Broker().secure_bootstrap(), topic), "alice-secret"))),
              AllOf(HasSubstr(topic), HasSubstr("lacks the right"), Not(HasSubstr("abc"))));
  const std::string unreadable = Broker().NewTopic(1);
  Broker().ProduceNumbers(unreadable, 1, 0, 10);
  Broker().DenyRead("alice", unreadable);
  EXPECT_THAT(Message(Collect(Secure(Bounded(Broker().secure_bootstrap(), unreadable), "alice-secret")).status()),
              AllOf(HasSubstr(unreadable), HasSubstr("grant Describe")));
}

TEST(KafkaErrorsTest, ABrokerThatIsAwayIsWaitedForUntilPatienceIsOver) {
  const std::string in = Broker().NewTopic(1), out = Broker().NewTopic(1);
  std::vector<TestMessage> messages;
  for (int i = 0; i < 1000; ++i) messages.push_back({.value = fmt::format(R"({{"id":{}}})", i)});
  Broker().Produce(in, messages);
  Broker().Kill();
  EXPECT_THAT(Message(Write({{1, "a"}}, KafkaSink(Broker().bootstrap(), out).Property("message.timeout.ms", "500"))),
              AllOf(HasSubstr(out), HasSubstr("message.timeout.ms")));
  std::future<Status> copied = std::async(std::launch::async, [&] {
    LocalJob job;
    job.Read(Bounded(Broker().bootstrap(), in)).WriteTo(KafkaSink(Broker().bootstrap(), out));
    return job.Execute();
  });
  Broker().Start();
  const Status status = copied.get();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Broker().Consume(out), SizeIs(1000));
}

}  // namespace kafka_errors_test
}  // namespace eagre
