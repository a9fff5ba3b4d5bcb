// The ring's promise: everything arrives once and in order, nothing grows, and no side sleeps on for want of a wake-up.
#include "runtime/ring_channel.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/runtime/channel_traffic.h"

namespace eagre {
namespace {

class CountingWaker final : public Waker {
 public:
  void Wake() override { ++count; }
  int count = 0;
};

const BatchType& ParcelType() {
  return TypedBatch<Parcel>::Type();
}

std::unique_ptr<Batch> BatchOf(size_t count) {
  std::unique_ptr<Batch> batch = ParcelType().create();
  for (size_t i = 0; i < count; ++i) {
    static_cast<TypedBatch<Parcel>&>(*batch).Append(0).number = static_cast<int64_t>(i);
  }
  return batch;
}

TEST(RingChannel, DeliversEverythingInOrderBetweenTwoThreads) {
  for (const size_t capacity : {1u, 2u, 3u, 8u}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const TrafficShape shape{.records = 8'000, .keyed = seed % 2 == 0, .seed = seed};
      ParkingWaker producer_waker;
      ParkingWaker consumer_waker;
      auto [output, input] = NewRingChannel(ParcelType(), capacity, producer_waker, consumer_waker);
      std::thread producing([&, output = output.get()] {
        TrafficProducer producer(*output, shape);
        EXPECT_TRUE(producer_waker.Run([&] { return producer.Step(); })) << "the producer was not woken";
      });
      TrafficConsumer consumer(*input, shape);
      EXPECT_TRUE(consumer_waker.Run([&] { return consumer.Step(); })) << "the consumer was not woken";
      producing.join();
      EXPECT_EQ(output->QueuedBytes(), 0);
    }
  }
}

TEST(RingChannel, ServesTwoEndsOnOneThread) {
  const TrafficShape shape{.records = 50'000, .timestamp_step = 0};
  CountingWaker waker;
  auto [output, input] = NewRingChannel(ParcelType(), 2, waker, waker);
  TrafficProducer producer(*output, shape);
  TrafficConsumer consumer(*input, shape);
  bool producing = true;
  while (true) {
    if (producing) producing = producer.Step() != ParkingWaker::Step::kDone;
    if (consumer.Step() == ParkingWaker::Step::kDone) break;
  }
  EXPECT_FALSE(producing);
}

// Every element fills the ring and every poll empties it, so both sides park all the time: the case for races.
TEST(RingChannel, LosesNoWakeUp) {
  constexpr int kRounds = 5'000;
  ParkingWaker producer_waker;
  ParkingWaker consumer_waker;
  auto [output, input] = NewRingChannel(ParcelType(), 1, producer_waker, consumer_waker);
  std::thread producing([&, output = output.get()] {
    int sent = 0;
    EXPECT_TRUE(producer_waker.Run([&] {
      if (sent == kRounds) return ParkingWaker::Step::kDone;
      if (!output->Send({ControlEvent::Kind::kWatermark, sent})) return ParkingWaker::Step::kBlocked;
      ++sent;
      return ParkingWaker::Step::kProgress;
    })) << "the producer was not woken";
  });
  int received = 0;
  EXPECT_TRUE(consumer_waker.Run([&] {
    if (received == kRounds) return ParkingWaker::Step::kDone;
    ChannelElement element;
    if (!*input->Poll(element)) return ParkingWaker::Step::kBlocked;
    EXPECT_EQ(element.event.value, received++);
    return ParkingWaker::Step::kProgress;
  })) << "the consumer was not woken";
  producing.join();
}

TEST(RingChannel, RefusesWhenFullAndWakesTheProducerOnceHalfIsFree) {
  CountingWaker producer;
  CountingWaker consumer;
  auto [output, input] = NewRingChannel(ParcelType(), 4, producer, consumer);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(output->Send({ControlEvent::Kind::kWatermark, i}));
  EXPECT_EQ(consumer.count, 1) << "only the first element turned the channel non-empty";
  EXPECT_FALSE(output->Send({ControlEvent::Kind::kWatermark, 4}));
  std::unique_ptr<Batch> batch = BatchOf(500);
  EXPECT_FALSE(output->Give(batch));
  EXPECT_EQ(batch->size(), 500u) << "a refused batch is left as it was";

  ChannelElement element;
  EXPECT_TRUE(*input->Poll(element));
  EXPECT_EQ(producer.count, 0);
  EXPECT_TRUE(*input->Poll(element));
  EXPECT_EQ(producer.count, 1);
  EXPECT_TRUE(*input->Poll(element));
  EXPECT_EQ(producer.count, 1) << "it does not wait any more";
  EXPECT_TRUE(output->Give(batch));
}

TEST(RingChannel, SaysHowFullItIsAtBothEnds) {
  CountingWaker waker;
  auto [output, input] = NewRingChannel(ParcelType(), 4, waker, waker);
  EXPECT_EQ(output->Load().capacity, 4);
  EXPECT_EQ(output->Load().usage(), 0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(output->Send({ControlEvent::Kind::kWatermark, i}));
  EXPECT_EQ(output->Load().length, 3);
  EXPECT_EQ(input->Load().length, 3);
  EXPECT_EQ(input->Load().usage(), 0.75);
  ChannelElement element;
  ASSERT_TRUE(*input->Poll(element));
  EXPECT_EQ(output->Load().length, 2);
}

TEST(RingChannel, WakesNobodyWhoDidNotWait) {
  CountingWaker producer;
  CountingWaker consumer;
  auto [output, input] = NewRingChannel(ParcelType(), 4, producer, consumer);
  ChannelElement element;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(output->Send({ControlEvent::Kind::kWatermark, i}));
    EXPECT_TRUE(*input->Poll(element));
  }
  EXPECT_EQ(producer.count, 0);
}

TEST(RingChannel, MovesBatchesAndRefillsDrainedOnes) {
  CountingWaker waker;
  auto [output, input] = NewRingChannel(ParcelType(), 4, waker, waker);
  std::unique_ptr<Batch> batch = BatchOf(500);
  const Batch* first = batch.get();
  ASSERT_TRUE(output->Give(batch));
  EXPECT_TRUE(batch->empty());
  EXPECT_GT(output->QueuedBytes(), 0);
  ChannelElement element;
  ASSERT_TRUE(*input->Poll(element));
  EXPECT_EQ(element.batch.get(), first) << "the batch itself is handed over";
  input->Recycle(std::move(element.batch));
  batch = BatchOf(500);
  ASSERT_TRUE(output->Give(batch));
  EXPECT_EQ(batch.get(), first) << "the drained batch comes back";
}

TEST(RingChannel, GathersSmallBatches) {
  CountingWaker waker;
  auto [output, input] = NewRingChannel(ParcelType(), 4, waker, waker);
  for (int i = 0; i < 10; ++i) {
    std::unique_ptr<Batch> crumb = BatchOf(3);
    ASSERT_TRUE(output->Give(crumb));
  }
  EXPECT_TRUE(output->HasUnflushed());
  ChannelElement element;
  EXPECT_FALSE(*input->Poll(element));
  ASSERT_TRUE(output->Flush());
  ASSERT_TRUE(*input->Poll(element));
  EXPECT_EQ(element.batch->size(), 30u);
}

TEST(RingChannel, OutlivesEitherEnd) {
  CountingWaker waker;
  auto [output, input] = NewRingChannel(ParcelType(), 4, waker, waker);
  ASSERT_TRUE(output->Send({ControlEvent::Kind::kEndOfInput, 0}));
  output.reset();
  ChannelElement element;
  EXPECT_TRUE(*input->Poll(element));
  EXPECT_EQ(element.event.kind, ControlEvent::Kind::kEndOfInput);
}

}  // namespace
}  // namespace eagre
