// The shop's patterns as a job: the same results in every way of running it, and those that a plain loop over the same
// events finds.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "examples/cep/shop_generator.h"
#include "tests/cluster/cluster_fixture.h"
#include "tests/testing/paths.h"

namespace eagre {
namespace {

using shop::Action;
using shop::UserEvent;

constexpr int64_t kWindowMs = 600'000;
constexpr int kEvents = 50'000;
constexpr int kUsers = 700;

// The text of a field that is a string or a number.
std::string Field(const std::string& line, const std::string& name) {
  const size_t found = line.find("\"" + name + "\":");
  if (found == std::string::npos) return "no " + name + " in " + line;
  const size_t begin = found + name.size() + 3;
  const size_t end = line.find_first_of(",}", begin);
  return line.substr(begin, end - begin);
}

// "user duration", sorted.
struct Outcome {
  std::vector<std::string> conversions;
  std::vector<std::string> abandoned;
};

Outcome ExpectedOutcome() {
  std::map<std::string, std::vector<UserEvent>> by_user;
  for (int64_t i = 0; i < kEvents; ++i) {
    UserEvent event;
    shop::MakeEvent(i, kUsers, event);
    by_user[event.user_id].push_back(event);
  }
  Outcome outcome;
  for (auto& [user, events] : by_user) {
    std::sort(events.begin(), events.end(),
              [](const UserEvent& a, const UserEvent& b) { return a.timestamp.ms() < b.timestamp.ms(); });
    std::vector<int64_t> logged_in;
    std::vector<int64_t> viewed;
    size_t logins = 0;
    size_t conversions = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      const int64_t now = events[i].timestamp.ms();
      EXPECT_TRUE(i == 0 || now > events[i - 1].timestamp.ms()) << "events of one moment have no order";
      if (events[i].action == Action::kLogin) {
        logged_in.push_back(now);
        ++logins;
      } else if (events[i].action == Action::kView) {
        viewed.insert(viewed.end(), logged_in.begin(), logged_in.end());
        logged_in.clear();
      } else if (events[i].action == Action::kPurchase) {
        for (const int64_t login : viewed) {
          if (now - login >= kWindowMs) continue;
          outcome.conversions.push_back("\"" + user + "\" " + std::to_string(now - login));
          ++conversions;
        }
        viewed.clear();
      }
    }
    outcome.abandoned.insert(outcome.abandoned.end(), logins - conversions,
                             "\"" + user + "\" " + std::to_string(kWindowMs));
  }
  std::sort(outcome.conversions.begin(), outcome.conversions.end());
  std::sort(outcome.abandoned.begin(), outcome.abandoned.end());
  return outcome;
}

class ShopTest : public ClusterTest {
 protected:
  static Words Command(const std::string& parallelism, const std::string& output) {
    return {"run",
            "-p",
            parallelism,
            BuildPath("jobs/cep_shop.so"),
            "--",
            "--output",
            output,
            "--events",
            std::to_string(kEvents),
            "--users",
            std::to_string(kUsers)};
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

  std::vector<std::string> UsersAndDurations(const std::string& output, const std::string& kind) {
    std::vector<std::string> texts;
    for (const std::string& line : Lines(output, kind)) {
      texts.push_back(Field(line, "user_id") + " " + Field(line, "duration_ms"));
    }
    std::sort(texts.begin(), texts.end());
    return texts;
  }
};

TEST_F(ShopTest, EveryWayOfRunningFindsWhatAPlainLoopFinds) {
  const Ended alone = Run(Command("1", Path("alone")));
  ASSERT_EQ(alone.status, 0) << alone.out << alone.err;
  const Ended four = Run(Command("4", Path("four")));
  ASSERT_EQ(four.status, 0) << four.out << four.err;
  StartCluster(2, 2);
  const Ended cluster = RunOnCluster(Command("4", Path("cluster")));
  ASSERT_EQ(cluster.status, 0) << cluster.out << cluster.err;

  const Outcome expected = ExpectedOutcome();
  EXPECT_FALSE(expected.conversions.empty());
  EXPECT_FALSE(expected.abandoned.empty());
  for (const std::string way : {"alone", "four", "cluster"}) {
    EXPECT_EQ(UsersAndDurations(way, "conversions"), expected.conversions) << way;
    EXPECT_EQ(UsersAndDurations(way, "abandoned"), expected.abandoned) << way;
    EXPECT_EQ(Lines(way, "alerts"), Lines("alone", "alerts")) << way;
  }
  EXPECT_FALSE(Lines("alone", "alerts").empty());
}

}  // namespace
}  // namespace eagre
