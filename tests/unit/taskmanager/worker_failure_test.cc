#include "taskmanager/worker_failure.h"

#include <gtest/gtest.h>

#include <string>

namespace eagre {
namespace {

bool MayBeTheRecords(const std::string& crash_report) {
  return DescribeWorkerExit({.exit_code = 0, .signal = 6, .crash_report = crash_report}, proto::DeployWorker())
      .in_user_code();
}

TEST(WorkerFailureTest, ACrashMayBeTheRecordsUnlessItIsOfMemoryTheStoreOrAMappedFile) {
  EXPECT_TRUE(MayBeTheRecords("signal: SIGSEGV\naddress: 0x0\noperator: risk\n"));
  EXPECT_TRUE(MayBeTheRecords("signal: SIGABRT\nreason: uncaught exception std::logic_error: no such account\n"));
  EXPECT_TRUE(MayBeTheRecords("signal: SIGABRT\n"));
  EXPECT_FALSE(MayBeTheRecords("signal: SIGABRT\nreason: uncaught exception std::bad_alloc: std::bad_alloc\n"));
  EXPECT_FALSE(MayBeTheRecords("signal: SIGABRT\nreason: uncaught exception eagre::StateError: cannot be read\n"));
  EXPECT_FALSE(MayBeTheRecords("signal: SIGBUS\n"));
  EXPECT_FALSE(MayBeTheRecords("")) << "killed from outside";
}

}  // namespace
}  // namespace eagre
