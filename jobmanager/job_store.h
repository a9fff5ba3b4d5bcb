// The jobs of a JobManager on disk (high-availability.storageDir), so that one that is started after its death takes
// them up again.
//
//   leader/<n>                who uses the folder: the highest number; made only once
//   jobs/<job id>/library     the job's library
//   jobs/<job id>/job         what was submitted; written last: without it the folder counts for nothing
//   jobs/<job id>/attempt-<n>  its newest attempt as leader n knows it
//   jobs/<job id>/result-<n>  how the job ended under leader n; the others are gone then
//
// What a leader writes of a job that there is bears its number. Whoever takes the folder over first writes attempts
// with a number of its own, and from then on lower ones count for nothing. So it does no harm when a JobManager that
// stood still between looking whether it leads and writing writes after it was replaced; and it looks once more
// afterwards, before anybody hears of what it wrote.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "jobmanager/numbered_files.h"
#include "proto/client.pb.h"

namespace eagre {

// Waits for the disk. One thread. `files` outlives it.
//
// A JobManager that was thought dead and goes on finds another leader, and changes nothing any more: ABORTED. Only
// a job that it was given just then may be taken up by its successor all the same.
class JobStore {
 public:
  // `writer` is no other JobManager's.
  JobStore(FileSystem& files, const std::string& directory, std::string writer)
      : files_(files),
        directory_(JoinPath(directory, "jobs")),
        leaders_(files, JoinPath(directory, "leader")),
        writer_(std::move(writer)) {}

  struct Job {
    proto::StoredJob job;
    std::optional<proto::StoredAttempt> attempt;  // none: nothing of it was ever deployed
    std::string library;                          // path
  };
  struct Contents {
    std::vector<Job> jobs;                   // in the order of their submission
    std::vector<proto::JobDetails> results;  // in the order of their end
    std::vector<Status> damaged;             // jobs whose files are no such files; their folders are left alone
  };
  // Makes the folder when there is none, and takes it over. Before anything else.
  StatusOr<Contents> Load();

  // The job survives a crash of the machine once this has returned OK; else nothing of it stays. Copies the library.
  Status Save(const proto::StoredJob& job, const std::string& library);
  // Before anything of the attempt is deployed.
  Status SaveAttempt(const std::string& job_id, const proto::StoredAttempt& attempt);
  // Before anybody hears of the end: without it the job would run once more. OK when the job was never saved.
  Status SaveResult(const proto::JobDetails& details);
  void Forget(const std::string& job_id);
  // ABORTED when another JobManager has taken the folder over.
  Status CheckLeads() const;

 private:
  std::string PathOf(const std::string& job_id) const { return JoinPath(directory_, job_id); }
  Status TrySave(const proto::StoredJob& job, const std::string& library);
  Status LoadOne(const std::string& folder, Contents& contents);
  Status LoadJob(const std::string& folder, const std::optional<std::string>& attempt, Contents& contents);
  Status WriteAttempt(const std::string& folder, const proto::StoredAttempt& attempt);
  Status TakeOver();
  // With this leader's number.
  std::string NumberedPath(const std::string& folder, std::string_view name) const;

  FileSystem& files_;
  const std::string directory_;
  const NumberedFiles leaders_;
  const std::string writer_;
  uint64_t leader_ = 0;  // its number
};

}  // namespace eagre
