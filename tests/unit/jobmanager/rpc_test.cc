// A JobManager on a real port, with the client library and a TaskManager on a real gRPC stream.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/config.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "client/job_client.h"
#include "jobmanager/job_manager_server.h"
#include "proto/client.grpc.pb.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::chrono::seconds kDeadline{20};

proto::SubmitJobHeader OneSubtaskJob(const std::string& name) {
  proto::SubmitJobHeader header;
  header.mutable_graph()->set_name(name);
  proto::Vertex& vertex = *header.mutable_graph()->add_vertices();
  vertex.set_name("source");
  vertex.set_parallelism(1);
  vertex.add_operators()->set_name("source");
  return header;
}

// A TaskManager whose workers do nothing: each is ready at once, and exits when it is cancelled. Answers CollectLogs
// with two pieces.
class RemoteTaskManager {
 public:
  RemoteTaskManager(const std::string& address, int slots)
      : stub_(proto::TaskManagerService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        stream_(stub_->Connect(&context_)) {
    proto::TaskManagerToJobManager message;
    message.mutable_register_()->set_task_manager_id("remote");
    message.mutable_register_()->set_host("localhost");
    message.mutable_register_()->set_slots(slots);
    message.mutable_register_()->set_version("test");
    stream_->Write(message);
    thread_ = std::thread([this] { Serve(); });
  }
  ~RemoteTaskManager() {
    context_.TryCancel();
    thread_.join();
  }

  bool AwaitRegistered() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [this] { return registered_; });
  }
  // Until the JobManager has ended the stream.
  bool AwaitEnd() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [this] { return ended_; });
  }
  std::string library() {
    std::lock_guard lock(mutex_);
    return library_;
  }

 private:
  void Serve() {
    proto::JobManagerToTaskManager message;
    while (stream_->Read(&message)) {
      proto::TaskManagerToJobManager reply;
      if (message.has_registered()) {
        std::lock_guard lock(mutex_);
        registered_ = true;
      } else if (message.has_deploy()) {
        Fetch(message.deploy().artifact().digest());
        *reply.mutable_worker_ready()->mutable_attempt() = message.deploy().attempt();
        stream_->Write(reply);
      } else if (message.has_cancel()) {
        *reply.mutable_worker_exited()->mutable_attempt() = message.cancel().attempt();
        reply.mutable_worker_exited()->set_expected(true);
        stream_->Write(reply);
      } else if (message.has_collect_logs()) {
        Push(message.collect_logs().request_id());
      }
      changed_.notify_all();
    }
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  void Fetch(const std::string& digest) {
    grpc::ClientContext context;
    proto::FetchArtifactRequest request;
    request.set_digest(digest);
    const auto reader = stub_->FetchArtifact(&context, request);
    std::string library;
    proto::ArtifactPart part;
    while (reader->Read(&part)) library += part.data();
    (void)reader->Finish();
    std::lock_guard lock(mutex_);
    library_ = library;
  }

  void Push(const std::string& request_id) {
    grpc::ClientContext context;
    proto::PushLogsReply reply;
    const auto writer = stub_->PushLogs(&context, &reply);
    proto::LogPart part;
    part.set_request_id(request_id);
    part.set_data("line 1\n");
    writer->Write(part);
    part.set_data("line 2\n");
    part.set_last(true);
    writer->Write(part);
    writer->WritesDone();
    EXPECT_TRUE(writer->Finish().ok());
  }

  const std::unique_ptr<proto::TaskManagerService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<proto::TaskManagerToJobManager, proto::JobManagerToTaskManager>>
      stream_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool registered_ = false;
  bool ended_ = false;
  std::string library_;
  std::thread thread_;
};

