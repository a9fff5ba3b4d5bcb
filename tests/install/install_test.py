#!/usr/bin/env python3
"""Installs a build into a folder, moves it, and uses it as somebody does who has nothing else of Eagre.

usage: install_test.py BUILD_DIRECTORY PROJECT_DIRECTORY SCRATCH_DIRECTORY
"""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import threading


def run(command, **options):
    """Runs a command that must succeed; its standard output."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"{command} failed with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


# A state that no checkpoint would have.
MISPLACED_STATE = """#include <eagre/eagre.h>
using namespace eagre;
struct Word {
  std::string text;
};
EAGRE_RECORD(Word, text);
class Last : public ReduceFunction<Word>, public CheckpointedFunction {
  Word Reduce(const Word&, const Word& last) override { return last; }
  OperatorListState<Word> seen_{this, "seen"};
};
EAGRE_JOB(job, args) {
  job.Read(CsvFiles<Word>(args.Get("input"))).KeyBy(&Word::text).Reduce(Last()).WriteTo(Print());
}
"""


# A job without end; what stands for AT_EACH is done for each record.
ENDLESS_JOB = """#include <cstdio>
#include <eagre/eagre.h>
using namespace eagre;
EAGRE_JOB(job, args) {
  job.Read(Generate<int64_t>([](const Due& due) { return due.index; }).RatePerSecond(1000))
      .Map([](int64_t n) {
        AT_EACH
        return n;
      })
      .WriteTo(Blackhole());
}
"""
SAYS_FLOWING = 'if (n == 0) std::fputs("it flows\\n", stdout), std::fflush(stdout);'
NEVER_RETURNS = 'std::fputs("it is stuck\\n", stdout), std::fflush(stdout); for (volatile bool on = true; on;) {}'
PATIENCE_S = 120


def source_of(header):
    """The file, relative to the root, that an installed header comes from."""
    if header.parts[0] == "eagre":
        return pathlib.Path("include") / header
    return header.with_name(header.name.replace(".pb.h", ".proto"))


def check_digest(prefix, sources, scratch):
    """A change of any installed header changes the digest by which libraries and compiled jobs are told apart."""
    installed = prefix / "include" / "eagre"
    headers = sorted(header.relative_to(installed) for header in installed.rglob("*.h"))
    headers.remove(pathlib.Path("eagre/headers_digest.h"))
    folders = {header.parts[0] for header in headers}
    for folder in ("api", "base", "cep", "connectors", "eagre", "proto", "record", "runtime", "state"):
        assert folder in folders, f"no header of {folder} is installed"
    copy, output = scratch / "headers", scratch / "digest.h"
    for header in map(source_of, headers):
        (copy / header).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sources / header, copy / header)

    def digest():
        run(["cmake", "-D", f"ROOT={copy}", "-D", f"OUTPUT={output}", "-P", sources / "cmake" / "HeaderDigest.cmake"])
        return output.read_text()

    original = digest()
    assert original == (installed / "eagre" / "headers_digest.h").read_text(), "the digest is of other files than are installed"
    for header in map(source_of, headers):
        text = (copy / header).read_text()
        (copy / header).write_text(text + "// changed\n")
        assert digest() != original, f"the digest says nothing of {header}"
        (copy / header).write_text(text)


def check_edited_header(eagre, prefix, source, environment):
    """Headers that are not those of the binary are refused: what is compiled against them would not fit it."""
    header = prefix / "include" / "eagre" / "eagre" / "window.h"
    text = header.read_text()
    header.write_text(text + "// edited\n")
    refused = subprocess.run([eagre, "run", source, "--", "--help"], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and f"{header} has changed since this Eagre was built" in refused.stderr, refused
    header.write_text(text)
    run([eagre, "run", source, "--", "--help"], env=environment)


def rows_of(folder):
    rows = []
    for path in sorted(pathlib.Path(folder).glob("part-*.csv")):
        lines = path.read_text().splitlines()
        assert lines[0] == "text,count", lines
        rows += lines[1:]
    return sorted(rows)


def await_line(process, wanted):
    for line in process.stdout:
        if wanted in line:
            return
    sys.exit(f"the process ended before it said '{wanted}'")


def check_versions(prefix, project, version, scratch):
    """find_package takes the version that is there, and says which it is to who wants another."""
    wanted = ["cmake", "-G", "Ninja", "-S", project, f"-DCMAKE_PREFIX_PATH={prefix}"]
    run(wanted + ["-B", scratch / "this_version", f"-DEAGRE_WANTED={version}"])
    refused = subprocess.run([str(word) for word in wanted + ["-B", scratch / "other_version", "-DEAGRE_WANTED=99.1"]],
                             capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and f"version: {version}" in refused.stderr, refused


def check_watch(eagre, source, words, scratch, environment):
    """A source that is saved is compiled and run again."""
    watched = scratch / "watched.cc"
    shutil.copy(source, watched)
    output = scratch / "from_watch"
    command = [eagre, "run", "--watch", watched, "--", "--input", words, "--output", output]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        patience = threading.Timer(PATIENCE_S, process.kill)
        patience.start()
        await_line(process, "Program execution finished")
        shutil.rmtree(output)
        watched.write_text(watched.read_text().replace("{word.text, 1}", "{word.text, 10}"))
        await_line(process, "Program execution finished")
        patience.cancel()
        process.terminate()
    assert rows_of(output) == ["river,10", "sea,10", "sea,20"], rows_of(output)


class Child:
    """The one process below another, to be waited for until it is gone."""

    def __init__(self, parent):
        self.pid = int(run(["pgrep", "-P", parent.pid]))
        self.descriptor = os.pidfd_open(self.pid)

    def is_gone(self):
        waiter = select.poll()
        waiter.register(self.descriptor, select.POLLIN)
        return bool(waiter.poll(PATIENCE_S * 1000))


def check_watch_of_an_endless_job(eagre, scratch, environment):
    """A running job makes way for what was saved, be it stuck, and goes with the process that watches."""
    watched = scratch / "endless.cc"
    watched.write_text(ENDLESS_JOB.replace("AT_EACH", SAYS_FLOWING))
    savepoints = scratch / "savepoints"
    command = [eagre, "run", "--watch", "-D", f"execution.checkpointing.dir={scratch / 'checkpoints'}",
               "-D", f"execution.checkpointing.savepoint-dir={savepoints}", watched]
    options = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    messages = scratch / "endless.err"
    with open(messages, "w", encoding="utf-8") as errors, subprocess.Popen(command, stderr=errors, **options) as process:
        patience = threading.Timer(3 * PATIENCE_S, process.kill)
        patience.start()
        await_line(process, "it flows")
        first = Child(process)
        watched.write_text(ENDLESS_JOB.replace("AT_EACH", NEVER_RETURNS))
        await_line(process, "it is stuck")
        assert first.is_gone()
        stuck = Child(process)
        watched.write_text(ENDLESS_JOB.replace("AT_EACH", SAYS_FLOWING))
        await_line(process, "it flows")
        assert stuck.is_gone()
        last = Child(process)
        process.terminate()
        process.communicate()
        patience.cancel()
    said = messages.read_text()
    assert process.returncode == -signal.SIGTERM, f"{process.returncode}: {said}"
    assert last.is_gone()
    # It was asked to end, and the watcher has waited for it.
    assert said.count("was cancelled.") >= 2 and "Taking a final checkpoint" not in said, said
    assert not savepoints.exists(), "a run of --watch takes no savepoint: the next begins anew"

    for ending in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(command, **options) as process:
            patience = threading.Timer(PATIENCE_S, process.kill)
            patience.start()
            await_line(process, "it flows")
            child = Child(process)
            process.send_signal(ending)
            process.communicate()
            patience.cancel()
        assert process.returncode == -ending, process.returncode
        assert child.is_gone(), f"the job outlives its watcher, which was ended by {ending}"


def main():
    build, project, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    run(["cmake", "--install", build, "--prefix", scratch / "first"])
    # Nothing in an installed tree knows where it lies.
    prefix = scratch / "opt" / "eagre"
    prefix.parent.mkdir()
    (scratch / "first").rename(prefix)
    check_digest(prefix, project.parents[2], scratch)
    eagre = prefix / "bin" / "eagre"
    version = re.match(r"Version: (\d+\.\d+\.\d+)\n", run([eagre, "version"]))[1]
    check_versions(prefix, project, version, scratch)

    words = scratch / "words.csv"
    words.write_text("text\nsea\nriver\nsea\n")
    expected = ["river,1", "sea,1", "sea,2"]

    outside = scratch / "outside"
    run(["cmake", "-G", "Ninja", "-S", project, "-B", outside, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release"])
    run(["cmake", "--build", outside])
    run([outside / "words_test"])
    run([eagre, "run", outside / "words.so", "--", "--input", words, "--output", scratch / "from_library"])
    assert rows_of(scratch / "from_library") == expected
    pairs = run([eagre, "run", outside / "word_pairs.so", "-p", "1", "--", "--input", words])
    assert '{"text":"sea and river"}' in pairs, pairs
    plan = run([eagre, "plan", outside / "word_pairs.so", "--", "--input", "words", "--brokers", "localhost:9092"])
    assert "Kafka sink" in plan, plan

    environment = dict(os.environ, XDG_CACHE_HOME=str(scratch / "cache"))
    source = [eagre, "run", project / "words.cc", "--"]
    # The compiler tells what it includes; "! " stands before what it takes precompiled.
    with open(prefix / "share" / "eagre" / "job.flags", "a", encoding="utf-8") as flags:
        flags.write("-Winvalid-pch\n-Werror=invalid-pch\n-H\n")
    compiled = subprocess.run(source + ["--input", words, "--output", scratch / "from_source"], env=environment,
                              capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled
    assert rows_of(scratch / "from_source") == expected
    precompiled = list((scratch / "cache" / "eagre" / "headers").glob("*/eagre_job.h.gch"))
    assert len(precompiled) == 1, precompiled
    assert f"\n! {precompiled[0]}\n" in compiled.stderr, compiled.stderr
    assert "--input  a file of words" in run(source + ["--help"], env=environment)
    check_edited_header(eagre, prefix, project / "words.cc", environment)
    check_watch(eagre, project / "words.cc", words, scratch, environment)
    check_watch_of_an_endless_job(eagre, scratch, environment)

    misplaced = scratch / "misplaced.cc"
    misplaced.write_text(MISPLACED_STATE)
    refused = subprocess.run([eagre, "run", misplaced, "--", "--input", words], env=environment, capture_output=True, text=True,
                             check=False)
    assert refused.returncode != 0 and "cannot be a CheckpointedFunction" in refused.stderr, refused
    print("The installed tree works.")


if __name__ == "__main__":
    main()
