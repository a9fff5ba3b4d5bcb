#include "tests/unit/cep/random_case.h"

#include <chrono>
#include <optional>

#include "tests/vectors/vector_expression.h"

namespace eagre::cep {
namespace {

using std::chrono::milliseconds;
using vectors::EventPattern;

class Maker {
 public:
  explicit Maker(Random& random) : random_(random) {}

  CaseSpec Make() {
    CaseSpec spec;
    spec.processing_time = Chance(20);
    spec.exact_timestamps = Chance(30);
    spec.ordered = Chance(25);
    const int stages = Between(1, 4);
    for (int i = 0; i < stages; ++i) spec.stages.push_back(Stage(i == 0, 0, i == stages - 1));
    if (Chance(60)) {
      spec.skip = Between(1, 4);
      spec.skip_stage = names_[static_cast<size_t>(Between(0, static_cast<int>(names_.size()) - 1))];
      spec.throw_on_miss = Chance(10);
    }
    MakeSteps(spec);
    return spec;
  }

 private:
  int Between(int low, int high) {
    return low + static_cast<int>(random_.Below(static_cast<uint64_t>(high - low + 1)));
  }
  bool Chance(int percent) { return Between(0, 99) < percent; }

  std::string Condition() {
    const std::string letter(1, static_cast<char>('a' + Between(0, 3)));
    std::string condition = "name == '" + letter + "'";
    if (Chance(15)) condition += " || price > 3";
    if (Chance(10)) condition = "price <= 3";
    if (!names_.empty() && Chance(15)) {
      const std::string& stage = names_[static_cast<size_t>(Between(0, static_cast<int>(names_.size()) - 1))];
      const std::string iterative[] = {"count('" + stage + "') < 2", "price > last('" + stage + "', price)",
                                       "sum('" + stage + "', price) < 8"};
      condition = "(" + condition + ") && " + iterative[Between(0, 2)];
    }
    return condition;
  }

  StageSpec Stage(bool first, int depth, bool last) {
    StageSpec stage;
    static const char* const kOps[] = {"next", "followedBy", "followedBy", "followedByAny", "notNext", "notFollowedBy"};
    stage.op = first ? "begin" : kOps[Between(0, 5)];
    const bool is_not = stage.op.starts_with("not");
    if (!is_not && depth < 2 && Chance(15)) {
      const int stages = Between(1, 3);
      for (int i = 0; i < stages; ++i) stage.group.push_back(Stage(i == 0, depth + 1, false));
    } else {
      stage.name = std::string(1, static_cast<char>('n' + names_.size() % 13)) + (names_.size() < 13 ? "" : "2");
      names_.push_back(stage.name);
      if (Chance(95)) stage.where = Condition();
    }
    if (!is_not) Quantify(stage);
    if (Chance(last || is_not ? 60 : 15)) stage.within_ms = Between(2, 12);
    if (Chance(15)) stage.within_previous_ms = Between(1, 6);
    return stage;
  }

  void Quantify(StageSpec& stage) {
    if (Chance(35)) {
      stage.from = Between(1, 2);
      stage.to = Chance(50) ? 0 : stage.from + Between(0, 2);
      if (Chance(15)) stage.gap_ms = Between(1, 5);
      if (Chance(40)) stage.inner = Chance(50) ? "strict" : "any";
      if (stage.group.empty() && stage.inner != "any" && Chance(30)) stage.greedy = true;
      if (stage.to == 0 && Chance(15)) stage.until = Condition();
    }
    if (Chance(20)) stage.optional = true;
  }

  static StepSpec Step(StepSpec::Kind kind, int64_t time) {
    StepSpec step;
    step.kind = kind;
    step.time = time;
    return step;
  }

