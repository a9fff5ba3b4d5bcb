#include "connectors/kafka/kafka_writer.h"

#include <utility>

#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/transactional_writer.h"

namespace eagre {
namespace {

// Hands records to the client as they come.
class DirectWriter final : public KafkaWriter {
 public:
  explicit DirectWriter(KafkaWriterOptions options) : options_(std::move(options)) {}

  Status Open(SinkContext& context) override {
    KafkaProducer::Options producer{.properties = options_.properties,
                                    .purpose = fmt::format("sink '{}' {}", context.operator_name(), context.subtask()),
                                    .on_progress = [&context] { context.Wake(); }};
    EAGRE_ASSIGN_OR_RETURN(producer_, KafkaProducer::Create(std::move(producer)));
    return OkStatus();
  }
  StatusOr<bool> Write(const KafkaRecord& record) override {
    view_.Assign(record);
    return producer_->Send(view_, KafkaProducer::Mode::kCopy);
  }
  bool blocked() const override { return producer_->blocked() && producer_->error().ok(); }
  Status Flush(bool before_commit, bool& done) override {
    // About once a second it is also looked whether a delivery has failed meanwhile.
    EAGRE_ASSIGN_OR_RETURN(const bool delivered, producer_->Delivered());
    done = delivered || (before_commit && options_.guarantee == DeliveryGuarantee::kNone);
    return OkStatus();
  }
  Status Close(bool failed) override {
    // The end of a bounded stream has waited in Flush, unless there was no promise to.
    if (!failed && options_.guarantee == DeliveryGuarantee::kNone)
      producer_->AwaitDelivery([] { return false; }).IgnoreError();
    producer_.reset();
    return OkStatus();
  }

 private:
  const KafkaWriterOptions options_;
  KafkaRecordView view_;
  std::unique_ptr<KafkaProducer> producer_;
};

}  // namespace

StatusOr<std::unique_ptr<KafkaWriter>> CreateKafkaWriter(KafkaWriterOptions options) {
  if (options.guarantee != DeliveryGuarantee::kExactlyOnce) return std::make_unique<DirectWriter>(std::move(options));
  if (options.transactional_id_prefix.empty()) {
    return InvalidArgument("TransactionalIdPrefix of a Kafka sink must not be empty");
  }
  return std::make_unique<TransactionalWriter>(std::move(options));
}

}  // namespace eagre
