// Where the time goes while a thread does not come to its records: its own work, a wait for a processor that others
// have, or sleep (for a lock, a page, the disk, or for something to do).
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace eagre::bench {

struct Pause {
  int64_t late_ns = 0;    // of the oldest record that came then
  int64_t wall_ns = 0;    // since the records before
  int64_t worked_ns = 0;  // of them, by the thread itself
  int64_t waited_ns = 0;  // of them, ready to run
};

// What a run writes down of its pauses, as plain bytes.
struct Pauses {
  static constexpr int64_t kLateNs = 5'000'000;

  Pause longest;
  Pause late;                  // the sums of those of kLateNs and more
  int64_t late_count = 0;      // how many these are
  int64_t most_worked_ns = 0;  // of any

  void Add(const Pause& pause) {
    if (pause.late_ns > longest.late_ns) longest = pause;
    most_worked_ns = std::max(most_worked_ns, pause.worked_ns);
    if (pause.late_ns < kLateNs) return;
    ++late_count;
    late.late_ns += pause.late_ns;
    late.wall_ns += pause.wall_ns;
    late.worked_ns += pause.worked_ns;
    late.waited_ns += pause.waited_ns;
  }
  void Add(const Pauses& other) {
    if (other.longest.late_ns > longest.late_ns) longest = other.longest;
    most_worked_ns = std::max(most_worked_ns, other.most_worked_ns);
    late_count += other.late_count;
    late.late_ns += other.late.late_ns;
    late.wall_ns += other.late.wall_ns;
    late.worked_ns += other.late.worked_ns;
    late.waited_ns += other.late.waited_ns;
  }
};

// For one thread, which is the first to call it.
class PauseMeter {
 public:
  ~PauseMeter() {
    if (schedstat_ >= 0) close(schedstat_);
  }
  // Records have come, the oldest of which is so late.
  void OnRecords(int64_t late_ns) {
    const Times now = Read();
    if (last_.wall_ns != 0) {
      pauses_.Add(Pause{late_ns, now.wall_ns - last_.wall_ns, now.worked_ns - last_.worked_ns,
                        now.waited_ns - last_.waited_ns});
    }
    last_ = now;
  }
  const Pauses& pauses() const { return pauses_; }

 private:
  struct Times {
    int64_t wall_ns = 0, worked_ns = 0, waited_ns = 0;
  };
  Times Read() {
    const auto of = [](clockid_t clock) {
      timespec time{};
      clock_gettime(clock, &time);
      return time.tv_sec * 1'000'000'000 + time.tv_nsec;
    };
    // Time on a processor, time on the queue for one, and how often.
    if (schedstat_ < 0) schedstat_ = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    char text[128] = {};
    int64_t waited_ns = 0;
    if (schedstat_ >= 0 && pread(schedstat_, text, sizeof text - 1, 0) > 0) {
      char* rest = text;
      (void)std::strtoll(rest, &rest, 10);
      waited_ns = std::strtoll(rest, &rest, 10);
    }
    return {of(CLOCK_MONOTONIC), of(CLOCK_THREAD_CPUTIME_ID), waited_ns};
  }

  int schedstat_ = -1;
  Times last_;
  Pauses pauses_;
};

}  // namespace eagre::bench
