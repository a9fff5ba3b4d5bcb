#include "runtime/frame_codec.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/check.h"

namespace eagre {
namespace {

constexpr std::string_view kHelloMagic = "eagre-dp";
constexpr uint32_t kDataPlaneVersion = 1;

// Offsets in the header.
constexpr size_t kTypeAt = 4;
constexpr size_t kReservedAt = 5;
constexpr size_t kChannelAt = 8;
constexpr size_t kChecksumAt = 16;

uint64_t FrameChecksum(const FrameHeaderBytes& header, std::string_view payload) {
  return XXH3_64bits(header.data(), kChecksumAt) ^ XXH3_64bits(payload.data(), payload.size());
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;  // volatile: no early exit may be made of the loop
  for (size_t i = 0; i < a.size(); ++i) {
    difference =
        static_cast<unsigned char>(difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

}  // namespace

FrameHeaderBytes EncodeFrameHeader(uint64_t channel, uint8_t type, std::string_view payload) {
  EAGRE_CHECK(payload.size() <= std::numeric_limits<uint32_t>::max());
  const auto payload_bytes = static_cast<uint32_t>(payload.size());
  FrameHeaderBytes header{};
  std::memcpy(header.data(), &payload_bytes, sizeof(payload_bytes));
  std::memcpy(header.data() + kTypeAt, &type, sizeof(type));
  std::memcpy(header.data() + kChannelAt, &channel, sizeof(channel));
  const uint64_t checksum = FrameChecksum(header, payload);
  std::memcpy(header.data() + kChecksumAt, &checksum, sizeof(checksum));
  return header;
}

StatusOr<FrameHeader> DecodeFrameHeader(const FrameHeaderBytes& bytes, size_t max_payload_bytes) {
  FrameHeader header;
  std::memcpy(&header.payload_bytes, bytes.data(), sizeof(header.payload_bytes));
  std::memcpy(&header.type, bytes.data() + kTypeAt, sizeof(header.type));
  std::memcpy(&header.channel, bytes.data() + kChannelAt, sizeof(header.channel));
  std::memcpy(&header.checksum, bytes.data() + kChecksumAt, sizeof(header.checksum));
  for (size_t i = kReservedAt; i < kChannelAt; ++i) {
    if (bytes[i] != 0) return DataLoss("bytes that are no frame of Eagre's data plane (reserved bytes are set)");
  }
  if (header.payload_bytes > max_payload_bytes) {
    return DataLoss("a frame that announces {} bytes, more than the {} allowed here", header.payload_bytes,
                    max_payload_bytes);
  }
  return header;
}

Status VerifyFrame(const FrameHeaderBytes& header, std::string_view payload) {
  uint64_t checksum;
  std::memcpy(&checksum, header.data() + kChecksumAt, sizeof(checksum));
  if (checksum == FrameChecksum(header, payload)) return OkStatus();
  return DataLoss("a frame of {} bytes whose checksum is wrong", payload.size());
}

std::string EncodeHello(const DataHello& hello) {
  std::string payload;
  ByteWriter writer(payload);
  writer.Raw(kHelloMagic);
  writer.Fixed<uint32_t>(kDataPlaneVersion);
  writer.Fixed<int32_t>(hello.worker_index);
  writer.String(hello.token);
  return payload;
}

StatusOr<DataHello> DecodeHello(std::string_view payload, std::string_view token) {
  ByteReader reader(payload);
  std::string_view magic;
  if (!reader.Raw(kHelloMagic.size(), magic) || magic != kHelloMagic) {
    return DataLoss("no hello of Eagre's data plane");
  }
  uint32_t version = 0;
  if (!reader.Fixed(version) || version != kDataPlaneVersion) {
    return FailedPrecondition("a hello of data plane version {}, expected {}: all workers must be of one build",
                              version, kDataPlaneVersion);
  }
  DataHello hello;
  std::string_view shown;
  if (!reader.Fixed(hello.worker_index) || !reader.String(shown) || !reader.empty()) {
    return DataLoss("a malformed hello");
  }
  if (!EqualInConstantTime(shown, token)) {
    return FailedPrecondition("a hello with the token of another attempt, from worker {}", hello.worker_index);
  }
  hello.token = std::string(shown);
  return hello;
}

}  // namespace eagre
