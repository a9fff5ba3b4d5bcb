#include "runtime/task_checkpoints.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "runtime/local_copy.h"
#include "runtime/segment_merge.h"
#include "state/checkpoint_metadata.h"
#include "state/state_file.h"

namespace eagre {
namespace {

int64_t BytesOf(const std::vector<proto::StateSegment>& segments) {
  int64_t bytes = 0;
  for (const proto::StateSegment& segment : segments) bytes += static_cast<int64_t>(segment.length());
  return bytes;
}

std::string FileSuffix(const TaskCheckpointsOptions& options) {
  return fmt::format("-v{}-s{}.state", options.vertex, options.subtask);
}

}  // namespace

// A file being written. Used on the I/O executor only; shared with what is posted there.
class TaskCheckpoints::File {
 public:
  File(const TaskCheckpointsOptions& options, std::string name)
      : files_(*options.files),
        directory_(options.directory),
        local_directory_(options.local_directory),
        name_(std::move(name)) {}

  void Append(size_t state, const Content& content) {
    if (!status_.ok()) return;
    status_ = TryAppend(state, content);
  }
  StatusOr<std::vector<Written>> Finish() {
    if (status_.ok() && writer_ != nullptr) status_ = writer_->Finish();
    writer_.reset();
    if (status_.ok() && copy_ != nullptr) copy_->Finish();
    copy_.reset();
    if (!status_.ok()) return status_;
    return std::move(written_);
  }

 private:
  Status TryAppend(size_t state, const Content& content) {
    if (writer_ == nullptr) {
      EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(JoinPath(directory_, kSharedFolder)));
      EAGRE_ASSIGN_OR_RETURN(writer_, StateFileWriter::Create(files_, directory_, name_));
      if (!local_directory_.empty()) {
        copy_ = std::make_unique<LocalCopy>(files_, directory_, local_directory_, name_);
      }
    }
    if (copy_ != nullptr) copy_->Append(content.bytes, content.entries);
    EAGRE_ASSIGN_OR_RETURN(proto::StateSegment segment, writer_->Append(content.bytes, content.entries));
    written_.push_back({state, std::move(segment), content.key_bytes});
    return OkStatus();
  }

  FileSystem& files_;
  const std::string directory_;
  const std::string local_directory_;
  const std::string name_;
  std::unique_ptr<StateFileWriter> writer_;
  std::unique_ptr<LocalCopy> copy_;
  std::vector<Written> written_;
  Status status_;
};

// Of the newest `runs` deltas of a chain, which end at segment `end`. Posts itself until it is through, so that
// checkpoints are written meanwhile.
class TaskCheckpoints::Merge : public std::enable_shared_from_this<Merge> {
 public:
  using Then = std::function<void(StatusOr<std::vector<Written>>)>;

  // Where in a chain it takes place.
  struct Place {
    size_t chain, first_run, runs, first_segment, segments;
  };
  Merge(const TaskCheckpointsOptions& options, const Place& place, std::vector<proto::StateSegment> segments,
        std::string name)
      : place(place),
        file_(options, std::move(name)),
        merge_(*options.files, options.directory, std::move(segments),
               [this](std::string bytes, uint64_t entries, uint64_t key_bytes) {
                 file_.Append(this->place.chain, {std::move(bytes), entries, key_bytes});
               }) {}

  void Post(Executor& io, Then then) {
    io.Post([self = shared_from_this(), &io, then = std::move(then)]() mutable {
      const StatusOr<bool> done = self->merge_.Step();
      if (!done.ok()) return then(done.status());
      if (*done) return then(self->file_.Finish());
      self->Post(io, std::move(then));
    });
  }

  const Place place;

 private:
  File file_;
  SegmentMerge merge_;
};

TaskCheckpoints::TaskCheckpoints(TaskCheckpointsOptions options, Handlers handlers)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      files_(*options_.files, *options_.io, options_.directory, options_.local_directory, FileSuffix(options_)),
      unwritten_bytes_(std::make_shared<std::atomic<uint64_t>>(0)),
      buffers_(std::make_shared<BufferPool>(kMostUnwrittenBytes, 2 * kReservedBytes)) {}

