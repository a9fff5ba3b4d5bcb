#include "base/status.h"

namespace eagre {

Status MakeStatus(absl::StatusCode code, std::string_view message) {
  return Status(code, absl::string_view(message.data(), message.size()));
}

Status WithContext(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  return MakeStatus(status.code(), fmt::format("{}: {}", context, StatusMessage(status)));
}

}  // namespace eagre
