#!/usr/bin/env bash
# Runs Flink with the window benchmarks' job (WindowPeer.java): run.sh json|binary FILE PARALLELISM LATENESS_MS
# or run.sh kafka SERVERS PARALLELISM LATENESS_MS.
# It must be built: scripts/bench.sh --peers does. EAGRE_FLINK_HEAP sets the heap (default 6g).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${EAGRE_FLINK_BUILD:-$here/../../../build/flink}
opens=()
for package in java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util \
  java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks; do
  opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
heap=${EAGRE_FLINK_HEAP:-6g}
exec java "${opens[@]}" --add-exports=java.base/sun.net.util=ALL-UNNAMED -XX:+UseG1GC "-Xms$heap" "-Xmx$heap" \
  -XX:MaxDirectMemorySize=4g -cp "$build/classes:$(cat "$build/classpath")" eagre.peer.WindowPeer "$@"
