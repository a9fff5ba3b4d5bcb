#include "base/crash_report.h"

#include <absl/debugging/symbolize.h>
#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>

namespace eagre {
namespace internal {
constinit thread_local const OperatorIdentity* volatile current_operator = nullptr;
}  // namespace internal

namespace {

constexpr int kCrashSignals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
constexpr size_t kAltStackBytes = 128 * 1024;  // the symboliser alone takes tens of kilobytes
constexpr int kMaxFrames = 64;
// A handler that hangs (a lock inside a broken process) must not keep the dead worker alive.
constexpr unsigned kReportTimeoutSeconds = 5;

std::atomic<int> crash_fd{-1};
std::atomic<int64_t> crashing_thread{0};

constexpr size_t kMaxReason = 1024;
char abort_reason[kMaxReason];
std::atomic<size_t> abort_reason_size{0};
std::atomic<bool> abort_reason_taken{false};

// Collects a line and writes it with as few calls as possible, with nothing but the stack.
class CrashWriter {
 public:
  explicit CrashWriter(int fd) : fd_(fd) {}
  ~CrashWriter() { Flush(); }
  CrashWriter& Text(std::string_view text) {
    for (char c : text) {
      if (used_ == sizeof(buffer_)) Flush();
      buffer_[used_++] = c;
    }
    return *this;
  }
  // A value must stay on its line.
  CrashWriter& OneLine(std::string_view text) {
    for (char c : text) Text(std::string_view(c == '\n' || c == '\r' ? " " : &c, 1));
    return *this;
  }
  CrashWriter& Number(int64_t value, int base = 10) {
    char digits[24];
    auto end = base == 16 ? std::to_chars(digits, digits + sizeof(digits), static_cast<uint64_t>(value), 16).ptr
                          : std::to_chars(digits, digits + sizeof(digits), value).ptr;
    return Text({digits, static_cast<size_t>(end - digits)});
  }
  void Flush() {
    size_t done = 0;
    while (done < used_) {
      ssize_t n = write(fd_, buffer_ + done, used_ - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    used_ = 0;
  }

 private:
  int fd_;
  size_t used_ = 0;
  char buffer_[512];
};

const char* CrashSignalName(int signal) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIG?";
  }
}

uintptr_t ProgramCounter(const void* context) {
  const auto* machine = &static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<uintptr_t>(machine->gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(machine->pc);
#else
#error "no crash handler for this processor"
#endif
}

void WriteFrame(CrashWriter& out, int index, uintptr_t pc, bool is_return_address) {
  // A return address may lie behind the last instruction of its function; the call itself does not.
  uintptr_t lookup = is_return_address && pc > 0 ? pc - 1 : pc;
  out.Text("#").Number(index).Text(" 0x").Number(static_cast<int64_t>(pc), 16).Text(" ");
  char symbol[1024];
  bool found = absl::Symbolize(reinterpret_cast<void*>(lookup), symbol, sizeof(symbol));
  out.OneLine(found ? symbol : "(unknown)");
  dl_find_object object;
  if (_dl_find_object(reinterpret_cast<void*>(lookup), &object) == 0) {
    const char* name = object.dlfo_link_map->l_name;
    const char* slash = strrchr(name, '/');
    name = slash != nullptr ? slash + 1 : name;
    out.Text(" (").OneLine(*name != '\0' ? name : "main").Text("+0x");
    out.Number(static_cast<int64_t>(pc - object.dlfo_link_map->l_addr), 16).Text(")");
  }
  out.Text("\n");
  out.Flush();  // what is known stays known if the next frame is broken
}

// The word on top of the stack: where a call through a bad pointer would have returned to.
uintptr_t StackTop(const void* context) {
#if defined(__x86_64__)
  return *reinterpret_cast<const uintptr_t*>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
#else
  return static_cast<uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.regs[30]);
#endif
}

void WriteStack(CrashWriter& out, const void* context) {
  const uintptr_t fault_pc = ProgramCounter(context);
  void* frames[kMaxFrames];
  int count = backtrace(frames, kMaxFrames);
  int first = count;
  for (int i = 0; i < count; ++i) {
    if (reinterpret_cast<uintptr_t>(frames[i]) == fault_pc) first = i;  // the frames before are the handler's own
  }
  out.Text("stack:\n");
  if (first == count) {  // not in any code, so it cannot be unwound: a call of a bad function pointer
    WriteFrame(out, 0, fault_pc, false);
    WriteFrame(out, 1, StackTop(context), true);
    return;
  }
  for (int i = first; i < count; ++i) WriteFrame(out, i - first, reinterpret_cast<uintptr_t>(frames[i]), i != first);
}

void WriteReport(int fd, int signal, const siginfo_t* info, const void* context) {
  CrashWriter out(fd);
  out.Text("signal: ").Text(CrashSignalName(signal)).Text("\n");
  // si_addr has a meaning only when the processor raised the signal, not when kill() or raise() sent it.
  if (signal != SIGABRT && info->si_code > 0) {
    out.Text("address: 0x").Number(static_cast<int64_t>(reinterpret_cast<uintptr_t>(info->si_addr)), 16).Text("\n");
  }
  if (size_t size = abort_reason_size.load(std::memory_order_acquire); signal == SIGABRT && size > 0) {
    out.Text("reason: ").OneLine({abort_reason, size}).Text("\n");
  }
  if (const OperatorIdentity* identity = CurrentOperator(); identity != nullptr) {
    out.Text("vertex: ").OneLine(identity->vertex).Text("\n");
    out.Text("operator: ").OneLine(identity->operator_name).Text("\n");
    if (*identity->operator_id != '\0') out.Text("operator-id: ").OneLine(identity->operator_id).Text("\n");
    out.Text("subtask: ").Number(identity->subtask).Text("\n");
    if (*identity->origin != '\0') out.Text("origin: ").OneLine(identity->origin).Text("\n");
  }
  char thread_name[16] = "";
  if (pthread_getname_np(pthread_self(), thread_name, sizeof(thread_name)) == 0) {
    out.Text("thread: ").OneLine(thread_name).Text("\n");
  }
  out.Flush();
  WriteStack(out, context);
}

void DieBySignal(int signal) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
  _exit(128 + signal);
}

void HandleCrash(int signal, siginfo_t* info, void* context) {
  int64_t self = syscall(SYS_gettid);
  int64_t nobody = 0;
  if (!crashing_thread.compare_exchange_strong(nobody, self)) {
    if (nobody == self) DieBySignal(signal);  // the report itself crashed: what is written must do
    for (;;) pause();                         // another thread is writing its report and ends the process
  }
  alarm(kReportTimeoutSeconds);
  WriteReport(crash_fd.load(), signal, info, context);
  DieBySignal(signal);
}

// Names the exception before the abort; where it was thrown is still on the stack, which is not unwound for an
// exception without a handler.
[[noreturn]] void HandleTerminate() {
  if (const std::type_info* type = abi::__cxa_current_exception_type(); type != nullptr) {
    int status = 0;
    char* demangled = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
    std::string reason = std::string("uncaught exception ") + (status == 0 ? demangled : type->name());
    std::free(demangled);
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& exception) {
      reason += std::string(": ") + exception.what();
    } catch (...) {
    }
    SetAbortReason(reason);
  } else {
    SetAbortReason("std::terminate was called");
  }
  std::abort();
}

}  // namespace

