// The exchange over real sockets keeps a channel's promises, and a peer that breaks the protocol is reported, not
// obeyed.
#include "runtime/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/bytes.h"
#include "runtime/remote_channel.h"
#include "tests/unit/runtime/channel_traffic.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

const BatchType& ParcelType() {
  return TypedBatch<Parcel>::Type();
}

std::unique_ptr<Batch> BatchOf(size_t count, size_t text_bytes = 0) {
  std::unique_ptr<Batch> batch = ParcelType().create();
  for (size_t i = 0; i < count; ++i) {
    Parcel& parcel = static_cast<TypedBatch<Parcel>&>(*batch).Append(static_cast<int64_t>(i));
    parcel.number = static_cast<int64_t>(i);
    parcel.text.assign(text_bytes, 'x');
  }
  return batch;
}

// What a worker hears from its exchange.
class Hearing {
 public:
  Exchange::Handlers Handlers() {
    return {.on_peer_lost =
                [this](int32_t worker, Status reason) {
                  std::lock_guard lock(mutex_);
                  lost_.emplace_back(worker, reason);
                  changed_.notify_all();
                },
            .on_operator_event =
                [this](std::string_view event) {
                  std::lock_guard lock(mutex_);
                  events_.emplace_back(event);
                  changed_.notify_all();
                }};
  }
  // The first reason why a peer was lost; empty when none was in time.
  std::string AwaitLoss() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kTestDeadline, [this] { return !lost_.empty(); });
    return lost_.empty() ? "" : std::string(StatusMessage(lost_.front().second));
  }
  std::vector<std::string> AwaitEvents(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kTestDeadline, [&] { return events_.size() >= count; });
    return events_;
  }
  std::vector<std::pair<int32_t, Status>> lost() {
    std::lock_guard lock(mutex_);
    return lost_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<int32_t, Status>> lost_;
  std::vector<std::string> events_;
};

