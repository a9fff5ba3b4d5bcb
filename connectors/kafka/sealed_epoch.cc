#include "connectors/kafka/sealed_epoch.h"

#include "base/bytes.h"
#include "connectors/kafka/kafka_producer.h"

namespace eagre {
namespace {

constexpr uint8_t kHasKey = 1;
constexpr uint8_t kHasValue = 2;
constexpr uint8_t kHasTimestamp = 4;
constexpr uint8_t kHasPartition = 8;

bool ReadRecord(ByteReader& in, KafkaRecordView& record) {
  uint8_t fields = 0;
  uint64_t headers = 0;
  std::string_view key, value;
  int64_t partition = RD_KAFKA_PARTITION_UA;
  record.timestamp_ms = kNoTimestamp;
  bool ok = in.Fixed(fields) && in.String(record.topic);
  ok = ok && ((fields & kHasPartition) == 0 || in.SignedVarint(partition));
  ok = ok && ((fields & kHasKey) == 0 || in.String(key));
  ok = ok && ((fields & kHasValue) == 0 || in.String(value));
  ok = ok && ((fields & kHasTimestamp) == 0 || in.SignedVarint(record.timestamp_ms));
  ok = ok && in.Varint(headers) && headers <= in.remaining();
  record.partition = static_cast<int32_t>(partition);
  record.key.reset();
  if (fields & kHasKey) record.key = key;
  record.value.reset();
  if (fields & kHasValue) record.value = value;
  record.headers.clear();
  for (uint64_t i = 0; ok && i < headers; ++i) {
    auto& [name, text] = record.headers.emplace_back();
    ok = in.String(name) && in.String(text);
  }
  return ok;
}

}  // namespace

void AppendKafkaRecord(const KafkaRecord& record, std::string& chunk) {
  ByteWriter out(chunk);
  uint8_t fields = 0;
  if (record.has_key) fields |= kHasKey;
  if (!record.tombstone) fields |= kHasValue;
  if (record.timestamp_ms != kNoTimestamp) fields |= kHasTimestamp;
  if (record.partition) fields |= kHasPartition;
  out.Fixed(fields);
  out.String(record.topic);
  if (record.partition) out.SignedVarint(*record.partition);
  if (record.has_key) out.String(record.key);
  if (!record.tombstone) out.String(record.value);
  if (record.timestamp_ms != kNoTimestamp) out.SignedVarint(record.timestamp_ms);
  out.Varint(record.headers.size());
  for (const auto& [name, text] : record.headers) {
    out.String(name);
    out.String(text);
  }
}

Status ForEachRecord(std::string_view chunk, const std::function<Status(const KafkaRecordView& record)>& send) {
  ByteReader in(chunk);
  KafkaRecordView record;
  while (!in.empty()) {
    if (!ReadRecord(in, record)) return DataLoss("the uncommitted output of a Kafka sink is malformed");
    EAGRE_RETURN_IF_ERROR(send(record));
  }
  return OkStatus();
}

}  // namespace eagre
