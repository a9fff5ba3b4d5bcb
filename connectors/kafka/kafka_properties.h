// Settings of a Kafka client by name, as librdkafka understands them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace eagre {

using KafkaProperties = std::map<std::string, std::string, std::less<>>;

// Flink's prefix, "properties.", is taken away.
std::string KafkaPropertyName(std::string_view name);
// Whether the value of the setting is for nobody's eyes.
bool IsSecretKafkaProperty(std::string_view name);

}  // namespace eagre
