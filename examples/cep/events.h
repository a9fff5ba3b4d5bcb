// What the shop's users do, and what the patterns make of it.
#pragma once

#include <cstdint>
#include <string>

#include <eagre/eagre.h>

namespace shop {

enum class Action { kLogin, kBrowse, kView, kClick, kAddToCart, kCheckout, kPurchase, kLogout };
EAGRE_ENUM(Action, kLogin, kBrowse, kView, kClick, kAddToCart, kCheckout, kPurchase, kLogout);

struct UserEvent {
  std::string user_id;
  Action action = Action::kView;
  double price = 0;   // of what is viewed
  double amount = 0;  // of a purchase
  std::string category;
  eagre::Timestamp timestamp;
};
EAGRE_RECORD(UserEvent, user_id, action, price, amount, category, timestamp);

// What a match of the funnel tells.
struct Conversion {
  std::string user_id;
  std::string pattern_type;
  int64_t duration_ms = 0;
  eagre::Timestamp timestamp;
};
EAGRE_RECORD(Conversion, user_id, pattern_type, duration_ms, timestamp);

struct ShopAlert {
  std::string user_id;
  std::string type;
  std::string message;
  std::string severity;
  double risk_score = 0;
  double amount = 0;
  std::string category;
  int64_t session_ms = 0;
  eagre::Timestamp timestamp;
};
EAGRE_RECORD(ShopAlert, user_id, type, message, severity, risk_score, amount, category, session_ms, timestamp);

}  // namespace shop
