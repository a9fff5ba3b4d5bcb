// A split of a file source: a byte range of one file, and how far it has been read.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "base/status.h"
#include "runtime/split_source.h"

namespace eagre {

// A chunk holds the lines that start in (begin, end], and the line at 0 when it begins there; so chunks side by side
// hold every line once, wherever they are cut.
struct FileSplit {
  // The end and size of a file that is one split whatever its size turns out to be: a compressed one, whose offsets are
  // those of its content.
  static constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max();

  std::string path;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t file_size = 0;  // when the chunks were cut: what is appended later is not read
  int64_t position = 0;   // where the next line to be read starts; `begin` while nothing is read
  int64_t sequence = 0;   // place of the chunk in the order of the source

  bool to_end() const { return end == kToEnd; }
  // "<path>@<begin>-<end>", without the end where it is not known.
  std::string Id() const;
  SourceSplit Encode() const;
  static StatusOr<FileSplit> Decode(const SourceSplit& split);
};

}  // namespace eagre
