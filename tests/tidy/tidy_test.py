#!/usr/bin/env python3
"""What tidy.py promises: it finds each kind of violation and says where, what and what to do."""

import pathlib
import tempfile
import unittest

import tidy

HEADER = "// Purpose.\n#pragma once\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for module, floor in (("base", 0), ("proto", 0), ("runtime", 3), ("api", 4), ("jobmanager", 6), ("taskmanager", 6)):
            self.write(f"{module}/CMakeLists.txt", f"eagre_module({module} FLOOR {floor}\n  SOURCES a.cc)\n")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def assert_violations(self, *expected):
        found = tidy.check_tree(self.root)
        self.assertEqual(len(found), len(expected), found)
        for violation, part in zip(found, expected):
            self.assertIn(part, violation)

    def test_lower_floors_may_be_included(self):
        self.write("runtime/a.h", HEADER + '#include "base/status.h"\n#include "proto/graph.pb.h"\n#include "runtime/b.h"\n')
        self.write("base/a.h", HEADER + '#include "proto/graph.pb.h"\n')
        self.write("jobmanager/a.cc", "#include <eagre/eagre.h>\n#include <vector>\n")
        self.assert_violations()

    def test_upper_floors_must_not_be_included(self):
        self.write("base/a.cc", '#include "base/a.h"\n#include "runtime/task.h"\n')
        self.write("runtime/a.cc", "#include <eagre/eagre.h>\n")
        self.assert_violations("base/a.cc:2: floor: base (floor 0) must not include runtime/task.h of runtime (floor 3)",
                               "runtime/a.cc:1: floor: runtime (floor 3) must not include eagre/eagre.h of api (floor 4)")

    def test_modules_of_the_same_floor_never_include_each_other(self):
        self.write("jobmanager/a.cc", '#include "taskmanager/a.h"\n')
        self.assert_violations("jobmanager/a.cc:1: floor: jobmanager")

    def test_nothing_includes_tests(self):
        self.write("runtime/a.cc", '#include "tests/sim/network.h"\n')
        self.assert_violations("runtime/a.cc:1: floor: nothing includes from tests/")

    def test_public_headers_are_of_the_api(self):
        self.write("include/eagre/stream.h", HEADER + '#include "jobmanager/a.h"\n')
        self.assert_violations("include/eagre/stream.h:3: floor: api (floor 4) must not include jobmanager/a.h")

    def test_bans(self):
        self.write("jobmanager/a.cc", "auto t = std::chrono::steady_clock::now();\nstd::this_thread::sleep_for(d);\n"
                                   "std::thread worker;\nint r = rand();\nstd::ifstream in;\nvoid F(absl::string_view);\nthrow 1;\n")
        self.assert_violations("jobmanager/a.cc:1: clock", "jobmanager/a.cc:2: sleep", "jobmanager/a.cc:3: thread", "jobmanager/a.cc:4: random",
                               "jobmanager/a.cc:5: file", "jobmanager/a.cc:6: string_view", "jobmanager/a.cc:7: exception")

    def test_bans_do_not_look_at_comments_literals_and_members(self):
        self.write("runtime/a.cc", '// std::thread\n/* rand()\n sleep_for */\nauto s = "std::thread";\ntimer.sleep(1);\n'
                                   "std::this_thread::get_id();\nstd::thread::id owner;\n")
        self.assert_violations()

    def test_base_and_adapters_may(self):
        self.write("base/a.cc", "std::thread t;\nstd::random_device d;\n")
        self.write("jobmanager/grpc_server.cc", "std::thread t;\n")
        self.assert_violations()

    def test_headers_have_a_form(self):
        self.write("runtime/a.h", "#pragma once\n")
        self.write("runtime/b.h", "// Purpose.\n")
        self.write("runtime/c.h", HEADER + "\n" * 300)
        self.assert_violations("runtime/a.h:1: header: starts without a comment", "runtime/b.h:1: header: has no #pragma once",
                               "runtime/c.h:302: header: 302 lines")

    def test_a_key_that_nothing_reads(self):
        self.write("base/config_options.cc", '    {"a.used", OptionType::kInt, "1"},\n    {"a.forgotten", OptionType::kInt, "1"},\n')
        self.write("runtime/a.cc", 'config.GetInt("a.used");\n')
        self.assert_violations("base/config_options.cc:2: config: nothing reads 'a.forgotten'")

    def test_an_operator_that_stands_for_another_passes_everything_on(self):
        self.write("runtime/operator.h", HEADER + "class Operator {\n  virtual ~Operator() = default;\n  virtual Status Open(Context& context) {\n"
                                         "  virtual bool blocked() const { return false; }\n  virtual int64_t NextMs() const = 0;\n};\n")
        self.write("runtime/piecewise_operator.h", HEADER + "  Status Open(Context& context) override { return op_->Open(context); }\n"
                                                   "  int64_t NextMs() const override;\n")
        self.assert_violations("runtime/piecewise_operator.h:1: forwarding: Operator::blocked is not passed on")


if __name__ == "__main__":
    unittest.main()
