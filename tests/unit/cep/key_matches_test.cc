// What is known of a key: as chains in its row while that is enough, then as a graph; hostile bytes do no harm.
#include "cep/key_matches.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace eagre::cep {
namespace {

void Take(MatchChains& chains, uint32_t at, int64_t timestamp, StageId stage, uint8_t arrival, std::string_view bytes) {
  chains.AddEvent(at, timestamp, stage, arrival, bytes.size(),
                  [&](char* place) { std::memcpy(place, bytes.data(), bytes.size()); });
}

void Start(MatchChains& chains, StateId state, int64_t timestamp, uint8_t arrival, std::string_view bytes) {
  Take(chains, chains.AddChain(timestamp, state), timestamp, 0, arrival, bytes);
}

std::string Encoded(const KeyMatches& matches) {
  std::string bytes;
  ByteWriter writer(bytes);
  matches.Encode(writer);
  return bytes;
}

// Two chains; the second event of the first one is the start of the other.
void FillSample(KeyMatches& matches) {
  MatchChains& chains = matches.chains();
  Start(chains, 2, 5, chains.NextArrival(), "abc");
  const uint8_t arrival = chains.NextArrival();
  Take(chains, 0, 7, 1, arrival, "shared");
  Start(chains, 3, 7, arrival, "shared");
  matches.set_timer(1000);
}

// State, then stage, time and bytes of each event, for every partial match in the order of starts.
std::string Text(const KeyMatches& matches) {
  std::string text;
  const MatchChains& chains = matches.chains();
  for (uint32_t at = 0; matches.graph() == nullptr && at < chains.end(); at = chains.At(at).end) {
    const Chain chain = chains.At(at);
    text += fmt::format("{}:", chain.state);
    for (uint32_t event_at = chain.begin; event_at < chain.end; event_at = chains.EventAt(chain, event_at).end) {
      const ChainEvent event = chains.EventAt(chain, event_at);
      text += fmt::format(" {}@{}={}", event.stage, event.timestamp, event.bytes);
    }
    text += "\n";
  }
  const MatchGraph* graph = matches.graph();
  for (uint32_t group = graph == nullptr ? kNoCell : graph->first_group(); group != kNoCell;
       group = graph->group(group).next) {
    const PartialMatch& partial = graph->partial(graph->group(group).first);
    std::string events;
    for (uint32_t node = partial.node; node != kNoCell; node = graph->node(node).parent) {
      const uint32_t event = graph->node(node).event;
      events.insert(0, fmt::format(" {}@{}={}", graph->node(node).stage, graph->event(event).order.timestamp,
                                   graph->EventBytes(event)));
    }
    text += fmt::format("{}:{}\n", partial.state, events);
  }
  return text;
}

TEST(KeyMatchesTest, TwoShortEventsLieInTheRow) {
  EXPECT_LE(sizeof(KeyMatches), 104u) << "with header and a key of eight bytes two lines of the cache";
  KeyMatches matches;
  const std::string bytes(32, 'x');
  Start(matches.chains(), 1, 5, 0, bytes);
  Take(matches.chains(), 0, 6, 1, 1, bytes);
  EXPECT_EQ(matches.heap_bytes(), 0u);
  Take(matches.chains(), 0, 7, 2, 2, bytes);
  EXPECT_GT(matches.heap_bytes(), 0u);
  EXPECT_EQ(matches.event_count(), 3u);
  matches.Clear();
  EXPECT_EQ(matches.heap_bytes(), 0u);
  EXPECT_TRUE(matches.empty());
}

TEST(KeyMatchesTest, AGraphHasWhatTheChainsHad) {
  KeyMatches matches;
  FillSample(matches);
  const std::string text = Text(matches);
  EXPECT_EQ(text, "2: 0@5=abc 1@7=shared\n3: 0@7=shared\n");
  EXPECT_EQ(matches.event_count(), 2u) << "an event that two have taken is one";
  const MatchGraph& graph = matches.ToGraph([](StateId) { return false; });
  EXPECT_EQ(Text(matches), text);
  EXPECT_EQ(matches.event_count(), 2u);
  EXPECT_EQ(matches.partial_count(), 2u);
  EXPECT_EQ(matches.timer(), 1000);
  EXPECT_EQ(graph.node(graph.partial(graph.FirstIn(2)).node).event,
            graph.node(graph.partial(graph.FirstIn(3)).node).event);
  matches.RemoveAll();
  EXPECT_EQ(matches.graph(), nullptr);
  EXPECT_EQ(matches.timer(), 1000);
}

TEST(KeyMatchesTest, BothFormsAreDecodedAsTheyWereEncoded) {
  for (const bool as_graph : {false, true}) {
    KeyMatches matches;
    FillSample(matches);
    if (as_graph) matches.ToGraph([](StateId) { return true; });
    const std::string bytes = Encoded(matches);
    KeyMatches decoded;
    ByteReader reader(bytes);
    ASSERT_TRUE(decoded.Decode(reader));
    EXPECT_TRUE(reader.empty());
    EXPECT_EQ(decoded.graph() != nullptr, as_graph);
    EXPECT_EQ(Text(decoded), Text(matches));
    EXPECT_EQ(decoded.timer(), 1000);
    EXPECT_EQ(Encoded(decoded), bytes);
  }
}

// The pieces of one key, in memory.
class KeyPieces {
 public:
  KeyPieces() {
    EXPECT_TRUE(pieces_.Open(nullptr, "test", 128).ok());
    pieces_.SelectKey(7, key_);
  }
  StatePieces& pieces() { return pieces_; }
  // That there are after a batch.
  size_t Count() {
    pieces_.table().FinishBatch();
    return pieces_.table().row_count();
  }

