// Visits of a shop's users: the same events for the same number, so that a job can be run again.
#pragma once

#include <cstdint>

#include "examples/cep/events.h"

namespace shop {

// Event `index` of the stream, whose times rise by about 20 ms an event, up to two seconds out of order. Fills `event`.
void MakeEvent(int64_t index, int64_t users, UserEvent& event);

}  // namespace shop
