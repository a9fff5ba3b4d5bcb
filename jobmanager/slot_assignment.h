// Which TaskManager runs which job slots.
//
// A job is spread evenly: job slots are dealt round robin over the TaskManagers, so that a job of parallelism 2 on two
// TaskManagers uses both machines (Flink's default fills one first; its taskmanager.load-balance.mode SLOTS is this).
// Dealing, instead of giving each a contiguous run, also spreads vertices of lower parallelism, which live in the
// lowest job slots.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eagre {

struct SlotOffer {
  std::string task_manager_id;
  int free_slots = 0;
};

// What one TaskManager runs of a job; `job_slots` ascend and are never empty.
struct SlotGroup {
  std::string task_manager_id;
  std::vector<int32_t> job_slots;
};

// Assigns job slots 0..count-1; nothing when the offers have fewer free slots. In every round each TaskManager that has
// one left gives a slot, those with more free slots first, ties in the order of `offers`. Groups keep that order.
std::optional<std::vector<SlotGroup>> AssignSlots(const std::vector<SlotOffer>& offers, int count);

}  // namespace eagre
