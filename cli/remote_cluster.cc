#include <utility>

#include "cli/job_cluster.h"
#include "client/job_client.h"

namespace eagre {
namespace {

class RemoteCluster final : public JobCluster {
 public:
  explicit RemoteCluster(std::string address) : client_(std::move(address)) {}

  StatusOr<std::string> Submit(const proto::SubmitJobHeader& header, const std::string& library) override {
    return client_.SubmitJob(header, library);
  }
  StatusOr<proto::JobDetails> Watch(const std::string& job_id, int64_t interval_ms,
                                    std::function<void(const proto::JobDetails&)> on_progress) override {
    return client_.WatchJob(job_id, interval_ms, std::move(on_progress));
  }
  Status Cancel(const std::string& job_id) override { return client_.CancelJob(job_id); }
  StatusOr<std::string> StopWithSavepoint(const std::string& job_id, const std::string& directory) override {
    return client_.StopJob(job_id, directory, /*drain=*/false);
  }

 private:
  JobClient client_;
};

}  // namespace

std::unique_ptr<JobCluster> NewRemoteCluster(std::string address) {
  return std::make_unique<RemoteCluster>(std::move(address));
}

}  // namespace eagre
