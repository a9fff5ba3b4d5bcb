#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/older_keys.h"
#include "tests/testing/paths.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string YamlError(std::string_view yaml) {
  Configuration config;
  const Status status = config.LoadYaml(yaml, "eagre.yaml");
  EXPECT_FALSE(status.ok()) << yaml;
  EXPECT_TRUE(config.ExplicitValues().empty()) << "a document with errors sets nothing";
  return std::string(StatusMessage(status));
}

TEST(Config, DefaultsAreFlinksAndValidForTheirTypes) {
  std::set<std::string_view> keys;
  for (const ConfigOption& option : ConfigOptions()) {
    EXPECT_TRUE(keys.insert(option.key).second) << option.key << " stands twice in the table";
    Configuration config;
    EXPECT_TRUE(config.Set(option.key, option.default_value, "default").ok()) << option.key;
    EXPECT_TRUE(option.meaning.ends_with('.')) << option.key << ": a meaning is a sentence";
  }
  const Configuration config;
  EXPECT_EQ(config.GetInt("jobmanager.rpc.port"), 6123);
  EXPECT_EQ(config.GetDurationMs("execution.buffer-timeout.interval"), 100);
  EXPECT_EQ(config.GetBytes("taskmanager.memory.segment-size"), 131072);
  EXPECT_EQ(config.GetString("restart-strategy.type"), "none");
  EXPECT_EQ(config.GetDouble("restart-strategy.exponential-delay.backoff-multiplier"), 1.5);
  EXPECT_EQ(config.GetInt("restart-strategy.exponential-delay.attempts-before-reset-backoff"), INT64_MAX);
  EXPECT_TRUE(config.GetBool("pipeline.operator-chaining.enabled"));
  EXPECT_EQ(config.Origin("parallelism.default"), "default");
  EXPECT_FALSE(config.IsSet("parallelism.default"));
}

TEST(Config, ReadsNestedAndDottedKeysAndRemembersTheLine) {
  Configuration config;
  ASSERT_TRUE(config
                  .LoadYaml("# a comment\n"
                            "jobmanager:\n"
                            "  rpc:\n"
                            "    address: node1\n"
                            "    port: 7000\n"
                            "taskmanager.numberOfTaskSlots: 4\n"
                            "metrics.reporter:\n"
                            "  prom.port: 9300-9310\n",
                            "eagre.yaml")
                  .ok());
  EXPECT_EQ(config.GetString("jobmanager.rpc.address"), "node1");
  EXPECT_EQ(config.GetInt("jobmanager.rpc.port"), 7000);
  EXPECT_EQ(config.Origin("jobmanager.rpc.port"), "eagre.yaml:5");
  EXPECT_EQ(config.GetInt("taskmanager.numberOfTaskSlots"), 4);
  EXPECT_EQ(config.GetPortRange("metrics.reporter.prom.port").first, 9300);
  EXPECT_EQ(config.GetPortRange("metrics.reporter.prom.port").last, 9310);
  EXPECT_TRUE(config.LoadYaml("", "empty.yaml").ok());
  EXPECT_TRUE(config.IsSet("jobmanager.rpc.port"));
}

TEST(Config, AnUnknownKeyNamesThePlaceAndTheNearestKey) {
  EXPECT_EQ(YamlError("parallelism.default: 2\n\ntaskmanager.numberOfTaskSlot: 4\n"),
            "eagre.yaml:3: unknown key 'taskmanager.numberOfTaskSlot'; did you mean 'taskmanager.numberOfTaskSlots'?");
  EXPECT_EQ(YamlError("jobmanager:\n  rpc:\n    prot: 1\n"),
            "eagre.yaml:3: unknown key 'jobmanager.rpc.prot'; did you mean 'jobmanager.rpc.port'?");
  EXPECT_THAT(YamlError("zzz: 1"), HasSubstr("`eagre config` lists all keys"));
}

TEST(Config, AnOlderNameThatFlinkHasForAKeyLeadsToIt) {
  EXPECT_EQ(YamlError("state.backend: rocksdb"),
            "eagre.yaml:1: unknown key 'state.backend'; did you mean 'state.backend.type'?");
  EXPECT_THAT(YamlError("state.checkpoints.dir: /x"), HasSubstr("did you mean 'execution.checkpointing.dir'?"));
  EXPECT_THAT(YamlError("state.savepoints.dir: /x"),
              HasSubstr("did you mean 'execution.checkpointing.savepoint-dir'?"));
  EXPECT_THAT(YamlError("restart-strategy: none"), HasSubstr("did you mean 'restart-strategy.type'?"));
  EXPECT_THAT(YamlError("execution.buffer-timeout: 1 s"),
              HasSubstr("did you mean 'execution.buffer-timeout.interval'?"));
}

TEST(Config, OlderNamesAreOfKeysThatThereAreAndNoKeysThemselves) {
  for (const OlderKey& older : OlderKeys()) {
    EXPECT_NE(FindConfigOption(older.key), nullptr) << older.key;
    EXPECT_EQ(FindConfigOption(older.name), nullptr) << older.name;
  }
}