TaskCheckpoints::~TaskCheckpoints() {
  *alive_ = false;
}

void TaskCheckpoints::AddOperator(std::string operator_id, std::vector<CheckpointedState*> states) {
  for (CheckpointedState* state : states) chains_.push_back({.state = state, .node = operator_ids_.size()});
  operator_ids_.push_back(std::move(operator_id));
}

Status TaskCheckpoints::Restore(const RestorePlan* plan, const RestorePlan::Position& position) {
  for (Chain& chain : chains_) {
    const proto::OperatorSnapshot* op = plan == nullptr ? nullptr : plan->Find(operator_ids_[chain.node]);
    if (op == nullptr) continue;
    EAGRE_RETURN_IF_ERROR(plan->Restore(*op, position, *chain.state, options_.snapshots, chain.segments));
    chain.base_bytes = static_cast<uint64_t>(BytesOf(chain.segments));
    if (options_.snapshots == nullptr) continue;
    const auto* snapshot = options_.snapshots->Find(op->operator_id(), options_.subtask, chain.state->name());
    if (snapshot == nullptr) continue;
    chain.cut.assign(snapshot->covered().begin(), snapshot->covered().end());
    base_since_cut_ = false;
    bytes_since_cut_ += static_cast<uint64_t>(BytesOf(chain.segments) - BytesOf(chain.cut));
  }
  files_.OnRestored(FilesOfChains());
  const bool in_store = std::any_of(chains_.begin(), chains_.end(),
                                    [](const Chain& chain) { return chain.state->store_part().has_value(); });
  if (options_.snapshots != nullptr && in_store) options_.snapshots->Join(*this);
  return OkStatus();
}

// ---- a checkpoint ----

void TaskCheckpoints::Begin(int64_t checkpoint_id, int64_t trigger_ms, int64_t alignment_ms) {
  EAGRE_CHECK(!encoding_);
  newest_begun_ = checkpoint_id;
  checkpoint_ = {};
  checkpoint_.id = checkpoint_id;
  checkpoint_.trigger_ms = trigger_ms;
  checkpoint_.alignment_ms = alignment_ms;
  awaits_in_flight_ = false;
}

void TaskCheckpoints::AddInFlight(size_t node, InFlightEncoder::Stored stored) {
  checkpoint_.bytes += stored.bytes.size();
  checkpoint_.in_flight_bytes += stored.bytes.size();
  Write({std::move(stored.bytes), stored.entries}, checkpoint_.file, DeltaName(),
        chains_.size() + checkpoint_.in_flight.size());
  checkpoint_.in_flight.push_back({.node = node, .snapshot = std::move(stored.snapshot)});
}

void TaskCheckpoints::OnInFlightKnown(int64_t alignment_ms) {
  awaits_in_flight_ = false;
  checkpoint_.alignment_ms = alignment_ms;
}

void TaskCheckpoints::OnInFlightLost() {
  awaits_in_flight_ = false;
  checkpoint_.in_flight_lost = true;
}

std::string TaskCheckpoints::DeltaName() const {
  return fmt::format("{}-{}", options_.attempt, checkpoint_.id);
}

void TaskCheckpoints::Seal(size_t node) {
  for (Chain& chain : chains_) {
    if (chain.node == node) chain.state->Seal();
  }
}

void TaskCheckpoints::AllSealed() {
  encoding_ = true;
  next_chain_ = 0;
  ++writing_;
}

bool TaskCheckpoints::Step() {
  if (failed_ || (!encoding_ && !base_encoding_ && !writing_back_)) return false;
  // The disk is slower than the encoder: what waits in memory is bounded.
  if (unwritten_bytes_->load(std::memory_order_relaxed) > kMostUnwrittenBytes) return false;
  if (encoding_) return EncodeSlice();
  return base_encoding_ ? EncodeBaseSlice() : WriteBackSlice();
}

