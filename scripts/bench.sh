#!/usr/bin/env bash
# Runs the whole-job benchmarks and prints one JSON line each.
#   scripts/bench.sh [--peers] [name...]   default: all of json_window binary_window chain shuffle latency startup
#   cep latency_checkpointed checkpoint_pause checkpoint_cost memory_rocksdb recovery window_checkpointed kafka_window
#   kafka_exactly_once rocksdb_zipf rocksdb_uniform rocksdb_cached
# --peers also runs Apache Flink on the same bytes, for those of the names that it has (json_window, binary_window, chain,
# latency, startup, cep, kafka_window; these only when no name is given): lines with "ratio_to":"flink". It is built
# first, by Maven, which fetches it once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
all=(json_window binary_window chain shuffle latency startup cep latency_checkpointed checkpoint_pause checkpoint_cost
  memory_rocksdb recovery window_checkpointed kafka_window kafka_exactly_once rocksdb_zipf rocksdb_uniform rocksdb_cached)
with_flink=(json_window binary_window chain latency startup cep kafka_window)
peers=false names=()
for argument in "$@"; do
  case $argument in
    --peers) peers=true ;;
    *) names+=("$argument") ;;
  esac
done
if ((${#names[@]} == 0)); then
  if $peers; then names=("${with_flink[@]}"); else names=("${all[@]}"); fi
fi
for name in "${names[@]}"; do
  if [[ ! " ${all[*]} " == *" $name "* ]]; then
    echo "bench.sh: '$name' is no benchmark; expected some of: ${all[*]}" >&2
    exit 2
  fi
done

if $peers; then "$root/bench/peers/flink/build.sh"; fi
"$root/scripts/build.sh" release >&2
cd "$root"
export EAGRE_BENCH_DATA=$root/build/bench-data EAGRE_FLINK_PEER=$root/bench/peers/flink/run.sh
for name in "${names[@]}"; do
  "build/release/bench/bench_$name"
  if $peers && [[ " ${with_flink[*]} " == *" $name "* ]]; then build/release/bench/bench_flink "$name"; fi
done
