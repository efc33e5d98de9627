#!/usr/bin/env bash
# Runs every test. Each step is named with the time it took; the first failure ends the run, except that the Go suite runs to its end.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=1

step() { # step NAME COMMAND...
  local name=$1 from=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  "$@"
  printf '=== %s: done in %d s\n' "$name" "$((SECONDS - from))"
}

# Real-world data that is too large for the repository, or not ours to publish, lies beside it in shared/data.
find_data() {
  local d=$PWD
  if [ -n "${PROBITY_TEST_DATA:-}" ]; then
    export PROBITY_REQUIRE_DATA=1
    return
  fi
  while [ "$d" != / ]; do
    if [ -f "$d/shared/data/README.md" ]; then
      export PROBITY_TEST_DATA=$d/shared/data PROBITY_REQUIRE_DATA=1
      return
    fi
    d=$(dirname "$d")
  done
  printf '\n!!! The real-world test data (shared/data) is ABSENT: tests that need it are SKIPPED. Set PROBITY_TEST_DATA to run them. !!!\n'
}

# go_suite runs the Go tests in two parts: those that link the whole product count what they cover in every package, the others only in their own.
go_suite() {
  local whole unit
  mapfile -t whole < <(go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | awk '$1 ~ /\.test$/ && / probity\.dev\/app( |$)/{sub(/\.test$/, "", $1); print $1}')
  mapfile -t unit < <(go list ./... | grep -vxF -f <(printf '%s\n' "${whole[@]}"))
  local failed=
  go test -timeout 20m -covermode=set -coverprofile=coverage.unit.out "${unit[@]}" || failed=yes
  go test -timeout 30m -covermode=set -coverprofile=coverage.whole.out -coverpkg=./... "${whole[@]}" || failed=yes
  [ -z "$failed" ] || return 1
  scripts/coverage.sh coverage.out coverage.unit.out coverage.whole.out
}

interop() { (cd test/interop && PROBITY_BIN=$PWD/../../bin/probity go test -timeout 15m ./...); }
console_tests() { (cd console && npm run --silent check && npm test --silent); }

find_data
step 'tools' scripts/need.sh go cc cxx node chromium poppler postgres minio promtool pebble
step 'console' make --no-print-directory console
step 'program' make --no-print-directory build
step 'go vet' go vet ./...
step 'go tests' go_suite
step "other people's verifiers" interop
step 'console tests' console_tests
step 'browser tests' scripts/e2e.sh
printf '\nEverything passed in %d s.\n' "$SECONDS"
