// Collects a stream's records in memory of this process: for ExecuteAndCollect and tests.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "eagre/sink.h"

namespace eagre {

/// Where a CollectSink puts records. Thread-safe; shared by the job and who reads it.
template <typename T>
class CollectedRecords {
 public:
  void Add(const T* records, size_t count) {
    std::lock_guard lock(mutex_);
    records_.insert(records_.end(), records, records + count);
  }
  /// What came so far, each subtask's records in their order. They are then no longer here.
  std::vector<T> Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(records_, {});
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return records_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<T> records_;
};

template <typename T>
class CollectSink final : public Sink<T> {
 public:
  explicit CollectSink(std::shared_ptr<CollectedRecords<T>> records) : records_(std::move(records)) {}

  std::string Name() const override { return "Collect"; }
  StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const override { return std::make_unique<Writer>(records_); }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    explicit Writer(std::shared_ptr<CollectedRecords<T>> records) : records_(std::move(records)) {}
    Status Write(const TypedBatch<T>& batch, size_t& position) override {
      records_->Add(batch.records() + position, batch.size() - position);
      position = batch.size();
      return OkStatus();
    }

   private:
    const std::shared_ptr<CollectedRecords<T>> records_;
  };

  const std::shared_ptr<CollectedRecords<T>> records_;
};

}  // namespace eagre
