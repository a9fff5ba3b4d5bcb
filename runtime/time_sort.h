// Stable sort by time of entries that lie within a short span, as those of a time bucket do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eagre {

// Sorts `entries` by their member `timestamp`, all of which are in [start, start + span_ms); equal times keep their
// order. Many entries are counted by millisecond, which is linear; few are compared. `scratch` keeps its memory between
// calls.
template <typename Entry>
void SortByTime(std::vector<Entry>& entries, int64_t start, size_t span_ms, std::vector<Entry>& scratch,
                std::vector<uint32_t>& counts) {
  const auto earlier = [](const Entry& a, const Entry& b) { return a.timestamp < b.timestamp; };
  if (std::is_sorted(entries.begin(), entries.end(), earlier)) return;
  if (entries.size() < span_ms / 4) {
    std::stable_sort(entries.begin(), entries.end(), earlier);
    return;
  }
  counts.assign(span_ms + 1, 0);
  for (const Entry& entry : entries) ++counts[static_cast<size_t>(entry.timestamp - start) + 1];
  for (size_t i = 1; i <= span_ms; ++i) counts[i] += counts[i - 1];
  scratch.resize(entries.size());
  for (const Entry& entry : entries) scratch[counts[static_cast<size_t>(entry.timestamp - start)]++] = entry;
  entries.swap(scratch);
}

}  // namespace eagre
