// The chain's promise: whatever the outputs refuse and whenever, every record and event comes out once, in order, and
// an event never overtakes a record.
#include "runtime/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include "base/random.h"
#include "eagre/testing/fake_operator_context.h"
#include "state/state_declaration.h"

namespace eagre {
namespace {

// Takes a random part of what it is offered and refuses the rest; writes down what it took.
class StubbornChannel final : public OutputChannel {
 public:
  StubbornChannel(SeededRandom& random, std::vector<std::string>& log) : random_(random), log_(log) {}
  size_t Append(const Batch& from, const uint32_t* indices, size_t count) override {
    const size_t take = std::min<size_t>(count, random_.Below(5));
    for (size_t i = 0; i < take; ++i) Take(from, indices[i]);
    return take;
  }
  bool Give(std::unique_ptr<Batch>& batch) override {
    if (random_.Below(3) == 0) return false;
    for (size_t i = 0; i < batch->size(); ++i) Take(*batch, i);
    batch->Clear();
    return true;
  }
  bool Send(const ControlEvent& event) override {
    if (random_.Below(2) == 0) return false;
    log_.push_back((event.kind == ControlEvent::Kind::kWatermark ? "w" : "end") + std::to_string(event.value));
    return true;
  }
  bool SendOrigin(const OriginRef& origin) override {
    if (random_.Below(2) == 0) return false;
    log_.push_back("from " + (origin == nullptr ? "nowhere" : *origin));
    return true;
  }
  bool Flush() override { return true; }
  bool HasUnflushed() const override { return false; }
  int64_t QueuedBytes() const override { return 0; }
  int64_t SentBytes() const override { return 0; }
  QueueLoad Load() const override { return {}; }

 private:
  void Take(const Batch& batch, size_t index) {
    log_.push_back(std::to_string(static_cast<const TypedBatch<int64_t>&>(batch).records()[index]));
  }
  SeededRandom& random_;
  std::vector<std::string>& log_;
};

// Emits every record `copies` times on port 0, and odd ones also on port 1.
class CopyOperator final : public Operator {
 public:
  explicit CopyOperator(int copies, bool side) : copies_(copies), side_(side) {}
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    const auto& typed = static_cast<TypedBatch<int64_t>&>(*batch);
    Collector<int64_t> main(context_->output(0));
    for (; position < typed.size(); ++position) {
      if (context_->output(0).full() || (side_ && context_->output(1).full())) return OkStatus();
      const int64_t value = typed.records()[position];
      for (int i = 0; i < copies_; ++i) main.Collect(value);
      if (side_ && value % 2 == 1) Collector<int64_t>(context_->output(1)).Collect(value);
    }
    return OkStatus();
  }
  // A watermark emits its value as a record first, in three steps.
  Status OnWatermark(int64_t watermark, bool& done) override {
    Collector<int64_t>(context_->output(0)).Collect(1'000'000 + watermark);
    done = ++fired_ % 3 == 0;
    return OkStatus();
  }

 private:
  const int copies_;
  const bool side_;
  int fired_ = 0;
};

class ChainTest : public ::testing::Test {
 protected:
  ChainNode Node(std::unique_ptr<Operator> op, int ports, int parent) {
    ChainNode node;
    node.op = std::move(op);
    node.parent = parent;
    for (int i = 0; i < ports; ++i)
      node.ports.push_back({.output = std::make_unique<Output>(TypedBatch<int64_t>::Type(), budget_)});
    return node;
  }
  void AddWriter(ChainPort& port, std::vector<std::string>& log) {
    std::vector<std::unique_ptr<OutputChannel>> channels;
    channels.push_back(std::make_unique<StubbornChannel>(random_, log));
    port.writers.push_back(
        std::make_unique<PartitionWriter>(Partitioning::kForward, std::move(channels), PartitionCode{}, 128));
  }
  std::unique_ptr<Chain> Make(std::vector<ChainNode> nodes) {
    for (size_t i = 0; i < nodes.size(); ++i)
      nodes[i].context = std::make_unique<ChainContext>(*this, static_cast<int>(i));
    auto chain = std::make_unique<Chain>(std::move(nodes));
    chain_ = chain.get();
    return chain;
  }
  Status Drain(Chain& chain) {
    while (!chain.drained()) EAGRE_RETURN_IF_ERROR(chain.Run().status());
    return OkStatus();
  }

  class ChainContext final : public FakeOperatorContext {
   public:
    ChainContext(ChainTest& test, int node) : test_(test), node_(node) {}
    Output& output(int port) override { return *test_.chain_->node(node_).ports[port].output; }
    int output_count() const override { return static_cast<int>(test_.chain_->node(node_).ports.size()); }
    void EmitEvent(const ControlEvent& event) override { test_.chain_->QueueEvent(node_, event); }

