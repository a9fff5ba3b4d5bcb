#include "runtime/local_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/logging.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr std::string_view kMagic = "eagrelsn";
constexpr std::string_view kSuffix = ".snapshot";

const proto::StateSnapshot* FindState(const proto::CheckpointMetadata& metadata,
                                      const proto::LocalSnapshotState& wanted) {
  for (const proto::OperatorSnapshot& op : metadata.operators()) {
    if (op.operator_id() != wanted.operator_id()) continue;
    for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
      if (subtask.subtask() != wanted.subtask()) continue;
      for (const proto::StateSnapshot& state : subtask.states()) {
        if (state.name() == wanted.name()) return &state;
      }
    }
  }
  return nullptr;
}

bool BeginsWith(const proto::StateSnapshot& state, const proto::LocalSnapshotState& snapshot) {
  return std::equal(snapshot.covered().begin(), snapshot.covered().end(), state.segments().begin(),
                    std::min(state.segments().begin() + snapshot.covered_size(), state.segments().end()),
                    [](const proto::StateSegment& a, const proto::StateSegment& b) {
                      return a.file() == b.file() && a.offset() == b.offset();
                    });
}

StatusOr<proto::LocalSnapshot> ReadSnapshot(FileSystem& files, const std::string& path) {
  EAGRE_ASSIGN_OR_RETURN(const std::string bytes, files.ReadFile(path));
  proto::LocalSnapshot snapshot;
  EAGRE_RETURN_IF_ERROR(UnframeCheckpointMessage(kMagic, bytes, path, snapshot));
  return snapshot;
}

void WriteSnapshot(FileSystem& files, const std::string& path, const proto::LocalSnapshot& snapshot) {
  const std::string bytes = FrameCheckpointMessage(kMagic, snapshot);
  if (Status written = files.WriteFile(path + std::string(kSuffix), bytes); !written.ok()) {
    EAGRE_LOG_WARN("cannot keep a local snapshot: {}", StatusMessage(written));
  }
}

void RemoveSnapshot(FileSystem& files, const std::string& path) {
  for (const std::string& part : {path + std::string(kSuffix), path}) {
    if (Status removed = files.RemoveTree(part); !removed.ok()) {
      EAGRE_LOG_WARN("cannot remove a local snapshot: {}", StatusMessage(removed));
    }
  }
}

}  // namespace

LocalSnapshots::LocalSnapshots(Options options, StateBackend& backend)
    : options_(std::move(options)), backend_(backend) {}

LocalSnapshots::~LocalSnapshots() {
  *alive_ = false;
}

// ---- the beginning ----

void LocalSnapshots::Open(const proto::CheckpointMetadata* restored, int restored_attempt) {
  const StatusOr<std::vector<FileInfo>> found = options_.files->List(options_.directory);
  if (!found.ok()) return;  // none was ever made here
  std::vector<std::pair<std::string, proto::LocalSnapshot>> candidates;
  std::vector<std::string> mine;
  for (const FileInfo& file : *found) {
    if (!BaseName(file.path).starts_with(options_.slot + "-")) continue;
    if (!file.path.ends_with(kSuffix)) {
      if (file.is_directory) mine.push_back(file.path);
      continue;
    }
    std::string path = file.path.substr(0, file.path.size() - kSuffix.size());
    if (!options_.files->Exists(path)) {  // it turned out to be damaged
      RemoveSnapshot(*options_.files, path);
      continue;
    }
    StatusOr<proto::LocalSnapshot> snapshot = ReadSnapshot(*options_.files, file.path);
    if (!snapshot.ok()) {
      EAGRE_LOG_WARN("a local snapshot cannot be used: {}", StatusMessage(snapshot.status()));
      continue;
    }
    if (restored == nullptr || snapshot->job_id() != options_.job_id || restored->job_id() != options_.job_id ||
        snapshot->valid_from() > restored->checkpoint_id() ||
        std::count(snapshot->attempts().begin(), snapshot->attempts().end(), restored_attempt) == 0) {
      continue;
    }
    DropOthers(*snapshot, *restored);
    if (snapshot->states().empty()) continue;
    candidates.emplace_back(std::move(path), *std::move(snapshot));
  }
  const auto newest = std::max_element(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return a.second.valid_from() < b.second.valid_from();
  });
  std::string used;
  if (newest != candidates.end()) {
    source_ = std::move(newest->second);
    used = newest->first;
    StateBackend::Snapshot snapshot{.directory = used, .files = {}, .stores = {}};
    for (const auto& file : source_.files()) snapshot.files.push_back({file.name(), file.bytes()});
    for (const auto& state : source_.states()) snapshot.stores.insert(state.store());
    backend_.OpenFrom(std::move(snapshot));
    kept_.push_back({used, source_.valid_from()});
    source_.add_attempts(options_.attempt);
    WriteSnapshot(*options_.files, used, source_);
  }
  for (const std::string& path : mine) {
    if (path != used) RemoveSnapshot(*options_.files, path);
  }
}

