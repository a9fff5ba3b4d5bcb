#include "runtime/remote_channel.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace eagre {
namespace {

// A data frame: flags u8, count u32, bytes of the records u32; the records; their timestamps; their hashes.
constexpr size_t kCountAt = 1;
constexpr size_t kRecordBytesAt = 5;
constexpr size_t kDataHeaderBytes = 9;

constexpr uint8_t kKeyedFlag = 1;
constexpr uint8_t kDeltaTimestampsFlag = 2;  // first an int64, then a uint32 per record to be added to it
constexpr uint8_t kRawTimestampsFlag = 4;    // an int64 per record; neither flag: no record has a timestamp
constexpr uint8_t kKnownFlags = kKeyedFlag | kDeltaTimestampsFlag | kRawTimestampsFlag;

constexpr size_t kEncodedAtOnce = 128;      // records between two looks at the size of the columns
constexpr uint32_t kMostCredit = 1u << 16;  // frames; more at once is no credit of ours
constexpr size_t kMostSpareBatches = 4;

Status MalformedFrame(std::string_view what) {
  return DataLoss("malformed data from another worker: {}", what);
}

std::string EncodeEvent(const ControlEvent& event) {
  std::string payload;
  ByteWriter writer(payload);
  writer.Fixed(event.kind);
  writer.Fixed(event.value);
  return payload;
}

StatusOr<ControlEvent> DecodeEvent(std::string_view payload) {
  ByteReader reader(payload);
  ControlEvent event;
  if (!reader.Fixed(event.kind) || !reader.Fixed(event.value) || !reader.empty()) {
    return MalformedFrame("an event of another size");
  }
  if (event.kind < ControlEvent::Kind::kWatermark || event.kind > ControlEvent::Kind::kBarrier) {
    return MalformedFrame("an event of unknown kind");
  }
  return event;
}

void AddTo(std::atomic<int64_t>& counter_of_this_thread, size_t bytes) {
  counter_of_this_thread.store(counter_of_this_thread.load(std::memory_order_relaxed) + static_cast<int64_t>(bytes),
                               std::memory_order_relaxed);
}

}  // namespace

Frame MakeCreditFrame(uint64_t channel, const Credit& credit) {
  Frame frame{.channel = channel, .type = static_cast<uint8_t>(FrameType::kCredit), .payload = {}};
  ByteWriter writer(frame.payload);
  writer.Fixed(credit.frames);
  writer.Fixed(credit.bytes);
  return frame;
}

StatusOr<Credit> ReadCredit(std::string_view payload) {
  ByteReader reader(payload);
  Credit credit;
  if (!reader.Fixed(credit.frames) || !reader.Fixed(credit.bytes) || !reader.empty()) {
    return MalformedFrame("a credit of another size");
  }
  return credit;
}

bool CreditAccount::TrySpend() {
  const uint64_t spent = spent_.load(std::memory_order_relaxed);
  if (granted_.load(std::memory_order_acquire) == spent) return false;
  Spend(spent);
  return true;
}

// First the flag, then the look; Add does it the other way round. So one of the two sees the other.
bool CreditAccount::SpendOrWait() {
  if (TrySpend()) return true;
  slot_waits_.store(true, std::memory_order_seq_cst);
  const uint64_t spent = spent_.load(std::memory_order_relaxed);
  if (granted_.load(std::memory_order_seq_cst) == spent) return false;
  slot_waits_.store(false, std::memory_order_relaxed);
  Spend(spent);
  return true;
}

void CreditAccount::CountSent(size_t bytes) {
  AddTo(sent_bytes_, bytes);
}

Status CreditAccount::Add(const Credit& credit) {
  if (credit.frames == 0 || credit.frames > kMostCredit) return MalformedFrame("a credit out of all bounds");
  AddTo(taken_bytes_, credit.bytes);
  granted_.fetch_add(credit.frames, std::memory_order_seq_cst);
  if (slot_waits_.load(std::memory_order_seq_cst)) {
    slot_waits_.store(false, std::memory_order_relaxed);
    waker_.Wake();
  }
  return OkStatus();
}

int64_t CreditAccount::OutstandingBytes() const {
  const int64_t taken = taken_bytes_.load(std::memory_order_relaxed);
  return std::max<int64_t>(0, sent_bytes_.load(std::memory_order_relaxed) - taken);
}

