#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make check-abi` sees what breaks programs, and lets pass what does not.
. "$(dirname "$0")/../tools/lib.sh"

need abidiff abidw
lib=$builddir/libvmboot/.libs/libvmboot.so
compare=$testsdir/abi/compare.sh
cc=$(makefile_value CC)
readelf -S "$lib" | grep -q debug_info || skip "the library has no debug information"

# refused BASE LIBRARY WORDS...
refused() {
	status=0
	"$compare" "$1" "$2" >"$tmp/out" 2>&1 || status=$?
	[ "$status" -ge 4 ] || fail "exit $status for $2 against $1: $(cat "$tmp/out")"
	shift 2
	has out "$@"
}

# the library itself, and without one function, against a build and against what abidw wrote
expect 0 "$compare" "$lib" "$lib"
abidw --drop-private-types --out-file "$tmp/base.abi" "$lib" || fail "abidw"
expect 0 "$compare" "$tmp/base.abi" "$lib"
grep -v 'vmboot_list;' "$srcdir/libvmboot/libvmboot.sym" >"$tmp/less.sym"
# shellcheck disable=SC2046,SC2086
$cc -shared -g $(makefile_value SANITIZE_CFLAGS) -o "$tmp/less.so" -Wl,-soname,libvmboot.so.0 \
	-Wl,--version-script="$tmp/less.sym" \
	-Wl,--whole-archive "$builddir/libvmboot/.libs/libvmboot-all.a" -Wl,--no-whole-archive ||
	fail "cannot link a library with a function less"
refused "$lib" "$tmp/less.so" vmboot_list
refused "$tmp/base.abi" "$tmp/less.so" vmboot_list
expect 0 "$compare" "$tmp/less.so" "$lib" # one more does no harm

# types, in a library that is as quickly built as changed
cat >"$tmp/plain.h" <<-'END'
	struct vmboot_thing { unsigned long size; int first; long second; };
	enum vmboot_kind { VMBOOT_KIND_ONE = 1 };
	int vmboot_use(const struct vmboot_thing *thing, enum vmboot_kind kind, int n);
END
# variant NAME SED-SCRIPT
variant() {
	sed "$2" "$tmp/plain.h" >"$tmp/$1.h"
	declaration=$(grep vmboot_use "$tmp/$1.h")
	printf '#include "%s.h"\n%s { return thing->first + (int)kind + (int)n; }\n' \
		"$1" "${declaration%;}" >"$tmp/$1.c"
	$cc -g -shared -fPIC -o "$tmp/$1.so" "$tmp/$1.c" || fail "cannot build $1"
}
variant base ''
variant grown 's/long second;/long second; int third;/'
variant inserted 's/int first;/long zeroth; int first;/'
variant kinds 's/ONE = 1/ONE = 1, VMBOOT_KIND_TWO = 2/'
variant renumbered 's/ONE = 1/ONE = 2/'
variant wider 's/int n)/long n)/'
expect 0 "$compare" "$tmp/base.so" "$tmp/grown.so"
expect 0 "$compare" "$tmp/base.so" "$tmp/kinds.so"
refused "$tmp/base.so" "$tmp/inserted.so" zeroth
refused "$tmp/base.so" "$tmp/renumbered.so" VMBOOT_KIND_ONE
refused "$tmp/base.so" "$tmp/wider.so" "'int' to 'long int'"

# the targets
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
expect 0 make -s -C "$builddir" check-abi BASE="$tmp/base.abi"
expect 2 make -s -C "$builddir" check-abi BASE="$tmp/none"
expect 0 make -s -C "$builddir" abi ABI="$tmp/written.abi"
expect 0 "$compare" "$tmp/written.abi" "$lib"
done_testing
