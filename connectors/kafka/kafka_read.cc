#include "connectors/kafka/kafka_read.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <span>
#include <utility>

#include "base/logging.h"
#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_reader_metrics.h"

namespace eagre {
namespace {

constexpr size_t kBatchMessages = 1024;
constexpr int64_t kMetricsIntervalMs = 1000;

const KafkaProperties kConsumerDefaults = {
    {"group.id", "eagre"},
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "100"},
    {"reconnect.backoff.max.ms", "2000"},
    // Per partition, since each has a queue of its own.
    {"queued.max.messages.kbytes", "16384"},
};

std::string_view ResetName(OffsetReset reset) {
  switch (reset) {
    case OffsetReset::kFail: return "error";
    case OffsetReset::kEarliest: return "earliest";
    case OffsetReset::kLatest: return "latest";
  }
  return "error";
}

}  // namespace

struct KafkaRead::Impl {
  // A partition that this reader has.
  struct Partition {
    KafkaSplit split;  // next_offset: of the next message to be emitted
    std::string id;
    rd_kafka_queue_t* queue = nullptr;
    bool paused = false;
    // Messages taken from the queue; those before `next` are emitted.
    std::vector<rd_kafka_message_t*> taken;
    std::vector<KafkaMessage> messages;
    size_t next = 0;
    int64_t taken_up_to = 0;  // the offset behind the last of `taken`

    bool at_hand() const { return next < messages.size(); }
    bool at_end() const { return split.next_offset >= split.stop_offset; }
  };

  Impl(KafkaReadOptions read_options, std::unique_ptr<MessageParser> message_parser)
      : options(std::move(read_options)), parser(std::move(message_parser)) {}
  ~Impl() {
    for (auto& [id, partition] : partitions) Release(*partition);
  }

  Status AddSplit(const SourceSplit& encoded);
  Status AssignAll();
  void Release(Partition& partition);
  void DropTaken(Partition& partition);
  Status Take(Partition& partition);
  Status OnMessage(Partition& partition, rd_kafka_message_t* message);
  Status OnPartitionError(const Partition& partition, const rd_kafka_message_t& error) const;
  Status ServeClient();
  StatusOr<Partition*> NextPartition();
  Status OnMalformed(const KafkaMessage& message, const Status& reason, std::optional<MalformedLine>& malformed);
  void Advance(Partition& partition);
  StatusOr<bool> DeadLettersDelivered() const {
    if (dead_letters == nullptr) return true;
    return dead_letters->Delivered();
  }
  Status Commit(const std::map<KafkaTopicPartition, int64_t>& offsets);
  static void OnCommitted(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* offsets,
                          void* opaque);
  void UpdateMetrics(bool now);

  const KafkaReadOptions options;
  const std::unique_ptr<MessageParser> parser;
  SourceReaderContext* context = nullptr;
  std::unique_ptr<KafkaClient> client;
  std::unique_ptr<KafkaProducer> dead_letters;
  std::unique_ptr<KafkaReaderMetrics> metrics;
  std::map<std::string, std::unique_ptr<Partition>, std::less<>> partitions;
  Partition* current = nullptr;  // the parser has its messages
  int64_t last_offset = -1;      // of the message that was taken last
  std::unique_ptr<Partition> ended;
  std::string last_id;  // read last: the next one in turn comes after it
  bool no_more_splits = false;
  int64_t metrics_ms = 0;
  std::map<KafkaTopicPartition, int64_t> finished;  // since the last barrier
  std::deque<std::pair<int64_t, std::map<KafkaTopicPartition, int64_t>>> at_barriers;
  rd_kafka_queue_t* commits = nullptr;  // answers to commits
};

KafkaRead::KafkaRead(KafkaReadOptions options, std::unique_ptr<MessageParser> parser)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(parser))) {}

KafkaRead::~KafkaRead() {
  for (auto& [id, partition] : impl_->partitions) impl_->Release(*partition);
  impl_->partitions.clear();
  if (impl_->commits != nullptr) rd_kafka_queue_destroy(impl_->commits);
}

