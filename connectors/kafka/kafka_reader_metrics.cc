#include "connectors/kafka/kafka_reader_metrics.h"

#include <algorithm>

namespace eagre {

KafkaReaderMetrics::KafkaReaderMetrics(MetricScope scope) : scope_(std::move(scope)) {
  const std::string prefix = scope_.prefix + "KafkaSourceReader_";
  commits_succeeded_ = &scope_.registry->AddCounter(prefix + "commitsSucceeded", scope_.labels);
  commits_failed_ = &scope_.registry->AddCounter(prefix + "commitsFailed", scope_.labels);
  records_lag_max_ = &scope_.registry->AddGauge(prefix + "KafkaConsumer_records_lag_max", scope_.labels);
  pending_records_ = &scope_.registry->AddGauge(scope_.prefix + "pendingRecords", scope_.labels);
}

void KafkaReaderMetrics::AddPartition(const std::string& topic, int32_t partition) {
  MetricLabels labels = scope_.labels;
  labels.emplace_back("topic", topic);
  labels.emplace_back("partition", std::to_string(partition));
  const std::string prefix = scope_.prefix + "KafkaSourceReader_topic_partition_";
  Partition& added = partitions_[{topic, partition}];
  added.current_offset = &scope_.registry->AddGauge(prefix + "currentOffset", labels);
  added.committed_offset = &scope_.registry->AddGauge(prefix + "committedOffset", labels);
  added.lag = &scope_.registry->AddGauge(prefix + "records_lag", labels);
  added.current_offset->Set(-1);
  added.committed_offset->Set(-1);
}

void KafkaReaderMetrics::SetPosition(const std::string& topic, int32_t partition, int64_t next_offset, int64_t end) {
  Partition& at = partitions_[{topic, partition}];
  // As in Flink, the offset of the last record that was read.
  at.current_offset->Set(static_cast<double>(next_offset - 1));
  if (end <= 0) return;
  at.records_behind = std::max<int64_t>(end - next_offset, 0);
  at.lag->Set(static_cast<double>(at.records_behind));
}

void KafkaReaderMetrics::SetCommitted(const std::string& topic, int32_t partition, int64_t offset) {
  const auto found = partitions_.find({topic, partition});
  if (found != partitions_.end()) found->second.committed_offset->Set(static_cast<double>(offset));
}

void KafkaReaderMetrics::SumUp() {
  int64_t sum = 0, most = 0;
  for (const auto& [name, partition] : partitions_) {
    sum += partition.records_behind;
    most = std::max(most, partition.records_behind);
  }
  pending_records_->Set(static_cast<double>(sum));
  records_lag_max_->Set(static_cast<double>(most));
}

}  // namespace eagre
