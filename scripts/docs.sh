#!/usr/bin/env bash
# Writes the documents that are made from the program: configuration, command line.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need.sh go cc
go test ./internal/config -run Documentation -update
go run ./cmd/probity docs docs/cli
