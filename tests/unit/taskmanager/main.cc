// The test binary is also its own worker.
#include <gtest/gtest.h>

#include <string_view>

#include "taskmanager/worker_main.h"
#include "tests/unit/taskmanager/test_worker.h"

int main(int argc, char** argv) {
  if (argc > 2 && std::string_view(argv[1]) == eagre::kTestWorkerVerb)
    return eagre::TestWorkerMain(argv[2], argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == "worker") return eagre::WorkerMain(argc - 2, argv + 2);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
