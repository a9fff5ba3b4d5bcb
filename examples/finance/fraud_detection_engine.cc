#include "examples/finance/fraud_detection_engine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace finance {
namespace {

constexpr int64_t kSecondMs = 1000;
// Velocity: how many transactions of one type are too many within each window.
constexpr std::array<int64_t, 3> kVelocityWindowsMs = {300 * kSecondMs, 900 * kSecondMs, 3600 * kSecondMs};
constexpr int64_t kLongestWindowMs = kVelocityWindowsMs.back();
constexpr size_t kMostRecentTimes = 500;  // more than any threshold: the count is exact where it matters
constexpr size_t kMostLocations = 50;
// A deviation from fewer amounts than these says nothing.
constexpr int64_t kFewestAmounts = 10;

std::array<int64_t, 3> VelocityThresholds(TransactionType type) {
  switch (type) {
    case TransactionType::kWithdrawal: return {5, 10, 20};
    case TransactionType::kPayment: return {20, 50, 100};
    default: return {10, 20, 50};
  }
}

template <typename T>
void InsertSorted(std::vector<T>& values, const T& value) {
  const auto at = std::lower_bound(values.begin(), values.end(), value);
  if (at == values.end() || *at != value) values.insert(at, value);
}

template <typename T>
bool ContainsSorted(const std::vector<T>& values, const T& value) {
  return std::binary_search(values.begin(), values.end(), value);
}

double WorstScore(const std::vector<RiskFactor>& factors) {
  double worst = 0;
  for (const RiskFactor& factor : factors) worst = std::max(worst, factor.risk_score);
  return worst;
}

}  // namespace

double DistanceKm(const Location& a, const Location& b) {
  constexpr double kEarthRadiusKm = 6371;
  constexpr double kRadians = std::numbers::pi / 180;
  const double half_lat = std::sin((b.latitude - a.latitude) * kRadians / 2);
  const double half_lon = std::sin((b.longitude - a.longitude) * kRadians / 2);
  const double h =
      half_lat * half_lat + std::cos(a.latitude * kRadians) * std::cos(b.latitude * kRadians) * half_lon * half_lon;
  return 2 * kEarthRadiusKm * std::asin(std::min(1.0, std::sqrt(h)));
}

double CombineScores(const std::vector<double>& worst_scores) {
  double sum = 0;
  double weighted = 0;
  for (const double score : worst_scores) {
    sum += score;
    weighted += score * score;
  }
  return sum == 0 ? 0 : weighted / sum;
}

RiskLevel LevelOf(double risk_score) {
  if (risk_score >= 0.8) return RiskLevel::kCritical;
  if (risk_score >= 0.6) return RiskLevel::kHigh;
  if (risk_score >= 0.3) return RiskLevel::kMedium;
  return RiskLevel::kLow;
}

std::string RecommendationFor(RiskLevel level) {
  switch (level) {
    case RiskLevel::kCritical: return "Immediate transaction blocking recommended";
    case RiskLevel::kHigh: return "Additional verification required";
    case RiskLevel::kMedium: return "Monitor closely, consider manual review";
    case RiskLevel::kLow: break;
  }
  return "Low risk, normal processing";
}

void FraudDetectionEngine::ProcessElement(const FinancialTransaction& transaction, Context& context,
                                          eagre::Collector<RiskAssessment>& out) {
  std::array<Factors, 5> checks = {CheckVelocity(transaction, context), CheckLocation(transaction),
                                   CheckAmount(transaction), CheckPattern(transaction), CheckTime(transaction)};
  RiskAssessment assessment;
  std::vector<double> worst_scores;
  for (Factors& factors : checks) {
    if (factors.empty()) continue;
    worst_scores.push_back(WorstScore(factors));
    std::move(factors.begin(), factors.end(), std::back_inserter(assessment.risk_factors));
  }
  assessment.transaction_id = transaction.transaction_id;
  assessment.risk_score = CombineScores(worst_scores);
  assessment.risk_level = LevelOf(assessment.risk_score);
  assessment.timestamp = transaction.timestamp;
  assessment.recommendation = RecommendationFor(assessment.risk_level);
  UpdateProfile(transaction);

  context.Output(kAssessed, AssessedTransaction{.user_id = transaction.user_id,
                                                .transaction_type = transaction.transaction_type,
                                                .amount = transaction.amount,
                                                .timestamp = transaction.timestamp,
                                                .risk_level = assessment.risk_level});
  if (assessment.risk_level >= RiskLevel::kHigh) {
    context.Output(kAlerts, FraudAlert{.severity = assessment.risk_level,
                                       .transaction_id = transaction.transaction_id,
                                       .user_id = transaction.user_id,
                                       .amount = transaction.amount,
                                       .risk_score = assessment.risk_score,
                                       .recommendation = assessment.recommendation,
                                       .timestamp = transaction.timestamp});
  }
  out.Collect(std::move(assessment));
}

