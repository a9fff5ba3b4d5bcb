#include "connectors/kafka/kafka_producer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/logging.h"

namespace eagre {
namespace {

const KafkaProperties kProducerDefaults = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    // As the Java client does it, so that equal keys meet in one partition whoever writes them.
    {"partitioner", "murmur2_random"},
    {"queue.buffering.max.messages", "200000"},
    {"queue.buffering.max.kbytes", "131072"},
    {"topic.metadata.propagation.max.ms", "10000"},
    {"reconnect.backoff.max.ms", "2000"},
};
constexpr int kAwaitPollMs = 100;
constexpr int kRoomPollMs = 10;

}  // namespace

void KafkaRecordView::Assign(const KafkaRecord& record) {
  topic = record.topic;
  partition = record.partition.value_or(RD_KAFKA_PARTITION_UA);
  key.reset();
  if (record.has_key) key = record.key;
  value.reset();
  if (!record.tombstone) value = record.value;
  timestamp_ms = record.timestamp_ms;
  headers.clear();
  for (const auto& [name, text] : record.headers) headers.emplace_back(name, text);
}

StatusOr<std::unique_ptr<KafkaProducer>> KafkaProducer::Create(Options options) {
  std::unique_ptr<KafkaProducer> producer(new KafkaProducer(std::move(options)));
  EAGRE_ASSIGN_OR_RETURN(
      producer->client_,
      KafkaClient::Create(RD_KAFKA_PRODUCER,
                          {.properties = producer->options_.properties,
                           .defaults = kProducerDefaults,
                           .fixed = producer->options_.fixed,
                           .purpose = producer->options_.purpose,
                           .on_event = [self = producer.get()](rd_kafka_event_t* event) { self->OnEvent(event); }}));
  return producer;
}

KafkaProducer::~KafkaProducer() {
  // The client's thread may still have the report that ended the count: the client would say that records are left.
  if (client_ != nullptr && in_flight() == 0) rd_kafka_flush(client_->get(), kAwaitPollMs);
  for (auto& [name, topic] : topics_) rd_kafka_topic_destroy(topic);
  client_.reset();  // before what its events touch
}

rd_kafka_topic_t* KafkaProducer::Topic(std::string_view name) {
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second;
  const std::string key(name);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client_->get(), key.c_str(), nullptr);
  if (topic != nullptr) topics_.emplace(key, topic);
  return topic;
}

StatusOr<bool> KafkaProducer::Send(const KafkaRecordView& record, Mode mode) {
  if (failed_.load(std::memory_order_acquire)) [[unlikely]]
    return error();
  rd_kafka_topic_t* topic = Topic(record.topic);
  if (topic == nullptr) return InvalidArgument("'{}' is no name that a Kafka topic can have", record.topic);
  fields_.clear();
  const auto add = [this](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    rd_kafka_vu_t& field = fields_.emplace_back();
    field.vtype = type;
    return field;
  };
  add(RD_KAFKA_VTYPE_RKT).u.rkt = topic;
  add(RD_KAFKA_VTYPE_PARTITION).u.i32 = record.partition;
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = mode == Mode::kCopy ? RD_KAFKA_MSG_F_COPY : 0;
  if (record.key) {
    rd_kafka_vu_t& key = add(RD_KAFKA_VTYPE_KEY);
    key.u.mem.ptr = const_cast<char*>(record.key->data());
    key.u.mem.size = record.key->size();
  }
  if (record.value) {
    rd_kafka_vu_t& value = add(RD_KAFKA_VTYPE_VALUE);
    value.u.mem.ptr = const_cast<char*>(record.value->data());
    value.u.mem.size = record.value->size();
  }
  if (record.timestamp_ms != kNoTimestamp) add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = record.timestamp_ms;
  std::vector<std::string> names;  // which librdkafka wants to end with a zero
  names.reserve(record.headers.size());
  for (const auto& [name, text] : record.headers) {
    rd_kafka_vu_t& header = add(RD_KAFKA_VTYPE_HEADER);
    header.u.header.name = names.emplace_back(name).c_str();
    header.u.header.val = text.data();
    header.u.header.size = static_cast<ssize_t>(text.size());
  }
  in_flight_.fetch_add(1, std::memory_order_relaxed);
  rd_kafka_error_t* failure = rd_kafka_produceva(client_->get(), fields_.data(), fields_.size());
  if (failure == nullptr) [[likely]] {
    full_ = false;
    return true;
  }
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  if (rd_kafka_error_code(failure) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    rd_kafka_error_destroy(failure);
    full_ = just_full_ = true;
    resume_at_ = in_flight() / 2;
    wake_at_.store(resume_at_, std::memory_order_release);
    // It may have been reached before that was said.
    if (in_flight() <= resume_at_) options_.on_progress();
    return false;
  }
  permanent_ = permanent_ || IsPermanent(rd_kafka_error_code(failure));
  return KafkaError(failure, fmt::format("writing a record of {} bytes to topic '{}'", record.value.value_or("").size(),
                                         record.topic));
}

