#include "runtime/local_copy.h"

#include "base/logging.h"

namespace eagre {

LocalCopy::LocalCopy(FileSystem& files, const std::string& root, const std::string& local_root, const std::string& name)
    : files_(files), path_(JoinPath(local_root, name)) {
  StatusOr<std::unique_ptr<StateFileWriter>> writer;
  Status made = files_.CreateDirectories(ParentPath(path_));
  if (made.ok()) {
    linked_ = files_.Link(JoinPath(root, name), path_).ok();
    if (linked_) return;
    writer = StateFileWriter::Create(files_, local_root, name);
    made = writer.status();
  }
  if (made.ok()) {
    writer_ = *std::move(writer);
  } else {
    GiveUp(made);
  }
}

LocalCopy::~LocalCopy() {
  if (!linked_ || finished_) return;
  if (Status removed = files_.Remove(path_); !removed.ok()) GiveUp(removed);
}

void LocalCopy::Append(std::string_view bytes, uint64_t entries) {
  if (writer_ == nullptr) return;
  if (Status appended = writer_->Append(bytes, entries).status(); !appended.ok()) GiveUp(appended);
}

void LocalCopy::Finish() {
  finished_ = true;
  if (writer_ == nullptr) return;
  if (Status closed = writer_->FinishWithoutSync(); !closed.ok()) GiveUp(closed);
}

void LocalCopy::GiveUp(const Status& reason) {
  writer_.reset();
  EAGRE_LOG_WARN("cannot keep a local copy of a checkpoint's file: {}", StatusMessage(reason));
}

}  // namespace eagre
