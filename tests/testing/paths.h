// Where tests find files of the source tree and what was built.
#pragma once

#include <string>
#include <string_view>

namespace eagre {

// Absolute; `relative` is below the root of the sources, or of the build tree.
std::string SourcePath(std::string_view relative);
std::string BuildPath(std::string_view relative);

}  // namespace eagre
