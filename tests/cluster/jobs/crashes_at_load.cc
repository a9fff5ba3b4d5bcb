// Crashes in an initialiser, before anything of it is called.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

namespace {

struct CrashesWhenMade {
  CrashesWhenMade() {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
  }
} crashes_when_made;

}  // namespace

EAGRE_JOB(job, args) {
  job.Read(Numbers(1)).WriteTo(Blackhole());
}
