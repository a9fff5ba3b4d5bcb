// Where a record came from: what an attempt that hunts for a poison record carries along with each of them
// (docs/decisions/0052-poison-records.md).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace eagre {

/// What a source does with a poison record: one whose processing has failed the job again and again.
enum class Poison {
  kFail,        ///< nothing: the failure names it, and the restart strategy decides how often the job tries again
  kSkip,        ///< it is dropped and counted (numRecordsInErrors)
  kSideOutput,  ///< it goes to the source's side output kPoisonRecords instead
};

struct RecordOrigin {
  std::string operator_id;  // of the source
  std::string source;       // its name
  std::string split;
  std::string position;  // in the split, for users and to find the record again: "byte 4711"
  Poison policy = Poison::kFail;

  // On one line.
  std::string Encode() const;
  static std::optional<RecordOrigin> Decode(std::string_view text);
};

// An origin on its way, encoded; null: what happens is not the work of one record.
using OriginRef = std::shared_ptr<const std::string>;

// For a source of an attempt that hunts for a poison record.
struct SourceIsolation {
  std::string operator_id;
  std::set<std::pair<std::string, std::string>> poison;  // split and position of the records that are known
};

}  // namespace eagre
