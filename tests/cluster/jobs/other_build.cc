// A job whose stamp says that it was built with another version.
#include "eagre/job.h"

#undef EAGRE_VERSION
#define EAGRE_VERSION "0.0.7"

EAGRE_JOB(job, args) {}
