#!/usr/bin/env bash
# Runs the browser tests against the built binary, on a demo in a temporary directory: scripts/e2e.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${PROBITY_BIN:-$PWD/bin/probity}
events=${PROBITY_E2E_EVENTS:-20000}
dir=$(mktemp -d)
server=
post=
stop() {
  status=$?
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  [ -z "$post" ] || kill "$post" 2>/dev/null || true
  [ "$status" = 0 ] || { echo "--- the server's output:" >&2; tail -n 40 "$dir/out" >&2 || true; }
  rm -rf "$dir"
  exit "$status"
}
trap stop EXIT

scripts/need.sh node chromium
[ test/e2e/node_modules/.package-lock.json -nt test/e2e/package-lock.json ] ||
  { (cd test/e2e && npm ci --no-audit --no-fund --loglevel=error) && touch test/e2e/node_modules/.package-lock.json; }

# The public address, to which sign-in providers send people back and in which passkeys are valid (never one by number), is the one that is served: the port is chosen here.
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
# What is mailed lands in a folder, in which the tests read it.
mkdir "$dir/mail"
node test/e2e/post.mjs "$dir/mail" >"$dir/post" &
post=$!
for _ in $(seq 100); do [ -s "$dir/post" ] && break; sleep 0.1; done
# A receiver of webhooks that a test opens on this machine may be reached.
NO_COLOR=1 PROBITY_OUTBOUND_ALLOW=127.0.0.1 PROBITY_PUBLIC_URL="http://localhost:$port" PROBITY_SMTP_SERVER="127.0.0.1:$(cat "$dir/post")" PROBITY_SMTP_TLS=none PROBITY_SMTP_FROM=probity@audit.example "$bin" demo --data "$dir/data" --events "$events" --listen "127.0.0.1:$port" >"$dir/out" 2>&1 </dev/null &
server=$!
filled() { # the demo notes in demo.json how far it is
  node -e 'const s = JSON.parse(require("fs").readFileSync(process.argv[1])); process.exit(s.others?.length && s.filled >= s.events ? 0 : 1)' "$dir/data/demo.json" 2>/dev/null
}
for _ in $(seq 240); do
  kill -0 "$server" 2>/dev/null || { echo "the server ended" >&2; exit 1; }
  filled && break
  sleep 0.5
done
filled || { echo "the demo was not filled within two minutes" >&2; exit 1; }

of() { node -p "JSON.parse(require('fs').readFileSync('$dir/data/demo.json')).$1"; }
PROBITY_URL="http://localhost:$port"
PROBITY_EMAIL=$(of admin.email)
PROBITY_PASSWORD=$(of admin.password)
PROBITY_AUDITOR_EMAIL=$(of 'others[0].email')
PROBITY_AUDITOR_PASSWORD=$(of 'others[0].password')
PROBITY_API_KEY=$(of api_key)
PROBITY_MAIL=$dir/mail
export PROBITY_MAIL PROBITY_URL PROBITY_EMAIL PROBITY_PASSWORD PROBITY_AUDITOR_EMAIL PROBITY_AUDITOR_PASSWORD PROBITY_API_KEY
cd test/e2e
[ $# -gt 0 ] || set -- *.spec.mjs
node --test --test-concurrency=1 "$@"