class RpcTest : public ::testing::Test {
 protected:
  RpcTest() : folder_(JoinPath(::testing::TempDir(), "eagre-rpc-test")) {
    EXPECT_TRUE(PosixFileSystem().CreateDirectories(folder_).ok());
    library_ = JoinPath(folder_, "job.so");
    content_.assign(3 << 20, 'l');  // several pieces
    EXPECT_TRUE(PosixFileSystem().WriteFile(library_, content_).ok());
    server_ = StartServer(0);
  }
  ~RpcTest() override {
    server_.reset();
    EXPECT_TRUE(PosixFileSystem().RemoveTree(folder_).ok());
  }

  std::unique_ptr<JobManagerServer> StartServer(int port) {
    auto server = TryStartServer(port);
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  StatusOr<std::unique_ptr<JobManagerServer>> TryStartServer(int port) {
    Configuration config;
    EXPECT_TRUE(config.Set("jobmanager.rpc.port", std::to_string(port), "test").ok());
    EXPECT_TRUE(config.Set("eagre.work.dir", folder_, "test").ok());
    EXPECT_TRUE(config.Set("high-availability.storageDir", storage_, "test").ok());
    return JobManagerServer::Start(config, "test");
  }
  std::string address() const { return fmt::format("localhost:{}", server_->port()); }

  std::string folder_;
  std::string library_;
  std::string content_;
  std::string storage_;  // empty: none
  std::unique_ptr<JobManagerServer> server_;
};

TEST_F(RpcTest, AJobGoesFromTheClientToATaskManagerAndIsCancelled) {
  RemoteTaskManager task_manager(address(), 1);
  ASSERT_TRUE(task_manager.AwaitRegistered());
  JobClient client(address());
  const auto id = client.SubmitJob(OneSubtaskJob("hello"), library_);
  ASSERT_TRUE(id.ok()) << id.status();

  std::vector<std::string> states;
  bool cancelled = false;
  const auto ended = client.WatchJob(*id, 50, [&](const proto::JobDetails& details) {
    states.push_back(details.summary().state());
    const auto& counts = details.vertices(0).status_counts();
    if (!cancelled && counts.contains("RUNNING")) {
      cancelled = true;
      EXPECT_TRUE(client.CancelJob(*id).ok());
    }
  });
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->summary().state(), "CANCELED");
  EXPECT_EQ(states.back(), "CANCELED");
  EXPECT_EQ(task_manager.library(), content_);

  const auto jobs = client.ListJobs();
  ASSERT_TRUE(jobs.ok());
  ASSERT_EQ(jobs->jobs_size(), 1);
  EXPECT_EQ(jobs->jobs(0).name(), "hello");
  EXPECT_EQ(client.GetJob(*id)->summary().state(), "CANCELED");
  EXPECT_EQ(client.GetCluster()->slots_available(), 1);
}

