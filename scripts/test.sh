#!/usr/bin/env bash
# Installs, builds and tests everything; a second run is fast.
#   scripts/test.sh [--quick]
# Runs all tests on the release build, the libraries' unit tests under the address, undefined-behaviour and thread
# sanitizers, the formatting check and clang-tidy. --quick leaves out the sanitizers and clang-tidy.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
quick=false
case ${1:-} in
  "") ;;
  --quick) quick=true ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
cd "$root"

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$root/cmake/tsan.supp
readonly tidy_limit_s=900

summary=()
failed_cases=
failures=0

# step NAME COMMAND...: runs one step and notes how it went; later steps run all the same.
step() {
  local name=$1 started=$SECONDS result=passed
  shift
  printf '\n=== %s\n' "$name"
  "$@" || { result=FAILED && failures=$((failures + 1)); }
  summary+=("$(printf '%-7s %5d s  %s' "$result" $((SECONDS - started)) "$name")")
  [[ $result == passed ]]
}

# What fails is listed again in the summary, by name: the output of a whole run is long.
ctest_in() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure --timeout 600 -j "$(nproc)" "$@" && return
  local log=build/$preset/Testing/Temporary
  failed_cases+=$(sed -n "s/^[0-9]*:/$preset: /p" "$log/LastTestsFailed.log")$'\n'
  failed_cases+=$(grep -aE '^\[  FAILED  \] .*\(|: Failure$' "$log/LastTest.log" || true)$'\n'
  return 1
}

run_steps() {
  step "install packages" scripts/install.sh || return
  step "formatting" scripts/lint.sh --format-only || true
  if step "build release" scripts/build.sh release; then
    step "all tests, release build" ctest_in release || true
  fi
  if $quick; then return; fi
  for sanitizer in asan tsan; do
    if step "build $sanitizer" scripts/build.sh "$sanitizer"; then
      step "unit tests under $sanitizer" ctest_in "$sanitizer" || true
    fi
  done
  step "clang-tidy" scripts/lint.sh --limit $tidy_limit_s release || true
  local missed=build/lint/not-checked
  if [[ -s $missed ]]; then summary[-1]+=": $(wc -l < "$missed") files not reached within $tidy_limit_s s"; fi
}
run_steps || true

printf '\n=== Summary\n'
printf '%s\n' "${summary[@]}"
if ((failures > 0)); then
  printf '%s' "$failed_cases"
  echo "$failures of ${#summary[@]} steps failed; their output is above."
  exit 1
fi
echo "All ${#summary[@]} steps passed in $((SECONDS / 60)) min $((SECONDS % 60)) s."
