// usage: eagre-vectors cep DIR
//
// Runs the vectors in DIR, prints a line for each as soon as it is known, and a last one with their number. Vectors
// whose result depends on the order among equals, which the original leaves to a heap, are told apart. Exits with 1
// when one fails, with 2 when DIR has none.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>

#include "tests/vectors/cep_vectors.h"

namespace {

using eagre::vectors::Outcome;

const char* WordOf(Outcome::Verdict verdict) {
  switch (verdict) {
    case Outcome::Verdict::kPass: return "PASS";
    case Outcome::Verdict::kFail: return "FAIL";
    case Outcome::Verdict::kSkip: return "SKIP";
  }
  return "";
}

constexpr const char* kUsage =
    "usage: eagre-vectors cep DIR\n"
    "Runs the CEP vectors in the files DIR/*.json, a line each, and ends with 'N passed, N failed, N skipped'.\n"
    "Their form is described in tests/vectors/cep/SCHEMA.md.\n";

// As one line, whatever the text came from.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  return text;
}

class Printer {
 public:
  void Print(const eagre::vectors::VectorReport& report) {
    const Outcome& outcome = report.outcome;
    ++(report.tie_sensitive ? tie_sensitive_ : count_)[static_cast<int>(outcome.verdict)];
    fmt::print("{} {}{}{}{}\n", WordOf(outcome.verdict), OneLine(report.name),
               report.tie_sensitive ? " (tie-sensitive)" : "", outcome.reason.empty() ? "" : " ",
               OneLine(outcome.reason));
    std::fflush(stdout);
  }
  void PrintNumbers() const {
    if (tie_sensitive_[0] + tie_sensitive_[1] > 0) {
      fmt::print("tie-sensitive, apart: {} passed, {} failed\n", tie_sensitive_[0], tie_sensitive_[1]);
    }
    fmt::print("{} passed, {} failed, {} skipped\n", count_[0], count_[1], count_[2]);
  }
  bool failed() const { return count_[1] > 0; }

 private:
  int count_[3] = {};
  int tie_sensitive_[3] = {};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && (std::string(argv[1]) == "--help" || std::string(argv[1]) == "-h")) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (argc != 3 || std::string(argv[1]) != "cep") {
    std::fputs(kUsage, stderr);
    return 2;
  }
  Printer printer;
  const eagre::Status status =
      eagre::vectors::RunCepVectors(argv[2], [&](const auto& report) { printer.Print(report); });
  if (!status.ok()) fmt::print(stderr, "{}\n", eagre::StatusMessage(status));
  printer.PrintNumbers();
  if (!status.ok()) return 2;
  return printer.failed() ? 1 : 0;
}
