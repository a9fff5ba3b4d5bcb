#include "connectors/kafka/kafka_enumerator.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/logging.h"
#include "connectors/kafka/kafka_discovery.h"

namespace eagre {

std::string KafkaSourceOptions::What() const {
  if (!topic_pattern.empty()) return fmt::format("topics like '{}'", topic_pattern);
  return fmt::format("{} '{}'", topics.size() == 1 ? "topic" : "topics", fmt::join(topics, "', '"));
}

Status KafkaSourceOptions::Validate() const {
  if (topics.empty() == topic_pattern.empty()) {
    return InvalidArgument("a Kafka source reads Topics({{...}}) or those of a TopicPattern(...): give one of the two");
  }
  const auto group = properties.find("group.id");
  const bool needs_group =
      start.kind() == KafkaOffsets::Kind::kCommitted || (stop && stop->kind() == KafkaOffsets::Kind::kCommitted);
  if (needs_group && (group == properties.end() || group->second.empty())) {
    return InvalidArgument("a Kafka source that starts from committed offsets needs to know whose: give GroupId(...)");
  }
  if (topic_pattern.empty()) return OkStatus();
  const RE2 pattern(topic_pattern, RE2::Quiet);
  if (!pattern.ok()) {
    return InvalidArgument("the topic pattern '{}' is no regular expression: {}", topic_pattern, pattern.error());
  }
  return OkStatus();
}

KafkaEnumerator::KafkaEnumerator(KafkaSourceOptions options)
    : options_(std::move(options)), discovery_(std::make_unique<KafkaDiscovery>(options_)) {}

KafkaEnumerator::~KafkaEnumerator() = default;

// As in Flink: the partitions of a topic go to readers side by side, and topics begin at different ones.
int KafkaEnumerator::ReaderOf(const KafkaSplit& split, int parallelism) {
  uint32_t hash = 0;
  for (const char c : split.topic) hash = hash * 31 + static_cast<unsigned char>(c);
  const int64_t first = (hash * 31) & 0x7FFFFFFF;
  return static_cast<int>((first + split.partition) % parallelism);
}

Status KafkaEnumerator::Restore(std::string_view snapshot) {
  ByteReader in(snapshot);
  uint64_t count = 0;
  bool ok = in.Fixed(discovered_) && in.Varint(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    std::string_view id;
    ok = in.String(id);
    known_.emplace(id);
  }
  ok = ok && in.Varint(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    std::string_view id, state;
    ok = in.String(id) && in.String(state);
    if (!ok) break;
    EAGRE_ASSIGN_OR_RETURN(KafkaSplit split, KafkaSplit::Decode({.id = std::string(id), .state = std::string(state)}));
    unassigned_.push_back(std::move(split));
  }
  return ok && in.empty() ? OkStatus() : DataLoss("the checkpoint of a Kafka source's enumerator is malformed");
}

std::string KafkaEnumerator::Snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.Fixed(discovered_);
  out.Varint(known_.size());
  for (const std::string& id : known_) out.String(id);
  out.Varint(unassigned_.size());
  for (const KafkaSplit& split : unassigned_) {
    const SourceSplit encoded = split.Encode();
    out.String(encoded.id);
    out.String(encoded.state);
  }
  return bytes;
}

Status KafkaEnumerator::Start(Context& context) {
  context_ = &context;
  registered_.resize(static_cast<size_t>(context.parallelism()));
  assigned_.resize(registered_.size());
  told_the_end_.resize(registered_.size());
  // What is there is known; whether there is more is asked when its time has come.
  if (!discovered_ || options_.discovery_interval_ms > 0) Discover();
  return OkStatus();
}

void KafkaEnumerator::Discover() {
  discovery_->Find(known_, !discovered_, [this](StatusOr<std::vector<KafkaSplit>> found) {
    context_->PostAfter(0, [this, found = std::move(found)] { return OnDiscovered(found); });
  });
}

Status KafkaEnumerator::OnDiscovered(StatusOr<std::vector<KafkaSplit>> found) {
  if (!found.ok() && !discovered_) return found.status();
  if (!found.ok()) {
    EAGRE_LOG_WARN("looking for new partitions of {}: {}", options_.What(), found.status().ToString());
  } else {
    discovered_ = true;
    for (KafkaSplit& split : *found) {
      if (!known_.insert(split.Id()).second) continue;
      EAGRE_LOG_INFO("Kafka source: partition {} from offset {}", split.Id(), split.next_offset);
      unassigned_.push_back(std::move(split));
    }
    Assign();
  }
  if (options_.discovery_interval_ms > 0) {
    context_->PostAfter(options_.discovery_interval_ms, [this] {
      Discover();
      return OkStatus();
    });
  }
  return OkStatus();
}

Status KafkaEnumerator::OnReaderRegistered(int subtask, const std::vector<SourceSplit>&) {
  registered_[static_cast<size_t>(subtask)] = true;
  assigned_[static_cast<size_t>(subtask)] = false;
  told_the_end_[static_cast<size_t>(subtask)] = false;
  Assign();
  return OkStatus();
}

Status KafkaEnumerator::AddSplitsBack(int, std::vector<SourceSplit> splits) {
  for (const SourceSplit& encoded : splits) {
    EAGRE_ASSIGN_OR_RETURN(KafkaSplit split, KafkaSplit::Decode(encoded));
    unassigned_.push_back(std::move(split));
  }
  Assign();
  return OkStatus();
}

void KafkaEnumerator::Assign() {
  std::map<int, std::vector<SourceSplit>> assigned;
  std::erase_if(unassigned_, [&](const KafkaSplit& split) {
    const int reader = ReaderOf(split, context_->parallelism());
    if (!registered_[static_cast<size_t>(reader)]) return false;
    assigned[reader].push_back(split.Encode());
    return true;
  });
  // A reader for which there is nothing is told so, once: it is idle then.
  for (size_t reader = 0; discovered_ && reader < registered_.size(); ++reader) {
    if (registered_[reader] && !assigned_[reader]) assigned[static_cast<int>(reader)];
  }
  for (auto& [reader, splits] : assigned) {
    assigned_[static_cast<size_t>(reader)] = true;
    context_->AssignSplits(reader, std::move(splits));
  }
  if (!discovered_ || !bounded() || options_.discovery_interval_ms > 0) return;
  for (size_t reader = 0; reader < registered_.size(); ++reader) {
    if (!registered_[reader] || told_the_end_[reader]) continue;
    told_the_end_[reader] = true;
    context_->SignalNoMoreSplits(static_cast<int>(reader));
  }
}

}  // namespace eagre
