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
  std::string host = {};
};

// Where a job slot was before; empty: nowhere.
struct SlotHome {
  std::string task_manager_id;
  std::string host;
};

// What one TaskManager runs of a job; `job_slots` ascend and are never empty.
struct SlotGroup {
  std::string task_manager_id;
  std::vector<int32_t> job_slots;
};

// Assigns job slots 0..count-1; nothing when the offers have fewer free slots. A job slot goes back to the TaskManager
// that `previous` names for it, or, when that is gone, to another one of its host, where there is a slot left. For each
// of the others in turn the TaskManager that has the fewest of the job, and one left, gives a slot, those with more
// free slots first, ties in the order of `offers`. Groups keep that order.
std::optional<std::vector<SlotGroup>> AssignSlots(const std::vector<SlotOffer>& offers, int count,
                                                  const std::vector<SlotHome>& previous = {});

}  // namespace eagre
