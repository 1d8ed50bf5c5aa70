#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mkdebian.sh FILE: make FILE, a tar archive of a stock Debian 12 with systemd, by mmdebstrap. It has
# what tests run in it: DKMS and the source of a small module, crun, and QEMU's own guest agent.
set -eu

packages=systemd,systemd-sysv,udev,dbus,kmod,procps,iproute2,qemu-guest-agent,crun,vpoll-dkms,libc6-dev,systemd-resolved
file=$1
part=$file.part.$$

command -v mmdebstrap >/dev/null || { echo "mmdebstrap is not installed"; exit 77; }
mkdir -p "$(dirname "$file")"
trap 'rm -f "$part"' EXIT
mmdebstrap --quiet --variant=minbase --include="$packages" --format=tar bookworm "$part"
mv "$part" "$file"
