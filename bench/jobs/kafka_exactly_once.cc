// A topic of JSON transactions to another one, exactly once beside at least once: the same job, checkpoints every
// second; and how long a record takes to a consumer that reads only what is committed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/jobs/bench_broker.h"
#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "bench/jobs/kafka_latency.h"
#include "bench/limit/kafka_clients.h"
#include "bench/limit/transaction.h"

using namespace eagre::bench;

namespace {

constexpr int kRounds = 5;
constexpr int64_t kRate = 10'000;

// What stands behind `label` in what a command has printed.
std::string After(const std::string& output, const std::string& label) {
  const size_t at = output.find(label);
  if (at == std::string::npos) {
    std::fprintf(stderr, "no '%s' in:\n%s\n", label.c_str(), output.c_str());
    std::exit(1);
  }
  return output.substr(at + label.size());
}

std::vector<std::string> Properties(const std::string& interval) {
  return {"execution.checkpointing.interval=" + interval,
          "execution.checkpointing.dir=" + DataFolder() + "/kafka-checkpoints"};
}

std::vector<std::string> Arguments(const std::string& servers, const std::string& in, const std::string& out,
                                   const std::string& guarantee) {
  return {"--servers", servers, "--input", in, "--output", out, "--guarantee", guarantee};
}

void CompareGuarantees(const BenchBroker& broker, BenchCluster& cluster) {
  const auto events = static_cast<int64_t>(2'000'000 * Scale());
  const std::string path = DataFolder() + "/kafka-transactions.ndjson";
  WriteTransactions(path, events);
  MakeTopic(broker.servers(), "transactions");
  MakeTopic(broker.servers(), "copies");
  ProduceLines(broker.servers(), "transactions", path);
  // Events per second of the job's own time, and per second of its processes' CPU time.
  struct Speed {
    double wall = 0, cpu = 0;
  };
  const auto run = [&](const std::string& guarantee) {
    const double cpu = cluster.CpuSeconds();
    const std::string output = cluster.Run(
        "kafka_copy_job", 1, Arguments(broker.servers(), "transactions", "copies", guarantee), Properties("1s"));
    const auto count = static_cast<double>(events);
    return Speed{count / (std::stod(After(output, "Job Runtime: ")) / 1000), count / (cluster.CpuSeconds() - cpu)};
  };
  run("at-least-once");
  run("exactly-once");
  struct Round {
    double ratio = 0;
    Speed exactly, least;
  };
  std::vector<Round> rounds;
  for (int i = 0; i < kRounds; ++i) {
    const Speed least = run("at-least-once");
    const Speed exactly = run("exactly-once");
    rounds.push_back({exactly.wall / least.wall, exactly, least});
  }
  std::sort(rounds.begin(), rounds.end(), [](const Round& a, const Round& b) { return a.ratio < b.ratio; });
  const Round& median = rounds[rounds.size() / 2];
  fmt::print(R"({{"name":"kafka_exactly_once","ratio":{:.3f},"ratio_to":"at least once","cpu_ratio":{:.3f},)"
             R"("ratio_lowest":{:.3f},"ratio_highest":{:.3f},)"
             R"("events_per_second":{:.0f},"events_per_core_second":{:.0f},"parallelism":1}})"
             "\n",
             median.ratio, median.exactly.cpu / median.least.cpu, rounds.front().ratio, rounds.back().ratio,
             median.exactly.wall, median.exactly.cpu);
}

void ShowLatency(const BenchBroker& broker, BenchCluster& cluster, const std::string& interval) {
  const auto records = std::max<int64_t>(static_cast<int64_t>(kRate * 15 * Scale()), kRate / 5);
  const std::string in = "latency-in-" + interval, out = "latency-out-" + interval;
  MakeTopic(broker.servers(), in);
  MakeTopic(broker.servers(), out);
  std::vector<std::string> command = {"run", "-m", cluster.address(), "-d", "-p", "1"};
  for (const std::string& property : Properties(interval)) command.insert(command.end(), {"-D", property});
  command.insert(command.end(), {BinaryFolder() + "/jobs/kafka_copy_job.so", "--", "--endless"});
  for (std::string& argument : Arguments(broker.servers(), in, out, "exactly-once")) {
    command.push_back(std::move(argument));
  }
  const std::string job = After(EagreProcess(command).AwaitExit(), "JobID ").substr(0, 32);
  const std::vector<double> sorted = MeasureKafkaLatency(broker.servers(), in, out, kRate, records);
  EagreProcess({"cancel", "-m", cluster.address(), job}).AwaitExit();
  const auto quantile = [&](double q) {
    return sorted[std::min(sorted.size() - 1, static_cast<size_t>(q * static_cast<double>(sorted.size())))];
  };
  fmt::print(R"({{"name":"kafka_latency","checkpoint_interval":"{}","p50_ms":{:.0f},"p99_ms":{:.0f},)"
             R"("p999_ms":{:.0f},"max_ms":{:.0f},"events":{},"events_per_second":{}}})"
             "\n",
             interval, quantile(0.5), quantile(0.99), quantile(0.999), sorted.back(), records, kRate);
}

}  // namespace

int main() {
  const BenchBroker broker;
  BenchCluster cluster(1, 1);
  CompareGuarantees(broker, cluster);
  for (const char* interval : {"1s", "100ms"}) ShowLatency(broker, cluster, interval);
}
