#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "connectors/file/csv.h"
#include "connectors/file/ndjson.h"
#include "eagre/operators/sink_operator.h"
#include "eagre/testing/operator_harness.h"
#include "eagre/testing/source_harness.h"
#include "tests/testing/faulty_file_system.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::IsEmpty;
using testing::StartsWith;
using namespace std::chrono_literals;

struct Item {
  int64_t id = 0;
  std::string text;
};
EAGRE_RECORD(Item, id, text);

class RollingSinkTest : public testing::TestWithParam<HarnessMode> {
 protected:
  std::vector<std::string> Names(std::string_view ending) const {
    std::vector<std::string> names;
    const StatusOr<std::vector<FileInfo>> entries = PosixFileSystem().List(scratch_.path());
    EXPECT_TRUE(entries.ok());
    for (const FileInfo& entry : *entries) {
      if (entry.path.ends_with(ending)) names.emplace_back(BaseName(entry.path));
    }
    return names;
  }
  std::vector<std::string> Finished() const { return Names(".csv"); }
  std::vector<std::string> InProgress() const { return Names(".inprogress"); }
  OperatorHarness Harness(CsvSink sink) const {
    return OperatorHarness(GetParam(), MakeSinkOperator<Item>(sink.For<Item>()));
  }
  CsvSink Sink() const { return CsvSink(scratch_.path()); }

  const ScratchDirectory scratch_;
};
INSTANTIATE_TEST_SUITE_P(Modes, RollingSinkTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(RollingSinkTest, AFileThatHasItsSizeIsFinishedAndEachHasTheHeader) {
  OperatorHarness harness = Harness(Sink().RollAtBytes(16));
  harness.context().set_subtask(1, 2);
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_THAT(InProgress(), IsEmpty());
  ASSERT_TRUE(harness.Push<Item>({{{1, "a"}, 0}, {{2, "b"}, 0}, {{3, "c,"}, 0}}).ok());
  ASSERT_EQ(Finished().size(), 1u);
  EXPECT_THAT(Finished()[0], AllOf(StartsWith("part-1-"), EndsWith("-0.csv")));
  EXPECT_EQ(scratch_.Read(Finished()[0]), "id,text\n1,a\n2,b\n");
  EXPECT_EQ(InProgress().size(), 1u);
  ASSERT_TRUE(harness.EndOfInput().ok());
  ASSERT_EQ(Finished().size(), 2u);
  EXPECT_THAT(InProgress(), IsEmpty());
  EXPECT_EQ(scratch_.Read(Finished()[1]), "id,text\n3,\"c,\"\n");
}

TEST_P(RollingSinkTest, AFileThatIsOldIsFinishedThoughNoRecordComes) {
  OperatorHarness harness = Harness(Sink().RollEvery(10s));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Item>({{{1, "a"}, 0}}).ok());
  for (int64_t now_ms = 1000; now_ms < 10'000; now_ms += 1000) {
    ASSERT_EQ(harness.op<Operator>().NextProcessingTimeMs(), now_ms);
    ASSERT_TRUE(harness.ProcessingTime(now_ms).ok());
    EXPECT_THAT(Finished(), IsEmpty());
  }
  ASSERT_TRUE(harness.ProcessingTime(10'000).ok());
  EXPECT_EQ(Finished().size(), 1u);
  EXPECT_THAT(InProgress(), IsEmpty());
  EXPECT_EQ(harness.op<Operator>().NextProcessingTimeMs(), kMaxWatermark);
}

TEST_P(RollingSinkTest, AFileWithoutNewRecordsIsFinished) {
  OperatorHarness harness = Harness(Sink().RollWhenIdleFor(3s));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Item>({{{1, "a"}, 0}}).ok());
  ASSERT_TRUE(harness.ProcessingTime(2000).ok());
  ASSERT_TRUE(harness.Push<Item>({{{2, "b"}, 0}}).ok());
  ASSERT_TRUE(harness.ProcessingTime(4000).ok());
  EXPECT_THAT(Finished(), IsEmpty());
  ASSERT_TRUE(harness.ProcessingTime(5000).ok());
  EXPECT_EQ(Finished().size(), 1u);
}

TEST_P(RollingSinkTest, AttemptsNeverShareANameAndKeepWhatIsThere) {
  scratch_.Write("part-0.csv", "old");
  for (int attempt = 0; attempt < 3; ++attempt) {
    OperatorHarness harness = Harness(Sink().RollAtBytes(1));
    harness.context().set_attempt(attempt);
    ASSERT_TRUE(harness.Open().ok());
    ASSERT_TRUE(harness.Push<Item>({{{1, "a"}, 0}, {{2, "b"}, 0}}).ok());
    ASSERT_TRUE(harness.Close(/*failed=*/attempt == 0).ok());
  }
  EXPECT_EQ(Finished().size(), 7u);
}

TEST_P(RollingSinkTest, TheDelimiterIsThatOfTheHeaderAndTheRowsAndIsWhatGetsQuoted) {
  OperatorHarness harness = Harness(Sink().Delimiter(';'));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Item>({{{1, "a,b"}, 0}, {{2, "c;d"}, 0}, {{3, "\"e\""}, 0}}).ok());
  ASSERT_TRUE(harness.EndOfInput().ok());
  EXPECT_THAT(Finished(), ElementsAre("part-0.csv"));
  EXPECT_EQ(scratch_.Read("part-0.csv"), "id;text\n1;a,b\n2;\"c;d\"\n3;\"\"\"e\"\"\"\n");
}

