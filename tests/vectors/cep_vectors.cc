#include "tests/vectors/cep_vectors.h"

#include <algorithm>
#include <filesystem>

#include "tests/vectors/run_apart.h"
#include "tests/vectors/vector_check.h"

namespace eagre::vectors {
namespace {

constexpr std::string_view kSchema = "cep-vectors/1";

Outcome RunVector(object vector) {
  const std::string kind = Text(vector, "kind", "match");
  if (kind == "match") return RunMatchVector(vector);
  if (kind == "reject") return RunRejectVector(vector);
  if (kind == "compile") return RunCompileVector(vector);
  if (kind == "operator") return RunOperatorVector(vector);
  return {Outcome::Verdict::kSkip, "kind " + kind + " is not about patterns of the DataStream API"};
}

// Runs files one by one.
class VectorFiles {
 public:
  explicit VectorFiles(const ReportVector& report) : report_(report) {}

  void Run(const std::filesystem::path& file) {
    name_ = file.filename().string();
    // Not a pipe or a device, which may have no end.
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) return FailFile("is not a regular file");
    simdjson::dom::parser parser;
    element document;
    if (const auto failure = parser.load(file.string()).get(document)) {
      return FailFile(fmt::format("cannot be read: {}", simdjson::error_message(failure)));
    }
    std::string_view schema;
    if (document["schema"].get(schema) == simdjson::SUCCESS && schema != kSchema) {
      return FailFile(fmt::format("schema: expected {}, got {}", kSchema, schema));
    }
    array vectors;
    if (document["vectors"].get(vectors)) return FailFile("vectors: expected an array of vectors");
    std::vector<element> items;
    for (const element item : vectors) items.push_back(item);
    RunApart(
        items.size(), [&](size_t i) { return OutcomeOf(items[i]); },
        [&](size_t i, Outcome outcome) { Report(i, items[i], std::move(outcome)); });
  }

 private:
  void FailFile(std::string what) { report_({name_, false, Outcome::Of(std::move(what))}); }

  static Outcome OutcomeOf(element item) {
    if (const Status status = CheckVector(item); !status.ok()) return Outcome::Of(std::string(StatusMessage(status)));
    return RunVector(item.get_object());
  }

  void Report(size_t index, element item, Outcome outcome) {
    object vector;
    const bool is_object = item.get(vector) == simdjson::SUCCESS;
    std::string name = is_object ? Text(vector, "name") : "";
    if (name.empty()) name = fmt::format("{} vectors[{}]", name_, index);
    report_({name, is_object && Flag(vector, "tie_sensitive"), std::move(outcome)});
  }

  const ReportVector& report_;
  std::string name_;  // of the file at hand
};

}  // namespace

Status RunCepVectors(const std::string& directory, const ReportVector& report) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    if (file.path().extension() == ".json") files.push_back(file.path());
  }
  if (error) return NotFound("{}: {}", directory, error.message());
  if (files.empty()) return NotFound("{} has no vectors (*.json); folders in it are not looked into", directory);
  std::sort(files.begin(), files.end());
  VectorFiles run(report);
  for (const std::filesystem::path& file : files) run.Run(file);
  return OkStatus();
}

}  // namespace eagre::vectors
