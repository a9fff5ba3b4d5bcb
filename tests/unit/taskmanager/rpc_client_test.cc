// The TaskManager's end of gRPC against a real server.
#include "taskmanager/rpc_client.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <iterator>
#include <optional>
#include <thread>

#include "base/executor.h"
#include "base/unique_fd.h"
#include "tests/unit/taskmanager/fake_service.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

constexpr char kJob[] = "00000000000000000000000000000001";

// A way to a server that a test can have go dead: what is said then arrives nowhere, and nothing is closed.
class DeadEnd {
 public:
  explicit DeadEnd(int server_port) : server_port_(server_port), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Forward(); });
  }
  ~DeadEnd() {
    eventfd_write(changed_.get(), 1);
    thread_.join();
  }
  int port() const { return port_; }
  void GoDead() { dead_ = true; }

 private:
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }
  // Takes one connection.
  void Forward() {
    UniqueFd client(accept(listener_.get(), nullptr, nullptr));
    UniqueFd server(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = Loopback(server_port_);
    if (connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
    pollfd ends[] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}, {changed_.get(), POLLIN, 0}};
    char bytes[65536];
    while (poll(ends, std::size(ends), -1) > 0 && ends[2].revents == 0) {
      for (int i : {0, 1}) {
        if (ends[i].revents == 0) continue;
        const ssize_t got = read(ends[i].fd, bytes, sizeof(bytes));
        if (got <= 0) ends[i].fd = -1;
        if (got > 0 && !dead_) (void)!write(ends[1 - i].fd, bytes, static_cast<size_t>(got));
      }
    }
  }

  const int server_port_;
  int port_ = 0;
  std::atomic<bool> dead_{false};
  UniqueFd listener_;
  UniqueFd changed_{eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
};

class RpcClientTest : public ::testing::Test {
 protected:
  RpcClientTest() { StartServer(); }
  ~RpcClientTest() override {
    RunOnExecutor([this] { link_.reset(); });
    client_.reset();
    StopServer();
    executor_.Stop();
    (void)PosixFileSystem().RemoveTree(folder_);
  }

  static std::string NewFolder() {
    std::string pattern = "/tmp/eagre_rpc_client_XXXXXX";
    return mkdtemp(pattern.data());
  }

  void StartServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("localhost:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    RpcClientOptions options;
    options.address = "localhost:" + std::to_string(port_);
    options.log_label = "tm t1 @ node7";
    client_ = std::make_unique<RpcClient>(options, logs_);
  }

  void StopServer() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  void RunOnExecutor(const std::function<void()>& task) {
    std::promise<void> done;
    executor_.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  void Connect() {
    RunOnExecutor([this] {
      link_ = client_->Connect();
      link_->Start(executor_, {.on_message =
                                   [this](std::string_view bytes) {
                                     proto::JobManagerToTaskManager message;
                                     EXPECT_TRUE(message.ParseFromString(std::string(bytes)));
                                     messages_.Put(message);
                                   },
                               .on_closed = [this](Status reason) { closed_.Put(reason); }});
    });
  }

  void SendRegistration(int slots = 3) {
    proto::TaskManagerToJobManager message;
    message.mutable_register_()->set_slots(slots);
    link_->Send(message.SerializeAsString());
  }

  void AskForEnd() {
    proto::TaskManagerToJobManager message;
    message.mutable_worker_finished();
    link_->Send(message.SerializeAsString());
  }

  const std::string folder_ = NewFolder();
  WorkerLogs logs_{folder_ + "/logs", int64_t{64} << 20};
  ThreadExecutor executor_{"test"};
  FakeService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<RpcClient> client_;
  std::unique_ptr<Link> link_;
  Mailbox<proto::JobManagerToTaskManager> messages_;
  Mailbox<Status> closed_;
};

TEST_F(RpcClientTest, CarriesMessagesBothWaysInOrder) {
  Connect();
  for (int i = 1; i <= 100; ++i) SendRegistration(i);
  for (int i = 1; i <= 100; ++i) {
    auto message = service_.received.Take();
    ASSERT_TRUE(message.has_value());
    ASSERT_EQ(message->register_().slots(), i);
  }
  proto::JobManagerToTaskManager answer;
  answer.mutable_registered()->set_cluster_id("c1");
  service_.Send(answer);
  auto message = messages_.Take();
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->registered().cluster_id(), "c1");
}

TEST_F(RpcClientTest, NobodyListeningIsKnownAtOnceAndNamesTheAddress) {
  StopServer();
  Connect();
  SendRegistration();
  auto reason = closed_.Take();
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(StatusMessage(*reason)), HasSubstr("JobManager localhost:" + std::to_string(port_)));
}

TEST_F(RpcClientTest, EndOfTheStreamBringsTheJobManagersReason) {
  service_.end_with = {grpc::StatusCode::FAILED_PRECONDITION, "another version"};
  Connect();
  AskForEnd();
  auto reason = closed_.Take();
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(StatusMessage(*reason)), HasSubstr("another version"));
}

