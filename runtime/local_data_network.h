// The data network of a worker that has no peers: a local run in one process. It opens no port.
#pragma once

#include <memory>

#include "runtime/data_network.h"

namespace eagre {

std::unique_ptr<DataNetwork> NewLocalDataNetwork();

}  // namespace eagre
