#!/usr/bin/env bash
# Installs what is missing and builds into build/<preset>.
#   scripts/build.sh [preset] [target...]     presets: release (default), dev, asan, tsan
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=${1:-release}
shift || true
case $preset in
  release | dev | asan | tsan) ;;
  -h | --help)
    sed -n '2,3s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  *)
    echo "build.sh: '$preset' is no preset; expected release, dev, asan or tsan" >&2
    exit 2
    ;;
esac

"$root/scripts/install.sh"
cd "$root"

# A compilation with Protobuf or gRPC headers takes up to 1.5 GB: fewer jobs than processors where memory is short.
jobs=$(nproc)
memory_gb=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
if ((memory_gb * 2 / 3 < jobs)); then jobs=$((memory_gb * 2 / 3 > 0 ? memory_gb * 2 / 3 : 1)); fi

started=$SECONDS
mkdir -p build
if ! cmake --preset "$preset" > "build/configure-$preset.log" 2>&1; then
  tail -n 40 "build/configure-$preset.log" >&2
  echo "build.sh: the build cannot be configured; the lines above say why" >&2
  exit 1
fi
ninja -C "build/$preset" -j "$jobs" "$@"
echo "Built build/$preset in $((SECONDS - started)) s."
