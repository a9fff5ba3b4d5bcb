#include "taskmanager/worker_logs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/ids.h"
#include "base/logging.h"

namespace eagre {
namespace {

constexpr int kAttemptsKept = 10;
constexpr int64_t kBytesPerBlock = 512;  // of st_blocks, whatever the file system's own block is

StatusOr<UniqueFd> OpenOutput(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd.valid()) return Unavailable("cannot open {}: {}", path, std::strerror(errno));
  return fd;
}

}  // namespace

WorkerLogs::WorkerLogs(std::string directory, int64_t max_file_bytes)
    : directory_(std::move(directory)), max_file_bytes_(max_file_bytes) {}

StatusOr<WorkerOutput> WorkerLogs::Create(const proto::AttemptId& attempt, int worker_index) const {
  // The id becomes a folder's name: it must not be anything else.
  if (!IsHexId(attempt.job_id())) return InvalidArgument("'{}' is not the id of a job", attempt.job_id());
  const std::string folder = JoinPath(directory_, attempt.job_id());
  EAGRE_RETURN_IF_ERROR(PosixFileSystem().CreateDirectories(folder));
  DeleteOldAttempts(folder, attempt.attempt());
  const std::string prefix = JoinPath(folder, fmt::format("attempt-{:06}-worker-{}", attempt.attempt(), worker_index));
  WorkerOutput output;
  EAGRE_ASSIGN_OR_RETURN(output.out, OpenOutput(prefix + ".stdout"));
  EAGRE_ASSIGN_OR_RETURN(output.err, OpenOutput(prefix + ".stderr"));
  return output;
}

void WorkerLogs::DeleteOldAttempts(const std::string& folder, int attempt) const {
  auto files = PosixFileSystem().List(folder);
  if (!files.ok()) return;
  for (const FileInfo& file : *files) {
    int of_attempt = 0;
    std::string name(BaseName(file.path));
    if (std::sscanf(name.c_str(), "attempt-%d-", &of_attempt) == 1 && of_attempt <= attempt - kAttemptsKept) {
      (void)PosixFileSystem().Remove(file.path);
    }
  }
}

void WorkerLogs::Trim(int file) const {
  struct stat info {};
  if (fstat(file, &info) != 0 || info.st_blocks * kBytesPerBlock <= max_file_bytes_) return;
  // A hole where the old bytes were: the worker goes on appending and nothing has to be copied. Where the file system
  // has no holes everything so far goes.
  const int64_t keep_from = info.st_size - max_file_bytes_ / 2;
  if (keep_from > 0 && fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, keep_from) == 0) return;
  if (ftruncate(file, 0) != 0) EAGRE_LOG_WARN("cannot shorten a worker's output file: {}", std::strerror(errno));
}

std::vector<WorkerLogFile> WorkerLogs::Files(const std::string& job_id) const {
  std::vector<WorkerLogFile> result;
  if (!IsHexId(job_id)) return result;
  auto files = PosixFileSystem().List(JoinPath(directory_, job_id));
  if (!files.ok()) return result;
  for (const FileInfo& file : *files) {  // sorted by name, which begins with the padded attempt
    int attempt = 0, worker = 0;
    char stream[16] = "";
    std::string name(BaseName(file.path));
    if (std::sscanf(name.c_str(), "attempt-%d-worker-%d.%15s", &attempt, &worker, stream) != 3) continue;
    result.push_back({fmt::format("attempt {} worker {} {}", attempt, worker, stream), file.path});
  }
  return result;
}

void WorkerLogs::DeleteJob(const std::string& job_id) const {
  if (!IsHexId(job_id)) return;
  if (Status removed = PosixFileSystem().RemoveTree(JoinPath(directory_, job_id)); !removed.ok()) {
    EAGRE_LOG_WARN("cannot delete the output of job {}: {}", job_id, StatusMessage(removed));
  }
}

void WorkerLogs::DeleteOtherJobs(const std::set<std::string>& job_ids) const {
  auto folders = PosixFileSystem().List(directory_);
  if (!folders.ok()) return;  // no worker has printed yet
  for (const FileInfo& folder : *folders) {
    const std::string job_id(BaseName(folder.path));
    if (!job_ids.contains(job_id)) DeleteJob(job_id);
  }
}

StatusOr<std::string> ReadTail(const std::string& path, int64_t max_bytes) {
  EAGRE_ASSIGN_OR_RETURN(auto file, PosixFileSystem().OpenForRead(path));
  EAGRE_ASSIGN_OR_RETURN(const int64_t size, file->Size());
  const int64_t from = std::max<int64_t>(0, size - max_bytes);
  std::string text(static_cast<size_t>(size - from), '\0');
  EAGRE_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(from, text.data(), text.size()));
  text.resize(got);
  // Not in the middle of a line, nor in the hole that Trim left.
  const size_t hole = std::min(text.find_first_not_of('\0'), got);
  if (from == 0 && hole == 0) return text;
  text.erase(0, hole);
  if (const size_t newline = text.find('\n'); newline != std::string::npos) text.erase(0, newline + 1);
  return fmt::format("({} bytes before are left out)\n{}", from + static_cast<int64_t>(got - text.size()), text);
}

}  // namespace eagre
