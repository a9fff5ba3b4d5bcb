// Lives of a slot that ends at any moment and begins again from its newest complete checkpoint and what is left of its
// database on the disk: what is there then is what was there at the barrier.
#include "runtime/local_snapshots.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "eagre/keyed_state.h"
#include "runtime/task_checkpoints.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/keyed_state_under_test.h"
#include "tests/testing/manual_executor.h"
#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

constexpr int kTasks = 2;
constexpr int kMaxParallelism = 128;
constexpr uint64_t kKeys = 60;
constexpr char kJob[] = "0123456789abcdef0123456789abcdef";
using Model = std::map<std::string, std::string>;

struct Owner : StateOwner {
  ValueState<std::string> value{this, "value"};
};

struct CheckpointOfTask {
  proto::CheckpointReport report;
  Model model;
};
// The newest complete one, as its metadata has it.
struct Complete {
  int64_t id = 0;
  int attempt = 0;
  CheckpointOfTask tasks[kTasks];
};

std::string OperatorName(int task) {
  return "op" + std::to_string(task);
}

// One attempt of a slot with two tasks.
class Life {
 public:
  Life(const std::string& directory, ManualExecutor& io, int attempt, const std::optional<Complete>& complete,
       int64_t object_bytes)
      : io_(io), attempt_(attempt), backend_(NewBackend(BackendKind::kRocksDb, object_bytes)) {
    const auto post = [this](std::function<Status()> mail) { mails_.push_back(std::move(mail)); };
    LocalSnapshots::Options options;
    options.files = &PosixFileSystem();
    options.io = &io;
    options.directory = directory + "/local/db";
    options.slot = "0";
    options.job_id = kJob;
    options.attempt = attempt;
    options.post = post;
    snapshots_ = std::make_unique<LocalSnapshots>(options, *backend_);
    std::unique_ptr<RestorePlan> plan;
    if (complete) {
      plan = std::make_unique<RestorePlan>(PosixFileSystem(), directory + "/chk-1", directory, MetadataOf(*complete));
    }
    snapshots_->Open(plan == nullptr ? nullptr : &plan->metadata(), complete ? complete->attempt : -1);
    for (int i = 0; i < kTasks; ++i) {
      Task& task = *tasks_.emplace_back(std::make_unique<Task>(backend_));
      TaskCheckpointsOptions of_task{.files = &PosixFileSystem(),
                                     .io = &io,
                                     .clock = &io.clock(),
                                     .directory = directory,
                                     .snapshots = snapshots_.get(),
                                     .smallest_snapshot_bytes = 1,
                                     .most_snapshot_delta_bytes = 4'000,
                                     .attempt = attempt,
                                     .vertex = i};
      task.checkpoints = std::make_unique<TaskCheckpoints>(
          of_task, TaskCheckpoints::Handlers{.post = post, .report = [&task](proto::CheckpointReport report) {
                                               task.reports.push_back(std::move(report));
                                             }});
      task.checkpoints->AddOperator(OperatorName(i), {&task.state.table});
      const Status restored =
          task.checkpoints->Restore(plan.get(), {.subtask = 0, .parallelism = 1, .max_parallelism = kMaxParallelism});
      EXPECT_TRUE(restored.ok()) << restored;
      if (complete) task.model = complete->tasks[i].model;
    }
  }
  ~Life() {
    io_.RunReady();  // what it would have written is, or is not
    tasks_.clear();
  }

  bool from_snapshot() const { return backend_->opened_from_snapshot(); }

  void ExpectContent() {
    for (const auto& task : tasks_) {
      Model content;
      for (uint64_t i = 0; i < kKeys; ++i) {
        const std::string key = std::to_string(i);
        task->state.Select(key);
        if (const std::string* value = task->state.owner.value.Get()) content[key] = *value;
        if (i % 7 == 0) task->state.FinishBatch();
      }
      task->state.FinishBatch();
      EXPECT_EQ(content, task->model);
    }
  }

