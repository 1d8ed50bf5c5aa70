#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Our own trivial init on the kernel as it is: the least that any boot of this kernel costs.
. "$(dirname "$0")/common.sh"

title="a static program as init, untuned: SeaBIOS, bzImage, no arguments but the console"
end="the program's line on the serial port"
packages=(qemu-system-x86 cpio)
commands=(qemu-system-x86_64 cpio)

prepare() {
	mkdir -p "$dir/root/dev"
	cp "$BENCH_PROGRAM" "$dir/root/init"
	mknod "$dir/root/dev/console" c 5 1
	(cd "$dir/root" && find . | cpio --quiet -o -H newc) >"$dir/initrd"
}

run() {
	qemu_lean -kernel "$BENCH_KERNEL" -initrd "$dir/initrd" -append console=ttyS0
}

peer "$@"
