// Prints records as lines; the part of Print() that does not know the record type.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

#include "base/status.h"
#include "record/type_info.h"

namespace eagre {

struct PrintOptions {
  std::string name;
  std::FILE* stream = stdout;
};

// One thread; several may print to one stream, and lines stay whole.
class PrintWriter {
 public:
  explicit PrintWriter(PrintOptions options) : options_(std::move(options)) {}
  Status Open(int subtask, int parallelism);
  // Prints `count` records of `type`, which lie one after another, and flushes the stream.
  Status Print(const TypeInfo& type, const void* records, size_t count);

 private:
  const PrintOptions options_;
  std::string prefix_;
  std::string buffer_;
};

}  // namespace eagre
