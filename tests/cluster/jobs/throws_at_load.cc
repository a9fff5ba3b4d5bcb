// Its entry point throws.
#include <stdexcept>

#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  throw std::runtime_error("no luck today");
}
