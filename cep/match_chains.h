// The live partial matches of one key while they are few and simple: each started with an event of its own and is a
// chain of the events that it has taken. All lie behind each other in one piece of memory, which is part of the key's
// row as long as that has room: looking at them touches two or three lines of the cache. Blind to the event's type.
//
// An event that several partial matches have taken is stored with each; its arrival number tells that it is one event.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/bytes.h"
#include "cep/automaton.h"

namespace eagre::cep {

// An event that a partial match has taken.
struct ChainEvent {
  int64_t timestamp;
  StageId stage;
  uint8_t arrival;         // the order among all events of the key; equal ones are one event
  std::string_view bytes;  // encoded
  uint32_t end;            // where the next one of the chain is
};

// One partial match. A plain value, valid until something changes.
struct Chain {
  uint32_t at;
  int64_t start;  // the time of its first event
  StateId state;
  uint32_t begin;  // of its events
  uint32_t end;    // of the chain, where the next chain is
};

// A plain value, whose owner gives its memory back by Clear. Chains are in the order of their starts. What is handed
// out is valid until something is added or removed.
class MatchChains {
 public:
  // What may be held. More of what was stored is read all the same.
  static constexpr uint32_t kMaxBytes = 2048;  // less than 255 events
  static constexpr uint32_t kMaxChains = 8;
  static constexpr uint32_t kMaxStage = std::numeric_limits<uint8_t>::max();
  static constexpr uint32_t kChainBytes = sizeof(int64_t) + sizeof(StateId) + sizeof(uint16_t);
  static constexpr uint32_t kEventBytes = sizeof(uint32_t) + sizeof(uint16_t) + 2;

  bool empty() const { return used_ == 0; }
  // The chains are at [0, end()).
  uint32_t end() const { return used_; }
  uint32_t count() const;
  uint32_t event_count() const;  // one that several chains have taken counts once
  Chain At(uint32_t at) const {
    const char* head = data() + at;
    const uint32_t begin = at + kChainBytes;
    return {at, Load<int64_t>(head), Load<StateId>(head + 8), begin, begin + Load<uint16_t>(head + 10)};
  }
  // The event at `at`, which is in [chain.begin, chain.end).
  ChainEvent EventAt(const Chain& chain, uint32_t at) const {
    const char* head = data() + at;
    const auto bytes = Load<uint16_t>(head + 4);
    return {static_cast<int64_t>(static_cast<uint64_t>(chain.start) + Load<uint32_t>(head)),
            static_cast<uint8_t>(head[6]),
            static_cast<uint8_t>(head[7]),
            {head + kEventBytes, bytes},
            at + kEventBytes + bytes};
  }
  // When the last event that it took was.
  int64_t LastTimestamp(const Chain& chain) const;
  size_t heap_bytes() const { return place_ == Place::kBlock ? block_bytes() : 0; }
  void Prefetch() const {
    if (place_ == Place::kInline) return;
    for (uint32_t offset = 0; offset < kPrefetchedBytes; offset += 64) __builtin_prefetch(data() + offset, 1, 3);
  }

  // Whether the chain can take an event at `timestamp`: not when a clock went back.
  static bool InOrder(const Chain& chain, int64_t timestamp) {
    return timestamp >= chain.start && static_cast<uint64_t>(timestamp) - static_cast<uint64_t>(chain.start) <=
                                           std::numeric_limits<uint32_t>::max();
  }
  // Whether an event of `bytes` can be put into `takes` chains that there are and `starts` new ones.
  bool Takes(size_t bytes, uint32_t takes, uint32_t starts) const {
    return bytes <= kMaxBytes && used_ + (takes + starts) * (kEventBytes + bytes) + starts * kChainBytes <= kMaxBytes;
  }

