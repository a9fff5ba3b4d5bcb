// Places at which a test has a process die, as if its machine had lost power there, and parts that a test leaves out.
//
// A test gives a folder by the environment variable EAGRE_FAULT_POINTS and puts an empty file named as the point into
// it. The first process that passes the point removes the file and kills itself with SIGKILL; the next one passes.
// Without the variable a point costs a load. Points stand where work is done per checkpoint, never per record.
#pragma once

#include <string_view>

namespace eagre {

// Any thread.
void FaultPoint(std::string_view name);

// What the engine cannot do without. Tests of tests leave it out, to see that it is missed.
enum class Omission {
  kNone,
  kBarrierAlignment,      // a task's inputs are read on behind a barrier
  kSyncBeforeCompletion,  // a checkpoint's files are acknowledged before they are synced
};
// From now on, in this process; before anything of it runs.
void OmitForTest(Omission what);
bool IsOmitted(Omission what);

}  // namespace eagre
