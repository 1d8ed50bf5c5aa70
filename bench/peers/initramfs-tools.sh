#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The leanest of distributions' ways: QEMU by hand without any device that is not needed, Debian's
# initrd, and an ext4 disk with busybox, whose init is the program.
. "$(dirname "$0")/common.sh"

title="initramfs-tools' initrd and an ext4 busybox, leanest QEMU by hand"
end="the program's line on the serial port"
packages=(qemu-system-x86 initramfs-tools-core busybox-static e2fsprogs)
commands=(qemu-system-x86_64 mkinitramfs busybox mkfs.ext4)

prepare() {
	once initramfs-tools make_initramfs_tools
	once disk make_disk
	ln -sf "$shared/initramfs-tools" "$dir/initrd"
	ln -sf "$shared/disk" "$dir/disk"
}

run() {
	qemu_lean -kernel "$BENCH_KERNEL" -initrd "$dir/initrd" \
		-append "console=ttyS0 quiet root=/dev/vda init=/mark" \
		-drive "if=none,id=disk,format=raw,readonly=on,file=$dir/disk" \
		-device virtio-blk-pci,drive=disk
}

peer "$@"
