#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a release has promised to programs, the headers of today keep: each baseline-VERSION.txt. And
# layout.py sees each way to break it.
. "$(dirname "$0")/../tools/lib.sh"

python=$(makefile_value PYTHON)
case $python in
'' | :) skip "Python 3.9 or later is not installed" ;;
esac
CC=$(makefile_value CC)
PYTHONDONTWRITEBYTECODE=1
export CC PYTHONDONTWRITEBYTECODE
[ "$(getconf LONG_BIT)" -eq 64 ] || skip "the baselines are those of a 64-bit machine"

layout() {
	"$python" "$testsdir/abi/layout.py" "$@"
}

for base in "$testsdir"/abi/baseline-*.txt; do
	old=$testsdir/abi/include-${base##*/baseline-}
	layout print "${old%.txt}" >"$tmp/old" || fail "layout.py print ${old%.txt}"
	grep -v '^#' "$base" | diff - "$tmp/old" >"$tmp/log" ||
		fail "${base##*/} is not of its headers: $(cat "$tmp/log")"
	layout check "$base" "$srcdir/include" "$builddir/include" >"$tmp/log" ||
		fail "programs that were built with what ${base##*/} has would break: $(cat "$tmp/log")"
done

# changed STATUS HEADER SED-SCRIPT WORDS: of 0.1's headers
changed() {
	rm -rf "$tmp/include"
	cp -R "$testsdir/abi/include-0.1" "$tmp/include"
	chmod -R u+w "$tmp/include"
	sed -i "$3" "$tmp/include/vmboot/$2.h"
	cmp -s "$tmp/include/vmboot/$2.h" "$testsdir/abi/include-0.1/vmboot/$2.h" &&
		fail "nothing changed: $3"
	expect "$1" layout check "$testsdir/abi/baseline-0.1.txt" "$tmp/include" && has out "$4"
}
# the three structs whose padding 0.1 did not name
pad='s/^\tbool err_cut;/&\n\tchar padding[7];/; s/^\tbool skip_module_signatures;.*as asked.*/&\n\tchar padding[7];/
	s/^\tchar short_flag;/&\n\tchar padding[7];/'
for header in exec vm opts; do
	changed 1 "$header" "$pad" "ends with 7 bytes of padding"
done
changed 1 opts 's/^\tbool skip_guest_agent;/&\n\tbool inserted;/' "vmboot_opts.inserted is at 26, inside the 216"
changed 1 opts 's/^\tvoid \*log_data;/&\n\tvoid *inserted;/' "vmboot_opts.progress was 'at 200 size 8"
changed 1 exec 's/^\tbool err_cut;/&\n\tbool added;/' "vmboot_exec_result.added is at 65, inside the 72"
changed 1 exec 's/^\tunsigned rows, columns;/&\n\tbool added;/' "vmboot_exec_opts ends with 7 bytes of padding"
changed 1 exec 's/^\tuint32_t value;/&\n\tuint32_t added;/' "vmboot_exec_control was 'size 8' and is 'size 12'"
changed 1 event 's/VMBOOT_PHASE_EXIT = 48/VMBOOT_PHASE_EXIT = 50/' "VMBOOT_PHASE_EXIT was '48' and is '50'"
changed 1 vm 's/int vmboot_stop(struct vmboot_vm \*vm, int/int vmboot_stop(struct vmboot_vm *vm, unsigned/' \
	"vmboot_stop was 'int(struct vmboot_vm *, int)'"
changed 1 image 's/^VMBOOT_API void vmboot_image_free.*//' "vmboot_image_free is gone"
# only what is added at the end is in order: with the padding that 0.1 did not name, and this
expect 1 layout check "$testsdir/abi/baseline-0.1.txt" "$testsdir/abi/include-0.1"
[ "$(wc -l <"$tmp/out")" -eq 3 ] || fail "more than three are wrong: $(cat "$tmp/out")"
done_testing
