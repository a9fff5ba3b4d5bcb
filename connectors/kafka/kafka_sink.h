// Topics of Kafka as a sink, for any record type.
//
//   alerts.WriteTo(KafkaSink("localhost:9092", "alerts").ExactlyOnce().Key(&Alert::user));
//
// docs/connectors.md says what is promised.
#pragma once

#include <any>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "connectors/file/row_encoder.h"
#include "connectors/kafka/kafka_properties.h"
#include "connectors/kafka/kafka_record.h"
#include "connectors/kafka/kafka_writer.h"
#include "eagre/sink.h"
#include "record/type_info_of.h"

namespace eagre {

/// Fills in what the format does not: key, partition, topic, headers, timestamp, or the value itself.
template <typename T>
using KafkaRecordFunction = std::function<void(const T& record, KafkaRecord& out)>;

template <typename T>
class KafkaRecordSink final : public Sink<T> {
 public:
  // `fits`: a function that the maker of the sink was given is for this type of records.
  KafkaRecordSink(KafkaWriterOptions options, RowEncoderFactory format, KafkaRecordFunction<T> function, bool fits)
      : options_(std::move(options)), format_(std::move(format)), function_(std::move(function)), fits_(fits) {}

  std::string Name() const override { return "Kafka sink"; }
  StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const override {
    if (!fits_) {
      return InvalidArgument("the Key or Records function of a Kafka sink is for another type than the stream's, {}",
                             TypedBatch<T>::Type().name);
    }
    EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<KafkaWriter> writer, CreateKafkaWriter(options_));
    return std::make_unique<Writer>(*this, std::move(writer));
  }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    Writer(const KafkaRecordSink& sink, std::unique_ptr<KafkaWriter> writer)
        : topic_(sink.options_.topic),
          encoder_(sink.format_ ? sink.format_(TypeInfoOf<T>()) : nullptr),
          function_(sink.function_),
          writer_(std::move(writer)) {}

    Status Open(SinkContext& context) override { return writer_->Open(context); }
    Status Write(const TypedBatch<T>& batch, size_t& position) override {
      for (; position < batch.size(); ++position) {
        Encode(batch[position], batch.timestamps()[position]);
        EAGRE_ASSIGN_OR_RETURN(const bool taken, writer_->Write(record_));
        if (!taken) break;
      }
      return OkStatus();
    }
    bool blocked() const override { return writer_->blocked(); }
    Status Flush(bool before_commit, bool& done) override { return writer_->Flush(before_commit, done); }
    SinkTransactions* transactions() override { return writer_->transactions(); }
    Status Close(bool failed) override { return writer_->Close(failed); }

   private:
    void Encode(const T& record, int64_t timestamp_ms) {
      record_.topic = topic_;
      record_.timestamp_ms = timestamp_ms >= 0 ? timestamp_ms : kNoTimestamp;
      record_.value.clear();
      if (encoder_ != nullptr) {
        encoder_->AppendRow(&record, record_.value);
        record_.value.pop_back();  // the end of line
      }
      if (!function_) return;
      record_.tombstone = false;
      record_.partition.reset();
      record_.headers.clear();
      record_.has_key = false;
      function_(record, record_);
    }

    const std::string topic_;
    const std::unique_ptr<RowEncoder> encoder_;
    const KafkaRecordFunction<T> function_;
    const std::unique_ptr<KafkaWriter> writer_;
    KafkaRecord record_;
  };

  const KafkaWriterOptions options_;
  const RowEncoderFactory format_;
  const KafkaRecordFunction<T> function_;
  const bool fits_;
};

/// Makes sinks. Values are JSON unless another format is named.
class KafkaSink final {
 public:
  /// `servers` are brokers to ask first, "host:port,host:port". Records go to `topic` unless a function names another.
  KafkaSink(std::string servers, std::string topic) {
    options_.properties["bootstrap.servers"] = std::move(servers);
    options_.topic = std::move(topic);
  }

  // ---- what is promised; at least once unless set ----
  KafkaSink WithoutGuarantee() && { return std::move(*this).Guarantee(DeliveryGuarantee::kNone); }
  KafkaSink AtLeastOnce() && { return std::move(*this).Guarantee(DeliveryGuarantee::kAtLeastOnce); }
  KafkaSink ExactlyOnce() && { return std::move(*this).Guarantee(DeliveryGuarantee::kExactlyOnce); }
  KafkaSink Guarantee(DeliveryGuarantee guarantee) && {
    options_.guarantee = guarantee;
    return std::move(*this);
  }
  /// What the transactional ids of the sink begin with, for rights on the cluster; "eagre" unless set.
  KafkaSink TransactionalIdPrefix(std::string prefix) && {
    options_.transactional_id_prefix = std::move(prefix);
    return std::move(*this);
  }
  /// The compacted topic that says which output is written. Made when it is not there; must never be deleted while jobs
  /// or savepoints that write exactly once are to go on.
  KafkaSink MarkerTopic(std::string topic) && {
    options_.marker_topic = std::move(topic);
    return std::move(*this);
  }
  KafkaSink OnLostMarker(LostMarker policy) && {
    options_.lost_marker = policy;
    return std::move(*this);
  }
  /// How long a transaction of a process that has died may hold up readers when the job is not restarted.
  KafkaSink TransactionTimeout(std::chrono::milliseconds timeout) && {
    options_.transaction_timeout_ms = timeout.count();
    return std::move(*this);
  }
  /// How many bytes may be written by a subtask and not committed; beyond, the job fails.
  KafkaSink MaxUncommittedBytes(int64_t bytes) && {
    options_.max_uncommitted_bytes = bytes;
    return std::move(*this);
  }
  /// A setting of librdkafka's, such as "compression.type"; Flink's prefix "properties." may stand before it.
  KafkaSink Property(std::string_view name, std::string value) && {
    options_.properties[KafkaPropertyName(name)] = std::move(value);
    return std::move(*this);
  }

  // ---- how records become messages ----
  KafkaSink Json() && {
    format_ = NdjsonEncoders();
    return std::move(*this);
  }
  /// A row per message, without a header.
  KafkaSink Csv(char delimiter = ',') && {
    format_ = CsvEncoders(delimiter, /*header=*/false);
    return std::move(*this);
  }
  /// The function writes the value too.
  KafkaSink WithoutFormat() && {
    format_ = nullptr;
    return std::move(*this);
  }
  /// The key of a record of type T.
  template <typename T>
  KafkaSink Key(std::string T::*field) && {
    return std::move(*this).Records<T>([field](const T& record, KafkaRecord& out) { out.SetKey(record.*field); });
  }
  /// Called for each record, after its value was written by the format.
  template <typename T>
  KafkaSink Records(KafkaRecordFunction<std::type_identity_t<T>> function) && {
    function_ = KafkaRecordFunction<T>(std::move(function));
    return std::move(*this);
  }

  template <typename T>
  std::shared_ptr<Sink<T>> For() const {
    const auto* function = std::any_cast<KafkaRecordFunction<T>>(&function_);
    const bool fits = function != nullptr || !function_.has_value();
    return std::make_shared<KafkaRecordSink<T>>(options_, format_, function ? *function : nullptr, fits);
  }

 private:
  KafkaWriterOptions options_;
  RowEncoderFactory format_ = NdjsonEncoders();
  std::any function_;  // a KafkaRecordFunction of the stream's record type
};

}  // namespace eagre
