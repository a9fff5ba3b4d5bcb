// Failures of a storage after which it is worth asking again: nothing is given up for them.
#pragma once

#include "base/status.h"

namespace eagre {

// It is away, or full.
inline bool MayPass(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace eagre
