#!/usr/bin/env bash
# Checks that the tools named as arguments are there. What Debian packages is installed when it is missing and this is root on Debian; anything
# else ends with a message that says what to install. Prints nothing when all is well.
#
#   scripts/need.sh go cc cxx node chromium poppler postgres minio promtool pebble
set -euo pipefail

fail() { printf 'probity: %s\n' "$*" >&2; exit 1; }

refreshed=
# package NAME... installs Debian packages, or says which are needed.
package() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "please install: $* (Debian package names)"
  fi
  printf 'probity: installing %s\n' "$*" >&2
  export DEBIAN_FRONTEND=noninteractive
  if [ -z "$refreshed" ]; then
    apt-get update -qq >&2 </dev/null
    refreshed=yes
  fi
  apt-get install -y -qq --no-install-recommends "$@" >&2 </dev/null
}

# at_least HAVE WANT compares versions.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

links_cxx() { printf 'int main(){return 0;}' | "${CXX:-g++}" -x c++ -o /dev/null - 2>/dev/null; }

for tool in "$@"; do
  case $tool in
    go)
      command -v go >/dev/null || fail "Go 1.26 or later is needed (https://go.dev/dl)"
      have=$(go env GOVERSION); have=${have#go}
      at_least "${have%%[-+ ]*}" 1.26 || fail "Go 1.26 or later is needed; this is $have"
      ;;
    cc)
      command -v "${CC:-gcc}" >/dev/null || package gcc libc6-dev
      ;;
    cxx) # tests compare searches with a database engine that is linked with the C++ runtime
      links_cxx || package g++
      links_cxx || fail "a C++ compiler that can link is needed (package g++)"
      ;;
    node)
      command -v node >/dev/null && command -v npm >/dev/null || fail "Node 20 or later with npm is needed to build the console (https://nodejs.org)"
      have=$(node --version); have=${have#v}
      at_least "$have" 20.0.0 || fail "Node 20 or later is needed; this is $have"
      ;;
    chromium)
      [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || package chromium fonts-liberation
      ;;
    poppler)
      command -v pdftotext >/dev/null && command -v pdftoppm >/dev/null || package poppler-utils
      ;;
    promtool) "$(dirname "$0")/promtool.sh" ;; # tests of alert rules and dashboards
    pebble) "$(dirname "$0")/pebble.sh" ;; # tests of ACME run against a real authority
    minio) "$(dirname "$0")/minio.sh" ;; # tests of object storage run against a real server
    postgres)
      compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || package postgresql
      ;;
    *) fail "need.sh does not know $tool" ;;
  esac
done