bool TaskCheckpoints::EncodeSlice() {
  for (size_t encoded = 0; next_chain_ < chains_.size();) {
    if (encoded >= kSliceBytes) return true;
    Chain& chain = chains_[next_chain_];
    const size_t before = delta_.bytes();
    MakeRoom(delta_);
    const bool done = chain.state->EncodeSealed(delta_, kSliceBytes);
    encoded += delta_.bytes() - before;
    if (done || delta_.bytes() >= kSegmentBytes) {
      checkpoint_.bytes += delta_.bytes();
      Write(delta_, checkpoint_.file, DeltaName(), next_chain_);
    }
    // A state that is not done has done as much as one slice may take.
    if (!done) return !Fails(*chain.state);
    ++next_chain_;
  }
  if (awaits_in_flight_) return false;
  encoding_ = false;
  const Checkpoint checkpoint = std::exchange(checkpoint_, {});
  std::vector<std::function<Status()>> first;
  for (Chain& chain : chains_) {
    if (auto before = chain.state->TakeBeforeAcknowledge()) first.push_back(std::move(before));
  }
  FinishFile(checkpoint.file, std::move(first), [this, checkpoint](StatusOr<std::vector<Written>> written) {
    OnDeltaWritten(checkpoint, std::move(written));
  });
  return true;
}

// Of a state that is not done: whether it never will be.
bool TaskCheckpoints::Fails(const CheckpointedState& state) {
  const Status error = state.error();
  if (error.ok()) return false;
  failed_ = true;
  handlers_.post([error = WithContext(error, fmt::format("cannot take a checkpoint of state '{}'", state.name()))] {
    return error;
  });
  return true;
}

void TaskCheckpoints::Write(StateEntryWriter& entries, std::shared_ptr<File>& file, const std::string& what,
                            size_t state) {
  if (entries.entries() == 0) return;
  const uint64_t count = entries.entries();
  const uint64_t key_bytes = entries.key_bytes();
  Write({entries.Take(buffers_->Take()), count, key_bytes}, file, what, state);
}

void TaskCheckpoints::Write(Content content, std::shared_ptr<File>& file, const std::string& what, size_t state) {
  if (file == nullptr) {
    file = std::make_shared<File>(options_, fmt::format("{}/{}{}", kSharedFolder, what, FileSuffix(options_)));
  }
  unwritten_bytes_->fetch_add(content.bytes.size(), std::memory_order_relaxed);
  options_.io->Post([file, state, content = std::move(content), unwritten = unwritten_bytes_, buffers = buffers_,
                     post = handlers_.post]() mutable {
    file->Append(state, content);
    const size_t written = content.bytes.size();
    buffers->Release(std::move(content.bytes));
    const uint64_t before = unwritten->fetch_sub(written, std::memory_order_relaxed);
    // The task may have stopped encoding because of it.
    if (before > kMostUnwrittenBytes && before - written <= kMostUnwrittenBytes) {
      post([] { return OkStatus(); });
    }
  });
}

void TaskCheckpoints::FinishFile(std::shared_ptr<File> file, std::vector<std::function<Status()>> first,
                                 std::function<void(StatusOr<std::vector<Written>>)> then) {
  // Also without a file: what is written is told in the order of the checkpoints.
  options_.io->Post([alive = alive_, file = std::move(file), first = std::move(first), then = std::move(then),
                     post = handlers_.post] {
    StatusOr<std::vector<Written>> written = file == nullptr ? std::vector<Written>() : file->Finish();
    Status lost;
    for (const auto& before : first) {
      if (Status done = before(); !done.ok() && lost.ok()) lost = std::move(done);
    }
    if (!lost.ok()) written = lost;
    post([alive, then, written = std::move(written), lost]() mutable {
      if (!*alive) return OkStatus();
      then(std::move(written));
      // It cannot be made good by a later checkpoint, as state can: only a new attempt writes it again.
      return lost;
    });
  });
}