Status KafkaRead::Start(SourceReaderContext& context) {
  impl_->context = &context;
  const bool commits = impl_->options.commit_offsets;
  EAGRE_ASSIGN_OR_RETURN(
      impl_->client,
      KafkaClient::Create(RD_KAFKA_CONSUMER,
                          {.properties = impl_->options.properties,
                           .defaults = kConsumerDefaults,
                           .fixed = {{"enable.auto.commit", "false"},
                                     {"enable.auto.offset.store", "false"},
                                     {"enable.partition.eof", "true"},
                                     {"auto.offset.reset", std::string(ResetName(impl_->options.offset_reset))}},
                           .purpose = fmt::format("reader {} of {}", context.subtask(), impl_->options.what)}));
  if (commits) impl_->commits = rd_kafka_queue_new(impl_->client->get());
  impl_->metrics = std::make_unique<KafkaReaderMetrics>(context.metric_scope());
  if (!impl_->options.dead_letter_topic.empty()) {
    EAGRE_ASSIGN_OR_RETURN(impl_->dead_letters,
                           KafkaProducer::Create({.properties = impl_->options.properties,
                                                  .purpose = fmt::format("dead letters of {}", impl_->options.what),
                                                  .on_progress = [&context] { context.Wake(); }}));
  }
  return OkStatus();
}

Status KafkaRead::AddSplits(std::vector<SourceSplit> splits) {
  for (const SourceSplit& split : splits) EAGRE_RETURN_IF_ERROR(impl_->AddSplit(split));
  return impl_->AssignAll();
}

Status KafkaRead::Impl::AddSplit(const SourceSplit& encoded) {
  auto partition = std::make_unique<Partition>();
  EAGRE_ASSIGN_OR_RETURN(partition->split, KafkaSplit::Decode(encoded));
  partition->id = encoded.id;
  partition->taken_up_to = partition->split.next_offset;
  // Before it is assigned, so that no message goes to the common queue.
  partition->queue =
      rd_kafka_queue_get_partition(client->get(), partition->split.topic.c_str(), partition->split.partition);
  if (partition->queue == nullptr) return Internal("partition {} has no queue", partition->id);
  rd_kafka_queue_forward(partition->queue, nullptr);
  rd_kafka_queue_cb_event_enable(
      partition->queue, [](rd_kafka_t*, void* reader) { static_cast<SourceReaderContext*>(reader)->Wake(); }, context);
  metrics->AddPartition(partition->split.topic, partition->split.partition);
  partitions[partition->id] = std::move(partition);
  return OkStatus();
}

// Assigns what is not assigned yet.
Status KafkaRead::Impl::AssignAll() {
  rd_kafka_topic_partition_list_t* raw = nullptr;
  EAGRE_RETURN_IF_ERROR(KafkaError(rd_kafka_assignment(client->get(), &raw), "reading the client's assignment"));
  const KafkaList assigned(raw);
  const KafkaList added = NewKafkaList(partitions.size());
  for (const auto& [id, partition] : partitions) {
    const KafkaSplit& split = partition->split;
    if (rd_kafka_topic_partition_list_find(assigned.get(), split.topic.c_str(), split.partition) != nullptr) continue;
    rd_kafka_topic_partition_list_add(added.get(), split.topic.c_str(), split.partition)->offset = split.next_offset;
  }
  if (added->cnt == 0) return OkStatus();
  return KafkaError(rd_kafka_incremental_assign(client->get(), added.get()), "assigning partitions");
}

Status KafkaRead::NoMoreSplits() {
  impl_->no_more_splits = true;
  return OkStatus();
}

void KafkaRead::PauseSplits(const std::vector<std::string>& split_ids) {
  for (const std::string& id : split_ids) {
    if (const auto found = impl_->partitions.find(id); found != impl_->partitions.end()) found->second->paused = true;
  }
}

void KafkaRead::ResumeSplits(const std::vector<std::string>& split_ids) {
  for (const std::string& id : split_ids) {
    if (const auto found = impl_->partitions.find(id); found != impl_->partitions.end()) found->second->paused = false;
  }
}

std::vector<SourceSplit> KafkaRead::Snapshot() const {
  std::vector<SourceSplit> splits;
  for (const auto& [id, partition] : impl_->partitions) splits.push_back(partition->split.Encode());
  return splits;
}

void KafkaRead::Impl::DropTaken(Partition& partition) {
  for (rd_kafka_message_t* message : partition.taken) rd_kafka_message_destroy(message);
  partition.taken.clear();
  partition.messages.clear();
  partition.next = 0;
  if (current == &partition) current = nullptr;
}

