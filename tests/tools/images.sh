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

# names of it: tag, filters, formats
expect 0 vmboot tag web:2 web:three quay.io/a/web:4
expect 0 vmboot images -q --filter reference='web*' && [ "$(wc -l <"$tmp/out")" = 4 ] ||
	fail "filter by reference: $(cat "$tmp/out")"
expect 0 vmboot images -q --filter reference=web:two
[ "$(cat "$tmp/out")" = localhost/web:two ] || fail "filter by name: $(cat "$tmp/out")"
expect 0 vmboot images -q --filter dangling=true && [ ! -s "$tmp/out" ] || fail "dangling"
expect 0 vmboot images --filter reference=web:2 --format '{{.Repository}} {{.Tag}} {{.Users}}|'
[ "$(cat "$tmp/out")" = "localhost/web 2 |" ] || fail "format: $(cat "$tmp/out")"
expect 2 vmboot images --filter x=y && has err reference=PATTERN
expect 1 vmboot tag nosuch web:5 && has err nosuch
expect 1 vmboot tag web:2 'WEB BAD' && has err 'WEB BAD'
expect 0 vmboot image inspect web:2
jq -e '.[0] | .name == "localhost/web:2" and (.names | length) == 4 and .architecture and
	(.layers | length) > 0 and (.layers[0].digest | test("^sha256:")) and .layers[0].bytes > 0 and
	(.history | length) > 0 and .users == [] and .config.workdir == "/srv"' "$tmp/out" >/dev/null ||
	fail "inspect: $(cat "$tmp/out")"
digest=$(jq -r '.[0].digest' "$tmp/out")
expect 1 vmboot image inspect nosuch web:2 && has err nosuch && [ "$(jq length "$tmp/out")" = 1 ]
expect 2 vmboot image && has err image
expect 2 vmboot image nosuch && has err 'image nosuch'

# what a VM uses stays, and has its place in the list without a name
mkdir -p "$VMBOOT_STORE/vms/user1" && ln -s "../../images/sha256-${digest#*:}" "$VMBOOT_STORE/vms/user1/image"
expect 0 vmboot images --filter user=user1 -q && [ "$(wc -l <"$tmp/out")" = 4 ] || fail "filter by user"
expect 0 vmboot rmi web:three quay.io/a/web:4 web:two
expect 1 vmboot rmi web:2 && has err "user1 uses"
expect 0 vmboot image prune -af && [ ! -s "$tmp/out" ] || fail "prune removes what a VM uses"
echo more >"$tmp/more"
tar -C "$tmp" -cf "$tmp/other.tar" more
expect 0 vmboot import --name web:2 "tar:$tmp/other.tar"
expect 0 vmboot images && has out '<none>' user1
expect 0 vmboot images --filter dangling=true --format '{{.Name}} {{.Users}}'
[ "$(cat "$tmp/out")" = "<none> user1" ] || fail "dangling: $(cat "$tmp/out")"
expect 0 vmboot df --json
jq -e 'map({(.type): .}) | add | .images.count == 2 and .images.active == 1 and .vms.count == 1 and
	.images.bytes > .images.reclaimable and .images.reclaimable > 0' "$tmp/out" >/dev/null ||
	fail "df: $(cat "$tmp/out")"
expect 0 vmboot df && has out images RECLAIMABLE
rm -r "$VMBOOT_STORE/vms/user1"

# prune: those without names; with -a all that are not used, by age
expect 2 vmboot image prune </dev/null && has err --force
expect 2 vmboot image prune -f --filter until=x && has err until=TIME
expect 0 vmboot image prune -n --json && [ "$(jq -r '.[0].digest' "$tmp/out")" = "$digest" ] ||
	fail "prune -n: $(cat "$tmp/out")"
expect 0 vmboot image prune -f && [ "$(cat "$tmp/out")" = "$digest" ] || fail "prune: $(cat "$tmp/out")"
expect 0 vmboot image prune -af --filter until=1h && [ ! -s "$tmp/out" ] || fail "prune until"
expect 0 vmboot images -q && has out localhost/web:2
expect 0 vmboot image prune -af --filter until=0s
expect 0 vmboot image prune -af && expect 0 vmboot images -q && [ ! -s "$tmp/out" ] || fail "prune -a"
expect 0 vmboot import --name web:2 "oci:$tmp/web:2" && expect 0 vmboot tag web:2 web:two

# save: what comes back has the same files, owners, attributes and config
if command -v sqfs2tar >/dev/null; then
	expect 0 vmboot save web:2 "oci:$tmp/saved:x" && expect 0 vmboot save web:2 "oci-archive:$tmp/saved.tar"
	expect 0 vmboot import --name again "oci:$tmp/saved:x"
	expect 0 vmboot image inspect web:2 again
	jq -e '(.[0].config == .[1].config) and (.[1].layers | length) == 1 and
		(.[1].history | length) == (.[0].history | length) + 1' "$tmp/out" >/dev/null ||
		fail "config after save: $(cat "$tmp/out")"
	disk2=$(jq -r '.[1].disk' "$tmp/out")
	unsquashfs -lln "$(jq -r '.[0].disk' "$tmp/out")" >"$tmp/ours"
	unsquashfs -lln "$disk2" | cmp - "$tmp/ours" || fail "save changes the files"
	expect 1 vmboot save web:2 "oci:$tmp/saved" && has err "exists"
	expect 1 vmboot save nosuch "oci:$tmp/x" && has err nosuch
	expect 2 vmboot save web:2 "dir:$tmp/x" && has err oci-archive:
	half=$(find "$tmp" -maxdepth 1 -name '*.tmp-*')
	[ -z "$half" ] || fail "save leaves half-made files: $half"
	umoci ls --layout "$tmp/saved" | grep -qx x || fail "umoci finds no tag in what was saved"
	if command -v skopeo >/dev/null; then
		skopeo --insecure-policy copy -q "oci-archive:$tmp/saved.tar:2" "dir:$tmp/copied" >"$tmp/log" 2>&1 ||
			fail "skopeo: $(cat "$tmp/log")"
	fi
	expect 0 vmboot rmi again
else
	not_tried "sqfs2tar is not installed"
fi

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
