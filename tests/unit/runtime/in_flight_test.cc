// Who gets what was in flight when a job goes on at another parallelism.
#include "runtime/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "state/state_file.h"
#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

constexpr int kMaxParallelism = 16;

// A job's own: what is sent where depends on nothing but the record.
class ByLastDigit final : public BatchPartitioner {
 public:
  // One of them has a mistake.
  static constexpr int64_t kMisplaced = 7'777;
  static int Choose(int64_t record, int partitions) {
    return record == kMisplaced ? partitions : static_cast<int>(record % 10) % partitions;
  }
  void Partition(const Batch& batch, int partitions, int* chosen) override {
    const auto& typed = static_cast<const TypedBatch<int64_t>&>(batch);
    for (size_t i = 0; i < typed.size(); ++i) chosen[i] = Choose(typed[i], partitions);
  }
};

// What one subtask of the operator had before it from each sending subtask.
using Sent = std::vector<std::vector<int64_t>>;

class InFlightTest : public testing::Test {
 protected:
  // Of an operator with as many subtasks; behind the first record of each sender stands a watermark.
  void Store(const std::vector<Sent>& subtasks) {
    proto::CheckpointMetadata metadata;
    metadata.set_files_root("..");
    proto::OperatorSnapshot& op = *metadata.add_operators();
    op.set_operator_id("op");
    op.set_name("the operator");
    op.set_parallelism(static_cast<int32_t>(subtasks.size()));
    op.set_max_parallelism(kMaxParallelism);
    InFlightPlace place{.input = {}, .source_name = "the source"};
    place.input.set_source_operator_id("source");
    place.input.set_source_parallelism(2);
    for (size_t i = 0; i < subtasks.size(); ++i) {
      proto::SubtaskSnapshot& subtask = *op.add_subtasks();
      subtask.set_subtask(static_cast<int32_t>(i));
      InFlightEncoder encoder;
      for (size_t source = 0; source < subtasks[i].size(); ++source) {
        TypedBatch<int64_t> batch;
        for (const int64_t record : subtasks[i][source]) batch.Append(record * 1'000) = record;
        encoder.AddRecords(static_cast<uint32_t>(source), batch, 0);
        encoder.AddEvent(static_cast<uint32_t>(source), {ControlEvent::Kind::kWatermark, 5});
      }
      if (encoder.bytes() == 0) continue;
      InFlightEncoder::Stored stored = encoder.Take(place);
      auto writer = StateFileWriter::Create(PosixFileSystem(), folder_.path(), "part-" + std::to_string(i));
      ASSERT_TRUE(writer.ok()) << writer.status();
      auto segment = (*writer)->Append(stored.bytes, stored.entries);
      ASSERT_TRUE(segment.ok() && (*writer)->Finish().ok()) << segment.status();
      *stored.snapshot.add_segments() = *segment;
      *subtask.add_states() = std::move(stored.snapshot);
    }
    plan_ = std::make_unique<RestorePlan>(PosixFileSystem(), folder_.path() + "/chk-1", folder_.path(),
                                          std::move(metadata));
  }

  StatusOr<std::vector<RestoredInFlight>> Restore(int subtask, int parallelism, bool broadcast) {
    const RestorePlan::Position position{
        .subtask = subtask, .parallelism = parallelism, .max_parallelism = kMaxParallelism};
    return RestoreInFlight(*plan_, *plan_->Find("op"), position, [broadcast](const proto::InFlightInput&) {
      InFlightRoute route{.type = &TypedBatch<int64_t>::Type(),
                          .hasher = nullptr,
                          .partitioner = nullptr,
                          .edge = "from 'a' to 'b'",
                          .broadcast = broadcast};
      if (!broadcast) route.partitioner = std::make_unique<ByLastDigit>();
      return route;
    });
  }
  // The records that the subtask gets, in their order, each with the time that it had.
  std::vector<int64_t> RecordsOf(int subtask, int parallelism, bool broadcast) {
    const auto restored = Restore(subtask, parallelism, broadcast);
    EXPECT_TRUE(restored.ok()) << restored.status();
    std::vector<int64_t> records;
    if (!restored.ok()) return records;
    for (const RestoredInFlight& part : *restored) {
      EXPECT_FALSE(part.same_channels);
      for (const auto& [source, elements] : part.by_source) {
        for (const ChannelElement& element : elements) {
          EXPECT_NE(element.batch, nullptr) << "a watermark holds for one channel, which is no more";
          if (element.batch == nullptr) continue;
          const auto& batch = static_cast<const TypedBatch<int64_t>&>(*element.batch);
          for (size_t i = 0; i < batch.size(); ++i) {
            EXPECT_EQ(batch.timestamps()[i], batch[i] * 1'000);
            records.push_back(batch[i]);
          }
        }
      }
    }
    return records;
  }

  const TemporaryFolder folder_{"in_flight"};
  std::unique_ptr<RestorePlan> plan_;
};

TEST_F(InFlightTest, WhereAJobPartitionsByItselfARecordGoesWhereItWouldBeSentNow) {
  std::vector<Sent> stored(2, Sent(2));
  for (int64_t record = 0; record < 3'000; ++record) {
    stored[static_cast<size_t>(ByLastDigit::Choose(record, 2))][static_cast<size_t>(record / 7 % 2)].push_back(record);
  }
  ASSERT_NO_FATAL_FAILURE(Store(stored));
  for (const int parallelism : {1, 3, 5}) {
    std::vector<int64_t> all;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      for (const int64_t record : RecordsOf(subtask, parallelism, /*broadcast=*/false)) {
        ASSERT_EQ(ByLastDigit::Choose(record, parallelism), subtask) << record;
        all.push_back(record);
      }
    }
    std::vector<int64_t> expected(3'000);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_THAT(all, UnorderedElementsAreArray(expected)) << "at parallelism " << parallelism;
  }
}

TEST_F(InFlightTest, WhereAJobPartitionsByItselfTheOrderOfASenderIsKept) {
  ASSERT_NO_FATAL_FAILURE(Store({{{12, 2, 42}, {32}}, {{}, {1, 91, 11}}}));
  EXPECT_THAT(RecordsOf(2, 3, /*broadcast=*/false), ElementsAre(12, 2, 42, 32));
  EXPECT_THAT(RecordsOf(1, 3, /*broadcast=*/false), ElementsAre(1, 91, 11));
  EXPECT_THAT(RecordsOf(0, 3, /*broadcast=*/false), IsEmpty());
}

TEST_F(InFlightTest, APartitionThatDoesNotExistIsAnErrorInARestoreToo) {
  ASSERT_NO_FATAL_FAILURE(Store({{{1, ByLastDigit::kMisplaced}, {2}}, {{}, {}}}));
  for (int subtask = 0; subtask < 3; ++subtask) {
    try {
      static_cast<void>(Restore(subtask, 3, /*broadcast=*/false));
      ADD_FAILURE() << "the record is lost";
    } catch (const std::out_of_range& error) {
      EXPECT_STREQ(error.what(), "the partitioner from 'a' to 'b' chose partition 3; expected 0 to 2");
    }
  }
}

TEST_F(InFlightTest, WhatAllHadReceivedOfABroadcastAllGetWhateverTheirNumber) {
  ASSERT_NO_FATAL_FAILURE(Store({{{1, 2}, {3}}, {{1, 2}, {3}}}));
  for (const int parallelism : {1, 3}) {
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      EXPECT_THAT(RecordsOf(subtask, parallelism, /*broadcast=*/true), ElementsAre(1, 2, 3));
    }
  }
}

TEST_F(InFlightTest, ABroadcastThatSomeHadReceivedMoreOfIsRefusedAtAnotherParallelism) {
  ASSERT_NO_FATAL_FAILURE(Store({{{1, 2}, {3}}, {{1, 2}, {}}}));
  for (int subtask = 0; subtask < 3; ++subtask) {
    const auto restored = Restore(subtask, 3, /*broadcast=*/true);
    EXPECT_EQ(restored.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(StatusMessage(restored.status())),
                testing::AllOf(HasSubstr("'the operator'"), HasSubstr("'the source'"),
                               HasSubstr("Start the job at parallelism 2 and rescale it from a savepoint")));
  }
  const auto same = Restore(1, 2, /*broadcast=*/true);
  ASSERT_TRUE(same.ok()) << "at the same parallelism nothing is divided: " << same.status();
  EXPECT_TRUE((*same)[0].same_channels);
}

// One that had received nothing stores nothing.
TEST_F(InFlightTest, ABroadcastThatOneHadReceivedNothingOfIsRefusedToo) {
  for (const std::vector<Sent>& stored : {std::vector<Sent>{{{1}, {}}, {}}, std::vector<Sent>{{}, {{1}, {}}}}) {
    ASSERT_NO_FATAL_FAILURE(Store(stored));
    EXPECT_EQ(Restore(0, 1, /*broadcast=*/true).status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

}  // namespace
}  // namespace eagre
