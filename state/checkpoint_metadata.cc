#include "state/checkpoint_metadata.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace eagre {
namespace {

constexpr char kDamagedPayload[] = "eagre/damaged-checkpoint";

constexpr std::string_view kMetadataMagic = "eagreckp";
constexpr uint32_t kFormat = 1;

// Maps in a fixed order, so that equal messages are equal bytes.
std::string SerializeInOrder(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

}  // namespace

std::string FrameCheckpointMessage(std::string_view magic, const google::protobuf::MessageLite& message) {
  const std::string body = SerializeInOrder(message);
  std::string bytes;
  ByteWriter writer(bytes);
  writer.Raw(magic);
  writer.Fixed(kFormat);
  writer.Fixed(static_cast<uint32_t>(body.size()));
  writer.Fixed(Hash64(body));
  writer.Raw(body);
  return bytes;
}

Status UnframeCheckpointMessage(std::string_view magic, std::string_view bytes, std::string_view path,
                                google::protobuf::MessageLite& message) {
  ByteReader reader(bytes);
  std::string_view found_magic;
  uint32_t format = 0;
  uint32_t length = 0;
  uint64_t checksum = 0;
  if (!reader.Raw(magic.size(), found_magic) || found_magic != magic) {
    return DataLoss("{} does not begin as Eagre writes it ('{}'): it is damaged or another program's", path, magic);
  }
  if (!reader.Fixed(format) || !reader.Fixed(length) || !reader.Fixed(checksum)) {
    return DataLoss("{} is cut off after {} bytes", path, bytes.size());
  }
  if (format != kFormat) {
    return FailedPrecondition("{} has format {}, of another version of Eagre; this one reads format {}", path, format,
                              kFormat);
  }
  if (reader.remaining() != length) {
    return DataLoss("{} is damaged: {} bytes follow its header, which says {}", path, reader.remaining(), length);
  }
  const std::string_view body = reader.rest();
  if (Hash64(body) != checksum) return DataLoss("{} is damaged: its checksum does not match", path);
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return DataLoss("{} is damaged: its checksum matches, but its content cannot be read", path);
  }
  return OkStatus();
}

StatusOr<int64_t> WriteCheckpointMetadata(FileSystem& files, const std::string& directory,
                                          const proto::CheckpointMetadata& metadata, std::string_view writer) {
  const std::string bytes = FrameCheckpointMessage(kMetadataMagic, metadata);
  EAGRE_RETURN_IF_ERROR(files.CreateFileOnce(JoinPath(directory, kCheckpointMetadataFile), bytes, writer));
  return static_cast<int64_t>(bytes.size());
}

StatusOr<proto::CheckpointMetadata> ReadCheckpointMetadata(FileSystem& files, const std::string& path) {
  const auto info = files.Stat(path);
  if (!info.ok() && absl::IsNotFound(info.status())) {
    return NotFound("there is no checkpoint or savepoint at {}", path);
  }
  EAGRE_RETURN_IF_ERROR(info.status());
  const std::string file = info->is_directory ? JoinPath(path, kCheckpointMetadataFile) : path;
  auto bytes = files.ReadFile(file);
  if (!bytes.ok() && absl::IsNotFound(bytes.status())) {
    return NotFound("{} is no checkpoint or savepoint: it has no file {}", path, kCheckpointMetadataFile);
  }
  EAGRE_RETURN_IF_ERROR(bytes.status());
  proto::CheckpointMetadata metadata;
  EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kMetadataMagic, *bytes, file, metadata));
  return metadata;
}

std::string CheckpointFilesRoot(const std::string& directory, const proto::CheckpointMetadata& metadata) {
  if (metadata.files_root() == ".") return directory;
  return metadata.files_root() == ".." ? ParentPath(directory) : JoinPath(directory, metadata.files_root());
}

Status MarkDamagedCheckpoint(const Status& status) {
  Status marked = status;
  if (absl::IsDataLoss(status) || absl::IsNotFound(status)) marked.SetPayload(kDamagedPayload, absl::Cord("1"));
  return marked;
}

bool IsDamagedCheckpoint(const Status& status) {
  return status.GetPayload(kDamagedPayload).has_value();
}

}  // namespace eagre
