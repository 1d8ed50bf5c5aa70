#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mkimage.sh DIR [FILES]: make DIR/image, an OCI layout with the tag "test", with Debian's busybox in
# it, and with what is in the folder FILES.
# umoci makes it, not we: the tests are to boot what others make.
set -eu

dir=$1
image=$dir/image
work=$dir/work

command -v umoci >/dev/null || { echo "umoci is not installed"; exit 77; }
busybox=$(command -v busybox) || { echo "busybox is not installed"; exit 77; }

rm -rf "$image" "$work"
umoci init --layout "$image"
umoci new --image "$image:test"
rootless=
[ "$(id -u)" -eq 0 ] || rootless=--rootless
umoci unpack $rootless --image "$image:test" "$work" >/dev/null
root=$work/rootfs
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/home/app" "$root/usr/bin"
chmod 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1234:2345:App:/home/app:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\napp:x:2345:\nextra:x:3456:app\n' >"$root/etc/group"
echo hello >"$root/etc/greeting"
[ $# -lt 2 ] || cp -R "$2/." "$root"
umoci repack --refresh-bundle --image "$image:test" "$work" >/dev/null 2>&1 ||
	umoci repack --image "$image:test" "$work" >/dev/null
umoci config --image "$image:test" --config.cmd /bin/sh --config.cmd -c \
	--config.cmd 'cat /etc/greeting' --config.env FROM_IMAGE=yes
rm -rf "$work"
