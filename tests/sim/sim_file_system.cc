#include "tests/sim/sim_file_system.h"

#include <algorithm>

#include "base/hash.h"

namespace eagre {
namespace {

// In the place of a machine: the disk has it, although nobody has synced it.
constexpr int kDisk = -2;

Status Failed(std::string_view action, std::string_view path, absl::StatusCode code, std::string_view why) {
  return MakeStatus(code, fmt::format("cannot {} {}: {}", action, path, why));
}
Status NoSuch(std::string_view action, std::string_view path) {
  return Failed(action, path, absl::StatusCode::kNotFound, "No such file or directory");
}
Status IsThere(std::string_view action, std::string_view path) {
  return Failed(action, path, absl::StatusCode::kAlreadyExists, "File exists");
}

}  // namespace

struct SimDisk::Node {
  bool folder = false;
  int64_t modified_ms = 0;

  // Of a file: what processes see, what is sure to survive, and whose machine wrote what is not.
  std::string content;
  std::string synced;
  int writer = -1;
  bool sync_failed = false;

  // Of a folder: the same. A change gives names other files, or none.
  struct Change {
    int machine = -1;
    std::vector<std::pair<std::string, NodePtr>> entries;
  };
  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> synced_entries;
  std::vector<Change> unsynced;

  static void Apply(const Change& change, std::map<std::string, NodePtr>& entries) {
    for (const auto& [name, node] : change.entries) {
      if (node == nullptr) {
        entries.erase(name);
      } else {
        entries[name] = node;
      }
    }
  }
};

SimDisk::SimDisk(SimScheduler& scheduler) : scheduler_(scheduler), root_(std::make_shared<Node>()) {
  root_->folder = true;
}
SimDisk::~SimDisk() = default;

void SimDisk::See(Node& folder, std::string_view name, int observer) {
  std::vector<int> seen;  // with a change goes what its machine had done before it
  for (auto change = folder.unsynced.rbegin(); change != folder.unsynced.rend(); ++change) {
    if (change->machine == observer || change->machine == kDisk) continue;
    const bool sees = name.empty() ||
                      std::any_of(change->entries.begin(), change->entries.end(),
                                  [name](const auto& entry) { return entry.first == name; }) ||
                      std::find(seen.begin(), seen.end(), change->machine) != seen.end();
    if (!sees) continue;
    seen.push_back(change->machine);
    change->machine = kDisk;
  }
}

SimDisk::Node* SimDisk::Find(std::string_view path, int observer) {
  Node* node = root_.get();
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty()) continue;
    if (!node->folder) return nullptr;
    See(*node, name, observer);
    const auto found = node->entries.find(std::string(name));
    if (found == node->entries.end()) return nullptr;
    node = found->second.get();
  }
  if (node->writer != observer) node->writer = kDisk;
  return node;
}

StatusOr<std::pair<SimDisk::Node*, std::string>> SimDisk::FindParent(std::string_view path, std::string_view action,
                                                                     int observer) {
  Node* parent = Find(ParentPath(path), observer);
  if (parent == nullptr || !parent->folder) return NoSuch(action, path);
  See(*parent, BaseName(path), observer);
  return std::pair(parent, std::string(BaseName(path)));
}

// ---- crashes ----

void SimDisk::Crash(int machine) {
  std::vector<const Node*> seen;
  Lose(*root_, machine, seen);
}

void SimDisk::CrashAll() {
  Crash(-1);
}

void SimDisk::Lose(Node& node, int machine, std::vector<const Node*>& seen) {
  // A file may have several names.
  if (std::find(seen.begin(), seen.end(), &node) != seen.end()) return;
  seen.push_back(&node);
  if (!node.folder) return LoseContent(node, machine);
  LoseEntries(node, machine);
  for (const auto& [name, child] : std::map(node.entries)) Lose(*child, machine, seen);
  for (const auto& [name, child] : std::map(node.synced_entries)) Lose(*child, machine, seen);
}

