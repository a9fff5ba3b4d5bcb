#include "examples/finance/financial_metrics.h"

namespace finance {

void FinancialMetricsAggregateFunction::Add(MetricsAccumulator& accumulator, const AssessedTransaction& transaction) {
  FinancialMetrics& metrics = accumulator.metrics;
  ++metrics.total_transactions;
  metrics.total_amount += transaction.amount;
  if (transaction.risk_level >= RiskLevel::kHigh) ++metrics.high_risk_transactions;
  ++metrics.transaction_types[transaction.transaction_type];
  ++metrics.hourly_distribution[transaction.timestamp.HourOfDay()];
  ++accumulator.transactions_by_user[transaction.user_id];
}

FinancialMetrics FinancialMetricsAggregateFunction::GetResult(const MetricsAccumulator& accumulator) {
  FinancialMetrics metrics = accumulator.metrics;
  for (const auto& [user, transactions] : accumulator.transactions_by_user) metrics.unique_users.push_back(user);
  return metrics;
}

void FinancialMetricsWindowFunction::Process(Context& context, const FinancialMetrics& totals,
                                             eagre::Collector<FinancialMetrics>& out) {
  FinancialMetrics metrics = totals;
  metrics.window_start = eagre::Timestamp(context.window().start);
  metrics.window_end = eagre::Timestamp(context.window().end);
  const auto transactions = static_cast<double>(metrics.total_transactions);
  if (metrics.total_transactions > 0) {
    metrics.average_transaction_amount = metrics.total_amount / metrics.total_transactions;
    metrics.risk_rate = static_cast<double>(metrics.high_risk_transactions) / transactions;
  }
  if (!metrics.unique_users.empty()) {
    metrics.transactions_per_user = transactions / static_cast<double>(metrics.unique_users.size());
  }
  out.Collect(std::move(metrics));
}

}  // namespace finance
