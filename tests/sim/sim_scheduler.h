// The heart of the simulated cluster: one thread, virtual time, and a seed that decides everything that real machines
// leave open: how long a message takes, who runs first of those who could.
//
// Every choice goes into the trace hash: two runs of one seed must agree in it, or something in the system depended on
// what a simulation must not depend on (the real clock, addresses, hash order, threads).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <tuple>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"

namespace eagre {

class SimScheduler {
 public:
  explicit SimScheduler(uint64_t seed) : random_(seed) {}

  // Runs `task` after `delay_ns`; events of one instant run in a random order. `what` names the event in the trace.
  uint64_t Schedule(int64_t delay_ns, std::string_view what, Closure task);
  void Cancel(uint64_t id);
  // Runs events until `done` holds; false when nothing is left to do, or `limit_ms` of virtual time have passed.
  bool RunUntil(const std::function<bool()>& done, int64_t limit_ms);

  // Uniform in [low, high].
  int64_t Choose(int64_t low, int64_t high);
  // Puts something that happened into the trace.
  void Trace(std::string_view what, uint64_t value = 0);

  int64_t now_ns() const { return now_ns_; }
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t events_run() const { return events_run_; }
  const Clock& clock() const { return clock_; }

 private:
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
  };

  SeededRandom random_;
  VirtualClock clock_{*this};
  int64_t now_ns_ = 0;
  uint64_t next_id_ = 1;
  uint64_t trace_hash_ = 0;
  uint64_t events_run_ = 0;
  std::map<Key, Entry> events_;
  std::map<uint64_t, Key> keys_;
};

// An Executor on the scheduler: what is posted runs in order, each after a random moment.
class SimExecutor final : public Executor {
 public:
  SimExecutor(SimScheduler& scheduler, std::string_view name) : scheduler_(scheduler), name_(name) {}
  void Post(Closure task) override;
  TimerId PostAfter(int64_t delay_ms, Closure task) override;
  void Cancel(TimerId timer) override { scheduler_.Cancel(timer); }
  const Clock& clock() const override { return scheduler_.clock(); }

 private:
  SimScheduler& scheduler_;
  const std::string_view name_;  // a literal
  int64_t last_due_ns_ = 0;      // keeps the order of what is posted
};

}  // namespace eagre
