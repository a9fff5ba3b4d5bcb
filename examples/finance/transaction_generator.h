// A seeded stream of transactions of users with habits, into which labelled frauds are mixed.
//
// Every user has a home, two or three usual kinds of transaction, a usual amount, and ten hours of the day in which
// they are active (UTC, never between 23 and 7). Frauds are labelled in the metadata: "fraud" says the kind, "incident"
// which transactions belong together. Transactions come in the order in which a collector might see them: up to 20 s
// out of event-time order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "examples/finance/records.h"

namespace finance {

struct GeneratorOptions {
  int64_t count = 1'000'000;
  uint64_t seed = 1;
  int64_t days = 7;              // that the transactions are spread over
  double frauds_per_1000 = 0.6;  // incidents
};

// Calls `emit` for exactly options.count transactions; the same ones every time.
void GenerateTransactions(const GeneratorOptions& options,
                          const std::function<void(const FinancialTransaction&)>& emit);

}  // namespace finance
