// The live partial matches of one key that are many or share what they took, with the events that they hold. Blind to
// the event's type; a value in memory and, encoded, in state.
//
// Events are kept encoded, once each. What a partial match has taken is a path in a tree: a node is an event in a stage
// and the node before it, so that partial matches that began alike share what they have in common. Partial matches lie
// in a list per automaton state, so that an event touches only the states that it concerns, and in a list per start
// event, so that expiry and skipping, which go by the start, touch only what they remove.
//
// A large one is in pages of the keyed state (cep/cell_pages.h), which outlive the instance; it is used by one key's
// event at a time then, UsePieces coming first. Whatever asks for something in pages may throw: see there.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "cep/automaton.h"
#include "cep/cell_arena.h"

namespace eagre::cep {

// Where in the order of a key's events a match starts: by time, equal times by arrival.
struct EventOrder {
  int64_t timestamp = 0;
  uint64_t arrival = 0;
  friend auto operator<=>(const EventOrder&, const EventOrder&) = default;
};

// An event as it is stored. Its encoded form follows it, or a pointer to that when it is long.
struct StoredEvent {
  EventOrder order;
  uint32_t size;
  uint32_t references;  // by nodes
};

struct PathNode {
  uint32_t event;
  uint32_t parent;      // kNoCell: the first event
  uint32_t references;  // by partial matches, completed matches and nodes
  StageId stage;
};

// All partial matches that start with one event, in the order in which they came to be.
struct StartGroup {
  uint32_t event;  // the start, which its partial matches keep
  uint32_t first;
  uint32_t last;
  uint32_t next;
  uint32_t previous;
  uint64_t numbered;  // the numbering that gave its partial matches their order
};

struct PartialMatch {
  uint32_t node;
  uint32_t group;
  uint32_t next_in_state;
  uint32_t previous_in_state;
  uint32_t next_in_group;
  uint32_t previous_in_group;
  uint32_t order;  // among those of its group, when last numbered
  StateId state;
};

// A match that is complete.
struct CompletedMatch {
  EventOrder start;
  uint32_t node;
};

// One that is held back, since an earlier one may yet prune it.
struct HeldMatch {
  CompletedMatch match;
  uint32_t next;
  uint32_t previous;
};

// The partial matches in one state.
struct StateList {
  uint32_t first;
  uint32_t last;
  uint32_t next;  // list, of the next state that has partial matches
  StateId state;
};

class MatchGraph {
 public:
  MatchGraph() = default;
  // Pages of 1 << `page_shift` cells, should there be any.
  explicit MatchGraph(uint32_t page_shift) { arena_.set_page_shift(page_shift); }
  ~MatchGraph() {
    if (!paged()) RemoveAll();
  }
  MatchGraph(MatchGraph&& other) noexcept { Swap(other); }
  MatchGraph& operator=(MatchGraph&& other) noexcept {
    Swap(other);
    return *this;
  }

  bool empty() const { return first_group_ == kNoCell && first_held_ == kNoCell; }
  uint32_t partial_count() const { return partials_; }
  uint32_t event_count() const { return events_; }
  size_t heap_bytes() const { return arena_.heap_bytes() + (paged() ? 0 : static_cast<size_t>(long_event_bytes_)); }

  // ---- reading ----
  // References are valid until something is added.
  const PartialMatch& partial(uint32_t cell) const { return As<PartialMatch>(cell); }
  const PathNode& node(uint32_t cell) const { return As<PathNode>(cell); }
  const StoredEvent& event(uint32_t cell) const { return As<StoredEvent>(cell); }
  const StartGroup& group(uint32_t cell) const { return As<StartGroup>(cell); }
  const StateList& list(uint32_t cell) const { return As<StateList>(cell); }
  std::string_view EventBytes(uint32_t event) const;
  const EventOrder& StartOf(uint32_t group_cell) const { return event(group(group_cell).event).order; }
  // When the last event that it took was.
  int64_t PreviousTimestamp(const PartialMatch& partial) const {
    return event(node(partial.node).event).order.timestamp;
  }
  // Of the first group, which there must be.
  const EventOrder& FirstStart() const { return first_start_; }
  uint32_t first_group() const { return first_group_; }
  uint32_t last_group() const { return last_group_; }
  // Lists are not empty, and in the order of their states.
  uint32_t first_list() const { return first_list_; }
  // kNoCell when no partial match is in the state.
  uint32_t FirstIn(StateId state) const;
  // Matches that are held back, by start, equal starts in the order of completion.
  bool has_completed() const { return first_held_ != kNoCell; }
  const CompletedMatch& first_completed() const { return As<HeldMatch>(first_held_).match; }
  template <typename Visit>
  void ForEachCompleted(Visit&& visit) const {
    for (uint32_t cell = first_held_; cell != kNoCell; cell = As<HeldMatch>(cell).next)
      visit(As<HeldMatch>(cell).match);
  }
  // Above the number of every cell.
  uint32_t cells_end() const { return arena_.end(); }

