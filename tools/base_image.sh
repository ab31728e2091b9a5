#!/usr/bin/env bash
# Makes a base image where no registry can be reached: Debian by debootstrap, and a Python of this machine in /usr/local.
# Usage: base_image.sh NAME PYTHON, as root. DEBIAN_MIRROR and DEBIAN_SUITE: where the packages come from.
set -euo pipefail
name=$1 python=$2
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian} suite=${DEBIAN_SUITE:-bookworm}

for program in buildah debootstrap "$python"; do
  command -v "$program" > /dev/null || { echo "$program is missing" >&2; exit 2; }
done
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
if [ "$prefix" = /usr ]; then
  echo "$python is in /usr, with all else: name one that has a folder of its own" >&2
  exit 2
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,libreadline8,libsqlite3-0,libssl3,libuuid1,zlib1g \
  "$suite" "$root" "$mirror" > /dev/null
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
cp -a "$prefix/." "$root/usr/local/"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
rm -rf "$root/usr/local/lib/python$version/test"
find "$root/usr/local/lib/python$version/site-packages" -mindepth 1 -maxdepth 1 ! -name 'pip*' -exec rm -r {} +
# The scripts of pip name the Python of the folder that they were installed in.
grep -lI "^#!$prefix/" "$root"/usr/local/bin/* | xargs -r sed -i "1s|^#!$prefix/|#!/usr/local/|"
chroot "$root" ldconfig
chroot "$root" /usr/local/bin/python -c 'import bz2, ctypes, hashlib, lzma, readline, sqlite3, ssl, uuid, zlib'

container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" / > /dev/null
buildah commit --quiet --rm "$container" "$name" > /dev/null
echo "$name"
