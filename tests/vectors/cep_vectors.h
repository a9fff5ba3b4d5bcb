// Runs the CEP vectors (cep/SCHEMA.md) against Eagre.
#pragma once

#include <string>
#include <vector>

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

// All vectors of all files in `directory` (not below it), in the order of files' names. A failure: it cannot be read.
StatusOr<std::vector<VectorReport>> RunCepVectors(const std::string& directory);

// One vector of each kind.
Outcome RunMatchVector(object vector);
Outcome RunRejectVector(object vector);
Outcome RunCompileVector(object vector);
Outcome RunOperatorVector(object vector);

}  // namespace eagre::vectors
