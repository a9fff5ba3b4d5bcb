#include "examples/finance/transaction_generator.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace finance {
namespace {

using eagre::Decimal;
using eagre::Timestamp;

constexpr int64_t kFirstDayMs = 1'735'689'600'000;  // 2025-01-01, a Wednesday
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr int kFirstHour = 7;  // nobody is active earlier,
constexpr int kLastHour = 23;  // or from this hour on
constexpr int kActiveHours = 10;
constexpr int64_t kMostDelayMs = 20'000;
constexpr int64_t kTransactionsToKnowAUser = 30;  // frauds hit only users whose habits can be known

struct User {
  std::string id;
  std::string account;
  Location home;
  std::string currency;
  int first_hour = 0;
  int64_t usual_amount_cents = 0;
  std::vector<TransactionType> types;
  int64_t transactions = 0;
};

class Generator {
 public:
  Generator(const GeneratorOptions& options, const std::function<void(const FinancialTransaction&)>& emit)
      : options_(options), emit_(emit), random_(options.seed) {
    const int64_t users = std::max<int64_t>(options_.count / 100, 5);
    for (int64_t i = 0; i < users; ++i) users_.push_back(MakeUser(i));
  }

  void Run() {
    constexpr int64_t kActiveDayMs = (kLastHour - kFirstHour) * kHourMs;
    const int64_t span_ms = options_.days * kActiveDayMs;
    int64_t day = 0;
    for (int64_t i = 0; emitted_ < options_.count; ++i) {
      const int64_t active_ms = static_cast<int64_t>(static_cast<double>(i) / static_cast<double>(options_.count) *
                                                     static_cast<double>(span_ms));
      const int64_t today = active_ms / kActiveDayMs;
      if (today != day) {
        FlushPlanned(kFirstDayMs + day * kDayMs + kLastHour * kHourMs);
        NightFrauds(kFirstDayMs + today * kDayMs);
        day = today;
      }
      const int64_t now_ms = kFirstDayMs + today * kDayMs + kFirstHour * kHourMs + active_ms % kActiveDayMs;
      FlushPlanned(now_ms);
      User& user = ActiveUser(now_ms);
      Emit(Ordinary(user, now_ms));
      if (random_.NextDouble() * 1000 < options_.frauds_per_1000) PlanFraud(now_ms);
    }
  }

