// The worker's side of the data exchange with its peers: one connection per pair of workers, many channels on it,
// credits per channel, and operator events (what coordinators and source readers say to each other).
//
// Flow control: a sender may have as many frames outstanding on a channel as the receiver granted. The receiver grants
// `buffers_per_channel` when it opens the channel and gives credits back by quarters as its task takes frames, so one
// slow consumer holds back its own channels and nobody else's, and unsent data stays with its producer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "runtime/channel.h"
#include "runtime/data_network.h"

namespace eagre {

// Names a channel the same way at both ends: the edge's index in the job graph and the two subtasks.
struct ChannelId {
  int32_t edge = 0;
  int32_t source_subtask = 0;
  int32_t target_subtask = 0;
  uint64_t Packed() const {  // 24 + 20 + 20 bits
    return uint64_t(edge) << 40 | uint64_t(source_subtask) << 20 | uint64_t(target_subtask);
  }
};

struct ExchangeOptions {
  std::string token;
  int32_t worker_index = 0;
  size_t buffer_bytes = 128 * 1024;  // a frame is sent when it holds this much; one larger record makes a larger frame
  int buffers_per_channel = 4;
  // taskmanager.network.max-frame-size: a frame that a single record makes larger than this is refused, and the peer
  // that it was for is reported as lost.
  size_t max_frame_bytes = 256u << 20;
};

// Create*, Open and Send* may be called on any thread; channels are then used by their task's slot only.
class Exchange {
 public:
  struct Handlers {
    // A peer is gone or sent what is not of this protocol. On the network's thread.
    std::function<void(int32_t worker_index, Status reason)> on_peer_lost;
    // An operator event from a peer (or from this worker itself). On the network's thread, or the sender's when local.
    std::function<void(std::string_view event)> on_operator_event;
  };
  Exchange(DataNetwork& network, ExchangeOptions options, Handlers handlers);
  ~Exchange();

  // Opens the data port; the address for WorkerReady.
  StatusOr<std::string> Listen();
  // Connects to the peers: addresses by worker index, this worker's own included. Of each pair the worker with the
  // lower index connects. Channels may be created before and after.
  void ConnectPeers(const std::vector<std::string>& addresses);

  // `waker` is called when credits return after the channel refused.
  std::unique_ptr<OutputChannel> CreateOutput(int32_t peer, ChannelId id, const BatchType& type, Waker& waker);
  // `waker` is called when a frame arrives at an empty channel.
  std::unique_ptr<InputChannel> CreateInput(int32_t peer, ChannelId id, const BatchType& type, Waker& waker);

  void SendOperatorEvent(int32_t peer, std::string event);
  // No handler is called any more once it returned. Channels must not be used after it.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