// The first credit is for all buffers; what comes later is for frames that were taken.
QueueLoad CreditAccount::Load() const {
  const auto spent = static_cast<int64_t>(spent_.load(std::memory_order_relaxed));
  const auto granted = static_cast<int64_t>(granted_.load(std::memory_order_relaxed));
  const int64_t taken = std::max<int64_t>(0, granted - buffers_);
  return {std::clamp<int64_t>(spent - taken, 0, buffers_), buffers_};
}

Inbox::Inbox(int buffers, Waker& waker)
    : buffers_(static_cast<uint32_t>(buffers)), waker_(waker), frames_(buffers_), granted_(buffers_) {}

bool Inbox::Put(Frame frame) {
  if (received_ == granted_.load(std::memory_order_acquire)) return false;
  ++received_;
  if (closed_.load(std::memory_order_acquire)) return true;
  if (frames_.Push(std::move(frame))) waker_.Wake();
  return true;
}

bool Inbox::Done(size_t bytes, Credit& credit) {
  ++owed_.frames;
  owed_.bytes += bytes;
  if (owed_.frames < std::max(1u, buffers_ / 4)) return false;
  credit = std::exchange(owed_, {});
  granted_.store(granted_.load(std::memory_order_relaxed) + credit.frames, std::memory_order_release);
  return true;
}

void Inbox::Close() {
  closed_.store(true, std::memory_order_release);
  waker_.Detach();
}

RemoteOutput::RemoteOutput(std::shared_ptr<FrameSink> sink, std::shared_ptr<CreditAccount> credits, uint64_t channel,
                           const BatchType& type, size_t buffer_bytes)
    : sink_(std::move(sink)),
      credits_(std::move(credits)),
      channel_(channel),
      type_(type),
      buffer_bytes_(std::max(buffer_bytes, kDataHeaderBytes + 1)) {}

RemoteOutput::~RemoteOutput() {
  credits_->Detach();
}

size_t RemoteOutput::Append(const Batch& from, const uint32_t* indices, size_t count) {
  size_t taken = 0;
  while (taken < count) {
    if (count_ > 0 && (Full() || keyed_ != from.keyed()) && !Flush()) break;
    if (count_ == 0) Begin(from.keyed());
    taken += Encode(from, indices + taken, count - taken);
  }
  // A full frame without credit stays here, unasked for a wake-up: the next call asks.
  if (count_ > 0 && Full() && credits_->TrySpend()) SendRecords();
  return taken;
}

bool RemoteOutput::Give(std::unique_ptr<Batch>& batch) {
  const size_t size = batch->size();
  if (identity_.size() < size) {
    const size_t known = identity_.size();
    identity_.resize(size);
    std::iota(identity_.begin() + static_cast<ptrdiff_t>(known), identity_.end(), static_cast<uint32_t>(known));
  }
  given_ += Append(*batch, identity_.data() + given_, size - given_);
  if (given_ < size) return false;
  given_ = 0;
  batch->Clear();
  return true;
}

bool RemoteOutput::Send(const ControlEvent& event) {
  if (!Flush() || !credits_->SpendOrWait()) return false;
  SendFrame(FrameType::kEvent, EncodeEvent(event));
  return true;
}

bool RemoteOutput::SendOrigin(const OriginRef& origin) {
  if (!Flush() || !credits_->SpendOrWait()) return false;
  SendFrame(FrameType::kOrigin, origin == nullptr ? std::string() : *origin);
  return true;
}

bool RemoteOutput::Flush() {
  if (count_ == 0) return true;
  if (!credits_->SpendOrWait()) return false;
  SendRecords();
  return true;
}

void RemoteOutput::Begin(bool keyed) {
  payload_ = sink_->buffers().Take();
  payload_.clear();
  payload_.append(kDataHeaderBytes, '\0');
  keyed_ = keyed;
}

