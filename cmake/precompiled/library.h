// What most files of Eagre read. Light to load: headers whose classes have virtual functions would be compiled in every
// file.
#pragma once

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
