#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ours, no peer: the root file system of libvirt-systemd.sh, up to the same line. As
# vmboot-systemd-kernel.sh, with the kernel of --kernel.
. "$(dirname "$0")/common.sh"

kernel=
[ "$(basename "$0")" != vmboot-systemd-kernel.sh ] || kernel=${BENCH_OTHER_KERNEL:?--kernel sets it}

title="libvmboot, Debian's systemd${kernel:+, the kernel $(basename "$kernel")}"
end="a unit's line on the console, after multi-user.target; default.target was reported, too"
packages=(mmdebstrap busybox-static)
commands=(mmdebstrap)
kind=ours stored=yes
slow=yes

import_debian() {
	"$BENCH_BUILD/tools/vmboot" import --name debian "dir:$shared/debian" >"$1"
}

prepare() {
	once debian make_debian
	once imported import_debian
	cat >"$dir/request.json" <<-END
		{"name": "debian", "image": "debian", "cmd": ["/sbin/init"], "store": "$VMBOOT_STORE",
		 ${kernel:+\"kernel\": \"$kernel\",}
		 "uri": "embed", "accel": "$BENCH_ACCEL", "memory_mib": $memory_mib}
	END
}

run() {
	exec "$BENCH_BUILD/bench/wall-ours" "$dir/request.json" ready
}

peer "$@"