void SimDisk::LoseContent(Node& file, int machine) {
  if (file.content == file.synced || (machine >= 0 && file.writer != machine)) return;
  scheduler_.Trace("lose content", file.content.size());
  const bool appended = file.content.starts_with(file.synced);
  const auto kept = static_cast<size_t>(scheduler_.Choose(appended ? static_cast<int64_t>(file.synced.size()) : 0,
                                                          static_cast<int64_t>(file.content.size())));
  switch (scheduler_.Choose(0, 4)) {
    case 0: break;                             // it was written back in time
    case 1: file.content.resize(kept); break;  // a part of it was
    case 2:                                    // its length was
      std::fill(file.content.begin() + static_cast<ptrdiff_t>(kept), file.content.end(), '\0');
      break;
    default: file.content = file.synced;
  }
  file.synced = file.content;
}

void SimDisk::LoseEntries(Node& folder, int machine) {
  const auto lost_with_it = [machine](const Node::Change& change) { return machine < 0 || change.machine == machine; };
  const int64_t candidates = std::count_if(folder.unsynced.begin(), folder.unsynced.end(), lost_with_it);
  if (candidates > 0) {
    scheduler_.Trace("lose entries", static_cast<uint64_t>(candidates));
    int64_t kept = 0;
    switch (scheduler_.Choose(0, 3)) {
      case 0: kept = candidates; break;
      case 1: kept = scheduler_.Choose(0, candidates); break;
      default: break;
    }
    std::vector<Node::Change> left;
    for (Node::Change& change : folder.unsynced) {
      if (!lost_with_it(change) || kept-- > 0) left.push_back(std::move(change));
    }
    folder.unsynced = std::move(left);
    folder.entries = folder.synced_entries;
    for (const Node::Change& change : folder.unsynced) Node::Apply(change, folder.entries);
  }
  if (machine >= 0) return;
  folder.synced_entries = folder.entries;
  folder.unsynced.clear();
}

// ---- operations ----

Status SimFiles::CheckDisk(std::string_view operation, const std::string& path, bool needs_room) {
  const int64_t now_ns = scheduler_.now_ns();
  if (needs_room && now_ns < disk_.full_until_ns_) {
    return Failed(operation, path, absl::StatusCode::kResourceExhausted, "No space left on device");
  }
  if (now_ns < disk_.fails_until_ns_ && scheduler_.OneIn(disk_.fails_one_in_)) {
    return Failed(operation, path, absl::StatusCode::kUnavailable, "Input/output error");
  }
  return OkStatus();
}

Status SimFiles::Begin(std::string_view operation, const std::string& path, bool needs_room) {
  scheduler_.Trace(operation, Hash64(path));
  if (process_ == nullptr) return OkStatus();
  const auto dead = [&] { return Failed(operation, path, absl::StatusCode::kUnavailable, "the process is dead"); };
  if (!process_->alive) return dead();
  if (process_->operations_left >= 0 && process_->operations_left-- == 0) {
    process_->interrupt();
    if (process_->stopped) scheduler_.Block(0);
    if (!process_->alive) return dead();
  }
  if (faults_ != nullptr && faults_->slow_one_in > 0 && process_->may_block && scheduler_.OneIn(faults_->slow_one_in)) {
    ++*faults_->slow_operations;
    scheduler_.Block(scheduler_.Choose(0, faults_->slow_ns));
  }
  return process_->alive ? CheckDisk(operation, path, needs_room) : dead();
}

void SimFiles::Change(SimDisk::Node& folder, std::vector<std::pair<std::string, SimDisk::NodePtr>> entries) {
  SimDisk::Node::Change change{machine(), std::move(entries)};
  SimDisk::Node::Apply(change, folder.entries);
  folder.unsynced.push_back(std::move(change));
  folder.modified_ms = scheduler_.clock().NowMs();
}