  void MakeSteps(CaseSpec& spec) {
    const int events = Between(3, 14);
    const int longest_pause = Chance(30) ? 1 : 3;
    int64_t time = 1;
    for (int i = 0; i < events; ++i) {
      StepSpec step;
      step.event.event = {.type = "Event",
                          .id = static_cast<double>(Between(1, 2)),
                          .name = std::string(1, static_cast<char>('a' + Between(0, 3))),
                          .price = static_cast<double>(Between(1, 5))};
      step.event.timestamp = time + (Chance(20) ? -Between(0, 3) : 0);
      spec.steps.push_back(step);
      time += Between(0, longest_pause);
      if (Chance(30)) spec.steps.push_back(Step(StepSpec::Kind::kTime, time - Between(0, 2)));
      if (Chance(10)) spec.steps.push_back(Step(StepSpec::Kind::kRestore, 0));
    }
    spec.steps.push_back(Step(StepSpec::Kind::kTime, time + Between(0, 20)));
    if (Chance(50)) spec.steps.push_back(Step(StepSpec::Kind::kTime, time + 1000));
  }

  Random& random_;
  std::vector<std::string> names_;
};

std::shared_ptr<const EventCondition> Parsed(const std::string& text) {
  return *vectors::ParseCondition(text);
}

AfterMatchSkipStrategy SkipOf(const CaseSpec& spec) {
  AfterMatchSkipStrategy skip = AfterMatchSkipStrategy::NoSkip();
  if (spec.skip == 1) skip = AfterMatchSkipStrategy::SkipToNext();
  if (spec.skip == 2) skip = AfterMatchSkipStrategy::SkipPastLastEvent();
  if (spec.skip == 3) skip = AfterMatchSkipStrategy::SkipToFirst(spec.skip_stage);
  if (spec.skip == 4) skip = AfterMatchSkipStrategy::SkipToLast(spec.skip_stage);
  return spec.throw_on_miss ? skip.ThrowOnMiss() : skip;
}

template <typename What>
void Append(std::optional<EventPattern>& pattern, const std::string& op, const What& what,
            const AfterMatchSkipStrategy& skip) {
  if (!pattern) {
    pattern = EventPattern::Begin(what, skip);
  } else if (op == "followedByAny") {
    pattern->FollowedByAny(what);
  } else if (op == "next" || op == "begin") {
    pattern->Next(what);
  } else {
    if constexpr (std::is_same_v<What, std::string>) {
      if (op == "notNext") return static_cast<void>(pattern->NotNext(what));
      if (op == "notFollowedBy") return static_cast<void>(pattern->NotFollowedBy(what));
    }
    pattern->FollowedBy(what);
  }
}

EventPattern Build(const std::vector<StageSpec>& stages, const AfterMatchSkipStrategy& skip) {
  std::optional<EventPattern> pattern;
  for (const StageSpec& stage : stages) {
    if (stage.group.empty()) {
      Append(pattern, stage.op, stage.name, skip);
    } else {
      Append(pattern, stage.op, Build(stage.group, AfterMatchSkipStrategy::NoSkip()), skip);
    }
    if (!stage.where.empty()) pattern->Where(Parsed(stage.where));
    const auto gap = stage.gap_ms > 0 ? std::optional(milliseconds(stage.gap_ms)) : std::nullopt;
    if (stage.from > 0 && stage.to == 0) pattern->TimesOrMore(stage.from, gap);
    if (stage.to > 0) pattern->Times(stage.from, stage.to, gap);
    if (stage.inner == "strict") pattern->Consecutive();
    if (stage.inner == "any") pattern->AllowCombinations();
    if (stage.optional) pattern->Optional();
    if (stage.greedy) pattern->Greedy();
    if (!stage.until.empty()) pattern->Until(Parsed(stage.until));
    if (stage.within_ms > 0) pattern->Within(milliseconds(stage.within_ms));
    if (stage.within_previous_ms > 0) {
      pattern->Within(milliseconds(stage.within_previous_ms), WithinType::kPreviousAndCurrent);
    }
  }
  return *pattern;
}

std::string StageText(const StageSpec& stage) {
  std::string text = stage.op + "(" + stage.name;
  for (const StageSpec& inner : stage.group) text += " " + StageText(inner);
  text += ")";
  if (!stage.where.empty()) text += " where " + stage.where;
  if (stage.from > 0) text += fmt::format(" {{{},{}}}", stage.from, stage.to > 0 ? std::to_string(stage.to) : "");
  if (stage.gap_ms > 0) text += fmt::format(" gap {}", stage.gap_ms);
  if (!stage.inner.empty()) text += " " + stage.inner;
  if (stage.optional) text += " optional";
  if (stage.greedy) text += " greedy";
  if (!stage.until.empty()) text += " until " + stage.until;
  if (stage.within_ms > 0) text += fmt::format(" within {}", stage.within_ms);
  if (stage.within_previous_ms > 0) text += fmt::format(" within previous {}", stage.within_previous_ms);
  return text;
}

// Every case that has one thing less.
void ForEachSimplerStages(std::vector<StageSpec> stages, const std::function<void(std::vector<StageSpec>)>& visit) {
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages.size() > 1) {
      std::vector<StageSpec> fewer = stages;
      fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
      visit(fewer);
    }
    const auto with = [&](const std::function<void(StageSpec&)>& change) {
      std::vector<StageSpec> changed = stages;
      change(changed[i]);
      visit(changed);
    };
    if (stages[i].optional) with([](StageSpec& stage) { stage.optional = false; });
    if (stages[i].greedy) with([](StageSpec& stage) { stage.greedy = false; });
    if (stages[i].within_ms > 0) with([](StageSpec& stage) { stage.within_ms = 0; });
    if (stages[i].within_previous_ms > 0) with([](StageSpec& stage) { stage.within_previous_ms = 0; });
    if (!stages[i].until.empty()) with([](StageSpec& stage) { stage.until.clear(); });
    if (stages[i].gap_ms > 0) with([](StageSpec& stage) { stage.gap_ms = 0; });
    if (stages[i].from > 0) {
      with([](StageSpec& stage) {
        stage.from = stage.to = stage.gap_ms = 0;
        stage.inner.clear();
        stage.greedy = false;
        stage.until.clear();
      });
    }
    ForEachSimplerStages(stages[i].group,
                         [&](std::vector<StageSpec> group) { with([&](StageSpec& stage) { stage.group = group; }); });
  }
}

}  // namespace

