// A key with very many live partial matches: of an event only the pieces that it asks for are read, and only those that
// it changes are written, on each backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/cep/cep.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/operator_checkpoints.h"

namespace eagre {

struct Reading {
  int64_t meter = 0;
  int32_t kind = 0;
  std::string note;
};
EAGRE_RECORD(Reading, meter, kind, note);

namespace {

using namespace std::chrono_literals;

std::unique_ptr<KeyExtractor<Reading, int64_t>> ByMeter() {
  return std::make_unique<SelectorKeyExtractor<Reading, int64_t, int64_t Reading::*>>(&Reading::meter);
}

auto OfKind(char kind) {
  return [kind](const Reading& reading) { return reading.kind == kind; };
}

Pattern<Reading> AThenB() {
  return Pattern<Reading>::Begin("a").Where(OfKind('a')).FollowedBy("b").Where(OfKind('b')).Within(24h);
}

// What went to the store and came from it.
struct StoreTraffic {
  size_t reads = 0;
  size_t puts = 0;
  size_t bytes_put = 0;
};

class CountingStore final : public EntryStore {
 public:
  CountingStore(std::unique_ptr<EntryStore> store, StoreTraffic& traffic)
      : store_(std::move(store)), traffic_(traffic) {}

  ByteWriter& AddRead(uint64_t hash) override {
    ++traffic_.reads;
    return store_->AddRead(hash);
  }
  Status Read(OnRead found) override { return store_->Read(found); }
  ByteWriter& BeginPut(uint64_t hash) override {
    ++traffic_.puts;
    return store_->BeginPut(hash);
  }
  ByteWriter& BeginValue(uint32_t epoch) override {
    value_ = &store_->BeginValue(epoch);
    value_began_ = value_->size();
    return *value_;
  }
  void EndPut() override {
    traffic_.bytes_put += value_->size() - value_began_;
    store_->EndPut();
  }
  void EndErase() override { store_->EndErase(); }
  std::string_view key_at_hand() const override { return store_->key_at_hand(); }
  // Waits, so that nothing is left over for the next event.
  StatusOr<bool> Commit(bool) override { return store_->Commit(/*may_wait=*/true); }
  StatusOr<bool> Scan(std::string_view prefix, std::string& position, OnVisit visit) override {
    return store_->Scan(prefix, position, visit);
  }
  StatusOr<bool> ScanFrom(std::string_view key, OnVisit visit) override { return store_->ScanFrom(key, visit); }
  std::unique_ptr<View> NewView() override { return store_->NewView(); }
  StatusOr<bool> ErasePrefix(std::string_view prefix) override { return store_->ErasePrefix(prefix); }
  uint32_t number() const override { return store_->number(); }

 private:
  std::unique_ptr<EntryStore> store_;
  StoreTraffic& traffic_;
  ByteWriter* value_ = nullptr;
  size_t value_began_ = 0;
};

// A backend whose traffic is counted, and which keeps nothing in memory where it has a store.
class CountingBackend final : public StateBackend {
 public:
  explicit CountingBackend(BackendKind kind)
      : StateBackend(kind == BackendKind::kMemory ? Type::kMemory : Type::kRocksDb,
                     kind == BackendKind::kMemory ? 0 : 1),
        backend_(NewBackend(kind)) {}
  StatusOr<std::unique_ptr<EntryStore>> OpenStore(int max_parallelism) override {
    EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<EntryStore> store, backend_->OpenStore(max_parallelism));
    if (store == nullptr) return store;
    return std::unique_ptr<EntryStore>(std::make_unique<CountingStore>(std::move(store), traffic));
  }
  StoreTraffic traffic;

