// Patterns over a shop's events, against matchers written by hand for each pattern; what an event costs that no live
// partial match can take or be ended by; and what a key with one partial match holds in memory.
//   bench_cep [name...]     only those whose name begins with one of these
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/pattern_job.h"
#include "bench/limit/cep_loop.h"
#include "cep/matcher.h"
#include "eagre/testing/operator_harness.h"
#include "state/rocksdb_state_backend.h"

namespace eagre::bench {

namespace {

using namespace std::chrono_literals;

std::vector<std::string_view> chosen_names;

bool Chosen(std::string_view name) {
  return chosen_names.empty() || std::any_of(chosen_names.begin(), chosen_names.end(),
                                             [&](std::string_view chosen) { return name.starts_with(chosen); });
}

void Die(const char* text) {
  std::fprintf(stderr, "%s\n", text);
  std::exit(1);
}

void ComparePattern(const char* name, const std::function<std::vector<ShopEvent>()>& make_events,
                    const Pattern<ShopEvent>& pattern,
                    const std::function<LoopMatches(const std::vector<ShopEvent>&)>& loop) {
  if (!Chosen(name)) return;
  const auto shared = std::make_shared<const std::vector<ShopEvent>>(make_events());
  LoopMatches of_engine;
  LoopMatches of_loop;
  const auto count = static_cast<int64_t>(shared->size());
  const Comparison comparison = Compare(
      3, [&] { return of_engine = RunPatternJob(shared, pattern), count; },
      [&] { return of_loop = loop(*shared), count; });
  if (of_engine != of_loop) {
    std::fprintf(stderr, "%s: the engine found %llu matches, the loop %llu\n", name,
                 static_cast<unsigned long long>(of_engine.count), static_cast<unsigned long long>(of_loop.count));
    std::exit(1);
  }
  PrintLine(name, "loop", 1, comparison, {{"matches", static_cast<double>(of_loop.count)}});
}

// The same job on RocksDB, beside itself in memory.
void CompareRocksDb(const char* name, const std::function<std::vector<ShopEvent>()>& make_events,
                    const Pattern<ShopEvent>& pattern) {
  if (!Chosen(name)) return;
  const auto shared = std::make_shared<const std::vector<ShopEvent>>(make_events());
  const auto count = static_cast<int64_t>(shared->size());
  LoopMatches on_rocksdb;
  LoopMatches in_memory;
  const Comparison comparison = Compare(
      5, [&] { return on_rocksdb = RunPatternJob(shared, pattern, Backend::kRocksDb), count; },
      [&] { return in_memory = RunPatternJob(shared, pattern), count; });
  if (on_rocksdb != in_memory) Die("the backends differ in what they find");
  PrintLine(name, "memory backend", 1, comparison, {{"matches", static_cast<double>(in_memory.count)}});
}

constexpr int kMaxParallelism = 128;

class NoListener final : public cep::MatchListener {
 public:
  void OnMatch(const cep::MatchedEvents&) override {}
  void OnTimeOut(const cep::MatchedEvents&, int64_t) override {}
  void OnDropped(const cep::MatchedEvents&) override {}
};

// One key with so many live partial matches that wait for a b, and events that are neither a nor b.
void MeasureIdleEvents(size_t partials, int64_t events) {
  const auto pattern = Pattern<ShopEvent>::Begin("a").Where(OfType(0)).FollowedBy("b").Where(OfType(1)).Within(6h);
  auto automaton = cep::Automaton::Compile(pattern.description());
  constexpr uint64_t kKey = 1;
  KeyedStatePieces<uint64_t> pieces("pieces", TypeInfoOf<ShopEvent>());
  if (!pieces.Open(nullptr, "cep_partials", kMaxParallelism).ok()) Die("there can be no pieces");
  pieces.SelectKey(KeyHash(kKey), kKey);
  cep::Matcher matcher(*automaton, cep::kEventTypeOf<ShopEvent>, {}, &pieces);
  cep::KeyMatches matches;
  NoListener listener;
  ShopEvent event{.user = 1, .timestamp = 1, .type = 0};
  const auto feed = [&] {
    if (event.timestamp >= matcher.NextDeadline(matches)) Die("a partial match timed out");
    const bool concerned = matcher.Decide(&matches, &event, event.timestamp, [] { return int64_t{0}; });
    if (concerned && !matcher.Apply(matches, listener).ok()) Die("the matcher failed");
  };
  for (size_t i = 0; i < partials; ++i, ++event.id) feed();
  if (matches.partial_count() != partials) Die("not all partial matches live");
  event.type = 2;
  const Measured measured = Measure([&] {
    for (int64_t i = 0; i < events; ++i, ++event.id) feed();
    return events;
  });
  std::printf("{\"name\":\"cep_partials\",\"live_partial_matches\":%zu,\"ns_per_event\":%.1f}\n", partials,
              measured.cpu_seconds * 1e9 / static_cast<double>(measured.events));
  std::fflush(stdout);
}

int64_t ResidentBytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * 4096;
}

// The operator of a pattern with a window.
std::unique_ptr<OperatorHarness> OpenPattern(StateBackend* backend) {
  const auto pattern = Pattern<ShopEvent>::Begin("a").Where(OfType(0)).FollowedBy("b").Where(OfType(1)).Within(6h);
  const auto user = [](const ShopEvent& event) { return event.user; };
  using Function = internal::CepFunction<uint64_t, ShopEvent, ShopMatch>;
  auto harness = std::make_unique<OperatorHarness>(
      HarnessMode::kBatches,
      MakeKeyedProcessOperator<uint64_t, ShopEvent, ShopMatch>(
          Function(*cep::Automaton::Compile(pattern.description()), {}, nullptr, {}),
          std::make_unique<SelectorKeyExtractor<ShopEvent, uint64_t, decltype(user)>>(user), {}));
  harness->context().set_state_backend(backend);
  harness->AddPort<ShopMatch>();
  if (!harness->Open().ok()) Die("the operator cannot be opened");
  return harness;
}

// As MeasureIdleEvents, of the whole operator above RocksDB, with a cache for a part of 100,000 partial matches; and
// what it costs to begin another one.
void MeasureOnRocksDb(size_t partials, int64_t events) {
  std::function<void()> end_stall;  // once RocksDB is behind and has refused to take more
  const auto backend = NewRocksDbStateBackend({.directory = DataFolder(),
                                               .name = fmt::format("cep_partials-{}-{}", getpid(), partials),
                                               .memory_bytes = 32 << 20,
                                               .object_cache_ratio = 0.125,
                                               .post_after = [&](int64_t delay_ms, std::function<void()> mail) {
                                                 end_stall = [delay_ms, mail = std::move(mail)] {
                                                   std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
                                                   mail();
                                                 };
                                               }});
  const std::unique_ptr<OperatorHarness> harness = OpenPattern(backend.get());
  std::unique_ptr<Batch> batch = TypedBatch<ShopEvent>::Type().create();
  int64_t pushed = 0;
  const auto push = [&](uint32_t type, int64_t count) {
    for (const int64_t end = pushed + count; pushed < end;) {
      batch->Clear();
      for (; pushed < end && !batch->full(); ++pushed) {
        static_cast<TypedBatch<ShopEvent>&>(*batch).Append(pushed) = {.user = 1, .timestamp = pushed, .type = type};
      }
      // While RocksDB is behind, the operator consumes nothing of a batch.
      while (!harness->PushBatch(batch).ok()) {
        if (end_stall == nullptr) Die("the operator failed");
        std::exchange(end_stall, nullptr)();
      }
    }
    return count;
  };
  push(0, static_cast<int64_t>(partials));
  if (harness->context().MetricValue("cepPartialMatches") != static_cast<double>(partials)) Die("not all live");
  const auto ns = [](const Measured& measured) {
    return measured.cpu_seconds * 1e9 / static_cast<double>(measured.events);
  };
  const double idle_ns = ns(Measure([&] { return push(2, events); }));
  const double start_ns = ns(Measure([&] { return push(0, static_cast<int64_t>(partials) / 10); }));
  std::printf(
      "{\"name\":\"cep_partials_rocksdb\",\"live_partial_matches\":%zu,\"ns_per_event\":%.1f,\"ns_per_start\":%.1f}\n",
      partials, idle_ns, start_ns);
  std::fflush(stdout);
}

// Keys that have begun one match each: state, event and timer.
void MeasureMemory(int64_t keys) {
  const std::unique_ptr<OperatorHarness> opened = OpenPattern(nullptr);
  OperatorHarness& harness = *opened;
  std::unique_ptr<Batch> batch = TypedBatch<ShopEvent>::Type().create();
  const int64_t before = ResidentBytes();
  for (int64_t key = 0; key < keys;) {
    batch->Clear();
    for (; key < keys && !batch->full(); ++key) {
      static_cast<TypedBatch<ShopEvent>&>(*batch).Append(key) = {.user = MixInt64(static_cast<uint64_t>(key)),
                                                                 .timestamp = key};
    }
    if (!harness.PushBatch(batch).ok()) Die("the operator failed");
  }
  const double resident = static_cast<double>(ResidentBytes() - before);
  const double partials = harness.context().MetricValue("cepPartialMatches");
  if (partials != static_cast<double>(keys)) Die("not all partial matches live");
  std::printf("{\"name\":\"cep_memory\",\"keys\":%lld,\"resident_bytes_per_key\":%.1f,\"event_bytes\":%zu}\n",
              static_cast<long long>(keys), resident / static_cast<double>(keys),
              Codec<ShopEvent>::EncodedBytes(ShopEvent()));
  std::fflush(stdout);
}

}  // namespace
}  // namespace eagre::bench