void KafkaRead::Impl::Release(Partition& partition) {
  DropTaken(partition);
  if (partition.queue == nullptr) return;
  rd_kafka_queue_cb_event_enable(partition.queue, nullptr, nullptr);
  rd_kafka_queue_destroy(partition.queue);
  partition.queue = nullptr;
}

// ---- reading ----

Status KafkaRead::Impl::OnPartitionError(const Partition& partition, const rd_kafka_message_t& error) const {
  const std::string where = fmt::format("reading topic '{}', partition {}, offset {}", partition.split.topic,
                                        partition.split.partition, partition.taken_up_to);
  if (error.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || error.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
    int64_t low = 0, high = 0;
    rd_kafka_get_watermark_offsets(client->get(), partition.split.topic.c_str(), partition.split.partition, &low,
                                   &high);
    return MakeStatus(
        absl::StatusCode::kOutOfRange,
        fmt::format(
            "{}: this offset is not there ({}): retention has deleted it, or the topic was made anew. What was "
            "there is lost to this job; to go on without it say OnOffsetOutOfRange(OffsetReset::kEarliest), and "
            "give topics a longer retention",
            where, rd_kafka_message_errstr(&error)));
  }
  if (IsPermanent(error.err)) return KafkaError(error.err, where, rd_kafka_message_errstr(&error));
  // A broker that is away comes back; librdkafka tries on.
  EAGRE_LOG_WARN("Kafka source: {}: {}", where, rd_kafka_message_errstr(&error));
  return OkStatus();
}

Status KafkaRead::Impl::OnMessage(Partition& partition, rd_kafka_message_t* message) {
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    // Markers of transactions have offsets but are no messages: the end may be behind the last message.
    partition.taken_up_to = std::max(partition.taken_up_to, message->offset);
    rd_kafka_message_destroy(message);
    return OkStatus();
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const Status status = OnPartitionError(partition, *message);
    rd_kafka_message_destroy(message);
    return status;
  }
  partition.taken.push_back(message);
  partition.taken_up_to = message->offset + 1;
  if (message->offset >= partition.split.stop_offset) return OkStatus();
  if (message->payload == nullptr && !parser->wants_tombstones()) return OkStatus();
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
  KafkaMessage& shown = partition.messages.emplace_back();
  shown.topic = partition.split.topic;
  shown.partition = message->partition;
  shown.offset = message->offset;
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp_ms >= 0) shown.timestamp_ms = timestamp_ms;
  if (message->key != nullptr) shown.key.emplace(static_cast<const char*>(message->key), message->key_len);
  if (message->payload != nullptr) shown.value.emplace(static_cast<const char*>(message->payload), message->len);
  shown.native = message;
  return OkStatus();
}

// Takes what the partition's queue has, without waiting.
Status KafkaRead::Impl::Take(Partition& partition) {
  DropTaken(partition);
  std::array<rd_kafka_message_t*, kBatchMessages> batch;
  const ssize_t count = rd_kafka_consume_batch_queue(partition.queue, 0, batch.data(), batch.size());
  Status status;
  for (ssize_t i = 0; i < count; ++i) {
    if (!status.ok()) {
      rd_kafka_message_destroy(batch[static_cast<size_t>(i)]);
      continue;
    }
    status = OnMessage(partition, batch[static_cast<size_t>(i)]);
  }
  EAGRE_RETURN_IF_ERROR(status);
  if (!partition.at_hand()) Advance(partition);
  return OkStatus();
}

// Everything taken is emitted: the position is behind the last of it, also when that was no record.
void KafkaRead::Impl::Advance(Partition& partition) {
  partition.split.next_offset = std::max(partition.split.next_offset, partition.taken_up_to);
}

// The client's common queue has errors and answers to commits, and must be served now and then.
Status KafkaRead::Impl::ServeClient() {
  if (commits != nullptr) rd_kafka_queue_poll_callback(commits, 0);
  while (rd_kafka_message_t* message = rd_kafka_consumer_poll(client->get(), 0)) {
    const rd_kafka_resp_err_t error = message->err;
    const Status status =
        IsPermanent(error) && error != RD_KAFKA_RESP_ERR_NO_ERROR
            ? KafkaError(error, fmt::format("reading {}", options.what), rd_kafka_message_errstr(message))
            : OkStatus();
    rd_kafka_message_destroy(message);
    EAGRE_RETURN_IF_ERROR(status);
  }
  if (client->refused()) {
    return KafkaError(RD_KAFKA_RESP_ERR__AUTHENTICATION, fmt::format("reading {}", options.what), client->last_error());
  }
  if (dead_letters != nullptr) EAGRE_RETURN_IF_ERROR(dead_letters->error());
  return OkStatus();
}

