#include "tests/testing/paths.h"

#include <fmt/format.h>

namespace eagre {

std::string SourcePath(std::string_view relative) {
  return fmt::format("{}/{}", EAGRE_SOURCE_DIR, relative);
}

std::string BuildPath(std::string_view relative) {
  return fmt::format("{}/{}", EAGRE_BUILD_DIR, relative);
}

}  // namespace eagre
