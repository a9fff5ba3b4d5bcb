#include "connectors/kafka/kafka_split.h"

#include "base/bytes.h"

namespace eagre {

std::string KafkaSplit::Id() const {
  return fmt::format("{}-{}", topic, partition);
}

SourceSplit KafkaSplit::Encode() const {
  SourceSplit split{.id = Id()};
  ByteWriter out(split.state);
  out.String(topic);
  for (const int64_t number : {int64_t{partition}, next_offset, stop_offset}) out.SignedVarint(number);
  return split;
}

StatusOr<KafkaSplit> KafkaSplit::Decode(const SourceSplit& encoded) {
  ByteReader in(encoded.state);
  KafkaSplit split;
  std::string_view topic;
  int64_t partition = 0;
  const bool ok = in.String(topic) && in.SignedVarint(partition) && in.SignedVarint(split.next_offset) &&
                  in.SignedVarint(split.stop_offset) && in.empty() && partition >= 0 &&
                  partition <= std::numeric_limits<int32_t>::max() && split.next_offset >= 0 && split.stop_offset >= 0;
  if (!ok) return DataLoss("the split '{}' of a Kafka source is malformed", encoded.id);
  split.topic = topic;
  split.partition = static_cast<int32_t>(partition);
  return split;
}

}  // namespace eagre