// The next partition in turn that has messages at hand or is at its end; null when none has.
StatusOr<KafkaRead::Impl::Partition*> KafkaRead::Impl::NextPartition() {
  auto at = partitions.upper_bound(last_id);
  for (size_t tried = 0; tried < partitions.size(); ++tried, ++at) {
    if (at == partitions.end()) at = partitions.begin();
    Partition& partition = *at->second;
    if (partition.paused) continue;
    if (!partition.at_hand()) EAGRE_RETURN_IF_ERROR(Take(partition));
    if (!partition.at_hand() && !partition.at_end()) continue;
    last_id = partition.id;
    return &partition;
  }
  return nullptr;
}

StatusOr<ReadResult> KafkaRead::Begin() {
  Impl& impl = *impl_;
  impl.UpdateMetrics(/*now=*/false);
  if (impl.dead_letters != nullptr && impl.dead_letters->blocked()) return ReadResult::kNothingNow;
  if (impl.current != nullptr && impl.current->at_hand() && !impl.current->paused) return ReadResult::kMore;
  EAGRE_ASSIGN_OR_RETURN(Impl::Partition* const next, impl.NextPartition());
  if (next == nullptr) {
    EAGRE_RETURN_IF_ERROR(impl.ServeClient());
    const bool at_end = impl.no_more_splits && impl.partitions.empty();
    // Dead letters are part of what was to be done.
    if (!at_end) return ReadResult::kNothingNow;
    EAGRE_ASSIGN_OR_RETURN(const bool done, impl.DeadLettersDelivered());
    return done ? ReadResult::kEnd : ReadResult::kNothingNow;
  }
  if (impl.current != next) {
    impl.current = next;
    impl.parser->Begin(std::span<const KafkaMessage>(next->messages).subspan(next->next));
  }
  return ReadResult::kMore;
}

std::string_view KafkaRead::split_id() const {
  return impl_->current->id;
}

StatusOr<bool> KafkaRead::Next(void* record, int64_t& timestamp_ms, const KafkaMessage*& message,
                               std::optional<MalformedLine>& malformed) {
  Impl& impl = *impl_;
  Impl::Partition& partition = *impl.current;
  while (partition.at_hand()) {
    message = &partition.messages[partition.next++];
    impl.last_offset = message->offset;
    const Status status = impl.parser->Parse(record);
    if (!status.ok()) EAGRE_RETURN_IF_ERROR(impl.OnMalformed(*message, status, malformed));
    partition.split.next_offset = message->offset + 1;
    if (!partition.at_hand()) impl.Advance(partition);
    if (!status.ok() && !malformed.has_value()) continue;
    timestamp_ms = message->timestamp_ms;
    return true;
  }
  return false;
}

std::string KafkaRead::RecordPosition() const {
  return fmt::format("offset {}", impl_->last_offset);
}

bool KafkaRead::FinishIfAtEnd() {
  Impl& impl = *impl_;
  Impl::Partition& partition = *impl.current;
  if (partition.at_hand() || !partition.at_end()) return false;
  impl.finished[{partition.split.topic, partition.split.partition}] = partition.split.next_offset;
  const KafkaList removed = NewKafkaList(1);
  rd_kafka_topic_partition_list_add(removed.get(), partition.split.topic.c_str(), partition.split.partition);
  if (rd_kafka_error_t* error = rd_kafka_incremental_unassign(impl.client->get(), removed.get())) {
    rd_kafka_error_destroy(error);  // it was not assigned: nothing to give up
  }
  impl.Release(partition);
  // Its id is in use until this call of the reader is over.
  const auto found = impl.partitions.find(partition.id);
  impl.ended = std::move(found->second);
  impl.partitions.erase(found);
  return true;
}

