// A copy of a file that survives a crash of the machine.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/status.h"

namespace eagre {

// ALREADY_EXISTS when there is something at `to`; what a failed copy left there is the caller's to remove.
Status CopyFile(FileSystem& files, const std::string& from, const std::string& to);

}  // namespace eagre
