#include "runtime/watermark_valve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/random.h"

namespace eagre {
namespace {

using Kind = ControlEvent::Kind;

bool operator==(const ControlEvent& a, const ControlEvent& b) {
  return a.kind == b.kind && a.value == b.value;
}

class WatermarkValveTest : public ::testing::Test {
 protected:
  std::vector<ControlEvent> Send(WatermarkValve& valve, size_t channel, Kind kind, int64_t value = 0) {
    std::vector<ControlEvent> merged;
    valve.OnEvent(channel, {kind, value}, merged);
    return merged;
  }
  static bool Is(const std::vector<ControlEvent>& events, std::vector<ControlEvent> expected) {
    return std::equal(events.begin(), events.end(), expected.begin(), expected.end(),
                      [](const ControlEvent& a, const ControlEvent& b) { return a == b; });
  }
};

TEST_F(WatermarkValveTest, IsTheMinimumOverTheChannels) {
  WatermarkValve valve(2);
  EXPECT_TRUE(Is(Send(valve, 0, Kind::kWatermark, 10), {}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kWatermark, 5), {{Kind::kWatermark, 5}}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kWatermark, 20), {{Kind::kWatermark, 10}}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kWatermark, 15), {})) << "a channel's watermark never goes back";
}

TEST_F(WatermarkValveTest, AnIdleChannelIsNotWaitedForAndComesBackWithoutHoldingTimeBack) {
  WatermarkValve valve(2);
  Send(valve, 0, Kind::kWatermark, 10);
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kIdle), {{Kind::kWatermark, 10}}));
  EXPECT_TRUE(Is(Send(valve, 0, Kind::kWatermark, 30), {{Kind::kWatermark, 30}}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kActive), {})) << "the task as a whole was never idle";
  EXPECT_TRUE(Is(Send(valve, 0, Kind::kWatermark, 40), {{Kind::kWatermark, 40}})) << "channel 1 has not caught up yet";
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kWatermark, 45), {}));
  EXPECT_TRUE(Is(Send(valve, 0, Kind::kWatermark, 60), {{Kind::kWatermark, 45}})) << "now it counts again";
}

TEST_F(WatermarkValveTest, WhenAllFallIdleTimeGoesToTheHighestHeard) {
  WatermarkValve valve(2);
  Send(valve, 0, Kind::kWatermark, 10);
  Send(valve, 1, Kind::kWatermark, 20);
  EXPECT_TRUE(Is(Send(valve, 0, Kind::kIdle), {{Kind::kWatermark, 20}}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kIdle), {{Kind::kIdle, 0}}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kActive), {{Kind::kActive, 0}}));
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kWatermark, 25), {{Kind::kWatermark, 25}}));
}

TEST_F(WatermarkValveTest, AnEndedChannelHoldsNothingBack) {
  WatermarkValve valve(2);
  Send(valve, 0, Kind::kWatermark, 10);
  EXPECT_TRUE(Is(Send(valve, 1, Kind::kEndOfInput), {{Kind::kWatermark, 10}}));
  EXPECT_FALSE(valve.all_ended());
  EXPECT_TRUE(Is(Send(valve, 0, Kind::kEndOfInput), {{Kind::kWatermark, kMaxWatermark}}));
  EXPECT_TRUE(valve.all_ended());
}

TEST_F(WatermarkValveTest, NeverGoesBackWhateverComes) {
  SeededRandom random(7);
  for (int round = 0; round < 200; ++round) {
    const size_t channels = 1 + random.Below(4);
    WatermarkValve valve(channels);
    int64_t last = kNoTimestamp;
    std::optional<bool> idle;
    for (int i = 0; i < 200; ++i) {
      const Kind kinds[] = {Kind::kWatermark, Kind::kWatermark, Kind::kWatermark, Kind::kIdle, Kind::kActive};
      std::vector<ControlEvent> merged =
          Send(valve, random.Below(channels), kinds[random.Below(5)], static_cast<int64_t>(random.Below(1000)));
      for (const ControlEvent& event : merged) {
        if (event.kind == Kind::kWatermark) {
          EXPECT_GT(event.value, last);
          last = event.value;
        } else {
          EXPECT_NE(idle, event.kind == Kind::kIdle) << "a status is told only when it changes";
          idle = event.kind == Kind::kIdle;
        }
      }
    }
  }
}

}  // namespace
}  // namespace eagre
