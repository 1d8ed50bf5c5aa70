#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What `make install` installs is enough to build against, and `make uninstall` takes it all away.
. "$(dirname "$0")/lib.sh"

need make pkg-config

cc=$(makefile_value CC)
cxx=$(makefile_value CXX)
install_copy
export LD_LIBRARY_PATH="$lib"

for file in bin/vmboot share/man/man1/vmboot.1 share/man/man3/vmboot.3 \
	share/man/man5/vmboot-json.5 share/man/man5/vmboot-request.5 share/man/man7/vmboot-events.7 \
	share/bash-completion/completions/vmboot share/fish/vendor_completions.d/vmboot.fish \
	share/zsh/site-functions/_vmboot; do
	[ -e "$root/$file" ] || fail "$file is not installed"
done
for file in vmboot-init vmboot-import vmboot-logs vmboot-squash; do
	find "$dest" -name "$file" -perm -100 | grep -q . || fail "$file is not installed"
done
if grep -q '^vmbootpythondir = ' "$builddir/Makefile"; then # configured with --enable-python
	installed=$(find "$dest" -path '*/vmboot/py.typed')
	[ -n "$installed" ] || fail "the Python package is not installed"
	# an interpreter without a sanitizer cannot load a library with one
	[ -n "$(makefile_value SANITIZE_CFLAGS)" ] || PYTHONPATH=$(dirname "$(dirname "$installed")") PYTHONDONTWRITEBYTECODE=1 \
		VMBOOT_LIBRARY=$lib "$(makefile_value PYTHON)" -c 'import vmboot; print(vmboot.version())' \
		>"$tmp/log" 2>&1 || fail "the Python package that is installed: $(cat "$tmp/log")"
fi
find "$dest" -name '*.a' | grep . && fail "a static library is installed"

# man finds each function and each verb
if command -v man >/dev/null; then
	for name in $(sed -n 's/^\t\(vmboot_[a-z_]*\);$/\1/p' "$srcdir/libvmboot/libvmboot.sym") \
		$(LD_LIBRARY_PATH=$lib "$root/bin/vmboot" help | sed -n 's/^  \([a-z]*\)  .*/vmboot-\1/p'); do
		man -M "$root/share/man" -w "$name" >"$tmp/log" 2>&1 || fail "man $name: $(cat "$tmp/log")"
	done
	MANWIDTH=100 man -M "$root/share/man" vmboot_event_fd 2>&1 </dev/null | grep -q 'vmboot_wait, ' ||
		fail "man vmboot_event_fd does not show vmboot_wait(3)"
else
	not_tried "man is not installed"
fi
if command -v mandoc >/dev/null; then
	make -s -C "$builddir" install-html DESTDIR="$dest" >"$tmp/log" 2>&1 ||
		fail "make install-html: $(cat "$tmp/log")"
	[ -s "$root/share/doc/libvmboot/html/index.html" ] || fail "no index.html is installed"
else
	not_tried "mandoc is not installed"
fi

want=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' "$builddir/config.h")
[ "$(pkg-config --modversion vmboot)" = "$want" ] || fail "pkg-config does not say $want"
pkg-config --cflags --libs vmboot >/dev/null || fail "pkg-config --cflags --libs vmboot"
cflags=$(pkg-config --cflags vmboot)
pkg-config --libs vmboot | grep -q -e '-lvirt' && fail "vmboot.pc makes callers link libvirt"

# the examples, the smallest as C11 without extensions; tests/boot/examples.sh runs them
for example in "$srcdir"/examples/*.c "$srcdir"/examples/*.cc; do
	build_example "$(basename "$example")"
done
ldd "$tmp/boot-c" 2>&1 | grep -q "$lib/libvmboot" ||
	fail "the example is not linked to the installed library"
[ "$(wc -l <"$srcdir/examples/boot.c")" -lt 40 ] || fail "the example has 40 lines or more"
for example in "$srcdir"/examples/*.*; do
	grep -q "($(basename "$example"))" "$srcdir/examples/README.md" ||
		[ "${example##*.}" = am ] || [ "${example##*.}" = md ] ||
		fail "examples/README.md has no $(basename "$example")"
done

# each header alone, in C and in C++
headers=$(cd "$root/include" && find vmboot -name '*.h' | sort)
[ "$(echo "$headers" | wc -l)" -ge 8 ] || fail "too few headers: $headers"
for header in $headers; do
	printf '#include <%s>\nint one_of_its_own;\n' "$header" | tee "$tmp/h.cc" >"$tmp/h.c"
	# shellcheck disable=SC2086
	$cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $cflags "$tmp/h.c" \
		>"$tmp/log" 2>&1 || fail "$header alone, in C: $(cat "$tmp/log")"
	# shellcheck disable=SC2086
	[ -z "$cxx" ] || $cxx -std=c++11 -Wall -Wextra -Werror -fsyntax-only $cflags "$tmp/h.cc" \
		>"$tmp/log" 2>&1 || fail "$header alone, in C++: $(cat "$tmp/log")"
done

make -s -C "$builddir" uninstall DESTDIR="$dest" >"$tmp/log" 2>&1 || fail "make uninstall"
find "$dest" ! -type d | grep . && fail "make uninstall leaves something"

done_testing
