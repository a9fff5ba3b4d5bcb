#include <cstdio>

#include <fmt/format.h>

#include "cli/commands.h"

namespace eagre {

int ReportFailure(std::string_view verb, const Status& status) {
  std::fflush(stdout);
  fmt::print(stderr, "eagre {}: {}\n", verb, StatusMessage(status));
  return 1;
}

}  // namespace eagre
