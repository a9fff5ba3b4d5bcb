// A cluster of real processes for one test: `eagre jobmanager` and `eagre taskmanager` on ports of their own in a
// temporary folder, stopped and looked after at the end, when no process may be left.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/job_client.h"
#include "proto/client.pb.h"
#include "tests/cluster/child_process.h"

namespace eagre {

using Words = std::vector<std::string>;

// How a command ended and what it said.
struct Ended {
  int status = -1;
  std::string out;
  std::string err;
};

class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest();
  ~ClusterTest() override;
  void SetUp() override;
  // Stops what still runs by SIGTERM, TaskManagers first; each must end with status 0 and leave nothing behind.
  void TearDown() override;

  // ---- daemons; `properties` are key=value for -D ----
  void StartJobManager(const Words& properties = {});
  // Returns its index.
  size_t StartTaskManager(const Words& properties = {});
  // A JobManager and so many TaskManagers, registered.
  void StartCluster(int task_managers, int slots_each, const Words& properties = {});
  ChildProcess& job_manager() { return *job_manager_; }
  ChildProcess& task_manager(size_t index) { return *task_managers_[index]; }
  int rpc_port() const { return rpc_port_; }
  int job_manager_metrics_port() const { return job_manager_metrics_port_; }
  int task_manager_metrics_port(size_t index) const { return task_manager_metrics_ports_[index]; }
  // Neither a JobManager nor TaskManager that the test has not stopped itself is gone.
  void ExpectDaemonsAlive();

  // ---- commands ----
  std::unique_ptr<ChildProcess> Start(const Words& arguments);  // `eagre <arguments>`
  Ended Run(const Words& arguments);
  // The same with `-m` and the JobManager's address after the verb.
  Ended RunOnCluster(const Words& arguments);
  // The folder of the savepoint that a command says it has made.
  static std::string PathIn(const std::string& output);
  // `eagre run -d`; "" after a failure, which fails the test.
  std::string Submit(const std::string& job, const Words& job_arguments = {}, const Words& options = {});
  // The library of tests/cluster/jobs/<name>.cc.
  static std::string JobLibrary(const std::string& name);
  // A path in the test's folder, and a file there.
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string WriteFile(const std::string& name, const std::string& content) const;

  // ---- state ----
  JobClient& client() { return *client_; }
  std::string State(const std::string& job_id);
  proto::JobDetails Job(const std::string& job_id);
  bool AwaitState(const std::string& job_id, const std::string& state);
  // The job's workers are up and records flow, which comes a little after the state RUNNING.
  bool AwaitFlow(const std::string& job_id);
  // Records that the job's first vertex, a source, has emitted in the current attempt.
  int64_t RecordsIn(const std::string& job_id);
  bool AwaitJob(const std::string& job_id, const std::function<bool(const proto::JobDetails&)>& condition);
  bool AwaitSlots(int total);
  // Worker processes below a TaskManager.
  std::vector<pid_t> Workers(size_t task_manager) const;

 private:
  int AnnouncedPort(ChildProcess& process, const std::string& announcement);
  Words DaemonCommand(const std::string& verb, const Words& properties) const;
  ChildProcess::Options ProcessOptions() const;
  void StopDaemon(ChildProcess& process, const std::string& name);

  const std::string marker_;  // in the environment of every process of this test
  std::string folder_;
  int rpc_port_ = 0;
  int job_manager_metrics_port_ = 0;
  std::unique_ptr<ChildProcess> job_manager_;
  std::vector<std::unique_ptr<ChildProcess>> task_managers_;
  std::vector<int> task_manager_metrics_ports_;
  std::unique_ptr<JobClient> client_;
};

// What a process costs at one moment.
struct ProcessCost {
  int64_t resident_bytes = 0;
  int64_t peak_resident_bytes = 0;  // the most so far
  int threads = 0;
  int descriptors = 0;
  int children = 0;
};
ProcessCost CostOf(pid_t pid);
// Files and folders below `folder`, by path.
std::vector<std::string> FilesBelow(const std::string& folder);
// The value of the first sample of a Prometheus page whose line starts with `prefix`; NaN when there is none.
double SampleValue(const std::string& page, const std::string& prefix);

}  // namespace eagre
