#include "jobmanager/rpc_server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/host_port.h"
#include "base/unique_fd.h"
#include "jobmanager/rpc_client_service.h"
#include "jobmanager/rpc_task_manager_service.h"

namespace eagre {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
constexpr size_t kMaxBufferedBytes = size_t{512} << 20;  // of all connections together
constexpr int kMaxStreamsPerConnection = 256;
constexpr int kHandshakeTimeoutMs = 10'000;
constexpr int kKeepaliveIntervalMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kMinClientPingIntervalMs = 5'000;

// gRPC says only that it could not listen. Listening ourselves for a moment says why.
Status ProbePort(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(NumericHost(host).c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) {
    return FailedPrecondition("cannot listen on '{}': {} (jobmanager.bind-host)", host, gai_strerror(failure));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  const UniqueFd fd(socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd.get(), addresses->ai_addr, addresses->ai_addrlen) == 0 && listen(fd.get(), 1) == 0) return OkStatus();
  if (errno == EADDRINUSE) {
    return FailedPrecondition(
        "cannot listen on {}:{}: the port is in use, perhaps by another JobManager; stop that or set "
        "jobmanager.rpc.port",
        host, port);
  }
  return FailedPrecondition("cannot listen on {}:{}: {} (jobmanager.bind-host, jobmanager.rpc.port)", host, port,
                            std::strerror(errno));
}

std::string ListenAddress(const std::string& host, int port) {
  const std::string numeric = NumericHost(host);
  return numeric.find(':') == std::string::npos ? fmt::format("{}:{}", numeric, port)
                                                : fmt::format("[{}]:{}", numeric, port);
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  grpc::ResourceQuota quota("jobmanager");
  quota.Resize(kMaxBufferedBytes);
  builder.SetResourceQuota(quota);
  // Without this a second JobManager would share the port and take half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinClientPingIntervalMs);
}

}  // namespace

struct RpcServer::Impl {
  Impl(Executor& executor, JobManager& job_manager, ArtifactStore& artifacts, FileSystem& files)
      : clients(executor, job_manager, artifacts), task_managers(executor, job_manager, artifacts, files) {}

  RpcClientService clients;
  RpcTaskManagerService task_managers;
  std::unique_ptr<grpc::Server> server;
};

RpcServer::RpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options, Executor& executor,
                                                      JobManager& job_manager, ArtifactStore& artifacts,
                                                      FileSystem& files) {
  EAGRE_RETURN_IF_ERROR(ProbePort(options.bind_host, options.port));
  auto impl = std::make_unique<Impl>(executor, job_manager, artifacts, files);
  int port = 0;
  grpc::ServerBuilder builder;
  SetLimits(builder);
  builder.AddListeningPort(ListenAddress(options.bind_host, options.port), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&impl->clients);
  builder.RegisterService(&impl->task_managers);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || port == 0) {
    return FailedPrecondition("cannot listen on {}:{} (jobmanager.bind-host, jobmanager.rpc.port)", options.bind_host,
                              options.port);
  }
  std::unique_ptr<RpcServer> server(new RpcServer(std::move(impl)));
  server->port_ = port;
  return server;
}

RpcServer::~RpcServer() {
  Stop();
}

void RpcServer::Stop() {
  if (impl_ == nullptr) return;
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->server->Wait();
  impl_.reset();
}

}  // namespace eagre
