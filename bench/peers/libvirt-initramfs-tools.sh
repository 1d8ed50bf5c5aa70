#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The domain that virt-install makes of a plain import, with Debian's initrd and an ext4 busybox disk.
. "$(dirname "$0")/common.sh"

title="libvirt's default XML (virt-install), initramfs-tools' initrd, ext4 busybox"
end="the program's line on the console"
packages=("${virt_packages[@]}" initramfs-tools-core)
commands=("${virt_commands[@]}" mkinitramfs)

prepare() {
	once initramfs-tools make_initramfs_tools
	once disk make_disk
	domain "$shared/disk" "$shared/initramfs-tools" "console=ttyS0 root=/dev/vda init=/mark"
}

run() {
	run_domain
}

peer "$@"
