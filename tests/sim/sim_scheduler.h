// The heart of the simulated cluster: one thread, virtual time, and a seed that decides everything that real machines
// leave open: how long a message takes, who runs first of those who could.
//
// Every choice goes into the trace hash: two runs of one seed must agree in it, or something in the system depended on
// what a simulation must not depend on (the real clock, addresses, hash order, threads).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"

namespace eagre {

// A process of the simulated world. When it is dead nothing of it runs any more, and nothing that it does has an
// effect: its objects may still be destroyed, or come to the end of the call that they are in.
struct SimProcess {
  std::string name;
  int machine = 0;
  bool alive = true;
  bool stopped = false;     // as by SIGSTOP: what is due waits
  bool may_block = true;    // file operations may take their time
  int running_threads = 0;  // that stand in a call
  // File operations until something happens to it in the midst of its work: it dies or is stopped; negative: nothing.
  int64_t operations_left = -1;
  std::function<void()> interrupt;
};

class SimThread;

class SimScheduler {
 public:
  explicit SimScheduler(uint64_t seed) : random_(seed) {}

  // Runs `task` after `delay_ns`; events of one instant run in a random order. `what` names the event in the trace, a
  // literal. Whose `thread` it is: it does not run when that is dead, and waits while that is in a call or stopped.
  uint64_t Schedule(int64_t delay_ns, std::string_view what, Closure task, SimThread* thread = nullptr);
  void Cancel(uint64_t id);
  // Runs events until `done` holds; false when `limit_ms` of virtual time have passed.
  bool RunUntil(const std::function<bool()>& done, int64_t limit_ms);
  // Whatever is still to come does not.
  void DropEvents();

  // The running thread stands still for so long, in the midst of its call, while the world goes on. Nothing outside of
  // threads, and when too many stand still already.
  void Block(int64_t ns);
  // Runs `task` when no call is on the stack.
  void WhenAtRest(Closure task) { at_rest_.push_back(std::move(task)); }
  void Stop(SimProcess& process);
  void Continue(SimProcess& process);

  // Uniform in [low, high].
  int64_t Choose(int64_t low, int64_t high);
  // True once in `n` times.
  bool OneIn(int64_t n) { return Choose(0, n - 1) == 0; }
  // Puts something that happened into the trace.
  void Trace(std::string_view what, uint64_t value = 0);

  int64_t now_ns() const { return now_ns_; }
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t events_run() const { return events_run_; }
  const Clock& clock() const { return clock_; }

 private:
  friend class SimThread;
  class VirtualClock final : public Clock {
   public:
    explicit VirtualClock(const SimScheduler& scheduler) : scheduler_(scheduler) {}
    int64_t NowMs() const override { return 1'700'000'000'000 + scheduler_.now_ns_ / 1'000'000; }
    int64_t MonotonicNs() const override { return scheduler_.now_ns_; }

   private:
    const SimScheduler& scheduler_;
  };
  using Key = std::tuple<int64_t, uint64_t, uint64_t>;  // due, random tie break, id
  struct Entry {
    std::string_view what;  // a literal
    Closure task;
    SimThread* thread = nullptr;
  };
  static constexpr int kMostBlocked = 3;

  void RunNext();
  void Run(Entry entry);
  // What waited for the thread is due again.
  void Release(SimThread& thread);
  void DropEventsOf(const SimThread& thread);

  SeededRandom random_;
  VirtualClock clock_{*this};
  int64_t now_ns_ = 0;
  uint64_t next_id_ = 1;
  uint64_t trace_hash_ = 0;
  uint64_t events_run_ = 0;
  int blocked_ = 0;  // calls that stand still, each within the one before
  SimThread* current_ = nullptr;
  std::map<Key, Entry> events_;
  std::map<uint64_t, Key> keys_;
  std::map<uint64_t, Entry> waiting_;  // due, but its thread cannot run; by id
  std::vector<SimThread*> threads_;
  std::vector<Closure> at_rest_;
};

// What runs one call at a time. The scheduler outlives it, and so does the process; without one it lives for ever. With
// it go its events.
class SimThread {
 public:
  explicit SimThread(SimScheduler& scheduler, SimProcess* process = nullptr);
  ~SimThread();
  SimThread(const SimThread&) = delete;
  SimThread& operator=(const SimThread&) = delete;

  SimScheduler& scheduler() const { return scheduler_; }
  SimProcess* process() const { return process_; }
  bool alive() const { return process_ == nullptr || process_->alive; }

 private:
  friend class SimScheduler;
  bool can_run() const { return !running_ && (process_ == nullptr || !process_->stopped); }

  SimScheduler& scheduler_;
  SimProcess* const process_;
  bool running_ = false;
};

// An Executor on the scheduler: what is posted runs in order, each after a random moment, of `most_delay_ns` at most.
class SimExecutor final : public Executor {
 public:
  SimExecutor(SimScheduler& scheduler, std::string_view name, SimProcess* process = nullptr,
              int64_t most_delay_ns = 20'000)
      : scheduler_(scheduler), name_(name), most_delay_ns_(most_delay_ns), thread_(scheduler, process) {}
  void Post(Closure task) override;
  TimerId PostAfter(int64_t delay_ms, Closure task) override;
  void Cancel(TimerId timer) override { scheduler_.Cancel(timer); }
  const Clock& clock() const override { return scheduler_.clock(); }

 private:
  SimScheduler& scheduler_;
  const std::string_view name_;  // a literal
  const int64_t most_delay_ns_;
  std::deque<Closure> posted_;
  SimThread thread_;  // destroyed before what was posted: no event refers to it then
};

}  // namespace eagre
