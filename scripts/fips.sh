#!/usr/bin/env bash
# Builds the program on Go's FIPS 140-3 module v1.0.0 and runs the suites that use cryptography with it in force: scripts/fips.sh [LDFLAGS]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need.sh go cc cxx minio
export CGO_ENABLED=1 GOFIPS140=v1.0.0 GODEBUG=fips140=on
go build -ldflags "${1:-}" -o bin/probity-fips ./cmd/probity
bin/probity-fips version
go test -timeout 30m ./access/... ./app/... ./client/... ./internal/crypt/... ./internal/evidence/... ./internal/tlog/... ./ledger ./ledger/httpapi ./ledger/person ./verify/...
