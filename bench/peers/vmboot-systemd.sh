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
	once debian make_debian
	"$BENCH_BUILD/tools/vmboot" import --name debian "dir:$shared/debian" >&2
	cat >"$dir/request.json" <<-END
		{"name": "debian", "image": "debian", "cmd": ["/sbin/init"], "store": "$VMBOOT_STORE",
		 "uri": "embed", "accel": "$BENCH_ACCEL", "memory_mib": $memory_mib}
	END
}

run() {
	exec "$BENCH_BUILD/bench/wall-ours" "$dir/request.json" ready
}

peer "$@"
