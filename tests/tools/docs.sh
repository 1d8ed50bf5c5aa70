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

# those of functions are made of the headers: in the build's folder, or in a release's
made=$builddir/docs/man3
[ -d "$made" ] || made=$docs/man3
for file in "$docs"/vmboot.1 "$docs"/vmboot.3 "$docs"/vmboot-json.5 "$docs"/vmboot-request.5 "$docs"/vmboot-events.7 \
	"$made"/*.3; do
	page=${file##*/}
	grep -q '^\.SH NAME\|^\.Sh NAME' "$file" || fail "$page has no NAME"
	if command -v mandoc >/dev/null; then
		mandoc -Tlint -W warning "$file" >"$tmp/lint" || fail "$page: $(cat "$tmp/lint")"
	fi
	if command -v man >/dev/null && command -v groff >/dev/null; then
		MANWIDTH=100 man --warnings=w -l "$file" >"$tmp/text" 2>"$tmp/warn" </dev/null ||
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
	page=$(sed -n "s/^$name //p" "$made/aliases")
	for words in "^\.Nm $name\b" "^\.Fo $name$" "^\.Ss $name$"; do
		grep -q "$words" "$made/${page:-$name}.3" ||
			fail "${page:-$name}.3 has no line like $words"
	done
done
for name in $(sed -n 's/^\t\(vmboot_[a-z_]*\);$/\1/p' "$srcdir/libvmboot/libvmboot.sym"); do
	echo "$names" | grep -qx "$name" || fail "$name is exported, and in no header's comments"
done
for name in $(grep -o 'VMBOOT_E[A-Z]* =' "$srcdir/include/vmboot/error.h" | cut -d' ' -f1); do
	grep -q "Dv $name\b" "$docs/vmboot.3" || fail "vmboot.3 has no $name"
