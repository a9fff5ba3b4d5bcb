// JSON strings: unescaping what is read and escaping what is written. Internal to the JSON codec.
#pragma once

#include <string>
#include <string_view>

#include "record/json_output.h"

namespace eagre::internal {

// Replaces the escapes in the text between two quotes; the result is UTF-8. False when an escape is malformed, such as
// half of a surrogate pair.
bool UnescapeJson(std::string_view escaped, std::string& text);

// Whether the escapes in the text between two quotes are those of JSON's grammar, which takes half of a surrogate pair.
bool HasValidEscapes(std::string_view escaped);

// Appends `text` in quotes. Bytes that are not UTF-8 are written as U+FFFD, so that the output is always valid JSON.
void PutJsonString(std::string_view text, JsonOutput& out);

// The number of bytes of the well-formed UTF-8 character that `text` begins with; 0 when it does not.
size_t Utf8CharacterBytes(std::string_view text);

}  // namespace eagre::internal
