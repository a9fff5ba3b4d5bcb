// Tumbling windows in event time over keyed streams and whole streams.
//
// The operators are composed of a folding (how records are gathered) and an emitter (what is made of them); these
// functions compose the usual ones.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/operators/all_window_operator.h"
#include "eagre/operators/keyed_window_operator.h"
#include "eagre/operators/window_folding.h"
#include "eagre/window.h"
#include "runtime/key_extractor.h"

namespace eagre {

// `keys` is the subtask's extractor; tag i of `side_outputs` is output port 1 + i.

template <typename T, typename K, typename Folding, typename Emitter>
std::unique_ptr<Operator> MakeKeyedWindowOperator(TumblingEventTimeWindows windows,
                                                  std::unique_ptr<KeyExtractor<T, K>> keys, Folding folding,
                                                  Emitter emitter, std::vector<std::string> side_outputs = {}) {
  return std::make_unique<KeyedWindowOperator<T, K, Folding, Emitter>>(windows, std::move(keys), std::move(folding),
                                                                       std::move(emitter), std::move(side_outputs));
}
template <typename T, typename Folding, typename Emitter>
std::unique_ptr<Operator> MakeAllWindowOperator(TumblingEventTimeWindows windows, Folding folding, Emitter emitter,
                                                std::vector<std::string> side_outputs = {}) {
  return std::make_unique<AllWindowOperator<T, Folding, Emitter>>(windows, std::move(folding), std::move(emitter),
                                                                  std::move(side_outputs));
}

// The foldings and emitters for them.
template <typename T, typename F>
auto FoldByReduce(F function) {
  return internal::ReduceFolding<T, F>(std::move(function));
}
template <typename T, typename F>
auto FoldByAggregate(F function) {
  return internal::AggregateFolding<T, F>(std::move(function));
}
template <typename T, typename Acc, typename F>
auto FoldByAggregate(Acc initial, F function) {
  return internal::LambdaFolding<T, Acc, F>(std::move(initial), std::move(function));
}
template <typename T>
auto FoldByBuffering() {
  return internal::BufferFolding<T>();
}
template <typename Folding>
auto EmitResult(const Folding&) {
  return internal::ResultEmitter<typename Folding::Result>();
}
// Out follows from the function: the Collector of a lambda, F::Output of a class.
template <typename F>
auto EmitByFunction(F function) {
  return internal::FunctionEmitter<CollectorOutputOf<F>, F>(std::move(function));
}

// One record per key and window.
template <typename T, typename K, typename F>
std::unique_ptr<Operator> MakeWindowReduceOperator(F function, std::unique_ptr<KeyExtractor<T, K>> keys,
                                                   TumblingEventTimeWindows windows) {
  auto folding = FoldByReduce<T>(std::move(function));
  auto emitter = EmitResult(folding);
  return MakeKeyedWindowOperator<T, K>(windows, std::move(keys), std::move(folding), std::move(emitter));
}
// One result of an AggregateFunction per key and window.
template <typename T, typename K, typename Out, typename F>
std::unique_ptr<Operator> MakeWindowAggregateOperator(F aggregate, std::unique_ptr<KeyExtractor<T, K>> keys,
                                                      TumblingEventTimeWindows windows) {
  auto folding = FoldByAggregate<T>(std::move(aggregate));
  auto emitter = EmitResult(folding);
  return MakeKeyedWindowOperator<T, K>(windows, std::move(keys), std::move(folding), std::move(emitter));
}

}  // namespace eagre
