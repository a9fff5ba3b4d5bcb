#include "bench/limit/kafka_clients.h"

#include <fstream>

#include "bench/limit/parse_transaction.h"

namespace eagre::bench {

rd_kafka_t* NewKafkaHandle(rd_kafka_type_t type, const KafkaSettings& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof(error)) != RD_KAFKA_CONF_OK) EndWith(error);
  }
  rd_kafka_t* handle = rd_kafka_new(type, conf, error, sizeof(error));
  if (handle == nullptr) EndWith(error);
  return handle;
}

rd_kafka_t* NewKafkaProducer(const std::string& servers) {
  return NewKafkaHandle(RD_KAFKA_PRODUCER, {{"bootstrap.servers", servers},
                                            {"enable.idempotence", "true"},
                                            {"queue.buffering.max.messages", "200000"},
                                            {"queue.buffering.max.kbytes", "131072"}});
}

void ProduceRecord(rd_kafka_t* producer, rd_kafka_topic_t* topic, int32_t partition, std::string_view value) {
  while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(value.data()), value.size(), nullptr,
                          0, nullptr) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) EndWith(rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(producer, 10);
  }
}

void FinishProducing(rd_kafka_t* producer, rd_kafka_topic_t* topic) {
  if (rd_kafka_flush(producer, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) EndWith("records were not acknowledged");
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
}

void MakeTopic(const std::string& servers, const std::string& topic) {
  rd_kafka_t* handle = NewKafkaProducer(servers);
  char error[512];
  rd_kafka_NewTopic_t* object = rd_kafka_NewTopic_new(topic.c_str(), 1, 1, error, sizeof(error));
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  rd_kafka_CreateTopics(handle, &object, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
  if (event == nullptr || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) EndWith("no topic was made");
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(object);
  rd_kafka_destroy(handle);
}

void ProduceLines(const std::string& servers, const std::string& topic, const std::string& path) {
  rd_kafka_t* producer = NewKafkaProducer(servers);
  rd_kafka_topic_t* target = rd_kafka_topic_new(producer, topic.c_str(), nullptr);
  std::ifstream file(path);
  int64_t lines = 0;
  for (std::string line; std::getline(file, line);) {
    ProduceRecord(producer, target, 0, line);
    if ((++lines & 1023) == 0) rd_kafka_poll(producer, 0);
  }
  FinishProducing(producer, target);
}

}  // namespace eagre::bench
