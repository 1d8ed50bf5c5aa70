#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# doctor with libvirt's embedded driver: whether guests run under KVM is known afterwards, and a file
# that libvirt's user could not read is named, with what mends it.
. "$(dirname "$0")/../tools/lib.sh"

need jq qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
export LIBVIRT_DEFAULT_URI=embed

row() {
	jq -r --arg name "$1" '.checks[] | select(.name == $name) | .status, .found, .mend' "$tmp/out" |
		paste -s -d '|'
}

# like ROW PATTERN
like() {
	# shellcheck disable=SC2254
	case $1 in
	$2) ;;
	*) fail "\"$1\" is not like \"$2\"" ;;
	esac
}

expect 0 vmboot doctor --json
like "$(row libvirt)" "ok|qemu:///embed*, libvirt *"
like "$(row access)" "ok|*"
like "$(row kvm)" "*|*|*"
case $(row kvm) in
*"libvirt offers no KVM"* | *"has no KVM"*) ;;
*"no guest could be tried"*) fail "KVM was not tried: $(row kvm)" ;;
*)
	ls "$VMBOOT_STORE"/memo/kvm-* >/dev/null || fail "what was found out of KVM is forgotten"
	find "$VMBOOT_STORE/memo" -name 'probe*' | grep . && fail "the trial left something"
	;;
esac
if grep -lsF "$VMBOOT_STORE" /proc/[0-9]*/cmdline; then
	fail "a process is left"
fi

# for others than root, QEMU runs as themselves
if [ "$(id -u)" -eq 0 ]; then
	mkdir -p "$tmp/root/bin"
	: >"$tmp/root/bin/sh"
	expect 0 vmboot import --name test "dir:$tmp/root"
	expect 0 vmboot doctor --json
	like "$(row access)" "ok|*reaches the store and 1 images|"
	disk=$(vmboot images --json | jq -r '.[0].disk')
	chmod o-r "$disk"
	expect 1 vmboot doctor --json
	like "$(row access)" "error|*cannot read $disk|chmod o+r $disk"
	mend=$(row access)
	${mend##*|} || fail "the mend cannot be run: ${mend##*|}"
	expect 0 vmboot doctor --json
	chmod o-x "$tmp"
	expect 1 vmboot doctor --json
	like "$(row access)" "error|*cannot pass through $tmp|chmod o+x $tmp, or *"
	chmod o+x "$tmp"
else
	echo "not root: libvirt's user is one's own"
fi
done_testing
