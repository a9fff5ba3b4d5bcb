// A client of a Kafka cluster: librdkafka's handle with our log, our errors, and settings checked by name.
//
// Settings are librdkafka's own (https://github.com/confluentinc/librdkafka/blob/v2.0.2/CONFIGURATION.md), with or
// without "properties." before their names. Values of settings that hold secrets never appear in messages or logs.
//
// For the files of this folder alone: it includes rdkafka.h.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "connectors/kafka/kafka_properties.h"

namespace eagre {

// Calls on any thread.
class KafkaClient {
 public:
  struct Options {
    KafkaProperties properties;  // the user's
    KafkaProperties defaults;    // unless the user says otherwise
    KafkaProperties fixed;       // settings of ours that the user must not change
    std::string purpose;         // for the log, such as "source of 'payments'"
    // Gets delivery reports and errors on a thread of librdkafka's own; producers need it.
    std::function<void(rd_kafka_event_t*)> on_event;
  };
  // Connects to nothing yet. INVALID_ARGUMENT for settings that librdkafka does not accept.
  static StatusOr<std::unique_ptr<KafkaClient>> Create(rd_kafka_type_t type, Options options);
  // Drops what is not delivered.
  ~KafkaClient();

  rd_kafka_t* get() const { return handle_; }
  const std::string& bootstrap() const { return bootstrap_; }
  // What is known about why no broker answers, for messages; "" when nothing is.
  std::string last_error() const;
  // The credentials were refused: trying again is of no use.
  bool refused() const;

 private:
  explicit KafkaClient(Options options) : options_(std::move(options)) {}
  Status Open(rd_kafka_type_t type);
  static void OnLog(const rd_kafka_t* handle, int level, const char* facility, const char* text);
  static void OnError(rd_kafka_t* handle, int code, const char* reason, void* opaque);
  static void OnEvent(rd_kafka_t* handle, rd_kafka_event_t* event, void* opaque);
  void NoteError(rd_kafka_resp_err_t code, std::string_view reason);

  const Options options_;
  std::string bootstrap_;
  rd_kafka_t* handle_ = nullptr;
  mutable std::mutex mutex_;
  std::string last_error_;
  bool refused_ = false;
};

// A failure of Kafka's as a status: `what` was attempted, librdkafka's reason, and what the user can do about it.
Status KafkaError(rd_kafka_resp_err_t code, std::string_view what, std::string_view reason = "");
// The same of an error object, which is destroyed; OK when it is null.
Status KafkaError(rd_kafka_error_t* error, std::string_view what);
// Errors that another attempt does not cure.
bool IsPermanent(rd_kafka_resp_err_t code);

struct KafkaTopicPartition {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const KafkaTopicPartition&) const = default;
  // "payments-3", Kafka's own way of writing it.
  std::string Name() const { return fmt::format("{}-{}", topic, partition); }
};

struct KafkaListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using KafkaList = std::unique_ptr<rd_kafka_topic_partition_list_t, KafkaListDeleter>;
KafkaList NewKafkaList(size_t capacity);

}  // namespace eagre
