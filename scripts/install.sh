#!/usr/bin/env bash
# Installs what building and testing Eagre needs, all of it packages of Debian 12. Does nothing, quickly, when all is there.
set -euo pipefail

packages=(
  # Tools to build with.
  g++ cmake ninja-build ccache mold pkg-config protobuf-compiler protobuf-compiler-grpc
  # Libraries.
  libabsl-dev libbenchmark-dev libc-ares-dev libcli11-dev libcpp-httplib-dev libfmt-dev libgmock-dev libgrpc++-dev libgtest-dev
  libprotobuf-dev librdkafka-dev libre2-dev librocksdb-dev libsimdjson-dev libspdlog-dev libssl-dev libxxhash-dev libyaml-cpp-dev libzstd-dev
  nlohmann-json3-dev prometheus-cpp-dev zlib1g-dev
  # What the scripts and tests call, beyond what every Debian has. dpkg-dev and file: without them CPack finds no dependencies.
  ca-certificates clang-format clang-tidy curl dpkg-dev file git mount procps python3
  # Runs Apache Kafka, for tests (scripts/kafka.sh).
  maven openjdk-17-jre-headless
)

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  echo "install.sh: this machine has no apt-get; Eagre is built on Debian 12. Install by other means: ${packages[*]}" >&2
  exit 1
fi

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2> /dev/null |
  awk '$2 == "installed" {print $1}' || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF -- "$package" <<< "$installed" || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo > /dev/null; then
    echo "install.sh: run this as root, or install sudo; missing packages: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update -q &&
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "install.sh: apt-get failed; the lines above say why" >&2
  exit 1
fi
