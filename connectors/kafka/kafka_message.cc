#include "connectors/kafka/kafka_message.h"

#include <librdkafka/rdkafka.h>

namespace eagre {
namespace {

std::optional<std::string_view> Bytes(const void* data, size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(data), size);
}

rd_kafka_headers_t* HeadersOf(void* native) {
  rd_kafka_headers_t* headers = nullptr;
  if (native == nullptr) return nullptr;
  const auto error = rd_kafka_message_headers(static_cast<const rd_kafka_message_t*>(native), &headers);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? headers : nullptr;
}

}  // namespace

std::optional<std::string_view> KafkaMessage::FindHeader(const char* name) const {
  const rd_kafka_headers_t* headers = HeadersOf(native);
  const void* data = nullptr;
  size_t size = 0;
  if (headers == nullptr || rd_kafka_header_get_last(headers, name, &data, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  return Bytes(data, size);
}

std::vector<KafkaMessage::Header> KafkaMessage::headers() const {
  std::vector<Header> found;
  const rd_kafka_headers_t* headers = HeadersOf(native);
  const char* name = nullptr;
  const void* data = nullptr;
  size_t size = 0;
  for (size_t i = 0;
       headers != nullptr && rd_kafka_header_get_all(headers, i, &name, &data, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    found.push_back({.name = name, .value = Bytes(data, size)});
  }
  return found;
}

}  // namespace eagre
