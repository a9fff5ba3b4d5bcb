// The test binary started again as a worker: what it does is the mode that the test asked for.
#pragma once

#include <string>
#include <string_view>

namespace eagre {

constexpr std::string_view kTestWorkerVerb = "test-worker";

// Runs in the child. `mode` is the argument after the verb.
int TestWorkerMain(const std::string& mode, int argc, char** argv);

}  // namespace eagre
