// A job's library as the JobManager holds it.
#pragma once

#include <string>

#include "proto/control.pb.h"

namespace eagre {

// Held by shared_ptr: the file stays as long as somebody refers to it. Immutable.
struct StoredArtifact {
  proto::Artifact info;
  std::string path;  // of the file on this machine
};

}  // namespace eagre
