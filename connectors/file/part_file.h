// The files that one subtask of a file sink writes, one after another, and their commit by renaming.
//
// A file is written as `.<name>.inprogress`. Sealed, it is a committable; the committer gives it its final name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "connectors/file/row_encoder.h"
#include "eagre/sink.h"

namespace eagre {

// When a file is finished and the next begun; 0: not for this reason.
struct RollingPolicy {
  int64_t max_bytes = 0;
  int64_t max_age_ms = 0;   // since its first record
  int64_t max_idle_ms = 0;  // since its last record

  bool rolls() const { return max_bytes > 0 || max_age_ms > 0 || max_idle_ms > 0; }
};

struct PartFileOptions {
  FileSystem* files = nullptr;
  std::string directory;
  std::string prefix = "part";
  std::string suffix = ".ndjson";
  RollingPolicy rolling;
};

// One thread.
//
// Without rolling and without checkpoints there is one file, `<prefix>-<subtask><suffix>`, which replaces that of an
// earlier run. Else files are added: `<prefix>-<subtask>-<attempt>-<n><suffix>`, where `<attempt>` is 8 hexadecimal
// digits that no other attempt of this or another job has, and `<n>` counts the files of this subtask from 0. A
// restored job without rolling and checkpoints adds one file, under the name of its first attempt.
class PartFileWriter {
 public:
  PartFileWriter(PartFileOptions options, std::unique_ptr<RowEncoder> encoder)
      : options_(std::move(options)), encoder_(std::move(encoder)) {}

  // Makes the folder, so that a sink that cannot write fails at once. The context outlives the writer.
  Status Open(SinkContext& context);
  // Appends `count` records that lie `record_bytes` apart.
  Status Append(const void* records, size_t record_bytes, size_t count);
  // Hands on what is buffered, and rolls when it is time. While a file may yet have to be rolled for its age, `done` is
  // left false, but not before a commit.
  Status Flush(bool before_commit, bool& done);
  // Seals the file at hand: all that was written since the last call is in the committables.
  StatusOr<std::vector<Committable>> PrepareCommit();
  // Syncs the files sealed since the last call, and what has been renamed since. When it has failed, so does every
  // later one: what the disk has lost cannot be told.
  std::function<Status()> TakeSync();
  // Leaves what is not committed behind under its name in progress.
  Status Close(bool failed);

 private:
  Status Begin();
  Status Seal();
  Status WriteBuffer();
  bool ShouldRoll(int64_t now_ms) const;

  const PartFileOptions options_;
  const std::unique_ptr<RowEncoder> encoder_;
  SinkContext* context_ = nullptr;
  bool replaces_ = true;              // the one file of an earlier run
  bool commits_when_sealed_ = false;  // nobody else would while the job runs
  std::string attempt_;
  int64_t next_number_ = 0;
  std::string name_;  // of the file at hand
  std::unique_ptr<WritableFile> file_;
  std::string buffer_;
  int64_t file_bytes_ = 0;  // without the buffer's
  int64_t begun_ms_ = 0;
  int64_t last_record_ms_ = 0;
  std::vector<Committable> sealed_;
  std::vector<std::string> unsynced_;  // paths of sealed files
  std::shared_ptr<Status> sync_status_ = std::make_shared<Status>();
};

// Gives sealed files their final names. Where a run replaces the files of an earlier one, it also removes those of
// subtasks that this run does not have: every subtask those whose number is its own modulo the parallelism, so that no
// two subtasks meet.
//
// With the first file of an attempt, those in progress of attempts before it are removed: what of them was sealed has
// been committed, since a checkpoint is complete whose state goes on from theirs.
class PartFileCommitter final : public Committer {
 public:
  explicit PartFileCommitter(FileSystem& files) : files_(files) {}
  Status Commit(const std::vector<Committable>& committables) override;

 private:
  FileSystem& files_;
  std::string cleaned_before_;  // the attempt, as it stands in names
};

}  // namespace eagre
