// The oracle of checkpoints: whatever a task acknowledged restores to exactly what its states held at the barrier, at
// the same parallelism and at others, through deltas, bases and disks that fail for a while.
#include "runtime/task_checkpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "runtime/key_groups.h"
#include "tests/testing/manual_executor.h"
#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

constexpr int kMaxParallelism = 16;
using Model = std::map<uint64_t, std::string>;

// A keyed state as simple as can be: dirty keys by epoch, encoded before they change again.
class MapState : public CheckpointedState {
 public:
  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  std::string schema() const override { return "string"; }
  bool incremental() const override { return true; }

  void Put(uint64_t key, std::string value) {
    BeforeChange(key);
    values_[key] = std::move(value);
  }
  void Erase(uint64_t key) {
    BeforeChange(key);
    values_.erase(key);
  }
  const Model& values() const { return values_; }
  size_t key_bytes = 0;  // that keys are longer than need be

  void Seal() override {
    EXPECT_TRUE(sealed_.empty() && early_.entries() == 0) << "sealed twice";
    sealed_.swap(dirty_);
  }
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override {
    out.Append(early_);
    const size_t until = out.bytes() + max_bytes;
    while (!sealed_.empty() && out.bytes() < until) {
      Encode(*sealed_.begin(), out);
      sealed_.erase(sealed_.begin());
    }
    return sealed_.empty();
  }
  void BeginBase() override {
    base_.clear();
    for (const auto& [key, value] : values_) base_.insert(key);
  }
  bool EncodeBase(StateEntryWriter& out, size_t max_bytes) override {
    const size_t until = out.bytes() + max_bytes;
    while (!base_.empty() && out.bytes() < until) {
      if (values_.contains(*base_.begin())) Encode(*base_.begin(), out);
      base_.erase(base_.begin());
    }
    return base_.empty();
  }
  Status Restore(const StateEntry& entry) override {
    if (entry.erased) {
      values_.erase(entry.hash);
    } else {
      values_[entry.hash] = std::string(entry.value);
    }
    return OkStatus();
  }
  Status FinishRestore(bool inherited) override {
    if (!inherited) {
      for (const auto& [key, value] : values_) dirty_.insert(key);
    }
    return OkStatus();
  }

 private:
  void BeforeChange(uint64_t key) {
    if (sealed_.erase(key) > 0) Encode(key, early_);
    dirty_.insert(key);
  }
  void Encode(uint64_t key, StateEntryWriter& out) {
    ByteWriter& encoded = out.BeginKey(key);
    encoded.Fixed(key);
    encoded.Raw(std::string(key_bytes, 'k'));
    const auto found = values_.find(key);
    if (found == values_.end()) return out.EndErased();
    out.BeginValue().Raw(found->second);
    out.End();
  }

  const std::string name_ = "map";
  Model values_;
  std::set<uint64_t> dirty_, sealed_, base_;
  StateEntryWriter early_;
};

// Of which no slice ever comes to an end.
struct EncodesNothing : CheckpointedState {
  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  std::string schema() const override { return "int64"; }
  bool incremental() const override { return true; }
  void Seal() override {}
  bool EncodeSealed(StateEntryWriter&, size_t) override { return false; }
  Status Restore(const StateEntry&) override { return OkStatus(); }

 private:
  const std::string name_ = "counts";
};

// One subtask: its states, and what of them was acknowledged.
struct Subtask {
  Subtask(const std::string& directory, ManualExecutor& io, int attempt, int subtask,
          FileSystem& files = PosixFileSystem(), const std::string& local_directory = "")
      : position(WholeState::Functions{.encode =
                                           [this](StateEntryWriter& out) {
                                             out.BeginKey(0).Raw("position");
                                             out.BeginValue().Fixed(read);
                                             out.End();
                                           },
                                       .restore =
                                           [this](const StateEntry& entry) {
                                             ByteReader in(entry.value);
                                             return in.Fixed(read) ? OkStatus() : DataLoss("position");
                                           }}),
        whole("position", StateDistribution::kSplit, "int64", position),
        checkpoints({.files = &files,
                     .io = &io,
                     .clock = &io.clock(),
                     .directory = directory,
                     .local_directory = local_directory,
                     .attempt = attempt,
                     .vertex = 3,
                     .subtask = subtask},
                    {.post = [this](std::function<Status()> mail) { mails.push_back(std::move(mail)); },
                     .report = [this](proto::CheckpointReport report) { reports.push_back(std::move(report)); }}) {
    checkpoints.AddOperator("op", {&map, &whole});
  }

