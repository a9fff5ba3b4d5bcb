// What a writer promises for an edge: every record reaches the subtask of its key once and in order, however its
// batches are handed over (copied, or shown to several consumers) and however often a channel refuses.
#include "runtime/partition_writer.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/random.h"
#include "runtime/key_groups.h"
#include "runtime/ring_channel.h"
#include "tests/unit/runtime/channel_traffic.h"

namespace eagre {
namespace {

constexpr int kMaxParallelism = 128;
const TrafficShape kShape;

class NumberHasher final : public BatchKeyHasher {
 public:
  void Hash(Batch& batch) override {
    const auto& parcels = static_cast<const TypedBatch<Parcel>&>(batch);
    for (size_t i = 0; i < batch.size(); ++i) batch.hashes()[i] = TrafficShape::Hash(parcels[i].number);
    batch.set_keyed(true);
  }
};

int TargetOf(int64_t number, int subtasks) {
  return SubtaskOfKeyGroup(KeyGroupOf(TrafficShape::Hash(number), kMaxParallelism), subtasks, kMaxParallelism);
}

struct Edge {
  Edge(Partitioning partitioning, int subtasks, size_t capacity) : wakers(static_cast<size_t>(subtasks)) {
    std::vector<std::unique_ptr<OutputChannel>> outputs;
    for (int subtask = 0; subtask < subtasks; ++subtask) {
      auto [output, input] = NewRingChannel(TypedBatch<Parcel>::Type(), capacity, producer_waker, wakers[subtask]);
      outputs.push_back(std::move(output));
      inputs.push_back(std::move(input));
    }
    PartitionCode code;
    if (partitioning == Partitioning::kHash) code.hasher = std::make_unique<NumberHasher>();
    writer = std::make_unique<PartitionWriter>(partitioning, std::move(outputs), std::move(code), kMaxParallelism);
  }
  ParkingWaker producer_waker;
  std::vector<ParkingWaker> wakers;
  std::vector<std::unique_ptr<InputChannel>> inputs;
  std::unique_ptr<PartitionWriter> writer;
};

// Writes records 0, 1, 2... in batches of random sizes, then the end of input.
class Writing {
 public:
  Writing(Edge& edge, int64_t records, uint64_t seed)
      : edge_(edge), records_(records), random_(seed), batch_(TypedBatch<Parcel>::Type().create()) {}

  ParkingWaker::Step Step() {
    if (batch_->empty() && next_ < records_) Fill();
    if (!batch_->empty()) {
      if (!edge_.writer->Write(batch_, may_give_)) return ParkingWaker::Step::kBlocked;
      seen_.insert(batch_.get());
      batch_->Clear();
      return ParkingWaker::Step::kProgress;
    }
    return edge_.writer->Send({ControlEvent::Kind::kEndOfInput, 0}) ? ParkingWaker::Step::kDone
                                                                    : ParkingWaker::Step::kBlocked;
  }
  size_t batches_used() const { return seen_.size(); }

 private:
  void Fill() {
    may_give_ = random_.Below(4) != 0;
    const auto most = static_cast<uint64_t>(random_.Below(3) == 0 ? 20 : 900);
    const int64_t end = std::min(records_, next_ + 1 + static_cast<int64_t>(random_.Below(most)));
    auto& parcels = static_cast<TypedBatch<Parcel>&>(*batch_);
    for (; next_ < end; ++next_) {
      Parcel& parcel = parcels.Append(kShape.Timestamp(next_));
      parcel.number = next_;
      parcel.text = kShape.Text(next_);
    }
  }

  Edge& edge_;
  const int64_t records_;
  SeededRandom random_;
  std::unique_ptr<Batch> batch_;
  bool may_give_ = false;
  int64_t next_ = 0;
  std::set<const Batch*> seen_;
};

// Checks that exactly the records for which `is_mine` holds arrive, in order.
class Reading {
 public:
  Reading(InputChannel& input, int64_t records, std::function<bool(int64_t)> is_mine)
      : input_(input), records_(records), is_mine_(std::move(is_mine)) {
    Skip();
  }

  ParkingWaker::Step Step() {
    ChannelElement element;
    if (!*input_.Poll(element)) return ParkingWaker::Step::kBlocked;
    if (element.batch == nullptr) {
      EXPECT_EQ(next_, records_) << "records are missing";
      return ParkingWaker::Step::kDone;
    }
    const auto& parcels = static_cast<const TypedBatch<Parcel>&>(*element.batch);
    views_ += parcels.is_view() ? 1 : 0;
    for (size_t i = 0; i < parcels.size(); ++i) {
      EXPECT_EQ(parcels[i].number, next_);
      EXPECT_EQ(parcels[i].text, kShape.Text(next_));
      EXPECT_EQ(parcels.timestamps()[i], kShape.Timestamp(next_));
      if (parcels.keyed()) {
        EXPECT_EQ(parcels.hashes()[i], TrafficShape::Hash(next_));
      }
      ++next_;
      Skip();
    }
    input_.Recycle(std::move(element.batch));
    return ParkingWaker::Step::kProgress;
  }
  int views() const { return views_; }

 private:
  void Skip() {
    while (next_ < records_ && !is_mine_(next_)) ++next_;
  }

