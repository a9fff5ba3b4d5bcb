// A pipe of messages between two parties: ordered and reliable until it breaks, and known at once when it does.
//
// The control plane (JobManager, TaskManager, worker) speaks through Links alone. A message is the bytes of one
// Protobuf message. Adapters: a socket pair (socket_link.h), a pair in memory (memory_link.h), a gRPC stream (in the
// daemons), and the simulated network of the tests, which delays and breaks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/executor.h"
#include "base/status.h"

namespace eagre {

// Both are called on the executor given to Start. on_closed is called at most once and is the last call; its status
// says why (OK: the peer closed in an orderly way). Neither is called any more after Close() by this side.
struct LinkHandlers {
  std::function<void(std::string_view message)> on_message;
  std::function<void(Status reason)> on_closed;
};

class Link {
 public:
  virtual ~Link() = default;  // closes; handlers are not called any more once it returns on the handlers' executor
  // Begins delivery; what arrived before is kept until then. Called once, before any Send is expected to be answered.
  virtual void Start(Executor& executor, LinkHandlers handlers) = 0;
  // Any thread. Never blocks; dropped without a word once the link is closed (the closed handler tells).
  virtual void Send(std::string message) = 0;
  // Any thread. What was sent before is still delivered where the transport can.
  virtual void Close() = 0;
};

// A connected pair in this process. Messages hop over the receiver's executor.
std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> NewMemoryLinkPair();

// Speaks length-prefixed frames over a connected stream socket, which it owns, by a thread of its own. A message has at
// most 64 MiB; a peer that announces more is closed with DATA_LOSS, one that lets 256 MiB wait with RESOURCE_EXHAUSTED.
// Closing hands over what was sent before, for at most a second.
std::unique_ptr<Link> NewSocketLink(int fd);

}  // namespace eagre
