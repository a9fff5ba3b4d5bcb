#include "connectors/kafka/kafka_markers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "base/logging.h"

namespace eagre {
namespace {

constexpr int kRequestTimeoutMs = 5000;
constexpr int kPollMs = 100;
constexpr int kPauseMs = 500;

Status Stopped() {
  return Cancelled("the sink was closed");
}

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
struct NewTopicDeleter {
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
};
struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};

std::string_view Text(const void* data, size_t size) {
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

}  // namespace

std::string KafkaMarkers::Reading() const {
  return fmt::format("reading the marker topic '{}'", options_.topic);
}

KafkaRecordView KafkaMarkers::Record(const std::string& topic, const std::string& transactional_id,
                                     const std::string& checkpoint) {
  return {.topic = topic, .partition = kMarkerPartition, .key = transactional_id, .value = checkpoint};
}

Status KafkaMarkers::CreateTopic(KafkaClient& client) const {
  std::array<char, 512> error{};
  const std::unique_ptr<rd_kafka_NewTopic_t, NewTopicDeleter> topic(
      rd_kafka_NewTopic_new(options_.topic.c_str(), 1, -1, error.data(), error.size()));
  if (topic == nullptr) return InvalidArgument("marker topic '{}': {}", options_.topic, error.data());
  rd_kafka_NewTopic_set_config(topic.get(), "cleanup.policy", "compact");
  const std::unique_ptr<rd_kafka_queue_t, QueueDeleter> queue(rd_kafka_queue_new(client.get()));
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  rd_kafka_CreateTopics(client.get(), topics, 1, nullptr, queue.get());
  const std::unique_ptr<rd_kafka_event_t, EventDeleter> event(rd_kafka_queue_poll(queue.get(), kRequestTimeoutMs));
  const std::string what = fmt::format("making the marker topic '{}'", options_.topic);
  if (event == nullptr) return KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, what);
  EAGRE_RETURN_IF_ERROR(KafkaError(rd_kafka_event_error(event.get()), what, rd_kafka_event_error_string(event.get())));
  size_t count = 0;
  const auto* result = rd_kafka_event_CreateTopics_result(event.get());
  const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(result, &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const char* reason = rd_kafka_topic_result_error_string(results[i]);
    EAGRE_RETURN_IF_ERROR(KafkaError(code, what, reason == nullptr ? "" : reason));
  }
  return OkStatus();
}

Status KafkaMarkers::MakeTopic(KafkaClient& client) const {
  const rd_kafka_metadata_t* metadata = nullptr;
  EAGRE_RETURN_IF_ERROR(
      KafkaError(rd_kafka_metadata(client.get(), /*all_topics=*/1, nullptr, &metadata, kRequestTimeoutMs),
                 fmt::format("looking for the marker topic '{}'", options_.topic)));
  bool there = false;
  for (int i = 0; i < metadata->topic_cnt; ++i) there = there || options_.topic == metadata->topics[i].topic;
  rd_kafka_metadata_destroy(metadata);
  return there ? OkStatus() : CreateTopic(client);
}

Status KafkaMarkers::Register(const std::string& transactional_id) {
  EAGRE_ASSIGN_OR_RETURN(
      const std::unique_ptr<KafkaProducer> producer,
      KafkaProducer::Create(
          {.properties = options_.properties, .purpose = options_.purpose + ", markers", .on_progress = [] {}}));
  const int64_t begun_ms = options_.clock->NowMs();
  for (;;) {
    const Status made = MakeTopic(producer->client());
    if (made.ok()) break;
    if (options_.stopping()) return Stopped();
    EAGRE_RETURN_IF_ERROR(producer->error());
    if (!absl::IsUnavailable(made)) return made;
    const int64_t waited_ms = options_.clock->NowMs() - begun_ms;
    const std::string reason = producer->client().last_error();
    const std::string_view why = reason.empty() ? StatusMessage(made) : std::string_view(reason);
    if (waited_ms >= options_.start_timeout_ms) {
      return Unavailable(
          "Kafka at {} has not answered for {} s ({}); check that the address is right and the brokers "
          "are up",
          producer->client().bootstrap(), waited_ms / 1000, why);
    }
    EAGRE_LOG_WARN("Kafka at {} does not answer for {} ms now ({}); trying again", producer->client().bootstrap(),
                   waited_ms, why);
    rd_kafka_flush(producer->client().get(), kPauseMs);
  }
  const std::string none = "0";
  EAGRE_ASSIGN_OR_RETURN([[maybe_unused]] const bool sent,
                         producer->Send(Record(options_.topic, transactional_id, none), KafkaProducer::Mode::kCopy));
  return producer->AwaitDelivery(options_.stopping);
}

