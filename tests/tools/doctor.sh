#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# doctor: each lack is found and has its mend, as a table and as JSON. Without libvirt; with one it
# is in tests/boot/doctor.sh.
. "$(dirname "$0")/lib.sh"

need jq
nobody="qemu+unix:///system?socket=$tmp/nosuch"

# doctor COMMAND...: its JSON in $tmp/json; libvirt is always amiss here, so it is always 1
doctor() {
	expect 1 "$@" doctor --json -c "$nobody"
	cp "$tmp/out" "$tmp/json"
}

# row NAME STATUS FOUND MEND: what it says of NAME
row() {
	jq -e --arg name "$1" --arg status "$2" --arg found "$3" --arg mend "$4" '
		.checks[] | select(.name == $name) | .status == $status and
		(.found | contains($found)) and (.mend | contains($mend))
	' "$tmp/json" >/dev/null && return
	fail "$1 is not $2 with \"$3\" and \"$4\": $(jq -c --arg name "$1" \
		'.checks[] | select(.name == $name)' "$tmp/json")"
}

doctor vmboot
row store ok "$VMBOOT_STORE" ""
row libvirt error "cannot connect" "start libvirtd or virtqemud"
[ -r /usr/share/qemu/qboot.rom ] && row firmware ok /usr/share/qemu/qboot.rom ""
row access warning "no libvirt" "fix this first: libvirt"
row kvm warning "no libvirt" "fix this first: libvirt"
for name in store mke2fs qemu init kernel modules headers libvirt firmware access kvm; do
	jq -e --arg name "$name" '[.checks[].name] | index($name)' "$tmp/json" >/dev/null ||
		fail "nothing about $name"
done
jq -e 'all(.checks[]; (.status == "ok") == (.mend == "") and .found != "")' "$tmp/json" >/dev/null ||
	fail "a lack without a mend, or a mend without a lack: $(cat "$tmp/json")"
expect 1 vmboot doctor -c "$nobody"
has out "STATUS" "error    libvirt" "-> start libvirtd"
[ "$(grep -c '^\(ok\|warning\|error\) ' "$tmp/out")" -eq "$(jq '.checks | length' "$tmp/json")" ] ||
	fail "the table has other rows than the JSON: $(cat "$tmp/out")"

# tools; those in sbin are always found
mkdir "$tmp/bin"
doctor env PATH="$tmp/bin" "$(command -v vmboot)"
row qemu error "qemu-system-x86_64 is not installed" "apt-get install qemu-system-x86"

doctor env VMBOOT_GUEST_DIR="$tmp/nosuch" vmboot
row init error "$tmp/nosuch" "VMBOOT_GUEST_DIR"
doctor env VMBOOT_STORE=/proc/nosuch vmboot
row store error /proc/nosuch "choose another folder"
row libvirt warning "no store" "fix this first: store"
expect 1 vmboot doctor --json -c "$nobody" --kernel "$tmp/nosuch"
cp "$tmp/out" "$tmp/json"
row kernel error "$tmp/nosuch" "apt-get install linux-image"
row modules warning "no kernel" "fix this first: kernel"
row headers warning "no kernel" "fix this first: kernel"

# a kernel with all built in
make_built_in "$tmp"
expect 1 vmboot doctor --json -c "$nobody" --kernel "$built_in"
cp "$tmp/out" "$tmp/json"
row modules ok "all is built in" ""
row headers ok "nothing to build any for" ""
done_testing
