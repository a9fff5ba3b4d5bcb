#include "jobmanager/job_store.h"

#include <algorithm>
#include <string_view>

#include "base/file_copy.h"
#include "base/ids.h"
#include "base/logging.h"
#include "base/synced_folder.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr std::string_view kJobMagic = "eagrejob";
constexpr std::string_view kAttemptMagic = "eagreatt";
constexpr std::string_view kResultMagic = "eagreend";
constexpr int kTakeOverAttempts = 100;

}  // namespace

Status JobStore::TakeOver() {
  EAGRE_RETURN_IF_ERROR(CreateSyncedFolder(files_, leaders_.directory()));
  for (int i = 0; i < kTakeOverAttempts; ++i) {
    EAGRE_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, leaders_.List());
    leader_ = numbers.empty() ? 1 : numbers.back() + 1;
    const Status created = files_.CreateFileOnce(leaders_.PathOf(leader_), writer_, writer_);
    if (absl::IsAlreadyExists(created)) continue;
    EAGRE_RETURN_IF_ERROR(created);
    for (const uint64_t older : numbers) {
      (void)files_.Remove(leaders_.PathOf(older));
    }
    return OkStatus();
  }
  return Unavailable("other JobManagers take over {} all the time", leaders_.directory());
}

Status JobStore::CheckLeads() const {
  EAGRE_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, leaders_.List());
  if (!numbers.empty() && numbers.back() == leader_) return OkStatus();
  return MakeStatus(absl::StatusCode::kAborted,
                    fmt::format("another JobManager has taken over {}", ParentPath(directory_)));
}

StatusOr<JobStore::Contents> JobStore::Load() {
  EAGRE_RETURN_IF_ERROR(CreateSyncedFolder(files_, directory_));
  EAGRE_RETURN_IF_ERROR(TakeOver());
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> folders, files_.List(directory_));
  Contents contents;
  for (const FileInfo& folder : folders) {
    if (!folder.is_directory || !IsHexId(BaseName(folder.path))) continue;
    if (Status loaded = LoadOne(folder.path, contents); !loaded.ok()) contents.damaged.push_back(std::move(loaded));
  }
  std::sort(contents.jobs.begin(), contents.jobs.end(),
            [](const Job& a, const Job& b) { return a.job.submitted_ms() < b.job.submitted_ms(); });
  std::sort(contents.results.begin(), contents.results.end(),
            [](const proto::JobDetails& a, const proto::JobDetails& b) {
              return a.summary().end_time_ms() < b.summary().end_time_ms();
            });
  return contents;
}

Status JobStore::LoadOne(const std::string& folder, Contents& contents) {
  const std::string result = JoinPath(folder, "result");
  const std::string job = JoinPath(folder, "job");
  if (files_.Exists(result)) {
    EAGRE_ASSIGN_OR_RETURN(const std::string bytes, files_.ReadFile(result));
    proto::JobDetails details;
    EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kResultMagic, bytes, result, details));
    contents.results.push_back(std::move(details));
  } else if (files_.Exists(job)) {
    EAGRE_ASSIGN_OR_RETURN(const std::string bytes, files_.ReadFile(job));
    Job loaded{.job = {}, .attempt = std::nullopt, .library = JoinPath(folder, "library")};
    EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kJobMagic, bytes, job, loaded.job));
    if (const std::string path = JoinPath(folder, "attempt"); files_.Exists(path)) {
      EAGRE_ASSIGN_OR_RETURN(const std::string attempt, files_.ReadFile(path));
      EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kAttemptMagic, attempt, path, loaded.attempt.emplace()));
    }
    contents.jobs.push_back(std::move(loaded));
  }
  return OkStatus();
}

Status JobStore::Save(const proto::StoredJob& job, const std::string& library) {
  Status saved = TrySave(job, library);
  if (!saved.ok()) Forget(job.job_id());
  return saved;
}

Status JobStore::TrySave(const proto::StoredJob& job, const std::string& library) {
  const std::string folder = PathOf(job.job_id());
  EAGRE_RETURN_IF_ERROR(CheckLeads());
  EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(folder));
  EAGRE_RETURN_IF_ERROR(CopyFile(files_, library, JoinPath(folder, "library")));
  EAGRE_RETURN_IF_ERROR(files_.WriteFileAtomically(JoinPath(folder, "job"), FrameCheckpointMessage(kJobMagic, job)));
  return files_.SyncDirectory(directory_);
}

Status JobStore::SaveAttempt(const std::string& job_id, const proto::StoredAttempt& attempt) {
  EAGRE_RETURN_IF_ERROR(CheckLeads());
  const std::string folder = PathOf(job_id);
  if (!files_.Exists(folder)) return OkStatus();  // the job is not saved yet, so nobody will look for its attempt
  EAGRE_RETURN_IF_ERROR(
      files_.WriteFileAtomically(JoinPath(folder, "attempt"), FrameCheckpointMessage(kAttemptMagic, attempt)));
  return files_.SyncDirectory(folder);
}

void JobStore::SaveResult(const proto::JobDetails& details) {
  const std::string folder = PathOf(details.summary().job_id());
  if (!files_.Exists(folder)) return;  // it was never saved
  Status saved = CheckLeads();
  if (saved.ok()) {
    saved = files_.WriteFileAtomically(JoinPath(folder, "result"), FrameCheckpointMessage(kResultMagic, details));
  }
  if (!saved.ok()) {
    EAGRE_LOG_ERROR("cannot store that job {} is {}: {}", details.summary().job_id(), details.summary().state(),
                    StatusMessage(saved));
    return;
  }
  for (const char* name : {"job", "library", "attempt"}) {
    const Status removed = files_.Remove(JoinPath(folder, name));
    if (!removed.ok() && !absl::IsNotFound(removed)) EAGRE_LOG_WARN("{}", StatusMessage(removed));
  }
}

void JobStore::Forget(const std::string& job_id) {
  if (!CheckLeads().ok()) return;
  const Status removed = files_.RemoveTree(PathOf(job_id));
  if (!removed.ok()) EAGRE_LOG_WARN("{}", StatusMessage(removed));
}

}  // namespace eagre
