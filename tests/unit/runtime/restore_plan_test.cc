// Which stored parts of an operator's state a subtask is given.
#include "runtime/restore_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "state/operator_state.h"
#include "state/state_file.h"
#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

using Map = BroadcastCore<int64_t, std::string>;

class RestorePlanTest : public testing::Test {
 protected:
  // A subtask's part of a checkpoint: a map with one entry.
  proto::SubtaskSnapshot Stored(int subtask, int64_t key, const std::string& value) {
    Map map("rules");
    map.Put(key, value);
    map.Seal();
    StateEntryWriter entries;
    EXPECT_TRUE(map.EncodeSealed(entries, 1 << 20));
    auto writer = *StateFileWriter::Create(PosixFileSystem(), folder_.path(), std::to_string(subtask));
    proto::SubtaskSnapshot part;
    part.set_subtask(subtask);
    proto::StateSnapshot& state = *part.add_states();
    state.set_name(map.name());
    state.set_distribution(proto::STATE_BROADCAST);
    state.set_schema(map.schema());
    *state.add_segments() = *writer->Append(entries.view(), entries.entries());
    EXPECT_TRUE(writer->Finish().ok());
    return part;
  }
  static proto::SubtaskSnapshot Finished(int subtask) {
    proto::SubtaskSnapshot part;
    part.set_subtask(subtask);
    part.set_finished(true);
    return part;
  }
  // What a subtask has when it goes on from `parts`.
  Map::Map Restored(const std::vector<proto::SubtaskSnapshot>& parts, int subtask, int parallelism) {
    proto::CheckpointMetadata metadata;
    metadata.set_files_root(".");
    proto::OperatorSnapshot& op = *metadata.add_operators();
    op.set_operator_id("apply");
    op.set_parallelism(static_cast<int>(parts.size()));
    op.mutable_subtasks()->Assign(parts.begin(), parts.end());
    const RestorePlan plan(PosixFileSystem(), folder_.path(), /*job_directory=*/"", metadata);
    Map map("rules");
    std::vector<proto::StateSegment> inherited;
    const Status restored =
        plan.Restore(*plan.Find("apply"), {.subtask = subtask, .parallelism = parallelism, .max_parallelism = 16}, map,
                     /*local=*/nullptr, inherited);
    EXPECT_TRUE(restored.ok()) << restored;
    return map.entries();
  }

  const TemporaryFolder folder_{"restore_plan"};
};

TEST_F(RestorePlanTest, ASubtaskGoesOnWithItsOwnBroadcastState) {
  const std::vector parts = {Stored(0, 1, "a"), Stored(1, 2, "b")};
  EXPECT_THAT(Restored(parts, 1, 2), ElementsAre(Pair(2, "b")));
  EXPECT_THAT(Restored(parts, 2, 3), ElementsAre(Pair(1, "a")));
}

TEST_F(RestorePlanTest, BroadcastStateOutlivesTheSubtasksThatHaveFinished) {
  const std::vector parts = {Finished(0), Stored(1, 2, "b"), Stored(2, 2, "b")};
  for (const int parallelism : {1, 2, 3, 4}) {
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      EXPECT_THAT(Restored(parts, subtask, parallelism), ElementsAre(Pair(2, "b"))) << subtask << " of " << parallelism;
    }
  }
}

}  // namespace
}  // namespace eagre
