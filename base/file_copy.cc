#include "base/file_copy.h"

namespace eagre {

Status CopyFile(FileSystem& files, const std::string& from, const std::string& to) {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  EAGRE_ASSIGN_OR_RETURN(const auto source, files.OpenForRead(from));
  EAGRE_ASSIGN_OR_RETURN(const auto target, files.OpenForWrite(to, OpenMode::kCreateNew));
  std::string piece(kPieceBytes, '\0');
  for (int64_t offset = 0;;) {
    EAGRE_ASSIGN_OR_RETURN(const size_t got, source->ReadAt(offset, piece.data(), piece.size()));
    if (got == 0) break;
    EAGRE_RETURN_IF_ERROR(target->Append({piece.data(), got}));
    offset += static_cast<int64_t>(got);
  }
  EAGRE_RETURN_IF_ERROR(target->Sync());
  return target->Close();
}

}  // namespace eagre
