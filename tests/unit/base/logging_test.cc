#include "base/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/file_system.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Logging, WritesTheDaemonsLinesOfTheLevelAndAbove) {
  std::string folder = JoinPath(::testing::TempDir(), "eagre-log-XXXXXX");
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string file = JoinPath(folder, "below/daemon.log");
  ASSERT_TRUE(InitLogging({.daemon = "taskmanager", .level = LogLevel::kInfo, .file = file, .console = false}).ok());
  int evaluated = 0;
  EAGRE_LOG_INFO("slot {} of {} {{}}", 1, "job");
  EAGRE_LOG_DEBUG("not shown {}", ++evaluated);
  EAGRE_LOG_WARN("nearly full");
  EAGRE_LOG_ERROR("plain");
  const auto text = PosixFileSystem().ReadFile(file);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr(" INFO  [taskmanager] slot 1 of job {}"));
  EXPECT_THAT(*text, HasSubstr(" WARN  [taskmanager] nearly full"));
  EXPECT_THAT(*text, HasSubstr("plain"));
  EXPECT_THAT(*text, Not(HasSubstr("not shown")));
  EXPECT_EQ(evaluated, 0) << "arguments of a level that is off are not evaluated";
  ASSERT_TRUE(InitLogging({.level = LogLevel::kWarn}).ok());
  EXPECT_TRUE(PosixFileSystem().RemoveTree(folder).ok());
}

TEST(Logging, AFileThatCannotBeWrittenIsAnError) {
  const Status status = InitLogging({.file = "/proc/no/such/place.log"});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("/proc/no/such/place.log"));
}

TEST(Logging, LevelsAreReadInAnyCase) {
  EXPECT_EQ(*ParseLogLevel("WARN"), LogLevel::kWarn);
  EXPECT_EQ(*ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_THAT(std::string(StatusMessage(ParseLogLevel("loud").status())), HasSubstr("expected one of trace"));
}

}  // namespace
}  // namespace eagre
