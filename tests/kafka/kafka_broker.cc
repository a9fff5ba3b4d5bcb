#include "tests/kafka/kafka_broker.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/testing/paths.h"

namespace eagre {
namespace {

constexpr int kTimeoutMs = 20'000;

using Conf = std::map<std::string, std::string>;

struct HandleDeleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
using Handle = std::unique_ptr<rd_kafka_t, HandleDeleter>;

Handle NewHandle(rd_kafka_type_t type, const Conf& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  for (const auto& [name, value] : settings) {
    EXPECT_EQ(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof(error)), RD_KAFKA_CONF_OK) << error;
  }
  Handle handle(rd_kafka_new(type, conf, error, sizeof(error)));
  EXPECT_NE(handle, nullptr) << error;
  return handle;
}

void ExpectOk(rd_kafka_resp_err_t error, const std::string& what) {
  EXPECT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR) << what << ": " << rd_kafka_err2str(error);
}

// Runs an admin request and looks at the answer as a whole.
void Admin(const std::string& bootstrap, const std::string& what,
           const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& request,
           const std::function<void(rd_kafka_event_t*)>& check = nullptr) {
  const Handle handle = NewHandle(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap}});
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle.get());
  request(handle.get(), queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kTimeoutMs);
  EXPECT_NE(event, nullptr) << what << ": no answer";
  if (event != nullptr) {
    ExpectOk(rd_kafka_event_error(event), what);
    if (check) check(event);
    rd_kafka_event_destroy(event);
  }
  rd_kafka_queue_destroy(queue);
}

void ExpectTopicsOk(const rd_kafka_topic_result_t** results, size_t count, const std::string& what) {
  for (size_t i = 0; i < count; ++i) ExpectOk(rd_kafka_topic_result_error(results[i]), what);
}

int PartitionsOf(rd_kafka_t* handle, const std::string& topic) {
  rd_kafka_topic_t* object = rd_kafka_topic_new(handle, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  ExpectOk(rd_kafka_metadata(handle, 0, object, &metadata, kTimeoutMs), "partitions of " + topic);
  const int count = metadata == nullptr || metadata->topic_cnt == 0 ? 0 : metadata->topics[0].partition_cnt;
  if (metadata != nullptr) rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(object);
  return count;
}

// The end of each partition: of what is committed, or of everything.
std::vector<int64_t> EndsOf(const std::string& bootstrap, const std::string& topic, bool committed) {
  const Handle handle =
      NewHandle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap},
                                    {"group.id", "ends"},
                                    {"isolation.level", committed ? "read_committed" : "read_uncommitted"}});
  const int partitions = PartitionsOf(handle.get(), topic);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions);
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset = RD_KAFKA_OFFSET_END;
  }
  ExpectOk(rd_kafka_offsets_for_times(handle.get(), list, kTimeoutMs), "ends of " + topic);
  std::vector<int64_t> ends;
  for (int i = 0; i < list->cnt; ++i) ends.push_back(list->elems[i].offset);
  rd_kafka_topic_partition_list_destroy(list);
  return ends;
}

void Deny(const std::string& bootstrap, const std::string& user, const std::string& topic,
          rd_kafka_AclOperation_t operation) {
  char error[512];
  const std::string principal = "User:" + user;
  rd_kafka_AclBinding_t* object = rd_kafka_AclBinding_new(
      RD_KAFKA_RESOURCE_TOPIC, topic.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal.c_str(), "*", operation,
      RD_KAFKA_ACL_PERMISSION_TYPE_DENY, error, sizeof(error));
  Admin(bootstrap, "denying",
        [&](rd_kafka_t* handle, rd_kafka_queue_t* queue) { rd_kafka_CreateAcls(handle, &object, 1, nullptr, queue); });
  rd_kafka_AclBinding_destroy(object);
}

std::string ReadSetting(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  return "";
}

std::optional<std::string> Text(const void* data, size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(data), size);
}

TestMessage Copy(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type;
  TestMessage copy{.key = Text(message.key, message.key_len),
                   .value = Text(message.payload, message.len),
                   .timestamp_ms = rd_kafka_message_timestamp(&message, &type),
                   .partition = message.partition,
                   .offset = message.offset};
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return copy;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    copy.headers[name] = Text(value, size).value_or("");
  }
  return copy;
}

// Stops the broker when the tests are over, whatever became of them.
class StopAtEnd final : public ::testing::Environment {
 public:
  std::unique_ptr<KafkaBroker> broker;
  void TearDown() override { broker.reset(); }
};
StopAtEnd* const at_end = static_cast<StopAtEnd*>(::testing::AddGlobalTestEnvironment(new StopAtEnd));

}  // namespace

