#include "connectors/kafka/kafka_discovery.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>

#include "base/logging.h"

namespace eagre {
namespace {

constexpr int kRequestTimeoutMs = 5000;
constexpr int64_t kFirstPauseMs = 100;
constexpr int64_t kLongestPauseMs = 2000;
constexpr size_t kShownTopics = 10;
constexpr int64_t kEndTimestamp = -1;
constexpr int64_t kBeginningTimestamp = -2;

struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter>;

KafkaList ListOf(const std::vector<KafkaTopicPartition>& partitions, int64_t offset) {
  KafkaList list = NewKafkaList(partitions.size());
  for (const KafkaTopicPartition& partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = offset;
  }
  return list;
}

// The offsets of the list, which has the order of the partitions.
StatusOr<std::vector<int64_t>> OffsetsOf(const KafkaList& list, std::string_view what) {
  std::vector<int64_t> offsets;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list->elems[i];
    EAGRE_RETURN_IF_ERROR(
        KafkaError(element.err, fmt::format("{} of {} [{}]", what, element.topic, element.partition)));
    offsets.push_back(element.offset);
  }
  return offsets;
}

std::string ShownTopics(const rd_kafka_metadata_t& metadata) {
  std::vector<std::string> names;
  for (int i = 0; i < metadata.topic_cnt; ++i) {
    if (const std::string name = metadata.topics[i].topic; !name.starts_with("__")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  const size_t more = names.size() > kShownTopics ? names.size() - kShownTopics : 0;
  names.resize(names.size() - more);
  if (names.empty()) return "it has none";
  return fmt::format("it has '{}'{}", fmt::join(names, "', '"), more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

void KafkaDiscovery::Find(std::set<std::string, std::less<>> known, bool first, Then then) {
  executor_.Post([this, known = std::move(known), first, then = std::move(then)] {
    StatusOr<std::vector<KafkaSplit>> found = FindNow(known, first);
    if (!stopping_) then(std::move(found));
  });
}

StatusOr<std::vector<KafkaSplit>> KafkaDiscovery::FindNow(const std::set<std::string, std::less<>>& known, bool first) {
  if (client_ == nullptr) {
    EAGRE_ASSIGN_OR_RETURN(
        client_, KafkaClient::Create(RD_KAFKA_CONSUMER, {.properties = options_.properties,
                                                         .defaults = {{"group.id", "eagre"}},
                                                         .purpose = fmt::format("source of {}", options_.What())}));
  }
  Partitions partitions;
  EAGRE_RETURN_IF_ERROR(Persistently(first, [&]() -> Status {
    EAGRE_ASSIGN_OR_RETURN(partitions, ListPartitions(first));
    return OkStatus();
  }));
  std::erase_if(partitions, [&](const KafkaTopicPartition& partition) { return known.contains(partition.Name()); });
  std::sort(partitions.begin(), partitions.end());
  if (partitions.empty()) return std::vector<KafkaSplit>();
  std::vector<int64_t> starts, stops;
  EAGRE_RETURN_IF_ERROR(Persistently(first, [&]() -> Status {
    // What appears later is read from its beginning: nothing of it was there before the job.
    EAGRE_ASSIGN_OR_RETURN(starts, Resolve(first ? options_.start : KafkaOffsets::Earliest(), partitions));
    if (options_.stop) {
      EAGRE_ASSIGN_OR_RETURN(stops, ResolveStops(*options_.stop, partitions));
    }
    return OkStatus();
  }));
  std::vector<KafkaSplit> splits;
  for (size_t i = 0; i < partitions.size(); ++i) {
    splits.push_back({.topic = partitions[i].topic,
                      .partition = partitions[i].partition,
                      .next_offset = starts[i],
                      .stop_offset = stops.empty() ? KafkaSplit::kNoStop : stops[i]});
  }
  return splits;
}

Status KafkaDiscovery::Persistently(bool first, const std::function<Status()>& call) {
  const int64_t begun_ms = executor_.clock().NowMs();
  for (int64_t pause_ms = kFirstPauseMs;; pause_ms = std::min(2 * pause_ms, kLongestPauseMs)) {
    const Status status = call();
    if (status.ok() || !first || stopping_) return status;
    // Serves what the client has to say about its brokers; the time it waits for that is the pause.
    rd_kafka_poll(client_->get(), static_cast<int>(pause_ms));
    const std::string reason = client_->last_error();
    if (client_->refused()) {
      return KafkaError(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                        fmt::format("connecting to Kafka at {}", client_->bootstrap()), reason);
    }
    if (!absl::IsUnavailable(status)) return status;
    const int64_t waited_ms = executor_.clock().NowMs() - begun_ms;
    if (waited_ms >= options_.start_timeout_ms) {
      return Unavailable(
          "Kafka at {} has not answered for {} s ({}); check that the address is right and the brokers are up, and "
          "that "
          "they advertise an address that this machine reaches",
          client_->bootstrap(), waited_ms / 1000, reason.empty() ? StatusMessage(status) : std::string_view(reason));
    }
    EAGRE_LOG_WARN("Kafka at {} does not answer for {} ms now ({}); trying again", client_->bootstrap(), waited_ms,
                   reason.empty() ? StatusMessage(status) : std::string_view(reason));
  }
}

StatusOr<KafkaDiscovery::Partitions> KafkaDiscovery::ListPartitions(bool first) {
  const rd_kafka_metadata_t* raw = nullptr;
  EAGRE_RETURN_IF_ERROR(KafkaError(
      rd_kafka_metadata(client_->get(), /*all_topics=*/1, nullptr, &raw, kRequestTimeoutMs), "listing the topics"));
  const Metadata metadata(raw);
  std::map<std::string, const rd_kafka_metadata_topic_t*> there;
  for (int i = 0; i < metadata->topic_cnt; ++i) there[metadata->topics[i].topic] = &metadata->topics[i];
  std::vector<const rd_kafka_metadata_topic_t*> wanted;
  if (!options_.topic_pattern.empty()) {
    const RE2 pattern(options_.topic_pattern, RE2::Quiet);
    for (const auto& [name, topic] : there) {
      if (!name.starts_with("__") && RE2::FullMatch(name, pattern)) wanted.push_back(topic);
    }
    if (wanted.empty() && first && options_.discovery_interval_ms == 0) {
      return NotFound("Kafka at {} has no topic like '{}' ({})", client_->bootstrap(), options_.topic_pattern,
                      ShownTopics(*metadata));
    }
  }
  for (const std::string& name : options_.topics) {
    const auto found = there.find(name);
    if (found != there.end()) {
      wanted.push_back(found->second);
    } else if (first) {
      return NotFound(
          "Kafka at {} has no topic '{}' that this user may see ({}); create it, correct its name, or grant Describe",
          client_->bootstrap(), name, ShownTopics(*metadata));
    }
  }
  Partitions partitions;
  for (const rd_kafka_metadata_topic_t* topic : wanted) {
    EAGRE_RETURN_IF_ERROR(KafkaError(topic->err, fmt::format("topic '{}'", topic->topic)));
    for (int i = 0; i < topic->partition_cnt; ++i) partitions.push_back({topic->topic, topic->partitions[i].id});
  }
  return partitions;
}

StatusOr<std::vector<int64_t>> KafkaDiscovery::OffsetsFor(int64_t timestamp_ms, const Partitions& partitions) {
  const KafkaList list = ListOf(partitions, timestamp_ms);
  EAGRE_RETURN_IF_ERROR(KafkaError(rd_kafka_offsets_for_times(client_->get(), list.get(), kRequestTimeoutMs),
                                   fmt::format("asking for offsets of {}", options_.What())));
  return OffsetsOf(list, "the offset");
}

StatusOr<std::vector<int64_t>> KafkaDiscovery::ResolveCommitted(KafkaOffsets::Kind fallback,
                                                                const Partitions& partitions) {
  const KafkaList list = ListOf(partitions, RD_KAFKA_OFFSET_INVALID);
  EAGRE_RETURN_IF_ERROR(KafkaError(rd_kafka_committed(client_->get(), list.get(), kRequestTimeoutMs),
                                   "asking for the offsets that the consumer group has committed"));
  EAGRE_ASSIGN_OR_RETURN(std::vector<int64_t> offsets, OffsetsOf(list, "the committed offset"));
  EAGRE_ASSIGN_OR_RETURN(
      const std::vector<int64_t> otherwise,
      OffsetsFor(fallback == KafkaOffsets::Kind::kLatest ? kEndTimestamp : kBeginningTimestamp, partitions));
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] < 0) offsets[i] = otherwise[i];
  }
  return offsets;
}

StatusOr<std::vector<int64_t>> KafkaDiscovery::Resolve(const KafkaOffsets& offsets, const Partitions& partitions) {
  switch (offsets.kind()) {
    case KafkaOffsets::Kind::kEarliest: return OffsetsFor(kBeginningTimestamp, partitions);
    case KafkaOffsets::Kind::kLatest: return OffsetsFor(kEndTimestamp, partitions);
    case KafkaOffsets::Kind::kCommitted: return ResolveCommitted(offsets.fallback(), partitions);
    case KafkaOffsets::Kind::kTimestamp: {
      EAGRE_ASSIGN_OR_RETURN(std::vector<int64_t> found, OffsetsFor(offsets.timestamp_ms(), partitions));
      EAGRE_ASSIGN_OR_RETURN(const std::vector<int64_t> ends, OffsetsFor(kEndTimestamp, partitions));
      for (size_t i = 0; i < found.size(); ++i) {
        if (found[i] < 0) found[i] = ends[i];  // nothing is that late
      }
      return found;
    }
    case KafkaOffsets::Kind::kExplicit: break;
  }
  EAGRE_ASSIGN_OR_RETURN(
      std::vector<int64_t> found,
      OffsetsFor(offsets.fallback() == KafkaOffsets::Kind::kLatest ? kEndTimestamp : kBeginningTimestamp, partitions));
  for (size_t i = 0; i < found.size(); ++i) {
    const auto given = offsets.explicit_offsets().find({partitions[i].topic, partitions[i].partition});
    if (given != offsets.explicit_offsets().end()) found[i] = given->second;
  }
  return found;
}

StatusOr<std::vector<int64_t>> KafkaDiscovery::ResolveStops(const KafkaOffsets& offsets, const Partitions& partitions) {
  if (offsets.kind() != KafkaOffsets::Kind::kExplicit) return Resolve(offsets, partitions);
  std::vector<int64_t> stops;
  for (const KafkaTopicPartition& partition : partitions) {
    const auto given = offsets.explicit_offsets().find({partition.topic, partition.partition});
    stops.push_back(given == offsets.explicit_offsets().end() ? KafkaSplit::kNoStop : given->second);
  }
  return stops;
}

}  // namespace eagre
