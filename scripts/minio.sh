#!/usr/bin/env bash
# Builds bin/minio, the S3 server that tests run against, unless it is there already. It is a program of its own under its own licence (AGPL-3.0): it is never linked with ours
# and never shipped. The first build takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
version=v0.0.0-20260212201848-7aac2a2c5b7c

if [ -x bin/minio ] && [ "$(go version -m bin/minio | awk '$1 == "mod"{print $3}')" = "$version" ]; then
  exit
fi
printf 'probity: building the S3 server for tests (bin/minio), once\n' >&2
if ! CGO_ENABLED=0 GOFLAGS= GOBIN=$PWD/bin go install "github.com/minio/minio@$version" 2>bin/minio.log; then
  tail -n 20 bin/minio.log >&2
  printf 'probity: bin/minio could not be built; tests of object storage will fail\n' >&2
  exit 1
fi
rm -f bin/minio.log
