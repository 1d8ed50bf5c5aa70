#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# compare.sh BASE LIBRARY: fails if LIBRARY breaks programs that were built with BASE, which is a
# library with its debug information, or what abidw(1) wrote of one. `make check-abi` runs it.
set -eu

[ $# -eq 2 ] || { echo "usage: $0 BASE LIBRARY" >&2; exit 2; }
for file; do
	[ -e "$file" ] || { echo "$file is not there" >&2; exit 2; }
done
command -v abidiff >/dev/null || { echo "abidiff is not installed: see abigail-tools" >&2; exit 2; }
exec abidiff --no-added-syms --drop-private-types \
	--suppressions "$(dirname "$0")/abidiff.suppress" "$1" "$2"
