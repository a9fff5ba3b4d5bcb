// The financial monitoring job gives the same bytes in every way of running it, and finds the frauds that were mixed
// in.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/cluster/cluster_fixture.h"
#include "tests/testing/paths.h"

namespace eagre {
namespace {

class FinanceTest : public ClusterTest {
 protected:
  static std::string Tool(const std::string& name) { return BuildPath("bin/" + name); }
  static std::string Job() { return BuildPath("jobs/fraud_detection.so"); }

  std::string Generate(int count) {
    const std::string path = Path("transactions.ndjson");
    ChildProcess generator(
        {Tool("generate_transactions"), "--count", std::to_string(count), "--seed", "7", "--output", path}, {});
    EXPECT_EQ(generator.AwaitExit(), 0) << generator.Output();
    return path;
  }

  // All lines of all files of one kind of output, sorted.
  std::vector<std::string> Lines(const std::string& output, const std::string& kind) {
    std::vector<std::string> lines;
    for (const auto& file : std::filesystem::directory_iterator(Path(output) + "/" + kind)) {
      EXPECT_EQ(file.path().extension(), ".ndjson") << "left behind: " << file.path();
      std::ifstream stream(file.path());
      for (std::string line; std::getline(stream, line);) lines.push_back(line);
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

TEST_F(FinanceTest, EveryWayOfRunningGivesTheSameBytes) {
  const std::string input = Generate(60'000);
  const Ended alone = Run({"run", "-p", "1", Job(), "--", "--input", input, "--output", Path("alone")});
  ASSERT_EQ(alone.status, 0) << alone.out << alone.err;
  const Ended four = Run({"run", "-p", "4", Job(), "--", "--input", input, "--output", Path("four")});
  ASSERT_EQ(four.status, 0) << four.out << four.err;
  StartCluster(3, 2);
  const Ended cluster = RunOnCluster({"run", "-p", "6", Job(), "--", "--input", input, "--output", Path("cluster")});
  ASSERT_EQ(cluster.status, 0) << cluster.out << cluster.err;

  for (const std::string kind : {"assessments", "alerts", "metrics"}) {
    const std::vector<std::string> expected = Lines("alone", kind);
    EXPECT_FALSE(expected.empty()) << kind;
    EXPECT_EQ(Lines("four", kind), expected) << kind << " in process at parallelism 4";
    EXPECT_EQ(Lines("cluster", kind), expected) << kind << " on three TaskManagers at parallelism 6";
  }
  EXPECT_EQ(Lines("alone", "assessments").size(), 60'000u) << "every transaction is assessed once";

  ChildProcess score({Tool("score_alerts"), "--transactions", input, "--alerts", Path("cluster") + "/alerts"}, {});
  ASSERT_EQ(score.AwaitExit(), 0) << score.Output();
  const std::string text = score.Stdout();
  EXPECT_GT(std::stod(text.substr(text.find("precision") + 9)), 0.8) << text;
  EXPECT_GT(std::stod(text.substr(text.find("recall") + 6)), 0.8) << text;
}

}  // namespace
}  // namespace eagre
