#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual pages say what the code does: every field, flag, verb, phase and function is in them.
# TEST_UPDATE=1 renews the parts of the pages that are made of the library's tables.
. "$(dirname "$0")/lib.sh"

docs=$srcdir/docs

# generated PAGE TABLE: what stands between the marks of that table is what doc-tables prints
generated() {
	page=$docs/$1
	"$builddir/tests/tools/doc-tables" "$2" >"$tmp/table" || fail "doc-tables $2"
	[ -s "$tmp/table" ] || fail "doc-tables $2 prints nothing"
	awk -v table="$tmp/table" -v mark="BEGIN GENERATED $2" '
		/END GENERATED/ { skip = 0 }
		!skip { print }
		index($0, mark) { while ((getline line < table) > 0) print line; skip = 1 }
	' "$page" >"$tmp/page"
	cmp -s "$page" "$tmp/page" && return
	if [ -n "${TEST_UPDATE:-}" ]; then
		cat "$tmp/page" >"$page"
	else
		fail "$1: its $2 are not those of the library; TEST_UPDATE=1 renews them"
		diff "$page" "$tmp/page"
	fi
}
generated vmboot.1 flags
generated vmboot-request.5 fields
generated vmboot-events.7 phases

for page in vmboot.1 vmboot.3 vmboot-request.5 vmboot-events.7; do
	grep -q '^\.SH NAME\|^\.Sh NAME' "$docs/$page" || fail "$page has no NAME"
	if command -v mandoc >/dev/null; then
		mandoc -Tlint -W warning "$docs/$page" >"$tmp/lint" || fail "$page: $(cat "$tmp/lint")"
	fi
	if command -v man >/dev/null && command -v groff >/dev/null; then
		MANWIDTH=100 man --warnings=w -l "$docs/$page" >"$tmp/text" 2>"$tmp/warn" </dev/null ||
			fail "man -l $page"
		[ -s "$tmp/warn" ] && fail "$page: $(cat "$tmp/warn")"
		[ -s "$tmp/text" ] || fail "$page shows nothing"
	fi
done

# functions and error codes of the public headers
names=$(sed -n 's/^VMBOOT_API.*[ *]\(vmboot_[a-z_]*\)(.*/\1/p' "$srcdir"/include/vmboot/*.h \
	"$srcdir"/include/vmboot/version.h.in)
[ "$(echo "$names" | wc -l)" -ge 30 ] || fail "too few functions found in the headers"
for name in $names; do
	grep -q "Fn $name\b" "$docs/vmboot.3" || fail "vmboot.3 has no $name"
done
for name in $(grep -o 'VMBOOT_E[A-Z]* =' "$srcdir/include/vmboot/error.h" | cut -d' ' -f1); do
	grep -q "Dv $name\b" "$docs/vmboot.3" || fail "vmboot.3 has no $name"
done
for name in $(grep -o 'Fn vmboot_[a-z_]*' "$docs"/*.[0-9] | sed 's/.*Fn //' | sort -u); do
	echo "$names" | grep -qx "$name" || fail "the manual has $name, the headers have not"
done

# keys of the guest config
keys=$(sed -n 's/^\t{"\([a-z_]*\)", \(TEXT\|FLAG\|LIST\),.*/\1/p' "$srcdir/libvmboot/wire/config.c")
[ -n "$keys" ] || fail "no keys found in wire/config.c"
for key in $keys; do
	grep -q "\(Cm\|,\) $key\b" "$docs/vmboot-events.7" || fail "vmboot-events.7 has no $key"
done

# verbs and their own flags
if [ -x "$builddir/tools/vmboot" ]; then
	verbs=$(vmboot --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
	[ "$(echo "$verbs" | wc -l)" -ge 15 ] || fail "too few verbs found"
	for verb in $verbs; do
		sed -n "/^\.It Cm $verb\b/,/^\.It Cm/p" "$docs/vmboot.1" >"$tmp/verb"
		[ -s "$tmp/verb" ] || fail "vmboot.1 has no $verb"
	done
	for flag in $(for verb in $verbs; do vmboot help "$verb"; done 2>/dev/null |
		sed -n 's/^  .* --\([a-z-]*\).*/\1/p' | sort -u); do
		grep -q "Fl Fl $flag\b" "$docs/vmboot.1" || fail "vmboot.1 has no --$flag"
	done
fi

done_testing