done
for name in $(grep -o 'Fn vmboot_[a-z_]*' "$docs"/*.[0-9] | sed 's/.*Fn //' | sort -u); do
	echo "$names" | grep -qx "$name" || fail "the manual has $name, the headers have not"
done

# keys of the guest config
keys=$(sed -n 's|^\t{"\([a-z_]*\)", VMB_KEY_[A-Z]*,.*|\1|p' "$srcdir/libvmboot/wire/config.c")
[ -n "$keys" ] || fail "no keys found in wire/config.c"
for key in $keys; do
	grep -q "\(Cm\|,\) $key\b" "$docs/vmboot-events.7" || fail "vmboot-events.7 has no $key"
done

# verbs and their own flags
if [ -x "$builddir/tools/vmboot" ]; then
	verbs=$(vmboot --help | sed -n 's/^  \([a-z]*\( [a-z][a-z]*\)\?\)  .*/\1/p' | tr ' ' _)
	[ "$(echo "$verbs" | wc -l)" -ge 15 ] || fail "too few verbs found"
	for verb in $verbs; do
		verb=$(echo "$verb" | tr _ ' ')
		sed -n "/^\.It Cm $verb\b/,/^\.It Cm/p" "$docs/vmboot.1" >"$tmp/verb"
		[ -s "$tmp/verb" ] || fail "vmboot.1 has no $verb"
	done
	# each flag of each verb: among those that all take, those of requests, or with the verb
	sed '/^\.Ss/,$d' "$docs/vmboot.1" >"$tmp/common"
	sed -n '/^\.Ss Fields/,/^\.Ss Running/p' "$docs/vmboot.1" >"$tmp/fields"
	for verb in $verbs; do
		verb=$(echo "$verb" | tr _ ' ')
		[ "$verb" = help ] && continue
		sed -n "/^\.It Cm $verb\b/,/^\(\.It Cm\|\.Ss\)/p" "$docs/vmboot.1" | sed '$d' >"$tmp/verb"
		# shellcheck disable=SC2086
		vmboot help $verb >"$tmp/help"
		grep -q '^Fields of the request:' "$tmp/help" && cat "$tmp/fields" >>"$tmp/verb"
		for flag in $(sed -n 's/^  .* --\([a-z-]*\).*/\1/p' "$tmp/help"); do
			cat "$tmp/common" "$tmp/verb" | grep -q "Fl Fl $flag\b" ||
				fail "vmboot.1: $verb has no --$flag"
		done
		for flag in $(grep -o 'Fl Fl [a-z-]*' "$tmp/verb" | cut -d ' ' -f 3); do
			grep -q -e "--$flag\b" "$tmp/help" || fail "vmboot.1: $verb takes no --$flag"
		done
		for flag in $(grep -o '^\.It Cm [^F].* Fl [a-zA-Z]*' "$tmp/verb" | grep -o 'Fl [a-zA-Z]*' |
			cut -d ' ' -f 2 | grep -vx Fl | grep -o .); do
			grep -q "^  -$flag, " "$tmp/help" || fail "vmboot.1: $verb takes no -$flag"
		done
	done
fi

# JSON: each key that a ledger has is in the manual
for key in $(grep -o '"[a-z_]*": *' "$testsdir"/report/*.json | sed 's/.*"\(.*\)".*/\1/' | sort -u); do
	sed -n '/^\.Sh THE LEDGER AS JSON/,/^\.Sh [^T]/p' "$docs/vmboot-events.7" |
		grep -q "^\.\(It \)\?Cm $key\b" || fail "vmboot-events.7 has no JSON member $key"
done

# and each that a plan has, or that a verb or a function writes
json_section() {
	sed -n "/^\.Sh $1\$/,/^\.Sh /p" "$docs/vmboot-json.5"
}
# documented SECTION KEYS, one a line
documented() {
	for key in $2; do
		json_section "$1" | grep -qE "^\.(It )?Cm (.*[ ,])?$key( |\$)" ||
			fail "vmboot-json.5: $1 has no $key"
	done
}
# keys_of FILE: the keys that a source file writes
keys_of() {
	grep -oE '(add|add_int|object_add|vmb_json_[a-z]*)\(o, "[a-z_]+"' "$srcdir/$1" | cut -d '"' -f 2 | sort -u
}
documented "A PLAN" "$(grep -oh '^ *"[a-z_]*": ' "$testsdir"/plan/*.json | tr -d ' ":' | sort -u)"
documented "VMS" "$(keys_of tools/verb-ps.c)"
documented "INSPECTED VMS" "$(keys_of libvmboot/vm/inspect.c)"
documented "WHAT VMS USE" "$(keys_of libvmboot/vm/stats.c)"
documented "PROCESSES OF A GUEST" "$(keys_of libvmboot/agent/top.c)"
documented "EVENTS" "$(keys_of libvmboot/vm/events.c)"
documented "IMAGES" "$(keys_of tools/verb-image.c)"
documented "DISK SPACE" "$(keys_of libvmboot/vm/df.c)"
documented "A PATH IN A GUEST" "$(keys_of tools/verb-files.c)"
documented "CHECKS OF THE HOST" "$(keys_of libvmboot/probe/doctor.c)"
documented "GARBAGE" "$(keys_of libvmboot/vm/gc.c)"

# as HTML: each function has its place, and each link leads somewhere
if command -v mandoc >/dev/null; then
	sh "$docs/mkhtml.sh" "$tmp/html" "$docs" "$docs"/vmboot*.[0-9] "$made"/*.3 >"$tmp/log" 2>&1 ||
		fail "mkhtml.sh: $(cat "$tmp/log")"
	for name in $names; do
		page=$(sed -n "s/^$name //p" "$made/aliases")
		grep -q "id=\"$name\"" "$tmp/html/${page:-$name}.3.html" || fail "HTML: no $name"
	done
	grep -o 'href="[^"]*"' "$tmp"/html/*.html | sed 's/.*\/\([^/]*\):href="\(.*\)"/\1 \2/' |
		sort -u >"$tmp/links"
	[ "$(wc -l <"$tmp/links")" -gt 50 ] || fail "HTML: too few links"
	while read -r page link; do
		target=${link%%#*}
		target=$tmp/html/${target:-$page}
		[ -e "$target" ] || fail "HTML: $page leads to $link, which is not there"
		case $link in
		*#*) grep -q "id=\"${link#*#}\"" "$target" || fail "HTML: $page: no place $link" ;;
		esac
	done <"$tmp/links"
else
	not_tried "mandoc is not installed"
fi

done_testing
