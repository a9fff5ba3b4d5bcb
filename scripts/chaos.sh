#!/usr/bin/env bash
# Kills what can be killed of a cluster while a job runs that verifies itself, and compares what it committed with a run
# without faults. Ends with "K kills, L lost, D duplicated", and status 0 when nothing was.
#   scripts/chaos.sh state [--seconds N] [--seed S] [--backend hashmap|rocksdb] [--unaligned] [-D key=value]... [--keep]
# --keep leaves all files of the run behind; so does a run that found something.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ${1:-} != state ]]; then
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi
shift
"$root/scripts/build.sh" release chaos_state >&2
exec "$root/build/release/tests/chaos_state" "$@"
