#include "runtime/in_flight.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "record/schema.h"
#include "runtime/key_groups.h"

namespace eagre {
namespace {

// An entry: the key is the number of the sending subtask (4 bytes); the value a kind, then
enum class InFlightKind : uint8_t {
  kRecord = 1,       // timestamp (8), the record
  kKeyedRecord = 2,  // the same; the entry's hash is that of the record's key
  kWatermark = 3,    // the watermark (8)
};

std::string SchemaOfRecords(const BatchType& type) {
  return "record: " + Schema(*type.info).text();
}

Status Malformed() {
  return DataLoss("records that were in flight cannot be decoded");
}

// Turns entries back into batches and events, in order.
class InFlightDecoder {
 public:
  explicit InFlightDecoder(const BatchType& type) : type_(type) {}

  Status Add(const StateEntry& entry) {
    ByteReader key(entry.key);
    ByteReader value(entry.value);
    uint32_t source = 0;
    InFlightKind kind{};
    int64_t time = 0;
    if (!key.Fixed(source) || !key.empty() || !value.Fixed(kind) || !value.Fixed(time)) return Malformed();
    std::vector<ChannelElement>& elements = by_source_[source];
    if (kind == InFlightKind::kWatermark) {
      elements.push_back({.batch = nullptr, .event = {ControlEvent::Kind::kWatermark, time}, .origin = nullptr});
      return value.empty() ? OkStatus() : Malformed();
    }
    if (kind != InFlightKind::kRecord && kind != InFlightKind::kKeyedRecord) return Malformed();
    const bool keyed = kind == InFlightKind::kKeyedRecord;
    Batch* last = elements.empty() ? nullptr : elements.back().batch.get();
    if (last == nullptr || last->full() || last->keyed() != keyed) {
      elements.push_back({.batch = type_.create(), .event = {}, .origin = nullptr});
      last = elements.back().batch.get();
      last->set_keyed(keyed);
    }
    const size_t index = last->size();
    if (!type_.decode(value, 1, *last) || !value.empty()) return Malformed();
    last->timestamps()[index] = time;
    if (keyed) last->hashes()[index] = entry.hash;
    return OkStatus();
  }
  std::map<uint32_t, std::vector<ChannelElement>> Take() { return std::move(by_source_); }

 private:
  const BatchType& type_;
  std::map<uint32_t, std::vector<ChannelElement>> by_source_;
};

// Takes over the records of one operator that fall to one subtask of its new ones.
class InFlightDivider {
 public:
  InFlightDivider(InFlightRoute& route, const RestorePlan::Position& position) : route_(route), position_(position) {}

  // Without the watermarks: they hold for what one subtask had before it, not for what this one gets.
  void Divide(std::vector<ChannelElement>& elements) {
    std::erase_if(elements, [&](ChannelElement& element) {
      if (element.batch == nullptr) return true;
      Choose(*element.batch);
      return element.batch->empty();
    });
  }

