// Files and folders as an interface, so that a simulated cluster runs on a disk that can lose what was not synced.
//
// Every error names the path. Nothing here caches; a path is what the operating system takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace eagre {

struct FileInfo {
  std::string path;
  int64_t size = 0;  // bytes; -1 for what is no file of bytes: a pipe, a socket, a device
  int64_t modified_ms = 0;
  bool is_directory = false;
};

// Closed by its destructor. Positional, so any number of threads may read at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual const std::string& path() const = 0;
  // As of now; the file may still grow.
  virtual StatusOr<int64_t> Size() const = 0;
  // Fills `buffer` from `offset` on; fewer bytes than asked for only at the end of the file, 0 behind it.
  virtual StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const = 0;
};

// One thread. What was appended is buffered until Flush; it survives a crash of the machine only after Sync. The
// destructor closes and has nobody to tell of an error: call Close.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual const std::string& path() const = 0;
  virtual Status Append(std::string_view bytes) = 0;
  // Hands what is buffered to the operating system: other processes see it.
  virtual Status Flush() = 0;
  // Flush, and wait until the device has it.
  virtual Status Sync() = 0;
  // Flush and close; nothing but the destructor may follow.
  virtual Status Close() = 0;
};

enum class OpenMode {
  kTruncate,   // made or emptied
  kAppend,     // made or continued
  kCreateNew,  // ALREADY_EXISTS when it is there
};

// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // NOT_FOUND when there is no such file.
  virtual StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) = 0;
  // The folder must exist.
  virtual StatusOr<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path, OpenMode mode) = 0;

  // Replaces `to` when it exists. Atomic.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // Gives the file `from` a second name. ALREADY_EXISTS when there is something at `to`. Atomic.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  // NOT_FOUND when there is nothing at `path`.
  virtual StatusOr<FileInfo> Stat(const std::string& path) = 0;
  // The entries sorted by name, without ".", "..", links back to a folder above and links to nowhere; `path` is joined
  // to `directory`.
  virtual StatusOr<std::vector<FileInfo>> List(const std::string& directory) = 0;
  // With all parents; no error when it exists.
  virtual Status CreateDirectories(const std::string& path) = 0;
  // A file or an empty folder. NOT_FOUND when there is nothing.
  virtual Status Remove(const std::string& path) = 0;
  // A folder with all that is in it, without following links; no error when there is nothing.
  virtual Status RemoveTree(const std::string& path) = 0;
  // Makes creations, renames and removals in `directory` survive a crash of the machine.
  virtual Status SyncDirectory(const std::string& directory) = 0;

  // Of the whole machine this file system is on, in bytes: what is still free at `path`.
  virtual StatusOr<int64_t> FreeBytes(const std::string& path) = 0;

  // What follows is built from the above.
  bool Exists(const std::string& path);
  StatusOr<std::string> ReadFile(const std::string& path);
  // Truncates and writes; not atomic and not synced.
  Status WriteFile(const std::string& path, std::string_view content);
  // A reader sees the old content or the new, also after a crash: writes beside it, syncs, renames.
  Status WriteFileAtomically(const std::string& path, std::string_view content);
  // A whole file of this content appears at `path`, also after a crash, or nothing does: ALREADY_EXISTS when something
  // is there. Of all who try at once, one succeeds. `writer` tells those apart.
  Status CreateFileOnce(const std::string& path, std::string_view content, std::string_view writer);
  // The files (no folders) that match a pattern of *, ? and [a-z] within path components, sorted. A pattern without
  // such characters matches itself when it exists.
  StatusOr<std::vector<FileInfo>> Glob(const std::string& pattern);
};

// The machine's own files. Lives for the whole process.
FileSystem& PosixFileSystem();

// `directory` and `name` with exactly one slash between; `name` alone when `directory` is empty.
std::string JoinPath(std::string_view directory, std::string_view name);
// What stands before the last slash: "." when there is none, "/" for the root.
std::string ParentPath(std::string_view path);
// What stands after the last slash.
std::string_view BaseName(std::string_view path);
// True when `path` has a character that Glob would expand.
bool IsGlobPattern(std::string_view path);

}  // namespace eagre
