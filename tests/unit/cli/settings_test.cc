#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/file_system.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

std::string AddressOf(const Configuration& config, const std::string& option) {
  const StatusOr<std::string> address = JobManagerAddress(config, option);
  return address.ok() ? *address : std::string(StatusMessage(address.status()));
}

TEST(SettingsTest, TheOptionNamesTheJobManagerElseTheConfigurationElseLocalhost) {
  Configuration config;
  EXPECT_EQ(AddressOf(config, ""), "localhost:6123");
  EXPECT_EQ(AddressOf(config, "node-1:7000"), "node-1:7000");
  ASSERT_TRUE(config.SetProperty("jobmanager.rpc.address=node-2").ok());
  ASSERT_TRUE(config.SetProperty("jobmanager.rpc.port=7123").ok());
  EXPECT_EQ(AddressOf(config, ""), "node-2:7123");
  EXPECT_EQ(AddressOf(config, "node-3"), "node-3:7123");
}

TEST(SettingsTest, AnAddressThatIsNoneSaysWhatWasExpected) {
  for (const char* wrong : {":6123", "host:", "host:http", "host:0", "host:70000"}) {
    EXPECT_THAT(AddressOf(Configuration(), wrong), HasSubstr("expected host:port")) << wrong;
  }
}

TEST(SettingsTest, ACheckpointIsNamedInAnyWay) {
  const auto folder = [](const std::string& path) {
    const StatusOr<std::string> found = CheckpointFolder(path, "PATH");
    return found.ok() ? *found : std::string(StatusMessage(found.status()));
  };
  for (const char* path :
       {"/sp/one", "/sp/one/", "file:///sp/one", "file:/sp/one", "/sp/one/_metadata", "file:///sp/one/_metadata"}) {
    EXPECT_EQ(folder(path), "/sp/one") << path;
  }
  EXPECT_EQ(folder("sp/one"), AbsoluteFolder("sp/one"));
  EXPECT_EQ(folder("sp/_metadata"), AbsoluteFolder("sp"));
  EXPECT_THAT(folder("s3://bucket/sp"), HasSubstr("PATH: 's3://bucket/sp'"));
}

TEST(SettingsTest, JobsAreSentWhatConcernsThemAndAlwaysWhatShapesTheGraph) {
  Configuration config;
  ASSERT_TRUE(config.SetProperty("restart-strategy.type=fixed-delay").ok());
  ASSERT_TRUE(config.SetProperty("jobmanager.rpc.port=7123").ok());
  ASSERT_TRUE(config.SetProperty("taskmanager.numberOfTaskSlots=4").ok());
  ASSERT_TRUE(SetParallelism(3, config).ok());
  const std::map<std::string, std::string> properties = JobProperties(config);
  EXPECT_EQ(properties.at("restart-strategy.type"), "fixed-delay");
  EXPECT_EQ(properties.at("parallelism.default"), "3");
  EXPECT_EQ(properties.at("pipeline.operator-chaining.enabled"), "true");
  EXPECT_FALSE(properties.contains("jobmanager.rpc.port"));
  EXPECT_FALSE(properties.contains("taskmanager.numberOfTaskSlots"));
}

TEST(SettingsTest, PropertiesStandAboveTheFileAndErrorsNameTheirPlace) {
  const std::string path = ::testing::TempDir() + "settings_test.yaml";
  ASSERT_TRUE(PosixFileSystem().WriteFile(path, "parallelism.default: 2\npipeline.name: from the file\n").ok());
  const StatusOr<Configuration> config =
      LoadConfig({.config_file = path, .dynamic_properties = {"parallelism.default=5"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->GetInt("parallelism.default"), 5);
  EXPECT_EQ(config->GetString("pipeline.name"), "from the file");
  const StatusOr<Configuration> missing = LoadConfig({.config_file = path + ".nowhere", .dynamic_properties = {}});
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(std::string(StatusMessage(missing.status())), HasSubstr("settings_test.yaml.nowhere"));
}

}  // namespace
}  // namespace eagre
