// Poison records: those whose processing fails the job again and again, in whichever operator.
//
// After `restart-strategy.isolation.after-failures` attempts in a row that failed in the same operator, the next one
// hands on its records one at a time, each with its origin, so that the failure names source, split and position of the
// record. What then becomes of it is the source's policy: job.Read(...).OnPoison(Poison::kSkip).
// docs/connectors.md has the details.
#pragma once

#include <string>

#include "eagre/process_function.h"
#include "record/record.h"
#include "runtime/record_origin.h"

namespace eagre {

/// A record that a source has put aside.
struct PoisonRecord {
  std::string source;    ///< its name
  std::string split;     ///< "<file>@<begin>-<end>", "<topic>-<partition>", or what else the source reads
  std::string position;  ///< in the split: "byte 4711", "offset 12"
  std::string record;    ///< as JSON
};
EAGRE_RECORD(PoisonRecord, source, split, position, record);

/// The side output of Poison::kSideOutput.
inline const OutputTag<PoisonRecord> kPoisonRecords{"poison-records"};

}  // namespace eagre
