#!/usr/bin/env bash
# Shows Eagre at work: builds it, starts a cluster of a JobManager and two TaskManagers, runs the financial monitoring job
# over a million generated transactions, and holds its alerts against the frauds that were mixed in.
#   scripts/demo.sh [--kafka] [--count N] [--seed S]
# With --kafka the transactions come from a topic of an Apache Kafka that is started here, and the alerts are shown as they
# are read back from another.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
count=1000000
seed=7
kafka=false
while (($# > 0)); do
  case $1 in
    --count) count=$2 && shift 2 ;;
    --seed) seed=$2 && shift 2 ;;
    --kafka) kafka=true && shift ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
done

"$root/scripts/build.sh" release
cd "$root"
bin=$root/build/release/bin
jobs=$root/build/release/jobs
work=$root/build/demo
mkdir -p "$work"
rm -rf "$work/output" "$work/logs" "$work/tmp"
mkdir -p "$work/logs" "$work/tmp"

daemons=()
export EAGRE_DEMO=$$  # by which the processes of this run are known
in_kafka() {
  local verb=$1
  shift
  "$root/scripts/kafka.sh" "$verb" --dir "$work/kafka" "$@"
}
stop_cluster() {
  local pid
  for pid in "${daemons[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  if $kafka; then in_kafka stop > /dev/null || true; fi
  wait
  daemons=()
}
trap stop_cluster EXIT

# Starts a daemon in the background and reads what it says until the line that tells it is ready, which is left in $ready.
# The end of its output is the end of the daemon.
start_daemon() {
  local name=$1 pattern=$2 output
  shift 2
  mkfifo "$work/tmp/$name.fifo"
  "$bin/eagre" "$@" > "$work/tmp/$name.fifo" 2> "$work/logs/$name.err" &
  daemons+=("$!")
  exec {output}< "$work/tmp/$name.fifo"
  while IFS= read -r ready <&"$output"; do
    echo "$ready" >> "$work/logs/$name.out"
    if [[ $ready =~ $pattern ]]; then
      cat <&"$output" >> "$work/logs/$name.out" &
      exec {output}<&-
      return
    fi
  done
  echo "demo.sh: $name did not start:" >&2
  cat "$work/logs/$name.err" >&2
  exit 1
}

transactions=$work/transactions-$count-$seed.ndjson
if [[ ! -s $transactions ]]; then
  echo "Generating $count transactions with labelled frauds (seed $seed) ..."
  "$bin/generate_transactions" --count "$count" --seed "$seed" --output "$transactions.part"
  mv "$transactions.part" "$transactions"
fi

echo "Starting one JobManager and two TaskManagers ..."
settings=(-D "eagre.work.dir=$work/tmp" -D metrics.reporter.prom.port=0)
start_daemon jobmanager 'is listening on' jobmanager "${settings[@]}" -D jobmanager.rpc.port=0
address=$(sed -E 's/.* is listening on ([^ ]+:[0-9]+).*/\1/' <<< "$ready")
for i in 1 2; do
  start_daemon "taskmanager-$i" 'joins the JobManager' taskmanager "${settings[@]}" \
    -D "jobmanager.rpc.address=${address%:*}" -D "jobmanager.rpc.port=${address##*:}" -D taskmanager.numberOfTaskSlots=2
done

# The job runs until everything is read, is then stopped, and the alerts are kept as the other way keeps them.
run_over_kafka() {
  local servers job topic reader total
  echo "Starting Apache Kafka ..."
  rm -rf "$work/kafka" "$work/checkpoints"
  in_kafka start
  servers=$(in_kafka status | sed -E 's/.*running at ([^ ]+) .*/\1/')
  for topic in transactions assessments alerts metrics; do in_kafka topic create "$topic" --partitions 4 > /dev/null; done

  echo "Running the financial monitoring job from Kafka to Kafka at parallelism 4 ..."
  job=$("$bin/eagre" run -m "$address" -d -p 4 -D execution.checkpointing.interval=2s \
    -D "execution.checkpointing.dir=$work/checkpoints" "$jobs/fraud_detection.so" -- --kafka "$servers" |
    sed -nE 's/.*JobID ([0-9a-f]{32}).*/\1/p')

  echo "Writing $count transactions to the topic 'transactions'; the first alerts, as they come back:"
  mkdir -p "$work/output/alerts"
  in_kafka consume alerts --max 5 2> /dev/null &
  reader=$!
  in_kafka produce transactions < "$transactions" > /dev/null
  wait "$reader"

  # Behind a drain everything that was read is assessed and committed; so first everything must be read.
  total=0
  while ((${total:-0} < count)); do
    total=$("$bin/eagre" info -m "$address" "$job" | sed -n 's/^Records in: //p' | tr -d ,)
    sleep 0.2
  done
  "$bin/eagre" stop -m "$address" --drain -p "$work/checkpoints" "$job" > /dev/null
  in_kafka consume alerts --to-end > "$work/output/alerts/alerts.ndjson"
  echo "$(wc -l < "$work/output/alerts/alerts.ndjson") alerts are in the topic 'alerts'."
}

if $kafka; then
  run_over_kafka
else
  echo "Running the financial monitoring job at parallelism 4 ..."
  "$bin/eagre" run -m "$address" -p 4 "$jobs/fraud_detection.so" -- --input "$transactions" --output "$work/output"
  echo
  echo "Some of the alerts:"
  cat "$work"/output/alerts/*.ndjson | sed -n 1,5p
fi
echo
echo "Against the labels:"
"$bin/score_alerts" --transactions "$transactions" --alerts "$work/output/alerts"
echo
echo "Results are in $work/output; the daemons' logs are in $work/logs."
stop_cluster
trap - EXIT
mapfile -t left < <(env -u EAGRE_DEMO grep -lsxz "EAGRE_DEMO=$$" /proc/[0-9]*/environ)
if ((${#left[@]} > 0)); then
  echo "demo.sh: a process was left behind:" >&2
  for environment in "${left[@]}"; do tr '\0' ' ' < "${environment%environ}cmdline" >&2 && echo >&2; done
  exit 1
fi
echo "The cluster has shut down and left no process behind."
