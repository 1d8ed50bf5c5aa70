#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# import, images, rmi: a round trip, in tables and in JSON, and what is refused.
. "$(dirname "$0")/lib.sh"

need jq
make_image "$tmp/web" 2

expect 0 vmboot images && has out NAME DIGEST FORMAT SIZE IMPORTED
expect 0 vmboot images -q && [ ! -s "$tmp/out" ] || fail "images of an empty store"
expect 0 vmboot images --json && [ "$(jq length "$tmp/out")" = 0 ] || fail "images --json, empty"

expect 0 vmboot import --name web:2 "oci:$tmp/web:2"
[ "$(cat "$tmp/out")" = localhost/web:2 ] || fail "import prints $(cat "$tmp/out")"
[ -s "$tmp/err" ] && fail "import says: $(cat "$tmp/err")"
expect 0 vmboot import -n web:two --json "oci:$tmp/web:2"
[ "$(jq -r .name "$tmp/out")" = localhost/web:two ] || fail "import --json: name"

expect 0 vmboot images && has out localhost/web:2 localhost/web:two sha256: KiB
expect 0 vmboot images -q
[ "$(tr '\n' ' ' <"$tmp/out")" = "localhost/web:2 localhost/web:two " ] ||
	fail "images -q: $(cat "$tmp/out")"
expect 0 vmboot images --json
jq -e 'length == 2 and all(.[]; (.digest | test("^sha256:[0-9a-f]{64}$")) and .bytes > 0
	and .imported > 1600000000 and (.format | length) > 0)' "$tmp/out" >/dev/null ||
	fail "images --json: $(cat "$tmp/out")"
jq -e '.[0].config == {"entrypoint": ["/bin/serve"], "cmd": ["/srv"], "env": (.[0].config.env),
	"workdir": "/srv", "user": "33:33"} and (.[0].config.env | index("PORT=80") != null)' \
	"$tmp/out" >/dev/null || fail "config in images --json: $(jq -c '.[0].config' "$tmp/out")"
disk=$(jq -r '.[0].disk' "$tmp/out")
[ "$disk" = "$(jq -r '.[1].disk' "$tmp/out")" ] || fail "one image has two disks"
[ -s "$disk" ] || fail "no disk at $disk"

# a closed standard output is not where the disk is written
expect 0 vmboot rmi web:2 web:two
[ -e "$disk" ] && fail "the disk stays when the last name goes"
vmboot import --name web:2 "oci:$tmp/web:2" >&- 2>"$tmp/err" && fail "import with a closed output"
has err "cannot write to standard output: Bad file descriptor"
expect 0 vmboot images -q && has out localhost/web:2
grep -q . "$disk" || fail "no disk at $disk"

expect 1 vmboot rmi nosuch web:2 && has err 'nosuch' && has out web:2
expect 0 vmboot images -q && [ ! -s "$tmp/out" ] || fail "rmi leaves $(cat "$tmp/out")"

expect 1 vmboot import "oci:$tmp/nosuch" && has err "nosuch"
expect 1 vmboot import "nosuch:$tmp" && has err "nosuch"
expect 1 vmboot import "oci:$tmp/web:nosuch" && has err "nosuch"
printf 'x\033[2J' >"$tmp/evil"
expect 1 vmboot import "disk:$tmp/evil"
grep -q "$(printf '\033')" "$tmp/err" && fail "control characters in an error"
find "$VMBOOT_STORE" -name '*.tmp-*' | grep . && fail "half-made files are left"

done_testing
