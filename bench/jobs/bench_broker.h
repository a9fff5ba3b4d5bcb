// An Apache Kafka for a benchmark, by scripts/kafka.sh, in a folder of its own; stopped by the destructor.
#pragma once

#include <string>

namespace eagre::bench {

class BenchBroker {
 public:
  // Ends the benchmark when Kafka does not start.
  BenchBroker();
  ~BenchBroker();
  BenchBroker(const BenchBroker&) = delete;
  BenchBroker& operator=(const BenchBroker&) = delete;

  const std::string& servers() const { return servers_; }

 private:
  std::string directory_;
  std::string servers_;
};

}  // namespace eagre::bench
