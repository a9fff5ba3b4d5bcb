// The bytes of a frame and of the hello on a data connection (docs/formats/data-plane.md), without sockets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "runtime/data_network.h"

namespace eagre {

inline constexpr size_t kFrameHeaderBytes = 24;
using FrameHeaderBytes = std::array<char, kFrameHeaderBytes>;

// The first frame of a connection, sent by the side that connects. Other types belong to the layer above.
inline constexpr uint8_t kHelloFrame = 0xE5;
inline constexpr size_t kMaxHelloBytes = 1024;

struct FrameHeader {
  uint32_t payload_bytes = 0;
  uint8_t type = 0;
  uint64_t channel = 0;
  uint64_t checksum = 0;  // over the header's other fields and the payload
};

// The header for this payload, its checksum computed. REQUIRES: payload.size() fits 32 bits.
FrameHeaderBytes EncodeFrameHeader(uint64_t channel, uint8_t type, std::string_view payload);
// Fails when the reserved bytes are not zero or the payload is announced as larger than `max_payload_bytes`.
StatusOr<FrameHeader> DecodeFrameHeader(const FrameHeaderBytes& bytes, size_t max_payload_bytes);
// Fails when the payload is not the one the header was made for.
Status VerifyFrame(const FrameHeaderBytes& header, std::string_view payload);

std::string EncodeHello(const DataHello& hello);
// Fails when it is not a hello of this version, or shows another token than `token`; how long the comparison takes does
// not depend on where the tokens differ.
StatusOr<DataHello> DecodeHello(std::string_view payload, std::string_view token);

}  // namespace eagre
