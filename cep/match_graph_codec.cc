// The durable form of a MatchGraph that is not in pages. All numbers are varints unless said otherwise:
//
//   next arrival number
//   events:   count; each: timestamp (signed), arrival, size, bytes
//   nodes:    count; each: event, parent + 1 (0: none), stage; parents first
//   groups:   count, in the order of their starts; each: timestamp (signed), arrival, number of partial matches, and
//   for
//             each, in order: state, node, timestamp of the event taken last (signed)
//   order:    for each state with more than one partial match: state, then the indexes of its partial matches as listed
//             above, in the list's order; ended by the number of states (a state id that cannot be)
//   completed matches: count; each: timestamp (signed), arrival, node
//
// Events and nodes are numbered in the order in which they are written.
//
// Of one in pages these hold the cells as they are in memory, little-endian. Its head is:
//
//   the arena's: log2 of the cells of a page, cells used, the first freed stretch of each length
//   next arrival number, numberings, partial matches, events, bytes of long events
//   first start: timestamp (signed), arrival
//   first group, last group, first list, first and last match held back
//
// A cell is given as its number + 1 (0: none). A change of what cells hold is a new form of KeyMatches.
#include <utility>

#include "cep/match_graph.h"

namespace eagre::cep {
namespace {

class PathWriter {
 public:
  explicit PathWriter(const MatchGraph& matches)
      : matches_(matches), event_numbers_(matches.cells_end(), 0), node_numbers_(matches.cells_end(), 0) {}

  void Visit(uint32_t node) {
    size_t first = nodes_.size();
    for (; node != kNoCell && node_numbers_[node] == 0; node = matches_.node(node).parent) {
      nodes_.push_back(node);
      node_numbers_[node] = kSeen;
    }
    // From the root down, so that parents come first.
    for (size_t last = nodes_.size(); first + 1 < last; ++first, --last) std::swap(nodes_[first], nodes_[last - 1]);
    for (; numbered_ < nodes_.size(); ++numbered_) {
      node_numbers_[nodes_[numbered_]] = static_cast<uint32_t>(numbered_ + 1);
      const uint32_t event = matches_.node(nodes_[numbered_]).event;
      if (event_numbers_[event] != 0) continue;
      events_.push_back(event);
      event_numbers_[event] = static_cast<uint32_t>(events_.size());
    }
  }

  uint32_t NumberOf(uint32_t node) const { return node_numbers_[node] - 1; }

  void Write(ByteWriter& out) const {
    out.Varint(events_.size());
    for (const uint32_t cell : events_) {
      const StoredEvent& event = matches_.event(cell);
      out.SignedVarint(event.order.timestamp);
      out.Varint(event.order.arrival);
      out.String(matches_.EventBytes(cell));
    }
    out.Varint(nodes_.size());
    for (const uint32_t cell : nodes_) {
      const PathNode& node = matches_.node(cell);
      out.Varint(event_numbers_[node.event] - 1);
      out.Varint(node.parent == kNoCell ? 0 : node_numbers_[node.parent]);
      out.Varint(node.stage);
    }
  }

 private:
  static constexpr uint32_t kSeen = UINT32_MAX;

