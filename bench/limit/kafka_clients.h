// Bare librdkafka for the benchmarks. All calls end the benchmark on failure.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eagre::bench {

using KafkaSettings = std::vector<std::pair<const char*, std::string>>;

rd_kafka_t* NewKafkaHandle(rd_kafka_type_t type, const KafkaSettings& settings);
// With the settings that Eagre's clients have, too.
rd_kafka_t* NewKafkaProducer(const std::string& servers);
// Waits where the queue is full.
void ProduceRecord(rd_kafka_t* producer, rd_kafka_topic_t* topic, int32_t partition, std::string_view value);
// Waits until everything is acknowledged and destroys both.
void FinishProducing(rd_kafka_t* producer, rd_kafka_topic_t* topic);

// Makes a topic of one partition.
void MakeTopic(const std::string& servers, const std::string& topic);
// Writes the lines of the file to partition 0 of the topic, which exists.
void ProduceLines(const std::string& servers, const std::string& topic, const std::string& path);

}  // namespace eagre::bench
