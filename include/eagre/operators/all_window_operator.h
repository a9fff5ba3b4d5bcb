// Tumbling windows in event time over whole streams: one accumulator per open window.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/operators/window_core.h"
#include "eagre/operators/window_folding.h"
#include "eagre/window.h"
#include "record/schema.h"

namespace eagre {

template <typename T, typename Folding, typename Emitter>
class AllWindowOperator final : public WindowOperatorBase {
 public:
  AllWindowOperator(TumblingEventTimeWindows windows, Folding folding, Emitter emitter,
                    std::vector<std::string> side_outputs)
      : WindowOperatorBase(windows, std::move(side_outputs)),
        folding_(std::move(folding)),
        emitter_(std::move(emitter)) {}

  Status Open(OperatorContext& context) override {
    EAGRE_RETURN_IF_ERROR(WindowOperatorBase::Open(context));
    EAGRE_RETURN_IF_ERROR(folding_.Open(context));
    return emitter_.Open(context);
  }
  Status Close(bool) override {
    folding_.Close();
    emitter_.Close();
    return OkStatus();
  }

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    const auto& in = static_cast<const TypedBatch<T>&>(*batch);
    for (; position < in.size(); ++position) {
      const int64_t timestamp = in.timestamps()[position];
      if (!InCurrentSlice(timestamp) && EnterSlice(timestamp) == nullptr) continue;
      auto& slice = static_cast<Slice&>(*current_slice());
      if (slice.empty) {
        slice.acc = folding_.Create();
        slice.empty = false;
      }
      if (!epochs().IsCurrent(slice.mark)) [[unlikely]]
        BeforeChange(slice);
      folding_.Add(slice.acc, in[position]);
      if constexpr (Folding::kHoldsRecords) slice.heap_bytes += sizeof(T) + HeapBytesOf(in[position]);
      if constexpr (kMeasures) {
        if (slice.acc_heap_bytes.IsDue()) Measure(slice);
      }
    }
    return FinishBatch();
  }

 private:
  using Acc = typename Folding::Acc;
  using StoredAcc = typename Folding::Stored;
  struct Slice final : WindowSlice {
    size_t memory_bytes() const override { return sizeof(Slice) + heap_bytes; }

    Acc acc{};
    uint8_t mark = 0;  // ChangeEpochs
    bool empty = true;
    size_t heap_bytes = 0;
    [[no_unique_address]] internal::AccumulatorHeapBytes<Folding> acc_heap_bytes{};
  };
  static constexpr bool kMeasures = internal::kMeasuresAccumulators<Folding>;

  static void Measure(Slice& slice) {
    slice.acc_heap_bytes.Measure(Folding::ToStored(slice.acc));
    slice.heap_bytes = slice.acc_heap_bytes.bytes();
  }

  std::unique_ptr<WindowSlice> NewSlice() override { return std::make_unique<Slice>(); }

  Status FireSlice(WindowSlice& base, bool& done) override {
    auto& slice = static_cast<Slice&>(base);
    done = !AnyOutputFull();
    if (!done) return OkStatus();
    Collector<typename Emitter::Out> out(output());
    out.set_timestamp(slice.window.MaxTimestamp());
    if (epochs().IsPending(slice.mark)) Encode(slice, state().sealed_out());
    emitter_.Emit(internal::NoKey{}, window_context(), folding_.ResultOf(slice.acc), out);
    slice.acc = Acc{};
    slice.empty = true;
    slice.mark = 0;
    slice.heap_bytes = 0;
    slice.acc_heap_bytes = {};
    return OkStatus();
  }

  void BeforeChange(Slice& slice) {
    if (epochs().IsPending(slice.mark)) Encode(slice, state().sealed_out());
    slice.mark = epochs().Current(slice.mark);
  }
  static void Encode(const Slice& slice, StateEntryWriter& out) {
    out.BeginKey(0).Fixed(slice.window.start);
    Codec<StoredAcc>::Encode(Folding::ToStored(slice.acc), out.BeginValue());
    out.End();
  }

  std::string EntrySchema() const override { return "accumulator: " + SchemaOf<StoredAcc>().text(); }
  bool EncodeEntries(WindowSlice& base, uint64_t&, bool pending_only, StateEntryWriter& out) override {
    auto& slice = static_cast<Slice&>(base);
    if (slice.empty || (pending_only && !epochs().IsPending(slice.mark))) return false;
    Encode(slice, out);
    if (pending_only) slice.mark = ChangeEpochs::Encoded(slice.mark);
    return false;
  }
  Status RestoreEntry(WindowSlice& base, uint64_t, ByteReader&, ByteReader& value) override {
    auto& slice = static_cast<Slice&>(base);
    StoredAcc stored{};
    if (!DecodeAs(state().stored_accumulator(), value, stored)) return DataLoss("an entry of windows is malformed");
    slice.acc = folding_.Create();
    Folding::FromStored(std::move(stored), slice.acc);
    slice.empty = false;
    slice.mark = epochs().Current(0);
    if constexpr (Folding::kHoldsRecords) slice.heap_bytes = Folding::HeldBytes(slice.acc);
    if constexpr (kMeasures) Measure(slice);
    return OkStatus();
  }
  void MarkUnchanged(WindowSlice& base) override { static_cast<Slice&>(base).mark = ChangeEpochs::kWritten; }

  Folding folding_;
  Emitter emitter_;
};

}  // namespace eagre
