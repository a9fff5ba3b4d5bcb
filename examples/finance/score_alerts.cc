// score_alerts --transactions FILE --alerts DIR: holds the alerts of a run against the labels of the generated frauds.
//
// Precision: of the alerts, how many hit a transaction that belongs to a fraud. Recall: of the fraud incidents, how
// many raised at least one alert.
#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "examples/finance/records.h"

namespace {

template <typename T, typename F>
void ForEachRecord(const std::filesystem::path& path, F&& visit) {
  std::ifstream file(path);
  if (!file) {
    std::cerr << path << ": cannot be read\n";
    std::exit(1);
  }
  std::string line;
  while (std::getline(file, line)) {
    const eagre::StatusOr<T> record = eagre::FromJson<T>(line);
    if (!record.ok()) {
      std::cerr << path << ": " << eagre::StatusMessage(record.status()) << '\n';
      std::exit(1);
    }
    visit(*record);
  }
}

double Ratio(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

int main(int argc, char** argv) {
  std::string transactions, alerts;
  CLI::App app("Prints precision and recall of a run's alerts against the labels in the transactions.");
  app.add_option("--transactions", transactions, "The file that the job read")->required();
  app.add_option("--alerts", alerts, "The job's folder of alerts")->required();
  CLI11_PARSE(app, argc, argv);

  struct Label {
    std::string kind;
    std::string incident;
  };
  std::map<std::string, Label> labels;  // by transaction
  std::map<std::string, std::set<std::string>> incidents_of_kind;
  ForEachRecord<finance::FinancialTransaction>(transactions, [&](const finance::FinancialTransaction& t) {
    const auto kind = t.metadata.find("fraud");
    if (kind == t.metadata.end()) return;
    const std::string incident = t.metadata.at("incident");
    labels[t.transaction_id] = {kind->second, incident};
    incidents_of_kind[kind->second].insert(incident);
  });

  size_t raised = 0;
  size_t right = 0;
  std::map<std::string, std::set<std::string>> found_of_kind;
  std::error_code unreadable;
  const std::filesystem::directory_iterator folder(alerts, unreadable);
  if (unreadable) {
    std::cerr << alerts << ": " << unreadable.message()
              << "; --alerts is the folder `alerts` below the job's --output\n";
    return 1;
  }
  for (const auto& entry : folder) {
    if (entry.path().extension() != ".ndjson") continue;
    ForEachRecord<finance::FraudAlert>(entry.path(), [&](const finance::FraudAlert& alert) {
      ++raised;
      const auto label = labels.find(alert.transaction_id);
      if (label == labels.end()) return;
      ++right;
      found_of_kind[label->second.kind].insert(label->second.incident);
    });
  }

  size_t incidents = 0;
  size_t found = 0;
  std::cout << "alerts     " << raised << ", of which " << right << " on labelled frauds\n";
  for (const auto& [kind, all] : incidents_of_kind) {
    incidents += all.size();
    found += found_of_kind[kind].size();
    std::cout << fmt::format("  {:<18} {} of {} incidents found\n", kind, found_of_kind[kind].size(), all.size());
  }
  std::cout << fmt::format("precision  {:.3f}\nrecall     {:.3f}\n", Ratio(right, raised), Ratio(found, incidents));
  return 0;
}
