// What the handles of states with TTL (eagre/ttl_state.h) share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "eagre/state_ttl.h"
#include "eagre/ttl_slots.h"

namespace eagre {
namespace internal {

// Of a state of the given kind.
template <typename Kind>
class TtlHandle : public StateHandle {
 protected:
  using Slot = typename Kind::Slot;

  TtlHandle(StateOwner* owner, std::string name, StateKind kind, const TypeInfo* key_type, const TypeInfo* value_type,
            const StateTtl& ttl)
      : StateHandle(owner, std::move(name), kind, key_type, value_type, kTimedSlotOps<Kind>, ttl.time_to_live_ms()),
        ttl_(ttl) {}

  const Slot& held() const { return *static_cast<const Slot*>(slot()); }
  // To be changed.
  Slot& changed() { return *static_cast<Slot*>(mutable_slot()); }
  // What was last used then, or before, has expired.
  int64_t LimitMs(int64_t now_ms) const { return now_ms - ttl_.time_to_live_ms(); }
  // Whether reading what was last used then makes it used now.
  bool Renews(int64_t time_ms, int64_t now_ms) const { return ttl_.updates_on_read() && time_ms != now_ms; }
  bool returns_expired() const { return ttl_.returns_expired(); }

 private:
  StateTtl ttl_;
};

// A value that expires as a whole.
template <typename T>
class TtlSingle : public TtlHandle<TimedValueSlot<T>> {
  using Base = TtlHandle<TimedValueSlot<T>>;

 protected:
  TtlSingle(StateOwner* owner, std::string name, StateKind kind, const StateTtl& ttl)
      : Base(owner, std::move(name), kind, nullptr, &TypeInfoOf<T>(), ttl) {}

  const T* Read() {
    const TimedValue<T>& held = this->held();
    if (!held.value) return nullptr;
    const int64_t now_ms = this->now_ms();
    if (held.time_ms <= this->LimitMs(now_ms)) return TakeExpired();
    if (this->Renews(held.time_ms, now_ms)) this->changed().time_ms = now_ms;
    return &*held.value;
  }
  // To be changed, none where there is none to go on with.
  std::optional<T>& Write() {
    TimedValue<T>& held = this->changed();
    const int64_t now_ms = this->now_ms();
    if (!this->returns_expired()) held.Expire(this->LimitMs(now_ms));
    held.time_ms = now_ms;
    return held.value;
  }
  void Reset() { this->changed().value.reset(); }

 private:
  const T* TakeExpired() {
    TimedValue<T>& held = this->changed();
    if (this->returns_expired()) expired_ = std::move(held.value);
    held.value.reset();
    return this->returns_expired() ? &*expired_ : nullptr;
  }

  std::optional<T> expired_;  // returned last
};

}  // namespace internal

}  // namespace eagre
