// Events that come before an attempt has started, and while it starts.
#include "runtime/event_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(EventGateTest, WhatCameBeforeIsLetOutFirstAndInOrder) {
  std::vector<std::string> routed;
  EventGate gate([&](std::string_view event) { routed.emplace_back(event); });
  gate.Deliver("registered");
  gate.Deliver("request");
  EXPECT_FALSE(gate.open());
  EXPECT_THAT(routed, IsEmpty());
  gate.Open();
  EXPECT_TRUE(gate.open());
  gate.Deliver("finished");
  EXPECT_THAT(routed, ElementsAre("registered", "request", "finished"));
}

TEST(EventGateTest, WhatComesWhileItOpensDoesNotOvertakeWhatWaited) {
  std::vector<std::string> routed;
  EventGate* opening = nullptr;
  EventGate gate([&](std::string_view event) {
    // As a slot's thread would at this moment.
    if (event == "of another reader") opening->Deliver("request");
    routed.emplace_back(event);
  });
  opening = &gate;
  gate.Deliver("of another reader");
  gate.Deliver("registered");
  gate.Open();
  EXPECT_THAT(routed, ElementsAre("of another reader", "registered", "request"));
}

}  // namespace
}  // namespace eagre
