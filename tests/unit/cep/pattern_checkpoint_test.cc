// The pattern operator fails and goes on from checkpoints, at the same or another parallelism, on each state backend:
// what it finds in all is what it would have found undisturbed.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/cep/cep.h"
#include "tests/testing/failing_operator.h"

namespace eagre {

struct SiteStep {
  std::string user;
  int32_t kind = 0;
  int64_t id = 0;
};
EAGRE_RECORD(SiteStep, user, kind, id);

namespace {

using namespace std::chrono_literals;

const OutputTag<std::string> kTimeouts{"timeouts"};

std::string TextOf(const char* what, const Match<SiteStep>& match, int64_t timestamp) {
  std::string text = fmt::format("{} @{}", what, timestamp);
  for (const SiteStep* step : match.events()) text += fmt::format(" {}{}", step->user, step->id);
  return text;
}

auto OfKind(char kind) {
  return [kind](const SiteStep& step) { return step.kind == kind; };
}

// Holds partial matches of several starts, matches that are held back, and events that many share.
Pattern<SiteStep> LongestRuns() {
  return Pattern<SiteStep>::Begin("a", AfterMatchSkipStrategy::SkipPastLastEvent())
      .Where(OfKind('a'))
      .OneOrMore()
      .FollowedBy("b")
      .Where(OfKind('b'))
      .Within(300ms);
}

std::unique_ptr<KeyExtractor<SiteStep, std::string>> UserKey() {
  return std::make_unique<SelectorKeyExtractor<SiteStep, std::string, std::string SiteStep::*>>(&SiteStep::user);
}

std::unique_ptr<Operator> MakeOperator(const cep::CepSettings& settings) {
  internal::MatchHandlers<SiteStep, std::string> handlers;
  handlers.on_match = [](const Match<SiteStep>& match, MatchContext& context, Collector<std::string>& out) {
    out.Collect(TextOf("match", match, context.timestamp()));
  };
  handlers.on_timeout = [](const Match<SiteStep>& match, MatchContext& context) {
    context.Output(kTimeouts, TextOf("timeout", match, context.timestamp()));
  };
  using Function = internal::CepFunction<std::string, SiteStep, std::string>;
  return MakeKeyedProcessOperator<std::string, SiteStep, std::string>(
      Function(*cep::Automaton::Compile(LongestRuns().description()), settings, nullptr, std::move(handlers)),
      UserKey(), {kTimeouts.name});
}

// In the order of their times.
std::vector<OperatorStep<SiteStep>> RandomSteps(Random& random) {
  std::vector<OperatorStep<SiteStep>> input;
  int64_t time = 1000;
  int64_t id = 0;
  for (int i = 0; i < 50; ++i) {
    std::vector<Stamped<SiteStep>> records(random.Below(60));
    for (Stamped<SiteStep>& record : records) {
      time += static_cast<int64_t>(random.Below(4));
      record = {{"user " + std::to_string(random.Below(40)), "aaabx"[random.Below(5)], ++id}, time};
    }
    input.emplace_back(std::move(records));
    input.emplace_back(time);
  }
  input.emplace_back(kMaxWatermark);
  return input;
}

EmittedTexts TakeFound(OperatorHarness& harness) {
  EmittedTexts texts;
  for (const int port : {0, 1}) {
    for (Stamped<std::string>& found : harness.Take<std::string>(port)) {
      texts.emplace_back(found.timestamp, std::move(found.value));
    }
  }
  return texts;
}

class PatternCheckpointTest : public testing::TestWithParam<FailureMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, PatternCheckpointTest, testing::ValuesIn(kFailureModes),
                         testing::PrintToStringParamName());

void ExpectPatternSurvives(const FailureMode& mode, const cep::CepSettings& settings) {
  ExpectSurvives<SiteStep>({.make = [settings] { return MakeOperator(settings); },
                            .add_ports =
                                [](OperatorHarness& harness) {
                                  harness.AddPort<std::string>();
                                  harness.AddPort<std::string>();
                                },
                            .take = &TakeFound,
                            .key = &SiteStep::user},
                           mode, RandomSteps);
}

TEST_P(PatternCheckpointTest, FailuresChangeNothing) {
  ExpectPatternSurvives(GetParam(), {});
}

// Every graph is in the smallest pages that there are.
TEST_P(PatternCheckpointTest, FailuresChangeNothingInPages) {
  ExpectPatternSurvives(GetParam(), {.cells_in_row = 0, .page_shift = cep::CellArena::kMinPageShift});
}

}  // namespace
}  // namespace eagre
