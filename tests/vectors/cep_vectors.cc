#include "tests/vectors/cep_vectors.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace eagre::vectors {
namespace {

Outcome RunVector(object vector) {
  const std::string kind = Text(vector, "kind", "match");
  try {
    if (kind == "match") return RunMatchVector(vector);
    if (kind == "reject") return RunRejectVector(vector);
    if (kind == "compile") return RunCompileVector(vector);
    if (kind == "operator") return RunOperatorVector(vector);
  } catch (const std::exception& error) {
    return Outcome::Of(error.what());
  }
  return {Outcome::Verdict::kSkip, "kind " + kind + " is not about patterns of the DataStream API"};
}

}  // namespace

StatusOr<std::vector<VectorReport>> RunCepVectors(const std::string& directory) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    if (file.path().extension() == ".json") files.push_back(file.path());
  }
  if (error) return NotFound("{}: {}", directory, error.message());
  if (files.empty()) return NotFound("{} has no vectors (*.json)", directory);
  std::sort(files.begin(), files.end());
  std::vector<VectorReport> reports;
  for (const std::filesystem::path& file : files) {
    simdjson::dom::parser parser;
    element document;
    if (const auto failure = parser.load(file.string()).get(document)) {
      return InvalidArgument("{}: {}", file.string(), simdjson::error_message(failure));
    }
    array vectors;
    if (document["vectors"].get(vectors)) return InvalidArgument("{}: has no vectors", file.string());
    for (element item : vectors) {
      object vector = item.get_object();
      reports.push_back({Text(vector, "name"), Flag(vector, "tie_sensitive"), RunVector(vector)});
    }
  }
  return reports;
}

}  // namespace eagre::vectors
