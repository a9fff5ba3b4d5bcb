// gRPC's side of the TaskManager: the stream to the JobManager as a Link, the download of libraries, the upload of
// logs. The only place of this module that knows gRPC.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/link.h"
#include "base/status.h"
#include "proto/control.pb.h"
#include "taskmanager/artifact_cache.h"
#include "taskmanager/worker_logs.h"

namespace eagre {

struct RpcClientOptions {
  std::string address = "localhost:6123";  // of the JobManager's RPC service
  std::string log_label;                   // who pushes logs, for users: "tm 3f2a @ node7"
  int64_t connect_timeout_ms = 5'000;
  // A connection on which nothing came for the first of both is asked, and broken when no answer comes for the second.
  int64_t keepalive_interval_ms = 20'000;
  int64_t keepalive_timeout_ms = 10'000;
  int64_t max_log_bytes_per_file = int64_t{4} << 20;  // the newest ones; older ones are not pushed
};

// Thread-safe. gRPC's threads deliver; one thread of its own pushes logs.
class RpcClient final : public ArtifactSource {
 public:
  // `logs` outlives it.
  RpcClient(RpcClientOptions options, const WorkerLogs& logs);
  // Breaks what is under way and waits until gRPC has let go of it. All links were destroyed before.
  ~RpcClient() override;

  // A new connection attempt. Its failure, and the later loss of the JobManager, is the link's on_closed.
  std::unique_ptr<Link> Connect();

  // Over the last connection that Connect made. Fails when it breaks.
  void Download(const proto::Artifact& artifact, WritableFile& file, std::function<void(Status)> done) override;

  // Pushes the output files of a job's workers here, under the request's id, in the background.
  void PushLogs(const proto::CollectLogs& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
