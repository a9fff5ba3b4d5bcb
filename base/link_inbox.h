// The receiving half that adapters of Link share: keeps what arrives until Start, then hands it to the handlers on
// their executor, in order, and stops at once when its own side closes.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/link.h"

namespace eagre {

// Thread-safe. Always held by a shared_ptr: what was posted to the executor keeps it alive. The executor must outlive
// it.
class LinkInbox : public std::enable_shared_from_this<LinkInbox> {
 public:
  static std::shared_ptr<LinkInbox> New() { return std::shared_ptr<LinkInbox>(new LinkInbox()); }

  void Start(Executor& executor, LinkHandlers handlers);
  // A message arrived. Ignored after PeerClosed or Detach.
  void Deliver(std::string message);
  // Nothing arrives any more; only the first reason counts.
  void PeerClosed(Status reason);
  // This side closed: once it returns on the handlers' executor no handler is called any more.
  void Detach();

  // Bytes that arrived and have not been handled yet: an adapter stops reading while they are too many.
  size_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }

 private:
  LinkInbox() = default;
  // Both need the lock, since the order of posts is the order of messages.
  void PostMessage(std::string message);
  void PostClosed(Status reason);

  std::mutex mutex_;
  Executor* executor_ = nullptr;
  std::shared_ptr<LinkHandlers>
      handlers_;                   // null before Start and after the end; a running call holds its own reference
  std::deque<std::string> early_;  // arrived before Start
  std::optional<Status> closed_;
  bool detached_ = false;
  std::atomic<size_t> waiting_bytes_{0};
};

}  // namespace eagre
