// Costs of the parts that operators are made of, each beside the plain loop that does the same work.
//
// Figures are per record (items_per_second). The window and chain benchmarks repeat the input of the whole-job
// benchmarks without source, exchange and sink, so that a loss there can be told from a loss here.
#include <absl/container/flat_hash_map.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/random.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/operators/map_operator.h"
#include "eagre/operators/sort_operator.h"
#include "eagre/operators/window_operator.h"
#include "eagre/ttl_state.h"
#include "runtime/timer_service.h"
#include "state/flat_table.h"
#include "state/rocksdb_state_backend.h"

namespace eagre {

struct BenchTransaction {
  int64_t user = 0;
  int64_t time = 0;
  double amount = 0;
  int64_t merchant = 0;
};
EAGRE_RECORD(BenchTransaction, user, time, amount, merchant);

struct BenchSpend {
  int64_t count = 0;
  double sum = 0;
};
EAGRE_RECORD(BenchSpend, count, sum);

struct BenchResult {
  int64_t user = 0;
  int64_t start = 0;
  int64_t end = 0;
  int64_t count = 0;
  double sum = 0;
};
EAGRE_RECORD(BenchResult, user, start, end, count, sum);

namespace {

using namespace std::chrono_literals;  // NOLINT

constexpr int64_t kStartMs = 1'700'000'000'000;

// As in the whole-job benchmark: 50 records a millisecond, up to four seconds out of order.
std::vector<BenchTransaction> Transactions(size_t count, uint64_t keys) {
  SeededRandom random(1);
  std::vector<BenchTransaction> transactions(count);
  for (size_t i = 0; i < count; ++i) {
    transactions[i] = {static_cast<int64_t>(MixInt64(random.Below(keys) + 1)),
                       kStartMs + static_cast<int64_t>(i / 50) - static_cast<int64_t>(random.Below(4000)),
                       random.NextDouble() * 1000, static_cast<int64_t>(random.Below(50'000))};
  }
  return transactions;
}

// An operator's surroundings; the outputs are emptied after every call.
class BenchContext final : public OperatorContext {
 public:
  explicit BenchContext(const BatchType& type) : output_(type, budget_) {
    metrics_ = {&AddCounter("in"), &AddCounter("out"), &AddCounter("late"), &AddCounter("skipped")};
  }
  int subtask() const override { return 0; }
  int parallelism() const override { return 1; }
  int max_parallelism() const override { return 128; }
  const std::string& job_id() const override { return name_; }
  int attempt() const override { return 0; }
  const std::string& job_name() const override { return name_; }
  const std::string& operator_name() const override { return name_; }
  const Configuration& config() const override { return config_; }
  const Clock& clock() const override { return SystemClock(); }
  Output& output(int) override { return output_; }
  int output_count() const override { return 1; }
  OperatorMetrics& metrics() override { return metrics_; }
  Gauge& AddGauge(const std::string& name) override { return registry_.AddGauge(name, {}); }
  Counter& AddCounter(const std::string& name) override { return registry_.AddCounter(name, {}); }
  AccumulatorSet& accumulators() override { return accumulators_; }
  const std::map<std::string, std::string>& parameters() const override { return parameters_; }
  MetricScope metric_scope() const override { return {&registry_, "", {}}; }
  void EmitEvent(const ControlEvent&) override {}
  Waker& waker() override { return waker_; }
  void Post(std::function<Status()>) override {}
  void SendToCoordinator(std::string) override {}

  size_t Drop() {
    size_t records = 0;
    while (std::unique_ptr<Batch>* front = output_.Front()) {
      records += (*front)->size();
      output_.PopFront();
    }
    return records;
  }

 private:
  struct NoWaker final : Waker {
    void Wake() override {}
  };
  const std::string name_ = "bench";
  Configuration config_;
  OverflowBudget budget_;
  Output output_;
  AccumulatorSet accumulators_;
  const std::map<std::string, std::string> parameters_;
  OperatorMetrics metrics_;
  mutable MetricRegistry registry_;
  NoWaker waker_;
};

void Check(const Status& status) {
  EAGRE_CHECK_MSG(status.ok(), std::string(StatusMessage(status)));
}

// Feeds all transactions in full batches, with a watermark of five seconds behind after each; returns records out.
template <typename Prepare>
size_t Feed(const std::vector<BenchTransaction>& transactions, Operator& op, BenchContext& context,
            std::unique_ptr<Batch>& batch, Prepare&& prepare) {
  size_t out = 0;
  int64_t latest = 0;
  const auto advance = [&](int64_t watermark) {
    for (bool done = false; !done; out += context.Drop()) Check(op.OnWatermark(watermark, done));
  };
  for (size_t i = 0; i < transactions.size();) {
    auto& typed = static_cast<TypedBatch<BenchTransaction>&>(*batch);
    typed.Clear();
    for (; i < transactions.size() && !typed.full(); ++i) {
      typed.Append(transactions[i].time) = transactions[i];
      latest = std::max(latest, transactions[i].time);
    }
    prepare(typed);
    for (size_t position = 0; position < batch->size(); out += context.Drop()) {
      Check(op.Process(0, batch, position));
    }
    advance(latest - 5001);
  }
  advance(kMaxWatermark);
  return out;
}

auto UserKey() {
  return std::make_unique<SelectorKeyExtractor<BenchTransaction, int64_t, int64_t BenchTransaction::*>>(
      &BenchTransaction::user);
}

std::unique_ptr<Operator> WindowOperatorUnderTest() {
  return MakeKeyedWindowOperator<BenchTransaction, int64_t>(
      Tumbling(1min), UserKey(),
      FoldByAggregate<BenchTransaction>(BenchSpend{},
                                        [](BenchSpend& spend, const BenchTransaction& t) {
                                          ++spend.count;
                                          spend.sum += t.amount;
                                        }),
      EmitByFunction(
          [](const int64_t& user, const TimeWindow& window, const BenchSpend& spend, Collector<BenchResult>& out) {
            out.Next() = {user, window.start, window.end, spend.count, spend.sum};
          }));
}

void BM_WindowOperator(benchmark::State& state) {
  const auto transactions = Transactions(6'000'000, static_cast<uint64_t>(state.range(0)));
  auto batch = TypedBatch<BenchTransaction>::Type().create();
  auto extractor = UserKey();
  for (auto _ : state) {
    BenchContext context(TypedBatch<BenchResult>::Type());
    auto op = WindowOperatorUnderTest();
    Check(op->Open(context));
    benchmark::DoNotOptimize(
        Feed(transactions, *op, context, batch, [&](TypedBatch<BenchTransaction>& in) { extractor->Hash(in); }));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
BENCHMARK(BM_WindowOperator)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

// The batches of BM_WindowOperator, filled and hashed and thrown away.
void BM_FeedAndHashAlone(benchmark::State& state) {
  struct Nothing final : Operator {
    Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
      position = batch->size();
      return OkStatus();
    }
  };
  const auto transactions = Transactions(6'000'000, 100'000);
  auto batch = TypedBatch<BenchTransaction>::Type().create();
  auto extractor = UserKey();
  for (auto _ : state) {
    BenchContext context(TypedBatch<BenchResult>::Type());
    Nothing op;
    Feed(transactions, op, context, batch, [&](TypedBatch<BenchTransaction>& in) { extractor->Hash(in); });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
BENCHMARK(BM_FeedAndHashAlone)->Unit(benchmark::kMillisecond);

// The loop: a hash map per open window, emptied maps used again.
void BM_WindowLoop(benchmark::State& state) {
  const auto transactions = Transactions(6'000'000, static_cast<uint64_t>(state.range(0)));
  using Map = absl::flat_hash_map<uint64_t, BenchSpend>;
  for (auto _ : state) {
    std::map<int64_t, Map> windows;
    std::vector<Map> spare;
    Map* current = nullptr;
    int64_t current_start = -1;
    int64_t latest = 0;
    std::vector<BenchResult> out(1024);
    size_t results = 0;
    const auto fire = [&](int64_t watermark) {
      while (!windows.empty() && windows.begin()->first + 59'999 <= watermark) {
        auto& [start, map] = *windows.begin();
        for (auto& [user, spend] : map) {
          if (spend.count == 0) continue;
          out[results++ & 1023] = {static_cast<int64_t>(user), start, start + 60'000, spend.count, spend.sum};
          spend = {};
        }
        if (current_start == start) current_start = -1;
        spare.push_back(std::move(map));
        windows.erase(windows.begin());
      }
    };
    for (size_t i = 0; i < transactions.size(); ++i) {
      const BenchTransaction& t = transactions[i];
      const int64_t start = t.time - t.time % 60'000;
      if (start != current_start) {
        const auto [window, fresh] = windows.try_emplace(start);
        if (fresh && !spare.empty()) {
          window->second.swap(spare.back());
          spare.pop_back();
        }
        current = &window->second;
        current_start = start;
      }
      BenchSpend& spend = (*current)[static_cast<uint64_t>(t.user)];
      ++spend.count;
      spend.sum += t.amount;
      latest = std::max(latest, t.time);
      if ((i & 255) == 255) fire(latest - 5001);
    }
    fire(kMaxWatermark);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
BENCHMARK(BM_WindowLoop)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void BM_SortOperator(benchmark::State& state) {
  const auto transactions = Transactions(3'000'000, 100'000);
  auto batch = TypedBatch<BenchTransaction>::Type().create();
  for (auto _ : state) {
    BenchContext context(TypedBatch<BenchTransaction>::Type());
    auto op = MakeSortOperator<BenchTransaction>();
    Check(op->Open(context));
    benchmark::DoNotOptimize(Feed(transactions, *op, context, batch, [](TypedBatch<BenchTransaction>&) {}));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
BENCHMARK(BM_SortOperator)->Unit(benchmark::kMillisecond);

class CountPerUser : public KeyedProcessFunction<int64_t, BenchTransaction, BenchResult> {
 public:
  explicit CountPerUser(bool timers) : timers_(timers) {}
  void ProcessElement(const BenchTransaction& t, Context& context, Collector<BenchResult>&) override {
    BenchSpend& spend = spend_.Mutable();
    ++spend.count;
    spend.sum += t.amount;
    if (timers_) context.RegisterEventTimeTimer(t.time - t.time % 60'000 + 59'999);
  }
  void OnTimer(int64_t, OnTimerContext& context, Collector<BenchResult>& out) override {
    out.Next() = {context.key(), 0, 0, spend_.Get()->count, spend_.Get()->sum};
  }

 private:
  const bool timers_;
  ValueState<BenchSpend> spend_{this, "spend"};
};

// The same without timers, and with a time to live that nothing outlives.
class CountPerUserWithTtl final : public KeyedProcessFunction<int64_t, BenchTransaction, BenchResult> {
 public:
  void ProcessElement(const BenchTransaction& t, Context&, Collector<BenchResult>&) override {
    BenchSpend& spend = spend_.Mutable();
    ++spend.count;
    spend.sum += t.amount;
  }

 private:
  TtlValueState<BenchSpend> spend_{this, "spend", StateTtl(std::chrono::hours(1))};
};

template <typename F>
void FeedKeyed(benchmark::State& state, const F& function) {
  const auto transactions = Transactions(3'000'000, static_cast<uint64_t>(state.range(0)));
  auto batch = TypedBatch<BenchTransaction>::Type().create();
  auto extractor = UserKey();
  for (auto _ : state) {
    BenchContext context(TypedBatch<BenchResult>::Type());
    auto op = MakeKeyedProcessOperator<int64_t, BenchTransaction, BenchResult>(function, UserKey(), {});
    Check(op->Open(context));
    Feed(transactions, *op, context, batch, [&](TypedBatch<BenchTransaction>& in) { extractor->Hash(in); });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
void BM_KeyedState(benchmark::State& state) {
  FeedKeyed(state, CountPerUser(state.range(1) != 0));
}
BENCHMARK(BM_KeyedState)
    ->ArgNames({"keys", "timers"})
    ->Args({1000, 0})
    ->Args({100'000, 0})
    ->Args({1'000'000, 0})
    ->Args({100'000, 1})
    ->Unit(benchmark::kMillisecond);
void BM_KeyedStateWithTtl(benchmark::State& state) {
  FeedKeyed(state, CountPerUserWithTtl());
}
BENCHMARK(BM_KeyedStateWithTtl)
    ->ArgName("keys")
    ->Arg(1000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);

// Timers of two million keys within an hour, registered and fired; above RocksDB all of them fit, or one in sixteen.
void BM_Timers(benchmark::State& state) {
  constexpr int64_t kTimers = 2'000'000;
  constexpr int64_t kMemoryBytes = int64_t{1} << 30;
  for (auto _ : state) {
    std::unique_ptr<StateBackend> backend;
    if (state.range(0) == 0) {
      backend = std::make_unique<MemoryStateBackend>();
    } else {
      backend = NewRocksDbStateBackend({.directory = "/tmp",
                                        .name = "timers-" + NewHexId(*NewSystemRandom()),
                                        .memory_bytes = kMemoryBytes,
                                        .object_cache_ratio = state.range(0) == 1 ? 0.5 : 0.015,
                                        .write_buffer_ratio = 0.1});
    }
    KeyedTimerQueue<int64_t> timers("timers");
    Check(timers.Open(*backend, "op"));
    SeededRandom random(1);
    const auto finish_batch = [&] {
      timers.UpdateShare();
      Check(backend->MakeRoom());
    };
    for (int64_t i = 0; i < kTimers; ++i) {
      timers.Register(static_cast<int64_t>(random.Below(3'600'000)), KeyHash(i), i);
      if (i % 256 == 0) finish_batch();
    }
    int64_t fired = 0;
    for (int64_t now = 0; now <= 3'600'000; now += 1000) {
      timers.FireDue(
          now, [] { return false; }, [&](int64_t, uint64_t, int64_t) { ++fired; });
      finish_batch();
    }
    if (fired != kTimers) state.SkipWithError("not all have fired");
  }
  state.SetItemsProcessed(state.iterations() * kTimers);
}
BENCHMARK(BM_Timers)->ArgName("backend")->DenseRange(0, 2)->Unit(benchmark::kMillisecond);

// Four operators, batch by batch, against one virtual call per operator and batch on the same array.
struct Stage {
  virtual ~Stage() = default;
  virtual size_t Run(BenchTransaction* records, size_t size) = 0;
};
struct AddStage final : Stage {
  size_t Run(BenchTransaction* records, size_t size) override {
    for (size_t i = 0; i < size; ++i) records[i].amount += 1.5;
    return size;
  }
};
struct KeepStage final : Stage {
  size_t Run(BenchTransaction* records, size_t size) override {
    size_t kept = 0;
    for (size_t i = 0; i < size; ++i) {
      records[kept] = records[i];
      kept += records[i].merchant % 8 != 0 ? 1 : 0;
    }
    return kept;
  }
};

void BM_ChainLoop(benchmark::State& state) {
  const auto transactions = Transactions(1 << 20, 100'000);
  std::vector<BenchTransaction> records(1024);
  std::unique_ptr<Stage> stages[] = {std::make_unique<AddStage>(), std::make_unique<KeepStage>(),
                                     std::make_unique<AddStage>(), std::make_unique<KeepStage>()};
  for (auto _ : state) {
    size_t out = 0;
    for (size_t i = 0; i < transactions.size(); i += 1024) {
      std::copy_n(transactions.data() + i, 1024, records.data());
      size_t size = 1024;
      for (auto& stage : stages) size = stage->Run(records.data(), size);
      out += size;
      benchmark::DoNotOptimize(records.data());
    }
    benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
BENCHMARK(BM_ChainLoop)->Unit(benchmark::kMillisecond);

void BM_ChainOfOperators(benchmark::State& state) {
  const auto transactions = Transactions(1 << 20, 100'000);
  const auto add = [](BenchTransaction& t) { t.amount += 1.5; };
  const auto keep = [](const BenchTransaction& t) { return t.merchant % 8 != 0; };
  std::vector<std::unique_ptr<BenchContext>> contexts;
  std::vector<std::unique_ptr<Operator>> operators;
  for (int i = 0; i < 2; ++i) {
    operators.push_back(MakeMapOperator<BenchTransaction, BenchTransaction>(add));
    operators.push_back(MakeFilterOperator<BenchTransaction>(keep));
  }
  for (auto& op : operators) {
    contexts.push_back(std::make_unique<BenchContext>(TypedBatch<BenchTransaction>::Type()));
    Check(op->Open(*contexts.back()));
  }
  auto batch = TypedBatch<BenchTransaction>::Type().create();
  for (auto _ : state) {
    size_t out = 0;
    for (size_t i = 0; i < transactions.size(); i += 1024) {
      auto& typed = static_cast<TypedBatch<BenchTransaction>&>(*batch);
      typed.Clear();
      for (size_t j = i; j < i + 1024; ++j) typed.Append(transactions[j].time) = transactions[j];
      for (size_t k = 0; k < operators.size(); ++k) {
        size_t position = 0;
        Check(operators[k]->Process(0, batch, position));
        std::swap(*contexts[k]->output(0).Front(), batch);
        contexts[k]->output(0).PopFront();
      }
      out += batch->size();
    }
    benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(transactions.size()));
}
BENCHMARK(BM_ChainOfOperators)->Unit(benchmark::kMillisecond);

// The table beside absl::flat_hash_map: counting and summing per key.
std::vector<int64_t> Keys(uint64_t keys) {
  SeededRandom random(2);
  std::vector<int64_t> stream(4'000'000);
  for (int64_t& key : stream) key = static_cast<int64_t>(MixInt64(random.Below(keys) + 1));
  return stream;
}

struct TableEntry {
  int64_t key;
  BenchSpend spend;
};

BenchSpend& SpendOf(FlatTable<TableEntry>& table, uint64_t hash, int64_t key) {
  return table
      .FindOrInsert(
          hash, [key](const TableEntry& entry) { return entry.key == key; },
          [key](void* place) {
            new (place) TableEntry{key, {}};
          })
      .spend;
}

void BM_FlatTableUpdate(benchmark::State& state) {
  const auto keys = Keys(static_cast<uint64_t>(state.range(0)));
  std::vector<uint64_t> hashes;
  for (const int64_t key : keys) hashes.push_back(KeyHash(key));
  FlatTable<TableEntry> table;
  for (size_t i = 0; i < keys.size(); ++i) SpendOf(table, hashes[i], keys[i]);
  for (auto _ : state) {
    for (size_t i = 0; i < keys.size(); ++i) {
      table.Prefetch(hashes[std::min(i + 12, keys.size() - 1)]);
      BenchSpend& spend = SpendOf(table, hashes[i], keys[i]);
      ++spend.count;
      spend.sum += 1.5;
    }
  }
  state.counters["bytes_per_key"] = static_cast<double>(table.memory_bytes()) / static_cast<double>(table.size());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys.size()));
}
BENCHMARK(BM_FlatTableUpdate)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void BM_FlatHashMapUpdate(benchmark::State& state) {
  const auto keys = Keys(static_cast<uint64_t>(state.range(0)));
  absl::flat_hash_map<int64_t, BenchSpend> map;
  for (const int64_t key : keys) map[key];
  for (auto _ : state) {
    for (const int64_t key : keys) {
      BenchSpend& spend = map[key];
      ++spend.count;
      spend.sum += 1.5;
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys.size()));
}
BENCHMARK(BM_FlatHashMapUpdate)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void BM_FlatTableInsert(benchmark::State& state) {
  const auto count = state.range(0);
  for (auto _ : state) {
    FlatTable<TableEntry> table;
    for (int64_t key = 0; key < count; ++key) SpendOf(table, KeyHash(key), key);
    benchmark::DoNotOptimize(table.size());
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(BM_FlatTableInsert)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void BM_FlatHashMapInsert(benchmark::State& state) {
  const auto count = state.range(0);
  for (auto _ : state) {
    absl::flat_hash_map<int64_t, BenchSpend> map;
    for (int64_t key = 0; key < count; ++key) map[key];
    benchmark::DoNotOptimize(map.size());
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(BM_FlatHashMapInsert)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace eagre
