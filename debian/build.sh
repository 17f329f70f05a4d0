#!/bin/sh
# Build the Debian package in a copy of the tree: sh debian/build.sh FOLDER; the package is in that folder then.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/sipproxy"
cp -a CHANGELOG.md LICENSE README.md MANIFEST.in debian docs etc man pyproject.toml setup.cfg setup.py sipproxy \
    twisted "$work/sipproxy"
find "$work/sipproxy" \( -name __pycache__ -o -name dropin.cache \) -prune -exec rm -rf {} +
cd "$work/sipproxy"
dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1 || { tail -n 60 "$work/log" >&2; exit 1; }
cd - >/dev/null
mkdir -p "$1"
rm -f "$1"/sipproxy_*.deb
cp "$work"/sipproxy_*.deb "$1"
ls "$1"/sipproxy_*.deb