   private:
    ChainTest& test_;
    const int node_;
  };

  SeededRandom random_{11};
  OverflowBudget budget_{.limit_bytes = 1 << 20, .used_bytes = 0, .owner = "operator 'copy'"};
  Chain* chain_ = nullptr;
};

TEST_F(ChainTest, KeepsOrderThroughATreeWhateverIsRefused) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> main_log, second_log, side_log;
    std::vector<ChainNode> nodes;
    nodes.push_back(Node(std::make_unique<CopyOperator>(2, true), 2, -1));
    nodes.push_back(Node(std::make_unique<CopyOperator>(1, false), 1, 0));
    nodes[0].ports[0].child = 1;
    AddWriter(nodes[0].ports[1], side_log);
    AddWriter(nodes[1].ports[0], main_log);
    AddWriter(nodes[1].ports[0], second_log);
    auto chain = Make(std::move(nodes));
    ASSERT_TRUE(chain->Open().ok());

    std::vector<std::string> expected_main, expected_side;
    int64_t value = 0;
    for (int step = 0; step < 20; ++step) {
      auto batch = std::make_unique<TypedBatch<int64_t>>();
      const size_t size = 1 + random_.Below(1500);
      for (size_t i = 0; i < size; ++i, ++value) {
        batch->Append(value) = value;
        expected_main.insert(expected_main.end(), 2, std::to_string(value));
        if (value % 2 == 1) expected_side.push_back(std::to_string(value));
      }
      chain->PushBatch(0, std::move(batch));
      ASSERT_TRUE(Drain(*chain).ok());
      chain->TakeInput();
      chain->PushEvent({ControlEvent::Kind::kWatermark, step});
      ASSERT_TRUE(Drain(*chain).ok());
      // The first operator emits three records for a watermark, the second three of its own.
      expected_main.insert(expected_main.end(), 6, std::to_string(1'000'000 + step));
      expected_main.push_back("w" + std::to_string(step));
      expected_side.push_back("w" + std::to_string(step));
    }
    EXPECT_EQ(main_log, expected_main);
    EXPECT_EQ(second_log, expected_main) << "every consumer of a port gets everything";
    EXPECT_EQ(side_log, expected_side);
  }
}

// In an attempt that hunts for a poison record.
TEST_F(ChainTest, RecordsTakeTheirOriginAlongAndWhatAWatermarkEmitsHasNone) {
  std::vector<std::string> log;
  std::vector<ChainNode> nodes;
  nodes.push_back(Node(std::make_unique<CopyOperator>(1, false), 1, -1));
  nodes.push_back(Node(std::make_unique<CopyOperator>(2, false), 1, 0));
  nodes[0].ports[0].child = 1;
  AddWriter(nodes[1].ports[0], log);
  auto chain = Make(std::move(nodes));
  ASSERT_TRUE(chain->Open().ok());
  for (int64_t value = 1; value <= 2; ++value) {
    auto batch = std::make_unique<TypedBatch<int64_t>>();
    batch->Append(value) = value;
    chain->PushBatch(0, std::move(batch), std::make_shared<const std::string>("line " + std::to_string(value)));
    ASSERT_TRUE(Drain(*chain).ok());
    chain->TakeInput();
  }
  chain->PushEvent({ControlEvent::Kind::kWatermark, 7});
  ASSERT_TRUE(Drain(*chain).ok());
  const std::vector<std::string> fired(9, "1000007");
  std::vector<std::string> expected{"from line 1", "1", "1", "from line 2", "2", "2", "from nowhere"};
  expected.insert(expected.end(), fired.begin(), fired.end());
  expected.push_back("w7");
  EXPECT_EQ(log, expected);
}

class FailingOperator final : public Operator {
 public:
  explicit FailingOperator(std::function<Status()> fail) : fail_(std::move(fail)) {}
  Status Process(int, std::unique_ptr<Batch>&, size_t&) override { return fail_(); }

 private:
  const std::function<Status()> fail_;
};

