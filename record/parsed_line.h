// One line of text, or row of a table, as a parser of many of them found it.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/status.h"

namespace eagre {

struct ParsedLine {
  std::string_view text;  // without the end of line
  size_t offset = 0;      // of `text` in the window
  Status status;          // of parsing it
};

}  // namespace eagre
