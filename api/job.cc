#include "eagre/job.h"

#include "api/local_runner.h"

namespace eagre {

LocalJob::LocalJob(std::unique_ptr<StreamGraph> graph) : Job(*graph), owned_(std::move(graph)) {
  owned_->run_locally = [this] { return Execute(); };
}

Status LocalJob::Execute() {
  if (owned_ == nullptr) return FailedPrecondition("the job was executed already: build it anew to run it again");
  return RunLocally(std::move(owned_), &accumulators_);
}

}  // namespace eagre
