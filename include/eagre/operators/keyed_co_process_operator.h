// Runs a KeyedCoProcessFunction: what KeyedProcessOperator does, for two inputs that share keys, state and timers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/operators/keyed_process_operator.h"

namespace eagre {

// Input 0 is the first stream, input 1 the second.
template <typename K, typename In1, typename In2, typename Out, typename F>
class KeyedCoProcessOperator final : public KeyedProcessOperator<K, In1, Out, F> {
  using Base = KeyedProcessOperator<K, In1, Out, F>;

 public:
  KeyedCoProcessOperator(F function, std::unique_ptr<KeyExtractor<In1, K>> keys1,
                         std::unique_ptr<KeyExtractor<In2, K>> keys2, std::vector<std::string> side_outputs)
      : Base(std::move(function), std::move(keys1), std::move(side_outputs)), extractor2_(std::move(keys2)) {}

  Status Process(int input, std::unique_ptr<Batch>& batch, size_t& position) override {
    if (input == 0) return Base::Process(input, batch, position);
    auto& in = static_cast<TypedBatch<In2>&>(*batch);
    if (position == 0) {
      EAGRE_RETURN_IF_ERROR(this->MakeRoom());
      if (this->blocked()) return OkStatus();
      this->ShowWatermark();
      if (!in.keyed()) extractor2_->Hash(in);
      extractor2_->Extract(in, keys2_);
      EAGRE_RETURN_IF_ERROR(
          this->table_.MakeResident(in.hashes(), in.size(), [this](size_t i) -> const K& { return keys2_[i]; }));
    }
    Collector<Out> out(*this->output_);
    this->table_.ForgetTime();
    while (position < in.size() && !this->AnyOutputFull()) {
      const size_t i = position++;
      this->SetKey(this->context_of_element_, in.timestamps()[i], in.hashes()[i], keys2_[i]);
      out.set_timestamp(in.timestamps()[i]);
      this->table_.Select(i);
      this->function_.F::ProcessElement2(in[i], this->context_of_element_, out);
    }
    return position == in.size() ? this->FinishBatch() : OkStatus();
  }

 private:
  std::unique_ptr<KeyExtractor<In2, K>> extractor2_;
  KeyColumn<K> keys2_;
};

template <typename K, typename In1, typename In2, typename Out, typename F>
std::unique_ptr<Operator> MakeKeyedCoProcessOperator(F function, std::unique_ptr<KeyExtractor<In1, K>> keys1,
                                                     std::unique_ptr<KeyExtractor<In2, K>> keys2,
                                                     std::vector<std::string> side_outputs) {
  return std::make_unique<KeyedCoProcessOperator<K, In1, In2, Out, F>>(std::move(function), std::move(keys1),
                                                                       std::move(keys2), std::move(side_outputs));
}

}  // namespace eagre
