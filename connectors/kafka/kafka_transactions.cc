#include "connectors/kafka/kafka_transactions.h"

#include <utility>

#include "base/fault_point.h"
#include "base/logging.h"

namespace eagre {
namespace {

Status Stopped() {
  return Cancelled("the sink was closed");
}

bool Retriable(rd_kafka_error_t* error) {
  return rd_kafka_error_is_retriable(error) != 0 || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

}  // namespace

KafkaTransactions::KafkaTransactions(const KafkaWriterOptions& options, std::string transactional_id,
                                     std::string purpose, const Clock& clock)
    : options_(options), transactional_id_(std::move(transactional_id)), purpose_(std::move(purpose)), clock_(clock) {}

KafkaMarkers KafkaTransactions::MakeMarkers() const {
  return KafkaMarkers({.properties = options_.properties,
                       .topic = options_.marker_topic,
                       .purpose = purpose_,
                       .start_timeout_ms = options_.start_timeout_ms,
                       .transaction_timeout_ms = options_.transaction_timeout_ms,
                       .clock = &clock_,
                       .stopping = [this] { return stopping_.load(); }});
}

Status KafkaTransactions::Register() {
  // Before the id can commit anything: from here on a missing marker is an error.
  EAGRE_RETURN_IF_ERROR(MakeMarkers().Register(transactional_id_));
  EAGRE_ASSIGN_OR_RETURN(producer_, OpenProducer(transactional_id_));
  return OkStatus();
}

void KafkaTransactions::Stop() {
  stopping_ = true;
}

StatusOr<std::unique_ptr<KafkaProducer>> KafkaTransactions::OpenProducer(const std::string& transactional_id) {
  const std::string timeout = std::to_string(options_.transaction_timeout_ms);
  KafkaProducer::Options producer_options{
      .properties = options_.properties,
      .fixed = {{"transactional.id", transactional_id}, {"transaction.timeout.ms", timeout}},
      .purpose = purpose_,
      .on_progress = [] {}};
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<KafkaProducer> producer, KafkaProducer::Create(std::move(producer_options)));
  const std::string what = fmt::format("initialising the transactional id '{}'", transactional_id);
  const int64_t deadline_ms = clock_.NowMs() + options_.start_timeout_ms;
  for (;;) {
    if (stopping_) return Stopped();
    rd_kafka_error_t* error = rd_kafka_init_transactions(producer->client().get(), kSliceMs);
    if (error == nullptr) return producer;
    const bool again = Retriable(error) && clock_.NowMs() < deadline_ms;
    const Status status = KafkaError(error, what);
    EAGRE_RETURN_IF_ERROR(producer->error());
    if (!again) return status;
    EAGRE_LOG_WARN("Kafka, {}: {}; trying again", purpose_, StatusMessage(status));
  }
}

Status KafkaTransactions::SendOne(KafkaProducer& producer, const KafkaRecordView& record, KafkaProducer::Mode mode) {
  for (;;) {
    EAGRE_ASSIGN_OR_RETURN(const bool sent, producer.Send(record, mode));
    if (sent) return OkStatus();
    if (stopping_) return Stopped();
    producer.AwaitRoom();
  }
}

Status KafkaTransactions::SendAll(KafkaProducer& producer, const SealedEpochs& epochs) {
  for (const auto& epoch : epochs) {
    for (const auto& chunk : epoch->chunks) {
      if (stopping_) return Stopped();
      EAGRE_RETURN_IF_ERROR(ForEachRecord(*chunk, [&](const KafkaRecordView& record) {
        return SendOne(producer, record, KafkaProducer::Mode::kBorrow);
      }));
    }
  }
  return OkStatus();
}

Status KafkaTransactions::TryCommit(KafkaProducer& producer, const SealedEpochs& epochs) {
  rd_kafka_t* const handle = producer.client().get();
  EAGRE_RETURN_IF_ERROR(KafkaError(rd_kafka_begin_transaction(handle), "beginning a transaction"));
  const std::string& id = epochs.back()->transactional_id;
  const std::string checkpoint = std::to_string(epochs.back()->checkpoint_id);
  Status sent = SendAll(producer, epochs);
  if (sent.ok()) {
    sent = SendOne(producer, KafkaMarkers::Record(options_.marker_topic, id, checkpoint), KafkaProducer::Mode::kCopy);
  }
  if (!sent.ok()) {
    Abort(producer);
    return sent;
  }
  FaultPoint("kafka-sink-sending");
  // So that what stands open at the next point is all there, and may block readers.
  if (const Status delivered = producer.AwaitDelivery([this] { return stopping_.load(); }); !delivered.ok()) {
    Abort(producer);
    return delivered;
  }
  FaultPoint("kafka-sink-sent");
  for (;;) {
    rd_kafka_error_t* error = rd_kafka_commit_transaction(handle, kSliceMs);
    if (error == nullptr) break;
    if (Retriable(error) && !stopping_) {
      EAGRE_LOG_WARN("Kafka, {}: committing: {}; trying again", purpose_, rd_kafka_error_string(error));
      rd_kafka_error_destroy(error);
      continue;
    }
    const bool abort = rd_kafka_error_txn_requires_abort(error) != 0;
    Status status = KafkaError(error, fmt::format("committing the output of checkpoint {}", checkpoint));
    if (abort) Abort(producer);
    return status;
  }
  FaultPoint("kafka-sink-committed");
  committed_.fetch_add(1, std::memory_order_relaxed);
  return OkStatus();
}

void KafkaTransactions::Abort(KafkaProducer& producer) {
  if (rd_kafka_error_t* error = rd_kafka_abort_transaction(producer.client().get(), kSliceMs)) {
    // Whoever initialises the id next does it.
    EAGRE_LOG_DEBUG("Kafka, {}: aborting: {}", purpose_, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
  }
}

Status KafkaTransactions::Commit(const SealedEpochs& epochs) {
  FaultPoint("kafka-sink-checkpoint-complete");
  const Status status = producer_ == nullptr ? Unavailable("there is no producer") : TryCommit(*producer_, epochs);
  if (status.ok() || stopping_) return status;
  if (producer_ != nullptr && producer_->error_is_permanent()) return producer_->error();
  EAGRE_LOG_WARN("Kafka, {}: {}; looking what is committed, and writing the rest again", purpose_,
                 StatusMessage(status));
  producer_.reset();
  return CommitWhatIsMissing(epochs, producer_);
}

Status KafkaTransactions::Recover(const SealedEpochs& epochs) {
  std::map<std::string, SealedEpochs> by_id;
  for (const auto& epoch : epochs) by_id[epoch->transactional_id].push_back(epoch);
  // All ids before any marker: what one of them has open hides the markers of the others until it times out.
  std::map<std::string, std::unique_ptr<KafkaProducer>> producers;
  for (const auto& [id, own] : by_id) {
    EAGRE_ASSIGN_OR_RETURN(producers[id], OpenProducer(id));
  }
  for (const auto& [id, own] : by_id) {
    EAGRE_RETURN_IF_ERROR(CommitWhatIsMissing(own, producers[id]));
    producers.erase(id);
  }
  return OkStatus();
}

Status KafkaTransactions::CommitWhatIsMissing(const SealedEpochs& epochs, std::unique_ptr<KafkaProducer>& producer) {
  const std::string& id = epochs.front()->transactional_id;
  Status status;
  for (int tried = 0; tried < kTries; ++tried) {
    if (stopping_) return Stopped();
    // Only when the id is initialised nobody else can commit for it, and the marker is the last word.
    if (producer == nullptr) {
      EAGRE_ASSIGN_OR_RETURN(producer, OpenProducer(id));
    }
    FaultPoint("kafka-sink-initialised");
    EAGRE_ASSIGN_OR_RETURN(const auto markers, MakeMarkers().Read({id}));
    const auto marker = markers.find(id);
    if (marker == markers.end() && options_.lost_marker == LostMarker::kFail) {
      return DataLoss(
          "the marker of transactional id '{}' is not in topic '{}': whether its output of checkpoint {} is written "
          "cannot be known. Was the topic deleted, or is this another cluster? OnLostMarker(LostMarker::kWriteAgain) "
          "writes it, perhaps for the second time",
          id, options_.marker_topic, epochs.back()->checkpoint_id);
    }
    const int64_t committed = marker == markers.end() ? 0 : marker->second;
    SealedEpochs missing;
    for (const auto& epoch : epochs) {
      if (epoch->checkpoint_id > committed) missing.push_back(epoch);
    }
    EAGRE_LOG_INFO("Kafka, {}: '{}' has committed up to checkpoint {}; {} of {} parts are to be written", purpose_, id,
                   committed, missing.size(), epochs.size());
    if (missing.empty()) return OkStatus();
    status = TryCommit(*producer, missing);
    if (status.ok() || stopping_) return status;
    if (producer->error_is_permanent()) return producer->error();
    EAGRE_LOG_WARN("Kafka, {}: {}; trying again", purpose_, StatusMessage(status));
    producer.reset();
  }
  return status;
}

}  // namespace eagre
