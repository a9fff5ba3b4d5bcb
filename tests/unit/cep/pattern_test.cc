// What the builder and the compiler refuse, in words that name the stage.
#include "eagre/cep/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cep/automaton.h"
#include "record/record.h"

namespace eagre {

struct Reading {
  int64_t value = 0;
};
EAGRE_RECORD(Reading, value);

namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

using ReadingPattern = Pattern<Reading>;

bool Any(const Reading&) {
  return true;
}

std::string Refusal(const ReadingPattern& pattern) {
  const auto automaton = cep::Automaton::Compile(pattern.description());
  return automaton.ok() ? "" : std::string(StatusMessage(automaton.status()));
}

TEST(PatternTest, AMistakeNamesTheStageAndTheRule) {
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").OneOrMore().Times(2)),
              AllOf(HasSubstr("stage 'a'"), HasSubstr("another quantifier")));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").Next("b").Greedy()),
              AllOf(HasSubstr("stage 'b'"), HasSubstr("put OneOrMore() or Times() before it")));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").Times(3).Until(Any)), HasSubstr("Until() ends a loop"));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").Optional().NotNext("b")),
              AllOf(HasSubstr("stage 'b'"), HasSubstr("stage 'a', which is optional")));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").FollowedBy("a")), HasSubstr("stage 'a': the name is taken"));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").NotFollowedBy("b")), HasSubstr("needs a window"));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("")), HasSubstr("the first stage has an empty name"));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").Next("")), HasSubstr("the stage after stage 'a' has an empty name"));
}

TEST(PatternTest, TheFirstMistakeStands) {
  const ReadingPattern pattern = ReadingPattern::Begin("a").Times(0).Next("b").Greedy();
  EXPECT_THAT(std::string(StatusMessage(pattern.status())),
              AllOf(HasSubstr("stage 'a'"), HasSubstr("a positive number, not 0")));
}

TEST(PatternTest, WhatWouldNeverEndIsRefused) {
  const ReadingPattern content = ReadingPattern::Begin("a").Optional().FollowedBy("b").Times(0, 2);
  EXPECT_THAT(Refusal(ReadingPattern::Begin(content).OneOrMore()),
              AllOf(HasSubstr("group of 'a', 'b'"), HasSubstr("fulfilled by no event at all")));
  EXPECT_EQ(Refusal(ReadingPattern::Begin(content).Times(2)), "");
}

TEST(PatternTest, AnOptionalGreedyLoopWithUntilAfterANotIsFine) {
  EXPECT_EQ(Refusal(ReadingPattern::Begin("a")
                        .NotFollowedBy("x")
                        .FollowedBy("b")
                        .OneOrMore()
                        .Optional()
                        .Greedy()
                        .Until(Any)
                        .FollowedBy("c")),
            "");
}

TEST(PatternTest, SkippingNeedsAStageOfTheTopLevel) {
  const auto skip = AfterMatchSkipStrategy::SkipToLast("inner");
  EXPECT_THAT(Refusal(ReadingPattern::Begin(ReadingPattern::Begin("inner"), skip)), HasSubstr("'inner'"));
  EXPECT_EQ(Refusal(ReadingPattern::Begin("inner", skip)), "");
  for (const auto& nowhere : {AfterMatchSkipStrategy::SkipToFirst(""), AfterMatchSkipStrategy::SkipToLast("")}) {
    EXPECT_THAT(Refusal(ReadingPattern::Begin("a", nowhere)), HasSubstr("the skip strategy names stage ''"));
    EXPECT_THAT(Refusal(ReadingPattern::Begin(ReadingPattern::Begin("a"), nowhere)), HasSubstr("stage ''"));
  }
}

TEST(PatternTest, WindowsOfStagesMustFitIntoThePattern) {
  ReadingPattern pattern =
      ReadingPattern::Begin("a").Next("b").Within(milliseconds(10), WithinType::kPreviousAndCurrent);
  EXPECT_EQ(Refusal(pattern), "");
  EXPECT_THAT(Refusal(pattern.Within(milliseconds(5))), AllOf(HasSubstr("stage 'b'"), HasSubstr("10 ms")));
}

TEST(PatternTest, AQuantifierForgetsAnOptionalBeforeIt) {
  const auto can_be_empty = [](const ReadingPattern& pattern) {
    const auto automaton = cep::Automaton::Compile(pattern.description());
    EXPECT_TRUE(automaton.ok()) << Refusal(pattern);
    return automaton.ok() && (*automaton)->can_be_empty();
  };
  EXPECT_FALSE(can_be_empty(ReadingPattern::Begin("a").Optional().OneOrMore()));
  EXPECT_FALSE(can_be_empty(ReadingPattern::Begin("a").Optional().Times(2)));
  EXPECT_TRUE(can_be_empty(ReadingPattern::Begin("a").Optional().TimesOrMore(1).Optional()));
  EXPECT_TRUE(can_be_empty(ReadingPattern::Begin("a").Optional().Times(0, 2)));
  EXPECT_EQ(Refusal(ReadingPattern::Begin("a").Optional().OneOrMore().NotNext("b").Next("c")), "");
}

TEST(PatternTest, APatternWithTooManyStatesIsRefusedAtOnce) {
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").FollowedBy("b").Times(2'000'000'000)),
              AllOf(HasSubstr("stage 'b'"), HasSubstr("more than 65535 states")));
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").TimesOrMore(65'535)), HasSubstr("stage 'a'"));
  // What is optional takes two states each time.
  EXPECT_THAT(Refusal(ReadingPattern::Begin("a").Times(1, 40'000).FollowedBy("b")), HasSubstr("stage 'a'"));
  ReadingPattern nested = ReadingPattern::Begin("a").Next("b");
  for (int i = 0; i < 30; ++i) nested = ReadingPattern::Begin(nested).Times(2);
  EXPECT_THAT(Refusal(nested), AllOf(HasSubstr("'a', 'b'"), HasSubstr("more than 65535 states")));
}

TEST(PatternTest, APatternMayHaveManyStates) {
  EXPECT_EQ(Refusal(ReadingPattern::Begin("a").Times(60'000).NotFollowedBy("b").FollowedBy("c")), "");
  EXPECT_EQ(Refusal(ReadingPattern::Begin(ReadingPattern::Begin("a").NotFollowedBy("b").FollowedBy("c")).Times(30'000)),
            "");
}

TEST(PatternTest, WhatIsMovedFromStaysAPattern) {
  ReadingPattern pattern = ReadingPattern::Begin("a");
  const ReadingPattern moved = std::move(pattern);
  EXPECT_EQ(Refusal(moved), "");
  EXPECT_EQ(Refusal(pattern), "");  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace eagre
