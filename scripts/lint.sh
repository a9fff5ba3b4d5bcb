#!/usr/bin/env bash
# Checks formatting (clang-format) and runs the short list of clang-tidy checks over all sources of the modules.
#   scripts/lint.sh [--fix] [--format-only] [--limit SECONDS] [preset]
# --fix formats in place. clang-tidy needs a configured build/<preset> (default release) and skips files that passed before
# and have not changed since; with --limit it starts no new file after so many seconds, and those that it has not reached are
# in build/lint/not-checked.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fix=false format_only=false limit=0 preset=release
while [[ $# -gt 0 ]]; do
  case $1 in
    --fix) fix=true ;;
    --format-only) format_only=true ;;
    --limit) limit=$2 && shift ;;
    -*) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 2 ;;
    *) preset=$1 ;;
  esac
  shift
done
cd "$root"
passed=build/lint
rm -f "$passed/not-checked"

mapfile -t sources < <(git ls-files '*.h' '*.cc')
if $fix; then
  clang-format -i "${sources[@]}"
elif ! printf '%s\0' "${sources[@]}" | xargs -0 -n 16 -P "$(nproc)" clang-format --dry-run -Werror; then
  echo "lint.sh: the files named above are not formatted; run scripts/lint.sh --fix --format-only" >&2
  exit 1
fi
echo "Formatting: ${#sources[@]} files checked."
if $format_only; then exit 0; fi

database=build/$preset/compile_commands.json
if [[ ! -f $database ]]; then
  echo "lint.sh: clang-tidy needs $database; run scripts/build.sh $preset first" >&2
  exit 1
fi

# A file passes again only when it, every header and the list of checks are what they were.
mkdir -p "$passed"
# clang reads no precompiled headers of g++.
sed -E 's#-Winvalid-pch -include [^ ]*/cmake_pch\.hxx ##' "$database" > "$passed/compile_commands.json"
export passed preset
export deadline=$((limit > 0 ? $(date +%s) + limit : 0))
surroundings=$(git ls-files -z '*.h' '*.proto' .clang-tidy | xargs -0 cat | sha256sum | cut -c1-16)
export surroundings

check_one() {
  local file=$1 stamp
  stamp=$passed/$(echo "$surroundings $file $(sha256sum < "$file")" | sha256sum | cut -c1-32)
  if [[ -f $stamp ]]; then return 0; fi
  if ((deadline > 0 && $(date +%s) > deadline)); then
    echo "$file" >> "$passed/not-checked"
    return 0
  fi
  if clang-tidy -p "$passed" --extra-arg=-Wno-unknown-warning-option --quiet --warnings-as-errors='*' "$file" > "$stamp.log" 2>&1; then
    rm -f "$stamp.log"
    touch "$stamp"
    return 0
  fi
  grep -vE '^[0-9]+ warnings? (generated|treated as errors)|^Suppressed |^Use -header-filter' "$stamp.log" || true
  rm -f "$stamp.log"
  return 1
}
export -f check_one

# Only files that the build compiles: the database tells their flags.
mapfile -t compiled < <(python3 -c '
import json, os, sys
root = os.getcwd() + "/"
files = {entry["file"] for entry in json.load(open(sys.argv[1]))}
modules = ("base", "record", "state", "runtime", "api", "cep", "connectors", "jobmanager", "taskmanager", "client", "cli")
for file in sorted(f[len(root):] for f in files if f.startswith(root)):
    if file.split("/")[0] in modules: print(file)
' "$database")
status=0
printf '%s\0' "${compiled[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'check_one "$1"' check_one || status=1
if [[ -f $passed/not-checked ]]; then
  echo "clang-tidy: $(wc -l < "$passed/not-checked") of ${#compiled[@]} files not reached within $limit s."
else
  echo "clang-tidy: ${#compiled[@]} files checked."
fi
exit $status
