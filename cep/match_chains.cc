#include "cep/match_chains.h"

#include <algorithm>
#include <array>
#include <new>

namespace eagre::cep {
namespace {

constexpr size_t kArrivals = std::numeric_limits<uint8_t>::max();  // the numbers that there may be

}  // namespace

uint32_t MatchChains::count() const {
  uint32_t chains = 0;
  for (uint32_t at = 0; at < used_; at = At(at).end) ++chains;
  return chains;
}

int64_t MatchChains::LastTimestamp(const Chain& chain) const {
  int64_t timestamp = chain.start;
  for (uint32_t at = chain.begin; at < chain.end;) {
    const ChainEvent event = EventAt(chain, at);
    timestamp = event.timestamp;
    at = event.end;
  }
  return timestamp;
}

void MatchChains::Remove(uint32_t begin, uint32_t end) {
  char* bytes = data();
  std::memmove(bytes + begin, bytes + end, used_ - end);
  used_ = static_cast<uint16_t>(used_ - (end - begin));
}

void MatchChains::Grow(uint32_t needed) {
  const uint32_t capacity = std::max<uint32_t>(needed, std::min<uint32_t>(2 * used_, kMaxBytes));
  auto* block = static_cast<char*>(::operator new(capacity));
  std::memcpy(block, data(), used_);
  if (place_ == Place::kBlock) FreeBlock();
  Store(inline_, block);
  Store(inline_ + sizeof(block), capacity);
  place_ = Place::kBlock;
}

void MatchChains::FreeBlock() {
  ::operator delete(data());
}

template <typename Visit>
void MatchChains::ForEachArrival(Visit&& visit) {
  for (uint32_t at = 0; at < used_;) {
    const Chain chain = At(at);
    for (uint32_t event_at = chain.begin; event_at < chain.end; event_at = EventAt(chain, event_at).end) {
      visit(reinterpret_cast<uint8_t&>(data()[event_at + 7]));
    }
    at = chain.end;
  }
}

uint32_t MatchChains::event_count() const {
  std::array<bool, kArrivals> seen{};
  const_cast<MatchChains*>(this)->ForEachArrival([&](uint8_t& arrival) { seen[arrival] = true; });
  return static_cast<uint32_t>(std::count(seen.begin(), seen.end(), true));
}

void MatchChains::Renumber() {
  std::array<bool, kArrivals> seen{};
  std::array<uint8_t, kArrivals> numbers{};
  ForEachArrival([&](uint8_t& arrival) { seen[arrival] = true; });
  next_arrival_ = 0;
  for (size_t i = 0; i < kArrivals; ++i) {
    if (seen[i]) numbers[i] = next_arrival_++;
  }
  ForEachArrival([&](uint8_t& arrival) { arrival = numbers[arrival]; });
}

void MatchChains::Encode(ByteWriter& out) const {
  out.Varint(next_arrival_);
  out.Varint(count());
  for (uint32_t at = 0; at < used_;) {
    const Chain chain = At(at);
    out.SignedVarint(chain.start);
    out.Varint(chain.state);
    uint32_t events = 0;
    for (uint32_t event_at = chain.begin; event_at < chain.end; event_at = EventAt(chain, event_at).end) ++events;
    out.Varint(events);
    for (uint32_t event_at = chain.begin; event_at < chain.end;) {
      const ChainEvent event = EventAt(chain, event_at);
      out.Varint(static_cast<uint64_t>(event.timestamp) - static_cast<uint64_t>(chain.start));
      out.Varint(event.stage);
      out.Varint(event.arrival);
      out.String(event.bytes);
      event_at = event.end;
    }
    at = chain.end;
  }
}

bool MatchChains::Decode(ByteReader& in) {
  Clear();
  uint64_t chains = 0;
  bool valid = in.Varint(next_arrival_) && in.Varint(chains);
  for (uint64_t i = 0; valid && i < chains; ++i) valid = DecodeChain(in);
  if (!valid) Clear();
  return valid;
}

bool MatchChains::DecodeChain(ByteReader& in) {
  int64_t start = 0;
  StateId state = 0;
  uint64_t events = 0;
  if (!in.SignedVarint(start) || !in.Varint(state) || !in.Varint(events) || events == 0) return false;
  if (used_ + kChainBytes > UINT16_MAX) return false;
  const uint32_t at = AddChain(start, state);
  for (uint64_t i = 0; i < events; ++i) {
    uint32_t after_start_ms = 0;
    uint8_t stage = 0;
    uint8_t arrival = 0;
    std::string_view bytes;
    if (!in.Varint(after_start_ms) || !in.Varint(stage) || !in.Varint(arrival) || !in.String(bytes)) return false;
    if (arrival >= next_arrival_ || used_ + kEventBytes + bytes.size() > UINT16_MAX) return false;
    if (i == 0 && after_start_ms != 0) return false;
    const auto timestamp = static_cast<int64_t>(static_cast<uint64_t>(start) + after_start_ms);
    AddEvent(at, timestamp, stage, arrival, bytes.size(),
             [&](char* place) { std::memcpy(place, bytes.data(), bytes.size()); });
  }
  return true;
}

}  // namespace eagre::cep