  InputChannel& input_;
  const int64_t records_;
  const std::function<bool(int64_t)> is_mine_;
  int64_t next_ = 0;
  int views_ = 0;
};

TEST(PartitionWriter, HashedRecordsReachTheSubtaskOfTheirKeyInOrder) {
  constexpr int64_t kRecords = 20'000;
  for (const int subtasks : {1, 2, 3, 7}) {
    for (const bool views : {false, true}) {
      Edge edge(Partitioning::kHash, subtasks, 4);
      std::vector<std::unique_ptr<Reading>> readers;
      for (int subtask = 0; subtask < subtasks; ++subtask) {
        // Of several consumers one is of the kind that wants its records in one piece.
        if (views && subtask != 2) edge.inputs[subtask]->AcceptViews();
        readers.push_back(std::make_unique<Reading>(
            *edge.inputs[subtask], kRecords,
            [subtask, subtasks](int64_t number) { return TargetOf(number, subtasks) == subtask; }));
      }
      std::vector<std::thread> threads;
      for (int subtask = 0; subtask < subtasks; ++subtask) {
        threads.emplace_back([&, subtask] {
          EXPECT_TRUE(edge.wakers[subtask].Run([&] { return readers[subtask]->Step(); })) << "a consumer sleeps on";
        });
      }
      Writing writing(edge, kRecords, static_cast<uint64_t>(subtasks));
      EXPECT_TRUE(edge.producer_waker.Run([&] { return writing.Step(); })) << "the producer sleeps on";
      for (std::thread& thread : threads) thread.join();
      EXPECT_EQ(readers[0]->views() > 0, views && subtasks > 1);
    }
  }
}

TEST(PartitionWriter, BroadcastShowsOneBatchToAll) {
  constexpr int64_t kRecords = 5'000;
  Edge edge(Partitioning::kBroadcast, 3, 2);
  std::vector<std::unique_ptr<Reading>> readers;
  for (auto& input : edge.inputs) {
    input->AcceptViews();
    readers.push_back(std::make_unique<Reading>(*input, kRecords, [](int64_t) { return true; }));
  }
  Writing writing(edge, kRecords, 1);
  bool written = false;
  size_t done = 0;
  std::vector<bool> ended(readers.size());
  while (done < readers.size()) {
    if (!written) written = writing.Step() == ParkingWaker::Step::kDone;
    for (size_t i = 0; i < readers.size(); ++i) {
      if (!ended[i] && readers[i]->Step() == ParkingWaker::Step::kDone) {
        ended[i] = true;
        ++done;
      }
    }
  }
  for (auto& reader : readers) EXPECT_GT(reader->views(), 0);
}

TEST(PartitionWriter, ShownBatchesComeBackAndAreFilledAgain) {
  Edge edge(Partitioning::kHash, 2, 2);
  for (auto& input : edge.inputs) input->AcceptViews();
  Writing writing(edge, 100'000, 1);
  bool written = false;
  while (!written) {
    written = writing.Step() == ParkingWaker::Step::kDone;
    for (auto& input : edge.inputs) {
      ChannelElement element;
      while (*input->Poll(element)) {
        if (element.batch != nullptr) input->Recycle(std::move(element.batch));
      }
    }
  }
  EXPECT_LT(writing.batches_used(), 12u) << "batches are made anew instead of being used again";
}

TEST(PartitionWriter, ABatchThatNobodyIsShownStaysWithItsProducer) {
  Edge edge(Partitioning::kHash, 2, 2);
  edge.inputs[0]->AcceptViews();  // and all records are for the other one, as they are where keys are few
  std::unique_ptr<Batch> batch = TypedBatch<Parcel>::Type().create();
  const Batch* const first = batch.get();
  int64_t number = 0;
  for (int round = 0; round < 20; ++round) {
    for (auto& parcels = static_cast<TypedBatch<Parcel>&>(*batch); parcels.size() < 200; ++number) {
      if (TargetOf(number, 2) == 1) parcels.Append(0).number = number;
    }
    ASSERT_TRUE(edge.writer->Write(batch, /*may_give=*/true));
    EXPECT_EQ(batch.get(), first) << "a batch is made anew that could be filled again";
    batch->Clear();
    for (ChannelElement element; *edge.inputs[1]->Poll(element);) edge.inputs[1]->Recycle(std::move(element.batch));
  }
}

TEST(PartitionWriter, AShownBatchOutlivesItsProducer) {
  Edge edge(Partitioning::kHash, 2, 8);
  for (auto& input : edge.inputs) input->AcceptViews();
  std::unique_ptr<Batch> batch = TypedBatch<Parcel>::Type().create();
  for (int64_t number = 0; number < 500; ++number) {
    static_cast<TypedBatch<Parcel>&>(*batch).Append(0) = {number, kShape.Text(number)};
  }
  ASSERT_TRUE(edge.writer->Write(batch, /*may_give=*/true));
  edge.writer.reset();
  batch.reset();
  size_t read = 0;
  for (auto& input : edge.inputs) {
    ChannelElement element;
    while (*input->Poll(element)) {
      const auto& parcels = static_cast<const TypedBatch<Parcel>&>(*element.batch);
      EXPECT_TRUE(parcels.is_view());
      for (size_t i = 0; i < parcels.size(); ++i) EXPECT_EQ(parcels[i].text, kShape.Text(parcels[i].number));
      read += parcels.size();
    }
  }
  EXPECT_EQ(read, 500u);
}

}  // namespace
}  // namespace eagre
