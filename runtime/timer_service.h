// Timers per key in event time and processing time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "runtime/keyed_timer_queue.h"
#include "state/checkpointed_state.h"
#include "state/state_backend.h"

namespace eagre {

// Both time domains of one keyed operator.
template <typename K>
class TimerService {
 public:
  // As KeyedTimerQueue::Open.
  Status Open(StateBackend& backend, const std::string& operator_name) {
    EAGRE_RETURN_IF_ERROR(event_time_.Open(backend, operator_name));
    return processing_time_.Open(backend, operator_name);
  }
  KeyedTimerQueue<K>& event_time() { return event_time_; }
  KeyedTimerQueue<K>& processing_time() { return processing_time_; }
  const KeyedTimerQueue<K>& processing_time() const { return processing_time_; }
  size_t size() const { return event_time_.size() + processing_time_.size(); }
  size_t memory_bytes() const { return event_time_.memory_bytes() + processing_time_.memory_bytes(); }
  void UpdateShares() {
    event_time_.UpdateShare();
    processing_time_.UpdateShare();
  }
  const Status& status() const { return event_time_.status().ok() ? processing_time_.status() : event_time_.status(); }
  bool blocked() const { return event_time_.blocked() || processing_time_.blocked(); }
  void CollectStates(std::vector<CheckpointedState*>& states) {
    states.push_back(&event_time_);
    states.push_back(&processing_time_);
  }

 private:
  KeyedTimerQueue<K> event_time_{"event-time timers"};
  KeyedTimerQueue<K> processing_time_{"processing-time timers"};
};

}  // namespace eagre
