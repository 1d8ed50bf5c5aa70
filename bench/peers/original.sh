#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The way of the tool that this library follows, re-enacted in our own guest, without our kernel
# disk and our agent: the guest sleeps for 500 ms, mounts three file systems by /bin/mount, unpacks
# the kernel's headers from a tar archive in the image, copies an agent, and runs the program. The
# kernel, its arguments and the devices are ours, which is better than it had them.
. "$(dirname "$0")/common.sh"

title="the original's way in our guest: sleep, three mounts, headers by tar, agent copied"
end="the program's line"
packages=(busybox-static tar gzip mount)
commands=(busybox tar gzip mount)
kind=ours stored=yes slow=yes

# with_libraries PROGRAM ROOT
with_libraries() {
	local file
	rm -f "$2/bin/$(basename "$1")"
	cp -L "$1" "$2/bin/"
	for file in $(ldd "$1" | grep -o '/[^ ]*'); do
		mkdir -p "$2$(dirname "$file")"
		cp -Ln "$file" "$2$file"
	done
}

prepare() {
	local root=$dir/root tool parts

	make_root "$root"
	for tool in tar gzip mount; do
		with_libraries "$(command -v "$tool")" "$root"
	done
	cp "$BENCH_BUILD/initramfs/vmboot-init" "$root/agent"
	mkdir -p "$root/m/1" "$root/m/2" "$root/m/3" "$root/usr/local/bin"
	read -ra parts <<<"$BENCH_HEADERS"
	[ "${#parts[@]}" -gt 0 ] || die "no kernel headers are installed"
	tar -czf "$root/kernel-headers.tar.gz" "${parts[@]}" 2>/dev/null
	cat >"$root/start" <<-'END'
		#!/bin/sh
		sleep 0.5
		/bin/mount -t proc proc /m/1
		/bin/mount -t sysfs sysfs /m/2
		/bin/mount -t tmpfs tmpfs /m/3
		/bin/tar -xzf /kernel-headers.tar.gz -C /
		cp /agent /usr/local/bin/agent && chmod 755 /usr/local/bin/agent
		exec /mark
	END
	chmod 755 "$root/start"
	"$BENCH_BUILD/tools/vmboot" import --name original "dir:$root" >&2
	cat >"$dir/request.json" <<-END
		{"name": "original", "image": "original", "cmd": ["/start"], "store": "$VMBOOT_STORE",
		 "uri": "embed", "accel": "$BENCH_ACCEL", "memory_mib": $memory_mib,
		 "skip_kernel_headers": true, "skip_guest_agent": true}
	END
}

run() {
	exec "$BENCH_BUILD/bench/wall-ours" "$dir/request.json" line
}

peer "$@"
