// The stamp by which a job's library says what it was built with, and the entry points it exports.
//
// A library and the runtime share C++ objects, so they must agree on compiler, standard library, Abseil, CPU level,
// version and on Eagre's headers themselves. The loader reads the stamp, which is plain data, before it calls anything.
#pragma once

#include <absl/base/config.h>

#include <cstdint>

#include "eagre/headers_digest.h"

#define EAGRE_STRINGIZE_INNER(x) #x
#define EAGRE_STRINGIZE(x) EAGRE_STRINGIZE_INNER(x)

#define EAGRE_VERSION "0.1.0"

#if defined(__AVX512F__)
#define EAGRE_CPU_LEVEL "x86-64-v4"
#elif defined(__AVX2__)
#define EAGRE_CPU_LEVEL "x86-64-v3"
#else
#define EAGRE_CPU_LEVEL "x86-64"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define EAGRE_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define EAGRE_SANITIZER "thread"
#else
#define EAGRE_SANITIZER "none"
#endif

namespace eagre {

class Job;
class JobArgs;

inline constexpr uint64_t kJobStampMagic = 0x4541475245304A42;  // "EAGRE0JB"

// Only ever appended to: the loader of any version must be able to read the start of any other's.
struct JobStamp {
  uint64_t magic;
  const char* version;
  const char* compiler;
  const char* standard_library;
  const char* abseil;
  const char* cpu_level;
  const char* sanitizer;
  const char* headers;
};

#ifdef ABSL_LTS_RELEASE_VERSION
#define EAGRE_ABSEIL_VERSION EAGRE_STRINGIZE(ABSL_LTS_RELEASE_VERSION)
#else
#define EAGRE_ABSEIL_VERSION "head"
#endif

#define EAGRE_BUILD_STAMP                                                                                \
  {                                                                                                      \
    ::eagre::kJobStampMagic, EAGRE_VERSION, "gcc " EAGRE_STRINGIZE(__GNUC__),                            \
        "libstdc++ abi " EAGRE_STRINGIZE(_GLIBCXX_USE_CXX11_ABI), EAGRE_ABSEIL_VERSION, EAGRE_CPU_LEVEL, \
        EAGRE_SANITIZER, EAGRE_HEADERS_DIGEST                                                            \
  }

}  // namespace eagre

/// Defines a job: `EAGRE_JOB(job, args) { auto payments = job.Read(...); ... }`, once per library.
#define EAGRE_JOB(job, args)                                                                                     \
  static void EagreJobBody(::eagre::Job& job, const ::eagre::JobArgs& args);                                     \
  extern "C" __attribute__((visibility("default"))) const ::eagre::JobStamp eagre_job_stamp = EAGRE_BUILD_STAMP; \
  extern "C" __attribute__((visibility("default"))) void eagre_job_main(::eagre::Job& eagre_job,                 \
                                                                        const ::eagre::JobArgs& eagre_args) {    \
    EagreJobBody(eagre_job, eagre_args);                                                                         \
  }                                                                                                              \
  static void EagreJobBody([[maybe_unused]] ::eagre::Job& job, [[maybe_unused]] const ::eagre::JobArgs& args)
