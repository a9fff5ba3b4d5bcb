// Each pattern of the shop on given events, and what is made of its matches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "examples/cep/patterns.h"
#include "examples/cep/session_report.h"
#include "examples/cep/shop_generator.h"

namespace shop {
namespace {

using eagre::Cep;
using eagre::Collector;
using eagre::LocalJob;
using eagre::Match;
using eagre::Timestamp;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kNoonMs = 1'735'732'800'000;  // 2025-01-01 12:00 UTC

UserEvent At(double minute, Action action, double value = 0, const std::string& user = "ann") {
  UserEvent event;
  event.user_id = user;
  event.action = action;
  (action == Action::kPurchase ? event.amount : event.price) = value;
  event.timestamp = Timestamp(kNoonMs + static_cast<int64_t>(minute * kMinuteMs));
  return event;
}

// Each match as the minutes of its events.
std::vector<std::string> Found(const ShopPattern& pattern, const std::vector<UserEvent>& events) {
  LocalJob job;
  auto stream = job.Read(eagre::FromValues(events))
                    .WithWatermarks(eagre::BoundedOutOfOrderness(std::chrono::milliseconds(0)), &UserEvent::timestamp);
  auto found = Cep::Match(stream.KeyBy(&UserEvent::user_id), pattern)
                   .Select([](const Match<UserEvent>& match) {
                     std::string text;
                     for (const UserEvent* event : match.events()) {
                       text +=
                           (text.empty() ? "" : " ") + std::to_string((event->timestamp.ms() - kNoonMs) / kMinuteMs);
                     }
                     return text;
                   })
                   .ExecuteAndCollect();
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? *found : std::vector<std::string>();
}

TEST(ShopPatternsTest, LoginToPurchase) {
  EXPECT_THAT(Found(LoginToPurchase(), {At(0, Action::kLogin), At(1, Action::kView), At(2, Action::kView),
                                        At(3, Action::kPurchase), At(4, Action::kPurchase)}),
              ElementsAre("0 1 3"));
  EXPECT_THAT(Found(LoginToPurchase(), {At(0, Action::kLogin), At(1, Action::kView), At(10, Action::kPurchase)}),
              IsEmpty())
      << "ten minutes after the login is too late";
}

TEST(ShopPatternsTest, Sequence) {
  EXPECT_THAT(Found(SequencePattern(), {At(0, Action::kLogin), At(1, Action::kBrowse), At(2, Action::kView),
                                        At(3, Action::kAddToCart), At(50, Action::kCheckout)}),
              ElementsAre("0 1 3 50"));
  EXPECT_THAT(Found(SequencePattern(), {At(0, Action::kLogin), At(3, Action::kAddToCart), At(4, Action::kBrowse),
                                        At(50, Action::kCheckout)}),
              IsEmpty());
}

TEST(ShopPatternsTest, Or) {
  EXPECT_THAT(Found(OrPattern(), {At(0, Action::kLogin), At(1, Action::kClick), At(2, Action::kPurchase),
                                  At(5, Action::kLogin), At(6, Action::kView), At(7, Action::kPurchase)}),
              UnorderedElementsAre("0 1 2", "5 6 7"));
}

TEST(ShopPatternsTest, Not) {
  EXPECT_THAT(Found(NotPattern(), {At(0, Action::kLogin), At(1, Action::kView), At(2, Action::kPurchase)}),
              ElementsAre("0 1 2"));
  EXPECT_THAT(Found(NotPattern(),
                    {At(0, Action::kLogin), At(1, Action::kView), At(2, Action::kLogout), At(3, Action::kPurchase)}),
              IsEmpty());
}

TEST(ShopPatternsTest, Times) {
  EXPECT_THAT(Found(TimesPattern(), {At(0, Action::kClick), At(1, Action::kView), At(2, Action::kClick),
                                     At(3, Action::kClick), At(4, Action::kPurchase)}),
              ElementsAre("0 2 3 4"));
  EXPECT_THAT(Found(TimesPattern(), {At(0, Action::kClick), At(1, Action::kClick), At(2, Action::kPurchase)}),
              IsEmpty());
}

TEST(ShopPatternsTest, GreedyTakesAllViews) {
  EXPECT_THAT(Found(GreedyPattern(),
                    {At(0, Action::kView), At(1, Action::kView), At(2, Action::kLogout), At(3, Action::kPurchase)}),
              UnorderedElementsAre("0 1 3", "1 3"));
}

TEST(ShopPatternsTest, ConditionsWithMembers) {
  const auto visit = [](const std::string& user, double price) {
    return std::vector<UserEvent>{At(0, Action::kLogin, 0, user), At(1, Action::kView, price, user),
                                  At(2, Action::kPurchase, 20, user)};
  };
  EXPECT_THAT(Found(ConditionalPattern(), visit("premium_7", 100)), ElementsAre("0 1 2"));
  EXPECT_THAT(Found(ConditionalPattern(), visit("premium_7", 1001)), IsEmpty());
  EXPECT_THAT(Found(ConditionalPattern(), visit("user_7", 100)), IsEmpty());
}

TEST(ShopPatternsTest, DynamicPatternsByName) {
  const std::vector<UserEvent> events = {At(0, Action::kLogin), At(1, Action::kView), At(2, Action::kPurchase, 500),
                                         At(3, Action::kPurchase, 1500), At(50, Action::kPurchase, 5)};
  EXPECT_THAT(Found(DynamicPattern("high_value"), events), ElementsAre("0 1 3"));
  EXPECT_THAT(Found(DynamicPattern("frequent"), events), ElementsAre("2 3 50"));
  EXPECT_THAT(Found(DynamicPattern("anything else"), events), ElementsAre("0 1 2"));
}

TEST(ShopPatternsTest, UsersDoNotMix) {
  EXPECT_THAT(Found(LoginToPurchase(), {At(0, Action::kLogin, 0, "ann"), At(1, Action::kView, 0, "bob"),
                                        At(2, Action::kPurchase, 9, "ann")}),
              IsEmpty());
}

// ---- what is made of matches ----

std::vector<ShopAlert> Alerts(const std::vector<UserEvent>& events) {
  LocalJob job;
  auto stream = job.Read(eagre::FromValues(events))
                    .WithWatermarks(eagre::BoundedOutOfOrderness(std::chrono::milliseconds(0)), &UserEvent::timestamp);
  auto found = Cep::Match(stream.KeyBy(&UserEvent::user_id), DynamicPattern("default"))
                   .FlatSelect([](const Match<UserEvent>& match, Collector<ShopAlert>& out) {
                     for (ShopAlert& alert : AlertsOf(match)) out.Collect(std::move(alert));
                   })
                   .ExecuteAndCollect();
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? *found : std::vector<ShopAlert>();
}

TEST(SessionReportTest, AnOrdinaryPurchaseRaisesNoAlert) {
  EXPECT_THAT(Alerts({At(0, Action::kLogin), At(1, Action::kView), At(2, Action::kPurchase, 50)}), IsEmpty());
}

TEST(SessionReportTest, AmountsOutOfTheOrdinaryAreAbnormal) {
  const auto alerts = Alerts({At(0, Action::kLogin), At(1, Action::kView), At(20, Action::kPurchase, 6000)});
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].type, "abnormal_purchase");
  EXPECT_EQ(alerts[0].severity, "warning");
  EXPECT_EQ(alerts[0].session_ms, 20 * kMinuteMs);
  EXPECT_EQ(alerts[0].category, "unknown");
  EXPECT_DOUBLE_EQ(alerts[0].risk_score, 0.4);
  EXPECT_EQ(Alerts({At(0, Action::kLogin), At(1, Action::kView), At(20, Action::kPurchase, 9)}).size(), 1u);
}

TEST(SessionReportTest, QuickAndLargeAtNightIsCritical) {
  const double night = 11.5 * 60;  // 23:30
  const auto alerts =
      Alerts({At(night, Action::kLogin), At(night + 1, Action::kView), At(night + 2, Action::kPurchase, 3000)});
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].type, "high_risk");
  EXPECT_EQ(alerts[0].severity, "critical");
  EXPECT_DOUBLE_EQ(alerts[0].risk_score, 0.9);
}

TEST(ShopGeneratorTest, TheSameNumberIsTheSameEvent) {
  UserEvent first;
  UserEvent again;
  for (int64_t i = 0; i < 1000; ++i) {
    MakeEvent(i, 10, first);
    MakeEvent(i, 10, again);
    EXPECT_TRUE(eagre::RecordEquals(first, again));
    EXPECT_EQ(first.amount > 0, first.action == Action::kPurchase);
  }
}

}  // namespace
}  // namespace shop
