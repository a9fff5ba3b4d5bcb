#!/usr/bin/env python3
"""Enforces the house's rules that no compiler knows: floors, bans, and the form of headers.

usage: tidy.py ROOT

Prints one line per violation, `file:line: rule: what is wrong; what to do`, and exits with 1 when there is any. The floors
are those that the CMakeLists.txt of the modules declare (eagre_module(name FLOOR n ...)).
"""

import pathlib
import re
import sys

MAX_HEADER_LINES = 300

# Where the public headers of a module lie, when not in its folder.
PUBLIC_HEADERS = {"eagre": "api"}
# Those of a module that have a folder of their own among them.
PUBLIC_FOLDERS = {"eagre/cep": "cep"}

# The one header that jobs include brings in what lies above its own floor.
UMBRELLA = "include/eagre/eagre.h"

# Nothing includes these; they may include everything.
OUTSIDE = ("bench", "deploy", "examples", "tests")

# What only `base` may call, since the simulator depends on it. (rule, pattern, remedy)
BANS = [
    ("clock", r"\b(?:system_clock|steady_clock|high_resolution_clock)::now\b|\b(?:gettimeofday|clock_gettime)\s*\(|\bstd::time\s*\(",
     "take the time from a Clock (base/clock.h)"),
    ("sleep", r"\bsleep_(?:for|until)\b|(?<![\w.>])(?:usleep|nanosleep|sleep)\s*\(",
     "wait for an event, or use Executor::PostAfter (base/executor.h)"),
    ("thread", r"\bstd::(?:jthread|thread)\b(?!::)|\bstd::async\b|\bpthread_create\b|#include <thread>",
     "run on an Executor (base/executor.h)"),
    ("random", r"\b(?:s?rand|random)\s*\(\s*\)|\bsrand\s*\(|\bstd::(?:random_device|mt19937(?:_64)?|default_random_engine)\b",
     "take a Random (base/random.h)"),
    ("file", r"\b(?:std::)?fopen\s*\(|\bstd::(?:ifstream|ofstream|fstream|filesystem)\b|#include <(?:fstream|filesystem)>",
     "use a FileSystem (base/file_system.h)"),
    ("string_view", r"\babsl::string_view\b",
     "Debian's is not std::string_view: use std::string_view, and StatusMessage() for messages"),
    ("exception", r"\bthrow\b(?!\s*\(\s*\))", "return a Status (base/status.h)"),
]

