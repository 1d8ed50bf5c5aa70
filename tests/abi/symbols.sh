#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the headers declare, what the symbol map lists and what the library exports are the same.
. "$(dirname "$0")/../tools/lib.sh"

need nm awk readelf
lib=$builddir/libvmboot/.libs/libvmboot.so
map=$srcdir/libvmboot/libvmboot.sym
[ -e "$lib" ] || skip "$lib is not there: a build without shared libraries"

# declarations may run over lines; what stands before "(" is the name
cat "$srcdir"/include/vmboot/*.h "$srcdir"/include/vmboot/version.h.in |
	awk '/^VMBOOT_API/ { decl = "" ; on = 1 }
	     on { decl = decl " " $0 }
	     on && /\(/ { sub(/\(.*/, "", decl); sub(/.*[ *]/, "", decl); print decl; on = 0 }' |
	sort -u >"$tmp/headers"
grep -vE '^[[:space:]]*(/\*|\*|$)' "$map" | sed -n 's/^[[:space:]]*\([a-z_0-9*]*\);$/\1/p' |
	grep -vx '\*' | sort >"$tmp/map"
# of any type: a variable or a stray function is an export too; "A" is the name of a version
nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$tmp/library"

[ "$(wc -l <"$tmp/headers")" -ge 30 ] || fail "the headers declare too few functions"
diff "$tmp/headers" "$tmp/map" >"$tmp/log" ||
	fail "headers (<) and symbol map (>) do not agree: $(cat "$tmp/log")"
diff "$tmp/headers" "$tmp/library" >"$tmp/log" ||
	fail "headers (<) and library (>) do not agree: $(cat "$tmp/log")"

# each in its version, so that a program that needs a new one says so
bare=$(nm -D --defined-only --with-symbol-versions "$lib" | grep -v ' A ' | grep -vc '@@VMBOOT_')
[ "$bare" -eq 0 ] || fail "$bare symbols have no version"

# the name that programs ask for has the number of the interface, by libtool's rule
current=$(sed -n 's/^VMBOOT_LTVERSION = \([0-9]*\):.*/\1/p' "$builddir/Makefile")
age=$(sed -n 's/^VMBOOT_LTVERSION = .*:\([0-9]*\)$/\1/p' "$builddir/Makefile")
readelf -d "$lib" | grep -qF "soname: [libvmboot.so.$((current - age))]" ||
	fail "the soname is not libvmboot.so.$((current - age)): $(readelf -d "$lib" | grep soname)"
done_testing
