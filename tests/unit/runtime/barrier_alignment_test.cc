// When a task handles a barrier, and which inputs wait until then.
#include "runtime/barrier_alignment.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eagre {
namespace {

// What happens, as text: "0:5" barrier of checkpoint 5 on input 0, "0:end", "abort:5"; and what is expected then:
// whether the barrier is handled, and which inputs are blocked.
struct Happening {
  std::string what;
  bool handled;
  std::vector<size_t> blocked;
};

class BarrierAlignmentTest : public testing::Test {
 protected:
  static constexpr size_t kInputs = 3;

  void Run(BarrierAlignment& alignment, const std::vector<Happening>& happenings) {
    for (const Happening& happening : happenings) {
      SCOPED_TRACE(happening.what);
      EXPECT_EQ(Apply(alignment, happening.what), happening.handled);
      for (size_t input = 0; input < kInputs; ++input) {
        const bool blocked =
            std::find(happening.blocked.begin(), happening.blocked.end(), input) != happening.blocked.end();
        EXPECT_EQ(alignment.blocked(input), blocked) << "input " << input;
      }
    }
  }

 private:
  bool Apply(BarrierAlignment& alignment, const std::string& what) {
    now_ms_ += 10;
    const size_t colon = what.find(':');
    const std::string before = what.substr(0, colon);
    const std::string after = what.substr(colon + 1);
    if (before == "abort") {
      alignment.Abort(std::stoll(after));
      return false;
    }
    const size_t input = std::stoul(before);
    return after == "end" ? alignment.OnEnd(input, now_ms_) : alignment.OnBarrier(input, std::stoll(after), now_ms_);
  }

  int64_t now_ms_ = 0;
};

TEST_F(BarrierAlignmentTest, InputsThatHaveTheBarrierWaitForTheOthers) {
  BarrierAlignment alignment(kInputs, /*exactly_once=*/true);
  Run(alignment, {{"1:1", false, {1}},
                  {"0:1", false, {0, 1}},
                  {"2:1", true, {}},
                  {"2:2", false, {2}},
                  {"0:2", false, {0, 2}},
                  {"1:2", true, {}}});
  EXPECT_EQ(alignment.duration_ms(), 20);
}

TEST_F(BarrierAlignmentTest, AtLeastOnceHoldsNobodyBack) {
  BarrierAlignment alignment(kInputs, /*exactly_once=*/false);
  Run(alignment, {{"1:1", false, {}}, {"0:1", false, {}}, {"2:1", true, {}}});
}

TEST_F(BarrierAlignmentTest, AnInputThatHasEndedIsNotWaitedFor) {
  BarrierAlignment alignment(kInputs, /*exactly_once=*/true);
  Run(alignment, {{"0:end", false, {}},
                  {"1:1", false, {1}},
                  {"2:1", true, {}},
                  {"1:2", false, {1}},
                  {"2:end", true, {}},  // only its barrier was missing
                  {"1:end", false, {}}});
}

TEST_F(BarrierAlignmentTest, AnAbortedCheckpointReleasesItsInputsAndItsLateBarriersAreNothing) {
  BarrierAlignment alignment(kInputs, /*exactly_once=*/true);
  Run(alignment, {{"0:1", false, {0}},
                  {"abort:1", false, {}},
                  {"1:1", false, {}},
                  {"1:2", false, {1}},
                  {"abort:1", false, {1}},
                  {"0:2", false, {0, 1}},
                  {"2:1", false, {0, 1}},
                  {"2:2", true, {}}});
}

TEST_F(BarrierAlignmentTest, ANewerBarrierEndsAnOlderAlignment) {
  BarrierAlignment alignment(kInputs, /*exactly_once=*/true);
  Run(alignment, {{"0:1", false, {0}}, {"1:2", false, {1}}, {"0:2", false, {0, 1}}, {"2:2", true, {}}});
}

}  // namespace
}  // namespace eagre
