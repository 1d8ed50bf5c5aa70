#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mkbusybox.sh FILE: make FILE, a tar archive of a root file system made by hand: busybox is its
# init, /bin, /sbin and /lib are folders of their own, and it has no /dev, /proc, /run or /sys.
set -eu

busybox=$(command -v busybox) || { echo "busybox is not installed"; exit 77; }
work=$1.d
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/bin" "$work/sbin" "$work/lib" "$work/etc" "$work/usr/bin" "$work/root"
cp "$busybox" "$work/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$work/bin/$applet"
done
ln "$work/bin/busybox" "$work/sbin/init"
echo root:x:0:0:root:/root:/bin/sh >"$work/etc/passwd"
echo baked >"$work/etc/hostname"
cat >"$work/etc/inittab" <<END
::sysinit:/bin/hostname -F /etc/hostname
::once:/bin/sh -c 'echo the services of \$(hostname) run >/dev/console'
::respawn:/bin/sh -c 'sleep 100000'
::shutdown:/bin/sh -c 'echo the services end >/dev/console'
END
tar -cf "$1" -C "$work" --owner=0 --group=0 .
