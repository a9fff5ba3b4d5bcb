// What a Kafka source needs to know of its values' format: messages into records, a batch at a time.
//
// Formats of rows are those of files: RowMessageParser gives the messages of a batch to a RowParser as a window of
// lines, so that simdjson scans many at once.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "connectors/file/row_parser.h"
#include "connectors/kafka/kafka_message.h"

namespace eagre {

// One thread; for one record type.
class MessageParser {
 public:
  virtual ~MessageParser() = default;
  // The messages that Parse will be asked for, one after another; they stay as they are until the next Begin.
  virtual void Begin(std::span<const KafkaMessage> messages) = 0;
  // The next of them into `record`. A failure says what is wrong with this one.
  virtual Status Parse(void* record) = 0;
  // Messages without a value are no records, and no errors: the source passes over them.
  virtual bool wants_tombstones() const { return false; }
};

// Lines of many messages at once. An end of line within a message is taken for a blank, as in JSON.
class LineMessageParser final : public MessageParser {
 public:
  explicit LineMessageParser(std::unique_ptr<RowParser> rows) : rows_(std::move(rows)) {}
  void Begin(std::span<const KafkaMessage> messages) override;
  Status Parse(void* record) override;

 private:
  static constexpr size_t kWindowBytes = 256 * 1024;

  void BeginWindow();

  const std::unique_ptr<RowParser> rows_;
  std::span<const KafkaMessage> messages_;
  size_t next_ = 0;        // to be parsed
  size_t window_end_ = 0;  // the first that is not in the window
  std::string window_;
};

// A window per message: for formats whose rows may hold ends of line.
class RowMessageParser final : public MessageParser {
 public:
  explicit RowMessageParser(std::unique_ptr<RowParser> rows) : rows_(std::move(rows)) {}
  void Begin(std::span<const KafkaMessage> messages) override {
    messages_ = messages;
    next_ = 0;
  }
  Status Parse(void* record) override;

 private:
  const std::unique_ptr<RowParser> rows_;
  std::span<const KafkaMessage> messages_;
  size_t next_ = 0;
};

// A user's deserializer.
template <typename T>
class TypedMessageParser final : public MessageParser {
 public:
  explicit TypedMessageParser(std::unique_ptr<KafkaDeserializer<T>> deserializer)
      : deserializer_(std::move(deserializer)) {}
  void Begin(std::span<const KafkaMessage> messages) override {
    messages_ = messages;
    next_ = 0;
  }
  Status Parse(void* record) override {
    return deserializer_->Deserialize(messages_[next_++], *static_cast<T*>(record));
  }
  bool wants_tombstones() const override { return true; }

 private:
  const std::unique_ptr<KafkaDeserializer<T>> deserializer_;
  std::span<const KafkaMessage> messages_;
  size_t next_ = 0;
};

}  // namespace eagre