TEST_F(RpcTest, LogsReachTheClient) {
  RemoteTaskManager task_manager(address(), 1);
  ASSERT_TRUE(task_manager.AwaitRegistered());
  JobClient client(address());
  const auto id = client.SubmitJob(OneSubtaskJob("hello"), library_);
  ASSERT_TRUE(id.ok()) << id.status();
  const auto deployed = client.WatchJob(*id, 50, [&](const proto::JobDetails& details) {
    if (details.vertices(0).status_counts().contains("RUNNING")) (void)client.CancelJob(*id);
  });
  ASSERT_TRUE(deployed.ok());
  std::string text;
  const Status status = client.GetLogs(*id, [&](const proto::LogPart& part) { text += part.data(); });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(text, "line 1\nline 2\n");
  EXPECT_EQ(client.GetLogs("0123456789abcdef0123456789abcdef", [](const proto::LogPart&) {}).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(RpcTest, WhatTheJobManagerRefusesReachesTheUser) {
  JobClient client(address());
  const auto empty = client.SubmitJob(proto::SubmitJobHeader(), library_);
  EXPECT_EQ(empty.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StatusMessage(empty.status()), "the job has no name");
  EXPECT_EQ(client.CancelJob("0123456789abcdef0123456789abcdef").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client.SubmitJob(OneSubtaskJob("x"), folder_ + "/missing.so").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RpcTest, WithoutAJobManagerTheErrorSaysWhatToDo) {
  const std::string gone = address();
  server_.reset();
  JobClient client(gone);
  const auto jobs = client.ListJobs();
  EXPECT_EQ(std::string(StatusMessage(jobs.status())),
            "cannot reach the JobManager at " + gone +
                ": connection refused; start one with 'eagre jobmanager' or say with -m where it is");
  const Status submitted = client.SubmitJob(OneSubtaskJob("x"), library_).status();
  EXPECT_EQ(submitted.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(StatusMessage(submitted)), HasSubstr("or leave -m away to run in this process"));
  EXPECT_EQ(client.WatchJob("x", 100, [](const proto::JobDetails&) {}).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RpcTest, AFailureThatTheJobManagerAnswersWithIsNotTakenForAnUnreachableOne) {
  RemoteTaskManager task_manager(address(), 1);
  ASSERT_TRUE(task_manager.AwaitRegistered());
  JobClient client(address());
  proto::SubmitJobHeader job = OneSubtaskJob("hello");
  (*job.mutable_config())["execution.checkpointing.dir"] = JoinPath(folder_, "checkpoints");
  (*job.mutable_config())["execution.checkpointing.timeout"] = "1 ms";
  const auto id = client.SubmitJob(job, library_);
  ASSERT_TRUE(id.ok()) << id.status();
  Status failed;
  const auto ended = client.WatchJob(*id, 50, [&](const proto::JobDetails& details) {
    if (!failed.ok() || !details.vertices(0).status_counts().contains("RUNNING")) return;
    failed = client.TriggerSavepoint(*id, JoinPath(folder_, "savepoints")).status();
    EXPECT_TRUE(client.CancelJob(*id).ok());
  });
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(StatusMessage(failed)),
              AllOf(StartsWith("checkpoint 1 of job " + *id + " failed: it was not complete after 1 ms"),
                    Not(HasSubstr("cannot reach")), Not(HasSubstr("eagre jobmanager"))));
}

TEST_F(RpcTest, APortInUseIsNamedWithItsKey) {
  const auto second = TryStartServer(server_->port());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(StatusMessage(second.status())),
              HasSubstr(fmt::format("localhost:{}: the port is in use", server_->port())));
  EXPECT_THAT(std::string(StatusMessage(second.status())), HasSubstr("jobmanager.rpc.port"));
}

TEST_F(RpcTest, ForeignBytesAndHalfOpenConnectionsDoNotStopIt) {
  SeededRandom random(3);
  std::vector<UniqueFd> half_open;
  for (int i = 0; i < 60; ++i) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(server_->port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    std::string bytes;
    if (i % 3 == 0) {
      bytes = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    } else if (i % 3 == 1) {
      // gRPC's own preface, then nonsense.
      bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
      for (int b = 0; b < 4'096; ++b) bytes.push_back(static_cast<char>(random.Below(256)));
    } else {
      for (int b = 0; b < 1'024; ++b) bytes.push_back(static_cast<char>(random.Below(256)));
    }
    (void)send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (i % 2 == 0) half_open.push_back(std::move(fd));
  }
  JobClient client(address());
  EXPECT_TRUE(client.ListJobs().ok());
}

TEST_F(RpcTest, AStreamOfNonsenseMessagesEndsItsConnectionOnly) {
  const auto stub =
      proto::TaskManagerService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto stream = stub->Connect(&context);
  proto::TaskManagerToJobManager message;
  message.mutable_worker_finished()->mutable_attempt()->set_job_id("nobody");
  stream->Write(message);
  proto::JobManagerToTaskManager reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_THAT(reply.registration_refused().reason(), HasSubstr("before it registered"));
  EXPECT_FALSE(stream->Read(&reply));
  (void)stream->Finish();
  EXPECT_TRUE(JobClient(address()).ListJobs().ok());
}

TEST_F(RpcTest, AWatcherFindsTheJobManagerAgainAndIsToldWhenItForgotTheJob) {
  RemoteTaskManager task_manager(address(), 1);
  ASSERT_TRUE(task_manager.AwaitRegistered());
  const int port = server_->port();
  JobClient client(address());
  const auto id = client.SubmitJob(OneSubtaskJob("hello"), library_);
  ASSERT_TRUE(id.ok()) << id.status();
  bool restarted = false;
  const auto ended = client.WatchJob(*id, 50, [&](const proto::JobDetails&) {
    if (restarted) return;
    restarted = true;
    server_.reset();
    server_ = StartServer(port);
  });
  EXPECT_TRUE(restarted);
  EXPECT_EQ(ended.status().code(), absl::StatusCode::kNotFound) << ended.status();
}

TEST_F(RpcTest, AStoredJobWhoseLibraryIsDamagedHasFailedAndOneThatCannotBeReadNowIsNotGivenUp) {
  storage_ = JoinPath(folder_, "storage");
  server_.reset();
  server_ = StartServer(0);
  const auto id = JobClient(address()).SubmitJob(OneSubtaskJob("hello"), library_);
  ASSERT_TRUE(id.ok()) << id.status();
  server_.reset();
  FileSystem& files = PosixFileSystem();
  const std::string stored = JoinPath(storage_, "jobs/" + *id + "/library");
  const std::string aside = JoinPath(folder_, "aside");
  // A folder cannot be read; neither can a disk that fails.
  ASSERT_TRUE(files.Rename(stored, aside).ok());
  ASSERT_TRUE(files.CreateDirectories(stored).ok());
  const Status refused = TryStartServer(0).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(StatusMessage(refused)), AllOf(HasSubstr(*id), HasSubstr(stored)));

  ASSERT_TRUE(files.RemoveTree(stored).ok());
  ASSERT_TRUE(files.Rename(aside, stored).ok());
  server_ = StartServer(0);
  EXPECT_EQ(JobClient(address()).GetJob(*id)->summary().state(), "CREATED");
  server_.reset();

  ASSERT_TRUE(files.WriteFile(stored, content_ + "l").ok());
  for (const std::string when : {"at once", "and for good"}) {
    SCOPED_TRACE(when);
    server_ = StartServer(0);
    const auto details = JobClient(address()).GetJob(*id);
    ASSERT_TRUE(details.ok()) << details.status();
    EXPECT_EQ(details->summary().state(), "FAILED");
    EXPECT_EQ(details->summary().name(), "hello");
    EXPECT_THAT(details->failures(0).message(), HasSubstr(stored + " is damaged"));
    server_.reset();
  }
}

TEST_F(RpcTest, StopEndsAWatch) {
  JobClient client(address());
  const auto id = client.SubmitJob(OneSubtaskJob("waits for slots"), library_);
  ASSERT_TRUE(id.ok()) << id.status();
  const auto ended = client.WatchJob(*id, 50, [&](const proto::JobDetails& details) {
    EXPECT_EQ(details.summary().state(), "CREATED");
    client.Stop();
  });
  EXPECT_EQ(ended.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(RpcTest, StoppingEndsOpenStreamsAndLeavesNoFiles) {
  RemoteTaskManager task_manager(address(), 1);
  ASSERT_TRUE(task_manager.AwaitRegistered());
  JobClient client(address());
  ASSERT_TRUE(client.SubmitJob(OneSubtaskJob("hello"), library_).ok());
  EXPECT_FALSE(server_->CollectMetrics().empty());
  server_->Stop();
  EXPECT_TRUE(task_manager.AwaitEnd());
  EXPECT_TRUE(server_->CollectMetrics().empty());
  const auto entries = PosixFileSystem().List(folder_);
  ASSERT_TRUE(entries.ok());
  for (const FileInfo& entry : *entries) {
    EXPECT_FALSE(BaseName(entry.path).starts_with("jobmanager-")) << entry.path;
  }
}

}  // namespace
}  // namespace eagre