void TaskCheckpoints::OnDeltaWritten(Checkpoint checkpoint, StatusOr<std::vector<Written>> written) {
  --writing_;
  if (!written.ok()) {
    ++lost_deltas_;
    Decline(checkpoint.id, std::string(StatusMessage(written.status())));
    MaybeBeginBase();
    return;
  }
  for (Chain& chain : chains_) {
    if (chain.state->incremental()) continue;
    chain.segments.clear();
    chain.deltas.clear();
  }
  // The first delta of a chain has all of the state, and so is its base.
  std::vector<bool> is_base;
  for (const Chain& chain : chains_) is_base.push_back(chain.state->incremental() && chain.segments.empty());
  std::vector<bool> replaced(chains_.size());
  for (Written& one : *written) {
    files_.OnWritten(one.segment.file());
    if (one.state >= chains_.size()) {
      *checkpoint.in_flight[one.state - chains_.size()].snapshot.add_segments() = std::move(one.segment);
      continue;
    }
    Chain& chain = chains_[one.state];
    if (is_base[one.state]) {
      chain.base_bytes += one.segment.length();
    } else {
      if (!replaced[one.state]) chain.deltas.emplace_back();
      replaced[one.state] = true;
      Run& run = chain.deltas.back();
      ++run.segments;
      run.bytes += one.segment.length();
      run.index_bytes += SegmentMerge::IndexBytes(one.segment.entries(), one.key_bytes);
      chain.delta_bytes += one.segment.length();
    }
    bytes_since_cut_ += one.segment.length();
    chain.segments.push_back(std::move(one.segment));
  }
  if (broken()) {
    Decline(checkpoint.id, "a part of the state could not be written earlier and is being written anew");
  } else if (!checkpoint.in_flight_lost && !files_.decided(checkpoint.id)) {
    std::set<std::string> files = FilesOfChains();
    for (const InFlight& one : checkpoint.in_flight) {
      for (const proto::StateSegment& segment : one.snapshot.segments()) files.insert(segment.file());
    }
    files_.OnAcknowledged(checkpoint.id, std::move(files));
    Acknowledge(checkpoint);
  }
  RemoveUnusedFiles();
  MaybeBeginBase();
  MaybeBeginWriteBack();
  MaybeRequestSnapshot();
}

void TaskCheckpoints::Acknowledge(const Checkpoint& checkpoint) {
  proto::CheckpointReport report = NewReport(checkpoint.id, proto::CheckpointReport::ACKNOWLEDGE);
  for (const std::string& id : operator_ids_) {
    proto::SubtaskOperatorSnapshot& op = *report.add_operators();
    op.set_operator_id(id);
    op.mutable_snapshot()->set_subtask(options_.subtask);
    op.mutable_snapshot()->set_finished(ended_);
  }
  int64_t state_bytes = 0;
  for (const Chain& chain : chains_) {
    proto::StateSnapshot& snapshot =
        *report.mutable_operators(static_cast<int>(chain.node))->mutable_snapshot()->add_states();
    snapshot.set_name(chain.state->name());
    snapshot.set_distribution(static_cast<proto::StateDistribution>(chain.state->distribution()));
    snapshot.set_schema(chain.state->schema());
    snapshot.mutable_segments()->Assign(chain.segments.begin(), chain.segments.end());
    state_bytes += BytesOf(chain.segments);
  }
  for (const InFlight& one : checkpoint.in_flight) {
    *report.mutable_operators(static_cast<int>(one.node))->mutable_snapshot()->add_states() = one.snapshot;
  }
  state_bytes += static_cast<int64_t>(checkpoint.in_flight_bytes);
  report.set_in_flight_bytes(static_cast<int64_t>(checkpoint.in_flight_bytes));
  report.set_state_bytes(state_bytes);
  report.set_written_bytes(static_cast<int64_t>(checkpoint.bytes));
  report.set_alignment_ms(checkpoint.alignment_ms);
  report.set_duration_ms(std::max<int64_t>(0, options_.clock->NowMs() - checkpoint.trigger_ms));
  handlers_.report(std::move(report));
}

