// Records into JSON: one line without blanks, fields in declaration order, the same bytes for equal records.
//
// Numbers are the shortest text that reads back to the same value, with an exponent only below 1e-6 and from 1e21 on; a
// double that is not finite is null. Timestamps are integer milliseconds, Decimals numbers with at least two decimals,
// enums their text, empty optionals null. Text that is not UTF-8 gets U+FFFD in place of the bad bytes.
#pragma once

#include <string>

#include "record/type_info.h"

namespace eagre {

// Appends `value`, which is of `type`.
void AppendJson(const TypeInfo& type, const void* value, std::string& out);

}  // namespace eagre
