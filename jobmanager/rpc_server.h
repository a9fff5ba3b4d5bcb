// The JobManager's port: gRPC for clients and TaskManagers. What comes in over it is untrusted until it parses; bytes
// of other protocols, half-open connections and clients that vanish end their own connection and nothing else.
#pragma once

#include <memory>
#include <string>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/status.h"
#include "jobmanager/artifact_store.h"
#include "jobmanager/job_manager.h"

namespace eagre {

struct RpcServerOptions {
  std::string bind_host = "localhost";
  int port = 6123;  // 0: any free one
};

// Serves from Start to Stop with gRPC's own threads, about one per core.
class RpcServer {
 public:
  // FAILED_PRECONDITION naming address and key when it cannot listen there. Everything given outlives the server; calls
  // reach `job_manager` on `executor` only.
  static StatusOr<std::unique_ptr<RpcServer>> Start(const RpcServerOptions& options, Executor& executor,
                                                    JobManager& job_manager, ArtifactStore& artifacts,
                                                    FileSystem& files);
  ~RpcServer();  // Stop

  int port() const { return port_; }
  // Breaks all streams and calls and waits until gRPC has let go of them. Not on the executor, which must still run.
  // What calls have posted there before may still run when this returned.
  void Stop();

 private:
  struct Impl;
  explicit RpcServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
  int port_ = 0;
};

}  // namespace eagre
