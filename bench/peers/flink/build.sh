#!/usr/bin/env bash
# Builds the Flink peer into build/flink: classes, the jar of Hello, and the class path of Flink itself, which Maven fetches once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${EAGRE_FLINK_BUILD:-$here/../../../build/flink}
mkdir -p "$build"
build=$(cd "$build" && pwd)
sources=$(cat "$here/pom.xml" "$here"/src/main/java/eagre/peer/*.java "$here"/src/main/resources/* | sha256sum)
if [[ -f $build/built && $(cat "$build/built") == "$sources" ]]; then exit 0; fi

missing=()
command -v mvn > /dev/null || missing+=(maven)
command -v javac > /dev/null || missing+=(openjdk-17-jdk-headless)
if ((${#missing[@]} > 0)); then
  echo "build.sh: Flink needs packages that are not installed: apt-get install ${missing[*]}" >&2
  exit 1
fi
rm -f "$build/built"
mvn -q -B -f "$here/pom.xml" dependency:build-classpath "-Dmdep.outputFile=$build/classpath" >&2
rm -rf "$build/classes" && mkdir "$build/classes"
javac -nowarn -XDsuppressNotes --release 17 -d "$build/classes" -cp "$(cat "$build/classpath")" \
  "$here"/src/main/java/eagre/peer/*.java >&2
cp "$here"/src/main/resources/* "$build/classes/"
jar --create --file "$build/hello.jar" -C "$build/classes" eagre/peer/Hello.class
echo "$sources" > "$build/built"
