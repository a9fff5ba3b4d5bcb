#!/usr/bin/env bash
# Runs a job that verifies itself on simulated clusters, one per seed, whose machines, network and disk do what the seed
# says: kills, crashes that lose unsynced bytes, partitions, broken connections. Ends with
# "N seeds, F faults, V violations", and status 0 when there was none. A seed does the same every time.
#   scripts/simulate.sh --seeds A..B [--mode MODE] [--processes N] [--trace] [--log LEVEL] [--break WHAT]
# MODE: how checkpoints are taken: aligned, unaligned, or switching, aligned until that takes too long. --trace: a line per
# seed: its faults, the hash of all that happened, events, virtual milliseconds. --log: what the cluster logs, to standard
# error. WHAT is broken, to see that it is noticed: alignment, completion-before-sync, file-syncs, folder-syncs.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if (($# == 0)); then
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi
"$root/scripts/build.sh" release simulate >&2
exec "$root/build/release/tests/simulate" "$@"
