#include "eagre/process_function.h"

#include <fmt/format.h>

#include <stdexcept>

namespace eagre::internal {

void ThrowWrongTagType(std::string_view tag, std::string_view read_as, std::string_view emitted_as) {
  throw std::invalid_argument(
      fmt::format("side output '{}' is read as a stream of {}, but the function emits {} with a tag of this name", tag,
                  read_as, emitted_as));
}

}  // namespace eagre::internal
