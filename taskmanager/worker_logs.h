// What workers print: a file for standard output and one for standard error per worker, in a folder per job.
//
// Workers write to their files directly, so what they printed last survives any crash. The files are bounded: of one
// that grew too large the older half is given back to the file system, of a job that restarts again and again the files
// of the last attempts are kept, and a job that nobody asks about any more loses its folder.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "proto/control.pb.h"

namespace eagre {

// Open for appending; closed on exec.
struct WorkerOutput {
  UniqueFd out;
  UniqueFd err;
};

struct WorkerLogFile {
  std::string source;  // for users: "attempt 0 worker 2 stdout"
  std::string path;
};

// Thread-safe: it has no state but the folder.
class WorkerLogs {
 public:
  // `directory` is made when needed. `max_file_bytes` is what a file may occupy on disk.
  WorkerLogs(std::string directory, int64_t max_file_bytes);

  StatusOr<WorkerOutput> Create(const proto::AttemptId& attempt, int worker_index) const;
  // Gives back the disk space of all but the last half of what `file` may hold, when it holds more.
  void Trim(int file) const;
  // Of the job's workers here, oldest attempt first. Empty for an unknown job.
  std::vector<WorkerLogFile> Files(const std::string& job_id) const;
  void DeleteJob(const std::string& job_id) const;
  // Deletes the folders of all jobs but these.
  void DeleteOtherJobs(const std::set<std::string>& job_ids) const;

 private:
  void DeleteOldAttempts(const std::string& folder, int attempt) const;

  const std::string directory_;
  const int64_t max_file_bytes_;
};

// The last `max_bytes` of a file, whole lines where a line ends in them, after a line that says how many bytes before
// them are left out, if any.
StatusOr<std::string> ReadTail(const std::string& path, int64_t max_bytes);

}  // namespace eagre
