// Kills whatever there is, at instants of a seed's choosing and in the middle of commits, while numbered records flow
// from Kafka to Kafka. scripts/chaos.sh kafka runs it for longer:
//   EAGRE_CHAOS_SECONDS (8), EAGRE_CHAOS_SEED (1)
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <vector>

#include "base/random.h"
#include "tests/kafka/kafka_cluster_test.h"

namespace eagre {
namespace {

constexpr int64_t kShortSeconds = 8;
constexpr int kFewestKills = 5;
// Between a kill and the next; more than a checkpoint's interval, so that kills meet all that happens in one.
constexpr uint64_t kLongestPauseMs = 250;
// For so long the broker is away once, in a run that is long enough.
constexpr std::chrono::seconds kAway{65};

const Words kPoints = {"kafka-sink-checkpoint-complete", "kafka-sink-sending", "kafka-sink-sent",
                       "kafka-sink-committed", "kafka-sink-initialised"};

class KafkaChaosTest : public KafkaClusterTest {
 protected:
  void Begin(uint64_t seed) {
    random_ = SeededRandom(seed);
    NewTopics();
    properties_ = CheckpointOptions();
    properties_.push_back("high-availability.storageDir=" + Path("store"));
    ASSERT_NO_FATAL_FAILURE(StartCluster(3, 1, properties_));
    properties_.push_back("jobmanager.rpc.port=" + std::to_string(rpc_port()));
    alive_ = {0, 1, 2};
    job_id_ = SubmitCount({}, {"-p", "2"});
  }

  void ProduceMore() {
    Produce(produced_, produced_ + kAtOnce);
    produced_ += kAtOnce;
  }

  void KillSomething() {
    switch (random_.Below(12)) {
      case 0: KillBroker(std::chrono::seconds(0)); break;
      case 1:
        job_manager().Signal(SIGKILL);
        job_manager().AwaitExit();
        ASSERT_NO_FATAL_FAILURE(StartJobManager(properties_));
        ++kills_["JobManager"];
        break;
      case 2: {
        size_t& victim = alive_[random_.Below(alive_.size())];
        task_manager(victim).Signal(SIGKILL);
        task_manager(victim).AwaitExit();
        victim = StartTaskManager(properties_);
        ++kills_["TaskManager"];
        break;
      }
      case 3:
      case 4:
      case 5:
      case 6:
        if (const std::string& point = kPoints[random_.Below(kPoints.size())]; !Armed(point)) {
          Arm(point);
          ++kills_["worker, in a commit"];
        }
        break;
      default:
        for (const size_t task_manager : alive_) {
          const std::vector<pid_t> workers = Workers(task_manager);
          if (workers.empty() || random_.Below(2) == 0) continue;
          kill(workers.front(), SIGKILL);
          ++kills_["worker"];
        }
    }
  }

  void KillBroker(std::chrono::seconds away) {
    Broker().Kill();
    AwaitTrue([] { return false; }, away);
    Broker().Start();
    ++kills_["broker"];
  }

  // What was to die at a point of a commit that nobody has passed has not died.
  void Disarm() {
    for (const std::string& point : kPoints) {
      if (std::filesystem::remove(Path("faults/" + point))) --kills_["worker, in a commit"];
    }
  }

  int all_kills() const {
    int sum = 0;
    for (const auto& [victim, times] : kills_) sum += times;
    return sum;
  }

  static constexpr int64_t kAtOnce = 30 * kKeys;

  SeededRandom random_{1};
  Words properties_;           // of daemons that are started again
  std::vector<size_t> alive_;  // TaskManagers
  std::string job_id_;
  int64_t produced_ = 0;
  std::map<std::string, int> kills_;
};

TEST_F(KafkaChaosTest, LosesNothingAndDoublesNothing) {
  const char* const given_seconds = getenv("EAGRE_CHAOS_SECONDS");
  const char* const seed = getenv("EAGRE_CHAOS_SEED");
  const std::chrono::seconds seconds(given_seconds == nullptr ? kShortSeconds : std::stoll(given_seconds));
  ASSERT_NO_FATAL_FAILURE(Begin(seed == nullptr ? 1 : std::stoull(seed)));
  const auto begun = std::chrono::steady_clock::now();
  bool was_away = seconds < 3 * kAway;
  // A broker's return can take most of a short run.
  while (std::chrono::steady_clock::now() < begun + seconds || all_kills() < kFewestKills) {
    ProduceMore();
    const auto pause = std::chrono::milliseconds(random_.Below(kLongestPauseMs));
    AwaitTrue([] { return false; }, pause);
    if (!was_away && std::chrono::steady_clock::now() > begun + seconds / 2) {
      KillBroker(kAway);
      was_away = true;
    } else {
      ASSERT_NO_FATAL_FAILURE(KillSomething());
    }
    // The job comes back in between, or kills would only meet a job that is starting.
    const int64_t enough = produced_ - static_cast<int64_t>(random_.Below(2)) * kAtOnce;
    if (!AwaitRecords(out_, static_cast<size_t>(enough))) break;
  }
  Disarm();
  EXPECT_TRUE(AwaitRecords(out_, static_cast<size_t>(produced_)))
      << produced_ << " records, " << Job(job_id_).DebugString();
  const Verdict verdict = Verify(out_, 0, produced_);
  for (const auto& [victim, times] : kills_) std::printf("%s: %d\n", victim.c_str(), times);
  std::printf("%lld records\n%d kills, %zu lost, %zu duplicated\n", static_cast<long long>(produced_), all_kills(),
              verdict.lost, verdict.duplicated);
  EXPECT_EQ(verdict.lost, 0u);
  EXPECT_EQ(verdict.duplicated, 0u);
  EXPECT_TRUE(AwaitTrue([&] { return !Broker().HasOpenTransaction(out_); }));
  // Offsets are committed back, for whoever watches.
  EXPECT_TRUE(AwaitTrue([&] { return Broker().CommittedOffset("count-" + out_, in_, 0) == produced_ / 3; }));
}

}  // namespace
}  // namespace eagre
