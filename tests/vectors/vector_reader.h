// Reads patterns, events and matches of the CEP vectors from JSON.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "eagre/cep/pattern.h"
#include "tests/vectors/vector_event.h"

namespace eagre::vectors {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

using EventPattern = Pattern<VectorEvent>;

// A field, or what stands for its absence.
std::string Text(object from, const char* field, const char* otherwise = "");
bool Flag(object from, const char* field);
std::optional<int64_t> Number(object from, const char* field);
std::optional<object> Object(object from, const char* field);
std::optional<array> Array(object from, const char* field);
// Of an array; none when it is absent.
std::vector<element> Elements(object from, const char* field);
// A number, "MIN" or "MAX".
int64_t Time(element value);

struct TimedEvent {
  VectorEvent event;
  int64_t timestamp = INT64_MIN;
};
std::vector<TimedEvent> ReadEvents(object vector);

// The pattern of a vector, built by the public builder's calls; its status() tells what the builder refused. An error:
// the vector itself cannot be read.
StatusOr<EventPattern> ReadPattern(object vector);
// The pattern of a vector of kind `reject`.
StatusOr<EventPattern> ReplayCalls(array calls);

// Canonical texts of matches: {stage: [events]} with stages in the order of their names, or the sorted events alone.
using StageEvents = std::vector<std::pair<std::string, std::vector<VectorEvent>>>;
std::string MapText(const StageEvents& match);
std::string ListText(const StageEvents& match);
// Of an expectation: indexes of events.
std::string MapText(object match, const std::vector<TimedEvent>& events);
std::string ListText(array match, const std::vector<TimedEvent>& events);

// What differs between two lists, as multisets unless `exact`; empty when nothing does.
std::string Difference(std::vector<std::string> expected, std::vector<std::string> actual, bool exact);

}  // namespace eagre::vectors
