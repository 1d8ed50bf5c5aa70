#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The domain that virt-install makes of a plain import, with Debian's initrd and a Debian with
# systemd, up to multi-user.target.
. "$(dirname "$0")/common.sh"

title="libvirt's default XML (virt-install), initramfs-tools' initrd, Debian's systemd"
end="a unit's line on the console, after multi-user.target"
packages=("${virt_packages[@]}" initramfs-tools-core mmdebstrap)
commands=("${virt_commands[@]}" mkinitramfs mmdebstrap)
slow=yes

prepare() {
	once initramfs-tools make_initramfs_tools
	once debian.disk make_debian_disk
	domain "$shared/debian.disk" "$shared/initramfs-tools" "console=ttyS0 root=/dev/vda rw"
}

run() {
	run_domain
}

peer "$@"