// A worker with a network of its own, as far as the exchange is concerned.
struct TestWorker {
  TestWorker(int32_t index, ExchangeOptions options) : network(NewTcpDataNetwork({.linger_ms = 60'000})) {
    options.token = "attempt";
    options.worker_index = index;
    exchange.emplace(*network, options, hearing.Handlers());
    address = *exchange->Listen();
  }
  ~TestWorker() { exchange->Stop(); }
  Hearing hearing;
  std::unique_ptr<DataNetwork> network;
  std::optional<Exchange> exchange;
  std::string address;
};

class ExchangeTest : public testing::Test {
 protected:
  void StartWorkers(ExchangeOptions options = {}) {
    first_ = std::make_unique<TestWorker>(0, options);
    second_ = std::make_unique<TestWorker>(1, options);
  }
  void Connect() {
    first_->exchange->ConnectPeers({first_->address, second_->address});
    second_->exchange->ConnectPeers({first_->address, second_->address});
  }

  std::unique_ptr<TestWorker> first_;
  std::unique_ptr<TestWorker> second_;
};

// Drives all ends of one side by a thread, as a slot does.
template <typename End>
void RunSlot(ParkingWaker& waker, std::vector<std::unique_ptr<End>>& ends, const char* what) {
  std::vector<bool> done(ends.size(), false);
  EXPECT_TRUE(waker.Run([&] {
    bool progress = false;
    bool all_done = true;
    for (size_t i = 0; i < ends.size(); ++i) {
      if (done[i]) continue;
      const ParkingWaker::Step step = ends[i]->Step();
      done[i] = step == ParkingWaker::Step::kDone;
      progress = progress || step != ParkingWaker::Step::kBlocked;
      all_done = all_done && done[i];
    }
    return all_done   ? ParkingWaker::Step::kDone
           : progress ? ParkingWaker::Step::kProgress
                      : ParkingWaker::Step::kBlocked;
  })) << what
      << " were not woken";
}

// `channels` channels in both directions, each side's ends on two threads.
void RunTraffic(TestWorker& first, TestWorker& second, int channels, const TrafficShape& shape,
                const std::function<void()>& connect) {
  TestWorker* workers[] = {&first, &second};
  std::vector<std::thread> slots;
  std::vector<std::unique_ptr<ParkingWaker>> wakers;
  std::vector<std::unique_ptr<OutputChannel>> outputs;
  std::vector<std::unique_ptr<InputChannel>> inputs;
  std::vector<std::vector<std::unique_ptr<TrafficProducer>>> producers(2);
  std::vector<std::vector<std::unique_ptr<TrafficConsumer>>> consumers(2);
  for (int i = 0; i < 4; ++i) wakers.push_back(std::make_unique<ParkingWaker>());
  for (int from = 0; from < 2; ++from) {
    const int to = 1 - from;
    for (int c = 0; c < channels; ++c) {
      if (from == 1 && c == channels / 2) connect();  // channels are created before the connection and after
      TrafficShape own = shape;
      own.seed = shape.seed * 100 + static_cast<uint64_t>(c * 2 + from);
      const ChannelId id{.edge = 3, .source_subtask = c, .target_subtask = from};
      outputs.push_back(workers[from]->exchange->CreateOutput(to, id, ParcelType(), *wakers[from]));
      inputs.push_back(workers[to]->exchange->CreateInput(from, id, ParcelType(), *wakers[2 + from]));
      producers[from].push_back(std::make_unique<TrafficProducer>(*outputs.back(), own));
      consumers[from].push_back(std::make_unique<TrafficConsumer>(*inputs.back(), own));
    }
  }
  for (int from = 0; from < 2; ++from) {
    slots.emplace_back([&, from] { RunSlot(*wakers[from], producers[from], "producers"); });
    slots.emplace_back([&, from] { RunSlot(*wakers[2 + from], consumers[from], "consumers"); });
  }
  for (std::thread& slot : slots) slot.join();
  EXPECT_TRUE(first.hearing.lost().empty());
  EXPECT_TRUE(second.hearing.lost().empty());
}

TEST_F(ExchangeTest, DeliversEverythingInOrderInBothDirections) {
  struct Case {
    int channels;
    size_t buffer_bytes;
    int buffers;
    TrafficShape shape;
  };
  const Case cases[] = {
      {1, 32 * 1024, 16, {.records = 30'000, .seed = 1}},
      {1, 64, 1, {.records = 1'000, .keyed = false, .timestamp_step = 0, .seed = 2}},
      {4, 1024, 2, {.records = 3'000, .timestamp_step = 1'000'000'000'000, .seed = 3}},
      {16, 4096, 4, {.records = 2'000, .seed = 4}},
      {3, 32 * 1024, 8, {.records = 300, .keyed = false, .longest_text = 200'000, .seed = 5}},
  };
  for (const Case& c : cases) {
    StartWorkers({.buffer_bytes = c.buffer_bytes, .buffers_per_channel = c.buffers});
    RunTraffic(*first_, *second_, c.channels, c.shape, [this] { Connect(); });
  }
}

// A frame in flight turns a channel empty again and again, and one credit at a time comes back.
TEST_F(ExchangeTest, LosesNoWakeUp) {
  StartWorkers({.buffer_bytes = 1, .buffers_per_channel = 1});
  RunTraffic(*first_, *second_, 1, {.records = 1'000, .longest_text = 4, .seed = 9}, [this] { Connect(); });
}

class ExchangeFlowTest : public ExchangeTest {
 protected:
  static constexpr int kBuffers = 4;
  static constexpr size_t kBufferBytes = 4096;

  void SetUp() override {
    StartWorkers({.buffer_bytes = kBufferBytes, .buffers_per_channel = kBuffers});
    Connect();
  }
  std::unique_ptr<OutputChannel> Output(int edge, Waker& waker) {
    return first_->exchange->CreateOutput(1, {.edge = edge}, ParcelType(), waker);
  }
  std::unique_ptr<InputChannel> Input(int edge, Waker& waker) {
    return second_->exchange->CreateInput(0, {.edge = edge}, ParcelType(), waker);
  }
  // Gives `batch` again and again until nobody takes more; returns how many records were taken at least.
  static size_t FillUp(OutputChannel& output, ParkingWaker& waker) {
    size_t taken = 0;
    std::unique_ptr<Batch> batch = BatchOf(100, 100);
    // The first refusal may only mean that the first credit has not come yet.
    EXPECT_TRUE(waker.Run([&] {
      if (!output.Give(batch)) return taken == 0 ? ParkingWaker::Step::kBlocked : ParkingWaker::Step::kDone;
      taken += 100;
      batch = BatchOf(100, 100);
      return ParkingWaker::Step::kProgress;
    }));
    return taken;
  }

  ParkingWaker producer_waker_;
  ParkingWaker consumer_waker_;
};

TEST_F(ExchangeFlowTest, HoldsBackTheProducerOfASleepingConsumerAndNobodyElse) {
  ParkingWaker sleeping;
  ParkingWaker sleeper_producer;
  auto blocked_input = Input(0, sleeping);
  auto blocked_output = Output(0, sleeper_producer);
  FillUp(*blocked_output, sleeper_producer);
  EXPECT_FALSE(blocked_output->Flush());

  const TrafficShape shape{.records = 20'000};
  auto input = Input(1, consumer_waker_);
  auto output = Output(1, producer_waker_);
  std::thread producing([&] {
    TrafficProducer producer(*output, shape);
    EXPECT_TRUE(producer_waker_.Run([&] { return producer.Step(); }));
  });
  TrafficConsumer consumer(*input, shape);
  EXPECT_TRUE(consumer_waker_.Run([&] { return consumer.Step(); }));
  producing.join();
}

TEST_F(ExchangeFlowTest, KeepsNoMoreThanItsCreditsWhileTheConsumerSleeps) {
  auto input = Input(0, consumer_waker_);
  auto output = Output(0, producer_waker_);
  const size_t taken = FillUp(*output, producer_waker_);
  // A record makes 110 bytes; the frame under way and what one more record adds come on top of the credits.
  EXPECT_LE(taken * 110, (kBuffers + 1) * (kBufferBytes + 200));
  EXPECT_LE(output->QueuedBytes(), static_cast<int64_t>(kBuffers * (kBufferBytes + 200)));
  EXPECT_GT(output->QueuedBytes(), 0);
  EXPECT_EQ(output->Load().usage(), 1) << "frames that were sent and not taken";

  // Once the consumer takes frames, credit comes back and wakes the producer.
  size_t frames = 0;
  EXPECT_TRUE(consumer_waker_.Run([&] {
    ChannelElement element;
    if (!*input->Poll(element)) return ParkingWaker::Step::kBlocked;
    return ++frames == kBuffers ? ParkingWaker::Step::kDone : ParkingWaker::Step::kProgress;
  }));
  EXPECT_EQ(input->Load().capacity, kBuffers);
  EXPECT_EQ(input->Load().length, 0);
  EXPECT_TRUE(
      producer_waker_.Run([&] { return output->Flush() ? ParkingWaker::Step::kDone : ParkingWaker::Step::kBlocked; }));
}

TEST_F(ExchangeFlowTest, CarriesARecordLargerThanABuffer) {
  auto input = Input(0, consumer_waker_);
  auto output = Output(0, producer_waker_);
  std::unique_ptr<Batch> batch = BatchOf(3, 5'000'000);
  std::thread producing([&] {
    EXPECT_TRUE(producer_waker_.Run([&] {
      return output->Give(batch) && output->Send({ControlEvent::Kind::kEndOfInput, 0}) ? ParkingWaker::Step::kDone
                                                                                       : ParkingWaker::Step::kBlocked;
    }));
  });
  size_t records = 0;
  EXPECT_TRUE(consumer_waker_.Run([&] {
    ChannelElement element;
    if (!*input->Poll(element)) return ParkingWaker::Step::kBlocked;
    if (element.batch == nullptr) return ParkingWaker::Step::kDone;
    EXPECT_EQ(static_cast<TypedBatch<Parcel>&>(*element.batch).records()[0].text.size(), 5'000'000u);
    records += element.batch->size();
    return ParkingWaker::Step::kProgress;
  }));
  producing.join();
  EXPECT_EQ(records, 3u);
}

TEST_F(ExchangeTest, RefusesARecordBeyondTheLimitAndNamesTheKey) {
  StartWorkers({.max_frame_bytes = 100'000});
  Connect();
  ParkingWaker waker;
  auto input = second_->exchange->CreateInput(0, {}, ParcelType(), waker);
  auto output = first_->exchange->CreateOutput(1, {}, ParcelType(), waker);
  std::unique_ptr<Batch> batch = BatchOf(1, 200'000);
  EXPECT_TRUE(waker.Run([&] {
    return output->Give(batch) && output->Flush() ? ParkingWaker::Step::kDone : ParkingWaker::Step::kBlocked;
  }));
  const std::string loss = first_->hearing.AwaitLoss();
  EXPECT_THAT(loss, HasSubstr("taskmanager.network.max-frame-size"));
  EXPECT_THAT(loss, HasSubstr("100000"));
}

TEST_F(ExchangeTest, ReportsAPeerThatDied) {
  StartWorkers();
  Connect();
  second_->exchange->SendOperatorEvent(0, "alive");
  EXPECT_EQ(first_->hearing.AwaitEvents(1).size(), 1u);
  second_.reset();
  EXPECT_THAT(first_->hearing.AwaitLoss(), HasSubstr("closed the connection"));
  EXPECT_EQ(first_->hearing.lost().front().first, 1);
}

TEST_F(ExchangeTest, ReportsAPeerThatCannotBeReached) {
  StartWorkers();
  const std::string address = second_->address;
  second_.reset();
  first_->exchange->ConnectPeers({first_->address, address});
  const std::string loss = first_->hearing.AwaitLoss();
  EXPECT_THAT(loss, HasSubstr(address));
  EXPECT_THAT(loss, HasSubstr("cannot connect"));
}

TEST_F(ExchangeTest, CarriesOperatorEventsToPeersAndToItself) {
  StartWorkers();
  second_->exchange->SendOperatorEvent(0, "before the connection");
  Connect();
  second_->exchange->SendOperatorEvent(0, std::string(100'000, 'e'));
  first_->exchange->SendOperatorEvent(1, "to the second");
  first_->exchange->SendOperatorEvent(0, "to itself");
  EXPECT_EQ(second_->hearing.AwaitEvents(1), std::vector<std::string>{"to the second"});
  EXPECT_EQ(first_->hearing.AwaitEvents(3).size(), 3u);
}

TEST_F(ExchangeTest, SendsWhatIsOnItsWayBeforeItStops) {
  StartWorkers({.buffers_per_channel = 64});
  Connect();
  ParkingWaker waker;
  auto input = second_->exchange->CreateInput(0, {}, ParcelType(), waker);
  auto output = first_->exchange->CreateOutput(1, {}, ParcelType(), waker);
  constexpr size_t kBatches = 15;
  for (size_t sent = 0; sent < kBatches; ++sent) {
    std::unique_ptr<Batch> batch = BatchOf(100, 1000);
    EXPECT_TRUE(
        waker.Run([&] { return output->Give(batch) ? ParkingWaker::Step::kDone : ParkingWaker::Step::kBlocked; }));
  }
  EXPECT_TRUE(output->Send({ControlEvent::Kind::kEndOfInput, 0}));
  first_.reset();
  size_t records = 0;
  EXPECT_TRUE(waker.Run([&] {
    ChannelElement element;
    if (!*input->Poll(element)) return ParkingWaker::Step::kBlocked;
    if (element.batch == nullptr) return ParkingWaker::Step::kDone;
    records += element.batch->size();
    return ParkingWaker::Step::kProgress;
  }));
  EXPECT_EQ(records, kBatches * 100);
}

// A peer that shows the token and then says what it likes, on a network of the test's own.
class LyingPeerTest : public testing::Test {
 protected:
  class LyingNetwork final : public DataNetwork {
   public:
    StatusOr<std::string> Listen(const std::string&, AcceptHandler on_accept) override {
      accept = std::move(on_accept);
      return std::string("nowhere:1");
    }
    std::unique_ptr<DataConnection> Connect(const std::string&, const DataHello&, DataHandlers) override {
      return nullptr;
    }
    void Stop() override {}
    AcceptHandler accept;
  };
  class LyingConnection final : public DataConnection {
   public:
    explicit LyingConnection(LyingPeerTest& test) : test_(test) {}
    void Send(Frame frame) override { test_.sent_.push_back(std::move(frame)); }
    void Close() override { test_.closed_ = true; }

   private:
    LyingPeerTest& test_;
  };

  void SetUp() override {
    exchange_.emplace(network_, ExchangeOptions{.token = "t", .worker_index = 1, .buffers_per_channel = 2},
                      hearing_.Handlers());
    ASSERT_TRUE(exchange_->Listen().ok());
    input_ = exchange_->CreateInput(0, kId, ParcelType(), waker_);
    peer_ = network_.accept(0, std::make_unique<LyingConnection>(*this));
  }
  void Say(FrameType type, uint64_t channel, std::string payload) {
    peer_.on_frame({.channel = channel, .type = static_cast<uint8_t>(type), .payload = std::move(payload)});
  }
  std::string WhyLost() {
    const auto lost = hearing_.lost();
    if (lost.size() != 1) return fmt::format("lost {} times", lost.size());
    EXPECT_TRUE(closed_);
    return std::string(StatusMessage(lost.front().second));
  }
  Status PollFailure() {
    ChannelElement element;
    StatusOr<bool> polled = input_->Poll(element);
    while (polled.ok() && *polled) polled = input_->Poll(element);
    return polled.status();
  }

  static constexpr ChannelId kId{.edge = 7};
  LyingNetwork network_;
  Hearing hearing_;
  ParkingWaker waker_;
  std::vector<Frame> sent_;
  bool closed_ = false;
  std::optional<Exchange> exchange_;
  std::unique_ptr<InputChannel> input_;
  DataHandlers peer_;
};

TEST_F(LyingPeerTest, GivesItsCreditFirst) {
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].channel, kId.Packed());
  EXPECT_EQ(ReadCredit(sent_[0].payload)->frames, 2u);
}

TEST_F(LyingPeerTest, RefusesFramesWithoutCredit) {
  for (int i = 0; i < 3; ++i) Say(FrameType::kEvent, kId.Packed(), "something");
  EXPECT_THAT(WhyLost(), HasSubstr("without credit"));
  Say(FrameType::kEvent, kId.Packed(), "more");  // is not heard any more
  EXPECT_EQ(hearing_.lost().size(), 1u);
}

TEST_F(LyingPeerTest, RefusesFramesForAChannelThatIsNotOpen) {
  Say(FrameType::kData, kId.Packed() + 1, "something");
  EXPECT_THAT(WhyLost(), HasSubstr("not opened"));
}

TEST_F(LyingPeerTest, RefusesFramesOfUnknownType) {
  Say(static_cast<FrameType>(77), 0, "");
  EXPECT_THAT(WhyLost(), HasSubstr("unknown type 77"));
}

TEST_F(LyingPeerTest, RefusesMalformedCredit) {
  Say(FrameType::kCredit, kId.Packed(), "123");
  EXPECT_THAT(WhyLost(), HasSubstr("credit"));
}

TEST_F(LyingPeerTest, RefusesCreditOutOfBounds) {
  auto output = exchange_->CreateOutput(0, {.edge = 9}, ParcelType(), waker_);
  peer_.on_frame(MakeCreditFrame(ChannelId{.edge = 9}.Packed(), {.frames = 1u << 31}));
  EXPECT_THAT(WhyLost(), HasSubstr("out of all bounds"));
}

TEST_F(LyingPeerTest, KeepsCreditThatComesBeforeItsChannel) {
  peer_.on_frame(MakeCreditFrame(ChannelId{.edge = 9}.Packed(), {.frames = 1}));
  auto output = exchange_->CreateOutput(0, {.edge = 9}, ParcelType(), waker_);
  EXPECT_TRUE(output->Send({ControlEvent::Kind::kIdle, 0}));
  EXPECT_FALSE(output->Send({ControlEvent::Kind::kActive, 0}));
}

TEST_F(LyingPeerTest, RejectsMalformedEvents) {
  Say(FrameType::kEvent, kId.Packed(), "short");
  EXPECT_THAT(StatusMessage(PollFailure()), HasSubstr("event"));
  Say(FrameType::kEvent, kId.Packed(), std::string("\x09") + std::string(8, '\0'));
  EXPECT_THAT(StatusMessage(PollFailure()), HasSubstr("unknown kind"));
}

TEST_F(LyingPeerTest, IgnoresASecondConnectionOfTheSamePeer) {
  const DataHandlers second = network_.accept(0, std::make_unique<LyingConnection>(*this));
  second.on_frame({.channel = 0, .type = 77, .payload = ""});
  EXPECT_TRUE(hearing_.lost().empty());
}

TEST_F(LyingPeerTest, IgnoresPeersThatShouldBeConnectedTo) {
  for (const int32_t worker : {-1, 1, 2, 1 << 30}) {
    network_.accept(worker, std::make_unique<LyingConnection>(*this)).on_frame({.type = 77});
  }
  EXPECT_TRUE(hearing_.lost().empty());
}

TEST_F(LyingPeerTest, DropsFramesForAChannelThatIsGone) {
  input_.reset();
  Say(FrameType::kEvent, kId.Packed(), "something");
  EXPECT_TRUE(hearing_.lost().empty());
}

// Real data frames, damaged in every place: each is either decoded or refused with a status.
TEST_F(LyingPeerTest, SurvivesDamagedDataFrames) {
  auto output = exchange_->CreateOutput(0, {.edge = 9}, ParcelType(), waker_);
  peer_.on_frame(MakeCreditFrame(ChannelId{.edge = 9}.Packed(), {.frames = 1}));
  std::unique_ptr<Batch> batch = BatchOf(5, 10);
  ASSERT_TRUE(output->Give(batch) && output->Flush());
  const std::string sound = sent_.back().payload;
  SeededRandom random(1);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = sound;
    if (random.Below(4) == 0) damaged.resize(random.Below(damaged.size()));
    if (!damaged.empty()) damaged[random.Below(damaged.size())] = static_cast<char>(random.Next());
    auto inbox = std::make_shared<Inbox>(1, waker_);
    ASSERT_TRUE(inbox->Put({.channel = 0, .type = static_cast<uint8_t>(FrameType::kData), .payload = damaged}));
    class NoSink final : public FrameSink {
      void Send(Frame) override {}
      BufferPool& buffers() override { return pool_; }
      BufferPool pool_;
    };
    RemoteInput input(std::make_shared<NoSink>(), inbox, 0, ParcelType());
    ChannelElement element;
    StatusOr<bool> polled = input.Poll(element);
    while (polled.ok() && *polled) polled = input.Poll(element);
    if (!polled.ok()) ++refused;
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace eagre
