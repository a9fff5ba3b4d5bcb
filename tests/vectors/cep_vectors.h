// Runs the CEP vectors (cep/SCHEMA.md) against Eagre.
#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "tests/vectors/vector_reader.h"

namespace eagre::vectors {

struct Outcome {
  enum class Verdict { kPass, kFail, kSkip };
  Verdict verdict = Verdict::kPass;
  std::string reason;

  static Outcome Of(std::string difference) {
    if (difference.empty()) return {};
    return {Verdict::kFail, std::move(difference)};
  }
};

struct VectorReport {
  std::string name;
  bool tie_sensitive = false;
  Outcome outcome;
};

using ReportVector = std::function<void(const VectorReport&)>;

// Runs all vectors of all files in `directory` (not below it), in the order of files' names, and reports each as soon
// as its outcome is known. What is not a vector fails in its place, and so does a file that cannot be read. A failure:
// the directory cannot be read.
Status RunCepVectors(const std::string& directory, const ReportVector& report);

// One vector of each kind, whose form is right (vector_check.h).
Outcome RunMatchVector(object vector);
Outcome RunRejectVector(object vector);
Outcome RunCompileVector(object vector);
Outcome RunOperatorVector(object vector);

}  // namespace eagre::vectors
