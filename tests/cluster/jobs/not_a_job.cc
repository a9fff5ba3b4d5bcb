// A shared library like many others.
extern "C" int Answer() {
  return 42;
}
