// The files of the simulated world: what was not synced is lost when a machine crashes.
//
// One disk is shared by all machines, as a mounted file system is. Everybody sees at once what a process has flushed,
// and it survives the death of that process; the crash of its machine it survives only when it was synced:
//   - of a file, what was written since its last Sync may be there, or a part of it, or zeros in its place;
//   - of a folder, the creations, links, renames and removals since its last SyncDirectory survive up to some point, in
//     each folder for itself. A folder that was made is an entry of its parent like any other.
// What another machine has seen of it is on the disk, and goes with that only.
//
// It may be full, or fail, for a while. What a file holds when its Sync fails is never synced any more, though later
// ones succeed, as on Linux.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "tests/sim/sim_scheduler.h"

namespace eagre {

class SimDisk {
 public:
  explicit SimDisk(SimScheduler& scheduler);
  ~SimDisk();

  // The processes of the machine are dead. What it had not synced is lost, in part or as a whole.
  void Crash(int machine);
  // The same of all machines, and of the disk itself.
  void CrashAll();

  // ---- for a while; what belongs to no process goes on ----
  // Nothing new has room: ENOSPC. A part of what is written may have.
  void FillUpUntil(int64_t until_ns) { full_until_ns_ = until_ns; }
  // Of the operations one in so many fails: EIO.
  void FailUntil(int64_t until_ns, int64_t one_in) {
    fails_until_ns_ = until_ns;
    fails_one_in_ = one_in;
  }
  bool in_trouble() const { return scheduler_.now_ns() < std::max(full_until_ns_, fails_until_ns_); }

  // ---- for tests of what others promise ----
  // Syncs have no effect from now on.
  void IgnoreSyncs(bool files, bool folders) {
    ignores_file_syncs_ = files;
    ignores_folder_syncs_ = folders;
  }

 private:
  friend class SimFiles;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;

  // The outcome of changes that nobody has synced. `machine` negative: of all.
  void Lose(Node& node, int machine, std::vector<const Node*>& seen);
  void LoseContent(Node& file, int machine);
  void LoseEntries(Node& folder, int machine);
  Node* Find(std::string_view path, int observer);
  // The folder that has, or is to have, an entry of this path; and the entry's name.
  StatusOr<std::pair<Node*, std::string>> FindParent(std::string_view path, std::string_view action, int observer);
  // The machine sees what became of this name; of all names when it is empty.
  static void See(Node& folder, std::string_view name, int observer);

  SimScheduler& scheduler_;
  const NodePtr root_;
  int64_t full_until_ns_ = 0;
  int64_t fails_until_ns_ = 0;
  int64_t fails_one_in_ = 1;
  bool ignores_file_syncs_ = false;
  bool ignores_folder_syncs_ = false;
};

// How the disk behaves towards a process beyond that.
struct SimFileFaults {
  int64_t slow_one_in = 0;             // operations that take long; 0: none
  int64_t slow_ns = 0;                 // at most
  int64_t* slow_operations = nullptr;  // counted there
};

// The files as one process has them. Operations of a dead process fail and do nothing.
class SimFiles final : public FileSystem {
 public:
  // All outlive it. Without a process it belongs to the world outside.
  SimFiles(SimScheduler& scheduler, SimDisk& disk, SimProcess* process, const SimFileFaults* faults = nullptr)
      : scheduler_(scheduler), disk_(disk), process_(process), faults_(faults) {}

  StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override;
  StatusOr<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  StatusOr<FileInfo> Stat(const std::string& path) override;
  StatusOr<std::vector<FileInfo>> List(const std::string& directory) override;
  Status CreateDirectories(const std::string& path) override;
  Status Remove(const std::string& path) override;
  Status RemoveTree(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;
  StatusOr<int64_t> FreeBytes(const std::string& path) override;

 private:
  class Readable;
  class Writable;
  // Before every operation: in the trace, and a moment at which the process may die or stand still, and the disk fail.
  Status Begin(std::string_view operation, const std::string& path, bool needs_room = false);
  Status CheckDisk(std::string_view operation, const std::string& path, bool needs_room);
  void Change(SimDisk::Node& folder, std::vector<std::pair<std::string, SimDisk::NodePtr>> entries);
  int machine() const { return process_ == nullptr ? -1 : process_->machine; }

  SimScheduler& scheduler_;
  SimDisk& disk_;
  SimProcess* const process_;
  const SimFileFaults* const faults_;
};

}  // namespace eagre
