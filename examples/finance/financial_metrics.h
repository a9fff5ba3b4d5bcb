// One-minute metrics over all transactions.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "examples/finance/records.h"

namespace finance {

// A record, since checkpoints contain it.
struct MetricsAccumulator {
  FinancialMetrics metrics;
  std::map<std::string, int64_t> transactions_by_user;
};
EAGRE_RECORD(MetricsAccumulator, metrics, transactions_by_user);

class FinancialMetricsAggregateFunction
    : public eagre::AggregateFunction<AssessedTransaction, MetricsAccumulator, FinancialMetrics> {
 public:
  void Add(MetricsAccumulator& accumulator, const AssessedTransaction& transaction) override;
  FinancialMetrics GetResult(const MetricsAccumulator& accumulator) override;
};

// Adds the window and the derived figures.
class FinancialMetricsWindowFunction : public eagre::AllWindowFunction<FinancialMetrics, FinancialMetrics> {
 public:
  void Process(Context& context, const FinancialMetrics& totals, eagre::Collector<FinancialMetrics>& out) override;
};

}  // namespace finance