  const MatchGraph& matches_;
  std::vector<uint32_t> event_numbers_;  // by cell, from 1
  std::vector<uint32_t> node_numbers_;
  std::vector<uint32_t> events_;
  std::vector<uint32_t> nodes_;
  size_t numbered_ = 0;
};

constexpr uint64_t kEndOfStates = UINT16_MAX;

}  // namespace

void MatchGraph::Encode(ByteWriter& out) const {
  PathWriter paths(*this);
  uint64_t groups = 0;
  for (uint32_t group_cell = first_group_; group_cell != kNoCell; group_cell = group(group_cell).next, ++groups) {
    for (uint32_t cell = group(group_cell).first; cell != kNoCell; cell = partial(cell).next_in_group) {
      paths.Visit(partial(cell).node);
    }
  }
  uint64_t completed = 0;
  ForEachCompleted([&](const CompletedMatch& match) { paths.Visit(match.node), ++completed; });
  out.Varint(next_arrival_);
  paths.Write(out);
  out.Varint(groups);
  std::vector<uint32_t> indexes(cells_end());
  uint32_t index = 0;
  for (uint32_t group_cell = first_group_; group_cell != kNoCell; group_cell = group(group_cell).next) {
    out.SignedVarint(StartOf(group_cell).timestamp);
    out.Varint(StartOf(group_cell).arrival);
    uint64_t partials = 0;
    const uint32_t first = group(group_cell).first;
    for (uint32_t cell = first; cell != kNoCell; cell = partial(cell).next_in_group) ++partials;
    out.Varint(partials);
    for (uint32_t cell = first; cell != kNoCell; cell = partial(cell).next_in_group) {
      indexes[cell] = index++;
      out.Varint(partial(cell).state);
      out.Varint(paths.NumberOf(partial(cell).node));
      out.SignedVarint(PreviousTimestamp(partial(cell)));
    }
  }
  for (uint32_t list_cell = first_list_; list_cell != kNoCell; list_cell = list(list_cell).next) {
    if (list(list_cell).first == list(list_cell).last) continue;
    out.Varint(list(list_cell).state);
    for (uint32_t cell = list(list_cell).first; cell != kNoCell; cell = partial(cell).next_in_state) {
      out.Varint(indexes[cell]);
    }
  }
  out.Varint(kEndOfStates);
  out.Varint(completed);
  ForEachCompleted([&](const CompletedMatch& match) {
    out.SignedVarint(match.start.timestamp);
    out.Varint(match.start.arrival);
    out.Varint(paths.NumberOf(match.node));
  });
}

void MatchGraph::EncodeHead(ByteWriter& out) const {
  arena_.EncodeHead(out);
  out.Varint(next_arrival_);
  out.Varint(numberings_);
  out.Varint(partials_);
  out.Varint(events_);
  out.Varint(long_event_bytes_);
  out.SignedVarint(first_start_.timestamp);
  out.Varint(first_start_.arrival);
  for (const uint32_t cell : {first_group_, last_group_, first_list_, first_held_, last_held_}) {
    out.Varint(cell == kNoCell ? 0 : cell + 1);
  }
}

bool MatchGraph::DecodeHead(ByteReader& in) {
  if (!arena_.DecodeHead(in) || !in.Varint(next_arrival_) || !in.Varint(numberings_) || !in.Varint(partials_) ||
      !in.Varint(events_) || !in.Varint(long_event_bytes_) || !in.SignedVarint(first_start_.timestamp) ||
      !in.Varint(first_start_.arrival)) {
    return false;
  }
  for (uint32_t* cell : {&first_group_, &last_group_, &first_list_, &first_held_, &last_held_}) {
    if (!in.Varint(*cell)) return false;
    *cell = *cell == 0 ? kNoCell : *cell - 1;
  }
  // A key that holds nothing has no pages.
  return !empty();
}

bool MatchGraph::Decode(ByteReader& in) {
  Clear();
  std::vector<uint32_t> events;
  std::vector<uint32_t> nodes;
  const bool valid = in.Varint(next_arrival_) && DecodePaths(in, events, nodes) && DecodeMatches(in, nodes);
  // Until here every event and node was held by this call, so that malformed bytes leave nothing behind.
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) Release(*node);
  for (const uint32_t cell : events) {
    if (--As<StoredEvent>(cell).references == 0) FreeEvent(cell);
  }
  if (!valid) Clear();
  return valid;
}

