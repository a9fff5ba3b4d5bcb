// Random patterns and inputs for the matcher, and how to make a failing one smaller.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/vectors/vector_reader.h"

namespace eagre::cep {

// A stage as builder calls; zero and empty: no such call.
struct StageSpec {
  std::string op = "next";
  std::string name;
  std::vector<StageSpec> group;
  std::string where;
  std::string until;
  int from = 0;
  int to = 0;  // 0 with from > 0: without end
  int gap_ms = 0;
  std::string inner;
  bool optional = false;
  bool greedy = false;
  int within_ms = 0;
  int within_previous_ms = 0;
};

struct StepSpec {
  enum class Kind { kEvent, kTime, kRestore };
  Kind kind = Kind::kEvent;
  vectors::TimedEvent event;
  int64_t time = 0;  // a watermark, or what the clock shows
};

struct CaseSpec {
  std::vector<StageSpec> stages;
  int skip = 0;  // as AfterMatchSkipStrategy::Kind
  std::string skip_stage;
  bool throw_on_miss = false;
  bool processing_time = false;
  bool exact_timestamps = false;
  bool ordered = false;  // events of one time, by their price
  std::vector<StepSpec> steps;
};

CaseSpec RandomCase(Random& random);
// With the public builder; its status() may be a refusal.
vectors::EventPattern BuildPattern(const CaseSpec& spec);
std::string TextOf(const CaseSpec& spec);
// The smallest case found by leaving parts out for which `fails` still holds.
CaseSpec Shrink(CaseSpec spec, const std::function<bool(const CaseSpec&)>& fails);

}  // namespace eagre::cep