  void RunMail() {
    while (!mails.empty()) {
      auto running = std::exchange(mails, {});
      for (auto& mail : running) EXPECT_TRUE(mail().ok());
    }
  }

  MapState map;
  int64_t read = 0;
  WholeState::Functions position;
  WholeState whole;
  std::vector<std::function<Status()>> mails;
  std::vector<proto::CheckpointReport> reports;
  TaskCheckpoints checkpoints;
};

class TaskCheckpointsTest : public testing::TestWithParam<uint64_t> {
 protected:
  TaskCheckpointsTest() : random_(GetParam()) {}

  void BreakDisk() {
    std::filesystem::rename(directory_ + "/shared", directory_ + "/kept");
    ASSERT_TRUE(PosixFileSystem().WriteFile(directory_ + "/shared", "").ok());
  }
  void MendDisk() {
    std::filesystem::remove(directory_ + "/shared");
    std::filesystem::rename(directory_ + "/kept", directory_ + "/shared");
  }

  void Change(Subtask& subtask) {
    const uint64_t key = random_.Below(200);
    if (random_.Below(4) == 0) {
      subtask.map.Erase(key);
    } else {
      subtask.map.Put(key, std::string(random_.Below(3) == 0 ? 9'000 : 20, static_cast<char>('a' + random_.Below(26))));
    }
    ++subtask.read;
  }

  void Seal(Subtask& subtask, int64_t id) {
    subtask.checkpoints.Begin(id, io_.now_ms(), 0);
    subtask.checkpoints.Seal(0);
    subtask.checkpoints.AllSealed();
  }

  // Until nothing is left to do, for the task or in the background.
  void RunAll(Subtask& subtask) {
    do {
      while (subtask.checkpoints.Step()) {
      }
      io_.RunReady();
      subtask.RunMail();
    } while (subtask.checkpoints.Step());
  }

  // How many there are, and their bytes.
  static std::pair<int, int64_t> FilesIn(const std::string& directory) {
    std::pair<int, int64_t> found;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      ++found.first;
      found.second += static_cast<int64_t>(file.file_size());
    }
    return found;
  }

  proto::CheckpointMetadata MetadataOf(const std::vector<const proto::CheckpointReport*>& reports) {
    proto::CheckpointMetadata metadata;
    metadata.set_files_root("..");
    proto::OperatorSnapshot& op = *metadata.add_operators();
    op.set_operator_id("op");
    op.set_name("map");
    op.set_parallelism(static_cast<int>(reports.size()));
    op.set_max_parallelism(kMaxParallelism);
    for (const proto::CheckpointReport* report : reports) *op.add_subtasks() = report->operators(0).snapshot();
    return metadata;
  }

  // Restores at `parallelism` and gives what all subtasks have together.
  Model Restored(const proto::CheckpointMetadata& metadata, int parallelism) {
    const RestorePlan plan(PosixFileSystem(), directory_ + "/chk-1", directory_, metadata);
    Model all;
    for (int i = 0; i < parallelism; ++i) {
      Subtask subtask(directory_, io_, 99, i);
      const Status status = subtask.checkpoints.Restore(
          &plan, {.subtask = i, .parallelism = parallelism, .max_parallelism = kMaxParallelism});
      EXPECT_TRUE(status.ok()) << status;
      for (const auto& [key, value] : subtask.map.values()) {
        EXPECT_TRUE(all.emplace(key, value).second) << "key " << key << " is in two subtasks";
        if (parallelism > 1) {
          EXPECT_EQ(SubtaskOfKeyGroup(KeyGroupOf(key, kMaxParallelism), parallelism, kMaxParallelism), i);
        }
      }
    }
    return all;
  }

  SeededRandom random_;
  ManualExecutor io_;
  const TemporaryFolder folder_{"task_checkpoints"};
  const std::string directory_ = folder_.path();
};

TEST_P(TaskCheckpointsTest, WhatIsAcknowledgedIsWhatWasThereAtTheBarrier) {
  Subtask subtask(directory_, io_, 0, 0);
  std::map<int64_t, std::pair<Model, int64_t>> at_barrier;
  int64_t id = 0;
  bool broken = false;
  bool wrote = false;
  int acknowledged = 0;
  int declined = 0;
  for (int step = 0; step < 4'000; ++step) {
    switch (random_.Below(20)) {
      case 0:
        if (!subtask.checkpoints.sealing()) {
          Seal(subtask, ++id);
          at_barrier[id] = {subtask.map.values(), subtask.read};
          wrote = true;
        }
        break;
      case 1: io_.RunReady(); break;
      case 2: subtask.RunMail(); break;
      case 3:
        if (wrote && !broken && random_.Below(8) == 0 && std::filesystem::exists(directory_ + "/shared")) {
          BreakDisk();
          broken = true;
        } else if (broken && random_.Below(3) == 0) {
          io_.RunReady();
          MendDisk();
          broken = false;
        }
        break;
      case 4:
      case 5: subtask.checkpoints.Step(); break;
      default: Change(subtask);
    }
    for (const proto::CheckpointReport& report : std::exchange(subtask.reports, {})) {
      if (report.kind() == proto::CheckpointReport::DECLINE) {
        EXPECT_NE(report.reason(), "");
        ++declined;
        continue;
      }
      ASSERT_EQ(report.kind(), proto::CheckpointReport::ACKNOWLEDGE);
      if (broken) continue;  // the files are out of reach now
      ++acknowledged;
      const auto& [model, read] = at_barrier.at(report.checkpoint_id());
      const proto::CheckpointMetadata metadata = MetadataOf({&report});
      ASSERT_TRUE(Restored(metadata, 1) == model) << "checkpoint " << report.checkpoint_id();
      if (acknowledged % 5 == 0) {
        ASSERT_TRUE(Restored(metadata, 3) == model) << "checkpoint " << report.checkpoint_id();
      }
    }
  }
  EXPECT_GT(acknowledged, 10);
  EXPECT_GT(declined, 0) << "the disk never failed: the test tests less than it says";
}

TEST_P(TaskCheckpointsTest, ACheckpointWritesWhatChangedAndBasesKeepChainsShort) {
  Subtask subtask(directory_, io_, 0, 0);
  for (uint64_t key = 0; key < 2'000; ++key) subtask.map.Put(key, std::string(100, 'x'));
  int64_t first_bytes = 0;
  for (int64_t id = 1; id <= 60; ++id) {
    subtask.map.Put(random_.Below(2'000), "changed");
    Seal(subtask, id);
    RunAll(subtask);
    ASSERT_EQ(subtask.reports.size(), 1u);
    const proto::CheckpointReport& report = subtask.reports[0];
    if (id == 1) {
      first_bytes = report.written_bytes();
    } else {
      EXPECT_LT(report.written_bytes(), first_bytes / 100) << "one key of two thousand changed";
    }
    EXPECT_LE(report.operators(0).snapshot().states(0).segments_size(), 32);
    EXPECT_TRUE(Restored(MetadataOf({&report}), 1) == subtask.map.values());
    subtask.reports.clear();
  }
}

// However large the state is and however often a checkpoint is taken.
TEST_P(TaskCheckpointsTest, WhatIsWrittenInAllFollowsFromWhatChanges) {
  constexpr uint64_t kKeys = 6'000;
  constexpr int64_t kCheckpoints = 200;
  constexpr size_t kValueBytes = 1'000;
  constexpr int kChanges = 5;
  Subtask subtask(directory_, io_, 0, 0);
  for (uint64_t key = 0; key < kKeys; ++key) subtask.map.Put(key, std::string(kValueBytes, 'x'));
  uint64_t of_state = 0;
  for (int64_t id = 1; id <= kCheckpoints; ++id) {
    for (int i = 0; i < kChanges; ++i) {
      const uint64_t key = random_.Below(50);
      if (random_.Below(5) == 0) {
        subtask.map.Erase(key);
      } else {
        subtask.map.Put(key, std::string(kValueBytes, static_cast<char>('a' + random_.Below(26))));
      }
    }
    Seal(subtask, id);
    RunAll(subtask);
    ASSERT_EQ(subtask.reports.size(), 1u);
    const proto::CheckpointReport report = std::exchange(subtask.reports, {})[0];
    ASSERT_LE(report.operators(0).snapshot().states(0).segments_size(), 40);
    if (id % 10 == 0) {
      ASSERT_TRUE(Restored(MetadataOf({&report}), 1) == subtask.map.values());
    }
    if (id == 1) of_state = static_cast<uint64_t>(report.written_bytes());
  }
  uint64_t written = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory_ + "/shared")) written += file.file_size();
  EXPECT_LT(written, of_state + 2 * kCheckpoints * kChanges * (kValueBytes + 100));
}

// A checkpoint that was aborted while its part was being written, and one after it in which nothing changed.
TEST_P(TaskCheckpointsTest, ACheckpointWithoutChangesWaitsForWhatIsStillBeingWritten) {
  MapState map;
  std::vector<std::function<Status()>> mails;
  std::vector<proto::CheckpointReport> reports;
  TaskCheckpoints checkpoints(
      {.files = &PosixFileSystem(), .io = &io_, .clock = &io_.clock(), .directory = directory_},
      {.post = [&](std::function<Status()> mail) { mails.push_back(std::move(mail)); },
       .report = [&](proto::CheckpointReport report) { reports.push_back(std::move(report)); }});
  checkpoints.AddOperator("op", {&map});
  map.Put(1, "value");
  for (const int64_t id : {1, 2}) {
    checkpoints.Begin(id, io_.now_ms(), 0);
    checkpoints.Seal(0);
    checkpoints.AllSealed();
    while (checkpoints.Step()) {
    }
  }
  EXPECT_TRUE(reports.empty()) << "acknowledged before it was written";
  io_.RunReady();
  for (auto& mail : mails) ASSERT_TRUE(mail().ok());
  ASSERT_EQ(reports.size(), 2u);
  for (const proto::CheckpointReport& report : reports) {
    EXPECT_EQ(report.operators(0).snapshot().states(0).segments_size(), 1) << report.checkpoint_id();
  }
}

// A sink's files, say, that could not be synced: what they held may be lost, so no later checkpoint can have it either.
TEST_P(TaskCheckpointsTest, WhatAnOperatorCouldNotMakeDurableFailsItsTask) {
  WholeState files("files", StateDistribution::kSplit, "name",
                   {.encode = [](StateEntryWriter&) {},
                    .restore = [](const StateEntry&) { return OkStatus(); },
                    .before_acknowledge = [] { return [] { return Unavailable("cannot sync a file"); }; }});
  std::vector<std::function<Status()>> mails;
  std::vector<proto::CheckpointReport> reports;
  TaskCheckpoints checkpoints(
      {.files = &PosixFileSystem(), .io = &io_, .clock = &io_.clock(), .directory = directory_},
      {.post = [&](std::function<Status()> mail) { mails.push_back(std::move(mail)); },
       .report = [&](proto::CheckpointReport report) { reports.push_back(std::move(report)); }});
  checkpoints.AddOperator("op", {&files});
  checkpoints.Begin(1, io_.now_ms(), 0);
  checkpoints.Seal(0);
  checkpoints.AllSealed();
  while (checkpoints.Step()) {
  }
  io_.RunReady();
  ASSERT_EQ(mails.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(mails[0]()));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind(), proto::CheckpointReport::DECLINE);
}

// Its store is damaged, say: what it has cannot be stored any more.
TEST_P(TaskCheckpointsTest, AStateThatCannotBeEncodedFailsItsTaskWithItsReason) {
  struct Damaged final : EncodesNothing {
    Status error() const override { return DataLoss("RocksDB found its files damaged"); }
  } state;
  std::vector<std::function<Status()>> mails;
  TaskCheckpoints checkpoints({.files = &PosixFileSystem(), .io = &io_, .clock = &io_.clock(), .directory = directory_},
                              {.post = [&](std::function<Status()> mail) { mails.push_back(std::move(mail)); },
                               .report = [](const proto::CheckpointReport&) {}});
  checkpoints.AddOperator("op", {&state});
  checkpoints.Begin(1, io_.now_ms(), 0);
  checkpoints.Seal(0);
  checkpoints.AllSealed();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(checkpoints.Step());
  ASSERT_EQ(mails.size(), 1u);
  const Status failure = mails[0]();
  EXPECT_EQ(failure.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(StatusMessage(failure), "cannot take a checkpoint of state 'counts': RocksDB found its files damaged");
}

TEST_P(TaskCheckpointsTest, ABaseThatWaitsForItsStoreIsNotAskedAgainAndAgain) {
  struct Waiting final : MapState {
    bool EncodeBase(StateEntryWriter& out, size_t max_bytes) override {
      ++asked;
      return !waiting && MapState::EncodeBase(out, max_bytes);
    }
    bool waits() const override { return waiting; }
    bool waiting = true;
    int asked = 0;
  } state;
  TaskCheckpoints checkpoints({.files = &PosixFileSystem(), .io = &io_, .clock = &io_.clock(), .directory = directory_},
                              {.post = [](const std::function<Status()>& mail) { EXPECT_TRUE(mail().ok()); },
                               .report = [](const proto::CheckpointReport&) {}});
  checkpoints.AddOperator("op", {&state});
  for (int64_t id = 1; id <= 2; ++id) {
    state.Put(static_cast<uint64_t>(id), std::string(static_cast<size_t>(id) * 5'000'000, 'x'));
    checkpoints.Begin(id, io_.now_ms(), 0);
    checkpoints.Seal(0);
    checkpoints.AllSealed();
    while (checkpoints.Step()) {
    }
    io_.RunReady();
  }
  EXPECT_FALSE(checkpoints.Step());
  EXPECT_FALSE(checkpoints.Step());
  EXPECT_EQ(state.asked, 2);
  state.waiting = false;
  EXPECT_TRUE(checkpoints.Step());
}

// The disk fails just while a base is written.
TEST_P(TaskCheckpointsTest, ABaseThatCouldNotBeWrittenIsTriedAgainAfterTheNextCheckpoint) {
  Subtask subtask(directory_, io_, 0, 0);
  const auto change_all = [&](char value) {
    for (uint64_t key = 0; key < 50; ++key) subtask.map.Put(key, std::string(100'000, value));
  };
  change_all('a');
  Seal(subtask, 1);
  RunAll(subtask);
  change_all('b');
  Seal(subtask, 2);
  RunAll(subtask);
  change_all('c');
  Seal(subtask, 3);
  while (subtask.checkpoints.Step()) {
  }
  io_.RunReady();
  BreakDisk();
  RunAll(subtask);
  MendDisk();
  ASSERT_EQ(subtask.reports.size(), 3u);
  subtask.map.Put(1, "changed");
  Seal(subtask, 4);
  RunAll(subtask);
  subtask.map.Put(1, "again");
  Seal(subtask, 5);
  RunAll(subtask);
  ASSERT_EQ(subtask.reports.size(), 5u);
  const proto::CheckpointReport& report = subtask.reports[4];
  ASSERT_EQ(report.kind(), proto::CheckpointReport::ACKNOWLEDGE);
  EXPECT_THAT(report.operators(0).snapshot().states(0).segments(0).file(), testing::HasSubstr("-base"));
  EXPECT_TRUE(Restored(MetadataOf({&report}), 1) == subtask.map.values());
}

TEST_P(TaskCheckpointsTest, ARestoredSubtaskGoesOnWithItsChainAndARescaledOneBeginsANewOne) {
  Subtask subtask(directory_, io_, 0, 0);
  for (int i = 0; i < 500; ++i) Change(subtask);
  const auto take = [this](Subtask& of, int64_t id) {
    Seal(of, id);
    while (of.checkpoints.Step()) {
    }
    io_.RunReady();
    of.RunMail();
    EXPECT_EQ(of.reports.size(), 1u);
    return std::exchange(of.reports, {})[0];
  };
  const proto::CheckpointReport first = take(subtask, 1);
  const RestorePlan plan(PosixFileSystem(), directory_ + "/chk-1", directory_, MetadataOf({&first}));

  Subtask same(directory_, io_, 1, 0);
  ASSERT_TRUE(
      same.checkpoints.Restore(&plan, {.subtask = 0, .parallelism = 1, .max_parallelism = kMaxParallelism}).ok());
  EXPECT_EQ(same.read, subtask.read);
  same.map.Put(1, "changed");
  const proto::CheckpointReport second = take(same, 2);
  EXPECT_LT(second.written_bytes(), 200) << "what was restored is not written again";
  EXPECT_TRUE(Restored(MetadataOf({&second}), 1) == same.map.values());

  Subtask half(directory_, io_, 2, 1);
  ASSERT_TRUE(
      half.checkpoints.Restore(&plan, {.subtask = 1, .parallelism = 2, .max_parallelism = kMaxParallelism}).ok());
  const proto::CheckpointReport third = take(half, 3);
  for (const auto& segment : third.operators(0).snapshot().states(0).segments()) {
    EXPECT_EQ(segment.file().rfind("shared/2-", 0), 0u) << "a chain of another division: " << segment.file();
  }
}

// However many are aborted before one is complete.
TEST_P(TaskCheckpointsTest, WhatAbortedCheckpointsHadAloneIsRemovedWhileNoneCompletes) {
  constexpr uint64_t kKeys = 2'000;
  Subtask subtask(directory_, io_, 0, 0);
  for (uint64_t key = 0; key < kKeys; ++key) subtask.map.Put(key, std::string(1'000, 'x'));
  int64_t of_state = 0;
  proto::CheckpointReport report;
  for (int64_t id = 1; id <= 400; ++id) {
    for (int i = 0; i < 20; ++i) subtask.map.Put(random_.Below(kKeys), std::string(1'000, 'y'));
    ++subtask.read;
    Seal(subtask, id);
    // Every other time the news comes before the part is written.
    if (id % 2 == 0) subtask.checkpoints.OnAborted(id, /*may_be_complete=*/false);
    RunAll(subtask);
    if (id % 2 == 0) {
      EXPECT_TRUE(subtask.reports.empty()) << "acknowledged after the abort";
    } else {
      ASSERT_EQ(subtask.reports.size(), 1u);
      report = std::exchange(subtask.reports, {})[0];
      ASSERT_TRUE(id % 51 != 0 || Restored(MetadataOf({&report}), 1) == subtask.map.values());
      subtask.checkpoints.OnAborted(id, /*may_be_complete=*/false);
      RunAll(subtask);
    }
    if (id == 1) of_state = FilesIn(directory_ + "/shared").second;
  }
  const auto [files, bytes] = FilesIn(directory_ + "/shared");
  EXPECT_LE(files, 60);
  EXPECT_LT(bytes, 6 * of_state);
  Seal(subtask, 2'000);
  RunAll(subtask);
  ASSERT_EQ(subtask.reports.size(), 1u);
  EXPECT_TRUE(Restored(MetadataOf({&subtask.reports[0]}), 1) == subtask.map.values());
}

// Aborts that come early, late and in between, checkpoints that are complete or may be, and disks that fail.
TEST_P(TaskCheckpointsTest, FilesOfWhatIsCompleteMayBeOrIsUnderWayAreNeverRemoved) {
  Subtask subtask(directory_, io_, 0, 0);
  std::map<int64_t, proto::CheckpointReport> open, kept;
  std::map<int64_t, Model> at_barrier;
  int64_t id = 0;
  int aborted = 0;
  for (int step = 0; step < 6'000; ++step) {
    switch (random_.Below(16)) {
      case 0:
        if (subtask.checkpoints.sealing()) break;
        // One at a time: the JobManager has decided about the one before.
        if (id > 0 && !kept.contains(id)) {
          open.erase(id);
          subtask.checkpoints.OnAborted(id, /*may_be_complete=*/false);
          ++aborted;
        }
        Seal(subtask, ++id);
        at_barrier[id] = subtask.map.values();
        break;
      case 1: io_.RunReady(); break;
      case 2: subtask.RunMail(); break;
      case 3:
        if (open.empty()) break;
        if (random_.Below(2) == 0) {
          subtask.checkpoints.OnComplete(id);
        } else {
          subtask.checkpoints.OnAborted(id, /*may_be_complete=*/true);
        }
        kept[id] = open.at(id);
        open.clear();
        break;
      case 4: subtask.checkpoints.Step(); break;
      default: Change(subtask);
    }
    for (const proto::CheckpointReport& report : std::exchange(subtask.reports, {})) {
      ASSERT_EQ(report.kind(), proto::CheckpointReport::ACKNOWLEDGE);
      ASSERT_EQ(report.checkpoint_id(), id) << "acknowledged after the abort";
      open[id] = report;
    }
    if (step % 50 != 0) continue;
    for (const auto& reports : {open, kept}) {
      for (const auto& [of, report] : reports) {
        ASSERT_TRUE(Restored(MetadataOf({&report}), 1) == at_barrier.at(of)) << "checkpoint " << of << " of " << id;
      }
    }
  }
  EXPECT_GT(kept.size(), 10u);
  EXPECT_GT(aborted, 10);
}

// As if the folder of the checkpoints were on another file system than that of the local copies.
class NoLinks final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    return files_.OpenForRead(path);
  }
  StatusOr<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path, OpenMode mode) override {
    return files_.OpenForWrite(path, mode);
  }
  Status Rename(const std::string& from, const std::string& to) override { return files_.Rename(from, to); }
  Status Link(const std::string& from, const std::string&) override {
    return Unimplemented("no second name of {}", from);
  }
  StatusOr<FileInfo> Stat(const std::string& path) override { return files_.Stat(path); }
  StatusOr<std::vector<FileInfo>> List(const std::string& directory) override { return files_.List(directory); }
  Status CreateDirectories(const std::string& path) override { return files_.CreateDirectories(path); }
  Status Remove(const std::string& path) override { return files_.Remove(path); }
  Status RemoveTree(const std::string& path) override { return files_.RemoveTree(path); }
  Status SyncDirectory(const std::string& directory) override { return files_.SyncDirectory(directory); }
  StatusOr<int64_t> FreeBytes(const std::string& path) override { return files_.FreeBytes(path); }

 private:
  FileSystem& files_ = PosixFileSystem();
};

using LargeKeysTest = TaskCheckpointsTest;

// A merge has all keys in memory.
TEST_P(LargeKeysTest, DeltasWithMoreKeyBytesThanAMergeMayHoldGoIntoABase) {
  constexpr uint64_t kKeys = 1'700;
  constexpr uint64_t kChanged = 67;  // in each delta others: a merge would keep all
  Subtask subtask(directory_, io_, 0, 0);
  subtask.map.key_bytes = 64 << 10;
  for (uint64_t key = 0; key < kKeys; ++key) subtask.map.Put(key, "first");
  int64_t of_base = 0;
  for (int64_t id = 1; id <= 28; ++id) {
    for (uint64_t i = 0; id > 1 && i < kChanged; ++i) {
      subtask.map.Put((static_cast<uint64_t>(id - 2) * kChanged + i) % kKeys, "changed");
    }
    Seal(subtask, id);
    RunAll(subtask);
    ASSERT_EQ(subtask.reports.size(), static_cast<size_t>(id));
    if (id == 1) of_base = subtask.reports.back().state_bytes();
    EXPECT_LT(subtask.reports.back().state_bytes(), of_base * 21 / 10);
  }
  EXPECT_LT(subtask.reports.back().state_bytes(), of_base * 12 / 10);
}

class LocalCopiesTest : public TaskCheckpointsTest {
 protected:
  proto::CheckpointReport Take(Subtask& of, int64_t id) {
    Seal(of, id);
    RunAll(of);
    EXPECT_EQ(of.reports.size(), 1u);
    return std::exchange(of.reports, {})[0];
  }
  Status Restore(Subtask& into, const proto::CheckpointReport& report) {
    const RestorePlan plan(files_, directory_ + "/chk-1", directory_, MetadataOf({&report}), local_);
    return into.checkpoints.Restore(&plan, {.subtask = 0, .parallelism = 1, .max_parallelism = kMaxParallelism});
  }
  std::set<std::string> Names(const std::string& directory) {
    std::set<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory)) names.insert(file.path().filename());
    return names;
  }

  NoLinks no_links_;
  FileSystem& files_ = GetParam() % 2 == 0 ? static_cast<FileSystem&>(no_links_) : PosixFileSystem();
  const std::string local_ = directory_ + "/local";
};

TEST_P(LocalCopiesTest, StateIsRestoredFromTheCopiesAndWithoutThemFromTheCheckpoint) {
  Subtask subtask(directory_, io_, 0, 0, files_, local_);
  for (int i = 0; i < 500; ++i) Change(subtask);
  const proto::CheckpointReport report = Take(subtask, 1);
  const Model model = subtask.map.values();
  ASSERT_EQ(Names(local_ + "/shared"), Names(directory_ + "/shared"));
  const std::string name = *Names(local_ + "/shared").begin();

  // Whole copies are enough; the JobManager, which looks for the checkpoint's files, is none here.
  std::filesystem::rename(directory_ + "/shared/" + name, directory_ + "/elsewhere");
  Subtask from_copy(directory_, io_, 1, 0, files_, local_);
  const Status restored = Restore(from_copy, report);
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_TRUE(from_copy.map.values() == model);
  EXPECT_EQ(from_copy.read, subtask.read);
  std::filesystem::rename(directory_ + "/elsewhere", directory_ + "/shared/" + name);

  // A damaged one, and then a missing one, is made up for by the checkpoint's own file.
  std::string bytes = files_.ReadFile(local_ + "/shared/" + name).value();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::filesystem::remove(local_ + "/shared/" + name);
  ASSERT_TRUE(files_.WriteFile(local_ + "/shared/" + name, bytes).ok());
  for (const bool missing : {false, true}) {
    if (missing) std::filesystem::remove(local_ + "/shared/" + name);
    Subtask again(directory_, io_, 2, 0, files_, local_);
    ASSERT_TRUE(Restore(again, report).ok());
    EXPECT_TRUE(again.map.values() == model);
  }
}

TEST_P(LocalCopiesTest, CopiesGoWhenNoCheckpointThatMayBeRestoredNeedsThem) {
  Subtask subtask(directory_, io_, 0, 0, files_, local_);
  std::set<std::string> needed;
  proto::CheckpointReport last;
  for (int64_t id = 1; id <= 60; ++id) {
    for (int i = 0; i < 20; ++i) Change(subtask);
    last = Take(subtask, id);
    subtask.checkpoints.OnComplete(id);
    io_.RunReady();
    needed.clear();
    for (const auto& state : last.operators(0).snapshot().states()) {
      for (const auto& segment : state.segments()) needed.insert(std::string(BaseName(segment.file())));
    }
    const std::set<std::string> kept = Names(local_ + "/shared");
    EXPECT_TRUE(std::includes(kept.begin(), kept.end(), needed.begin(), needed.end())) << id;
    EXPECT_LE(kept.size(), needed.size() + 1) << "a base that no checkpoint has yet may be there";
  }
  // The next attempt keeps what it begins with and no other.
  ASSERT_TRUE(files_.WriteFile(local_ + "/shared/0-61-v3-s0.state", "of a checkpoint that was never complete").ok());
  ASSERT_TRUE(files_.WriteFile(local_ + "/shared/0-61-v3-s1.state", "of another subtask").ok());
  Subtask next(directory_, io_, 1, 0, files_, local_);
  ASSERT_TRUE(Restore(next, last).ok());
  io_.RunReady();
  needed.insert("0-61-v3-s1.state");
  EXPECT_EQ(Names(local_ + "/shared"), needed);
}

TEST_P(LocalCopiesTest, CopiesOfAbortedCheckpointsGoAndThoseOfWhatTheTaskBeganWithStay) {
  Subtask first(directory_, io_, 0, 0, files_, local_);
  for (int i = 0; i < 20; ++i) Change(first);
  const proto::CheckpointReport report = Take(first, 1);
  const std::string begun_with = *Names(local_ + "/shared").begin();
  Subtask subtask(directory_, io_, 1, 0, files_, local_);
  ASSERT_TRUE(Restore(subtask, report).ok());
  for (int64_t id = 2; id <= 200; ++id) {
    for (int i = 0; i < 20; ++i) Change(subtask);
    Take(subtask, id);
    subtask.checkpoints.OnAborted(id, /*may_be_complete=*/false);
    RunAll(subtask);
  }
  EXPECT_LE(Names(local_ + "/shared").size(), 60u);
  EXPECT_TRUE(Names(local_ + "/shared").contains(begun_with));
  EXPECT_TRUE(Names(directory_ + "/shared").contains(begun_with)) << "it is the JobManager's";
}

TEST_P(LocalCopiesTest, ACopyThatCannotBeWrittenHarmsNothing) {
  ASSERT_TRUE(files_.WriteFile(local_, "no folder").ok());
  Subtask subtask(directory_, io_, 0, 0, files_, local_);
  for (int i = 0; i < 100; ++i) Change(subtask);
  const proto::CheckpointReport report = Take(subtask, 1);
  EXPECT_EQ(report.kind(), proto::CheckpointReport::ACKNOWLEDGE);
  Subtask next(directory_, io_, 1, 0, files_, local_);
  ASSERT_TRUE(Restore(next, report).ok());
  EXPECT_TRUE(next.map.values() == subtask.map.values());
}

INSTANTIATE_TEST_SUITE_P(Seeds, LargeKeysTest, testing::Values(1));
INSTANTIATE_TEST_SUITE_P(Seeds, LocalCopiesTest, testing::Range<uint64_t>(1, 5));
INSTANTIATE_TEST_SUITE_P(Seeds, TaskCheckpointsTest, testing::Range<uint64_t>(1, 4));

}  // namespace
}  // namespace eagre
