// A transaction's 14 fields out of a line of JSON, as the hand-written loops do it.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace eagre::bench {

[[noreturn]] inline void EndWith(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

struct ParsedTransaction {
  std::string_view transaction_id, user_id, account_id, currency, merchant, category, country, city, channel, device;
  double amount, lat, lon;
  int64_t timestamp;
};

inline void ParseTransaction(simdjson::ondemand::parser& parser, const char* line, size_t size, size_t capacity,
                             ParsedTransaction& t) {
  simdjson::ondemand::document d;
  if (parser.iterate(line, size, capacity).get(d)) EndWith("malformed JSON");
  if (d.find_field("transaction_id").get(t.transaction_id) || d.find_field("user_id").get(t.user_id) ||
      d.find_field("account_id").get(t.account_id) || d.find_field("amount").get(t.amount) ||
      d.find_field("currency").get(t.currency) || d.find_field("merchant").get(t.merchant) ||
      d.find_field("category").get(t.category) || d.find_field("timestamp").get(t.timestamp) ||
      d.find_field("country").get(t.country) || d.find_field("city").get(t.city) || d.find_field("lat").get(t.lat) ||
      d.find_field("lon").get(t.lon) || d.find_field("channel").get(t.channel) ||
      d.find_field("device").get(t.device)) {
    EndWith("unexpected JSON");
  }
}

}  // namespace eagre::bench