int main(int argc, char** argv) {
  using namespace eagre;
  using namespace eagre::bench;
  using ShopPattern = Pattern<ShopEvent>;
  chosen_names.assign(argv + 1, argv + argc);
  const size_t count = ShopEvents();

  const auto journeys = [] { return MakeFunnelEvents(); };
  ComparePattern("cep_strict", MakeStrictEvents, StrictPattern(), RunStrictLoop);
  ComparePattern("cep_funnel", journeys, FunnelPattern(), RunFunnelLoop);
  CompareRocksDb("cep_rocksdb_strict", MakeStrictEvents, StrictPattern());
  CompareRocksDb("cep_rocksdb_funnel", journeys, FunnelPattern());
  const auto loop = [](AfterMatchSkipStrategy skip) {
    return ShopPattern::Begin("a", skip).Where(OfType(0)).OneOrMore().FollowedBy("b").Where(OfType(1)).Within(
        std::chrono::milliseconds(kRepeatWindowMs));
  };
  const auto runs = [&] { return MakeCycledEvents(count / 4, 10'000, {0, 2, 0, 3, 0, 1, 3, 2}); };
  ComparePattern("cep_loop", runs, loop(AfterMatchSkipStrategy::NoSkip()),
                 [](const std::vector<ShopEvent>& events) { return RunRepeatLoop(events, true); });
  ComparePattern("cep_loop_skip_past_last", runs, loop(AfterMatchSkipStrategy::SkipPastLastEvent()),
                 [](const std::vector<ShopEvent>& events) { return RunRepeatLoop(events, false); });
  const auto visits = [&] { return MakeFunnelEvents(count / 2, kShopUsers, 0); };
  ComparePattern(
      "cep_not_next", visits,
      ShopPattern::Begin("a").Where(OfType(0)).NotNext("b").Where(OfType(1)).FollowedBy("c").Where(OfType(2)),
      RunNotNextLoop);
  ComparePattern("cep_not_followed_by", visits,
                 ShopPattern::Begin("a")
                     .Where(OfType(0))
                     .NotFollowedBy("b")
                     .Where(OfType(1))
                     .FollowedBy("c")
                     .Where(OfType(2))
                     .Within(std::chrono::milliseconds(kFunnelWindowMs)),
                 RunNotFollowedByLoop);
  if (Chosen("cep_partials")) {
    const auto idle_events = static_cast<int64_t>(2'000'000 * Scale()) + 1000;
    for (const size_t partials : {1'000, 10'000, 100'000}) MeasureIdleEvents(partials, idle_events);
    for (const size_t partials : {1'000, 10'000, 100'000}) MeasureOnRocksDb(partials, idle_events);
  }
  if (Chosen("cep_memory")) MeasureMemory(static_cast<int64_t>(1'000'000 * Scale()));
  return 0;
}
