// Folders that are there after a crash of the machine.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/status.h"

namespace eagre {

// Makes the folder with all its parents, and syncs the names on the path to it: those that were there may have been
// made by one who did not come to sync them. Of a parent that this process did not make, and may not sync, nothing is
// said.
Status CreateSyncedFolder(FileSystem& files, const std::string& path);

}  // namespace eagre
