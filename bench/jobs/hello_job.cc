// The smallest job: one record, which writes down when it came out.
#include <chrono>
#include <fstream>

#include <eagre/eagre.h>

using namespace eagre;

EAGRE_JOB(job, args) {
  const std::string output = args.Get("output");
  job.Read(FromValues<std::string>({"hello"}))
      .Map([output](const std::string& text) {
        std::ofstream(output) << std::chrono::steady_clock::now().time_since_epoch().count();
        return text;
      })
      .WriteTo(Blackhole());
}
