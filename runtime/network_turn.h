// Whose turn it is to serve the sockets of a network: a slot's thread that has nothing else to do, or the network's
// own.
//
// One thread at a time has the turn: it alone waits for the sockets and handles what they have. While a slot's thread
// does, a frame that arrives needs no other thread to be woken on its way to the slot, and while all slots have work
// nobody is woken at all: each looks at the sockets when it runs out. The network's own thread serves
// - as long as no slot asks for the turn;
// - when more than one slot sleeps, since the one that waited would leave the others behind when it gets work;
// - when nobody has looked for kPatienceNs: every slot is busy with user code.
// To notice the last it sleeps by a timer, which costs those that set it less than a thread that is woken.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/unique_fd.h"

namespace eagre {

class NetworkTurn {
 public:
  NetworkTurn();

  // Slots' threads.

  // False when another thread has the turn.
  bool Take();
  // To wait with it. When another thread has the turn it is false, and the caller counts as asleep until EndSleep,
  // which any thread may call, once.
  bool TakeToWait();
  void EndSleep();
  void Return();

  // The network's own thread.

  // Waits until this thread is to serve; false, and the turn is for good this thread's, once Stop was called.
  bool AwaitOwn();
  // After some work: false, and the turn is returned, when it is not needed here any more.
  bool KeepOwn();

  // Any thread. Whoever waits with the turn is to be woken by the caller.
  void Stop();

 private:
  static constexpr int64_t kPatienceNs = 2'000'000;

  // REQUIRE: mutex_ is held.
  bool TakeLocked();
  void ReturnLocked();
  void SetTimer(int64_t delay_ns);

  const UniqueFd timer_;
  std::mutex mutex_;
  std::condition_variable returned_;
  bool taken_ = false;
  bool wanted_ = false;  // by a slot, while another thread had it
  bool looked_ = false;  // somebody had the turn since the network's thread last asked
  bool timer_set_ = false;
  bool stopped_ = false;
  int sleepers_ = 0;
};

}  // namespace eagre
