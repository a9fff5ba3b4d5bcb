// The records of the financial monitoring system.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <eagre/eagre.h>

namespace finance {

enum class TransactionType { kDeposit, kWithdrawal, kTransfer, kPayment, kInvestment };
EAGRE_ENUM(TransactionType, kDeposit, kWithdrawal, kTransfer, kPayment, kInvestment);

enum class RiskLevel { kLow, kMedium, kHigh, kCritical };
EAGRE_ENUM(RiskLevel, kLow, kMedium, kHigh, kCritical);

struct Location {
  double latitude = 0;
  double longitude = 0;
};
EAGRE_RECORD(Location, latitude, longitude);

struct FinancialTransaction {
  std::string transaction_id;
  std::string user_id;
  std::string account_id;
  TransactionType transaction_type = TransactionType::kPayment;
  eagre::Decimal amount;
  std::string currency;
  eagre::Timestamp timestamp;
  std::optional<std::string> merchant_id;
  Location location;
  std::map<std::string, std::string> metadata;
};
EAGRE_RECORD(FinancialTransaction, transaction_id, user_id, account_id, transaction_type, amount, currency, timestamp,
             merchant_id, location, metadata);

// One reason why a transaction looks risky.
struct RiskFactor {
  std::string type;    // "high_velocity", "unusual_location", ...
  std::string detail;  // for people
  double risk_score = 0;
};
EAGRE_RECORD(RiskFactor, type, detail, risk_score);

struct RiskAssessment {
  std::string transaction_id;
  RiskLevel risk_level = RiskLevel::kLow;
  double risk_score = 0;
  std::vector<RiskFactor> risk_factors;
  eagre::Timestamp timestamp;
  std::string recommendation;
};
EAGRE_RECORD(RiskAssessment, transaction_id, risk_level, risk_score, risk_factors, timestamp, recommendation);

// Raised at once for every assessment of level high or critical.
struct FraudAlert {
  std::string type = "fraud_alert";
  RiskLevel severity = RiskLevel::kHigh;
  std::string transaction_id;
  std::string user_id;
  eagre::Decimal amount;
  double risk_score = 0;
  std::string recommendation;
  eagre::Timestamp timestamp;
};
EAGRE_RECORD(FraudAlert, type, severity, transaction_id, user_id, amount, risk_score, recommendation, timestamp);

// What the one-minute metrics need of an assessed transaction.
struct AssessedTransaction {
  std::string user_id;
  TransactionType transaction_type = TransactionType::kPayment;
  eagre::Decimal amount;
  eagre::Timestamp timestamp;
  RiskLevel risk_level = RiskLevel::kLow;
};
EAGRE_RECORD(AssessedTransaction, user_id, transaction_type, amount, timestamp, risk_level);

// One minute of the whole stream. Sets and maps are written sorted, money is exact: the output does not depend on the
// parallelism.
struct FinancialMetrics {
  eagre::Timestamp window_start;
  eagre::Timestamp window_end;
  int64_t total_transactions = 0;
  eagre::Decimal total_amount;
  eagre::Decimal average_transaction_amount;
  int64_t high_risk_transactions = 0;
  double risk_rate = 0;
  std::vector<std::string> unique_users;
  double transactions_per_user = 0;
  std::map<TransactionType, int64_t> transaction_types;
  std::map<int32_t, int64_t> hourly_distribution;
};
EAGRE_RECORD(FinancialMetrics, window_start, window_end, total_transactions, total_amount, average_transaction_amount,
             high_risk_transactions, risk_rate, unique_users, transactions_per_user, transaction_types,
             hourly_distribution);

}  // namespace finance
