// Turns the end of a worker into the root cause that a user reads.
#pragma once

#include "proto/control.pb.h"
#include "taskmanager/worker_launcher.h"

namespace eagre {

// For a worker that ended without having said why: "subtask 0 of 'risk -> alerts' died by SIGSEGV (address 0x0) in
// operator 'boom'", with the stack. Where the worker left no report, what its exit status lets one conclude. Host,
// TaskManager and time are left to the caller.
proto::FailureInfo DescribeWorkerExit(const WorkerExit& exit, const proto::DeployWorker& deploy);

// A failure that is not of one task.
proto::FailureInfo MakeWorkerFailure(std::string_view message);

}  // namespace eagre
