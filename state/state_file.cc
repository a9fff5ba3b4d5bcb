#include "state/state_file.h"

#include <utility>

#include "base/bytes.h"
#include "base/fault_point.h"
#include "base/hash.h"
#include "base/logging.h"

namespace eagre {
namespace {

constexpr std::string_view kMagic = "eagrestf";
constexpr uint32_t kFormat = 1;
constexpr size_t kHeaderBytes = 16;
// More is no segment of ours: the runtime cuts them much smaller.
constexpr uint64_t kLargestSegment = uint64_t{5} << 30;

std::string Header() {
  std::string header;
  ByteWriter writer(header);
  writer.Raw(kMagic);
  writer.Fixed(kFormat);
  writer.Fixed<uint32_t>(0);
  return header;
}

}  // namespace

StateFileWriter::StateFileWriter(FileSystem& files, std::string path, std::string name,
                                 std::unique_ptr<WritableFile> file)
    : files_(files), path_(std::move(path)), name_(std::move(name)), file_(std::move(file)) {}

StatusOr<std::unique_ptr<StateFileWriter>> StateFileWriter::Create(FileSystem& files, const std::string& root,
                                                                   const std::string& name) {
  const std::string path = JoinPath(root, name);
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, files.OpenForWrite(path, OpenMode::kCreateNew));
  std::unique_ptr<StateFileWriter> writer(new StateFileWriter(files, path, name, std::move(file)));
  EAGRE_RETURN_IF_ERROR(writer->file_->Append(Header()));
  writer->offset_ = kHeaderBytes;
  return writer;
}

StateFileWriter::~StateFileWriter() {
  if (finished_) return;
  file_.reset();
  if (Status removed = files_.Remove(path_); !removed.ok()) {
    EAGRE_LOG_WARN("cannot remove an unfinished state file: {}", StatusMessage(removed));
  }
}

StatusOr<proto::StateSegment> StateFileWriter::Append(std::string_view bytes, uint64_t entries) {
  EAGRE_RETURN_IF_ERROR(file_->Append(bytes));
  proto::StateSegment segment;
  segment.set_file(name_);
  segment.set_offset(offset_);
  segment.set_length(bytes.size());
  segment.set_checksum(Hash64(bytes));
  segment.set_entries(entries);
  offset_ += bytes.size();
  return segment;
}

Status StateFileWriter::Finish() {
  if (!IsOmitted(Omission::kSyncBeforeCompletion)) EAGRE_RETURN_IF_ERROR(file_->Sync());
  EAGRE_RETURN_IF_ERROR(file_->Close());
  EAGRE_RETURN_IF_ERROR(files_.SyncDirectory(ParentPath(path_)));
  finished_ = true;
  return OkStatus();
}

Status StateFileWriter::FinishWithoutSync() {
  EAGRE_RETURN_IF_ERROR(file_->Close());
  finished_ = true;
  return OkStatus();
}

StatusOr<std::string> ReadStateSegment(FileSystem& files, const std::string& root, const proto::StateSegment& segment) {
  const std::string path = JoinPath(root, segment.file());
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.OpenForRead(path));
  EAGRE_ASSIGN_OR_RETURN(const int64_t size, file->Size());
  if (segment.length() > kLargestSegment || segment.offset() < kHeaderBytes ||
      segment.offset() + segment.length() > static_cast<uint64_t>(size)) {
    return DataLoss("{} has {} bytes, but the checkpoint's metadata names {} bytes at {}: the file was cut off", path,
                    size, segment.length(), segment.offset());
  }
  std::string header(kHeaderBytes, '\0');
  EAGRE_ASSIGN_OR_RETURN(const size_t header_bytes, file->ReadAt(0, header.data(), header.size()));
  if (header_bytes != kHeaderBytes || header != Header()) {
    return DataLoss("{} is no state file of this version of Eagre, or its beginning is damaged", path);
  }
  std::string bytes(segment.length(), '\0');
  EAGRE_ASSIGN_OR_RETURN(const size_t got,
                         file->ReadAt(static_cast<int64_t>(segment.offset()), bytes.data(), bytes.size()));
  if (got != bytes.size() || Hash64(bytes) != segment.checksum()) {
    return DataLoss("{} is damaged: its {} bytes at {} are not those that were written", path, segment.length(),
                    segment.offset());
  }
  return bytes;
}

}  // namespace eagre