void TaskCheckpoints::Decline(int64_t checkpoint_id, std::string reason) {
  proto::CheckpointReport report = NewReport(checkpoint_id, proto::CheckpointReport::DECLINE);
  report.set_reason(std::move(reason));
  handlers_.report(std::move(report));
}

void TaskCheckpoints::ReportEnd(bool awaits_commit) {
  ended_ = true;
  if (options_.snapshots != nullptr) options_.snapshots->Leave(*this);
  proto::CheckpointReport report = NewReport(0, proto::CheckpointReport::ENDED);
  report.set_awaits_commit(awaits_commit);
  handlers_.report(std::move(report));
}

proto::CheckpointReport TaskCheckpoints::NewReport(int64_t checkpoint_id, proto::CheckpointReport::Kind kind) const {
  proto::CheckpointReport report;
  report.set_checkpoint_id(checkpoint_id);
  report.set_kind(kind);
  report.set_vertex(options_.vertex);
  report.set_subtask(options_.subtask);
  return report;
}

// ---- bases ----

// While no checkpoint is under way, so that no delta is half within the base and half after it.
void TaskCheckpoints::MaybeBeginBase() {
  if (base_running_ || merging_ || writing_back_ || encoding_ || writing_ > 0 || checkpoint_.id != 0) return;
  const bool worth = broken() || std::any_of(chains_.begin(), chains_.end(), [](const Chain& chain) {
                       return chain.state->incremental() &&
                              (chain.delta_bytes > std::max(chain.base_bytes, kSmallestBaseBytes) ||
                               (chain.deltas.size() > kMostDeltas && MergeableRuns(chain) < kFewestMerged));
                     });
  if (!worth) {
    const auto many = std::find_if(chains_.begin(), chains_.end(),
                                   [](const Chain& chain) { return chain.deltas.size() > kMostDeltas; });
    if (many != chains_.end()) BeginMerge(static_cast<size_t>(many - chains_.begin()), MergeableRuns(*many));
    return;
  }
  base_running_ = base_encoding_ = true;
  next_base_ = 0;
  lost_before_base_ = lost_deltas_;
  ++bases_;
  for (Chain& chain : chains_) {
    if (!chain.state->incremental()) continue;
    chain.superseded = chain.segments.size();
    chain.delta_bytes = 0;
    chain.deltas.clear();
    chain.state->BeginBase();
  }
}

bool TaskCheckpoints::EncodeBaseSlice() {
  for (size_t encoded = 0; next_base_ < chains_.size();) {
    if (encoded >= kSliceBytes) return true;
    CheckpointedState& state = *chains_[next_base_].state;
    const size_t before = base_.bytes();
    MakeRoom(base_);
    const bool done = !state.incremental() || state.EncodeBase(base_, kSliceBytes);
    encoded += base_.bytes() - before;
    if (done || base_.bytes() >= kSegmentBytes) {
      Write(base_, base_file_, fmt::format("{}-base{}", options_.attempt, bases_), next_base_);
    }
    if (!done) return !Fails(state) && !state.waits();
    ++next_base_;
  }
  base_encoding_ = false;
  FinishFile(std::exchange(base_file_, nullptr), {},
             [this](StatusOr<std::vector<Written>> written) { OnBaseWritten(std::move(written)); });
  return true;
}

