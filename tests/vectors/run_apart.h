// Runs vectors in a process of its own, so that one that crashes costs its own result only.
#pragma once

#include <functional>

#include "tests/vectors/cep_vectors.h"

namespace eagre::vectors {

// Calls `run` with 0 to `count` - 1 in a copy of this process, and here `report` with each outcome as soon as it is
// known. One that crashes, or needs more time of the processor or more memory than a vector is given, fails, and a new
// copy goes on with the next. Call it with no other thread about.
void RunApart(size_t count, const std::function<Outcome(size_t)>& run,
              const std::function<void(size_t, Outcome)>& report);

}  // namespace eagre::vectors
