// usage: eagre-vectors cep DIR
//
// Runs the vectors in DIR and prints a line for each and a last one with their number. Vectors whose result depends on
// the order among equals, which the original leaves to a heap, are told apart. Exits with 1 when one fails.
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::string(argv[1]) != "cep") {
    std::fputs("usage: eagre-vectors cep DIR\n", stderr);
    return 2;
  }
  const auto reports = eagre::vectors::RunCepVectors(argv[2]);
  if (!reports.ok()) {
    fmt::print(stderr, "{}\n", eagre::StatusMessage(reports.status()));
    return 2;
  }
  int count[3] = {};
  int tie_sensitive[3] = {};
  for (const auto& report : *reports) {
    const int verdict = static_cast<int>(report.outcome.verdict);
    ++(report.tie_sensitive ? tie_sensitive : count)[verdict];
    fmt::print("{} {}{}{}{}\n", WordOf(report.outcome.verdict), report.name,
               report.tie_sensitive ? " (tie-sensitive)" : "", report.outcome.reason.empty() ? "" : " ",
               report.outcome.reason);
  }
  if (tie_sensitive[0] + tie_sensitive[1] > 0) {
    fmt::print("tie-sensitive, apart: {} passed, {} failed\n", tie_sensitive[0], tie_sensitive[1]);
  }
  fmt::print("{} passed, {} failed, {} skipped\n", count[0], count[1], count[2]);
  return count[1] > 0 ? 1 : 0;
}