void TaskCheckpoints::OnBaseWritten(StatusOr<std::vector<Written>> written) {
  base_running_ = false;
  base_since_cut_ |= written.ok();
  if (!written.ok()) {
    // The old chains hold as well as before; it is tried again after the next checkpoint.
    EAGRE_LOG_WARN("cannot write a base of the state of subtask {}: {}", options_.subtask,
                   StatusMessage(written.status()));
    for (Chain& chain : chains_) {
      chain.superseded = 0;
      if (chain.state->incremental()) WantBase(chain);
    }
    return MaybeBeginWriteBack();
  }
  for (Chain& chain : chains_) {
    if (!chain.state->incremental()) continue;
    chain.segments.erase(chain.segments.begin(), chain.segments.begin() + static_cast<ptrdiff_t>(chain.superseded));
    chain.superseded = 0;
    chain.base_bytes = 0;
  }
  std::vector<std::vector<proto::StateSegment>> bases(chains_.size());
  for (Written& one : *written) {
    chains_[one.state].base_bytes += one.segment.length();
    files_.OnWritten(one.segment.file());
    bases[one.state].push_back(std::move(one.segment));
  }
  for (size_t i = 0; i < chains_.size(); ++i) {
    chains_[i].segments.insert(chains_[i].segments.begin(), bases[i].begin(), bases[i].end());
  }
  healed_deltas_ = lost_before_base_;
  RemoveUnusedFiles();
  MaybeBeginWriteBack();
  MaybeRequestSnapshot();
}

// ---- merges ----

// Whatever its deltas are.
void TaskCheckpoints::WantBase(Chain& chain) {
  chain.delta_bytes = std::max(chain.delta_bytes, std::max(chain.base_bytes, kSmallestBaseBytes) + 1);
}

// How many of the newest deltas are to become one: those that are not much larger than the ones after them together, so
// that nothing is merged often.
size_t TaskCheckpoints::MergeableRuns(const Chain& chain) {
  uint64_t bytes = 0;
  uint64_t index_bytes = 0;
  size_t runs = 0;
  for (auto run = chain.deltas.rbegin(); run != chain.deltas.rend(); ++run, ++runs) {
    index_bytes += run->index_bytes;
    if (index_bytes > SegmentMerge::kMostIndexBytes || (runs >= kFewestMerged && run->bytes > 2 * bytes)) break;
    bytes += run->bytes;
  }
  return runs;
}

void TaskCheckpoints::BeginMerge(size_t index, size_t runs) {
  merging_ = true;
  const Chain& chain = chains_[index];
  Merge::Place place{.chain = index, .first_run = chain.deltas.size() - runs, .runs = runs};
  for (size_t i = place.first_run; i < chain.deltas.size(); ++i) place.segments += chain.deltas[i].segments;
  place.first_segment = chain.segments.size() - place.segments;
  ++bases_;
  const auto merge = std::make_shared<Merge>(
      options_, place,
      std::vector(chain.segments.begin() + static_cast<ptrdiff_t>(place.first_segment), chain.segments.end()),
      fmt::format("{}/{}-base{}{}", kSharedFolder, options_.attempt, bases_, FileSuffix(options_)));
  merge->Post(*options_.io,
              [this, merge, alive = alive_, post = handlers_.post](StatusOr<std::vector<Written>> written) {
                post([this, merge, alive, written = std::move(written)]() mutable {
                  if (*alive) OnMerged(*merge, std::move(written));
                  return OkStatus();
                });
              });
}

// Deltas may have come behind those that were merged.
void TaskCheckpoints::OnMerged(const Merge& merge, StatusOr<std::vector<Written>> written) {
  merging_ = false;
  const Merge::Place& place = merge.place;
  Chain& chain = chains_[place.chain];
  if (!written.ok()) {
    EAGRE_LOG_WARN("cannot merge changes of the state of subtask {}: {}", options_.subtask,
                   StatusMessage(written.status()));
    // A base makes good for it.
    WantBase(chain);
    return MaybeBeginWriteBack();
  }
  Run merged;
  std::vector<proto::StateSegment> segments;
  for (Written& one : *written) {
    ++merged.segments;
    merged.bytes += one.segment.length();
    merged.index_bytes += SegmentMerge::IndexBytes(one.segment.entries(), one.key_bytes);
    files_.OnWritten(one.segment.file());
    segments.push_back(std::move(one.segment));
  }
  const auto first_run = chain.deltas.begin() + static_cast<ptrdiff_t>(place.first_run);
  for (size_t i = 0; i < place.runs; ++i) chain.delta_bytes -= first_run[static_cast<ptrdiff_t>(i)].bytes;
  chain.delta_bytes += merged.bytes;
  *first_run = merged;
  chain.deltas.erase(first_run + 1, first_run + static_cast<ptrdiff_t>(place.runs));
  const auto first = chain.segments.begin() + static_cast<ptrdiff_t>(place.first_segment);
  chain.segments.insert(chain.segments.erase(first, first + static_cast<ptrdiff_t>(place.segments)), segments.begin(),
                        segments.end());
  // A snapshot stands for a beginning of the chain.
  base_since_cut_ |= place.first_segment < chain.cut.size();
  RemoveUnusedFiles();
  MaybeBeginWriteBack();
  MaybeRequestSnapshot();
}

