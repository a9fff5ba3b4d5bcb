#include "cep/match_graph.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace eagre::cep {

void MatchGraph::Swap(MatchGraph& other) noexcept {
  arena_.Swap(other.arena_);
  std::swap(first_group_, other.first_group_);
  std::swap(last_group_, other.last_group_);
  std::swap(first_list_, other.first_list_);
  std::swap(partials_, other.partials_);
  std::swap(events_, other.events_);
  std::swap(next_arrival_, other.next_arrival_);
  std::swap(numberings_, other.numberings_);
  std::swap(long_event_bytes_, other.long_event_bytes_);
  std::swap(first_held_, other.first_held_);
  std::swap(last_held_, other.last_held_);
  std::swap(first_start_, other.first_start_);
}

void MatchGraph::RemoveAll() {
  // Long events are outside of the arena and go with the last node that refers to them.
  if (long_event_bytes_ > 0) {
    for (uint32_t group_cell = first_group_; group_cell != kNoCell; group_cell = group(group_cell).next) {
      for (uint32_t cell = group(group_cell).first; cell != kNoCell; cell = partial(cell).next_in_group) {
        Release(partial(cell).node);
      }
    }
    ForEachCompleted([this](const CompletedMatch& match) { Release(match.node); });
    EAGRE_DCHECK(events_ == 0);
  }
  arena_.Clear();
  first_group_ = last_group_ = first_list_ = first_held_ = last_held_ = kNoCell;
  partials_ = events_ = 0;
  long_event_bytes_ = 0;
}

void MatchGraph::Clear() {
  RemoveAll();
  next_arrival_ = numberings_ = 0;
}

// ---- events and paths ----

std::string_view MatchGraph::EventBytes(uint32_t cell) const {
  const uint32_t size = event(cell).size;
  const char* stored = arena_.At(cell) + sizeof(StoredEvent);
  if (size <= kMaxInlineBytes) return {stored, size};
  if (paged()) return arena_.pages()->LongBytes(cell, size);
  const char* elsewhere = nullptr;
  std::memcpy(&elsewhere, stored, sizeof(elsewhere));
  return {elsewhere, size};
}

uint32_t MatchGraph::AddEvent(int64_t timestamp, size_t size) {
  EAGRE_CHECK(size <= UINT32_MAX);
  const auto narrow = static_cast<uint32_t>(size);
  const uint32_t cell = arena_.Allocate(CellsOfEvent(narrow));
  As<StoredEvent>(cell) = {.order = {timestamp, next_arrival_++}, .size = narrow, .references = 0};
  if (narrow > kMaxInlineBytes) {
    const char* bytes = paged() ? nullptr : new char[narrow];
    std::memcpy(arena_.At(cell) + sizeof(StoredEvent), &bytes, sizeof(bytes));
    if (paged()) arena_.pages()->AddLong(cell, narrow);
    long_event_bytes_ += narrow;
  }
  ++events_;
  return cell;
}

void MatchGraph::FreeEvent(uint32_t cell) {
  const uint32_t size = event(cell).size;
  if (size > kMaxInlineBytes) {
    if (paged()) {
      arena_.pages()->RemoveLong(cell);
    } else {
      delete[] EventBytes(cell).data();
    }
    long_event_bytes_ -= size;
  }
  arena_.Free(cell, CellsOfEvent(size));
  --events_;
}

uint32_t MatchGraph::AddNode(uint32_t event, uint32_t parent, StageId stage) {
  const uint32_t cell = New(PathNode{.event = event, .parent = parent, .references = 0, .stage = stage});
  ++As<StoredEvent>(event).references;
  if (parent != kNoCell) Reference(parent);
  return cell;
}

void MatchGraph::Release(uint32_t cell) {
  while (cell != kNoCell && --As<PathNode>(cell).references == 0) {
    const PathNode freed = node(cell);
    FreeCells<PathNode>(cell);
    if (--As<StoredEvent>(freed.event).references == 0) FreeEvent(freed.event);
    cell = freed.parent;
  }
}

// ---- groups ----

