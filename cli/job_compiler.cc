#include "cli/job_compiler.h"

#include <openssl/evp.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/hash.h"
#include "eagre/job_stamp.h"

extern char** environ;

namespace eagre {
namespace {

constexpr char kSettingsFolder[] = "share/eagre";
constexpr char kFlagsFile[] = "job.flags";
constexpr char kHeadersFile[] = "headers.sha256";
constexpr char kRootMark[] = "@ROOT@";
constexpr char kHeaderName[] = "eagre_job.h";
constexpr size_t kMostVersions = 6;  // of one job, the manifest counted

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The lines of a file of settings, with `root` for its mark.
std::vector<std::string> SettingsOf(std::string_view text, const std::string& root) {
  std::vector<std::string> lines = LinesOf(text);
  for (std::string& line : lines) {
    if (const size_t mark = line.find(kRootMark); mark != std::string::npos) {
      line.replace(mark, sizeof(kRootMark) - 1, root);
    }
  }
  return lines;
}

std::string Sha256Hex(std::string_view content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EAGRE_CHECK(EVP_Digest(content.data(), content.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
}

StatusOr<std::string> RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return NotFound("cannot read '{}': {}", path, strerror(errno));
  return std::string(resolved);
}

// The files that a make rule, as the compiler writes it, names behind the colon.
std::vector<std::string> FilesOfRule(std::string_view rule) {
  std::vector<std::string> names;
  std::string name;
  rule.remove_prefix(std::min(rule.find(": ") + 1, rule.size()));
  for (size_t i = 0; i < rule.size(); ++i) {
    const char c = rule[i];
    if (c == '\\' && i + 1 < rule.size()) {
      if (rule[++i] == ' ') name += ' ';
      continue;
    }
    if (c != ' ' && c != '\n') {
      name += c;
      continue;
    }
    if (!name.empty()) names.push_back(std::exchange(name, {}));
  }
  if (!name.empty()) names.push_back(std::move(name));
  return names;
}

}  // namespace

StatusOr<CompilerSettings> CompilerSettings::Parse(std::string_view flags, std::string_view headers,
                                                   const std::string& root) {
  CompilerSettings settings;
  settings.headers_digest = EAGRE_HEADERS_DIGEST;
  settings.flags = SettingsOf(flags, root);
  if (settings.flags.empty()) return DataLoss("it names no compiler");
  settings.compiler = std::move(settings.flags.front());
  settings.flags.erase(settings.flags.begin());
  for (const std::string& line : SettingsOf(headers, root)) {
    const size_t blanks = line.find("  ");
    if (blanks == std::string::npos) return DataLoss("'{}' is no checksum with a header", line);
    settings.headers.push_back({line.substr(0, blanks), line.substr(blanks + 2)});
  }
  return settings;
}

StatusOr<CompilerSettings> CompilerSettings::OfThisBinary(FileSystem& files) {
  EAGRE_ASSIGN_OR_RETURN(const std::string binary, RealPath("/proc/self/exe"));
  const std::string root = ParentPath(ParentPath(binary));
  const std::string folder = JoinPath(root, kSettingsFolder);
  const StatusOr<std::string> flags = files.ReadFile(JoinPath(folder, kFlagsFile));
  const StatusOr<std::string> headers = files.ReadFile(JoinPath(folder, kHeadersFile));
  if (!flags.ok() || !headers.ok()) {
    return NotFound(
        "cannot compile jobs: {}; this binary lies neither in a build tree nor where `cmake --install` put it",
        StatusMessage(flags.ok() ? headers.status() : flags.status()));
  }
  StatusOr<CompilerSettings> settings = Parse(*flags, *headers, root);
  if (!settings.ok()) return WithContext(settings.status(), folder);
  return settings;
}

bool IsJobSource(std::string_view path) {
  return path.ends_with(".cc") || path.ends_with(".cpp") || path.ends_with(".cxx");
}

StatusOr<std::string> JobCompiler::DefaultCacheDirectory() {
  if (const char* cache = getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') return JoinPath(cache, "eagre");
  if (const char* home = getenv("HOME"); home != nullptr && *home != '\0') return JoinPath(home, ".cache/eagre");
  return FailedPrecondition("there is no place for compiled jobs: set HOME or XDG_CACHE_HOME");
}

Status JobCompiler::RunCompiler(const std::vector<std::string>& arguments, const std::string& what) {
  std::vector<std::string> line = {settings_.compiler};
  line.insert(line.end(), settings_.flags.begin(), settings_.flags.end());
  line.insert(line.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : line) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, settings_.compiler.c_str(), nullptr, nullptr, argv.data(), environ);
  if (error != 0) {
    return NotFound("cannot start the compiler '{}': {}; `apt-get install g++` installs it", settings_.compiler,
                    strerror(error));
  }
  int wait_status = 0;
  while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return OkStatus();
  return InvalidArgument("{} does not compile; the compiler's messages are above", what);
}

Status JobCompiler::CheckHeaders() {
  for (const HeaderSum& header : settings_.headers) {
    const StatusOr<std::string> content = files_.ReadFile(header.path);
    if (content.ok() && Sha256Hex(*content) == header.sha256) continue;
    return FailedPrecondition(
        "cannot compile jobs: {} has changed since this Eagre was built, and what is compiled against it would not "
        "fit; "
        "build Eagre anew, or install it again",
        header.path);
  }
  return OkStatus();
}

StatusOr<std::vector<std::string>> JobCompiler::CheckManifest(const std::string& manifest) {
  EAGRE_ASSIGN_OR_RETURN(const std::string text, files_.ReadFile(manifest));
  std::vector<std::string> sources;
  for (const std::string& line : LinesOf(text)) {
    const size_t blank = line.find(' ');
    if (blank == std::string::npos) return DataLoss("a line without a path");
    const std::string path = line.substr(blank + 1);
    EAGRE_ASSIGN_OR_RETURN(const std::string content, files_.ReadFile(path));
    if (Hash128Hex(content) != line.substr(0, blank)) return FailedPrecondition("{} has changed", path);
    sources.push_back(path);
  }
  return sources;
}

// Removes the oldest entries of a folder beyond `most`.
Status JobCompiler::Prune(const std::string& directory, size_t most) {
  EAGRE_ASSIGN_OR_RETURN(std::vector<FileInfo> entries, files_.List(directory));
  std::sort(entries.begin(), entries.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.modified_ms > b.modified_ms; });
  for (size_t i = most; i < entries.size(); ++i) EAGRE_RETURN_IF_ERROR(files_.RemoveTree(entries[i].path));
  return OkStatus();
}

// The header to include first, which the compiler takes from its precompiled form beside it.
StatusOr<std::string> JobCompiler::PrecompiledHeader() {
  std::string identity = settings_.compiler + "\n" + settings_.headers_digest;
  for (const std::string& flag : settings_.flags) identity += "\n" + flag;
  const std::string all = JoinPath(cache_directory_, "headers");
  const std::string directory = JoinPath(all, Hash128Hex(identity));
  std::string header = JoinPath(directory, kHeaderName);
  const std::string precompiled = header + ".gch";
  if (files_.Exists(precompiled)) return header;
  fmt::print(stderr, "Precompiling Eagre's headers, once.\n");
  EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(all));
  EAGRE_RETURN_IF_ERROR(Prune(all, 1));
  EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(directory));
  EAGRE_RETURN_IF_ERROR(files_.WriteFile(header, "#include <eagre/eagre.h>\n"));
  // Another process may do the same at this time: the name appears when it is complete.
  const std::string unfinished = fmt::format("{}.{}", precompiled, getpid());
  EAGRE_RETURN_IF_ERROR(RunCompiler({"-x", "c++-header", header, "-o", unfinished}, "Eagre's own header"));
  EAGRE_RETURN_IF_ERROR(files_.Rename(unfinished, precompiled));
  return header;
}

