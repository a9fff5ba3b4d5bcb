// A sink's life within a chain: it may be full, it flushes, it commits when its input has ended.
#include "eagre/operators/sink_operator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "eagre/testing/operator_harness.h"
#include "runtime/chain.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// What the outside of a scripted sink sees and decides.
struct SinkScript {
  bool commits = true;
  size_t room = 1'000'000;  // records that it takes before it is full
  bool may_flush = true;
  std::vector<int64_t> written;
  std::vector<std::string> committed;
  int flushes = 0;
};

class ScriptedSink final : public Sink<int64_t> {
 public:
  explicit ScriptedSink(SinkScript& script) : script_(script) {}
  std::string Name() const override { return "Scripted"; }
  StatusOr<std::unique_ptr<SinkWriter<int64_t>>> CreateWriter() const override {
    class Writer final : public SinkWriter<int64_t> {
     public:
      explicit Writer(SinkScript& script) : script_(script) {}
      Status Write(const TypedBatch<int64_t>& batch, size_t& position) override {
        for (; position < batch.size() && script_.room > 0; ++position, --script_.room) {
          script_.written.push_back(batch.records()[position]);
        }
        return OkStatus();
      }
      bool blocked() const override { return script_.room == 0 || (flushing_ && !script_.may_flush); }
      Status Flush(bool, bool& done) override {
        ++script_.flushes;
        done = script_.may_flush;
        flushing_ = !done;
        return OkStatus();
      }
      StatusOr<std::vector<Committable>> PrepareCommit() override {
        return std::vector<Committable>{std::to_string(script_.written.size()) + " records"};
      }

     private:
      SinkScript& script_;
      bool flushing_ = false;
    };
    return std::make_unique<Writer>(script_);
  }
  StatusOr<std::unique_ptr<Committer>> CreateCommitter() const override {
    class ScriptedCommitter final : public Committer {
     public:
      explicit ScriptedCommitter(SinkScript& script) : script_(script) {}
      Status Commit(const std::vector<Committable>& committables) override {
        script_.committed.insert(script_.committed.end(), committables.begin(), committables.end());
        return OkStatus();
      }

     private:
      SinkScript& script_;
    };
    return script_.commits ? std::make_unique<ScriptedCommitter>(script_) : nullptr;
  }

 private:
  SinkScript& script_;
};

class SinkOperatorTest : public testing::Test {
 protected:
  SinkOperatorTest() {
    std::vector<ChainNode> nodes(1);
    nodes[0].op = MakeSinkOperator<int64_t>(std::make_shared<ScriptedSink>(script_));
    nodes[0].context = std::make_unique<FakeOperatorContext>();
    chain_ = std::make_unique<Chain>(std::move(nodes));
    EXPECT_TRUE(chain_->Open().ok() && chain_->Begin().ok());
  }
  ~SinkOperatorTest() override { EXPECT_TRUE(chain_->Close(/*failed=*/false).ok()); }

  void Push(const std::vector<int64_t>& values) {
    std::unique_ptr<Batch> batch = TypedBatch<int64_t>::Type().create();
    for (const int64_t value : values) static_cast<TypedBatch<int64_t>&>(*batch).Append(0) = value;
    chain_->PushBatch(0, std::move(batch));
  }
  Chain::Progress Run() {
    const StatusOr<Chain::Progress> progress = chain_->Run();
    EXPECT_TRUE(progress.ok()) << progress.status();
    return progress.ok() ? *progress : Chain::Progress::kYield;
  }

  SinkScript script_;
  std::unique_ptr<Chain> chain_;
};

// The end of the input was sealed and the checkpoint completed, but the worker died before it heard of it.
Status BeginRestored(SinkScript& script) {
  std::vector<ChainNode> nodes(1);
  nodes[0].op = MakeSinkOperator<int64_t>(std::make_shared<ScriptedSink>(script));
  nodes[0].context = std::make_unique<FakeOperatorContext>();
  Chain restored(std::move(nodes));
  restored.SkipOperators();
  EXPECT_TRUE(restored.Open().ok());
  std::vector<CheckpointedState*> states;
  restored.node(0).op->CollectStates(states);
  EXPECT_EQ(states.size(), 1u);
  EXPECT_TRUE(states[0]->Restore({.hash = 0, .erased = false, .key = "12345678", .value = "sealed"}).ok());
  const Status begun = restored.Begin();
  EXPECT_TRUE(restored.Close(/*failed=*/!begun.ok()).ok());
  return begun;
}

TEST_F(SinkOperatorTest, WhatAFinishedSinkHadSealedIsCommittedWhenItIsRestored) {
  EXPECT_TRUE(BeginRestored(script_).ok());
  EXPECT_THAT(script_.committed, ElementsAre("sealed"));
}

TEST_F(SinkOperatorTest, ASinkThatCommitsNothingRefusesWhatAnotherHadSealed) {
  script_.commits = false;
  const Status begun = BeginRestored(script_);
  EXPECT_EQ(begun.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(StatusMessage(begun)), testing::HasSubstr("Uid()"));
}

TEST_F(SinkOperatorTest, AFullSinkBlocksItsTaskAndGoesOnWhereItStopped) {
  script_.room = 2;
  Push({1, 2, 3, 4});
  EXPECT_EQ(Run(), Chain::Progress::kBlocked);
  EXPECT_THAT(script_.written, ElementsAre(1, 2));
  EXPECT_EQ(Run(), Chain::Progress::kBlocked);
  script_.room = 1;
  EXPECT_EQ(Run(), Chain::Progress::kBlocked);
  EXPECT_THAT(script_.written, ElementsAre(1, 2, 3));
  script_.room = 10;
  EXPECT_EQ(Run(), Chain::Progress::kDrained);
  EXPECT_THAT(script_.written, ElementsAre(1, 2, 3, 4));
}

TEST_F(SinkOperatorTest, ASinkThatTookNothingIsBlockedNotBroken) {
  script_.room = 0;
  Push({1});
  EXPECT_EQ(Run(), Chain::Progress::kBlocked);
  script_.room = 5;
  EXPECT_EQ(Run(), Chain::Progress::kDrained);
  EXPECT_THAT(script_.written, ElementsAre(1));
}

TEST_F(SinkOperatorTest, CommitsAtTheEndOfTheInputAndNotBeforeItIsFlushed) {
  Push({1, 2});
  EXPECT_EQ(Run(), Chain::Progress::kDrained);
  EXPECT_THAT(script_.committed, IsEmpty());
  script_.may_flush = false;
  chain_->PushEvent({ControlEvent::Kind::kEndOfInput, 0});
  EXPECT_EQ(Run(), Chain::Progress::kBlocked);
  EXPECT_THAT(script_.committed, IsEmpty());
  script_.may_flush = true;
  EXPECT_EQ(Run(), Chain::Progress::kDrained);
  EXPECT_THAT(script_.committed, ElementsAre("2 records"));
}

TEST_F(SinkOperatorTest, FlushesASecondAfterTheFirstRecordAndOnlyThen) {
  EXPECT_EQ(chain_->NextProcessingTimeMs(), kMaxWatermark);
  Push({1});
  Run();
  EXPECT_EQ(chain_->NextProcessingTimeMs(), 1000);
  chain_->PushEvent({ControlEvent::Kind::kProcessingTime, 1000});
  Run();
  EXPECT_EQ(script_.flushes, 1);
  EXPECT_EQ(chain_->NextProcessingTimeMs(), kMaxWatermark);
}

}  // namespace
}  // namespace eagre