uint32_t MatchGraph::AddGroup(uint32_t event_cell) {
  const EventOrder start = event(event_cell).order;
  uint32_t before = last_group_;
  while (before != kNoCell && start < StartOf(before)) before = group(before).previous;
  const uint32_t after = before == kNoCell ? first_group_ : group(before).next;
  const uint32_t cell = New(StartGroup{
      .event = event_cell, .first = kNoCell, .last = kNoCell, .next = after, .previous = before, .numbered = 0});
  (before == kNoCell ? first_group_ : As<StartGroup>(before).next) = cell;
  (after == kNoCell ? last_group_ : As<StartGroup>(after).previous) = cell;
  if (before == kNoCell) first_start_ = start;
  return cell;
}

void MatchGraph::RemoveGroupIfEmpty(uint32_t cell) {
  const StartGroup removed = group(cell);
  if (removed.first != kNoCell) return;
  (removed.previous == kNoCell ? first_group_ : As<StartGroup>(removed.previous).next) = removed.next;
  (removed.next == kNoCell ? last_group_ : As<StartGroup>(removed.next).previous) = removed.previous;
  FreeCells<StartGroup>(cell);
  if (removed.previous == kNoCell && removed.next != kNoCell) first_start_ = StartOf(removed.next);
}

void MatchGraph::NumberGroup(uint32_t cell) {
  StartGroup& numbered = As<StartGroup>(cell);
  if (numbered.numbered == numberings_) return;
  numbered.numbered = numberings_;
  uint32_t order = 0;
  for (uint32_t partial_cell = numbered.first; partial_cell != kNoCell;
       partial_cell = partial(partial_cell).next_in_group) {
    As<PartialMatch>(partial_cell).order = order++;
  }
}

// ---- states ----

uint32_t MatchGraph::FirstIn(StateId state) const {
  for (uint32_t cell = first_list_; cell != kNoCell; cell = list(cell).next) {
    if (list(cell).state == state) return list(cell).first;
  }
  return kNoCell;
}

uint32_t MatchGraph::ListOf(StateId state) {
  uint32_t before = kNoCell;
  uint32_t cell = first_list_;
  for (; cell != kNoCell && list(cell).state < state; cell = list(cell).next) before = cell;
  if (cell != kNoCell && list(cell).state == state) return cell;
  const uint32_t added = New(StateList{.first = kNoCell, .last = kNoCell, .next = cell, .state = state});
  (before == kNoCell ? first_list_ : As<StateList>(before).next) = added;
  return added;
}

void MatchGraph::RemoveList(uint32_t removed) {
  uint32_t* link = &first_list_;
  while (*link != removed) link = &As<StateList>(*link).next;
  *link = list(removed).next;
  FreeCells<StateList>(removed);
}

void MatchGraph::LinkIntoState(uint32_t cell, bool by_time) {
  const uint32_t list_cell = ListOf(partial(cell).state);
  StateList& into = As<StateList>(list_cell);
  PartialMatch& linked = As<PartialMatch>(cell);
  uint32_t before = into.last;
  if (by_time) {
    const int64_t timestamp = PreviousTimestamp(linked);
    while (before != kNoCell && PreviousTimestamp(partial(before)) > timestamp) {
      before = partial(before).previous_in_state;
    }
  }
  const uint32_t after = before == kNoCell ? into.first : partial(before).next_in_state;
  linked.previous_in_state = before;
  linked.next_in_state = after;
  (before == kNoCell ? into.first : As<PartialMatch>(before).next_in_state) = cell;
  (after == kNoCell ? into.last : As<PartialMatch>(after).previous_in_state) = cell;
}

uint32_t MatchGraph::DetachList(StateId state) {
  for (uint32_t cell = first_list_; cell != kNoCell; cell = list(cell).next) {
    if (list(cell).state != state) continue;
    const uint32_t first = list(cell).first;
    RemoveList(cell);
    return first;
  }
  return kNoCell;
}

void MatchGraph::DetachFromState(uint32_t cell) {
  const PartialMatch& detached = partial(cell);
  const uint32_t list_cell = ListOf(detached.state);
  StateList& from = As<StateList>(list_cell);
  const uint32_t before = detached.previous_in_state;
  const uint32_t after = detached.next_in_state;
  (before == kNoCell ? from.first : As<PartialMatch>(before).next_in_state) = after;
  (after == kNoCell ? from.last : As<PartialMatch>(after).previous_in_state) = before;
  if (from.first == kNoCell) RemoveList(list_cell);
}

