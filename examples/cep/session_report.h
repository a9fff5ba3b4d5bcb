// What the tutorial makes of a match: how long the session took, what was bought, how risky it is, and alerts.
#pragma once

#include <string>
#include <vector>

#include <eagre/cep/cep.h>

#include "examples/cep/events.h"

namespace shop {

struct PurchaseBehavior {
  bool is_abnormal = false;
  double amount = 0;
  std::string category;
};

struct SessionReport {
  int64_t session_ms = 0;
  PurchaseBehavior purchase;
  double risk_score = 0;
};

// Of a match with the stages "login" and "purchase"; what it lacks counts as nothing.
SessionReport ReportOf(const eagre::Match<UserEvent>& match);
// None for an ordinary purchase.
std::vector<ShopAlert> AlertsOf(const eagre::Match<UserEvent>& match);

}  // namespace shop
