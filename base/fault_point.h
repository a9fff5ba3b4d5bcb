// Places at which a test has a process die, as if its machine had lost power there.
//
// A test gives a folder by the environment variable EAGRE_FAULT_POINTS and puts an empty file named as the point into
// it. The first process that passes the point removes the file and kills itself with SIGKILL; the next one passes.
// Without the variable a point costs a load. Points stand where work is done per checkpoint, never per record.
#pragma once

#include <string_view>

namespace eagre {

// Any thread.
void FaultPoint(std::string_view name);

}  // namespace eagre
