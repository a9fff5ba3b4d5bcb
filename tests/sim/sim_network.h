// The simulated network: links of the control plane and connections of the data plane, with random delays, and with
// what goes wrong between machines: connections break, in each direction at another place and time; partitions hold
// everything back until they heal; a dead peer may be silent for long.
//
// As with TCP, what arrives arrives in order and once. A link may also repeat a message that its sender repeats by
// itself (Duplicates).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/link.h"
#include "runtime/data_network.h"
#include "tests/sim/sim_scheduler.h"

namespace eagre {

struct SimNetworkOptions {
  int64_t min_delay_ns = 20'000;
  int64_t max_delay_ns = 3'000'000;
  // Of messages one in so many takes `spike_ns` at most; 0: none.
  int64_t spike_one_in = 0;
  int64_t spike_ns = 0;
};

// Two ends and the two directions between them, whatever is sent.
class SimConnection {
 public:
  virtual ~SimConnection() = default;
  // Null: not of a process.
  virtual SimProcess* end(int side) const = 0;
  // What is on its way to `side` is lost from some message on, and nothing comes any more. The end is told so after
  // `notice_ns`.
  virtual void CutTowards(int side, Status reason, int64_t notice_ns) = 0;
  // Nobody listens at this end any more.
  virtual void Forget(int side) = 0;
  virtual bool open() const = 0;
};

// One for the whole world.
class SimNetwork {
 public:
  // Whether a message that the first or the second end of a link sends comes once more, after a while.
  using Duplicates = std::function<bool(int side, std::string_view message)>;

  SimNetwork(SimScheduler& scheduler, SimNetworkOptions options) : scheduler_(scheduler), options_(options) {}

  // A connected pair; messages keep their order and take a random time.
  std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> NewLinkPair(SimProcess* first = nullptr,
                                                                      SimProcess* second = nullptr,
                                                                      bool may_repeat = false);
  // The data plane as one worker sees it.
  std::unique_ptr<DataNetwork> NewDataNetwork(SimProcess* process = nullptr);

  // ---- faults ----
  void set_options(const SimNetworkOptions& options) { options_ = options; }
  void set_duplicates(Duplicates duplicates) { duplicates_ = std::move(duplicates); }
  // The process is dead, and the kernel closes what it had open; of a machine that is gone nobody may say so for
  // `silence_ns`.
  void OnDeath(const SimProcess& process, int64_t silence_ns);
  // What `machine` and all others say to each other waits until then.
  void Isolate(int machine, int64_t until_ns) { isolated_until_ns_[machine] = until_ns; }
  // Breaks one connection between processes of different machines, or of those that `which` names; false: there is
  // none.
  bool BreakOne(const std::function<bool(const SimConnection&)>& which);

  SimScheduler& scheduler() { return scheduler_; }
  // Until a message between the two arrives that is sent now.
  int64_t RandomDelay(const SimProcess* from = nullptr, const SimProcess* to = nullptr);

  // ---- for SimDataNetwork ----
  struct Listener {
    std::string token;
    SimProcess* process = nullptr;
    // The connection, of which the listener has side 1.
    std::function<void(int32_t worker_index, std::shared_ptr<SimConnection>)> on_connected;
  };
  std::map<std::string, Listener>& listeners() { return listeners_; }
  std::string NewAddress() { return "sim:" + std::to_string(++addresses_); }
  void Add(std::weak_ptr<SimConnection> connection);
  bool Repeats(int side, std::string_view message) const { return duplicates_ && duplicates_(side, message); }

 private:
  std::vector<std::shared_ptr<SimConnection>> OpenConnections();

  SimScheduler& scheduler_;
  SimNetworkOptions options_;
  Duplicates duplicates_;
  std::map<int, int64_t> isolated_until_ns_;  // by machine
  std::map<std::string, Listener> listeners_;
  std::vector<std::weak_ptr<SimConnection>> connections_;
  int addresses_ = 0;
};

}  // namespace eagre
