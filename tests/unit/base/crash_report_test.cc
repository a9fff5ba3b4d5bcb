// A process that dies of its own fault says which operator ran and where.
#include "base/crash_report.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/check.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Death {
  int signal = 0;
  CrashReport report;
};

// Runs `body` on a new thread of a forked child that has the crash handler.
Death Die(const std::function<void()>& body) {
  std::string path = ::testing::TempDir() + "crash_report_" + std::to_string(getpid());
  pid_t child = fork();
  if (child == 0) {
    InstallCrashHandler(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    std::thread thread([&body] {
      pthread_setname_np(pthread_self(), "slot-0");
      ScopedAltStack alternate_stack;
      body();
    });
    thread.join();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  unlink(path.c_str());
  return {WIFSIGNALED(status) ? WTERMSIG(status) : 0, ParseCrashReport(text.str())};
}

// The undefined-behaviour sanitizer would end the process in its own way first.
__attribute__((noinline, no_sanitize("undefined"))) void DereferenceNull(int* pointer) {
  *pointer = 1;
  asm volatile("");
}

__attribute__((noinline)) int RecurseForever(int depth) {
  char frame[512];
  asm volatile("" : : "r"(frame) : "memory");
  if (depth == -1) return 0;
  return RecurseForever(depth + 1) + frame[depth % 512];
}

constexpr OperatorIdentity kBoom{"risk -> alerts", "boom", 3, "", "a1"};

TEST(CrashReportTest, NullDereferenceNamesSignalOperatorAndFunction) {
  Death death = Die([] {
    OperatorScope scope(&kBoom);
    DereferenceNull(nullptr);
  });
  EXPECT_EQ(death.signal, SIGSEGV);
  EXPECT_EQ(death.report.signal, "SIGSEGV");
  EXPECT_EQ(death.report.address, "0x0");
  EXPECT_EQ(death.report.vertex, "risk -> alerts");
  EXPECT_EQ(death.report.operator_name, "boom");
  EXPECT_EQ(death.report.operator_id, "a1");
  EXPECT_EQ(death.report.subtask, 3);
  EXPECT_EQ(death.report.thread, "slot-0");
  std::string innermost = death.report.stack.substr(0, death.report.stack.find('\n'));
  EXPECT_THAT(innermost, StartsWith("#0 "));
  EXPECT_THAT(innermost, HasSubstr("DereferenceNull"));
}

TEST(CrashReportTest, StackOverflowIsReportedFromTheAlternateStack) {
  Death death = Die([] {
    OperatorScope scope(&kBoom);
    RecurseForever(0);
  });
  EXPECT_EQ(death.signal, SIGSEGV);
  EXPECT_EQ(death.report.operator_name, "boom");
  EXPECT_THAT(death.report.stack, HasSubstr("RecurseForever"));
}

TEST(CrashReportTest, CallOfANullFunctionPointerNamesTheCaller) {
  Death death = Die([] {
    void (*volatile nothing)() = nullptr;
    nothing();
  });
  EXPECT_EQ(death.signal, SIGSEGV);
  EXPECT_THAT(death.report.stack, HasSubstr("#1 "));
}

TEST(CrashReportTest, UncaughtExceptionIsNamedWithItsText) {
  Death death = Die([] {
    OperatorScope scope(&kBoom);
    std::function<void()> user_code = [] { throw std::runtime_error("no such\ncurrency"); };
    [&user_code]() noexcept { user_code(); }();
  });
  EXPECT_EQ(death.signal, SIGABRT);
  EXPECT_EQ(death.report.signal, "SIGABRT");
  EXPECT_EQ(death.report.address, "");
  EXPECT_EQ(death.report.reason, "uncaught exception std::runtime_error: no such currency");
  EXPECT_EQ(death.report.operator_name, "boom");
}

TEST(CrashReportTest, FailedCheckIsTheReason) {
  Death death = Die([] { EAGRE_CHECK_MSG(1 + 1 == 3, "arithmetic"); });
  EXPECT_EQ(death.signal, SIGABRT);
  EXPECT_THAT(death.report.reason, HasSubstr("check failed: 1 + 1 == 3: arithmetic"));
  EXPECT_EQ(death.report.vertex, "");
  EXPECT_EQ(death.report.subtask, -1);
}

TEST(CrashReportTest, SignalFromOutsideHasNoAddress) {
  Death death = Die([] { kill(getpid(), SIGILL); });
  EXPECT_EQ(death.signal, SIGILL);
  EXPECT_EQ(death.report.signal, "SIGILL");
  EXPECT_EQ(death.report.address, "");
}

TEST(CrashReportTest, OneReportWhenSeveralThreadsCrashAtOnce) {
  Death death = Die([] {
    std::thread other([] { DereferenceNull(nullptr); });
    DereferenceNull(nullptr);
    other.join();
  });
  EXPECT_EQ(death.signal, SIGSEGV);
  EXPECT_THAT(death.report.stack, Not(HasSubstr("signal:")));
}

TEST(CrashReportTest, ScopesNestAndRestore) {
  constexpr OperatorIdentity inner{"v", "inner", 0};
  EXPECT_EQ(CurrentOperator(), nullptr);
  {
    OperatorScope outer_scope(&kBoom);
    {
      OperatorScope inner_scope(&inner);
      EXPECT_EQ(CurrentOperator(), &inner);
    }
    EXPECT_EQ(CurrentOperator(), &kBoom);
  }
  EXPECT_EQ(CurrentOperator(), nullptr);
}

TEST(CrashReportTest, ParsesWhateverADyingProcessManagedToWrite) {
  EXPECT_EQ(ParseCrashReport("").signal, "");
  EXPECT_EQ(ParseCrashReport("signal: SIGBUS\nvert").signal, "SIGBUS");
  EXPECT_EQ(ParseCrashReport("garbage\n: \n\n\xff\xfe\nsubtask: many\n").subtask, -1);
  CrashReport report = ParseCrashReport("signal: SIGFPE\nvertex: a: b\nstack:\n#0 f\n#1 g\n");
  EXPECT_EQ(report.vertex, "a: b");
  EXPECT_EQ(report.stack, "#0 f\n#1 g\n");
}

TEST(CrashReportTest, SignalNames) {
  EXPECT_EQ(SignalName(SIGKILL), "SIGKILL");
  EXPECT_EQ(SignalName(63), "signal 63");
}

}  // namespace
}  // namespace eagre