 private:
  const int64_t key_ = 7;
  KeyedStatePieces<int64_t> pieces_{"pieces", TypeInfoOf<std::string>()};
};

// A graph of several pages, with an event that is a piece of its own.
void FillPages(KeyMatches& matches, StatePieces& pieces) {
  FillSample(matches);
  MatchGraph& graph = matches.ToGraph([](StateId) { return false; }, CellArena::kMinPageShift);
  const auto add = [&](std::string_view bytes) {
    const uint32_t event = graph.AddEvent(10, bytes.size());
    bytes.copy(graph.MutableEventBytes(event), bytes.size());
    const uint32_t node = graph.AddNode(event, kNoCell, 0);
    graph.AddPartial(2, node, graph.AddGroup(event), kNoCell, false);
  };
  add(std::string(500, 'l'));
  graph.ToPages(pieces);
  add(std::string(600, 'm'));
  add("short");
}

TEST(KeyMatchesTest, OfAGraphInPagesTheRowHasTheHead) {
  KeyPieces pieces;
  std::string text;
  std::string bytes;
  {
    KeyMatches matches;
    FillPages(matches, pieces.pieces());
    text = Text(matches);
    bytes = Encoded(matches);
  }
  EXPECT_LT(bytes.size(), 64u);
  EXPECT_GT(pieces.Count(), 5u) << "they outlive the object";
  KeyMatches decoded;
  ByteReader reader(bytes);
  ASSERT_TRUE(decoded.Decode(reader) && reader.empty());
  EXPECT_EQ(decoded.partial_count(), 5u);
  EXPECT_EQ(decoded.timer(), 1000);
  decoded.graph()->UsePieces(&pieces.pieces());
  EXPECT_EQ(Text(decoded), text);
  EXPECT_EQ(Encoded(decoded), bytes);
  decoded.RemoveAll();
  EXPECT_EQ(pieces.Count(), 0u);
}

TEST(KeyMatchesTest, APieceThatIsMissingIsAnError) {
  KeyPieces pieces;
  KeyMatches matches;
  FillPages(matches, pieces.pieces());
  const std::string bytes = Encoded(matches);
  KeyMatches decoded;
  ByteReader reader(bytes);
  ASSERT_TRUE(decoded.Decode(reader));
  KeyPieces none;
  decoded.graph()->UsePieces(&none.pieces());
  EXPECT_THROW(Text(decoded), StateError);
  for (size_t i = 0; i < bytes.size(); ++i) {
    KeyMatches cut;
    ByteReader shorter(std::string_view(bytes).substr(0, i));
    EXPECT_FALSE(cut.Decode(shorter));
    EXPECT_TRUE(cut.empty());
  }
}

TEST(KeyMatchesTest, MalformedBytesAreRefusedAndLeaveNothing) {
  for (const bool as_graph : {false, true}) {
    KeyMatches sample;
    FillSample(sample);
    if (as_graph) sample.ToGraph([](StateId) { return true; });
    const std::string bytes = Encoded(sample);
    for (size_t i = 0; i < bytes.size(); ++i) {
      KeyMatches cut;
      ByteReader reader(std::string_view(bytes).substr(0, i));
      EXPECT_FALSE(cut.Decode(reader));
      EXPECT_TRUE(cut.empty());
      EXPECT_EQ(cut.timer(), INT64_MAX);
      for (const char wrong : {'\x00', '\x01', '\x7f', '\xff'}) {
        std::string changed = bytes;
        changed[i] = wrong;
        KeyMatches matches;
        ByteReader other(changed);
        const bool valid = matches.Decode(other);
        EXPECT_TRUE(valid || matches.empty());
        if (valid && matches.graph() == nullptr) matches.ToGraph([](StateId) { return false; });
      }
    }
  }
}

// The first chain stays while others come and go, so that the numbers of arrival are used up again and again.
TEST(KeyMatchesTest, ArrivalsKeepTheirOrderHoweverManyThereWere) {
  KeyMatches matches;
  MatchChains& chains = matches.chains();
  Start(chains, 1, 0, chains.NextArrival(), "first");
  for (int64_t i = 1; i < 2000; ++i) {
    const uint8_t arrival = chains.NextArrival();
    Start(chains, 2, i, arrival, "a");
    Take(chains, chains.At(0).end, i, 1, arrival, "a");
    ASSERT_EQ(matches.event_count(), i == 1 ? 2u : 3u);
    if (i > 1) chains.Remove(chains.At(0).end, chains.At(chains.At(0).end).end);
  }
  EXPECT_EQ(matches.partial_count(), 2u);
  const std::string text = Text(matches);
  const MatchGraph& graph = matches.ToGraph([](StateId) { return false; });
  EXPECT_EQ(Text(matches), text);
  EXPECT_LT(graph.StartOf(graph.first_group()), graph.StartOf(graph.last_group()));
}

TEST(KeyMatchesTest, ChainsTakeNoMoreThanTheyCanHold) {
  MatchChains chains;
  EXPECT_FALSE(chains.Takes(MatchChains::kMaxBytes, 0, 1));
  EXPECT_TRUE(chains.Takes(1000, 0, 1));
  Start(chains, 1, 10, 0, std::string(1000, 'x'));
  EXPECT_TRUE(chains.Takes(900, 1, 0));
  EXPECT_FALSE(chains.Takes(900, 1, 1)) << "too much";
  const Chain chain = chains.At(0);
  EXPECT_TRUE(MatchChains::InOrder(chain, 10));
  EXPECT_FALSE(MatchChains::InOrder(chain, 9)) << "starts are in order";
  EXPECT_TRUE(MatchChains::InOrder(chain, 10 + int64_t{UINT32_MAX}));
  EXPECT_FALSE(MatchChains::InOrder(chain, 11 + int64_t{UINT32_MAX})) << "too long after the start";
  chains.Clear();
}

}  // namespace
}  // namespace eagre::cep
