// Assesses every transaction of a user by five checks against what the user did before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "examples/finance/records.h"

namespace finance {

// What is known of a user's habits.
struct BehaviorProfile {
  int64_t transaction_count = 0;
  double mean_amount = 0;
  double squared_deviations = 0;                   // sum over all amounts, by Welford's method
  std::vector<int32_t> typical_hours;              // UTC, sorted
  std::vector<TransactionType> transaction_types;  // sorted
  bool weekend_activity = false;
};
EAGRE_RECORD(BehaviorProfile, transaction_count, mean_amount, squared_deviations, typical_hours, transaction_types,
             weekend_activity);

// Event times of recent transactions of one type, oldest first.
struct RecentTimes {
  std::vector<int64_t> times_ms;
};
EAGRE_RECORD(RecentTimes, times_ms);

inline const eagre::OutputTag<FraudAlert> kAlerts{"alerts"};
inline const eagre::OutputTag<AssessedTransaction> kAssessed{"assessed"};

// Expects each user's transactions in event-time order. Emits an assessment for every transaction, an alert for risky
// ones, and what the metrics need.
class FraudDetectionEngine : public eagre::KeyedProcessFunction<std::string, FinancialTransaction, RiskAssessment> {
 public:
  void ProcessElement(const FinancialTransaction& transaction, Context& context,
                      eagre::Collector<RiskAssessment>& out) override;
  // Forgets the transactions that are too old to count for any velocity window.
  void OnTimer(int64_t timestamp, OnTimerContext& context, eagre::Collector<RiskAssessment>& out) override;

 private:
  using Factors = std::vector<RiskFactor>;
  Factors CheckVelocity(const FinancialTransaction& transaction, Context& context);
  Factors CheckLocation(const FinancialTransaction& transaction);
  Factors CheckAmount(const FinancialTransaction& transaction) const;
  Factors CheckPattern(const FinancialTransaction& transaction) const;
  Factors CheckTime(const FinancialTransaction& transaction) const;
  void UpdateProfile(const FinancialTransaction& transaction);

  eagre::ValueState<BehaviorProfile> profile_{this, "behavior_profile"};
  eagre::ListState<Location> locations_{this, "location_history"};
  eagre::MapState<TransactionType, RecentTimes> velocity_{this, "velocity_checker"};
};

// Great-circle distance in km (haversine).
double DistanceKm(const Location& a, const Location& b);
// 0 without factors; else the mean of the checks' worst scores, each weighted by itself.
double CombineScores(const std::vector<double>& worst_scores);
RiskLevel LevelOf(double risk_score);
std::string RecommendationFor(RiskLevel level);

}  // namespace finance
