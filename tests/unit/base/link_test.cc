#include "base/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What one side of a link was told, with waiting for it.
class Received {
 public:
  LinkHandlers Handlers() {
    return {.on_message = [this](std::string_view message) { Update([&] { messages_.emplace_back(message); }); },
            .on_closed = [this](Status reason) { Update([&] { reasons_.push_back(std::move(reason)); }); }};
  }

  std::vector<std::string> AwaitMessages(size_t count) {
    Await([&] { return messages_.size() >= count; });
    std::lock_guard lock(mutex_);
    return messages_;
  }

  Status AwaitClosed() {
    Await([&] { return !reasons_.empty(); });
    std::lock_guard lock(mutex_);
    return reasons_.empty() ? Internal("not closed in time") : reasons_.front();
  }

  size_t messages() {
    std::lock_guard lock(mutex_);
    return messages_.size();
  }
  size_t closings() {
    std::lock_guard lock(mutex_);
    return reasons_.size();
  }

 private:
  void Update(const std::function<void()>& change) {
    std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  void Await(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), condition)) << "nothing arrived in time";
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;
  std::vector<Status> reasons_;
};

std::pair<int, int> SocketPair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  return {fds[0], fds[1]};
}

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> NewSocketLinkPair() {
  const auto [a, b] = SocketPair();
  return {NewSocketLink(a), NewSocketLink(b)};
}

struct LinkKind {
  const char* name;
  std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> (*make)();
};

// What every link promises.
class AnyLink : public ::testing::TestWithParam<LinkKind> {
 protected:
  AnyLink() { std::tie(left_, right_) = GetParam().make(); }
  ~AnyLink() override {
    left_.reset();
    right_.reset();
    executor_.Stop();
  }
  ThreadExecutor executor_{"link-test"};
  Received left_received_, right_received_;
  std::unique_ptr<Link> left_, right_;
};

TEST_P(AnyLink, CarriesMessagesInOrderBothWays) {
  left_->Start(executor_, left_received_.Handlers());
  right_->Start(executor_, right_received_.Handlers());
  std::vector<std::string> sent;
  for (int i = 0; i < 500; ++i)
    sent.push_back(std::string(static_cast<size_t>(i) * 7, static_cast<char>('a' + i % 26)));
  for (const std::string& message : sent) {
    left_->Send(message);
    right_->Send(message + "!");
  }
  EXPECT_EQ(right_received_.AwaitMessages(sent.size()), sent);
  const std::vector<std::string> replies = left_received_.AwaitMessages(sent.size());
  ASSERT_EQ(replies.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(replies[i], sent[i] + "!");
}

TEST_P(AnyLink, KeepsWhatArrivesBeforeStart) {
  left_->Send("early");
  left_->Send("");
  left_->Close();
  right_->Start(executor_, right_received_.Handlers());
  EXPECT_THAT(right_received_.AwaitMessages(2), ElementsAre("early", ""));
  EXPECT_TRUE(right_received_.AwaitClosed().ok());
}

TEST_P(AnyLink, AnOrderlyCloseArrivesAfterTheLastMessageAndOnce) {
  left_->Start(executor_, left_received_.Handlers());
  right_->Start(executor_, right_received_.Handlers());
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 5; ++i) left_->Send(large);
  left_->Close();
  left_->Close();
  left_->Send("after the close");
  EXPECT_TRUE(right_received_.AwaitClosed().ok());
  EXPECT_EQ(right_received_.messages(), 5u);
  right_->Send("into the void");
  right_->Close();
  executor_.Stop();
  EXPECT_EQ(right_received_.closings(), 1u);
  EXPECT_EQ(left_received_.closings(), 0u) << "the side that closed is not told";
  EXPECT_EQ(left_received_.messages(), 0u);
}