ScopedAltStack::ScopedAltStack() {
  void* memory = mmap(nullptr, kAltStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;  // crashes are still reported, stack overflows are not
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = kAltStackBytes;
  if (sigaltstack(&stack, nullptr) != 0) {
    munmap(memory, kAltStackBytes);
    return;
  }
  memory_ = memory;
}

ScopedAltStack::~ScopedAltStack() {
  if (memory_ == nullptr) return;
  stack_t stack{};
  stack.ss_flags = SS_DISABLE;
  sigaltstack(&stack, nullptr);
  munmap(memory_, kAltStackBytes);
}

void InstallCrashHandler(int fd) {
  // Both load and allocate on first use, which must not happen in the handler. Without a path the symboliser names the
  // main program's functions by /proc/self/exe.
  absl::InitializeSymbolizer("/proc/self/exe");
  void* warm_up[4];
  backtrace(warm_up, 4);
  char symbol[64];
  absl::Symbolize(reinterpret_cast<void*>(&InstallCrashHandler), symbol, sizeof(symbol));

  static ScopedAltStack* main_stack = new ScopedAltStack;  // never freed: the main thread ends with the process
  (void)main_stack;
  crash_fd = fd;
  for (int signal : kCrashSignals) {
    struct sigaction action {};
    action.sa_sigaction = HandleCrash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
  std::set_terminate(HandleTerminate);
}

void SetAbortReason(std::string_view reason) {
  if (abort_reason_taken.exchange(true)) return;
  size_t size = std::min(reason.size(), kMaxReason);
  memcpy(abort_reason, reason.data(), size);
  abort_reason_size.store(size, std::memory_order_release);
}

CrashReport ParseCrashReport(std::string_view text) {
  CrashReport report;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line == "stack:") {
      report.stack = std::string(text);
      break;
    }
    size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    std::string_view key = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 2);
    if (key == "signal") report.signal = value;
    if (key == "address") report.address = value;
    if (key == "reason") report.reason = value;
    if (key == "vertex") report.vertex = value;
    if (key == "operator") report.operator_name = value;
    if (key == "operator-id") report.operator_id = value;
    if (key == "thread") report.thread = value;
    if (key == "origin") report.origin = value;
    if (key == "subtask") std::from_chars(value.data(), value.data() + value.size(), report.subtask);
  }
  return report;
}

std::string SignalName(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  return abbreviation != nullptr ? std::string("SIG") + abbreviation : "signal " + std::to_string(signal);
}

}  // namespace eagre
