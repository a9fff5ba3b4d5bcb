#include "cli/shutdown_signals.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace eagre {
namespace {

TEST(ShutdownSignalsTest, SignalsAndWakeUpsEndOneWaitEachInOrder) {
  ShutdownSignals signals;
  raise(SIGTERM);
  signals.Wake();
  raise(SIGINT);
  EXPECT_EQ(signals.Wait(), SIGTERM);
  EXPECT_EQ(signals.Wait(), 0);
  EXPECT_EQ(signals.Wait(), SIGINT);
}

TEST(ShutdownSignalsTest, AHangupIsOneOfThemOnRequestUnlessItIsIgnored) {
  const auto hangup_before = signal(SIGHUP, SIG_IGN);
  {
    ShutdownSignals signals(/*also_hangup=*/true);
    raise(SIGHUP);  // as under nohup
    signals.Wake();
    EXPECT_EQ(signals.Wait(), 0);
  }
  signal(SIGHUP, SIG_DFL);
  {
    ShutdownSignals signals(/*also_hangup=*/true);
    raise(SIGHUP);
    EXPECT_EQ(signals.Wait(), SIGHUP);
  }
  EXPECT_EQ(signal(SIGHUP, hangup_before), SIG_DFL);
}

TEST(ShutdownSignalsTest, TheHandlingBeforeComesBack) {
  struct sigaction before {
  }, after{};
  sigaction(SIGTERM, nullptr, &before);
  { ShutdownSignals signals; }
  sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace eagre
