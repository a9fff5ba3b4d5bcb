// The command that an interrupted run prints.
#include "cli/resume_command.h"

#include <gtest/gtest.h>

namespace eagre {
namespace {

TEST(ResumeCommandTest, BeginsWithTheSavepointAndIsOtherwiseTheSame) {
  struct Case {
    std::vector<std::string> command;
    std::string resume;
  };
  const std::vector<Case> cases = {
      {{"eagre", "run", "job.so"}, "eagre run -s /sp/1 job.so"},
      {{"eagre", "-D", "a=b", "run", "-s", "/sp/0", "-p", "2", "job.so"}, "eagre -D a=b run -s /sp/1 -p 2 job.so"},
      {{"eagre", "run", "--fromSavepoint=/sp/0", "job.so"}, "eagre run -s /sp/1 job.so"},
      {{"eagre", "run", "job.so", "--", "-s", "run", "it's here", ""},
       R"(eagre run -s /sp/1 job.so -- -s run 'it'\''s here' '')"},
  };
  for (const Case& test : cases) EXPECT_EQ(ResumeCommand(test.command, "/sp/1"), test.resume);
}

TEST(ResumeCommandTest, AFinalCheckpointGoesWhereSavepointsGoOrCheckpoints) {
  Configuration config;
  proto::SubmitJobHeader header;
  EXPECT_EQ(FinalCheckpointFolder(config, header).value_or("?"), "");
  ASSERT_TRUE(config.SetProperty("execution.checkpointing.dir=/checkpoints").ok());
  EXPECT_EQ(FinalCheckpointFolder(config, header).value_or("?"), "/checkpoints");
  (*header.mutable_graph()->mutable_config())["execution.checkpointing.savepoint-dir"] = "/savepoints";
  EXPECT_EQ(FinalCheckpointFolder(config, header).value_or("?"), "/savepoints");
}

}  // namespace
}  // namespace eagre
