// How long keyed state stays that is not used: the time to live of Flink's StateTtlConfig.
//
//   TtlValueState<Location> last_{this, "last seen", StateTtl(24h)};
//   TtlMapState<std::string, int64_t> devices_{this, "devices", StateTtl(30 * 24h).UpdateOnReadAndWrite()};
//
// The states that take it are in eagre/ttl_state.h.
#pragma once

#include <chrono>
#include <cstdint>

namespace eagre {

/// Time is processing time: the clock of the machine. Immutable: the functions return a changed copy.
class StateTtl {
 public:
  /// What was last used so long ago has expired: at least 1 ms. As UpdateOnCreateAndWrite and NeverReturnExpired.
  explicit StateTtl(std::chrono::milliseconds time_to_live) : time_to_live_ms_(time_to_live.count()) {}
  /// Nothing expires, though the state remembers when it was used: a time to live may be given to it later.
  static StateTtl Disabled() { return StateTtl(std::chrono::milliseconds::max()); }

  /// To write is to use: the time to live begins anew.
  [[nodiscard]] StateTtl UpdateOnCreateAndWrite() const { return With(&StateTtl::updates_on_read_, false); }
  /// So is to read. Then every read is a change, which the next checkpoint writes.
  [[nodiscard]] StateTtl UpdateOnReadAndWrite() const { return With(&StateTtl::updates_on_read_, true); }
  /// What has expired is never seen again.
  [[nodiscard]] StateTtl NeverReturnExpired() const { return With(&StateTtl::returns_expired_, false); }
  /// Who reads what has expired still gets it, once, if it was not removed yet.
  [[nodiscard]] StateTtl ReturnExpiredIfNotCleanedUp() const { return With(&StateTtl::returns_expired_, true); }

  int64_t time_to_live_ms() const { return time_to_live_ms_; }
  bool updates_on_read() const { return updates_on_read_; }
  bool returns_expired() const { return returns_expired_; }

 private:
  StateTtl With(bool StateTtl::*option, bool value) const {
    StateTtl changed = *this;
    changed.*option = value;
    return changed;
  }

  int64_t time_to_live_ms_;
  bool updates_on_read_ = false;
  bool returns_expired_ = false;
};

}  // namespace eagre
