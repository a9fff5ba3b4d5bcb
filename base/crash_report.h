// What a worker process leaves behind when it dies of its own fault: the signal, the operator whose code ran, the
// stack.
//
// The handler runs inside a broken process, so it only does what is safe in a signal handler: no allocation, no lock,
// write(2) to a descriptor that was opened before. The supervisor reads the file after the death and parses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace eagre {

// Names the code that runs on a thread. The strings and the identity itself outlive every scope that shows them.
struct OperatorIdentity {
  const char* vertex = "";
  const char* operator_name = "";
  int subtask = -1;         // from 0; -1: not of one subtask
  const char* origin = "";  // of the record that is being processed, where it is known
  const char* operator_id = "";
};

namespace internal {
// In the static TLS block (initial-exec): a signal handler must not be the first to touch a lazily made one, and it is
// set by a single instruction. Volatile, or the compiler drops a value that only a signal handler would read.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local const OperatorIdentity* volatile current_operator;
}  // namespace internal

// Says whose code this thread runs from now on (null: nobody's). Returns what was set before. Costs two moves.
inline const OperatorIdentity* SetCurrentOperator(const OperatorIdentity* identity) {
  const OperatorIdentity* previous = internal::current_operator;
  internal::current_operator = identity;
  return previous;
}
inline const OperatorIdentity* CurrentOperator() {
  return internal::current_operator;
}

// Around every call into user code.
class OperatorScope {
 public:
  explicit OperatorScope(const OperatorIdentity* identity) : previous_(SetCurrentOperator(identity)) {}
  ~OperatorScope() { SetCurrentOperator(previous_); }
  OperatorScope(const OperatorScope&) = delete;
  OperatorScope& operator=(const OperatorScope&) = delete;

 private:
  const OperatorIdentity* previous_;
};

// Gives this thread a stack of its own for signal handlers, so that a stack overflow can be reported too. One per
// thread that runs user code, for the thread's life; made and destroyed on that thread.
class ScopedAltStack {
 public:
  ScopedAltStack();
  ~ScopedAltStack();
  ScopedAltStack(const ScopedAltStack&) = delete;
  ScopedAltStack& operator=(const ScopedAltStack&) = delete;

 private:
  void* memory_ = nullptr;
};

// Installs handlers for SIGSEGV, SIGABRT, SIGBUS, SIGFPE and SIGILL and for std::terminate, which write a report to
// `fd` and then let the signal end the process as it would have. Call once, early in main; `fd` stays open for the life
// of the process. The calling thread gets an alternate stack.
void InstallCrashHandler(int fd);

// Keeps `reason` for the report of an abort that follows (a failed check, an exception nobody caught). The first reason
// stands. Any thread; safe in a signal handler.
void SetAbortReason(std::string_view reason);

// A parsed report; fields that the report lacks keep their defaults.
struct CrashReport {
  std::string signal;   // "SIGSEGV"; empty: there is no report
  std::string address;  // of the fault, "0x0"; empty where the signal has none
  std::string reason;   // of an abort: the failed check or the exception's type and text
  std::string vertex;
  std::string operator_name;
  std::string operator_id;
  int32_t subtask = -1;
  std::string origin;  // as OperatorIdentity has it
  std::string thread;  // the name of the thread that died
  std::string stack;   // one line per frame, innermost first, each ending in a newline
};

// Accepts whatever the dying process managed to write, nothing at all included.
CrashReport ParseCrashReport(std::string_view text);

// "SIGSEGV", or "signal 42" for one without a name.
std::string SignalName(int signal);

}  // namespace eagre
