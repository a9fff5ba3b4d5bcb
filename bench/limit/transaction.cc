#include "bench/limit/transaction.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/hash.h"

namespace eagre::bench {
namespace {

constexpr const char* kCurrencies[] = {"EUR", "USD", "GBP", "CHF", "SEK"};
constexpr const char* kCategories[] = {"grocery", "travel", "electronics", "fuel", "restaurant", "pharmacy"};
constexpr const char* kCountries[] = {"DE", "FR", "US", "GB", "IN", "BR"};
constexpr const char* kCities[] = {"Berlin", "Paris", "New York", "London", "Mumbai", "Sao Paulo"};
constexpr const char* kChannels[] = {"web", "pos", "app", "atm"};
constexpr const char* kDevices[] = {"ios-17", "android-14", "chrome", "terminal"};
constexpr int64_t kFirstMs = 1'700'000'000'000;

std::string TransactionLine(int64_t i) {
  const uint64_t r = MixInt64(static_cast<uint64_t>(i)) >> 1;
  const auto user = static_cast<unsigned>(MixInt64(static_cast<uint64_t>(i) * 3 + 5) % 100'000);
  const int64_t timestamp =
      kFirstMs + i / 10 - static_cast<int64_t>(MixInt64(static_cast<uint64_t>(i) * 7 + 1) % 4'000);
  char line[512];
  const int size = std::snprintf(
      line, sizeof line,
      "{\"transaction_id\":\"tx-%lld\",\"user_id\":\"U%u\",\"account_id\":\"ACC%u\",\"amount\":%llu.%llu,\"currency\":"
      "\"%s\","
      "\"merchant\":\"merchant-%llu\",\"category\":\"%s\",\"timestamp\":%lld,\"country\":\"%s\",\"city\":\"%s\","
      "\"lat\":%llu.%llu,\"lon\":%llu.%llu,\"channel\":\"%s\",\"device\":\"%s\"}\n",
      static_cast<long long>(1'000'000'000 + i), 1'000'000 + user, 5'000'000 + user,
      static_cast<unsigned long long>(r % 1000), static_cast<unsigned long long>(10 + r / 1000 % 90),
      kCurrencies[r % 5], static_cast<unsigned long long>(10'000 + r / 7 % 5000), kCategories[r % 6],
      static_cast<long long>(timestamp), kCountries[r % 6], kCities[r % 6],
      static_cast<unsigned long long>(r / 11 % 90), static_cast<unsigned long long>(100'000 + r / 13 % 900'000),
      static_cast<unsigned long long>(r / 17 % 180), static_cast<unsigned long long>(100'000 + r / 19 % 900'000),
      kChannels[r % 4], kDevices[r / 23 % 4]);
  return {line, static_cast<size_t>(size)};
}

}  // namespace

void WriteTransactions(const std::string& path, int64_t count) {
  const std::string marker = path + "." + std::to_string(count);
  struct stat info {};
  if (stat(marker.c_str(), &info) == 0 && stat(path.c_str(), &info) == 0) return;
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (file == nullptr) {
    std::perror(path.c_str());
    std::exit(1);
  }
  for (int64_t i = 0; i < count; ++i) {
    const std::string line = TransactionLine(i);
    std::fwrite(line.data(), 1, line.size(), file.get());
  }
  std::fclose(std::fopen(marker.c_str(), "wb"));
}

}  // namespace eagre::bench
