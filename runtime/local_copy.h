// The copy, on the disk of its machine, of a file of state that is being written for a checkpoint.
//
// Where both are on one file system it is a second name of the same file and costs nothing. A copy is never needed: a
// failure ends it, with a warning, and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "state/state_file.h"

namespace eagre {

// One thread. One that is not finished is removed by the destructor.
class LocalCopy {
 public:
  // Of the file `name` below `root`, which exists and has nothing but its header, as the file of that name below
  // `local_root`.
  LocalCopy(FileSystem& files, const std::string& root, const std::string& local_root, const std::string& name);
  ~LocalCopy();
  LocalCopy(const LocalCopy&) = delete;
  LocalCopy& operator=(const LocalCopy&) = delete;

  // What was appended to the file.
  void Append(std::string_view bytes, uint64_t entries);
  // The file is whole.
  void Finish();

 private:
  void GiveUp(const Status& reason);

  FileSystem& files_;
  const std::string path_;
  bool linked_ = false;
  bool finished_ = false;
  std::unique_ptr<StateFileWriter> writer_;  // of a copy that is no link
};

}  // namespace eagre
