// The metrics of one Kafka reader, under Flink's names: `KafkaSourceReader_...` of the operator, those of a partition
// with the labels `topic` and `partition`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "runtime/operator.h"

namespace eagre {

// One thread.
class KafkaReaderMetrics {
 public:
  explicit KafkaReaderMetrics(MetricScope scope);

  void AddPartition(const std::string& topic, int32_t partition);
  // `end` is the end of the partition as far as is known; 0 or less: nothing is.
  void SetPosition(const std::string& topic, int32_t partition, int64_t next_offset, int64_t end);
  void SetCommitted(const std::string& topic, int32_t partition, int64_t offset);
  // After the positions of all partitions are set.
  void SumUp();
  void CommitSucceeded() { commits_succeeded_->Add(1); }
  void CommitFailed() { commits_failed_->Add(1); }

 private:
  struct Partition {
    Gauge* current_offset = nullptr;
    Gauge* committed_offset = nullptr;
    Gauge* lag = nullptr;
    int64_t records_behind = 0;
  };

  const MetricScope scope_;
  Counter* commits_succeeded_;
  Counter* commits_failed_;
  Gauge* pending_records_;
  Gauge* records_lag_max_;
  std::map<std::pair<std::string, int32_t>, Partition> partitions_;
};

}  // namespace eagre
