#include "base/process_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <thread>

#include "base/file_system.h"
#include "base/machine_memory.h"

namespace eagre {
namespace {

constexpr int64_t kNsPerUs = 1000;
constexpr int64_t kUsPerS = 1'000'000;

std::string ReadProcFile(const std::string& path) {
  return PosixFileSystem().ReadFile(path).value_or("");
}

// The number after the last blank before `at`.
int64_t NumberAt(std::string_view text, size_t at) {
  at = std::min(text.find_first_not_of(" \t", at), text.size());
  int64_t number = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), number);
  return number;
}

// What one process costs; zeros for one that is gone.
struct ProcessCost {
  int64_t cpu_ns = 0;
  int64_t resident_bytes = 0;
  int64_t threads = 0;
  int64_t descriptors = 0;
};

// `process`: its number, or "self".
int64_t ThreadCount(const std::string& process) {
  const std::string status = ReadProcFile("/proc/" + process + "/status");
  constexpr std::string_view kLabel = "\nThreads:";
  const size_t at = status.find(kLabel);
  return at == std::string::npos ? 0 : NumberAt(status, at + kLabel.size());
}

int64_t OpenDescriptors(const std::string& process) {
  DIR* stream = opendir(("/proc/" + process + "/fd").c_str());
  if (stream == nullptr) return 0;
  int64_t count = 0;
  while (const dirent* entry = readdir(stream)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(stream);
  return count;
}

int64_t ResidentBytesOf(const std::string& process) {
  const std::string statm = ReadProcFile("/proc/" + process + "/statm");  // "size resident ..." in pages
  const size_t blank = statm.find(' ');
  return blank == std::string::npos ? 0 : NumberAt(statm, blank) * sysconf(_SC_PAGESIZE);
}

int64_t CpuNs(const rusage& usage) {
  const int64_t us =
      (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kUsPerS + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  return us * kNsPerUs;
}

// Of a live child, in ticks of the system's clock: the 14th and 15th field, counted from the one behind the name.
int64_t ChildCpuNs(const std::string& process) {
  const std::string stat = ReadProcFile("/proc/" + process + "/stat");
  size_t at = stat.rfind(')');
  if (at == std::string::npos) return 0;
  constexpr int kFieldsToUserTime = 12;
  for (int field = 0; field < kFieldsToUserTime && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  const size_t system_time = stat.find(' ', at + 1);
  if (system_time == std::string::npos) return 0;
  return (NumberAt(stat, at) + NumberAt(stat, system_time)) * (kUsPerS * kNsPerUs / sysconf(_SC_CLK_TCK));
}

ProcessCost CostOfAll(const std::vector<int>& children) {
  rusage ended{};
  getrusage(RUSAGE_CHILDREN, &ended);
  ProcessCost all{.cpu_ns = ProcessCpuNs() + CpuNs(ended),
                  .resident_bytes = ResidentBytes(),
                  .threads = ThreadCount("self"),
                  .descriptors = OpenDescriptors("self") - 1};  // the one that lists them
  for (const int child : children) {
    const std::string process = std::to_string(child);
    all.cpu_ns += ChildCpuNs(process);
    all.resident_bytes += ResidentBytesOf(process);
    all.threads += ThreadCount(process);
    all.descriptors += OpenDescriptors(process);
  }
  return all;
}

int64_t DescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace

int64_t ResidentBytes() {
  return ResidentBytesOf("self");
}

int64_t ProcessCpuNs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return CpuNs(usage);
}

ProcessMetrics::ProcessMetrics(MetricRegistry& registry, std::string_view prefix, const MetricLabels& labels,
                               const Clock& clock)
    : clock_(clock),
      cpu_load_(registry.AddGauge(fmt::format("{}_Status_JVM_CPU_Load", prefix), labels,
                                  "CPU use as a fraction of all cores")),
      cpu_time_ns_(
          registry.AddGauge(fmt::format("{}_Status_JVM_CPU_Time", prefix), labels, "CPU time used in nanoseconds")),
      memory_used_(
          registry.AddGauge(fmt::format("{}_Status_JVM_Memory_Heap_Used", prefix), labels, "Resident memory in bytes")),
      memory_max_(registry.AddGauge(fmt::format("{}_Status_JVM_Memory_Heap_Max", prefix), labels,
                                    "Memory of the container or machine in bytes")),
      threads_(registry.AddGauge(fmt::format("{}_Status_JVM_Threads_Count", prefix), labels, "Threads")),
      descriptors_open_(
          registry.AddGauge(fmt::format("{}_Status_FileDescriptor_Open", prefix), labels, "Open file descriptors")),
      descriptors_max_(registry.AddGauge(fmt::format("{}_Status_FileDescriptor_Max", prefix), labels,
                                         "Limit of open file descriptors")),
      last_cpu_ns_(ProcessCpuNs()),
      last_update_ns_(clock.MonotonicNs()) {
  memory_max_.Set(static_cast<double>(MachineMemoryBytes()));
  Update();
}

void ProcessMetrics::Update(const std::vector<int>& children) {
  const ProcessCost cost = CostOfAll(children);
  const int64_t now_ns = clock_.MonotonicNs();
  if (now_ns > last_update_ns_) {
    const double cores = std::max(1u, std::thread::hardware_concurrency());
    // What a child that has just ended had used may not be told yet.
    const int64_t used_ns = std::max<int64_t>(cost.cpu_ns - last_cpu_ns_, 0);
    cpu_load_.Set(static_cast<double>(used_ns) / static_cast<double>(now_ns - last_update_ns_) / cores);
  }
  last_cpu_ns_ = std::max(cost.cpu_ns, last_cpu_ns_);
  last_update_ns_ = now_ns;
  cpu_time_ns_.Set(static_cast<double>(last_cpu_ns_));
  memory_used_.Set(static_cast<double>(cost.resident_bytes));
  threads_.Set(static_cast<double>(cost.threads));
  descriptors_open_.Set(static_cast<double>(cost.descriptors));
  descriptors_max_.Set(static_cast<double>(DescriptorLimit()));
}

}  // namespace eagre
