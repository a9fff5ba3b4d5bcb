#include "jobmanager/slot_assignment.h"

#include <algorithm>
#include <numeric>

namespace eagre {

std::optional<std::vector<SlotGroup>> AssignSlots(const std::vector<SlotOffer>& offers, int count,
                                                  const std::vector<SlotHome>& previous) {
  std::vector<const SlotOffer*> order;
  int free_slots = 0;
  for (const SlotOffer& offer : offers) {
    if (offer.free_slots <= 0) continue;
    order.push_back(&offer);
    free_slots += offer.free_slots;
  }
  if (count <= 0 || free_slots < count) return std::nullopt;
  std::stable_sort(order.begin(), order.end(),
                   [](const SlotOffer* a, const SlotOffer* b) { return a->free_slots > b->free_slots; });

  std::vector<SlotGroup> groups;
  for (const SlotOffer* offer : order) groups.push_back({offer->task_manager_id, {}});
  const auto left = [&](size_t i) { return order[i]->free_slots - static_cast<int>(groups[i].job_slots.size()); };
  std::vector<int32_t> others(static_cast<size_t>(count));
  std::iota(others.begin(), others.end(), 0);
  const auto give_back = [&](const auto& is_home) {
    std::erase_if(others, [&](int32_t slot) {
      if (static_cast<size_t>(slot) >= previous.size()) return false;
      for (size_t i = 0; i < order.size(); ++i) {
        if (left(i) <= 0 || !is_home(previous[static_cast<size_t>(slot)], *order[i])) continue;
        groups[i].job_slots.push_back(slot);
        return true;
      }
      return false;
    });
  };
  give_back([](const SlotHome& home, const SlotOffer& offer) { return home.task_manager_id == offer.task_manager_id; });
  give_back([](const SlotHome& home, const SlotOffer& offer) { return !home.host.empty() && home.host == offer.host; });
  for (const int32_t slot : others) {
    size_t best = groups.size();
    for (size_t i = 0; i < groups.size(); ++i) {
      if (left(i) <= 0) continue;
      if (best == groups.size() || groups[i].job_slots.size() < groups[best].job_slots.size()) best = i;
    }
    groups[best].job_slots.push_back(slot);
  }
  for (SlotGroup& group : groups) std::sort(group.job_slots.begin(), group.job_slots.end());
  std::erase_if(groups, [](const SlotGroup& group) { return group.job_slots.empty(); });
  return groups;
}

}  // namespace eagre
