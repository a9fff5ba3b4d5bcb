// A whole TaskManager against a JobManager on a real port: registration, real workers, metrics, and a clean end.
#include "taskmanager/task_manager_server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "base/hash.h"
#include "base/ids.h"
#include "tests/unit/taskmanager/fake_service.h"
#include "tests/unit/taskmanager/process_harness.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TaskManagerServerTest : public ::testing::TestWithParam<bool> {
 protected:
  TaskManagerServerTest() { StartJobManager("localhost:0"); }
  ~TaskManagerServerTest() override {
    server_.reset();
    StopJobManager();
    (void)PosixFileSystem().RemoveTree(folder_);
  }

  static std::string NewFolder() {
    std::string pattern = "/tmp/eagre_task_manager_XXXXXX";
    return mkdtemp(pattern.data());
  }

  void StartJobManager(const std::string& address) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    job_manager_ = builder.BuildAndStart();
    ASSERT_NE(job_manager_, nullptr);
    port_ = port;
  }
  void StopJobManager() {
    job_manager_->Shutdown(std::chrono::system_clock::now());
    job_manager_.reset();
  }

  void Start() {
    Configuration config;
    ASSERT_TRUE(config.SetProperty("eagre.work.dir=" + folder_).ok());
    ASSERT_TRUE(config.SetProperty("taskmanager.numberOfTaskSlots=3").ok());
    ASSERT_TRUE(config.SetProperty("jobmanager.rpc.port=" + std::to_string(port_)).ok());
    TaskManagerServerOptions options;
    options.in_process_workers = GetParam();
    auto server = TaskManagerServer::Start(config, std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void Register() {
    auto message = Take(proto::TaskManagerToJobManager::kRegister);
    EXPECT_EQ(message.register_().slots(), 3);
    EXPECT_EQ(message.register_().task_manager_id(), server_->id());
    EXPECT_TRUE(IsHexId(server_->id())) << server_->id();
    proto::JobManagerToTaskManager answer;
    answer.mutable_registered();
    service_.Send(answer);
    ASSERT_TRUE(WaitUntil([this] { return server_->registered(); }));
  }

  // The next message of that kind; an empty one when none comes in time.
  proto::TaskManagerToJobManager Take(proto::TaskManagerToJobManager::MessageCase wanted) {
    while (auto message = service_.received.Take()) {
      if (message->message_case() == wanted) return *message;
    }
    ADD_FAILURE() << "message " << wanted << " did not come";
    return {};
  }

  double Metric(const std::string& name) {
    for (const MetricSample& sample : server_->CollectMetrics()) {
      if (sample.name == name) return sample.value;
    }
    return -1;
  }

  const std::string folder_ = NewFolder();
  FakeService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> job_manager_;
  std::unique_ptr<TaskManagerServer> server_;
};

TEST_P(TaskManagerServerTest, RegistersShowsItsMetricsAndLeavesNothing) {
  Start();
  Register();
  EXPECT_EQ(Metric("flink_taskmanager_taskSlotsTotal"), 3);
  EXPECT_EQ(Metric("flink_taskmanager_taskSlotsAvailable"), 3);
  EXPECT_GT(Metric("flink_taskmanager_Status_JVM_Threads_Count"), 1);
  EXPECT_THAT(*PosixFileSystem().List(folder_), SizeIs(2)) << "its folder and the lock";
  server_->Stop();
  EXPECT_THAT(*PosixFileSystem().List(folder_), SizeIs(1));
  EXPECT_THAT(server_->CollectMetrics(), IsEmpty());
  EXPECT_FALSE(server_->registered());
}

TEST_P(TaskManagerServerTest, LibraryThatIsNoneFailsTheTaskAndNotTheTaskManager) {
  Start();
  Register();
  for (int attempt = 0; attempt < 3; ++attempt) {
    service_.artifact = "this is no shared library";
    proto::JobManagerToTaskManager message;
    proto::DeployWorker& deploy = *message.mutable_deploy();
    deploy.mutable_attempt()->set_job_id("00000000000000000000000000000001");
    deploy.mutable_attempt()->set_attempt(attempt);
    deploy.mutable_graph()->set_name("broken");
    deploy.mutable_artifact()->set_digest(Hash128Hex(service_.artifact));
    deploy.mutable_artifact()->set_bytes(service_.artifact.size());
    deploy.mutable_artifact()->set_file_name("broken.so");
    deploy.add_job_slots(0);
    service_.Send(message);
    proto::FailureInfo failure = Take(proto::TaskManagerToJobManager::kTaskFailed).task_failed().failure();
    EXPECT_THAT(failure.message(), HasSubstr("/broken.so'"));
    EXPECT_EQ(failure.task_manager_id(), server_->id());
    EXPECT_EQ(failure.host(), "localhost");
    message.mutable_cancel()->mutable_attempt()->set_job_id("00000000000000000000000000000001");
    message.mutable_cancel()->mutable_attempt()->set_attempt(attempt);
    service_.Send(message);
    proto::WorkerExited exited = Take(proto::TaskManagerToJobManager::kWorkerExited).worker_exited();
    EXPECT_TRUE(exited.expected());
    EXPECT_EQ(exited.signal(), 0);
    EXPECT_EQ(exited.exit_code(), 0);
  }
  EXPECT_EQ(Metric("flink_taskmanager_taskSlotsAvailable"), 3);
  EXPECT_THAT(ChildProcesses(), IsEmpty());
}

TEST_P(TaskManagerServerTest, FindsAJobManagerThatCameBack) {
  Start();
  Register();
  StopJobManager();
  StartJobManager("localhost:" + std::to_string(port_));
  Register();
}

TEST_P(TaskManagerServerTest, StopsAtOnceAlthoughNoJobManagerIsThere) {
  StopJobManager();
  Start();
  server_->Stop();
  EXPECT_THAT(*PosixFileSystem().List(folder_), SizeIs(1));
  StartJobManager("localhost:0");
}

INSTANTIATE_TEST_SUITE_P(Workers, TaskManagerServerTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "InThisProcess" : "AsProcesses"; });

}  // namespace
}  // namespace eagre