CaseSpec RandomCase(Random& random) {
  return Maker(random).Make();
}

EventPattern BuildPattern(const CaseSpec& spec) {
  return Build(spec.stages, SkipOf(spec));
}

std::string TextOf(const CaseSpec& spec) {
  std::string text = fmt::format("skip {} {}{}{}{}{}\n", spec.skip, spec.skip_stage, spec.throw_on_miss ? " throw" : "",
                                 spec.processing_time ? ", processing time" : "",
                                 spec.exact_timestamps ? ", exact timestamps" : "", spec.ordered ? ", ordered" : "");
  for (const StageSpec& stage : spec.stages) text += "  " + StageText(stage) + "\n";
  for (const StepSpec& step : spec.steps) {
    switch (step.kind) {
      case StepSpec::Kind::kEvent:
        text += fmt::format("  {} @{}\n", vectors::TextOf(step.event.event), step.event.timestamp);
        break;
      case StepSpec::Kind::kTime: text += fmt::format("  time {}\n", step.time); break;
      case StepSpec::Kind::kRestore: text += "  restore\n"; break;
    }
  }
  return text;
}

CaseSpec Shrink(CaseSpec spec, const std::function<bool(const CaseSpec&)>& fails) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    const auto attempt = [&](const CaseSpec& candidate) {
      if (smaller || !fails(candidate)) return;
      spec = candidate;
      smaller = true;
    };
    const CaseSpec current = spec;
    for (size_t i = 0; i < current.steps.size() && !smaller; ++i) {
      CaseSpec candidate = current;
      candidate.steps.erase(candidate.steps.begin() + static_cast<ptrdiff_t>(i));
      attempt(candidate);
    }
    ForEachSimplerStages(current.stages, [&](std::vector<StageSpec> stages) {
      CaseSpec candidate = current;
      candidate.stages = std::move(stages);
      attempt(candidate);
    });
    for (bool CaseSpec::*flag :
         {&CaseSpec::throw_on_miss, &CaseSpec::processing_time, &CaseSpec::exact_timestamps, &CaseSpec::ordered}) {
      CaseSpec candidate = current;
      if (!std::exchange(candidate.*flag, false)) continue;
      attempt(candidate);
    }
    if (CaseSpec candidate = current; std::exchange(candidate.skip, 0) != 0) attempt(candidate);
  }
  return spec;
}

}  // namespace eagre::cep
