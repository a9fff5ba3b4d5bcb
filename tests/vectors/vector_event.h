// The event of the CEP vectors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "record/record.h"

namespace eagre::vectors {

struct VectorEvent {
  std::string type;  // "Event" or "SubEvent"
  double id = 0;
  std::string name;
  double price = 0;
  std::optional<double> volume;
};
EAGRE_RECORD(VectorEvent, type, id, name, price, volume);

// Equal for equal events.
std::string TextOf(const VectorEvent& event);

}  // namespace eagre::vectors
