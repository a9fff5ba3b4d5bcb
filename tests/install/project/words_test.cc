// A user's own test of a function, with the installed harness.
#include <eagre/testing/function_harness.h>

#include <cstdio>

#include <eagre/eagre.h>

int main() {
  auto harness = eagre::MapHarness<int64_t>([](int64_t n) { return n + 1; });
  if (!harness.Push(41).ok()) return 1;
  return harness.Take() == std::vector<int64_t>{42} ? 0 : 1;
}
