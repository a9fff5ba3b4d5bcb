#include "bench/limit/cep_loop.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <algorithm>

#include "base/hash.h"
#include "base/random.h"

namespace eagre::bench {
namespace {

constexpr int64_t kStartMs = 1'700'000'000'000;
constexpr int64_t kEventsPerMs = 50;

// In event-time order: buffered, and sorted up to the watermark at every 65536th event.
template <typename Step>
void InOrder(const std::vector<ShopEvent>& events, Step&& step) {
  std::vector<ShopEvent> waiting;
  std::vector<ShopEvent> due;
  const auto drain = [&](int64_t watermark) {
    due.clear();
    size_t kept = 0;
    for (const ShopEvent& event : waiting) {
      if (event.timestamp <= watermark) {
        due.push_back(event);
      } else {
        waiting[kept++] = event;
      }
    }
    waiting.resize(kept);
    std::stable_sort(due.begin(), due.end(),
                     [](const ShopEvent& a, const ShopEvent& b) { return a.timestamp < b.timestamp; });
    for (const ShopEvent& event : due) step(event);
  };
  int64_t latest = INT64_MIN;
  size_t count = 0;
  for (const ShopEvent& event : events) {
    waiting.push_back(event);
    latest = std::max(latest, event.timestamp);
    if ((++count & 65535) == 0) drain(latest - kShopLatenessMs - 1);
  }
  drain(INT64_MAX);
}

}  // namespace

std::vector<ShopEvent> MakeFunnelEvents(size_t count, uint64_t users, int64_t disorder_ms) {
  std::vector<ShopEvent> events(count);
  SeededRandom random(7);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t draw = random.Below(10);
    const uint32_t type = draw == 0 ? 0 : draw < 7 ? 1 : draw == 7 ? 2 : 3;
    const int64_t late = disorder_ms > 0 ? static_cast<int64_t>(random.Below(static_cast<uint64_t>(disorder_ms))) : 0;
    events[i] = {MixInt64(random.Below(users) + 1), kStartMs + static_cast<int64_t>(i) / kEventsPerMs - late, type, 0,
                 i};
  }
  return events;
}

std::vector<ShopEvent> MakeCycledEvents(size_t count, uint64_t users, const std::vector<uint32_t>& cycle) {
  std::vector<ShopEvent> events(count);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t round = i / users;
    const uint64_t user = i % users;
    events[i] = {MixInt64(user + 1), kStartMs + static_cast<int64_t>(i) / kEventsPerMs,
                 cycle[(round + user) % cycle.size()], 0, i};
  }
  return events;
}

LoopMatches RunFunnelLoop(const std::vector<ShopEvent>& events) {
  struct Begun {
    int64_t start;
    uint64_t login;
    uint64_t view;
  };
  struct User {
    absl::InlinedVector<Begun, 2> logged_in;
    absl::InlinedVector<Begun, 2> viewed;
  };
  absl::flat_hash_map<uint64_t, User> users;
  LoopMatches found;
  InOrder(events, [&](const ShopEvent& event) {
    if (event.type == 3) return;
    User& user = users[event.user];
    if (event.type == 0) {
      user.logged_in.push_back({event.timestamp, event.id, 0});
    } else if (event.type == 1) {
      for (Begun& begun : user.logged_in) {
        if (event.timestamp - begun.start >= kFunnelWindowMs) continue;
        begun.view = event.id;
        user.viewed.push_back(begun);
      }
      user.logged_in.clear();
    } else {
      for (const Begun& begun : user.viewed) {
        if (event.timestamp - begun.start >= kFunnelWindowMs) continue;
        ++found.count;
        found.checksum += begun.login + begun.view + event.id;
      }
      user.viewed.clear();
    }
  });
  return found;
}

LoopMatches RunStrictLoop(const std::vector<ShopEvent>& events) {
  struct User {
    uint32_t taken = 0;
    uint64_t ids = 0;
  };
  absl::flat_hash_map<uint64_t, User> users;
  LoopMatches found;
  InOrder(events, [&](const ShopEvent& event) {
    User& user = users[event.user];
    if (event.type == user.taken) {
      user.ids += event.id;
      if (++user.taken < 3) return;
      ++found.count;
      found.checksum += user.ids;
    }
    user = {};
    if (event.type == 0) user = {1, event.id};
  });
  return found;
}

LoopMatches RunRepeatLoop(const std::vector<ShopEvent>& events, bool all) {
  struct Taken {
    int64_t timestamp;
    uint64_t id;
  };
  struct User {
    absl::InlinedVector<Taken, 8> taken;
    size_t fresh = 0;  // those from here on came after the last event that ended a run
  };
  absl::flat_hash_map<uint64_t, User> users;
  LoopMatches found;
  InOrder(events, [&](const ShopEvent& event) {
    if (event.type > 1) return;
    User& user = users[event.user];
    size_t expired = 0;
    while (expired < user.taken.size() && event.timestamp - user.taken[expired].timestamp >= kRepeatWindowMs) ++expired;
    user.taken.erase(user.taken.begin(), user.taken.begin() + static_cast<ptrdiff_t>(expired));
    user.fresh -= std::min(user.fresh, expired);
    if (event.type == 0) {
      user.taken.push_back({event.timestamp, event.id});
      return;
    }
    for (size_t first = 0; first < (all ? user.taken.size() : std::min<size_t>(1, user.taken.size())); ++first) {
      uint64_t sum = event.id;
      for (size_t last = first; last < user.taken.size(); ++last) {
        sum += user.taken[last].id;
        if (all ? last < user.fresh : last + 1 < user.taken.size()) continue;
        ++found.count;
        found.checksum += sum;
      }
    }
    user.fresh = user.taken.size();
    if (all) return;
    user.taken.clear();
    user.fresh = 0;
  });
  return found;
}

LoopMatches RunNotNextLoop(const std::vector<ShopEvent>& events) {
  struct User {
    uint64_t last = 0;
    bool open = false;  // the last event is of type 0
    absl::InlinedVector<uint64_t, 4> waiting;
  };
  absl::flat_hash_map<uint64_t, User> users;
  LoopMatches found;
  InOrder(events, [&](const ShopEvent& event) {
    User& user = users[event.user];
    if (user.open && event.type != 1) user.waiting.push_back(user.last);
    user.open = false;
    if (event.type == 2) {
      for (const uint64_t id : user.waiting) {
        ++found.count;
        found.checksum += id + event.id;
      }
      user.waiting.clear();
    } else if (event.type == 0) {
      user.open = true;
      user.last = event.id;
    }
  });
  return found;
}

LoopMatches RunNotFollowedByLoop(const std::vector<ShopEvent>& events) {
  struct Begun {
    int64_t start;
    uint64_t id;
  };
  absl::flat_hash_map<uint64_t, absl::InlinedVector<Begun, 4>> users;
  LoopMatches found;
  InOrder(events, [&](const ShopEvent& event) {
    if (event.type == 3) return;
    auto& waiting = users[event.user];
    if (event.type == 0) {
      waiting.push_back({event.timestamp, event.id});
      return;
    }
    if (event.type == 2) {
      for (const Begun& begun : waiting) {
        if (event.timestamp - begun.start >= kFunnelWindowMs) continue;
        ++found.count;
        found.checksum += begun.id + event.id;
      }
    }
    waiting.clear();
  });
  return found;
}

}  // namespace eagre::bench
