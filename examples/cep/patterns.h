// The patterns of the tutorial, one function each.
#pragma once

#include <string>

#include <eagre/cep/cep.h>

#include "examples/cep/events.h"

namespace shop {

using ShopPattern = eagre::Pattern<UserEvent>;

// login, then a view, then a purchase within ten minutes.
ShopPattern LoginToPurchase();
// Four steps of a visit, within an hour.
ShopPattern SequencePattern();
// login, then a view or a click, then a purchase, within half an hour.
ShopPattern OrPattern();
// A purchase after a view with no logout in between, within a quarter of an hour of the login.
ShopPattern NotPattern();
// Three clicks, then a purchase, within five minutes.
ShopPattern TimesPattern();
// As many views as there are, then a purchase, within ten minutes.
ShopPattern GreedyPattern();
// A premium user's login, then something that costs between 100 and 1000, then a purchase of more than nothing.
ShopPattern ConditionalPattern();

// By name: "high_value" (a purchase of more than 1000), "frequent" (three purchases in two hours), else the default.
ShopPattern DynamicPattern(const std::string& type);

}  // namespace shop
