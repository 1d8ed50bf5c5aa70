# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034 # srcdir, for those who source this
# What the scripts here that boot guests share; each sources it in the build folder.
#
#   builddir, srcdir   these two folders
#   need TOOL...       exits with 77 unless they are installed
#   built FILE...      exits with 2 unless they are there
#   begin              $tmp, which goes at the end with the guests of the store in it, $tmp/s
#   vmboot             the command of the build folder, with that store and its own libvirt

srcdir=$(cd "$(dirname "$0")/.." && pwd)
builddir=$(pwd)
export VMBOOT_GUEST_DIR="$builddir/initramfs" LC_ALL=C.UTF-8

need() {
	for tool; do
		command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 77; }
	done
}

built() {
	for file; do
		[ -e "$file" ] || { echo "$file is not built here: see README.md" >&2; exit 2; }
	done
}

vmboot() {
	"$builddir/tools/vmboot" "$@"
}

# A guest outlives the program that started it, if that is killed.
clean_up() {
	for name in $(vmboot ps -aq 2>/dev/null); do
		vmboot rm -f "$name" >/dev/null 2>&1 || :
	done
	rm -rf "$tmp"
}

begin() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/vmbb-XXXXXX")
	trap clean_up EXIT
	trap 'exit 99' HUP INT TERM
	chmod 711 "$tmp" # QEMU may run as another user
	export VMBOOT_STORE="$tmp/s" LIBVIRT_DEFAULT_URI=embed
}