  // A number for an event that is taken now.
  uint8_t NextArrival() {
    if (next_arrival_ == std::numeric_limits<uint8_t>::max()) [[unlikely]]
      Renumber();
    return next_arrival_++;
  }
  // Adds an event to the chain at `at`; `encode(place)` writes its `bytes`. REQUIRES: Takes.
  template <typename Encode>
  void AddEvent(uint32_t at, int64_t timestamp, StageId stage, uint8_t arrival, size_t bytes, Encode&& encode) {
    const Chain chain = At(at);
    const auto added = static_cast<uint32_t>(kEventBytes + bytes);
    char* place = MakeGap(chain.end, added);
    Store(place, static_cast<uint32_t>(static_cast<uint64_t>(timestamp) - static_cast<uint64_t>(chain.start)));
    Store(place + 4, static_cast<uint16_t>(bytes));
    place[6] = static_cast<char>(stage);
    place[7] = static_cast<char>(arrival);
    encode(place + kEventBytes);
    Store(data() + at + 10, static_cast<uint16_t>(chain.end - chain.begin + added));
  }
  // A chain without events behind all others.
  uint32_t AddChain(int64_t start, StateId state) {
    const uint32_t at = used_;
    char* head = MakeGap(at, kChainBytes);
    Store(head, start);
    Store(head + 8, state);
    Store(head + 10, uint16_t{0});
    return at;
  }
  void SetState(uint32_t at, StateId state) { Store(data() + at + 8, state); }
  void Remove(uint32_t begin, uint32_t end);
  void Clear() {
    if (place_ == Place::kBlock) FreeBlock();
    place_ = Place::kInline;
    used_ = 0;
    next_arrival_ = 0;
  }

  // Chains may instead be the place for the address of what holds the matches in another form. Null when they are not;
  // nothing but this, Prefetch and Clear may be called when they are.
  void* elsewhere() const { return place_ == Place::kElsewhere ? Load<void*>(inline_) : nullptr; }
  void SetElsewhere(void* address) {
    Clear();
    place_ = Place::kElsewhere;
    Store(inline_, address);
  }

  // The durable form; numbers are varints unless said otherwise: next arrival number, number of chains; each: start
  // (signed), state, number of events; each: milliseconds since the start, stage, arrival, size, bytes.
  void Encode(ByteWriter& out) const;
  // False on malformed bytes; empty then.
  bool Decode(ByteReader& in);

 private:
  enum class Place : uint8_t { kInline, kBlock, kElsewhere };

  // Two events of 32 bytes, and with the rest of the key's row two lines of the cache.
  static constexpr uint32_t kInlineBytes = 92;
  static constexpr uint32_t kPrefetchedBytes = 192;

  template <typename V>
  static V Load(const char* from) {
    V value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }
  template <typename V>
  static void Store(char* to, V value) {
    std::memcpy(to, &value, sizeof(value));
  }
  const char* data() const { return place_ == Place::kInline ? inline_ : Load<const char*>(inline_); }
  char* data() { return place_ == Place::kInline ? inline_ : Load<char*>(inline_); }
  uint32_t block_bytes() const { return Load<uint32_t>(inline_ + sizeof(char*)); }
  // Makes room for `bytes` before what is at `at`.
  char* MakeGap(uint32_t at, uint32_t bytes) {
    const uint32_t needed = used_ + bytes;
    if (needed > (place_ == Place::kInline ? kInlineBytes : block_bytes())) [[unlikely]]
      Grow(needed);
    char* place = data() + at;
    if (at != used_) std::memmove(place + bytes, place, used_ - at);
    used_ = static_cast<uint16_t>(needed);
    return place;
  }
  void Grow(uint32_t needed);
  void FreeBlock();
  // Gives the events arrival numbers from zero on, in their order.
  void Renumber();
  // Calls visit(arrival) for all events, chain by chain.
  template <typename Visit>
  void ForEachArrival(Visit&& visit);
  bool DecodeChain(ByteReader& in);

  uint16_t used_ = 0;
  Place place_ = Place::kInline;
  uint8_t next_arrival_ = 0;
  char inline_[kInlineBytes];  // or the address of the block and its size; or that of what is elsewhere
};

}  // namespace eagre::cep
