#include "examples/cep/patterns.h"

#include <chrono>

namespace shop {

using namespace std::chrono_literals;

namespace {

auto Is(Action action) {
  return [action](const UserEvent& event) { return event.action == action; };
}

// Conditions with members are classes.
class PriceBetween : public eagre::SimpleCondition<UserEvent> {
 public:
  PriceBetween(double least, double most) : least_(least), most_(most) {}
  bool Filter(const UserEvent& event) const override { return event.price >= least_ && event.price <= most_; }

 private:
  double least_;
  double most_;
};

ShopPattern HighValuePattern() {
  return ShopPattern::Begin("login")
      .Where(Is(Action::kLogin))
      .FollowedBy("browse")
      .Where(Is(Action::kView))
      .FollowedBy("purchase")
      .Where([](const UserEvent& event) { return event.action == Action::kPurchase && event.amount > 1000; })
      .Within(30min);
}

ShopPattern FrequentPattern() {
  return ShopPattern::Begin("first_purchase")
      .Where(Is(Action::kPurchase))
      .FollowedBy("second_purchase")
      .Where(Is(Action::kPurchase))
      .FollowedBy("third_purchase")
      .Where(Is(Action::kPurchase))
      .Within(2h);
}

ShopPattern DefaultPattern() {
  return ShopPattern::Begin("login")
      .Where(Is(Action::kLogin))
      .FollowedBy("action")
      .Where(Is(Action::kView))
      .Or(Is(Action::kClick))
      .FollowedBy("purchase")
      .Where(Is(Action::kPurchase))
      .Within(60min);
}

}  // namespace

ShopPattern LoginToPurchase() {
  return ShopPattern::Begin("start")
      .Where(Is(Action::kLogin))
      .FollowedBy("middle")
      .Where(Is(Action::kView))
      .FollowedBy("end")
      .Where(Is(Action::kPurchase))
      .Within(10min);
}

ShopPattern SequencePattern() {
  return ShopPattern::Begin("first")
      .Where(Is(Action::kLogin))
      .FollowedBy("second")
      .Where(Is(Action::kBrowse))
      .FollowedBy("third")
      .Where(Is(Action::kAddToCart))
      .FollowedBy("fourth")
      .Where(Is(Action::kCheckout))
      .Within(1h);
}

ShopPattern OrPattern() {
  return ShopPattern::Begin("start")
      .Where(Is(Action::kLogin))
      .FollowedBy("action")
      .Where(Is(Action::kView))
      .Or(Is(Action::kClick))
      .FollowedBy("end")
      .Where(Is(Action::kPurchase))
      .Within(30min);
}

ShopPattern NotPattern() {
  return ShopPattern::Begin("start")
      .Where(Is(Action::kLogin))
      .FollowedBy("middle")
      .Where(Is(Action::kView))
      .NotFollowedBy("blocked")
      .Where(Is(Action::kLogout))
      .FollowedBy("end")
      .Where(Is(Action::kPurchase))
      .Within(15min);
}

ShopPattern TimesPattern() {
  return ShopPattern::Begin("repeated")
      .Where(Is(Action::kClick))
      .Times(3)
      .FollowedBy("end")
      .Where(Is(Action::kPurchase))
      .Within(5min);
}

ShopPattern GreedyPattern() {
  return ShopPattern::Begin("greedy")
      .Where(Is(Action::kView))
      .OneOrMore()
      .Greedy()
      .FollowedBy("end")
      .Where(Is(Action::kPurchase))
      .Within(10min);
}

ShopPattern ConditionalPattern() {
  return ShopPattern::Begin("start")
      .Where([](const UserEvent& event) {
        return event.action == Action::kLogin && event.user_id.starts_with("premium_");
      })
      .FollowedBy("middle")
      .Where(PriceBetween(100, 1000))
      .FollowedBy("end")
      .Where([](const UserEvent& event) { return event.action == Action::kPurchase && event.amount > 0; })
      .Within(20min);
}

ShopPattern DynamicPattern(const std::string& type) {
  if (type == "high_value") return HighValuePattern();
  if (type == "frequent") return FrequentPattern();
  return DefaultPattern();
}

}  // namespace shop