  // Something that may happen next. A checkpoint that is complete is put in `complete`.
  void Happen(Random& random, int64_t& next_id, std::optional<Complete>& complete) {
    Task& task = *tasks_[random.Below(kTasks)];
    switch (random.Below(16)) {
      case 0: return Barrier(task, next_id);
      case 1:
      case 2: io_.RunReady(); return;
      case 3:
      case 4: return RunMail(complete);
      case 5:
      case 6:
      case 7: task.checkpoints->Step(); return;
      default: return Change(random, task);
    }
  }

 private:
  struct Task {
    explicit Task(std::shared_ptr<StateBackend> backend) : state(std::move(backend)) {}
    KeyedStateUnderTest<Owner> state;
    Model model;
    std::unique_ptr<TaskCheckpoints> checkpoints;
    std::vector<proto::CheckpointReport> reports;
    std::map<int64_t, Model> at_barrier;
    int64_t newest_id = 0;
  };

  static proto::CheckpointMetadata MetadataOf(const Complete& complete) {
    proto::CheckpointMetadata metadata;
    metadata.set_job_id(kJob);
    metadata.set_checkpoint_id(complete.id);
    metadata.set_files_root("..");
    for (int i = 0; i < kTasks; ++i) {
      proto::OperatorSnapshot& op = *metadata.add_operators();
      op.set_operator_id(OperatorName(i));
      op.set_parallelism(1);
      op.set_max_parallelism(kMaxParallelism);
      *op.add_subtasks() = complete.tasks[i].report.operators(0).snapshot();
    }
    return metadata;
  }

  static void Change(Random& random, Task& task) {
    const std::string key = std::to_string(random.Below(kKeys));
    task.state.Select(key);
    if (random.Below(4) == 0) {
      task.state.owner.value.Clear();
      task.model.erase(key);
    } else {
      task.model[key] = std::string(random.Below(200), static_cast<char>('a' + random.Below(26)));
      task.state.owner.value.Set(task.model[key]);
    }
    task.state.FinishBatch();
  }

  // Both tasks get every barrier, one after the other.
  void Barrier(Task& task, int64_t& next_id) {
    if (task.checkpoints->sealing()) return;
    int64_t id = task.newest_id + 1;
    if (id == 1 || id >= next_id) id = next_id;
    for (const auto& other : tasks_) {
      if (other.get() != &task && other->newest_id > task.newest_id) id = other->newest_id;
    }
    task.newest_id = id;
    next_id = std::max(next_id, id + 1);
    task.at_barrier[id] = task.model;
    task.checkpoints->Begin(id, io_.now_ms(), 0);
    task.checkpoints->Seal(0);
    task.checkpoints->AllSealed();
  }

  void RunMail(std::optional<Complete>& complete) {
    auto running = std::exchange(mails_, {});
    for (auto& mail : running) EXPECT_TRUE(mail().ok());
    for (const auto& report : tasks_[0]->reports) {
      for (const auto& other : tasks_[1]->reports) {
        if (report.checkpoint_id() != other.checkpoint_id() || (complete && report.checkpoint_id() <= complete->id)) {
          continue;
        }
        const int64_t id = report.checkpoint_id();
        complete =
            Complete{id, attempt_, {{report, tasks_[0]->at_barrier.at(id)}, {other, tasks_[1]->at_barrier.at(id)}}};
        for (const auto& task : tasks_) task->checkpoints->OnComplete(id);
      }
    }
  }

  ManualExecutor& io_;
  const int attempt_;
  std::shared_ptr<StateBackend> backend_;
  std::vector<std::function<Status()>> mails_;
  std::unique_ptr<LocalSnapshots> snapshots_;
  std::vector<std::unique_ptr<Task>> tasks_;
};

class LocalSnapshotsTest : public testing::TestWithParam<uint64_t> {
 protected:
  LocalSnapshotsTest() : random_(GetParam()) {}

