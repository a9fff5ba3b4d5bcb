// The durable form of a key's matches: hostile bytes do no harm, and an empty key holds nothing.
#include "cep/match_graph.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace eagre::cep {
namespace {

// Two starts that share no event, one of which has gone two ways.
MatchGraph Sample() {
  MatchGraph matches;
  for (int64_t timestamp : {5, 7}) {
    const uint32_t event = matches.AddEvent(timestamp, 3);
    std::string_view("abc").copy(matches.MutableEventBytes(event), 3);
    const uint32_t node = matches.AddNode(event, kNoCell, 0);
    const uint32_t group = matches.AddGroup(event);
    matches.AddPartial(2, node, group, kNoCell, true);
    matches.AddPartial(1, matches.AddNode(event, node, 1), group, kNoCell, false);
    matches.Reference(node);
    matches.AddCompleted({matches.event(event).order, node});
  }
  return matches;
}

std::string Encoded(const MatchGraph& matches) {
  std::string bytes;
  ByteWriter writer(bytes);
  matches.Encode(writer);
  return bytes;
}

TEST(MatchGraphTest, DecodesWhatItEncoded) {
  const std::string bytes = Encoded(Sample());
  MatchGraph matches;
  ByteReader reader(bytes);
  ASSERT_TRUE(matches.Decode(reader));
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(matches.partial_count(), 4u);
  EXPECT_EQ(matches.event_count(), 2u);
  int completed = 0;
  matches.ForEachCompleted([&](const CompletedMatch&) { ++completed; });
  EXPECT_EQ(completed, 2);
  EXPECT_EQ(Encoded(matches), bytes);
}

TEST(MatchGraphTest, MalformedBytesAreRefusedAndLeaveNothing) {
  const std::string bytes = Encoded(Sample());
  for (size_t i = 0; i < bytes.size(); ++i) {
    MatchGraph cut;
    ByteReader reader(std::string_view(bytes).substr(0, i));
    EXPECT_FALSE(cut.Decode(reader));
    EXPECT_TRUE(cut.empty());
    EXPECT_EQ(cut.event_count(), 0u);
    for (const char wrong : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[i] = wrong;
      MatchGraph matches;
      ByteReader other(changed);
      const bool valid = matches.Decode(other);
      EXPECT_TRUE(valid || matches.event_count() == 0);
    }
  }
}

TEST(MatchGraphTest, EventsGoWithTheLastMatchThatHoldsThem) {
  MatchGraph matches = Sample();
  matches.Release(matches.TakeFirstCompleted().node);
  EXPECT_EQ(matches.event_count(), 2u) << "partial matches still hold it";
  matches.Clear();
  EXPECT_EQ(matches.event_count(), 0u);
  EXPECT_TRUE(matches.empty());
}

TEST(MatchGraphTest, AShortPartialMatchNeedsNoHeap) {
  MatchGraph matches;
  const uint32_t event = matches.AddEvent(5, 40);
  const uint32_t node = matches.AddNode(event, kNoCell, 0);
  matches.AddPartial(1, node, matches.AddGroup(event), kNoCell, false);
  EXPECT_EQ(matches.heap_bytes(), 0u);
  MatchGraph moved = std::move(matches);
  EXPECT_EQ(moved.event(event).size, 40u);
  EXPECT_EQ(moved.FirstIn(1), moved.group(moved.first_group()).first);
}

TEST(MatchGraphTest, LongEventsAreKeptAndLetGo) {
  const std::string text(1000, 'x');
  MatchGraph matches;
  const auto add = [&](int64_t timestamp) {
    const uint32_t event = matches.AddEvent(timestamp, text.size());
    text.copy(matches.MutableEventBytes(event), text.size());
    const uint32_t node = matches.AddNode(event, kNoCell, 0);
    matches.AddPartial(1, node, matches.AddGroup(event), kNoCell, false);
    return event;
  };
  const uint32_t first = add(1);
  add(2);
  EXPECT_EQ(matches.EventBytes(first), text);
  EXPECT_GE(matches.heap_bytes(), 2 * text.size());
  MatchGraph decoded;
  const std::string bytes = Encoded(matches);
  ByteReader reader(bytes);
  ASSERT_TRUE(decoded.Decode(reader));
  EXPECT_EQ(Encoded(decoded), bytes);
  matches.RemoveAll();
  EXPECT_EQ(matches.heap_bytes(), 0u);
  EXPECT_TRUE(matches.empty());
}

TEST(CellArenaTest, WhatIsFreedIsUsedAgainAndGrowthKeepsTheRest) {
  CellArena arena;
  std::vector<std::pair<uint32_t, uint32_t>> pieces;  // cell, length
  for (uint32_t i = 0; i < 200; ++i) {
    const uint32_t length = 1 + i % CellArena::kMaxCells;
    pieces.emplace_back(arena.Allocate(length), length);
    std::memset(arena.At(pieces.back().first), static_cast<int>(i), length * CellArena::kCellBytes);
  }
  for (uint32_t i = 0; i < 200; ++i) {
    const auto [cell, length] = pieces[i];
    EXPECT_EQ(std::string_view(arena.At(cell), length * CellArena::kCellBytes),
              std::string(length * CellArena::kCellBytes, static_cast<char>(i)));
  }
  const uint32_t end = arena.end();
  for (const auto& [cell, length] : pieces) arena.Free(cell, length);
  for (const auto& [cell, length] : pieces) arena.Allocate(length);
  EXPECT_EQ(arena.end(), end);
  arena.Clear();
  EXPECT_EQ(arena.heap_bytes(), 0u);
}

}  // namespace
}  // namespace eagre::cep
