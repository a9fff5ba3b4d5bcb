// Files that are decompressed while they are read, by the ending of their names.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace eagre {

// gzip: .gz, .gzip; Zstandard: .zst, .zstd. In any case.
bool IsCompressedFile(std::string_view path);

// The content of the file, decompressed where its name says so. Such a file is for one thread, is quick only when it is
// read forward, and its Size() is that of the compressed bytes. What is not in the format, or ends too early, is
// INVALID_ARGUMENT with the path.
StatusOr<std::unique_ptr<ReadableFile>> OpenInputFile(FileSystem& files, const std::string& path);

}  // namespace eagre
