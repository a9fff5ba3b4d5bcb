// generate_transactions --count N --seed S --output FILE: writes transactions with labelled frauds as NDJSON.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>

#include "examples/finance/transaction_generator.h"

int main(int argc, char** argv) {
  finance::GeneratorOptions options;
  std::string output;
  CLI::App app("Writes financial transactions with labelled frauds, the same ones for the same seed.");
  app.add_option("--count", options.count, "Number of transactions")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of everything")->capture_default_str();
  app.add_option("--output", output, "NDJSON file to write")->required();
  CLI11_PARSE(app, argc, argv);

  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(output.c_str(), "wb"), std::fclose);
  if (file == nullptr) {
    std::perror(output.c_str());
    return 1;
  }
  std::string lines;
  bool written = true;
  auto flush = [&] {
    written &= std::fwrite(lines.data(), 1, lines.size(), file.get()) == lines.size();
    lines.clear();
  };
  finance::GenerateTransactions(options, [&](const finance::FinancialTransaction& transaction) {
    lines += eagre::ToJson(transaction);
    lines += '\n';
    if (lines.size() > (1 << 20)) flush();
  });
  flush();
  if (!written || std::fflush(file.get()) != 0) {
    std::perror(output.c_str());
    return 1;
  }
  return 0;
}