TEST_P(RollingSinkTest, WithoutAHeaderEveryFileBeginsWithItsFirstRow) {
  OperatorHarness harness = Harness(Sink().Delimiter('\t').WithoutHeader().RollAtBytes(8));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Item>({{{1, "a"}, 0}, {{2, "b"}, 0}, {{3, "c"}, 0}}).ok());
  ASSERT_TRUE(harness.EndOfInput().ok());
  ASSERT_EQ(Finished().size(), 2u);
  EXPECT_EQ(scratch_.Read(Finished()[0]) + scratch_.Read(Finished()[1]), "1\ta\n2\tb\n3\tc\n");
}

TEST_P(RollingSinkTest, WhatIsWrittenWithoutAHeaderIsReadWithoutOne) {
  OperatorHarness harness = Harness(Sink().Delimiter(';').WithoutHeader());
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Item>({{{1, "a;b"}, 0}, {{2, ""}, 0}}).ok());
  ASSERT_TRUE(harness.EndOfInput().ok());
  SourceHarness<Item> source(CsvFiles<Item>(scratch_.path() + "/part-0.csv").Delimiter(';').WithoutHeader(),
                             NoWatermarks(), 1);
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(source.RunToEnd().ok());
  std::vector<std::string> read;
  for (const Item& item : source.AllRecords()) read.push_back(fmt::format("{} {}", item.id, item.text));
  EXPECT_THAT(read, ElementsAre("1 a;b", "2 "));
}

TEST_P(RollingSinkTest, AnInputWithoutRecordsMakesNoFile) {
  OperatorHarness harness = Harness(Sink().RollEvery(1s));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.EndOfInput().ok());
  EXPECT_THAT(Names(""), IsEmpty());
}

// With checkpoints, what is sealed waits for the committer.
class CheckpointedContext final : public FakeOperatorContext {
 public:
  bool checkpointing() const override { return true; }
};

