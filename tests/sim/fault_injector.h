// Does to a simulated cluster what machines, networks and disks do, one thing after another, as the seed says. A seed
// has some kinds of faults and not the others, so that rare ones have room.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/sim_cluster.h"

namespace eagre {

// The part of it that a cluster is made with.
struct FaultProfile {
  SimNetworkOptions network;
  SimFileFaults files;
  bool repeats_messages = false;
  int64_t mean_pause_ms = 0;  // between two faults

  static FaultProfile Of(uint64_t seed);
};

class FaultInjector {
 public:
  // All outlive it.
  FaultInjector(SimCluster& cluster, const FaultProfile& profile);

  // From now on until Stop.
  void Start();
  void Stop();
  // How many there were.
  int64_t faults() const { return faults_; }

 private:
  enum class Kind {
    kKillWorker,
    kKillTaskManager,
    kKillJobManager,
    kCrashTaskManager,
    kCrashJobManager,
    kCrashAll,
    kDieAmongOperations,
    kCrashAmongOperations,
    kStopProcess,
    kReplaceJobManager,
    kReplaceAmongOperations,
    kBreakControlLink,
    kBreakDataConnection,
    kIsolateMachine,
    kFillDisk,
    kFailDisk,
    kKinds,
  };
  void ScheduleNext();
  bool Inject(Kind kind);
  int64_t RestartNs();
  int64_t DiskTroubleNs();
  int64_t ChooseMs(int64_t low, int64_t high) { return scheduler_.Choose(low, high) * 1'000'000; }
  int AnyTaskManager() { return static_cast<int>(scheduler_.Choose(1, cluster_.machines() - 1)); }

  SimCluster& cluster_;
  SimScheduler& scheduler_;
  const FaultProfile profile_;
  std::vector<Kind> kinds_;
  bool running_ = false;
  int64_t faults_ = 0;
};

}  // namespace eagre
