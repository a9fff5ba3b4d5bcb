#!/usr/bin/env bash
# Kills what can be killed of a cluster while a job runs. Ends with "K kills, L lost, D duplicated", and status 0 when
# nothing was.
#   scripts/chaos.sh state [--seconds N] [--seed S] [--backend hashmap|rocksdb] [--unaligned] [-D key=value]... [--keep]
# A job that verifies itself; what it committed is compared with a run without faults. --keep leaves all files of the run
# behind; so does a run that found something.
#   scripts/chaos.sh kafka [--seconds N] [--seed S]
# A job from Kafka to Kafka, exactly once, and the broker is killed too; a consumer of its own looks for each of the numbered
# records. In a run of 200 seconds or more the broker is away once for more than a minute.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
usage() {
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
}

chaos_of_state() {
  "$root/scripts/build.sh" release chaos_state >&2
  exec "$root/build/release/tests/chaos_state" "$@"
}

chaos_of_kafka() {
  local seconds=60 seed=1 log passed=true verdict
  while (($# > 0)); do
    [[ ${2:-} =~ ^[0-9]+$ ]] || usage
    case $1 in
      --seconds) seconds=$2 ;;
      --seed) seed=$2 ;;
      *) usage ;;
    esac
    shift 2
  done
  "$root/scripts/build.sh" release kafka_test >&2
  log=$(mktemp)
  EAGRE_CHAOS_SECONDS=$seconds EAGRE_CHAOS_SEED=$seed "$root/build/release/tests/kafka_test" \
    --gtest_filter='KafkaChaosTest.*' 2>&1 | tee "$log" >&2 || passed=false
  verdict=$(grep -E '^[0-9]+ kills, [0-9]+ lost, [0-9]+ duplicated$' "$log") || verdict="the run came to no end"
  rm -f "$log"
  echo "$verdict"
  $passed
}

verb=${1:-}
shift || true
case $verb in
  state) chaos_of_state "$@" ;;
  kafka) chaos_of_kafka "$@" ;;
  *) usage ;;
esac
