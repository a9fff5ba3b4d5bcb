#include "jobmanager/checkpoint_log.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "base/synced_folder.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr std::string_view kEntryMagic = "eagrelog";
constexpr int kClaimAttempts = 100;

void AddMarked(const std::vector<proto::CompletedCheckpoint>& marked, CheckpointLog::Claimed& found) {
  const int64_t newest_id = found.newest_id();
  for (const proto::CompletedCheckpoint& completion : marked) {
    if (completion.checkpoint_id() <= newest_id) continue;
    EAGRE_LOG_WARN("checkpoint {} is complete, but has no entry in the log that can be read; its mark makes up for it",
                   completion.checkpoint_id());
    found.completions.push_back(completion);
    found.damage = OkStatus();
  }
}

}  // namespace

int64_t CheckpointLog::Claimed::newest_id() const {
  int64_t newest_id = 0;
  for (const proto::CompletedCheckpoint& completion : completions) {
    newest_id = std::max(newest_id, completion.checkpoint_id());
  }
  return newest_id;
}

CheckpointLog::CheckpointLog(FileSystem& files, std::string directory, std::string writer, Leads leads)
    : files_(files), entries_(files, std::move(directory)), writer_(std::move(writer)), leads_(std::move(leads)) {}

StatusOr<proto::CheckpointLogEntry> CheckpointLog::Read(uint64_t number) const {
  const std::string path = entries_.PathOf(number);
  EAGRE_ASSIGN_OR_RETURN(const std::string bytes, files_.ReadFile(path));
  proto::CheckpointLogEntry entry;
  EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kEntryMagic, bytes, path, entry));
  return entry;
}

StatusOr<bool> CheckpointLog::IsEmpty() const {
  const StatusOr<std::vector<uint64_t>> numbers = entries_.List();
  if (absl::IsNotFound(numbers.status())) return true;
  EAGRE_RETURN_IF_ERROR(numbers.status());
  return numbers->empty();
}

StatusOr<CheckpointLog::Claimed> CheckpointLog::ReadCompletions(const std::vector<uint64_t>& numbers) const {
  Claimed found;
  std::vector<proto::CheckpointLogEntry> after;  // behind the highest claim, newest first
  proto::CheckpointLogEntry claim;
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    StatusOr<proto::CheckpointLogEntry> entry = Read(*number);
    if (absl::IsDataLoss(entry.status())) {
      // Behind one that can be read, only older checkpoints are lost with it.
      if (after.empty() && found.damage.ok()) found.damage = entry.status();
      EAGRE_LOG_WARN("{}", StatusMessage(entry.status()));
      continue;
    }
    EAGRE_RETURN_IF_ERROR(entry.status());
    if (entry->has_claim()) {
      claim = *std::move(entry);
      break;
    }
    after.push_back(*std::move(entry));
  }
  // Nobody completes a checkpoint without a claim: that of the newest writer is lost when another's was found.
  const std::string newest_writer = after.empty() ? claim.writer() : after.front().writer();
  found.completions.assign(claim.claim().retained().begin(), claim.claim().retained().end());
  for (auto entry = after.rbegin(); entry != after.rend(); ++entry) {
    const bool counts = entry->writer() == claim.writer() || entry->writer() == newest_writer;
    if (entry->has_completion() && counts) found.completions.push_back(entry->completion());
  }
  return found;
}

Status CheckpointLog::Create(uint64_t number, const proto::CheckpointLogEntry& entry) {
  return files_.CreateFileOnce(entries_.PathOf(number), FrameCheckpointMessage(kEntryMagic, entry), writer_);
}

StatusOr<CheckpointLog::Claimed> CheckpointLog::Claim(int64_t time_ms,
                                                      const std::vector<proto::CompletedCheckpoint>& marked,
                                                      bool permits_loss) {
  EAGRE_RETURN_IF_ERROR(CreateSyncedFolder(files_, entries_.directory()));
  for (int i = 0; i < kClaimAttempts; ++i) {
    EAGRE_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, entries_.List());
    auto found = ReadCompletions(numbers);
    // An entry may have been trimmed by its writer while it was to be read.
    if (!found.ok() && absl::IsNotFound(found.status())) continue;
    EAGRE_RETURN_IF_ERROR(found.status());
    AddMarked(marked, *found);
    if (!found->damage.ok() && (!permits_loss || found->completions.empty())) return *std::move(found);
    // Behind the listing: whoever leads now and has claimed the log stands in it, whoever comes to lead later claims it
    // later, be it because the number is taken then. So a JobManager that stood still locks out none that replaced it.
    if (leads_) EAGRE_RETURN_IF_ERROR(leads_());
    proto::CheckpointLogEntry entry;
    entry.set_writer(writer_);
    entry.set_time_ms(time_ms);
    entry.mutable_claim()->mutable_retained()->Assign(found->completions.begin(), found->completions.end());
    const uint64_t number = numbers.empty() ? 1 : numbers.back() + 1;
    const Status created = Create(number, entry);
    if (absl::IsAlreadyExists(created)) continue;
    EAGRE_RETURN_IF_ERROR(created);
    claim_ = number;
    next_ = number + 1;
    return *std::move(found);
  }
  return Unavailable("others write to the checkpoint log {} all the time; does another JobManager run this job?",
                     entries_.directory());
}

Status CheckpointLog::AppendEntry(const proto::CheckpointLogEntry& entry) {
  const auto lost = [this] {
    lost_ = true;
    return MakeStatus(absl::StatusCode::kAborted,
                      fmt::format("another JobManager has taken the job over (entry {})", entries_.PathOf(next_)));
  };
  may_stand_ = false;
  if (lost_) return lost();
  if (claim_ == 0) return FailedPrecondition("the checkpoint log {} was not taken over", entries_.directory());
  Status created = Create(next_, entry);
  while (absl::IsAlreadyExists(created)) {
    // Its own, when the creation succeeded but could not be seen to.
    const auto existing = Read(next_);
    EAGRE_RETURN_IF_ERROR(existing.status());
    if (existing->writer() != writer_) return lost();
    created = Create(++next_, entry);
  }
  if (!created.ok()) {
    may_stand_ = !absl::IsNotFound(Read(next_).status());
    return created;
  }
  may_stand_ = true;
  // The number may have been used and removed by one that took over long ago; then there are higher ones. Or one takes
  // over right now, and has found the entry.
  EAGRE_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, entries_.List());
  if (numbers.empty() || numbers.back() != next_) return lost();
  may_stand_ = false;
  ++next_;
  return OkStatus();
}

Status CheckpointLog::Append(const proto::CompletedCheckpoint& completion, int64_t time_ms) {
  proto::CheckpointLogEntry entry;
  entry.set_writer(writer_);
  entry.set_time_ms(time_ms);
  *entry.mutable_completion() = completion;
  return AppendEntry(entry);
}

Status CheckpointLog::Close(int64_t time_ms) {
  if (leads_) EAGRE_RETURN_IF_ERROR(leads_());
  proto::CheckpointLogEntry entry;
  entry.set_writer(writer_);
  entry.set_time_ms(time_ms);
  entry.mutable_claim();
  return AppendEntry(entry);
}

void CheckpointLog::Trim(size_t kept) {
  const auto numbers = entries_.List();
  if (!numbers.ok()) return;
  size_t left = numbers->size();
  for (const uint64_t number : *numbers) {
    if (left-- <= kept) return;
    if (number == claim_) continue;
    const Status removed = files_.Remove(entries_.PathOf(number));
    if (!removed.ok()) EAGRE_LOG_WARN("{}", StatusMessage(removed));
  }
}

}  // namespace eagre
