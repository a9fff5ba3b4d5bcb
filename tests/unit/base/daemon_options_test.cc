#include "base/daemon_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace eagre {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Status CheckHeartbeats(const std::string& interval, const std::string& timeout) {
  Configuration config;
  EXPECT_TRUE(config.Set("heartbeat.interval", interval, "test").ok());
  EXPECT_TRUE(config.Set("heartbeat.timeout", timeout, "test").ok());
  return CheckDaemonOptions(config);
}

TEST(DaemonOptionsTest, AHeartbeatIsAwaitedForLongerThanOneInterval) {
  EXPECT_TRUE(CheckDaemonOptions(Configuration()).ok());
  EXPECT_TRUE(CheckHeartbeats("100 ms", "1 s").ok());
  for (const auto& [interval, timeout] :
       {std::pair("3 s", "1 s"), std::pair("1 s", "1 s"), std::pair("1 s", "0 s"), std::pair("0 s", "1 s")}) {
    EXPECT_THAT(std::string(StatusMessage(CheckHeartbeats(interval, timeout))),
                AllOf(HasSubstr("heartbeat.interval"), HasSubstr("heartbeat.timeout")));
  }
}

}  // namespace
}  // namespace eagre
