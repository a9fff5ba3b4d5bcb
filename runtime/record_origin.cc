#include "runtime/record_origin.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <vector>

namespace eagre {

std::string RecordOrigin::Encode() const {
  return fmt::format("{}\t{}\t{}\t{}\t{}", static_cast<int>(policy), absl::CEscape(operator_id), absl::CEscape(source),
                     absl::CEscape(split), absl::CEscape(position));
}

std::optional<RecordOrigin> RecordOrigin::Decode(std::string_view text) {
  const std::vector<std::string> fields = absl::StrSplit(std::string(text), '\t');
  if (fields.size() != 5 || fields[0].size() != 1) return std::nullopt;
  const int policy = fields[0][0] - '0';
  if (policy < 0 || policy > static_cast<int>(Poison::kSideOutput)) return std::nullopt;
  RecordOrigin origin{.policy = static_cast<Poison>(policy)};
  std::string* const values[] = {&origin.operator_id, &origin.source, &origin.split, &origin.position};
  for (size_t i = 0; i < 4; ++i) {
    if (!absl::CUnescape(fields[i + 1], values[i])) return std::nullopt;
  }
  return origin;
}

}  // namespace eagre
