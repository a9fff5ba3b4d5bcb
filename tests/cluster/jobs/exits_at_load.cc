// Ends the process while its graph is built.
#include <cstdlib>

#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  std::_Exit(7);
}
