// A source in the first worker whose records all have keys of the second: every record crosses the network.
#include <eagre/eagre.h>

#include "runtime/key_groups.h"

using namespace eagre;

namespace {

struct Shuffled {
  int64_t key = 0;
  double amount = 0;
  std::string user;  // 12 characters
  std::string note;  // 64 characters
};
EAGRE_RECORD(Shuffled, key, amount, user, note);

constexpr size_t kKeys = 65'536;

std::vector<int64_t> KeysOfSecondSubtask() {
  std::vector<int64_t> keys;
  for (int64_t key = 0; keys.size() < kKeys; ++key) {
    if (SubtaskOfKeyGroup(KeyGroupOf(KeyHash(key), DefaultMaxParallelism(2)), 2, DefaultMaxParallelism(2)) == 1) {
      keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace

EAGRE_JOB(job, args) {
  const int64_t records = args.GetInt("records", 1'000'000);
  job.Read(Generate<Shuffled>(records,
                              [keys = KeysOfSecondSubtask()](int64_t i, Shuffled& record) {
                                record.key = keys[static_cast<size_t>(i) % kKeys];
                                record.amount = static_cast<double>(i);
                                // The objects come again and again; raw TCP does not make its bytes anew either.
                                if (!record.note.empty()) return;
                                record.user.assign("user_0000001");
                                record.note.assign("a note of sixty-four characters that stands for other text fields");
                              }))
      .SetParallelism(1)
      .SetMaxParallelism(DefaultMaxParallelism(2))
      .KeyBy(&Shuffled::key)
      .Process([](const Shuffled&, KeyedProcessContext<int64_t>&, Collector<int64_t>&) {})
      .SetParallelism(2)
      .WriteTo(Blackhole());
}
