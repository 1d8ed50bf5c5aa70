#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Python package with real guests, tests/python/boot.py, as pip installs it beside a library and a
# command that are installed.
. "$(dirname "$0")/../tools/lib.sh"
. "$(dirname "$0")/../python/lib.sh"

need make pkg-config umoci busybox qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
install_copy
install_python
export LIBVIRT_DEFAULT_URI=embed
LIMIT=1800

trap remove_guests EXIT

sh "$testsdir/boot/mkimage.sh" "$tmp" >"$tmp/log" 2>&1 || skip "no image: $(cat "$tmp/log")"
expect 0 vmboot import --name node:20 "oci:$tmp/image:test"
timeout -k 10 $LIMIT "$python" "$testsdir/python/boot.py" -v ${TEST_ONLY:+-k "$TEST_ONLY"} ||
	fail "boot.py: exit $?"
[ -z "$(vmboot ps -aq)" ] || fail "VMs are left: $(vmboot ps -aq)"
done_testing
