#include "bench/jobs/kafka_latency.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bench/limit/kafka_clients.h"

namespace eagre::bench {
namespace {

using Clock = std::chrono::system_clock;

constexpr std::chrono::seconds kPatience{60};

double MsSince1970(Clock::time_point time) {
  return std::chrono::duration<double, std::milli>(time.time_since_epoch()).count();
}

constexpr const char* kTransaction =
    R"({"transaction_id":"tx","user_id":"U1","account_id":"A1","amount":1.5,"currency":"EUR","merchant":"m",)"
    R"("category":"fuel","timestamp":1,"country":"DE","city":"Berlin","lat":1.5,"lon":2.5,"channel":"web",)"
    R"("device":"ios-17"})";

rd_kafka_t* NewCommittedReader(const std::string& servers, const std::string& topic) {
  rd_kafka_t* consumer = NewKafkaHandle(RD_KAFKA_CONSUMER, {{"bootstrap.servers", servers},
                                                            {"group.id", "latency"},
                                                            {"enable.auto.commit", "false"},
                                                            {"fetch.wait.max.ms", "10"},
                                                            {"isolation.level", "read_committed"}});
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  return consumer;
}

// How long each of the next `count` records has taken.
std::vector<double> Receive(rd_kafka_t* consumer, int64_t count) {
  std::vector<double> latencies;
  latencies.reserve(static_cast<size_t>(count));
  auto deadline = Clock::now() + kPatience;
  while (static_cast<int64_t>(latencies.size()) < count) {
    if (Clock::now() > deadline) {
      std::fprintf(stderr, "%zu of %lld records have arrived, and no more come\n", latencies.size(),
                   static_cast<long long>(count));
      std::exit(1);
    }
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
      const auto sent_ms = static_cast<double>(rd_kafka_message_timestamp(message, &type));
      latencies.push_back(MsSince1970(Clock::now()) - sent_ms);
      deadline = Clock::now() + kPatience;
    }
    rd_kafka_message_destroy(message);
  }
  return latencies;
}

}  // namespace

std::vector<double> MeasureKafkaLatency(const std::string& servers, const std::string& in, const std::string& out,
                                        int64_t rate, int64_t records) {
  rd_kafka_t* producer = NewKafkaProducer(servers);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, in.c_str(), nullptr);
  rd_kafka_t* consumer = NewCommittedReader(servers, out);
  // The first one tells that the job is at work.
  ProduceRecord(producer, topic, 0, kTransaction);
  Receive(consumer, 1);
  std::vector<double> latencies;
  std::thread receiver([&] { latencies = Receive(consumer, records); });
  const auto begun = Clock::now();
  for (int64_t i = 0; i < records; ++i) {
    const auto due = begun + std::chrono::microseconds(i * 1'000'000 / rate);
    if (due > Clock::now()) {
      rd_kafka_poll(producer, 0);
      std::this_thread::sleep_until(due);
    }
    ProduceRecord(producer, topic, 0, kTransaction);
  }
  FinishProducing(producer, topic);
  receiver.join();
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

}  // namespace eagre::bench
