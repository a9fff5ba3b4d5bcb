// What an operator's subtasks and its coordinator say to each other, as it crosses workers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace eagre {

struct OperatorEvent {
  enum class Kind : uint8_t {
    kToSubtask = 0,
    kToCoordinator = 1,
    kBarrier = 2,  // for a source's subtask; behind what its coordinator sent before it was stored
  };
  Kind kind = Kind::kToSubtask;
  int vertex = 0;   // index in the job graph
  int node = 0;     // of the operator in the vertex's chain
  int subtask = 0;  // the sender of a message to the coordinator, else the receiver
  std::string payload;
};

std::string EncodeOperatorEvent(const OperatorEvent& event);
// Nothing on malformed bytes.
std::optional<OperatorEvent> DecodeOperatorEvent(std::string_view bytes);

}  // namespace eagre
