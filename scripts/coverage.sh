#!/usr/bin/env bash
# Joins coverage profiles into one and prints the total: scripts/coverage.sh OUT PROFILE...
# A block counts as covered when some profile has it covered. Helpers of tests do not count.
set -euo pipefail
out=$1
shift
{
  echo "mode: set"
  awk '/^mode:/ || /^probity\.dev\/(test|internal\/testdata|ledger\/ledgertest|internal\/blob\/blobtest|ledger\/segment\/segtest|internal\/evidence\/evidencetest)\//{next} {k=$1" "$2; if(!(k in n)||$3>n[k]) n[k]=$3} END{for(k in n) print k, (n[k]>0)}' "$@" | sort
} >"$out"
go tool cover -func="$out" | awk 'END{print "coverage of the Go code:", $NF, "of statements"}'