void LocalSnapshots::DropOthers(proto::LocalSnapshot& snapshot, const proto::CheckpointMetadata& restored) {
  auto& states = *snapshot.mutable_states();
  states.erase(std::remove_if(states.begin(), states.end(),
                              [&](const proto::LocalSnapshotState& state) {
                                const proto::StateSnapshot* stored = FindState(restored, state);
                                return stored == nullptr || !BeginsWith(*stored, state);
                              }),
               states.end());
}

const proto::LocalSnapshotState* LocalSnapshots::Find(const std::string& operator_id, int subtask,
                                                      const std::string& state) const {
  if (!backend_.opened_from_snapshot()) return nullptr;
  const auto found = std::find_if(source_.states().begin(), source_.states().end(), [&](const auto& one) {
    return one.operator_id() == operator_id && one.subtask() == subtask && one.name() == state;
  });
  return found == source_.states().end() ? nullptr : &*found;
}

// ---- making one ----

void LocalSnapshots::Leave(Member& member) {
  std::erase_if(members_, [&](const Joined& joined) { return joined.member == &member; });
  if (phase_ == Phase::kWritingBack) MakeWhenWrittenBack();
}

void LocalSnapshots::Request() {
  if (phase_ != Phase::kIdle) return;
  phase_ = Phase::kWritingBack;
  for (Joined& joined : members_) joined.written_back = false;
  // A member may have nothing to write, and answer at once.
  const std::vector<Joined> members = members_;
  for (const Joined& joined : members) joined.member->OnWanted();
}

void LocalSnapshots::OnWrittenBack(Member& member) {
  for (Joined& joined : members_) {
    if (joined.member == &member) joined.written_back = true;
  }
  MakeWhenWrittenBack();
}

void LocalSnapshots::MakeWhenWrittenBack() {
  if (!std::all_of(members_.begin(), members_.end(), [](const Joined& joined) { return joined.written_back; })) return;
  StateBackend::SnapshotMaker maker = backend_.NewSnapshotMaker();
  phase_ = maker == nullptr || members_.empty() ? Phase::kIdle : Phase::kMaking;
  if (phase_ == Phase::kIdle) return;
  const std::string path =
      JoinPath(options_.directory, fmt::format("{}-{}-{}", options_.slot, options_.attempt, ++made_));
  options_.io->Post([this, alive = alive_, path, maker = std::move(maker), files = options_.files,
                     directory = options_.directory, post = options_.post] {
    const auto make = [&]() -> StatusOr<std::vector<StateBackend::SnapshotFile>> {
      EAGRE_RETURN_IF_ERROR(files->CreateDirectories(directory));
      return maker(path);
    };
    post([this, alive, path, made = make()]() mutable {
      if (*alive) OnMade(path, std::move(made));
      return OkStatus();
    });
  });
}

void LocalSnapshots::OnMade(const std::string& path, StatusOr<std::vector<StateBackend::SnapshotFile>> files) {
  phase_ = Phase::kIdle;
  if (!files.ok()) {
    EAGRE_LOG_WARN("cannot keep a local snapshot: {}", StatusMessage(files.status()));
    return Remove(path);
  }
  proto::LocalSnapshot snapshot;
  snapshot.set_job_id(options_.job_id);
  for (StateBackend::SnapshotFile& file : *files) {
    proto::LocalSnapshotFile& out = *snapshot.add_files();
    out.set_name(std::move(file.name));
    out.set_bytes(file.bytes);
  }
  for (const Joined& joined : members_) joined.member->Describe(snapshot);
  kept_.push_back({path, snapshot.valid_from()});
  snapshot.add_attempts(options_.attempt);
  options_.io->Post(
      [path, snapshot = std::move(snapshot), files = options_.files] { WriteSnapshot(*files, path, snapshot); });
}

void LocalSnapshots::OnCheckpointComplete(int64_t checkpoint_id) {
  while (kept_.size() > 1 && kept_[1].valid_from <= checkpoint_id) {
    Remove(kept_.front().path);
    kept_.erase(kept_.begin());
  }
}

void LocalSnapshots::Remove(const std::string& path) const {
  options_.io->Post([path, files = options_.files] { RemoveSnapshot(*files, path); });
}

}  // namespace eagre
