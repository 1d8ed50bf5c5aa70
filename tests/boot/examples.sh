#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The examples, built against an installed library, with real guests: twenty at once in the loop of
# poll.c, and from C++ and LuaJIT.
. "$(dirname "$0")/../tools/lib.sh"

need make pkg-config umoci busybox qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
root_uri="qemu:///embed?root=$VMBOOT_STORE/embed"
export LIBVIRT_DEFAULT_URI=embed LIBVIRT_LOG_OUTPUTS=4:file:/dev/null

install_copy
export LD_LIBRARY_PATH="$lib"
VMBOOT_GUEST_DIR=$(dirname "$(find "$dest" -name vmboot-init)")
export VMBOOT_GUEST_DIR

vmboot() {
	timeout -k 10 400 "$root/bin/vmboot" "$@"
}

trap remove_guests EXIT

# example SECONDS NAME ARGUMENTS...: builds and runs it, and leaves what it printed in $tmp/out
example() {
	seconds=$1
	name=$2
	shift 2
	echo "- $name"
	build_example "$name" || return 1
	run_example "$seconds" "$name" "$@"
}

run_example() {
	seconds=$1
	program=$tmp/$(echo "$2" | tr . -)
	shift 2
	expect 0 timeout -k 10 "$seconds" "$program" "$@" || return 1
	nothing_left "$program"
}

nothing_left() {
	[ -z "$(vmboot ps -aq)" ] || fail "$1: VMs are left: $(vmboot ps -aq)"
	[ -z "$(ls "$VMBOOT_STORE/vms" 2>/dev/null)" ] || fail "$1: $(ls "$VMBOOT_STORE/vms")"
}

sh "$testsdir/boot/mkimage.sh" "$tmp" >"$tmp/log" 2>&1 || skip "no image: $(cat "$tmp/log")"
expect 0 vmboot import --name test "oci:$tmp/image:test"
vmboot ps -q # sets up the embedded driver

example 400 boot.c test && has out hello settle-overlay
example 400 boot.cc test && has out "C++: from-cc"
example 400 lend.c "$root_uri" test &&
	has out "the guest says: Linux" "libvirt knows it as number" "the connection is alive"
example 400 define.c "$root_uri" test &&
	has out "the plan has" "title: defined by an orchestrator" "defined runs"

echo "- a program that was built with the headers of 0.1"
# shellcheck disable=SC2046,SC2086
$(makefile_value CC) -Wall -Wextra -Werror $(makefile_value SANITIZE_CFLAGS) \
	-o "$tmp/program" -I "$testsdir/abi/include-0.1" "$testsdir/abi/program-0.1.c" \
	$(pkg-config --libs vmboot) || fail "cannot build tests/abi/program-0.1.c"
run_example 400 program test

echo "- reattach.c"
if build_example reattach.c; then
	expect 0 "$tmp/reattach-c" create first test && has out "created first"
	run_example 400 reattach.c resume &&
		has out "found first, which answers: first" "its program ran after"
fi

echo "- boot.lua"
if command -v luajit >/dev/null; then
	expect 0 timeout -k 10 400 luajit "$srcdir/examples/boot.lua" test &&
		has out "LuaJIT: from-lua"
	nothing_left boot.lua
else
	not_tried "boot.lua, luajit is not installed"
fi

# everyone answers, by its own name; 128 MiB each, emulated
all_answer() {
	[ "$(grep -c "^$1-\([0-9]*\) answers: $1-\1\$" "$tmp/out")" -eq "$2" ] ||
		fail "not all of $2 answer: $(cat "$tmp/out")"
}
example 400 glib.c test 4 && all_answer glib 4
if example 600 poll.c test 20; then
	all_answer poll 20
	grep "peak memory" "$tmp/out"
	# a VM costs the host program a thread's stack and some buffers, no more
	each=$(sed -n 's/.*; \([0-9]*\) KiB for each VM$/\1/p' "$tmp/out")
	[ "${each:-99999}" -lt 4096 ] || fail "$each KiB of the host program for each VM"
fi
done_testing
