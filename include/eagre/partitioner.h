// A job's own partitioning, for DataStream::PartitionCustom.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "record/batch.h"
#include "runtime/partition_writer.h"

namespace eagre {

// One loop per batch, the user's functions inlined.
template <typename T, typename Partitioner, typename Selector>
class KeyPartitioner final : public BatchPartitioner {
 public:
  KeyPartitioner(Partitioner partitioner, Selector selector)
      : partitioner_(std::move(partitioner)), selector_(std::move(selector)) {}

  void Partition(const Batch& batch, int partitions, int* chosen) override {
    const auto& in = static_cast<const TypedBatch<T>&>(batch);
    for (size_t i = 0; i < in.size(); ++i) chosen[i] = partitioner_(std::invoke(selector_, in[i]), partitions);
  }

 private:
  Partitioner partitioner_;
  Selector selector_;
};

template <typename T, typename Partitioner, typename Selector>
std::unique_ptr<BatchPartitioner> MakePartitioner(Partitioner partitioner, Selector selector) {
  return std::make_unique<KeyPartitioner<T, Partitioner, Selector>>(std::move(partitioner), std::move(selector));
}

}  // namespace eagre
