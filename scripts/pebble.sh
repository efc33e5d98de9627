#!/usr/bin/env bash
# Builds bin/pebble and bin/pebble-challtestsrv, Let's Encrypt's small authority for tests of ACME and the name server that goes with it, unless they are there already.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
version=v2.10.1

for program in pebble pebble-challtestsrv; do
  if [ -x "bin/$program" ] && [ "$(go version -m "bin/$program" | awk '$1 == "mod"{print $3}')" = "$version" ]; then
    continue
  fi
  printf 'probity: building %s for tests, once\n' "$program" >&2
  CGO_ENABLED=0 GOFLAGS= GOBIN=$PWD/bin go install "github.com/letsencrypt/pebble/v2/cmd/$program@$version"
done
