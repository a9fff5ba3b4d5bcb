#include "base/file_system.h"

#include <algorithm>
#include <utility>

namespace eagre {
namespace {

// Matches one character class "[abc]", "[a-z]" or "[!a]" at pattern[at]; moves `at` behind it. A '[' without its ']'
// stands for itself.
bool MatchGlobClass(std::string_view pattern, size_t& at, char c) {
  const size_t close = pattern.find(']', at + 2);
  if (close == std::string_view::npos) return pattern[at++] == c;
  std::string_view set = pattern.substr(at + 1, close - at - 1);
  at = close + 1;
  const bool negated = set.front() == '!' || set.front() == '^';
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found = found || (set[i] <= c && c <= set[i + 2]);
      i += 2;
    } else {
      found = found || set[i] == c;
    }
  }
  return found != negated;
}

// Of one path component. Linear backtracking: only the last star is ever retried.
bool MatchGlobComponent(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;  // hidden files must be asked for
  size_t p = 0, n = 0;
  size_t star = std::string_view::npos, star_name = 0;
  while (n < name.size()) {
    size_t next = p;
    bool matched = false;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
      continue;
    }
    if (p < pattern.size()) {
      if (pattern[p] == '[') {
        matched = MatchGlobClass(pattern, next, name[n]);
      } else {
        matched = pattern[p] == '?' || pattern[p] == name[n];
        next = p + 1;
      }
    }
    if (matched) {
      p = next;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  std::string path(directory);
  if (path.back() != '/') path.push_back('/');
  path.append(name.substr(name.starts_with('/') ? 1 : 0));
  return path;
}

std::string ParentPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<size_t>(slash, 1)));
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool IsGlobPattern(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

bool FileSystem::Exists(const std::string& path) {
  return Stat(path).ok();
}

StatusOr<std::string> FileSystem::ReadFile(const std::string& path) {
  EAGRE_ASSIGN_OR_RETURN(const auto file, OpenForRead(path));
  EAGRE_ASSIGN_OR_RETURN(const int64_t size, file->Size());
  std::string content;
  // Files of /proc have no size before they are read.
  constexpr size_t kSmallestChunkBytes = 4096;
  size_t chunk = std::max<size_t>(static_cast<size_t>(size) + 1, kSmallestChunkBytes);
  while (true) {
    const size_t old_size = content.size();
    content.resize(old_size + chunk);
    EAGRE_ASSIGN_OR_RETURN(const size_t got,
                           file->ReadAt(static_cast<int64_t>(old_size), content.data() + old_size, chunk));
    content.resize(old_size + got);
    if (got < chunk) return content;
  }
}

Status FileSystem::WriteFile(const std::string& path, std::string_view content) {
  EAGRE_ASSIGN_OR_RETURN(const auto file, OpenForWrite(path, OpenMode::kTruncate));
  EAGRE_RETURN_IF_ERROR(file->Append(content));
  return file->Close();
}

Status FileSystem::WriteFileAtomically(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  EAGRE_ASSIGN_OR_RETURN(const auto file, OpenForWrite(temporary, OpenMode::kTruncate));
  EAGRE_RETURN_IF_ERROR(file->Append(content));
  EAGRE_RETURN_IF_ERROR(file->Sync());
  EAGRE_RETURN_IF_ERROR(file->Close());
  EAGRE_RETURN_IF_ERROR(Rename(temporary, path));
  return SyncDirectory(ParentPath(path));
}

Status FileSystem::CreateFileOnce(const std::string& path, std::string_view content, std::string_view writer) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, writer);
  EAGRE_ASSIGN_OR_RETURN(const auto file, OpenForWrite(temporary, OpenMode::kTruncate));
  Status status = file->Append(content);
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  if (status.ok()) status = Link(temporary, path);
  const Status removed = Remove(temporary);
  EAGRE_RETURN_IF_ERROR(status);
  EAGRE_RETURN_IF_ERROR(removed);
  return SyncDirectory(ParentPath(path));
}

StatusOr<std::vector<FileInfo>> FileSystem::Glob(const std::string& pattern) {
  std::vector<std::string> bases = {pattern.starts_with('/') ? "/" : ""};
  std::vector<FileInfo> matches;
  size_t at = pattern.starts_with('/') ? 1 : 0;
  while (at < pattern.size()) {
    const size_t slash = std::min(pattern.find('/', at), pattern.size());
    const std::string component = pattern.substr(at, slash - at);
    const bool last = slash >= pattern.size();
    at = slash + 1;
    if (component.empty()) continue;
    std::vector<std::string> next;
    for (const std::string& base : bases) {
      if (!IsGlobPattern(component)) {
        const std::string path = JoinPath(base, component);
        auto info = Stat(path);
        if (!info.ok()) continue;
        if (last && !info->is_directory) matches.push_back(*std::move(info));
        next.push_back(path);
        continue;
      }
      auto entries = List(base.empty() ? "." : base);
      if (!entries.ok()) continue;  // a file among the folders, or one that may not be read
      for (FileInfo& entry : *entries) {
        const std::string name(BaseName(entry.path));
        if (!MatchGlobComponent(component, name)) continue;
        next.push_back(JoinPath(base, name));
        entry.path = next.back();
        if (last && !entry.is_directory) matches.push_back(std::move(entry));
      }
    }
    bases = std::move(next);
  }
  std::sort(matches.begin(), matches.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  return matches;
}

}  // namespace eagre
