// The record of the whole-job benchmarks: a flat card transaction of 14 fields, about 300 bytes as JSON.
#pragma once

#include <cstdint>
#include <string>

#include "record/record.h"

namespace eagre::bench {

struct Transaction {
  std::string transaction_id, user_id, account_id;
  double amount = 0;
  std::string currency, merchant, category;
  int64_t timestamp = 0;
  std::string country, city;
  double lat = 0, lon = 0;
  std::string channel, device;
};
EAGRE_RECORD(Transaction, transaction_id, user_id, account_id, amount, currency, merchant, category, timestamp, country,
             city, lat, lon, channel, device);

// Writes `count` transactions of 100 k users, 10 k events per second of event time, up to 4 s out of order, unless the
// file is there already with the right number. The same bytes every time.
void WriteTransactions(const std::string& path, int64_t count);

}  // namespace eagre::bench