// ---- partial matches ----

uint32_t MatchGraph::AddPartial(StateId state, uint32_t node, uint32_t group_cell, uint32_t after, bool by_time) {
  const uint32_t cell = arena_.Allocate(kCellsOf<PartialMatch>);
  StartGroup& into = As<StartGroup>(group_cell);
  if (after == kNoCell) after = into.last;
  const uint32_t next = after == kNoCell ? kNoCell : partial(after).next_in_group;
  As<PartialMatch>(cell) = {.node = node,
                            .group = group_cell,
                            .next_in_state = kNoCell,
                            .previous_in_state = kNoCell,
                            .next_in_group = next,
                            .previous_in_group = after,
                            .order = 0,
                            .state = state};
  (after == kNoCell ? into.first : As<PartialMatch>(after).next_in_group) = cell;
  (next == kNoCell ? into.last : As<PartialMatch>(next).previous_in_group) = cell;
  Reference(node);
  LinkIntoState(cell, by_time);
  ++partials_;
  return cell;
}

void MatchGraph::Place(uint32_t cell, StateId state, uint32_t node, bool by_time) {
  PartialMatch& placed = As<PartialMatch>(cell);
  placed.state = state;
  placed.node = node;
  LinkIntoState(cell, by_time);
}

void MatchGraph::Free(uint32_t cell) {
  const PartialMatch& freed = partial(cell);
  StartGroup& from = As<StartGroup>(freed.group);
  (freed.previous_in_group == kNoCell ? from.first : As<PartialMatch>(freed.previous_in_group).next_in_group) =
      freed.next_in_group;
  (freed.next_in_group == kNoCell ? from.last : As<PartialMatch>(freed.next_in_group).previous_in_group) =
      freed.previous_in_group;
  FreeCells<PartialMatch>(cell);
  --partials_;
}

// ---- matches that are held back ----

void MatchGraph::AddCompleted(CompletedMatch match) {
  // Those of one event come in the order of their starts, mostly behind all others.
  uint32_t before = last_held_;
  while (before != kNoCell && match.start < std::as_const(*this).As<HeldMatch>(before).match.start) {
    before = std::as_const(*this).As<HeldMatch>(before).previous;
  }
  const uint32_t after = before == kNoCell ? first_held_ : std::as_const(*this).As<HeldMatch>(before).next;
  const uint32_t cell = New(HeldMatch{.match = match, .next = after, .previous = before});
  (before == kNoCell ? first_held_ : As<HeldMatch>(before).next) = cell;
  (after == kNoCell ? last_held_ : As<HeldMatch>(after).previous) = cell;
}

CompletedMatch MatchGraph::TakeFirstCompleted() {
  const uint32_t cell = first_held_;
  const HeldMatch taken = std::as_const(*this).As<HeldMatch>(cell);
  FreeCells<HeldMatch>(cell);
  first_held_ = taken.next;
  (taken.next == kNoCell ? last_held_ : As<HeldMatch>(taken.next).previous) = kNoCell;
  return taken.match;
}

// ---- pages ----

void MatchGraph::ToPages(StatePieces& pieces) {
  arena_.ToPages(pieces);
  if (long_event_bytes_ == 0) return;
  const auto move_path = [this](uint32_t cell) {
    for (; cell != kNoCell; cell = node(cell).parent) MoveLongEvent(node(cell).event);
  };
  for (uint32_t group_cell = first_group_; group_cell != kNoCell; group_cell = group(group_cell).next) {
    for (uint32_t cell = group(group_cell).first; cell != kNoCell; cell = partial(cell).next_in_group) {
      move_path(partial(cell).node);
    }
  }
  ForEachCompleted([&](const CompletedMatch& match) { move_path(match.node); });
}

void MatchGraph::MoveLongEvent(uint32_t cell) {
  const uint32_t size = event(cell).size;
  if (size <= kMaxInlineBytes) return;
  char* stored = arena_.At(cell) + sizeof(StoredEvent);
  const char* bytes = nullptr;
  std::memcpy(&bytes, stored, sizeof(bytes));
  if (bytes == nullptr) return;
  std::memcpy(arena_.pages()->AddLong(cell, size), bytes, size);
  delete[] bytes;
  std::memset(stored, 0, sizeof(bytes));
}

}  // namespace eagre::cep
