// SIGINT and SIGTERM as events to wait for, so that a daemon stops in order and Ctrl-C cancels a job instead of tearing
// the process down.
#pragma once

namespace eagre {

// Takes both signals over while it lives; one instance at a time. Children started meanwhile get the default handling
// back (an exec resets handlers), and no thread has signals blocked.
class ShutdownSignals {
 public:
  // `also_hangup`: SIGHUP too, which comes when the terminal is closed, unless it is ignored, as under nohup.
  explicit ShutdownSignals(bool also_hangup = false);
  ~ShutdownSignals();
  ShutdownSignals(const ShutdownSignals&) = delete;
  ShutdownSignals& operator=(const ShutdownSignals&) = delete;

  // Blocks until one of the signals arrives and returns its number, or until Wake() and returns 0.
  int Wait();
  // Any thread. Each call ends one Wait().
  void Wake();
};

}  // namespace eagre
