#include "jobmanager/slot_assignment.h"

#include <algorithm>

namespace eagre {

std::optional<std::vector<SlotGroup>> AssignSlots(const std::vector<SlotOffer>& offers, int count) {
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
  for (int slot = 0; slot < count;) {
    for (size_t i = 0; i < order.size() && slot < count; ++i) {
      if (static_cast<int>(groups[i].job_slots.size()) < order[i]->free_slots) groups[i].job_slots.push_back(slot++);
    }
  }
  std::erase_if(groups, [](const SlotGroup& group) { return group.job_slots.empty(); });
  return groups;
}

}  // namespace eagre
