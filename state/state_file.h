// Files of state entries: written once, in segments, and verified whenever they are read.
//
// Layout: 16 bytes of header (the magic "eagrestf", format u32, 0 u32), then the segments one after another. Where each
// lies and its checksum stand in the checkpoint's metadata; see docs/formats/checkpoint.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

// One thread. A file that is not finished is removed by the destructor.
class StateFileWriter {
 public:
  // `name` is what the segments say, relative to `root`: "shared/...". Its folder must exist.
  static StatusOr<std::unique_ptr<StateFileWriter>> Create(FileSystem& files, const std::string& root,
                                                           const std::string& name);
  ~StateFileWriter();
  StateFileWriter(const StateFileWriter&) = delete;
  StateFileWriter& operator=(const StateFileWriter&) = delete;

  // Writes a segment of `entries` entries and says where it is.
  StatusOr<proto::StateSegment> Append(std::string_view bytes, uint64_t entries);
  // Everything appended survives a crash of the machine once this has returned, the file's name included.
  Status Finish();
  // The same without the wait: of a file that need not outlive the machine.
  Status FinishWithoutSync();

 private:
  StateFileWriter(FileSystem& files, std::string path, std::string name, std::unique_ptr<WritableFile> file);

  FileSystem& files_;
  const std::string path_;
  const std::string name_;
  std::unique_ptr<WritableFile> file_;
  uint64_t offset_ = 0;
  bool finished_ = false;
};

// The bytes of a segment, verified. DATA_LOSS, naming the file, when they are not those that were written; NOT_FOUND
// when there is no such file.
StatusOr<std::string> ReadStateSegment(FileSystem& files, const std::string& root, const proto::StateSegment& segment);

}  // namespace eagre
