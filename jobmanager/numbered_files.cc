#include "jobmanager/numbered_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace eagre {

std::string NumberedFiles::PathOf(uint64_t number) const {
  return JoinPath(directory_, fmt::format("{:08}", number));
}

StatusOr<std::vector<uint64_t>> NumberedFiles::List() const {
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_.List(directory_));
  std::vector<uint64_t> numbers;
  for (const FileInfo& entry : entries) {
    const std::string_view name = BaseName(entry.path);
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace eagre
