#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ours, no peer: the same as vmboot-systemd.sh, with a kernel of the user's own.
. "$(dirname "$0")/common.sh"

title="libvmboot, Debian's systemd, the kernel $(basename "${BENCH_OTHER_KERNEL:-of --kernel}")"
end="the line of a unit behind multi-user.target on the console; default.target was told, too"
packages=(mmdebstrap busybox-static)
commands=(mmdebstrap)
kind=ours stored=yes
slow=yes

prepare() {
	request_debian "\"kernel\": \"$BENCH_OTHER_KERNEL\","
}

run() {
	exec "$BENCH_BUILD/bench/wall-ours" "$dir/request.json" ready
}

peer "$@"