StatusOr<KafkaMarkers::Bounds> KafkaMarkers::ReadBounds(int64_t deadline_ms) const {
  // To a client that reads only what is committed, the end is the first open transaction, whoever's it is; behind it
  // there may be markers that are committed.
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaClient> client,
                         KafkaClient::Create(RD_KAFKA_CONSUMER, {.properties = options_.properties,
                                                                 .defaults = {{"group.id", "eagre"}},
                                                                 .fixed = {{"isolation.level", "read_uncommitted"}},
                                                                 .purpose = options_.purpose + ", end of markers"}));
  for (;;) {
    Bounds bounds;
    const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        client->get(), options_.topic.c_str(), kMarkerPartition, &bounds.begin, &bounds.end, kRequestTimeoutMs);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return bounds;
    if (options_.stopping()) return Stopped();
    if (IsPermanent(error) || options_.clock->NowMs() >= deadline_ms) return KafkaError(error, Reading());
    rd_kafka_poll(client->get(), kPauseMs);
  }
}

StatusOr<std::map<std::string, int64_t>> KafkaMarkers::Read(const std::set<std::string>& transactional_ids) const {
  const int64_t deadline_ms = options_.clock->NowMs() + options_.start_timeout_ms + 2 * options_.transaction_timeout_ms;
  EAGRE_ASSIGN_OR_RETURN(const Bounds bounds, ReadBounds(deadline_ms));
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaClient> client,
                         KafkaClient::Create(RD_KAFKA_CONSUMER, {.properties = options_.properties,
                                                                 .defaults = {{"group.id", "eagre"}},
                                                                 .fixed = {{"isolation.level", "read_committed"},
                                                                           {"enable.auto.commit", "false"},
                                                                           {"enable.partition.eof", "true"},
                                                                           {"fetch.wait.max.ms", "10"},
                                                                           {"auto.offset.reset", "earliest"}},
                                                                 .purpose = options_.purpose + ", reading markers"}));
  const KafkaList list = NewKafkaList(1);
  rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), kMarkerPartition)->offset =
      RD_KAFKA_OFFSET_BEGINNING;
  EAGRE_RETURN_IF_ERROR(KafkaError(rd_kafka_assign(client->get(), list.get()), Reading()));
  std::map<std::string, int64_t> markers;
  for (int64_t position = bounds.begin; position < bounds.end;) {
    if (options_.stopping()) return Stopped();
    if (options_.clock->NowMs() >= deadline_ms) {
      return Unavailable(
          "{}: offset {} of {} is reached and no more becomes visible; another writer's transaction is "
          "open there",
          Reading(), position, bounds.end);
    }
    const std::unique_ptr<rd_kafka_message_t, MessageDeleter> message(rd_kafka_consumer_poll(client->get(), kPollMs));
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      position = std::max(position, message->offset);
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      EAGRE_LOG_WARN("{}: {}", Reading(), rd_kafka_message_errstr(message.get()));
    } else {
      position = message->offset + 1;
      const std::string key(Text(message->key, message->key_len));
      if (!transactional_ids.contains(key)) continue;
      const std::string_view value = Text(message->payload, message->len);
      int64_t checkpoint = 0;
      const auto [at, failure] = std::from_chars(value.data(), value.data() + value.size(), checkpoint);
      if (failure != std::errc() || at != value.data() + value.size()) {
        return DataLoss("the marker of '{}' in topic '{}' is '{}', not the number of a checkpoint", key, options_.topic,
                        value);
      }
      markers[key] = std::max(markers[key], checkpoint);
    }
  }
  return markers;
}

}  // namespace eagre
