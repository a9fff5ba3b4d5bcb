#!/usr/bin/env python3
"""Installs a build into a folder, moves it, and uses it as somebody does who has nothing else of Eagre.

usage: install_test.py BUILD_DIRECTORY PROJECT_DIRECTORY SCRATCH_DIRECTORY
"""

import os
import pathlib
import shutil
import subprocess
import sys


def run(command, **options):
    """Runs a command that must succeed; its standard output."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"{command} failed with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def rows_of(folder):
    rows = []
    for path in sorted(pathlib.Path(folder).glob("part-*.csv")):
        lines = path.read_text().splitlines()
        assert lines[0] == "text,count", lines
        rows += lines[1:]
    return sorted(rows)


def main():
    build, project, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    run(["cmake", "--install", build, "--prefix", scratch / "first"])
    # Nothing in an installed tree knows where it lies.
    prefix = scratch / "opt" / "eagre"
    prefix.parent.mkdir()
    (scratch / "first").rename(prefix)
    eagre = prefix / "bin" / "eagre"
    assert "0." in run([eagre, "version"])

    words = scratch / "words.csv"
    words.write_text("text\nsea\nriver\nsea\n")
    expected = ["river,1", "sea,1", "sea,2"]

    outside = scratch / "outside"
    run(["cmake", "-G", "Ninja", "-S", project, "-B", outside, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release"])
    run(["cmake", "--build", outside])
    run([outside / "words_test"])
    run([eagre, "run", outside / "words.so", "--", "--input", words, "--output", scratch / "from_library"])
    assert rows_of(scratch / "from_library") == expected

    environment = dict(os.environ, XDG_CACHE_HOME=str(scratch / "cache"))
    source = [eagre, "run", project / "words.cc", "--"]
    run(source + ["--input", words, "--output", scratch / "from_source"], env=environment)
    assert rows_of(scratch / "from_source") == expected
    assert "--input  a file of words" in run(source + ["--help"], env=environment)
    print("The installed tree works.")


if __name__ == "__main__":
    main()