TEST_F(ChainTest, OnlyWhatUserCodeThrowsIsItsFailure) {
  const auto in_user_code = [this](std::function<Status()> fail) {
    std::vector<ChainNode> nodes;
    nodes.push_back(Node(std::make_unique<FailingOperator>(std::move(fail)), 1, -1));
    auto chain = Make(std::move(nodes));
    EXPECT_TRUE(chain->Open().ok());
    auto batch = std::make_unique<TypedBatch<int64_t>>();
    batch->Append(1) = 1;
    chain->PushBatch(0, std::move(batch), std::make_shared<const std::string>("line 1"));
    EXPECT_FALSE(Drain(*chain).ok());
    EXPECT_EQ(*chain->failed_origin(), "line 1");
    return chain->failed_in_user_code();
  };
  EXPECT_TRUE(in_user_code([]() -> Status { throw std::runtime_error("no such account"); }));
  EXPECT_TRUE(in_user_code([]() -> Status { throw 7; }));
  EXPECT_FALSE(in_user_code([] { return Unavailable("no space left on device"); }));
  EXPECT_FALSE(in_user_code([]() -> Status { throw StateError("the store cannot be read"); }));
  EXPECT_FALSE(in_user_code([]() -> Status { throw OverflowError("emitted too much"); }));
  EXPECT_FALSE(in_user_code([]() -> Status { throw std::bad_alloc(); }));
  EXPECT_FALSE(in_user_code([]() -> Status { return Internal("a bug"); }));
}

class ExplodingOperator final : public Operator {
 public:
  explicit ExplodingOperator(int64_t copies) : copies_(copies) {}
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    Collector<int64_t> out(context_->output(0));
    for (; position < batch->size(); ++position) {
      if (context_->output(0).full()) return OkStatus();
      for (int64_t i = 0; i < copies_; ++i) out.Collect(i);
    }
    return OkStatus();
  }

 private:
  const int64_t copies_;
};

