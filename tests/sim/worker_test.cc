// A worker by itself, under the hand of a TaskManager that the test plays.
#include "runtime/worker.h"

#include <gtest/gtest.h>

#include <vector>

#include <eagre/eagre.h>

#include "proto/control.pb.h"
#include "tests/sim/sim_file_system.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_scheduler.h"
#include "tests/sim/sim_slot_runner.h"

namespace eagre {
namespace {

using FromWorker = proto::WorkerToTaskManager;

std::unique_ptr<StreamGraph> CountToTenThousand() {
  auto graph = std::make_unique<StreamGraph>(Configuration());
  Job(*graph).Read(Generate<int64_t>(10'000, [](int64_t i) { return i; })).WriteTo(Blackhole());
  return graph;
}

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() : data_network_(network_.NewDataNetwork()) {
    WorkerEnvironment environment{.executor = &executor_,
                                  .files = &files_,
                                  .coordinators = &coordinators_,
                                  .slots = &slots_,
                                  .network = data_network_.get(),
                                  .metrics = &metrics_,
                                  .load_job = [](const proto::DeployWorker&) { return CountToTenThousand(); }};
    auto [ours, theirs] = network_.NewLinkPair();
    link_ = std::move(ours);
    link_->Start(task_manager_, {.on_message =
                                     [this](std::string_view bytes) {
                                       EXPECT_TRUE(received_.emplace_back().ParseFromString(std::string(bytes)));
                                     },
                                 .on_closed = [](Status) {}});
    worker_ = std::make_unique<Worker>(environment, std::move(theirs));
    worker_->Start([this] { done_ = true; });
  }

  void Send(const proto::TaskManagerToWorker& message) { link_->Send(message.SerializeAsString()); }

  int Count(FromWorker::MessageCase wanted) const {
    int count = 0;
    for (const FromWorker& message : received_) count += message.message_case() == wanted;
    return count;
  }
  bool Await(FromWorker::MessageCase wanted) {
    return scheduler_.RunUntil([&] { return Count(wanted) > 0; }, 60'000);
  }

  double Metric(const std::string& name) {
    for (const MetricSample& sample : metrics_.Collect()) {
      if (sample.name == name) return sample.value;
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  SimScheduler scheduler_{1};
  SimDisk disk_{scheduler_};
  SimFiles files_{scheduler_, disk_, nullptr};
  SimNetwork network_{scheduler_, {}};
  SimSlotRunnerFactory slots_{scheduler_};
  SimExecutor executor_{scheduler_, "worker"};
  SimExecutor coordinators_{scheduler_, "coordinator"};
  SimExecutor task_manager_{scheduler_, "taskmanager"};
  MetricRegistry metrics_;
  std::unique_ptr<DataNetwork> data_network_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Worker> worker_;
  std::vector<FromWorker> received_;
  bool done_ = false;
};

// The JobManager triggers checkpoints until it has heard of the failure.
TEST_F(WorkerTest, AWorkerThatCouldNotBeStartedOutlivesACheckpoint) {
  const std::unique_ptr<StreamGraph> graph = CountToTenThousand();
  proto::TaskManagerToWorker message;
  *message.mutable_deploy()->mutable_graph() = BuildJobGraph(*graph)->job_graph;
  message.mutable_deploy()->add_job_slots(0);
  message.mutable_deploy()->mutable_checkpoints()->set_directory("/checkpoints");
  message.mutable_deploy()->mutable_checkpoints()->set_restore_from("/checkpoints/chk-1");
  Send(message);
  ASSERT_TRUE(Await(FromWorker::kReady));
  message.mutable_start()->add_peers()->add_job_slots(0);
  Send(message);
  message.mutable_checkpoint()->set_checkpoint_id(2);
  Send(message);
  ASSERT_TRUE(Await(FromWorker::kFailed));
  EXPECT_NE(received_.back().failed().failure().message().find("/checkpoints/chk-1"), std::string::npos);
  scheduler_.RunUntil([] { return false; }, 1'000);
  message.mutable_cancel();
  Send(message);
  EXPECT_TRUE(scheduler_.RunUntil([&] { return done_; }, 60'000));
}

TEST_F(WorkerTest, AFinishedWorkerHasNothingMoreToSayAndStaysUntilItIsCancelled) {
  const std::unique_ptr<StreamGraph> graph = CountToTenThousand();
  proto::TaskManagerToWorker message;
  *message.mutable_deploy()->mutable_graph() = BuildJobGraph(*graph)->job_graph;
  message.mutable_deploy()->add_job_slots(0);
  message.mutable_deploy()->set_token("secret");
  Send(message);
  ASSERT_TRUE(Await(FromWorker::kReady));
  proto::WorkerPeer& self = *message.mutable_start()->add_peers();
  self.set_data_address(received_.back().ready().data_address());
  self.add_job_slots(0);
  Send(message);
  ASSERT_TRUE(Await(FromWorker::kFinished));
  const size_t said = received_.size();
  ASSERT_GE(said, 3u);
  EXPECT_EQ(received_[said - 2].report().subtasks(0).operators(1).records_in(), 10'000)
      << "the last counters come first";

  scheduler_.RunUntil([] { return false; }, 60'000);
  EXPECT_EQ(received_.size(), said) << "what is known was said again";
  EXPECT_EQ(Metric("flink_taskmanager_job_task_busyTimeMsPerSecond"), 0);
  EXPECT_FALSE(done_);
  message.mutable_cancel();
  Send(message);
  EXPECT_TRUE(scheduler_.RunUntil([&] { return done_; }, 60'000));
}

}  // namespace
}  // namespace eagre