// Encodes until the frame is full, at least one record. REQUIRES: a frame was begun and is not full.
size_t RemoteOutput::Encode(const Batch& from, const uint32_t* indices, size_t count) {
  ByteWriter writer(payload_);
  size_t encoded = 0;
  while (encoded < count && !Full()) {
    const uint32_t* part = indices + encoded;
    const size_t max_bytes = buffer_bytes_ - (FrameBytes() - payload_.size());
    const size_t taken = type_.encode(from, part, std::min(count - encoded, kEncodedAtOnce), max_bytes, writer);
    timestamps_.resize(count_ + taken);
    for (size_t i = 0; i < taken; ++i) timestamps_[count_ + i] = from.timestamps()[part[i]];
    if (keyed_) {
      hashes_.resize(count_ + taken);
      for (size_t i = 0; i < taken; ++i) hashes_[count_ + i] = from.hashes()[part[i]];
    }
    count_ += static_cast<uint32_t>(taken);
    encoded += taken;
  }
  return encoded;
}

// What the frame will have about, the columns of the records included.
size_t RemoteOutput::FrameBytes() const {
  return payload_.size() + count_ * (sizeof(uint32_t) + (keyed_ ? sizeof(uint64_t) : 0));
}

// REQUIRES: a credit was spent for it.
void RemoteOutput::SendRecords() {
  ByteWriter writer(payload_);
  uint8_t flags = keyed_ ? kKeyedFlag : 0;
  writer.PatchFixed<uint32_t>(kCountAt, count_);
  writer.PatchFixed<uint32_t>(kRecordBytesAt, static_cast<uint32_t>(payload_.size() - kDataHeaderBytes));
  WriteTimestamps(writer, flags);
  if (keyed_) writer.Raw({reinterpret_cast<const char*>(hashes_.data()), hashes_.size() * sizeof(uint64_t)});
  writer.PatchFixed<uint8_t>(0, flags);
  count_ = 0;
  timestamps_.clear();
  hashes_.clear();
  SendFrame(FrameType::kData, std::exchange(payload_, {}));
}

void RemoteOutput::WriteTimestamps(ByteWriter& writer, uint8_t& flags) {
  const auto [least, most] = std::minmax_element(timestamps_.begin(), timestamps_.end());
  const int64_t first = *least;
  if (*most == kNoTimestamp) return;
  // In unsigned arithmetic, since kNoTimestamp may be among them.
  if (static_cast<uint64_t>(*most) - static_cast<uint64_t>(first) > UINT32_MAX) {
    flags |= kRawTimestampsFlag;
    writer.Raw({reinterpret_cast<const char*>(timestamps_.data()), timestamps_.size() * sizeof(int64_t)});
    return;
  }
  flags |= kDeltaTimestampsFlag;
  writer.Fixed<int64_t>(first);
  const size_t start = payload_.size();
  payload_.resize(start + timestamps_.size() * sizeof(uint32_t));
  char* out = payload_.data() + start;
  for (size_t i = 0; i < timestamps_.size(); ++i) {
    const auto delta = static_cast<uint32_t>(static_cast<uint64_t>(timestamps_[i]) - static_cast<uint64_t>(first));
    std::memcpy(out + i * sizeof(delta), &delta, sizeof(delta));
  }
}

void RemoteOutput::SendFrame(FrameType type, std::string payload) {
  credits_->CountSent(payload.size());
  sink_->Send(Frame{.channel = channel_, .type = static_cast<uint8_t>(type), .payload = std::move(payload)});
}

RemoteInput::RemoteInput(std::shared_ptr<FrameSink> sink, std::shared_ptr<Inbox> inbox, uint64_t channel,
                         const BatchType& type)
    : sink_(std::move(sink)), inbox_(std::move(inbox)), channel_(channel), type_(type) {}

RemoteInput::~RemoteInput() {
  inbox_->Close();
}

StatusOr<bool> RemoteInput::Poll(ChannelElement& element) {
  if (left_ == 0) {
    if (!inbox_->Take(frame_)) return false;
    if (frame_.type == static_cast<uint8_t>(FrameType::kOrigin)) {
      element.origin = std::make_shared<const std::string>(frame_.payload);
      element.batch.reset();
      FinishFrame();
      return true;
    }
    if (frame_.type == static_cast<uint8_t>(FrameType::kEvent)) {
      EAGRE_ASSIGN_OR_RETURN(element.event, DecodeEvent(frame_.payload));
      element.batch.reset();
      FinishFrame();
      return true;
    }
    EAGRE_RETURN_IF_ERROR(OpenFrame());
  }
  std::unique_ptr<Batch> batch;
  if (spare_.empty()) {
    batch = type_.create();
  } else {
    batch = std::move(spare_.back());
    spare_.pop_back();
  }
  EAGRE_RETURN_IF_ERROR(DecodeRecords(*batch));
  if (left_ == 0) FinishFrame();
  element.batch = std::move(batch);
  return true;
}

