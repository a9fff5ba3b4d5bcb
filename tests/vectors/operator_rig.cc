#include "tests/vectors/operator_rig.h"

#include <algorithm>
#include <utility>

#include "eagre/operators/sort_operator.h"
#include "tests/vectors/vector_expression.h"

namespace eagre::vectors {
namespace {

FoundMatch Found(const Match<VectorEvent>& match, const MatchContext& context) {
  FoundMatch found{.timestamp = context.timestamp(), .processing_time = context.current_processing_time()};
  for (const std::string_view stage : match.stages()) {
    for (const VectorEvent& event : match[stage]) {
      found.stages.emplace_back(stage);
      found.events.push_back(event);
    }
  }
  return found;
}

const OutputTag<FoundMatch> kTimeouts{"timeouts"};

// What of a key a pattern's operator holds, in the order of its states.
struct KeyedPart {
  std::string_view state;
  // Reads the key from that of an entry.
  bool (*read_key)(ByteReader& in, std::string& key);
};

bool ReadKey(ByteReader& in, std::string& key) {
  return Codec<std::string>::Decode(in, key);
}
bool ReadKeyOfPiece(ByteReader& in, std::string& key) {
  std::pair<std::string, uint32_t> piece;
  if (!Codec<decltype(piece)>::Decode(in, piece)) return false;
  key = std::move(piece.first);
  return true;
}
bool ReadKeyOfTimer(ByteReader& in, std::string& key) {
  int64_t timestamp = 0;
  return in.Fixed(timestamp) && ReadKey(in, key);
}

constexpr KeyedPart kKeyedParts[] = {{"keyed state", ReadKey},
                                     {internal::PiecedState::kName, ReadKeyOfPiece},
                                     {"event-time timers", ReadKeyOfTimer},
                                     {"processing-time timers", ReadKeyOfTimer}};

}  // namespace

OperatorRig::OperatorRig(std::shared_ptr<const cep::Automaton> automaton, RigOptions options, HarnessMode mode)
    : automaton_(std::move(automaton)), options_(std::move(options)), mode_(mode) {
  EAGRE_CHECK(Open().ok());
}

std::string OperatorRig::KeyOf(const VectorEvent& event) const {
  if (!options_.keyed) return "";
  const Value key = FieldOf(event, options_.key_field);
  const auto* text = std::get_if<std::string>(&key);
  return text != nullptr ? *text : TextOf(key);
}

Status OperatorRig::Open() {
  if (!options_.processing_time) {
    sort_ = std::make_unique<OperatorHarness>(
        mode_, MakeSortOperator<VectorEvent>(options_.less, options_.late_output ? 1 : -1));
    sort_->AddPort<VectorEvent>();
    if (options_.late_output) sort_->AddPort<VectorEvent>();
    EAGRE_RETURN_IF_ERROR(sort_->Open());
  }
  internal::MatchHandlers<VectorEvent, FoundMatch> handlers;
  handlers.on_match = [](const Match<VectorEvent>& match, MatchContext& context, Collector<FoundMatch>& out) {
    out.Collect(Found(match, context));
  };
  if (options_.timeouts) {
    handlers.on_timeout = [](const Match<VectorEvent>& match, MatchContext& context) {
      context.Output(kTimeouts, Found(match, context));
    };
  }
  cep::CepSettings settings = options_.settings;
  if (options_.processing_time) settings.time_mode = cep::TimeMode::kProcessingTime;
  const auto key = [this](const VectorEvent& event) { return KeyOf(event); };
  auto keys = std::make_unique<SelectorKeyExtractor<VectorEvent, std::string, decltype(key)>>(key);
  pattern_ = std::make_unique<OperatorHarness>(mode_, MakeKeyedProcessOperator<std::string, VectorEvent, FoundMatch>(
                                                          internal::CepFunction<std::string, VectorEvent, FoundMatch>(
                                                              automaton_, settings, options_.less, handlers),
                                                          std::move(keys), {kTimeouts.name}));
  std::unique_ptr<StateBackend> backend = options_.backend ? options_.backend() : nullptr;
  pattern_->context().set_state_backend(backend.get());
  backend_ = std::move(backend);
  pattern_->AddPort<FoundMatch>();
  pattern_->AddPort<FoundMatch>();
  for (const auto& [name, value] : options_.config) {
    EAGRE_RETURN_IF_ERROR(pattern_->context().mutable_config().Set(name, value, "test"));
  }
  return pattern_->Open();
}

Status OperatorRig::Element(const TimedEvent& event) {
  Status status;
  if (options_.processing_time) {
    status = pattern_->Push<VectorEvent>({{event.event, event.timestamp}});
  } else {
    if (event.timestamp > watermark_) held_.push_back(event);
    status = PushToSort(event);
  }
  Collect();
  return status;
}

Status OperatorRig::PushToSort(const TimedEvent& event) {
  return sort_->Push<VectorEvent>({{event.event, event.timestamp}});
}

Status OperatorRig::Watermark(int64_t watermark) {
  watermark_ = watermark;
  Status status;
  if (sort_ != nullptr) {
    status = sort_->Watermark(watermark);
    std::erase_if(held_, [&](const TimedEvent& event) { return event.timestamp <= watermark; });
    if (status.ok()) status = pattern_->Push<VectorEvent>(sort_->Take<VectorEvent>());
  }
  if (status.ok()) status = pattern_->Watermark(watermark);
  Collect();
  return status;
}

Status OperatorRig::ProcessingTime(int64_t now_ms) {
  if (sort_ != nullptr) EAGRE_RETURN_IF_ERROR(sort_->ProcessingTime(now_ms));
  const Status status = pattern_->ProcessingTime(now_ms);
  Collect();
  return status;
}

CheckpointedState& OperatorRig::StateNamed(std::string_view name) {
  std::vector<CheckpointedState*> states;
  pattern_->op<Operator>().CollectStates(states);
  for (CheckpointedState* state : states) {
    if (state->name() == name) return *state;
  }
  EAGRE_CHECK_MSG(false, "the pattern's operator lacks a state");
  return *states.front();
}

Status OperatorRig::SnapshotAndRestore(const std::optional<std::set<std::string>>& keep) {
  const auto kept = [&](const std::string& key) { return !keep || keep->contains(key); };
  std::vector<std::string> stored;
  for (const KeyedPart& part : kKeyedParts) {
    CheckpointedState& state = StateNamed(part.state);
    StateEntryWriter entries;
    state.Seal();
    while (!state.EncodeSealed(entries, 1 << 20)) {
    }
    stored.push_back(entries.Take());
  }
  const int64_t now_ms = pattern_->context().manual_clock().now_ms;

  EAGRE_RETURN_IF_ERROR(Open());
  watermark_ = kNoTimestamp;
  pattern_->context().manual_clock().now_ms = now_ms;
  std::erase_if(held_, [&](const TimedEvent& event) { return !kept(KeyOf(event.event)); });
  for (const TimedEvent& event : held_) EAGRE_RETURN_IF_ERROR(PushToSort(event));
  for (size_t i = 0; i < stored.size(); ++i) {
    CheckpointedState& state = StateNamed(kKeyedParts[i].state);
    StateEntryReader entries(stored[i]);
    for (StateEntry entry;;) {
      EAGRE_ASSIGN_OR_RETURN(const bool more, entries.Next(entry));
      if (!more) break;
      ByteReader in(entry.key);
      std::string key;
      if (!kKeyedParts[i].read_key(in, key) || !in.empty()) return DataLoss("the key of an entry is malformed");
      if (kept(key)) EAGRE_RETURN_IF_ERROR(state.Restore(entry));
    }
    EAGRE_RETURN_IF_ERROR(state.FinishRestore(/*inherited=*/false));
  }
  return OkStatus();
}

void OperatorRig::Collect() {
  const auto append = [](std::vector<Emitted<FoundMatch>> emitted, std::vector<Output>& to, bool with_watermarks) {
    for (Emitted<FoundMatch>& item : emitted) {
      if (!item.event || with_watermarks) to.push_back({item.event, item.timestamp, std::move(item.value)});
    }
  };
  append(pattern_->TakeAll<FoundMatch>(0), output_, true);
  append(pattern_->TakeAll<FoundMatch>(1), timeouts_, false);
  if (!options_.late_output || sort_ == nullptr) return;
  for (Stamped<VectorEvent>& late : sort_->Take<VectorEvent>(1)) {
    late_.push_back({std::move(late.value), late.timestamp});
  }
}

std::vector<OperatorRig::Output> OperatorRig::TakeOutput() {
  return std::exchange(output_, {});
}
std::vector<OperatorRig::Output> OperatorRig::TakeTimeouts() {
  return std::exchange(timeouts_, {});
}
std::vector<TimedEvent> OperatorRig::TakeLate() {
  return std::exchange(late_, {});
}

size_t OperatorRig::Buffered(const std::string& key) {
  size_t count = static_cast<size_t>(
      std::count_if(held_.begin(), held_.end(), [&](const TimedEvent& event) { return KeyOf(event.event) == key; }));
  const KeyedStateTable<std::string>& table = op().state();
  if (table.slot_offsets().size() < 2) return count;
  table.ForEachRow([&](const RowHeader&, const char* row) {
    if (table.KeyOf(row) != key) return;
    using Waiting = std::vector<std::pair<int64_t, VectorEvent>>;
    count += reinterpret_cast<const Waiting*>(row + table.slot_offsets()[1])->size();
  });
  return count;
}

bool OperatorRig::HoldsPartials(const std::string& key) {
  bool holds = false;
  auto& table = const_cast<KeyedStateTable<std::string>&>(op().state());
  table.ForEachKeyWith("matches", [&](const std::string& other) { holds |= other == key; });
  table.FinishBatch();
  return holds;
}

int64_t OperatorRig::LateDropped() {
  return sort_ == nullptr ? 0 : static_cast<int64_t>(sort_->context().MetricValue("numLateRecordsDropped"));
}

size_t OperatorRig::KeyCount() {
  return op().state().row_count();
}

size_t OperatorRig::PieceCount() {
  return dynamic_cast<KeyedStateCore&>(StateNamed(internal::PiecedState::kName)).row_count();
}

}  // namespace eagre::vectors
