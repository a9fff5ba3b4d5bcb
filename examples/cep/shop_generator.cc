#include "examples/cep/shop_generator.h"

#include <array>

#include "base/hash.h"

namespace shop {
namespace {

constexpr int64_t kStartMs = 1'735'689'600'000;  // 2025-01-01
constexpr int64_t kStepMs = 20;
constexpr uint64_t kDisorderMs = 2000;

// How often each action is, in percent.
constexpr std::array<std::pair<int, Action>, 8> kActions = {{{15, Action::kLogin},
                                                             {12, Action::kBrowse},
                                                             {28, Action::kView},
                                                             {15, Action::kClick},
                                                             {10, Action::kAddToCart},
                                                             {6, Action::kCheckout},
                                                             {9, Action::kPurchase},
                                                             {5, Action::kLogout}}};
constexpr std::array<const char*, 4> kCategories = {"books", "games", "shoes", "tools"};

Action ActionOf(int percent) {
  for (const auto& [share, action] : kActions) {
    if (percent < share) return action;
    percent -= share;
  }
  return Action::kView;
}

}  // namespace

void MakeEvent(int64_t index, int64_t users, UserEvent& event) {
  uint64_t state = eagre::MixInt64(static_cast<uint64_t>(index) + 1);
  const auto below = [&state](uint64_t bound) {
    state = eagre::MixInt64(state + 0x9E3779B97F4A7C15ULL);
    return state % bound;
  };
  const uint64_t user = below(static_cast<uint64_t>(users));
  event.user_id = (user % 10 == 0 ? "premium_" : "user_") + std::to_string(user);
  event.action = ActionOf(static_cast<int>(below(100)));
  event.price = event.action == Action::kView ? static_cast<double>(5 + below(2000)) : 0;
  event.amount = 0;
  if (event.action == Action::kPurchase) {
    event.amount = static_cast<double>(below(20) == 0 ? 2000 + below(6000) : 3 + below(900));
  }
  event.category = kCategories[below(kCategories.size())];
  event.timestamp = eagre::Timestamp(kStartMs + index * kStepMs - static_cast<int64_t>(below(kDisorderMs)));
}

}  // namespace shop
