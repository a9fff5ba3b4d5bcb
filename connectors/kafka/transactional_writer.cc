#include "connectors/kafka/transactional_writer.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "runtime/key_groups.h"

namespace eagre {
namespace {

constexpr size_t kDefaultMaxRecordBytes = 1'000'000;  // librdkafka's message.max.bytes

}  // namespace

// The sealed epochs, a chunk per entry. All chunks of a writer must come to one subtask when the job is rescaled, since
// one must decide about them; so they are stored under a key group of this subtask's, as keyed state is.
class TransactionalWriter::State final : public CheckpointedState {
 public:
  State(const std::deque<std::shared_ptr<const SealedEpoch>>& sealed, int subtask, int parallelism, int max_parallelism)
      : sealed_(sealed),
        key_group_(static_cast<uint64_t>((subtask * max_parallelism + parallelism - 1) / parallelism)) {}

  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  std::string schema() const override { return "records for Kafka, 1"; }
  bool incremental() const override { return false; }
  void Seal() override {
    encoding_.assign(sealed_.begin(), sealed_.end());
    next_epoch_ = next_chunk_ = 0;
  }
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override {
    const size_t begun = out.bytes();
    for (; next_epoch_ < encoding_.size(); ++next_epoch_, next_chunk_ = 0) {
      const SealedEpoch& epoch = *encoding_[next_epoch_];
      for (; next_chunk_ < epoch.chunks.size(); ++next_chunk_) {
        if (out.bytes() - begun >= max_bytes) return false;
        ByteWriter& key = out.BeginKey(key_group_);
        key.String(epoch.transactional_id);
        key.Fixed(epoch.checkpoint_id);
        key.Fixed(static_cast<uint32_t>(next_chunk_));
        out.BeginValue().Raw(*epoch.chunks[next_chunk_]);
        out.End();
      }
    }
    encoding_.clear();
    return true;
  }
  Status Restore(const StateEntry& entry) override {
    ByteReader in(entry.key);
    std::string_view id;
    int64_t checkpoint_id = 0;
    uint32_t chunk = 0;
    if (!in.String(id) || !in.Fixed(checkpoint_id) || !in.Fixed(chunk) || !in.empty()) {
      return DataLoss("an entry of the state '{}' of a Kafka sink is malformed", name_);
    }
    restored_[{std::string(id), checkpoint_id}][chunk] = std::make_shared<const std::string>(entry.value);
    return OkStatus();
  }
  // What was restored, the oldest first.
  SealedEpochs TakeRestored() {
    SealedEpochs epochs;
    for (auto& [name, chunks] : restored_) {
      auto epoch = std::make_shared<SealedEpoch>();
      epoch->transactional_id = name.first;
      epoch->checkpoint_id = name.second;
      for (auto& [index, bytes] : chunks) {
        epoch->bytes += bytes->size();
        epoch->chunks.push_back(std::move(bytes));
      }
      epochs.push_back(std::move(epoch));
    }
    restored_.clear();
    return epochs;
  }

