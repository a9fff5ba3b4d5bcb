// What `eagre state inspect` finds by reading the files of a checkpoint.
#include "cli/key_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "state/state_entry.h"
#include "state/state_file.h"
#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

class KeyCountsTest : public ::testing::Test {
 protected:
  KeyCountsTest() {
    metadata_.set_files_root(".");
    op_ = metadata_.add_operators();
    op_->set_operator_id("op");
    op_->set_max_parallelism(8);
    op_->add_subtasks();
  }

  // A state of these keys, in a file of its own name.
  void Add(const std::string& name, proto::StateDistribution distribution, const std::vector<uint64_t>& hashes) {
    StateEntryWriter entries;
    for (const uint64_t hash : hashes) {
      entries.BeginKey(hash).Fixed(hash);
      entries.BeginValue().Raw("value");
      entries.End();
    }
    auto file = StateFileWriter::Create(files_, folder_, name);
    ASSERT_TRUE(file.ok()) << file.status();
    const auto segment = (*file)->Append(entries.Take(), hashes.size());
    ASSERT_TRUE(segment.ok()) << segment.status();
    ASSERT_TRUE((*file)->Finish().ok());
    proto::StateSnapshot& state = *op_->mutable_subtasks(0)->add_states();
    state.set_name(name);
    state.set_distribution(distribution);
    *state.add_segments() = *segment;
  }
  StatusOr<KeyCounts> Count() { return VerifyAndCountKeys(files_, folder_, metadata_); }

  FileSystem& files_ = PosixFileSystem();
  const TemporaryFolder temporary_{"key_counts"};
  const std::string folder_ = temporary_.path();
  proto::CheckpointMetadata metadata_;
  proto::OperatorSnapshot* op_ = nullptr;
};

TEST_F(KeyCountsTest, KeyedStatesAreCounted) {
  Add("keyed", proto::STATE_KEYED, {1, 2, 9, 9});
  Add("split", proto::STATE_SPLIT, {0, 0});
  const StatusOr<KeyCounts> counts = Count();
  ASSERT_TRUE(counts.ok()) << counts.status();
  ASSERT_EQ(counts->size(), 1u);
  const std::vector<int64_t>& keyed = counts->at({"op", "keyed"});
  EXPECT_EQ(keyed.size(), 8u);
  EXPECT_EQ(std::accumulate(keyed.begin(), keyed.end(), int64_t{0}), 3) << "a key counts once";
}

TEST_F(KeyCountsTest, AFlippedBitInAStateOfAnyKindIsFound) {
  Add("keyed", proto::STATE_KEYED, {1});
  Add("split", proto::STATE_SPLIT, {0});
  Add("union", proto::STATE_UNION, {0});
  Add("broadcast", proto::STATE_BROADCAST, {0});
  ASSERT_TRUE(Count().ok());
  for (const int max_parallelism : {8, 0}) {
    op_->set_max_parallelism(max_parallelism);
    for (const char* name : {"keyed", "split", "union", "broadcast"}) {
      const std::string path = JoinPath(folder_, name);
      const std::string good = *files_.ReadFile(path);
      for (size_t byte = 0; byte < good.size(); ++byte) {
        std::string bad = good;
        bad[byte] = static_cast<char>(bad[byte] ^ 1);
        ASSERT_TRUE(files_.WriteFile(path, bad).ok());
        EXPECT_THAT(std::string(StatusMessage(Count().status())), HasSubstr(path)) << "byte " << byte;
      }
      ASSERT_TRUE(files_.WriteFile(path, good).ok());
    }
  }
}

}  // namespace
}  // namespace eagre
