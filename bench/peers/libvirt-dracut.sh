#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same as libvirt-initramfs-tools.sh with dracut's initrd.
. "$(dirname "$0")/common.sh"

title="libvirt's default XML (virt-install), dracut's initrd, ext4 busybox"
end="the program's line on the console"
packages=("${virt_packages[@]}" dracut-core)
commands=("${virt_commands[@]}" dracut)
slow=yes

prepare() {
	once dracut make_dracut
	once disk make_disk
	domain "$shared/disk" "$shared/dracut" "console=ttyS0 root=/dev/vda init=/mark"
}

run() {
	run_domain
}

peer "$@"