Status KafkaProducer::SendDeadLetter(const std::string& topic, const KafkaMessage& message, std::string_view reason) {
  const std::string partition = std::to_string(message.partition);
  const std::string offset = std::to_string(message.offset);
  KafkaRecordView letter{.topic = topic, .key = message.key, .value = message.value};
  letter.timestamp_ms = message.timestamp_ms;
  letter.headers = {{"eagre.error", reason},
                    {"eagre.topic", message.topic},
                    {"eagre.partition", partition},
                    {"eagre.offset", offset}};
  // Whoever reads asks blocked() before each batch, and the queue has room for one more batch then; where it has not,
  // waiting for a moment is better than to lose the message.
  EAGRE_ASSIGN_OR_RETURN(bool sent, Send(letter, Mode::kCopy));
  while (!sent) {
    AwaitRoom();
    EAGRE_ASSIGN_OR_RETURN(sent, Send(letter, Mode::kCopy));
  }
  return OkStatus();
}

bool KafkaProducer::blocked() const {
  if (!full_) return false;
  const bool first = std::exchange(just_full_, false);
  if (in_flight() > resume_at_) return true;
  if (first) options_.on_progress();
  return first;
}

StatusOr<bool> KafkaProducer::Delivered() {
  bool delivered = in_flight() == 0;
  if (!delivered) {
    wake_at_.store(0, std::memory_order_release);
    delivered = in_flight() == 0;
  }
  // Asked after the count: a failure is noted before its record leaves the count.
  EAGRE_RETURN_IF_ERROR(error());
  return delivered;
}

void KafkaProducer::AwaitRoom() {
  rd_kafka_flush(client_->get(), kRoomPollMs);
}

Status KafkaProducer::AwaitDelivery(const std::function<bool()>& stopping) {
  while (in_flight() > 0) {
    if (stopping()) return Cancelled("the sink was closed");
    // Delivery reports come on the client's own thread; flushing only has it send at once.
    rd_kafka_flush(client_->get(), kAwaitPollMs);
    EAGRE_RETURN_IF_ERROR(error());
  }
  return error();
}

Status KafkaProducer::error() const {
  if (client_->refused()) {
    return KafkaError(RD_KAFKA_RESP_ERR__AUTHENTICATION, fmt::format("writing to Kafka at {}", client_->bootstrap()),
                      client_->last_error());
  }
  if (!failed_.load(std::memory_order_acquire)) return OkStatus();
  std::lock_guard lock(mutex_);
  return error_;
}

void KafkaProducer::OnFailed(const rd_kafka_message_t& message) {
  // Whatever was given up with a transaction is written again with it.
  if (message.err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message.err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
  std::lock_guard lock(mutex_);
  if (!error_.ok()) return;
  const std::string partition = message.partition < 0 ? "" : fmt::format(", partition {}", message.partition);
  error_ =
      KafkaError(message.err, fmt::format("writing a record of {} bytes to topic '{}'{}", message.len,
                                          message.rkt == nullptr ? "?" : rd_kafka_topic_name(message.rkt), partition));
  permanent_.store(IsPermanent(message.err), std::memory_order_release);
  failed_.store(true, std::memory_order_release);
}

void KafkaProducer::OnEvent(rd_kafka_event_t* event) {
  // An error of the connection: whether it is the end, the owner asks error().
  if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_DR) return options_.on_progress();
  int64_t reported = 0;
  std::array<const rd_kafka_message_t*, 256> messages;
  while (const size_t count = rd_kafka_event_message_array(event, messages.data(), messages.size())) {
    for (size_t i = 0; i < count; ++i) {
      if (messages[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) OnFailed(*messages[i]);
    }
    reported += static_cast<int64_t>(count);
  }
  const int64_t left = in_flight_.fetch_sub(reported, std::memory_order_acq_rel) - reported;
  int64_t wake_at = wake_at_.load(std::memory_order_acquire);
  const bool wake = (wake_at >= 0 && left <= wake_at && wake_at_.compare_exchange_strong(wake_at, -1)) ||
                    failed_.load(std::memory_order_acquire);
  if (wake) options_.on_progress();
}

}  // namespace eagre
