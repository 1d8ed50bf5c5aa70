#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libguestfs' appliance, through its direct backend, as guestfish and the virt- tools start it. The
# appliance is made before; counting instructions, the program is run in it, from the same disk.
. "$(dirname "$0")/common.sh"

title="libguestfs' appliance (guestfish, direct backend)"
end="the command \"run\" returned: the appliance is ready"
packages=(libguestfs-tools busybox-static)
commands=(guestfish supermin busybox)
slow=yes

export LIBGUESTFS_BACKEND=direct LIBGUESTFS_MEMSIZE=$memory_mib
export SUPERMIN_KERNEL=${BENCH_KERNEL-} SUPERMIN_MODULES=/lib/modules/${BENCH_RELEASE-}
[ "${BENCH_ACCEL-}" = kvm ] || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg

prepare() {
	mkdir -p "$dir/cache"
	once disk make_disk
	ln -sf "$shared/disk" "$dir/disk"
	LIBGUESTFS_CACHEDIR=$dir/cache guestfish -a "$dir/disk" run
	ln -sf "$dir"/cache/.guestfs-*/appliance.d/initrd "$dir/initrd"
}

run() {
	local then='!echo vmboot-bench'

	export LIBGUESTFS_CACHEDIR=$dir/cache
	if [ -n "${BENCH_WRAP-}" ]; then
		export LIBGUESTFS_HV=$BENCH_WRAP/qemu-system-x86_64
		then=$(printf 'mount-ro /dev/sda /\ncommand /mark')
	fi
	printf 'run\n%s\n' "$then" >"$dir/commands"
	begin
	exec guestfish --ro -a "$dir/disk" -f "$dir/commands"
}

peer "$@"
