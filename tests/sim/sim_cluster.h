// A whole cluster on one scheduler: the real JobManager, TaskManagers and workers, each a process of the simulated
// world, joined by the simulated network, with their files on the simulated disk.
//
// Machine 0 has the JobManager; TaskManager i and its workers are on machine i + 1. What dies is started again when
// whoever kills it says so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"
#include "proto/client.pb.h"
#include "runtime/stream_graph.h"
#include "tests/sim/sim_file_system.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_scheduler.h"
#include "tests/sim/sim_slot_runner.h"

namespace eagre {

struct SimClusterOptions {
  int task_managers = 2;
  int slots_each = 2;
  SimNetworkOptions network;
  SimFileFaults files;
  SimSlotPace pace;
  int64_t io_delay_ns = 20'000;  // before the threads that write checkpoints turn to something, at most
};

// What a process that a job's graph is built in has for it.
struct SimSurroundings {
  SimScheduler& scheduler;
  FileSystem& files;
  Executor* executor;  // null in the client, where nothing runs
};

class SimCluster {
 public:
  // Builds the job's graph, in the client and again in every worker, which outlives what is made of it there.
  using JobBuilder = std::function<std::unique_ptr<StreamGraph>(Configuration config, const SimSurroundings& in)>;

  SimCluster(uint64_t seed, SimClusterOptions options);
  ~SimCluster();

  // Submits the job as soon as all TaskManagers are registered, and runs the world until it is stored.
  Status Submit(JobBuilder build, const std::map<std::string, std::string>& config);
  // What the JobManager says of the job, when there is one that can be asked.
  std::optional<StatusOr<proto::JobDetails>> AskForJob();
  // Submit, and runs the world until the job has ended. The failure says how far it came.
  StatusOr<proto::JobDetails> RunJob(const std::function<std::unique_ptr<StreamGraph>(Configuration config)>& build,
                                     const std::map<std::string, std::string>& config, int64_t limit_ms = 3'600'000);

  // ---- faults; false: there is nobody that it could happen to ----
  static constexpr int kJobManager = 0;  // its machine
  int machines() const { return options_.task_managers + 1; }
  // Processes end as by SIGKILL. Those of the cluster are started again after `restart_ns`.
  bool KillWorker();
  bool KillTaskManager(int index, int64_t restart_ns);
  bool KillJobManager(int64_t restart_ns);
  // All its processes die and what the machine had not synced is lost. Others may not hear of it for `silence_ns`.
  bool CrashMachine(int machine, int64_t restart_ns, int64_t silence_ns);
  void CrashAll(int64_t restart_ns);
  // Some process of the machine dies, or its machine crashes, after so many file operations more.
  bool DieAmongOperations(int machine, int64_t operations, bool whole_machine, int64_t restart_ns);
  // Some process stands still for so long.
  bool StopProcess(int64_t ns);
  // The JobManager stands still and is taken for dead: another is started. Later the first goes on; if it does not end
  // itself it is killed.
  bool ReplaceJobManager(int64_t stopped_ns, int64_t left_ns);
  // The same after so many file operations more.
  bool ReplaceJobManagerAmongOperations(int64_t operations, int64_t stopped_ns, int64_t left_ns);
  bool BreakControlLink();
  bool BreakDataConnection();

  SimScheduler& scheduler() { return scheduler_; }
  SimNetwork& network() { return network_; }
  SimDisk& disk() { return disk_; }
  // Files as somebody outside of the cluster has them.
  FileSystem& files() { return files_; }
  // What no JobManager should ever find, such as a damaged store.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct JobManagerProcess;
  struct TaskManagerProcess;
  struct WorkerProcess;
  struct TaskManagerNode;
  class Launcher;

  void StartJobManager();
  void Recover(JobManagerProcess& started);
  void Watch(JobManagerProcess& job_manager);
  void OnReplaced(JobManagerProcess& replaced);
  void StartTaskManager(TaskManagerNode& node);
  std::unique_ptr<Link> ConnectToJobManager(SimProcess& task_manager);
  void EndWorker(WorkerProcess& ended);
  // Its death is immediate, its objects go when no call is on the stack.
  void Die(SimProcess& process, int64_t silence_ns);
  void OnDeath(WorkerProcess& dead, int signal);
  void KillWorkersOf(const TaskManagerProcess& dead);
  std::vector<SimProcess*> Living(const std::function<bool(const SimProcess&)>& which);
  SimProcess* ChooseOne(const std::vector<SimProcess*>& processes);
  // Kills whatever process it is.
  void Kill(SimProcess& process, int64_t restart_ns, int64_t silence_ns);
  void After(int64_t delay_ns, Closure task) { scheduler_.Schedule(delay_ns, "fault", std::move(task)); }
  bool AllRegistered() const;
  int64_t FewMs(int64_t most) { return scheduler_.Choose(0, most * 1'000'000); }

  const SimClusterOptions options_;
  SimScheduler scheduler_;
  SimDisk disk_;
  SimFiles files_;
  SimNetwork network_;
  SeededRandom random_;
  JobBuilder build_;
  std::string job_id_;
  std::string ended_as_;  // what clients were told of the job's end; empty: nothing yet
  std::vector<std::string> problems_;
  std::map<uint64_t, std::unique_ptr<JobManagerProcess>> job_managers_;
  std::map<uint64_t, std::unique_ptr<WorkerProcess>> workers_;
  std::map<uint64_t, std::unique_ptr<TaskManagerProcess>> task_managers_;
  std::vector<std::unique_ptr<TaskManagerNode>> nodes_;
  JobManagerProcess* job_manager_ = nullptr;  // at the address that everybody knows
  uint64_t next_process_ = 1;
};

}  // namespace eagre
