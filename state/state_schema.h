// The schema of a whole state, as text: what is stored with it and compared when it is restored.
//
// A line for each part: "LABEL: TYPE", TYPE being a record schema (record/schema.h). A part whose label begins with
// "value ", "list ", "map ", "reducing " or "aggregating " is a state declared by a function, which a later version may
// have added or dropped. The part "key" must stay as it is, since its bytes decide where an entry belongs; all others
// may change compatibly. A line without a type must stay as well. The type of a state with TTL is "ttl TYPE", with the
// times stored behind the contents; TTL may come and go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/stored_schema.h"

namespace eagre {

// Immutable.
class StateSchema {
 public:
  static constexpr std::string_view kTimesPrefix = "ttl ";

  struct Part {
    std::string label;
    std::string type_text;   // empty: none
    StoredSchema type;       // of the contents
    bool has_times = false;  // of a state with TTL
  };

  // DATA_LOSS when the text is no schema of a state.
  static StatusOr<StateSchema> Parse(std::string_view text);

  const std::vector<Part>& parts() const { return parts_; }
  // Null when there is none.
  const Part* Find(std::string_view label) const;

 private:
  std::vector<Part> parts_;
};

// OK when what was stored under the first schema can be read by a program that has the second: FAILED_PRECONDITION with
// the list of what differs if not. Needs nothing of the program but the texts.
Status CheckCompatible(std::string_view stored_schema, std::string_view current_schema);

}  // namespace eagre
