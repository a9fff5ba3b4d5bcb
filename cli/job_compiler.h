// Compiles a job's source for `eagre run job.cc`, or finds what was compiled before.
//
// A library is reused when its source, the files that this includes, the compiler with its flags, and Eagre's headers
// are what they were. The headers are precompiled when the first job is. Both lie in a folder of the user's:
// $XDG_CACHE_HOME/eagre, else ~/.cache/eagre. Headers that are not those of the running binary are refused: what is
// compiled against them would not fit it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace eagre {

struct HeaderSum {
  std::string sha256;  // hexadecimal
  std::string path;
};

// How to compile: what share/eagre/job.flags beside the binary says, and headers.sha256 there.
struct CompilerSettings {
  std::string compiler;
  std::vector<std::string> flags;
  std::string headers_digest;      // of this build of Eagre
  std::vector<HeaderSum> headers;  // that it was compiled with

  // Of the running binary. Fails when it lies neither in a build tree nor in an installed one.
  static StatusOr<CompilerSettings> OfThisBinary(FileSystem& files);
  // Of the texts of the two files; `root` stands for @ROOT@.
  static StatusOr<CompilerSettings> Parse(std::string_view flags, std::string_view headers, const std::string& root);
};

struct CompiledJob {
  std::string library;
  std::vector<std::string> sources;  // the source and what it includes, but for Eagre's and the system's headers
  bool was_cached = false;
};

// True for what `eagre run` compiles: .cc, .cpp and .cxx.
bool IsJobSource(std::string_view path);

// One thread. The compiler writes its errors to standard error, as they are.
class JobCompiler {
 public:
  // Jobs beyond so many, and headers of builds before the last one, go when something is added.
  static constexpr size_t kMostJobs = 64;

  JobCompiler(FileSystem& files, CompilerSettings settings, std::string cache_directory)
      : files_(files), settings_(std::move(settings)), cache_directory_(std::move(cache_directory)) {}

  // The folder that the environment says, for the user at hand.
  static StatusOr<std::string> DefaultCacheDirectory();

  StatusOr<CompiledJob> Compile(const std::string& source);

 private:
  // Eagre's headers are those of this build.
  Status CheckHeaders();
  // What was compiled is still good: its sources.
  StatusOr<std::vector<std::string>> CheckManifest(const std::string& manifest);
  StatusOr<std::string> PrecompiledHeader();
  Status RunCompiler(const std::vector<std::string>& arguments, const std::string& what);
  Status Prune(const std::string& directory, size_t most);

  FileSystem& files_;
  const CompilerSettings settings_;
  const std::string cache_directory_;
};

// A compiler of this binary's jobs, with the user's cache.
StatusOr<JobCompiler> NewJobCompiler();
// The library of what the user named: itself, or what its source compiles to.
StatusOr<std::string> LibraryOf(const std::string& job);

}  // namespace eagre
