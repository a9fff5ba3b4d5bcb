// The pattern operator against the plain matcher: random patterns, events, watermarks and restores, in all modes.
// EAGRE_CEP_CASES and EAGRE_CEP_SEED run more, or others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "base/random.h"
#include "tests/testing/backend_under_test.h"
#include "tests/unit/cep/random_case.h"
#include "tests/unit/cep/reference_matcher.h"
#include "tests/vectors/operator_rig.h"

namespace eagre::cep {
namespace {

using vectors::OperatorRig;
using vectors::TimedEvent;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct Results {
  std::vector<FoundText> matches;
  std::vector<FoundText> timeouts;
  std::set<std::string> live_keys;
  bool failed = false;
  size_t pieces = 0;  // that are left

  void Sort() {
    std::sort(matches.begin(), matches.end());
    std::sort(timeouts.begin(), timeouts.end());
  }
};

// How the operator runs. With pages every graph is in the smallest pages that there are.
struct OperatorSetup {
  HarnessMode mode;
  BackendKind backend = BackendKind::kMemory;
  bool pages = false;
};

bool LessInPrice(const vectors::VectorEvent& a, const vectors::VectorEvent& b) {
  return a.price < b.price;
}

int64_t StartOfTime(const CaseSpec& spec) {
  return spec.processing_time ? 0 : INT64_MIN;
}

// What the plain matcher finds, with the events of each key sorted by hand.
class ReferenceRun {
 public:
  ReferenceRun(const CaseSpec& spec, std::shared_ptr<const Automaton> automaton)
      : spec_(spec), automaton_(std::move(automaton)), time_(StartOfTime(spec)) {}

  Results Run() {
    for (const StepSpec& step : spec_.steps) {
      if (!RunStep(step)) {
        results_.failed = true;
        return results_;
      }
    }
    for (auto& [key, matcher] : keys_) {
      results_.matches.insert(results_.matches.end(), matcher.matches.begin(), matcher.matches.end());
      results_.timeouts.insert(results_.timeouts.end(), matcher.timeouts.begin(), matcher.timeouts.end());
      if (!matcher.empty()) results_.live_keys.insert(key);
    }
    results_.Sort();
    return results_;
  }

 private:
  bool RunStep(const StepSpec& step) {
    switch (step.kind) {
      case StepSpec::Kind::kRestore: time_ = spec_.processing_time ? time_ : INT64_MIN; return true;
      case StepSpec::Kind::kEvent: return spec_.processing_time ? ArriveNow(step.event) : Arrive(step.event);
      case StepSpec::Kind::kTime: return AdvanceTo(step.time);
    }
    return true;
  }

  bool Arrive(const TimedEvent& event) {
    if (event.timestamp > time_) waiting_.push_back(event);
    return true;
  }

  // Without an order each event is a moment of its own.
  bool ArriveNow(const TimedEvent& event) {
    if (!spec_.ordered) return MatcherOf(event).Advance(time_) && MatcherOf(event).Event(event.event, time_, time_);
    waiting_.push_back({event.event, time_});
    return true;
  }

  bool AdvanceTo(int64_t time) {
    // A watermark that does not rise is none; the clock never goes back.
    if (time < time_) return true;
    time_ = time;
    std::stable_sort(waiting_.begin(), waiting_.end(), [this](const TimedEvent& a, const TimedEvent& b) {
      return a.timestamp != b.timestamp ? a.timestamp < b.timestamp : spec_.ordered && LessInPrice(a.event, b.event);
    });
    // The moment at hand is over only when the clock shows the next.
    const int64_t last = spec_.processing_time ? time - 1 : time;
    std::map<std::string, int64_t> reached;
    while (!waiting_.empty() && waiting_.front().timestamp <= last) {
      const TimedEvent event = waiting_.front();
      waiting_.erase(waiting_.begin());
      ReferenceMatcher& matcher = MatcherOf(event);
      const auto [at, first] = reached.try_emplace(KeyOf(event), event.timestamp);
      const bool advances = first || std::exchange(at->second, event.timestamp) != event.timestamp;
      if (advances && !matcher.Advance(event.timestamp)) return false;
      if (!matcher.Event(event.event, event.timestamp, 0)) return false;
    }
    for (auto& [key, matcher] : keys_) {
      if (!matcher.Advance(time)) return false;
    }
    return true;
  }

  static std::string KeyOf(const TimedEvent& event) { return fmt::format("{}", event.event.id); }
  ReferenceMatcher& MatcherOf(const TimedEvent& event) {
    return keys_.try_emplace(KeyOf(event), automaton_, spec_.exact_timestamps).first->second;
  }

  const CaseSpec& spec_;
  std::shared_ptr<const Automaton> automaton_;
  std::map<std::string, ReferenceMatcher> keys_;
  std::vector<TimedEvent> waiting_;
  int64_t time_;
  Results results_;
};

class OperatorRun {
 public:
  OperatorRun(const CaseSpec& spec, std::shared_ptr<const Automaton> automaton, const OperatorSetup& setup)
      : spec_(spec), rig_(std::move(automaton), OptionsOf(spec, setup), setup.mode) {}

