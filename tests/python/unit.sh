#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Python package without a guest: tests/python/test_*.py.
. "$(dirname "$0")/../tools/lib.sh"
. "$(dirname "$0")/lib.sh"

CC=$(sed -n 's/^CC = //p' "$builddir/Makefile")
VERSION=$(sed -n 's/^VERSION = //p' "$builddir/Makefile")
export CC VERSION
if command -v umoci >/dev/null; then
	make_image "$tmp/web" 2
	export TEST_IMAGE="oci:$tmp/web:2"
fi
status=0
timeout -k 10 300 "$python" -m unittest discover -v -s "$testsdir/python" >"$tmp/log" 2>&1 || status=$?
cat "$tmp/log"
[ $status -eq 0 ] || fail "unittest: exit $status"
skipped=$(sed -n 's/.* \.\.\. skipped //p' "$tmp/log" | head -n 1)
[ -z "$skipped" ] || not_tried "$skipped"
done_testing
