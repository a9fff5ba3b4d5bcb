// A folder whose files are numbers, each made only once: the order in which writers that know nothing of each other
// came.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace eagre {

// Waits for the disk. `files` outlives it.
class NumberedFiles {
 public:
  NumberedFiles(FileSystem& files, std::string directory) : files_(files), directory_(std::move(directory)) {}

  const std::string& directory() const { return directory_; }
  std::string PathOf(uint64_t number) const;
  // Those that are there, in ascending order. Files of other names are left alone.
  StatusOr<std::vector<uint64_t>> List() const;

 private:
  FileSystem& files_;
  std::string directory_;
};

}  // namespace eagre