 private:
  std::unique_ptr<StateBackend> backend_;
};

// One meter's readings, in one subtask.
class Meter {
 public:
  explicit Meter(BackendKind kind, const Pattern<Reading>& pattern = AThenB()) : backend_(kind) {
    internal::MatchHandlers<Reading, int64_t> handlers;
    handlers.on_match = [](const Match<Reading>& match, MatchContext&, Collector<int64_t>& out) {
      out.Collect(static_cast<int64_t>(match.events().size()));
    };
    handlers.on_timeout = [](const Match<Reading>&, MatchContext&) {};
    using Function = internal::CepFunction<int64_t, Reading, int64_t>;
    harness_ = std::make_unique<OperatorHarness>(
        HarnessMode::kBatches,
        MakeKeyedProcessOperator<int64_t, Reading, int64_t>(
            Function(*cep::Automaton::Compile(pattern.description()), {}, nullptr, std::move(handlers)), ByMeter(),
            {}));
    harness_->context().set_state_backend(&backend_);
    harness_->AddPort<int64_t>();
    harness_->SetHasher(std::make_unique<ExtractorKeyHasher<Reading, int64_t>>(ByMeter()));
    EXPECT_TRUE(harness_->Open().ok());
    harness_->op<Operator>().CollectStates(states_);
    for (CheckpointedState* state : states_) chains_.push_back(std::make_unique<StateChain>(*state));
  }

  void Readings(char kind, size_t count, size_t note_bytes = 4) {
    std::vector<Stamped<Reading>> readings;
    for (size_t i = 0; i < count; ++i) readings.push_back({{1, kind, std::string(note_bytes, 'n')}, ++time_});
    const Status status = harness_->Push<Reading>(readings);
    ASSERT_TRUE(status.ok()) << status;
  }
  size_t Matches() { return harness_->Take<int64_t>().size(); }
  void ReachTime(std::chrono::milliseconds time) { ASSERT_TRUE(harness_->Watermark(time.count()).ok()); }
  int64_t time() const { return time_; }

  // The bytes of a checkpoint's delta.
  size_t Checkpoint() {
    size_t bytes = 0;
    for (auto& chain : chains_) {
      chain->SealAll();
      bytes += chain->last_delta_bytes();
    }
    return bytes;
  }
  void RestoreFrom(const Meter& other) {
    for (size_t i = 0; i < states_.size(); ++i) {
      ASSERT_TRUE(StateChain::Apply(other.chains_[i]->segments(), *states_[i]).ok());
      ASSERT_TRUE(states_[i]->FinishRestore(false).ok());
    }
    time_ = other.time_;
  }
  StoreTraffic TakeTraffic() { return std::exchange(backend_.traffic, {}); }
  double Metric(const char* name) { return harness_->context().MetricValue(name); }
  // Of keys and of pieces.
  size_t Rows() const {
    size_t rows = 0;
    for (const CheckpointedState* state : states_) {
      if (const auto* keyed = dynamic_cast<const KeyedStateCore*>(state)) rows += keyed->row_count();
    }
    return rows;
  }