TEST_P(AnyLink, AHandlerMayDestroyItsLink) {
  std::unique_ptr<Link> owned = std::move(right_);
  Received last_words;
  owned->Start(executor_, {.on_message =
                               [&](std::string_view message) {
                                 last_words.Handlers().on_message(message);
                                 owned.reset();
                               },
                           .on_closed = [](Status) { FAIL() << "no handler is called once the link is gone"; }});
  left_->Start(executor_, left_received_.Handlers());
  left_->Send("one");
  left_->Send("two");
  EXPECT_TRUE(left_received_.AwaitClosed().ok());
  executor_.Stop();
  EXPECT_THAT(last_words.AwaitMessages(1), ElementsAre("one"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnyLink,
                         ::testing::Values(LinkKind{"Memory", &NewMemoryLinkPair},
                                           LinkKind{"Socket", &NewSocketLinkPair}),
                         [](const auto& info) { return info.param.name; });

// A socket link whose other end is in the hands of the test.
class SocketLinkTest : public ::testing::Test {
 protected:
  SocketLinkTest() {
    const auto [ours, theirs] = SocketPair();
    peer_ = ours;
    link_ = NewSocketLink(theirs);
    link_->Start(executor_, received_.Handlers());
  }
  ~SocketLinkTest() override {
    link_.reset();
    executor_.Stop();
    ClosePeer();
  }
  void ClosePeer() {
    if (peer_ >= 0) close(std::exchange(peer_, -1));
  }
  void Write(std::string_view bytes) {
    ASSERT_EQ(send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  static std::string Framed(std::string_view message) {
    std::string frame;
    ByteWriter writer(frame);
    writer.Fixed(static_cast<uint32_t>(message.size()));
    writer.Raw(message);
    return frame;
  }

  ThreadExecutor executor_{"link-test"};
  Received received_;
  int peer_ = -1;
  std::unique_ptr<Link> link_;
};

TEST_F(SocketLinkTest, FramesMayArriveInAnyPieces) {
  for (const char c : Framed("hello") + Framed("") + Framed("world")) Write(std::string_view(&c, 1));
  EXPECT_THAT(received_.AwaitMessages(3), ElementsAre("hello", "", "world"));
}

TEST_F(SocketLinkTest, ThePeersDeathIsTheEndOfInput) {
  Write(Framed("last"));
  ClosePeer();
  EXPECT_TRUE(received_.AwaitClosed().ok());
  EXPECT_EQ(received_.messages(), 1u);
  link_->Send("nobody hears this and nothing breaks");
}

TEST_F(SocketLinkTest, AnEndInTheMiddleOfAMessageIsDataLoss) {
  Write(Framed("whole") + Framed("a message cut off").substr(0, 9));
  ClosePeer();
  const Status reason = received_.AwaitClosed();
  EXPECT_EQ(reason.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(StatusMessage(reason)), HasSubstr("in the middle of a message"));
}

TEST_F(SocketLinkTest, AnOversizedAnnouncementClosesTheLinkWithoutWaitingForIt) {
  Write("GET / HTTP/1.1\r\n\r\n");  // as a length: more than a gigabyte
  const Status reason = received_.AwaitClosed();
  EXPECT_EQ(reason.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(StatusMessage(reason)), HasSubstr("another protocol"));
}

TEST_F(SocketLinkTest, TooLargeAMessageToSendClosesTheLinkAndSaysSo) {
  link_->Send(std::string((size_t{64} << 20) + 1, 'x'));
  EXPECT_EQ(received_.AwaitClosed().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SocketLinkTest, APeerThatNeverReadsDoesNotBlockSendersNorGrowMemoryWithoutBound) {
  const std::string message(size_t{16} << 20, 'x');
  for (int i = 0; i < 20; ++i) link_->Send(message);
  EXPECT_EQ(received_.AwaitClosed().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(SocketLinkTest, AHalfOpenPeerStillReceives) {
  ASSERT_EQ(shutdown(peer_, SHUT_RD), 0);
  link_->Send("to one who does not listen");
  Write(Framed("but still speaks"));
  EXPECT_THAT(received_.AwaitMessages(1), ElementsAre("but still speaks"));
  ClosePeer();
  EXPECT_TRUE(received_.AwaitClosed().ok());
}

TEST(SocketLink, RandomBytesNeverDoMoreThanCloseIt) {
  SeededRandom random(11);
  ThreadExecutor executor("link-test");
  for (int round = 0; round < 100; ++round) {
    const auto [ours, theirs] = SocketPair();
    Received received;
    auto link = NewSocketLink(theirs);
    link->Start(executor, received.Handlers());
    std::string noise(random.Below(3000), '\0');
    for (char& c : noise) c = static_cast<char>(random.Next());
    (void)!send(ours, noise.data(), noise.size(), MSG_NOSIGNAL);
    close(ours);
    (void)received.AwaitClosed();
    link.reset();
    std::promise<void> drained;
    executor.Post([&] { drained.set_value(); });
    drained.get_future().wait();
  }
}

}  // namespace
}  // namespace eagre
