// One thread serves the network at a time: the slots' as long as they look after it, else the network's own.
#include "runtime/network_turn.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace eagre {
namespace {

TEST(NetworkTurn, IsTheNetworksOwnWhileNoSlotAsks) {
  NetworkTurn turn;
  EXPECT_TRUE(turn.AwaitOwn());
  EXPECT_TRUE(turn.KeepOwn());
  EXPECT_FALSE(turn.Take());
  EXPECT_FALSE(turn.KeepOwn()) << "a slot asked";
  EXPECT_TRUE(turn.Take());
  turn.Return();
}

TEST(NetworkTurn, IsOneThreadsAtATime) {
  NetworkTurn turn;
  EXPECT_TRUE(turn.TakeToWait());
  EXPECT_FALSE(turn.Take());
  EXPECT_FALSE(turn.TakeToWait());
  turn.EndSleep();
  turn.Return();
  EXPECT_TRUE(turn.Take());
  turn.Return();
}

TEST(NetworkTurn, ComesBackToTheNetworkWhenNobodyLooks) {
  NetworkTurn turn;
  EXPECT_TRUE(turn.TakeToWait());
  turn.Return();
  EXPECT_TRUE(turn.AwaitOwn());
}

TEST(NetworkTurn, StaysWithTheNetworkWhileASlotSleepsElsewhere) {
  NetworkTurn turn;
  EXPECT_TRUE(turn.AwaitOwn());
  EXPECT_FALSE(turn.TakeToWait());
  EXPECT_TRUE(turn.KeepOwn());
  turn.EndSleep();
  EXPECT_FALSE(turn.KeepOwn()) << "it was woken and may look itself";
}

TEST(NetworkTurn, GoesToTheNetworkWhenASlotGetsWorkAndAnotherSleeps) {
  NetworkTurn turn;
  EXPECT_TRUE(turn.TakeToWait());
  EXPECT_FALSE(turn.TakeToWait());
  std::thread network([&] {
    EXPECT_TRUE(turn.AwaitOwn());
    EXPECT_TRUE(turn.KeepOwn());
  });
  turn.Return();
  network.join();
}

TEST(NetworkTurn, IsTheNetworksForGoodOnceItStopped) {
  NetworkTurn turn;
  EXPECT_TRUE(turn.Take());
  std::atomic<bool> returned{false};
  std::thread network([&] {
    EXPECT_FALSE(turn.AwaitOwn());
    EXPECT_TRUE(returned) << "not before whoever had it returned it";
  });
  turn.Stop();
  EXPECT_FALSE(turn.Take()) << "not to be kept by those that look again and again";
  returned = true;
  turn.Return();
  network.join();
  EXPECT_FALSE(turn.Take());
  EXPECT_FALSE(turn.TakeToWait());
}

}  // namespace
}  // namespace eagre