  Results Run() {
    Results results;
    int64_t time = StartOfTime(spec_);
    for (const StepSpec& step : spec_.steps) {
      Status status;
      switch (step.kind) {
        case StepSpec::Kind::kEvent: status = rig_.Element(step.event); break;
        case StepSpec::Kind::kRestore:
          status = rig_.SnapshotAndRestore(std::nullopt);
          if (!spec_.processing_time) time = INT64_MIN;
          break;
        case StepSpec::Kind::kTime:
          if (step.time < time) break;
          time = step.time;
          status = spec_.processing_time ? rig_.ProcessingTime(time) : rig_.Watermark(time);
          break;
      }
      if (!status.ok()) {
        results.failed = true;
        return results;
      }
    }
    Take(rig_.TakeOutput(), results.matches);
    Take(rig_.TakeTimeouts(), results.timeouts);
    for (const char* key : {"1", "2"}) {
      if (rig_.HoldsPartials(key)) results.live_keys.insert(key);
    }
    results.pieces = rig_.PieceCount();
    results.Sort();
    return results;
  }

 private:
  static vectors::RigOptions OptionsOf(const CaseSpec& spec, const OperatorSetup& setup) {
    vectors::RigOptions options{.processing_time = spec.processing_time,
                                .keyed = true,
                                .timeouts = true,
                                .config = {{"cep.exact-timeout-timestamps", spec.exact_timestamps ? "true" : "false"}}};
    options.backend = [backend = setup.backend] { return NewBackend(backend); };
    if (spec.ordered) options.less = LessInPrice;
    if (setup.pages) {
      options.settings.cells_in_row = 0;
      options.settings.page_shift = CellArena::kMinPageShift;
    }
    return options;
  }

  static void Take(const std::vector<OperatorRig::Output>& outputs, std::vector<FoundText>& to) {
    for (const OperatorRig::Output& output : outputs) {
      if (output.watermark) continue;
      vectors::StageEvents stages;
      for (size_t i = 0; i < output.match.events.size(); ++i) {
        if (stages.empty() || stages.back().first != output.match.stages[i])
          stages.push_back({output.match.stages[i], {}});
        stages.back().second.push_back(output.match.events[i]);
      }
      to.push_back({vectors::MapText(stages), output.match.timestamp});
    }
  }

  const CaseSpec& spec_;
  OperatorRig rig_;
};

std::string Texts(const std::vector<FoundText>& found) {
  std::string text;
  for (const FoundText& item : found) text += fmt::format("    {} @{}\n", item.match, item.timestamp);
  return text;
}

// Nothing when they agree, or when the pattern is refused.
std::string Disagreement(const CaseSpec& spec, const std::vector<OperatorSetup>& setups, int* compiled = nullptr) {
  const vectors::EventPattern pattern = BuildPattern(spec);
  const auto automaton = Automaton::Compile(pattern.description());
  if (!automaton.ok()) return "";
  if (compiled != nullptr) ++*compiled;
  const Results expected = ReferenceRun(spec, *automaton).Run();
  for (const OperatorSetup& setup : setups) {
    const Results actual = OperatorRun(spec, *automaton, setup).Run();
    if (expected.failed && actual.failed) continue;
    if (expected.failed == actual.failed && expected.matches == actual.matches &&
        expected.timeouts == actual.timeouts && expected.live_keys == actual.live_keys &&
        (actual.pieces == 0 || !actual.live_keys.empty())) {
      continue;
    }
    return fmt::format("expected{}:\n{}  time-outs:\n{}got{}:\n{}  time-outs:\n{}live keys: {} and {}",
                       expected.failed ? " a failure" : "", Texts(expected.matches), Texts(expected.timeouts),
                       actual.failed ? " a failure" : "", Texts(actual.matches), Texts(actual.timeouts),
                       expected.live_keys.size(), actual.live_keys.size());
  }
  return "";
}

void ExpectAgreement(uint64_t default_cases, const std::vector<OperatorSetup>& setups) {
  SeededRandom random(FromEnvironment("EAGRE_CEP_SEED", 1));
  const uint64_t cases = FromEnvironment("EAGRE_CEP_CASES", default_cases);
  int compiled = 0;
  for (uint64_t i = 0; i < cases; ++i) {
    const CaseSpec spec = RandomCase(random);
    if (Disagreement(spec, setups, &compiled).empty()) continue;
    const CaseSpec smallest = Shrink(spec, [&](const CaseSpec& other) { return !Disagreement(other, setups).empty(); });
    FAIL() << "case " << i << "\n" << TextOf(smallest) << Disagreement(smallest, setups);
  }
  EXPECT_GT(compiled, static_cast<int>(cases / 4)) << "most patterns are refused: the generator tests too little";
}

TEST(RandomMatcherTest, TheOperatorFindsWhatThePlainMatcherFinds) {
  std::vector<OperatorSetup> setups;
  for (const HarnessMode mode : kAllHarnessModes) setups.push_back({mode});
  ExpectAgreement(2000, setups);
}

// Above the store everything leaves memory after each event.
TEST(RandomMatcherTest, ItDoesSoInPages) {
  ExpectAgreement(2000, {{HarnessMode::kBatches, BackendKind::kMemory, true},
                         {HarnessMode::kBatches, BackendKind::kMapStore, true}});
}

TEST(RandomMatcherTest, ItDoesSoInPagesOnRocksDb) {
  ExpectAgreement(20, {{HarnessMode::kBatches, BackendKind::kRocksDb, true}});
}

}  // namespace
}  // namespace eagre::cep
