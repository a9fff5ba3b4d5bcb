// What the workers of a job's current attempt last reported, and its sums per vertex.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/client.pb.h"
#include "proto/control.pb.h"
#include "proto/graph.pb.h"

namespace eagre {

// Keeps one small record per subtask. Lives on the JobManager's executor; `graph` outlives it.
class JobProgress {
 public:
  explicit JobProgress(const proto::JobGraph& graph);

  // A new attempt: nothing is reported, every subtask is CREATED.
  void Reset();
  // Subtasks that the graph does not have are ignored.
  void Update(const proto::WorkerReport& report);
  // Sets the status of all subtasks in `job_slots` that have not ended by themselves (FINISHED, FAILED, CANCELED).
  void SetStatus(const std::vector<int32_t>& job_slots, std::string_view status);
  // Marks one subtask by its vertex's name; unknown names are ignored.
  void MarkFailed(std::string_view vertex, int32_t subtask);

  // Whether a subtask commits what is in the checkpoint behind which the job ends.
  bool AnyCommitting() const;

  void Fill(proto::JobDetails& details) const;

 private:
  const proto::JobGraph& graph_;
  std::vector<std::vector<proto::SubtaskReport>> subtasks_;  // by vertex, then subtask
};

}  // namespace eagre
