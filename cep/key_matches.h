// What is known of one key: its live partial matches and its timer. Few and simple ones lie in the key's row itself
// (cep/match_chains.h), others in a graph on the heap (cep/match_graph.h), until all are gone. A value in memory and,
// encoded, in state. An empty one stands for a key that nothing is known of.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>

#include "base/bytes.h"
#include "cep/match_chains.h"
#include "cep/match_graph.h"

namespace eagre::cep {

class KeyMatches {
 public:
  KeyMatches() = default;
  ~KeyMatches() { Forget(); }
  KeyMatches(const KeyMatches&) = delete;
  KeyMatches& operator=(const KeyMatches&) = delete;

  bool empty() const { return graph() == nullptr ? chains_.empty() : graph()->empty(); }
  // Of live partial matches.
  uint32_t partial_count() const { return graph() == nullptr ? chains_.count() : graph()->partial_count(); }
  uint32_t event_count() const { return graph() == nullptr ? chains_.event_count() : graph()->event_count(); }
  size_t heap_bytes() const {
    return graph() == nullptr ? chains_.heap_bytes() : sizeof(MatchGraph) + graph()->heap_bytes();
  }
  // Starts loading what will be asked for into the cache.
  void Prefetch() const { chains_.Prefetch(); }

  // When the key's timer is due, which is before any event finds something over; INT64_MAX: it has none.
  int64_t timer() const { return timer_; }
  void set_timer(int64_t timestamp) { timer_ = timestamp; }

  // Null while the matches are chains; then chains() holds none.
  MatchGraph* graph() { return static_cast<MatchGraph*>(chains_.elsewhere()); }
  const MatchGraph* graph() const { return static_cast<const MatchGraph*>(chains_.elsewhere()); }
  MatchChains& chains() { return chains_; }
  const MatchChains& chains() const { return chains_; }

  // Makes a graph of the chains, each of which gets a group of its own, in their order. `by_time(state)`: the list of a
  // state is kept in the order of the previous event's time. Pages, should there be any, are of 1 << `page_shift`
  // cells.
  MatchGraph& ToGraph(absl::FunctionRef<bool(StateId)> by_time, uint32_t page_shift = CellArena::kPageShift);
  // Ends all matches, those in pages too, but not the timer.
  void RemoveAll() {
    if (graph() != nullptr) graph()->RemoveAll();
    Forget();
  }
  // Ends everything.
  void Clear() {
    RemoveAll();
    timer_ = INT64_MAX;
  }

  // The durable form: the timer (a signed varint), a byte for the form of the matches, and they; of a graph in pages,
  // which are pieces of the keyed state, its head.
  void Encode(ByteWriter& out) const;
  // False on malformed bytes; the instance is then empty.
  bool Decode(ByteReader& in);

 private:
  // Forgets what there is in memory. Pages stay.
  void Forget() {
    if (graph() != nullptr) FreeGraph();
    chains_.Clear();
  }
  void FreeGraph();

  int64_t timer_ = INT64_MAX;
  MatchChains chains_;
};

}  // namespace eagre::cep