KafkaBroker& Broker() {
  if (at_end->broker == nullptr) at_end->broker = std::make_unique<KafkaBroker>();
  return *at_end->broker;
}

KafkaBroker::KafkaBroker() {
  std::string pattern = (std::filesystem::temp_directory_path() / "eagre-kafka-test-XXXXXX").string();
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  directory_ = pattern;
  Start();
}

KafkaBroker::~KafkaBroker() {
  if (process_->Running()) {
    // In order, as a test that left something open would show.
    process_->Signal(SIGTERM);
    if (process_->AwaitExit() == -1) process_->Signal(SIGKILL);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void KafkaBroker::Start() {
  process_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{SourcePath("scripts/kafka.sh"), "run", "--secure", "--dir", directory_},
      ChildProcess::Options{});
  // The first time on a machine, the jars come from Maven Central.
  ASSERT_FALSE(process_->AwaitLine("Kafka Server started", std::chrono::minutes(5)).empty()) << process_->Output();
  bootstrap_ = ReadSetting(directory_ + "/broker.env", "bootstrap");
  secure_bootstrap_ = ReadSetting(directory_ + "/broker.env", "secure_bootstrap");
}

void KafkaBroker::Kill() {
  process_->Signal(SIGKILL);
  process_->AwaitExit();
}

std::string KafkaBroker::NewName(const std::string& prefix) {
  static int names = 0;
  return fmt::format("{}-{}", prefix, ++names);
}

void KafkaBroker::CreateTopic(const std::string& topic, int partitions,
                              const std::map<std::string, std::string>& config) {
  char error[512];
  rd_kafka_NewTopic_t* object = rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, error, sizeof(error));
  for (const auto& [name, value] : config) rd_kafka_NewTopic_set_config(object, name.c_str(), value.c_str());
  const std::string what = "creating topic " + topic;
  Admin(
      bootstrap_, what,
      [&](rd_kafka_t* handle, rd_kafka_queue_t* queue) { rd_kafka_CreateTopics(handle, &object, 1, nullptr, queue); },
      [&](rd_kafka_event_t* event) {
        size_t count = 0;
        ExpectTopicsOk(rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count), count,
                       what);
      });
  rd_kafka_NewTopic_destroy(object);
  const Handle handle = NewHandle(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap_}});
  EXPECT_TRUE(AwaitTrue([&] { return PartitionsOf(handle.get(), topic) == partitions; }));
}

std::string KafkaBroker::NewTopic(int partitions, const std::map<std::string, std::string>& config) {
  const std::string topic = NewName("topic");
  CreateTopic(topic, partitions, config);
  return topic;
}

void KafkaBroker::DeleteTopic(const std::string& topic) {
  rd_kafka_DeleteTopic_t* object = rd_kafka_DeleteTopic_new(topic.c_str());
  Admin(bootstrap_, "deleting topic " + topic, [&](rd_kafka_t* handle, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteTopics(handle, &object, 1, nullptr, queue);
  });
  rd_kafka_DeleteTopic_destroy(object);
  const Handle handle = NewHandle(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap_}});
  EXPECT_TRUE(AwaitTrue([&] { return PartitionsOf(handle.get(), topic) == 0; }));
}

void KafkaBroker::AddPartitions(const std::string& topic, int partitions) {
  char error[512];
  rd_kafka_NewPartitions_t* object =
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<size_t>(partitions), error, sizeof(error));
  Admin(
      bootstrap_, "adding partitions",
      [&](rd_kafka_t* handle, rd_kafka_queue_t* queue) {
        rd_kafka_CreatePartitions(handle, &object, 1, nullptr, queue);
      },
      [&](rd_kafka_event_t* event) {
        size_t count = 0;
        ExpectTopicsOk(rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count),
                       count, "adding partitions");
      });
  rd_kafka_NewPartitions_destroy(object);
  const Handle handle = NewHandle(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap_}});
  EXPECT_TRUE(AwaitTrue([&] { return PartitionsOf(handle.get(), topic) == partitions; }));
}

void KafkaBroker::DeleteRecordsBefore(const std::string& topic, int32_t partition, int64_t offset) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_DeleteRecords_t* object = rd_kafka_DeleteRecords_new(list);
  Admin(bootstrap_, "deleting records", [&](rd_kafka_t* handle, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteRecords(handle, &object, 1, nullptr, queue);
  });
  rd_kafka_DeleteRecords_destroy(object);
  rd_kafka_topic_partition_list_destroy(list);
}

void KafkaBroker::DenyWrite(const std::string& user, const std::string& topic) {
  Deny(bootstrap_, user, topic, RD_KAFKA_ACL_OPERATION_WRITE);
}

void KafkaBroker::DenyRead(const std::string& user, const std::string& topic) {
  Deny(bootstrap_, user, topic, RD_KAFKA_ACL_OPERATION_READ);
}

