// The writer of a Kafka sink that writes exactly once: gathers encoded records until the barrier, keeps them in the
// checkpoint, and has them committed by a thread of its own when the checkpoint is complete.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/executor.h"
#include "connectors/kafka/kafka_transactions.h"
#include "connectors/kafka/kafka_writer.h"
#include "connectors/kafka/sealed_epoch.h"

namespace eagre {

class TransactionalWriter final : public KafkaWriter, public SinkTransactions {
 public:
  explicit TransactionalWriter(KafkaWriterOptions options);
  ~TransactionalWriter() override;

  // ---- KafkaWriter ----
  Status Open(SinkContext& context) override;
  StatusOr<bool> Write(const KafkaRecord& record) override;
  bool blocked() const override;
  Status Flush(bool before_commit, bool& done) override;
  SinkTransactions* transactions() override { return this; }
  Status Close(bool failed) override;

  // ---- SinkTransactions ----
  CheckpointedState& state() override;
  Status Begin() override;
  Status Seal(int64_t checkpoint_id) override;
  Status OnCheckpointComplete(int64_t checkpoint_id) override;
  bool awaits_commit() const override { return !current_.empty() || !sealed_.empty(); }
  bool committing() const override { return committing_bytes_ > 0; }

 private:
  class State;

  // Runs `call` on the committing thread, and `then` on the slot's when it has succeeded. A failure fails the job.
  void Run(std::function<Status(KafkaTransactions&)> call, std::function<void()> then);
  void Submit(SealedEpochs epochs, bool restored);
  void UpdateMetrics();

  static constexpr size_t kChunkBytes = 1 << 20;

  const KafkaWriterOptions options_;
  SinkContext* context_ = nullptr;
  std::string transactional_id_;
  size_t max_record_bytes_ = 0;
  bool ready_ = false;  // the id is registered

  std::vector<std::shared_ptr<const std::string>> current_;  // since the last barrier; the last chunk is chunk_
  std::shared_ptr<std::string> chunk_;
  size_t current_bytes_ = 0;
  std::deque<std::shared_ptr<const SealedEpoch>> sealed_;  // and not known to be committed
  int64_t submitted_up_to_ = 0;                            // checkpoints; own epochs
  size_t sealed_bytes_ = 0;
  size_t committing_bytes_ = 0;
  std::unique_ptr<State> state_;
  Gauge* uncommitted_bytes_ = nullptr;
  Counter* bytes_sent_ = nullptr;
  Counter* transactions_committed_ = nullptr;

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for mail
  std::unique_ptr<KafkaTransactions> transactions_;
  std::unique_ptr<ThreadExecutor> executor_;  // last: its thread uses what is above
};

}  // namespace eagre