void RemoteInput::Recycle(std::unique_ptr<Batch> batch) {
  if (batch == nullptr || &batch->type() != &type_ || spare_.size() == kMostSpareBatches) return;
  batch->Clear();
  spare_.push_back(std::move(batch));
}

// Reads the data frame's header and finds its columns.
Status RemoteInput::OpenFrame() {
  ByteReader reader(frame_.payload);
  uint32_t count = 0;
  uint32_t record_bytes = 0;
  std::string_view records;
  if (!reader.Fixed(flags_) || !reader.Fixed(count) || !reader.Fixed(record_bytes) ||
      !reader.Raw(record_bytes, records)) {
    return MalformedFrame("a data frame that is too short");
  }
  const bool delta = flags_ & kDeltaTimestampsFlag;
  const bool raw = flags_ & kRawTimestampsFlag;
  if (count == 0 || (flags_ & ~kKnownFlags) != 0 || (delta && raw))
    return MalformedFrame("a data frame of another kind");
  std::string_view timestamps;
  std::string_view hashes;
  const size_t timestamp_bytes = delta ? sizeof(uint32_t) : raw ? sizeof(int64_t) : 0;
  const size_t hash_bytes = flags_ & kKeyedFlag ? sizeof(uint64_t) : 0;
  if ((delta && !reader.Fixed(first_timestamp_)) || !reader.Raw(size_t{count} * timestamp_bytes, timestamps) ||
      !reader.Raw(size_t{count} * hash_bytes, hashes) || !reader.empty()) {
    return MalformedFrame("a data frame whose columns do not fit its number of records");
  }
  records_ = ByteReader(records);
  timestamps_ = ByteReader(timestamps);
  hashes_ = ByteReader(hashes);
  left_ = count;
  return OkStatus();
}

// Decodes as many records of the open frame as a batch holds.
Status RemoteInput::DecodeRecords(Batch& batch) {
  const size_t count = std::min<size_t>(left_, type_.capacity);
  if (!type_.decode(records_, count, batch)) {
    left_ = 0;
    return DataLoss("malformed data from another worker: a record of type {} cannot be decoded", type_.name);
  }
  left_ -= static_cast<uint32_t>(count);
  std::string_view column;
  int64_t* timestamps = batch.timestamps();
  if (flags_ & kDeltaTimestampsFlag) {
    EAGRE_CHECK(timestamps_.Raw(count * sizeof(uint32_t), column));
    for (size_t i = 0; i < count; ++i) {
      uint32_t delta;
      std::memcpy(&delta, column.data() + i * sizeof(delta), sizeof(delta));
      timestamps[i] = static_cast<int64_t>(static_cast<uint64_t>(first_timestamp_) + delta);
    }
  } else if (flags_ & kRawTimestampsFlag) {
    EAGRE_CHECK(timestamps_.Raw(count * sizeof(int64_t), column));
    std::memcpy(timestamps, column.data(), column.size());
  } else {
    std::fill_n(timestamps, count, kNoTimestamp);
  }
  const bool keyed = flags_ & kKeyedFlag;
  if (keyed) {
    EAGRE_CHECK(hashes_.Raw(count * sizeof(uint64_t), column));
    std::memcpy(batch.hashes(), column.data(), column.size());
  }
  batch.set_keyed(keyed);
  if (left_ == 0 && !records_.empty()) return MalformedFrame("a data frame with more bytes than its records have");
  return OkStatus();
}

void RemoteInput::FinishFrame() {
  Credit credit;
  AddTo(received_bytes_, frame_.payload.size());
  const bool give_back = inbox_->Done(frame_.payload.size(), credit);
  sink_->buffers().Release(std::move(frame_.payload));
  if (give_back) sink_->Send(MakeCreditFrame(channel_, credit));
}

}  // namespace eagre