TEST(Config, ABadValueNamesWhatWasExpected) {
  EXPECT_EQ(YamlError("parallelism.default: many"),
            "eagre.yaml:1: 'many' is no value for 'parallelism.default'; expected a whole number from 1 to 32768");
  EXPECT_THAT(YamlError("parallelism.default: 0"), HasSubstr("from 1 to"));
  EXPECT_THAT(YamlError("heartbeat.timeout: soon"), HasSubstr("expected a duration such as"));
  EXPECT_THAT(YamlError("taskmanager.memory.segment-size: -1"), HasSubstr("expected a memory size such as"));
  EXPECT_THAT(YamlError("restart-strategy.type: maybe"),
              HasSubstr("one of none, fixed-delay, failure-rate, exponential-delay"));
  EXPECT_THAT(YamlError("jobmanager.rpc.port: 70000"), HasSubstr("a port from 0 to 65535"));
  EXPECT_THAT(YamlError("metrics.reporter.prom.port: 9260-9250"), HasSubstr("or a range"));
  EXPECT_THAT(YamlError("pipeline.operator-chaining.enabled: 1"), HasSubstr("true or false"));
  EXPECT_THAT(YamlError("restart-strategy.exponential-delay.jitter-factor: nan"), HasSubstr("a number of at least 0"));
  EXPECT_THAT(YamlError("state.backend.rocksdb.memory.write-buffer-ratio: 2"), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(YamlError("state.backend.rocksdb.memory.object-cache-ratio: -0.1"), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(YamlError("parallelism.default:"), HasSubstr("'' is no value")) << "a key without a value";
}

TEST(Config, AllErrorsOfAFileAreReportedAtOnce) {
  const std::string errors =
      YamlError("parallelism.defalt: 1\nheartbeat.timeout: x\nparallelism:\n  default: 1\nparallelism.default: 2\n");
  EXPECT_THAT(errors, HasSubstr("eagre.yaml:1: unknown key"));
  EXPECT_THAT(errors, HasSubstr("\neagre.yaml:2: 'x' is no value"));
  EXPECT_THAT(errors,
              HasSubstr("eagre.yaml:5: 'parallelism.default' is set a second time; the first is at eagre.yaml:4"));
}

TEST(Config, WhatIsNotAConfigurationSaysSo) {
  EXPECT_THAT(YamlError("just text"), HasSubstr("eagre.yaml:1: expected lines of the form 'key: value'"));
  EXPECT_THAT(YamlError("a: 1\nb: [1, 2\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(YamlError("parallelism.default:\n  below: 1\n"),
              HasSubstr("'parallelism.default' is expected to have a value"));
  EXPECT_THAT(YamlError("parallelism.default: [{a: 1}]\n"), HasSubstr("an item of 'parallelism.default'"));
  Configuration config;
  const Status missing = config.LoadFile(PosixFileSystem(), "/nowhere/eagre.yaml");
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(StatusMessage(missing)), HasSubstr("/nowhere/eagre.yaml"));
}

TEST(Config, PropertiesOfTheCommandLineWin) {
  Configuration config;
  ASSERT_TRUE(config.LoadYaml("parallelism.default: 2", "eagre.yaml").ok());
  ASSERT_TRUE(config.SetProperty("parallelism.default = 8").ok());
  EXPECT_EQ(config.GetInt("parallelism.default"), 8);
  EXPECT_EQ(config.Origin("parallelism.default"), "-D");
  EXPECT_THAT(std::string(StatusMessage(config.SetProperty("parallelism.default"))),
              HasSubstr("expected -D key=value"));
  EXPECT_THAT(std::string(StatusMessage(config.SetProperty("paralelism.default=1"))),
              HasSubstr("-D: unknown key 'paralelism.default'; did you mean 'parallelism.default'?"));
}

TEST(Config, TravelsAsTextAndComesBack) {
  Configuration config;
  ASSERT_TRUE(config.Set("pipeline.name", "my job", "-D").ok());
  ASSERT_TRUE(config.Set("restart-strategy.type", "Fixed-Delay", "-D").ok());
  EXPECT_EQ(config.GetString("restart-strategy.type"), "fixed-delay")
      << "a choice is given back as the table writes it";
  EXPECT_THAT(config.ExplicitValues(),
              ElementsAre(Pair("pipeline.name", "my job"), Pair("restart-strategy.type", "Fixed-Delay")));
  Configuration copy;
  ASSERT_TRUE(copy.SetAll(config.ExplicitValues(), "the JobManager").ok());
  EXPECT_EQ(copy.GetString("pipeline.name"), "my job");
}

TEST(ConfigDeathTest, AskingForWhatIsNotThereIsABug) {
  const Configuration config;
  EXPECT_DEATH(config.GetInt("no.such.key"), "no configuration key 'no.such.key'");
  EXPECT_DEATH(config.GetInt("pipeline.name"), "another type");
}

TEST(Config, TheTableNamesEveryKey) {
  const std::string table = RenderConfigTable();
  for (const ConfigOption& option : ConfigOptions()) EXPECT_THAT(table, HasSubstr(std::string(option.key) + ": "));
}

TEST(Config, TheTableShowsWhatIsSetAndWhere) {
  EXPECT_THAT(RenderConfigTable(), testing::Not(HasSubstr("-D")));
  Configuration config;
  ASSERT_TRUE(config.SetProperty("pipeline.name=my job").ok());
  EXPECT_THAT(RenderConfigTable(config), HasSubstr("    = my job   (-D)\n"));
}

TEST(Config, TheDocumentationIsGeneratedFromTheTable) {
  const std::string path = SourcePath("docs/configuration.md");
  const auto page = PosixFileSystem().ReadFile(path);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(*page, RenderConfigMarkdown()) << "docs/configuration.md is out of date; renew it by\n"
                                              "  build/release/bin/eagre config --markdown > docs/configuration.md";
}

}  // namespace
}  // namespace eagre