class SimFiles::Readable final : public ReadableFile {
 public:
  Readable(SimFiles& files, std::string path, SimDisk::NodePtr node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  const std::string& path() const override { return path_; }
  StatusOr<int64_t> Size() const override { return static_cast<int64_t>(node_->content.size()); }
  StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const override {
    EAGRE_RETURN_IF_ERROR(files_.Begin("read", path_));
    if (static_cast<size_t>(offset) >= node_->content.size()) return size_t{0};
    return node_->content.copy(buffer, size, static_cast<size_t>(offset));
  }

 private:
  SimFiles& files_;
  const std::string path_;
  const SimDisk::NodePtr node_;
};

class SimFiles::Writable final : public WritableFile {
 public:
  Writable(SimFiles& files, std::string path, SimDisk::NodePtr node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  ~Writable() override {
    if (!closed_) (void)Close();
  }
  const std::string& path() const override { return path_; }
  Status Append(std::string_view bytes) override {
    buffer_ += bytes;
    return buffer_.size() < kBufferBytes ? OkStatus() : Flush();
  }
  Status Flush() override {
    if (buffer_.empty()) return OkStatus();
    const Status begun = files_.Begin("write to", path_, /*needs_room=*/true);
    std::string bytes = std::exchange(buffer_, "");
    if (!begun.ok()) {
      if (files_.process_ != nullptr && !files_.process_->alive) return begun;
      bytes.resize(static_cast<size_t>(files_.scheduler_.Choose(0, static_cast<int64_t>(bytes.size()))));
    }
    node_->content += bytes;
    node_->modified_ms = files_.scheduler_.clock().NowMs();
    node_->writer = files_.machine();
    return begun;
  }
  Status Sync() override {
    EAGRE_RETURN_IF_ERROR(Flush());
    const Status begun = files_.Begin("sync", path_);
    if (!begun.ok()) {
      node_->sync_failed = true;
      return begun;
    }
    if (!files_.disk_.ignores_file_syncs_ && !node_->sync_failed) node_->synced = node_->content;
    return OkStatus();
  }
  Status Close() override {
    closed_ = true;
    return Flush();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{64} << 10;

  SimFiles& files_;
  const std::string path_;
  const SimDisk::NodePtr node_;
  std::string buffer_;
  bool closed_ = false;
};

StatusOr<std::unique_ptr<ReadableFile>> SimFiles::OpenForRead(const std::string& path) {
  EAGRE_RETURN_IF_ERROR(Begin("open", path));
  EAGRE_ASSIGN_OR_RETURN(const auto where, disk_.FindParent(path, "open", machine()));
  const auto found = where.first->entries.find(where.second);
  if (found == where.first->entries.end()) return NoSuch("open", path);
  if (found->second->folder) return Failed("read", path, absl::StatusCode::kUnavailable, "Is a directory");
  if (found->second->writer != machine()) found->second->writer = kDisk;
  return std::make_unique<Readable>(*this, path, found->second);
}

StatusOr<std::unique_ptr<WritableFile>> SimFiles::OpenForWrite(const std::string& path, OpenMode mode) {
  EAGRE_RETURN_IF_ERROR(Begin("create", path, /*needs_room=*/true));
  EAGRE_ASSIGN_OR_RETURN(const auto where, disk_.FindParent(path, "write", machine()));
  const auto found = where.first->entries.find(where.second);
  SimDisk::NodePtr node;
  if (found == where.first->entries.end()) {
    node = std::make_shared<SimDisk::Node>();
    node->writer = machine();
    Change(*where.first, {{where.second, node}});
  } else {
    node = found->second;
    if (mode == OpenMode::kCreateNew) return IsThere("write", path);
    if (node->folder) return Failed("write", path, absl::StatusCode::kUnavailable, "Is a directory");
    if (mode == OpenMode::kTruncate && !node->content.empty()) {
      node->content.clear();
      node->writer = machine();
      node->sync_failed = false;
    }
  }
  return std::make_unique<Writable>(*this, path, std::move(node));
}

Status SimFiles::Rename(const std::string& from, const std::string& to) {
  EAGRE_RETURN_IF_ERROR(Begin("rename", to));
  EAGRE_ASSIGN_OR_RETURN(const auto source, disk_.FindParent(from, "rename", machine()));
  EAGRE_ASSIGN_OR_RETURN(const auto target, disk_.FindParent(to, "rename to", machine()));
  const auto found = source.first->entries.find(source.second);
  if (found == source.first->entries.end()) return NoSuch("rename", from);
  if (source.first == target.first) {
    // Atomic, also across a crash.
    Change(*source.first, {{source.second, nullptr}, {target.second, found->second}});
  } else {
    Change(*target.first, {{target.second, found->second}});
    Change(*source.first, {{source.second, nullptr}});
  }
  return OkStatus();
}

Status SimFiles::Link(const std::string& from, const std::string& to) {
  EAGRE_RETURN_IF_ERROR(Begin("link", to, /*needs_room=*/true));
  EAGRE_ASSIGN_OR_RETURN(const auto source, disk_.FindParent(from, "link", machine()));
  EAGRE_ASSIGN_OR_RETURN(const auto target, disk_.FindParent(to, "link to", machine()));
  const auto found = source.first->entries.find(source.second);
  if (found == source.first->entries.end()) return NoSuch("link", from);
  if (target.first->entries.contains(target.second)) return IsThere("link to", to);
  Change(*target.first, {{target.second, found->second}});
  return OkStatus();
}

namespace {

FileInfo InfoOf(std::string path, const auto& node) {
  return {.path = std::move(path),
          .size = static_cast<int64_t>(node.content.size()),
          .modified_ms = node.modified_ms,
          .is_directory = node.folder};
}

}  // namespace

StatusOr<FileInfo> SimFiles::Stat(const std::string& path) {
  EAGRE_RETURN_IF_ERROR(Begin("find", path));
  const SimDisk::Node* node = disk_.Find(path, machine());
  if (node == nullptr) return NoSuch("find", path);
  return InfoOf(path, *node);
}

StatusOr<std::vector<FileInfo>> SimFiles::List(const std::string& directory) {
  EAGRE_RETURN_IF_ERROR(Begin("list", directory));
  SimDisk::Node* node = disk_.Find(directory, machine());
  if (node == nullptr || !node->folder) return NoSuch("list", directory);
  SimDisk::See(*node, "", machine());
  std::vector<FileInfo> entries;
  for (const auto& [name, child] : node->entries) entries.push_back(InfoOf(JoinPath(directory, name), *child));
  return entries;
}

Status SimFiles::CreateDirectories(const std::string& path) {
  EAGRE_RETURN_IF_ERROR(Begin("create the folder", path, /*needs_room=*/!disk_.Find(path, machine())));
  for (size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string folder = path.substr(0, end);
    if (const SimDisk::Node* there = disk_.Find(folder, machine()); there != nullptr) {
      if (!there->folder) return IsThere("create the folder", folder);
      continue;
    }
    EAGRE_ASSIGN_OR_RETURN(const auto where, disk_.FindParent(folder, "create the folder", machine()));
    auto node = std::make_shared<SimDisk::Node>();
    node->folder = true;
    Change(*where.first, {{where.second, std::move(node)}});
  }
  return OkStatus();
}

Status SimFiles::Remove(const std::string& path) {
  EAGRE_RETURN_IF_ERROR(Begin("remove", path));
  EAGRE_ASSIGN_OR_RETURN(const auto where, disk_.FindParent(path, "remove", machine()));
  const auto found = where.first->entries.find(where.second);
  if (found == where.first->entries.end()) return NoSuch("remove", path);
  if (!found->second->entries.empty()) {
    return Failed("remove", path, absl::StatusCode::kUnavailable, "Directory not empty");
  }
  Change(*where.first, {{where.second, nullptr}});
  return OkStatus();
}

Status SimFiles::RemoveTree(const std::string& path) {
  const SimDisk::Node* node = disk_.Find(path, machine());
  if (node == nullptr) return Begin("remove", path);
  if (node->folder) {
    std::vector<std::string> names;
    for (const auto& [name, child] : node->entries) names.push_back(name);
    for (const std::string& name : names) EAGRE_RETURN_IF_ERROR(RemoveTree(JoinPath(path, name)));
  }
  const Status removed = Remove(path);
  return absl::IsNotFound(removed) ? OkStatus() : removed;
}

Status SimFiles::SyncDirectory(const std::string& directory) {
  EAGRE_RETURN_IF_ERROR(Begin("sync the folder", directory));
  SimDisk::Node* node = disk_.Find(directory, machine());
  if (node == nullptr || !node->folder) return NoSuch("sync the folder", directory);
  if (disk_.ignores_folder_syncs_) return OkStatus();
  node->synced_entries = node->entries;
  node->unsynced.clear();
  return OkStatus();
}

StatusOr<int64_t> SimFiles::FreeBytes(const std::string& path) {
  EAGRE_RETURN_IF_ERROR(Begin("find", path));
  return int64_t{1} << 40;
}

}  // namespace eagre