TEST_F(RpcClientTest, LostServerClosesTheLinkAndANewConnectionWorks) {
  Connect();
  SendRegistration();
  ASSERT_TRUE(service_.received.Take().has_value());
  StopServer();
  ASSERT_TRUE(closed_.Take().has_value());
  grpc::ServerBuilder builder;
  builder.AddListeningPort("localhost:" + std::to_string(port_), grpc::InsecureServerCredentials());
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
  RunOnExecutor([this] { link_.reset(); });
  Connect();
  SendRegistration(8);
  auto message = service_.received.Take();
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->register_().slots(), 8);
}

TEST_F(RpcClientTest, WhatWasSentBeforeCloseArrives) {
  Connect();
  for (int i = 1; i <= 20; ++i) SendRegistration(i);
  RunOnExecutor([this] { link_.reset(); });
  for (int i = 1; i <= 20; ++i) {
    auto message = service_.received.Take();
    ASSERT_TRUE(message.has_value()) << "lost message " << i;
    ASSERT_EQ(message->register_().slots(), i);
  }
}

TEST_F(RpcClientTest, DownloadsAnArtifactPieceByPiece) {
  auto file = PosixFileSystem().OpenForWrite(folder_ + "/artifact", OpenMode::kTruncate);
  ASSERT_TRUE(file.ok());
  proto::Artifact artifact;
  artifact.set_digest("known");
  std::promise<Status> done;
  client_->Download(artifact, **file, [&](Status status) { done.set_value(status); });
  Status status = done.get_future().get();
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE((*file)->Close().ok());
  std::string bytes = *PosixFileSystem().ReadFile(folder_ + "/artifact");
  ASSERT_EQ(bytes.size(), 10'000'000u);
  EXPECT_EQ(bytes[0], 'a');
  EXPECT_EQ(bytes[100'000], 'b');
}

TEST_F(RpcClientTest, ArtifactThatIsNotThereIsAnError) {
  auto file = PosixFileSystem().OpenForWrite(folder_ + "/artifact", OpenMode::kTruncate);
  proto::Artifact artifact;
  artifact.set_digest("unknown");
  std::promise<Status> done;
  client_->Download(artifact, **file, [&](Status status) { done.set_value(status); });
  Status status = done.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("no artifact has the digest unknown"));
}

TEST_F(RpcClientTest, DestructionEndsWhatIsUnderWay) {
  Connect();
  auto file = PosixFileSystem().OpenForWrite(folder_ + "/artifact", OpenMode::kTruncate);
  proto::Artifact artifact;
  artifact.set_digest("endless");
  std::promise<Status> done;
  client_->Download(artifact, **file, [&](Status status) { done.set_value(status); });
  RunOnExecutor([this] { link_.reset(); });
  client_.reset();
  EXPECT_FALSE(done.get_future().get().ok());
}

TEST_F(RpcClientTest, ADownloadFromAMachineThatVanishedEnds) {
  DeadEnd way(port_);
  RpcClientOptions options;
  options.address = "localhost:" + std::to_string(way.port());
  options.keepalive_interval_ms = 100;
  options.keepalive_timeout_ms = 100;
  RpcClient client(options, logs_);
  auto file = PosixFileSystem().OpenForWrite(folder_ + "/artifact", OpenMode::kTruncate);
  proto::Artifact artifact;
  artifact.set_digest("endless");
  Mailbox<Status> done;
  client.Download(artifact, **file, [&](const Status& status) { done.Put(status); });
  ASSERT_TRUE(service_.fetching.Take());
  way.GoDead();
  const std::optional<Status> status = done.Take();
  ASSERT_TRUE(status) << "it is waited for";
  EXPECT_EQ(status->code(), absl::StatusCode::kUnavailable) << *status;
}

TEST_F(RpcClientTest, PushesTheOutputOfAJobsWorkers) {
  proto::AttemptId attempt;
  attempt.set_job_id(kJob);
  auto output = logs_.Create(attempt, 0);
  ASSERT_TRUE(output.ok());
  ASSERT_EQ(write(output->out.get(), "hello\n", 6), 6);
  proto::CollectLogs request;
  request.set_request_id("r1");
  request.set_job_id(kJob);
  client_->PushLogs(request);
  auto part = service_.logs.Take();
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->request_id(), "r1");
  EXPECT_EQ(part->source(), "tm t1 @ node7 attempt 0 worker 0 stdout");
  EXPECT_EQ(part->data(), "hello\n");
  EXPECT_FALSE(part->last());
  part = service_.logs.Take();
  ASSERT_TRUE(part.has_value());
  EXPECT_TRUE(part->last());
  EXPECT_EQ(part->data(), "");
}

}  // namespace
}  // namespace eagre
