// A channel inside a worker: batches are moved through a bounded ring, never copied or serialised, and drained ones
// come back by a second ring to be refilled.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "runtime/channel.h"

namespace eagre {

// Makes both ends of a channel that holds at most `capacity` elements. The ends may be used by different threads or by
// one, and destroyed in any order. `type` and the wakers outlive both. A refused producer is woken when half of the
// capacity is free.
std::pair<std::unique_ptr<OutputChannel>, std::unique_ptr<InputChannel>> NewRingChannel(const BatchType& type,
                                                                                        size_t capacity,
                                                                                        Waker& producer,
                                                                                        Waker& consumer);

}  // namespace eagre
