#include <cstdio>

#include <fmt/format.h>

#include "cli/commands.h"
#include "eagre/job_stamp.h"

namespace eagre {
namespace {

constexpr JobStamp kBinaryStamp = EAGRE_BUILD_STAMP;

}  // namespace

std::string VersionText() {
  return fmt::format("Version: {}\nBuilt with: {}, {}, Abseil {}, CPU level {}, sanitizer {}", kBinaryStamp.version,
                     kBinaryStamp.compiler, kBinaryStamp.standard_library, kBinaryStamp.abseil, kBinaryStamp.cpu_level,
                     kBinaryStamp.sanitizer);
}

void AddVersionCommand(Verb& eagre) {
  Verb verb = eagre.AddVerb("version", "Shows the version of this build and what jobs must be built with");
  verb.Run([](const Invocation& invocation) {
    fmt::print("{}\n", VersionText());
    return 0;
  });
}

}  // namespace eagre
