#!/usr/bin/env bash
# Gets bin/promtool, which tests the alert rules and the queries of the dashboards, unless a promtool is on the PATH or there already. On Debian it is taken out of the package
# prometheus, which is not installed: that would start a server.
set -euo pipefail
cd "$(dirname "$0")/.."
if command -v promtool >/dev/null || [ -x bin/promtool ]; then
  exit
fi
if ! command -v apt-get >/dev/null; then
  printf 'probity: please install promtool (https://prometheus.io/download)\n' >&2
  exit 1
fi
printf 'probity: fetching promtool from the Debian package prometheus\n' >&2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
get() { (cd "$dir" && apt-get download -qq prometheus >/dev/null 2>&1); }
get || { [ "$(id -u)" = 0 ] && apt-get update -qq >&2 </dev/null && get; } || { printf 'probity: the package prometheus could not be fetched; please install promtool\n' >&2; exit 1; }
dpkg-deb -x "$dir"/prometheus_*.deb "$dir/x"
mkdir -p bin
cp "$dir/x/usr/bin/promtool" bin/.promtool && mv bin/.promtool bin/promtool