bool MatchGraph::DecodePaths(ByteReader& in, std::vector<uint32_t>& events, std::vector<uint32_t>& nodes) {
  uint64_t count = 0;
  if (!in.Varint(count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    EventOrder order;
    std::string_view bytes;
    if (!in.SignedVarint(order.timestamp) || !in.Varint(order.arrival) || !in.String(bytes)) return false;
    const uint64_t next_arrival = next_arrival_;
    const uint32_t cell = AddEvent(order.timestamp, bytes.size());
    next_arrival_ = next_arrival;
    As<StoredEvent>(cell).order = order;
    As<StoredEvent>(cell).references = 1;
    bytes.copy(MutableEventBytes(cell), bytes.size());
    events.push_back(cell);
  }
  if (!in.Varint(count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint32_t event = 0;
    uint32_t parent = 0;
    StageId stage = 0;
    if (!in.Varint(event) || !in.Varint(parent) || !in.Varint(stage)) return false;
    if (event >= events.size() || parent > nodes.size()) return false;
    nodes.push_back(AddNode(events[event], parent == 0 ? kNoCell : nodes[parent - 1], stage));
    Reference(nodes.back());
  }
  return true;
}

uint32_t MatchGraph::RootEventOf(uint32_t cell) const {
  while (node(cell).parent != kNoCell) cell = node(cell).parent;
  return node(cell).event;
}

bool MatchGraph::DecodeMatches(ByteReader& in, const std::vector<uint32_t>& nodes) {
  uint64_t groups = 0;
  if (!in.Varint(groups)) return false;
  std::vector<uint32_t> partials;
  for (uint64_t i = 0; i < groups; ++i) {
    EventOrder start;
    uint64_t count = 0;
    if (!in.SignedVarint(start.timestamp) || !in.Varint(start.arrival) || !in.Varint(count) || count == 0) return false;
    uint32_t group_cell = kNoCell;
    for (uint64_t j = 0; j < count; ++j) {
      StateId state = 0;
      uint32_t node = 0;
      int64_t previous_timestamp = 0;  // the event's own
      if (!in.Varint(state) || !in.Varint(node) || !in.SignedVarint(previous_timestamp)) return false;
      if (node >= nodes.size() || state == kEndOfStates) return false;
      const uint32_t root = RootEventOf(nodes[node]);
      if (group_cell == kNoCell) {
        if (event(root).order != start) return false;
        group_cell = AddGroup(root);
      }
      // A group names its start by the event, which its partial matches must keep.
      if (group(group_cell).event != root) return RemoveGroupIfEmpty(group_cell), false;
      partials.push_back(AddPartial(state, nodes[node], group_cell, kNoCell, /*by_time=*/false));
    }
  }
  if (!DecodeOrder(in, partials)) return false;
  uint64_t completed = 0;
  if (!in.Varint(completed)) return false;
  for (uint64_t i = 0; i < completed; ++i) {
    CompletedMatch match;
    if (!in.SignedVarint(match.start.timestamp) || !in.Varint(match.start.arrival) || !in.Varint(match.node))
      return false;
    if (match.node >= nodes.size()) return false;
    match.node = nodes[match.node];
    Reference(match.node);
    AddCompleted(match);
  }
  return true;
}

bool MatchGraph::DecodeOrder(ByteReader& in, const std::vector<uint32_t>& partials) {
  std::vector<bool> linked(partials.size());
  for (;;) {
    StateId state = 0;
    if (!in.Varint(state)) return false;
    if (state == kEndOfStates) return true;
    std::vector<uint32_t> order;
    for (uint32_t cell = FirstIn(state); cell != kNoCell; cell = partial(cell).next_in_state) {
      uint32_t index = 0;
      if (!in.Varint(index) || index >= partials.size() || linked[index]) return false;
      if (partial(partials[index]).state != state) return false;
      linked[index] = true;
      order.push_back(partials[index]);
    }
    if (order.empty()) return false;
    DetachList(state);
    for (const uint32_t cell : order) LinkIntoState(cell, /*by_time=*/false);
  }
}

}  // namespace eagre::cep
