// Topics of Kafka as a source.
//
//   job.Read(KafkaSource<Payment>("localhost:9092").Topics({"payments"}).GroupId("fraud"))
//       .WithWatermarks(BoundedOutOfOrderness(30s), &Payment::at)
//
// docs/connectors.md says what is read and in which order.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/file/file_source.h"
#include "connectors/kafka/kafka_enumerator.h"
#include "connectors/kafka/kafka_message.h"
#include "connectors/kafka/kafka_offsets.h"
#include "connectors/kafka/kafka_read.h"
#include "connectors/kafka/message_parser.h"
#include "eagre/source.h"
#include "record/type_info_of.h"

namespace eagre {

/// Called after a message's value was parsed, to take from the message what is not in the value.
template <typename T>
using KafkaMetadataFunction = std::function<void(const KafkaMessage& message, T& record)>;

template <typename T>
class KafkaReader final : public SourceReader<T> {
 public:
  KafkaReader(KafkaReadOptions options, std::unique_ptr<MessageParser> parser, KafkaMetadataFunction<T> metadata)
      : read_(std::move(options), std::move(parser)), metadata_(std::move(metadata)) {}

  Status Start(SourceReaderContext& context) override { return read_.Start(context); }
  Status AddSplits(std::vector<SourceSplit> splits) override { return read_.AddSplits(std::move(splits)); }
  Status NoMoreSplits() override { return read_.NoMoreSplits(); }
  void PauseSplits(const std::vector<std::string>& split_ids) override { read_.PauseSplits(split_ids); }
  void ResumeSplits(const std::vector<std::string>& split_ids) override { read_.ResumeSplits(split_ids); }
  std::vector<SourceSplit> Snapshot() const override { return read_.Snapshot(); }
  std::string RecordPosition() const override { return read_.RecordPosition(); }
  Status OnBarrier(int64_t checkpoint_id, bool& done) override { return read_.OnBarrier(checkpoint_id, done); }
  Status OnCheckpointComplete(int64_t checkpoint_id) override { return read_.OnCheckpointComplete(checkpoint_id); }
  bool idle_without_splits() const override { return true; }
  int64_t NextReadMs() const override { return read_.NextReadMs(); }

  StatusOr<ReadResult> Read(SplitOutput<T>& out) override {
    EAGRE_ASSIGN_OR_RETURN(const ReadResult begun, read_.Begin());
    if (begun != ReadResult::kMore) return begun;
    out.BeginSplit(read_.split_id());
    std::optional<MalformedLine> malformed;
    while (!out.full()) {
      int64_t timestamp_ms = kNoTimestamp;
      const KafkaMessage* message = nullptr;
      T& record = out.Next();
      EAGRE_ASSIGN_OR_RETURN(const bool any, read_.Next(&record, timestamp_ms, message, malformed));
      if (!any || malformed) {
        out.DropLast();
        if (!any) break;
        out.Output(kMalformedLines, *std::exchange(malformed, std::nullopt));
        continue;
      }
      out.batch().timestamps()[out.batch().size() - 1] = timestamp_ms;
      if (metadata_) metadata_(*message, record);
    }
    if (read_.FinishIfAtEnd()) out.FinishSplit();
    return ReadResult::kMore;
  }

 private:
  KafkaRead read_;
  const KafkaMetadataFunction<T> metadata_;
};

/// Topics as a source. Values are JSON unless another format is named. `servers` are brokers to ask first,
/// "host:port,host:port".
template <typename T>
class KafkaSource final : public Source<T> {
 public:
  explicit KafkaSource(std::string servers) { properties()["bootstrap.servers"] = std::move(servers); }

  // ---- what is read ----
  KafkaSource Topics(std::vector<std::string> topics) && {
    enumerator_.topics = std::move(topics);
    return std::move(*this);
  }
  /// All topics whose whole name matches the regular expression (of RE2), but for Kafka's own.
  KafkaSource TopicPattern(std::string pattern) && {
    enumerator_.topic_pattern = std::move(pattern);
    return std::move(*this);
  }
  /// Looks for new partitions, and with a pattern for new topics, so often. They are read from their beginning.
  KafkaSource DiscoverEvery(std::chrono::milliseconds interval) && {
    enumerator_.discovery_interval_ms = interval.count();
    return std::move(*this);
  }
  /// Where to start when there is no checkpoint to go on from; at the beginning unless set.
  KafkaSource StartFrom(KafkaOffsets offsets) && {
    enumerator_.start = std::move(offsets);
    return std::move(*this);
  }
  /// Ends where these offsets are when the job starts: the stream is then bounded.
  KafkaSource StopAt(KafkaOffsets offsets) && {
    enumerator_.stop = std::move(offsets);
    return std::move(*this);
  }
  KafkaSource OnOffsetOutOfRange(OffsetReset reset) && {
    read_.offset_reset = reset;
    return std::move(*this);
  }
  /// The consumer group that offsets are committed to at checkpoints, for monitoring, and that KafkaOffsets::Committed
  /// starts from. Partitions are not shared out by the group: every job reads all of them.
  KafkaSource GroupId(std::string group) && {
    properties()["group.id"] = std::move(group);
    return std::move(*this);
  }
  KafkaSource WithoutCommits() && {
    read_.commit_offsets = false;
    return std::move(*this);
  }
  /// A setting of librdkafka's, such as "security.protocol"; Flink's prefix "properties." may stand before it.
  KafkaSource Property(std::string_view name, std::string value) && {
    properties()[KafkaPropertyName(name)] = std::move(value);
    return std::move(*this);
  }
  /// How long brokers may be silent at the start of the job before it fails.
  KafkaSource StartTimeout(std::chrono::milliseconds timeout) && {
    enumerator_.start_timeout_ms = timeout.count();
    return std::move(*this);
  }

