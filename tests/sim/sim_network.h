// The simulated network: links of the control plane and connections of the data plane, with random delays.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/link.h"
#include "runtime/data_network.h"
#include "tests/sim/sim_scheduler.h"

namespace eagre {

struct SimNetworkOptions {
  int64_t min_delay_ns = 20'000;
  int64_t max_delay_ns = 3'000'000;
};

// One for the whole world.
class SimNetwork {
 public:
  SimNetwork(SimScheduler& scheduler, SimNetworkOptions options) : scheduler_(scheduler), options_(options) {}

  // A connected pair; messages keep their order and take a random time.
  std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> NewLinkPair();
  // The data plane as one worker sees it.
  std::unique_ptr<DataNetwork> NewDataNetwork();

  SimScheduler& scheduler() { return scheduler_; }
  int64_t RandomDelay() { return scheduler_.Choose(options_.min_delay_ns, options_.max_delay_ns); }

  // ---- for SimDataNetwork ----
  struct Listener {
    std::string token;
    DataNetwork::AcceptHandler on_accept;
  };
  std::map<std::string, Listener>& listeners() { return listeners_; }
  std::string NewAddress() { return "sim:" + std::to_string(++addresses_); }

 private:
  SimScheduler& scheduler_;
  const SimNetworkOptions options_;
  std::map<std::string, Listener> listeners_;
  int addresses_ = 0;
};

}  // namespace eagre