# Adapters: the files that meet the operating system or a library so that nothing else has to. (path pattern, rules, reason)
ALLOWED = [
    (r"base/.*", {"clock", "sleep", "thread", "random", "file"}, "base holds the real versions of the interfaces"),
    (r"base/status\.(h|cc)", {"string_view"}, "converts to Abseil's type"),
    (r".*(grpc|rpc_client|rpc_server|client/job_client).*", {"thread", "clock", "string_view"}, "gRPC needs threads and deadlines of its own"),
    (r".*tcp.*", {"thread", "clock"}, "sockets are driven by a thread of their own"),
    (r"runtime/thread_slot_runner\.(h|cc)", {"thread", "clock"}, "the real slots: a slot is a thread"),
    (r"(runtime|state|api|cep)/.*\.cc|include/eagre/.*", {"exception"},
     "stops the user code that called; caught at the operator boundary"),
    (r"(taskmanager|cli)/.*(process|worker_main|orphan_watch).*", {"thread", "clock", "sleep"}, "starts, is or reaps a process"),
    (r"cli/prometheus_endpoint\.cc", {"thread"}, "serves Prometheus"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
MODULE = re.compile(r"eagre_module\(\s*(\w+)\s[^)]*?\bFLOOR\s+(\d+)", re.S)


def read_floors(root):
    floors = {}
    for listfile in sorted(root.glob("*/CMakeLists.txt")):
        for name, floor in MODULE.findall(listfile.read_text()):
            floors[name] = int(floor)
    return floors


def module_of(path, floors):
    """The module that a path relative to the root (or an include path) belongs to, or None."""
    parts = path.split("/")
    if parts[0] == "include" and len(parts) > 2:
        parts = parts[1:]
    name = PUBLIC_FOLDERS.get("/".join(parts[:2]), PUBLIC_HEADERS.get(parts[0], parts[0]))
    return name if len(parts) > 1 and name in floors else None


def without_comments_and_strings(text):
    """The same lines with comments and the content of literals blanked, so that bans see code alone."""
    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1]
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def check_include(path, line, included, floors):
    top = included.split("/")[0]
    if "/" in included and top in OUTSIDE:
        return f"{path}:{line}: floor: nothing includes from {top}/; move what is needed into a module"
    target = module_of(included, floors)
    own = module_of(path, floors)
    if target is None or target == own or path == UMBRELLA:
        return None
    if floors[target] < floors[own] or floors[target] == floors[own] == 0:
        return None
    return (f"{path}:{line}: floor: {own} (floor {floors[own]}) must not include {included} of {target} "
            f"(floor {floors[target]}); a module includes only from lower floors")


def check_bans(path, code):
    allowed = set()
    for pattern, rules, _ in ALLOWED:
        if re.fullmatch(pattern, path):
            allowed |= rules
    for number, line in enumerate(code.splitlines(), 1):
        for rule, pattern, remedy in BANS:
            if rule not in allowed and re.search(pattern, line):
                yield f"{path}:{number}: {rule}: not outside base and the adapters listed in tests/tidy/tidy.py; {remedy}"


def check_header(path, text):
    lines = text.splitlines()
    if len(lines) > MAX_HEADER_LINES:
        yield f"{path}:{len(lines)}: header: {len(lines)} lines, at most {MAX_HEADER_LINES}; a header is a contract: split it"
    if not text.startswith("//"):
        yield f"{path}:1: header: starts without a comment; say first what the header is for"
    if not re.search(r"^#pragma once$", text, re.M):
        yield f"{path}:1: header: has no #pragma once; add it after the opening comment"


def check_file(path, text, floors):
    code = without_comments_and_strings(text)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        violation = match and check_include(path, number, match.group(1), floors)
        if violation:
            yield violation
    yield from check_bans(path, code)
    if path.endswith(".h"):
        yield from check_header(path, text)


def check_config_keys(sources):
    """A key that nothing reads is a promise that nothing keeps."""
    table = sources.get("base/config_options.cc", "")
    everything_else = "\n".join(text for path, text in sources.items() if path != "base/config_options.cc")

    def is_read(key):
        if f'"{key}"' in everything_else:
            return True
        dots = [at for at, c in enumerate(key) if c == "."]  # or put together from a prefix and the rest
        return any(f'"{key[:at + 1]}"' in everything_else and f'"{key[at + 1:]}"' in everything_else for at in dots)

    for number, line in enumerate(table.splitlines(), 1):
        match = re.match(r'\s*\{"([\w.-]+)", OptionType::', line)
        if match and not is_read(match.group(1)):
            yield f"base/config_options.cc:{number}: config: nothing reads '{match.group(1)}'; use the key or remove it"


def check_forwarding(sources):
    """PiecewiseOperator stands for another operator, so it passes on every call that an operator can get."""
    operators = sources.get("runtime/operator.h", "")
    begin = operators.find("class Operator {")
    body = operators[begin:operators.find("\n};", begin)] if begin >= 0 else ""
    forwarded = without_comments_and_strings(sources.get("runtime/piecewise_operator.h", ""))
    for name in re.findall(r"virtual [\w:<>&* ]+?(\w+)\(", without_comments_and_strings(body)):
        if not re.search(rf"\b{name}\([^;{{]*\)(?: const)? override", forwarded):
            yield f"runtime/piecewise_operator.h:1: forwarding: Operator::{name} is not passed on; override it"


def module_sources(root, floors):
    for module in sorted(floors):
        for folder in [root / module] + [root / "include" / name for name, owner in PUBLIC_HEADERS.items() if owner == module]:
            for file in sorted(folder.rglob("*")):
                if file.suffix in (".h", ".cc"):
                    yield file.relative_to(root).as_posix(), file.read_text()


def check_tree(root):
    floors = read_floors(root)
    if not floors:
        return [f"{root}: floor: no eagre_module(... FLOOR n ...) found; is this the root of the repository?"]
    sources = dict(module_sources(root, floors))
    violations = []
    for path, text in sources.items():
        violations += check_file(path, text, floors)
    return violations + list(check_config_keys(sources)) + list(check_forwarding(sources))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    violations = check_tree(pathlib.Path(sys.argv[1]).resolve())
    for violation in violations:
        print(violation)
    print(f"{len(violations)} violations of the house's rules.")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
