#!/usr/bin/env python3
"""Does what README.md and docs/tutorial/*.md say, step by step, and checks that what they show comes out.

usage: tutorial_test.py SOURCE_DIRECTORY BUILD_DIRECTORY SCRATCH_DIRECTORY

A comment before a block of code says what it is:
  <!-- run -->         commands, which must succeed
  <!-- run until -->   commands, repeated until the output that follows comes
  <!-- output -->      lines that must be in the output of the commands before, in this order, each as a part of a line
  <!-- file: NAME -->  a file of the current folder
  <!-- build -->       has been done already
A block without one is an error in a tutorial, and no step in README.md. Each page runs in one shell, whose home folder is the
scratch directory, which stands for /tmp too, and whose network is its own, so that the ports of the page are free.
"""

import ctypes
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

PATIENCE_S = 60
MARK = "--- the step has ended: "
BLOCK = re.compile(r"^(?:<!-- (?P<kind>[^\n]*?) -->\n)?```[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)


def steps_of(page, all_blocks):
    """Pairs of kind and text."""
    for match in BLOCK.finditer(page.read_text()):
        if match["kind"] is None:
            if not all_blocks:
                continue
            sys.exit(f"{page}: a block says neither run, output nor file:\n{match['text']}")
        yield match["kind"], match["text"]


class Shell:
    """A bash that is given one step after the other."""

    def __init__(self, cwd, environment):
        self.process = subprocess.Popen(["bash", "-m"], cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, commands):
        """Exit status and output."""
        # In this shell, so that folders, variables and background jobs stay.
        self.process.stdin.write(f"{commands}\necho \"{MARK}$?\"\n")
        self.process.stdin.flush()
        output = ""
        for line in self.process.stdout:
            if MARK in line:
                before, status = line.split(MARK)
                return int(status), output + before
            output += line
        sys.exit(f"the shell ended in the middle of:\n{commands}\n{output}")

    def close(self):
        self.process.stdin.close()
        for job in self.children():
            os.kill(job, signal.SIGTERM)
        self.process.wait()

    def children(self):
        listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in listing.stdout.split()]


def missing_line(expected, output):
    """The first expected line that does not come, in order; None when all do."""
    lines = iter(output.splitlines())
    for wanted in filter(None, (line.strip() for line in expected.splitlines())):
        if not any(wanted in line for line in lines):
            return wanted
    return None


def check(shell, commands, until, expected):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status, output = shell.run(commands)
        missing = missing_line(expected, output)
        if (status == 0 or until) and missing is None:
            return
        if not until or time.monotonic() > deadline:
            why = f"the line '{missing}' did not come" if missing else f"exit status {status}"
            sys.exit(f"{why}:\n{commands}\nThe output was:\n{output}")
        time.sleep(0.1)


def do_page(page, start, all_blocks, build, home, environment):
    shell = Shell(start, environment)
    steps = list(steps_of(page, all_blocks))
    assert steps, f"{page}: there is no step"
    for number, (kind, text) in enumerate(steps):
        if kind.startswith("file: "):
            status, cwd = shell.run("pwd")
            # Below what the shell says about its terminal, when this is its first step.
            (pathlib.Path(cwd.splitlines()[-1]) / kind.removeprefix("file: ")).write_text(text)
        elif kind in ("run", "run until"):
            follows = steps[number + 1] if number + 1 < len(steps) else ("", "")
            # At once: each path may hold what the other stands for.
            paths = {"build/release": str(build), "/tmp/": f"{home}/"}
            commands = re.sub("build/release|/tmp/", lambda found: paths[found[0]], text.rstrip())
            if kind == "run":  # a command that fails ends the shell
                commands = f"set -e\n{commands}\nset +e"
            check(shell, commands, kind == "run until", follows[1] if follows[0] == "output" else "")
        elif kind not in ("output", "build"):
            sys.exit(f"{page}: a block of the unknown kind '{kind}'")
    shell.close()


def enter_own_network():
    """Loopback of its own, in a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_user, new_net = 0x10000000, 0x40000000
    user, group = os.getuid(), os.getgid()
    if libc.unshare(new_net | (0 if user == 0 else new_user)) != 0:
        sys.exit(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    if user != 0:
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    set_flags, up_and_running = 0x8914, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, set_flags, struct.pack("16sH14s", b"lo", up_and_running, b""))


def main():
    source, build, home = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    enter_own_network()
    readme = source / "README.md"
    for page in [readme] + sorted((source / "docs" / "tutorial").glob("*.md")):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        environment = dict(os.environ, HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"))
        # A tutorial begins in the clone; the README's files would stay there.
        start, all_blocks = (home, False) if page == readme else (source, True)
        do_page(page, start, all_blocks, build, home, environment)
        print(f"{page.relative_to(source)}: every step works.")


if __name__ == "__main__":
    main()
