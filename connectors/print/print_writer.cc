#include "connectors/print/print_writer.h"

#include <cerrno>
#include <cstring>

#include "record/json_writer.h"

namespace eagre {

Status PrintWriter::Open(int subtask, int parallelism) {
  prefix_ = options_.name;
  if (parallelism > 1) prefix_ += fmt::format("{}{}", prefix_.empty() ? "" : ":", subtask + 1);
  if (!prefix_.empty()) prefix_ += "> ";
  return OkStatus();
}

Status PrintWriter::Print(const TypeInfo& type, const void* records, size_t count) {
  buffer_.clear();
  const char* record = static_cast<const char*>(records);
  for (size_t i = 0; i < count; ++i, record += type.size) {
    buffer_ += prefix_;
    if (type.kind == TypeKind::kString) {
      buffer_ += *reinterpret_cast<const std::string*>(record);
    } else {
      AppendJson(type, record, buffer_);
    }
    buffer_ += '\n';
  }
  // One call for all lines: the stream's own lock keeps those of other subtasks out.
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), options_.stream) != buffer_.size() ||
      std::fflush(options_.stream) != 0) {
    return Unavailable("cannot print: {}", std::strerror(errno));
  }
  return OkStatus();
}

}  // namespace eagre
