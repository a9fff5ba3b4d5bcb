// A producer that counts what is on its way, remembers the first failure, and wakes its owner.
//
// Sending never waits: a full queue is said so, and `on_progress` is called when there is room again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_message.h"
#include "connectors/kafka/kafka_record.h"

namespace eagre {

// What is sent, by views: of a KafkaRecord, or of encoded bytes.
struct KafkaRecordView {
  std::string_view topic;
  int32_t partition = RD_KAFKA_PARTITION_UA;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  int64_t timestamp_ms = kNoTimestamp;
  std::vector<std::pair<std::string_view, std::string_view>> headers;

  void Assign(const KafkaRecord& record);
};

class KafkaProducer {
 public:
  struct Options {
    KafkaProperties properties;
    KafkaProperties fixed;  // beside those of the properties that are ours
    std::string purpose;
    std::function<void()> on_progress;  // any thread
  };
  static StatusOr<std::unique_ptr<KafkaProducer>> Create(Options options);
  ~KafkaProducer();

  // How Send treats the record's value.
  enum class Mode {
    kCopy,    // the value is copied
    kBorrow,  // the value stays where it is until it is delivered or the producer is destroyed
  };
  // On one thread. False: the queue is full, and the producer is blocked() until there is room.
  StatusOr<bool> Send(const KafkaRecordView& record, Mode mode);
  // A message that is no record, with the reason and its origin in headers.
  Status SendDeadLetter(const std::string& topic, const KafkaMessage& message, std::string_view reason);

  // Whether there is no room; has on_progress called when there is. True at least once after Send was false, also when
  // there is room again by then: whoever could not send asks why. On the thread that sends.
  bool blocked() const;
  // Whether all is delivered; has on_progress called when it is. An error once a record could not be: what is no longer
  // on its way is delivered or has failed, never neither.
  StatusOr<bool> Delivered();
  // Waits until all is delivered, or something failed, or `stopping` says so. Not on a slot.
  Status AwaitDelivery(const std::function<bool()>& stopping);
  // Waits for a moment, for a queue that was full. Not on a slot.
  void AwaitRoom();
  int64_t in_flight() const { return in_flight_.load(std::memory_order_acquire); }

  // The first record that could not be delivered.
  Status error() const;
  bool error_is_permanent() const { return permanent_.load(std::memory_order_acquire); }
  KafkaClient& client() { return *client_; }

 private:
  explicit KafkaProducer(Options options) : options_(std::move(options)) {}
  void OnEvent(rd_kafka_event_t* event);
  void OnFailed(const rd_kafka_message_t& message);
  rd_kafka_topic_t* Topic(std::string_view name);

  const Options options_;
  std::atomic<int64_t> in_flight_{0};
  std::atomic<int64_t> wake_at_{-1};  // in_flight_ at which to call on_progress
  std::atomic<bool> failed_{false};
  std::atomic<bool> permanent_{false};
  bool full_ = false;
  mutable bool just_full_ = false;  // and blocked() was not asked yet
  int64_t resume_at_ = 0;
  mutable std::mutex mutex_;
  Status error_;
  std::map<std::string, rd_kafka_topic_t*, std::less<>> topics_;
  std::vector<rd_kafka_vu_t> fields_;  // of the record being sent
  std::unique_ptr<KafkaClient> client_;
};

}  // namespace eagre