StatusOr<CompiledJob> JobCompiler::Compile(const std::string& source) {
  EAGRE_ASSIGN_OR_RETURN(const std::string path, RealPath(source));
  EAGRE_RETURN_IF_ERROR(CheckHeaders());
  std::string identity = fmt::format("{}\n{}\n{}", path, settings_.compiler, settings_.headers_digest);
  for (const std::string& flag : settings_.flags) identity += "\n" + flag;
  const std::string all = JoinPath(cache_directory_, "jobs");
  const std::string directory = JoinPath(all, Hash128Hex(identity));
  const std::string manifest = JoinPath(directory, "manifest");
  // The content is in the name: a library that a process has loaded is never written to.
  const auto library_of = [&](const std::string& text) {
    return JoinPath(directory, Hash128Hex(text).substr(0, 16) + ".so");
  };
  if (StatusOr<std::vector<std::string>> sources = CheckManifest(manifest); sources.ok()) {
    EAGRE_ASSIGN_OR_RETURN(const std::string text, files_.ReadFile(manifest));
    if (files_.Exists(library_of(text))) return CompiledJob{library_of(text), *std::move(sources), true};
  }
  EAGRE_ASSIGN_OR_RETURN(const std::string header, PrecompiledHeader());
  EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(all));
  EAGRE_RETURN_IF_ERROR(Prune(all, kMostJobs - 1));
  EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(directory));
  EAGRE_RETURN_IF_ERROR(Prune(directory, kMostVersions));
  const std::string built = JoinPath(directory, fmt::format("built.{}", getpid()));
  const std::string rule = JoinPath(directory, fmt::format("rule.{}", getpid()));
  EAGRE_RETURN_IF_ERROR(RunCompiler({"-shared", "-include", header, "-MMD", "-MF", rule, path, "-o", built}, source));

  CompiledJob job;
  std::string text;
  EAGRE_ASSIGN_OR_RETURN(const std::string named, files_.ReadFile(rule));
  for (const std::string& name : FilesOfRule(named)) {
    if (name.starts_with(cache_directory_)) continue;  // the precompiled header
    EAGRE_ASSIGN_OR_RETURN(const std::string content, files_.ReadFile(name));
    EAGRE_ASSIGN_OR_RETURN(const std::string resolved, RealPath(name));
    text += fmt::format("{} {}\n", Hash128Hex(content), resolved);
    job.sources.push_back(resolved);
  }
  EAGRE_RETURN_IF_ERROR(files_.Remove(rule));
  job.library = library_of(text);
  EAGRE_RETURN_IF_ERROR(files_.Rename(built, job.library));
  EAGRE_RETURN_IF_ERROR(files_.WriteFileAtomically(manifest, text));
  return job;
}

StatusOr<JobCompiler> NewJobCompiler() {
  EAGRE_ASSIGN_OR_RETURN(CompilerSettings settings, CompilerSettings::OfThisBinary(PosixFileSystem()));
  EAGRE_ASSIGN_OR_RETURN(std::string cache, JobCompiler::DefaultCacheDirectory());
  return JobCompiler(PosixFileSystem(), std::move(settings), std::move(cache));
}

StatusOr<std::string> LibraryOf(const std::string& job) {
  if (!IsJobSource(job)) return job;
  EAGRE_ASSIGN_OR_RETURN(JobCompiler compiler, NewJobCompiler());
  EAGRE_ASSIGN_OR_RETURN(CompiledJob compiled, compiler.Compile(job));
  return std::move(compiled.library);
}

}  // namespace eagre
