// Strangers on every port: noise, foreign protocols and connections that say nothing end themselves and nothing else.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/cluster/cluster_fixture.h"
#include "tests/cluster/tcp_probe.h"

namespace eagre {
namespace {

constexpr const char* kHttpRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

// A socket that takes connections.
struct Listener {
  std::string address;  // as the kernel's tables show it: words of 32 bits, each in the machine's byte order
  int port = 0;
};

// Those of the process, of IPv4 and IPv6.
std::vector<Listener> ListenersOf(pid_t pid) {
  std::vector<std::string> sockets;
  for (const std::string& fd : FilesBelow("/proc/" + std::to_string(pid) + "/fd")) {
    char target[64] = {};
    if (readlink(fd.c_str(), target, sizeof target - 1) > 0) sockets.push_back(target);
  }
  std::vector<Listener> listeners;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
      fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
      if (state != "0A" || std::find(sockets.begin(), sockets.end(), "socket:[" + inode + "]") == sockets.end())
        continue;
      const size_t colon = local.rfind(':');
      listeners.push_back({local.substr(0, colon), std::stoi(local.substr(colon + 1), nullptr, 16)});
    }
  }
  return listeners;
}

bool IsLoopback(const std::string& address) {
  return address == "0100007F" || address == "00000000000000000000000001000000" ||
         address == "0000000000000000FFFF00000100007F";
}

class HostilePeerTest : public ClusterTest {
 protected:
  // Everything a stranger may do to a port. Connections that stay open are kept.
  void Bother(int port, std::vector<TcpProbe>& kept_open) {
    SCOPED_TRACE("port " + std::to_string(port));
    for (unsigned seed = 0; seed < 8; ++seed) {
      TcpProbe noise(port);
      EXPECT_TRUE(noise.connected());
      noise.Send(RandomBytes(1u << (2 * seed), seed));
    }
    TcpProbe http(port);
    http.Send(kHttpRequest);
    TcpProbe long_line(port);
    long_line.Send(std::string(1 << 20, 'x'));
    for (int i = 0; i < 8; ++i) {
      kept_open.emplace_back(port);  // says nothing
      kept_open.emplace_back(port);
      kept_open.back().Send(std::string(kHttpRequest).substr(0, 7));  // stops in the middle
      kept_open.emplace_back(port);
      kept_open.back().Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");  // gRPC's first words, and then nothing
    }
  }
};

TEST_F(HostilePeerTest, NoPortOfAnyProcessMinds) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const std::string job_id = Submit("endless", {}, {"-p", "2"});
  ASSERT_TRUE(AwaitFlow(job_id));
  std::vector<TcpProbe> kept_open;
  std::vector<int> ports = {rpc_port(), job_manager_metrics_port(), task_manager_metrics_port(0)};
  for (size_t i = 0; i < 2; ++i) {
    for (const pid_t worker : Workers(i)) {
      const std::vector<Listener> data = ListenersOf(worker);
      EXPECT_FALSE(data.empty()) << "a worker of a job with two workers has a data port";
      for (const Listener& listener : data) ports.push_back(listener.port);
    }
  }
  for (const int port : ports) Bother(port, kept_open);
  ExpectDaemonsAlive();
  // The job runs on, new ones are taken, and metrics are still served though the silent connections are still there.
  const int64_t before = RecordsIn(job_id);
  EXPECT_TRUE(AwaitTrue([&] { return RecordsIn(job_id) > before; })) << Job(job_id).DebugString();
  EXPECT_EQ(Job(job_id).attempt(), 0);
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  EXPECT_TRUE(AwaitState(job_id, "CANCELED"));
  EXPECT_EQ(RunOnCluster({"run", "-p", "2", JobLibrary("hello")}).status, 0);
  for (const int port : {job_manager_metrics_port(), task_manager_metrics_port(0)}) {
    EXPECT_TRUE(AwaitTrue([&] { return !HttpGet(port, "/metrics").empty(); }))
        << "port " << port << " serves no metrics";
  }
}

TEST_F(HostilePeerTest, DaemonsAndWorkersListenOnLoopbackOnly) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const std::string job_id = Submit("endless", {}, {"-p", "2"});
  ASSERT_TRUE(AwaitFlow(job_id));
  std::vector<pid_t> processes = {job_manager().pid()};
  for (size_t i = 0; i < 2; ++i) {
    processes.push_back(task_manager(i).pid());
    const std::vector<pid_t> workers = Workers(i);
    ASSERT_EQ(workers.size(), 1u);
    processes.push_back(workers[0]);
  }
  std::vector<int> ports;
  for (const pid_t process : processes) {
    const std::vector<Listener> listeners = ListenersOf(process);
    EXPECT_FALSE(listeners.empty()) << "process " << process << " takes no connections";
    for (const Listener& listener : listeners) {
      EXPECT_TRUE(IsLoopback(listener.address)) << "port " << listener.port << " listens on " << listener.address;
      ports.push_back(listener.port);
    }
  }
  EXPECT_THAT(ports, ::testing::IsSupersetOf({rpc_port(), job_manager_metrics_port(), task_manager_metrics_port(0),
                                              task_manager_metrics_port(1)}));
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  EXPECT_TRUE(AwaitState(job_id, "CANCELED"));
}

}  // namespace
}  // namespace eagre
