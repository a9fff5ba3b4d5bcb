// JSON of one value of a known type. Loops over many lines use JsonParser (json_reader.h), which keeps its buffers.
#pragma once

#include <string>
#include <string_view>

#include "record/json_reader.h"
#include "record/json_writer.h"
#include "record/type_info_of.h"

namespace eagre {

template <typename T>
void AppendJson(const T& value, std::string& out) {
  AppendJson(TypeInfoOf<T>(), &value, out);
}

template <typename T>
std::string ToJson(const T& value) {
  std::string out;
  AppendJson(value, out);
  return out;
}

template <typename T>
StatusOr<T> FromJson(std::string_view text) {
  T value{};
  JsonParser parser;
  EAGRE_RETURN_IF_ERROR(parser.Parse(text, value));
  return value;
}

}  // namespace eagre