// ---- files and snapshots ----

std::set<std::string> TaskCheckpoints::FilesOfChains() const {
  std::set<std::string> files;
  for (const Chain& chain : chains_) {
    for (const proto::StateSegment& segment : chain.segments) files.insert(segment.file());
  }
  return files;
}

void TaskCheckpoints::OnComplete(int64_t checkpoint_id) {
  if (options_.snapshots != nullptr) options_.snapshots->OnCheckpointComplete(checkpoint_id);
  files_.OnComplete(checkpoint_id);
  RemoveUnusedFiles();
}

void TaskCheckpoints::OnAborted(int64_t checkpoint_id, bool may_be_complete) {
  if (may_be_complete) return;
  files_.OnAborted(checkpoint_id);
  RemoveUnusedFiles();
}

void TaskCheckpoints::MaybeRequestSnapshot() {
  if (options_.snapshots == nullptr || ended_) return;
  uint64_t bytes = 0;
  for (const Chain& chain : chains_) {
    if (chain.state->store_part()) bytes += chain.base_bytes + chain.delta_bytes;
  }
  if (bytes < options_.smallest_snapshot_bytes) return;
  if (base_since_cut_ || bytes_since_cut_ > options_.most_snapshot_delta_bytes) options_.snapshots->Request();
}

void TaskCheckpoints::OnWanted() {
  snapshot_wanted_ = true;
  MaybeBeginWriteBack();
}

// Like a base.
void TaskCheckpoints::MaybeBeginWriteBack() {
  if (!snapshot_wanted_ || base_running_ || merging_ || encoding_ || writing_ > 0 || checkpoint_.id != 0) return;
  snapshot_wanted_ = false;
  writing_back_ = true;
  next_write_back_ = 0;
  base_since_cut_ = false;
  bytes_since_cut_ = 0;
  for (Chain& chain : chains_) {
    chain.cut = chain.segments;
    chain.state->BeginWriteBack();
  }
}

bool TaskCheckpoints::WriteBackSlice() {
  if (next_write_back_ < chains_.size()) {
    CheckpointedState& state = *chains_[next_write_back_].state;
    if (!state.WriteBack()) return !Fails(state) && !state.waits();
    ++next_write_back_;
    return true;
  }
  writing_back_ = false;
  options_.snapshots->OnWrittenBack(*this);
  MaybeBeginBase();
  return true;
}

void TaskCheckpoints::Describe(proto::LocalSnapshot& snapshot) {
  snapshot.set_valid_from(std::max(snapshot.valid_from(), newest_begun_ + 1));
  for (const Chain& chain : chains_) {
    const std::optional<CheckpointedState::StorePart> part = chain.state->store_part();
    if (!part) continue;
    proto::LocalSnapshotState& out = *snapshot.add_states();
    out.set_operator_id(operator_ids_[chain.node]);
    out.set_subtask(options_.subtask);
    out.set_name(chain.state->name());
    out.set_store(part->store);
    out.set_epoch(part->epoch);
    out.set_entries(part->entries);
    out.mutable_covered()->Assign(chain.cut.begin(), chain.cut.end());
  }
}

}  // namespace eagre