TEST_F(ChainTest, ACallThatEmitsManyRecordsPassesThemAllOn) {
  std::vector<std::string> log;
  std::vector<ChainNode> nodes;
  nodes.push_back(Node(std::make_unique<ExplodingOperator>(20'000), 1, -1));
  AddWriter(nodes[0].ports[0], log);
  auto chain = Make(std::move(nodes));
  ASSERT_TRUE(chain->Open().ok());
  auto batch = std::make_unique<TypedBatch<int64_t>>();
  batch->Append(0) = 0;
  batch->Append(0) = 1;
  chain->PushBatch(0, std::move(batch));
  ASSERT_TRUE(Drain(*chain).ok());
  EXPECT_EQ(log.size(), 40'000u);
  EXPECT_EQ(log.back(), "19999");
  EXPECT_EQ(budget_.used_bytes, 0) << "the overflow is given back when it was passed on";
}

TEST_F(ChainTest, ACallThatEmitsWithoutEndFailsNamingTheOperatorAndTheKey) {
  std::vector<std::string> log;
  std::vector<ChainNode> nodes;
  nodes.push_back(Node(std::make_unique<ExplodingOperator>(int64_t{1} << 50), 1, -1));
  AddWriter(nodes[0].ports[0], log);
  auto chain = Make(std::move(nodes));
  ASSERT_TRUE(chain->Open().ok());
  auto batch = std::make_unique<TypedBatch<int64_t>>();
  batch->Append(0) = 0;
  chain->PushBatch(0, std::move(batch));
  const Status status = Drain(*chain);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      std::string(StatusMessage(status)),
      ::testing::AllOf(::testing::HasSubstr("operator 'copy'"), ::testing::HasSubstr("execution.overflow.max-size")));
}

class ThrowingOperator final : public Operator {
  Status Process(int, std::unique_ptr<Batch>&, size_t&) override { throw std::out_of_range("no such account"); }
};

TEST_F(ChainTest, AnExceptionOfUserCodeBecomesAFailureThatNamesTypeTextAndOperator) {
  std::vector<ChainNode> nodes;
  nodes.push_back(Node(std::make_unique<ThrowingOperator>(), 0, -1));
  nodes.back().identity.operator_id = "a1";
  auto chain = Make(std::move(nodes));
  ASSERT_TRUE(chain->Open().ok());
  auto batch = std::make_unique<TypedBatch<int64_t>>();
  batch->Append(0) = 0;
  chain->PushBatch(0, std::move(batch));
  const Status status = Drain(*chain);
  EXPECT_THAT(std::string(StatusMessage(status)), ::testing::HasSubstr("std::out_of_range: no such account"));
  EXPECT_EQ(chain->failed_operator(), chain->node(0).context->operator_name());
  EXPECT_EQ(chain->failed_operator_id(), "a1");
  EXPECT_EQ(chain->failed_origin(), nullptr);
}

// A sink that takes nothing while it is blocked.
class GatedOperator final : public Operator {
 public:
  GatedOperator(const bool& blocked, std::vector<std::string>& log) : blocked_(blocked), log_(log) {}
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    log_.push_back(std::to_string(static_cast<const TypedBatch<int64_t>&>(*batch)[position++]));
    return OkStatus();
  }
  Status OnWatermark(int64_t watermark, bool& done) override {
    log_.push_back("w" + std::to_string(watermark));
    done = true;
    return OkStatus();
  }
  bool blocked() const override { return blocked_; }
  bool overtakable() const override { return blocked_; }

 private:
  const bool& blocked_;
  std::vector<std::string>& log_;
};

TEST_F(ChainTest, ABarrierOvertakesWhatStandsBeforeABlockedOperator) {
  bool blocked = false;
  std::vector<std::string> sink_log, side_log;
  std::vector<ChainNode> nodes;
  nodes.push_back(Node(std::make_unique<CopyOperator>(1, true), 2, -1));
  nodes.push_back(Node(std::make_unique<GatedOperator>(blocked, sink_log), 0, 0));
  nodes[0].ports[0].child = 1;
  AddWriter(nodes[0].ports[1], side_log);
  auto chain = Make(std::move(nodes));
  ASSERT_TRUE(chain->Open().ok());
  std::vector<size_t> sealed;
  std::vector<std::string> standing;
  chain->set_on_barrier([&](size_t node) {
    sealed.push_back(node);
    chain->ForEachWaiting(node, [&](int, const Batch* batch, size_t position, const ControlEvent& event) {
      for (size_t i = position; batch != nullptr && i < batch->size(); ++i) {
        standing.push_back(std::to_string(static_cast<const TypedBatch<int64_t>&>(*batch)[i]));
      }
      if (batch == nullptr) standing.push_back("w" + std::to_string(event.value));
    });
  });
  auto batch = std::make_unique<TypedBatch<int64_t>>();
  for (int64_t i = 1; i <= 4; ++i) batch->Append(i) = i;
  blocked = true;
  chain->PushBatch(0, std::move(batch));
  ASSERT_EQ(*chain->Run(), Chain::Progress::kBlocked);
  EXPECT_FALSE(chain->takes_events());

  chain->set_overtaking(true, 1 << 20);
  const auto run_until_it_stands = [&] {
    for (int i = 0; i < 1'000 && !chain->takes_events(); ++i) ASSERT_TRUE(chain->Run().ok());
    ASSERT_TRUE(chain->takes_events());
    ASSERT_FALSE(chain->drained());
  };
  ASSERT_NO_FATAL_FAILURE(run_until_it_stands());
  chain->PushEvent({ControlEvent::Kind::kWatermark, 4});
  ASSERT_NO_FATAL_FAILURE(run_until_it_stands());
  chain->PushEvent({ControlEvent::Kind::kBarrier, 1});
  ASSERT_NO_FATAL_FAILURE(run_until_it_stands());
  const std::vector<std::string> all = {"1", "2", "3", "4", "1000004", "1000004", "1000004", "w4"};
  EXPECT_EQ(sealed, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(standing, all);
  EXPECT_TRUE(sink_log.empty());

  chain->set_overtaking(false);
  ASSERT_EQ(*chain->Run(), Chain::Progress::kBlocked);
  blocked = false;
  ASSERT_TRUE(Drain(*chain).ok());
  EXPECT_EQ(sink_log, all);
}

// Only so much lines up: then the chain waits for the operator, and the barrier for the chain.
TEST_F(ChainTest, WhatLinesUpForABarrierIsBounded) {
  constexpr int64_t kRecords = 5'000;
  bool blocked = true;
  std::vector<std::string> sink_log, side_log;
  std::vector<ChainNode> nodes;
  nodes.push_back(Node(std::make_unique<CopyOperator>(1, false), 1, -1));
  nodes.push_back(Node(std::make_unique<GatedOperator>(blocked, sink_log), 0, 0));
  nodes[0].ports[0].child = 1;
  auto chain = Make(std::move(nodes));
  ASSERT_TRUE(chain->Open().ok());
  std::vector<size_t> sealed;
  chain->set_on_barrier([&](size_t node) { sealed.push_back(node); });
  auto batch = std::make_unique<TypedBatch<int64_t>>();
  for (int64_t i = 0; i < kRecords; ++i) batch->Append(i) = i;
  chain->PushBatch(0, std::move(batch));
  chain->set_overtaking(true, 1);
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(chain->Run().ok());
  EXPECT_FALSE(chain->takes_events());
  blocked = false;
  for (int i = 0; i < 1'000 && !chain->takes_events(); ++i) ASSERT_TRUE(chain->Run().ok());
  chain->PushEvent({ControlEvent::Kind::kBarrier, 1});
  ASSERT_TRUE(Drain(*chain).ok());
  EXPECT_EQ(sealed, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(sink_log.size(), static_cast<size_t>(kRecords));
}

}  // namespace
}  // namespace eagre
