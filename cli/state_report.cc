#include "cli/state_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <string_view>
#include <vector>

#include "cli/text.h"

namespace eagre {
namespace {

// One state of an operator, over all its subtasks.
struct StateSum {
  std::string name;
  std::string distribution;
  std::string schema;
  int64_t subtasks = 0;
  int64_t segments = 0;
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

std::string_view DistributionName(proto::StateDistribution distribution) {
  switch (distribution) {
    case proto::STATE_KEYED: return "keyed";
    case proto::STATE_SPLIT: return "split";
    case proto::STATE_UNION: return "union";
    case proto::STATE_BROADCAST: return "broadcast";
    default: return "?";
  }
}

// In the order in which they are stored; states of one name and another form are shown apart.
std::vector<StateSum> StatesOf(const proto::OperatorSnapshot& op) {
  std::vector<StateSum> sums;
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    for (const proto::StateSnapshot& state : subtask.states()) {
      auto sum = std::find_if(sums.begin(), sums.end(), [&](const StateSum& other) {
        return other.name == state.name() && other.schema == state.schema();
      });
      if (sum == sums.end()) {
        sums.push_back({.name = state.name(),
                        .distribution = std::string(DistributionName(state.distribution())),
                        .schema = state.schema()});
        sum = sums.end() - 1;
      }
      ++sum->subtasks;
      sum->segments += state.segments_size();
      for (const proto::StateSegment& segment : state.segments()) {
        sum->entries += segment.entries();
        sum->bytes += segment.length();
      }
    }
  }
  return sums;
}

// Empty key groups are left out.
std::string RenderKeyGroups(const std::string& state, const std::vector<int64_t>& counts) {
  constexpr int kPerLine = 8;
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  std::string text = fmt::format("  Entries of '{}' per key group: {} in {} key groups, {} to {} each\n", state,
                                 FormatCount(std::accumulate(counts.begin(), counts.end(), int64_t{0})), counts.size(),
                                 FormatCount(*fewest), FormatCount(*most));
  int shown = 0;
  for (size_t group = 0; group < counts.size(); ++group) {
    if (counts[group] == 0) continue;
    text += fmt::format("{}{}: {}", shown % kPerLine == 0 ? "    " : "  ", group, FormatCount(counts[group]));
    if (++shown % kPerLine == 0) text += "\n";
  }
  return shown % kPerLine == 0 ? text : text + "\n";
}

std::string RenderOperator(const proto::OperatorSnapshot& op, const KeyCounts& keys) {
  const auto finished = std::count_if(op.subtasks().begin(), op.subtasks().end(),
                                      [](const proto::SubtaskSnapshot& subtask) { return subtask.finished(); });
  std::string text = fmt::format("\nOperator:  {}\n  ID: {}, parallelism {}, at most {}", op.name(), op.operator_id(),
                                 op.parallelism(), op.max_parallelism());
  if (finished > 0) text += fmt::format(", {} subtasks had come to their end", finished);
  if (op.has_coordinator()) text += fmt::format(", coordinator of {} bytes", FormatCount(op.coordinator().size()));
  text += "\n";
  const std::vector<StateSum> states = StatesOf(op);
  if (states.empty()) return text;
  TextTable table({"State", "Divided", "Subtasks", "Entries", "Bytes", "Segments", "Schema"});
  for (const StateSum& state : states) {
    table.Add({state.name, state.distribution, FormatCount(state.subtasks),
               FormatCount(static_cast<int64_t>(state.entries)), FormatCount(static_cast<int64_t>(state.bytes)),
               FormatCount(state.segments), state.schema.empty() ? "-" : state.schema});
  }
  text += table.Render();
  std::set<std::string> shown;
  for (const StateSum& state : states) {
    const auto counts = keys.find({op.operator_id(), state.name});
    if (counts != keys.end() && shown.insert(state.name).second) text += RenderKeyGroups(state.name, counts->second);
  }
  return text;
}

}  // namespace

std::string RenderCheckpoint(const proto::CheckpointMetadata& metadata, const KeyCounts& keys,
                             const std::string& path) {
  std::string text =
      fmt::format("{}: {}\nJob:       {}\nJob ID:    {}\nID:        {}\nTaken:     {}\nEagre:     {}\n",
                  metadata.savepoint() ? "Savepoint" : "Checkpoint", path, metadata.job_name(), metadata.job_id(),
                  metadata.checkpoint_id(), FormatIsoTime(metadata.time_ms()), metadata.eagre_version());
  for (const proto::OperatorSnapshot& op : metadata.operators()) text += RenderOperator(op, keys);
  return text;
}

}  // namespace eagre
