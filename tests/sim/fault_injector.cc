#include "tests/sim/fault_injector.h"

#include <iterator>

#include "base/random.h"
#include "proto/control.pb.h"

namespace eagre {
namespace {

// Messages that JobManager and TaskManager repeat by themselves, above all after one of them was away.
bool IsRepeatable(bool of_task_manager, std::string_view bytes) {
  const int size = static_cast<int>(bytes.size());
  if (of_task_manager) {
    proto::TaskManagerToJobManager message;
    if (!message.ParseFromArray(bytes.data(), size)) return false;
    if (message.has_heartbeat() || message.has_worker_finished()) return true;
    return message.has_checkpoint_report() && message.checkpoint_report().kind() == proto::CheckpointReport::ENDED;
  }
  proto::JobManagerToTaskManager message;
  if (!message.ParseFromArray(bytes.data(), size)) return false;
  if (message.has_heartbeat() || message.has_cancel()) return true;
  return message.has_checkpoint() && message.checkpoint().kind() != proto::CheckpointCommand::TRIGGER;
}

}  // namespace

FaultProfile FaultProfile::Of(uint64_t seed) {
  SeededRandom random(seed * 2 + 1);
  FaultProfile profile;
  constexpr int64_t kPausesMs[] = {30, 100, 300, 1'000};
  profile.mean_pause_ms = kPausesMs[random.Below(std::size(kPausesMs))];
  if (random.Below(2) == 0) {
    profile.network.spike_one_in = 100;
    profile.network.spike_ns = 300'000'000;
  }
  if (random.Below(2) == 0) profile.network.max_delay_ns = 300'000;
  if (random.Below(2) == 0) {
    profile.files.slow_one_in = 20 + static_cast<int64_t>(random.Below(200));
    profile.files.slow_ns = 100'000'000;
  }
  profile.repeats_messages = random.Below(2) == 0;
  return profile;
}

FaultInjector::FaultInjector(SimCluster& cluster, const FaultProfile& profile)
    : cluster_(cluster), scheduler_(cluster.scheduler()), profile_(profile) {
  for (int kind = 0; kind < static_cast<int>(Kind::kKinds); ++kind) {
    if (scheduler_.OneIn(3)) kinds_.push_back(static_cast<Kind>(kind));
  }
  if (kinds_.empty()) kinds_.push_back(Kind::kKillWorker);
}

void FaultInjector::Start() {
  running_ = true;
  if (profile_.repeats_messages) {
    cluster_.network().set_duplicates([this](int side, std::string_view message) {
      if (!running_ || !IsRepeatable(/*of_task_manager=*/side == 0, message) || !scheduler_.OneIn(10)) return false;
      ++faults_;
      return true;
    });
  }
  ScheduleNext();
}

void FaultInjector::Stop() {
  running_ = false;
}

void FaultInjector::ScheduleNext() {
  scheduler_.Schedule(ChooseMs(0, 2 * profile_.mean_pause_ms), "fault", [this] {
    if (!running_) return;
    const Kind kind = kinds_[static_cast<size_t>(scheduler_.Choose(0, static_cast<int64_t>(kinds_.size()) - 1))];
    scheduler_.Trace("fault", static_cast<uint64_t>(kind));
    if (Inject(kind)) ++faults_;
    ScheduleNext();
  });
}

int64_t FaultInjector::RestartNs() {
  return scheduler_.OneIn(10) ? ChooseMs(1'000, 15'000) : ChooseMs(1, 300);
}

int64_t FaultInjector::DiskTroubleNs() {
  return scheduler_.OneIn(6) ? ChooseMs(500, 15'000) : ChooseMs(1, 300);
}

bool FaultInjector::Inject(Kind kind) {
  switch (kind) {
    case Kind::kKillWorker: return cluster_.KillWorker();
    case Kind::kKillTaskManager: return cluster_.KillTaskManager(AnyTaskManager() - 1, RestartNs());
    case Kind::kKillJobManager: return cluster_.KillJobManager(RestartNs());
    case Kind::kCrashTaskManager:
      return cluster_.CrashMachine(AnyTaskManager(), RestartNs(), scheduler_.OneIn(2) ? ChooseMs(100, 60'000) : 0);
    case Kind::kCrashJobManager:
      return cluster_.CrashMachine(SimCluster::kJobManager, RestartNs(),
                                   scheduler_.OneIn(2) ? ChooseMs(100, 60'000) : 0);
    case Kind::kCrashAll: cluster_.CrashAll(RestartNs()); return true;
    case Kind::kDieAmongOperations:
    case Kind::kCrashAmongOperations:
      return cluster_.DieAmongOperations(static_cast<int>(scheduler_.Choose(0, cluster_.machines() - 1)),
                                         scheduler_.Choose(0, 40), kind == Kind::kCrashAmongOperations, RestartNs());
    case Kind::kStopProcess:
      return cluster_.StopProcess(scheduler_.OneIn(8) ? ChooseMs(1'000, 20'000) : ChooseMs(1, 500));
    case Kind::kReplaceJobManager: return cluster_.ReplaceJobManager(ChooseMs(1, 8'000), ChooseMs(1, 5'000));
    case Kind::kReplaceAmongOperations:
      return cluster_.ReplaceJobManagerAmongOperations(scheduler_.Choose(0, 40), ChooseMs(1, 8'000),
                                                       ChooseMs(1, 5'000));
    case Kind::kBreakControlLink: return cluster_.BreakControlLink();
    case Kind::kBreakDataConnection: return cluster_.BreakDataConnection();
    case Kind::kIsolateMachine: {
      const int machine = static_cast<int>(scheduler_.Choose(0, cluster_.machines() - 1));
      const int64_t ns = scheduler_.OneIn(6) ? ChooseMs(1'000, 30'000) : ChooseMs(1, 800);
      cluster_.network().Isolate(machine, scheduler_.now_ns() + ns);
      return true;
    }
    case Kind::kFillDisk: cluster_.disk().FillUpUntil(scheduler_.now_ns() + DiskTroubleNs()); return true;
    case Kind::kFailDisk: {
      const int64_t one_in = scheduler_.OneIn(4) ? 1 : scheduler_.Choose(2, 40);
      cluster_.disk().FailUntil(scheduler_.now_ns() + DiskTroubleNs(), one_in);
      return true;
    }
    case Kind::kKinds: break;
  }
  return false;
}

}  // namespace eagre