 private:
  CountingBackend backend_;
  std::unique_ptr<OperatorHarness> harness_;
  std::vector<CheckpointedState*> states_;
  std::vector<std::unique_ptr<StateChain>> chains_;
  int64_t time_ = 0;
};

class MatchPiecesTest : public testing::TestWithParam<BackendKind> {};
INSTANTIATE_TEST_SUITE_P(Backends, MatchPiecesTest,
                         testing::Values(BackendKind::kMemory, BackendKind::kMapStore, BackendKind::kRocksDb),
                         [](const auto& info) { return BackendName(info.param); });

struct Cost {
  size_t delta_bytes = 0;
  StoreTraffic traffic;
};

// The largest of some events each between two checkpoints.
Cost CostOf(Meter& meter, char kind) {
  Cost largest;
  for (int i = 0; i < 20; ++i) {
    meter.Checkpoint();
    meter.TakeTraffic();
    meter.Readings(kind, 1);
    const StoreTraffic traffic = meter.TakeTraffic();
    largest.traffic.reads = std::max(largest.traffic.reads, traffic.reads);
    largest.traffic.puts = std::max(largest.traffic.puts, traffic.puts);
    largest.traffic.bytes_put = std::max(largest.traffic.bytes_put, traffic.bytes_put);
    largest.delta_bytes = std::max(largest.delta_bytes, meter.Checkpoint());
  }
  return largest;
}

TEST_P(MatchPiecesTest, WhatAnEventCostsDoesNotGrowWithThePartialMatches) {
  for (const size_t live : {1'000, 10'000, 100'000}) {
    SCOPED_TRACE(live);
    Meter meter(GetParam());
    meter.Readings('a', live);
    EXPECT_EQ(meter.Metric("cepPartialMatches"), static_cast<double>(live));
    // One that begins another partial match: the key's row, and the pages that it and its neighbours lie in.
    const Cost one_more = CostOf(meter, 'a');
    EXPECT_LE(one_more.delta_bytes, 8u << 10);
    EXPECT_LE(one_more.traffic.reads, 8u);
    EXPECT_LE(one_more.traffic.puts, 7u);
    EXPECT_LE(one_more.traffic.bytes_put, 8u << 10);
    // One that is nothing to any.
    const Cost nothing = CostOf(meter, 'x');
    EXPECT_LE(nothing.delta_bytes, 64u);
    EXPECT_LE(nothing.traffic.reads, 2u);
    EXPECT_EQ(nothing.traffic.puts, 0u);
  }
}

// Each b ends all of them, however long they are; the key then holds nothing.
TEST_P(MatchPiecesTest, WhatIsOverLeavesNothing) {
  for (const size_t note_bytes : {4, 2000}) {
    Meter meter(GetParam());
    meter.Readings('a', 300, note_bytes);
    EXPECT_GT(meter.Rows(), 30u);
    meter.Checkpoint();
    Meter restored(GetParam());
    restored.RestoreFrom(meter);
    restored.Readings('b', 1);
    EXPECT_EQ(restored.Matches(), 300u);
    EXPECT_EQ(restored.Metric("cepPartialMatches"), 0);
    restored.Checkpoint();
    Meter after(GetParam());
    after.RestoreFrom(restored);
    EXPECT_EQ(after.Rows(), 0u);
    after.Readings('b', 1);
    EXPECT_EQ(after.Matches(), 0u);
  }
}

TEST_P(MatchPiecesTest, WhatTimesOutTouchesOnlyTheOldest) {
  for (const size_t live : {2'000, 20'000}) {
    SCOPED_TRACE(live);
    Meter meter(GetParam());
    meter.Readings('a', live);
    meter.Checkpoint();
    meter.TakeTraffic();
    meter.ReachTime(24h + 10ms);
    EXPECT_EQ(meter.Metric("cepTimeouts"), 10);
    EXPECT_EQ(meter.Metric("cepPartialMatches"), static_cast<double>(live - 10));
    EXPECT_LE(meter.TakeTraffic().reads, 10u);
    EXPECT_LE(meter.Checkpoint(), 8u << 10);
  }
}

// A loop: every event that it takes adds one partial match, and moves the one that takes them all.
TEST_P(MatchPiecesTest, ALoopOfManyEventsIsWrittenWhereItGrew) {
  const auto pattern = Pattern<Reading>::Begin("b")
                           .Where(OfKind('b'))
                           .FollowedBy("a")
                           .Where(OfKind('a'))
                           .OneOrMore()
                           .Greedy()
                           .FollowedBy("c")
                           .Where(OfKind('c'));
  for (const size_t events : {1'000, 10'000}) {
    SCOPED_TRACE(events);
    Meter meter(GetParam(), pattern);
    meter.Readings('b', 1);
    meter.Readings('a', events);
    const Cost one_more = CostOf(meter, 'a');
    EXPECT_LE(one_more.delta_bytes, 8u << 10);
    EXPECT_LE(one_more.traffic.bytes_put, 8u << 10);
  }
}

}  // namespace
}  // namespace eagre
