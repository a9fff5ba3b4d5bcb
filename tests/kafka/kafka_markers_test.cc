// The markers of transactions, against a real broker: what decides whether output is written once or twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "connectors/kafka/kafka_markers.h"
#include "connectors/kafka/kafka_producer.h"
#include "tests/kafka/kafka_broker.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::Pair;

class KafkaMarkersTest : public testing::Test {
 protected:
  KafkaMarkers Markers(std::function<bool()> stopping = [] { return false; }) const {
    return KafkaMarkers({.properties = {{"bootstrap.servers", Broker().bootstrap()}},
                         .topic = topic_,
                         .purpose = "test",
                         .clock = &SystemClock(),
                         .stopping = std::move(stopping)});
  }

  std::unique_ptr<KafkaProducer> Begin(const std::string& id) const {
    auto producer = KafkaProducer::Create({.properties = {{"bootstrap.servers", Broker().bootstrap()}},
                                           .fixed = {{"transactional.id", id}},
                                           .purpose = "test",
                                           .on_progress = [] {}});
    EXPECT_TRUE(producer.ok()) << producer.status();
    rd_kafka_t* const handle = (*producer)->client().get();
    EXPECT_EQ(rd_kafka_init_transactions(handle, 30'000), nullptr);
    EXPECT_EQ(rd_kafka_begin_transaction(handle), nullptr);
    return *std::move(producer);
  }

  void Send(KafkaProducer& producer, const std::string& id, const std::string& checkpoint) const {
    const auto sent = producer.Send(KafkaMarkers::Record(topic_, id, checkpoint), KafkaProducer::Mode::kCopy);
    EXPECT_TRUE(sent.ok() && *sent);
    const Status delivered = producer.AwaitDelivery([] { return false; });
    EXPECT_TRUE(delivered.ok()) << delivered;
  }

  const std::string topic_ = KafkaBroker::NewName("markers");
};

TEST_F(KafkaMarkersTest, AMarkerBehindTheOpenTransactionOfAnotherWriterIsSeen) {
  ASSERT_TRUE(Markers().Register("other").ok());
  ASSERT_TRUE(Markers().Register("own").ok());
  const auto other = Begin("other");
  Send(*other, "other", "3");
  {
    const auto own = Begin("own");
    Send(*own, "own", "7");
    ASSERT_EQ(rd_kafka_commit_transaction(own->client().get(), 30'000), nullptr);
  }
  // Reading asks between messages whether to stop. By the time it has asked so often it has come as far as it can
  // while the transaction is open.
  int asked = 0;
  const auto markers = Markers([&] {
                         if (++asked == 20) {
                           EXPECT_EQ(rd_kafka_abort_transaction(other->client().get(), 30'000), nullptr);
                         }
                         return false;
                       }).Read({"own", "other"});
  ASSERT_TRUE(markers.ok()) << markers.status();
  EXPECT_THAT(*markers, ElementsAre(Pair("other", 0), Pair("own", 7)));
}

}  // namespace
}  // namespace eagre