TEST(CheckpointedFileSinkTest, EveryCheckpointSealsAFileAndOnlyTheCommitterNamesIt) {
  const ScratchDirectory scratch;
  CheckpointedContext operator_context;
  SinkContext context(operator_context);
  const std::shared_ptr<Sink<Item>> sink = NdjsonSink(scratch.path()).For<Item>();
  const std::unique_ptr<SinkWriter<Item>> writer = *sink->CreateWriter();
  const std::unique_ptr<Committer> committer = *sink->CreateCommitter();
  ASSERT_TRUE(writer->Open(context).ok());
  std::vector<Committable> all;
  for (int64_t checkpoint = 0; checkpoint < 2; ++checkpoint) {
    TypedBatch<Item> batch;
    batch.Append(0) = {checkpoint, "x"};
    size_t position = 0;
    ASSERT_TRUE(writer->Write(batch, position).ok());
    const StatusOr<std::vector<Committable>> sealed = writer->PrepareCommit();
    ASSERT_TRUE(sealed.ok());
    ASSERT_EQ(sealed->size(), 1u);
    all.push_back((*sealed)[0]);
  }
  EXPECT_EQ(writer->PrepareCommit()->size(), 0u);
  const auto finished = [&] {
    std::vector<std::string> contents;
    const std::vector<FileInfo> entries = *PosixFileSystem().List(scratch.path());
    for (const FileInfo& entry : entries) {
      if (entry.path.ends_with(".ndjson")) contents.push_back(*PosixFileSystem().ReadFile(entry.path));
    }
    return contents;
  };
  EXPECT_THAT(finished(), IsEmpty());
  ASSERT_TRUE(committer->Commit(all).ok());
  ASSERT_TRUE(committer->Commit(all).ok());
  EXPECT_THAT(finished(), ElementsAre("{\"id\":0,\"text\":\"x\"}\n", "{\"id\":1,\"text\":\"x\"}\n"));
}

// It goes on from a savepoint, and takes no checkpoints of its own.
class RestoredContext final : public FakeOperatorContext {
 public:
  bool restored() const override { return true; }
};

TEST(RestoredFileSinkTest, WhatWasThereStaysAndAttemptsTakeEachOthersPlace) {
  const ScratchDirectory scratch;
  for (const char* name : {"part-0.ndjson", "part-1.ndjson"}) scratch.Write(name, "old\n");
  for (int attempt = 0; attempt < 2; ++attempt) {
    RestoredContext operator_context;
    operator_context.set_attempt(attempt);
    SinkContext context(operator_context);
    const std::shared_ptr<Sink<Item>> sink = NdjsonSink(scratch.path()).For<Item>();
    const std::unique_ptr<SinkWriter<Item>> writer = *sink->CreateWriter();
    ASSERT_TRUE(writer->Open(context).ok());
    TypedBatch<Item> batch;
    batch.Append(0) = {attempt, "x"};
    size_t position = 0;
    ASSERT_TRUE(writer->Write(batch, position).ok());
    const StatusOr<std::vector<Committable>> sealed = writer->PrepareCommit();
    ASSERT_TRUE(sealed.ok());
    ASSERT_TRUE((*sink->CreateCommitter())->Commit(*sealed).ok());
  }
  std::vector<std::string> contents;
  const std::vector<FileInfo> entries = *PosixFileSystem().List(scratch.path());
  for (const FileInfo& entry : entries) contents.push_back(*PosixFileSystem().ReadFile(entry.path));
  EXPECT_THAT(contents, testing::UnorderedElementsAre("old\n", "old\n", "{\"id\":1,\"text\":\"x\"}\n"));
}

// One attempt of a file sink.
struct SinkAttempt {
  SinkAttempt(FileSystem& files, const std::string& folder, int attempt) {
    operator_context.set_attempt(attempt);
    const std::shared_ptr<Sink<Item>> sink = NdjsonSink(folder).On(files).For<Item>();
    writer = *sink->CreateWriter();
    committer = *sink->CreateCommitter();
    EXPECT_TRUE(writer->Open(context).ok());
  }
  void Write() {
    TypedBatch<Item> batch;
    batch.Append(0) = {1, "x"};
    size_t position = 0;
    ASSERT_TRUE(writer->Write(batch, position).ok());
  }
  std::vector<Committable> Seal() {
    Write();
    return writer->PrepareCommit().value_or(std::vector<Committable>());
  }

