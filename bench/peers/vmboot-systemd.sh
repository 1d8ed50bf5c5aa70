#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ours, no peer: the root file system of libvirt-systemd.sh, up to the same line.
. "$(dirname "$0")/common.sh"

title="libvmboot, Debian's systemd"
end="the line of a unit behind multi-user.target on the console; default.target was told, too"
packages=(mmdebstrap busybox-static)
commands=(mmdebstrap)
kind=ours stored=yes
slow=yes

prepare() {
	request_debian
}

run() {
	exec "$BENCH_BUILD/bench/wall-ours" "$dir/request.json" ready
}

peer "$@"
