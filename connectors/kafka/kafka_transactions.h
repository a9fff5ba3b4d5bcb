// Makes sealed output visible, each epoch once, whatever died before: the half of the exactly-once sink that speaks
// with brokers. docs/decisions has the argument; in short:
//
// A transaction is begun only when its checkpoint is complete, so the checkpoint that a job goes on from names every
// transactional id that may have one open, and holds what was in it. Whoever restores it initialises the id, which ends
// what was open and shuts out the process that had it, reads the id's marker, and writes what the marker does not
// cover.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "connectors/kafka/kafka_markers.h"
#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_writer.h"
#include "connectors/kafka/sealed_epoch.h"

namespace eagre {

// All calls but Stop on one thread, and all of these wait for brokers.
class KafkaTransactions {
 public:
  // `transactional_id` is new: no other writer of this or any other job ever had it. `clock` outlives it.
  KafkaTransactions(const KafkaWriterOptions& options, std::string transactional_id, std::string purpose,
                    const Clock& clock);

  // Before anything else: the id is this writer's from now on, and has its first marker.
  Status Register();
  // Epochs of this writer, of checkpoints that are complete.
  Status Commit(const SealedEpochs& epochs);
  // Epochs of writers of earlier attempts, from the checkpoint that is restored.
  Status Recover(const SealedEpochs& epochs);

  // Has whatever waits return soon. Any thread.
  void Stop();

  int64_t transactions_committed() const { return committed_.load(std::memory_order_relaxed); }

 private:
  // A producer with its id initialised; what the id had open is over, and nobody else can use it any more.
  StatusOr<std::unique_ptr<KafkaProducer>> OpenProducer(const std::string& transactional_id);
  // One transaction with the epochs, all of one id, and their marker.
  Status TryCommit(KafkaProducer& producer, const SealedEpochs& epochs);
  // Waits for room.
  Status SendOne(KafkaProducer& producer, const KafkaRecordView& record, KafkaProducer::Mode mode);
  Status SendAll(KafkaProducer& producer, const SealedEpochs& epochs);
  // After a failure or a restart, when it is not known what is committed. `producer` has the id of the epochs
  // initialised since then, or is null; it gets the one that wrote them.
  Status CommitWhatIsMissing(const SealedEpochs& epochs, std::unique_ptr<KafkaProducer>& producer);
  void Abort(KafkaProducer& producer);
  KafkaMarkers MakeMarkers() const;

  static constexpr int kTries = 4;
  static constexpr int kSliceMs = 1000;  // of calls that wait, so that Stop is noticed

  const KafkaWriterOptions options_;
  const std::string transactional_id_;
  const std::string purpose_;
  const Clock& clock_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> committed_{0};
  std::unique_ptr<KafkaProducer> producer_;  // of this writer's id
};

}  // namespace eagre
