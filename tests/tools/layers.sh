#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Layers as they occur: what we make of them is what umoci unpacks, to the last attribute.
. "$(dirname "$0")/lib.sh"

need umoci unsquashfs python3
[ "$(id -u)" = 0 ] || skip "only root can unpack device nodes and owners"
layers=$testsdir/tools/layers.py

python3 "$layers" make "$tmp/odd" || fail "the layers cannot be made"
expect 0 umoci unpack --image "$tmp/odd:odd" "$tmp/bundle" || done_testing
expect 0 vmboot import --name odd --json "oci:$tmp/odd:odd" || done_testing
disk=$(sed -n 's/.*"disk": *"\(.*\)",*/\1/p' "$tmp/out")
expect 0 unsquashfs -no-progress -d "$tmp/ours" "$disk"
python3 "$layers" list "$tmp/bundle/rootfs" >"$tmp/theirs.txt" || fail "list of umoci's"
python3 "$layers" list "$tmp/ours" >"$tmp/ours.txt" || fail "list of ours"
[ "$(wc -l <"$tmp/ours.txt")" -gt 50 ] || fail "too few files: $(cat "$tmp/ours.txt")"
diff "$tmp/theirs.txt" "$tmp/ours.txt" >"$tmp/diff" ||
	fail "umoci's (<) and ours (>) differ: $(cat "$tmp/diff")"

done_testing
