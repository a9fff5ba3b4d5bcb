#include "runtime/source_events.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace eagre {
namespace {

std::vector<SourceEvent> AllKinds() {
  return {
      {.kind = SourceEvent::Kind::kReaderRegistered},
      {.kind = SourceEvent::Kind::kReaderRegistered, .splits = {{"file@0-10", "at 7"}}},
      {.kind = SourceEvent::Kind::kSplitRequest},
      {.kind = SourceEvent::Kind::kSplitFinished, .split_id = "file@0-10"},
      {.kind = SourceEvent::Kind::kWatermarkReport, .watermark_ms = -5},
      {.kind = SourceEvent::Kind::kAssignSplits, .splits = {{"a", "state"}, {"b", ""}}},
      {.kind = SourceEvent::Kind::kNoMoreSplits},
      {.kind = SourceEvent::Kind::kAllowedWatermark, .watermark_ms = kMaxWatermark},
  };
}

TEST(SourceEventsTest, EveryMessageComesBackAsItWas) {
  for (const SourceEvent& event : AllKinds()) {
    const StatusOr<SourceEvent> decoded = DecodeSourceEvent(EncodeSourceEvent(event));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, event);
  }
}

TEST(SourceEventsTest, WhatIsTooShortOrTooLongIsRefused) {
  for (const SourceEvent& event : AllKinds()) {
    const std::string bytes = EncodeSourceEvent(event);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_TRUE(absl::IsDataLoss(DecodeSourceEvent(bytes.substr(0, size)).status()));
    }
    EXPECT_TRUE(absl::IsDataLoss(DecodeSourceEvent(bytes + "x").status()));
  }
}

TEST(SourceEventsTest, AnyBytesAreAMessageOrAnError) {
  SeededRandom random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random.Below(24), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Below(random.Below(2) == 0 ? 20 : 256));
    const StatusOr<SourceEvent> event = DecodeSourceEvent(bytes);
    if (!event.ok()) continue;
    EXPECT_EQ(*DecodeSourceEvent(EncodeSourceEvent(*event)), *event);
  }
}

}  // namespace
}  // namespace eagre
