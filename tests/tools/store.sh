#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A store that is not there, as one that was mistyped: who only looks does not make it.
. "$(dirname "$0")/lib.sh"

export VMBOOT_STORE="$tmp/typo"

not_made() {
	[ -e "$tmp/typo" ] && fail "$1 makes the store"
	rm -rf "$tmp/typo"
}

for uri in embed test:///default; do
	export LIBVIRT_DEFAULT_URI=$uri
	expect 0 vmboot ps -aq && [ ! -s "$tmp/out" ] || fail "ps finds $(cat "$tmp/out")"
	expect 0 vmboot images -q && [ ! -s "$tmp/out" ] || fail "images finds $(cat "$tmp/out")"
	expect 0 vmboot gc && [ ! -s "$tmp/out" ] || fail "gc finds $(cat "$tmp/out")"
	expect 0 vmboot rm -f web
	for verb in logs report wait start stop restart rm; do
		expect 1 vmboot $verb web && has err 'there is no VM "web"'
	done
	not_made "one of them at $uri"
	expect 1 vmboot rmi web && has err "$tmp/typo has no image" && not_made rmi
	for verb in plan xml; do
		expect 1 vmboot $verb web && has err "$tmp/typo has no image" && not_made $verb
	done
	expect 125 vmboot run --pull never web && has err "$tmp/typo has no image" && not_made run
done
LIBVIRT_DEFAULT_URI=embed
expect 1 vmboot logs web && has err "there is no store $tmp/typo"

echo x >"$tmp/typo"
expect 1 vmboot images && has err "cannot read the store $tmp/typo" "Not a directory"
expect 1 vmboot ps && has err "cannot read the store $tmp/typo"

done_testing
