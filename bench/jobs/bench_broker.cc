#include "bench/jobs/bench_broker.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "bench/jobs/bench_report.h"

namespace eagre::bench {
namespace {

int RunScript(const std::string& verb, const std::string& directory) {
  return std::system(fmt::format("'{}/scripts/kafka.sh' {} --dir '{}' >&2", EAGRE_SOURCE_DIR, verb, directory).c_str());
}

}  // namespace

BenchBroker::BenchBroker() : directory_(std::filesystem::absolute(DataFolder() + "/kafka")) {
  RunScript("stop", directory_);  // of a run that was broken off
  std::filesystem::remove_all(directory_);
  if (RunScript("start", directory_) != 0) std::exit(1);
  std::ifstream settings(directory_ + "/broker.env");
  for (std::string line; std::getline(settings, line);) {
    if (line.starts_with("bootstrap=")) servers_ = line.substr(10);
  }
}

BenchBroker::~BenchBroker() {
  RunScript("stop", directory_);
  std::filesystem::remove_all(directory_);
}

}  // namespace eagre::bench
