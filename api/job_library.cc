#include "api/job_library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <utility>

#include "eagre/job.h"
#include "eagre/job_args.h"
#include "eagre/job_stamp.h"

namespace eagre {
namespace {

constexpr JobStamp kOwnStamp = EAGRE_BUILD_STAMP;

std::string LastLoaderError() {
  const char* error = dlerror();
  return error != nullptr ? error : "unknown loader error";
}

Status CheckStamp(const std::string& path, const JobStamp& stamp) {
  if (stamp.magic != kJobStampMagic) {
    return FailedPrecondition("'{}' has a job stamp that this version of Eagre cannot read: rebuild it", path);
  }
  const std::pair<const char*, std::pair<const char*, const char*>> parts[] = {
      {"Eagre version", {stamp.version, kOwnStamp.version}},
      {"compiler", {stamp.compiler, kOwnStamp.compiler}},
      {"standard library", {stamp.standard_library, kOwnStamp.standard_library}},
      {"Abseil", {stamp.abseil, kOwnStamp.abseil}},
      {"CPU level (-march)", {stamp.cpu_level, kOwnStamp.cpu_level}},
      {"sanitizer", {stamp.sanitizer, kOwnStamp.sanitizer}},
      {"digest of the headers", {stamp.headers, kOwnStamp.headers}},
  };
  for (const auto& [name, values] : parts) {
    if (std::strcmp(values.first, values.second) == 0) continue;
    return FailedPrecondition(
        "'{}' was built for another build of Eagre: its {} is '{}', this one's is '{}'; rebuild the job with this "
        "Eagre",
        path, name, values.first, values.second);
  }
  return OkStatus();
}

StatusOr<void (*)(Job&, const JobArgs&)> OpenLibrary(const std::string& path) {
  if (access(path.c_str(), R_OK) != 0) return NotFound("cannot read the job's library '{}': {}", path, strerror(errno));
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return NotFound("cannot resolve '{}': {}", path, strerror(errno));
  void* library = dlopen(resolved, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return FailedPrecondition("'{}' cannot be loaded as a shared library: {}", path, LastLoaderError());
  }
  const auto* stamp = static_cast<const JobStamp*>(dlsym(library, "eagre_job_stamp"));
  if (stamp == nullptr) {
    return FailedPrecondition("'{}' is no job: it does not define EAGRE_JOB(job, args) {{ ... }}", path);
  }
  EAGRE_RETURN_IF_ERROR(CheckStamp(path, *stamp));
  auto* entry = reinterpret_cast<void (*)(Job&, const JobArgs&)>(dlsym(library, "eagre_job_main"));
  if (entry == nullptr) return FailedPrecondition("'{}' has a stamp but no entry point: rebuild it", path);
  return entry;
}

}  // namespace

StatusOr<std::unique_ptr<StreamGraph>> LoadJob(const JobRequest& request) {
  Configuration config;
  EAGRE_RETURN_IF_ERROR(config.SetAll(request.config, "the job's configuration"));
  EAGRE_ASSIGN_OR_RETURN(const JobArgs args, JobArgs::Parse(request.args));
  EAGRE_ASSIGN_OR_RETURN(const auto entry, OpenLibrary(request.library_path));
  auto graph = std::make_unique<StreamGraph>(std::move(config));
  for (const auto& [name, value] : args.values()) graph->parameters()[name] = value;
  Job job(*graph);
  try {
    entry(job, args);
  } catch (const std::exception& error) {
    return InvalidArgument("the entry point of '{}' threw: {}", request.library_path, error.what());
  } catch (...) {
    return InvalidArgument("the entry point of '{}' threw something that is not a std::exception",
                           request.library_path);
  }
  if (args.wants_help()) return Cancelled("{}", args.HelpText());
  EAGRE_RETURN_IF_ERROR(args.error());
  EAGRE_RETURN_IF_ERROR(WithContext(graph->error(), "the job is not valid"));
  return graph;
}

StatusOr<std::unique_ptr<StreamGraph>> LoadJob(const proto::DeployWorker& deploy) {
  return LoadJob(JobRequest{.library_path = deploy.library_path(),
                            .args = {deploy.args().begin(), deploy.args().end()},
                            .config = {deploy.config().begin(), deploy.config().end()}});
}

}  // namespace eagre
