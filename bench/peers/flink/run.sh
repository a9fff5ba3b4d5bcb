#!/usr/bin/env bash
# Runs Flink beside a benchmark: its arguments are those of Main.java, whose orders come on standard input.
# It must be built: scripts/bench.sh --peers does. EAGRE_FLINK_HEAP sets the heap (default 6g).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${EAGRE_FLINK_BUILD:-$here/../../../build/flink}
options=(--add-exports=java.base/sun.net.util=ALL-UNNAMED)
for package in java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util \
  java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks; do
  options+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
name=$1 parallelism=$2
shift 2
if [[ $name == startup ]]; then
  set -- "$build/hello.jar"  # Flink is in processes of its own
else
  heap=${EAGRE_FLINK_HEAP:-6g}
  options+=(-XX:+UseG1GC "-Xms$heap" "-Xmx$heap" -XX:MaxDirectMemorySize=4g)
fi
exec java "${options[@]}" -cp "$build/classes:$(cat "$build/classpath")" eagre.peer.Main "$name" "$parallelism" "$@"
