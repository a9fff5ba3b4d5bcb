#include "base/synced_folder.h"

namespace eagre {

Status CreateSyncedFolder(FileSystem& files, const std::string& path) {
  std::string there = path;  // the deepest that exists
  while (!files.Exists(there) && there != ParentPath(there)) there = ParentPath(there);
  EAGRE_RETURN_IF_ERROR(files.CreateDirectories(path));
  bool made = there != path;
  std::string parent = path;
  do {
    parent = ParentPath(parent);
    const Status synced = files.SyncDirectory(parent);
    if (made && !synced.ok()) return synced;
    made = made && parent != there;
  } while (parent != ParentPath(parent));
  return OkStatus();
}

}  // namespace eagre
