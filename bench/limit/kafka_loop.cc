#include "bench/limit/kafka_loop.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <iterator>
#include <vector>

#include "bench/limit/kafka_clients.h"
#include "bench/limit/parse_transaction.h"

namespace eagre::bench {
namespace {

// Results as JSON to a topic.
struct KafkaResults {
  rd_kafka_t* producer = nullptr;
  rd_kafka_topic_t* topic = nullptr;
  LoopSink totals;
  fmt::memory_buffer text;

  void Emit(const CountAndSum& value) {
    totals.Emit(value);
    text.clear();
    fmt::format_to(std::back_inserter(text), R"({{"count":{},"sum":{}}})", value.count, value.sum);
    ProduceRecord(producer, topic, RD_KAFKA_PARTITION_UA, {text.data(), text.size()});
    if ((totals.results & 1023) == 0) rd_kafka_poll(producer, 0);
  }
};

}  // namespace

LoopSink RunKafkaWindowLoop(const std::string& servers, const std::string& in, const std::string& out, int64_t events) {
  rd_kafka_t* consumer = NewKafkaHandle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", servers},
                                                            {"group.id", "loop"},
                                                            {"enable.auto.commit", "false"},
                                                            {"enable.auto.offset.store", "false"},
                                                            {"fetch.wait.max.ms", "100"},
                                                            {"queued.max.messages.kbytes", "16384"}});
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, in.c_str(), 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer);

  rd_kafka_t* producer = NewKafkaProducer(servers);
  KafkaResults results;
  results.producer = producer;
  results.topic = rd_kafka_topic_new(producer, out.c_str(), nullptr);
  TumblingLoop<StringMap, KafkaResults> windows(results);
  simdjson::ondemand::parser parser;
  ParsedTransaction t;
  std::vector<char> padded(1024);
  std::array<rd_kafka_message_t*, 1024> batch;
  int64_t highest = 0;
  int64_t seen = 0;
  while (seen < events) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, 100, batch.data(), batch.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = batch[static_cast<size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        // simdjson reads beyond the end, where the client's buffer may end.
        if (padded.size() < message->len + simdjson::SIMDJSON_PADDING) {
          padded.resize(message->len + simdjson::SIMDJSON_PADDING);
        }
        std::memcpy(padded.data(), message->payload, message->len);
        ParseTransaction(parser, padded.data(), message->len, padded.size(), t);
        auto& map = windows.At(t.timestamp);
        auto entry = map.find(t.user_id);
        if (entry == map.end()) entry = map.emplace(std::string(t.user_id), CountAndSum{}).first;
        ++entry->second.count;
        entry->second.sum += t.amount;
        highest = std::max(highest, t.timestamp);
        if ((++seen & 255) == 0) windows.Advance(highest - kLatenessMs - 1);
      }
      rd_kafka_message_destroy(message);
    }
  }
  windows.Advance(std::numeric_limits<int64_t>::max());
  FinishProducing(producer, results.topic);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  return results.totals;
}

}  // namespace eagre::bench