void KafkaBroker::Produce(const std::string& topic, const std::vector<TestMessage>& messages) {
  const Handle handle = NewHandle(
      RD_KAFKA_PRODUCER,
      {{"bootstrap.servers", bootstrap_}, {"enable.idempotence", "true"}, {"queue.buffering.max.messages", "2000000"}});
  for (const TestMessage& message : messages) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
    for (const auto& [name, value] : message.headers) {
      rd_kafka_header_add(headers, name.c_str(), -1, value.data(), static_cast<ssize_t>(value.size()));
    }
    void* key = message.key ? const_cast<char*>(message.key->data()) : nullptr;
    const size_t key_size = message.key ? message.key->size() : 0;
    const size_t value_size = message.value ? message.value->size() : 0;
    void* value = message.value ? const_cast<char*>(message.value->data()) : nullptr;
    ExpectOk(rd_kafka_producev(handle.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(message.partition),
                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, key_size),
                               RD_KAFKA_V_VALUE(value, value_size),
                               RD_KAFKA_V_TIMESTAMP(std::max<int64_t>(message.timestamp_ms, 0)),
                               RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
             "producing");
  }
  ExpectOk(rd_kafka_flush(handle.get(), kTimeoutMs), "producing");
}

void KafkaBroker::ProduceNumbers(const std::string& topic, int partitions, int64_t from, int64_t to, int64_t keys) {
  std::vector<TestMessage> messages;
  for (int64_t i = from; i < to; ++i) {
    messages.push_back({.value = fmt::format(R"({{"id":{},"key":{}}})", i, i % keys),
                        .timestamp_ms = 1'735'732'800'000 + i,
                        .partition = static_cast<int32_t>(i % partitions)});
  }
  Produce(topic, messages);
}

std::vector<TestMessage> KafkaBroker::Consume(const std::string& topic, bool committed) {
  const std::vector<int64_t> ends = EndsOf(bootstrap_, topic, committed);
  const Handle handle =
      NewHandle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap_},
                                    {"group.id", "verifier"},
                                    {"enable.auto.commit", "false"},
                                    {"enable.partition.eof", "true"},
                                    {"fetch.wait.max.ms", "10"},
                                    {"isolation.level", committed ? "read_committed" : "read_uncommitted"}});
  rd_kafka_poll_set_consumer(handle.get());
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(static_cast<int>(ends.size()));
  for (size_t i = 0; i < ends.size(); ++i) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), static_cast<int32_t>(i))->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  ExpectOk(rd_kafka_assign(handle.get(), list), "assigning");
  rd_kafka_topic_partition_list_destroy(list);
  std::vector<int64_t> positions(ends.size(), 0);
  std::vector<TestMessage> messages;
  const bool read = AwaitTrue([&] {
    while (rd_kafka_message_t* message = rd_kafka_consumer_poll(handle.get(), 50)) {
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        messages.push_back(Copy(*message));
        positions[static_cast<size_t>(message->partition)] = message->offset + 1;
      } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        positions[static_cast<size_t>(message->partition)] = message->offset;
      }
      rd_kafka_message_destroy(message);
      if (std::equal(positions.begin(), positions.end(), ends.begin(), std::greater_equal<>())) return true;
    }
    return std::equal(positions.begin(), positions.end(), ends.begin(), std::greater_equal<>());
  });
  EXPECT_TRUE(read) << "topic " << topic << " could not be read to its end";
  std::sort(messages.begin(), messages.end(), [](const TestMessage& a, const TestMessage& b) {
    return std::pair(a.partition, a.offset) < std::pair(b.partition, b.offset);
  });
  return messages;
}

int64_t KafkaBroker::CommittedOffset(const std::string& group, const std::string& topic, int32_t partition) {
  const Handle handle = NewHandle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap_}, {"group.id", group}});
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition);
  ExpectOk(rd_kafka_committed(handle.get(), list, kTimeoutMs), "committed offsets");
  const int64_t offset = list->elems[0].offset;
  rd_kafka_topic_partition_list_destroy(list);
  return offset < 0 ? -1 : offset;
}

void KafkaBroker::CommitOffset(const std::string& group, const std::string& topic, int32_t partition, int64_t offset) {
  const Handle handle = NewHandle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap_}, {"group.id", group}});
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  ExpectOk(rd_kafka_commit(handle.get(), list, 0), "committing an offset");
  rd_kafka_topic_partition_list_destroy(list);
}

bool KafkaBroker::HasOpenTransaction(const std::string& topic) {
  return EndsOf(bootstrap_, topic, true) != EndsOf(bootstrap_, topic, false);
}

}  // namespace eagre
