// Hand-written matchers for the patterns of bench_cep: a hash table of what each user has done, no state machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eagre::bench {

struct ShopEvent {
  uint64_t user = 0;
  int64_t timestamp = 0;
  uint32_t type = 0;
  uint32_t padding = 0;
  uint64_t id = 0;
};

// What a loop found: how many matches, and a sum over the ids of their events.
struct LoopMatches {
  uint64_t count = 0;
  uint64_t checksum = 0;
  friend bool operator==(const LoopMatches&, const LoopMatches&) = default;
};

inline constexpr int64_t kShopLatenessMs = 4000;
inline constexpr int64_t kFunnelWindowMs = 600'000;
inline constexpr int64_t kRepeatWindowMs = 1600;

// Events of `users` users, 50 a millisecond. Types: 0 login, 1 view, 2 purchase, 3 other. Up to `disorder_ms` late.
std::vector<ShopEvent> MakeFunnelEvents(size_t count, uint64_t users, int64_t disorder_ms);
// Each user's events are those of `cycle` again and again.
std::vector<ShopEvent> MakeCycledEvents(size_t count, uint64_t users, const std::vector<uint32_t>& cycle);

// login, later a view, later a purchase, within ten minutes: in the order of event time, sorted at every 65536th event.
LoopMatches RunFunnelLoop(const std::vector<ShopEvent>& events);
// Types 0, 1, 2, one right after the other, of one user.
LoopMatches RunStrictLoop(const std::vector<ShopEvent>& events);
// One or more of type 0, then the next of type 1, within kRepeatWindowMs: from every start all runs that end since the
// last type 1 (`all`), or for each type 1 the longest run, after which all begins anew.
LoopMatches RunRepeatLoop(const std::vector<ShopEvent>& events, bool all);
// Type 0 that is not followed at once by type 1, then the next of type 2.
LoopMatches RunNotNextLoop(const std::vector<ShopEvent>& events);
// Type 0 without a type 1 before the next type 2, within ten minutes.
LoopMatches RunNotFollowedByLoop(const std::vector<ShopEvent>& events);

}  // namespace eagre::bench