  // ---- changing ----
  // Space for an event's encoded form; no node refers to it yet.
  uint32_t AddEvent(int64_t timestamp, size_t size);
  char* MutableEventBytes(uint32_t event) { return const_cast<char*>(EventBytes(event).data()); }
  // A node without references, which refers to event and parent.
  uint32_t AddNode(uint32_t event, uint32_t parent, StageId stage);
  void Reference(uint32_t node) { ++As<PathNode>(node).references; }
  // Drops a reference, and what nothing refers to any more.
  void Release(uint32_t node);
  // Of partial matches whose first event it is, at the place of that in the order of groups.
  uint32_t AddGroup(uint32_t event);
  // Ends `group` if it has no partial match.
  void RemoveGroupIfEmpty(uint32_t group);
  // Behind `after` in the group, or as its last for kNoCell. Takes a reference of `node`. `by_time`: the state's list
  // is kept in the order of the previous event's time.
  uint32_t AddPartial(StateId state, uint32_t node, uint32_t group, uint32_t after, bool by_time);
  // Moves a partial match that was detached into another state. The reference of its node is the caller's to change.
  void Place(uint32_t partial, StateId state, uint32_t node, bool by_time);
  // Numbers the partial matches of a group in their order, if it is the first time since BeginNumbering.
  void BeginNumbering() { ++numberings_; }
  void NumberGroup(uint32_t group);
  // Takes all partial matches out of a state's list, which come back linked by next_in_state.
  uint32_t DetachList(StateId state);
  void DetachFromState(uint32_t partial);
  // Removes a detached partial match from its group and frees it, not its node's reference. The group may be empty
  // then.
  void Free(uint32_t partial);
  // Keeps a match, whose reference of the node goes over.
  void AddCompleted(CompletedMatch match);
  CompletedMatch TakeFirstCompleted();
  // Forgets all matches, but not how many events there were.
  void RemoveAll();
  // Forgets everything.
  void Clear();

  // ---- pages ----
  bool paged() const { return arena_.pages() != nullptr; }
  // Moves what there is to pages of the key at hand; cells keep their numbers.
  void ToPages(StatePieces& pieces);
  // The pieces of the key at hand, of one that is in pages.
  void UsePieces(StatePieces* pieces) const {
    if (paged()) const_cast<CellArena&>(arena_).pages()->UsePieces(*pieces);
  }

  // ---- durable form ----
  // Of one that is not in pages.
  void Encode(ByteWriter& out) const;
  // False on malformed bytes; the instance is then empty.
  bool Decode(ByteReader& in);
  // Of one that is: what is not in them.
  void EncodeHead(ByteWriter& out) const;
  bool DecodeHead(ByteReader& in);

 private:
  template <typename T>
  static constexpr uint32_t kCellsOf = (sizeof(T) + CellArena::kCellBytes - 1) / CellArena::kCellBytes;
  // Longer ones are outside of the arena: on the heap, or pieces of their own.
  static constexpr uint32_t kMaxInlineBytes =
      static_cast<uint32_t>(CellArena::kMaxCells * CellArena::kCellBytes - sizeof(StoredEvent));

  template <typename T>
  T& As(uint32_t cell) {
    return *reinterpret_cast<T*>(arena_.At(cell));
  }
  template <typename T>
  const T& As(uint32_t cell) const {
    return *reinterpret_cast<const T*>(arena_.At(cell));
  }
  template <typename T>
  uint32_t New(const T& value) {
    const uint32_t cell = arena_.Allocate(kCellsOf<T>);
    As<T>(cell) = value;
    return cell;
  }
  template <typename T>
  void FreeCells(uint32_t cell) {
    arena_.Free(cell, kCellsOf<T>);
  }
  static uint32_t CellsOfEvent(uint32_t size) {
    const size_t bytes = sizeof(StoredEvent) + (size > kMaxInlineBytes ? sizeof(char*) : size);
    return static_cast<uint32_t>((bytes + CellArena::kCellBytes - 1) / CellArena::kCellBytes);
  }
  void Swap(MatchGraph& other) noexcept;
  void FreeEvent(uint32_t event);
  // Moves an event's bytes from the heap to a piece, if they are there.
  void MoveLongEvent(uint32_t event);
  // The list of the state, a new one if it has none.
  uint32_t ListOf(StateId state);
  void RemoveList(uint32_t list);
  void LinkIntoState(uint32_t partial, bool by_time);
  bool DecodePaths(ByteReader& in, std::vector<uint32_t>& events, std::vector<uint32_t>& nodes);
  bool DecodeMatches(ByteReader& in, const std::vector<uint32_t>& nodes);
  bool DecodeOrder(ByteReader& in, const std::vector<uint32_t>& partials);
  uint32_t RootEventOf(uint32_t node) const;

  // What every event asks for comes first, and the arena, which begins with its bookkeeping, last.
  uint32_t first_group_ = kNoCell;
  uint32_t last_group_ = kNoCell;
  uint32_t first_list_ = kNoCell;
  uint32_t first_held_ = kNoCell;
  uint32_t last_held_ = kNoCell;
  EventOrder first_start_;
  uint64_t next_arrival_ = 0;
  uint64_t numberings_ = 0;
  uint64_t long_event_bytes_ = 0;  // outside of the arena
  uint32_t partials_ = 0;
  uint32_t events_ = 0;
  CellArena arena_;
};

}  // namespace eagre::cep