FraudDetectionEngine::Factors FraudDetectionEngine::CheckVelocity(const FinancialTransaction& transaction,
                                                                  Context& context) {
  Factors factors;
  std::vector<int64_t>& times = velocity_.Mutable(transaction.transaction_type).times_ms;
  const int64_t now_ms = transaction.timestamp.ms();
  times.erase(times.begin(), std::lower_bound(times.begin(), times.end(), now_ms - kLongestWindowMs));
  const auto thresholds = VelocityThresholds(transaction.transaction_type);
  for (size_t i = 0; i < kVelocityWindowsMs.size(); ++i) {
    const auto count = times.end() - std::lower_bound(times.begin(), times.end(), now_ms - kVelocityWindowsMs[i]);
    if (count < thresholds[i]) continue;
    factors.push_back(
        {.type = "high_velocity",
         .detail = fmt::format("{} transactions of this type in {} s, {} are usual at most", count,
                               kVelocityWindowsMs[i] / kSecondMs, thresholds[i]),
         .risk_score = std::min(static_cast<double>(count) / static_cast<double>(thresholds[i]) * 0.5, 1.0)});
  }
  if (times.size() == kMostRecentTimes) times.erase(times.begin());
  times.push_back(now_ms);
  // One timer per user and hour: it fires when the last transaction of that hour has left the longest window.
  context.RegisterEventTimeTimer((now_ms / kLongestWindowMs + 2) * kLongestWindowMs);
  return factors;
}

void FraudDetectionEngine::OnTimer(int64_t timestamp, OnTimerContext&, eagre::Collector<RiskAssessment>&) {
  auto& types = velocity_.MutableEntries();
  for (auto type = types.begin(); type != types.end();) {
    std::vector<int64_t>& times = type->second.times_ms;
    times.erase(times.begin(), std::lower_bound(times.begin(), times.end(), timestamp - kLongestWindowMs));
    type = times.empty() ? types.erase(type) : std::next(type);
  }
}

FraudDetectionEngine::Factors FraudDetectionEngine::CheckLocation(const FinancialTransaction& transaction) {
  Factors factors;
  const std::vector<Location>& known = locations_.Get();
  double nearest_km = std::numeric_limits<double>::infinity();
  for (const Location& location : known) nearest_km = std::min(nearest_km, DistanceKm(transaction.location, location));
  if (!known.empty() && nearest_km > 100) {
    factors.push_back({.type = "unusual_location",
                       .detail = fmt::format("{:.0f} km from the nearest known place", nearest_km),
                       .risk_score = std::min(nearest_km / 1000, 1.0)});
  }
  // A place near a known one adds nothing to what is known.
  if (known.empty() || nearest_km > 10) {
    std::vector<Location>& locations = locations_.Mutable();
    if (locations.size() == kMostLocations) locations.erase(locations.begin());
    locations.push_back(transaction.location);
  }
  return factors;
}

FraudDetectionEngine::Factors FraudDetectionEngine::CheckAmount(const FinancialTransaction& transaction) const {
  const BehaviorProfile* profile = profile_.Get();
  if (profile == nullptr || profile->transaction_count < kFewestAmounts) return {};
  const double deviation = std::sqrt(profile->squared_deviations / static_cast<double>(profile->transaction_count - 1));
  if (deviation <= 0) return {};
  const double amount = transaction.amount.ToDouble();
  const double z_score = std::abs(amount - profile->mean_amount) / deviation;
  if (z_score <= 3) return {};
  return {{.type = "unusual_amount",
           .detail = fmt::format("{:.1f} standard deviations from the mean of {:.2f}", z_score, profile->mean_amount),
           .risk_score = std::min(z_score / 5, 1.0)}};
}

FraudDetectionEngine::Factors FraudDetectionEngine::CheckPattern(const FinancialTransaction& transaction) const {
  const BehaviorProfile* profile = profile_.Get();
  if (profile == nullptr) return {};
  Factors factors;
  const int32_t hour = transaction.timestamp.HourOfDay();
  if (!ContainsSorted(profile->typical_hours, hour)) {
    factors.push_back(
        {.type = "unusual_time", .detail = fmt::format("never before at {:02}:00", hour), .risk_score = 0.3});
  }
  if (!ContainsSorted(profile->transaction_types, transaction.transaction_type)) {
    factors.push_back({.type = "unusual_transaction_type", .detail = "never before of this type", .risk_score = 0.4});
  }
  return factors;
}

FraudDetectionEngine::Factors FraudDetectionEngine::CheckTime(const FinancialTransaction& transaction) const {
  Factors factors;
  const int hour = transaction.timestamp.HourOfDay();
  if (hour >= 2 && hour <= 6) {
    factors.push_back(
        {.type = "late_night_transaction", .detail = fmt::format("at {:02}:00 UTC", hour), .risk_score = 0.2});
  }
  const BehaviorProfile* profile = profile_.Get();
  if (transaction.timestamp.IsoWeekday() >= 6 && profile != nullptr && !profile->weekend_activity) {
    factors.push_back({.type = "weekend_unusual_activity", .detail = "never before on a weekend", .risk_score = 0.3});
  }
  return factors;
}

void FraudDetectionEngine::UpdateProfile(const FinancialTransaction& transaction) {
  BehaviorProfile& profile = profile_.Mutable();
  const double amount = transaction.amount.ToDouble();
  ++profile.transaction_count;
  const double before = amount - profile.mean_amount;
  profile.mean_amount += before / static_cast<double>(profile.transaction_count);
  profile.squared_deviations += before * (amount - profile.mean_amount);
  InsertSorted(profile.typical_hours, static_cast<int32_t>(transaction.timestamp.HourOfDay()));
  InsertSorted(profile.transaction_types, transaction.transaction_type);
  if (transaction.timestamp.IsoWeekday() >= 6) profile.weekend_activity = true;
}

}  // namespace finance