 private:
  const std::string name_ = kCommittablesStateName;
  const std::deque<std::shared_ptr<const SealedEpoch>>& sealed_;
  const uint64_t key_group_;
  SealedEpochs encoding_;
  size_t next_epoch_ = 0;
  size_t next_chunk_ = 0;
  std::map<std::pair<std::string, int64_t>, std::map<uint32_t, std::shared_ptr<const std::string>>> restored_;
};

TransactionalWriter::TransactionalWriter(KafkaWriterOptions options) : options_(std::move(options)) {}

TransactionalWriter::~TransactionalWriter() {
  Close(/*failed=*/true).IgnoreError();
}

CheckpointedState& TransactionalWriter::state() {
  return *state_;
}

Status TransactionalWriter::Open(SinkContext& context) {
  context_ = &context;
  if (!context.checkpointing()) {
    return FailedPrecondition(
        "a Kafka sink that writes exactly once makes output visible at checkpoints, and this job takes none: set "
        "execution.checkpointing.interval and execution.checkpointing.dir, or say AtLeastOnce()");
  }
  max_record_bytes_ = kDefaultMaxRecordBytes;
  if (const auto given = options_.properties.find("message.max.bytes"); given != options_.properties.end()) {
    const std::string& text = given->second;
    std::from_chars(text.data(), text.data() + text.size(), max_record_bytes_);
  }
  // Unique among all writers that ever were; the readable part is for whoever looks at the cluster.
  transactional_id_ =
      fmt::format("{}-{}-{}-{}-{:08x}", options_.transactional_id_prefix, context.job_id().substr(0, 8),
                  context.attempt(), context.subtask(), static_cast<uint32_t>(NewSystemRandom()->Next()));
  state_ = std::make_unique<State>(sealed_, context.subtask(), context.parallelism(), context.max_parallelism());
  uncommitted_bytes_ = &context.AddGauge("uncommittedBytes");
  bytes_sent_ = &context.AddCounter("numBytesSend");
  transactions_committed_ = &context.AddCounter("numTransactionsCommitted");
  transactions_ = std::make_unique<KafkaTransactions>(
      options_, transactional_id_, fmt::format("sink '{}' {}", context.operator_name(), context.subtask()),
      context.clock());
  executor_ = std::make_unique<ThreadExecutor>("kafka-commit");
  Run([](KafkaTransactions& transactions) { return transactions.Register(); }, [this] { ready_ = true; });
  return OkStatus();
}

Status TransactionalWriter::Close(bool) {
  *alive_ = false;
  if (transactions_ != nullptr) transactions_->Stop();
  executor_.reset();
  transactions_.reset();
  return OkStatus();
}

void TransactionalWriter::Run(std::function<Status(KafkaTransactions&)> call, std::function<void()> then) {
  executor_->Post([this, call = std::move(call), then = std::move(then)] {
    Status status = call(*transactions_);
    context_->Post([this, alive = alive_, status = std::move(status), then] {
      if (!*alive) return OkStatus();
      EAGRE_RETURN_IF_ERROR(status);
      then();
      context_->Wake();
      return OkStatus();
    });
  });
}

// ---- writing ----

StatusOr<bool> TransactionalWriter::Write(const KafkaRecord& record) {
  if (blocked()) return false;
  if (record.value.size() + record.key.size() > max_record_bytes_) {
    return KafkaError(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                      fmt::format("writing a record of {} bytes to topic '{}'", record.value.size(), record.topic));
  }
  if (chunk_ == nullptr) {
    chunk_ = std::make_shared<std::string>();
    chunk_->reserve(kChunkBytes + kChunkBytes / 16);
    current_.push_back(chunk_);
  }
  const size_t before = chunk_->size();
  AppendKafkaRecord(record, *chunk_);
  const size_t added = chunk_->size() - before;
  current_bytes_ += added;
  bytes_sent_->Add(static_cast<int64_t>(added));
  if (chunk_->size() < kChunkBytes) return true;
  chunk_.reset();
  if (current_bytes_ + sealed_bytes_ > static_cast<size_t>(options_.max_uncommitted_bytes)) {
    return ResourceExhausted(
        "{} MB are written and not committed: output is committed at checkpoints. Take them more often "
        "(execution.checkpointing.interval), or allow more by MaxUncommittedBytes(...)",
        (current_bytes_ + sealed_bytes_) >> 20);
  }
  UpdateMetrics();
  return true;
}

bool TransactionalWriter::blocked() const {
  // What waits for brokers alone gets less as they answer; what waits for a barrier must not hold it up.
  return !ready_ || committing_bytes_ > static_cast<size_t>(options_.max_uncommitted_bytes) / 4;
}

Status TransactionalWriter::Flush(bool, bool& done) {
  done = ready_;
  UpdateMetrics();
  return OkStatus();
}

void TransactionalWriter::UpdateMetrics() {
  uncommitted_bytes_->Set(static_cast<double>(current_bytes_ + sealed_bytes_));
  if (transactions_ != nullptr) transactions_committed_->Store(transactions_->transactions_committed());
}

// ---- checkpoints ----

Status TransactionalWriter::Begin() {
  SealedEpochs restored = state_->TakeRestored();
  if (restored.empty()) return OkStatus();
  for (const auto& epoch : restored) {
    sealed_.push_back(epoch);
    sealed_bytes_ += epoch->bytes;
  }
  Submit(std::move(restored), /*restored=*/true);
  return OkStatus();
}

Status TransactionalWriter::Seal(int64_t checkpoint_id) {
  chunk_.reset();
  if (current_.empty()) return OkStatus();
  auto epoch = std::make_shared<SealedEpoch>();
  epoch->transactional_id = transactional_id_;
  epoch->checkpoint_id = checkpoint_id;
  epoch->chunks = std::exchange(current_, {});
  epoch->bytes = std::exchange(current_bytes_, 0);
  sealed_bytes_ += epoch->bytes;
  sealed_.push_back(std::move(epoch));
  return OkStatus();
}

Status TransactionalWriter::OnCheckpointComplete(int64_t checkpoint_id) {
  SealedEpochs epochs;
  for (const auto& epoch : sealed_) {
    const bool own = epoch->transactional_id == transactional_id_;
    if (own && epoch->checkpoint_id > submitted_up_to_ && epoch->checkpoint_id <= checkpoint_id)
      epochs.push_back(epoch);
  }
  submitted_up_to_ = std::max(submitted_up_to_, checkpoint_id);
  if (!epochs.empty()) Submit(std::move(epochs), /*restored=*/false);
  return OkStatus();
}

void TransactionalWriter::Submit(SealedEpochs epochs, bool restored) {
  size_t bytes = 0;
  for (const auto& epoch : epochs) bytes += epoch->bytes;
  committing_bytes_ += bytes;
  Run(
      [epochs, restored](KafkaTransactions& transactions) {
        return restored ? transactions.Recover(epochs) : transactions.Commit(epochs);
      },
      [this, epochs, bytes] {
        committing_bytes_ -= bytes;
        sealed_bytes_ -= bytes;
        std::erase_if(
            sealed_, [&](const auto& epoch) { return std::find(epochs.begin(), epochs.end(), epoch) != epochs.end(); });
        UpdateMetrics();
      });
}

}  // namespace eagre
