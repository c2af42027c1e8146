#!/bin/sh
# Puts derm-edge on a Debian 12 computer without any network:
#   sudo ./install.sh [--profile NAME] [--keys DIR] [--root DIR]
# Checks Python, makes a passing environment from the wheels beside it, and lets `derm-edge install` do the rest: that
# verifies the signature and every file before it touches anything. PYTHON: another Python 3.11; optional.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
python="${PYTHON:-/usr/bin/python3}"
fail() { printf 'install.sh: %s\n' "$1" >&2; exit 69; }

system="$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-}" "${VERSION_ID:-}")" || system=""
[ "$system" = "debian 12" ] || fail "this computer runs '$system'; the package is for Debian 12"
"$python" -c 'import sys, venv; raise SystemExit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
  fail "$python is not Python 3.11; install Debian's package python3, or name another one: PYTHON=/path/to/python3.11"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$python" -I -m venv --without-pip "$work"
for pip in "$here"/wheels/pip-*.whl; do :; done
"$work/bin/python" -I "$pip/pip" install -q --disable-pip-version-check --no-cache-dir --no-index \
  --find-links "$here/wheels" --no-deps --require-hashes -r "$here/bootstrap.txt"
"$work/bin/derm-edge" install "$@" "$here"
