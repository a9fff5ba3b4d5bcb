// What a record costs: JSON in and out, the binary codec and key hashes, over 300-byte transactions of 14 fields. The
// hand-written simdjson loop is the limit that the table-driven reader is held against.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "record/json.h"
#include "record/record.h"

namespace eagre {
namespace {

struct Location {
  double latitude = 0;
  double longitude = 0;
};
EAGRE_RECORD(Location, latitude, longitude);

struct Metadata {
  std::string device;
  std::string channel;
  std::string country;
};
EAGRE_RECORD(Metadata, device, channel, country);

struct Transaction {
  std::string transaction_id;
  std::string user_id;
  std::string account_id;
  std::string transaction_type;
  double amount = 0;
  std::string currency;
  int64_t timestamp = 0;
  std::string merchant_id;
  Location location;
  Metadata metadata;
  std::string status;
};
EAGRE_RECORD(Transaction, transaction_id, user_id, account_id, transaction_type, amount, currency, timestamp,
             merchant_id, location, metadata, status);

constexpr size_t kLines = 20'000;

struct Input {
  std::string text;
  std::vector<size_t> offsets;  // of the lines, and the end

  std::string_view line(size_t i) const {
    return std::string_view(text).substr(offsets[i], offsets[i + 1] - offsets[i] - 1);
  }
};

const Input& Lines() {
  static const Input input = [] {
    static constexpr std::string_view kTypes[] = {"purchase", "transfer", "withdrawal", "deposit"};
    static constexpr std::string_view kCurrencies[] = {"USD", "EUR", "GBP", "JPY"};
    Input made;
    uint64_t state = 1;
    const auto below = [&](uint64_t bound) { return (state = MixInt64(state)) % bound; };
    for (size_t i = 0; i < kLines; ++i) {
      made.offsets.push_back(made.text.size());
      const auto user = below(100'000);
      fmt::format_to(std::back_inserter(made.text),
                     R"({{"transaction_id":"tx_{:012}","user_id":"user_{:07}","account_id":"acc_{:08}",)"
                     R"("transaction_type":"{}","amount":{:.2f},"currency":"{}","timestamp":{},)"
                     R"("merchant_id":"merchant_{:05}","location":{{"latitude":{:.6f},"longitude":{:.6f}}},)"
                     R"("metadata":{{"device":"mobile","channel":"app","country":"DE"}},"status":"ok"}})"
                     "\n",
                     i, user, user * 3, kTypes[below(4)], static_cast<double>(below(500'000)) / 100,
                     kCurrencies[below(4)], 1'700'000'000'000 + i / 10, below(50'000),
                     static_cast<double>(below(180'000'000)) / 1e6 - 90,
                     static_cast<double>(below(360'000'000)) / 1e6 - 180);
    }
    made.offsets.push_back(made.text.size());
    made.text.append(JsonParser::kPadding, ' ');
    return made;
  }();
  return input;
}

std::string_view Window() {
  return std::string_view(Lines().text).substr(0, Lines().offsets.back());
}

void SetRates(benchmark::State& state, size_t records, size_t bytes) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * records));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  state.counters["ns_per_record"] = benchmark::Counter(
      static_cast<double>(records) / 1e9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

std::vector<Transaction> Records() {
  std::vector<Transaction> records(kLines);
  JsonParser parser;
  parser.BeginWindow(Window(), Lines().text.size());
  ParsedLine line;
  for (Transaction& record : records) parser.NextLine(record, line);
  return records;
}

// Records of a batch are refilled; so are these.
constexpr size_t kBatch = 512;

void BM_JsonWindow(benchmark::State& state) {
  JsonParser parser;
  std::vector<Transaction> batch(kBatch);
  ParsedLine line;
  for (auto _ : state) {
    parser.BeginWindow(Window(), Lines().text.size());
    for (size_t i = 0; parser.NextLine(batch[i % kBatch], line); ++i) {
      if (!line.status.ok()) state.SkipWithError("a line did not parse");
    }
  }
  SetRates(state, kLines, Window().size());
}
BENCHMARK(BM_JsonWindow);

void BM_JsonLineByLine(benchmark::State& state) {
  JsonParser parser;
  std::vector<Transaction> batch(kBatch);
  const Input& input = Lines();
  for (auto _ : state) {
    for (size_t i = 0; i < kLines; ++i) {
      const size_t readable = input.text.size() - input.offsets[i];
      if (!parser.Parse(input.line(i), batch[i % kBatch], readable).ok()) state.SkipWithError("a line did not parse");
    }
  }
  SetRates(state, kLines, Window().size());
}
BENCHMARK(BM_JsonLineByLine);

// The limit: simdjson on demand by hand, into the same struct.
bool ParseByHand(simdjson::ondemand::parser& parser, const char* line, size_t size, size_t readable, Transaction& tx) {
  simdjson::ondemand::document document;
  simdjson::ondemand::object location, metadata;
  std::string_view text;
  if (parser.iterate(line, size, readable).get(document)) return false;
  const auto take = [&](auto& object, const char* name, std::string& field) {
    if (object[name].get(text)) return false;
    field.assign(text);
    return true;
  };
  return take(document, "transaction_id", tx.transaction_id) && take(document, "user_id", tx.user_id) &&
         take(document, "account_id", tx.account_id) && take(document, "transaction_type", tx.transaction_type) &&
         !document["amount"].get(tx.amount) && take(document, "currency", tx.currency) &&
         !document["timestamp"].get(tx.timestamp) && take(document, "merchant_id", tx.merchant_id) &&
         !document["location"].get(location) && !location["latitude"].get(tx.location.latitude) &&
         !location["longitude"].get(tx.location.longitude) && !document["metadata"].get(metadata) &&
         take(metadata, "device", tx.metadata.device) && take(metadata, "channel", tx.metadata.channel) &&
         take(metadata, "country", tx.metadata.country) && take(document, "status", tx.status);
}

void BM_JsonByHandOnDemand(benchmark::State& state) {
  simdjson::ondemand::parser parser;
  std::vector<Transaction> batch(kBatch);
  const Input& input = Lines();
  for (auto _ : state) {
    for (size_t i = 0; i < kLines; ++i) {
      const std::string_view line = input.line(i);
      if (!ParseByHand(parser, line.data(), line.size(), line.size() + JsonParser::kPadding, batch[i % kBatch])) {
        state.SkipWithError("a line did not parse");
      }
    }
  }
  SetRates(state, kLines, Window().size());
}
BENCHMARK(BM_JsonByHandOnDemand);

void BM_JsonWrite(benchmark::State& state) {
  const std::vector<Transaction> records = Records();
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (const Transaction& record : records) {
      AppendJson(record, out);
      out += '\n';
    }
  }
  SetRates(state, kLines, out.size());
}
BENCHMARK(BM_JsonWrite);

void BM_BinaryEncode(benchmark::State& state) {
  const std::vector<Transaction> records = Records();
  std::string out;
  size_t bytes = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < kLines; ++i) {
      if (i % kBatch == 0) out.clear();
      ByteWriter writer(out);
      const size_t before = out.size();
      Codec<Transaction>::Encode(records[i], writer);
      bytes += out.size() - before;
    }
  }
  SetRates(state, kLines, bytes / state.iterations());
}
BENCHMARK(BM_BinaryEncode);

void BM_BinaryDecode(benchmark::State& state) {
  std::string bytes;
  ByteWriter writer(bytes);
  for (const Transaction& record : Records()) Codec<Transaction>::Encode(record, writer);
  std::vector<Transaction> batch(kBatch);
  for (auto _ : state) {
    ByteReader reader(bytes);
    for (size_t i = 0; !reader.empty(); ++i) {
      if (!Codec<Transaction>::Decode(reader, batch[i % kBatch])) state.SkipWithError("bytes did not decode");
    }
  }
  SetRates(state, kLines, bytes.size());
}
BENCHMARK(BM_BinaryDecode);

void BM_KeyHashString(benchmark::State& state) {
  const std::vector<Transaction> records = Records();
  for (auto _ : state) {
    uint64_t sum = 0;
    for (const Transaction& record : records) sum += KeyHash(record.user_id);
    benchmark::DoNotOptimize(sum);
  }
  SetRates(state, kLines, kLines * records[0].user_id.size());
}
BENCHMARK(BM_KeyHashString);

void BM_KeyHashInteger(benchmark::State& state) {
  const std::vector<Transaction> records = Records();
  for (auto _ : state) {
    uint64_t sum = 0;
    for (const Transaction& record : records) sum += KeyHash(record.timestamp);
    benchmark::DoNotOptimize(sum);
  }
  SetRates(state, kLines, kLines * 8);
}
BENCHMARK(BM_KeyHashInteger);

}  // namespace
}  // namespace eagre
