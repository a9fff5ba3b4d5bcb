// What the benchmarks of patterns run: a pattern of each user's events, from memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <eagre/cep/cep.h>
#include <eagre/eagre.h>

#include "bench/limit/cep_loop.h"

namespace eagre::bench {

EAGRE_RECORD(ShopEvent, user, timestamp, type, padding, id);

struct ShopMatch {
  uint64_t user = 0;
  uint64_t ids = 0;
};
EAGRE_RECORD(ShopMatch, user, ids);

inline constexpr uint64_t kShopUsers = 100'000;

inline auto OfType(uint32_t type) {
  return [type](const ShopEvent& event) { return event.type == type; };
}

// How many events the benchmarks take at this scale.
size_t ShopEvents();
// `cep_strict`: its events and its pattern; its loop is RunStrictLoop.
std::vector<ShopEvent> MakeStrictEvents();
Pattern<ShopEvent> StrictPattern();
// `cep_funnel`; its loop is RunFunnelLoop.
std::vector<ShopEvent> MakeFunnelEvents();
Pattern<ShopEvent> FunnelPattern();

enum class Backend { kMemory, kRocksDb };

// Ends the benchmark when the job fails.
LoopMatches RunPatternJob(const std::shared_ptr<const std::vector<ShopEvent>>& events,
                          const Pattern<ShopEvent>& pattern, Backend backend = Backend::kMemory);

}  // namespace eagre::bench
