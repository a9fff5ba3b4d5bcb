"""Holds what eagre-vectors says of malformed vectors against malformed/expected.txt.

  malformed_test.py PROGRAM FOLDER
"""
import difflib
import pathlib
import subprocess
import sys

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
run = subprocess.run([program, "cep", str(folder)], capture_output=True, text=True)
expected = (folder / "expected.txt").read_text().splitlines()
difference = list(difflib.unified_diff(expected, run.stdout.splitlines(), "expected", "printed", lineterm=""))
print("\n".join(difference))
print(run.stderr)
if difference or run.stderr or run.returncode != 1:
    sys.exit(f"exit code {run.returncode}, expected 1 and the lines above without difference")