 private:
  void Choose(Batch& batch) {
    if (route_.hasher == nullptr && route_.partitioner == nullptr) return;
    std::vector<uint32_t> mine;
    if (route_.hasher != nullptr) {
      route_.hasher->Hash(batch);
    } else {
      chosen_.resize(batch.size());
      route_.partitioner->Partition(batch, position_.parallelism, chosen_.data());
      for (const int subtask : chosen_) CheckPartition(subtask, position_.parallelism, route_.edge);
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      const int subtask = route_.hasher == nullptr
                              ? chosen_[i]
                              : SubtaskOfKeyGroup(KeyGroupOf(batch.hashes()[i], position_.max_parallelism),
                                                  position_.parallelism, position_.max_parallelism);
      if (subtask == position_.subtask) mine.push_back(static_cast<uint32_t>(i));
    }
    std::unique_ptr<Batch> chosen = batch.type().create();
    batch.type().append(batch, mine.data(), mine.size(), *chosen);
    batch.Clear();
    std::vector<uint32_t> all(mine.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint32_t>(i);
    batch.type().append(*chosen, all.data(), all.size(), batch);
  }

  InFlightRoute& route_;
  const RestorePlan::Position& position_;
  std::vector<int> chosen_;
};

std::string DescribePlace(const proto::OperatorSnapshot& op, const proto::StateSnapshot& state) {
  return fmt::format("operator '{}': records {}", op.name(), state.name());
}

Status CheckReadable(const proto::OperatorSnapshot& op, const proto::StateSnapshot& state, const InFlightRoute& route) {
  constexpr std::string_view kAdvice =
      "a checkpoint with records in flight belongs to one version of a job; go on from a savepoint, which has none";
  if (route.type == nullptr) {
    return FailedPrecondition("{} were stored for input {}, which the operator does not have now: {}",
                              DescribePlace(op, state), state.in_flight().input(), kAdvice);
  }
  if (state.schema().empty() || state.schema() == SchemaOfRecords(*route.type)) return OkStatus();
  return FailedPrecondition("{} were stored as '{}' and are '{}' now: {}", DescribePlace(op, state), state.schema(),
                            SchemaOfRecords(*route.type), kAdvice);
}

// The records of a part, sender by sender, to be compared.
StatusOr<std::map<std::string, std::string>> RecordsOf(const RestorePlan& plan, const proto::StateSnapshot& state) {
  std::map<std::string, std::string> records;
  EAGRE_RETURN_IF_ERROR(plan.ForEachEntry(state, [&](const StateEntry& entry) {
    const bool record = !entry.value.empty() && entry.value[0] != static_cast<char>(InFlightKind::kWatermark);
    if (record) records[std::string(entry.key)] += entry.value;
    return OkStatus();
  }));
  return records;
}

// Every subtask of before must have had the same before it: who is now one of others takes it for all of them.
Status CheckBroadcast(const RestorePlan& plan, const proto::OperatorSnapshot& op, const proto::StateSnapshot& state) {
  std::optional<std::map<std::string, std::string>> first;
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    std::map<std::string, std::string> records;
    for (const proto::StateSnapshot& other : subtask.states()) {
      if (!other.has_in_flight() || !SamePlace(other.in_flight(), state.in_flight())) continue;
      EAGRE_ASSIGN_OR_RETURN(records, RecordsOf(plan, other));
    }
    if (!first) {
      first = std::move(records);
    } else if (*first != records) {
      return FailedPrecondition(
          "{} are broadcast, and its {} subtasks have not received the same of them: they cannot be divided among "
          "another number of subtasks. Start the job at parallelism {} and rescale it from a savepoint",
          DescribePlace(op, state), op.parallelism(), op.parallelism());
    }
  }
  return OkStatus();
}

}  // namespace

bool SamePlace(const proto::InFlightInput& a, const proto::InFlightInput& b) {
  return a.input() == b.input() && a.source_operator_id() == b.source_operator_id() &&
         a.source_port() == b.source_port() && a.ordinal() == b.ordinal();
}

void InFlightEncoder::AddRecords(uint32_t source, const Batch& batch, size_t position) {
  type_ = &batch.type();
  for (size_t i = position; i < batch.size(); ++i) {
    entries_.BeginKey(batch.keyed() ? batch.hashes()[i] : 0).Fixed(source);
    ByteWriter& value = entries_.BeginValue();
    value.Fixed(batch.keyed() ? InFlightKind::kKeyedRecord : InFlightKind::kRecord);
    value.Fixed<int64_t>(batch.timestamps()[i]);
    const auto index = static_cast<uint32_t>(i);
    batch.type().encode(batch, &index, 1, SIZE_MAX, value);
    entries_.End();
  }
}

void InFlightEncoder::AddEvent(uint32_t source, const ControlEvent& event) {
  if (event.kind != ControlEvent::Kind::kWatermark || event.value == kMaxWatermark) return;
  entries_.BeginKey(0).Fixed(source);
  ByteWriter& value = entries_.BeginValue();
  value.Fixed(InFlightKind::kWatermark);
  value.Fixed<int64_t>(event.value);
  entries_.End();
}

InFlightEncoder::Stored InFlightEncoder::Take(const InFlightPlace& place) {
  Stored stored;
  stored.snapshot.set_name(place.input.source_operator_id().empty()
                               ? std::string("in flight within the task")
                               : fmt::format("in flight from '{}'", place.source_name));
  stored.snapshot.set_distribution(proto::STATE_SPLIT);
  if (type_ != nullptr) stored.snapshot.set_schema(SchemaOfRecords(*type_));
  *stored.snapshot.mutable_in_flight() = place.input;
  stored.entries = entries_.entries();
  stored.bytes = entries_.Take();
  type_ = nullptr;
  return stored;
}

void InFlightEncoder::Clear() {
  static_cast<void>(entries_.Take());
  type_ = nullptr;
}

void InFlightCapture::AddChannel(const InFlightPlace& place, uint32_t source) {
  const auto same = [&](const Edge& edge) { return SamePlace(edge.place.input, place.input); };
  const auto found = std::find_if(edges_.begin(), edges_.end(), same);
  const auto edge = static_cast<size_t>(found - edges_.begin());
  if (found == edges_.end()) edges_.emplace_back(place);
  channels_.push_back({.edge = edge, .source = source});
}

void InFlightCapture::Begin(int64_t checkpoint_id, int64_t now_ms) {
  End();
  checkpoint_id_ = checkpoint_id;
  began_ms_ = now_ms;
}

void InFlightCapture::AddKnownWatermark(size_t channel, int64_t watermark) {
  if (watermark == kNoTimestamp) return;
  edges_[channels_[channel].edge].encoder.AddEvent(channels_[channel].source,
                                                   {ControlEvent::Kind::kWatermark, watermark});
}

void InFlightCapture::Await(size_t channel) {
  channels_[channel].awaited = true;
  ++awaited_;
}

void InFlightCapture::Add(size_t channel, const ChannelElement& element) {
  if (given_up_ || element.origin != nullptr) return;
  InFlightEncoder& encoder = edges_[channels_[channel].edge].encoder;
  const size_t before = encoder.bytes();
  if (element.batch != nullptr) {
    encoder.AddRecords(channels_[channel].source, *element.batch, 0);
  } else {
    encoder.AddEvent(channels_[channel].source, element.event);
  }
  has_content_ = has_content_ || encoder.bytes() > before;
  bytes_ += encoder.bytes() - before;
}

void InFlightCapture::OnArrived(size_t channel, int64_t now_ms) {
  if (!awaits(channel)) return;
  channels_[channel].awaited = false;
  --awaited_;
  duration_ms_ = now_ms - began_ms_;
}

void InFlightCapture::GiveUp() {
  given_up_ = true;
  awaited_ = 0;
  for (Channel& channel : channels_) channel.awaited = false;
  for (Edge& edge : edges_) edge.encoder.Clear();
}

void InFlightCapture::End() {
  GiveUp();
  given_up_ = has_content_ = false;
  checkpoint_id_ = 0;
  bytes_ = 0;
  duration_ms_ = 0;
}

std::vector<InFlightEncoder::Stored> InFlightCapture::Take() {
  std::vector<InFlightEncoder::Stored> stored;
  if (!has_content_) return stored;
  for (Edge& edge : edges_) {
    if (edge.encoder.bytes() > 0) stored.push_back(edge.encoder.Take(edge.place));
  }
  return stored;
}

StatusOr<std::vector<RestoredInFlight>> RestoreInFlight(const RestorePlan& plan, const proto::OperatorSnapshot& op,
                                                        const RestorePlan::Position& position,
                                                        const InFlightRoutes& routes) {
  std::vector<RestoredInFlight> all;
  const bool same_division = op.parallelism() == position.parallelism;
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    if (same_division && subtask.subtask() != position.subtask) continue;
    for (const proto::StateSnapshot& state : subtask.states()) {
      if (!state.has_in_flight()) continue;
      InFlightRoute route = routes(state.in_flight());
      EAGRE_RETURN_IF_ERROR(CheckReadable(op, state, route));
      if (!same_division && route.broadcast) {
        EAGRE_RETURN_IF_ERROR(CheckBroadcast(plan, op, state));
        if (subtask.subtask() != 0) continue;
      } else if (!same_division && route.hasher == nullptr && route.partitioner == nullptr &&
                 subtask.subtask() % position.parallelism != position.subtask) {
        continue;
      }
      InFlightDecoder decoder(*route.type);
      EAGRE_RETURN_IF_ERROR(plan.ForEachEntry(state, [&](const StateEntry& entry) { return decoder.Add(entry); }));
      RestoredInFlight restored{.input = state.in_flight().input(),
                                .same_channels = same_division && !state.in_flight().source_operator_id().empty(),
                                .place = state.in_flight(),
                                .by_source = decoder.Take()};
      if (!same_division) {
        InFlightDivider divider(route, position);
        for (auto& [source, elements] : restored.by_source) divider.Divide(elements);
      }
      all.push_back(std::move(restored));
    }
  }
  return all;
}

}  // namespace eagre