  // ---- how values become records ----
  /// A JSON object per message; the default.
  KafkaSource Json() && {
    parser_ = nullptr;
    return std::move(*this);
  }
  /// A row per message, without a header. The columns are the record's fields unless others are named.
  KafkaSource Csv(char delimiter = ',', std::vector<std::string> columns = {}) && {
    if (columns.empty()) {
      for (const CsvField& field : CsvFieldsOf(TypeInfoOf<T>())) columns.push_back(field.name);
    }
    parser_ = [delimiter, columns = std::move(columns)]() -> StatusOr<std::unique_ptr<MessageParser>> {
      const CsvOptions options{.delimiter = delimiter, .multiline = true};
      EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<RowParser> rows, CsvRowParser::Create(TypeInfoOf<T>(), options, columns));
      return std::make_unique<RowMessageParser>(std::move(rows));
    };
    return std::move(*this);
  }
  /// The value's bytes as they are into that field.
  KafkaSource Raw(std::string T::*field) && {
    return std::move(*this).Decode([field](const KafkaMessage& message, T& record) {
      (record.*field).assign(message.value.value_or(""));
      return OkStatus();
    });
  }
  /// A function makes the record; it sees tombstones too. A failure makes the message a malformed one.
  KafkaSource Decode(std::function<Status(const KafkaMessage& message, T& record)> decode) && {
    class Function final : public KafkaDeserializer<T> {
     public:
      explicit Function(std::function<Status(const KafkaMessage&, T&)> function) : function_(std::move(function)) {}
      Status Deserialize(const KafkaMessage& message, T& record) override { return function_(message, record); }

     private:
      const std::function<Status(const KafkaMessage&, T&)> function_;
    };
    return std::move(*this).DeserializeWith(
        [decode = std::move(decode)] { return std::make_unique<Function>(decode); });
  }
  /// The same for deserializers with a state: one per reader.
  KafkaSource DeserializeWith(std::function<std::unique_ptr<KafkaDeserializer<T>>()> create) && {
    parser_ = [create = std::move(create)]() -> StatusOr<std::unique_ptr<MessageParser>> {
      return std::make_unique<TypedMessageParser<T>>(create());
    };
    return std::move(*this);
  }
  /// Takes key, headers, timestamp or offset over into the record, after its value was parsed.
  KafkaSource WithMetadata(KafkaMetadataFunction<T> metadata) && {
    metadata_ = std::move(metadata);
    return std::move(*this);
  }
  /// What becomes of a message that is not a T; Malformed::kFail unless set.
  KafkaSource OnMalformed(Malformed policy) && {
    read_.malformed = policy;
    return std::move(*this);
  }
  /// Malformed messages are written to that topic, with the reason and their origin in headers.
  KafkaSource DeadLetterTopic(std::string topic) && {
    read_.dead_letter_topic = std::move(topic);
    return std::move(*this);
  }

  // ---- as in Source ----
  std::string Name() const override { return "Kafka source"; }
  Boundedness boundedness() const override {
    const bool ends = enumerator_.stop.has_value() && enumerator_.discovery_interval_ms == 0;
    return ends ? Boundedness::kBounded : Boundedness::kContinuousUnbounded;
  }
  StatusOr<std::unique_ptr<SplitEnumerator>> CreateEnumerator() const override {
    EAGRE_RETURN_IF_ERROR(enumerator_.Validate());
    return std::make_unique<KafkaEnumerator>(enumerator_);
  }
  StatusOr<std::unique_ptr<SourceReader<T>>> CreateReader() const override {
    EAGRE_RETURN_IF_ERROR(enumerator_.Validate());
    std::unique_ptr<MessageParser> parser;
    if (parser_) {
      EAGRE_ASSIGN_OR_RETURN(parser, parser_());
    } else {
      parser = std::make_unique<LineMessageParser>(std::make_unique<NdjsonRowParser>(TypeInfoOf<T>()));
    }
    KafkaReadOptions read = read_;
    read.properties = enumerator_.properties;
    read.what = enumerator_.What();
    read.commit_offsets = read.commit_offsets && read.properties.contains("group.id");
    return std::make_unique<KafkaReader<T>>(std::move(read), std::move(parser), metadata_);
  }

 private:
  KafkaProperties& properties() { return enumerator_.properties; }

  KafkaSourceOptions enumerator_;
  KafkaReadOptions read_;
  std::function<StatusOr<std::unique_ptr<MessageParser>>()> parser_;
  KafkaMetadataFunction<T> metadata_;
};

}  // namespace eagre