Status KafkaRead::Impl::OnMalformed(const KafkaMessage& message, const Status& reason,
                                    std::optional<MalformedLine>& malformed) {
  const std::string where =
      fmt::format("topic '{}', partition {}, offset {}", message.topic, message.partition, message.offset);
  if (dead_letters != nullptr) {
    context->CountSkipped(1);
    return dead_letters->SendDeadLetter(options.dead_letter_topic, message, StatusMessage(reason));
  }
  switch (options.malformed) {
    case Malformed::kFail:
      return InvalidArgument(
          "{}: {}; to go on after such messages say OnMalformed(Malformed::kSkip) or "
          "DeadLetterTopic(...)",
          where, StatusMessage(reason));
    case Malformed::kSkip: context->CountSkipped(1); return OkStatus();
    case Malformed::kSideOutput:
      context->CountSkipped(1);
      malformed = MalformedLine{.file = fmt::format("{}-{}", message.topic, message.partition),
                                .offset = message.offset,
                                .line = std::string(message.value.value_or("")),
                                .reason = std::string(StatusMessage(reason))};
      return OkStatus();
  }
  return OkStatus();
}

// ---- checkpoints ----

Status KafkaRead::OnBarrier(int64_t checkpoint_id, bool& done) {
  Impl& impl = *impl_;
  // A dead letter is as good as a record: what the checkpoint is behind of must be there.
  EAGRE_ASSIGN_OR_RETURN(done, impl.DeadLettersDelivered());
  if (!done || impl.commits == nullptr) return OkStatus();
  std::map<KafkaTopicPartition, int64_t> offsets;
  for (const auto& [id, partition] : impl.partitions) {
    offsets[{partition->split.topic, partition->split.partition}] = partition->split.next_offset;
  }
  for (const auto& [partition, offset] : std::exchange(impl.finished, {})) offsets[partition] = offset;
  impl.at_barriers.emplace_back(checkpoint_id, std::move(offsets));
  return OkStatus();
}

Status KafkaRead::OnCheckpointComplete(int64_t checkpoint_id) {
  Impl& impl = *impl_;
  std::map<KafkaTopicPartition, int64_t> offsets;
  while (!impl.at_barriers.empty() && impl.at_barriers.front().first <= checkpoint_id) {
    for (const auto& [partition, offset] : impl.at_barriers.front().second) offsets[partition] = offset;
    impl.at_barriers.pop_front();
  }
  return offsets.empty() ? OkStatus() : impl.Commit(offsets);
}

Status KafkaRead::Impl::Commit(const std::map<KafkaTopicPartition, int64_t>& offsets) {
  const KafkaList list = NewKafkaList(offsets.size());
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = offset;
  }
  // For monitoring only: the job goes on from its checkpoints, so a failure is counted and no more.
  const rd_kafka_resp_err_t error =
      rd_kafka_commit_queue(client->get(), list.get(), commits, &KafkaRead::Impl::OnCommitted, this);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) metrics->CommitFailed();
  return OkStatus();
}

void KafkaRead::Impl::OnCommitted(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* offsets,
                                  void* opaque) {
  auto& impl = *static_cast<Impl*>(opaque);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    impl.metrics->CommitFailed();
    EAGRE_LOG_WARN("Kafka source: offsets of {} could not be committed: {}", impl.options.what,
                   rd_kafka_err2str(error));
    return;
  }
  impl.metrics->CommitSucceeded();
  for (int i = 0; offsets != nullptr && i < offsets->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = offsets->elems[i];
    impl.metrics->SetCommitted(element.topic, element.partition, element.offset);
  }
}

void KafkaRead::Impl::UpdateMetrics(bool now) {
  const int64_t now_ms = context->clock().NowMs();
  if (!now && now_ms - metrics_ms < kMetricsIntervalMs) return;
  metrics_ms = now_ms;
  if (commits != nullptr) rd_kafka_queue_poll_callback(commits, 0);
  for (const auto& [id, partition] : partitions) {
    int64_t low = 0, high = 0;
    const KafkaSplit& split = partition->split;
    rd_kafka_get_watermark_offsets(client->get(), split.topic.c_str(), split.partition, &low, &high);
    metrics->SetPosition(split.topic, split.partition, split.next_offset, high);
  }
  metrics->SumUp();
}

int64_t KafkaRead::NextReadMs() const {
  return impl_->metrics_ms + kMetricsIntervalMs;
}

}  // namespace eagre
