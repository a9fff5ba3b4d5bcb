// What this process costs: CPU, memory, threads and file descriptors under the names that Flink gives them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"

namespace eagre {

// Gauges <prefix>_Status_JVM_CPU_{Load,Time}, _Status_JVM_Memory_Heap_{Used,Max} (resident bytes and the machine's or
// container's limit), _Status_JVM_Threads_Count and _Status_FileDescriptor_{Open,Max}. "JVM" stands in the names
// because Flink's dashboards and alerts ask for them. One thread at a time; registry and clock outlive it.
class ProcessMetrics {
 public:
  // `prefix` is flink_jobmanager or flink_taskmanager.
  ProcessMetrics(MetricRegistry& registry, std::string_view prefix, const MetricLabels& labels, const Clock& clock);

  // Reads the process's state; cheap enough for every scrape. The load is of the time since the last call, as a
  // fraction of all cores. Child processes count, those that live being `children`, and of those that were waited for
  // their CPU time.
  void Update(const std::vector<int>& children = {});

 private:
  const Clock& clock_;
  Gauge& cpu_load_;
  Gauge& cpu_time_ns_;
  Gauge& memory_used_;
  Gauge& memory_max_;
  Gauge& threads_;
  Gauge& descriptors_open_;
  Gauge& descriptors_max_;
  int64_t last_cpu_ns_ = 0;
  int64_t last_update_ns_ = 0;
};

// Resident memory of this process in bytes; 0 where it cannot be read.
int64_t ResidentBytes();
// CPU time that this process has used, of all threads, in nanoseconds.
int64_t ProcessCpuNs();

}  // namespace eagre