  // Lives until a checkpoint is complete, and a snapshot is there for it.
  void LiveUntilSnapshot() {
    Life life(directory_, io_, attempt_++, complete_, 1);
    for (int i = 0; i < 3'000; ++i) life.Happen(random_, next_id_, complete_);
    ASSERT_TRUE(complete_.has_value());
  }
  std::vector<std::string> FilesOfSnapshots() const {
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory_ + "/local/db")) {
      if (file.is_regular_file()) files.push_back(file.path());
    }
    return files;
  }

  SeededRandom random_;
  ManualExecutor io_;
  const TemporaryFolder folder_{"local_snapshots"};
  const std::string directory_ = folder_.path();
  std::optional<Complete> complete_;
  int64_t next_id_ = 1;
  int attempt_ = 0;
};

TEST_P(LocalSnapshotsTest, WhateverMomentASlotEndsAtItGoesOnFromWhatWasThereAtTheBarrier) {
  int from_snapshot = 0;
  constexpr int kLives = 8;
  for (int life_number = 0; life_number < kLives; ++life_number) {
    SCOPED_TRACE(life_number);
    // Hardly an object in memory, or some of them: then there is something to be written back.
    Life life(directory_, io_, attempt_++, complete_, random_.Below(2) == 0 ? 1 : 8'000);
    from_snapshot += life.from_snapshot() ? 1 : 0;
    if (random_.Below(2) == 0) life.ExpectContent();
    for (uint64_t i = 0, steps = random_.Below(2'000); i < steps; ++i) life.Happen(random_, next_id_, complete_);
    life.ExpectContent();
  }
  EXPECT_GE(from_snapshot, kLives / 4) << "too few lives began with a snapshot for this test";
}

TEST_P(LocalSnapshotsTest, ADamagedOrIncompleteSnapshotIsGivenUp) {
  const auto damages = std::to_array<void (*)(const std::string& path)>({
      [](const std::string& path) { std::filesystem::remove(path); },
      [](const std::string& path) { std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2); },
      [](const std::string& path) { ASSERT_TRUE(PosixFileSystem().WriteFile(path, "of somebody else").ok()); },
  });
  for (const auto& damage : damages) {
    LiveUntilSnapshot();
    for (const std::string& path : FilesOfSnapshots()) {
      // A table has two names: it is replaced, not written to.
      const std::string bytes = PosixFileSystem().ReadFile(path).value();
      std::filesystem::remove(path);
      ASSERT_TRUE(PosixFileSystem().WriteFile(path, bytes).ok());
      if (path.ends_with(".sst") || path.ends_with("CURRENT")) damage(path);
    }
    Life life(directory_, io_, attempt_++, complete_, 1);
    EXPECT_FALSE(life.from_snapshot());
    life.ExpectContent();
  }
}

TEST_P(LocalSnapshotsTest, ASlotThatComesBackFromElsewhereFindsNothingOfTheTimeBefore) {
  LiveUntilSnapshot();
  // What the attempt changed behind its last complete checkpoint is in its snapshot, and part of no later one.
  std::filesystem::rename(directory_ + "/local", directory_ + "/of another machine");
  const int64_t before = complete_->id;
  while (complete_->id < before + 3) LiveUntilSnapshot();
  std::filesystem::remove_all(directory_ + "/local");
  std::filesystem::rename(directory_ + "/of another machine", directory_ + "/local");
  Life life(directory_, io_, attempt_++, complete_, 1);
  EXPECT_FALSE(life.from_snapshot());
  life.ExpectContent();
}

TEST_P(LocalSnapshotsTest, OnlyWhatMayBeRestoredIsKept) {
  LiveUntilSnapshot();
  const auto folders = [this] {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ + "/local/db")) {
      count += file.is_directory() ? 1 : 0;
    }
    return count;
  };
  EXPECT_LE(folders(), 3) << "the one to begin with, one for a checkpoint to come, one being made";
  std::optional<Complete> none;
  Life life(directory_, io_, attempt_++, none, 1);
  EXPECT_FALSE(life.from_snapshot()) << "nothing is restored";
  EXPECT_EQ(folders(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LocalSnapshotsTest, testing::Range<uint64_t>(0, 3));

}  // namespace
}  // namespace eagre
