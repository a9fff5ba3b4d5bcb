#include "state/state_schema.h"

#include <algorithm>
#include <utility>

namespace eagre {
namespace {

constexpr std::string_view kKeyLabel = "key";

bool IsDeclared(std::string_view label) {
  constexpr std::string_view kKinds[] = {"value ", "list ", "map ", "reducing ", "aggregating "};
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&](std::string_view kind) { return label.starts_with(kind); });
}

// The name of a declared state.
std::string_view NameOf(std::string_view label) {
  return IsDeclared(label) ? label.substr(label.find(' ') + 1) : label;
}

}  // namespace

StatusOr<StateSchema> StateSchema::Parse(std::string_view text) {
  StateSchema schema;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    Part& part = schema.parts_.emplace_back();
    const size_t colon = line.rfind(": ");
    part.label = line.substr(0, colon);
    if (colon == std::string_view::npos) continue;
    part.type_text = line.substr(colon + 2);
    std::string_view type = part.type_text;
    part.has_times = type.starts_with(kTimesPrefix);
    if (part.has_times) type.remove_prefix(kTimesPrefix.size());
    EAGRE_ASSIGN_OR_RETURN(part.type, StoredSchema::Parse(type));
  }
  return schema;
}

const StateSchema::Part* StateSchema::Find(std::string_view label) const {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) { return part.label == label; });
  return found == parts_.end() ? nullptr : &*found;
}

Status CheckCompatible(std::string_view stored_schema, std::string_view current_schema) {
  if (stored_schema == current_schema) return OkStatus();
  EAGRE_ASSIGN_OR_RETURN(const StateSchema stored, StateSchema::Parse(stored_schema));
  EAGRE_ASSIGN_OR_RETURN(const StateSchema current, StateSchema::Parse(current_schema));
  std::vector<std::string> differences;
  for (const StateSchema::Part& part : stored.parts()) {
    const StateSchema::Part* now = current.Find(part.label);
    if (now != nullptr) {
      if (part.label == kKeyLabel && part.type_text != now->type_text) {
        differences.push_back(
            fmt::format("the key was {} and is {} now: keys must stay as they are", part.type_text, now->type_text));
      } else if (part.type_text.empty() != now->type_text.empty()) {
        differences.push_back(fmt::format("'{}' was '{}' and is '{}' now", part.label, part.type_text, now->type_text));
      } else {
        const std::vector<std::string> in_part =
            part.type.DifferencesTo(now->type, fmt::format("'{}'", NameOf(part.label)));
        differences.insert(differences.end(), in_part.begin(), in_part.end());
      }
      continue;
    }
    if (!IsDeclared(part.label)) {
      differences.push_back(fmt::format("there is no '{}' any more", part.label));
      continue;
    }
    // A state of the same name but another kind would lose what the old one held without a word.
    for (const StateSchema::Part& other : current.parts()) {
      if (!IsDeclared(other.label) || NameOf(other.label) != NameOf(part.label)) continue;
      differences.push_back(fmt::format("state '{}' was a {} and is a {} now", NameOf(part.label),
                                        part.label.substr(0, part.label.find(' ')),
                                        other.label.substr(0, other.label.find(' '))));
    }
  }
  for (const StateSchema::Part& part : current.parts()) {
    if (!IsDeclared(part.label) && stored.Find(part.label) == nullptr) {
      differences.push_back(fmt::format("'{}' was not there", part.label));
    }
  }
  if (differences.empty()) return OkStatus();
  std::string list;
  for (const std::string& difference : differences) list += "\n  " + difference;
  return FailedPrecondition("the stored state does not fit the program:{}", list);
}

}  // namespace eagre