 private:
  int64_t Between(int64_t low, int64_t high) {  // inclusive
    return low + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(high - low + 1)));
  }

  User MakeUser(int64_t index) {
    static constexpr const char* kCurrencies[] = {"EUR", "USD", "GBP", "CHF", "KRW"};
    static constexpr TransactionType kTypes[] = {TransactionType::kDeposit, TransactionType::kWithdrawal,
                                                 TransactionType::kTransfer, TransactionType::kPayment,
                                                 TransactionType::kInvestment};
    User user;
    user.id = fmt::format("user_{:07}", index);
    user.account = fmt::format("acc_{:08}", index * 7 + 13);
    user.home = {static_cast<double>(Between(-50'000'000, 60'000'000)) / 1e6,
                 static_cast<double>(Between(-170'000'000, 170'000'000)) / 1e6};
    user.currency = kCurrencies[Between(0, 4)];
    user.first_hour = static_cast<int>(Between(kFirstHour, kLastHour - kActiveHours));
    user.usual_amount_cents = Between(2'000, 40'000);
    const int64_t first = Between(0, 4);
    for (int64_t i = 0, n = Between(2, 3); i < n; ++i) user.types.push_back(kTypes[(first + i) % 5]);
    return user;
  }

  // A user who is awake at this hour; there always is one, since the hours of all users together cover the day.
  User& ActiveUser(int64_t now_ms) {
    const int hour = Timestamp(now_ms).HourOfDay();
    while (true) {
      User& user = users_[random_.Below(users_.size())];
      if (hour >= user.first_hour && hour < user.first_hour + kActiveHours) return user;
      if (++tries_ % 1'000 == 0) return user;  // a handful of users may leave an hour empty
    }
  }

  FinancialTransaction Ordinary(User& user, int64_t now_ms) {
    ++user.transactions;
    FinancialTransaction t;
    t.user_id = user.id;
    t.account_id = user.account;
    t.transaction_type = user.types[random_.Below(user.types.size())];
    // Between a half and one and a half of what is usual: never three deviations away.
    t.amount =
        Decimal::FromUnits(user.usual_amount_cents * Between(500, 1'500) / 1'000 * (Decimal::kUnitsPerOne / 100));
    t.currency = user.currency;
    t.timestamp = Timestamp(now_ms);
    if (t.transaction_type == TransactionType::kPayment)
      t.merchant_id = fmt::format("merchant_{:05}", Between(0, 4'999));
    t.location = Near(user.home);
    t.metadata["device"] = random_.Below(3) == 0 ? "web" : "mobile";
    return t;
  }

  Location Near(const Location& home) {
    // In whole millionths of a degree, so that the text of a place is short.
    const auto moved = [this](double degrees) {
      return (std::round(degrees * 1e6) + static_cast<double>(Between(-40'000, 40'000))) / 1e6;
    };
    const double latitude = moved(home.latitude);
    return {latitude, moved(home.longitude)};
  }

  void Label(FinancialTransaction& t, const char* kind, int64_t incident) {
    t.metadata["fraud"] = kind;
    t.metadata["incident"] = fmt::format("incident_{:06}", incident);
  }

  // A fraud on a known user who is active now, spread over the next minutes.
  void PlanFraud(int64_t now_ms) {
    User& user = ActiveUser(now_ms);
    if (user.transactions < kTransactionsToKnowAUser) return;
    const int64_t incident = incidents_++;
    switch (random_.Below(3)) {
      case 0: {  // many withdrawals within minutes
        int64_t at_ms = now_ms + 1'000;
        for (int i = 0; i < 14; ++i, at_ms += Between(5'000, 15'000)) {
          FinancialTransaction t = Ordinary(user, at_ms);
          t.transaction_type = TransactionType::kWithdrawal;
          t.merchant_id.reset();
          Label(t, "velocity", incident);
          Plan(std::move(t));
        }
        return;
      }
      case 1: {  // minutes later, at the other side of the world
        FinancialTransaction t = Ordinary(user, now_ms + Between(60'000, 600'000));
        t.location = Near(
            {-user.home.latitude, user.home.longitude > 0 ? user.home.longitude - 170 : user.home.longitude + 170});
        Label(t, "impossible_travel", incident);
        return Plan(std::move(t));
      }
      default: {
        FinancialTransaction t = Ordinary(user, now_ms + Between(1'000, 60'000));
        t.amount = t.amount * Between(12, 30);
        Label(t, "unusual_amount", incident);
        return Plan(std::move(t));
      }
    }
  }

  // Between two active days: somebody uses an account at three in the morning and takes more than is usual.
  void NightFrauds(int64_t midnight_ms) {
    const auto frauds = static_cast<int64_t>(static_cast<double>(options_.count) / static_cast<double>(options_.days) *
                                             options_.frauds_per_1000 / 3'000);
    for (int64_t i = 0; i < frauds; ++i) {
      User& user = users_[random_.Below(users_.size())];
      if (user.transactions < kTransactionsToKnowAUser) continue;
      FinancialTransaction t = Ordinary(user, midnight_ms + 3 * kHourMs + i * kHourMs / frauds);
      t.amount = t.amount * Between(5, 8);
      Label(t, "unusual_hour", incidents_++);
      Emit(std::move(t));
    }
  }

  void Plan(FinancialTransaction t) { planned_.push(std::move(t)); }

  void FlushPlanned(int64_t until_ms) {
    while (!planned_.empty() && planned_.top().timestamp.ms() <= until_ms) {
      FinancialTransaction t = planned_.top();
      planned_.pop();
      Emit(std::move(t));
    }
  }

  // Transactions come here in event-time order and leave with their event time moved back a little, as if each had
  // taken its own time to arrive.
  void Emit(FinancialTransaction t) {
    if (emitted_ == options_.count) return;
    t.transaction_id = fmt::format("tx_{:012}", emitted_);
    t.timestamp -= std::chrono::milliseconds(Between(0, kMostDelayMs));
    ++emitted_;
    emit_(t);
  }

  struct Later {
    bool operator()(const FinancialTransaction& a, const FinancialTransaction& b) const {
      return a.timestamp > b.timestamp;
    }
  };

  const GeneratorOptions options_;
  const std::function<void(const FinancialTransaction&)>& emit_;
  eagre::SeededRandom random_;
  std::vector<User> users_;
  std::priority_queue<FinancialTransaction, std::vector<FinancialTransaction>, Later> planned_;
  int64_t emitted_ = 0;
  int64_t incidents_ = 0;
  int64_t tries_ = 0;
};

}  // namespace

void GenerateTransactions(const GeneratorOptions& options,
                          const std::function<void(const FinancialTransaction&)>& emit) {
  Generator(options, emit).Run();
}

}  // namespace finance
