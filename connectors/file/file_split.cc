#include "connectors/file/file_split.h"

#include "base/bytes.h"

namespace eagre {

std::string FileSplit::Id() const {
  return fmt::format("{}@{}-{}", path, begin, to_end() ? "" : std::to_string(end));
}

SourceSplit FileSplit::Encode() const {
  SourceSplit split{.id = Id()};
  ByteWriter out(split.state);
  out.String(path);
  for (const int64_t number : {begin, end, file_size, position, sequence}) out.SignedVarint(number);
  return split;
}

StatusOr<FileSplit> FileSplit::Decode(const SourceSplit& split) {
  ByteReader in(split.state);
  FileSplit file;
  bool ok = in.String(file.path);
  for (int64_t* number : {&file.begin, &file.end, &file.file_size, &file.position, &file.sequence}) {
    ok = ok && in.SignedVarint(*number);
  }
  ok = ok && in.empty() && 0 <= file.begin && file.begin <= file.end && file.end <= file.file_size &&
       file.begin <= file.position && file.position <= file.file_size;
  if (!ok) return DataLoss("the split '{}' of a file source is malformed", split.id);
  return file;
}

}  // namespace eagre
