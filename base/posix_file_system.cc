#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file_system.h"

namespace eagre {
namespace {

Status PosixError(std::string_view action, const std::string& path, int error) {
  const auto code = error == ENOENT || error == ENOTDIR ? absl::StatusCode::kNotFound
                    : error == EEXIST                   ? absl::StatusCode::kAlreadyExists
                    : error == EACCES || error == EPERM ? absl::StatusCode::kPermissionDenied
                    : error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE
                        ? absl::StatusCode::kResourceExhausted
                        : absl::StatusCode::kUnavailable;
  return MakeStatus(code, fmt::format("cannot {} {}: {}", action, path, std::strerror(error)));
}

FileInfo ToFileInfo(const std::string& path, const struct stat& info) {
  constexpr int64_t kMsPerS = 1000;
  constexpr int64_t kNsPerMs = 1'000'000;
  const bool has_size = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
  return {.path = path,
          .size = has_size ? int64_t{info.st_size} : -1,
          .modified_ms = info.st_mtim.tv_sec * kMsPerS + info.st_mtim.tv_nsec / kNsPerMs,
          .is_directory = S_ISDIR(info.st_mode)};
}

bool IsLink(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

// Whether an entry that cannot be looked at, for `error`, is left out of the list of its folder: one that is gone
// again, a link to nowhere, and what this user may not see. A folder in which nothing can be looked at is not an empty
// one.
bool MayBeLeftOut(const std::string& directory, const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR || error == ELOOP) return true;
  if (error == ENAMETOOLONG) return IsLink(path);
  struct stat info;
  return error == EACCES && stat(JoinPath(directory, ".").c_str(), &info) == 0;
}

// Whether `directory` lies in the folder `other`, or is it: by the way its path takes, or by where it really is.
bool LiesWithin(const std::string& directory, const struct stat& other) {
  std::error_code ignored;
  for (std::filesystem::path above :
       {std::filesystem::absolute(directory, ignored), std::filesystem::canonical(directory, ignored)}) {
    for (; !above.empty(); above = above.parent_path()) {
      struct stat info;
      const bool found = stat(above.c_str(), &info) == 0;
      if (found && info.st_dev == other.st_dev && info.st_ino == other.st_ino) return true;
      if (!above.has_relative_path()) break;
    }
  }
  return false;
}

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixReadableFile() override { close(fd_); }

  const std::string& path() const override { return path_; }

  StatusOr<int64_t> Size() const override {
    struct stat info;
    if (fstat(fd_, &info) != 0) return PosixError("read the size of", path_, errno);
    return info.st_size;
  }

  StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = pread(fd_, buffer + done, size - done, offset + static_cast<int64_t>(done));
      if (got == 0) break;
      if (got > 0) {
        done += static_cast<size_t>(got);
      } else if (errno != EINTR) {
        return PosixError("read", path_, errno);
      }
    }
    return done;
  }

 private:
  const std::string path_;
  const int fd_;
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixWritableFile() override {
    if (fd_ >= 0) (void)Close();
  }

  const std::string& path() const override { return path_; }

  Status Append(std::string_view bytes) override {
    if (buffer_.size() + bytes.size() > kBufferBytes) EAGRE_RETURN_IF_ERROR(Flush());
    if (bytes.size() >= kBufferBytes) return WriteThrough(bytes);
    if (buffer_.capacity() < kBufferBytes) buffer_.reserve(kBufferBytes);
    buffer_.append(bytes);
    return OkStatus();
  }

  Status Flush() override {
    const Status status = WriteThrough(buffer_);
    buffer_.clear();
    return status;
  }

  Status Sync() override {
    EAGRE_RETURN_IF_ERROR(Flush());
    if (fdatasync(fd_) != 0) return PosixError("sync", path_, errno);
    return OkStatus();
  }

  Status Close() override {
    const Status flushed = Flush();
    const int result = close(std::exchange(fd_, -1));
    if (!flushed.ok()) return flushed;
    if (result != 0) return PosixError("close", path_, errno);
    return OkStatus();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{64} << 10;

  Status WriteThrough(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written >= 0) {
        bytes.remove_prefix(static_cast<size_t>(written));
      } else if (errno != EINTR) {
        return PosixError("write to", path_, errno);
      }
    }
    return OkStatus();
  }

  const std::string path_;
  int fd_;
  std::string buffer_;
};

class PosixFiles final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    // To open a pipe would wait for who writes to it; of files O_NONBLOCK changes nothing.
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return PosixError("open", path, errno);
    auto file = std::make_unique<PosixReadableFile>(path, fd);
    struct stat info;
    if (fstat(fd, &info) != 0) return PosixError("open", path, errno);
    if (S_ISDIR(info.st_mode)) return PosixError("read", path, EISDIR);
    if (S_ISFIFO(info.st_mode)) return FailedPrecondition("cannot read {}: it is a pipe; expected a file", path);
    return file;
  }

  StatusOr<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path, OpenMode mode) override {
    const int how = mode == OpenMode::kTruncate ? O_TRUNC : mode == OpenMode::kAppend ? O_APPEND : O_EXCL;
    constexpr mode_t kReadableByAll = 0644;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, kReadableByAll);
    if (fd < 0) return PosixError("write", path, errno);
    return std::make_unique<PosixWritableFile>(path, fd);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) return PosixError(fmt::format("rename {} to", from), to, errno);
    return OkStatus();
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (link(from.c_str(), to.c_str()) != 0) return PosixError(fmt::format("link {} to", from), to, errno);
    return OkStatus();
  }

  StatusOr<FileInfo> Stat(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return PosixError("find", path, errno);
    return ToFileInfo(path, info);
  }

  StatusOr<std::vector<FileInfo>> List(const std::string& directory) override {
    DIR* stream = opendir(directory.c_str());
    if (stream == nullptr) return PosixError("list", directory, errno);
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(stream, closedir);
    std::vector<FileInfo> entries;
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr && errno != 0) return PosixError("list", directory, errno);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string path = JoinPath(directory, name);
      struct stat info;
      if (stat(path.c_str(), &info) != 0) {
        if (const int error = errno; !MayBeLeftOut(directory, path, error)) return PosixError("list", path, error);
        continue;
      }
      if (S_ISDIR(info.st_mode) && IsLink(path) && LiesWithin(directory, info)) continue;
      entries.push_back(ToFileInfo(path, info));
    }
    std::sort(entries.begin(), entries.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return entries;
  }

  Status CreateDirectories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return PosixError("create the folder", path, error.value());
    return OkStatus();
  }

  Status Remove(const std::string& path) override {
    if (std::remove(path.c_str()) != 0) return PosixError("remove", path, errno);
    return OkStatus();
  }

  Status RemoveTree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return PosixError("remove", path, error.value());
    return OkStatus();
  }

  Status SyncDirectory(const std::string& directory) override {
    const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return PosixError("sync the folder", directory, errno);
    const int result = fsync(fd);
    const int error = errno;
    close(fd);
    if (result != 0) return PosixError("sync the folder", directory, error);
    return OkStatus();
  }

  StatusOr<int64_t> FreeBytes(const std::string& path) override {
    struct statvfs info;
    if (statvfs(path.c_str(), &info) != 0) return PosixError("find the free space of", path, errno);
    return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static auto* const files = new PosixFiles();  // never destroyed: files may be closed while the process exits
  return *files;
}

}  // namespace eagre