  CheckpointedContext operator_context;
  SinkContext context{operator_context};
  std::unique_ptr<SinkWriter<Item>> writer;
  std::unique_ptr<Committer> committer;
};

TEST(CheckpointedFileSinkTest, WhatIsSealedIsSyncedBeforeTheCheckpointIsAcknowledged) {
  const ScratchDirectory scratch;
  FaultyFileSystem files;
  std::vector<std::string> synced;
  files.SetFault([&](FaultyFileSystem::Operation operation, const std::string& path) {
    if (operation == FaultyFileSystem::Operation::kSync) synced.emplace_back(BaseName(path));
    return OkStatus();
  });
  SinkAttempt attempt(files, scratch.path(), 0);
  synced.clear();  // the names on the path to the folder, once
  ASSERT_EQ(attempt.Seal().size(), 1u);
  EXPECT_THAT(synced, IsEmpty()) << "the slot's thread does not wait for the disk";
  ASSERT_TRUE(attempt.writer->TakeSync()().ok());
  EXPECT_THAT(synced, ElementsAre(EndsWith(".inprogress"), BaseName(scratch.path())));
  ASSERT_TRUE(attempt.writer->TakeSync()().ok());
  EXPECT_EQ(synced.size(), 3u) << "what was renamed meanwhile";
}

TEST(CheckpointedFileSinkTest, AfterASyncThatFailedNoCheckpointIsGood) {
  const ScratchDirectory scratch;
  FaultyFileSystem files;
  SinkAttempt attempt(files, scratch.path(), 0);
  ASSERT_EQ(attempt.Seal().size(), 1u);
  files.SetFault([&](FaultyFileSystem::Operation operation, const std::string& path) {
    return operation == FaultyFileSystem::Operation::kSync ? DataLoss("cannot sync {}", path) : OkStatus();
  });
  EXPECT_FALSE(attempt.writer->TakeSync()().ok());
  files.SetFault({});
  EXPECT_FALSE(attempt.writer->TakeSync()().ok()) << "the operating system may have given up what it held";
}

TEST(CheckpointedFileSinkTest, FilesInProgressOfEarlierAttemptsGoWithTheFirstCommit) {
  const ScratchDirectory scratch;
  const std::vector<Committable> sealed = SinkAttempt(PosixFileSystem(), scratch.path(), 0).Seal();
  SinkAttempt(PosixFileSystem(), scratch.path(), 1).Write();
  SinkAttempt(PosixFileSystem(), scratch.path(), 2).Write();
  scratch.Write(".other-0-00000000-0.ndjson.inprogress", "of somebody else");
  const auto names = [&] {
    std::vector<std::string> names;
    const StatusOr<std::vector<FileInfo>> entries = PosixFileSystem().List(scratch.path());
    EXPECT_TRUE(entries.ok());
    for (const FileInfo& entry : *entries) names.emplace_back(BaseName(entry.path));
    return names;
  };
  ASSERT_EQ(names().size(), 4u);
  SinkAttempt attempt(PosixFileSystem(), scratch.path(), 3);
  ASSERT_TRUE(attempt.committer->Commit(sealed).ok());
  EXPECT_EQ(names().size(), 4u) << "others may still have to commit what they were restored with";
  const std::vector<Committable> own = attempt.Seal();
  attempt.Write();
  ASSERT_TRUE(attempt.committer->Commit(own).ok());
  EXPECT_THAT(names(), ElementsAre(".other-0-00000000-0.ndjson.inprogress",
                                   AllOf(StartsWith("."), EndsWith("-1.ndjson.inprogress")), EndsWith("-0.ndjson"),
                                   EndsWith("-0.ndjson")));
}

}  // namespace
}  // namespace eagre
