#include "jobmanager/job_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/file_copy.h"
#include "base/ids.h"
#include "base/logging.h"
#include "base/synced_folder.h"
#include "jobmanager/may_pass.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr std::string_view kJobMagic = "eagrejob";
constexpr std::string_view kAttemptMagic = "eagreatt";
constexpr std::string_view kResultMagic = "eagreend";
constexpr int kTakeOverAttempts = 100;
constexpr int kNoAttempt = -1;  // in the place of one: nothing of the job was deployed yet
constexpr std::string_view kLibraryName = "library";
constexpr std::string_view kJobName = "job";
constexpr std::string_view kAttemptPrefix = "attempt-";
constexpr std::string_view kResultPrefix = "result-";

struct Numbered {
  uint64_t number = 0;
  std::string path;
};

std::optional<Numbered> Newest(const std::vector<FileInfo>& files, std::string_view prefix) {
  std::optional<Numbered> newest;
  for (const FileInfo& file : files) {
    std::string_view name = BaseName(file.path);
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (!newest || number > newest->number) newest = Numbered{number, file.path};
  }
  return newest;
}

}  // namespace

std::string JobStore::NumberedPath(const std::string& folder, std::string_view name) const {
  return JoinPath(folder, fmt::format("{}{}", name, leader_));
}

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
    Status loaded = LoadOne(folder.path, contents);
    // What cannot be read now may be readable later: such a job is not to be forgotten until then.
    if (MayPass(loaded)) return loaded;
    if (!loaded.ok()) contents.damaged.push_back(std::move(loaded));
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
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, files_.List(folder));
  const std::optional<Numbered> attempt = Newest(files, kAttemptPrefix);
  const std::optional<Numbered> result = Newest(files, kResultPrefix);
  const std::string job = JoinPath(folder, kJobName);
  // A result below the newest attempt came when its writer had been replaced.
  if (result && (!attempt || result->number >= attempt->number)) {
    EAGRE_ASSIGN_OR_RETURN(const std::string bytes, files_.ReadFile(result->path));
    proto::JobDetails details;
    EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kResultMagic, bytes, result->path, details));
    contents.results.push_back(std::move(details));
    return OkStatus();
  }
  const bool is_job = std::any_of(files.begin(), files.end(), [&](const FileInfo& file) { return file.path == job; });
  if (!is_job) return OkStatus();
  return LoadJob(folder, attempt ? std::optional(attempt->path) : std::nullopt, contents);
}

Status JobStore::LoadJob(const std::string& folder, const std::optional<std::string>& attempt, Contents& contents) {
  const std::string path = JoinPath(folder, kJobName);
  EAGRE_ASSIGN_OR_RETURN(const std::string bytes, files_.ReadFile(path));
  Job loaded{.job = {}, .attempt = std::nullopt, .library = JoinPath(folder, kLibraryName)};
  EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kJobMagic, bytes, path, loaded.job));
  proto::StoredAttempt newest;
  newest.set_attempt(kNoAttempt);
  if (attempt) {
    EAGRE_ASSIGN_OR_RETURN(const std::string stored, files_.ReadFile(*attempt));
    EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kAttemptMagic, stored, *attempt, newest));
  }
  EAGRE_RETURN_IF_ERROR(WriteAttempt(folder, newest));
  if (newest.attempt() != kNoAttempt) loaded.attempt = std::move(newest);
  contents.jobs.push_back(std::move(loaded));
  return OkStatus();
}

Status JobStore::WriteAttempt(const std::string& folder, const proto::StoredAttempt& attempt) {
  return files_.WriteFileAtomically(NumberedPath(folder, kAttemptPrefix),
                                    FrameCheckpointMessage(kAttemptMagic, attempt));
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
  EAGRE_RETURN_IF_ERROR(CopyFile(files_, library, JoinPath(folder, kLibraryName)));
  EAGRE_RETURN_IF_ERROR(files_.WriteFileAtomically(JoinPath(folder, kJobName), FrameCheckpointMessage(kJobMagic, job)));
  EAGRE_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  return CheckLeads();
}

Status JobStore::SaveAttempt(const std::string& job_id, const proto::StoredAttempt& attempt) {
  EAGRE_RETURN_IF_ERROR(CheckLeads());
  const std::string folder = PathOf(job_id);
  if (!files_.Exists(folder)) return OkStatus();  // the job is not saved yet, so nobody will look for its attempt
  EAGRE_RETURN_IF_ERROR(WriteAttempt(folder, attempt));
  return CheckLeads();
}

Status JobStore::SaveResult(const proto::JobDetails& details) {
  EAGRE_RETURN_IF_ERROR(CheckLeads());
  const std::string folder = PathOf(details.summary().job_id());
  const StatusOr<std::vector<FileInfo>> files = files_.List(folder);
  if (absl::IsNotFound(files.status())) return OkStatus();
  EAGRE_RETURN_IF_ERROR(files.status());
  const std::string path = NumberedPath(folder, kResultPrefix);
  EAGRE_RETURN_IF_ERROR(files_.WriteFileAtomically(path, FrameCheckpointMessage(kResultMagic, details)));
  EAGRE_RETURN_IF_ERROR(CheckLeads());
  for (const FileInfo& file : *files) {
    if (file.path == path) continue;
    const Status removed = files_.Remove(file.path);
    if (!removed.ok() && !absl::IsNotFound(removed)) EAGRE_LOG_WARN("{}", StatusMessage(removed));
  }
  return OkStatus();
}

void JobStore::Forget(const std::string& job_id) {
  if (!CheckLeads().ok()) return;
  const Status removed = files_.RemoveTree(PathOf(job_id));
  if (!removed.ok()) EAGRE_LOG_WARN("{}", StatusMessage(removed));
}

}  // namespace eagre
